//! The integration users of organisations: their grants, sealed, and what they told last.

use std::time::Duration;

use tandem_sync::fan_in::Answer;
use tandem_types::{IntegrationTrouble, OrgId, Timestamp, UserId};

use crate::db::{Row, Tx, from_json, json, vals};
use crate::lease::until;
use crate::seal::DataKey;
use crate::{GrantSecret, Store, StoreError};

/// Who is connected as the integration user of an organisation, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationNew {
    pub org: OrgId,
    /// In Salesforce.
    pub user: UserId,
    pub username: String,
    /// The administrator.
    pub by: UserId,
}

/// An organisation's integration user as it stands, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationRow {
    pub org: OrgId,
    pub user: UserId,
    pub username: String,
    /// The administrator who connected it; `None`: who is erased.
    pub by: Option<UserId>,
    /// The administrator's name, as far as it is known.
    pub by_name: String,
    pub connected: Timestamp,
    /// When it was last asked with success.
    pub asked: Option<Timestamp>,
    /// Why it does not tell, and since when.
    pub trouble: Option<(IntegrationTrouble, Timestamp)>,
}

const COLUMNS: &str = "i.org_id, i.user_id, i.username, i.connected_by, i.connected_at, i.asked_at, i.trouble, \
     i.trouble_at, u.name FROM integrations i LEFT JOIN users u ON u.id = i.connected_by";

impl IntegrationRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let trouble = row.opt_word("trouble", IntegrationTrouble::parse)?;
        Ok(Self {
            org: row.parsed("org_id")?,
            user: row.parsed("user_id")?,
            username: row.text("username")?,
            by: match row.text("connected_by")?.as_str() {
                "" => None,
                _ => Some(row.parsed("connected_by")?),
            },
            by_name: row.opt_text("name")?.unwrap_or_default(),
            connected: row.time("connected_at")?,
            asked: row.opt_time("asked_at")?,
            trouble: trouble.zip(row.opt_time("trouble_at")?),
        })
    }
}

fn aad(org: &OrgId) -> String {
    format!("integrations/{org}/sealed")
}

/// Whatever question is on its way, its answer is not stored any more.
async fn fence_off(tx: &mut Tx, org: &OrgId) -> Result<u64, StoreError> {
    tx.exec(
        "UPDATE orgs SET tick = tick + 1, tick_until = NULL WHERE id = $1",
        vals![org],
    )
    .await
}

/// The grant is of no use, and gone with its key, once nobody of the organisation syncs any more.
pub(crate) async fn drop_unused(tx: &mut Tx, org: &OrgId) -> Result<(), StoreError> {
    let one = "SELECT org_id FROM integrations WHERE org_id = $1";
    if tx.row(one, vals![org]).await?.is_none() {
        return Ok(());
    }
    // The organisation's row is locked first, as by all here: of two who leave at once the second sees that the first has.
    fence_off(tx, org).await?;
    tx.exec(
        "DELETE FROM integrations WHERE org_id = $1 AND NOT EXISTS (SELECT 1 FROM connections c \
         WHERE c.org_id = $1 AND c.state NOT IN ('deactivated', 'not_activated'))",
        vals![org],
    )
    .await
    .map(|_| ())
}

/// Of a user who is erased: his grant is gone with its key; that he connected another's is nobody's any more.
pub(crate) async fn forget_person(tx: &mut Tx, org: &OrgId, user: &UserId) -> Result<(), StoreError> {
    let gone = tx
        .exec(
            "DELETE FROM integrations WHERE org_id = $1 AND user_id = $2",
            vals![org, user],
        )
        .await?;
    if gone > 0 {
        fence_off(tx, org).await?;
    }
    tx.exec(
        "UPDATE integrations SET connected_by = '' WHERE org_id = $1 AND connected_by = $2",
        vals![org, user],
    )
    .await
    .map(|_| ())
}

impl Store {
    /// Connects the organisation's integration user, in the place of another; what that one told is forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the organisation is not known.
    pub async fn put_integration(
        &self,
        new: &IntegrationNew,
        grant: &GrantSecret,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.new_integration_key(&new.org)?;
        let sealed = self.seal_grant_as(&key, &aad(&new.org), grant)?;
        let mut tx = self.db.begin().await?;
        if fence_off(&mut tx, &new.org).await? == 0 {
            return Err(StoreError::NotFound("organisation"));
        }
        tx.exec(
            "INSERT INTO integrations (org_id, user_id, username, connected_by, connected_at, credentials_key, \
             sealed, version, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $5) \
             ON CONFLICT (org_id) DO UPDATE SET user_id = excluded.user_id, username = excluded.username, \
             connected_by = excluded.connected_by, connected_at = excluded.connected_at, \
             credentials_key = excluded.credentials_key, sealed = excluded.sealed, \
             version = integrations.version + 1, answer = NULL, asked_at = NULL, trouble = NULL, \
             trouble_at = NULL, updated_at = excluded.updated_at",
            vals![
                &new.org,
                &new.user,
                &new.username,
                &new.by,
                now,
                key.into_bytes(),
                sealed
            ],
        )
        .await?;
        tx.commit().await
    }

    /// `None`: each connection asks for itself.
    pub async fn integration(&self, org: &OrgId) -> Result<Option<IntegrationRow>, StoreError> {
        let one = format!("SELECT {COLUMNS} WHERE i.org_id = $1");
        let row = self.db.row(one, vals![org]).await?;
        row.as_ref().map(IntegrationRow::read).transpose()
    }

