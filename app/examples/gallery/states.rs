//! Every state that the pane can be in, as a view, and a backend that shows one of them.

#[path = "organisation.rs"]
pub(crate) mod organisation;

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use tandem_app::{Backend, SettingsBackend};
use tandem_types::{
    ActivateExchange, ActivationFailure, ApiError, BackfillView, BrakeView, ConnectOffice, ConnectionView,
    Counts, CrmAccount, DayView, Direction, HistoryView, InvalidField, IssueChoice, IssueCode, IssueCure,
    IssueId, IssuePage, IssueView, ItemKind, MailboxAccount, MailboxServer, MappingRow, OfficeAnswer,
    OfficeView, OpCounts, PaneView, PreviewView, ProbeFault, ProbeStep, ProbeView, Progress, ProgressPhase,
    Refused, SessionId, SessionOutcome, SessionView, SettingKey, Settings, SettingsView, Side, StateReason,
    SyncState, Ticket, Timestamp, UndoLeftView, UndoReason, UndoView, ViewerView,
};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) const NAMES: [&str; 24] = [
    "signed-out",
    "first-start",
    "skipped",
    "getting-ready",
    "preview",
    "preview-waits",
    "progress",
    "in-step",
    "in-step-empty",
    "issues",
    "choices",
    "backfill",
    "backfilled",
    "brake",
    "paused",
    "refused-once",
    "needs-sign-in",
    "salesforce-ended",
    "quota",
    "failing",
    "clearing",
    "deactivated",
    "cloud-first",
    "microsoft-ended",
];

pub(crate) fn view(name: &str) -> PaneView {
    let mut c = base();
    match name {
        "signed-out" => {
            return PaneView {
                now: NOW,
                viewer: None,
                connection: None,
                form_token: None,
            };
        }
        "first-start" => {
            fresh(&mut c);
            c.ask_activation = true;
        }
        "skipped" => {
            fresh(&mut c);
            c.skipped = true;
        }
        "getting-ready" => {
            fresh(&mut c);
            c.state = SyncState::Activating;
            c.mailbox = Some(mailbox());
            c.progress = Some(Progress {
                phase: ProgressPhase::Reading,
                done: 0,
                total: 0,
            });
        }
        "preview" | "preview-waits" => {
            fresh(&mut c);
            c.state = SyncState::Activating;
            c.reason = Some(StateReason::WaitingForPreview);
            c.mailbox = Some(mailbox());
            c.preview = Some(PreviewView {
                counts: vec![counts((214, 0, 0, 0), (12, 3, 0, 0), 118)],
                possible_duplicates: 3,
                starts_at: (name == "preview").then(|| NOW.plus_seconds(103)),
            });
        }
        "progress" => {
            c.progress = Some(Progress {
                phase: ProgressPhase::Writing,
                done: 34,
                total: 120,
            });
        }
        "in-step-empty" => {
            c.sessions.clear();
            c.links = 0;
        }
        "issues" => {
            c.issues = issues();
            c.issues_total = 7;
        }
        "choices" => {
            c.issues = choices();
            c.issues_total = 3;
        }
        "backfill" | "backfilled" => {
            c.settings.emails = Direction::ToCrm;
            let finished = name == "backfilled";
            c.backfill = Some(BackfillView {
                from: NOW.plus_seconds(-40 * 86_400),
                to: NOW.plus_seconds(-10 * 86_400),
                done: if finished { 1_212 } else { 480 },
                total: 1_200,
                saved: if finished { 311 } else { 127 },
                finished,
            });
        }
        "brake" => {
            c.reason = Some(StateReason::StoppedByBrake);
            c.brake = Some(BrakeView {
                counts: vec![counts((0, 2, 0, 0), (0, 4, 187, 0), 0)],
                overwritten: 31,
                side_empty: true,
            });
            c.sessions
                .insert(0, session(30, 2, SessionOutcome::StoppedByBrake, Vec::new(), 0));
        }
        "paused" => {
            c.state = SyncState::Paused;
            c.next_due = None;
        }
        "refused-once" => {
            c.rejections = 1;
            c.reason = Some(StateReason::MailServerRefused);
            c.sessions
                .insert(0, session(200, 1, SessionOutcome::Rejected, Vec::new(), 0));
        }
        "needs-sign-in" => {
            c.state = SyncState::NeedsActivation;
            c.reason = Some(StateReason::MailServerRefused);
            c.ask_activation = true;
            c.rejections = 6;
            c.next_due = None;
            c.sessions
                .insert(0, session(200, 1, SessionOutcome::Rejected, Vec::new(), 0));
        }
        "salesforce-ended" => {
            c.state = SyncState::NeedsActivation;
            c.reason = Some(StateReason::SalesforceSignInEnded);
            c.next_due = None;
            c.sessions
                .insert(0, session(400, 1, SessionOutcome::SignInEnded, Vec::new(), 0));
        }
        "quota" => c.reason = Some(StateReason::Quota),
        "failing" => {
            c.sessions
                .insert(0, session(60, 30, SessionOutcome::Failed, Vec::new(), 0));
            c.next_due = Some(NOW.plus_seconds(240));
        }
        "clearing" => {
            c.clearing = true;
            c.next_due = Some(NOW.plus_seconds(95));
        }
        "deactivated" => {
            c.state = SyncState::Deactivated;
            c.mailbox = None;
            c.next_due = None;
        }
        "cloud-first" => {
            fresh(&mut c);
            c.ask_activation = true;
            c.office = Some(OfficeView {
                first: true,
                nonce: Some(("ab".repeat(32), "cd".repeat(32))),
                ..OfficeView::default()
            });
        }
        "microsoft-ended" => {
            c.state = SyncState::NeedsActivation;
            c.reason = Some(StateReason::MicrosoftSignInEnded);
            c.ask_activation = true;
            c.next_due = None;
            c.activated = Some(NOW.plus_seconds(-40 * 86_400));
            c.mailbox = Some(MailboxAccount {
                server: MailboxServer::Office365,
                host: "graph.microsoft.com".to_owned(),
                ..mailbox()
            });
            c.office = Some(OfficeView {
                first: false,
                hint: Some(mailbox().address),
                claims: Some("{\"access_token\":{}}".to_owned()),
                nonce: Some(("ab".repeat(32), "cd".repeat(32))),
            });
        }
        _ => {}
    }
    PaneView {
        now: NOW,
        viewer: Some(ViewerView {
            name: "Ada Lovelace".to_owned(),
            crm: crm(),
        }),
        connection: Some(c),
        form_token: Some("f0f0f0f0".to_owned()),
    }
}

