//! All that is stored of one user: handed out, or erased.

use serde_json::{Value, json};
use tandem_sync::model::{Field, FieldValue};
use tandem_sync::ports::JournalAct;
use tandem_types::{ConnectionId, SessionId, Timestamp, UserId};

use crate::commit::issue_aad;
use crate::db::vals;
use crate::seal::DataKey;
use crate::sweep::begin_anew;
use crate::{Store, StoreError, organisation};

/// The tables in which rows are a user's own, beside those that go with the second key.
const OF_A_CONNECTION: [&str; 4] = ["sessions", "troubles", "tickets", "grants"];
const OF_A_USER: [&str; 2] = ["web_sessions", "codes"];

impl Store {
    /// Everything that is stored of a user, as JSON, with what is sealed opened; no password, no token and no key, which
    /// are no answers but openers. `None`: there is no such user. Times are microseconds since 1970.
    pub async fn export_user(&self, user: &UserId) -> Result<Option<Value>, StoreError> {
        let Some(row) = self
            .db
            .row(
                "SELECT u.org_id, u.username, u.name, u.email, u.created_at, u.updated_at FROM users u WHERE u.id = $1",
                vals![user],
            )
            .await?
        else {
            return Ok(None);
        };
        let mut all = json!({
            "user": {
                "id": user.as_str(), "organisation": row.text("org_id")?, "username": row.text("username")?,
                "name": row.text("name")?, "email": row.text("email")?, "first_seen": row.int("created_at")?,
                "last_seen": row.int("updated_at")?,
            },
            "signed_in": self.sign_ins_of(user).await?,
            "audit": self.audit_of(user).await?,
        });
        if let Some(connection) = self.connection_of(user).await? {
            let id = connection.id;
            all["connection"] = self.connection_values(&id).await?;
            all["sessions"] = self.session_values(&id).await?;
            all["issues"] = self.issue_values(&id).await?;
            all["links"] = self.link_values(&id).await?;
            all["orders"] = self
                .orders(&id)
                .await?
                .into_iter()
                .map(|row| json!({ "item": row.item.0, "order": row.order, "at": row.at.micros() }))
                .collect();
        }
        Ok(Some(all))
    }

    /// Erases what is stored of a user: what he is called, his settings, links, issues, sessions with their journals, and
    /// the keys of what backups still hold of them. What must stay is his Salesforce id: in the audit log, whose chain
    /// would break, and in what says that a mail or a meeting of the organisation is saved, else colleagues saved it twice.
    /// What he allowed as an administrator is nobody's any more; an order for many that is his, or names him, is forgotten,
    /// and so is the organisation's integration user if he is that one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: there is no such user. [`StoreError::Taken`]: his connection is not deactivated.
    pub async fn erase_user(&self, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
        let connection = self.connection_of(user).await?;
        let fresh = match &connection {
            Some(row) => Some((row.id.clone(), self.new_journal_key(&row.id)?)),
            None => None,
        };
        let mut tx = self.db.begin().await?;
        organisation::forget_person(&mut tx, user).await?;
        tx.exec(
            "UPDATE users SET username = '', name = '', email = '', administers = 0, asked_at = NULL, \
             updated_at = $2 WHERE id = $1",
            vals![user, now],
        )
        .await?;
        if let Some((id, key)) = fresh {
            let changed = tx
                .exec(
                    "UPDATE connections SET settings = '{}', mailbox = NULL, preview = NULL, brake = NULL \
                     WHERE id = $1 AND state IN ('deactivated', 'not_activated')",
                    vals![&id],
                )
                .await?;
            if changed == 0 {
                return Err(StoreError::Taken("connection"));
            }
            begin_anew(&mut tx, &id, key, now).await?;
            for table in OF_A_CONNECTION {
                tx.exec(
                    format!("DELETE FROM {table} WHERE connection_id = $1"),
                    vals![&id],
                )
                .await?;
            }
        }
        for table in OF_A_USER {
            tx.exec(format!("DELETE FROM {table} WHERE user_id = $1"), vals![user])
                .await?;
        }
        tx.commit().await?;
        self.db.settle().await
    }

    async fn sign_ins_of(&self, user: &UserId) -> Result<Value, StoreError> {
        let select = "SELECT created_at, touched_at, expires_at FROM web_sessions WHERE user_id = $1 ORDER BY created_at";
        let rows = self.db.rows(select, vals![user]).await?;
        rows.iter()
            .map(|row| {
                Ok(
                    json!({ "at": row.int("created_at")?, "last_seen": row.int("touched_at")?,
                    "until": row.int("expires_at")? }),
                )
            })
            .collect()
    }

    async fn audit_of(&self, user: &UserId) -> Result<Value, StoreError> {
        let select = "SELECT at, action, detail FROM audit WHERE user_id = $1 ORDER BY at, action";
        let rows = self.db.rows(select, vals![user]).await?;
        rows.iter()
            .map(|row| {
                Ok(json!({ "at": row.int("at")?, "action": row.text("action")?, "detail": row.text("detail")? }))
            })
            .collect()
    }

