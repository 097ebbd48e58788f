//! The words of the settings page.

use tandem_types::{
    ConflictPolicy, ContactScope, DeletedInMailbox, Direction, ItemKind, ProbeFault, ProbeStep, SettingKey,
    Settings, Side,
};

use super::{Words, count, number, say, spoken};
use crate::text::Lang;

pub const NAVIGATION: Words = Words::new("Parts of the settings", "Bereiche der Einstellungen");
pub const GENERAL: Words = Words::new("General", "Allgemein");
pub const ISSUES: Words = Words::new("Issues", "Probleme");
pub const SYNC: Words = Words::new("What to sync", "Was abgeglichen wird");
pub const CONFLICTS: Words = Words::new("Conflicts", "Konflikte");
pub const LINKING: Words = Words::new("Linking", "Zuordnung");
pub const BLOCKLIST: Words = Words::new("Blocklist", "Sperrliste");
pub const CONNECTIVITY: Words = Words::new("Connectivity", "Verbindungen");
pub const MAPPING: Words = Words::new("Mapping", "Felder");
pub const DEACTIVATE: Words = Words::new("Deactivate", "Deaktivieren");

// Forms.
pub const SAVE: Words = Words::new("Save", "Speichern");
pub const SAVING: Words = Words::new("Saving …", "Wird gespeichert …");
pub const RESET: Words = Words::new("As the organisation has it", "Wie in der Organisation vorgegeben");
pub const SAVED: Words = Words::new(
    "Saved. It takes effect with the next sync.",
    "Gespeichert. Es gilt ab dem nächsten Abgleich.",
);
pub const WAS_RESET: Words = Words::new(
    "These settings are your organisation’s again. It takes effect with the next sync.",
    "Diese Einstellungen entsprechen wieder der Vorgabe Ihrer Organisation. Es gilt ab dem nächsten Abgleich.",
);
pub const WHEN: Words = Words::new(
    "Changes take effect with the next sync. Turning something off deletes nothing, on neither side.",
    "Änderungen gelten ab dem nächsten Abgleich. Wenn Sie etwas ausschalten, wird auf keiner Seite etwas gelöscht.",
);
pub const LOCKED_TITLE: Words =
    Words::new("Set by your administrator", "Von Ihrer Administration festgelegt");
pub const LOCKED_WHY: Words = Words::new(
    "These guard your whole organisation, or are the same for all of its people, so only an administrator changes them.",
    "Diese Werte schützen Ihre ganze Organisation oder sind für alle gleich; deshalb ändert sie nur die Administration.",
);

