//! The connector against the sandbox: sign-in, every operation, every fault.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod activities;
mod emails;
mod fan_in;
mod limits;
mod matrix;
mod panel;
#[path = "../support/mod.rs"]
mod support;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use support::{TestClock, loopback_net, platform};
use tandem_crm::{Access, Account, Grants, Identity, Platform, Purpose, Salesforce, SalesforceApp, TokenSet};
use tandem_net::{Net, Request, Schemes};
use tandem_sandbox::{Options, Sandbox};
use tandem_sync::model::{
    Candidate, Change, Changes, Fate, Field, FieldValue, ItemId, Kinds, LinkKey, MatchKey, Outcome, Profile,
    Record, Scope, Snapshot, Trace, Version, Want, Window, Write,
};
use tandem_sync::ports::{Clock as _, Crm as _, Endpoint as _};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, IssueCode, ItemKind, Settings, Timestamp};
use url::Url;

struct Rig {
    sandbox: Sandbox,
    net: Net,
    clock: Arc<TestClock>,
    app: SalesforceApp,
    host: Url,
    platform: Platform,
}

/// A grant that rotates, as the server keeps it.
struct RotatingGrants {
    net: Net,
    app: SalesforceApp,
    host: Url,
    held: tokio::sync::Mutex<(Access, SecretString)>,
    refreshes: AtomicUsize,
}

#[async_trait]
impl Grants for RotatingGrants {
    async fn access(&self) -> Result<Access, Fault> {
        Ok(self.held.lock().await.0.clone())
    }

    async fn refreshed(&self, stale: i64) -> Result<Access, Fault> {
        let mut held = self.held.lock().await;
        if held.0.version == stale {
            self.refreshes.fetch_add(1, Ordering::SeqCst);
            let tokens = self.app.refresh(&self.net, &self.host, &held.1).await?;
            held.1 = tokens.refresh.clone().unwrap();
            held.0 = access(&tokens, stale + 1);
        }
        Ok(held.0.clone())
    }
}

fn access(tokens: &TokenSet, version: i64) -> Access {
    Access {
        token: tokens.access.clone(),
        instance_url: tokens.instance_url.clone(),
        version,
    }
}

struct Session {
    salesforce: Salesforce,
    clock: Arc<TestClock>,
    settings: Settings,
    grants: Arc<RotatingGrants>,
    username: String,
}

impl Rig {
    async fn start(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let ca = std::fs::read(&sandbox.info().ca_pem).unwrap();
        let net = loopback_net(vec![ca]);
        let info = sandbox.info();
        let host = Url::parse(&info.salesforce.https).unwrap();
        let app = SalesforceApp {
            client_id: info.client.id.clone(),
            client_secret: Some(SecretString::from(info.client.secret.as_str())),
            login_hosts: vec![host.clone()],
            redirect_uri: Url::parse("https://localhost/auth/salesforce/callback").unwrap(),
            allowed_orgs: vec![info.org_id.parse().unwrap()],
            schemes: Schemes::HttpsOnly,
        };
        let clock = TestClock::new();
        let platform = platform(net.clone(), &clock, Duration::from_secs(2));
        Self {
            sandbox,
            net,
            clock,
            app,
            host,
            platform,
        }
    }

    async fn fresh() -> Self {
        Self::start(Options::default()).await
    }

    /// What a person at the login page does; the code that comes back.
    async fn sign_in(&self, user: usize, purpose: Purpose) -> (SecretString, SecretString) {
        let info = &self.sandbox.info().users[user];
        let (url, state, verifier) = self.app.authorize_url(&self.host, purpose).unwrap();
        let page = self.net.send(Request::get(url.clone())).await.unwrap();
        assert_eq!(page.status.as_u16(), 200);
        let mut form: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        form.push(("username".to_owned(), info.salesforce_username.clone()));
        form.push(("password".to_owned(), info.salesforce_password.clone()));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let target = self.host.join("/services/oauth2/authorize").unwrap();
        let answer = self
            .net
            .send(Request::post(target, form).header("content-type", "application/x-www-form-urlencoded"))
            .await
            .unwrap();
        assert!(answer.status.is_redirection(), "{answer:?}");
        let back = Url::parse(answer.header("location").unwrap()).unwrap();
        let get = |name: &str| {
            back.query_pairs()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.into_owned())
                .unwrap()
        };
        assert_eq!(get("state"), state);
        (SecretString::from(get("code")), verifier)
    }

    async fn tokens(&self, user: usize, purpose: Purpose) -> TokenSet {
        let (code, verifier) = self.sign_in(user, purpose).await;
        self.app
            .exchange_code(&self.net, &self.host, &code, &verifier)
            .await
            .unwrap()
    }

    async fn session_of(&self, user: usize, scope: ContactScope) -> Session {
        let settings = Settings {
            contact_scope: scope,
            ..Settings::default()
        };
        self.session_with(user, settings).await
    }

    async fn session_with(&self, user: usize, settings: Settings) -> Session {
        let tokens = self.tokens(user, Purpose::Sync).await;
        let identity = self.app.identity(&self.net, &tokens).await.unwrap();
        let grants = Arc::new(RotatingGrants {
            net: self.net.clone(),
            app: self.app.clone(),
            host: self.host.clone(),
            held: tokio::sync::Mutex::new((access(&tokens, 0), tokens.refresh.clone().unwrap())),
            refreshes: AtomicUsize::new(0),
        });
        let account = Account {
            org: identity.org_id,
            user: identity.user_id,
            settings: settings.clone(),
        };
        Session {
            clock: Arc::clone(&self.clock),
            settings,
            salesforce: Salesforce::new(&self.platform, Arc::clone(&grants) as Arc<_>, account),
            grants,
            username: identity.username,
        }
    }

    async fn session(&self) -> Session {
        self.session_of(0, ContactScope::Mine).await
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.sandbox.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    async fn org(&self, knobs: Value) {
        self.control("PUT", "/salesforce/org", knobs).await;
    }

    /// Makes a contact behind the connector's back, owned by `user`.
    async fn contact(&self, user: usize, fields: Value) -> ItemId {
        let name = &self.sandbox.info().users[user].salesforce_username;
        let path = format!("/salesforce/records/Contact?as={name}");
        let made = self.control("POST", &path, json!({ "fields": fields })).await;
        ItemId(made["id"].as_str().unwrap().to_owned())
    }

    async fn change(&self, id: &ItemId, fields: Value) {
        let path = format!("/salesforce/records/Contact/{id}");
        self.control("PATCH", &path, json!({ "fields": fields })).await;
    }

    async fn delete(&self, id: &ItemId, query: &str) {
        self.control(
            "DELETE",
            &format!("/salesforce/records/Contact/{id}{query}"),
            Value::Null,
        )
        .await;
    }

    async fn rows(&self) -> Vec<Value> {
        let rows = self
            .control("GET", "/salesforce/records/Contact", Value::Null)
            .await;
        rows.as_array().unwrap().clone()
    }

    async fn row(&self, id: &ItemId) -> Value {
        self.control("GET", &format!("/salesforce/records/Contact/{id}"), Value::Null)
            .await
    }

    async fn fault(&self, rule: Value) {
        let mut rule = rule;
        if rule.get("service").is_none() {
            rule["service"] = json!("salesforce");
        }
        self.control("POST", "/faults", rule).await;
    }

    async fn clear_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// HTTP requests to Salesforce's API so far.
    async fn requests(&self) -> u64 {
        let counters = self.control("GET", "/counters", Value::Null).await;
        let by_operation = counters["salesforce"]["by_operation"].as_object().unwrap();
        by_operation.values().map(|n| n.as_u64().unwrap()).sum()
    }
}

