//! The data keys under another master key. No data key changes, and so nothing that was sealed or hashed.

use tandem_types::{ConnectionId, OrgId};

use crate::db::{Row, vals};
use crate::seal::DataKey;
use crate::{Store, StoreError, VaultError};

const PAGE: u32 = 256;
/// What is written meanwhile by a server that has not heard of the new key is found in the next pass.
const PASSES: u32 = 8;

/// How the data keys stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// All data keys there are.
    pub keys: u64,
    /// Those that were wrapped by another master key, and are no more.
    pub rewrapped: u64,
    /// Those that no master key opens: what they sealed is lost.
    pub lost: u64,
}

/// Where a data key stands, and how it is replaced: `$1` the row, `$2` as it was read, `$3` the new one.
struct Place {
    column: &'static str,
    update: &'static str,
    key: fn(&Row, Vec<u8>) -> Result<DataKey, StoreError>,
}

const OF_CONNECTIONS: &[Place] = &[
    Place {
        column: "credentials_key",
        update: "UPDATE connections SET credentials_key = $3 WHERE id = $1 AND credentials_key = $2",
        key: |row, wrapped| Ok(DataKey::credentials(&row.parsed::<ConnectionId>("id")?, wrapped)),
    },
    Place {
        column: "journal_key",
        update: "UPDATE connections SET journal_key = $3 WHERE id = $1 AND journal_key = $2",
        key: |row, wrapped| Ok(DataKey::journal(&row.parsed::<ConnectionId>("id")?, wrapped)),
    },
];
const OF_ORGS: &[Place] = &[Place {
    column: "claims_key",
    update: "UPDATE orgs SET claims_key = $3 WHERE id = $1 AND claims_key = $2",
    key: |row, wrapped| Ok(DataKey::claims(&row.parsed::<OrgId>("id")?, wrapped)),
}];
const OF_INTEGRATIONS: &[Place] = &[Place {
    column: "credentials_key",
    update: "UPDATE integrations SET credentials_key = $3 WHERE org_id = $1 AND credentials_key = $2",
    key: |row, wrapped| Ok(DataKey::integration(&row.parsed::<OrgId>("id")?, wrapped)),
}];
const OF_SERVER: &[Place] = &[Place {
    column: "wrapped",
    update: "UPDATE server_keys SET wrapped = $3 WHERE id = $1 AND wrapped = $2",
    key: |_, wrapped| Ok(DataKey::server(wrapped)),
}];

/// `$1`: the last row of the page before; `$2`: how many.
const TABLES: &[(&str, &[Place])] = &[
    (
        "SELECT id, credentials_key, journal_key FROM connections WHERE id > $1 ORDER BY id LIMIT $2",
        OF_CONNECTIONS,
    ),
    (
        "SELECT id, claims_key FROM orgs WHERE id > $1 ORDER BY id LIMIT $2",
        OF_ORGS,
    ),
    (
        "SELECT org_id AS id, credentials_key FROM integrations WHERE org_id > $1 ORDER BY org_id LIMIT $2",
        OF_INTEGRATIONS,
    ),
    (
        // Its neighbours are sealed by it.
        "SELECT id, wrapped FROM server_keys WHERE id = 'server' AND id > $1 ORDER BY id LIMIT $2",
        OF_SERVER,
    ),
];

impl Store {
    /// Wraps every data key with the present master key. Safe while servers run and sessions write; can be broken off and
    /// begun again.
    pub async fn rewrap_keys(&self) -> Result<Rewrapped, StoreError> {
        let mut done = Rewrapped::default();
        for _ in 0..PASSES {
            let pass = self.one_pass(true).await?;
            let before = done.rewrapped;
            done = Rewrapped {
                rewrapped: before + pass.rewrapped,
                ..pass
            };
            if pass.rewrapped == 0 {
                return Ok(done);
            }
        }
        Err(StoreError::Unavailable(
            "data keys are still being wrapped by the old master key: restart the servers, and try again"
                .to_owned(),
        ))
    }

    /// As [`Store::rewrap_keys`] would do it, changing nothing.
    pub async fn count_keys(&self) -> Result<Rewrapped, StoreError> {
        self.one_pass(false).await
    }

    async fn one_pass(&self, write: bool) -> Result<Rewrapped, StoreError> {
        let mut pass = Rewrapped::default();
        for (select, places) in TABLES {
            let mut after = String::new();
            loop {
                let rows = self.db.rows(*select, vals![&after, PAGE]).await?;
                let Some(last) = rows.last() else { break };
                after = last.text("id")?;
                for row in &rows {
                    for place in *places {
                        self.rewrap_at(row, place, write, &mut pass).await?;
                    }
                }
            }
        }
        Ok(pass)
    }

    async fn rewrap_at(
        &self,
        row: &Row,
        place: &Place,
        write: bool,
        pass: &mut Rewrapped,
    ) -> Result<(), StoreError> {
        let Some(old) = row.opt_blob(place.column)? else {
            return Ok(());
        };
        pass.keys += 1;
        match (place.key)(row, old.clone())?.rewrapped(&*self.vault) {
            Ok(None) => {}
            Ok(Some(new)) => {
                pass.rewrapped += 1;
                if write {
                    // Replaced meanwhile (activated, deactivated): the next pass sees what stands there now.
                    self.db
                        .exec(place.update, vals![row.text("id")?, old, new])
                        .await?;
                }
            }
            Err(VaultError::Key | VaultError::Sealed) => pass.lost += 1,
            Err(error @ VaultError::Failed) => return Err(StoreError::Unavailable(error.to_string())),
        }
        Ok(())
    }
}
