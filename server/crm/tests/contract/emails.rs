//! Emails, their people, their files, and whom the linker's clues lead to.

use serde_json::{Value, json};
use tandem_sync::model::{
    Candidate, Clue, Field, FieldValue, File, ItemId, KnownKind, MatchKey, Outcome, Record,
};
use tandem_sync::ports::{Crm as _, Endpoint as _};
use tandem_types::{IssueCode, ItemKind};

use super::activities::{done, make};
use super::{Rig, key, refused, update, written};

fn mail(n: u32) -> Record {
    Record::new(ItemKind::Email)
        .with(Field::Subject, "Offer")
        .with(Field::Body, "Dear all")
        .with(Field::Html, "<p>Dear all</p>")
        .with(Field::FromAddress, "Zoë <zoe@guest.example>")
        .with(
            Field::ToAddresses,
            "Nina <nina@contoso.example>; Bo <bo@guest.example>",
        )
        .with(Field::CcAddresses, "else@where.example")
        .with(Field::SentAt, "2026-11-21T16:22:14Z")
        .with(Field::Incoming, "yes")
        .with(Field::MessageId, &format!("{n}@guest.example"))
        .with(Field::Thread, "thread-1")
}

fn file(name: &str, size: usize) -> File {
    File {
        name: name.to_owned(),
        content_type: "text/plain".to_owned(),
        bytes: vec![b'x'; size],
    }
}

fn message(n: u32) -> MatchKey {
    MatchKey::Message(format!("{n}@guest.example"))
}

#[tokio::test]
async fn an_email_is_saved_once_with_its_people() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let zoe = rig
        .contact(0, json!({"LastName": "Zoe", "Email": "Zoe@Guest.example"}))
        .await;
    let bo = rig
        .contact(0, json!({"LastName": "Bo", "Email": "bo@guest.example"}))
        .await;
    let account = rig.make("Account", 0, json!({"Name": "Guest"})).await;
    let relations = format!("who={zoe},{bo};what={account}");
    let record = mail(1).with(Field::Relations, &relations);
    session.salesforce.profile().await.unwrap();
    let made = done(&session, make(1, record.clone())).await;
    assert_eq!(made.record.kind, ItemKind::Email);
    assert_eq!(made.key, Some(key(1)));
    assert_eq!(made.record.get(Field::MessageId).known(), Some("1@guest.example"));
    let row = rig.show("EmailMessage", &made.id).await;
    assert_eq!(row["MessageIdentifier"], json!("<1@guest.example>"));
    assert_eq!(
        (&row["TextBody"], &row["Incoming"], &row["Status"]),
        (&json!("Dear all"), &json!(true), &json!("3"))
    );
    assert_eq!(
        (&row["RelatedToId"], &row["IsClientManaged"]),
        (&json!(account.0), &json!(true))
    );
    assert_eq!(
        row["ToAddress"],
        json!("nina@contoso.example"),
        "known people are no addresses"
    );
    assert_eq!(row["BccAddress"], Value::Null);
    let relations: Vec<(Value, Value)> = rig
        .all("EmailMessageRelation")
        .await
        .into_iter()
        .filter(|r| r["EmailMessageId"] == json!(made.id.0) && r["RelationId"] != Value::Null)
        .map(|r| (r["RelationType"].clone(), r["RelationId"].clone()))
        .collect();
    assert!(
        relations.contains(&(json!("FromAddress"), json!(zoe.0))),
        "{relations:?}"
    );
    assert!(
        relations.contains(&(json!("ToAddress"), json!(bo.0))),
        "{relations:?}"
    );

    // A sender that stays locked is named; for a moment only, it costs nothing.
    for (n, times, expected) in [(8, 1, None), (9, 50, Some(vec![Field::FromAddress]))] {
        let lock = json!({"operation": "collections_create", "kind": {"kind": "lock_row"}, "times": times, "skip": 1});
        rig.fault(lock).await;
        let mut other = record.clone();
        other.set(
            Field::MessageId,
            FieldValue::from_text(format!("<other{n}@x.example>")),
        );
        let outcomes = session.salesforce.write(&[make(n, other)]).await.unwrap();
        rig.clear_faults().await;
        let Outcome::Written { left, .. } = &outcomes[0] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(left.as_ref().map(|left| left.fields.clone()), expected);
    }
    let several = rig.all("EmailMessage").await.len();

    // Done again: what was saved stands, and there is one of it.
    let again = session.salesforce.write(&[make(1, record)]).await.unwrap();
    assert_eq!(written(&again[0]).id, made.id);
    assert_eq!(rig.all("EmailMessage").await.len(), several);
    // Found by anyone, by its Message-ID.
    let colleague = rig.session_of(1, tandem_types::ContactScope::Mine).await;
    for session in [&session, &colleague] {
        let found = session
            .salesforce
            .candidates(&[message(1), message(2)])
            .await
            .unwrap();
        assert!(
            matches!(found[0].as_slice(), [Candidate::Same(s)] if s.id == made.id),
            "{found:?}"
        );
        assert!(found[1].is_empty());
    }
    // Its task is no task of the user's.
    let task = rig.show("EmailMessage", &made.id).await["ActivityId"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = session.salesforce.read(&[ItemId(task)]).await.unwrap();
    assert_eq!(shown[0].as_ref().unwrap().scope, tandem_sync::model::Scope::Out);
    // Linked to something else later.
    let other = rig.make("Account", 0, json!({"Name": "Other"})).await;
    done(
        &session,
        update(&made, &[(Field::Relations, &format!("what={other}"))]),
    )
    .await;
    assert_eq!(
        rig.show("EmailMessage", &made.id).await["RelatedToId"],
        json!(other.0)
    );
}

