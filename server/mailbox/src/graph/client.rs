//! The calls of one session: tokens, batches, and waiting when Graph asks for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tandem_net::{Net, Request, Response, Retry};
use tandem_sync::{Fault, FaultKind};
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use super::ask::Ask;
use super::error::{CallError, Problem};
use crate::client::{Effect, schemes};
use crate::microsoft::{Bearer, ClaimsChallenge, Tokens};

/// Requests in one batch. <https://learn.microsoft.com/graph/json-batching#batch-size-limitations>
pub(crate) const PARTS: usize = 20;
/// Further tries of a part that was told to wait.
const TRIES: u32 = 4;
/// The pause where the server names none.
const PAUSE: Duration = Duration::from_millis(500);

/// The mailbox of one connection. `Debug` shows no address.
#[derive(Clone)]
pub struct GraphAccount {
    /// With the version: `https://graph.microsoft.com/v1.0`.
    pub url: Url,
    /// The primary SMTP address, as [`super::Graph::whoami`] gave it.
    pub address: String,
}

impl fmt::Debug for GraphAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphAccount")
            .field("host", &self.url.host_str())
            .finish_non_exhaustive()
    }
}

/// What one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphLimits {
    /// Bytes of a decoded answer.
    pub max_response: usize,
    /// Bytes of a whole mail.
    pub max_mail_response: usize,
    /// Of one request that reads, further tries included.
    pub read_timeout: Duration,
    /// Of one request that writes a batch.
    pub write_timeout: Duration,
    /// Requests at once to this mailbox. Microsoft takes four of one application.
    /// <https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits>
    pub at_once: u32,
    /// How long one call waits in all when Graph asks it to, before it gives up.
    pub patience: Duration,
    /// Items on one page.
    pub page: usize,
}

impl Default for GraphLimits {
    fn default() -> Self {
        Self {
            max_response: 32 << 20,
            max_mail_response: 80 << 20,
            read_timeout: Duration::from_mins(1),
            write_timeout: Duration::from_mins(2),
            at_once: 4,
            patience: Duration::from_secs(45),
            page: 200,
        }
    }
}

/// The answer to one part of a batch: its JSON, `null` where there is none.
pub(crate) type Part = Result<Value, Problem>;

