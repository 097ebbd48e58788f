//! *Test connection*: what a session would try, step by step, without writing anything.

use std::time::Duration;

use tandem_net::{NetErrorKind, Request, Schemes};
use tandem_store::ConnectionRow;
use tandem_sync::model::{Kinds, LinkKey, Want, Window};
use tandem_sync::ports::StoreError;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ItemKind, MailboxServer, ProbeFault, ProbeStep, Side, SyncState};
use url::Url;

use super::endpoints::{self, Ends};
use crate::app::App;
use crate::trials::{self, TRIALS};

/// Somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// What an open page of any server is at most.
const ANSWER_MAX: usize = 1 << 20;

/// The step that failed; `None`: all went well.
pub(crate) type Found = Option<(ProbeStep, ProbeFault)>;

/// Each step until one fails. A password is counted as a trial before it is sent, and is none where it was taken; one that
/// was refused before is not sent again.
///
/// # Errors
/// The store's.
pub(crate) async fn probe(app: &App, row: &ConnectionRow, side: Side) -> Result<Found, StoreError> {
    if let Some(found) = reach(app, row, side).await? {
        return Ok(Some(found));
    }
    let account = row.mailbox.as_ref().filter(|_| side == Side::Mailbox);
    let Some(account) = account.filter(|account| account.server == MailboxServer::Exchange) else {
        return open(app, row, side).await;
    };
    if row.rejections > 0 || row.state == SyncState::NeedsActivation {
        return Ok(Some((ProbeStep::SignIn, ProbeFault::NotTriedAgain)));
    }
    let Some(secret) = app.store.mailbox_secret(&row.id).await? else {
        return Ok(Some((ProbeStep::SignIn, ProbeFault::NotConnected)));
    };
    let now = app.clock.now();
    let subjects = trials::subjects(&row.id, Some(&account.address), &secret.login);
    for subject in &subjects {
        if app.store.trials(subject, now).await? >= TRIALS
            || app.store.record_trial(subject, now).await? > TRIALS
        {
            return Ok(Some((ProbeStep::SignIn, ProbeFault::TooManyTrials)));
        }
    }
    let found = open(app, row, side).await?;
    if found != Some((ProbeStep::SignIn, ProbeFault::Refused)) {
        for subject in &subjects {
            app.store.forget_trial(subject, now).await?;
        }
    }
    Ok(found)
}

/// Whether the server can be reached at all; nothing of the user's is sent.
async fn reach(app: &App, row: &ConnectionRow, side: Side) -> Result<Found, StoreError> {
    let Some(url) = address(app, row, side).await? else {
        return Ok(Some((ProbeStep::Name, ProbeFault::NotConnected)));
    };
    let schemes = Schemes::of(&url);
    let request = Request::get(url)
        .schemes(schemes)
        .timeout(PATIENCE)
        .max_bytes(ANSWER_MAX);
    Ok(match app.net.send(request).await {
        // Whatever it says: something is there.
        Ok(_) => None,
        Err(error) => unreached(error.kind),
    })
}

const fn unreached(kind: NetErrorKind) -> Found {
    match kind {
        NetErrorKind::UnknownHost => Some((ProbeStep::Name, ProbeFault::UnknownName)),
        NetErrorKind::NotAllowed => Some((ProbeStep::Name, ProbeFault::NotAllowed)),
        NetErrorKind::Connect | NetErrorKind::Reset | NetErrorKind::Protocol => {
            Some((ProbeStep::Reach, ProbeFault::NoConnection))
        }
        NetErrorKind::Timeout => Some((ProbeStep::Reach, ProbeFault::NoAnswer)),
        NetErrorKind::Certificate => Some((ProbeStep::Certificate, ProbeFault::NotTrusted)),
        // An answer came; that it is of no use is seen in the next step.
        NetErrorKind::TooLarge | NetErrorKind::Cut => None,
    }
}

async fn address(app: &App, row: &ConnectionRow, side: Side) -> Result<Option<Url>, StoreError> {
    let url = match (side, row.mailbox.as_ref().map(|account| account.server)) {
        (Side::Crm, _) => app.store.user(&row.user_id).await?.map(|user| user.instance_url),
        (Side::Mailbox, Some(MailboxServer::Exchange)) => {
            let secret = app.store.mailbox_secret(&row.id).await?;
            secret.map(|secret| secret.ews_url)
        }
        (Side::Mailbox, Some(MailboxServer::Office365)) => {
            let microsoft = app.config.microsoft.as_ref();
            microsoft.map(|microsoft| microsoft.graph_v1().to_string())
        }
        (Side::Mailbox, None) => None,
    };
    Ok(url.and_then(|url| url.parse().ok()))
}

