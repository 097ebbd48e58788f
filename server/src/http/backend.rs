//! What the pane asks for and orders, for the viewer of one request.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::header::SET_COOKIE;
use leptos::prelude::use_context;
use secrecy::SecretString;
use tandem_app::Backend;
use tandem_mailbox::ActivationError;
use tandem_store::{ConnectionRow, MailboxSecret, UserRow};
use tandem_sync::ports::StoreError;
use tandem_types::{
    ActivateExchange, ActivationFailure, ApiError, ConnectionView, CrmAccount, InvalidField, IssueCure, IssueId,
    MailboxAccount, MailboxServer, PaneView, StateReason, SyncState, Ticket, Timestamp, ViewerView,
};

use super::App;
use super::session::{self, By, Viewer};

const SESSIONS_SHOWN: u32 = 10;
const ISSUES_SHOWN: u32 = 50;
/// Passwords tried for one mailbox within 15 minutes, over all users and replicas.
const TRIALS: u32 = 3;
/// *Sync now* is refused where so many sessions began within the last minute.
const SESSIONS_A_MINUTE: usize = 6;
const TICKET_SECONDS: i64 = 30;

/// One request's door to the server.
pub(crate) struct RequestBackend {
    app: App,
    viewer: Option<Viewer>,
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
        Self { app, viewer }
    }

    async fn known(&self) -> Result<Option<Known>, ApiError> {
        let Some(viewer) = self.viewer.clone() else { return Ok(None) };
        let user = self.app.store.user(&viewer.session.user_id).await.map_err(unavailable)?;
        let row = self.app.store.connection_of(&viewer.session.user_id).await.map_err(unavailable)?;
        Ok(user.zip(row).map(|(user, row)| Known { viewer, user, row }))
    }

    async fn need(&self) -> Result<Known, ApiError> {
        self.known().await?.ok_or(ApiError::SignedOut)
    }

    async fn view(&self, known: &Known) -> Result<ConnectionView, ApiError> {
        let store = &self.app.store;
        let row = &known.row;
        let sessions = store.sessions(&row.id, SESSIONS_SHOWN).await.map_err(unavailable)?;
        let (issues, issues_total) = store.issues(&row.id, ISSUES_SHOWN).await.map_err(unavailable)?;
        let progress = self.app.hub.progress(&row.id);
        Ok(ConnectionView {
            id: row.id.clone(),
            state: row.state,
            reason: row.reason,
            ask_activation: row.ask_activation,
            skipped: row.skipped,
            rejections: row.rejections,
            crm: crm_account(&known.user),
            mailbox: row.mailbox.clone(),
            settings: row.settings.clone(),
            progress,
            last_success: row.last_success,
            next_due: row.next_due,
            links: row.links,
            sessions,
            issues,
            issues_total,
            preview: row.preview.clone(),
            brake: row.brake.clone(),
        })
    }

    /// The view as it is now, told to the user's other panes too.
    async fn after(&self, known: &Known) -> Result<PaneView, ApiError> {
        self.app.hub.changed(&known.row.id);
        self.pane().await
    }

    async fn audit(&self, known: &Known, action: &str) -> Result<(), ApiError> {
        let now = self.app.clock.now();
        self.app
            .store
            .audit(&known.viewer.session.org_id, &known.viewer.session.user_id, action, "", now)
            .await
            .map_err(unavailable)
    }

    async fn shift(
        &self,
        known: &Known,
        from: &[SyncState],
        to: SyncState,
        due: Option<Timestamp>,
    ) -> Result<(), ApiError> {
        let now = self.app.clock.now();
        let moved = self.app.store.set_state(&known.row.id, from, to, None, due, now).await.map_err(unavailable)?;
        if moved { Ok(()) } else { Err(ApiError::WrongState) }
    }
}

