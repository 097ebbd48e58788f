//! What a request may contain, and in which order: the part of the EWS schema that this sandbox plays.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/ews-xml-elements-in-exchange>

use super::props;
use super::xml::{Element, Ns};

/// What a text must look like.
#[derive(Debug, Clone, Copy)]
enum Check {
    Any,
    NonEmpty,
    Bool,
    Int(i64, i64),
    OneOf(&'static [&'static str]),
    /// White-space separated.
    ListOf(&'static [&'static str]),
    Guid,
    Tag,
    Base64,
    DateTime,
    Date,
    Double,
    FieldUri,
}

#[derive(Debug)]
struct Attr(&'static str, bool, Check);

#[derive(Debug)]
struct Part {
    one_of: &'static [(&'static str, &'static Type)],
    min: usize,
    max: usize,
}

#[derive(Debug)]
enum Content {
    Empty,
    Text(Check),
    Parts(&'static [Part]),
    /// So many search expressions.
    Expressions(usize),
    /// `t:Contact`, `t:Item` and the like: the properties in the schema's order.
    Item(props::Of),
}

/// A complex or simple type of the schema.
#[derive(Debug)]
pub(super) struct Type {
    attrs: &'static [Attr],
    content: Content,
}

const fn part(one_of: &'static [(&'static str, &'static Type)], min: usize, max: usize) -> Part {
    Part { one_of, min, max }
}
const fn parts(parts: &'static [Part]) -> Type {
    Type {
        attrs: &[],
        content: Content::Parts(parts),
    }
}
const fn text(check: Check) -> Type {
    Type {
        attrs: &[],
        content: Content::Text(check),
    }
}
const fn empty(attrs: &'static [Attr]) -> Type {
    Type {
        attrs,
        content: Content::Empty,
    }
}
const MANY: usize = usize::MAX;

static STRING: Type = text(Check::Any);
static NON_EMPTY: Type = text(Check::NonEmpty);
static BOOL: Type = text(Check::Bool);
static INT: Type = text(Check::Int(i32::MIN as i64, i32::MAX as i64));
static BASE64: Type = text(Check::Base64);
static DATE_TIME: Type = text(Check::DateTime);
static STRINGS: Type = parts(&[part(&[("t:String", &STRING)], 0, MANY)]);

static ITEM_ID: Type = empty(&[Attr("Id", true, Check::Any), Attr("ChangeKey", false, Check::Any)]);
static FOLDER_ID: Type = empty(&[Attr("Id", true, Check::Any), Attr("ChangeKey", false, Check::Any)]);
static MAILBOX: Type = parts(&[
    part(&[("t:Name", &STRING)], 0, 1),
    part(&[("t:EmailAddress", &NON_EMPTY)], 0, 1),
    part(&[("t:RoutingType", &NON_EMPTY)], 0, 1),
    part(&[("t:MailboxType", &STRING)], 0, 1),
]);
static DISTINGUISHED: Type = Type {
    attrs: &[
        Attr("Id", true, Check::OneOf(FOLDER_NAMES)),
        Attr("ChangeKey", false, Check::Any),
    ],
    content: Content::Parts(&[part(&[("t:Mailbox", &MAILBOX)], 0, 1)]),
};
const FOLDER_NAMES: &[&str] = &[
    "calendar",
    "contacts",
    "deleteditems",
    "drafts",
    "inbox",
    "journal",
    "notes",
    "outbox",
    "sentitems",
    "tasks",
    "msgfolderroot",
    "publicfoldersroot",
    "root",
    "junkemail",
    "searchfolders",
    "voicemail",
    "recoverableitemsroot",
    "recoverableitemsdeletions",
    "recoverableitemsversions",
    "recoverableitemspurges",
    "archiveroot",
    "archivemsgfolderroot",
    "archivedeleteditems",
    "archiveinbox",
    "archiverecoverableitemsroot",
    "archiverecoverableitemsdeletions",
    "archiverecoverableitemsversions",
    "archiverecoverableitemspurges",
    "syncissues",
    "conflicts",
    "localfailures",
    "serverfailures",
    "recipientcache",
    "quickcontacts",
    "conversationhistory",
    "adminauditlogs",
    "todosearch",
    "mycontacts",
    "directory",
    "imcontactlist",
    "peopleconnect",
    "favorites",
];
static FOLDER_IDS: Type = parts(&[part(
    &[
        ("t:FolderId", &FOLDER_ID),
        ("t:DistinguishedFolderId", &DISTINGUISHED),
    ],
    1,
    MANY,
)]);
static TARGET_FOLDER: Type = parts(&[part(
    &[
        ("t:FolderId", &FOLDER_ID),
        ("t:DistinguishedFolderId", &DISTINGUISHED),
    ],
    1,
    1,
)]);
static OCCURRENCE_ID: Type = empty(&[
    Attr("RecurringMasterId", true, Check::Any),
    Attr("ChangeKey", false, Check::Any),
    Attr(
        "InstanceIndex",
        true,
        Check::Int(i32::MIN as i64, i32::MAX as i64),
    ),
]);
static MASTER_ID: Type = empty(&[
    Attr("OccurrenceId", true, Check::Any),
    Attr("ChangeKey", false, Check::Any),
]);
const ANY_ITEM_ID: &[(&str, &Type)] = &[
    ("t:ItemId", &ITEM_ID),
    ("t:OccurrenceItemId", &OCCURRENCE_ID),
    ("t:RecurringMasterItemId", &MASTER_ID),
];
static ITEM_IDS: Type = parts(&[part(ANY_ITEM_ID, 1, MANY)]);
static SOME_ITEM_IDS: Type = parts(&[part(&[("t:ItemId", &ITEM_ID)], 0, MANY)]);

static FIELD_URI: Type = empty(&[Attr("FieldURI", true, Check::FieldUri)]);
static INDEXED_FIELD_URI: Type = empty(&[
    Attr("FieldURI", true, Check::OneOf(props::INDEXED_NAMES)),
    Attr("FieldIndex", true, Check::Any),
]);
static EXTENDED_FIELD_URI: Type = empty(&[
    Attr(
        "DistinguishedPropertySetId",
        false,
        Check::OneOf(props::SET_NAMES),
    ),
    Attr("PropertySetId", false, Check::Guid),
    Attr("PropertyTag", false, Check::Tag),
    Attr("PropertyName", false, Check::Any),
    Attr("PropertyId", false, Check::Int(i32::MIN as i64, i32::MAX as i64)),
    Attr("PropertyType", true, Check::OneOf(props::MAPI_TYPES)),
]);
const PATHS: &[(&str, &Type)] = &[
    ("t:FieldURI", &FIELD_URI),
    ("t:IndexedFieldURI", &INDEXED_FIELD_URI),
    ("t:ExtendedFieldURI", &EXTENDED_FIELD_URI),
];
static PATH_LIST: Type = parts(&[part(PATHS, 1, MANY)]);

const SHAPES: Check = Check::OneOf(&["IdOnly", "Default", "AllProperties"]);
static SHAPE_NAME: Type = text(SHAPES);
const BODY_TYPES: Check = Check::OneOf(&["Best", "HTML", "Text"]);
static BODY_TYPE: Type = text(BODY_TYPES);
static ITEM_SHAPE: Type = parts(&[
    part(&[("t:BaseShape", &SHAPE_NAME)], 1, 1),
    part(&[("t:IncludeMimeContent", &BOOL)], 0, 1),
    part(&[("t:BodyType", &BODY_TYPE)], 0, 1),
    part(&[("t:UniqueBodyType", &BODY_TYPE)], 0, 1),
    part(&[("t:NormalizedBodyType", &BODY_TYPE)], 0, 1),
    part(&[("t:FilterHtmlContent", &BOOL)], 0, 1),
    part(&[("t:ConvertHtmlCodePageToUTF8", &BOOL)], 0, 1),
    part(&[("t:InlineImageUrlTemplate", &STRING)], 0, 1),
    part(&[("t:BlockExternalImages", &BOOL)], 0, 1),
    part(&[("t:AddBlankTargetToLinks", &BOOL)], 0, 1),
    part(&[("t:MaximumBodySize", &INT)], 0, 1),
    part(&[("t:AdditionalProperties", &PATH_LIST)], 0, 1),
]);
static FOLDER_SHAPE: Type = parts(&[
    part(&[("t:BaseShape", &SHAPE_NAME)], 1, 1),
    part(&[("t:AdditionalProperties", &PATH_LIST)], 0, 1),
]);

static VALUES: Type = parts(&[part(&[("t:Value", &STRING)], 1, MANY)]);
static EXTENDED_PROPERTY: Type = parts(&[
    part(&[("t:ExtendedFieldURI", &EXTENDED_FIELD_URI)], 1, 1),
    part(&[("t:Value", &STRING), ("t:Values", &VALUES)], 1, 1),
]);
const fn item_of(of: props::Of) -> Type {
    Type {
        attrs: &[],
        content: Content::Item(of),
    }
}
static ITEM: Type = item_of(props::Of::Item);
static CONTACT: Type = item_of(props::Of::Contact);
static CALENDAR_ITEM: Type = item_of(props::Of::Event);
static TASK: Type = item_of(props::Of::Task);
static MESSAGE: Type = item_of(props::Of::Message);

static PERSON: Type = parts(&[part(&[("t:Mailbox", &MAILBOX)], 1, 1)]);
static PEOPLE: Type = parts(&[part(&[("t:Mailbox", &MAILBOX)], 0, MANY)]);
static ANSWER: Type = text(Check::OneOf(props::ANSWERS));
static ATTENDEE: Type = parts(&[
    part(&[("t:Mailbox", &MAILBOX)], 1, 1),
    part(&[("t:ResponseType", &ANSWER)], 0, 1),
    part(&[("t:LastResponseTime", &DATE_TIME)], 0, 1),
    part(&[("t:ProposedStart", &DATE_TIME)], 0, 1),
    part(&[("t:ProposedEnd", &DATE_TIME)], 0, 1),
]);
static ATTENDEES: Type = parts(&[part(&[("t:Attendee", &ATTENDEE)], 1, MANY)]);
static MIME: Type = Type {
    attrs: &[Attr("CharacterSet", false, Check::Any)],
    content: Content::Text(Check::Any),
};
static DOUBLE: Type = text(Check::Double);
static DATE: Type = text(Check::Date);
static WEEKDAY: Type = text(Check::OneOf(super::recur::WEEKDAYS));
static SOME_WEEKDAYS: Type = text(Check::ListOf(super::recur::WEEKDAYS));
static INDEX: Type = text(Check::OneOf(super::recur::INDEXES));
static MONTH: Type = text(Check::OneOf(super::recur::MONTHS));
static INTERVAL: Type = parts(&[part(&[("t:Interval", &INT)], 1, 1)]);
static WEEKLY: Type = parts(&[
    part(&[("t:Interval", &INT)], 1, 1),
    part(&[("t:DaysOfWeek", &SOME_WEEKDAYS)], 1, 1),
    part(&[("t:FirstDayOfWeek", &WEEKDAY)], 0, 1),
]);
static ABSOLUTE_MONTHLY: Type = parts(&[
    part(&[("t:Interval", &INT)], 1, 1),
    part(&[("t:DayOfMonth", &INT)], 1, 1),
]);
static RELATIVE_MONTHLY: Type = parts(&[
    part(&[("t:Interval", &INT)], 1, 1),
    part(&[("t:DaysOfWeek", &WEEKDAY)], 1, 1),
    part(&[("t:DayOfWeekIndex", &INDEX)], 1, 1),
]);
static ABSOLUTE_YEARLY: Type = parts(&[
    part(&[("t:DayOfMonth", &INT)], 1, 1),
    part(&[("t:Month", &MONTH)], 1, 1),
]);
static RELATIVE_YEARLY: Type = parts(&[
    part(&[("t:DaysOfWeek", &WEEKDAY)], 1, 1),
    part(&[("t:DayOfWeekIndex", &INDEX)], 1, 1),
    part(&[("t:Month", &MONTH)], 1, 1),
]);
static NO_END: Type = parts(&[part(&[("t:StartDate", &DATE)], 1, 1)]);
static END_DATE: Type = parts(&[
    part(&[("t:StartDate", &DATE)], 1, 1),
    part(&[("t:EndDate", &DATE)], 1, 1),
]);
static NUMBERED: Type = parts(&[
    part(&[("t:StartDate", &DATE)], 1, 1),
    part(&[("t:NumberOfOccurrences", &INT)], 1, 1),
]);
const RANGES: &[(&str, &Type)] = &[
    ("t:NoEndRecurrence", &NO_END),
    ("t:EndDateRecurrence", &END_DATE),
    ("t:NumberedRecurrence", &NUMBERED),
];
static RECURRENCE: Type = parts(&[
    part(
        &[
            ("t:RelativeYearlyRecurrence", &RELATIVE_YEARLY),
            ("t:AbsoluteYearlyRecurrence", &ABSOLUTE_YEARLY),
            ("t:RelativeMonthlyRecurrence", &RELATIVE_MONTHLY),
            ("t:AbsoluteMonthlyRecurrence", &ABSOLUTE_MONTHLY),
            ("t:WeeklyRecurrence", &WEEKLY),
            ("t:DailyRecurrence", &INTERVAL),
        ],
        1,
        1,
    ),
    part(RANGES, 1, 1),
]);
static TASK_RECURRENCE: Type = parts(&[
    part(
        &[
            ("t:RelativeYearlyRecurrence", &RELATIVE_YEARLY),
            ("t:AbsoluteYearlyRecurrence", &ABSOLUTE_YEARLY),
            ("t:RelativeMonthlyRecurrence", &RELATIVE_MONTHLY),
            ("t:AbsoluteMonthlyRecurrence", &ABSOLUTE_MONTHLY),
            ("t:WeeklyRecurrence", &WEEKLY),
            ("t:DailyRecurrence", &INTERVAL),
            ("t:DailyRegeneration", &INTERVAL),
            ("t:WeeklyRegeneration", &INTERVAL),
            ("t:MonthlyRegeneration", &INTERVAL),
            ("t:YearlyRegeneration", &INTERVAL),
        ],
        1,
        1,
    ),
    part(RANGES, 1, 1),
]);
static TARGET: Type = Type {
    attrs: &[Attr("Kind", true, Check::OneOf(&["Period", "Group"]))],
    content: Content::Text(Check::Any),
};
static PERIOD: Type = empty(&[
    Attr("Bias", true, Check::Any),
    Attr("Name", true, Check::Any),
    Attr("Id", true, Check::Any),
]);
static PERIODS: Type = parts(&[part(&[("t:Period", &PERIOD)], 0, MANY)]);
static PLAIN_TRANSITION: Type = parts(&[part(&[("t:To", &TARGET)], 1, 1)]);
static DATE_TRANSITION: Type = parts(&[
    part(&[("t:To", &TARGET)], 1, 1),
    part(&[("t:DateTime", &DATE_TIME)], 1, 1),
]);
static RECURRING_DATE: Type = parts(&[
    part(&[("t:To", &TARGET)], 1, 1),
    part(&[("t:TimeOffset", &STRING)], 1, 1),
    part(&[("t:Month", &INT)], 1, 1),
    part(&[("t:Day", &INT)], 1, 1),
]);
static RECURRING_DAY: Type = parts(&[
    part(&[("t:To", &TARGET)], 1, 1),
    part(&[("t:TimeOffset", &STRING)], 1, 1),
    part(&[("t:Month", &INT)], 1, 1),
    part(&[("t:DayOfWeek", &WEEKDAY)], 1, 1),
    part(&[("t:Occurrence", &INT)], 1, 1),
]);
static TRANSITIONS: Type = Type {
    attrs: &[Attr("Id", false, Check::Any)],
    content: Content::Parts(&[part(
        &[
            ("t:Transition", &PLAIN_TRANSITION),
            ("t:AbsoluteDateTransition", &DATE_TRANSITION),
            ("t:RecurringDateTransition", &RECURRING_DATE),
            ("t:RecurringDayTransition", &RECURRING_DAY),
        ],
        0,
        MANY,
    )]),
};
static TRANSITIONS_GROUPS: Type = parts(&[part(&[("t:TransitionsGroup", &TRANSITIONS)], 0, MANY)]);
static ZONE: Type = Type {
    attrs: &[Attr("Id", true, Check::Any), Attr("Name", false, Check::Any)],
    content: Content::Parts(&[
        part(&[("t:Periods", &PERIODS)], 0, 1),
        part(&[("t:TransitionsGroups", &TRANSITIONS_GROUPS)], 0, 1),
        part(&[("t:Transitions", &TRANSITIONS)], 0, 1),
    ]),
};
static ZONE_CONTEXT: Type = parts(&[part(&[("t:TimeZoneDefinition", &ZONE)], 1, 1)]);
static ANSWER_ITEM: Type = parts(&[
    part(&[("t:Sensitivity", &STRING)], 0, 1),
    part(&[("t:Body", &BODY)], 0, 1),
    part(&[("t:ReferenceItemId", &ITEM_ID)], 1, 1),
]);
static FILE_ATTACHMENT: Type = parts(&[
    part(&[("t:AttachmentId", &ATTACHMENT_ID)], 0, 1),
    part(&[("t:Name", &STRING)], 0, 1),
    part(&[("t:ContentType", &STRING)], 0, 1),
    part(&[("t:ContentId", &STRING)], 0, 1),
    part(&[("t:ContentLocation", &STRING)], 0, 1),
    part(&[("t:Size", &INT)], 0, 1),
    part(&[("t:LastModifiedTime", &DATE_TIME)], 0, 1),
    part(&[("t:IsInline", &BOOL)], 0, 1),
    part(&[("t:IsContactPhoto", &BOOL)], 0, 1),
    part(&[("t:Content", &BASE64)], 0, 1),
]);
static ITEM_ATTACHMENT: Type = parts(&[
    part(&[("t:AttachmentId", &ATTACHMENT_ID)], 0, 1),
    part(&[("t:Name", &STRING)], 0, 1),
    part(&[("t:ContentType", &STRING)], 0, 1),
    part(&[("t:ContentId", &STRING)], 0, 1),
    part(&[("t:ContentLocation", &STRING)], 0, 1),
    part(&[("t:Size", &INT)], 0, 1),
    part(&[("t:LastModifiedTime", &DATE_TIME)], 0, 1),
    part(&[("t:IsInline", &BOOL)], 0, 1),
    part(
        &[
            ("t:Message", &MESSAGE),
            ("t:CalendarItem", &CALENDAR_ITEM),
            ("t:Contact", &CONTACT),
            ("t:Task", &TASK),
        ],
        0,
        1,
    ),
]);
static ATTACHMENT_ID: Type = empty(&[Attr("Id", true, Check::Any)]);
static ATTACHMENT_IDS: Type = parts(&[part(&[("t:AttachmentId", &ATTACHMENT_ID)], 1, MANY)]);
static NEW_ATTACHMENTS: Type = parts(&[part(
    &[
        ("t:ItemAttachment", &ITEM_ATTACHMENT),
        ("t:FileAttachment", &FILE_ATTACHMENT),
    ],
    1,
    MANY,
)]);
static ATTACHMENT_SHAPE: Type = parts(&[
    part(&[("t:IncludeMimeContent", &BOOL)], 0, 1),
    part(&[("t:BodyType", &BODY_TYPE)], 0, 1),
    part(&[("t:FilterHtmlContent", &BOOL)], 0, 1),
    part(&[("t:AdditionalProperties", &PATH_LIST)], 0, 1),
]);
static GET_ATTACHMENT: Type = parts(&[
    part(&[("m:AttachmentShape", &ATTACHMENT_SHAPE)], 0, 1),
    part(&[("m:AttachmentIds", &ATTACHMENT_IDS)], 1, 1),
]);
static CREATE_ATTACHMENT: Type = parts(&[
    part(&[("m:ParentItemId", &ITEM_ID)], 1, 1),
    part(&[("m:Attachments", &NEW_ATTACHMENTS)], 1, 1),
]);
static DELETE_ATTACHMENT: Type = parts(&[part(&[("m:AttachmentIds", &ATTACHMENT_IDS)], 1, 1)]);
static SEND_ITEM: Type = Type {
    attrs: &[Attr("SaveItemToFolder", true, Check::Bool)],
    content: Content::Parts(&[
        part(&[("m:ItemIds", &ITEM_IDS)], 1, 1),
        part(&[("m:SavedItemFolderId", &TARGET_FOLDER)], 0, 1),
    ]),
};
static SET_FOLDER_FIELD: Type = parts(&[
    part(PATHS, 1, 1),
    part(
        &[
            ("t:Folder", &NEW_FOLDER),
            ("t:CalendarFolder", &NEW_FOLDER),
            ("t:ContactsFolder", &NEW_FOLDER),
            ("t:TasksFolder", &NEW_FOLDER),
        ],
        1,
        1,
    ),
]);
static FOLDER_UPDATES: Type = parts(&[part(
    &[
        ("t:SetFolderField", &SET_FOLDER_FIELD),
        ("t:DeleteFolderField", &DELETE_FIELD),
    ],
    1,
    MANY,
)]);
static FOLDER_CHANGE: Type = parts(&[
    part(
        &[
            ("t:FolderId", &FOLDER_ID),
            ("t:DistinguishedFolderId", &DISTINGUISHED),
        ],
        1,
        1,
    ),
    part(&[("t:Updates", &FOLDER_UPDATES)], 1, 1),
]);
static FOLDER_CHANGES: Type = parts(&[part(&[("t:FolderChange", &FOLDER_CHANGE)], 1, MANY)]);
static UPDATE_FOLDER: Type = parts(&[part(&[("m:FolderChanges", &FOLDER_CHANGES)], 1, 1)]);
static MOVE_FOLDER: Type = parts(&[
    part(&[("m:ToFolderId", &TARGET_FOLDER)], 1, 1),
    part(&[("m:FolderIds", &FOLDER_IDS)], 1, 1),
]);
static CALENDAR_VIEW: Type = empty(&[
    Attr("MaxEntriesReturned", false, Check::Int(1, i32::MAX as i64)),
    Attr("StartDate", true, Check::DateTime),
    Attr("EndDate", true, Check::DateTime),
]);

static BODY: Type = Type {
    attrs: &[
        Attr("BodyType", true, Check::OneOf(&["HTML", "Text"])),
        Attr("IsTruncated", false, Check::Bool),
    ],
    content: Content::Text(Check::Any),
};
static EMAIL_ENTRY: Type = Type {
    attrs: &[
        Attr("Key", true, Check::OneOf(props::EMAIL_KEYS)),
        Attr("Name", false, Check::Any),
        Attr("RoutingType", false, Check::Any),
        Attr("MailboxType", false, Check::Any),
    ],
    content: Content::Text(Check::Any),
};
static EMAILS: Type = parts(&[part(&[("t:Entry", &EMAIL_ENTRY)], 1, MANY)]);
static PHONE_ENTRY: Type = Type {
    attrs: &[Attr("Key", true, Check::OneOf(props::PHONE_KEYS))],
    content: Content::Text(Check::Any),
};
static PHONES: Type = parts(&[part(&[("t:Entry", &PHONE_ENTRY)], 1, MANY)]);
static IM_ENTRY: Type = Type {
    attrs: &[Attr("Key", true, Check::OneOf(props::IM_KEYS))],
    content: Content::Text(Check::Any),
};
static IMS: Type = parts(&[part(&[("t:Entry", &IM_ENTRY)], 1, MANY)]);
static ADDRESS_ENTRY: Type = Type {
    attrs: &[Attr("Key", true, Check::OneOf(props::ADDRESS_KEYS))],
    content: Content::Parts(&[
        part(&[("t:Street", &STRING)], 0, 1),
        part(&[("t:City", &STRING)], 0, 1),
        part(&[("t:State", &STRING)], 0, 1),
        part(&[("t:CountryOrRegion", &STRING)], 0, 1),
        part(&[("t:PostalCode", &STRING)], 0, 1),
    ]),
};
static ADDRESSES: Type = parts(&[part(&[("t:Entry", &ADDRESS_ENTRY)], 1, MANY)]);
static COMPLETE_NAME: Type = parts(&[
    part(&[("t:Title", &STRING)], 0, 1),
    part(&[("t:FirstName", &STRING)], 0, 1),
    part(&[("t:MiddleName", &STRING)], 0, 1),
    part(&[("t:LastName", &STRING)], 0, 1),
    part(&[("t:Suffix", &STRING)], 0, 1),
    part(&[("t:Initials", &STRING)], 0, 1),
    part(&[("t:FullName", &STRING)], 0, 1),
    part(&[("t:Nickname", &STRING)], 0, 1),
    part(&[("t:YomiFirstName", &STRING)], 0, 1),
    part(&[("t:YomiLastName", &STRING)], 0, 1),
]);

static CONSTANT: Type = empty(&[Attr("Value", true, Check::Any)]);
static URI_OR_CONSTANT: Type = parts(&[part(
    &[
        ("t:FieldURI", &FIELD_URI),
        ("t:IndexedFieldURI", &INDEXED_FIELD_URI),
        ("t:ExtendedFieldURI", &EXTENDED_FIELD_URI),
        ("t:Constant", &CONSTANT),
    ],
    1,
    1,
)]);
static TWO_OPERANDS: Type = parts(&[
    part(PATHS, 1, 1),
    part(&[("t:FieldURIOrConstant", &URI_OR_CONSTANT)], 1, 1),
]);
static EXISTS: Type = parts(&[part(PATHS, 1, 1)]);
static CONTAINS: Type = Type {
    attrs: &[
        Attr(
            "ContainmentMode",
            false,
            Check::OneOf(&[
                "FullString",
                "Prefixed",
                "Substring",
                "PrefixOnWords",
                "ExactPhrase",
            ]),
        ),
        Attr(
            "ContainmentComparison",
            false,
            Check::OneOf(&[
                "Exact",
                "IgnoreCase",
                "IgnoreNonSpacingCharacters",
                "Loose",
                "IgnoreCaseAndNonSpacingCharacters",
                "LooseAndIgnoreCase",
                "LooseAndIgnoreNonSpace",
                "LooseAndIgnoreCaseAndIgnoreNonSpace",
            ]),
        ),
    ],
    content: Content::Parts(&[part(PATHS, 1, 1), part(&[("t:Constant", &CONSTANT)], 1, 1)]),
};
/// A function, because expressions hold expressions: constants cannot.
fn expressions() -> &'static [(&'static str, &'static Type)] {
    static LIST: [(&str, &Type); 11] = [
        ("t:And", &OPERANDS),
        ("t:Or", &OPERANDS),
        ("t:Not", &ONE_EXPRESSION),
        ("t:Exists", &EXISTS),
        ("t:Contains", &CONTAINS),
        ("t:IsEqualTo", &TWO_OPERANDS),
        ("t:IsNotEqualTo", &TWO_OPERANDS),
        ("t:IsGreaterThan", &TWO_OPERANDS),
        ("t:IsGreaterThanOrEqualTo", &TWO_OPERANDS),
        ("t:IsLessThan", &TWO_OPERANDS),
        ("t:IsLessThanOrEqualTo", &TWO_OPERANDS),
    ];
    &LIST
}
static OPERANDS: Type = Type {
    attrs: &[],
    content: Content::Expressions(MANY),
};
static ONE_EXPRESSION: Type = Type {
    attrs: &[],
    content: Content::Expressions(1),
};
static PAGE: Type = empty(&[
    Attr("MaxEntriesReturned", false, Check::Int(1, i32::MAX as i64)),
    Attr("Offset", true, Check::Int(0, i32::MAX as i64)),
    Attr("BasePoint", true, Check::OneOf(&["Beginning", "End"])),
]);
static FIELD_ORDER: Type = Type {
    attrs: &[Attr("Order", true, Check::OneOf(&["Ascending", "Descending"]))],
    content: Content::Parts(&[part(PATHS, 1, 1)]),
};
static SORT: Type = parts(&[part(&[("t:FieldOrder", &FIELD_ORDER)], 1, MANY)]);

static CONVERT_ID: Type = Type {
    attrs: &[Attr("DestinationFormat", true, Check::OneOf(ID_FORMATS))],
    content: Content::Parts(&[part(&[("m:SourceIds", &ALTERNATE_IDS)], 1, 1)]),
};
const ID_FORMATS: &[&str] = &[
    "EwsLegacyId",
    "EwsId",
    "EntryId",
    "HexEntryId",
    "StoreId",
    "OwaId",
];
static ALTERNATE_ID: Type = empty(&[
    Attr("Format", true, Check::OneOf(ID_FORMATS)),
    Attr("Id", true, Check::Any),
    Attr("Mailbox", true, Check::NonEmpty),
    Attr("IsArchive", false, Check::Bool),
]);
static ALTERNATE_IDS: Type = parts(&[part(&[("t:AlternateId", &ALTERNATE_ID)], 1, MANY)]);

static GET_FOLDER: Type = parts(&[
    part(&[("m:FolderShape", &FOLDER_SHAPE)], 1, 1),
    part(&[("m:FolderIds", &FOLDER_IDS)], 1, 1),
]);
static FIND_FOLDER: Type = Type {
    attrs: &[Attr(
        "Traversal",
        true,
        Check::OneOf(&["Shallow", "Deep", "SoftDeleted"]),
    )],
    content: Content::Parts(&[
        part(&[("m:FolderShape", &FOLDER_SHAPE)], 1, 1),
        part(&[("m:IndexedPageFolderView", &PAGE)], 0, 1),
        part(&[("m:Restriction", &ONE_EXPRESSION)], 0, 1),
        part(&[("m:ParentFolderIds", &FOLDER_IDS)], 1, 1),
    ]),
};
static NEW_FOLDER: Type = parts(&[
    part(&[("t:FolderClass", &STRING)], 0, 1),
    part(&[("t:DisplayName", &STRING)], 0, 1),
    part(&[("t:ExtendedProperty", &EXTENDED_PROPERTY)], 0, MANY),
]);
static NEW_FOLDERS: Type = parts(&[part(
    &[
        ("t:Folder", &NEW_FOLDER),
        ("t:CalendarFolder", &NEW_FOLDER),
        ("t:ContactsFolder", &NEW_FOLDER),
        ("t:TasksFolder", &NEW_FOLDER),
    ],
    1,
    MANY,
)]);
static CREATE_FOLDER: Type = parts(&[
    part(&[("m:ParentFolderId", &TARGET_FOLDER)], 1, 1),
    part(&[("m:Folders", &NEW_FOLDERS)], 1, 1),
]);
const DISPOSALS: Check = Check::OneOf(&["HardDelete", "SoftDelete", "MoveToDeletedItems"]);
static DELETE_FOLDER: Type = Type {
    attrs: &[Attr("DeleteType", true, DISPOSALS)],
    content: Content::Parts(&[part(&[("m:FolderIds", &FOLDER_IDS)], 1, 1)]),
};
static SYNC_HIERARCHY: Type = parts(&[
    part(&[("m:FolderShape", &FOLDER_SHAPE)], 1, 1),
    part(&[("m:SyncFolderId", &TARGET_FOLDER)], 0, 1),
    part(&[("m:SyncState", &STRING)], 0, 1),
]);
static SYNC_MAX: Type = text(Check::Int(1, 512));
static SYNC_SCOPE: Type = text(Check::OneOf(&["NormalItems", "NormalAndAssociatedItems"]));
static SYNC_ITEMS: Type = parts(&[
    part(&[("m:ItemShape", &ITEM_SHAPE)], 1, 1),
    part(&[("m:SyncFolderId", &TARGET_FOLDER)], 1, 1),
    part(&[("m:SyncState", &STRING)], 0, 1),
    part(&[("m:Ignore", &SOME_ITEM_IDS)], 0, 1),
    part(&[("m:MaxChangesReturned", &SYNC_MAX)], 1, 1),
    part(&[("m:SyncScope", &SYNC_SCOPE)], 0, 1),
]);
static FIND_ITEM: Type = Type {
    attrs: &[Attr(
        "Traversal",
        true,
        Check::OneOf(&["Shallow", "SoftDeleted", "Associated"]),
    )],
    content: Content::Parts(&[
        part(&[("m:ItemShape", &ITEM_SHAPE)], 1, 1),
        part(
            &[
                ("m:IndexedPageItemView", &PAGE),
                ("m:CalendarView", &CALENDAR_VIEW),
            ],
            0,
            1,
        ),
        part(&[("m:Restriction", &ONE_EXPRESSION)], 0, 1),
        part(&[("m:SortOrder", &SORT)], 0, 1),
        part(&[("m:ParentFolderIds", &FOLDER_IDS)], 1, 1),
    ]),
};
static GET_ITEM: Type = parts(&[
    part(&[("m:ItemShape", &ITEM_SHAPE)], 1, 1),
    part(&[("m:ItemIds", &ITEM_IDS)], 1, 1),
]);
static NEW_ITEMS: Type = parts(&[part(
    &[
        ("t:Contact", &CONTACT),
        ("t:CalendarItem", &CALENDAR_ITEM),
        ("t:Task", &TASK),
        ("t:Message", &MESSAGE),
        ("t:AcceptItem", &ANSWER_ITEM),
        ("t:TentativelyAcceptItem", &ANSWER_ITEM),
        ("t:DeclineItem", &ANSWER_ITEM),
    ],
    1,
    MANY,
)]);
const SENDING: Check = Check::OneOf(&["SendToNone", "SendOnlyToAll", "SendToAllAndSaveCopy"]);
static CREATE_ITEM: Type = Type {
    attrs: &[
        Attr(
            "MessageDisposition",
            false,
            Check::OneOf(&["SaveOnly", "SendOnly", "SendAndSaveCopy"]),
        ),
        Attr("SendMeetingInvitations", false, SENDING),
    ],
    content: Content::Parts(&[
        part(&[("m:SavedItemFolderId", &TARGET_FOLDER)], 0, 1),
        part(&[("m:Items", &NEW_ITEMS)], 1, 1),
    ]),
};
static SET_FIELD: Type = parts(&[
    part(PATHS, 1, 1),
    part(
        &[
            ("t:Contact", &CONTACT),
            ("t:CalendarItem", &CALENDAR_ITEM),
            ("t:Task", &TASK),
            ("t:Message", &MESSAGE),
            ("t:Item", &ITEM),
        ],
        1,
        1,
    ),
]);
static DELETE_FIELD: Type = parts(&[part(PATHS, 1, 1)]);
static UPDATES: Type = parts(&[part(
    &[
        ("t:AppendToItemField", &SET_FIELD),
        ("t:SetItemField", &SET_FIELD),
        ("t:DeleteItemField", &DELETE_FIELD),
    ],
    1,
    MANY,
)]);
static ITEM_CHANGE: Type = parts(&[part(ANY_ITEM_ID, 1, 1), part(&[("t:Updates", &UPDATES)], 1, 1)]);
static ITEM_CHANGES: Type = parts(&[part(&[("t:ItemChange", &ITEM_CHANGE)], 1, MANY)]);
static UPDATE_ITEM: Type = Type {
    attrs: &[
        Attr(
            "ConflictResolution",
            true,
            Check::OneOf(&["NeverOverwrite", "AutoResolve", "AlwaysOverwrite"]),
        ),
        Attr(
            "MessageDisposition",
            false,
            Check::OneOf(&["SaveOnly", "SendOnly", "SendAndSaveCopy"]),
        ),
        Attr(
            "SendMeetingInvitationsOrCancellations",
            false,
            Check::OneOf(&[
                "SendToNone",
                "SendOnlyToAll",
                "SendOnlyToChanged",
                "SendToAllAndSaveCopy",
                "SendToChangedAndSaveCopy",
            ]),
        ),
        Attr("SuppressReadReceipts", false, Check::Bool),
    ],
    content: Content::Parts(&[
        part(&[("m:SavedItemFolderId", &TARGET_FOLDER)], 0, 1),
        part(&[("m:ItemChanges", &ITEM_CHANGES)], 1, 1),
    ]),
};
static DELETE_ITEM: Type = Type {
    attrs: &[
        Attr("DeleteType", true, DISPOSALS),
        Attr("SendMeetingCancellations", false, SENDING),
        Attr(
            "AffectedTaskOccurrences",
            false,
            Check::OneOf(&["AllOccurrences", "SpecifiedOccurrenceOnly"]),
        ),
        Attr("SuppressReadReceipts", false, Check::Bool),
    ],
    content: Content::Parts(&[part(&[("m:ItemIds", &ITEM_IDS)], 1, 1)]),
};
static MOVE_ITEM: Type = parts(&[
    part(&[("m:ToFolderId", &TARGET_FOLDER)], 1, 1),
    part(&[("m:ItemIds", &ITEM_IDS)], 1, 1),
    part(&[("m:ReturnNewItemIds", &BOOL)], 0, 1),
]);
static RESOLVE_NAMES: Type = Type {
    attrs: &[
        Attr("ReturnFullContactData", true, Check::Bool),
        Attr(
            "SearchScope",
            false,
            Check::OneOf(&[
                "ActiveDirectory",
                "ActiveDirectoryContacts",
                "Contacts",
                "ContactsActiveDirectory",
            ]),
        ),
        Attr("ContactDataShape", false, SHAPES),
    ],
    content: Content::Parts(&[
        part(&[("m:ParentFolderIds", &FOLDER_IDS)], 0, 1),
        part(&[("m:UnresolvedEntry", &NON_EMPTY)], 1, 1),
    ]),
};
static EVENT_TYPE: Type = text(Check::OneOf(&[
    "CopiedEvent",
    "CreatedEvent",
    "DeletedEvent",
    "ModifiedEvent",
    "MovedEvent",
    "NewMailEvent",
    "FreeBusyChangedEvent",
]));
static EVENT_TYPES: Type = parts(&[part(&[("t:EventType", &EVENT_TYPE)], 1, MANY)]);
static TIMEOUT: Type = text(Check::Int(1, 1440));
static PULL: Type = Type {
    attrs: &[Attr("SubscribeToAllFolders", false, Check::Bool)],
    content: Content::Parts(&[
        part(&[("t:FolderIds", &FOLDER_IDS)], 0, 1),
        part(&[("t:EventTypes", &EVENT_TYPES)], 1, 1),
        part(&[("t:Watermark", &NON_EMPTY)], 0, 1),
        part(&[("t:Timeout", &TIMEOUT)], 1, 1),
    ]),
};
static SUBSCRIBE: Type = parts(&[part(&[("m:PullSubscriptionRequest", &PULL)], 1, 1)]);
static UNSUBSCRIBE: Type = parts(&[part(&[("m:SubscriptionId", &NON_EMPTY)], 1, 1)]);
static GET_EVENTS: Type = parts(&[
    part(&[("m:SubscriptionId", &NON_EMPTY)], 1, 1),
    part(&[("m:Watermark", &NON_EMPTY)], 1, 1),
]);
static CONFIGURATION_NAME: Type = Type {
    attrs: &[Attr("Name", true, Check::NonEmpty)],
    content: Content::Parts(&[part(
        &[
            ("t:FolderId", &FOLDER_ID),
            ("t:DistinguishedFolderId", &DISTINGUISHED),
        ],
        1,
        1,
    )]),
};
static CONFIGURATION_PARTS: Type = text(Check::ListOf(&[
    "Id",
    "Dictionary",
    "XmlData",
    "BinaryData",
    "All",
]));
static GET_CONFIGURATION: Type = parts(&[
    part(&[("m:UserConfigurationName", &CONFIGURATION_NAME)], 1, 1),
    part(&[("m:UserConfigurationProperties", &CONFIGURATION_PARTS)], 1, 1),
]);
static DICTIONARY_OBJECT: Type = parts(&[
    part(&[("t:Type", &STRING)], 1, 1),
    part(&[("t:Value", &STRING)], 1, MANY),
]);
static DICTIONARY_ENTRY: Type = parts(&[
    part(&[("t:DictionaryKey", &DICTIONARY_OBJECT)], 1, 1),
    part(&[("t:DictionaryValue", &DICTIONARY_OBJECT)], 1, 1),
]);
static DICTIONARY: Type = parts(&[part(&[("t:DictionaryEntry", &DICTIONARY_ENTRY)], 0, MANY)]);
static CONFIGURATION: Type = parts(&[
    part(&[("t:UserConfigurationName", &CONFIGURATION_NAME)], 1, 1),
    part(&[("t:ItemId", &ITEM_ID)], 0, 1),
    part(&[("t:Dictionary", &DICTIONARY)], 0, 1),
    part(&[("t:XmlData", &BASE64)], 0, 1),
    part(&[("t:BinaryData", &BASE64)], 0, 1),
]);
static PUT_CONFIGURATION: Type = parts(&[part(&[("m:UserConfiguration", &CONFIGURATION)], 1, 1)]);
static ZONE_IDS: Type = parts(&[part(&[("t:Id", &STRING)], 1, MANY)]);
static GET_ZONES: Type = Type {
    attrs: &[Attr("ReturnFullTimeZoneData", false, Check::Bool)],
    content: Content::Parts(&[part(&[("m:Ids", &ZONE_IDS)], 0, 1)]),
};

static SERVER_VERSION: Type = empty(&[Attr(
    "Version",
    true,
    Check::OneOf(&[
        "Exchange2007",
        "Exchange2007_SP1",
        "Exchange2010",
        "Exchange2010_SP1",
        "Exchange2010_SP2",
        "Exchange2013",
        "Exchange2013_SP1",
        "Exchange2015",
        "Exchange2016",
        "V2015_10_05",
        "V2016_01_06",
        "V2016_04_13",
        "V2016_07_13",
        "V2016_10_10",
        "V2017_01_07",
        "V2017_04_14",
    ]),
)]);

/// The type of a request by the name of its element in the body, if the sandbox plays that operation.
pub(super) fn operation(name: &str) -> Option<&'static Type> {
    Some(match name {
        "ConvertId" => &CONVERT_ID,
        "GetFolder" => &GET_FOLDER,
        "FindFolder" => &FIND_FOLDER,
        "CreateFolder" => &CREATE_FOLDER,
        "DeleteFolder" => &DELETE_FOLDER,
        "SyncFolderHierarchy" => &SYNC_HIERARCHY,
        "SyncFolderItems" => &SYNC_ITEMS,
        "FindItem" => &FIND_ITEM,
        "GetItem" => &GET_ITEM,
        "CreateItem" => &CREATE_ITEM,
        "UpdateItem" => &UPDATE_ITEM,
        "DeleteItem" => &DELETE_ITEM,
        "MoveItem" | "CopyItem" => &MOVE_ITEM,
        "SendItem" => &SEND_ITEM,
        "GetAttachment" => &GET_ATTACHMENT,
        "CreateAttachment" => &CREATE_ATTACHMENT,
        "DeleteAttachment" => &DELETE_ATTACHMENT,
        "UpdateFolder" => &UPDATE_FOLDER,
        "MoveFolder" => &MOVE_FOLDER,
        "ResolveNames" => &RESOLVE_NAMES,
        "Subscribe" => &SUBSCRIBE,
        "Unsubscribe" => &UNSUBSCRIBE,
        "GetEvents" => &GET_EVENTS,
        "GetUserConfiguration" => &GET_CONFIGURATION,
        "CreateUserConfiguration" | "UpdateUserConfiguration" => &PUT_CONFIGURATION,
        "GetServerTimeZones" => &GET_ZONES,
        _ => return None,
    })
}

