//! `CalendarItem`: reading, the view of a calendar, writing.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritem>

use tandem_sync::model::AttendeeRole;

use super::FolderRef;
use super::find_item::NAME as FIND;
use super::get_item::key_path;
use super::item::{Head, field, flag, public_string, read_mailbox, read_person};
use super::soap::envelope;
use super::write_items::{Change, Value};
use crate::event::{Event, Times};
use crate::map::CATEGORY;
use crate::xml::{Element, Reader, Xml, XmlError};
use crate::zones::{Definition, Group, Kind, Period, Target, Transition, Written};

/// `PidLidGlobalObjectId` and `PidLidCleanGlobalObjectId`, in the set `Meeting`.
pub(crate) const CLEAN_OBJECT_ID: &str = "35";
/// Where a meeting is held online, as Skype for Business and Teams write it.
pub(crate) const ONLINE_LINKS: [&str; 2] = ["OnlineMeetingExternalLink", "SkypeTeamsMeetingUrl"];

pub(super) fn properties(xml: &mut Xml) {
    for uri in [
        "item:ParentFolderId",
        "item:ItemClass",
        "item:Subject",
        "item:Sensitivity",
        "item:Body",
        "item:Categories",
        "item:DateTimeCreated",
        "item:ReminderIsSet",
        "item:ReminderMinutesBeforeStart",
        "item:LastModifiedTime",
    ] {
        field(xml, uri);
    }
    own_properties(xml);
    key_path(xml);
}

pub(super) fn own_properties(xml: &mut Xml) {
    for uri in [
        "calendar:UID",
        "calendar:RecurrenceId",
        "calendar:Start",
        "calendar:End",
        "calendar:OriginalStart",
        "calendar:IsAllDayEvent",
        "calendar:LegacyFreeBusyStatus",
        "calendar:Location",
        "calendar:IsMeeting",
        "calendar:IsCancelled",
        "calendar:CalendarItemType",
        "calendar:MyResponseType",
        "calendar:Organizer",
        "calendar:RequiredAttendees",
        "calendar:OptionalAttendees",
        "calendar:Resources",
        "calendar:AppointmentState",
        "calendar:ModifiedOccurrences",
        "calendar:StartTimeZone",
        "calendar:EndTimeZone",
        "calendar:IsOnlineMeeting",
    ] {
        field(xml, uri);
    }
    for link in ONLINE_LINKS {
        public_string(xml, link);
    }
}

/// The occurrences and single events between two instants (`2026-11-01T00:00:00Z`), without bodies and people. With
/// more than `most`, the answer says that it is not complete.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendarview>
pub(crate) fn view(folder: &str, from: &str, to: &str, most: u32) -> Vec<u8> {
    envelope(FIND, &[("Traversal", "Shallow")], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            xml.element("t:AdditionalProperties", &[], |xml| {
                for uri in [
                    "item:Subject",
                    "calendar:UID",
                    "calendar:Start",
                    "calendar:End",
                    "calendar:IsAllDayEvent",
                    "calendar:CalendarItemType",
                ] {
                    field(xml, uri);
                }
            });
        });
        let most = most.to_string();
        xml.empty(
            "m:CalendarView",
            &[
                ("MaxEntriesReturned", &most),
                ("StartDate", from),
                ("EndDate", to),
            ],
        );
        xml.element("m:ParentFolderIds", &[], |xml| FolderRef::Id(folder).write(xml));
    })
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Event, XmlError> {
    let mut event = Event::default();
    let mut head = Head::default();
    reader.each(|reader, child| {
        if head.read(reader, child)? {
            return Ok(());
        }
        match child.name.as_str() {
            "UID" => event.uid = reader.text()?,
            "RecurrenceId" => event.recurrence_id = reader.text()?,
            "Start" => event.start = reader.text()?,
            "End" => event.end = reader.text()?,
            "OriginalStart" => event.original_start = reader.text()?,
            "IsAllDayEvent" => event.all_day = flag(&reader.text()?),
            "LegacyFreeBusyStatus" => event.show_as = reader.text()?,
            "Location" => event.location = reader.text()?,
            "IsMeeting" => event.meeting = flag(&reader.text()?),
            "IsCancelled" => event.cancelled = flag(&reader.text()?),
            "IsOnlineMeeting" => event.online = flag(&reader.text()?),
            "CalendarItemType" => event.item_type = reader.text()?,
            "MyResponseType" => event.response = reader.text()?,
            "Organizer" => event.organizer = Some(read_person(reader)?),
            "RequiredAttendees" => attendees(reader, AttendeeRole::Required, &mut event)?,
            "OptionalAttendees" => attendees(reader, AttendeeRole::Optional, &mut event)?,
            "Resources" => attendees(reader, AttendeeRole::Resource, &mut event)?,
            "ModifiedOccurrences" => reader.each(|reader, _| {
                reader.each(|_, child| {
                    if child.is("ItemId") {
                        event.exceptions.extend(child.attribute("Id").map(str::to_owned));
                    }
                    Ok(())
                })
            })?,
            "AppointmentState" => event.state = reader.text()?.trim().parse().unwrap_or_default(),
            "StartTimeZone" => event.start_zone = read_zone(reader, child)?,
            "EndTimeZone" => event.end_zone = read_zone(reader, child)?,
            "ReminderIsSet" => event.reminder_set = flag(&reader.text()?),
            "ReminderMinutesBeforeStart" => event.reminder = reader.text()?,
            _ => {}
        }
        Ok(())
    })?;
    head.check()?;
    event.head = head;
    Ok(event)
}

