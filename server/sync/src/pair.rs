//! Who is the same person on the other side, and which activity is the same.

mod activity;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tandem_types::{ItemKind, LinkId, Side};

use crate::decide::Decision;
use crate::facts::{Made, Seen};
use crate::link::{EndReason, Link, LinkState};
use crate::merge::Both;
use crate::model::{Candidate, Field, FieldValue, ItemId, MatchKey, Record, Scope, Snapshot};
use crate::mutant::{self, Mutant};
use crate::normalise::{digits, email, folded, normalise};
use crate::roles;
use crate::survey::{Course, Source, Survey, View, paired};

/// What becomes of an item without a counterpart.
#[derive(Clone, Debug)]
pub enum Pairing<'a> {
    /// The same person is on both sides.
    Adopt {
        mailbox: &'a Snapshot,
        crm: &'a Snapshot,
        /// The link that is used for it; `None`: a new one.
        link: Option<&'a Link>,
        /// Another link that held one of the two, and lets go of it.
        retired: Option<&'a Link>,
    },
    /// Nobody: made on the other side.
    Make(Source<'a>),
    /// It cannot be told who. `with`: all that could be meant, on both sides.
    Several {
        source: Source<'a>,
        with: Vec<(Side, ItemId)>,
    },
    /// An unconverted lead has the e-mail address.
    Lead { source: Source<'a>, lead: ItemId },
    /// The record that was made for this meeting before, by this connection or another.
    Follow {
        source: Source<'a>,
        record: &'a Snapshot,
        own: bool,
        /// Another link that held the record, and lets go of it.
        retired: Option<&'a Link>,
    },
    /// An email that stands in the CRM already.
    Saved {
        source: Source<'a>,
        record: &'a ItemId,
        own: bool,
    },
    /// Another makes it.
    Wait(Source<'a>),
    /// Another has made it, and it is not to be seen.
    Hidden(Source<'a>),
}

/// More candidates than this help nobody.
const SHOWN_MAX: usize = 10;

const PHONES: [Field; 4] = [
    Field::BusinessPhone,
    Field::MobilePhone,
    Field::HomePhone,
    Field::OtherPhone,
];

/// By which texts two people of one name are known to be the same.
fn marks(record: &Record) -> Vec<String> {
    let company = folded(Field::Company, record.get(Field::Company));
    let phones = PHONES.into_iter().filter_map(|field| digits(record.get(field)));
    let mut marks: Vec<String> = phones.map(|digits| format!("phone {digits}")).collect();
    if !company.is_empty() {
        marks.push(format!("company {company}"));
    }
    marks
}

fn name_key(record: &Record) -> Option<MatchKey> {
    let text = |field| match normalise(field, record.get(field)) {
        FieldValue::Known(text) => text,
        _ => String::new(),
    };
    let surname = text(Field::Surname);
    (!surname.is_empty() && !marks(record).is_empty()).then(|| MatchKey::Name {
        given: text(Field::GivenName),
        surname,
    })
}

fn address(record: &Record) -> Option<String> {
    email(record.get(Field::Email))
}

/// What must be known to pair the sources: first by e-mail; by name only where that finds nobody.
pub(crate) fn questions(view: View<'_>, survey: &mut Survey<'_>) {
    let mut ask: Both<BTreeSet<MatchKey>> = Both::default();
    twins(view, survey);
    activity::questions(view, survey, &mut ask);
    for source in of_kind(survey, ItemKind::Contact) {
        let other = source.side.other();
        let record = &source.item.record;
        if let Some(address) = address(record) {
            let key = MatchKey::Email(address);
            let there = view.facts.sides.on(other);
            if !there.candidates.contains_key(&key) {
                ask.on_mut(other).insert(key.clone());
            }
            // A match must be the only one on its own side too; what was listed in full is known.
            let here = view.facts.sides.on(source.side);
            if !here.whole.has(ItemKind::Contact) && !here.candidates.contains_key(&key) {
                ask.on_mut(source.side).insert(key.clone());
            }
            if !there.candidates.contains_key(&key) || there.found(&key).next().is_some() {
                continue;
            }
        }
        if let Some(key) = name_key(record) {
            let (there, here) = (view.facts.sides.on(other), view.facts.sides.on(source.side));
            if !there.candidates.contains_key(&key) {
                ask.on_mut(other).insert(key);
            } else if there.found(&key).next().is_some()
                && !here.whole.has(ItemKind::Contact)
                && !here.candidates.contains_key(&key)
            {
                // As with addresses: whoever else could be meant here is no match.
                ask.on_mut(source.side).insert(key);
            }
        }
    }
    for side in Side::BOTH {
        survey.lookups.candidates.on_mut(side).append(ask.on_mut(side));
    }
}

fn of_kind<'s, 'a>(survey: &'s Survey<'a>, kind: ItemKind) -> impl Iterator<Item = &'s Source<'a>> {
    survey
        .sources
        .iter()
        .filter(move |source| source.item.record.kind == kind)
}

/// A source that looks like a record which another item is paired with already: a second person, or the same item under
/// a new id without our key. Before anything is made, it must be known whether that other item is still there.
fn twins(view: View<'_>, survey: &mut Survey<'_>) {
    let mut unseen = Vec::new();
    for source in survey.sources.iter().filter(|source| source.course.is_open()) {
        let key = match source.item.record.kind {
            ItemKind::Contact => address(&source.item.record).map(MatchKey::Email),
            _ => activity::key(source.item),
        };
        let Some(key) = key else { continue };
        let there = view.facts.sides.on(source.side.other());
        for item in there.found(&key) {
            if let Some(link) = survey.link_of(view, source.side.other(), &item.id)
                && paired(link)
                && let Some(id) = link.id_on(source.side)
            {
                unseen.push((source.side, id.clone(), (link.kind, link.key.clone())));
            }
        }
    }
    for (side, id, key) in unseen {
        let id = view.facts.sides.on(side).merged(&id).clone();
        match view.facts.sides.on(side).seen.get(&id) {
            None => {
                survey.lookups.read.on_mut(side).insert(id);
            }
            Some(Seen::Missing) => {
                survey.lookups.fates.on_mut(side).insert(id, key);
            }
            Some(_) => {}
        }
    }
}

/// By what an event or a task is looked for on the other side.
pub(crate) fn activity_key(item: &Snapshot) -> Option<MatchKey> {
    activity::key(item)
}

#[derive(Debug)]
struct Node<'a> {
    side: Side,
    item: &'a Snapshot,
    source: Option<Source<'a>>,
    /// A link that may be used for it.
    link: Option<&'a Link>,
    /// A create of its is in doubt: whoever it matches has to wait.
    blocked: bool,
}

/// Groups of nodes that are joined step by step.
struct Groups(Vec<usize>);

impl Groups {
    fn find(&mut self, mut node: usize) -> usize {
        while self.0[node] != node {
            self.0[node] = self.0[self.0[node]];
            node = self.0[node];
        }
        node
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        // The smaller number leads, so that the groups do not depend on the order of joining.
        let (small, large) = (a.min(b), a.max(b));
        self.0[large] = small;
    }
}

struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    index: Both<HashMap<&'a ItemId, usize>>,
    /// Links that go on with both their items in this very session.
    joined: HashSet<&'a LinkId>,
    /// Links whose item is gone, and made again unless one is found here.
    remade: HashSet<&'a LinkId>,
}

impl<'a> Graph<'a> {
    fn add(&mut self, node: Node<'a>) -> usize {
        let next = self.nodes.len();
        let at = *self.index.on_mut(node.side).entry(&node.item.id).or_insert(next);
        if at == next {
            self.nodes.push(node);
        }
        at
    }

    fn candidate(
        &mut self,
        view: View<'a>,
        survey: &Survey<'a>,
        side: Side,
        item: &'a Snapshot,
    ) -> Option<usize> {
        if let Some(&at) = self.index.on(side).get(&item.id) {
            return Some(at);
        }
        if item.scope == Scope::Private {
            return None;
        }
        // Under another id it is a copy of what such a pair had, or was fetched back by hand: the user's own. (One that was
        // deleted in the mailbox, and comes back, goes on with its own record.)
        let copied = |link: &&Link| {
            side == Side::Mailbox
                && matches!(
                    link.state,
                    LinkState::Ended(EndReason::Undone | EndReason::Merged | EndReason::Cancelled)
                )
                && link.id_on(side) != Some(&item.id)
        };
        let link = match survey.link_of(view, side, &item.id) {
            // Only a copy of what is gone: it waits for a counterpart by a link of its own, if at all.
            Some(link) if self.remade.contains(&link.id) && link.id_on(side) != Some(&item.id) => {
                view.links.of_item(side, &item.id)
            }
            link => link,
        };
        let link = link.filter(|link| !copied(link));
        // Also one that waited for its other half, or had ended without it, and goes on with both now.
        let paired = |link: &Link| paired(link) || self.joined.contains(&link.id);
        let (free, blocked) = match link {
            None => (true, false),
            // Its other item is gone, and here is one that looks just like it.
            Some(link) if mutant::on(Mutant::AdoptLinked) && paired(link) => (true, false),
            Some(link) if paired(link) || matches!(view.facts.made.get(&link.id), Some(Made::This(_))) => {
                (survey.has_lost(view, link, side.other()), false)
            }
            Some(link) => match link.state {
                LinkState::Live => (true, true),
                // Asleep, *Salesforce Unsync* was taken back by the user, or neither was left and this one was brought back.
                LinkState::Dormant | LinkState::Ended(EndReason::Unsynced | EndReason::DeletedOnBoth) => {
                    (true, false)
                }
                // The item of its own side was given up, so the one that is left is free for a new one.
                LinkState::Ended(EndReason::DeletedInMailbox) => (side == Side::Crm, false),
                LinkState::Ended(EndReason::DeletedInCrm) => (side == Side::Mailbox, false),
                LinkState::Ended(_) => (false, false),
            },
        };
        // What the user took out is not paired by itself, nor made a second time beside it; nor what may be private.
        let blocked = blocked || item.extra.unsync || (side == Side::Mailbox && roles::is_veiled(item));
        free.then(|| {
            self.add(Node {
                side,
                item,
                source: None,
                link,
                blocked,
            })
        })
    }
}

/// Pairs every source. The result does not depend on the order of anything.
pub(crate) fn pair<'a>(view: View<'a>, survey: &Survey<'a>) -> Vec<Pairing<'a>> {
    let mut graph = Graph {
        nodes: Vec::with_capacity(survey.sources.len()),
        index: Both::default(),
        joined: survey
            .cases
            .iter()
            .filter(|case| matches!(case.decision, Decision::Merge { .. } | Decision::Follow { .. }))
            .map(|case| &case.link.id)
            .collect(),
        remade: survey
            .sources
            .iter()
            .filter(|source| source.remade)
            .filter_map(|source| source.link.map(|link| &link.id))
            .collect(),
    };
    for source in survey.sources.iter().filter(|source| source.course.is_open()) {
        graph.add(Node {
            side: source.side,
            item: source.item,
            source: Some(*source),
            link: source.link,
            blocked: false,
        });
    }
    // In-doubt creates stand in the way of whoever matches them.
    for (link, _) in &survey.in_doubt {
        for side in Side::BOTH {
            if let Some(item) = link.id_on(side).and_then(|id| view.facts.sides.on(side).here(id)) {
                graph.add(Node {
                    side,
                    item,
                    source: None,
                    link: Some(link),
                    blocked: true,
                });
            }
        }
    }

    let mut out = Vec::new();
    let courses = activity::decided(view, survey, &mut out);
    let by_address = addresses(view, survey, &mut graph);
    let by_content = activity::alike(view, survey, &mut graph, &courses);
    let mut groups = Groups((0..graph.nodes.len()).collect());
    for both in by_address.values() {
        join_sides(&mut groups, both);
    }
    for both in by_content.values() {
        join_sides(&mut groups, both);
    }
    let mut settled = vec![false; graph.nodes.len()];
    for (side, id) in &courses {
        if let Some(&at) = graph.index.on(*side).get(id) {
            settled[at] = true;
        }
    }
    resolve(&graph, &mut groups, &mut settled, &mut out);

    let by_name = names(view, survey, &mut graph, &settled);
    settled.resize(graph.nodes.len(), false);
    let mut groups = Groups((0..graph.nodes.len()).collect());
    for (mailbox, crm) in by_name {
        groups.join(mailbox, crm);
    }
    resolve(&graph, &mut groups, &mut settled, &mut out);

    alone(view, &graph, &settled, &mut out);
    out.sort_by(|a, b| order(a).cmp(&order(b)));
    out
}

fn order<'p>(pairing: &'p Pairing<'_>) -> (Side, &'p ItemId) {
    match pairing {
        Pairing::Adopt { mailbox, .. } => (Side::Mailbox, &mailbox.id),
        Pairing::Make(source)
        | Pairing::Wait(source)
        | Pairing::Hidden(source)
        | Pairing::Several { source, .. }
        | Pairing::Lead { source, .. }
        | Pairing::Follow { source, .. }
        | Pairing::Saved { source, .. } => (source.side, &source.item.id),
    }
}

