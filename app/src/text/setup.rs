//! The pages in a browser's tab: both accounts, the values in use, and the way out.

use tandem_types::{CrmAccount, MailboxAccount, MailboxServer};

use super::{Words, say};

pub const SETTINGS_TITLE: Words = Words::new("Sync settings", "Einstellungen");
pub const STATE: Words = Words::new("State", "Stand");
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
pub const DEACTIVATE_LIST: [Words; 3] = [
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
];
/// What follows for the items, where the box cannot be ticked.
pub const DEACTIVATE_KEEPS: Words = Words::new(
    "Every item stays: nothing is deleted in your mailbox or in Salesforce.",
    "Jeder Eintrag bleibt: In Ihrem Postfach und in Salesforce wird nichts gelöscht.",
);
/// And where it can.
pub const DEACTIVATE_KEEPS_UNLESS: Words = Words::new(
    "Every item stays, in your mailbox and in Salesforce, unless you tick the box.",
    "Jeder Eintrag bleibt, in Ihrem Postfach und in Salesforce, außer Sie setzen das Häkchen.",
);
pub const DEACTIVATE_REMOVE: Words = Words::new(
    "Also remove from my mailbox what Tandem has put there",
    "Auch aus meinem Postfach entfernen, was Tandem dort angelegt hat",
);
pub const DEACTIVATE_REMOVE_HINT: Words = Words::new(
    "The contacts, events and tasks that came from Salesforce go to Deleted Items. What you made yourself, your mails, \
     and what you changed since the last sync stay. In Salesforce nothing is deleted. If you set the sync up again, they \
     come back.",
    "Kontakte, Termine und Aufgaben, die aus Salesforce kamen, gehen in „Gelöschte Elemente“. Was Sie selbst angelegt \
     haben, Ihre Mails und was Sie seit dem letzten Abgleich geändert haben, bleibt. In Salesforce wird nichts gelöscht. \
     Richten Sie den Abgleich wieder ein, kommen sie zurück.",
);
/// While that is being done.
pub const CLEARING_TITLE: Words =
    Words::new("The sync is being deactivated", "Der Abgleich wird abgeschaltet");
pub const DEACTIVATE_NOW: Words = Words::new("Deactivate at once", "Sofort abschalten");
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
