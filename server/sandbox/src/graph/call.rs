//! One request as the handlers see it, and what they share: ids, links, `$select`, pages.

use axum::body::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::State;
use super::answer::{Answer, Outcome, Refused};
use super::control::Knobs;
use super::query::{Filter, Query, Wanted};
use crate::exchange::content::{Class, Content, Ctx};
use crate::exchange::store::{Item, Mailbox, Store};
use crate::exchange::zones::Zone;
use crate::faults::{Faults, Kind};

/// How a client wants answers to look.
#[derive(Debug, Clone)]
pub(super) struct Prefer {
    pub(super) immutable: bool,
    pub(super) page: Option<usize>,
    pub(super) zone: Zone,
    pub(super) text_bodies: bool,
}

impl Prefer {
    /// Reads all `Prefer` headers. <https://learn.microsoft.com/graph/api/resources/event>
    pub(super) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Result<Self, Refused> {
        let mut prefer = Self {
            immutable: false,
            page: None,
            zone: Zone::utc(),
            text_bodies: false,
        };
        for part in headers.flat_map(|h| h.split([',', ';'])) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "idtype" => prefer.immutable = value.eq_ignore_ascii_case("ImmutableId"),
                "odata.maxpagesize" => {
                    prefer.page = Some(value.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                        Refused::invalid(format!("odata.maxpagesize={value} is no size of a page."))
                    })?);
                }
                "outlook.timezone" => prefer.zone = zone_named(value)?,
                "outlook.body-content-type" => prefer.text_bodies = value.eq_ignore_ascii_case("text"),
                // A preference that a server does not know has no effect, says RFC 7240.
                _ => {}
            }
        }
        Ok(prefer)
    }
}

/// The zone of a Windows or IANA name.
pub(super) fn zone_named(name: &str) -> Result<Zone, Refused> {
    Zone::named(name).ok_or_else(|| {
        Refused::new(
            400,
            "TimeZoneNotSupportedException",
            format!("A valid TimeZone value must be specified. The following TimeZone value is not supported: '{name}'."),
        )
    })
}

/// One request, alone or out of a batch.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Decoded, without the version and without whose mailbox it is.
    pub(super) path: Vec<String>,
    /// `https://localhost:1234/v1.0/me` or `…/users/{address}`.
    pub(super) base: String,
    /// `https://localhost:1234`.
    pub(super) origin: String,
    pub(super) query: Query,
    pub(super) prefer: Prefer,
    pub(super) if_match: Option<String>,
    pub(super) content_type: String,
    pub(super) range: Option<String>,
    pub(super) body: Bytes,
    /// What the log calls it: `GET mailFolders/{id}/messages`.
    pub(super) operation: String,
}

impl Request {
    /// The body as a JSON object.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Refused> {
        let bad = |text: String| Refused::new(400, "BadRequest", text);
        if !self
            .content_type
            .to_ascii_lowercase()
            .starts_with("application/json")
        {
            return Err(bad(format!(
                "Write requests (excluding DELETE) must contain the Content-Type header declaration: '{}'.",
                self.content_type
            )));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => Ok(map.into_iter().filter(|(n, _)| !n.contains('@')).collect()),
            Ok(_) => Err(bad("Empty Payload. JSON content expected.".to_owned())),
            Err(error) => Err(bad(format!("Unable to read JSON request payload: {error}"))),
        }
    }

    /// As [`Self::object`]; nothing is an empty object.
    pub(super) fn object_or_nothing(&self) -> Result<Map<String, Value>, Refused> {
        if self.body.is_empty() {
            Ok(Map::new())
        } else {
            self.object()
        }
    }
}

/// A request with all that it works on.
pub(super) struct Call<'a> {
    pub(super) store: &'a mut Store,
    pub(super) state: &'a mut State,
    pub(super) knobs: &'a Knobs,
    pub(super) faults: &'a Faults,
    /// Whose mailbox.
    pub(super) me: usize,
    /// Microseconds since 1970.
    pub(super) now: i64,
    /// The number of the HTTP request in the log.
    pub(super) n: u64,
    pub(super) request: &'a Request,
}

/// An item, or an occurrence of a series by its original start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    pub(super) number: u64,
    pub(super) original: Option<i64>,
}

impl Target {
    pub(super) fn item(number: u64) -> Self {
        Self {
            number,
            original: None,
        }
    }
}

