//! What follows for one pair, from where its two items stand: a table per kind.

mod contact;
mod email;
mod event;
mod task;

use tandem_types::{DeletedInMailbox, Direction, ItemKind, Side};

use crate::link::{EndReason, LinkState};
use crate::mutant::{self, Mutant};

/// Where a link's mailbox item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailboxState {
    /// The link has no item there.
    Nowhere,
    /// As it was agreed on, or no news of it.
    Same,
    /// Something in it differs from what was agreed on.
    Changed,
    /// The category was taken off, where it stands.
    Unmarked,
    /// Both.
    UnmarkedChanged,
    /// It is there, but outside of the scope, or private.
    Out,
    /// Proved.
    Deleted,
    /// Gone, and nobody can tell where.
    Unproved,
    /// The user put *Salesforce Unsync* on it.
    Unsynced,
    /// The organizer has cancelled the meeting.
    Cancelled,
    /// As it was agreed on, and history: an event that was over before the window began, an old completed task.
    Past,
}

impl MailboxState {
    pub const ALL: [Self; 11] = [
        Self::Nowhere,
        Self::Same,
        Self::Changed,
        Self::Unmarked,
        Self::UnmarkedChanged,
        Self::Out,
        Self::Deleted,
        Self::Unproved,
        Self::Unsynced,
        Self::Cancelled,
        Self::Past,
    ];

    const fn here(self) -> bool {
        matches!(
            self,
            Self::Same | Self::Changed | Self::Unmarked | Self::UnmarkedChanged
        )
    }

    const fn changed(self) -> bool {
        matches!(self, Self::Changed | Self::UnmarkedChanged)
    }

    const fn unmarked(self) -> bool {
        matches!(self, Self::Unmarked | Self::UnmarkedChanged)
    }
}

/// Where a link's Salesforce record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrmState {
    Nowhere,
    Same,
    Changed,
    /// Another's, or not to be seen for another reason that is known.
    Out,
    Deleted,
    /// Merged into a record that no other link holds.
    Merged,
    /// Merged into a record that another link holds.
    MergedIntoLinked,
    Unproved,
}

impl CrmState {
    pub const ALL: [Self; 8] = [
        Self::Nowhere,
        Self::Same,
        Self::Changed,
        Self::Out,
        Self::Deleted,
        Self::Merged,
        Self::MergedIntoLinked,
        Self::Unproved,
    ];

    const fn here(self) -> bool {
        matches!(self, Self::Same | Self::Changed | Self::Merged)
    }

    const fn gone(self) -> bool {
        matches!(self, Self::Deleted | Self::Merged | Self::MergedIntoLinked)
    }
}

/// What else the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of the table")]
pub struct Terms {
    pub kind: ItemKind,
    pub direction: Direction,
    pub deleted_in_mailbox: DeletedInMailbox,
    /// The record is known to be the user's own.
    pub own_record: bool,
    /// Tandem made the mailbox item, and the user never changed it.
    pub untouched: bool,
    /// The user asked for the delete of the item that is left.
    pub delete_asked: bool,
    /// On which side the pair was first.
    pub born: Side,
    /// Events: the user organises it (in the mailbox), or it is an appointment of his own.
    pub organizes: bool,
    /// Events: another writes the record; the user is only invited, or follows.
    pub follower: bool,
    /// It is over or completed, and history is kept.
    pub history: bool,
}

/// What is to be done with a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Nothing,
    /// Only the versions are noted.
    Note,
    /// Three-way merge of both items; a dormant link wakes. `mark`: the category is put back.
    Merge {
        mark: bool,
    },
    /// As [`Decision::Merge`], with the record that this one was merged into.
    Follow {
        mark: bool,
    },
    /// The item of this side has no counterpart: one is looked for, else made.
    Pair {
        from: Side,
    },
    /// Made again on this side: an edit beats a delete, or the user wants it so.
    Remake {
        on: Side,
    },
    /// Deleted on this side; then the link ends.
    Delete {
        on: Side,
        end: EndReason,
    },
    /// Deleted in the CRM; the mailbox item is kept without its category, and the link ends.
    DeleteKeep {
        end: EndReason,
    },
    /// The user's own answer in the CRM becomes *declined*, the record stays, and the link ends.
    Decline,
    /// The user is no longer invited in the CRM, the mailbox item is kept without its category, and the link ends.
    LetGo {
        end: EndReason,
    },
    /// The category is taken off the mailbox item, both items stay, and the link ends.
    Unmark {
        end: EndReason,
    },
    /// The link ends, both items stay as they are.
    End(EndReason),
    /// As [`Decision::End`] with *deleted in mailbox*; an issue offers both ways on.
    EndAndOffer,
    /// As [`Decision::End`] with *merged*; an issue names both.
    EndMerged,
    /// The link goes dormant.
    Sleep,
    /// As [`Decision::Sleep`]; the mailbox item goes to Deleted Items.
    SleepAndRemove,
    /// It cannot be told what became of this side's item: nothing happens, an issue says so.
    Unproved {
        on: Side,
    },
}

