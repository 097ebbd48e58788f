use tandem_types::Timestamp;

use crate::db::{from_json, json, vals};
use crate::{Store, StoreError};

/// How long a failed trial counts, in seconds.
pub(crate) const TRIALS_SECONDS: i64 = 15 * 60;

/// Logins are compared without case, as Exchange does.
fn key(login: &str) -> String {
    login.trim().to_lowercase()
}

impl Store {
    /// Notes that a password is about to be tried, and answers how many trials of this mailbox or login the last 15
    /// minutes saw, this one included, over all users. After one that worked: [`Store::clear_trials`].
    pub async fn record_trial(&self, login: &str, now: Timestamp) -> Result<u32, StoreError> {
        let login = key(login);
        let mut tx = self.db.begin().await?;
        // The upsert locks the row: of two trials at once, the second counts the first.
        let row = tx
            .row(
                "INSERT INTO trials (login, times, updated_at) VALUES ($1, '[]', $2) \
                 ON CONFLICT (login) DO UPDATE SET updated_at = $2 RETURNING times",
                vals![&login, now],
            )
            .await?
            .ok_or(StoreError::NotFound("trial"))?;
        let mut times = recent(&row.text("times")?, now)?;
        times.push(now);
        tx.exec(
            "UPDATE trials SET times = $2 WHERE login = $1",
            vals![&login, json(&times)?],
        )
        .await?;
        tx.commit().await?;
        Ok(u32::try_from(times.len()).unwrap_or(u32::MAX))
    }

    /// How many trials the last 15 minutes saw.
    pub async fn trials(&self, login: &str, now: Timestamp) -> Result<u32, StoreError> {
        let row = self
            .db
            .row("SELECT times FROM trials WHERE login = $1", vals![key(login)])
            .await?;
        let Some(row) = row else { return Ok(0) };
        Ok(u32::try_from(recent(&row.text("times")?, now)?.len()).unwrap_or(u32::MAX))
    }

    /// The latest noted trial sent no password after all: it does not count.
    pub async fn forget_trial(&self, login: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let login = key(login);
        let select = "SELECT times FROM trials WHERE login = $1";
        if let Some(row) = tx
            .row(format!("{select}{}", tx.for_update()), vals![&login])
            .await?
        {
            let mut times = recent(&row.text("times")?, now)?;
            times.pop();
            tx.exec(
                "UPDATE trials SET times = $2 WHERE login = $1",
                vals![&login, json(&times)?],
            )
            .await?;
        }
        tx.commit().await
    }

    /// The login worked: earlier failures count no more.
    pub async fn clear_trials(&self, login: &str) -> Result<(), StoreError> {
        self.db
            .exec("DELETE FROM trials WHERE login = $1", vals![key(login)])
            .await
            .map(|_| ())
    }
}

fn recent(times: &str, now: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
    let mut times: Vec<Timestamp> = from_json(times, "times")?;
    times.retain(|t| now.seconds_since(*t) < TRIALS_SECONDS);
    Ok(times)
}
