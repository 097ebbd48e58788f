//! What users did. Nothing of the engine is used here: the oracle reads values its own way.

use std::collections::BTreeMap;

use tandem_sync::model::{Field, FieldRule};
use tandem_types::{Side, Timestamp};

/// Every word that a user of the simulation writes begins so: in a log it would be a leak.
pub const WORD: &str = "zq";

/// Where an item lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The mailbox of the connection with this number.
    Box(usize),
    Org,
}

impl Home {
    /// Where both halves of this connection's pairs live.
    pub const fn of_pair(conn: usize) -> [Self; 2] {
        [Self::Box(conn), Self::Org]
    }

    pub const fn side(self) -> Side {
        match self {
            Self::Box(_) => Side::Mailbox,
            Self::Org => Side::Crm,
        }
    }
}

/// A value that a user wrote.
#[derive(Clone, Debug)]
pub struct Edit {
    /// When, in the order of everything that happens.
    pub seq: u64,
    pub at: Timestamp,
    pub home: Home,
    pub item: usize,
    pub soul: usize,
    pub field: Field,
    /// Empty: cleared.
    pub value: String,
    /// What stood there before.
    pub over: String,
    /// Something made of it was written to the other side.
    pub carried: bool,
    /// It was replaced by a write of ours that had no right to forget it: the journal must hold it.
    pub lost: Option<Lost>,
}

/// How a value was lost.
#[derive(Clone, Debug)]
pub struct Lost {
    pub run: usize,
    /// The side took the write without asking for the version: nobody could know.
    pub unseen: bool,
}

/// All that users did, and which items are the same thing.
#[derive(Debug, Default)]
pub struct Truth {
    pub edits: Vec<Edit>,
    said: BTreeMap<(usize, Field), Vec<usize>>,
    groups: Vec<usize>,
    members: Vec<Vec<usize>>,
    words: u64,
}

impl Truth {
    /// A new thing in the world: a person, a meeting, a mail. Its items on all sides share it.
    pub fn soul(&mut self) -> usize {
        let soul = self.groups.len();
        self.groups.push(soul);
        self.members.push(vec![soul]);
        soul
    }

    pub fn root(&self, mut soul: usize) -> usize {
        while self.groups[soul] != soul {
            soul = self.groups[soul];
        }
        soul
    }

    pub fn same(&self, a: usize, b: usize) -> bool {
        self.root(a) == self.root(b)
    }

    /// Two things have become one: a merge, a user's choice.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            let (small, large) = (a.min(b), a.max(b));
            self.groups[large] = small;
            let others = std::mem::take(&mut self.members[large]);
            self.members[small].extend(others);
        }
    }

    /// Whether any of these is this thing.
    pub fn any(&self, of: &std::collections::BTreeSet<usize>, soul: usize) -> bool {
        of.iter().any(|other| self.same(*other, soul))
    }

    /// A number that no value was made of before.
    pub fn number(&mut self) -> u64 {
        self.words += 1;
        self.words
    }

    pub fn word(&mut self) -> String {
        format!("{WORD}{}", self.number())
    }

    pub fn say(&mut self, edit: Edit) -> usize {
        let index = self.edits.len();
        self.said.entry((edit.soul, edit.field)).or_default().push(index);
        self.edits.push(edit);
        index
    }

    /// All that was ever written to this field of this thing, wherever.
    pub fn said(&self, soul: usize, field: Field) -> impl Iterator<Item = &Edit> {
        self.members[self.root(soul)]
            .iter()
            .filter_map(move |other| self.said.get(&(*other, field)))
            .flatten()
            .map(|index| &self.edits[*index])
    }

    pub fn said_indices(&self, soul: usize, field: Field) -> Vec<usize> {
        self.members[self.root(soul)]
            .iter()
            .filter_map(|other| self.said.get(&(*other, field)))
            .flatten()
            .copied()
            .collect()
    }
}

/// How values are compared: white space that nobody sees, the case of an address.
pub fn canon(field: Field, text: &str) -> String {
    match field {
        Field::Body | Field::BusinessStreet | Field::OtherStreet => {
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            lines.join("\n").trim().to_owned()
        }
        Field::Email => text.trim().to_lowercase(),
        Field::Html | Field::MessageId | Field::Thread => text.to_owned(),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

/// What a side holds of a value that is written to it.
pub fn image(field: Field, text: &str, rule: &FieldRule) -> String {
    let text = canon(field, text);
    if let Some(first) = rule.words.first()
        && !text.is_empty()
        && !rule.words.contains(&text.as_str())
    {
        return (*first).to_owned();
    }
    match rule.max_chars {
        Some(max) => canon(
            field,
            &text
                .chars()
                .take(usize::try_from(max).unwrap_or(usize::MAX))
                .collect::<String>(),
        ),
        None => text,
    }
}
