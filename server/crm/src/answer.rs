//! The shapes of composite requests and of query answers.

use http::Method;
use serde_json::{Value, json};

use crate::client::query_path;
use crate::map::Row;
use crate::problem::{ApiError, Failure};

/// One request inside of a composite.
pub(crate) struct SubRequest {
    id: String,
    method: Method,
    /// Below the API's base path.
    path: String,
    body: Option<Value>,
}

impl SubRequest {
    pub(crate) fn new(
        id: impl Into<String>,
        method: Method,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Self {
        Self {
            id: id.into(),
            method,
            path: path.into(),
            body,
        }
    }

    pub(crate) fn query(id: impl Into<String>, all: bool, soql: &str) -> Self {
        Self::new(id, Method::GET, query_path(all, soql), None)
    }

    /// The composite's body. Without `collateSubrequests: false` Salesforce may run requests that do not refer to each
    /// other in any order, and a row would be re-read after it was written.
    pub(crate) fn envelope(base: &str, requests: &[Self]) -> Value {
        let requests: Vec<Value> = requests
            .iter()
            .map(|r| {
                let mut request = json!({
                    "method": r.method.as_str(),
                    "url": format!("{base}/{}", r.path),
                    "referenceId": r.id,
                });
                if let Some(body) = &r.body {
                    request["body"] = body.clone();
                }
                request
            })
            .collect();
        json!({ "allOrNone": false, "collateSubrequests": false, "compositeRequest": requests })
    }
}

/// The answer of one sub-request.
pub(crate) struct SubAnswer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl SubAnswer {
    /// The answers in the order of the requests; `None` if one is missing.
    pub(crate) fn in_order(mut body: Value, requests: &[SubRequest]) -> Option<Vec<Self>> {
        let answers = body.get_mut("compositeResponse")?.as_array_mut()?;
        requests
            .iter()
            .map(|request| {
                let answer = answers
                    .iter_mut()
                    .find(|a| a.get("referenceId").and_then(Value::as_str) == Some(request.id.as_str()))?;
                Some(Self {
                    status: u16::try_from(answer.get("httpStatusCode")?.as_u64()?).ok()?,
                    body: answer.get_mut("body").map(Value::take).unwrap_or_default(),
                })
            })
            .collect()
    }

    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn failure(&self) -> Failure {
        Failure::from_status(self.status, &ApiError::all_of(&self.body), None)
    }

    pub(crate) fn page(self) -> Result<Page, Failure> {
        if !self.is_ok() {
            return Err(self.failure());
        }
        Page::parse(self.body).ok_or_else(|| Failure::malformed("not a query's page"))
    }
}

/// A page of a query.
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    /// The path of the next page.
    pub(crate) next: Option<String>,
}

impl Page {
    pub(crate) fn parse(mut body: Value) -> Option<Self> {
        let rows = body
            .get_mut("records")?
            .as_array_mut()?
            .iter_mut()
            .map(|row| match row.take() {
                Value::Object(row) => Some(row),
                _ => None,
            })
            .collect::<Option<Vec<Row>>>()?;
        let done = body.get("done")?.as_bool()?;
        let next = body
            .get("nextRecordsUrl")
            .and_then(Value::as_str)
            .map(str::to_owned);
        // A page that is not the last and has no successor would end a listing too early.
        match (done, next) {
            (true, _) => Some(Self { rows, next: None }),
            (false, Some(next)) => Some(Self {
                rows,
                next: Some(next),
            }),
            (false, None) => None,
        }
    }
}

/// One row of a collection's answer.
pub(crate) struct RowResult {
    pub(crate) id: Option<String>,
    pub(crate) success: bool,
    /// Of an upsert: it was not there before.
    pub(crate) created: Option<bool>,
    pub(crate) errors: Vec<ApiError>,
}

impl RowResult {
    pub(crate) fn all_of(body: &Value) -> Option<Vec<Self>> {
        body.as_array()?
            .iter()
            .map(|row| {
                Some(Self {
                    id: row.get("id").and_then(Value::as_str).map(str::to_owned),
                    success: row.get("success")?.as_bool()?,
                    created: row.get("created").and_then(Value::as_bool),
                    errors: row.get("errors").map(ApiError::all_of).unwrap_or_default(),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_keeps_its_order_and_runs_in_order() {
        let requests = [
            SubRequest::query("changed", true, "SELECT Id FROM Contact"),
            SubRequest::new(
                "update",
                Method::PATCH,
                "composite/sobjects",
                Some(json!({"allOrNone": false})),
            ),
        ];
        let envelope = SubRequest::envelope("/services/data/v67.0", &requests);
        insta::assert_snapshot!(serde_json::to_string_pretty(&envelope).unwrap(), @r#"
        {
          "allOrNone": false,
          "collateSubrequests": false,
          "compositeRequest": [
            {
              "method": "GET",
              "referenceId": "changed",
              "url": "/services/data/v67.0/queryAll?q=SELECT+Id+FROM+Contact"
            },
            {
              "body": {
                "allOrNone": false
              },
              "method": "PATCH",
              "referenceId": "update",
              "url": "/services/data/v67.0/composite/sobjects"
            }
          ]
        }
        "#);
        let swapped = json!({"compositeResponse": [
            {"referenceId": "update", "httpStatusCode": 400, "body": [{"errorCode": "INVALID_FIELD"}]},
            {"referenceId": "changed", "httpStatusCode": 200, "body": {"done": true, "records": []}},
        ]});
        let answers = SubAnswer::in_order(swapped, &requests).unwrap();
        assert_eq!((answers[0].status, answers[1].status), (200, 400));
        assert_eq!(answers[1].failure().code, "INVALID_FIELD");
        let one = json!({"compositeResponse": [{"referenceId": "update", "httpStatusCode": 200}]});
        assert!(SubAnswer::in_order(one, &requests).is_none());
        assert!(SubAnswer::in_order(json!([]), &requests).is_none());
    }

    #[test]
    fn a_page_without_its_successor_is_no_page() {
        assert!(Page::parse(json!({"done": false, "records": []})).is_none());
        assert!(Page::parse(json!({"done": true})).is_none());
        assert!(Page::parse(json!({"records": []})).is_none());
        assert!(Page::parse(json!({"done": true, "records": [1]})).is_none());
        let page = Page::parse(json!({"done": false, "nextRecordsUrl": "/n", "records": [{"Id": "1"}]}));
        let page = page.unwrap();
        assert_eq!((page.rows.len(), page.next.as_deref()), (1, Some("/n")));
    }
}
