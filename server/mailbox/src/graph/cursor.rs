//! Where the reading of a mailbox goes on. Kept in the store as JSON; opaque to everyone else.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use tandem_sync::model::{Cursor, Kinds, Want, Window};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use super::ground::{CALENDAR, CONTACTS, Ground};
use crate::cursor::short;
use crate::places::Places;

/// Raised when a cursor of before cannot be read any more; such a cursor is expired. The numbers of
/// [`crate::cursor`] are others: a connection that changes over begins anew.
const VERSION: u32 = 1001;
/// With more series than this, it is not remembered which items are series.
const MOST_MASTERS: usize = 4_000;
/// Old mails with our category that were told of lately.
const MOST_MARKED: usize = 1_000;
const DAY: i64 = 86_400;
/// A view reaches so much further than what is wanted, in seconds: before, because whole days begin somewhere on earth
/// earlier than in UTC; after, also because the window slides while the view stands.
const BEFORE: i64 = DAY;
const AFTER: i64 = 2 * DAY;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    v: u32,
    /// What it was made for.
    pub(crate) kinds: Vec<ItemKind>,
    /// The chosen folders of mail, as the settings name them.
    pub(crate) paths: Vec<String>,
    pub(crate) ground: Ground,
    /// What is read.
    pub(crate) sources: Vec<Source>,
    /// The stretch of the calendar that the delta shows, in seconds.
    pub(crate) view: Option<(i64, i64)>,
    /// Mails that came before are in no delta, in seconds.
    pub(crate) mails_since: i64,
    /// The last change of any mail that was seen, in seconds.
    pub(crate) mails_seen: i64,
    /// Hashes of old mails that were marked, and told of, with their times.
    pub(crate) marked: VecDeque<String>,
    /// What is left of this round. Empty: the next call begins a round.
    pub(crate) work: VecDeque<Work>,
    /// Of these kinds this round lists everything.
    pub(crate) full: Vec<ItemKind>,
    /// Which events are series: hashes of their ids. `None`: too many to remember.
    pub(crate) masters: Option<BTreeSet<String>>,
}

/// A folder, a list of tasks, or the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) place: String,
    pub(crate) kind: ItemKind,
    /// Where its delta goes on: a path below the version. None: from the beginning.
    pub(crate) link: Option<String>,
}

/// A part of a round. `next`: a link to the next page; none: the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// More of what changed.
    Walk {
        place: String,
        kind: ItemKind,
        next: String,
    },
    /// To the end of a delta that begins, telling nothing: what is there is listed afterwards, with all that a delta
    /// leaves out.
    Begin {
        place: String,
        kind: ItemKind,
        next: Option<String>,
    },
    /// Everything that is there.
    List {
        place: String,
        kind: ItemKind,
        next: Option<String>,
    },
    /// A stretch of the calendar, in seconds.
    View {
        from: i64,
        to: i64,
        page: usize,
        next: Option<String>,
    },
    /// More of the old mails that were marked.
    Marked { next: String },
}

impl State {
    /// From the beginning.
    pub(crate) fn new(want: &Want, ground: &Ground) -> Self {
        let mut state = Self {
            v: VERSION,
            kinds: Vec::new(),
            paths: want.mail_folders.clone(),
            ground: ground.clone(),
            sources: Vec::new(),
            view: None,
            mails_since: want.mails_since.seconds(),
            mails_seen: want.mails_since.seconds(),
            marked: VecDeque::new(),
            work: VecDeque::new(),
            full: Vec::new(),
            masters: Some(BTreeSet::new()),
        };
        state.set_kinds(want.kinds);
        state
    }

    pub(crate) fn made_for(&self) -> Kinds {
        self.kinds.iter().copied().collect()
    }

    /// Sets what is read: what is new begins anew, the rest goes on.
    pub(crate) fn set_kinds(&mut self, kinds: Kinds) {
        self.kinds = kinds.iter().collect();
        let old = std::mem::take(&mut self.sources);
        for kind in kinds.iter() {
            for place in places_of(&self.ground.places, kind) {
                let known = old
                    .iter()
                    .find(|source| source.place == place && source.kind == kind);
                self.sources.push(known.cloned().unwrap_or(Source {
                    place,
                    kind,
                    link: None,
                }));
            }
        }
    }

    pub(crate) fn source(&mut self, place: &str, kind: ItemKind) -> Option<&mut Source> {
        self.sources
            .iter_mut()
            .find(|source| source.place == place && source.kind == kind)
    }

    pub(crate) fn looks_at(&self, folder: &str) -> bool {
        self.sources
            .iter()
            .any(|source| source.kind == ItemKind::Email && source.place == folder)
    }

    /// Everything of a kind begins anew.
    pub(crate) fn begin_anew(&mut self, kind: ItemKind) {
        for source in self.sources.iter_mut().filter(|source| source.kind == kind) {
            source.link = None;
        }
        if kind == ItemKind::Event {
            self.masters = Some(BTreeSet::new());
        }
        if kind != ItemKind::Email && !self.full.contains(&kind) {
            self.full.push(kind);
        }
    }

    pub(crate) fn lists_all(&self, kind: ItemKind) -> bool {
        self.full.contains(&kind)
    }

    /// Whether the delta of the calendar shows what is wanted, and not much more: its window is frozen in its token.
    pub(crate) fn view_holds(&self, want: Window) -> bool {
        self.view.is_some_and(|(from, to)| {
            let (wanted_from, wanted_to) = (want.from.seconds(), want.to.seconds());
            from <= wanted_from - BEFORE
                && to >= wanted_to + AFTER - DAY
                && wanted_from - from < 3 * DAY
                && to - wanted_to < 4 * DAY
        })
    }

