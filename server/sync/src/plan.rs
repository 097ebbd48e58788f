//! What a session is going to do. Pure: the same input gives the same plan, whatever the order it came in.

mod limits;
mod news;
mod pairs;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use tandem_types::{Counts, IssueCure, ItemKind, LinkId, OpCounts, Side, Timestamp};

use crate::brake::Load;
use crate::facts::Links;
use crate::link::{Base, BaseHash, Link, LinkState, Traits};
use crate::merge::{Both, Carried, may_write};
use crate::model::{Field, ItemId, LinkKey, Mark, Profile, Profiles, Record, Snapshot};
use crate::pair::{Pairing, pair};
use crate::ports::{IssueKey, JournalAct, JournalEntry, Rng};
use crate::survey::{Case, Stand, Survey, View};

pub(crate) use news::failed_mark;
pub(crate) use told::{REFUSALS, title};

/// What else a plan depends on.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub profiles: Both<&'a Profiles>,
    pub now: Timestamp,
    /// Ids and keys of new links.
    pub rng: &'a dyn Rng,
    pub live_links: u32,
    /// There can be no issues yet: none have to be taken back.
    pub fresh: bool,
}

impl std::fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setting").finish_non_exhaustive()
    }
}

/// Everything that one session is going to do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of their links' ids, new ones last.
    pub jobs: Vec<Job>,
    pub issues: Vec<Draft>,
    pub solved: Vec<IssueKey>,
    /// Items that are gone: whatever was told of them is over.
    pub gone: Vec<(Side, ItemId)>,
    pub load: Load,
    pub possible_duplicates: u32,
    /// Both sides have something that should have been carried over.
    pub both_sides_moved: bool,
}

/// One link's part of a plan.
#[derive(Clone, Debug)]
pub struct Job {
    /// The link as it is kept as soon as nothing is in the way; each write that succeeds moves it on.
    pub link: Link,
    /// It differs from the stored one even before any write.
    pub dirty: bool,
    /// Both items as the plan saw them.
    pub saw: Both<Option<Box<Snapshot>>>,
    pub step: Step,
    /// What follows once all of the step's writes are done.
    pub after: Option<After>,
    pub journal: Vec<JournalEntry>,
    pub adopted: bool,
    /// Under what the item is claimed for the organisation before it is made.
    pub claim: Option<BaseHash>,
    /// The pair's record is named under this hash, so that whoever has a copy of the meeting finds it.
    pub register: Option<BaseHash>,
    /// What the user is told once it is made.
    pub once_made: Option<Draft>,
    /// The record that the claim names, and that is proved to be deleted: the item is made again.
    pub gone: Option<ItemId>,
    /// By what later mails of the same conversation know that it was saved.
    pub thread: Option<BaseHash>,
    /// The side that the user chose: it is chosen until all that follows is written.
    pub prefer: Option<Side>,
    /// What an earlier create of it said differently whose answer was lost: it may be what is found.
    pub unsure: BTreeSet<Field>,
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Only the link is kept.
    Note,
    Make {
        on: Side,
        record: Record,
        /// The mailbox item that it is made for gets the link's key and the category.
        tag: bool,
    },
    Update(Both<Option<Update>>),
    Remove {
        on: Side,
        then: LinkState,
    },
    /// The attachments of a saved email are carried over.
    Attach,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The link is in this state.
    Rest(LinkState),
    /// The item of this side is deleted.
    Remove { on: Side, then: LinkState },
}

/// The write to one side of a pair.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub set: BTreeMap<Field, Carried>,
    pub key: bool,
    pub mark: Option<Mark>,
}

/// An issue before it has an id. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    pub key: IssueKey,
    pub title: String,
    pub detail: String,
    pub cures: Vec<IssueCure>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Makes the plan. Everything that `survey` asks for must be known by then.
