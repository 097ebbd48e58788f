use std::collections::BTreeMap;

use serde_json::json;
use tandem_sandbox::Options;
use tandem_sync::FaultKind;
use tandem_sync::model::{
    Candidate, Change, Cursor, Fate, Field, FieldValue, ItemId, Kinds, Mark, MatchKey, Outcome, Record,
    Scope, Version, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{IssueCode, ItemKind, Timestamp};

use crate::support::{
    FOLDER, contacts, create, delete, key, known, listing, make, person, trace, update, written,
};
use crate::world::{Cloud, find, named};

const ONLY: Kinds = Kinds::of(ItemKind::Contact);

fn full(salt: &str) -> Record {
    let mut record = Record::new(ItemKind::Contact);
    for field in Field::CONTACT {
        let value = match field {
            Field::Birthday => "1964-12-31".to_owned(),
            Field::Email => format!("zoë.{salt}@contoso.example"),
            Field::Body => format!("{salt} one\n\ntwo <&> 🎉"),
            Field::BusinessStreet => format!("{salt} Weg 1\nHinterhaus"),
            _ => format!("{salt} {} Ünï 渡辺 e\u{301} \"&<>'", field.as_str()),
        };
        record.set(*field, FieldValue::Known(value));
    }
    record
}

#[tokio::test]
async fn what_is_written_is_read_back_and_cleared() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    cloud.reset().await;
    let made = make(&graph, 1, full("a")).await;
    assert_eq!(
        cloud.graph_requests().await,
        2,
        "{:?}",
        cloud.graph_operations().await
    );
    assert_eq!(made.record, full("a"));
    assert_eq!(
        (made.scope, made.marked, made.key.clone()),
        (Scope::In, true, Some(key(1)))
    );

    let all: Vec<_> = full("b").fields.into_iter().collect();
    let outcome = graph.write(&[update(&made, &all)]).await.unwrap().remove(0);
    let Outcome::Written {
        now,
        replaced,
        left: None,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(now.record, full("b"));
    assert_eq!(*replaced, full("a").fields);
    assert!(now.marked && now.version != made.version && now.key == Some(key(1)));
    // The very same items and properties as over Exchange Web Services.
    let ews = cloud.session();
    let theirs = ews
        .created(ItemKind::Contact, &[key(1)], Timestamp(0))
        .await
        .unwrap();
    assert_eq!(theirs[0].record, full("b"));

    let cleared: Vec<_> = Field::CONTACT
        .iter()
        .map(|field| (*field, FieldValue::Empty))
        .collect();
    let now = written(&graph.write(&[update(now, &cleared)]).await.unwrap()[0]);
    assert!(
        now.record
            .fields
            .values()
            .all(|value| *value == FieldValue::Empty),
        "{:?}",
        now.record
    );
}

#[tokio::test]
async fn only_what_is_set_changes_and_the_name_shown_follows() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    cloud
        .add(json!({ "folder": FOLDER, "fields": {
            "GivenName": "Nina", "Surname": "Berg", "DisplayName": "Nina Berg", "EmailAddress1": "n@x.example",
            "EmailAddress2": "second@x.example", "BusinessPhone": "1", "BusinessPhone2": "2", "BusinessCity": "Köln",
        } }))
        .await;
    let (listed, ..) = listing(&graph, None).await;
    let made = named(&listed, "Berg");
    let set = [
        (Field::Surname, known("Holm")),
        (Field::BusinessPhone, known("9")),
        (Field::BusinessStreet, known("Weg 1")),
    ];
    let now = written(&graph.write(&[update(made, &set)]).await.unwrap()[0]);
    assert_eq!(now.record.get(Field::Email), &known("n@x.example"));
    assert_eq!(now.record.get(Field::BusinessCity), &known("Köln"));
    let raw = cloud.shown("contacts", "Holm").await;
    assert_eq!(raw["fields"]["DisplayName"], "Nina Holm");
    assert_eq!(raw["fields"]["EmailAddress2"], "second@x.example");
    assert_eq!(raw["fields"]["BusinessPhone2"], "2");
    let theirs = cloud.theirs("contacts", "Holm").await;
    cloud
        .change(&theirs, json!({ "fields": { "DisplayName": "Nini" } }))
        .await;
    let now = graph
        .read(std::slice::from_ref(&now.id))
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    written(
        &graph
            .write(&[update(&now, &[(Field::Surname, known("Falk"))])])
            .await
            .unwrap()[0],
    );
    assert_eq!(
        cloud.shown("contacts", "Falk").await["fields"]["DisplayName"],
        "Nini"
    );
}

