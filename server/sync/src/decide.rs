//! What follows for one pair, from where its two items stand: a table.

use tandem_types::{DeletedInMailbox, Direction, Side};

use crate::link::{EndReason, LinkState};
use crate::merge::may_write;

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
}

impl MailboxState {
    pub const ALL: [Self; 8] = [
        Self::Nowhere,
        Self::Same,
        Self::Changed,
        Self::Unmarked,
        Self::UnmarkedChanged,
        Self::Out,
        Self::Deleted,
        Self::Unproved,
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
pub struct Terms {
    pub direction: Direction,
    pub deleted_in_mailbox: DeletedInMailbox,
    /// The record is known to be the user's own.
    pub own_record: bool,
    /// Tandem made the mailbox item, and the user never changed it.
    pub untouched: bool,
    /// The user asked for the delete of the item that is left.
    pub delete_asked: bool,
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

/// The decision for a pair. Total: every combination has an answer.
#[must_use]
pub fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    match link {
        LinkState::Ended(reason) => ended(reason, mailbox, crm),
        LinkState::Dormant => dormant(mailbox, crm),
        LinkState::Live => live(mailbox, crm, terms),
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

fn dormant(mailbox: MailboxState, crm: CrmState) -> Decision {
    match (mailbox, crm) {
        (MailboxState::Deleted, c) if c.gone() => Decision::End(EndReason::DeletedOnBoth),
        (MailboxState::Deleted, _) => Decision::End(EndReason::DeletedInMailbox),
        (_, CrmState::Deleted) => Decision::End(EndReason::DeletedInCrm),
        (_, CrmState::MergedIntoLinked) => Decision::End(EndReason::Merged),
        (MailboxState::Nowhere, c) if c.here() => Decision::Pair { from: Side::Crm },
        (m, CrmState::Nowhere) if m.here() => Decision::Pair { from: Side::Mailbox },
        (m, CrmState::Merged) if m.here() => Decision::Follow { mark: m.unmarked() },
        (m, c) if m.here() && c.here() => Decision::Merge { mark: m.unmarked() },
        _ => Decision::Nothing,
    }
}

fn live(mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    let writes = may_write(terms.direction);
    match (mailbox, crm) {
        (MailboxState::Nowhere, _) => half_crm(crm, terms),
        (_, CrmState::Nowhere) => half_mailbox(mailbox),

        (MailboxState::Deleted, c) if c.gone() => Decision::End(EndReason::DeletedOnBoth),
        (MailboxState::Deleted, CrmState::Changed) if writes.mailbox => {
            Decision::Remake { on: Side::Mailbox }
        }
        (MailboxState::Deleted, CrmState::Same | CrmState::Changed) => match terms.deleted_in_mailbox {
            DeletedInMailbox::Recreate if writes.mailbox => Decision::Remake { on: Side::Mailbox },
            DeletedInMailbox::DeleteOwn if crm == CrmState::Same && writes.crm && terms.own_record => {
                Decision::Delete {
                    on: Side::Crm,
                    end: EndReason::DeletedInMailbox,
                }
            }
            _ => Decision::EndAndOffer,
        },
        (MailboxState::Deleted, _) => Decision::End(EndReason::DeletedInMailbox),

        (m, CrmState::Deleted) if m.changed() && writes.crm => Decision::Remake { on: Side::Crm },
        (m, CrmState::Deleted) if m.here() && !m.changed() && writes.mailbox => Decision::Delete {
            on: Side::Mailbox,
            end: EndReason::DeletedInCrm,
        },
        (_, CrmState::Deleted) => Decision::End(EndReason::DeletedInCrm),
        (_, CrmState::MergedIntoLinked) => Decision::EndMerged,

        (MailboxState::Unproved, _) => Decision::Unproved { on: Side::Mailbox },
        (_, CrmState::Unproved) => Decision::Unproved { on: Side::Crm },

        (MailboxState::Out, _) => Decision::Sleep,
        (m, CrmState::Out) => {
            if terms.untouched && !m.changed() && writes.mailbox {
                Decision::SleepAndRemove
            } else {
                Decision::Sleep
            }
        }

        (m, CrmState::Merged) => Decision::Follow { mark: m.unmarked() },
        (MailboxState::Same, CrmState::Same) => Decision::Note,
        (m, CrmState::Same | CrmState::Changed) => Decision::Merge { mark: m.unmarked() },
    }
}

/// A link whose mailbox item is still to be made, or is gone for good.
fn half_crm(crm: CrmState, terms: Terms) -> Decision {
    match crm {
        CrmState::Nowhere => Decision::Nothing,
        CrmState::Same | CrmState::Changed | CrmState::Merged if terms.delete_asked => {
            if may_write(terms.direction).crm {
                Decision::Delete {
                    on: Side::Crm,
                    end: EndReason::DeletedOnBoth,
                }
            } else {
                Decision::Nothing
            }
        }
        CrmState::Same | CrmState::Changed | CrmState::Merged => Decision::Pair { from: Side::Crm },
        CrmState::Out | CrmState::Unproved => Decision::Sleep,
        CrmState::Deleted | CrmState::MergedIntoLinked => Decision::End(EndReason::DeletedInCrm),
    }
}

fn half_mailbox(mailbox: MailboxState) -> Decision {
    match mailbox {
        MailboxState::Nowhere => Decision::Nothing,
        MailboxState::Same
        | MailboxState::Changed
        | MailboxState::Unmarked
        | MailboxState::UnmarkedChanged => Decision::Pair { from: Side::Mailbox },
        MailboxState::Out | MailboxState::Unproved => Decision::Sleep,
        MailboxState::Deleted => Decision::End(EndReason::DeletedInMailbox),
    }
}
