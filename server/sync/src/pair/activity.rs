//! Which event or task on the other side is the same one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tandem_types::{ItemKind, Side};

use crate::merge::Both;
use crate::model::{Field, FieldValue, ItemId, MatchKey, Scope, Snapshot};
use crate::normalise::{folded, normalise};
use crate::survey::{Course, Survey, View, when};

use super::{Graph, Node, Pairing};

/// By what an activity is looked for; `None`: it says too little.
pub(super) fn key(item: &Snapshot) -> Option<MatchKey> {
    let record = &item.record;
    let subject = folded(Field::Subject, record.get(Field::Subject));
    if subject.is_empty() {
        return None;
    }
    match record.kind {
        ItemKind::Event => Some(MatchKey::Event {
            subject,
            start: when(item)?.start_text(),
        }),
        ItemKind::Task => Some(MatchKey::Task {
            subject,
            due: match normalise(Field::Due, record.get(Field::Due)) {
                FieldValue::Known(due) => due,
                FieldValue::Empty => String::new(),
                FieldValue::Unknown => return None,
            },
        }),
        ItemKind::Contact | ItemKind::Email => None,
    }
}

/// The other side is asked; where that finds anything, the own side too: a match must be the only one on both.
pub(super) fn questions(view: View<'_>, survey: &Survey<'_>, ask: &mut Both<BTreeSet<MatchKey>>) {
    for source in &survey.sources {
        if !matches!(source.course, Course::Look) {
            continue;
        }
        let Some(key) = key(source.item) else { continue };
        let there = view.facts.sides.on(source.side.other());
        if !there.candidates.contains_key(&key) {
            ask.on_mut(source.side.other()).insert(key);
            continue;
        }
        let here = view.facts.sides.on(source.side);
        if there.found(&key).next().is_some() && !here.candidates.contains_key(&key) {
            ask.on_mut(source.side).insert(key);
        }
    }
}

/// What is decided without looking at what the items hold. Returns the items that are settled by it.
pub(super) fn decided<'a>(
    view: View<'a>,
    survey: &Survey<'a>,
    out: &mut Vec<Pairing<'a>>,
) -> HashSet<(Side, &'a ItemId)> {
    let mut settled: HashSet<(Side, &'a ItemId)> = HashSet::new();
    let mut claims = HashSet::new();
    for source in &survey.sources {
        let one = (source.side, &source.item.id);
        // Of several copies of one meeting or mail in one mailbox, the first is saved.
        if source.claim.is_some_and(|claim| !claims.insert(claim)) {
            settled.insert(one);
            continue;
        }
        let pairing = match source.course {
            // Whoever waits may still be found by what it holds.
            Course::Look | Course::Wait | Course::Hidden => continue,
            Course::Saved { record, own } => {
                if !settled.insert((Side::Crm, record)) {
                    settled.insert(one);
                    continue;
                }
                Pairing::Saved {
                    source: *source,
                    record,
                    own,
                }
            }
            Course::Follow { record, own } => {
                if !settled.insert((Side::Crm, &record.id)) {
                    settled.insert(one);
                    continue;
                }
                let holder = survey.link_of(view, Side::Crm, &record.id);
                Pairing::Follow {
                    source: *source,
                    record,
                    own,
                    retired: holder.filter(|holder| source.link.is_none_or(|own| own.id != holder.id)),
                }
            }
        };
        settled.insert(one);
        out.push(pairing);
    }
    settled
}

/// Nodes that hold the same.
pub(super) fn alike<'a>(
    view: View<'a>,
    survey: &Survey<'a>,
    graph: &mut Graph<'a>,
    decided: &HashSet<(Side, &'a ItemId)>,
) -> BTreeMap<MatchKey, Both<BTreeSet<usize>>> {
    let mut groups: BTreeMap<MatchKey, Both<BTreeSet<usize>>> = BTreeMap::new();
    let asked: BTreeSet<MatchKey> = survey
        .sources
        .iter()
        .filter_map(|source| key(source.item))
        .collect();
    for key in asked {
        for side in Side::BOTH {
            for item in view.facts.sides.on(side).found(&key) {
                let over = item.extra.event.as_deref().is_some_and(|event| event.cancelled);
                if decided.contains(&(side, &item.id)) || over {
                    continue;
                }
                if let Some(node) = graph.candidate(view, survey, side, item) {
                    groups.entry(key.clone()).or_default().on_mut(side).insert(node);
                }
            }
        }
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        if let Some(key) = key(node.item)
            && !decided.contains(&(node.side, &node.item.id))
            && let Some(group) = groups.get_mut(&key)
        {
            group.on_mut(node.side).insert(at);
        }
    }
    groups.retain(|_, group| {
        let (mailbox, crm) = (only(&graph.nodes, &group.mailbox), only(&graph.nodes, &group.crm));
        !matches!((mailbox, crm), (Some(mailbox), Some(crm)) if strangers(mailbox, crm))
    });
    groups
}

fn only<'g, 'a>(nodes: &'g [Node<'a>], group: &BTreeSet<usize>) -> Option<&'g Node<'a>> {
    match group.len() {
        1 => group.first().map(|&at| &nodes[at]),
        _ => None,
    }
}

/// The organizers are known, and are not the same; or somebody else's record, which is no match for an event of the
/// user's own.
fn strangers(mailbox: &Node<'_>, crm: &Node<'_>) -> bool {
    let organizer = |node: &Node<'_>| {
        let event = node.item.extra.event.as_deref()?;
        event.organizer.as_ref().map(|who| who.address.clone())
    };
    let differ = matches!((organizer(mailbox), organizer(crm)), (Some(m), Some(c)) if m != c);
    differ || (mailbox.item.record.kind != ItemKind::Contact && crm.item.scope != Scope::In)
}
