use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tandem_mailbox::{Ews, EwsAccount, EwsLimits, EwsPolicy, SignIn};
use tandem_net::{Net, NetConfig};
use tandem_sandbox::{Options, Sandbox, UserInfo};
use tandem_sync::model::{
    Change, Cursor, Field, FieldValue, ItemId, Kinds, LinkKey, Outcome, Record, Snapshot, Trace, Want,
    Window, Write, parse_instant,
};
use tandem_sync::ports::Mailbox;
use tandem_types::{ContactScope, ItemKind, Timestamp};
use url::form_urlencoded::byte_serialize;

pub(crate) const FOLDER: &str = "Salesforce Contacts";

/// A sandbox, its first user, and a way to both.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) net: Net,
    pub(crate) user: UserInfo,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let net = Net::new(&config(&sandbox)).unwrap();
        let user = sandbox.info().users[0].clone();
        Self { sandbox, net, user }
    }

    /// A session, as the worker makes one.
    pub(crate) fn session(&self) -> Ews {
        self.session_with(&self.user.exchange_password)
    }

    pub(crate) fn session_with(&self, password: &str) -> Ews {
        self.session_by(SignIn::Basic, password)
    }

    pub(crate) fn session_by(&self, sign_in: SignIn, password: &str) -> Ews {
        let account = EwsAccount {
            url: self.sandbox.info().ews_url.parse().unwrap(),
            login: self.user.exchange_login.clone(),
            password: SecretString::from(password),
            sign_in,
            address: self.user.mailbox.clone(),
        };
        let limits = EwsLimits {
            read_timeout: Duration::from_secs(3),
            write_timeout: Duration::from_secs(3),
            ..EwsLimits::default()
        };
        Ews::with_limits(self.net.clone(), account, limits)
    }

    /// Folder and categories made, everything listed once: the cursor.
    pub(crate) async fn settled(&self) -> Cursor {
        let ews = self.session();
        ews.prepare().await.unwrap();
        listing(&ews, None).await.1
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.sandbox.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn contacts_path(&self) -> String {
        format!("/exchange/mailboxes/{}/contacts", self.user.mailbox)
    }

    /// The user makes a contact.
    pub(crate) async fn add(&self, entry: Value) -> ItemId {
        id_of(&self.control("POST", &self.contacts_path(), entry).await)
    }

    pub(crate) async fn change(&self, id: &ItemId, entry: Value) {
        let path = format!("{}?id={}", self.contacts_path(), encoded(&id.0));
        self.control("PATCH", &path, entry).await;
    }

    pub(crate) async fn delete(&self, id: &ItemId, hard: bool) {
        let path = format!("{}?id={}&hard={hard}", self.contacts_path(), encoded(&id.0));
        self.control("DELETE", &path, Value::Null).await;
    }

    pub(crate) async fn shift(&self, id: &ItemId, folder: &str) -> ItemId {
        let path = format!(
            "{}/move?id={}&folder={}",
            self.contacts_path(),
            encoded(&id.0),
            encoded(folder)
        );
        id_of(&self.control("POST", &path, Value::Null).await)
    }

    /// All contacts as the sandbox holds them.
    pub(crate) async fn contacts(&self) -> Vec<Value> {
        self.control("GET", &self.contacts_path(), Value::Null)
            .await
            .as_array()
            .unwrap()
            .clone()
    }

    fn items_path(&self, kind: &str) -> String {
        format!("/exchange/mailboxes/{}/{kind}", self.user.mailbox)
    }

    /// The user makes an event, a task or a message (`events`, `tasks`, `messages`).
    pub(crate) async fn add_item(&self, kind: &str, entry: Value) -> ItemId {
        id_of(&self.control("POST", &self.items_path(kind), entry).await)
    }

    pub(crate) async fn change_item(&self, kind: &str, id: &ItemId, entry: Value) {
        let path = format!("{}?id={}", self.items_path(kind), encoded(&id.0));
        self.control("PATCH", &path, entry).await;
    }

    pub(crate) async fn delete_item(&self, kind: &str, id: &ItemId, more: &str) {
        let path = format!("{}/{}?{more}", self.items_path(kind), encoded(&id.0));
        self.control("DELETE", &path, Value::Null).await;
    }

    pub(crate) async fn move_item(&self, kind: &str, id: &ItemId, folder: &str) -> ItemId {
        let path = format!("{}/{}/move", self.items_path(kind), encoded(&id.0));
        id_of(&self.control("POST", &path, json!({ "folder": folder })).await)
    }

    /// All of a kind as the sandbox holds them.
    pub(crate) async fn items(&self, kind: &str) -> Vec<Value> {
        let list = self.control("GET", &self.items_path(kind), Value::Null).await;
        list.as_array().unwrap().clone()
    }

    pub(crate) async fn item(&self, kind: &str, id: &ItemId) -> Value {
        let path = format!("{}/{}", self.items_path(kind), encoded(&id.0));
        self.control("GET", &path, Value::Null).await
    }

    /// How many mails the server has sent to anyone.
    pub(crate) async fn mails_sent(&self) -> u64 {
        let counters = self.control("GET", "/counters", Value::Null).await;
        counters["exchange"]["mails_sent"].as_u64().unwrap()
    }

    pub(crate) async fn mailbox(&self) -> Value {
        self.control(
            "GET",
            &format!("/exchange/mailboxes/{}", self.user.mailbox),
            Value::Null,
        )
        .await
    }

    pub(crate) async fn set_mailbox(&self, change: Value) {
        self.control(
            "PUT",
            &format!("/exchange/mailboxes/{}", self.user.mailbox),
            change,
        )
        .await;
    }

    pub(crate) async fn remove_folder(&self, name: &str) {
        let path = format!(
            "/exchange/mailboxes/{}/folders?name={}",
            self.user.mailbox,
            encoded(name)
        );
        self.control("DELETE", &path, Value::Null).await;
    }

    pub(crate) async fn add_folder(&self, name: &str, parent: &str) {
        let path = format!("/exchange/mailboxes/{}/folders", self.user.mailbox);
        self.control("POST", &path, json!({ "name": name, "parent": parent }))
            .await;
    }

    pub(crate) async fn fault(&self, operation: Option<&str>, kind: Value) {
        let mut rule = kind;
        rule["service"] = json!("exchange");
        if let Some(operation) = operation {
            rule["operation"] = json!(operation);
        }
        self.control("POST", "/faults", rule).await;
    }

    pub(crate) async fn no_faults(&self) {
        self.control("DELETE", "/faults", Value::Null).await;
    }

    /// The operations since the counters were reset, and how often each.
    pub(crate) async fn operations(&self) -> BTreeMap<String, u64> {
        let counters = self.control("GET", "/counters", Value::Null).await;
        serde_json::from_value(counters["exchange"]["by_operation"].clone()).unwrap()
    }

    pub(crate) async fn requests(&self) -> u64 {
        self.operations().await.values().sum()
    }

    pub(crate) async fn reset(&self) {
        self.control("POST", "/counters/reset", Value::Null).await;
    }

    pub(crate) async fn failed_logons(&self) -> u64 {
        let counters = self.control("GET", "/counters", Value::Null).await;
        let logons: BTreeMap<String, u64> =
            serde_json::from_value(counters["exchange"]["failed_logons"].clone()).unwrap();
        logons.values().sum()
    }
}

