//! Where the reading goes on: the connector's cursor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_sync::Fault;
use tandem_sync::fan_in::{OVERLAP_SECONDS, Question};
use tandem_sync::model::{Cursor, Kinds, Want};
use tandem_types::{ContactScope, ItemKind, Timestamp, UserId};

use crate::problem::Failure;

const VERSION: u8 = 2;

/// A listing with a watermark of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stream {
    Contacts,
    /// Those that the user owns.
    Events,
    /// The user's invitations, which move without their event and the other way round.
    Invitations,
    Tasks,
}

impl Stream {
    pub(super) const ALL: [Self; 4] = [Self::Contacts, Self::Events, Self::Invitations, Self::Tasks];

    pub(super) const fn kind(self) -> ItemKind {
        match self {
            Self::Contacts => ItemKind::Contact,
            Self::Events | Self::Invitations => ItemKind::Event,
            Self::Tasks => ItemKind::Task,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Contacts => "changed",
            Self::Events => "events",
            Self::Invitations => "invitations",
            Self::Tasks => "tasks",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    v: u8,
    /// Whose contacts: another scope needs a full listing of them.
    pub(super) scope: String,
    /// Of a list view: the members that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) members: Option<u64>,
    /// What the cursor was made for. Everything up to this `SystemModstamp` has been seen; `None`: nothing was there
    /// yet. Microseconds.
    pub(super) marks: BTreeMap<Stream, Option<Timestamp>>,
    /// Our clock at the last poll.
    pub(super) polled: Timestamp,
    /// The number of the integration user's answer that was known at the last question of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<i64>,
    pub(super) round: Option<Round>,
}

/// A listing that has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    /// What is listed in full.
    pub(super) full: BTreeSet<Stream>,
    pub(super) pending: Vec<Pending>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) stream: Stream,
    /// `nextRecordsUrl`.
    pub(super) next: String,
    /// The highest stamp of the pages so far.
    pub(super) seen: Option<Timestamp>,
    /// What the watermark becomes at the end, at least.
    pub(super) floor: Option<Timestamp>,
}

/// The first version: contacts alone.
#[derive(Deserialize)]
struct First {
    v: u8,
    mine: bool,
    watermark: Option<Timestamp>,
    polled: Timestamp,
    round: Option<serde::de::IgnoredAny>,
}

const MINE: &str = "mine";
const ALL: &str = "all";

fn scope_of(want: &Want) -> String {
    match (want.contact_scope, &want.contact_list) {
        (ContactScope::Mine, _) => MINE.to_owned(),
        (ContactScope::AllVisible, _) => ALL.to_owned(),
        (ContactScope::ListView, list) => format!("list {}", list.as_deref().unwrap_or_default()),
    }
}

impl Position {
    pub(super) fn start() -> Self {
        Self {
            v: VERSION,
            scope: String::new(),
            members: None,
            marks: BTreeMap::new(),
            polled: Timestamp::default(),
            told: None,
            round: None,
        }
    }

    /// `None`: not ours, or of a version that says too little.
    pub(super) fn parse(cursor: &Cursor) -> Option<Self> {
        if let Ok(position) = serde_json::from_str::<Self>(&cursor.0) {
            return (position.v == VERSION).then_some(position);
        }
        let first: First = serde_json::from_str(&cursor.0).ok()?;
        (first.v == 1 && first.round.is_none()).then(|| Self {
            scope: if first.mine { MINE } else { ALL }.to_owned(),
            marks: [(Stream::Contacts, first.watermark)].into(),
            polled: first.polled,
            ..Self::start()
        })
    }

    pub(super) fn cursor(&self) -> Result<Cursor, Failure> {
        serde_json::to_string(self)
            .map(Cursor)
            .map_err(|e| Fault::fatal("a cursor cannot be written").caused_by(e).into())
    }

    /// What an incremental question would ask; `None`: it would be more than that. Something is listed in full, or has not
    /// come to its end, or was empty.
    pub(super) fn question(&self, want: &Want, user: &UserId) -> Option<Question> {
        let mut fitted = self.clone();
        let kinds = want.kinds.without(ItemKind::Email);
        fitted.fit(want, kinds);
        let known = |stream: &Stream| !kinds.has(stream.kind()) || fitted.marks.contains_key(stream);
        if self.round.is_some() || !Stream::ALL.iter().all(known) {
            return None;
        }
        // The oldest of all: a listing without a mark is one that nobody has seen anything of.
        let marks: Option<Vec<Timestamp>> = fitted.marks.values().copied().collect();
        Some(Question {
            user: user.clone(),
            kinds,
            contacts: want.contact_scope,
            from: marks?.into_iter().min()?.plus_seconds(-OVERLAP_SECONDS),
            told: self.told.unwrap_or(0),
        })
    }

    /// As after a question that brought nothing.
    pub(super) fn advance(&mut self, until: Timestamp, now: Timestamp) {
        for mark in self.marks.values_mut() {
            *mark = (*mark).max(Some(until));
        }
        self.polled = now;
    }

    /// Forgets what is not wanted any more; what it was not made for is listed in full then.
    pub(super) fn fit(&mut self, want: &Want, kinds: Kinds) {
        let scope = scope_of(want);
        if self.scope != scope {
            self.marks.remove(&Stream::Contacts);
            self.members = None;
            self.scope = scope;
        }
        self.marks.retain(|stream, _| kinds.has(stream.kind()));
        // The two listings of events belong together.
        if !(self.marks.contains_key(&Stream::Events) && self.marks.contains_key(&Stream::Invitations)) {
            self.marks.remove(&Stream::Events);
            self.marks.remove(&Stream::Invitations);
        }
    }
}

