//! Who administers an organisation: Salesforce is asked, with the user's own grant, and its answer counts for a while.

use std::time::Duration;

use tandem_store::ConnectionRow;
use tandem_sync::ports::StoreError;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{OrgDenied, SyncState};

use crate::app::App;
use crate::worker::endpoints;

/// Somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long an administrator is one without being asked for again.
const BELIEVED_SECONDS: i64 = 900;
/// So long somebody is none: whoever has just been made one need not wait.
const REFUSED_SECONDS: i64 = 30;
/// Whoever opens the settings is asked for so often whether the way to the organisation's page is shown.
const LOOK_SECONDS: i64 = 86_400;

/// Whether the user of a connection may see and do what administrators do. What Salesforce does not say is no right.
///
/// # Errors
/// The store's.
pub(crate) async fn check(app: &App, row: &ConnectionRow) -> Result<Result<(), OrgDenied>, StoreError> {
    let now = app.clock.now();
    if let Some(right) = app.store.admin_right(&row.user_id).await? {
        let age = now.seconds_since(right.asked);
        // A clock that was set back makes nobody an administrator.
        if right.administers && (0..BELIEVED_SECONDS).contains(&age) {
            return Ok(Ok(()));
        }
        if !right.administers && (0..REFUSED_SECONDS).contains(&age) {
            return Ok(Err(OrgDenied::NotAdministrator));
        }
    }
    ask(app, row).await
}

async fn ask(app: &App, row: &ConnectionRow) -> Result<Result<(), OrgDenied>, StoreError> {
    let set = &app.config.salesforce.admin_permission_set;
    let salesforce = endpoints::salesforce(app, row);
    let answer = tokio::select! {
        answer = salesforce.administers(set) => answer,
        () = app.clock.sleep(PATIENCE) => Err(Fault::transient("Salesforce did not say it in time")),
    };
    let administers = match answer {
        Ok(administers) => administers,
        Err(fault) => {
            tracing::info!(user = %row.user_id, %fault, "Salesforce did not say who administers");
            return Ok(Err(match fault.kind {
                FaultKind::SignInEnded => OrgDenied::SignInEnded,
                _ => OrgDenied::NoAnswer,
            }));
        }
    };
    let now = app.clock.now();
    app.store.set_admin_right(&row.user_id, administers, now).await?;
    if !administers {
        return Ok(Err(OrgDenied::NotAdministrator));
    }
    app.store
        .audit(&row.org_id, &row.user_id, "administrator", "", now)
        .await?;
    Ok(Ok(()))
}

/// Whether the way to the organisation's page is shown: as Salesforce last said. Nobody waits for it; whoever was never
/// asked for is, meanwhile.
///
/// # Errors
/// The store's.
pub(crate) async fn seems(app: &App, row: &ConnectionRow) -> Result<bool, StoreError> {
    let right = app.store.admin_right(&row.user_id).await?;
    let now = app.clock.now();
    let old = right.is_none_or(|right| now.seconds_since(right.asked) > LOOK_SECONDS);
    if old && row.state == SyncState::Active {
        let (app, row) = (app.clone(), row.clone());
        tokio::spawn(async move {
            match ask(&app, &row).await {
                Ok(Ok(())) => app.hub.changed(&row.id),
                Ok(Err(_)) => {}
                Err(error) => tracing::debug!(%error, "who administers was not noted"),
            }
        });
    }
    Ok(right.is_some_and(|right| right.administers))
}