/// What a server of ours would be configured with for this sandbox.
pub(crate) fn config(sandbox: &Sandbox) -> NetConfig {
    let info = sandbox.info();
    let port = info.exchange.https.rsplit(':').next().unwrap().parse().unwrap();
    let here = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let domain = &info.autodiscover_domain;
    let hosts = [
        "",
        "autodiscover.",
        "mail.",
        "exchange.",
        "autodiscover.exchange.",
    ];
    NetConfig {
        extra_roots_pem: vec![std::fs::read(&info.ca_pem).unwrap()],
        allow_loopback: true,
        resolve: hosts
            .iter()
            .map(|host| (format!("{host}{domain}"), here))
            .collect(),
        ..NetConfig::default()
    }
}

pub(crate) fn policy(world: &World) -> EwsPolicy {
    EwsPolicy {
        allowed_hosts: vec!["localhost".to_owned()],
        mail_domains: vec![world.sandbox.info().autodiscover_domain.clone()],
        timeout: Duration::from_secs(3),
        ..EwsPolicy::default()
    }
}

fn encoded(text: &str) -> String {
    // A path takes no plus sign for a space.
    byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

fn id_of(contact: &Value) -> ItemId {
    ItemId(contact["id"].as_str().unwrap().to_owned())
}

/// All pages of a round: what was there (the last one wins), where it goes on, whether everything was listed.
pub(crate) async fn listing(ews: &dyn Mailbox, since: Option<&Cursor>) -> (Listed, Cursor, bool) {
    let (listed, cursor, full) = round(ews, since, &contacts()).await;
    (listed, cursor, full.has(ItemKind::Contact))
}

/// As [`listing`], of any kinds.
pub(crate) async fn round(ews: &dyn Mailbox, since: Option<&Cursor>, want: &Want) -> (Listed, Cursor, Kinds) {
    let mut listed = Listed::default();
    let mut at = since.cloned();
    for _ in 0..100 {
        let page = ews.changes(at.as_ref(), want).await.unwrap();
        listed.pages += 1;
        for change in page.items {
            match change {
                Change::Present(snapshot) => {
                    listed.absent.retain(|id| *id != snapshot.id);
                    listed.present.insert(snapshot.id.clone(), *snapshot);
                }
                Change::Absent(id) => {
                    listed.present.remove(&id);
                    listed.absent.push(id);
                }
                other => panic!("a mailbox proves nothing: {other:?}"),
            }
        }
        if !page.more {
            return (listed, page.cursor, page.full);
        }
        at = Some(page.cursor);
    }
    panic!("the round does not end");
}

#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) present: BTreeMap<ItemId, Snapshot>,
    pub(crate) absent: Vec<ItemId>,
    pub(crate) pages: usize,
}

