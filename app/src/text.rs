//! The text catalogue: every word that a user reads stands here, and nowhere else.
//!
//! Constants for what never changes, functions for what depends on a state, a reason or a number. The functions
//! match exhaustively: a new state without words does not compile.

use tandem_types::{
    ActivationFailure, ApiError, BackfillView, ConflictPolicy, ConnectionView, ContactScope, CrmAccount,
    DeletedInMailbox, Direction, InvalidField, IssueChoice, IssueCode, IssueCure, ItemKind, MailboxAccount,
    MailboxServer, OpCounts, Progress, ProgressPhase, SessionOutcome, SessionView, Settings, Side,
    StateReason, SyncState, Timestamp, UndoLeftView, UndoReason,
};

mod lang;

#[cfg(feature = "hydrate")]
pub(crate) use lang::speak;
pub use lang::{Lang, Words, say, speaking, spoken};

pub const PRODUCT: &str = "Tandem";
pub const PRODUCT_LINE: Words = Words::new(
    "Outlook and Salesforce, in step",
    "Outlook and Salesforce, in step",
);

// Header and menu.
pub const MENU: Words = Words::new("Menu", "Menu");
pub const SET_UP_SYNC: Words = Words::new("Set up sync", "Set up sync");
pub const SYNC_SETTINGS: Words = Words::new("Sync settings", "Sync settings");
pub const SYNC_NOW: Words = Words::new("Sync now", "Sync now");
pub const PAUSE: Words = Words::new("Pause", "Pause");
pub const START: Words = Words::new("Start", "Start");
pub const DEACTIVATE: Words = Words::new("Deactivate", "Deactivate");
pub const SIGN_OUT: Words = Words::new("Sign out", "Sign out");
pub const OPENS_IN_TAB: Words = Words::new("opens in a new tab", "opens in a new tab");

// Sign-in.
pub const SIGN_IN: Words = Words::new("Sign in with Salesforce", "Sign in with Salesforce");
pub const SIGN_IN_AGAIN: Words = Words::new("Sign in with Salesforce again", "Sign in with Salesforce again");
pub const SIGN_IN_LEAD: Words = Words::new(
    "Tandem keeps the contacts, events and tasks of your mailbox and of Salesforce the same, \
     and saves your emails there, so that you enter nothing twice.",
    "Tandem keeps the contacts, events and tasks of your mailbox and of Salesforce the same, \
     and saves your emails there, so that you enter nothing twice.",
);
pub const SIGN_IN_NOTE: Words = Words::new(
    "You sign in on Salesforce’s own page. Tandem never sees that password.",
    "You sign in on Salesforce’s own page. Tandem never sees that password.",
);
pub const SIGN_IN_WAITING: Words = Words::new(
    "Finish signing in in the window that has just opened.",
    "Finish signing in in the window that has just opened.",
);
pub const SIGN_IN_BLOCKED: Words = Words::new(
    "The browser did not let the sign-in window open. Open it with this link:",
    "The browser did not let the sign-in window open. Open it with this link:",
);
pub const SIGN_IN_LINK: Words = Words::new("Open the sign-in page", "Open the sign-in page");
pub const SIGN_IN_INSECURE: Words = Words::new(
    "Signing in needs a secure connection: open this page by its https address.",
    "Signing in needs a secure connection: open this page by its https address.",
);
pub const SIGN_IN_CODE_HINT: Words = Words::new(
    "Does the window show a code? Type it here.",
    "Does the window show a code? Type it here.",
);
pub const CODE_LABEL: Words = Words::new("Enter the code", "Enter the code");
pub const CODE_SEND: Words = Words::new("Continue", "Continue");
pub const TRY_AGAIN: Words = Words::new("Try again", "Try again");
pub const UNAVAILABLE: Words = Words::new(
    "The server did not answer. Try again in a moment.",
    "The server did not answer. Try again in a moment.",
);
pub const CANCEL: Words = Words::new("Cancel", "Cancel");
pub const CLOSE: Words = Words::new("Close", "Close");

// Activation dialog.
pub const ACTIVATION_TITLE: Words = Words::new("Connect your mailbox", "Connect your mailbox");
pub const ACTIVATION_TITLE_AGAIN: Words = Words::new(
    "Your mailbox needs your sign-in",
    "Your mailbox needs your sign-in",
);
pub const ACTIVATION_LEAD: Words = Words::new(
    "Tandem tries the login once. Only if your mail server accepts it, it is stored, encrypted.",
    "Tandem tries the login once. Only if your mail server accepts it, it is stored, encrypted.",
);
pub const ACTIVATION_LEAD_AGAIN: Words = Words::new(
    "Your mail server refuses the stored login. Has your password changed? \
     Tandem tries the new one once before it stores it.",
    "Your mail server refuses the stored login. Has your password changed? \
     Tandem tries the new one once before it stores it.",
);
pub const ACTIVATION_LEAD_CLOUD: Words = Words::new(
    "Microsoft refuses access to your mailbox. Connect it again, or choose where it is now.",
    "Microsoft refuses access to your mailbox. Connect it again, or choose where it is now.",
);
pub const SYNCS_WITH: Words = Words::new("Will be kept in step with", "Will be kept in step with");
pub const KIND_LEGEND: Words = Words::new("Where is your mailbox?", "Where is your mailbox?");
pub const KIND_EXCHANGE: Words = Words::new("Exchange server", "Exchange server");
pub const KIND_EXCHANGE_HINT: Words =
    Words::new("on your company’s own servers", "on your company’s own servers");
pub const KIND_OFFICE: Words = Words::new("Office 365", "Office 365");
pub const KIND_OFFICE_HINT: Words = Words::new(
    "Exchange Online, in Microsoft’s cloud",
    "Exchange Online, in Microsoft’s cloud",
);
pub const KIND_OFFICE_OFF: Words = Words::new(
    "not set up on this server: ask the administrator of Tandem",
    "not set up on this server: ask the administrator of Tandem",
);
pub const OFFICE_LEAD: Words = Words::new(
    "You sign in on Microsoft’s own page. Tandem never sees that password, and asks for no right to send mail.",
    "You sign in on Microsoft’s own page. Tandem never sees that password, and asks for no right to send mail.",
);
pub const CONNECT_OFFICE: Words = Words::new("Connect to Office 365", "Connect to Office 365");
pub const CONNECTING_OFFICE: Words = Words::new("Connecting your mailbox …", "Connecting your mailbox …");
pub const OFFICE_WAITING: Words = Words::new(
    "Finish signing in in the window that has just opened.",
    "Finish signing in in the window that has just opened.",
);
pub const OFFICE_CODE: Words = Words::new("Code from Microsoft’s window", "Code from Microsoft’s window");
pub const OFFICE_OTHER_TITLE: Words = Words::new("This is another mailbox", "This is another mailbox");
pub const OFFICE_ANYWAY: Words = Words::new("Connect it anyway", "Connect it anyway");
pub const OFFICE_OTHER_ACCOUNT: Words = Words::new("Use another account", "Use another account");
pub const OFFICE_OTHER_BOX: Words = Words::new(
    "Connect it even if it is another mailbox than before",
    "Connect it even if it is another mailbox than before",
);
pub const CONNECT_AGAIN: Words = Words::new("Connect again", "Connect again");
pub const LOGIN: Words = Words::new("Login", "Login");
pub const LOGIN_HINT: Words = Words::new(
    "Your e-mail address, or DOMAIN\\user",
    "Your e-mail address, or DOMAIN\\user",
);
pub const PASSWORD: Words = Words::new("Password", "Password");
pub const MORE: Words = Words::new("More", "More");
pub const EWS_URL: Words = Words::new("EWS URL", "EWS URL");
/// Above the steps of a search for the mail server that failed.
pub const SEARCHED: Words = Words::new(
    "Where Tandem has looked for your mail server:",
    "Where Tandem has looked for your mail server:",
);
pub const EWS_URL_HINT: Words = Words::new(
    "Leave it empty: Tandem finds the server by your e-mail address.",
    "Leave it empty: Tandem finds the server by your e-mail address.",
);
pub const EWS_URL_EXAMPLE: &str = "https://mail.example.com/EWS/Exchange.asmx";
pub const CONNECT: Words = Words::new("Connect to Exchange", "Connect to Exchange");
pub const CONNECTING: Words = Words::new(
    "Connecting: looking for your mail server, then trying the login once …",
    "Connecting: looking for your mail server, then trying the login once …",
);
pub const SKIP: Words = Words::new("Skip", "Skip");

