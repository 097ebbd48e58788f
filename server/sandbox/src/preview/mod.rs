//! Outlook in a browser, as far as one needs it to see an add-in at work: the sandbox's mailboxes as pages, and beside
//! them the true pane in a frame of another site, with an Office.js of our own.
//!
//! Pages are drawn here and work without script; the script (`shell.js`) lays the next page over the shown one, so that
//! the pane stays, and answers what the pane asks by `office.js`.

mod calendar;
mod compose;
mod draw;
mod item;
mod mail;
mod outlook;
mod view;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value, json};
use url::Url;

use self::draw::{Part, Somebody};
use self::outlook::{Outlook, rest_id};
use self::view::{Server, View};
use crate::Now;
use crate::exchange::Exchange;
use crate::graph::{Graph, Told};
use crate::pages::{Form, escape};
use crate::serve::{Service, Via};

const OFFICE: &str = include_str!("office.js");
const SCRIPT: &str = include_str!("shell.js");
const STYLE: &str = include_str!("shell.css");
const SIGN: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 20 20\"><rect width=\"20\" height=\"20\" rx=\"4\" fill=\"#0f5ea8\"/><path d=\"M3.5 6h13v8.5h-13zM4 6.5l6 5 6-5\" fill=\"none\" stroke=\"#fff\" stroke-width=\"1.4\"/></svg>";

struct Inner {
    graph: Graph,
    exchange: Exchange,
    now: Now,
    /// Where the pane is, for browsers that were not told.
    pane: Option<Url>,
    /// How many items were begun that were never saved.
    fresh: AtomicU64,
    /// Office's roaming settings, by mailbox.
    roaming: Mutex<Map<String, Value>>,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Preview(Arc<Inner>);

/// What a request is answered.
enum Answer {
    /// A page, or its changing part.
    Part(Box<Part>),
    /// See other.
    Go(String),
    Json(Value),
    Text(&'static str, String),
}

impl Preview {
    /// `pane` is where Tandem is shown from, unless a browser is told something else.
    pub(crate) fn new(graph: Graph, exchange: Exchange, now: Now, pane: Option<&str>) -> Self {
        Self(Arc::new(Inner {
            graph,
            exchange,
            now,
            pane: pane.and_then(view::pane),
            fresh: AtomicU64::new(0),
            roaming: Mutex::default(),
        }))
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    fn people(&self) -> Vec<Somebody> {
        let store = self.0.exchange.store();
        store
            .mailboxes
            .iter()
            .filter(|mailbox| !mailbox.logon_only && !mailbox.disabled)
            .map(|mailbox| Somebody {
                name: mailbox.me.name.clone(),
                address: mailbox.me.address.clone(),
            })
            .collect()
    }

    /// As this browser has it; who is unknown here is the first of the company.
    fn view(&self, headers: &HeaderMap, people: &[Somebody]) -> View {
        let first = people.first().map_or("", |one| &one.address);
        let mut view = View::new(first, self.0.pane.clone()).of_cookies(headers);
        let known = |address: &str| people.iter().any(|one| one.address == address);
        if !known(&view.user) {
            first.clone_into(&mut view.user);
        }
        if !known(&view.owner) {
            view.owner.clone_from(&view.user);
        }
        view
    }

    fn outlook(&self, view: &View) -> Result<Outlook<'_>, Told> {
        let at = self.0.exchange.store().find(&view.owner, "");
        Ok(Outlook {
            graph: &self.0.graph,
            exchange: &self.0.exchange,
            at: at.ok_or_else(|| Told::new(404, "there is no such mailbox"))?,
        })
    }

