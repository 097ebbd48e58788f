//! Who is told that something has become due: every process that shares a PostgreSQL, at once. Processes on one SQLite
//! file are told nothing, and look by themselves every few seconds.
//!
//! Nothing depends on it: an announcement that is lost (nobody listened, the network broke, a pooler in front that gives
//! each transaction another connection) costs what the look every few seconds costs.

use sqlx::postgres::PgListener;
use tandem_sync::ports::StoreError;

use crate::Store;
use crate::db::{Db, failed, vals};

/// Of the database: others on the same server do not hear it.
const CHANNEL: &str = "tandem_due";

/// What the processes tell each other. It holds one connection of the pool.
#[derive(Debug)]
pub struct Announcements(PgListener);

impl Announcements {
    /// Waits for the next one. Where the connection was lost and is there again it says so too: who knows what was
    /// announced meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing is heard here any more.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.try_recv().await.map(|_| ()).map_err(|e| failed(&e))
    }
}

impl Store {
    /// Tells all processes that a connection has become due, this one included.
    ///
    /// # Errors
    /// The store's.
    pub async fn announce_due(&self) -> Result<(), StoreError> {
        match &self.db {
            Db::Sqlite { .. } => Ok(()),
            Db::Pg(_) => self
                .db
                .exec("SELECT pg_notify($1, '')", vals![CHANNEL])
                .await
                .map(|_| ()),
        }
    }

    /// Begins to listen; `None` where the database cannot tell.
    ///
    /// # Errors
    /// The store's.
    pub async fn announcements(&self) -> Result<Option<Announcements>, StoreError> {
        let Db::Pg(pool) = &self.db else {
            return Ok(None);
        };
        let mut listener = PgListener::connect_with(pool).await.map_err(|e| failed(&e))?;
        listener.listen(CHANNEL).await.map_err(|e| failed(&e))?;
        Ok(Some(Announcements(listener)))
    }
}
