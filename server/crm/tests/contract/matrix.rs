//! Every fault of the sandbox, in every operation, of every call: what the call says of it, and that the same call does
//! its work once the fault is over, once.
//!
//! The rows are [`CASES`] and the operations that each of them sends (those inside of a composite too), the columns
//! [`FAULTS`]. Both are checked against the sandbox: an operation that is sent and not listed fails, as does a kind of
//! fault that the sandbox knows and the table does not, and a fault that was to strike and did not (or struck where it
//! cannot).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tandem_crm::{Account, Platform, Salesforce};
use tandem_sandbox::Options;
use tandem_sync::model::{
    Candidate, Change, Clue, Cursor, Fate, Field, FieldValue, File, ItemId, Kinds, MatchKey, Outcome, Record,
    Snapshot, Trace, Write,
};
use tandem_sync::ports::{Crm as _, Endpoint as _};
use tandem_sync::{Fault, FaultKind};
use tandem_types::ItemKind::{self, Contact, Email, Event, Task};
use tandem_types::Timestamp;

use super::support::platform;
use super::{Rig, Session, key, want};

/// What a call asks of Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Profile,
    First(ItemKind),
    /// A listing of more than one page.
    Long,
    Next(ItemKind),
    Read(ItemKind),
    Fates(ItemKind),
    Candidates(ItemKind),
    Created(ItemKind),
    Known,
    Rivals,
    Attach,
    Create(ItemKind),
    Update(ItemKind),
    Delete(ItemKind),
    Restore(ItemKind),
}

/// The calls, and the operations that each of them sends, in a session whose organisation is described already.
const CASES: &[(Call, &[&str])] = &[
    (Call::Profile, &["composite", "describe", "query", "versions"]),
    (Call::First(Contact), &["composite", "queryAll"]),
    (Call::First(Event), &["composite", "queryAll"]),
    (Call::First(Task), &["composite", "queryAll"]),
    (Call::Long, &["composite", "queryAll", "queryMore"]),
    (Call::Next(Contact), &["composite", "queryAll"]),
    (Call::Next(Event), &["composite", "queryAll", "updated"]),
    (Call::Next(Task), &["composite", "queryAll", "updated"]),
    (Call::Read(Contact), &["composite", "query"]),
    (Call::Read(Event), &["composite", "queryAll"]),
    (Call::Read(Task), &["composite", "queryAll"]),
    (Call::Read(Email), &["composite", "query"]),
    (Call::Fates(Contact), &["composite", "queryAll"]),
    (Call::Fates(Event), &["composite", "query", "queryAll"]),
    (Call::Fates(Task), &["composite", "queryAll"]),
    (Call::Fates(Email), &["composite", "queryAll"]),
    (Call::Candidates(Contact), &["composite", "query"]),
    (Call::Candidates(Event), &["composite", "query"]),
    (Call::Candidates(Task), &["composite", "query"]),
    (Call::Candidates(Email), &["composite", "query"]),
    (Call::Created(Contact), &["composite", "query"]),
    (Call::Created(Event), &["composite", "query"]),
    (Call::Created(Task), &["composite", "query"]),
    (Call::Created(Email), &["composite", "query"]),
    (Call::Known, &["composite", "query"]),
    (Call::Rivals, &["composite", "query"]),
    (Call::Attach, &["composite", "create", "query"]),
    (
        Call::Create(Contact),
        &["collections_upsert", "composite", "query"],
    ),
    (
        Call::Create(Event),
        &[
            "collections_create",
            "collections_upsert",
            "composite",
            "query",
            "queryAll",
        ],
    ),
    (
        Call::Create(Task),
        &["collections_upsert", "composite", "queryAll"],
    ),
    (Call::Create(Email), &["collections_create", "composite", "query"]),
    (
        Call::Update(Contact),
        &["collections_update", "composite", "query"],
    ),
    (
        Call::Update(Event),
        &[
            "collections_create",
            "collections_delete",
            "collections_update",
            "composite",
            "query",
            "queryAll",
        ],
    ),
    (
        Call::Update(Task),
        &["collections_update", "composite", "queryAll"],
    ),
    (Call::Update(Email), &["collections_update", "composite", "query"]),
    (
        Call::Delete(Contact),
        &["collections_delete", "composite", "query"],
    ),
    (
        Call::Delete(Event),
        &["collections_delete", "composite", "query", "queryAll"],
    ),
    (
        Call::Delete(Task),
        &["collections_delete", "composite", "queryAll"],
    ),
    (Call::Delete(Email), &["collections_delete", "composite", "query"]),
    (Call::Restore(Contact), &["composite", "query", "undelete"]),
    (
        Call::Restore(Event),
        &["composite", "query", "queryAll", "undelete"],
    ),
    (Call::Restore(Task), &["composite", "queryAll", "undelete"]),
    (Call::Restore(Email), &["composite", "query", "undelete"]),
];

/// What a fault may be told as, if the call does not get over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    SignInEnded,
    /// For the whole organisation.
    Busy(Option<u64>),
    Passing(Option<u64>),
    Cursor,
    Listing,
    Locked,
    Nothing,
}

struct Column {
    name: &'static str,
    rule: fn() -> Value,
    told: Told,
    /// A write that meets it may have been done.
    doubt: bool,
    hangs: bool,
}

const fn column(name: &'static str, rule: fn() -> Value, told: Told, doubt: bool) -> Column {
    Column {
        name,
        rule,
        told,
        doubt,
        hangs: false,
    }
}

const fn hanging(name: &'static str, rule: fn() -> Value) -> Column {
    Column {
        name,
        rule,
        told: Told::Passing(None),
        doubt: true,
        hangs: true,
    }
}

