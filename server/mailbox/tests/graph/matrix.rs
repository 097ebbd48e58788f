//! Every fault of the sandbox, in every request to Graph and in every part of a batch, of every call: what the call says of
//! it, and that the same call does its work once the fault is over, once.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tandem_mailbox::graph::{Graph, GraphAccount, GraphLimits};
use tandem_sync::FaultKind;
use tandem_sync::model::{ItemId, Kinds};
use tandem_sync::ports::Mailbox;
use tandem_types::ItemKind;
use tandem_types::ItemKind::{Contact, Email, Event, Task};

use crate::cells::{self, Call, Column, Effect, Part, Server, Told, bare, column, hanging, plural};
use crate::support::{World, round, want};
use crate::world::{Cloud, named};

/// What is a part of a batch, and not a request.
const PART: &str = "part ";

/// The calls, and what each of them sends in a session of its own: requests, and parts of batches.
const CASES: &[(Call, &[&str])] = &[
    (
        Call::Prepare,
        &[
            "GET outlook/masterCategories",
            "POST $batch",
            "POST contactFolders",
            "POST mailFolders",
            "POST outlook/masterCategories",
            "POST todo/lists",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::First(Contact),
        &[
            "GET contactFolders/{id}/contacts",
            "GET contactFolders/{id}/contacts/delta",
            "GET contacts",
            "GET contacts/delta",
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::First(Event),
        &[
            "GET calendarView",
            "GET calendarView/delta",
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::First(Task),
        &[
            "GET todo/lists/{id}/tasks",
            "GET todo/lists/{id}/tasks/delta",
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::First(Email),
        &[
            "GET mailFolders/{id}/messages",
            "GET mailFolders/{id}/messages/delta",
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET messages",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Next(Contact),
        &[
            "POST $batch",
            "part GET contactFolders/{id}",
            "part GET contactFolders/{id}/contacts/delta",
            "part GET contacts/delta",
            "part GET contacts/{id}",
        ],
    ),
    (
        Call::Next(Event),
        &["GET calendarView", "POST $batch", "part GET calendarView/delta"],
    ),
    (
        Call::Next(Task),
        &[
            "POST $batch",
            "part GET todo/lists/{id}/tasks/delta",
            "part GET todo/lists/{id}/tasks/{id}",
        ],
    ),
    (
        Call::Next(Email),
        &[
            "POST $batch",
            "part GET mailFolders/{id}",
            "part GET mailFolders/{id}/messages/delta",
            "part GET messages",
            "part GET messages/{id}",
        ],
    ),
    (
        Call::Read(Contact),
        &[
            "POST $batch",
            "part GET contacts/{id}",
            "part GET events/{id}",
            "part GET messages/{id}",
        ],
    ),
    (
        Call::Read(Event),
        &[
            "POST $batch",
            "part GET contacts/{id}",
            "part GET events/{id}",
            "part GET messages/{id}",
        ],
    ),
    (
        Call::Read(Task),
        &["POST $batch", "part GET todo/lists/{id}/tasks/{id}"],
    ),
    (
        Call::Read(Email),
        &[
            "POST $batch",
            "part GET contacts/{id}",
            "part GET events/{id}",
            "part GET messages/{id}",
        ],
    ),
    (
        Call::Fates(Contact),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET contacts/{id}",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Fates(Event),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET events/{id}",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Fates(Task),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
            "part GET todo/lists/{id}/tasks",
            "part GET todo/lists/{id}/tasks/{id}",
        ],
    ),
    (
        Call::Candidates(Contact),
        &[
            "POST $batch",
            "part GET contactFolders/{id}/contacts",
            "part GET contacts",
        ],
    ),
    (Call::Candidates(Event), &["POST $batch", "part GET calendarView"]),
    (
        Call::Candidates(Task),
        &["POST $batch", "part GET todo/lists/{id}/tasks"],
    ),
    (
        Call::Created(Contact),
        &[
            "POST $batch",
            "part GET contactFolders/{id}/contacts",
            "part GET contacts",
        ],
    ),
    (
        Call::Created(Event),
        &["GET calendars", "POST $batch", "part GET events"],
    ),
    (
        Call::Created(Task),
        &["POST $batch", "part GET todo/lists/{id}/tasks"],
    ),
    (
        Call::Messages,
        &[
            "GET messages/{id}/$value",
            "POST $batch",
            "part GET messages/{id}",
        ],
    ),
    (Call::History, &["GET mailFolders/{id}/messages"]),
    (
        Call::Estimate,
        &["POST $batch", "part GET mailFolders/{id}/messages"],
    ),
    (
        Call::Rivals,
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Create(Contact),
        &[
            "POST $batch",
            "part GET contacts/{id}",
            "part POST contactFolders/{id}/contacts",
        ],
    ),
    (
        Call::Create(Event),
        &["POST $batch", "part GET events/{id}", "part POST events"],
    ),
    (
        Call::Create(Task),
        &[
            "POST $batch",
            "part GET todo/lists/{id}/tasks/{id}",
            "part POST todo/lists/{id}/tasks",
        ],
    ),
    (
        Call::Update(Contact),
        &[
            "POST $batch",
            "part GET contacts/{id}",
            "part PATCH contacts/{id}",
        ],
    ),
    (
        Call::Update(Event),
        &["POST $batch", "part GET events/{id}", "part PATCH events/{id}"],
    ),
    (
        Call::Update(Task),
        &[
            "POST $batch",
            "part GET todo/lists/{id}/tasks/{id}",
            "part PATCH todo/lists/{id}/tasks/{id}",
        ],
    ),
    (
        Call::Update(Email),
        &[
            "POST $batch",
            "part GET messages/{id}",
            "part PATCH messages/{id}",
        ],
    ),
    (
        Call::Delete(Contact),
        &[
            "POST $batch",
            "part DELETE contacts/{id}",
            "part GET contacts/{id}",
        ],
    ),
    (
        Call::Delete(Event),
        &["POST $batch", "part DELETE events/{id}", "part GET events/{id}"],
    ),
    (
        Call::Delete(Task),
        &[
            "POST $batch",
            "part DELETE todo/lists/{id}/tasks/{id}",
            "part GET todo/lists/{id}/tasks/{id}",
        ],
    ),
    (
        Call::Restore(Contact),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET contacts/{id}",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Restore(Event),
        &[
            "GET calendars",
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET events",
            "part GET events/{id}",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
        ],
    ),
    (
        Call::Restore(Task),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET todo/lists",
            "part GET todo/lists/{id}/tasks",
            "part GET todo/lists/{id}/tasks/{id}",
        ],
    ),
    (
        Call::Restore(Email),
        &[
            "POST $batch",
            "part GET contactFolders",
            "part GET contactFolders/{id}/childFolders",
            "part GET mailFolders",
            "part GET mailFolders/{id}",
            "part GET messages/{id}",
            "part GET todo/lists",
            "part POST messages/{id}/move",
        ],
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
        Told::SignIn,
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
    // What stands before Graph may say it after the effect.
    column(
        "status 503",
        || json!({ "kind": "status", "code": 503, "retry_after_s": 9 }),
        Told::Passing(Some(9)),
        Effect::Doubt,
    ),
    column(
        "status_after",
        || json!({ "kind": "status_after", "code": 503 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "credentials_wrong",
        || json!({ "kind": "credentials_wrong" }),
        Told::SignIn,
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
        "timeout_after, long",
        || json!({ "kind": "timeout_after", "ms": 60_000 }),
        Told::Passing(None),
        Effect::Doubt,
    ),
    column(
        "throttle",
        || json!({ "kind": "throttle", "ms": 1500 }),
        Told::Busy(2_000),
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
    // A folder's delta begins anew; only the rest of a page that was told before is lost with its cursor.
    column(
        "expired_cursor",
        || json!({ "kind": "expired_cursor" }),
        Told::Listing,
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
    "ErrorInternalServerTransientError" => Doubt,
    "ErrorItemCorrupt" => None,
    "ErrorItemNotFound" => None,
    "ErrorItemSave" => None,
    "ErrorMailboxStoreUnavailable" => Doubt,
    "ErrorMessageSizeExceeded" => None,
    "ErrorMimeContentConversionFailed" => None,
    "ErrorQuotaExceeded" => None,
    "ErrorTimeoutExpired" => Doubt,
};

fn rule(column: &Column) -> String {
    (column.rule)()["kind"].as_str().unwrap().to_owned()
}

/// A mailbox behind Graph.
struct Office(Cloud);

#[async_trait]
impl Server for Office {
    const SERVICE: &'static str = "graph";
    const CASES: &'static [(Call, &'static [&'static str])] = CASES;
    // A part of a batch is answered by Graph itself: there is no such folder, or the delta has to begin anew.
    const FATAL: &'static [FaultKind] = &[FaultKind::Fatal, FaultKind::NotFound, FaultKind::CursorExpired];

    async fn fresh() -> Self {
        let cloud = Cloud::with(bare()).await;
        // So many cells, and no minute passes between them.
        cloud.knob(json!({ "per_ten_minutes": 1_000_000 })).await;
        Self(cloud)
    }

    fn world(&self) -> &World {
        &self.0.world
    }

    /// Without TLS, which is tested elsewhere; and without patience: a test does not wait for a server.
    fn session(&self, limit: Duration) -> Box<dyn Mailbox> {
        let cloud = &self.0;
        let account = GraphAccount {
            url: format!("{}/v1.0", cloud.sandbox.info().graph.http)
                .parse()
                .unwrap(),
            ..cloud.account()
        };
        let limits = GraphLimits {
            read_timeout: limit,
            write_timeout: limit,
            patience: Duration::ZERO,
            ..GraphLimits::default()
        };
        let tokens = cloud.tokens(cloud.token());
        Box::new(Graph::new(cloud.net.clone(), account, tokens, limits))
    }

    async fn sent(&self) -> BTreeSet<String> {
        let counters = self.0.control("GET", "/counters", Value::Null).await;
        let names = |of: &str| -> Vec<String> {
            let all = counters["graph"][of].as_object().unwrap();
            all.keys().cloned().collect()
        };
        let parts = names("steps_by_operation");
        names("by_operation")
            .into_iter()
            .chain(parts.iter().map(|name| format!("{PART}{name}")))
            .collect()
    }

    async fn id_of(&self, kind: ItemKind, text: &str, _id: &ItemId) -> ItemId {
        let session = self.session(Duration::from_mins(1));
        let (listed, ..) = round(&*session, None, &want(Kinds::of(kind))).await;
        named(&listed, text).id.clone()
    }

    async fn control_id(&self, kind: ItemKind, text: &str, _id: &ItemId) -> ItemId {
        self.0.theirs(plural(kind), text).await
    }

    fn columns() -> Vec<&'static Column> {
        FAULTS.iter().chain(ITEM_FAULTS).collect()
    }

    fn strikes(column: &Column, call: Call, operation: &str) -> bool {
        let part = operation.strip_prefix(PART);
        let name = part.unwrap_or(operation);
        let kind = rule(column);
        let delta = name.ends_with("/delta");
        match kind.as_str() {
            "status" => true,
            "status_after" | "timeout_before" | "timeout_after" | "slow_body" | "cut_body" | "malformed"
            | "reset" | "credentials_wrong" => part.is_none(),
            "throttle" => name != "POST $batch",
            "item_error" => Self::has_an_id(name),
            "stale_version" => name.starts_with("PATCH ") || name.starts_with("DELETE "),
            "expired_cursor" | "silent_resync" => delta && matches!(call, Call::Next(_)),
            // Something has to be listed: what a later round is to tell lies in our folder.
            "duplicate_changes" | "late_changes" => {
                delta && !(name == "GET contacts/delta" && matches!(call, Call::Next(_)))
            }
            "empty" => delta || Self::lists(name),
            _ => false,
        }
    }

    fn rule_name(operation: &str) -> &str {
        operation.strip_prefix(PART).unwrap_or(operation)
    }

    fn told(column: &Column, operation: &str) -> Told {
        let item = Self::is_of_an_item(operation);
        match column.name {
            // One mail that the server fails to give is its own trouble, whoever says so.
            "status 500" | "status 502" | "status 503" | "status_after" if operation.ends_with("/$value") => {
                Told::Item("ErrorInternalServerError")
            }
            // One part of many: its own trouble, as far as it may be.
            "status 403" if item => Told::Item("ErrorAccessDenied"),
            "status 404" if item => Told::Item("ErrorItemNotFound"),
            "status 500" if item => Told::Item("ErrorInternalServerError"),
            // Where a search was refused, nobody knows what lies there.
            "status 403" if operation == "part GET todo/lists" => Told::Item("ErrorAccessDenied"),
            "status 403" if Self::searches(operation) => Told::Passing(None),
            _ => column.told,
        }
    }

    fn changes(operation: &str) -> bool {
        let name = Self::rule_name(operation);
        !name.starts_with("GET ") && name != "POST $batch"
    }

    fn later(code: &str) -> bool {
        Self::passing(code)
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

    /// Graph has no way to bring them back that would not make others of them.
    fn left_to_the_user(call: Call) -> bool {
        matches!(call, Call::Restore(Contact | Event | Task))
    }

    fn spares(column: &Column, call: Call, operation: &str) -> bool {
        match (column.name, call) {
            // A mail is bytes: that they are others shows nowhere.
            ("malformed", Call::Messages) => operation.ends_with("/$value"),
            // Our folder is looked for anew, and the item made there.
            ("status 404", Call::Create(_)) => operation.starts_with("part POST "),
            // To Do may be switched off: there are no tasks then, and none of those that were is taken for deleted.
            ("status 403" | "status 404", Call::First(Task)) => operation == "part GET todo/lists",
            // A list that is gone took its tasks along.
            ("status 404", Call::Fates(Task)) => operation.starts_with("part GET todo/lists"),
            // A folder that is refused has no candidates, and nothing to count; one that is not there any more holds
            // nothing.
            ("status 403" | "status 404", Call::Candidates(_) | Call::Estimate)
            | ("status 500", Call::Estimate)
            | ("status 404", Call::Created(_)) => Self::lists(Self::rule_name(operation)),
            _ => false,
        }
    }

    fn forgets(column: &Column) -> bool {
        // Nothing says that it was listed from the start: what went is found by the daily full listing.
        rule(column) == "silent_resync"
    }
}

impl Office {
    /// A request about an item by its id; an item that is made has none.
    fn has_an_id(name: &str) -> bool {
        let item = name.ends_with("/{id}") || name.ends_with("/{id}/move") || name.ends_with("/$value");
        item && !name.contains("Folders/{id}") && !name.ends_with("lists/{id}")
    }

    /// A search for what was made before: no page of a round, no list of folders.
    fn searches(operation: &str) -> bool {
        matches!(
            operation,
            "part GET contacts"
                | "part GET contactFolders/{id}/contacts"
                | "part GET events"
                | "part GET todo/lists/{id}/tasks"
        )
    }

    fn is_of_an_item(operation: &str) -> bool {
        operation
            .strip_prefix(PART)
            .is_some_and(|name| Self::has_an_id(name) || name.starts_with("POST "))
    }

    fn lists(name: &str) -> bool {
        name.starts_with("GET ") && !name.ends_with("/{id}") && !name.ends_with("/$value")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_first_listing() {
    cells::rows::<Office>(Part::FirstListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_later_listing() {
    cells::rows::<Office>(Part::LaterListing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_reading_and_finding() {
    cells::rows::<Office>(Part::ReadingAndFinding).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_asking_for_fates() {
    cells::rows::<Office>(Part::AskingForFates).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_what_is_asked_of_mailboxes_alone() {
    cells::rows::<Office>(Part::WhatIsAskedOfMailboxesAlone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_create() {
    cells::rows::<Office>(Part::Create).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_update() {
    cells::rows::<Office>(Part::Update).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_delete() {
    cells::rows::<Office>(Part::Delete).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_in_every_restore() {
    cells::rows::<Office>(Part::Restore).await;
}

#[tokio::test]
async fn a_server_whose_clock_jumps_back_loses_nothing() {
    cells::clock_jumps_back::<Office>().await;
}
