//! What a session is going to do. Pure: the same input gives the same plan, whatever the order it came in.

use std::collections::{BTreeMap, BTreeSet};

use tandem_types::{Counts, IssueCode, IssueCure, ItemKind, LinkId, OpCounts, Side, Timestamp};

use crate::brake::Load;
use crate::decide::Decision;
use crate::link::{Base, EndReason, Link, LinkState};
use crate::merge::{Both, Carried, Merged, Stamp, edited, make, may_write, merge, winner};
use crate::model::{Field, FieldValue, ItemId, LinkKey, Profile, Record, Scope, Snapshot};
use crate::normalise::normalise;
use crate::pair::{Pairing, pair};
use crate::ports::{IssueKey, JournalAct, JournalEntry, Rng};
use crate::survey::{Case, Look, Source, Stand, Survey, View};

/// What else a plan depends on.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub profiles: Both<&'a Profile>,
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
    pub load: Load,
    pub possible_duplicates: u32,
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
    pub journal: Vec<JournalEntry>,
    pub adopted: bool,
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
}

/// The write to one side of a pair.
#[derive(Clone, Debug, Default)]
pub struct Update {
    pub set: BTreeMap<Field, Carried>,
    pub key: bool,
    pub mark: bool,
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

/// Issues that a side raises when it does not take something.
pub(crate) const REFUSALS: [IssueCode; 3] = [
    IssueCode::Refused,
    IssueCode::DuplicateRule,
    IssueCode::NoPermission,
];

/// Issues that a plan raises and takes back for a pair.
const OF_PAIRS: [IssueCode; 5] = [
    IssueCode::Conflict,
    IssueCode::FateUnknown,
    IssueCode::LastNameMissing,
    IssueCode::CompanyChanged,
    IssueCode::Differences,
];

/// Issues that a plan raises and takes back for an item without a counterpart.
const OF_SOURCES: [IssueCode; 7] = [
    IssueCode::LastNameMissing,
    IssueCode::SeveralMatches,
    IssueCode::LeadExists,
    IssueCode::OverLimit,
    IssueCode::CreateInDoubt,
    IssueCode::FateUnknown,
    IssueCode::DeletedInMailbox,
];

/// Makes the plan. Everything that `survey` asks for must be known by then.
#[must_use]
pub fn plan<'a>(view: View<'a>, survey: &Survey<'a>, setting: Setting<'a>) -> Plan {
    let mut planner = Planner {
        view,
        setting,
        plan: Plan::default(),
        mailbox_room: view.settings.contact_limit.saturating_sub(setting.live_links),
        vanished: Both::default(),
    };
    planner.ended_for_good();
    let pairings = pair(view, survey);
    // A new item that took the place of one that went decides for the link.
    let taken: BTreeSet<&LinkId> = pairings
        .iter()
        .filter_map(|pairing| match pairing {
            Pairing::Adopt { link, retired, .. } => Some([*link, *retired]),
            _ => None,
        })
        .flatten()
        .flatten()
        .map(|link| &link.id)
        .collect();
    for case in &survey.cases {
        planner.count_vanished(case);
        if !taken.contains(&case.link.id) {
            planner.case(case);
        }
    }
    for (link, ids) in &survey.in_doubt {
        planner.in_doubt(link, ids);
    }
    let mut made = Vec::new();
    for pairing in pairings {
        match pairing {
            Pairing::Adopt {
                mailbox,
                crm,
                link,
                retired,
            } => planner.adopt(mailbox, crm, link, retired),
            Pairing::Make(source) => made.push(source),
            Pairing::Several { source, with } => planner.several(source, &with),
            Pairing::Lead { source, lead } => {
                planner.plan.possible_duplicates += 1;
                planner.blocked(source, IssueCode::LeadExists, lead.0);
            }
        }
    }
    // The oldest come first where there is not room for all.
    made.sort_by(|a, b| (a.item.created, a.side, &a.item.id).cmp(&(b.item.created, b.side, &b.item.id)));
    for source in made {
        planner.make(source);
    }
    planner.finish()
}

