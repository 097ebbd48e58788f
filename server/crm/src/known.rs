//! What the linker's clues lead to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tandem_sync::model::{Clue, ItemId, Known, KnownKind};
use url::Url;

use crate::describe::Described;
use crate::ids::id18;
use crate::lookups::Query;
use crate::map::{self, Row};
use crate::problem::Failure;
use crate::salesforce::Salesforce;
use crate::soql;

const VALUES_PER_QUERY: usize = 200;
const DOMAINS_PER_QUERY: usize = 50;

/// What a query was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Contacts,
    Leads,
    Users,
    Accounts,
    /// Which accounts the contacts of [`Clue::DealsOf`] belong to.
    AccountsOf,
    Deals,
    Cases,
    /// By id.
    Record(KnownKind),
}

/// The clues, sorted by what has to be asked.
#[derive(Default)]
struct Asked<'c> {
    addresses: BTreeSet<&'c str>,
    domains: BTreeSet<&'c str>,
    deals_of: BTreeSet<&'c str>,
    cases: BTreeSet<&'c str>,
    records: BTreeMap<KnownKind, BTreeSet<&'c str>>,
}

const RECORDS: [(&str, KnownKind, &str, &str); 6] = [
    ("001", KnownKind::Account, "Account", ""),
    ("003", KnownKind::Contact, "Contact", ",AccountId"),
    ("006", KnownKind::Opportunity, "Opportunity", ",AccountId"),
    ("00Q", KnownKind::Lead, "Lead", ""),
    ("005", KnownKind::User, "User", ""),
    ("500", KnownKind::Case, "Case", ",AccountId"),
];

impl<'c> Asked<'c> {
    fn of(clues: &'c [Clue]) -> Self {
        let mut asked = Self::default();
        for clue in clues {
            match clue {
                Clue::Address(address) if !address.is_empty() => {
                    asked.addresses.insert(address);
                }
                Clue::Domain(domain) if domain.contains('.') => {
                    asked.domains.insert(domain);
                }
                Clue::DealsOf(id) if is_id(&id.0) => {
                    asked.deals_of.insert(&id.0);
                }
                Clue::CaseNumber(number) if !number.is_empty() => {
                    asked.cases.insert(number);
                }
                Clue::Record(id) if is_id(&id.0) => {
                    if let Some((_, kind, ..)) = RECORDS.iter().find(|(prefix, ..)| id.0.starts_with(prefix))
                    {
                        asked.records.entry(*kind).or_default().insert(&id.0);
                    }
                }
                _ => {}
            }
        }
        asked
    }

    fn queries(&self, described: &Described, me: &str) -> Vec<(About, Query)> {
        let mut queries: Vec<(About, Query)> = Vec::new();
        let mut push = |about, soql: String| queries.push((about, (false, soql)));
        // With several e-mail fields the same list stands several times in a query.
        let per_query = |fields: usize| (VALUES_PER_QUERY / fields.max(1)).max(10);
        let any_of = |fields: &[String], list: &str| -> String {
            let each: Vec<String> = fields.iter().map(|f| format!("{f} IN ({list})")).collect();
            each.join(" OR ")
        };
        let addresses = |count: usize| soql::in_lists(self.addresses.iter().copied(), per_query(count));
        let contacts = &described.contact_emails;
        if !contacts.is_empty() {
            for list in addresses(contacts.len()) {
                let (fields, filter) = (contacts.join(","), any_of(contacts, &list));
                push(
                    About::Contacts,
                    format!(
                        "SELECT Id,AccountId,OwnerId,SystemModstamp,{fields} FROM Contact WHERE {filter}"
                    ),
                );
            }
        }
        let leads = &described.lead_emails;
        if described.leads && !leads.is_empty() {
            for list in addresses(leads.len()) {
                let (fields, filter) = (leads.join(","), any_of(leads, &list));
                push(
                    About::Leads,
                    format!(
                        "SELECT Id,OwnerId,SystemModstamp,{fields} FROM Lead WHERE IsConverted = false AND ({filter})"
                    ),
                );
            }
        }
        for list in addresses(1) {
            push(
                About::Users,
                format!(
                    "SELECT Id,SystemModstamp,Email FROM User WHERE IsActive = true AND Email IN ({list})"
                ),
            );
        }
        let likes: Vec<String> = self
            .domains
            .iter()
            .map(|domain| format!("Website LIKE {}", soql::quote_like("%", domain, "%")))
            .collect();
        for (list, _) in soql::lists(&likes, " OR ", DOMAINS_PER_QUERY) {
            push(
                About::Accounts,
                format!("SELECT Id,Website,OwnerId,SystemModstamp FROM Account WHERE {list}"),
            );
        }
        for list in soql::in_lists(self.deals_of.iter().copied(), VALUES_PER_QUERY) {
            push(
                About::AccountsOf,
                format!("SELECT Id,AccountId FROM Contact WHERE Id IN ({list})"),
            );
            push(
                About::Deals,
                format!(
                    "SELECT Id,AccountId,OwnerId,SystemModstamp,LastModifiedDate FROM Opportunity WHERE IsClosed = \
                     false AND OwnerId = {} AND AccountId IN (SELECT AccountId FROM Contact WHERE Id IN ({list})) \
                     ORDER BY LastModifiedDate DESC, Id",
                    soql::quote(me)
                ),
            );
        }
        for list in soql::in_lists(self.cases.iter().copied(), VALUES_PER_QUERY) {
            push(
                About::Cases,
                format!(
                    "SELECT Id,CaseNumber,AccountId,OwnerId,SystemModstamp FROM Case WHERE CaseNumber IN ({list})"
                ),
            );
        }
        for (kind, ids) in &self.records {
            let Some((_, _, object, account)) = RECORDS.iter().find(|(_, k, ..)| k == kind) else {
                continue;
            };
            let owner = if *kind == KnownKind::User { "" } else { ",OwnerId" };
            let converted = if *kind == KnownKind::Lead {
                " AND IsConverted = false"
            } else {
                ""
            };
            for list in soql::in_lists(ids.iter().copied(), VALUES_PER_QUERY) {
                push(
                    About::Record(*kind),
                    format!(
                        "SELECT Id,SystemModstamp{owner}{account} FROM {object} WHERE Id IN ({list}){converted}"
                    ),
                );
            }
        }
        queries
    }
}

