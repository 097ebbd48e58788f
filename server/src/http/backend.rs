//! What the pane asks for and orders, for the viewer of one request.

mod item;
mod organisation;
mod settings;

use async_trait::async_trait;
use http::header::SET_COOKIE;
use leptos::prelude::use_context;
use secrecy::SecretString;
use tandem_app::Backend;
use tandem_mailbox::{ActivationError, Step};
use tandem_store::{ConnectionRow, MailboxSecret, Provider, UserRow, WaitingSignIn};
use tandem_sync::model::Window;
use tandem_sync::ports::StoreError;
use tandem_sync::undo::{LeftReason, UndoReport};
use tandem_types::{
    ActivateExchange, ActivationFailure, ApiError, BackfillView, ConnectOffice, ConnectionView, CrmAccount,
    InvalidField, IssueCure, IssueId, ItemKind, MailboxAccount, MailboxServer, OfficeAnswer, OfficeView,
    PaneView, Progress, ProgressPhase, Refused, SearchStep, SessionId, StateReason, SyncState, Ticket,
    UndoLeftView, UndoReason, UndoView, ViewerView,
};

use super::App;
use super::auth::{CODE_TRIES, code_hash};
use super::events;
use super::session::{self, By, Viewer};
use crate::deactivation;
use crate::steering::{self, Woken};
use crate::trials::{TRIALS, subjects};
use crate::worker::backfill;
use crate::worker::cure::{self, Cured};
use crate::worker::undo::{self, Undone};

const SESSIONS_SHOWN: u32 = 10;
const ISSUES_SHOWN: u32 = 50;
/// *Sync now* is refused where so many sessions began within the last minute.
const SESSIONS_A_MINUTE: usize = 6;
const TICKET_SECONDS: i64 = 30;
/// For the answer to *this is another mailbox*.
const CONFIRM_SECONDS: i64 = 120;
const UNKNOWN_PROGRESS: Progress = Progress {
    phase: ProgressPhase::Reading,
    done: 0,
    total: 0,
};

/// One request's door to the server.
pub(crate) struct RequestBackend {
    app: App,
    viewer: Result<Option<Viewer>, ApiError>,
}

/// A viewer with the rows that belong to him.
struct Known {
    viewer: Viewer,
    user: UserRow,
    row: ConnectionRow,
}

fn unavailable(error: StoreError) -> ApiError {
    tracing::error!(%error, "a request was not served");
    ApiError::Unavailable
}

impl RequestBackend {
    pub(crate) fn new(app: App, viewer: Option<Viewer>) -> Self {
        Self {
            app,
            viewer: Ok(viewer),
        }
    }

    /// For a request whose viewer could not be looked up.
    pub(crate) fn failing(app: App, error: ApiError) -> Self {
        Self {
            app,
            viewer: Err(error),
        }
    }

    async fn known(&self) -> Result<Option<Known>, ApiError> {
        let Some(viewer) = self.viewer.clone()? else {
            return Ok(None);
        };
        let user = self
            .app
            .store
            .user(&viewer.session.user_id)
            .await
            .map_err(unavailable)?;
        let row = self
            .app
            .store
            .connection_of(&viewer.session.user_id)
            .await
            .map_err(unavailable)?;
        Ok(user.zip(row).map(|(user, row)| Known { viewer, user, row }))
    }

    async fn need(&self) -> Result<Known, ApiError> {
        self.known().await?.ok_or(ApiError::SignedOut)
    }

    async fn view(&self, known: &Known) -> Result<ConnectionView, ApiError> {
        let store = &self.app.store;
        let row = &known.row;
        let sessions = store
            .sessions(&row.id, SESSIONS_SHOWN)
            .await
            .map_err(unavailable)?;
        let (issues, issues_total) = store.issues(&row.id, ISSUES_SHOWN).await.map_err(unavailable)?;
        let now = self.app.clock.now();
        let progress = self.app.hub.progress(&row.id).or_else(|| {
            // In another process, or too young to have told anything.
            let running = row.running_at(now).is_some();
            running.then_some(UNKNOWN_PROGRESS)
        });
        Ok(ConnectionView {
            id: row.id.clone(),
            state: row.state,
            reason: row.reason_at(now),
            ask_activation: asks(row),
            skipped: row.skipped,
            rejections: row.rejections,
            crm: crm_account(&known.user),
            mailbox: row.mailbox.clone(),
            settings: row.settings.clone(),
            progress,
            last_success: row.last_success,
            next_due: row.due_at(now),
            links: row.links,
            sessions,
            issues,
            issues_total,
            preview: row.preview.clone(),
            // While the whole organisation is stopped, it is not the user who lets anything go on.
            brake: row
                .brake
                .clone()
                .filter(|_| row.reason == Some(StateReason::StoppedByBrake)),
            backfill: row.backfill.as_ref().map(|backfill| BackfillView {
                from: backfill.from,
                to: backfill.to,
                done: backfill.done,
                total: backfill.total,
                saved: backfill.saved,
                finished: backfill.finished,
            }),
            activated: row.activated,
            clearing: row.clearing,
            office: self.office(known).await?,
        })
    }

