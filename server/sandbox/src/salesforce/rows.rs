//! The rows of all objects, and the checks that every write passes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::access::Access;
use super::error::ApiError;
use super::ids::Id;
use super::lifecycle;
use super::schema::{Field, Kind, Object, Ops};
use super::value::{Val, read_date, read_stamp};

/// The row with which a row went into the bin; no field of any object.
pub(crate) const ROOT: &str = "~Root";
/// How long the bin keeps a row.
const BIN_MS: i64 = 15 * 24 * 60 * 60 * 1000;

/// A row's values; a field that is missing is null.
pub(crate) type Fields = BTreeMap<&'static str, Val>;

/// One record, also one in the bin.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) fields: Fields,
    /// What listings showed before the changes since [`Rows::listing`]: nothing for a new row.
    prior: Option<(u64, Option<Fields>)>,
    /// Listings show `prior` until the request log reaches this number.
    held_until: u64,
}

impl Row {
    pub(crate) fn get(&self, field: &str) -> &Val {
        self.fields.get(field).unwrap_or(&Val::Null)
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.get("IsDeleted").is_true()
    }

    pub(crate) fn stamp(&self) -> i64 {
        match self.get("SystemModstamp") {
            Val::Time(ms) => *ms,
            _ => 0,
        }
    }

    /// What a listing shows when the request log is at `n`.
    pub(crate) fn listed(&self, n: u64) -> Option<&Fields> {
        match &self.prior {
            Some((_, prior)) if n < self.held_until => prior.as_ref(),
            _ => Some(&self.fields),
        }
    }
}

/// Who writes, when, and what the request's headers ask for.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) access: Access<'a>,
    pub(crate) now_ms: i64,
    /// `Sforce-Duplicate-Rule-Header: allowSave=true`.
    pub(crate) allow_duplicates: bool,
    /// `/services/data/v67.0`, for the addresses in errors.
    pub(crate) base: &'a str,
}

/// A row on its way in: what it was, what the request says, what it will be.
pub(crate) struct Draft<'a> {
    pub(crate) object: &'a Object,
    /// None for a new row.
    pub(crate) id: Option<&'a Id>,
    pub(crate) before: Option<Fields>,
    /// The fields that the request names.
    pub(crate) given: BTreeSet<&'static str>,
    pub(crate) fields: Fields,
    /// Junction lists of the request.
    pub(crate) lists: Lists,
}

/// Junction lists by field name.
pub(crate) type Lists = BTreeMap<&'static str, Vec<Id>>;

impl Draft<'_> {
    /// A value of the row as it will be.
    pub(crate) fn get(&self, field: &str) -> &Val {
        self.fields.get(field).unwrap_or(&Val::Null)
    }

    /// The same before the change; null for a new row.
    pub(crate) fn was(&self, field: &str) -> &Val {
        self.before
            .as_ref()
            .and_then(|f| f.get(field))
            .unwrap_or(&Val::Null)
    }

    /// The id in a reference field of the row as it will be.
    pub(crate) fn reference(&self, field: &str) -> Option<Id> {
        self.get(field).as_text().and_then(Id::parse)
    }
}

/// The id in a reference field.
pub(crate) fn reference(fields: &Fields, field: &str) -> Option<Id> {
    fields.get(field)?.as_text().and_then(Id::parse)
}

/// References that lead to few rows each, of objects that have many: a company with thousands of events asks them all
/// the time.
const INDEXED: [(&str, &str); 3] = [
    ("EventRelation", "EventId"),
    ("TaskRelation", "TaskId"),
    ("Event", super::activity::MASTER),
];

/// All rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    tables: BTreeMap<&'static str, BTreeMap<Id, Row>>,
    /// Rows that have ever led to an id by one of [`INDEXED`]: whoever asks looks whether they still do.
    led: BTreeMap<(usize, String), BTreeSet<Id>>,
    /// Rows by every stamp that they ever had.
    stamped: BTreeMap<(&'static str, i64), BTreeSet<Id>>,
    numbers: BTreeMap<&'static str, u64>,
    instance: String,
    last_stamp: i64,
    /// Counts the listings that were answered.
    listing: u64,
    /// The newest stamp when the last listing was answered.
    listed_stamp: i64,
}

impl Rows {
    pub(crate) fn new(instance: &str) -> Self {
        Self {
            instance: instance.to_owned(),
            ..Self::default()
        }
    }

