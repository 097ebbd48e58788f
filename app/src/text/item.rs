//! What the panel of the open item says.

use tandem_types::{ItemKind, ItemTrouble, LinkTo, NotSaved, PersonKind, PersonRole, RelatedKind, SaveRule};

use super::lang::{Lang, Words, say, spoken};

// The panel
pub const PANEL: Words = Words::new("Open item", "Geöffnetes Element");
pub const NO_SUBJECT: Words = Words::new("(no subject)", "(kein Betreff)");
pub const LOADING: Words = Words::new("Looking in Salesforce …", "Wird in Salesforce nachgesehen …");
pub const LOAD: Words = Words::new("Look again", "Noch einmal nachsehen");
pub const OPEN: Words = Words::new("Open in Salesforce", "In Salesforce öffnen");

// Another item was opened
pub const CHANGED_TITLE: Words = Words::new("Save your changes?", "Änderungen speichern?");
pub const CHANGED_LEAD: Words = Words::new(
    "Outlook shows another item now. What you typed here is not saved yet.",
    "Outlook zeigt jetzt ein anderes Element. Ihre Eingaben hier sind noch nicht gespeichert.",
);
pub const CHANGED_SAVE: Words = Words::new("Save", "Speichern");
pub const CHANGED_DISCARD: Words = Words::new("Discard", "Verwerfen");
pub const CHANGED_STAY: Words = Words::new("Stay", "Hier bleiben");
pub const HELD_SHOW: Words = Words::new("Show the open item", "Geöffnetes Element zeigen");

// State
pub const SAVED: Words = Words::new("Saved in Salesforce", "In Salesforce gespeichert");
pub const SAVING: Words = Words::new(
    "Being saved in Salesforce …",
    "Wird gerade in Salesforce gespeichert …",
);
pub const WILL_BE_SAVED: Words = Words::new("Will be saved in Salesforce", "Wird in Salesforce gespeichert");
pub const NOT_SAVED: Words = Words::new("Not saved in Salesforce", "Nicht in Salesforce gespeichert");
pub const CANNOT_BE_SAVED: Words = Words::new("Cannot be saved", "Kann nicht gespeichert werden");
pub const UNKNOWN: Words = Words::new("Not in Salesforce yet", "Noch nicht in Salesforce");
pub const UNKNOWN_LEAD: Words = Words::new(
    "Tandem has not seen this item yet. You can save it now.",
    "Tandem hat dieses Element noch nicht gesehen. Sie können es jetzt speichern.",
);
pub const WHEN_SENT: Words = Words::new("Will be saved when it is sent", "Wird beim Senden gespeichert");
pub const WHEN_SENT_LEAD: Words = Words::new(
    "It has the category “Salesforce”. You can choose whom and what it is saved with afterwards, in Sent Items.",
    "Sie hat die Kategorie „Salesforce“. Womit sie verknüpft wird, können Sie danach unter „Gesendete Elemente“ wählen.",
);
pub const DRAFT_LEAD: Words = Words::new(
    "A draft is not saved. It can be saved when it is sent.",
    "Ein Entwurf wird nicht gespeichert. Er kann beim Senden gespeichert werden.",
);
pub const DO_NOT_SAVE: Words = Words::new("Do not save it", "Doch nicht speichern");
pub const UNSAVED_EVENT: Words = Words::new(
    "Save it in Outlook first: then it is looked at here.",
    "Speichern Sie ihn zuerst in Outlook: Dann wird er hier angesehen.",
);
pub const SYNC_OFF: Words = Words::new(
    "Saving needs the sync",
    "Zum Speichern wird die Synchronisation gebraucht",
);
pub const SYNC_OFF_LEAD: Words = Words::new(
    "People, records, calls and tasks work without it. To save this item, connect your mailbox.",
    "Personen, Datensätze, Anrufe und Aufgaben gehen auch ohne. Um dieses Element zu speichern, verbinden Sie Ihr Postfach.",
);
pub const OTHER_MAILBOX: Words = Words::new("Of another mailbox", "Aus einem anderen Postfach");
pub const IN_SETTINGS: Words = Words::new("Open the settings", "Einstellungen öffnen");

