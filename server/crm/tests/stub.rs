//! The connector against scripted answers: what a well-behaved server cannot be made to say.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use support::{TestClock, loopback_net, platform};
use tandem_crm::{Access as Token, Account, Grants, Platform, Salesforce};
use tandem_sync::model::{
    Access, Candidate, Change, Cursor, Field, FieldValue, ItemId, Kinds, LinkKey, MatchKey, Outcome, Record,
    Scope, Version, Want, Window, Write,
};
use tandem_sync::ports::Endpoint as _;
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, IssueCode, ItemKind, Settings, Timestamp};
use tokio::net::TcpListener;
use url::Url;

/// One request, or one sub-request of a composite.
#[derive(Clone, Debug)]
struct Asked {
    method: String,
    /// Without the API's base.
    path: String,
    body: Value,
    token: String,
}

impl Asked {
    fn soql(&self) -> String {
        let Some((_, q)) = self.path.split_once("?q=") else {
            return String::new();
        };
        let form = format!("q={q}");
        let pair = url::form_urlencoded::parse(form.as_bytes()).next();
        pair.unwrap().1.into_owned()
    }

    fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path.split('?').next() == Some(path)
    }
}

type Script = Box<dyn FnMut(&Asked) -> (u16, Value) + Send>;

/// A Salesforce whose every answer is scripted; composites are taken apart.
struct Stub {
    url: Url,
    /// HTTP requests, as method and path.
    http: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Stub {
    async fn start(script: impl FnMut(&Asked) -> (u16, Value) + Send + 'static) -> Self {
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let http = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen_http, seen) = (Arc::clone(&http), Arc::clone(&asked));
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (script, http, asked) = (Arc::clone(&script), Arc::clone(&http), Arc::clone(&asked));
            async move {
                let token = headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
                let path = uri.path_and_query().unwrap().as_str().to_owned();
                let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
                http.lock().unwrap().push(format!("{method} {}", uri.path()));
                let one = |method: &str, path: &str, body: &Value| {
                    let request = Asked {
                        method: method.to_owned(),
                        path: path.trim_start_matches("/services/data/v67.0/").to_owned(),
                        body: body.clone(),
                        token: token.clone(),
                    };
                    asked.lock().unwrap().push(request.clone());
                    (script.lock().unwrap())(&request)
                };
                let (status, answer) = if path == "/services/data" {
                    (200, json!([{"version": "67.0"}, {"version": "66.0"}]))
                } else if path.ends_with("/composite") {
                    let whole = one("POST", &path, &body);
                    if whole.0 != 0 {
                        whole
                    } else {
                        assert_eq!(body["collateSubrequests"], json!(false));
                        let parts = body["compositeRequest"].as_array().unwrap();
                        let heavy = |p: &&Value| {
                            let url = p["url"].as_str().unwrap();
                            url.contains("/query") || url.contains("/composite/sobjects")
                        };
                        assert!(
                            parts.iter().filter(heavy).count() <= 5,
                            "at most five are queries or collections"
                        );
                        let answers: Vec<Value> = parts
                            .iter()
                            .map(|p| {
                                let (status, body) =
                                    one(p["method"].as_str().unwrap(), p["url"].as_str().unwrap(), &p["body"]);
                                json!({"referenceId": p["referenceId"], "httpStatusCode": status, "body": body})
                            })
                            .collect();
                        (200, json!({ "compositeResponse": answers }))
                    }
                } else {
                    one(method.as_str(), &path, &body)
                };
                let status = StatusCode::from_u16(status).unwrap();
                let limits = [("sforce-limit-info", "api-usage=18/5000")];
                (status, limits, axum::Json(answer)).into_response()
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let router = Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            http: seen_http,
            asked: seen,
        }
    }

    fn requests(&self) -> usize {
        self.http.lock().unwrap().len()
    }

    fn asked(&self, method: &str, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|a| a.is(method, path)).cloned().collect()
    }
}

/// Tokens `token-0`, `token-1`, … for a stub.
struct CountingGrants {
    instance: Url,
    version: AtomicI64,
    refreshes: AtomicUsize,
}

impl CountingGrants {
    fn new(instance: &Url) -> Arc<Self> {
        Arc::new(Self {
            instance: instance.clone(),
            version: AtomicI64::new(0),
            refreshes: AtomicUsize::new(0),
        })
    }

    fn now(&self) -> Token {
        let version = self.version.load(Ordering::SeqCst);
        Token {
            token: SecretString::from(format!("token-{version}")),
            instance_url: self.instance.clone(),
            version,
        }
    }
}

#[async_trait]
impl Grants for CountingGrants {
    async fn access(&self) -> Result<Token, Fault> {
        Ok(self.now())
    }

    async fn refreshed(&self, _stale: i64) -> Result<Token, Fault> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.version.fetch_add(1, Ordering::SeqCst);
        Ok(self.now())
    }
}