const FAULTS: &[Column] = &[
    column(
        "status 401",
        || json!({ "kind": "status", "code": 401 }),
        Told::SignInEnded,
        false,
    ),
    column(
        "status 403",
        || json!({ "kind": "status", "code": 403 }),
        Told::Passing(None),
        false,
    ),
    column(
        "status 404",
        || json!({ "kind": "status", "code": 404 }),
        Told::Passing(None),
        false,
    ),
    column(
        "status 429",
        || json!({ "kind": "status", "code": 429, "retry_after_s": 7 }),
        Told::Busy(Some(7)),
        false,
    ),
    column(
        "status 500",
        || json!({ "kind": "status", "code": 500 }),
        Told::Passing(None),
        true,
    ),
    column(
        "status 502",
        || json!({ "kind": "status", "code": 502 }),
        Told::Passing(None),
        true,
    ),
    column(
        "status 503",
        || json!({ "kind": "status", "code": 503, "retry_after_s": 9 }),
        Told::Passing(Some(9)),
        true,
    ),
    column(
        "status_after",
        || json!({ "kind": "status_after", "code": 502 }),
        Told::Passing(None),
        true,
    ),
    column(
        "credentials_wrong",
        || json!({ "kind": "credentials_wrong" }),
        Told::SignInEnded,
        false,
    ),
    column(
        "timeout_before",
        || json!({ "kind": "timeout_before", "ms": 20 }),
        Told::Passing(None),
        true,
    ),
    column(
        "timeout_after",
        || json!({ "kind": "timeout_after", "ms": 20 }),
        Told::Passing(None),
        true,
    ),
    hanging(
        "timeout_before, long",
        || json!({ "kind": "timeout_before", "ms": 60_000 }),
    ),
    hanging(
        "timeout_after, long",
        || json!({ "kind": "timeout_after", "ms": 60_000 }),
    ),
    column(
        "throttle",
        || json!({ "kind": "throttle", "ms": 1500 }),
        Told::Busy(None),
        false,
    ),
    column(
        "slow_body",
        || json!({ "kind": "slow_body", "ms_per_chunk": 3 }),
        Told::Nothing,
        false,
    ),
    hanging(
        "slow_body, long",
        || json!({ "kind": "slow_body", "ms_per_chunk": 12_000 }),
    ),
    column(
        "cut_body",
        || json!({ "kind": "cut_body" }),
        Told::Passing(None),
        true,
    ),
    column(
        "malformed",
        || json!({ "kind": "malformed" }),
        Told::Passing(None),
        true,
    ),
    column("reset", || json!({ "kind": "reset" }), Told::Passing(None), true),
    column(
        "expired_cursor",
        || json!({ "kind": "expired_cursor" }),
        Told::Cursor,
        false,
    ),
    column(
        "stale_version",
        || json!({ "kind": "stale_version" }),
        Told::Nothing,
        false,
    ),
    column(
        "duplicate_changes",
        || json!({ "kind": "duplicate_changes" }),
        Told::Listing,
        false,
    ),
    column(
        "late_changes",
        || json!({ "kind": "late_changes", "n": 2 }),
        Told::Listing,
        false,
    ),
    column("empty", || json!({ "kind": "empty" }), Told::Listing, false),
    column("lock_row", || json!({ "kind": "lock_row" }), Told::Locked, false),
    column(
        "item_error",
        || json!({ "kind": "item_error", "code": "ErrorItemNotFound" }),
        Told::Nothing,
        false,
    ),
    column(
        "silent_resync",
        || json!({ "kind": "silent_resync" }),
        Told::Nothing,
        false,
    ),
];

/// Requests of their own; the others are parts of a composite.
const REQUESTS: &[&str] = &["composite", "queryMore", "versions", "undelete", "create"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Once,
    Lasting,
}

/// More often than any call sends anything.
const LASTING: u64 = 80;

/// Whether the sandbox has a place for this fault in this operation.
fn strikes(column: &Column, operation: &str) -> bool {
    match column.told {
        Told::Cursor => matches!(operation, "queryMore" | "updated"),
        Told::Listing => match column.name {
            "duplicate_changes" => matches!(operation, "query" | "queryAll" | "queryMore"),
            _ => matches!(operation, "query" | "queryAll" | "updated"),
        },
        Told::Locked => operation.starts_with("collections_") || matches!(operation, "create" | "undelete"),
        // Nothing of ours names a version in a header, and these two are Exchange's.
        _ if matches!(column.name, "stale_version" | "item_error" | "silent_resync") => false,
        // Asked for before anyone is signed in.
        _ if operation == "versions" && matches!(column.name, "credentials_wrong" | "throttle") => false,
        _ => REQUESTS.contains(&operation),
    }
}

struct Cell {
    n: u32,
    items: Vec<Snapshot>,
    cursor: Option<Cursor>,
    id: ItemId,
    gone: Option<ItemId>,
}

#[derive(Debug)]
enum Said {
    Seen(BTreeSet<String>),
    Did(Vec<Outcome>),
    /// Files: whether each was put, or may be later.
    Put(Vec<Option<bool>>),
}

struct Row {
    rig: Rig,
    session: Session,
    call: Call,
    n: u32,
    cursor: Option<Cursor>,
    before: Option<ItemId>,
    /// Whom activities are about, and what.
    people: Vec<ItemId>,
    account: ItemId,
}

fn object(kind: ItemKind) -> &'static str {
    match kind {
        Contact => "Contact",
        Event => "Event",
        Task => "Task",
        Email => "EmailMessage",
    }
}

