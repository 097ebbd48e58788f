//! The database of a running server, seen and touched from outside: time that passes, and a witness of who holds what.
//!
//! The witness are triggers in PostgreSQL, which know nothing of our code: they note each lease that is taken, and
//! whatever breaks the rule that one process at a time works for a connection.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};

/// How long everything may take to come to rest.
const PATIENCE: Duration = Duration::from_mins(1);

const WITNESS: &str = "
CREATE TABLE witness (n BIGSERIAL PRIMARY KEY, connection_id TEXT, worker TEXT, wrong TEXT);

CREATE FUNCTION witness_lease() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moment BIGINT := (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT;
BEGIN
    IF NEW.lease_session IS NOT NULL AND NEW.lease_session IS DISTINCT FROM OLD.lease_session THEN
        INSERT INTO witness (connection_id, worker, wrong) VALUES (NEW.id, NEW.lease_worker,
            CASE WHEN NEW.fence <= OLD.fence THEN 'a lease without a new fence'
                 WHEN OLD.lease_session IS NOT NULL AND OLD.lease_until > moment THEN 'a lease that another one holds'
            END);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER witness_lease BEFORE UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION witness_lease();

CREATE FUNCTION witness_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = NEW.connection_id AND c.lease_session = NEW.session_id) THEN
        INSERT INTO witness (connection_id, wrong) VALUES (NEW.connection_id, 'a step without its lease');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER witness_step BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION witness_step();
";

/// One database, by a way of its own: it is reached while the servers do not reach theirs.
#[derive(Clone, Debug)]
pub struct Clockwork {
    url: String,
}

/// What the witness saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Leases that were taken.
    pub leases: i64,
    /// By so many different processes.
    pub workers: i64,
}

impl Clockwork {
    /// `sqlite:PATH` or `postgres://…`, as in the configuration.
    pub fn of(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// Some statements.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await?;
            connection.execute(AssertSqlSafe(sql.to_owned())).await?;
            connection.close().await?;
        } else {
            let mut connection = PgConnection::connect(&self.url).await?;
            connection.execute(AssertSqlSafe(sql.to_owned())).await?;
            connection.close().await?;
        }
        Ok(())
    }

    /// The whole numbers of the first row.
    pub async fn numbers(&self, sql: &str) -> Result<Vec<i64>> {
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await?;
            let row = sqlx::query(AssertSqlSafe(sql.to_owned()))
                .fetch_one(&mut connection)
                .await?;
            let all = (0..row.len()).map(|n| row.try_get(n)).collect::<Result<_, _>>();
            connection.close().await?;
            Ok(all?)
        } else {
            let mut connection = PgConnection::connect(&self.url).await?;
            let row = sqlx::query(AssertSqlSafe(sql.to_owned()))
                .fetch_one(&mut connection)
                .await?;
            let all = (0..row.len()).map(|n| row.try_get(n)).collect::<Result<_, _>>();
            connection.close().await?;
            Ok(all?)
        }
    }

    /// The interval has passed: every connection is due, also those that a session has in hand.
    pub async fn all_due(&self) -> Result<()> {
        let due = "UPDATE connections SET due_at = 1, \
                   woken = CASE WHEN lease_session IS NOT NULL THEN 1 ELSE woken END WHERE state = 'active'";
        self.execute(due).await?;
        if !self.url.starts_with("sqlite:") {
            // As the server's own clock would: an idle worker looks at once.
            self.execute("NOTIFY tandem_due").await?;
        }
        Ok(())
    }

    /// Everybody is due once within so many microseconds from that moment on, as those are who came one after the other.
    pub async fn spread(&self, from: i64, over: i64) -> Result<()> {
        let later = if self.url.starts_with("sqlite:") {
            format!("abs(random()) % {over}")
        } else {
            format!("(random() * {over})::BIGINT")
        };
        self.execute(&format!(
            "UPDATE connections SET due_at = {from} + {later} WHERE state = 'active'"
        ))
        .await
    }

    /// Microseconds since 1970, as the servers count them.
    pub async fn now(&self) -> Result<i64> {
        let sql = if self.url.starts_with("sqlite:") {
            "SELECT CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
        } else {
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT"
        };
        Ok(self.numbers(sql).await?[0])
    }

    /// Waits until `wanted` is what the query's first number says.
    pub async fn until(&self, what: &str, sql: &str, wanted: impl Fn(i64) -> bool) -> Result<()> {
        let mut last = 0;
        let look = async {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            loop {
                every.tick().await;
                last = self.numbers(sql).await?.first().copied().unwrap_or_default();
                if wanted(last) {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, look).await {
            Ok(done) => done,
            Err(_) => bail!("waited in vain for {what}: {last}"),
        }
    }

    /// Waits until nobody has anything to do any more.
    pub async fn until_at_rest(&self) -> Result<()> {
        self.until(
            "the end of all sessions",
            "SELECT COUNT(*) FROM connections WHERE state = 'active' AND (lease_session IS NOT NULL OR due_at <= 1)",
            |left| left == 0,
        )
        .await
    }

    /// Whether everybody syncs, and the last session of each was done.
    pub async fn all_went_well(&self) -> Result<bool> {
        let others = "SELECT COUNT(*) FROM connections c WHERE state <> 'active' OR reason IS NOT NULL \
             OR COALESCE((SELECT s.outcome FROM sessions s WHERE s.connection_id = c.id \
             ORDER BY s.started_at DESC, s.fence DESC LIMIT 1), '') <> 'done'";
        Ok(self.numbers(others).await? == [0])
    }

    /// Calls the witness, on PostgreSQL.
    pub async fn watch(&self) -> Result<()> {
        self.execute(WITNESS).await
    }

    /// # Errors
    /// Two worked for one connection at the same time, or one wrote what was not its any more.
    pub async fn seen(&self) -> Result<Seen> {
        let wrong = "SELECT COUNT(*) FROM witness WHERE wrong = ";
        for what in [
            "a lease without a new fence",
            "a lease that another one holds",
            "a step without its lease",
        ] {
            let times = self.numbers(&format!("{wrong}'{what}'")).await?;
            ensure!(times == [0], "{what}, {times:?} times");
        }
        let all = self
            .numbers("SELECT COUNT(*), COUNT(DISTINCT worker) FROM witness")
            .await?;
        Ok(Seen {
            leases: all[0],
            workers: all[1],
        })
    }
}