fn stub_account() -> Account {
    Account {
        org: "00D000000000001EAA".parse().unwrap(),
        user: "005000000000001AAA".parse().unwrap(),
        settings: Settings::default(),
    }
}

fn connect(platform: &Platform, grants: Arc<dyn Grants>) -> Salesforce {
    Salesforce::new(platform, grants, stub_account())
}

struct Rig {
    salesforce: Salesforce,
    platform: Platform,
    clock: Arc<TestClock>,
    grants: Arc<CountingGrants>,
}

fn rig(stub: &Stub) -> Rig {
    let clock = TestClock::new();
    let platform = platform(loopback_net(Vec::new()), &clock, Duration::from_secs(5));
    let grants = CountingGrants::new(&stub.url);
    Rig {
        salesforce: connect(&platform, Arc::clone(&grants) as Arc<_>),
        platform,
        clock,
        grants,
    }
}

fn described(fields: &[&str], key: bool) -> Value {
    let mut fields: Vec<Value> = fields
        .iter()
        .map(|name| json!({"name": name, "length": 80, "createable": true, "updateable": true}))
        .collect();
    if key {
        fields.push(json!({
            "name": "Tandem_Key__c", "length": 32, "createable": true, "updateable": true, "externalId": true,
        }));
    }
    json!({"createable": true, "updateable": true, "fields": fields})
}

/// Lets composites be taken apart, and describes a contact with a name, e-mail and account.
fn usual(asked: &Asked) -> Option<(u16, Value)> {
    if asked.path.ends_with("composite") {
        return Some((0, Value::Null));
    }
    if asked.is("GET", "sobjects/Contact/describe") {
        let fields = ["FirstName", "LastName", "Email", "AccountId"];
        return Some((200, described(&fields, true)));
    }
    if asked.is("GET", "sobjects/Lead/describe") {
        return Some((200, described(&["Email"], false)));
    }
    hidden(asked)
}

/// What a user sees who has nothing but contacts.
fn hidden(asked: &Asked) -> Option<(u16, Value)> {
    if asked.method == "GET" && asked.path.ends_with("/describe") {
        return Some(error(404, "NOT_FOUND"));
    }
    asked
        .soql()
        .contains("FROM User WHERE Id")
        .then(|| page(Vec::new()))
}

fn contact(n: u32, stamp: &str) -> Value {
    json!({
        "attributes": {"type": "Contact"}, "Id": id(n).0, "OwnerId": "005000000000001AAA", "IsDeleted": false,
        "MasterRecordId": null, "SystemModstamp": stamp, "LastModifiedDate": stamp, "CreatedDate": stamp,
        "FirstName": "Nina", "LastName": format!("Berg {n}"), "Email": null, "Tandem_Key__c": null,
        "AccountId": null, "Account": null,
    })
}

fn id(n: u32) -> ItemId {
    ItemId(format!("0030000000{n:05}AAA"))
}

fn page(rows: Vec<Value>) -> (u16, Value) {
    (
        200,
        json!({"totalSize": rows.len(), "done": true, "records": rows}),
    )
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (status, json!([{"errorCode": code, "message": "for the user"}]))
}

const STAMP: &str = "2026-11-21T16:22:14.000+0000";

fn create(n: u32, company: Option<&str>) -> Write {
    let mut record = Record::new(ItemKind::Contact).with(Field::Surname, "Berg");
    if let Some(company) = company {
        record = record.with(Field::Company, company);
    }
    Write::Create {
        key: LinkKey(format!("{n:032x}")),
        record,
        notify: false,
    }
}

fn contacts() -> Want {
    Want {
        kinds: Kinds::of(ItemKind::Contact),
        events: Window {
            from: Timestamp::default(),
            to: Timestamp::default(),
        },
        tasks_since: Timestamp::default(),
        mails_since: Timestamp::default(),
        mail_folders: Vec::new(),
        contact_scope: ContactScope::Mine,
        contact_list: None,
    }
}

fn rename(n: u32) -> Write {
    Write::Update {
        kind: ItemKind::Contact,
        id: id(n),
        version: Version("2026-11-21T16:22:14.000Z".to_owned()),
        set: BTreeMap::from([(Field::GivenName, FieldValue::Known("Nora".to_owned()))]),
        key: None,
        mark: None,
        notify: false,
    }
}