#[tokio::test]
async fn keys_and_marks_are_set_and_taken_off() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    cloud
        .add(json!({ "categories": ["Friends"], "fields": { "Surname": "Own" } }))
        .await;
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let own = named(&listed, "Own");
    let graph = cloud.graph();
    let adopt = |of: &tandem_sync::model::Snapshot, mark| Write::Update {
        kind: ItemKind::Contact,
        id: of.id.clone(),
        version: of.version.clone(),
        set: BTreeMap::new(),
        key: Some(key(5)),
        mark: Some(mark),
        notify: false,
    };
    let now = written(&graph.write(&[adopt(own, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!(
        (now.marked, now.scope, now.key.clone()),
        (true, Scope::In, Some(key(5)))
    );
    let same = written(&graph.write(&[adopt(&now, Mark::Synced)]).await.unwrap()[0]);
    assert_eq!(same.version, now.version, "the same again writes nothing");
    let now = written(&graph.write(&[adopt(&now, Mark::None)]).await.unwrap()[0]);
    assert_eq!((now.marked, now.scope), (false, Scope::Out));
    assert_eq!(
        cloud.shown("contacts", "Own").await["categories"],
        json!(["Friends"])
    );
}

#[tokio::test]
async fn a_mixed_batch_is_answered_in_order() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(make(&graph, n, person("P", &format!("Nr {n}"), "")).await);
    }
    for n in [1, 2] {
        let theirs = cloud.theirs("contacts", &format!("Nr {n}")).await;
        cloud
            .change(&theirs, json!({ "fields": { "JobTitle": "changed meanwhile" } }))
            .await;
    }
    cloud.delete(&cloud.theirs("contacts", "Nr 3").await, true).await;
    let title = [(Field::JobTitle, known("ours"))];
    let impossible = Record::new(ItemKind::Contact).with(Field::Birthday, "12 May");
    let batch = [
        update(&made[0], &title),
        update(&made[1], &title),
        create(50, person("New", "One", "")),
        delete(&made[2]),
        update(&made[3], &title),
        delete(&made[3]),
        delete(&made[4]),
        create(51, impossible),
        update(&made[0], &[(Field::Birthday, known("1980-13-01"))]),
    ];
    let outcomes = cloud.graph().write(&batch).await.unwrap();
    assert_eq!(written(&outcomes[0]).record.get(Field::JobTitle), &known("ours"));
    for n in [1, 3] {
        let Outcome::Conflict(fresh) = &outcomes[n] else {
            panic!("{n}: {:?}", outcomes[n])
        };
        assert_eq!(fresh.record.get(Field::JobTitle), &known("changed meanwhile"));
    }
    assert_eq!(written(&outcomes[2]).key, Some(key(50)));
    assert_eq!(
        (&outcomes[4], &outcomes[5], &outcomes[6]),
        (&Outcome::Missing, &Outcome::Missing, &Outcome::Deleted)
    );
    for n in [7, 8] {
        let Outcome::Refused(refusal) = &outcomes[n] else {
            panic!("{n}: {:?}", outcomes[n])
        };
        assert_eq!(refusal.fields, [Field::Birthday]);
    }
    assert_eq!(cloud.shown("contacts", "Nr 4").await["folder"], "Deleted Items");
    let mut stale = made[0].clone();
    stale.version = Version("nonsense".to_owned());
    let outcome = graph.write(&[update(&stale, &title)]).await.unwrap().remove(0);
    assert!(matches!(outcome, Outcome::Conflict(_)), "{outcome:?}");
    assert_eq!(cloud.mails_sent().await, 0);
}

#[tokio::test]
async fn what_a_user_does_is_seen_and_a_quiet_mailbox_costs_one_request() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let (listed, cursor, full) = listing(&graph, None).await;
    assert!(full && listed.present.len() == 12);
    let id = cloud
        .add(json!({ "fields": { "GivenName": "Ada", "Surname": "New", "EmailAddress1": "ada@x.example" } }))
        .await;
    let (listed, cursor, full) = cloud.next(&cursor, ONLY).await;
    let ada = named(&listed, "New").clone();
    assert!(full.is_empty() && listed.present.len() == 1);
    assert_eq!(
        (ada.scope, ada.record.get(Field::Email)),
        (Scope::Out, &known("ada@x.example"))
    );
    assert!(ada.modified.0 > 0 && ada.created.0 > 0);

    cloud
        .change(
            &id,
            json!({ "categories": ["Friends", "Salesforce"], "fields": { "JobTitle": "CEO" } }),
        )
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    let changed = &listed.present[&ada.id];
    assert!(changed.marked && changed.scope == Scope::In && changed.version != ada.version);
    cloud.change(&id, json!({ "private": true })).await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&ada.id].scope, Scope::Private);
    cloud
        .change(&id, json!({ "private": false, "categories": [] }))
        .await;
    let moved = cloud.shift(&id, FOLDER).await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&ada.id].scope, Scope::In, "a move keeps the id");
    cloud.delete(&moved, false).await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.absent, std::slice::from_ref(&ada.id));
    assert!(listed.present.is_empty());
    for _ in 0..3 {
        cloud.reset().await;
        let (listed, ..) = cloud.next(&cursor, ONLY).await;
        assert!(listed.present.is_empty() && listed.absent.is_empty());
        assert_eq!(
            cloud.graph_operations().await.into_iter().collect::<Vec<_>>(),
            [("POST $batch".to_owned(), 1)]
        );
    }
}

