//! The last session of a connection whose user wants out of the mailbox what Tandem made there: then it is deactivated.

use tandem_store::ConnectionRow;
use tandem_sync::ports::{Lease, Store as _, StoreError};
use tandem_sync::session::{Context, Report};
use tandem_sync::undo::{LeftReason, UndoReport, clear};
use tandem_types::SessionOutcome;

use crate::app::App;
use crate::deactivation;

/// What could not be finished, or of which nobody knows, is tried again this soon.
const AGAIN_SECONDS: i64 = 120;

/// Clears the mailbox, closes the session, and deactivates the connection once nothing is left to do. A fault is tried
/// again as any session's is. A dry run only counts.
pub(super) async fn run(
    app: &App,
    lease: &Lease,
    row: &ConnectionRow,
    context: &Context<'_>,
) -> Result<Report, StoreError> {
    let mut done = clear(context, lease.clone()).await?;
    let finished = finished(&done);
    if !context.dry_run {
        let went = matches!(
            done.closing.outcome,
            SessionOutcome::Done | SessionOutcome::Partial
        );
        if went && !finished {
            done.closing.next_due = Some(app.clock.now().plus_seconds(AGAIN_SECONDS));
        }
        app.store.close(lease, done.closing.clone()).await?;
        let now = app.store.connection(&row.id).await?;
        // Not if the user has thought better of it meanwhile.
        if finished && now.is_some_and(|now| now.clearing) {
            let detail = format!("items removed: {}, left: {}", done.undone, done.left.len());
            deactivation::carry_out(app, (&row.org_id, &row.user_id, &row.id), &detail).await?;
        }
    }
    Ok(Report {
        closing: done.closing,
        issues: 0,
        lines: Vec::new(),
        whole_org: done.whole_org,
    })
}

/// What is left is left for good.
fn finished(done: &UndoReport) -> bool {
    let open = |reason| matches!(reason, LeftReason::InDoubt | LeftReason::NotReached);
    done.closing.outcome == SessionOutcome::Done && !done.left.iter().any(|left| open(left.reason))
}
