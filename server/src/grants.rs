//! Salesforce tokens of one connection: stored before they are used, refreshed once however many ask.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tandem_crm::{Access, Grants, TokenSet};
use tandem_store::{GrantSecret, RefreshTurn};
use tandem_sync::ports::StoreError;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ConnectionId, SessionId};
use url::Url;

use crate::app::App;
use crate::clock::new_id;

/// A refresh that takes longer has died with its process.
const TURN: Duration = Duration::from_mins(1);
/// Between two looks at a refresh that another process does.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 700;
/// A rotated token lives in memory only until it is stored: for so long the database is asked again and again.
const STORE_TRIES: u32 = 300;
const STORE_PAUSE: Duration = Duration::from_secs(1);

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

    async fn refresh(&self, holder: &str, stale_version: i64) -> Result<Access, Fault> {
        let app = &self.app;
        let host = login_host(app)?;
        let (old, version) = self.stored().await?;
        if version != stale_version {
            // A new sign-in came between: that grant is fresh, and using it up is not our turn.
            return access(&old, version);
        }
        match app.salesforce.refresh(&app.net, host, &old.refresh_token).await {
            Ok(tokens) => self.keep(holder, host, &old, tokens).await,
            Err(fault) => {
                if let Err(error) = app.store.abandon_refresh(&self.connection, holder).await {
                    tracing::warn!(%error, "a failed refresh keeps its turn until it expires");
                }
                // A new sign-in revokes the grant that it replaces: what ended then is not the sign-in.
                match self.stored().await {
                    Ok((grant, now)) if now != stale_version => access(&grant, now),
                    _ => Err(fault),
                }
            }
        }
    }

    /// Durable before it is used: with rotation the old token is dead from here on.
    async fn keep(
        &self,
        holder: &str,
        host: &Url,
        old: &GrantSecret,
        tokens: TokenSet,
    ) -> Result<Access, Fault> {
        let rotated = tokens.refresh.unwrap_or_else(|| old.refresh_token.clone());
        let changed = !same(&rotated, &old.refresh_token);
        let grant = GrantSecret {
            access_token: tokens.access,
            refresh_token: rotated,
            instance_url: tokens.instance_url.to_string(),
            issued_at: self.app.clock.now(),
            previous_refresh: changed.then(|| old.refresh_token.clone()),
        };
        let error = match self.store_patiently(holder, &grant).await {
            Ok(version) => return access(&grant, version),
            Err(error) => error,
        };
        if matches!(error, StoreError::LeaseLost)
            && let Ok((stored, version)) = self.stored().await
        {
            if !same(&stored.refresh_token, &grant.refresh_token) && changed {
                self.discard(host, &grant.refresh_token).await;
            }
            // Another sign-in, or our own commit whose answer was lost.
            return access(&stored, version);
        }
        if changed && matches!(error, StoreError::NotFound(_)) {
            // Deactivated meanwhile: that revoked the token before this one.
            self.discard(host, &grant.refresh_token).await;
        }
        Err(store_fault(error))
    }

    async fn store_patiently(&self, holder: &str, grant: &GrantSecret) -> Result<i64, StoreError> {
        let app = &self.app;
        let mut tries = 1;
        loop {
            let stored = app
                .store
                .finish_refresh(&self.connection, holder, grant.clone(), app.clock.now())
                .await;
            match stored {
                Err(StoreError::Unavailable(error)) if tries < STORE_TRIES => {
                    tracing::warn!(connection = %self.connection, %error, "a new grant is not stored yet");
                    tries += 1;
                    app.clock.sleep(STORE_PAUSE).await;
                }
                stored => return stored,
            }
        }
    }

    async fn stored(&self) -> Result<(GrantSecret, i64), Fault> {
        let grant = self
            .app
            .store
            .grant(&self.connection)
            .await
            .map_err(store_fault)?;
        grant.ok_or_else(|| Fault::new(FaultKind::SignInEnded, "no Salesforce grant is stored"))
    }

    /// A grant that nobody will use is not left lying about.
    async fn discard(&self, host: &Url, token: &SecretString) {
        if let Err(fault) = self.app.salesforce.revoke(&self.app.net, host, token).await {
            tracing::warn!(connection = %self.connection, %fault, "a refreshed grant that was overtaken was not revoked");
        }
    }
}

