//! What a mailbox in Office 365 does otherwise than one behind Exchange Web Services, by the letter of the Graph connector
//! (`tandem_mailbox::graph`).
//!
//! - A move keeps the id; a task is named by its list too, and gets another one. The folder that an item left says that it
//!   is gone from there, under the id that it still has.
//! - An event that lies outside of the window is told as one that is not there.
//! - The token of one kind's delta may run out: that kind alone is listed anew, and mails without a word of it.
//! - Events and tasks that were deleted are not found by their ids any more, and nothing but a mail is ever brought back.
//! - What Microsoft would tell others of is refused.
//! - Only events have a word by which a create that comes twice is known.

use std::collections::BTreeMap;

use tandem_sync::model::{
    Change, Fate, Field, FieldValue, ItemId, Outcome, Part, Refusal, Trace, Want, Window, Write,
};
use tandem_types::{IssueCode, ItemKind};

use crate::dice::Dice;
use crate::truth::Home;
use crate::world::{DAY, Item, World};

/// The first seed whose mailboxes may be in the cloud. Those before are as they always were.
pub const FIRST_SEED: u64 = 100_000;

/// The first seed of the long runs: worlds of all sorts, also such with both mailboxes on-premises.
pub const MIXED_FROM: u64 = 1_000_000;

/// Which mailboxes of a world are in the cloud: drawn by themselves, so that nothing else is drawn otherwise.
pub fn draw(seed: u64) -> [bool; 2] {
    if seed < FIRST_SEED {
        return [false; 2];
    }
    let dice = &mut Dice::new(seed ^ 0x6a09_e667_f3bc_c908);
    // One, the other, or both: a world of two mailboxes on-premises is every seed before.
    let kinds = [[true, false], [false, true], [true, true], [false, false]];
    let drawn = if seed < MIXED_FROM { 3 } else { 4 };
    *dice.pick(&kinds[..drawn])
}

impl World {
    pub fn in_cloud(&self, home: Home) -> bool {
        matches!(home, Home::Box(conn) if self.config.cloud[conn])
    }

    /// An item went to another folder of its mailbox.
    pub fn moved(&mut self, home: Home, index: usize) {
        if !self.in_cloud(home) || self.item(home, index).kind == ItemKind::Task {
            self.rename(home, index);
            return;
        }
        let id = self.item(home, index).id.clone();
        let shelf = self.shelf_mut(home);
        shelf.log.push((index, Some(id)));
        shelf.log.push((index, None));
        self.counters.count("cloud", "moved under its id");
    }

    /// Whether the calendar's delta leaves this event out: its stretch is a little wider than what is wanted.
    pub fn out_of_sight(&mut self, home: Home, index: usize, want: &Want) -> bool {
        let stretch = Window {
            from: want.events.from.plus_seconds(-DAY),
            to: want.events.to.plus_seconds(2 * DAY),
        };
        let item = self.item(home, index);
        let out = item.kind == ItemKind::Event && item.when().is_some_and(|when| !when.is_in(stretch));
        if out {
            self.counters
                .count("cloud", "event outside of the delta's window");
        }
        out
    }

    /// What a page says last: an item that is shown was read after every delta.
    pub fn newest(items: &mut Vec<Change>) {
        let here: Vec<ItemId> = items
            .iter()
            .filter_map(|change| match change {
                Change::Present(snapshot) => Some(snapshot.id.clone()),
                _ => None,
            })
            .collect();
        items.retain(|change| !matches!(change, Change::Absent(id) if here.contains(id)));
    }