#[tokio::test]
async fn parallel_refusals_cause_one_refresh() {
    let stub = Stub::start(|asked| {
        if asked.token == "Bearer token-0" {
            return error(401, "INVALID_SESSION_ID");
        }
        usual(asked).unwrap_or_else(|| page(vec![contact(1, STAMP)]))
    })
    .await;
    let rig = rig(&stub);
    let ids = [id(1)];
    let reads = (0..12).map(|_| rig.salesforce.read(&ids));
    for read in futures::future::join_all(reads).await {
        assert!(read.unwrap()[0].is_some());
    }
    assert_eq!(rig.grants.refreshes.load(Ordering::SeqCst), 1);
    let usage = rig.salesforce.usage().unwrap();
    assert_eq!((usage.used, usage.limit), (18, 5000));
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_ends_the_sign_in() {
    let stub = Stub::start(|_| error(401, "INVALID_SESSION_ID")).await;
    let rig = rig(&stub);
    let fault = rig.salesforce.profile().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
    assert_eq!(rig.grants.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn locked_rows_are_tried_again_alone() {
    let mut locked = 2;
    let stub = Stub::start(move |asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.is("PATCH", "composite/sobjects") {
            let rows = asked.body["records"].as_array().unwrap();
            let answers = rows.iter().map(|row| {
                if row["id"] == json!(id(2).0) && locked > 0 {
                    locked -= 1;
                    json!({"success": false, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "m", "fields": []}]})
                } else {
                    json!({"success": true, "id": row["id"], "errors": []})
                }
            });
            return (200, answers.collect());
        }
        page(vec![contact(1, STAMP), contact(2, STAMP)])
    })
    .await;
    let rig = rig(&stub);
    let outcomes = rig.salesforce.write(&[rename(1), rename(2)]).await.unwrap();
    for outcome in &outcomes {
        let Outcome::Written { replaced, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(replaced[&Field::GivenName], FieldValue::Known("Nina".to_owned()));
    }
    let patches = stub.asked("PATCH", "composite/sobjects");
    let rows: Vec<usize> = patches
        .iter()
        .map(|p| p.body["records"].as_array().unwrap().len())
        .collect();
    assert_eq!(rows, [2, 1, 1]);
    assert_eq!(rig.clock.sleeps.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_row_that_stays_locked_may_work_later() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            return error(400, "UNABLE_TO_LOCK_ROW");
        }
        page(vec![contact(1, STAMP)])
    })
    .await;
    let rig = rig(&stub);
    let outcomes = rig.salesforce.write(&[rename(1)]).await.unwrap();
    let Outcome::Refused(refusal) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert!(refusal.retry);
    assert_eq!(stub.asked("PATCH", "composite/sobjects").len(), 3);
}

#[tokio::test]
async fn a_limit_inside_a_composite_is_no_rows_fault() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            return error(403, "REQUEST_LIMIT_EXCEEDED");
        }
        page(vec![contact(1, STAMP)])
    })
    .await;
    let fault = rig(&stub)
        .salesforce
        .write(&[rename(1), create(2, None)])
        .await
        .unwrap_err();
    assert!(
        matches!(fault.kind, FaultKind::RateLimited { whole_org: true, .. }),
        "{fault}"
    );
    assert!(!fault.in_doubt);
}

#[tokio::test]
async fn an_update_of_a_row_that_was_not_there_is_missing() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            let failed = json!({"success": false, "errors": [{"statusCode": "INVALID_CROSS_REFERENCE_KEY", "message": "m"}]});
            return (200, json!([failed]));
        }
        page(Vec::new())
    })
    .await;
    let outcomes = rig(&stub).salesforce.write(&[rename(1)]).await.unwrap();
    assert_eq!(outcomes, [Outcome::Missing]);
}

#[tokio::test]
async fn rows_that_cannot_be_told_apart_are_in_doubt() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            return (200, json!([{"success": true, "id": id(1).0, "errors": []}]));
        }
        page(vec![contact(1, STAMP), contact(2, STAMP)])
    })
    .await;
    let outcomes = rig(&stub)
        .salesforce
        .write(&[rename(1), rename(2)])
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::InDoubt, Outcome::InDoubt]);
}

#[tokio::test]
async fn companies_are_accounts_of_exactly_that_name_the_oldest_of_several() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.soql().contains("FROM Account") {
            assert!(asked.soql().ends_with("ORDER BY CreatedDate, Id"));
            return page(vec![
                json!({"Id": "001000000000003AAA", "Name": "CONTOSO"}),
                json!({"Id": "001000000000002AAA", "Name": "Contoso"}),
                json!({"Id": "001000000000001AAA", "Name": "Contoso"}),
            ]);
        }
        if asked.method == "PATCH" {
            let rows = asked.body["records"].as_array().unwrap();
            let answers = rows
                .iter()
                .enumerate()
                .map(|(n, _)| json!({"success": true, "created": true, "id": format!("00300000000000{n}AAA"), "errors": []}));
            return (200, answers.collect());
        }
        page(Vec::new())
    })
    .await;
    let writes = [
        create(1, Some("Contoso")),
        create(2, Some("Nobody's Ltd")),
        create(3, None),
    ];
    let outcomes = rig(&stub).salesforce.write(&writes).await.unwrap();
    assert_eq!(outcomes.len(), 3);
    let upserts = stub.asked("PATCH", "composite/sobjects/Contact/Tandem_Key__c");
    let account_of = |key: u32| {
        let rows = upserts[0].body["records"].as_array().unwrap();
        let key = json!(format!("{key:032x}"));
        rows.iter().find(|r| r["Tandem_Key__c"] == key).unwrap()["AccountId"].clone()
    };
    assert_eq!(account_of(1), json!("001000000000002AAA"));
    assert_eq!(account_of(2), Value::Null);
    assert_eq!(account_of(3), Value::Null);
}

