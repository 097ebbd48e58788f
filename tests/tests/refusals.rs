//! Whoever may not in, or types it wrong, is told why; nothing is kept of it, and no account is locked by us.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tandem_tests::http::{Answer, Body, call_with};
use tandem_tests::person::{Walked, Window, code_of};
use tandem_tests::server::Options;
use tandem_tests::stage::Stage;
use tandem_tests::{Person, SandboxProc, Tandem};
use tandem_types::{ActivationFailure as Cause, ApiError, InvalidField};
use tokio::net::TcpListener;
use url::Url;
use url::form_urlencoded::Serializer;

const SMALL: [&str; 4] = ["--contacts", "3", "--mailbox-contacts", "0"];

/// Failed logons at Exchange, of all logins.
async fn failed_logons(sandbox: &SandboxProc) -> Result<u64> {
    let counters = sandbox.get("/counters").await?;
    let by_login = counters["exchange"]["failed_logons"]
        .as_object()
        .context("no counts")?;
    Ok(by_login.values().filter_map(Value::as_u64).sum())
}

/// Grants that a user's Salesforce holds for us.
async fn grants(sandbox: &SandboxProc, username: &str) -> Result<usize> {
    let user = sandbox.get(&format!("/salesforce/users/{username}")).await?;
    Ok(user["grants"].as_array().context("no grants")?.len())
}

/// Whether any file in that folder holds those bytes.
fn holds(folder: &Path, needle: &str) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file()
            && std::fs::read(&path)?
                .windows(needle.len())
                .any(|w| w == needle.as_bytes())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One click on *Connect to Exchange*.
struct Click<'c> {
    login: &'c str,
    password: &'c str,
    url: &'c str,
}

impl Click<'_> {
    async fn by(&self, person: &Person) -> Result<Answer> {
        let fields = [
            ("login", self.login),
            ("password", self.password),
            ("ews_url", self.url),
        ];
        person.call("connect_exchange", &fields).await
    }

    /// Is refused with `error`, after exactly `failed` failed logons and with nothing kept. The requests that it cost
    /// Exchange and Autodiscover: service and operation.
    async fn refused(
        &self,
        stage: &Stage,
        person: &Person,
        error: ApiError,
        failed: u64,
    ) -> Result<Vec<String>> {
        let (before, since) = (failed_logons(&stage.sandbox).await?, stage.mark().await?);
        let what = format!("{} at {:?}", self.login, self.url);
        // Whoever clicked waits for it.
        let answer = tokio::time::timeout(Duration::from_secs(20), self.by(person))
            .await
            .with_context(|| format!("{what}: no answer"))??;
        ensure!(
            answer.status == StatusCode::UNPROCESSABLE_ENTITY,
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        let said: ApiError = serde_json::from_value(answer.json()?)?;
        ensure!(said == error, "{what}: {said:?} instead of {error:?}");
        let logons = failed_logons(&stage.sandbox).await? - before;
        ensure!(
            logons == failed,
            "{what}: {logons} failed logons instead of {failed}"
        );
        let connection = person.connection().await?;
        ensure!(
            connection["state"] == "not_activated"
                && connection["mailbox"].is_null()
                && connection["ask_activation"] == true
                && connection["next_due"].is_null(),
            "{what}: {connection:#}"
        );
        let entries = stage.sandbox.requests_since(since).await?;
        Ok(entries
            .iter()
            .filter(|e| e["service"] == "exchange" || e["service"] == "autodiscover")
            .map(|e| {
                format!(
                    "{} {}",
                    e["service"].as_str().unwrap_or(""),
                    e["operation"].as_str().unwrap_or("")
                )
            })
            .collect())
    }
}

fn activation(cause: Cause) -> ApiError {
    ApiError::Activation(cause)
}

