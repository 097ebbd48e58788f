//! What an event in the calendar says, and how it is said to the calendar.

use std::collections::BTreeMap;

use jiff::Timestamp as Instant;
use tandem_sync::model::{
    Address, Answer, Attendee, AttendeeRole, EventFacts, Extra, Field, FieldValue, ItemId, Part, Record,
    Scope, SeriesPart, Snapshot, Version, When, instant as write_instant,
};
use tandem_types::{ItemKind, Timestamp};

use crate::ews::calendar::{ONLINE_LINKS, move_changes};
use crate::ews::item::{Body, Head};
use crate::ews::write_items::{Change, Value};
use crate::html;
use crate::map::{CATEGORY, Email, FAILED, UNSYNC, has, instant, link_key, plain, timestamp};
use crate::places::Places;
use crate::zones::{Written, Zone};

/// `AppointmentState`: bits of a meeting.
/// <https://learn.microsoft.com/exchange/client-developer/web-service-reference/appointmentstate>
const RECEIVED: u32 = 2;
const CANCELLED: u32 = 4;

/// Where online meetings are held, for those that only their text gives away.
const MEETING_PLACES: [&str; 8] = [
    "teams.microsoft.com/l/meetup-join",
    "teams.microsoft.com/meet/",
    "teams.live.com/meet",
    "zoom.us/j/",
    ".webex.com/",
    "meet.google.com/",
    "meet.lync.com/",
    "meet.goto.com/",
];

/// An event as the server gave it. No `Debug`: it is content.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the properties of EWS, as they are")]
pub(crate) struct Event {
    pub(crate) head: Head,
    pub(crate) uid: String,
    pub(crate) recurrence_id: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) original_start: String,
    pub(crate) all_day: bool,
    pub(crate) show_as: String,
    pub(crate) location: String,
    pub(crate) meeting: bool,
    pub(crate) cancelled: bool,
    pub(crate) online: bool,
    /// `Single`, `Occurrence`, `Exception`, `RecurringMaster`.
    pub(crate) item_type: String,
    /// `MyResponseType`.
    pub(crate) response: String,
    pub(crate) organizer: Option<Email>,
    pub(crate) attendees: Vec<(AttendeeRole, Email, String)>,
    /// `AppointmentState`.
    pub(crate) state: u32,
    pub(crate) start_zone: Written,
    pub(crate) end_zone: Written,
    pub(crate) reminder_set: bool,
    pub(crate) reminder: String,
    /// Of a series: the ids of the occurrences that were changed by themselves.
    pub(crate) exceptions: Vec<String>,
}

impl Event {
    pub(crate) fn is_master(&self) -> bool {
        self.item_type == "RecurringMaster"
    }

    pub(crate) fn is_of_series(&self) -> bool {
        matches!(self.item_type.as_str(), "Occurrence" | "Exception")
    }

    /// The zone that its whole days are days of. `None`: one that nobody knows.
    fn zone(&self) -> Option<Zone> {
        if self.start_zone.is_given() {
            self.start_zone.zone()
        } else {
            // Written by somebody who said no zone: Exchange took UTC.
            Some(Zone::UTC)
        }
    }

    pub(crate) fn when(&self) -> Option<When> {
        let (start, end) = (instant(&self.start)?, instant(&self.end)?);
        if !self.all_day {
            return Some(When::Timed {
                start: seconds(start),
                end: seconds(end),
            });
        }
        let zone = self.zone().unwrap_or(Zone::UTC);
        let end_zone = if self.end_zone.is_given() {
            self.end_zone.zone().unwrap_or_else(|| zone.clone())
        } else {
            zone.clone()
        };
        Some(When::AllDay {
            first: zone.nearest_day(start)?,
            until: end_zone.nearest_day(end)?,
        })
    }

    /// The start that the series planned, as [`When::start_text`] writes it.
    pub(crate) fn planned(&self) -> Option<String> {
        if !self.is_of_series() {
            return None;
        }
        let at = [&self.original_start, &self.recurrence_id, &self.start]
            .into_iter()
            .find_map(|text| instant(text))?;
        let zone = self.zone().unwrap_or(Zone::UTC);
        // An occurrence that was made a whole day by itself keeps the hour of its plan.
        if self.all_day && zone.is_day_start(at) {
            return zone.nearest_day(at).map(|day| day.to_string());
        }
        Some(write_instant(seconds(at)))
    }

