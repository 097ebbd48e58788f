//! Grants that nobody uses: a refresh token dies of idleness, so it is used before.

use tandem_store::{IdleGrant, Provider};
use tandem_sync::FaultKind;
use tandem_sync::ports::StoreError;
use tandem_types::{StateReason, SyncState};

use crate::app::App;
use crate::grants::StoredGrants;

/// Salesforce forgets a refresh token after 30 days without use, Microsoft after 90.
const IDLE_SECONDS: i64 = 20 * 24 * 3600;
/// In one go; the next goes on.
const AT_ONCE: u32 = 100;

/// Renews what has not been renewed for long, one after the other.
pub(super) async fn idle(app: &App) {
    let before = app.clock.now().plus_seconds(-IDLE_SECONDS);
    let grants = match app.store.idle_grants(before, AT_ONCE).await {
        Ok(grants) => grants,
        Err(error) => {
            tracing::warn!(%error, "idle grants were not looked for");
            return;
        }
    };
    for grant in grants {
        if app.stop.is_cancelled() {
            return;
        }
        if let Err(error) = one(app, &grant).await {
            tracing::warn!(connection = %grant.connection, %error, "what became of an idle grant is not noted");
        }
    }
}

async fn one(app: &App, grant: &IdleGrant) -> Result<(), StoreError> {
    let connection = &grant.connection;
    let grants = StoredGrants::new(app.clone(), connection.clone(), grant.provider);
    let Err(fault) = grants.renewed(grant.version).await else {
        return Ok(());
    };
    tracing::info!(%connection, provider = grant.provider.as_str(), %fault, "an idle grant was not renewed");
    if fault.kind != FaultKind::SignInEnded {
        return Ok(());
    }
    let reason = match grant.provider {
        Provider::Salesforce => StateReason::SalesforceSignInEnded,
        Provider::Microsoft => StateReason::MicrosoftSignInEnded,
    };
    let now = app.clock.now();
    let (from, to) = ([SyncState::Active], SyncState::NeedsActivation);
    let moved = app
        .store
        .set_state(connection, &from, to, Some(reason), None, now)
        .await?;
    if moved {
        app.hub.changed(connection);
    } else {
        // Whoever is paused stays paused, and is told when he starts: there is no grant then.
        app.store.delete_grant(connection, grant.provider).await?;
    }
    Ok(())
}
