//! Who may see and change what: field security, sharing, the organisation's own rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::ids::Id;
use super::rows::Fields;
use super::schema::{DEMANDED, Field, FieldSet, Kind, Needs, Object, Schema, TANDEM_KEY};
use super::soql::{Chars, is_like};
use super::value::Val;

/// A user of the organisation.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "permissions, each given by itself")]
pub(crate) struct Login {
    pub(crate) id: Id,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) given: String,
    pub(crate) surname: String,
    pub(crate) email: String,
    pub(crate) active: bool,
    /// The permission *API Enabled*.
    pub(crate) api: bool,
    /// The profile *System Administrator*: may customise the organisation.
    pub(crate) admin: bool,
    /// The permission *View All Data*: sharing hides nothing. Here no profile brings it along.
    pub(crate) view_all: bool,
    /// Fields that permission sets open for reading, and those that they open for editing.
    pub(crate) opened: FieldSet,
    pub(crate) opened_for_edit: FieldSet,
    pub(crate) hidden: FieldSet,
    pub(crate) read_only: FieldSet,
    /// Which person of the company is the next that becomes this user's contact.
    pub(crate) next_person: usize,
}

impl Login {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.given, self.surname)
    }
}

/// What a user can do with rows of another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sharing {
    /// Not even see them.
    Private,
    /// Read them.
    Read,
    /// Read and change them.
    ReadWrite,
}

impl Sharing {
    fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Read => "read",
            Self::ReadWrite => "read_write",
        }
    }
}

/// A validation rule: rows whose field fits are refused with the message.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) object: &'static str,
    pub(crate) field: &'static str,
    pub(crate) pattern: Chars,
    pub(crate) message: String,
}

impl Rule {
    /// Whether the row must be refused.
    pub(crate) fn refuses(&self, object: &Object, fields: &Fields) -> bool {
        self.object == object.name
            && fields
                .get(self.field)
                .and_then(Val::as_text)
                .is_some_and(|t| is_like(t, &self.pattern))
    }
}

/// The external id on one object.
#[derive(Clone, Debug)]
pub(crate) struct KeyField {
    /// The custom field's id.
    pub(crate) id: Id,
    /// Whether everybody sees it, as after a deployment with profiles; else permission sets say who does.
    pub(crate) everyone: bool,
    /// Whether `a` and `A` are two keys.
    pub(crate) exact: bool,
}

/// A value of a picklist that the organisation has changed.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    /// Tasks with this status are closed.
    pub(crate) closed: bool,
    pub(crate) default: bool,
}

/// What is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) data: bool,
    pub(crate) files: bool,
}

/// The organisation's settings.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the setup pages"
)]
pub(crate) struct Knobs {
    /// By object: `Event` and `Task` have it together.
    pub(crate) keys: BTreeMap<&'static str, KeyField>,
    pub(crate) duplicate_rule: bool,
    pub(crate) rules: Vec<Rule>,
    pub(crate) enhanced_email: bool,
    pub(crate) shared_activities: bool,
    pub(crate) record_types: bool,
    /// Einstein Activity Capture is at work.
    pub(crate) activity_capture: bool,
    /// Objects with the custom field that new rows must fill.
    pub(crate) demanding: BTreeSet<&'static str>,
    /// Picklists that differ from the usual, by `event.showas`; they take only these values.
    pub(crate) picklists: BTreeMap<String, Vec<Choice>>,
    pub(crate) full: Full,
    /// Bytes of one file.
    pub(crate) file_limit: usize,
    pub(crate) hidden: FieldSet,
    pub(crate) read_only: FieldSet,
    pub(crate) api_disabled: bool,
    /// By object name; objects that are not named are [`Sharing::ReadWrite`].
    pub(crate) sharing: BTreeMap<&'static str, Sharing>,
    /// Rows that everybody can read and change, whatever `sharing` says.
    pub(crate) public: BTreeSet<Id>,
    /// API calls in 24 hours.
    pub(crate) api_limit: u64,
    /// Whether a refresh token is dead once it was used.
    pub(crate) rotation: bool,
    /// Whether the use of a dead refresh token ends the grant that it belonged to.
    pub(crate) reuse_ends_grant: bool,
    /// Whether authorization without a code challenge is refused.
    pub(crate) require_pkce: bool,
    /// Stamps are whole seconds and may be equal, as in most real organisations; else they strictly grow.
    pub(crate) whole_seconds: bool,
}

