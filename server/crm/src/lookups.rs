//! Reads by id, by key, by e-mail and by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tandem_sync::model::{Candidate, Fate, Field, ItemId, LinkKey, MatchKey, Snapshot};
use tandem_types::Timestamp;

use crate::describe::Described;
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::{soql, times};

/// Ids of one query: five such fit a composite, and one API call reads 2,000 records.
const IDS_PER_QUERY: usize = 400;
/// E-mail addresses or keys of one query.
const VALUES_PER_QUERY: usize = 200;
/// Pairs of names of one query.
const NAMES_PER_QUERY: usize = 50;
/// How far our clock may be ahead of Salesforce's.
const CLOCK_SKEW_SECONDS: i64 = 300;

impl Salesforce {
    /// Runs contact queries that `make` builds from the description; if a field turns out to be hidden, describes anew
    /// and tries again.
    pub(crate) async fn contact_rows(
        &self,
        make: impl Fn(&Described) -> Vec<(bool, String)> + Send + Sync,
    ) -> Result<(Arc<Described>, Vec<Row>), Failure> {
        let base = self.base().await?;
        let mut described = self.described().await?;
        for _ in 0..2 {
            match self.rows(&base, &make(&described)).await {
                Err(failure) if failure.is_about_fields() => {
                    described = self.described_anew(&described).await?;
                }
                result => return Ok((described, result?)),
            }
        }
        let rows = self.rows(&base, &make(&described)).await?;
        Ok((described, rows))
    }

