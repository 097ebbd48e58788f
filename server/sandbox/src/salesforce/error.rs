//! Errors as the REST API writes them.

use serde_json::{Map, Value, json};

/// One error: an array element of a failed call, or one row's error in a collection.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm>
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    /// HTTP status of the call when this error is all of its answer.
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Present (may be empty) on errors of reading and writing rows, absent on errors of the call.
    pub(crate) fields: Option<Vec<String>>,
    /// `duplicateResult`, for a single row that a duplicate rule refused.
    pub(crate) duplicates: Option<Box<Value>>,
}

impl ApiError {
    /// An error of the call as a whole.
    pub(crate) fn call(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: None,
            duplicates: None,
        }
    }

    /// An error of one row: its status follows from the code.
    pub(crate) fn row(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        let status = match code {
            "ENTITY_IS_DELETED" | "NOT_FOUND" => 404,
            "INSUFFICIENT_ACCESS_OR_READONLY" => 403,
            _ => 400,
        };
        let fields = Some(fields.iter().map(|f| (*f).to_owned()).collect());
        Self {
            status,
            code,
            message: message.into(),
            fields,
            duplicates: None,
        }
    }

    pub(crate) fn not_found() -> Self {
        Self::call(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn json(message: impl Into<String>) -> Self {
        Self::call(400, "JSON_PARSER_ERROR", message)
    }

    pub(crate) fn no_column(field: &str, object: &str) -> Self {
        Self::call(
            400,
            "INVALID_FIELD",
            format!("No such column '{field}' on sobject of type {object}"),
        )
    }

    /// The element of the array that answers a failed call.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = Map::new();
        out.insert("message".into(), json!(self.message));
        out.insert("errorCode".into(), json!(self.code));
        if let Some(fields) = &self.fields {
            out.insert("fields".into(), json!(fields));
        }
        if let Some(duplicates) = &self.duplicates {
            out.insert("duplicateResult".into(), duplicates.as_ref().clone());
        }
        Value::Object(out)
    }

    /// The row of a collection: `{"success":false,"errors":[{"statusCode",...}]}`.
    pub(crate) fn to_row(&self, id: Option<&str>) -> Value {
        let mut out = Map::new();
        if let Some(id) = id {
            out.insert("id".into(), json!(id));
        }
        out.insert("success".into(), json!(false));
        out.insert(
            "errors".into(),
            json!([{
                "statusCode": self.code,
                "message": self.message,
                "fields": self.fields.clone().unwrap_or_default(),
            }]),
        );
        Value::Object(out)
    }
}
