//! What may exist in Salesforce once per organisation: who makes it.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sync::BaseHash;
use tandem_sync::model::{ItemId, LinkKey};
use tandem_sync::ports::{Claim, HashKey, Lease, Wish};
use tandem_types::{ConnectionId, ItemKind, OrgId, Timestamp};

use crate::db::{Row, Tx, Val, pieces, vals};
use crate::lease::{HELD, held};
use crate::links::{list_places, padded};
use crate::rules::{GIVEN_UP, pair_of};
use crate::seal::DataKey;
use crate::{Store, StoreError};

const COLUMNS: &str = "kind, hash, holder, link_key, crm_id, since";
const WIDTH: usize = 7;

/// As it stands in a row: words of one kind sort as their rows do.
type Name = (&'static str, String);

fn name(kind: ItemKind, hash: &BaseHash) -> Name {
    (kind.as_str(), format!("{:032x}", u128::from_be_bytes(hash.0)))
}

fn read(row: &Row) -> Result<Claim, StoreError> {
    let hash = u128::from_str_radix(&row.text("hash")?, 16)
        .map_err(|_| StoreError::Corrupt("a claim's hash cannot be read".to_owned()))?;
    Ok(Claim {
        kind: row.word("kind", ItemKind::parse)?,
        hash: BaseHash(hash.to_be_bytes()),
        holder: row.parsed("holder")?,
        key: LinkKey(row.text("link_key")?),
        crm_id: row.opt_text("crm_id")?.map(ItemId),
        since: row.time("since")?,
    })
}

/// Sets what was made and lets go of what is no longer wanted, where the connection holds it. In the transaction that
/// has checked the fence.
pub(crate) async fn write(
    tx: &mut Tx,
    lease: &Lease,
    made: &[Claim],
    unclaimed: &[(ItemKind, BaseHash)],
) -> Result<(), StoreError> {
    // Always in one order: two transactions that lock rows in different orders stop each other.
    let mut steps: BTreeMap<Name, Option<&Claim>> = BTreeMap::new();
    for claim in made {
        steps.insert(name(claim.kind, &claim.hash), Some(claim));
    }
    for (kind, hash) in unclaimed {
        steps.insert(name(*kind, hash), None);
    }
    for ((kind, hash), step) in steps {
        let own = vals![&lease.org, kind, hash, &lease.connection];
        match step {
            Some(claim) => {
                let mut values = own;
                values.extend(vals![
                    claim.crm_id.as_ref().map(|id| id.0.as_str()),
                    &claim.key.0,
                    &lease.user,
                    claim.since
                ]);
                tx.exec(
                    "INSERT INTO claims (org_id, kind, hash, holder, crm_id, link_key, user_id, since) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (org_id, kind, hash) DO UPDATE SET \
                     crm_id = excluded.crm_id, link_key = excluded.link_key \
                     WHERE claims.holder = excluded.holder",
                    values,
                )
                .await?;
            }
            None => {
                tx.exec(
                    "DELETE FROM claims WHERE org_id = $1 AND kind = $2 AND hash = $3 AND holder = $4",
                    own,
                )
                .await?;
            }
        }
    }
    Ok(())
}

/// What the connection claimed and has not made goes to whoever wants it next, with its key: a create that was sent and
/// never answered is found by it.
pub(crate) async fn give_up(tx: &mut Tx, connection: &ConnectionId) -> Result<(), StoreError> {
    // Locked in the order of all others.
    let select = "SELECT kind FROM claims WHERE holder = $1 AND crm_id IS NULL ORDER BY kind, hash";
    tx.rows(format!("{select}{}", tx.for_update()), vals![connection])
        .await?;
    tx.exec(
        "UPDATE claims SET since = $2 WHERE holder = $1 AND crm_id IS NULL",
        vals![connection, GIVEN_UP],
    )
    .await
    .map(|_| ())
}

impl Store {
    pub(crate) async fn make_claims(
        &self,
        lease: &Lease,
        now: Timestamp,
        wishes: &[Wish],
        stale_before: Timestamp,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut tx = self.db.begin().await?;
        let select = format!("SELECT id FROM connections WHERE {HELD}{}", tx.for_update());
        tx.row(select, held![lease]).await?.ok_or(StoreError::LeaseLost)?;
        let mut wanted: BTreeMap<Name, &Wish> = BTreeMap::new();
        for wish in wishes {
            wanted.entry(name(wish.kind, &wish.hash)).or_insert(wish);
        }
        let wanted: Vec<(Name, &Wish)> = wanted.into_iter().collect();
        let mut standing: BTreeMap<Name, Claim> = BTreeMap::new();
        for piece in pieces(&wanted) {
            let mut values = Vec::with_capacity(piece.len() * WIDTH + 1);
            for ((kind, hash), wish) in piece {
                values.extend(vals![
                    &lease.org,
                    *kind,
                    hash,
                    &lease.connection,
                    &lease.user,
                    &wish.key.0,
                    now
                ]);
            }
            let n = piece.len() * WIDTH + 1;
            values.push(Val::from(stale_before));
            let stale = format!("claims.crm_id IS NULL AND claims.since < ${n}");
            // A row that is there is written too, if only with what it holds: so it is locked, and answered as it stands.
            let sql = format!(
                "INSERT INTO claims (org_id, kind, hash, holder, user_id, link_key, since) VALUES {} \
                 ON CONFLICT (org_id, kind, hash) DO UPDATE SET \
                 holder = CASE WHEN {stale} THEN excluded.holder ELSE claims.holder END, \
                 user_id = CASE WHEN {stale} THEN excluded.user_id ELSE claims.user_id END, \
                 since = CASE WHEN {stale} THEN excluded.since ELSE claims.since END \
                 RETURNING {COLUMNS}",
                tx.places(piece.len(), WIDTH)
            );
            for row in tx.rows(sql, values).await? {
                let claim = read(&row)?;
                standing.insert(name(claim.kind, &claim.hash), claim);
            }
        }
        // All of these rows are locked by now: nobody is waited for any more.
        for (name, wish) in &wanted {
            let Some(claim) = standing.get_mut(name) else {
                continue;
            };
            if wish.gone.is_some() && wish.gone == claim.crm_id {
                self.take_over(&mut tx, lease, now, wish).await?;
                claim.holder = lease.connection.clone();
                claim.key = wish.key.clone();
                claim.crm_id = None;
                claim.since = now;
            }
        }
        tx.commit().await?;
        wishes
            .iter()
            .map(|wish| {
                standing
                    .get(&name(wish.kind, &wish.hash))
                    .cloned()
                    .ok_or(StoreError::NotFound("claim"))
            })
            .collect()
    }

    /// The record that the claim names is gone: it is to be made again, under another key.
    async fn take_over(
        &self,
        tx: &mut Tx,
        lease: &Lease,
        now: Timestamp,
        wish: &Wish,
    ) -> Result<(), StoreError> {
        let (kind, hash) = name(wish.kind, &wish.hash);
        tx.exec(
            "UPDATE claims SET holder = $4, user_id = $5, link_key = $6, since = $7, crm_id = NULL \
             WHERE org_id = $1 AND kind = $2 AND hash = $3",
            vals![
                &lease.org,
                kind,
                hash,
                &lease.connection,
                &lease.user,
                &wish.key.0,
                now
            ],
        )
        .await
        .map(|_| ())
    }

    pub(crate) async fn read_claims(
        &self,
        lease: &Lease,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        self.ask_held(lease).await?;
        self.claims_of(&lease.org, hashes).await
    }

    /// The organisation's claims on these, in the order asked.
    pub async fn claims_of(
        &self,
        org: &OrgId,
        hashes: &[(ItemKind, BaseHash)],
    ) -> Result<Vec<Option<Claim>>, StoreError> {
        let mut found: BTreeMap<Name, Claim> = BTreeMap::new();
        let wanted: BTreeSet<String> = hashes.iter().map(|(kind, hash)| name(*kind, hash).1).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        for piece in wanted.chunks(256) {
            let list = padded(piece);
            let sql = format!(
                "SELECT {COLUMNS} FROM claims WHERE org_id = $1 AND kind IN ('contact', 'event', 'task', 'email') \
                 AND hash IN ({})",
                list_places(list.len(), 2)
            );
            let mut values = vals![org];
            values.extend(list);
            for row in self.db.rows(sql, values).await? {
                let claim = read(&row)?;
                found.insert(name(claim.kind, &claim.hash), claim);
            }
        }
        Ok(hashes
            .iter()
            .map(|(kind, hash)| found.get(&name(*kind, hash)).cloned())
            .collect())
    }

    pub(crate) async fn read_colleagues(
        &self,
        lease: &Lease,
        addresses: &[String],
    ) -> Result<Vec<bool>, StoreError> {
        self.ask_held(lease).await?;
        let asked: Vec<String> = addresses.iter().map(|a| pair_of(a)).collect();
        let wanted: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let mut found = BTreeSet::new();
        for piece in wanted.chunks(256) {
            let list = padded(piece);
            let sql = format!(
                "SELECT mailbox_taken FROM connections WHERE org_id = $1 AND state = 'active' \
                 AND mailbox_taken IN ({})",
                list_places(list.len(), 2)
            );
            let mut values = vals![&lease.org];
            values.extend(list);
            for row in self.db.rows(sql, values).await? {
                found.insert(row.text("mailbox_taken")?);
            }
        }
        Ok(asked.iter().map(|address| found.contains(address)).collect())
    }

    pub(crate) async fn ask_held(&self, lease: &Lease) -> Result<(), StoreError> {
        self.db
            .row(format!("SELECT id FROM connections WHERE {HELD}"), held![lease])
            .await?
            .map(|_| ())
            .ok_or(StoreError::LeaseLost)
    }

    /// Keys the hashes of the organisation's claims. Made by whoever asks first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: the organisation is not known.
    pub async fn org_key(&self, org: &OrgId) -> Result<HashKey, StoreError> {
        let select = "SELECT claims_key FROM orgs WHERE id = $1";
        let row = self.db.row(select, vals![org]).await?;
        let row = row.ok_or(StoreError::NotFound("organisation"))?;
        if let Some(wrapped) = row.opt_blob("claims_key")? {
            return self.claim_hash_key(&DataKey::claims(org, wrapped));
        }
        let fresh = self.new_claims_key(org)?;
        self.db
            .exec(
                "UPDATE orgs SET claims_key = $2 WHERE id = $1 AND claims_key IS NULL",
                vals![org, fresh.into_bytes()],
            )
            .await?;
        let row = self.db.row(select, vals![org]).await?;
        let row = row.ok_or(StoreError::NotFound("organisation"))?;
        self.claim_hash_key(&DataKey::claims(org, row.blob("claims_key")?))
    }
}