// After Skip.
pub const WITHOUT_SYNC: Words = Words::new("Sync is not set up", "Sync is not set up");
pub const WITHOUT_SYNC_LEAD: Words = Words::new(
    "Until your mailbox is connected, these are not available:",
    "Until your mailbox is connected, these are not available:",
);
pub const WITHOUT_SYNC_LIST: [Words; 4] = [
    Words::new(
        "saving while you write a message or a meeting",
        "saving while you write a message or a meeting",
    ),
    Words::new(
        "saving by category or by folder",
        "saving by category or by folder",
    ),
    Words::new("saving automatically", "saving automatically"),
    Words::new(
        "contacts that are the same on both sides",
        "contacts that are the same on both sides",
    ),
];

// First session.
pub const PREVIEW_TITLE: Words = Words::new("Ready for the first sync", "Ready for the first sync");
pub const PREVIEW_LEAD: Words = Words::new(
    "Nothing has been written yet. This is what the first sync will do:",
    "Nothing has been written yet. This is what the first sync will do:",
);
pub const PREVIEW_NOTHING: Words = Words::new(
    "Both sides agree already, or are empty: there is nothing to write. From now on changes flow.",
    "Both sides agree already, or are empty: there is nothing to write. From now on changes flow.",
);
pub const PREVIEW_WAITS: Words = Words::new(
    "It waits for you, because it would create or change unusually many items at once.",
    "It waits for you, because it would create or change unusually many items at once.",
);
pub const FIRST_TITLE: Words = Words::new("Getting ready", "Getting ready");
pub const FIRST_LEAD: Words = Words::new(
    "Tandem is looking at both sides. Nothing is written before you have seen what would be.",
    "Tandem is looking at both sides. Nothing is written before you have seen what would be.",
);

// Accounts.
pub const ACCOUNTS: Words = Words::new("Accounts", "Accounts");
pub const MAILBOX: Words = Words::new("Mailbox", "Mailbox");
pub const SALESFORCE: Words = Words::new("Salesforce", "Salesforce");
pub const MAILBOX_NONE: Words = Words::new("Not connected", "Not connected");

// Brake.
pub const BRAKE_TITLE: Words = Words::new("Stopped, so that you can look", "Stopped, so that you can look");
pub const BRAKE_LEAD: Words = Words::new(
    "This would have changed unusually much at once. Nothing of it has been written.",
    "This would have changed unusually much at once. Nothing of it has been written.",
);
pub const BRAKE_SIDE_EMPTY: Words = Words::new(
    "One side is suddenly empty. If nobody emptied it on purpose, choose Cancel.",
    "One side is suddenly empty. If nobody emptied it on purpose, choose Cancel.",
);
pub const GO_ON: Words = Words::new("Go on", "Go on");
pub const BRAKE_GO_ON_HINT: Words = Words::new(
    "Go on writes these changes once. Cancel writes nothing and pauses the sync.",
    "Go on writes these changes once. Cancel writes nothing and pauses the sync.",
);

// States.
pub const PAUSED_TITLE: Words = Words::new("Sync is paused", "Sync is paused");
pub const PAUSED_LEAD: Words = Words::new(
    "Nothing is read or written until you press Start. What changes meanwhile is not lost.",
    "Nothing is read or written until you press Start. What changes meanwhile is not lost.",
);
pub const OFF_TITLE: Words = Words::new("Sync is off", "Sync is off");
pub const OFF_LEAD: Words = Words::new(
    "Tandem has given up its access, and what opened your mailbox is destroyed. Every item is where it \
     was, on both sides.",
    "Tandem has given up its access, and what opened your mailbox is destroyed. Every item is where it \
     was, on both sides.",
);
pub const NEEDS_MAIL_TITLE: Words = Words::new("Needs your sign-in", "Needs your sign-in");
pub const NEEDS_CRM_TITLE: Words =
    Words::new("Salesforce needs your sign-in", "Salesforce needs your sign-in");
pub const NEEDS_CRM_LEAD: Words = Words::new(
    "Tandem’s access to Salesforce has ended. Sync stands still until you sign in again; nothing is lost.",
    "Tandem’s access to Salesforce has ended. Sync stands still until you sign in again; nothing is lost.",
);
pub const NEEDS_MICROSOFT_TITLE: Words =
    Words::new("Microsoft needs your sign-in", "Microsoft needs your sign-in");
pub const NEEDS_MICROSOFT_LEAD: Words = Words::new(
    "Microsoft has ended Tandem’s access to your mailbox. Sync stands still until you \
     connect it again; nothing is lost.",
    "Microsoft has ended Tandem’s access to your mailbox. Sync stands still until you \
     connect it again; nothing is lost.",
);
pub const QUOTA_TITLE: Words = Words::new("Salesforce’s limit is used up", "Salesforce’s limit is used up");
pub const QUOTA_LEAD: Words = Words::new(
    "Your organisation’s calls for today are spent. Tandem goes on by itself when there are new ones.",
    "Your organisation’s calls for today are spent. Tandem goes on by itself when there are new ones.",
);
pub const ORG_BRAKE_TITLE: Words = Words::new(
    "Stopped for your whole organisation",
    "Stopped for your whole organisation",
);
pub const ORG_BRAKE_LEAD: Words = Words::new(
    "Very many deletions came together within an hour. Nothing more is written for anyone until \
     your administrator has looked and lets the sync go on.",
    "Very many deletions came together within an hour. Nothing more is written for anyone until \
     your administrator has looked and lets the sync go on.",
);
pub const CHECK_LOGIN: Words = Words::new("Enter the password", "Enter the password");

