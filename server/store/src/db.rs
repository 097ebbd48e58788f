//! The two databases behind one small face: the same SQL text, values and rows for both.

use std::borrow::Cow;
use std::future::Future;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Connection as _, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction};
use tandem_sync::ports::StoreError;
use tandem_types::{ConnectionId, IssueId, LinkId, OrgId, SessionId, Timestamp, UserId};

/// A statement that takes longer hangs on a network that is gone.
const STATEMENT: Duration = Duration::from_mins(1);
/// To get a connection, or the write lock.
const ACQUIRE: Duration = Duration::from_secs(8);
const BUSY: Duration = Duration::from_secs(15);
/// A connection to the server that was used so short a time ago still lives.
const LIVELY: Duration = Duration::from_secs(1);
/// One of them may be listening all the time, see [`crate::wake`].
const POOL: u32 = 11;
/// `SQLITE_FULL` <https://sqlite.org/rescode.html#full>, and PostgreSQL's `disk_full`
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const NO_ROOM: [&str; 2] = ["13", "53100"];

/// One database. SQLite has one writing connection per process, so that writers queue instead of polling its lock.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Pg(PgPool),
}

/// A value to bind; `None` is NULL.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    Int(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

macro_rules! val_from {
    ($($from:ty => |$v:ident| $make:expr;)*) => {$(
        impl From<$from> for Val {
            fn from($v: $from) -> Self { $make }
        }
    )*};
}

val_from! {
    i64 => |v| Self::Int(Some(v));
    Option<i64> => |v| Self::Int(v);
    u32 => |v| Self::Int(Some(i64::from(v)));
    bool => |v| Self::Int(Some(i64::from(v)));
    Timestamp => |v| Self::Int(Some(v.0));
    Option<Timestamp> => |v| Self::Int(v.map(|t| t.0));
    &str => |v| Self::Text(Some(v.to_owned()));
    String => |v| Self::Text(Some(v));
    &String => |v| Self::Text(Some(v.clone()));
    Option<&str> => |v| Self::Text(v.map(str::to_owned));
    Option<String> => |v| Self::Text(v);
    Vec<u8> => |v| Self::Blob(Some(v));
    Option<Vec<u8>> => |v| Self::Blob(v);
    &[u8; 32] => |v| Self::Blob(Some(v.to_vec()));
    &OrgId => |v| Self::Text(Some(v.as_str().to_owned()));
    &UserId => |v| Self::Text(Some(v.as_str().to_owned()));
    &ConnectionId => |v| Self::Text(Some(v.as_str().to_owned()));
    &SessionId => |v| Self::Text(Some(v.as_str().to_owned()));
    &LinkId => |v| Self::Text(Some(v.as_str().to_owned()));
    &IssueId => |v| Self::Text(Some(v.as_str().to_owned()));
}

/// `vals![a, b]`: what `$1`, `$2` stand for.
macro_rules! vals {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Val::from($value)),*] };
}
pub(crate) use vals;

macro_rules! bound {
    ($db:ty, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$db>(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Val::Int(v) => query.bind(v),
                Val::Text(v) => query.bind(v),
                Val::Blob(v) => query.bind(v),
            };
        }
        query
    }};
}

/// SQL text: a constant, or put together from constants only.
pub(crate) type Sql = Cow<'static, str>;

async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(STATEMENT, work).await {
        Ok(done) => done.map_err(|e| failed(&e)),
        Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
    }
}