fn key(n: u32) -> LinkKey {
    LinkKey(format!("{n:032x}"))
}

fn record(given: &str, surname: &str) -> Record {
    Record::new(ItemKind::Contact)
        .with(Field::GivenName, given)
        .with(Field::Surname, surname)
}

fn create(n: u32, record: Record) -> Write {
    Write::Create {
        key: key(n),
        record,
        notify: false,
    }
}

fn update(of: &Snapshot, set: &[(Field, &str)]) -> Write {
    Write::Update {
        kind: of.record.kind,
        id: of.id.clone(),
        version: of.version.clone(),
        set: set.iter().map(|(f, v)| (*f, FieldValue::from_text(*v))).collect(),
        key: None,
        mark: None,
        notify: false,
    }
}

fn delete(of: &Snapshot) -> Write {
    Write::Delete {
        kind: of.record.kind,
        id: of.id.clone(),
        version: of.version.clone(),
        notify: false,
    }
}

fn trace(id: &ItemId, key: LinkKey) -> Trace {
    Trace {
        kind: ItemKind::Contact,
        id: id.clone(),
        key,
        carried: true,
        meeting: None,
    }
}

/// Contacts alone.
fn contacts(session: &Session) -> Want {
    want(session, Kinds::of(ItemKind::Contact))
}

fn want(session: &Session, kinds: Kinds) -> Want {
    let now = session.clock.now();
    Want {
        kinds,
        events: Window {
            from: now.plus_seconds(-14 * 86_400),
            to: now.plus_seconds(60 * 86_400),
        },
        tasks_since: now.plus_seconds(-14 * 86_400),
        mails_since: now,
        mail_folders: Vec::new(),
        contact_scope: session.settings.contact_scope,
        contact_list: session.settings.contact_list.clone(),
    }
}

fn written(outcome: &Outcome) -> &Snapshot {
    match outcome {
        Outcome::Written { now, .. } => now,
        other => panic!("not written: {other:?}"),
    }
}

fn refused(outcome: &Outcome) -> (IssueCode, &[Field]) {
    match outcome {
        Outcome::Refused(refusal) => (refusal.code, &refusal.fields),
        other => panic!("not refused: {other:?}"),
    }
}

/// Of contacts.
async fn profile(session: &Session) -> Profile {
    let profiles = session.salesforce.profile().await.unwrap();
    profiles.of(ItemKind::Contact).unwrap().clone()
}

pub(crate) async fn one(session: &Session, id: &ItemId) -> Snapshot {
    session
        .salesforce
        .read(std::slice::from_ref(id))
        .await
        .unwrap()
        .remove(0)
        .unwrap()
}

/// All pages.
async fn listing(session: &Session, since: Option<&Changes>) -> (Vec<Change>, Changes) {
    listing_of(session, since, &contacts(session)).await
}

async fn listing_of(session: &Session, since: Option<&Changes>, want: &Want) -> (Vec<Change>, Changes) {
    let mut items = Vec::new();
    let mut page = session
        .salesforce
        .changes(since.map(|c| &c.cursor), want)
        .await
        .unwrap();
    let full = page.full;
    loop {
        assert_eq!(page.full, full, "all pages of a round agree");
        items.append(&mut page.items);
        if !page.more {
            return (items, page);
        }
        page = session
            .salesforce
            .changes(Some(&page.cursor), want)
            .await
            .unwrap();
    }
}

fn present(items: &[Change]) -> BTreeMap<ItemId, Snapshot> {
    items
        .iter()
        .filter_map(|change| match change {
            Change::Present(snapshot) => Some((snapshot.id.clone(), (**snapshot).clone())),
            _ => None,
        })
        .collect()
}

// ---------------------------------------------------------------------------------------------------- sign-in

#[tokio::test]
async fn a_sign_in_tells_who_it_is_and_holds_no_grant() {
    let rig = Rig::fresh().await;
    let tokens = rig.tokens(0, Purpose::SignIn).await;
    assert!(tokens.refresh.is_none());
    let identity = rig.app.identity(&rig.net, &tokens).await.unwrap();
    let nina = &rig.sandbox.info().users[0];
    let Identity {
        org_id,
        user_id,
        username,
        display_name,
        org_name,
        ..
    } = identity;
    assert_eq!(org_id.as_str(), rig.sandbox.info().org_id);
    assert!(rig.app.allows(&org_id));
    assert_eq!(user_id.as_str(), nina.salesforce_user_id);
    assert_eq!(username, nina.salesforce_username);
    assert_eq!(display_name, nina.name);
    assert_eq!(org_name, None, "openid alone does not read the organisation");
}

