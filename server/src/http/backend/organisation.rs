//! The organisation's page: what administrators see and order. Each of these asks first whether the viewer is one.

use std::time::Duration;

use async_trait::async_trait;
use tandem_app::{OrgPick, OrgTarget, OrganisationBackend};
use tandem_store::{IssuePick, OrgRunRow};
use tandem_types::{
    ApiError, OrgAct, OrgDenied, OrgRunState, OrgUserView, OrgView, PaneView, SessionId, UserId, Verdict,
};

use super::{Known, RequestBackend, unavailable};
use crate::clock::new_id;
use crate::http::session::By;
use crate::{administrators, integration, organisation, standing};

/// Users on one page.
const USERS_SHOWN: u32 = 100;
const SESSIONS_SHOWN: u32 = 10;
const ISSUES_SHOWN: u32 = 50;
/// What is ordered for a few is done when the page is drawn.
const AT_ONCE: Duration = Duration::from_secs(2);

impl RequestBackend {
    /// The viewer, if an administrator.
    async fn administrator(&self) -> Result<Result<Known, OrgDenied>, ApiError> {
        let known = self.need().await?;
        // The bearer is the pane's emergency exit; it opens nothing of the organisation's.
        if known.viewer.by == By::Bearer {
            return Ok(Err(OrgDenied::NotAdministrator));
        }
        let right = administrators::check(&self.app, &known.row).await;
        Ok(right.map_err(unavailable)?.map(|()| known))
    }

    /// For what is ordered.
    async fn ordering(&self) -> Result<Known, ApiError> {
        self.administrator()
            .await?
            .map_err(|_| ApiError::NotAdministrator)
    }

    /// Carries it out; waits for what is done at once.
    async fn begin(&self, known: &Known, run: OrgRunRow) -> Result<PaneView, ApiError> {
        let carried = organisation::carry_out(&self.app, run, known.row.id.clone());
        // Whether it is done or not: the page says so.
        let _ = tokio::time::timeout(AT_ONCE, carried).await;
        self.after(known).await
    }
}

#[async_trait]
impl OrganisationBackend for RequestBackend {
    async fn seems_administrator(&self) -> Result<bool, ApiError> {
        let known = self.need().await?;
        administrators::seems(&self.app, &known.row)
            .await
            .map_err(unavailable)
    }

    async fn organisation(
        &self,
        pick: OrgPick,
        after: Option<UserId>,
    ) -> Result<Result<OrgView, OrgDenied>, ApiError> {
        let known = match self.administrator().await? {
            Ok(known) => known,
            Err(denied) => return Ok(Err(denied)),
        };
        let (store, org) = (&self.app.store, &known.row.org_id);
        let now = self.app.clock.now();
        let everybody = organisation::pick(None, pick.search.clone(), Vec::new());
        let counts = store
            .standing_counts(org, &everybody, now)
            .await
            .map_err(unavailable)?;
        let shown = organisation::pick(pick.verdict, pick.search, Vec::new());
        // One more tells whether there are others.
        let page = store.standing_page(org, &shown, after.as_ref(), USERS_SHOWN + 1, now);
        let mut standings = page.await.map_err(unavailable)?;
        let most = usize::try_from(USERS_SHOWN).unwrap_or(usize::MAX);
        let more = standings.len() > most;
        standings.truncate(most);
        let support = store.support_access(org).await.map_err(unavailable)?;
        let run = store.org_run(org, now).await.map_err(unavailable)?;
        let integration_user = store.integration(org).await.map_err(unavailable)?;
        let matches = |verdict: Verdict| pick.verdict.is_none_or(|picked| picked == verdict);
        Ok(Ok(OrgView {
            org: org.clone(),
            name: known.user.org_name.clone(),
            matching: counts
                .iter()
                .filter(|count| matches(count.verdict))
                .map(|count| count.users)
                .sum(),
            counts,
            issues: store.issue_counts(org, None).await.map_err(unavailable)?,
            next: standings.last().filter(|_| more).map(|last| last.user_id.clone()),
            users: standings
                .iter()
                .map(|of| standing::user(of, support.is_some(), now))
                .collect(),
            meter: organisation::meter(&self.app, org).await.map_err(unavailable)?,
            support: support.map(|support| (support.name, support.since)),
            run: run.map(organisation::shown),
            integration: integration_user.map(integration::shown),
        }))
    }

