//! The cards of the sidebar's states: the first session, the brake, and what stands in the way.

use tandem_types::{ItemKind, Side, Timestamp};

use super::time::{Moment, Sentence, count, number};
use super::{Lang, Words, say, spoken};

// First session.
pub const PREVIEW_TITLE: Words = Words::new("Ready for the first sync", "Bereit für den ersten Abgleich");
pub const PREVIEW_LEAD: Words = Words::new(
    "Nothing has been written yet. This is what the first sync will do:",
    "Noch wurde nichts geschrieben. Das wird der erste Abgleich tun:",
);
pub const PREVIEW_NOTHING: Words = Words::new(
    "Both sides agree already, or are empty: there is nothing to write. From now on changes flow.",
    "Beide Seiten sind schon gleich oder leer: Es gibt nichts zu schreiben. Ab jetzt fließen Änderungen.",
);
pub const PREVIEW_WAITS: Words = Words::new(
    "It waits for you, because it would create or change unusually many items at once.",
    "Er wartet auf Sie, weil er ungewöhnlich viele Einträge auf einmal anlegen oder ändern würde.",
);
pub const FIRST_TITLE: Words = Words::new("Getting ready", "Wird vorbereitet");
pub const FIRST_LEAD: Words = Words::new(
    "Tandem is looking at both sides. Nothing is written before you have seen what would be.",
    "Tandem sieht sich beide Seiten an. Nichts wird geschrieben, bevor Sie gesehen haben, was es wäre.",
);

// Brake.
pub const BRAKE_TITLE: Words = Words::new(
    "Stopped, so that you can look",
    "Angehalten, damit Sie nachsehen können",
);
pub const BRAKE_LEAD: Words = Words::new(
    "This would have changed unusually much at once. Nothing of it has been written.",
    "Das hätte ungewöhnlich viel auf einmal geändert. Nichts davon wurde geschrieben.",
);
pub const BRAKE_SIDE_EMPTY: Words = Words::new(
    "One side is suddenly empty. If nobody emptied it on purpose, choose Cancel.",
    "Eine Seite ist plötzlich leer. Wenn sie niemand mit Absicht geleert hat, wählen Sie „Abbrechen“.",
);
pub const GO_ON: Words = Words::new("Go on", "Fortfahren");
pub const BRAKE_GO_ON_HINT: Words = Words::new(
    "Go on writes these changes once. Cancel writes nothing and pauses the sync.",
    "„Fortfahren“ schreibt diese Änderungen ein einziges Mal. „Abbrechen“ schreibt nichts und hält den Abgleich an.",
);

// States.
pub const PAUSED_TITLE: Words = Words::new("Sync is paused", "Der Abgleich ist angehalten");
pub const PAUSED_LEAD: Words = Words::new(
    "Nothing is read or written until you press Start. What changes meanwhile is not lost.",
    "Nichts wird gelesen oder geschrieben, bis Sie „Starten“ drücken. Was sich inzwischen ändert, geht nicht verloren.",
);
pub const OFF_TITLE: Words = Words::new("Sync is off", "Der Abgleich ist abgeschaltet");
pub const OFF_LEAD: Words = Words::new(
    "Tandem has given up its access, and what opened your mailbox is destroyed. Every item is where it \
     was, on both sides.",
    "Tandem hat seinen Zugriff aufgegeben, und was Ihr Postfach öffnete, ist vernichtet. Jeder Eintrag ist, wo er war, \
     auf beiden Seiten.",
);
pub const NEEDS_MAIL_TITLE: Words = Words::new("Needs your sign-in", "Ihre Anmeldung fehlt");
pub const NEEDS_CRM_TITLE: Words = Words::new(
    "Salesforce needs your sign-in",
    "Salesforce braucht Ihre Anmeldung",
);
pub const NEEDS_CRM_LEAD: Words = Words::new(
    "Tandem’s access to Salesforce has ended. Sync stands still until you sign in again; nothing is lost.",
    "Der Zugriff von Tandem auf Salesforce ist zu Ende. Der Abgleich steht still, bis Sie sich wieder anmelden; nichts \
     geht verloren.",
);
pub const NEEDS_MICROSOFT_TITLE: Words =
    Words::new("Microsoft needs your sign-in", "Microsoft braucht Ihre Anmeldung");