// What to sync.
pub const CONTACTS: Words = Words::new("Contacts", "Kontakte");
pub const EVENTS: Words = Words::new("Events", "Termine");
pub const TASKS: Words = Words::new("Tasks", "Aufgaben");
pub const EMAILS: Words = Words::new("E-mails", "E-Mails");
pub const DIRECTION: Words = Words::new("Direction", "Richtung");
pub const SCOPE: Words = Words::new(
    "Which contacts come from Salesforce",
    "Welche Kontakte aus Salesforce kommen",
);
pub const LIST_VIEW: Words = Words::new("List view", "Listenansicht");
pub const LIST_VIEW_HINT: Words = Words::new(
    "Only for the contacts of a list view: open it in Salesforce and copy the address here.",
    "Nur für die Kontakte einer Listenansicht: Öffnen Sie sie in Salesforce und kopieren Sie die Adresse hierher.",
);
pub const CONTACT_LIMIT: Words = Words::new("At most so many contacts", "Höchstens so viele Kontakte");
pub const DAYS_BACK: Words = Words::new("Days back", "Tage zurück");
pub const DAYS_AHEAD: Words = Words::new("Days ahead", "Tage voraus");
pub const SAVE_MEETINGS: Words = Words::new(
    "Save meetings with somebody who is known in Salesforce by themselves",
    "Besprechungen mit Personen, die in Salesforce bekannt sind, von selbst speichern",
);
pub const SAVE_APPOINTMENTS: Words = Words::new(
    "Save appointments without attendees by themselves",
    "Termine ohne Teilnehmer von selbst speichern",
);
pub const SEND_INVITATIONS: Words = Words::new(
    "Send invitations and updates when the sync changes a meeting of yours",
    "Einladungen und Aktualisierungen senden, wenn der Abgleich eine Ihrer Besprechungen ändert",
);
pub const SAVE_EMAILS: Words = Words::new(
    "Save e-mails with somebody who is known in Salesforce by themselves",
    "E-Mails mit Personen, die in Salesforce bekannt sind, von selbst speichern",
);
pub const SAVE_THREADS: Words = Words::new(
    "Save later e-mails of a conversation that was saved",
    "Spätere E-Mails einer gespeicherten Unterhaltung mit speichern",
);
pub const EMAIL_DAYS: Words = Words::new(
    "From so many days before the start",
    "Ab so vielen Tagen vor dem Start",
);
pub const EMAIL_DAYS_HINT: Words = Words::new(
    "Older e-mails are saved by “Save older e-mails” below.",
    "Ältere E-Mails speichern Sie unten.",
);
pub const EMAIL_FOLDERS: Words = Words::new("Further folders", "Weitere Ordner");
pub const EMAIL_FOLDERS_HINT: Words = Words::new(
    "All e-mails in them are saved. One path in each line: Inbox/Acme",
    "Alle E-Mails darin werden gespeichert. Ein Pfad je Zeile: Inbox/Acme",
);
pub const ATTACHMENTS: Words = Words::new("Save attachments", "Anlagen speichern");
pub const ATTACHMENT_SIZE: Words = Words::new("Largest attachment, in MB", "Größte Anlage in MB");
pub const ATTACHMENT_ENDINGS: Words = Words::new("Only these kinds of files", "Nur diese Dateiarten");
pub const ATTACHMENT_ENDINGS_HINT: Words = Words::new(
    "File endings, for example pdf docx. Empty: all but programs.",
    "Dateiendungen, zum Beispiel pdf docx. Leer: alle außer Programmen.",
);
pub const INTERVAL: Words = Words::new("Minutes between two syncs", "Minuten zwischen zwei Abgleichen");
pub const INTERVAL_HINT: Words = Words::new(
    "From 5 to 1440. “Sync now” does not wait for it.",
    "Von 5 bis 1440. „Jetzt abgleichen“ wartet nicht darauf.",
);

// Conflicts.
pub const CONFLICTS_LEAD: Words = Words::new(
    "A field that changed on one side goes to the other. These rules are for what changed on both sides since the last \
     sync; what loses stands in the history and can be undone.",
    "Ein Feld, das auf einer Seite geändert wurde, geht auf die andere. Diese Regeln gelten, wenn es seit dem letzten \
     Abgleich auf beiden Seiten geändert wurde; was verliert, steht im Verlauf und lässt sich rückgängig machen.",
);
pub const BOTH_CHANGED: Words = Words::new("Changed on both sides", "Auf beiden Seiten geändert");
pub const DELETED: Words = Words::new("Deleted in the mailbox", "Im Postfach gelöscht");
pub const KEEP_HISTORY: Words = Words::new(
    "Keep past events and completed tasks in Salesforce when they are deleted in the mailbox",
    "Vergangene Termine und erledigte Aufgaben in Salesforce behalten, wenn sie im Postfach gelöscht werden",
);