    fn answer(&self, parts: &Parts, body: &[u8], view: &View, people: &[Somebody]) -> Result<Answer, Told> {
        let path: Vec<String> = parts
            .uri
            .path()
            .split('/')
            .filter(|s| !s.is_empty())
            .map(|s| {
                percent_encoding::percent_decode_str(s)
                    .decode_utf8_lossy()
                    .into_owned()
            })
            .collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        if parts.method == Method::POST {
            return self.act(parts, &path, body, view);
        }
        if parts.method != Method::GET {
            return Err(Told::new(405, "GET and POST only"));
        }
        match path.as_slice() {
            ["office.js"] => return Ok(Answer::Text("text/javascript; charset=utf-8", OFFICE.to_owned())),
            ["shell.js"] => return Ok(Answer::Text("text/javascript; charset=utf-8", SCRIPT.to_owned())),
            ["shell.css"] => return Ok(Answer::Text("text/css; charset=utf-8", style())),
            ["icon.svg"] => return Ok(Answer::Text("image/svg+xml", SIGN.to_owned())),
            _ => {}
        }
        let outlook = self.outlook(view)?;
        let now = (self.0.now)();
        let name = people
            .iter()
            .find(|one| one.address == view.owner)
            .map_or("", |one| &one.name);
        let part = match path.as_slice() {
            [] => return Ok(Answer::Go("/mail/inbox".to_owned())),
            ["pulse"] => return Ok(Answer::Json(json!({ "seq": outlook.pulse() }))),
            ["mail", folder] => mail::page(view, &outlook, folder, None, now)?,
            ["mail", "drafts", id] => return Ok(Answer::Go(format!("/new/mail?draft={id}"))),
            ["mail", folder, id] => mail::page(view, &outlook, folder, Some(id), now)?,
            ["calendar"] => calendar::page(view, &outlook, None, None, now)?,
            ["calendar", day] => calendar::page(view, &outlook, Some(date(day)?), None, now)?,
            ["calendar", day, id] => calendar::page(view, &outlook, Some(date(day)?), Some(id), now)?,
            ["new", "mail"] => compose::mail_page(view, &outlook, &query, &self.fresh(), name)?,
            ["new", "event"] => compose::event_page(view, &outlook, &query, &self.fresh(), name, now),
            ["open", "appointment", id] => return self.where_is(&outlook, &rest_id(id)),
            ["open", "message", id] => return Ok(Answer::Go(format!("/mail/inbox/{}", rest_id(id)))),
            _ => return Err(Told::new(404, "there is no such page")),
        };
        Ok(Answer::Part(Box::new(part)))
    }

    fn where_is(&self, outlook: &Outlook<'_>, id: &str) -> Result<Answer, Told> {
        let event = outlook.event(id)?;
        let start = event["start"]["dateTime"].as_str().and_then(outlook::micros);
        let day = outlook
            .zone()
            .wall(start.unwrap_or_else(|| (self.0.now)()))
            .date();
        Ok(Answer::Go(format!("/calendar/{day}/{id}")))
    }

