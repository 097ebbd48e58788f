//! Whom Salesforce knows by an address, and what hangs on him.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sync::Fault;
use tandem_types::RecordView;

use super::shape::{ACCOUNT, CASE, CONTACT, Card, LEAD, OPPORTUNITY};
use super::{ASK_MAX, Desk};
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, read_fault};
use crate::soql;

/// Opportunities and cases of one person.
const HANGING_MAX: usize = 5;

/// What Salesforce knows of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonRecords {
    /// Contacts, then leads; the user's own first, else the oldest.
    pub records: Vec<RecordView>,
    pub account: Option<RecordView>,
    /// Open ones.
    pub opportunities: Vec<RecordView>,
    pub cases: Vec<RecordView>,
}

/// Rows of one object with what is shown of them.
struct Found {
    view: RecordView,
    account: Option<String>,
    contact: Option<String>,
    own: bool,
}

impl Found {
    fn all(desk: &Desk, card: &Card, rows: &[Row], me: &str) -> Vec<Self> {
        let found = rows.iter().filter_map(|row| {
            Some(Self {
                view: desk.show(card, row)?,
                account: map::reference(row, "AccountId"),
                contact: map::reference(row, "ContactId"),
                own: map::reference(row, "OwnerId").is_some_and(|owner| owner == me),
            })
        });
        found.collect()
    }
}

impl Salesforce {
    /// What Salesforce knows of these addresses (lower case), in their order. Two API calls, whoever they are.
    pub async fn people_at(&self, addresses: &[String]) -> Result<Vec<PersonRecords>, Fault> {
        self.find_people(addresses).await.map_err(read_fault)
    }

    async fn find_people(&self, addresses: &[String]) -> Result<Vec<PersonRecords>, Failure> {
        let asked: BTreeSet<&str> = addresses
            .iter()
            .map(String::as_str)
            .filter(|address| address.contains('@'))
            .take(ASK_MAX)
            .collect();
        if asked.is_empty() {
            return Ok(vec![PersonRecords::default(); addresses.len()]);
        }
        let desk = self.desk().await?;
        let described = self.described().await?;
        let list = soql::in_lists(asked.iter().copied(), ASK_MAX);
        let mut cards = Vec::new();
        let mut questions = Vec::new();
        for (card, emails, open) in [
            (&CONTACT, &described.contact_emails, ""),
            (&LEAD, &described.lead_emails, "IsConverted = false AND "),
        ] {
            let Some(select) = desk.shapes.select(card).filter(|_| !emails.is_empty()) else {
                continue;
            };
            let more: Vec<&str> = emails
                .iter()
                .map(String::as_str)
                .filter(|field| !select.split(',').any(|one| one == *field))
                .collect();
            let more: String = more.into_iter().flat_map(|field| [",", field]).collect();
            for list in &list {
                let any: Vec<String> = emails
                    .iter()
                    .map(|field| format!("{field} IN ({list})"))
                    .collect();
                cards.push((card, emails));
                questions.push(format!(
                    "SELECT {select}{more} FROM {} WHERE {open}({}) ORDER BY Id LIMIT 200",
                    card.object,
                    any.join(" OR ")
                ));
            }
        }
        let answers = self.answers_to(&desk, questions).await?;
        let mut by_address: BTreeMap<String, Vec<(bool, Found)>> = BTreeMap::new();
        for ((card, emails), rows) in cards.into_iter().zip(answers) {
            for row in &rows {
                let mut has: Vec<String> = emails
                    .iter()
                    .filter_map(|field| map::text(row, field))
                    .map(|email| email.trim().to_lowercase())
                    .filter(|email| asked.contains(email.as_str()))
                    .collect();
                has.sort();
                has.dedup();
                for email in has {
                    let found = Found::all(&desk, card, std::slice::from_ref(row), self.me());
                    let is_lead = card.object == LEAD.object;
                    by_address
                        .entry(email)
                        .or_default()
                        .extend(found.into_iter().map(|found| (is_lead, found)));
                }
            }
        }
        for found in by_address.values_mut() {
            found.sort_by(|(a_lead, a), (b_lead, b)| {
                (a_lead, !a.own, &a.view.rec.id).cmp(&(b_lead, !b.own, &b.view.rec.id))
            });
        }
        let hanging = self.hanging(&desk, &by_address).await?;
        Ok(addresses
            .iter()
            .map(|address| hanging.of(by_address.get(address).map(Vec::as_slice).unwrap_or_default()))
            .collect())
    }

