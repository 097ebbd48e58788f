//! What the fault tables of all kinds of servers have in common: the calls, what each works on, and what must be so when a
//! fault is over, whatever it did.
//!
//! The rows are a server's [`Server::CASES`] and the operations that each of them sends, the columns [`Server::columns`].
//! Both are checked against the sandbox: an operation that is sent and not listed fails, as does a fault that was to
//! strike and did not (or struck where it cannot).

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_sandbox::Options;
use tandem_sync::model::{
    Candidate, Change, Cursor, Fate, Field, FieldValue, ItemId, Kinds, Mark, MatchKey, Outcome, Record,
    Snapshot, Trace, Window, Write,
};
use tandem_sync::ports::Mailbox;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{AttachmentRules, IssueCode, ItemKind, Timestamp};

use crate::support::{World, at, create, key, make, trace, want};

/// What a call asks of the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Prepare,
    First(ItemKind),
    Next(ItemKind),
    Read(ItemKind),
    Fates(ItemKind),
    Candidates(ItemKind),
    Created(ItemKind),
    Messages,
    History,
    Estimate,
    Rivals,
    Create(ItemKind),
    Update(ItemKind),
    Delete(ItemKind),
    Restore(ItemKind),
}

use ItemKind::{Contact, Email, Event, Task};

/// What a fault may be told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Rejected,
    /// One refusal is cured by a fresh token; of more the user must know.
    SignIn,
    Busy(u64),
    Passing(Option<u64>),
    /// The answer makes no sense; a cut one may pass.
    Nonsense,
    Fatal,
    /// The cursor alone is lost.
    Cursor,
    /// One item's own.
    Item(&'static str),
    /// No error: the listing is another than it should be, or comes in another way.
    Listing,
    /// Somebody else was faster.
    Stale,
    Nothing,
}

/// Whether the effect of a write has happened where the fault strikes its own operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Surely not, and the answer says so.
    None,
    /// The answer does not say: in doubt.
    Doubt,
    /// Done, and told.
    Done,
}

pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) rule: fn() -> Value,
    pub(crate) told: Told,
    pub(crate) effect: Effect,
    /// So long that our own patience ends first.
    pub(crate) hangs: bool,
}

pub(crate) const fn column(name: &'static str, rule: fn() -> Value, told: Told, effect: Effect) -> Column {
    Column {
        name,
        rule,
        told,
        effect,
        hangs: false,
    }
}

pub(crate) const fn hanging(name: &'static str, rule: fn() -> Value, told: Told, effect: Effect) -> Column {
    Column {
        name,
        rule,
        told,
        effect,
        hangs: true,
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Once,
    Lasting,
}

/// Requests that a fault which lasts may strike: more than any call sends again.
const LASTING: u64 = 60;

/// One kind of server: its words, and what the sandbox can do to it.
#[async_trait]
pub(crate) trait Server: Send + Sync + Sized + 'static {
    /// In the sandbox's rules.
    const SERVICE: &'static str;
    /// The calls, and the operations that each of them sends in a session of its own.
    const CASES: &'static [(Call, &'static [&'static str])];

    /// A mailbox with next to nothing in it.
    async fn fresh() -> Self;
    fn world(&self) -> &World;
    /// Of so much patience with one request.
    fn session(&self, limit: Duration) -> Box<dyn Mailbox>;
    /// What was sent since the counters were reset.
    async fn sent(&self) -> BTreeSet<String>;
    /// What this server calls an item of the user's that the sandbox's control calls `id`.
    async fn id_of(&self, _kind: ItemKind, _text: &str, id: &ItemId) -> ItemId {
        id.clone()
    }
    /// The other way round.
    async fn control_id(&self, _kind: ItemKind, _text: &str, id: &ItemId) -> ItemId {
        id.clone()
    }

    fn columns() -> Vec<&'static Column>;
    /// Whether the sandbox has a place for this fault in this operation of this call.
    fn strikes(column: &Column, call: Call, operation: &str) -> bool;
    /// How the operation is named in a rule.
    fn rule_name(operation: &str) -> &str {
        operation
    }
    /// As what this fault is told where it strikes this operation.
    fn told(column: &Column, _operation: &str) -> Told {
        column.told
    }
    /// Kinds of faults as which [`Told::Fatal`] may be told.
    const FATAL: &'static [FaultKind] = &[FaultKind::Fatal];
    /// Whether it changes something: such is never sent again by itself, and a fault there may leave a doubt.
    fn changes(operation: &str) -> bool;
    /// One item's error that leaves its write to be done later.
    fn later(code: &str) -> bool;
    /// A failure of one item that may be one of all.
    fn passing(code: &str) -> bool;
    /// What cannot be brought back by a program here, and is said to be so.
    fn left_to_the_user(_call: Call) -> bool {
        false
    }
    /// All that a program can do has been done.
    fn done(call: Call, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Written { .. } | Outcome::Deleted => true,
            Outcome::Refused(refusal) => {
                Self::left_to_the_user(call) && refusal.code == IssueCode::ChangeInOutlook && !refusal.retry
            }
            _ => false,
        }
    }
    /// Whether the effect of a write has happened where the fault strikes its own operation.
    fn effect(column: &Column) -> Effect {
        column.effect
    }
    /// Whether a call may do without what this operation was to tell.
    fn spares(_column: &Column, _call: Call, _operation: &str) -> bool {
        false
    }
    /// Whether what went meanwhile is told only when all is listed again.
    fn forgets(_column: &Column) -> bool {
        false
    }
}