#[tokio::test]
async fn the_syncs_grant_rotates_and_can_be_revoked() {
    let rig = Rig::fresh().await;
    let tokens = rig.tokens(0, Purpose::Sync).await;
    let identity = rig.app.identity(&rig.net, &tokens).await.unwrap();
    assert!(identity.org_name.is_some_and(|name| !name.is_empty()));
    let first = tokens.refresh.unwrap();
    let anew = rig.app.refresh(&rig.net, &rig.host, &first).await.unwrap();
    let second = anew.refresh.clone().unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_ne!(tokens.access.expose_secret(), anew.access.expose_secret());

    rig.app.revoke(&rig.net, &rig.host, &second).await.unwrap();
    rig.app.revoke(&rig.net, &rig.host, &second).await.unwrap();
    let fault = rig.app.refresh(&rig.net, &rig.host, &second).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
    assert!(!fault.in_doubt);
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_verifier() {
    let rig = Rig::fresh().await;
    let (code, verifier) = rig.sign_in(0, Purpose::SignIn).await;
    let stolen = SecretString::from("x".repeat(43));
    let exchange = async |verifier: &SecretString| {
        let tokens = rig.app.exchange_code(&rig.net, &rig.host, &code, verifier).await;
        tokens.map(|_| ()).map_err(|fault| fault.kind)
    };
    assert_eq!(exchange(&stolen).await, Err(FaultKind::SignInEnded));
    let (code, verifier) = match exchange(&verifier).await {
        // Some servers burn the code with the first wrong try.
        Err(FaultKind::SignInEnded) => rig.sign_in(0, Purpose::SignIn).await,
        other => panic!("{other:?}"),
    };
    let tokens = rig.app.exchange_code(&rig.net, &rig.host, &code, &verifier).await;
    assert!(tokens.is_ok());
    let again = rig.app.exchange_code(&rig.net, &rig.host, &code, &verifier).await;
    assert_eq!(again.unwrap_err().kind, FaultKind::SignInEnded);
}

#[tokio::test]
async fn a_wrong_secret_is_the_administrators() {
    let mut rig = Rig::fresh().await;
    let (code, verifier) = rig.sign_in(0, Purpose::SignIn).await;
    rig.app.client_secret = Some(SecretString::from("wrong"));
    let fault = rig
        .app
        .exchange_code(&rig.net, &rig.host, &code, &verifier)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fatal);
    assert!(fault.to_string().contains("administrator"), "{fault}");
}

#[tokio::test]
async fn ten_sign_ins_leave_the_sync_going() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    for _ in 0..10 {
        rig.tokens(0, Purpose::SignIn).await;
    }
    rig.control(
        "POST",
        &format!("/salesforce/users/{}/expire_access", session.username),
        Value::Null,
    )
    .await;
    session.salesforce.profile().await.unwrap();
    assert_eq!(session.grants.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_user_who_was_deactivated_has_no_grant() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    rig.control(
        "PUT",
        &format!("/salesforce/users/{}", session.username),
        json!({"active": false}),
    )
    .await;
    let fault = session.salesforce.profile().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded, "{fault}");
}

#[tokio::test]
async fn a_busy_token_endpoint_is_no_end_of_the_grant() {
    let rig = Rig::fresh().await;
    let tokens = rig.tokens(0, Purpose::Sync).await;
    let refresh = tokens.refresh.unwrap();
    rig.fault(json!({"service": "login", "kind": {"kind": "status", "code": 503}, "times": 1}))
        .await;
    let fault = rig.app.refresh(&rig.net, &rig.host, &refresh).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{fault}");
    assert!(fault.in_doubt);
    rig.fault(json!({"service": "login", "kind": "malformed", "times": 1}))
        .await;
    let fault = rig.app.refresh(&rig.net, &rig.host, &refresh).await.unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{fault}");
    assert!(fault.in_doubt);
}

#[tokio::test]
async fn an_expired_token_is_refreshed_once_for_parallel_calls() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (items, _) = listing(&session, None).await;
    let ids: Vec<ItemId> = present(&items).into_keys().collect();
    rig.control(
        "POST",
        &format!("/salesforce/users/{}/expire_access", session.username),
        Value::Null,
    )
    .await;
    let reads = (0..8).map(|_| session.salesforce.read(&ids));
    for read in futures::future::join_all(reads).await {
        assert!(read.unwrap().iter().all(Option::is_some));
    }
    assert_eq!(session.grants.refreshes.load(Ordering::SeqCst), 1);

    rig.control(
        "POST",
        &format!("/salesforce/users/{}/revoke_all", session.username),
        Value::Null,
    )
    .await;
    let fault = session.salesforce.read(&ids).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
}

// ----------------------------------------------------------------------------------------------------- reading

#[tokio::test]
async fn the_first_listing_holds_every_contact_of_the_user() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (items, last) = listing(&session, None).await;
    assert_eq!(last.full, Kinds::of(ItemKind::Contact));
    let listed = present(&items);
    let me = session.salesforce.user();
    let mut owned = BTreeMap::new();
    for row in rig.rows().await {
        if row["OwnerId"] == json!(me.as_str()) && row["IsDeleted"] == json!(false) {
            owned.insert(ItemId(row["Id"].as_str().unwrap().to_owned()), row);
        }
    }
    assert!(owned.len() >= 60);
    assert_eq!(
        listed.keys().collect::<Vec<_>>(),
        owned.keys().collect::<Vec<_>>()
    );
    for (id, row) in &owned {
        let snapshot = &listed[id];
        assert_eq!(snapshot.scope, Scope::In);
        let shown = |field| snapshot.record.get(field).known().map(str::to_owned);
        assert_eq!(shown(Field::Surname).as_deref(), row["LastName"].as_str());
        assert_eq!(shown(Field::Email).as_deref(), row["Email"].as_str());
        assert_eq!(shown(Field::BusinessCity).as_deref(), row["MailingCity"].as_str());
        for field in Field::CONTACT {
            assert!(!snapshot.record.get(*field).is_unknown(), "{field:?} of {id}");
        }
    }
}

#[tokio::test]
async fn an_idle_poll_costs_one_request() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (_, last) = listing(&session, None).await;
    let before = rig.requests().await;
    session.salesforce.profile().await.unwrap();
    let idle = session
        .salesforce
        .changes(Some(&last.cursor), &contacts(&session))
        .await
        .unwrap();
    assert_eq!(rig.requests().await - before, 1);
    assert!(!idle.more && idle.full.is_empty());
    assert!(
        session
            .salesforce
            .usage()
            .is_some_and(|u| u.used > 0 && u.limit >= u.used)
    );
}

