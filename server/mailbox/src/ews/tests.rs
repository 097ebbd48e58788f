use std::collections::BTreeMap;

use proptest::prelude::*;
use tandem_sync::model::{Field, FieldValue, Record};
use tandem_types::ItemKind;

use super::find_item::{ItemPage, Wanted};
use super::folders::FolderPage;
use super::get_item::Item;
use super::notifications::{Events, Subscription};
use super::sync_items::SyncPage;
use super::write_items::{ContactUpdate, ItemUpdate, New, NewContact, Update};
use super::*;
use crate::error::CallError;
use crate::event::Times;
use crate::ews::get_item::Shape;
use crate::held::Held;
use crate::places::Places;
use crate::xml::{Element, Reader, XmlError};

/// A request as text, one element a line.
fn pretty(request: Vec<u8>) -> String {
    let text = String::from_utf8(request).unwrap();
    let mut out = String::new();
    let mut depth = 0_usize;
    for piece in text.replace("><", ">\n<").lines() {
        if piece.starts_with("</") {
            depth -= 1;
        }
        out.push_str(&"  ".repeat(depth));
        out.push_str(piece);
        out.push('\n');
        let opens = piece.starts_with('<') && !piece.starts_with("</") && !piece.starts_with("<?");
        if opens && !piece.ends_with("/>") && !piece.contains("</") {
            depth += 1;
        }
    }
    out
}

fn full() -> Record {
    let mut record = Record::new(ItemKind::Contact);
    for field in Field::CONTACT {
        let value = match field {
            Field::Birthday => "1980-05-05".to_owned(),
            Field::Email => "nina@contoso.example".to_owned(),
            Field::Body => "one\ntwo".to_owned(),
            _ => format!("<{}>", field.as_str()),
        };
        record.set(*field, FieldValue::Known(value));
    }
    record
}

#[test]
fn requests() {
    insta::assert_snapshot!(
        "get_folder",
        pretty(folders::get(&[
            FolderRef::Distinguished("contacts"),
            FolderRef::In {
                folder: "msgfolderroot",
                mailbox: "nina@contoso.example"
            },
        ]))
    );
    insta::assert_snapshot!(
        "find_folder",
        pretty(folders::find(FolderRef::Distinguished("msgfolderroot"), 500, 500))
    );
    insta::assert_snapshot!(
        "create_folder",
        pretty(folders::create(
            FolderRef::Distinguished("contacts"),
            crate::map::FOLDER,
            folders::CONTACTS_CLASS
        ))
    );
    insta::assert_snapshot!(
        "sync_folder_items",
        pretty(sync_items::request("F&1", Some("state=="), ItemKind::Contact))
    );
    insta::assert_snapshot!(
        "get_item",
        pretty(get_item::request(&["A", "B\"<"], Shape::Of(ItemKind::Contact)))
    );
    insta::assert_snapshot!("get_item_html", pretty(get_item::request_html(&["A"])));
    let wanted = [
        Wanted::Email("a@x.example"),
        Wanted::Name {
            given: "Zoë",
            surname: "O'Hara",
        },
        Wanted::Name {
            given: "",
            surname: "Berg",
        },
        Wanted::Key("0123"),
    ];
    insta::assert_snapshot!(
        "find_item",
        pretty(find_item::request(&["F1", "F2"], &wanted, 0, 500))
    );
    insta::assert_snapshot!(
        "find_item_one_key",
        pretty(find_item::request(&["F1"], &wanted[3..], 0, 500))
    );
    insta::assert_snapshot!(
        "find_item_all",
        pretty(find_item::request(&["F1"], &[], 500, 500))
    );
    insta::assert_snapshot!(
        "create_item",
        pretty(write_items::create(
            "F",
            &[New::Contact(NewContact {
                key: "0123456789abcdef0123456789abcdef",
                record: &full()
            })],
            false
        ))
    );
    let company = Record::new(ItemKind::Contact).with(Field::Company, "Contoso");
    insta::assert_snapshot!(
        "create_item_company",
        pretty(write_items::create(
            "F",
            &[New::Contact(NewContact {
                key: "k",
                record: &company
            })],
            false
        ))
    );
    insta::assert_snapshot!(
        "update_item",
        pretty(write_items::update(
            &[Update::Contact(ContactUpdate {
                id: "A",
                change_key: "CK",
                set: &full().fields,
                key: Some("0123456789abcdef0123456789abcdef"),
                categories: Some(vec!["Friends".to_owned(), "Salesforce".to_owned()]),
                display_name: Some("Nina Berg".to_owned()),
            })],
            false
        ))
    );
    let cleared: BTreeMap<Field, FieldValue> = Field::CONTACT
        .iter()
        .map(|field| (*field, FieldValue::Empty))
        .collect();
    insta::assert_snapshot!(
        "update_item_cleared",
        pretty(write_items::update(
            &[Update::Contact(ContactUpdate {
                id: "A",
                change_key: "CK",
                set: &cleared,
                key: None,
                categories: Some(vec![]),
                display_name: None,
            })],
            false
        ))
    );
    insta::assert_snapshot!("delete_item", pretty(write_items::delete(&["A", "B"], false)));
    insta::assert_snapshot!("move_item", pretty(write_items::move_to("F", &["A"])));
    insta::assert_snapshot!("subscribe", pretty(notifications::subscribe(&["F1", "F2"])));
    insta::assert_snapshot!("get_events", pretty(notifications::get_events("S", "W")));
    insta::assert_snapshot!("unsubscribe", pretty(notifications::unsubscribe("S")));
    insta::assert_snapshot!("resolve_names", pretty(resolve_names::request("nina.berg")));
    insta::assert_snapshot!("get_user_configuration", pretty(configuration::get()));
    insta::assert_snapshot!(
        "update_user_configuration",
        pretty(configuration::put(configuration::UPDATE, b"<categories/>"))
    );
    insta::assert_snapshot!(
        "create_user_configuration",
        pretty(configuration::put(configuration::CREATE, b"<categories/>"))
    );
}

