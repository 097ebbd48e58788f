//! Emails: which are saved, once per organisation, with whom and what they belong to; and which never are.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::Person;
use tandem_tests::desk::{BARE, Desk, day, has, id_of};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;

const MINE: &str = "Salesforce";
const OURS: &str = "Salesforce Emails";

async fn stage() -> Result<Stage> {
    Stage::synced(&BARE, &Options::default()).await
}

/// A customer whom Salesforce knows: the record.
async fn customer(nina: &Desk<'_>) -> Result<Value> {
    let all = nina.all("Contact").await?;
    all.into_iter()
        .find(|row| {
            row["OwnerId"] == nina.user_id() && row["Email"].is_string() && row["AccountId"].is_string()
        })
        .context("no customer")
}

fn email(row: &Value) -> &str {
    row["Email"].as_str().unwrap_or_default()
}

/// A mail that came in.
fn mail(subject: &str, from: &str, to: &str) -> Value {
    let id = subject
        .to_lowercase()
        .replace(|c: char| !c.is_ascii_alphanumeric(), ".");
    json!({ "subject": subject, "from": from, "to": [to], "text": format!("Text of {subject}"),
        "message_id": format!("<{id}@mails.example>") })
}

async fn subjects(nina: &Desk<'_>) -> Result<Vec<String>> {
    let mut all: Vec<_> = nina
        .all("EmailMessage")
        .await?
        .iter()
        .map(|row| row["Subject"].as_str().unwrap_or_default().to_owned())
        .collect();
    all.sort();
    Ok(all)
}

/// Addresses of the people that an email is related to, by how.
async fn related(nina: &Desk<'_>, id: &str) -> Result<Vec<(String, String)>> {
    let mut all: Vec<_> = nina
        .all("EmailMessageRelation")
        .await?
        .iter()
        .filter(|row| row["EmailMessageId"] == id)
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            (text("RelationType"), text("RelationId"))
        })
        .collect();
    all.sort();
    Ok(all)
}

