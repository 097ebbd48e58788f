//! An Exchange server for contacts, calendars, tasks and mail: EWS with Basic and NTLM, and Autodiscover.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/ews-reference-for-exchange>

mod attach;
mod autodiscover;
pub(crate) mod content;
mod control;
mod control_items;
pub(crate) mod event;
mod folders;
pub(crate) mod items;
pub(crate) mod meeting;
mod message;
pub(crate) mod mime;
mod people;
pub(crate) mod props;
pub(crate) mod recur;
mod schema;
mod search;
mod seed;
pub(crate) mod sign_in;
pub(crate) mod store;
mod sync;
pub(crate) mod task;
pub(crate) mod xml;
pub(crate) mod zones;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use serde_json::{Value, json};

use self::props::Path;
use self::store::{LOCK_AFTER, Store};
use self::xml::{ERRORS, Element, MESSAGES, Ns, SOAP, TYPES, escape, tag, wrap};
use self::zones::Zone;
use crate::company::Company;
use crate::faults::{Faults, ITEM_ERRORS, Kind};
use crate::log::Log;
use crate::serve::Service;
use crate::{Now, Options};

/// An error in Exchange's words: one item's in a response message, or the whole request's as a fault.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) code: &'static str,
    pub(crate) text: String,
    /// The content of `MessageXml`.
    xml: String,
}

impl Fail {
    fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            xml: String::new(),
        }
    }

    /// The error of that code that a rule of the sandbox wants.
    pub(crate) fn told(code: &str) -> Self {
        let known = ITEM_ERRORS.iter().find(|c| **c == code);
        let code = known.copied().unwrap_or("ErrorInternalServerError");
        Self::new(code, format!("The sandbox was told to fail with {code}."))
    }

    /// Names the property, unless that was done already.
    fn at(mut self, path: &Path) -> Self {
        if self.xml.is_empty() {
            path.write(&mut self.xml);
        }
        self
    }

    /// The same once more, for the next item of a request.
    fn again(&self) -> Self {
        Self {
            code: self.code,
            text: self.text.clone(),
            xml: self.xml.clone(),
        }
    }

    fn value(mut self, name: &str, value: &str) -> Self {
        wrap(&mut self.xml, "t:Value", &[("Name", name)], &escape(value));
        self
    }
}

/// What one operation works on.
pub(crate) struct Call<'a> {
    store: &'a mut Store,
    company: &'a Company,
    /// Whose request it is.
    me: usize,
    /// Microseconds since 1970.
    now: i64,
    /// The number of this request in the log.
    request: u64,
    faults: &'a Faults,
    operation: &'a str,
    /// Of the `TimeZoneContext`; UTC without one.
    zone: Zone,
}

impl Call<'_> {
    /// A fault of that kind, if a rule says so now.
    fn take(&self, wanted: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let user = &self.store.mailboxes[self.me].user.address;
        self.faults.take("exchange", self.operation, Some(user), wanted)
    }

    /// The error that a rule wants for this one item.
    fn item_fault(&self) -> Result<(), Fail> {
        match self.take(|k| matches!(k, Kind::ItemError { .. })) {
            Some(Kind::ItemError { code }) => Err(Fail::told(&code)),
            _ => Ok(()),
        }
    }

    fn ctx(&self) -> content::Ctx<'_> {
        content::Ctx {
            now: self.now,
            zone: &self.zone,
        }
    }

    fn mailbox(&self) -> &store::Mailbox {
        &self.store.mailboxes[self.me]
    }

    fn mailbox_mut(&mut self) -> &mut store::Mailbox {
        &mut self.store.mailboxes[self.me]
    }
}

/// The response messages of one reply.
#[derive(Debug)]
pub(crate) struct Reply {
    operation: String,
    messages: String,
}

