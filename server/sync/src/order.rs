//! What the user orders about one mailbox item in the pane: it is saved at once, with the links that he chose; one that
//! is saved already is linked anew. The same round as a session's, looking at these items only: the cursors stay.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_types::{ItemKind, NotSaved, SessionOutcome, Side, Timestamp};

use crate::apply::Applied;
use crate::aside;
use crate::fault::Fault;
use crate::hash::Hasher;
use crate::link::{BaseHash, Link, LinkState};
use crate::model::{Change, Field, FieldValue, ItemId, Outcome, Relations, Write};
use crate::normalise;
use crate::ports::{Closing, Commit, JournalAct, JournalEntry, Lease, LinkAsk, Opening, StoreError};
use crate::roles;
use crate::round::{Halt, Keeper, Round};
use crate::session::Context;
use crate::survey::Look;

/// What the user chose for one item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Contacts, the main one first, or one lead.
    pub who: Vec<ItemId>,
    pub what: Option<ItemId>,
    /// Names of the attachments that are left out.
    pub without: BTreeSet<String>,
    /// Later mails of the conversation are saved, too.
    pub thread: bool,
    /// When it was given, as far as whoever carries it out knows: what was done of it is not done again.
    #[serde(skip)]
    pub at: Option<Timestamp>,
    /// Not to be saved, but taken out: as the category *Salesforce Unsync* does.
    #[serde(default)]
    pub out: bool,
}

impl Order {
    /// The linker's result gives way to the choice; who was invited stays.
    pub(crate) fn choose(&self, relations: &mut Relations) {
        relations.who.clone_from(&self.who);
        relations.what.clone_from(&self.what);
        *relations = std::mem::take(relations).canonical();
    }

    pub(crate) fn without(&self, hasher: &Hasher) -> BTreeSet<BaseHash> {
        self.without
            .iter()
            .filter_map(|name| file_hash(hasher, name))
            .collect()
    }
}

/// By what the name of an attachment that was left out is remembered.
pub(crate) fn file_hash(hasher: &Hasher, name: &str) -> Option<BaseHash> {
    // A field that is compared to the letter.
    hasher.of(Field::MessageId, &FieldValue::from_text(name))
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It is saved as this record, and linked as it was chosen.
    Done(ItemId),
    /// A rule is against it, whatever the user chooses.
    NotSaved(NotSaved),
    /// The CRM did not take it: an issue says why. Or it takes the item, and not these links.
    Refused,
    /// The mailbox does not show it any more.
    Gone,
    /// It is known only later what became of it: the order stands.
    Later,
}

/// What became of all orders, and the session's end.
#[derive(Clone, Debug)]
pub struct Report {
    pub orders: BTreeMap<ItemId, Ordered>,
    pub closing: Closing,
}

/// Carries out orders, each under the id of its mailbox item. The session is not closed: when the next one is due is the
/// caller's to say.
///
/// # Errors
/// The store's. A side's fault stands in the closing, and the orders that it met stand.
pub async fn carry_out(
    cx: &Context<'_>,
    lease: Lease,
    orders: &BTreeMap<ItemId, Order>,
) -> Result<Report, StoreError> {
    let opening = cx.store.open(&lease).await?;
    let keeper = Keeper::new(*cx, lease);
    let (hasher, org) = (Hasher::new(&opening.hash_key), Hasher::new(&opening.org_key));
    let mut round = Round::new(*cx, &keeper, &opening, &hasher, &org);
    let mut done: BTreeMap<ItemId, Ordered> = orders.keys().map(|id| (id.clone(), Ordered::Later)).collect();
    let mut counts = Vec::new();
    let closing = match go(&mut round, orders, &mut done, &mut counts, &opening).await {
        Ok(()) => {
            let note = format!("{} ordered by the user", orders.len());
            aside::closed(cx, &opening, SessionOutcome::Done, counts, note)
        }
        Err(Halt::Store(error)) => return Err(error),
        Err(Halt::Fault(side, fault)) => {
            aside::broken(cx, &opening, (side, &fault), false, counts, "ordered by the user")
        }
    };
    Ok(Report {
        orders: done,
        closing,
    })
}