    async fn office(&self, known: &Known) -> Result<Option<OfficeView>, ApiError> {
        if self.app.microsoft.is_none() {
            return Ok(None);
        }
        let row = &known.row;
        let cloud = |account: &&MailboxAccount| account.server == MailboxServer::Office365;
        let before = row.mailbox.as_ref().filter(cloud);
        let claims = match before {
            Some(_) => {
                let demand = self.app.store.demand(&row.id, Provider::Microsoft);
                demand.await.map_err(unavailable)?
            }
            None => None,
        };
        let ews = &self.app.config.ews;
        Ok(Some(OfficeView {
            first: ews.allowed_hosts.is_empty() && ews.allowed_domains.is_empty(),
            hint: before.map(|account| account.address.clone()),
            claims,
            nonce: (known.viewer.by == By::Cookie).then(|| {
                let nonce = session::hex(&self.app.sign("office", &session::hex(&known.viewer.token_hash)));
                let challenge = session::hex(&session::hash(nonce.as_bytes()));
                (nonce, challenge)
            }),
        }))
    }

    /// One guess of a code; too many for one nonce are refused unseen.
    async fn take_sign_in(&self, form: &ConnectOffice) -> Result<(WaitingSignIn, [u8; 32]), ApiError> {
        let store = &self.app.store;
        let now = self.app.clock.now();
        let nonce_hash = session::hash(form.nonce.as_bytes());
        let tries = format!("code/{}", session::hex(&nonce_hash));
        if store.trials(&tries, now).await.map_err(unavailable)? >= CODE_TRIES
            || store.record_trial(&tries, now).await.map_err(unavailable)? > CODE_TRIES
        {
            return Err(ApiError::TooOften(900));
        }
        let hash = code_hash(form.code.trim(), &nonce_hash);
        let taken = store.take_sign_in(&nonce_hash, &hash, now).await;
        let waiting = taken
            .map_err(unavailable)?
            .ok_or(ApiError::Invalid(InvalidField::Code))?;
        store.forget_trial(&tries, now).await.map_err(unavailable)?;
        Ok((waiting, nonce_hash))
    }

    /// A range of days, as a form writes them.
    fn days(&self, from: &str, to: &str) -> Result<Window, ApiError> {
        backfill::days(from, to, self.app.clock.now()).ok_or(ApiError::Invalid(InvalidField::Dates))
    }

    /// The view as it is now, told to the user's other panes too.
    async fn after(&self, known: &Known) -> Result<PaneView, ApiError> {
        self.app.hub.changed(&known.row.id);
        self.pane().await
    }

    async fn audit(&self, known: &Known, action: &str, detail: &str) -> Result<(), ApiError> {
        let now = self.app.clock.now();
        self.app
            .store
            .audit(
                &known.viewer.session.org_id,
                &known.viewer.session.user_id,
                action,
                detail,
                now,
            )
            .await
            .map_err(unavailable)
    }
}

fn told(report: &UndoReport) -> UndoView {
    UndoView {
        undone: report.undone,
        left: report
            .left
            .iter()
            .map(|left| UndoLeftView {
                side: left.side,
                kind: left.kind,
                item: left.item.0.clone(),
                reason: match left.reason {
                    LeftReason::ChangedSince | LeftReason::MadePrivate => UndoReason::ChangedSince,
                    LeftReason::Replaced => UndoReason::Replaced,
                    LeftReason::Gone | LeftReason::NotOwn => UndoReason::Gone,
                    LeftReason::GoneForGood => UndoReason::GoneForGood,
                    LeftReason::Refused(_) => UndoReason::Refused,
                    LeftReason::InDoubt => UndoReason::InDoubt,
                    LeftReason::NotReached => UndoReason::NotReached,
                },
            })
            .collect(),
    }
}