impl Knobs {
    pub(crate) fn new() -> Self {
        Self {
            keys: BTreeMap::new(),
            duplicate_rule: false,
            rules: Vec::new(),
            enhanced_email: true,
            shared_activities: false,
            record_types: false,
            activity_capture: false,
            demanding: BTreeSet::new(),
            picklists: BTreeMap::new(),
            full: Full::default(),
            file_limit: 37 << 20,
            hidden: FieldSet::new(),
            read_only: FieldSet::new(),
            api_disabled: false,
            sharing: BTreeMap::new(),
            public: BTreeSet::new(),
            api_limit: 100_000,
            rotation: true,
            reuse_ends_grant: true,
            require_pkce: true,
            whole_seconds: false,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let sharing: BTreeMap<&str, &str> = self.sharing.iter().map(|(o, s)| (*o, s.name())).collect();
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|r| json!({ "object": r.object, "field": r.field, "message": r.message }))
            .collect();
        let picklists: BTreeMap<&str, Vec<&str>> = self
            .picklists
            .iter()
            .map(|(field, choices)| (field.as_str(), choices.iter().map(|c| c.value.as_str()).collect()))
            .collect();
        json!({
            "tandem_key": !self.keys.is_empty(),
            "tandem_key_objects": self.keys.keys().collect::<Vec<_>>(),
            "duplicate_rule": self.duplicate_rule,
            "validation_rule": match rules.as_slice() {
                [] => Value::Null,
                [one] => one.clone(),
                several => json!(several),
            },
            "enhanced_email": self.enhanced_email,
            "shared_activities": self.shared_activities,
            "record_types": self.record_types,
            "activity_capture": self.activity_capture,
            "required_custom_field": self.demanding,
            "picklists": picklists,
            "storage_full": { "data": self.full.data, "files": self.full.files },
            "file_size_limit": self.file_limit,
            "hidden_fields": self.hidden,
            "read_only_fields": self.read_only,
            "api_disabled": self.api_disabled,
            "sharing": sharing,
            "public": self.public.iter().map(Id::as_str).collect::<Vec<_>>(),
            "api_limit": self.api_limit,
            "rotation": self.rotation,
            "reuse_ends_grant": self.reuse_ends_grant,
            "require_pkce": self.require_pkce,
            "whole_second_stamps": self.whole_seconds,
        })
    }
}

/// The eyes of one user, or of the organisation itself.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) knobs: &'a Knobs,
    pub(crate) user: &'a Login,
    /// The control API: field security, sharing and rules do not bind it.
    pub(crate) all: bool,
}

impl<'a> Access<'a> {
    fn key(object: &Object, field: &Field) -> String {
        format!("{}.{}", object.name, field.name).to_lowercase()
    }

