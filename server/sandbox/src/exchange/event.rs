//! What only calendar items have: times in a zone, series with their exceptions, and the rules of meetings.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendaritem>

use std::fmt::Write as _;

use jiff::ToSpan as _;
use jiff::civil::{DateTime, Time};

use super::Fail;
use super::content::{Around, Class, Content, Ctx, Person};
use super::props::{date_time, write_time};
use super::store::encode;
use super::xml::{tag, wrap};
use super::zones::Zone;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// No event of Exchange is longer than five years.
const LONGEST: i64 = 5 * 366 * DAY;

/// The year 2200: nothing is expanded further.
const FAR: i64 = 7_258_118_400_000_000;

/// The lists of a meeting's guests.
pub(crate) const GUESTS: [&str; 3] = ["RequiredAttendees", "OptionalAttendees", "Resources"];

impl Content {
    fn time(&self, name: &str) -> Option<i64> {
        self.texts.get(name).and_then(|t| date_time(t))
    }

    /// Microseconds since 1970.
    pub(crate) fn start(&self) -> i64 {
        self.time("Start").unwrap_or_default()
    }

    /// Microseconds since 1970.
    pub(crate) fn end(&self) -> i64 {
        self.time("End").unwrap_or_default()
    }

    /// The zone in which the series and its all-day events are meant.
    pub(crate) fn zone(&self) -> Zone {
        self.zones.get("StartTimeZone").cloned().unwrap_or_else(Zone::utc)
    }

    fn set_times(&mut self, start: i64, end: i64) {
        self.texts.insert("Start", write_time(start));
        self.texts.insert("End", write_time(end));
    }

    /// Everybody who is invited.
    pub(crate) fn guests(&self) -> impl Iterator<Item = &Person> {
        GUESTS
            .iter()
            .filter_map(|name| self.people.get(name))
            .flat_map(|all| all.iter())
    }

    pub(crate) fn is_meeting(&self) -> bool {
        self.guests().next().is_some() || self.is_invitation()
    }

    /// Whether somebody else organises it.
    pub(crate) fn is_invitation(&self) -> bool {
        self.texts.contains_key("MyResponseType")
    }

    fn is_all_day(&self) -> bool {
        self.text("IsAllDayEvent") == "true"
    }

