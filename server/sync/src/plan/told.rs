//! What a plan tells the user, and what it takes back.

use tandem_types::{IssueCode, IssueCure, ItemKind, Side};

use crate::decide::Decision;
use crate::facts::Seen;
use crate::link::{Link, LinkState};
use crate::merge::{Both, Merged};
use crate::model::{Field, ItemId, Record, Snapshot};
use crate::ports::IssueKey;
use crate::relate;
use crate::survey::{Case, Look, Stand};

use super::{Draft, Planner};

/// Issues that a side raises when it does not take something.
pub(crate) const REFUSALS: [IssueCode; 6] = [
    IssueCode::Refused,
    IssueCode::DuplicateRule,
    IssueCode::NoPermission,
    IssueCode::StorageFull,
    IssueCode::UnknownValue,
    IssueCode::TooLarge,
];

/// Issues that a plan raises and takes back for a pair.
pub(super) const fn of_pairs(kind: ItemKind) -> &'static [IssueCode] {
    match kind {
        ItemKind::Contact => &[
            IssueCode::Conflict,
            IssueCode::FateUnknown,
            IssueCode::LastNameMissing,
            IssueCode::CompanyChanged,
            IssueCode::Differences,
            IssueCode::Unreadable,
        ],
        ItemKind::Event => &[
            IssueCode::Conflict,
            IssueCode::FateUnknown,
            IssueCode::Differences,
            IssueCode::Unreadable,
            IssueCode::EventTooLong,
            IssueCode::EndBeforeStart,
            IssueCode::ZoneUnknown,
            IssueCode::RichBody,
            IssueCode::NoMatch,
            IssueCode::TooManyPeople,
        ],
        ItemKind::Task => &[
            IssueCode::Conflict,
            IssueCode::FateUnknown,
            IssueCode::Differences,
            IssueCode::Unreadable,
        ],
        ItemKind::Email => &[IssueCode::Unreadable],
    }
}

/// Issues that a plan raises and takes back for an item without a counterpart.
pub(super) const fn of_sources(kind: ItemKind) -> &'static [IssueCode] {
    match kind {
        ItemKind::Contact => &[
            IssueCode::LastNameMissing,
            IssueCode::SeveralMatches,
            IssueCode::LeadExists,
            IssueCode::OverLimit,
            IssueCode::CreateInDoubt,
            IssueCode::FateUnknown,
            IssueCode::DeletedInMailbox,
            IssueCode::Unreadable,
        ],
        ItemKind::Event => &[
            IssueCode::SeveralMatches,
            IssueCode::CreateInDoubt,
            IssueCode::FateUnknown,
            IssueCode::NoMatch,
            IssueCode::NoPermission,
            IssueCode::EventTooLong,
            IssueCode::EndBeforeStart,
            IssueCode::ZoneUnknown,
            IssueCode::Unreadable,
        ],
        ItemKind::Task => &[
            IssueCode::SeveralMatches,
            IssueCode::CreateInDoubt,
            IssueCode::FateUnknown,
            IssueCode::DeletedInMailbox,
            IssueCode::Unreadable,
        ],
        ItemKind::Email => &[
            IssueCode::CreateInDoubt,
            IssueCode::NoMatch,
            IssueCode::Encrypted,
            IssueCode::Confidential,
            IssueCode::Unreadable,
        ],
    }
}

