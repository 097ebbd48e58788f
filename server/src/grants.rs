//! Tokens of one connection: stored before they are used, refreshed once however many ask.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use tandem_crm::{Access, Grants};
use tandem_mailbox::microsoft::{Bearer, MicrosoftApp, Owner, Tokens, claims_of};
use tandem_store::{GrantSecret, Provider, RefreshTurn};
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
pub(crate) const STORE_TRIES: u32 = 300;
pub(crate) const STORE_PAUSE: Duration = Duration::from_secs(1);
/// An access token that ends within this is refreshed before it is used.
const EARLY_SECONDS: i64 = 300;

/// A grant of one connection, as its connector needs it.
#[derive(Clone)]
pub(crate) struct StoredGrants {
    app: App,
    connection: ConnectionId,
    provider: Provider,
}

/// A grant and its version.
pub(crate) type Stored = (GrantSecret, i64);

impl StoredGrants {
    pub(crate) fn new(app: App, connection: ConnectionId, provider: Provider) -> Self {
        Self {
            app,
            connection,
            provider,
        }
    }

    async fn refresh(&self, holder: &str, stale_version: i64) -> Result<Stored, Fault> {
        let app = &self.app;
        let (old, version) = self.stored().await?;
        if version != stale_version {
            // A new sign-in came between: that grant is fresh, and using it up is not our turn.
            return Ok((old, version));
        }
        match renew(app, self.provider, &old).await {
            Ok(grant) => self.keep(holder, &old, grant).await,
            Err(fault) => {
                let abandoned = app
                    .store
                    .abandon_refresh(&self.connection, self.provider, holder)
                    .await;
                if let Err(error) = abandoned {
                    tracing::warn!(%error, "a failed refresh keeps its turn until it expires");
                }
                // A new sign-in revokes the grant that it replaces: what ended then is not the sign-in.
                match self.stored().await {
                    Ok((grant, now)) if now != stale_version => Ok((grant, now)),
                    _ => {
                        if let Some(claims) = claims_of(&fault) {
                            self.note_claims(claims).await;
                        }
                        Err(fault)
                    }
                }
            }
        }
    }

    /// Durable before it is used: with rotation the old token is dead from here on.
    async fn keep(&self, holder: &str, old: &GrantSecret, grant: GrantSecret) -> Result<Stored, Fault> {
        let changed = !same(&grant.refresh_token, &old.refresh_token);
        let error = match self.store_patiently(holder, &grant).await {
            Ok(version) => return Ok((grant, version)),
            Err(error) => error,
        };
        if matches!(error, StoreError::LeaseLost)
            && let Ok((stored, version)) = self.stored().await
        {
            if !same(&stored.refresh_token, &grant.refresh_token) && changed {
                self.discard(&grant.refresh_token).await;
            }
            // Another sign-in, or our own commit whose answer was lost.
            return Ok((stored, version));
        }
        if changed && matches!(error, StoreError::NotFound(_)) {
            // Deactivated meanwhile: that revoked the token before this one.
            self.discard(&grant.refresh_token).await;
        }
        Err(store_fault(error, self.provider))
    }

