//! The item that is open in Outlook: what the pane is told of it, and what is ordered about it.

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use tandem_tests::desk::{BARE, Desk, at, day, has, id_of};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

/// A customer whom Salesforce knows: the record.
async fn customer(nina: &Desk<'_>) -> Result<Value> {
    let all = nina.all("Contact").await?;
    all.into_iter()
        .find(|row| {
            row["OwnerId"] == nina.user_id() && row["Email"].is_string() && row["AccountId"].is_string()
        })
        .context("no customer")
}

fn text(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

/// What Outlook says of a mail that lies in the mailbox.
async fn open_mail(nina: &Desk<'_>, subject: &str, from: (&str, &str), files: &[&str]) -> Result<Value> {
    let item = nina.item("messages", subject).await?;
    let files: Vec<Value> = files
        .iter()
        .map(|name| json!({ "id": format!("office-{name}"), "name": name, "size": 2000 }))
        .collect();
    Ok(json!({
        "kind": "email", "mode": "read", "id": item["id"], "mailbox": nina.address(), "subject": subject,
        "message_id": format!("<{}@open.example>", subject.replace(' ', ".")),
        "people": [
            { "address": from.0, "name": from.1, "role": "from" },
            { "address": nina.address(), "name": "Nina", "role": "to" },
        ],
        "attachments": files,
    }))
}

fn mail(subject: &str, from: &str, to: &str) -> Value {
    json!({ "subject": subject, "from": from, "to": [to], "text": format!("Text of {subject}"),
        "message_id": format!("<{}@open.example>", subject.replace(' ', ".")) })
}

async fn ask(nina: &Desk<'_>, function: &str, item: &Value, more: &[(&str, &str)]) -> Result<Value> {
    let item = item.to_string();
    let mut fields = vec![("item", item.as_str())];
    fields.extend(more);
    nina.person.order(function, &fields).await
}

/// The ids of what an item is linked to.
fn links(view: &Value) -> (Vec<String>, Option<String>) {
    let id = |record: &Value| record["rec"]["id"].as_str().map(str::to_owned);
    let who = view["chosen"]["who"].as_array().into_iter().flatten();
    (who.filter_map(id).collect(), id(&view["chosen"]["what"]))
}

/// Requests to both sides since then.
async fn asked_since(nina: &Desk<'_>, mark: u64) -> Result<Vec<Value>> {
    nina.sandbox.requests_since(mark).await
}

async fn a_mail_is_saved_with_the_links_that_were_chosen(nina: &Desk<'_>) -> Result<()> {
    let customer = customer(nina).await?;
    let (contact, account) = (id_of(&customer)?, text(&customer, "AccountId"));
    let deal = json!({ "Name": "Windmills 2027", "StageName": "Prospecting", "CloseDate": day(30).to_string(),
        "AccountId": account });
    let deal = nina.create("Opportunity", deal).await?;
    let mut entry = mail("From a stranger", "who@nowhere.example", nina.address());
    entry["attachments"] = json!([
        { "name": "offer.pdf", "content_type": "application/pdf", "size": 2000 },
        { "name": "private.pdf", "content_type": "application/pdf", "size": 2000 },
    ]);
    nina.make("messages", entry).await?;
    nina.settles().await?;
    let from = ("who@nowhere.example", "Who Else");
    let item = open_mail(nina, "From a stranger", from, &["offer.pdf", "private.pdf"]).await?;

    // At once: nobody is asked.
    let mark = nina.sandbox.mark().await?;
    let view = ask(nina, "item", &item, &[]).await?;
    ensure!(view["state"] == "unknown" && view["whole"] == false, "{view:#}");
    let asked = asked_since(nina, mark).await?;
    ensure!(asked.is_empty(), "{asked:#?}");
    let view = ask(nina, "item_whole", &item, &[]).await?;
    ensure!(
        view["state"]["not_saved"] == "no_match" && view["whole"] == true && view["trouble"].is_null(),
        "{view:#}"
    );
    ensure!(
        view["people"].as_array().is_some_and(|people| {
            people.len() == 1 && people[0]["records"] == json!([]) && people[0]["internal"] == false
        }),
        "{view:#}"
    );
    // And kept.
    let mark = nina.sandbox.mark().await?;
    let view = ask(nina, "item", &item, &[]).await?;
    ensure!(
        view["state"]["not_saved"] == "no_match" && view["whole"] == true,
        "{view:#}"
    );
    ensure!(asked_since(nina, mark).await?.is_empty());

    let found = ask(
        nina,
        "item_search",
        &item,
        &[("query", "windmills"), ("to", "what")],
    )
    .await?;
    let records = &found["found"]["records"];
    ensure!(records[0]["rec"]["id"] == deal.as_str(), "{found:#}");

    let view = ask(
        nina,
        "save_item",
        &item,
        &[
            ("who[]", &contact),
            ("what", &deal),
            ("attachments[]", "office-offer.pdf"),
        ],
    )
    .await?;
    let record = view["state"]["saved"]["record"]["id"]
        .as_str()
        .with_context(|| format!("{view:#}"))?
        .to_owned();
    ensure!(
        links(&view) == (vec![contact.clone()], Some(deal.clone())),
        "{view:#}"
    );
    ensure!(view["chosen"]["by_user"] == true, "{view:#}");
    let row = nina.record("EmailMessage", "From a stranger").await?;
    ensure!(
        id_of(&row)? == record && row["RelatedToId"] == deal.as_str(),
        "{row:#}"
    );
    let files = nina.all("ContentDocumentLink").await?;
    let files: Vec<_> = files
        .iter()
        .filter(|link| link["LinkedEntityId"] == record.as_str())
        .collect();
    ensure!(files.len() == 1, "{files:#?}");
    ensure!(has(
        &nina.item("messages", "From a stranger").await?,
        "Salesforce"
    ));

    // Linked anew, and left so.
    let view = ask(
        nina,
        "save_item",
        &item,
        &[("what", &account), ("attachments[]", "office-offer.pdf")],
    )
    .await?;
    ensure!(
        links(&view) == (vec![contact.clone()], Some(account.clone())),
        "who was tied to a mail stays: {view:#}"
    );
    let row = nina.record("EmailMessage", "From a stranger").await?;
    ensure!(row["RelatedToId"] == account.as_str(), "{row:#}");
    nina.rests().await?;
    let row = nina.record("EmailMessage", "From a stranger").await?;
    ensure!(row["RelatedToId"] == account.as_str(), "{row:#}");

    // Without having seen its id: by the Message-ID, at once.
    let mut copy = item.clone();
    copy["id"] = Value::Null;
    let view = ask(nina, "item", &copy, &[]).await?;
    ensure!(
        view["state"]["saved"]["record"]["id"] == record.as_str(),
        "{view:#}"
    );
    nina.no_issues().await
}

#[tokio::test]
async fn in_exchange_a_mail_is_saved_as_chosen() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    a_mail_is_saved_with_the_links_that_were_chosen(&Desk::nina(&stage)).await
}