fn name(n: u32, half: usize) -> String {
    format!("Cell {n} {}", if half == 0 { "one" } else { "two" })
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

fn number(n: u32, half: usize) -> u32 {
    n * 2 + u32::try_from(half).unwrap()
}

fn trace(of: &Snapshot) -> Trace {
    Trace::new(
        of.record.kind,
        of.id.clone(),
        of.key.clone().unwrap_or_else(|| key(0)),
    )
}

/// Which test runs a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Listing,
    LongListing,
    ReadingAndFates,
    Search,
    Create,
    Update,
    DeleteAndRestore,
}

impl Call {
    fn part(self) -> Part {
        match self {
            Self::Profile | Self::First(_) | Self::Next(_) => Part::Listing,
            Self::Long => Part::LongListing,
            Self::Read(_) | Self::Fates(_) => Part::ReadingAndFates,
            Self::Candidates(_) | Self::Created(_) | Self::Known | Self::Rivals => Part::Search,
            Self::Create(_) | Self::Attach => Part::Create,
            Self::Update(_) => Part::Update,
            Self::Delete(_) | Self::Restore(_) => Part::DeleteAndRestore,
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
            Self::Attach => Email,
            Self::Profile | Self::Long | Self::Known | Self::Rivals => Contact,
        }
    }

    fn writes(self) -> bool {
        matches!(
            self,
            Self::Create(_) | Self::Update(_) | Self::Delete(_) | Self::Restore(_)
        )
    }
}

impl Row {
    async fn new(call: Call) -> Self {
        let rig = Rig::start(Options {
            contacts: 3,
            ..Options::default()
        })
        .await;
        let session = rig.session().await;
        let people = vec![
            rig.contact(0, json!({"LastName": "Host", "Email": "host@guest.example"}))
                .await,
            rig.contact(0, json!({"LastName": "Guest", "Email": "guest@guest.example"}))
                .await,
            rig.contact(0, json!({"LastName": "Other", "Email": "other@guest.example"}))
                .await,
        ];
        let account = rig.make("Account", 0, json!({"Name": "Acme"})).await;
        let mut row = Self {
            rig,
            session,
            call,
            n: 0,
            cursor: None,
            before: None,
            people,
            account,
        };
        let salesforce = row.patient();
        salesforce.profile().await.unwrap();
        if call == Call::Long {
            row.rig
                .control("POST", "/salesforce/seed", json!({ "count": 2_050 }))
                .await;
        }
        if let Call::Next(_) = call {
            let (_, cursor) = row.rounds(&salesforce, None).await.unwrap();
            row.cursor = Some(cursor);
        }
        row
    }

    /// Another session of the same connection: the grant and the organisation's description are kept.
    fn with_timeout(&self, timeout: Duration) -> Salesforce {
        let mut platform: Platform = platform(self.rig.net.clone(), &self.rig.clock, timeout);
        if self.call != Call::Profile {
            platform.cache = Arc::clone(&self.rig.platform.cache);
        }
        let account = Account {
            org: self.rig.sandbox.info().org_id.parse().unwrap(),
            user: self.session.salesforce.user(),
            settings: self.session.settings.clone(),
        };
        Salesforce::new(&platform, Arc::clone(&self.session.grants) as Arc<_>, account)
    }

    fn patient(&self) -> Salesforce {
        self.with_timeout(Duration::from_secs(20))
    }

    fn when(&self) -> String {
        let now = tandem_sync::ports::Clock::now(&*self.rig.clock).seconds() / 86_400 * 86_400;
        let at = |hours: i64| tandem_sync::model::instant(Timestamp::from_seconds(now + hours * 3600));
        format!("{}/{}", at(50), at(51))
    }

    fn relations(&self, changed: bool) -> String {
        let [host, guest, other] = self.people.as_slice() else {
            panic!("three people")
        };
        if changed {
            format!("who={host};invited={other}:none")
        } else {
            format!("who={host};what={};invited={guest}:none", self.account)
        }
    }

    fn record(&self, kind: ItemKind, n: u32, half: usize) -> Record {
        let text = name(n, half);
        let record = Record::new(kind);
        match kind {
            Contact => record.with(Field::GivenName, "Cell").with(Field::Surname, &text),
            Event => record
                .with(Field::Subject, &text)
                .with(Field::When, &self.when())
                .with(Field::Relations, &self.relations(false)),
            Task => record
                .with(Field::Subject, &text)
                .with(Field::Status, "not_started")
                .with(Field::Priority, "normal")
                .with(Field::Due, &self.when()[..10])
                .with(
                    Field::Relations,
                    &format!("who={};what={}", self.people[0], self.account),
                ),
            Email => record
                .with(Field::Subject, &text)
                .with(Field::Body, "Dear all")
                .with(Field::FromAddress, "Host <host@guest.example>")
                .with(Field::ToAddresses, "nina@contoso.example")
                .with(Field::SentAt, "2026-11-21T16:22:14Z")
                .with(Field::Incoming, "yes")
                .with(Field::MessageId, &format!("{n}.{half}@guest.example"))
                .with(Field::Relations, &format!("who={}", self.people[0])),
        }
    }

    fn update_of(&self, of: &Snapshot, n: u32, half: usize) -> Write {
        let kind = of.record.kind;
        let mut set = BTreeMap::new();
        match kind {
            // What was saved stands; what it belongs to may change.
            Email => {
                set.insert(
                    Field::Relations,
                    FieldValue::Known(format!("who={};what={}", self.people[0], self.account)),
                );
            }
            _ => {
                set.insert(
                    title(kind),
                    FieldValue::Known(format!("{} changed", name(n, half))),
                );
            }
        }
        if kind == Event {
            set.insert(Field::Relations, FieldValue::Known(self.relations(true)));
        }
        if kind == Task {
            set.insert(
                Field::Relations,
                FieldValue::Known(format!("who={}", self.people[1])),
            );
        }
        Write::Update {
            kind,
            id: of.id.clone(),
            version: of.version.clone(),
            set,
            key: None,
            mark: None,
            notify: false,
        }
    }

