//! Tasks: as contacts, but for what is history, and what leaves the scope is never taken away.

use tandem_types::ItemKind;

use super::{CrmState, Decision, MailboxState, Terms, contact};
use crate::link::{EndReason, LinkState};

pub(super) fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState, terms: Terms) -> Decision {
    let terms = Terms {
        kind: ItemKind::Task,
        untouched: false,
        ..terms
    };
    match (link, mailbox, crm) {
        // Completed long ago: it is left as it is on both sides.
        (LinkState::Live, MailboxState::Past, CrmState::Same | CrmState::Nowhere) => Decision::Sleep,
        (LinkState::Dormant, MailboxState::Past, c) if !c.gone() => Decision::Nothing,
        (LinkState::Live, MailboxState::Deleted, CrmState::Same) if terms.history => {
            Decision::End(EndReason::DeletedInMailbox)
        }
        (_, MailboxState::Past, c) => contact::decide(link, MailboxState::Same, c, terms),
        _ => contact::decide(link, mailbox, crm, terms),
    }
}