    async fn rows(&self, base: &str, queries: &[(bool, String)]) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        for answer in self.rest.queries(base, queries).await? {
            rows.append(&mut answer?);
        }
        Ok(rows)
    }

    /// Contacts by id, deleted ones too if `all`.
    async fn by_ids(&self, ids: &BTreeSet<&str>, all: bool) -> Result<(Arc<Described>, Vec<Row>), Failure> {
        let lists = soql::in_lists(ids.iter().copied(), IDS_PER_QUERY);
        self.contact_rows(|d| {
            lists
                .iter()
                .map(|list| {
                    (
                        all,
                        format!("SELECT {} FROM Contact WHERE Id IN ({list})", d.select),
                    )
                })
                .collect()
        })
        .await
    }

    pub(crate) async fn read_items(&self, ids: &[ItemId]) -> Result<Vec<Option<Snapshot>>, Failure> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = valid_ids(ids);
        let (described, rows) = self.by_ids(&wanted, false).await?;
        let found: HashMap<ItemId, Snapshot> = self
            .snapshots(&described, &rows)?
            .into_iter()
            .map(|s| (s.id.clone(), s))
            .collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(crate) async fn find_fates(&self, asked: &[(ItemId, LinkKey)]) -> Result<Vec<Fate>, Failure> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ItemId> = asked.iter().map(|(id, _)| id.clone()).collect();
        let (described, rows) = self.by_ids(&valid_ids(&ids), true).await?;
        let mut fates: HashMap<ItemId, Fate> = HashMap::new();
        let reading = self.reading(&described);
        for row in &rows {
            let id = map::id_of(row)?;
            let fate = if map::is_deleted(row) {
                Fate::Deleted {
                    merged_into: map::merged_into(row),
                }
            } else {
                Fate::Here(Box::new(reading.snapshot(row)?))
            };
            fates.insert(id, fate);
        }
        let lost: Vec<&LinkKey> = asked
            .iter()
            .filter(|(id, _)| !fates.contains_key(id))
            .map(|(_, key)| key)
            .collect();
        let by_key: HashMap<LinkKey, Snapshot> = self
            .by_keys(&lost)
            .await?
            .into_iter()
            .filter_map(|s| Some((s.key.clone()?, s)))
            .collect();
        Ok(asked
            .iter()
            .map(|(id, key)| match (fates.get(id), by_key.get(key)) {
                (Some(fate), _) => fate.clone(),
                (None, Some(snapshot)) => Fate::Here(Box::new(snapshot.clone())),
                // Purged from the recycle bin, or no longer shared: the answer is the same.
                (None, None) => Fate::Unproved,
            })
            .collect())
    }

    /// Contacts that carry one of the keys; none where the organisation has no field for them.
    async fn by_keys(&self, keys: &[&LinkKey]) -> Result<Vec<Snapshot>, Failure> {
        if keys.is_empty() || self.described().await?.key_field.is_none() {
            return Ok(Vec::new());
        }
        let lists = soql::in_lists(keys.iter().map(|k| k.0.as_str()), VALUES_PER_QUERY);
        let (described, rows) = self
            .contact_rows(|d| match &d.key_field {
                None => Vec::new(),
                Some(field) => lists
                    .iter()
                    .map(|list| {
                        (
                            false,
                            format!("SELECT {} FROM Contact WHERE {field} IN ({list})", d.select),
                        )
                    })
                    .collect(),
            })
            .await?;
        self.snapshots(&described, &rows)
    }

    pub(crate) async fn find_created(
        &self,
        keys: &[LinkKey],
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        if self.described().await?.key().is_some() {
            return self.by_keys(&keys.iter().collect::<Vec<_>>()).await;
        }
        let me = soql::quote(self.account.user.as_str());
        let since = times::literal(since.plus_seconds(-CLOCK_SKEW_SECONDS));
        let (described, rows) = self
            .contact_rows(|d| {
                let soql = format!(
                    "SELECT {} FROM Contact WHERE CreatedById = {me} AND CreatedDate >= {since} \
                     ORDER BY CreatedDate, Id",
                    d.select
                );
                vec![(false, soql)]
            })
            .await?;
        self.snapshots(&described, &rows)
    }

    pub(crate) async fn find_candidates(&self, keys: &[MatchKey]) -> Result<Vec<Vec<Candidate>>, Failure> {
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
                MatchKey::Email(_) | MatchKey::Name { .. } => {}
            }
        }
        if emails.is_empty() && names.is_empty() {
            return Ok(vec![Vec::new(); keys.len()]);
        }
        let described = self.described().await?;
        let email_lists = soql::in_lists(emails.values().copied(), VALUES_PER_QUERY);
        let name_lists = name_conditions(names.values().copied());
        let (described, rows, leads) = self.candidate_rows(&described, &email_lists, &name_lists).await?;
        let snapshots = self.snapshots(&described, &rows)?;
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
            let mut queries = Vec::new();
            let contacts = |condition: String| {
                (
                    false,
                    format!("SELECT {} FROM Contact WHERE {condition}", described.select),
                )
            };
            if described.can_read(Field::Email) {
                queries.extend(emails.iter().map(|list| contacts(format!("Email IN ({list})"))));
            }
            if described.can_read(Field::GivenName) && described.can_read(Field::Surname) {
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
            for (n, answer) in self.rest.queries(&base, &queries).await?.into_iter().enumerate() {
                match answer {
                    Ok(mut found) if n < first_lead => rows.append(&mut found),
                    Ok(mut found) => leads.append(&mut found),
                    // A user who may not see leads has none.
                    Err(failure) if n >= first_lead && failure.is_about_fields() => {
                        described = self.remember(Described {
                            leads: false,
                            ..(*described).clone()
                        });
                    }
                    Err(failure) if failure.is_about_fields() && tries < 3 => {
                        described = self.described_anew(&described).await?;
                        continue 'again;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            return Ok((described, rows, leads));
        }
    }
}

/// Comparing without case, as SOQL's `=` does.
fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

fn name_conditions<'n>(names: impl Iterator<Item = (&'n str, &'n str)>) -> Vec<String> {
    let pieces: Vec<String> = names
        .map(|(given, surname)| {
            let given = if given.is_empty() {
                "null".to_owned()
            } else {
                soql::quote(given)
            };
            format!("(FirstName = {given} AND LastName = {})", soql::quote(surname))
        })
        .collect();
    soql::lists(&pieces, " OR ", NAMES_PER_QUERY)
        .into_iter()
        .map(|(list, _)| list)
        .collect()
}

/// Ids that can be one: whatever else the engine holds cannot be found, and must not make a query fail.
fn valid_ids(ids: &[ItemId]) -> BTreeSet<&str> {
    ids.iter()
        .map(|id| id.0.as_str())
        .filter(|id| id.len() == 18 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
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
}
