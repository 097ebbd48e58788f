//! What the last sessions did, and the way back.

use tandem_types::{
    ItemKind, OpCounts, SessionOutcome, SessionView, Side, Timestamp, UndoLeftView, UndoReason,
};

use super::states::{kind, noun, place, side};
use super::status::Tone;
use super::time::{count, date_and_time, number};
use super::{Lang, Words, say, spoken};

pub const SESSIONS_TITLE: Words = Words::new("Last syncs", "Letzte Abgleiche");
pub const SESSIONS_EMPTY: Words = Words::new(
    "No sync yet. The first one shows here what it did on each side.",
    "Noch kein Abgleich. Nach dem ersten steht hier, was er auf jeder Seite getan hat.",
);
pub const RUNNING: Words = Words::new("running", "läuft");
pub const NO_CHANGES: Words = Words::new("No changes", "Keine Änderungen");

// Undo.
pub const UNDO: Words = Words::new("Undo …", "Rückgängig …");
pub const UNDO_LEAD: Words = Words::new(
    "This takes back what this sync wrote:",
    "Das nimmt zurück, was dieser Abgleich geschrieben hat:",
);
pub const UNDO_NOTE: Words = Words::new(
    "What anybody has changed since then stays as it is, and you are told. The other side keeps what it has.",
    "Was seither jemand geändert hat, bleibt, wie es ist, und Sie erfahren es. Die andere Seite behält, was sie hat.",
);
pub const UNDO_DO: Words = Words::new("Undo this sync", "Diesen Abgleich rückgängig machen");
pub const UNDO_DOING: Words = Words::new("Undoing …", "Wird rückgängig gemacht …");
pub const UNDONE_TITLE: Words = Words::new("Undone", "Rückgängig gemacht");
pub const UNDONE_AGAIN: Words = Words::new(
    "The undo ended before it had done everything. Once more does the rest.",
    "Es endete, bevor alles rückgängig war. Noch einmal erledigt den Rest.",
);

/// Whether a session wrote anything: then there is something to undo.
pub fn wrote(session: &SessionView) -> bool {
    let planned = matches!(
        session.outcome,
        None | Some(SessionOutcome::Preview | SessionOutcome::StoppedByBrake)
    );
    !planned && !undo_lines(session).is_empty()
}

/// What an undo of the session will do, before it does.
pub fn undo_lines(session: &SessionView) -> Vec<String> {
    let mut lines = Vec::new();
    for counts in &session.counts {
        for (to, ops) in [(Side::Mailbox, counts.mailbox), (Side::Crm, counts.crm)] {
            for (n, what) in [
                (ops.created, Taken::Created),
                (ops.changed, Taken::Changed),
                (ops.deleted, Taken::Deleted),
            ] {
                if n > 0 {
                    lines.push(undo_line(counts.kind, to, what, n));
                }
            }
        }
    }
    lines
}

/// What a session did to items, and an undo takes back.
#[derive(Clone, Copy)]
enum Taken {
    Created,
    Changed,
    Deleted,
}

fn undo_line(of: ItemKind, to: Side, what: Taken, n: u32) -> String {
    let items = format!("{} {}", number(n), noun(of, n));
    let place = place(to);
    let bin = match to {
        Side::Mailbox => say("Deleted Items", "„Gelöschte Elemente“"),
        Side::Crm => say("the recycle bin", "dem Papierkorb"),
    };
    let one = n == 1;
    match (spoken(), what) {
        (Lang::En, Taken::Created) => {
            let goes = if one { "goes" } else { "go" };
            format!("{items} created {place} {goes} to {bin}")
        }
        (Lang::En, Taken::Changed) => {
            let has = if one { "gets its" } else { "get their" };
            format!("{items} changed {place} {has} former values back")
        }
        (Lang::En, Taken::Deleted) => {
            let comes = if one { "comes" } else { "come" };
            format!("{items} deleted {place} {comes} back from {bin}")
        }
        (Lang::De, Taken::Created) => {
            let goes = if one { "kommt" } else { "kommen" };
            let bin = match to {
                Side::Mailbox => "nach „Gelöschte Elemente“",
                Side::Crm => "in den Papierkorb",
            };
            format!("{items}, {place} angelegt: {goes} {bin}")
        }
        (Lang::De, Taken::Changed) => {
            let gets = if one { "erhält" } else { "erhalten" };
            format!("{items}, {place} geändert: {gets} die früheren Werte zurück")
        }
        (Lang::De, Taken::Deleted) => {
            let comes = if one { "kommt" } else { "kommen" };
            format!("{items}, {place} gelöscht: {comes} aus {bin} zurück")
        }
    }
}

