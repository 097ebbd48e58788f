//! Writes that come to nothing, again and again: sent with fewer others, then alone, ever less often, and told.

use tandem_types::{IssueCode, Side, Timestamp};

use super::{Applied, Work, refused};
use crate::FaultKind;
use crate::link::Link;
use crate::model::{Outcome, Refusal};
use crate::mutant::{self, Mutant};
use crate::plan::{Job, Step, name_of, title};
use crate::ports::Commit;
use crate::round::{Halt, Round};

/// After so many attempts an item is sent alone: what fails then fails for itself.
const ALONE_AFTER: u8 = 3;
/// After so many, five of them alone, the user is told, and no session hurries for it.
const TELL_AFTER: u8 = 8;
/// After so many, an attachment is left out.
const FILES_MAX: u8 = 5;
/// Faults of single items in one session that are taken for theirs. More are the server's.
const OWN_FAULTS: u8 = 3;
const FIRST_WAIT_SECONDS: i64 = 120;
const LONGEST_WAIT_SECONDS: i64 = 6 * 3600;

/// How long the next attempt waits after so many.
pub(super) fn wait(attempts: u8) -> i64 {
    let doubled = u32::from(attempts.saturating_sub(1)).min(16);
    (FIRST_WAIT_SECONDS << doubled).min(LONGEST_WAIT_SECONDS)
}

/// Once more in vain. The first time, the session's own wait is enough.
fn failed(link: &mut Link, now: Timestamp) {
    let attempts = link.traits.attempts.saturating_add(1);
    link.traits.attempts = attempts;
    link.traits.not_before = (attempts > 1).then(|| now.plus_seconds(wait(attempts)));
}

pub(super) fn succeeded(link: &mut Link) {
    link.traits.attempts = 0;
    link.traits.not_before = None;
}

/// Attachments of something that was saved are still on their way: its attempts are theirs.
pub(super) fn owes_files(link: &Link) -> bool {
    link.traits.files_owed && link.crm_id.is_some()
}

/// Not yet.
pub(super) fn is_held(job: &Job, now: Timestamp) -> bool {
    let theirs = owes_files(&job.link) == matches!(job.step, Step::Attach);
    theirs && !matches!(job.step, Step::Note) && job.link.traits.not_before.is_some_and(|then| then > now)
}

/// With how many others an item may be sent.
fn together(batch: usize, attempts: u8) -> usize {
    if attempts >= ALONE_AFTER {
        1
    } else {
        (batch >> (3 * attempts)).max(1)
    }
}

/// So many of the first may be sent together.
pub(super) fn next_chunk(works: &[&mut Work], batch: usize) -> usize {
    let attempts = |work: &Work| work.job.link.traits.attempts;
    let Some(first) = works.first().map(|work| attempts(work)) else {
        return 0;
    };
    works
        .iter()
        .take(together(batch, first))
        .take_while(|work| attempts(work) == first)
        .count()
}

/// Those that never failed first, in full batches. Kind by kind: the mailbox takes them folder by folder, and reads them
/// back with other fields for each kind.
pub(super) fn chunks<'s, 'w>(works: &'s mut [&'w mut Work], batch: usize) -> Vec<&'s mut [&'w mut Work]> {
    works.sort_by_key(|work| (work.job.link.traits.attempts, work.job.link.kind));
    let mut chunks = Vec::new();
    let mut rest = works;
    while !rest.is_empty() {
        let n = next_chunk(rest, batch);
        let (chunk, later) = rest.split_at_mut(n);
        chunks.push(chunk);
        rest = later;
    }
    chunks
}

/// Attachments could not be put. True: they are left out from now on.
pub(super) fn files_failed(link: &mut Link, now: Timestamp) -> bool {
    failed(link, now);
    link.traits.not_before = Some(now.plus_seconds(wait(link.traits.attempts)));
    link.traits.attempts >= FILES_MAX
}

/// The fault of one request, not of the whole session.
pub(super) fn may_be_own(kind: FaultKind) -> bool {
    matches!(
        kind,
        FaultKind::Transient { .. }
            | FaultKind::Invalid
            | FaultKind::NotFound
            | FaultKind::Conflict
            | FaultKind::Fatal
    )
}

impl Applied {
    /// A fault of a single item. False: there are too many for that.
    pub(super) fn takes_fault(&mut self) -> bool {
        self.own_faults = self.own_faults.saturating_add(1);
        self.own_faults <= OWN_FAULTS
    }
}

impl Round<'_> {
    /// Nobody knows what became of a write, or it came to nothing: the next session looks, and tries again.
    pub(super) fn in_vain(&mut self, job: &mut Job, commit: &mut Commit, applied: &mut Applied) {
        failed(&mut job.link, self.cx.clock.now());
        let attempts = job.link.traits.attempts;
        if attempts < TELL_AFTER {
            applied.doubt(wait(attempts));
            return;
        }
        let (side, item) = name_of(&job.link);
        let name = Side::BOTH
            .into_iter()
            .find_map(|side| job.saw.on(side).as_deref())
            .map(|item| title(&item.record))
            .unwrap_or_default();
        let refusal = Refusal {
            code: IssueCode::Refused,
            message: String::new(),
            fields: Vec::new(),
            retry: true,
        };
        let draft = refused(job.link.kind, (side, &item), name, refusal);
        self.raise(draft, commit, applied);
    }

    /// A request was refused as a whole: the next goes out with fewer. Of one that was alone already it is the item's
    /// own matter, and the session goes on.
    pub(super) async fn spoilt(
        &mut self,
        side: Side,
        works: &mut [&mut Work],
        halt: Halt,
        applied: &mut Applied,
    ) -> Result<Vec<Outcome>, Halt> {
        let Halt::Fault(_, fault) = &halt else {
            return Err(halt);
        };
        if !may_be_own(fault.kind) || mutant::on(Mutant::PoisonEnds) {
            return Err(halt);
        }
        let alone = works.len() == 1
            && works
                .iter()
                .all(|work| work.job.link.traits.attempts >= ALONE_AFTER);
        if alone && applied.takes_fault() {
            tracing::info!(side = side.as_str(), fault = %fault, "one item cannot be written");
            return Ok(vec![Outcome::InDoubt]);
        }
        let mut commit = Commit::default();
        let now = self.cx.clock.now();
        for work in works {
            work.job.choose_again();
            let link = &mut work.job.link;
            failed(link, now);
            if matches!(work.job.step, Step::Make { .. }) {
                self.keep(&work.job.link, &mut commit);
            } else {
                self.owe(&work.job.link, side, &mut commit);
            }
        }
        self.commit(commit).await?;
        Err(halt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_fails_gets_smaller_until_each_item_is_alone() {
        let sizes: Vec<usize> = (0..6).map(|attempts| together(200, attempts)).collect();
        assert_eq!(sizes, [200, 25, 3, 1, 1, 1]);
        assert_eq!(together(1, 1), 1);
        assert_eq!(together(20, 255), 1);
    }

    #[test]
    fn the_wait_doubles_up_to_six_hours() {
        let waits: Vec<i64> = (0..9).map(wait).collect();
        assert_eq!(waits, [120, 120, 240, 480, 960, 1920, 3840, 7680, 15360]);
        assert_eq!(wait(255), 6 * 3600);
    }
}