    /// Whether the organisation has what an object or field needs.
    pub(crate) fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::EnhancedEmail => self.knobs.enhanced_email,
            Needs::SharedActivities => self.knobs.shared_activities,
            Needs::RecordTypes => self.knobs.record_types,
            Needs::Tooling => self.all,
        }
    }

    /// Whether the organisation has a field, whoever may see it.
    pub(crate) fn exists(&self, object: &Object, field: &Field) -> bool {
        match field.name {
            TANDEM_KEY => self.knobs.keys.contains_key(object.name),
            DEMANDED => self.knobs.demanding.contains(object.name),
            _ => self.has(field.needs),
        }
    }

    pub(crate) fn sees(&self, object: &Object, field: &Field) -> bool {
        if !self.exists(object, field) {
            return false;
        }
        let key = Self::key(object, field);
        if field.name == TANDEM_KEY
            && !self.all
            && !self.user.opened.contains(&key)
            && !self.knobs.keys.get(object.name).is_some_and(|k| k.everyone)
        {
            return false;
        }
        self.all || !(self.knobs.hidden.contains(&key) || self.user.hidden.contains(&key))
    }

    /// Whether field security lets the user write a field that can be written at all.
    pub(crate) fn writes(&self, object: &Object, field: &Field) -> bool {
        let key = Self::key(object, field);
        if field.name == TANDEM_KEY
            && !self.all
            && !self.user.opened_for_edit.contains(&key)
            && !self.knobs.keys.get(object.name).is_some_and(|k| k.everyone)
        {
            return false;
        }
        self.sees(object, field)
            && (self.all || !(self.knobs.read_only.contains(&key) || self.user.read_only.contains(&key)))
    }

    /// The field of that name, if there is one for this user.
    pub(crate) fn field<'o>(&self, object: &'o Object, name: &str) -> Option<&'o Field> {
        object.field(name).filter(|f| self.sees(object, f))
    }

    /// An object that this organisation has.
    pub(crate) fn object(&self, name: &str) -> Option<&'a Object> {
        self.schema.object(name).filter(|o| self.has(o.needs))
    }

    /// The object of these ids, if this organisation has it.
    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<&'a Object> {
        self.schema.by_prefix(prefix).filter(|o| self.has(o.needs))
    }

    /// Whether the user can insert rows.
    pub(crate) fn creates(&self, object: &Object) -> bool {
        object.is_writable()
            && object.name != "ContentDocument"
            && (object.name != "EmailMessage" || self.knobs.enhanced_email || self.all)
    }

    /// Whether a new row must have a value in this field.
    pub(crate) fn requires(&self, field: &Field) -> bool {
        if field.name == DEMANDED {
            return !self.all;
        }
        field.is_required()
    }

    /// Whether a text compares by case.
    pub(crate) fn is_exact(&self, object: &Object, field: &Field) -> bool {
        field.is_exact()
            || (field.name == TANDEM_KEY && self.knobs.keys.get(object.name).is_some_and(|k| k.exact))
    }

    /// The values of a picklist, and whether it takes no others.
    pub(crate) fn choices(&self, object: &Object, field: &Field) -> (Vec<Choice>, bool) {
        if let Some(own) = self.knobs.picklists.get(&Self::key(object, field)) {
            return (own.clone(), true);
        }
        let values = match field.kind {
            Kind::Picklist(values) => values,
            _ => &[],
        };
        let choice = |value: &&str| Choice {
            value: (*value).to_owned(),
            closed: *value == "Completed",
            default: field.initial == Some(*value),
        };
        (values.iter().map(choice).collect(), field.restricted)
    }

    fn sharing(&self, object: &Object, id: &Id, fields: &Fields) -> Sharing {
        let owner = fields.get("OwnerId").and_then(Val::as_text);
        if self.all
            || !object.is_owned()
            || owner == Some(self.user.id.as_str())
            || self.knobs.public.contains(id)
        {
            return Sharing::ReadWrite;
        }
        self.knobs
            .sharing
            .get(object.name)
            .copied()
            .unwrap_or(Sharing::ReadWrite)
    }

    pub(crate) fn reads_row(&self, object: &Object, id: &Id, fields: &Fields) -> bool {
        self.user.view_all || self.sharing(object, id, fields) != Sharing::Private
    }

    pub(crate) fn edits_row(&self, object: &Object, id: &Id, fields: &Fields) -> bool {
        self.sharing(object, id, fields) == Sharing::ReadWrite
    }

    /// Deleting is for owners, also where everybody may edit.
    pub(crate) fn deletes_row(&self, object: &Object, fields: &Fields) -> bool {
        let owner = fields.get("OwnerId").and_then(Val::as_text);
        self.all || !object.is_owned() || owner == Some(self.user.id.as_str())
    }
}