#[tokio::test]
async fn thousands_come_in_pages_and_each_once() {
    let cloud = Cloud::with(Options {
        mailbox_contacts: 1300,
        ..Options::default()
    })
    .await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    cloud.reset().await;
    let (listed, cursor, full) = listing(&graph, None).await;
    assert!(full && listed.present.len() == 1300, "{}", listed.present.len());
    // Two for the folders, 7 + 1 to the end of the delta (and one each for the other folder), 14 pages.
    let operations = cloud.graph_operations().await;
    assert!(operations.values().sum::<u64>() <= 29, "{operations:?}");
    // A first listing that was interrupted goes on where it was, in another session.
    let first = graph.changes(None, &contacts()).await.unwrap();
    assert!(first.more && first.full.has(ItemKind::Contact));
    let (rest, _, full) = listing(&cloud.graph(), Some(&first.cursor)).await;
    assert!(full && rest.present.len() + first.items.len() >= 1300);
    let (quiet, ..) = cloud.next(&cursor, ONLY).await;
    assert!(quiet.present.is_empty());
}

#[tokio::test]
async fn a_whole_batch_costs_what_its_parts_make() {
    let cloud = Cloud::with(Options {
        mailbox_contacts: 0,
        ..Options::default()
    })
    .await;
    let cursor = cloud.ready(ONLY).await;
    let graph = cloud.graph();
    let batch: Vec<Write> = (0..80).map(|n| create(n, full(&n.to_string()))).collect();
    assert_eq!(graph.batch(), batch.len());
    graph.rivals().await.unwrap();
    cloud.reset().await;
    let outcomes = graph.write(&batch).await.unwrap();
    let made: Vec<_> = outcomes.iter().map(written).collect();
    for (n, snapshot) in (0..).zip(&made) {
        assert_eq!(
            (snapshot.key.clone(), &snapshot.record),
            (Some(key(n)), &full(&n.to_string()))
        );
    }
    assert_eq!(
        cloud.graph_requests().await,
        8,
        "four to write, four to read back"
    );
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present.len(), 80);
    assert!(
        made.iter().all(|s| listed.present[&s.id] == *s),
        "what was read back is what is listed"
    );
    cloud.reset().await;
    cloud.next(&cursor, ONLY).await;
    assert_eq!(cloud.graph_requests().await, 1);
}

#[tokio::test]
async fn fates_are_proved_and_reading_is_in_order() {
    let cloud = Cloud::new().await;
    cloud.add_folder("Filed", "Contacts").await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(
            make(
                &graph,
                n,
                person("P", &format!("Nr {n}"), &format!("p{n}@x.example")),
            )
            .await,
        );
    }
    cloud
        .shift(&cloud.theirs("contacts", "Nr 1").await, "Filed")
        .await;
    cloud.delete(&cloud.theirs("contacts", "Nr 2").await, false).await;
    cloud.delete(&cloud.theirs("contacts", "Nr 3").await, true).await;
    let unmarked = cloud.theirs("contacts", "Nr 4").await;
    cloud.change(&unmarked, json!({ "categories": [] })).await;
    cloud.shift(&unmarked, "Filed").await;
    let asked: Vec<_> = made.iter().map(trace).collect();
    let fates = cloud.graph().fates(&asked).await.unwrap();
    let here = |n: usize| match &fates[n] {
        Fate::Here(snapshot) => (**snapshot).clone(),
        other => panic!("{n}: {other:?}"),
    };
    assert_eq!(here(0), made[0]);
    assert_eq!((here(1).id, here(1).scope), (made[1].id.clone(), Scope::In));
    assert_eq!(fates[2], Fate::Deleted { merged_into: None });
    assert_eq!(fates[3], Fate::Deleted { merged_into: None });
    assert_eq!(here(4).scope, Scope::Out);
    // Of one that never carried its key, an id that is gone proves nothing.
    let mut keyless = trace(&made[3]);
    keyless.carried = false;
    assert_eq!(cloud.graph().fates(&[keyless]).await.unwrap(), [Fate::Unproved]);
    let ids = [4, 2, 3, 0].map(|n: usize| made[n].id.clone());
    let read = cloud.graph().read(&ids).await.unwrap();
    assert!(read[0].is_some() && read[1].is_none() && read[2].is_none() && read[3] == Some(made[0].clone()));
    // Ids of Exchange Web Services name nothing that Graph would change for them.
    let foreign = ItemId("AAMkADU/+AAA=".to_owned());
    assert_eq!(cloud.graph().read(&[foreign]).await.unwrap(), [None]);
    // Nothing is taken out of Deleted Items.
    let outcome = graph.restore(&[trace(&made[2])]).await.unwrap().remove(0);
    let Outcome::Refused(refusal) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refusal.code, IssueCode::ChangeInOutlook);
    assert_eq!(
        graph.restore(&[trace(&made[3])]).await.unwrap(),
        [Outcome::Missing]
    );
    assert!(matches!(
        graph.restore(&[trace(&made[0])]).await.unwrap()[0],
        Outcome::Written { .. }
    ));
}