    /// A name for something that is written and was never saved.
    fn fresh(&self) -> String {
        format!("new-{}", self.0.fresh.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn act(&self, parts: &Parts, path: &[&str], body: &[u8], view: &View) -> Result<Answer, Told> {
        // A page of another site may not act here.
        let origin = parts.headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        if let Some(origin) = origin
            && origin.split_once("://").map(|(_, rest)| rest) != host
        {
            return Err(Told::new(403, "this page is of another origin"));
        }
        let outlook = self.outlook(view)?;
        if path == ["rpc"] {
            let asked: Value =
                serde_json::from_slice(body).map_err(|error| Told::new(400, error.to_string()))?;
            return self.rpc(&outlook, view, &asked).map(Answer::Json);
        }
        let form = Form::parse(body);
        let get = |name: &str| form.get(name).unwrap_or_default();
        let back = match (get("folder"), get("day")) {
            ("", "") => "/mail/inbox".to_owned(),
            ("", day) => format!("/calendar/{day}"),
            (folder, _) => format!("/mail/{folder}"),
        };
        let kind = if get("kind") == "events" {
            "events"
        } else {
            "messages"
        };
        let to = match path {
            ["do", "delete"] => {
                outlook.delete(kind, get("id"))?;
                back
            }
            ["do", "unread"] => {
                outlook.read(get("id"), false)?;
                back
            }
            ["do", "move"] => {
                let id = outlook.shift(get("id"), get("to"))?;
                format!("/mail/{}/{id}", get("to"))
            }
            ["do", "categories"] => {
                let chosen: Vec<String> = form
                    .pairs()
                    .filter(|(name, _)| *name == "category")
                    .map(|(_, value)| value.to_owned())
                    .collect();
                outlook.set_categories(kind, get("id"), &chosen)?;
                Self::same_page(parts, back)
            }
            ["do", "respond"] => {
                outlook.respond(get("event"), get("answer"))?;
                if get("answer") == "decline" {
                    "/calendar".to_owned()
                } else {
                    match self.where_is(&outlook, get("event"))? {
                        Answer::Go(to) => to,
                        _ => back,
                    }
                }
            }
            ["send"] => match get("do") {
                "discard" => {
                    if !get("id").is_empty() {
                        outlook.delete("messages", get("id"))?;
                    }
                    "/mail/inbox".to_owned()
                }
                "save" => {
                    let id = outlook.save(&compose::letter(&form))?;
                    format!("/new/mail?draft={id}")
                }
                _ => {
                    outlook.send(&compose::letter(&form))?;
                    "/mail/sentitems".to_owned()
                }
            },
            ["meet"] => {
                let id = outlook.meet(&compose::meeting(&form, false))?;
                match self.where_is(&outlook, &id)? {
                    Answer::Go(to) => to,
                    _ => back,
                }
            }
            _ => return Err(Told::new(404, "there is no such deed")),
        };
        Ok(Answer::Go(to))
    }

    /// Where the form stood, as the browser says it.
    fn same_page(parts: &Parts, otherwise: String) -> String {
        let referer = parts.headers.get(header::REFERER).and_then(|r| r.to_str().ok());
        referer
            .and_then(|text| Url::parse(text).ok())
            .map(|url| url.path().to_owned())
            .filter(|path| is_local(path))
            .unwrap_or(otherwise)
    }

    /// What Office.js asks for beyond what it knows. `{"value": …}` or `{"error": {code, name, message}}`.
    fn rpc(&self, outlook: &Outlook<'_>, view: &View, asked: &Value) -> Result<Value, Told> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = if asked["kind"] == "events" {
            "events"
        } else {
            "messages"
        };
        let id = rest_id(&text(&asked["item"]));
        let given = &asked["given"];
        let names: Vec<String> = given[0]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| {
                one.as_str()
                    .map_or_else(|| text(&one["displayName"]), str::to_owned)
            })
            .collect();
        let colours = outlook.master_categories();
        let details = |own: &[String]| -> Value {
            own.iter()
                .map(|name| {
                    let colour = colours.iter().find(|(known, _)| known == name);
                    json!({ "displayName": name, "color": colour.map_or("None", |(_, c)| c) })
                })
                .collect()
        };
        let outcome = match asked["name"].as_str().unwrap_or_default() {
            "categories.get" => outlook.categories(kind, &id).map(|own| details(&own)),
            "categories.add" => {
                if let Some(unknown) = names.iter().find(|n| !colours.iter().any(|(c, _)| c == *n)) {
                    return Ok(refusal(
                        9050,
                        "InvalidCategory",
                        &format!("'{unknown}' is not in the master list."),
                    ));
                }
                let mut own = outlook.categories(kind, &id)?;
                for name in names {
                    if !own.contains(&name) {
                        own.push(name);
                    }
                }
                outlook.set_categories(kind, &id, &own).map(|()| Value::Null)
            }
            "categories.remove" => {
                let mut own = outlook.categories(kind, &id)?;
                own.retain(|one| !names.contains(one));
                outlook.set_categories(kind, &id, &own).map(|()| Value::Null)
            }
            "masterCategories.get" => {
                let all: Vec<String> = colours.iter().map(|(name, _)| name.clone()).collect();
                Ok(details(&all))
            }
            "masterCategories.add" => {
                for one in given[0].as_array().into_iter().flatten() {
                    let name = text(&one["displayName"]);
                    if colours.iter().any(|(known, _)| *known == name) {
                        return Ok(refusal(
                            9046,
                            "DuplicateCategory",
                            "A category of that name is there already.",
                        ));
                    }
                    let colour = text(&one["color"]);
                    outlook.add_category(&name, if colour.is_empty() { "none" } else { &colour })?;
                }
                Ok(Value::Null)
            }
            "body.get" => {
                let item = if kind == "events" {
                    outlook.event(&id)
                } else {
                    outlook.message(&id)
                };
                item.map(|item| {
                    let plain = text(&item["body"]["content"]);
                    if given[0] == "html" {
                        json!(format!(
                            "<html><body>{}</body></html>",
                            escape(&plain).replace('\n', "<br>")
                        ))
                    } else {
                        json!(plain)
                    }
                })
            }
            "attachment" => outlook
                .attachment(kind, &id, &rest_id(&text(&given[0])))
                .map(|file| json!({ "content": file["contentBytes"], "format": "base64" })),
            "roaming.save" => {
                let mut all = self.0.roaming.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(view.user.clone(), given[0].clone());
                Ok(Value::Null)
            }
            // A draft, saved on behalf of the add-in: nobody is invited yet.
            "save" => {
                let form = Form::parse(text(&asked["form"]).as_bytes());
                if kind == "events" {
                    let quiet = form.get("id").is_none_or(str::is_empty);
                    outlook.meet(&compose::meeting(&form, quiet)).and_then(|id| {
                        let event = outlook.event(&id)?;
                        Ok(json!({ "id": id, "item": item::event(view, &event) }))
                    })
                } else {
                    outlook.save(&compose::letter(&form)).and_then(|id| {
                        let draft = outlook.message(&id)?;
                        Ok(json!({ "id": id, "item": item::message(view, &draft) }))
                    })
                }
            }
            other => {
                return Ok(refusal(
                    9020,
                    "NotSupported",
                    &format!("the preview has no {other}"),
                ));
            }
        };
        Ok(match outcome {
            Ok(value) => json!({ "value": value }),
            Err(told) => refusal(9020, "GenericResponseError", &told.text),
        })
    }