// Save
pub const SAVE: Words = Words::new("Save", "Speichern");
pub const SAVE_ALL_THE_SAME: Words = Words::new("Save all the same", "Trotzdem speichern");
pub const SAVE_NOW: Words = Words::new("Save now", "Jetzt speichern");
pub const SAVE_WHEN_SENT: Words = Words::new("Save when sent", "Beim Senden speichern");
pub const SAVE_CHANGES: Words = Words::new("Save the links", "Verknüpfungen speichern");
pub const SAVE_DOING: Words = Words::new("Saving …", "Wird gespeichert …");
pub const UNSAVE: Words = Words::new("Take out of Salesforce", "Aus Salesforce entfernen");
pub const UNSAVE_HINT: Words = Words::new(
    "The item stays in your mailbox and gets the category “Salesforce Unsync”.",
    "Das Element bleibt in Ihrem Postfach und bekommt die Kategorie „Salesforce Unsync“.",
);
pub const LINKS: Words = Words::new("Save with", "Speichern mit");
pub const LINKS_SAVED: Words = Words::new("Saved with", "Gespeichert mit");
pub const LINKS_NONE: Words = Words::new("nobody yet", "noch niemandem");
pub const WHO: Words = Words::new("People", "Personen");
pub const WHAT: Words = Words::new("Related to", "Bezug");
pub const NOTHING: Words = Words::new("Nothing", "Ohne Bezug");
pub const ATTACHMENTS: Words = Words::new("Attachments", "Anlagen");
pub const THREAD: Words = Words::new(
    "Also save later mails of this conversation",
    "Auch spätere E-Mails dieser Unterhaltung speichern",
);
pub const SEARCH_HINT: Words = Words::new("Name", "Name");
pub const SEARCH: Words = Words::new("Search", "Suchen");
pub const UNMARKED: Words = Words::new(
    "This version of Outlook cannot mark a draft. Save the mail here after it was sent.",
    "Diese Version von Outlook kann einen Entwurf nicht kennzeichnen. Speichern Sie die E-Mail hier, nachdem sie gesendet wurde.",
);

// People
pub const PEOPLE: Words = Words::new("People", "Personen");
pub const PEOPLE_NONE: Words = Words::new(
    "Nobody else takes part in this item.",
    "An diesem Element ist sonst niemand beteiligt.",
);
pub const PEOPLE_NONE_YET: Words = Words::new(
    "As soon as you enter people, they are looked up in Salesforce.",
    "Sobald Sie Personen eintragen, werden sie in Salesforce gesucht.",
);
pub const INTERNAL: Words = Words::new("your company", "Ihr Unternehmen");
pub const INTERNAL_MORE: Words = Words::new("Of your company", "Aus Ihrem Unternehmen");
pub const NOT_THERE: Words = Words::new("Not in Salesforce yet.", "Noch nicht in Salesforce.");
pub const CREATE_CONTACT: Words = Words::new("Create contact", "Kontakt anlegen");
pub const CREATE_LEAD: Words = Words::new("Create lead", "Lead anlegen");
pub const CREATE: Words = Words::new("Create", "Anlegen");
pub const FIRST_NAME: Words = Words::new("First name", "Vorname");
pub const LAST_NAME: Words = Words::new("Last name", "Nachname");
pub const COMPANY: Words = Words::new("Company", "Firma");
pub const ACCOUNT: Words = Words::new("Account", "Account");
pub const EMAIL: Words = Words::new("E-mail", "E-Mail");
pub const PHONE: Words = Words::new("Phone", "Telefon");
pub const TITLE: Words = Words::new("Title", "Position");
pub const DRAFT_HINT: Words = Words::new(
    "Filled in from the name and the signature: please check.",
    "Aus Namen und Signatur ausgefüllt: bitte prüfen.",
);
pub const BLOCK: Words = Words::new("Do not sync", "Nicht synchronisieren");
pub const BLOCK_LEAD: Words = Words::new(
    "Mails and meetings with blocked people are never saved by themselves.",
    "E-Mails und Besprechungen mit gesperrten Personen werden nie von selbst gespeichert.",
);
pub const BLOCKED_BY_ORG: Words = Words::new(
    "Your administrator has blocked it.",
    "Das hat Ihre Administration gesperrt.",
);
pub const UNBLOCK: Words = Words::new("Sync again", "Wieder synchronisieren");