#[tokio::test]
async fn what_is_too_long_is_cut_or_left_out() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let many: Vec<String> = (0..5000).map(|n| format!("someone.{n}@guest.example")).collect();
    let record = mail(1)
        .with(Field::Subject, &"s".repeat(4000))
        .with(Field::Body, &"b".repeat(200_000))
        .with(Field::Html, &"<p>h</p>".repeat(50_000))
        .with(Field::ToAddresses, &many.join("; "));
    let made = done(&session, make(1, record)).await;
    let row = rig.show("EmailMessage", &made.id).await;
    assert_eq!(row["Subject"].as_str().unwrap().len(), 3000);
    assert_eq!(row["TextBody"].as_str().unwrap().len(), 131_072);
    assert_eq!(row["HtmlBody"], Value::Null, "half a page is none");
    let to = row["ToAddress"].as_str().unwrap();
    assert!(
        to.len() <= 4000 && to.ends_with("@guest.example"),
        "whole addresses only"
    );
}

#[tokio::test]
async fn without_enhanced_email_it_is_a_completed_task() {
    let rig = Rig::fresh().await;
    rig.org(json!({"enhanced_email": false})).await;
    let session = rig.session().await;
    assert!(
        session
            .salesforce
            .profile()
            .await
            .unwrap()
            .of(ItemKind::Email)
            .is_some()
    );
    let contact = rig.contact(0, json!({"LastName": "Zoe"})).await;
    let record = mail(1).with(Field::Relations, &format!("who={contact}"));
    let made = done(&session, make(1, record.clone())).await;
    assert_eq!(made.record.kind, ItemKind::Email);
    let row = rig.show("Task", &made.id).await;
    assert_eq!(
        (&row["TaskSubtype"], &row["IsClosed"]),
        (&json!("Email"), &json!(true))
    );
    assert_eq!(
        (&row["WhoId"], &row["ActivityDate"]),
        (&json!(contact.0), &json!("2026-11-21"))
    );
    assert!(row["Description"].as_str().unwrap().ends_with("Dear all"));
    let again = session.salesforce.write(&[make(1, record)]).await.unwrap();
    assert_eq!(written(&again[0]).id, made.id);
    let read = session
        .salesforce
        .read(std::slice::from_ref(&made.id))
        .await
        .unwrap();
    assert_eq!(read[0].as_ref().unwrap().record.kind, ItemKind::Email);
    assert!(session.salesforce.candidates(&[message(1)]).await.unwrap()[0].is_empty());
}