async fn go(
    round: &mut Round<'_>,
    orders: &BTreeMap<ItemId, Order>,
    done: &mut BTreeMap<ItemId, Ordered>,
    counts: &mut Vec<tandem_types::Counts>,
    opening: &Opening,
) -> Result<(), Halt> {
    // The first session shows what it will do before anything is written; and who stopped means everything.
    if !opening.first_round_done || opening.org_stopped {
        return Ok(());
    }
    let ids: Vec<ItemId> = orders.keys().cloned().collect();
    let found = round.cx.mailbox.read(&ids).await.map_err(in_mailbox)?;
    // The order names an item by the id that the mailbox gave it then; what it is called now counts.
    let mut named: BTreeMap<ItemId, ItemId> = BTreeMap::new();
    for (asked, item) in ids.iter().zip(found) {
        let Some(mut item) = item else {
            done.insert(asked.clone(), Ordered::Gone);
            continue;
        };
        let Some(order) = orders.get(asked) else { continue };
        named.insert(asked.clone(), item.id.clone());
        if order.out {
            item.extra.unsync = true;
        } else {
            round.frame.ordered.insert(item.id.clone(), order.clone());
        }
        let facts = round.facts.sides.on_mut(Side::Mailbox);
        facts.report(Change::Present(Box::new(item)));
    }
    let ask = LinkAsk::Of {
        mailbox: named.values().cloned().collect(),
        crm: Vec::new(),
        keys: Vec::new(),
    };
    for link in round.cx.store.links(&round.keeper.lease(), &ask).await? {
        round.links.put(link);
    }
    for (asked, id) in &named {
        // A session before has saved it, and did not come to end the order: what somebody did since is not undone by it.
        let at = orders.get(asked).and_then(|order| order.at);
        let link = round.links.of_item(Side::Mailbox, id);
        if let Some(link) = link.filter(|link| at.is_some() && link.traits.ordered == at)
            && let Some(record) = &link.crm_id
        {
            done.insert(asked.clone(), Ordered::Done(record.clone()));
            round.frame.ordered.remove(id);
        }
    }
    round.look = Look::Everything;
    round.find_out().await?;
    for (asked, id) in &named {
        let view = round.view();
        let survey = view.survey();
        if let Some((_, reason, _)) = survey.not_saved.iter().find(|(item, ..)| item.id == *id) {
            done.insert(asked.clone(), Ordered::NotSaved(*reason));
        }
    }
    let plan = round.plan();
    let mut applied = Applied::new(&plan);
    let through = round.apply(plan, &mut applied).await;
    *counts = applied.counts.list();
    let through = through? && !applied.in_doubt && !round.unknown();
    for (asked, id) in named {
        if !matches!(done.get(&asked), Some(Ordered::Later)) {
            continue;
        }
        let Some(order) = orders.get(&asked) else { continue };
        let link = round.links.of_item(Side::Mailbox, &id).cloned();
        if order.out {
            let ended = taken_out(link.as_ref(), through);
            if let (Ordered::Done(_), Some(link)) = (&ended, link) {
                keep_out(round, link, &id).await?;
            }
            done.insert(asked, ended);
            continue;
        }
        let link = link.filter(|link| !matches!(link.state, LinkState::Ended(_)));
        let ended = match link {
            Some(link) if link.crm_id.is_some() => relink(round, link, order).await?,
            // A create whose answer was lost is looked for by the next session; what waits for a colleague's, too.
            Some(link) if link.intent.is_some() && !link.traits.unmade => Ordered::Later,
            _ if through => Ordered::Refused,
            _ => Ordered::Later,
        };
        done.insert(asked, ended);
    }
    Ok(())
}

fn taken_out(link: Option<&Link>, through: bool) -> Ordered {
    match link {
        Some(link) if matches!(link.state, LinkState::Ended(_)) => {
            Ordered::Done(link.crm_id.clone().unwrap_or_else(|| ItemId(String::new())))
        }
        // A mail that is saved stands.
        _ if through => Ordered::Refused,
        _ => Ordered::Later,
    }
}

/// An item that keeps its mark, because nothing is written to its mailbox, does not ask for itself by that.
async fn keep_out(round: &Round<'_>, mut link: Link, item: &ItemId) -> Result<(), Halt> {
    let marked = round.facts.sides.mailbox.here(item).is_some_and(|now| now.marked);
    if !marked || link.traits.taken_out {
        return Ok(());
    }
    link.traits.taken_out = true;
    link.traits.unmarked = false;
    link.changed = round.cx.clock.now();
    let commit = Commit {
        links: vec![link],
        ..Commit::default()
    };
    Ok(round.commit(commit).await?)
}