/// What the third number of an immutable id says.
const ITEM: u64 = 0;
const OCCURRENCE: u64 = 1;
const ATTACHMENT: u64 = 2;
const IMMUTABLE: &str = "AAkALgAA";

/// An id of EWS as REST writes it. <https://learn.microsoft.com/office/dev/add-ins/outlook/use-rest-api>
fn rest(id: &str) -> String {
    id.replace('/', "-").replace('+', "_")
}

pub(super) fn ews(id: &str) -> String {
    id.replace('-', "/").replace('_', "+")
}

impl Call<'_> {
    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.store.mailboxes[self.me]
    }

    pub(super) fn mailbox_mut(&mut self) -> &mut Mailbox {
        &mut self.store.mailboxes[self.me]
    }

    pub(super) fn query(&self) -> &Query {
        &self.request.query
    }

    /// A fault of that kind, if a rule says so now.
    pub(super) fn take(&self, wanted: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let user = &self.mailbox().user.address;
        self.faults
            .take("graph", &self.request.operation, Some(user), wanted)
    }

    /// What the store's own rules need to know.
    pub(super) fn ctx<'z>(&self, zone: &'z Zone) -> Ctx<'z> {
        Ctx { now: self.now, zone }
    }

    pub(super) fn item(&self, number: u64) -> Result<&Item, Refused> {
        self.mailbox().items.get(&number).ok_or_else(Refused::not_found)
    }

    fn sealed(&self, numbers: [u64; 3]) -> String {
        let mailbox = self.mailbox();
        rest(&mailbox.ids.sealed(IMMUTABLE, "immutable", mailbox.index, numbers))
    }

    /// The id that stays, wherever the item is moved to.
    pub(super) fn immutable(&self, target: Target) -> String {
        match target.original {
            None => self.sealed([target.number, 0, ITEM]),
            Some(original) => self.sealed([target.number, original.cast_unsigned(), OCCURRENCE]),
        }
    }

    /// The id that the client wants to see.
    pub(super) fn id(&self, target: Target) -> String {
        let mailbox = self.mailbox();
        let Target { number, original } = target;
        if self.request.prefer.immutable {
            return self.immutable(target);
        }
        let (moves, seq) = mailbox.items.get(&number).map_or((0, 0), |i| (i.moves, i.seq));
        match original {
            None => rest(&mailbox.item_id(number, moves)),
            Some(original) => rest(&mailbox.occurrence_id(number, moves, seq, original).0),
        }
    }

    /// The id that an item had after so many moves.
    pub(super) fn old_id(&self, target: Target, moves: u64) -> String {
        if self.request.prefer.immutable || target.original.is_some() {
            return self.id(target);
        }
        rest(&self.mailbox().item_id(target.number, moves))
    }

    pub(super) fn attachment_id(&self, number: u64, attachment: u64) -> String {
        if self.request.prefer.immutable {
            return self.sealed([number, attachment, ATTACHMENT]);
        }
        let moves = self.mailbox().items.get(&number).map_or(0, |i| i.moves);
        rest(&self.mailbox().attachment_id(number, moves, attachment))
    }

    pub(super) fn folder_id(&self, number: u64) -> String {
        rest(&self.mailbox().folder_id(number))
    }

    pub(super) fn change_key(&self, target: Target) -> String {
        let mailbox = self.mailbox();
        let Some(item) = mailbox.items.get(&target.number) else {
            return String::new();
        };
        match target.original {
            None => mailbox.change_key(target.number, item.seq),
            Some(original) => {
                mailbox
                    .occurrence_id(target.number, item.moves, item.seq, original)
                    .1
            }
        }
    }

    /// Finds an item of that kind, or an occurrence, by either sort of id.
    pub(super) fn resolve(&self, id: &str, class: Class) -> Result<Target, Refused> {
        if let Some(Kind::ItemError { code }) = self.take(|k| matches!(k, Kind::ItemError { .. })) {
            return Err(Refused::from(crate::exchange::Fail::told(&code)));
        }
        // An id as EWS writes it is none of REST.
        if id.contains(['/', '+']) {
            return Err(Refused::malformed_id());
        }
        let mailbox = self.mailbox();
        let plain = ews(id);
        let unsealed = mailbox
            .ids
            .unsealed(IMMUTABLE, "immutable", mailbox.index, &plain);
        let found = match unsealed {
            Some([number, _, ITEM]) => Some(Target::item(number)),
            Some([number, original, OCCURRENCE]) => Some(Target {
                number,
                original: Some(original.cast_signed()),
            }),
            Some(_) => None,
            None => mailbox.item_of(&plain).map(Target::item).or_else(|| {
                mailbox.occurrence_of(&plain).map(|(number, o)| Target {
                    number,
                    original: Some(o),
                })
            }),
        };
        let Some(target) = found else {
            let foreign = self.store.mailboxes.iter().any(|m| {
                m.item_of(&plain).is_some()
                    || m.ids.unsealed(IMMUTABLE, "immutable", m.index, &plain).is_some()
            });
            // 32 bytes are less than any id has.
            return Err(
                if foreign || plain.len() >= 44 && crate::exchange::props::base64(&plain).is_some() {
                    Refused::not_found()
                } else {
                    Refused::malformed_id()
                },
            );
        };
        let item = self.item(target.number)?;
        if item.content.class != class || self.is_out_of_reach(item) {
            return Err(Refused::not_found());
        }
        if let Some(original) = target.original {
            let content = &item.content;
            let gone = content.recurrence.is_none()
                || matches!(content.exceptions.get(&original), Some(None))
                || !(content.exceptions.contains_key(&original) || content.is_original(original));
            if gone {
                return Err(Refused::not_found());
            }
        }
        Ok(target)
    }

    /// Nobody finds what is in the dumpster; events and tasks are only found where calendars and lists are.
    fn is_out_of_reach(&self, item: &Item) -> bool {
        let mailbox = self.mailbox();
        let below = |name: &str| {
            mailbox
                .distinguished(name)
                .is_some_and(|f| item.folder == f || mailbox.is_below(item.folder, f))
        };
        below("recoverableitemsroot")
            || (matches!(item.content.class, Class::Event | Class::Task) && below("deleteditems"))
    }

    /// The attachment of that id in an item.
    pub(super) fn resolve_attachment(&self, number: u64, id: &str) -> Result<u64, Refused> {
        let mailbox = self.mailbox();
        let plain = ews(id);
        let found = match mailbox
            .ids
            .unsealed(IMMUTABLE, "immutable", mailbox.index, &plain)
        {
            Some([item, attachment, ATTACHMENT]) => Some((item, attachment)),
            Some(_) => None,
            None => mailbox.attachment_of(&plain),
        };
        let there = |attachment: u64| {
            mailbox
                .items
                .get(&number)
                .is_some_and(|i| i.content.attachments.iter().any(|a| a.number == attachment))
        };
        match found {
            Some((item, attachment)) if item == number && there(attachment) => Ok(attachment),
            _ => Err(Refused::not_found()),
        }
    }

    /// The folder of that id.
    pub(super) fn folder_of(&self, id: &str) -> Option<u64> {
        self.mailbox().folder_of(&ews(id))
    }

    /// The item itself, or the occurrence of the series; and whether the latter differs.
    pub(super) fn content(&self, target: Target) -> Result<(Content, bool), Refused> {
        let item = self.item(target.number)?;
        match target.original {
            None => Ok((item.content.clone(), false)),
            Some(original) => item.content.occurrence(original).ok_or_else(Refused::not_found),
        }
    }

    /// Checks `If-Match`, and `changeKey` in a body.
    pub(super) fn check_version(
        &self,
        target: Target,
        body: Option<&Map<String, Value>>,
    ) -> Result<(), Refused> {
        let current = self.change_key(target);
        if let Some(wanted) = &self.request.if_match {
            let plain = wanted.trim().trim_start_matches("W/").trim_matches('"');
            if plain != "*" && plain != current {
                return Err(Refused::conflict(412));
            }
        }
        if let Some(key) = body.and_then(|b| b.get("changeKey")).and_then(Value::as_str)
            && key != current
        {
            return Err(Refused::conflict(409));
        }
        if self.take(|k| *k == Kind::StaleVersion).is_some() {
            return Err(Refused::conflict(412));
        }
        Ok(())
    }

    /// Refuses a new item where the mailbox is full.
    pub(super) fn check_quota(&self) -> Result<(), Refused> {
        let mailbox = self.mailbox();
        match mailbox.quota {
            Some(limit) if mailbox.items.len() >= limit => Err(Refused::new(
                507,
                "ErrorQuotaExceeded",
                "The mailbox has exceeded its storage quota.",
            )),
            _ => Ok(()),
        }
    }

    /// The extended properties that this request must read of each item.
    pub(super) fn wanted_properties(&self) -> Result<Vec<Wanted>, Refused> {
        let mut all = self.query().properties.clone();
        if let Some(filter) = &self.query().filter {
            filter.properties(&mut all)?;
        }
        Ok(all)
    }

    /// The properties that `$select` leaves, and those that are always there.
    pub(super) fn pruned(&self, object: Value) -> Value {
        let query = self.query();
        let Value::Object(mut map) = object else {
            return object;
        };
        if query.properties.is_empty() {
            map.remove("singleValueExtendedProperties");
        }
        if !query.select.is_empty() {
            map.retain(|name, _| {
                name == "id"
                    || name.starts_with('@')
                    || query.select.iter().any(|s| s.eq_ignore_ascii_case(name))
                    || (name == "singleValueExtendedProperties" && !query.properties.is_empty())
                    || query.expand.iter().any(|e| e.eq_ignore_ascii_case(name))
            });
        }
        Value::Object(map)
    }

    /// One object as an answer; `context` is what follows `$metadata#users('…')/`.
    pub(super) fn entity(&self, status: u16, context: &str, object: Value) -> Answer {
        let mut map = Map::new();
        map.insert(
            "@odata.context".to_owned(),
            json!(self.context(&format!("{context}/$entity"))),
        );
        if let Value::Object(rest) = self.pruned(object) {
            map.extend(rest);
        }
        let answer = Answer::json(status, Value::Object(map));
        if self.request.prefer.immutable {
            return answer.with("preference-applied", "IdType=\"ImmutableId\"");
        }
        answer
    }

    pub(super) fn context(&self, what: &str) -> String {
        let address = &self.mailbox().user.address;
        format!(
            "{}/v1.0/$metadata#users('{}')/{what}",
            self.request.origin,
            address.replace('@', "%40")
        )
    }

    /// Filters, sorts and pages what a folder holds.
    pub(super) fn list(&self, context: &str, all: Vec<Value>, allowed: &[&str], page: usize) -> Outcome {
        let query = self.query();
        let mut all = all;
        if let Some(filter) = &query.filter {
            filter.check(allowed)?;
            self.check_sort(filter)?;
            all.retain(|one| filter.passes(one));
        }
        if self.take(|k| *k == Kind::Empty).is_some() {
            all.clear();
        }
        for (path, descending) in query.order.iter().rev() {
            if !allowed.iter().any(|a| a.eq_ignore_ascii_case(path)) {
                return Err(Refused::bad_query(format!("'{path}' cannot be sorted by here.")));
            }
            all.sort_by(|a, b| {
                let text = |v: &Value| {
                    super::query::at(v, path)
                        .map(ToString::to_string)
                        .unwrap_or_default()
                };
                let ordering = text(a).cmp(&text(b));
                if *descending { ordering.reverse() } else { ordering }
            });
        }
        let total = all.len();
        let size = query.top.or(self.request.prefer.page).unwrap_or(page).min(1000);
        let mut out = Map::new();
        out.insert("@odata.context".to_owned(), json!(self.context(context)));
        if query.count {
            out.insert("@odata.count".to_owned(), json!(total));
        }
        let value: Vec<Value> = all
            .into_iter()
            .skip(query.skip)
            .take(size)
            .map(|one| self.pruned(one))
            .collect();
        let next = query.skip + value.len();
        out.insert("value".to_owned(), Value::Array(value));
        if next < total {
            let link = format!("{}?{}", self.address(), query.link("$skip", &next.to_string()));
            out.insert("@odata.nextLink".to_owned(), json!(link));
        }
        Ok(Answer::json(200, Value::Object(out)))
    }

    /// <https://learn.microsoft.com/graph/api/user-list-messages#using-filter-and-orderby-in-the-same-query>
    fn check_sort(&self, filter: &Filter) -> Result<(), Refused> {
        let Some((first, _)) = self.query().order.first() else {
            return Ok(());
        };
        if filter
            .paths()
            .first()
            .is_some_and(|path| path.eq_ignore_ascii_case(first))
        {
            return Ok(());
        }
        Err(Refused::new(
            400,
            "InefficientFilter",
            "The restriction or sort order is too complex for this operation.",
        ))
    }

    /// The address of this request, without its query.
    pub(super) fn address(&self) -> String {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
        const KEPT: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'_')
            .remove(b'.')
            .remove(b'=')
            .remove(b'$');
        let mut out = self.request.base.clone();
        for segment in &self.request.path {
            out.push('/');
            out.extend(utf8_percent_encode(segment, KEPT));
        }
        out
    }
}
