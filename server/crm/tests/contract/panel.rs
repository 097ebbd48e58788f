//! What the pane asks and orders beside the open item.

use tandem_crm::{Activity, PanelRefusal};
use tandem_types::{LinkTo, PersonDraft, PersonKind, RecordRef};

use super::*;

async fn make(rig: &Rig, object: &str, fields: Value) -> String {
    let name = &rig.sandbox.info().users[0].salesforce_username;
    let path = format!("/salesforce/records/{object}?as={name}");
    let made = rig.control("POST", &path, json!({ "fields": fields })).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn get(rig: &Rig, object: &str, id: &str) -> Value {
    rig.control("GET", &format!("/salesforce/records/{object}/{id}"), Value::Null)
        .await
}

fn draft(kind: PersonKind) -> PersonDraft {
    PersonDraft {
        kind,
        first_name: "Bo".to_owned(),
        last_name: "O'Ek".to_owned(),
        company: "Fabrikam".to_owned(),
        account: None,
        email: "bo@fabrikam.example".to_owned(),
        phone: "1".to_owned(),
        title: "Buyer".to_owned(),
    }
}

#[tokio::test]
async fn people_are_found_with_what_hangs_on_them_in_two_calls() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let account = make(&rig, "Account", json!({ "Name": "Northwind" })).await;
    let ada = json!({ "LastName": "Lind", "FirstName": "Ada", "Email": "Ada@northwind.example", "AccountId": account,
        "Title": "Buyer" });
    let ada = make(&rig, "Contact", ada).await;
    let lead = json!({ "LastName": "Lead", "Company": "Neu", "Email": "ada@northwind.example" });
    let lead = make(&rig, "Lead", lead).await;
    for (name, stage) in [("Open", "Prospecting"), ("Won", "Closed Won")] {
        let deal =
            json!({ "Name": name, "StageName": stage, "CloseDate": "2027-01-01", "AccountId": account });
        make(&rig, "Opportunity", deal).await;
    }
    make(&rig, "Case", json!({ "Subject": "Squeaks", "ContactId": ada })).await;
    let asked = [
        "nobody@nowhere.example".to_owned(),
        "ada@northwind.example".to_owned(),
        "x' OR Id != '@y.example".to_owned(),
    ];
    session.salesforce.people_at(&asked).await.unwrap();
    let before = rig.requests().await;
    let found = session.salesforce.people_at(&asked).await.unwrap();
    assert_eq!(rig.requests().await - before, 2, "descriptions are kept");
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], found[2]);
    assert!(found[0].records.is_empty() && found[0].account.is_none());
    let known = &found[1];
    let ids: Vec<&str> = known.records.iter().map(|one| one.rec.id.as_str()).collect();
    assert_eq!(ids, [ada.as_str(), &lead], "contacts go before leads");
    assert_eq!(known.records[0].line, "Buyer · Northwind");
    assert_eq!(known.records[0].rec.name, "Ada Lind");
    assert!(known.records[0].rec.url.ends_with(&ada));
    assert_eq!(known.account.as_ref().unwrap().rec.id, account);
    let names = |list: &[tandem_types::RecordView]| -> Vec<String> {
        list.iter().map(|one| one.rec.name.clone()).collect()
    };
    assert_eq!(names(&known.opportunities), ["Open"]);
    assert_eq!(names(&known.cases), ["Squeaks"]);
}

#[tokio::test]
async fn what_the_user_may_not_see_is_not_asked_for() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let ada = json!({ "LastName": "Lind", "Email": "ada@northwind.example", "Phone": "1", "Title": "Buyer" });
    let ada = make(&rig, "Contact", ada).await;
    rig.org(json!({ "hidden_fields": ["Contact.Title", "Contact.MobilePhone"], "read_only_fields": ["Contact.Phone"] }))
        .await;
    let found = session
        .salesforce
        .people_at(&["ada@northwind.example".to_owned()])
        .await
        .unwrap();
    let card = &found[0].records[0];
    assert_eq!(card.line, "");
    let fields: Vec<&str> = card.fields.iter().map(|field| field.api.as_str()).collect();
    assert_eq!(fields, ["Phone", "Email"]);
    let refused = session.salesforce.edit_field(&ada, "Title", "x").await.unwrap();
    assert_eq!(refused, Err(PanelRefusal::Invalid));
    let refused = session.salesforce.edit_field(&ada, "Phone", "2").await.unwrap();
    assert_eq!(refused, Err(PanelRefusal::NoPermission));
    assert_eq!(get(&rig, "Contact", &ada).await["Phone"], "1");
}

#[tokio::test]
async fn a_duplicate_rule_is_told_in_its_own_words() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let person = draft(PersonKind::Contact);
    session.salesforce.create_person(&person).await.unwrap().unwrap();
    rig.org(json!({ "duplicate_rule": true })).await;
    let refused = session.salesforce.create_person(&person).await.unwrap();
    assert!(
        matches!(&refused, Err(PanelRefusal::Duplicate(words)) if !words.is_empty()),
        "{refused:?}"
    );
}

