//! Taking deletes back: REST cannot, the SOAP API can.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_undelete.htm>

use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use secrecy::{ExposeSecret as _, SecretString};
use tandem_sync::model::{ItemId, Outcome, Trace};
use tandem_types::{IssueCode, ItemKind};

use crate::ids::id18;
use crate::lookups::valid_ids;
use crate::problem::{ApiError, Failure, refused};
use crate::salesforce::{BATCH, Salesforce};

/// What the answer says of one id.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    id: Option<String>,
    success: bool,
    code: String,
    message: String,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Results(Vec<Said>),
    /// `sf:INVALID_SESSION_ID` and the like, without the prefix.
    Fault {
        code: String,
    },
}

fn envelope(token: &SecretString, ids: &[&str]) -> String {
    let mut body = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:u=\"urn:partner.soap.sforce.com\"><s:Header><u:SessionHeader><u:sessionId>",
    );
    body.push_str(&escape(token.expose_secret()));
    body.push_str("</u:sessionId></u:SessionHeader></s:Header><s:Body><u:undelete>");
    for id in ids {
        body.push_str("<u:ids>");
        body.push_str(&escape(*id));
        body.push_str("</u:ids>");
    }
    body.push_str("</u:undelete></s:Body></s:Envelope>");
    body
}

/// `None`: neither results nor a fault.
fn read(body: &str) -> Option<Answer> {
    let mut reader = Reader::from_str(body);
    let mut path: Vec<String> = Vec::new();
    let mut results: Vec<Said> = Vec::new();
    let mut fault: Option<String> = None;
    let mut is_response = false;
    let mut text = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                match name.as_str() {
                    "undeleteResponse" => is_response = true,
                    "result" => results.push(Said::default()),
                    _ => {}
                }
                path.push(name);
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().ok()? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)?.to_owned(),
                };
                text.push_str(&character);
            }
            Event::CData(piece) => text.push_str(&piece),
            Event::End(_) => {
                let name = path.pop()?;
                let inside = path.last().map(String::as_str);
                let value = text.trim();
                match (inside, results.last_mut()) {
                    (Some("result"), Some(said)) if name == "id" => said.id = id18(value),
                    (Some("result"), Some(said)) if name == "success" => said.success = value == "true",
                    (Some("errors"), Some(said)) if said.code.is_empty() && name == "statusCode" => {
                        value.clone_into(&mut said.code);
                    }
                    (Some("errors"), Some(said)) if said.message.is_empty() && name == "message" => {
                        value.clone_into(&mut said.message);
                    }
                    (Some("Fault"), _) if name == "faultcode" => {
                        fault = Some(value.rsplit(':').next().unwrap_or_default().to_owned());
                    }
                    _ => {}
                }
                text.clear();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match fault {
        Some(code) => Some(Answer::Fault { code }),
        None if is_response => Some(Answer::Results(results)),
        None => None,
    }
}

impl Salesforce {
    pub(crate) async fn undelete(&self, gone: &[Trace]) -> Result<Vec<Outcome>, Failure> {
        if gone.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ItemId> = gone.iter().map(|trace| trace.id.clone()).collect();
        let valid: Vec<&str> = valid_ids(&ids).into_iter().collect();
        let mut refusals: HashMap<String, Said> = HashMap::new();
        let mut asked = false;
        for some in valid.chunks(BATCH) {
            match self.undelete_some(some).await {
                Ok(said) => {
                    // They come in the order of the ids; those that failed may come without.
                    let failed = some.iter().zip(said).filter(|(_, said)| !said.success);
                    refusals.extend(failed.map(|(id, said)| ((*id).to_owned(), said)));
                }
                Err(failure) if failure.fault.in_doubt || asked => {
                    tracing::warn!(fault = %failure.fault, "whether the rest was taken back is in doubt");
                }
                Err(failure) => return Err(failure),
            }
            asked = true;
        }
        // Whatever was answered: what is there is there, and what is not is not.
        let now = match self.read_items(&ids).await {
            Ok(now) => now,
            Err(failure) => {
                tracing::warn!(fault = %failure.fault, "what was taken back cannot be read");
                return Ok(vec![Outcome::InDoubt; gone.len()]);
            }
        };
        Ok(gone
            .iter()
            .zip(now)
            .map(|(trace, now)| match (now, refusals.get(&trace.id.0)) {
                (Some(now), _) => Outcome::Written {
                    now: Box::new(now),
                    replaced: std::collections::BTreeMap::new(),
                    left: None,
                },
                (None, Some(said)) => told(trace.kind, said),
                // Doubtful, or taken back and not to be seen yet.
                (None, None) if valid.contains(&trace.id.0.as_str()) => Outcome::InDoubt,
                (None, None) => Outcome::Missing,
            })
            .collect())
    }