    pub(crate) fn plain_body(&self) -> FieldValue {
        body(&self.head.body)
    }

    /// Plain text would destroy something of it.
    pub(crate) fn is_rich(&self) -> bool {
        self.head.body.html && html::is_rich(&self.head.body.text)
    }

    pub(crate) fn is_online(&self) -> bool {
        let text = &self.head.body.text;
        self.online
            || ONLINE_LINKS
                .iter()
                .any(|link| !self.head.extended(link).trim().is_empty())
            || MEETING_PLACES.iter().any(|place| text.contains(place))
    }

    fn part(&self, places: &Places) -> Part {
        let foreign = || {
            let organizer = self.organizer.as_ref().and_then(address);
            organizer
                .is_some_and(|organizer| !places.address.is_empty() && organizer.address != places.address)
        };
        match self.response.as_str() {
            "Organizer" => Part::Organizer,
            "Accept" | "Tentative" | "Decline" | "NoResponseReceived" => Part::Attendee,
            _ if self.state & RECEIVED != 0 => Part::Attendee,
            _ if self.meeting && foreign() => Part::Attendee,
            _ => Part::Organizer,
        }
    }

    pub(crate) fn value(&self, field: Field, places: &Places) -> FieldValue {
        match field {
            Field::Subject => line(&self.head.subject),
            Field::Body => self.plain_body(),
            Field::Location => line(&self.location),
            Field::When => self
                .when()
                .map_or(FieldValue::Unknown, |when| FieldValue::Known(when.to_string())),
            Field::Reminder if self.reminder_set => minutes(&self.reminder),
            Field::Reminder => FieldValue::Empty,
            Field::ShowAs => show_as(&self.show_as),
            Field::Private => FieldValue::Known(if is_private(&self.head) { "yes" } else { "no" }.to_owned()),
            Field::Answer => match self.part(places) {
                Part::Organizer => FieldValue::Empty,
                Part::Attendee => FieldValue::Known(answer(&self.response).as_str().to_owned()),
            },
            _ => FieldValue::Unknown,
        }
    }

    fn facts(&self, places: &Places) -> EventFacts {
        let organizer = self.organizer.as_ref().and_then(address);
        let part = self.part(places);
        let attendees = self
            .attendees
            .iter()
            .filter_map(|(role, who, response)| {
                let who = address(who)?;
                let is_organizer = organizer.as_ref().is_some_and(|o| o.address == who.address);
                (!is_organizer).then(|| Attendee {
                    who,
                    role: *role,
                    answer: answer(response),
                })
            })
            .collect();
        EventFacts {
            uid: Some(self.uid.trim().to_owned()).filter(|uid| !uid.is_empty()),
            series: if self.is_of_series() {
                SeriesPart::Occurrence
            } else {
                SeriesPart::Single
            },
            original_start: self.planned(),
            part,
            answer: if part == Part::Attendee {
                answer(&self.response)
            } else {
                Answer::None
            },
            organizer,
            attendees,
            cancelled: self.cancelled || self.state & CANCELLED != 0,
            online: self.is_online(),
            rich_body: self.is_rich(),
            crm_series: false,
            broken_zone: self.zone().is_none(),
        }
    }

    pub(crate) fn snapshot(&self, places: &Places) -> Snapshot {
        let mut record = Record::new(ItemKind::Event);
        for field in Field::EVENT {
            record.set(*field, self.value(*field, places));
        }
        let of_series = self.is_of_series();
        Snapshot {
            scope: scope(&self.head, has(&self.head.categories, CATEGORY), places),
            marked: has(&self.head.categories, CATEGORY),
            // An occurrence shows the key of its series: it is not its own.
            key: link_key(self.head.key.as_deref()).filter(|_| !of_series),
            extra: Extra {
                untaggable: of_series,
                event: Some(Box::new(self.facts(places))),
                ..extra(&self.head)
            },
            ..snapshot(&self.head, record)
        }
    }