#[tokio::test]
async fn candidates_and_keys_find_what_is_there() {
    let cloud = Cloud::new().await;
    cloud.add_folder("Filed", "Contacts").await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    cloud.add(json!({ "fields": { "GivenName": "Ada", "Surname": "Ångström", "EmailAddress2": "Ada@X.example" } })).await;
    cloud.add(json!({ "folder": FOLDER, "fields": { "GivenName": "ADA", "Surname": "ÅNGSTRÖM", "EmailAddress1": "other@x.example" } })).await;
    cloud.add(json!({ "folder": "Filed", "fields": { "Surname": "O'Hara & Søn", "EmailAddress3": "filed@x.example" } })).await;
    let bin = cloud.add(json!({ "fields": { "GivenName": "Ada", "Surname": "Ångström", "EmailAddress1": "ada@x.example" } })).await;
    cloud.delete(&bin, false).await;
    let name = |given: &str, surname: &str| MatchKey::Name {
        given: given.to_owned(),
        surname: surname.to_owned(),
    };
    let mut keys = vec![
        MatchKey::Email("ADA@x.example".to_owned()),
        name("ada", "ångström"),
        MatchKey::Email("nobody@x.example".to_owned()),
        name("", "o'hara & søn"),
        MatchKey::Email("filed@x.example".to_owned()),
        name("", ""),
    ];
    let sizes = |answer: &[Vec<Candidate>]| answer.iter().map(Vec::len).collect::<Vec<_>>();
    let few = cloud.graph().candidates(&keys).await.unwrap();
    assert_eq!(sizes(&few), [1, 2, 0, 1, 1, 0]);
    keys.extend((0..200).map(|n| MatchKey::Email(format!("nobody{n}@x.example"))));
    cloud.reset().await;
    let many = cloud.graph().candidates(&keys).await.unwrap();
    assert_eq!(sizes(&many[..6]), [1, 2, 0, 1, 1, 0]);
    assert!(many[6..].iter().all(Vec::is_empty));
    assert!(
        cloud.graph_requests().await <= 6,
        "{:?}",
        cloud.graph_operations().await
    );

    let batch: Vec<Write> = (0..50)
        .map(|n| create(n, person("P", &format!("Nr {n}"), "")))
        .collect();
    graph.write(&batch).await.unwrap();
    let keys: Vec<_> = (0..60).map(key).collect();
    let found = cloud
        .graph()
        .created(ItemKind::Contact, &keys, Timestamp(0))
        .await
        .unwrap();
    assert_eq!(found.len(), 50);
    let none = cloud
        .graph()
        .created(ItemKind::Contact, &[key(99)], Timestamp(0))
        .await
        .unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn folder_and_categories_are_made_once_and_come_back() {
    let cloud = Cloud::new().await;
    let before = cloud.mailbox().await;
    cloud.graph().prepare().await.unwrap();
    let after = cloud.mailbox().await;
    let named = |state: &serde_json::Value, name: &str| {
        let folders = state["folders"].as_array().unwrap();
        folders.iter().filter(|folder| folder["name"] == name).count()
    };
    for folder in [FOLDER, "Salesforce Tasks", "Salesforce Emails"] {
        assert_eq!(
            (named(&before, folder), named(&after, folder)),
            (0, 1),
            "{folder}"
        );
    }
    let colors = after["categories"].as_array().unwrap();
    for (name, color) in [("Salesforce", 7), ("Sync Error", 0), ("Salesforce Unsync", 12)] {
        let found: Vec<_> = colors.iter().filter(|c| c["name"] == name).collect();
        assert_eq!(found.len(), 1, "{colors:?}");
        assert_eq!(found[0]["color"].to_string().trim_matches('"'), color.to_string());
    }
    cloud.graph().prepare().await.unwrap();
    assert_eq!(cloud.mailbox().await, after);
    // What Exchange Web Services made is ours here, too, and the other way round.
    cloud.session().prepare().await.unwrap();
    assert_eq!(cloud.mailbox().await, after);

    let cursor = cloud.ready(ONLY).await;
    cloud.remove_folder(FOLDER).await;
    let fault = cloud
        .graph()
        .changes(Some(&cursor), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired, "{fault}");
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    // In the middle of a session a create makes it again.
    cloud.remove_folder(FOLDER).await;
    assert_eq!(make(&graph, 2, person("A", "C", "")).await.scope, Scope::In);
    let fault = cloud
        .graph()
        .changes(Some(&Cursor("nonsense".to_owned())), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired);
}

#[tokio::test]
async fn deltas_that_begin_anew_repeat_and_come_in_pages_lose_nothing() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    cloud.knob(json!({ "empty_pages": 2 })).await;
    cloud.add(json!({ "fields": { "Surname": "Late" } })).await;
    cloud
        .graph_fault(None, json!({ "kind": "duplicate_changes" }))
        .await;
    let (listed, next, full) = cloud.next(&cursor, ONLY).await;
    assert!(find(&listed, "Late").is_some() && full.is_empty());
    cloud.no_faults().await;
    // Every way in which a token expires: the kind is listed in full.
    for _ in 0..4 {
        let path = format!("/graph/mailboxes/{}/expire", cloud.user.mailbox);
        cloud.control("POST", &path, serde_json::Value::Null).await;
        let (listed, again, full) = cloud.next(&next, ONLY).await;
        assert!(full.has(ItemKind::Contact) && listed.present.len() == 13);
        let (quiet, _, full) = cloud.next(&again, ONLY).await;
        assert!(quiet.present.is_empty() && full.is_empty());
    }
}