/// The type of a SOAP header that is checked; others are let through, as Exchange does.
pub(super) fn header(name: &str) -> Option<&'static Type> {
    match name {
        "RequestServerVersion" => Some(&SERVER_VERSION),
        "TimeZoneContext" => Some(&ZONE_CONTEXT),
        _ => None,
    }
}

/// Whether `element` is of that type; the error is the violation in .NET's words.
pub(super) fn validate(element: &Element, ty: &Type) -> Result<(), String> {
    for (name, value) in &element.attrs {
        let Some(attr) = ty.attrs.iter().find(|a| a.0 == name) else {
            return Err(format!("The '{name}' attribute is not declared."));
        };
        if let Err(why) = attr.2.test(value) {
            return Err(format!(
                "The '{name}' attribute is invalid - The value '{value}' is invalid - {why}"
            ));
        }
    }
    if let Some(missing) = ty.attrs.iter().find(|a| a.1 && element.attr(a.0).is_none()) {
        return Err(format!("The required attribute '{}' is missing.", missing.0));
    }
    let is_text = matches!(ty.content, Content::Text(_));
    if !is_text && !element.text.trim().is_empty() {
        return Err(format!("The element '{}' cannot contain text.", element.name));
    }
    match &ty.content {
        Content::Text(check) => match element.children.first() {
            Some(child) => Err(unexpected(element, child, &[])),
            None => check
                .test(&element.text)
                .map_err(|why| format!("The '{}' element is invalid - {why}", element.name)),
        },
        Content::Empty => element
            .children
            .first()
            .map_or(Ok(()), |child| Err(unexpected(element, child, &[]))),
        Content::Parts(parts) => validate_parts(element, parts),
        Content::Expressions(max) => validate_parts(
            element,
            &[Part {
                one_of: expressions(),
                min: 1,
                max: *max,
            }],
        ),
        Content::Item(of) => validate_item(element, *of),
    }
}

