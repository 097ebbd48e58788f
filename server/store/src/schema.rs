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
    (9, "shares", include_str!("../migrations/0009_shares.sql")),
    (
        10,
        "organisation",
        include_str!("../migrations/0010_organisation.sql"),
    ),
    (
        11,
        "integrations",
        include_str!("../migrations/0011_integrations.sql"),
    ),
];

/// The version that this binary makes.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or(0)
}

/// All versions there are.
const LATEST: i64 = i64::MAX;

/// What ends the name of a migration that takes away what older binaries use, before the number of the last migration
/// that a binary must know to go on: `drop_old_grants_needs_0009`. All others only add.
const NEEDS: &str = "_needs_";

/// How a database stands to this binary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrations {
    /// The database has not seen them, `0001 first`.
    pub pending: Vec<String>,
    /// A newer binary has applied them; this one goes on beside it.
    pub newer: Vec<String>,
}

/// The last migration that a binary must know to go on after this one.
fn needed(name: &str) -> i64 {
    name.rsplit_once(NEEDS)
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(0)
}

/// Whether a binary whose last migration is `last` may touch a database to which this was applied.
///
/// # Errors
/// [`StoreError::Corrupt`]: not; why.
pub(crate) fn fit(applied: &[(i64, String)], last: i64) -> Result<(), StoreError> {
    match applied.iter().find(|(_, name)| needed(name) > last) {
        Some((version, name)) => Err(StoreError::Corrupt(format!(
            "a newer version has changed the database for good (migration {version:04} {name}): this one is too old for it"
        ))),
        None => Ok(()),
    }
}

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
    let mut migrator = Migrator::with_migrations(all.collect());
    // While replicas are replaced one after the other, the old ones meet what the new ones have added. Whether they may
    // go on is decided by `fit`.
    migrator.set_ignore_missing(true);
    migrator
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
    fit(&applied(db).await?, newest().min(last))?;
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

/// What was ever applied to the database, by whichever version: number and name.
async fn applied(db: &Db) -> Result<Vec<(i64, String)>, StoreError> {
    let table = match db {
        Db::Sqlite { .. } => {
            "SELECT name AS present FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'"
        }
        Db::Pg(_) => {
            "SELECT tablename::TEXT AS present FROM pg_tables \
             WHERE tablename = '_sqlx_migrations' AND schemaname = ANY (current_schemas(false))"
        }
    };
    if db.row(table, Vec::new()).await?.is_none() {
        return Ok(Vec::new());
    }
    let all = "SELECT version, description FROM _sqlx_migrations ORDER BY version";
    let rows = db.rows(all, Vec::new()).await?;
    rows.iter()
        .map(|row| Ok((row.int("version")?, row.text("description")?)))
        .collect()
}

pub(crate) async fn migrations(db: &Db) -> Result<Migrations, StoreError> {
    let applied = applied(db).await?;
    fit(&applied, newest())?;
    let known = |version: i64| MIGRATIONS.iter().any(|(known, ..)| *known == version);
    let has_seen = |version: i64| applied.iter().any(|(seen, _)| *seen == version);
    Ok(Migrations {
        pending: MIGRATIONS
            .iter()
            .filter(|(version, ..)| !has_seen(*version))
            .map(|(version, name, _)| format!("{version:04} {name}"))
            .collect(),
        newer: applied
            .iter()
            .filter(|(version, _)| !known(*version))
            .map(|(version, name)| format!("{version:04} {name}"))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those before it were released while there was never more than one version on a database.
    const FIRST_BESIDE_OTHERS: i64 = 8;

    /// What keeps an older binary, which knows nothing of it, from reading or writing as it does.
    fn takes_away(statement: &str) -> bool {
        let words: Vec<String> = statement
            .split_whitespace()
            .map(str::to_ascii_uppercase)
            .collect();
        let has = |word: &str| words.iter().any(|w| w == word);
        let alters = words.first().is_some_and(|w| w == "ALTER");
        let adds_what_is_wanted = alters && has("ADD") && has("NOT") && !has("DEFAULT");
        words.first().is_some_and(|w| w == "DROP")
            || (alters && (has("DROP") || has("RENAME") || has("TYPE") || has("SET")))
            || adds_what_is_wanted
    }

    fn statements(sql: &str) -> Vec<String> {
        let code: Vec<&str> = sql
            .lines()
            .filter(|line| !line.trim().starts_with("--"))
            .collect();
        code.join("\n").split(';').map(|s| s.trim().to_owned()).collect()
    }

    #[test]
    fn migrations_only_add_or_say_what_they_need() {
        for (version, name, sql) in MIGRATIONS {
            let takes = statements(sql).into_iter().find(|s| takes_away(s));
            if *version >= FIRST_BESIDE_OTHERS && needed(name) == 0 {
                assert_eq!(takes, None, "{version:04} {name} is no step that only adds");
            }
        }
        // The rule sees what it is to see.
        let (_, _, moved) = MIGRATIONS[3];
        assert!(statements(moved).iter().any(|s| takes_away(s)));
        for (sql, takes) in [
            ("ALTER TABLE users ADD COLUMN x TEXT", false),
            ("ALTER TABLE users ADD COLUMN x BIGINT NOT NULL DEFAULT 0", false),
            ("ALTER TABLE users ADD COLUMN x BIGINT NOT NULL", true),
            ("ALTER TABLE users DROP COLUMN x", true),
            ("CREATE TABLE y (z TEXT NOT NULL)", false),
        ] {
            assert_eq!(takes_away(sql), takes, "{sql}");
        }
    }

    #[test]
    fn who_is_too_old_is_told() {
        let all = |name: &str| vec![(1, "first".to_owned()), (9, name.to_owned())];
        assert!(fit(&all("more"), 7).is_ok());
        assert!(fit(&all("drop_old_needs_0007"), 7).is_ok());
        let refused = fit(&all("drop_old_needs_0008"), 7).unwrap_err().to_string();
        assert!(refused.contains("0009 drop_old_needs_0008"), "{refused}");
    }
}
