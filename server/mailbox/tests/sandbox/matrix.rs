//! Every fault of the sandbox, in every operation, of every call: what the call says of it, and that the same call does
//! its work once the fault is over, once.
//!
//! The rows are [`CASES`] and the operations that each of them sends, the columns [`FAULTS`]. Both are checked against
//! the sandbox: an operation that is sent and not listed fails, as does a kind of fault that the sandbox knows and the
//! table does not, and a fault that was to strike and did not (or struck where it cannot).

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tandem_mailbox::{Ews, EwsAccount, EwsLimits};
use tandem_sandbox::Options;
use tandem_sync::model::{
    Candidate, Change, Cursor, Fate, Field, FieldValue, ItemId, Kinds, Mark, MatchKey, Outcome, Record,
    Snapshot, Trace, Window, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{AttachmentRules, IssueCode, ItemKind, Timestamp};

use crate::support::{World, at, create, key, make, trace, want};

/// What a call asks of the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
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

/// The calls, and the operations that each of them sends in a session of its own.
const CASES: &[(Call, &[&str])] = &[
    (
        Call::Prepare,
        &[
            "CreateFolder",
            "FindFolder",
            "GetFolder",
            "GetUserConfiguration",
            "UpdateUserConfiguration",
        ],
    ),
    (
        Call::First(Contact),
        &[
            "FindFolder",
            "GetFolder",
            "GetItem",
            "Subscribe",
            "SyncFolderItems",
        ],
    ),
    (
        Call::First(Event),
        &[
            "FindFolder",
            "FindItem",
            "GetFolder",
            "GetItem",
            "Subscribe",
            "SyncFolderItems",
        ],
    ),
    (
        Call::First(Task),
        &[
            "FindFolder",
            "GetFolder",
            "GetItem",
            "Subscribe",
            "SyncFolderItems",
        ],
    ),
    (
        Call::First(Email),
        &["FindFolder", "FindItem", "GetFolder", "GetItem", "Subscribe"],
    ),
    (Call::Next(Contact), &["GetEvents", "GetItem", "SyncFolderItems"]),
    (
        Call::Next(Event),
        &["FindItem", "GetEvents", "GetItem", "SyncFolderItems"],
    ),
    (Call::Next(Task), &["GetEvents", "GetItem", "SyncFolderItems"]),
    (Call::Next(Email), &["GetEvents", "GetItem"]),
    (Call::Read(Contact), &["GetItem"]),
    (Call::Read(Event), &["GetItem"]),
    (Call::Read(Task), &["GetItem"]),
    (Call::Read(Email), &["GetItem"]),
    (
        Call::Fates(Contact),
        &["FindFolder", "FindItem", "GetFolder", "GetItem"],
    ),
    (
        Call::Fates(Event),
        &["FindFolder", "FindItem", "GetFolder", "GetItem"],
    ),
    (
        Call::Fates(Task),
        &["FindFolder", "FindItem", "GetFolder", "GetItem"],
    ),
    (Call::Candidates(Contact), &["FindItem", "GetItem"]),
    (Call::Candidates(Event), &["FindItem", "GetItem"]),
    (Call::Candidates(Task), &["FindItem", "GetItem"]),
    (Call::Created(Contact), &["FindItem", "GetItem"]),
    (Call::Created(Event), &["FindItem", "GetItem"]),
    (Call::Created(Task), &["FindItem", "GetItem"]),
    (Call::Messages, &["GetItem"]),
    (Call::History, &["FindItem", "GetItem"]),
    (Call::Estimate, &["FindItem"]),
    (Call::Rivals, &["FindFolder", "GetFolder"]),
    (Call::Create(Contact), &["CreateItem", "GetItem"]),
    (Call::Create(Event), &["CreateItem", "GetItem"]),
    (Call::Create(Task), &["CreateItem", "GetItem"]),
    (Call::Update(Contact), &["GetItem", "UpdateItem"]),
    (Call::Update(Event), &["GetItem", "UpdateItem"]),
    (Call::Update(Task), &["GetItem", "UpdateItem"]),
    (Call::Update(Email), &["GetItem", "UpdateItem"]),
    (Call::Delete(Contact), &["DeleteItem", "GetItem"]),
    (Call::Delete(Event), &["DeleteItem", "GetItem"]),
    (Call::Delete(Task), &["DeleteItem", "GetItem"]),
    (
        Call::Restore(Contact),
        &["FindFolder", "FindItem", "GetFolder", "GetItem", "MoveItem"],
    ),
    (
        Call::Restore(Event),
        &["FindFolder", "FindItem", "GetFolder", "GetItem", "MoveItem"],
    ),
    (
        Call::Restore(Task),
        &["FindFolder", "FindItem", "GetFolder", "GetItem", "MoveItem"],
    ),
];

/// What a fault may be told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Rejected,
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
enum Effect {
    /// Surely not, and the answer says so.
    None,
    /// The answer does not say: in doubt.
    Doubt,
    /// Done, and told.
    Done,
}

struct Column {
    name: &'static str,
    rule: fn() -> Value,
    told: Told,
    effect: Effect,
    /// So long that our own patience ends first.
    hangs: bool,
}

const fn column(name: &'static str, rule: fn() -> Value, told: Told, effect: Effect) -> Column {
    Column {
        name,
        rule,
        told,
        effect,
        hangs: false,
    }
}

const fn hanging(name: &'static str, rule: fn() -> Value, told: Told, effect: Effect) -> Column {
    Column {
        name,
        rule,
        told,
        effect,
        hangs: true,
    }
}

macro_rules! item_errors {
    ($($code:literal => $effect:ident,)*) => {
        &[$(column(
            concat!("item_error ", $code),
            || json!({ "kind": "item_error", "code": $code }),
            Told::Item($code),
            Effect::$effect,
        ),)*]
    };
}

const FAULTS: &[Column] = &[
    column(
        "status 401",
        || json!({ "kind": "status", "code": 401 }),
        Told::Rejected,
        Effect::None,
    ),
    column(
        "status 403",
        || json!({ "kind": "status", "code": 403 }),
        Told::Rejected,
        Effect::None,
    ),
    column(
        "status 404",
        || json!({ "kind": "status", "code": 404 }),
        Told::Fatal,
        Effect::None,
    ),
    column(
        "status 429",
        || json!({ "kind": "status", "code": 429, "retry_after_s": 7 }),
        Told::Busy(7_000),
        Effect::None,
    ),
    column(
        "status 500",
        || json!({ "kind": "status", "code": 500 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "status 502",
        || json!({ "kind": "status", "code": 502 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "status 503",
        || json!({ "kind": "status", "code": 503, "retry_after_s": 9 }),
        Told::Passing(Some(9)),
        Effect::None,
    ),
    column(
        "status_after",
        || json!({ "kind": "status_after", "code": 502 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "credentials_wrong",
        || json!({ "kind": "credentials_wrong" }),
        Told::Rejected,
        Effect::None,
    ),
    column(
        "timeout_before",
        || json!({ "kind": "timeout_before", "ms": 20 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "timeout_after",
        || json!({ "kind": "timeout_after", "ms": 20 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    hanging(
        "timeout_before, long",
        || json!({ "kind": "timeout_before", "ms": 60_000 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    hanging(
        "timeout_after, long",
        || json!({ "kind": "timeout_after", "ms": 60_000 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "throttle, one form",
        || json!({ "kind": "throttle", "ms": 1500 }),
        Told::Busy(1500),
        Effect::None,
    ),
    column(
        "throttle, the other form",
        || json!({ "kind": "throttle", "ms": 1500 }),
        Told::Busy(1500),
        Effect::None,
    ),
    column(
        "slow_body",
        || json!({ "kind": "slow_body", "ms_per_chunk": 3 }),
        Told::Nothing,
        Effect::Done,
    ),
    hanging(
        "slow_body, long",
        || json!({ "kind": "slow_body", "ms_per_chunk": 2_000 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "cut_body",
        || json!({ "kind": "cut_body" }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "malformed",
        || json!({ "kind": "malformed" }),
        Told::Nonsense,
        Effect::Doubt,
    ),
    column(
        "reset",
        || json!({ "kind": "reset" }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "expired_cursor",
        || json!({ "kind": "expired_cursor" }),
        Told::Cursor,
        Effect::Done,
    ),
    column(
        "stale_version",
        || json!({ "kind": "stale_version" }),
        Told::Stale,
        Effect::None,
    ),
    column(
        "duplicate_changes",
        || json!({ "kind": "duplicate_changes" }),
        Told::Listing,
        Effect::Done,
    ),
    column(
        "late_changes",
        || json!({ "kind": "late_changes", "n": 4 }),
        Told::Listing,
        Effect::Done,
    ),
    column(
        "empty",
        || json!({ "kind": "empty" }),
        Told::Listing,
        Effect::Done,
    ),
    column(
        "lock_row",
        || json!({ "kind": "lock_row" }),
        Told::Nothing,
        Effect::Done,
    ),
    column(
        "silent_resync",
        || json!({ "kind": "silent_resync" }),
        Told::Listing,
        Effect::Done,
    ),
];

const ITEM_FAULTS: &[Column] = item_errors! {
    "ErrorAccessDenied" => None,
    "ErrorCalendarOccurrenceIsDeletedFromRecurrence" => None,
    "ErrorCorruptData" => None,
    "ErrorInternalServerError" => Doubt,
    "ErrorInternalServerTransientError" => None,
    "ErrorItemCorrupt" => None,
    "ErrorItemNotFound" => None,
    "ErrorItemSave" => None,
    "ErrorMailboxStoreUnavailable" => None,
    "ErrorMessageSizeExceeded" => None,
    "ErrorMimeContentConversionFailed" => None,
    "ErrorQuotaExceeded" => None,
    "ErrorTimeoutExpired" => Doubt,
};

fn columns() -> impl Iterator<Item = &'static Column> {
    FAULTS.iter().chain(ITEM_FAULTS)
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Once,
    Lasting,
}

/// What changes something is never sent again by itself.
const SENT_ONCE: &[&str] = &["CreateItem", "UpdateItem", "DeleteItem", "MoveItem"];

/// Requests that a fault which lasts may strike: more than any call sends again.
const LASTING: u64 = 60;

/// Whether the sandbox has a place for this fault in this operation of this call.
fn strikes(column: &Column, call: Call, operation: &str) -> bool {
    let goes_on = matches!(call, Call::Next(_));
    match column.told {
        Told::Item(_) => matches!(
            operation,
            "GetItem" | "CreateItem" | "UpdateItem" | "DeleteItem" | "MoveItem"
        ),
        Told::Cursor => goes_on && matches!(operation, "SyncFolderItems" | "GetEvents"),
        Told::Stale => operation == "UpdateItem",
        Told::Listing => match column.name {
            "empty" => matches!(operation, "SyncFolderItems" | "FindItem"),
            "silent_resync" => goes_on && operation == "SyncFolderItems",
            // Something has to be listed.
            _ => match operation {
                "SyncFolderItems" => true,
                "GetEvents" => goes_on,
                _ => false,
            },
        },
        _ => column.name != "lock_row",
    }
}

/// One cell's own items.
struct Cell {
    n: u32,
    items: Vec<Snapshot>,
    cursor: Option<Cursor>,
    /// Where the item of a reading lies now.
    id: ItemId,
    gone: Option<ItemId>,
}

/// What came back from a call, in words that can be compared.
#[derive(Debug)]
enum Said {
    /// Read or found; the words say what.
    Seen(BTreeSet<String>),
    Did(Vec<Outcome>),
}

/// The world of one row of the matrix.
struct Row {
    world: World,
    call: Call,
    n: u32,
    cursor: Option<Cursor>,
    series: Option<ItemId>,
    before: Option<ItemId>,
}

const SHORT: Duration = Duration::from_millis(500);

fn session(world: &World, limit: Duration) -> Ews {
    let account = EwsAccount {
        url: plain_url(world),
        login: world.user.exchange_login.clone(),
        password: SecretString::from(world.user.exchange_password.as_str()),
        sign_in: tandem_mailbox::SignIn::Basic,
        address: world.user.mailbox.clone(),
    };
    let limits = EwsLimits {
        read_timeout: limit,
        write_timeout: limit,
        ..EwsLimits::default()
    };
    Ews::with_limits(world.net.clone(), account, limits)
}

/// Without TLS, which is tested elsewhere and takes most of the time here.
fn plain_url(world: &World) -> url::Url {
    let info = world.sandbox.info();
    let url: url::Url = info.ews_url.parse().unwrap();
    let origin: url::Url = info.exchange.http.parse().unwrap();
    origin.join(url.path()).unwrap()
}

fn plural(kind: ItemKind) -> &'static str {
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
enum Part {
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

async fn fresh() -> World {
    World::with(Options {
        contacts: 0,
        mailbox_contacts: 2,
        ..Options::default()
    })
    .await
}

impl Row {
    async fn new(call: Call) -> Self {
        let world = fresh().await;
        let mut row = Self {
            world,
            call,
            n: 0,
            cursor: None,
            series: None,
            before: None,
        };
        let ews = row.patient();
        if call != Call::Prepare {
            ews.prepare().await.unwrap();
        }
        if let Call::Next(kind) = call {
            if kind == Event {
                let series = json!({
                    "subject": "Series", "start": "2026-11-05T08:00:00Z", "end": "2026-11-05T09:00:00Z",
                    "recurrence": { "pattern": "weekly", "interval": 1, "days": ["Thursday"], "start": "2026-11-05", "count": 6 },
                });
                row.series = Some(row.world.add_item("events", series).await);
            }
            let (_, cursor) = rounds(&ews, None, kind).await.unwrap();
            row.cursor = Some(cursor);
        }
        row
    }

    fn patient(&self) -> Ews {
        session(&self.world, Duration::from_mins(1))
    }

    async fn add(&self, kind: ItemKind, text: &str) -> ItemId {
        if kind == Contact {
            self.world.add(entry(kind, text)).await
        } else {
            self.world.add_item(plural(kind), entry(kind, text)).await
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
                self.world.user.mailbox,
                plural(kind)
            );
            self.world.control("DELETE", &path, Value::Null).await;
        }
        let ews = self.patient();
        match self.call {
            Call::Prepare => {
                // Folders and categories are made once in a mailbox.
                if n > 1 {
                    self.world = fresh().await;
                }
            }
            Call::Rivals | Call::Create(_) => {}
            Call::Next(_) => {
                cell.id = self.add(kind, &name(n, 0)).await;
                if let Some(series) = &self.series {
                    self.world
                        .change_item("events", series, json!({ "subject": format!("Series {n}") }))
                        .await;
                }
                if let Some(before) = self.before.replace(cell.id.clone()) {
                    if kind == Contact {
                        self.world.delete(&before, true).await;
                    } else {
                        self.world.delete_item(plural(kind), &before, "hard=true").await;
                    }
                    cell.gone = Some(before);
                }
            }
            Call::First(_) | Call::Read(_) | Call::Messages | Call::History | Call::Estimate => {
                if let Some(before) = self.before.take() {
                    cell.id = before;
                } else {
                    cell.id = self.add(kind, "Cell").await;
                }
                self.before = Some(cell.id.clone());
            }
            Call::Candidates(_) => {
                cell.id = self.add(kind, &name(n, 0)).await;
            }
            Call::Update(Email) => {
                for half in 0..2 {
                    let id = self.add(Email, &name(n, half)).await;
                    let read = ews.read(&[id]).await.unwrap().remove(0).unwrap();
                    cell.items.push(read);
                }
            }
            Call::Fates(_) | Call::Created(_) | Call::Update(_) | Call::Delete(_) | Call::Restore(_) => {
                for half in 0..2 {
                    let number = n * 2 + u32::try_from(half).unwrap();
                    cell.items
                        .push(make(&ews, number, record(kind, &name(n, half))).await);
                }
            }
        }
        match self.call {
            // Another id, another folder: found by its key alone.
            Call::Fates(kind) => {
                let of = cell.items[0].id.clone();
                cell.id = if kind == Contact {
                    self.world.shift(&of, "Contacts").await
                } else {
                    let folder = if kind == Event { "Archive" } else { "Tasks" };
                    self.world.move_item(plural(kind), &of, folder).await
                };
            }
            Call::Restore(kind) => {
                for item in &cell.items {
                    if kind == Contact {
                        self.world.delete(&item.id, false).await;
                    } else {
                        self.world.delete_item(plural(kind), &item.id, "").await;
                    }
                }
            }
            _ => {}
        }
        cell
    }

    /// A session that has been let in, as one is that has run for a while, and has not read what this call reads.
    async fn opened(&self, limit: Duration) -> Ews {
        let ews = session(&self.world, limit);
        match self.call {
            // These are the first of a session.
            Call::Prepare
            | Call::First(_)
            | Call::Next(_)
            | Call::Rivals
            | Call::Fates(_)
            | Call::Restore(_) => {}
            _ => {
                // Where the folders are is known from then on.
                ews.read(&[ItemId("AAMkADUAAA=".to_owned())]).await.unwrap();
                let _ = ews
                    .estimate(days("2026-01-01", "2026-01-02"), &want(Kinds::of(Email)))
                    .await
                    .unwrap();
            }
        }
        ews
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

    async fn run(&self, ews: &Ews, cell: &Cell) -> Result<Said, Fault> {
        let kind = self.call.kind();
        let mut seen = BTreeSet::new();
        match self.call {
            Call::Prepare => ews.prepare().await?,
            Call::First(_) => {
                let (items, _) = rounds(ews, None, kind).await?;
                seen = items;
                seen.extend(unreadable(ews));
            }
            Call::Next(_) => {
                let (items, _) = rounds(ews, cell.cursor.as_ref(), kind).await?;
                seen = items;
                seen.extend(unreadable(ews));
            }
            Call::Read(_) => {
                let read = ews.read(std::slice::from_ref(&cell.id)).await?;
                seen.insert(read[0].as_ref().map_or("none".to_owned(), title_of));
            }
            Call::Fates(_) => {
                let asked = [trace(&cell.items[0]), trace(&cell.items[1])];
                for fate in ews.fates(&asked).await? {
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
                for candidate in ews.candidates(&[asked]).await?.remove(0) {
                    if let Candidate::Same(snapshot) = candidate {
                        seen.insert(title_of(&snapshot));
                    }
                }
            }
            Call::Created(_) => {
                let keys = [key(cell.n * 2), key(cell.n * 2 + 1)];
                for snapshot in ews.created(kind, &keys, Timestamp(0)).await? {
                    seen.insert(snapshot.key.map_or("no key".to_owned(), |key| key.0));
                }
            }
            Call::Messages => {
                for message in ews
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
                    let page = ews
                        .history(window, &want(Kinds::of(Email)), after.as_ref())
                        .await?;
                    seen.extend(words(page.items));
                    if !page.more {
                        break;
                    }
                    assert_ne!(after, Some(page.cursor.clone()), "it does not move on");
                    after = Some(page.cursor);
                }
                seen.extend(unreadable(ews));
            }
            Call::Estimate => {
                let count = ews
                    .estimate(days("2026-11-01", "2026-12-01"), &want(Kinds::of(Email)))
                    .await?;
                seen.insert(count.to_string());
            }
            Call::Rivals => {
                seen.insert(ews.rivals().await?.len().to_string());
            }
            Call::Restore(_) => {
                let gone: Vec<Trace> = cell.items.iter().map(trace).collect();
                return Ok(Said::Did(ews.restore(&gone).await?));
            }
            Call::Create(_) | Call::Update(_) | Call::Delete(_) => {
                return Ok(Said::Did(ews.write(&self.writes(cell)).await?));
            }
        }
        Ok(Said::Seen(seen))
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
    async fn heal(&mut self, cell: &Cell, said: &Result<Said, Fault>, at: &str) {
        let ews = self.patient();
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
                    let (more, next) = rounds(&ews, cursor.as_ref(), kind).await.unwrap();
                    seen.extend(more);
                    cursor = Some(next);
                    if self.is_right(cell, &seen) {
                        break;
                    }
                }
                let mut right = self.right(cell);
                if lost {
                    // Listed in full: what is absent is not listed.
                    right.retain(|word| !word.starts_with("absent"));
                }
                assert!(right.is_subset(&seen), "{at}: {right:?} in {seen:?}");
                // A subscription that was lost is asked for in the round after.
                self.cursor = Some(rounds(&ews, cursor.as_ref(), kind).await.unwrap().1);
                return;
            }
            let Said::Seen(seen) = self.run(&ews, cell).await.unwrap() else {
                panic!("{at}: a reading wrote")
            };
            assert!(self.is_right(cell, &seen), "{at}, after: {seen:?}");
            if self.call == Call::Prepare {
                let folders = self.world.mailbox().await;
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
            self.settle(&ews, cell, half, outcome, at).await;
        }
        // Once, whoever looks.
        let held = if kind == Contact {
            self.world.contacts().await
        } else {
            self.world.items(plural(kind)).await
        };
        for half in 0..2 {
            let text = match self.call {
                Call::Update(kind) if kind != Email => format!("{} changed", name(cell.n, half)),
                _ => name(cell.n, half),
            };
            let alive: Vec<&Value> = held
                .iter()
                .filter(|item| item["subject"] == json!(text) || item["fields"]["Surname"] == json!(text))
                .filter(|item| item["folder"] != "Deleted Items")
                .collect();
            let expected = usize::from(!matches!(self.call, Call::Delete(_)));
            assert_eq!(alive.len(), expected, "{at}: {text} among {}", held.len());
            if self.call == Call::Update(Email) {
                assert_eq!(alive[0]["categories"], json!(["Salesforce"]), "{at}");
            }
        }
    }

    /// What the engine does about one write's outcome, until it is done.
    async fn settle(&self, ews: &Ews, cell: &Cell, half: usize, mut outcome: Option<Outcome>, at: &str) {
        let kind = self.call.kind();
        for _ in 0..4 {
            match (self.call, &outcome) {
                (_, Some(Outcome::Written { .. } | Outcome::Deleted)) => return,
                (Call::Create(_), Some(Outcome::InDoubt)) => {
                    let key = key(cell.n * 2 + u32::try_from(half).unwrap());
                    let found = ews.created(kind, &[key], Timestamp(0)).await.unwrap();
                    assert!(found.len() <= 1, "{at}: made twice");
                    if found.len() == 1 {
                        return;
                    }
                }
                (Call::Update(_), Some(Outcome::InDoubt | Outcome::Conflict(_))) => {
                    let now = ews
                        .read(&[cell.items[half].id.clone()])
                        .await
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    let write = update_of(&now, cell.n, half);
                    outcome = Some(ews.write(&[write]).await.unwrap().remove(0));
                    continue;
                }
                (Call::Delete(_), Some(Outcome::InDoubt | Outcome::Missing)) => {
                    let fate = ews.fates(&[trace(&cell.items[half])]).await.unwrap().remove(0);
                    if matches!(fate, Fate::Deleted { .. }) {
                        return;
                    }
                }
                _ => {}
            }
            let again = if let Call::Restore(_) = self.call {
                ews.restore(&[trace(&cell.items[half])]).await.unwrap().remove(0)
            } else {
                let write = self.writes(cell).remove(half);
                ews.write(&[write]).await.unwrap().remove(0)
            };
            outcome = Some(again);
        }
        panic!("{at}: never done: {outcome:?}");
    }

    async fn fired(&self, times: u64) -> bool {
        let rules = self.world.control("GET", "/faults", Value::Null).await;
        rules
            .as_array()
            .unwrap()
            .first()
            .is_none_or(|rule| rule["times"].as_u64() != Some(times))
    }

    /// Faults that have no place in an operation, all at once: none of them strikes, and the call does its work.
    async fn spare(&mut self, columns: &[&Column], operation: &str) {
        if columns.is_empty() {
            return;
        }
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / what has no place in it", self.call);
        let ews = self.opened(Duration::from_mins(1)).await;
        for column in columns {
            let mut rule = (column.rule)();
            rule["times"] = json!(1);
            self.world.fault(Some(operation), rule).await;
        }
        let said = self.run(&ews, &cell).await;
        let rules = self.world.control("GET", "/faults", Value::Null).await;
        let rules = rules.as_array().unwrap();
        self.world.no_faults().await;
        assert!(
            rules.len() == columns.len() && rules.iter().all(|rule| rule["times"] == json!(1)),
            "{at}: {rules:?}"
        );
        match &said {
            Err(fault) => panic!("{at}: {fault}"),
            Ok(Said::Seen(seen)) => assert!(self.is_right(&cell, seen), "{at}: {seen:?}"),
            Ok(Said::Did(outcomes)) => {
                check_outcomes(outcomes, self.call, &FAULTS[0], operation, false, &at);
            }
        }
        self.heal(&cell, &said, &at).await;
    }

    async fn strike(&mut self, column: &Column, operation: &str, span: Span) {
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / {} / {span:?}", self.call, column.name);
        let ews = self
            .opened(if column.hangs {
                SHORT
            } else {
                Duration::from_mins(1)
            })
            .await;
        let times = if span == Span::Once { 1 } else { LASTING };
        let mut rule = (column.rule)();
        rule["times"] = json!(times);
        self.world.fault(Some(operation), rule).await;
        let said = self.run(&ews, &cell).await;
        let fired = self.fired(times).await;
        self.world.no_faults().await;
        assert_eq!(fired, strikes(column, self.call, operation), "{at}: {said:?}");
        match &said {
            Err(fault) => check_fault(fault, column, fired, &at),
            Ok(Said::Seen(seen)) if fired => self.check_seen(&cell, seen, column, operation, span, &at),
            Ok(Said::Seen(seen)) => assert!(self.is_right(&cell, seen), "{at}: {seen:?}"),
            Ok(Said::Did(outcomes)) => check_outcomes(outcomes, self.call, column, operation, fired, &at),
        }
        // A reading that is right has got over it already.
        let got_over = matches!(&said, Ok(Said::Seen(seen)) if self.is_right(&cell, seen));
        if !got_over || matches!(self.call, Call::Next(_) | Call::Prepare) {
            self.heal(&cell, &said, &at).await;
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
        if self.is_right(cell, seen) {
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

fn check_fault(fault: &Fault, column: &Column, fired: bool, at: &str) {
    assert!(fired, "{at}: {fault}");
    assert!(!fault.to_string().contains("Cell"), "{at}: {fault}");
    let wait = |ms: u64| Some(Duration::from_millis(ms));
    match column.told {
        Told::Rejected => assert_eq!(fault.kind, FaultKind::Rejected, "{at}: {fault}"),
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
        Told::Fatal => assert_eq!(fault.kind, FaultKind::Fatal, "{at}: {fault}"),
        Told::Cursor => assert_eq!(fault.kind, FaultKind::CursorExpired, "{at}: {fault}"),
        Told::Item(code) => {
            let passing = [
                "ErrorInternalServerError",
                "ErrorInternalServerTransientError",
                "ErrorMailboxStoreUnavailable",
                "ErrorTimeoutExpired",
            ];
            assert!(
                passing.contains(&code) && matches!(fault.kind, FaultKind::Transient { .. }),
                "{at}: one item must not stop the others: {fault}"
            );
        }
        Told::Listing | Told::Stale | Told::Nothing => panic!("{at}: {fault}"),
    }
}

fn check_outcomes(outcomes: &[Outcome], call: Call, column: &Column, operation: &str, fired: bool, at: &str) {
    assert_eq!(outcomes.len(), 2, "{at}");
    let done = |outcome: &Outcome| matches!(outcome, Outcome::Written { .. } | Outcome::Deleted);
    if !fired {
        assert!(outcomes.iter().all(done), "{at}: {outcomes:?}");
        return;
    }
    let own = matches!(operation, "CreateItem" | "UpdateItem" | "DeleteItem" | "MoveItem");
    for (half, outcome) in outcomes.iter().enumerate() {
        match outcome {
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
                let Told::Item(code) = column.told else {
                    panic!("{at}, write {half}: {refusal:?}")
                };
                assert!(!refusal.message.trim().is_empty(), "{at}");
                let expected = match code {
                    "ErrorAccessDenied" if own => IssueCode::NoPermission,
                    "ErrorMessageSizeExceeded" if own => IssueCode::TooLarge,
                    _ => refusal.code,
                };
                assert_eq!(refusal.code, expected, "{at}");
                if own {
                    let later = matches!(
                        code,
                        "ErrorInternalServerTransientError" | "ErrorMailboxStoreUnavailable"
                    );
                    assert_eq!(refusal.retry, later, "{at}: {refusal:?}");
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
        assert!(!done(&outcomes[0]), "{at}: {outcomes:?}");
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

fn unreadable(ews: &Ews) -> Vec<String> {
    ews.unreadable()
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

async fn rounds(
    ews: &Ews,
    since: Option<&Cursor>,
    kind: ItemKind,
) -> Result<(BTreeSet<String>, Cursor), Fault> {
    let want = want(Kinds::of(kind));
    let mut seen = BTreeSet::new();
    let mut at = since.cloned();
    for _ in 0..50 {
        let page = ews.changes(at.as_ref(), &want).await?;
        seen.extend(words(page.items));
        if !page.more {
            return Ok((seen, page.cursor));
        }
        at = Some(page.cursor);
    }
    panic!("the round does not end");
}

/// All cells of one call; how many.
async fn row(call: Call, operations: &'static [&'static str]) -> usize {
    let mut row = Row::new(call).await;
    // As it is without faults: the operations are those of the table.
    let cell = row.cell().await;
    let ews = row.opened(Duration::from_mins(1)).await;
    row.world.reset().await;
    let said = row.run(&ews, &cell).await;
    let sent = row.world.operations().await;
    match &said {
        Ok(Said::Seen(seen)) => assert!(row.is_right(&cell, seen), "{call:?}: {seen:?}"),
        Ok(Said::Did(outcomes)) => {
            check_outcomes(outcomes, call, &FAULTS[0], "", false, &format!("{call:?}"));
        }
        Err(fault) => panic!("{call:?}: {fault}"),
    }
    row.heal(&cell, &said, &format!("{call:?}")).await;
    assert_eq!(
        sent.keys().map(String::as_str).collect::<Vec<_>>(),
        operations,
        "{call:?}: what is sent, and what is listed"
    );
    let mut cells = 0;
    for operation in operations {
        let (struck, spared): (Vec<&Column>, Vec<&Column>) =
            columns().partition(|column| strikes(column, call, operation));
        row.spare(&spared, operation).await;
        cells += spared.len();
        for column in struck {
            for span in [Span::Once, Span::Lasting] {
                // One request of a hanging server is as good as many; and a mailbox is made for each cell of `Prepare`.
                // What is sent once meets it once: only where a call asks again, a fault that lasts is another one.
                let again = matches!(column.told, Told::Passing(_) | Told::Nonsense | Told::Listing)
                    && !column.hangs
                    && !SENT_ONCE.contains(operation);
                let once = !again || call == Call::Prepare;
                if span == Span::Lasting && once {
                    continue;
                }
                row.strike(column, operation, span).await;
                cells += 1;
            }
        }
    }
    assert_eq!(row.world.mails_sent().await, 0, "{call:?}");
    cells
}

async fn rows(part: Part) {
    let running: Vec<_> = CASES
        .iter()
        .filter(|(call, _)| call.part() == part)
        .map(|(call, operations)| tokio::spawn(row(*call, operations)))
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_first_listing() {
    rows(Part::FirstListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_later_listing() {
    rows(Part::LaterListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_reading_and_finding() {
    rows(Part::ReadingAndFinding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_asking_for_fates() {
    rows(Part::AskingForFates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_what_is_asked_of_mailboxes_alone() {
    rows(Part::WhatIsAskedOfMailboxesAlone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_create() {
    rows(Part::Create).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_update() {
    rows(Part::Update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_delete() {
    rows(Part::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_restore() {
    rows(Part::Restore).await;
}

#[tokio::test]
async fn the_table_has_every_fault_that_the_sandbox_knows() {
    let world = World::new().await;
    let (_, answer) = world
        .sandbox
        .control("POST", "/faults", json!({ "service": "exchange", "kind": "?" }))
        .await;
    let said = answer.to_string();
    let known: BTreeSet<&str> = said
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| *word != "?")
        .collect();
    let rules: Vec<Value> = columns().map(|column| (column.rule)()).collect();
    let ours: BTreeSet<&str> = rules.iter().map(|rule| rule["kind"].as_str().unwrap()).collect();
    assert_eq!(known, ours);
    let (_, answer) = world
        .sandbox
        .control(
            "POST",
            "/faults",
            json!({ "service": "exchange", "kind": "item_error", "code": "?" }),
        )
        .await;
    let said = answer.to_string();
    let codes: BTreeSet<&str> = said
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.starts_with("Error"))
        .collect();
    let ours: BTreeSet<&str> = columns()
        .filter_map(|column| match column.told {
            Told::Item(code) => Some(code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ours);
}

#[tokio::test]
async fn a_server_whose_clock_jumps_back_loses_nothing() {
    for kind in ItemKind::ALL {
        let mut row = Row::new(Call::Next(kind)).await;
        for jump in [-7_200, 3_600, -86_400] {
            row.world
                .control("POST", "/clock", json!({ "advance_s": jump }))
                .await;
            let cell = row.cell().await;
            let said = row.run(&row.patient(), &cell).await;
            let at = format!("{kind:?}, {jump} s");
            let Ok(Said::Seen(seen)) = &said else {
                panic!("{at}: {said:?}")
            };
            assert!(row.is_right(&cell, seen), "{at}: {seen:?}");
            row.heal(&cell, &said, &at).await;
        }
    }
}
