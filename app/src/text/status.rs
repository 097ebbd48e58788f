//! The one line that says what is true.

use tandem_types::{
    ConnectionView, Progress, ProgressPhase, SessionOutcome, StateReason, SyncState, Timestamp,
};

use super::say;
use super::time::{Moment, Sentence, count, number};

/// How the status line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Busy,
    Attention,
    Quiet,
}

/// The one line that says what is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub tone: Tone,
    pub text: Sentence,
}

impl Status {
    fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self::of(tone, Sentence::words(text))
    }

    const fn of(tone: Tone, text: Sentence) -> Self {
        Self { tone, text }
    }
}

pub fn signed_out_status() -> Status {
    Status::new(Tone::Quiet, say("Signed out", "Abgemeldet"))
}

/// What is true of a connection now. `progress` is newer than what the view carries.
pub fn status(connection: &ConnectionView, progress: Option<Progress>, now: Timestamp) -> Status {
    match connection.state {
        SyncState::Deactivated => {
            Status::new(Tone::Quiet, say("Sync is off", "Der Abgleich ist abgeschaltet"))
        }
        SyncState::NotActivated => Status::new(
            Tone::Quiet,
            say("Sync is not set up", "Der Abgleich ist nicht eingerichtet"),
        ),
        SyncState::NeedsActivation => Status::new(Tone::Attention, needs(connection.reason)),
        SyncState::Paused => match progress {
            Some(_) => Status::new(
                Tone::Busy,
                say(
                    "Pausing: the running sync ends first",
                    "Hält an: Der laufende Abgleich wird noch beendet",
                ),
            ),
            None => Status::new(Tone::Quiet, say("Paused", "Angehalten")),
        },
        SyncState::Activating | SyncState::Active => match (progress, connection.reason) {
            (Some(progress), _) => Status::new(Tone::Busy, progress_line(progress)),
            (None, Some(reason)) => reason_status(reason),
            (None, None) if connection.rejections > 0 => Status::new(Tone::Attention, needs(None)),
            (None, None) if connection.clearing => {
                Status::new(Tone::Busy, say("Being deactivated", "Wird abgeschaltet"))
            }
            (None, None) if connection.preview.is_some() => reason_status(StateReason::WaitingForPreview),
            (None, None) if connection.state == SyncState::Activating => Status::new(
                Tone::Busy,
                say(
                    "Getting ready for the first sync",
                    "Der erste Abgleich wird vorbereitet",
                ),
            ),
            (None, None) => settled(connection, now),
        },
    }
}

fn needs(reason: Option<StateReason>) -> &'static str {
    match reason {
        Some(StateReason::SalesforceSignInEnded) => say(
            "Needs your Salesforce sign-in",
            "Ihre Anmeldung bei Salesforce fehlt",
        ),
        Some(StateReason::MicrosoftSignInEnded) => say(
            "Needs your Microsoft sign-in",
            "Ihre Anmeldung bei Microsoft fehlt",
        ),
        _ => say("Needs your sign-in", "Ihre Anmeldung fehlt"),
    }
}

fn reason_status(reason: StateReason) -> Status {
    match reason {
        StateReason::MailServerRefused
        | StateReason::MicrosoftSignInEnded
        | StateReason::SalesforceSignInEnded => Status::new(Tone::Attention, needs(Some(reason))),
        StateReason::StoppedByBrake => Status::new(
            Tone::Attention,
            say(
                "Stopped: please look at the changes",
                "Angehalten: Bitte sehen Sie die Änderungen an",
            ),
        ),
        StateReason::WaitingForPreview => Status::new(
            Tone::Busy,
            say("Ready for the first sync", "Bereit für den ersten Abgleich"),
        ),
        StateReason::Quota => Status::new(
            Tone::Attention,
            say(
                "Waiting: Salesforce’s limit is used up",
                "Wartet: Das Limit von Salesforce ist erschöpft",
            ),
        ),
        StateReason::OrgBrake => Status::new(
            Tone::Attention,
            say(
                "Stopped: your administrator has to look",
                "Angehalten: Ihr Administrator muss nachsehen",
            ),
        ),
    }
}

/// So many seconds after the last accepted session it is no longer said that all is well.
pub fn late_after(connection: &ConnectionView) -> i64 {
    i64::from(connection.settings.interval_minutes) * 120 + 300
}

/// Active, nothing running, nothing in the way.
fn settled(connection: &ConnectionView, now: Timestamp) -> Status {
    let last = connection.sessions.iter().find_map(|s| s.outcome);
    let next = |verb: &str| match connection.next_due {
        Some(due) => {
            let next = say("next try", "nächster Versuch");
            Sentence::words(format!("{verb}, {next} ")).time(Moment::Until, due, "")
        }
        None => Sentence::words(verb),
    };
    match (last, connection.last_success) {
        (Some(SessionOutcome::Failed), _) => Status::of(
            Tone::Attention,
            next(say("A server did not answer", "Ein Server hat nicht geantwortet")),
        ),
        (Some(SessionOutcome::Partial), _) => Status::new(
            Tone::Busy,
            say(
                "More to do: goes on in a moment",
                "Noch mehr zu tun: geht gleich weiter",
            ),
        ),
        (_, None) => Status::new(
            Tone::Busy,
            say(
                "The first sync is about to start",
                "Der erste Abgleich beginnt gleich",
            ),
        ),
        (_, Some(success)) => {
            let said = |words: &str| Sentence::words(words).time(Moment::Ago, success, "");
            if now.seconds_since(success) > late_after(connection) {
                Status::of(
                    Tone::Attention,
                    said(say("Last in step ", "Zuletzt abgeglichen ")),
                )
            } else if connection.issues_total == 0 {
                Status::of(Tone::Good, said(say("All in step, ", "Alles abgeglichen, ")))
            } else {
                let except = count(
                    connection.issues_total,
                    say("item", "Eintrag"),
                    say("items", "Einträge"),
                );
                let but = say("In step except", "Abgeglichen bis auf");
                Status::of(Tone::Good, said(&format!("{but} {except}, ")))
            }
        }
    }
}

/// `Syncing, 34 of 120`.
pub fn progress_line(progress: Progress) -> String {
    let phase = match progress.phase {
        ProgressPhase::Reading => say("Reading changes", "Liest Änderungen"),
        ProgressPhase::Comparing => say("Comparing", "Vergleicht"),
        ProgressPhase::Writing => say("Syncing", "Gleicht ab"),
    };
    match progress {
        Progress {
            total: 0, done: 0, ..
        } => format!("{phase} …"),
        Progress { total: 0, done, .. } => format!("{phase}, {}", number(done)),
        Progress { done, total, .. } => {
            let of = say("of", "von");
            format!("{phase}, {} {of} {}", number(done.min(total)), number(total))
        }
    }
}
