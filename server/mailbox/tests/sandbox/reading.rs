use serde_json::{Value, json};
use tandem_sandbox::Options;
use tandem_sync::FaultKind;
use tandem_sync::model::{Candidate, Cursor, Fate, Field, FieldValue, ItemId, MatchKey, Scope, Trace, Write};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{ItemKind, Timestamp};

use crate::support::{FOLDER, World, contacts, key, known, listing, make, person};

#[tokio::test]
async fn folder_and_categories_are_made_once_and_come_back() {
    let world = World::new().await;
    let before = world.mailbox().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let after = world.mailbox().await;
    let folders = |state: &Value| {
        state["folders"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f["name"] == FOLDER)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(folders(&before).is_empty());
    assert_eq!(folders(&after).len(), 1);
    assert_eq!(folders(&after)[0]["class"], "IPF.Contact");
    let colors = after["categories"].as_array().unwrap();
    for (name, color) in [("Salesforce", 7), ("Sync Error", 0), ("Salesforce Unsync", 12)] {
        let found: Vec<_> = colors.iter().filter(|c| c["name"] == name).collect();
        assert_eq!(found.len(), 1, "{colors:?}");
        assert_eq!(found[0]["color"].to_string().trim_matches('"'), color.to_string());
    }
    for kept in before["categories"].as_array().unwrap() {
        assert!(colors.contains(kept), "{kept}");
    }
    world.reset().await;
    world.session().prepare().await.unwrap();
    assert_eq!(world.mailbox().await, after);
    let operations = world.operations().await;
    assert!(
        operations
            .keys()
            .all(|o| !o.starts_with("Create") && !o.starts_with("Update")),
        "{operations:?}"
    );
    world.remove_folder(FOLDER).await;
    world.session().prepare().await.unwrap();
    assert_eq!(folders(&world.mailbox().await).len(), 1);
}

#[tokio::test]
async fn a_quiet_mailbox_costs_one_request() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let (listed, cursor, full) = listing(&ews, None).await;
    assert!(full);
    assert_eq!(listed.present.len(), 12);
    assert!(
        listed
            .present
            .values()
            .all(|s| s.scope == Scope::Out && !s.marked)
    );
    for _ in 0..3 {
        world.reset().await;
        let (listed, _, full) = listing(&world.session(), Some(&cursor)).await;
        assert!(!full && listed.present.is_empty() && listed.absent.is_empty());
        assert_eq!(
            world.operations().await.into_iter().collect::<Vec<_>>(),
            [("GetEvents".to_owned(), 1)]
        );
    }
}

#[tokio::test]
async fn without_watermarks_a_quiet_mailbox_costs_three_requests_at_most() {
    let world = World::new().await;
    world.set_mailbox(json!({ "watermark_support": false })).await;
    let mut cursor = world.settled().await;
    for _ in 0..60 {
        world.reset().await;
        let (listed, next, _) = listing(&world.session(), Some(&cursor)).await;
        assert!(listed.present.is_empty() && listed.absent.is_empty());
        let operations = world.operations().await;
        assert!(operations.values().sum::<u64>() <= 3, "{operations:?}");
        cursor = next;
    }
    let id = world.add(json!({ "fields": { "Surname": "New" } })).await;
    let (listed, ..) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&id]);
}

#[tokio::test]
async fn what_a_user_does_is_seen() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let id = world
        .add(json!({ "fields": { "GivenName": "Ada", "Surname": "Holm", "EmailAddress1": "ada@x.example" } }))
        .await;
    world.reset().await;
    let (listed, cursor, full) = listing(&world.session(), Some(&cursor)).await;
    assert!(!full);
    assert_eq!(world.requests().await, 3, "{:?}", world.operations().await);
    let ada = &listed.present[&id];
    assert_eq!(
        (ada.scope, ada.record.get(Field::Email).known()),
        (Scope::Out, Some("ada@x.example"))
    );
    assert!(ada.modified.0 > 0 && ada.created.0 > 0);

    world
        .change(
            &id,
            json!({ "categories": ["Friends", "Salesforce"], "fields": { "JobTitle": "CEO" } }),
        )
        .await;
    let (listed, cursor, _) = listing(&world.session(), Some(&cursor)).await;
    let changed = &listed.present[&id];
    assert!(changed.marked && changed.scope == Scope::In && changed.version != ada.version);
    assert_eq!(changed.record.get(Field::JobTitle), &known("CEO"));

    world.change(&id, json!({ "private": true })).await;
    let (listed, cursor, _) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present[&id].scope, Scope::Private);

    world
        .change(&id, json!({ "private": false, "categories": [] }))
        .await;
    let moved = world.shift(&id, FOLDER).await;
    let (listed, cursor, _) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present[&moved].scope, Scope::In);
    assert!(moved == id || listed.absent.contains(&id));

    world.delete(&moved, false).await;
    let (listed, cursor, _) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.absent, std::slice::from_ref(&moved));
    assert!(listed.present.is_empty());
    world.reset().await;
    let (listed, ..) = listing(&world.session(), Some(&cursor)).await;
    assert!(listed.absent.is_empty());
    assert_eq!(world.requests().await, 1);
}