impl Reply {
    fn new(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            messages: String::new(),
        }
    }

    /// Adds a response message; `on_error` is what the schema wants to see there although it failed.
    fn add(&mut self, outcome: Result<String, Fail>, on_error: &str) {
        match outcome {
            Ok(content) => self.push("Success", "", "NoError", "", &content),
            Err(fail) => self.push("Error", &fail.text, fail.code, &fail.xml, on_error),
        }
    }

    fn push(&mut self, class: &str, text: &str, code: &str, message_xml: &str, content: &str) {
        let mut inner = String::new();
        if code != "NoError" {
            tag(&mut inner, "m:MessageText", text);
        }
        tag(&mut inner, "m:ResponseCode", code);
        if code != "NoError" {
            tag(&mut inner, "m:DescriptiveLinkKey", "0");
        }
        if !message_xml.is_empty() {
            wrap(&mut inner, "m:MessageXml", &[], message_xml);
        }
        inner.push_str(content);
        let name = format!("m:{}ResponseMessage", self.operation);
        wrap(&mut self.messages, &name, &[("ResponseClass", class)], &inner);
    }

    fn finish(self) -> String {
        let mut body = String::new();
        let mut messages = String::new();
        wrap(&mut messages, "m:ResponseMessages", &[], &self.messages);
        let namespaces = [
            ("xmlns:m", MESSAGES),
            ("xmlns:t", TYPES),
            ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
            ("xmlns:xsd", "http://www.w3.org/2001/XMLSchema"),
        ];
        wrap(
            &mut body,
            &format!("m:{}Response", self.operation),
            &namespaces,
            &messages,
        );
        body
    }
}

struct Inner {
    company: Company,
    store: Mutex<Store>,
    autodiscover: Mutex<autodiscover::Settings>,
    sign_in: Mutex<sign_in::Settings>,
    /// What the servers present, in DER.
    certificate: Vec<u8>,
    faults: Arc<Faults>,
    log: Arc<Log>,
    now: Now,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Exchange(Arc<Inner>);

impl Exchange {
    pub(crate) fn new(
        company: &Company,
        options: &Options,
        certificate: Vec<u8>,
        faults: Arc<Faults>,
        log: Arc<Log>,
        now: Now,
    ) -> Self {
        let mut store = Store::new(company, options.mailbox_contacts, now());
        seed::fill(&mut store, company, options, now());
        Self(Arc::new(Inner {
            company: company.clone(),
            store: Mutex::new(store),
            autodiscover: Mutex::default(),
            sign_in: Mutex::default(),
            certificate,
            faults,
            log,
            now,
        }))
    }

    /// EWS and Autodiscover. IIS ignores the case of paths, so no router is of use here.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    /// The control API below `/exchange`.
    pub(crate) fn control(&self) -> Router {
        control::router(self.clone())
    }

    /// What all mailboxes hold: Graph shows the same.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        (self.0.now)()
    }

    fn ews(&self, me: usize, body: &[u8], request: u64) -> Response {
        match self.envelope(me, body, request) {
            Ok(content) => soap(StatusCode::OK, &content),
            Err(fail) => {
                tracing::warn!(code = fail.code, text = fail.text, "EWS request refused");
                soap(StatusCode::INTERNAL_SERVER_ERROR, &fault(&fail))
            }
        }
    }

    fn envelope(&self, me: usize, body: &[u8], request: u64) -> Result<String, Fail> {
        let violation = |text: String| {
            let mut fail = Fail::new(
                "ErrorSchemaValidation",
                format!("The request failed schema validation: {text}"),
            );
            tag(&mut fail.xml, "t:LineNumber", "1");
            tag(&mut fail.xml, "t:LinePosition", "1");
            tag(&mut fail.xml, "t:Violation", &text);
            fail
        };
        let envelope = xml::parse(body).map_err(violation)?;
        if envelope.ns != Ns::Soap || envelope.name != "Envelope" {
            return Err(violation(format!(
                "The root element is '{}', not a SOAP envelope.",
                envelope.name
            )));
        }
        let mut zone = Zone::utc();
        for head in envelope.list("Header") {
            if let Some(ty) = schema::header(&head.name) {
                schema::validate(head, ty).map_err(violation)?;
            }
            if head.name == "TimeZoneContext"
                && let Some(definition) = head.child("TimeZoneDefinition")
            {
                zone = Zone::parse(definition)?;
            }
            if head.name == "ExchangeImpersonation" {
                return Err(Fail::new(
                    "ErrorImpersonateUserDenied",
                    "The account does not have permission to impersonate the requested user.",
                ));
            }
        }
        let [operation] = envelope.list("Body") else {
            return Err(violation("The body must contain one element.".to_owned()));
        };
        let Some(ty) = schema::operation(&operation.name).filter(|_| operation.ns == Ns::Messages) else {
            return Err(Fail::new(
                "ErrorInvalidRequest",
                format!(
                    "The request is invalid: the sandbox does not know the operation '{}'.",
                    operation.name
                ),
            ));
        };
        schema::validate(operation, ty).map_err(violation)?;
        let now = self.now();
        let mut store = self.store();
        let mut call = Call {
            store: &mut store,
            company: &self.0.company,
            me,
            now,
            request,
            faults: &self.0.faults,
            operation: &operation.name,
            zone,
        };
        if call.mailbox().logon_only {
            return Err(Fail::new(
                "ErrorNonExistentMailbox",
                "The SMTP address has no mailbox associated with it.",
            ));
        }
        if let Some(Kind::Throttle { ms }) = call.take(|k| matches!(k, Kind::Throttle { .. })) {
            return busy(&mut call, operation, ms);
        }
        dispatch(&mut call, operation)
    }
}