/// The kind of a driver's error. Its text names statements and constraints, no values.
pub(crate) fn failed(error: &sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    match error {
        E::Database(e) if e.is_unique_violation() => StoreError::Taken("row"),
        E::Database(e) if e.code().is_some_and(|code| NO_ROOM.contains(&&*code)) => {
            StoreError::Full(error.to_string())
        }
        E::ColumnDecode { .. } | E::Decode(_) | E::ColumnNotFound(_) | E::TypeNotFound { .. } => {
            StoreError::Corrupt(error.to_string())
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

impl Db {
    pub(crate) async fn connect(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
        {
            return Self::sqlite(Path::new(path)).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // The URL may hold a password: its own text never goes into an error.
            let options = PgConnectOptions::from_str(url)
                .map_err(|_| StoreError::Unavailable("the database's URL cannot be read".to_owned()))?
                .application_name("tandem")
                .options([
                    ("statement_timeout", "50s"),
                    ("idle_in_transaction_session_timeout", "120s"),
                ]);
            let pool = PgPoolOptions::new()
                .max_connections(POOL)
                .acquire_timeout(ACQUIRE)
                // A question more for each statement, where most connections were used a moment ago.
                .test_before_acquire(false)
                .before_acquire(|connection, meta| {
                    Box::pin(async move {
                        if meta.idle_for > LIVELY {
                            connection.ping().await?;
                        }
                        Ok(true)
                    })
                });
            return within(pool.connect_with(options)).await.map(Self::Pg);
        }
        Err(StoreError::Unavailable(
            "a database's URL begins with sqlite: or postgres://".to_owned(),
        ))
    }

    async fn sqlite(path: &Path) -> Result<Self, StoreError> {
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err(StoreError::Unavailable(
                "sqlite: needs the path of a file".to_owned(),
            ));
        }
        create_private(path).map_err(|e| StoreError::Unavailable(format!("{}: {e}", path.display())))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // A key that is shredded, and what it sealed, is overwritten in the file.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY);
        let write = within(
            SqlitePoolOptions::new()
                .max_connections(1)
                .min_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(BUSY + ACQUIRE)
                // There is no server that could be gone.
                .test_before_acquire(false)
                // A transaction that SQLite itself has rolled back, on a full disk, is taken for open ever after.
                .before_acquire(|connection, _| {
                    let open = connection.is_in_transaction();
                    Box::pin(async move { Ok(!open) })
                })
                .connect_with(options.clone()),
        )
        .await?;
        let read = within(
            SqlitePoolOptions::new()
                .max_connections(POOL)
                .acquire_timeout(ACQUIRE)
                .test_before_acquire(false)
                .connect_with(options),
        )
        .await?;
        Ok(Self::Sqlite { read, write })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Pg(_) => "PostgreSQL",
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Self::Pg(pool) => pool.close().await,
        }
    }

    /// Takes what was overwritten out of SQLite's second file as well, if no reader is in the way.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite { write, .. } => {
                let checkpoint = sqlx::query::<Sqlite>("PRAGMA wal_checkpoint(TRUNCATE)");
                within(checkpoint.fetch_all(write)).await.map(|_| ())
            }
            Self::Pg(_) => Ok(()),
        }
    }

    /// A writing transaction. Rolled back when dropped.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match self {
            Self::Sqlite { write, .. } => within(write.begin_with("BEGIN IMMEDIATE")).await.map(Tx::Sqlite),
            // By a task of its own: who is dropped while the server begins leaves a connection in the pool of which the
            // driver does not know that it is in a transaction, and what others write there later is not committed.
            Self::Pg(pool) => {
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await });
                let begun = async { begun.await.map_err(|_| sqlx::Error::WorkerCrashed)? };
                within(begun).await.map(Tx::Pg)
            }
        }
    }

    /// Reads outside of a transaction.
    pub(crate) async fn rows(&self, sql: impl Into<Sql>, values: Vec<Val>) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite { read, .. } => within(bound!(Sqlite, sql, values).fetch_all(read))
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Self::Pg(pool) => within(bound!(Postgres, sql, values).fetch_all(pool))
                .await
                .map(|rows| rows.into_iter().map(Row::Pg).collect()),
        }
    }

    pub(crate) async fn row(&self, sql: impl Into<Sql>, values: Vec<Val>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// One writing statement; answers the number of rows.
    pub(crate) async fn exec(&self, sql: impl Into<Sql>, values: Vec<Val>) -> Result<u64, StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite { write, .. } => within(bound!(Sqlite, sql, values).execute(write))
                .await
                .map(|done| done.rows_affected()),
            Self::Pg(pool) => within(bound!(Postgres, sql, values).execute(pool))
                .await
                .map(|done| done.rows_affected()),
        }
    }

    /// One writing statement with `RETURNING`.
    pub(crate) async fn write_row(
        &self,
        sql: impl Into<Sql>,
        values: Vec<Val>,
    ) -> Result<Option<Row>, StoreError> {
        let mut tx = self.begin().await?;
        let row = tx.row(sql, values).await?;
        tx.commit().await?;
        Ok(row)
    }
}

/// The file and what SQLite makes beside it are for this user only.
#[cfg(unix)]
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(|_| ())
}

#[cfg(not(unix))]
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map(|_| ())
}

/// A writing transaction. Rolled back when dropped.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Pg(Transaction<'static, Postgres>),
}

impl Tx {
    /// What follows a SELECT whose rows will be written. SQLite has locked everything already.
    pub(crate) const fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Pg(_) => " FOR UPDATE",
        }
    }

    /// As [`Tx::for_update`], passing over rows that another transaction has in hand.
    pub(crate) const fn skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Pg(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// `($1, $2), ($3, $4)`: the places of `rows` rows of `columns` columns, the first in their statement. SQLite knows the
    /// place of a question mark; a name it would look for in a list of all names, for each of a thousand values.
    pub(crate) fn places(&self, rows: usize, columns: usize) -> String {
        match self {
            Self::Sqlite(_) => places(rows, columns, |_| "?".to_owned()),
            Self::Pg(_) => places(rows, columns, |n| format!("${n}")),
        }
    }

    pub(crate) async fn rows(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Val>,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite(tx) => within(bound!(Sqlite, sql, values).fetch_all(&mut **tx))
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Self::Pg(tx) => within(bound!(Postgres, sql, values).fetch_all(&mut **tx))
                .await
                .map(|rows| rows.into_iter().map(Row::Pg).collect()),
        }
    }

    pub(crate) async fn row(
        &mut self,
        sql: impl Into<Sql>,
        values: Vec<Val>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    pub(crate) async fn exec(&mut self, sql: impl Into<Sql>, values: Vec<Val>) -> Result<u64, StoreError> {
        let sql = sql.into();
        match self {
            Self::Sqlite(tx) => within(bound!(Sqlite, sql, values).execute(&mut **tx))
                .await
                .map(|done| done.rows_affected()),
            Self::Pg(tx) => within(bound!(Postgres, sql, values).execute(&mut **tx))
                .await
                .map(|done| done.rows_affected()),
        }
    }

    /// Waits until no other transaction holds the lock of that name; held until this one's end. SQLite has one writer.
    pub(crate) async fn lock(&mut self, name: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Pg(_) => self
                .exec(
                    "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                    vals![name],
                )
                .await
                .map(|_| ()),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => within(tx.commit()).await,
            Self::Pg(tx) => within(tx.commit()).await,
        }
    }
}