fn addresses<'a>(
    view: View<'a>,
    survey: &Survey<'a>,
    graph: &mut Graph<'a>,
) -> BTreeMap<String, Both<BTreeSet<usize>>> {
    let mut groups: BTreeMap<String, Both<BTreeSet<usize>>> = BTreeMap::new();
    let asked: BTreeSet<String> = of_kind(survey, ItemKind::Contact)
        .filter_map(|source| address(&source.item.record))
        .collect();
    for address in asked {
        let key = MatchKey::Email(address.clone());
        for side in Side::BOTH {
            for item in view.facts.sides.on(side).found(&key) {
                if let Some(node) = graph.candidate(view, survey, side, item) {
                    groups
                        .entry(address.clone())
                        .or_default()
                        .on_mut(side)
                        .insert(node);
                }
            }
        }
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        if node.item.record.kind == ItemKind::Contact
            && let Some(address) = address(&node.item.record)
        {
            groups.entry(address).or_default().on_mut(node.side).insert(at);
        }
    }
    groups
}

fn join_sides(groups: &mut Groups, both: &Both<BTreeSet<usize>>) {
    if let (Some(&first), false) = (both.mailbox.first(), both.crm.is_empty()) {
        for &node in both.mailbox.iter().chain(&both.crm) {
            groups.join(first, node);
        }
    }
}