fn crm() -> CrmAccount {
    CrmAccount {
        username: "ada.lovelace@acme-analytics.example".to_owned(),
        org_id: "00D000000000001AAA".parse().expect("an id"),
        org_name: "Acme Analytics".to_owned(),
        host: "acme-analytics.my.salesforce.com".to_owned(),
    }
}

fn mailbox() -> MailboxAccount {
    MailboxAccount {
        address: "ada.lovelace@acme-analytics.example".to_owned(),
        server: MailboxServer::Exchange,
        host: "mail.acme-analytics.example".to_owned(),
    }
}

fn base() -> ConnectionView {
    ConnectionView {
        id: "0123456789abcdef0123456789abcdef".parse().expect("an id"),
        state: SyncState::Active,
        reason: None,
        ask_activation: false,
        skipped: false,
        rejections: 0,
        crm: crm(),
        mailbox: Some(mailbox()),
        settings: Settings::default(),
        progress: None,
        last_success: Some(NOW.plus_seconds(-125)),
        next_due: Some(NOW.plus_seconds(1_690)),
        links: 332,
        sessions: vec![
            session(
                133,
                8,
                SessionOutcome::Done,
                vec![counts((1, 2, 0, 0), (0, 1, 0, 0), 0)],
                0,
            ),
            session(1_950, 6, SessionOutcome::Done, Vec::new(), 0),
            session(
                3_800,
                95,
                SessionOutcome::Done,
                vec![counts((214, 0, 0, 0), (12, 3, 0, 0), 118)],
                3,
            ),
            session(3_990, 12, SessionOutcome::Preview, Vec::new(), 0),
        ],
        issues: Vec::new(),
        issues_total: 0,
        preview: None,
        brake: None,
        backfill: None,
        activated: None,
        clearing: false,
        office: None,
    }
}

fn fresh(c: &mut ConnectionView) {
    c.state = SyncState::NotActivated;
    c.mailbox = None;
    c.last_success = None;
    c.next_due = None;
    c.links = 0;
    c.sessions.clear();
}

fn ops((created, changed, deleted, skipped): (u32, u32, u32, u32)) -> OpCounts {
    OpCounts {
        created,
        changed,
        deleted,
        skipped,
    }
}

fn counts(to_mailbox: (u32, u32, u32, u32), to_crm: (u32, u32, u32, u32), adopted: u32) -> Counts {
    Counts {
        kind: ItemKind::Contact,
        mailbox: ops(to_mailbox),
        crm: ops(to_crm),
        adopted,
    }
}