/// One cell's own items.
pub(crate) struct Cell {
    n: u32,
    items: Vec<Snapshot>,
    cursor: Option<Cursor>,
    /// Where the item of a reading lies now.
    id: ItemId,
    gone: Option<ItemId>,
}

/// What came back from a call, in words that can be compared.
#[derive(Debug)]
pub(crate) enum Said {
    /// Read or found; the words say what.
    Seen(BTreeSet<String>),
    Did(Vec<Outcome>),
}

/// The world of one row of the matrix.
pub(crate) struct Row<S> {
    server: S,
    call: Call,
    n: u32,
    cursor: Option<Cursor>,
    series: Option<ItemId>,
    /// As the control calls it, and as the server does.
    before: Option<(ItemId, ItemId)>,
}

const SHORT: Duration = Duration::from_millis(500);

pub(crate) fn plural(kind: ItemKind) -> &'static str {
    match kind {
        Contact => "contacts",
        Event => "events",
        Task => "tasks",
        Email => "messages",
    }
}

fn name(n: u32, half: usize) -> String {
    format!("Cell {n} {}", if half == 0 { "one" } else { "two" })
}

fn record(kind: ItemKind, text: &str) -> Record {
    let record = Record::new(kind);
    match kind {
        Contact => record.with(Field::GivenName, "Cell").with(Field::Surname, text),
        Event => record
            .with(Field::Subject, text)
            .with(Field::When, "2026-12-01T10:00:00Z/2026-12-01T11:00:00Z"),
        Task => record.with(Field::Subject, text).with(Field::Due, "2026-12-01"),
        Email => panic!("mails are not made"),
    }
}

fn title(kind: ItemKind) -> Field {
    if kind == Contact {
        Field::Surname
    } else {
        Field::Subject
    }
}

fn title_of(snapshot: &Snapshot) -> String {
    snapshot
        .record
        .get(title(snapshot.record.kind))
        .known()
        .unwrap_or("-")
        .to_owned()
}

/// As the user makes it.
fn entry(kind: ItemKind, text: &str) -> Value {
    match kind {
        Contact => {
            json!({ "folder": crate::support::FOLDER, "fields": { "GivenName": "Cell", "Surname": text } })
        }
        Event => json!({ "subject": text, "start": "2026-12-01T10:00:00Z", "end": "2026-12-01T11:00:00Z" }),
        Task => json!({ "subject": text, "due": "2026-12-01" }),
        Email => json!({
            "from": "ada@fabrikam.example", "to": "nina@contoso.example", "subject": text, "text": "hello",
            "received": "2026-11-20T10:00:00Z", "sent": "2026-11-20T10:00:00Z",
            "message_id": format!("<{}@fabrikam.example>", text.replace(' ', ".")),
        }),
    }
}

/// Which test runs a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FirstListing,
    LaterListing,
    ReadingAndFinding,
    AskingForFates,
    WhatIsAskedOfMailboxesAlone,
    Create,
    Update,
    Delete,
    Restore,
}

impl Call {
    fn part(self) -> Part {
        match self {
            Self::First(_) => Part::FirstListing,
            Self::Next(_) => Part::LaterListing,
            Self::Read(_) | Self::Candidates(_) | Self::Created(_) => Part::ReadingAndFinding,
            Self::Fates(_) => Part::AskingForFates,
            Self::Prepare | Self::Messages | Self::History | Self::Estimate | Self::Rivals => {
                Part::WhatIsAskedOfMailboxesAlone
            }
            Self::Create(_) => Part::Create,
            Self::Update(_) => Part::Update,
            Self::Delete(_) => Part::Delete,
            Self::Restore(_) => Part::Restore,
        }
    }

    fn kind(self) -> ItemKind {
        match self {
            Self::First(kind)
            | Self::Next(kind)
            | Self::Read(kind)
            | Self::Fates(kind)
            | Self::Candidates(kind)
            | Self::Created(kind)
            | Self::Create(kind)
            | Self::Update(kind)
            | Self::Delete(kind)
            | Self::Restore(kind) => kind,
            Self::Messages | Self::History | Self::Estimate => Email,
            Self::Prepare | Self::Rivals => Contact,
        }
    }

    fn is_restore(self) -> bool {
        matches!(self, Self::Restore(_))
    }

    fn writes(self) -> bool {
        matches!(
            self,
            Self::Create(_) | Self::Update(_) | Self::Delete(_) | Self::Restore(_)
        )
    }
}

/// What a matrix's mailboxes are made with.
pub(crate) fn bare() -> Options {
    Options {
        contacts: 0,
        mailbox_contacts: 2,
        ..Options::default()
    }
}

impl<S: Server> Row<S> {
    async fn new(call: Call) -> Self {
        let mut row = Self {
            server: S::fresh().await,
            call,
            n: 0,
            cursor: None,
            series: None,
            before: None,
        };
        let mailbox = row.patient();
        if call != Call::Prepare {
            mailbox.prepare().await.unwrap();
        }
        if let Call::Next(kind) = call {
            if kind == Event {
                let series = json!({
                    "subject": "Series", "start": "2026-11-05T08:00:00Z", "end": "2026-11-05T09:00:00Z",
                    "recurrence": { "pattern": "weekly", "interval": 1, "days": ["Thursday"], "start": "2026-11-05", "count": 6 },
                });
                row.series = Some(row.world().add_item("events", series).await);
            }
            row.cursor = Some(rounds(&*mailbox, None, kind).await.unwrap().cursor);
        }
        row
    }