    /// The stretch of a new delta.
    pub(crate) fn set_view(&mut self, want: Window) -> (i64, i64) {
        let view = (want.from.seconds() - BEFORE, want.to.seconds() + AFTER);
        self.view = Some(view);
        view
    }

    pub(crate) fn set_master(&mut self, id: &str) {
        let Some(masters) = &mut self.masters else { return };
        masters.insert(short(id));
        if masters.len() > MOST_MASTERS {
            self.masters = None;
        }
    }

    /// Whether it was a series, as far as it is remembered.
    pub(crate) fn may_be_master(&self, id: &str) -> bool {
        self.masters
            .as_ref()
            .is_none_or(|masters| masters.contains(&short(id)))
    }

    /// Whether this change of an old mail is told for the first time.
    pub(crate) fn is_news(&mut self, id: &str, modified: &str) -> bool {
        let tag = format!("{}{modified}", short(id));
        if self.marked.contains(&tag) {
            return false;
        }
        self.marked.push_back(tag);
        if self.marked.len() > MOST_MARKED {
            self.marked.pop_front();
        }
        true
    }

    pub(crate) fn parse(cursor: &Cursor) -> Result<Self, Fault> {
        let expired = |text: String| Fault::new(FaultKind::CursorExpired, text);
        let state: Self = serde_json::from_str(&cursor.0).map_err(|error| {
            // The position only: the text may hold ids.
            expired(format!("the cursor cannot be read at column {}", error.column()))
        })?;
        if state.v == VERSION {
            Ok(state)
        } else {
            Err(expired("the cursor is of another version".to_owned()))
        }
    }

    pub(crate) fn cursor(&self) -> Result<Cursor, Fault> {
        serde_json::to_string(self)
            .map(Cursor)
            .map_err(|_| Fault::fatal("the cursor cannot be written"))
    }
}

/// What is read for a kind.
pub(crate) fn places_of(places: &Places, kind: ItemKind) -> Vec<String> {
    match kind {
        ItemKind::Event => vec![CALENDAR.to_owned()],
        ItemKind::Contact => std::iter::once(CONTACTS)
            .chain(places.salesforce.as_deref())
            .map(str::to_owned)
            .collect(),
        ItemKind::Task | ItemKind::Email => places.of(kind).into_iter().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use tandem_types::{ContactScope, Timestamp};

    use super::*;

    fn want() -> Want {
        Want {
            kinds: Kinds::ALL,
            events: Window {
                from: Timestamp::from_seconds(100 * DAY),
                to: Timestamp::from_seconds(174 * DAY),
            },
            tasks_since: Timestamp::default(),
            mails_since: Timestamp::default(),
            mail_folders: vec!["Inbox/x".to_owned()],
            contact_scope: ContactScope::Mine,
            contact_list: None,
        }
    }

    fn ground() -> Ground {
        Ground {
            places: Places {
                contacts: CONTACTS.to_owned(),
                calendar: CALENDAR.to_owned(),
                tasks: "t".to_owned(),
                inbox: "i".to_owned(),
                sent: "s".to_owned(),
                salesforce: Some("sc".to_owned()),
                salesforce_emails: Some("se".to_owned()),
                chosen: ["i".to_owned(), "x".to_owned()].into(),
                ..Places::default()
            },
            deleted_entry: "D".to_owned(),
        }
    }

    #[test]
    fn cursors_come_back_and_foreign_ones_are_expired() {
        let mut state = State::new(&want(), &ground());
        let places: Vec<&str> = state.sources.iter().map(|source| source.place.as_str()).collect();
        assert_eq!(places, ["contacts", "sc", "calendar", "t", "i", "s", "se", "x"]);
        state.work.push_back(Work::View {
            from: 1,
            to: 2,
            page: 3,
            next: None,
        });
        let cursor = state.cursor().unwrap();
        assert_eq!(State::parse(&cursor).unwrap(), state);
        for foreign in ["", "{}", "null", &cursor.0.replace("\"v\":1001", "\"v\":2")] {
            let fault = State::parse(&Cursor((*foreign).to_owned())).unwrap_err();
            assert_eq!(fault.kind, FaultKind::CursorExpired, "{foreign}");
        }
    }

    #[test]
    fn a_view_holds_for_about_a_day() {
        let mut state = State::new(&want(), &ground());
        let moved = |seconds: i64| Window {
            from: want().events.from.plus_seconds(seconds),
            to: want().events.to.plus_seconds(seconds),
        };
        assert!(!state.view_holds(moved(0)));
        state.set_view(moved(0));
        assert!(state.view_holds(moved(0)) && state.view_holds(moved(DAY)));
        assert!(
            !state.view_holds(moved(DAY + 1)),
            "the end is not a day away any more"
        );
        assert!(
            !state.view_holds(moved(-DAY - 1)),
            "the settings want earlier ones"
        );
        let wider = Window {
            to: want().events.to.plus_seconds(30 * DAY),
            ..moved(0)
        };
        assert!(!state.view_holds(wider));
    }

    #[test]
    fn kinds_come_and_go() {
        let mut state = State::new(&want(), &ground());
        state.source("sc", ItemKind::Contact).unwrap().link = Some("l".to_owned());
        state.set_kinds(Kinds::of(ItemKind::Contact));
        assert_eq!(state.sources.len(), 2);
        assert_eq!(
            state.source("sc", ItemKind::Contact).unwrap().link.as_deref(),
            Some("l")
        );
        state.begin_anew(ItemKind::Contact);
        assert!(state.source("sc", ItemKind::Contact).unwrap().link.is_none());
        assert!(state.lists_all(ItemKind::Contact));
        assert!(state.is_news("a", "1") && !state.is_news("a", "1") && state.is_news("a", "2"));
    }
}
