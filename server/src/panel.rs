//! What is known of the items that are open in Outlook: kept for a few minutes, so that going back to a mail asks nobody.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tandem_sync::model::ItemId;
use tandem_types::{ConnectionId, ItemLinks, NotSaved, PersonView, SaveRule, Timestamp};

/// How long what Salesforce said is shown again.
const KEPT_SECONDS: i64 = 600;
/// Items of all connections together.
const MOST: usize = 2_000;
/// Ids of all connections together: they do not grow old.
const MOST_IDS: usize = 20_000;
/// A mail server that refused the login is not asked again for a pane before this: each time is a trial of the password.
const REFUSED_SECONDS: i64 = 900;

/// What the providers said of one item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) people: Vec<PersonView>,
    pub(crate) chosen: ItemLinks,
    /// What the rules say; `None`: not asked, or the mailbox does not show it.
    pub(crate) saving: Option<Result<SaveRule, NotSaved>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Panels(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    kept: HashMap<(ConnectionId, String), (Timestamp, Kept)>,
    ids: HashMap<(ConnectionId, String), ItemId>,
    refused: HashMap<ConnectionId, Timestamp>,
}

impl Panels {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held leaves maps that are still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `open`: the item as Outlook names it.
    pub(crate) fn get(&self, connection: &ConnectionId, open: &str, now: Timestamp) -> Option<Kept> {
        let inner = self.lock();
        let (at, kept) = inner.kept.get(&(connection.clone(), open.to_owned()))?;
        (now.seconds_since(*at) < KEPT_SECONDS).then(|| kept.clone())
    }

    pub(crate) fn put(&self, connection: &ConnectionId, open: &str, kept: Kept, now: Timestamp) {
        let mut inner = self.lock();
        if inner.kept.len() >= MOST {
            inner
                .kept
                .retain(|_, (at, _)| now.seconds_since(*at) < KEPT_SECONDS);
        }
        if inner.kept.len() >= MOST {
            inner.kept.clear();
        }
        inner
            .kept
            .insert((connection.clone(), open.to_owned()), (now, kept));
    }

    /// Something was written: what was said before may be wrong now.
    pub(crate) fn forget(&self, connection: &ConnectionId) {
        self.lock().kept.retain(|(of, _), _| of != connection);
    }

    /// The mailbox's own id of what Outlook names so.
    pub(crate) fn id(&self, connection: &ConnectionId, outlook: &str) -> Option<ItemId> {
        let key = (connection.clone(), outlook.to_owned());
        self.lock().ids.get(&key).cloned()
    }

    pub(crate) fn note_id(&self, connection: &ConnectionId, outlook: &str, id: ItemId) {
        let mut inner = self.lock();
        if inner.ids.len() >= MOST_IDS {
            inner.ids.clear();
        }
        inner.ids.insert((connection.clone(), outlook.to_owned()), id);
    }

    pub(crate) fn note_refused(&self, connection: &ConnectionId, now: Timestamp) {
        self.lock().refused.insert(connection.clone(), now);
    }

    /// The mail server has refused the login a short time ago.
    pub(crate) fn is_refused(&self, connection: &ConnectionId, now: Timestamp) -> bool {
        let mut inner = self.lock();
        inner
            .refused
            .retain(|_, at| now.seconds_since(*at) < REFUSED_SECONDS);
        inner.refused.contains_key(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(n: u8) -> ConnectionId {
        format!("{n:032x}").parse().unwrap()
    }

    #[test]
    fn what_is_kept_is_one_connections_and_grows_old() {
        let panels = Panels::default();
        let now = Timestamp::from_seconds(1_000);
        let (one, two) = (connection(1), connection(2));
        panels.put(&one, "a", Kept::default(), now);
        panels.put(&two, "a", Kept::default(), now);
        let later = |seconds| now.plus_seconds(seconds);
        assert!(panels.get(&one, "a", later(599)).is_some());
        assert!(panels.get(&one, "a", later(600)).is_none());
        assert!(panels.get(&one, "b", now).is_none());
        panels.forget(&one);
        assert!(panels.get(&one, "a", now).is_none());
        assert!(panels.get(&two, "a", now).is_some());
    }

    #[test]
    fn it_is_bounded_whoever_opens_what() {
        let panels = Panels::default();
        let now = Timestamp::from_seconds(1_000);
        for n in 0..MOST + 10 {
            panels.put(&connection(1), &n.to_string(), Kept::default(), now);
        }
        assert!(panels.lock().kept.len() <= MOST);
        for n in 0..MOST_IDS + 10 {
            panels.note_id(&connection(1), &n.to_string(), ItemId("x".to_owned()));
        }
        assert!(panels.lock().ids.len() <= MOST_IDS);
    }

    #[test]
    fn a_refused_password_rests() {
        let panels = Panels::default();
        let now = Timestamp::from_seconds(1_000);
        panels.note_refused(&connection(1), now);
        assert!(panels.is_refused(&connection(1), now.plus_seconds(899)));
        assert!(!panels.is_refused(&connection(2), now));
        assert!(!panels.is_refused(&connection(1), now.plus_seconds(900)));
    }
}