    fn world(&self) -> &World {
        self.server.world()
    }

    fn patient(&self) -> Box<dyn Mailbox> {
        self.server.session(Duration::from_mins(1))
    }

    async fn add(&self, kind: ItemKind, text: &str) -> ItemId {
        if kind == Contact {
            self.world().add(entry(kind, text)).await
        } else {
            self.world().add_item(plural(kind), entry(kind, text)).await
        }
    }

    /// What the cell works on. Each has its own.
    async fn cell(&mut self) -> Cell {
        self.n += 1;
        let n = self.n;
        let kind = self.call.kind();
        let mut cell = Cell {
            n,
            items: Vec::new(),
            cursor: self.cursor.clone(),
            id: ItemId(String::new()),
            gone: None,
        };
        // The cell before is over: its items cost time, and nothing else.
        if self.call.writes() || matches!(self.call, Call::Fates(_) | Call::Candidates(_) | Call::Created(_))
        {
            let path = format!(
                "/exchange/mailboxes/{}/{}/all",
                self.world().user.mailbox,
                plural(kind)
            );
            self.world().control("DELETE", &path, Value::Null).await;
        }
        let mailbox = self.patient();
        match self.call {
            Call::Prepare => {
                // Folders and categories are made once in a mailbox.
                if n > 1 {
                    self.server = S::fresh().await;
                }
            }
            Call::Rivals | Call::Create(_) => {}
            Call::Next(_) => {
                let added = self.add(kind, &name(n, 0)).await;
                cell.id = self.server.id_of(kind, &name(n, 0), &added).await;
                if let Some(series) = &self.series {
                    self.world()
                        .change_item("events", series, json!({ "subject": format!("Series {n}") }))
                        .await;
                }
                if let Some((before, named)) = self.before.replace((added, cell.id.clone())) {
                    if kind == Contact {
                        self.world().delete(&before, true).await;
                    } else {
                        self.world().delete_item(plural(kind), &before, "hard=true").await;
                    }
                    cell.gone = Some(named);
                }
            }
            Call::First(_) | Call::Read(_) | Call::Messages | Call::History | Call::Estimate => {
                let (added, named) = if let Some(before) = self.before.take() {
                    before
                } else {
                    let added = self.add(kind, "Cell").await;
                    let named = self.server.id_of(kind, "Cell", &added).await;
                    (added, named)
                };
                cell.id = named.clone();
                self.before = Some((added, named));
            }
            Call::Candidates(_) => drop(self.add(kind, &name(n, 0)).await),
            Call::Update(Email) | Call::Restore(Email) => {
                for half in 0..2 {
                    let added = self.add(Email, &name(n, half)).await;
                    let id = self.server.id_of(Email, &name(n, half), &added).await;
                    let read = mailbox.read(&[id]).await.unwrap().remove(0).unwrap();
                    cell.items.push(read);
                }
            }
            Call::Fates(_) | Call::Created(_) | Call::Update(_) | Call::Delete(_) | Call::Restore(_) => {
                for half in 0..2 {
                    let number = n * 2 + u32::try_from(half).unwrap();
                    cell.items
                        .push(make(&*mailbox, number, record(kind, &name(n, half))).await);
                }
            }
        }
        match self.call {
            // Another id, another folder: found by its key alone.
            Call::Fates(kind) => {
                let of = &cell.items[0].id;
                let of = self.server.control_id(kind, &name(n, 0), of).await;
                cell.id = if kind == Contact {
                    self.world().shift(&of, "Contacts").await
                } else {
                    let folder = if kind == Event { "Archive" } else { "Tasks" };
                    self.world().move_item(plural(kind), &of, folder).await
                };
            }
            Call::Restore(kind) => {
                for (half, item) in cell.items.iter().enumerate() {
                    let id = self.server.control_id(kind, &name(n, half), &item.id).await;
                    if kind == Contact {
                        self.world().delete(&id, false).await;
                    } else {
                        self.world().delete_item(plural(kind), &id, "").await;
                    }
                }
            }
            _ => {}
        }
        cell
    }

    /// A session that has been let in, as one is that has run for a while, and has not read what this call reads.
    async fn opened(&self, limit: Duration) -> Box<dyn Mailbox> {
        let mailbox = self.server.session(limit);
        match self.call {
            // These are the first of a session.
            Call::Prepare
            | Call::First(_)
            | Call::Next(_)
            | Call::Rivals
            | Call::Fates(_)
            | Call::Restore(_) => {}
            _ => {
                // Where the folders are is known from then on. Of little patience, it may take more than one call.
                let mut known = false;
                for _ in 0..10 {
                    known = Self::let_in(&*mailbox).await.is_ok();
                    if known {
                        break;
                    }
                }
                assert!(known, "{:?}: no session is let in", self.call);
            }
        }
        mailbox
    }