/// Contacts alone, as a connection of before had them.
pub(crate) fn contacts() -> Want {
    want(Kinds::of(ItemKind::Contact))
}

/// The sandbox's present is 2026-11-02 or so; the windows reach far around it.
pub(crate) fn want(kinds: Kinds) -> Want {
    Want {
        kinds,
        events: Window {
            from: at("2026-11-01T00:00:00Z"),
            to: at("2027-01-15T00:00:00Z"),
        },
        tasks_since: at("2026-11-01T00:00:00Z"),
        mails_since: at("2026-11-01T00:00:00Z"),
        mail_folders: Vec::new(),
        contact_scope: ContactScope::Mine,
        contact_list: None,
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    parse_instant(text).unwrap()
}

pub(crate) fn delete(of: &Snapshot) -> Write {
    Write::Delete {
        kind: of.record.kind,
        id: of.id.clone(),
        version: of.version.clone(),
        notify: false,
    }
}

pub(crate) fn trace(of: &Snapshot) -> Trace {
    Trace {
        kind: of.record.kind,
        id: of.id.clone(),
        key: of.key.clone().unwrap_or(LinkKey(String::new())),
        carried: true,
        meeting: None,
    }
}

pub(crate) fn key(n: u32) -> LinkKey {
    LinkKey(format!("{n:032x}"))
}

pub(crate) fn person(given: &str, surname: &str, email: &str) -> Record {
    Record::new(ItemKind::Contact)
        .with(Field::GivenName, given)
        .with(Field::Surname, surname)
        .with(Field::Email, email)
}

pub(crate) fn create(n: u32, record: Record) -> Write {
    Write::Create {
        key: key(n),
        record,
        notify: false,
    }
}

pub(crate) fn update(of: &Snapshot, set: &[(Field, FieldValue)]) -> Write {
    Write::Update {
        kind: of.record.kind,
        id: of.id.clone(),
        version: of.version.clone(),
        set: set.iter().cloned().collect(),
        key: None,
        mark: None,
        notify: false,
    }
}

pub(crate) fn known(text: &str) -> FieldValue {
    FieldValue::Known(text.to_owned())
}

/// The item as read back.
pub(crate) fn written(outcome: &Outcome) -> Snapshot {
    match outcome {
        Outcome::Written { now, .. } => (**now).clone(),
        other => panic!("not written: {other:?}"),
    }
}

/// One contact made by us.
pub(crate) async fn make(ews: &dyn Mailbox, n: u32, record: Record) -> Snapshot {
    let outcomes = ews.write(&[create(n, record)]).await.unwrap();
    written(&outcomes[0])
}
