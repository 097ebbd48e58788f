//! What users order about the item that is open in Outlook: a session of its own does it at once; while another holds the
//! connection the order waits in the store, and is done at that one's end.

use std::collections::BTreeMap;

use tandem_store::OrderRow;
use tandem_sync::model::ItemId;
use tandem_sync::order::{Order, Ordered, carry_out};
use tandem_sync::ports::{Lease, Pick, Store as _, StoreError};
use tandem_types::{ConnectionId, SessionOutcome};
use tokio::task::JoinHandle;

use super::cure;
use super::observe::Watcher;
use super::quota;
use super::session::{self, Opened, Ready};
use crate::app::App;
use crate::clock::new_id;

/// An order that comes to no end in so many sessions is given up: what is wrong then stands in the connection's state.
const TRIES: u32 = 5;
/// Orders of one session.
const AT_ONCE: usize = 20;
/// After what could not be finished, the next session comes this soon.
const AGAIN_SECONDS: i64 = 120;

/// Begins to carry out what is ordered. `None`: another session holds the connection, whose end does it.
///
/// # Errors
/// The store's.
pub(crate) async fn begin(
    app: &App,
    connection: &ConnectionId,
) -> Result<Option<JoinHandle<BTreeMap<ItemId, Ordered>>>, StoreError> {
    let Some(lease) = claim(app, connection).await? else {
        return Ok(None);
    };
    let (app, connection) = (app.clone(), connection.clone());
    // A task of its own: a pane that is closed meanwhile does not break it off.
    Ok(Some(tokio::spawn(async move {
        let mut done = BTreeMap::new();
        let mut lease = Some(lease);
        while let Some(held) = lease.take() {
            let Some(ended) = run(&app, held).await else { break };
            done.extend(ended);
            // What was ordered meanwhile found the connection taken.
            match fresh(&app, &connection).await {
                Ok(true) => lease = claim(&app, &connection).await.ok().flatten(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%connection, %error, "orders were not looked for"),
            }
        }
        app.panels.forget(&connection);
        app.hub.changed(&connection);
        done
    })))
}

/// Carries out what was ordered while a session ran.
pub(super) async fn after_session(app: &App, connection: &ConnectionId) {
    let waits = async {
        if app.store.orders(connection).await?.is_empty() {
            return Ok(false);
        }
        let row = app.store.connection(connection).await?;
        Ok::<_, StoreError>(row.is_some_and(|row| cure::may_run(&row)))
    };
    let begun = match waits.await {
        Ok(true) => begin(app, connection).await,
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    match begun {
        // Whoever ran the session may end with it, and must not leave a lease behind.
        Ok(Some(running)) => {
            if let Err(error) = running.await {
                tracing::error!(%connection, %error, "an order broke off");
            }
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(%connection, %error, "what was ordered waits for the next session");
        }
    }
}

async fn claim(app: &App, connection: &ConnectionId) -> Result<Option<Lease>, StoreError> {
    let pick = Pick::This(connection.clone());
    let id = new_id(app.rng.as_ref());
    app.store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await
}

/// There is an order that no session has tried yet.
async fn fresh(app: &App, connection: &ConnectionId) -> Result<bool, StoreError> {
    let orders = app.store.orders(connection).await?;
    Ok(orders.iter().any(|row| row.tries == 0))
}

/// `None`: it broke off.
async fn run(app: &App, lease: Lease) -> Option<BTreeMap<ItemId, Ordered>> {
    let observer = Watcher::new(app.clone(), lease.connection.clone());
    let work = Box::pin(attempt(app, lease.clone(), &observer));
    session::watched(app, &lease, &observer, work).await
}

async fn attempt(
    app: &App,
    lease: Lease,
    observer: &Watcher,
) -> Result<BTreeMap<ItemId, Ordered>, StoreError> {
    let Opened::Ready(ready) = Ready::open(app, &lease).await? else {
        return Ok(BTreeMap::new());
    };
    let mut rows: Vec<OrderRow> = app.store.orders(&lease.connection).await?;
    rows.truncate(AT_ONCE);
    let orders = rows
        .iter()
        .map(|row| {
            let order = Order {
                at: Some(row.at),
                ..row.order.clone()
            };
            (row.item.clone(), order)
        })
        .collect();
    let report = carry_out(&ready.context(app, observer, false), lease.clone(), &orders).await?;
    let mut again = false;
    for row in &rows {
        let later = matches!(report.orders.get(&row.item), None | Some(Ordered::Later));
        if later && row.tries + 1 < TRIES {
            app.store
                .order_tried(&lease.connection, &row.item, row.at)
                .await?;
            again = true;
        } else {
            if later {
                tracing::warn!(connection = %lease.connection, "an order came to no end, and is given up");
            }
            app.store.end_order(&lease.connection, &row.item, row.at).await?;
        }
    }
    let mut closing = report.closing;
    if closing.outcome == SessionOutcome::Done {
        // It has read no changes: when the next session is due stays as it was.
        let soon = app.clock.now().plus_seconds(AGAIN_SECONDS);
        closing.next_due = match ready.row.next_due {
            Some(due) if again => Some(due.min(soon)),
            due => due,
        };
    }
    closing.preview.clone_from(&ready.row.preview);
    closing.brake.clone_from(&ready.row.brake);
    tracing::info!(
        connection = %lease.connection,
        session = %lease.session,
        outcome = closing.outcome.as_str(),
        orders = rows.len(),
        "orders carried out"
    );
    let went_well = closing.outcome == SessionOutcome::Done;
    app.store.close(&lease, closing).await?;
    // What was asked of Salesforce for it counts as what sessions ask.
    quota::after_session(app, &lease, ready.row.org_held.filter(|_| went_well)).await?;
    Ok(report.orders)
}