    async fn let_in(mailbox: &dyn Mailbox) -> Result<(), Fault> {
        mailbox.read(&[ItemId("AAMkADUAAA=".to_owned())]).await?;
        let nothing = days("2026-01-01", "2026-01-02");
        mailbox.estimate(nothing, &want(Kinds::of(Email))).await.map(drop)
    }

    fn writes(&self, cell: &Cell) -> Vec<Write> {
        let kind = self.call.kind();
        let two = |write: &dyn Fn(usize) -> Write| vec![write(0), write(1)];
        match self.call {
            Call::Create(_) => two(&|half| {
                let number = cell.n * 2 + u32::try_from(half).unwrap();
                create(number, record(kind, &name(cell.n, half)))
            }),
            Call::Update(_) => cell
                .items
                .iter()
                .enumerate()
                .map(|(half, of)| update_of(of, cell.n, half))
                .collect(),
            Call::Delete(_) => cell.items.iter().map(crate::support::delete).collect(),
            _ => Vec::new(),
        }
    }

    async fn run(&self, mailbox: &dyn Mailbox, cell: &Cell) -> Result<Said, Fault> {
        let kind = self.call.kind();
        let mut seen = BTreeSet::new();
        match self.call {
            Call::Prepare => mailbox.prepare().await?,
            Call::First(_) => {
                seen = rounds(mailbox, None, kind).await?.seen;
                seen.extend(unreadable(mailbox));
            }
            Call::Next(_) => {
                let round = rounds(mailbox, cell.cursor.as_ref(), kind).await?;
                seen = Self::concluded(cell, round);
                seen.extend(unreadable(mailbox));
            }
            Call::Read(_) => {
                let read = mailbox.read(std::slice::from_ref(&cell.id)).await?;
                seen.insert(read[0].as_ref().map_or("none".to_owned(), title_of));
            }
            Call::Fates(_) => {
                let asked = [trace(&cell.items[0]), trace(&cell.items[1])];
                for fate in mailbox.fates(&asked).await? {
                    seen.insert(match fate {
                        Fate::Here(snapshot) => title_of(&snapshot),
                        Fate::Deleted { .. } => "deleted".to_owned(),
                        Fate::Unproved => "unproved".to_owned(),
                    });
                }
            }
            Call::Candidates(_) => {
                let text = name(cell.n, 0);
                let asked = match kind {
                    Contact => MatchKey::Name {
                        given: "Cell".to_owned(),
                        surname: text,
                    },
                    Event => MatchKey::Event {
                        subject: text,
                        start: "2026-12-01T10:00:00Z".to_owned(),
                    },
                    Task => MatchKey::Task {
                        subject: text,
                        due: "2026-12-01".to_owned(),
                    },
                    Email => panic!("no mail has a candidate in a mailbox"),
                };
                for candidate in mailbox.candidates(&[asked]).await?.remove(0) {
                    if let Candidate::Same(snapshot) = candidate {
                        seen.insert(title_of(&snapshot));
                    }
                }
            }
            Call::Created(_) => {
                let keys = [key(cell.n * 2), key(cell.n * 2 + 1)];
                for snapshot in mailbox.created(kind, &keys, Timestamp(0)).await? {
                    seen.insert(snapshot.key.map_or("no key".to_owned(), |key| key.0));
                }
            }
            Call::Messages => {
                for message in mailbox
                    .messages(std::slice::from_ref(&cell.id), &AttachmentRules::default())
                    .await?
                {
                    seen.insert(message.map_or_else(
                        |refusal| format!("refused {:?}", refusal.code),
                        |m| m.text.trim().to_owned(),
                    ));
                }
            }
            Call::History => {
                let window = days("2026-11-01", "2026-12-01");
                let mut after = None;
                loop {
                    let page = mailbox
                        .history(window, &want(Kinds::of(Email)), after.as_ref())
                        .await?;
                    seen.extend(words(page.items));
                    if !page.more {
                        break;
                    }
                    assert_ne!(after, Some(page.cursor.clone()), "it does not move on");
                    after = Some(page.cursor);
                }
                seen.extend(unreadable(mailbox));
            }
            Call::Estimate => {
                let count = mailbox
                    .estimate(days("2026-11-01", "2026-12-01"), &want(Kinds::of(Email)))
                    .await?;
                seen.insert(count.to_string());
            }
            Call::Rivals => {
                seen.insert(mailbox.rivals().await?.len().to_string());
            }
            Call::Restore(_) => {
                let gone: Vec<Trace> = cell.items.iter().map(trace).collect();
                return Ok(Said::Did(mailbox.restore(&gone).await?));
            }
            Call::Create(_) | Call::Update(_) | Call::Delete(_) => {
                return Ok(Said::Did(mailbox.write(&self.writes(cell)).await?));
            }
        }
        Ok(Said::Seen(seen))
    }

    /// Of a kind that is listed in full, what is not listed is known to be absent.
    fn concluded(cell: &Cell, round: Round) -> BTreeSet<String> {
        let mut seen = round.seen;
        if let Some(gone) = cell.gone.as_ref().filter(|_| round.full)
            && !seen.contains(&name(cell.n - 1, 0))
        {
            seen.insert(format!("absent {gone}"));
        }
        seen
    }

