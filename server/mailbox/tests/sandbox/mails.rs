use base64::Engine as _;
use serde_json::{Value, json};
use tandem_sync::model::{
    Change, Cursor, Field, ItemId, Kinds, MailFacts, MailPlace, Mark, Scope, Snapshot, Want, Window, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{AttachmentRules, IssueCode, ItemKind};

use crate::support::{World, at, key, round, want, written};

const ONLY: Kinds = Kinds::of(ItemKind::Email);
const RECEIVED: &str = "2026-11-20T10:00:00Z";

fn mails() -> Want {
    want(ONLY)
}

async fn settled(world: &World) -> Cursor {
    let ews = world.session();
    ews.prepare().await.unwrap();
    round(&ews, None, &mails()).await.1
}

fn mail(subject: &str, more: Value) -> Value {
    let mut entry = json!({
        "from": "Ada <ada@fabrikam.example>", "to": "Nina <nina@contoso.example>", "subject": subject, "text": "hello",
        "received": RECEIVED, "sent": RECEIVED, "message_id": format!("<{subject}@fabrikam.example>"),
    });
    for (name, value) in more.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

fn facts(of: &Snapshot) -> &MailFacts {
    of.extra.mail.as_ref().unwrap()
}

#[tokio::test]
async fn mails_are_told_where_they_lie_and_what_they_are() {
    let world = World::new().await;
    world
        .control(
            "POST",
            &format!("/exchange/mailboxes/{}/folders", world.user.mailbox),
            json!({ "name": "Acme", "class": "IPF.Note", "parent": "Inbox" }),
        )
        .await;
    let mut want = mails();
    want.mail_folders = vec!["Inbox/Acme".to_owned(), "Inbox/None".to_owned()];
    let ews = world.session();
    ews.prepare().await.unwrap();
    let (_, cursor, full) = round(&ews, None, &want).await;
    assert!(full.is_empty(), "mails are never listed in full");
    let add = |subject: &'static str, more: Value| {
        let world = &world;
        async move { world.add_item("messages", mail(subject, more)).await }
    };
    let inbox = add("inbox", json!({ "cc": "Max <max@x.example>" })).await;
    let sent = add(
        "sent",
        json!({ "folder": "Sent Items", "from": world.user.mailbox }),
    )
    .await;
    let ours = add("ours", json!({ "folder": "Salesforce Emails" })).await;
    let acme = add("acme", json!({ "folder": "Acme" })).await;
    let archive = add("drafts", json!({ "folder": "Drafts" })).await;
    let list = add("list", json!({ "headers": { "List-Id": "<news.x.example>" } })).await;
    let private = add("private", json!({ "sensitivity": "Confidential" })).await;
    let encrypted = add("encrypted", json!({ "item_class": "IPM.Note.SMIME" })).await;
    let old = add(
        "old",
        json!({ "received": "2026-01-01T10:00:00Z", "sent": "2026-01-01T10:00:00Z" }),
    )
    .await;
    world.reset().await;
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &want).await;
    let operations = world.operations().await;
    assert_eq!(
        operations.into_iter().collect::<Vec<_>>(),
        [("GetEvents".to_owned(), 1), ("GetItem".to_owned(), 1)]
    );
    let of = |id| &listed.present[id];
    assert!(!listed.present.contains_key(&archive) && !listed.present.contains_key(&old));
    assert_eq!(facts(of(&inbox)).place, MailPlace::Inbox);
    assert_eq!(
        of(&inbox).record.get(Field::FromAddress).known(),
        Some("Ada <ada@fabrikam.example>")
    );
    assert_eq!(
        facts(of(&inbox)).message_id.as_deref(),
        Some("inbox@fabrikam.example")
    );
    assert_eq!(facts(of(&inbox)).cc.len(), 1);
    assert!(facts(of(&inbox)).incoming && !facts(of(&inbox)).service);
    assert_eq!(
        (facts(of(&sent)).place.clone(), facts(of(&sent)).incoming),
        (MailPlace::Sent, false)
    );
    assert_eq!(
        (facts(of(&ours)).place.clone(), of(&ours).scope, of(&ours).marked),
        (MailPlace::Ours, Scope::In, true)
    );
    assert_eq!(
        (facts(of(&acme)).place.clone(), of(&acme).scope),
        (MailPlace::Chosen, Scope::In)
    );
    assert!(facts(of(&list)).service && facts(of(&encrypted)).encrypted);
    assert_eq!(of(&private).scope, Scope::Private);
    // Nothing new: one request. Categorised: told again.
    world.reset().await;
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &want).await;
    assert!(listed.present.is_empty() && world.requests().await == 1);
    world
        .change_item("messages", &inbox, json!({ "categories": ["Salesforce"] }))
        .await;
    let (listed, ..) = round(&world.session(), Some(&cursor), &want).await;
    assert_eq!(
        (listed.present[&inbox].scope, listed.present[&inbox].marked),
        (Scope::In, true)
    );
}

