//! SyncFolderHierarchy, SyncFolderItems, and pull subscriptions.
//!
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/mailbox-synchronization-and-ews-in-exchange>

use std::collections::{BTreeSet, HashMap};

use super::content::{Shape, Source};
use super::folders;
use super::props::write_time;
use super::store::{Event, Known, Late, Mailbox, Subscription, What, no_folder};
use super::xml::{Element, tag, wrap};
use super::{Call, Fail, Reply};
use crate::faults::Kind;

/// Events in one answer to GetEvents.
const EVENTS_PER_ANSWER: usize = 100;

fn bad_state() -> Fail {
    Fail::new(
        "ErrorInvalidSyncStateData",
        "Synchronization state data is corrupt or otherwise invalid.",
    )
}

pub(super) fn hierarchy(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let shape = folders::Shape::parse(request.child("FolderShape"))?;
    let mut reply = Reply::new("SyncFolderHierarchy");
    let outcome = hierarchy_changes(call, request, &shape);
    reply.add(
        outcome,
        "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>",
    );
    Ok(reply.finish())
}

fn hierarchy_changes(call: &mut Call<'_>, request: &Element, shape: &folders::Shape) -> Result<String, Fail> {
    let top = match request.list("SyncFolderId").first() {
        Some(id) => folders::resolve(call, id).map_err(sync_folder)?,
        None => call
            .mailbox()
            .distinguished("msgfolderroot")
            .ok_or_else(no_folder)?,
    };
    let given = request.child_text("SyncState").filter(|s| !s.is_empty());
    if given.is_some() && call.take(|k| *k == Kind::ExpiredCursor).is_some() {
        return Err(bad_state());
    }
    let mailbox = call.mailbox_mut();
    let known = match given {
        Some(state) => mailbox.hierarchies.get(state).cloned().ok_or_else(bad_state)?,
        None => HashMap::new(),
    };
    let now: HashMap<u64, u64> = mailbox
        .folders
        .iter()
        .filter(|(n, _)| mailbox.is_below(**n, top))
        .map(|(n, f)| (*n, f.seq))
        .collect();
    let mut changes = String::new();
    for number in mailbox.folders.keys().filter(|n| now.contains_key(n)) {
        let kind = match known.get(number) {
            None => "t:Create",
            Some(seq) if now.get(number) != Some(seq) => "t:Update",
            Some(_) => continue,
        };
        let mut folder = String::new();
        folders::write(&mut folder, mailbox, *number, shape);
        wrap(&mut changes, kind, &[], &folder);
    }
    let mut gone: Vec<&u64> = known.keys().filter(|n| !now.contains_key(n)).collect();
    gone.sort_unstable();
    for number in gone {
        let mut id = String::new();
        wrap(&mut id, "t:FolderId", &[("Id", &mailbox.folder_id(*number))], "");
        wrap(&mut changes, "t:Delete", &[], &id);
    }
    let state = match given {
        Some(state) if now == known => state.to_owned(),
        _ => mailbox.remember_tree(now),
    };
    let mut out = String::new();
    tag(&mut out, "m:SyncState", &state);
    tag(&mut out, "m:IncludesLastFolderInRange", "true");
    wrap(&mut out, "m:Changes", &[], &changes);
    Ok(out)
}

fn sync_folder(fail: Fail) -> Fail {
    match fail.code {
        "ErrorFolderNotFound" => Fail::new(
            "ErrorSyncFolderNotFound",
            "The folder to be synchronized could not be found.",
        ),
        _ => fail,
    }
}

pub(super) fn items(call: &mut Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("SyncFolderItems");
    let outcome = item_changes(call, request);
    reply.add(
        outcome,
        "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
    );
    reply.finish()
}

/// One difference between what a client knows and what is there.
enum Difference {
    Create(u64),
    Update(u64),
    /// A message was read, or marked as unread; nothing else.
    Read(u64),
    /// Number and moves.
    Delete(u64, u64),
}

