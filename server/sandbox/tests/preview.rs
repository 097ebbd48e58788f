//! The browser preview and Salesforce's record pages over real sockets, as a browser without script uses them.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as the tests do")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tandem_sandbox::{Options, Sandbox};

/// A sandbox and one browser that follows redirects.
struct World {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    cookies: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Got {
    status: u16,
    /// Where it ended.
    path: String,
    policy: String,
    text: String,
}

impl Got {
    /// What the pane is told is open.
    fn item(&self) -> Value {
        let at = self.text.find("id=\"item\">").unwrap() + 10;
        let end = self.text[at..].find("</script>").unwrap();
        serde_json::from_str(&self.text[at..at + end]).unwrap()
    }

    /// All values of `href` that start so.
    fn links(&self, start: &str) -> Vec<String> {
        let all = self.text.split("href=\"").skip(1);
        all.filter_map(|rest| rest.split('"').next())
            .filter(|link| link.starts_with(start))
            .map(str::to_owned)
            .collect()
    }

    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(
            self.text.contains(text),
            "no {text:?} at {}:\n{}",
            self.path,
            self.text
        );
        self
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

impl World {
    async fn open(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        Self {
            sandbox,
            client,
            cookies: Mutex::default(),
        }
    }

    async fn mailboxes() -> Self {
        Self::open(Options {
            messages: 9,
            events: 8,
            pane: Some("http://localhost:7433/".to_owned()),
            ..Options::default()
        })
        .await
    }

    async fn send(&self, method: &str, url: &str, body: &str, origin: Option<&str>) -> Got {
        let (mut method, mut url, mut body) = (method.to_owned(), url.to_owned(), body.to_owned());
        loop {
            let cookies: Vec<String> = self
                .cookies
                .lock()
                .unwrap()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mut request = http::Request::builder()
                .method(method.as_str())
                .uri(&url)
                .header("cookie", cookies.join("; "));
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let request = request.body(Full::new(Bytes::from(body.clone()))).unwrap();
            let (parts, content) = self.client.request(request).await.unwrap().into_parts();
            for cookie in parts.headers.get_all("set-cookie") {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies
                    .lock()
                    .unwrap()
                    .insert(name.to_owned(), value.to_owned());
            }
            let text = content.collect().await.unwrap().to_bytes();
            if let Some(to) = parts.headers.get("location") {
                url = url::Url::parse(&url)
                    .unwrap()
                    .join(to.to_str().unwrap())
                    .unwrap()
                    .into();
                "GET".clone_into(&mut method);
                body.clear();
                continue;
            }
            let policy = parts.headers.get("content-security-policy");
            return Got {
                status: parts.status.as_u16(),
                path: url::Url::parse(&url).unwrap().path().to_owned(),
                policy: policy.map_or_else(String::new, |p| p.to_str().unwrap().to_owned()),
                text: String::from_utf8_lossy(&text).into_owned(),
            };
        }
    }

