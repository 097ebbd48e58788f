//! Explains one item: what the rules see in it, which of them decided, and what the next session would do. The same
//! round as a session's, looking at this item only; nothing is written.
//!
//! Says ids, states, rules and names of fields, no content.

mod words;

use tandem_types::{ItemKind, SessionOutcome, Side};

use crate::facts::Seen;
use crate::fault::Fault;
use crate::hash::Hasher;
use crate::link::{Link, LinkState};
use crate::model::{Candidate, Change, Field, ItemId, LinkKey, MatchKey, Scope, Snapshot, instant};
use crate::normalise::normalise;
use crate::ports::{Closing, Lease, LinkAsk, StoreError};
use crate::round::{Halt, Keeper, Round};
use crate::session::Context;
use crate::survey::{Look, Stand, Survey};
use crate::{FaultKind, aside};

/// Which item is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyAsk {
    /// Where it is looked for; `None`: wherever it may be.
    pub side: Option<Side>,
    /// An item's id on its side, a link's id or key, or an email's Message-ID.
    pub item: String,
}

/// What there is to say.
#[derive(Clone, Debug)]
pub struct Why {
    pub lines: Vec<String>,
    /// The items that were meant, and their links' other ones: open issues stand under these.
    pub items: Vec<ItemId>,
    /// For giving the lease back: the session is not closed.
    pub closing: Closing,
}

/// Explains an item. Writes nothing, whatever [`Context::dry_run`] says.
///
/// # Errors
/// The store's. A side's fault is one of the lines, and stands in the closing.
pub async fn why(cx: &Context<'_>, lease: Lease, ask: &WhyAsk) -> Result<Why, StoreError> {
    let mut cx = *cx;
    cx.dry_run = true;
    let opening = cx.store.open(&lease).await?;
    let keeper = Keeper::new(cx, lease);
    let (hasher, org) = (Hasher::new(&opening.hash_key), Hasher::new(&opening.org_key));
    let mut round = Round::new(cx, &keeper, &opening, &hasher, &org);
    let mut told = Told::default();
    let closing = match explain(&mut round, ask, &mut told).await {
        Ok(()) => {
            let note = "why: looked at one item".to_owned();
            aside::closed(&cx, &opening, SessionOutcome::Preview, Vec::new(), note)
        }
        Err(Halt::Store(error)) => return Err(error),
        Err(Halt::Fault(side, fault)) => {
            told.say(format!("the {} did not answer: {fault}", words::side(side)));
            aside::broken(&cx, &opening, (side, &fault), false, Vec::new(), "why")
        }
    };
    Ok(Why {
        lines: told.lines,
        items: told.items,
        closing,
    })
}

#[derive(Default)]
struct Told {
    lines: Vec<String>,
    items: Vec<ItemId>,
}

impl Told {
    fn say(&mut self, line: String) {
        self.lines.push(line);
    }

    fn name(&mut self, item: &ItemId) {
        if !self.items.contains(item) {
            self.items.push(item.clone());
        }
    }
}

async fn explain(round: &mut Round<'_>, ask: &WhyAsk, told: &mut Told) -> Result<(), Halt> {
    let meant = meant(round, ask).await?;
    if meant.links.is_empty() && meant.items.is_empty() {
        told.say("there is no such item that Tandem may see, and no link names it".to_owned());
        for (side, id) in meant.asked {
            told.name(&id);
            told.say(format!("looked for it in the {}", words::side(side)));
        }
        return Ok(());
    }
    for (side, item) in &meant.items {
        told.name(&item.id);
        told.say(format!("{}: {}", words::side(*side), words::item(*side, item)));
        for line in words::facts(item) {
            told.say(format!("  {line}"));
        }
    }
    let kinds: Vec<ItemKind> = meant.kinds().collect();
    for kind in kinds {
        if !round.frame.kinds.has(kind) {
            told.say(format!(
                "the settings do not sync {}s: all their links are left as they are",
                kind.as_str()
            ));
        }
    }
    for link in &meant.links {
        for side in Side::BOTH {
            if let Some(id) = link.id_on(side) {
                told.name(id);
            }
        }
        for line in words::link(link) {
            told.say(line);
        }
        round.links.put(link.clone());
        round.again.insert(link.id.clone());
    }
    let linked = meant
        .links
        .iter()
        .any(|link| !matches!(link.state, LinkState::Ended(_)));
    round.look = if linked { Look::Again } else { Look::Everything };
    for (side, item) in meant.items {
        let facts = round.facts.sides.on_mut(side);
        facts.report(Change::Present(Box::new(item)));
    }
    round.find_out().await?;
    if round.truncated() {
        told.say("not everything could be found out: the next session asks again".to_owned());
    }
    conclude(round, told);
    Ok(())
}