    async fn org_user(&self, user: UserId) -> Result<Result<Option<OrgUserView>, OrgDenied>, ApiError> {
        let known = match self.administrator().await? {
            Ok(known) => known,
            Err(denied) => return Ok(Err(denied)),
        };
        let (store, org) = (&self.app.store, &known.row.org_id);
        let now = self.app.clock.now();
        let one = organisation::pick(None, String::new(), vec![user.clone()]);
        let page = store.standing_page(org, &one, None, 1, now).await;
        let Some(of) = page.map_err(unavailable)?.pop() else {
            return Ok(Ok(None));
        };
        let support = store.support_access(org).await.map_err(unavailable)?.is_some();
        let what = if support {
            "with subjects"
        } else {
            "without subjects"
        };
        // Before it is shown: what is not audited is not seen.
        self.audit(&known, "administrator_viewed", &format!("{user} {what}"))
            .await?;
        let sessions = store
            .sessions(&of.id, SESSIONS_SHOWN)
            .await
            .map_err(unavailable)?;
        let issues = if support {
            let all = IssuePick::default();
            let page = store.issue_page(&of.id, &all, 0, ISSUES_SHOWN);
            Some(page.await.map_err(unavailable)?.0)
        } else {
            None
        };
        Ok(Ok(Some(OrgUserView {
            user: standing::user(&of, support, now),
            sessions,
            counts: store.issue_counts(org, Some(&user)).await.map_err(unavailable)?,
            issues,
        })))
    }

    async fn org_act(&self, act: OrgAct, target: OrgTarget) -> Result<PaneView, ApiError> {
        let known = self.ordering().await?;
        let (store, org) = (&self.app.store, &known.row.org_id);
        let now = self.app.clock.now();
        let target = match target {
            OrgTarget::Users(users) => organisation::pick(None, String::new(), users),
            OrgTarget::All(pick) => organisation::pick(pick.verdict, pick.search, Vec::new()),
        };
        let counts = store
            .standing_counts(org, &target, now)
            .await
            .map_err(unavailable)?;
        let total: u32 = counts.iter().map(|count| count.users).sum();
        let run = OrgRunRow {
            id: new_id(self.app.rng.as_ref()),
            org_id: org.clone(),
            user_id: known.row.user_id.clone(),
            name: known.user.name.clone(),
            act,
            target,
            after: None,
            state: OrgRunState::Running,
            turn: 1,
            total,
            done: 0,
            passed: 0,
            failed: 0,
            faults: Vec::new(),
            started: now,
            updated: now,
        };
        if !store.begin_org_run(&run, now).await.map_err(unavailable)? {
            return Err(ApiError::WrongState);
        }
        self.audit(
            &known,
            "administrator_ordered",
            &format!("{} for {total}", act.as_str()),
        )
        .await?;
        self.begin(&known, run).await
    }

    async fn org_halt(&self, run: SessionId) -> Result<PaneView, ApiError> {
        let known = self.ordering().await?;
        let now = self.app.clock.now();
        let halted = self.app.store.halt_org_run(&known.row.org_id, &run, now).await;
        if !halted.map_err(unavailable)? {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "administrator_halted", "").await?;
        self.after(&known).await
    }

    async fn org_go_on(&self, run: SessionId) -> Result<PaneView, ApiError> {
        let known = self.ordering().await?;
        let now = self.app.clock.now();
        let (org, by) = (&known.row.org_id, &known.row.user_id);
        let taken = self.app.store.resume_org_run(org, &run, by, now).await;
        let Some(run) = taken.map_err(unavailable)? else {
            return Err(ApiError::WrongState);
        };
        self.audit(&known, "administrator_went_on", run.act.as_str())
            .await?;
        self.begin(&known, run).await
    }

    async fn org_support(&self, on: bool) -> Result<PaneView, ApiError> {
        let known = self.ordering().await?;
        let now = self.app.clock.now();
        let by = on.then_some(&known.row.user_id);
        let changed = self
            .app
            .store
            .set_support_access(&known.row.org_id, by, now)
            .await;
        if changed.map_err(unavailable)? {
            let action = if on {
                "support_access_allowed"
            } else {
                "support_access_ended"
            };
            self.audit(&known, action, "").await?;
        }
        self.after(&known).await
    }

    async fn org_disconnect(&self) -> Result<PaneView, ApiError> {
        let known = self.ordering().await?;
        let by = integration::By::Administrator(&known.row.user_id);
        let gone = integration::disconnect(&self.app, &known.row.org_id, by).await;
        if !gone.map_err(unavailable)? {
            return Err(ApiError::WrongState);
        }
        self.after(&known).await
    }
}
