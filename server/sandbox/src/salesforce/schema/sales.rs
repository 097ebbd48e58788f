//! What activities are about: opportunities and cases.

use super::{
    ACCOUNT, CONTACT, Field, Kind, Object, Ops, date, demanded, flag, id, owner, pick, refer, system, text,
};

/// Stages of an opportunity.
const STAGES: &[&str] = &[
    "Prospecting",
    "Qualification",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
];
const ROLES: &[&str] = &[
    "Business User",
    "Decision Maker",
    "Economic Buyer",
    "Evaluator",
    "Executive Sponsor",
    "Influencer",
    "Other",
];
const CASE_STATUSES: &[&str] = &["New", "Working", "Escalated", "Closed"];
const CASE_ORIGINS: &[&str] = &["Phone", "Email", "Web"];
const CASE_PRIORITIES: &[&str] = &["High", "Medium", "Low"];

/// The objects of this module.
pub(super) fn objects() -> Vec<Object> {
    vec![opportunity(), opportunity_contact_role(), case()]
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunity.htm>
fn opportunity() -> Object {
    let mut fields = vec![
        id("Opportunity ID"),
        flag("IsDeleted", "Deleted").read_only(),
        refer("AccountId", "Account ID", ACCOUNT, "Account"),
        text("Name", "Name", 120).required().named(),
        Field::new("Description", "Description", Kind::Long, 32_000),
        pick("StageName", "Stage", STAGES, 255).required(),
        Field::new("Amount", "Amount", Kind::Double, 0),
        date("CloseDate", "Close Date").required(),
        flag("IsClosed", "Closed").read_only(),
        flag("IsWon", "Won").read_only(),
        owner("Owner ID"),
        demanded(),
    ];
    fields.extend(system());
    Object::new(
        "Opportunity",
        "Opportunity",
        "Opportunities",
        "006",
        Ops::All,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_opportunitycontactrole.htm>
fn opportunity_contact_role() -> Object {
    let mut fields = vec![
        id("Contact Role ID"),
        refer("OpportunityId", "Opportunity ID", &["Opportunity"], "Opportunity")
            .required()
            .create_only(),
        refer("ContactId", "Contact ID", CONTACT, "Contact").required(),
        pick("Role", "Role", ROLES, 255),
        flag("IsPrimary", "Primary"),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "OpportunityContactRole",
        "Opportunity Contact Role",
        "Opportunity Contact Roles",
        "00K",
        Ops::Junction,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_case.htm>
fn case() -> Object {
    let mut fields = vec![
        id("Case ID"),
        flag("IsDeleted", "Deleted").read_only(),
        text("CaseNumber", "Case Number", 30).read_only().lookup().named(),
        refer("ContactId", "Contact ID", CONTACT, "Contact"),
        refer("AccountId", "Account ID", ACCOUNT, "Account"),
        text("SuppliedEmail", "Web Email", 80),
        pick("Status", "Status", CASE_STATUSES, 255).initial("New"),
        pick("Origin", "Case Origin", CASE_ORIGINS, 255),
        pick("Priority", "Priority", CASE_PRIORITIES, 255).initial("Medium"),
        text("Subject", "Subject", 255),
        Field::new("Description", "Description", Kind::Long, 32_000),
        flag("IsClosed", "Closed").read_only(),
        owner("Owner ID"),
        demanded(),
    ];
    fields.extend(system());
    Object::new("Case", "Case", "Cases", "500", Ops::All, fields)
}
