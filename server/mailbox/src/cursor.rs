//! Where the reading of a mailbox goes on. Kept in the store as JSON; opaque to everyone else.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_sync::model::Cursor;
use tandem_sync::{Fault, FaultKind};

use crate::map::Places;

/// Raised when a cursor of before cannot be read any more; such a cursor is expired.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    v: u32,
    /// The default folder.
    pub(crate) contacts: FolderState,
    /// *Salesforce Contacts*; missing: it did not exist when the cursor was made.
    pub(crate) salesforce: Option<FolderState>,
    /// Deleted Items.
    pub(crate) deleted: String,
    pub(crate) pull: Option<Pull>,
    /// Rounds that go without asking for a subscription, on a server that gave none.
    pub(crate) pause: u16,
    /// Folders of this round that are not read to their end. Empty: the next call begins a round.
    pub(crate) todo: BTreeSet<Which>,
    /// Folders that are to be read although nothing moves, and how often yet: an event told of a change that was not
    /// listed there.
    pub(crate) again: BTreeMap<Which, u8>,
    /// This round lists everything.
    pub(crate) full: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FolderState {
    pub(crate) id: String,
    /// `SyncState`; none: from the beginning.
    pub(crate) state: Option<String>,
}

/// A pull subscription over both folders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pull {
    pub(crate) id: String,
    pub(crate) watermark: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    Salesforce,
    Contacts,
}

impl State {
    /// From the beginning.
    pub(crate) fn new(places: &Places) -> Self {
        let folder = |id: &String| FolderState {
            id: id.clone(),
            state: None,
        };
        let mut state = Self {
            v: VERSION,
            contacts: folder(&places.contacts),
            salesforce: places.salesforce.as_ref().map(folder),
            deleted: places.deleted.clone(),
            pull: None,
            pause: 0,
            todo: BTreeSet::new(),
            again: BTreeMap::new(),
            full: true,
        };
        state.todo = state.all();
        state
    }

    pub(crate) fn all(&self) -> BTreeSet<Which> {
        let mut all = BTreeSet::from([Which::Contacts]);
        if self.salesforce.is_some() {
            all.insert(Which::Salesforce);
        }
        all
    }

    pub(crate) fn folder(&mut self, which: Which) -> Option<&mut FolderState> {
        match which {
            Which::Contacts => Some(&mut self.contacts),
            Which::Salesforce => self.salesforce.as_mut(),
        }
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        let folders = [Some(&self.contacts), self.salesforce.as_ref()];
        folders.into_iter().flatten().map(|f| f.id.as_str()).collect()
    }

    pub(crate) fn places(&self) -> Places {
        Places {
            contacts: self.contacts.id.clone(),
            deleted: self.deleted.clone(),
            salesforce: self.salesforce.as_ref().map(|f| f.id.clone()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_and_foreign_ones_are_expired() {
        let places = Places {
            contacts: "c".to_owned(),
            deleted: "d".to_owned(),
            salesforce: Some("s".to_owned()),
        };
        let state = State::new(&places);
        assert_eq!(state.all(), BTreeSet::from([Which::Contacts, Which::Salesforce]));
        let cursor = state.cursor().unwrap();
        assert_eq!(State::parse(&cursor).unwrap(), state);
        assert_eq!(state.places(), places);
        for foreign in [
            "",
            "{}",
            "null",
            "delta?token=x",
            &cursor.0.replace("\"v\":1", "\"v\":2"),
        ] {
            let fault = State::parse(&Cursor(foreign.to_owned())).unwrap_err();
            assert_eq!(fault.kind, FaultKind::CursorExpired, "{foreign}");
        }
    }
}