#[tokio::test]
async fn single_writes_do_what_they_say_or_say_why_not() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let salesforce = &session.salesforce;
    let account = make(&rig, "Account", json!({ "Name": "Fabrikam" })).await;
    let lead = salesforce
        .create_person(&draft(PersonKind::Lead))
        .await
        .unwrap()
        .unwrap();
    let row = get(&rig, "Lead", &lead.id).await;
    assert_eq!(
        (&row["LastName"], &row["Company"]),
        (&json!("O'Ek"), &json!("Fabrikam"))
    );
    let contact = PersonDraft {
        account: Some(RecordRef {
            id: account.clone(),
            object: "Account".to_owned(),
            name: String::new(),
            url: String::new(),
        }),
        ..draft(PersonKind::Contact)
    };
    let made = salesforce.create_person(&contact).await.unwrap().unwrap();
    assert_eq!(
        get(&rig, "Contact", &made.id).await["AccountId"],
        account.as_str()
    );
    for wrong in [
        PersonDraft {
            last_name: String::new(),
            ..draft(PersonKind::Contact)
        },
        PersonDraft {
            company: String::new(),
            ..draft(PersonKind::Lead)
        },
        PersonDraft {
            last_name: "x".repeat(81),
            ..draft(PersonKind::Contact)
        },
    ] {
        assert_eq!(
            salesforce.create_person(&wrong).await.unwrap(),
            Err(PanelRefusal::Invalid)
        );
    }

    salesforce
        .edit_field(&made.id, "Phone", " +49 30 1 ")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(get(&rig, "Contact", &made.id).await["Phone"], "+49 30 1");
    salesforce
        .edit_field(&made.id, "Phone", "")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(get(&rig, "Contact", &made.id).await["Phone"], Value::Null);
    let not_there = salesforce
        .edit_field("003000000009999AAA", "Phone", "1")
        .await
        .unwrap();
    assert!(
        matches!(not_there, Err(PanelRefusal::Refused(_))),
        "{not_there:?}"
    );

    let call = Activity::Call {
        subject: "Spoke".to_owned(),
        text: "About it".to_owned(),
    };
    let call = salesforce.add_activity(&made.id, &call).await.unwrap().unwrap();
    let row = get(&rig, "Task", &call.id).await;
    assert_eq!(
        (&row["WhoId"], &row["Status"], &row["TaskSubtype"]),
        (&json!(made.id), &json!("Completed"), &json!("Call"))
    );
    let task = |due: &str| Activity::Task {
        subject: "Send".to_owned(),
        due: Some(due.to_owned()),
    };
    let task_made = salesforce
        .add_activity(&account, &task("2027-02-03"))
        .await
        .unwrap()
        .unwrap();
    let row = get(&rig, "Task", &task_made.id).await;
    assert_eq!(
        (&row["WhatId"], &row["ActivityDate"]),
        (&json!(account), &json!("2027-02-03"))
    );
    for due in ["2027-02-30", "tomorrow", "2027-2-3"] {
        let refused = salesforce.add_activity(&account, &task(due)).await.unwrap();
        assert_eq!(refused, Err(PanelRefusal::Invalid), "{due}");
    }
    let user = salesforce
        .add_activity("005000000000001AAA", &task("2027-02-03"))
        .await
        .unwrap();
    assert_eq!(user, Err(PanelRefusal::Invalid));

    let detail = salesforce.detail_of(&made.id).await.unwrap().unwrap();
    assert_eq!(detail.rec.name, "Bo O'Ek");
    assert!(
        detail
            .timeline
            .iter()
            .any(|entry| entry.rec.id == call.id && !entry.open)
    );
    let detail = salesforce.detail_of(&account).await.unwrap().unwrap();
    assert!(
        detail
            .timeline
            .iter()
            .any(|entry| entry.rec.id == task_made.id && entry.open)
    );
    assert!(
        detail
            .related
            .iter()
            .any(|list| list.records.iter().any(|one| one.rec.id == made.id))
    );
    assert_eq!(salesforce.detail_of("003000000009999AAA").await.unwrap(), None);
    assert_eq!(salesforce.detail_of("003' OR Id != 'AAA").await.unwrap(), None);
}

#[tokio::test]
async fn a_search_is_bounded_and_literal() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    for n in 0..12 {
        make(&rig, "Account", json!({ "Name": format!("Windkraft {n}") })).await;
    }
    make(&rig, "Account", json!({ "Name": "50% 'Off'" })).await;
    let before = rig.requests().await;
    let (found, more) = session
        .salesforce
        .search_records("windkraft", LinkTo::What)
        .await
        .unwrap();
    assert!(more && found.len() == 8, "{}", found.len());
    let (found, more) = session
        .salesforce
        .search_records("0% 'o", LinkTo::What)
        .await
        .unwrap();
    assert!(!more && found.len() == 1, "{found:?}");
    assert_eq!(found[0].rec.name, "50% 'Off'");
    for text in ["%%%", "' OR Name != '", "\\", "a_b"] {
        let (found, _) = session
            .salesforce
            .search_records(text, LinkTo::Who)
            .await
            .unwrap();
        assert!(found.is_empty(), "{text}: {found:?}");
    }
    assert!(rig.requests().await - before <= 9, "one call for each search");
}