pub(crate) struct Client {
    net: Net,
    base: Url,
    tokens: Arc<dyn Tokens>,
    pub(crate) limits: GraphLimits,
    held: Mutex<Option<Bearer>>,
    slots: Semaphore,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.base.host_str())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(net: Net, url: Url, tokens: Arc<dyn Tokens>, limits: GraphLimits) -> Self {
        Self {
            net,
            base: url,
            tokens,
            slots: Semaphore::new(limits.at_once.max(1) as usize),
            limits,
            held: Mutex::new(None),
        }
    }

    /// One request by itself; its JSON.
    pub(crate) async fn one(&self, ask: &Ask, effect: Effect) -> Result<Value, CallError> {
        read_json(&self.send(ask, effect, &[]).await?)
    }

    /// The rest of a long list, page by page: `next` is a link of the answer before.
    pub(crate) async fn page(&self, ask: &Ask) -> Result<Page, CallError> {
        Page::of(&self.one(ask, Effect::Reads).await?, &self.base)
    }

    /// A page that came as a part of a batch.
    pub(crate) fn page_of(&self, body: &Value) -> Result<Page, CallError> {
        Page::of(body, &self.base)
    }

    /// Reads many things in as few requests as there are; each answer by itself.
    pub(crate) async fn read_all(&self, asks: &[Ask]) -> Result<Vec<Part>, CallError> {
        let mut all = Vec::with_capacity(asks.len());
        let mut waiting: Vec<&[Ask]> = asks.chunks(PARTS).rev().collect();
        while let Some(lot) = waiting.pop() {
            match self.batch(lot, Effect::Reads).await {
                Ok(parts) => all.extend(parts),
                // A few enormous items: fewer at a time.
                Err(error) if error.too_large() && lot.len() > 1 => {
                    let (left, right) = lot.split_at(lot.len() / 2);
                    waiting.push(right);
                    waiting.push(left);
                }
                Err(error) if error.too_large() => all.push(Err(Problem::too_large())),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// At most [`PARTS`] requests in one; the answers in the order asked. Parts that were told to wait are asked again
    /// while patience lasts: Graph has not done them. What is an error here means that no part has an answer.
    pub(crate) async fn batch(&self, asks: &[Ask], effect: Effect) -> Result<Vec<Part>, CallError> {
        let mut parts: Vec<Option<Part>> = asks.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..asks.len()).collect();
        let mut patience = self.limits.patience;
        let mut fresh = false;
        for tried in 0..=TRIES {
            let requests: Vec<Value> = open.iter().map(|at| asks[*at].part(*at)).collect();
            let ask = Ask::post("/$batch", json!({ "requests": requests }));
            let sent = match self.send(&ask, effect, &[]).await {
                Ok(response) => read_json(&response),
                Err(error) => Err(error),
            };
            let answers = match sent.and_then(|body| answers_of(&body, asks.len())) {
                Ok(answers) => answers,
                Err(error) if tried == 0 => return Err(error),
                Err(error) => {
                    // The parts that were answered before stay answered.
                    tracing::warn!(%error, "the rest of a batch was not answered");
                    if error.in_doubt() {
                        for at in &open {
                            parts[*at] = Some(Err(Problem::lost()));
                        }
                    }
                    break;
                }
            };
            for (at, part) in answers {
                if open.contains(&at) {
                    parts[at] = Some(part);
                }
            }
            let mut wait: Option<Duration> = None;
            let mut refused = false;
            open.retain(|at| {
                let Some(Err(problem)) = &parts[*at] else {
                    return false;
                };
                if problem.status == 401 {
                    refused = true;
                    return true;
                }
                let again = may_pass(problem, effect);
                if again {
                    let pause = problem.retry_after.unwrap_or(PAUSE * 2_u32.pow(tried));
                    wait = Some(wait.unwrap_or_default().max(pause));
                }
                again
            });
            if refused {
                let renewed = if fresh {
                    Err(CallError::SignIn(ended(None)))
                } else {
                    fresh = true;
                    let version = self.bearer().await?.version;
                    self.refresh(version).await
                };
                if let Err(error) = renewed {
                    if effect == Effect::Writes && parts.iter().flatten().any(Result::is_ok) {
                        // Some parts are done. The others were surely not, and are answered so.
                        tracing::warn!(%error, "the rest of a batch was refused");
                        break;
                    }
                    return Err(error);
                }
            }
            match wait {
                _ if open.is_empty() || tried == TRIES => break,
                Some(wait) if wait > patience => break,
                Some(wait) => {
                    patience -= wait;
                    tokio::time::sleep(wait).await;
                }
                None => {}
            }
        }
        Ok(parts
            .into_iter()
            .map(|part| part.unwrap_or_else(|| Err(Problem::lost())))
            .collect())
    }

    /// One request; any answer but those that a fresh token or some patience cures.
    pub(crate) async fn send(
        &self,
        ask: &Ask,
        effect: Effect,
        more: &[(&str, &str)],
    ) -> Result<Response, CallError> {
        let url = self.url(&ask.url)?;
        let body = match &ask.body {
            Some(body) => {
                serde_json::to_vec(body).map_err(|_| CallError::NotGraph("the request cannot be written"))?
            }
            None => Vec::new(),
        };
        let method = Method::from_bytes(ask.method.as_bytes())
            .map_err(|_| CallError::NotGraph("the method cannot be written"))?;
        // A closed semaphore cannot be: it is never closed.
        let _slot = self.slots.acquire().await.ok();
        let mut fresh = false;
        let mut patience = self.limits.patience;
        let mut tried = 0;
        loop {
            let bearer = self.bearer().await?;
            let mut request = Request::new(method.clone(), url.clone())
                .service("graph")
                .body(body.clone())
                .header("Accept", "application/json, */*;q=0.5")
                .bearer(&bearer.token)
                .schemes(schemes(&url));
            for (name, value) in ask.headers() {
                request = request.header(name, &value);
            }
            for (name, value) in more {
                request = request.header(name, value);
            }
            let limits = &self.limits;
            let request = match effect {
                Effect::Reads => request
                    .timeout(limits.read_timeout)
                    .max_bytes(limits.max_response)
                    .retry(Retry::Idempotent),
                Effect::ReadsMails => request
                    .timeout(limits.read_timeout * 3)
                    .max_bytes(limits.max_mail_response)
                    .retry(Retry::Idempotent),
                Effect::Writes => request
                    .timeout(limits.write_timeout)
                    .max_bytes(limits.max_response)
                    .retry(Retry::Never),
            };
            let response = self.net.send(request).await?;
            match response.status.as_u16() {
                401 if !fresh => {
                    fresh = true;
                    self.refresh(bearer.version).await?;
                }
                401 => {
                    let challenge = ClaimsChallenge::of(&response.headers);
                    if let Some(challenge) = &challenge {
                        self.tokens.challenged(&challenge.claims).await;
                    }
                    return Err(CallError::SignIn(ended(challenge)));
                }
                429 if tried < TRIES => {
                    let wait = response.retry_after().unwrap_or(PAUSE * 2_u32.pow(tried));
                    if wait > patience {
                        return Ok(response);
                    }
                    patience -= wait;
                    tried += 1;
                    tokio::time::sleep(wait).await;
                }
                _ => return Ok(response),
            }
        }
    }

    async fn bearer(&self) -> Result<Bearer, CallError> {
        let mut held = self.held.lock().await;
        if let Some(bearer) = &*held {
            return Ok(bearer.clone());
        }
        let bearer = self.tokens.access().await.map_err(CallError::SignIn)?;
        *held = Some(bearer.clone());
        Ok(bearer)
    }

    /// A token after that of `stale`; several that were refused at once cause one refresh.
    async fn refresh(&self, stale: i64) -> Result<(), CallError> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|bearer| bearer.version != stale) {
            return Ok(());
        }
        *held = Some(self.tokens.refreshed(stale).await.map_err(CallError::SignIn)?);
        Ok(())
    }

    fn url(&self, path: &str) -> Result<Url, CallError> {
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}{path}").parse().map_err(|_| CallError::Elsewhere)
    }
}

