use serde::{Deserialize, Serialize};
use tandem_sync::model::{Change, Changes, Cursor, ItemId};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, Timestamp};

use crate::answer::{Page, SubRequest};
use crate::client::Effect;
use crate::describe::Described;
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::{DESCRIBE, Salesforce};
use crate::{soql, times};

const CURSOR_VERSION: u8 = 1;
/// A row's `SystemModstamp` is set before its transaction commits: rows of a long transaction turn up behind the
/// watermark. Reading them twice is harmless.
const OVERLAP_SECONDS: i64 = 600;
/// As long as Salesforce shows what was deleted.
const OLDEST_POLL_SECONDS: i64 = 15 * 24 * 3600;
/// Changed records of other owners that one poll looks at. More of them: something moved many records, and a full
/// listing is cheaper.
const MOST_LEFT: usize = 2000;

/// Where the reading goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    v: u8,
    /// Whose records: another scope needs a full listing.
    mine: bool,
    /// Everything up to this `SystemModstamp` has been seen; `None`: nothing was there yet. Microseconds.
    watermark: Option<Timestamp>,
    /// Our clock at the last poll.
    polled: Timestamp,
    round: Option<Round>,
}

/// A listing that has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Round {
    full: bool,
    /// `nextRecordsUrl`.
    next: String,
    /// The highest stamp of the pages so far.
    seen: Option<Timestamp>,
    /// What the watermark becomes at the end, at least.
    floor: Option<Timestamp>,
}

impl Position {
    fn start(mine: bool) -> Self {
        Self {
            v: CURSOR_VERSION,
            mine,
            watermark: None,
            polled: Timestamp::default(),
            round: None,
        }
    }

    fn parse(cursor: &Cursor, mine: bool) -> Option<Self> {
        let position: Self = serde_json::from_str(&cursor.0).ok()?;
        (position.v == CURSOR_VERSION && position.mine == mine).then_some(position)
    }

    fn cursor(&self) -> Result<Cursor, Failure> {
        serde_json::to_string(self)
            .map(Cursor)
            .map_err(|e| Fault::fatal("a cursor cannot be written").caused_by(e).into())
    }
}

/// The first answer of a round.
struct Opened {
    described: std::sync::Arc<Described>,
    page: Page,
    left: Vec<Change>,
    date: Option<Timestamp>,
}

impl Salesforce {
    pub(crate) async fn list_changes(&self, since: Option<&Cursor>) -> Result<Changes, Failure> {
        let mine = self.account.scope == ContactScope::Mine;
        let now = self.clock.now();
        let Some(cursor) = since else {
            return self.open(Position::start(mine), true, None, now).await;
        };
        let position = Position::parse(cursor, mine)
            .ok_or_else(|| expired("the cursor is another version's or another scope's"))?;
        if now.seconds_since(position.polled) > OLDEST_POLL_SECONDS {
            return Err(expired(
                "the last poll is longer ago than Salesforce shows deletions",
            ));
        }
        let Some(round) = &position.round else {
            let from = position.watermark.map(|w| w.plus_seconds(-OVERLAP_SECONDS));
            return self.open(position, false, from, now).await;
        };
        let (full, seen, floor) = (round.full, round.seen, round.floor);
        match self.rest.next_page(&round.next).await {
            Ok(page) => {
                let described = self.described().await?;
                self.finish(position, &described, page, Vec::new(), full, seen, floor)
            }
            // The rows come in the order of their stamps: what is left begins at the last one seen.
            Err(failure) if is_lost_locator(&failure) => self.open(position, full, seen, now).await,
            Err(failure) => Err(failure),
        }
    }

