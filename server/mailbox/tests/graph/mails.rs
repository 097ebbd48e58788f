use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_sync::model::{
    ItemId, Kinds, MailFacts, MailPlace, Mark, Outcome, Scope, Snapshot, Window, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{AttachmentRules, IssueCode, ItemKind};

use crate::support::{at, key, round, trace, want, written};
use crate::world::{Cloud, find, named};

const ONLY: Kinds = Kinds::of(ItemKind::Email);

fn mail(subject: &str, more: Value) -> Value {
    let mut entry = json!({
        "subject": subject, "from": "Max <max@fabrikam.example>", "to": "nina@contoso.example",
        "received": "2026-11-02T08:00:00Z", "sent": "2026-11-02T07:59:00Z", "text": "hello",
        "message_id": format!("<{}@x.example>", subject.replace(' ', "-")),
    });
    for (name, value) in more.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

fn facts(of: &Snapshot) -> &MailFacts {
    of.extra.mail.as_deref().unwrap()
}

#[tokio::test]
async fn mails_are_told_where_they_lie_and_what_they_are() {
    let cloud = Cloud::new().await;
    cloud.add_item("messages", mail("before", json!({}))).await;
    cloud
        .add_item(
            "messages",
            mail("old", json!({ "received": "2026-09-01T08:00:00Z" })),
        )
        .await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let (listed, cursor, full) = round(&graph, None, &want(ONLY)).await;
    assert!(full.is_empty());
    assert!(find(&listed, "before").is_some() && find(&listed, "old").is_none());
    cloud.add_item("messages", mail("new", json!({}))).await;
    cloud
        .add_item(
            "messages",
            mail(
                "sent",
                json!({ "folder": "Sent Items", "from": cloud.user.mailbox }),
            ),
        )
        .await;
    cloud
        .add_item(
            "messages",
            mail(
                "ours",
                json!({ "folder": "Salesforce Emails", "received": "2026-09-01T08:00:00Z" }),
            ),
        )
        .await;
    cloud
        .add_item(
            "messages",
            mail("news", json!({ "headers": { "List-Id": "<news.x.example>" } })),
        )
        .await;
    cloud
        .add_item(
            "messages",
            mail("secret", json!({ "item_class": "IPM.Note.SMIME" })),
        )
        .await;
    cloud
        .add_item("messages", mail("private", json!({ "private": true })))
        .await;
    cloud
        .add_item("messages", mail("elsewhere", json!({ "folder": "Archive" })))
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(
        listed.present.len(),
        6,
        "{:?}",
        listed
            .present
            .values()
            .map(|s| s.record.get(tandem_sync::model::Field::Subject).known())
            .collect::<Vec<_>>()
    );
    let new = facts(named(&listed, "new"));
    assert_eq!(
        (&new.place, new.incoming, new.service),
        (&MailPlace::Inbox, true, false)
    );
    assert_eq!(new.message_id.as_deref(), Some("new@x.example"));
    assert!(new.size > 0 && new.thread.is_some());
    let sent = facts(named(&listed, "sent"));
    assert_eq!((&sent.place, sent.incoming), (&MailPlace::Sent, false));
    assert_eq!(
        (named(&listed, "ours").scope, &facts(named(&listed, "ours")).place),
        (Scope::In, &MailPlace::Ours)
    );
    assert!(facts(named(&listed, "news")).service && facts(named(&listed, "secret")).encrypted);
    assert!(facts(named(&listed, "private")).confidential);
    assert_eq!(named(&listed, "private").scope, Scope::Private);
    // An old one that the user marks.
    let old = cloud.theirs("messages", "old").await;
    cloud
        .change_item("messages", &old, json!({ "categories": ["Salesforce"] }))
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert!(named(&listed, "old").marked && listed.present.len() == 1);
    // And one that is told once is not told again, and costs nothing more.
    for _ in 0..2 {
        cloud.reset().await;
        let (listed, ..) = cloud.next(&cursor, ONLY).await;
        assert!(listed.present.is_empty());
        assert_eq!(
            cloud.graph_requests().await,
            1,
            "{:?}",
            cloud.graph_operations().await
        );
    }
    // An old one that is moved to our folder.
    cloud.move_item("messages", &old, "Salesforce Emails").await;
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    assert_eq!(facts(named(&listed, "old")).place, MailPlace::Ours);
}

#[tokio::test]
async fn chosen_folders_are_looked_at() {
    let cloud = Cloud::new().await;
    let path = format!("/exchange/mailboxes/{}/folders", cloud.user.mailbox);
    let folder = json!({ "name": "Acme", "parent": "Inbox", "class": "IPF.Note" });
    cloud.control("POST", &path, folder).await;
    let mut want = want(ONLY);
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let (_, cursor, _) = round(&graph, None, &want).await;
    cloud
        .add_item("messages", mail("filed", json!({ "folder": "Acme" })))
        .await;
    want.mail_folders = vec!["Inbox/Acme".to_owned()];
    let (listed, cursor, _) = round(&cloud.graph(), Some(&cursor), &want).await;
    let filed = named(&listed, "filed");
    assert_eq!(
        (filed.scope, &facts(filed).place),
        (Scope::In, &MailPlace::Chosen)
    );
    cloud.remove_folder("Acme").await;
    cloud.add_item("messages", mail("still read", json!({}))).await;
    let (listed, ..) = round(&cloud.graph(), Some(&cursor), &want).await;
    assert!(find(&listed, "still read").is_some());
}

#[tokio::test]
async fn contents_and_attachments() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let large = 9 << 20;
    cloud
        .add_item(
            "messages",
            mail(
                "files",
                json!({
                    "html": "<p>hello <script>x</script><b>you</b></p>",
                    "attachments": [
                        { "name": "a.pdf", "content_type": "application/pdf", "size": 1000 },
                        { "name": "big.bin", "content_type": "application/octet-stream", "size": large },
                        { "name": "run.exe", "content_type": "application/octet-stream", "size": 10 },
                    ],
                }),
            ),
        )
        .await;
    cloud.add_item("messages", mail("plain", json!({}))).await;
    cloud
        .add_item(
            "messages",
            mail(
                "huge",
                json!({ "attachments": [{ "name": "x.bin", "size": 40 << 20 }] }),
            ),
        )
        .await;
    cloud
        .add_item(
            "messages",
            mail("secret", json!({ "item_class": "IPM.Note.SMIME" })),
        )
        .await;
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let ids: Vec<ItemId> = ["files", "plain", "huge", "secret"]
        .iter()
        .map(|name| named(&listed, name).id.clone())
        .collect();
    let rules = AttachmentRules {
        save: true,
        max_bytes: 20 << 20,
        ..AttachmentRules::default()
    };
    let contents = cloud.graph().messages(&ids, &rules).await.unwrap();
    let files = contents[0].as_ref().unwrap();
    assert!(
        files.html.as_ref().unwrap().contains("<b>you</b>")
            && !files.html.as_ref().unwrap().contains("script")
    );
    let sizes: Vec<_> = files
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.bytes.len()))
        .collect();
    assert_eq!(sizes, [("a.pdf", 1000), ("big.bin", large)]);
    assert_eq!(files.left_out.len(), 1);
    assert_eq!(contents[1].as_ref().unwrap().text.trim(), "hello");
    assert_eq!(contents[2].as_ref().unwrap_err().code, IssueCode::TooLarge);
    assert_eq!(contents[3].as_ref().unwrap_err().code, IssueCode::Encrypted);
    // One that cannot be fetched keeps no other.
    cloud
        .graph_fault(
            Some("GET messages/{id}/$value"),
            json!({ "kind": "status", "code": 500, "times": 1 }),
        )
        .await;
    let contents = cloud.graph().messages(&ids[..2], &rules).await.unwrap();
    assert_eq!(
        contents.iter().filter(|one| one.is_ok()).count(),
        1,
        "{contents:?}"
    );
    let refusal = contents.iter().find_map(|one| one.as_ref().err()).unwrap();
    assert_eq!((refusal.code, refusal.retry), (IssueCode::Unreadable, true));
    cloud.no_faults().await;
    let gone = [ItemId("AAMkADUAAA=".to_owned())];
    assert!(cloud.graph().messages(&gone, &rules).await.unwrap()[0].is_err());
}