fn login_host(app: &App) -> Result<&Url, Fault> {
    let first = app.config.salesforce.login_hosts.first();
    first.ok_or_else(|| Fault::fatal("salesforce.login_hosts is empty"))
}

fn same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

pub(crate) fn store_fault(error: StoreError) -> Fault {
    match error {
        StoreError::Unavailable(_) => Fault::transient("the database does not answer").caused_by(error),
        StoreError::NotFound(_) => Fault::new(FaultKind::SignInEnded, "no Salesforce grant is stored"),
        error => Fault::fatal("the stored grant cannot be used").caused_by(error),
    }
}

fn access(grant: &GrantSecret, version: i64) -> Result<Access, Fault> {
    let instance_url = grant
        .instance_url
        .parse()
        .map_err(|_| Fault::fatal("the stored instance address is no URL"))?;
    Ok(Access {
        token: grant.access_token.clone(),
        instance_url,
        version,
    })
}

#[async_trait]
impl Grants for StoredGrants {
    async fn access(&self) -> Result<Access, Fault> {
        match self
            .app
            .store
            .grant(&self.connection)
            .await
            .map_err(store_fault)?
        {
            Some((grant, version)) => access(&grant, version),
            None => Err(Fault::new(
                FaultKind::SignInEnded,
                "no Salesforce grant is stored",
            )),
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
                    let done =
                        tokio::spawn(async move { this.refresh(holder.as_str(), stale_version).await });
                    return done
                        .await
                        .unwrap_or_else(|e| Err(Fault::fatal("the refresh broke off").caused_by(e)));
                }
                RefreshTurn::AlreadyDone(grant, version) => return access(&grant, version),
                // Another process has the turn; its commit is all that there is to wait for.
                RefreshTurn::Wait => self.app.clock.sleep(LOOK).await,
            }
        }
        Err(Fault::transient(
            "another process did not finish refreshing the grant",
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::post;
    use http::StatusCode;
    use tandem_store::NewUser;
    use tandem_types::UserId;

    use super::*;
    use crate::config;

    /// What happens here while Salesforce answers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Meanwhile {
        Nothing,
        SignIn,
        Deactivation,
    }

    /// Salesforce's two endpoints: every refresh token works once, and what is revoked is noted.
    struct Salesforce {
        app: Mutex<Option<App>>,
        meanwhile: Meanwhile,
        refuse: bool,
        refreshes: Mutex<u32>,
        revoked: Mutex<Vec<String>>,
    }

    fn id() -> ConnectionId {
        "0123456789abcdef0123456789abcdef".parse().unwrap()
    }

    fn secret(refresh: &str) -> GrantSecret {
        GrantSecret {
            access_token: format!("access of {refresh}").into(),
            refresh_token: refresh.to_owned().into(),
            instance_url: "https://contoso.my.salesforce.com".into(),
            issued_at: tandem_types::Timestamp(0),
            previous_refresh: None,
        }
    }

    async fn token(State(salesforce): State<Arc<Salesforce>>) -> Response {
        *salesforce.refreshes.lock().unwrap() += 1;
        let app = salesforce.app.lock().unwrap().clone().unwrap();
        let now = app.clock.now();
        match salesforce.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::SignIn => {
                app.store
                    .put_grant(&id(), secret("signed in"), now)
                    .await
                    .unwrap();
            }
            Meanwhile::Deactivation => app.store.deactivate(&id(), now).await.unwrap(),
        }
        if salesforce.refuse {
            let error = serde_json::json!({ "error": "invalid_grant", "error_description": "expired" });
            return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
        }
        axum::Json(serde_json::json!({
            "access_token": "access of rotated",
            "refresh_token": "rotated",
            "token_type": "Bearer",
            "instance_url": "https://contoso.my.salesforce.com",
            "id": "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA",
            "issued_at": "1700000000000",
        }))
        .into_response()
    }

    async fn revoke(State(salesforce): State<Arc<Salesforce>>, body: String) -> StatusCode {
        let token = url::form_urlencoded::parse(body.as_bytes())
            .find(|(name, _)| name == "token")
            .map(|(_, token)| token.into_owned());
        salesforce.revoked.lock().unwrap().extend(token);
        StatusCode::OK
    }

    /// A connection whose grant is `first`, at version 1.
    async fn set(meanwhile: Meanwhile, refuse: bool) -> (tempfile::TempDir, App, Arc<Salesforce>) {
        let salesforce = Arc::new(Salesforce {
            app: Mutex::new(None),
            meanwhile,
            refuse,
            refreshes: Mutex::new(0),
            revoked: Mutex::new(Vec::new()),
        });
        let router = Router::new()
            .route("/services/oauth2/token", post(token))
            .route("/services/oauth2/revoke", post(revoke))
            .with_state(Arc::clone(&salesforce));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let variables = [
            ("PUBLIC_URL", "http://localhost:7433".to_owned()),
            ("DATABASE", format!("sqlite:{}", at("tandem.db"))),
            ("MASTER_KEY_FILE", at("tandem.key")),
            ("SALESFORCE_CLIENT_ID", "client".to_owned()),
            ("SALESFORCE_LOGIN_HOSTS", host),
            ("NET_ALLOW_LOOPBACK", "true".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (format!("TANDEM_{name}"), value));
        let app = App::start(config::load(None, variables).unwrap().0)
            .await
            .unwrap();
        let now = app.clock.now();
        let user: UserId = "005000000000001AAA".parse().unwrap();
        let new = NewUser {
            org_id: "00D000000000001AAA".parse().unwrap(),
            user_id: user.clone(),
            username: "nina@contoso.example".into(),
            name: "Nina".into(),
            email: "nina@contoso.example".into(),
            org_name: "Contoso".into(),
            instance_url: "https://contoso.my.salesforce.com".into(),
        };
        app.store.upsert_user(&new, now).await.unwrap();
        app.store.ensure_connection(&user, id(), now).await.unwrap();
        app.store.put_grant(&id(), secret("first"), now).await.unwrap();
        *salesforce.app.lock().unwrap() = Some(app.clone());
        (folder, app, salesforce)
    }

    #[tokio::test]
    async fn many_who_were_refused_refresh_once() {
        let (_folder, app, salesforce) = set(Meanwhile::Nothing, false).await;
        // Each as in a process of its own.
        let all = (0..5).map(|_| StoredGrants::new(app.clone(), id()));
        let all = futures::future::join_all(all.map(|g| async move { g.refreshed(1).await.unwrap() })).await;
        assert_eq!(*salesforce.refreshes.lock().unwrap(), 1);
        for access in all {
            assert_eq!(access.version, 2);
            assert_eq!(access.token.expose_secret(), "access of rotated");
        }
        let (stored, _) = app.store.grant(&id()).await.unwrap().unwrap();
        assert_eq!(stored.refresh_token.expose_secret(), "rotated");
    }

    #[tokio::test]
    async fn a_sign_in_that_overtakes_a_refresh_counts() {
        for refuse in [false, true] {
            let (_folder, app, salesforce) = set(Meanwhile::SignIn, refuse).await;
            let grants = StoredGrants::new(app.clone(), id());
            let access = grants.refreshed(1).await.unwrap();
            assert_eq!(access.token.expose_secret(), "access of signed in", "{refuse}");
            let (stored, version) = app.store.grant(&id()).await.unwrap().unwrap();
            assert_eq!(stored.refresh_token.expose_secret(), "signed in");
            assert_eq!(version, access.version);
            // What was got in vain does not live on.
            let vain: &[&str] = if refuse { &[] } else { &["rotated"] };
            assert_eq!(*salesforce.revoked.lock().unwrap(), vain);
        }
    }

    #[tokio::test]
    async fn a_refresh_does_not_outlive_a_deactivation() {
        let (_folder, app, salesforce) = set(Meanwhile::Deactivation, false).await;
        let fault = StoredGrants::new(app.clone(), id())
            .refreshed(1)
            .await
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::SignInEnded);
        assert_eq!(*salesforce.revoked.lock().unwrap(), ["rotated"]);
        assert!(app.store.grant(&id()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_grant_that_is_over_is_over_and_keeps_no_turn() {
        let (_folder, app, salesforce) = set(Meanwhile::Nothing, true).await;
        let grants = StoredGrants::new(app, id());
        for asked in 1..=2 {
            let fault = grants.refreshed(1).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::SignInEnded);
            assert_eq!(*salesforce.refreshes.lock().unwrap(), asked);
        }
    }
}
