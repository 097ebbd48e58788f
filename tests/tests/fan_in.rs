//! One question for a whole organisation, by its integration user: who is spared, what still arrives, and what happens
//! where it can tell no more.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, SqliteConnection};
use tandem_tests::Person;
use tandem_tests::desk::{BARE, Desk, at};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const PAGE: &str = "settings/organisation";
/// Stamps that are younger than two seconds are looked at again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What Salesforce was asked, by user name.
type Asked = BTreeMap<String, Vec<String>>;

async fn asked_since(stage: &Stage, mark: u64) -> Result<Asked> {
    let mut all = Asked::new();
    for entry in stage.sandbox.requests_since(mark).await? {
        if entry["service"] == "salesforce" {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            all.entry(text("user")).or_default().push(text("operation"));
        }
    }
    Ok(all)
}

async fn latest(person: &Person) -> Result<Value> {
    Ok(person.connection().await?["sessions"][0]["id"].clone())
}

async fn next_session(person: &Person, before: &Value) -> Result<()> {
    person
        .until("the next session", |c| {
            c["sessions"][0]["outcome"] == "done"
                && c["progress"].is_null()
                && c["sessions"][0]["id"] != *before
        })
        .await
        .map(drop)
}

/// A session by the command line; what Salesforce was asked meanwhile. The server may be at it: whoever is concerned by
/// something new is due at once.
async fn sync(stage: &Stage, person: &Person) -> Result<Asked> {
    let (mark, before) = (stage.mark().await?, latest(person).await?);
    let desk = Desk::of(stage, person).await?;
    let (outcome, said) = desk.session().await?;
    ensure!(matches!(outcome.as_str(), "done" | "running"), "{said}");
    next_session(person, &before).await?;
    asked_since(stage, mark).await
}

/// *Sync now*, in the server, whose caches are warm.
async fn in_the_server(stage: &Stage, person: &Person) -> Result<Asked> {
    let (mark, before) = (stage.mark().await?, latest(person).await?);
    person.order("sync_now", &[]).await?;
    next_session(person, &before).await?;
    asked_since(stage, mark).await
}

fn of<'a>(asked: &'a Asked, person: &Person) -> &'a [String] {
    asked
        .get(&person.user.salesforce_username)
        .map_or(&[], Vec::as_slice)
}

/// Sessions until one asks Salesforce nothing by itself.
async fn until_spared(stage: &Stage, person: &Person) -> Result<()> {
    let look = async {
        loop {
            let asked = sync(stage, person).await?;
            if of(&asked, person).is_empty() {
                return Ok(());
            }
        }
    };
    match tokio::time::timeout(PATIENCE, look).await {
        Ok(spared) => spared,
        Err(_) => bail!("{} asks again and again", person.user.salesforce_username),
    }
}

/// Nina and Otto, both in step; no integration user yet.
async fn two() -> Result<(Stage, Person)> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let colleague = stage.sandbox.info.users[1].clone();
    let otto = Person::sign_in(&stage.tandem, &stage.sandbox, &colleague).await?;
    otto.connect_well().await?;
    otto.first_sync().await?;
    Ok((stage, otto))
}

async fn sub_operations(stage: &Stage) -> Result<(u64, u64)> {
    let counters = stage.sandbox.get("/counters").await?;
    let of = |name: &str| {
        counters["salesforce"]["sub_operations"][name]
            .as_u64()
            .unwrap_or(0)
    };
    Ok((of("queryAll"), of("query")))
}

