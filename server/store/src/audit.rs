//! The audit log: append-only, each entry authenticated together with the one before it.
//!
//! Who can write to the database and has no master key can neither change an entry nor take one out of the middle
//! unseen. The last entries can be cut off together with the head: for that the head goes to the log once a day (and from
//! there to where the operator keeps logs); [`Store::verify_audit`] takes such heads.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tandem_types::{OrgId, Timestamp, UserId};

use crate::db::{Row, Tx, vals};
use crate::{Store, StoreError};

const PAGE: u32 = 1000;
const HEAD_SECONDS: i64 = 86_400;
/// Before the first entry.
const START: [u8; 32] = [0; 32];

/// The last entry of the chain: its number and its MAC in hexadecimal, `17:9f…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    pub seq: u64,
    pub mac: String,
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.mac)
    }
}

impl std::str::FromStr for AuditHead {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = "a head is NUMBER:64 hexadecimal digits, as the log has it";
        let (seq, mac) = text.split_once(':').ok_or(what)?;
        let seq = seq.parse().map_err(|_| what)?;
        if mac.len() != 64 || !mac.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(what);
        }
        Ok(Self {
            seq,
            mac: mac.to_ascii_lowercase(),
        })
    }
}

/// What is wrong with the audit log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    #[error("entry {0} is missing")]
    Missing(u64),
    #[error("entry {0} is not as it was written")]
    Changed(u64),
    #[error("the chain's own record is not as it was written")]
    Head,
    #[error("the log has seen entry {0}, which is not there any more")]
    Cut(u64),
    #[error("entry {0} is another one than the log has seen")]
    Replaced(u64),
}

/// A chain that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Entries that were read.
    pub entries: u64,
    /// Entries before these, deleted at the end of their retention.
    pub swept: u64,
    /// Entries outside of the chain that are older than it: of an earlier version.
    pub older: u64,
    /// Entries outside of the chain that are younger than its first: of a server of an earlier version beside this one,
    /// or forged.
    pub unchained: u64,
    pub head: AuditHead,
}

/// One entry, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// `None`: outside of the chain.
    pub seq: Option<u64>,
    pub at: Timestamp,
    /// Empty: the whole deployment.
    pub org: String,
    pub user: String,
    pub action: String,
    pub detail: String,
}

struct Chain {
    seq: i64,
    mac: [u8; 32],
    swept_seq: i64,
    swept_mac: [u8; 32],
    swept_seal: Vec<u8>,
}

impl Chain {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.int("seq")?,
            mac: row.hash("mac")?,
            swept_seq: row.int("swept_seq")?,
            swept_mac: row.hash("swept_mac")?,
            swept_seal: row.blob("swept_seal")?,
        })
    }

    fn head(&self) -> AuditHead {
        AuditHead {
            seq: self.seq.unsigned_abs(),
            mac: hex(&self.mac),
        }
    }
}

const SELECT_CHAIN: &str =
    "SELECT seq, mac, swept_seq, swept_mac, swept_seal FROM audit_chain WHERE id = 'audit'";

impl Store {
    /// Notes who did what. `detail` holds no secret and no item content.
    pub async fn audit(
        &self,
        org: &OrgId,
        user: &UserId,
        action: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.append_audit(org.as_str(), user.as_str(), action, detail, now)
            .await
    }

    /// As [`Store::audit`], of somebody at this machine's command line.
    pub async fn audit_operator(&self, action: &str, detail: &str, now: Timestamp) -> Result<(), StoreError> {
        self.append_audit("", "operator", action, detail, now).await
    }

    async fn append_audit(
        &self,
        org: &str,
        user: &str,
        action: &str,
        detail: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.audit_key(now).await?;
        let mut tx = self.db.begin().await?;
        let chain = lock_chain(&mut tx, &key).await?;
        let seq = chain.seq + 1;
        let mac = entry_mac(&key, &chain.mac, seq, now.0, [org, user, action, detail]);
        tx.exec(
            "INSERT INTO audit (at, org_id, user_id, action, detail, seq, mac) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            vals![now, org, user, action, detail, seq, &mac],
        )
        .await?;
        tx.exec(
            "UPDATE audit_chain SET seq = $1, mac = $2 WHERE id = 'audit'",
            vals![seq, &mac],
        )
        .await?;
        tx.commit().await
    }

