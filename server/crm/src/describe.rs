//! What an organisation and a user of it have: objects, fields, lengths, picklists.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;
use tandem_sync::model::{Access, Field, FieldRule, Profile, Profiles};
use tandem_types::{ItemKind, OrgId, Timestamp, UserId};

use crate::map::{contact, email, event, task};
use crate::panel::Shapes;

/// What organisations and their users can see, kept between sessions, shared by all connections: API versions per
/// instance, and the descriptions of objects per organisation and user (field security differs between users).
pub struct DescribeCache {
    ttl: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    versions: HashMap<String, String>,
    users: HashMap<(OrgId, UserId), Arc<Described>>,
    shapes: HashMap<(OrgId, UserId), Arc<Shapes>>,
}

impl Default for DescribeCache {
    fn default() -> Self {
        Self::new(Duration::from_hours(1))
    }
}

impl fmt::Debug for DescribeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribeCache")
            .field("ttl", &self.ttl)
            .field("users", &self.lock().users.len())
            .finish_non_exhaustive()
    }
}

impl DescribeCache {
    /// A description older than `ttl` is read anew beside the next poll, in the same request; one older than twice that
    /// is not used.
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn version(&self, origin: &str) -> Option<String> {
        self.lock().versions.get(origin).cloned()
    }

    pub(crate) fn set_version(&self, origin: String, version: String) {
        self.lock().versions.insert(origin, version);
    }

    pub(crate) fn get(&self, org: &OrgId, user: &UserId, now: Timestamp) -> Option<Arc<Described>> {
        let known = self.lock().users.get(&(org.clone(), user.clone())).cloned()?;
        (Self::age(&known, now) < self.ttl.saturating_mul(2)).then_some(known)
    }

    /// What stands on the cards of the pane.
    pub(crate) fn shapes(&self, org: &OrgId, user: &UserId, now: Timestamp) -> Option<Arc<Shapes>> {
        let known = self.lock().shapes.get(&(org.clone(), user.clone())).cloned()?;
        (Self::since(known.read, now) < self.ttl).then_some(known)
    }

    pub(crate) fn put_shapes(&self, org: &OrgId, user: &UserId, shapes: Shapes) -> Arc<Shapes> {
        let shapes = Arc::new(shapes);
        let key = (org.clone(), user.clone());
        self.lock().shapes.insert(key, Arc::clone(&shapes));
        shapes
    }

    pub(crate) fn is_stale(&self, known: &Described, now: Timestamp) -> bool {
        Self::age(known, now) >= self.ttl
    }

    pub(crate) fn put(&self, org: &OrgId, user: &UserId, described: Described) -> Arc<Described> {
        let described = Arc::new(described);
        self.lock()
            .users
            .insert((org.clone(), user.clone()), Arc::clone(&described));
        described
    }

    pub(crate) fn forget(&self, org: &OrgId, user: &UserId) {
        self.lock().users.remove(&(org.clone(), user.clone()));
    }

    /// A clock that was set back makes no entry immortal: one from the future counts as old. A moment is no future:
    /// whoever asks may have looked at the clock before the entry was made.
    fn age(known: &Described, now: Timestamp) -> Duration {
        Self::since(known.read, now)
    }

    fn since(read: Timestamp, now: Timestamp) -> Duration {
        match now.seconds_since(read) {
            -60..0 => Duration::ZERO,
            seconds => u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs),
        }
    }
}

/// The objects that are described, in this order, in one request.
pub(crate) const OBJECTS: [&str; 6] = [
    "Contact",
    "Event",
    "Task",
    "EventRelation",
    "EmailMessage",
    "Lead",
];

/// What `describe` says of one field.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the properties that describe tells"
)]
struct Listed {
    length: u32,
    create: bool,
    update: bool,
    external: bool,
    email: bool,
    filter: bool,
    picklist: Vec<String>,
}

/// What `describe` says of one object.
#[derive(Clone, Debug, Default)]
struct Object {
    create: bool,
    update: bool,
    delete: bool,
    fields: HashMap<String, Listed>,
}