#[tokio::test]
async fn in_office_365_a_mail_is_saved_as_chosen() -> Result<()> {
    let stage = Stage::synced_in_the_cloud(&BARE, &Options::default()).await?;
    a_mail_is_saved_with_the_links_that_were_chosen(&Desk::nina(&stage)).await
}

#[tokio::test]
async fn people_have_cards_that_can_be_worked_with() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    let (contact, account, address) = (
        id_of(&customer)?,
        text(&customer, "AccountId"),
        text(&customer, "Email"),
    );
    let deal = json!({ "Name": "Turbines", "StageName": "Prospecting", "CloseDate": day(30).to_string(),
        "AccountId": account, "Amount": 40000 });
    nina.create("Opportunity", deal).await?;
    nina.create(
        "Case",
        json!({ "Subject": "It squeaks", "ContactId": contact, "AccountId": account }),
    )
    .await?;
    nina.make("messages", mail("Known", &address, nina.address()))
        .await?;
    let mut item = open_mail(&nina, "Known", (&address, "A Customer"), &[]).await?;

    let view = ask(&nina, "item_whole", &item, &[]).await?;
    ensure!(view["state"]["will_be_saved"] == "mail_with_match", "{view:#}");
    let person = &view["people"][0];
    ensure!(
        person["records"][0]["rec"]["id"] == contact.as_str()
            && person["account"]["rec"]["id"] == account.as_str()
            && person["opportunities"][0]["rec"]["name"] == "Turbines"
            && person["opportunities"][0]["fields"][1]["value"] == "40000"
            && person["cases"][0]["rec"]["name"] == "It squeaks",
        "{person:#}"
    );
    ensure!(links(&view).0 == vec![contact.clone()], "{view:#}");

    // One field, in place.
    let view = ask(
        &nina,
        "edit_record",
        &item,
        &[
            ("record", &contact),
            ("field", "Phone"),
            ("value", "+49 30 5550100"),
        ],
    )
    .await?;
    let fields = view["people"][0]["records"][0]["fields"]
        .as_array()
        .context("fields")?;
    ensure!(
        fields
            .iter()
            .any(|field| field["api"] == "Phone" && field["value"] == "+49 30 5550100"),
        "{view:#}"
    );
    for (record, field, value) in [
        (contact.as_str(), "OwnerId", "005000000000001AAA"),
        (&contact, "LastName", "Other"),
        ("001000000000001'x", "Phone", "1"),
        (&contact, "Phone", &"9".repeat(300)),
    ] {
        let json = item.to_string();
        let form = [
            ("item", json.as_str()),
            ("record", record),
            ("field", field),
            ("value", value),
        ];
        let answer = nina.person.call("edit_record", &form).await?;
        ensure!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY,
            "{field}: {}",
            answer.text()
        );
    }

    let view = ask(
        &nina,
        "log_call",
        &item,
        &[
            ("record", &contact),
            ("subject", "Spoke about turbines"),
            ("text", "He's in."),
        ],
    )
    .await?;
    ensure!(view["created"]["object"] == "Task", "{view:#}");
    let call = nina.record("Task", "Spoke about turbines").await?;
    ensure!(
        call["WhoId"] == contact.as_str() && call["IsClosed"] == true && call["Description"] == "He's in.",
        "{call:#}"
    );
    let due = day(3).to_string();
    let task = [
        ("record", account.as_str()),
        ("subject", "Send the offer"),
        ("due", due.as_str()),
    ];
    ask(&nina, "add_task", &item, &task).await?;
    let task = nina.record("Task", "Send the offer").await?;
    ensure!(
        task["WhatId"] == account.as_str()
            && task["IsClosed"] == false
            && task["ActivityDate"] == due.as_str(),
        "{task:#}"
    );

    let view = ask(&nina, "record_detail", &item, &[("record", &contact)]).await?;
    let detail = &view["detail"];
    ensure!(detail["rec"]["id"] == contact.as_str(), "{view:#}");
    ensure!(
        detail["timeline"].as_array().is_some_and(|all| all
            .iter()
            .any(|entry| entry["rec"]["name"] == "Spoke about turbines")),
        "{detail:#}"
    );
    ensure!(
        detail["related"]
            .as_array()
            .is_some_and(|all| all.iter().any(|list| list["kind"] == "opportunities")),
        "{detail:#}"
    );

    // Somebody new, from his signature.
    item["people"] = json!([{ "address": "bo@fabrikam.example", "name": "Bo Ek", "role": "from" }]);
    item["text"] = json!("See you.\nBest regards\nBo Ek\nHead of Sales\nFabrikam Inc.\nTel. +46 8 5550100");
    let view = ask(
        &nina,
        "draft_person",
        &item,
        &[("address", "bo@fabrikam.example"), ("kind", "lead")],
    )
    .await?;
    let draft = &view["draft"];
    ensure!(
        draft["last_name"] == "Ek"
            && draft["company"] == "Fabrikam Inc."
            && draft["phone"] == "+46 8 5550100",
        "{draft:#}"
    );
    ensure!(view["item"]["text"].is_null(), "{view:#}");
    let view = ask(
        &nina,
        "create_person",
        &view["item"],
        &[
            ("kind", "lead"),
            ("first_name", "Bo"),
            ("last_name", "Ek"),
            ("company", "Fabrikam Inc."),
            ("email", "bo@fabrikam.example"),
            ("title", "Head of Sales"),
        ],
    )
    .await?;
    ensure!(
        view["created"]["object"] == "Lead" && view["people"][0]["records"][0]["rec"]["object"] == "Lead",
        "{view:#}"
    );

    // And never again.
    let blocked = [("blocked", "@Fabrikam.example")];
    let view = ask(&nina, "block_address", &view["item"], &blocked).await?;
    ensure!(
        view["people"][0]["blocked"] == json!({ "entry": "@fabrikam.example", "by_user": true }),
        "{view:#}"
    );
    let blocked = [("blocked", "@fabrikam.example")];
    let view = ask(&nina, "unblock_address", &view["item"], &blocked).await?;
    ensure!(view["people"][0]["blocked"].is_null(), "{view:#}");
    Ok(())
}

