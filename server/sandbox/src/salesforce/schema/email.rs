//! Emails, who wrote and got them, and files.

use super::{
    Field, Kind, Needs, Object, Ops, PEOPLE, USER, WHAT, demanded, flag, id, owner, pick, refer, system,
    tandem_key, text, time,
};

/// New, read, replied, sent, forwarded, draft.
const STATUSES: &[&str] = &["0", "1", "2", "3", "4", "5"];
const RELATION_TYPES: &[&str] = &[
    "ToAddress",
    "CcAddress",
    "BccAddress",
    "FromAddress",
    "OtherAddress",
];
/// How an email came here.
const SOURCES: &[&str] = &["Manual", "EmailToCase", "EinsteinActivityCapture"];
const SHARE_TYPES: &[&str] = &["V", "C", "I"];
const VISIBILITIES: &[&str] = &["AllUsers", "InternalUsers", "SharedUsers"];
const ORIGINS: &[&str] = &["C", "H"];
const TASK: &[&str] = &["Task"];
const DOCUMENT: &[&str] = &["ContentDocument"];
/// What a file can be attached to.
const LINKED: &[&str] = &[
    "User",
    "Contact",
    "Lead",
    "Account",
    "Opportunity",
    "Case",
    "Event",
    "Task",
    "EmailMessage",
    "Organization",
];

/// The objects of this module.
pub(super) fn objects() -> Vec<Object> {
    vec![
        email_message(),
        email_message_relation(),
        content_version(),
        content_document(),
        content_document_link(),
    ]
}