#[tokio::test]
async fn thousands_come_in_pages_and_each_once() {
    let world = World::with(Options {
        mailbox_contacts: 1300,
        ..Options::default()
    })
    .await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    world.reset().await;
    let (listed, cursor, full) = listing(&ews, None).await;
    assert!(full);
    assert_eq!(listed.present.len(), 1300);
    assert!(listed.pages >= 3, "{}", listed.pages);
    let operations = world.operations().await;
    // Two for the folders, one for the subscription, then three pages of two or three batches and one empty folder.
    assert!(operations.values().sum::<u64>() <= 16, "{operations:?}");
    // A first listing that was interrupted goes on where it was, in another session.
    let first = ews.changes(None, &contacts()).await.unwrap();
    assert!(first.more && first.full.has(ItemKind::Contact));
    let (rest, _, full) = listing(&world.session(), Some(&first.cursor)).await;
    assert!(full && rest.present.len() + first.items.len() >= 1300);
    let (quiet, ..) = listing(&world.session(), Some(&cursor)).await;
    assert!(quiet.present.is_empty());
}

#[tokio::test]
async fn every_field_is_read_with_all_of_unicode() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let fields = json!({
        "GivenName": "Zoë Łucja", "MiddleName": "محمد", "Surname": "O'Brien-Ångström 渡辺", "JobTitle": "Head <of> \"R&D\"",
        "Department": "Q\u{0301}", "CompanyName": "Contoso & Søns", "AssistantName": "👩🏽‍🚀", "EmailAddress1": "zoë@contoso.example",
        "BusinessPhone": "+49 (30) 1234", "MobilePhone": "2", "HomePhone": "3", "OtherTelephone": "4", "BusinessFax": "5", "AssistantPhone": "6",
        "BusinessStreet": "Weg 1\r\nHof", "BusinessCity": "Köln", "BusinessState": "NRW", "BusinessPostalCode": "50667", "BusinessCountryOrRegion": "Deutschland",
        "OtherStreet": "s", "OtherCity": "c", "OtherState": "st", "OtherPostalCode": "p", "OtherCountryOrRegion": "co",
        "Birthday": "1980-02-29T11:59:00Z", "Body": "line one\nline two\n",
    });
    let id = world.add(json!({ "fields": fields })).await;
    let (listed, ..) = listing(&world.session(), Some(&cursor)).await;
    let record = &listed.present[&id].record;
    let get = |field| record.get(field).known().unwrap_or_default().to_owned();
    assert_eq!(get(Field::Surname), "O'Brien-Ångström 渡辺");
    assert_eq!(get(Field::MiddleName), "محمد");
    assert_eq!(get(Field::AssistantName), "👩🏽‍🚀");
    assert_eq!(get(Field::JobTitle), "Head <of> \"R&D\"");
    assert_eq!(get(Field::BusinessStreet), "Weg 1\nHof");
    assert_eq!(get(Field::BusinessCountry), "Deutschland");
    assert_eq!(get(Field::OtherPostalCode), "p");
    assert_eq!(get(Field::Birthday), "1980-02-29");
    assert_eq!(get(Field::Body), "line one\nline two");
    for field in Field::CONTACT {
        assert!(record.get(*field).known().is_some(), "{field:?}");
    }
}