struct Planner<'a> {
    view: View<'a>,
    setting: Setting<'a>,
    plan: Plan,
    /// So many contacts may still be made in the mailbox.
    mailbox_room: u32,
    vanished: Both<u32>,
}

impl<'a> Planner<'a> {
    fn count_vanished(&mut self, case: &Case<'a>) {
        for side in Side::BOTH {
            if case.link.state == LinkState::Live
                && matches!(
                    case.stand.on(side),
                    Stand::Deleted { merged_into: None } | Stand::Left | Stand::Unproved
                )
            {
                *self.vanished.on_mut(side) += 1;
            }
        }
    }

    fn case(&mut self, case: &Case<'a>) {
        let link = case.link;
        match case.decision {
            Decision::Nothing | Decision::Pair { .. } | Decision::Remake { .. } => {}
            Decision::Note => self.note(case),
            Decision::Merge { mark } | Decision::Follow { mark } => self.merge(case, mark),
            Decision::Delete { on, end } => self.remove(case, on, LinkState::Ended(end)),
            Decision::SleepAndRemove => self.remove(case, Side::Mailbox, LinkState::Dormant),
            Decision::End(reason) => self.rest(case, LinkState::Ended(reason), "ended"),
            Decision::Sleep => self.rest(case, LinkState::Dormant, "slept"),
            Decision::EndAndOffer => {
                self.rest(case, LinkState::Ended(EndReason::DeletedInMailbox), "ended");
                if let (Some(id), Some(record)) = (&link.crm_id, here(&case.stand.crm)) {
                    self.issue(
                        Side::Crm,
                        id,
                        IssueCode::DeletedInMailbox,
                        title(&record.record),
                        String::new(),
                        vec![IssueCure::BringBack, IssueCure::DeleteThere, IssueCure::Ignore],
                    );
                }
            }
            Decision::EndMerged => {
                self.rest(case, LinkState::Ended(EndReason::Merged), "ended");
                if let Some(id) = &link.mailbox_id {
                    let winner = match case.stand.crm {
                        Stand::Deleted {
                            merged_into: Some(winner),
                        } => winner.0.clone(),
                        _ => String::new(),
                    };
                    let name = here(&case.stand.mailbox)
                        .map(|item| title(&item.record))
                        .unwrap_or_default();
                    self.issue(
                        Side::Mailbox,
                        id,
                        IssueCode::MergedIntoLinked,
                        name,
                        winner,
                        vec![IssueCure::Ignore],
                    );
                }
            }
            Decision::Unproved { on } => {
                // What a lost create has made is the link's from now on; what is owed waits until both are seen again.
                if link.intent.is_some() {
                    let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
                    let mut kept = Self::with_items(link, &items, Both::default());
                    kept.intent = None;
                    self.keep(kept, link, "");
                }
                let name = Side::BOTH
                    .into_iter()
                    .find_map(|side| here(case.stand.on(side)))
                    .map(|item| title(&item.record))
                    .unwrap_or_default();
                let (side, id) = name_of(link);
                self.issue(
                    side,
                    &id,
                    IssueCode::FateUnknown,
                    name,
                    on.as_str().to_owned(),
                    vec![IssueCure::Retry, IssueCure::Ignore],
                );
            }
        }
    }

    /// A link with its items' present ids and versions. A version is noted when there is nothing left to carry over
    /// from that side.
    fn with_items(link: &Link, items: &Both<Option<&Snapshot>>, noted: Both<bool>) -> Link {
        let mut kept = link.clone();
        if let Some(now) = items.mailbox {
            kept.mailbox_id = Some(now.id.clone());
            if noted.mailbox {
                kept.mailbox_version = Some(now.version.clone());
            }
        }
        if let Some(now) = items.crm {
            kept.crm_id = Some(now.id.clone());
            if noted.crm {
                kept.crm_version = Some(now.version.clone());
            }
        }
        kept
    }

