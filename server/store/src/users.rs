use tandem_types::{OrgId, Timestamp, UserId};

use crate::db::vals;
use crate::{Store, StoreError};

/// A Salesforce user and the organisation, as the sign-in told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub username: String,
    pub name: String,
    pub email: String,
    pub org_name: String,
    /// `https://acme.my.salesforce.com`
    pub instance_url: String,
}

/// A user with the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRow {
    pub org_id: OrgId,
    pub user_id: UserId,
    pub username: String,
    pub name: String,
    pub email: String,
    pub org_name: String,
    pub instance_url: String,
    pub created: Timestamp,
}

impl Store {
    /// Notes the user and the organisation, or what has changed of them.
    ///
    /// # Errors
    /// [`StoreError::Taken`]: the user is known in another organisation.
    pub async fn upsert_user(&self, user: &NewUser, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.exec(
            "INSERT INTO orgs (id, name, instance_url, created_at, updated_at) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (id) DO UPDATE SET name = $2, instance_url = $3, updated_at = $4",
            vals![&user.org_id, &user.org_name, &user.instance_url, now],
        )
        .await?;
        let written = tx
            .exec(
                "INSERT INTO users (id, org_id, username, name, email, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $6) \
                 ON CONFLICT (id) DO UPDATE SET username = $3, name = $4, email = $5, updated_at = $6 \
                 WHERE users.org_id = $2",
                vals![
                    &user.user_id,
                    &user.org_id,
                    &user.username,
                    &user.name,
                    &user.email,
                    now
                ],
            )
            .await?;
        if written == 0 {
            return Err(StoreError::Taken("user"));
        }
        tx.commit().await
    }

    pub async fn user(&self, user: &UserId) -> Result<Option<UserRow>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT u.id, u.org_id, u.username, u.name, u.email, u.created_at, \
                 o.name AS org_name, o.instance_url \
                 FROM users u JOIN orgs o ON o.id = u.org_id WHERE u.id = $1",
                vals![user],
            )
            .await?;
        row.map(|row| {
            Ok(UserRow {
                org_id: row.parsed("org_id")?,
                user_id: row.parsed("id")?,
                username: row.text("username")?,
                name: row.text("name")?,
                email: row.text("email")?,
                org_name: row.text("org_name")?,
                instance_url: row.text("instance_url")?,
                created: row.time("created_at")?,
            })
        })
        .transpose()
    }
}