#[tokio::test]
async fn idle_mailboxes_ask_nothing_and_one_question_serves_all() -> Result<()> {
    let (stage, otto) = two().await?;
    let nina = &stage.nina;
    let alone = in_the_server(&stage, nina).await?;
    ensure!(of(&alone, nina) == ["composite"], "{alone:?}");

    stage.integrate().await?;
    until_spared(&stage, nina).await?;
    until_spared(&stage, &otto).await?;
    let integration = &stage.integration_user()?.salesforce_username;

    // One question, an object by a query, and who may see it all.
    let before = sub_operations(&stage).await?;
    let one = in_the_server(&stage, nina).await?;
    ensure!(
        one == Asked::from([(integration.clone(), vec!["composite".to_owned()])]),
        "{one:?}"
    );
    let after = sub_operations(&stage).await?;
    ensure!(
        (after.0 - before.0, after.1 - before.1) == (4, 1),
        "{before:?} {after:?}"
    );

    // Both at once: neither asks by itself. Whoever became due after the question was asked has another one asked.
    let (mark, hers, his) = (stage.mark().await?, latest(nina).await?, latest(&otto).await?);
    let ordered = nina.call_by_page("org_sync_now", &[("all", "on")]).await?;
    ensure!(ordered.status == 200, "{}", ordered.text());
    next_session(nina, &hers).await?;
    next_session(&otto, &his).await?;
    let both = asked_since(&stage, mark).await?;
    ensure!(
        of(&both, nina).is_empty() && of(&both, &otto).is_empty(),
        "{both:?}"
    );
    let questions = both.get(integration).map_or(0, Vec::len);
    ensure!((1..=2).contains(&questions), "{both:?}");

    // Once a day each compares alone.
    Desk::nina(&stage).choose("interval_minutes", "31").await?;
    let full = sync(&stage, nina).await?;
    ensure!(!of(&full, nina).is_empty(), "{full:?}");
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn what_changes_in_salesforce_arrives_and_only_those_concerned_ask() -> Result<()> {
    let (stage, otto) = two().await?;
    let nina = Desk::nina(&stage);
    let third = stage.sandbox.info.users[2].clone();
    let contact = nina
        .create(
            "Contact",
            json!({ "LastName": "Mine", "Email": "mine@elsewhere.example" }),
        )
        .await?;
    let event = json!({ "Subject": "Invited", "OwnerId": third.salesforce_user_id,
        "StartDateTime": at(2, "09:00"), "EndDateTime": at(2, "10:00") });
    let event = nina.create("Event", event).await?;
    let invitation = json!({ "EventId": event, "RelationId": nina.user_id(), "IsInvitee": true });
    nina.create("EventRelation", invitation).await?;
    nina.settles().await?;
    nina.item("events", "Invited").await?;
    stage.integrate().await?;
    until_spared(&stage, nina.person).await?;
    until_spared(&stage, &otto).await?;

    // One's own: it comes with the next session, and nobody else asks for it.
    let his = Desk::of(&stage, &otto).await?;
    his.create(
        "Contact",
        json!({ "LastName": "His", "Email": "his@elsewhere.example" }),
    )
    .await?;
    let hers = sync(&stage, nina.person).await?;
    ensure!(of(&hers, nina.person).is_empty(), "{hers:?}");
    sync(&stage, &otto).await?;
    let came = stage.sandbox.mailbox_contacts(&otto.user).await?;
    let his_own = came.iter().filter(|c| c["fields"]["Surname"] == "His").count();
    ensure!(his_own == 1, "it is there {his_own} times");

    // What another owns, and one is invited to.
    let edit = format!(
        "/salesforce/records/Event/{event}?as={}",
        third.salesforce_username
    );
    stage
        .sandbox
        .patch(&edit, &json!({ "Location": "Room 7" }))
        .await?;
    let asked = sync(&stage, nina.person).await?;
    ensure!(!of(&asked, nina.person).is_empty(), "{asked:?}");
    let item = nina.item("events", "Invited").await?;
    ensure!(item["location"] == "Room 7", "{item}");

    // What another owns by now, and is linked here: it leaves, comes back, and brings along what changed.
    until_spared(&stage, nina.person).await?;
    let edit = format!(
        "/salesforce/records/Contact/{contact}?as={}",
        third.salesforce_username
    );
    stage
        .sandbox
        .patch(&edit, &json!({ "OwnerId": third.salesforce_user_id }))
        .await?;
    let asked = sync(&stage, nina.person).await?;
    ensure!(!of(&asked, nina.person).is_empty(), "{asked:?}");
    let back = json!({ "OwnerId": nina.user_id(), "Title": "Back" });
    stage.sandbox.patch(&edit, &back).await?;
    sync(&stage, nina.person).await?;
    let mut found = stage.in_mailbox("Mine").await?;
    found.retain(|c| c["folder"] != "Deleted Items");
    ensure!(
        found.len() == 1 && found[0]["fields"]["JobTitle"] == "Back",
        "{found:?}"
    );

    // Gone there, gone here.
    until_spared(&stage, nina.person).await?;
    nina.erase("Contact", &contact).await?;
    sync(&stage, nina.person).await?;
    let found = stage.in_mailbox("Mine").await?;
    ensure!(found.iter().all(|c| c["folder"] == "Deleted Items"), "{found:?}");
    nina.settles().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn where_the_integration_user_can_tell_no_more_each_asks_and_it_is_told() -> Result<()> {
    let stage = Stage::synced(&BARE, &Options::default()).await?;
    let nina = Desk::nina(&stage);
    stage.integrate().await?;
    until_spared(&stage, nina.person).await?;
    let user = stage.integration_user()?.clone();
    let path = format!("/salesforce/users/{}", user.salesforce_username);
    let page = || async { Ok::<_, anyhow::Error>(nina.person.page(PAGE).await?.text()) };
    let arrives = async |name: &str| -> Result<()> {
        let row = json!({ "LastName": name, "Email": format!("{name}@elsewhere.example") });
        nina.create("Contact", row).await?;
        let asked = sync(&stage, nina.person).await?;
        ensure!(!of(&asked, nina.person).is_empty(), "{asked:?}");
        ensure!(stage.in_mailbox(name).await?.len() == 1, "{name} did not come");
        Ok(())
    };

    // It sees less than everything.
    stage.sandbox.put(&path, &json!({ "view_all": false })).await?;
    arrives("Less").await?;
    ensure!(
        page().await?.contains("“View All Data” in Salesforce"),
        "{}",
        page().await?
    );
    ensure!(!of(&sync(&stage, nina.person).await?, nina.person).is_empty());

    // Connected again it is tried at once; and then its grant ends.
    stage.integrate().await?;
    until_spared(&stage, nina.person).await?;
    stage
        .sandbox
        .post(&format!("{path}/revoke_all"), &json!({}))
        .await?;
    arrives("Ended").await?;
    let said = page().await?;
    ensure!(
        said.contains("sign-in has ended, and each mailbox asks by itself"),
        "{said}"
    );
    let status = stage.tandem.read(&["status"]).await?;
    ensure!(status.contains("sign_in_ended"), "{status}");
    let doctor = stage.tandem.run(&["doctor"]).await?;
    let doctor = String::from_utf8(doctor.stdout)?;
    let told = doctor.lines().find(|line| line.contains("the integration user"));
    ensure!(told.is_some_and(|line| line.starts_with("LIMITED")), "{doctor}");
    // Nobody tries a grant that has ended.
    let quiet = sync(&stage, nina.person).await?;
    ensure!(!quiet.contains_key(&user.salesforce_username), "{quiet:?}");

    // Another sign-in mends it; disconnected, it is gone at both ends.
    stage.integrate().await?;
    until_spared(&stage, nina.person).await?;
    let gone = nina.person.call_by_page("org_disconnect", &[]).await?;
    ensure!(gone.status == 200, "{}", gone.text());
    let there = stage.sandbox.get(&path).await?;
    ensure!(there["grants"].as_array().is_some_and(Vec::is_empty), "{there}");
    let org = stage.org_id().await?;
    let told = stage.tandem.read(&["org", "integration", &org]).await?;
    ensure!(told.contains("no integration user"), "{told}");
    arrives("Alone").await?;
    let audit = stage.tandem.read(&["audit", "list"]).await?;
    for word in ["integration_connected", "integration_disconnected"] {
        ensure!(audit.contains(word), "{audit}");
    }
    nina.settles().await?;
    stage.sandbox.nobody_got_mail().await
}

/// Who is none of the organisation's administrators connects nobody.
#[tokio::test]
async fn only_administrators_connect_an_integration_user() -> Result<()> {
    let (stage, otto) = two().await?;
    let user = stage.integration_user()?;
    // Sent back to a page that says why, and not to Salesforce.
    let mark = stage.mark().await?;
    otto.connect_integration(&stage.tandem, &stage.sandbox, user)
        .await?;
    let logons = stage.sandbox.requests_since(mark).await?;
    ensure!(
        !logons
            .iter()
            .any(|entry| entry["operation"] == "authorize" || entry["operation"] == "login_page"),
        "{logons:?}"
    );
    let told = stage
        .tandem
        .read(&["org", "integration", &stage.org_id().await?])
        .await?;
    ensure!(told.contains("no integration user"), "{told}");
    let refused = otto.call_by_page("org_disconnect", &[]).await?;
    ensure!(refused.status == 403, "{}", refused.text());
    Ok(())
}

/// Otto becomes an administrator of another organisation, as far as the database knows.
async fn belongs_elsewhere(stage: &Stage, otto: &Person) -> Result<()> {
    let config = std::fs::read_to_string(stage.tandem.folder().join("tandem.toml"))?;
    let url = config.lines().find_map(|line| line.strip_prefix("database = "));
    let url: String = serde_json::from_str(url.unwrap_or_default())?;
    let mut database = SqliteConnection::connect(&url).await?;
    let (org, id) = ("00D000000000009AAA", &otto.user.salesforce_user_id);
    for sql in [
        "PRAGMA foreign_keys = OFF".to_owned(),
        "CREATE TEMP TABLE other AS SELECT * FROM orgs LIMIT 1".to_owned(),
        format!("UPDATE other SET id = '{org}'"),
        "INSERT INTO orgs SELECT * FROM other".to_owned(),
        format!(
            "UPDATE users SET org_id = '{org}', administers = 1, \
             asked_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000000 WHERE id = '{id}'"
        ),
        format!("UPDATE connections SET org_id = '{org}' WHERE user_id = '{id}'"),
        format!("UPDATE web_sessions SET org_id = '{org}' WHERE user_id = '{id}'"),
    ] {
        database.execute(sqlx::AssertSqlSafe(sql)).await?;
    }
    Ok(database.close().await?)
}

#[tokio::test]
async fn an_integration_user_is_of_the_administrators_organisation() -> Result<()> {
    let (stage, otto) = two().await?;
    belongs_elsewhere(&stage, &otto).await?;
    let user = stage.integration_user()?;
    let refused = otto
        .connect_integration(&stage.tandem, &stage.sandbox, user)
        .await;
    let said = refused.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(said.contains("another Salesforce organisation"), "{said}");
    let path = format!("/salesforce/users/{}", user.salesforce_username);
    let there = stage.sandbox.get(&path).await?;
    ensure!(
        there["grants"].as_array().is_some_and(Vec::is_empty),
        "a grant that nobody uses was left there: {there}"
    );
    for org in [stage.org_id().await?, "00D000000000009AAA".to_owned()] {
        let told = stage.tandem.read(&["org", "integration", &org]).await?;
        ensure!(told.contains("no integration user"), "{told}");
    }
    Ok(())
}