#[tokio::test]
async fn an_idle_poll_is_one_request_even_when_the_description_is_old() {
    let stub = Stub::start(|asked| usual(asked).unwrap_or_else(|| page(Vec::new()))).await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    assert!(!first.full.is_empty() && !first.more && first.items.is_empty());
    for (advance, describes) in [(0, 1), (1800, 1), (1800, 2), (1800, 2)] {
        rig.clock.advance(advance);
        let before = stub.requests();
        // A new session of the same server.
        let session = connect(&rig.platform, Arc::clone(&rig.grants) as Arc<_>);
        session.profile().await.unwrap();
        let idle = session.changes(Some(&first.cursor), &contacts()).await.unwrap();
        assert!(idle.full.is_empty() && !idle.more && idle.items.is_empty());
        let sent = stub.http.lock().unwrap()[before..].to_vec();
        assert_eq!(sent, ["POST /services/data/v67.0/composite"]);
        assert_eq!(stub.asked("GET", "sobjects/Contact/describe").len(), describes);
    }
}

#[tokio::test]
async fn a_poll_asks_from_behind_the_watermark() {
    let stub = Stub::start(|asked| usual(asked).unwrap_or_else(|| page(vec![contact(1, STAMP)]))).await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    let full = stub.asked("GET", "queryAll").pop().unwrap().soql();
    assert!(
        full.contains("WHERE OwnerId = '005000000000001AAA' ORDER BY SystemModstamp, Id"),
        "{full}"
    );
    rig.salesforce
        .changes(Some(&first.cursor), &contacts())
        .await
        .unwrap();
    let polls: Vec<String> = stub.asked("GET", "queryAll").iter().map(Asked::soql).collect();
    assert_eq!(polls.len(), 3);
    assert!(
        polls[1].contains("OwnerId = '005000000000001AAA' AND SystemModstamp >= 20"),
        "{}",
        polls[1]
    );
    assert!(
        polls[2].contains("OwnerId != '005000000000001AAA' AND SystemModstamp >= 20"),
        "{}",
        polls[2]
    );
    assert!(polls[2].ends_with("LIMIT 2000"));
}

#[tokio::test]
async fn too_many_changes_of_others_lead_to_a_full_listing() {
    let stub = Stub::start(|asked| {
        usual(asked).unwrap_or_else(|| {
            if asked.soql().contains("!=") {
                let row = |n| json!({"Id": id(n).0, "IsDeleted": false, "MasterRecordId": null});
                page((0..2000).map(row).collect())
            } else {
                page(vec![contact(1, STAMP)])
            }
        })
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    let fault = rig
        .salesforce
        .changes(Some(&first.cursor), &contacts())
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::CursorExpired);
}

#[tokio::test]
async fn old_or_foreign_cursors_expire() {
    let stub = Stub::start(|asked| usual(asked).unwrap_or_else(|| page(Vec::new()))).await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    rig.clock.advance(15 * 24 * 3600 - 60);
    rig.salesforce
        .changes(Some(&first.cursor), &contacts())
        .await
        .unwrap();
    rig.clock.advance(120);
    for cursor in [&first.cursor, &Cursor("graph-delta-link".to_owned())] {
        let fault = rig
            .salesforce
            .changes(Some(cursor), &contacts())
            .await
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::CursorExpired);
    }
}