    /// What has to be said to the calendar so that it holds `set`.
    ///
    /// # Errors
    /// A value that a calendar cannot hold: the field.
    pub(crate) fn changes(
        &self,
        set: &BTreeMap<Field, FieldValue>,
        home: Option<&Written>,
    ) -> Result<Vec<Change>, Field> {
        let mut changes = Vec::new();
        for (field, value) in set {
            match (field, value) {
                (_, FieldValue::Unknown) => {}
                (Field::When, FieldValue::Known(text)) => {
                    let when: When = text.parse().map_err(|_| Field::When)?;
                    let times = Times::of(when, Some(&self.start_zone), home).ok_or(Field::When)?;
                    changes.extend(move_changes(&times));
                }
                (Field::When, FieldValue::Empty) => return Err(Field::When),
                (Field::Reminder, FieldValue::Known(text)) => {
                    let minutes = reminder(text).ok_or(Field::Reminder)?;
                    changes.push(text_change("item:ReminderIsSet", "t:ReminderIsSet", "true"));
                    changes.push(text_change(
                        "item:ReminderMinutesBeforeStart",
                        "t:ReminderMinutesBeforeStart",
                        &minutes.to_string(),
                    ));
                }
                (Field::Reminder, FieldValue::Empty) => {
                    changes.push(text_change("item:ReminderIsSet", "t:ReminderIsSet", "false"));
                }
                (Field::ShowAs, value) => {
                    let word = free_busy(value.known().unwrap_or("busy")).ok_or(Field::ShowAs)?;
                    changes.push(text_change(
                        "calendar:LegacyFreeBusyStatus",
                        "t:LegacyFreeBusyStatus",
                        word,
                    ));
                }
                (Field::Private, value) => {
                    changes.extend(sensitivity(&self.head, value.known() == Some("yes")));
                }
                (Field::Location, FieldValue::Known(text)) => {
                    changes.push(text_change("calendar:Location", "t:Location", text));
                }
                (Field::Location, FieldValue::Empty) => changes.push(Change::Delete("calendar:Location")),
                (Field::Subject | Field::Body, value) => changes.extend(text_field(*field, value)),
                // Nobody answers for the user, and who belongs to it is not the calendar's to know.
                _ => {}
            }
        }
        Ok(changes)
    }
}

/// When an event is, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) all_day: bool,
    pub(crate) zone: Written,
}

impl Times {
    /// `own`: the item's zone, which is kept. `home`: the user's, where it is known: whole days of an item that has no zone
    /// of its own begin at midnight there. `None`: a time that a calendar cannot hold.
    pub(crate) fn of(when: When, own: Option<&Written>, home: Option<&Written>) -> Option<Self> {
        let own = own.filter(|zone| zone.is_given()).and_then(Written::writable);
        let (start, end, zone) = match when {
            When::Timed { start, end } => (
                write_instant(start),
                write_instant(end),
                own.unwrap_or_else(|| Written::named("UTC")),
            ),
            When::AllDay { first, until } => {
                let zone = own
                    .filter(|zone| !zone.is_utc())
                    .or_else(|| home.and_then(Written::writable))
                    .unwrap_or_else(|| Written::named("UTC"));
                let known = zone.zone()?;
                let at = |day| Some(write_instant(seconds(known.midnight(day)?)));
                (at(first)?, at(until)?, zone)
            }
        };
        (!start.is_empty() && !end.is_empty()).then_some(Self {
            start,
            end,
            all_day: when.all_day(),
            zone,
        })
    }
}

fn seconds(at: Instant) -> Timestamp {
    Timestamp::from_seconds(at.as_second())
}

/// What every item's snapshot has.
pub(crate) fn snapshot(head: &Head, record: Record) -> Snapshot {
    Snapshot {
        id: ItemId(head.id.clone()),
        version: Version(head.change_key.clone()),
        key: link_key(head.key.as_deref()),
        scope: Scope::Out,
        record,
        modified: timestamp(&head.modified),
        created: timestamp(&head.created),
        marked: false,
        extra: Extra::default(),
    }
}

