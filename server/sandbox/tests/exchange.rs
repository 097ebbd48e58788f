//! The Exchange half over real sockets, with HTTP written by hand: nothing of ours but the sandbox takes part.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as the tests do")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tandem_sandbox::{Options, Sandbox};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const NINA: &str = "nina.berg@contoso.example";
const SECRET: &str = "Bergkristall-42";
const MAILBOX: &str = "/exchange/mailboxes/nina.berg@contoso.example";

struct Answer {
    status: u16,
    headers: String,
    body: String,
    /// The connection closed before all announced bytes had come.
    cut: bool,
}

impl Answer {
    fn code(&self) -> &str {
        let open = self.body.find("ResponseCode").map_or("", |at| &self.body[at..]);
        open.split_once('>')
            .and_then(|(_, rest)| rest.split_once('<'))
            .map_or("", |(code, _)| code)
    }

    fn all(&self, before: &str, after: &str) -> Vec<String> {
        self.body
            .split(before)
            .skip(1)
            .filter_map(|rest| rest.split_once(after).map(|(value, _)| value.to_owned()))
            .collect()
    }

    fn one(&self, before: &str, after: &str) -> String {
        self.all(before, after)
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("no {before} in {}", self.body))
    }

    fn ids(&self) -> Vec<(String, String)> {
        self.all("<t:ItemId Id=\"", "\"/>")
            .iter()
            .filter_map(|v| v.split_once("\" ChangeKey=\""))
            .map(|(id, key)| (id.to_owned(), key.to_owned()))
            .collect()
    }
}

async fn exchange_bytes(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Option<Answer> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    // An unclean end of TLS is how a cut connection looks.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (headers, body) = text.split_once("\r\n\r\n")?;
    let status = headers.split(' ').nth(1)?.parse().ok()?;
    let announced: usize = headers
        .lines()
        .find_map(|l| {
            l.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        })
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    Some(Answer {
        status,
        headers: headers.to_owned(),
        body: body.to_owned(),
        cut: body.len() < announced,
    })
}

fn port(origin: &str) -> u16 {
    origin
        .rsplit_once(':')
        .and_then(|(_, p)| p.parse().ok())
        .expect("an origin ends in its port")
}

async fn http(
    origin: &str,
    method: &str,
    path: &str,
    login: Option<(&str, &str)>,
    body: &str,
) -> Option<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    if let Some((user, password)) = login {
        let pair = STANDARD.encode(format!("{user}:{password}"));
        write!(request, "Authorization: Basic {pair}\r\n").unwrap();
    }
    write!(
        request,
        "Content-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port(origin))).await.ok()?;
    exchange_bytes(stream, &request).await
}

fn envelope(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
<s:Header><t:RequestServerVersion Version=\"Exchange2013\"/></s:Header><s:Body>{content}</s:Body></s:Envelope>"
    )
}

struct Bench {
    sandbox: Sandbox,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
        }
    }

    async fn raw(&self, login: &str, password: &str, content: &str) -> Option<Answer> {
        let origin = &self.sandbox.info().exchange.http;
        http(
            origin,
            "POST",
            "/EWS/Exchange.asmx",
            Some((login, password)),
            &envelope(content),
        )
        .await
    }

    async fn ews(&self, content: &str) -> Answer {
        self.raw(NINA, SECRET, content).await.expect("an answer")
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    async fn fault(&self, rule: Value) {
        let mut rule = rule;
        rule["service"] = json!("exchange");
        self.control("POST", "/faults", rule).await;
    }

    async fn contacts(&self) -> Vec<Value> {
        self.control("GET", &format!("{MAILBOX}/contacts"), Value::Null)
            .await
            .as_array()
            .unwrap()
            .clone()
    }

    async fn add(&self, fields: Value) -> Value {
        self.control(
            "POST",
            &format!("{MAILBOX}/contacts"),
            json!({ "fields": fields }),
        )
        .await
    }

    async fn create(&self, properties: &str) -> (String, String) {
        let answer = self
            .ews(&format!(
                "<m:CreateItem><m:Items><t:Contact>{properties}</t:Contact></m:Items></m:CreateItem>"
            ))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (200, "NoError"),
            "{}",
            answer.body
        );
        answer.ids().remove(0)
    }

    async fn update(&self, id: &(String, String), how: &str, updates: &str) -> Answer {
        self.ews(&format!(
            "<m:UpdateItem ConflictResolution=\"{how}\"><m:ItemChanges><t:ItemChange>\
<t:ItemId Id=\"{}\" ChangeKey=\"{}\"/><t:Updates>{updates}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
            id.0, id.1
        ))
        .await
    }

    async fn get(&self, id: &str, shape: &str) -> Answer {
        self.ews(&format!(
            "<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
        ))
        .await
    }

    async fn sync(&self, folder: &str, state: &str, most: usize) -> Answer {
        let state = if state.is_empty() {
            String::new()
        } else {
            format!("<m:SyncState>{state}</m:SyncState>")
        };
        self.ews(&format!(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
<m:SyncFolderId><t:DistinguishedFolderId Id=\"{folder}\"/></m:SyncFolderId>{state}\
<m:MaxChangesReturned>{most}</m:MaxChangesReturned></m:SyncFolderItems>"
        ))
        .await
    }
}

const ALL: &str = "<t:BaseShape>AllProperties</t:BaseShape><t:BodyType>Text</t:BodyType>";
const SET_TITLE: &str = "<t:SetItemField><t:FieldURI FieldURI=\"contacts:JobTitle\"/>\
<t:Contact><t:JobTitle>CTO</t:JobTitle></t:Contact></t:SetItemField>";
const EXTENDED: &str = "<t:ExtendedFieldURI PropertySetId=\"c11ff724-aa03-4555-9952-8fa248a11c3e\" \
PropertyName=\"TandemKey\" PropertyType=\"String\"/>";

fn state_of(answer: &Answer) -> String {
    answer.one("<m:SyncState>", "</m:SyncState>")
}

fn changes(answer: &Answer) -> (usize, usize, usize) {
    let count = |tag: &str| answer.body.matches(tag).count();
    (count("<t:Create>"), count("<t:Update>"), count("<t:Delete>"))
}