#[tokio::test]
async fn pages_follow_one_another_and_a_lost_one_is_found_again() {
    let mut rig = Rig::start(Options {
        contacts: 4300,
        ..Options::default()
    })
    .await;
    // A page of 2,000 rows takes its time on a busy machine.
    rig.platform.config.timeout = Duration::from_mins(1);
    let session = rig.session().await;
    let (items, last) = listing(&session, None).await;
    let all = present(&items);
    assert_eq!(all.len(), 4300);
    assert_eq!(items.len(), 4300, "no page repeats another");

    let first = session
        .salesforce
        .changes(None, &contacts(&session))
        .await
        .unwrap();
    assert!(first.more && first.full.has(ItemKind::Contact));
    rig.fault(json!({"operation": "queryMore", "kind": "expired_cursor", "times": 1}))
        .await;
    let mut seen: BTreeSet<ItemId> = present(&first.items).into_keys().collect();
    let mut page = first;
    while page.more {
        page = session
            .salesforce
            .changes(Some(&page.cursor), &contacts(&session))
            .await
            .unwrap();
        assert!(page.full.has(ItemKind::Contact));
        seen.extend(present(&page.items).into_keys());
    }
    assert_eq!(seen.len(), 4300, "nothing is missed by starting again");
    let idle = session
        .salesforce
        .changes(Some(&last.cursor), &contacts(&session))
        .await
        .unwrap();
    assert!(idle.full.is_empty());

    let ids: Vec<ItemId> = all.into_keys().collect();
    let before = rig.requests().await;
    let read = session.salesforce.read(&ids).await.unwrap();
    assert!(
        read.iter()
            .zip(&ids)
            .all(|(s, id)| s.as_ref().is_some_and(|s| s.id == *id))
    );
    assert_eq!(rig.requests().await - before, 3, "2,000 records a request");
}

#[tokio::test]
async fn a_poll_tells_what_changed_went_and_left() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let made = async |name: &str| rig.contact(0, json!({"LastName": name})).await;
    let (changed, deleted, given_away) = (made("Changed").await, made("Deleted").await, made("Given").await);
    let (winner, loser, untouched) = (made("Winner").await, made("Loser").await, made("Untouched").await);
    let (_, last) = listing(&session, None).await;
    // Everything so far lies behind the overlap.
    rig.control("POST", "/clock", json!({"advance_s": 3600})).await;
    rig.clock.advance(3600);

    rig.change(&changed, json!({"Title": "Head of Änderung"})).await;
    rig.delete(&deleted, "").await;
    let other = rig.sandbox.info().users[1].salesforce_user_id.clone();
    rig.change(&given_away, json!({"OwnerId": other})).await;
    let merge = format!("/salesforce/records/Contact/{winner}/merge");
    rig.control("POST", &merge, json!({"loser": loser.0})).await;
    let created = made("Created").await;

    let before = rig.requests().await;
    let (items, polled) = listing(&session, Some(&last)).await;
    assert_eq!(rig.requests().await - before, 1);
    assert!(polled.full.is_empty());
    let now = present(&items);
    let title = now[&changed].record.get(Field::JobTitle);
    assert_eq!(title, &FieldValue::Known("Head of Änderung".to_owned()));
    assert!(now.contains_key(&created));
    assert!(
        !now.contains_key(&untouched)
            || now[&untouched].record.get(Field::Surname).known() == Some("Untouched")
    );
    assert!(items.contains(&Change::Left(given_away)));
    let gone = Change::Deleted {
        id: deleted,
        merged_into: None,
    };
    assert!(items.contains(&gone));
    let merged = Change::Deleted {
        id: loser,
        merged_into: Some(winner),
    };
    assert!(items.contains(&merged));
}

#[tokio::test]
async fn all_visible_lists_what_others_own_too() {
    let rig = Rig::fresh().await;
    let mine = rig.session().await;
    let all = rig.session_of(0, ContactScope::AllVisible).await;
    let theirs = rig.contact(1, json!({"LastName": "Theirs"})).await;
    let (items, last) = listing(&mine, None).await;
    assert!(!present(&items).contains_key(&theirs));
    let (items, _) = listing(&all, None).await;
    assert_eq!(present(&items)[&theirs].scope, Scope::In);
    // Another scope is another listing.
    let anew = all
        .salesforce
        .changes(Some(&last.cursor), &contacts(&all))
        .await
        .unwrap();
    assert_eq!(anew.full, Kinds::of(ItemKind::Contact));
    assert!(present(&anew.items).contains_key(&theirs));
}

#[tokio::test]
async fn late_rows_are_caught_by_the_overlap() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (_, last) = listing(&session, None).await;
    rig.fault(json!({"kind": {"kind": "late_changes", "n": 2}})).await;
    let id = rig.contact(0, json!({"LastName": "Late"})).await;
    let (items, next) = listing(&session, Some(&last)).await;
    let early = present(&items).contains_key(&id);
    let mut cursor = next;
    let mut found = early;
    for _ in 0..4 {
        let (items, next) = listing(&session, Some(&cursor)).await;
        found |= present(&items).contains_key(&id);
        cursor = next;
    }
    assert!(found, "a change that turns up late is not passed by");
}