#[must_use]
pub fn plan<'a>(view: View<'a>, survey: &Survey<'a>, setting: Setting<'a>) -> Plan {
    let mut planner = Planner {
        view,
        setting,
        plan: Plan::default(),
        mailbox_room: view.settings.contact_limit.saturating_sub(live(
            view.links,
            ItemKind::Contact,
            setting.live_links,
        )),
        vanished: Both::default(),
        unavailable_told: false,
        moved: Both::default(),
        adopted: BTreeSet::new(),
    };
    planner.ended_for_good();
    let pairings = pair(view, survey);
    planner.adopted = pairings
        .iter()
        .filter_map(|pairing| match pairing {
            Pairing::Adopt { crm, .. } => Some(&crm.id),
            Pairing::Follow { record, .. } => Some(&record.id),
            _ => None,
        })
        .collect();
    // A new item that took the place of one that went decides for the link.
    let taken: BTreeSet<&LinkId> = pairings
        .iter()
        .filter_map(|pairing| match pairing {
            Pairing::Adopt { link, retired, .. } => Some([*link, *retired]),
            Pairing::Follow { source, retired, .. } => Some([source.link, *retired]),
            _ => None,
        })
        .flatten()
        .flatten()
        .map(|link| &link.id)
        .collect();
    for case in &survey.cases {
        planner.over_with(case);
        if !taken.contains(&case.link.id) {
            planner.count_vanished(case);
            planner.case(case);
        }
    }
    for (link, ids) in &survey.in_doubt {
        planner.in_doubt(link, ids);
    }
    for link in &survey.files_owed {
        planner.attach(link);
    }
    for (link, unmarked) in &survey.marks {
        let mut kept = (*link).clone();
        kept.traits.unmarked = *unmarked;
        planner.keep(kept, link, "");
    }
    for (item, reason, link) in &survey.not_saved {
        planner.not_saved(item, *reason, link.is_some());
    }
    let mut made = Vec::new();
    for pairing in pairings {
        planner.pairing(pairing, &mut made);
    }
    // The oldest come first where there is not room for all.
    made.sort_by(|a, b| (a.item.created, a.side, &a.item.id).cmp(&(b.item.created, b.side, &b.item.id)));
    for source in made {
        planner.make(source);
    }
    planner.finish()
}

/// Live links of a kind, as far as they can be told apart: only a full listing loads them all. `all`: of every kind.
fn live(links: &Links, kind: ItemKind, all: u32) -> u32 {
    if !links.complete {
        return all;
    }
    let live = links
        .iter()
        .filter(|link| link.kind == kind && link.state == LinkState::Live)
        .count();
    u32::try_from(live).unwrap_or(u32::MAX)
}

struct Planner<'a> {
    view: View<'a>,
    setting: Setting<'a>,
    plan: Plan,
    /// So many contacts may still be made in the mailbox.
    mailbox_room: u32,
    /// Live links that have lost their item on this side.
    vanished: Both<BTreeMap<ItemKind, u32>>,
    unavailable_told: bool,
    /// Whether this side holds something that is to go over.
    moved: Both<bool>,
    /// Records that are paired with another item in this very plan.
    adopted: BTreeSet<&'a ItemId>,
}

impl<'a> Planner<'a> {
    fn count_vanished(&mut self, case: &Case<'a>) {
        for side in Side::BOTH {
            if case.link.state == LinkState::Live
                && case.link.kind != ItemKind::Email
                && matches!(
                    case.stand.on(side),
                    Stand::Deleted { merged_into: None } | Stand::Left | Stand::Unproved
                )
            {
                *self.vanished.on_mut(side).entry(case.link.kind).or_default() += 1;
            }
        }
    }