fn attendees(reader: &mut Reader<'_>, role: AttendeeRole, event: &mut Event) -> Result<(), XmlError> {
    reader.each(|reader, _| {
        let (mut who, mut response) = (None, String::new());
        reader.each(|reader, child| {
            match child.name.as_str() {
                "Mailbox" => who = Some(read_mailbox(reader)?),
                "ResponseType" => response = reader.text()?,
                _ => {}
            }
            Ok(())
        })?;
        event.attendees.extend(who.map(|who| (role, who, response)));
        Ok(())
    })
}

fn read_zone(reader: &mut Reader<'_>, element: &Element) -> Result<Written, XmlError> {
    let attribute = |name| element.attribute(name).unwrap_or_default().to_owned();
    let mut zone = Written {
        id: attribute("Id"),
        name: attribute("Name"),
        definition: Definition::default(),
    };
    reader.each(|reader, part| match part.name.as_str() {
        "Periods" => reader.each(|_, period| {
            let attribute = |name| period.attribute(name).unwrap_or_default().to_owned();
            zone.definition.periods.push(Period {
                bias: attribute("Bias"),
                name: attribute("Name"),
                id: attribute("Id"),
            });
            Ok(())
        }),
        "TransitionsGroups" => reader.each(|reader, group| {
            zone.definition.groups.push(Group {
                id: group.attribute("Id").unwrap_or_default().to_owned(),
                transitions: read_transitions(reader)?,
            });
            Ok(())
        }),
        "Transitions" => {
            zone.definition.transitions = read_transitions(reader)?;
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(zone)
}

fn read_transitions(reader: &mut Reader<'_>) -> Result<Vec<Transition>, XmlError> {
    let mut all = Vec::new();
    reader.each(|reader, element| {
        let mut to = Target::default();
        let mut parts: Vec<(String, String)> = Vec::new();
        reader.each(|reader, child| {
            if child.is("To") {
                child
                    .attribute("Kind")
                    .unwrap_or_default()
                    .clone_into(&mut to.kind);
                reader.text()?.trim().clone_into(&mut to.id);
            } else {
                parts.push((child.name.clone(), reader.text()?));
            }
            Ok(())
        })?;
        let part = |name: &str| {
            let found = parts.iter().find(|(n, _)| n == name);
            found.map(|(_, text)| text.trim().to_owned()).unwrap_or_default()
        };
        let kind = match element.name.as_str() {
            "AbsoluteDateTransition" => Kind::At(part("DateTime")),
            "RecurringDayTransition" => Kind::Day {
                offset: part("TimeOffset"),
                month: part("Month"),
                weekday: part("DayOfWeek"),
                occurrence: part("Occurrence"),
            },
            "RecurringDateTransition" => Kind::Date {
                offset: part("TimeOffset"),
                month: part("Month"),
                day: part("Day"),
            },
            _ => Kind::Always,
        };
        all.push(Transition { to, kind });
        Ok(())
    })?;
    Ok(all)
}

/// An event to be made.
pub(crate) struct NewEvent<'a> {
    pub(crate) key: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) body: Option<&'a str>,
    pub(crate) location: Option<&'a str>,
    pub(crate) times: Times,
    /// Minutes before the start.
    pub(crate) reminder: Option<&'a str>,
    pub(crate) show_as: &'static str,
    pub(crate) private: bool,
}

pub(super) fn new_event(xml: &mut Xml, event: &NewEvent<'_>) {
    xml.element("t:CalendarItem", &[], |xml| {
        if let Some(subject) = event.subject {
            xml.text("t:Subject", &[], subject);
        }
        xml.text(
            "t:Sensitivity",
            &[],
            if event.private { "Private" } else { "Normal" },
        );
        if let Some(body) = event.body {
            xml.text("t:Body", &[("BodyType", "Text")], body);
        }
        xml.element("t:Categories", &[], |xml| xml.text("t:String", &[], CATEGORY));
        // Said in any case: a calendar has a reminder of its own otherwise.
        xml.text(
            "t:ReminderIsSet",
            &[],
            if event.reminder.is_some() { "true" } else { "false" },
        );
        if let Some(minutes) = event.reminder {
            xml.text("t:ReminderMinutesBeforeStart", &[], minutes);
        }
        super::write_items::extended(xml, key_path, event.key);
        xml.text("t:Start", &[], &event.times.start);
        xml.text("t:End", &[], &event.times.end);
        xml.text("t:IsAllDayEvent", &[], truth(event.times.all_day));
        xml.text("t:LegacyFreeBusyStatus", &[], event.show_as);
        if let Some(location) = event.location {
            xml.text("t:Location", &[], location);
        }
        zone(xml, "t:StartTimeZone", &event.times.zone);
        zone(xml, "t:EndTimeZone", &event.times.zone);
    });
}

/// The changes that move an event.
pub(crate) fn move_changes(times: &Times) -> Vec<Change> {
    let set = |uri: &'static str, value: Value| Change::Set(uri, value);
    vec![
        set("calendar:Start", Value::Text("t:Start", times.start.clone())),
        set("calendar:End", Value::Text("t:End", times.end.clone())),
        set(
            "calendar:IsAllDayEvent",
            Value::Text("t:IsAllDayEvent", truth(times.all_day).to_owned()),
        ),
        // Not said, the zone would become that of the request: UTC.
        set(
            "calendar:StartTimeZone",
            Value::Zone("t:StartTimeZone", times.zone.clone()),
        ),
        set(
            "calendar:EndTimeZone",
            Value::Zone("t:EndTimeZone", times.zone.clone()),
        ),
    ]
}

pub(super) fn truth(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// A zone as a request names it: by its Windows name, or with its rules.
pub(super) fn zone(xml: &mut Xml, element: &str, zone: &Written) {
    let mut attributes = vec![("Id", zone.id.as_str())];
    if zone.definition.is_empty() {
        return xml.empty(element, &attributes);
    }
    if !zone.name.is_empty() {
        attributes.push(("Name", &zone.name));
    }
    xml.element(element, &attributes, |xml| {
        xml.element("t:Periods", &[], |xml| {
            for period in &zone.definition.periods {
                let attributes = [
                    ("Bias", period.bias.as_str()),
                    ("Name", &period.name),
                    ("Id", &period.id),
                ];
                xml.empty("t:Period", &attributes);
            }
        });
        if !zone.definition.groups.is_empty() {
            xml.element("t:TransitionsGroups", &[], |xml| {
                for group in &zone.definition.groups {
                    xml.element("t:TransitionsGroup", &[("Id", &group.id)], |xml| {
                        group.transitions.iter().for_each(|t| transition(xml, t));
                    });
                }
            });
        }
        if !zone.definition.transitions.is_empty() {
            xml.element("t:Transitions", &[], |xml| {
                zone.definition
                    .transitions
                    .iter()
                    .for_each(|t| transition(xml, t));
            });
        }
    });
}

fn transition(xml: &mut Xml, transition: &Transition) {
    let name = match transition.kind {
        Kind::Always => "t:Transition",
        Kind::At(_) => "t:AbsoluteDateTransition",
        Kind::Day { .. } => "t:RecurringDayTransition",
        Kind::Date { .. } => "t:RecurringDateTransition",
    };
    xml.element(name, &[], |xml| {
        xml.text("t:To", &[("Kind", &transition.to.kind)], &transition.to.id);
        match &transition.kind {
            Kind::Always => {}
            Kind::At(at) => xml.text("t:DateTime", &[], at),
            Kind::Day {
                offset,
                month,
                weekday,
                occurrence,
            } => {
                xml.text("t:TimeOffset", &[], offset);
                xml.text("t:Month", &[], month);
                xml.text("t:DayOfWeek", &[], weekday);
                xml.text("t:Occurrence", &[], occurrence);
            }
            Kind::Date { offset, month, day } => {
                xml.text("t:TimeOffset", &[], offset);
                xml.text("t:Month", &[], month);
                xml.text("t:Day", &[], day);
            }
        }
    });
}
