//! The SOAP API, partner flavour: `undelete`, which REST does not have.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_undelete.htm>

use std::fmt::Write as _;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use quick_xml::XmlVersion;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::error::ApiError;
use super::ids::Id;
use super::rest::Call;
use super::rows::Writer;
use super::state::State;
use crate::salesforce::access::Access;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const PARTNER: &str = "urn:partner.soap.sforce.com";
const IDS: usize = 200;
const DEEPEST: usize = 12;

/// A fault: the call as a whole has failed.
#[derive(Debug)]
pub(crate) struct Fault {
    code: String,
    message: String,
}

impl Fault {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// A version that is not played.
    pub(crate) fn version(version: &str) -> Self {
        Self::new(
            "UNSUPPORTED_API_VERSION",
            format!("Invalid Api version specified on URL: {version}"),
        )
    }

    /// The envelope of the fault.
    pub(crate) fn to_xml(&self) -> String {
        let (code, message) = (escape(&self.code), escape(&self.message));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
             xmlns:sf=\"urn:fault.partner.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>\
             <detail><sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">\
             <sf:exceptionCode>{code}</sf:exceptionCode><sf:exceptionMessage>{message}</sf:exceptionMessage>\
             </sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
        )
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::new(error.code, error.message)
    }
}

/// `undelete` as it was asked for.
pub(crate) struct Request {
    /// The session, as REST would carry it.
    pub(crate) headers: HeaderMap,
    /// As given.
    pub(crate) ids: Vec<String>,
}

/// An element that has text or nothing inside: the names that lead to it, and the text.
struct Leaf {
    path: Vec<(String, String)>,
    text: String,
}

/// All leaves of a document, in its order.
fn leaves(body: &[u8]) -> Result<Vec<Leaf>, Fault> {
    let broken = |why: String| Fault::new("INVALID_SOAP_HEADER", format!("the request is not SOAP: {why}"));
    let text = std::str::from_utf8(body).map_err(|_| broken("not UTF-8".to_owned()))?;
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().enable_all_checks(true);
    let mut open: Vec<(String, String)> = Vec::new();
    let mut content = String::new();
    let mut is_leaf = false;
    let mut out = Vec::new();
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|e| broken(e.to_string()))?;
        let ns = match resolved {
            ResolveResult::Bound(ns) => {
                let ns: &str = ns.as_ref();
                ns.to_owned()
            }
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => {
                return Err(broken(format!("'{prefix}' is an undeclared prefix")));
            }
        };
        match event {
            Event::Start(start) => {
                if open.len() >= DEEPEST {
                    return Err(broken("too deep".to_owned()));
                }
                let name: &str = start.local_name().into_inner();
                open.push((ns, name.to_owned()));
                content.clear();
                is_leaf = true;
            }
            Event::Empty(start) => {
                let name: &str = start.local_name().into_inner();
                let mut path = open.clone();
                path.push((ns, name.to_owned()));
                out.push(Leaf {
                    path,
                    text: String::new(),
                });
                is_leaf = false;
            }
            Event::End(_) => {
                if is_leaf {
                    out.push(Leaf {
                        path: open.clone(),
                        text: content.trim().to_owned(),
                    });
                }
                is_leaf = false;
                open.pop();
            }
            Event::Text(t) => content.push_str(&t.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(t) => content.push_str(&t.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(reference) => {
                let found = match reference.resolve_char_ref().map_err(|e| broken(e.to_string()))? {
                    Some(c) => c,
                    None => match &*reference {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        other => return Err(broken(format!("undeclared entity '{other}'"))),
                    },
                };
                content.push(found);
            }
            Event::DocType(_) => return Err(broken("a document type is prohibited".to_owned())),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(broken("it ends too early".to_owned()));
    }
    Ok(out)
}

fn is(step: Option<&(String, String)>, ns: &str, name: &str) -> bool {
    step.is_some_and(|(n, l)| n == ns && l == name)
}

/// The name of the operation, if the document has one.
fn operation_of(leaves: &[Leaf]) -> Option<&str> {
    leaves
        .iter()
        .filter(|l| is(l.path.first(), ENVELOPE, "Envelope") && is(l.path.get(1), ENVELOPE, "Body"))
        .find_map(|l| l.path.get(2))
        .filter(|(ns, _)| ns == PARTNER)
        .map(|(_, name)| name.as_str())
}

fn session_header(leaves: &[Leaf]) -> Option<HeaderMap> {
    let leaf = leaves.iter().find(|l| {
        is(l.path.get(1), ENVELOPE, "Header")
            && is(l.path.get(2), PARTNER, "SessionHeader")
            && is(l.path.get(3), PARTNER, "sessionId")
    })?;
    let value = HeaderValue::from_str(&format!("Bearer {}", leaf.text)).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, value);
    Some(headers)
}