fn session(ago: i64, took: i64, outcome: SessionOutcome, counts: Vec<Counts>, issues: u32) -> SessionView {
    SessionView {
        id: format!("{ago:032x}").parse().expect("an id"),
        started: NOW.plus_seconds(-ago),
        ended: Some(NOW.plus_seconds(took - ago)),
        outcome: Some(outcome),
        counts,
        issues,
    }
}

fn issues() -> Vec<IssueView> {
    let all = [
        (
            IssueCode::LastNameMissing,
            "Cher",
            "",
            vec![IssueCure::Retry, IssueCure::Ignore],
        ),
        (
            IssueCode::DeletedInMailbox,
            "Grace Hopper",
            "",
            vec![IssueCure::DeleteThere, IssueCure::BringBack],
        ),
        (
            IssueCode::Refused,
            "Jean-Baptiste Grandgousier-Montmorency de la Fontaine",
            "Phone: the organisation wants +CC NNN NNN",
            vec![IssueCure::Retry, IssueCure::Ignore],
        ),
        (
            IssueCode::SeveralMatches,
            "林 美咲",
            "misaki@example.com",
            vec![IssueCure::Retry, IssueCure::Ignore],
        ),
        (
            IssueCode::Differences,
            "أحمد الفارسي",
            "Title, MobilePhone",
            vec![IssueCure::Ignore],
        ),
        (
            IssueCode::NoPermission,
            "<b>Bobby</b> & sons",
            "",
            vec![IssueCure::Retry],
        ),
    ];
    all.into_iter()
        .zip(1_u8..)
        .map(|((code, title, detail, cures), n)| IssueView {
            id: format!("{n:032x}").parse().expect("an id"),
            kind: ItemKind::Contact,
            code,
            title: title.to_owned(),
            detail: detail.to_owned(),
            since: NOW.plus_seconds(-3_700 * i64::from(n)),
            cures,
            choices: Vec::new(),
            record: (code == IssueCode::Refused).then(|| "003000000000001AAA".to_owned()),
        })
        .collect()
}

/// What cannot be cured by a button alone.
fn choices() -> Vec<IssueView> {
    let choice = |id: &str, label: &str| IssueChoice {
        id: id.to_owned(),
        side: Side::Crm,
        label: label.to_owned(),
    };
    let candidates = vec![
        choice("003000000000001AAA", "Ada Lovelace"),
        choice("003000000000002AAA", "Augusta Ada King, Countess of Lovelace"),
        choice("003000000000003AAA", ""),
    ];
    let pick = vec![IssueCure::PickMatch, IssueCure::Retry, IssueCure::Ignore];
    let keep = vec![IssueCure::KeepMine, IssueCure::KeepTheirs, IssueCure::Ignore];
    let place = vec![IssueCure::LinkTo, IssueCure::Ignore];
    let record = Some("003000000000009AAA".to_owned());
    [
        (
            ItemKind::Contact,
            IssueCode::SeveralMatches,
            "Ada Lovelace",
            "",
            pick,
            candidates,
            None,
        ),
        (
            ItemKind::Contact,
            IssueCode::Conflict,
            "Grace Hopper",
            "Title, MobilePhone",
            keep,
            Vec::new(),
            record,
        ),
        (
            ItemKind::Event,
            IssueCode::NoMatch,
            "Kick-off <Q3>",
            "",
            place,
            Vec::new(),
            None,
        ),
    ]
    .into_iter()
    .zip(1_u8..)
    .map(
        |((kind, code, title, detail, cures, choices, record), n)| IssueView {
            id: format!("{n:032x}").parse().expect("an id"),
            kind,
            code,
            title: title.to_owned(),
            detail: detail.to_owned(),
            since: NOW.plus_seconds(-3_700 * i64::from(n)),
            cures,
            choices,
            record,
        },
    )
    .collect()
}

/// Shows one state; calls move it to another, as a real backend would.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) name: String,
    pub(crate) view: Mutex<PaneView>,
}

impl Fake {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            view: Mutex::new(view(name)),
        }
    }

    fn go(&self, name: &str) -> Result<PaneView, ApiError> {
        let mut shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        if shown.viewer.is_none() {
            return Err(ApiError::SignedOut);
        }
        let now = shown.now.plus_seconds(1);
        *shown = PaneView { now, ..view(name) };
        Ok(shown.clone())
    }
}