#[tokio::test]
async fn what_cannot_be_an_exchange_server_is_told_by_its_cause_and_gets_no_password() -> Result<()> {
    let allowed = "localhost,mail.contoso.example,nowhere.invalid,outlook.office365.com".to_owned();
    let variables = vec![
        ("TANDEM_EWS_ALLOWED_HOSTS".to_owned(), allowed),
        ("TANDEM_LOG".to_owned(), "debug".to_owned()),
    ];
    let stage = Stage::set(
        &SMALL,
        &Options {
            variables,
            ..Options::default()
        },
    )
    .await?;
    let Stage {
        sandbox,
        tandem,
        nina,
        ..
    } = &stage;
    let info = &sandbox.info;
    let (login, password) = (
        nina.user.exchange_login.as_str(),
        nina.user.exchange_password.as_str(),
    );
    let at = |url: &'static str| Click { login, password, url };

    // What a form can be refused for without asking anybody.
    for (click, field) in [
        (
            Click {
                login: "",
                password,
                url: "",
            },
            InvalidField::Login,
        ),
        (
            Click {
                login: "  ",
                password,
                url: "",
            },
            InvalidField::Login,
        ),
        (
            Click {
                login: "nina\r\nX: y",
                password,
                url: "",
            },
            InvalidField::Login,
        ),
        (
            Click {
                login,
                password: "",
                url: "",
            },
            InvalidField::Password,
        ),
        (
            Click {
                login: "CONTOSO\\nina.berg",
                password,
                url: "",
            },
            InvalidField::EwsUrl,
        ),
        (at("https://mail contoso example"), InvalidField::EwsUrl),
    ] {
        let asked = click.refused(&stage, nina, ApiError::Invalid(field), 0).await?;
        ensure!(asked.is_empty(), "{asked:?}");
    }

    // Nobody is there.
    for url in [
        "https://nowhere.invalid",
        "https://localhost:1",
        "https://",
        "ftp://localhost",
    ] {
        let asked = at(url)
            .refused(&stage, nina, activation(Cause::Address), 0)
            .await?;
        ensure!(asked.is_empty(), "{url}: {asked:?}");
    }

    // Somebody else is there.
    let untrusted = info.untrusted_https.clone();
    let asked = Click {
        login,
        password,
        url: &untrusted,
    }
    .refused(&stage, nina, activation(Cause::Certificate), 0)
    .await?;
    ensure!(
        asked.is_empty(),
        "something was sent past a certificate that nobody trusts: {asked:?}"
    );
    let port = info.exchange.https.rsplit(':').next().context("no port")?;
    for url in [
        format!("{}/services/data", info.salesforce.https),
        info.salesforce.https.clone(),
        format!("{}/nothing/here", info.exchange.https),
    ] {
        let click = Click {
            login,
            password,
            url: &url,
        };
        click
            .refused(&stage, nina, activation(Cause::NotExchange), 0)
            .await?;
    }
    for url in [
        "https://outlook.office365.com/EWS/Exchange.asmx",
        "outlook.office365.com",
    ] {
        let asked = at(url)
            .refused(&stage, nina, activation(Cause::UseOffice365), 0)
            .await?;
        ensure!(asked.is_empty(), "{asked:?}");
    }

    // Not allowed: not one byte leaves, not even a connection is opened.
    let trap = TcpListener::bind("127.0.0.1:0").await?;
    let bare = "CONTOSO\\nina.berg";
    for url in [
        format!(
            "https://127.0.0.1:{}/EWS/Exchange.asmx",
            trap.local_addr()?.port()
        ),
        format!("https://127.0.0.1:{port}/EWS/Exchange.asmx"),
        "https://mail.fabrikam.example/EWS/Exchange.asmx".to_owned(),
        "http://mail.contoso.example/EWS/Exchange.asmx".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let click = Click {
            login: bare,
            password,
            url: &url,
        };
        let asked = click
            .refused(&stage, nina, activation(Cause::NotAllowed), 0)
            .await?;
        ensure!(asked.is_empty(), "{url}: {asked:?}");
    }
    let stranger = Click {
        login: "nina@fabrikam.example",
        password,
        url: "",
    };
    let asked = stranger
        .refused(&stage, nina, activation(Cause::NotAllowed), 0)
        .await?;
    ensure!(asked.is_empty(), "{asked:?}");
    // The login's own domain may be asked which server is its own, without the password.
    let trapped = format!("https://127.0.0.1:{}", trap.local_addr()?.port());
    let click = Click {
        login,
        password,
        url: &trapped,
    };
    let asked = click
        .refused(&stage, nina, activation(Cause::NotAllowed), 0)
        .await?;
    ensure!(
        asked.iter().all(|a| a == "autodiscover AutodiscoverV2"),
        "{asked:?}"
    );
    ensure!(
        trap.accept().now_or_never().is_none(),
        "a host that is not allowed was connected to"
    );

    // Autodiscover.
    for (mode, cause) in [
        ("circle", Cause::Address),
        ("off", Cause::Address),
        ("office365", Cause::UseOffice365),
    ] {
        sandbox
            .put("/exchange/autodiscover", &json!({ "mode": mode }))
            .await?;
        let requests = at("").refused(&stage, nina, activation(cause), 0).await?;
        ensure!(requests.len() <= 20, "{mode}: {requests:?}");
    }
    for (url, cause) in [
        (
            "https://outlook.office365.com/EWS/Exchange.asmx",
            Cause::UseOffice365,
        ),
        ("http://mail.contoso.example/EWS/Exchange.asmx", Cause::NotAllowed),
    ] {
        let settings = json!({ "mode": "v2", "ews_url": url });
        sandbox.put("/exchange/autodiscover", &settings).await?;
        at("").refused(&stage, nina, activation(cause), 0).await?;
    }
    sandbox
        .put("/exchange/autodiscover", &json!({ "mode": "v2" }))
        .await?;

    // Exchange is there and cannot now. The password does not even go out where the first, bare request fails.
    for fault in [
        json!({ "kind": "status", "code": 503 }),
        json!({ "kind": "status", "code": 429 }),
        json!({ "kind": "reset" }),
        json!({ "kind": "cut_body" }),
        json!({ "kind": "timeout_before", "ms": 200 }),
    ] {
        sandbox.fault("exchange", &fault).await?;
        at("")
            .refused(&stage, nina, activation(Cause::Unavailable), 0)
            .await
            .context(fault.to_string())?;
        sandbox.heal().await?;
    }

    // All of these together have cost no trial, and the password has gone nowhere.
    ensure!(
        !holds(tandem.folder(), password)?,
        "the password lies in a file of the server"
    );
    nina.connect_well().await?;
    ensure!(failed_logons(sandbox).await? == 0);
    ensure!(
        !holds(tandem.folder(), password)?,
        "the password is stored in the open"
    );
    Ok(())
}