/// What came back, by clue.
#[derive(Default)]
struct Found {
    addresses: HashMap<String, Vec<Known>>,
    domains: HashMap<String, Vec<Known>>,
    accounts_of: HashMap<String, String>,
    /// By account.
    deals: HashMap<String, Vec<Known>>,
    cases: HashMap<String, Vec<Known>>,
    records: HashMap<String, Known>,
}

impl Found {
    fn take(&mut self, about: About, row: &Row, me: &str, emails: &[String]) {
        let kind = match about {
            About::Contacts | About::AccountsOf => KnownKind::Contact,
            About::Leads => KnownKind::Lead,
            About::Users => KnownKind::User,
            About::Accounts => KnownKind::Account,
            About::Deals => KnownKind::Opportunity,
            About::Cases => KnownKind::Case,
            About::Record(kind) => kind,
        };
        let Some(id) = map::reference(row, "Id") else {
            return;
        };
        let account = map::reference(row, "AccountId");
        if about == About::AccountsOf {
            self.accounts_of.extend(account.map(|account| (id, account)));
            return;
        }
        let known = Known {
            id: ItemId(id.clone()),
            kind,
            account: account.clone().map(ItemId),
            own: map::reference(row, "OwnerId").is_some_and(|owner| owner == me),
            modified: map::time(row, "LastModifiedDate")
                .or_else(|| map::time(row, "SystemModstamp"))
                .unwrap_or_default(),
        };
        let add = |to: &mut HashMap<String, Vec<Known>>, key: String| {
            let held = to.entry(key).or_default();
            if held.iter().all(|one| one.id != known.id) {
                held.push(known.clone());
            }
        };
        match about {
            About::Contacts | About::Leads => {
                for email in emails.iter().filter_map(|field| map::text(row, field)) {
                    add(&mut self.addresses, email.trim().to_lowercase());
                }
            }
            About::Users => {
                if let Some(email) = map::text(row, "Email") {
                    add(&mut self.addresses, email.trim().to_lowercase());
                }
            }
            About::Accounts => {
                if let Some(domain) = map::text(row, "Website").and_then(domain_of) {
                    add(&mut self.domains, domain);
                }
            }
            About::Deals => {
                if let Some(account) = account {
                    add(&mut self.deals, account);
                }
            }
            About::Cases => {
                if let Some(number) = map::text(row, "CaseNumber") {
                    add(&mut self.cases, number.to_owned());
                }
            }
            About::Record(_) => {
                self.records.insert(id, known);
            }
            About::AccountsOf => {}
        }
    }

    fn of(&self, clue: &Clue) -> Vec<Known> {
        let found = match clue {
            Clue::Address(address) => self.addresses.get(&address.trim().to_lowercase()),
            Clue::Domain(domain) => self.domains.get(&domain.to_lowercase()),
            Clue::DealsOf(contact) => {
                let account = self.accounts_of.get(&contact.0);
                account.and_then(|account| self.deals.get(account))
            }
            Clue::CaseNumber(number) => self.cases.get(number),
            Clue::Record(id) => return self.records.get(&id.0).cloned().into_iter().collect(),
        };
        let mut found = found.cloned().unwrap_or_default();
        if matches!(clue, Clue::DealsOf(_)) {
            found.sort_by(|a, b| (b.modified, &b.id.0).cmp(&(a.modified, &a.id.0)));
        }
        found
    }
}