#[async_trait]
impl Backend for Fake {
    async fn pane(&self) -> Result<PaneView, ApiError> {
        self.view
            .lock()
            .map(|view| view.clone())
            .map_err(|_| ApiError::Unavailable)
    }
    async fn connect_exchange(&self, form: ActivateExchange) -> Result<PaneView, Refused> {
        if form.login.is_empty() {
            return Err(ApiError::Invalid(InvalidField::Login).into());
        }
        if !form.ews_url.is_empty() && !form.ews_url.starts_with("https://") {
            return Err(ApiError::Invalid(InvalidField::EwsUrl).into());
        }
        if form.password != "right" {
            return Err(ApiError::Activation(ActivationFailure::Login).into());
        }
        Ok(self.go("preview")?)
    }
    async fn connect_office(&self, form: ConnectOffice) -> Result<OfficeAnswer, ApiError> {
        if form.code != "123456" {
            return Err(ApiError::Invalid(InvalidField::Code));
        }
        if !form.outlook.is_empty() && !form.confirmed {
            return Ok(OfficeAnswer::OtherMailbox {
                account: "anna@acme.example".into(),
                expected: form.outlook,
            });
        }
        Ok(OfficeAnswer::Connected(Box::new(self.go("preview")?)))
    }
    async fn skip_activation(&self) -> Result<PaneView, ApiError> {
        self.go("skipped")
    }
    async fn release(&self) -> Result<PaneView, ApiError> {
        self.go("progress")
    }
    async fn hold(&self) -> Result<PaneView, ApiError> {
        self.go("paused")
    }
    async fn sync_now(&self) -> Result<PaneView, ApiError> {
        Err(ApiError::TooOften(40))
    }
    async fn pause(&self) -> Result<PaneView, ApiError> {
        self.go("paused")
    }
    async fn start(&self) -> Result<PaneView, ApiError> {
        self.go("in-step")
    }
    async fn deactivate(&self, remove_items: bool) -> Result<PaneView, ApiError> {
        self.go(if remove_items { "clearing" } else { "deactivated" })
    }
    async fn keep_sync(&self) -> Result<PaneView, ApiError> {
        self.go("in-step")
    }
    async fn cure(
        &self,
        issue: IssueId,
        cure: IssueCure,
        choice: Option<String>,
    ) -> Result<PaneView, ApiError> {
        let mut shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_mut().ok_or(ApiError::SignedOut)?;
        if matches!(cure, IssueCure::PickMatch | IssueCure::LinkTo) != choice.is_some() {
            return Err(ApiError::WrongState);
        }
        let before = connection.issues.len();
        connection.issues.retain(|known| known.id != issue);
        if connection.issues.len() == before {
            return Err(ApiError::WrongState);
        }
        connection.issues_total -= 1;
        shown.now = shown.now.plus_seconds(1);
        Ok(shown.clone())
    }
    async fn undo_session(&self, session: SessionId) -> Result<UndoView, ApiError> {
        let shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_ref().ok_or(ApiError::SignedOut)?;
        if !connection.sessions.iter().any(|known| known.id == session) {
            return Err(ApiError::WrongState);
        }
        let left = |item: &str, reason| UndoLeftView {
            side: Side::Crm,
            kind: ItemKind::Contact,
            item: item.to_owned(),
            reason,
        };
        Ok(UndoView {
            undone: 12,
            left: vec![
                left("003000000000001AAA", UndoReason::ChangedSince),
                left("003000000000002AAA", UndoReason::Gone),
                left("003000000000003AAA", UndoReason::ChangedSince),
            ],
        })
    }
    async fn estimate_backfill(&self, from: String, to: String) -> Result<u32, ApiError> {
        // Days as the fields write them can be compared as text.
        if from.is_empty() || to.trim() < from.trim() {
            return Err(ApiError::Invalid(InvalidField::Dates));
        }
        Ok(1_200)
    }
    async fn start_backfill(&self, from: String, to: String) -> Result<PaneView, ApiError> {
        self.estimate_backfill(from, to).await?;
        self.go("backfill")
    }
    async fn cancel_backfill(&self) -> Result<PaneView, ApiError> {
        self.go("backfilled")
    }
    async fn sign_out(&self) -> Result<PaneView, ApiError> {
        self.go("signed-out")
    }
    async fn ticket(&self) -> Result<Ticket, ApiError> {
        if self.pane().await?.viewer.is_none() {
            return Err(ApiError::SignedOut);
        }
        Ok(Ticket {
            ticket: "once".to_owned(),
        })
    }
}