impl Round {
    pub(super) const fn nothing() -> Self {
        Self {
            full: BTreeSet::new(),
            pending: Vec::new(),
        }
    }

    pub(super) fn kinds(&self) -> Kinds {
        self.full.iter().map(|stream| stream.kind()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(scope: ContactScope, list: Option<&str>) -> Want {
        let window = tandem_sync::model::Window {
            from: Timestamp(0),
            to: Timestamp(1),
        };
        Want {
            kinds: Kinds::ALL,
            events: window,
            tasks_since: Timestamp(0),
            mails_since: Timestamp(0),
            mail_folders: Vec::new(),
            contact_scope: scope,
            contact_list: list.map(str::to_owned),
        }
    }

    fn position() -> Position {
        Position {
            scope: MINE.to_owned(),
            marks: Stream::ALL.into_iter().map(|s| (s, Some(Timestamp(5)))).collect(),
            round: Some(Round {
                full: BTreeSet::from([Stream::Contacts]),
                pending: vec![Pending {
                    stream: Stream::Contacts,
                    next: "/services/data/v67.0/query/01g-2000".to_owned(),
                    seen: Some(Timestamp(4)),
                    floor: None,
                }],
            }),
            ..Position::start()
        }
    }

    #[test]
    fn a_cursor_holds_what_it_says() {
        let position = position();
        let Ok(cursor) = position.cursor() else {
            panic!("no cursor")
        };
        assert_eq!(Position::parse(&cursor), Some(position));
        for broken in [
            "",
            "{}",
            "null",
            &cursor.0.replace("\"v\":2", "\"v\":3"),
            &cursor.0[1..],
        ] {
            assert_eq!(Position::parse(&Cursor(broken.to_owned())), None, "{broken}");
        }
    }

    #[test]
    fn what_the_first_version_knew_is_understood() {
        let first = Cursor(r#"{"v":1,"mine":true,"watermark":7,"polled":9,"round":null}"#.to_owned());
        let position = Position::parse(&first).unwrap();
        assert_eq!(
            position.marks,
            BTreeMap::from([(Stream::Contacts, Some(Timestamp(7)))])
        );
        assert_eq!((position.scope.as_str(), position.polled), (MINE, Timestamp(9)));
        let midway = Cursor(
            r#"{"v":1,"mine":true,"watermark":7,"polled":9,"round":{"full":true,"next":"/n","seen":null,"floor":null}}"#
                .to_owned(),
        );
        assert_eq!(Position::parse(&midway), None);
    }

    #[test]
    fn what_would_be_asked_is_one_question_or_none() {
        let me: UserId = "005000000000001AAA".parse().unwrap();
        let at = |seconds| Some(Timestamp::from_seconds(seconds));
        let mine = want(ContactScope::Mine, None);
        let mut quiet = position();
        quiet.round = None;
        quiet.marks.insert(Stream::Tasks, at(2_000));
        for stream in [Stream::Contacts, Stream::Events, Stream::Invitations] {
            quiet.marks.insert(stream, at(3_000));
        }
        let question = quiet.question(&mine, &me).unwrap();
        assert_eq!(question.from, Timestamp::from_seconds(1_400));
        assert_eq!(
            (question.kinds, question.told),
            (Kinds::ALL.without(ItemKind::Email), 0)
        );
        // On its way, of another scope, with a kind that is new, or without a mark: more than that.
        assert_eq!(position().question(&mine, &me), None);
        assert_eq!(quiet.question(&want(ContactScope::AllVisible, None), &me), None);
        let mut fewer = quiet.clone();
        fewer.marks.remove(&Stream::Tasks);
        assert_eq!(fewer.question(&mine, &me), None);
        let mut empty = quiet.clone();
        empty.marks.insert(Stream::Contacts, None);
        assert_eq!(empty.question(&mine, &me), None);
        // A kind that is not wanted any more does not count, and marks never go back.
        let without = Want {
            kinds: Kinds::ALL.without(ItemKind::Task),
            ..mine.clone()
        };
        assert_eq!(
            fewer.question(&without, &me).map(|question| question.from),
            Some(Timestamp::from_seconds(2_400))
        );
        quiet.advance(Timestamp::from_seconds(2_500), Timestamp::from_seconds(9));
        assert_eq!(quiet.marks.get(&Stream::Tasks), Some(&at(2_500)));
        assert_eq!(quiet.marks.get(&Stream::Contacts), Some(&at(3_000)));
        assert_eq!(quiet.polled, Timestamp::from_seconds(9));
    }

    #[test]
    fn only_what_it_was_made_for_goes_on() {
        let kinds = |position: &Position| -> Vec<Stream> { position.marks.keys().copied().collect() };
        let mut same = position();
        same.fit(&want(ContactScope::Mine, None), Kinds::ALL);
        assert_eq!(kinds(&same), Stream::ALL);
        let mut other = position();
        other.fit(
            &want(ContactScope::ListView, Some("00B1")),
            Kinds::ALL.without(ItemKind::Task),
        );
        assert_eq!(kinds(&other), [Stream::Events, Stream::Invitations]);
        let mut half = position();
        half.marks.remove(&Stream::Invitations);
        half.fit(&want(ContactScope::Mine, None), Kinds::ALL);
        assert_eq!(kinds(&half), [Stream::Contacts, Stream::Tasks]);
    }
}
