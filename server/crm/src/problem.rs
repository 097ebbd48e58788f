//! Salesforce's error codes, and what each means to a session.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm>

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tandem_net::NetError;
use tandem_sync::model::{Field, Outcome, Refusal};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{IssueCode, ItemKind};

use crate::map;

/// One error: `errorCode` in the answer of a single request, `statusCode` in a row of a collection. Not `Debug`: the
/// message may quote what was written.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default, alias = "errorCode", alias = "statusCode")]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) fields: Vec<String>,
}

impl ApiError {
    /// The errors of an answer's body: an array, or one object.
    pub(crate) fn all_of(body: &Value) -> Vec<Self> {
        match body {
            Value::Array(errors) => errors.iter().filter_map(|e| Self::deserialize(e).ok()).collect(),
            Value::Object(_) => Self::deserialize(body).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The code, fit for a log: a code is a short word in capitals, anything else may be content.
    pub(crate) fn safe_code(&self) -> &str {
        let ok = self.code.len() <= 80
            && self
                .code
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if ok { &self.code } else { "an unreadable code" }
    }
}

/// A request without the answer that was wanted.
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) fault: Fault,
    /// Salesforce's own, where it is one's fault and not the whole organisation's.
    pub(crate) errors: Vec<ApiError>,
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        failure.fault
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self {
            code: String::new(),
            fault,
            errors: Vec::new(),
        }
    }
}

impl From<map::Malformed> for Failure {
    fn from(malformed: map::Malformed) -> Self {
        Self::malformed(malformed.0)
    }
}

impl Failure {
    /// The user's view of an object or a field is not what we thought.
    pub(crate) fn is_about_fields(&self) -> bool {
        matches!(
            self.code.as_str(),
            "INVALID_FIELD" | "INVALID_TYPE" | "MALFORMED_QUERY" | "INVALID_FIELD_FOR_INSERT_UPDATE"
        )
    }

    /// An answer that is not what the documentation promises.
    pub(crate) fn malformed(what: &str) -> Self {
        Fault::transient(format!("Salesforce's answer makes no sense: {what}"))
            .in_doubt()
            .into()
    }

    pub(crate) fn from_net(error: NetError) -> Self {
        let kind = if error.kind.may_pass() {
            FaultKind::Transient { retry_after: None }
        } else {
            FaultKind::Fatal
        };
        let mut fault = Fault::new(kind, format!("Salesforce did not answer: {error}"));
        if error.may_have_taken_effect() {
            fault = fault.in_doubt();
        }
        fault.caused_by(error).into()
    }

    /// What a status other than 2xx means for the whole request.
    pub(crate) fn from_status(status: u16, errors: &[ApiError], retry_after: Option<Duration>) -> Self {
        let code = errors.first().map(ApiError::safe_code).unwrap_or_default();
        let said = |what: &str| {
            if code.is_empty() {
                format!("{what} (HTTP {status})")
            } else {
                format!("{what} ({code}, HTTP {status})")
            }
        };
        let fault = match (code, status) {
            ("REQUEST_LIMIT_EXCEEDED" | "CONCURRENT_REQUESTS_LIMIT_EXCEEDED", _) => Fault::new(
                FaultKind::RateLimited {
                    retry_after,
                    whole_org: true,
                },
                said("the organisation has used up its API calls"),
            ),
            ("API_DISABLED_FOR_ORG" | "API_CURRENTLY_DISABLED", _) => Fault::fatal(said(
                "this Salesforce user or organisation may not use the API: the administrator must give the \
                 permission \"API Enabled\"",
            )),
            ("INVALID_SESSION_ID", _) | (_, 401) => Fault::new(
                FaultKind::SignInEnded,
                said("Salesforce refuses the access token, a fresh one too"),
            ),
            ("INVALID_QUERY_LOCATOR", _) => Fault::new(
                FaultKind::CursorExpired,
                said("the query's next page is no longer there"),
            ),
            ("UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "QUERY_TIMEOUT", _) => {
                Fault::new(FaultKind::Transient { retry_after }, said("Salesforce is busy"))
            }
            ("NOT_FOUND" | "ENTITY_IS_DELETED", _) => {
                Fault::new(FaultKind::NotFound, said("Salesforce does not find it"))
            }
            ("INVALID_TYPE" | "INVALID_FIELD", _) => Fault::fatal(said(
                "this Salesforce user may not read an object, or a field of it that was readable before",
            )),
            (_, 429) => Fault::new(
                FaultKind::RateLimited {
                    retry_after,
                    whole_org: true,
                },
                said("Salesforce asks for patience"),
            ),
            // An error of the server, or of something between: what it had done by then is not known.
            (_, 500..) => Fault::new(
                FaultKind::Transient { retry_after },
                said("Salesforce has a problem of its own"),
            )
            .in_doubt(),
            // Without a code it was not the API that answered, but something in front of it.
            ("", _) => Fault::new(
                FaultKind::Transient { retry_after },
                said("something before Salesforce's API answers"),
            ),
            _ => Fault::fatal(said("Salesforce refuses the request")),
        };
        Self {
            code: code.to_owned(),
            fault,
            errors: errors.to_vec(),
        }
    }
}