    fn profiles(&self, kind: ItemKind) -> Option<Both<&'a Profile>> {
        Some(Both::new(
            self.setting.profiles.mailbox.of(kind)?,
            self.setting.profiles.crm.of(kind)?,
        ))
    }

    fn may_write(&self, kind: ItemKind) -> Both<bool> {
        may_write(self.view.settings.direction(kind))
    }

    /// The category and the key may be written to mailbox items of this kind.
    fn may_tag(&self, kind: ItemKind) -> bool {
        kind == ItemKind::Email || self.may_write(kind).mailbox
    }

    fn holds_key(&self, side: Side, kind: ItemKind) -> bool {
        self.setting
            .profiles
            .on(side)
            .of(kind)
            .is_some_and(|profile| profile.holds_key)
    }

    /// A link with its items' present ids and versions. A version is noted when there is nothing left to carry over
    /// from that side.
    fn with_items(link: &Link, items: &Both<Option<&Snapshot>>, noted: Both<bool>) -> Link {
        let mut kept = link.clone();
        if let Some(now) = items.mailbox {
            // Filed elsewhere by the user, or a copy that he made of it.
            kept.touched |= kept.made_on == Some(Side::Mailbox)
                && kept.mailbox_id.as_ref().is_some_and(|old| *old != now.id);
            kept.mailbox_id = Some(now.id.clone());
            kept.note_marks(now);
            if noted.mailbox && told_whole(link, Side::Mailbox, now) {
                kept.mailbox_version = Some(now.version.clone());
            }
        }
        if let Some(now) = items.crm {
            kept.crm_id = Some(now.id.clone());
            if noted.crm && told_whole(link, Side::Crm, now) {
                kept.crm_version = Some(now.version.clone());
            }
        }
        kept
    }

    fn job(link: Link, step: Step) -> Job {
        Job {
            link,
            dirty: true,
            saw: Both::default(),
            step,
            after: None,
            journal: Vec::new(),
            adopted: false,
            claim: None,
            register: None,
            once_made: None,
            gone: None,
            thread: None,
            prefer: None,
            unsure: BTreeSet::new(),
        }
    }

    fn keep(&mut self, mut kept: Link, before: &Link, what: &'static str) {
        if kept == *before {
            return;
        }
        kept.changed = self.setting.now;
        let journal = if what.is_empty() {
            Vec::new()
        } else {
            vec![linked(&kept, what)]
        };
        self.plan.jobs.push(Job {
            journal,
            ..Self::job(kept, Step::Note)
        });
    }

    fn new_link(&self, kind: ItemKind) -> Link {
        Link {
            id: link_id(self.setting.rng),
            kind,
            state: LinkState::Live,
            key: LinkKey(own_id(self.setting.rng)),
            mailbox_id: None,
            mailbox_version: None,
            crm_id: None,
            crm_version: None,
            base: Base::default(),
            made_on: None,
            touched: false,
            intent: None,
            changed: self.setting.now,
            traits: Traits::default(),
        }
    }

    /// So many of a side's items go over. A series that was moved has as many new occurrences as it lost: its side is
    /// not empty.
    fn new_on(&self, side: Side, kind: ItemKind) -> u32 {
        let new = |job: &&Job| {
            job.link.kind == kind && matches!(job.step, Step::Make { on, .. } if on == side.other())
        };
        u32::try_from(self.plan.jobs.iter().filter(new).count()).unwrap_or(u32::MAX)
    }

    fn finish(mut self) -> Plan {
        self.plan.load.side_empty = ItemKind::ALL.into_iter().any(|kind| {
            let live = live(self.view.links, kind, self.setting.live_links);
            Side::BOTH.into_iter().any(|side| {
                let vanished = self.vanished.on(side).get(&kind).copied().unwrap_or(0);
                vanished > 0 && vanished >= live && self.new_on(side, kind) < vanished
            })
        });
        self.plan.both_sides_moved = self.moved.mailbox && self.moved.crm;
        self.plan.issues.sort_by(|a, b| a.key.cmp(&b.key));
        self.plan.issues.dedup_by(|a, b| a.key == b.key);
        let raised: BTreeSet<&IssueKey> = self.plan.issues.iter().map(|i| &i.key).collect();
        self.plan.solved.retain(|key| !raised.contains(key));
        let named: BTreeSet<(Side, &ItemId)> = raised.iter().map(|key| (key.side, &key.item)).collect();
        self.plan.gone.retain(|(side, id)| !named.contains(&(*side, id)));
        self.plan.gone.sort();
        self.plan.gone.dedup();
        self.plan.solved.sort();
        self.plan.solved.dedup();
        self.plan
    }
}

impl Plan {
    /// What it would do, per kind and side; kinds that it leaves alone are left out.
    pub fn counts(&self) -> Vec<Counts> {
        let mut all = Tally::default();
        for job in &self.jobs {
            let counts = all.of(job.link.kind);
            counts.adopted += u32::from(job.adopted);
            match &job.step {
                Step::Note | Step::Attach => {}
                Step::Make { on, .. } => on_side(counts, *on).created += 1,
                Step::Remove { on, .. } => on_side(counts, *on).deleted += 1,
                Step::Update(updates) => {
                    for side in Side::BOTH {
                        if updates.on(side).as_ref().is_some_and(Update::is_seen) {
                            on_side(counts, side).changed += 1;
                        }
                    }
                }
            }
            if let Some(After::Remove { on, .. }) = job.after {
                on_side(counts, on).deleted += 1;
            }
        }
        for issue in &self.issues {
            on_side(all.of(issue.key.kind), issue.key.side).skipped += 1;
        }
        all.list()
    }

    /// Whether anything would be written to either side.
    pub fn writes(&self) -> bool {
        self.jobs.iter().any(|job| !matches!(job.step, Step::Note))
    }

    /// What it would do, line by line, for a terminal: ids and field names, no content.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for job in &self.jobs {
            job.lines(&mut lines);
        }
        for issue in &self.issues {
            let key = &issue.key;
            lines.push(format!(
                "issue {}: {} {}",
                key.code.as_str(),
                key.side.as_str(),
                key.item
            ));
        }
        lines
    }
}

impl Job {
    /// What was to be written is not, or nobody knows: the user's choice stands.
    pub(crate) fn choose_again(&mut self) {
        if self.prefer.is_some() {
            self.link.traits.prefer = self.prefer;
        }
    }

    /// The link as long as nobody knows which of its creates was done: nothing is agreed on where they differ, so that it is
    /// not taken for an edit of the user's.
    pub(crate) fn announced(&self) -> Link {
        let mut link = self.link.clone();
        for field in &self.unsure {
            link.base.mailbox.remove(field);
            link.base.crm.remove(field);
        }
        link
    }