    /// Another user's tool, or the user in the browser.
    async fn add(&self, kind: ItemKind, text: &str) -> ItemId {
        let when = self.when();
        let (start, end) = when.split_once('/').unwrap();
        let fields = match kind {
            Contact => {
                json!({ "FirstName": "Cell", "LastName": text, "Email": format!("{}@cell.example", text.replace(' ', ".")) })
            }
            Event => json!({ "Subject": text, "StartDateTime": start, "EndDateTime": end }),
            Task => json!({ "Subject": text, "ActivityDate": start[..10] }),
            Email => json!({
                "Subject": text, "TextBody": "x", "Status": "3", "Incoming": true,
                "MessageIdentifier": format!("<{}@cell.example>", text.replace(' ', ".")), "FromAddress": "a@b.example",
            }),
        };
        self.rig.make(object(kind), 0, fields).await
    }

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
        let salesforce = self.patient();
        match self.call {
            Call::Profile | Call::Long | Call::Known | Call::Rivals | Call::Create(_) => {}
            Call::First(_) | Call::Read(_) => {
                if self.before.is_none() {
                    self.before = Some(self.add(kind, "Cell").await);
                }
                cell.id = self.before.clone().unwrap();
            }
            Call::Next(_) => {
                cell.id = self.add(kind, &name(n, 0)).await;
                if let Some(before) = self.before.replace(cell.id.clone()) {
                    self.rig
                        .control(
                            "DELETE",
                            &format!("/salesforce/records/{}/{before}", object(kind)),
                            Value::Null,
                        )
                        .await;
                    cell.gone = Some(before);
                }
            }
            Call::Candidates(_) => cell.id = self.add(kind, &name(n, 0)).await,
            Call::Attach => {
                let write = super::create(number(n, 0), self.record(Email, n, 0));
                cell.items
                    .push(super::written(&salesforce.write(&[write]).await.unwrap()[0]).clone());
            }
            Call::Fates(_) | Call::Created(_) | Call::Update(_) | Call::Delete(_) | Call::Restore(_) => {
                let writes: Vec<Write> = (0..2)
                    .map(|half| super::create(number(n, half), self.record(kind, n, half)))
                    .collect();
                for outcome in salesforce.write(&writes).await.unwrap() {
                    cell.items.push(super::written(&outcome).clone());
                }
            }
        }
        let gone: &[Snapshot] = match self.call {
            Call::Restore(_) => &cell.items,
            Call::Fates(_) => &cell.items[1..],
            _ => &[],
        };
        for item in gone {
            let outcome = salesforce.write(&[super::delete(item)]).await.unwrap();
            assert_eq!(outcome, [Outcome::Deleted]);
        }
        cell
    }

    fn writes(&self, cell: &Cell) -> Vec<Write> {
        let kind = self.call.kind();
        let items = cell.items.iter();
        match self.call {
            Call::Create(_) => (0..2)
                .map(|half| super::create(number(cell.n, half), self.record(kind, cell.n, half)))
                .collect(),
            Call::Update(_) => items
                .enumerate()
                .map(|(half, of)| self.update_of(of, cell.n, half))
                .collect(),
            Call::Delete(_) => items.map(super::delete).collect(),
            _ => Vec::new(),
        }
    }

    fn files() -> Vec<File> {
        [("a.txt", 10), ("b.txt", 20)]
            .map(|(name, size)| File {
                name: name.to_owned(),
                content_type: "text/plain".to_owned(),
                bytes: vec![b'x'; size],
            })
            .to_vec()
    }

    async fn rounds(
        &self,
        salesforce: &Salesforce,
        since: Option<&Cursor>,
    ) -> Result<(BTreeSet<String>, Cursor), Fault> {
        let want = want(&self.session, Kinds::of(self.call.kind()));
        let mut seen = BTreeSet::new();
        let mut at = since.cloned();
        for _ in 0..20 {
            let page = salesforce.changes(at.as_ref(), &want).await?;
            for change in page.items {
                seen.insert(match change {
                    Change::Present(snapshot) if self.call == Call::Long => snapshot.id.0,
                    Change::Present(snapshot) => title_of(&snapshot),
                    Change::Deleted { id, .. } => format!("deleted {id}"),
                    Change::Absent(id) | Change::Left(id) => format!("away {id}"),
                });
            }
            if !page.more {
                return Ok((seen, page.cursor));
            }
            at = Some(page.cursor);
        }
        panic!("the round does not end");
    }

    async fn run(&self, salesforce: &Salesforce, cell: &Cell) -> Result<Said, Fault> {
        let kind = self.call.kind();
        let mut seen = BTreeSet::new();
        match self.call {
            Call::Profile => {
                let profiles = salesforce.profile().await?;
                seen.extend(profiles.0.keys().map(|kind| kind.as_str().to_owned()));
            }
            Call::First(_) => seen = self.rounds(salesforce, None).await?.0,
            Call::Long => {
                seen.insert(self.rounds(salesforce, None).await?.0.len().to_string());
            }
            Call::Next(_) => seen = self.rounds(salesforce, cell.cursor.as_ref()).await?.0,
            Call::Read(_) => {
                let read = salesforce.read(std::slice::from_ref(&cell.id)).await?;
                seen.insert(read[0].as_ref().map_or("none".to_owned(), title_of));
            }
            Call::Fates(_) => {
                let asked = [trace(&cell.items[0]), trace(&cell.items[1])];
                for fate in salesforce.fates(&asked).await? {
                    seen.insert(match fate {
                        Fate::Here(snapshot) => title_of(&snapshot),
                        Fate::Deleted { .. } => "deleted".to_owned(),
                        Fate::Unproved => "unproved".to_owned(),
                    });
                }
            }
            Call::Candidates(_) => {
                let text = name(cell.n, 0);
                let when = self.when();
                let asked = match kind {
                    Contact => {
                        MatchKey::Email(format!("{}@cell.example", text.replace(' ', ".").to_lowercase()))
                    }
                    Event => MatchKey::Event {
                        subject: text,
                        start: when.split('/').next().unwrap().to_owned(),
                    },
                    Task => MatchKey::Task {
                        subject: text,
                        due: when[..10].to_owned(),
                    },
                    Email => MatchKey::Message(format!("{}@cell.example", text.replace(' ', "."))),
                };
                for candidate in salesforce.candidates(&[asked]).await?.remove(0) {
                    if let Candidate::Same(snapshot) = candidate {
                        seen.insert(title_of(&snapshot));
                    }
                }
            }
            Call::Created(_) => {
                let keys = [key(number(cell.n, 0)), key(number(cell.n, 1))];
                for snapshot in salesforce.created(kind, &keys, Timestamp(0)).await? {
                    seen.insert(snapshot.key.map_or("no key".to_owned(), |key| key.0));
                }
            }
            Call::Known => {
                let clues = [Clue::Address("host@guest.example".to_owned())];
                for known in salesforce.known(&clues).await?.remove(0) {
                    seen.insert(known.id.0);
                }
            }
            Call::Rivals => {
                seen.insert(salesforce.rivals().await?.len().to_string());
            }
            Call::Attach => {
                let put = salesforce.attach(&cell.items[0].id, &Self::files()).await?;
                return Ok(Said::Put(
                    put.into_iter()
                        .map(|one| one.err().map(|refusal| refusal.retry))
                        .collect(),
                ));
            }
            Call::Restore(_) => {
                let gone: Vec<Trace> = cell.items.iter().map(trace).collect();
                return Ok(Said::Did(salesforce.restore(&gone).await?));
            }
            Call::Create(_) | Call::Update(_) | Call::Delete(_) => {
                return Ok(Said::Did(salesforce.write(&self.writes(cell)).await?));
            }
        }
        Ok(Said::Seen(seen))
    }

    fn right(&self, cell: &Cell) -> BTreeSet<String> {
        let words = match self.call {
            Call::Profile => ItemKind::ALL.map(|kind| kind.as_str().to_owned()).to_vec(),
            Call::First(_) | Call::Read(_) => vec!["Cell".to_owned()],
            Call::Next(_) => {
                let mut words = vec![name(cell.n, 0)];
                words.extend(cell.gone.as_ref().map(|gone| format!("deleted {gone}")));
                words
            }
            Call::Fates(_) => vec![name(cell.n, 0), "deleted".to_owned()],
            Call::Candidates(_) => vec![name(cell.n, 0)],
            Call::Created(_) => vec![key(number(cell.n, 0)).0, key(number(cell.n, 1)).0],
            Call::Known => vec![self.people[0].0.clone()],
            Call::Rivals => vec!["0".to_owned()],
            _ => vec![],
        };
        words.into_iter().collect()
    }

    fn is_right(&self, cell: &Cell, seen: &BTreeSet<String>) -> bool {
        let right = self.right(cell);
        match self.call {
            // More may stand there: what the sandbox holds of its own, and the overlap with what was read before.
            Call::First(_) | Call::Next(_) => right.is_subset(seen),
            Call::Long => seen
                .iter()
                .any(|count| count.parse().is_ok_and(|count: usize| count >= 2_050)),
            _ => right == *seen,
        }
    }

    async fn heal(&mut self, cell: &Cell, said: &Result<Said, Fault>, at: &str) {
        let salesforce = self.patient();
        let kind = self.call.kind();
        if let Call::Next(_) = self.call {
            let mut seen = BTreeSet::new();
            let mut cursor = cell.cursor.clone();
            // What was held back comes with one of the next rounds.
            for _ in 0..4 {
                let (more, next) = self.rounds(&salesforce, cursor.as_ref()).await.unwrap();
                seen.extend(more);
                cursor = Some(next);
                if self.is_right(cell, &seen) {
                    break;
                }
            }
            assert!(
                self.is_right(cell, &seen),
                "{at}: {:?} in {seen:?}",
                self.right(cell)
            );
            self.cursor = cursor;
            return;
        }
        if self.call == Call::Attach {
            let Said::Put(put) = self.run(&salesforce, cell).await.unwrap() else {
                panic!("{at}")
            };
            assert_eq!(put, [None, None], "{at}");
            let links = self.rig.all("ContentDocumentLink").await;
            let mine = links
                .iter()
                .filter(|link| link["LinkedEntityId"] == json!(cell.items[0].id.0))
                .count();
            assert_eq!(mine, 2, "{at}: each file is there once");
            return;
        }
        if !self.call.writes() {
            let mut last = BTreeSet::new();
            // What was held back is seen after some requests.
            for _ in 0..4 {
                let Said::Seen(seen) = self.run(&salesforce, cell).await.unwrap() else {
                    panic!("{at}: a reading wrote")
                };
                if self.is_right(cell, &seen) {
                    return;
                }
                assert!(at.contains("late_changes"), "{at}, after: {seen:?}");
                last = seen;
            }
            panic!("{at}, after: {last:?}");
        }
        for half in 0..2 {
            let outcome = match said {
                Ok(Said::Did(outcomes)) => Some(outcomes[half].clone()),
                _ => None,
            };
            self.settle(&salesforce, cell, half, outcome, at).await;
        }
        let rows = self.rig.all(object(kind)).await;
        for half in 0..2 {
            let text = match self.call {
                Call::Update(kind) if kind != Email => format!("{} changed", name(cell.n, half)),
                _ => name(cell.n, half),
            };
            // A guest of the organisation has a copy; there is none here.
            let alive: Vec<&Value> = rows
                .iter()
                .filter(|row| row["Subject"] == json!(text) || row["LastName"] == json!(text))
                .collect();
            assert_eq!(
                alive.len(),
                usize::from(!matches!(self.call, Call::Delete(_))),
                "{at}: {text} among {}",
                rows.len()
            );
            let Some(row) = alive.first() else { continue };
            self.check_ties(row, at).await;
        }
    }

    /// Who and what an activity belongs to, after it was written.
    async fn check_ties(&self, row: &Value, at: &str) {
        let kind = self.call.kind();
        let changed = matches!(self.call, Call::Update(_));
        let [host, guest, other] = self.people.as_slice() else {
            panic!("three people")
        };
        let invited = if changed { other } else { guest };
        let who = if changed && kind == Task { guest } else { host };
        let what = if changed {
            Value::Null
        } else {
            json!(self.account.0)
        };
        match kind {
            Event | Task => {
                assert_eq!((&row["WhoId"], &row["WhatId"]), (&json!(who.0), &what), "{at}");
            }
            Email => {
                let what = if changed {
                    json!(self.account.0)
                } else {
                    Value::Null
                };
                assert_eq!(row["RelatedToId"], what, "{at}");
                let relations = self.rig.all("EmailMessageRelation").await;
                let from = relations
                    .iter()
                    .filter(|one| one["EmailMessageId"] == row["Id"] && one["RelationId"] == json!(host.0))
                    .count();
                // Nobody was known by the address, as far as a listing told that lied.
                let expected = if at.contains(" / empty / ") { 0..=1 } else { 1..=1 };
                assert!(expected.contains(&from), "{at}: {from}");
            }
            Contact => {}
        }
        if kind == Event {
            let relations = self.rig.all("EventRelation").await;
            let guests: Vec<&Value> = relations
                .iter()
                .filter(|one| one["EventId"] == row["Id"] && one["IsInvitee"] != json!(false))
                .map(|one| &one["RelationId"])
                .collect();
            assert_eq!(guests, [&json!(invited.0)], "{at}");
        }
    }

    /// What the engine does about one write's outcome, until it is done.
    async fn settle(
        &self,
        salesforce: &Salesforce,
        cell: &Cell,
        half: usize,
        mut outcome: Option<Outcome>,
        at: &str,
    ) {
        for _ in 0..4 {
            match (self.call, &outcome) {
                (Call::Create(kind @ (Event | Task)), Some(Outcome::Written { now, left, .. })) => {
                    let wanted = self.record(kind, cell.n, half);
                    if now.record.get(Field::Relations) == wanted.get(Field::Relations) {
                        return;
                    }
                    // As it was read back, a guest is missing, and that is told: what differs is written.
                    assert!(left.is_some() || at.contains(" / empty / "), "{at}: in silence");
                    let now = salesforce
                        .read(std::slice::from_ref(&now.id))
                        .await
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    let relations = wanted.get(Field::Relations).known().unwrap();
                    let write = super::update(&now, &[(Field::Relations, relations)]);
                    let again = salesforce.write(&[write]).await.unwrap().remove(0);
                    assert!(matches!(again, Outcome::Written { .. }), "{at}: {again:?}");
                    return;
                }
                (Call::Update(Event), Some(Outcome::Written { now, .. })) => {
                    if now.record.get(Field::Relations).known() == Some(self.relations(true).as_str()) {
                        return;
                    }
                    let now = salesforce
                        .read(std::slice::from_ref(&now.id))
                        .await
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    let write = super::update(&now, &[(Field::Relations, &self.relations(true))]);
                    let again = salesforce.write(&[write]).await.unwrap().remove(0);
                    assert!(matches!(again, Outcome::Written { .. }), "{at}: {again:?}");
                    return;
                }
                (_, Some(Outcome::Written { .. } | Outcome::Deleted)) => return,
                (Call::Create(kind), Some(Outcome::InDoubt)) => {
                    let found = salesforce
                        .created(kind, &[key(number(cell.n, half))], Timestamp(0))
                        .await
                        .unwrap();
                    assert!(found.len() <= 1, "{at}: made twice");
                    // Its people may be missing: what differs is written.
                    // An email in doubt is made again under its key: that adds what is missing of its people.
                    if let (Some(found), true) = (found.first(), kind != Email) {
                        let wanted = self.record(kind, cell.n, half);
                        let set: BTreeMap<Field, FieldValue> = wanted
                            .fields
                            .into_iter()
                            .filter(|(field, value)| {
                                *field == Field::Relations && found.record.get(*field) != value
                            })
                            .collect();
                        if set.is_empty() {
                            return;
                        }
                        let write = Write::Update {
                            kind,
                            id: found.id.clone(),
                            version: found.version.clone(),
                            set,
                            key: None,
                            mark: None,
                            notify: false,
                        };
                        outcome = Some(salesforce.write(&[write]).await.unwrap().remove(0));
                        continue;
                    }
                }
                (Call::Update(_), Some(Outcome::InDoubt | Outcome::Conflict(_) | Outcome::Refused(_))) => {
                    let now = salesforce
                        .read(&[cell.items[half].id.clone()])
                        .await
                        .unwrap()
                        .remove(0)
                        .unwrap();
                    let write = self.update_of(&now, cell.n, half);
                    outcome = Some(salesforce.write(&[write]).await.unwrap().remove(0));
                    continue;
                }
                (Call::Delete(_), Some(Outcome::InDoubt | Outcome::Missing)) => {
                    let fate = salesforce
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
                salesforce
                    .restore(&[trace(&cell.items[half])])
                    .await
                    .unwrap()
                    .remove(0)
            } else {
                let write = self.writes(cell).remove(half);
                salesforce.write(&[write]).await.unwrap().remove(0)
            };
            outcome = Some(again);
        }
        panic!("{at}: never done: {outcome:?}");
    }

    /// Faults that have no place in an operation, all at once: none of them strikes, and the call does its work.
    async fn spare(&mut self, columns: &[&Column], operation: &str) {
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / what has no place in it", self.call);
        for column in columns {
            self.rig
                .fault(json!({ "operation": operation, "kind": (column.rule)(), "times": 1 }))
                .await;
        }
        let said = self.run(&self.patient(), &cell).await;
        let rules = self.rig.control("GET", "/faults", Value::Null).await;
        let rules = rules.as_array().unwrap();
        self.rig.clear_faults().await;
        assert!(
            rules.len() == columns.len() && rules.iter().all(|rule| rule["times"] == json!(1)),
            "{at}: {rules:?}"
        );
        match &said {
            Err(fault) => panic!("{at}: {fault}"),
            Ok(Said::Seen(seen)) => assert!(self.is_right(&cell, seen), "{at}: {seen:?}"),
            Ok(Said::Put(put)) => assert_eq!(put, &[None, None], "{at}"),
            Ok(Said::Did(outcomes)) => {
                check_outcomes(outcomes, &FAULTS[0], operation, Span::Once, false, &at);
            }
        }
        self.heal(&cell, &said, &at).await;
    }

    async fn strike(&mut self, column: &Column, operation: &str, span: Span) {
        let cell = self.cell().await;
        let at = format!("{:?} / {operation} / {} / {span:?}", self.call, column.name);
        let salesforce = self.with_timeout(patience(self.call, column));
        let times = if span == Span::Once { 1 } else { LASTING };
        self.rig
            .fault(json!({ "operation": operation, "kind": (column.rule)(), "times": times }))
            .await;
        let said = self.run(&salesforce, &cell).await;
        let rules = self.rig.control("GET", "/faults", Value::Null).await;
        let fired = rules
            .as_array()
            .unwrap()
            .first()
            .is_none_or(|rule| rule["times"].as_u64() != Some(times));
        self.rig.clear_faults().await;
        assert_eq!(fired, strikes(column, operation), "{at}: {said:?}");
        match &said {
            Err(fault) => check_fault(fault, column, fired, &at),
            Ok(Said::Seen(seen)) => {
                // A listing that lies is not told apart from one that does not; everything else is.
                let excused = fired && column.told == Told::Listing;
                assert!(excused || self.is_right(&cell, seen), "{at}: {seen:?}");
            }
            Ok(Said::Put(put)) => {
                let later = put.iter().all(|one| one.is_none_or(|retry| retry));
                assert!(
                    later && (fired || put.iter().all(Option::is_none)),
                    "{at}: {put:?}"
                );
            }
            Ok(Said::Did(outcomes)) => check_outcomes(outcomes, column, operation, span, fired, &at),
        }
        // A reading that is right has got over it already.
        let got_over = matches!(&said, Ok(Said::Seen(seen)) if self.is_right(&cell, seen));
        if !got_over || matches!(self.call, Call::Next(_)) {
            self.heal(&cell, &said, &at).await;
        }
    }
}