// Linking.
pub const LINKING_LEAD: Words = Words::new(
    "This is how Tandem finds the records that an e-mail or an event belongs to:",
    "So findet Tandem die Datensätze, zu denen eine E-Mail oder ein Termin gehört:",
);
pub const LINKING_RULES: [Words; 5] = [
    Words::new(
        "Colleagues and addresses on the blocklist are left out.",
        "Kolleginnen, Kollegen und Adressen der Sperrliste bleiben außen vor.",
    ),
    Words::new(
        "All other addresses are looked for in every e-mail field of leads and contacts.",
        "Alle anderen Adressen werden in jedem E-Mail-Feld von Leads und Kontakten gesucht.",
    ),
    Words::new(
        "A contact brings the account, and the opportunity that you own and worked on last.",
        "Ein Kontakt bringt den Account mit und die Opportunity, die Ihnen gehört und an der Sie zuletzt gearbeitet haben.",
    ),
    Words::new(
        "If nobody is known, the account whose website has the same domain; never for mail providers that everybody uses.",
        "Ist niemand bekannt: der Account, dessen Website dieselbe Domain hat; nie bei Anbietern, die alle nutzen.",
    ),
    Words::new(
        "Case numbers in the subject and links to records in the text count too. Who moves an activity to another record \
         in Salesforce is right: Tandem leaves it there.",
        "Auch Kundenvorgangsnummern im Betreff und Links auf Datensätze im Text zählen. Wer eine Aktivität in Salesforce \
         einem anderen Datensatz zuordnet, hat recht: Tandem lässt sie dort.",
    ),
];
pub const OWN_DOMAINS: Words = Words::new("Domains of your company", "Domains Ihres Unternehmens");
pub const OWN_DOMAINS_NONE: Words = Words::new(
    "None beside that of your mailbox",
    "Keine außer der Ihres Postfachs",
);

// Blocklist.
pub const BLOCKLIST_LEAD: Words = Words::new(
    "Nobody with one of these addresses is matched, and nothing is saved because of them. What is saved already stays.",
    "Niemand mit einer dieser Adressen wird zugeordnet, und ihretwegen wird nichts gespeichert. Was schon gespeichert ist, \
     bleibt.",
);
pub const BLOCKLIST_OWN: Words = Words::new("Your own entries", "Ihre eigenen Einträge");
pub const BLOCKLIST_HINT: Words = Words::new(
    "One in each line: an address, a domain (example.com) or a pattern (*@*.example.com).",
    "Einer je Zeile: eine Adresse, eine Domain (example.com) oder ein Muster (*@*.example.com).",
);
pub const BLOCKLIST_ORG: Words = Words::new("Your organisation’s entries", "Einträge Ihrer Organisation");
pub const BLOCKLIST_ORG_HINT: Words = Words::new(
    "They count for everybody. Only an administrator changes them.",
    "Sie gelten für alle. Nur die Administration ändert sie.",
);
pub const BLOCKLIST_ORG_EMPTY: Words = Words::new(
    "Your organisation blocks nobody.",
    "Ihre Organisation sperrt niemanden.",
);

// General.
pub const SESSION_LAST: Words = Words::new("Last sync", "Letzter Abgleich");
pub const INTERVAL_TITLE: Words = Words::new("How often", "Wie oft");
pub const HISTORY: Words = Words::new("History", "Verlauf");
/// In days: how long the syncs are kept, and how long one can be undone.
pub fn history_note(kept: u32, undone: u32) -> String {
    match spoken() {
        Lang::En => format!("Kept for {kept} days. A sync can be undone for {undone}."),
        Lang::De => {
            format!("{kept} Tage aufbewahrt. Ein Abgleich lässt sich {undone} Tage lang rückgängig machen.")
        }
    }
}
pub const HISTORY_TABS: Words = Words::new("What the history shows", "Was der Verlauf zeigt");
pub const HISTORY_ALL: Words = Words::new("All syncs", "Alle Abgleiche");
pub const HISTORY_OPEN: Words = Words::new("Unresolved", "Ungelöst");
pub const HISTORY_OPEN_EMPTY: Words = Words::new(
    "Nothing is open: every item is in step.",
    "Nichts ist offen: Alle Elemente sind abgeglichen.",
);
pub const OLDER: Words = Words::new("Older ones", "Ältere");
pub const NEWEST: Words = Words::new("Newest", "Neueste");
pub const CHARTS: Words = Words::new("The last 30 days", "Die letzten 30 Tage");
pub const CHART_TABLE: Words = Words::new("The same as a table", "Dasselbe als Tabelle");
pub const CHART_SYNCS: Words = Words::new("Syncs for each day", "Abgleiche je Tag");
pub const CHART_WRITTEN: Words = Words::new("Items written for each day", "Geschriebene Elemente je Tag");
pub const CHART_TOOK: Words = Words::new(
    "How long the middle sync of the day took, in seconds",
    "Dauer des mittleren Abgleichs am Tag in Sekunden",
);
pub const DAY: Words = Words::new("Day", "Tag");
pub const WELL: Words = Words::new("Done", "Gelungen");
pub const BADLY: Words = Words::new("Not done", "Nicht gelungen");
pub const WRITTEN: Words = Words::new("Written", "Geschrieben");
pub const SECONDS: Words = Words::new("Seconds", "Sek.");

