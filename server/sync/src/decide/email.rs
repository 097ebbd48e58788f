//! Emails: saved once, and left alone ever after.

use tandem_types::Side;

use super::{CrmState, Decision, MailboxState};
use crate::link::{EndReason, LinkState};

pub(super) fn decide(link: LinkState, mailbox: MailboxState, crm: CrmState) -> Decision {
    match (link, mailbox, crm) {
        (LinkState::Ended(_), _, _) => Decision::Nothing,
        (_, MailboxState::Deleted, CrmState::Nowhere) => Decision::End(EndReason::DeletedInMailbox),
        (_, MailboxState::Unsynced, CrmState::Nowhere) => Decision::End(EndReason::Unsynced),
        (_, m, CrmState::Nowhere) if m.here() || m == MailboxState::Past => {
            Decision::Pair { from: Side::Mailbox }
        }
        (_, _, c) if c.gone() => Decision::End(EndReason::DeletedInCrm),
        (LinkState::Live, m, CrmState::Same | CrmState::Changed) if m.here() => Decision::Note,
        _ => Decision::Nothing,
    }
}