    /// What a reading must see where nothing is wrong.
    fn right(&self, cell: &Cell) -> BTreeSet<String> {
        let words: Vec<String> = match self.call {
            Call::First(_) | Call::History | Call::Read(_) => vec!["Cell".to_owned()],
            Call::Next(kind) => {
                let mut words = vec![name(cell.n, 0)];
                if kind == Event {
                    words.push(format!("Series {}", cell.n));
                }
                if let Some(gone) = cell.gone.as_ref().filter(|_| kind != Email) {
                    words.push(format!("absent {gone}"));
                }
                words
            }
            Call::Fates(_) => vec![name(cell.n, 0), name(cell.n, 1)],
            Call::Candidates(_) => vec![name(cell.n, 0)],
            Call::Created(_) => vec![key(cell.n * 2).0, key(cell.n * 2 + 1).0],
            Call::Messages => vec!["hello".to_owned()],
            Call::Estimate => vec!["1".to_owned()],
            Call::Rivals => vec!["0".to_owned()],
            _ => vec![],
        };
        words.into_iter().collect()
    }

    fn is_right(&self, cell: &Cell, seen: &BTreeSet<String>) -> bool {
        let right = self.right(cell);
        match self.call {
            // More may stand there: what the sandbox holds of its own, and what was there before.
            Call::First(_) | Call::Next(_) => {
                right.is_subset(seen) && !seen.iter().any(|word| word.starts_with("unreadable"))
            }
            _ => right == *seen,
        }
    }

    /// The right state, however the call went: done once, nothing lost, nothing twice.
    async fn heal(&mut self, cell: &Cell, said: &Result<Said, Fault>, forgets: bool, at: &str) {
        let mailbox = self.patient();
        let kind = self.call.kind();
        if !self.call.writes() {
            let lost = said
                .as_ref()
                .is_err_and(|fault| fault.kind == FaultKind::CursorExpired);
            let since = cell.cursor.clone().filter(|_| !lost);
            if let Call::Next(_) = self.call {
                // The series of a round may be late twice over: the folder is read again.
                let mut seen = BTreeSet::new();
                let mut cursor = since;
                for _ in 0..4 {
                    let round = rounds(&*mailbox, cursor.as_ref(), kind).await.unwrap();
                    cursor = Some(round.cursor.clone());
                    seen.extend(Self::concluded(cell, round));
                    if self.is_right(cell, &seen) {
                        break;
                    }
                }
                let mut right = self.right(cell);
                if lost || forgets {
                    // Listed in full, now or once a day: what is absent is not listed.
                    right.retain(|word| !word.starts_with("absent"));
                }
                assert!(right.is_subset(&seen), "{at}: {right:?} in {seen:?}");
                // A subscription that was lost is asked for in the round after.
                self.cursor = Some(rounds(&*mailbox, cursor.as_ref(), kind).await.unwrap().cursor);
                return;
            }
            let Said::Seen(seen) = self.run(&*mailbox, cell).await.unwrap() else {
                panic!("{at}: a reading wrote")
            };
            assert!(self.is_right(cell, &seen), "{at}, after: {seen:?}");
            if self.call == Call::Prepare {
                let folders = self.world().mailbox().await;
                let names = folders.to_string();
                for folder in [crate::support::FOLDER, "Salesforce Tasks", "Salesforce Emails"] {
                    assert_eq!(
                        names.matches(&format!("{folder:?}")).count(),
                        1,
                        "{at}: {folder} in {names}"
                    );
                }
            }
            return;
        }
        for half in 0..2 {
            let outcome = match said {
                Ok(Said::Did(outcomes)) => Some(outcomes[half].clone()),
                _ => None,
            };
            self.settle(&*mailbox, cell, half, outcome, at).await;
        }
        // Once, whoever looks.
        let held = if kind == Contact {
            self.world().contacts().await
        } else {
            self.world().items(plural(kind)).await
        };
        for half in 0..2 {
            let text = match self.call {
                Call::Update(kind) if kind != Email => format!("{} changed", name(cell.n, half)),
                _ => name(cell.n, half),
            };
            let stays_gone = S::left_to_the_user(self.call) || matches!(self.call, Call::Delete(_));
            let alive: Vec<&Value> = held
                .iter()
                .filter(|item| item["subject"] == json!(text) || item["fields"]["Surname"] == json!(text))
                .filter(|item| item["folder"] != "Deleted Items")
                .collect();
            let expected = usize::from(!stays_gone);
            assert_eq!(alive.len(), expected, "{at}: {text} among {}", held.len());
            if self.call == Call::Update(Email) {
                assert_eq!(alive[0]["categories"], json!(["Salesforce"]), "{at}");
            }
        }
    }