/// A row read.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Pg(PgRow),
}

macro_rules! column {
    ($self:ident, $type:ty, $name:ident) => {
        match $self {
            Row::Sqlite(row) => row.try_get::<$type, _>($name),
            Row::Pg(row) => row.try_get::<$type, _>($name),
        }
        .map_err(|e| failed(&e))
    };
}

impl Row {
    pub(crate) fn int(&self, name: &str) -> Result<i64, StoreError> {
        column!(self, i64, name)
    }

    pub(crate) fn opt_int(&self, name: &str) -> Result<Option<i64>, StoreError> {
        column!(self, Option<i64>, name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, StoreError> {
        column!(self, String, name)
    }

    pub(crate) fn opt_text(&self, name: &str) -> Result<Option<String>, StoreError> {
        column!(self, Option<String>, name)
    }

    pub(crate) fn blob(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        column!(self, Vec<u8>, name)
    }

    pub(crate) fn opt_blob(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        column!(self, Option<Vec<u8>>, name)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.int(name)? != 0)
    }

    pub(crate) fn count(&self, name: &str) -> Result<u32, StoreError> {
        u32::try_from(self.int(name)?).map_err(|_| StoreError::Corrupt(format!("{name} is out of range")))
    }

    pub(crate) fn time(&self, name: &str) -> Result<Timestamp, StoreError> {
        self.int(name).map(Timestamp)
    }

    pub(crate) fn opt_time(&self, name: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.opt_int(name)?.map(Timestamp))
    }

    /// An id, or another newtype that parses.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.text(name)?
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("{name} is not valid")))
    }

    pub(crate) fn opt_parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.opt_text(name)?
            .map(|text| {
                text.parse()
                    .map_err(|_| StoreError::Corrupt(format!("{name} is not valid")))
            })
            .transpose()
    }

    /// A word of a closed list.
    pub(crate) fn word<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        parse(&self.text(name)?).ok_or_else(|| StoreError::Corrupt(format!("{name} holds an unknown word")))
    }

    pub(crate) fn opt_word<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        self.opt_text(name)?
            .map(|word| {
                parse(&word).ok_or_else(|| StoreError::Corrupt(format!("{name} holds an unknown word")))
            })
            .transpose()
    }

    /// A SHA-256.
    pub(crate) fn hash(&self, name: &str) -> Result<[u8; 32], StoreError> {
        self.blob(name)?
            .try_into()
            .map_err(|_| StoreError::Corrupt(format!("{name} has not 32 bytes")))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        from_json(&self.text(name)?, name)
    }

    pub(crate) fn opt_json<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        self.opt_text(name)?
            .map(|text| from_json(&text, name))
            .transpose()
    }
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str, name: &str) -> Result<T, StoreError> {
    // The parser's own message could quote the value.
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(format!("{name} cannot be read")))
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(e.to_string()))
}

/// `place` writes the n-th place, from 1.
fn places(rows: usize, columns: usize, place: impl Fn(usize) -> String) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns)
            .map(|column| place(row * columns + column))
            .collect();
        format!("({})", places.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    rows.join(", ")
}

/// Cuts `items` into pieces of a few sizes only, so that few statements are prepared, and those once.
pub(crate) fn pieces<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [64, 8, 1].into_iter().find(|&s| s <= items.len())?;
        let (piece, rest) = items.split_at(size);
        items = rest;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_in_order() {
        for n in [0, 1, 7, 8, 9, 63, 64, 65, 500] {
            let items: Vec<usize> = (0..n).collect();
            let joined: Vec<usize> = pieces(&items).flatten().copied().collect();
            assert_eq!(joined, items);
            assert!(pieces(&items).all(|p| [64, 8, 1].contains(&p.len())));
        }
    }

    #[test]
    fn places_number_through() {
        let numbered = |n: usize| format!("${n}");
        assert_eq!(places(2, 2, numbered), "($1, $2), ($3, $4)");
        assert_eq!(places(0, 2, numbered), "");
        assert_eq!(places(1, 3, |_| "?".to_owned()), "(?, ?, ?)");
    }
}
