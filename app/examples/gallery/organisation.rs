//! What administrators see, and what others see in its place.

use async_trait::async_trait;
use tandem_app::{Backend as _, OrgPick, OrgTarget, OrganisationBackend};
use tandem_types::{
    ApiError, IntegrationTrouble, IntegrationView, IssueCode, IssueId, IssueView, ItemKind, MailboxServer,
    MeterView, OrgAct, OrgCount, OrgDenied, OrgFault, OrgRun, OrgRunState, OrgUser, OrgUserView, OrgView,
    PaneView, SessionId, SessionOutcome, SessionView, StateReason, SyncState, UserId, Verdict,
};

use super::{Fake, NOW};

/// Pages of the organisation that look different, by state.
pub(crate) const PAGES: [&str; 9] = [
    "in-step/settings/organisation",
    "in-step/settings/organisation?verdict=stopped&amp;q=berg",
    "in-step/settings/organisation?user=005000000000002AAA",
    "progress/settings/organisation",
    "progress/settings/organisation?user=005000000000002AAA",
    "in-step-empty/settings/organisation?q=nobody",
    "paused/settings/organisation",
    "salesforce-ended/settings/organisation",
    "failing/settings/organisation",
];

fn users(addresses: bool) -> Vec<OrgUser> {
    let user =
        |n: u32, name: &str, verdict: Verdict, state: SyncState, reason: Option<StateReason>| OrgUser {
            user: format!("005{n:012}AAA").parse().expect("an id"),
            name: name.to_owned(),
            username: format!("user{n}@acme-analytics.example"),
            server: (state != SyncState::NotActivated).then_some(if n.is_multiple_of(2) {
                MailboxServer::Office365
            } else {
                MailboxServer::Exchange
            }),
            address: addresses.then(|| format!("mailbox.{n}@mail.acme-analytics.example")),
            verdict,
            state,
            reason,
            skipped: false,
            rejections: u32::from(reason == Some(StateReason::MailServerRefused)) * 2,
            failures: u32::from(verdict == Verdict::Failing && reason.is_none()) * 3,
            running: false,
            last: (state != SyncState::NotActivated).then(|| {
                let outcome = if verdict.is_trouble() {
                    SessionOutcome::Failed
                } else {
                    SessionOutcome::Done
                };
                (outcome, NOW.plus_seconds(-i64::from(n) * 400))
            }),
            last_success: (n > 2).then(|| NOW.plus_seconds(-i64::from(n) * 400)),
            overdue: (verdict == Verdict::Overdue).then(|| NOW.plus_seconds(-1_500)),
            issues: n % 4,
        };
    vec![
        user(
            1,
            "Nina Berg",
            Verdict::Stopped,
            SyncState::NeedsActivation,
            Some(StateReason::SalesforceSignInEnded),
        ),
        user(
            2,
            "Dr. Maximiliane von Hohenzollern-Sigmaringen",
            Verdict::Failing,
            SyncState::Active,
            Some(StateReason::MailServerRefused),
        ),
        user(3, "Otto Lang", Verdict::Failing, SyncState::Active, None),
        user(4, "Ada Lovelace", Verdict::Overdue, SyncState::Active, None),
        user(
            5,
            "山田 太郎",
            Verdict::Waiting,
            SyncState::Active,
            Some(StateReason::WaitingForPreview),
        ),
        user(6, "", Verdict::Off, SyncState::NotActivated, None),
        user(7, "Kim Weiß", Verdict::Syncing, SyncState::Active, None),
    ]
}

fn counts() -> Vec<OrgCount> {
    let count = |verdict, state, reason, users| OrgCount {
        verdict,
        state,
        reason,
        users,
    };
    let ended = Some(StateReason::SalesforceSignInEnded);
    let refused = Some(StateReason::MailServerRefused);
    vec![
        count(Verdict::Stopped, SyncState::NeedsActivation, ended, 14),
        count(Verdict::Failing, SyncState::Active, refused, 3),
        count(Verdict::Failing, SyncState::Active, None, 2),
        count(Verdict::Overdue, SyncState::Active, None, 1),
        count(
            Verdict::Waiting,
            SyncState::Active,
            Some(StateReason::WaitingForPreview),
            120,
        ),
        count(Verdict::Off, SyncState::NotActivated, None, 1_204),
        count(Verdict::Syncing, SyncState::Active, None, 48_311),
    ]
}

fn run(state: OrgRunState) -> OrgRun {
    OrgRun {
        id: "7".repeat(32).parse().expect("an id"),
        act: OrgAct::SyncNow,
        by: "Ada Lovelace".to_owned(),
        state,
        total: 312,
        done: 19,
        passed: 0,
        failed: 6,
        faults: vec![
            ("Nina Berg".to_owned(), OrgFault::SignInNeeded),
            ("Otto Lang".to_owned(), OrgFault::Refused),
            ("Kim Weiß".to_owned(), OrgFault::Braked),
        ],
        started: NOW.plus_seconds(-90),
        updated: NOW.plus_seconds(-10),
    }
}