    /// What the engine does about one write's outcome, until it is done.
    async fn settle(
        &self,
        mailbox: &dyn Mailbox,
        cell: &Cell,
        half: usize,
        mut outcome: Option<Outcome>,
        at: &str,
    ) {
        let kind = self.call.kind();
        for _ in 0..4 {
            match (self.call, &outcome) {
                (_, Some(outcome)) if S::done(self.call, outcome) => return,
                (Call::Create(_), Some(Outcome::InDoubt)) => {
                    let key = key(cell.n * 2 + u32::try_from(half).unwrap());
                    let found = mailbox.created(kind, &[key], Timestamp(0)).await.unwrap();
                    assert!(found.len() <= 1, "{at}: made twice");
                    if found.len() == 1 {
                        return;
                    }
                }
                (Call::Update(_), Some(Outcome::InDoubt | Outcome::Conflict(_))) => {
                    let now = mailbox
                        .read(&[cell.items[half].id.clone()])
                        .await
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    let write = update_of(&now, cell.n, half);
                    outcome = Some(mailbox.write(&[write]).await.unwrap().remove(0));
                    continue;
                }
                (Call::Delete(_), Some(Outcome::InDoubt | Outcome::Missing)) => {
                    let fate = mailbox
                        .fates(&[trace(&cell.items[half])])
                        .await
                        .unwrap()
                        .remove(0);
                    if matches!(fate, Fate::Deleted { .. }) {
                        return;
                    }
                }
                _ => {}
            }
            let again = if let Call::Restore(_) = self.call {
                mailbox
                    .restore(&[trace(&cell.items[half])])
                    .await
                    .unwrap()
                    .remove(0)
            } else {
                let write = self.writes(cell).remove(half);
                mailbox.write(&[write]).await.unwrap().remove(0)
            };
            outcome = Some(again);
        }
        panic!("{at}: never done: {outcome:?}");
    }

    async fn fired(&self, times: u64) -> bool {
        let rules = self.world().control("GET", "/faults", Value::Null).await;
        rules
            .as_array()
            .unwrap()
            .first()
            .is_none_or(|rule| rule["times"].as_u64() != Some(times))
    }

    async fn rule(&self, operation: &str, mut rule: Value) {
        rule["service"] = json!(S::SERVICE);
        rule["operation"] = json!(S::rule_name(operation));
        self.world().control("POST", "/faults", rule).await;
    }

    /// Faults that have no place in an operation, all at once: none of them strikes, and the call does its work.
    async fn spare(&mut self, columns: &[&Column], operation: &str) {
        if columns.is_empty() {
            return;
        }
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / what has no place in it", self.call);
        let mailbox = self.opened(Duration::from_mins(1)).await;
        for column in columns {
            let mut rule = (column.rule)();
            rule["times"] = json!(1);
            self.rule(operation, rule).await;
        }
        let said = self.run(&*mailbox, &cell).await;
        let rules = self.world().control("GET", "/faults", Value::Null).await;
        let rules = rules.as_array().unwrap();
        self.world().no_faults().await;
        assert!(
            rules.len() == columns.len() && rules.iter().all(|rule| rule["times"] == json!(1)),
            "{at}: {rules:?}"
        );
        match &said {
            Err(fault) => panic!("{at}: {fault}"),
            Ok(Said::Seen(seen)) => assert!(self.is_right(&cell, seen), "{at}: {seen:?}"),
            Ok(Said::Did(outcomes)) => {
                check_outcomes::<S>(outcomes, self.call, columns[0], operation, false, &at);
            }
        }
        self.heal(&cell, &said, false, &at).await;
    }

    async fn strike(&mut self, column: &Column, operation: &str, span: Span) {
        let column = &Column {
            told: S::told(column, operation),
            effect: S::effect(column),
            ..*column
        };
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / {} / {span:?}", self.call, column.name);
        let mailbox = self
            .opened(if column.hangs {
                SHORT
            } else {
                Duration::from_mins(1)
            })
            .await;
        let times = if span == Span::Once { 1 } else { LASTING };
        let mut rule = (column.rule)();
        rule["times"] = json!(times);
        self.rule(operation, rule).await;
        let said = self.run(&*mailbox, &cell).await;
        let fired = self.fired(times).await;
        self.world().no_faults().await;
        assert_eq!(fired, S::strikes(column, self.call, operation), "{at}: {said:?}");
        match &said {
            Err(fault) => check_fault::<S>(fault, column, fired, &at),
            Ok(Said::Seen(seen)) if fired => self.check_seen(&cell, seen, column, operation, span, &at),
            Ok(Said::Seen(seen)) => assert!(self.is_right(&cell, seen), "{at}: {seen:?}"),
            Ok(Said::Did(outcomes)) => {
                check_outcomes::<S>(outcomes, self.call, column, operation, fired, &at);
            }
        }
        // A reading that is right has got over it already.
        let got_over = matches!(&said, Ok(Said::Seen(seen)) if self.is_right(&cell, seen));
        if !got_over || matches!(self.call, Call::Next(_) | Call::Prepare) {
            self.heal(&cell, &said, fired && S::forgets(column), &at).await;
        }
    }

    /// A reading that answers in spite of the fault.
    fn check_seen(
        &self,
        cell: &Cell,
        seen: &BTreeSet<String>,
        column: &Column,
        operation: &str,
        span: Span,
        at: &str,
    ) {
        if self.is_right(cell, seen) || S::spares(column, self.call, operation) {
            return;
        }
        match column.told {
            Told::Item(code) => {
                let missing = matches!(
                    code,
                    "ErrorItemNotFound" | "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
                );
                match self.call {
                    Call::First(_) | Call::Next(_) | Call::History => {
                        let told = seen.iter().any(|word| {
                            word.starts_with("unreadable") || (missing && word.starts_with("absent"))
                        });
                        assert!(told || missing, "{at}: passed over in silence: {seen:?}");
                    }
                    Call::Read(_) => assert!(seen.contains("none"), "{at}: {seen:?}"),
                    // The other way to it is its key.
                    Call::Fates(_) => assert!(missing || !seen.contains("deleted"), "{at}: {seen:?}"),
                    Call::Messages => assert!(
                        seen.iter().all(|word| word.starts_with("refused")),
                        "{at}: {seen:?}"
                    ),
                    Call::Created(_) => assert!(missing, "{at}: one that is there is not told of: {seen:?}"),
                    _ => {}
                }
            }
            // An empty listing, a late change: nothing that is listed is wrong, and what is not comes later.
            Told::Listing => assert!(
                seen.iter().all(|word| !word.starts_with("unreadable")),
                "{at}: {seen:?}"
            ),
            // Where nobody could look, nothing is proved.
            _ if matches!(self.call, Call::Fates(_)) && seen.contains("unproved") => {
                assert!(!seen.contains("deleted"), "{at}: {seen:?}");
            }
            _ => panic!("{at} ({span:?}, {operation}): {seen:?}"),
        }
    }
}