/// The heading of a part.
pub const fn part(word: crate::place::Part) -> Words {
    use crate::place::Part;
    match word {
        Part::General => GENERAL,
        Part::Issues => ISSUES,
        Part::Sync => SYNC,
        Part::Conflicts => CONFLICTS,
        Part::Linking => LINKING,
        Part::Blocklist => BLOCKLIST,
        Part::Connectivity => CONNECTIVITY,
        Part::Mapping => MAPPING,
        Part::Deactivate => DEACTIVATE,
        Part::Organisation => super::organisation::TITLE,
    }
}

pub fn kinds(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => CONTACTS,
        ItemKind::Event => EVENTS,
        ItemKind::Task => TASKS,
        ItemKind::Email => EMAILS,
    }
    .get()
}

pub fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::TwoWay => say("Both ways", "In beide Richtungen"),
        Direction::ToCrm => say("Only to Salesforce", "Nur nach Salesforce"),
        Direction::ToMailbox => say("Only to the mailbox", "Nur ins Postfach"),
        Direction::Off => say("Off", "Aus"),
    }
}

pub fn scope(scope: ContactScope) -> &'static str {
    match scope {
        ContactScope::Mine => say("Those that you own", "Die Ihnen gehören"),
        ContactScope::AllVisible => say("All that you can see", "Alle, die Sie sehen dürfen"),
        ContactScope::ListView => say("Those of one list view", "Die einer Listenansicht"),
    }
}

pub fn conflicts(policy: ConflictPolicy) -> &'static str {
    match policy {
        ConflictPolicy::Newest => say("The newest change wins", "Die neueste Änderung gewinnt"),
        ConflictPolicy::Mailbox => say("The mailbox wins", "Das Postfach gewinnt"),
        ConflictPolicy::Crm => say("Salesforce wins", "Salesforce gewinnt"),
        ConflictPolicy::Ask => say("Ask me", "Mich fragen"),
    }
}

pub fn deleted(deleted: DeletedInMailbox) -> &'static str {
    match deleted {
        DeletedInMailbox::Ask => say(
            "Keep it in Salesforce and ask me",
            "In Salesforce behalten und mich fragen",
        ),
        DeletedInMailbox::Recreate => say("Create it again in the mailbox", "Im Postfach wieder anlegen"),
        DeletedInMailbox::DeleteOwn => say(
            "Delete it in Salesforce too, if I own it",
            "Auch in Salesforce löschen, wenn es mir gehört",
        ),
    }
}

pub fn switch(on: bool) -> &'static str {
    if on { say("on", "ein") } else { say("off", "aus") }
}

/// Under a field that the user has changed: `Your organisation: Both ways`.
pub fn inherited(value: &str) -> String {
    match spoken() {
        Lang::En => format!("Your organisation has: {value}"),
        Lang::De => format!("Vorgabe Ihrer Organisation: {value}"),
    }
}

/// What an empty list is called.
pub fn listed(entries: &[String]) -> String {
    if entries.is_empty() {
        say("none", "keine").to_owned()
    } else {
        entries.join(", ")
    }
}

