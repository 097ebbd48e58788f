//! The properties of items, in the order of the schema, and the paths by which requests name them.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/item> and the pages of Contact,
//! CalendarItem, Task and Message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Fail;
use super::xml::{Element, wrap};
use super::zones::Zone;

/// How a property is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool,
    Int,
    Date,
    OneOf(&'static [&'static str]),
    Strings,
    Body,
    Emails,
    Phones,
    Ims,
    Addresses,
    CompleteName,
    Id,
    Rights,
    Extended,
    Double,
    Base64,
    /// `MimeContent`.
    Mime,
    Attachments,
    Headers,
    /// `ConversationId`.
    Conversation,
    /// One mailbox.
    Person,
    /// `ToRecipients` and the like.
    People,
    Attendees,
    /// `Recurrence` of an event.
    Recurrence,
    /// `Recurrence` of a task.
    TaskRecurrence,
    Zone,
    /// `FirstOccurrence`, `LastOccurrence`.
    Occurrence,
    /// `ModifiedOccurrences`, `DeletedOccurrences`.
    Occurrences,
    /// Computed, and only written when it is asked for by name: older schemas do not know it.
    LateBool,
    /// Known, and no item of the sandbox ever has it.
    Absent,
}

/// Which items have a property, and how its field address starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Item,
    Contact,
    Event,
    Task,
    Message,
}

