//! Tells users by mail that their sync broke: once, and not again until it was well.

use std::time::Duration;

use tandem_app::text::mail::Broken;
use tandem_app::text::{Lang, speaking};
use tandem_store::{Trouble, TroubleMail};
use tandem_sync::ports::StoreError;
use tandem_types::Timestamp;

use crate::app::App;
use crate::mail::{Mail, Mailer, own_host};

/// How often the database is asked what there is to tell.
const LOOK: Duration = Duration::from_secs(10);
/// So long a mail is one process's to send.
const CLAIM_SECONDS: i64 = 600;
/// The second try comes so long after the first; each further one after four times as long: 28 hours in all.
const RETRY_SECONDS: i64 = 300;
const TRIES: u32 = 6;

/// Runs until the server stops. Nothing to do where no mail server is configured.
pub(super) async fn run(app: App) {
    let mailer = match Mailer::of(&app.config) {
        Ok(Some(mailer)) => mailer,
        Ok(None) => return,
        Err(fault) => {
            tracing::error!(%fault, "nobody is told by mail what breaks");
            return;
        }
    };
    while !app.stop.is_cancelled() {
        if let Err(error) = tell(&app, &mailer).await {
            tracing::warn!(%error, "what there is to tell by mail was not read");
        }
        tokio::select! {
            () = app.stop.cancelled() => {}
            () = app.clock.sleep(LOOK) => {}
        }
    }
}

async fn tell(app: &App, mailer: &Mailer) -> Result<(), StoreError> {
    app.store.note_troubles(app.clock.now()).await?;
    while !app.stop.is_cancelled() {
        let now = app.clock.now();
        let until = now.plus_seconds(CLAIM_SECONDS);
        let Some(found) = app.store.claim_mail(now, until).await? else {
            break;
        };
        let connection = &found.connection;
        let trouble = found.trouble.as_str();
        match mailer.send(written(app, &found, now)).await {
            Ok(()) => {
                app.store.mail_sent(&found, app.clock.now()).await?;
                tracing::info!(%connection, trouble, "the user was told by mail");
            }
            Err(fault) => {
                tracing::warn!(%connection, trouble, tries = found.tries, %fault, "the user was not told by mail");
                app.store.mail_failed(&found, next(now, found.tries)).await?;
            }
        }
    }
    Ok(())
}

/// When a mail that was tried so many times is tried again; `None`: never.
fn next(now: Timestamp, tries: u32) -> Option<Timestamp> {
    (tries < TRIES).then(|| {
        let wait = RETRY_SECONDS.saturating_mul(4_i64.saturating_pow(tries.saturating_sub(1)));
        now.plus_seconds(wait)
    })
}

fn written(app: &App, found: &TroubleMail, now: Timestamp) -> Mail {
    let broken = match found.trouble {
        Trouble::NeedsSignIn => Broken::NeedsSignIn(found.reason),
        Trouble::Brake => Broken::Brake,
        Trouble::Failing => Broken::Failing,
    };
    let lang = found
        .language
        .as_deref()
        .and_then(Lang::parse)
        .unwrap_or_default();
    let path = broken.path();
    let link = match path.split_once('?') {
        Some((path, query)) => format!("{}?{query}", app.url(path)),
        None => app.url(path),
    };
    let (subject, body) = speaking(lang, || {
        (broken.subject().get().to_owned(), broken.body(&found.name, &link))
    });
    let (id, trouble, since) = (&found.connection, found.trouble.as_str(), found.since.micros());
    Mail {
        to: found.to.clone(),
        name: found.name.clone(),
        subject,
        body,
        id: format!("<{id}.{trouble}.{since}@{}>", own_host(&app.config)),
        now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_ever_later_and_end() {
        let now = Timestamp::from_seconds(1_000_000);
        let waits: Vec<_> = (1..=7)
            .map(|tries| next(now, tries).map(|at| at.seconds_since(now)))
            .collect();
        assert_eq!(
            waits,
            [
                Some(300),
                Some(1_200),
                Some(4_800),
                Some(19_200),
                Some(76_800),
                None,
                None
            ]
        );
    }
}