/// Why a field was not taken.
pub fn wrong(key: SettingKey) -> &'static str {
    match key {
        SettingKey::Interval => say(
            "Enter a whole number from 5 to 1440.",
            "Geben Sie eine ganze Zahl von 5 bis 1440 ein.",
        ),
        SettingKey::ContactLimit => say(
            "Enter a whole number from 1 to 100000.",
            "Geben Sie eine ganze Zahl von 1 bis 100000 ein.",
        ),
        SettingKey::EventDaysBack | SettingKey::EmailDaysBack => say(
            "Enter a whole number from 0 to 366.",
            "Geben Sie eine ganze Zahl von 0 bis 366 ein.",
        ),
        SettingKey::EventDaysAhead => say(
            "Enter a whole number from 1 to 730.",
            "Geben Sie eine ganze Zahl von 1 bis 730 ein.",
        ),
        SettingKey::AttachmentBytes => say(
            "Enter a whole number from 1 to 50.",
            "Geben Sie eine ganze Zahl von 1 bis 50 ein.",
        ),
        SettingKey::ContactList => say(
            "Enter the address or the id of a list view of contacts: the id begins with 00B.",
            "Geben Sie die Adresse oder die ID einer Listenansicht von Kontakten ein: Die ID beginnt mit 00B.",
        ),
        SettingKey::Blocklist => say(
            "One entry is no address, no domain and no pattern, or there are over 10,000 of them.",
            "Ein Eintrag ist weder Adresse noch Domain noch Muster, oder es sind mehr als 10.000.",
        ),
        SettingKey::EmailFolders => say(
            "At most 100 folders, each of them a path without empty parts.",
            "Höchstens 100 Ordner, jeder als Pfad ohne leere Teile.",
        ),
        SettingKey::AttachmentEndings => say(
            "A file ending has only letters and digits.",
            "Eine Dateiendung besteht nur aus Buchstaben und Ziffern.",
        ),
        SettingKey::Contacts
        | SettingKey::ContactScope
        | SettingKey::ContactConflicts
        | SettingKey::ContactDeleted
        | SettingKey::Events
        | SettingKey::EventConflicts
        | SettingKey::SaveMeetings
        | SettingKey::SaveAppointments
        | SettingKey::KeepHistory
        | SettingKey::SendInvitations
        | SettingKey::Tasks
        | SettingKey::TaskConflicts
        | SettingKey::TaskDeleted
        | SettingKey::Emails
        | SettingKey::SaveEmails
        | SettingKey::SaveThreads
        | SettingKey::Attachments => say(
            "This is none of the choices. Load the page again.",
            "Das ist keine der Möglichkeiten. Laden Sie die Seite neu.",
        ),
    }
}

/// What the administrator alone changes: name and value.
pub fn guarded(settings: &Settings) -> Vec<(&'static str, String)> {
    let brake = settings.brake;
    vec![(
        say("Stops and asks", "Hält an und fragt"),
        match spoken() {
            Lang::En => format!(
                "at more than {} weighty changes and {} % of the links, or more than {}",
                number(brake.count),
                brake.percent,
                number(brake.hard)
            ),
            Lang::De => format!(
                "bei mehr als {} schwerwiegenden Änderungen und {} % der Verknüpfungen oder bei mehr als {}",
                number(brake.count),
                brake.percent,
                number(brake.hard)
            ),
        },
    )]
}

/// `12 syncs in all`
pub fn sessions_total(total: u32) -> String {
    match spoken() {
        Lang::En => count(total, "sync is kept", "syncs are kept"),
        Lang::De => count(total, "Abgleich aufbewahrt", "Abgleiche aufbewahrt"),
    }
}

/// What a chart shows, in a sentence: for those who do not see it.
pub fn chart_says(name: &str, most: u32, last: u32) -> String {
    match spoken() {
        Lang::En => format!("{name}: {} today, {} at most", number(last), number(most)),
        Lang::De => format!("{name}: heute {}, höchstens {}", number(last), number(most)),
    }
}