/// Keeps nothing but what the organisation blocks and one choice of the user's own.
#[async_trait]
impl SettingsBackend for Fake {
    async fn settings(&self) -> Result<SettingsView, ApiError> {
        Ok(SettingsView {
            inherited: Settings {
                interval_minutes: 60,
                blocklist: vec!["rival.example".into()],
                ..Settings::default()
            },
            chosen: vec![SettingKey::Interval, SettingKey::Blocklist],
            blocklist: vec!["gran@home.example".into()],
        })
    }
    async fn seen_by_administrators(&self) -> Result<Option<Timestamp>, ApiError> {
        Ok(self.supports().then(|| NOW.plus_seconds(-3 * 86_400)))
    }
    async fn save_settings(&self, fields: BTreeMap<String, String>) -> Result<PaneView, ApiError> {
        if fields.get("interval_minutes").is_some_and(|text| text == "1") {
            let wrong = InvalidField::Setting(SettingKey::Interval);
            return Err(ApiError::Invalid(wrong));
        }
        let mut shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_mut().ok_or(ApiError::SignedOut)?;
        if let Some(minutes) = fields.get("interval_minutes").and_then(|text| text.parse().ok()) {
            connection.settings.interval_minutes = minutes;
        }
        if let Some(word) = fields.get("save_emails") {
            connection.settings.save_emails = word == "on";
        }
        Ok(shown.clone())
    }
    async fn reset_settings(&self, keys: Vec<SettingKey>) -> Result<PaneView, ApiError> {
        let mut shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_mut().ok_or(ApiError::SignedOut)?;
        if keys.contains(&SettingKey::Interval) {
            connection.settings.interval_minutes = 60;
        }
        Ok(shown.clone())
    }
    async fn history(&self, before: Option<SessionId>) -> Result<HistoryView, ApiError> {
        let shown = self.pane().await?.connection.ok_or(ApiError::SignedOut)?;
        let days = (0..30_u32).map(|n| DayView {
            day: NOW.plus_seconds(86_400 * (i64::from(n) - 29)),
            well: 40 + n % 7,
            badly: u32::from(n % 9 == 4) * 3,
            written: n * n % 37,
            took: 900 + 130 * (n % 11),
        });
        Ok(HistoryView {
            total: 120,
            kept_for: 90,
            undone_for: 30,
            more: before.is_none() && !shown.sessions.is_empty(),
            days: if shown.sessions.is_empty() {
                Vec::new()
            } else {
                days.collect()
            },
            sessions: shown.sessions,
        })
    }
    async fn issue_page(
        &self,
        kind: Option<ItemKind>,
        code: Option<IssueCode>,
        skip: u32,
    ) -> Result<IssuePage, ApiError> {
        let shown = self.pane().await?.connection.ok_or(ApiError::SignedOut)?;
        let picked: Vec<IssueView> = shown
            .issues
            .into_iter()
            .filter(|issue| kind.is_none_or(|kind| issue.kind == kind))
            .filter(|issue| code.is_none_or(|code| issue.code == code))
            .collect();
        Ok(IssuePage {
            total: u32::try_from(picked.len()).unwrap_or(u32::MAX),
            issues: picked
                .into_iter()
                .skip(usize::try_from(skip).unwrap_or(usize::MAX))
                .collect(),
        })
    }
    async fn cure_issues(&self, issues: Vec<IssueId>, _cure: IssueCure) -> Result<PaneView, ApiError> {
        let mut shown = self.view.lock().map_err(|_| ApiError::Unavailable)?;
        let connection = shown.connection.as_mut().ok_or(ApiError::SignedOut)?;
        connection.issues.retain(|issue| !issues.contains(&issue.id));
        connection.issues_total = u32::try_from(connection.issues.len()).unwrap_or(u32::MAX);
        Ok(shown.clone())
    }
    async fn probe(&self, side: Side) -> Result<ProbeView, ApiError> {
        let refused = (ProbeStep::SignIn, ProbeFault::NotTriedAgain);
        Ok(ProbeView {
            side,
            failed: (side == Side::Mailbox).then_some(refused),
        })
    }
    async fn mapping(&self) -> Result<Vec<MappingRow>, ApiError> {
        let rows = [
            (ItemKind::Contact, "surname", "LastName"),
            (ItemKind::Contact, "job_title", "Title"),
            (ItemKind::Event, "when", "StartDateTime"),
            (ItemKind::Email, "of_a_newer_version", "Field__c"),
        ];
        let row = |(kind, field, there): (ItemKind, &str, &str)| MappingRow {
            kind,
            field: field.to_owned(),
            there: there.to_owned(),
        };
        Ok(rows.map(row).to_vec())
    }
}