impl Of {
    fn prefix(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Contact => "contacts",
            Self::Event => "calendar",
            Self::Task => "task",
            Self::Message => "message",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Prop {
    /// The name of the element.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether clients may write it.
    pub(crate) writable: bool,
    pub(crate) of: Of,
}

const fn row(of: Of, name: &'static str, kind: Kind, writable: bool) -> Prop {
    Prop {
        name,
        kind,
        writable,
        of,
    }
}
const fn item(name: &'static str, kind: Kind, writable: bool) -> Prop {
    row(Of::Item, name, kind, writable)
}
const fn contact(name: &'static str, kind: Kind, writable: bool) -> Prop {
    row(Of::Contact, name, kind, writable)
}
const fn event(name: &'static str, kind: Kind, writable: bool) -> Prop {
    row(Of::Event, name, kind, writable)
}
const fn task(name: &'static str, kind: Kind, writable: bool) -> Prop {
    row(Of::Task, name, kind, writable)
}
const fn message(name: &'static str, kind: Kind, writable: bool) -> Prop {
    row(Of::Message, name, kind, writable)
}
const fn absent(name: &'static str) -> Prop {
    row(Of::Item, name, Kind::Absent, false)
}
const fn absent_contact(name: &'static str) -> Prop {
    row(Of::Contact, name, Kind::Absent, false)
}
const fn absent_event(name: &'static str) -> Prop {
    row(Of::Event, name, Kind::Absent, false)
}

pub(crate) const SENSITIVITIES: &[&str] = &["Normal", "Personal", "Private", "Confidential"];
pub(crate) const FREE_BUSY: &[&str] = &["Free", "Tentative", "Busy", "OOF", "WorkingElsewhere", "NoData"];
pub(crate) const TASK_STATUSES: &[&str] = &[
    "NotStarted",
    "InProgress",
    "Completed",
    "WaitingOnOthers",
    "Deferred",
];
const ITEM_TYPES: &[&str] = &["Single", "Occurrence", "Exception", "RecurringMaster"];
pub(crate) const ANSWERS: &[&str] = &[
    "Unknown",
    "Organizer",
    "Tentative",
    "Accept",
    "Decline",
    "NoResponseReceived",
];
const FILE_AS: &[&str] = &[
    "None",
    "LastCommaFirst",
    "FirstSpaceLast",
    "Company",
    "LastCommaFirstCompany",
    "CompanyLastFirst",
    "LastFirst",
    "LastFirstCompany",
    "CompanyLastCommaFirst",
    "LastFirstSuffix",
    "LastSpaceFirstCompany",
    "CompanyLastSpaceFirst",
    "LastSpaceFirst",
    "DisplayName",
    "FirstName",
    "LastFirstMiddleSuffix",
    "LastName",
    "Empty",
];

/// All of `t:ItemType`, then what each kind of item adds to it, in the schema's order.
pub(crate) static PROPS: &[Prop] = &[
    item("MimeContent", Kind::Mime, true),
    item("ItemId", Kind::Id, false),
    item("ParentFolderId", Kind::Id, false),
    item("ItemClass", Kind::Text, true),
    item("Subject", Kind::Text, true),
    item("Sensitivity", Kind::OneOf(SENSITIVITIES), true),
    item("Body", Kind::Body, true),
    item("Attachments", Kind::Attachments, false),
    item("DateTimeReceived", Kind::Date, false),
    item("Size", Kind::Int, false),
    item("Categories", Kind::Strings, true),
    item("Importance", Kind::OneOf(&["Low", "Normal", "High"]), true),
    item("InReplyTo", Kind::Text, true),
    item("IsSubmitted", Kind::Bool, false),
    item("IsDraft", Kind::Bool, false),
    item("IsFromMe", Kind::Bool, false),
    item("IsResend", Kind::Bool, false),
    item("IsUnmodified", Kind::Bool, false),
    item("InternetMessageHeaders", Kind::Headers, false),
    item("DateTimeSent", Kind::Date, false),
    item("DateTimeCreated", Kind::Date, false),
    absent("ResponseObjects"),
    item("ReminderDueBy", Kind::Date, true),
    item("ReminderIsSet", Kind::Bool, true),
    absent("ReminderNextTime"),
    item("ReminderMinutesBeforeStart", Kind::Int, true),
    item("DisplayCc", Kind::Text, false),
    item("DisplayTo", Kind::Text, false),
    absent("DisplayBcc"),
    item("HasAttachments", Kind::Bool, false),
    item("ExtendedProperty", Kind::Extended, true),
    item("Culture", Kind::Text, true),
    item("EffectiveRights", Kind::Rights, false),
    item("LastModifiedName", Kind::Text, false),
    item("LastModifiedTime", Kind::Date, false),
    item("IsAssociated", Kind::Bool, false),
    absent("WebClientReadFormQueryString"),
    absent("WebClientEditFormQueryString"),
    item("ConversationId", Kind::Conversation, false),
    absent("UniqueBody"),
    absent("Flag"),
    absent("StoreEntryId"),
    absent("InstanceKey"),
    absent("NormalizedBody"),
    absent("EntityExtractionResult"),
    absent("PolicyTag"),
    absent("ArchiveTag"),
    absent("RetentionDate"),
    absent("Preview"),
    absent("RightsManagementLicenseData"),
    absent("PredictedActionReasons"),
    absent("IsClutter"),
    absent("BlockStatus"),
    absent("HasBlockedImages"),
    absent("TextBody"),
    absent("IconIndex"),
    contact("FileAs", Kind::Text, true),
    contact("FileAsMapping", Kind::OneOf(FILE_AS), true),
    contact("DisplayName", Kind::Text, true),
    contact("GivenName", Kind::Text, true),
    contact("Initials", Kind::Text, true),
    contact("MiddleName", Kind::Text, true),
    contact("Nickname", Kind::Text, true),
    contact("CompleteName", Kind::CompleteName, false),
    contact("CompanyName", Kind::Text, true),
    contact("EmailAddresses", Kind::Emails, true),
    absent_contact("AbchEmailAddresses"),
    contact("PhysicalAddresses", Kind::Addresses, true),
    contact("PhoneNumbers", Kind::Phones, true),
    contact("AssistantName", Kind::Text, true),
    contact("Birthday", Kind::Date, true),
    contact("BusinessHomePage", Kind::Text, true),
    contact("Children", Kind::Strings, true),
    contact("Companies", Kind::Strings, true),
    absent_contact("ContactSource"),
    contact("Department", Kind::Text, true),
    contact("Generation", Kind::Text, true),
    contact("ImAddresses", Kind::Ims, true),
    contact("JobTitle", Kind::Text, true),
    contact("Manager", Kind::Text, true),
    contact("Mileage", Kind::Text, true),
    contact("OfficeLocation", Kind::Text, true),
    contact(
        "PostalAddressIndex",
        Kind::OneOf(&["None", "Business", "Home", "Other"]),
        true,
    ),
    contact("Profession", Kind::Text, true),
    contact("SpouseName", Kind::Text, true),
    contact("Surname", Kind::Text, true),
    contact("WeddingAnniversary", Kind::Date, true),
    contact("HasPicture", Kind::Bool, false),
    contact("PhoneticFullName", Kind::Text, true),
    contact("PhoneticFirstName", Kind::Text, true),
    contact("PhoneticLastName", Kind::Text, true),
    absent_contact("Alias"),
    absent_contact("Notes"),
    absent_contact("Photo"),
    absent_contact("UserSMIMECertificate"),
    absent_contact("MSExchangeCertificate"),
    absent_contact("DirectoryId"),
    absent_contact("ManagerMailbox"),
    absent_contact("DirectReports"),
    event("UID", Kind::Text, true),
    event("RecurrenceId", Kind::Date, false),
    event("DateTimeStamp", Kind::Date, false),
    event("Start", Kind::Date, true),
    event("End", Kind::Date, true),
    event("OriginalStart", Kind::Date, false),
    event("IsAllDayEvent", Kind::Bool, true),
    event("LegacyFreeBusyStatus", Kind::OneOf(FREE_BUSY), true),
    event("Location", Kind::Text, true),
    event("When", Kind::Text, true),
    event("IsMeeting", Kind::Bool, false),
    event("IsCancelled", Kind::Bool, false),
    event("IsRecurring", Kind::Bool, false),
    event("MeetingRequestWasSent", Kind::Bool, false),
    event("IsResponseRequested", Kind::Bool, true),
    event("CalendarItemType", Kind::OneOf(ITEM_TYPES), false),
    event("MyResponseType", Kind::OneOf(ANSWERS), false),
    event("Organizer", Kind::Person, false),
    event("RequiredAttendees", Kind::Attendees, true),
    event("OptionalAttendees", Kind::Attendees, true),
    event("Resources", Kind::Attendees, true),
    absent_event("InboxReminders"),
    absent_event("ConflictingMeetingCount"),
    absent_event("AdjacentMeetingCount"),
    absent_event("ConflictingMeetings"),
    absent_event("AdjacentMeetings"),
    event("Duration", Kind::Text, false),
    event("TimeZone", Kind::Text, false),
    event("AppointmentReplyTime", Kind::Date, false),
    event("AppointmentSequenceNumber", Kind::Int, false),
    event("AppointmentState", Kind::Int, false),
    event("Recurrence", Kind::Recurrence, true),
    event("FirstOccurrence", Kind::Occurrence, false),
    event("LastOccurrence", Kind::Occurrence, false),
    event("ModifiedOccurrences", Kind::Occurrences, false),
    event("DeletedOccurrences", Kind::Occurrences, false),
    absent_event("MeetingTimeZone"),
    event("StartTimeZone", Kind::Zone, true),
    event("EndTimeZone", Kind::Zone, true),
    event("ConferenceType", Kind::Int, true),
    event("AllowNewTimeProposal", Kind::Bool, true),
    event("IsOnlineMeeting", Kind::Bool, true),
    event("MeetingWorkspaceUrl", Kind::Text, true),
    event("NetShowUrl", Kind::Text, true),
    absent_event("EnhancedLocation"),
    absent_event("StartWallClock"),
    absent_event("EndWallClock"),
    absent_event("StartTimeZoneId"),
    absent_event("EndTimeZoneId"),
    absent_event("IntendedFreeBusyStatus"),
    absent_event("JoinOnlineMeetingUrl"),
    absent_event("OnlineMeetingSettings"),
    event("IsOrganizer", Kind::LateBool, false),
    absent_event("CalendarActivityData"),
    absent_event("DoNotForwardMeeting"),
    task("ActualWork", Kind::Int, true),
    task("AssignedTime", Kind::Date, false),
    task("BillingInformation", Kind::Text, true),
    task("ChangeCount", Kind::Int, false),
    task("Companies", Kind::Strings, true),
    task("CompleteDate", Kind::Date, true),
    task("Contacts", Kind::Strings, true),
    task("DelegationState", Kind::Text, false),
    task("Delegator", Kind::Text, false),
    task("DueDate", Kind::Date, true),
    task("IsAssignmentEditable", Kind::Int, false),
    task("IsComplete", Kind::Bool, false),
    task("IsRecurring", Kind::Bool, false),
    task("IsTeamTask", Kind::Bool, false),
    task("Mileage", Kind::Text, true),
    task("Owner", Kind::Text, false),
    task("PercentComplete", Kind::Double, true),
    task("Recurrence", Kind::TaskRecurrence, true),
    task("StartDate", Kind::Date, true),
    task("Status", Kind::OneOf(TASK_STATUSES), true),
    task("StatusDescription", Kind::Text, false),
    task("TotalWork", Kind::Int, true),
    message("Sender", Kind::Person, true),
    message("ToRecipients", Kind::People, true),
    message("CcRecipients", Kind::People, true),
    message("BccRecipients", Kind::People, true),
    message("IsReadReceiptRequested", Kind::Bool, true),
    message("IsDeliveryReceiptRequested", Kind::Bool, true),
    message("ConversationIndex", Kind::Base64, false),
    message("ConversationTopic", Kind::Text, false),
    message("From", Kind::Person, true),
    message("InternetMessageId", Kind::Text, true),
    message("IsRead", Kind::Bool, true),
    message("IsResponseRequested", Kind::Bool, true),
    message("References", Kind::Text, true),
    message("ReplyTo", Kind::People, true),
    message("ReceivedBy", Kind::Person, false),
    message("ReceivedRepresenting", Kind::Person, false),
    row(Of::Message, "ApprovalRequestData", Kind::Absent, false),
    row(Of::Message, "VotingInformation", Kind::Absent, false),
    row(Of::Message, "ReminderMessageData", Kind::Absent, false),
    row(Of::Message, "MessageSafety", Kind::Absent, false),
];

pub(crate) const EMAIL_KEYS: &[&str] = &["EmailAddress1", "EmailAddress2", "EmailAddress3"];
pub(crate) const IM_KEYS: &[&str] = &["ImAddress1", "ImAddress2", "ImAddress3"];
pub(crate) const ADDRESS_KEYS: &[&str] = &["Home", "Business", "Other"];
pub(crate) const ADDRESS_PARTS: &[&str] = &["Street", "City", "State", "CountryOrRegion", "PostalCode"];
pub(crate) const PHONE_KEYS: &[&str] = &[
    "AssistantPhone",
    "BusinessFax",
    "BusinessPhone",
    "BusinessPhone2",
    "Callback",
    "CarPhone",
    "CompanyMainPhone",
    "HomeFax",
    "HomePhone",
    "HomePhone2",
    "Isdn",
    "MobilePhone",
    "OtherFax",
    "OtherTelephone",
    "Pager",
    "PrimaryPhone",
    "RadioPhone",
    "Telex",
    "TtyTddPhone",
];
pub(crate) const HEADER_URI: &str = "item:InternetMessageHeader";
/// What `t:IndexedFieldURI` may name.
pub(crate) const INDEXED_NAMES: &[&str] = &[
    HEADER_URI,
    "contacts:EmailAddress",
    "contacts:ImAddress",
    "contacts:PhoneNumber",
    "contacts:PhysicalAddress:Street",
    "contacts:PhysicalAddress:City",
    "contacts:PhysicalAddress:State",
    "contacts:PhysicalAddress:CountryOrRegion",
    "contacts:PhysicalAddress:PostalCode",
];
pub(crate) const INDEXED_URIS: &[&str] = &[
    "contacts:EmailAddress",
    "contacts:ImAddress",
    "contacts:PhoneNumber",
    "contacts:PhysicalAddress:Street",
    "contacts:PhysicalAddress:City",
    "contacts:PhysicalAddress:State",
    "contacts:PhysicalAddress:CountryOrRegion",
    "contacts:PhysicalAddress:PostalCode",
];
pub(crate) const SET_NAMES: &[&str] = &[
    "Meeting",
    "Appointment",
    "Common",
    "PublicStrings",
    "Address",
    "InternetHeaders",
    "CalendarAssistant",
    "UnifiedMessaging",
    "Task",
    "Sharing",
];
const SET_GUIDS: &[&str] = &[
    "6ed8da90-450b-101b-98da-00aa003f1305",
    "00062002-0000-0000-c000-000000000046",
    "00062008-0000-0000-c000-000000000046",
    "00020329-0000-0000-c000-000000000046",
    "00062004-0000-0000-c000-000000000046",
    "00020386-0000-0000-c000-000000000046",
    "11000e07-b51b-40d6-af21-caa85edab1d0",
    "4442858e-a9e3-4e80-b900-317a210cc15b",
    "00062003-0000-0000-c000-000000000046",
    "00062040-0000-0000-c000-000000000046",
];
pub(crate) const MAPI_TYPES: &[&str] = &[
    "ApplicationTime",
    "ApplicationTimeArray",
    "Binary",
    "BinaryArray",
    "Boolean",
    "CLSID",
    "CLSIDArray",
    "Currency",
    "CurrencyArray",
    "Double",
    "DoubleArray",
    "Error",
    "Float",
    "FloatArray",
    "Integer",
    "IntegerArray",
    "Long",
    "LongArray",
    "Null",
    "Object",
    "ObjectArray",
    "Short",
    "ShortArray",
    "SystemTime",
    "SystemTimeArray",
    "String",
    "StringArray",
];
/// Tags that name what also has a field address: number, and element or index.
const TAGS: &[(u16, &str)] = &[
    (0x3001, "DisplayName"),
    (0x3A06, "GivenName"),
    (0x3A11, "Surname"),
    (0x3A44, "MiddleName"),
    (0x3A4F, "Nickname"),
    (0x3A05, "Generation"),
    (0x3A0A, "Initials"),
    (0x3A16, "CompanyName"),
    (0x3A17, "JobTitle"),
    (0x3A18, "Department"),
    (0x3A19, "OfficeLocation"),
    (0x3A30, "AssistantName"),
    (0x3A46, "Profession"),
    (0x3A48, "SpouseName"),
    (0x3A4E, "Manager"),
    (0x0037, "Subject"),
    (0x001A, "ItemClass"),
    (0x3A08, "BusinessPhone"),
    (0x3A09, "HomePhone"),
    (0x3A1B, "BusinessPhone2"),
    (0x3A1C, "MobilePhone"),
    (0x3A1F, "OtherTelephone"),
    (0x3A21, "Pager"),
    (0x3A24, "BusinessFax"),
    (0x3A25, "HomeFax"),
    (0x3A2E, "AssistantPhone"),
];
/// Field addresses of items and folders that are no row of [`PROPS`].
const OTHER_URIS: &[&str] = &[
    "folder:FolderId",
    "folder:ParentFolderId",
    "folder:DisplayName",
    "folder:UnreadCount",
    "folder:TotalCount",
    "folder:ChildFolderCount",
    "folder:FolderClass",
    "folder:SearchParameters",
    "folder:ManagedFolderInformation",
    "folder:PermissionSet",
    "folder:EffectiveRights",
    "folder:SharingEffectiveRights",
    "folder:DistinguishedFolderId",
    "folder:PolicyTag",
    "folder:ArchiveTag",
    "contacts:Culture",
];
/// Other kinds of items: their addresses pass the schema, no item of the sandbox has them.
const OTHER_PREFIXES: &[&str] = &[
    "postitem:",
    "meeting:",
    "meetingRequest:",
    "conversation:",
    "distributionlist:",
    "persona:",
];

/// Whether the schema lists that field address.
pub(crate) fn is_known_uri(uri: &str) -> bool {
    prop(uri).is_some() || OTHER_URIS.contains(&uri) || OTHER_PREFIXES.iter().any(|p| uri.starts_with(p))
}

/// The row of an unindexed field address.
pub(crate) fn prop(uri: &str) -> Option<&'static Prop> {
    let (prefix, name) = uri.split_once(':')?;
    PROPS.iter().find(|p| p.of.prefix() == prefix && p.name == name)
}

/// The row of an element in an item of that kind.
pub(crate) fn prop_named(of: Of, name: &str) -> Option<&'static Prop> {
    rows(of).find(|p| p.name == name)
}