fn crm_account(user: &UserRow) -> CrmAccount {
    let host = url::Url::parse(&user.instance_url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| user.instance_url.clone());
    CrmAccount { username: user.username.clone(), org_id: user.org_id.clone(), org_name: user.org_name.clone(), host }
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
            return Ok(PaneView { now, viewer: None, connection: None, form_token: None });
        };
        Ok(PaneView {
            now,
            viewer: Some(ViewerView { name: known.user.name.clone(), crm: crm_account(&known.user) }),
            connection: Some(self.view(&known).await?),
            // A plain form travels with the cookie; where only the bearer works, scripts do.
            form_token: (known.viewer.by == By::Cookie).then(|| self.app.form_token(&known.viewer.token_hash)),
        })
    }

    async fn connect_exchange(&self, form: ActivateExchange) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        checked(&form).map_err(ApiError::Invalid)?;
        let now = self.app.clock.now();
        let login = form.login.trim();
        let url = form.ews_url.trim();
        let store = &self.app.store;
        // Counted before it is tried, so that two clicks at once cannot both be the third.
        let subject = format!("login/{}", login.to_lowercase());
        if store.trials(&subject, now).await.map_err(unavailable)? >= TRIALS
            || store.record_trial(&subject, now).await.map_err(unavailable)? > TRIALS
        {
            return Err(ApiError::Activation(ActivationFailure::TooManyTrials));
        }
        let password = SecretString::from(form.password);
        let tried =
            tandem_mailbox::activate(&self.app.net, &self.app.ews, login, &password, (!url.is_empty()).then_some(url))
                .await;
        let found = match tried {
            Ok(found) => found,
            Err(error) => {
                let ActivationError { cause, password_was_tried, .. } = &error;
                tracing::info!(connection = %known.row.id, ?cause, %error, "Exchange not connected");
                if !password_was_tried {
                    // No password reached a server: this costs the user none of the three.
                    store.forget_trial(&subject, now).await.map_err(unavailable)?;
                }
                self.audit(&known, "activation_refused").await?;
                return Err(ApiError::Activation(*cause));
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
            extra: String::new(),
        };
        match store.activate(&known.row.id, account, secret, now).await {
            Ok(()) => {}
            Err(StoreError::Taken(_)) => return Err(ApiError::Activation(ActivationFailure::MailboxTaken)),
            Err(error) => return Err(unavailable(error)),
        }
        store.clear_trials(&subject).await.map_err(unavailable)?;
        self.audit(&known, "activated").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn skip_activation(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.app.store.skip_activation(&known.row.id, self.app.clock.now()).await.map_err(unavailable)?;
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
        self.app.store.release(&known.row.id, self.app.clock.now()).await.map_err(unavailable)?;
        self.audit(&known, "released").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn hold(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.shift(&known, &[SyncState::Active], SyncState::Paused, None).await?;
        self.audit(&known, "held").await?;
        self.after(&known).await
    }

    async fn sync_now(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let row = &known.row;
        if row.state != SyncState::Active || row.reason == Some(StateReason::StoppedByBrake) {
            return Err(ApiError::WrongState);
        }
        if row.rejections > 0 {
            // The stored password was refused: sending it again could lock the account. The dialog asks for it.
            let mut view = self.pane().await?;
            if let Some(connection) = &mut view.connection {
                connection.ask_activation = true;
            }
            return Ok(view);
        }
        let now = self.app.clock.now();
        let sessions = self.app.store.sessions(&row.id, SESSIONS_SHOWN).await.map_err(unavailable)?;
        if let Some(wait) = sessions
            .get(SESSIONS_A_MINUTE - 1)
            .map(|session| 60 - now.seconds_since(session.started))
            .filter(|wait| *wait > 0)
        {
            return Err(ApiError::TooOften(u32::try_from(wait).unwrap_or(1)));
        }
        self.app.store.wake(&row.id, now).await.map_err(unavailable)?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn pause(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.shift(&known, &[SyncState::Active], SyncState::Paused, None).await?;
        self.audit(&known, "paused").await?;
        self.after(&known).await
    }

    async fn start(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let now = self.app.clock.now();
        self.shift(&known, &[SyncState::Paused], SyncState::Active, Some(now)).await?;
        self.audit(&known, "started").await?;
        self.app.hub.wake_worker();
        self.after(&known).await
    }

    async fn deactivate(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let now = self.app.clock.now();
        let grant = self.app.store.grant(&known.row.id).await.map_err(unavailable)?;
        // Ours first: whatever Salesforce answers, nothing here can use the credentials any more.
        self.app.store.deactivate(&known.row.id, now).await.map_err(unavailable)?;
        self.audit(&known, "deactivated").await?;
        if let Some((grant, _)) = grant
            && let Some(host) = self.app.config.salesforce.login_hosts.first()
            && let Err(fault) = self.app.salesforce.revoke(&self.app.net, host, &grant.refresh_token).await
        {
            tracing::warn!(connection = %known.row.id, %fault, "the grant was shredded here, but not revoked there");
        }
        self.after(&known).await
    }

    async fn cure(&self, issue: IssueId, cure: IssueCure) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        let store = &self.app.store;
        let id = &known.row.id;
        let (view, _) = store.issue(id, &issue).await.map_err(unavailable)?.ok_or(ApiError::WrongState)?;
        let offered: BTreeSet<_> = view.cures.iter().map(|c| format!("{c:?}")).collect();
        if !offered.contains(&format!("{cure:?}")) {
            return Err(ApiError::WrongState);
        }
        let now = self.app.clock.now();
        match cure {
            IssueCure::Ignore => {
                store.ignore_issue(id, &issue, now).await.map_err(unavailable)?;
            }
            IssueCure::Retry => {
                store.solve_issue(id, &issue, now).await.map_err(unavailable)?;
                store.wake(id, now).await.map_err(unavailable)?;
                self.app.hub.wake_worker();
            }
            // Both act on the other side's item and need the journal's undo beside them.
            IssueCure::BringBack | IssueCure::DeleteThere => return Err(ApiError::WrongState),
        }
        self.after(&known).await
    }

    async fn sign_out(&self) -> Result<PaneView, ApiError> {
        let known = self.need().await?;
        self.app.store.delete_web_session(&known.viewer.token_hash).await.map_err(unavailable)?;
        if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
            response.append_header(SET_COOKIE, session::clear_cookie());
        }
        Ok(PaneView { now: self.app.clock.now(), viewer: None, connection: None, form_token: None })
    }

    async fn ticket(&self) -> Result<Ticket, ApiError> {
        let known = self.need().await?;
        let (ticket, hash) = session::new_token(&self.app);
        let now = self.app.clock.now();
        self.app
            .store
            .put_ticket(&hash, &known.viewer.session.user_id, &known.row.id, now.plus_seconds(TICKET_SECONDS))
            .await
            .map_err(unavailable)?;
        Ok(Ticket { ticket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(login: &str, password: &str, url: &str) -> ActivateExchange {
        ActivateExchange { login: login.into(), password: password.into(), ews_url: url.into() }
    }

    #[test]
    fn a_form_is_checked_before_anything_is_sent() {
        assert_eq!(checked(&form("nina@contoso.example", "x", "")), Ok(()));
        assert_eq!(checked(&form("CONTOSO\\nina", "x", "https://mail.contoso.example")), Ok(()));
        assert_eq!(checked(&form("CONTOSO\\nina", "x", "")), Err(InvalidField::EwsUrl));
        assert_eq!(checked(&form(" ", "x", "")), Err(InvalidField::Login));
        assert_eq!(checked(&form("a@b\r\nx", "x", "")), Err(InvalidField::Login));
        assert_eq!(checked(&form("a@b", "", "")), Err(InvalidField::Password));
        assert_eq!(checked(&form("a@b", "x", "https://a b")), Err(InvalidField::EwsUrl));
    }
}