fn integration(trouble: Option<IntegrationTrouble>) -> IntegrationView {
    IntegrationView {
        username: "integration@acme-analytics.example".to_owned(),
        by: "Ada Lovelace".to_owned(),
        since: NOW.plus_seconds(-86_400),
        asked: Some(NOW.plus_seconds(-420)),
        trouble: trouble.map(|trouble| (trouble, NOW.plus_seconds(-300))),
    }
}

impl Fake {
    fn denied(&self) -> Option<OrgDenied> {
        match self.name.as_str() {
            "paused" => Some(OrgDenied::NotAdministrator),
            "salesforce-ended" => Some(OrgDenied::SignInEnded),
            "failing" => Some(OrgDenied::NoAnswer),
            _ => None,
        }
    }

    pub(super) fn supports(&self) -> bool {
        self.name == "progress"
    }
}

#[async_trait]
impl OrganisationBackend for Fake {
    async fn seems_administrator(&self) -> Result<bool, ApiError> {
        Ok(self.denied().is_none())
    }
    async fn organisation(
        &self,
        pick: OrgPick,
        after: Option<UserId>,
    ) -> Result<Result<OrgView, OrgDenied>, ApiError> {
        if let Some(denied) = self.denied() {
            return Ok(Err(denied));
        }
        let empty = self.name == "in-step-empty";
        let mut users = users(self.supports());
        users.retain(|user| !empty && pick.verdict.is_none_or(|verdict| verdict == user.verdict));
        let counts = if empty { Vec::new() } else { counts() };
        Ok(Ok(OrgView {
            org: "00D000000000001AAA".parse().expect("an id"),
            name: "Acme Analytics".to_owned(),
            matching: counts
                .iter()
                .filter(|count| pick.verdict.is_none_or(|verdict| verdict == count.verdict))
                .map(|count| count.users)
                .sum(),
            counts,
            issues: vec![(IssueCode::SeveralMatches, 412), (IssueCode::LastNameMissing, 97)],
            next: users
                .last()
                .filter(|_| after.is_none())
                .map(|last| last.user.clone()),
            users,
            meter: Some(MeterView {
                used: 812_404,
                limit: 1_000_000,
                reserve: 10,
            }),
            support: self
                .supports()
                .then(|| ("Ada Lovelace".to_owned(), NOW.plus_seconds(-7_200))),
            run: match self.name.as_str() {
                "progress" => Some(run(OrgRunState::Running)),
                "in-step" => Some(run(OrgRunState::Failed)),
                _ => None,
            },
            integration: match self.name.as_str() {
                "in-step" => Some(integration(None)),
                "progress" => Some(integration(Some(IntegrationTrouble::SignInEnded))),
                _ => None,
            },
        }))
    }
    async fn org_user(&self, user: UserId) -> Result<Result<Option<OrgUserView>, OrgDenied>, ApiError> {
        if let Some(denied) = self.denied() {
            return Ok(Err(denied));
        }
        let found = users(self.supports()).into_iter().find(|of| of.user == user);
        Ok(Ok(found.map(|user| OrgUserView {
            user,
            sessions: vec![SessionView {
                id: "5".repeat(32).parse().expect("an id"),
                started: NOW.plus_seconds(-800),
                ended: Some(NOW.plus_seconds(-790)),
                outcome: Some(SessionOutcome::Rejected),
                counts: Vec::new(),
                issues: 2,
            }],
            counts: vec![(IssueCode::SeveralMatches, 2)],
            issues: self.supports().then(|| {
                vec![IssueView {
                    id: "3".repeat(32).parse::<IssueId>().expect("an id"),
                    kind: ItemKind::Contact,
                    code: IssueCode::SeveralMatches,
                    title: "Grace Hopper".to_owned(),
                    detail: String::new(),
                    since: NOW.plus_seconds(-86_400),
                    cures: Vec::new(),
                    choices: Vec::new(),
                    record: None,
                }]
            }),
        })))
    }
    async fn org_act(&self, _: OrgAct, _: OrgTarget) -> Result<PaneView, ApiError> {
        self.pane().await
    }
    async fn org_halt(&self, _: SessionId) -> Result<PaneView, ApiError> {
        self.pane().await
    }
    async fn org_go_on(&self, _: SessionId) -> Result<PaneView, ApiError> {
        self.pane().await
    }
    async fn org_support(&self, _: bool) -> Result<PaneView, ApiError> {
        self.pane().await
    }
    async fn org_disconnect(&self) -> Result<PaneView, ApiError> {
        self.pane().await
    }
}
