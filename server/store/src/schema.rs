use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use tandem_sync::ports::StoreError;

use crate::db::{Db, failed};

/// What was ever released stays as it is: each file's checksum stands in the database.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "activities", include_str!("../migrations/0002_activities.sql")),
    (3, "org_pass", include_str!("../migrations/0003_org_pass.sql")),
    (4, "microsoft", include_str!("../migrations/0004_microsoft.sql")),
    (5, "mail", include_str!("../migrations/0005_mail.sql")),
    (6, "orders", include_str!("../migrations/0006_orders.sql")),
    (7, "audit", include_str!("../migrations/0007_audit.sql")),
    (8, "clearing", include_str!("../migrations/0008_clearing.sql")),
];

/// The version that this binary makes.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

/// All versions there are.
const LATEST: i64 = i64::MAX;

fn migrator(db: &Db, last: i64) -> Migrator {
    let wanted = MIGRATIONS.iter().filter(|(version, ..)| *version <= last);
    let all = wanted.map(|&(version, name, sql)| {
        let sql = match db {
            Db::Sqlite { .. } => sql.into_sql_str(),
            // The one type that has another name there.
            Db::Pg(_) => AssertSqlSafe(sql.replace(" BLOB", " BYTEA")).into_sql_str(),
        };
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(all.collect())
}

fn refused(error: &MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(v) | MigrateError::VersionMismatch(v) => StoreError::Corrupt(format!(
            "the database was made by another version (migration {v} differs)"
        )),
        MigrateError::Dirty(v) => StoreError::Corrupt(format!("migration {v} was left half-done")),
        other => StoreError::Unavailable(other.to_string()),
    }
}

pub(crate) async fn migrate(db: &Db) -> Result<(), StoreError> {
    migrate_to(db, LATEST).await
}

/// As an earlier version's [`migrate`], whose last migration was `last`.
pub(crate) async fn migrate_to(db: &Db, last: i64) -> Result<(), StoreError> {
    let migrator = migrator(db, last);
    match db {
        // One lock around all of them: the library's own is for PostgreSQL alone.
        Db::Sqlite { write, .. } => {
            let mut tx = write
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map_err(|e| failed(&e))?;
            migrator
                .run_direct(None, &mut *tx, false)
                .await
                .map_err(|e| refused(&e))?;
            tx.commit().await.map_err(|e| failed(&e))
        }
        Db::Pg(pool) => {
            let mut connection = pool.acquire().await.map_err(|e| failed(&e))?;
            let run = migrator.run_direct(None, &mut *connection, false).await;
            if run.is_err() {
                // A failed run leaves the library's lock with its connection: it must not go back to the pool.
                connection.close_on_drop();
            }
            run.map_err(|e| refused(&e))
        }
    }
}

/// The migrations that the database has not seen, `0001 first`.
pub(crate) async fn pending(db: &Db) -> Result<Vec<String>, StoreError> {
    let table = match db {
        Db::Sqlite { .. } => {
            "SELECT name AS present FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'"
        }
        Db::Pg(_) => {
            "SELECT tablename::TEXT AS present FROM pg_tables \
             WHERE tablename = '_sqlx_migrations' AND schemaname = ANY (current_schemas(false))"
        }
    };
    let mut applied = Vec::new();
    if db.row(table, Vec::new()).await?.is_some() {
        for row in db
            .rows("SELECT version FROM _sqlx_migrations", Vec::new())
            .await?
        {
            applied.push(row.int("version")?);
        }
    }
    Ok(MIGRATIONS
        .iter()
        .filter(|(version, ..)| !applied.contains(version))
        .map(|(version, name, _)| format!("{version:04} {name}"))
        .collect())
}