/// What follows, in the words of the survey and of the plan.
fn conclude(round: &Round<'_>, told: &mut Told) {
    let view = round.view();
    let survey = view.survey();
    for case in &survey.cases {
        for side in Side::BOTH {
            told.say(format!(
                "the {} item {}",
                words::side(side),
                words::stand(case.stand.on(side))
            ));
        }
        if let (Stand::Here(mailbox), Stand::Here(crm)) = (case.stand.mailbox, case.stand.crm) {
            compare(round, case.link, mailbox, crm, told);
        }
        told.say(format!("decision: {}", words::decision(case.decision)));
    }
    for source in &survey.sources {
        if let Some(rule) = source.rule {
            told.say(format!("it is saved: {}", rule.text()));
        }
        told.say(format!(
            "decision: it has no counterpart: {}",
            words::course(source.course, source.side.other())
        ));
    }
    for (_, reason, _) in &survey.not_saved {
        told.say(format!("it is not saved: {}", reason.text()));
    }
    for (link, ids) in &survey.in_doubt {
        told.say(format!(
            "decision: link {}: a create was lost, and {} items could be what it made",
            link.id,
            ids.len()
        ));
    }
    if is_quiet(&survey) {
        quietly(round, told);
    }
    let plan = round.plan();
    let lines = plan.lines();
    if lines.is_empty() {
        told.say("the next session would write nothing for it".to_owned());
    }
    for line in lines {
        told.say(format!("the next session would: {line}"));
    }
}

fn is_quiet(survey: &Survey<'_>) -> bool {
    survey.cases.is_empty()
        && survey.sources.is_empty()
        && survey.not_saved.is_empty()
        && survey.in_doubt.is_empty()
}

/// Nothing follows from what was found; says why not.
fn quietly(round: &Round<'_>, told: &mut Told) {
    let mut said = false;
    for link in round.links.iter() {
        if let (Some(mailbox), Some(crm)) = (seen(round, link, Side::Mailbox), seen(round, link, Side::Crm)) {
            compare(round, link, mailbox, crm, told);
        }
        told.say(match link.state {
            LinkState::Ended(_) => {
                "decision: nothing: the link has ended, and nothing is made again by itself".to_owned()
            }
            LinkState::Dormant => "decision: nothing: the link sleeps until its items come back".to_owned(),
            LinkState::Live => "decision: nothing: both sides are as they were agreed on".to_owned(),
        });
        said = true;
    }
    if said {
        return;
    }
    for side in Side::BOTH {
        for id in &round.facts.sides.on(side).news {
            if let Some(Seen::Here(item)) = round.facts.sides.on(side).seen.get(id) {
                told.say(format!("decision: nothing: {}", words::no_source(side, item)));
            }
        }
    }
}

fn seen<'r>(round: &'r Round<'_>, link: &Link, side: Side) -> Option<&'r Snapshot> {
    round.facts.sides.on(side).here(link.id_on(side)?)
}

/// Field by field, where both items stand against what was agreed on.
fn compare(round: &Round<'_>, link: &Link, mailbox: &Snapshot, crm: &Snapshot, told: &mut Told) {
    let mut groups: [(&str, Vec<&str>); 4] = [
        ("changed in the mailbox since", Vec::new()),
        ("changed in Salesforce since", Vec::new()),
        ("changed on both sides since", Vec::new()),
        ("different, and left so", Vec::new()),
    ];
    for field in Field::of(link.kind) {
        let changed = |side: Side, item: &Snapshot| {
            let now = round.hasher.of(*field, item.record.get(*field));
            now.is_some() && now != link.base.on(side).get(field).copied()
        };
        let group = match (changed(Side::Mailbox, mailbox), changed(Side::Crm, crm)) {
            (true, false) => 0,
            (false, true) => 1,
            (true, true) => 2,
            (false, false) => 3,
        };
        let (ours, theirs) = (
            normalise(*field, mailbox.record.get(*field)),
            normalise(*field, crm.record.get(*field)),
        );
        if ours != theirs && !ours.is_unknown() && !theirs.is_unknown() {
            groups[group].1.push(field.as_str());
        }
    }
    let mut equal = true;
    for (words, fields) in groups {
        if !fields.is_empty() {
            equal = false;
            told.say(format!("{words}: {}", fields.join(", ")));
        }
    }
    if equal {
        told.say("both sides hold the same in every field that both can show".to_owned());
    }
}