    async fn store_patiently(&self, holder: &str, grant: &GrantSecret) -> Result<i64, StoreError> {
        let app = &self.app;
        let mut tries = 1;
        loop {
            let stored = app
                .store
                .finish_refresh(
                    &self.connection,
                    self.provider,
                    holder,
                    grant.clone(),
                    app.clock.now(),
                )
                .await;
            match stored {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) if tries < STORE_TRIES => {
                    tracing::warn!(connection = %self.connection, %error, "a new grant is not stored yet");
                    tries += 1;
                    app.clock.sleep(STORE_PAUSE).await;
                }
                stored => return stored,
            }
        }
    }

    async fn stored(&self) -> Result<Stored, Fault> {
        let grant = self
            .app
            .store
            .grant(&self.connection, self.provider)
            .await
            .map_err(|error| store_fault(error, self.provider))?;
        grant.ok_or_else(|| none_stored(self.provider))
    }

    /// A grant that nobody will use is not left lying about. Microsoft ends none on request: there it is forgotten.
    async fn discard(&self, token: &SecretString) {
        if self.provider == Provider::Microsoft {
            return;
        }
        let Ok(host) = login_host(&self.app) else { return };
        if let Err(fault) = self.app.salesforce.revoke(&self.app.net, host, token).await {
            tracing::warn!(connection = %self.connection, %fault, "a refreshed grant that was overtaken was not revoked");
        }
    }

    async fn note_claims(&self, claims: &str) {
        let noted = self
            .app
            .store
            .set_demand(&self.connection, self.provider, claims)
            .await;
        if let Err(error) = noted {
            tracing::warn!(connection = %self.connection, %error, "what the next sign-in must bring along is not noted");
        }
    }

    /// New tokens, unless somebody has got some since the version that the caller has seen.
    pub(crate) async fn renewed(&self, stale_version: i64) -> Result<Stored, Fault> {
        // Of its own for each call: two sessions of this process must not both think that it is their turn.
        let holder: SessionId = new_id(self.app.rng.as_ref());
        for _ in 0..LOOKS {
            let now = self.app.clock.now();
            let turn = self
                .app
                .store
                .begin_refresh(
                    &self.connection,
                    self.provider,
                    stale_version,
                    holder.as_str(),
                    now,
                    TURN,
                )
                .await
                .map_err(|error| store_fault(error, self.provider))?;
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
                RefreshTurn::AlreadyDone(grant, version) => return Ok((grant, version)),
                // Another process has the turn; its commit is all that there is to wait for.
                RefreshTurn::Wait => self.app.clock.sleep(LOOK).await,
            }
        }
        Err(Fault::transient(
            "another process did not finish refreshing the grant",
        ))
    }
}

/// Asks the provider for new tokens.
pub(crate) async fn renew(app: &App, provider: Provider, old: &GrantSecret) -> Result<GrantSecret, Fault> {
    let now = app.clock.now();
    let mut new = GrantSecret {
        issued_at: now,
        previous_refresh: None,
        ..old.clone()
    };
    let rotated = match provider {
        Provider::Salesforce => {
            let host = login_host(app)?;
            let tokens = app.salesforce.refresh(&app.net, host, &old.refresh_token).await?;
            new.access_token = tokens.access;
            new.instance_url = tokens.instance_url.to_string();
            tokens.refresh
        }
        Provider::Microsoft => {
            let owner = read_owner(&old.owner)?;
            let tokens = microsoft(app)?
                .refresh(&app.net, &old.refresh_token, &owner, now)
                .await
                .map_err(Fault::from)?;
            new.access_token = tokens.access;
            new.expires = Some(tokens.expires_at);
            tokens.refresh
        }
    };
    if let Some(rotated) = rotated
        && !same(&rotated, &old.refresh_token)
    {
        new.refresh_token = rotated;
        new.previous_refresh = Some(old.refresh_token.clone());
    }
    Ok(new)
}

fn login_host(app: &App) -> Result<&Url, Fault> {
    let first = app.config.salesforce.login_hosts.first();
    first.ok_or_else(|| Fault::fatal("salesforce.login_hosts is empty"))
}

fn microsoft(app: &App) -> Result<&MicrosoftApp, Fault> {
    let configured = app.microsoft.as_ref();
    configured.ok_or_else(|| Fault::fatal("the configuration has no [microsoft]: Office 365 is off"))
}

/// How a grant notes whose it is.
pub(crate) fn owner_text(owner: &Owner) -> String {
    format!("{}/{}", owner.tenant, owner.user)
}

fn read_owner(text: &str) -> Result<Owner, Fault> {
    let owner = text.split_once('/').and_then(|(tenant, user)| {
        Some(Owner {
            tenant: tenant.parse().ok()?,
            user: user.parse().ok()?,
        })
    });
    owner.ok_or_else(|| Fault::fatal("the stored grant does not say whose it is"))
}

fn same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

pub(crate) fn none_stored(provider: Provider) -> Fault {
    let text = match provider {
        Provider::Salesforce => "no Salesforce grant is stored",
        Provider::Microsoft => "no Microsoft grant is stored",
    };
    Fault::new(FaultKind::SignInEnded, text)
}

