//! The pages in a browser's tab: both accounts, the values in use, and the way out.

use tandem_types::{
    ConflictPolicy, ContactScope, CrmAccount, DeletedInMailbox, Direction, MailboxAccount, MailboxServer,
    Settings,
};

use super::time::{count, number};
use super::{Lang, Words, say, spoken};

pub const SETTINGS_TITLE: Words = Words::new("Sync settings", "Einstellungen");
pub const STATE: Words = Words::new("State", "Stand");
pub const WHAT_SYNCS: Words = Words::new("What is synced", "Was abgeglichen wird");
pub const WHAT_SYNCS_NOTE: Words = Words::new(
    "These are the values in use. They cannot be changed here yet.",
    "Das sind die geltenden Werte. Hier lassen sie sich noch nicht ändern.",
);
pub const SETTING: Words = Words::new("Setting", "Einstellung");
pub const VALUE: Words = Words::new("Value", "Wert");
pub const SETUP_TITLE: Words = Words::new("Set up Tandem", "Tandem einrichten");
pub const MAIL_SERVER: Words = Words::new("Mail server", "Mailserver");
pub const ACCOUNT: Words = Words::new("Account", "Konto");
pub const KIND: Words = Words::new("Kind", "Art");
pub const HOST: Words = Words::new("Server", "Server");
pub const USER: Words = Words::new("User", "Benutzer");
pub const ORGANISATION: Words = Words::new("Organisation", "Organisation");
pub const LAST_ACCEPTED: Words = Words::new("Last accepted sync", "Zuletzt gelungener Abgleich");
pub const NEVER: Words = Words::new("None yet", "Noch keiner");
pub const REFUSALS: Words = Words::new("Refusals in a row", "Ablehnungen nacheinander");
pub const NEXT_SYNC: Words = Words::new("Next sync", "Nächster Abgleich");
pub const LINKED: Words = Words::new("Linked contacts", "Verknüpfte Kontakte");
pub const CHANGE: Words = Words::new("Change", "Wechseln");
pub const CHANGE_SALESFORCE: Words = Words::new("Change: Salesforce account", "Wechseln: Salesforce-Konto");
pub const CHANGE_SALESFORCE_HINT: Words = Words::new(
    "Refresh renews the access of this account. Change lets your mailbox go on with another one; the pairs of this one \
     are kept, and come back if you change back.",
    "„Erneuern“ erneuert den Zugriff dieses Kontos. Mit „Wechseln“ macht Ihr Postfach mit einem anderen weiter; die \
     Verknüpfungen dieses Kontos bleiben erhalten und gelten wieder, wenn Sie zurückwechseln.",
);
pub const REFRESH: Words = Words::new("Refresh", "Erneuern");
pub const CONNECTED_SINCE: Words = Words::new("Connected since", "Verbunden seit");
pub const SIGNED_IN_AS: Words = Words::new("Signed in as", "Angemeldet als");

// Deactivate.
pub const DEACTIVATE_TITLE: Words = Words::new("Deactivate the sync?", "Den Abgleich abschalten?");
pub const DEACTIVATE_LEAD: Words = Words::new("This is what happens:", "Das geschieht:");
pub const DEACTIVATE_LIST: [Words; 4] = [
    Words::new(
        "Tandem gives its access to Salesforce back: it is revoked there.",
        "Tandem gibt seinen Zugriff auf Salesforce zurück: Er wird dort widerrufen.",
    ),
    Words::new(
        "The stored password of your mailbox, or Microsoft’s permission, is destroyed.",
        "Das gespeicherte Kennwort Ihres Postfachs, oder die Erlaubnis von Microsoft, wird vernichtet.",
    ),
    Words::new(
        "The sync stops. A running one ends first.",
        "Der Abgleich hört auf. Ein laufender wird noch beendet.",
    ),
    Words::new(
        "Every item stays: nothing is deleted in your mailbox or in Salesforce.",
        "Jeder Eintrag bleibt: In Ihrem Postfach und in Salesforce wird nichts gelöscht.",
    ),
];
pub const DEACTIVATE_AFTER: Words = Words::new(
    "You can set up the sync again at any time.",
    "Sie können den Abgleich jederzeit wieder einrichten.",
);
/// Microsoft takes nothing back by itself.
pub const CONSENT_PAGE: &str = "https://myapps.microsoft.com";
pub const CONSENT_PAGE_HINT: Words = Words::new(
    "Microsoft still lists Tandem among your apps. You can take it off there:",
    "Bei Microsoft steht Tandem noch unter Ihren Apps. Dort können Sie es entfernen:",
);
pub const CONSENT_PAGE_LINK: Words = Words::new("My Apps at Microsoft", "„Meine Apps“ bei Microsoft");
pub const KEEP_SYNC: Words = Words::new("Keep the sync", "Abgleich behalten");