#[tokio::test]
async fn one_that_was_moved_is_present_whichever_folder_tells_it_first() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let mut at = cursor;
    for (from, to) in [(FOLDER, "Contacts"), ("Contacts", FOLDER)] {
        let name = format!("From {from}");
        let entry = json!({ "folder": from, "fields": { "Surname": name }, "categories": ["Salesforce"] });
        let id = cloud.add(entry).await;
        let (listed, cursor, _) = cloud.next(&at, ONLY).await;
        let one = named(&listed, &name).id.clone();
        cloud.shift(&id, to).await;
        let page = cloud.graph().changes(Some(&cursor), &contacts()).await.unwrap();
        // The last word of a page counts.
        let last = page.items.iter().rfind(|change| match change {
            Change::Present(snapshot) => snapshot.id == one,
            Change::Absent(id) => *id == one,
            _ => false,
        });
        assert!(
            matches!(last, Some(Change::Present(snapshot)) if snapshot.scope == Scope::In),
            "{from} to {to}: {last:?}"
        );
        at = page.cursor;
    }
}

#[tokio::test]
async fn a_copy_that_is_alive_outweighs_the_one_that_was_deleted() {
    let cloud = Cloud::new().await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    // A copy takes the key with it.
    let one = make(&graph, 7, person("Ada", "Original", "")).await;
    let copy = make(&graph, 7, person("Ada", "Copy", "")).await;
    let id = cloud.theirs("contacts", "Original").await;
    cloud.delete(&id, false).await;
    let fates = cloud.graph().fates(&[trace(&one)]).await.unwrap();
    assert!(
        matches!(&fates[..], [Fate::Here(now)] if now.id == copy.id),
        "{fates:?}"
    );
    // A folder that cannot be searched might hold one.
    let id = cloud.theirs("contacts", "Copy").await;
    cloud.delete(&id, false).await;
    let refused = json!({ "kind": "status", "code": 403 });
    cloud
        .graph_fault(Some("GET contactFolders/{id}/contacts"), refused)
        .await;
    let fates = cloud.graph().fates(&[trace(&one)]).await.unwrap();
    assert_eq!(fates, [Fate::Unproved]);
    cloud.no_faults().await;
    let fates = cloud.graph().fates(&[trace(&one)]).await.unwrap();
    assert_eq!(fates, [Fate::Deleted { merged_into: None }]);
}
