//! The end of a connection's sync: what opens the accounts is shredded here, then given back there.

use tandem_store::{GrantSecret, Provider};
use tandem_sync::ports::StoreError;
use tandem_types::{ConnectionId, OrgId, UserId};

use crate::app::App;
use crate::integration;

/// Deactivates a connection. Whatever Salesforce answers, nothing here can use the credentials afterwards.
///
/// # Errors
/// The store's: then it is not deactivated, or that stands in no audit log.
pub(crate) async fn carry_out(
    app: &App,
    (org, user, connection): (&OrgId, &UserId, &ConnectionId),
    detail: &str,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let grant = app.store.grant(connection, Provider::Salesforce).await?;
    // One that cannot be read is shredded with the others.
    let integration = app.store.integration_grant(org).await.unwrap_or_default();
    app.store.deactivate(connection, now).await?;
    app.store.audit(org, user, "deactivated", detail, now).await?;
    integration::after_deactivation(app, (org, user), integration).await?;
    if let Some((grant, _)) = grant {
        let (app, connection) = (app.clone(), connection.clone());
        // A task of its own: a pane that is closed meanwhile must not leave the grant alive there.
        let revoked = tokio::spawn(async move { revoke(&app, &connection, &grant).await });
        if let Err(error) = revoked.await {
            tracing::error!(%error, "a revocation broke off");
        }
    }
    Ok(())
}

async fn revoke(app: &App, connection: &ConnectionId, grant: &GrantSecret) {
    let Some(host) = app.config.salesforce.login_hosts.first() else {
        return;
    };
    if let Err(fault) = app.salesforce.revoke(&app.net, host, &grant.refresh_token).await {
        tracing::warn!(%connection, %fault, "the grant was shredded here, but not revoked there");
    }
}