#[tokio::test]
async fn a_contact_lives_from_create_to_hard_delete() {
    let bench = Bench::new().await;
    let id = bench
        .create(&format!(
            "<t:Sensitivity>Private</t:Sensitivity><t:Body BodyType=\"Text\">one\ntwo &lt;3</t:Body>\
<t:Categories><t:String>Salesforce</t:String><t:String>Zürich &amp; Co</t:String></t:Categories>\
<t:ExtendedProperty>{EXTENDED}<t:Value>key-1</t:Value></t:ExtendedProperty>\
<t:FileAsMapping>LastCommaFirst</t:FileAsMapping><t:GivenName>Zoe\u{308}  </t:GivenName>\
<t:EmailAddresses><t:Entry Key=\"EmailAddress1\">z@x.example</t:Entry></t:EmailAddresses>\
<t:PhysicalAddresses><t:Entry Key=\"Business\"><t:Street>Weg 1&#xD;\nHof</t:Street><t:City>Köln</t:City></t:Entry></t:PhysicalAddresses>\
<t:PhoneNumbers><t:Entry Key=\"BusinessPhone\">+49 1</t:Entry></t:PhoneNumbers>\
<t:Birthday>1980-05-01T00:00:00Z</t:Birthday><t:Surname>𠮷田</t:Surname>"
        ))
        .await;
    let shape = format!("{ALL}<t:AdditionalProperties>{EXTENDED}</t:AdditionalProperties>");
    let read = bench.get(&id.0, &shape).await;
    for part in [
        "<t:Sensitivity>Private</t:Sensitivity>",
        "<t:Body BodyType=\"Text\">one&#xD;\ntwo &lt;3</t:Body>",
        "<t:String>Zürich &amp; Co</t:String>",
        "<t:Value>key-1</t:Value>",
        "<t:FileAs>𠮷田, Zoe\u{308}</t:FileAs>",
        "<t:DisplayName>Zoe\u{308} 𠮷田</t:DisplayName>",
        "<t:GivenName>Zoe\u{308}</t:GivenName>",
        "<t:Street>Weg 1&#xD;\nHof</t:Street>",
        "<t:Birthday>1980-05-01T00:00:00Z</t:Birthday>",
        "<t:LastName>𠮷田</t:LastName>",
        "<t:LastModifiedName>Nina Berg</t:LastModifiedName>",
    ] {
        assert!(read.body.contains(part), "{part} is not in {}", read.body);
    }
    let order: Vec<usize> = [
        "t:ItemId ",
        "t:Body ",
        "t:Categories",
        "t:ExtendedProperty",
        "t:FileAs>",
        "t:EmailAddresses",
        "t:Surname",
    ]
    .iter()
    .map(|t| read.body.find(t).unwrap())
    .collect();
    assert!(order.is_sorted(), "not in the schema's order: {}", read.body);

    let changed = bench
        .update(
            &id,
            "NeverOverwrite",
            "<t:SetItemField><t:FieldURI FieldURI=\"contacts:GivenName\"/><t:Contact><t:GivenName>Zoe</t:GivenName></t:Contact></t:SetItemField>\
<t:DeleteItemField><t:IndexedFieldURI FieldURI=\"contacts:PhoneNumber\" FieldIndex=\"BusinessPhone\"/></t:DeleteItemField>\
<t:SetItemField><t:IndexedFieldURI FieldURI=\"contacts:PhysicalAddress:City\" FieldIndex=\"Business\"/><t:Contact><t:PhysicalAddresses><t:Entry Key=\"Business\"><t:City>Bonn</t:City></t:Entry></t:PhysicalAddresses></t:Contact></t:SetItemField>\
<t:AppendToItemField><t:FieldURI FieldURI=\"item:Body\"/><t:Contact><t:Body BodyType=\"Text\">!</t:Body></t:Contact></t:AppendToItemField>\
<t:DeleteItemField><t:FieldURI FieldURI=\"item:Categories\"/></t:DeleteItemField>",
        )
        .await;
    assert_eq!(changed.code(), "NoError", "{}", changed.body);
    let now = changed.ids().remove(0);
    assert_eq!(now.0, id.0);
    assert_ne!(now.1, id.1, "an edit gives a new change key");
    let read = bench.get(&id.0, &shape).await;
    assert!(
        read.body.contains("<t:DisplayName>Zoe 𠮷田</t:DisplayName>"),
        "{}",
        read.body
    );
    assert!(read.body.contains("<t:City>Bonn</t:City>") && read.body.contains("Hof</t:Street>"));
    assert!(read.body.contains("two &lt;3!</t:Body>"));
    assert!(!read.body.contains("PhoneNumbers") && !read.body.contains("Categories"));

    let delete = |id: &str, how: &str| {
        format!(
            "<m:DeleteItem DeleteType=\"{how}\"><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>"
        )
    };
    assert_eq!(
        bench.ews(&delete(&id.0, "MoveToDeletedItems")).await.code(),
        "NoError"
    );
    assert_eq!(
        bench.get(&id.0, ALL).await.code(),
        "ErrorItemNotFound",
        "a move gives a new id"
    );
    let binned = bench
        .contacts()
        .await
        .into_iter()
        .find(|c| c["folder"] == "Deleted Items")
        .unwrap();
    let new_id = binned["id"].as_str().unwrap();
    assert_eq!(
        binned["properties"]["{c11ff724-aa03-4555-9952-8fa248a11c3e}/TandemKey"],
        "key-1"
    );
    assert_eq!(bench.ews(&delete(new_id, "HardDelete")).await.code(), "NoError");
    assert_eq!(bench.get(new_id, ALL).await.code(), "ErrorItemNotFound");
}

#[tokio::test]
async fn stale_and_bad_change_keys() {
    let bench = Bench::new().await;
    let id = bench.create("<t:GivenName>A</t:GivenName>").await;
    assert_eq!(
        bench.update(&id, "AutoResolve", SET_TITLE).await.code(),
        "NoError"
    );
    for how in ["NeverOverwrite", "AutoResolve"] {
        assert_eq!(
            bench.update(&id, how, SET_TITLE).await.code(),
            "ErrorIrresolvableConflict"
        );
    }
    assert_eq!(
        bench.update(&id, "AlwaysOverwrite", SET_TITLE).await.code(),
        "NoError"
    );
    let bad = (id.0.clone(), "!!".to_owned());
    assert_eq!(
        bench.update(&bad, "AlwaysOverwrite", SET_TITLE).await.code(),
        "ErrorInvalidChangeKey"
    );
    let none = (id.0.clone(), String::new());
    assert_eq!(
        bench.update(&none, "NeverOverwrite", SET_TITLE).await.code(),
        "ErrorChangeKeyRequiredForWriteOperations"
    );
    assert_eq!(bench.get("AAAA", ALL).await.code(), "ErrorInvalidIdMalformed");
    assert_eq!(bench.get("", ALL).await.code(), "ErrorInvalidIdEmpty");
}

#[tokio::test]
async fn one_bad_item_does_not_spoil_the_batch() {
    let bench = Bench::new().await;
    let answer = bench
        .ews(
            "<m:CreateItem><m:Items><t:Contact><t:GivenName>A</t:GivenName></t:Contact>\
<t:Contact><t:CompleteName><t:FirstName>B</t:FirstName></t:CompleteName></t:Contact>\
<t:Contact><t:GivenName>C</t:GivenName></t:Contact></m:Items></m:CreateItem>",
        )
        .await;
    assert_eq!(
        answer.all("<m:ResponseCode>", "</m:ResponseCode>"),
        ["NoError", "ErrorInvalidPropertySet", "NoError"]
    );
    assert!(answer.body.contains("FieldURI=\"contacts:CompleteName\""));
    assert_eq!(answer.ids().len(), 2);
}