    /// What hangs on the accounts and contacts that were found: one API call.
    async fn hanging(
        &self,
        desk: &Desk,
        people: &BTreeMap<String, Vec<(bool, Found)>>,
    ) -> Result<Hanging, Failure> {
        let all = || people.values().flatten().filter(|(is_lead, _)| !is_lead);
        let accounts: BTreeSet<&str> = all().filter_map(|(_, found)| found.account.as_deref()).collect();
        let contacts: BTreeSet<&str> = all().map(|(_, found)| found.view.rec.id.as_str()).collect();
        let list = |ids: &BTreeSet<&str>| soql::in_lists(ids.iter().copied(), ASK_MAX).into_iter().next();
        let (accounts, contacts) = (list(&accounts), list(&contacts));
        let mut cards = Vec::new();
        let mut questions = Vec::new();
        let mut ask = |card: &'static Card, filter: String| {
            if let Some(select) = desk.card(card.object).and_then(|card| desk.shapes.select(card)) {
                cards.push(card);
                questions.push(format!("SELECT {select} FROM {} WHERE {filter}", card.object));
            }
        };
        if let Some(accounts) = &accounts {
            ask(&ACCOUNT, format!("Id IN ({accounts})"));
            ask(
                &OPPORTUNITY,
                format!(
                    "IsClosed = false AND AccountId IN ({accounts}) ORDER BY LastModifiedDate DESC, Id LIMIT 100"
                ),
            );
        }
        let of: Vec<String> = accounts
            .iter()
            .map(|list| format!("AccountId IN ({list})"))
            .chain(contacts.iter().map(|list| format!("ContactId IN ({list})")))
            .collect();
        if !of.is_empty() {
            ask(
                &CASE,
                format!(
                    "IsClosed = false AND ({}) ORDER BY LastModifiedDate DESC, Id LIMIT 100",
                    of.join(" OR ")
                ),
            );
        }
        let mut out = Hanging::default();
        for (card, rows) in cards.into_iter().zip(self.answers_to(desk, questions).await?) {
            let found = Found::all(desk, card, &rows, self.me());
            match card.object {
                "Account" => out.accounts = found,
                "Opportunity" => out.opportunities = found,
                _ => out.cases = found,
            }
        }
        Ok(out)
    }
}

#[derive(Default)]
struct Hanging {
    accounts: Vec<Found>,
    opportunities: Vec<Found>,
    cases: Vec<Found>,
}

impl Hanging {
    /// What hangs on the first contact.
    fn of(&self, found: &[(bool, Found)]) -> PersonRecords {
        let contact = found.iter().find(|(is_lead, _)| !is_lead).map(|(_, found)| found);
        let account = contact.and_then(|contact| contact.account.as_deref());
        let of_account = |one: &&Found| account.is_some() && one.account.as_deref() == account;
        // Sorting is stable: what was changed last stays first.
        let mut deals: Vec<&Found> = self.opportunities.iter().filter(of_account).collect();
        deals.sort_by_key(|deal| !deal.own);
        let id = contact.map(|contact| contact.view.rec.id.as_str());
        let is_his = |case: &Found| case.contact.as_deref() == id;
        let mut cases: Vec<&Found> = self
            .cases
            .iter()
            .filter(|case| id.is_some() && (is_his(case) || of_account(case)))
            .collect();
        cases.sort_by_key(|case| !is_his(case));
        let views = |found: Vec<&Found>| -> Vec<RecordView> {
            found
                .into_iter()
                .take(HANGING_MAX)
                .map(|one| one.view.clone())
                .collect()
        };
        PersonRecords {
            records: found.iter().map(|(_, one)| one.view.clone()).collect(),
            account: account.and_then(|id| {
                self.accounts
                    .iter()
                    .find(|one| one.view.rec.id == id)
                    .map(|one| one.view.clone())
            }),
            opportunities: views(deals),
            cases: views(cases),
        }
    }
}