// Issues.
pub const FILTER: Words = Words::new("Which issues", "Welche Probleme");
pub const ALL_KINDS: Words = Words::new("All", "Alle");
pub const CAUSE: Words = Words::new("By cause", "Nach Ursache");
pub const ALL_CAUSES: Words = Words::new("All causes", "Alle Ursachen");
pub const ISSUES_NONE_PICKED: Words = Words::new(
    "None of the open issues is of this kind.",
    "Keines der offenen Probleme ist von dieser Art.",
);
pub const BULK: Words = Words::new("Several at once", "Mehrere auf einmal");
pub const BULK_WHICH: Words = Words::new("Which ones?", "Welche?");
pub const BULK_WHAT: Words = Words::new("What is to be done?", "Was soll geschehen?");
pub const BULK_DO: Words = Words::new("Do it", "Ausführen");
pub const BEFORE: Words = Words::new("Previous", "Vorherige");
pub const AFTER: Words = Words::new("Next", "Nächste");

// Support access.
/// Followed by since when.
pub const SEEN: Words = Words::new(
    "Support access is on: your administrators can see your mailbox’s address and the subjects of your open issues. It was \
     allowed",
    "Der Einblick zur Hilfe ist an: Ihre Administratoren können die Adresse Ihres Postfachs und die Betreffzeilen Ihrer \
     offenen Probleme sehen. Erlaubt",
);

// Connectivity.
pub const PROBE_TITLE: Words = Words::new("Test connection", "Verbindung prüfen");
pub const PROBE_LEAD: Words = Words::new(
    "Tries what a sync would, step by step, and changes nothing. A password that was refused is not sent again.",
    "Versucht Schritt für Schritt, was ein Abgleich täte, und ändert nichts. Ein abgelehntes Kennwort wird nicht noch \
     einmal gesendet.",
);
pub const PROBING: Words = Words::new("Testing …", "Wird geprüft …");
pub const PROBE_WELL: Words = Words::new("well", "in Ordnung");
pub const PROBE_NOT_TRIED: Words = Words::new("not tried", "nicht versucht");

pub fn probe(side: Side) -> &'static str {
    match side {
        Side::Mailbox => say("Test the mailbox", "Postfach prüfen"),
        Side::Crm => say("Test Salesforce", "Salesforce prüfen"),
    }
}

pub fn probed(side: Side, well: bool) -> &'static str {
    match (side, well) {
        (Side::Mailbox, true) => say("The mailbox can be reached.", "Das Postfach ist erreichbar."),
        (Side::Crm, true) => say("Salesforce can be reached.", "Salesforce ist erreichbar."),
        (Side::Mailbox, false) => say(
            "The mailbox cannot be used now.",
            "Das Postfach ist gerade nicht nutzbar.",
        ),
        (Side::Crm, false) => say(
            "Salesforce cannot be used now.",
            "Salesforce ist gerade nicht nutzbar.",
        ),
    }
}

pub fn step(step: ProbeStep, side: Side) -> &'static str {
    match (step, side) {
        (ProbeStep::Name, _) => say("The server’s name", "Name des Servers"),
        (ProbeStep::Reach, _) => say("Something answers there", "Dort antwortet etwas"),
        (ProbeStep::Certificate, _) => say("Its certificate", "Zertifikat"),
        (ProbeStep::SignIn, _) => say("Your sign-in", "Ihre Anmeldung"),
        (ProbeStep::Open, Side::Mailbox) => say("Opening the mailbox", "Öffnen des Postfachs"),
        (ProbeStep::Open, Side::Crm) => say("Reading records", "Lesen von Datensätzen"),
    }
}