/// Pairs of one name of which one has no e-mail address and a company or a telephone number agrees.
fn names<'a>(
    view: View<'a>,
    survey: &Survey<'a>,
    graph: &mut Graph<'a>,
    settled: &[bool],
) -> Vec<(usize, usize)> {
    for source in of_kind(survey, ItemKind::Contact) {
        let at = graph.index.on(source.side).get(&source.item.id);
        if at.is_some_and(|&at| settled[at]) {
            continue;
        }
        if let Some(key) = name_key(&source.item.record) {
            for side in Side::BOTH {
                for item in view.facts.sides.on(side).found(&key) {
                    graph.candidate(view, survey, side, item);
                }
            }
        }
    }
    let mut groups: BTreeMap<(String, String, String), Both<Vec<usize>>> = BTreeMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if settled.get(at).copied().unwrap_or(false) {
            continue;
        }
        let record = &node.item.record;
        let surname = folded(Field::Surname, record.get(Field::Surname));
        if surname.is_empty() {
            continue;
        }
        let given = folded(Field::GivenName, record.get(Field::GivenName));
        for mark in marks(record) {
            let group = groups.entry((surname.clone(), given.clone(), mark)).or_default();
            group.on_mut(node.side).push(at);
        }
    }
    let mut pairs = Vec::new();
    for group in groups.values() {
        for side in Side::BOTH {
            let (here, there) = (group.on(side), group.on(side.other()));
            let nameless = here
                .iter()
                .filter(|&&at| address(&graph.nodes[at].item.record).is_none());
            // One without an address joins all of that name over there; the second such needs to join only the first.
            for (n, &at) in nameless.enumerate() {
                let reach = if n == 0 { there.len() } else { there.len().min(1) };
                pairs.extend(there[..reach].iter().map(|&to| (at, to)));
            }
        }
    }
    pairs
}

