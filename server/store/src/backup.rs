use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _};

use crate::db::{Db, create_private, failed};
use crate::{Store, StoreError, schema};

/// Why a backup was not made, or not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("PostgreSQL has its own tool: pg_dump --format=custom, and pg_restore")]
    NotSqlite,
    #[error("{} exists already; nothing was written", .0.display())]
    Exists(PathBuf),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    /// Also: another version's, damaged.
    #[error("{} is no backup that this version can take: {what}", path.display())]
    Unfit { path: PathBuf, what: &'static str },
    #[error("{} is in use: end the server first", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn file_failed(path: &Path, error: std::io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        error,
    }
}

impl Store {
    /// Writes a whole and consistent copy to a file that does not exist yet, for this user only, while others read and
    /// write (<https://sqlite.org/lang_vacuum.html#vacuuminto>). What it holds of secrets opens by the master key alone.
    /// Answers its size in bytes.
    ///
    /// # Errors
    /// See [`BackupError`]; then there is no file.
    pub async fn backup(&self, to: &Path) -> Result<u64, BackupError> {
        let Db::Sqlite { read, .. } = &self.db else {
            return Err(BackupError::NotSqlite);
        };
        if to.exists() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let file = |error| file_failed(to, error);
        // An empty file is taken by SQLite as no file: its mode stays.
        create_private(to).map_err(file)?;
        let text = to.to_str().ok_or_else(|| {
            file(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "the path is not UTF-8",
            ))
        })?;
        // As long as it takes: readers and the writer go on meanwhile.
        let written = sqlx::query("VACUUM INTO $1").bind(text).execute(read).await;
        let size = match written {
            Ok(_) => std::fs::metadata(to).map_err(file)?.len(),
            Err(error) => {
                std::fs::remove_file(to).ok();
                return Err(failed(&error).into());
            }
        };
        Ok(size)
    }
}

/// Puts a backup in the place of the database `path`, which nobody may have open. What stands there is kept beside it, under
/// the name that is answered.
///
/// # Errors
/// See [`BackupError`]; then everything is as it was.
pub async fn restore(path: &Path, from: &Path, kept_as: &str) -> Result<Option<PathBuf>, BackupError> {
    check(from).await?;
    let file = |path: &Path| {
        let path = path.to_owned();
        move |error| BackupError::File { path, error }
    };
    // Beside its place: what follows is a rename, and a disk that is full is found out before it.
    let mut new = path.as_os_str().to_owned();
    new.push(".restoring");
    let new = PathBuf::from(new);
    if new.exists() {
        std::fs::remove_file(&new).map_err(file(&new))?;
    }
    create_private(&new).map_err(file(&new))?;
    let copied = std::fs::copy(from, &new).and_then(|_| std::fs::File::open(&new)?.sync_all());
    if let Err(error) = copied {
        std::fs::remove_file(&new).ok();
        return Err(file(&new)(error));
    }
    let kept = if path.exists() {
        let mut kept = path.as_os_str().to_owned();
        kept.push(format!(".{kept_as}"));
        let kept = PathBuf::from(kept);
        if let Err(error) = fold(path).await {
            std::fs::remove_file(&new).ok();
            return Err(error);
        }
        std::fs::rename(path, &kept).map_err(file(path))?;
        Some(kept)
    } else {
        None
    };
    std::fs::rename(&new, path).map_err(file(&new))?;
    Ok(kept)
}

/// Whether it is whole, ours, and not of a version that is too new.
async fn check(from: &Path) -> Result<(), BackupError> {
    let unfit = |what| BackupError::Unfit {
        path: from.to_owned(),
        what,
    };
    if let Err(error) = std::fs::metadata(from) {
        return Err(file_failed(from, error));
    }
    let options = SqliteConnectOptions::new()
        .filename(from)
        .immutable(true)
        .read_only(true);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(|_| unfit("not a database"))?;
    let said: String = sqlx::query("PRAGMA integrity_check(1)")
        .fetch_one(&mut connection)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(|_| unfit("not a database"))?;
    if said != "ok" {
        return Err(unfit("it is damaged"));
    }
    let rows = sqlx::query("SELECT version, description FROM _sqlx_migrations")
        .fetch_all(&mut connection)
        .await;
    let applied: Vec<(i64, String)> = rows
        .and_then(|rows| {
            let row = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
            rows.iter().map(row).collect()
        })
        .map_err(|_| unfit("it is no database of Tandem"))?;
    connection.close().await.map_err(|e| failed(&e))?;
    if applied.is_empty() {
        return Err(unfit("it is no database of Tandem"));
    }
    schema::fit(&applied, schema::newest()).map_err(|_| unfit("a newer version made it"))
}

/// Brings all of a database into its one file, so that it can be moved; refused while anybody has it open.
async fn fold(path: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(std::time::Duration::from_secs(1));
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .map_err(|e| failed(&e))?;
    // Leaving the write-ahead log takes a lock that no other connection shares.
    let mode: Result<String, _> = sqlx::query("PRAGMA journal_mode = DELETE")
        .fetch_one(&mut connection)
        .await
        .and_then(|row| row.try_get(0));
    connection.close().await.map_err(|e| failed(&e))?;
    match mode.as_deref() {
        Ok("delete") => Ok(()),
        _ => Err(BackupError::InUse(path.to_owned())),
    }
}