    /// The rows of an object among which those are whose field leads to an id; deleted ones too, and perhaps others.
    pub(crate) fn leading(&self, object: &str, field: &str, to: &str) -> impl Iterator<Item = &Row> {
        let index = INDEXED.iter().position(|(o, f)| (*o, *f) == (object, field));
        let few = index.map(|index| {
            let ids = self.led.get(&(index, to.to_owned())).into_iter().flatten();
            ids.filter_map(|id| self.get(object, id))
        });
        let all = few.is_none().then(|| self.all(object));
        few.into_iter().flatten().chain(all.into_iter().flatten())
    }

    /// The rows of an object, by id, among which those are that changed at `from` (milliseconds since 1970) or later, also as
    /// listings show them; deleted ones too, and perhaps others. What changed is asked by everybody all the time.
    pub(crate) fn changed_since(&self, object: &'static str, from: i64) -> impl Iterator<Item = &Row> {
        let ids: BTreeSet<&Id> = self
            .stamped
            .range((object, from)..=(object, i64::MAX))
            .flat_map(|(_, ids)| ids)
            .collect();
        ids.into_iter().filter_map(move |id| self.get(object, id))
    }

    fn lead(&mut self, object: &'static str, id: &Id, fields: &Fields) {
        if let Some(Val::Time(at)) = fields.get("SystemModstamp") {
            self.stamped.entry((object, *at)).or_default().insert(id.clone());
        }
        for (index, (_, field)) in INDEXED.iter().enumerate().filter(|(_, (o, _))| *o == object) {
            if let Some(to) = fields.get(field).and_then(Val::as_text) {
                let led = self.led.entry((index, to.to_owned())).or_default();
                led.insert(id.clone());
            }
        }
    }