fn resolve<'a>(graph: &Graph<'a>, groups: &mut Groups, settled: &mut [bool], out: &mut Vec<Pairing<'a>>) {
    let mut members: BTreeMap<usize, Both<Vec<usize>>> = BTreeMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if !settled[at] {
            let root = groups.find(at);
            members.entry(root).or_default().on_mut(node.side).push(at);
        }
    }
    for both in members.values() {
        if both.mailbox.is_empty() || both.crm.is_empty() {
            continue;
        }
        let all = || both.mailbox.iter().chain(&both.crm).copied();
        all().for_each(|at| settled[at] = true);
        let blocked = all().any(|at| graph.nodes[at].blocked);
        let only = (both.mailbox.len() == 1 && both.crm.len() == 1) || mutant::on(Mutant::FirstOfSeveral);
        if let ([mailbox, ..], [crm, ..], false, true) = (&both.mailbox[..], &both.crm[..], blocked, only) {
            out.push(adopt(&graph.nodes[*mailbox], &graph.nodes[*crm]));
            continue;
        }
        let with: Vec<(Side, ItemId)> = all()
            .take(SHOWN_MAX)
            .map(|at| (graph.nodes[at].side, graph.nodes[at].item.id.clone()))
            .collect();
        for at in all() {
            if let Some(source) = graph.nodes[at].source {
                out.push(Pairing::Several {
                    source,
                    with: with.clone(),
                });
            }
        }
    }
}