#[tokio::test]
async fn reads_answer_in_order_and_missing_is_none() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (here, gone) = (
        rig.contact(0, json!({"LastName": "Here"})).await,
        rig.contact(0, json!({"LastName": "Gone"})).await,
    );
    let theirs = rig.contact(1, json!({"LastName": "Theirs"})).await;
    rig.delete(&gone, "").await;
    let never = ItemId("003000000000000AAA".to_owned());
    let odd = ItemId("' OR Name != '".to_owned());
    let ids = [theirs.clone(), gone, never, odd, here.clone(), here.clone()];
    let read = session.salesforce.read(&ids).await.unwrap();
    let shown: Vec<_> = read
        .iter()
        .map(|s| s.as_ref().map(|s| (s.id.clone(), s.scope)))
        .collect();
    assert_eq!(
        shown,
        [
            Some((theirs, Scope::Out)),
            None,
            None,
            None,
            Some((here.clone(), Scope::In)),
            Some((here, Scope::In)),
        ]
    );
    assert!(session.salesforce.read(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn fates_are_proved_or_not() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let made = async |n: u32| {
        let fields = json!({"LastName": format!("Fate {n}"), "Tandem_Key__c": key(n).0});
        rig.contact(0, fields).await
    };
    let here = made(1).await;
    let deleted = made(2).await;
    let purged = made(3).await;
    let (winner, loser) = (made(4).await, made(5).await);
    let given_away = made(6).await;
    let replaced = made(7).await;
    rig.delete(&deleted, "").await;
    rig.delete(&purged, "?hard=true").await;
    rig.delete(&replaced, "?hard=true").await;
    let again = made(7).await;
    let merge = format!("/salesforce/records/Contact/{winner}/merge");
    rig.control("POST", &merge, json!({"loser": loser.0})).await;
    let other = rig.sandbox.info().users[1].salesforce_user_id.clone();
    rig.change(&given_away, json!({"OwnerId": other})).await;

    let asked: Vec<Trace> = [&here, &deleted, &purged, &loser, &given_away, &replaced]
        .into_iter()
        .zip([1, 2, 3, 5, 6, 7])
        .map(|(id, n)| trace(id, key(n)))
        .collect();
    let fates = session.salesforce.fates(&asked).await.unwrap();
    let place = |fate: &Fate| match fate {
        Fate::Here(snapshot) => (snapshot.id.clone(), snapshot.scope),
        other => panic!("{other:?}"),
    };
    assert_eq!(place(&fates[0]), (here, Scope::In));
    assert_eq!(fates[1], Fate::Deleted { merged_into: None });
    assert_eq!(fates[2], Fate::Unproved);
    assert_eq!(
        fates[3],
        Fate::Deleted {
            merged_into: Some(winner)
        }
    );
    assert_eq!(place(&fates[4]), (given_away, Scope::Out));
    assert_eq!(place(&fates[5]), (again, Scope::In), "found by its key");
}

#[tokio::test]
async fn what_sharing_hides_is_not_deleted() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let theirs = rig.contact(1, json!({"LastName": "Hidden"})).await;
    rig.org(json!({"sharing": {"Contact": "private"}})).await;
    let fates = session.salesforce.fates(&[trace(&theirs, key(9))]).await.unwrap();
    assert_eq!(fates, [Fate::Unproved]);
    assert_eq!(session.salesforce.read(&[theirs]).await.unwrap(), [None]);
}

#[tokio::test]
async fn candidates_are_found_by_mail_and_by_name() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let quoted = rig
        .contact(
            0,
            json!({"FirstName": "Seán", "LastName": "O'Brien \\ \"Co\"", "Email": "sean.o'brien@x.example"}),
        )
        .await;
    let theirs = rig
        .contact(1, json!({"LastName": "Berg", "Email": "twin@x.example"}))
        .await;
    let twin = rig
        .contact(
            0,
            json!({"FirstName": "山田", "LastName": "花子", "Email": "Twin@X.example"}),
        )
        .await;
    let deleted = rig
        .contact(0, json!({"LastName": "Gone", "Email": "gone@x.example"}))
        .await;
    rig.delete(&deleted, "").await;
    let lead = json!({"fields": {"LastName": "Prospect", "Company": "X", "Email": "lead@x.example"}});
    let lead = rig.control("POST", "/salesforce/records/Lead", lead).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let converted = json!({"fields": {"LastName": "Won", "Company": "X", "Email": "won@x.example"}});
    let converted = rig.control("POST", "/salesforce/records/Lead", converted).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    rig.control(
        "POST",
        &format!("/salesforce/records/Lead/{converted}/convert"),
        json!({}),
    )
    .await;

    let email = |text: &str| MatchKey::Email(text.to_owned());
    let name = |given: &str, surname: &str| MatchKey::Name {
        given: given.to_owned(),
        surname: surname.to_owned(),
    };
    let keys = [
        email("SEAN.O'BRIEN@x.example"),
        email("twin@x.example"),
        email("gone@x.example"),
        email("lead@x.example"),
        email("won@x.example"),
        email("x' OR Email != '"),
        name("seán", "O'Brien \\ \"Co\""),
        name("", "berg"),
        name("山田", "花子"),
        email(""),
    ];
    let before = rig.requests().await;
    let found = session.salesforce.candidates(&keys).await.unwrap();
    assert!(rig.requests().await - before <= 3, "all keys in one composite");
    let ids = |at: usize| -> BTreeSet<String> {
        let id = |c: &Candidate| match c {
            Candidate::Same(s) => s.id.0.clone(),
            Candidate::Lead { id, .. } => id.0.clone(),
        };
        found[at].iter().map(id).collect()
    };
    assert_eq!(ids(0), BTreeSet::from([quoted.0.clone()]));
    assert_eq!(ids(1), BTreeSet::from([theirs.0.clone(), twin.0.clone()]));
    assert!(ids(2).is_empty());
    assert_eq!(ids(3), BTreeSet::from([lead]));
    assert!(matches!(found[3][0], Candidate::Lead { .. }));
    assert!(
        found[4].iter().all(|c| matches!(c, Candidate::Same(_))),
        "a converted lead is none"
    );
    assert!(ids(5).is_empty());
    assert_eq!(ids(6), BTreeSet::from([quoted.0]));
    assert!(ids(7).contains(&theirs.0));
    assert!(ids(8).contains(&twin.0));
    assert!(ids(9).is_empty());
}

#[tokio::test]
async fn a_thousand_keys_take_few_requests() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let keys: Vec<MatchKey> = (0..1000)
        .map(|n| MatchKey::Email(format!("somebody.with.a.long.name.{n}@somewhere.contoso.example")))
        .collect();
    session.salesforce.profile().await.unwrap();
    let before = rig.requests().await;
    assert_eq!(session.salesforce.candidates(&keys).await.unwrap().len(), 1000);
    assert!(rig.requests().await - before <= 3);
}

#[tokio::test]
async fn field_security_makes_fields_unknown() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let id = rig
        .contact(0, json!({"LastName": "Known", "Phone": "1", "Fax": "2"}))
        .await;
    let before = profile(&session).await;
    assert!(before.fields.contains_key(&Field::BusinessPhone));
    assert_eq!(before.fields[&Field::Surname].max_chars, Some(80));
    assert!(before.fields[&Field::Surname].required);

    // Hidden while the description is still cached: found out by the next query.
    rig.org(json!({"hidden_fields": ["Contact.Phone"], "read_only_fields": ["Contact.Fax"]}))
        .await;
    let now = one(&session, &id).await;
    assert_eq!(now.record.get(Field::BusinessPhone), &FieldValue::Unknown);
    assert_eq!(
        now.record.get(Field::BusinessFax),
        &FieldValue::Known("2".to_owned())
    );
    let after = profile(&session).await;
    assert!(!after.fields.contains_key(&Field::BusinessPhone));
    assert_eq!(
        after.fields[&Field::BusinessFax].access,
        tandem_sync::model::Access::ReadOnly
    );
    assert_eq!(
        after.fields[&Field::Company].access,
        tandem_sync::model::Access::CreateOnly
    );

    let outcome = session
        .salesforce
        .write(&[update(
            &now,
            &[
                (Field::BusinessPhone, "9"),
                (Field::BusinessFax, "9"),
                (Field::JobTitle, "x"),
            ],
        )])
        .await
        .unwrap();
    written(&outcome[0]);
    let row = rig.row(&id).await;
    assert_eq!(
        (&row["Phone"], &row["Fax"], &row["Title"]),
        (&json!("1"), &json!("2"), &json!("x"))
    );
}