impl Planner<'_> {
    pub(super) fn issue(
        &mut self,
        (kind, side, item): (ItemKind, Side, &ItemId),
        code: IssueCode,
        title: String,
        detail: String,
        cures: Vec<IssueCure>,
    ) {
        let title = if title.is_empty() { item.0.clone() } else { title };
        self.plan.issues.push(Draft {
            key: IssueKey {
                kind,
                side,
                item: item.clone(),
                code,
            },
            title,
            detail,
            cures,
        });
    }

    pub(super) fn solve(&mut self, link: &Link, codes: &[IssueCode]) {
        for side in Side::BOTH {
            if let Some(id) = link.id_on(side) {
                self.solve_item(link.kind, side, id, codes);
            }
        }
    }

    pub(super) fn solve_item(&mut self, kind: ItemKind, side: Side, item: &ItemId, codes: &[IssueCode]) {
        if self.setting.fresh {
            return;
        }
        self.plan.solved.extend(codes.iter().map(|&code| IssueKey {
            kind,
            side,
            item: item.clone(),
            code,
        }));
    }

    /// What the merge of a pair leaves to the user. `kept`: further codes that stay open.
    pub(super) fn told(
        &mut self,
        merged: &Merged,
        link: &Link,
        items: &Both<Option<&Snapshot>>,
        kept: &[IssueCode],
    ) {
        let (Some(_), Some(crm)) = (items.mailbox, items.crm) else {
            return;
        };
        let name = title(&crm.record);
        let mut kept_open = kept.to_vec();
        // One issue lists all that is apart, also what was left alone before.
        let none = Vec::new();
        let apart = if merged.different.is_empty() {
            &none
        } else {
            &merged.apart
        };
        let choose = [IssueCure::KeepMine, IssueCure::KeepTheirs, IssueCure::Ignore];
        for (code, fields, cures) in [
            (IssueCode::Conflict, &merged.asked, choose.to_vec()),
            (IssueCode::Differences, apart, choose.to_vec()),
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
            self.issue(
                (link.kind, Side::Crm, &crm.id),
                code,
                name.clone(),
                words.join(", "),
                cures,
            );
        }
        // What was left apart before stays listed as long as it is apart.
        if merged.apart.contains(&Field::Company) {
            kept_open.push(IssueCode::CompanyChanged);
        }
        if !merged.apart.is_empty() {
            kept_open.push(IssueCode::Differences);
        }
        // Of what cannot be read now, nobody knows whether it is still so.
        let hidden = Field::of(link.kind).iter().any(|field| {
            *field != Field::Relations
                && link.base.mailbox.contains_key(field)
                && link.base.crm.contains_key(field)
                && Side::BOTH
                    .into_iter()
                    .filter_map(|side| *items.on(side))
                    .any(|item| item.record.get(*field).is_unknown())
        });
        if hidden {
            kept_open.extend([IssueCode::Differences, IssueCode::Conflict]);
        }
        if relate::belongs(crm.record.get(Field::Relations)) != Some(true) {
            kept_open.push(IssueCode::NoMatch);
        }
        let over: Vec<IssueCode> = of_pairs(link.kind)
            .iter()
            .copied()
            .filter(|code| !kept_open.contains(code))
            .collect();
        self.solve(link, &over);
    }

    /// Of an item that is proved to be gone, or of a mail that went while it waited, nothing is wanted any more.
    pub(super) fn over_with(&mut self, case: &Case<'_>) {
        if self.setting.fresh {
            return;
        }
        for side in Side::BOTH {
            let gone = match case.stand.on(side) {
                Stand::Deleted { merged_into: None } => true,
                Stand::Missing | Stand::Left => {
                    case.link.kind == ItemKind::Email && matches!(case.decision, Decision::End(_))
                }
                _ => false,
            };
            if let (true, Some(id)) = (gone, case.link.id_on(side)) {
                self.plan.gone.push((side, id.clone()));
            }
        }
    }

    /// What was told of items that no link knows is over when they are not listed any more; and what was offered for a
    /// record is over when the record is gone too.
    pub(super) fn ended_for_good(&mut self) {
        if self.view.look == Look::Again || self.setting.fresh {
            return;
        }
        for side in Side::BOTH {
            let facts = self.view.facts.sides.on(side);
            let gone = facts.news.iter().filter(|id| {
                matches!(
                    facts.seen.get(*id),
                    Some(Seen::Missing | Seen::Deleted { .. } | Seen::Left)
                ) && self.view.links.of_item(side, id).is_none()
            });
            self.plan.gone.extend(gone.map(|id| (side, id.clone())));
        }
        for id in &self.view.facts.sides.crm.news {
            if let (Some(Seen::Deleted { .. }), Some(link)) = (
                self.view.facts.sides.crm.seen.get(id),
                self.view.links.of_item(Side::Crm, id),
            ) && matches!(link.state, LinkState::Ended(_))
            {
                self.solve_item(link.kind, Side::Crm, id, &[IssueCode::DeletedInMailbox]);
            }
        }
    }
}

/// What the user calls an item.
pub(crate) fn title(record: &Record) -> String {
    let text = |field| record.get(field).known().unwrap_or("").trim().to_owned();
    if record.kind != ItemKind::Contact {
        return text(Field::Subject);
    }
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
