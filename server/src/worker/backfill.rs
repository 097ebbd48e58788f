//! Back-fills: the estimate, the start, the end before its time. The work itself is done by the sessions.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tandem_sync::backfill::estimate as ask;
use tandem_sync::model::Window;
use tandem_sync::ports::{Backfill, Lease, Pick, Store as _, StoreError};
use tandem_types::{ConnectionId, Timestamp};

use super::observe::Watcher;
use super::session::{self, Opened, Ready};
use crate::app::App;
use crate::clock::new_id;

const DAY_SECONDS: i64 = 24 * 3600;
/// Mail older than this is nobody's business any more; and a range has to begin somewhere.
const YEARS_MAX: i64 = 20;
const YEAR_SECONDS: i64 = 366 * 24 * 3600;

/// A range of days, `YYYY-MM-DD` in UTC, both included; `None`: not two days, or an empty range.
pub(crate) fn days(from: &str, to: &str, now: Timestamp) -> Option<Window> {
    let midnight = |text: &str| {
        let day: Date = text.trim().parse().ok()?;
        let at = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(Timestamp::from_seconds(at.as_second()))
    };
    let to = midnight(to)?;
    // Tomorrow in UTC is today for somebody.
    if to > now.plus_seconds(DAY_SECONDS) {
        return None;
    }
    range(midnight(from)?, to.plus_seconds(DAY_SECONDS), now)
}

/// The range, cut to what there can be; `None`: it is empty.
pub(crate) fn range(from: Timestamp, to: Timestamp, now: Timestamp) -> Option<Window> {
    let from = from.max(now.plus_seconds(-YEARS_MAX * YEAR_SECONDS));
    let to = to.min(now);
    (from < to).then_some(Window { from, to })
}

/// About how many mails lie in the range; `None`: another session holds the connection, or the mail server did not
/// answer.
///
/// # Errors
/// The store's, before it began.
pub(crate) async fn estimate(
    app: &App,
    connection: &ConnectionId,
    window: Window,
) -> Result<Option<u32>, StoreError> {
    let pick = Pick::This(connection.clone());
    let id = new_id(app.rng.as_ref());
    let Some(lease) = app
        .store
        .claim(&pick, &app.worker, id, app.clock.now(), app.config.worker_lease)
        .await?
    else {
        return Ok(None);
    };
    let observer = Watcher::new(app.clone(), connection.clone());
    let work = Box::pin(attempt(app, lease.clone(), window, &observer));
    Ok(session::watched(app, &lease, &observer, work).await.flatten())
}

async fn attempt(
    app: &App,
    lease: Lease,
    window: Window,
    observer: &Watcher,
) -> Result<Option<u32>, StoreError> {
    let Opened::Ready(ready) = Ready::open(app, &lease).await? else {
        return Ok(None);
    };
    let found = ask(&ready.context(app, observer, true), lease.clone(), window).await?;
    ready.hand_back(app, &lease, found.closing).await?;
    Ok(found.mails)
}

/// Starts a back-fill, and makes a session due.
///
/// # Errors
/// The store's: [`StoreError::Taken`] where one is under way already.
pub(crate) async fn start(
    app: &App,
    connection: &ConnectionId,
    window: Window,
    total: u32,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let backfill = Backfill {
        from: window.from,
        to: window.to,
        started: now,
        cursor: None,
        done: 0,
        total,
        saved: 0,
        finished: false,
    };
    app.store.start_backfill(connection, &backfill, now).await?;
    app.hub.changed(connection);
    app.hub.wake_worker();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_can_be() {
        let now = Timestamp::from_seconds(YEARS_MAX * YEAR_SECONDS + 1_000);
        let at = Timestamp::from_seconds;
        let cut = |from, to| range(at(from), at(to), now).map(|w| (w.from.seconds(), w.to.seconds()));
        let end = now.seconds();
        assert_eq!(cut(end - 50, end - 10), Some((end - 50, end - 10)));
        assert_eq!(cut(end - 50, end + 10), Some((end - 50, end)));
        assert_eq!(cut(0, end), Some((1_000, end)));
        for (from, to) in [(end - 10, end - 50), (end, end), (end + 5, end + 9), (0, 900)] {
            assert_eq!(cut(from, to), None);
        }
    }

    #[test]
    fn days_are_whole_and_both_are_meant() {
        let now = Timestamp::from_seconds(1_780_000_000);
        let window = days("2026-01-01", " 2026-01-31", now).unwrap();
        assert_eq!(window.to.seconds_since(window.from), 31 * DAY_SECONDS);
        for (from, to) in [
            ("2026-01-31", "2026-01-01"),
            ("2026-02-30", "2026-03-01"),
            ("", "2026-01-01"),
            ("yesterday", "today"),
            ("2090-01-01", "2090-01-02"),
        ] {
            assert_eq!(days(from, to, now), None, "{from} {to}");
        }
    }
}