/// All rows of one kind of item, in the schema's order.
pub(crate) fn rows(of: Of) -> impl Iterator<Item = &'static Prop> {
    PROPS.iter().filter(move |p| p.of == Of::Item || p.of == of)
}

impl Prop {
    /// Its field address.
    pub(crate) fn uri(&self) -> String {
        format!("{}:{}", self.of.prefix(), self.name)
    }
}

/// A MAPI property: by tag, or by set and name or number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Tag(u16),
    Name(String, String),
    Id(String, i32),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "0x{tag:04X}"),
            Self::Name(set, name) => write!(f, "{{{set}}}/{name}"),
            Self::Id(set, id) => write!(f, "{{{set}}}/0x{id:04X}"),
        }
    }
}

impl Key {
    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('{') {
            let (set, name) = rest.split_once("}/")?;
            let set = set.to_ascii_lowercase();
            return Some(match name.strip_prefix("0x") {
                Some(hex) => Self::Id(set, i32::from_str_radix(hex, 16).ok()?),
                None => Self::Name(set, name.to_owned()),
            });
        }
        tag_number(text).map(Self::Tag)
    }

    /// The element or index that this tag is another name of.
    pub(crate) fn alias(&self) -> Option<&'static str> {
        let Self::Tag(tag) = self else { return None };
        TAGS.iter().find(|(t, _)| t == tag).map(|(_, name)| *name)
    }
}

