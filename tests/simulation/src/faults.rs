//! What goes wrong, and when.

use std::time::Duration;

use tandem_sync::FaultKind;
use tandem_types::Side;

/// A call of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Profile,
    Changes,
    Read,
    /// A read of items whose other half is gone: the last look before they are deleted, perhaps.
    LastLook,
    Fates,
    Candidates,
    Created,
    Restore,
    Rivals,
    Write,
    Prepare,
    Messages,
    History,
    Known,
    Attach,
    Commit,
    Links,
}

impl Op {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Changes => "changes",
            Self::Read => "read",
            Self::LastLook => "last look",
            Self::Fates => "fates",
            Self::Candidates => "candidates",
            Self::Created => "created",
            Self::Restore => "restore",
            Self::Rivals => "rivals",
            Self::Write => "write",
            Self::Prepare => "prepare",
            Self::Messages => "messages",
            Self::History => "history",
            Self::Known => "known",
            Self::Attach => "attach",
            Self::Commit => "commit",
            Self::Links => "links",
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woe {
    Transient,
    /// With a hint of so many minutes.
    Busy(u64),
    Limited(u64),
    WholeOrg(u64),
    Rejected,
    SignInEnded,
    CursorExpired,
    /// The request is lost before it has an effect, or its answer after.
    Lost {
        effect: bool,
    },
    /// A part of the batch takes effect.
    LostHalf,
    /// A user edits an item of the batch just before.
    Meddle,
    /// Row locked: may work later.
    Locked,
    /// The database is away for a moment.
    Store,
}

impl Woe {
    pub const ALL: [Self; 13] = [
        Self::Transient,
        Self::Busy(7),
        Self::Limited(11),
        Self::WholeOrg(13),
        Self::Rejected,
        Self::SignInEnded,
        Self::CursorExpired,
        Self::Lost { effect: true },
        Self::Lost { effect: false },
        Self::LostHalf,
        Self::Meddle,
        Self::Locked,
        Self::Store,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Busy(_) => "busy",
            Self::Limited(_) => "limited",
            Self::WholeOrg(_) => "whole-org",
            Self::Rejected => "rejected",
            Self::SignInEnded => "sign-in-ended",
            Self::CursorExpired => "cursor-expired",
            Self::Lost { effect: true } => "lost-after",
            Self::Lost { effect: false } => "lost-before",
            Self::LostHalf => "lost-half",
            Self::Meddle => "meddle",
            Self::Locked => "locked",
            Self::Store => "store",
        }
    }

    /// The fault of a call that simply fails.
    pub fn kind(self) -> Option<FaultKind> {
        let minutes = |n: u64| Some(Duration::from_mins(n));
        Some(match self {
            Self::Transient => FaultKind::Transient { retry_after: None },
            Self::Busy(n) => FaultKind::Transient {
                retry_after: minutes(n),
            },
            Self::Limited(n) => FaultKind::RateLimited {
                retry_after: minutes(n),
                whole_org: false,
            },
            Self::WholeOrg(n) => FaultKind::RateLimited {
                retry_after: minutes(n),
                whole_org: true,
            },
            Self::Rejected => FaultKind::Rejected,
            Self::SignInEnded => FaultKind::SignInEnded,
            Self::CursorExpired => FaultKind::CursorExpired,
            _ => return None,
        })
    }
}

/// A woe that waits for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// `None`: the store.
    pub side: Option<Side>,
    /// `None`: any call.
    pub op: Option<Op>,
    /// So many such calls pass unharmed before.
    pub after: u32,
    pub woe: Woe,
}
