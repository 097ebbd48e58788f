//! Organisations: their brake, and their settings and those of their connections.

use serde_json::Value;
use tandem_types::{ConnectionId, OrgId, Settings, Timestamp};

use crate::db::{Row, Tx, from_json, json, vals};
use crate::quota::Quota;
use crate::rules::deletes_since;
use crate::settings::{self, SettingsFault};
use crate::{Store, StoreError};

/// An organisation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgRow {
    pub id: OrgId,
    pub name: String,
    /// `https://acme.my.salesforce.com`
    pub instance_url: String,
    /// All that there are, deactivated ones too.
    pub connections: u32,
    /// Those that sync.
    pub active: u32,
    /// The organisation's brake has stopped it since then.
    pub stopped: Option<Timestamp>,
    /// Deletes and emptied fields that count for the brake now.
    pub deletes: u32,
    /// `None`: no session has asked Salesforce yet.
    pub quota: Option<Quota>,
    /// Its connections wait until then: its API calls are used up, or the reserve is reached. May have passed.
    pub held: Option<Timestamp>,
}

/// Locks all of the organisation's connections, in one order for everybody who needs several.
pub(crate) async fn lock_connections(tx: &mut Tx, org: &OrgId) -> Result<(), StoreError> {
    let select = "SELECT id FROM connections WHERE org_id = $1 ORDER BY id";
    tx.rows(format!("{select}{}", tx.for_update()), vals![org])
        .await
        .map(|_| ())
}

pub(crate) async fn stopped(tx: &mut Tx, org: &OrgId) -> Result<bool, StoreError> {
    let row = tx
        .row("SELECT stopped_at FROM orgs WHERE id = $1", vals![org])
        .await?
        .ok_or(StoreError::NotFound("organisation"))?;
    Ok(row.opt_time("stopped_at")?.is_some())
}

/// Stops the organisation; `but`'s own row is its session's to write. After [`lock_connections`].
pub(crate) async fn stop(
    tx: &mut Tx,
    org: &OrgId,
    but: &ConnectionId,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.exec(
        "UPDATE orgs SET stopped_at = COALESCE(stopped_at, $2), updated_at = $2 WHERE id = $1",
        vals![org, now],
    )
    .await?;
    tx.exec(
        "UPDATE connections SET held_reason = reason, held_due = due_at, reason = 'org_brake', due_at = NULL, \
         updated_at = $3 WHERE org_id = $1 AND id <> $2 AND state = 'active' \
         AND (reason IS NULL OR reason <> 'org_brake')",
        vals![org, but, now],
    )
    .await
    .map(|_| ())
}

const COLUMNS: &str = "o.id, o.name, o.instance_url, o.stopped_at, o.released_at, o.held_until, \
     o.api_used, o.api_limit, o.api_at, \
     (SELECT COUNT(*) FROM connections c WHERE c.org_id = o.id) AS connections, \
     (SELECT COUNT(*) FROM connections c WHERE c.org_id = o.id AND c.state = 'active') AS active FROM orgs o";

fn overrides(row: &Row) -> Result<Value, StoreError> {
    from_json(&row.text("settings")?, "settings")
}

