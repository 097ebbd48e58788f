//! A sandbox, and EWS over a plain socket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tandem_sandbox::{Options, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const NINA: (&str, &str) = ("nina.berg@contoso.example", "Bergkristall-42");
pub(crate) const TOMAS: (&str, &str) = ("tomas.ohara@contoso.example", "Grün: Tee 9");
pub(crate) const ALL: &str = "<t:BaseShape>AllProperties</t:BaseShape>";
pub(crate) const ID_ONLY: &str = "<t:BaseShape>IdOnly</t:BaseShape>";
pub(crate) const KEY: &str = "<t:ExtendedFieldURI PropertySetId=\"c11ff724-aa03-4555-9952-8fa248a11c3e\" \
PropertyName=\"TandemKey\" PropertyType=\"String\"/>";

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn codes(&self) -> Vec<String> {
        self.all("<m:ResponseCode>", "</m:ResponseCode>")
    }

    pub(crate) fn code(&self) -> String {
        let open = self.body.find("ResponseCode").map_or("", |at| &self.body[at..]);
        open.split_once('>')
            .and_then(|(_, rest)| rest.split_once('<'))
            .map_or(String::new(), |(code, _)| code.to_owned())
    }

    pub(crate) fn ok(self) -> Self {
        assert_eq!(
            (self.status, self.code().as_str()),
            (200, "NoError"),
            "{}",
            self.body
        );
        self
    }

    pub(crate) fn all(&self, before: &str, after: &str) -> Vec<String> {
        self.body
            .split(before)
            .skip(1)
            .filter_map(|rest| rest.split_once(after).map(|(value, _)| value.to_owned()))
            .collect()
    }

    pub(crate) fn one(&self, before: &str, after: &str) -> String {
        self.all(before, after)
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no {before} in {}", self.body))
    }

    pub(crate) fn field(&self, name: &str) -> String {
        self.one(&format!("<t:{name}>"), &format!("</t:{name}>"))
    }

    pub(crate) fn fields(&self, name: &str) -> Vec<String> {
        self.all(&format!("<t:{name}>"), &format!("</t:{name}>"))
    }

    pub(crate) fn has(&self, part: &str) {
        assert!(self.body.contains(part), "{part} is not in {}", self.body);
    }

    pub(crate) fn lacks(&self, part: &str) {
        assert!(!self.body.contains(part), "{part} is in {}", self.body);
    }

    /// Id and change key of each item.
    pub(crate) fn ids(&self) -> Vec<(String, String)> {
        self.all("<t:ItemId Id=\"", "\"/>")
            .iter()
            .filter_map(|v| v.split_once("\" ChangeKey=\""))
            .map(|(id, key)| (id.to_owned(), key.to_owned()))
            .collect()
    }

    pub(crate) fn id(&self) -> (String, String) {
        self.ids()
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no id in {}", self.body))
    }
}

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Options {
            contacts: 5,
            mailbox_contacts: 0,
            ..Options::default()
        })
        .await
    }

    pub(crate) async fn with(options: Options) -> Self {
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
        }
    }

    pub(crate) async fn ews_as(&self, login: (&str, &str), header: &str, content: &str) -> Answer {
        let origin = &self.sandbox.info().exchange.http;
        let port: u16 = origin.rsplit_once(':').unwrap().1.parse().unwrap();
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
<s:Header><t:RequestServerVersion Version=\"Exchange2013\"/>{header}</s:Header><s:Body>{content}</s:Body></s:Envelope>"
        );
        let pair = STANDARD.encode(format!("{}:{}", login.0, login.1));
        let request = format!(
            "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {pair}\r\n\
Content-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: headers.split(' ').nth(1).unwrap().parse().unwrap(),
            body: body.to_owned(),
        }
    }

    pub(crate) async fn ews(&self, content: &str) -> Answer {
        self.ews_as(NINA, "", content).await
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    /// `path` is below the mailbox of that user.
    pub(crate) async fn user(&self, method: &str, who: &str, path: &str, body: Value) -> Value {
        self.control(method, &format!("/exchange/mailboxes/{who}/{path}"), body)
            .await
    }

    pub(crate) async fn nina(&self, method: &str, path: &str, body: Value) -> Value {
        self.user(method, NINA.0, path, body).await
    }

    /// The status with which a request of the control API is refused.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: Value) -> u16 {
        let path = format!("/exchange/mailboxes/{}/{path}", NINA.0);
        self.sandbox.control(method, &path, body).await.0
    }

    pub(crate) async fn list(&self, who: &str, kind: &str) -> Vec<Value> {
        self.user("GET", who, kind, Value::Null)
            .await
            .as_array()
            .unwrap()
            .clone()
    }

    pub(crate) async fn fault(&self, rule: Value) {
        let mut rule = rule;
        rule["service"] = json!("exchange");
        self.control("POST", "/faults", rule).await;
    }

    pub(crate) async fn mails(&self) -> Vec<Value> {
        let counters = self.control("GET", "/counters", Value::Null).await;
        let mails = counters["exchange"]["mails"].as_array().unwrap().clone();
        assert_eq!(counters["exchange"]["mails_sent"], mails.len());
        mails
    }

    pub(crate) async fn create(&self, attrs: &str, item: &str) -> Answer {
        self.ews(&format!(
            "<m:CreateItem {attrs}><m:Items>{item}</m:Items></m:CreateItem>"
        ))
        .await
    }

    pub(crate) async fn get(&self, id: &str, shape: &str) -> Answer {
        self.get_any(&format!("<t:ItemId Id=\"{id}\"/>"), shape).await
    }

    pub(crate) async fn get_any(&self, id: &str, shape: &str) -> Answer {
        self.ews(&format!(
            "<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{id}</m:ItemIds></m:GetItem>"
        ))
        .await
    }

    pub(crate) async fn update(&self, attrs: &str, id: &(String, String), updates: &str) -> Answer {
        self.ews(&format!(
            "<m:UpdateItem ConflictResolution=\"NeverOverwrite\" {attrs}><m:ItemChanges><t:ItemChange>\
<t:ItemId Id=\"{}\" ChangeKey=\"{}\"/><t:Updates>{updates}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
            id.0, id.1
        ))
        .await
    }

    pub(crate) async fn delete(&self, attrs: &str, id: &str) -> Answer {
        self.ews(&format!(
            "<m:DeleteItem {attrs}><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>"
        ))
        .await
    }

    pub(crate) async fn view(&self, from: &str, until: &str) -> Answer {
        self.ews(&format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape>{ALL}</m:ItemShape>\
<m:CalendarView StartDate=\"{from}\" EndDate=\"{until}\"/>\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds></m:FindItem>"
        ))
        .await
    }

    pub(crate) async fn find(&self, folder: &str, restriction: &str) -> Answer {
        self.ews(&format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape>{ALL}</m:ItemShape><m:Restriction>{restriction}</m:Restriction>\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"{folder}\"/></m:ParentFolderIds></m:FindItem>"
        ))
        .await
    }

    pub(crate) async fn sync(&self, folder: &str, state: &str) -> Answer {
        let state = if state.is_empty() {
            String::new()
        } else {
            format!("<m:SyncState>{state}</m:SyncState>")
        };
        self.ews(&format!(
            "<m:SyncFolderItems><m:ItemShape>{ID_ONLY}</m:ItemShape>\
<m:SyncFolderId><t:DistinguishedFolderId Id=\"{folder}\"/></m:SyncFolderId>{state}\
<m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"
        ))
        .await
        .ok()
    }
}

pub(crate) fn state(answer: &Answer) -> String {
    answer.one("<m:SyncState>", "</m:SyncState>")
}

/// Creates, updates, deletes, changes of the read flag.
pub(crate) fn changes(answer: &Answer) -> (usize, usize, usize, usize) {
    let count = |tag: &str| answer.body.matches(tag).count();
    (
        count("<t:Create>"),
        count("<t:Update>"),
        count("<t:Delete>"),
        count("<t:ReadFlagChange>"),
    )
}

/// `t:SetItemField` of one property.
pub(crate) fn set(uri: &str, element: &str, property: &str) -> String {
    format!(
        "<t:SetItemField><t:FieldURI FieldURI=\"{uri}\"/><t:{element}>{property}</t:{element}></t:SetItemField>"
    )
}

/// An id for a path.
pub(crate) fn quoted(id: &Value) -> String {
    id.as_str()
        .unwrap()
        .replace('%', "%25")
        .replace('/', "%2F")
        .replace('+', "%2B")
        .replace('=', "%3D")
}
