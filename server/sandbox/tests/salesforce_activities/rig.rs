//! An organisation, signed-in users, and requests over plain HTTP as any client would send them.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tandem_sandbox::{Options, Sandbox};

pub(crate) const API: &str = "/services/data/v67.0";
const CALLBACK: &str = "http://localhost:9999/oauth/callback";

pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Got {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Status, code and fields of the first error.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String, Value) {
        let first = self.json()[0].clone();
        let code = first["errorCode"].as_str().unwrap_or_default().to_owned();
        (self.status, code, first["fields"].clone())
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.error().1
    }
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    /// The token of each user.
    pub(crate) tokens: Vec<String>,
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

#[track_caller]
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let base = sandbox.info().salesforce.http.clone();
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let mut world = Self {
            sandbox,
            client,
            base,
            tokens: Vec::new(),
        };
        world.org(json!({ "require_pkce": false })).await;
        for user in 0..2 {
            let token = world.sign_in(user).await;
            world.tokens.push(token);
        }
        world
    }

    async fn sign_in(&self, user: usize) -> String {
        let info = self.sandbox.info().clone();
        let (client, user) = (info.client, info.users[user].clone());
        let typed = form(&[
            ("response_type", "code"),
            ("client_id", &client.id),
            ("redirect_uri", CALLBACK),
            ("scope", "api"),
            ("username", &user.salesforce_username),
            ("password", &user.salesforce_password),
        ]);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        let request = self.request("POST", "/services/oauth2/authorize", &kind, typed);
        let response = self.client.request(request).await.unwrap();
        let to = response.headers()["location"].to_str().unwrap().to_owned();
        let code = url::Url::parse(&to)
            .unwrap()
            .query_pairs()
            .find(|(n, _)| n == "code")
            .unwrap()
            .1
            .into_owned();
        let asked = form(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", &client.id),
            ("client_secret", &client.secret),
        ]);
        let got = self.send("POST", "/services/oauth2/token", &kind, asked).await;
        assert_eq!(got.status, 200, "{}", got.text);
        text(&got.json(), "access_token")
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(Bytes::from(body))).unwrap()
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Got {
        let response = self
            .client
            .request(self.request(method, path, headers, body))
            .await
            .unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Got {
            status,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// As a user, below the version.
    pub(crate) async fn api_as(&self, user: usize, method: &str, path: &str, body: Value) -> Got {
        let bearer = format!("Bearer {}", self.tokens[user]);
        let mut headers = vec![("authorization", bearer.as_str())];
        let content = if body.is_null() {
            String::new()
        } else {
            headers.push(("content-type", "application/json"));
            body.to_string()
        };
        self.send(method, &format!("{API}{path}"), &headers, content)
            .await
    }

    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Got {
        self.api_as(0, method, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.api("GET", path, Value::Null).await
    }

    pub(crate) async fn create(&self, object: &str, body: Value) -> String {
        let got = self.api("POST", &format!("/sobjects/{object}"), body).await;
        assert_eq!(got.status, 201, "{object}: {}", got.text);
        text(&got.json(), "id")
    }

    pub(crate) async fn refused(&self, object: &str, body: Value) -> (u16, String, Value) {
        let got = self
            .api("POST", &format!("/sobjects/{object}"), body.clone())
            .await;
        assert!(got.status >= 400, "{object} {body} was not refused: {}", got.text);
        got.error()
    }

    pub(crate) async fn update(&self, object: &str, id: &str, body: Value) -> Got {
        self.api("PATCH", &format!("/sobjects/{object}/{id}"), body).await
    }

    #[track_caller]
    pub(crate) fn changed(got: &Got) {
        assert_eq!(got.status, 204, "{}", got.text);
    }

    pub(crate) async fn row(&self, object: &str, id: &str) -> Value {
        let got = self.get(&format!("/sobjects/{object}/{id}")).await;
        assert_eq!(got.status, 200, "{object} {id}: {}", got.text);
        got.json()
    }

    pub(crate) async fn query_as(&self, user: usize, soql: &str) -> Got {
        self.api_as(
            user,
            "GET",
            &format!("/query?{}", form(&[("q", soql)])),
            Value::Null,
        )
        .await
    }

    pub(crate) async fn rows(&self, soql: &str) -> Vec<Value> {
        self.rows_as(0, soql).await
    }

    pub(crate) async fn rows_as(&self, user: usize, soql: &str) -> Vec<Value> {
        let got = self.query_as(user, soql).await;
        assert_eq!(got.status, 200, "{soql}: {}", got.text);
        got.json()["records"].as_array().unwrap().clone()
    }

    pub(crate) async fn all_rows(&self, soql: &str) -> Vec<Value> {
        let got = self.get(&format!("/queryAll?{}", form(&[("q", soql)]))).await;
        assert_eq!(got.status, 200, "{soql}: {}", got.text);
        got.json()["records"].as_array().unwrap().clone()
    }

    pub(crate) async fn describe(&self, object: &str) -> Value {
        let got = self.get(&format!("/sobjects/{object}/describe")).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    /// What describe says of a field; null if it is not there.
    pub(crate) async fn field(&self, object: &str, name: &str) -> Value {
        let described = self.describe(object).await;
        let fields = described["fields"].as_array().unwrap();
        fields
            .iter()
            .find(|f| f["name"] == name)
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.sandbox.control(method, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {value}");
        value
    }

    pub(crate) async fn org(&self, switches: Value) {
        self.control("PUT", "/salesforce/org", switches).await;
    }

    pub(crate) fn user_id(&self, user: usize) -> String {
        self.sandbox.info().users[user].salesforce_user_id.clone()
    }

    pub(crate) fn username(&self, user: usize) -> String {
        self.sandbox.info().users[user].salesforce_username.clone()
    }

    /// Some contact of the first user with its account.
    pub(crate) async fn contact(&self) -> (String, String) {
        let soql = format!(
            "SELECT Id, AccountId FROM Contact WHERE OwnerId = '{}' AND AccountId != null LIMIT 1",
            self.user_id(0)
        );
        let rows = self.rows(&soql).await;
        (text(&rows[0], "Id"), text(&rows[0], "AccountId"))
    }

    /// The only id that a query finds.
    pub(crate) async fn id(&self, soql: &str) -> String {
        let rows = self.rows(soql).await;
        assert_eq!(rows.len(), 1, "{soql}: {rows:?}");
        text(&rows[0], "Id")
    }

    /// Calls SOAP's `undelete`.
    pub(crate) async fn undelete(&self, user: usize, ids: &[&str]) -> Got {
        let ids = ids.join("</urn:ids><urn:ids>");
        self.soap(
            &self.tokens[user],
            &format!("<urn:undelete><urn:ids>{ids}</urn:ids></urn:undelete>"),
        )
        .await
    }

    pub(crate) async fn soap(&self, session: &str, operation: &str) -> Got {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><e:Envelope \
             xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:urn=\"urn:partner.soap.sforce.com\">\
             <e:Header><urn:SessionHeader><urn:sessionId>{session}</urn:sessionId></urn:SessionHeader></e:Header>\
             <e:Body>{operation}</e:Body></e:Envelope>"
        );
        let headers = [
            ("content-type", "text/xml; charset=UTF-8"),
            ("SOAPAction", "\"\""),
        ];
        self.send("POST", "/services/Soap/u/67.0", &headers, body).await
    }
}