    fn note(&mut self, case: &Case<'a>) {
        let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
        let mut kept = Self::with_items(case.link, &items, Both::new(true, true));
        kept.intent = None;
        self.keep(kept, case.link, "");
        self.solve(case.link, &[IssueCode::FateUnknown]);
        if items.mailbox.is_some() {
            // Seen, and as it was: a change that Salesforce refused was taken back.
            self.solve(case.link, &REFUSALS);
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
            link: kept,
            dirty: true,
            saw: Both::default(),
            step: Step::Note,
            journal,
            adopted: false,
        });
    }

    /// The link ends or goes dormant; both items stay.
    fn rest(&mut self, case: &Case<'a>, state: LinkState, what: &'static str) {
        let items = Both::new(
            here(&case.stand.mailbox),
            case.winner.or_else(|| here(&case.stand.crm)),
        );
        // Dormant, nothing is carried over: the versions stay behind until it wakes.
        let mut kept = Self::with_items(case.link, &items, Both::default());
        kept.state = state;
        kept.intent = None;
        self.keep(kept, case.link, what);
        self.solve(case.link, &OF_PAIRS);
        self.solve(case.link, &[IssueCode::CreateInDoubt]);
    }

    fn remove(&mut self, case: &Case<'a>, on: Side, then: LinkState) {
        let Some(target) = here(case.stand.on(on)) else {
            return;
        };
        let items = Both::new(here(&case.stand.mailbox), here(&case.stand.crm));
        let kept = Self::with_items(case.link, &items, Both::default());
        self.plan.load.deletes += 1;
        let mut saw = Both::default();
        *saw.on_mut(on) = Some(Box::new(target.clone()));
        self.plan.jobs.push(Job {
            dirty: false,
            link: kept,
            saw,
            step: Step::Remove { on, then },
            journal: Vec::new(),
            adopted: false,
        });
        self.solve(case.link, &OF_PAIRS);
    }

    fn merge(&mut self, case: &Case<'a>, mark: bool) {
        let link = case.link;
        let crm = case.winner.or_else(|| here(&case.stand.crm));
        let items = Both::new(here(&case.stand.mailbox), crm);
        let mut what = "";
        if link.state != LinkState::Live {
            what = "woken";
            self.solve(link, &[IssueCode::DeletedInMailbox, IssueCode::NoPermission]);
        } else if case.winner.is_some() {
            what = "followed";
        } else if link
            .intent
            .is_some_and(|intent| link.id_on(intent.side).is_none())
        {
            what = "found";
            for side in Side::BOTH {
                if let Some(item) = items.on(side) {
                    self.solve_item(side, &item.id, &OF_SOURCES);
                }
            }
        }
        self.pair_up(link, Some(link), items, mark, what, false);
    }

    /// Merges two items into `link`, and plans what is to be written. `stored`: the link as it is in the store.
    fn pair_up(
        &mut self,
        link: &Link,
        stored: Option<&Link>,
        items: Both<Option<&'a Snapshot>>,
        mark: bool,
        what: &'static str,
        adopted: bool,
    ) {
        let settings = self.view.settings;
        let mut kept = link.clone();
        let mut merged = match (items.mailbox, items.crm) {
            (Some(mailbox), Some(crm)) => {
                for side in Side::BOTH {
                    let record = &items.on(side).unwrap_or(mailbox).record;
                    if kept.made_on == Some(side) && edited(self.view.hasher, &kept.base, side, record) {
                        kept.touched = true;
                    }
                }
                let stamp = |side: Side, item: &Snapshot| Stamp {
                    modified: item.modified,
                    own: version(link, side) == Some(&item.version),
                };
                merge(
                    self.view.hasher,
                    &mut kept.base,
                    Both::new(&mailbox.record, &crm.record),
                    self.setting.profiles,
                    may_write(settings.contacts),
                    winner(
                        settings.contact_conflicts,
                        stamp(Side::Mailbox, mailbox),
                        stamp(Side::Crm, crm),
                    ),
                )
            }
            _ => Merged::default(),
        };
        if what == "woken" {
            // Its issues were closed when it went to sleep.
            merged.different.clone_from(&merged.apart);
        }
        self.told(&merged, link, &items);
        if merged.to.mailbox.is_empty() && merged.to.crm.is_empty() {
            // Nothing is owed: what was refused before was taken back.
            self.solve(link, &REFUSALS);
        }
        let mut kept = Self::with_items(
            &kept,
            &items,
            Both::new(merged.to.crm.is_empty(), merged.to.mailbox.is_empty()),
        );
        kept.state = LinkState::Live;
        kept.intent = None;
        let mut updates: Both<Option<Update>> = Both::default();
        for (side, set) in [(Side::Mailbox, merged.to.mailbox), (Side::Crm, merged.to.crm)] {
            self.plan.load.overwritten += overwritten(&set);
            if !set.is_empty() {
                updates.on_mut(side).get_or_insert_default().set = set;
            }
        }
        if let Some(item) = items.mailbox.filter(|_| may_write(settings.contacts).mailbox) {
            // A copy carries the key of what it was copied from: that one is replaced.
            if self.setting.profiles.mailbox.holds_key && item.key.as_ref() != Some(&kept.key) {
                updates.mailbox.get_or_insert_default().key = true;
            }
            // One that was found is in its first session with both items, as if it had just been made.
            if (mark || adopted || what == "found") && !item.marked {
                updates.mailbox.get_or_insert_default().mark = true;
            }
        }
        let writes = updates.mailbox.is_some() || updates.crm.is_some();
        let dirty = stored != Some(&kept);
        if !writes && !dirty {
            return;
        }
        kept.changed = self.setting.now;
        let journal = if what.is_empty() {
            Vec::new()
        } else {
            vec![linked(&kept, what)]
        };
        self.plan.jobs.push(Job {
            saw: Both::new(
                items.mailbox.cloned().map(Box::new),
                items.crm.cloned().map(Box::new),
            ),
            link: kept,
            dirty,
            step: if writes { Step::Update(updates) } else { Step::Note },
            journal,
            adopted,
        });
    }

    fn told(&mut self, merged: &Merged, link: &Link, items: &Both<Option<&Snapshot>>) {
        let (Some(_), Some(crm)) = (items.mailbox, items.crm) else {
            return;
        };
        let name = title(&crm.record);
        let mut kept_open = Vec::new();
        // One issue lists all that is apart, also what was left alone before.
        let none = Vec::new();
        let apart = if merged.different.is_empty() {
            &none
        } else {
            &merged.apart
        };
        for (code, fields, cures) in [
            (IssueCode::Conflict, &merged.asked, vec![IssueCure::Ignore]),
            (IssueCode::Differences, apart, vec![IssueCure::Ignore]),
            (
                IssueCode::CompanyChanged,
                &merged.too_late,
                vec![IssueCure::Ignore],
            ),
            (
                IssueCode::LastNameMissing,
                &merged.needed,
                vec![IssueCure::Retry, IssueCure::Ignore],
            ),
        ] {
            if fields.is_empty() {
                continue;
            }
            kept_open.push(code);
            let words: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
            self.issue(Side::Crm, &crm.id, code, name.clone(), words.join(", "), cures);
        }
        // What was left apart before stays listed as long as it is apart.
        if merged.apart.contains(&Field::Company) {
            kept_open.push(IssueCode::CompanyChanged);
        }
        if !merged.apart.is_empty() {
            kept_open.push(IssueCode::Differences);
        }
        let over: Vec<IssueCode> = OF_PAIRS
            .into_iter()
            .filter(|code| !kept_open.contains(code))
            .collect();
        self.solve(link, &over);
    }

    fn adopt(
        &mut self,
        mailbox: &'a Snapshot,
        crm: &'a Snapshot,
        link: Option<&Link>,
        retired: Option<&Link>,
    ) {
        if let Some(other) = retired {
            let mut kept = other.clone();
            kept.state = LinkState::Ended(EndReason::Merged);
            kept.intent = None;
            if kept.mailbox_id.as_ref() == Some(&mailbox.id) {
                kept.mailbox_id = None;
            }
            if kept.crm_id.as_ref() == Some(&crm.id) {
                kept.crm_id = None;
            }
            self.keep(kept, other, "");
        }
        let mut paired = link
            .cloned()
            .unwrap_or_else(|| self.new_link(mailbox.record.kind));
        paired.base = Base::default();
        paired.made_on = None;
        paired.touched = false;
        paired.intent = None;
        paired.mailbox_id = Some(mailbox.id.clone());
        paired.mailbox_version = None;
        paired.crm_id = Some(crm.id.clone());
        paired.crm_version = None;
        self.solve_item(Side::Mailbox, &mailbox.id, &OF_SOURCES);
        self.solve_item(Side::Crm, &crm.id, &OF_SOURCES);
        if crm.scope == Scope::In {
            self.pair_up(
                &paired,
                link,
                Both::new(Some(mailbox), Some(crm)),
                true,
                "adopted",
                true,
            );
            return;
        }
        // Somebody else's record: neither read nor written, and not made a second time either.
        paired.state = LinkState::Dormant;
        paired.changed = self.setting.now;
        self.issue(
            Side::Crm,
            &crm.id,
            IssueCode::NoPermission,
            title(&mailbox.record),
            "owner".to_owned(),
            vec![IssueCure::Ignore],
        );
        self.plan.jobs.push(Job {
            journal: vec![linked(&paired, "adopted")],
            link: paired,
            dirty: true,
            saw: Both::default(),
            step: Step::Note,
            adopted: true,
        });
    }

    fn make(&mut self, source: Source<'a>) {
        let on = source.side.other();
        let item = source.item;
        if on == Side::Crm
            && !matches!(
                normalise(Field::Surname, item.record.get(Field::Surname)),
                FieldValue::Known(_)
            )
        {
            self.blocked(source, IssueCode::LastNameMissing, String::new());
            return;
        }
        if on == Side::Mailbox {
            let Some(room) = self.mailbox_room.checked_sub(1) else {
                self.blocked(
                    source,
                    IssueCode::OverLimit,
                    self.view.settings.contact_limit.to_string(),
                );
                return;
            };
            self.mailbox_room = room;
        }
        let mut link = source
            .link
            .cloned()
            .unwrap_or_else(|| self.new_link(item.record.kind));
        let profile = *self.setting.profiles.on(on);
        let (record, base) = make(self.view.hasher, source.side, &item.record, profile);
        link.base = base;
        link.state = LinkState::Live;
        link.made_on = Some(on);
        link.touched = false;
        link.changed = self.setting.now;
        link.intent = Some(crate::link::Intent {
            side: on,
            at: self.setting.now,
        });
        set_item(&mut link, source.side, Some(item));
        set_item(&mut link, on, None);
        self.plan.load.creates += 1;
        let tag = on == Side::Crm
            && may_write(self.view.settings.contacts).mailbox
            && (!item.marked
                || (self.setting.profiles.mailbox.holds_key && item.key.as_ref() != Some(&link.key)));
        let mut saw = Both::default();
        *saw.on_mut(source.side) = Some(Box::new(item.clone()));
        self.solve_item(source.side, &item.id, &OF_SOURCES);
        self.plan.jobs.push(Job {
            journal: vec![linked(&link, if source.remade { "remade" } else { "made" })],
            link,
            dirty: true,
            saw,
            step: Step::Make { on, record, tag },
            adopted: false,
        });
    }

    fn several(&mut self, source: Source<'a>, with: &[(Side, ItemId)]) {
        self.plan.possible_duplicates += 1;
        let words: Vec<String> = with
            .iter()
            .filter(|(side, id)| (*side, id) != (source.side, &source.item.id))
            .map(|(side, id)| format!("{} {id}", side.as_str()))
            .collect();
        self.blocked(source, IssueCode::SeveralMatches, words.join(", "));
    }

    /// A source that gets no counterpart now. A link that waits for one goes dormant, so that nobody asks each time.
    fn blocked(&mut self, source: Source<'a>, code: IssueCode, detail: String) {
        if let Some(link) = source.link {
            let mut kept = link.clone();
            park(&mut kept, source.side, source.item);
            self.keep(kept, link, "");
        }
        let others: Vec<IssueCode> = OF_SOURCES.into_iter().filter(|other| *other != code).collect();
        self.solve_item(source.side, &source.item.id, &others);
        self.issue(
            source.side,
            &source.item.id,
            code,
            title(&source.item.record),
            detail,
            vec![IssueCure::Retry, IssueCure::Ignore],
        );
    }

    fn in_doubt(&mut self, link: &Link, ids: &[ItemId]) {
        let (side, id) = name_of(link);
        let words: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let name = self
            .view
            .facts
            .sides
            .on(side)
            .here(&id)
            .map(|item| title(&item.record))
            .unwrap_or_default();
        self.plan.possible_duplicates += 1;
        self.issue(
            side,
            &id,
            IssueCode::CreateInDoubt,
            name,
            words.join(", "),
            vec![IssueCure::Ignore],
        );
    }

    /// What was offered for a record is over when the record is gone too.
    fn ended_for_good(&mut self) {
        if self.view.look == Look::Again {
            return;
        }
        for id in &self.view.facts.sides.crm.news {
            if let (Some(crate::facts::Seen::Deleted { .. }), Some(link)) = (
                self.view.facts.sides.crm.seen.get(id),
                self.view.links.of_item(Side::Crm, id),
            ) && matches!(link.state, LinkState::Ended(_))
            {
                self.solve_item(Side::Crm, id, &[IssueCode::DeletedInMailbox]);
            }
        }
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
        }
    }

    fn issue(
        &mut self,
        side: Side,
        item: &ItemId,
        code: IssueCode,
        title: String,
        detail: String,
        cures: Vec<IssueCure>,
    ) {
        let title = if title.is_empty() { item.0.clone() } else { title };
        let key = IssueKey {
            kind: ItemKind::Contact,
            side,
            item: item.clone(),
            code,
        };
        self.plan.issues.push(Draft {
            key,
            title,
            detail,
            cures,
        });
    }

    fn solve(&mut self, link: &Link, codes: &[IssueCode]) {
        for side in Side::BOTH {
            if let Some(id) = link.id_on(side) {
                self.solve_item(side, id, codes);
            }
        }
    }

    fn solve_item(&mut self, side: Side, item: &ItemId, codes: &[IssueCode]) {
        if self.setting.fresh {
            return;
        }
        self.plan.solved.extend(codes.iter().map(|&code| IssueKey {
            kind: ItemKind::Contact,
            side,
            item: item.clone(),
            code,
        }));
    }

    fn finish(mut self) -> Plan {
        let live = self.setting.live_links;
        self.plan.load.side_empty =
            live > 0 && Side::BOTH.into_iter().any(|side| *self.vanished.on(side) >= live);
        self.plan.issues.sort_by(|a, b| a.key.cmp(&b.key));
        self.plan.issues.dedup_by(|a, b| a.key == b.key);
        let raised: BTreeSet<&IssueKey> = self.plan.issues.iter().map(|i| &i.key).collect();
        self.plan.solved.retain(|key| !raised.contains(key));
        self.plan.solved.sort();
        self.plan.solved.dedup();
        self.plan
    }
}

