//! One step of a session: links, journal, issues and cursors in one transaction, behind the fence.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use tandem_sync::BaseHash;
use tandem_sync::model::{Field, FieldValue, ItemId};
use tandem_sync::ports::{Backfill, Commit, Issue, IssueKey, JournalAct, JournalEntry, Lease};
use tandem_types::{ConnectionId, ItemKind, LinkId, SessionId, Side, Timestamp};

use crate::db::{Tx, json, pieces, vals};
use crate::lease::{HELD, held};
use crate::seal::DataKey;
use crate::{Store, StoreError, claims, links, rules};

/// A journal entry under the seal.
#[derive(Serialize, Deserialize)]
struct Plain<'a> {
    side: Side,
    item: Cow<'a, str>,
    act: Act<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act<'a> {
    /// As versions wrote it that noted no hashes; as `Changed`.
    Created,
    Changed(Vec<(Field, Value<'a>)>),
    Made(Vec<(Field, BaseHash)>),
    Wrote {
        old: Vec<(Field, Value<'a>)>,
        wrote: Vec<(Field, BaseHash)>,
    },
    Deleted(Vec<(Field, Value<'a>)>),
    LostToConflict(Vec<(Field, Value<'a>)>),
    Linked(Cow<'a, str>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Value<'a> {
    Known(Cow<'a, str>),
    Empty,
    Unknown,
}

fn plain_value(value: &FieldValue) -> Value<'_> {
    match value {
        FieldValue::Known(text) => Value::Known(text.as_str().into()),
        FieldValue::Empty => Value::Empty,
        FieldValue::Unknown => Value::Unknown,
    }
}

fn plain_values(values: &[(Field, FieldValue)]) -> Vec<(Field, Value<'_>)> {
    values
        .iter()
        .map(|(field, value)| (*field, plain_value(value)))
        .collect()
}

fn field_values(values: Vec<(Field, Value<'_>)>) -> Vec<(Field, FieldValue)> {
    let live = |value| match value {
        Value::Known(text) => FieldValue::Known(text.into_owned()),
        Value::Empty => FieldValue::Empty,
        Value::Unknown => FieldValue::Unknown,
    };
    values
        .into_iter()
        .map(|(field, value)| (field, live(value)))
        .collect()
}

/// The engine's words for what happened to a link are constants of the program; those read back are kept once each.
fn word(text: &str) -> &'static str {
    static WORDS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    const MOST: usize = 64;
    let mut words = WORDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = words.iter().find(|w| **w == text) {
        return known;
    }
    if words.len() >= MOST {
        return "linked";
    }
    let new: &'static str = Box::leak(text.to_owned().into_boxed_str());
    words.push(new);
    new
}

fn entry_aad(session: &SessionId, seq: i64) -> String {
    format!("journal/{session}/{seq}/sealed")
}

pub(crate) fn issue_aad(connection: &ConnectionId, id: &str, column: &str) -> String {
    format!("issues/{connection}/{id}/{column}")
}

impl Store {
    pub(crate) async fn write_commit(
        &self,
        lease: &Lease,
        now: Timestamp,
        commit: Commit,
    ) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        self.commit_in(&mut tx, lease, now, commit).await?;
        tx.commit().await
    }

    pub(crate) async fn commit_in(
        &self,
        tx: &mut Tx,
        lease: &Lease,
        now: Timestamp,
        commit: Commit,
    ) -> Result<(), StoreError> {
        // The fence: this locks the connection's row until the commit, or finds none.
        let row = tx
            .row(
                format!(
                    "UPDATE connections SET mailbox_cursor = COALESCE($6, mailbox_cursor), \
                     crm_cursor = COALESCE($7, crm_cursor), last_full = COALESCE($8, last_full), \
                     first_round_done = CASE WHEN $9 = 1 THEN 1 ELSE first_round_done END, updated_at = $10, \
                     last_moved = CASE WHEN $11 = 1 THEN $10 ELSE last_moved END \
                     WHERE {HELD} RETURNING pair, journal_key, backfill"
                ),
                held![
                    lease,
                    commit.mailbox_cursor.map(|c| c.0),
                    commit.crm_cursor.map(|c| c.0),
                    commit.last_full,
                    commit.first_round_done,
                    now,
                    commit.moved
                ],
            )
            .await?
            .ok_or(StoreError::LeaseLost)?;
        let pair = row.text("pair")?;
        let key = DataKey::journal(&lease.connection, row.blob("journal_key")?);
        links::write(tx, lease, &pair, &commit.links).await?;
        self.write_journal(tx, lease, &key, now, &commit.journal).await?;
        solve(tx, lease, &pair, &commit.solved, &commit.gone, now).await?;
        let mut raised = 0_u32;
        for issue in &commit.issues {
            raised += u32::from(self.raise(tx, lease, &pair, &key, issue, now).await?);
        }
        if raised > 0 {
            tx.exec(
                "UPDATE sessions SET issues = issues + $4 WHERE id = $1 AND connection_id = $2 AND org_id = $3",
                vals![&lease.session, &lease.connection, &lease.org, raised],
            )
            .await?;
        }
        if commit.deletes > 0 {
            tx.exec(
                "UPDATE sessions SET deletes = deletes + $4, deletes_at = $5 \
                 WHERE id = $1 AND connection_id = $2 AND org_id = $3",
                vals![&lease.session, &lease.connection, &lease.org, commit.deletes, now],
            )
            .await?;
        }
        if let Some(backfill) = &commit.backfill {
            let stored: Option<Backfill> = row.opt_json("backfill")?;
            if rules::goes_on(stored.as_ref(), backfill) {
                tx.exec(
                    "UPDATE connections SET backfill = $2 WHERE id = $1",
                    vals![&lease.connection, json(backfill)?],
                )
                .await?;
            }
        }
        claims::write(tx, lease, &commit.claims, &commit.unclaimed).await
    }

    async fn write_journal(
        &self,
        tx: &mut Tx,
        lease: &Lease,
        key: &DataKey,
        now: Timestamp,
        entries: &[JournalEntry],
    ) -> Result<(), StoreError> {
        const WIDTH: usize = 9;
        if entries.is_empty() {
            return Ok(());
        }
        let added = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let row = tx
            .row(
                "UPDATE sessions SET entries = entries + $4 \
                 WHERE id = $1 AND connection_id = $2 AND org_id = $3 RETURNING entries",
                vals![&lease.session, &lease.connection, &lease.org, added],
            )
            .await?
            .ok_or(StoreError::NotFound("session"))?;
        let mut seq = row.int("entries")? - added;
        for piece in pieces(entries) {
            let mut values = Vec::with_capacity(piece.len() * WIDTH);
            for entry in piece {
                let sealed = self.seal_entry(key, &lease.session, seq, entry)?;
                values.extend(vals![
                    &lease.session,
                    seq,
                    &lease.connection,
                    &lease.org,
                    &lease.user,
                    now,
                    &entry.link,
                    entry.kind.as_str(),
                    sealed
                ]);
                seq += 1;
            }
            let sql = format!(
                "INSERT INTO journal (session_id, seq, connection_id, org_id, user_id, at, link_id, kind, sealed) \
                 VALUES {}",
                tx.places(piece.len(), WIDTH)
            );
            tx.exec(sql, values).await?;
        }
        Ok(())
    }

    fn seal_entry(
        &self,
        key: &DataKey,
        session: &SessionId,
        seq: i64,
        entry: &JournalEntry,
    ) -> Result<Vec<u8>, StoreError> {
        let plain = Plain {
            side: entry.side,
            item: entry.item.0.as_str().into(),
            act: match &entry.act {
                JournalAct::Created { wrote } => Act::Made(wrote.clone()),
                JournalAct::Changed { old, wrote } => Act::Wrote {
                    old: plain_values(old),
                    wrote: wrote.clone(),
                },
                JournalAct::Deleted { old } => Act::Deleted(plain_values(old)),
                JournalAct::LostToConflict { lost } => Act::LostToConflict(plain_values(lost)),
                JournalAct::Linked(what) => Act::Linked((*what).into()),
            },
        };
        let plain = Zeroizing::new(json(&plain)?);
        self.seal(key, &entry_aad(session, seq), plain.as_bytes())
    }

    pub(crate) fn open_entry(
        &self,
        key: &DataKey,
        session: &SessionId,
        seq: i64,
        link: LinkId,
        kind: ItemKind,
        sealed: &[u8],
    ) -> Result<JournalEntry, StoreError> {
        let plain = self.unseal(key, &entry_aad(session, seq), sealed)?;
        let plain: Plain<'_> = serde_json::from_slice(plain.expose_secret())
            .map_err(|_| StoreError::Corrupt("a journal entry cannot be read".to_owned()))?;
        Ok(JournalEntry {
            link,
            kind,
            side: plain.side,
            item: ItemId(plain.item.into_owned()),
            act: match plain.act {
                Act::Created => JournalAct::Created { wrote: Vec::new() },
                Act::Made(wrote) => JournalAct::Created { wrote },
                Act::Changed(old) => JournalAct::Changed {
                    old: field_values(old),
                    wrote: Vec::new(),
                },
                Act::Wrote { old, wrote } => JournalAct::Changed {
                    old: field_values(old),
                    wrote,
                },
                Act::Deleted(old) => JournalAct::Deleted {
                    old: field_values(old),
                },
                Act::LostToConflict(lost) => JournalAct::LostToConflict {
                    lost: field_values(lost),
                },
                Act::Linked(what) => JournalAct::Linked(word(&what)),
            },
        })
    }

    /// Writes an issue under its key; true if it was not open before. An ignored one stays ignored, an open one
    /// keeps its id and time and takes the new texts, a solved one opens again.
    async fn raise(
        &self,
        tx: &mut Tx,
        lease: &Lease,
        pair: &str,
        key: &DataKey,
        issue: &Issue,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let known = tx
            .row(
                "SELECT id, state FROM issues WHERE connection_id = $1 AND org_id = $2 AND pair = $3 \
                 AND kind = $4 AND side = $5 AND item = $6 AND code = $7",
                vals![
                    &lease.connection,
                    &lease.org,
                    pair,
                    issue.key.kind.as_str(),
                    issue.key.side.as_str(),
                    &issue.key.item.0,
                    issue.key.code.as_str()
                ],
            )
            .await?;
        let (id, state) = match known {
            Some(row) => (row.text("id")?, Some(row.text("state")?)),
            None => (issue.id.to_string(), None),
        };
        if state.as_deref() == Some("ignored") {
            return Ok(false);
        }
        let title = self.seal(
            key,
            &issue_aad(&lease.connection, &id, "title"),
            issue.title.as_bytes(),
        )?;
        let detail = self.seal(
            key,
            &issue_aad(&lease.connection, &id, "detail"),
            issue.detail.as_bytes(),
        )?;
        tx.exec(
            "INSERT INTO issues (connection_id, id, org_id, user_id, pair, kind, side, item, code, state, \
             title, detail, cures, since, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', $10, $11, $12, $13, $13) \
             ON CONFLICT (connection_id, pair, kind, side, item, code) DO UPDATE SET title = $10, \
             detail = $11, cures = $12, updated_at = $13, state = 'open', \
             since = CASE WHEN issues.state = 'open' THEN issues.since ELSE $13 END",
            vals![
                &lease.connection,
                id,
                &lease.org,
                &lease.user,
                pair,
                issue.key.kind.as_str(),
                issue.key.side.as_str(),
                &issue.key.item.0,
                issue.key.code.as_str(),
                title,
                detail,
                json(&issue.cures)?,
                now
            ],
        )
        .await?;
        Ok(state.as_deref() != Some("open"))
    }
}

/// Closes open issues: those of these keys, and all of these items. A plan names whatever could be over: what is open
/// is asked for once, and only that is written.
async fn solve(
    tx: &mut Tx,
    lease: &Lease,
    pair: &str,
    solved: &[IssueKey],
    gone: &[(Side, ItemId)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if solved.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let open = tx
        .rows(
            "SELECT id, kind, side, item, code FROM issues \
             WHERE connection_id = $1 AND org_id = $2 AND pair = $3 AND state = 'open'",
            vals![&lease.connection, &lease.org, pair],
        )
        .await?;
    if open.is_empty() {
        return Ok(());
    }
    let solved: HashSet<(&str, &str, &str, &str)> = solved
        .iter()
        .map(|key| {
            (
                key.kind.as_str(),
                key.side.as_str(),
                key.item.0.as_str(),
                key.code.as_str(),
            )
        })
        .collect();
    let gone: HashSet<(&str, &str)> = gone
        .iter()
        .map(|(side, item)| (side.as_str(), item.0.as_str()))
        .collect();
    for row in open {
        let (kind, side, item, code) = (
            row.text("kind")?,
            row.text("side")?,
            row.text("item")?,
            row.text("code")?,
        );
        if solved.contains(&(&*kind, &*side, &*item, &*code)) || gone.contains(&(&*side, &*item)) {
            tx.exec(
                "UPDATE issues SET state = 'solved', updated_at = $3 \
                 WHERE connection_id = $1 AND id = $2 AND state = 'open'",
                vals![&lease.connection, row.text("id")?, now],
            )
            .await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_are_kept_once() {
        let first = word("woken");
        assert_eq!(first, "woken");
        assert!(std::ptr::eq(first, word("woken")));
        for n in 0..200 {
            word(&format!("word {n}"));
        }
        assert_eq!(word("one too many"), "linked");
        assert_eq!(word("woken"), "woken");
    }
}
