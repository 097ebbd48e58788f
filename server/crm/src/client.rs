use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use secrecy::SecretString;
use serde_json::Value;
use tandem_net::{Net, Request, Response, Retry, Schemes};
use tandem_sync::Fault;
use tandem_types::Timestamp;
use url::Url;

use crate::answer::{Page, SubAnswer, SubRequest};
use crate::describe::DescribeCache;
use crate::grants::{Access, Grants};
use crate::map::Row;
use crate::meter::{ApiUsage, Meters};
use crate::problem::{ApiError, Failure};
use crate::soql;
use crate::times;
use tandem_types::OrgId;

/// In the metrics.
pub(crate) const SERVICE: &str = "salesforce";

/// Collections by external id came with 46.0, `collateSubrequests` with 49.0.
const OLDEST_VERSION: (u32, u32) = (49, 0);
/// Of a listing: 2,000 rows of which each may carry a long text.
const MAX_BYTES: usize = 64 << 20;
/// Sub-requests of one composite that may be queries or collections.
pub(crate) const QUERIES_PER_COMPOSITE: usize = 5;

/// How the API is called.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The version to speak, `67.0`; lower where the organisation does not have it.
    pub version: String,
    /// The custom field that holds the link's key: text of 32 characters at least, an external id, unique.
    pub key_field: String,
    /// Plain HTTP is for the sandbox only.
    pub schemes: Schemes,
    /// For one exchange. Salesforce itself gives up on a query after two minutes.
    pub timeout: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            version: "67.0".to_owned(),
            key_field: "Tandem_Key__c".to_owned(),
            schemes: Schemes::HttpsOnly,
            timeout: Duration::from_mins(2),
        }
    }
}

/// Whether a request changes something there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Writes,
}

/// The REST API for one connection.
pub(crate) struct Rest {
    net: Net,
    config: ApiConfig,
    grants: std::sync::Arc<dyn Grants>,
    /// Held while a refresh runs: parallel calls that were refused wait for the same new token.
    access: tokio::sync::Mutex<Option<Access>>,
    usage: Mutex<Option<ApiUsage>>,
    /// Where it is told, too.
    meter: Option<(std::sync::Arc<Meters>, OrgId)>,
}

/// An answer of the API with a 2xx status.
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// The server's clock.
    pub(crate) date: Option<Timestamp>,
}

impl Rest {
    pub(crate) fn new(net: Net, config: ApiConfig, grants: std::sync::Arc<dyn Grants>) -> Self {
        Self {
            net,
            config,
            grants,
            access: tokio::sync::Mutex::new(None),
            usage: Mutex::new(None),
            meter: None,
        }
    }

    /// Tells what an organisation has used.
    pub(crate) fn metered(mut self, meters: &std::sync::Arc<Meters>, org: &OrgId) -> Self {
        self.meter = Some((std::sync::Arc::clone(meters), org.clone()));
        self
    }

    pub(crate) fn usage(&self) -> Option<ApiUsage> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of the API in the version that both sides speak: `/services/data/v67.0`.
    pub(crate) async fn base(&self, cache: &DescribeCache) -> Result<String, Failure> {
        let origin = self.access().await?.instance_url.origin().ascii_serialization();
        if let Some(version) = cache.version(&origin) {
            return Ok(format!("/services/data/v{version}"));
        }
        let answer = self
            .call(Method::GET, "/services/data", None, Effect::None)
            .await?;
        let version = negotiate(&self.config.version, &answer.body)?;
        let path = format!("/services/data/v{version}");
        cache.set_version(origin, version);
        Ok(path)
    }

    /// Where the organisation is.
    pub(crate) async fn instance(&self) -> Result<Url, Failure> {
        Ok(self.access().await?.instance_url)
    }

    /// Several requests in one API call, in this order; each answers for itself.
    ///
    /// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm>
    pub(crate) async fn composite(
        &self,
        base: &str,
        requests: &[SubRequest],
        effect: Effect,
    ) -> Result<(Vec<SubAnswer>, Option<Timestamp>), Failure> {
        let body = SubRequest::envelope(base, requests);
        let path = format!("{base}/composite");
        let answer = self.call(Method::POST, &path, Some(&body), effect).await?;
        let answers = SubAnswer::in_order(answer.body, requests)
            .ok_or_else(|| Failure::malformed("not a composite's answer"))?;
        Ok((answers, answer.date))
    }

