//! What a user chose about an issue: noted under a lease, like everything that changes a link, and then carried out
//! by a session that begins at once.

use tandem_store::ConnectionRow;
use tandem_sync::cure::{CureError, cure as cured_link, let_go, link_to, pick};
use tandem_sync::model::{ItemId, LinkKey};
use tandem_sync::ports::{Commit, IssueKey, Lease, LinkAsk, Pick, Store as _, StoreError};
use tandem_sync::session::Report;
use tandem_types::{ConnectionId, IssueCure, IssueId, LinkId, SessionId, Side, StateReason, SyncState};
use tokio::task::JoinHandle;

use super::observe::Watcher;
use super::session::{self, Mode, Opened, Ready};
use crate::app::App;
use crate::clock::new_id;

/// An id is never longer.
const CHOICE_MAX: usize = 1024;

/// Whether a session may be made due now. Not with a password that was refused: once more could lock the account.
pub(crate) fn may_run(row: &ConnectionRow) -> bool {
    row.state == SyncState::Active && row.rejections == 0 && !braked(row)
}

/// Somebody has to look before anything is written.
pub(crate) fn braked(row: &ConnectionRow) -> bool {
    matches!(
        row.reason,
        Some(StateReason::StoppedByBrake | StateReason::OrgBrake)
    )
}

/// What became of a choice.
#[derive(Debug)]
pub(crate) enum Cured {
    Done,
    /// A session carries it out; it goes on whether somebody waits for it or not.
    Running(JoinHandle<Option<Report>>),
    /// Not now: there is no such issue (any more) or no such cure for it, nothing is left to cure, nothing was chosen
    /// where something must be, or another session holds the connection.
    No,
}

/// Carries out what was chosen about an issue of this connection.
///
/// # Errors
/// The store's.
pub(crate) async fn carry_out(
    app: &App,
    row: &ConnectionRow,
    issue: &IssueId,
    cure: IssueCure,
    choice: Option<&str>,
) -> Result<Cured, StoreError> {
    let store = &app.store;
    let id = &row.id;
    let now = app.clock.now();
    let Some((view, key)) = store.issue(id, issue).await? else {
        return Ok(Cured::No);
    };
    if !view.cures.contains(&cure) {
        return Ok(Cured::No);
    }
    // What was not offered could be anything: another's record, or none.
    let offered = view.choices.is_empty()
        || choice.is_some_and(|choice| view.choices.iter().any(|offer| offer.id == choice.trim()));
    if cure == IssueCure::PickMatch && !offered {
        return Ok(Cured::No);
    }
    match cure {
        IssueCure::Ignore => {
            store.ignore_issue(id, issue, now).await?;
            Ok(Cured::Done)
        }
        IssueCure::Retry => {
            store.solve_issue(id, issue, now).await?;
            // An item without a pair is met again only where everything is listed.
            store.request_full_round(id, now).await?;
            // As with *Sync now*; a password that was refused is not sent again for this.
            if may_run(row) {
                store.wake(id, now).await?;
                app.hub.wake_worker();
            }
            Ok(Cured::Done)
        }
        // Links that the pane shows; nothing to be done here.
        IssueCure::OpenInSalesforce | IssueCure::OpenInOutlook => Ok(Cured::No),
        IssueCure::BringBack
        | IssueCure::DeleteThere
        | IssueCure::PickMatch
        | IssueCure::KeepMine
        | IssueCure::KeepTheirs
        | IssueCure::LinkTo => {
            if !may_run(row) {
                return Ok(Cured::No);
            }
            begin(app, id, &key, cure, choice).await
        }
    }
}

/// Whether something has to be chosen with the cure.
const fn needs_choice(cure: IssueCure) -> bool {
    matches!(cure, IssueCure::PickMatch | IssueCure::LinkTo)
}

/// The id that was chosen; `None`: it is none.
fn chosen(choice: Option<&str>) -> Option<ItemId> {
    let choice = choice?.trim();
    let is_id = !choice.is_empty() && choice.len() <= CHOICE_MAX && !choice.contains(char::is_control);
    is_id.then(|| ItemId(choice.to_owned()))
}

