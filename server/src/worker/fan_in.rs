//! One question to Salesforce for all connections of an organisation, by its integration user; and what a session makes of
//! the answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tandem_crm::{Glance, Told};
use tandem_store::{ConnectionRow, IntegrationRow};
use tandem_sync::fan_in::{self, Answer, Question, Standing, Verdict};
use tandem_sync::ports::{LinkAsk, StoreError};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{IntegrationTrouble, OrgId, SyncState, Timestamp, UserId};
use tokio::sync::{OnceCell, OwnedMutexGuard};

use crate::app::App;
use crate::integration;

/// For so long nobody else of the replicas asks: longer than a refresh and all pages take.
const TURN: Duration = Duration::from_mins(10);
/// So long a session waits for the answer, before it asks by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failure nobody tries before.
const AGAIN_SECONDS: i64 = 300;
/// Further pages of one answer, at most: never more requests than the connections' own questions would be.
const MOST_PAGES: u32 = 10;

/// Within this process sessions wait for each other's question, and share its answer.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<BTreeMap<OrgId, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    async fn take(&self, org: &OrgId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever asks, or waits for it, holds one of its own: the others' turns are over.
            all.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(all.entry(org.clone()).or_default())
        };
        turn.lock_owned().await
    }
}

/// Nothing has failed or stopped it, and nothing that somebody ordered waits for its next round.
fn in_step(row: &ConnectionRow) -> bool {
    row.state == SyncState::Active
        && row.reason.is_none()
        && row.rejections == 0
        && row.failures == 0
        && !row.released
        && !row.clearing
        && row.preview.is_none()
        && row.brake.is_none()
        && row.backfill.as_ref().is_none_or(|backfill| backfill.finished)
}

/// The answer after a question that goes on whether the session waits for it or not: a refresh of the grant must not be
/// broken off.
async fn asked_anew(app: &App, row: IntegrationRow, needed: Timestamp) -> Option<Answer> {
    let this = app.clone();
    let asking = tokio::spawn(async move { tick(&this, &row, needed).await });
    tokio::select! {
        asked = asking => match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(%error, "what the integration user told is not stored");
                None
            }
            Err(error) => {
                tracing::error!(%error, "a question of the integration user broke off");
                None
            }
        },
        () = app.clock.sleep(PATIENCE) => None,
    }
}

/// The first question of a user who has just been connected: whether it can tell stands with it afterwards.
pub(crate) async fn first(app: &App, org: &OrgId) {
    match app.store.integration(org).await {
        Ok(Some(row)) => drop(asked_anew(app, row, app.clock.now()).await),
        Ok(None) => {}
        Err(error) => tracing::debug!(%org, %error, "the integration user was not tried"),
    }
}

/// Asks, unless somebody has since `needed`, or is at it, or it failed a moment ago. `None`: there is no answer that new.
///
/// # Errors
/// The store's.
async fn tick(app: &App, row: &IntegrationRow, needed: Timestamp) -> Result<Option<Answer>, StoreError> {
    let org = &row.org;
    let _turn = app.turns.take(org).await;
    // As it stands now: somebody may have asked while this one waited.
    let Some((row, before)) = app.store.told(org).await? else {
        return Ok(None);
    };
    if before.as_ref().is_some_and(|before| before.asked >= needed) {
        return Ok(before);
    }
    let now = app.clock.now();
    // Connected anew it is tried at once; until then nothing comes of it.
    if matches!(row.trouble, Some((IntegrationTrouble::SignInEnded, _))) {
        return Ok(None);
    }
    let Some(number) = app.store.begin_tick(org, now, TURN).await? else {
        return Ok(None);
    };
    let from = fan_in::ask_from(before.as_ref(), now);
    let connections = app.store.org(org, now).await?.map_or(0, |org| org.active);
    let pages = usize::try_from(connections.min(MOST_PAGES)).unwrap_or(0);
    let glance = integration::salesforce(app, &row)
        .touched_since(from, pages)
        .await;
    let told = |until, touched| fan_in::Told {
        number,
        asked: now,
        from,
        until,
        touched,
    };
    let told = match glance {
        Ok(Glance::Seen { until, touched }) => told(until, Some(touched)),
        Ok(Glance::TooMuch { until }) => {
            tracing::info!(%org, "more has changed than was worth reading: each connection asks by itself");
            told(until, None)
        }
        Ok(Glance::TooLittle) => return failed(app, org, number, IntegrationTrouble::SeesTooLittle).await,
        Err(fault) => {
            tracing::info!(%org, %fault, "the integration user does not tell what has changed");
            return failed(app, org, number, trouble(&fault)).await;
        }
    };
    let answer = Answer::after(before, told);
    match app
        .store
        .end_tick(org, number, Ok(&answer), app.clock.now())
        .await
    {
        Ok(()) => {}
        // Another user is connected by now, or none.
        Err(StoreError::LeaseLost) => return Ok(None),
        Err(error) => return Err(error),
    }
    wake(app, org, &answer).await?;
    Ok(Some(answer))
}