#[tokio::test]
async fn items_are_read_in_the_order_asked() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let one = make(&ews, 1, person("A", "One", "one@x.example")).await;
    let two = make(&ews, 2, person("B", "Two", "two@x.example")).await;
    let gone = make(&ews, 3, person("C", "Gone", "gone@x.example")).await;
    world.delete(&gone.id, false).await;
    let read = ews
        .read(&[
            two.id.clone(),
            gone.id.clone(),
            ItemId("nonsense".to_owned()),
            one.id.clone(),
        ])
        .await
        .unwrap();
    assert_eq!(read, [Some(two), None, None, Some(one)]);
    assert!(ews.read(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn fates_are_proved() {
    let world = World::new().await;
    world.add_folder("Filed", "Contacts").await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let mut made = Vec::new();
    for n in 0..6 {
        made.push(
            make(
                &ews,
                n,
                person("P", &format!("Nr {n}"), &format!("p{n}@x.example")),
            )
            .await,
        );
    }
    let [here, filed, deleted, purged, unmarked, below] = made.as_slice() else {
        panic!("six")
    };
    let new_id = world.shift(&filed.id, "Filed").await;
    world.delete(&deleted.id, false).await;
    world.delete(&purged.id, true).await;
    world.change(&unmarked.id, json!({ "categories": [] })).await;
    let unmarked_id = world.shift(&unmarked.id, "Filed").await;
    world.add_folder("Bin", "Deleted Items").await;
    world.shift(&below.id, "Bin").await;

    let asked: Vec<_> = made
        .iter()
        .enumerate()
        .map(|(n, s)| Trace {
            kind: ItemKind::Contact,
            id: s.id.clone(),
            key: key(u32::try_from(n).unwrap()),
            carried: true,
            meeting: None,
        })
        .collect();
    let fates = world.session().fates(&asked).await.unwrap();
    let Fate::Here(snapshot) = &fates[0] else {
        panic!("{:?}", fates[0])
    };
    assert_eq!(**snapshot, *here);
    let Fate::Here(snapshot) = &fates[1] else {
        panic!("{:?}", fates[1])
    };
    assert_eq!((&snapshot.id, snapshot.scope), (&new_id, Scope::In));
    assert_eq!(fates[2], Fate::Deleted { merged_into: None });
    assert_eq!(fates[3], Fate::Deleted { merged_into: None });
    let Fate::Here(snapshot) = &fates[4] else {
        panic!("{:?}", fates[4])
    };
    assert_eq!((&snapshot.id, snapshot.scope), (&unmarked_id, Scope::Out));
    assert_eq!(fates[5], Fate::Deleted { merged_into: None });

    // Where a search fails, nothing is proved.
    world
        .fault(Some("FindItem"), json!({ "kind": "status", "code": 503 }))
        .await;
    let fault = world.session().fates(&asked[3..4]).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }));
}

