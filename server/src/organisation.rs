//! What administrators order for many connections, carried out in waves; and what their page is made of.

use std::collections::HashSet;
use std::time::Duration;

use tandem_store::{ConnectionRow, OrgRunRow, Standing, StandingPick};
use tandem_sync::ports::StoreError;
use tandem_types::{
    ConnectionId, MeterView, OrgAct, OrgFault, OrgId, OrgRun, OrgRunState, SessionOutcome, StateReason,
    SyncState, Timestamp, UserId,
};

use crate::administrators;
use crate::app::App;
use crate::deactivation;
use crate::steering::{self, Woken};

/// Connections of one wave.
const WAVE: u32 = 25;
/// From this share of failures in a wave on, in percent, the rest is left alone.
const STOP_PERCENT: usize = 20;
/// Who failed is told by name for so many.
const FAULTS_SHOWN: usize = 50;
/// A wave that set sessions going is looked at when they have ended, or after so long.
const WAVE_PATIENCE: i64 = 120;
const LOOK: Duration = Duration::from_secs(2);

/// What became of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acted {
    Done,
    /// Nothing to do in its state.
    Passed,
    Failed(OrgFault),
}

/// The organisation's API calls in the last 24 hours, as Salesforce told it one of the replicas last.
pub(crate) async fn meter(app: &App, org: &OrgId) -> Result<Option<MeterView>, StoreError> {
    let quota = app.store.quota(org).await?;
    Ok(quota.map(|quota| MeterView {
        used: quota.used,
        limit: quota.limit,
        reserve: app.config.salesforce.api_reserve_percent.into(),
    }))
}

/// An order as the page shows it.
pub(crate) fn shown(run: OrgRunRow) -> OrgRun {
    OrgRun {
        id: run.id,
        act: run.act,
        by: if run.name.is_empty() {
            run.user_id.to_string()
        } else {
            run.name
        },
        state: run.state,
        total: run.total,
        done: run.done,
        passed: run.passed,
        failed: run.failed,
        faults: run.faults,
        started: run.started,
        updated: run.updated,
    }
}

/// Carries an order out to its end, in a task of its own: whoever closes the page does not break it off. `watcher`: the
/// administrator's own connection, whose open pages are told of each wave.
pub(crate) fn carry_out(app: &App, run: OrgRunRow, watcher: ConnectionId) -> tokio::task::JoinHandle<()> {
    let app = app.clone();
    tokio::spawn(async move {
        let id = run.id.clone();
        if let Err(error) = waves(&app, run, &watcher).await {
            // It stands as it was noted last, and is told to have broken off when it stays silent.
            tracing::error!(run = %id, %error, "an administrator's order broke off");
        }
        app.hub.changed(&watcher);
    })
}

async fn waves(app: &App, mut run: OrgRunRow, watcher: &ConnectionId) -> Result<(), StoreError> {
    let org = run.org_id.clone();
    let mut wave = next_wave(app, &run).await?;
    while !wave.is_empty() {
        // Halted, or taken over by another; and a long order outlives the right that began it.
        if !app.store.note_org_run(&run, app.clock.now()).await? {
            return Ok(());
        }
        if !is_administrator(app, &run).await? {
            run.state = OrgRunState::Halted;
            break;
        }
        let began = app.clock.now();
        let (woken, mut faults) = act_on_all(app, &mut run, &wave).await;
        run.after = wave.last().map(|of| of.user_id.clone());
        app.hub.wake_worker();
        // Noted before it is waited for: what was done is not done again by whoever goes on.
        if !app.store.note_org_run(&run, app.clock.now()).await? {
            return Ok(());
        }
        app.hub.changed(watcher);
        let reached = wave.len();
        wave = next_wave(app, &run).await?;
        if !wave.is_empty() && !woken.is_empty() {
            let later = outcomes(app, &run, &woken, began).await?;
            for (name, fault) in later {
                run.done = run.done.saturating_sub(1);
                run.failed = run.failed.saturating_add(1);
                note_fault(&mut run, name.clone(), fault);
                faults.push((name, fault));
            }
        }
        if faults.len() * 100 >= reached * STOP_PERCENT && !faults.is_empty() && !wave.is_empty() {
            run.state = OrgRunState::Failed;
            tracing::warn!(%org, run = %run.id, failed = faults.len(), of = reached, "an administrator's order stopped");
            break;
        }
        if app.stop.is_cancelled() {
            run.state = OrgRunState::BrokenOff;
            break;
        }
    }
    if run.state == OrgRunState::Running {
        run.state = OrgRunState::Done;
    }
    app.store.note_org_run(&run, app.clock.now()).await?;
    Ok(())
}

async fn is_administrator(app: &App, run: &OrgRunRow) -> Result<bool, StoreError> {
    let Some(row) = app.store.connection_of(&run.user_id).await? else {
        return Ok(false);
    };
    Ok(administrators::check(app, &row).await?.is_ok())
}

async fn next_wave(app: &App, run: &OrgRunRow) -> Result<Vec<Standing>, StoreError> {
    app.store
        .standing_page(
            &run.org_id,
            &run.target,
            run.after.as_ref(),
            WAVE,
            app.clock.now(),
        )
        .await
}