#[tokio::test]
async fn updates_that_make_no_sense() {
    let bench = Bench::new().await;
    let id = bench.create("<t:GivenName>A</t:GivenName>").await;
    let path = "<t:FieldURI FieldURI=\"contacts:JobTitle\"/>";
    for (updates, code) in [
        (format!("<t:SetItemField>{path}<t:Contact><t:Surname>B</t:Surname></t:Contact></t:SetItemField>"), "ErrorUpdatePropertyMismatch"),
        (format!("<t:SetItemField>{path}<t:Contact/></t:SetItemField>"), "ErrorIncorrectUpdatePropertyCount"),
        (format!("<t:AppendToItemField>{path}<t:Contact><t:JobTitle>B</t:JobTitle></t:Contact></t:AppendToItemField>"), "ErrorInvalidPropertyAppend"),
        ("<t:DeleteItemField><t:FieldURI FieldURI=\"contacts:CompleteName\"/></t:DeleteItemField>".to_owned(), "ErrorInvalidPropertyDelete"),
        ("<t:DeleteItemField><t:FieldURI FieldURI=\"contacts:EmailAddresses\"/></t:DeleteItemField>".to_owned(), "ErrorInvalidPropertyDelete"),
        ("<t:SetItemField><t:IndexedFieldURI FieldURI=\"contacts:PhoneNumber\" FieldIndex=\"HomePhone\"/><t:Contact><t:PhoneNumbers><t:Entry Key=\"Pager\">1</t:Entry></t:PhoneNumbers></t:Contact></t:SetItemField>".to_owned(), "ErrorUpdatePropertyMismatch"),
        ("<t:DeleteItemField><t:IndexedFieldURI FieldURI=\"contacts:PhoneNumber\" FieldIndex=\"Nonsense\"/></t:DeleteItemField>".to_owned(), "ErrorInvalidPropertyRequest"),
        ("<t:DeleteItemField><t:ExtendedFieldURI PropertyTag=\"0x8001\" PropertyType=\"String\"/></t:DeleteItemField>".to_owned(), "ErrorNoPropertyTagForCustomProperties"),
        ("<t:SetItemField><t:ExtendedFieldURI PropertyTag=\"0x3A45\" PropertyType=\"Integer\"/><t:Contact><t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x3A45\" PropertyType=\"Integer\"/><t:Value>x</t:Value></t:ExtendedProperty></t:Contact></t:SetItemField>".to_owned(), "ErrorInvalidExtendedPropertyValue"),
    ] {
        let answer = bench.update(&id, "AlwaysOverwrite", &updates).await;
        assert_eq!((answer.status, answer.code()), (200, code), "{updates}");
    }
    let all = bench.get(&id.0, ALL).await;
    assert!(all.body.contains(&id.1), "nothing was changed");
}

