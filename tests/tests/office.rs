//! Office 365 as a person connects it: Microsoft's window, what may go wrong in it, and who may not profit from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};
use tandem_tests::desk::bare;
use tandem_tests::http::Answer;
use tandem_tests::office::{Answers, code, issued, last_page, nonce, start, walk};
use tandem_tests::person::{Walked, Window, code_of};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tandem_tests::{Person, SandboxProc, Tandem};
use tandem_types::{ActivationFailure, ApiError, InvalidField};
use url::Url;

/// A company in which a test finds its way.
const SMALL: [&str; 14] = bare("3", "2");

fn error_of(answer: &Answer) -> Result<ApiError> {
    serde_json::from_slice(&answer.body).with_context(|| answer.text())
}

fn expired(answer: &Answer) -> Result<()> {
    ensure!(
        answer.status == StatusCode::BAD_REQUEST && answer.text().contains("started too long ago"),
        "{} {}",
        answer.status,
        answer.text()
    );
    ensure!(code_of(&answer.text()).is_none());
    Ok(())
}

fn refused(answer: &Answer, words: &str) -> Result<()> {
    ensure!(
        !answer.status.is_success() && answer.text().contains(words),
        "{} {}",
        answer.status,
        answer.text()
    );
    ensure!(code_of(&answer.text()).is_none());
    Ok(())
}

fn at_callback(at: &Url) -> bool {
    at.path() == "/auth/microsoft/callback"
}

/// As far as to Microsoft's answer: where it sends the window.
async fn until_callback(window: &mut Window, tandem: &Tandem, nonce: &str, answers: &Answers) -> Result<Url> {
    match walk(window, start(tandem, nonce)?, answers, at_callback).await? {
        Walked::Stopped(at) => Ok(at),
        Walked::Page(answer) => anyhow::bail!("{}", answer.text()),
    }
}

fn query(url: &Url, name: &str) -> Result<String> {
    let found = url.query_pairs().find(|(n, _)| n == name);
    Ok(found
        .with_context(|| format!("no {name} in {url}"))?
        .1
        .into_owned())
}