fn times() -> Times {
    Times::of(
        "2026-03-29/2026-03-30".parse().unwrap(),
        Some(&crate::zones::Written::named("W. Europe Standard Time")),
        None,
    )
    .unwrap()
}

#[test]
fn requests_for_events_tasks_and_mails() {
    for (name, shape) in [
        ("get_item_event", Shape::Of(ItemKind::Event)),
        ("get_item_task", Shape::Of(ItemKind::Task)),
        ("get_item_mail", Shape::Of(ItemKind::Email)),
        ("get_item_any", Shape::Any),
    ] {
        insta::assert_snapshot!(name, pretty(get_item::request(&["A"], shape)));
    }
    let sync = |kind| pretty(sync_items::request("F", None, kind));
    insta::assert_snapshot!("sync_folder_items_event", sync(ItemKind::Event));
    insta::assert_snapshot!("sync_folder_items_task", sync(ItemKind::Task));
    insta::assert_snapshot!(
        "calendar_view",
        pretty(calendar::view(
            "C",
            "2026-11-01T00:00:00Z",
            "2026-12-01T00:00:00Z",
            1000
        ))
    );
    let range = message::Range {
        from: "2026-11-01T00:00:00Z".to_owned(),
        to: Some("2026-12-01T00:00:00Z".to_owned()),
        modified: Some("2026-11-20T00:00:00Z".to_owned()),
        older: message::Older::None,
    };
    insta::assert_snapshot!("find_mails", pretty(message::find(&["I", "S"], &range, 250, 250)));
    insta::assert_snapshot!("mail_sizes", pretty(message::sizes(&["A"])));
    insta::assert_snapshot!("mail_contents", pretty(message::contents(&["A"])));
    let wanted = [Wanted::Subject("Call"), Wanted::Meeting("BAAA")];
    insta::assert_snapshot!(
        "find_subject_and_meeting",
        pretty(find_item::request(&["T"], &wanted, 0, 500))
    );
    for (name, class) in [
        ("create_folder_tasks", folders::TASKS_CLASS),
        ("create_folder_mails", folders::MAILS_CLASS),
    ] {
        let request = folders::create(FolderRef::Distinguished("tasks"), "X", class);
        insta::assert_snapshot!(name, pretty(request));
    }
    let event = || calendar::NewEvent {
        key: "0123",
        subject: Some("Visit"),
        body: Some("one\ntwo"),
        location: Some("Berlin"),
        times: times(),
        reminder: Some("15"),
        show_as: "OOF",
        private: true,
    };
    insta::assert_snapshot!(
        "create_event",
        pretty(write_items::create("C", &[New::Event(event())], false))
    );
    let loud = pretty(write_items::create("C", &[New::Event(event())], true));
    assert!(loud.contains("SendMeetingInvitations=\"SendToAllAndSaveCopy\""));
    let task = task::NewTask {
        key: "0123",
        subject: Some("Call"),
        body: Some("text"),
        importance: "High",
        remind_at: Some("2026-11-20T08:00:00Z"),
        due: Some("2026-11-20T00:00:00Z".to_owned()),
        status: "WaitingOnOthers",
    };
    insta::assert_snapshot!(
        "create_task",
        pretty(write_items::create("T", &[New::Task(task)], false))
    );
    let update = |change_key| {
        Update::Item(ItemUpdate {
            kind: ItemKind::Event,
            id: "A",
            change_key,
            changes: calendar::move_changes(&times()),
            key: Some("0123"),
            categories: Some(vec!["Salesforce".to_owned()]),
        })
    };
    insta::assert_snapshot!(
        "update_event",
        pretty(write_items::update(&[update(Some("CK"))], false))
    );
    let forced = pretty(write_items::update(&[update(None)], true));
    assert!(
        forced.contains("AlwaysOverwrite") && forced.contains("OrCancellations=\"SendToAllAndSaveCopy\"")
    );
    let loud = pretty(write_items::delete(&["A"], true));
    assert!(loud.contains("SendMeetingCancellations=\"SendToAllAndSaveCopy\""));
    let silent = pretty(write_items::update(
        &[Update::Item(ItemUpdate {
            kind: ItemKind::Email,
            id: "A",
            change_key: Some("CK"),
            changes: vec![],
            key: None,
            categories: Some(vec![]),
        })],
        false,
    ));
    insta::assert_snapshot!("update_mail", silent);
}

