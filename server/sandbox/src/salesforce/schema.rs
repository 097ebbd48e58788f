//! The objects and fields of the organisation, as `describe` tells them.

mod activity;
mod email;
mod people;
mod sales;
mod setup;

use std::collections::BTreeSet;

/// How a field behaves on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    Text,
    /// Text with line breaks.
    Area,
    /// A long text area: not filterable, not sortable.
    Long,
    Phone,
    Email,
    Url,
    Picklist(&'static [&'static str]),
    Bool,
    Date,
    Time,
    Double,
    Int,
    /// A file's content: base64 on the way in, an address on the way out.
    Blob,
    /// A list of ids that stands for rows of a junction object.
    Junction(&'static [&'static str]),
    /// Targets, and the name under which SOQL reaches them.
    Reference(&'static [&'static str], &'static str),
    /// A compound of the fields with this prefix: read only, not filterable.
    Address(&'static str),
}

/// What an organisation must have for an object or a field to exist there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// Enhanced Email.
    EnhancedEmail,
    /// Shared Activities: several contacts for one event or task.
    SharedActivities,
    /// Record types of events and tasks.
    RecordTypes,
    /// Only the Tooling API knows it.
    Tooling,
}

/// What the API lets users do with the rows of an object, beyond reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ops {
    Nothing,
    /// Create, update, delete, undelete.
    All,
    /// All of that, and merge.
    Merge,
    /// Create, update and delete, but nothing comes back from the bin.
    Junction,
    /// Create and delete.
    Fixed,
    /// Create, update and delete, by those who may customise the organisation.
    Setup,
}

/// One field.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the properties that describe tells"
)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    /// Characters; 0 where the kind has no length.
    pub(crate) length: usize,
    pub(crate) create: bool,
    pub(crate) update: bool,
    pub(crate) nillable: bool,
    pub(crate) defaulted: bool,
    pub(crate) external: bool,
    pub(crate) unique: bool,
    pub(crate) lookup: bool,
    pub(crate) names: bool,
    pub(crate) compound: Option<&'static str>,
    /// The value of a new row that does not say.
    pub(crate) initial: Option<&'static str>,
    /// A picklist that takes only its own values.
    pub(crate) restricted: bool,
    pub(crate) needs: Needs,
    /// The API cannot write it, but the control API can: as the user interface or another product would.
    pub(crate) control: bool,
}

impl Field {
    fn new(name: &'static str, label: &'static str, kind: Kind, length: usize) -> Self {
        Self {
            name,
            label,
            kind,
            length,
            create: true,
            update: true,
            nillable: true,
            defaulted: false,
            external: false,
            unique: false,
            lookup: false,
            names: false,
            compound: None,
            initial: None,
            restricted: false,
            needs: Needs::Nothing,
            control: false,
        }
    }

    fn initial(mut self, value: &'static str) -> Self {
        self.initial = Some(value);
        self.defaulted()
    }

    fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    fn create_only(mut self) -> Self {
        self.update = false;
        self
    }

    fn by_control(mut self) -> Self {
        self.control = true;
        self.read_only()
    }

    fn required(mut self) -> Self {
        self.nillable = false;
        self
    }

    fn defaulted(mut self) -> Self {
        self.defaulted = true;
        self.nillable = false;
        self
    }

    fn read_only(mut self) -> Self {
        self.create = false;
        self.update = false;
        self
    }

    fn lookup(mut self) -> Self {
        self.lookup = true;
        self
    }

    fn named(mut self) -> Self {
        self.names = true;
        self
    }

    fn part_of(mut self, compound: &'static str) -> Self {
        self.compound = Some(compound);
        self
    }

    fn external_id(mut self) -> Self {
        self.external = true;
        self.unique = true;
        self.lookup = true;
        self
    }

    /// Whether an insert fails without it.
    pub(crate) fn is_required(&self) -> bool {
        self.create && !self.nillable && !self.defaulted
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub(crate) fn is_filterable(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Long | Kind::Address(_) | Kind::Blob | Kind::Junction(_)
        )
    }

    /// Whether text of it compares by case.
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self.kind, Kind::Id | Kind::Reference(..))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(
            self.kind,
            Kind::Text | Kind::Area | Kind::Long | Kind::Phone | Kind::Email | Kind::Url | Kind::Picklist(_)
        )
    }

    /// `type` of describe.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Id => "id",
            Kind::Text => "string",
            Kind::Area | Kind::Long => "textarea",
            Kind::Phone => "phone",
            Kind::Email => "email",
            Kind::Url => "url",
            Kind::Picklist(_) => "picklist",
            Kind::Bool => "boolean",
            Kind::Date => "date",
            Kind::Time => "datetime",
            Kind::Double => "double",
            Kind::Int => "int",
            Kind::Blob => "base64",
            Kind::Junction(_) => "junctionidlist",
            Kind::Reference(..) => "reference",
            Kind::Address(_) => "address",
        }
    }
}

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) ops: Ops,
    pub(crate) needs: Needs,
    /// Whose rows it shows: its own, or some of another object's.
    pub(crate) table: &'static str,
    pub(crate) fields: Vec<Field>,
}