/// Nothing is connected for this person.
async fn nothing_connected(person: &Person) -> Result<()> {
    let connection = person.connection().await?;
    ensure!(
        connection["mailbox"].is_null() && connection["state"] == "not_activated",
        "{connection:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_sign_in_that_is_not_ones_own_connects_nothing() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let (tandem, sandbox, nina) = (&stage.tandem, &stage.sandbox, &stage.nina);
    let answers = Answers::of(nina);
    let callback = tandem.url.join("auth/microsoft/callback")?;

    // A state that nobody gave, or none; a challenge that is none.
    for query in [
        "",
        "?code=x",
        "?state=x&code=x",
        "?state=&code=",
        "?error=access_denied",
    ] {
        let url = Url::parse(&format!("{callback}{query}"))?;
        expired(&Window::default().get(&url).await?)?;
    }
    for query in ["", "?n=", "?n=zz", "?n=0A", "?challenge=0a"] {
        let url = tandem.url.join(&format!("auth/microsoft/start{query}"))?;
        expired(&Window::default().get(&url).await?)?;
    }

    // In a browser that did not begin it; and the state is used up by that.
    let mut window = Window::default();
    let at = until_callback(&mut window, tandem, &nonce(1), &answers).await?;
    expired(&Window::default().get(&at).await?)?;
    expired(&window.get(&at).await?)?;

    // A stranger's answer in one's own window.
    let tomas = Answers {
        username: sandbox.info.users[1].microsoft_username.clone(),
        password: sandbox.info.users[1].microsoft_password.clone(),
        agrees: true,
    };
    let theirs = until_callback(&mut Window::default(), tandem, &nonce(2), &tomas).await?;
    let mut window = Window::default();
    let own = until_callback(&mut window, tandem, &nonce(3), &answers).await?;
    expired(&window.get(&theirs).await?)?;

    // One's own state with a stranger's code: the verifier is another sign-in's.
    let mut mixed = callback.clone();
    mixed
        .query_pairs_mut()
        .append_pair("state", &query(&own, "state")?)
        .append_pair("code", &query(&theirs, "code")?);
    refused(&window.get(&mixed).await?, "sign in once more")?;

    // An answer of Microsoft at Salesforce's door, and the other way round.
    let mut window = Window::default();
    let at = until_callback(&mut window, tandem, &nonce(4), &answers).await?;
    let wrong = tandem
        .url
        .join(&format!("auth/callback?{}", at.query().unwrap_or_default()))?;
    expired(&window.get(&wrong).await?)?;

    // Nobody is sent elsewhere.
    let evil = "https://evil.example/";
    let mut begin = start(tandem, &nonce(5))?;
    for name in ["redirect_uri", "redirect", "to", "next", "hint", "claims"] {
        begin.query_pairs_mut().append_pair(name, evil);
    }
    let answer = Window::default().get(&begin).await?;
    let location = answer.headers["location"].to_str()?.to_owned();
    ensure!(location.starts_with(&sandbox.info.microsoft.http), "{location}");
    ensure!(!location.contains("evil.example"), "{location}");

    // The callback works once.
    let mut window = Window::default();
    let at = until_callback(&mut window, tandem, &nonce(6), &answers).await?;
    let good = window.get(&at).await?;
    let page = good.text();
    ensure!(
        good.status == StatusCode::OK && code_of(&page).is_some(),
        "{page}"
    );
    expired(&window.get(&at).await?)?;
    let mut again = at.clone();
    again.query_pairs_mut().append_pair("state", "x");
    expired(&window.get(&again).await?)?;

    nothing_connected(nina).await
}

#[tokio::test]
async fn a_code_is_its_panes_alone_and_used_once() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let (tandem, nina) = (&stage.tandem, &stage.nina);
    let tomas = Person::sign_in(tandem, &stage.sandbox, &stage.sandbox.info.users[1].clone()).await?;
    let answers = Answers::of(nina);
    let invalid = |answer: &Answer| -> Result<()> {
        ensure!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY
                && error_of(answer)? == ApiError::Invalid(InvalidField::Code),
            "{} {}",
            answer.status,
            answer.text()
        );
        Ok(())
    };

    // Not with another's nonce, not by guessing the digits.
    let own = nonce(11);
    let page = last_page(tandem, &own, &answers).await?.text();
    let long = code_of(&page).context("no code")?;
    invalid(&nina.hand_office(long, &nonce(12), &[]).await?)?;
    let digits: String = page
        .split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 6)
        .context("no digits")?
        .to_owned();
    for n in 1..=5 {
        let wrong = format!("{:06}", (digits.parse::<u32>()? + n) % 1_000_000);
        invalid(&nina.hand_office(&wrong, &own, &[]).await?)?;
    }
    let sixth = nina.hand_office(&digits, &own, &[]).await?;
    ensure!(sixth.status == StatusCode::TOO_MANY_REQUESTS, "{}", sixth.status);
    nothing_connected(nina).await?;

    // Signed out, it opens nothing.
    let own = nonce(13);
    let long = code(tandem, &own, &answers).await?;
    let mut stranger = Person::sign_in(tandem, &stage.sandbox, &nina.user.clone()).await?;
    stranger.bearer = "none".into();
    let nobody = stranger.hand_office(&long, &own, &[]).await?;
    ensure!(nobody.status == StatusCode::UNAUTHORIZED, "{}", nobody.status);

    // Another mailbox than Outlook's: told with both addresses, nothing stored, and then that session's alone.
    let shown = [("outlook", "somebody@contoso.example")];
    let told = nina.hand_office(&long, &own, &shown).await?;
    ensure!(told.status == StatusCode::OK, "{} {}", told.status, told.text());
    let told = told.json()?;
    ensure!(
        told["other_mailbox"]
            == json!({ "account": nina.user.mailbox.to_lowercase(), "expected": "somebody@contoso.example" }),
        "{told}"
    );
    nothing_connected(nina).await?;
    invalid(&tomas.hand_office(&long, &own, &[("confirmed", "1")]).await?)?;
    invalid(&nina.hand_office(&long, &own, &[("confirmed", "1")]).await?)?;

    // The digits do, typed; in Outlook's own mailbox nothing is asked.
    let own = nonce(14);
    let page = last_page(tandem, &own, &answers).await?.text();
    let digits: String = page
        .split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 6)
        .context("no digits")?
        .to_owned();
    let outlook = nina.user.mailbox.to_uppercase();
    let answer = nina.hand_office(&digits, &own, &[("outlook", &outlook)]).await?;
    ensure!(
        answer.status == StatusCode::OK,
        "{} {}",
        answer.status,
        answer.text()
    );
    let connected = &answer.json()?["connected"]["connection"];
    ensure!(connected["mailbox"]["server"] == "office365", "{connected:#}");
    ensure!(
        connected["mailbox"]["address"] == nina.user.mailbox.to_lowercase(),
        "{connected:#}"
    );
    invalid(&nina.hand_office(&digits, &own, &[]).await?)?;

    // A colleague who signs in with that mailbox does not get it; confirmed or not.
    let own = nonce(15);
    let long = code(tandem, &own, &answers).await?;
    let taken = tomas.hand_office(&long, &own, &[("confirmed", "1")]).await?;
    ensure!(
        error_of(&taken)? == ApiError::Activation(ActivationFailure::MailboxTaken),
        "{}",
        taken.text()
    );
    nothing_connected(&tomas).await
}