fn crm_account(user: &UserRow) -> CrmAccount {
    let host = url::Url::parse(&user.instance_url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| user.instance_url.clone());
    CrmAccount {
        username: user.username.clone(),
        org_id: user.org_id.clone(),
        org_name: user.org_name.clone(),
        host,
    }
}

/// Whether the dialog opens by itself. It asks for the mailbox's password, which is no answer to what Salesforce has ended.
fn asks(row: &ConnectionRow) -> bool {
    row.ask_activation
        && match row.state {
            SyncState::NotActivated => true,
            SyncState::NeedsActivation => row.reason != Some(StateReason::SalesforceSignInEnded),
            SyncState::Activating | SyncState::Active | SyncState::Paused | SyncState::Deactivated => false,
        }
}

/// With whose mailbox the account is compared: the one that Outlook shows; where nothing shows one, the one whose sign-in
/// has ended. Whoever changes the account on purpose is not asked.
fn expected_mailbox(outlook: &str, row: &ConnectionRow) -> Option<String> {
    let outlook = outlook.trim();
    if !outlook.is_empty() {
        // An address is never longer.
        return Some(outlook.chars().take(320).collect());
    }
    let ended = row.reason == Some(StateReason::MicrosoftSignInEnded);
    row.mailbox
        .as_ref()
        .filter(|account| ended && account.server == MailboxServer::Office365)
        .map(|account| account.address.clone())
}

fn searched(trace: &[Step]) -> Vec<SearchStep> {
    let step = |step: &Step| SearchStep {
        asked: step.asked.clone(),
        answer: step.answer.clone(),
    };
    trace.iter().map(step).collect()
}

/// The id of a record, from itself or from the address at which Salesforce shows it: `https://…/003…` or
/// `https://…/lightning/r/Contact/003…/view`.
fn record_id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = |part: &str| {
        matches!(part.len(), 15 | 18)
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
            // The name of an object may be as long.
            && part.bytes().any(|b| b.is_ascii_digit())
    };
    if is_id(text) {
        return Some(text.to_owned());
    }
    let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "https")?;
    let mut parts = url.path_segments()?;
    parts.rfind(|part| is_id(part)).map(str::to_owned)
}

/// What can be said about a form before anything is sent.
fn checked(form: &ActivateExchange) -> Result<(), InvalidField> {
    let login = form.login.trim();
    if login.is_empty() || login.len() > 320 || login.chars().any(char::is_control) {
        return Err(InvalidField::Login);
    }
    if form.password.is_empty() || form.password.len() > 1024 {
        return Err(InvalidField::Password);
    }
    let url = form.ews_url.trim();
    if url.len() > 2048 || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err(InvalidField::EwsUrl);
    }
    // A bare name or DOMAIN\user says nothing about where to look.
    if url.is_empty() && !login.contains('@') {
        return Err(InvalidField::EwsUrl);
    }
    Ok(())
}

#[async_trait]
impl Backend for RequestBackend {
    async fn pane(&self) -> Result<PaneView, ApiError> {
        let now = self.app.clock.now();
        let Some(known) = self.known().await? else {
            return Ok(PaneView {
                now,
                viewer: None,
                connection: None,
                form_token: None,
            });
        };
        Ok(PaneView {
            now,
            viewer: Some(ViewerView {
                name: known.user.name.clone(),
                crm: crm_account(&known.user),
            }),
            connection: Some(self.view(&known).await?),
            // A plain form travels with the cookie; where only the bearer works, scripts do.
            form_token: (known.viewer.by == By::Cookie)
                .then(|| self.app.form_token(&known.viewer.token_hash)),
        })
    }