impl Object {
    /// From the answer of `sobjects/…/describe`, which lists only what the user may see.
    ///
    /// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm>
    fn parse(body: &Value) -> Option<Self> {
        let is = |value: &Value, name: &str, usual: bool| {
            value.get(name).and_then(Value::as_bool).unwrap_or(usual)
        };
        let fields = body
            .get("fields")?
            .as_array()?
            .iter()
            .filter_map(|field| {
                let values = field.get("picklistValues").and_then(Value::as_array);
                let listed = Listed {
                    length: field
                        .get("length")
                        .and_then(Value::as_u64)
                        .and_then(|n| u32::try_from(n).ok())
                        .unwrap_or(0),
                    create: is(field, "createable", false),
                    update: is(field, "updateable", false),
                    external: is(field, "externalId", false),
                    email: field.get("type").and_then(Value::as_str) == Some("email"),
                    filter: is(field, "filterable", true),
                    picklist: values
                        .into_iter()
                        .flatten()
                        .filter(|value| is(value, "active", true))
                        .filter_map(|value| value.get("value")?.as_str().map(str::to_owned))
                        .collect(),
                };
                Some((field.get("name")?.as_str()?.to_owned(), listed))
            })
            .collect();
        Some(Self {
            create: is(body, "createable", true),
            update: is(body, "updateable", true),
            delete: is(body, "deletable", true),
            fields,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Fields that hold e-mail addresses and can be searched.
    fn emails(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .fields
            .iter()
            .filter(|(name, field)| (field.email || *name == "Email") && field.filter)
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    fn access(&self, name: &str) -> Option<Access> {
        let field = self.fields.get(name)?;
        Some(match (self.create && field.create, self.update && field.update) {
            (true, true) => Access::ReadWrite,
            (true, false) => Access::CreateOnly,
            (false, _) => Access::ReadOnly,
        })
    }

    /// A rule for each neutral field whose carrier is listed.
    fn rules(&self, carriers: &[(Field, &'static str)]) -> BTreeMap<Field, FieldRule> {
        carriers
            .iter()
            .filter_map(|(field, name)| {
                let rule = FieldRule {
                    access: self.access(name)?,
                    max_chars: Some(self.fields.get(*name)?.length).filter(|n| *n > 0 && is_text(*field)),
                    required: *field == Field::Surname,
                    words: match field {
                        Field::ShowAs => event::SHOW_AS,
                        _ => &[],
                    },
                };
                Some((*field, rule))
            })
            .collect()
    }

    /// The key field, if this user may read it, and whether records can be made by it.
    fn key(&self, name: &str) -> (Option<String>, bool) {
        match self.fields.get(name) {
            Some(field) => (
                Some(name.to_owned()),
                self.create && field.external && field.create,
            ),
            None => (None, false),
        }
    }

    fn view(
        &self,
        object: &'static str,
        rules: BTreeMap<Field, FieldRule>,
        system: &str,
        wanted: &[&str],
        key_name: &str,
    ) -> View {
        let (key_field, holds_key) = self.key(key_name);
        let mut select = system.to_owned();
        let listed = wanted.iter().copied().filter(|name| self.has(name));
        for name in listed.chain(key_field.as_deref()) {
            select.push(',');
            select.push_str(name);
        }
        View {
            object,
            profile: Profile {
                fields: rules,
                holds_key,
                people_max: 1,
            },
            select,
            key_field,
            shared: false,
            lengths: self
                .fields
                .iter()
                .map(|(name, field)| (name.clone(), (field.length, self.create && field.create)))
                .collect(),
        }
    }
}

/// Fields whose text may be cut where it is too long. An address or an id that was cut would be another one.
fn is_text(field: Field) -> bool {
    !matches!(
        field,
        Field::When
            | Field::Reminder
            | Field::ShowAs
            | Field::Private
            | Field::Answer
            | Field::Relations
            | Field::Due
            | Field::Status
            | Field::Priority
            | Field::RemindAt
            | Field::Html
            | Field::FromAddress
            | Field::ToAddresses
            | Field::CcAddresses
            | Field::SentAt
            | Field::Incoming
            | Field::MessageId
            | Field::Thread
    )
}

/// One kind, as one user sees it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The object's API name.
    pub(crate) object: &'static str,
    pub(crate) profile: Profile,
    /// The fields of a `SELECT`.
    pub(crate) select: String,
    /// The key field, if this user may read it.
    pub(crate) key_field: Option<String>,
    /// One activity can belong to several contacts (Shared Activities).
    pub(crate) shared: bool,
    /// Length, and whether a new record can have it, field by field.
    lengths: HashMap<String, (u32, bool)>,
}

impl View {
    /// The key field, if records can be found and made by it.
    pub(crate) fn key(&self) -> Option<&str> {
        self.key_field.as_deref().filter(|_| self.profile.holds_key)
    }

    pub(crate) fn can_read(&self, field: Field) -> bool {
        self.profile
            .fields
            .get(&field)
            .is_some_and(|rule| rule.access != Access::None)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lengths.contains_key(name)
    }

    pub(crate) fn may_create(&self, name: &str) -> bool {
        self.lengths.get(name).is_some_and(|(_, create)| *create)
    }

    /// In characters; no limit where none is told.
    pub(crate) fn length(&self, name: &str) -> usize {
        match self.lengths.get(name) {
            Some((length, _)) if *length > 0 => usize::try_from(*length).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// A view of these fields alone.
    #[cfg(test)]
    pub(crate) fn plain(object: &'static str, fields: &[(&str, u32)]) -> Self {
        Self {
            object,
            profile: Profile::default(),
            select: "Id".to_owned(),
            key_field: None,
            shared: false,
            lengths: fields
                .iter()
                .map(|(name, length)| ((*name).to_owned(), (*length, true)))
                .collect(),
        }
    }
}

/// The rows that tie people to events, as one user sees them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RelationView {
    /// The fields of a `SELECT`; empty: the user may not see them.
    pub(crate) select: String,
    /// Invitees are told apart from others (Shared Activities).
    pub(crate) flags: bool,
    pub(crate) writable: bool,
}

/// Everything that one user sees of what the sync touches.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) read: Timestamp,
    views: BTreeMap<ItemKind, View>,
    pub(crate) relations: RelationView,
    pub(crate) statuses: Vec<String>,
    pub(crate) priorities: Vec<String>,
    /// Fields of contacts and of leads that hold e-mail addresses.
    pub(crate) contact_emails: Vec<String>,
    pub(crate) lead_emails: Vec<String>,
    /// Leads can be searched by e-mail, as far as is known.
    pub(crate) leads: bool,
    /// Rows of Einstein Activity Capture can be told apart.
    pub(crate) has_source: bool,
    /// The user's own.
    pub(crate) zone: TimeZone,
}

const ACTIVITY_FIELDS: &str = "Id,IsDeleted,OwnerId,CreatedDate,LastModifiedDate,SystemModstamp";
const EMAIL_FIELDS: &str = "Id,IsDeleted,CreatedDate,LastModifiedDate,SystemModstamp";
/// To so many contacts an activity can belong with Shared Activities.
const SHARED_PEOPLE: u32 = 50;

impl Described {
    /// From the descriptions in the order of [`OBJECTS`]; `None`: the user may not see that object. `None` if there are
    /// no contacts in the answer.
    pub(crate) fn parse(
        bodies: &[Option<Value>],
        key_field: &str,
        zone: TimeZone,
        read: Timestamp,
    ) -> Option<Self> {
        let mut objects = bodies.iter().map(|body| body.as_ref().and_then(Object::parse));
        let mut next = || objects.next().flatten();
        let (contact, event, task) = (next(), next(), next());
        let (relation, message, lead) = (next(), next(), next());
        if bodies.first()?.is_some() && contact.is_none() {
            return None;
        }
        let mut views = BTreeMap::new();
        if let Some(contact) = &contact {
            views.insert(ItemKind::Contact, contact_view(contact, key_field));
        }
        let relations = relation.as_ref().map(relation_view).unwrap_or_default();
        if let Some(event) = event.as_ref().filter(|e| e.has("StartDateTime")) {
            views.insert(ItemKind::Event, event_view(event, &relations, key_field));
        }
        if let Some(task) = &task {
            views.insert(ItemKind::Task, task_view(task, key_field));
        }
        let enhanced = message
            .as_ref()
            .filter(|m| m.create && m.has("RelatedToId") && m.has("MessageIdentifier"));
        if let Some(message) = enhanced {
            views.insert(ItemKind::Email, email_view_of(message, key_field));
        } else if let Some(task) = task.as_ref().filter(|t| takes_emails(t)) {
            views.insert(ItemKind::Email, email_task_view(task, key_field));
        }
        let picklist = |name: &str| -> Vec<String> {
            task.as_ref()
                .and_then(|t| t.fields.get(name))
                .map(|f| f.picklist.clone())
                .unwrap_or_default()
        };
        Some(Self {
            read,
            relations,
            statuses: picklist("Status"),
            priorities: picklist("Priority"),
            contact_emails: contact.as_ref().map(Object::emails).unwrap_or_default(),
            lead_emails: lead.as_ref().map(Object::emails).unwrap_or_default(),
            leads: lead.is_some(),
            has_source: message.as_ref().is_some_and(|m| m.has("Source")),
            zone,
            views,
        })
    }

    pub(crate) fn view(&self, kind: ItemKind) -> Option<&View> {
        self.views.get(&kind)
    }

    pub(crate) fn profiles(&self) -> Profiles {
        Profiles(
            self.views
                .iter()
                .map(|(kind, view)| (*kind, view.profile.clone()))
                .collect(),
        )
    }

    /// Emails are kept as completed tasks.
    pub(crate) fn emails_are_tasks(&self) -> bool {
        self.views
            .get(&ItemKind::Email)
            .is_some_and(|view| view.object == "Task")
    }

    /// What is asked for, kind by kind: two descriptions that agree here ask the same.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        let selects = |d: &Self| -> Vec<String> { d.views.values().map(|v| v.select.clone()).collect() };
        selects(self) == selects(other)
    }

    /// For a user who may not see leads.
    pub(crate) fn without_leads(&self) -> Self {
        Self {
            leads: false,
            ..self.clone()
        }
    }

    /// For a user who may see `AccountId`, but not accounts.
    pub(crate) fn without_account(&self) -> Self {
        let mut described = self.clone();
        if let Some(view) = described.views.get_mut(&ItemKind::Contact) {
            view.profile.fields.remove(&Field::Company);
            view.select = view.select.replace(",AccountId,Account.Name", "");
        }
        described
    }
}

fn contact_view(object: &Object, key_field: &str) -> View {
    let mut rules = object.rules(&contact::FIELDS);
    let mut wanted: Vec<&str> = contact::FIELDS.iter().map(|(_, name)| *name).collect();
    if let Some(account) = object.fields.get("AccountId") {
        let rule = FieldRule {
            access: if object.create && account.create {
                Access::CreateOnly
            } else {
                Access::ReadOnly
            },
            max_chars: Some(255),
            ..FieldRule::default()
        };
        rules.insert(Field::Company, rule);
        wanted.push("AccountId");
    }
    let mut view = object.view("Contact", rules, contact::SYSTEM_FIELDS, &wanted, key_field);
    view.select = view.select.replace(",AccountId", ",AccountId,Account.Name");
    view
}

fn event_view(object: &Object, relations: &RelationView, key_field: &str) -> View {
    let mut rules = object.rules(&event::CARRIERS);
    if !relations.select.is_empty() {
        let rule = FieldRule {
            access: if relations.writable {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            },
            ..FieldRule::default()
        };
        rules.insert(Field::Answer, rule);
    }
    let mut view = object.view("Event", rules, ACTIVITY_FIELDS, &event::WANTED, key_field);
    share(&mut view, "EventWhoIds");
    view
}

fn task_view(object: &Object, key_field: &str) -> View {
    let rules = object.rules(&task::CARRIERS);
    let mut view = object.view("Task", rules, ACTIVITY_FIELDS, &task::WANTED, key_field);
    share(&mut view, "TaskWhoIds");
    view
}

fn share(view: &mut View, list: &str) {
    if view.has(list) {
        view.shared = true;
        view.profile.people_max = SHARED_PEOPLE;
    }
}

fn takes_emails(task: &Object) -> bool {
    task.create
        && task
            .fields
            .get("TaskSubtype")
            .is_some_and(|f| f.create && f.picklist.iter().any(|v| v == task::EMAIL_SUBTYPE))
}

/// Once saved, an email stands: only what it belongs to can change.
fn saved_once(rules: &mut BTreeMap<Field, FieldRule>) {
    for (field, rule) in rules {
        if *field != Field::Relations && rule.access == Access::ReadWrite {
            rule.access = Access::CreateOnly;
        }
    }
}

fn email_view_of(object: &Object, key_field: &str) -> View {
    let mut rules = object.rules(&email::CARRIERS);
    saved_once(&mut rules);
    let mut view = object.view("EmailMessage", rules, EMAIL_FIELDS, &email::WANTED, key_field);
    view.profile.people_max = SHARED_PEOPLE;
    view
}

fn email_task_view(object: &Object, key_field: &str) -> View {
    let mut rules = object.rules(&email::TASK_CARRIERS);
    saved_once(&mut rules);
    // They stand in the description.
    for field in [Field::FromAddress, Field::ToAddresses, Field::CcAddresses] {
        let rule = FieldRule {
            access: Access::CreateOnly,
            ..FieldRule::default()
        };
        rules.insert(field, rule);
    }
    let mut view = object.view("Task", rules, ACTIVITY_FIELDS, &email::TASK_WANTED, key_field);
    share(&mut view, "TaskWhoIds");
    view
}

fn relation_view(object: &Object) -> RelationView {
    let mut select = "Id,EventId,RelationId,Status,IsDeleted,SystemModstamp".to_owned();
    for name in ["IsInvitee", "IsParent", "IsWhat"]
        .iter()
        .filter(|n| object.has(n))
    {
        select.push(',');
        select.push_str(name);
    }
    RelationView {
        select,
        flags: object.has("IsInvitee") && object.has("IsParent"),
        writable: object.create && object.update && object.delete,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    fn field(name: &str, length: u32, createable: bool, updateable: bool) -> Value {
        json!({"name": name, "length": length, "createable": createable, "updateable": updateable})
    }

    fn parse(bodies: &[Option<Value>], key: &str, read: Timestamp) -> Option<Described> {
        Described::parse(bodies, key, TimeZone::UTC, read)
    }

    /// An `EmailMessage` whose bodies hold so many characters.
    pub(crate) fn email_view(length: u32) -> View {
        View::plain(
            "EmailMessage",
            &[
                ("Subject", 3000),
                ("TextBody", length),
                ("HtmlBody", length.min(131_072)),
                ("FromAddress", 1000),
                ("FromName", 1000),
                ("ToAddress", 4000),
                ("CcAddress", 4000),
                ("ToIds", 0),
                ("CcIds", 0),
                ("MessageDate", 0),
                ("Incoming", 0),
                ("Status", 40),
                ("MessageIdentifier", 765),
                ("ThreadIdentifier", 765),
                ("RelatedToId", 18),
                ("IsClientManaged", 0),
            ],
        )
    }

    #[test]
    fn what_is_not_listed_is_not_there() {
        let mut key = field("Tandem_Key__c", 32, true, true);
        key["externalId"] = json!(true);
        let body = json!({"createable": true, "updateable": true, "fields": [
            field("LastName", 80, true, true), field("Email", 80, false, false),
            field("Birthdate", 0, true, true), field("Title", 128, true, false),
            field("AccountId", 18, true, true), key,
        ]});
        let read = Timestamp::from_seconds(1);
        let described = parse(&[Some(body)], "Tandem_Key__c", read).unwrap();
        let view = described.view(ItemKind::Contact).unwrap();
        let rule = |f: Field| view.profile.fields.get(&f).copied();
        assert_eq!(rule(Field::Surname).unwrap().max_chars, Some(80));
        assert!(rule(Field::Surname).unwrap().required);
        assert_eq!(rule(Field::Email).unwrap().access, Access::ReadOnly);
        assert_eq!(rule(Field::JobTitle).unwrap().access, Access::CreateOnly);
        assert_eq!(rule(Field::Birthday).unwrap().max_chars, None);
        assert_eq!(rule(Field::Company).unwrap().access, Access::CreateOnly);
        assert_eq!(rule(Field::GivenName), None);
        assert!(view.profile.holds_key);
        assert_eq!(view.key(), Some("Tandem_Key__c"));
        insta::assert_snapshot!(view.select, @"Id,IsDeleted,MasterRecordId,OwnerId,CreatedDate,LastModifiedDate,SystemModstamp,LastName,Title,Email,Birthdate,AccountId,Account.Name,Tandem_Key__c");
        assert_eq!(
            described.profiles().0.len(),
            1,
            "no events, tasks or emails were described"
        );
        let blind = described.without_account();
        let view = blind.view(ItemKind::Contact).unwrap();
        assert!(!view.select.contains("Account"));
        assert!(!view.can_read(Field::Company));
    }

    #[test]
    fn a_key_that_cannot_be_set_is_none() {
        let key_of = |key: Value| {
            let body = json!({"fields": [key]});
            parse(&[Some(body)], "Tandem_Key__c", Timestamp::default()).unwrap()
        };
        let mut read_only = field("Tandem_Key__c", 32, false, false);
        read_only["externalId"] = json!(true);
        let described = key_of(read_only);
        let view = described.view(ItemKind::Contact).unwrap();
        assert_eq!(view.key(), None);
        assert!(view.key_field.is_some());
        let described = key_of(field("Tandem_Key__c", 32, true, true));
        assert_eq!(described.view(ItemKind::Contact).unwrap().key(), None);
    }

    #[test]
    fn a_user_who_may_only_read_writes_nothing() {
        let body =
            json!({"createable": false, "updateable": false, "fields": [field("LastName", 80, true, true)]});
        let described = parse(&[Some(body)], "K__c", Timestamp::default()).unwrap();
        let view = described.view(ItemKind::Contact).unwrap();
        assert_eq!(view.profile.fields[&Field::Surname].access, Access::ReadOnly);
        assert!(parse(&[Some(json!({"errorCode": "x"}))], "K__c", Timestamp::default()).is_none());
    }

    fn bodies(message: Option<Value>, shared: bool) -> Vec<Option<Value>> {
        let listed =
            |names: &[&str]| -> Vec<Value> { names.iter().map(|n| field(n, 100, true, true)).collect() };
        let mut events = listed(&["Subject", "StartDateTime", "IsAllDayEvent", "ShowAs", "WhoId"]);
        let mut tasks = listed(&["Subject", "Status", "WhoId"]);
        if shared {
            events.push(field("EventWhoIds", 0, true, true));
            tasks.push(field("TaskWhoIds", 0, true, true));
        }
        tasks.push(json!({"name": "TaskSubtype", "createable": true, "picklistValues": [
            {"value": "Task", "active": true}, {"value": "Email", "active": true}, {"value": "Old", "active": false},
        ]}));
        vec![
            Some(json!({"fields": listed(&["LastName", "Email"])})),
            Some(json!({"fields": events})),
            Some(json!({"fields": tasks})),
            Some(json!({"fields": listed(&["EventId", "RelationId", "Status"])})),
            message,
            None,
        ]
    }

    #[test]
    fn how_emails_are_kept_is_told_by_the_description() {
        let email = |message| {
            let described = parse(&bodies(message, false), "K__c", Timestamp::default()).unwrap();
            described.view(ItemKind::Email).map(|v| v.object)
        };
        let enhanced = json!({"fields": [field("RelatedToId", 18, true, true), field("MessageIdentifier", 765, true, true)]});
        assert_eq!(email(Some(enhanced)), Some("EmailMessage"));
        // Email-to-Case alone: emails of cases only.
        let cases = json!({"fields": [field("ParentId", 18, true, true)]});
        assert_eq!(email(Some(cases)), Some("Task"));
        assert_eq!(email(None), Some("Task"));
        let mut none = bodies(None, false);
        none[2] = Some(json!({"createable": false, "fields": []}));
        let described = parse(&none, "K__c", Timestamp::default()).unwrap();
        assert!(described.view(ItemKind::Email).is_none(), "no way to keep emails");
        assert!(!described.leads);
    }

    #[test]
    fn shared_activities_show_in_the_description() {
        for (shared, people) in [(false, 1), (true, 50)] {
            let described = parse(&bodies(None, shared), "K__c", Timestamp::default()).unwrap();
            for kind in [ItemKind::Event, ItemKind::Task] {
                let view = described.view(kind).unwrap();
                assert_eq!((view.shared, view.profile.people_max), (shared, people));
                assert!(!view.select.contains("WhoIds"), "their rows are read instead");
            }
            let event = &described.profiles().0[&ItemKind::Event];
            assert_eq!(event.fields[&Field::Answer].access, Access::ReadWrite);
            assert_eq!(event.fields[&Field::Subject].max_chars, Some(100));
            assert_eq!(event.fields[&Field::ShowAs].max_chars, None);
            assert_eq!(event.fields[&Field::ShowAs].words[0], "busy");
            assert!(
                !event.fields.contains_key(&Field::Private),
                "hidden from this user"
            );
        }
    }

    #[test]
    fn entries_grow_old() {
        let cache = DescribeCache::new(Duration::from_hours(1));
        let (org, user): (OrgId, UserId) = (
            "00D000000000001AAA".parse().unwrap(),
            "005000000000001AAA".parse().unwrap(),
        );
        let read = Timestamp::from_seconds(1_000_000);
        let described = parse(&[Some(json!({"fields": []}))], "K__c", read).unwrap();
        let known = cache.put(&org, &user, described);
        assert!(!cache.is_stale(&known, Timestamp(read.0 - 1)));
        assert!(!cache.is_stale(&known, read.plus_seconds(3599)));
        assert!(cache.is_stale(&known, read.plus_seconds(3600)));
        assert!(cache.get(&org, &user, read.plus_seconds(7199)).is_some());
        assert!(cache.get(&org, &user, read.plus_seconds(7200)).is_none());
        assert!(
            cache.get(&org, &user, read.plus_seconds(-61)).is_none(),
            "the clock was set back"
        );
        cache.forget(&org, &user);
        assert!(cache.get(&org, &user, read).is_none());
    }
}
