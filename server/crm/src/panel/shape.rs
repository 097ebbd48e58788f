//! What of a record its card shows, as far as the user may see it.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use serde_json::Value;
use tandem_sync::FaultKind;
use tandem_types::{OrgId, Timestamp, UserId};

use crate::answer::SubRequest;
use crate::client::Effect;
use crate::problem::Failure;
use crate::salesforce::Salesforce;

/// What stands on the card of an object.
pub(super) struct Card {
    pub(super) object: &'static str,
    /// Of its ids.
    pub(super) prefix: &'static str,
    /// The first that is filled in.
    pub(super) names: &'static [&'static str],
    pub(super) line: &'static [&'static str],
    /// The first four that the user may see.
    pub(super) fields: &'static [&'static str],
}

pub(super) const CONTACT: Card = Card {
    object: "Contact",
    prefix: "003",
    names: &["Name"],
    line: &["Title", "Account.Name"],
    fields: &["Title", "Phone", "MobilePhone", "Email"],
};
pub(super) const LEAD: Card = Card {
    object: "Lead",
    prefix: "00Q",
    names: &["Name"],
    line: &["Title", "Company"],
    fields: &["Title", "Phone", "Email", "Status"],
};
pub(super) const ACCOUNT: Card = Card {
    object: "Account",
    prefix: "001",
    names: &["Name"],
    line: &["Type", "Industry"],
    fields: &["Phone", "Website", "Industry", "Type"],
};
pub(super) const OPPORTUNITY: Card = Card {
    object: "Opportunity",
    prefix: "006",
    names: &["Name"],
    line: &["StageName", "Account.Name"],
    fields: &["StageName", "Amount", "CloseDate", "NextStep"],
};
pub(super) const CASE: Card = Card {
    object: "Case",
    prefix: "500",
    names: &["Subject", "CaseNumber"],
    line: &["CaseNumber", "Status"],
    fields: &["Status", "Priority", "Origin", "CaseNumber"],
};
pub(super) const CARDS: [Card; 5] = [CONTACT, LEAD, ACCOUNT, OPPORTUNITY, CASE];

/// What `describe` says of one field.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) label: String,
    pub(super) kind: String,
    /// In characters; 0: no limit.
    pub(super) length: usize,
    pub(super) create: bool,
    pub(super) update: bool,
}

impl Shown {
    /// It can be changed in a line of text.
    pub(super) fn is_editable(&self) -> bool {
        self.update
            && matches!(
                self.kind.as_str(),
                "string"
                    | "phone"
                    | "email"
                    | "url"
                    | "textarea"
                    | "picklist"
                    | "double"
                    | "currency"
                    | "percent"
                    | "int"
                    | "date"
            )
    }
}

/// What `describe` says of one object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(super) create: bool,
    pub(super) update: bool,
    fields: HashMap<String, Shown>,
}

impl Shape {
    fn parse(body: &Value) -> Option<Self> {
        let is = |value: &Value, name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |value: &Value, name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let fields = body.get("fields")?.as_array()?.iter().map(|field| {
            let shown = Shown {
                label: text(field, "label"),
                kind: text(field, "type"),
                length: field
                    .get("length")
                    .and_then(Value::as_u64)
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(0),
                create: is(field, "createable"),
                update: is(field, "updateable"),
            };
            (text(field, "name"), shown)
        });
        Some(Self {
            create: is(body, "createable"),
            update: is(body, "updateable"),
            fields: fields.collect(),
        })
    }

    pub(super) fn field(&self, api: &str) -> Option<&Shown> {
        self.fields.get(api)
    }
}

/// The objects that have cards, as one user sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shapes {
    pub(crate) read: Timestamp,
    objects: HashMap<&'static str, Shape>,
}

impl Shapes {
    /// `None`: the user may not see such records.
    pub(super) fn of(&self, object: &str) -> Option<&Shape> {
        self.objects.get(object)
    }

    /// The fields of a card's `SELECT`; `None`: the user may not see the object.
    pub(super) fn select(&self, card: &Card) -> Option<String> {
        let shape = self.of(card.object)?;
        let mut select = vec!["Id"];
        let wanted = card.names.iter().chain(card.line).chain(card.fields);
        for path in wanted.copied().chain(["AccountId", "ContactId", "OwnerId"]) {
            let seen = match path.split_once('.') {
                Some(("Account", field)) => {
                    shape.field("AccountId").is_some()
                        && self
                            .of("Account")
                            .is_some_and(|account| account.field(field).is_some())
                }
                Some(_) => false,
                None => shape.field(path).is_some(),
            };
            if seen && !select.contains(&path) {
                select.push(path);
            }
        }
        Some(select.join(","))
    }
}

impl Salesforce {
    /// From the cache where it is young enough; else one request for all of it.
    pub(super) async fn shapes(&self) -> Result<Arc<Shapes>, Failure> {
        let (org, user): (&OrgId, &UserId) = (&self.account.org, &self.account.user);
        let now = self.clock.now();
        if let Some(known) = self.cache.shapes(org, user, now) {
            return Ok(known);
        }
        let base = self.base().await?;
        let requests: Vec<SubRequest> = CARDS
            .iter()
            .map(|card| {
                let path = format!("sobjects/{}/describe", card.object);
                SubRequest::new(format!("describe{}", card.object), Method::GET, path, None)
            })
            .collect();
        let (answers, _) = self.rest.composite(&base, &requests, Effect::None).await?;
        let mut shapes = Shapes {
            read: now,
            ..Shapes::default()
        };
        for (card, answer) in CARDS.iter().zip(answers) {
            if !answer.is_ok() {
                let failure = answer.failure();
                if matches!(failure.fault.kind, FaultKind::NotFound) || failure.is_about_fields() {
                    continue;
                }
                return Err(failure);
            }
            let shape = Shape::parse(&answer.body).ok_or_else(|| Failure::malformed("not a description"))?;
            shapes.objects.insert(card.object, shape);
        }
        Ok(self.cache.put_shapes(org, user, shapes))
    }
}