impl Object {
    fn new(
        name: &'static str,
        label: &'static str,
        plural: &'static str,
        prefix: &'static str,
        ops: Ops,
        fields: Vec<Field>,
    ) -> Self {
        Self {
            name,
            label,
            plural,
            prefix,
            ops,
            needs: Needs::Nothing,
            table: name,
            fields,
        }
    }

    fn needs(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }

    fn rows_of(mut self, table: &'static str) -> Self {
        self.table = table;
        self
    }

    /// Whether rows can be created and deleted at all.
    pub(crate) fn is_writable(&self) -> bool {
        self.ops != Ops::Nothing
    }

    /// Whether rows can be changed.
    pub(crate) fn is_updatable(&self) -> bool {
        self.is_writable() && self.ops != Ops::Fixed
    }

    /// Whether deleted rows come back from the bin by themselves.
    pub(crate) fn is_undeletable(&self) -> bool {
        matches!(self.ops, Ops::All | Ops::Merge)
    }

    pub(crate) fn is_mergeable(&self) -> bool {
        self.ops == Ops::Merge
    }

    /// The field that names a row.
    pub(crate) fn name_field(&self) -> Option<&Field> {
        self.fields.iter().find(|f| f.names)
    }

    /// Events and tasks.
    pub(crate) fn is_activity(&self) -> bool {
        matches!(self.name, "Event" | "Task")
    }

    /// By name, without regard to case.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))
    }

    /// The reference field that SOQL knows by this relationship name.
    pub(crate) fn relation(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|f| matches!(f.kind, Kind::Reference(_, relation) if relation.eq_ignore_ascii_case(name)))
    }

    /// Objects whose rows have an owner that sharing looks at.
    pub(crate) fn is_owned(&self) -> bool {
        self.field("OwnerId").is_some()
    }

    /// Objects whose name is put together from its parts.
    pub(crate) fn is_person(&self) -> bool {
        self.field("LastName").is_some()
    }
}

/// Field names that somebody may not see or not write: `contact.phone`.
pub(crate) type FieldSet = BTreeSet<String>;

/// All objects.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) objects: Vec<Object>,
    /// What SOQL shows of a reference that may lead to several objects.
    pub(crate) name: Object,
}

impl Schema {
    pub(crate) fn new() -> Self {
        let mut objects = people::objects();
        objects.extend(activity::objects());
        objects.extend(email::objects());
        objects.extend(sales::objects());
        objects.extend(setup::objects());
        Self {
            objects,
            name: setup::name(),
        }
    }

    /// By name, without regard to case.
    pub(crate) fn object(&self, name: &str) -> Option<&Object> {
        self.objects.iter().find(|o| o.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<&Object> {
        self.objects.iter().find(|o| o.prefix == prefix)
    }
}

/// The custom external id that `tandem salesforce install` brings.
pub(crate) const TANDEM_KEY: &str = "Tandem_Key__c";
/// A custom field that an organisation may demand of each new row.
pub(crate) const DEMANDED: &str = "Region__c";

fn tandem_key() -> Field {
    text(TANDEM_KEY, "Tandem Key", 64).external_id()
}

fn demanded() -> Field {
    text(DEMANDED, "Region", 80)
}

const USER: &[&str] = &["User"];
const CONTACT: &[&str] = &["Contact"];
const ACCOUNT: &[&str] = &["Account"];
const LEAD: &[&str] = &["Lead"];
const WHO: &[&str] = &["Contact", "Lead"];
const WHAT: &[&str] = &["Account", "Opportunity", "Case"];
const PEOPLE: &[&str] = &["Contact", "Lead", "User"];

fn text(name: &'static str, label: &'static str, length: usize) -> Field {
    Field::new(name, label, Kind::Text, length)
}

fn phone(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Phone, 40)
}

fn flag(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Bool, 0).defaulted()
}

fn time(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Time, 0).read_only()
}

fn date(name: &'static str, label: &'static str) -> Field {
    Field::new(name, label, Kind::Date, 0)
}

fn pick(name: &'static str, label: &'static str, values: &'static [&'static str], length: usize) -> Field {
    Field::new(name, label, Kind::Picklist(values), length)
}

fn refer(
    name: &'static str,
    label: &'static str,
    to: &'static [&'static str],
    relation: &'static str,
) -> Field {
    Field::new(name, label, Kind::Reference(to, relation), 18)
}

fn id(object_label: &'static str) -> Field {
    Field::new("Id", object_label, Kind::Id, 18)
        .required()
        .defaulted()
        .read_only()
        .lookup()
}

fn owner(label: &'static str) -> Field {
    refer("OwnerId", label, USER, "Owner").defaulted()
}

/// Created and modified, as every object has them.
fn system() -> Vec<Field> {
    vec![
        time("CreatedDate", "Created Date").defaulted(),
        refer("CreatedById", "Created By ID", USER, "CreatedBy")
            .defaulted()
            .read_only(),
        time("LastModifiedDate", "Last Modified Date").defaulted(),
        refer("LastModifiedById", "Last Modified By ID", USER, "LastModifiedBy")
            .defaulted()
            .read_only(),
        time("SystemModstamp", "System Modstamp").defaulted(),
    ]
}