/// A property as a request names it.
#[derive(Debug, Clone)]
pub(crate) enum Path {
    Field(&'static Prop),
    /// A field address that no item has.
    Foreign(String),
    /// One entry of a dictionary: field address and index.
    Indexed(&'static str, &'static str),
    /// One header of a message.
    Header(String),
    Extended {
        key: Key,
        ty: &'static str,
        /// As the request wrote it, to be echoed.
        attrs: Vec<(String, String)>,
    },
}

impl Path {
    /// Reads `t:FieldURI`, `t:IndexedFieldURI` or `t:ExtendedFieldURI`.
    pub(crate) fn parse(element: &Element) -> Result<Self, Fail> {
        let uri = element.attr("FieldURI").unwrap_or_default();
        match element.name.as_str() {
            "FieldURI" => Ok(prop(uri).map_or_else(|| Self::Foreign(uri.to_owned()), Self::Field)),
            "IndexedFieldURI" => {
                let index = element.attr("FieldIndex").unwrap_or_default();
                if uri == HEADER_URI {
                    return Ok(Self::Header(index.to_owned()));
                }
                let keys = keys_of(uri);
                let found = INDEXED_URIS
                    .iter()
                    .find(|u| **u == uri)
                    .and_then(|u| keys.iter().find(|k| **k == index).map(|k| Self::Indexed(u, k)));
                found.ok_or_else(|| {
                    Fail::new(
                        "ErrorInvalidPropertyRequest",
                        format!("There is no {uri} with the index '{index}'."),
                    )
                })
            }
            "ExtendedFieldURI" => extended(element),
            other => Err(Fail::new(
                "ErrorInvalidPropertyRequest",
                format!("'{other}' is no path to a property."),
            )),
        }
    }