fn reply(operation: &str, messages: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"urn:s\"><s:Header><h:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"1258\" MinorBuildNumber=\"12\" xmlns:h=\"urn:t\"/></s:Header><s:Body><m:{operation}Response xmlns:m=\"urn:m\" xmlns:t=\"urn:t\"><m:ResponseMessages>{messages}</m:ResponseMessages></m:{operation}Response></s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn message(operation: &str, inside: &str) -> String {
    format!(
        "<m:{operation}ResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>{inside}</m:{operation}ResponseMessage>"
    )
}

fn one<T: Default>(
    operation: &str,
    inside: &str,
    payload: impl FnMut(&mut Reader<'_>, &Element, &mut T) -> Result<(), XmlError>,
) -> T {
    let answer = read(&reply(operation, &message(operation, inside)), operation, payload).unwrap();
    assert_eq!(answer.version, "15.2.1258.12");
    answer.messages.into_iter().next().unwrap().unwrap()
}

#[test]
fn a_contact_is_read_in_full() {
    let inside = "<m:Items><t:Contact><t:ItemId Id=\"A\" ChangeKey=\"CK\"/><t:ParentFolderId Id=\"F\" ChangeKey=\"x\"/><t:ItemClass>IPM.Contact</t:ItemClass><t:Sensitivity>Normal</t:Sensitivity><t:Body BodyType=\"Text\">one&#xD;\r\ntwo\r\n</t:Body><t:DateTimeCreated>2026-11-20T10:00:00Z</t:DateTimeCreated><t:Categories><t:String>Salesforce</t:String><t:String>B</t:String></t:Categories><t:ExtendedProperty><t:ExtendedFieldURI PropertySetId=\"8F1B6C52-3D07-4E9A-A4F6-5B2C90D7E813\" PropertyName=\"TandemLinkKey\" PropertyType=\"String\"/><t:Value>0123</t:Value></t:ExtendedProperty><t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId=\"Address\" PropertyId=\"32990\" PropertyType=\"SystemTime\"/><t:Value>1980-05-05T00:00:00Z</t:Value></t:ExtendedProperty><t:LastModifiedTime>2026-11-20T11:00:00.5Z</t:LastModifiedTime><t:DisplayName>Nina</t:DisplayName><t:GivenName>Nina</t:GivenName><t:CompleteName><t:FirstName>no</t:FirstName></t:CompleteName><t:EmailAddresses><t:Entry Key=\"EmailAddress1\" Name=\"Nina (nina@contoso.example)\" RoutingType=\"EX\">/O=X</t:Entry></t:EmailAddresses><t:PhysicalAddresses><t:Entry Key=\"Home\"><t:City>no</t:City></t:Entry><t:Entry Key=\"Business\"><t:Street>a\nb</t:Street><t:CountryOrRegion>DE</t:CountryOrRegion></t:Entry></t:PhysicalAddresses><t:PhoneNumbers><t:Entry Key=\"CarPhone\">no</t:Entry><t:Entry Key=\"OtherTelephone\"> 12 </t:Entry></t:PhoneNumbers><t:Birthday>1980-05-04T11:00:00Z</t:Birthday></t:Contact></m:Items>";
    let Item::Contact(contact) = one(get_item::NAME, inside, get_item::payload) else {
        panic!("no contact")
    };
    let snapshot = contact.snapshot(&Places::default());
    let known: Vec<(Field, &str)> = snapshot
        .record
        .fields
        .iter()
        .filter_map(|(field, value)| Some((*field, value.known()?)))
        .collect();
    insta::assert_debug_snapshot!(known);
    assert_eq!(snapshot.key.unwrap().0, "0123");
    assert_eq!(snapshot.modified.0 - snapshot.created.0, 3_600_500_000);
    assert!(snapshot.marked);
    let empty = snapshot
        .record
        .fields
        .values()
        .filter(|v| **v == FieldValue::Empty)
        .count();
    assert_eq!(empty + known.len(), Field::CONTACT.len(), "nothing is unknown");
    let Item::Other = one(
        get_item::NAME,
        "<m:Items><t:DistributionList><t:ItemId Id=\"L\"/></t:DistributionList></m:Items>",
        get_item::payload,
    ) else {
        panic!("a list is no contact")
    };
}

fn item(inside: &str) -> Held {
    let inside = format!("<m:Items>{inside}</m:Items>");
    Held::of(one(get_item::NAME, &inside, get_item::payload)).expect("an item")
}

#[test]
fn an_event_a_task_and_a_mail_are_read() {
    let event = item(
        "<t:CalendarItem><t:ItemId Id=\"A\" ChangeKey=\"CK\"/><t:ParentFolderId Id=\"C\"/><t:ItemClass>IPM.Appointment</t:ItemClass><t:Subject>Visit</t:Subject><t:Sensitivity>Normal</t:Sensitivity><t:Body BodyType=\"HTML\">&lt;p&gt;one&lt;/p&gt;&lt;p&gt;two&lt;/p&gt;</t:Body><t:Categories><t:String>Salesforce</t:String></t:Categories><t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart><t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId=\"PublicStrings\" PropertyName=\"SkypeTeamsMeetingUrl\" PropertyType=\"String\"/><t:Value>https://x.example</t:Value></t:ExtendedProperty><t:LastModifiedTime>2026-11-20T11:00:00Z</t:LastModifiedTime><t:UID>U</t:UID><t:Start>2026-03-28T23:00:00Z</t:Start><t:End>2026-03-29T22:00:00Z</t:End><t:IsAllDayEvent>true</t:IsAllDayEvent><t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Berlin</t:Location><t:IsMeeting>true</t:IsMeeting><t:CalendarItemType>Exception</t:CalendarItemType><t:MyResponseType>Tentative</t:MyResponseType><t:Organizer><t:Mailbox><t:Name>Max</t:Name><t:EmailAddress>max@x.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType></t:Mailbox></t:Organizer><t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>nina@x.example</t:EmailAddress></t:Mailbox><t:ResponseType>Accept</t:ResponseType></t:Attendee></t:RequiredAttendees><t:AppointmentState>3</t:AppointmentState><t:StartTimeZone Id=\"Custom\" Name=\"mine\"><t:Periods><t:Period Bias=\"-PT1H\" Name=\"Standard\" Id=\"s\"/></t:Periods><t:TransitionsGroups><t:TransitionsGroup Id=\"0\"><t:Transition><t:To Kind=\"Period\">s</t:To></t:Transition></t:TransitionsGroup></t:TransitionsGroups><t:Transitions><t:Transition><t:To Kind=\"Group\">0</t:To></t:Transition><t:AbsoluteDateTransition><t:To Kind=\"Group\">0</t:To><t:DateTime>2030-01-01T00:00:00</t:DateTime></t:AbsoluteDateTransition></t:Transitions></t:StartTimeZone></t:CalendarItem>",
    );
    let snapshot = event.snapshot(&Places::default());
    let known: Vec<(Field, &str)> = snapshot
        .record
        .fields
        .iter()
        .filter_map(|(field, value)| Some((*field, value.known()?)))
        .collect();
    insta::assert_debug_snapshot!("event_fields", known);
    let facts = snapshot.extra.event.unwrap();
    // Nobody's address in a debug text: it is looked at by hand.
    assert_eq!(facts.organizer.as_ref().unwrap().address, "max@x.example");
    assert_eq!(facts.attendees[0].who.address, "nina@x.example");
    insta::assert_debug_snapshot!("event_facts", facts);

    let task = item(
        "<t:Task><t:ItemId Id=\"A\" ChangeKey=\"CK\"/><t:Subject>Call</t:Subject><t:Body BodyType=\"Text\">x</t:Body><t:Importance>High</t:Importance><t:ReminderDueBy>2026-11-20T08:00:00Z</t:ReminderDueBy><t:ReminderIsSet>true</t:ReminderIsSet><t:CompleteDate>2026-11-19T00:00:00Z</t:CompleteDate><t:DueDate>2026-11-19T11:00:00Z</t:DueDate><t:IsComplete>true</t:IsComplete><t:IsRecurring>true</t:IsRecurring><t:Status>Completed</t:Status><t:ExtendedProperty><t:ExtendedFieldURI DistinguishedPropertySetId=\"Task\" PropertyId=\"33029\" PropertyType=\"SystemTime\"/><t:Value>2026-11-20T00:00:00Z</t:Value></t:ExtendedProperty></t:Task>",
    );
    let snapshot = task.snapshot(&Places::default());
    let known: Vec<(Field, &str)> = snapshot
        .record
        .fields
        .iter()
        .filter_map(|(field, value)| Some((*field, value.known()?)))
        .collect();
    insta::assert_debug_snapshot!("task_fields", (known, snapshot.extra.task));

    let mail = item(
        "<t:Message><t:ItemId Id=\"A\" ChangeKey=\"CK\"/><t:ItemClass>IPM.Note</t:ItemClass><t:Subject>Hello</t:Subject><t:Size>1234</t:Size><t:InternetMessageHeaders><t:InternetMessageHeader HeaderName=\"Precedence\">bulk</t:InternetMessageHeader></t:InternetMessageHeaders><t:DateTimeSent>2026-11-20T08:00:00Z</t:DateTimeSent><t:HasAttachments>true</t:HasAttachments><t:ConversationId Id=\"T\"/><t:ToRecipients><t:Mailbox><t:EmailAddress>nina@x.example</t:EmailAddress></t:Mailbox></t:ToRecipients><t:From><t:Mailbox><t:Name>Max</t:Name><t:EmailAddress>max@x.example</t:EmailAddress></t:Mailbox></t:From><t:InternetMessageId>&lt;1@x.example&gt;</t:InternetMessageId></t:Message>",
    );
    let snapshot = mail.snapshot(&Places::default());
    let known: Vec<(Field, &str)> = snapshot
        .record
        .fields
        .iter()
        .filter_map(|(field, value)| Some((*field, value.known()?)))
        .collect();
    insta::assert_debug_snapshot!("mail_fields", (known, snapshot.extra.mail.unwrap()));

    let invitation =
        item("<t:MeetingRequest><t:ItemId Id=\"A\"/><t:ItemClass>IPM.Note</t:ItemClass></t:MeetingRequest>");
    assert!(
        invitation
            .snapshot(&Places::default())
            .extra
            .mail
            .unwrap()
            .service
    );
}

/// What was written for an event or a task, as a server that keeps it would give it back.
fn kept(request: &[u8], element: &str) -> Held {
    let text = std::str::from_utf8(request).unwrap();
    let (_, rest) = text.split_once(&format!("<m:Items><t:{element}>")).unwrap();
    let (inside, _) = rest.split_once("</m:Items>").unwrap();
    item(&format!(
        "<t:{element}><t:ItemId Id=\"A\" ChangeKey=\"CK\"/>{inside}"
    ))
}

#[test]
fn answers_are_read() {
    let page: SyncPage = one(
        sync_items::NAME,
        "<m:SyncState>s</m:SyncState><m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes><t:Create><t:Contact><t:ItemId Id=\"A\"/></t:Contact></t:Create><t:Update><t:DistributionList><t:ItemId Id=\"L\"/></t:DistributionList></t:Update><t:Delete><t:ItemId Id=\"D\"/></t:Delete><t:ReadFlagChange><t:ItemId Id=\"R\"/><t:IsRead>true</t:IsRead></t:ReadFlagChange></m:Changes>",
        sync_items::payload(ItemKind::Contact),
    );
    let changed: Vec<&str> = page.changed.iter().map(|item| item.id.as_str()).collect();
    assert_eq!(
        (page.state.as_str(), page.last, changed, page.deleted),
        ("s", false, vec!["A"], vec!["D".to_owned()])
    );

    let events: Events = one(
        notifications::GET_EVENTS,
        "<m:Notification><t:SubscriptionId>S</t:SubscriptionId><t:PreviousWatermark>0</t:PreviousWatermark><t:MoreEvents>false</t:MoreEvents><t:MovedEvent><t:Watermark>1</t:Watermark><t:TimeStamp>x</t:TimeStamp><t:ItemId Id=\"A\"/><t:ParentFolderId Id=\"new\"/><t:OldItemId Id=\"B\"/><t:OldParentFolderId Id=\"old\"/></t:MovedEvent><t:DeletedEvent><t:Watermark>2</t:Watermark><t:FolderId Id=\"gone\"/><t:ParentFolderId Id=\"p\"/></t:DeletedEvent><t:ModifiedEvent><t:Watermark>3</t:Watermark><t:FolderId Id=\"f\"/><t:ParentFolderId Id=\"p\"/><t:UnreadCount>1</t:UnreadCount></t:ModifiedEvent></m:Notification>",
        notifications::events_payload,
    );
    assert_eq!(events.watermark, "3");
    assert_eq!(events.folders.into_keys().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(events.structure.into_iter().collect::<Vec<_>>(), ["gone"]);

    let subscription: Subscription = one(
        notifications::SUBSCRIBE,
        "<m:SubscriptionId>S</m:SubscriptionId>",
        notifications::subscribe_payload,
    );
    assert_eq!(
        (subscription.id.as_str(), subscription.watermark.as_str()),
        ("S", "")
    );

    let page: FolderPage = one(
        folders::FIND,
        "<m:RootFolder IndexedPagingOffset=\"2\" TotalItemsInView=\"3\" IncludesLastItemInRange=\"false\"><t:Folders><t:ContactsFolder><t:FolderId Id=\"1\"/><t:ParentFolderId Id=\"0\"/><t:FolderClass>IPF.Contact</t:FolderClass><t:DisplayName>A &amp; B</t:DisplayName></t:ContactsFolder><t:Folder><t:FolderId Id=\"2\"/></t:Folder></t:Folders></m:RootFolder>",
        folders::page_payload,
    );
    assert_eq!(
        (page.next, page.folders.len(), page.folders[0].name.as_str()),
        (Some(2), 2, "A & B")
    );

    let page: ItemPage = one(
        find_item::NAME,
        "<m:RootFolder TotalItemsInView=\"1\" IncludesLastItemInRange=\"true\"><t:Items><t:Contact><t:ItemId Id=\"A\"/></t:Contact></t:Items></m:RootFolder>",
        find_item::payload,
    );
    assert_eq!(
        (page.next, page.items.len(), page.total, page.cut),
        (None, 1, 1, false)
    );

    let found: Vec<String> = one(
        resolve_names::NAME,
        "<m:ResolutionSet TotalItemsInView=\"3\" IncludesLastItemInRange=\"true\"><t:Resolution><t:Mailbox><t:Name>N</t:Name><t:EmailAddress>nina@x.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox></t:Resolution><t:Resolution><t:Mailbox><t:EmailAddress>/O=X</t:EmailAddress><t:RoutingType>EX</t:RoutingType></t:Mailbox></t:Resolution><t:Resolution><t:Mailbox><t:EmailAddress>all@x.example</t:EmailAddress><t:MailboxType>PublicDL</t:MailboxType></t:Mailbox></t:Resolution></m:ResolutionSet>",
        resolve_names::payload,
    );
    assert_eq!(found, ["nina@x.example"]);

    let list = one(
        configuration::GET,
        "<m:UserConfiguration><t:UserConfigurationName Name=\"CategoryList\"/><t:XmlData>PGE\n+PC9hPg==</t:XmlData></m:UserConfiguration>",
        configuration::payload,
    );
    assert_eq!(list.xml, b"<a></a>");
}

#[test]
fn errors_are_read_wherever_they_stand() {
    let nothing = |_: &mut Reader<'_>, _: &Element, (): &mut ()| Ok(());
    let failed = "<m:GetItemResponseMessage ResponseClass=\"Error\"><m:MessageText>busy</m:MessageText><m:ResponseCode>ErrorServerBusy</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:MessageXml><t:Value Name=\"BackOffMilliseconds\">1500</t:Value></m:MessageXml></m:GetItemResponseMessage>";
    let answer = read(&reply("GetItem", failed), "GetItem", nothing).unwrap();
    let error = answer.messages[0].as_ref().unwrap_err();
    assert_eq!(
        (
            error.code.as_str(),
            error.text.as_str(),
            error.backoff.unwrap().as_millis()
        ),
        ("ErrorServerBusy", "busy", 1500)
    );

    let fault = |inside: &str| {
        format!("<s:Envelope xmlns:s=\"urn:s\"><s:Body><s:Fault>{inside}</s:Fault></s:Body></s:Envelope>")
    };
    let detailed = fault(
        "<faultcode xmlns:a=\"urn:t\">a:ErrorInternalServerError</faultcode><faultstring>text</faultstring><detail><e:ResponseCode xmlns:e=\"urn:e\">ErrorInternalServerError</e:ResponseCode><e:Message xmlns:e=\"urn:e\">m</e:Message><t:MessageXml xmlns:t=\"urn:t\"><t:Value Name=\"InnerErrorResponseCode\">ErrorServerBusy</t:Value><t:Value Name=\"BackOffMilliseconds\">7</t:Value></t:MessageXml></detail>",
    );
    let Err(CallError::Response(error)) = read(detailed.as_bytes(), "GetItem", nothing) else {
        panic!("no fault")
    };
    assert_eq!(
        (error.inner.as_deref(), error.backoff.unwrap().as_millis()),
        (Some("ErrorServerBusy"), 7)
    );
    let bare = fault("<faultcode>a:ErrorSchemaValidation</faultcode>");
    let Err(CallError::Response(error)) = read(bare.as_bytes(), "GetItem", nothing) else {
        panic!("no fault")
    };
    assert_eq!(error.code, "ErrorSchemaValidation");

    for page in [
        "<html><body>Sign in</body></html>",
        "hello",
        "<!DOCTYPE html><html></html>",
        "{}",
    ] {
        assert!(
            matches!(
                read(page.as_bytes(), "GetItem", nothing),
                Err(CallError::NotExchange)
            ),
            "{page}"
        );
    }
    for wrong in [
        reply("GetFolder", &message("GetFolder", "")),
        reply("GetItem", ""),
    ] {
        assert!(matches!(
            read(&wrong, "GetItem", nothing),
            Err(CallError::Xml(XmlError::Unexpected(_)))
        ));
    }
    assert!(matches!(
        read(b"", "GetItem", nothing),
        Err(CallError::Xml(XmlError::Cut))
    ));
}

/// What was written for a contact, as a server that keeps it would give it back.
fn echo(request: &[u8]) -> Item {
    let text = std::str::from_utf8(request).unwrap();
    let (_, rest) = text.split_once("<m:Items><t:Contact>").unwrap();
    let (contact, _) = rest.split_once("</t:Contact></m:Items>").unwrap();
    let inside =
        format!("<m:Items><t:Contact><t:ItemId Id=\"A\" ChangeKey=\"CK\"/>{contact}</t:Contact></m:Items>");
    one(get_item::NAME, &inside, get_item::payload)
}

proptest! {
    #[test]
    fn every_field_comes_back(texts in proptest::collection::vec(any::<String>(), Field::CONTACT.len()), day in 0..100_000_i32) {
        let date = jiff::civil::date(1850, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap();
        let mut record = Record::new(ItemKind::Contact);
        for (field, text) in Field::CONTACT.iter().zip(&texts) {
            // What the normaliser in front of us leaves: no spaces around, line feeds only.
            let text: String = text.replace('\r', "").chars().filter(|c| *c != '\u{FFFE}' && *c != '\u{FFFF}' && (!c.is_control() || *c == '\n' || matches!(*c, '\u{7f}'..='\u{9f}'))).collect();
            let text = text.trim().to_owned();
            record.set(*field, match field {
                Field::Birthday => FieldValue::Known(date.to_string()),
                Field::Email => FieldValue::Known(format!("{day}@contoso.example")),
                _ => FieldValue::from_text(text),
            });
        }
        let request = write_items::create("F", &[New::Contact(NewContact { key: "k", record: &record })], false);
        let Item::Contact(contact) = echo(&request) else { panic!("no contact") };
        let back = contact.snapshot(&Places::default());
        for field in Field::CONTACT {
            prop_assert!(back.record.get(*field) == record.get(*field), "{:?}", field);
        }
        prop_assert_eq!(back.key.unwrap().0, "k");
        prop_assert!(back.marked);
    }

    #[test]
    fn every_field_of_events_and_tasks_comes_back(subject in "[^\\s\\p{C}]([^\\p{C}]{0,20}[^\\s\\p{C}])?", body in "[a-z<&\"]{1,9}(\n[a-z ]{0,5}[a-z])?", location in "[a-z<&]{0,9}", start in 0..4_000_000_000_i64, length in 0..9_000_000_i64, n in 0..60_usize) {
        let at = |seconds| tandem_sync::model::instant(tandem_types::Timestamp::from_seconds(seconds));
        let words = |words: &[&'static str]| words[n % words.len()];
        let event = Record::new(ItemKind::Event)
            .with(Field::Subject, &subject)
            .with(Field::Body, &body)
            .with(Field::Location, &location)
            .with(Field::When, &format!("{}/{}", at(start), at(start + length)))
            .with(Field::Reminder, words(&["", "0", "15", "20160"]))
            .with(Field::ShowAs, words(&["free", "tentative", "busy", "out_of_office", "elsewhere"]))
            .with(Field::Private, words(&["yes", "no"]));
        let new = crate::writing::new_item("k", &event, None).unwrap_or_else(|_| panic!("refused"));
        let back = kept(&write_items::create("F", &[new], false), "CalendarItem").snapshot(&Places::default());
        for field in event.fields.keys() {
            prop_assert!(back.record.get(*field) == event.get(*field), "{:?}", field);
        }
        prop_assert_eq!(back.key.unwrap().0, "k");
        prop_assert!(back.marked);

        let task = Record::new(ItemKind::Task)
            .with(Field::Subject, &subject)
            .with(Field::Body, &body)
            .with(Field::Due, at(start).get(..10).unwrap())
            .with(Field::Status, words(&["not_started", "in_progress", "waiting", "deferred", "completed"]))
            .with(Field::Priority, words(&["low", "normal", "high"]))
            .with(Field::RemindAt, if n % 2 == 0 { "" } else { "2026-11-20T08:00:00Z" });
        let new = crate::writing::new_item("k", &task, None).unwrap_or_else(|_| panic!("refused"));
        let back = kept(&write_items::create("F", &[new], false), "Task").snapshot(&Places::default());
        for field in task.fields.keys() {
            prop_assert!(back.record.get(*field) == task.get(*field), "{:?}", field);
        }
    }

    #[test]
    fn no_answer_makes_a_reader_panic(cut in 0..900_usize, garbage in "\\PC{0,10}") {
        let whole = reply("GetItem", &message("GetItem", "<m:Items><t:Contact><t:ItemId Id=\"A\"/><t:PhoneNumbers><t:Entry Key=\"HomePhone\">1</t:Entry></t:PhoneNumbers></t:Contact></m:Items>"));
        let mut damaged = whole[..cut.min(whole.len() - 1)].to_vec();
        prop_assert!(matches!(read::<Item>(&damaged, "GetItem", get_item::payload), Err(CallError::Xml(XmlError::Cut) | CallError::NotExchange)));
        damaged.extend_from_slice(garbage.as_bytes());
        // What was cut off can be said again by chance.
        prop_assume!(!damaged.starts_with(&whole));
        prop_assert!(read::<Item>(&damaged, "GetItem", get_item::payload).is_err());
    }
}
