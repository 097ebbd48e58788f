//! What a cure that the user chose does to a link. The next session then does the rest.

use tandem_types::{IssueCure, Side, Timestamp};

use crate::link::{Base, EndReason, Intent, Link, LinkState};
use crate::model::LinkKey;

/// The link as it must be stored so that the next session does what the user chose; `None`: this cure changes no link.
///
/// An intent says what is owed. Where the link has no item: it is to be made. Where it has one, and the other side has
/// none: it is to be deleted. Where it has both: they are to be looked at again.
///
/// `key`: a new one. What is brought back carries it: by the old one the deleted item would be found, and taken for the
/// one that was made.
#[must_use]
pub fn cure(link: &Link, cure: IssueCure, now: Timestamp, key: LinkKey) -> Option<Link> {
    let mut cured = link.clone();
    cured.changed = now;
    match (cure, link.state) {
        (IssueCure::BringBack, LinkState::Ended(EndReason::DeletedInMailbox)) if link.crm_id.is_some() => {
            cured.state = LinkState::Live;
            cured.mailbox_id = None;
            cured.mailbox_version = None;
            cured.base = Base::default();
            cured.key = key;
            cured.intent = Some(Intent {
                side: Side::Mailbox,
                at: now,
            });
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
        (IssueCure::Retry, LinkState::Live | LinkState::Dormant) if link.intent.is_none() => {
            let side = if link.crm_id.is_none() {
                Side::Crm
            } else {
                Side::Mailbox
            };
            cured.state = LinkState::Live;
            cured.intent = Some(Intent { side, at: now });
        }
        _ => return None,
    }
    Some(cured)
}