#[tokio::test]
async fn files_are_put_once_and_a_full_storage_is_told() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let made = done(&session, make(1, mail(1))).await;
    let files = [
        file("offer.txt", 10),
        file("offer.txt", 11),
        file("", 3),
        file("offer.txt", 10),
    ];
    let outcomes = session.salesforce.attach(&made.id, &files).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(rig.all("ContentVersion").await.len(), 3);
    let before = rig.requests().await;
    session.salesforce.attach(&made.id, &files).await.unwrap();
    assert_eq!(rig.requests().await - before, 1, "a look");
    assert_eq!(rig.all("ContentVersion").await.len(), 3);
    rig.org(json!({"file_size_limit": 100})).await;
    let outcomes = session
        .salesforce
        .attach(&made.id, &[file("large.bin", 101), file("small.bin", 5)])
        .await
        .unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap_err().code, IssueCode::TooLarge);
    assert!(outcomes[1].is_ok());
    rig.org(json!({"storage_full": "files"})).await;
    let outcomes = session
        .salesforce
        .attach(&made.id, &[file("more.bin", 5)])
        .await
        .unwrap();
    let refusal = outcomes[0].as_ref().unwrap_err();
    assert!(
        refusal.code == IssueCode::StorageFull && refusal.retry,
        "{refusal:?}"
    );
    let nothing = session.salesforce.attach(&made.id, &[]).await.unwrap();
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn clues_lead_to_what_the_user_can_see() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let me = session.salesforce.user();
    let account = rig
        .make(
            "Account",
            0,
            json!({"Name": "Acme", "Website": "https://www.acme.example/de"}),
        )
        .await;
    rig.make("Account", 0, json!({"Name": "Not", "Website": "notacme.example"}))
        .await;
    let person = json!({"LastName": "Zoe", "Email": "zoe@acme.example", "AccountId": account.0});
    let contact = rig.contact(1, person).await;
    let lead = rig
        .make(
            "Lead",
            0,
            json!({"LastName": "L", "Company": "C", "Email": "lead@acme.example"}),
        )
        .await;
    let gone = rig
        .make(
            "Lead",
            0,
            json!({"LastName": "W", "Company": "C", "Email": "won@acme.example"}),
        )
        .await;
    rig.control("POST", &format!("/salesforce/leads/{gone}/convert"), json!({}))
        .await;
    let deal = |name: &str, user: usize, stage: &str| {
        let row =
            json!({"Name": name, "StageName": stage, "CloseDate": "2027-01-01", "AccountId": account.0});
        (user, row)
    };
    let (user, row) = deal("older", 0, "Prospecting");
    let older = rig.make("Opportunity", user, row).await;
    rig.control("POST", "/clock", json!({"advance_s": 60})).await;
    let (user, row) = deal("newer", 0, "Prospecting");
    let newer = rig.make("Opportunity", user, row).await;
    for (user, row) in [deal("theirs", 1, "Prospecting"), deal("won", 0, "Closed Won")] {
        rig.make("Opportunity", user, row).await;
    }
    let case = rig
        .make("Case", 0, json!({"Subject": "broken", "AccountId": account.0}))
        .await;
    let number = rig.show("Case", &case).await["CaseNumber"]
        .as_str()
        .unwrap()
        .to_owned();
    let colleague = rig.sandbox.info().users[1].clone();
    let user = rig
        .show("User", &ItemId(colleague.salesforce_user_id.clone()))
        .await;
    let email = user["Email"].as_str().unwrap().to_lowercase();

    let clues = [
        Clue::Address("zoe@acme.example".to_owned()),
        Clue::Address("lead@acme.example".to_owned()),
        Clue::Address("won@acme.example".to_owned()),
        Clue::Address(email),
        Clue::Domain("acme.example".to_owned()),
        Clue::DealsOf(contact.clone()),
        Clue::CaseNumber(number),
        Clue::Record(newer.clone()),
        Clue::Record(ItemId("001000000000000AAA".to_owned())),
        Clue::Address("' OR Email != '".to_owned()),
        Clue::Domain("%.%".to_owned()),
    ];
    session.salesforce.profile().await.unwrap();
    let before = rig.requests().await;
    let known = session.salesforce.known(&clues).await.unwrap();
    assert!(rig.requests().await - before <= 2, "two composites");
    let ids =
        |at: usize| -> Vec<(KnownKind, &ItemId)> { known[at].iter().map(|k| (k.kind, &k.id)).collect() };
    assert_eq!(ids(0), [(KnownKind::Contact, &contact)]);
    assert_eq!(
        (known[0][0].account.as_ref(), known[0][0].own),
        (Some(&account), false)
    );
    assert_eq!(ids(1), [(KnownKind::Lead, &lead)]);
    assert!(
        known[2].iter().all(|k| k.kind != KnownKind::Lead),
        "a converted lead is none"
    );
    assert!(
        known[3]
            .iter()
            .any(|k| k.kind == KnownKind::User && k.id.0 == colleague.salesforce_user_id)
    );
    assert_eq!(
        ids(4),
        [(KnownKind::Account, &account)],
        "not one whose name ends alike"
    );
    assert_eq!(
        ids(5),
        [(KnownKind::Opportunity, &newer), (KnownKind::Opportunity, &older)]
    );
    assert_eq!(ids(6), [(KnownKind::Case, &case)]);
    assert_eq!(ids(7), [(KnownKind::Opportunity, &newer)]);
    assert!((8..11).all(|at| known[at].is_empty()), "{known:?}");
    assert_eq!(me.as_str(), rig.user_id(0));
}

#[tokio::test]
async fn an_email_of_an_unknown_record_is_refused_alone() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let writes = [
        make(1, mail(1).with(Field::Relations, "what=001000000000000AAA")),
        make(2, mail(2)),
    ];
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(refused(&outcomes[0]).0, IssueCode::NoPermission);
    written(&outcomes[1]);
}