// Records
pub const OPPORTUNITIES: Words = Words::new("Open opportunities", "Offene Opportunities");
pub const CASES: Words = Words::new("Open cases", "Offene Fälle");
pub const LOG_CALL: Words = Words::new("Log a call", "Anruf erfassen");
pub const ADD_TASK: Words = Words::new("Add a task", "Aufgabe anlegen");
pub const MORE: Words = Words::new("More", "Mehr");
pub const LESS: Words = Words::new("Less", "Weniger");
pub const SUBJECT: Words = Words::new("Subject", "Betreff");
pub const NOTES: Words = Words::new("Notes", "Notizen");
pub const DUE: Words = Words::new("Due", "Fällig");
pub const EMPTY: Words = Words::new("empty", "leer");
pub const FILES: Words = Words::new("Files", "Dateien");
pub const TIMELINE: Words = Words::new("Activities", "Aktivitäten");
pub const STILL_OPEN: Words = Words::new("open", "offen");
pub const DETAIL_NONE: Words = Words::new(
    "No related records, files or activities yet.",
    "Noch keine verwandten Datensätze, Dateien oder Aktivitäten.",
);

/// The subject, where it has one.
pub fn subject(subject: &str) -> &str {
    match subject.trim() {
        "" => NO_SUBJECT.get(),
        subject => subject,
    }
}

/// The panel stays with an item that Outlook no longer shows.
pub fn held(subject: &str) -> String {
    match spoken() {
        Lang::En => format!("This is about “{subject}”. Outlook shows another item."),
        Lang::De => format!("Hier geht es um „{subject}“. Outlook zeigt ein anderes Element."),
    }
}

/// By which rule it is saved.
pub fn save_rule(rule: SaveRule) -> &'static str {
    match rule {
        SaveRule::Marked => say(
            "It has the category “Salesforce”, or lies in a Salesforce folder.",
            "Es hat die Kategorie „Salesforce“ oder liegt in einem Salesforce-Ordner.",
        ),
        SaveRule::Folder => say(
            "It lies in a folder that you chose.",
            "Es liegt in einem Ordner, den Sie gewählt haben.",
        ),
        SaveRule::Thread => say(
            "Its conversation was saved before.",
            "Seine Unterhaltung wurde schon gespeichert.",
        ),
        SaveRule::MeetingWithMatch => say(
            "A meeting with somebody outside who is known in Salesforce.",
            "Eine Besprechung mit jemandem von außen, der in Salesforce bekannt ist.",
        ),
        SaveRule::Appointment => say(
            "Appointments are saved by themselves.",
            "Termine werden von selbst gespeichert.",
        ),
        SaveRule::MailWithMatch => say(
            "A mail with somebody who is known in Salesforce.",
            "Eine E-Mail mit jemandem, der in Salesforce bekannt ist.",
        ),
        SaveRule::Linked => say("It is linked already.", "Es ist schon verknüpft."),
    }
}

