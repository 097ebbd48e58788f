//! Who or what is in the mailbox already.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tandem_sync::Fault;
use tandem_sync::model::{Candidate, Field, FieldValue, MatchKey, When, parse_instant};
use tandem_types::ItemKind;

use crate::event::Event;
use crate::ews::find_item::Wanted;
use crate::ews::get_item::Shape;
use crate::held::Held;
use crate::mailbox::Ews;
use crate::map::Contact;
use crate::reading::Got;

/// With more keys than this, listing the mailbox costs less than asking for each.
const FEW_KEYS: usize = 60;
const DAY: i64 = 86_400;
/// Starts that are closer than this are looked for in one view.
const NEAR: i64 = 7 * DAY;

impl Ews {
    pub(crate) async fn find_candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let mut all: Vec<Vec<Candidate>> = keys.iter().map(|_| Vec::new()).collect();
        for kind in [ItemKind::Contact, ItemKind::Event, ItemKind::Task] {
            let of: Vec<usize> = (0..keys.len()).filter(|at| keys[*at].kind() == kind).collect();
            if of.is_empty() {
                continue;
            }
            let asked: Vec<&MatchKey> = of.iter().map(|at| &keys[*at]).collect();
            let found = match kind {
                ItemKind::Contact => self.contact_candidates(&asked).await?,
                ItemKind::Event => self.event_candidates(&asked).await?,
                _ => self.task_candidates(&asked).await?,
            };
            for (at, found) in of.into_iter().zip(found) {
                all[at] = found;
            }
        }
        Ok(all)
    }

    async fn contact_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let tree = self.tree().await?;
        let folders = tree.folders_of(ItemKind::Contact);
        let wanted: Vec<Wanted<'_>> = keys.iter().copied().filter_map(wanted).collect();
        let hits: Vec<String> = if wanted.is_empty() {
            Vec::new()
        } else if wanted.len() <= FEW_KEYS {
            self.search(&folders, &wanted).await?.ids()
        } else {
            let found = self.search(&folders, &[]).await?.found;
            let all: Vec<&Contact> = found.iter().filter_map(|(_, held)| contact(held)).collect();
            let index = Index::new(all.into_iter());
            let mut hits: Vec<&str> = keys.iter().flat_map(|key| index.matching(key)).collect();
            hits.sort_unstable();
            hits.dedup();
            hits.into_iter().map(str::to_owned).collect()
        };
        // Compared once more here, with the values that will be shown: a server may find more than we mean.
        let held = self.once(&hits, ItemKind::Contact).await?;
        let by_id: HashMap<&str, &Held> = held.iter().map(|held| (held.id(), held)).collect();
        let index = Index::new(held.iter().filter_map(contact));
        let same = |id: &str| Candidate::Same(Box::new(by_id[id].snapshot(&tree.places)));
        Ok(keys
            .iter()
            .map(|key| index.matching(key).into_iter().map(same).collect())
            .collect())
    }

    /// Tasks with the subjects asked for; dates are compared here.
    async fn task_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let tree = self.tree().await?;
        let folders = tree.folders_of(ItemKind::Task);
        let wanted: Vec<Wanted<'_>> = keys
            .iter()
            .filter_map(|key| match key {
                MatchKey::Task { subject, .. } if !subject.trim().is_empty() => {
                    Some(Wanted::Subject(subject.trim()))
                }
                _ => None,
            })
            .collect();
        if wanted.is_empty() || folders.is_empty() {
            return Ok(keys.iter().map(|_| Vec::new()).collect());
        }
        let hits = self.search(&folders, &wanted).await?.ids();
        let held = self.once(&hits, ItemKind::Task).await?;
        let same = |key: &&MatchKey| {
            let MatchKey::Task { subject, due } = key else {
                return Vec::new();
            };
            if subject.trim().is_empty() {
                return Vec::new();
            }
            let matches = held.iter().filter(|held| {
                let Held::Task(task) = held else { return false };
                let date = task.value(Field::Due);
                folded(&task.head.subject) == folded(subject)
                    && date.known().unwrap_or_default() == due
                    && !date.is_unknown()
            });
            matches
                .map(|held| Candidate::Same(Box::new(held.snapshot(&tree.places))))
                .collect()
        };
        Ok(keys.iter().map(same).collect())
    }

    async fn event_candidates(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Fault> {
        let places = self.places().await?;
        let mut rows: Vec<Event> = Vec::new();
        if !places.calendar.is_empty() {
            for (from, to) in spans(keys) {
                self.rows(&places.calendar, from, to, &mut rows).await?;
            }
        }
        // A table shows no zone and no plan: these are compared once the events are read.
        let ids: Vec<String> = rows
            .iter()
            .filter(|row| keys.iter().any(|key| may_be(row, key)))
            .map(|row| row.head.id.clone())
            .collect();
        let mut held = self.once(&ids, ItemKind::Event).await?;
        // Meetings that are not where their plan says.
        let open: Vec<String> = keys
            .iter()
            .filter(|key| !held.iter().filter_map(event).any(|event| is(event, key)))
            .flat_map(|key| ids_of(key))
            .collect();
        let moved = self.moved_meetings(&places.calendar, &open).await?;
        let more = self.once(&moved, ItemKind::Event).await?;
        let known: Vec<String> = held.iter().map(|held| held.id().to_owned()).collect();
        held.extend(
            more.into_iter()
                .filter(|held| !known.iter().any(|id| id == held.id())),
        );
        let same = |key: &&MatchKey| {
            let matches = held
                .iter()
                .filter(|held| event(held).is_some_and(|event| is(event, key)));
            matches
                .filter(|held| held.folder() != places.deleted)
                .map(|held| Candidate::Same(Box::new(held.snapshot(&places))))
                .collect()
        };
        Ok(keys.iter().map(same).collect())
    }

    /// The ids of what stands around the planned starts of these meetings in a calendar: what is of their series.
    pub(crate) async fn planned(&self, calendar: &str, keys: &[&MatchKey]) -> Result<Vec<String>, Fault> {
        let mut rows = Vec::new();
        for (from, to) in spans(keys) {
            self.rows(calendar, from, to, &mut rows).await?;
        }
        rows.retain(|row| keys.iter().any(|key| may_be(row, key)));
        Ok(rows.into_iter().map(|row| row.head.id).collect())
    }

    /// A table of a stretch of the calendar, cut in halves as often as it is too long.
    async fn rows(&self, folder: &str, from: i64, to: i64, rows: &mut Vec<Event>) -> Result<(), Fault> {
        let mut waiting = vec![(from, to)];
        while let Some((from, to)) = waiting.pop() {
            let Some(page) = self.view_page(folder, from, to).await? else {
                let middle = from + (to - from) / 2;
                waiting.push((middle, to));
                waiting.push((from, middle));
                continue;
            };
            rows.extend(page.items.into_iter().filter_map(|held| match held {
                Held::Event(event) => Some(*event),
                _ => None,
            }));
        }
        Ok(())
    }

    /// Meetings that are not where their plan says, by their ids: single ones, and changed occurrences of series.
    async fn moved_meetings(&self, calendar: &str, object_ids: &[String]) -> Result<Vec<String>, Fault> {
        if object_ids.is_empty() || calendar.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<Wanted<'_>> = object_ids.iter().map(|id| Wanted::Meeting(id)).collect();
        let found = self.search(&[calendar], &wanted).await?.ids();
        let mut ids = Vec::new();
        for held in self
            .get(&found, Shape::Of(ItemKind::Event))
            .await?
            .into_iter()
            .filter_map(Got::held)
        {
            let Held::Event(event) = held else { continue };
            if event.is_master() {
                ids.extend(event.exceptions);
            } else {
                ids.push(event.head.id);
            }
        }
        Ok(ids)
    }
}