#[tokio::test]
async fn a_refused_password_is_one_failed_logon_and_three_are_the_end() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let Stage {
        sandbox,
        tandem,
        nina,
        ..
    } = &stage;
    let users = sandbox.info.users.clone();
    ensure!(users.len() >= 3, "{}", users.len());
    let login = nina.user.exchange_login.as_str();
    let ews = sandbox.info.ews_url.clone();
    let wrong = "correct horse battery";
    let tomas = Person::sign_in(tandem, sandbox, &users[1]).await?;

    // Three, by whatever way and of whatever spelling; each of them is one failed logon.
    let shouted = login.to_uppercase();
    for (login, url) in [(login, ""), (login, ews.as_str()), (shouted.as_str(), "")] {
        let click = Click {
            login,
            password: wrong,
            url,
        };
        click.refused(&stage, nina, activation(Cause::Login), 1).await?;
    }
    // The fourth is not sent, though it is right; nor is one by somebody else.
    for person in [nina, &tomas] {
        let click = Click {
            login,
            password: &nina.user.exchange_password,
            url: &ews,
        };
        let asked = click
            .refused(&stage, person, activation(Cause::TooManyTrials), 0)
            .await?;
        ensure!(asked.is_empty(), "{asked:?}");
    }
    let mailbox = sandbox
        .get(&format!("/exchange/mailboxes/{}", nina.user.mailbox))
        .await?;
    ensure!(
        mailbox["locked"] == false && mailbox["failed_logons"] == 3,
        "{mailbox}"
    );
    for secret in [wrong, nina.user.exchange_password.as_str()] {
        ensure!(
            !holds(tandem.folder(), secret)?,
            "a refused password lies in a file of the server"
        );
    }

    // The login works, and opens no mailbox; the server is busy once it has the password. From other panes: this one has
    // had its three.
    let li = Person::sign_in(tandem, sandbox, &users[3]).await?;
    let ada = &users[2];
    let of_ada = format!("/exchange/mailboxes/{}", ada.mailbox);
    sandbox.put(&of_ada, &json!({ "no_mailbox": true })).await?;
    let click = Click {
        login: &ada.exchange_login,
        password: &ada.exchange_password,
        url: "",
    };
    click
        .refused(&stage, &li, activation(Cause::NoMailbox), 0)
        .await?;
    sandbox.put(&of_ada, &json!({ "no_mailbox": false })).await?;
    sandbox
        .fault("exchange", &json!({ "kind": "throttle", "ms": 60_000 }))
        .await?;
    click
        .refused(&stage, &li, activation(Cause::Unavailable), 0)
        .await?;
    sandbox.heal().await?;

    // A server for Autodiscover is no server for mail.
    let url = format!("{}/autodiscover/autodiscover.xml", sandbox.info.exchange.https);
    let own = &users[1];
    let click = Click {
        login: &own.exchange_login,
        password: &own.exchange_password,
        url: &url,
    };
    click
        .refused(&stage, &li, activation(Cause::NotExchange), 0)
        .await?;

    // A mailbox belongs to one.
    let other = Person::sign_in(tandem, sandbox, ada).await?;
    tomas.connect_well().await?;
    let before = tomas.connection().await?;
    let click = Click {
        login: &own.exchange_login,
        password: &own.exchange_password,
        url: "",
    };
    click
        .refused(&stage, &other, activation(Cause::MailboxTaken), 0)
        .await?;
    let after = tomas.connection().await?;
    ensure!(
        before["mailbox"] == after["mailbox"] && after["mailbox"]["address"] == own.mailbox.as_str(),
        "{after:#}"
    );
    Ok(())
}

#[tokio::test]
async fn three_trials_are_three_however_the_login_is_written() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let url = stage.sandbox.info.ews_url.clone();
    let wrong = |login| Click {
        login,
        password: "wrong",
        url: &url,
    };
    for login in [
        "nina.berg@contoso.example",
        "CONTOSO\\nina.berg",
        "nina.berg@contoso.example",
    ] {
        wrong(login)
            .refused(&stage, &stage.nina, activation(Cause::Login), 1)
            .await?;
    }
    let fourth = wrong("CONTOSO\\nina.berg");
    let asked = fourth
        .refused(&stage, &stage.nina, activation(Cause::TooManyTrials), 0)
        .await?;
    ensure!(asked.is_empty(), "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_given() -> Result<()> {
    let sandbox = SandboxProc::start(&SMALL).await?;
    // Win over the configuration of the tests.
    let mut options = Options {
        variables: vec![("TANDEM_NET_EXTRA_ROOTS".to_owned(), String::new())],
        ..Options::default()
    };
    let user = sandbox.info.users[0].clone();
    let tandem = Tandem::start(&sandbox, &options).await?;
    let nina = Person::sign_in(&tandem, &sandbox, &user).await?;
    let answer = nina
        .connect(&user.exchange_password, &sandbox.info.ews_url)
        .await?;
    let said: ApiError = serde_json::from_value(answer.json()?)?;
    ensure!(said == activation(Cause::Certificate), "{said:?}");
    drop(tandem);

    let authority = sandbox.info.ca_pem.display().to_string();
    options.serve_with = vec!["--ca-file".to_owned(), authority];
    let tandem = Tandem::start(&sandbox, &options).await?;
    let nina = Person::sign_in(&tandem, &sandbox, &user).await?;
    nina.connect_well().await?;
    drop(tandem);
    sandbox.stop().await
}