#[tokio::test]
async fn the_windows_other_ends_are_told_in_words() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let (tandem, sandbox, nina) = (&stage.tandem, &stage.sandbox, &stage.nina);
    let answers = Answers::of(nina);
    let settings = |body: Value| async move { sandbox.put("/microsoft/settings", &body).await };
    let page = |n: u64, answers: Answers| async move { last_page(tandem, &nonce(n), &answers).await };

    let no = Answers {
        agrees: false,
        ..answers.clone()
    };
    refused(&page(21, no).await?, "did not agree")?;

    settings(json!({ "admin_consent": true })).await?;
    let asks = page(22, answers.clone()).await?;
    refused(&asks, "only an administrator")?;
    let text = asks.text();
    ensure!(
        text.contains(&format!("href=\"{}", sandbox.info.microsoft.http)) && text.contains("adminconsent"),
        "{text}"
    );
    settings(json!({ "admin_consent": false })).await?;
    // What the administrator's answer says proves nothing: it is a page, and no more.
    let thanks = tandem.url.join(
        "auth/microsoft/callback?admin_consent=True&tenant=00000000-0000-0000-0000-000000000000&state=x",
    )?;
    let thanks = Window::default().get(&thanks).await?;
    ensure!(thanks.status == StatusCode::OK && thanks.text().contains("Agreed"));

    // An id token of another organisation, of another sign-in, for another app.
    for (forged, words) in [
        (json!({ "tid": "11111111-2222-3333-4444-555555555555" }), ""),
        (json!({ "nonce": "another" }), "sign in once more"),
        (json!({ "aud": "another" }), "sign in once more"),
    ] {
        sandbox.post("/microsoft/forge", &forged).await?;
        let answer = page(23, answers.clone()).await?;
        ensure!(!answer.status.is_success(), "{forged}: {}", answer.text());
        refused(&answer, words)?;
    }

    settings(json!({ "secret_expired": true })).await?;
    refused(&page(24, answers.clone()).await?, "registration")?;
    settings(json!({ "secret_expired": false })).await?;

    // An account without a mailbox in the cloud, of another organisation.
    let stranger = Answers {
        username: sandbox.info.stranger.username.clone(),
        password: sandbox.info.stranger.password.clone(),
        agrees: true,
    };
    refused(&page(25, stranger.clone()).await?, "no mailbox in Office 365")?;
    // And where only one organisation may: Microsoft's own page says so, and nothing comes back.
    let variables = vec![(
        "TANDEM_MICROSOFT_TENANT".to_owned(),
        sandbox.info.tenant_id.clone(),
    )];
    let strict = Tandem::start(
        sandbox,
        &Options {
            variables,
            ..Options::default()
        },
    )
    .await?;
    let answer = last_page(&strict, &nonce(26), &stranger).await?;
    ensure!(code_of(&answer.text()).is_none(), "{}", answer.text());

    nothing_connected(nina).await
}