    /// All rows of an object, by id; deleted ones too.
    pub(crate) fn all(&self, object: &str) -> impl Iterator<Item = &Row> {
        self.tables.get(object).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn get(&self, object: &str, id: &Id) -> Option<&Row> {
        self.tables.get(object)?.get(id)
    }

    /// A new id of that prefix.
    pub(crate) fn next_id(&mut self, prefix: &'static str) -> Id {
        let number = self.numbers.entry(prefix).or_insert(0);
        // Not beside each other, as other customers share the instance.
        *number += 7 + *number % 5;
        Id::make(prefix, &self.instance, 62_u64.pow(4) + *number)
    }

    /// Puts a row there as it is: the organisation's own rows at the start.
    pub(crate) fn put(&mut self, object: &'static str, id: Id, fields: Fields) {
        self.lead(object, &id, &fields);
        let row = Row {
            id: id.clone(),
            fields,
            prior: None,
            held_until: 0,
        };
        self.tables.entry(object).or_default().insert(id, row);
    }

    /// The stamp for a change that happens now.
    pub(crate) fn stamp(&mut self, now_ms: i64, whole_seconds: bool) -> i64 {
        self.last_stamp = if whole_seconds {
            self.last_stamp.max(now_ms.div_euclid(1000) * 1000)
        } else {
            now_ms.max(self.last_stamp + 1)
        };
        self.last_stamp
    }

    /// A listing is answered; with `hold`, what changed since the one before is shown only when the request log
    /// has reached that number.
    pub(crate) fn listing(&mut self, hold: Option<u64>) {
        if let Some(until) = hold {
            let (since, listing) = (self.listed_stamp, self.listing);
            for row in self.tables.values_mut().flat_map(BTreeMap::values_mut) {
                let fresh = row.prior.as_ref().is_some_and(|(at, _)| *at == listing);
                if fresh && row.stamp() > since && row.held_until < until {
                    row.held_until = until;
                }
            }
        }
        self.listing += 1;
        self.listed_stamp = self.last_stamp;
    }

    /// Sees a row: its own sharing says so, or that of what it belongs to.
    pub(crate) fn reads(&self, access: &Access<'_>, object: &Object, id: &Id, fields: &Fields) -> bool {
        access.reads_row(object, id, fields) && lifecycle::reads_by_parent(self, access, object, id, fields)
            || lifecycle::reads_as_guest(self, access, object, id, fields)
    }

    /// Live rows of an object whose reference field leads to an id.
    pub(crate) fn pointing(&self, object: &str, field: &str, to: &Id) -> Vec<Id> {
        self.leading(object, field, to.as_str())
            .filter(|r| !r.is_deleted() && r.get(field).as_text() == Some(to.as_str()))
            .map(|r| r.id.clone())
            .collect()
    }

    /// Adds a row that another row brings with it: nobody's rules are asked.
    pub(crate) fn insert(&mut self, w: &Writer<'_>, object: &Object, fields: Fields) -> Id {
        let mut all = defaults(w, object);
        all.extend(fields);
        let id = self.next_id(object.prefix);
        let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
        let me = Val::Text(w.access.user.id.to_string());
        all.insert("CreatedDate", Val::Time(now));
        all.insert("CreatedById", me.clone());
        touch(&mut all, now, me);
        self.store(object.name, &id, all);
        id
    }

    /// Replaces all rows of an object: the organisation's own lists.
    pub(crate) fn replace(&mut self, object: &'static str, rows: Vec<(Id, Fields)>) {
        self.tables.insert(object, BTreeMap::new());
        for (id, fields) in rows {
            self.put(object, id, fields);
        }
    }

    /// Goes back to an earlier state; ids and stamps that were given out meanwhile are not given again.
    pub(crate) fn roll_back(&mut self, before: Self) {
        self.tables = before.tables;
    }

    fn store(&mut self, object: &'static str, id: &Id, fields: Fields) {
        self.lead(object, id, &fields);
        let listing = self.listing;
        let table = self.tables.entry(object).or_default();
        if let Some(row) = table.get_mut(id) {
            let before = std::mem::replace(&mut row.fields, fields);
            if row.prior.as_ref().is_none_or(|(at, _)| *at != listing) {
                row.prior = Some((listing, Some(before)));
            }
        } else {
            let row = Row {
                id: id.clone(),
                fields,
                prior: Some((listing, None)),
                held_until: 0,
            };
            table.insert(id.clone(), row);
        }
    }

    /// The row to change, or why not.
    pub(crate) fn find(&self, w: &Writer<'_>, object: &Object, id: &Id) -> Result<&Row, ApiError> {
        if id.prefix() != object.prefix {
            return Err(wrong_type(&format!("{} ID", object.label), id.as_str(), "Id"));
        }
        match self.get(object.name, id) {
            None => Err(ApiError::row(
                "NOT_FOUND",
                "The requested resource does not exist",
                &[],
            )),
            Some(row) if !self.reads(&w.access, object, id, &row.fields) => Err(ApiError::row(
                "NOT_FOUND",
                "The requested resource does not exist",
                &[],
            )),
            Some(row) if row.is_deleted() => {
                Err(ApiError::row("ENTITY_IS_DELETED", "entity is deleted", &[]))
            }
            Some(row) => Ok(row),
        }
    }

    /// Inserts a row.
    pub(crate) fn create(
        &mut self,
        w: &Writer<'_>,
        object: &Object,
        body: &Map<String, Value>,
    ) -> Result<Id, ApiError> {
        if !w.access.creates(object) {
            return Err(no_operation(object, "create"));
        }
        may_set_up(w, object)?;
        if body.keys().any(|k| k.eq_ignore_ascii_case("id")) {
            return Err(ApiError::row(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                "cannot specify Id in an insert call",
                &["Id"],
            ));
        }
        let mut fields = defaults(w, object);
        let changes = read_body(w, object, body, true)?;
        let full = w.access.knobs.full;
        if !w.access.all && (full.data || (full.files && object.name == "ContentVersion")) {
            return Err(ApiError::row(
                "STORAGE_LIMIT_EXCEEDED",
                "storage limit exceeded",
                &[],
            ));
        }
        let given = changes.keys().copied().collect();
        fields.extend(changes);
        let missing: Vec<&str> = object
            .fields
            .iter()
            .filter(|f| w.access.exists(object, f) && w.access.requires(f))
            .filter(|f| matches!(fields.get(f.name), None | Some(Val::Null)))
            .map(|f| f.name)
            .collect();
        let mut draft = Draft {
            object,
            id: None,
            before: None,
            given,
            lists: Lists::new(),
            fields,
        };
        self.check(w, &mut draft, &missing)?;
        lifecycle::prepare(self, w, &mut draft)?;
        let Draft {
            mut fields, lists, ..
        } = draft;
        let id = self.next_id(object.prefix);
        let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
        let me = Val::Text(w.access.user.id.to_string());
        fields.insert("CreatedDate", Val::Time(now));
        fields.insert("CreatedById", me.clone());
        touch(&mut fields, now, me);
        self.store(object.name, &id, fields);
        lifecycle::saved(self, w, object, &id, None, &lists);
        Ok(id)
    }

    /// Changes a row; a change to the same values is one, too.
    pub(crate) fn update(
        &mut self,
        w: &Writer<'_>,
        object: &Object,
        id: &Id,
        body: &Map<String, Value>,
    ) -> Result<(), ApiError> {
        if !object.is_updatable() {
            return Err(no_operation(object, "update"));
        }
        may_set_up(w, object)?;
        let row = self.find(w, object, id)?;
        if !w.access.edits_row(object, id, &row.fields)
            && !lifecycle::edits_as_guest(self, w, object, &row.fields)
        {
            return Err(no_access(id));
        }
        let before = row.fields.clone();
        let mut fields = before.clone();
        let changes = read_body(w, object, body, false)?;
        let missing: Vec<&str> = object
            .fields
            .iter()
            .filter(|f| w.access.requires(f) && matches!(changes.get(f.name), Some(Val::Null)))
            .map(|f| f.name)
            .collect();
        let given = changes.keys().copied().collect();
        fields.extend(changes);
        let mut draft = Draft {
            object,
            id: Some(id),
            before: Some(before),
            given,
            lists: Lists::new(),
            fields,
        };
        self.check(w, &mut draft, &missing)?;
        lifecycle::prepare(self, w, &mut draft)?;
        let Draft {
            mut fields,
            lists,
            before,
            ..
        } = draft;
        let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
        touch(&mut fields, now, Val::Text(w.access.user.id.to_string()));
        self.store(object.name, id, fields);
        lifecycle::saved(self, w, object, id, before.as_ref(), &lists);
        Ok(())
    }

    /// Moves a row into the bin, and with it what belongs to it.
    pub(crate) fn delete(&mut self, w: &Writer<'_>, object: &Object, id: &Id) -> Result<(), ApiError> {
        let row = self.find(w, object, id)?;
        if !object.is_writable() {
            return Err(no_operation(object, "delete"));
        }
        may_set_up(w, object)?;
        if !w.access.deletes_row(object, &row.fields) || !lifecycle::may_delete(self, w, object, &row.fields)
        {
            return Err(no_access(id));
        }
        if object.ops == Ops::Setup {
            // Permissions have no bin.
            self.purge(object, id);
            lifecycle::set_up_gone(self, object, id);
            return Ok(());
        }
        self.bin(w, object, id, None, None);
        lifecycle::deleted(self, w, object, id, id);
        Ok(())
    }

    /// Moves one row into the bin; `root` is the row with which it went and comes back.
    pub(crate) fn bin(
        &mut self,
        w: &Writer<'_>,
        object: &Object,
        id: &Id,
        master: Option<&Id>,
        root: Option<&Id>,
    ) {
        let Some(row) = self.get(object.name, id) else {
            return;
        };
        let mut fields = row.fields.clone();
        fields.insert("IsDeleted", Val::Bool(true));
        if let Some(master) = master {
            fields.insert("MasterRecordId", Val::Text(master.to_string()));
        }
        if let Some(root) = root {
            fields.insert(ROOT, Val::Text(root.to_string()));
        }
        let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
        touch(&mut fields, now, Val::Text(w.access.user.id.to_string()));
        self.store(object.name, id, fields);
    }

    /// Merges: the loser goes into the bin and names the winner, whose empty fields it does not fill.
    pub(crate) fn merge(
        &mut self,
        w: &Writer<'_>,
        object: &Object,
        winner: &Id,
        loser: &Id,
    ) -> Result<(), ApiError> {
        if !object.is_mergeable() || winner == loser {
            return Err(ApiError::row(
                "INVALID_OPERATION",
                "these records cannot be merged",
                &[],
            ));
        }
        self.find(w, object, winner)?;
        self.find(w, object, loser)?;
        self.bin(w, object, loser, Some(winner), None);
        lifecycle::merged(self, w, object, winner, loser);
        self.update(w, object, winner, &Map::new())
    }

    /// Brings a row back from the bin, and what went there with it.
    pub(crate) fn undelete(&mut self, w: &Writer<'_>, object: &Object, id: &Id) -> Result<(), ApiError> {
        let failed = |text: &str| ApiError::row("UNDELETE_FAILED", text, &[]);
        let row = self
            .get(object.name, id)
            .filter(|r| r.is_deleted() && object.is_undeletable())
            // What lies in the bin too long is gone, though listings may still show it.
            .filter(|r| w.now_ms - r.stamp() <= BIN_MS)
            .filter(|r| self.reads(&w.access, object, id, &r.fields))
            .ok_or_else(|| failed("Entity is not in the recycle bin"))?;
        if row.get(ROOT) != &Val::Null {
            return Err(failed(
                "the record was deleted with its parent: undelete that one",
            ));
        }
        if !w.access.deletes_row(object, &row.fields) {
            return Err(no_access(id));
        }
        let mut lost: Vec<(&'static str, Id)> = vec![(object.name, id.clone())];
        for (name, table) in &self.tables {
            let with = table
                .values()
                .filter(|r| r.is_deleted() && r.get(ROOT).as_text() == Some(id.as_str()));
            lost.extend(with.map(|r| (*name, r.id.clone())));
        }
        for (name, id) in lost {
            let Some(row) = self.get(name, &id) else { continue };
            let mut fields = row.fields.clone();
            fields.insert("IsDeleted", Val::Bool(false));
            fields.remove("MasterRecordId");
            fields.remove(ROOT);
            let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
            touch(&mut fields, now, Val::Text(w.access.user.id.to_string()));
            self.store(name, &id, fields);
        }
        lifecycle::undeleted(self, w, object, id);
        Ok(())
    }

    /// Removes a row as if it had never been in the bin.
    pub(crate) fn purge(&mut self, object: &Object, id: &Id) -> bool {
        self.tables
            .get_mut(object.name)
            .is_some_and(|t| t.remove(id).is_some())
    }

    /// The same for a row of which the object is known by name only.
    pub(crate) fn purge_by_name(&mut self, object: &str, id: &Id) {
        if let Some(table) = self.tables.get_mut(object) {
            table.remove(id);
        }
    }

    /// Sets fields that the API does not let anybody write.
    pub(crate) fn force(&mut self, w: &Writer<'_>, object: &Object, id: &Id, changes: Fields) {
        let Some(row) = self.get(object.name, id) else {
            return;
        };
        let mut fields = row.fields.clone();
        fields.extend(changes);
        let now = self.stamp(w.now_ms, w.access.knobs.whole_seconds);
        touch(&mut fields, now, Val::Text(w.access.user.id.to_string()));
        self.store(object.name, id, fields);
    }

    /// Live rows whose field has this value, as an external id is looked for.
    pub(crate) fn matches(
        &self,
        access: &Access<'_>,
        object: &Object,
        field: &Field,
        value: &str,
    ) -> Vec<Id> {
        let lowered = value.to_lowercase();
        let is_exact = access.is_exact(object, field);
        // Most rows differ: plain texts are told apart without a copy.
        let same = |text: &str| {
            if is_exact {
                text == value
            } else if text.is_ascii() && value.is_ascii() {
                text.eq_ignore_ascii_case(value)
            } else {
                text.to_lowercase() == lowered
            }
        };
        self.all(object.name)
            .filter(|r| !r.is_deleted())
            .filter(|r| r.get(field.name).as_text().is_some_and(same))
            .map(|r| r.id.clone())
            .collect()
    }

    /// Everything that a stored row must satisfy, in the order in which Salesforce complains.
    fn check(&self, w: &Writer<'_>, draft: &mut Draft<'_>, missing: &[&str]) -> Result<(), ApiError> {
        let object = draft.object;
        if !missing.is_empty() {
            return Err(fields_missing(missing));
        }
        for field in &object.fields {
            match draft.fields.get(field.name).cloned() {
                Some(Val::Text(text)) if field.is_text() => {
                    check_text(field, &text)?;
                    if draft.given.contains(field.name) {
                        check_choice(w, object, field, &text)?;
                    }
                }
                Some(Val::Text(text)) => {
                    if let Kind::Reference(targets, _) = field.kind {
                        let whole = self.check_reference(w, draft, field, targets, &text)?;
                        draft.fields.insert(field.name, Val::Text(whole.to_string()));
                    }
                }
                Some(Val::List(ids)) => {
                    draft.fields.remove(field.name);
                    if let Kind::Junction(targets) = field.kind {
                        let ids = ids
                            .iter()
                            .map(|id| self.check_reference(w, draft, field, targets, id))
                            .collect::<Result<_, _>>()?;
                        draft.lists.insert(field.name, ids);
                    }
                }
                _ => {}
            }
        }
        let fields = &mut draft.fields;
        if object.is_person() {
            fields.insert("Name", Val::text(full_name(fields)));
        }
        if let Some(rule) = w.access.knobs.rules.iter().find(|r| r.refuses(object, fields))
            && !w.access.all
        {
            return Err(ApiError::row(
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                rule.message.clone(),
                &[rule.field],
            ));
        }
        for field in object.fields.iter().filter(|f| f.unique) {
            if let Some(Val::Text(text)) = fields.get(field.name)
                && let Some(other) = self
                    .matches(&w.access, object, field, text)
                    .iter()
                    .find(|o| Some(*o) != draft.id)
            {
                return Err(ApiError::row(
                    "DUPLICATE_VALUE",
                    format!(
                        "duplicate value found: {} duplicates value on record with id: {}",
                        field.name,
                        other.short()
                    ),
                    &[],
                ));
            }
        }
        if w.access.knobs.duplicate_rule && object.name == "Contact" && !w.access.all && !w.allow_duplicates {
            self.check_duplicates(w, object, draft.id, fields)?;
        }
        Ok(())
    }

    fn check_reference(
        &self,
        w: &Writer<'_>,
        draft: &Draft<'_>,
        field: &Field,
        targets: &[&str],
        text: &str,
    ) -> Result<Id, ApiError> {
        let object = draft.object;
        let target = Id::parse(text).and_then(|id| {
            let found = w.access.schema.by_prefix(id.prefix())?;
            targets.contains(&found.name).then_some((id, found))
        });
        let Some((id, target)) = target else {
            return Err(wrong_type(field.label, text, field.name));
        };
        let Some(row) = self.get(target.name, &id) else {
            return Err(ApiError::row(
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                &[field.name],
            ));
        };
        if draft.given.contains(field.name) && lifecycle::is_of_an_activity(object) {
            if row.is_deleted() {
                return Err(ApiError::row("ENTITY_IS_DELETED", "entity is deleted", &[]));
            }
            if row.get("IsConverted").is_true() {
                return Err(ApiError::row(
                    "CANNOT_UPDATE_CONVERTED_LEAD",
                    "cannot reference converted lead",
                    &[field.name],
                ));
            }
            if !self.reads(&w.access, target, &id, &row.fields) {
                return Err(ApiError::row(
                    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                    format!("insufficient access rights on cross-reference id: {}", id.short()),
                    &[],
                ));
            }
        }
        // A row may keep a reference to something that went into the bin later.
        let is_new = field.name == "OwnerId" && target.name == "User";
        if is_new && !row.get("IsActive").is_true() {
            return Err(ApiError::row(
                "INACTIVE_OWNER_OR_USER",
                format!(
                    "operation performed with inactive user [{}] as owner of {}",
                    id.short(),
                    object.label.to_lowercase()
                ),
                &["OwnerId"],
            ));
        }
        Ok(id)
    }

    fn check_duplicates(
        &self,
        w: &Writer<'_>,
        object: &Object,
        id: Option<&Id>,
        fields: &Fields,
    ) -> Result<(), ApiError> {
        let (Some(field), Some(Val::Text(email))) = (object.field("Email"), fields.get("Email")) else {
            return Ok(());
        };
        let others: Vec<Id> = self
            .matches(&w.access, object, field, email)
            .into_iter()
            .filter(|o| Some(o) != id)
            .collect();
        if others.is_empty() {
            return Ok(());
        }
        let records: Vec<Value> = others
            .iter()
            .map(|other| {
                json!({
                    "additionalInformation": [],
                    "fieldDiffs": [],
                    "matchConfidence": 100.0,
                    "record": {
                        "attributes": {
                            "type": object.name,
                            "url": format!("{}/sobjects/{}/{other}", w.base, object.name),
                        },
                        "Id": other.as_str(),
                    },
                })
            })
            .collect();
        let mut error = ApiError::row("DUPLICATES_DETECTED", "Use one of these records?", &[]);
        error.duplicates = Some(Box::new(json!({
            "allowSave": true,
            "duplicateRule": "Standard_Contact_Duplicate_Rule",
            "duplicateRuleEntityType": object.name,
            "errorMessage": "Use one of these records?",
            "matchResults": [{
                "entityType": object.name,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": records,
                "rule": "Contact_Email_Matching_Rule",
                "size": others.len(),
                "success": true,
            }],
        })));
        Err(error)
    }
}

/// `INSUFFICIENT_ACCESS_OR_READONLY` for a row.
pub(crate) fn no_access(id: &Id) -> ApiError {
    ApiError::row(
        "INSUFFICIENT_ACCESS_OR_READONLY",
        format!("insufficient access rights on object id {}", id.short()),
        &[],
    )
}

/// `REQUIRED_FIELD_MISSING`.
pub(crate) fn fields_missing(names: &[&str]) -> ApiError {
    ApiError::row(
        "REQUIRED_FIELD_MISSING",
        format!("Required fields are missing: [{}]", names.join(", ")),
        names,
    )
}

fn no_operation(object: &Object, operation: &str) -> ApiError {
    ApiError::call(
        400,
        "INVALID_TYPE_FOR_OPERATION",
        format!("entity type {} does not support {operation}", object.name),
    )
}

/// Permissions are for administrators.
fn may_set_up(w: &Writer<'_>, object: &Object) -> Result<(), ApiError> {
    if object.ops == Ops::Setup && !w.access.user.admin && !w.access.all {
        return Err(ApiError::row(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            "insufficient access rights on object id",
            &[],
        ));
    }
    Ok(())
}

fn wrong_type(label: &str, value: &str, field: &str) -> ApiError {
    ApiError::row(
        "MALFORMED_ID",
        format!("{label}: id value of incorrect type: {value}"),
        &[field],
    )
}

fn touch(fields: &mut Fields, now: i64, me: Val) {
    fields.insert("LastModifiedDate", Val::Time(now));
    fields.insert("LastModifiedById", me);
    fields.insert("SystemModstamp", Val::Time(now));
}

fn defaults(w: &Writer<'_>, object: &Object) -> Fields {
    let mut fields = Fields::new();
    for field in &object.fields {
        match (field.name, field.kind) {
            (_, Kind::Bool) => fields.insert(field.name, Val::Bool(false)),
            ("OwnerId", _) => fields.insert("OwnerId", Val::Text(w.access.user.id.to_string())),
            (_, Kind::Picklist(_)) if field.initial.is_some() => {
                let (choices, _) = w.access.choices(object, field);
                let value = choices.iter().find(|c| c.default).or_else(|| choices.first());
                fields.insert(
                    field.name,
                    value.map_or(Val::Null, |c| Val::text(c.value.clone())),
                )
            }
            _ => None,
        };
    }
    fields
}

/// The values of a request's body; `attributes` is not one of them.
fn read_body(
    w: &Writer<'_>,
    object: &Object,
    body: &Map<String, Value>,
    create: bool,
) -> Result<Fields, ApiError> {
    let mut fields = Fields::new();
    let mut refused = Vec::new();
    for (name, value) in body {
        if name == "attributes" {
            continue;
        }
        let Some(field) = w.access.field(object, name) else {
            return Err(ApiError::no_column(name, object.name));
        };
        let writable = if create { field.create } else { field.update } || (field.control && w.access.all);
        if !writable || !w.access.writes(object, field) {
            refused.push(field.name);
            continue;
        }
        fields.insert(field.name, read_value(field, value)?);
    }
    if !refused.is_empty() {
        return Err(ApiError::row(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            format!(
                "Unable to create/update fields: {}. Please check the security settings of this field and verify \
                 that it is read/write for your profile or permission set.",
                refused.join(", ")
            ),
            &refused,
        ));
    }
    Ok(fields)
}

fn read_value(field: &Field, value: &Value) -> Result<Val, ApiError> {
    let refuse = |wanted: &str| {
        let (kind, shown) = match value {
            Value::String(text) => ("VALUE_STRING", text.clone()),
            Value::Number(number) => ("VALUE_NUMBER", number.to_string()),
            Value::Bool(b) => ("VALUE_BOOLEAN", b.to_string()),
            Value::Array(_) => ("START_ARRAY", "[".to_owned()),
            _ => ("START_OBJECT", "{".to_owned()),
        };
        Err(ApiError::json(format!(
            "Cannot deserialize instance of {wanted} from {kind} value {shown} or request may be missing a required \
             field: {}",
            field.name
        )))
    };
    match (field.kind, value) {
        (Kind::Bool, Value::Null) => Err(ApiError::row(
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            format!("{}: value not of required type: ", field.label),
            &[field.name],
        )),
        (_, Value::Null) => Ok(Val::Null),
        (Kind::Bool, Value::Bool(b)) => Ok(Val::Bool(*b)),
        (Kind::Bool, _) => refuse("boolean"),
        (Kind::Double, Value::Number(n)) => Ok(n.as_f64().map_or(Val::Null, Val::Number)),
        (Kind::Double, _) => refuse("double"),
        (Kind::Int, Value::Number(n)) => n.as_i64().map_or_else(|| refuse("int"), |n| Ok(Val::Int(n))),
        (Kind::Int, _) => refuse("int"),
        (Kind::Junction(_), Value::Array(ids)) => ids
            .iter()
            .map(|id| id.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map_or_else(|| refuse("list of IDs"), |ids| Ok(Val::List(ids))),
        (Kind::Junction(_), _) => refuse("list of IDs"),
        (Kind::Blob, Value::String(text)) => STANDARD
            .decode(text)
            .map_or_else(|_| refuse("base64Binary"), |_| Ok(Val::text(text.clone()))),
        // Both types read an empty text as nothing.
        (Kind::Date | Kind::Time, Value::String(text)) if text.is_empty() => Ok(Val::Null),
        (Kind::Date, Value::String(text)) => {
            read_date(text).map_or_else(|| refuse("date"), |d| Ok(Val::Date(d)))
        }
        (Kind::Date, _) => refuse("date"),
        (Kind::Time, Value::String(text)) => {
            // Given times are kept to the second.
            read_stamp(text).map_or_else(
                || refuse("datetime"),
                |t| Ok(Val::Time(t.div_euclid(1000) * 1000)),
            )
        }
        (Kind::Time, _) => refuse("datetime"),
        (_, Value::String(text)) => Ok(Val::text(text.trim_matches(|c| c <= ' '))),
        (_, _) => refuse(field.type_name()),
    }
}

fn check_text(field: &Field, text: &str) -> Result<(), ApiError> {
    if text.chars().count() > field.length {
        return Err(ApiError::row(
            "STRING_TOO_LONG",
            format!(
                "{}: data value too large: {text} (max length={})",
                field.label, field.length
            ),
            &[field.name],
        ));
    }
    if field.kind == Kind::Email && !is_email(text) {
        return Err(ApiError::row(
            "INVALID_EMAIL_ADDRESS",
            format!("{}: invalid email address: {text}", field.label),
            &[field.name],
        ));
    }
    Ok(())
}

/// A restricted picklist takes its own values only.
fn check_choice(w: &Writer<'_>, object: &Object, field: &Field, text: &str) -> Result<(), ApiError> {
    if !matches!(field.kind, Kind::Picklist(_)) {
        return Ok(());
    }
    let (choices, restricted) = w.access.choices(object, field);
    if restricted && !choices.iter().any(|c| c.value == text) {
        return Err(ApiError::row(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            format!("{}: bad value for restricted picklist field: {text}", field.label),
            &[field.name],
        ));
    }
    Ok(())
}

/// One at sign, a plain local part without a dot at its ends, a domain of two labels or more.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_ok = local.split('.').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b))
    });
    let labels: Vec<&str> = domain.split('.').collect();
    let domain_ok = labels.len() > 1
        && labels.iter().all(|l| {
            !l.is_empty()
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    local_ok && domain_ok
}

fn full_name(fields: &Fields) -> String {
    ["FirstName", "MiddleName", "LastName", "Suffix"]
        .iter()
        .filter_map(|part| fields.get(part).and_then(Val::as_text))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_salesforce_takes() {
        for good in ["a@b.co", "o'hara.x+y@sub.contoso.example", "A_B-c@1.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "", "a", "a@", "@b.co", "a@b", "a b@c.de", "a@b..c", ".a@b.co", "a@@b.co", "ä@b.co", "a@-b.co",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