pub const NEEDS_MICROSOFT_LEAD: Words = Words::new(
    "Microsoft has ended Tandem’s access to your mailbox. Sync stands still until you \
     connect it again; nothing is lost.",
    "Microsoft hat den Zugriff von Tandem auf Ihr Postfach beendet. Der Abgleich steht still, bis Sie es neu verbinden; \
     nichts geht verloren.",
);
pub const QUOTA_TITLE: Words = Words::new(
    "Salesforce’s limit is used up",
    "Das Limit von Salesforce ist erschöpft",
);
pub const QUOTA_LEAD: Words = Words::new(
    "Your organisation’s calls for today are spent. Tandem goes on by itself when there are new ones.",
    "Die Aufrufe Ihrer Organisation für heute sind verbraucht. Tandem macht von selbst weiter, wenn es neue gibt.",
);
pub const ORG_BRAKE_TITLE: Words = Words::new(
    "Stopped for your whole organisation",
    "Für Ihre ganze Organisation angehalten",
);
pub const ORG_BRAKE_LEAD: Words = Words::new(
    "Very many deletions came together within an hour. Nothing more is written for anyone until \
     your administrator has looked and lets the sync go on.",
    "In einer Stunde kamen sehr viele Löschungen zusammen. Für niemanden wird mehr etwas geschrieben, bis Ihr \
     Administrator nachgesehen hat und den Abgleich weiterlaufen lässt.",
);
pub const CHECK_LOGIN: Words = Words::new("Enter the password", "Kennwort eingeben");

// Tables of counts.
pub const COL_WHAT: Words = Words::new("Direction", "Richtung");
pub const COL_NEW: Words = Words::new("New", "Neu");
pub const COL_CHANGED: Words = Words::new("Changed", "Geändert");
pub const COL_DELETED: Words = Words::new("Deleted", "Gelöscht");
pub const COL_SKIPPED: Words = Words::new("Skipped", "Ausgelassen");

/// Said under *Needs your sign-in*.
pub fn refused_lead(rejections: u32, next_due: Option<Timestamp>) -> Sentence {
    let often = count(rejections, say("time", "Mal"), say("times", "Mal"));
    let times = match (rejections, spoken()) {
        (0 | 1, _) => say(
            "Your mail server has refused the stored login.",
            "Ihr Mailserver hat die gespeicherte Anmeldung abgelehnt.",
        )
        .to_owned(),
        (_, Lang::En) => format!("Your mail server has refused the stored login {often} in a row."),
        (_, Lang::De) => {
            format!("Ihr Mailserver hat die gespeicherte Anmeldung {often} nacheinander abgelehnt.")
        }
    };
    let stands = say(
        "Sync stands still until you enter the password; nothing is lost.",
        "Der Abgleich steht still, bis Sie das Kennwort eingeben; nichts geht verloren.",
    );
    tried_again(&times, next_due, stands)
}

/// Said under *Needs your sign-in*, where Microsoft has refused the mailbox though not the sign-in.
pub fn refused_cloud_lead(rejections: u32, next_due: Option<Timestamp>) -> Sentence {
    let often = count(rejections, say("time", "Mal"), say("times", "Mal"));
    let times = match (rejections, spoken()) {
        (0 | 1, _) => say(
            "Microsoft has refused access to your mailbox.",
            "Microsoft hat den Zugriff auf Ihr Postfach verweigert.",
        )
        .to_owned(),
        (_, Lang::En) => {
            format!(
                "Microsoft has refused access to your mailbox {often} in a row. Is it still in Office 365?"
            )
        }
        (_, Lang::De) => format!(
            "Microsoft hat den Zugriff auf Ihr Postfach {often} nacheinander verweigert. Liegt es noch in Office 365?"
        ),
    };
    let stands = say(
        "Sync stands still until you connect it again; nothing is lost.",
        "Der Abgleich steht still, bis Sie es neu verbinden; nichts geht verloren.",
    );
    tried_again(&times, next_due, stands)
}