/// `Undo … 22 November 2026, 19:05 UTC`, for screen readers: which session.
pub fn undo_name(started: Timestamp) -> String {
    format!("{} {}", UNDO.get(), date_and_time(started))
}

pub fn undone(n: u32) -> String {
    match (spoken(), n) {
        (Lang::En, 0) => "Nothing was undone.".to_owned(),
        (Lang::En, 1) => "1 item is as it was before.".to_owned(),
        (Lang::En, n) => format!("{} items are as they were before.", number(n)),
        (Lang::De, 0) => "Nichts wurde rückgängig gemacht.".to_owned(),
        (Lang::De, 1) => "1 Eintrag ist wieder wie vorher.".to_owned(),
        (Lang::De, n) => format!("{} Einträge sind wieder wie vorher.", number(n)),
    }
}

/// Said above the items that an undo left.
pub fn undo_left(n: u32) -> Option<String> {
    match (spoken(), n) {
        (_, 0) => None,
        (Lang::En, 1) => Some("1 item was left as it is.".to_owned()),
        (Lang::En, n) => Some(format!("{} items were left as they are.", number(n))),
        (Lang::De, 1) => Some("1 Eintrag blieb, wie er ist.".to_owned()),
        (Lang::De, n) => Some(format!("{} Einträge blieben, wie sie sind.", number(n))),
    }
}

/// Items that were left for one reason.
pub fn undo_left_line(kind: ItemKind, side: Side, reason: UndoReason, n: u32) -> String {
    let why = match reason {
        UndoReason::ChangedSince => say("changed since then", "seither geändert"),
        UndoReason::Replaced => say("made anew since then", "seither neu angelegt"),
        UndoReason::Gone => say(
            "no longer there, or not to be seen",
            "nicht mehr da, oder nicht zu sehen",
        ),
        UndoReason::GoneForGood => say(
            "deleted, and no longer in the bin",
            "gelöscht, und nicht mehr im Papierkorb",
        ),
        UndoReason::Refused => say(
            "the change back was refused",
            "die Änderung zurück wurde abgelehnt",
        ),
        UndoReason::InDoubt => say(
            "no answer came, so it may be undone or not",
            "es kam keine Antwort, also vielleicht rückgängig gemacht, vielleicht nicht",
        ),
        UndoReason::NotReached => say("not reached", "nicht mehr an der Reihe gewesen"),
    };
    format!("{} {} {}: {why}", number(n), noun(kind, n), place(side))
}

/// What was left, counted by kind, side and reason, in the order in which it was met.
pub fn undo_left_lines(left: &[UndoLeftView]) -> Vec<String> {
    let mut groups: Vec<((ItemKind, Side, UndoReason), u32)> = Vec::new();
    for item in left {
        let key = (item.kind, item.side, item.reason);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, n)) => *n += 1,
            None => groups.push((key, 1)),
        }
    }
    groups
        .into_iter()
        .map(|((kind, side, reason), n)| undo_left_line(kind, side, reason, n))
        .collect()
}