pub fn mailbox_server(server: MailboxServer) -> &'static str {
    match server {
        MailboxServer::Exchange => "Exchange",
        MailboxServer::Office365 => "Office 365",
    }
}

/// `Exchange on mail.example.com`.
pub fn mailbox_host(account: &MailboxAccount) -> String {
    format!(
        "{} {} {}",
        mailbox_server(account.server),
        say("on", "auf"),
        account.host
    )
}

pub fn crm_host(account: &CrmAccount) -> String {
    format!("{} · {}", account.org_name, account.host)
}

/// The settings in use, as rows of a table.
pub fn settings_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut rows = contact_rows(settings);
    rows.extend(event_rows(settings));
    let brake = &settings.brake;
    let (many, hard) = (number(brake.count), number(brake.hard));
    rows.extend([
        (say("Tasks", "Aufgaben"), direction(settings.tasks).to_owned()),
        (
            say(
                "Tasks changed on both sides",
                "Auf beiden Seiten geänderte Aufgaben",
            ),
            conflicts(settings.task_conflicts).to_owned(),
        ),
        (
            say("Tasks deleted in the mailbox", "Im Postfach gelöschte Aufgaben"),
            deleted(settings.task_deleted_in_mailbox).to_owned(),
        ),
    ]);
    rows.extend(email_rows(settings));
    rows.extend([
        (
            say("Stops and asks", "Hält an und fragt"),
            match spoken() {
                Lang::En => format!(
                    "at more than {many} weighty changes and {} % of the links, or more than {hard}",
                    brake.percent
                ),
                Lang::De => format!(
                    "bei mehr als {many} gewichtigen Änderungen und {} % der Verknüpfungen, oder bei mehr als {hard}",
                    brake.percent
                ),
            },
        ),
        (
            say("Syncs every", "Gleicht ab alle"),
            count(
                settings.interval_minutes,
                say("minute", "Minute"),
                say("minutes", "Minuten"),
            ),
        ),
    ]);
    rows
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::TwoWay => say("both ways", "in beide Richtungen"),
        Direction::ToCrm => say("only to Salesforce", "nur nach Salesforce"),
        Direction::ToMailbox => say("only to the mailbox", "nur ins Postfach"),
        Direction::Off => say("off", "aus"),
    }
}

fn conflicts(policy: ConflictPolicy) -> &'static str {
    match policy {
        ConflictPolicy::Newest => say("the newest change wins", "die neueste Änderung gilt"),
        ConflictPolicy::Mailbox => say("the mailbox wins", "das Postfach gilt"),
        ConflictPolicy::Crm => say("Salesforce wins", "Salesforce gilt"),
        ConflictPolicy::Ask => say("you are asked", "Sie werden gefragt"),
    }
}

fn deleted(deleted: DeletedInMailbox) -> &'static str {
    match deleted {
        DeletedInMailbox::Ask => say(
            "kept in Salesforce, you are asked",
            "bleibt in Salesforce, Sie werden gefragt",
        ),
        DeletedInMailbox::Recreate => say("created again in the mailbox", "wird im Postfach neu angelegt"),
        DeletedInMailbox::DeleteOwn => say(
            "deleted in Salesforce too, if you own it",
            "wird auch in Salesforce gelöscht, wenn es Ihnen gehört",
        ),
    }
}