/// Why it is not saved.
pub fn not_saved(why: NotSaved) -> &'static str {
    match why {
        NotSaved::OutOfWindow => say(
            "It is outside of the days that are synced.",
            "Es liegt außerhalb der Tage, die synchronisiert werden.",
        ),
        NotSaved::Private => say(
            "It is private. Only you decide that it is saved.",
            "Es ist privat. Nur Sie entscheiden, dass es gespeichert wird.",
        ),
        NotSaved::InternalOnly => say(
            "Only your own company takes part.",
            "Nur Ihr eigenes Unternehmen ist beteiligt.",
        ),
        NotSaved::Unanswered => say(
            "You have not answered the invitation yet.",
            "Sie haben die Einladung noch nicht beantwortet.",
        ),
        NotSaved::Declined => say(
            "You declined the invitation.",
            "Sie haben die Einladung abgelehnt.",
        ),
        NotSaved::Cancelled => say("The meeting was cancelled.", "Die Besprechung wurde abgesagt."),
        NotSaved::NoMatch => say(
            "Nobody in Salesforce has any of its addresses.",
            "Niemand in Salesforce hat eine seiner Adressen.",
        ),
        NotSaved::Blocklisted => say(
            "Its addresses are on the blocklist.",
            "Seine Adressen stehen auf der Sperrliste.",
        ),
        NotSaved::Service => say(
            "A machine made it: an automatic reply, a report, a mailing list.",
            "Eine Maschine hat es erzeugt: eine automatische Antwort, ein Bericht, eine Verteilerliste.",
        ),
        NotSaved::Confidential => say(
            "It is marked private, personal or confidential.",
            "Es ist als privat, persönlich oder vertraulich gekennzeichnet.",
        ),
        NotSaved::Encrypted => say(
            "It is encrypted or rights-protected: nobody but you can read it.",
            "Es ist verschlüsselt oder geschützt: Niemand außer Ihnen kann es lesen.",
        ),
        NotSaved::Draft => say("It is a draft.", "Es ist ein Entwurf."),
        NotSaved::TooOld => say(
            "It is older than the mail that is saved by itself.",
            "Es ist älter als die E-Mails, die von selbst gespeichert werden.",
        ),
        NotSaved::Off => say(
            "Your settings do not sync items of this kind to Salesforce.",
            "Ihre Einstellungen synchronisieren Elemente dieser Art nicht nach Salesforce.",
        ),
        NotSaved::Unsync => say(
            "It has the category “Salesforce Unsync”.",
            "Es hat die Kategorie „Salesforce Unsync“.",
        ),
        NotSaved::AutoSaveOff => say(
            "Your settings do not save such items by themselves.",
            "Ihre Einstellungen speichern solche Elemente nicht von selbst.",
        ),
        NotSaved::OutOfScope => say(
            "It has no category “Salesforce” and lies in no folder that is synced.",
            "Es hat keine Kategorie „Salesforce“ und liegt in keinem Ordner, der synchronisiert wird.",
        ),
        NotSaved::NoMessageId => say(
            "It has no Message-ID, so it could be saved twice.",
            "Es hat keine Message-ID und könnte deshalb doppelt gespeichert werden.",
        ),
        NotSaved::TakenOut => say(
            "You took it out of Salesforce.",
            "Sie haben es aus Salesforce entfernt.",
        ),
        NotSaved::DeletedThere => say(
            "It was saved, and its record was deleted in Salesforce.",
            "Es war gespeichert, und sein Datensatz wurde in Salesforce gelöscht.",
        ),
        NotSaved::Double => say(
            "Another event of your mailbox stands for this meeting already.",
            "Ein anderer Termin Ihres Postfachs steht schon für diese Besprechung.",
        ),
    }
}

/// Whose item it is, and what is possible.
pub fn other_mailbox(owner: &str) -> String {
    match spoken() {
        Lang::En => format!(
            "This item is in the mailbox of {owner}. Tandem saves only what is in your own. You can still look at its \
             people, create records, log calls and add tasks."
        ),
        Lang::De => format!(
            "Dieses Element liegt im Postfach von {owner}. Tandem speichert nur, was in Ihrem eigenen liegt. Sie können \
             trotzdem seine Personen ansehen, Datensätze anlegen, Anrufe erfassen und Aufgaben anlegen."
        ),
    }
}

/// Why an answer has less than was asked for.
pub fn trouble(trouble: &ItemTrouble) -> String {
    let with = |words: &str, said: &str| match said.trim() {
        "" => words.to_owned(),
        said => format!("{words} {said}"),
    };
    match trouble {
        ItemTrouble::SalesforceSlow => say(
            "Salesforce does not answer just now.",
            "Salesforce antwortet gerade nicht.",
        )
        .to_owned(),
        ItemTrouble::SalesforceSignIn => say(
            "The sign-in with Salesforce has ended: sign in again.",
            "Die Anmeldung bei Salesforce ist abgelaufen: Melden Sie sich neu an.",
        )
        .to_owned(),
        ItemTrouble::MailboxSlow => say(
            "The mail server does not answer just now.",
            "Der Mailserver antwortet gerade nicht.",
        )
        .to_owned(),
        ItemTrouble::MailboxSignIn => say(
            "The mail server refuses the stored sign-in: connect your mailbox again.",
            "Der Mailserver lehnt die gespeicherte Anmeldung ab: Verbinden Sie Ihr Postfach neu.",
        )
        .to_owned(),
        ItemTrouble::Refused(said) => with(
            say("Salesforce refused it:", "Salesforce hat es abgelehnt:"),
            said,
        ),
        ItemTrouble::NoPermission => say(
            "Your Salesforce account may not do that.",
            "Ihr Salesforce-Konto darf das nicht.",
        )
        .to_owned(),
        ItemTrouble::Duplicate(said) => with(
            say(
                "Salesforce has such a record already:",
                "Salesforce hat so einen Datensatz schon:",
            ),
            said,
        ),
        ItemTrouble::Busy => say(
            "A sync is running; it is done right after.",
            "Gerade läuft eine Synchronisation; es geschieht gleich danach.",
        )
        .to_owned(),
    }
}