/// What the question is about.
#[derive(Default)]
struct Meant {
    links: Vec<Link>,
    items: Vec<(Side, Snapshot)>,
    asked: Vec<(Side, ItemId)>,
}

impl Meant {
    fn kinds(&self) -> impl Iterator<Item = ItemKind> {
        ItemKind::ALL.into_iter().filter(|kind| {
            self.links.iter().any(|link| link.kind == *kind)
                || self.items.iter().any(|(_, item)| item.record.kind == *kind)
        })
    }
}

async fn meant(round: &Round<'_>, ask: &WhyAsk) -> Result<Meant, Halt> {
    let text = ask.item.trim();
    let text = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
        .unwrap_or(text);
    let mut out = Meant::default();
    let mut crm: Vec<ItemId> = Vec::new();
    let mut mailbox: Vec<ItemId> = Vec::new();
    let mut keys: Vec<LinkKey> = Vec::new();
    if text.contains('@') {
        let key = MatchKey::Message(text.to_owned());
        let found = round
            .cx
            .crm
            .candidates(&[key])
            .await
            .map_err(|fault| Halt::Fault(Side::Crm, fault))?;
        crm.extend(
            found
                .into_iter()
                .flatten()
                .filter_map(|candidate| match candidate {
                    Candidate::Same(record) => Some(record.id),
                    Candidate::Lead { .. } => None,
                }),
        );
    } else {
        let record = crate::linker::record_id(text);
        let is_record = record.is_some();
        crm.push(record.unwrap_or_else(|| ItemId(text.to_owned())));
        // What looks like a record's id is none of a mailbox, and the other way round.
        if !is_record || ask.side == Some(Side::Mailbox) {
            mailbox.push(ItemId(text.to_owned()));
        }
        keys.push(LinkKey(text.to_owned()));
        if !is_record && ask.side != Some(Side::Crm) {
            crm.clear();
        }
    }
    match ask.side {
        Some(Side::Mailbox) => crm.clear(),
        Some(Side::Crm) => mailbox.clear(),
        None => {}
    }
    let lease = round.keeper.lease();
    let of = LinkAsk::Of {
        mailbox: mailbox.clone(),
        crm: crm.clone(),
        keys,
    };
    out.links = round.cx.store.links(&lease, &of).await?;
    if out.links.is_empty() && text.len() == 32 {
        let all = round.cx.store.links(&lease, &LinkAsk::All).await?;
        out.links
            .extend(all.into_iter().filter(|link| link.id.as_str() == text));
    }
    for link in &out.links {
        for (side, ids) in [(Side::Mailbox, &mut mailbox), (Side::Crm, &mut crm)] {
            ids.extend(link.id_on(side).cloned());
            // A link's key is no item's id.
            ids.retain(|id| id.0 != link.key.0 && id.0 != link.id.as_str());
            ids.sort();
            ids.dedup();
        }
    }
    for (side, ids) in [(Side::Mailbox, mailbox), (Side::Crm, crm)] {
        for id in ids {
            match round.cx.side(side).read(std::slice::from_ref(&id)).await {
                Ok(found) => out
                    .items
                    .extend(found.into_iter().flatten().map(|item| (side, item))),
                Err(fault) if is_no_id(&fault) => {}
                Err(fault) => return Err(Halt::Fault(side, fault)),
            }
            out.asked.push((side, id));
        }
    }
    Ok(out)
}

/// A side that takes the text for no id of its own says so in its own way; what concerns every call is told.
fn is_no_id(fault: &Fault) -> bool {
    matches!(
        fault.kind,
        FaultKind::Invalid | FaultKind::NotFound | FaultKind::Fatal
    )
}

/// Whether a scope lets an item be saved by itself.
fn scope(item: &Snapshot) -> &'static str {
    match item.scope {
        Scope::In => "in scope",
        Scope::Out => "out of scope",
        Scope::Private => "private",
    }
}

fn when(item: &Snapshot) -> String {
    format!(
        "made {}, changed {}",
        instant(item.created),
        instant(item.modified)
    )
}