#[tokio::test]
async fn candidates_by_address_and_name_few_and_many() {
    let world = World::new().await;
    world.add_folder("Filed", "Contacts").await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let ada = world.add(json!({ "fields": { "GivenName": "Ada", "Surname": "Ångström", "EmailAddress2": "Ada@X.example" } })).await;
    let twin = world.add(json!({ "folder": FOLDER, "fields": { "GivenName": "ADA", "Surname": "ÅNGSTRÖM", "EmailAddress1": "other@x.example" } })).await;
    let filed = world.add(json!({ "folder": "Filed", "fields": { "Surname": "O'Hara & Søn", "EmailAddress3": "filed@x.example" } })).await;
    let bin = world.add(json!({ "fields": { "GivenName": "Ada", "Surname": "Ångström", "EmailAddress1": "ada@x.example" } })).await;
    world.delete(&bin, false).await;
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
    let found = |answer: &[Vec<Candidate>]| -> Vec<Vec<ItemId>> {
        let id = |candidate: &Candidate| match candidate {
            Candidate::Same(snapshot) => snapshot.id.clone(),
            Candidate::Lead { .. } => panic!("a mailbox has no leads"),
        };
        answer
            .iter()
            .map(|c| {
                let mut ids: Vec<_> = c.iter().map(id).collect();
                ids.sort();
                ids
            })
            .collect()
    };
    let mut twins = vec![ada.clone(), twin.clone()];
    twins.sort();
    let expected = vec![vec![ada], twins, vec![], vec![filed.clone()], vec![filed], vec![]];
    let few = found(&world.session().candidates(&keys).await.unwrap());
    assert_eq!(few, expected);
    keys.extend((0..200).map(|n| MatchKey::Email(format!("nobody{n}@x.example"))));
    world.reset().await;
    let many = found(&world.session().candidates(&keys).await.unwrap());
    assert_eq!(many[..6], expected);
    assert!(many[6..].iter().all(Vec::is_empty));
    assert!(world.requests().await <= 5, "{:?}", world.operations().await);
    assert!(world.session().candidates(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_made_is_found_by_its_key() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let mut made = Vec::new();
    for n in 0..50 {
        made.push(make(&ews, n, person("P", &n.to_string(), "")).await);
    }
    world.delete(&made[7].id, false).await;
    let keys: Vec<_> = (0..60).map(key).collect();
    let found = world
        .session()
        .created(ItemKind::Contact, &keys, Timestamp(0))
        .await
        .unwrap();
    assert_eq!(found.len(), 50);
    let bin = found.iter().find(|s| s.key == Some(key(7))).unwrap();
    assert_eq!(bin.scope, Scope::Out);
    assert!(
        world
            .session()
            .created(ItemKind::Contact, &[key(99)], Timestamp(0))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_folder_that_was_taken_away_expires_the_cursor() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let ews = world.session();
    make(&ews, 1, person("A", "B", "")).await;
    world.remove_folder(FOLDER).await;
    let fault = world
        .session()
        .changes(Some(&cursor), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired, "{fault}");
    let again = world.session();
    again.prepare().await.unwrap();
    let (listed, ..) = listing(&again, None).await;
    assert_eq!(listed.present.len(), 12);
    // In the middle of a session a create makes it again.
    world.remove_folder(FOLDER).await;
    let made = make(&again, 2, person("A", "C", "")).await;
    assert_eq!(made.scope, Scope::In);
}

#[tokio::test]
async fn foreign_cursors_and_ended_subscriptions() {
    let world = World::new().await;
    let fault = world
        .session()
        .changes(Some(&Cursor("nonsense".to_owned())), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired);
    let cursor = world.settled().await;
    let id = world.add(json!({ "fields": { "Surname": "Late" } })).await;
    // Two days without a session: the subscription has ended.
    world
        .control("POST", "/clock", json!({ "advance_s": 2 * 86_400 }))
        .await;
    world.reset().await;
    let (listed, next, full) = listing(&world.session(), Some(&cursor)).await;
    assert!(!full && listed.present.contains_key(&id));
    let operations = world.operations().await;
    assert_eq!(operations["SyncFolderItems"], 2, "{operations:?}");
    let (_, next, _) = listing(&world.session(), Some(&next)).await;
    world.reset().await;
    let (_, next, _) = listing(&world.session(), Some(&next)).await;
    assert_eq!(world.requests().await, 1, "a new subscription was made");
    world.session().unsubscribe(&next).await.unwrap();
    world.reset().await;
    let (listed, ..) = listing(&world.session(), Some(&next)).await;
    assert!(listed.present.is_empty());
    assert_eq!(world.requests().await, 3);
}

#[tokio::test]
async fn addresses_in_exchange_form_are_no_values() {
    let world = World::new().await;
    let cursor = world.settled().await;
    let id = world.add(json!({ "fields": { "Surname": "X", "EmailAddress1": "/o=Contoso/ou=Exchange/cn=Recipients/cn=x" } })).await;
    let (listed, ..) = listing(&world.session(), Some(&cursor)).await;
    assert_eq!(listed.present[&id].record.get(Field::Email), &FieldValue::Unknown);
}

#[tokio::test]
async fn the_profile_holds_all_fields() {
    let world = World::new().await;
    let profiles = world.session().profile().await.unwrap();
    for kind in ItemKind::ALL {
        let profile = profiles.of(kind).unwrap();
        assert!(profile.holds_key);
        let linker = usize::from(kind != ItemKind::Contact);
        assert_eq!(profile.fields.len() + linker, Field::of(kind).len(), "{kind:?}");
    }
    assert_eq!(world.requests().await, 0);
    let ews = world.session();
    assert!(ews.batch() >= 50);
    assert!(ews.write(&[] as &[Write]).await.unwrap().is_empty());
    assert!(!format!("{ews:?}").contains(&world.user.exchange_password));
}