fn fresh(app: &App) -> (LinkId, LinkKey) {
    let key: SessionId = new_id(app.rng.as_ref());
    (new_id(app.rng.as_ref()), LinkKey(key.into()))
}

/// Notes the choice, and runs a session.
async fn begin(
    app: &App,
    connection: &ConnectionId,
    key: &IssueKey,
    cure: IssueCure,
    choice: Option<&str>,
) -> Result<Cured, StoreError> {
    let choice = chosen(choice);
    if needs_choice(cure) != choice.is_some() {
        return Ok(Cured::No);
    }
    let now = app.clock.now();
    let pick = Pick::This(connection.clone());
    let session = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, session, now, app.config.worker_lease)
        .await?
    else {
        return Ok(Cured::No);
    };
    let noted = note(app, &lease, key, cure, choice).await?;
    // The lease is used up by a session either way: it does what was chosen, or finds that all is in step.
    let app = app.clone();
    let running = tokio::spawn(async move { session::run(&app, lease, Mode::Real).await });
    Ok(if noted { Cured::Running(running) } else { Cured::No })
}

async fn note(
    app: &App,
    lease: &Lease,
    key: &IssueKey,
    cure: IssueCure,
    choice: Option<ItemId>,
) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let mut ids = (Vec::new(), Vec::new());
    let of = |side: Side, id: &ItemId, ids: &mut (Vec<ItemId>, Vec<ItemId>)| match side {
        Side::Mailbox => ids.0.push(id.clone()),
        Side::Crm => ids.1.push(id.clone()),
    };
    of(key.side, &key.item, &mut ids);
    if let (IssueCure::PickMatch, Some(choice)) = (cure, &choice) {
        of(key.side.other(), choice, &mut ids);
    }
    let ask = LinkAsk::Of {
        mailbox: ids.0,
        crm: ids.1,
        keys: Vec::new(),
    };
    let links = app.store.links(lease, &ask).await?;
    let cured: Vec<_> = match (cure, choice) {
        (IssueCure::LinkTo, Some(record)) => return linked(app, lease, key, &links, &record).await,
        (IssueCure::PickMatch, Some(choice)) => {
            pick(key, &choice, &links, now, fresh(app)).into_iter().collect()
        }
        _ => links
            .iter()
            .filter_map(|link| cured_link(link, cure, now, fresh(app).1))
            .collect(),
    };
    if cured.is_empty() {
        return Ok(false);
    }
    let commit = Commit {
        unclaimed: let_go(&links, &cured),
        links: cured,
        solved: vec![key.clone()],
        ..Commit::default()
    };
    app.store.commit(lease, now, commit).await?;
    Ok(true)
}

async fn linked(
    app: &App,
    lease: &Lease,
    key: &IssueKey,
    links: &[tandem_sync::Link],
    record: &ItemId,
) -> Result<bool, StoreError> {
    // Without its ends the session that follows says what is wrong.
    let Opened::Ready(ready) = Ready::open(app, lease).await? else {
        return Ok(false);
    };
    let observer = Watcher::new(app.clone(), lease.connection.clone());
    match link_to(&ready.context(app, &observer, false), lease, key, links, record).await {
        Ok(done) => Ok(done),
        Err(CureError::Store(error)) => Err(error),
        Err(CureError::Crm(fault)) => {
            tracing::info!(connection = %lease.connection, %fault, "a record was not linked");
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_an_id_or_nothing() {
        let long = "x".repeat(CHOICE_MAX + 1);
        for text in ["", "  ", "a\u{0}b", &long] {
            assert_eq!(chosen(Some(text)), None, "{text:?}");
        }
        assert_eq!(chosen(None), None);
        assert_eq!(chosen(Some(" 003A ")), Some(ItemId("003A".to_owned())));
        for cure in [IssueCure::PickMatch, IssueCure::LinkTo] {
            assert!(needs_choice(cure));
        }
        assert!(!needs_choice(IssueCure::KeepMine));
    }
}
