//! Takes out of the mailbox what Tandem made there, when the user deactivates the sync and wants that.

use std::collections::BTreeMap;

use tandem_types::{ItemKind, Side};

use super::deeds::Deed;
use super::{Undo, UndoReport, Work};
use crate::hash::Hasher;
use crate::link::{Link, LinkState};
use crate::ports::{Lease, LinkAsk, StoreError};
use crate::round::Keeper;
use crate::session::Context;

/// Moves the contacts, events and tasks that Tandem made in the mailbox to its Deleted Items, as a session of its own
/// under `lease`. What the user has changed and no session has carried over is left, and said; what was
/// in the mailbox first, and every mail, is not looked at. Salesforce is not written to. The pairs sleep: a later
/// activation makes the items anew.
///
/// Nothing that it does makes a server send mail. It can be repeated, and can itself be undone, as any session. The
/// session is not closed: when the next one is due is the caller's to say.
///
/// # Errors
/// The store's, as [`crate::session::run`]. A side's fault ends it and stands in the closing.
pub async fn clear(cx: &Context<'_>, lease: Lease) -> Result<UndoReport, StoreError> {
    let opening = cx.store.open(&lease).await?;
    let links = cx.store.links(&lease, &LinkAsk::All).await?;
    let mut deeds: Vec<Deed> = links.iter().filter_map(made_here).collect();
    // The same order again after a stop.
    deeds.sort_by(|a, b| a.link.cmp(&b.link));
    let keeper = Keeper::new(*cx, lease);
    let hasher = Hasher::new(&opening.hash_key);
    let work = Work {
        name: "clear",
        then: LinkState::Dormant,
    };
    Undo::new(*cx, &keeper, (&opening, &hasher), links, work)
        .run(&deeds)
        .await
}

/// The making of the link's mailbox item, as a session would have noted it that ended with what was agreed on last.
fn made_here(link: &Link) -> Option<Deed> {
    let stands = matches!(link.state, LinkState::Live | LinkState::Dormant);
    if link.kind == ItemKind::Email || link.made_on != Some(Side::Mailbox) || !stands {
        return None;
    }
    Some(Deed {
        link: link.id.clone(),
        kind: link.kind,
        side: Side::Mailbox,
        item: link.mailbox_id.clone()?,
        created: true,
        deleted: false,
        old: BTreeMap::new(),
        wrote: link.base.mailbox.clone(),
    })
}