    /// What an add-in is told of its host.
    fn setup(&self, view: &View, people: &[Somebody], via: Option<&Via>) -> Value {
        let origins = via.map(|via| via.origins.as_ref().clone()).unwrap_or_default();
        let name = people
            .iter()
            .find(|one| one.address == view.user)
            .map_or("", |one| &one.name);
        let zone = self
            .outlook(view)
            .map(|outlook| outlook.zone().id)
            .unwrap_or_default();
        let roaming = self.0.roaming.lock().unwrap_or_else(PoisonError::into_inner);
        // <https://learn.microsoft.com/javascript/api/office/office.officetheme>
        let themes = json!({
            "dark": { "bodyBackgroundColor": "#1f1f1f", "bodyForegroundColor": "#ffffff",
                "controlBackgroundColor": "#292929", "controlForegroundColor": "#ffffff" },
            "light": { "bodyBackgroundColor": "#ffffff", "bodyForegroundColor": "#242424",
                "controlBackgroundColor": "#f5f5f5", "controlForegroundColor": "#242424" },
        });
        let theme = &themes[if view.dark { "dark" } else { "light" }];
        json!({
            "user": { "name": name, "address": view.user }, "accountType": view.server.account_type(),
            "mailboxSet": view.server.mailbox_set(), "language": view.lang.tag(), "theme": theme, "themes": themes, "zone": zone,
            "popupsBlocked": view.blocked, "roaming": roaming.get(&view.user),
            "ewsUrl": format!("{}/EWS/Exchange.asmx", origins.exchange_https),
            "restUrl": match view.server {
                Server::Office365 => format!("{}/api", origins.graph_https),
                Server::Exchange => String::new(),
            },
        })
    }