pub(crate) fn store_fault(error: StoreError, provider: Provider) -> Fault {
    match error {
        StoreError::Unavailable(_) => Fault::transient("the database does not answer").caused_by(error),
        StoreError::Full(_) => Fault::transient("the database's disk is full").caused_by(error),
        StoreError::NotFound(_) => none_stored(provider),
        error => Fault::fatal("the stored grant cannot be used").caused_by(error),
    }
}

pub(crate) fn access((grant, version): Stored) -> Result<Access, Fault> {
    let instance_url = grant
        .instance_url
        .parse()
        .map_err(|_| Fault::fatal("the stored instance address is no URL"))?;
    Ok(Access {
        token: grant.access_token,
        instance_url,
        version,
    })
}

fn bearer((grant, version): Stored) -> Bearer {
    Bearer {
        token: grant.access_token,
        version,
    }
}

#[async_trait]
impl Grants for StoredGrants {
    async fn access(&self) -> Result<Access, Fault> {
        access(self.stored().await?)
    }

    async fn refreshed(&self, stale_version: i64) -> Result<Access, Fault> {
        access(self.renewed(stale_version).await?)
    }
}

#[async_trait]
impl Tokens for StoredGrants {
    async fn access(&self) -> Result<Bearer, Fault> {
        let (grant, version) = self.stored().await?;
        let soon = self.app.clock.now().plus_seconds(EARLY_SECONDS);
        if grant.expires.is_none_or(|end| end > soon) {
            return Ok(bearer((grant, version)));
        }
        self.renewed(version).await.map(bearer)
    }

    async fn refreshed(&self, stale_version: i64) -> Result<Bearer, Fault> {
        self.renewed(stale_version).await.map(bearer)
    }

    async fn challenged(&self, claims: &str) {
        self.note_claims(claims).await;
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
            owner: String::new(),
            issued_at: tandem_types::Timestamp(0),
            expires: None,
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
                    .put_grant(&id(), Provider::Salesforce, secret("signed in"), now)
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
        app.store
            .put_grant(&id(), Provider::Salesforce, secret("first"), now)
            .await
            .unwrap();
        *salesforce.app.lock().unwrap() = Some(app.clone());
        (folder, app, salesforce)
    }

    #[tokio::test]
    async fn many_who_were_refused_refresh_once() {
        let (_folder, app, salesforce) = set(Meanwhile::Nothing, false).await;
        // Each as in a process of its own.
        let all = (0..5).map(|_| StoredGrants::new(app.clone(), id(), Provider::Salesforce));
        let all =
            futures::future::join_all(all.map(|g| async move { Grants::refreshed(&g, 1).await.unwrap() }))
                .await;
        assert_eq!(*salesforce.refreshes.lock().unwrap(), 1);
        for access in all {
            assert_eq!(access.version, 2);
            assert_eq!(access.token.expose_secret(), "access of rotated");
        }
        let (stored, _) = app
            .store
            .grant(&id(), Provider::Salesforce)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(stored.refresh_token.expose_secret(), "rotated");
    }

    #[tokio::test]
    async fn a_sign_in_that_overtakes_a_refresh_counts() {
        for refuse in [false, true] {
            let (_folder, app, salesforce) = set(Meanwhile::SignIn, refuse).await;
            let grants = StoredGrants::new(app.clone(), id(), Provider::Salesforce);
            let access = Grants::refreshed(&grants, 1).await.unwrap();
            assert_eq!(access.token.expose_secret(), "access of signed in", "{refuse}");
            let (stored, version) = app
                .store
                .grant(&id(), Provider::Salesforce)
                .await
                .unwrap()
                .unwrap();
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
        let grants = StoredGrants::new(app.clone(), id(), Provider::Salesforce);
        let fault = grants.renewed(1).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::SignInEnded);
        assert_eq!(*salesforce.revoked.lock().unwrap(), ["rotated"]);
        assert!(
            app.store
                .grant(&id(), Provider::Salesforce)
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_grant_that_is_over_is_over_and_keeps_no_turn() {
        let (_folder, app, salesforce) = set(Meanwhile::Nothing, true).await;
        let grants = StoredGrants::new(app, id(), Provider::Salesforce);
        for asked in 1..=2 {
            let fault = grants.renewed(1).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::SignInEnded);
            assert_eq!(*salesforce.refreshes.lock().unwrap(), asked);
        }
    }
}
