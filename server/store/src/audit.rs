use tandem_types::{OrgId, Timestamp, UserId};

use crate::db::vals;
use crate::{Store, StoreError};

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
        self.db
            .exec(
                "INSERT INTO audit (at, org_id, user_id, action, detail) VALUES ($1, $2, $3, $4, $5)",
                vals![now, org, user, action, detail],
            )
            .await
            .map(|_| ())
    }
}