fn dispatch(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    match request.name.as_str() {
        "ConvertId" => Ok(people::convert_id(call, request)),
        "GetFolder" => folders::get(call, request),
        "FindFolder" => folders::find(call, request),
        "CreateFolder" => folders::create(call, request),
        "DeleteFolder" => Ok(folders::delete(call, request)),
        "SyncFolderHierarchy" => sync::hierarchy(call, request),
        "SyncFolderItems" => Ok(sync::items(call, request)),
        "FindItem" => Ok(items::find(call, request)),
        "GetItem" => items::get(call, request),
        "CreateItem" => Ok(items::create(call, request)),
        "UpdateItem" => Ok(items::update(call, request)),
        "DeleteItem" => Ok(items::delete(call, request)),
        "MoveItem" | "CopyItem" => Ok(items::shift(call, request)),
        "SendItem" => Ok(items::send_drafts(call, request)),
        "GetAttachment" => attach::get(call, request),
        "CreateAttachment" => Ok(attach::create(call, request)),
        "DeleteAttachment" => Ok(attach::delete(call, request)),
        "UpdateFolder" => folders::update(call, request),
        "MoveFolder" => folders::shift(call, request),
        "ResolveNames" => Ok(people::resolve(call, request)),
        "Subscribe" => Ok(sync::subscribe(call, request)),
        "Unsubscribe" => Ok(sync::unsubscribe(call, request)),
        "GetEvents" => Ok(sync::events(call, request)),
        "GetUserConfiguration" => Ok(people::get_configuration(call, request)),
        "CreateUserConfiguration" => Ok(people::put_configuration(call, request, true)),
        "UpdateUserConfiguration" => Ok(people::put_configuration(call, request, false)),
        "GetServerTimeZones" => Ok(people::time_zones(request)),
        other => Err(Fail::new(
            "ErrorInvalidRequest",
            format!("The operation '{other}' is not there."),
        )),
    }
}

/// *Busy*, once as a fault and once inside of a good answer, as real servers do both.
fn busy(call: &mut Call<'_>, request: &Element, ms: u64) -> Result<String, Fail> {
    let fail = || {
        Fail::new(
            "ErrorServerBusy",
            "The server cannot service this request right now. Try again later.",
        )
        .value("BackOffMilliseconds", &ms.to_string())
    };
    call.store.busy_as_fault = !call.store.busy_as_fault;
    if !call.store.busy_as_fault {
        return Err(fail());
    }
    let count = [
        "ItemIds",
        "FolderIds",
        "Items",
        "ItemChanges",
        "ParentFolderIds",
        "Folders",
        "FolderChanges",
        "AttachmentIds",
        "Attachments",
    ]
    .iter()
    .find_map(|name| request.child(name))
    .map_or(1, |list| list.children.len());
    let on_error = match request.name.as_str() {
        "GetItem" | "CreateItem" | "UpdateItem" | "MoveItem" | "CopyItem" => "<m:Items/>",
        "GetFolder" | "CreateFolder" | "UpdateFolder" | "MoveFolder" => "<m:Folders/>",
        "GetAttachment" | "CreateAttachment" => "<m:Attachments/>",
        "GetServerTimeZones" => "<m:TimeZoneDefinitions/>",
        "SyncFolderItems" => "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>",
        "SyncFolderHierarchy" => {
            "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>"
        }
        _ => "",
    };
    let mut reply = Reply::new(&request.name);
    for _ in 0..count {
        reply.add(Err(fail()), on_error);
    }
    Ok(reply.finish())
}

fn fault(fail: &Fail) -> String {
    let mut detail = String::new();
    wrap(&mut detail, "e:ResponseCode", &[("xmlns:e", ERRORS)], fail.code);
    wrap(
        &mut detail,
        "e:Message",
        &[("xmlns:e", ERRORS)],
        &escape(&fail.text),
    );
    if !fail.xml.is_empty() {
        wrap(&mut detail, "t:MessageXml", &[("xmlns:t", TYPES)], &fail.xml);
    }
    let mut inner = String::new();
    wrap(
        &mut inner,
        "faultcode",
        &[("xmlns:a", TYPES)],
        &format!("a:{}", fail.code),
    );
    wrap(
        &mut inner,
        "faultstring",
        &[("xml:lang", "en-US")],
        &escape(&fail.text),
    );
    wrap(&mut inner, "detail", &[], &detail);
    let mut out = String::new();
    wrap(&mut out, "s:Fault", &[], &inner);
    out
}

