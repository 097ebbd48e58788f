//! What a session did to each item, as its journal tells it.

use std::collections::{BTreeMap, HashMap};

use tandem_types::{ItemKind, LinkId, Side};

use crate::link::BaseHash;
use crate::model::{Field, FieldValue, ItemId};
use crate::ports::{JournalAct, JournalEntry};

/// All that a session did to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) link: LinkId,
    pub(super) kind: ItemKind,
    pub(super) side: Side,
    /// As it was called last.
    pub(super) item: ItemId,
    pub(super) created: bool,
    pub(super) deleted: bool,
    /// What the changed fields held before the session.
    pub(super) old: BTreeMap<Field, FieldValue>,
    /// What the written fields held after the session.
    pub(super) wrote: BTreeMap<Field, BaseHash>,
}

/// The deeds of a session, the last one first. `journal`: oldest entry first.
///
/// An item that was made and deleted in the same session is none; of one that was deleted and made again, the new one
/// is. A value that lost a conflict stands among the old ones of the write that replaced it.
pub(super) fn deeds(journal: &[JournalEntry]) -> Vec<Deed> {
    let mut out: Vec<Option<Deed>> = Vec::new();
    let mut at: HashMap<(LinkId, Side), usize> = HashMap::new();
    for entry in journal {
        let (created, deleted) = match &entry.act {
            JournalAct::Created { .. } => (true, false),
            JournalAct::Deleted { .. } => (false, true),
            JournalAct::Changed { .. } => (false, false),
            JournalAct::LostToConflict { .. } | JournalAct::Linked(_) => continue,
        };
        let place = (entry.link.clone(), entry.side);
        // Moved to the end: the last deed is undone first.
        let before = at
            .get(&place)
            .and_then(|n| out.get_mut(*n))
            .and_then(Option::take);
        at.insert(place, out.len());
        let mut deed = before.unwrap_or_else(|| Deed {
            link: entry.link.clone(),
            kind: entry.kind,
            side: entry.side,
            item: entry.item.clone(),
            created: false,
            deleted: false,
            old: BTreeMap::new(),
            wrote: BTreeMap::new(),
        });
        deed.item = entry.item.clone();
        if deleted && deed.created {
            out.push(None);
            continue;
        }
        if created {
            deed.old.clear();
            deed.wrote.clear();
            deed.deleted = false;
        }
        deed.created |= created;
        deed.deleted |= deleted;
        if let JournalAct::Changed { old, .. } = &entry.act {
            for (field, value) in old {
                deed.old.entry(*field).or_insert_with(|| value.clone());
            }
        }
        if let JournalAct::Changed { wrote, .. } | JournalAct::Created { wrote } = &entry.act {
            deed.wrote.extend(wrote.iter().copied());
        }
        out.push(Some(deed));
    }
    out.into_iter().rev().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(link: u8, side: Side, item: &str, act: JournalAct) -> JournalEntry {
        JournalEntry {
            link: format!("{link:032x}").parse().unwrap(),
            kind: ItemKind::Contact,
            side,
            item: ItemId(item.to_owned()),
            act,
        }
    }

    fn changed(field: Field, old: &str, wrote: u8) -> JournalAct {
        JournalAct::Changed {
            old: vec![(field, FieldValue::from_text(old))],
            wrote: vec![(field, BaseHash([wrote; 16]))],
        }
    }

    #[test]
    fn each_item_is_one_deed_and_the_last_comes_first() {
        let created = || JournalAct::Created {
            wrote: vec![(Field::Email, BaseHash([9; 16]))],
        };
        let deleted = || JournalAct::Deleted { old: Vec::new() };
        let journal = [
            entry(1, Side::Crm, "a", changed(Field::Surname, "first", 1)),
            entry(2, Side::Crm, "b", created()),
            entry(1, Side::Mailbox, "m", changed(Field::Email, "x", 3)),
            entry(3, Side::Mailbox, "c", JournalAct::Linked("ended")),
            entry(1, Side::Crm, "a2", changed(Field::Surname, "between", 2)),
            entry(4, Side::Crm, "d", created()),
            entry(4, Side::Crm, "d", deleted()),
            entry(5, Side::Crm, "e", deleted()),
            entry(2, Side::Crm, "b", changed(Field::Email, "y", 8)),
            entry(5, Side::Crm, "e2", created()),
        ];
        let found = deeds(&journal);
        let told: Vec<_> = found
            .iter()
            .map(|deed| (deed.item.0.as_str(), deed.created, deed.deleted))
            .collect();
        assert_eq!(
            told,
            [
                ("e2", true, false),
                ("b", true, false),
                ("a2", false, false),
                ("m", false, false)
            ]
        );
        assert_eq!(
            found[1].wrote,
            [(Field::Email, BaseHash([8; 16]))].into(),
            "what it held last"
        );
        assert_eq!(
            found[2].old,
            [(Field::Surname, FieldValue::from_text("first"))].into(),
            "what it held first"
        );
        assert_eq!(found[2].wrote, [(Field::Surname, BaseHash([2; 16]))].into());
    }
}