/// What somebody is to the item.
pub const fn role(role: PersonRole) -> Words {
    match role {
        PersonRole::From => Words::new("From", "Von"),
        PersonRole::To => Words::new("To", "An"),
        PersonRole::Cc => Words::new("Cc", "Cc"),
        PersonRole::Bcc => Words::new("Bcc", "Bcc"),
        PersonRole::Organizer => Words::new("Organizer", "Organisiert"),
        PersonRole::Required => Words::new("Required", "Erforderlich"),
        PersonRole::Optional => Words::new("Optional", "Optional"),
    }
}

/// What a type of record is called; a type of the organisation's own by its own name.
pub fn object(api: &str) -> &str {
    match api {
        "Account" => "Account",
        "Contact" => say("Contact", "Kontakt"),
        "Lead" => "Lead",
        "Opportunity" => "Opportunity",
        "Case" => say("Case", "Fall"),
        "Task" => say("Task", "Aufgabe"),
        "Event" => say("Event", "Ereignis"),
        "EmailMessage" => say("E-mail", "E-Mail"),
        own => own,
    }
}

pub fn activity(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => say("Contact", "Kontakt"),
        ItemKind::Event => say("Event", "Ereignis"),
        ItemKind::Task => say("Task", "Aufgabe"),
        ItemKind::Email => say("E-mail", "E-Mail"),
    }
}

pub fn related(kind: RelatedKind) -> &'static str {
    match kind {
        RelatedKind::Accounts => "Accounts",
        RelatedKind::Contacts => say("Contacts", "Kontakte"),
        RelatedKind::Opportunities => "Opportunities",
        RelatedKind::Cases => say("Cases", "Fälle"),
    }
}

/// The search box.
pub fn search_label(to: LinkTo) -> &'static str {
    match to {
        LinkTo::Who => say("Search contacts and leads", "Kontakte und Leads suchen"),
        LinkTo::What => say(
            "Search accounts, opportunities, cases",
            "Accounts, Opportunities, Fälle suchen",
        ),
    }
}

pub fn found_nothing(query: &str) -> String {
    match spoken() {
        Lang::En => format!("Nothing found for “{query}”. Try fewer letters, or another spelling."),
        Lang::De => format!(
            "Nichts gefunden für „{query}“. Versuchen Sie weniger Buchstaben oder eine andere Schreibweise."
        ),
    }
}

pub const FOUND_MORE: Words = Words::new(
    "There are more: type more of the name.",
    "Es gibt noch mehr: Geben Sie mehr vom Namen ein.",
);

/// The button and the form.
pub fn create(kind: PersonKind) -> &'static str {
    match kind {
        PersonKind::Lead => CREATE_LEAD.get(),
        PersonKind::Contact => CREATE_CONTACT.get(),
    }
}

/// Something was created.
pub fn created(api: &str, name: &str) -> String {
    let object = object(api);
    match spoken() {
        Lang::En => format!("{object} created: {name}"),
        Lang::De => format!("{object} angelegt: {name}"),
    }
}

/// An action on one of several, for who hears only the button.
pub fn named(action: &str, name: &str) -> String {
    format!("{action}: {name}")
}

/// The button that opens a field: with what stands in it.
pub fn edit(label: &str, value: &str) -> String {
    let value = match value.trim() {
        "" => EMPTY.get(),
        value => value,
    };
    match spoken() {
        Lang::En => format!("Change {label}: {value}"),
        Lang::De => format!("{label} ändern: {value}"),
    }
}

/// An address or a domain that is blocked.
pub fn blocked(entry: &str) -> String {
    match spoken() {
        Lang::En => format!("{entry} is on your blocklist."),
        Lang::De => format!("{entry} steht auf Ihrer Sperrliste."),
    }
}

/// The button that blocks an address, or all of a domain.
pub fn block(entry: &str) -> String {
    match (spoken(), entry.strip_prefix('@')) {
        (Lang::En, Some(domain)) => format!("Nobody of {domain}"),
        (Lang::De, Some(domain)) => format!("Niemanden von {domain}"),
        (_, None) => entry.to_owned(),
    }
}

/// A file's size, in the units that people read.
pub fn size(bytes: u64) -> String {
    let (n, unit) = match bytes {
        0..1_000 => (bytes, "B"),
        1_000..1_000_000 => (bytes.div_ceil(1_000), "kB"),
        _ => (bytes.div_ceil(1_000_000), "MB"),
    };
    format!("{n} {unit}")
}