#[tokio::test]
async fn without_a_registration_the_server_says_so() -> Result<()> {
    let sandbox = SandboxProc::start(&SMALL).await?;
    let mut tandem = Tandem::prepare(&sandbox, &Options::default())?;
    // Without its section; half of one would be a mistake.
    let file = tandem.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let (before, rest) = text.split_once("[microsoft]").context("no section")?;
    let (_, after) = rest.split_once("[ews]").context("no section")?;
    std::fs::write(&file, format!("{before}[ews]{after}"))?;
    tandem.start_again().await?;
    let nina = Person::sign_in(&tandem, &sandbox, &sandbox.nina().clone()).await?;
    ensure!(nina.connection().await?["office"].is_null());
    let answer = Window::default().get(&start(&tandem, &nonce(31))?).await?;
    ensure!(answer.status == StatusCode::NOT_FOUND && answer.text().contains("not set up"));
    let answer = nina.hand_office("123456", &nonce(31), &[]).await?;
    ensure!(error_of(&answer)? == ApiError::Activation(ActivationFailure::OfficeOff));
    Ok(())
}

#[tokio::test]
async fn no_token_stands_in_a_log() -> Result<()> {
    let variables = vec![("TANDEM_LOG".to_owned(), "trace".to_owned())];
    let options = Options {
        variables,
        ..Options::default()
    };
    let mut stage = Stage::set(&SMALL, &options).await?;
    stage.nina.connect_office(&stage.tandem).await?;
    let preview = stage
        .nina
        .until("a session", |c| !c["sessions"][0]["outcome"].is_null())
        .await?;
    ensure!(preview["mailbox"]["server"] == "office365");
    let user = &stage.nina.user.microsoft_username;
    // A refresh, and one that is refused.
    stage
        .sandbox
        .post(&format!("/microsoft/users/{user}/expire_access"), &Value::Null)
        .await?;
    let mut said = stage.session().await.unwrap_or_default();
    stage
        .sandbox
        .post(&format!("/microsoft/users/{user}/revoke_all"), &Value::Null)
        .await?;
    said += &stage.session().await.unwrap_or_default();
    let ended = stage.nina.connection().await?;
    ensure!(
        ended["state"] == "needs_activation" && ended["reason"] == "microsoft_sign_in_ended",
        "{ended:#}"
    );
    stage.tandem.stop().await?;
    let log = format!("{said}{}{}", stage.tandem.log(), stage.sandbox.log_text());
    let tokens = issued(&stage.sandbox).await?;
    ensure!(tokens.len() > 4, "{} tokens were issued", tokens.len());
    for token in tokens {
        ensure!(token.len() >= 24, "too short to be looked for");
        ensure!(!log.contains(&token), "a token stands in a log");
        // The part that is signed with, or the random part, is as bad.
        let tail = &token[token.len() - 24..];
        ensure!(!log.contains(tail), "the end of a token stands in a log");
    }
    Ok(())
}

/// Another company: enough of everything for a move to double something.
const ALL_KINDS: [&str; 14] = [
    "--contacts",
    "6",
    "--mailbox-contacts",
    "4",
    "--mailbox-events",
    "4",
    "--mailbox-tasks",
    "4",
    "--mailbox-messages",
    "4",
    "--crm-events",
    "4",
    "--crm-tasks",
    "4",
];

/// What Salesforce holds, by id.
async fn in_salesforce(stage: &Stage) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    for object in ["Contact", "Event", "Task", "EmailMessage"] {
        for record in stage.sandbox.records(object, &stage.nina.user).await? {
            if record["IsDeleted"] != true {
                let id = record["Id"].as_str().unwrap_or_default().to_owned();
                all.insert(id, record);
            }
        }
    }
    Ok(all)
}