/// Signs in as a session does, and reads next to nothing. For a password this is a trial.
async fn open(app: &App, row: &ConnectionRow, side: Side) -> Result<Found, StoreError> {
    let ends = match endpoints::open(app, row).await {
        Ok(ends) => ends,
        Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => return Err(error),
        Err(_) => return Ok(Some((ProbeStep::SignIn, ProbeFault::NotConnected))),
    };
    let read = tokio::select! {
        read = look(app, row, &ends, side) => read,
        () = app.clock.sleep(PATIENCE) => return Ok(Some((ProbeStep::SignIn, ProbeFault::NoAnswer))),
    };
    let by_password = side == Side::Mailbox
        && row
            .mailbox
            .as_ref()
            .is_some_and(|account| account.server == MailboxServer::Exchange);
    Ok(read.err().map(|fault| {
        tracing::info!(connection = %row.id, ?side, %fault, "a test of a connection failed");
        failed(fault.kind, by_password)
    }))
}

async fn look(app: &App, row: &ConnectionRow, ends: &Ends, side: Side) -> Result<(), Fault> {
    let now = app.clock.now();
    match side {
        Side::Mailbox => {
            // The last minute's mails: how many there are is not looked at.
            let window = Window {
                from: now.plus_seconds(-60),
                to: now,
            };
            let want = Want {
                kinds: Kinds::of(ItemKind::Email),
                events: window,
                tasks_since: now,
                mails_since: now,
                mail_folders: row.settings.email_folders.clone(),
                contact_scope: row.settings.contact_scope,
                contact_list: row.settings.contact_list.clone(),
            };
            ends.mailbox.estimate(window, &want).await.map(drop)
        }
        Side::Crm => {
            // A key that no record has: it needs the object, its fields and ours.
            let key = LinkKey(crate::clock::new_id::<tandem_types::SessionId>(app.rng.as_ref()).into());
            ends.crm.created(ItemKind::Contact, &[key], now).await.map(drop)
        }
    }
}

const fn failed(kind: FaultKind, by_password: bool) -> (ProbeStep, ProbeFault) {
    match kind {
        FaultKind::Rejected if by_password => (ProbeStep::SignIn, ProbeFault::Refused),
        FaultKind::SignInEnded => (ProbeStep::SignIn, ProbeFault::SignInEnded),
        FaultKind::RateLimited { .. } => (ProbeStep::Open, ProbeFault::Busy),
        FaultKind::Transient { .. } => (ProbeStep::Open, ProbeFault::NoAnswer),
        FaultKind::Rejected
        | FaultKind::CursorExpired
        | FaultKind::Conflict
        | FaultKind::NotFound
        | FaultKind::Invalid
        | FaultKind::Fatal => (ProbeStep::Open, ProbeFault::NoAccess),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_told_at_its_step() {
        for (kind, found) in [
            (
                NetErrorKind::UnknownHost,
                (ProbeStep::Name, ProbeFault::UnknownName),
            ),
            (
                NetErrorKind::NotAllowed,
                (ProbeStep::Name, ProbeFault::NotAllowed),
            ),
            (
                NetErrorKind::Connect,
                (ProbeStep::Reach, ProbeFault::NoConnection),
            ),
            (NetErrorKind::Timeout, (ProbeStep::Reach, ProbeFault::NoAnswer)),
            (
                NetErrorKind::Certificate,
                (ProbeStep::Certificate, ProbeFault::NotTrusted),
            ),
        ] {
            assert_eq!(unreached(kind), Some(found));
        }
        assert_eq!(unreached(NetErrorKind::TooLarge), None);
        let refused = FaultKind::Rejected;
        assert_eq!(failed(refused, true), (ProbeStep::SignIn, ProbeFault::Refused));
        assert_eq!(failed(refused, false), (ProbeStep::Open, ProbeFault::NoAccess));
        let ended = FaultKind::SignInEnded;
        assert_eq!(failed(ended, false), (ProbeStep::SignIn, ProbeFault::SignInEnded));
    }
}
