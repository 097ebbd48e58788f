//! Saves older mails, over a range of dates: a part of them with every session, beside the normal work, by the same
//! rules but for their age. It goes on where the last session's part ended, whatever happened in between: what was saved
//! by then is linked, and is not saved again.

use tandem_types::{ItemKind, Side};

use crate::fault::Fault;
use crate::hash::Hasher;
use crate::model::{Change, Cursor, ItemId, Snapshot, Want, Window};
use crate::ports::{Backfill, Closing, Commit, Lease, Opening, StoreError};
use crate::round::{Halt, Keeper, Round};
use crate::session::Context;
use crate::{FaultKind, aside};

/// Mails that one session looks at.
const CHUNK: usize = 200;

/// A part of a back-fill, on its way through a session.
#[derive(Debug)]
pub(crate) struct Chunk {
    before: Backfill,
    cursor: Cursor,
    more: bool,
    listed: Vec<ItemId>,
}

/// Reads the next part of a back-fill that is under way, as if its mails were news.
///
/// A reading that does not work is left to the next session: the normal work goes on. Only what concerns that work too
/// (a refused login, a server that asks for peace) ends the session.
pub(crate) async fn read(round: &mut Round<'_>) -> Result<Option<Chunk>, Halt> {
    let settings = &round.opening.settings;
    let Some(before) = round
        .opening
        .backfill
        .clone()
        .filter(|backfill| !backfill.finished)
    else {
        return Ok(None);
    };
    let wanted = settings.direction(ItemKind::Email).writes_crm() && round.opening.first_round_done;
    if !wanted || round.cx.dry_run {
        return Ok(None);
    }
    let want = round.want();
    match next(round, &want, &before).await {
        Ok(part) => {
            let facts = &mut round.facts.sides.mailbox;
            let mut listed = Vec::new();
            let mut before = before;
            if part.anew {
                (before.done, before.saved) = (0, 0);
            }
            for item in part.items {
                listed.push(item.id.clone());
                // What was reported in this session is newer.
                if !facts.news.contains(&item.id) {
                    facts.report(Change::Present(Box::new(item)));
                }
            }
            round.frame.backfilled.extend(listed.iter().cloned());
            Ok(Some(Chunk {
                before,
                cursor: part.cursor,
                more: part.more,
                listed,
            }))
        }
        Err(Halt::Fault(side, fault))
            if !matches!(
                fault.kind,
                FaultKind::Rejected
                    | FaultKind::SignInEnded
                    | FaultKind::RateLimited { .. }
                    // Who is asked to wait comes back no sooner, whatever else he wanted.
                    | FaultKind::Transient { retry_after: Some(_) }
            ) =>
        {
            tracing::warn!(side = side.as_str(), %fault, "this part of the back-fill waits for the next session");
            Ok(None)
        }
        Err(halt) => Err(halt),
    }
}

/// What was read of the range.
struct Part {
    items: Vec<Snapshot>,
    cursor: Cursor,
    more: bool,
    /// It begins with the range's first mail.
    anew: bool,
}

async fn next(round: &Round<'_>, want: &Want, before: &Backfill) -> Result<Part, Halt> {
    let window = Window {
        from: before.from,
        to: before.to,
    };
    let mut items = Vec::new();
    let mut cursor = before.cursor.clone();
    let mut anew = cursor.is_none();
    loop {
        let page = match round.cx.mailbox.history(window, want, cursor.as_ref()).await {
            Err(fault) if fault.kind == FaultKind::CursorExpired && !anew => {
                // From the beginning: what was saved by then is passed over.
                (cursor, anew) = (None, true);
                items.clear();
                continue;
            }
            page => page.map_err(|fault| Halt::Fault(Side::Mailbox, fault))?,
        };
        round.keeper.keep().await?;
        if page.more && cursor.as_ref() == Some(&page.cursor) {
            let stuck = Fault::transient("the history's cursor does not move although more is said to wait");
            return Err(Halt::Fault(Side::Mailbox, stuck));
        }
        items.extend(page.items.into_iter().filter_map(|change| match change {
            Change::Present(item) if item.record.kind == ItemKind::Email => Some(*item),
            _ => None,
        }));
        if !page.more || items.len() >= CHUNK {
            return Ok(Part {
                items,
                cursor: page.cursor,
                more: page.more,
                anew,
            });
        }
        cursor = Some(page.cursor);
    }
}

impl Chunk {
    /// Notes how far the back-fill is, with the round's last commit. True: there is more to do, soon.
    ///
    /// Not where something of the round was not found out: then this part comes once more.
    pub(crate) fn note(self, round: &Round<'_>, commit: &mut Commit) -> bool {
        if round.truncated() {
            return self.more;
        }
        // Also what a session saved that was cut off before it came to this: the part was listed once more.
        let saved = self
            .listed
            .iter()
            .filter_map(|id| round.links.of_item(Side::Mailbox, id))
            .filter(|link| link.crm_id.is_some() && link.changed >= self.before.started)
            .count();
        let add = |a: u32, b: usize| a.saturating_add(u32::try_from(b).unwrap_or(u32::MAX));
        let done = add(self.before.done, self.listed.len());
        commit.backfill = Some(Backfill {
            cursor: Some(self.cursor),
            done,
            // The estimate was one.
            total: if self.more {
                self.before.total.max(done)
            } else {
                done
            },
            saved: add(self.before.saved, saved),
            finished: !self.more,
            ..self.before
        });
        self.more
    }
}

/// What a back-fill would have to look at.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// About so many mails; `None`: the mail server did not answer.
    pub mails: Option<u32>,
    /// For giving the lease back: the session is not closed.
    pub closing: Closing,
}

/// About how many mails lie in a range of dates, in the folders that are looked at.
///
/// # Errors
/// The store's.
pub async fn estimate(cx: &Context<'_>, lease: Lease, window: Window) -> Result<Estimate, StoreError> {
    let opening = cx.store.open(&lease).await?;
    let want = want(cx, &opening, lease);
    Ok(match cx.mailbox.estimate(window, &want).await {
        Ok(mails) => Estimate {
            mails: Some(mails),
            closing: aside::closed(
                cx,
                &opening,
                tandem_types::SessionOutcome::Preview,
                Vec::new(),
                format!("estimate of a back-fill: {mails} mails"),
            ),
        },
        Err(fault) => Estimate {
            mails: None,
            closing: aside::broken(
                cx,
                &opening,
                (Side::Mailbox, &fault),
                false,
                Vec::new(),
                "estimate of a back-fill",
            ),
        },
    })
}

/// What a session of this connection would want.
fn want(cx: &Context<'_>, opening: &Opening, lease: Lease) -> Want {
    let keeper = Keeper::new(*cx, lease);
    let (hasher, org) = (Hasher::new(&opening.hash_key), Hasher::new(&opening.org_key));
    Round::new(*cx, &keeper, opening, &hasher, &org).want()
}
