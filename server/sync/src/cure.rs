//! What a cure that the user chose does to a link. The next session then does the rest.

use std::collections::BTreeMap;

use tandem_types::{IssueCode, IssueCure, LinkId, Side, Timestamp};

use crate::hash::Hasher;
use crate::link::{Base, EndReason, Intent, Link, LinkState, Traits};
use crate::model::{Field, FieldValue, ItemId, LinkKey, Outcome, Relations, Write};
use crate::ports::{Commit, IssueKey, JournalAct, JournalEntry, Lease, StoreError};
use crate::session::Context;
use crate::{Fault, normalise};

/// The link as it must be stored so that the next session does what the user chose; `None`: this cure changes no link.
///
/// An intent says what is owed. Where the link has no item: it is to be made. Where it has one, and the other side has
/// none: it is to be deleted. Where it has both: they are to be looked at again.
///
/// `key`: a new one. What is brought back carries it: by the old one the deleted item would be found, and taken for the
/// one that was made. Where a claim is dropped from the link, it must be let go of ([`Commit::unclaimed`]): see
/// [`let_go`].
#[must_use]
pub fn cure(link: &Link, cure: IssueCure, now: Timestamp, key: LinkKey) -> Option<Link> {
    let mut cured = link.clone();
    cured.changed = now;
    match (cure, link.state) {
        (IssueCure::BringBack, LinkState::Ended(EndReason::DeletedInMailbox)) if link.crm_id.is_some() => {
            again(&mut cured, Side::Mailbox, now, key);
        }
        (IssueCure::BringBack, LinkState::Ended(EndReason::DeletedInCrm)) if link.mailbox_id.is_some() => {
            again(&mut cured, Side::Crm, now, key);
        }
        (IssueCure::DeleteThere, LinkState::Ended(EndReason::DeletedInMailbox)) if link.crm_id.is_some() => {
            cured.state = LinkState::Live;
            cured.mailbox_id = None;
            cured.mailbox_version = None;
            cured.intent = Some(Intent {
                side: Side::Crm,
                at: now,
            });
        }
        // It is owed already, and only waits.
        (IssueCure::Retry, LinkState::Live | LinkState::Dormant) if link.traits.not_before.is_some() => {
            cured.traits.not_before = None;
        }
        (IssueCure::Retry, LinkState::Live | LinkState::Dormant) if link.intent.is_none() => {
            let side = if link.crm_id.is_none() {
                Side::Crm
            } else {
                Side::Mailbox
            };
            cured.state = LinkState::Live;
            cured.intent = Some(Intent { side, at: now });
        }
        (IssueCure::KeepMine | IssueCure::KeepTheirs, LinkState::Live)
            if link.mailbox_id.is_some() && link.crm_id.is_some() =>
        {
            let side = if cure == IssueCure::KeepMine {
                Side::Mailbox
            } else {
                Side::Crm
            };
            cured.traits.prefer = Some(side);
            cured.intent = cured.intent.or(Some(Intent { side, at: now }));
        }
        _ => return None,
    }
    Some(cured)
}

/// The item of `side` is to be made anew from the other one.
fn again(link: &mut Link, side: Side, now: Timestamp, key: LinkKey) {
    link.state = LinkState::Live;
    match side {
        Side::Mailbox => {
            link.mailbox_id = None;
            link.mailbox_version = None;
        }
        Side::Crm => {
            link.crm_id = None;
            link.crm_version = None;
            // It leads to the record that is gone.
            link.traits.claim = None;
            link.traits.follower = false;
        }
    }
    link.base = Base::default();
    link.key = key;
    link.intent = Some(Intent { side, at: now });
}

/// The claims that cured links no longer hold.
#[must_use]
pub fn let_go(before: &[Link], cured: &[Link]) -> Vec<(tandem_types::ItemKind, crate::BaseHash)> {
    let kept = |link: &Link| {
        cured
            .iter()
            .any(|now| now.id == link.id && now.traits.claim != link.traits.claim)
    };
    before
        .iter()
        .filter(|link| kept(link))
        .filter_map(|link| Some((link.kind, link.traits.claim?)))
        .collect()
}

/// The link that pairs an issue's item with the candidate that the user picked; `None`: the candidate is paired with
/// another item, or the issue asks for no choice.
///
/// `links`: all that name the item or the candidate. `fresh`: the id and the key of a new link. Both items are looked
/// at by the next session, and adopted: nothing that is filled is overwritten.
#[must_use]
pub fn pick(
    issue: &IssueKey,
    choice: &ItemId,
    links: &[Link],
    now: Timestamp,
    fresh: (LinkId, LinkKey),
) -> Option<Link> {
    if !matches!(issue.code, IssueCode::SeveralMatches | IssueCode::CreateInDoubt) {
        return None;
    }
    let other = issue.side.other();
    let living = |link: &&Link| link.kind == issue.kind && !matches!(link.state, LinkState::Ended(_));
    let taken = links
        .iter()
        .filter(living)
        .any(|link| link.id_on(other) == Some(choice) && link.id_on(issue.side).is_some());
    let own = links
        .iter()
        .filter(living)
        .find(|link| link.id_on(issue.side) == Some(&issue.item));
    if taken || own.is_some_and(|link| link.id_on(other).is_some()) {
        return None;
    }
    let mut link = own.cloned().unwrap_or_else(|| {
        let (id, key) = fresh;
        let mut link = Link {
            id,
            kind: issue.kind,
            state: LinkState::Live,
            key,
            mailbox_id: None,
            mailbox_version: None,
            crm_id: None,
            crm_version: None,
            base: Base::default(),
            made_on: None,
            touched: false,
            intent: None,
            changed: now,
            traits: Traits::default(),
        };
        *id_mut(&mut link, issue.side) = Some(issue.item.clone());
        link
    });
    if issue.code == IssueCode::SeveralMatches {
        // It was there before, whatever was once going to be made.
        link.base = Base::default();
        link.made_on = None;
    }
    *id_mut(&mut link, other) = Some(choice.clone());
    link.state = LinkState::Live;
    link.changed = now;
    link.intent = Some(Intent { side: other, at: now });
    Some(link)
}

