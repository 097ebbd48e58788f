//! The header, its menu, and words that stand on many pages.

use super::Words;

pub const PRODUCT: &str = "Tandem";
pub const PRODUCT_LINE: Words = Words::new(
    "Outlook and Salesforce, in step",
    "Outlook und Salesforce im Gleichschritt",
);

pub const MENU: Words = Words::new("Menu", "Menü");
pub const SET_UP_SYNC: Words = Words::new("Set up sync", "Abgleich einrichten");
pub const SYNC_SETTINGS: Words = Words::new("Sync settings", "Einstellungen");
pub const SYNC_NOW: Words = Words::new("Sync now", "Jetzt abgleichen");
pub const PAUSE: Words = Words::new("Pause", "Anhalten");
pub const START: Words = Words::new("Start", "Starten");
pub const DEACTIVATE: Words = Words::new("Deactivate", "Abschalten");
pub const SIGN_OUT: Words = Words::new("Sign out", "Abmelden");
pub const OPENS_IN_TAB: Words = Words::new("opens in a new tab", "öffnet einen neuen Tab");
pub const TRY_AGAIN: Words = Words::new("Try again", "Noch einmal versuchen");
pub const UNAVAILABLE: Words = Words::new(
    "The server did not answer. Try again in a moment.",
    "Der Server hat nicht geantwortet. Versuchen Sie es gleich noch einmal.",
);
pub const CANCEL: Words = Words::new("Cancel", "Abbrechen");
pub const CLOSE: Words = Words::new("Close", "Schließen");

// Accounts.
pub const ACCOUNTS: Words = Words::new("Accounts", "Konten");
pub const MAILBOX: Words = Words::new("Mailbox", "Postfach");
pub const SALESFORCE: Words = Words::new("Salesforce", "Salesforce");
pub const MAILBOX_NONE: Words = Words::new("Not connected", "Nicht verbunden");
