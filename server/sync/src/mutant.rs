//! Deliberate bugs, for proving that the simulation finds them. A build without the feature `mutants` contains none.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

mutants! {
    /// The store commits without looking at the fence.
    SkipFence = "skip-fence",
    /// Cursors are committed before the effects of what they pass.
    CursorFirst = "cursor-first",
    /// A create carries a fresh key each time.
    ForgetKey = "forget-key",
    /// An email or a meeting is made without the organisation's claim.
    SkipClaim = "skip-claim",
    /// A conflict is won by the other side.
    SwapMerge = "swap-merge",
    /// A link that ended is dropped.
    DropTombstone = "drop-tombstone",
    /// An item that is no longer listed is taken for deleted.
    AbsentIsDeleted = "absent-is-deleted",
    /// A record that the user may no longer see is taken for deleted.
    UnsharedIsDeleted = "unshared-is-deleted",
    /// An unknown value is taken for an empty one.
    UnknownIsEmpty = "unknown-is-empty",
    /// Whole days are shifted by a zone.
    ShiftAllDay = "shift-all-day",
    /// A new version without a new value is taken for a change.
    VersionIsChange = "version-is-change",
    /// What a mapping lost travels back.
    LossTravelsBack = "loss-travels-back",
    /// Events outside of the window are saved too.
    IgnoreWindow = "ignore-window",
    /// A meeting's create sends its invitations.
    SendInvitation = "send-invitation",
    /// The subject of a private event is saved.
    LeakPrivate = "leak-private",
    /// A record that is linked already is adopted again.
    AdoptLinked = "adopt-linked",
    /// What is filled is overwritten when two items are paired.
    OverwriteOnAdopt = "overwrite-on-adopt",
    /// No intent is committed before a create.
    SkipIntent = "skip-intent",
    /// A write whose answer was lost is taken for done.
    DoubtIsDone = "doubt-is-done",
    /// A write whose answer was lost is sent again.
    DoubtIsRepeated = "doubt-is-repeated",
    /// Updates are sent without asking for the version.
    IgnoreVersion = "ignore-version",
    /// The base is moved to what was sent, not to what was read back.
    BaseIsSent = "base-is-sent",
    /// The base is not moved after a write.
    BaseStays = "base-stays",
    /// A delete beats an edit.
    DeleteBeatsEdit = "delete-beats-edit",
    /// Deletes are sent without another look.
    DeleteUnseen = "delete-unseen",
    /// The brake looks away.
    NoBrake = "no-brake",
    /// An item that one session made is made again when the mailbox lost its category.
    UnmarkedIsGone = "unmarked-is-gone",
    /// The lease is never looked at.
    SkipLease = "skip-lease",
    /// The second candidate of several is adopted.
    FirstOfSeveral = "first-of-several",
    /// A value that lost a conflict is not written to the journal.
    ForgetJournal = "forget-journal",
    /// A follower writes the meeting's fields.
    FollowerWrites = "follower-writes",
    /// Turning a direction off deletes what was synced.
    OffDeletes = "off-deletes",
    /// A page of changes that is truncated moves the cursor past it.
    TruncatedIsDone = "truncated-is-done",
    /// An event that left the window is deleted.
    WindowDeletes = "window-deletes",
    /// *Salesforce Unsync* is ignored.
    IgnoreUnsync = "ignore-unsync",
    /// A poisoned item ends the session.
    PoisonEnds = "poison-ends",
    /// Mail of a blocked address is saved.
    IgnoreBlocklist = "ignore-blocklist",
    /// Of several records that have an address, the one that is answered first is meant.
    FirstAnswered = "first-answered",
    /// What was deleted on one side is made again there, edited or not.
    DeleteIsUndone = "delete-is-undone",
    /// A mark that was never off asks for a record that somebody deleted.
    MarkIsAsking = "mark-is-asking",
    /// A value that cannot be read is taken for an edit that a delete has not seen.
    HiddenIsEdited = "hidden-is-edited",
    /// A create whose answer was lost takes nothing that was edited since.
    EditedIsNobodys = "edited-is-nobodys",
    /// Undo overwrites what was changed since.
    UndoBlindly = "undo-blindly",
}

#[cfg(feature = "mutants")]
mod switch {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::Mutant;

    thread_local! {
        static SEEN: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
        static HITS: Cell<u64> = const { Cell::new(0) };
    }

    /// Switches one bug on for this thread, or all off.
    pub fn switch(mutant: Option<Mutant>) {
        ACTIVE.set(mutant);
        HITS.set(0);
    }

    /// How often the bug's place was reached since it was switched on.
    pub fn hits() -> u64 {
        HITS.get()
    }

    /// Counts that a place was reached, for this thread.
    pub fn count(what: impl FnOnce() -> String) {
        SEEN.with_borrow_mut(|seen| *seen.entry(what()).or_default() += 1);
    }

    /// What was counted since the last time.
    pub fn counted() -> BTreeMap<String, u64> {
        SEEN.take()
    }

    /// Whether this bug is on.
    pub fn on(mutant: Mutant) -> bool {
        let on = ACTIVE.get() == Some(mutant);
        if on {
            HITS.set(HITS.get() + 1);
        }
        on
    }
}

#[cfg(not(feature = "mutants"))]
mod switch {
    use super::Mutant;

    /// Whether this bug is on: never.
    #[inline]
    pub const fn on(_: Mutant) -> bool {
        false
    }

    /// Counts nothing.
    #[inline]
    pub fn count(_: impl FnOnce() -> String) {}
}

pub use switch::*;