/// An item that the item of an issue could be paired with.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    pub side: Side,
    pub id: ItemId,
    /// What the user calls it; empty where that is not known.
    pub title: String,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("side", &self.side)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The candidates as an issue's detail keeps them: a line each, `crm 003… Ada Lovelace`.
#[must_use]
pub fn candidates_to_detail(candidates: &[Candidate]) -> String {
    let lines: Vec<String> = candidates
        .iter()
        .map(|Candidate { side, id, title }| {
            // A title of several lines would be several candidates.
            let title: String = title
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            format!("{} {id} {}", side.as_str(), title.trim())
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

/// What [`candidates_to_detail`] wrote; none where the detail says anything else.
#[must_use]
pub fn candidates_of_detail(detail: &str) -> Vec<Candidate> {
    let candidate = |line: &str| {
        let (side, rest) = line.split_once(' ')?;
        let side = Side::BOTH.into_iter().find(|known| known.as_str() == side)?;
        let (id, title) = rest.split_once(' ').unwrap_or((rest, ""));
        (!id.is_empty() && !id.contains(',')).then(|| Candidate {
            side,
            id: ItemId(id.to_owned()),
            title: title.to_owned(),
        })
    };
    detail
        .lines()
        .map(candidate)
        .collect::<Option<Vec<_>>>()
        .unwrap_or_default()
}

fn id_mut(link: &mut Link, side: Side) -> &mut Option<ItemId> {
    match side {
        Side::Mailbox => &mut link.mailbox_id,
        Side::Crm => &mut link.crm_id,
    }
}

/// The relations with one more record, as the CRM takes them: a contact becomes the main one, a lead the only one;
/// everything else is what it is about, and takes a lead's place.
#[must_use]
pub fn with_record(relations: &Relations, record: &ItemId) -> Relations {
    let mut out = relations.clone();
    let is_lead = |id: &ItemId| id.0.starts_with("00Q");
    match record.0.get(..3) {
        Some("003") => {
            out.who.retain(|id| id != record && !is_lead(id));
            out.who.insert(0, record.clone());
        }
        Some("00Q") => {
            out.who = vec![record.clone()];
            out.what = None;
        }
        _ => {
            out.who.retain(|id| !is_lead(id));
            out.what = Some(record.clone());
        }
    }
    out.canonical()
}

/// Why a choice was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CureError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Salesforce: {0}")]
    Crm(Fault),
}

/// Links the saved items of an issue to the record that the user chose, at once: the linker does not move it any more.
/// False: nothing of it is saved, or the CRM did not take it.
///
/// Writes under `lease`, which stays the caller's.
pub async fn link_to(
    cx: &Context<'_>,
    lease: &Lease,
    issue: &IssueKey,
    links: &[Link],
    record: &ItemId,
) -> Result<bool, CureError> {
    let opening = cx.store.open(lease).await?;
    let hasher = Hasher::new(&opening.hash_key);
    let mut done = false;
    for link in links {
        let (Some(id), LinkState::Live | LinkState::Dormant) = (&link.crm_id, link.state) else {
            continue;
        };
        let found = cx
            .crm
            .read(std::slice::from_ref(id))
            .await
            .map_err(CureError::Crm)?;
        let Some(saw) = found.into_iter().next().flatten() else {
            continue;
        };
        let old = saw.record.get(Field::Relations).clone();
        let relations: Relations = match &old {
            FieldValue::Known(text) => text.parse().unwrap_or_default(),
            FieldValue::Empty => Relations::default(),
            FieldValue::Unknown => continue,
        };
        let value = with_record(&relations, record).to_value();
        let write = Write::Update {
            kind: link.kind,
            id: saw.id.clone(),
            version: saw.version.clone(),
            set: BTreeMap::from([(Field::Relations, value)]),
            key: None,
            mark: None,
            notify: false,
        };
        let outcomes = cx.crm.write(&[write]).await.map_err(CureError::Crm)?;
        let Some(Outcome::Written { now, left: None, .. }) = outcomes.into_iter().next() else {
            continue;
        };
        let hash = hasher.of(Field::Relations, now.record.get(Field::Relations));
        let mut chosen = link.clone();
        chosen.traits.links_chosen = true;
        chosen.changed = cx.clock.now();
        if let (normalise::VERSION, Some(hash)) = (chosen.base.normaliser, hash) {
            chosen.base.crm.insert(Field::Relations, hash);
        }
        let commit = Commit {
            journal: vec![JournalEntry {
                link: link.id.clone(),
                kind: link.kind,
                side: Side::Crm,
                item: now.id.clone(),
                act: JournalAct::Changed {
                    old: vec![(Field::Relations, old)],
                    wrote: hash.map(|hash| (Field::Relations, hash)).into_iter().collect(),
                },
            }],
            links: vec![chosen],
            solved: vec![issue.clone()],
            ..Commit::default()
        };
        cx.store.commit(lease, cx.clock.now(), commit).await?;
        done = true;
    }
    Ok(done)
}