/// Fails with what is there now and was not, or was and is not, or differs.
fn unchanged(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Result<()> {
    let mut wrong = Vec::new();
    for id in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        match (before.get(id), now.get(id)) {
            (Some(old), Some(new)) if old != new => {
                let fields = new.as_object().into_iter().flatten();
                let changed = fields.filter(|(name, value)| old[name.as_str()] != **value);
                let changed: Vec<_> = changed
                    .map(|(name, value)| format!("{name}: {} -> {value}", old[name.as_str()]))
                    .collect();
                wrong.push(format!("{id} changed: {}", changed.join(", ")));
            }
            (None, Some(new)) => wrong.push(format!("{id} is new: {new}")),
            (Some(_), None) => wrong.push(format!("{id} is gone")),
            _ => {}
        }
    }
    ensure!(
        wrong.is_empty(),
        "Salesforce is not as it was:\n{}",
        wrong.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn a_mailbox_in_the_cloud_syncs_both_ways() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    stage.home("cloud").await?;
    stage.nina.connect_office(&stage.tandem).await?;
    stage.nina.first_sync().await?;
    let contact = json!({ "folder": "Salesforce Contacts", "fields": {
        "GivenName": "Grażyna", "Surname": "Wolke", "EmailAddress1": "wolke@example.org" } });
    stage.sandbox.post(&stage.contacts_path(), &contact).await?;
    let said = stage.session().await?;
    ensure!(stage.in_salesforce("Wolke").await?.len() == 1, "{said}");
    let path = format!(
        "/salesforce/records/Contact?as={}",
        stage.nina.user.salesforce_username
    );
    let record = json!({ "FirstName": "Jürgen", "LastName": "Himmel", "Email": "himmel@example.org",
        "OwnerId": stage.nina.user.salesforce_user_id });
    stage.sandbox.post(&path, &record).await?;
    let said = stage.session().await?;
    ensure!(stage.in_mailbox("Himmel").await?.len() == 1, "{said}");
    stage.idle().await?;

    // Graph refuses the mailbox: counted as a server's refusal, and after the sixth the user is asked.
    stage.home("on_premises").await?;
    for refusal in 1..=6 {
        stage.session().await.ok();
        let now = stage.nina.connection().await?;
        ensure!(now["rejections"] == refusal, "{refusal}: {now:#}");
    }
    let over = stage.nina.connection().await?;
    ensure!(
        over["state"] == "needs_activation" && over["reason"] == "mail_server_refused",
        "{over:#}"
    );
    ensure!(over["ask_activation"] == true);

    // Back, and signed in again: it goes on where it was.
    stage.home("cloud").await?;
    let before = in_salesforce(&stage).await?;
    stage.nina.connect_office(&stage.tandem).await?;
    stage
        .nina
        .until("a session", |c| {
            c["sessions"][0]["outcome"] == "done" && c["progress"].is_null()
        })
        .await?;
    unchanged(&before, &in_salesforce(&stage).await?)?;
    Ok(())
}

#[tokio::test]
async fn a_mailbox_that_moves_to_the_cloud_keeps_its_pairs() -> Result<()> {
    let stage = Stage::synced(&ALL_KINDS, &Options::default()).await?;
    stage.session().await?;
    stage.idle().await?;
    let links = stage.nina.connection().await?["links"].clone();
    let before = in_salesforce(&stage).await?;
    ensure!(before.len() > 10, "{before:?}");

    stage.home("cloud").await?;
    stage.nina.connect_office(&stage.tandem).await?;
    let moved = stage
        .nina
        .until("the first session in the cloud", |c| {
            c["sessions"][0]["outcome"] == "done" && c["progress"].is_null()
        })
        .await?;
    ensure!(moved["mailbox"]["server"] == "office365", "{moved:#}");
    unchanged(&before, &in_salesforce(&stage).await?)?;
    ensure!(moved["links"] == links, "{} of {links}", moved["links"]);
    ensure!(moved["issues_total"] == 0, "{:#}", moved["issues"]);
    stage.session().await?;
    stage.idle().await?;

    // And home again.
    stage.home("on_premises").await?;
    stage.nina.connect_well().await?;
    let back = stage
        .nina
        .until("the first session at home", |c| {
            c["mailbox"]["server"] == "exchange"
                && c["sessions"][0]["outcome"] == "done"
                && c["progress"].is_null()
        })
        .await?;
    unchanged(&before, &in_salesforce(&stage).await?)?;
    ensure!(back["links"] == links, "{} of {links}", back["links"]);
    Ok(())
}