#[tokio::test]
async fn a_search_finds_what_is_typed_and_nothing_else() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    for name in ["O'Brien & Söhne", "100% Wind_kraft", "100 Windkraft"] {
        nina.create("Account", json!({ "Name": name })).await?;
    }
    nina.make("messages", mail("Search", "who@nowhere.example", nina.address()))
        .await?;
    let item = open_mail(&nina, "Search", ("who@nowhere.example", ""), &[]).await?;
    for (query, names) in [
        ("o'brien", vec!["O'Brien & Söhne"]),
        ("100%", vec!["100% Wind_kraft"]),
        ("d_k", vec!["100% Wind_kraft"]),
        ("windk", vec!["100 Windkraft"]),
        ("' OR Name != '", vec![]),
        ("\\' OR Id != \\'", vec![]),
        ("%%", vec![]),
    ] {
        let view = ask(&nina, "item_search", &item, &[("query", query), ("to", "what")]).await?;
        let mut found: Vec<_> = view["found"]["records"]
            .as_array()
            .with_context(|| format!("{query}: {view:#}"))?
            .iter()
            .filter_map(|record| record["rec"]["name"].as_str())
            .collect();
        found.sort_unstable();
        ensure!(found == names, "{query}: {found:?}");
    }
    let json = item.to_string();
    for query in ["", " ", "x", "a\nb", &"x".repeat(81)] {
        let form = [("item", json.as_str()), ("query", query), ("to", "who")];
        let answer = nina.person.call("item_search", &form).await?;
        ensure!(answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{query:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_saved_taken_out_and_saved_again() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    let contact = id_of(&customer)?;
    let entry = json!({ "subject": "Tour", "start": at(1, "10:00"), "end": at(1, "11:00"),
        "attendees": [{ "address": "who@nowhere.example", "role": "required" }] });
    let id = nina.make("events", entry).await?;
    nina.settles().await?;
    ensure!(nina.records("Event", "Tour").await?.is_empty());
    let item = json!({ "kind": "event", "mode": "compose", "id": id, "mailbox": nina.address(), "subject": "Tour",
        "people": [{ "address": "who@nowhere.example", "role": "required" }] });
    let view = ask(&nina, "item_whole", &item, &[]).await?;
    ensure!(view["state"]["not_saved"] == "no_match", "{view:#}");

    let view = ask(&nina, "save_item", &item, &[("who[]", &contact)]).await?;
    ensure!(view["state"]["saved"]["record"]["object"] == "Event", "{view:#}");
    let row = nina.record("Event", "Tour").await?;
    ensure!(row["WhoId"] == contact.as_str(), "{row:#}");
    nina.rests().await?;

    let view = ask(&nina, "unsave_item", &item, &[]).await?;
    ensure!(view["state"]["not_saved"] == "taken_out", "{view:#}");
    ensure!(nina.records("Event", "Tour").await?.is_empty());
    nina.rests().await?;
    ensure!(nina.found("events", "Tour").await?.len() == 1);

    let view = ask(&nina, "save_item", &item, &[("who[]", &contact)]).await?;
    ensure!(view["state"]["saved"]["record"]["object"] == "Event", "{view:#}");
    nina.rests().await?;
    ensure!(nina.records("Event", "Tour").await?.len() == 1);
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn what_is_against_it_is_told_and_nothing_breaks() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    let address = text(&customer, "Email");
    nina.make("messages", mail("Busy", &address, nina.address()))
        .await?;
    let item = open_mail(&nina, "Busy", (&address, ""), &[]).await?;

    // Salesforce is not to be had: the pane is, without its people.
    let rule = json!({ "service": "salesforce", "kind": "status", "code": 503 });
    nina.sandbox.post("/faults", &rule).await?;
    let view = ask(&nina, "item_whole", &item, &[]).await?;
    ensure!(
        view["whole"] == false
            && view["trouble"] == "salesforce_slow"
            && view["people"][0]["records"] == json!([]),
        "{view:#}"
    );
    nina.sandbox.delete("/faults").await?;
    let view = ask(&nina, "item_whole", &item, &[]).await?;
    ensure!(view["whole"] == true && view["trouble"].is_null(), "{view:#}");

    // A shared mailbox's.
    let mut shared = item.clone();
    shared["owner"] = json!("office@contoso.example");
    let view = ask(&nina, "item_whole", &shared, &[]).await?;
    ensure!(
        view["state"]["other_mailbox"]["owner"] == "office@contoso.example",
        "{view:#}"
    );
    let json = shared.to_string();
    let answer = nina.person.call("save_item", &[("item", &json)]).await?;
    ensure!(answer.status == StatusCode::CONFLICT, "{}", answer.text());

    // An encrypted mail is not saved on purpose either, and says why.
    let mut entry = mail("Sealed", &address, nina.address());
    entry["item_class"] = json!("IPM.Note.SMIME");
    nina.make("messages", entry).await?;
    let sealed = open_mail(&nina, "Sealed", (&address, ""), &[]).await?;
    let view = ask(&nina, "save_item", &sealed, &[]).await?;
    ensure!(view["state"]["issue"]["code"] == "encrypted", "{view:#}");

    // Links that cannot be.
    let json = item.to_string();
    for who in ["005000000000001AAA", "003' OR Id != 'AA", "003"] {
        let form = [("item", json.as_str()), ("who[]", who)];
        let answer = nina.person.call("save_item", &form).await?;
        ensure!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY,
            "{who}: {}",
            answer.text()
        );
    }

    // Paused: nothing is saved, and that is said.
    nina.person.order("pause", &[]).await?;
    let view = ask(&nina, "item", &item, &[]).await?;
    ensure!(view["state"] == "sync_off", "{view:#}");
    let answer = nina.person.call("save_item", &[("item", &json)]).await?;
    ensure!(answer.status == StatusCode::CONFLICT, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn an_order_tells_what_is_left_of_the_organisations_calls() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    let subject = "From a stranger";
    nina.make("messages", mail(subject, "who@nowhere.example", nina.address()))
        .await?;
    nina.settles().await?;
    let item = open_mail(&nina, subject, ("who@nowhere.example", "Who Else"), &[]).await?;
    let used = async |used: u64| {
        let knobs = json!({ "api_limit": 10_000, "api_used": used });
        stage.sandbox.put("/salesforce/org", &knobs).await
    };
    // What its user orders is done; then everybody's sessions wait, for the reserve is reached.
    used(9_500).await?;
    let view = ask(&nina, "save_item", &item, &[]).await?;
    ensure!(!view["state"]["saved"].is_null(), "{view:#}");
    nina.person
        .until("the organisation's pause", |c| c["reason"] == "quota")
        .await?;
    let listed = stage.tandem.read(&["org", "list"]).await?;
    ensure!(listed.contains("/10000"), "{listed}");

    // And what is ordered when there is enough again shows it to all.
    used(100).await?;
    let account = text(&customer(&nina).await?, "AccountId");
    ask(&nina, "save_item", &item, &[("what", &account)]).await?;
    nina.person
        .until("the end of the pause", |c| c["reason"].is_null())
        .await?;
    Ok(())
}
