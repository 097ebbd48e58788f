//! Who may see and change what: field security, sharing, the organisation's own rules.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::ids::Id;
use super::rows::Fields;
use super::schema::{Field, FieldSet, Object, Schema, TANDEM_KEY};
use super::soql::{Chars, is_like};
use super::value::Val;

/// A user of the organisation.
#[derive(Clone, Debug)]
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

/// The organisation's settings.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of the setup pages"
)]
pub(crate) struct Knobs {
    pub(crate) tandem_key: bool,
    pub(crate) duplicate_rule: bool,
    pub(crate) rule: Option<Rule>,
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
    pub(crate) fn new(tandem_key: bool) -> Self {
        Self {
            tandem_key,
            duplicate_rule: false,
            rule: None,
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
        json!({
            "tandem_key": self.tandem_key,
            "duplicate_rule": self.duplicate_rule,
            "validation_rule": self.rule.as_ref().map(|r| json!({
                "object": r.object, "field": r.field, "message": r.message,
            })),
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

    pub(crate) fn sees(&self, object: &Object, field: &Field) -> bool {
        if field.name == TANDEM_KEY && !self.knobs.tandem_key {
            return false;
        }
        let key = Self::key(object, field);
        self.all || !(self.knobs.hidden.contains(&key) || self.user.hidden.contains(&key))
    }

    /// Whether field security lets the user write a field that can be written at all.
    pub(crate) fn writes(&self, object: &Object, field: &Field) -> bool {
        let key = Self::key(object, field);
        self.sees(object, field)
            && (self.all || !(self.knobs.read_only.contains(&key) || self.user.read_only.contains(&key)))
    }

    /// The field of that name, if there is one for this user.
    pub(crate) fn field<'o>(&self, object: &'o Object, name: &str) -> Option<&'o Field> {
        object.field(name).filter(|f| self.sees(object, f))
    }

    pub(crate) fn object(&self, name: &str) -> Option<&'a Object> {
        self.schema.object(name)
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
        self.sharing(object, id, fields) != Sharing::Private
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
