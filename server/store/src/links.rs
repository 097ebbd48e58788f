//! Links in rows.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_sync::model::{ItemId, LinkKey, Version};
use tandem_sync::ports::{Lease, LinkAsk};
use tandem_sync::{EndReason, Intent, Link, LinkState};
use tandem_types::{ConnectionId, ItemKind, LinkId, OrgId, Side, UserId};

use crate::db::{Row, Tx, Val, json, pieces, vals};
use crate::lease::{HELD, held};
use crate::rules::pending;
use crate::{Store, StoreError};

const COLUMNS: &str = "id, kind, state, end_reason, link_key, mailbox_id, mailbox_version, crm_id, crm_version, \
     base, made_on, touched, intent_side, intent_at, changed_at, traits";

pub(crate) fn side(word: &str) -> Option<Side> {
    Side::BOTH.into_iter().find(|s| s.as_str() == word)
}

fn end_word(reason: EndReason) -> Result<String, StoreError> {
    Ok(json(&reason)?.trim_matches('"').to_owned())
}

fn parse_end(word: &str) -> Option<EndReason> {
    from_word(word)
}

fn from_word<T: Serialize + DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn read(row: &Row) -> Result<Link, StoreError> {
    let state = match row.text("state")?.as_str() {
        "live" => LinkState::Live,
        "dormant" => LinkState::Dormant,
        "ended" => LinkState::Ended(row.word("end_reason", parse_end)?),
        _ => return Err(StoreError::Corrupt("a link's state is unknown".to_owned())),
    };
    let intent = match row.opt_word("intent_side", side)? {
        Some(side) => Some(Intent {
            side,
            at: row.time("intent_at")?,
        }),
        None => None,
    };
    Ok(Link {
        id: row.parsed("id")?,
        kind: row.word("kind", ItemKind::parse)?,
        state,
        key: LinkKey(row.text("link_key")?),
        mailbox_id: row.opt_text("mailbox_id")?.map(ItemId),
        mailbox_version: row.opt_text("mailbox_version")?.map(Version),
        crm_id: row.opt_text("crm_id")?.map(ItemId),
        crm_version: row.opt_text("crm_version")?.map(Version),
        base: row.json("base")?,
        made_on: row.opt_word("made_on", side)?,
        touched: row.flag("touched")?,
        intent,
        changed: row.time("changed_at")?,
        traits: row.json("traits")?,
    })
}

fn values(lease: &Lease, pair: &str, link: &Link) -> Result<Vec<Val>, StoreError> {
    let (state, end) = match link.state {
        LinkState::Live => ("live", None),
        LinkState::Dormant => ("dormant", None),
        LinkState::Ended(reason) => ("ended", Some(end_word(reason)?)),
    };
    Ok(vals![
        &lease.connection,
        &link.id,
        &lease.org,
        &lease.user,
        pair,
        link.kind.as_str(),
        state,
        end,
        &link.key.0,
        link.mailbox_id.as_ref().map(|i| i.0.as_str()),
        link.mailbox_version.as_ref().map(|v| v.0.as_str()),
        link.crm_id.as_ref().map(|i| i.0.as_str()),
        link.crm_version.as_ref().map(|v| v.0.as_str()),
        json(&link.base)?,
        link.made_on.map(Side::as_str),
        link.touched,
        link.intent.map(|i| i.side.as_str()),
        link.intent.map(|i| i.at),
        link.changed,
        json(&link.traits)?,
        pending(link),
    ])
}

const WIDTH: usize = 21;

/// Inserts or replaces by id, in the transaction that has checked the fence.
pub(crate) async fn write(tx: &mut Tx, lease: &Lease, pair: &str, links: &[Link]) -> Result<(), StoreError> {
    // One statement may not touch a row twice; the last of the same id counts.
    let unique: BTreeMap<&LinkId, &Link> = links.iter().map(|link| (&link.id, link)).collect();
    let unique: Vec<&Link> = unique.into_values().collect();
    for piece in pieces(&unique) {
        let mut all = Vec::with_capacity(piece.len() * WIDTH);
        for link in piece {
            all.extend(values(lease, pair, link)?);
        }
        let sql = format!(
            "INSERT INTO links (connection_id, id, org_id, user_id, pair, kind, state, end_reason, link_key, \
             mailbox_id, mailbox_version, crm_id, crm_version, base, made_on, touched, intent_side, intent_at, \
             changed_at, traits, pending) VALUES {} ON CONFLICT (connection_id, id) DO UPDATE SET kind = excluded.kind, \
             state = excluded.state, end_reason = excluded.end_reason, link_key = excluded.link_key, \
             mailbox_id = excluded.mailbox_id, mailbox_version = excluded.mailbox_version, \
             crm_id = excluded.crm_id, crm_version = excluded.crm_version, base = excluded.base, \
             made_on = excluded.made_on, touched = excluded.touched, intent_side = excluded.intent_side, \
             intent_at = excluded.intent_at, changed_at = excluded.changed_at, pair = excluded.pair, \
             traits = excluded.traits, pending = excluded.pending",
            tx.places(piece.len(), WIDTH)
        );
        tx.exec(sql, all).await?;
    }
    Ok(())
}

/// `$5, $6, $7`: the places of `n` values from `first`.
pub(crate) fn list_places(n: usize, first: usize) -> String {
    let places: Vec<String> = (first..first + n).map(|n| format!("${n}")).collect();
    places.join(", ")
}