#[tokio::test]
async fn a_mail_that_leaves_the_folders_that_are_looked_at_is_told_as_absent() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let ours = json!({ "folder": "Salesforce Emails" });
    let mut ids = Vec::new();
    for name in ["archived", "deleted", "inbox"] {
        ids.push(world.add_item("messages", mail(name, ours.clone())).await);
    }
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &mails()).await;
    assert_eq!(listed.present.len(), 3);
    world.move_item("messages", &ids[0], "Archive").await;
    world.move_item("messages", &ids[1], "Deleted Items").await;
    let inbox = world.move_item("messages", &ids[2], "Inbox").await;
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &mails()).await;
    let mut absent = listed.absent;
    absent.sort();
    ids.sort();
    assert_eq!(absent, ids);
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&inbox]);
    let (listed, ..) = round(&world.session(), Some(&cursor), &mails()).await;
    assert!(listed.absent.is_empty() && listed.present.is_empty());
}

#[tokio::test]
async fn a_large_inbox_costs_what_its_last_days_cost() {
    let world = World::new().await;
    for n in 0..300 {
        world
            .add_item(
                "messages",
                mail(
                    &format!("old{n}"),
                    json!({ "received": "2026-01-01T10:00:00Z", "sent": "2026-01-01T10:00:00Z" }),
                ),
            )
            .await;
    }
    let new = world.add_item("messages", mail("new", json!({}))).await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    world.reset().await;
    let (listed, ..) = round(&world.session(), None, &mails()).await;
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&new]);
    let operations = world.operations().await;
    assert!(!operations.contains_key("SyncFolderItems"), "{operations:?}");
    assert!(
        operations["FindItem"] <= 3 && operations["GetItem"] == 1,
        "{operations:?}"
    );
}

#[tokio::test]
async fn without_a_subscription_nothing_is_lost() {
    let world = World::new().await;
    let first = world.add_item("messages", mail("first", json!({}))).await;
    let cursor = settled(&world).await;
    world
        .fault(Some("GetEvents"), json!({ "kind": "expired_cursor", "times": 1 }))
        .await;
    let second = world.add_item("messages", mail("second", json!({}))).await;
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &mails()).await;
    assert!(listed.present.contains_key(&second));
    world.no_faults().await;
    world.set_mailbox(json!({ "watermark_support": false })).await;
    let third = world.add_item("messages", mail("third", json!({}))).await;
    world
        .change_item("messages", &first, json!({ "categories": ["Salesforce"] }))
        .await;
    let (listed, cursor, _) = round(&world.session(), Some(&cursor), &mails()).await;
    assert!(listed.present.contains_key(&third) && listed.present[&first].marked);
    let fourth = world.add_item("messages", mail("fourth", json!({}))).await;
    let (listed, ..) = round(&world.session(), Some(&cursor), &mails()).await;
    assert!(listed.present.contains_key(&fourth));
}

#[tokio::test]
async fn old_mails_that_the_user_marks_are_seen_without_a_subscription() {
    let world = World::new().await;
    let old = |id: &str| {
        mail(
            id,
            json!({ "received": "2026-01-01T10:00:00Z", "sent": "2026-01-01T10:00:00Z" }),
        )
    };
    let marked = world.add_item("messages", old("marked")).await;
    let filed = world.add_item("messages", old("filed")).await;
    let plain = world.add_item("messages", old("plain")).await;
    let cursor = settled(&world).await;
    world
        .change_item("messages", &marked, json!({ "categories": ["Salesforce"] }))
        .await;
    let filed = world.move_item("messages", &filed, "Salesforce Emails").await;
    world.set_mailbox(json!({ "watermark_support": false })).await;
    // In the round in which the subscription is found to be lost, and in one that lists everything.
    for since in [Some(&cursor), None] {
        let (listed, next, _) = round(&world.session(), since, &mails()).await;
        assert!(listed.present[&marked].marked && listed.present[&filed].marked);
        assert!(!listed.present.contains_key(&plain));
        // What is saved has our category, and is listed again only if it changes.
        let (listed, ..) = round(&world.session(), Some(&next), &mails()).await;
        assert!(!listed.present.contains_key(&plain));
    }
}