/// How long we wait ourselves. A page of 2,000 rows takes its time.
fn patience(call: Call, column: &Column) -> Duration {
    match (column.hangs, call) {
        (true, Call::Long) => Duration::from_secs(4),
        (true, _) => Duration::from_millis(500),
        (false, _) => Duration::from_mins(1),
    }
}

fn check_fault(fault: &Fault, column: &Column, fired: bool, at: &str) {
    assert!(fired, "{at}: {fault}");
    assert!(!fault.to_string().contains("Cell"), "{at}: {fault}");
    match column.told {
        Told::SignInEnded => assert_eq!(fault.kind, FaultKind::SignInEnded, "{at}: {fault}"),
        Told::Busy(wait) => {
            assert!(
                matches!(fault.kind, FaultKind::RateLimited { whole_org: true, .. }),
                "{at}: {fault}"
            );
            assert_eq!(
                fault.retry_after(),
                wait.map(Duration::from_secs),
                "{at}: {fault}"
            );
        }
        Told::Passing(wait) => {
            assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{at}: {fault}");
            assert_eq!(
                fault.retry_after(),
                wait.map(Duration::from_secs),
                "{at}: {fault}"
            );
        }
        Told::Cursor => assert_eq!(fault.kind, FaultKind::CursorExpired, "{at}: {fault}"),
        Told::Listing | Told::Locked | Told::Nothing => panic!("{at}: {fault}"),
    }
}

