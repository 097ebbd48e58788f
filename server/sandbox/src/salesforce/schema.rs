//! The objects and fields of the organisation, as `describe` tells them.

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
    /// Targets, and the name under which SOQL reaches them.
    Reference(&'static [&'static str], &'static str),
    /// A compound of the fields with this prefix: read only, not filterable.
    Address(&'static str),
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
        }
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
        !matches!(self.kind, Kind::Long | Kind::Address(_))
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
    /// Whether the API may create and delete rows (all can be read).
    pub(crate) writable: bool,
    pub(crate) mergeable: bool,
    pub(crate) fields: Vec<Field>,
}

impl Object {
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
}

impl Schema {
    pub(crate) fn new() -> Self {
        Self {
            objects: vec![account(), contact(), lead(), user(), organization()],
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

const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."];
const SOURCES: &[&str] = &[
    "Web",
    "Phone Inquiry",
    "Partner Referral",
    "Purchased List",
    "Other",
];
const STATUSES: &[&str] = &[
    "Open - Not Contacted",
    "Working - Contacted",
    "Closed - Converted",
    "Closed - Not Converted",
];
const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Banking",
    "Consulting",
    "Energy",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Technology",
];
const ACCOUNT_TYPES: &[&str] = &[
    "Prospect",
    "Customer - Direct",
    "Customer - Channel",
    "Partner",
    "Other",
];
const ACCURACY: &[&str] = &[
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "Zip",
    "City",
    "State",
    "Unknown",
];

const USER: &[&str] = &["User"];
const CONTACT: &[&str] = &["Contact"];
const ACCOUNT: &[&str] = &["Account"];
const LEAD: &[&str] = &["Lead"];

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

/// The parts of a person's name, which the compound `Name` shows.
fn person() -> Vec<Field> {
    vec![
        text("LastName", "Last Name", 80).required().part_of("Name"),
        text("FirstName", "First Name", 40).part_of("Name"),
        pick("Salutation", "Salutation", SALUTATIONS, 40).part_of("Name"),
        text("MiddleName", "Middle Name", 40).part_of("Name"),
        text("Suffix", "Suffix", 40).part_of("Name"),
        text("Name", "Full Name", 121).required().read_only().named(),
    ]
}

macro_rules! address {
    ($prefix:literal, $compound:literal, $label:literal) => {
        vec![
            Field::new(
                concat!($prefix, "Street"),
                concat!($label, "Street"),
                Kind::Area,
                255,
            )
            .part_of($compound),
            text(concat!($prefix, "City"), concat!($label, "City"), 40).part_of($compound),
            text(concat!($prefix, "State"), concat!($label, "State/Province"), 80).part_of($compound),
            text(
                concat!($prefix, "PostalCode"),
                concat!($label, "Zip/Postal Code"),
                20,
            )
            .part_of($compound),
            text(concat!($prefix, "Country"), concat!($label, "Country"), 80).part_of($compound),
            Field::new(
                concat!($prefix, "Latitude"),
                concat!($label, "Latitude"),
                Kind::Double,
                0,
            )
            .part_of($compound),
            Field::new(
                concat!($prefix, "Longitude"),
                concat!($label, "Longitude"),
                Kind::Double,
                0,
            )
            .part_of($compound),
            pick(
                concat!($prefix, "GeocodeAccuracy"),
                concat!($label, "Geocode Accuracy"),
                ACCURACY,
                40,
            )
            .part_of($compound),
            Field::new($compound, concat!($label, "Address"), Kind::Address($prefix), 0).read_only(),
        ]
    };
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contact.htm>
fn contact() -> Object {
    let mut fields = vec![
        id("Contact ID"),
        flag("IsDeleted", "Deleted").read_only(),
        refer("MasterRecordId", "Master Record ID", CONTACT, "MasterRecord").read_only(),
        refer("AccountId", "Account ID", ACCOUNT, "Account"),
    ];
    fields.extend(person());
    fields.extend(address!("Other", "OtherAddress", "Other "));
    fields.extend(address!("Mailing", "MailingAddress", "Mailing "));
    fields.extend([
        phone("Phone", "Business Phone"),
        phone("Fax", "Business Fax"),
        phone("MobilePhone", "Mobile Phone"),
        phone("HomePhone", "Home Phone"),
        phone("OtherPhone", "Other Phone"),
        phone("AssistantPhone", "Asst. Phone"),
        refer("ReportsToId", "Reports To ID", CONTACT, "ReportsTo"),
        Field::new("Email", "Email", Kind::Email, 80).lookup(),
        text("Title", "Title", 128),
        text("Department", "Department", 80),
        text("AssistantName", "Assistant's Name", 40),
        pick("LeadSource", "Lead Source", SOURCES, 255),
        date("Birthdate", "Birthdate"),
        Field::new("Description", "Contact Description", Kind::Long, 32_000),
        owner("Owner ID"),
        flag("HasOptedOutOfEmail", "Email Opt Out"),
        flag("DoNotCall", "Do Not Call"),
    ]);
    fields.extend(system());
    fields.extend([
        date("LastActivityDate", "Last Activity").read_only(),
        time("LastViewedDate", "Last Viewed Date"),
        text("EmailBouncedReason", "Email Bounced Reason", 255),
        Field::new("EmailBouncedDate", "Email Bounced Date", Kind::Time, 0),
        flag("IsEmailBounced", "Is Email Bounced").read_only(),
        text(TANDEM_KEY, "Tandem Key", 64).external_id(),
    ]);
    Object {
        name: "Contact",
        label: "Contact",
        plural: "Contacts",
        prefix: "003",
        writable: true,
        mergeable: true,
        fields,
    }
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_account.htm>
fn account() -> Object {
    let mut fields = vec![
        id("Account ID"),
        flag("IsDeleted", "Deleted").read_only(),
        refer("MasterRecordId", "Master Record ID", ACCOUNT, "MasterRecord").read_only(),
        text("Name", "Account Name", 255).required().named(),
        pick("Type", "Account Type", ACCOUNT_TYPES, 255),
        refer("ParentId", "Parent Account ID", ACCOUNT, "Parent"),
    ];
    fields.extend(address!("Billing", "BillingAddress", "Billing "));
    fields.extend([
        phone("Phone", "Account Phone"),
        phone("Fax", "Account Fax"),
        Field::new("Website", "Website", Kind::Url, 255),
        pick("Industry", "Industry", INDUSTRIES, 255),
        Field::new("Description", "Account Description", Kind::Long, 32_000),
        owner("Owner ID"),
    ]);
    fields.extend(system());
    Object {
        name: "Account",
        label: "Account",
        plural: "Accounts",
        prefix: "001",
        writable: true,
        mergeable: true,
        fields,
    }
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_lead.htm>
fn lead() -> Object {
    let mut fields = vec![
        id("Lead ID"),
        flag("IsDeleted", "Deleted").read_only(),
        refer("MasterRecordId", "Master Record ID", LEAD, "MasterRecord").read_only(),
    ];
    fields.extend(person());
    fields.extend([
        text("Title", "Title", 128),
        text("Company", "Company", 255).required(),
    ]);
    fields.extend(address!("", "Address", ""));
    fields.extend([
        phone("Phone", "Phone"),
        phone("MobilePhone", "Mobile Phone"),
        phone("Fax", "Fax"),
        Field::new("Email", "Email", Kind::Email, 80).lookup(),
        Field::new("Website", "Website", Kind::Url, 255),
        Field::new("Description", "Description", Kind::Long, 32_000),
        pick("LeadSource", "Lead Source", SOURCES, 255),
        pick("Status", "Status", STATUSES, 255).defaulted(),
        pick("Industry", "Industry", INDUSTRIES, 255),
        owner("Owner ID"),
        flag("IsConverted", "Converted").read_only(),
        date("ConvertedDate", "Converted Date").read_only(),
        refer(
            "ConvertedAccountId",
            "Converted Account ID",
            ACCOUNT,
            "ConvertedAccount",
        )
        .read_only(),
        refer(
            "ConvertedContactId",
            "Converted Contact ID",
            CONTACT,
            "ConvertedContact",
        )
        .read_only(),
    ]);
    fields.extend(system());
    Object {
        name: "Lead",
        label: "Lead",
        plural: "Leads",
        prefix: "00Q",
        writable: true,
        mergeable: true,
        fields,
    }
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_user.htm>
fn user() -> Object {
    let mut fields = vec![
        id("User ID"),
        text("Username", "Username", 80).required().read_only().lookup(),
        text("LastName", "Last Name", 80)
            .required()
            .read_only()
            .part_of("Name"),
        text("FirstName", "First Name", 40).read_only().part_of("Name"),
        text("Name", "Full Name", 121).required().read_only().named(),
        text("CompanyName", "Company Name", 80).read_only(),
        Field::new("Email", "Email", Kind::Email, 128)
            .required()
            .read_only()
            .lookup(),
        text("Alias", "Alias", 8).required().read_only(),
        flag("IsActive", "Active").read_only(),
        text("TimeZoneSidKey", "Time Zone", 40).required().read_only(),
        text("LocaleSidKey", "Locale", 40).required().read_only(),
        text("UserType", "User Type", 40).read_only(),
    ];
    fields.extend(system());
    Object {
        name: "User",
        label: "User",
        plural: "Users",
        prefix: "005",
        writable: false,
        mergeable: false,
        fields,
    }
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_organization.htm>
fn organization() -> Object {
    let mut fields = vec![
        id("Organization ID"),
        text("Name", "Name", 80).required().read_only().named(),
        text("PrimaryContact", "Primary Contact", 80).read_only(),
        text("DefaultLocaleSidKey", "Locale", 40).required().read_only(),
        text("TimeZoneSidKey", "Time Zone", 40).required().read_only(),
        text("LanguageLocaleKey", "Language", 40).required().read_only(),
        text("OrganizationType", "Edition", 40).read_only(),
        text("InstanceName", "Instance Name", 5).read_only(),
        flag("IsSandbox", "Is Sandbox").read_only(),
    ];
    fields.extend(system());
    Object {
        name: "Organization",
        label: "Organization",
        plural: "Organizations",
        prefix: "00D",
        writable: false,
        mergeable: false,
        fields,
    }
}