/// Those whose next session was set going, and those who failed.
async fn act_on_all(
    app: &App,
    run: &mut OrgRunRow,
    wave: &[Standing],
) -> (Vec<(ConnectionId, String)>, Vec<(String, OrgFault)>) {
    let (mut woken, mut faults) = (Vec::new(), Vec::new());
    for of in wave {
        let acted = match act_on(app, run, of).await {
            Ok(acted) => acted,
            Err(error) => {
                tracing::error!(connection = %of.id, %error, "an administrator's order was not carried out");
                Acted::Failed(OrgFault::Database)
            }
        };
        match acted {
            Acted::Done => {
                run.done = run.done.saturating_add(1);
                app.hub.changed(&of.id);
                if matches!(run.act, OrgAct::SyncNow | OrgAct::Resume) {
                    woken.push((of.id.clone(), name(of)));
                }
            }
            Acted::Passed => run.passed = run.passed.saturating_add(1),
            Acted::Failed(fault) => {
                run.failed = run.failed.saturating_add(1);
                note_fault(run, name(of), fault);
                faults.push((name(of), fault));
            }
        }
    }
    (woken, faults)
}

fn name(of: &Standing) -> String {
    if of.name.is_empty() {
        of.username.clone()
    } else {
        of.name.clone()
    }
}

fn note_fault(run: &mut OrgRunRow, name: String, fault: OrgFault) {
    if run.faults.len() < FAULTS_SHOWN {
        run.faults.push((name, fault));
    }
}

async fn act_on(app: &App, run: &OrgRunRow, of: &Standing) -> Result<Acted, StoreError> {
    // As it is now: the wave was read a moment ago.
    let row = app.store.connection(&of.id).await?;
    // Of this organisation: the wave was, and stays, as its rows' keys say; looked at again since all else rests on it.
    let Some(row) = row.filter(|row| row.org_id == run.org_id) else {
        return Ok(Acted::Passed);
    };
    let acted = match run.act {
        OrgAct::Pause => done_or_passed(steering::pause(app, &row).await?),
        OrgAct::Resume => done_or_passed(steering::start(app, &row).await?),
        OrgAct::SyncNow => sync_now(app, &row).await?,
        OrgAct::Deactivate => deactivate(app, run, &row).await?,
    };
    if acted == Acted::Done {
        // Who, and whose.
        let action = format!("administrator_{}", run.act.as_str());
        app.store
            .audit(
                &run.org_id,
                &run.user_id,
                &action,
                row.user_id.as_str(),
                app.clock.now(),
            )
            .await?;
    }
    Ok(acted)
}

const fn done_or_passed(done: bool) -> Acted {
    if done { Acted::Done } else { Acted::Passed }
}

async fn sync_now(app: &App, row: &ConnectionRow) -> Result<Acted, StoreError> {
    Ok(match steering::sync_now(app, row).await? {
        Woken::Due => Acted::Done,
        Woken::Refused => Acted::Failed(OrgFault::Refused),
        Woken::Braked => Acted::Failed(OrgFault::Braked),
        Woken::Off => match (row.state, row.reason) {
            (SyncState::NeedsActivation, Some(StateReason::MailServerRefused)) => {
                Acted::Failed(OrgFault::Refused)
            }
            (SyncState::NeedsActivation, _) => Acted::Failed(OrgFault::SignInNeeded),
            _ => Acted::Passed,
        },
    })
}

async fn deactivate(app: &App, run: &OrgRunRow, row: &ConnectionRow) -> Result<Acted, StoreError> {
    if matches!(row.state, SyncState::NotActivated | SyncState::Deactivated) {
        return Ok(Acted::Passed);
    }
    let by = format!("by administrator {}", run.user_id);
    deactivation::carry_out(app, (&row.org_id, &row.user_id, &row.id), &by).await?;
    Ok(Acted::Done)
}

/// Waits until the sessions that a wave set going have ended, within reason; those that failed.
async fn outcomes(
    app: &App,
    run: &OrgRunRow,
    woken: &[(ConnectionId, String)],
    began: Timestamp,
) -> Result<Vec<(String, OrgFault)>, StoreError> {
    let ids: Vec<ConnectionId> = woken.iter().map(|(id, _)| id.clone()).collect();
    loop {
        let ended = app.store.outcomes_since(&ids, began).await?;
        let known: HashSet<&ConnectionId> = ended.iter().map(|(id, _)| id).collect();
        let all = known.len() == ids.len();
        if all || app.stop.is_cancelled() || app.clock.now().seconds_since(began) > WAVE_PATIENCE {
            let name = |id: &ConnectionId| {
                woken
                    .iter()
                    .find(|(of, _)| of == id)
                    .map(|(_, name)| name.clone())
                    .unwrap_or_default()
            };
            return Ok(ended
                .iter()
                .filter_map(|(id, outcome)| Some((name(id), failure(*outcome)?)))
                .collect());
        }
        // Sessions may run in another process: the database is all that tells. So is a halt.
        tokio::select! {
            () = app.clock.sleep(LOOK) => {}
            () = app.stop.cancelled() => {}
        }
        if !app.store.note_org_run(run, app.clock.now()).await? {
            return Ok(Vec::new());
        }
    }
}

const fn failure(outcome: SessionOutcome) -> Option<OrgFault> {
    match outcome {
        SessionOutcome::Done | SessionOutcome::Partial | SessionOutcome::Preview => None,
        SessionOutcome::Rejected => Some(OrgFault::Refused),
        SessionOutcome::SignInEnded => Some(OrgFault::SignInNeeded),
        SessionOutcome::StoppedByBrake => Some(OrgFault::Braked),
        SessionOutcome::Failed => Some(OrgFault::Failed),
    }
}

/// Everybody whom `users` names, or whom a filter finds.
pub(crate) fn pick(
    verdict: Option<tandem_types::Verdict>,
    search: String,
    users: Vec<UserId>,
) -> StandingPick {
    StandingPick {
        verdict,
        search,
        users,
    }
}