/// Lists for `IN` come in three lengths only, filled up with their last value: three prepared statements each.
pub(crate) fn padded(values: &[&str]) -> Vec<Val> {
    let size = [1, 16, 256]
        .into_iter()
        .find(|&s| s >= values.len())
        .unwrap_or(values.len());
    let last = values.last().copied();
    (0..size)
        .filter_map(|n| values.get(n).copied().or(last))
        .map(Val::from)
        .collect()
}

/// Whose links, and with which mailbox.
struct Pair {
    connection: ConnectionId,
    org: OrgId,
    user: UserId,
    address: String,
}

impl Pair {
    const SCOPE: &str = "connection_id = $1 AND org_id = $2 AND user_id = $3 AND pair = $4";

    fn values(&self) -> Vec<Val> {
        vals![&self.connection, &self.org, &self.user, &self.address]
    }
}

/// By id, so that nothing depends on a database's order.
fn sorted(rows: &[Row]) -> Result<BTreeMap<LinkId, Link>, StoreError> {
    rows.iter()
        .map(|row| read(row).map(|link| (link.id.clone(), link)))
        .collect()
}

impl Store {
    pub(crate) async fn read_links(&self, lease: &Lease, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        if *ask == LinkAsk::Pending {
            return self.read_pending(lease).await;
        }
        let held = self
            .db
            .row(format!("SELECT pair FROM connections WHERE {HELD}"), held![lease])
            .await?
            .ok_or(StoreError::LeaseLost)?;
        let pair = Pair {
            connection: lease.connection.clone(),
            org: lease.org.clone(),
            user: lease.user.clone(),
            address: held.text("pair")?,
        };
        self.read_pair(&pair, ask).await
    }

    /// One statement: every session asks for it, and most find nothing.
    async fn read_pending(&self, lease: &Lease) -> Result<Vec<Link>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT id AS held_id, org_id AS held_org, user_id AS held_user, \
             pair AS held_pair FROM connections WHERE {HELD}) h \
             LEFT JOIN links ON connection_id = held_id AND org_id = held_org AND user_id = held_user \
             AND pair = held_pair AND pending = 1"
        );
        let rows = self.db.rows(sql, held![lease]).await?;
        match rows.first() {
            None => Err(StoreError::LeaseLost),
            Some(row) if row.opt_text("id")?.is_none() => Ok(Vec::new()),
            Some(_) => Ok(sorted(&rows)?.into_values().collect()),
        }
    }

    /// Links of the present pair, by id, for whoever explains or repairs. No lease is asked for: what a session does
    /// meanwhile may be half seen.
    pub async fn links_of(&self, id: &ConnectionId, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT org_id, user_id, pair FROM connections WHERE id = $1",
                vals![id],
            )
            .await?
            .ok_or(StoreError::NotFound("connection"))?;
        let pair = Pair {
            connection: id.clone(),
            org: row.parsed("org_id")?,
            user: row.parsed("user_id")?,
            address: row.text("pair")?,
        };
        self.read_pair(&pair, ask).await
    }

    /// One link, of whichever mailbox the connection has or had.
    pub async fn link(&self, id: &ConnectionId, link: &LinkId) -> Result<Option<Link>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM links WHERE connection_id = $1 AND id = $2");
        let row = self.db.row(sql, vals![id, link]).await?;
        row.as_ref().map(read).transpose()
    }

    async fn read_pair(&self, pair: &Pair, ask: &LinkAsk) -> Result<Vec<Link>, StoreError> {
        let scope = Pair::SCOPE;
        let found = match ask {
            LinkAsk::All => {
                let sql = format!("SELECT {COLUMNS} FROM links WHERE {scope}");
                sorted(&self.db.rows(sql, pair.values()).await?)?
            }
            LinkAsk::Pending => {
                let sql = format!("SELECT {COLUMNS} FROM links WHERE {scope} AND pending = 1");
                sorted(&self.db.rows(sql, pair.values()).await?)?
            }
            LinkAsk::Of { mailbox, crm, keys } => {
                let columns: [(&str, Vec<&str>); 3] = [
                    ("mailbox_id", mailbox.iter().map(|i| i.0.as_str()).collect()),
                    ("crm_id", crm.iter().map(|i| i.0.as_str()).collect()),
                    ("link_key", keys.iter().map(|k| k.0.as_str()).collect()),
                ];
                let mut found = BTreeMap::new();
                for (column, mut wanted) in columns {
                    wanted.sort_unstable();
                    wanted.dedup();
                    for piece in wanted.chunks(256) {
                        let list = padded(piece);
                        let sql = format!(
                            "SELECT {COLUMNS} FROM links WHERE {scope} AND {column} IN ({})",
                            list_places(list.len(), 5)
                        );
                        let mut values = pair.values();
                        values.extend(list);
                        found.extend(sorted(&self.db.rows(sql, values).await?)?);
                    }
                }
                found
            }
        };
        Ok(found.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_a_word() {
        for reason in [
            EndReason::DeletedInMailbox,
            EndReason::DeletedInCrm,
            EndReason::DeletedOnBoth,
            EndReason::Unsynced,
            EndReason::Merged,
            EndReason::Undone,
        ] {
            assert_eq!(parse_end(&end_word(reason).unwrap()), Some(reason));
        }
        assert_eq!(end_word(EndReason::DeletedInCrm).unwrap(), "deleted_in_crm");
        assert_eq!(parse_end("Merged"), None);
    }

    #[test]
    fn lists_are_filled_up() {
        assert_eq!(padded(&["a"]).len(), 1);
        assert_eq!(padded(&["a", "b"]).len(), 16);
        assert_eq!(padded(&["a"; 17]).len(), 256);
        assert!(matches!(padded(&["a", "b"]).last(), Some(Val::Text(Some(t))) if t == "b"));
    }
}
