use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tandem_types::{ConnectionId, Timestamp};

use crate::db::{Row, Tx, json, vals};
use crate::lease::until;
use crate::seal::DataKey;
use crate::{Store, StoreError};

/// Who granted. A connection has one grant of each at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    Salesforce,
    /// Office 365.
    Microsoft,
}

impl Provider {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::Microsoft => "microsoft",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Salesforce, Self::Microsoft]
            .into_iter()
            .find(|provider| provider.as_str() == word)
    }
}

/// What a provider granted to one connection. `Debug` shows no token.
#[derive(Clone)]
pub struct GrantSecret {
    pub access_token: SecretString,
    pub refresh_token: SecretString,
    /// Where the token is good: `https://acme.my.salesforce.com`; empty for Microsoft.
    pub instance_url: String,
    /// Whose account it is, in the provider's words; empty where the connection says it.
    pub owner: String,
    pub issued_at: Timestamp,
    /// When the access token ends; `None`: that is not told beforehand.
    pub expires: Option<Timestamp>,
    /// The refresh token that this grant was made with, where it rotated.
    pub previous_refresh: Option<SecretString>,
}

impl fmt::Debug for GrantSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantSecret")
            .field("instance_url", &self.instance_url)
            .field("issued_at", &self.issued_at)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Who refreshes the grant.
#[derive(Debug)]
pub enum RefreshTurn {
    /// The caller: end with [`Store::finish_refresh`] or [`Store::abandon_refresh`].
    Mine,
    /// Somebody did since the version that the caller has seen: the grant now, and its version.
    AlreadyDone(GrantSecret, i64),
    /// Somebody is at it: ask again shortly.
    Wait,
}

#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    access_token: Cow<'a, str>,
    refresh_token: Cow<'a, str>,
    instance_url: Cow<'a, str>,
    #[serde(default)]
    owner: Cow<'a, str>,
    issued_at: Timestamp,
    #[serde(default)]
    expires: Option<Timestamp>,
    previous_refresh: Option<Cow<'a, str>>,
}

fn aad(connection: &ConnectionId, provider: Provider) -> String {
    match provider {
        // As it was when there was one provider only.
        Provider::Salesforce => format!("grants/{connection}/sealed"),
        Provider::Microsoft => format!("grants/{connection}/microsoft/sealed"),
    }
}

/// A grant that nobody has refreshed for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleGrant {
    pub connection: ConnectionId,
    pub provider: Provider,
    pub version: i64,
}

impl Store {
    /// Stores the grant of a new sign-in; answers its version. A refresh under way elsewhere is overtaken: it can no
    /// longer store what it gets.
    pub async fn put_grant(
        &self,
        id: &ConnectionId,
        provider: Provider,
        grant: GrantSecret,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut tx = self.db.begin().await?;
        let key = self.grant_key(&mut tx, id, now).await?;
        let version = self.put_in(&mut tx, &key, id, provider, &grant, now).await?;
        tx.commit().await?;
        Ok(version)
    }

    pub(crate) async fn put_in(
        &self,
        tx: &mut Tx,
        key: &DataKey,
        id: &ConnectionId,
        provider: Provider,
        grant: &GrantSecret,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let sealed = self.seal_grant(key, id, provider, grant)?;
        let row = tx
            .row(
                "INSERT INTO grants (connection_id, provider, org_id, user_id, sealed, version, updated_at) \
                 SELECT id, $4, org_id, user_id, $2, 1, $3 FROM connections WHERE id = $1 \
                 ON CONFLICT (connection_id, provider) DO UPDATE SET sealed = $2, \
                 version = grants.version + 1, claims = NULL, \
                 refreshing_by = NULL, refreshing_until = NULL, updated_at = $3 RETURNING version",
                vals![id, sealed, now, provider.as_str()],
            )
            .await?;
        row.ok_or(StoreError::NotFound("connection"))?.int("version")
    }

    /// The grant and its version.
    pub async fn grant(
        &self,
        id: &ConnectionId,
        provider: Provider,
    ) -> Result<Option<(GrantSecret, i64)>, StoreError> {
        let row = self.db.row(SELECT_GRANT, vals![id, provider.as_str()]).await?;
        row.map(|row| Ok((self.open_grant(id, provider, &row)?, row.int("version")?)))
            .transpose()
    }

    pub(crate) async fn grant_in(
        &self,
        tx: &mut Tx,
        id: &ConnectionId,
        provider: Provider,
    ) -> Result<Option<(GrantSecret, i64)>, StoreError> {
        let row = tx.row(SELECT_GRANT, vals![id, provider.as_str()]).await?;
        row.map(|row| Ok((self.open_grant(id, provider, &row)?, row.int("version")?)))
            .transpose()
    }