fn item_changes(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let folder = match request.list("SyncFolderId").first() {
        Some(id) => folders::resolve(call, id).map_err(sync_folder)?,
        None => return Err(no_folder()),
    };
    let Some(shape) = request.child("ItemShape") else {
        return Err(no_folder());
    };
    let shape = Shape::parse(shape, Source::Changes)?;
    let most: usize = request
        .child_text("MaxChangesReturned")
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(512);
    let mut given = request.child_text("SyncState").filter(|s| !s.is_empty());
    if given.is_some() && call.take(|k| *k == Kind::ExpiredCursor).is_some() {
        return Err(bad_state());
    }
    if given.is_some() && call.take(|k| *k == Kind::SilentResync).is_some() {
        given = None;
    }
    let before = match given {
        Some(state) => call
            .mailbox()
            .recall(state)
            .filter(|k| k.folder == folder)
            .ok_or_else(bad_state)?,
        None => std::sync::Arc::new(Known {
            folder,
            items: HashMap::new(),
        }),
    };
    let ignored: BTreeSet<u64> = request
        .list("Ignore")
        .iter()
        .filter_map(|id| call.mailbox().item_of(id.attr("Id").unwrap_or_default()))
        .collect();
    let emptied = call.take(|k| *k == Kind::Empty).is_some();
    let mut differences = differences(call.mailbox(), &before, folder, emptied);
    differences.retain(|(_, d)| match d {
        Difference::Create(n) | Difference::Update(n) | Difference::Read(n) => !ignored.contains(n),
        Difference::Delete(..) => true,
    });
    if let (Some(first), Some(last)) = (
        differences.iter().map(|d| d.0).min(),
        differences.iter().map(|d| d.0).max(),
    ) && let Some(Kind::LateChanges { n }) = call.take(|k| matches!(k, Kind::LateChanges { .. }))
    {
        let until = call.request.saturating_add(n);
        call.mailbox_mut().late.push(Late {
            after: first - 1,
            upto: last,
            until,
        });
    }
    let request_number = call.request;
    if !emptied {
        differences.retain(|(seq, _)| !call.mailbox().is_late(*seq, request_number));
    }
    // Newest first, as Exchange does.
    differences.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    let last = differences.len() <= most;
    differences.truncate(most);
    let repeated = !differences.is_empty() && call.take(|k| *k == Kind::DuplicateChanges).is_some();

    let mailbox = call.mailbox_mut();
    let mut changes = String::new();
    let mut known = Known {
        folder,
        items: HashMap::new(),
    };
    let state = if differences.is_empty() && given.is_some() {
        given.unwrap_or_default().to_owned()
    } else {
        known.items.clone_from(&before.items);
        for (_, difference) in &differences {
            write_difference(&mut changes, mailbox, difference, &shape);
            match difference {
                Difference::Create(n) | Difference::Update(n) | Difference::Read(n) => {
                    if let Some(item) = mailbox.items.get(n) {
                        known.items.insert(*n, (item.moves, item.seq));
                    }
                }
                Difference::Delete(n, moves) => {
                    // Moved away and back: the delete is of the old id only.
                    if known.items.get(n).is_some_and(|(m, _)| m == moves) {
                        known.items.remove(n);
                    }
                }
            }
        }
        mailbox.remember(known)
    };
    if repeated {
        changes = format!("{changes}{changes}");
    }
    let mut out = String::new();
    tag(&mut out, "m:SyncState", &state);
    tag(
        &mut out,
        "m:IncludesLastItemInRange",
        if last { "true" } else { "false" },
    );
    wrap(&mut out, "m:Changes", &[], &changes);
    Ok(out)
}

fn differences(mailbox: &Mailbox, before: &Known, folder: u64, emptied: bool) -> Vec<(u64, Difference)> {
    let mut found = Vec::new();
    if !emptied {
        for (number, item) in mailbox.items_in(folder) {
            match before.items.get(&number) {
                Some((moves, seq)) if *moves == item.moves => {
                    if *seq < item.text_seq {
                        found.push((item.seq, Difference::Update(number)));
                    } else if *seq != item.seq {
                        found.push((item.seq, Difference::Read(number)));
                    }
                }
                _ => found.push((item.seq, Difference::Create(number))),
            }
        }
    }
    for (number, (moves, _)) in &before.items {
        let there = mailbox
            .items
            .get(number)
            .is_some_and(|i| i.folder == folder && i.moves == *moves);
        if !there || emptied {
            let seq = mailbox
                .gone
                .get(&(*number, *moves))
                .copied()
                .unwrap_or(mailbox.seq);
            found.push((seq, Difference::Delete(*number, *moves)));
        }
    }
    found
}