    pub(crate) fn settle_event(&mut self, before: &Self, ctx: Ctx<'_>) -> Result<(), Fail> {
        if !self.zones.contains_key("StartTimeZone") {
            self.zones.insert("StartTimeZone", ctx.zone.clone());
        }
        let zone = self.zone();
        self.zones.entry("EndTimeZone").or_insert_with(|| zone.clone());
        let (start, end) = match (self.time("Start"), self.time("End")) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => (start, start + 30 * MINUTE),
            (None, Some(end)) => (end - 30 * MINUTE, end),
            // As Outlook's *New appointment*: the next half hour.
            (None, None) => {
                let start = (ctx.now / (30 * MINUTE) + 1) * 30 * MINUTE;
                (start, start + 30 * MINUTE)
            }
        };
        if end < start {
            return Err(Fail::new(
                "ErrorCalendarEndDateIsEarlierThanStartDate",
                "EndDate is earlier than StartDate.",
            ));
        }
        if end - start > LONGEST {
            return Err(Fail::new(
                "ErrorCalendarDurationIsTooLong",
                "The duration of a calendar item cannot exceed five years.",
            ));
        }
        self.set_times(start, end);
        if self.is_all_day() {
            let last = self.zones.get("EndTimeZone").cloned().unwrap_or_else(Zone::utc);
            let first = zone.wall(start).date();
            let until = last.wall(end);
            let mut day = until.date();
            if until.time() != Time::midnight() || day <= first {
                day = day.max(first).tomorrow().unwrap_or(day);
            }
            self.set_times(
                zone.moment(first.to_datetime(Time::midnight())),
                last.moment(day.to_datetime(Time::midnight())),
            );
        }
        if self.recurrence.is_some()
            && (self.recurrence != before.recurrence || self.start() != before.start())
        {
            self.start_with_the_series()?;
        }
        let moved = self.recurrence != before.recurrence
            || (self.start(), self.end()) != (before.start(), before.end())
            || self.zones.get("StartTimeZone") != before.zones.get("StartTimeZone");
        if moved {
            self.exceptions.clear();
        } else {
            self.pass_on(before);
        }
        let cleared = self.recurrence.is_none() && before.recurrence.is_some();
        if cleared {
            self.exceptions.clear();
        }
        Ok(())
    }

    /// A series starts with its first occurrence.
    fn start_with_the_series(&mut self) -> Result<(), Fail> {
        let Some(recurrence) = self.recurrence.clone() else {
            return Ok(());
        };
        let zone = self.zone();
        let far = recurrence
            .start
            .checked_add(50.years())
            .unwrap_or(recurrence.start);
        let first = recurrence.dates(far.min(jiff::civil::date(2199, 12, 31)));
        let Some(first) = first.first() else {
            return Err(Fail::new(
                "ErrorRecurrenceHasNoOccurrence",
                "The recurrence has no occurrence.",
            ));
        };
        let (start, end) = (self.start(), self.end());
        let wall = DateTime::from_parts(*first, zone.wall(start).time());
        let begin = zone.moment(wall);
        let longest = match recurrence
            .dates(first.checked_add(3.years()).unwrap_or(*first))
            .get(1)
        {
            Some(second) => zone.moment(DateTime::from_parts(*second, wall.time())) - begin,
            None => LONGEST,
        };
        if end - start > longest {
            return Err(Fail::new(
                "ErrorOccurrenceTimeSpanTooBig",
                "An occurrence lasts longer than until the next one starts.",
            ));
        }
        self.set_times(begin, begin + (end - start));
        Ok(())
    }

    /// What changed in the series changes in its exceptions too, where they did not differ in it.
    fn pass_on(&mut self, before: &Self) {
        let master = Self {
            exceptions: std::collections::BTreeMap::new(),
            ..self.clone()
        };
        for exception in self.exceptions.values_mut().flatten() {
            for name in master.texts.keys().chain(before.texts.keys()) {
                if matches!(*name, "Start" | "End") {
                    continue;
                }
                if exception.texts.get(name) == before.texts.get(name) {
                    match master.texts.get(name) {
                        Some(value) => drop(exception.texts.insert(name, value.clone())),
                        None => drop(exception.texts.remove(name)),
                    }
                }
            }
            if exception.body == before.body {
                exception.body.clone_from(&master.body);
                exception.body_is_html = master.body_is_html;
            }
            if exception.lists == before.lists {
                exception.lists.clone_from(&master.lists);
            }
            if exception.people == before.people {
                exception.people.clone_from(&master.people);
            }
        }
    }

    /// The original starts of all occurrences, also of deleted ones, that begin before `until` (microseconds).
    pub(crate) fn originals(&self, until: i64) -> Vec<i64> {
        let Some(recurrence) = &self.recurrence else {
            return Vec::new();
        };
        let zone = self.zone();
        let time = zone.wall(self.start()).time();
        let last = zone.wall(until).date();
        recurrence
            .dates(last)
            .into_iter()
            .map(|date| zone.moment(DateTime::from_parts(date, time)))
            .filter(|start| *start < until)
            .collect()
    }

    /// Whether the series has an occurrence, deleted or not, that was to start then.
    pub(crate) fn is_original(&self, original: i64) -> bool {
        self.originals(original + 1).last() == Some(&original)
    }

    /// A series without what only the series has.
    fn template(&self) -> Self {
        Self {
            recurrence: None,
            exceptions: std::collections::BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The occurrence of that original start, and whether it differs; None if it was deleted.
    pub(crate) fn occurrence(&self, original: i64) -> Option<(Self, bool)> {
        match self.exceptions.get(&original) {
            Some(None) => None,
            Some(Some(own)) => Some(((**own).clone(), true)),
            None => {
                let mut one = self.template();
                one.set_times(original, original + (self.end() - self.start()));
                Some((one, false))
            }
        }
    }

    /// All occurrences that overlap a span: original start, content, whether it differs.
    pub(crate) fn occurrences(&self, from: i64, until: i64) -> Vec<(i64, Self, bool)> {
        let length = self.end() - self.start();
        let template = self.template();
        let mut found: Vec<(i64, Self, bool)> = Vec::new();
        for original in self.originals(until) {
            if self.exceptions.contains_key(&original) || !overlaps(original, original + length, from, until)
            {
                continue;
            }
            let mut one = template.clone();
            one.set_times(original, original + length);
            found.push((original, one, false));
        }
        for (original, own) in &self.exceptions {
            if let Some(own) = own
                && overlaps(own.start(), own.end(), from, until)
            {
                found.push((*original, (**own).clone(), true));
            }
        }
        found
    }

    /// Whether an occurrence may lie at that time: it cannot pass its neighbours.
    pub(crate) fn check_place(&self, original: i64, start: i64) -> Result<(), Fail> {
        let all = self.originals(original + 370 * DAY);
        let Some(at) = all.iter().position(|o| *o == original) else {
            return Ok(());
        };
        let begins = |o: &i64| self.occurrence(*o).map(|(one, _)| one.start());
        let before = all[..at].iter().rev().find_map(begins);
        let after = all[at + 1..].iter().find_map(begins);
        if before.is_some_and(|b| start <= b) || after.is_some_and(|a| start >= a) {
            return Err(Fail::new(
                "ErrorOccurrenceCrossingBoundary",
                "The occurrence cannot be moved past another occurrence of its series.",
            ));
        }
        Ok(())
    }

    /// `PidLidGlobalObjectId` in base64.
    pub(crate) fn global_id(&self) -> Option<String> {
        let uid = self.texts.get("UID")?;
        let hex: Option<Vec<u8>> = (uid.len().is_multiple_of(2) && uid.is_ascii())
            .then(|| {
                (0..uid.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&uid[at..at + 2], 16).ok())
                    .collect()
            })
            .flatten();
        Some(encode(&hex.unwrap_or_else(|| {
            // An id from elsewhere is wrapped, says MS-OXCICAL.
            let mut bytes = b"\x04\x00\x00\x00\x82\x00\xe0\x00\x74\xc5\xb7\x10\x1a\x82\xe0\x08".to_vec();
            bytes.extend_from_slice(&[0; 20]);
            let length = u32::try_from(uid.len() + 13).unwrap_or_default();
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(b"vCal-Uid\x01\x00\x00\x00");
            bytes.extend_from_slice(uid.as_bytes());
            bytes.push(0);
            bytes
        })))
    }

    pub(crate) fn simple_event(&self, name: &str, around: &Around<'_>) -> Option<String> {
        let flag = |yes: bool| Some(yes.to_string());
        let or = |default: &str| Some(self.texts.get(name).map_or(default, String::as_str).to_owned());
        match name {
            "RecurrenceId" | "OriginalStart" => around.at.map(write_time),
            "DateTimeStamp" => Some(write_time(around.modified)),
            "IsAllDayEvent" | "IsCancelled" | "MeetingRequestWasSent" | "IsOnlineMeeting" => or("false"),
            "LegacyFreeBusyStatus" => or("Busy"),
            "IsMeeting" => flag(self.is_meeting()),
            "IsRecurring" => flag(around.at.is_some()),
            "IsResponseRequested" | "AllowNewTimeProposal" | "ReminderIsSet" => or("true"),
            "CalendarItemType" => Some(
                match (around.at, around.exception, &self.recurrence) {
                    (Some(_), true, _) => "Exception",
                    (Some(_), false, _) => "Occurrence",
                    (None, _, Some(_)) => "RecurringMaster",
                    (None, _, None) => "Single",
                }
                .to_owned(),
            ),
            "MyResponseType" => or("Organizer"),
            "IsOrganizer" => flag(!self.is_invitation()),
            "Duration" => Some(duration(self.end() - self.start())),
            "TimeZone" => self.zones.get("StartTimeZone").map(|z| z.name.clone()),
            "AppointmentSequenceNumber" => or("0"),
            "AppointmentState" => {
                let cancelled = self.text("IsCancelled") == "true";
                let bits = i32::from(self.is_meeting())
                    + 2 * i32::from(self.is_invitation())
                    + 4 * i32::from(cancelled);
                Some(bits.to_string())
            }
            "ReminderMinutesBeforeStart" => or("15"),
            "ReminderDueBy" => Some(write_time(self.start())),
            "DisplayTo" => Some(names(self.people.get("RequiredAttendees"))),
            "DisplayCc" => Some(names(self.people.get("OptionalAttendees"))),
            _ => None,
        }
    }

    /// `FirstOccurrence`, `LastOccurrence`, `ModifiedOccurrences`, `DeletedOccurrences` of a series.
    pub(crate) fn write_occurrences(&self, out: &mut String, name: &str, around: &Around<'_>) {
        let Some(recurrence) = &self.recurrence else {
            return;
        };
        if self.class != Class::Event {
            return;
        }
        let info = |out: &mut String, element: &str, original: i64, one: &Self| {
            let mut inner = String::new();
            let (id, key) = around
                .mailbox
                .occurrence_id(around.number, around.moves, around.seq, original);
            wrap(&mut inner, "t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
            tag(&mut inner, "t:Start", &write_time(one.start()));
            tag(&mut inner, "t:End", &write_time(one.end()));
            tag(&mut inner, "t:OriginalStart", &write_time(original));
            wrap(out, element, &[], &inner);
        };
        let ends = recurrence.range != super::recur::Range::NoEnd;
        let live = |originals: Vec<i64>, last: bool| {
            let mut found = originals
                .into_iter()
                .filter_map(|o| self.occurrence(o).map(|(c, _)| (o, c)));
            if last { found.next_back() } else { found.next() }
        };
        match name {
            "FirstOccurrence" => {
                if let Some((original, one)) = live(self.originals(self.start() + 3660 * DAY), false) {
                    info(out, "t:FirstOccurrence", original, &one);
                }
            }
            "LastOccurrence" if ends => {
                if let Some((original, one)) = live(self.originals(FAR), true) {
                    info(out, "t:LastOccurrence", original, &one);
                }
            }
            "ModifiedOccurrences" => {
                let mut all = String::new();
                for (original, own) in &self.exceptions {
                    if let Some(own) = own {
                        info(&mut all, "t:Occurrence", *original, own);
                    }
                }
                if !all.is_empty() {
                    wrap(out, "t:ModifiedOccurrences", &[], &all);
                }
            }
            "DeletedOccurrences" => {
                let mut all = String::new();
                for (original, own) in &self.exceptions {
                    if own.is_none() {
                        let mut inner = String::new();
                        tag(&mut inner, "t:Start", &write_time(*original));
                        wrap(&mut all, "t:DeletedOccurrence", &[], &inner);
                    }
                }
                if !all.is_empty() {
                    wrap(out, "t:DeletedOccurrences", &[], &all);
                }
            }
            _ => {}
        }
    }
}

/// Whether an event of that time is seen in a view: what ends as the view begins is not.
pub(crate) fn overlaps(start: i64, end: i64, from: i64, until: i64) -> bool {
    start < until && (end > from || start >= from)
}

pub(crate) fn names(people: Option<&Vec<Person>>) -> String {
    people
        .map(|all| all.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("; "))
        .unwrap_or_default()
}

/// An `xs:duration` of whole minutes.
fn duration(micros: i64) -> String {
    let minutes = micros / MINUTE;
    let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let mut out = String::from("P");
    if days > 0 {
        let _ = write!(out, "{days}D");
    }
    if hours > 0 || rest > 0 || days == 0 {
        out.push('T');
        if hours > 0 {
            let _ = write!(out, "{hours}H");
        }
        if rest > 0 || hours == 0 {
            let _ = write!(out, "{rest}M");
        }
    }
    out
}