// Sessions and issues.
pub const SESSIONS_TITLE: Words = Words::new("Last syncs", "Last syncs");
pub const SESSIONS_EMPTY: Words = Words::new(
    "No sync yet. The first one shows here what it did on each side.",
    "No sync yet. The first one shows here what it did on each side.",
);
pub const ISSUES_TITLE: Words = Words::new("Needs a look", "Needs a look");
pub const ISSUES_EMPTY: Words = Words::new(
    "Nothing needs a look: every item in scope is in step.",
    "Nothing needs a look: every item in scope is in step.",
);
pub const RUNNING: Words = Words::new("running", "running");
pub const NO_CHANGES: Words = Words::new("No changes", "No changes");
pub const PICK_LEGEND: Words = Words::new("Which one is the same?", "Which one is the same?");
pub const PAIR: Words = Words::new("Pair", "Pair");
pub const LINK_LABEL: Words = Words::new(
    "Id or link of a Salesforce record",
    "Id or link of a Salesforce record",
);

// Undo.
pub const UNDO: Words = Words::new("Undo …", "Undo …");
pub const UNDO_LEAD: Words = Words::new(
    "This takes back what this sync wrote:",
    "This takes back what this sync wrote:",
);
pub const UNDO_NOTE: Words = Words::new(
    "What anybody has changed since then stays as it is, and you are told. The other side keeps what it has.",
    "What anybody has changed since then stays as it is, and you are told. The other side keeps what it has.",
);
pub const UNDO_DO: Words = Words::new("Undo this sync", "Undo this sync");
pub const UNDO_DOING: Words = Words::new("Undoing …", "Undoing …");
pub const UNDONE_TITLE: Words = Words::new("Undone", "Undone");
pub const UNDONE_AGAIN: Words = Words::new(
    "The undo ended before it had done everything. Once more does the rest.",
    "The undo ended before it had done everything. Once more does the rest.",
);

// Back-fill.
pub const BACKFILL_TITLE: Words = Words::new("Save older e-mails", "Save older e-mails");
pub const BACKFILL_LEAD: Words = Words::new(
    "New e-mails are saved as they come. For older ones, say from when to when: those that would be \
     saved today, by your settings, are saved to Salesforce. Nothing is changed in your mailbox but the mark that it is saved.",
    "New e-mails are saved as they come. For older ones, say from when to when: those that would be \
     saved today, by your settings, are saved to Salesforce. Nothing is changed in your mailbox but the mark that it is saved.",
);
pub const BACKFILL_OFF: Words = Words::new(
    "E-mails are not saved to Salesforce by your settings, so there is nothing to catch up on.",
    "E-mails are not saved to Salesforce by your settings, so there is nothing to catch up on.",
);
pub const FROM: Words = Words::new("From", "From");
pub const TO: Words = Words::new("To", "To");
pub const ESTIMATE: Words = Words::new("Estimate", "Estimate");
pub const BACKFILL_START: Words = Words::new("Start saving", "Start saving");
pub const BACKFILL_CANCEL: Words = Words::new("Cancel the saving", "Cancel the saving");
pub const BACKFILL_CANCEL_HINT: Words = Words::new(
    "What is saved already stays saved.",
    "What is saved already stays saved.",
);

// Settings and setup.
pub const SETTINGS_TITLE: Words = Words::new("Sync settings", "Sync settings");
pub const STATE: Words = Words::new("State", "State");
pub const WHAT_SYNCS: Words = Words::new("What is synced", "What is synced");
pub const WHAT_SYNCS_NOTE: Words = Words::new(
    "These are the values in use. They cannot be changed here yet.",
    "These are the values in use. They cannot be changed here yet.",
);
pub const SETTING: Words = Words::new("Setting", "Setting");
pub const VALUE: Words = Words::new("Value", "Value");
pub const SETUP_TITLE: Words = Words::new("Set up Tandem", "Set up Tandem");
pub const MAIL_SERVER: Words = Words::new("Mail server", "Mail server");
pub const ACCOUNT: Words = Words::new("Account", "Account");
pub const KIND: Words = Words::new("Kind", "Kind");
pub const HOST: Words = Words::new("Server", "Server");
pub const USER: Words = Words::new("User", "User");
pub const ORGANISATION: Words = Words::new("Organisation", "Organisation");
pub const LAST_ACCEPTED: Words = Words::new("Last accepted sync", "Last accepted sync");
pub const NEVER: Words = Words::new("None yet", "None yet");
pub const REFUSALS: Words = Words::new("Refusals in a row", "Refusals in a row");
pub const NEXT_SYNC: Words = Words::new("Next sync", "Next sync");
pub const LINKED: Words = Words::new("Linked contacts", "Linked contacts");
pub const CHANGE: Words = Words::new("Change", "Change");
pub const CHANGE_SALESFORCE: Words = Words::new("Change: Salesforce account", "Change: Salesforce account");
pub const CHANGE_SALESFORCE_HINT: Words = Words::new(
    "Refresh renews the access of this account. Change lets your mailbox go on with another one; the pairs of this one \
     are kept, and come back if you change back.",
    "Refresh renews the access of this account. Change lets your mailbox go on with another one; the pairs of this one \
     are kept, and come back if you change back.",
);
pub const REFRESH: Words = Words::new("Refresh", "Refresh");
pub const CONNECTED_SINCE: Words = Words::new("Connected since", "Connected since");
pub const SIGNED_IN_AS: Words = Words::new("Signed in as", "Signed in as");

// Deactivate.
pub const DEACTIVATE_TITLE: Words = Words::new("Deactivate the sync?", "Deactivate the sync?");
pub const DEACTIVATE_LEAD: Words = Words::new("This is what happens:", "This is what happens:");
pub const DEACTIVATE_LIST: [Words; 4] = [
    Words::new(
        "Tandem gives its access to Salesforce back: it is revoked there.",
        "Tandem gives its access to Salesforce back: it is revoked there.",
    ),
    Words::new(
        "The stored password of your mailbox, or Microsoft’s permission, is destroyed.",
        "The stored password of your mailbox, or Microsoft’s permission, is destroyed.",
    ),
    Words::new(
        "The sync stops. A running one ends first.",
        "The sync stops. A running one ends first.",
    ),
    Words::new(
        "Every item stays: nothing is deleted in your mailbox or in Salesforce.",
        "Every item stays: nothing is deleted in your mailbox or in Salesforce.",
    ),
];
pub const DEACTIVATE_AFTER: Words = Words::new(
    "You can set up the sync again at any time.",
    "You can set up the sync again at any time.",
);
/// Microsoft takes nothing back by itself.
pub const CONSENT_PAGE: &str = "https://myapps.microsoft.com";
pub const CONSENT_PAGE_HINT: Words = Words::new(
    "Microsoft still lists Tandem among your apps. You can take it off there:",
    "Microsoft still lists Tandem among your apps. You can take it off there:",
);
pub const CONSENT_PAGE_LINK: Words = Words::new("My Apps at Microsoft", "My Apps at Microsoft");
pub const KEEP_SYNC: Words = Words::new("Keep the sync", "Keep the sync");