/// Writes the links that were chosen, where they are others than the record's: the linker does not move them any more.
async fn relink(round: &Round<'_>, link: Link, order: &Order) -> Result<Ordered, Halt> {
    let Some(id) = link.crm_id.clone() else {
        return Ok(Ordered::Later);
    };
    if !round.opening.settings.direction(link.kind).writes_crm() {
        return Ok(Ordered::NotSaved(NotSaved::Off));
    }
    if link.kind == ItemKind::Email {
        return relink_email(round, link, id, order).await;
    }
    let found = round
        .cx
        .crm
        .read(std::slice::from_ref(&id))
        .await
        .map_err(in_crm)?;
    let Some(saw) = found.into_iter().next().flatten() else {
        // A colleague's, and not for this user's eyes.
        return Ok(Ordered::Done(id));
    };
    let old = saw.record.get(Field::Relations).clone();
    let before: Relations = match &old {
        FieldValue::Known(text) => text.parse().unwrap_or_default(),
        FieldValue::Empty => Relations::default(),
        FieldValue::Unknown => return Ok(Ordered::Done(id)),
    };
    let mut chosen = before.clone();
    order.choose(&mut chosen);
    let mut commit = Commit::default();
    let mut kept = link.clone();
    kept.traits.links_chosen = true;
    kept.traits.ordered = order.at;
    if chosen != before.clone().canonical() {
        if roles::is_follower(&link, Some(&saw)) {
            // Its writer is a colleague: only the answer is this user's to write.
            return Ok(Ordered::Refused);
        }
        let write = Write::Update {
            kind: link.kind,
            id: saw.id.clone(),
            version: saw.version.clone(),
            set: BTreeMap::from([(Field::Relations, chosen.to_value())]),
            key: None,
            mark: None,
            notify: false,
        };
        let outcomes = round.cx.crm.write(&[write]).await.map_err(in_crm)?;
        let now = match outcomes.into_iter().next() {
            Some(Outcome::Written { now, left: None, .. }) => now,
            // Somebody was quicker, or nobody knows: it is tried again.
            Some(Outcome::Conflict(_) | Outcome::InDoubt) | None => return Ok(Ordered::Later),
            Some(_) => return Ok(Ordered::Refused),
        };
        let hash = round
            .hasher
            .of(Field::Relations, now.record.get(Field::Relations));
        if let (normalise::VERSION, Some(hash)) = (kept.base.normaliser, hash) {
            kept.base.crm.insert(Field::Relations, hash);
        }
        commit.journal.push(JournalEntry {
            link: link.id.clone(),
            kind: link.kind,
            side: Side::Crm,
            item: now.id.clone(),
            act: JournalAct::Changed {
                old: vec![(Field::Relations, old)],
                wrote: hash.map(|hash| (Field::Relations, hash)).into_iter().collect(),
            },
        });
        commit.moved = true;
    }
    if kept != link {
        kept.changed = round.cx.clock.now();
        commit.links.push(kept);
        round.commit(commit).await?;
    }
    Ok(Ordered::Done(id))
}

/// As [`relink`]: of an email the people are told apart from what it is about, and those who stand in its addresses stay.
async fn relink_email(round: &Round<'_>, link: Link, id: ItemId, order: &Order) -> Result<Ordered, Halt> {
    let Some(before) = round.cx.crm.email_links(&id).await.map_err(in_crm)? else {
        return Ok(Ordered::Done(id));
    };
    let missing = |now: &Relations| -> Vec<ItemId> {
        let tied = |one: &&ItemId| !now.who.contains(one);
        order.who.iter().filter(tied).cloned().collect()
    };
    let mut commit = Commit::default();
    if before.what != order.what || !missing(&before).is_empty() {
        let mut chosen = before.clone();
        order.choose(&mut chosen);
        let found = round
            .cx
            .crm
            .read(std::slice::from_ref(&id))
            .await
            .map_err(in_crm)?;
        let Some(saw) = found.into_iter().next().flatten() else {
            return Ok(Ordered::Done(id));
        };
        let write = Write::Update {
            kind: link.kind,
            id: saw.id,
            version: saw.version,
            set: BTreeMap::from([(Field::Relations, chosen.to_value())]),
            key: None,
            mark: None,
            notify: false,
        };
        let outcomes = round.cx.crm.write(&[write]).await.map_err(in_crm)?;
        match outcomes.into_iter().next() {
            Some(Outcome::Written { left: None, .. }) => {}
            Some(Outcome::Conflict(_) | Outcome::InDoubt) | None => return Ok(Ordered::Later),
            Some(_) => return Ok(Ordered::Refused),
        }
        // Where emails are tasks, that has tied them already.
        let now = round.cx.crm.email_links(&id).await.map_err(in_crm)?;
        let rest = missing(&now.unwrap_or_default());
        if !rest.is_empty()
            && round
                .cx
                .crm
                .tie_to_email(&id, &rest)
                .await
                .map_err(in_crm)?
                .is_err()
        {
            return Ok(Ordered::Refused);
        }
        commit.journal.push(JournalEntry {
            link: link.id.clone(),
            kind: link.kind,
            side: Side::Crm,
            item: id.clone(),
            act: JournalAct::Changed {
                old: vec![(Field::Relations, before.to_value())],
                wrote: Vec::new(),
            },
        });
        commit.moved = true;
    }
    let mut kept = link.clone();
    kept.traits.links_chosen = true;
    kept.traits.ordered = order.at;
    if kept != link || !commit.journal.is_empty() {
        kept.changed = round.cx.clock.now();
        commit.links.push(kept);
        round.commit(commit).await?;
    }
    Ok(Ordered::Done(id))
}

const fn in_mailbox(fault: Fault) -> Halt {
    Halt::Fault(Side::Mailbox, fault)
}

const fn in_crm(fault: Fault) -> Halt {
    Halt::Fault(Side::Crm, fault)
}