fn validate_parts(element: &Element, parts: &[Part]) -> Result<(), String> {
    let mut rest = element.children.iter().peekable();
    let mut expected: Vec<&str> = Vec::new();
    for part in parts {
        let mut found = 0;
        while found < part.max {
            let Some(child) = rest.peek() else { break };
            let Some((_, ty)) = part.one_of.iter().find(|(name, _)| is(child, name)) else {
                break;
            };
            validate(child, ty)?;
            rest.next();
            found += 1;
            expected.clear();
        }
        if found < part.max {
            expected.extend(part.one_of.iter().map(|(name, _)| &name[2..]));
        }
        if found < part.min {
            return Err(match rest.peek() {
                Some(child) => unexpected(element, child, &expected),
                None => format!(
                    "The element '{}' in namespace '{}' has incomplete content. List of possible elements expected: '{}'.",
                    element.name,
                    element.ns.uri(),
                    expected.join(", ")
                ),
            });
        }
    }
    rest.peek()
        .map_or(Ok(()), |child| Err(unexpected(element, child, &expected)))
}

fn validate_item(element: &Element, of: props::Of) -> Result<(), String> {
    let rows: Vec<&props::Prop> = props::rows(of).collect();
    let mut last = 0;
    for child in &element.children {
        let known = rows
            .iter()
            .position(|p| p.name == child.name && child.ns == Ns::Types);
        let Some(at) = known else {
            return Err(unexpected(element, child, &[]));
        };
        let repeats = matches!(rows[at].kind, props::Kind::Extended);
        if at + 1 < last || (at + 1 == last && !repeats) {
            let later: Vec<&str> = rows[last..].iter().take(12).map(|p| p.name).collect();
            return Err(unexpected(element, child, &later));
        }
        last = at + 1;
        let ty = match rows[at].kind {
            props::Kind::Text | props::Kind::Absent => &STRING,
            props::Kind::Bool | props::Kind::LateBool => &BOOL,
            props::Kind::Int => &INT,
            props::Kind::Date => &DATE_TIME,
            props::Kind::Double => &DOUBLE,
            props::Kind::Base64 => &BASE64,
            props::Kind::Mime => &MIME,
            props::Kind::Person => &PERSON,
            props::Kind::People => &PEOPLE,
            props::Kind::Attendees => &ATTENDEES,
            props::Kind::Recurrence => &RECURRENCE,
            props::Kind::TaskRecurrence => &TASK_RECURRENCE,
            props::Kind::Zone => &ZONE,
            props::Kind::OneOf(values) => {
                if !values.contains(&child.text.as_str()) {
                    return Err(format!(
                        "The '{}' element is invalid - The value '{}' is invalid - The Enumeration constraint failed.",
                        child.name, child.text
                    ));
                }
                &STRING
            }
            props::Kind::Strings => &STRINGS,
            props::Kind::Body => &BODY,
            props::Kind::Emails => &EMAILS,
            props::Kind::Phones => &PHONES,
            props::Kind::Ims => &IMS,
            props::Kind::Addresses => &ADDRESSES,
            props::Kind::CompleteName => &COMPLETE_NAME,
            props::Kind::Id | props::Kind::Conversation => &ITEM_ID,
            props::Kind::Extended => &EXTENDED_PROPERTY,
            // Not settable whatever is in it.
            props::Kind::Rights
            | props::Kind::Attachments
            | props::Kind::Headers
            | props::Kind::Occurrence
            | props::Kind::Occurrences => continue,
        };
        // What can never be set may have a structure that this table does not know.
        if !matches!(rows[at].kind, props::Kind::Absent) {
            validate(child, ty)?;
        }
    }
    Ok(())
}