// Tables of counts.
pub const COL_WHAT: Words = Words::new("Direction", "Direction");
pub const COL_NEW: Words = Words::new("New", "New");
pub const COL_CHANGED: Words = Words::new("Changed", "Changed");
pub const COL_DELETED: Words = Words::new("Deleted", "Deleted");
pub const COL_SKIPPED: Words = Words::new("Skipped", "Skipped");

// The page at the end of the sign-in window.
pub const HANDOVER_TITLE: Words = Words::new("Signed in", "Signed in");
pub const HANDOVER_LEAD: Words = Words::new(
    "You can close this window and go back to Outlook.",
    "You can close this window and go back to Outlook.",
);
pub const HANDOVER_CODE: Words =
    Words::new("Type this code in the sidebar:", "Type this code in the sidebar:");
pub const HANDOVER_FAILED: Words = Words::new("Not signed in", "Not signed in");
pub const CONSENT_NEEDED: Words = Words::new(
    "Your organisation lets only an administrator agree to what Tandem asks for. Ask yours to open this link, once \
     for the whole organisation; then connect again.",
    "Your organisation lets only an administrator agree to what Tandem asks for. Ask yours to open this link, once \
     for the whole organisation; then connect again.",
);
pub const CONSENT_LINK: Words = Words::new(
    "For administrators: agree for the organisation",
    "For administrators: agree for the organisation",
);
pub const CONSENT_HINT: Words = Words::new(
    "You can copy the link and send it.",
    "You can copy the link and send it.",
);
pub const CONSENT_GIVEN: Words = Words::new(
    "Agreed for your organisation. Its people can connect their mailboxes now.",
    "Agreed for your organisation. Its people can connect their mailboxes now.",
);
pub const CONSENT_NOT_GIVEN: Words = Words::new(
    "Not agreed: nothing has changed for your organisation.",
    "Not agreed: nothing has changed for your organisation.",
);

/// Why the sign-in window could not hand anything over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInFailure {
    /// The user refused, or closed the consent.
    Cancelled,
    /// The organisation is not among those that the operator allowed.
    OrgNotAllowed,
    /// The user's profile has no permission for the API.
    ApiNotAllowed,
    /// State or cookie did not fit: started too long ago, or elsewhere.
    Expired,
    /// Salesforce did not answer, or our own fault.
    Unavailable,
    /// The operator has not set up Office 365.
    MicrosoftOff,
    /// The user refused, or closed Microsoft's consent.
    MicrosoftCancelled,
    /// The app's registration: the administrator's.
    MicrosoftRefused,
    MicrosoftUnavailable,
    /// The sign-in is no good (any more): once more.
    MicrosoftAgain,
    /// The organisation demands more of this sign-in.
    ConditionalAccess,
    /// An account of another organisation than the configured one.
    TenantNotAllowed,
    /// The account has no mailbox in Exchange Online.
    NotInTheCloud,
}

/// What the sign-in window says then.
pub fn sign_in_failure(failure: SignInFailure) -> &'static str {
    match failure {
        SignInFailure::Cancelled => {
            "Salesforce says that the sign-in was cancelled. Close this window and try again."
        }
        SignInFailure::OrgNotAllowed => {
            "Your Salesforce organisation is not allowed on this server. Ask the administrator of Tandem to add it."
        }
        SignInFailure::ApiNotAllowed => {
            "Your Salesforce user has no permission to use the API. Ask your Salesforce administrator for “API Enabled”."
        }
        SignInFailure::Expired => {
            "This sign-in was started too long ago, or in another window. Close this one and start again."
        }
        SignInFailure::Unavailable => {
            "Salesforce could not be reached. Close this window and try again in a minute."
        }
        SignInFailure::MicrosoftOff => {
            "Office 365 is not set up on this server. Ask the administrator of Tandem."
        }
        SignInFailure::MicrosoftCancelled => {
            "You did not agree to what Tandem asks for, so nothing was connected. Close this window and try again."
        }
        SignInFailure::MicrosoftRefused => {
            "Microsoft does not accept this server’s registration. Tell the administrator of Tandem: the log says why."
        }
        SignInFailure::MicrosoftUnavailable => {
            "Microsoft could not be reached. Close this window and try again in a minute."
        }
        SignInFailure::MicrosoftAgain => {
            "Microsoft wants you to sign in once more. Close this window and connect again."
        }
        SignInFailure::ConditionalAccess => {
            "Your organisation demands more of this sign-in, such as a second factor or a managed device. Close this \
             window and connect again; if that does not help, ask your administrator."
        }
        SignInFailure::TenantNotAllowed => {
            "This account belongs to another organisation than this server is for. Use your account there."
        }
        SignInFailure::NotInTheCloud => {
            "This account has no mailbox in Office 365. If your mailbox is on your company’s own server, choose Exchange \
             server."
        }
    }
}

/// A *Refresh* that ended with somebody else.
pub fn other_salesforce_user(expected: &str, given: &str) -> String {
    format!(
        "You signed in as {given}, but {expected} is connected. Nothing was changed. Choose Refresh and sign in as \
         {expected}, or Change to go on with the other account."
    )
}

/// A *Change* to somebody who syncs already.
pub fn salesforce_user_has_a_mailbox(given: &str) -> String {
    format!("{given} has a mailbox of their own connected already. Nothing was changed for yours.")
}

/// Said before anything is stored.
pub fn other_mailbox(account: &str, expected: &str) -> String {
    format!("You signed in as {account}, but the mailbox here is {expected}. Nothing has been stored.")
}

/// `1 contact`, `2 contacts`, `1,234 contacts`.
pub fn count(n: u32, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// With a comma between thousands.
pub fn number(n: u32) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One unit of a length of time: the largest that fits.
fn span(seconds: i64) -> (i64, &'static str, &'static str) {
    match seconds {
        ..60 => (seconds.max(0), "second", "seconds"),
        60..3_600 => (seconds / 60, "minute", "minutes"),
        3_600..86_400 => (seconds / 3_600, "hour", "hours"),
        _ => (seconds / 86_400, "day", "days"),
    }
}

fn length(seconds: i64) -> String {
    let (n, one, many) = span(seconds);
    count(u32::try_from(n).unwrap_or(u32::MAX), one, many)
}

/// `just now`, `2 minutes ago`, `1 day ago`. A point in the future counts as now: clocks differ a little.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.seconds_since(then) {
        ..45 => "just now".to_owned(),
        seconds @ 45..60 => ago_of(seconds.max(60)),
        seconds => ago_of(seconds),
    }
}

fn ago_of(seconds: i64) -> String {
    format!("{} ago", length(seconds))
}

/// `in a moment`, `in 5 minutes`.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    match then.seconds_since(now) {
        ..30 => "in a moment".to_owned(),
        seconds @ 30..60 => format!("in {}", length(seconds.max(60))),
        seconds => format!("in {}", length(seconds)),
    }
}

/// `8 seconds`, `2 minutes`.
pub fn took(started: Timestamp, ended: Timestamp) -> String {
    match ended.seconds_since(started) {
        ..1 => "under a second".to_owned(),
        seconds => length(seconds),
    }
}