#[tokio::test]
async fn a_lost_page_is_listed_again_from_the_last_row_seen() {
    let mut lost = false;
    let stub = Stub::start(move |asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.is("GET", "query/01g-2000") {
            lost = true;
            return error(400, "INVALID_QUERY_LOCATOR");
        }
        if lost {
            return page(vec![contact(2, "2026-11-21T16:30:00.000+0000")]);
        }
        let next = "/services/data/v67.0/query/01g-2000";
        (
            200,
            json!({"done": false, "nextRecordsUrl": next, "records": [contact(1, STAMP)]}),
        )
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    assert!(first.more && !first.full.is_empty());
    let rest = rig
        .salesforce
        .changes(Some(&first.cursor), &contacts())
        .await
        .unwrap();
    assert!(
        !rest.full.is_empty() && !rest.more,
        "it is still the same full listing"
    );
    assert_eq!(rest.items.len(), 1);
    let again = stub.asked("GET", "queryAll").pop().unwrap().soql();
    assert!(
        again.contains("SystemModstamp >= 2026-11-21T16:22:14.000Z ORDER"),
        "{again}"
    );
}

#[tokio::test]
async fn a_next_page_elsewhere_gets_no_token() {
    let stub = Stub::start(|asked| {
        usual(asked).unwrap_or_else(|| {
            (
                200,
                json!({"done": false, "nextRecordsUrl": "//evil.example/x", "records": [contact(1, STAMP)]}),
            )
        })
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &contacts()).await.unwrap();
    let before = stub.requests();
    rig.salesforce
        .changes(Some(&first.cursor), &contacts())
        .await
        .unwrap_err();
    assert_eq!(stub.requests(), before);
}

#[tokio::test]
async fn a_field_that_disappears_is_described_anew() {
    let mut describes = 0;
    let stub = Stub::start(move |asked| {
        if asked.path.ends_with("composite") {
            return (0, Value::Null);
        }
        if asked.is("GET", "sobjects/Contact/describe") {
            describes += 1;
            let fields: &[&str] = if describes == 1 {
                &["LastName", "Email"]
            } else {
                &["LastName"]
            };
            return (200, described(fields, false));
        }
        if let Some(answer) = hidden(asked) {
            return answer;
        }
        if asked.soql().contains("Email") {
            return error(400, "INVALID_FIELD");
        }
        page(vec![contact(1, STAMP)])
    })
    .await;
    let rig = rig(&stub);
    let listed = rig.salesforce.changes(None, &contacts()).await.unwrap();
    let Change::Present(snapshot) = &listed.items[0] else {
        panic!("{listed:?}")
    };
    assert_eq!(snapshot.record.get(Field::Email), &FieldValue::Unknown);
    let profiles = rig.salesforce.profile().await.unwrap();
    let profile = profiles.of(ItemKind::Contact).unwrap();
    assert!(!profile.fields.contains_key(&Field::Email));
}

#[tokio::test]
async fn accounts_that_may_not_be_seen_are_done_without() {
    let stub = Stub::start(|asked| {
        usual(asked).unwrap_or_else(|| {
            if asked.soql().contains("Account.Name") {
                error(400, "INVALID_FIELD")
            } else {
                page(vec![contact(1, STAMP)])
            }
        })
    })
    .await;
    let rig = rig(&stub);
    let read = rig.salesforce.read(&[id(1)]).await.unwrap();
    assert_eq!(
        read[0].as_ref().unwrap().record.get(Field::Company),
        &FieldValue::Unknown
    );
    let profiles = rig.salesforce.profile().await.unwrap();
    assert!(
        profiles
            .of(ItemKind::Contact)
            .unwrap()
            .fields
            .get(&Field::Company)
            .is_none_or(|r| r.access == Access::None)
    );
}

#[tokio::test]
async fn a_user_without_leads_has_none() {
    let stub = Stub::start(|asked| {
        usual(asked).unwrap_or_else(|| {
            if asked.soql().contains("FROM Lead") {
                error(400, "INVALID_TYPE")
            } else {
                let mut row = contact(1, STAMP);
                row["Email"] = json!("Nina@Contoso.example");
                row["OwnerId"] = json!("005000000000002AAA");
                page(vec![row])
            }
        })
    })
    .await;
    let rig = rig(&stub);
    let keys = [
        MatchKey::Email("nina@contoso.example".to_owned()),
        MatchKey::Email("other@contoso.example".to_owned()),
    ];
    for _ in 0..2 {
        let found = rig.salesforce.candidates(&keys).await.unwrap();
        let [Candidate::Same(nina)] = found[0].as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(nina.scope, Scope::Out);
        assert!(found[1].is_empty());
    }
    let asked = stub.asked("GET", "query");
    let leads = asked.iter().filter(|a| a.soql().contains("FROM Lead")).count();
    assert_eq!(leads, 1, "asked once, then known");
}

#[tokio::test]
async fn a_server_error_leaves_a_write_in_doubt_and_a_read_not() {
    let stub = Stub::start(|asked| {
        let write = asked.body["compositeRequest"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|p| p["method"] != json!("GET")));
        if write {
            return error(500, "UNKNOWN_EXCEPTION");
        }
        if asked.is("GET", "sobjects/Contact/describe") {
            return (200, described(&["LastName"], true));
        }
        let describes = asked.body.to_string().contains("sobjects/Contact/describe");
        if describes {
            return (0, Value::Null);
        }
        hidden(asked).unwrap_or_else(|| error(500, "UNKNOWN_EXCEPTION"))
    })
    .await;
    let rig = rig(&stub);
    assert_eq!(
        rig.salesforce.write(&[create(1, None)]).await.unwrap(),
        [Outcome::InDoubt]
    );
    let fault = rig.salesforce.read(&[id(1)]).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }));
    assert!(!fault.in_doubt);
    assert!(!fault.to_string().contains("for the user"));
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_before_anything_is_sent() {
    let stub = Stub::start(|_| error(500, "UNKNOWN_EXCEPTION")).await;
    let rig = rig(&stub);
    let writes: Vec<Write> = (0..201).map(|n| create(n, None)).collect();
    assert_eq!(
        rig.salesforce.write(&writes).await.unwrap_err().kind,
        FaultKind::Fatal
    );
    assert!(rig.salesforce.write(&[]).await.unwrap().is_empty());
    assert_eq!(stub.requests(), 0);
}