impl Plan {
    /// What it would do, per side.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            kind: ItemKind::Contact,
            mailbox: OpCounts::default(),
            crm: OpCounts::default(),
            adopted: 0,
        };
        for job in &self.jobs {
            counts.adopted += u32::from(job.adopted);
            match &job.step {
                Step::Note => {}
                Step::Make { on, .. } => on_side(&mut counts, *on).created += 1,
                Step::Remove { on, .. } => on_side(&mut counts, *on).deleted += 1,
                Step::Update(updates) => {
                    for side in Side::BOTH {
                        if updates.on(side).as_ref().is_some_and(Update::is_seen) {
                            on_side(&mut counts, side).changed += 1;
                        }
                    }
                }
            }
        }
        for issue in &self.issues {
            on_side(&mut counts, issue.key.side).skipped += 1;
        }
        counts
    }

    /// Whether anything would be written to either side.
    pub fn writes(&self) -> bool {
        self.jobs.iter().any(|job| !matches!(job.step, Step::Note))
    }

    /// What it would do, line by line, for a terminal: ids and field names, no content.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for job in &self.jobs {
            let item = |side: Side| job.link.id_on(side).map_or("-", |id| id.0.as_str());
            let pair = format!("mailbox {} crm {}", item(Side::Mailbox), item(Side::Crm));
            match &job.step {
                Step::Note if job.adopted => lines.push(format!("pair: {pair}")),
                Step::Note => {}
                Step::Make { on, .. } => lines.push(format!("create in {}: {pair}", on.as_str())),
                Step::Remove { on, .. } => lines.push(format!("delete in {}: {pair}", on.as_str())),
                Step::Update(updates) => {
                    if job.adopted {
                        lines.push(format!("pair: {pair}"));
                    }
                    for side in Side::BOTH {
                        let Some(update) = updates.on(side) else { continue };
                        let mut words: Vec<&str> = update.set.keys().map(|field| field.as_str()).collect();
                        words.extend(update.key.then_some("key"));
                        words.extend(update.mark.then_some("category"));
                        lines.push(format!(
                            "change in {}: {pair}: {}",
                            side.as_str(),
                            words.join(", ")
                        ));
                    }
                }
            }
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