/// What became of one row of a collection that was not written.
pub(crate) enum RowProblem {
    /// Another transaction holds it: the same row may work in a moment.
    Locked,
    /// A field may not be written (any more): the description is old.
    Stale,
    Final(Outcome),
}

/// What a row's errors mean. `known` says whether the row was there when it was re-read just before.
pub(crate) fn of_row(kind: ItemKind, errors: &[ApiError], known: Option<bool>) -> RowProblem {
    let Some(first) = errors.first() else {
        return RowProblem::Final(refused(kind, IssueCode::Refused, &[], true));
    };
    let code = match first.code.as_str() {
        "UNABLE_TO_LOCK_ROW" => return RowProblem::Locked,
        "INVALID_FIELD_FOR_INSERT_UPDATE" | "INVALID_FIELD" => return RowProblem::Stale,
        "ENTITY_IS_DELETED" | "NOT_FOUND" => return RowProblem::Final(Outcome::Missing),
        // Also said of an update of a record that is not there (for this user).
        "INVALID_CROSS_REFERENCE_KEY" | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            if known == Some(false) =>
        {
            return RowProblem::Final(Outcome::Missing);
        }
        "DUPLICATES_DETECTED" => IssueCode::DuplicateRule,
        "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "INVALID_CROSS_REFERENCE_KEY"
        | "CANNOT_DELETE_MANAGED_OBJECT"
        | "TRANSFER_REQUIRES_READ" => IssueCode::NoPermission,
        "REQUIRED_FIELD_MISSING" if first.fields.iter().any(|f| f == "LastName") => {
            IssueCode::LastNameMissing
        }
        "STORAGE_LIMIT_EXCEEDED" => IssueCode::StorageFull,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => IssueCode::UnknownValue,
        "FILE_SIZE_LIMIT_EXCEEDED" => IssueCode::TooLarge,
        _ => IssueCode::Refused,
    };
    let later = matches!(
        first.code.as_str(),
        "REQUEST_LIMIT_EXCEEDED" | "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION" | "STORAGE_LIMIT_EXCEEDED"
    );
    RowProblem::Final(refused(kind, code, errors, later))
}

pub(crate) fn refused(kind: ItemKind, code: IssueCode, errors: &[ApiError], retry: bool) -> Outcome {
    Outcome::Refused(refusal(kind, code, errors, retry))
}

