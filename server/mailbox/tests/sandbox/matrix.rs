//! Every fault of the sandbox, in every operation of Exchange Web Services, of every call: what the call says of it, and
//! that the same call does its work once the fault is over, once.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Value, json};
use tandem_mailbox::{Ews, EwsAccount, EwsLimits};
use tandem_sync::ports::Mailbox;

use crate::cells::{self, Call, Column, Effect, Part, Server, Told, bare, column, hanging};
use crate::support::World;

use tandem_types::ItemKind::{Contact, Email, Event, Task};

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

/// A mailbox behind Exchange Web Services.
struct Exchange(World);

#[async_trait]
impl Server for Exchange {
    const SERVICE: &'static str = "exchange";
    const CASES: &'static [(Call, &'static [&'static str])] = CASES;

    async fn fresh() -> Self {
        Self(World::with(bare()).await)
    }

    fn world(&self) -> &World {
        &self.0
    }

    fn session(&self, limit: Duration) -> Box<dyn Mailbox> {
        let world = &self.0;
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
        Box::new(Ews::with_limits(world.net.clone(), account, limits))
    }

    async fn sent(&self) -> BTreeSet<String> {
        self.0.operations().await.into_keys().collect()
    }

    fn columns() -> Vec<&'static Column> {
        columns()
    }

    fn strikes(column: &Column, call: Call, operation: &str) -> bool {
        strikes(column, call, operation)
    }

    fn changes(operation: &str) -> bool {
        matches!(operation, "CreateItem" | "UpdateItem" | "DeleteItem" | "MoveItem")
    }

    fn later(code: &str) -> bool {
        matches!(
            code,
            "ErrorInternalServerTransientError" | "ErrorMailboxStoreUnavailable"
        )
    }

    fn passing(code: &str) -> bool {
        matches!(
            code,
            "ErrorInternalServerError"
                | "ErrorInternalServerTransientError"
                | "ErrorMailboxStoreUnavailable"
                | "ErrorTimeoutExpired"
        )
    }
}

fn columns() -> Vec<&'static Column> {
    FAULTS.iter().chain(ITEM_FAULTS).collect()
}

/// Without TLS, which is tested elsewhere and takes most of the time here.
fn plain_url(world: &World) -> url::Url {
    let info = world.sandbox.info();
    let url: url::Url = info.ews_url.parse().unwrap();
    let origin: url::Url = info.exchange.http.parse().unwrap();
    origin.join(url.path()).unwrap()
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_first_listing() {
    cells::rows::<Exchange>(Part::FirstListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_later_listing() {
    cells::rows::<Exchange>(Part::LaterListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_reading_and_finding() {
    cells::rows::<Exchange>(Part::ReadingAndFinding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_asking_for_fates() {
    cells::rows::<Exchange>(Part::AskingForFates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_what_is_asked_of_mailboxes_alone() {
    cells::rows::<Exchange>(Part::WhatIsAskedOfMailboxesAlone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_create() {
    cells::rows::<Exchange>(Part::Create).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_update() {
    cells::rows::<Exchange>(Part::Update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_delete() {
    cells::rows::<Exchange>(Part::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_restore() {
    cells::rows::<Exchange>(Part::Restore).await;
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
    let rules: Vec<Value> = columns().into_iter().map(|column| (column.rule)()).collect();
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
        .into_iter()
        .filter_map(|column| match column.told {
            Told::Item(code) => Some(code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, ours);
}

#[tokio::test]
async fn a_server_whose_clock_jumps_back_loses_nothing() {
    cells::clock_jumps_back::<Exchange>().await;
}