async fn failed(
    app: &App,
    org: &OrgId,
    number: i64,
    trouble: IntegrationTrouble,
) -> Result<Option<Answer>, StoreError> {
    let now = app.clock.now();
    let again = now.plus_seconds(AGAIN_SECONDS);
    match app.store.end_tick(org, number, Err((trouble, again)), now).await {
        Ok(()) | Err(StoreError::LeaseLost) => Ok(None),
        Err(error) => Err(error),
    }
}

fn trouble(fault: &Fault) -> IntegrationTrouble {
    match fault.kind {
        FaultKind::SignInEnded => IntegrationTrouble::SignInEnded,
        FaultKind::Transient { .. } | FaultKind::RateLimited { .. } => IntegrationTrouble::NoAnswer,
        _ => IntegrationTrouble::Refused,
    }
}

/// Whose records or invitations are among what is new need not wait for their own time.
async fn wake(app: &App, org: &OrgId, answer: &Answer) -> Result<(), StoreError> {
    let concerned: Vec<(UserId, Timestamp)> = answer
        .concerned()
        .into_iter()
        .filter_map(|(who, stamp)| Some((who.parse().ok()?, stamp)))
        .collect();
    // As old as the question: their sessions need no newer answer.
    let woken = app.store.wake_concerned(org, &concerned, answer.asked).await?;
    if woken > 0 {
        tracing::debug!(%org, woken, "due, for something of theirs has changed in Salesforce");
        app.hub.wake_worker();
    }
    Ok(())
}

/// What a session of this connection is told. Nothing is asked or read before the session wants to know.
pub(super) fn teller(app: &App, row: &ConnectionRow) -> Arc<dyn Told> {
    Arc::new(Teller {
        app: app.clone(),
        row: row.clone(),
        // Without an integration user all this costs no statement.
        answer: if row.integrated {
            OnceCell::new()
        } else {
            OnceCell::new_with(Some(None))
        },
    })
}

/// One session, and the answer that was there when it first wanted one.
struct Teller {
    app: App,
    row: ConnectionRow,
    answer: OnceCell<Option<Answer>>,
}

impl Teller {
    /// The answer as it stands; where the session needs a newer one, it is asked for.
    async fn answer(&self, needed: Option<Timestamp>) -> Option<&Answer> {
        let found = async {
            let org = &self.row.org_id;
            match self.app.store.told(org).await {
                Ok(Some((_, Some(answer)))) if needed.is_none_or(|needed| answer.asked >= needed) => {
                    Some(answer)
                }
                Ok(Some((row, _))) => asked_anew(&self.app, row, needed?).await,
                Ok(None) => None,
                Err(error) => {
                    // The session itself meets the same database.
                    tracing::debug!(%org, %error, "what the integration user told is not known");
                    None
                }
            }
        };
        self.answer.get_or_init(|| found).await.as_ref()
    }

    async fn judge(&self, question: &Question) -> Result<Option<Timestamp>, StoreError> {
        let row = &self.row;
        let now = self.app.clock.now();
        let (store, id) = (&self.app.store, &row.id);
        if !row.integrated {
            return Ok(None);
        }
        let needed = fan_in::needed(now, row.next_due, row.last_success, row.settings.interval_minutes);
        let standing = Standing {
            needed,
            first_round_done: row.first_round_done,
            in_step: in_step(row),
            pending: !store.links_of(id, &LinkAsk::Pending).await?.is_empty(),
        };
        // Who asks anyway is no reason to ask for all.
        let spared = fan_in::asks_anyway(&standing, question).is_none();
        let answer = self.answer(spared.then_some(needed)).await;
        match fan_in::judge(answer, &standing, question) {
            Verdict::Ask(why) => {
                tracing::debug!(connection = %id, ?why, "asks Salesforce by itself");
                Ok(None)
            }
            Verdict::Unless(others) => {
                let ask = LinkAsk::Of {
                    mailbox: Vec::new(),
                    crm: others,
                    keys: Vec::new(),
                };
                let none = store.links_of(id, &ask).await?.is_empty();
                Ok(answer.filter(|_| none).map(|answer| answer.until))
            }
        }
    }
}

#[async_trait]
impl Told for Teller {
    async fn number(&self) -> i64 {
        self.answer(None).await.map_or(0, |answer| answer.number)
    }

    async fn quiet(&self, question: &Question) -> Option<Timestamp> {
        self.judge(question).await.unwrap_or_else(|error| {
            tracing::debug!(connection = %self.row.id, %error, "what is linked is not known");
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_that_are_over_are_forgotten() {
        let turns = Turns::default();
        let [one, two] = ["00D000000000001AAA", "00D000000000002AAA"].map(|id| id.parse().unwrap());
        let kept = || turns.0.lock().unwrap().keys().cloned().collect::<Vec<OrgId>>();
        let first = turns.take(&one).await;
        drop(turns.take(&two).await);
        let mut waiting = Box::pin(turns.take(&one));
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(kept(), std::slice::from_ref(&one), "the other's is over");
        drop(first);
        let second = waiting.await;
        drop(turns.take(&two).await);
        assert_eq!(kept(), [one, two.clone()], "it is still somebody's");
        drop(second);
        drop(turns.take(&two).await);
        assert_eq!(kept(), [two]);
    }
}
