//! What a user chose about an issue: noted under a lease, like everything that changes a link, and then carried out
//! by a session that begins at once.

use tandem_sync::model::LinkKey;
use tandem_sync::ports::{Commit, IssueKey, LinkAsk, Pick, Store as _, StoreError};
use tandem_types::{ConnectionId, IssueCure, SessionId, Side};

use super::session::{self, Mode};
use crate::app::App;
use crate::clock::new_id;

fn new_key(app: &App) -> LinkKey {
    let id: SessionId = new_id(app.rng.as_ref());
    LinkKey(id.into())
}

/// Whether the choice was noted; `false`: another session holds the connection, or there is nothing left to cure.
pub(crate) async fn begin(
    app: &App,
    connection: &ConnectionId,
    key: &IssueKey,
    cure: IssueCure,
) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let pick = Pick::This(connection.clone());
    let session = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, session, now, app.config.worker_lease)
        .await?
    else {
        return Ok(false);
    };
    let mut ask = (Vec::new(), Vec::new());
    match key.side {
        Side::Mailbox => ask.0.push(key.item.clone()),
        Side::Crm => ask.1.push(key.item.clone()),
    }
    let ask = LinkAsk::Of {
        mailbox: ask.0,
        crm: ask.1,
        keys: Vec::new(),
    };
    let links = app.store.links(&lease, &ask).await?;
    let cured: Vec<_> = links
        .iter()
        .filter_map(|link| tandem_sync::cure::cure(link, cure, now, new_key(app)))
        .collect();
    let noted = !cured.is_empty();
    if noted {
        let commit = Commit {
            links: cured,
            solved: vec![key.clone()],
            ..Commit::default()
        };
        app.store.commit(&lease, now, commit).await?;
    }
    // The lease is used up by a session either way: it does what was chosen, or finds that all is in step.
    let app = app.clone();
    tokio::spawn(async move { session::run(&app, lease, Mode::Real).await });
    Ok(noted)
}