#[tokio::test]
async fn a_search_in_vain_is_told_step_by_step() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let off = json!({ "mode": "off" });
    stage.sandbox.put("/exchange/autodiscover", &off).await?;
    let click = Click {
        login: "nina.berg@contoso.example",
        password: "not-in-the-answer",
        url: "",
    };
    let answer = click.by(&stage.nina).await?;
    ensure!(
        answer.status == StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text()
    );
    let said: tandem_types::Refused = serde_json::from_value(answer.json()?)?;
    ensure!(said.error == activation(Cause::Address), "{said:?}");
    let asked: Vec<&str> = said.search.iter().map(|step| step.asked.as_str()).collect();
    ensure!(
        asked
            == [
                "https://contoso.example/autodiscover/autodiscover.json",
                "https://autodiscover.contoso.example/autodiscover/autodiscover.json",
                "https://contoso.example/autodiscover/autodiscover.xml",
                "https://autodiscover.contoso.example/autodiscover/autodiscover.xml",
                "http://autodiscover.contoso.example/autodiscover/autodiscover.xml",
                "DNS record _autodiscover._tcp.contoso.example",
            ],
        "{asked:#?}"
    );
    ensure!(said.search[0].answer == "answers 404 (Not Found)", "{said:?}");
    ensure!(!answer.text().contains("not-in-the-answer"));
    Ok(())
}

/// An account's names look nothing like each other; whoever tries them one after the other locks nobody out.
#[tokio::test]
async fn names_unlike_the_address_lock_nobody_out() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let sandbox = &stage.sandbox;
    let url = sandbox.info.ews_url.clone();
    let names = [
        "nberg",
        "CORP\\nberg2",
        "n.berg@corp.example",
        "nina.berg@contoso.example",
        "CONTOSO\\nina.berg",
    ];
    let mailbox = format!("/exchange/mailboxes/{}", stage.nina.user.mailbox);
    sandbox.put(&mailbox, &json!({ "logins": &names[..3] })).await?;
    for schemes in [json!(["ntlm"]), json!(["basic"])] {
        let settings = json!({ "schemes": schemes, "protection": "require" });
        sandbox.put("/exchange/sign-in", &settings).await?;
        for login in names {
            for password in ["wrong one", "wrong two"] {
                let click = Click {
                    login,
                    password,
                    url: &url,
                };
                let answer = click.by(&stage.nina).await?;
                ensure!(answer.status == StatusCode::UNPROCESSABLE_ENTITY, "{login}");
            }
        }
    }
    let counters = sandbox.get("/counters").await?;
    let most = counters["exchange"]["most_failed_in_row"].as_u64();
    // The sandbox locks after five.
    ensure!(most == Some(3), "{counters:#}");
    let state = sandbox.get(&mailbox).await?;
    ensure!(state["locked"] == false, "{state:#}");
    Ok(())
}