#[tokio::test]
async fn a_duplicate_rule_names_its_reason() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            let failed = json!({"success": false, "errors": [{
                "statusCode": "DUPLICATES_DETECTED", "message": "You're creating a duplicate record.", "fields": ["Email"],
            }]});
            return (200, json!([failed]));
        }
        page(Vec::new())
    })
    .await;
    let outcomes = rig(&stub).salesforce.write(&[create(1, None)]).await.unwrap();
    let Outcome::Refused(refusal) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(refusal.code, IssueCode::DuplicateRule);
    assert_eq!(refusal.message, "You're creating a duplicate record.");
    assert_eq!(refusal.fields, [Field::Email]);
}

#[tokio::test]
async fn broken_json_is_asked_again_once() {
    let count = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&count);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let handler = move || {
        *seen.lock().unwrap() += 1;
        async { "<html>We are down for maintenance" }
    };
    let router = Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let stub = Stub {
        url,
        http: Arc::default(),
        asked: Arc::default(),
    };
    let fault = rig(&stub).salesforce.profile().await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{fault}");
    assert!(!fault.to_string().contains("maintenance"));
    assert_eq!(*count.lock().unwrap(), 2);
}

#[tokio::test]
async fn a_field_that_may_no_longer_be_written_is_left_out_and_the_rest_written() {
    let mut describes = 0;
    let stub = Stub::start(move |asked| {
        if asked.path.ends_with("composite") {
            return (0, Value::Null);
        }
        if asked.is("GET", "sobjects/Contact/describe") {
            describes += 1;
            let mut answer = described(&["FirstName", "LastName", "Email"], true);
            if describes > 1 {
                answer["fields"][0]["updateable"] = json!(false);
                answer["fields"][0]["createable"] = json!(false);
            }
            return (200, answer);
        }
        if let Some(answer) = hidden(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            let rows = asked.body["records"].as_array().unwrap();
            let answers = rows.iter().map(|row| {
                if row.get("FirstName").is_some() {
                    json!({"success": false, "errors": [{
                        "statusCode": "INVALID_FIELD_FOR_INSERT_UPDATE", "message": "m", "fields": ["FirstName"],
                    }]})
                } else {
                    json!({"success": true, "id": id(1).0, "errors": []})
                }
            });
            return (200, answers.collect());
        }
        let mut row = contact(1, STAMP);
        row["Tandem_Key__c"] = json!(format!("{:032x}", 1));
        page(vec![row])
    })
    .await;
    let record = Record::new(ItemKind::Contact)
        .with(Field::GivenName, "Nina")
        .with(Field::Surname, "Berg 1");
    let write = Write::Create {
        key: LinkKey(format!("{:032x}", 1)),
        record,
        notify: false,
    };
    let outcomes = rig(&stub).salesforce.write(&[write]).await.unwrap();
    assert!(matches!(outcomes[0], Outcome::Written { .. }), "{outcomes:?}");
    assert_eq!(stub.asked("GET", "sobjects/Contact/describe").len(), 2);
}

#[tokio::test]
async fn a_field_that_stays_refused_is_a_matter_of_permission() {
    let stub = Stub::start(|asked| {
        if let Some(answer) = usual(asked) {
            return answer;
        }
        if asked.method == "PATCH" {
            let failed = json!({"success": false, "errors": [{
                "statusCode": "INVALID_FIELD_FOR_INSERT_UPDATE", "message": "m", "fields": ["LastName"],
            }]});
            return (200, json!([failed]));
        }
        page(Vec::new())
    })
    .await;
    let outcomes = rig(&stub).salesforce.write(&[create(1, None)]).await.unwrap();
    let Outcome::Refused(refusal) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(refusal.code, IssueCode::NoPermission);
    assert_eq!(refusal.fields, [Field::Surname]);
    let upserts = stub.asked("PATCH", "composite/sobjects/Contact/Tandem_Key__c");
    assert_eq!(upserts.len(), 2, "tried again once");
}

#[tokio::test]
async fn a_refresh_in_doubt_leaves_no_write_in_doubt() {
    struct Lost(Url);
    #[async_trait]
    impl Grants for Lost {
        async fn access(&self) -> Result<Token, Fault> {
            Ok(Token {
                token: SecretString::from("token-0"),
                instance_url: self.0.clone(),
                version: 0,
            })
        }
        async fn refreshed(&self, _stale: i64) -> Result<Token, Fault> {
            Err(Fault::transient("the token endpoint did not answer").in_doubt())
        }
    }
    let stub = Stub::start(|asked| {
        let writes = asked.body["compositeRequest"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|p| p["method"] != json!("GET")));
        if writes {
            return error(401, "INVALID_SESSION_ID");
        }
        usual(asked).unwrap_or_else(|| page(Vec::new()))
    })
    .await;
    let rig = rig(&stub);
    let salesforce = connect(&rig.platform, Arc::new(Lost(stub.url.clone())));
    let fault = salesforce.write(&[create(1, None)]).await.unwrap_err();
    assert!(!fault.in_doubt, "the write was refused before it was done");
}