    async fn connect_exchange(&self, form: ActivateExchange) -> Result<PaneView, Refused> {
        let known = self.need().await?;
        checked(&form).map_err(ApiError::Invalid)?;
        let now = self.app.clock.now();
        let login = form.login.trim();
        let url = form.ews_url.trim();
        let store = &self.app.store;
        // Counted before it is tried, so that two clicks at once cannot both be the third.
        let had = known.row.mailbox.as_ref().map(|mailbox| mailbox.address.as_str());
        let subjects = subjects(&known.row.id, had, login);
        for subject in &subjects {
            if store.trials(subject, now).await.map_err(unavailable)? >= TRIALS {
                return Err(ApiError::Activation(ActivationFailure::TooManyTrials).into());
            }
        }
        for subject in &subjects {
            if store.record_trial(subject, now).await.map_err(unavailable)? > TRIALS {
                return Err(ApiError::Activation(ActivationFailure::TooManyTrials).into());
            }
        }
        let password = SecretString::from(form.password);
        let tried = tandem_mailbox::activate(
            &self.app.net,
            &self.app.ews,
            login,
            &password,
            (!url.is_empty()).then_some(url),
        )
        .await;
        let found = match tried {
            Ok(found) => found,
            Err(error) => {
                let ActivationError {
                    cause,
                    password_was_tried,
                    ..
                } = &error;
                tracing::info!(connection = %known.row.id, ?cause, %error, "Exchange not connected");
                if !password_was_tried {
                    // No password reached a server: this costs the user none of the three.
                    for subject in &subjects {
                        store.forget_trial(subject, now).await.map_err(unavailable)?;
                    }
                }
                self.audit(&known, "activation_refused", "").await?;
                return Err(Refused {
                    error: ApiError::Activation(*cause),
                    search: searched(&error.trace),
                });
            }
        };
        let account = MailboxAccount {
            address: found.address,
            server: MailboxServer::Exchange,
            host: found.ews_url.host_str().unwrap_or_default().to_owned(),
        };
        let secret = MailboxSecret {
            login: login.to_owned(),
            password,
            ews_url: found.ews_url.to_string(),
            extra: found.sign_in.as_str().to_owned(),
        };
        // Whatever becomes of it here: the server has accepted it.
        for subject in subjects
            .into_iter()
            .chain([format!("mailbox/{}", account.address.to_lowercase())])
        {
            store.clear_trials(&subject).await.map_err(unavailable)?;
        }
        match store.activate(&known.row.id, account, secret, now).await {
            Ok(()) => {}
            Err(StoreError::Taken(_)) => {
                return Err(ApiError::Activation(ActivationFailure::MailboxTaken).into());
            }
            Err(error) => return Err(unavailable(error).into()),
        }
        self.audit(&known, "activated", "").await?;
        self.app.hub.wake_worker();
        Ok(self.after(&known).await?)
    }

    async fn connect_office(&self, form: ConnectOffice) -> Result<OfficeAnswer, ApiError> {
        let known = self.need().await?;
        let Some(microsoft) = &self.app.config.microsoft else {
            return Err(ApiError::Activation(ActivationFailure::OfficeOff));
        };
        let (waiting, nonce_hash) = self.take_sign_in(&form).await?;
        // Once it was told whose mailbox it is, it is that pane's alone.
        if waiting
            .session
            .is_some_and(|session| session != known.viewer.token_hash)
        {
            return Err(ApiError::Invalid(InvalidField::Code));
        }
        let now = self.app.clock.now();
        let expected = expected_mailbox(&form.outlook, &known.row);
        let same = |expected: &String| {
            let expected = expected.to_lowercase();
            waiting.address.to_lowercase() == expected || waiting.addresses.contains(&expected)
        };
        if let Some(expected) = expected.filter(|expected| !form.confirmed && !same(expected)) {
            let account = waiting.address.clone();
            let until = now.plus_seconds(CONFIRM_SECONDS);
            let code = code_hash(form.code.trim(), &nonce_hash);
            let waiting = WaitingSignIn {
                session: Some(known.viewer.token_hash),
                ..waiting
            };
            self.app
                .store
                .put_sign_in(&nonce_hash, (&code, until), (&code, until), &waiting, now)
                .await
                .map_err(unavailable)?;
            return Ok(OfficeAnswer::OtherMailbox { account, expected });
        }
        let account = MailboxAccount {
            address: waiting.address,
            server: MailboxServer::Office365,
            host: microsoft.graph.host_str().unwrap_or_default().to_owned(),
        };
        match self
            .app
            .store
            .activate(&known.row.id, account, waiting.grant, now)
            .await
        {
            Ok(()) => {}
            Err(StoreError::Taken(_)) => return Err(ApiError::Activation(ActivationFailure::MailboxTaken)),
            Err(error) => return Err(unavailable(error)),
        }
        self.audit(&known, "activated", "office365").await?;
        self.app.hub.wake_worker();
        self.after(&known)
            .await
            .map(|view| OfficeAnswer::Connected(Box::new(view)))
    }

    async fn skip_activation(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.app
            .store
            .skip_activation(&known.row.id, self.app.clock.now())
            .await
            .map_err(unavailable)?;
        self.after(&known).await
    }