    /// The path as an element, for `MessageXml` and for extended properties in replies.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Field(prop) => wrap(out, "t:FieldURI", &[("FieldURI", &prop.uri())], ""),
            Self::Foreign(uri) => wrap(out, "t:FieldURI", &[("FieldURI", uri)], ""),
            Self::Header(name) => {
                let attrs = [("FieldURI", HEADER_URI), ("FieldIndex", name.as_str())];
                wrap(out, "t:IndexedFieldURI", &attrs, "");
            }
            Self::Indexed(uri, index) => {
                wrap(
                    out,
                    "t:IndexedFieldURI",
                    &[("FieldURI", uri), ("FieldIndex", index)],
                    "",
                );
            }
            Self::Extended { attrs, .. } => {
                let attrs: Vec<(&str, &str)> = attrs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                wrap(out, "t:ExtendedFieldURI", &attrs, "");
            }
        }
    }
}

/// The indexes of a dictionary.
pub(crate) fn keys_of(uri: &str) -> &'static [&'static str] {
    match uri {
        "contacts:EmailAddress" => EMAIL_KEYS,
        "contacts:ImAddress" => IM_KEYS,
        "contacts:PhoneNumber" => PHONE_KEYS,
        _ => ADDRESS_KEYS,
    }
}

fn extended(element: &Element) -> Result<Path, Fail> {
    let bad = |text: &str| {
        Fail::new(
            "ErrorInvalidExtendedProperty",
            format!("The extended property is invalid: {text}"),
        )
    };
    let ty = element.attr("PropertyType").unwrap_or_default();
    let ty = MAPI_TYPES
        .iter()
        .find(|t| **t == ty)
        .ok_or_else(|| bad("no such type"))?;
    if matches!(*ty, "Error" | "Null" | "Object" | "ObjectArray") {
        return Err(Fail::new(
            "ErrorUnsupportedMapiPropertyType",
            format!("The type {ty} cannot be used."),
        ));
    }
    let named = element.attr("DistinguishedPropertySetId");
    let guid = element.attr("PropertySetId");
    let set = match (named, guid) {
        (Some(_), Some(_)) => return Err(bad("two property sets")),
        (Some(name), None) => SET_NAMES
            .iter()
            .position(|n| *n == name)
            .map(|at| SET_GUIDS[at].to_owned()),
        (None, Some(guid)) => Some(guid.to_ascii_lowercase()),
        (None, None) => None,
    };
    let number = element
        .attr("PropertyId")
        .and_then(|id| id.trim().parse::<i32>().ok());
    let key = match (
        element.attr("PropertyTag"),
        set,
        element.attr("PropertyName"),
        number,
    ) {
        (Some(tag), None, None, None) => {
            let tag = tag_number(tag).ok_or_else(|| bad("no such tag"))?;
            if tag >= 0x8000 {
                return Err(Fail::new(
                    "ErrorNoPropertyTagForCustomProperties",
                    "Custom properties cannot be named by a tag.",
                ));
            }
            Key::Tag(tag)
        }
        (None, Some(set), Some(name), None) if !name.is_empty() => Key::Name(set, name.to_owned()),
        (None, Some(set), None, Some(id)) => Key::Id(set, id),
        _ => return Err(bad("its attributes do not go together")),
    };
    Ok(Path::Extended {
        key,
        ty,
        attrs: element.attrs.clone(),
    })
}

