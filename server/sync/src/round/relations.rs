//! What activities belong to, as far as the CRM knows, and what of them is not to be seen.

use std::collections::BTreeSet;

use tandem_types::{ItemKind, Side};

use super::asking::{ASK_MAX, matching};
use super::{Halt, Round};
use crate::Fault;
use crate::facts::Seen;
use crate::link::LinkState;
use crate::linker;
use crate::model::{Clue, Field, ItemId};
use crate::roles;
use crate::survey::Lookups;

/// Clues lead to clues: an address to a contact, a contact to his deals.
const CLUE_WAVES: usize = 3;

impl Round<'_> {
    /// Asks the CRM whom it knows, for all items at once, and notes on each what it belongs to.
    pub(super) async fn find_relations(&mut self, lookups: &Lookups) -> Result<(), Halt> {
        for _ in 0..CLUE_WAVES {
            let clues: Vec<Clue> = self.unknown_clues(lookups).into_iter().collect();
            if clues.is_empty() {
                break;
            }
            for chunk in clues.chunks(ASK_MAX) {
                let found = self.cx.crm.known(chunk).await.map_err(in_crm)?;
                matching(chunk.len(), found.len()).map_err(in_crm)?;
                self.facts.known.extend(chunk.iter().cloned().zip(found));
            }
            self.keeper.keep().await?;
        }
        for id in &lookups.related {
            self.relate(id);
        }
        Ok(())
    }

    fn unknown_clues(&self, lookups: &Lookups) -> BTreeSet<Clue> {
        let context = self.view().linker();
        let known = &self.facts.known;
        let mut clues: BTreeSet<Clue> = lookups
            .clues
            .iter()
            .filter(|clue| !known.contains_key(clue))
            .cloned()
            .collect();
        for id in &lookups.related {
            let Some(item) = self.facts.sides.mailbox.here(id) else {
                continue;
            };
            let unknown = |clues: BTreeSet<Clue>| clues.into_iter().filter(|clue| !known.contains_key(clue));
            let first: Vec<Clue> = unknown(linker::clues(item, &context)).collect();
            if first.is_empty() {
                clues.extend(unknown(linker::more_clues(item, &context, known)));
            } else {
                clues.extend(first);
            }
        }
        clues
    }

    /// Notes what the linker found on the mailbox item, and hides what was made private since it was saved.
    fn relate(&mut self, id: &ItemId) {
        let Some(item) = self.facts.sides.mailbox.here(id) else {
            return;
        };
        let people_max = self
            .profiles
            .as_ref()
            .and_then(|both| both.crm.of(item.record.kind))
            .map_or(1, |profile| profile.people_max.max(1));
        let relations = linker::relations(item, &self.view().linker(), &self.facts.known, people_max);
        let link = self
            .links
            .of_item(Side::Mailbox, id)
            .or_else(|| self.links.of_key(item.key.as_ref()?))
            .filter(|link| !matches!(link.state, LinkState::Ended(_)));
        let hidden = link
            .filter(|link| roles::masked(link, item))
            .map(|_| roles::mask(&item.record));
        let facts = &mut self.facts.sides.mailbox;
        if let Some(Seen::Here(item)) = facts.seen.get_mut(id) {
            if let Some(mut relations) = relations {
                if let Some(chosen) = self.frame.ordered.get(id) {
                    chosen.choose(&mut relations);
                }
                item.record.set(Field::Relations, relations.to_value());
            }
            if let Some(hidden) = hidden {
                item.record = hidden;
            }
        }
        facts.related.insert(id.clone());
    }

    /// However an item came to be known here, what was made private since it was saved is not seen.
    pub(super) fn hide(&mut self) {
        for seen in self.facts.sides.mailbox.seen.values_mut() {
            let Seen::Here(item) = seen else { continue };
            let link = self
                .links
                .of_item(Side::Mailbox, &item.id)
                .or_else(|| self.links.of_key(item.key.as_ref()?));
            let Some(link) = link.filter(|_| item.record.kind == ItemKind::Event) else {
                // Made by us under a key that its link has given up, and private since.
                if item.key.is_some() && roles::is_private(item) {
                    item.record = roles::mask(&item.record);
                }
                continue;
            };
            if roles::masked(link, item) {
                item.record = roles::mask(&item.record);
            } else if item.record.get(Field::Private).is_unknown() && !link.traits.private_on_purpose {
                // Whether it may be shown is not known now: then nothing of it is.
                for field in [Field::Subject, Field::Body, Field::Location, Field::Relations] {
                    item.record.fields.remove(&field);
                }
            }
        }
    }
}

const fn in_crm(fault: Fault) -> Halt {
    Halt::Fault(Side::Crm, fault)
}