pub(crate) fn event(held: &Held) -> Option<&Event> {
    match held {
        Held::Event(event) if !event.is_master() => Some(event),
        _ => None,
    }
}

fn contact(held: &Held) -> Option<&Contact> {
    match held {
        Held::Contact(contact) => Some(contact),
        _ => None,
    }
}

/// The start of a key, in seconds. Of whole days: midnight in UTC.
fn start_of(text: &str) -> Option<i64> {
    if let Some(at) = parse_instant(text) {
        return Some(at.seconds());
    }
    let day: jiff::civil::Date = text.parse().ok()?;
    let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second())
}

/// The stretches of the calendar in which the keys' events start.
pub(crate) fn spans(keys: &[&MatchKey]) -> Vec<(i64, i64)> {
    let starts = keys.iter().filter_map(|key| match key {
        MatchKey::Event { subject, start } if !subject.trim().is_empty() => start_of(start),
        MatchKey::Meeting { original_start, .. } => start_of(original_start.as_deref()?),
        _ => None,
    });
    // A whole day begins up to 14 hours before and 12 after midnight in UTC.
    merged(starts.map(|at| (at - DAY, at + DAY)).collect())
}

fn merged(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut all: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match all.last_mut() {
            Some(last) if from - last.1 <= NEAR => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// Whether a row of a table may be what is asked for.
fn may_be(row: &Event, key: &MatchKey) -> bool {
    match key {
        MatchKey::Event { subject, start } => {
            !subject.trim().is_empty()
                && folded(&row.head.subject) == folded(subject)
                && (row.all_day || row.when().map(When::start_text).as_deref() == Some(start))
        }
        MatchKey::Meeting { uid, .. } => same_uid(uid, &row.uid),
        _ => false,
    }
}

pub(crate) fn is(event: &Event, key: &MatchKey) -> bool {
    match key {
        MatchKey::Event { subject, start } => {
            !subject.trim().is_empty()
                && folded(&event.head.subject) == folded(subject)
                && event.when().map(When::start_text).as_deref() == Some(start)
        }
        MatchKey::Meeting { uid, original_start } => {
            same_uid(uid, &event.uid)
                && match original_start {
                    None => !event.is_of_series(),
                    Some(start) => event.planned().as_ref() == Some(start),
                }
        }
        _ => false,
    }
}

fn same_uid(a: &str, b: &str) -> bool {
    !a.trim().is_empty() && a.trim().eq_ignore_ascii_case(b.trim())
}

/// What a meeting's `PidLidCleanGlobalObjectId` may be.
pub(crate) fn ids_of(key: &MatchKey) -> Vec<String> {
    match key {
        MatchKey::Meeting { uid, .. } => object_ids(uid),
        _ => Vec::new(),
    }
}

/// What every global object id begins with.
const OBJECT_ID: [u8; 16] = [
    0x04, 0x00, 0x00, 0x00, 0x82, 0x00, 0xE0, 0x00, 0x74, 0xC5, 0xB7, 0x10, 0x1A, 0x82, 0xE0, 0x08,
];

/// What `PidLidCleanGlobalObjectId` of a meeting may be, in base64, from the UID that every calendar knows it by: cleaned
/// of the date of an occurrence, and as it is, for servers that do not clean it.
/// <https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxocal/1d3aac05-a7b9-45cc-a213-47f0a0a2c5c1>
fn object_ids(uid: &str) -> Vec<String> {
    let uid = uid.trim();
    if uid.is_empty() || uid.len() > 1_000 {
        return Vec::new();
    }
    let bytes = match hex(uid) {
        Some(bytes) if bytes.len() > 20 && bytes.starts_with(&OBJECT_ID) => bytes,
        _ => {
            let mut data = b"vCal-Uid\x01\0\0\0".to_vec();
            data.extend_from_slice(uid.as_bytes());
            data.push(0);
            let length = u32::try_from(data.len()).unwrap_or_default();
            let mut bytes = OBJECT_ID.to_vec();
            bytes.extend_from_slice(&[0; 20]);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&data);
            bytes
        }
    };
    let mut clean = bytes.clone();
    clean[16..20].fill(0);
    let mut all = vec![STANDARD.encode(&clean)];
    if clean != bytes {
        all.push(STANDARD.encode(&bytes));
    }
    all
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn wanted(key: &MatchKey) -> Option<Wanted<'_>> {
    match key {
        MatchKey::Email(address) => {
            Some(Wanted::Email(address.trim())).filter(|_| !address.trim().is_empty())
        }
        MatchKey::Name { given, surname } => {
            let (given, surname) = (given.trim(), surname.trim());
            (!given.is_empty() || !surname.is_empty()).then_some(Wanted::Name { given, surname })
        }
        _ => None,
    }
}

/// Contacts by what they are matched with, whatever the case.
pub(crate) struct Index<'a> {
    emails: BTreeMap<String, Vec<&'a str>>,
    names: BTreeMap<(String, String), Vec<&'a str>>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(contacts: impl Iterator<Item = &'a Contact>) -> Self {
        let mut index = Self {
            emails: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for contact in contacts {
            for email in &contact.emails {
                if let FieldValue::Known(address) = email.value() {
                    let ids = index.emails.entry(folded(&address)).or_default();
                    if !ids.contains(&contact.id.as_str()) {
                        ids.push(&contact.id);
                    }
                }
            }
            let name = (
                folded(contact.text(Field::GivenName)),
                folded(contact.text(Field::Surname)),
            );
            index.names.entry(name).or_default().push(&contact.id);
        }
        index
    }

    pub(crate) fn matching(&self, key: &MatchKey) -> Vec<&'a str> {
        if wanted(key).is_none() {
            return Vec::new();
        }
        let found = match key {
            MatchKey::Email(address) => self.emails.get(&folded(address)),
            MatchKey::Name { given, surname } => self.names.get(&(folded(given), folded(surname))),
            _ => None,
        };
        found.cloned().unwrap_or_default()
    }
}