    /// What became of an item that is not listed any more.
    pub fn fate_in_cloud(&mut self, home: Home, conn: usize, trace: &Trace) -> Fate {
        let items = &self.shelf(home).items;
        // Deleted Items shows contacts and mails under their ids, and nothing shows what is purged.
        let shows = |item: &Item| match item.gone {
            None => true,
            Some(gone) => !gone.purged && matches!(item.kind, ItemKind::Contact | ItemKind::Email),
        };
        let by_id = self.find(home, &trace.id).filter(|index| shows(&items[*index]));
        let carries = |item: &Item| item.kind == trace.kind && item.key.as_ref() == Some(&trace.key);
        let alive = (0..items.len()).find(|index| items[*index].here() && carries(&items[*index]));
        let meeting = trace.meeting.as_ref().filter(|_| !trace.carried);
        let by_meeting = meeting.and_then(|meeting| {
            (0..items.len()).find(|index| {
                let item = &items[*index];
                item.kind == trace.kind
                    && item.here()
                    && item.event.uid.as_ref() == Some(&meeting.uid)
                    && item.event.original_start == meeting.original_start
            })
        });
        let gone = |index: &usize| !items[*index].here();
        let found = match by_id {
            // A copy that is alive outweighs one that lies in Deleted Items.
            Some(index) if gone(&index) => alive.or(Some(index)),
            Some(index) => Some(index),
            None => alive.or(by_meeting),
        };
        match found {
            Some(index) if items[index].unreadable => Fate::Unproved,
            Some(index) if gone(&index) => Fate::Deleted { merged_into: None },
            Some(index) => Fate::Here(Box::new(self.snapshot(home, index, conn))),
            None if trace.carried || meeting.is_some() => {
                self.counters.count("cloud", "deleted, as its key proves");
                Fate::Deleted { merged_into: None }
            }
            None => {
                self.counters.count("cloud", "fate not to be proved");
                Fate::Unproved
            }
        }
    }

    /// Whether Microsoft would send a mail, or the user's copy say what its organizer did not: such a write is refused.
    pub fn loud(&mut self, home: Home, index: usize, write: &Write) -> Option<Outcome> {
        let item = self.item(home, index);
        let invited = item.event.part == Part::Attendee;
        if item.kind != ItemKind::Event || !invited && item.event.attendees.is_empty() {
            return None;
        }
        let fields: Vec<Field> = match write {
            Write::Update { set, .. } => set
                .iter()
                .filter(|(field, value)| **field != Field::Reminder && **value != FieldValue::Unknown)
                .map(|(field, _)| *field)
                .collect(),
            Write::Delete { .. } => Vec::new(),
            Write::Create { .. } => return None,
        };
        if fields.is_empty() && matches!(write, Write::Update { .. }) {
            return None;
        }
        self.counters.count("cloud", "refused: others would be told");
        Some(by_the_user(fields))
    }

    /// Takes a delete back, as far as a program can.
    pub fn bring_back(&mut self, home: Home, conn: usize, trace: &Trace) -> Outcome {
        let items = &self.shelf(home).items;
        let by_id = self.find(home, &trace.id);
        let alive = (0..items.len())
            .find(|index| items[*index].here() && items[*index].key.as_ref() == Some(&trace.key));
        let Some(index) = by_id.filter(|index| items[*index].here()).or(alive).or(by_id) else {
            return match trace.kind {
                ItemKind::Event | ItemKind::Task => by_the_user(Vec::new()),
                ItemKind::Contact | ItemKind::Email => Outcome::Missing,
            };
        };
        match self.item(home, index).gone {
            None => {}
            Some(_) if matches!(trace.kind, ItemKind::Event | ItemKind::Task) => {
                return by_the_user(Vec::new());
            }
            Some(gone) if gone.purged => return Outcome::Missing,
            Some(_) if trace.kind == ItemKind::Contact => {
                self.counters.count("cloud", "not brought back");
                return by_the_user(Vec::new());
            }
            Some(_) => {
                self.item_mut(home, index).gone = None;
                self.stamp(home, index);
            }
        }
        Outcome::Written {
            now: Box::new(self.snapshot(home, index, conn)),
            replaced: BTreeMap::new(),
            left: None,
        }
    }
}

fn by_the_user(fields: Vec<Field>) -> Outcome {
    Outcome::Refused(Refusal {
        code: IssueCode::ChangeInOutlook,
        message: "in Outlook".to_owned(),
        fields,
        retry: false,
    })
}