/// A request as anybody may make it.
struct Raw<'r> {
    method: Method,
    function: &'r str,
    headers: Vec<(&'r str, String)>,
    form: Vec<(&'r str, String)>,
}

impl<'r> Raw<'r> {
    /// As our own script sends it, with neither cookie nor bearer.
    fn ours(tandem: &Tandem, function: &'r str) -> Self {
        let headers = vec![
            ("origin", tandem.url.origin().ascii_serialization()),
            ("sec-fetch-site", "same-origin".to_owned()),
            ("tandem-request", "1".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        Self {
            method: Method::POST,
            function,
            headers,
            form: Vec::new(),
        }
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self
    }

    fn with(mut self, name: &'r str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn field(mut self, name: &'r str, value: &str) -> Self {
        self.form.push((name, value.to_owned()));
        self
    }

    async fn send(&self, tandem: &Tandem) -> Result<Answer> {
        let url = tandem.url.join(&format!("api/{}", self.function))?;
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let body = if self.method == Method::GET {
            Body::None
        } else {
            Body::Form(Serializer::new(String::new()).extend_pairs(&self.form).finish())
        };
        call_with(self.method.clone(), &url, &headers, body).await
    }
}

fn api_error(answer: &Answer) -> Result<ApiError> {
    Ok(serde_json::from_value(answer.json()?)?)
}

#[tokio::test]
async fn only_our_own_pages_give_orders_and_only_who_is_signed_in() -> Result<()> {
    let stage = Stage::set(&SMALL, &Options::default()).await?;
    let Stage {
        sandbox,
        tandem,
        nina,
        ..
    } = &stage;
    let tomas = Person::sign_in(tandem, sandbox, &sandbox.info.users[1].clone()).await?;
    let bearer = format!("Bearer {}", nina.bearer);
    let ask = || Raw::ours(tandem, "skip_activation");
    let with_cookie = || ask().with("cookie", &nina.cookie);
    // A plain form gets its token from the page; the page is shown to the cookie.
    let token = |answer: Answer| -> Result<String> {
        Ok(answer.json()?["form_token"]
            .as_str()
            .context("no token")?
            .to_owned())
    };
    let own = token(
        Raw::ours(tandem, "pane")
            .with("cookie", &nina.cookie)
            .send(tandem)
            .await?,
    )?;
    let others = token(
        Raw::ours(tandem, "pane")
            .with("cookie", &tomas.cookie)
            .send(tandem)
            .await?,
    )?;
    ensure!(own != others);

    let mut bad = Vec::new();
    for signed_in in [with_cookie(), ask().with("authorization", &bearer)] {
        let again = || Raw {
            method: Method::POST,
            function: signed_in.function,
            headers: signed_in.headers.clone(),
            form: Vec::new(),
        };
        bad.extend([
            again().without("origin"),
            again().with("origin", "https://evil.example"),
            again().with("origin", "null"),
            again().with("origin", tandem.url.as_str()),
            again().without("sec-fetch-site"),
            again().with("sec-fetch-site", "cross-site"),
            again().with("sec-fetch-site", "same-site"),
            again().without("tandem-request"),
            again().with("tandem-request", "0"),
            again().without("tandem-request").field("form_token", ""),
            again().without("tandem-request").field("form_token", &others),
            again()
                .without("tandem-request")
                .with("cookie", &tomas.cookie)
                .field("form_token", &own),
        ]);
    }
    for raw in bad {
        let answer = raw.send(tandem).await?;
        ensure!(
            answer.status == StatusCode::FORBIDDEN,
            "{:?} {:?}: {}",
            raw.headers,
            raw.form,
            answer.status
        );
        ensure!(api_error(&answer)? == ApiError::Forbidden, "{}", answer.text());
    }
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let mut raw = with_cookie();
        raw.method = method;
        let answer = raw.send(tandem).await?;
        ensure!(
            answer.status.is_client_error(),
            "{}: {}",
            raw.method,
            answer.status
        );
    }

    // Nobody, or nobody any more.
    let (body, seal) = nina.bearer.split_once('.').context("no seal")?;
    let flip = |text: &str| {
        let other = if text.starts_with('A') { 'B' } else { 'A' };
        format!("{other}{}", &text[1..])
    };
    for who in [
        String::new(),
        "Bearer ".to_owned(),
        "Bearer x".to_owned(),
        "Bearer .".to_owned(),
        format!("Bearer {}.{seal}", flip(body)),
        format!("Bearer {body}.{}", flip(seal)),
        format!("Bearer {body}."),
        format!("Bearer {body}A.{seal}"),
        format!("Basic {}", nina.bearer),
    ] {
        let answer = ask().with("authorization", &who).send(tandem).await?;
        ensure!(
            answer.status == StatusCode::UNAUTHORIZED,
            "{who}: {}",
            answer.status
        );
        ensure!(api_error(&answer)? == ApiError::SignedOut, "{}", answer.text());
        let renewed = Raw {
            function: "renew",
            ..ask().with("authorization", &who)
        }
        .send(tandem)
        .await?;
        ensure!(
            renewed.status == StatusCode::UNAUTHORIZED,
            "{who}: {}",
            renewed.status
        );
        let pane = Raw {
            function: "pane",
            ..ask().with("authorization", &who)
        }
        .send(tandem)
        .await?;
        ensure!(pane.json()?["viewer"].is_null(), "{}", pane.text());
    }
    let forged = ask()
        .with("cookie", &flip(&nina.cookie.replace("__Host-tandem=", "")))
        .send(tandem)
        .await?;
    ensure!(forged.status == StatusCode::UNAUTHORIZED, "{}", forged.status);
    for function in [
        "connect_exchange",
        "release",
        "hold",
        "sync_now",
        "pause",
        "start",
        "deactivate",
        "sign_out",
        "ticket",
    ] {
        let raw = Raw::ours(tandem, function)
            .field("login", "a@contoso.example")
            .field("password", "x");
        let answer = raw.send(tandem).await?;
        ensure!(
            answer.status == StatusCode::UNAUTHORIZED,
            "{function}: {} {}",
            answer.status,
            answer.text()
        );
    }
    let events = tandem_tests::http::get(&tandem.url.join("events?ticket=x")?).await?;
    ensure!(events.status.is_client_error(), "{}", events.status);

    // Too much.
    let long = "x".repeat(65 * 1024);
    let answer = with_cookie()
        .field("form_token", &own)
        .field("more", &long)
        .send(tandem)
        .await?;
    ensure!(
        answer.status == StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.status
    );
    let answer = ask().field("more", &long).send(tandem).await?;
    ensure!(
        answer.status == StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        answer.status
    );

    // All of that has done nothing; what our own pages send does.
    for person in [nina, &tomas] {
        ensure!(person.connection().await?["skipped"] == false);
    }
    let done = with_cookie()
        .without("tandem-request")
        .field("form_token", &own)
        .send(tandem)
        .await?;
    ensure!(
        done.status.is_success() || done.status.is_redirection(),
        "{} {}",
        done.status,
        done.text()
    );
    ensure!(nina.connection().await?["skipped"] == true);
    ensure!(tomas.connection().await?["skipped"] == false);
    // A bearer ends with its session.
    nina.order("sign_out", &[]).await?;
    let answer = nina.call("sync_now", &[]).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{}", answer.status);
    ensure!(with_cookie().send(tandem).await?.status == StatusCode::UNAUTHORIZED);
    Ok(())
}

const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn at_callback(at: &Url) -> bool {
    at.path() == "/auth/callback"
}

/// Signs in as far as to Salesforce's answer; the address that it sends the window to.
async fn until_callback(window: &mut Window, stage: (&Tandem, &SandboxProc), user: usize) -> Result<Url> {
    let (tandem, sandbox) = stage;
    let user = &sandbox.info.users[user];
    match window
        .walk(Window::start(tandem, NONCE)?, sandbox, user, at_callback)
        .await?
    {
        Walked::Stopped(at) => Ok(at),
        Walked::Page(answer) => anyhow::bail!("{}", answer.text()),
    }
}

/// The last page of a sign-in.
async fn last_page(tandem: &Tandem, sandbox: &SandboxProc, user: usize) -> Result<Answer> {
    let start = Window::start(tandem, NONCE)?;
    match Window::default()
        .walk(start, sandbox, &sandbox.info.users[user], |_| false)
        .await?
    {
        Walked::Page(answer) => Ok(answer),
        Walked::Stopped(at) => anyhow::bail!("stopped at {at}"),
    }
}

fn expired(answer: &Answer) -> Result<()> {
    ensure!(
        answer.status == StatusCode::BAD_REQUEST,
        "{} {}",
        answer.status,
        answer.text()
    );
    ensure!(
        answer
            .text()
            .contains("started too long ago, or in another window"),
        "{}",
        answer.text()
    );
    ensure!(code_of(&answer.text()).is_none());
    Ok(())
}

async fn hand_over(tandem: &Tandem, code: &str, nonce: &str) -> Result<Answer> {
    let url = tandem.url.join("api/handover")?;
    let origin = tandem.url.origin().ascii_serialization();
    let headers = [
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("tandem-request", "1"),
    ];
    let body = json!({ "code": code, "nonce": nonce }).to_string();
    call_with(Method::POST, &url, &headers, Body::Json(body)).await
}

#[tokio::test]
async fn a_sign_in_that_is_not_allowed_or_not_ones_own_leaves_nothing() -> Result<()> {
    let sandbox = SandboxProc::start(&SMALL).await?;
    let tandem = Tandem::start(&sandbox, &Options::default()).await?;
    let here = (&tandem, &sandbox);
    let name = |user: usize| sandbox.info.users[user].salesforce_username.clone();
    let connections = async |tandem: &Tandem| tandem.read(&["connection", "list"]).await;

    // A state that nobody gave, or none.
    for query in [
        "",
        "?code=x",
        "?state=x&code=x",
        "?state=&code=",
        "?error=access_denied",
    ] {
        expired(
            &Window::default()
                .get(&tandem.url.join(&format!("auth/callback{query}"))?)
                .await?,
        )?;
    }
    for query in ["", "?challenge=", "?challenge=zz", "?challenge=0A"] {
        expired(
            &Window::default()
                .get(&tandem.url.join(&format!("auth/start{query}"))?)
                .await?,
        )?;
    }
    // Another window's: without the cookie of the one that began, and the state is used up by that.
    let mut window = Window::default();
    let callback = until_callback(&mut window, here, 2).await?;
    expired(&Window::default().get(&callback).await?)?;
    expired(&window.get(&callback).await?)?;
    // A stranger's code in one's own window.
    let mut stranger = Window::default();
    let theirs = until_callback(&mut stranger, here, 1).await?;
    let mut window = Window::default();
    until_callback(&mut window, here, 2).await?;
    expired(&window.get(&theirs).await?)?;
    // The user says no.
    let mut window = Window::default();
    let callback = until_callback(&mut window, here, 2).await?;
    let state = callback
        .query_pairs()
        .find(|(n, _)| n == "state")
        .context("no state")?
        .1
        .into_owned();
    let mut denied = tandem.url.join("auth/callback")?;
    denied
        .query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("state", &state);
    let answer = window.get(&denied).await?;
    ensure!(
        answer.status == StatusCode::FORBIDDEN && answer.text().contains("cancelled"),
        "{}",
        answer.text()
    );
    expired(&window.get(&callback).await?)?;
    let listed = connections(&tandem).await?;
    ensure!(listed.contains("0 connections"), "{listed}");

    // A user who may not use the API.
    sandbox
        .put(
            &format!("/salesforce/users/{}", name(2)),
            &json!({ "api_enabled": false }),
        )
        .await?;
    let answer = last_page(&tandem, &sandbox, 2).await?;
    ensure!(
        answer.status == StatusCode::FORBIDDEN,
        "{} {}",
        answer.status,
        answer.text()
    );
    ensure!(
        answer.text().contains("no permission to use the API"),
        "{}",
        answer.text()
    );
    ensure!(code_of(&answer.text()).is_none());
    ensure!(
        grants(&sandbox, &name(2)).await? == 0,
        "a grant that nobody uses was left there"
    );
    // An organisation that nobody allowed, and nobody allowed at all.
    for allowed in ["00D000000000001AAA", ""] {
        let variables = vec![("TANDEM_SALESFORCE_ALLOWED_ORGS".to_owned(), allowed.to_owned())];
        let strict = Tandem::start(
            &sandbox,
            &Options {
                variables,
                ..Options::default()
            },
        )
        .await?;
        let answer = last_page(&strict, &sandbox, 1).await?;
        ensure!(
            answer.status == StatusCode::FORBIDDEN,
            "{} {}",
            answer.status,
            answer.text()
        );
        ensure!(
            answer.text().contains("organisation is not allowed"),
            "{}",
            answer.text()
        );
        ensure!(
            grants(&sandbox, &name(1)).await? == 0,
            "a grant that nobody uses was left there"
        );
        let listed = connections(&strict).await?;
        ensure!(listed.contains("0 connections"), "{listed}");
    }

    // A callback works once; its code is one pane's, once.
    let mut window = Window::default();
    let callback = until_callback(&mut window, here, 0).await?;
    let Walked::Page(answer) = window
        .walk(callback.clone(), &sandbox, &sandbox.info.users[0], |_| false)
        .await?
    else {
        anyhow::bail!("stopped");
    };
    let page = answer.text();
    let code = code_of(&page).with_context(|| page.clone())?;
    ensure!(grants(&sandbox, &name(0)).await? == 1);
    expired(&window.get(&callback).await?)?;
    let other = NONCE.replace('0', "f");
    let refused = hand_over(&tandem, code, &other).await?;
    ensure!(refused.status == StatusCode::FORBIDDEN, "{}", refused.status);
    ensure!(
        api_error(&refused)? == ApiError::Invalid(InvalidField::Code),
        "{}",
        refused.text()
    );
    ensure!(!refused.headers.contains_key(header::SET_COOKIE));
    let good = hand_over(&tandem, code, NONCE).await?;
    ensure!(good.status == StatusCode::OK, "{} {}", good.status, good.text());
    let again = hand_over(&tandem, code, NONCE).await?;
    ensure!(again.status == StatusCode::FORBIDDEN, "{}", again.status);
    // The digits of the same page are a second code for the same pane; guessed wrong five times, not any more.
    let digits: String = page
        .split(|c: char| !c.is_ascii_digit())
        .find(|run| run.len() == 6)
        .context("no digits")?
        .to_owned();
    for n in 0..5 {
        let wrong = format!("{:06}", (digits.parse::<u32>()? + n + 1) % 1_000_000);
        let refused = hand_over(&tandem, &wrong, NONCE).await?;
        // The code that was used up may count as one of them.
        let out = n == 4 && refused.status == StatusCode::TOO_MANY_REQUESTS;
        ensure!(
            out || refused.status == StatusCode::FORBIDDEN,
            "{n}: {}",
            refused.status
        );
    }
    let late = hand_over(&tandem, &digits, NONCE).await?;
    ensure!(
        late.status == StatusCode::TOO_MANY_REQUESTS,
        "{} {}",
        late.status,
        late.text()
    );
    ensure!(
        matches!(api_error(&late)?, ApiError::TooOften(_)),
        "{}",
        late.text()
    );
    ensure!(!late.headers.contains_key(header::SET_COOKIE));
    Ok(())
}

/// What `tandem doctor` says, and whether it is content.
async fn doctor(tandem: &Tandem) -> Result<(bool, String)> {
    let output = tandem.run(&["doctor"]).await?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}\n{text}",
        output.status
    );
    Ok((output.status.success(), text))
}