/// `Starts by itself in 1:43`, counted down.
pub fn countdown(starts_at: Timestamp, now: Timestamp) -> String {
    match starts_at.seconds_since(now) {
        ..1 => "Starting now …".to_owned(),
        left => format!("Starts by itself in {}:{:02}", left / 60, left % 60),
    }
}

/// RFC 3339 in UTC, for `datetime` attributes: `2026-11-22T19:05:30Z`.
pub fn iso(at: Timestamp) -> String {
    let seconds = at.seconds();
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The day of the proleptic Gregorian calendar, from days since 1970-01-01. Years are counted from March, so that the
/// leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// How the status line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Busy,
    Attention,
    Quiet,
}

/// How a point in time is told, relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2 minutes ago`.
    Ago,
    /// `in 5 minutes`.
    Until,
    /// `Starts by itself in 1:43`.
    Countdown,
}

impl Moment {
    const ALL: [Self; 3] = [Self::Ago, Self::Until, Self::Countdown];

    /// The word in the page, by which the browser keeps it true.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ago => "ago",
            Self::Until => "until",
            Self::Countdown => "countdown",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|moment| moment.as_str() == word)
    }

    pub fn say(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ago => ago(at, now),
            Self::Until => until(at, now),
            Self::Countdown => countdown(at, now),
        }
    }
}

/// A part of a [`Sentence`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Words(String),
    Time(Moment, Timestamp),
}

/// Words with points in time in between, which grow older while they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence(pub Vec<Part>);

impl Sentence {
    fn words(words: impl Into<String>) -> Self {
        Self(vec![Part::Words(words.into())])
    }

    /// `… {time} {words}`
    fn time(mut self, moment: Moment, at: Timestamp, words: &str) -> Self {
        self.0.push(Part::Time(moment, at));
        if !words.is_empty() {
            self.0.push(Part::Words(words.to_owned()));
        }
        self
    }

    /// As it reads now.
    pub fn at(&self, now: Timestamp) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Words(words) => words.clone(),
            Part::Time(moment, at) => moment.say(*at, now),
        });
        parts.collect()
    }
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
    Status::new(Tone::Quiet, "Signed out")
}

/// What is true of a connection now. `progress` is newer than what the view carries.
pub fn status(connection: &ConnectionView, progress: Option<Progress>, now: Timestamp) -> Status {
    match connection.state {
        SyncState::Deactivated => Status::new(Tone::Quiet, "Sync is off"),
        SyncState::NotActivated => Status::new(Tone::Quiet, "Sync is not set up"),
        SyncState::NeedsActivation => Status::new(Tone::Attention, needs(connection.reason)),
        SyncState::Paused => match progress {
            Some(_) => Status::new(Tone::Busy, "Pausing: the running sync ends first"),
            None => Status::new(Tone::Quiet, "Paused"),
        },
        SyncState::Activating | SyncState::Active => match (progress, connection.reason) {
            (Some(progress), _) => Status::new(Tone::Busy, progress_line(progress)),
            (None, Some(reason)) => reason_status(reason),
            (None, None) if connection.rejections > 0 => Status::new(Tone::Attention, needs(None)),
            (None, None) if connection.preview.is_some() => reason_status(StateReason::WaitingForPreview),
            (None, None) if connection.state == SyncState::Activating => {
                Status::new(Tone::Busy, "Getting ready for the first sync")
            }
            (None, None) => settled(connection, now),
        },
    }
}

fn needs(reason: Option<StateReason>) -> &'static str {
    match reason {
        Some(StateReason::SalesforceSignInEnded) => "Needs your Salesforce sign-in",
        Some(StateReason::MicrosoftSignInEnded) => "Needs your Microsoft sign-in",
        _ => "Needs your sign-in",
    }
}

fn reason_status(reason: StateReason) -> Status {
    match reason {
        StateReason::MailServerRefused
        | StateReason::MicrosoftSignInEnded
        | StateReason::SalesforceSignInEnded => Status::new(Tone::Attention, needs(Some(reason))),
        StateReason::StoppedByBrake => Status::new(Tone::Attention, "Stopped: please look at the changes"),
        StateReason::WaitingForPreview => Status::new(Tone::Busy, "Ready for the first sync"),
        StateReason::Quota => Status::new(Tone::Attention, "Waiting: Salesforce’s limit is used up"),
        StateReason::OrgBrake => Status::new(Tone::Attention, "Stopped: your administrator has to look"),
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
        Some(due) => Sentence::words(format!("{verb}, next try ")).time(Moment::Until, due, ""),
        None => Sentence::words(verb),
    };
    match (last, connection.last_success) {
        (Some(SessionOutcome::Failed), _) => Status::of(Tone::Attention, next("A server did not answer")),
        (Some(SessionOutcome::Partial), _) => Status::new(Tone::Busy, "More to do: goes on in a moment"),
        (_, None) => Status::new(Tone::Busy, "The first sync is about to start"),
        (_, Some(success)) => {
            let said = |words: &str| Sentence::words(words).time(Moment::Ago, success, "");
            if now.seconds_since(success) > late_after(connection) {
                Status::of(Tone::Attention, said("Last in step "))
            } else if connection.issues_total == 0 {
                Status::of(Tone::Good, said("All in step, "))
            } else {
                let except = count(connection.issues_total, "item", "items");
                Status::of(Tone::Good, said(&format!("In step except {except}, ")))
            }
        }
    }
}

/// `Syncing, 34 of 120`.
pub fn progress_line(progress: Progress) -> String {
    let phase = match progress.phase {
        ProgressPhase::Reading => "Reading changes",
        ProgressPhase::Comparing => "Comparing",
        ProgressPhase::Writing => "Syncing",
    };
    match progress {
        Progress {
            total: 0, done: 0, ..
        } => format!("{phase} …"),
        Progress { total: 0, done, .. } => format!("{phase}, {}", number(done)),
        Progress { done, total, .. } => format!("{phase}, {} of {}", number(done.min(total)), number(total)),
    }
}

/// Said under *Needs your sign-in*.
pub fn refused_lead(rejections: u32, next_due: Option<Timestamp>) -> Sentence {
    let times = match rejections {
        0 | 1 => "Your mail server has refused the stored login.".to_owned(),
        n => format!(
            "Your mail server has refused the stored login {} in a row.",
            count(n, "time", "times")
        ),
    };
    match next_due {
        Some(due) => Sentence::words(format!("{times} Tandem tries again ")).time(
            Moment::Until,
            due,
            ". Nothing is lost.",
        ),
        None => Sentence::words(format!(
            "{times} Sync stands still until you enter the password; nothing is lost."
        )),
    }
}

/// Said under *Needs your sign-in*, where Microsoft has refused the mailbox though not the sign-in.
pub fn refused_cloud_lead(rejections: u32, next_due: Option<Timestamp>) -> Sentence {
    let times = match rejections {
        0 | 1 => "Microsoft has refused access to your mailbox.".to_owned(),
        n => format!(
            "Microsoft has refused access to your mailbox {} in a row. Is it still in Office 365?",
            count(n, "time", "times")
        ),
    };
    match next_due {
        Some(due) => Sentence::words(format!("{times} Tandem tries again ")).time(
            Moment::Until,
            due,
            ". Nothing is lost.",
        ),
        None => Sentence::words(format!(
            "{times} Sync stands still until you connect it again; nothing is lost."
        )),
    }
}