/// Whether the same part may be asked again: Graph has not done it, or it only reads.
fn may_pass(problem: &Problem, effect: Effect) -> bool {
    match problem.kind() {
        FaultKind::RateLimited { .. } => true,
        FaultKind::Transient { .. } => effect != Effect::Writes && problem.status != 500,
        _ => false,
    }
}

/// The fresh token was refused, too; perhaps with what the next sign-in has to prove.
fn ended(challenge: Option<ClaimsChallenge>) -> Fault {
    match challenge {
        Some(challenge) => challenge.into(),
        None => Fault::new(FaultKind::SignInEnded, "Microsoft Graph refuses the token"),
    }
}

/// What an answer says, from its status and its body.
pub(crate) fn read_json(response: &Response) -> Result<Value, CallError> {
    let status = response.status;
    let body: Option<Value> = if response.body.iter().all(u8::is_ascii_whitespace) {
        Some(Value::Null)
    } else {
        serde_json::from_slice(&response.body).ok()
    };
    if status.is_success() {
        return body.ok_or(CallError::NotGraph("no JSON"));
    }
    match body {
        Some(body) if body["error"]["code"].is_string() => Err(CallError::Answered(Problem::of(
            status.as_u16(),
            &body,
            response.retry_after(),
        ))),
        _ => Err(CallError::Status {
            status,
            retry_after: response.retry_after(),
        }),
    }
}

