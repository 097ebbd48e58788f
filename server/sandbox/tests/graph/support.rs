//! A sandbox, and Graph over a plain socket.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use tandem_sandbox::{Options, Sandbox};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const NINA: &str = "nina.berg@contoso.example";
pub(crate) const TOMAS: &str = "tomas.ohara@contoso.example";
pub(crate) const KEY: &str = "String {8f1b6c52-3d07-4e9a-a4f6-5b2c90d7e813} Name Key";
pub(crate) const IMMUTABLE: (&str, &str) = ("Prefer", "IdType=\"ImmutableId\"");

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The JSON of an answer with that status.
    pub(crate) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.bytes.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    /// The text of a refusal with that status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let error = self.is(status)["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["innerError"]["request-id"].is_string(), "{error}");
        error["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) token: String,
}

/// An id as a segment of an address.
pub(crate) fn id(value: &Value) -> String {
    value["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {value}"))
        .replace('=', "%3D")
}

pub(crate) fn values(page: &Value) -> Vec<Value> {
    page["value"]
        .as_array()
        .unwrap_or_else(|| panic!("no list in {page}"))
        .clone()
}

/// A time of a calendar, in UTC.
pub(crate) fn utc(time: &str) -> Value {
    json!({ "dateTime": time, "timeZone": "UTC" })
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let options = Options {
            contacts: 5,
            mailbox_contacts: 0,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut bench = Self {
            sandbox,
            token: String::new(),
        };
        bench.token = bench.token_of(NINA).await;
        bench
    }

    pub(crate) async fn token_of(&self, user: &str) -> String {
        let issued = self
            .control("POST", "/microsoft/issue", json!({ "user": user }))
            .await;
        issued["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let origin = &self.sandbox.info().graph.http;
        let port: u16 = origin.rsplit_once(':').unwrap().1.parse().unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|l| l.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            headers,
            bytes: bytes[end + 4..].to_vec(),
        }
    }

    /// `path` is below `/v1.0`, or a whole address out of an answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let origin = &self.sandbox.info().graph.http;
        let path = match path.strip_prefix(origin.as_str()) {
            Some(rest) => rest.to_owned(),
            None => format!("/v1.0{}", path.replace(' ', "%20").replace('\'', "%27")),
        };
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            all.push(("Content-Type", "application/json"));
            body.to_string().into_bytes()
        };
        self.raw(method, &path, &all, &bytes).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[IMMUTABLE], &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, &[IMMUTABLE], &body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask("PATCH", path, &[IMMUTABLE], &body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[IMMUTABLE], &Value::Null).await
    }

    /// Follows all pages from that address on: what they hold, and the last link.
    pub(crate) async fn round(&self, path: &str) -> (Vec<Value>, String) {
        let (mut all, mut link) = (Vec::new(), path.to_owned());
        for _ in 0..200 {
            let page = self.get(&link).await.is(200);
            all.extend(values(&page));
            if let Some(delta) = page["@odata.deltaLink"].as_str() {
                return (all, delta.to_owned());
            }
            page["@odata.nextLink"].as_str().unwrap().clone_into(&mut link);
        }
        panic!("a round without an end");
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    /// What Nina does in Outlook.
    pub(crate) async fn nina(&self, method: &str, path: &str, body: Value) -> Value {
        self.control(method, &format!("/exchange/mailboxes/{NINA}/{path}"), body)
            .await
    }

    pub(crate) async fn knobs(&self, knobs: Value) {
        self.control("PUT", "/graph/knobs", knobs).await;
    }

    pub(crate) async fn fault(&self, rule: Value) {
        let mut rule = rule;
        rule["service"] = json!("graph");
        self.control("POST", "/faults", rule).await;
    }

    /// Kind and receivers of all mails that were sent.
    pub(crate) async fn mails(&self) -> Vec<(String, Vec<String>)> {
        let counters = self.control("GET", "/counters", Value::Null).await;
        let mails = counters["exchange"]["mails"].as_array().unwrap().clone();
        mails
            .iter()
            .map(|m| {
                let to = m["to"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| t.as_str().unwrap().to_owned())
                    .collect();
                (m["kind"].as_str().unwrap().to_owned(), to)
            })
            .collect()
    }
}
