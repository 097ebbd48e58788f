//! What a session has found out so far, and the links that it concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tandem_types::{LinkId, Side};

use crate::link::{BaseHash, Link, LinkState};
use crate::linker::KnownMap;
use crate::merge::Both;
use crate::model::{Candidate, Change, Fate, ItemId, Kinds, LinkKey, MatchKey, Snapshot};
use crate::ports::Claim;

/// A merged record may have been merged again; a chain longer than this is somebody's mistake.
pub(crate) const MERGES_MAX: usize = 8;

/// What is known of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there. The snapshot's id differs from the id asked for if the item was moved.
    Here(Box<Snapshot>),
    /// Not listed any more, or not shown when read: its fate must be asked for.
    Missing,
    /// Proved.
    Deleted { merged_into: Option<ItemId> },
    /// It exists, and has left the scope.
    Left,
    /// Nobody can tell.
    Unproved,
}

/// What became of a create whose answer was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    Nothing,
    This(Box<Snapshot>),
    /// Several could be it.
    Several(Vec<ItemId>),
}

/// What is known of one side.
#[derive(Clone, Debug, Default)]
pub struct SideFacts {
    pub seen: HashMap<ItemId, Seen>,
    /// Items that the side itself reported in this session: only these are news.
    pub news: BTreeSet<ItemId>,
    /// Items of which nothing was reported: they are only not in a listing.
    pub unlisted: HashSet<ItemId>,
    /// Of these kinds, everything was listed: by this session, or by the ones before whose reading it went on with.
    pub full: Kinds,
    /// Of these kinds, everything was listed by this session: who else is there is known.
    pub whole: Kinds,
    /// Of these kinds, items were listed whether they had changed or not: an unchanged version is no reason to look away.
    pub compare: Kinds,
    pub candidates: BTreeMap<MatchKey, Vec<Candidate>>,
    /// Mailbox items whose snapshot says what the linker found.
    pub related: HashSet<ItemId>,
}

impl SideFacts {
    /// Takes one change; a later one of the same item replaces an earlier one.
    pub fn report(&mut self, change: Change) {
        let (id, seen) = match change {
            Change::Present(snapshot) => (snapshot.id.clone(), Seen::Here(snapshot)),
            Change::Absent(id) => (id, Seen::Missing),
            Change::Deleted { id, merged_into } => (id, Seen::Deleted { merged_into }),
            Change::Left(id) => (id, Seen::Left),
        };
        self.news.insert(id.clone());
        self.put(id, seen);
    }

    /// Notes what is known of an item now.
    pub fn put(&mut self, id: ItemId, seen: Seen) {
        self.related.remove(&id);
        self.seen.insert(id, seen);
    }

    /// Takes what was read: what a side does not show may be anywhere.
    pub fn read(&mut self, id: ItemId, snapshot: Option<Snapshot>) {
        let seen = snapshot.map_or(Seen::Missing, |s| Seen::Here(Box::new(s)));
        self.put(id, seen);
    }

    pub fn fate(&mut self, id: ItemId, fate: Fate) {
        let seen = match fate {
            Fate::Here(snapshot) => {
                if snapshot.id != id {
                    self.put(snapshot.id.clone(), Seen::Here(snapshot.clone()));
                }
                Seen::Here(snapshot)
            }
            Fate::Deleted { merged_into } => Seen::Deleted { merged_into },
            Fate::Unproved => Seen::Unproved,
        };
        self.put(id, seen);
    }

    /// What a match key found, as snapshots. The newest knowledge of an item counts.
    pub fn found(&self, key: &MatchKey) -> impl Iterator<Item = &Snapshot> {
        self.candidates
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(|candidate| match candidate {
                Candidate::Same(snapshot) => match self.seen.get(&snapshot.id) {
                    Some(Seen::Here(now)) => Some(&**now),
                    Some(Seen::Deleted { .. }) => None,
                    Some(Seen::Missing | Seen::Left | Seen::Unproved) | None => Some(&**snapshot),
                },
                Candidate::Lead { .. } => None,
            })
    }

    /// What an item was merged into, and that, and so on, as far as it is known.
    pub fn merged<'f>(&'f self, id: &'f ItemId) -> &'f ItemId {
        let mut last = id;
        for _ in 0..MERGES_MAX {
            match self.seen.get(last) {
                Some(Seen::Deleted {
                    merged_into: Some(winner),
                }) => last = winner,
                _ => break,
            }
        }
        last
    }