/// The answers of a batch, each with its place.
fn answers_of(body: &Value, asked: usize) -> Result<Vec<(usize, Part)>, CallError> {
    let responses = body["responses"]
        .as_array()
        .ok_or(CallError::NotGraph("no answers in a batch"))?;
    let mut answers = Vec::with_capacity(responses.len());
    for response in responses {
        let id = response["id"]
            .as_str()
            .and_then(|id| id.parse::<usize>().ok())
            .filter(|id| *id < asked)
            .ok_or(CallError::NotGraph(
                "an answer in a batch to nothing that was asked",
            ))?;
        let status = response["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok())
            .ok_or(CallError::NotGraph("an answer in a batch without a status"))?;
        let body = &response["body"];
        let part = if (200..300).contains(&status) {
            Ok(body.clone())
        } else {
            Err(Problem::of(status, body, retry_after(&response["headers"])))
        };
        answers.push((id, part));
    }
    Ok(answers)
}

fn retry_after(headers: &Value) -> Option<Duration> {
    let (_, value) = headers
        .as_object()?
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_u64()?,
    };
    Some(Duration::from_secs(seconds))
}

/// A page of a list or a delta.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) items: Vec<Value>,
    /// The rest of this list: a path below the version.
    pub(crate) next: Option<String>,
    /// Where the next delta goes on.
    pub(crate) delta: Option<String>,
    /// All items of the list, where that was asked for.
    pub(crate) count: Option<u64>,
}

impl Page {
    fn of(body: &Value, base: &Url) -> Result<Self, CallError> {
        let items = body["value"]
            .as_array()
            .ok_or(CallError::NotGraph("no list of items"))?;
        let link = |name: &str| match body[name].as_str() {
            Some(link) => relative(link, base).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            items: items.clone(),
            next: link("@odata.nextLink")?,
            delta: link("@odata.deltaLink")?,
            count: body["@odata.count"].as_u64(),
        })
    }
}

/// A link of an answer, as a path below the version. It is followed to our own server only: a token goes with it.
fn relative(link: &str, base: &Url) -> Result<String, CallError> {
    let url: Url = link.parse().map_err(|_| CallError::Elsewhere)?;
    if url.origin() != base.origin() {
        return Err(CallError::Elsewhere);
    }
    let path = url
        .path()
        .strip_prefix(base.path().trim_end_matches('/'))
        .filter(|path| path.starts_with('/'))
        .ok_or(CallError::Elsewhere)?;
    Ok(match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        "https://graph.microsoft.com/v1.0".parse().unwrap()
    }

    #[test]
    fn links_lead_to_the_same_server_only() {
        let of = |link: &str| relative(link, &base()).ok();
        assert_eq!(
            of("https://graph.microsoft.com/v1.0/me/contacts/delta?$skiptoken=a%2Bb").as_deref(),
            Some("/me/contacts/delta?$skiptoken=a%2Bb")
        );
        for link in [
            "https://graph.example/v1.0/me",
            "http://graph.microsoft.com/v1.0/me",
            "https://graph.microsoft.com:444/v1.0/me",
            "https://graph.microsoft.com/beta/me",
            "https://graph.microsoft.com/v1.0x/me",
            "/v1.0/me",
            "",
        ] {
            assert_eq!(of(link), None, "{link}");
        }
    }

    #[test]
    fn answers_of_a_batch_come_in_any_order() {
        let body = json!({"responses": [
            {"id": "1", "status": 429, "headers": {"retry-after": "7"}, "body": {"error": {"code": "ApplicationThrottled", "message": "x"}}},
            {"id": "0", "status": 204},
        ]});
        let answers = answers_of(&body, 2).unwrap();
        let (first, problem) = &answers[0];
        assert_eq!(*first, 1);
        assert_eq!(
            problem.as_ref().unwrap_err().retry_after,
            Some(Duration::from_secs(7))
        );
        assert_eq!(answers[1], (0, Ok(Value::Null)));
        for bad in [
            json!({}),
            json!({"responses": [{"id": "2", "status": 200}]}),
            json!({"responses": [{"id": "0"}]}),
        ] {
            assert!(answers_of(&bad, 2).is_err(), "{bad}");
        }
    }
}