/// `2 created, 1 changed`; `None` if nothing.
pub fn op_counts(counts: OpCounts) -> Option<String> {
    op_words(
        counts,
        [
            say("created", "angelegt"),
            say("changed", "geändert"),
            say("deleted", "gelöscht"),
            say("skipped", "ausgelassen"),
        ],
    )
}

/// `2 to create, 1 to change`: what was only planned. `None` if nothing.
pub fn op_plan(counts: OpCounts) -> Option<String> {
    op_words(
        counts,
        [
            say("to create", "anzulegen"),
            say("to change", "zu ändern"),
            say("to delete", "zu löschen"),
            say("to skip", "auszulassen"),
        ],
    )
}

fn op_words(counts: OpCounts, words: [&str; 4]) -> Option<String> {
    let parts: Vec<String> = [counts.created, counts.changed, counts.deleted, counts.skipped]
        .into_iter()
        .zip(words)
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{} {word}", number(n)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub fn outcome(outcome: SessionOutcome) -> &'static str {
    match outcome {
        SessionOutcome::Done => say("done", "fertig"),
        SessionOutcome::Partial => say("goes on in the next", "geht im nächsten weiter"),
        SessionOutcome::Rejected => say(
            "the mail server refused the login",
            "der Mailserver hat die Anmeldung abgelehnt",
        ),
        SessionOutcome::Failed => say("a server did not answer", "ein Server hat nicht geantwortet"),
        SessionOutcome::StoppedByBrake => say("stopped: too much at once", "angehalten: zu viel auf einmal"),
        SessionOutcome::Preview => say("looked only", "nur nachgesehen"),
        SessionOutcome::SignInEnded => say("the sign-in has ended", "die Anmeldung ist zu Ende"),
    }
}

pub const fn outcome_tone(outcome: Option<SessionOutcome>) -> Tone {
    match outcome {
        None => Tone::Busy,
        Some(SessionOutcome::Done) => Tone::Good,
        Some(SessionOutcome::Preview | SessionOutcome::Partial) => Tone::Quiet,
        Some(
            SessionOutcome::Rejected
            | SessionOutcome::Failed
            | SessionOutcome::StoppedByBrake
            | SessionOutcome::SignInEnded,
        ) => Tone::Attention,
    }
}

/// What a session did, or where it wrote nothing would have done; one line per side and kind that moves.
pub fn session_lines(session: &SessionView) -> Vec<String> {
    let planned = matches!(
        session.outcome,
        Some(SessionOutcome::Preview | SessionOutcome::StoppedByBrake)
    );
    let words = if planned { op_plan } else { op_counts };
    let mut lines = Vec::new();
    for counts in &session.counts {
        for (to, ops) in [(Side::Mailbox, counts.mailbox), (Side::Crm, counts.crm)] {
            if let Some(done) = words(ops) {
                lines.push(format!("{}, {}: {done}", side(to), within_line(counts.kind)));
            }
        }
        if counts.adopted > 0 {
            let n = number(counts.adopted);
            lines.push(match (spoken(), planned) {
                (Lang::En, true) => format!("{n} to link that are on both sides"),
                (Lang::En, false) => format!("{n} linked that were on both sides"),
                (Lang::De, true) => format!("{n} zu verknüpfen, die auf beiden Seiten sind"),
                (Lang::De, false) => format!("{n} verknüpft, die auf beiden Seiten waren"),
            });
        }
    }
    if session.issues > 0 {
        lines.push(count(
            session.issues,
            say("item needs a look", "Eintrag bitte ansehen"),
            say("items need a look", "Einträge bitte ansehen"),
        ));
    }
    if lines.is_empty() && session.outcome == Some(SessionOutcome::Done) {
        lines.push(NO_CHANGES.get().to_owned());
    }
    lines
}

/// German nouns keep their capital.
fn within_line(of: ItemKind) -> String {
    match spoken() {
        Lang::En => kind(of).to_lowercase(),
        Lang::De => kind(of).to_owned(),
    }
}