pub(crate) fn extra(head: &Head) -> Extra {
    Extra {
        unsync: has(&head.categories, UNSYNC),
        failed: has(&head.categories, FAILED),
        ..Extra::default()
    }
}

pub(crate) fn scope(head: &Head, marked: bool, places: &Places) -> Scope {
    if head.folder == places.deleted && !head.folder.is_empty() {
        Scope::Out
    } else if marked {
        Scope::In
    } else if is_private(head) {
        Scope::Private
    } else {
        Scope::Out
    }
}

/// Everything but `Normal`: private, personal, confidential.
pub(crate) fn is_private(head: &Head) -> bool {
    !matches!(head.sensitivity.trim(), "" | "Normal")
}

/// The change that makes an item private or not; none where it is already so, however it is called.
fn sensitivity(head: &Head, private: bool) -> Option<Change> {
    (is_private(head) != private).then(|| {
        text_change(
            "item:Sensitivity",
            "t:Sensitivity",
            if private { "Private" } else { "Normal" },
        )
    })
}

/// Plain text, lines separated by `\n`.
pub(crate) fn body(body: &Body) -> FieldValue {
    if body.cut {
        return FieldValue::Unknown;
    }
    let text = if body.html {
        html::to_text(&body.text)
    } else {
        plain(&body.text)
    };
    FieldValue::from_text(text.trim_end())
}

/// One line.
pub(crate) fn line(text: &str) -> FieldValue {
    FieldValue::from_text(plain(text).replace('\n', " ").trim())
}

fn minutes(text: &str) -> FieldValue {
    text.trim().parse::<u32>().map_or(FieldValue::Unknown, |minutes| {
        FieldValue::Known(minutes.to_string())
    })
}

/// The minutes of a reminder that a calendar can hold.
pub(crate) fn reminder(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|minutes| *minutes >= 0)
}

/// The changes of subject and body.
pub(crate) fn text_field(field: Field, value: &FieldValue) -> Option<Change> {
    match (field, value) {
        (Field::Subject, FieldValue::Known(text)) => Some(text_change("item:Subject", "t:Subject", text)),
        (Field::Subject, FieldValue::Empty) => Some(Change::Delete("item:Subject")),
        (Field::Body, FieldValue::Known(text)) => Some(Change::Body(text.clone())),
        // A body is emptied, not removed: not every server lets it be removed.
        (Field::Body, FieldValue::Empty) => Some(Change::Body(String::new())),
        _ => None,
    }
}

pub(crate) fn text_change(uri: &'static str, element: &'static str, text: &str) -> Change {
    Change::Set(uri, Value::Text(element, text.to_owned()))
}

fn answer(response: &str) -> Answer {
    match response.trim() {
        "Accept" => Answer::Accepted,
        "Tentative" => Answer::Tentative,
        "Decline" => Answer::Declined,
        _ => Answer::None,
    }
}

const SHOW_AS: [(&str, &str); 5] = [
    ("Busy", "busy"),
    ("Free", "free"),
    ("Tentative", "tentative"),
    ("OOF", "out_of_office"),
    ("WorkingElsewhere", "elsewhere"),
];

fn show_as(word: &str) -> FieldValue {
    let found = SHOW_AS.iter().find(|(theirs, _)| *theirs == word.trim());
    found.map_or(FieldValue::Unknown, |(_, ours)| {
        FieldValue::Known((*ours).to_owned())
    })
}

pub(crate) fn free_busy(word: &str) -> Option<&'static str> {
    SHOW_AS
        .iter()
        .find(|(_, ours)| *ours == word)
        .map(|(theirs, _)| *theirs)
}

/// With an address, and the name beside it where that is more than the address.
pub(crate) fn address(who: &Email) -> Option<Address> {
    let address = who.value().known()?.to_lowercase();
    if !address.contains('@') {
        return None;
    }
    let name = plain(&who.name).replace('\n', " ").trim().to_owned();
    let name = if name.eq_ignore_ascii_case(&address) {
        String::new()
    } else {
        name
    };
    Some(Address { address, name })
}

#[cfg(test)]
mod tests;