    /// Grants that were neither stored nor refreshed since `before`, oldest first: refresh tokens die of idleness. Not
    /// those that are known to be over.
    pub async fn idle_grants(&self, before: Timestamp, limit: u32) -> Result<Vec<IdleGrant>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT g.connection_id, g.provider, g.version FROM grants g \
                 JOIN connections c ON c.id = g.connection_id AND c.org_id = g.org_id AND c.user_id = g.user_id \
                 WHERE g.updated_at < $1 AND COALESCE(c.reason, '') <> CASE g.provider \
                 WHEN 'microsoft' THEN 'microsoft_sign_in_ended' ELSE 'salesforce_sign_in_ended' END \
                 ORDER BY g.updated_at, g.connection_id LIMIT $2",
                vals![before, limit],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(IdleGrant {
                    connection: row.parsed("connection_id")?,
                    provider: row.word("provider", Provider::parse)?,
                    version: row.int("version")?,
                })
            })
            .collect()
    }

    /// What the provider demands of the next sign-in, as it wrote it; forgotten when a new grant is stored.
    pub async fn demand(&self, id: &ConnectionId, provider: Provider) -> Result<Option<String>, StoreError> {
        let select = "SELECT claims FROM grants WHERE connection_id = $1 AND provider = $2";
        let row = self.db.row(select, vals![id, provider.as_str()]).await?;
        row.map(|row| row.opt_text("claims"))
            .transpose()
            .map(Option::flatten)
    }

    /// Notes [`Store::demand`].
    pub async fn set_demand(
        &self,
        id: &ConnectionId,
        provider: Provider,
        claims: &str,
    ) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE grants SET claims = $3 WHERE connection_id = $1 AND provider = $2",
                vals![id, provider.as_str(), claims],
            )
            .await
            .map(|_| ())
    }

    /// Asks for the turn to refresh the grant whose version the caller has `seen`. One holder at a time over all
    /// processes; a turn ends by itself after `ttl`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no grant (signed out, deactivated).
    pub async fn begin_refresh(
        &self,
        id: &ConnectionId,
        provider: Provider,
        seen: i64,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<RefreshTurn, StoreError> {
        let mut tx = self.db.begin().await?;
        let row = lock_grant(&mut tx, id, provider)
            .await?
            .ok_or(StoreError::NotFound("grant"))?;
        let version = row.int("version")?;
        if version != seen {
            return Ok(RefreshTurn::AlreadyDone(
                self.open_grant(id, provider, &row)?,
                version,
            ));
        }
        let other = row.opt_text("refreshing_by")?.is_some_and(|by| by != holder);
        if other && row.opt_time("refreshing_until")?.is_some_and(|t| t > now) {
            return Ok(RefreshTurn::Wait);
        }
        tx.exec(
            "UPDATE grants SET refreshing_by = $2, refreshing_until = $3 \
             WHERE connection_id = $1 AND provider = $4",
            vals![id, holder, until(now, ttl), provider.as_str()],
        )
        .await?;
        tx.commit().await?;
        Ok(RefreshTurn::Mine)
    }

    /// Stores what the refresh brought; answers the new version. Use the tokens only after this.
    ///
    /// Whose turn has run out is still welcome as long as nobody else has stored a grant since (`previous_refresh`
    /// is the stored refresh token): the new token may be the only one that still works.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: the grant is another one by now; read it. [`StoreError::NotFound`]: it was deleted.
    pub async fn finish_refresh(
        &self,
        id: &ConnectionId,
        provider: Provider,
        holder: &str,
        grant: GrantSecret,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut tx = self.db.begin().await?;
        let row = lock_grant(&mut tx, id, provider)
            .await?
            .ok_or(StoreError::NotFound("grant"))?;
        if row.opt_text("refreshing_by")?.as_deref() != Some(holder) {
            let stored = self.open_grant(id, provider, &row)?;
            let successor = grant
                .previous_refresh
                .as_ref()
                .is_some_and(|p| p.expose_secret() == stored.refresh_token.expose_secret());
            if !successor {
                return Err(StoreError::LeaseLost);
            }
        }
        let key = self.grant_key(&mut tx, id, now).await?;
        let sealed = self.seal_grant(&key, id, provider, &grant)?;
        let row = tx
            .row(
                "UPDATE grants SET sealed = $2, version = version + 1, refreshing_by = NULL, \
                 refreshing_until = NULL, updated_at = $3 WHERE connection_id = $1 AND provider = $4 \
                 RETURNING version",
                vals![id, sealed, now, provider.as_str()],
            )
            .await?
            .ok_or(StoreError::NotFound("grant"))?;
        tx.commit().await?;
        row.int("version")
    }

    /// The refresh brought nothing: the next may try.
    pub async fn abandon_refresh(
        &self,
        id: &ConnectionId,
        provider: Provider,
        holder: &str,
    ) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE grants SET refreshing_by = NULL, refreshing_until = NULL \
                 WHERE connection_id = $1 AND refreshing_by = $2 AND provider = $3",
                vals![id, holder, provider.as_str()],
            )
            .await
            .map(|_| ())
    }

    pub async fn delete_grant(&self, id: &ConnectionId, provider: Provider) -> Result<(), StoreError> {
        self.db
            .exec(
                "DELETE FROM grants WHERE connection_id = $1 AND provider = $2",
                vals![id, provider.as_str()],
            )
            .await
            .map(|_| ())
    }

    /// The connection's credentials key, made anew after a deactivation.
    async fn grant_key(&self, tx: &mut Tx, id: &ConnectionId, now: Timestamp) -> Result<DataKey, StoreError> {
        let select = "SELECT credentials_key FROM connections WHERE id = $1";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        if let Some(wrapped) = row
            .ok_or(StoreError::NotFound("connection"))?
            .opt_blob("credentials_key")?
        {
            return Ok(DataKey::credentials(id, wrapped));
        }
        let key = self.new_credentials_key(id)?;
        tx.exec(
            "UPDATE connections SET credentials_key = $2, updated_at = $3 WHERE id = $1",
            vals![id, key.clone().into_bytes(), now],
        )
        .await?;
        Ok(key)
    }

    fn seal_grant(
        &self,
        key: &DataKey,
        id: &ConnectionId,
        provider: Provider,
        grant: &GrantSecret,
    ) -> Result<Vec<u8>, StoreError> {
        self.seal_grant_as(key, &aad(id, provider), grant)
    }

    pub(crate) fn seal_grant_as(
        &self,
        key: &DataKey,
        aad: &str,
        grant: &GrantSecret,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = Plain {
            access_token: grant.access_token.expose_secret().into(),
            refresh_token: grant.refresh_token.expose_secret().into(),
            instance_url: grant.instance_url.as_str().into(),
            owner: grant.owner.as_str().into(),
            issued_at: grant.issued_at,
            expires: grant.expires,
            previous_refresh: grant.previous_refresh.as_ref().map(|p| p.expose_secret().into()),
        };
        let plain = Zeroizing::new(json(&plain)?);
        self.seal(key, aad, plain.as_bytes())
    }

    fn open_grant(
        &self,
        id: &ConnectionId,
        provider: Provider,
        row: &Row,
    ) -> Result<GrantSecret, StoreError> {
        let wrapped = row
            .opt_blob("credentials_key")?
            .ok_or_else(|| StoreError::Corrupt("a grant without its key".to_owned()))?;
        let key = DataKey::credentials(id, wrapped);
        self.open_grant_as(&key, &aad(id, provider), &row.blob("sealed")?)
    }

    pub(crate) fn open_grant_as(
        &self,
        key: &DataKey,
        aad: &str,
        sealed: &[u8],
    ) -> Result<GrantSecret, StoreError> {
        let plain = self.unseal(key, aad, sealed)?;
        let plain: Plain<'_> = serde_json::from_slice(plain.expose_secret())
            .map_err(|_| StoreError::Corrupt("the grant cannot be read".to_owned()))?;
        Ok(GrantSecret {
            access_token: plain.access_token.into_owned().into(),
            refresh_token: plain.refresh_token.into_owned().into(),
            instance_url: plain.instance_url.into_owned(),
            owner: plain.owner.into_owned(),
            issued_at: plain.issued_at,
            expires: plain.expires,
            previous_refresh: plain.previous_refresh.map(|p| p.into_owned().into()),
        })
    }
}

const SELECT_GRANT: &str = "SELECT g.sealed, g.version, g.refreshing_by, g.refreshing_until, c.credentials_key \
     FROM grants g JOIN connections c \
     ON c.id = g.connection_id AND c.org_id = g.org_id AND c.user_id = g.user_id \
     WHERE g.connection_id = $1 AND g.provider = $2";

async fn lock_grant(tx: &mut Tx, id: &ConnectionId, provider: Provider) -> Result<Option<Row>, StoreError> {
    // The connection first, as everywhere: two transactions that lock in different orders stop each other.
    let connection = "SELECT id FROM connections WHERE id = $1";
    tx.rows(format!("{connection}{}", tx.for_update()), vals![id])
        .await?;
    tx.row(SELECT_GRANT, vals![id, provider.as_str()]).await
}