impl Update {
    /// A user can see it: more than the key.
    pub fn is_seen(&self) -> bool {
        !self.set.is_empty() || self.mark
    }
}

pub(crate) fn on_side(counts: &mut Counts, side: Side) -> &mut OpCounts {
    match side {
        Side::Mailbox => &mut counts.mailbox,
        Side::Crm => &mut counts.crm,
    }
}

fn here<'a>(stand: &Stand<'a>) -> Option<&'a Snapshot> {
    match stand {
        Stand::Here(now) => Some(now),
        _ => None,
    }
}

fn version(link: &Link, side: Side) -> Option<&crate::model::Version> {
    match side {
        Side::Mailbox => link.mailbox_version.as_ref(),
        Side::Crm => link.crm_version.as_ref(),
    }
}

/// Notes an item and its version on a link, or takes it off.
pub(crate) fn set_item(link: &mut Link, side: Side, item: Option<&Snapshot>) {
    let (id, version) = (item.map(|i| i.id.clone()), item.map(|i| i.version.clone()));
    match side {
        Side::Mailbox => (link.mailbox_id, link.mailbox_version) = (id, version),
        Side::Crm => (link.crm_id, link.crm_version) = (id, version),
    }
}

/// A link whose counterpart cannot be made now: it tries again when its item changes, and once a day.
pub(crate) fn park(link: &mut Link, source: Side, item: &Snapshot) {
    link.state = LinkState::Dormant;
    link.intent = None;
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

/// What the user calls a contact.
pub(crate) fn title(record: &Record) -> String {
    let text = |field| record.get(field).known().unwrap_or("").trim().to_owned();
    let name = format!("{} {}", text(Field::GivenName), text(Field::Surname))
        .trim()
        .to_owned();
    if !name.is_empty() {
        return name;
    }
    let mail = text(Field::Email);
    if mail.is_empty() {
        text(Field::Company)
    } else {
        mail
    }
}

fn overwritten(set: &BTreeMap<Field, Carried>) -> u32 {
    let fields = set.iter().filter(|(field, carried)| {
        let held = normalise(**field, &carried.held);
        matches!(held, FieldValue::Known(_)) && held != normalise(**field, &carried.value)
    });
    u32::try_from(fields.count()).unwrap_or(u32::MAX)
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
