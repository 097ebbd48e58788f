//! To which records an activity belongs. One linker for events, tasks and emails.
//!
//! Pure: what must be known of the CRM is asked for as [`Clue`]s, in two waves ([`clues`], then [`more_clues`]), and
//! [`relations`] says what follows once all of it is known. The order in which attendees or records are listed never
//! matters; of a mail, the order of its addresses does (the first one counts most), for it is part of the mail.
//!
//! People: the addresses that are neither internal nor blocked ([`people`]), matched against contacts and leads. The CRM
//! takes one lead or contacts as *who*, and no *what* beside a lead: contacts go before leads. Several contacts with one
//! address: the user's own one, else the oldest, so that the choice does not move when one of them is edited.
//!
//! What it is about: a case or a record that is named in the text; else the user's own open opportunity that was changed
//! last, among those in whose account a contact takes part; else the first contact's account; else, where nobody is
//! known, the account whose website has the domain.

pub mod people;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use tandem_types::{ItemKind, Settings, UserId};

use crate::model::{Answer, Clue, Field, ItemId, Known, KnownKind, Relations, Snapshot};
use crate::mutant::{self, Mutant};

pub use people::{People, Person};
pub(crate) use text::record_id;

/// What the CRM answered to each clue. A clue that is not in it has not been asked.
pub type KnownMap = BTreeMap<Clue, Vec<Known>>;

/// So many people can be invited to one event in the CRM.
pub const INVITED_MAX: usize = 50;
/// Opportunities are looked for in the accounts of so many contacts.
const DEALS_MAX: usize = 10;
/// Accounts are looked for by so many domains.
const DOMAINS_MAX: usize = 10;

/// For whom an activity is linked.
#[derive(Clone, Copy, Debug)]
pub struct LinkerContext<'a> {
    pub settings: &'a Settings,
    /// The user's mailbox, lower case.
    pub address: &'a str,
    /// The user's own id in the CRM.
    pub user: &'a UserId,
}

/// What must be known before anything can be said: people by their addresses, cases and records that the text names.
#[must_use]
pub fn clues(item: &Snapshot, ctx: &LinkerContext<'_>) -> BTreeSet<Clue> {
    if is_private(item) {
        return BTreeSet::new();
    }
    let people = people::people(item, ctx);
    let addresses = people
        .list
        .into_iter()
        .map(|person| Clue::Address(person.address));
    addresses.chain(text::mentions(item)).collect()
}

/// What must be known once the first clues are: the deals of the contacts that were found, or accounts by domain where
/// nobody was. Nothing while a first clue is not known.
#[must_use]
pub fn more_clues(item: &Snapshot, ctx: &LinkerContext<'_>, known: &KnownMap) -> BTreeSet<Clue> {
    Found::new(item, ctx, known)
        .map(|found| found.more_clues())
        .unwrap_or_default()
}

/// What the activity belongs to. `None`: a clue is not known yet. `people_max`: how many contacts one activity can have
/// as *who* in this organisation.
///
/// Whoever was invited stands in [`Relations::invited`] with his answer, also where he is one of `who`.
#[must_use]
pub fn relations(
    item: &Snapshot,
    ctx: &LinkerContext<'_>,
    known: &KnownMap,
    people_max: u32,
) -> Option<Relations> {
    if is_private(item) {
        return Some(Relations::default());
    }
    let found = Found::new(item, ctx, known)?;
    if !found.more_clues().iter().all(|clue| known.contains_key(clue)) {
        return None;
    }
    let named = found.named_what();
    let who: Vec<ItemId> = if found.contacts.is_empty() {
        // The CRM holds no *what* beside a lead, and what somebody wrote into the text counts more.
        let room = named.is_none() || item.record.kind == ItemKind::Email;
        found
            .leads
            .first()
            .filter(|_| room)
            .into_iter()
            .cloned()
            .collect()
    } else {
        let most = usize::try_from(people_max.max(1)).unwrap_or(usize::MAX);
        found
            .contacts
            .iter()
            .take(most)
            .map(|contact| contact.id.clone())
            .collect()
    };
    let what = match named {
        Some(id) => Some(id),
        None if !found.contacts.is_empty() => found.deal().or_else(|| found.account()),
        None if found.leads.is_empty() => found.account_by_domain(),
        None => None,
    };
    let out = Relations {
        who,
        what,
        invited: found.invited(ctx).into_iter().take(INVITED_MAX).collect(),
    };
    Some(out.canonical())
}

