//! Where the reading of a mailbox goes on. Kept in the store as JSON; opaque to everyone else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use tandem_sync::model::{Cursor, Kinds};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind;

use crate::places::Places;

/// Raised when a cursor of before cannot be read any more; such a cursor is expired.
const VERSION: u32 = 2;
/// With more series than this, it is not remembered which items are series.
const MOST_MASTERS: usize = 4_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    v: u32,
    /// What it was made for.
    pub(crate) kinds: Vec<ItemKind>,
    /// The chosen folders of mail, as the settings name them.
    pub(crate) paths: Vec<String>,
    pub(crate) places: Places,
    /// The folders that are read.
    pub(crate) folders: Vec<FolderState>,
    pub(crate) pull: Option<Pull>,
    /// Rounds that go without asking for a subscription, on a server that gave none.
    pub(crate) pause: u16,
    /// What is left of this round. Empty: the next call begins a round.
    pub(crate) work: VecDeque<Work>,
    /// Folders that are to be read although nothing moves, and how often yet: an event told of a change that was not
    /// listed there.
    pub(crate) again: BTreeMap<String, u8>,
    /// Of these kinds this round lists everything.
    pub(crate) full: Vec<ItemKind>,
    /// Which items of the calendar are series: hashes of their ids. `None`: too many to remember.
    pub(crate) masters: Option<BTreeSet<String>>,
    /// The last change of any mail that was seen, in seconds.
    pub(crate) mails_seen: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FolderState {
    pub(crate) id: String,
    pub(crate) kind: ItemKind,
    /// `SyncState`; none: from the beginning. Folders of mail have none.
    pub(crate) state: Option<String>,
}

/// A pull subscription over all folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) id: String,
    pub(crate) watermark: String,
}

/// A part of a round. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// What changed in a folder of contacts or tasks.
    Sync { folder: String },
    /// A stretch of the calendar.
    View { from: i64, to: i64 },
    /// The mails of a folder that came or went since then (and were changed since then).
    Mails {
        folder: String,
        since: i64,
        modified: Option<i64>,
        offset: u32,
    },
}

impl State {
    /// From the beginning: every folder of the kinds is to be read.
    pub(crate) fn new(kinds: Kinds, paths: &[String], places: &Places) -> Self {
        let mut state = Self {
            v: VERSION,
            kinds: Vec::new(),
            paths: paths.to_vec(),
            places: places.clone(),
            folders: Vec::new(),
            pull: None,
            pause: 0,
            work: VecDeque::new(),
            again: BTreeMap::new(),
            full: Vec::new(),
            masters: Some(BTreeSet::new()),
            mails_seen: None,
        };
        state.set_kinds(kinds);
        state
    }

    pub(crate) fn made_for(&self) -> Kinds {
        self.kinds.iter().copied().collect()
    }

    /// Sets what is read: folders that are new begin anew, others go on. Returns whether any folder came or went.
    pub(crate) fn set_kinds(&mut self, kinds: Kinds) -> bool {
        self.kinds = kinds.iter().collect();
        let old = std::mem::take(&mut self.folders);
        let mut seen = BTreeSet::new();
        for kind in kinds.iter() {
            for id in self.places.of(kind) {
                if !seen.insert(id.to_owned()) {
                    continue;
                }
                let known = old.iter().find(|folder| folder.id == id && folder.kind == kind);
                self.folders.push(known.cloned().unwrap_or_else(|| FolderState {
                    id: id.to_owned(),
                    kind,
                    state: None,
                }));
            }
        }
        let ids = |folders: &[FolderState]| folders.iter().map(|f| f.id.clone()).collect::<BTreeSet<_>>();
        self.again.retain(|id, _| seen.contains(id));
        ids(&old) != ids(&self.folders)
    }

    pub(crate) fn of(&self, kind: ItemKind) -> impl Iterator<Item = &FolderState> {
        self.folders.iter().filter(move |folder| folder.kind == kind)
    }

    pub(crate) fn folder(&mut self, id: &str) -> Option<&mut FolderState> {
        self.folders.iter_mut().find(|folder| folder.id == id)
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.folders.iter().map(|f| f.id.as_str()).collect()
    }

    pub(crate) fn lists_all(&self, kind: ItemKind) -> bool {
        self.full.contains(&kind)
    }