fn write_difference(out: &mut String, mailbox: &Mailbox, difference: &Difference, shape: &Shape) {
    let (kind, number) = match difference {
        Difference::Create(number) => ("t:Create", number),
        Difference::Update(number) => ("t:Update", number),
        Difference::Read(number) => {
            if let Some(item) = mailbox.items.get(number) {
                let (id, key) = (
                    mailbox.item_id(*number, item.moves),
                    mailbox.change_key(*number, item.seq),
                );
                let mut inner = String::new();
                wrap(&mut inner, "t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
                let read = item.content.text("IsRead") == "true";
                tag(&mut inner, "t:IsRead", if read { "true" } else { "false" });
                wrap(out, "t:ReadFlagChange", &[], &inner);
            }
            return;
        }
        Difference::Delete(number, moves) => {
            let mut id = String::new();
            let (item, key) = (mailbox.item_id(*number, *moves), mailbox.change_key(*number, 0));
            wrap(&mut id, "t:ItemId", &[("Id", &item), ("ChangeKey", &key)], "");
            wrap(out, "t:Delete", &[], &id);
            return;
        }
    };
    if let Some(item) = mailbox.items.get(number) {
        let mut inner = String::new();
        mailbox.around(*number, item, |around| {
            item.content.write(&mut inner, shape, around);
        });
        wrap(out, kind, &[], &inner);
    }
}

pub(super) fn subscribe(call: &mut Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("Subscribe");
    let outcome = subscribe_pull(call, request);
    reply.add(outcome, "");
    reply.finish()
}

fn subscribe_pull(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let Some(pull) = request.child("PullSubscriptionRequest") else {
        return Err(Fail::new(
            "ErrorInvalidSubscriptionRequest",
            "Only pull subscriptions are played.",
        ));
    };
    let all = pull
        .attr("SubscribeToAllFolders")
        .is_some_and(|a| matches!(a, "true" | "1"));
    let folders: BTreeSet<u64> = pull
        .list("FolderIds")
        .iter()
        .map(|id| folders::resolve(call, id))
        .collect::<Result<_, _>>()?;
    if all != folders.is_empty() {
        return Err(Fail::new(
            "ErrorInvalidSubscriptionRequest",
            "Either name the folders, or subscribe to all of them.",
        ));
    }
    let mailbox = call.mailbox();
    let seq = match pull.child_text("Watermark") {
        None => mailbox.seq,
        Some(text) if mailbox.watermarks => mailbox.watermark_seq(text).ok_or_else(bad_watermark)?,
        Some(_) => return Err(bad_watermark()),
    };
    let watermark = mailbox.watermarks.then(|| mailbox.watermark(seq));
    let index = mailbox.index;
    call.store.subscription_number += 1;
    let id = call.store.ids.opaque(
        "JwBzYW5k",
        "subscription",
        &[index, call.store.subscription_number],
        60,
    );
    let subscription = Subscription {
        mailbox: call.me,
        folders: (!all).then_some(folders),
        kinds: pull.list("EventTypes").iter().map(|t| t.text.clone()).collect(),
        timeout_minutes: pull
            .child_text("Timeout")
            .and_then(|t| t.trim().parse().ok())
            .unwrap_or(10),
        asked: call.now,
    };
    call.store.subscriptions.insert(id.clone(), subscription);
    let mut out = String::new();
    tag(&mut out, "m:SubscriptionId", &id);
    if let Some(watermark) = watermark {
        tag(&mut out, "m:Watermark", &watermark);
    }
    Ok(out)
}

fn bad_watermark() -> Fail {
    Fail::new(
        "ErrorInvalidWatermark",
        "The watermark used for creating this subscription was not found.",
    )
}

fn no_subscription() -> Fail {
    Fail::new(
        "ErrorSubscriptionNotFound",
        "The specified subscription was not found.",
    )
}

/// The subscription, if it is the caller's and has not timed out.
fn subscription(call: &mut Call<'_>, id: &str) -> Result<Subscription, Fail> {
    let Some(found) = call.store.subscriptions.get_mut(id) else {
        if call.store.expired.remove(id) {
            return Err(Fail::new(
                "ErrorExpiredSubscription",
                "The subscription has expired.",
            ));
        }
        return Err(no_subscription());
    };
    if found.mailbox != call.me {
        return Err(Fail::new(
            "ErrorSubscriptionAccessDenied",
            "The subscription belongs to somebody else.",
        ));
    }
    if call.now - found.asked > found.timeout_minutes * 60_000_000 {
        call.store.subscriptions.remove(id);
        return Err(Fail::new(
            "ErrorExpiredSubscription",
            "The subscription has expired.",
        ));
    }
    found.asked = call.now;
    Ok(found.clone())
}

pub(super) fn unsubscribe(call: &mut Call<'_>, request: &Element) -> String {
    let id = request.child_text("SubscriptionId").unwrap_or_default();
    let outcome = subscription(call, id).map(|_| {
        call.store.subscriptions.remove(id);
        String::new()
    });
    let mut reply = Reply::new("Unsubscribe");
    reply.add(outcome, "");
    reply.finish()
}

pub(super) fn events(call: &mut Call<'_>, request: &Element) -> String {
    let outcome = new_events(call, request);
    let mut reply = Reply::new("GetEvents");
    reply.add(outcome, "");
    reply.finish()
}

fn new_events(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let id = request.child_text("SubscriptionId").unwrap_or_default();
    let given = request.child_text("Watermark").unwrap_or_default();
    let subscription = subscription(call, id)?;
    if call.take(|k| *k == Kind::ExpiredCursor).is_some() {
        call.store.subscriptions.remove(id);
        return Err(bad_watermark());
    }
    if !call.mailbox().watermarks {
        return Err(bad_watermark());
    }
    let since = call.mailbox().watermark_seq(given).ok_or_else(bad_watermark)?;
    if call.mailbox().events.front().is_some_and(|e| e.seq > since + 1)
        && call.mailbox().events.len() >= 100_000
    {
        return Err(bad_watermark());
    }
    if call.mailbox().seq > since
        && let Some(Kind::LateChanges { n }) = call.take(|k| matches!(k, Kind::LateChanges { .. }))
    {
        let late = Late {
            after: since,
            upto: call.mailbox().seq,
            until: call.request.saturating_add(n),
        };
        call.mailbox_mut().late.push(late);
    }
    let repeated = call.mailbox().seq > since && call.take(|k| *k == Kind::DuplicateChanges).is_some();
    let (mailbox, request_number) = (call.mailbox(), call.request);
    // A watermark cannot pass what is held back: it ends just before it.
    let visible: Vec<&Event> = mailbox
        .events
        .iter()
        .filter(|e| e.seq > since)
        .take_while(|e| !mailbox.is_late(e.seq, request_number))
        .collect();
    let upto = visible.last().map_or(since, |e| e.seq);
    let mut written: Vec<(u64, String)> = Vec::new();
    let mut more = false;
    for event in visible {
        if let Some(text) = write_event(mailbox, event, &subscription) {
            // All events of one change stay together, so that a watermark never falls between them.
            if written.len() >= EVENTS_PER_ANSWER && written.last().is_some_and(|(seq, _)| *seq != event.seq)
            {
                more = true;
                break;
            }
            written.push((event.seq, text));
        }
    }
    let mut inner = String::new();
    tag(&mut inner, "t:SubscriptionId", id);
    tag(&mut inner, "t:PreviousWatermark", given);
    tag(&mut inner, "t:MoreEvents", if more { "true" } else { "false" });
    if written.is_empty() {
        let mut status = String::new();
        tag(&mut status, "t:Watermark", &mailbox.watermark(upto));
        wrap(&mut inner, "t:StatusEvent", &[], &status);
    }
    for _ in 0..=usize::from(repeated) {
        for (_, text) in &written {
            inner.push_str(text);
        }
    }
    let mut out = String::new();
    wrap(&mut out, "m:Notification", &[], &inner);
    Ok(out)
}

fn write_event(mailbox: &Mailbox, event: &Event, subscription: &Subscription) -> Option<String> {
    let (name, about) = match event.what {
        What::Created(_, _, folder) | What::FolderCreated(folder) => ("CreatedEvent", vec![folder]),
        What::Modified(_, _, folder) | What::FolderModified(folder) => ("ModifiedEvent", vec![folder]),
        What::Deleted(_, _, folder) => ("DeletedEvent", vec![folder]),
        What::Moved(_, _, from, to) => ("MovedEvent", vec![from, to]),
        What::Copied(_, _, to, _, from) => ("CopiedEvent", vec![to, from]),
        What::NewMail(_, _, folder) => ("NewMailEvent", vec![folder]),
        What::FolderMoved(folder, from, to) => ("MovedEvent", vec![folder, from, to]),
        What::FolderDeleted(folder, parent) => ("DeletedEvent", vec![folder, parent]),
    };
    if !subscription.kinds.contains(name) {
        return None;
    }
    if subscription
        .folders
        .as_ref()
        .is_some_and(|folders| !about.iter().any(|f| folders.contains(f)))
    {
        return None;
    }
    let mut inner = String::new();
    tag(&mut inner, "t:Watermark", &mailbox.watermark(event.seq));
    tag(&mut inner, "t:TimeStamp", &write_time(event.at));
    let item = |out: &mut String, name: &str, number: u64, moves: u64| {
        let key = mailbox.change_key(number, event.seq);
        wrap(
            out,
            name,
            &[("Id", &mailbox.item_id(number, moves)), ("ChangeKey", &key)],
            "",
        );
    };
    let folder = |out: &mut String, name: &str, number: u64| {
        let key = mailbox.folder_change_key(number);
        wrap(
            out,
            name,
            &[("Id", &mailbox.folder_id(number)), ("ChangeKey", &key)],
            "",
        );
    };
    let parent_of = |number: u64| mailbox.folders.get(&number).map_or(number, |f| f.parent.max(1));
    match event.what {
        What::Created(n, moves, parent)
        | What::Modified(n, moves, parent)
        | What::NewMail(n, moves, parent)
        | What::Deleted(n, moves, parent) => {
            item(&mut inner, "t:ItemId", n, moves);
            folder(&mut inner, "t:ParentFolderId", parent);
        }
        What::Moved(n, moves, from, to) => {
            item(&mut inner, "t:ItemId", n, moves);
            folder(&mut inner, "t:ParentFolderId", to);
            item(&mut inner, "t:OldItemId", n, moves - 1);
            folder(&mut inner, "t:OldParentFolderId", from);
        }
        What::Copied(n, moves, to, source, from) => {
            item(&mut inner, "t:ItemId", n, moves);
            folder(&mut inner, "t:ParentFolderId", to);
            let moves = mailbox.items.get(&source).map_or(0, |i| i.moves);
            item(&mut inner, "t:OldItemId", source, moves);
            folder(&mut inner, "t:OldParentFolderId", from);
        }
        What::FolderMoved(f, from, to) => {
            folder(&mut inner, "t:FolderId", f);
            folder(&mut inner, "t:ParentFolderId", to);
            folder(&mut inner, "t:OldFolderId", f);
            folder(&mut inner, "t:OldParentFolderId", from);
        }
        What::FolderCreated(f) | What::FolderModified(f) => {
            folder(&mut inner, "t:FolderId", f);
            folder(&mut inner, "t:ParentFolderId", parent_of(f));
            if matches!(event.what, What::FolderModified(_)) {
                tag(&mut inner, "t:UnreadCount", &mailbox.unread(f).to_string());
            }
        }
        What::FolderDeleted(f, parent) => {
            folder(&mut inner, "t:FolderId", f);
            folder(&mut inner, "t:ParentFolderId", parent);
        }
    }
    let mut out = String::new();
    wrap(&mut out, &format!("t:{name}"), &[], &inner);
    Some(out)
}