// --------------------------------------------------------------------------------------------------- activities

/// Everything is described; events have nobody invited.
fn everything(asked: &Asked) -> Option<(u16, Value)> {
    let with = |fields: &[&str]| Some((200, described(fields, true)));
    match asked.path.split('?').next()? {
        "sobjects/Event/describe" => with(&[
            "Subject",
            "StartDateTime",
            "EndDateTime",
            "IsAllDayEvent",
            "IsReminderSet",
            "ReminderDateTime",
            "WhoId",
            "WhatId",
            "IsChild",
            "IsGroupEvent",
        ]),
        "sobjects/Task/describe" => {
            with(&["Subject", "Status", "TaskSubtype", "IsClosed", "WhoId", "WhatId"])
        }
        "sobjects/EventRelation/describe" => with(&["EventId", "RelationId", "Status"]),
        "sobjects/EmailMessage/describe" => {
            with(&["Subject", "MessageIdentifier", "RelatedToId", "TextBody"])
        }
        _ => usual(asked),
    }
}

fn all() -> Want {
    Want {
        kinds: Kinds::ALL,
        ..contacts()
    }
}

fn event(n: u32, stamp: &str) -> Value {
    json!({
        "attributes": {"type": "Event"}, "Id": format!("00U0000000{n:05}AAA"), "OwnerId": "005000000000001AAA",
        "IsDeleted": false, "SystemModstamp": stamp, "LastModifiedDate": stamp, "CreatedDate": stamp, "Subject": "x",
        "StartDateTime": STAMP, "EndDateTime": STAMP, "IsAllDayEvent": false, "IsReminderSet": false,
        "ReminderDateTime": null, "WhoId": null, "WhatId": null, "IsChild": false, "IsGroupEvent": false,
        "Tandem_Key__c": null,
    })
}

#[tokio::test]
async fn five_queries_at_most_whatever_is_wanted() {
    let stub = Stub::start(|asked| {
        if asked.path.contains("/updated") {
            return (200, json!({"ids": [], "latestDateCovered": STAMP}));
        }
        everything(asked).unwrap_or_else(|| page(Vec::new()))
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &all()).await.unwrap();
    assert_eq!(first.full, Kinds::ALL.without(ItemKind::Email));
    rig.clock.advance(3600);
    let before = stub.requests();
    let idle = rig.salesforce.changes(Some(&first.cursor), &all()).await.unwrap();
    assert!(idle.items.is_empty() && idle.full.is_empty());
    assert_eq!(stub.requests() - before, 1);
    let polls: Vec<String> = stub.asked("GET", "queryAll").iter().map(Asked::soql).collect();
    assert_eq!(polls.len(), 4 + 5);
    let of = |object: &str| {
        polls[4..]
            .iter()
            .filter(|q| q.contains(&format!("FROM {object} ")))
            .count()
    };
    assert_eq!(
        (of("Contact"), of("Event"), of("EventRelation"), of("Task")),
        (2, 1, 1, 1)
    );
    let invitations = polls[4..]
        .iter()
        .find(|q| q.contains("FROM EventRelation"))
        .unwrap();
    assert!(
        invitations.contains(" OR Event.SystemModstamp >= "),
        "{invitations}"
    );
}

#[tokio::test]
async fn what_changed_elsewhere_is_asked_about_and_an_answer_that_is_missing_is_done_without() {
    let mut broken = true;
    let stub = Stub::start(move |asked| {
        if asked.path.contains("/updated") {
            broken = !broken;
            if broken {
                return error(400, "INVALID_REPLICATION_DATE");
            }
            return (200, json!({"ids": ["00U000000000001AAA", "00U000000000009AAA"]}));
        }
        if asked.soql().contains("FROM Event ") {
            return page(vec![event(1, STAMP)]);
        }
        everything(asked).unwrap_or_else(|| page(Vec::new()))
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &all()).await.unwrap();
    let polled = rig.salesforce.changes(Some(&first.cursor), &all()).await.unwrap();
    let absent: Vec<&Change> = polled
        .items
        .iter()
        .filter(|c| matches!(c, Change::Absent(_)))
        .collect();
    assert_eq!(absent, [&Change::Absent(ItemId("00U000000000009AAA".to_owned()))]);
    let present = |c: &Change| matches!(c, Change::Present(s) if s.id.0.starts_with("00U"));
    assert!(polled.items.iter().any(present));
}

#[tokio::test]
async fn the_listings_of_a_round_end_each_for_itself() {
    let stub = Stub::start(|asked| {
        if asked.is("GET", "query/01g-2000") {
            return page(vec![contact(2, STAMP)]);
        }
        if asked.soql().contains("FROM Contact ") {
            let next = "/services/data/v67.0/query/01g-2000";
            return (
                200,
                json!({"done": false, "nextRecordsUrl": next, "records": [contact(1, STAMP)]}),
            );
        }
        everything(asked).unwrap_or_else(|| page(Vec::new()))
    })
    .await;
    let rig = rig(&stub);
    let first = rig.salesforce.changes(None, &all()).await.unwrap();
    assert!(first.more);
    let second = rig.salesforce.changes(Some(&first.cursor), &all()).await.unwrap();
    assert!(!second.more);
    assert_eq!(first.full, second.full, "every page says the same");
    assert_eq!((first.items.len(), second.items.len()), (1, 1));
}

#[tokio::test]
async fn an_email_that_the_key_refuses_was_saved_before() {
    let key = format!("{:032x}", 5);
    let stub = Stub::start(move |asked| {
        if asked.method == "POST" && asked.path.ends_with("composite/sobjects") {
            let failed = json!({"success": false, "errors": [{
                "statusCode": "DUPLICATE_VALUE", "message": "duplicate value found", "fields": [],
            }]});
            return (200, json!([failed, failed]));
        }
        if asked.soql().contains("FROM EmailMessage") {
            let row = json!({
                "Id": "02s000000000001AAA", "IsDeleted": false, "SystemModstamp": STAMP, "LastModifiedDate": STAMP,
                "CreatedDate": STAMP, "Subject": "x", "MessageIdentifier": "<1@x>", "RelatedToId": null,
                "Tandem_Key__c": key,
            });
            return page(vec![row]);
        }
        everything(asked).unwrap_or_else(|| page(Vec::new()))
    })
    .await;
    let mail = |n: u32| Write::Create {
        key: LinkKey(format!("{n:032x}")),
        record: Record::new(ItemKind::Email).with(Field::Subject, "x"),
        notify: false,
    };
    let outcomes = rig(&stub).salesforce.write(&[mail(5), mail(6)]).await.unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Written { now, .. } if now.id.0 == "02s000000000001AAA"),
        "{outcomes:?}"
    );
    let Outcome::Refused(refusal) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        refusal.code,
        IssueCode::Refused,
        "another unique field of the organisation's"
    );
}