// ----------------------------------------------------------------------------------------------------- writing

#[tokio::test]
async fn creates_with_a_key_are_done_once() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    assert!(profile(&session).await.holds_key);
    let since = rig.clock.now();
    let account = json!({"fields": {"Name": "Größe & Söhne"}});
    let account = rig.control("POST", "/salesforce/records/Account", account).await["id"].clone();
    let full = record("Zoë", "Ünïcödé 🦊")
        .with(Field::Company, "Größe & Söhne")
        .with(Field::Birthday, "1980-02-29")
        .with(Field::BusinessStreet, "Weg 1\nHinterhaus")
        .with(Field::Body, "First line\nSecond \\ 'line'")
        .with(Field::Email, "zoe@x.example");
    let writes = [create(1, full.clone()), create(2, record("", "Only"))];
    let before = rig.requests().await;
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(
        rig.requests().await - before,
        2,
        "the accounts, and one composite"
    );
    let made = written(&outcomes[0]);
    assert_eq!(made.key, Some(key(1)));
    assert_eq!(made.scope, Scope::In);
    for (field, value) in &full.fields {
        assert_eq!(made.record.get(*field), value, "{field:?}");
    }
    assert_eq!(rig.row(&made.id).await["AccountId"], account);

    let count = rig.rows().await.len();
    let again = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(written(&again[0]).id, made.id);
    assert_eq!(rig.rows().await.len(), count);

    let found = session
        .salesforce
        .created(ItemKind::Contact, &[key(1), key(99)], since)
        .await
        .unwrap();
    let ids: Vec<_> = found.iter().map(|s| s.id.clone()).collect();
    assert_eq!(ids, std::slice::from_ref(&made.id));
}

#[tokio::test]
async fn creates_without_a_key_are_found_by_their_maker_and_time() {
    let rig = Rig::start(Options {
        tandem_key: false,
        ..Options::default()
    })
    .await;
    let session = rig.session().await;
    assert!(!profile(&session).await.holds_key);
    let since = rig.clock.now();
    let theirs = rig.contact(1, json!({"LastName": "Theirs"})).await;
    let outcomes = session
        .salesforce
        .write(&[create(1, record("A", "One")), create(2, record("B", "Two"))])
        .await
        .unwrap();
    let made: BTreeSet<ItemId> = outcomes.iter().map(|o| written(o).id.clone()).collect();
    assert!(outcomes.iter().all(|o| written(o).key.is_none()));
    let found = session
        .salesforce
        .created(ItemKind::Contact, &[key(1)], since)
        .await
        .unwrap();
    let found: BTreeSet<ItemId> = found.into_iter().map(|s| s.id).collect();
    assert!(found.is_superset(&made));
    assert!(!found.contains(&theirs));
    let later = since.plus_seconds(3600);
    assert!(
        session
            .salesforce
            .created(ItemKind::Contact, &[key(1)], later)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        session
            .salesforce
            .fates(&[trace(&theirs, key(1))])
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn an_update_writes_only_what_it_says_and_tells_what_it_replaced() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let id = rig
        .contact(
            0,
            json!({"LastName": "Berg", "Title": "Old", "Phone": "1", "Fax": "2"}),
        )
        .await;
    let seen = one(&session, &id).await;
    // Someone edits between our reading and our writing.
    rig.change(&id, json!({"Title": "Theirs", "Department": "Theirs"}))
        .await;
    let before = rig.requests().await;
    let outcomes = session
        .salesforce
        .write(&[update(
            &seen,
            &[(Field::JobTitle, "Ours"), (Field::BusinessFax, "")],
        )])
        .await
        .unwrap();
    assert_eq!(rig.requests().await - before, 1);
    let Outcome::Written { now, replaced, .. } = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    let expected = BTreeMap::from([
        (Field::JobTitle, FieldValue::Known("Theirs".to_owned())),
        (Field::BusinessFax, FieldValue::Known("2".to_owned())),
    ]);
    assert_eq!(replaced, &expected);
    assert_eq!(now.record.get(Field::BusinessFax), &FieldValue::Empty);
    assert_ne!(now.version, seen.version);
    let row = rig.row(&id).await;
    assert_eq!(
        (&row["Title"], &row["Department"], &row["Phone"], &row["Fax"]),
        (&json!("Ours"), &json!("Theirs"), &json!("1"), &Value::Null)
    );
    // The version is the one that a later read gives.
    assert_eq!(one(&session, &id).await.version, now.version);
}

#[tokio::test]
async fn an_adopted_record_gets_its_key() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let id = rig.contact(0, json!({"LastName": "Berg"})).await;
    let seen = one(&session, &id).await;
    let write = Write::Update {
        kind: ItemKind::Contact,
        id: id.clone(),
        version: seen.version,
        set: BTreeMap::new(),
        key: Some(key(7)),
        mark: None,
        notify: false,
    };
    let outcomes = session.salesforce.write(&[write]).await.unwrap();
    assert_eq!(written(&outcomes[0]).key, Some(key(7)));
    assert_eq!(rig.row(&id).await["Tandem_Key__c"], json!(key(7).0));
}