fn check_outcomes(outcomes: &[Outcome], column: &Column, operation: &str, span: Span, fired: bool, at: &str) {
    assert_eq!(outcomes.len(), 2, "{at}");
    let done = |outcome: &Outcome| matches!(outcome, Outcome::Written { .. } | Outcome::Deleted);
    if !fired || (span == Span::Once && column.told == Told::SignInEnded) {
        assert!(outcomes.iter().all(done), "{at}: {outcomes:?}");
        return;
    }
    for outcome in outcomes {
        match outcome {
            Outcome::Written { .. } | Outcome::Deleted => {}
            Outcome::InDoubt => assert!(column.doubt || column.told != Told::Nothing, "{at}: {outcome:?}"),
            Outcome::Refused(refusal) => {
                assert!(refusal.retry, "{at}: it may work later: {refusal:?}");
                assert!(
                    !refusal.message.trim().is_empty() || column.told != Told::Locked,
                    "{at}"
                );
            }
            Outcome::Missing => assert_eq!(column.name, "empty", "{at}: {outcome:?}"),
            // Guests that are not listed are guests that were taken away.
            Outcome::Conflict(_) => assert!(column.name == "empty", "{at}: {outcome:?}"),
        }
    }
    // Guests that are refused leave the event standing: what was read back says that they are missing.
    let own = operation.starts_with("collections_")
        && !at.starts_with("Update(Event)")
        && !at.starts_with("Create(E");
    if column.told == Told::Locked && span == Span::Lasting && own {
        assert!(!outcomes.iter().all(done), "{at}: {outcomes:?}");
    }
    if column.told == Told::Locked && span == Span::Once && operation != "undelete" {
        assert!(outcomes.iter().all(done), "{at}: a lock passes: {outcomes:?}");
    }
}

