//! People and companies: contacts, accounts, leads, users, the organisation.

use super::{
    ACCOUNT, CONTACT, Field, Kind, LEAD, Object, Ops, date, demanded, flag, id, owner, phone, pick, refer,
    system, tandem_key, text, time,
};

/// The objects of this module.
pub(super) fn objects() -> Vec<Object> {
    vec![account(), contact(), lead(), user(), organization()]
}

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
        tandem_key(),
        demanded(),
    ]);
    Object::new("Contact", "Contact", "Contacts", "003", Ops::Merge, fields)
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
        demanded(),
    ]);
    fields.extend(system());
    Object::new("Account", "Account", "Accounts", "001", Ops::Merge, fields)
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
        pick("Status", "Status", STATUSES, 255).initial("Open - Not Contacted"),
        pick("Industry", "Industry", INDUSTRIES, 255),
        owner("Owner ID"),
        demanded(),
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
        refer(
            "ConvertedOpportunityId",
            "Converted Opportunity ID",
            &["Opportunity"],
            "ConvertedOpportunity",
        )
        .read_only(),
    ]);
    fields.extend(system());
    Object::new("Lead", "Lead", "Leads", "00Q", Ops::Merge, fields)
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
        refer("ProfileId", "Profile ID", &["Profile"], "Profile").read_only(),
    ];
    fields.extend(system());
    Object::new("User", "User", "Users", "005", Ops::Nothing, fields)
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
    Object::new(
        "Organization",
        "Organization",
        "Organizations",
        "00D",
        Ops::Nothing,
        fields,
    )
}