impl Store {
    /// All organisations, by name.
    pub async fn orgs(&self, now: Timestamp) -> Result<Vec<OrgRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} ORDER BY o.name, o.id");
        let rows = self.db.rows(sql, Vec::new()).await?;
        let mut orgs = Vec::with_capacity(rows.len());
        for row in &rows {
            orgs.push(self.org_row(row, now).await?);
        }
        Ok(orgs)
    }

    pub async fn org(&self, id: &OrgId, now: Timestamp) -> Result<Option<OrgRow>, StoreError> {
        let row = self
            .db
            .row(format!("SELECT {COLUMNS} WHERE o.id = $1"), vals![id])
            .await?;
        match row {
            Some(row) => self.org_row(&row, now).await.map(Some),
            None => Ok(None),
        }
    }

    async fn org_row(&self, row: &Row, now: Timestamp) -> Result<OrgRow, StoreError> {
        let id: OrgId = row.parsed("id")?;
        let since = deletes_since(now, row.opt_time("released_at")?);
        Ok(OrgRow {
            name: row.text("name")?,
            instance_url: row.text("instance_url")?,
            connections: row.count("connections")?,
            active: row.count("active")?,
            stopped: row.opt_time("stopped_at")?,
            deletes: self.org_deletes(&id, since).await?,
            quota: Quota::read(row)?,
            held: row.opt_time("held_until")?,
            id,
        })
    }

    /// Deletes of the sessions that did one after `since`.
    pub(crate) async fn org_deletes(&self, org: &OrgId, since: Timestamp) -> Result<u32, StoreError> {
        let row = self
            .db
            .row(
                "SELECT CAST(COALESCE(SUM(deletes), 0) AS BIGINT) AS n FROM sessions \
                 WHERE org_id = $1 AND deletes_at > $2",
                vals![org, since],
            )
            .await?
            .ok_or(StoreError::NotFound("row"))?;
        Ok(u32::try_from(row.int("n")?).unwrap_or(u32::MAX))
    }

    /// An administrator has looked: the organisation's connections go on as they stood, and what was deleted so far
    /// counts no more. False: it was not stopped.
    pub async fn release_org(&self, org: &OrgId, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.db.begin().await?;
        lock_connections(&mut tx, org).await?;
        let changed = tx
            .exec(
                "UPDATE orgs SET stopped_at = NULL, released_at = $2, updated_at = $2 \
                 WHERE id = $1 AND stopped_at IS NOT NULL",
                vals![org, now],
            )
            .await?;
        if changed == 0 {
            return Ok(false);
        }
        // What stopped it has been looked at: planned again, it would only stop everybody once more.
        tx.exec(
            "UPDATE connections SET org_pass = 2 WHERE org_id = $1 AND org_pass = 1",
            vals![org],
        )
        .await?;
        tx.exec(
            "UPDATE connections SET reason = held_reason, \
             due_at = COALESCE(due_at, CASE WHEN held_due < $2 THEN $2 ELSE held_due END), \
             held_reason = NULL, held_due = NULL, updated_at = $2 \
             WHERE org_id = $1 AND state = 'active' AND reason = 'org_brake'",
            vals![org, now],
        )
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What the organisation has set, a JSON object: what differs from the built-in defaults.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the organisation is not known.
    pub async fn org_settings(&self, org: &OrgId) -> Result<Value, StoreError> {
        let row = self
            .db
            .row("SELECT settings FROM orgs WHERE id = $1", vals![org])
            .await?;
        overrides(&row.ok_or(StoreError::NotFound("organisation"))?)
    }

    /// Replaces what the organisation has set; takes effect with each connection's next session.
    ///
    /// # Errors
    /// [`SettingsFault::Refused`] where they, or one of its connections' own with them, are not valid; nothing is
    /// written then.
    pub async fn set_org_settings(
        &self,
        org: &OrgId,
        settings: &Value,
        now: Timestamp,
    ) -> Result<(), SettingsFault> {
        settings::resolve(settings, &Value::Object(serde_json::Map::new()))?;
        let mut tx = self.db.begin().await?;
        lock_connections(&mut tx, org).await?;
        let changed = tx
            .exec(
                "UPDATE orgs SET settings = $2, updated_at = $3 WHERE id = $1",
                vals![org, json(settings)?, now],
            )
            .await?;
        if changed == 0 {
            return Err(StoreError::NotFound("organisation").into());
        }
        let own = tx
            .rows(
                "SELECT id, settings FROM connections WHERE org_id = $1 AND settings <> '{}' ORDER BY id",
                vals![org],
            )
            .await?;
        for row in &own {
            settings::resolve(settings, &overrides(row)?).map_err(|refused| {
                let id = row.text("id").unwrap_or_default();
                SettingsFault::Refused(format!(
                    "connection {id} has settings of its own that do not go with these: {refused}"
                ))
            })?;
        }
        tx.exec(
            "UPDATE connections SET last_full = CASE WHEN last_full IS NULL THEN last_full ELSE 0 END \
             WHERE org_id = $1",
            vals![org],
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// What the connection has set, a JSON object: what differs from its organisation's.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no such connection.
    pub async fn settings_overrides(&self, id: &ConnectionId) -> Result<Value, StoreError> {
        let row = self
            .db
            .row("SELECT settings FROM connections WHERE id = $1", vals![id])
            .await?;
        overrides(&row.ok_or(StoreError::NotFound("connection"))?)
    }

    /// Replaces what the connection has set; takes effect with the next session. Answers what follows from it.
    ///
    /// # Errors
    /// [`SettingsFault::Refused`] where they are not valid with those of the organisation; nothing is written then.
    pub async fn set_settings(
        &self,
        id: &ConnectionId,
        overrides: &Value,
        now: Timestamp,
    ) -> Result<Settings, SettingsFault> {
        let mut tx = self.db.begin().await?;
        let select = "SELECT org_id FROM connections WHERE id = $1";
        let row = tx.row(format!("{select}{}", tx.for_update()), vals![id]).await?;
        let org: OrgId = row.ok_or(StoreError::NotFound("connection"))?.parsed("org_id")?;
        let row = tx
            .row("SELECT settings FROM orgs WHERE id = $1", vals![&org])
            .await?
            .ok_or(StoreError::NotFound("organisation"))?;
        let defaults: Value = from_json(&row.text("settings")?, "settings")?;
        let settings = settings::resolve(&defaults, overrides)?;
        tx.exec(
            // What lies in a wider window or in another scope moves no cursor: it is met where everything is listed.
            "UPDATE connections SET settings = $2, updated_at = $3, \
             last_full = CASE WHEN last_full IS NULL THEN last_full ELSE 0 END WHERE id = $1",
            vals![id, json(overrides)?, now],
        )
        .await?;
        tx.commit().await?;
        Ok(settings)
    }
}
