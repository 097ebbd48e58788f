//! Saving older e-mails.

use tandem_types::BackfillView;

use super::time::{count, date, date_of, number};
use super::{Lang, Words, say, spoken};

pub const BACKFILL_TITLE: Words = Words::new("Save older e-mails", "Ältere E-Mails speichern");
pub const BACKFILL_LEAD: Words = Words::new(
    "New e-mails are saved as they come. For older ones, say from when to when: those that would be \
     saved today, by your settings, are saved to Salesforce. Nothing is changed in your mailbox but the mark that it is saved.",
    "Neue E-Mails werden gespeichert, sobald sie kommen. Für ältere sagen Sie, von wann bis wann: Was nach Ihren \
     Einstellungen heute gespeichert würde, wird in Salesforce gespeichert. In Ihrem Postfach ändert sich nur der \
     Vermerk, dass es gespeichert ist.",
);
pub const BACKFILL_OFF: Words = Words::new(
    "E-mails are not saved to Salesforce by your settings, so there is nothing to catch up on.",
    "Nach Ihren Einstellungen werden keine E-Mails in Salesforce gespeichert, also gibt es nichts nachzuholen.",
);
pub const FROM: Words = Words::new("From", "Von");
pub const TO: Words = Words::new("To", "Bis");
pub const ESTIMATE: Words = Words::new("Estimate", "Schätzen");
pub const BACKFILL_START: Words = Words::new("Start saving", "Speichern beginnen");
pub const BACKFILL_CANCEL: Words = Words::new("Cancel the saving", "Speichern abbrechen");
pub const BACKFILL_CANCEL_HINT: Words = Words::new(
    "What is saved already stays saved.",
    "Was schon gespeichert ist, bleibt gespeichert.",
);

/// `From 1 January 2026 to 31 March 2026: about 1,200 e-mails to look at.` The days are `YYYY-MM-DD`.
pub fn estimate(from: &str, to: &str, mails: u32) -> String {
    let (from, to) = (date_of(from), date_of(to));
    let some = count(mails, say("e-mail", "E-Mail"), say("e-mails", "E-Mails"));
    match (spoken(), mails) {
        (Lang::En, 0) => format!("From {from} to {to}: no e-mails to look at."),
        (Lang::En, _) => format!("From {from} to {to}: about {some} to look at."),
        (Lang::De, 0) => format!("Vom {from} bis zum {to}: keine E-Mails anzusehen."),
        (Lang::De, _) => format!("Vom {from} bis zum {to}: etwa {some} anzusehen."),
    }
}

/// From which day to which: both are meant, and the second ends before midnight.
pub fn backfill_days(backfill: &BackfillView) -> String {
    let last = backfill.to.plus_seconds(-1);
    let to = say("to", "bis");
    format!("{} {to} {}", date(backfill.from), date(last))
}

/// How far a back-fill is, or what it did.
pub fn backfill_line(backfill: &BackfillView) -> String {
    let days = backfill_days(backfill);
    let saved = format!("{} {}", number(backfill.saved), say("saved", "gespeichert"));
    if backfill.finished {
        let looked = count(backfill.done, say("e-mail", "E-Mail"), say("e-mails", "E-Mails"));
        return match spoken() {
            Lang::En => format!("{days}: ended, {looked} looked at, {saved}"),
            Lang::De => format!("{days}: beendet, {looked} angesehen, {saved}"),
        };
    }
    // The total was an estimate: mails may have come in.
    let total = number(backfill.total.max(backfill.done));
    let done = number(backfill.done);
    match spoken() {
        Lang::En => format!("{days}: {done} of about {total} looked at, {saved}"),
        Lang::De => format!("{days}: {done} von etwa {total} angesehen, {saved}"),
    }
}