    /// Begins a listing of what has changed since `from`, in one request.
    async fn open(
        &self,
        mut position: Position,
        full: bool,
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Changes, Failure> {
        position.polled = now;
        let mut described = self.described().await?;
        let mut tries = 0;
        let opened = loop {
            tries += 1;
            match self.ask(&described, full, from, now).await {
                Err(failure) if failure.is_about_fields() && tries < 3 => {
                    described = self.described_anew(&described).await?;
                }
                result => break result?,
            }
        };
        // Where both clocks agree that it is later, a quiet organisation's watermark moves on, and rows that were all
        // written at once are not read again with every poll.
        let floor = opened.date.map(|date| date.min(now));
        let restarted = position.round.take();
        let (seen, floor) = match restarted {
            Some(round) => (round.seen, round.floor),
            None => (None, floor),
        };
        self.finish(
            position,
            &opened.described,
            opened.page,
            opened.left,
            full,
            seen,
            floor,
        )
    }

    async fn ask(
        &self,
        described: &std::sync::Arc<Described>,
        full: bool,
        from: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Opened, Failure> {
        let base = self.base().await?;
        let me = soql::quote(self.account.user.as_str());
        let mine = self.account.scope == ContactScope::Mine;
        let since = from.map(|f| format!("SystemModstamp >= {}", times::literal(f)));
        let mut conditions = Vec::new();
        if mine {
            conditions.push(format!("OwnerId = {me}"));
        }
        conditions.extend(since.clone());
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        let changed = format!(
            "SELECT {} FROM Contact{filter} ORDER BY SystemModstamp, Id",
            described.select
        );
        let mut requests = vec![SubRequest::query("changed", true, &changed)];
        let left_at = match since {
            Some(since) if mine && !full => {
                let left = format!(
                    "SELECT Id,IsDeleted,MasterRecordId FROM Contact WHERE OwnerId != {me} AND {since} \
                     ORDER BY SystemModstamp, Id LIMIT {MOST_LEFT}"
                );
                requests.push(SubRequest::query("left", true, &left));
                Some(requests.len() - 1)
            }
            _ => None,
        };
        let describe_at = self.cache.is_stale(described, now).then(|| {
            requests.push(SubRequest::new("describe", http::Method::GET, DESCRIBE, None));
            requests.len() - 1
        });
        let (mut answers, date) = self.rest.composite(&base, &requests, Effect::None).await?;
        if let Some(at) = describe_at {
            let answer = answers.swap_remove(at);
            // Its failure costs nothing: the old description is good for a while.
            if answer.is_ok()
                && let Some(anew) = self.parse_describe(&answer.body)
            {
                self.remember(anew);
            }
        }
        let mut left = Vec::new();
        if let Some(at) = left_at {
            let page = answers.swap_remove(at).page()?;
            if page.next.is_some() || page.rows.len() >= MOST_LEFT {
                return Err(expired("many records of other owners have changed"));
            }
            for row in &page.rows {
                left.push(gone_or(row, Change::Left)?);
            }
        }
        let page = answers.swap_remove(0).page()?;
        Ok(Opened {
            described: std::sync::Arc::clone(described),
            page,
            left,
            date,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one page, used once")]
    fn finish(
        &self,
        mut position: Position,
        described: &Described,
        page: Page,
        left: Vec<Change>,
        full: bool,
        seen: Option<Timestamp>,
        floor: Option<Timestamp>,
    ) -> Result<Changes, Failure> {
        let reading = self.reading(described);
        let mut items = left;
        let mut seen = seen;
        for row in &page.rows {
            seen = seen.max(map::time(row, "SystemModstamp"));
            items.push(if map::is_deleted(row) {
                gone_or(row, Change::Left)?
            } else {
                let snapshot = reading.snapshot(row)?;
                Change::Present(Box::new(snapshot))
            });
        }
        let more = page.next.is_some();
        position.round = page.next.map(|next| Round {
            full,
            next,
            seen,
            floor,
        });
        if !more {
            // Rows that changed while the pages were read carry stamps past the round's start.
            let end = floor.or(seen);
            position.watermark = if full { end } else { position.watermark.max(end) };
        }
        Ok(Changes {
            items,
            cursor: position.cursor()?,
            more,
            full,
        })
    }
}

fn gone_or(row: &Row, other: impl FnOnce(ItemId) -> Change) -> Result<Change, Failure> {
    let id = map::id_of(row)?;
    Ok(if map::is_deleted(row) {
        Change::Deleted {
            id,
            merged_into: map::merged_into(row),
        }
    } else {
        other(id)
    })
}

fn expired(why: &str) -> Failure {
    Fault::new(FaultKind::CursorExpired, why).into()
}

fn is_lost_locator(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "INVALID_QUERY_LOCATOR" | "NOT_FOUND")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_holds_what_it_says() {
        let mut position = Position::start(true);
        position.watermark = Some(Timestamp(5));
        position.round = Some(Round {
            full: true,
            next: "/services/data/v67.0/query/01g-2000".to_owned(),
            seen: Some(Timestamp(4)),
            floor: None,
        });
        let Ok(cursor) = position.cursor() else {
            panic!("no cursor")
        };
        assert_eq!(Position::parse(&cursor, true), Some(position));
        assert_eq!(Position::parse(&cursor, false), None, "another scope");
        for broken in [
            "",
            "{}",
            "null",
            &cursor.0.replace("\"v\":1", "\"v\":2"),
            &cursor.0[1..],
        ] {
            assert_eq!(
                Position::parse(&Cursor(broken.to_owned()), true),
                None,
                "{broken}"
            );
        }
    }
}