    async fn get(&self, path: &str) -> Got {
        let url = format!("{}{path}", self.sandbox.info().preview.http);
        self.send("GET", &url, "", None).await
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Got {
        let base = self.sandbox.info().preview.http.clone();
        self.send("POST", &format!("{base}{path}"), &form(pairs), Some(&base))
            .await
    }

    async fn rpc(&self, asked: Value) -> Value {
        let base = self.sandbox.info().preview.http.clone();
        let url = format!("{base}/rpc");
        let got = self.send("POST", &url, &asked.to_string(), Some(&base)).await;
        serde_json::from_str(&got.text).unwrap()
    }

    fn colleague(&self) -> String {
        self.sandbox.info().users[1].mailbox.clone()
    }
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_message_is_read_and_told_to_the_pane() {
    let world = World::mailboxes().await;
    let inbox = world.get("/").await;
    assert_eq!(inbox.path, "/mail/inbox");
    inbox.has("Inbox").has("id=\"pane\"");
    assert_eq!(inbox.item(), Value::Null);
    assert!(
        inbox.policy.contains("frame-src http://localhost:7433;"),
        "{}",
        inbox.policy
    );
    let unread = inbox.text.matches("class=\"unread\"").count();
    assert!(unread > 0, "nothing is unread");

    let at = inbox.text.find("class=\"unread\"").unwrap();
    let before = &inbox.text[..at];
    let link = before
        .rsplit("href=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let opened = world.get(link).await;
    let item = opened.item();
    assert_eq!(field(&item, "mode"), "read");
    assert_eq!(field(&item, "itemType"), "message");
    // As Office.js writes ids: not as they stand in addresses.
    let id = link.rsplit('/').next().unwrap();
    assert_eq!(field(&item, "itemId"), id.replace('-', "/").replace('_', "+"));
    assert!(field(&item, "internetMessageId").starts_with('<'), "{item:#}");
    assert!(field(&item["from"], "emailAddress").contains('@'), "{item:#}");
    assert_eq!(item["owner"], Value::Null);
    assert_eq!(opened.text.matches("class=\"unread\"").count(), unread - 1);

    // The same again, for it is read now: looking changes nothing more.
    let pulse = world.get("/pulse").await.text;
    world.get(link).await;
    assert_eq!(world.get("/pulse").await.text, pulse);
}

#[tokio::test]
async fn a_mail_is_sent_with_its_file_and_answered() {
    let world = World::mailboxes().await;
    let colleague = world.colleague();
    let fresh = world.get("/new/mail").await;
    assert_eq!(field(&fresh.item(), "mode"), "compose");
    assert_eq!(fresh.item()["itemId"], Value::Null);
    let sent = world
        .post(
            "/send",
            &[
                ("to", &format!("Tom <{colleague}>")),
                ("subject", "Preview Ω"),
                ("body", "Hello\r\nthere"),
                ("categories", "[\"Salesforce\"]"),
                ("headers", "{\"x-tandem\":\"order-7\"}"),
                (
                    "attachments",
                    &json!([{ "name": "offer.txt", "contentType": "text/plain", "content": "T2ZmZXI=" }])
                        .to_string(),
                ),
                ("id", ""),
                ("do", "send"),
            ],
        )
        .await;
    assert_eq!(sent.path, "/mail/sentitems");
    sent.has("Preview Ω").has("Salesforce");

    // The other one has it, and answers.
    let inbox = world.get(&format!("/?user={colleague}")).await;
    inbox.has("Preview Ω");
    let link = &inbox.links("/mail/inbox/")[0];
    let mail = world.get(link).await;
    mail.has("offer.txt").has("Hello");
    let attachment = mail.item()["attachments"][0]["id"].as_str().unwrap().to_owned();
    let asked = json!({ "name": "attachment", "kind": "messages", "item": mail.item()["itemId"], "given": [attachment] });
    assert_eq!(world.rpc(asked).await["value"]["content"], "T2ZmZXI=");
    let id = link.rsplit('/').next().unwrap().to_owned();
    let answer = world.get(&format!("/new/mail?reply={id}")).await;
    answer.has("Re: Preview Ω").has("&gt; Hello");
    let sent = world
        .post(
            "/send",
            &[
                ("to", "nina.berg@contoso.example"),
                ("subject", "Re: Preview Ω"),
                ("reply", &id),
                ("do", "send"),
            ],
        )
        .await;
    let own = &sent.links("/mail/sentitems/")[0];
    assert_eq!(
        world.get(own).await.item()["conversationId"],
        mail.item()["conversationId"],
        "an answer begins no conversation"
    );
}

#[tokio::test]
async fn categories_are_those_of_the_mailbox() {
    let world = World::mailboxes().await;
    let inbox = world.get("/").await;
    let opened = world.get(&inbox.links("/mail/inbox/")[0]).await;
    let item = opened.item()["itemId"].clone();
    let ask = async |name: &str, given: Value| {
        world
            .rpc(json!({ "name": name, "kind": "messages", "item": item, "given": given }))
            .await
    };
    // Office refuses what is not in the master list.
    let refused = ask("categories.add", json!([["Salesforce"]])).await;
    assert_eq!(refused["error"]["name"], "InvalidCategory", "{refused}");
    let made = ask(
        "masterCategories.add",
        json!([[{ "displayName": "Salesforce", "color": "Preset7" }]]),
    )
    .await;
    assert_eq!(made["error"], Value::Null, "{made}");
    let again = ask("masterCategories.add", json!([[{ "displayName": "Salesforce" }]])).await;
    assert_eq!(again["error"]["name"], "DuplicateCategory");
    ask("categories.add", json!([["Salesforce"]])).await;
    let own = ask("categories.get", json!([])).await;
    assert_eq!(
        own["value"],
        json!([{ "displayName": "Salesforce", "color": "Preset7" }])
    );
    world
        .get(&inbox.links("/mail/inbox/")[0])
        .await
        .has("chip preset7");
    ask("categories.remove", json!([["Salesforce"]])).await;
    assert_eq!(ask("categories.get", json!([])).await["value"], json!([]));
}

#[tokio::test]
async fn a_meeting_is_made_and_accepted() {
    let world = World::mailboxes().await;
    let colleague = world.colleague();
    let day = "2031-05-06";
    let made = world
        .post(
            "/meet",
            &[
                ("subject", "Kick-off"),
                ("required", &colleague),
                ("start", &format!("{day}T10:00")),
                ("end", &format!("{day}T11:30")),
                ("location", "Raum 4"),
                ("categories", "[]"),
            ],
        )
        .await;
    assert!(
        made.path.starts_with(&format!("/calendar/{day}/")),
        "{}",
        made.path
    );
    // Its organizer writes on it.
    assert_eq!(field(&made.item(), "mode"), "compose");
    made.has("value=\"2031-05-06T10:00\"").has("from-40 to-46 lane-0");

    let inbox = world.get(&format!("/?user={colleague}")).await;
    inbox.has("Kick-off");
    let invitation = world.get(&inbox.links("/mail/inbox/")[0]).await;
    assert_eq!(
        field(&invitation.item(), "itemClass"),
        "IPM.Schedule.Meeting.Request"
    );
    let after = invitation
        .text
        .split("name=\"event\" value=\"")
        .nth(1)
        .expect("no answer");
    let event = after.split('"').next().unwrap().to_owned();
    let accepted = world
        .post("/do/respond", &[("event", &event), ("answer", "accept")])
        .await;
    assert!(
        accepted.path.starts_with(&format!("/calendar/{day}/")),
        "{}",
        accepted.path
    );
    accepted.has("Accept ✓");
    let item = accepted.item();
    assert_eq!(field(&item, "mode"), "read");
    assert_eq!(
        field(&item["organizer"], "emailAddress"),
        "nina.berg@contoso.example"
    );
    // The answer comes to its organizer.
    world.get("/?user=nina.berg@contoso.example").await;
    let day = world.get(&format!("/calendar/{day}")).await;
    let own = world.get(&day.links("/calendar/2031-05-06/")[0]).await;
    assert_eq!(own.item()["required"][0]["appointmentResponse"], "accepted");
}

#[tokio::test]
async fn what_is_moved_and_deleted_is_gone_from_where_it_was() {
    let world = World::mailboxes().await;
    let before = world.get("/mail/inbox").await.links("/mail/inbox/");
    let id = before[0].rsplit('/').next().unwrap();
    let moved = world.post("/do/move", &[("id", id), ("to", "junkemail")]).await;
    assert!(moved.path.starts_with("/mail/junkemail/"), "{}", moved.path);
    let id = before[1].rsplit('/').next().unwrap();
    world
        .post(
            "/do/delete",
            &[("kind", "messages"), ("id", id), ("folder", "inbox")],
        )
        .await;
    assert_eq!(
        world.get("/mail/inbox").await.links("/mail/inbox/").len(),
        before.len() - 2
    );
    let gone = world.get(&before[1]).await;
    assert_eq!(gone.status, 404);
    gone.has("That did not work");
}

#[tokio::test]
async fn a_shared_mailbox_says_whose_it_is_in_the_language_chosen() {
    let world = World::mailboxes().await;
    let colleague = world.colleague();
    let inbox = world
        .post(
            "/view",
            &[("owner", &colleague), ("lang", "de-DE"), ("server", "exchange")],
        )
        .await;
    inbox.has("Posteingang").has("de-DE%24preview");
    let opened = world.get(&inbox.links("/mail/inbox/")[0]).await;
    assert_eq!(field(&opened.item(), "owner"), colleague);
    opened
        .has("\"address\":\"nina.berg@contoso.example\"")
        .has("\"mailboxSet\":5");
}

#[tokio::test]
async fn another_site_neither_acts_nor_is_framed() {
    let world = World::mailboxes().await;
    let before = world.get("/mail/inbox").await.links("/mail/inbox/").len();
    let url = format!("{}/do/delete", world.sandbox.info().preview.http);
    let id = world.get("/mail/inbox").await.links("/mail/inbox/")[0].clone();
    let body = form(&[("kind", "messages"), ("id", id.rsplit('/').next().unwrap())]);
    let refused = world
        .send("POST", &url, &body, Some("https://evil.example"))
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(world.get("/mail/inbox").await.links("/mail/inbox/").len(), before);
    let page = world.get("/?pane=https%3A%2F%2Fevil.example%2F").await;
    assert!(!page.text.contains("evil.example") && !page.policy.contains("evil.example"));
    for away in ["//evil.example/", "/\\evil.example/", "https://evil.example/"] {
        let page = world.post("/view", &[("lang", "en-US"), ("to", away)]).await;
        assert_eq!(page.path, "/mail/inbox", "{away}");
    }
    // In `localhost` the pane would be of the same site.
    let same = world
        .sandbox
        .info()
        .preview
        .http
        .replace("127.0.0.1", "localhost");
    let moved = world.send("GET", &format!("{same}/mail/inbox"), "", None).await;
    assert_eq!(moved.status, 200);
}

#[tokio::test]
async fn a_record_is_shown_changed_deleted_and_brought_back() {
    let world = World::open(Options {
        crm_tasks: 4,
        ..Options::default()
    })
    .await;
    let base = world.sandbox.info().salesforce.http.clone();
    let list = world
        .send("GET", &format!("{base}/lightning/o/Contact/list"), "", None)
        .await;
    let link = list.links("/lightning/r/Contact/")[0].clone();
    let url = format!("{base}{link}");
    let page = world.send("GET", &url, "", None).await;
    page.has("<h2>Details</h2>").has("id=\"i-LastName\"");
    let save = |name: &str| form(&[("LastName", name), ("do", "save")]);
    let foreign = world
        .send("POST", &url, &save("Evil"), Some("https://evil.example"))
        .await;
    assert_eq!(foreign.status, 403);
    let saved = world.send("POST", &url, &save("Ωmega"), Some(&base)).await;
    saved.has("Ωmega</h1>");
    // A refusal is told in Salesforce's words.
    let refused = world.send("POST", &url, &save(""), Some(&base)).await;
    assert_eq!(refused.status, 400);
    refused.has("class=\"said\"");
    let act = |what: &str| form(&[("do", what)]);
    world
        .send("POST", &url, &act("delete"), Some(&base))
        .await
        .has("in the recycle bin");
    let back = world.send("POST", &url, &act("undelete"), Some(&base)).await;
    assert!(!back.text.contains("in the recycle bin"));
    // By the id alone, as links have it.
    let id = link.split('/').nth(4).unwrap();
    world
        .send("GET", &format!("{base}/{id}"), "", None)
        .await
        .has("Ωmega</h1>");
    assert_eq!(
        world
            .send("GET", &format!("{base}/003000000000000AAA"), "", None)
            .await
            .status,
        404
    );
}
