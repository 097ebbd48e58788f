//! Contacts.

use tandem_types::{DeletedInMailbox, Side};

use super::{CrmState, Decision, MailboxState, Terms, ended, unmark};
use crate::link::{EndReason, LinkState};
use crate::merge::may_write;

pub(super) fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    // Nothing of these is told of a contact.
    let mailbox = match mailbox {
        MailboxState::Cancelled | MailboxState::Past => MailboxState::Same,
        other => other,
    };
    match link {
        // Brought back by the user, while another's pair went on with the record.
        LinkState::Ended(EndReason::DeletedInMailbox)
            if mailbox.here() && crm == CrmState::MergedIntoLinked =>
        {
            Decision::EndMerged
        }
        LinkState::Ended(reason) => ended(reason, mailbox, crm),
        LinkState::Dormant => dormant(mailbox, crm),
        LinkState::Live => live(mailbox, crm, terms),
    }
}

fn dormant(mailbox: MailboxState, crm: CrmState) -> Decision {
    match (mailbox, crm) {
        (MailboxState::Deleted, c) if c.gone() => Decision::End(EndReason::DeletedOnBoth),
        (MailboxState::Deleted, _) => Decision::End(EndReason::DeletedInMailbox),
        (MailboxState::Unsynced, _) => Decision::End(EndReason::Unsynced),
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
        (MailboxState::Unsynced, _) => unmark(terms.direction, EndReason::Unsynced),

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
        // It is another record now, and more than was chosen; or it cannot be deleted now, and asleep nobody would know any
        // more that it was to be. The choice is the user's again.
        CrmState::Merged | CrmState::Out | CrmState::Unproved if terms.delete_asked => Decision::EndAndOffer,
        CrmState::Same | CrmState::Changed if terms.delete_asked => {
            if may_write(terms.direction).crm {
                Decision::Delete {
                    on: Side::Crm,
                    end: EndReason::DeletedOnBoth,
                }
            } else {
                // Nothing is deleted there any more: the choice is the user's again.
                Decision::EndAndOffer
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
        | MailboxState::UnmarkedChanged
        | MailboxState::Cancelled
        | MailboxState::Past => Decision::Pair { from: Side::Mailbox },
        MailboxState::Unsynced => Decision::End(EndReason::Unsynced),
        MailboxState::Out | MailboxState::Unproved => Decision::Sleep,
        MailboxState::Deleted => Decision::End(EndReason::DeletedInMailbox),
    }
}