#[tokio::test]
async fn the_doctor_explains_all_that_is_wrong_at_once() -> Result<()> {
    let sandbox = SandboxProc::start(&SMALL).await?;
    let with = |variables: &[(&str, &str)]| {
        let variables = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Tandem::prepare(
            &sandbox,
            &Options {
                variables,
                ..Options::default()
            },
        )
    };
    // Well, before the first start and beside a running server.
    let mut tandem = with(&[])?;
    let (well, said) = doctor(&tandem).await?;
    ensure!(well && !said.contains("WRONG"), "{said}");
    tandem.start_again().await?;
    let (well, said) = doctor(&tandem).await?;
    ensure!(
        well && said.contains("up to date") && said.contains("Salesforce"),
        "{said}"
    );
    ensure!(!said.contains(&sandbox.info.client.secret), "{said}");
    ensure!(
        said.contains("clock: as Salesforce's") && said.contains("Microsoft Graph"),
        "{said}"
    );

    // One connection, as *Test connection* does it; no step of it is a guess.
    let nina = Person::sign_in(&tandem, &sandbox, &sandbox.nina().clone()).await?;
    let id = nina.connection_id().await?;
    let of = async |id: &str| {
        let output = tandem.run(&["doctor", "--connection", id]).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        anyhow::Ok((output.status.success(), said))
    };
    let (well, said) = of(&id).await?;
    ensure!(!well && said.contains("its mailbox: The server’s name"), "{said}");
    nina.connect_well().await?;
    let (well, said) = of(&id).await?;
    ensure!(
        well && said.contains("its mailbox can be opened") && said.contains("its Salesforce can be opened"),
        "{said}"
    );
    let away = json!({ "kind": "reset" });
    sandbox.fault("exchange", &away).await?;
    let (well, said) = of(&id).await?;
    ensure!(
        !well
            && said.contains("its mailbox: Something answers there")
            && said.contains("its Salesforce can be opened"),
        "{said}"
    );
    sandbox.heal().await?;

    // Everything at once, each with its key.
    let many = with(&[
        ("TANDEM_PUBLIC_URL", "http://tandem.example.com"),
        ("TANDEM_LISTEN", "everywhere"),
        ("TANDEM_DATABASE", "mysql://localhost/tandem"),
        ("TANDEM_WORKER_SESSIONS", "513"),
        ("TANDEM_WORKER_LEASE_SECONDS", "1"),
        ("TANDEM_WORKER_ORG_SESSIONS", "0"),
        ("TANDEM_WORKER_MAIL_HOST_SESSIONS", "10001"),
        ("TANDEM_SALESFORCE_CLIENT_ID", ""),
        ("TANDEM_SALESFORCE_ALLOWED_ORGS", "contoso"),
        ("TANDEM_SALESFORCE_LOGIN_HOSTS", "http://login.salesforce.com"),
    ])?;
    let (well, said) = doctor(&many).await?;
    ensure!(!well, "{said}");
    for key in [
        "public_url",
        "listen",
        "database",
        "worker.sessions",
        "worker.lease_seconds",
        "worker.org_sessions",
        "worker.mail_host_sessions",
        "salesforce.client_id",
        "salesforce.allowed_orgs",
        "salesforce.login_hosts",
    ] {
        ensure!(
            said.lines().any(|l| l.contains("WRONG") && l.contains(key)),
            "{key} is missing in\n{said}"
        );
    }
    // The server does not start with it either, and says the same.
    let served = many.run(&["serve"]).await?;
    let why = String::from_utf8_lossy(&served.stderr).into_owned();
    ensure!(
        !served.status.success() && why.contains("public_url") && why.contains("worker.sessions"),
        "{why}"
    );

    // One by one: what cannot be seen from the configuration alone.
    let nobody = tempfile::tempdir()?;
    let empty = nobody.path().display().to_string();
    for (variable, value, expected) in [
        (
            "TANDEM_SALESFORCE_LOGIN_HOSTS",
            "http://localhost:1",
            "cannot be reached",
        ),
        (
            "TANDEM_SALESFORCE_LOGIN_HOSTS",
            sandbox.info.untrusted_https.as_str(),
            "certificate that is not trusted",
        ),
        ("TANDEM_NET_ALLOW_LOOPBACK", "false", "net.allow_loopback"),
        ("TANDEM_SITE_ROOT", empty.as_str(), "site_root"),
        (
            "TANDEM_DATABASE",
            "postgres://nobody@localhost:1/none",
            "database",
        ),
        ("TANDEM_MASTER_KEY_FILE", "/dev/null", "key"),
        ("TANDEM_NET_EXTRA_ROOTS", "/nowhere/ca.pem", "net.extra_roots"),
        ("TANDEM_COLOUR", "green", "there is no such setting"),
        ("TANDEM_NET_ALLOW_PRIVATE", "perhaps", "must be true or false"),
    ] {
        let (well, said) = doctor(&with(&[(variable, value)])?).await?;
        let told = said.lines().any(|l| l.contains("WRONG") && l.contains(expected));
        ensure!(!well && told, "{variable}={value}: {said}");
        ensure!(!said.contains(&sandbox.info.client.secret), "{said}");
    }
    // A key that there is not, and a file that is no TOML.
    for (line, expected) in [("colour = \"green\"\n", "colour"), ("= =\n", "TOML")] {
        let broken = with(&[])?;
        let path = broken.folder().join("tandem.toml");
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, format!("{line}{text}"))?;
        let (well, said) = doctor(&broken).await?;
        ensure!(!well && said.contains(expected), "{said}");
    }
    // What only limits is told, and is no fault.
    let (well, said) = doctor(&with(&[("TANDEM_SALESFORCE_ALLOWED_ORGS", "")])?).await?;
    ensure!(well && said.contains("LIMITED salesforce.allowed_orgs"), "{said}");
    Ok(())
}
