//! Requests to Graph, alone or as parts of a batch.

use serde_json::{Map, Value, json};
use url::form_urlencoded::byte_serialize;

/// Ids that stay the same when an item is moved within its mailbox.
/// <https://learn.microsoft.com/graph/outlook-immutable-id>
const IMMUTABLE: &str = "IdType=\"ImmutableId\"";

/// One request: its path below the version, `/me/events/…`.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) body: Option<Value>,
    prefer: String,
    if_match: Option<String>,
}

impl Ask {
    fn new(method: &'static str, url: impl Into<String>, body: Option<Value>) -> Self {
        Self {
            method,
            url: url.into(),
            body,
            // Every instant that is read is in UTC; whole days come as they are.
            prefer: format!("{IMMUTABLE}, outlook.timezone=\"UTC\""),
            if_match: None,
        }
    }

    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url, None)
    }

    pub(crate) fn post(url: impl Into<String>, body: Value) -> Self {
        Self::new("POST", url, Some(body))
    }

    pub(crate) fn patch(url: impl Into<String>, body: Value) -> Self {
        Self::new("PATCH", url, Some(body))
    }

    pub(crate) fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url, None)
    }

    /// So many items on a page, of a delta or a list.
    #[must_use]
    pub(crate) fn page(mut self, size: usize) -> Self {
        self.prefer = format!("{}, odata.maxpagesize={size}", self.prefer);
        self
    }

    /// Only if the item still has this version.
    #[must_use]
    pub(crate) fn only_if(mut self, version: &str) -> Self {
        self.if_match = Some(format!("W/\"{version}\""));
        self
    }

    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Prefer", self.prefer.clone())];
        if self.body.is_some() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        headers.extend(self.if_match.clone().map(|tag| ("If-Match", tag)));
        headers
    }

    /// As a part of a batch. <https://learn.microsoft.com/graph/json-batching>
    pub(crate) fn part(&self, id: usize) -> Value {
        let headers: Map<String, Value> = self
            .headers()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        let mut part = json!({
            "id": id.to_string(),
            "method": self.method,
            "url": self.url,
            "headers": headers,
        });
        if let Some(body) = &self.body {
            part["body"] = body.clone();
        }
        part
    }
}

/// A text as it stands in a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// A text in a filter, between its quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A path with its query: `("/me/events", [("$top", "5")])`.
pub(crate) fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut url = path.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        url.push(if at == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&escaped(value));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_filters() {
        let filter = format!("title eq {}", quoted("O'Neil & Söhne +1"));
        assert_eq!(
            with_query("/me/x", &[("$top", "5"), ("$filter", &filter)]),
            "/me/x?$top=5&$filter=title%20eq%20%27O%27%27Neil%20%26%20S%C3%B6hne%20%2B1%27"
        );
        assert_eq!(escaped("AAMk/=_-"), "AAMk%2F%3D_-");
    }

    #[test]
    fn a_part_of_a_batch() {
        let part = Ask::patch("/me/events/1", json!({"subject": "x"}))
            .only_if("k==")
            .page(7)
            .part(3);
        assert_eq!(
            part,
            json!({
                "id": "3",
                "method": "PATCH",
                "url": "/me/events/1",
                "headers": {
                    "Prefer": "IdType=\"ImmutableId\", outlook.timezone=\"UTC\", odata.maxpagesize=7",
                    "Content-Type": "application/json",
                    "If-Match": "W/\"k==\"",
                },
                "body": {"subject": "x"},
            })
        );
        assert_eq!(Ask::get("/me").part(0).get("body"), None);
    }
}