pub fn fault(fault: ProbeFault) -> &'static str {
    match fault {
        ProbeFault::UnknownName => say(
            "no name server knows it. Has the server moved?",
            "kein Nameserver kennt ihn. Ist der Server umgezogen?",
        ),
        ProbeFault::NotAllowed => say(
            "its address is one that your administrator has not allowed",
            "seine Adresse ist von Ihrer Administration nicht freigegeben",
        ),
        ProbeFault::NoConnection => say(
            "no connection, or something else answers there",
            "keine Verbindung, oder dort antwortet etwas anderes",
        ),
        ProbeFault::NoAnswer => say("no answer in time", "keine Antwort in angemessener Zeit"),
        ProbeFault::NotTrusted => say(
            "not trusted, or for another name",
            "nicht vertrauenswürdig oder für einen anderen Namen",
        ),
        ProbeFault::Refused => say(
            "refused. Has your password changed?",
            "abgelehnt. Haben Sie Ihr Kennwort geändert?",
        ),
        ProbeFault::SignInEnded => say(
            "it has ended: sign in again",
            "abgelaufen: Melden Sie sich wieder an",
        ),
        ProbeFault::NotTriedAgain => say(
            "it was refused before, and is not sent again, so that your account is not locked. Enter the new password",
            "wurde schon abgelehnt und wird nicht noch einmal gesendet, damit Ihr Konto nicht gesperrt wird. Geben Sie das \
             neue Kennwort ein",
        ),
        ProbeFault::TooManyTrials => say(
            "tried three times in 15 minutes; not sent again now, so that your account is not locked",
            "in 15 Minuten dreimal versucht; jetzt nicht noch einmal gesendet, damit Ihr Konto nicht gesperrt wird",
        ),
        ProbeFault::Busy => say("busy: try again later", "ausgelastet: Versuchen Sie es später"),
        ProbeFault::NoAccess => say(
            "not allowed, or not there. Ask your administrator",
            "nicht erlaubt oder nicht vorhanden. Fragen Sie Ihre Administration",
        ),
        ProbeFault::NotConnected => say("no account is connected", "kein Konto ist verbunden"),
    }
}

// Mapping.
pub const MAPPING_LEAD: Words = Words::new(
    "These fields are kept the same on both sides, as far as the direction allows. The table cannot be changed yet.",
    "Diese Felder werden auf beiden Seiten gleich gehalten, soweit es die Richtung erlaubt. Die Tabelle lässt sich noch \
     nicht ändern.",
);
pub const IN_OUTLOOK: Words = Words::new("Field in Outlook", "Feld in Outlook");
pub const IN_SALESFORCE: Words = Words::new("Field in Salesforce", "Feld in Salesforce");
pub const EXAMPLE: Words = Words::new("Example", "Beispiel");
pub const STATUS_WORDS: Words = Words::new(
    "Words for the status of a task",
    "Wörter für den Status einer Aufgabe",
);
pub const PRIORITY_WORDS: Words = Words::new(
    "Words for the priority of a task",
    "Wörter für die Priorität einer Aufgabe",
);