#[tokio::test]
async fn one_bad_row_does_not_stop_the_others() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let gone = rig.contact(0, json!({"LastName": "Gone"})).await;
    let was = one(&session, &gone).await;
    rig.delete(&gone, "").await;
    let purged = rig.contact(0, json!({"LastName": "Purged"})).await;
    let purged_was = one(&session, &purged).await;
    rig.delete(&purged, "?hard=true").await;
    let rule = json!({"object": "Contact", "field": "Title", "contains": "forbidden", "message": "No such title here"});
    rig.org(json!({ "validation_rule": rule })).await;
    let writes = [
        create(1, record("No", "")),
        create(2, record(&"x".repeat(41), "Long")),
        create(3, record("Fine", "Row")),
        create(4, record("Bad", "Title").with(Field::JobTitle, "forbidden")),
        create(5, record("Bad", "Mail").with(Field::Email, "no address")),
        update(&was, &[(Field::JobTitle, "x")]),
        update(&purged_was, &[(Field::JobTitle, "x")]),
        create(6, record("Also", "Fine")),
    ];
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(
        refused(&outcomes[0]),
        (IssueCode::LastNameMissing, &[Field::Surname][..])
    );
    assert_eq!(
        refused(&outcomes[1]),
        (IssueCode::Refused, &[Field::GivenName][..])
    );
    assert_eq!(written(&outcomes[2]).key, Some(key(3)));
    assert_eq!(refused(&outcomes[3]).0, IssueCode::Refused);
    let Outcome::Refused(refusal) = &outcomes[3] else {
        unreachable!()
    };
    assert!(
        refusal.message.contains("No such title here"),
        "the organisation's own words"
    );
    assert_eq!(refused(&outcomes[4]), (IssueCode::Refused, &[Field::Email][..]));
    assert_eq!(outcomes[5], Outcome::Missing);
    assert_eq!(outcomes[6], Outcome::Missing);
    assert_eq!(written(&outcomes[7]).key, Some(key(6)));
}

#[tokio::test]
async fn duplicate_rules_are_told() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    rig.contact(
        0,
        json!({"FirstName": "Nina", "LastName": "Twin", "Email": "twin@x.example"}),
    )
    .await;
    rig.org(json!({"duplicate_rule": true})).await;
    let twin = record("Nina", "Twin").with(Field::Email, "twin@x.example");
    let outcomes = session
        .salesforce
        .write(&[create(1, twin), create(2, record("Other", "Person"))])
        .await
        .unwrap();
    assert_eq!(refused(&outcomes[0]).0, IssueCode::DuplicateRule);
    written(&outcomes[1]);
}

#[tokio::test]
async fn a_record_that_may_only_be_read_is_a_matter_of_permission() {
    let rig = Rig::fresh().await;
    rig.org(json!({"sharing": {"Contact": "read"}})).await;
    let session = rig.session().await;
    let theirs = rig.contact(1, json!({"LastName": "Theirs"})).await;
    let seen = one(&session, &theirs).await;
    let outcomes = session
        .salesforce
        .write(&[update(&seen, &[(Field::JobTitle, "x")])])
        .await
        .unwrap();
    assert_eq!(refused(&outcomes[0]).0, IssueCode::NoPermission);
}

#[tokio::test]
async fn deletes_look_first() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let made = async |name: &str| {
        let id = rig.contact(0, json!({"LastName": name})).await;
        one(&session, &id).await
    };
    let (plain, edited, gone) = (made("Plain").await, made("Edited").await, made("Gone").await);
    rig.control("POST", "/clock", json!({"advance_s": 2})).await;
    rig.change(&edited.id, json!({"Title": "edited"})).await;
    rig.delete(&gone.id, "").await;
    let outcomes = session
        .salesforce
        .write(&[delete(&plain), delete(&edited), delete(&gone)])
        .await
        .unwrap();
    assert_eq!(outcomes[0], Outcome::Deleted);
    let Outcome::Conflict(now) = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        now.record.get(Field::JobTitle),
        &FieldValue::Known("edited".to_owned())
    );
    assert_eq!(outcomes[2], Outcome::Missing);
    assert_eq!(
        rig.row(&plain.id).await["IsDeleted"],
        json!(true),
        "in the recycle bin"
    );
    assert_eq!(rig.row(&edited.id).await["IsDeleted"], json!(false));
    let fates = session
        .salesforce
        .fates(&[trace(&plain.id, key(1))])
        .await
        .unwrap();
    assert_eq!(fates, [Fate::Deleted { merged_into: None }]);
}

#[tokio::test]
async fn a_full_batch_is_one_composite() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let size = u32::try_from(session.salesforce.batch()).unwrap();
    session.salesforce.profile().await.unwrap();
    let writes: Vec<Write> = (0..size)
        .map(|n| create(n, record("Bulk", &format!("Row {n}"))))
        .collect();
    let before = rig.requests().await;
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(rig.requests().await - before, 1);
    for (n, outcome) in (0..size).zip(&outcomes) {
        let made = written(outcome);
        assert_eq!(made.key, Some(key(n)));
        assert_eq!(
            made.record.get(Field::Surname).known(),
            Some(format!("Row {n}").as_str())
        );
    }
    // Updates, creates and deletes together.
    let mut writes: Vec<Write> = outcomes[..60]
        .iter()
        .map(|o| update(written(o), &[(Field::JobTitle, "changed")]))
        .collect();
    writes.extend(outcomes[60..120].iter().map(|o| delete(written(o))));
    writes.extend((1000..1080).map(|n| create(n, record("Mixed", &format!("Row {n}")))));
    let before = rig.requests().await;
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    assert_eq!(
        rig.requests().await - before,
        2,
        "the look before the deletes, and one composite"
    );
    assert!(
        outcomes[..60]
            .iter()
            .all(|o| written(o).record.get(Field::JobTitle).known() == Some("changed"))
    );
    assert!(outcomes[60..120].iter().all(|o| *o == Outcome::Deleted));
    assert!(
        outcomes[120..]
            .iter()
            .all(|o| written(o).record.get(Field::GivenName).known() == Some("Mixed"))
    );
}

// ------------------------------------------------------------------------------------------------------ faults

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_in_doubt_and_found_by_its_key() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let since = rig.clock.now();
    session.salesforce.profile().await.unwrap();
    let kinds = [
        (json!({"kind": "timeout_after", "ms": 10}), true),
        (json!({"kind": "timeout_before", "ms": 10}), false),
        (json!({"kind": "timeout_before", "ms": 3000}), false),
        (json!({"kind": "reset"}), false),
        (json!({"kind": "cut_body"}), true),
        (json!({"kind": "malformed"}), true),
        (json!({"kind": "status", "code": 503}), false),
        (json!({"kind": "status", "code": 500}), false),
    ];
    for (n, (kind, done)) in (1..).zip(kinds) {
        rig.fault(json!({"operation": "composite", "kind": kind, "times": 1}))
            .await;
        let write = [create(n, record("In", &format!("Doubt {n}")))];
        let outcomes = session.salesforce.write(&write).await.unwrap();
        assert_eq!(outcomes, [Outcome::InDoubt], "{kind}");
        rig.clear_faults().await;
        let found = session
            .salesforce
            .created(ItemKind::Contact, &[key(n)], since)
            .await
            .unwrap();
        assert_eq!(found.len(), usize::from(done), "{kind}");
        let again = session.salesforce.write(&write).await.unwrap();
        assert_eq!(written(&again[0]).key, Some(key(n)));
        let rows = rig.rows().await;
        let same = rows
            .iter()
            .filter(|r| r["LastName"] == json!(format!("Doubt {n}")))
            .count();
        assert_eq!(same, 1, "{kind}");
    }
}