/// Said while a deactivation takes out of the mailbox what Tandem had put there. `next_due`: when it goes on.
pub fn clearing_lead(next_due: Option<Timestamp>) -> Sentence {
    let does = say(
        "Tandem first takes out of your mailbox what it had put there. It goes to Deleted Items.",
        "Tandem nimmt zuerst aus Ihrem Postfach, was es dort angelegt hat. Es geht in „Gelöschte Elemente“.",
    );
    let ends = say(
        "“Deactivate at once” leaves the rest where it is.",
        "„Sofort abschalten“ lässt den Rest, wo er ist.",
    );
    tried_again(does, next_due, ends)
}

fn tried_again(times: &str, next_due: Option<Timestamp>, stands: &str) -> Sentence {
    match next_due {
        Some(due) => Sentence::words(format!(
            "{times} {} ",
            say("Tandem tries again", "Tandem versucht es")
        ))
        .time(
            Moment::Until,
            due,
            say(". Nothing is lost.", " wieder. Nichts geht verloren."),
        ),
        None => Sentence::words(format!("{times} {stands}")),
    }
}

pub fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => say("Contacts", "Kontakte"),
        ItemKind::Event => say("Events", "Termine"),
        ItemKind::Task => say("Tasks", "Aufgaben"),
        ItemKind::Email => say("E-mails", "E-Mails"),
    }
}

/// One of a kind, or several, within a sentence.
pub(super) fn noun(kind: ItemKind, n: u32) -> &'static str {
    match (kind, n) {
        (ItemKind::Contact, 1) => say("contact", "Kontakt"),
        (ItemKind::Contact, _) => say("contacts", "Kontakte"),
        (ItemKind::Event, 1) => say("event", "Termin"),
        (ItemKind::Event, _) => say("events", "Termine"),
        (ItemKind::Task, 1) => say("task", "Aufgabe"),
        (ItemKind::Task, _) => say("tasks", "Aufgaben"),
        (ItemKind::Email, 1) => say("e-mail", "E-Mail"),
        (ItemKind::Email, _) => say("e-mails", "E-Mails"),
    }
}

pub fn side(side: Side) -> &'static str {
    match side {
        Side::Mailbox => super::MAILBOX.get(),
        Side::Crm => super::SALESFORCE.get(),
    }
}

/// `in your mailbox`.
pub(super) fn place(side: Side) -> &'static str {
    match side {
        Side::Mailbox => say("in your mailbox", "in Ihrem Postfach"),
        Side::Crm => "in Salesforce",
    }
}

/// The head of a row that counts what is written to one side.
pub fn direction_row(what: ItemKind, to: Side) -> String {
    let to = match to {
        Side::Mailbox => say("to your mailbox", "ins Postfach"),
        Side::Crm => say("to Salesforce", "nach Salesforce"),
    };
    format!("{} {to}", kind(what))
}

pub fn adopted(n: u32) -> String {
    let contacts = count(
        n,
        say("contact is", "Kontakt ist"),
        say("contacts are", "Kontakte sind"),
    );
    match (spoken(), n) {
        (Lang::En, _) => format!("{contacts} on both sides already: linked, not doubled"),
        (Lang::De, 1) => format!("{contacts} schon auf beiden Seiten: er wird verknüpft, nicht verdoppelt"),
        (Lang::De, _) => {
            format!("{contacts} schon auf beiden Seiten: sie werden verknüpft, nicht verdoppelt")
        }
    }
}

pub fn possible_duplicates(n: u32) -> String {
    let doubles = count(
        n,
        say("possible duplicate", "mögliche Dublette"),
        say("possible duplicates", "mögliche Dubletten"),
    );
    let then = match n {
        1 => say(
            "left alone, and listed for you to look at",
            "bleibt unberührt und wird Ihnen gezeigt",
        ),
        _ => say(
            "left alone, and listed for you to look at",
            "bleiben unberührt und werden Ihnen gezeigt",
        ),
    };
    format!("{doubles}: {then}")
}

pub fn overwritten(n: u32) -> String {
    match (spoken(), n) {
        (Lang::En, 1) => "1 field would be emptied or overwritten".to_owned(),
        (Lang::En, n) => format!("{} fields would be emptied or overwritten", number(n)),
        (Lang::De, 1) => "1 Feld würde geleert oder überschrieben".to_owned(),
        (Lang::De, n) => format!("{} Felder würden geleert oder überschrieben", number(n)),
    }
}