/// What a field is called in Outlook, and an example; `None`: a field of a newer version.
pub fn field(word: &str) -> Option<(&'static str, &'static str)> {
    Some(match word {
        "given_name" => (say("First name", "Vorname"), "Ada"),
        "middle_name" => (say("Middle name", "Zweiter Vorname"), "King"),
        "surname" => (say("Last name", "Nachname"), "Lovelace"),
        "job_title" => (
            say("Job title", "Position"),
            say("Head of Analytics", "Leiterin Analytik"),
        ),
        "department" => (say("Department", "Abteilung"), say("Research", "Forschung")),
        "email" => (say("E-mail (the first)", "E-Mail (die erste)"), "ada@example.com"),
        "business_phone" => (say("Business phone", "Telefon geschäftlich"), "+44 20 7946 0001"),
        "mobile_phone" => (say("Mobile phone", "Mobiltelefon"), "+44 7700 900001"),
        "home_phone" => (say("Home phone", "Telefon privat"), "+44 20 7946 0002"),
        "other_phone" => (say("Other phone", "Weiteres Telefon"), "+44 20 7946 0003"),
        "business_fax" => (say("Business fax", "Fax geschäftlich"), "+44 20 7946 0004"),
        "assistant_name" => (say("Assistant", "Assistenz"), "Mary Somerville"),
        "assistant_phone" => (
            say("Assistant’s phone", "Telefon der Assistenz"),
            "+44 20 7946 0005",
        ),
        "business_street" => (
            say("Business address: street", "Geschäftsadresse: Straße"),
            "12 St James’s Square",
        ),
        "business_city" => (say("Business address: city", "Geschäftsadresse: Ort"), "London"),
        "business_state" => (
            say("Business address: state", "Geschäftsadresse: Bundesland"),
            "Greater London",
        ),
        "business_postal_code" => (
            say("Business address: postal code", "Geschäftsadresse: Postleitzahl"),
            "SW1Y 4JH",
        ),
        "business_country" => (
            say("Business address: country", "Geschäftsadresse: Land"),
            say("United Kingdom", "Vereinigtes Königreich"),
        ),
        "other_street" => (
            say("Other address: street", "Weitere Adresse: Straße"),
            "Ockham Park",
        ),
        "other_city" => (say("Other address: city", "Weitere Adresse: Ort"), "Guildford"),
        "other_state" => (
            say("Other address: state", "Weitere Adresse: Bundesland"),
            "Surrey",
        ),
        "other_postal_code" => (
            say("Other address: postal code", "Weitere Adresse: Postleitzahl"),
            "GU23 6NG",
        ),
        "other_country" => (
            say("Other address: country", "Weitere Adresse: Land"),
            say("United Kingdom", "Vereinigtes Königreich"),
        ),
        "birthday" => (
            say("Birthday", "Geburtstag"),
            say("10 December 1985", "10. Dezember 1985"),
        ),
        "body" => ("Text", say("Met at the fair", "Auf der Messe getroffen")),
        "company" => (
            say(
                "Company (when the contact is created)",
                "Firma (beim Anlegen des Kontakts)",
            ),
            "Acme Analytics",
        ),
        "subject" => (say("Subject", "Betreff"), "Kick-off"),
        "location" => (say("Location", "Ort"), say("Room 4", "Raum 4")),
        "when" => (
            say("Start, end, all day", "Beginn, Ende, ganztägig"),
            say("9:00 to 10:00", "9:00 bis 10:00"),
        ),
        "reminder" => (
            say("Reminder", "Erinnerung"),
            say("15 minutes before", "15 Minuten vorher"),
        ),
        "show_as" => (say("Show as", "Anzeigen als"), say("busy", "beschäftigt")),
        "private" => (say("Private", "Privat"), say("no", "nein")),
        "relations" => (
            say("People and records", "Personen und Datensätze"),
            "Ada Lovelace, Acme Analytics",
        ),
        "due" => (
            say("Due date", "Fälligkeit"),
            say("30 November 2026", "30. November 2026"),
        ),
        "status" => ("Status", say("in progress", "in Bearbeitung")),
        "priority" => (say("Priority", "Priorität"), say("high", "hoch")),
        "remind_at" => (
            say("Reminder", "Erinnerung"),
            say("30 November 2026, 9:00", "30. November 2026, 9:00"),
        ),
        "html" => (
            say("Formatted text", "Formatierter Text"),
            say("Dear Ada, …", "Liebe Ada, …"),
        ),
        "from_address" => (say("From", "Von"), "ada@example.com"),
        "to_addresses" => (say("To", "An"), "you@example.org"),
        "cc_addresses" => ("Cc", "mary@example.com"),
        "sent_at" => (
            say("Sent", "Gesendet"),
            say("30 November 2026, 9:00", "30. November 2026, 9:00"),
        ),
        "incoming" => (
            say("Received or sent by you", "Empfangen oder von Ihnen gesendet"),
            say("received", "empfangen"),
        ),
        "message_id" => ("Message-ID", "1234@example.com"),
        "thread" => (say("Conversation", "Unterhaltung"), "AQHb…"),
        _ => return None,
    })
}