#[tokio::test]
async fn wrong_order_and_unknown_names_are_refused_aloud() {
    let bench = Bench::new().await;
    for (request, code, named) in [
        (
            "<m:CreateItem><m:Items><t:Contact><t:Surname>B</t:Surname><t:GivenName>A</t:GivenName></t:Contact></m:Items></m:CreateItem>",
            "ErrorSchemaValidation",
            "GivenName",
        ),
        (
            "<m:CreateItem><m:Items><t:Contact><t:Nonsense>A</t:Nonsense></t:Contact></m:Items></m:CreateItem>",
            "ErrorSchemaValidation",
            "Nonsense",
        ),
        (
            "<m:GetItem><m:ItemIds><t:ItemId Id=\"x\"/></m:ItemIds><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape></m:GetItem>",
            "ErrorSchemaValidation",
            "ItemIds",
        ),
        (
            "<m:GetItem><m:ItemShape><t:BaseShape>Everything</t:BaseShape></m:ItemShape><m:ItemIds><t:ItemId Id=\"x\"/></m:ItemIds></m:GetItem>",
            "ErrorSchemaValidation",
            "BaseShape",
        ),
        (
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:ItemIds/></m:GetItem>",
            "ErrorSchemaValidation",
            "incomplete",
        ),
        (
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI=\"contacts:ShoeSize\"/></t:AdditionalProperties></m:ItemShape><m:ItemIds><t:ItemId Id=\"x\"/></m:ItemIds></m:GetItem>",
            "ErrorSchemaValidation",
            "ShoeSize",
        ),
        (
            "<m:UpdateItem><m:ItemChanges/></m:UpdateItem>",
            "ErrorSchemaValidation",
            "ConflictResolution",
        ),
        ("<m:FindPeople/>", "ErrorInvalidRequest", "FindPeople"),
        ("<t:GetItem/>", "ErrorInvalidRequest", "GetItem"),
        ("<m:GetItem", "ErrorSchemaValidation", ""),
        ("", "ErrorSchemaValidation", ""),
    ] {
        let answer = bench.ews(request).await;
        assert_eq!(
            (answer.status, answer.code()),
            (500, code),
            "{request}: {}",
            answer.body
        );
        assert!(answer.body.contains("<s:Fault>") && answer.body.contains("ServerVersionInfo"));
        assert!(
            answer.body.contains(named),
            "{named} is not named in {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn sync_state_over_edits_moves_and_pages() {
    let bench = Bench::new().await;
    // Newest first, in pages, each item once.
    let mut seen = Vec::new();
    let mut state = String::new();
    loop {
        let page = bench.sync("contacts", &state, 5).await;
        assert_eq!(page.code(), "NoError");
        seen.extend(page.ids().into_iter().map(|(id, _)| id));
        state = state_of(&page);
        if page.body.contains("<m:IncludesLastItemInRange>true") {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 12);
    let contacts = bench.contacts().await;
    assert_eq!(seen[0], contacts[11]["id"], "the newest comes first");

    let quiet = bench.sync("contacts", &state, 512).await;
    assert_eq!((changes(&quiet), state_of(&quiet)), ((0, 0, 0), state.clone()));

    let new = bench
        .add(json!({ "GivenName": "New", "EmailAddress1": "new@x.example" }))
        .await;
    let path = |id: &str| {
        format!(
            "{MAILBOX}/contacts?id={}",
            id.replace('+', "%2B").replace('=', "%3D")
        )
    };
    let id = |n: usize| contacts[n]["id"].as_str().unwrap().to_owned();
    bench
        .control(
            "PATCH",
            &path(&id(0)),
            json!({ "fields": { "JobTitle": "Boss" } }),
        )
        .await;
    bench.control("DELETE", &path(&id(1)), Value::Null).await;
    bench
        .control("DELETE", &format!("{}&hard=true", path(&id(2))), Value::Null)
        .await;
    let changed = bench.sync("contacts", &state, 512).await;
    assert_eq!(changes(&changed), (1, 1, 2), "{}", changed.body);
    let ids: BTreeSet<String> = changed.ids().into_iter().map(|(id, _)| id).collect();
    let expected: BTreeSet<String> = [id(0), id(1), id(2), new["id"].as_str().unwrap().to_owned()]
        .into_iter()
        .collect();
    assert_eq!(ids, expected);
    let bin = bench.sync("deleteditems", "", 512).await;
    assert_eq!(changes(&bin), (1, 0, 0));

    // The old state is still good, and says the same again.
    assert_eq!(changes(&bench.sync("contacts", &state, 512).await), (1, 1, 2));
    assert_eq!(
        changes(&bench.sync("contacts", &state_of(&changed), 512).await),
        (0, 0, 0)
    );

    assert_eq!(
        bench.sync("contacts", "bm9uc2Vuc2U=", 512).await.code(),
        "ErrorInvalidSyncStateData"
    );
    assert_eq!(
        bench.sync("deleteditems", &state, 512).await.code(),
        "ErrorInvalidSyncStateData"
    );
    assert_eq!(
        bench.sync("favorites", "", 512).await.code(),
        "ErrorSyncFolderNotFound"
    );
    assert_eq!(
        bench.sync("contacts", "", 513).await.code(),
        "ErrorSchemaValidation"
    );
}

#[tokio::test]
async fn folders_are_made_listed_and_removed() {
    let bench = Bench::new().await;
    let tree = |state: &str| {
        format!(
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>{state}</m:SyncFolderHierarchy>"
        )
    };
    let first = bench.ews(&tree("")).await;
    assert!(
        first.body.contains("<t:ContactsFolder><t:FolderId "),
        "{}",
        first.body
    );
    let state = format!("<m:SyncState>{}</m:SyncState>", state_of(&first));
    let create = "<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id=\"contacts\"/></m:ParentFolderId>\
<m:Folders><t:ContactsFolder><t:DisplayName>Salesforce Contacts</t:DisplayName></t:ContactsFolder></m:Folders></m:CreateFolder>";
    let made = bench.ews(create).await;
    assert_eq!(made.code(), "NoError", "{}", made.body);
    assert_eq!(bench.ews(create).await.code(), "ErrorFolderExists");
    let folder = made.one("<t:FolderId Id=\"", "\"");
    let found = bench
        .ews(
            "<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI=\"folder:DisplayName\"/><t:FieldURIOrConstant><t:Constant Value=\"salesforce contacts\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:ParentFolderIds></m:FindFolder>",
        )
        .await;
    assert_eq!(
        found.all("<t:FolderId Id=\"", "\""),
        std::slice::from_ref(&folder)
    );
    assert!(found.body.contains("TotalItemsInView=\"1\"") && found.body.contains("<t:TotalCount>0<"));

    let id = bench.create("<t:GivenName>A</t:GivenName>").await;
    let moved = bench
        .ews(&format!(
            "<m:MoveItem><m:ToFolderId><t:FolderId Id=\"{folder}\"/></m:ToFolderId><m:ItemIds><t:ItemId Id=\"{}\"/></m:ItemIds></m:MoveItem>",
            id.0
        ))
        .await;
    assert_ne!(moved.ids()[0].0, id.0);
    assert_eq!(
        bench
            .get(&moved.ids()[0].0, ALL)
            .await
            .one("<t:ParentFolderId Id=\"", "\""),
        folder
    );
    let changed = bench.ews(&tree(&state)).await;
    assert_eq!(changes(&changed).0, 1);
    bench
        .control(
            "DELETE",
            &format!("{MAILBOX}/folders?name=Salesforce%20Contacts"),
            Value::Null,
        )
        .await;
    assert_eq!(
        bench.get(&moved.ids()[0].0, ALL).await.code(),
        "ErrorItemNotFound"
    );
    let later = bench
        .ews(&tree(&format!(
            "<m:SyncState>{}</m:SyncState>",
            state_of(&changed)
        )))
        .await;
    assert_eq!(changes(&later), (0, 0, 1));
    let get = format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:FolderId Id=\"{folder}\"/>\
<t:DistinguishedFolderId Id=\"contacts\"><t:Mailbox><t:EmailAddress>li.wei@contoso.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>\
<t:DistinguishedFolderId Id=\"contacts\"><t:Mailbox><t:EmailAddress>nobody@x.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>\
<t:DistinguishedFolderId Id=\"contacts\"/></m:FolderIds></m:GetFolder>"
    );
    assert_eq!(
        bench.ews(&get).await.all("<m:ResponseCode>", "</m:ResponseCode>"),
        [
            "ErrorFolderNotFound",
            "ErrorAccessDenied",
            "ErrorNonExistentMailbox",
            "NoError"
        ]
    );
    let wrong = "<m:CreateItem><m:SavedItemFolderId><t:DistinguishedFolderId Id=\"inbox\"/></m:SavedItemFolderId>\
<m:Items><t:Contact><t:GivenName>A</t:GivenName></t:Contact></m:Items></m:CreateItem>";
    assert_eq!(
        bench.ews(wrong).await.code(),
        "ErrorCannotCreateContactInNonContactFolder"
    );
}

fn find(view: &str, restriction: &str) -> String {
    format!(
        "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>\
<t:AdditionalProperties><t:FieldURI FieldURI=\"contacts:Surname\"/></t:AdditionalProperties></m:ItemShape>{view}{restriction}\
<m:SortOrder><t:FieldOrder Order=\"Descending\"><t:FieldURI FieldURI=\"contacts:Surname\"/></t:FieldOrder></m:SortOrder>\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"contacts\"/></m:ParentFolderIds></m:FindItem>"
    )
}

#[tokio::test]
async fn find_item_filters_sorts_and_pages() {
    let bench = Bench::with(Options {
        mailbox_contacts: 0,
        ..Options::default()
    })
    .await;
    for n in 0..7 {
        bench
            .create(&format!(
                "<t:Categories><t:String>{}</t:String></t:Categories>\
<t:ExtendedProperty>{EXTENDED}<t:Value>k{n}</t:Value></t:ExtendedProperty>\
<t:EmailAddresses><t:Entry Key=\"EmailAddress1\">P{n}@x.example</t:Entry></t:EmailAddresses><t:Surname>S{n}</t:Surname>",
                if n % 2 == 0 { "Salesforce" } else { "Other" }
            ))
            .await;
    }
    let surnames = |a: &Answer| a.all("<t:Surname>", "</t:Surname>").join(" ");
    let page = |offset: usize| {
        format!(
            "<m:IndexedPageItemView MaxEntriesReturned=\"3\" Offset=\"{offset}\" BasePoint=\"Beginning\"/>"
        )
    };
    let first = bench.ews(&find(&page(0), "")).await;
    assert_eq!(surnames(&first), "S6 S5 S4");
    assert!(
        first.body.contains("IndexedPagingOffset=\"3\"")
            && first.body.contains("IncludesLastItemInRange=\"false\"")
    );
    let last = bench.ews(&find(&page(6), "")).await;
    assert_eq!(surnames(&last), "S0");
    assert!(last.body.contains("IncludesLastItemInRange=\"true\""));

    let constant =
        |v: &str| format!("<t:FieldURIOrConstant><t:Constant Value=\"{v}\"/></t:FieldURIOrConstant>");
    let email = "<t:IndexedFieldURI FieldURI=\"contacts:EmailAddress\" FieldIndex=\"EmailAddress1\"/>";
    for (restriction, expected) in [
        (
            format!("<t:IsEqualTo>{email}{}</t:IsEqualTo>", constant("p3@X.example")),
            "S3",
        ),
        (
            format!(
                "<t:Or><t:IsEqualTo>{EXTENDED}{}</t:IsEqualTo><t:IsEqualTo>{EXTENDED}{}</t:IsEqualTo></t:Or>",
                constant("k1"),
                constant("k5")
            ),
            "S5 S1",
        ),
        (
            format!(
                "<t:And><t:IsEqualTo><t:FieldURI FieldURI=\"item:Categories\"/>{}</t:IsEqualTo><t:Contains ContainmentMode=\"Prefixed\" ContainmentComparison=\"IgnoreCase\">{email}<t:Constant Value=\"p4\"/></t:Contains></t:And>",
                constant("Salesforce")
            ),
            "S4",
        ),
        (format!("<t:Not><t:Exists>{EXTENDED}</t:Exists></t:Not>"), ""),
        (
            "<t:Exists><t:FieldURI FieldURI=\"contacts:JobTitle\"/></t:Exists>".to_owned(),
            "",
        ),
        (
            format!(
                "<t:IsGreaterThan><t:FieldURI FieldURI=\"contacts:Surname\"/>{}</t:IsGreaterThan>",
                constant("S4")
            ),
            "S6 S5",
        ),
    ] {
        let answer = bench
            .ews(&find(
                "",
                &format!("<m:Restriction>{restriction}</m:Restriction>"),
            ))
            .await;
        assert_eq!(
            (answer.code(), surnames(&answer).as_str()),
            ("NoError", expected),
            "{restriction}"
        );
    }
    let body = find("", "").replace("contacts:Surname\"/></t:Addi", "item:Body\"/></t:Addi");
    assert_eq!(bench.ews(&body).await.code(), "ErrorInvalidPropertyRequest");
}

fn subscribe() -> String {
    let kinds: String = ["Created", "Deleted", "Modified", "Moved", "Copied"]
        .map(|k| format!("<t:EventType>{k}Event</t:EventType>"))
        .concat();
    format!(
        "<m:Subscribe><m:PullSubscriptionRequest><t:FolderIds><t:DistinguishedFolderId Id=\"contacts\"/></t:FolderIds>\
<t:EventTypes>{kinds}</t:EventTypes><t:Timeout>1440</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"
    )
}

fn events(subscription: &str, watermark: &str) -> String {
    format!(
        "<m:GetEvents><m:SubscriptionId>{subscription}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark></m:GetEvents>"
    )
}

#[tokio::test]
async fn pull_events_tell_what_happened() {
    let bench = Bench::new().await;
    let made = bench.ews(&subscribe()).await;
    let id = made.one("<m:SubscriptionId>", "</m:SubscriptionId>");
    let start = made.one("<m:Watermark>", "</m:Watermark>");
    let idle = bench.ews(&events(&id, &start)).await;
    assert!(idle.body.contains("<t:StatusEvent>"), "{}", idle.body);
    let new = bench.add(json!({ "GivenName": "New" })).await;
    let path = format!(
        "{MAILBOX}/contacts?id={}",
        new["id"].as_str().unwrap().replace('+', "%2B")
    );
    bench
        .control("PATCH", &path, json!({ "categories": ["Salesforce"] }))
        .await;
    bench.control("DELETE", &path, Value::Null).await;
    let busy = bench.ews(&events(&id, &start)).await;
    for kind in ["CreatedEvent", "ModifiedEvent", "MovedEvent"] {
        assert!(
            busy.body.contains(&format!("<t:{kind}><t:Watermark>")),
            "{kind} in {}",
            busy.body
        );
    }
    assert!(busy.body.contains("<t:OldItemId "));
    let end = busy.all("<t:Watermark>", "</t:Watermark>").pop().unwrap();
    assert!(
        bench
            .ews(&events(&id, &end))
            .await
            .body
            .contains("<t:StatusEvent>")
    );
    assert!(
        bench
            .ews(&events(&id, &start))
            .await
            .body
            .contains("CreatedEvent"),
        "an old watermark reads again"
    );
    assert_eq!(
        bench.ews(&events(&id, "bm9uc2Vuc2U=")).await.code(),
        "ErrorInvalidWatermark"
    );
    assert_eq!(
        bench.ews(&events("bm9uc2Vuc2U=", &end)).await.code(),
        "ErrorSubscriptionNotFound"
    );
    let other = bench
        .raw("CONTOSO\\li.wei", "Bambus_wald.88", &events(&id, &end))
        .await
        .unwrap();
    assert_eq!(other.code(), "ErrorSubscriptionAccessDenied");
    let stop = format!("<m:Unsubscribe><m:SubscriptionId>{id}</m:SubscriptionId></m:Unsubscribe>");
    assert_eq!(bench.ews(&stop).await.code(), "NoError");
    assert_eq!(
        bench.ews(&events(&id, &end)).await.code(),
        "ErrorSubscriptionNotFound"
    );

    // A subscription that nobody asks for its whole time is gone.
    let made = bench.ews(&subscribe()).await;
    let (id, mark) = (
        made.one("<m:SubscriptionId>", "<"),
        made.one("<m:Watermark>", "<"),
    );
    bench
        .control("POST", "/clock", json!({ "advance_s": 86_401 }))
        .await;
    assert_eq!(
        bench.ews(&events(&id, &mark)).await.code(),
        "ErrorExpiredSubscription"
    );

    bench
        .control("PUT", MAILBOX, json!({ "watermark_support": false }))
        .await;
    let bare = bench.ews(&subscribe()).await;
    assert!(
        bare.code() == "NoError" && !bare.body.contains("Watermark"),
        "{}",
        bare.body
    );
}

#[tokio::test]
async fn five_failed_logons_lock_the_account() {
    let bench = Bench::new().await;
    let get = "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id=\"contacts\"/></m:FolderIds></m:GetFolder>";
    let status = async |login: &str, password: &str| bench.raw(login, password, get).await.unwrap().status;
    for _ in 0..4 {
        assert_eq!(status(NINA, "wrong").await, 401);
    }
    assert_eq!(
        status("contoso\\NINA.BERG", SECRET).await,
        200,
        "a good logon starts the count again"
    );
    for _ in 0..5 {
        let refused = bench.raw("CONTOSO\\nina.berg", "wrong", get).await.unwrap();
        assert_eq!(refused.status, 401);
        assert!(
            refused
                .headers
                .to_lowercase()
                .contains("www-authenticate: basic realm="),
            "{}",
            refused.headers
        );
    }
    assert_eq!(status(NINA, SECRET).await, 401, "locked");
    assert_eq!(
        status("tomas.ohara@contoso.example", "Grün: Tee 9").await,
        200,
        "a colleague is not"
    );
    assert_eq!(status("nobody@contoso.example", "x").await, 401);
    let counters = bench.control("GET", "/counters", Value::Null).await;
    assert_eq!(
        counters["exchange"]["failed_logons"],
        json!({ NINA: 9, "nobody@contoso.example": 1 })
    );
    assert_eq!(counters["exchange"]["locked"], json!([NINA]));
    assert_eq!(counters["exchange"]["mails_sent"], 0);
    assert_eq!(bench.control("GET", MAILBOX, Value::Null).await["locked"], true);
    bench.control("PUT", MAILBOX, json!({ "password": "neu" })).await;
    assert_eq!(status(NINA, "neu").await, 200);
    bench.control("PUT", MAILBOX, json!({ "disabled": true })).await;
    assert_eq!(status(NINA, "neu").await, 401);
    bench
        .control("PUT", MAILBOX, json!({ "disabled": false, "no_mailbox": true }))
        .await;
    let none = bench.raw(NINA, "neu", get).await.unwrap();
    assert_eq!((none.status, none.code()), (500, "ErrorNonExistentMailbox"));
    let origin = &bench.sandbox.info().exchange.http;
    assert_eq!(
        http(origin, "POST", "/ews/exchange.ASMX", None, "")
            .await
            .unwrap()
            .status,
        401
    );
}

#[tokio::test]
async fn transport_faults() {
    let bench = Bench::new().await;
    let add =
        "<m:CreateItem><m:Items><t:Contact><t:GivenName>A</t:GivenName></t:Contact></m:Items></m:CreateItem>";
    let count = async || bench.contacts().await.len();
    let rule = |kind: Value| {
        let mut rule = json!({ "operation": "CreateItem", "times": 1 });
        rule.as_object_mut()
            .unwrap()
            .extend(kind.as_object().unwrap().clone());
        rule
    };
    bench
        .fault(rule(json!({ "kind": "status", "code": 503, "retry_after_s": 7 })))
        .await;
    let answer = bench.ews(add).await;
    assert!(answer.status == 503 && answer.headers.to_lowercase().contains("retry-after: 7"));
    bench.fault(rule(json!({ "kind": "reset" }))).await;
    assert!(bench.raw(NINA, SECRET, add).await.is_none());
    bench
        .fault(rule(json!({ "kind": "timeout_before", "ms": 20 })))
        .await;
    assert!(bench.raw(NINA, SECRET, add).await.is_none());
    assert_eq!(count().await, 12, "none of these did anything");
    bench
        .fault(rule(json!({ "kind": "timeout_after", "ms": 20 })))
        .await;
    assert!(bench.raw(NINA, SECRET, add).await.is_none());
    assert_eq!(count().await, 13, "the effect is done");
    bench.fault(rule(json!({ "kind": "cut_body" }))).await;
    let cut = bench.ews(add).await;
    assert!(cut.cut && cut.status == 200 && !cut.body.is_empty());
    bench.fault(rule(json!({ "kind": "malformed" }))).await;
    let malformed = bench.ews(add).await;
    assert!(!malformed.cut && malformed.body.contains("<&") && !malformed.body.contains("</s:Envelope>"));
    bench
        .fault(rule(json!({ "kind": "slow_body", "ms_per_chunk": 1 })))
        .await;
    assert!(bench.ews(add).await.body.ends_with("</s:Envelope>"));
    assert_eq!(count().await, 16);
    let log = bench.control("GET", "/log?since=0", Value::Null).await;
    let faults: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["fault"].as_str())
        .collect();
    assert_eq!(
        faults,
        [
            "status",
            "reset",
            "timeout_before",
            "timeout_after",
            "cut_body",
            "malformed",
            "slow_body"
        ]
    );
    assert!(
        log.as_array()
            .unwrap()
            .iter()
            .all(|e| e["user"] == NINA && e["operation"] == "CreateItem")
    );
    assert_eq!(bench.control("GET", "/faults", Value::Null).await, json!([]));
}

#[tokio::test]
async fn faults_in_the_protocols_words() {
    let bench = Bench::new().await;
    let state = state_of(&bench.sync("contacts", "", 512).await);
    let one = bench.contacts().await[0]["id"].as_str().unwrap().to_owned();

    bench
        .fault(json!({ "kind": "credentials_wrong", "times": 1 }))
        .await;
    assert_eq!(bench.get(&one, ALL).await.status, 401);
    assert_eq!(
        bench.control("GET", "/counters", Value::Null).await["exchange"]["failed_logons"],
        json!({})
    );

    bench
        .fault(json!({ "kind": "throttle", "ms": 4000, "times": 2 }))
        .await;
    let (fault, inside) = (bench.get(&one, ALL).await, bench.get(&one, ALL).await);
    assert_eq!((fault.status, fault.code()), (500, "ErrorServerBusy"));
    assert_eq!((inside.status, inside.code()), (200, "ErrorServerBusy"));
    for answer in [&fault, &inside] {
        assert!(
            answer
                .body
                .contains("<t:Value Name=\"BackOffMilliseconds\">4000</t:Value>"),
            "{}",
            answer.body
        );
    }

    bench.fault(json!({ "kind": "expired_cursor", "times": 1 })).await;
    assert_eq!(
        changes(&bench.sync("contacts", "", 512).await).0,
        12,
        "a first sync has no cursor to lose"
    );
    assert_eq!(
        bench.sync("contacts", &state, 512).await.code(),
        "ErrorInvalidSyncStateData"
    );
    assert_eq!(bench.sync("contacts", &state, 512).await.code(), "NoError");
    let made = bench.ews(&subscribe()).await;
    let (id, mark) = (
        made.one("<m:SubscriptionId>", "<"),
        made.one("<m:Watermark>", "<"),
    );
    bench
        .fault(json!({ "kind": "expired_cursor", "operation": "GetEvents", "times": 1 }))
        .await;
    assert_eq!(
        bench.ews(&events(&id, &mark)).await.code(),
        "ErrorInvalidWatermark"
    );

    let key = bench.contacts().await[0]["change_key"]
        .as_str()
        .unwrap()
        .to_owned();
    bench.fault(json!({ "kind": "stale_version", "times": 1 })).await;
    assert_eq!(
        bench
            .update(&(one.clone(), key.clone()), "NeverOverwrite", SET_TITLE)
            .await
            .code(),
        "ErrorIrresolvableConflict"
    );
    assert_eq!(
        bench
            .update(&(one.clone(), key), "NeverOverwrite", SET_TITLE)
            .await
            .code(),
        "NoError"
    );

    bench
        .fault(json!({ "kind": "duplicate_changes", "times": 1 }))
        .await;
    assert_eq!(changes(&bench.sync("contacts", &state, 512).await), (0, 2, 0));
    assert_eq!(changes(&bench.sync("contacts", &state, 512).await), (0, 1, 0));

    bench
        .fault(json!({ "kind": "late_changes", "n": 3, "times": 1 }))
        .await;
    let mut waited = 0;
    loop {
        let answer = bench.sync("contacts", &state, 512).await;
        if changes(&answer) == (0, 1, 0) {
            break;
        }
        assert_eq!((changes(&answer), state_of(&answer)), ((0, 0, 0), state.clone()));
        waited += 1;
        assert!(waited < 10, "the change never comes");
    }
    assert_eq!(waited, 3);

    bench.fault(json!({ "kind": "empty", "times": 2 })).await;
    let gone = bench.sync("contacts", &state, 512).await;
    assert_eq!(changes(&gone), (0, 0, 12), "the side is suddenly empty");
    assert_eq!(changes(&bench.sync("contacts", "", 512).await), (0, 0, 0));
    assert_eq!(
        bench.get(&one, ALL).await.code(),
        "NoError",
        "and yet all is there"
    );
    assert_eq!(
        changes(&bench.sync("contacts", &state_of(&gone), 512).await),
        (12, 0, 0)
    );
}

#[tokio::test]
async fn late_changes_hold_the_watermark_back() {
    let bench = Bench::new().await;
    let made = bench.ews(&subscribe()).await;
    let (id, mut mark) = (
        made.one("<m:SubscriptionId>", "<"),
        made.one("<m:Watermark>", "<"),
    );
    let state = state_of(&bench.sync("contacts", "", 512).await);
    bench.add(json!({ "GivenName": "Late" })).await;
    bench
        .fault(json!({ "kind": "late_changes", "n": 4, "times": 1 }))
        .await;
    let first = bench.ews(&events(&id, &mark)).await;
    assert!(first.body.contains("StatusEvent"), "{}", first.body);
    assert_eq!(
        changes(&bench.sync("contacts", &state, 512).await),
        (0, 0, 0),
        "the listing does not know it either"
    );
    for _ in 0..5 {
        let answer = bench.ews(&events(&id, &mark)).await;
        mark = answer.all("<t:Watermark>", "<").pop().unwrap();
        if answer.body.contains("CreatedEvent") {
            assert_eq!(changes(&bench.sync("contacts", &state, 512).await), (1, 0, 0));
            return;
        }
    }
    panic!("the event was lost");
}

#[tokio::test]
async fn the_category_list_is_read_made_and_changed() {
    let bench = Bench::new().await;
    let name = "<t:DistinguishedFolderId Id=\"calendar\"/>";
    let get = format!(
        "<m:GetUserConfiguration><m:UserConfigurationName Name=\"CategoryList\">{name}</m:UserConfigurationName>\
<m:UserConfigurationProperties>XmlData Id</m:UserConfigurationProperties></m:GetUserConfiguration>"
    );
    let put = |operation: &str, xml: &str| {
        format!(
            "<m:{operation}><m:UserConfiguration><t:UserConfigurationName Name=\"CategoryList\">{name}</t:UserConfigurationName>\
<t:XmlData>{}</t:XmlData></m:UserConfiguration></m:{operation}>",
            STANDARD.encode(xml)
        )
    };
    let list = bench.ews(&get).await;
    let xml = String::from_utf8(STANDARD.decode(list.one("<t:XmlData>", "</t:XmlData>")).unwrap()).unwrap();
    assert!(xml.contains("xmlns=\"CategoryList.xsd\"") && xml.contains("name=\"Red category\""));
    let more = xml.replace(
        "</categories>",
        "<category name=\"Salesforce\" color=\"7\"/></categories>",
    );
    assert_eq!(
        bench.ews(&put("CreateUserConfiguration", &more)).await.code(),
        "ErrorItemSave"
    );
    assert_eq!(
        bench.ews(&put("UpdateUserConfiguration", &more)).await.code(),
        "NoError"
    );
    let seen = bench.control("GET", MAILBOX, Value::Null).await;
    assert!(
        seen["categories"]
            .as_array()
            .unwrap()
            .contains(&json!({ "name": "Salesforce", "color": 7 }))
    );
    assert_eq!(
        bench.ews(&put("UpdateUserConfiguration", "<broken")).await.code(),
        "ErrorCorruptData"
    );

    let li = async |content: &str| {
        bench
            .raw("li.wei@contoso.example", "Bambus_wald.88", content)
            .await
            .unwrap()
    };
    assert_eq!(
        li(&get).await.code(),
        "ErrorItemNotFound",
        "not everybody has one yet"
    );
    assert_eq!(
        li(&put("UpdateUserConfiguration", &more)).await.code(),
        "ErrorItemNotFound"
    );
    assert_eq!(li(&put("CreateUserConfiguration", &more)).await.code(), "NoError");
    assert_eq!(li(&get).await.code(), "NoError");
}

#[tokio::test]
async fn ids_names_and_zones() {
    let bench = Bench::new().await;
    let id = bench.contacts().await[0]["id"].as_str().unwrap().to_owned();
    let convert = |id: &str, from: &str, to: &str| {
        format!(
            "<m:ConvertId DestinationFormat=\"{to}\"><m:SourceIds><t:AlternateId Format=\"{from}\" Id=\"{id}\" Mailbox=\"{NINA}\"/></m:SourceIds></m:ConvertId>"
        )
    };
    let hex = bench.ews(&convert(&id, "EwsId", "HexEntryId")).await;
    assert!(hex.body.contains("xsi:type=\"t:AlternateIdType\""));
    let back = bench
        .ews(&convert(
            &hex.one("Format=\"HexEntryId\" Id=\"", "\""),
            "HexEntryId",
            "EwsId",
        ))
        .await;
    assert_eq!(back.one("Format=\"EwsId\" Id=\"", "\""), id);
    assert_eq!(
        bench.ews(&convert("DUMMY", "EwsId", "EntryId")).await.code(),
        "ErrorInvalidIdMalformed"
    );
    let resolve = |entry: &str| {
        format!(
            "<m:ResolveNames ReturnFullContactData=\"true\" SearchScope=\"ActiveDirectory\"><m:UnresolvedEntry>{entry}</m:UnresolvedEntry></m:ResolveNames>"
        )
    };
    let nina = bench.ews(&resolve("smtp:NINA")).await;
    assert!(
        nina.code() == "NoError" && nina.body.contains("<t:EmailAddress>nina.berg@contoso.example<"),
        "{}",
        nina.body
    );
    assert_eq!(
        bench.ews(&resolve("xyzzy")).await.code(),
        "ErrorNameResolutionNoResults"
    );
    let zones = bench
        .ews("<m:GetServerTimeZones><m:Ids><t:Id>UTC</t:Id></m:Ids></m:GetServerTimeZones>")
        .await;
    assert_eq!(zones.body.matches("<t:TimeZoneDefinition ").count(), 1);
}

const POX: &str = "<?xml version=\"1.0\"?><Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\"><Request>\
<EMailAddress>ADDRESS</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>";

#[tokio::test]
async fn autodiscover_in_all_its_moods() {
    let bench = Bench::new().await;
    let info = bench.sandbox.info().clone();
    let origin = &info.exchange.http;
    let v2 = async |path: &str| http(origin, "GET", path, None, "").await.unwrap();
    let pox = async |address: &str, path: &str| {
        http(
            origin,
            "POST",
            path,
            Some((NINA, SECRET)),
            &POX.replace("ADDRESS", address),
        )
        .await
        .unwrap()
    };
    let set = async |mode: &str| {
        bench
            .control("PUT", "/exchange/autodiscover", json!({ "mode": mode }))
            .await
    };
    let xml = "/autodiscover/autodiscover.xml";
    let json_path = format!("/autodiscover/autodiscover.json/v1.0/{NINA}?Protocol=EWS");

    let found = v2(&json_path).await;
    assert_eq!(
        serde_json::from_str::<Value>(&found.body).unwrap(),
        json!({ "Protocol": "EWS", "Url": info.ews_url })
    );
    let old = v2(&format!(
        "/autodiscover/autodiscover.json?Email={}&Protocol=Ews",
        NINA.replace('@', "%40")
    ))
    .await;
    assert_eq!(old.body, found.body);
    assert_eq!(
        v2("/autodiscover/autodiscover.json?Email=no%40x.example&Protocol=EWS")
            .await
            .status,
        404
    );
    assert_eq!(
        v2("/autodiscover/autodiscover.json?Email=no%40x.example")
            .await
            .status,
        400
    );
    let answer = pox(NINA, xml).await;
    assert!(
        answer
            .body
            .contains(&format!("<EwsUrl>{}</EwsUrl>", info.ews_url)),
        "{}",
        answer.body
    );
    assert!(
        pox("no@x.example", xml)
            .await
            .body
            .contains("<ErrorCode>500</ErrorCode>")
    );
    assert_eq!(http(origin, "POST", xml, None, POX).await.unwrap().status, 401);
    let get = http(origin, "GET", xml, None, "").await.unwrap();
    assert_eq!(get.status, 302);
    assert!(
        get.headers
            .contains(&format!("{}/autodiscover/autodiscover.xml", info.exchange.https))
    );

    set("pox").await;
    assert_eq!(
        (v2(&json_path).await.status, pox(NINA, xml).await.status),
        (404, 200)
    );
    set("redirect_addr").await;
    let to = pox(NINA, xml).await.one("<RedirectAddr>", "<");
    assert_eq!(to, "nina.berg@exchange.contoso.example");
    assert!(pox(&to, xml).await.body.contains("<EwsUrl>"));
    set("redirect_url").await;
    let to = pox(NINA, xml).await.one("<RedirectUrl>", "<");
    assert!(
        pox(NINA, to.strip_prefix(&info.exchange.https).unwrap())
            .await
            .body
            .contains("<EwsUrl>")
    );
    set("circle").await;
    let mut address = NINA.to_owned();
    for _ in 0..5 {
        address = pox(&address, xml).await.one("<RedirectAddr>", "<");
    }
    assert_eq!(v2(&json_path).await.status, 302);
    set("office365").await;
    assert!(
        v2(&json_path)
            .await
            .body
            .contains("https://outlook.office365.com/EWS/Exchange.asmx")
    );
    set("off").await;
    assert_eq!(
        (v2(&json_path).await.status, pox(NINA, xml).await.status),
        (404, 404)
    );
    let log = bench.control("GET", "/log", Value::Null).await;
    assert!(
        log.as_array()
            .unwrap()
            .iter()
            .all(|e| e["service"] == "autodiscover")
    );
    let (status, _) = bench
        .sandbox
        .control("PUT", "/exchange/autodiscover", json!({ "mode": "nonsense" }))
        .await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn certificates_are_good_and_bad() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::with(Options {
        ca_dir: Some(folder.path().to_owned()),
        ..Options::default()
    })
    .await;
    let info = bench.sandbox.info().clone();
    assert_eq!(info.ca_pem, folder.path().join("ca.pem"));
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&info.ca_pem).unwrap())
        .unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    for name in [
        "localhost",
        "127.0.0.1",
        "mail.contoso.example",
        "autodiscover.contoso.example",
        "login.contoso.example",
    ] {
        let stream = TcpStream::connect(("127.0.0.1", port(&info.exchange.https)))
            .await
            .unwrap();
        let tls = connector
            .connect(ServerName::try_from(name).unwrap(), stream)
            .await
            .unwrap();
        let request = "GET /EWS/Exchange.asmx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange_bytes(tls, request).await.unwrap().status, 401, "{name}");
    }
    let stranger = TcpStream::connect(("127.0.0.1", port(&info.exchange.https)))
        .await
        .unwrap();
    assert!(
        connector
            .connect(ServerName::try_from("other.example").unwrap(), stranger)
            .await
            .is_err()
    );
    let untrusted = TcpStream::connect(("127.0.0.1", port(&info.untrusted_https)))
        .await
        .unwrap();
    assert!(
        connector
            .connect(ServerName::try_from("localhost").unwrap(), untrusted)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_same_seed_gives_the_same_mailbox() {
    let dump = async |seed: u64| {
        let bench = Bench::with(Options {
            seed,
            ..Options::default()
        })
        .await;
        bench
            .control("POST", &format!("{MAILBOX}/seed"), json!({ "count": 5 }))
            .await;
        let made = bench.create("<t:GivenName>A</t:GivenName>").await;
        let state = state_of(&bench.sync("contacts", "", 512).await);
        let mut contacts = bench.contacts().await;
        for contact in &mut contacts {
            // Times are the machine's.
            contact["created"] = Value::Null;
            contact["modified"] = Value::Null;
        }
        (made, state, contacts, json!(bench.sandbox.info().users))
    };
    let (a, b, c) = (dump(7).await, dump(7).await, dump(8).await);
    assert_eq!(a, b);
    assert_ne!(a.0, c.0);
    assert_ne!(a.2, c.2);
}

#[tokio::test]
async fn the_seed_makes_the_same_people_as_in_salesforce() {
    let bench = Bench::with(Options {
        mailbox_contacts: 0,
        contacts: 30,
        ..Options::default()
    })
    .await;
    bench
        .control(
            "POST",
            &format!("{MAILBOX}/seed"),
            json!({ "count": 30, "categories": ["Salesforce"] }),
        )
        .await;
    let mine: BTreeSet<String> = bench
        .contacts()
        .await
        .iter()
        .map(|c| c["fields"]["EmailAddress1"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(mine.len(), 30);
    let theirs = bench
        .control(
            "GET",
            &format!("/salesforce/records/Contact?as={NINA}"),
            Value::Null,
        )
        .await;
    let theirs: BTreeSet<String> = theirs
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["Email"].as_str().map(str::to_owned))
        .collect();
    assert!(mine.is_subset(&theirs), "{mine:?} {theirs:?}");
    bench
        .control("DELETE", &format!("{MAILBOX}/contacts/all"), Value::Null)
        .await;
    assert!(bench.contacts().await.is_empty());
}

#[tokio::test]
async fn the_control_api_refuses_what_it_does_not_know() {
    let bench = Bench::new().await;
    for (method, path, body) in [
        (
            "POST",
            format!("{MAILBOX}/contacts"),
            json!({ "fields": { "ShoeSize": "43" } }),
        ),
        ("POST", format!("{MAILBOX}/contacts"), json!({ "feilds": {} })),
        (
            "POST",
            format!("{MAILBOX}/contacts"),
            json!({ "fields": { "GivenName": "\u{1}" } }),
        ),
        (
            "POST",
            format!("{MAILBOX}/contacts"),
            json!({ "folder": "Nowhere", "fields": {} }),
        ),
        (
            "PATCH",
            format!("{MAILBOX}/contacts?id=x"),
            json!({ "fields": {} }),
        ),
        ("DELETE", format!("{MAILBOX}/folders?name=Contacts"), Value::Null),
        (
            "GET",
            "/exchange/mailboxes/nobody@x.example".to_owned(),
            Value::Null,
        ),
        (
            "POST",
            "/faults".to_owned(),
            json!({ "service": "exchange", "kind": "nonsense" }),
        ),
        ("DELETE", "/faults/77".to_owned(), Value::Null),
        ("GET", "/nowhere".to_owned(), Value::Null),
    ] {
        let (status, value) = bench.sandbox.control(method, &path, body).await;
        assert!((400..500).contains(&status), "{method} {path}: {status} {value}");
    }
}

#[tokio::test]
async fn stop_frees_the_ports() {
    let bench = Bench::new().await;
    let origin = bench.sandbox.info().exchange.http.clone();
    bench.sandbox.stop().await;
    let again = tokio::time::timeout(
        Duration::from_secs(5),
        TcpStream::connect(("127.0.0.1", port(&origin))),
    )
    .await;
    assert!(again.unwrap().is_err());
}
