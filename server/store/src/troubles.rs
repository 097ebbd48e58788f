//! What is told by mail when a connection breaks: what there is to tell, who tells it, and that it was told.

use tandem_types::{ConnectionId, StateReason, Timestamp, UserId};

use crate::db::vals;
use crate::{Store, StoreError};

/// A connection fails for so long before its user is told, in seconds.
const FAILING_SECONDS: i64 = 86_400;

/// Why somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Without the user's sign-in nothing syncs any more.
    NeedsSignIn,
    /// The brake has stopped it.
    Brake,
    /// No session has gone well for a day.
    Failing,
}

impl Trouble {
    const ALL: [Self; 3] = [Self::NeedsSignIn, Self::Brake, Self::Failing];

    /// The word kept in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeedsSignIn => "needs_sign_in",
            Self::Brake => "brake",
            Self::Failing => "failing",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trouble| trouble.as_str() == word)
    }
}

/// A mail that the caller alone is to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubleMail {
    pub connection: ConnectionId,
    pub trouble: Trouble,
    /// When the trouble was first seen.
    pub since: Timestamp,
    /// What else is known of it.
    pub reason: Option<StateReason>,
    /// The user's address in Salesforce.
    pub to: String,
    pub name: String,
    /// `de`; `None`: not known.
    pub language: Option<String>,
    /// This one included.
    pub tries: u32,
}

/// What is the matter now: `id`, `org_id`, `user_id`, `trouble`. `$1`: before that, a last success is a day ago.
const CURRENT: &str = "SELECT c.id, c.org_id, c.user_id, 'needs_sign_in' AS trouble FROM connections c \
     WHERE c.state = 'needs_activation' AND c.mailbox IS NOT NULL \
     UNION ALL SELECT c.id, c.org_id, c.user_id, 'brake' AS trouble FROM connections c \
     WHERE c.state = 'active' AND c.reason = 'stopped_by_brake' \
     UNION ALL SELECT c.id, c.org_id, c.user_id, 'failing' AS trouble FROM connections c \
     WHERE c.state = 'active' AND (c.failures > 0 OR c.rejections > 0) \
     AND (c.reason IS NULL OR c.reason NOT IN ('stopped_by_brake', 'org_brake', 'waiting_for_preview')) \
     AND COALESCE(c.last_success, c.activated_at, c.created_at) <= $1";

impl Store {
    /// Notes the troubles that there are, and forgets those that are over: another state, and a session that went well
    /// since. Safe at any time, in any process.
    pub async fn note_troubles(&self, now: Timestamp) -> Result<(), StoreError> {
        let day = now.plus_seconds(-FAILING_SECONDS);
        // Read first: nothing is written, and no lock taken, while nothing has changed.
        let over = format!(
            "SELECT t.connection_id, t.trouble FROM troubles t JOIN connections c ON c.id = t.connection_id \
             WHERE (c.state = 'deactivated' OR c.last_success > t.since) AND NOT EXISTS \
             (SELECT 1 FROM ({CURRENT}) n WHERE n.id = t.connection_id AND n.trouble = t.trouble)"
        );
        for row in self.db.rows(over, vals![day]).await? {
            self.db
                .exec(
                    "DELETE FROM troubles WHERE connection_id = $1 AND trouble = $2",
                    vals![row.text("connection_id")?, row.text("trouble")?],
                )
                .await?;
        }
        let new = format!(
            "SELECT n.id, n.org_id, n.user_id, n.trouble FROM ({CURRENT}) n WHERE NOT EXISTS \
             (SELECT 1 FROM troubles t WHERE t.connection_id = n.id AND t.trouble = n.trouble)"
        );
        for row in self.db.rows(new, vals![day]).await? {
            self.db
                .exec(
                    "INSERT INTO troubles (connection_id, trouble, org_id, user_id, since, tries, next_at) \
                     VALUES ($1, $2, $3, $4, $5, 0, $5) ON CONFLICT (connection_id, trouble) DO NOTHING",
                    vals![
                        row.text("id")?,
                        row.text("trouble")?,
                        row.text("org_id")?,
                        row.text("user_id")?,
                        now
                    ],
                )
                .await?;
        }
        Ok(())
    }

    /// Takes one mail that is due, for so long as `until`: nobody else is given it before. Only for a trouble that there
    /// still is.
    pub async fn claim_mail(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<TroubleMail>, StoreError> {
        let due = format!(
            "SELECT t.connection_id, t.trouble, t.since, t.tries, c.reason, u.email, u.name, u.language \
             FROM troubles t JOIN connections c ON c.id = t.connection_id JOIN users u ON u.id = t.user_id \
             WHERE t.sent_at IS NULL AND t.next_at <= $2 AND EXISTS \
             (SELECT 1 FROM ({CURRENT}) n WHERE n.id = t.connection_id AND n.trouble = t.trouble) \
             ORDER BY t.next_at, t.connection_id, t.trouble LIMIT 10"
        );
        let day = now.plus_seconds(-FAILING_SECONDS);
        for row in self.db.rows(due, vals![day, now]).await? {
            let tries = row.count("tries")?;
            let mail = TroubleMail {
                connection: row.parsed("connection_id")?,
                trouble: row.word("trouble", Trouble::parse)?,
                since: row.time("since")?,
                reason: row.opt_word("reason", StateReason::parse)?,
                to: row.text("email")?,
                name: row.text("name")?,
                language: row.opt_text("language")?,
                tries: tries.saturating_add(1),
            };
            let taken = self
                .db
                .exec(
                    "UPDATE troubles SET tries = tries + 1, next_at = $3 WHERE connection_id = $1 \
                     AND trouble = $2 AND sent_at IS NULL AND next_at <= $4 AND tries = $5",
                    vals![&mail.connection, mail.trouble.as_str(), until, now, tries],
                )
                .await?;
            // Otherwise another process was first.
            if taken > 0 {
                return Ok(Some(mail));
            }
        }
        Ok(None)
    }

    /// It was told.
    pub async fn mail_sent(&self, mail: &TroubleMail, now: Timestamp) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE troubles SET sent_at = $4 WHERE connection_id = $1 AND trouble = $2 AND since = $3",
                vals![&mail.connection, mail.trouble.as_str(), mail.since, now],
            )
            .await
            .map(|_| ())
    }

    /// It was not: tried again at `next`, or never.
    pub async fn mail_failed(&self, mail: &TroubleMail, next: Option<Timestamp>) -> Result<(), StoreError> {
        self.db
            .exec(
                "UPDATE troubles SET next_at = $4 WHERE connection_id = $1 AND trouble = $2 AND since = $3 \
                 AND sent_at IS NULL",
                vals![&mail.connection, mail.trouble.as_str(), mail.since, next],
            )
            .await
            .map(|_| ())
    }

    /// Notes in which language the user reads, where it is another one than before.
    pub async fn set_language(&self, user: &UserId, language: &str) -> Result<(), StoreError> {
        let row = self
            .db
            .row("SELECT language FROM users WHERE id = $1", vals![user])
            .await?;
        let known = row.map(|row| row.opt_text("language")).transpose()?.flatten();
        if known.as_deref() == Some(language) {
            return Ok(());
        }
        self.db
            .exec(
                "UPDATE users SET language = $2 WHERE id = $1",
                vals![user, language],
            )
            .await
            .map(|_| ())
    }
}