fn is(child: &Element, name: &str) -> bool {
    let ns = if name.starts_with("m:") {
        Ns::Messages
    } else {
        Ns::Types
    };
    child.ns == ns && child.name == name[2..]
}

fn unexpected(parent: &Element, child: &Element, expected: &[&str]) -> String {
    let mut text = format!(
        "The element '{}' in namespace '{}' has invalid child element '{}' in namespace '{}'.",
        parent.name,
        parent.ns.uri(),
        child.name,
        child.ns.uri()
    );
    if !expected.is_empty() {
        text.push_str(" List of possible elements expected: '");
        text.push_str(&expected.join(", "));
        text.push_str("'.");
    }
    text
}

impl Check {
    fn test(self, value: &str) -> Result<(), &'static str> {
        let good = match self {
            Self::Any => true,
            Self::NonEmpty => !value.is_empty(),
            Self::Bool => matches!(value.trim(), "true" | "false" | "1" | "0"),
            Self::Int(min, max) => value
                .trim()
                .parse::<i64>()
                .is_ok_and(|n| (min..=max).contains(&n)),
            Self::OneOf(values) => values.contains(&value),
            Self::ListOf(values) => value.split_whitespace().all(|v| values.contains(&v)),
            Self::Guid => {
                let lengths: Vec<usize> = value.split('-').map(str::len).collect();
                lengths == [8, 4, 4, 4, 12] && value.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
            }
            Self::Tag => props::tag_number(value).is_some(),
            Self::Base64 => props::base64(value).is_some(),
            Self::DateTime => props::date_time(value).is_some(),
            // A zone may follow, as in `2026-03-01Z`.
            Self::Date => value
                .trim()
                .get(..10)
                .is_some_and(|d| d.parse::<jiff::civil::Date>().is_ok()),
            Self::Double => value.trim().parse::<f64>().is_ok_and(f64::is_finite),
            Self::FieldUri => props::is_known_uri(value),
        };
        if good {
            return Ok(());
        }
        Err(match self {
            Self::NonEmpty => "The actual length is less than the MinLength value.",
            Self::Int(..) => "The value is not a number, or out of range.",
            Self::OneOf(_) | Self::ListOf(_) | Self::FieldUri => "The Enumeration constraint failed.",
            Self::Guid | Self::Tag => "The Pattern constraint failed.",
            _ => "The string is not a valid value of its data type.",
        })
    }
}