fn contact_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let scope = match settings.contact_scope {
        ContactScope::Mine => say("those that you own", "die Ihnen gehören"),
        ContactScope::AllVisible => say("all that you can see", "alle, die Sie sehen können"),
        ContactScope::ListView => say("those of one list view", "die einer Listenansicht"),
    };
    let most = number(settings.contact_limit);
    vec![
        (
            say("Contacts", "Kontakte"),
            direction(settings.contacts).to_owned(),
        ),
        (
            say("Contacts from Salesforce", "Kontakte aus Salesforce"),
            scope.to_owned(),
        ),
        (
            say("Contacts per mailbox", "Kontakte je Postfach"),
            match spoken() {
                Lang::En => format!("{most} at most"),
                Lang::De => format!("höchstens {most}"),
            },
        ),
        (
            say(
                "Contacts changed on both sides",
                "Auf beiden Seiten geänderte Kontakte",
            ),
            conflicts(settings.contact_conflicts).to_owned(),
        ),
        (
            say(
                "Contacts deleted in the mailbox",
                "Im Postfach gelöschte Kontakte",
            ),
            deleted(settings.contact_deleted_in_mailbox).to_owned(),
        ),
    ]
}

fn event_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let saved = match (settings.save_meetings, settings.save_appointments) {
        (true, true) => say(
            "meetings with somebody who is known, and appointments",
            "Besprechungen mit jemandem, der bekannt ist, und Termine",
        ),
        (true, false) => say(
            "meetings with somebody who is known",
            "Besprechungen mit jemandem, der bekannt ist",
        ),
        (false, true) => say("appointments", "Termine ohne Teilnehmer"),
        (false, false) => say("none", "keine"),
    };
    let mails = if settings.send_invitations {
        say(
            "are sent for your own meetings",
            "werden für Ihre eigenen Besprechungen gesendet",
        )
    } else {
        say("are never sent by the sync", "sendet der Abgleich nie")
    };
    let days = |n| count(n, say("day", "Tag"), say("days", "Tage"));
    let (back, ahead) = (days(settings.event_days_back), days(settings.event_days_ahead));
    vec![
        (say("Events", "Termine"), direction(settings.events).to_owned()),
        (
            say("Events from", "Termine im Zeitraum"),
            match spoken() {
                Lang::En => format!("{back} back to {ahead} ahead"),
                Lang::De => format!("{back} zurück, {ahead} voraus"),
            },
        ),
        (
            say("Events saved by themselves", "Von selbst gespeicherte Termine"),
            saved.to_owned(),
        ),
        (
            say(
                "Events changed on both sides",
                "Auf beiden Seiten geänderte Termine",
            ),
            conflicts(settings.event_conflicts).to_owned(),
        ),
        (
            say("Invitations and updates", "Einladungen und Aktualisierungen"),
            mails.to_owned(),
        ),
    ]
}

fn email_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let saved = match (settings.save_emails, settings.save_threads) {
        (true, _) => say(
            "those with somebody who is known",
            "die mit jemandem, der bekannt ist",
        ),
        (false, true) => say(
            "later ones of a conversation that was saved",
            "spätere einer Unterhaltung, die gespeichert wurde",
        ),
        (false, false) => say("none", "keine"),
    };
    let attachments = if settings.attachments.save {
        let megabytes = settings.attachments.max_bytes.div_ceil(1024 * 1024);
        match spoken() {
            Lang::En => format!("saved up to {megabytes} MB each"),
            Lang::De => format!("gespeichert bis je {megabytes} MB"),
        }
    } else {
        say("left out", "werden ausgelassen").to_owned()
    };
    vec![
        (say("E-mails", "E-Mails"), direction(settings.emails).to_owned()),
        (
            say("E-mails saved by themselves", "Von selbst gespeicherte E-Mails"),
            saved.to_owned(),
        ),
        (say("Attachments", "Anhänge"), attachments),
    ]
}