/// Why *Connect to Exchange* did not connect, and what to do.
pub fn activation_failure(failure: ActivationFailure) -> &'static str {
    match failure {
        ActivationFailure::Address => {
            "No Exchange server was found. Check the login, or paste the EWS URL under More."
        }
        ActivationFailure::Certificate => {
            "The server’s certificate is not trusted, so the password was not sent. Check the EWS URL, or ask your \
             administrator."
        }
        ActivationFailure::Login => {
            "The server refused this login or password. It was tried once. Check both before you try again."
        }
        ActivationFailure::LoginOrProtection => {
            "The server refused this login or password. It was tried once. If both are right, Exchange’s Extended Protection \
             may be the cause: it refuses where a proxy ends the encryption. Ask your administrator."
        }
        ActivationFailure::NoCommonSignIn => {
            "This server takes only sign-ins that Tandem does not have (Kerberos or OAuth). Your password was not sent. Ask \
             your administrator to allow NTLM for Exchange Web Services."
        }
        ActivationFailure::ProxyBetween => {
            "Something between Tandem and Exchange, such as a proxy, breaks NTLM sign-ins. Your password was not sent. Ask \
             your administrator."
        }
        ActivationFailure::NotExchange => {
            "Something answers at this address, but it is not Exchange Web Services. The URL usually ends in \
             /EWS/Exchange.asmx."
        }
        ActivationFailure::UseOffice365 => {
            "This mailbox is in Office 365. Choose Office 365 above: it connects without a password."
        }
        ActivationFailure::NotAllowed => {
            "Your administrator has not allowed this mail server. Nothing was sent to it. Ask for it to be added."
        }
        ActivationFailure::NoMailbox => {
            "The login is right, but it has no mailbox that it may open. Use the login of the mailbox itself."
        }
        ActivationFailure::TooManyTrials => {
            "Three passwords were tried within 15 minutes. So that your account is not locked, wait a quarter of an hour."
        }
        ActivationFailure::Unavailable => {
            "The mail server did not answer in time, or is busy. Nothing is wrong with your entries: try again in a \
             minute."
        }
        ActivationFailure::MailboxTaken => {
            "This mailbox is already connected by another Salesforce user. A mailbox has one connection."
        }
        ActivationFailure::OtherAccount => {
            "You signed in with another account than the mailbox that was connected. Nothing was stored. Sign in with that \
             one, or tick the box that says that you mean the other."
        }
        ActivationFailure::OfficeOff => {
            "Office 365 is not set up on this server. Ask the administrator of Tandem."
        }
    }
}

/// What is wrong with a field.
pub fn invalid_field(field: InvalidField) -> &'static str {
    match field {
        InvalidField::Login => "Enter your e-mail address, or DOMAIN\\user.",
        InvalidField::Password => "Enter the password of your mailbox.",
        InvalidField::EwsUrl => "This is not an address that Tandem may use. It has to start with https://.",
        InvalidField::Dates => "Enter two days, the earlier one first, none of them in the future.",
        InvalidField::Record => {
            "This is not the id or the link of a Salesforce record. Copy it from the browser’s address bar."
        }
        InvalidField::Code => "This code is not right, or has expired. Sign in again for a new one.",
    }
}

/// Why a call was not done.
pub fn api_error(error: ApiError) -> String {
    match error {
        ApiError::SignedOut => "Your sign-in has ended. Sign in with Salesforce again.".to_owned(),
        ApiError::Forbidden => "This page is out of date. Load it again.".to_owned(),
        ApiError::Invalid(field) => invalid_field(field).to_owned(),
        ApiError::Activation(failure) => activation_failure(failure).to_owned(),
        ApiError::WrongState => "That is not possible now: something has changed meanwhile.".to_owned(),
        ApiError::TooOften(seconds) => {
            let wait = length(i64::from(seconds.max(1)));
            format!("That was a little often. Try again in {wait}.")
        }
        ApiError::Unavailable => UNAVAILABLE.get().to_owned(),
    }
}

/// Why an item is not synced.
pub fn issue(code: IssueCode) -> &'static str {
    match code {
        IssueCode::LastNameMissing => {
            "It has no last name, and Salesforce wants one. Add it in your mailbox."
        }
        IssueCode::SeveralMatches => {
            "Several items could be the same one. Tandem does not guess: choose the right one, merge \
             them, or make them differ."
        }
        IssueCode::LeadExists => {
            "A lead in Salesforce has this e-mail address. Convert it, and the contact links itself."
        }
        IssueCode::DeletedInMailbox => "You deleted it in your mailbox. It is still in Salesforce.",
        IssueCode::FateUnknown => {
            "It is gone from view on one side, but nothing proves that it was deleted. Nothing was \
             touched."
        }
        IssueCode::Conflict => "It was changed on both sides, differently. Both values are still there.",
        IssueCode::Differences => {
            "It was on both sides before the first sync, and these fields differ. Neither was \
             overwritten."
        }
        IssueCode::CompanyChanged => {
            "The company was changed in your mailbox. Move it to that account in Salesforce."
        }
        IssueCode::Refused => "The other side refused it.",
        IssueCode::DuplicateRule => "A duplicate rule of your Salesforce organisation refused it.",
        IssueCode::NoPermission => "You have no permission for this record or one of its fields.",
        IssueCode::CreateInDoubt => {
            "It may have been created already, and several items could be it. None was taken: choose the right one."
        }
        IssueCode::OverLimit => "Your mailbox has reached the limit of synced contacts.",
        IssueCode::MergedIntoLinked => {
            "It was merged in Salesforce into a record that is linked to another contact."
        }
        IssueCode::ReplacedUnseen => {
            "A value was changed there in the very moment of writing. The old one is kept in the \
             journal."
        }
        IssueCode::EventTooLong => {
            "It lasts longer than the 14 days that Salesforce takes. Shorten it, or split it."
        }
        IssueCode::EndBeforeStart => "It ends before it starts. Correct its times in your calendar.",
        IssueCode::ZoneUnknown => {
            "Nobody knows its time zone, so nobody can tell when it is. Choose another one in your calendar."
        }
        IssueCode::RichBody => {
            "Its text has pictures, tables or links that plain text would destroy. Change the text in Outlook."
        }
        IssueCode::RecurringTask => {
            "Salesforce cannot hold how a task recurs, so only the one that is open now is there."
        }
        IssueCode::TooLarge => "It is larger than what is carried over. Save the parts that matter by hand.",
        IssueCode::AttachmentLeftOut => {
            "An attachment stayed behind: too large, of a kind that is not allowed, or refused. Everything else is there."
        }
        IssueCode::Encrypted => "It is encrypted or protected, so it cannot be read and was not saved.",
        IssueCode::Confidential => {
            "It is marked private, personal or confidential. Give it the category Salesforce to save it all the same."
        }
        IssueCode::Unreadable => {
            "The mail server did not show it. Open it in Outlook to see whether it is whole, then try again."
        }
        IssueCode::StorageFull => {
            "Your organisation’s storage in Salesforce is full. Your administrator can make room; then try again."
        }
        IssueCode::UnknownValue => {
            "It has a status or a priority that your organisation does not know. Your administrator can say which one is \
             meant."
        }
        IssueCode::EmailsUnavailable => {
            "Your organisation keeps no e-mails, or you may not. Your administrator can switch that on."
        }
        IssueCode::OtherSyncTool => {
            "Another tool syncs the same mailbox or user, and two of them fight. Switch one of them off."
        }
        IssueCode::NothingMoved => {
            "Nothing was carried over for a day, although there were changes on both sides. Tell your administrator."
        }
        IssueCode::NoMatch => {
            "Nobody in Salesforce has one of its addresses. Add the person there, or choose where it belongs."
        }
        IssueCode::TooManyPeople => "It has more people than Salesforce can hold. The first ones are there.",
        IssueCode::ChangeInOutlook => {
            "Microsoft would send mail to other people, or lets only you do it. Change it in Outlook."
        }
    }
}