    /// The answer with all its headers.
    fn finish(
        &self,
        parts: &Parts,
        view: &View,
        people: &[Somebody],
        answer: Result<Answer, Told>,
    ) -> Response {
        let via = parts.extensions.get::<Via>();
        let partly = parts.headers.contains_key("preview-part");
        let (status, media, text) = match answer {
            Ok(Answer::Go(to)) => return redirect(&to, &[]),
            Ok(Answer::Json(value)) => (200, "application/json", value.to_string()),
            Ok(Answer::Text(media, text)) => (200, media, text),
            Ok(Answer::Part(part)) if partly => (200, "text/html; charset=utf-8", draw::inner(&part)),
            Ok(Answer::Part(part)) => (
                200,
                "text/html; charset=utf-8",
                self.page(view, people, via, &part),
            ),
            Err(told) => {
                let part = refused(view, &told);
                let text = if partly {
                    draw::inner(&part)
                } else {
                    self.page(view, people, via, &part)
                };
                (told.status, "text/html; charset=utf-8", text)
            }
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        let frames = view
            .pane
            .as_ref()
            .map_or_else(|| "'none'".to_owned(), |pane| pane.origin().ascii_serialization());
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             frame-src {frames}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        for (name, value) in [
            (header::CONTENT_TYPE, media),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, &policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn page(&self, view: &View, people: &[Somebody], via: Option<&Via>, part: &Part) -> String {
        let salesforce = via.map_or("", |via| match via.scheme {
            "https" => via.origins.salesforce_https.as_str(),
            _ => via.origins.salesforce_http.as_str(),
        });
        let records = format!("{salesforce}/lightning/o/Contact/list");
        draw::document(view, people, &records, &self.setup(view, people, via), part)
    }
}

/// A path of this origin, however a browser reads it.
fn is_local(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains('\\')
}

fn refusal(code: u32, name: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "name": name, "message": message } })
}

fn date(text: &str) -> Result<jiff::civil::Date, Told> {
    text.parse()
        .map_err(|_| Told::new(404, format!("{text} is no day")))
}

/// What could not be done, and the way back.
fn refused(view: &View, told: &Told) -> Part {
    let title = view.lang.say("That did not work", "Das hat nicht geklappt");
    Part {
        title: title.to_owned(),
        main: format!(
            "<div class=\"reading empty\" role=\"alert\"><h1>{title}</h1><p>{}</p><p><a class=\"button\" href=\"/mail/inbox\">{}</a></p></div>",
            escape(&told.text),
            view.lang.say("To the inbox", "Zum Posteingang")
        ),
        item: Value::Null,
        app: "mail",
    }
}

/// The style, with a rule for each slot of a day: a page may not bring styles of its own.
fn style() -> String {
    let mut out = STYLE.to_owned();
    for slot in 0..=calendar::SLOTS {
        let _ = write!(
            out,
            "\n.from-{slot}{{grid-row-start:{row}}}.to-{slot}{{grid-row-end:{row}}}",
            row = slot + 1
        );
    }
    for lane in 0..calendar::LANES {
        let _ = write!(
            out,
            "\n.lane-{lane}{{grid-column:{n}}}.lanes-{n}{{grid-template-columns:repeat({n},1fr)}}",
            n = lane + 1
        );
    }
    out
}

fn redirect(to: &str, cookies: &[String]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

async fn serve(State(preview): State<Preview>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The layer in front has limited its size.
    let body: Bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    // In `localhost` the pane would be of the same site.
    if let Some(host) = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok())
        && let Some(port) = host.strip_prefix("localhost:")
        && parts.method == Method::GET
        && parts.uri.path() != "/office.js"
        && let Some(via) = parts.extensions.get::<Via>()
    {
        let rest = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        return redirect(&format!("{}://127.0.0.1:{port}{rest}", via.scheme), &[]);
    }
    let people = preview.people();
    let mut view = preview.view(&parts.headers, &people);
    let choosing = match (parts.method.as_str(), parts.uri.path()) {
        ("GET", "/") => Form::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        ("POST", "/view") => Form::parse(&body),
        _ => Form::default(),
    };
    if view.take(&choosing) {
        let to = choosing.get("to").filter(|to| is_local(to));
        return redirect(to.unwrap_or("/mail/inbox"), &view.cookies());
    }
    let answer = preview.answer(&parts, &body, &view, &people);
    preview.finish(&parts, &view, &people, answer)
}

impl Service for Preview {
    fn service(&self, _: &Parts) -> &'static str {
        "preview"
    }

    fn operation(&self, parts: &Parts, _: &[u8]) -> String {
        format!("{} {}", parts.method, parts.uri.path())
    }

    fn user(&self, _: &Parts, _: &[u8]) -> Option<String> {
        None
    }

    fn counters(&self) -> Value {
        json!({})
    }

    fn reset_counters(&self) {}
}