async fn sent(rig: &Rig) -> BTreeMap<String, u64> {
    let counters = rig.control("GET", "/counters", Value::Null).await;
    let mut all = BTreeMap::new();
    for part in ["by_operation", "sub_operations"] {
        for (name, count) in counters["salesforce"][part].as_object().unwrap() {
            *all.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    all
}

async fn row(call: Call, operations: &'static [&'static str]) -> usize {
    let mut row = Row::new(call).await;
    let cell = row.cell().await;
    let salesforce = row.patient();
    let before = sent(&row.rig).await;
    let said = row.run(&salesforce, &cell).await;
    let mut after = sent(&row.rig).await;
    after.retain(|name, count| before.get(name) != Some(count));
    match &said {
        Ok(Said::Seen(seen)) => assert!(row.is_right(&cell, seen), "{call:?}: {seen:?}"),
        Ok(Said::Put(put)) => assert_eq!(put, &[None, None]),
        Ok(Said::Did(outcomes)) => {
            check_outcomes(outcomes, &FAULTS[0], "", Span::Once, false, &format!("{call:?}"));
        }
        Err(fault) => panic!("{call:?}: {fault}"),
    }
    row.heal(&cell, &said, &format!("{call:?}")).await;
    assert_eq!(
        after.keys().map(String::as_str).collect::<Vec<_>>(),
        operations,
        "{call:?}: what is sent, and what is listed"
    );
    let mut cells = 0;
    for operation in operations {
        // Its other operations are those of the first listing, and a page of 2,000 takes its time.
        if call == Call::Long && *operation != "queryMore" {
            continue;
        }
        let (struck, spared): (Vec<&Column>, Vec<&Column>) =
            FAULTS.iter().partition(|column| strikes(column, operation));
        row.spare(&spared, operation).await;
        cells += spared.len();
        for column in struck {
            for span in [Span::Once, Span::Lasting] {
                // Only where a call asks again, a fault that lasts is another one.
                let again = matches!(column.told, Told::Passing(_) | Told::SignInEnded | Told::Locked);
                let again = again && call != Call::Long;
                if span == Span::Lasting && (!again || column.hangs) {
                    continue;
                }
                row.strike(column, operation, span).await;
                cells += 1;
            }
        }
    }
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
async fn every_fault_in_every_listing() {
    rows(Part::Listing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_between_two_pages() {
    rows(Part::LongListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_reading_and_fates() {
    rows(Part::ReadingAndFates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_search() {
    rows(Part::Search).await;
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
async fn every_fault_in_every_delete_and_restore() {
    rows(Part::DeleteAndRestore).await;
}

#[tokio::test]
async fn the_table_has_every_fault_that_the_sandbox_knows() {
    let rig = Rig::fresh().await;
    let (_, answer) = rig
        .sandbox
        .control("POST", "/faults", json!({ "service": "salesforce", "kind": "?" }))
        .await;
    let said = answer.to_string();
    let known: BTreeSet<&str> = said
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| *word != "?")
        .collect();
    let rules: Vec<Value> = FAULTS.iter().map(|column| (column.rule)()).collect();
    let ours: BTreeSet<&str> = rules.iter().map(|rule| rule["kind"].as_str().unwrap()).collect();
    assert_eq!(known, ours);
}

#[tokio::test]
async fn a_clock_that_jumps_back_loses_nothing() {
    for kind in [Contact, Event, Task] {
        let mut row = Row::new(Call::Next(kind)).await;
        // Ours alone, then both.
        for (ours, theirs) in [(-7_200, 0), (3_600, 0), (-600, -300), (300, 300)] {
            row.rig.clock.advance(ours);
            row.rig
                .control("POST", "/clock", json!({ "advance_s": theirs }))
                .await;
            let cell = row.cell().await;
            let said = row.run(&row.patient(), &cell).await;
            let at = format!("{kind:?}, {ours} s and {theirs} s");
            let Ok(Said::Seen(seen)) = &said else {
                panic!("{at}: {said:?}")
            };
            assert!(row.is_right(&cell, seen), "{at}: {seen:?}");
            row.heal(&cell, &said, &at).await;
        }
    }
}