fn adopt<'a>(mailbox: &Node<'a>, crm: &Node<'a>) -> Pairing<'a> {
    let waiting = |node: &Node<'a>| node.source.and_then(|source| source.link);
    let link = waiting(mailbox)
        .or_else(|| waiting(crm))
        .or(mailbox.link)
        .or(crm.link);
    let kept: Option<&LinkId> = link.map(|link| &link.id);
    let retired = [mailbox.link, crm.link]
        .into_iter()
        .flatten()
        .find(|other| Some(&other.id) != kept);
    Pairing::Adopt {
        mailbox: mailbox.item,
        crm: crm.item,
        link,
        retired,
    }
}

/// Those who match nobody: made, unless a lead has the address, or two of one side look like one person.
fn alone<'a>(view: View<'a>, graph: &Graph<'a>, settled: &[bool], out: &mut Vec<Pairing<'a>>) {
    let mut same: HashMap<(Side, String), Vec<usize>> = HashMap::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        if !settled[at]
            && node.item.scope == Scope::In
            && node.item.record.kind == ItemKind::Contact
            && let Some(address) = address(&node.item.record)
        {
            same.entry((node.side, address)).or_default().push(at);
        }
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        let (Some(source), false) = (node.source, settled[at]) else {
            continue;
        };
        match source.course {
            Course::Wait => {
                out.push(Pairing::Wait(source));
                continue;
            }
            Course::Hidden => {
                out.push(Pairing::Hidden(source));
                continue;
            }
            _ => {}
        }
        // Equal events or tasks of one side are as many as there are.
        let address = address(&node.item.record).filter(|_| node.item.record.kind == ItemKind::Contact);
        let Some(address) = address else {
            out.push(Pairing::Make(source));
            continue;
        };
        let lead = view
            .facts
            .sides
            .on(node.side.other())
            .candidates
            .get(&MatchKey::Email(address.clone()))
            .into_iter()
            .flatten()
            .find_map(|candidate| match candidate {
                Candidate::Lead { id, .. } => Some(id.clone()),
                Candidate::Same(_) => None,
            });
        if let Some(lead) = lead {
            out.push(Pairing::Lead { source, lead });
            continue;
        }
        match same.get(&(node.side, address)).map(Vec::as_slice) {
            Some(twins) if twins.len() > 1 => out.push(Pairing::Several {
                source,
                with: twins
                    .iter()
                    .take(SHOWN_MAX)
                    .map(|&at| (node.side, graph.nodes[at].item.id.clone()))
                    .collect(),
            }),
            _ => out.push(Pairing::Make(source)),
        }
    }
}