#[tokio::test]
async fn a_kind_that_the_user_does_not_have_is_refused_item_by_item() {
    let stub = Stub::start(|asked| {
        if asked.method == "PATCH" {
            return (
                200,
                json!([{"success": true, "id": id(1).0, "created": true, "errors": []}]),
            );
        }
        usual(asked).unwrap_or_else(|| page(vec![contact(1, STAMP)]))
    })
    .await;
    let rig = rig(&stub);
    let profiles = rig.salesforce.profile().await.unwrap();
    assert_eq!(profiles.0.keys().collect::<Vec<_>>(), [&ItemKind::Contact]);
    let of = |kind, n: u32| Write::Create {
        key: LinkKey(format!("{n:032x}")),
        record: Record::new(kind).with(Field::Subject, "x"),
        notify: false,
    };
    let writes = [of(ItemKind::Email, 1), create(2, None), of(ItemKind::Event, 3)];
    let outcomes = rig.salesforce.write(&writes).await.unwrap();
    let code = |at: usize| match &outcomes[at] {
        Outcome::Refused(refusal) => Some(refusal.code),
        _ => None,
    };
    assert_eq!(
        (code(0), code(2)),
        (Some(IssueCode::EmailsUnavailable), Some(IssueCode::NoPermission))
    );
    assert!(matches!(outcomes[1], Outcome::Written { .. }), "{outcomes:?}");
}

#[tokio::test]
async fn a_failure_after_the_first_kind_is_no_fault_of_the_whole_batch() {
    let stub = Stub::start(|asked| {
        if asked.method == "PATCH" && asked.path.contains("Contact") {
            return (
                200,
                json!([{"success": true, "id": id(1).0, "created": true, "errors": []}]),
            );
        }
        if asked.method == "PATCH" {
            return error(403, "REQUEST_LIMIT_EXCEEDED");
        }
        everything(asked).unwrap_or_else(|| page(vec![contact(1, STAMP)]))
    })
    .await;
    let event = Write::Create {
        key: LinkKey(format!("{:032x}", 9)),
        record: Record::new(ItemKind::Event).with(Field::Subject, "x"),
        notify: false,
    };
    let outcomes = rig(&stub)
        .salesforce
        .write(&[event, create(1, None)])
        .await
        .unwrap();
    assert!(
        matches!(&outcomes[0], Outcome::Refused(refusal) if refusal.retry),
        "{outcomes:?}"
    );
    assert!(matches!(outcomes[1], Outcome::Written { .. }), "{outcomes:?}");
}