pub fn cure(cure: IssueCure) -> &'static str {
    match cure {
        IssueCure::Retry => "Try again",
        IssueCure::Ignore => "Ignore",
        IssueCure::BringBack => "Bring back",
        IssueCure::DeleteThere => "Delete in Salesforce too",
        IssueCure::PickMatch => "This is the same",
        IssueCure::KeepMine => "Keep mine",
        IssueCure::KeepTheirs => "Keep theirs",
        IssueCure::LinkTo => "Save it there",
        IssueCure::OpenInSalesforce => "Open in Salesforce",
        IssueCure::OpenInOutlook => "Open in Outlook",
    }
}

/// `Try again: Ada Lovelace`, for screen readers.
pub fn cure_name(of: IssueCure, title: &str) -> String {
    format!("{}: {title}", cure(of))
}

/// A further page of issues exists.
pub fn issues_more(shown: usize, total: u32) -> Option<String> {
    let hidden = total.checked_sub(u32::try_from(shown).ok()?)?;
    (hidden > 0).then(|| format!("and {} more", number(hidden)))
}

pub fn kind(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Contact => "Contacts",
        ItemKind::Event => "Events",
        ItemKind::Task => "Tasks",
        ItemKind::Email => "E-mails",
    }
}

/// One of a kind, or several.
fn noun(kind: ItemKind, n: u32) -> &'static str {
    match (kind, n) {
        (ItemKind::Contact, 1) => "contact",
        (ItemKind::Contact, _) => "contacts",
        (ItemKind::Event, 1) => "event",
        (ItemKind::Event, _) => "events",
        (ItemKind::Task, 1) => "task",
        (ItemKind::Task, _) => "tasks",
        (ItemKind::Email, 1) => "e-mail",
        (ItemKind::Email, _) => "e-mails",
    }
}

/// What a candidate for a pair is called, and where it is.
pub fn choice(choice: &IssueChoice) -> String {
    let place = match choice.side {
        Side::Mailbox => "in your mailbox",
        Side::Crm => "in Salesforce",
    };
    if choice.label.is_empty() {
        // The end differs most.
        let skip = choice.id.chars().count().saturating_sub(8);
        let tail: String = choice.id.chars().skip(skip).collect();
        format!("The one {place} whose id ends in {tail}")
    } else {
        format!("{}, {place}", choice.label)
    }
}

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
            let (place, bin) = match to {
                Side::Mailbox => ("in your mailbox", "Deleted Items"),
                Side::Crm => ("in Salesforce", "the recycle bin"),
            };
            let items = |n| format!("{} {}", number(n), noun(counts.kind, n));
            if ops.created > 0 {
                let goes = if ops.created == 1 { "goes" } else { "go" };
                lines.push(format!("{} created {place} {goes} to {bin}", items(ops.created)));
            }
            if ops.changed > 0 {
                let has = if ops.changed == 1 { "gets its" } else { "get their" };
                lines.push(format!(
                    "{} changed {place} {has} former values back",
                    items(ops.changed)
                ));
            }
            if ops.deleted > 0 {
                let comes = if ops.deleted == 1 { "comes" } else { "come" };
                lines.push(format!(
                    "{} deleted {place} {comes} back from {bin}",
                    items(ops.deleted)
                ));
            }
        }
    }
    lines
}

/// `Undo … 2 minutes ago`, for screen readers: which session.
pub fn undo_name(started: Timestamp) -> String {
    format!("{} {}", UNDO.get(), iso(started))
}

pub fn undone(n: u32) -> String {
    match n {
        0 => "Nothing was undone.".to_owned(),
        1 => "1 item is as it was before.".to_owned(),
        n => format!("{} items are as they were before.", number(n)),
    }
}

/// Said above the items that an undo left.
pub fn undo_left(n: u32) -> Option<String> {
    match n {
        0 => None,
        1 => Some("1 item was left as it is.".to_owned()),
        n => Some(format!("{} items were left as they are.", number(n))),
    }
}

/// Items that were left for one reason.
pub fn undo_left_line(kind: ItemKind, side: Side, reason: UndoReason, n: u32) -> String {
    let place = match side {
        Side::Mailbox => "in your mailbox",
        Side::Crm => "in Salesforce",
    };
    let why = match reason {
        UndoReason::ChangedSince => "changed since then",
        UndoReason::Gone => "no longer there, or not to be seen",
        UndoReason::GoneForGood => "deleted, and no longer in the bin",
        UndoReason::Refused => "the change back was refused",
        UndoReason::InDoubt => "no answer came, so it may be undone or not",
        UndoReason::NotReached => "not reached",
    };
    format!("{} {} {place}: {why}", number(n), noun(kind, n))
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

/// The day in UTC, `2026-11-22`, as a field for dates takes it.
pub fn day(at: Timestamp) -> String {
    let mut text = iso(at);
    text.truncate(10);
    text
}

/// `From 2026-01-01 to 2026-03-31: about 1,200 e-mails to look at.`
pub fn estimate(from: &str, to: &str, mails: u32) -> String {
    match mails {
        0 => format!("From {from} to {to}: no e-mails to look at."),
        n => format!(
            "From {from} to {to}: about {} to look at.",
            count(n, "e-mail", "e-mails")
        ),
    }
}

/// From which day to which: both are meant, and the second ends before midnight.
pub fn backfill_days(backfill: &BackfillView) -> String {
    format!("{} to {}", day(backfill.from), day(backfill.to.plus_seconds(-1)))
}

/// How far a back-fill is, or what it did.
pub fn backfill_line(backfill: &BackfillView) -> String {
    let days = backfill_days(backfill);
    let saved = format!("{} saved", number(backfill.saved));
    if backfill.finished {
        let looked = count(backfill.done, "e-mail", "e-mails");
        return format!("{days}: ended, {looked} looked at, {saved}");
    }
    // The total was an estimate: mails may have come in.
    let total = backfill.total.max(backfill.done);
    format!(
        "{days}: {} of about {} looked at, {saved}",
        number(backfill.done),
        number(total)
    )
}

pub fn side(side: Side) -> &'static str {
    match side {
        Side::Mailbox => MAILBOX.get(),
        Side::Crm => SALESFORCE.get(),
    }
}