#[tokio::test]
async fn an_update_in_doubt_keeps_its_record() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let id = rig.contact(0, json!({"LastName": "Berg"})).await;
    let seen = one(&session, &id).await;
    rig.fault(json!({"operation": "composite", "kind": {"kind": "timeout_after", "ms": 10}, "times": 1}))
        .await;
    let outcomes = session
        .salesforce
        .write(&[update(&seen, &[(Field::JobTitle, "x")])])
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::InDoubt]);
    assert_eq!(
        one(&session, &id).await.record.get(Field::JobTitle).known(),
        Some("x")
    );
}

#[tokio::test]
async fn reads_get_over_a_passing_fault() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (_, last) = listing(&session, None).await;
    for kind in [
        json!({"kind": "reset"}),
        json!({"kind": "cut_body"}),
        json!({"kind": "malformed"}),
        json!({"kind": "timeout_before", "ms": 10}),
        json!({"kind": "status", "code": 503}),
        json!({"kind": "status", "code": 502}),
        json!({"kind": "status", "code": 401}),
        json!({"kind": "slow_body", "ms_per_chunk": 1}),
    ] {
        rig.fault(json!({"operation": "composite", "kind": kind, "times": 1}))
            .await;
        let poll = session
            .salesforce
            .changes(Some(&last.cursor), &contacts(&session))
            .await;
        assert!(poll.is_ok(), "{kind}: {poll:?}");
        rig.clear_faults().await;
    }
}

#[tokio::test]
async fn reads_give_up_on_a_lasting_fault_with_its_kind() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (_, last) = listing(&session, None).await;
    for kind in [
        json!({"kind": "reset"}),
        json!({"kind": "malformed"}),
        json!({"kind": "status", "code": 503, "retry_after_s": 120}),
        json!({"kind": "timeout_before", "ms": 3000}),
    ] {
        rig.fault(json!({"operation": "composite", "kind": kind})).await;
        let fault = session
            .salesforce
            .changes(Some(&last.cursor), &contacts(&session))
            .await
            .unwrap_err();
        assert!(
            matches!(fault.kind, FaultKind::Transient { .. }),
            "{kind}: {fault}"
        );
        assert!(!fault.in_doubt);
        if kind.get("retry_after_s").is_some() {
            assert_eq!(fault.retry_after(), Some(Duration::from_mins(2)));
        }
        rig.clear_faults().await;
    }
    session
        .salesforce
        .changes(Some(&last.cursor), &contacts(&session))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_used_up_limit_stops_the_organisation() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (_, last) = listing(&session, None).await;
    rig.fault(json!({"kind": {"kind": "throttle", "ms": 1000}})).await;
    let whole_org = |fault: &Fault| matches!(fault.kind, FaultKind::RateLimited { whole_org: true, .. });
    let fault = session
        .salesforce
        .changes(Some(&last.cursor), &contacts(&session))
        .await
        .unwrap_err();
    assert!(whole_org(&fault), "{fault}");
    let fault = session
        .salesforce
        .write(&[create(1, record("A", "B"))])
        .await
        .unwrap_err();
    assert!(whole_org(&fault), "{fault}");
    assert!(!fault.in_doubt, "nothing was done");
    rig.clear_faults().await;

    rig.org(json!({"api_limit": 1})).await;
    let fault = session
        .salesforce
        .changes(Some(&last.cursor), &contacts(&session))
        .await
        .unwrap_err();
    assert!(whole_org(&fault), "{fault}");
}

#[tokio::test]
async fn a_user_without_the_api_is_told_clearly() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    rig.control(
        "PUT",
        &format!("/salesforce/users/{}", session.username),
        json!({"api_enabled": false}),
    )
    .await;
    let fault = session.salesforce.profile().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fatal, "{fault}");
    assert!(fault.to_string().contains("API Enabled"), "{fault}");
    rig.control(
        "PUT",
        &format!("/salesforce/users/{}", session.username),
        json!({"api_enabled": true}),
    )
    .await;
    rig.org(json!({"api_disabled": true})).await;
    let fault = session.salesforce.profile().await.unwrap_err();
    assert!(fault.to_string().contains("API Enabled"), "{fault}");
}

#[tokio::test]
async fn tokens_that_stay_refused_end_the_sign_in() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    rig.fault(json!({"kind": {"kind": "status", "code": 401}})).await;
    let fault = session.salesforce.profile().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::SignInEnded);
    assert_eq!(session.grants.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_there_is_a_passing_fault() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    session.salesforce.profile().await.unwrap();
    rig.sandbox.stop().await;
    let fault = session.salesforce.write(&[create(1, record("A", "B"))]).await;
    match fault {
        Err(fault) => assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{fault}"),
        // The pooled connection was closed under the request.
        Ok(outcomes) => assert_eq!(outcomes, [Outcome::InDoubt]),
    }
    let fault = session
        .salesforce
        .write(&[create(1, record("A", "B"))])
        .await
        .unwrap_err();
    assert!(matches!(fault.kind, FaultKind::Transient { .. }), "{fault}");
    assert!(!fault.in_doubt, "no connection, no doubt");
}

#[tokio::test]
async fn versions_are_compared_as_moments() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let id = rig.contact(0, json!({"LastName": "Berg"})).await;
    let seen = one(&session, &id).await;
    let spelled = Version(seen.version.0.replace('Z', "+0000"));
    let outcomes = session
        .salesforce
        .write(&[Write::Delete {
            kind: ItemKind::Contact,
            id,
            version: spelled,
            notify: false,
        }])
        .await
        .unwrap();
    assert_eq!(outcomes, [Outcome::Deleted]);
    assert!(seen.created > Timestamp::default() && seen.modified >= seen.created);
}