/// How many of those who take part have no room in the CRM, as far as they were looked at.
#[must_use]
pub fn left_out(item: &Snapshot, ctx: &LinkerContext<'_>, known: &KnownMap, people_max: u32) -> usize {
    if is_private(item) {
        return 0;
    }
    let Some(found) = Found::new(item, ctx, known) else {
        return 0;
    };
    let uninvited = found.invited(ctx).len().saturating_sub(INVITED_MAX);
    let most = usize::try_from(people_max.max(1)).unwrap_or(usize::MAX);
    // Where one contact is all that an activity can have, the others are not missed: events invite them.
    let unlinked = if most > 1 {
        found.contacts.len().saturating_sub(most)
    } else {
        0
    };
    found.people.cut + uninvited.max(unlinked)
}

/// Somebody who takes part is a contact or a lead. `None`: it is not known yet.
#[must_use]
pub fn somebody_known(item: &Snapshot, ctx: &LinkerContext<'_>, known: &KnownMap) -> Option<bool> {
    let people = people::people(item, ctx);
    let mut all = true;
    for person in &people.list {
        match known.get(&Clue::Address(person.address.clone())) {
            Some(records) if person_of(records).is_some() => return Some(true),
            Some(_) => {}
            None => all = false,
        }
    }
    all.then_some(false)
}

/// Whether the item is flagged private: then it belongs to nothing (the CRM wants that, too).
fn is_private(item: &Snapshot) -> bool {
    item.record.get(Field::Private).known() == Some("yes")
}

/// What the first wave of clues led to.
struct Found<'a> {
    known: &'a KnownMap,
    people: People,
    kind: ItemKind,
    /// The main one first; nobody twice.
    contacts: Vec<&'a Known>,
    leads: Vec<ItemId>,
    /// Records that the text names, but people: the first one counts.
    named: Vec<&'a Known>,
}