/// The head of a row that counts what is written to one side.
pub fn direction_row(what: ItemKind, to: Side) -> String {
    match to {
        Side::Mailbox => format!("{} to your mailbox", kind(what)),
        Side::Crm => format!("{} to Salesforce", kind(what)),
    }
}

/// `2 created, 1 changed`; `None` if nothing.
pub fn op_counts(counts: OpCounts) -> Option<String> {
    op_words(counts, ["created", "changed", "deleted", "skipped"])
}

/// `2 to create, 1 to change`: what was only planned. `None` if nothing.
pub fn op_plan(counts: OpCounts) -> Option<String> {
    op_words(counts, ["to create", "to change", "to delete", "to skip"])
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

pub fn adopted(n: u32) -> String {
    format!(
        "{} on both sides already: linked, not doubled",
        count(n, "contact is", "contacts are")
    )
}

pub fn possible_duplicates(n: u32) -> String {
    format!(
        "{}: left alone, and listed for you to look at",
        count(n, "possible duplicate", "possible duplicates")
    )
}

pub fn overwritten(n: u32) -> String {
    format!(
        "{} emptied or overwritten",
        count(n, "field would be", "fields would be")
    )
}

pub fn outcome(outcome: SessionOutcome) -> &'static str {
    match outcome {
        SessionOutcome::Done => "done",
        SessionOutcome::Partial => "goes on in the next",
        SessionOutcome::Rejected => "the mail server refused the login",
        SessionOutcome::Failed => "a server did not answer",
        SessionOutcome::StoppedByBrake => "stopped: too much at once",
        SessionOutcome::Preview => "looked only",
        SessionOutcome::SignInEnded => "the sign-in has ended",
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
                lines.push(format!(
                    "{}, {}: {done}",
                    side(to),
                    kind(counts.kind).to_lowercase()
                ));
            }
        }
        if counts.adopted > 0 {
            lines.push(if planned {
                format!("{} to link that are on both sides", number(counts.adopted))
            } else {
                format!("{} linked that were on both sides", number(counts.adopted))
            });
        }
    }
    if session.issues > 0 {
        lines.push(count(session.issues, "item needs a look", "items need a look"));
    }
    if lines.is_empty() && session.outcome == Some(SessionOutcome::Done) {
        lines.push(NO_CHANGES.get().to_owned());
    }
    lines
}

pub fn mailbox_server(server: MailboxServer) -> &'static str {
    match server {
        MailboxServer::Exchange => "Exchange",
        MailboxServer::Office365 => "Office 365",
    }
}

/// `ada@example.com on mail.example.com`.
pub fn mailbox_host(account: &MailboxAccount) -> String {
    format!("{} on {}", mailbox_server(account.server), account.host)
}

pub fn crm_host(account: &CrmAccount) -> String {
    format!("{} · {}", account.org_name, account.host)
}

/// The settings in use, as rows of a table.
pub fn settings_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut rows = contact_rows(settings);
    rows.extend(event_rows(settings));
    rows.extend([
        ("Tasks", direction(settings.tasks).to_owned()),
        (
            "Tasks changed on both sides",
            conflicts(settings.task_conflicts).to_owned(),
        ),
        (
            "Tasks deleted in the mailbox",
            deleted(settings.task_deleted_in_mailbox).to_owned(),
        ),
    ]);
    rows.extend(email_rows(settings));
    rows.extend([
        (
            "Stops and asks",
            format!(
                "at more than {} weighty changes and {} % of the links, or more than {}",
                number(settings.brake.count),
                settings.brake.percent,
                number(settings.brake.hard)
            ),
        ),
        (
            "Syncs every",
            count(settings.interval_minutes, "minute", "minutes"),
        ),
    ]);
    rows
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::TwoWay => "both ways",
        Direction::ToCrm => "only to Salesforce",
        Direction::ToMailbox => "only to the mailbox",
        Direction::Off => "off",
    }
}

fn conflicts(policy: ConflictPolicy) -> &'static str {
    match policy {
        ConflictPolicy::Newest => "the newest change wins",
        ConflictPolicy::Mailbox => "the mailbox wins",
        ConflictPolicy::Crm => "Salesforce wins",
        ConflictPolicy::Ask => "you are asked",
    }
}

fn deleted(deleted: DeletedInMailbox) -> &'static str {
    match deleted {
        DeletedInMailbox::Ask => "kept in Salesforce, you are asked",
        DeletedInMailbox::Recreate => "created again in the mailbox",
        DeletedInMailbox::DeleteOwn => "deleted in Salesforce too, if you own it",
    }
}

fn contact_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let scope = match settings.contact_scope {
        ContactScope::Mine => "those that you own",
        ContactScope::AllVisible => "all that you can see",
        ContactScope::ListView => "those of one list view",
    };
    vec![
        ("Contacts", direction(settings.contacts).to_owned()),
        ("Contacts from Salesforce", scope.to_owned()),
        (
            "Contacts per mailbox",
            format!("{} at most", number(settings.contact_limit)),
        ),
        (
            "Contacts changed on both sides",
            conflicts(settings.contact_conflicts).to_owned(),
        ),
        (
            "Contacts deleted in the mailbox",
            deleted(settings.contact_deleted_in_mailbox).to_owned(),
        ),
    ]
}

fn event_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let saved = match (settings.save_meetings, settings.save_appointments) {
        (true, true) => "meetings with somebody who is known, and appointments",
        (true, false) => "meetings with somebody who is known",
        (false, true) => "appointments",
        (false, false) => "none",
    };
    let mails = if settings.send_invitations {
        "are sent for your own meetings"
    } else {
        "are never sent by the sync"
    };
    vec![
        ("Events", direction(settings.events).to_owned()),
        (
            "Events from",
            format!(
                "{} back to {} ahead",
                count(settings.event_days_back, "day", "days"),
                count(settings.event_days_ahead, "day", "days")
            ),
        ),
        ("Events saved by themselves", saved.to_owned()),
        (
            "Events changed on both sides",
            conflicts(settings.event_conflicts).to_owned(),
        ),
        ("Invitations and updates", mails.to_owned()),
    ]
}

fn email_rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let saved = match (settings.save_emails, settings.save_threads) {
        (true, _) => "those with somebody who is known",
        (false, true) => "later ones of a conversation that was saved",
        (false, false) => "none",
    };
    let attachments = if settings.attachments.save {
        let megabytes = settings.attachments.max_bytes.div_ceil(1024 * 1024);
        format!("saved up to {megabytes} MB each")
    } else {
        "left out".to_owned()
    };
    vec![
        ("E-mails", direction(settings.emails).to_owned()),
        ("E-mails saved by themselves", saved.to_owned()),
        ("Attachments", attachments),
    ]
}

#[cfg(test)]
mod tests;