    /// Of all organisations, by their ids.
    pub async fn integrations(&self) -> Result<Vec<IntegrationRow>, StoreError> {
        let all = format!("SELECT {COLUMNS} ORDER BY i.org_id");
        let rows = self.db.rows(all, Vec::new()).await?;
        rows.iter().map(IntegrationRow::read).collect()
    }

    /// As [`Store::integration`], with what it told last. An answer that cannot be read is none.
    pub async fn told(&self, org: &OrgId) -> Result<Option<(IntegrationRow, Option<Answer>)>, StoreError> {
        let one = format!("SELECT i.answer, {COLUMNS} WHERE i.org_id = $1");
        let row = self.db.row(one, vals![org]).await?;
        row.map(|row| {
            let answer = row.opt_text("answer")?;
            let answer = answer.and_then(|text| from_json(&text, "answer").ok());
            Ok((IntegrationRow::read(&row)?, answer))
        })
        .transpose()
    }

    /// Its grant and the grant's version.
    pub async fn integration_grant(&self, org: &OrgId) -> Result<Option<(GrantSecret, i64)>, StoreError> {
        let select = "SELECT credentials_key, sealed, version FROM integrations WHERE org_id = $1";
        let row = self.db.row(select, vals![org]).await?;
        row.map(|row| {
            let key = DataKey::integration(org, row.blob("credentials_key")?);
            let grant = self.open_grant_as(&key, &aad(org), &row.blob("sealed")?)?;
            Ok((grant, row.int("version")?))
        })
        .transpose()
    }

    /// Stores what a refresh brought in the place of the grant of that version; answers the new version. Use the tokens
    /// only after this.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: the grant is another one by now. [`StoreError::NotFound`]: it is disconnected.
    pub async fn renew_integration(
        &self,
        org: &OrgId,
        seen: i64,
        grant: &GrantSecret,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let select = "SELECT credentials_key, version FROM integrations WHERE org_id = $1";
        let row = self.db.row(select, vals![org]).await?;
        let row = row.ok_or(StoreError::NotFound("integration user"))?;
        let wrapped = row.blob("credentials_key")?;
        let key = DataKey::integration(org, wrapped.clone());
        let sealed = self.seal_grant_as(&key, &aad(org), grant)?;
        // With the key that it was sealed by: another sign-in has another, and so has another master key.
        let row = self
            .db
            .row(
                "UPDATE integrations SET sealed = $4, version = version + 1, updated_at = $5 \
                 WHERE org_id = $1 AND version = $2 AND credentials_key = $3 RETURNING version",
                vals![org, seen, wrapped, sealed, now],
            )
            .await?;
        row.ok_or(StoreError::LeaseLost)?.int("version")
    }

    /// Shreds the grant and its key, and forgets what was told. False: none was connected.
    pub async fn drop_integration(&self, org: &OrgId) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        fence_off(&mut tx, org).await?;
        let gone = tx
            .exec("DELETE FROM integrations WHERE org_id = $1", vals![org])
            .await?;
        tx.commit().await?;
        Ok(gone > 0)
    }

    /// Begins a question to Salesforce for all of the organisation; its number. One at a time over all processes; the turn
    /// ends by itself after `ttl`. `None`: another one is at it, or no integration user is connected.
    pub async fn begin_tick(
        &self,
        org: &OrgId,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<i64>, StoreError> {
        let row = self
            .db
            .row(
                "UPDATE orgs SET tick = tick + 1, tick_until = $3 WHERE id = $1 \
                 AND (tick_until IS NULL OR tick_until <= $2) \
                 AND EXISTS (SELECT 1 FROM integrations i WHERE i.org_id = orgs.id) RETURNING tick",
                vals![org, now, until(now, ttl)],
            )
            .await?;
        row.map(|row| row.int("tick")).transpose()
    }

    /// Stores the answer to the question of that number; or why there is none, and before when nobody tries again: what
    /// was told before stands then.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]: another question was begun, or another user is connected.
    pub async fn end_tick(
        &self,
        org: &OrgId,
        number: i64,
        told: Result<&Answer, (IntegrationTrouble, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let held = tx
            .exec(
                "UPDATE orgs SET tick_until = $3 WHERE id = $1 AND tick = $2",
                vals![org, number, told.err().map(|(_, again)| again)],
            )
            .await?;
        if held == 0 {
            return Err(StoreError::LeaseLost);
        }
        match told {
            Ok(answer) => {
                tx.exec(
                    "UPDATE integrations SET answer = $2, asked_at = $3, trouble = NULL, trouble_at = NULL \
                     WHERE org_id = $1",
                    vals![org, json(answer)?, answer.asked],
                )
                .await?;
            }
            Err((trouble, _)) => {
                // Since when it has been that trouble: the first time counts.
                tx.exec(
                    "UPDATE integrations SET trouble_at = CASE WHEN trouble = $2 THEN trouble_at ELSE $3 END, \
                     trouble = $2 WHERE org_id = $1",
                    vals![org, trouble.as_str(), now],
                )
                .await?;
            }
        }
        tx.commit().await
    }

    /// Makes those due at `due` who sync, would be due later, and have had no session since the stamp beside them. How many
    /// they were.
    pub async fn wake_concerned(
        &self,
        org: &OrgId,
        concerned: &[(UserId, Timestamp)],
        due: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut woken = 0;
        for (user, stamp) in concerned {
            woken += self
                .db
                .exec(
                    "UPDATE connections SET due_at = $3 WHERE org_id = $1 AND user_id = $2 AND state = 'active' \
                     AND reason IS NULL AND rejections = 0 AND failures = 0 AND lease_session IS NULL \
                     AND due_at > $3 AND (last_success IS NULL OR last_success < $4)",
                    vals![org, user, due, *stamp],
                )
                .await?;
        }
        Ok(woken)
    }
}