    /// Runs queries (`true`: with deleted rows) to their ends. One API call for each five, and one for each further page.
    pub(crate) async fn queries(
        &self,
        base: &str,
        queries: &[(bool, String)],
    ) -> Result<Vec<Result<Vec<Row>, Failure>>, Failure> {
        let mut out = Vec::with_capacity(queries.len());
        for some in queries.chunks(QUERIES_PER_COMPOSITE) {
            let requests: Vec<SubRequest> = some
                .iter()
                .enumerate()
                .map(|(n, (all, soql))| SubRequest::query(format!("q{n}"), *all, soql))
                .collect();
            let (answers, _) = self.composite(base, &requests, Effect::None).await?;
            for answer in answers {
                let mut page = match answer.page() {
                    Ok(page) => page,
                    Err(failure) => {
                        out.push(Err(failure));
                        continue;
                    }
                };
                let mut rows = page.rows;
                while let Some(next) = page.next {
                    page = self.next_page(&next).await?;
                    rows.append(&mut page.rows);
                }
                out.push(Ok(rows));
            }
        }
        Ok(out)
    }

    /// Follows a `nextRecordsUrl` as it stands.
    pub(crate) async fn next_page(&self, path: &str) -> Result<Page, Failure> {
        let answer = self.call(Method::GET, path, None, Effect::None).await?;
        Page::parse(answer.body).ok_or_else(|| Failure::malformed("not a query's page"))
    }

    /// The version in use, as SOAP spells it in its paths: `67.0`.
    pub(crate) async fn version(&self, cache: &DescribeCache) -> Result<String, Failure> {
        let base = self.base(cache).await?;
        Ok(base.trim_start_matches("/services/data/v").to_owned())
    }

    /// Sends an envelope to the SOAP API; what comes back, with its status and how long it asks to wait. Refreshes the
    /// token once if Salesforce refuses it.
    pub(crate) async fn soap(
        &self,
        path: &str,
        envelope: impl Fn(&SecretString) -> String + Send + Sync,
    ) -> Result<(u16, Option<Duration>, String), Failure> {
        let mut access = self.access().await?;
        let mut refreshed = false;
        loop {
            let request = Request::new(Method::POST, join(&access.instance_url, path)?)
                .service(SERVICE)
                .header("content-type", "text/xml; charset=utf-8")
                .header("soapaction", "\"\"")
                .timeout(self.config.timeout)
                .max_bytes(MAX_BYTES)
                .schemes(self.config.schemes)
                .retry(Retry::Never)
                .body(envelope(&access.token).into_bytes());
            let response = self.net.send(request).await.map_err(Failure::from_net)?;
            let body = String::from_utf8_lossy(&response.body).into_owned();
            let refused = response.status.as_u16() == 401
                || (!response.status.is_success() && body.contains("INVALID_SESSION_ID"));
            if refused && !refreshed {
                refreshed = true;
                access = self.refresh(access.version).await?;
                continue;
            }
            return Ok((response.status.as_u16(), response.retry_after(), body));
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, path, None, Effect::None).await
    }

    /// Sends one request; refreshes the token once if Salesforce refuses it.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        effect: Effect,
    ) -> Result<Answer, Failure> {
        let mut access = self.access().await?;
        let mut refreshed = false;
        // A read whose answer was broken on the way is asked once more; the network layer retries the rest.
        let mut asked_again = false;
        loop {
            let response = self
                .net
                .send(self.request(&access, method.clone(), path, body, effect)?)
                .await
                .map_err(Failure::from_net)?;
            if let Some(usage) = response.header("sforce-limit-info").and_then(ApiUsage::parse) {
                *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some(usage);
                if let Some((meters, org)) = &self.meter {
                    meters.note(org, usage);
                }
            }
            if response.status.as_u16() == 401 && !refreshed {
                refreshed = true;
                access = self.refresh(access.version).await?;
                continue;
            }
            match read(&response) {
                Ok(answer) => return Ok(answer),
                Err(Unread::Status(failure)) => return Err(failure),
                Err(Unread::Broken) if effect == Effect::None && !asked_again => asked_again = true,
                Err(Unread::Broken) => return Err(Failure::malformed("not JSON")),
            }
        }
    }

    fn request(
        &self,
        access: &Access,
        method: Method,
        path: &str,
        body: Option<&Value>,
        effect: Effect,
    ) -> Result<Request, Failure> {
        let mut request = Request::new(method, join(&access.instance_url, path)?)
            .service(SERVICE)
            .bearer(&access.token)
            .header("accept", "application/json")
            .timeout(self.config.timeout)
            .max_bytes(MAX_BYTES)
            .schemes(self.config.schemes)
            .retry(match effect {
                Effect::None => Retry::Idempotent,
                Effect::Writes => Retry::Never,
            });
        if let Some(body) = body {
            let bytes = serde_json::to_vec(body)
                .map_err(|e| Fault::fatal("a request cannot be written as JSON").caused_by(e))?;
            request = request
                .body(bytes)
                .header("content-type", "application/json; charset=utf-8");
        }
        Ok(request)
    }

    async fn access(&self) -> Result<Access, Failure> {
        let mut held = self.access.lock().await;
        if let Some(access) = &*held {
            return Ok(access.clone());
        }
        let access = self.grants.access().await.map_err(unsent)?;
        *held = Some(access.clone());
        Ok(access)
    }

    async fn refresh(&self, stale: i64) -> Result<Access, Failure> {
        let mut held = self.access.lock().await;
        if let Some(access) = held.as_ref().filter(|a| a.version != stale) {
            return Ok(access.clone());
        }
        let access = self.grants.refreshed(stale).await.map_err(unsent)?;
        *held = Some(access.clone());
        Ok(access)
    }
}

