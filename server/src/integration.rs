//! The integration user of an organisation: connected and disconnected by its administrators; its grant.

use async_trait::async_trait;
use tandem_crm::{Access, Account, Grants, Identity, Salesforce, TokenSet};
use tandem_store::{GrantSecret, IntegrationNew, IntegrationRow, Provider};
use tandem_sync::Fault;
use tandem_sync::ports::StoreError;
use tandem_types::{IntegrationView, OrgId, Settings, UserId};
use url::Url;

use crate::app::App;
use crate::grants::{self, STORE_PAUSE, STORE_TRIES, Stored};

/// Salesforce as the integration user: for what concerns everybody, and for no content.
pub(crate) fn salesforce(app: &App, row: &IntegrationRow) -> Salesforce {
    let grants = OrgGrants {
        app: app.clone(),
        org: row.org.clone(),
    };
    Salesforce::new(
        &app.platform,
        std::sync::Arc::new(grants),
        Account {
            org: row.org.clone(),
            user: row.user.clone(),
            settings: Settings::default(),
        },
    )
}

/// As administrators see it.
pub(crate) fn shown(row: IntegrationRow) -> IntegrationView {
    IntegrationView {
        username: row.username,
        by: match row.by {
            Some(by) if row.by_name.is_empty() => by.to_string(),
            _ => row.by_name,
        },
        since: row.connected,
        asked: row.asked,
        trouble: row.trouble,
    }
}

/// Keeps the grant of a sign-in that the administrator `by` began. The caller has seen that it is of the same organisation.
///
/// # Errors
/// The store's, and [`StoreError::NotFound`] where Salesforce gave no refresh token.
pub(crate) async fn connect(
    app: &App,
    by: &UserId,
    host: &Url,
    tokens: TokenSet,
    identity: &Identity,
) -> Result<(), StoreError> {
    let org = &identity.org_id;
    let refresh_token = tokens.refresh.ok_or(StoreError::NotFound("refresh token"))?;
    let now = app.clock.now();
    let old = app.store.integration_grant(org).await;
    let grant = GrantSecret {
        access_token: tokens.access,
        refresh_token,
        instance_url: tokens.instance_url.to_string(),
        owner: String::new(),
        issued_at: now,
        expires: None,
        previous_refresh: None,
    };
    let new = IntegrationNew {
        org: org.clone(),
        user: identity.user_id.clone(),
        username: identity.username.clone(),
        by: by.clone(),
    };
    app.store.put_integration(&new, &grant, now).await?;
    app.store
        .audit(org, by, "integration_connected", &identity.username, now)
        .await?;
    // The new one is durable; that the old one lives on for a while harms nothing. One that cannot be read is replaced.
    if let Ok(Some((old, _))) = old {
        revoke(app, host, org, &old).await;
    }
    Ok(())
}

/// Who disconnects it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    Administrator(&'a UserId),
    /// By the command line.
    Operator,
}

/// Shreds the grant here, then gives it back there. False: none was connected.
///
/// # Errors
/// The store's: then it is connected as before, or that it is not stands in no audit log.
pub(crate) async fn disconnect(app: &App, org: &OrgId, by: By<'_>) -> Result<bool, StoreError> {
    let now = app.clock.now();
    // One that no key opens can be shredded all the same.
    let grant = app.store.integration_grant(org).await;
    if !app.store.drop_integration(org).await? {
        return Ok(false);
    }
    let action = "integration_disconnected";
    match by {
        By::Administrator(user) => app.store.audit(org, user, action, "", now).await?,
        By::Operator => app.store.audit_operator(action, org.as_str(), now).await?,
    }
    if let Ok(Some((grant, _))) = grant {
        give_back(app, org, grant).await;
    }
    Ok(true)
}

/// After a deactivation: where it was the last of the organisation, the store has shredded the grant. `before`: as it
/// stood then.
pub(crate) async fn after_deactivation(
    app: &App,
    (org, user): (&OrgId, &UserId),
    before: Option<(GrantSecret, i64)>,
) -> Result<(), StoreError> {
    let Some((grant, _)) = before else { return Ok(()) };
    if app.store.integration(org).await?.is_some() {
        return Ok(());
    }
    let detail = "nobody of the organisation syncs any more";
    app.store
        .audit(org, user, "integration_disconnected", detail, app.clock.now())
        .await?;
    give_back(app, org, grant).await;
    Ok(())
}

async fn give_back(app: &App, org: &OrgId, grant: GrantSecret) {
    let Some(host) = app.config.salesforce.login_hosts.first().cloned() else {
        return;
    };
    let (app, org) = (app.clone(), org.clone());
    // A task of its own: a page that is closed meanwhile must not leave the grant alive there.
    let revoked = tokio::spawn(async move { revoke(&app, &host, &org, &grant).await });
    if let Err(error) = revoked.await {
        tracing::error!(%error, "a revocation broke off");
    }
}

async fn revoke(app: &App, host: &Url, org: &OrgId, grant: &GrantSecret) {
    if let Err(fault) = app.salesforce.revoke(&app.net, host, &grant.refresh_token).await {
        tracing::warn!(%org, %fault, "the integration user's grant was given up here, but not revoked there");
    }
}

/// The grant of an organisation's integration user. Who uses it holds the organisation's turn: there is one refresh at a
/// time because there is one question at a time.
struct OrgGrants {
    app: App,
    org: OrgId,
}

impl OrgGrants {
    async fn stored(&self) -> Result<Stored, Fault> {
        let grant = self.app.store.integration_grant(&self.org).await;
        let grant = grant.map_err(|error| grants::store_fault(error, Provider::Salesforce))?;
        grant.ok_or_else(|| grants::none_stored(Provider::Salesforce))
    }
}

/// Durable before it is used: with rotation the old token is dead from here on.
async fn renew(app: &App, org: &OrgId, old: &GrantSecret, version: i64) -> Result<Stored, Fault> {
    let new = grants::renew(app, Provider::Salesforce, old).await?;
    let mut tries = 1;
    loop {
        match app
            .store
            .renew_integration(org, version, &new, app.clock.now())
            .await
        {
            Ok(version) => return Ok((new, version)),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) if tries < STORE_TRIES => {
                tracing::warn!(%org, %error, "the integration user's new grant is not stored yet");
                tries += 1;
                app.clock.sleep(STORE_PAUSE).await;
            }
            Err(error) => {
                // Connected anew, or disconnected: nobody will use this one.
                if matches!(error, StoreError::LeaseLost | StoreError::NotFound(_)) {
                    give_back(app, org, new).await;
                }
                return Err(grants::store_fault(error, Provider::Salesforce));
            }
        }
    }
}

#[async_trait]
impl Grants for OrgGrants {
    async fn access(&self) -> Result<Access, Fault> {
        grants::access(self.stored().await?)
    }

    async fn refreshed(&self, stale_version: i64) -> Result<Access, Fault> {
        let (old, version) = self.stored().await?;
        if version != stale_version {
            return grants::access((old, version));
        }
        let (app, org) = (self.app.clone(), self.org.clone());
        // A task of its own: once the old token is spent, the new one must be stored.
        let done = tokio::spawn(async move { renew(&app, &org, &old, version).await });
        let stored = done
            .await
            .unwrap_or_else(|e| Err(Fault::fatal("the refresh broke off").caused_by(e)))?;
        grants::access(stored)
    }
}