    async fn undelete_some(&self, ids: &[&str]) -> Result<Vec<Said>, Failure> {
        let version = self.rest.version(&self.cache).await?;
        let path = format!("/services/Soap/u/{version}");
        let (status, retry_after, body) = self.rest.soap(&path, |token| envelope(token, ids)).await?;
        match read(&body) {
            Some(Answer::Results(said)) if said.len() == ids.len() => Ok(said),
            Some(Answer::Results(_)) => Err(Failure::malformed("not a result for each id")),
            Some(Answer::Fault { code }) => {
                let error = ApiError {
                    code: code.clone(),
                    ..ApiError::default()
                };
                // A fault of the SOAP API comes with HTTP 500 and means that nothing was done.
                let status = if code == "INVALID_SESSION_ID" { 401 } else { 400 };
                Err(Failure::from_status(status, &[error], None))
            }
            None if (200..300).contains(&status) => Err(Failure::malformed("not an answer to undelete")),
            // Something before the API answers.
            None => Err(Failure::from_status(status, &[], retry_after)),
        }
    }
}

fn told(kind: ItemKind, said: &Said) -> Outcome {
    let error = ApiError {
        code: said.code.clone(),
        message: said.message.clone(),
        ..ApiError::default()
    };
    match said.code.as_str() {
        // It was purged, or never was in the bin.
        "UNDELETE_FAILED"
        | "ENTITY_IS_DELETED"
        | "NOT_FOUND"
        | "INVALID_ID_FIELD"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "MALFORMED_ID" => Outcome::Missing,
        "UNABLE_TO_LOCK_ROW" => refused(kind, IssueCode::Refused, &[error], true),
        "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS" => {
            refused(kind, IssueCode::NoPermission, &[error], false)
        }
        "STORAGE_LIMIT_EXCEEDED" => refused(kind, IssueCode::StorageFull, &[error], true),
        _ => refused(kind, IssueCode::Refused, &[error], false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_holds_each_id_and_a_token_that_breaks_out_of_nothing() {
        let token = SecretString::from("00D!<&\">");
        let body = envelope(&token, &["003000000000001AAA", "00U000000000001AAA"]);
        assert!(
            body.contains("<u:sessionId>00D!&lt;&amp;&quot;&gt;</u:sessionId>"),
            "{body}"
        );
        assert_eq!(body.matches("<u:ids>").count(), 2);
        assert!(Reader::from_str(&body).read_event().is_ok());
    }

    #[test]
    fn results_are_read_with_their_errors() {
        let body = r#"<?xml version="1.0" encoding="UTF-8"?>
            <soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">
              <soapenv:Body><undeleteResponse>
                <result><id>003000000000001</id><success>true</success></result>
                <result><errors><message>Entity &lt;gone&gt; isn&#39;t in the bin</message><statusCode>UNDELETE_FAILED</statusCode></errors>
                  <id>003000000000002AAA</id><success>false</success></result>
              </undeleteResponse></soapenv:Body></soapenv:Envelope>"#;
        let Some(Answer::Results(said)) = read(body) else {
            panic!("no results")
        };
        assert_eq!(said.len(), 2);
        assert_eq!(
            (said[0].id.as_deref(), said[0].success),
            (Some("003000000000001AAA"), true)
        );
        assert_eq!(
            (said[1].success, said[1].code.as_str(), said[1].message.as_str()),
            (false, "UNDELETE_FAILED", "Entity <gone> isn't in the bin")
        );
        assert_eq!(told(ItemKind::Contact, &said[1]), Outcome::Missing);
    }

    #[test]
    fn faults_and_nonsense_are_told_apart() {
        let fault = r#"<e:Envelope xmlns:e="x"><e:Body><e:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>
            <faultstring>Invalid Session</faultstring></e:Fault></e:Body></e:Envelope>"#;
        let code = "INVALID_SESSION_ID".to_owned();
        assert_eq!(read(fault), Some(Answer::Fault { code }));
        for nonsense in ["", "<html><body>Down</body></html>", "<a><b></a>", "{\"x\":1}"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