    async fn connection_values(&self, id: &ConnectionId) -> Result<Value, StoreError> {
        let row = self
            .db
            .row(
                "SELECT state, reason, settings, mailbox, activated_at, last_success, created_at, \
                 (SELECT COUNT(*) FROM grants g WHERE g.connection_id = c.id) AS grants, \
                 CAST(CASE WHEN c.credentials IS NULL THEN 0 ELSE 1 END AS BIGINT) AS login FROM connections c \
                 WHERE c.id = $1",
                vals![id],
            )
            .await?
            .ok_or(StoreError::NotFound("connection"))?;
        Ok(json!({
            "id": id.as_str(), "state": row.text("state")?, "reason": row.opt_text("reason")?,
            "own_settings": row.json::<Value>("settings")?, "mailbox": row.opt_json::<Value>("mailbox")?,
            "activated": row.opt_int("activated_at")?, "last_success": row.opt_int("last_success")?,
            "made": row.int("created_at")?,
            "stored": { "mailbox_login": row.flag("login")?, "grants": row.int("grants")? },
        }))
    }

    async fn session_values(&self, id: &ConnectionId) -> Result<Value, StoreError> {
        let select = "SELECT id, started_at, ended_at, outcome, counts, issues FROM sessions WHERE connection_id = $1 \
                      ORDER BY started_at, id";
        let mut out = Vec::new();
        for row in self.db.rows(select, vals![id]).await? {
            let session: SessionId = row.parsed("id")?;
            let changes: Vec<Value> = self
                .read_journal(id, &session)
                .await?
                .into_iter()
                .map(|entry| {
                    let (what, values) = told(&entry.act);
                    json!({ "kind": entry.kind, "side": entry.side, "item": entry.item.0, "what": what, "before": values })
                })
                .collect();
            out.push(json!({
                "id": session.as_str(), "started": row.int("started_at")?, "ended": row.opt_int("ended_at")?,
                "outcome": row.opt_text("outcome")?, "counts": row.json::<Value>("counts")?,
                "issues": row.int("issues")?, "changes": changes,
            }));
        }
        Ok(out.into())
    }

    async fn issue_values(&self, id: &ConnectionId) -> Result<Value, StoreError> {
        let select = "SELECT i.id, i.kind, i.side, i.item, i.code, i.state, i.title, i.detail, i.since, c.journal_key \
                      FROM issues i JOIN connections c ON c.id = i.connection_id WHERE i.connection_id = $1 \
                      ORDER BY i.since, i.id";
        let rows = self.db.rows(select, vals![id]).await?;
        rows.iter()
            .map(|row| {
                let key = DataKey::journal(id, row.blob("journal_key")?);
                let issue = row.text("id")?;
                let open =
                    |column| self.unseal_text(&key, &issue_aad(id, &issue, column), &row.blob(column)?);
                Ok(json!({
                    "kind": row.text("kind")?, "side": row.text("side")?, "item": row.text("item")?,
                    "code": row.text("code")?, "state": row.text("state")?, "since": row.int("since")?,
                    "title": open("title")?, "detail": open("detail")?,
                }))
            })
            .collect()
    }

    async fn link_values(&self, id: &ConnectionId) -> Result<Value, StoreError> {
        let select = "SELECT kind, state, end_reason, mailbox_id, crm_id, made_on, pair, changed_at FROM links \
                      WHERE connection_id = $1 ORDER BY changed_at, id";
        let rows = self.db.rows(select, vals![id]).await?;
        rows.iter()
            .map(|row| {
                Ok(json!({
                    "kind": row.text("kind")?, "state": row.text("state")?, "ended": row.opt_text("end_reason")?,
                    "mailbox_item": row.opt_text("mailbox_id")?, "record": row.opt_text("crm_id")?,
                    "made_on": row.opt_text("made_on")?, "mailbox": row.text("pair")?,
                    "changed": row.int("changed_at")?,
                }))
            })
            .collect()
    }
}

/// What an entry of the journal says was done, and what the item held before.
fn told(act: &JournalAct) -> (&'static str, Value) {
    let values = |fields: &[(Field, FieldValue)]| {
        let known = fields
            .iter()
            .filter_map(|(field, value)| Some((field.as_str().to_owned(), value.known()?.into())));
        Value::Object(known.collect())
    };
    match act {
        JournalAct::Created { .. } => ("created", Value::Null),
        JournalAct::Changed { old, .. } => ("changed", values(old)),
        JournalAct::Deleted { old } => ("deleted", values(old)),
        JournalAct::LostToConflict { lost } => ("lost_to_conflict", values(lost)),
        JournalAct::Linked(what) => (what, Value::Null),
    }
}