#[tokio::test]
async fn marks_are_written_and_nothing_else() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    cloud
        .add_item("messages", mail("one", json!({ "categories": ["Friends"] })))
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    let one = named(&listed, "one");
    let graph = cloud.graph();
    let mark = |of: &Snapshot, mark| Write::Update {
        kind: ItemKind::Email,
        id: of.id.clone(),
        version: of.version.clone(),
        set: BTreeMap::new(),
        key: Some(key(3)),
        mark: Some(mark),
        notify: false,
    };
    let now = written(&graph.write(&[mark(one, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!((now.marked, now.key.clone()), (true, Some(key(3))));
    assert_eq!(
        cloud.shown("messages", "one").await["categories"],
        json!(["Friends", "Salesforce"])
    );
    let now = written(&graph.write(&[mark(&now, Mark::Failed)]).await.unwrap()[0]);
    assert!(now.extra.failed);
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&now.id], now);
    // Deleted by the user, and brought back by an undo.
    cloud
        .delete_item("messages", &cloud.theirs("messages", "one").await, "")
        .await;
    let outcome = graph.restore(&[trace(&now)]).await.unwrap().remove(0);
    assert!(
        matches!(&outcome, Outcome::Written { now: back, .. } if back.id == now.id),
        "{outcome:?}"
    );
    assert_eq!(cloud.shown("messages", "one").await["folder"], "Inbox");
    assert_eq!(cloud.mails_sent().await, 0);
}

#[tokio::test]
async fn history_is_counted_and_listed_page_by_page() {
    let cloud = Cloud::new().await;
    for n in 0..130 {
        let received = format!("2026-08-{:02}T08:00:00Z", n % 28 + 1);
        cloud
            .add_item(
                "messages",
                mail(
                    &format!("old {n}"),
                    json!({ "received": received, "sent": received }),
                ),
            )
            .await;
    }
    cloud
        .add_item(
            "messages",
            mail("outside", json!({ "received": "2026-09-01T00:00:00Z" })),
        )
        .await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let window = Window {
        from: at("2026-08-01T00:00:00Z"),
        to: at("2026-09-01T00:00:00Z"),
    };
    let want = want(ONLY);
    cloud.reset().await;
    assert_eq!(graph.estimate(window, &want).await.unwrap(), 130);
    assert!(cloud.graph_requests().await <= 3);
    let mut after = None;
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let page = cloud
            .graph()
            .history(window, &want, after.as_ref())
            .await
            .unwrap();
        for change in page.items {
            let tandem_sync::model::Change::Present(mail) = change else {
                panic!("{change:?}")
            };
            all.insert(mail.id);
        }
        after = Some(page.cursor);
        if !page.more {
            break;
        }
    }
    assert_eq!(all.len(), 130);
}

#[tokio::test]
async fn all_kinds_at_once_are_one_request_while_nothing_happens() {
    let cloud = Cloud::with(tandem_sandbox::Options {
        events: 20,
        tasks: 20,
        messages: 50,
        ..tandem_sandbox::Options::default()
    })
    .await;
    let cursor = cloud.ready(Kinds::ALL).await;
    let (_, cursor, _) = cloud.next(&cursor, Kinds::ALL).await;
    for _ in 0..3 {
        cloud.reset().await;
        let (listed, _, full) = cloud.next(&cursor, Kinds::ALL).await;
        assert!(listed.present.is_empty() && listed.absent.is_empty() && full.is_empty());
        assert_eq!(
            cloud.graph_operations().await.into_iter().collect::<Vec<_>>(),
            [("POST $batch".to_owned(), 1)]
        );
    }
}

#[tokio::test]
async fn another_tool_is_known_by_its_folders() {
    let cloud = Cloud::new().await;
    assert!(cloud.graph().rivals().await.unwrap().is_empty());
    cloud.add_folder("Riva - Contacts", "Contacts").await;
    let rivals = cloud.graph().rivals().await.unwrap();
    assert_eq!(rivals.len(), 1);
    assert_eq!(rivals[0].name, "Riva");
}