pub(crate) fn refusal(kind: ItemKind, code: IssueCode, errors: &[ApiError], retry: bool) -> Refusal {
    let mut message = String::new();
    let mut fields: Vec<Field> = Vec::new();
    for error in errors {
        let text = if error.message.is_empty() {
            error.safe_code()
        } else {
            &error.message
        };
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.extend(text.chars().take(1000));
        for field in error.fields.iter().filter_map(|f| map::field_of(kind, f)) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    Refusal {
        code,
        message,
        fields,
        retry,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(code: &str, fields: &[&str]) -> Vec<ApiError> {
        ApiError::all_of(&json!([{ "errorCode": code, "message": "Nina's secret", "fields": fields }]))
    }

    #[test]
    fn the_table_for_whole_requests() {
        let rate = FaultKind::RateLimited {
            retry_after: None,
            whole_org: true,
        };
        let transient = FaultKind::Transient { retry_after: None };
        for (status, code, kind, in_doubt) in [
            (403, "REQUEST_LIMIT_EXCEEDED", rate, false),
            (429, "", rate, false),
            (403, "API_DISABLED_FOR_ORG", FaultKind::Fatal, false),
            (401, "INVALID_SESSION_ID", FaultKind::SignInEnded, false),
            (401, "", FaultKind::SignInEnded, false),
            (400, "INVALID_QUERY_LOCATOR", FaultKind::CursorExpired, false),
            (400, "UNABLE_TO_LOCK_ROW", transient, false),
            (503, "SERVER_UNAVAILABLE", transient, false),
            (404, "NOT_FOUND", FaultKind::NotFound, false),
            (404, "ENTITY_IS_DELETED", FaultKind::NotFound, false),
            (400, "INVALID_TYPE", FaultKind::Fatal, false),
            (400, "MALFORMED_QUERY", FaultKind::Fatal, false),
            (500, "UNKNOWN_EXCEPTION", transient, true),
            (503, "", transient, true),
            (502, "", transient, true),
            (403, "", transient, false),
            (405, "METHOD_NOT_ALLOWED", FaultKind::Fatal, false),
        ] {
            let said = if code.is_empty() {
                Vec::new()
            } else {
                errors(code, &[])
            };
            let fault = Failure::from_status(status, &said, None).fault;
            assert_eq!((fault.kind, fault.in_doubt), (kind, in_doubt), "{status} {code}");
            assert!(!fault.to_string().contains("Nina"), "{status} {code}");
        }
    }

    #[test]
    fn a_code_that_is_none_is_not_logged() {
        let said = errors("Nina Berg's phone", &[]);
        let fault = Failure::from_status(400, &said, None).fault;
        assert!(!fault.to_string().contains("Nina"));
    }

    #[test]
    fn the_table_for_rows() {
        for (code, fields, expected, retry) in [
            ("DUPLICATES_DETECTED", &[][..], IssueCode::DuplicateRule, false),
            ("DUPLICATE_VALUE", &[], IssueCode::Refused, false),
            (
                "INSUFFICIENT_ACCESS_OR_READONLY",
                &[],
                IssueCode::NoPermission,
                false,
            ),
            ("INVALID_CROSS_REFERENCE_KEY", &[], IssueCode::NoPermission, false),
            (
                "REQUIRED_FIELD_MISSING",
                &["LastName"],
                IssueCode::LastNameMissing,
                false,
            ),
            ("REQUIRED_FIELD_MISSING", &["Phone"], IssueCode::Refused, false),
            (
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                &["Phone"],
                IssueCode::Refused,
                false,
            ),
            ("STRING_TOO_LONG", &["FirstName"], IssueCode::Refused, false),
            ("INVALID_EMAIL_ADDRESS", &["Email"], IssueCode::Refused, false),
            ("ENTITY_IS_LOCKED", &[], IssueCode::Refused, false),
            ("STORAGE_LIMIT_EXCEEDED", &[], IssueCode::StorageFull, true),
            (
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                &[],
                IssueCode::UnknownValue,
                false,
            ),
            ("A_CODE_OF_NEXT_YEAR", &[], IssueCode::Refused, false),
        ] {
            let RowProblem::Final(Outcome::Refused(refusal)) =
                of_row(ItemKind::Contact, &errors(code, fields), Some(true))
            else {
                panic!("{code} is no refusal");
            };
            assert_eq!((refusal.code, refusal.retry), (expected, retry), "{code}");
            assert_eq!(refusal.message, "Nina's secret");
            assert_eq!(refusal.fields.len(), fields.len(), "{code}");
        }
        assert!(matches!(
            of_row(ItemKind::Contact, &errors("UNABLE_TO_LOCK_ROW", &[]), None),
            RowProblem::Locked
        ));
        for code in ["INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_FIELD"] {
            assert!(
                matches!(
                    of_row(ItemKind::Contact, &errors(code, &["Phone"]), None),
                    RowProblem::Stale
                ),
                "{code}"
            );
        }
        for (code, known) in [
            ("ENTITY_IS_DELETED", None),
            ("NOT_FOUND", Some(true)),
            ("INVALID_CROSS_REFERENCE_KEY", Some(false)),
        ] {
            let problem = of_row(ItemKind::Contact, &errors(code, &[]), known);
            assert!(matches!(problem, RowProblem::Final(Outcome::Missing)), "{code}");
        }
    }
}