    /// The last entries of all organisations, the youngest first.
    pub async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT seq, at, org_id, user_id, action, detail FROM audit \
                 ORDER BY at DESC, COALESCE(seq, 0) DESC LIMIT $1",
                vals![limit],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AuditEntry {
                    seq: row.opt_int("seq")?.map(i64::unsigned_abs),
                    at: row.time("at")?,
                    org: row.text("org_id")?,
                    user: row.text("user_id")?,
                    action: row.text("action")?,
                    detail: row.text("detail")?,
                })
            })
            .collect()
    }

    /// The head of the chain, once a day over all processes: for the log.
    pub async fn audit_head_of_the_day(&self, now: Timestamp) -> Result<Option<AuditHead>, StoreError> {
        let row = self
            .db
            .write_row(
                "UPDATE audit_chain SET told_at = $1 WHERE id = 'audit' AND (told_at IS NULL OR told_at <= $2) \
                 RETURNING seq, mac, swept_seq, swept_mac, swept_seal",
                vals![now, now.plus_seconds(-HEAD_SECONDS)],
            )
            .await?;
        row.map(|row| Chain::read(&row).map(|chain| chain.head()))
            .transpose()
    }

    /// Reads the whole chain. `heads`: what the log has kept of earlier ones.
    pub async fn verify_audit(
        &self,
        heads: &[AuditHead],
        now: Timestamp,
    ) -> Result<Result<Audited, AuditFault>, StoreError> {
        let key = self.audit_key(now).await?;
        let none = Chain {
            seq: 0,
            mac: START,
            swept_seq: 0,
            swept_mac: START,
            swept_seal: swept_seal(&key, 0, &START).to_vec(),
        };
        // Before the entries: what is appended meanwhile is not missed.
        let chain = self.db.row(SELECT_CHAIN, Vec::new()).await?;
        let chain = chain.map_or(Ok(none), |row| Chain::read(&row))?;
        if chain.swept_seal != swept_seal(&key, chain.swept_seq, &chain.swept_mac) {
            return Ok(Err(AuditFault::Head));
        }
        let (mut seq, mut mac, mut first) = (chain.swept_seq, chain.swept_mac, None);
        let mut seen = heads.iter().filter(|head| head.seq > seq.unsigned_abs()).count();
        loop {
            let rows = self
                .db
                .rows(
                    "SELECT seq, mac, at, org_id, user_id, action, detail FROM audit \
                     WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
                    vals![seq, chain.seq, PAGE],
                )
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let (number, at) = (row.int("seq")?, row.int("at")?);
                if number != seq + 1 {
                    return Ok(Err(AuditFault::Missing(seq.unsigned_abs() + 1)));
                }
                let texts = [
                    row.text("org_id")?,
                    row.text("user_id")?,
                    row.text("action")?,
                    row.text("detail")?,
                ];
                let expected = entry_mac(&key, &mac, number, at, texts.each_ref().map(String::as_str));
                if row.hash("mac").ok() != Some(expected) {
                    return Ok(Err(AuditFault::Changed(number.unsigned_abs())));
                }
                for head in heads.iter().filter(|head| head.seq == number.unsigned_abs()) {
                    if head.mac != hex(&expected) {
                        return Ok(Err(AuditFault::Replaced(head.seq)));
                    }
                    seen -= 1;
                }
                first.get_or_insert(at);
                (seq, mac) = (number, expected);
            }
        }
        if seq < chain.seq {
            return Ok(Err(AuditFault::Missing(seq.unsigned_abs() + 1)));
        }
        if mac != chain.mac {
            return Ok(Err(AuditFault::Head));
        }
        if seen > 0 {
            let last = heads.iter().map(|head| head.seq).max().unwrap_or_default();
            return Ok(Err(AuditFault::Cut(last)));
        }
        let outside = self
            .db
            .row(
                "SELECT COUNT(*) AS n, COUNT(CASE WHEN at < $1 THEN 1 END) AS older FROM audit \
                 WHERE seq IS NULL OR seq <= $2 \
                 OR seq > COALESCE((SELECT c.seq FROM audit_chain c WHERE c.id = 'audit'), 0)",
                vals![first.unwrap_or(i64::MAX), chain.swept_seq],
            )
            .await?;
        let (outside, older) = match outside {
            Some(row) => (row.int("n")?, row.int("older")?),
            None => (0, 0),
        };
        Ok(Ok(Audited {
            entries: (seq - chain.swept_seq).unsigned_abs(),
            swept: chain.swept_seq.unsigned_abs(),
            older: older.unsigned_abs(),
            unchained: (outside - older).unsigned_abs(),
            head: chain.head(),
        }))
    }

    /// Deletes the entries before `before`, and notes where the chain begins now.
    pub(crate) async fn sweep_audit(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let key = self.audit_key(now).await?;
        let mut tx = self.db.begin().await?;
        let chain = lock_chain(&mut tx, &key).await?;
        // A clock that was set back may have mixed their times: the chain ends where the first one is to stay.
        let last = tx
            .row(
                "SELECT seq, mac FROM audit WHERE seq < COALESCE((SELECT MIN(seq) FROM audit WHERE at >= $1), $2) \
                 ORDER BY seq DESC LIMIT 1",
                vals![before, chain.seq + 1],
            )
            .await?;
        let mut swept = tx
            .exec("DELETE FROM audit WHERE seq IS NULL AND at < $1", vals![before])
            .await?;
        if let Some(last) = last {
            let (seq, mac) = (last.int("seq")?, last.hash("mac")?);
            swept += tx.exec("DELETE FROM audit WHERE seq <= $1", vals![seq]).await?;
            let seal = swept_seal(&key, seq, &mac);
            tx.exec(
                "UPDATE audit_chain SET swept_seq = $1, swept_mac = $2, swept_seal = $3 WHERE id = 'audit'",
                vals![seq, &mac, &seal],
            )
            .await?;
        }
        tx.commit().await?;
        Ok(swept)
    }
}