impl Salesforce {
    pub(crate) async fn find_known(&self, clues: &[Clue]) -> Result<Vec<Vec<Known>>, Failure> {
        let asked = Asked::of(clues);
        let mut described = self.described().await?;
        let base = self.base().await?;
        let mut anew = false;
        'again: loop {
            let (about, queries): (Vec<About>, Vec<Query>) =
                asked.queries(&described, self.me()).into_iter().unzip();
            let mut found = Found::default();
            if queries.is_empty() {
                return Ok(clues.iter().map(|clue| found.of(clue)).collect());
            }
            for (about, answer) in about.into_iter().zip(self.rest.queries(&base, &queries).await?) {
                let rows = match answer {
                    Ok(rows) => rows,
                    // An e-mail field was hidden since: without it the others are still asked for.
                    Err(failure)
                        if failure.is_about_fields()
                            && !anew
                            && matches!(about, About::Contacts | About::Leads) =>
                    {
                        anew = true;
                        described = self.described_anew(&described).await?;
                        continue 'again;
                    }
                    // A user who may not see such records knows none.
                    Err(failure) if failure.is_about_fields() => continue,
                    Err(failure) => return Err(failure),
                };
                let emails = match about {
                    About::Leads => &described.lead_emails,
                    _ => &described.contact_emails,
                };
                for row in &rows {
                    found.take(about, row, self.me(), emails);
                }
            }
            return Ok(clues.iter().map(|clue| found.of(clue)).collect());
        }
    }

    /// The people behind these addresses (lower case) among these records: one request for a batch of emails.
    pub(crate) async fn people_of(
        &self,
        who: &BTreeSet<String>,
        addresses: &BTreeSet<String>,
    ) -> Result<map::email::People, Failure> {
        let mut people = map::email::People::new();
        if who.is_empty() || addresses.is_empty() {
            return Ok(people);
        }
        let clues: Vec<Clue> = addresses.iter().cloned().map(Clue::Address).collect();
        for (clue, known) in clues.iter().zip(self.find_known(&clues).await?) {
            let Clue::Address(address) = clue else { continue };
            if let Some(one) = known.into_iter().find(|one| who.contains(&one.id.0)) {
                people.insert(address.clone(), one.id);
            }
        }
        Ok(people)
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 18 && id18(text).is_some()
}

/// The domain of a web site as people write it: `https://www.acme.example/de`, `acme.example`.
fn domain_of(website: &str) -> Option<String> {
    let website = website.trim();
    let url = if website.contains("://") {
        Url::parse(website)
    } else {
        Url::parse(&format!("http://{website}"))
    };
    let host = url.ok()?.host_str()?.trim_end_matches('.').to_lowercase();
    Some(host.strip_prefix("www.").unwrap_or(&host).to_owned())
}

#[cfg(test)]
mod tests {
    use tandem_types::Timestamp;

    use super::*;

    #[test]
    fn a_web_site_has_a_domain() {
        for (website, domain) in [
            ("https://www.Acme.example/de?x=1", Some("acme.example")),
            ("acme.example", Some("acme.example")),
            ("WWW.acme.example:8080/", Some("acme.example")),
            ("shop.acme.example", Some("shop.acme.example")),
            ("http://notacme.example", Some("notacme.example")),
            ("not a site", None),
            ("", None),
        ] {
            assert_eq!(domain_of(website).as_deref(), domain, "{website}");
        }
    }

    #[test]
    fn the_most_recent_deal_comes_first() {
        let mut found = Found::default();
        let row = |id: &str, stamp: &str| {
            let row = serde_json::json!({
                "Id": id, "AccountId": "001000000000001AAA", "OwnerId": "005000000000001AAA", "LastModifiedDate": stamp,
            });
            row.as_object().unwrap().clone()
        };
        for (id, stamp) in [
            ("006000000000001AAA", "2026-01-01T00:00:00Z"),
            ("006000000000002AAA", "2026-03-01T00:00:00Z"),
            ("006000000000003AAA", "2026-02-01T00:00:00Z"),
        ] {
            found.take(About::Deals, &row(id, stamp), "005000000000001AAA", &[]);
        }
        let contact = "003000000000001AAA";
        let of = row(contact, "2026-01-01T00:00:00Z");
        found.take(About::AccountsOf, &of, "005000000000001AAA", &[]);
        let deals = found.of(&Clue::DealsOf(ItemId(contact.to_owned())));
        let ids: Vec<&str> = deals.iter().map(|d| &d.id.0[..15]).collect();
        assert_eq!(ids, ["006000000000002", "006000000000003", "006000000000001"]);
        assert!(deals.iter().all(|d| d.own));
        assert!(
            found
                .of(&Clue::DealsOf(ItemId("003000000000002AAA".to_owned())))
                .is_empty()
        );
    }

    #[test]
    fn clues_that_make_no_sense_are_not_asked_for() {
        let id = |text: &str| ItemId(text.to_owned());
        let clues = [
            Clue::Address(String::new()),
            Clue::Domain("localhost".to_owned()),
            Clue::DealsOf(id("' OR Id != '")),
            Clue::CaseNumber(String::new()),
            Clue::Record(id("a0X000000000001AAA")),
            Clue::Record(id("003")),
        ];
        let asked = Asked::of(&clues);
        let described = Described::parse(
            &[Some(serde_json::json!({"fields": []}))],
            "K__c",
            jiff::tz::TimeZone::UTC,
            Timestamp::default(),
        )
        .unwrap();
        assert!(asked.queries(&described, "005000000000001AAA").is_empty());
    }
}