/// The session of a SOAP request, for the log.
pub(crate) fn session_of(parts: &Parts, body: &[u8]) -> Option<HeaderMap> {
    if !parts.uri.path().starts_with("/services/Soap/") {
        return None;
    }
    session_header(&leaves(body).ok()?)
}

/// The name in log, rules and counters.
pub(crate) fn operation(_parts: &Parts, body: &[u8]) -> &'static str {
    match leaves(body) {
        Ok(leaves) if operation_of(&leaves) == Some("undelete") => "undelete",
        _ => "unknown",
    }
}

/// Reads a request.
pub(crate) fn read(parts: &Parts, body: &[u8]) -> Result<Request, Fault> {
    if parts.method != http::Method::POST {
        return Err(Fault::new("UNSUPPORTED_CLIENT", "SOAP is spoken by POST only"));
    }
    if !parts.headers.contains_key("SOAPAction") {
        return Err(Fault::new(
            "INVALID_SOAP_HEADER",
            "SOAPAction HTTP header missing",
        ));
    }
    let leaves = leaves(body)?;
    let operation = operation_of(&leaves).ok_or_else(|| {
        Fault::new(
            "INVALID_SOAP_HEADER",
            "the envelope has no operation of the partner API",
        )
    })?;
    if operation != "undelete" {
        tracing::warn!(operation, "the sandbox does not play this SOAP operation");
        return Err(Fault::new(
            "INVALID_OPERATION",
            format!(
                "No operation available for request {{{PARTNER}}}{operation}: the sandbox plays undelete"
            ),
        ));
    }
    let unknown = leaves
        .iter()
        .filter(|l| is(l.path.get(1), ENVELOPE, "Header"))
        .filter_map(|l| l.path.get(2))
        .find(|(ns, name)| ns != PARTNER || !matches!(name.as_str(), "SessionHeader" | "CallOptions"));
    if let Some((_, name)) = unknown {
        return Err(Fault::new(
            "INVALID_SOAP_HEADER",
            format!("the sandbox does not know the header {name}"),
        ));
    }
    let headers = session_header(&leaves)
        .ok_or_else(|| Fault::new("INVALID_SESSION_ID", "Session not found, missing session key"))?;
    let mut ids = Vec::new();
    for leaf in leaves
        .into_iter()
        .filter(|l| is(l.path.get(2), PARTNER, "undelete"))
    {
        match leaf.path.get(3) {
            Some((ns, name)) if ns == PARTNER && name == "ids" => ids.push(leaf.text),
            Some((_, name)) => {
                return Err(Fault::new(
                    "INVALID_FIELD",
                    format!("undelete has no element {name}"),
                ));
            }
            None => {}
        }
    }
    Ok(Request { headers, ids })
}

/// Brings rows back from the bin, each with its own outcome.
pub(crate) fn undelete(state: &mut State, call: &Call<'_>, ids: &[String]) -> Result<String, Fault> {
    if ids.len() > IDS {
        return Err(Fault::new(
            "EXCEEDED_ID_LIMIT",
            format!("record limit reached. cannot submit more than {IDS} records into this call"),
        ));
    }
    let mut results = String::new();
    for text in ids {
        let outcome = call.locked("undelete").and_then(|()| one(state, call, text));
        let id = escape(text.as_str());
        // Writing to a String does not fail.
        let _ = match outcome {
            Ok(id) => write!(results, "<result><id>{id}</id><success>true</success></result>"),
            Err(error) => write!(
                results,
                "<result><errors><message>{}</message><statusCode>{}</statusCode></errors><id>{id}</id>\
                 <success>false</success></result>",
                escape(&error.message),
                error.code
            ),
        };
    }
    let (used, limit) = (state.api_used, state.knobs.api_limit);
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" xmlns=\"{PARTNER}\">\
         <soapenv:Header><LimitInfoHeader><limitInfo><current>{used}</current><limit>{limit}</limit>\
         <type>API REQUESTS</type></limitInfo></LimitInfoHeader></soapenv:Header><soapenv:Body><undeleteResponse>\
         {results}</undeleteResponse></soapenv:Body></soapenv:Envelope>"
    ))
}

fn one(state: &mut State, call: &Call<'_>, text: &str) -> Result<Id, ApiError> {
    let id =
        Id::parse(text).ok_or_else(|| ApiError::row("MALFORMED_ID", format!("malformed id {text}"), &[]))?;
    let access = Access {
        schema: &state.schema,
        knobs: &state.knobs,
        user: &state.users[call.user],
        all: false,
    };
    let writer = Writer {
        access,
        now_ms: call.now_ms,
        allow_duplicates: true,
        base: &call.base,
    };
    let object = access
        .by_prefix(id.prefix())
        .ok_or_else(|| ApiError::row("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[]))?;
    state.rows.undelete(&writer, object, &id)?;
    Ok(id)
}