/// The chain, for this transaction alone; begun where there is none.
async fn lock_chain(tx: &mut Tx, key: &[u8; 32]) -> Result<Chain, StoreError> {
    let select = format!("{SELECT_CHAIN}{}", tx.for_update());
    if let Some(row) = tx.row(select.clone(), Vec::new()).await? {
        return Chain::read(&row);
    }
    tx.exec(
        "INSERT INTO audit_chain (id, seq, mac, swept_seq, swept_mac, swept_seal) VALUES ('audit', 0, $1, 0, $1, $2) \
         ON CONFLICT (id) DO NOTHING",
        vals![&START, &swept_seal(key, 0, &START)],
    )
    .await?;
    let row = tx.row(select, Vec::new()).await?;
    Chain::read(&row.ok_or(StoreError::NotFound("audit chain"))?)
}

fn entry_mac(key: &[u8; 32], before: &[u8; 32], seq: i64, at: i64, texts: [&str; 4]) -> [u8; 32] {
    mac(
        key,
        &[b"entry", before, &seq.to_be_bytes(), &at.to_be_bytes()],
        &texts.map(str::as_bytes),
    )
}

fn swept_seal(key: &[u8; 32], seq: i64, entry: &[u8; 32]) -> [u8; 32] {
    mac(key, &[b"swept", &seq.to_be_bytes(), entry], &[])
}

/// Over parts that cannot run into each other.
fn mac(key: &[u8; 32], parts: &[&[u8]], more: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    for part in parts.iter().chain(more) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
