//! Possible matches, by what both sides would show.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tandem_sync::model::{Candidate, Field, ItemId, MatchKey, Scope, Snapshot, When};
use tandem_types::ItemKind;

use crate::changes::{plain_event, plain_task};
use crate::describe::{Described, View};
use crate::lookups::Query;
use crate::map::{self, Row, email};
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::soql;

/// E-mail addresses of one query.
const VALUES_PER_QUERY: usize = 200;
/// Pairs of names, subjects with their times, of one query.
const PAIRS_PER_QUERY: usize = 50;

impl Salesforce {
    pub(crate) async fn find_candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Failure> {
        let people: Vec<&MatchKey> = keys
            .iter()
            .filter(|key| key.kind() == ItemKind::Contact)
            .collect();
        let others: Vec<&MatchKey> = keys
            .iter()
            .filter(|key| key.kind() != ItemKind::Contact)
            .collect();
        let mut people = self.people(&people).await?.into_iter();
        let mut others = self.activities_like(&others).await?.into_iter();
        Ok(keys
            .iter()
            .map(|key| {
                let next = if key.kind() == ItemKind::Contact {
                    people.next()
                } else {
                    others.next()
                };
                next.unwrap_or_default()
            })
            .collect())
    }

    async fn people(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Failure> {
        // Folded for comparing, as they were written for asking: folding is not the same everywhere.
        let mut emails: BTreeMap<String, &str> = BTreeMap::new();
        let mut names: BTreeMap<(String, String), (&str, &str)> = BTreeMap::new();
        for key in keys {
            match key {
                MatchKey::Email(email) if !email.trim().is_empty() => {
                    emails.insert(fold(email), email.trim());
                }
                MatchKey::Name { surname, given } if !surname.trim().is_empty() => {
                    names.insert((fold(given), fold(surname)), (given.trim(), surname.trim()));
                }
                _ => {}
            }
        }
        if emails.is_empty() && names.is_empty() {
            return Ok(vec![Vec::new(); keys.len()]);
        }
        let described = self.described().await?;
        let email_lists = soql::in_lists(emails.values().copied(), VALUES_PER_QUERY);
        let name_lists = name_conditions(names.values().copied());
        let (described, rows, leads) = self.candidate_rows(&described, &email_lists, &name_lists).await?;
        let snapshots = self.snapshots(&described, &rows).await?;
        let mut by_email: HashMap<String, Vec<Candidate>> = HashMap::new();
        let mut by_name: HashMap<(String, String), Vec<Candidate>> = HashMap::new();
        let mut seen: BTreeSet<ItemId> = BTreeSet::new();
        for snapshot in snapshots {
            if !seen.insert(snapshot.id.clone()) {
                continue;
            }
            let text = |field| snapshot.record.get(field).known().map(fold).unwrap_or_default();
            let email = text(Field::Email);
            let name = (text(Field::GivenName), text(Field::Surname));
            let candidate = Candidate::Same(Box::new(snapshot));
            if emails.contains_key(&email) {
                by_email.entry(email).or_default().push(candidate.clone());
            }
            if names.contains_key(&name) {
                by_name.entry(name).or_default().push(candidate);
            }
        }
        for lead in &leads {
            let id = map::id_of(lead)?;
            let email = map::text(lead, "Email").unwrap_or_default().to_owned();
            by_email
                .entry(fold(&email))
                .or_default()
                .push(Candidate::Lead { id, email });
        }
        Ok(keys
            .iter()
            .map(|key| match key {
                MatchKey::Email(email) => by_email.get(&fold(email)),
                MatchKey::Name { given, surname } => by_name.get(&(fold(given), fold(surname))),
                _ => None,
            })
            .map(|found| found.cloned().unwrap_or_default())
            .collect())
    }

    /// The contacts and the unconverted leads behind the conditions.
    async fn candidate_rows(
        &self,
        described: &Arc<Described>,
        emails: &[String],
        names: &[String],
    ) -> Result<(Arc<Described>, Vec<Row>, Vec<Row>), Failure> {
        let base = self.base().await?;
        let mut described = Arc::clone(described);
        let mut tries = 0;
        'again: loop {
            tries += 1;
            let Some(view) = described.view(ItemKind::Contact) else {
                return Ok((described, Vec::new(), Vec::new()));
            };
            let mut queries = Vec::new();
            let contacts = |condition: String| {
                (
                    false,
                    format!("SELECT {} FROM Contact WHERE {condition}", view.select),
                )
            };
            if view.can_read(Field::Email) {
                queries.extend(emails.iter().map(|list| contacts(format!("Email IN ({list})"))));
            }
            if view.can_read(Field::GivenName) && view.can_read(Field::Surname) {
                queries.extend(names.iter().cloned().map(contacts));
            }
            let first_lead = queries.len();
            if described.leads {
                queries.extend(emails.iter().map(|list| {
                    let soql =
                        format!("SELECT Id,Email FROM Lead WHERE IsConverted = false AND Email IN ({list})");
                    (false, soql)
                }));
            }
            let mut rows = Vec::new();
            let mut leads = Vec::new();
            let mut leadless = false;
            for (n, answer) in self.rest.queries(&base, &queries).await?.into_iter().enumerate() {
                match answer {
                    Ok(mut found) if n < first_lead => rows.append(&mut found),
                    Ok(mut found) => leads.append(&mut found),
                    // A user who may not see leads has none.
                    Err(failure) if n >= first_lead && failure.is_about_fields() => {
                        leadless = true;
                    }
                    Err(failure) if failure.is_about_fields() && tries < 3 => {
                        described = self.described_anew(&described).await?;
                        continue 'again;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            if leadless {
                described = self.remember(described.without_leads());
            }
            return Ok((described, rows, leads));
        }
    }

    /// Events and tasks of the user's, and emails of anyone's.
    async fn activities_like(&self, keys: &[&MatchKey]) -> Result<Vec<Vec<Candidate>>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let me = soql::quote(self.me());
        let make = |described: &Described| -> Vec<Query> {
            let mut queries = Vec::new();
            for kind in [ItemKind::Event, ItemKind::Task, ItemKind::Email] {
                let Some(view) = described.view(kind) else {
                    continue;
                };
                let pieces: BTreeSet<String> = keys
                    .iter()
                    .filter(|key| key.kind() == kind)
                    .filter_map(|key| condition(view, key))
                    .collect();
                let pieces: Vec<String> = pieces.into_iter().collect();
                for (list, _) in soql::lists(&pieces, " OR ", PAIRS_PER_QUERY) {
                    let mut conditions = vec![format!("({list})")];
                    match kind {
                        ItemKind::Event => conditions.extend(plain_event(described)),
                        ItemKind::Task => {
                            conditions.push(format!("OwnerId = {me}"));
                            conditions.extend(plain_task(described));
                        }
                        // Another tool's rows come and go as that tool likes.
                        ItemKind::Email if described.has_source => {
                            conditions.push(format!("Source != {}", soql::quote(crate::rivals::CAPTURED)));
                        }
                        ItemKind::Email | ItemKind::Contact => {}
                    }
                    let filter = conditions.join(" AND ");
                    queries.push((
                        false,
                        format!("SELECT {} FROM {} WHERE {filter}", view.select, view.object),
                    ));
                }
            }
            queries
        };
        if make(&*self.described().await?).is_empty() {
            return Ok(vec![Vec::new(); keys.len()]);
        }
        let (described, rows) = self.rows_by(make).await?;
        let snapshots = self.snapshots(&described, &rows).await?;
        Ok(keys
            .iter()
            .map(|key| {
                let mut seen = BTreeSet::new();
                snapshots
                    .iter()
                    // Somebody else's event of the same name is another one: the organiser would be another.
                    .filter(|s| s.record.kind == key.kind() && s.scope == Scope::In)
                    .filter(|s| is_like(&described, s, key) && seen.insert(s.id.clone()))
                    .map(|s| Candidate::Same(Box::new(s.clone())))
                    .collect()
            })
            .collect())
    }
}

/// A subject as the organisation would hold it.
fn held(view: &View, subject: &str) -> String {
    subject
        .trim()
        .chars()
        .take(view.length("Subject"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

fn equals(field: &str, text: &str) -> String {
    let value = if text.is_empty() {
        "null".to_owned()
    } else {
        soql::quote(text)
    };
    format!("{field} = {value}")
}

fn condition(view: &View, key: &MatchKey) -> Option<String> {
    match key {
        MatchKey::Event { subject, start } => {
            let subject = equals("Subject", &held(view, subject));
            // Nothing but what can be a date or a time gets into the query.
            if start.len() == 10 {
                let day: jiff::civil::Date = start.parse().ok()?;
                Some(format!(
                    "({subject} AND IsAllDayEvent = true AND ActivityDate = {day})"
                ))
            } else {
                let at = tandem_sync::model::parse_instant(start)?;
                let at = tandem_sync::model::instant(at);
                Some(format!(
                    "({subject} AND IsAllDayEvent = false AND StartDateTime = {at})"
                ))
            }
        }
        MatchKey::Task { subject, due } => {
            let due = if due.is_empty() {
                "null".to_owned()
            } else {
                due.parse::<jiff::civil::Date>().ok()?.to_string()
            };
            let subject = equals("Subject", &held(view, subject));
            Some(format!("({subject} AND ActivityDate = {due})"))
        }
        MatchKey::Message(id) if view.has("MessageIdentifier") && !email::bare(id).is_empty() => {
            // Other tools keep it without its brackets.
            let (bare, bracketed) = (soql::quote(email::bare(id)), soql::quote(&email::bracketed(id)));
            Some(format!("MessageIdentifier IN ({bare},{bracketed})"))
        }
        _ => None,
    }
}

fn is_like(described: &Described, snapshot: &Snapshot, key: &MatchKey) -> bool {
    let text = |field| snapshot.record.get(field).known().unwrap_or_default();
    let subject = |wanted: &str| {
        described
            .view(key.kind())
            .is_some_and(|view| fold(&held(view, wanted)) == fold(text(Field::Subject)))
    };
    match key {
        MatchKey::Event {
            subject: wanted,
            start,
        } => {
            let when = text(Field::When).parse::<When>();
            let starts = when.is_ok_and(|when| {
                when.start_text() == *start
                    || (!when.all_day() && tandem_sync::model::parse_instant(start) == Some(when.start()))
            });
            starts && subject(wanted)
        }
        MatchKey::Task { subject: wanted, due } => text(Field::Due) == due && subject(wanted),
        MatchKey::Message(id) => text(Field::MessageId) == email::bare(id),
        _ => false,
    }
}

/// Comparing without case, as SOQL's `=` does.
fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

fn name_conditions<'n>(names: impl Iterator<Item = (&'n str, &'n str)>) -> Vec<String> {
    let pieces: Vec<String> = names
        .map(|(given, surname)| {
            format!(
                "({} AND {})",
                equals("FirstName", given),
                equals("LastName", surname)
            )
        })
        .collect();
    soql::lists(&pieces, " OR ", PAIRS_PER_QUERY)
        .into_iter()
        .map(|(list, _)| list)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_conditions() {
        let conditions = name_conditions([("", "山田"), ("Nina", "O'Brien")].into_iter());
        assert_eq!(
            conditions,
            [r"(FirstName = null AND LastName = '山田') OR (FirstName = 'Nina' AND LastName = 'O\'Brien')"]
        );
    }

    #[test]
    fn nothing_but_a_time_gets_into_a_query() {
        let view = View::plain("Event", &[("Subject", 5), ("MessageIdentifier", 765)]);
        let event = |start: &str| {
            condition(
                &view,
                &MatchKey::Event {
                    subject: "O'Brien and others".to_owned(),
                    start: start.to_owned(),
                },
            )
        };
        assert_eq!(
            event("2026-03-29").as_deref(),
            Some(r"(Subject = 'O\'Bri' AND IsAllDayEvent = true AND ActivityDate = 2026-03-29)")
        );
        assert_eq!(
            event("2026-03-29T10:00:00+02:00").as_deref(),
            Some(r"(Subject = 'O\'Bri' AND IsAllDayEvent = false AND StartDateTime = 2026-03-29T08:00:00Z)")
        );
        assert_eq!(event("2026-03-29 OR Id != null"), None);
        assert_eq!(event("29.03.2026"), None);
        let task = |due: &str| {
            condition(
                &view,
                &MatchKey::Task {
                    subject: String::new(),
                    due: due.to_owned(),
                },
            )
        };
        assert_eq!(
            task("").as_deref(),
            Some("(Subject = null AND ActivityDate = null)")
        );
        assert_eq!(task("soon"), None);
        let message = condition(&view, &MatchKey::Message("<a'@x>".to_owned()));
        assert_eq!(
            message.as_deref(),
            Some(r"MessageIdentifier IN ('a\'@x','<a\'@x>')")
        );
        assert_eq!(condition(&view, &MatchKey::Message("<>".to_owned())), None);
    }
}