/// A refresh may be in doubt; the call that needed it was not done.
fn unsent(mut fault: Fault) -> Fault {
    fault.in_doubt = false;
    fault
}

enum Unread {
    Status(Failure),
    /// 2xx with a body that is no JSON.
    Broken,
}

fn read(response: &Response) -> Result<Answer, Unread> {
    let parsed = if response.body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice::<Value>(&response.body)
    };
    if !response.status.is_success() {
        let errors = parsed.map(|b| ApiError::all_of(&b)).unwrap_or_default();
        let failure = Failure::from_status(response.status.as_u16(), &errors, response.retry_after());
        return Err(Unread::Status(failure));
    }
    Ok(Answer {
        body: parsed.map_err(|_| Unread::Broken)?,
        date: response.header("date").and_then(times::http_date),
    })
}

/// A path on the instance. Paths come from Salesforce too (`nextRecordsUrl`): the token goes to no other host.
fn join(instance: &Url, path: &str) -> Result<Url, Failure> {
    let url = instance
        .join(path)
        .ok()
        .filter(|url| path.starts_with('/') && url.origin() == instance.origin());
    url.ok_or_else(|| Failure::malformed("a path that leads elsewhere"))
}

fn negotiate(wanted: &str, body: &Value) -> Result<String, Failure> {
    let wanted = parse_version(wanted)
        .ok_or_else(|| Fault::fatal("the configured Salesforce API version is no version"))?;
    let offered = body
        .as_array()
        .ok_or_else(|| Failure::malformed("not a list of versions"))?
        .iter()
        .filter_map(|v| parse_version(v.get("version")?.as_str()?))
        .filter(|v| (OLDEST_VERSION..=wanted).contains(v))
        .max();
    let (major, minor) = offered.ok_or_else(|| {
        Fault::fatal(format!(
            "the organisation offers no API version from {}.{} to {}.{}",
            OLDEST_VERSION.0, OLDEST_VERSION.1, wanted.0, wanted.1
        ))
    })?;
    Ok(format!("{major}.{minor}"))
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim_start_matches('v').split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The path of a query; with deleted rows if `all`.
pub(crate) fn query_path(all: bool, soql: &str) -> String {
    let resource = if all { "queryAll" } else { "query" };
    format!("{resource}?q={}", soql::encode(soql))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_version_is_the_highest_that_both_speak() {
        let offered = json!([
            {"version": "31.0", "label": "x", "url": "/services/data/v31.0"},
            {"version": "66.0"}, {"version": "9.0"}, {"version": "68.0"}, {"label": "odd"},
        ]);
        let agreed = |wanted| negotiate(wanted, &offered).map_err(|f| f.fault.kind).ok();
        assert_eq!(agreed("67.0").as_deref(), Some("66.0"));
        assert_eq!(agreed("v66.0").as_deref(), Some("66.0"));
        assert_eq!(agreed("68.0").as_deref(), Some("68.0"));
        assert_eq!(agreed("65.0"), None);
        assert_eq!(agreed("latest"), None);
        assert!(negotiate("67.0", &json!({"error": 1})).is_err());
    }

    #[test]
    fn paths_stay_on_the_instance() {
        let instance = Url::parse("https://acme.my.salesforce.com/").unwrap();
        let joined = |path| join(&instance, path).map(String::from).ok();
        assert_eq!(
            joined("/services/data/v67.0/query/01g-2000").as_deref(),
            Some("https://acme.my.salesforce.com/services/data/v67.0/query/01g-2000")
        );
        for path in [
            "//evil.example/x",
            "https://evil.example/x",
            "services",
            "/\\evil.example/x",
        ] {
            assert_eq!(joined(path), None, "{path}");
        }
    }
}