impl Decision {
    /// Its name alone, for counting.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Note => "note",
            Self::Merge { .. } => "merge",
            Self::Follow { .. } => "follow",
            Self::Pair { .. } => "pair",
            Self::Remake { .. } => "remake",
            Self::Delete { .. } => "delete",
            Self::DeleteKeep { .. } => "delete_keep",
            Self::Decline => "decline",
            Self::LetGo { .. } => "let_go",
            Self::Unmark { .. } => "unmark",
            Self::End(_) => "end",
            Self::EndAndOffer => "end_and_offer",
            Self::EndMerged => "end_merged",
            Self::Sleep => "sleep",
            Self::SleepAndRemove => "sleep_and_remove",
            Self::Unproved { .. } => "unproved",
        }
    }
}

/// The decision for a pair. Total: every combination has an answer.
#[must_use]
pub fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    let decision = decided(link, mailbox, crm, terms);
    mutant::count(|| consequence(terms.kind, link, decision));
    spoilt(mailbox, terms, decision)
}

/// How a decision is counted.
fn consequence(kind: ItemKind, link: LinkState, decision: Decision) -> String {
    let link = match link {
        LinkState::Live => "live",
        LinkState::Dormant => "dormant",
        LinkState::Ended(_) => "ended",
    };
    format!("{} {link}: {decision:?}", kind.as_str())
}

/// Whatever the tables can decide about a kind that is synced at all, as it is counted.
#[cfg(feature = "mutants")]
#[must_use]
pub fn consequences() -> std::collections::BTreeSet<String> {
    let mut all = Vec::new();
    let links = [
        LinkState::Live,
        LinkState::Dormant,
        // Of all ends only this one has a way back.
        LinkState::Ended(EndReason::DeletedInMailbox),
    ];
    let directions = [Direction::TwoWay, Direction::ToCrm, Direction::ToMailbox];
    let deleted = [
        DeletedInMailbox::Ask,
        DeletedInMailbox::Recreate,
        DeletedInMailbox::DeleteOwn,
    ];
    for kind in ItemKind::ALL {
        for (n, direction) in (0_u8..128).flat_map(|n| directions.map(|direction| (n, direction))) {
            let bit = |at: u8| n & (1 << at) != 0;
            for deleted_in_mailbox in deleted {
                let terms = Terms {
                    kind,
                    direction,
                    deleted_in_mailbox,
                    own_record: bit(0),
                    untouched: bit(1),
                    delete_asked: bit(2),
                    born: if bit(3) { Side::Crm } else { Side::Mailbox },
                    organizes: bit(4),
                    follower: bit(5),
                    history: bit(6),
                };
                for link in links {
                    for mailbox in MailboxState::ALL {
                        for crm in CrmState::ALL {
                            let decision = decided(link, mailbox, crm, terms);
                            if !all.contains(&(kind, link, decision)) {
                                all.push((kind, link, decision));
                            }
                        }
                    }
                }
            }
        }
    }
    all.into_iter()
        .map(|(kind, link, decision)| consequence(kind, link, decision))
        .collect()
}

/// The decision, but for deliberate bugs.
fn spoilt(mailbox: MailboxState, terms: Terms, decision: Decision) -> Decision {
    match decision {
        Decision::Remake { on } if mutant::on(Mutant::DeleteBeatsEdit) => {
            let end = match on {
                Side::Mailbox => EndReason::DeletedInMailbox,
                Side::Crm => EndReason::DeletedInCrm,
            };
            Decision::Delete { on: on.other(), end }
        }
        Decision::Delete { on, .. } if mutant::on(Mutant::DeleteIsUndone) => {
            Decision::Remake { on: on.other() }
        }
        _ if mailbox == MailboxState::Past && mutant::on(Mutant::WindowDeletes) => Decision::Delete {
            on: Side::Crm,
            end: EndReason::DeletedInMailbox,
        },
        _ if terms.direction == Direction::Off && mutant::on(Mutant::OffDeletes) => Decision::Delete {
            on: Side::Crm,
            end: EndReason::DeletedInMailbox,
        },
        _ => decision,
    }
}

fn decided(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    match terms.kind {
        ItemKind::Contact => contact::decide(link, mailbox, crm, terms),
        ItemKind::Event => event::decide(link, mailbox, crm, terms),
        ItemKind::Task => task::decide(link, mailbox, crm, terms),
        ItemKind::Email => email::decide(link, mailbox, crm),
    }
}

/// Nothing is created again by itself. Only an item that the user brought back himself finds its counterpart again.
fn ended(reason: EndReason, mailbox: MailboxState, crm: CrmState) -> Decision {
    if reason == EndReason::DeletedInMailbox
        && mailbox.here()
        && matches!(crm, CrmState::Same | CrmState::Changed)
    {
        Decision::Merge {
            mark: mailbox.unmarked(),
        }
    } else {
        Decision::Nothing
    }
}

/// The link ends; the category goes where it may be written.
const fn unmark(direction: Direction, end: EndReason) -> Decision {
    if direction.writes_mailbox() {
        Decision::Unmark { end }
    } else {
        Decision::End(end)
    }
}