#[tokio::test]
async fn mails_are_saved_by_folder_category_and_match() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    let (known, me) = (email(&customer), nina.address());
    let lead =
        json!({ "FirstName": "Lia", "LastName": "Lead", "Company": "Neu GmbH", "Email": "lia@neu.example" });
    let lead = nina.create("Lead", lead).await?;

    let mut filed = mail("By folder", "someone@elsewhere.example", me);
    filed["folder"] = json!(OURS);
    nina.make("messages", filed).await?;
    let mut tagged = mail("By category", "another@elsewhere.example", me);
    tagged["categories"] = json!([MINE]);
    nina.make("messages", tagged).await?;
    let mut matched = mail("By match", known, me);
    matched["html"] = json!(
        "<p onclick=\"x()\">Guten <b>Tag</b></p><script>alert(1)</script><img src=\"https://track.example/p.gif\">"
    );
    matched["cc"] = json!(["Lia <lia@neu.example>", "Fremd <fremd@elsewhere.example>"]);
    matched["bcc"] = json!(["secret@elsewhere.example"]);
    nina.make("messages", matched).await?;
    let mut out = mail("Sent by her", me, known);
    out["folder"] = json!("Sent Items");
    nina.make("messages", out).await?;
    nina.make("messages", mail("To a lead's", "lia@neu.example", me))
        .await?;
    nina.make("messages", mail("Stranger", "who@nowhere.example", me))
        .await?;
    nina.settles().await?;
    ensure!(
        subjects(&nina).await?
            == [
                "By category",
                "By folder",
                "By match",
                "Sent by her",
                "To a lead's"
            ],
        "{:?}",
        subjects(&nina).await?
    );

    let row = nina.record("EmailMessage", "By match").await?;
    ensure!(
        row["Incoming"] == true
            && row["MessageIdentifier"]
                .as_str()
                .is_some_and(|id| id.contains("by.match@mails.example"))
            && row["FromAddress"]
                .as_str()
                .is_some_and(|from| from.eq_ignore_ascii_case(known)),
        "{row:#}"
    );
    let html = row["HtmlBody"].as_str().context("no HTML")?;
    ensure!(
        html.contains("<b>Tag</b>")
            && !html.contains("script")
            && !html.contains("onclick")
            && !html.contains("track.example"),
        "{html}"
    );
    let text = row.to_string();
    ensure!(
        !text.contains("secret@"),
        "blind copies are nobody's business: {row:#}"
    );
    let people = related(&nina, &id_of(&row)?).await?;
    let contact = customer["Id"].as_str().unwrap_or_default();
    ensure!(
        people
            .iter()
            .any(|(how, who)| how == "FromAddress" && who == contact),
        "{people:?}"
    );
    ensure!(
        people.iter().any(|(how, who)| how == "CcAddress" && *who == lead),
        "{people:?}"
    );
    ensure!(row["RelatedToId"].is_string(), "the account, or a deal: {row:#}");
    ensure!(nina.record("EmailMessage", "Sent by her").await?["Incoming"] == false);
    let alone = nina.record("EmailMessage", "To a lead's").await?;
    ensure!(alone["RelatedToId"].is_null(), "{alone:#}");
    // The folder says it of what lies in it.
    for subject in ["By category", "By match", "Sent by her"] {
        ensure!(has(&nina.item("messages", subject).await?, MINE), "{subject}");
    }
    ensure!(!has(&nina.item("messages", "Stranger").await?, MINE));
    // The task that Salesforce makes of each is no task of hers to do.
    let tasks = nina.all("Task").await?;
    ensure!(
        !tasks.is_empty()
            && stage
                .sandbox
                .get(&format!("/exchange/mailboxes/{me}/tasks"))
                .await?
                == json!([])
    );

    // Nothing that happens to the item afterwards does anything there.
    let id = id_of(&nina.item("messages", "By match").await?)?;
    nina.discard("messages", &id).await?;
    let id = id_of(&nina.item("messages", "By folder").await?)?;
    nina.file("messages", &id, "Inbox").await?;
    let id = id_of(&nina.item("messages", "By category").await?)?;
    nina.edit("messages", &id, json!({ "categories": [] })).await?;
    nina.settles().await?;
    ensure!(subjects(&nina).await?.len() == 5);
    // Deleted there, it is not saved again by itself.
    nina.erase(
        "EmailMessage",
        &id_of(&nina.record("EmailMessage", "Sent by her").await?)?,
    )
    .await?;
    let id = id_of(&nina.item("messages", "Sent by her").await?)?;
    nina.edit("messages", &id, json!({ "read": true })).await?;
    nina.settles().await?;
    nina.gone("EmailMessage", "Sent by her").await?;
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn what_is_nobodys_business_is_not_saved() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    let (known, me) = (email(&customer).to_owned(), nina.address());
    let colleague = stage.sandbox.info.users[1].mailbox.clone();
    nina.choose("blocklist", r#"["*@blocked.example", "boss@elsewhere.example"]"#)
        .await?;
    nina.choose("own_domains", r#"["sister.example"]"#).await?;
    for (name, address) in [("Blocked", "b@blocked.example"), ("Sister", "s@sister.example")] {
        nina.create("Contact", json!({ "LastName": name, "Email": address }))
            .await?;
    }
    let with = |subject: &str, change: Value| {
        let mut entry = mail(subject, &known, me);
        for (name, value) in change.as_object().into_iter().flatten() {
            entry[name] = value.clone();
        }
        entry
    };
    let long_ago = format!("{}T08:00:00Z", day(-9));
    for entry in [
        mail("Internal", &colleague, me),
        mail("Sister's", "s@sister.example", me),
        mail("Blocked domain", "b@blocked.example", me),
        with(
            "Newsletter",
            json!({ "headers": { "List-Id": "<news.example>", "Precedence": "bulk" } }),
        ),
        with(
            "Out of office",
            json!({ "headers": { "Auto-Submitted": "auto-replied" } }),
        ),
        with("Private", json!({ "sensitivity": "Private" })),
        with("Confidential", json!({ "sensitivity": "Confidential" })),
        with("Encrypted", json!({ "item_class": "IPM.Note.SMIME" })),
        with(
            "Protected",
            json!({ "item_class": "IPM.Note.rpmsg.Microsoft.Message" }),
        ),
        with("Draft", json!({ "draft": true, "folder": "Drafts" })),
        with("Old", json!({ "received": long_ago, "sent": long_ago })),
        with("Elsewhere", json!({ "folder": "Archive" })),
    ] {
        if entry["subject"] == "Elsewhere" {
            let folders = format!("/exchange/mailboxes/{me}/folders");
            stage
                .sandbox
                .post(&folders, &json!({ "name": "Archive", "class": "IPF.Note" }))
                .await?;
        }
        nina.make("messages", entry).await?;
    }
    nina.settles().await?;
    ensure!(subjects(&nina).await?.is_empty(), "{:?}", subjects(&nina).await?);
    nina.no_issues().await?;

    // On purpose: all but what cannot be read, or what the company does not want.
    for subject in [
        "Internal",
        "Private",
        "Newsletter",
        "Old",
        "Encrypted",
        "Blocked domain",
    ] {
        let id = id_of(&nina.item("messages", subject).await?)?;
        nina.edit("messages", &id, json!({ "categories": [MINE] }))
            .await?;
    }
    nina.settles().await?;
    ensure!(
        subjects(&nina).await? == ["Internal", "Newsletter", "Old", "Private"],
        "{:?}",
        subjects(&nina).await?
    );
    let told = nina.issue("encrypted").await?;
    ensure!(
        told["title"]
            .as_str()
            .is_some_and(|title| title.contains("Encrypted")),
        "{told:#}"
    );

    // Automatic saving off: no more.
    nina.choose("save_emails", "false").await?;
    nina.make("messages", mail("After that", &known, me)).await?;
    nina.settles().await?;
    nina.gone("EmailMessage", "After that").await?;
    // A folder that was chosen fills by itself.
    nina.choose("email_folders", r#"["Archive"]"#).await?;
    nina.settles().await?;
    ensure!(
        subjects(&nina).await?.contains(&"Elsewhere".to_owned()),
        "{:?}",
        subjects(&nina).await?
    );
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_conversation_that_was_saved_goes_on() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let me = nina.address();
    let mut first = mail("Anfrage", "new@unknown.example", me);
    first["categories"] = json!([MINE]);
    nina.make("messages", first).await?;
    nina.make("messages", mail("Andere", "new@unknown.example", me))
        .await?;
    nina.settles().await?;
    let mut answer = mail("RE: Anfrage", me, "new@unknown.example");
    answer["folder"] = json!("Sent Items");
    answer["in_reply_to"] = json!("<anfrage@mails.example>");
    answer["references"] = json!("<anfrage@mails.example>");
    nina.make("messages", answer).await?;
    nina.settles().await?;
    ensure!(
        subjects(&nina).await? == ["Anfrage", "RE: Anfrage"],
        "{:?}",
        subjects(&nina).await?
    );
    let thread = async |subject: &str| {
        Ok::<_, anyhow::Error>(nina.record("EmailMessage", subject).await?["ThreadIdentifier"].clone())
    };
    ensure!(thread("Anfrage").await? == thread("RE: Anfrage").await?);
    nina.choose("save_threads", "false").await?;
    let mut more = mail("RE: RE: Anfrage", "new@unknown.example", me);
    more["in_reply_to"] = json!("<re..anfrage@mails.example>");
    more["references"] = json!("<anfrage@mails.example> <re..anfrage@mails.example>");
    nina.make("messages", more).await?;
    nina.settles().await?;
    ensure!(subjects(&nina).await?.len() == 2, "{:?}", subjects(&nina).await?);
    stage.sandbox.nobody_got_mail().await
}

/// Both colleagues have the same mails at the same moment.
async fn once_for_both(options: Options) -> Result<()> {
    let stage = Stage::synced(&BARE, &options).await?;
    let user = stage.sandbox.info.users[1].clone();
    let person = Person::sign_in(&stage.tandem, &stage.sandbox, &user).await?;
    person.connect_well().await?;
    person.first_sync().await?;
    let (nina, tomas) = (Desk::nina(&stage), Desk::of(&stage, &person).await?);
    let customer = customer(&nina).await?;
    for round in 0..3 {
        for n in 0..4 {
            let subject = format!("An beide {round}{n}");
            let mut entry = mail(&subject, email(&customer), nina.address());
            entry["cc"] = json!([tomas.address()]);
            entry["attachments"] = json!([{ "name": format!("a{round}{n}.pdf"), "content_type": "application/pdf", "size": 2000 }]);
            nina.make("messages", entry.clone()).await?;
            tomas.make("messages", entry).await?;
        }
        tokio::try_join!(nina.session(), tomas.session())?;
    }
    // Whoever came second waits for an interval, then adopts.
    nina.settles().await?;
    tomas.settles().await?;
    stage.an_interval_passes().await?;
    nina.settles().await?;
    tomas.settles().await?;
    let all = subjects(&nina).await?;
    ensure!(all.len() == 12, "{all:?}");
    let files = nina.all("ContentVersion").await?;
    ensure!(files.len() == 12, "each attachment once: {}", files.len());
    for desk in [&nina, &tomas] {
        for round in 0..3 {
            for n in 0..4 {
                let item = desk.item("messages", &format!("An beide {round}{n}")).await?;
                ensure!(has(&item, MINE), "{item:#}");
            }
        }
    }
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_a_mail_to_both_is_one_record() -> Result<()> {
    once_for_both(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_a_mail_to_both_is_one_record() -> Result<()> {
    let Some(database) = tandem_store::testing::postgres().await else {
        return Ok(());
    };
    once_for_both(Options {
        database: Some(database.url.clone()),
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn attachments_go_with_it_but_for_those_that_must_not() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    nina.choose("attachments.max_bytes", "50000").await?;
    let mut entry = mail("Mit Anlagen", email(&customer), nina.address());
    entry["html"] = json!("<p>Siehe <img src=\"cid:logo1\"></p>");
    entry["attachments"] = json!([
        { "name": "Angebot Nº 7.pdf", "content_type": "application/pdf", "size": 49_999 },
        { "name": "gross.pdf", "content_type": "application/pdf", "size": 50_001 },
        { "name": "virus.exe", "content_type": "application/octet-stream", "size": 10 },
        { "name": "logo.png", "content_type": "image/png", "size": 300, "content_id": "logo1", "inline": true },
        { "name": "leer.txt", "content_type": "text/plain", "size": 0 },
    ]);
    nina.make("messages", entry).await?;
    nina.settles().await?;
    let record = id_of(&nina.record("EmailMessage", "Mit Anlagen").await?)?;
    let names = async || {
        let mut names: Vec<_> = nina
            .all("ContentVersion")
            .await?
            .iter()
            .map(|row| row["PathOnClient"].as_str().unwrap_or_default().to_owned())
            .collect();
        names.sort();
        Ok::<_, anyhow::Error>(names)
    };
    let saved = names().await?;
    ensure!(saved.contains(&"Angebot Nº 7.pdf".to_owned()), "{saved:?}");
    for left_out in ["gross.pdf", "virus.exe", "logo.png"] {
        ensure!(!saved.contains(&left_out.to_owned()), "{saved:?}");
    }
    let told = nina.issue("attachment_left_out").await?.to_string();
    ensure!(
        ["gross.pdf", "virus.exe", "leer.txt"]
            .iter()
            .all(|name| told.contains(name))
            && !told.contains("logo.png"),
        "{told}"
    );
    // It hangs on the email.
    let links = nina.all("ContentDocumentLink").await?;
    ensure!(
        links.iter().any(|link| link["LinkedEntityId"] == record.as_str()),
        "{links:#?}"
    );

    // Only some endings; then none at all.
    nina.choose("attachments.endings", r#"["docx"]"#).await?;
    let mut entry = mail("Nur Word", email(&customer), nina.address());
    entry["attachments"] = json!([{ "name": "A.DOCX", "size": 5 }, { "name": "b.pdf", "size": 5 }]);
    nina.make("messages", entry).await?;
    nina.settles().await?;
    ensure!(names().await?.contains(&"A.DOCX".to_owned()) && !names().await?.contains(&"b.pdf".to_owned()));
    nina.choose("attachments.save", "false").await?;
    let before = names().await?.len();
    let mut entry = mail("Ohne", email(&customer), nina.address());
    entry["attachments"] = json!([{ "name": "c.docx", "size": 5 }]);
    nina.make("messages", entry).await?;
    nina.settles().await?;
    nina.record("EmailMessage", "Ohne").await?;
    ensure!(names().await?.len() == before);

    // No room for files: the mail is there all the same, and its file follows when there is room.
    nina.choose("attachments.save", "true").await?;
    nina.choose("attachments.endings", "[]").await?;
    stage.sandbox.org(json!({ "storage_full": "files" })).await?;
    let mut entry = mail("Kein Platz", email(&customer), nina.address());
    entry["attachments"] = json!([{ "name": "spaeter.pdf", "size": 500 }]);
    nina.make("messages", entry).await?;
    nina.session().await?;
    nina.record("EmailMessage", "Kein Platz").await?;
    ensure!(names().await?.len() == before);
    stage.sandbox.org(json!({ "storage_full": false })).await?;
    for _ in 0..2 {
        nina.session().await?;
    }
    nina.settles().await?;
    let saved = names().await?;
    ensure!(
        saved.iter().filter(|name| *name == "spaeter.pdf").count() == 1,
        "{saved:?}"
    );
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn without_enhanced_email_it_is_a_completed_task() -> Result<()> {
    let stage = Stage::set(&BARE, &Options::default()).await?;
    stage.sandbox.org(json!({ "enhanced_email": false })).await?;
    stage.nina.connect_well().await?;
    stage.nina.first_sync().await?;
    let nina = Desk::nina(&stage);
    let customer = customer(&nina).await?;
    nina.make("messages", mail("Als Aufgabe", email(&customer), nina.address()))
        .await?;
    nina.settles().await?;
    let tasks: Vec<_> = nina
        .all("Task")
        .await?
        .into_iter()
        .filter(|row| {
            row["Subject"]
                .as_str()
                .is_some_and(|subject| subject.contains("Als Aufgabe"))
        })
        .collect();
    ensure!(tasks.len() == 1, "{tasks:#?}");
    let row = &tasks[0];
    ensure!(
        row["TaskSubtype"] == "Email"
            && row["IsClosed"] == true
            && row["WhoId"] == customer["Id"]
            && row["Description"]
                .as_str()
                .is_some_and(|text| text.contains("Text of Als Aufgabe")),
        "{row:#}"
    );
    ensure!(has(&nina.item("messages", "Als Aufgabe").await?, MINE));
    // Our own saved mail does not come down as something to do.
    ensure!(nina.every("tasks", "Als Aufgabe").await?.is_empty());
    nina.no_issues().await?;
    stage.sandbox.nobody_got_mail().await
}

#[tokio::test]
async fn a_mail_belongs_to_whom_and_what_it_is_about() -> Result<()> {
    let stage = stage().await?;
    let nina = Desk::nina(&stage);
    let me = nina.address();
    let user = nina.user_id();
    let account = nina
        .create(
            "Account",
            json!({ "Name": "Acme", "Website": "https://www.acme.example/de" }),
        )
        .await?;
    let contact = json!({ "LastName": "Roth", "Email": "roth@acme.example", "AccountId": account });
    let contact = nina.create("Contact", contact).await?;
    let deal = |name: &str, owner: &str, stage: &str| {
        json!({ "Name": name, "AccountId": account, "StageName": stage,
        "CloseDate": day(30).to_string(), "OwnerId": owner })
    };
    nina.create("Opportunity", deal("Old", user, "Prospecting"))
        .await?;
    let newest = nina
        .create("Opportunity", deal("Newest", user, "Qualification"))
        .await?;
    nina.create("Opportunity", deal("Closed", user, "Closed Won"))
        .await?;
    nina.create(
        "Opportunity",
        deal(
            "Another's",
            &stage.sandbox.info.users[1].salesforce_user_id,
            "Prospecting",
        ),
    )
    .await?;
    nina.update("Opportunity", &newest, json!({ "Description": "worked on last" }))
        .await?;
    let case = nina
        .create(
            "Case",
            json!({ "Subject": "Late", "ContactId": contact, "Origin": "Email" }),
        )
        .await?;
    let cases = nina.all("Case").await?;
    let number = cases
        .iter()
        .find(|row| row["Id"] == case.as_str())
        .and_then(|row| row["CaseNumber"].as_str())
        .context("a case without a number")?;

    nina.make("messages", mail("Deal", "roth@acme.example", me))
        .await?;
    nina.make(
        "messages",
        mail(&format!("Case {number}"), "roth@acme.example", me),
    )
    .await?;
    // Nobody known: saved on purpose, the account has the domain; of a mail provider never.
    for (subject, from) in [
        ("By domain", "unknown@acme.example"),
        ("By provider", "someone@gmail.com"),
    ] {
        let mut entry = mail(subject, from, me);
        entry["categories"] = json!([MINE]);
        nina.make("messages", entry).await?;
    }
    nina.create(
        "Account",
        json!({ "Name": "Mail provider", "Website": "gmail.com" }),
    )
    .await?;
    nina.settles().await?;
    let what = async |subject: &str| {
        Ok::<_, anyhow::Error>(nina.record("EmailMessage", subject).await?["RelatedToId"].clone())
    };
    ensure!(what("Deal").await? == newest.as_str(), "{}", what("Deal").await?);
    ensure!(what(&format!("Case {number}")).await? == case.as_str());
    ensure!(what("By domain").await? == account.as_str());
    ensure!(what("By provider").await?.is_null());
    let people = related(&nina, &id_of(&nina.record("EmailMessage", "Deal").await?)?).await?;
    ensure!(
        people
            .iter()
            .any(|(how, who)| how == "FromAddress" && *who == contact),
        "{people:?}"
    );
    stage.sandbox.nobody_got_mail().await
}
