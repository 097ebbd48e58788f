//! Salesforce tokens of one connection: stored before they are used, refreshed once however many ask.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use tandem_crm::{Access, Grants};
use tandem_store::{GrantSecret, RefreshTurn};
use tandem_sync::ports::StoreError;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ConnectionId, SessionId};

use crate::app::App;
use crate::clock::new_id;

/// A refresh that takes longer has died with its process.
const TURN: Duration = Duration::from_secs(60);
/// Between two looks at a refresh that another process does.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 700;

/// The grant of one connection, as the connector needs it.
#[derive(Clone)]
pub(crate) struct StoredGrants {
    app: App,
    connection: ConnectionId,
}

impl StoredGrants {
    pub(crate) fn new(app: App, connection: ConnectionId) -> Self {
        Self { app, connection }
    }

    async fn refresh(&self, holder: &str) -> Result<Access, Fault> {
        let app = &self.app;
        let host = app
            .config
            .salesforce
            .login_hosts
            .first()
            .ok_or_else(|| Fault::fatal("salesforce.login_hosts is empty"))?;
        let Some((old, _)) = app.store.grant(&self.connection).await.map_err(store_fault)? else {
            return Err(Fault::new(FaultKind::SignInEnded, "the grant was removed meanwhile"));
        };
        match app.salesforce.refresh(&app.net, host, &old.refresh_token).await {
            Ok(tokens) => {
                let rotated = tokens.refresh.unwrap_or_else(|| old.refresh_token.clone());
                let changed = rotated.expose_secret() != old.refresh_token.expose_secret();
                let now = app.clock.now();
                let grant = GrantSecret {
                    access_token: tokens.access,
                    refresh_token: rotated,
                    instance_url: tokens.instance_url.to_string(),
                    issued_at: now,
                    previous_refresh: changed.then(|| old.refresh_token.clone()),
                };
                // Durable before it is used: with rotation the old token is dead from here on.
                let version = app
                    .store
                    .finish_refresh(&self.connection, holder, grant.clone(), now)
                    .await
                    .map_err(store_fault)?;
                access(&grant, version)
            }
            Err(fault) => {
                if let Err(error) = app.store.abandon_refresh(&self.connection, holder).await {
                    tracing::warn!(%error, "a failed refresh keeps its turn until it expires");
                }
                Err(fault)
            }
        }
    }
}

pub(crate) fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Unavailable(_) => Fault::transient("the database does not answer").caused_by(error),
        error => Fault::fatal("the stored grant cannot be used").caused_by(error),
    }
}

fn access(grant: &GrantSecret, version: i64) -> Result<Access, Fault> {
    let instance_url =
        grant.instance_url.parse().map_err(|_| Fault::fatal("the stored instance address is no URL"))?;
    Ok(Access { token: grant.access_token.clone(), instance_url, version })
}

#[async_trait]
impl Grants for StoredGrants {
    async fn access(&self) -> Result<Access, Fault> {
        match self.app.store.grant(&self.connection).await.map_err(store_fault)? {
            Some((grant, version)) => access(&grant, version),
            None => Err(Fault::new(FaultKind::SignInEnded, "no Salesforce grant is stored")),
        }
    }

    async fn refreshed(&self, stale_version: i64) -> Result<Access, Fault> {
        // Of its own for each call: two sessions of this process must not both think that it is their turn.
        let holder: SessionId = new_id(self.app.rng.as_ref());
        for _ in 0..LOOKS {
            let now = self.app.clock.now();
            let turn = self
                .app
                .store
                .begin_refresh(&self.connection, stale_version, holder.as_str(), now, TURN)
                .await
                .map_err(store_fault)?;
            match turn {
                RefreshTurn::Mine => {
                    // A task of its own: once the old token is spent, the new one must be stored even if nobody
                    // waits for it any more.
                    let this = self.clone();
                    let done = tokio::spawn(async move { this.refresh(holder.as_str()).await });
                    return done.await.unwrap_or_else(|e| Err(Fault::fatal("the refresh broke off").caused_by(e)));
                }
                RefreshTurn::AlreadyDone(grant, version) => return access(&grant, version),
                // Another process has the turn; its commit is all that there is to wait for.
                RefreshTurn::Wait => self.app.clock.sleep(LOOK).await,
            }
        }
        Err(Fault::transient("another process did not finish refreshing the grant"))
    }
}
