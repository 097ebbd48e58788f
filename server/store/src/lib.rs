//! What is kept: SQLite, PostgreSQL, and memory, under one contract.
//!
//! [`Store`] implements [`tandem_sync::ports::Store`] on both databases with the same SQL, and the server's
//! repositories beside it, one file each. [`MemoryStore`] implements the former for the simulation. Nothing is
//! decided here. Secrets and content are sealed by a [`Vault`] before they reach the database.
//!
//! Every method fails with [`StoreError`]: `Unavailable` means that the database does not answer or refuses, `Full` that
//! its disk has no room. Nothing was written then, with one exception that no database can rule out: the answer to the final `COMMIT` was
//! lost on the way.

mod activation;
mod audit;
mod backfill;
mod backup;
mod claims;
mod commit;
mod connections;
mod db;
mod flows;
mod grants;
mod integration;
mod issues;
mod lease;
mod links;
mod memory;
mod orders;
mod org;
mod organisation;
mod overview;
mod personal;
mod quota;
mod reading;
mod rewrap;
mod rules;
mod schema;
mod seal;
mod settings;
mod shares;
mod sign_ins;
mod standing;
mod sweep;
#[cfg(feature = "testing")]
pub mod testing;
mod trials;
mod troubles;
mod users;
mod vault;
mod wake;
mod web_sessions;

use std::fmt;
use std::sync::Arc;

pub use activation::{MailboxKey, MailboxSecret};
pub use audit::{AuditEntry, AuditFault, AuditHead, Audited};
pub use backup::{BackupError, restore};
pub use connections::ConnectionRow;
pub use flows::{CodeRow, FlowRow};
pub use grants::{GrantSecret, IdleGrant, Provider, RefreshTurn};
pub use integration::{IntegrationNew, IntegrationRow};
pub use memory::{MemoryConnection, MemoryStore};
pub use orders::OrderRow;
pub use org::OrgRow;
pub use organisation::{AdminRight, OrgRunRow, SupportAccess};
pub use overview::{Overview, StateCount};
pub use quota::{OrgQuota, Quota};
pub use reading::{IssuePick, ItemIssue};
pub use rewrap::Rewrapped;
pub use schema::Migrations;
pub use settings::{SettingsFault, WrongSetting, resolve as resolve_settings};
pub use shares::{Budgets, Turn};
pub use sign_ins::WaitingSignIn;
pub use standing::{Standing, StandingPick};
pub use sweep::{Retention, Swept};
pub use tandem_sync::ports::StoreError;
pub use troubles::{Trouble, TroubleMail};
pub use users::{NewUser, UserRow};
pub use vault::{Vault, VaultError, WrappedKey};
pub use wake::Announcements;
pub use web_sessions::{WebSession, WebSessionNew};

use db::Db;

/// A handle on the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
    vault: Arc<dyn Vault>,
    server_key: Arc<tokio::sync::OnceCell<WrappedKey>>,
    budgets: Budgets,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("database", &self.db.name())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `sqlite:PATH` (the file is made if it is missing, for this user only) or `postgres://…`.
    ///
    /// Several processes may share one database.
    pub async fn connect(url: &str, vault: Arc<dyn Vault>) -> Result<Self, StoreError> {
        Ok(Self {
            db: Db::connect(url).await?,
            vault,
            server_key: Arc::default(),
            budgets: Budgets::default(),
        })
    }

    /// Brings the tables up to this version. Safe in several processes at once. What a newer version has added is left
    /// alone; a database that a newer version has made unfit for this one is refused with [`StoreError::Corrupt`].
    pub async fn migrate(&self) -> Result<(), StoreError> {
        schema::migrate(&self.db).await
    }

    /// What [`Store::migrate`] would meet.
    pub async fn migrations(&self) -> Result<Migrations, StoreError> {
        schema::migrations(&self.db).await
    }

    /// Whether the database answers, with our tables in it.
    pub async fn health(&self) -> Result<(), StoreError> {
        self.db
            .rows("SELECT id FROM server_keys", Vec::new())
            .await
            .map(|_| ())
    }

    /// Whether the database takes a write. It is made to a number that nobody reads: how long the first migration took.
    pub async fn writable(&self) -> Result<(), StoreError> {
        // Another number each time, and back the next: SQLite writes nothing where nothing changes.
        let turn = "UPDATE _sqlx_migrations SET execution_time = 1 - execution_time WHERE version = 1";
        self.db.exec(turn, Vec::new()).await.map(|_| ())
    }

    /// `SQLite` or `PostgreSQL`.
    pub const fn database(&self) -> &'static str {
        self.db.name()
    }

    /// Waits for what is running and closes the database. Later calls are `Unavailable`.
    pub async fn disconnect(&self) {
        self.db.close().await;
    }

    /// As an earlier version's [`Store::migrate`], whose last migration was `last`.
    #[cfg(feature = "testing")]
    pub async fn migrate_to(&self, last: i64) -> Result<(), StoreError> {
        schema::migrate_to(&self.db, last).await
    }

    /// One statement as it stands, on the writing connection.
    #[cfg(feature = "testing")]
    pub async fn execute_raw(&self, sql: &str) -> Result<u64, StoreError> {
        self.db.exec(sql.to_owned(), Vec::new()).await
    }

    /// The first column of the rows, as text.
    #[cfg(feature = "testing")]
    pub async fn query_raw(&self, sql: &str) -> Result<Vec<Option<String>>, StoreError> {
        let sql = format!("WITH q(v) AS ({sql}) SELECT CAST(v AS TEXT) AS v FROM q");
        self.db
            .rows(sql, Vec::new())
            .await?
            .iter()
            .map(|row| row.opt_text("v"))
            .collect()
    }
}
