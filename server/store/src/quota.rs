//! An organisation's API calls: one number for all replicas, and the pause when they are used up.

use tandem_types::{OrgId, StateReason, SyncState, Timestamp};

use crate::db::{Row, vals};
use crate::{Store, StoreError};

/// What an organisation has used of its API calls within 24 hours, whoever used them, as Salesforce said it at `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub used: u64,
    pub limit: u64,
    pub at: Timestamp,
}

impl Quota {
    /// From `api_used`, `api_limit` and `api_at`.
    pub(crate) fn read(row: &Row) -> Result<Option<Self>, StoreError> {
        let whole = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok());
        let used = whole(row.opt_int("api_used")?);
        let limit = whole(row.opt_int("api_limit")?);
        let at = row.opt_time("api_at")?;
        Ok(used
            .zip(limit)
            .zip(at)
            .map(|((used, limit), at)| Self { used, limit, at }))
    }
}

/// An organisation's quota, and its pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgQuota {
    pub org: OrgId,
    /// `None`: no session has asked Salesforce yet.
    pub quota: Option<Quota>,
    /// Nothing of it comes due before; may have passed.
    pub held: Option<Timestamp>,
}

/// The reason that stands before its own while the organisation's pause lasts: it would sync, and waits for Salesforce.
pub(crate) fn reason_at(
    state: SyncState,
    own: Option<StateReason>,
    held: Option<Timestamp>,
    now: Timestamp,
) -> Option<StateReason> {
    let waits = state == SyncState::Active && held.is_some_and(|until| until > now);
    own.or(waits.then_some(StateReason::Quota))
}

/// When it comes due, with the organisation's pause.
pub(crate) fn due_at(due: Option<Timestamp>, held: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let held = held.filter(|until| *until > now);
    due.map(|due| held.map_or(due, |until| until.max(due)))
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Store {
    /// Keeps what Salesforce said of the organisation's calls, unless something newer is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn note_quota(&self, org: &OrgId, quota: Quota) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE orgs SET api_used = $2, api_limit = $3, api_at = $4 \
                 WHERE id = $1 AND (api_at IS NULL OR api_at < $4)",
                vals![org, whole(quota.used), whole(quota.limit), quota.at],
            )
            .await
            .map(|_| ())
    }

    /// No connection of the organisation comes due before `until`, and each says why. False: it waits longer already.
    ///
    /// # Errors
    /// The store's.
    pub async fn hold_org(&self, org: &OrgId, until: Timestamp) -> Result<bool, StoreError> {
        let changed = self
            .db
            .exec(
                "UPDATE orgs SET held_until = $2 WHERE id = $1 AND (held_until IS NULL OR held_until < $2)",
                vals![org, until],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Ends the pause that was seen to last until `until`: Salesforce answers again. One that was ordered since stands.
    ///
    /// # Errors
    /// The store's.
    pub async fn let_org_go(&self, org: &OrgId, until: Timestamp) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE orgs SET held_until = NULL WHERE id = $1 AND held_until = $2",
                vals![org, until],
            )
            .await
            .map(|_| ())
    }

    /// What is known of one organisation's calls; `None`: nothing yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn quota(&self, org: &OrgId) -> Result<Option<Quota>, StoreError> {
        let one = "SELECT api_used, api_limit, api_at FROM orgs WHERE id = $1";
        let row = self.db.row(one, vals![org]).await?;
        Ok(row.as_ref().map(Quota::read).transpose()?.flatten())
    }

    /// All organisations, by id.
    ///
    /// # Errors
    /// The store's.
    pub async fn quotas(&self) -> Result<Vec<OrgQuota>, StoreError> {
        let all = "SELECT id, held_until, api_used, api_limit, api_at FROM orgs ORDER BY id";
        let rows = self.db.rows(all, Vec::new()).await?;
        rows.iter()
            .map(|row| {
                Ok(OrgQuota {
                    org: row.parsed("id")?,
                    quota: Quota::read(row)?,
                    held: row.opt_time("held_until")?,
                })
            })
            .collect()
    }
}