fn update_of(of: &Snapshot, n: u32, half: usize) -> Write {
    let kind = of.record.kind;
    let set = if kind == Email {
        std::collections::BTreeMap::new()
    } else {
        let text = FieldValue::Known(format!("{} changed", name(n, half)));
        std::collections::BTreeMap::from([(title(kind), text)])
    };
    Write::Update {
        kind,
        id: of.id.clone(),
        version: of.version.clone(),
        set,
        key: None,
        mark: (kind == Email).then_some(Mark::Synced),
        notify: false,
    }
}

fn check_fault<S: Server>(fault: &Fault, column: &Column, fired: bool, at: &str) {
    assert!(fired, "{at}: {fault}");
    assert!(!fault.to_string().contains("Cell"), "{at}: {fault}");
    let wait = |ms: u64| Some(Duration::from_millis(ms));
    match column.told {
        Told::Rejected => assert_eq!(fault.kind, FaultKind::Rejected, "{at}: {fault}"),
        Told::SignIn => {
            assert_eq!(fault.kind, FaultKind::SignInEnded, "{at}: {fault}");
            assert!(at.ends_with("Lasting"), "{at}: a fresh token was to be had");
        }
        Told::Busy(ms) => {
            assert!(
                matches!(fault.kind, FaultKind::RateLimited { whole_org: false, .. }),
                "{at}: {fault}"
            );
            assert_eq!(fault.retry_after(), wait(ms), "{at}: {fault}");
        }
        Told::Passing(seconds) => {
            assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{at}: {fault}");
            assert_eq!(
                fault.retry_after(),
                seconds.map(Duration::from_secs),
                "{at}: {fault}"
            );
        }
        Told::Nonsense => assert!(
            matches!(fault.kind, FaultKind::Fatal | FaultKind::Transient { .. }),
            "{at}: {fault}"
        ),
        Told::Fatal => assert!(S::FATAL.contains(&fault.kind), "{at}: {fault}"),
        Told::Cursor => assert_eq!(fault.kind, FaultKind::CursorExpired, "{at}: {fault}"),
        Told::Item(code) => {
            assert!(
                S::passing(code) && matches!(fault.kind, FaultKind::Transient { .. }),
                "{at}: one item must not stop the others: {fault}"
            );
        }
        Told::Listing | Told::Stale | Told::Nothing => panic!("{at}: {fault}"),
    }
}

fn check_outcomes<S: Server>(
    outcomes: &[Outcome],
    call: Call,
    column: &Column,
    operation: &str,
    fired: bool,
    at: &str,
) {
    assert_eq!(outcomes.len(), 2, "{at}");
    let done = |outcome: &Outcome| S::done(call, outcome);
    if !fired {
        assert!(outcomes.iter().all(done), "{at}: {outcomes:?}");
        return;
    }
    let own = S::changes(operation);
    for (half, outcome) in outcomes.iter().enumerate() {
        match outcome {
            outcome if done(outcome) => {}
            Outcome::Written { .. } | Outcome::Deleted => {}
            // A doubt is said where there is one, or where what was written cannot be read back.
            Outcome::InDoubt => assert!(
                !own || column.effect == Effect::Doubt,
                "{at}, write {half}: nothing was done, and it is said to be in doubt"
            ),
            Outcome::Conflict(_) => assert_eq!(column.told, Told::Stale, "{at}, write {half}"),
            // What a search does not show cannot be told from what is gone.
            Outcome::Missing => assert!(
                (column.name == "empty" && call.is_restore())
                    || matches!(
                        column.told,
                        Told::Item("ErrorItemNotFound" | "ErrorCalendarOccurrenceIsDeletedFromRecurrence")
                    ),
                "{at}, write {half}: {outcome:?}"
            ),
            Outcome::Refused(refusal) => {
                let code = match column.told {
                    Told::Item(code) => code,
                    // Some of the others were done: this one is done later.
                    Told::Busy(_) => {
                        assert!(refusal.retry, "{at}: {refusal:?}");
                        continue;
                    }
                    _ => panic!("{at}, write {half}: {refusal:?}"),
                };
                assert!(!refusal.message.trim().is_empty(), "{at}");
                let expected = match code {
                    "ErrorAccessDenied" if own => IssueCode::NoPermission,
                    "ErrorMessageSizeExceeded" if own => IssueCode::TooLarge,
                    _ => refusal.code,
                };
                assert_eq!(refusal.code, expected, "{at}");
                if own {
                    assert_eq!(refusal.retry, S::later(code), "{at}: {refusal:?}");
                }
            }
        }
    }
    if let Told::Item(_) = column.told
        && at.ends_with("Once")
        && own
    {
        assert!(
            done(&outcomes[1]),
            "{at}: the other one is not done: {outcomes:?} ({call:?})"
        );
        let spared = S::spares(column, call, operation);
        assert!(spared || !done(&outcomes[0]), "{at}: {outcomes:?}");
    }
}