fn ids(name: &'static str, label: &'static str, to: &'static [&'static str]) -> Field {
    Field::new(name, label, Kind::Junction(to), 0).needs(Needs::EnhancedEmail)
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_emailmessage.htm>
fn email_message() -> Object {
    let mut fields = vec![
        id("Email Message ID"),
        refer("ParentId", "Case ID", &["Case"], "Parent").create_only(),
        refer("ActivityId", "Activity ID", TASK, "Activity").create_only(),
        text("Subject", "Subject", 3_000).named(),
        Field::new("TextBody", "Text Body", Kind::Long, 131_072),
        Field::new("HtmlBody", "HTML Body", Kind::Long, 131_072),
        Field::new("Headers", "Headers", Kind::Long, 32_000),
        text("FromName", "From Name", 1_000),
        text("FromAddress", "From Address", 1_000),
        text("ToAddress", "To Address", 4_000),
        text("CcAddress", "CC Address", 4_000),
        text("BccAddress", "BCC Address", 4_000),
        ids("ToIds", "To IDs", PEOPLE),
        ids("CcIds", "CC IDs", PEOPLE),
        ids("BccIds", "BCC IDs", PEOPLE),
        flag("Incoming", "Is Incoming").create_only(),
        flag("HasAttachment", "Has Attachment").read_only(),
        pick("Status", "Status", STATUSES, 40).initial("0").restricted(),
        Field::new("MessageDate", "Message Date", Kind::Time, 0),
        refer(
            "ReplyToEmailMessageId",
            "Email Message ID",
            &["EmailMessage"],
            "ReplyToEmailMessage",
        )
        .create_only(),
        flag("IsExternallyVisible", "Is Externally Visible"),
        text("MessageIdentifier", "Message ID", 765),
        text("ThreadIdentifier", "Thread ID", 765),
        flag("IsClientManaged", "Is Client Managed").needs(Needs::EnhancedEmail),
        refer("RelatedToId", "Related To ID", WHAT, "RelatedTo").needs(Needs::EnhancedEmail),
        refer("FromId", "From ID", PEOPLE, "From")
            .create_only()
            .needs(Needs::EnhancedEmail),
        pick("Source", "Source", SOURCES, 40)
            .restricted()
            .by_control()
            .needs(Needs::EnhancedEmail),
        flag("IsDeleted", "Deleted").read_only(),
        tandem_key(),
        demanded(),
    ];
    fields.extend(system());
    Object::new(
        "EmailMessage",
        "Email Message",
        "Email Messages",
        "02s",
        Ops::All,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_emailmessagerelation.htm>
fn email_message_relation() -> Object {
    let mut fields = vec![
        id("Email Message Relation ID"),
        refer(
            "EmailMessageId",
            "Email Message ID",
            &["EmailMessage"],
            "EmailMessage",
        )
        .required()
        .create_only(),
        refer("RelationId", "Relation ID", PEOPLE, "Relation").create_only(),
        pick("RelationType", "Relation Type", RELATION_TYPES, 40)
            .required()
            .restricted()
            .create_only(),
        text("RelationAddress", "Relation Address", 255).create_only(),
        text("RelationObjectType", "Relation Object Type", 40).read_only(),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "EmailMessageRelation",
        "Email Message Relation",
        "Email Message Relations",
        "0e1",
        Ops::Fixed,
        fields,
    )
    .needs(Needs::EnhancedEmail)
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentversion.htm>
fn content_version() -> Object {
    let mut fields = vec![
        id("ContentVersion ID"),
        refer(
            "ContentDocumentId",
            "ContentDocument ID",
            DOCUMENT,
            "ContentDocument",
        )
        .create_only(),
        text("Title", "Title", 255).named(),
        text("Description", "Description", 1_000),
        text("PathOnClient", "Path On Client", 500)
            .required()
            .create_only(),
        Field::new("VersionData", "Version Data", Kind::Blob, 0)
            .required()
            .create_only(),
        refer(
            "FirstPublishLocationId",
            "First Publish Location ID",
            LINKED,
            "FirstPublishLocation",
        )
        .create_only(),
        pick("Origin", "Content Origin", ORIGINS, 40)
            .initial("H")
            .restricted()
            .create_only(),
        text("VersionNumber", "Version Number", 20).read_only(),
        text("FileExtension", "File Extension", 40).read_only(),
        text("FileType", "File Type", 20).read_only(),
        Field::new("ContentSize", "Size", Kind::Int, 0).read_only(),
        flag("IsLatest", "Is Latest").read_only(),
        refer("OwnerId", "Owner ID", USER, "Owner")
            .defaulted()
            .create_only(),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    // Versions go with their document.
    Object::new(
        "ContentVersion",
        "Content Version",
        "Content Versions",
        "068",
        Ops::Fixed,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentdocument.htm>
fn content_document() -> Object {
    let mut fields = vec![
        id("ContentDocument ID"),
        text("Title", "Title", 255).read_only().named(),
        text("FileExtension", "File Extension", 40).read_only(),
        text("FileType", "File Type", 20).read_only(),
        Field::new("ContentSize", "Size", Kind::Int, 0).read_only(),
        refer(
            "LatestPublishedVersionId",
            "Latest Published Version ID",
            &["ContentVersion"],
            "LatestPublishedVersion",
        )
        .read_only(),
        refer("ParentId", "Parent ID", &["ContentVersion"], "Parent").read_only(),
        owner("Owner ID").read_only(),
        flag("IsDeleted", "Deleted").read_only(),
        time("ContentModifiedDate", "Content Modified Date"),
    ];
    fields.extend(system());
    Object::new(
        "ContentDocument",
        "Content Document",
        "Content Documents",
        "069",
        Ops::All,
        fields,
    )
}

/// <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentdocumentlink.htm>
fn content_document_link() -> Object {
    let mut fields = vec![
        id("ContentDocumentLink ID"),
        refer("LinkedEntityId", "Linked Entity ID", LINKED, "LinkedEntity")
            .required()
            .create_only(),
        refer(
            "ContentDocumentId",
            "ContentDocument ID",
            DOCUMENT,
            "ContentDocument",
        )
        .required()
        .create_only(),
        pick("ShareType", "Share Type", SHARE_TYPES, 40)
            .initial("V")
            .restricted(),
        pick("Visibility", "Visibility", VISIBILITIES, 40)
            .initial("AllUsers")
            .restricted(),
        flag("IsDeleted", "Deleted").read_only(),
    ];
    fields.extend(system());
    Object::new(
        "ContentDocumentLink",
        "Content Document Link",
        "Content Document Links",
        "06A",
        Ops::Junction,
        fields,
    )
}