    async fn release(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let waits = matches!(
            known.row.reason,
            Some(StateReason::WaitingForPreview | StateReason::StoppedByBrake)
        );
        if known.row.state != SyncState::Active || !waits {
            return Err(ApiError::WrongState);
        }
        self.app
            .store
            .release(&known.row.id, self.app.clock.now())
            .await
            .map_err(unavailable)?;
        self.audit(&known, "released", "").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn hold(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        if !steering::pause(&self.app, &known.row)
            .await
            .map_err(unavailable)?
        {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "held", "").await?;
        self.after(&known).await
    }

    async fn sync_now(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let row = &known.row;
        let now = self.app.clock.now();
        let sessions = self
            .app
            .store
            .sessions(&row.id, SESSIONS_SHOWN)
            .await
            .map_err(unavailable)?;
        let wait = sessions
            .get(SESSIONS_A_MINUTE - 1)
            .map(|session| 60 - now.seconds_since(session.started))
            .filter(|wait| *wait > 0);
        if let Some(wait) = wait.filter(|_| cure::may_run(row)) {
            return Err(ApiError::TooOften(u32::try_from(wait).unwrap_or(1)));
        }
        match steering::sync_now(&self.app, row).await.map_err(unavailable)? {
            Woken::Due => {}
            Woken::Refused => {
                // The dialog asks for the password.
                let mut view = self.pane().await?;
                if let Some(connection) = &mut view.connection {
                    connection.ask_activation = true;
                }
                return Ok(view);
            }
            Woken::Braked | Woken::Off => return Err(ApiError::WrongState),
        }
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn pause(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        if !steering::pause(&self.app, &known.row)
            .await
            .map_err(unavailable)?
        {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "paused", "").await?;
        self.after(&known).await
    }

    async fn start(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        if !steering::start(&self.app, &known.row)
            .await
            .map_err(unavailable)?
        {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "started", "").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn deactivate(&self, remove_items: bool) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let row = &known.row;
        if remove_items {
            let now = self.app.clock.now();
            if !self
                .app
                .store
                .ask_clearing(&row.id, now)
                .await
                .map_err(unavailable)?
            {
                return Err(ApiError::WrongState);
            }
            self.audit(&known, "deactivation_asked", "with what was made in the mailbox")
                .await?;
            self.app.hub.wake_worker();
        } else {
            deactivation::carry_out(&self.app, (&row.org_id, &row.user_id, &row.id), "")
                .await
                .map_err(unavailable)?;
        }
        self.after(&known).await
    }

    async fn keep_sync(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let now = self.app.clock.now();
        if !self
            .app
            .store
            .end_clearing(&known.row.id, now)
            .await
            .map_err(unavailable)?
        {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "kept", "").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn cure(
        &self,
        issue: IssueId,
        cure: IssueCure,
        choice: Option<String>,
    ) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let choice = match choice {
            Some(text) if cure == IssueCure::LinkTo => {
                Some(record_id(&text).ok_or(ApiError::Invalid(InvalidField::Record))?)
            }
            choice => choice,
        };
        let cured = cure::carry_out(&self.app, &known.row, &issue, cure, choice.as_deref());
        match cured.await.map_err(unavailable)? {
            Cured::Done => {}
            Cured::Running(_) => self.audit(&known, "cured", "").await?,
            Cured::No => return Err(ApiError::WrongState),
        }
        self.after(&known).await
    }

    async fn undo_session(&self, session: SessionId) -> Result<UndoView, ApiError> {
        let known = self.need().await?;
        let row = &known.row;
        let of = self.app.store.journal_of(&session).await.map_err(unavailable)?;
        // Another connection's session is none that this viewer knows of.
        if of.is_none_or(|(connection, _)| connection != row.id) || !cure::may_run(row) && !cure::braked(row)
        {
            return Err(ApiError::WrongState);
        }
        // Before it begins: who ordered it stands there, however it ends.
        self.audit(&known, "undone", session.as_str()).await?;
        let (app, connection) = (self.app.clone(), row.id.clone());
        // A task of its own: a pane that is closed meanwhile does not break it off.
        let running = tokio::spawn(async move { undo::run(&app, &connection, &session, false).await });
        let undone = running.await.map_err(|error| {
            tracing::error!(%error, "an undo broke off");
            ApiError::Unavailable
        })?;
        self.app.hub.changed(&row.id);
        match undone.map_err(unavailable)? {
            Undone::Done(report) => Ok(told(&report)),
            Undone::Busy => Err(ApiError::WrongState),
            Undone::Broken => Err(ApiError::Unavailable),
        }
    }

    async fn estimate_backfill(&self, from: String, to: String) -> Result<u32, ApiError> {
        let known = self.need().await?;
        let window = self.days(&from, &to)?;
        if !cure::may_run(&known.row) {
            return Err(ApiError::WrongState);
        }
        backfill::estimate(&self.app, &known.row.id, window)
            .await
            .map_err(unavailable)?
            .ok_or(ApiError::WrongState)
    }

    async fn start_backfill(&self, from: String, to: String) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let window = self.days(&from, &to)?;
        let emails = known.row.settings.direction(ItemKind::Email);
        if !cure::may_run(&known.row) || !emails.writes_crm() {
            return Err(ApiError::WrongState);
        }
        let estimate = backfill::estimate(&self.app, &known.row.id, window);
        let total = estimate.await.map_err(unavailable)?.ok_or(ApiError::WrongState)?;
        match backfill::start(&self.app, &known.row.id, window, total).await {
            Ok(()) => {}
            Err(StoreError::Taken(_) | StoreError::NotFound(_)) => return Err(ApiError::WrongState),
            Err(error) => return Err(unavailable(error)),
        }
        self.audit(&known, "backfill_started", &format!("{from} {to}"))
            .await?;
        self.after(&known).await
    }

    async fn cancel_backfill(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let now = self.app.clock.now();
        let cancelled = self.app.store.cancel_backfill(&known.row.id, now);
        if !cancelled.await.map_err(unavailable)? {
            return Err(ApiError::WrongState);
        }
        self.audit(&known, "backfill_cancelled", "").await?;
        self.after(&known).await
    }

    async fn sign_out(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.app
            .store
            .delete_web_session(&known.viewer.token_hash)
            .await
            .map_err(unavailable)?;
        // The session's streams look whether they may go on.
        self.app.hub.changed(&known.row.id);
        if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            response.append_header(SET_COOKIE, session::clear_cookie());
        }
        Ok(PaneView {
            now: self.app.clock.now(),
            viewer: None,
            connection: None,
            form_token: None,
        })
    }