    /// Remembers that an item is a series, or is none.
    pub(crate) fn set_master(&mut self, id: &str, is: bool) {
        let Some(masters) = &mut self.masters else { return };
        if is {
            masters.insert(short(id));
        } else {
            masters.remove(&short(id));
        }
        if masters.len() > MOST_MASTERS {
            self.masters = None;
        }
    }

    /// Whether an item was a series; `None`: not known.
    pub(crate) fn was_master(&self, id: &str) -> Option<bool> {
        self.masters.as_ref().map(|masters| masters.contains(&short(id)))
    }

    pub(crate) fn parse(cursor: &Cursor) -> Result<Self, Fault> {
        let state: Self = serde_json::from_str(&cursor.0).map_err(|error| {
            // The position only: the text may hold ids.
            let place = format!("the cursor cannot be read at column {}", error.column());
            Fault::new(FaultKind::CursorExpired, place)
        })?;
        if state.v == VERSION {
            Ok(state)
        } else {
            Err(Fault::new(
                FaultKind::CursorExpired,
                "the cursor is of another version",
            ))
        }
    }

    pub(crate) fn cursor(&self) -> Result<Cursor, Fault> {
        serde_json::to_string(self)
            .map(Cursor)
            .map_err(|_| Fault::fatal("the cursor cannot be written"))
    }
}

/// An id's hash, FNV-1a with 64 bits: two ids of one calendar that share one cost a listing, nothing more.
pub(crate) fn short(id: &str) -> String {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(id.as_bytes());
    format!("{:016x}", hasher.finish())
}

/// Written out, because the standard library's hashes may change from one release to the next.
struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            contacts: "c".to_owned(),
            deleted: "d".to_owned(),
            calendar: "k".to_owned(),
            tasks: "t".to_owned(),
            inbox: "i".to_owned(),
            sent: "s".to_owned(),
            salesforce: Some("sc".to_owned()),
            salesforce_tasks: None,
            salesforce_emails: Some("se".to_owned()),
            chosen: ["i".to_owned(), "x".to_owned()].into(),
            address: String::new(),
        }
    }

    #[test]
    fn cursors_come_back_and_foreign_ones_are_expired() {
        let mut state = State::new(Kinds::ALL, &["Inbox/x".to_owned()], &places());
        assert_eq!(state.ids(), ["c", "sc", "k", "t", "i", "s", "se", "x"]);
        state.work.push_back(Work::View { from: 1, to: 2 });
        state.set_master("m", true);
        let cursor = state.cursor().unwrap();
        assert_eq!(State::parse(&cursor).unwrap(), state);
        let of_contacts_only = r#"{"v":1,"contacts":{"id":"c","state":null},"salesforce":null,"deleted":"d","pull":null,"pause":0,"todo":[],"again":{},"full":true}"#;
        for foreign in [
            "",
            "{}",
            "null",
            "delta?token=x",
            of_contacts_only,
            &cursor.0.replace("\"v\":2", "\"v\":3"),
        ] {
            let fault = State::parse(&Cursor(foreign.to_owned())).unwrap_err();
            assert_eq!(fault.kind, FaultKind::CursorExpired, "{foreign}");
        }
    }

    #[test]
    fn folders_come_and_go_with_the_kinds() {
        let mut state = State::new(Kinds::of(ItemKind::Contact), &[], &places());
        state.folder("c").unwrap().state = Some("1".to_owned());
        assert!(!state.set_kinds(Kinds::of(ItemKind::Contact)));
        assert!(state.set_kinds(Kinds::of(ItemKind::Contact).with(ItemKind::Task)));
        assert_eq!(
            state.folder("c").unwrap().state.as_deref(),
            Some("1"),
            "it goes on"
        );
        assert!(state.folder("t").unwrap().state.is_none());
        assert!(state.set_kinds(Kinds::of(ItemKind::Task)));
        assert!(state.set_kinds(Kinds::of(ItemKind::Contact)));
        assert!(state.folder("c").unwrap().state.is_none(), "it begins anew");
    }

    #[test]
    fn series_are_remembered_while_they_are_few() {
        let mut state = State::new(Kinds::ALL, &[], &places());
        state.set_master("a", true);
        assert_eq!(
            (state.was_master("a"), state.was_master("b")),
            (Some(true), Some(false))
        );
        state.set_master("a", false);
        assert_eq!(state.was_master("a"), Some(false));
        for n in 0..=MOST_MASTERS {
            state.set_master(&n.to_string(), true);
        }
        assert_eq!(state.was_master("1"), None);
    }
}