impl<'a> Found<'a> {
    /// `None`: something is not known yet.
    fn new(item: &Snapshot, ctx: &LinkerContext<'_>, known: &'a KnownMap) -> Option<Self> {
        let people = people::people(item, ctx);
        let mut contacts: Vec<&Known> = Vec::new();
        let mut leads: Vec<ItemId> = Vec::new();
        let mut named = Vec::new();
        let mut meet = |record: &'a Known| {
            if record.kind == KnownKind::Contact && contacts.iter().all(|one| one.id != record.id) {
                contacts.push(record);
            }
            if record.kind == KnownKind::Lead && !leads.contains(&record.id) {
                leads.push(record.id.clone());
            }
        };
        for clue in text::mentions(item) {
            for record in in_order(known.get(&clue)?) {
                match record.kind {
                    KnownKind::Contact | KnownKind::Lead => meet(record),
                    KnownKind::User => {}
                    KnownKind::Account | KnownKind::Opportunity | KnownKind::Case | KnownKind::Other => {
                        named.push(record);
                    }
                }
            }
        }
        for person in &people.list {
            let records = known.get(&Clue::Address(person.address.clone()))?;
            if let Some(record) = person_of(records) {
                meet(record);
            }
        }
        Some(Self {
            known,
            people,
            kind: item.record.kind,
            contacts,
            leads,
            named,
        })
    }

    fn more_clues(&self) -> BTreeSet<Clue> {
        if self.named_what().is_some() {
            return BTreeSet::new();
        }
        if !self.contacts.is_empty() {
            return self
                .one_contact_per_account()
                .map(|contact| Clue::DealsOf(contact.id.clone()))
                .collect();
        }
        if !self.leads.is_empty() {
            return BTreeSet::new();
        }
        self.domains().map(Clue::Domain).collect()
    }

    fn named_what(&self) -> Option<ItemId> {
        self.named.first().map(|record| record.id.clone())
    }

    /// The deals of two contacts of one account are the same.
    fn one_contact_per_account(&self) -> impl Iterator<Item = &'a Known> {
        let mut seen = BTreeSet::new();
        self.contacts
            .iter()
            .copied()
            .filter(move |contact| {
                contact
                    .account
                    .as_ref()
                    .is_some_and(|account| seen.insert(account.clone()))
            })
            .take(DEALS_MAX)
    }

    fn deal(&self) -> Option<ItemId> {
        self.one_contact_per_account()
            .filter_map(|contact| {
                let deals = self.known.get(&Clue::DealsOf(contact.id.clone()))?;
                Some(deals.iter().filter(move |deal| {
                    deal.kind == KnownKind::Opportunity
                        && deal.own
                        && deal
                            .account
                            .as_ref()
                            .is_none_or(|its| contact.account.as_ref() == Some(its))
                }))
            })
            .flatten()
            .max_by(|a, b| (a.modified, &a.id).cmp(&(b.modified, &b.id)))
            .map(|deal| deal.id.clone())
    }

    fn account(&self) -> Option<ItemId> {
        self.contacts.iter().find_map(|contact| contact.account.clone())
    }

    fn domains(&self) -> impl Iterator<Item = String> {
        let mut seen = BTreeSet::new();
        self.people
            .list
            .iter()
            .filter_map(|person| people::domain_of(&person.address))
            .filter(|domain| !people::is_free_mail(domain))
            .map(str::to_owned)
            .filter(move |domain| seen.insert(domain.clone()))
            .take(DOMAINS_MAX)
    }

    fn account_by_domain(&self) -> Option<ItemId> {
        self.domains()
            .filter_map(|domain| self.known.get(&Clue::Domain(domain)))
            .find_map(|accounts| best(accounts, KnownKind::Account))
            .map(|account| account.id.clone())
    }

    fn invited(&self, ctx: &LinkerContext<'_>) -> BTreeMap<ItemId, Answer> {
        if self.kind != ItemKind::Event {
            return BTreeMap::new();
        }
        let mut out = BTreeMap::new();
        for person in &self.people.list {
            let Some(answer) = person.answer else { continue };
            let records = self.known.get(&Clue::Address(person.address.clone()));
            let record =
                records.and_then(|records| person_of(records).or_else(|| best(records, KnownKind::User)));
            if let Some(record) = record
                && record.id.0 != ctx.user.as_str()
            {
                // One who is invited by two addresses has answered once.
                let noted = out.entry(record.id.clone()).or_insert(answer);
                *noted = (*noted).max(answer);
            }
        }
        out
    }
}

/// Which of the records that have one address is meant.
fn person_of(records: &[Known]) -> Option<&Known> {
    best(records, KnownKind::Contact).or_else(|| best(records, KnownKind::Lead))
}

/// The user's own one, else the oldest: ids grow.
fn best(records: &[Known], kind: KnownKind) -> Option<&Known> {
    let mut these = records.iter().filter(|record| record.kind == kind);
    if mutant::on(Mutant::FirstAnswered) {
        return these.next();
    }
    these.min_by(|a, b| (!a.own, &a.id).cmp(&(!b.own, &b.id)))
}

fn in_order(records: &[Known]) -> Vec<&Known> {
    let mut out: Vec<&Known> = records.iter().collect();
    out.sort_by(|a, b| (!a.own, &a.id).cmp(&(!b.own, &b.id)));
    out
}