#[tokio::test]
async fn one_mail_that_cannot_be_fetched_keeps_no_other() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(
            world
                .add_item("messages", mail(&format!("m{n}"), json!({})))
                .await,
        );
    }
    let ews = world.session();
    ews.prepare().await.unwrap();
    // The sizes are told; then the content of two, of one, and of the single mail is not.
    for kind in [
        json!({ "kind": "status", "code": 500, "times": 3, "skip": 1 }),
        json!({ "kind": "item_error", "code": "ErrorInternalServerError", "times": 1, "skip": 5 }),
    ] {
        world.fault(Some("GetItem"), kind).await;
        let found = ews.messages(&ids, &AttachmentRules::default()).await.unwrap();
        world.no_faults().await;
        assert_eq!(found.len(), 5);
        let refused: Vec<bool> = found.iter().map(Result::is_err).collect();
        assert_eq!(refused, [true, false, false, false, false]);
        assert!(found[0].as_ref().unwrap_err().retry);
    }
}

#[tokio::test]
async fn contents_and_attachments() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let full = world
        .add_item("messages", mail("full", json!({
            "text": "plain", "html": "<p>rich<script>x()</script><img src=\"cid:logo\"></p>",
            "attachments": [
                { "name": "plan.pdf", "content_type": "application/pdf", "size": 1000 },
                { "name": "run.exe", "size": 10 },
                { "name": "logo.png", "content_type": "image/png", "size": 10, "content_id": "logo", "inline": true },
            ],
        })))
        .await;
    let huge = world
        .add_item(
            "messages",
            mail(
                "huge",
                json!({ "attachments": [ { "name": "film.mp4", "size": 60 << 20 } ] }),
            ),
        )
        .await;
    let bomb = world
        .add_item(
            "messages",
            mail("bomb", json!({ "html": "<div>".repeat(20_000) })),
        )
        .await;
    let garbage = base64::engine::general_purpose::STANDARD.encode([0_u8, 255, 1, 254, 13, 10, 0]);
    let none = world
        .add_item(
            "messages",
            json!({ "mime_base64": garbage, "received": RECEIVED }),
        )
        .await;
    let ews = world.session();
    let _ = round(&ews, Some(&cursor), &mails()).await;
    let missing = ItemId("AAMkADUAAA=".to_owned());
    let ids = [full, huge, bomb, none, missing];
    world.reset().await;
    let read = ews.messages(&ids, &AttachmentRules::default()).await.unwrap();
    let message = read[0].as_ref().unwrap();
    assert_eq!(message.text, "plain");
    assert!(
        message.html.as_deref().unwrap().contains("rich")
            && !message.html.as_deref().unwrap().contains("script")
    );
    assert_eq!(
        message
            .files
            .iter()
            .map(|f| (f.name.as_str(), f.bytes.len()))
            .collect::<Vec<_>>(),
        [("plan.pdf", 1000)]
    );
    assert_eq!(message.left_out.len(), 1);
    let code = |n: usize| read[n].as_ref().unwrap_err().code;
    assert_eq!((code(1), code(2)), (IssueCode::TooLarge, IssueCode::TooLarge));
    assert_eq!((code(3), code(4)), (IssueCode::Unreadable, IssueCode::Unreadable));
    // The huge one was refused before it was fetched.
    assert!(world.requests().await <= 3, "{:?}", world.operations().await);
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn marks_are_written_and_nothing_else() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let id = world
        .add_item("messages", mail("m", json!({ "categories": ["Friends"] })))
        .await;
    let ews = world.session();
    let (listed, cursor, _) = round(&ews, Some(&cursor), &mails()).await;
    let now = &listed.present[&id];
    let write = |mark, of: &Snapshot| Write::Update {
        kind: ItemKind::Email,
        id: id.clone(),
        version: of.version.clone(),
        set: [(Field::Subject, crate::support::known("ours"))].into(),
        key: Some(key(3)),
        mark: Some(mark),
        notify: false,
    };
    let now = written(&ews.write(&[write(Mark::Failed, now)]).await.unwrap()[0]);
    assert!(now.extra.failed && !now.marked && now.key == Some(key(3)));
    let now = written(&ews.write(&[write(Mark::Synced, &now)]).await.unwrap()[0]);
    assert!(!now.extra.failed && now.marked);
    let item = world.item("messages", &id).await;
    assert_eq!(item["subject"], "m");
    assert_eq!(item["categories"], json!(["Friends", "Salesforce"]));
    // Moved, it is told in its new place, and known by its key.
    let moved = world.move_item("messages", &id, "Salesforce Emails").await;
    let (listed, ..) = round(&ews, Some(&cursor), &mails()).await;
    assert_eq!(facts(&listed.present[&moved]).place, MailPlace::Ours);
    assert_eq!(listed.present[&moved].key, Some(key(3)));
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn history_is_counted_and_listed_page_by_page() {
    let world = World::new().await;
    let day = |n: usize| format!("2026-05-{:02}T10:{:02}:00Z", n % 28 + 1, n / 28);
    for n in 0..300 {
        let folder = if n % 3 == 0 { "Sent Items" } else { "Inbox" };
        world
            .add_item(
                "messages",
                mail(
                    &format!("h{n}"),
                    json!({ "received": day(n), "sent": day(n), "folder": folder }),
                ),
            )
            .await;
    }
    world.add_item("messages", mail("later", json!({}))).await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let window = Window {
        from: at("2026-05-01T00:00:00Z"),
        to: at("2026-06-01T00:00:00Z"),
    };
    world.reset().await;
    assert_eq!(ews.estimate(window, &mails()).await.unwrap(), 300);
    assert_eq!(world.requests().await, 1);
    let mut seen = std::collections::BTreeSet::new();
    let mut after: Option<Cursor> = None;
    let mut pages = 0;
    loop {
        // Each page in another session, as a back-fill goes.
        let page = world
            .session()
            .history(window, &mails(), after.as_ref())
            .await
            .unwrap();
        pages += 1;
        assert!(page.full.is_empty());
        for change in page.items {
            let Change::Present(snapshot) = change else {
                panic!("not a mail")
            };
            assert!(seen.insert(snapshot.id), "listed twice");
        }
        if !page.more {
            break;
        }
        after = Some(page.cursor);
    }
    assert_eq!(seen.len(), 300);
    assert!(pages <= 5, "{pages}");
    let fault = ews
        .history(window, &mails(), Some(&Cursor("nonsense".to_owned())))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, tandem_sync::FaultKind::CursorExpired);
}