pub(crate) fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Email;

    fn contact(id: &str, given: &str, surname: &str, emails: &[&str]) -> Contact {
        let email = |text: &&str| Email {
            index: "EmailAddress2".to_owned(),
            text: (*text).to_owned(),
            ..Email::default()
        };
        Contact {
            id: id.to_owned(),
            texts: vec![
                (Field::GivenName, given.to_owned()),
                (Field::Surname, surname.to_owned()),
            ],
            emails: emails.iter().map(email).collect(),
            ..Contact::default()
        }
    }

    #[test]
    fn matching_does_not_see_case_and_never_matches_nothing() {
        let all = [
            contact("1", "Zoë", "ÅNGSTRÖM", &["Zoe@X.example", "zoe@x.example"]),
            contact("2", "", "", &[""]),
            contact("3", "zoë ", "ångström", &[]),
        ];
        let index = Index::new(all.iter());
        assert_eq!(
            index.matching(&MatchKey::Email(" ZOE@x.EXAMPLE".to_owned())),
            ["1"]
        );
        let name = |given: &str, surname: &str| MatchKey::Name {
            given: given.to_owned(),
            surname: surname.to_owned(),
        };
        assert_eq!(index.matching(&name("ZOË", "Ångström")), ["1", "3"]);
        assert!(index.matching(&name("", " ")).is_empty());
        assert!(index.matching(&name("", "Ångström")).is_empty());
        assert!(index.matching(&MatchKey::Email(" ".to_owned())).is_empty());
    }

    #[test]
    fn starts_are_looked_for_together_where_they_are_near() {
        let key = |start: &str| MatchKey::Event {
            subject: "x".to_owned(),
            start: start.to_owned(),
        };
        let keys = [
            key("2026-11-20T10:00:00Z"),
            key("2026-11-22"),
            key("2026-12-24T10:00:00Z"),
            key("soon"),
        ];
        let keys: Vec<&MatchKey> = keys.iter().collect();
        let at = |text: &str| start_of(text).unwrap();
        assert_eq!(
            spans(&keys),
            [
                (at("2026-11-19T10:00:00Z"), at("2026-11-23")),
                (at("2026-12-23T10:00:00Z"), at("2026-12-25T10:00:00Z"))
            ]
        );
    }

    #[test]
    fn object_ids_of_meetings() {
        let own = format!(
            "040000008200E00074C5B7101A82E00807EA0B14{}10000000{}",
            "00".repeat(16),
            "AB".repeat(16)
        );
        let both = object_ids(&own);
        let clean = STANDARD.decode(&both[0]).unwrap();
        assert_eq!(&clean[16..20], [0; 4]);
        assert_eq!(clean.len(), 16 + 4 + 16 + 4 + 16);
        assert_eq!(
            STANDARD.decode(&both[1]).unwrap()[16..20],
            [0x07, 0xEA, 0x0B, 0x14]
        );
        let [foreign] = object_ids("abc@example.com").try_into().unwrap();
        let foreign = STANDARD.decode(foreign).unwrap();
        assert!(foreign.starts_with(&OBJECT_ID) && foreign.ends_with(b"abc@example.com\0"));
        assert_eq!(foreign[36..40], 28_u32.to_le_bytes());
        assert!(object_ids(" ").is_empty());
        assert_eq!(object_ids("ABCD").len(), 1, "hexadecimal, and no object id");
    }
}