fn soap(status: StatusCode, content: &str) -> Response {
    let version = [
        ("MajorVersion", "15"),
        ("MinorVersion", "1"),
        ("MajorBuildNumber", "2507"),
        ("MinorBuildNumber", "39"),
        ("Version", "V2017_07_11"),
        ("xmlns:h", TYPES),
    ];
    let mut head = String::new();
    wrap(&mut head, "h:ServerVersionInfo", &version, "");
    let mut inner = String::new();
    wrap(&mut inner, "s:Header", &[], &head);
    wrap(&mut inner, "s:Body", &[], content);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    wrap(&mut out, "s:Envelope", &[("xmlns:s", SOAP)], &inner);
    let mut response = (status, out).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/xml; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(header::SERVER, HeaderValue::from_static("Microsoft-IIS/10.0"));
    headers.insert("X-FEServer", HeaderValue::from_static("SANDBOX"));
    headers.insert(
        header::SET_COOKIE,
        HeaderValue::from_static("exchangecookie=0123456789abcdef0123456789abcdef; path=/; HttpOnly"),
    );
    response
}

fn is_ews(path: &str) -> bool {
    path.eq_ignore_ascii_case("/EWS/Exchange.asmx")
}

async fn serve(State(exchange): State<Exchange>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    if is_ews(parts.uri.path()) {
        return exchange.serve_ews(&parts, &body);
    }
    autodiscover::serve(&exchange, &parts, &body)
}

impl Exchange {
    fn serve_ews(&self, parts: &Parts, body: &Bytes) -> Response {
        let request = self.0.log.last();
        let operation = operation_of(body);
        let me = match self.log_on("exchange", &operation, parts) {
            Ok(me) => me,
            Err(refused) => return *refused,
        };
        // As Exchange Online does since EWS was turned off there.
        if self.store().mailboxes[me].home == store::Home::Cloud {
            return (StatusCode::FORBIDDEN, "EWS is not enabled for this mailbox.\n").into_response();
        }
        if parts.method != Method::POST {
            return (StatusCode::OK, Body::from("You have created a service.\n")).into_response();
        }
        let kind = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("text/xml") {
            tracing::warn!(kind, "EWS takes text/xml only");
            return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
        }
        self.ews(me, body, request)
    }
}

/// The name of the first element in the SOAP body.
fn operation_of(body: &[u8]) -> String {
    let mut reader = Reader::from_reader(body);
    let mut buffer = Vec::new();
    let mut in_body = false;
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(e) | Event::Empty(e)) => {
                let name: &str = e.local_name().into_inner();
                if in_body {
                    return name.to_owned();
                }
                in_body = name == "Body";
            }
            Ok(Event::Eof) | Err(_) => return "unknown".to_owned(),
            Ok(_) => {}
        }
        buffer.clear();
    }
}

impl Service for Exchange {
    fn service(&self, parts: &Parts) -> &'static str {
        if is_ews(parts.uri.path()) {
            "exchange"
        } else {
            "autodiscover"
        }
    }

    fn operation(&self, parts: &Parts, body: &[u8]) -> String {
        if is_ews(parts.uri.path()) {
            return if sign_in::opens(parts) {
                "SignIn".to_owned()
            } else if parts.method == Method::POST {
                operation_of(body)
            } else {
                parts.method.to_string()
            };
        }
        autodiscover::operation(parts).to_owned()
    }

    fn user(&self, parts: &Parts, _: &[u8]) -> Option<String> {
        self.shown(parts)
    }

    fn counters(&self) -> Value {
        let store = self.store();
        let locked: Vec<&str> = store
            .mailboxes
            .iter()
            .filter(|m| m.failed_in_row >= LOCK_AFTER)
            .map(|m| m.user.address.as_str())
            .collect();
        let most: u32 = store.mailboxes.iter().map(|m| m.most_failed).max().unwrap_or(0);
        json!({ "failed_logons": store.failed_logons, "most_failed_in_row": most, "locked": locked, "mails_sent": store.mails_sent, "mails": store.sent })
    }

    fn reset_counters(&self) {
        let mut store = self.store();
        store.failed_logons.clear();
        store.mails_sent = 0;
        store.sent.clear();
    }
}