#[tokio::test]
async fn all_kinds_at_once_are_one_request_while_nothing_happens() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let (_, cursor, full) = round(&ews, None, &want(Kinds::ALL)).await;
    assert_eq!(full, Kinds::ALL.without(ItemKind::Email));
    world.reset().await;
    let (listed, cursor, full) = round(&world.session(), Some(&cursor), &want(Kinds::ALL)).await;
    assert!(listed.present.is_empty() && full.is_empty());
    assert_eq!(
        world.operations().await.into_iter().collect::<Vec<_>>(),
        [("GetEvents".to_owned(), 1)]
    );
    // A kind that comes to it is listed in full, and the others go on.
    let (_, narrow, _) = round(&world.session(), None, &want(Kinds::ALL.without(ItemKind::Task))).await;
    let task = world.add_item("tasks", json!({ "subject": "New" })).await;
    let contact = world.add(json!({ "fields": { "Surname": "New" } })).await;
    let (listed, next, full) = round(&world.session(), Some(&narrow), &want(Kinds::ALL)).await;
    assert_eq!(full, Kinds::of(ItemKind::Task));
    assert!(listed.present.contains_key(&task) && listed.present.contains_key(&contact));
    assert_eq!(listed.present.len(), 2);
    // And one that goes is not looked at any more.
    world.add_item("tasks", json!({ "subject": "Newer" })).await;
    let (listed, ..) = round(&world.session(), Some(&next), &want(Kinds::of(ItemKind::Contact))).await;
    assert!(listed.present.is_empty());
    // Items of every kind by their ids alone, in one request.
    let ids = [task, ItemId("AAMkADUAAA=".to_owned()), contact];
    world.reset().await;
    let read = world.session().read(&ids).await.unwrap();
    assert_eq!(
        read.iter()
            .map(|s| s.as_ref().map(|s| s.record.kind))
            .collect::<Vec<_>>(),
        [Some(ItemKind::Task), None, Some(ItemKind::Contact)]
    );
    assert_eq!(world.operations().await["GetItem"], 1);
    let _ = cursor;
}

#[tokio::test]
async fn another_tool_is_known_by_its_folders() {
    let world = World::new().await;
    assert!(world.session().rivals().await.unwrap().is_empty());
    world
        .control(
            "POST",
            &format!("/exchange/mailboxes/{}/folders", world.user.mailbox),
            json!({ "name": "Riva - Calendar", "class": "IPF.Note" }),
        )
        .await;
    let found = world.session().rivals().await.unwrap();
    assert_eq!(found[0].name, "Riva");
}