/// A tag without its type part: `0x3A45` or decimal.
pub(crate) fn tag_number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if (1..=4).contains(&hex.len()) => u16::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// The bytes of a base64 text; white space between the letters is allowed.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// An `xs:dateTime` as microseconds since 1970; without a zone it is UTC.
pub(crate) fn date_time(text: &str) -> Option<i64> {
    match moment(text)? {
        Moment::Exact(micros) => Some(micros),
        Moment::Wall(civil) => {
            let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
            Some(utc.timestamp().as_microsecond())
        }
    }
}

/// An `xs:dateTime` as microseconds since 1970; without an offset it is the wall clock of that zone.
pub(crate) fn date_time_in(text: &str, zone: &Zone) -> Option<i64> {
    match moment(text)? {
        Moment::Exact(micros) => Some(micros),
        Moment::Wall(civil) => Some(zone.moment(civil)),
    }
}

enum Moment {
    Exact(i64),
    Wall(jiff::civil::DateTime),
}

fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    let (date, _) = text.split_once('T')?;
    if date.len() < 10 {
        return None;
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => Some(Moment::Exact(stamp.as_microsecond())),
        Err(_) => text.parse().ok().map(Moment::Wall),
    }
}

/// Microseconds since 1970 as Exchange writes them: UTC, whole seconds.
pub(crate) fn write_time(micros: i64) -> String {
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(stamp) => stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "1601-01-01T00:00:00Z".to_owned(),
    }
}

/// Whether a value may be stored under a MAPI type (for arrays: one element).
pub(crate) fn fits(ty: &str, value: &str) -> bool {
    match ty.strip_suffix("Array").unwrap_or(ty) {
        "String" => value.len() <= 32 << 10,
        "Integer" => value.trim().parse::<i32>().is_ok(),
        "Short" => value.trim().parse::<i16>().is_ok(),
        "Long" | "Currency" => value.trim().parse::<i64>().is_ok(),
        "Boolean" => matches!(value.trim(), "true" | "false" | "1" | "0"),
        "Double" | "Float" | "ApplicationTime" => value.trim().parse::<f64>().is_ok(),
        "SystemTime" => date_time(value).is_some(),
        "Binary" => base64(value).is_some(),
        "CLSID" => value.len() == 36,
        _ => false,
    }
}
