//! The database that the server uses, seen from outside.

use anyhow::{Context as _, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    SqliteConnection,
};
use std::str::FromStr as _;
use std::time::Duration;
use tandem_store::testing;
use tandem_tests::Tandem;
use tandem_tests::server::Options;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// A fresh one. PostgreSQL runs as long as this is held.
pub(crate) struct Fresh {
    _keep: Option<testing::Database>,
    pub(crate) options: Options,
}

impl Fresh {
    pub(crate) async fn new(kind: Kind) -> Result<Self> {
        let keep = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => Some(testing::postgres().await.context("PostgreSQL was left out")?),
        };
        let options = Options {
            database: keep.as_ref().map(|database| database.url.clone()),
            // A log that is read by nobody would be measured too.
            variables: vec![("TANDEM_LOG".to_owned(), "warn".to_owned())],
            ..Options::default()
        };
        Ok(Self { _keep: keep, options })
    }
}

/// A line to it.
pub(crate) enum Line {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Line {
    pub(crate) async fn open(tandem: &Tandem, fresh: &Fresh) -> Result<Self> {
        if let Some(url) = &fresh.options.database {
            return Ok(Self::Postgres(PgConnection::connect(url).await?));
        }
        let path = tandem.folder().join("tandem.db");
        let options = SqliteConnectOptions::from_str(&format!("sqlite:{}", path.display()))?;
        let connection = options.busy_timeout(Duration::from_secs(30)).connect().await?;
        Ok(Self::Sqlite(connection))
    }

    /// Runs statements.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(line) => line.execute(sqlx::raw_sql(sql)).await.map(drop)?,
            Self::Postgres(line) => line.execute(sqlx::raw_sql(sql)).await.map(drop)?,
        }
        Ok(())
    }

    /// The whole numbers of the first row.
    pub(crate) async fn numbers<const N: usize>(&mut self, sql: &str) -> Result<[i64; N]> {
        let sql = AssertSqlSafe(sql.to_owned());
        let mut out = [0; N];
        match self {
            Self::Sqlite(line) => {
                let row = sqlx::query(sql).fetch_one(line).await?;
                for (at, number) in out.iter_mut().enumerate() {
                    *number = row.try_get::<Option<i64>, _>(at)?.unwrap_or(0);
                }
            }
            Self::Postgres(line) => {
                let row = sqlx::query(sql).fetch_one(line).await?;
                for (at, number) in out.iter_mut().enumerate() {
                    *number = row.try_get::<Option<i64>, _>(at)?.unwrap_or(0);
                }
            }
        }
        Ok(out)
    }
}