    pub fn here(&self, id: &ItemId) -> Option<&Snapshot> {
        match self.seen.get(id) {
            Some(Seen::Here(snapshot)) => Some(snapshot),
            _ => None,
        }
    }
}

/// What is known of both sides.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub sides: Both<SideFacts>,
    /// By link: creates whose answer was lost.
    pub made: BTreeMap<LinkId, Made>,
    /// What the CRM knows of the clues that were asked.
    pub known: KnownMap,
    /// The organisation's claims that were asked for; `None`: nobody has claimed it.
    pub claims: HashMap<BaseHash, Option<Claim>>,
    /// Whether these addresses are mailboxes of the organisation that sync.
    pub colleagues: BTreeMap<String, bool>,
}

/// The links that a session has looked up, found by id and by key.
#[derive(Clone, Debug, Default)]
pub struct Links {
    by_id: BTreeMap<LinkId, Link>,
    items: Both<HashMap<ItemId, LinkId>>,
    keys: HashMap<LinkKey, LinkId>,
    claims: HashMap<BaseHash, LinkId>,
    /// Every link there is has been loaded.
    pub complete: bool,
    asked: Both<HashSet<ItemId>>,
    asked_keys: HashSet<LinkKey>,
}

/// An item may stand in an ended link and in a living one: the living one speaks for it.
fn rank(link: &Link) -> u8 {
    match (link.state, link.mailbox_id.is_some() && link.crm_id.is_some()) {
        (LinkState::Live, true) => 0,
        (LinkState::Live, false) => 1,
        (LinkState::Dormant, true) => 2,
        (LinkState::Dormant, false) => 3,
        (LinkState::Ended(_), _) => 4,
    }
}

impl Links {
    pub fn put(&mut self, link: Link) {
        if let Some(old) = self.by_id.get(&link.id).cloned() {
            for side in Side::BOTH {
                if let Some(id) = old.id_on(side)
                    && self.items.on(side).get(id) == Some(&old.id)
                {
                    self.items.on_mut(side).remove(id);
                }
            }
        }
        for side in Side::BOTH {
            let Some(id) = link.id_on(side) else { continue };
            let better = match self
                .items
                .on(side)
                .get(id)
                .and_then(|other| self.by_id.get(other))
            {
                Some(other) => (rank(&link), &link.id) < (rank(other), &other.id),
                None => true,
            };
            if better {
                self.items.on_mut(side).insert(id.clone(), link.id.clone());
            }
        }
        self.keys.insert(link.key.clone(), link.id.clone());
        if let Some(claim) = link.traits.claim {
            let better = match self.claims.get(&claim).and_then(|other| self.by_id.get(other)) {
                Some(other) => (rank(&link), &link.id) < (rank(other), &other.id),
                None => true,
            };
            if better {
                self.claims.insert(claim, link.id.clone());
            }
        }
        self.by_id.insert(link.id.clone(), link);
    }

    pub fn get(&self, id: &LinkId) -> Option<&Link> {
        self.by_id.get(id)
    }

    pub fn of_item(&self, side: Side, id: &ItemId) -> Option<&Link> {
        self.by_id.get(self.items.on(side).get(id)?)
    }

    pub fn of_key(&self, key: &LinkKey) -> Option<&Link> {
        self.by_id.get(self.keys.get(key)?)
    }

    /// By what an event or an email is known by in the organisation.
    pub fn of_claim(&self, claim: &BaseHash) -> Option<&Link> {
        self.by_id.get(self.claims.get(claim)?)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_id.values()
    }

    /// Notes that these are being asked for; returns those that were not asked for before.
    pub fn ask_items(&mut self, side: Side, ids: impl IntoIterator<Item = ItemId>) -> Vec<ItemId> {
        if self.complete {
            return Vec::new();
        }
        let asked = self.asked.on_mut(side);
        let mut new: Vec<ItemId> = ids.into_iter().filter(|id| asked.insert(id.clone())).collect();
        new.sort();
        new
    }

    /// As [`Links::ask_items`], for keys.
    pub fn ask_keys(&mut self, keys: impl IntoIterator<Item = LinkKey>) -> Vec<LinkKey> {
        if self.complete {
            return Vec::new();
        }
        let mut new: Vec<LinkKey> = keys
            .into_iter()
            .filter(|key| self.asked_keys.insert(key.clone()))
            .collect();
        new.sort();
        new
    }
}