fn days(from: &str, to: &str) -> Window {
    Window {
        from: at_day(from),
        to: at_day(to),
    }
}

fn at_day(day: &str) -> Timestamp {
    at(&format!("{day}T00:00:00Z"))
}

fn unreadable(mailbox: &dyn Mailbox) -> Vec<String> {
    mailbox
        .unreadable()
        .into_iter()
        .map(|(_, id, _)| format!("unreadable {id}"))
        .collect()
}

fn words(items: Vec<Change>) -> BTreeSet<String> {
    items
        .into_iter()
        .map(|change| match change {
            Change::Present(snapshot) => title_of(&snapshot),
            Change::Absent(id) => format!("absent {id}"),
            other => panic!("a mailbox proves nothing: {other:?}"),
        })
        .collect()
}

/// All pages of a round.
struct Round {
    seen: BTreeSet<String>,
    cursor: Cursor,
    /// Everything was listed.
    full: bool,
}

async fn rounds(mailbox: &dyn Mailbox, since: Option<&Cursor>, kind: ItemKind) -> Result<Round, Fault> {
    let want = want(Kinds::of(kind));
    let mut seen = BTreeSet::new();
    let mut at = since.cloned();
    for _ in 0..50 {
        let page = mailbox.changes(at.as_ref(), &want).await?;
        seen.extend(words(page.items));
        if !page.more {
            return Ok(Round {
                seen,
                cursor: page.cursor,
                full: page.full.has(kind),
            });
        }
        at = Some(page.cursor);
    }
    panic!("the round does not end");
}

/// All cells of one call; how many.
async fn row<S: Server>(call: Call, operations: &'static [&'static str]) -> usize {
    let mut row = Row::<S>::new(call).await;
    // As it is without faults: the operations are those of the table.
    let cell = row.cell().await;
    let mailbox = row.opened(Duration::from_mins(1)).await;
    row.world().reset().await;
    let said = row.run(&*mailbox, &cell).await;
    let sent = row.server.sent().await;
    match &said {
        Ok(Said::Seen(seen)) => assert!(row.is_right(&cell, seen), "{call:?}: {seen:?}"),
        Ok(Said::Did(outcomes)) => {
            check_outcomes::<S>(outcomes, call, S::columns()[0], "", false, &format!("{call:?}"));
        }
        Err(fault) => panic!("{call:?}: {fault}"),
    }
    row.heal(&cell, &said, false, &format!("{call:?}")).await;
    assert_eq!(
        sent.iter().map(String::as_str).collect::<Vec<_>>(),
        operations,
        "{call:?}: what is sent, and what is listed"
    );
    let mut cells = 0;
    for operation in operations {
        let (struck, spared): (Vec<&Column>, Vec<&Column>) = S::columns()
            .into_iter()
            .partition(|column| S::strikes(column, call, operation));
        row.spare(&spared, operation).await;
        cells += spared.len();
        for column in struck {
            for span in [Span::Once, Span::Lasting] {
                // One request of a hanging server is as good as many; and a mailbox is made for each cell of `Prepare`.
                // What is sent once meets it once: only where a call asks again, a fault that lasts is another one.
                let told = S::told(column, operation);
                let again = told == Told::SignIn
                    || (matches!(told, Told::Passing(_) | Told::Nonsense | Told::Listing)
                        && !column.hangs
                        && !S::changes(operation));
                let once = !again || call == Call::Prepare;
                if span == Span::Lasting && once {
                    continue;
                }
                row.strike(column, operation, span).await;
                cells += 1;
            }
        }
    }
    assert_eq!(row.world().mails_sent().await, 0, "{call:?}");
    cells
}

pub(crate) async fn rows<S: Server>(part: Part) {
    let running: Vec<_> = S::CASES
        .iter()
        .filter(|(call, _)| call.part() == part)
        .map(|(call, operations)| tokio::spawn(row::<S>(*call, operations)))
        .collect();
    assert!(!running.is_empty());
    let mut cells = 0;
    let mut failed = Vec::new();
    for row in running {
        match row.await {
            Ok(count) => cells += count,
            Err(error) => failed.push(error.to_string()),
        }
    }
    println!("{cells} cells");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

pub(crate) async fn clock_jumps_back<S: Server>() {
    for kind in ItemKind::ALL {
        let mut row = Row::<S>::new(Call::Next(kind)).await;
        for jump in [-7_200, 3_600, -86_400] {
            row.world()
                .control("POST", "/clock", json!({ "advance_s": jump }))
                .await;
            let cell = row.cell().await;
            let said = row.run(&*row.patient(), &cell).await;
            let at = format!("{kind:?}, {jump} s");
            let Ok(Said::Seen(seen)) = &said else {
                panic!("{at}: {said:?}")
            };
            assert!(row.is_right(&cell, seen), "{at}: {seen:?}");
            row.heal(&cell, &said, false, &at).await;
        }
    }
}