    fn lines(&self, lines: &mut Vec<String>) {
        let item = |side: Side| self.link.id_on(side).map_or("-", |id| id.0.as_str());
        let pair = format!("mailbox {} crm {}", item(Side::Mailbox), item(Side::Crm));
        // Contacts need no word for it.
        let pair = match self.link.kind {
            ItemKind::Contact => pair,
            kind => format!("{} {pair}", kind.as_str()),
        };
        if self.adopted {
            lines.push(format!("pair: {pair}"));
        }
        match &self.step {
            Step::Note => {}
            Step::Attach => lines.push(format!("attach in crm: {pair}")),
            Step::Make { on, .. } => lines.push(format!("create in {}: {pair}", on.as_str())),
            Step::Remove { on, .. } => lines.push(format!("delete in {}: {pair}", on.as_str())),
            Step::Update(updates) => {
                for side in Side::BOTH {
                    let Some(update) = updates.on(side) else { continue };
                    let mut words: Vec<&str> = update.set.keys().map(|field| field.as_str()).collect();
                    words.extend(update.key.then_some("key"));
                    words.extend(update.mark.is_some().then_some("category"));
                    lines.push(format!(
                        "change in {}: {pair}: {}",
                        side.as_str(),
                        words.join(", ")
                    ));
                }
            }
        }
        if let Some(After::Remove { on, .. }) = self.after {
            lines.push(format!("delete in {}: {pair}", on.as_str()));
        }
    }
}

impl Update {
    /// A user can see it: more than the key.
    pub fn is_seen(&self) -> bool {
        !self.set.is_empty() || self.mark.is_some()
    }
}

/// Counts per kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<ItemKind, Counts>);

impl Tally {
    pub(crate) fn of(&mut self, kind: ItemKind) -> &mut Counts {
        self.0.entry(kind).or_insert_with(|| Counts {
            kind,
            mailbox: OpCounts::default(),
            crm: OpCounts::default(),
            adopted: 0,
        })
    }

    /// Those that count anything.
    pub(crate) fn list(&self) -> Vec<Counts> {
        self.0
            .values()
            .filter(|counts| !counts.mailbox.is_zero() || !counts.crm.is_zero() || counts.adopted > 0)
            .copied()
            .collect()
    }
}

pub(crate) fn on_side(counts: &mut Counts, side: Side) -> &mut OpCounts {
    match side {
        Side::Mailbox => &mut counts.mailbox,
        Side::Crm => &mut counts.crm,
    }
}

/// Whether nothing is hidden now that was agreed on before. What was hidden may have been edited: of such a version nobody
/// can say later that it was seen.
fn told_whole(link: &Link, side: Side, item: &Snapshot) -> bool {
    let hidden = |field: &Field| {
        !matches!(field, Field::Relations | Field::Answer) && item.record.get(*field).is_unknown()
    };
    link.kind == ItemKind::Email || !link.base.on(side).keys().any(hidden)
}

/// Notes an item and its version on a link, or takes it off.
pub(crate) fn set_item(link: &mut Link, side: Side, item: Option<&Snapshot>) {
    let (id, version) = (item.map(|i| i.id.clone()), item.map(|i| i.version.clone()));
    if let (Side::Mailbox, Some(item)) = (side, item) {
        link.note_marks(item);
    }
    match side {
        Side::Mailbox => (link.mailbox_id, link.mailbox_version) = (id, version),
        Side::Crm => (link.crm_id, link.crm_version) = (id, version),
    }
}

/// A link whose counterpart cannot be made now: it tries again when its item changes, and once a day.
pub(crate) fn park(link: &mut Link, source: Side, item: &Snapshot) {
    link.state = LinkState::Dormant;
    link.intent = None;
    link.traits.unmade = false;
    link.made_on = None;
    link.base = Base::default();
    set_item(link, source, Some(item));
    set_item(link, source.other(), None);
}

/// By which item an issue about a pair is known: a record's id never changes.
pub(crate) fn name_of(link: &Link) -> (Side, ItemId) {
    match (&link.crm_id, &link.mailbox_id) {
        (Some(id), _) => (Side::Crm, id.clone()),
        (None, Some(id)) => (Side::Mailbox, id.clone()),
        (None, None) => (Side::Mailbox, ItemId(link.key.0.clone())),
    }
}

pub(crate) fn linked(link: &Link, what: &'static str) -> JournalEntry {
    let (side, item) = name_of(link);
    JournalEntry {
        link: link.id.clone(),
        kind: link.kind,
        side,
        item,
        act: JournalAct::Linked(what),
    }
}

/// 32 hexadecimal digits.
pub(crate) fn own_id(rng: &dyn Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A new link's id.
pub(crate) fn link_id(rng: &dyn Rng) -> LinkId {
    parse_own(&own_id(rng))
}

/// An id of our own making.
pub(crate) fn parse_own<T: std::str::FromStr<Err = tandem_types::ParseIdError>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|_| unreachable!("32 hexadecimal digits are an id"))
}