    async fn ticket(&self) -> Result<Ticket, ApiError> {
        let known = self.need().await?;
        let (ticket, hash) = events::new_ticket(&self.app, &known.viewer.token_hash);
        let now = self.app.clock.now();
        self.app
            .store
            .put_ticket(
                &hash,
                &known.viewer.session.user_id,
                &known.row.id,
                now.plus_seconds(TICKET_SECONDS),
            )
            .await
            .map_err(unavailable)?;
        Ok(Ticket { ticket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(login: &str, password: &str, url: &str) -> ActivateExchange {
        ActivateExchange {
            login: login.into(),
            password: password.into(),
            ews_url: url.into(),
        }
    }

    #[test]
    fn a_form_is_checked_before_anything_is_sent() {
        assert_eq!(checked(&form("nina@contoso.example", "x", "")), Ok(()));
        assert_eq!(
            checked(&form("CONTOSO\\nina", "x", "https://mail.contoso.example")),
            Ok(())
        );
        assert_eq!(
            checked(&form("CONTOSO\\nina", "x", "")),
            Err(InvalidField::EwsUrl)
        );
        assert_eq!(checked(&form(" ", "x", "")), Err(InvalidField::Login));
        assert_eq!(checked(&form("a@b\r\nx", "x", "")), Err(InvalidField::Login));
        assert_eq!(checked(&form("a@b", "", "")), Err(InvalidField::Password));
        assert_eq!(
            checked(&form("a@b", "x", "https://a b")),
            Err(InvalidField::EwsUrl)
        );
    }

    #[test]
    fn a_record_is_taken_by_its_id_or_by_its_address() {
        let id = "003000000000001AAA";
        for text in [
            id,
            " 003000000000001AAA\n",
            "https://acme.my.salesforce.com/003000000000001AAA",
            "https://acme.lightning.force.com/lightning/r/Contact/003000000000001AAA/view?ws=%2Fx",
            "https://acme.lightning.force.com/lightning/r/OpportunityTeams/003000000000001AAA/view",
        ] {
            assert_eq!(record_id(text).as_deref(), Some(id), "{text}");
        }
        for text in [
            "",
            "Ada",
            "003",
            "003000000000001AA'",
            "http://acme.my.salesforce.com/003000000000001AAA",
            "https://acme.my.salesforce.com/",
            "https://acme.lightning.force.com/lightning/o/OpportunityTeams/list",
            "javascript:003000000000001AAA",
        ] {
            assert_eq!(record_id(text), None, "{text}");
        }
    }
}
