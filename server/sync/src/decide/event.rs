//! Events: who organises and who owns it decides what a delete means, and time puts to sleep.

use tandem_types::Side;

use super::{CrmState, Decision, MailboxState, Terms, ended, unmark};
use crate::link::{EndReason, LinkState};
use crate::merge::may_write;

pub(super) fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    match link {
        LinkState::Ended(reason) => ended(reason, mailbox, crm),
        LinkState::Dormant => dormant(mailbox, crm),
        LinkState::Live => live(mailbox, crm, terms),
    }
}

fn dormant(mailbox: MailboxState, crm: CrmState) -> Decision {
    match (mailbox, crm) {
        (MailboxState::Deleted, c) if c.gone() => Decision::End(EndReason::DeletedOnBoth),
        (MailboxState::Deleted, _) => Decision::End(EndReason::DeletedInMailbox),
        (_, c) if c.gone() => Decision::End(EndReason::DeletedInCrm),
        (MailboxState::Unsynced, _) => Decision::End(EndReason::Unsynced),
        (MailboxState::Cancelled, CrmState::Nowhere) => Decision::End(EndReason::Cancelled),
        (MailboxState::Nowhere, c) if c.here() => Decision::Pair { from: Side::Crm },
        (m, CrmState::Nowhere) if m.here() => Decision::Pair { from: Side::Mailbox },
        (m, c) if m.here() && c.here() => Decision::Merge { mark: m.unmarked() },
        // Over, or another's now: it stays asleep.
        _ => Decision::Nothing,
    }
}

fn live(mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    let writes = may_write(terms.direction);
    // The one who writes the record for the organisation.
    let writer = !terms.follower;
    match (mailbox, crm) {
        (MailboxState::Nowhere, _) => half_crm(crm, terms),
        (_, CrmState::Nowhere) => half_mailbox(mailbox),

        (MailboxState::Deleted, c) if c.gone() => Decision::End(EndReason::DeletedOnBoth),
        (MailboxState::Deleted, CrmState::Same | CrmState::Changed) => {
            if !writer || !terms.organizes {
                if writes.crm {
                    Decision::Decline
                } else {
                    Decision::End(EndReason::DeletedInMailbox)
                }
            } else if terms.history {
                Decision::End(EndReason::DeletedInMailbox)
            } else if crm == CrmState::Changed && writes.mailbox {
                Decision::Remake { on: Side::Mailbox }
            } else if writes.crm {
                Decision::Delete {
                    on: Side::Crm,
                    end: EndReason::DeletedInMailbox,
                }
            } else {
                Decision::End(EndReason::DeletedInMailbox)
            }
        }
        (MailboxState::Deleted, _) => Decision::End(EndReason::DeletedInMailbox),

        (MailboxState::Unproved, _) => Decision::Unproved { on: Side::Mailbox },

        (MailboxState::Unsynced, CrmState::Same | CrmState::Changed) if writes.crm => {
            if writer && terms.organizes {
                Decision::DeleteKeep {
                    end: EndReason::Unsynced,
                }
            } else {
                Decision::LetGo {
                    end: EndReason::Unsynced,
                }
            }
        }
        (MailboxState::Unsynced, _) => unmark(terms.direction, EndReason::Unsynced),
        (MailboxState::Cancelled, CrmState::Same | CrmState::Changed)
            if writes.crm && writer && !terms.history =>
        {
            Decision::DeleteKeep {
                end: EndReason::Cancelled,
            }
        }
        (MailboxState::Cancelled, c) if c.gone() => unmark(terms.direction, EndReason::DeletedInCrm),
        (MailboxState::Cancelled, _) => unmark(terms.direction, EndReason::Cancelled),

        (m, c) if c.gone() => deleted_in_crm(m, terms),

        (_, CrmState::Unproved) => Decision::Unproved { on: Side::Crm },
        (MailboxState::Past, CrmState::Changed) => Decision::Merge { mark: false },
        // No longer owner or invitee; or not to be seen by us any more; or over.
        (_, CrmState::Out) | (MailboxState::Out | MailboxState::Past, _) => Decision::Sleep,
        (MailboxState::Same, CrmState::Same) => Decision::Note,
        (m, _) => Decision::Merge { mark: m.unmarked() },
    }
}

fn deleted_in_crm(mailbox: MailboxState, terms: Terms) -> Decision {
    let writes = may_write(terms.direction);
    let own = terms.organizes && !terms.follower;
    if mailbox.changed() && own && writes.crm {
        return Decision::Remake { on: Side::Crm };
    }
    // What was in the mailbox first, or is somebody else's meeting, is not ours to throw away.
    if terms.born == Side::Mailbox || !own || mailbox.changed() || mailbox == MailboxState::Out {
        return unmark(terms.direction, EndReason::DeletedInCrm);
    }
    if writes.mailbox {
        Decision::Delete {
            on: Side::Mailbox,
            end: EndReason::DeletedInCrm,
        }
    } else {
        Decision::End(EndReason::DeletedInCrm)
    }
}

fn half_crm(crm: CrmState, terms: Terms) -> Decision {
    match crm {
        CrmState::Nowhere => Decision::Nothing,
        CrmState::Same | CrmState::Changed if terms.delete_asked => {
            if may_write(terms.direction).crm && !terms.follower {
                Decision::Delete {
                    on: Side::Crm,
                    end: EndReason::DeletedOnBoth,
                }
            } else {
                Decision::End(EndReason::DeletedInMailbox)
            }
        }
        CrmState::Same | CrmState::Changed => Decision::Pair { from: Side::Crm },
        CrmState::Out | CrmState::Unproved => Decision::Sleep,
        CrmState::Deleted | CrmState::Merged | CrmState::MergedIntoLinked => {
            Decision::End(EndReason::DeletedInCrm)
        }
    }
}

fn half_mailbox(mailbox: MailboxState) -> Decision {
    match mailbox {
        MailboxState::Nowhere => Decision::Nothing,
        MailboxState::Same
        | MailboxState::Changed
        | MailboxState::Unmarked
        | MailboxState::UnmarkedChanged => Decision::Pair { from: Side::Mailbox },
        MailboxState::Out | MailboxState::Unproved | MailboxState::Past => Decision::Sleep,
        MailboxState::Deleted => Decision::End(EndReason::DeletedInMailbox),
        MailboxState::Unsynced => Decision::End(EndReason::Unsynced),
        MailboxState::Cancelled => Decision::End(EndReason::Cancelled),
    }
}
