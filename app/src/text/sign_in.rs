//! Signing in: the button, the window, and the window's last page.

use super::{Words, say};

pub const SIGN_IN: Words = Words::new("Sign in with Salesforce", "Mit Salesforce anmelden");
pub const SIGN_IN_AGAIN: Words =
    Words::new("Sign in with Salesforce again", "Wieder mit Salesforce anmelden");
pub const SIGN_IN_LEAD: Words = Words::new(
    "Tandem keeps the contacts, events and tasks of your mailbox and of Salesforce the same, \
     and saves your emails there, so that you enter nothing twice.",
    "Tandem hält Kontakte, Termine und Aufgaben in Ihrem Postfach und in Salesforce gleich und speichert Ihre E-Mails \
     dort. So geben Sie nichts zweimal ein.",
);
pub const SIGN_IN_NOTE: Words = Words::new(
    "You sign in on Salesforce’s own page. Tandem never sees that password.",
    "Sie melden sich auf der Seite von Salesforce an. Tandem sieht dieses Kennwort nie.",
);
pub const SIGN_IN_WAITING: Words = Words::new(
    "Finish signing in in the window that has just opened.",
    "Melden Sie sich in dem Fenster an, das sich gerade geöffnet hat.",
);
pub const SIGN_IN_BLOCKED: Words = Words::new(
    "The browser did not let the sign-in window open. Open it with this link:",
    "Der Browser hat das Fenster zur Anmeldung nicht geöffnet. Öffnen Sie es mit diesem Link:",
);
pub const SIGN_IN_LINK: Words = Words::new("Open the sign-in page", "Seite zur Anmeldung öffnen");
pub const SIGN_IN_INSECURE: Words = Words::new(
    "Signing in needs a secure connection: open this page by its https address.",
    "Die Anmeldung braucht eine sichere Verbindung: Öffnen Sie diese Seite mit ihrer https-Adresse.",
);
pub const SIGN_IN_CODE_HINT: Words = Words::new(
    "Does the window show a code? Type it here.",
    "Zeigt das Fenster einen Code? Geben Sie ihn hier ein.",
);
pub const CODE_LABEL: Words = Words::new("Enter the code", "Code eingeben");
pub const CODE_SEND: Words = Words::new("Continue", "Weiter");

// The page at the end of the sign-in window.
pub const HANDOVER_TITLE: Words = Words::new("Signed in", "Angemeldet");
pub const HANDOVER_LEAD: Words = Words::new(
    "You can close this window and go back to Outlook.",
    "Sie können dieses Fenster schließen und zu Outlook zurückkehren.",
);
pub const HANDOVER_CODE: Words = Words::new(
    "Type this code in the sidebar:",
    "Geben Sie diesen Code in der Seitenleiste ein:",
);
pub const HANDOVER_FAILED: Words = Words::new("Not signed in", "Nicht angemeldet");
pub const CONSENT_NEEDED: Words = Words::new(
    "Your organisation lets only an administrator agree to what Tandem asks for. Ask yours to open this link, once \
     for the whole organisation; then connect again.",
    "In Ihrer Organisation darf nur ein Administrator dem zustimmen, worum Tandem bittet. Bitten Sie ihn, diesen Link \
     einmal für die ganze Organisation zu öffnen, und verbinden Sie dann noch einmal.",
);
pub const CONSENT_LINK: Words = Words::new(
    "For administrators: agree for the organisation",
    "Für Administratoren: für die Organisation zustimmen",
);
pub const CONSENT_HINT: Words = Words::new(
    "You can copy the link and send it.",
    "Sie können den Link kopieren und verschicken.",
);
pub const CONSENT_GIVEN: Words = Words::new(
    "Agreed for your organisation. Its people can connect their mailboxes now.",
    "Für Ihre Organisation ist zugestimmt. Ihre Leute können nun ihre Postfächer verbinden.",
);
pub const CONSENT_NOT_GIVEN: Words = Words::new(
    "Not agreed: nothing has changed for your organisation.",
    "Nicht zugestimmt: Für Ihre Organisation hat sich nichts geändert.",
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
    /// Very many sign-ins from this address.
    TooOften,
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
        SignInFailure::Cancelled => say(
            "Salesforce says that the sign-in was cancelled. Close this window and try again.",
            "Salesforce sagt, die Anmeldung sei abgebrochen worden. Schließen Sie dieses Fenster und versuchen Sie es \
             noch einmal.",
        ),
        SignInFailure::OrgNotAllowed => say(
            "Your Salesforce organisation is not allowed on this server. Ask the administrator of Tandem to add it.",
            "Ihre Salesforce-Organisation ist auf diesem Server nicht zugelassen. Bitten Sie den Administrator von \
             Tandem, sie aufzunehmen.",
        ),
        SignInFailure::ApiNotAllowed => say(
            "Your Salesforce user has no permission to use the API. Ask your Salesforce administrator for “API Enabled”.",
            "Ihr Salesforce-Benutzer darf die API nicht verwenden. Bitten Sie Ihren Salesforce-Administrator um das \
             Recht „API aktiviert“.",
        ),
        SignInFailure::Expired => say(
            "This sign-in was started too long ago, or in another window. Close this one and start again.",
            "Diese Anmeldung wurde vor zu langer Zeit oder in einem anderen Fenster begonnen. Schließen Sie dieses und \
             beginnen Sie von vorn.",
        ),
        SignInFailure::TooOften => say(
            "Very many sign-ins were begun from your network just now. Close this window and try again in a minute.",
            "Gerade wurden aus Ihrem Netz sehr viele Anmeldungen begonnen. Schließen Sie dieses Fenster und versuchen \
             Sie es in einer Minute noch einmal.",
        ),
        SignInFailure::Unavailable => say(
            "Salesforce could not be reached. Close this window and try again in a minute.",
            "Salesforce ist nicht zu erreichen. Schließen Sie dieses Fenster und versuchen Sie es in einer Minute \
             noch einmal.",
        ),
        SignInFailure::MicrosoftOff => say(
            "Office 365 is not set up on this server. Ask the administrator of Tandem.",
            "Office 365 ist auf diesem Server nicht eingerichtet. Fragen Sie den Administrator von Tandem.",
        ),
        SignInFailure::MicrosoftCancelled => say(
            "You did not agree to what Tandem asks for, so nothing was connected. Close this window and try again.",
            "Sie haben dem nicht zugestimmt, worum Tandem bittet, also ist nichts verbunden. Schließen Sie dieses \
             Fenster und versuchen Sie es noch einmal.",
        ),
        SignInFailure::MicrosoftRefused => say(
            "Microsoft does not accept this server’s registration. Tell the administrator of Tandem: the log says why.",
            "Microsoft nimmt die Registrierung dieses Servers nicht an. Sagen Sie es dem Administrator von Tandem: Im \
             Protokoll steht, warum.",
        ),
        SignInFailure::MicrosoftUnavailable => say(
            "Microsoft could not be reached. Close this window and try again in a minute.",
            "Microsoft ist nicht zu erreichen. Schließen Sie dieses Fenster und versuchen Sie es in einer Minute noch \
             einmal.",
        ),
        SignInFailure::MicrosoftAgain => say(
            "Microsoft wants you to sign in once more. Close this window and connect again.",
            "Microsoft möchte, dass Sie sich noch einmal anmelden. Schließen Sie dieses Fenster und verbinden Sie von \
             Neuem.",
        ),
        SignInFailure::ConditionalAccess => say(
            "Your organisation demands more of this sign-in, such as a second factor or a managed device. Close this \
             window and connect again; if that does not help, ask your administrator.",
            "Ihre Organisation verlangt für diese Anmeldung mehr, etwa einen zweiten Faktor oder ein verwaltetes Gerät. \
             Schließen Sie dieses Fenster und verbinden Sie von Neuem; wenn das nicht hilft, fragen Sie Ihren \
             Administrator.",
        ),
        SignInFailure::TenantNotAllowed => say(
            "This account belongs to another organisation than this server is for. Use your account there.",
            "Dieses Konto gehört zu einer anderen Organisation als der, für die dieser Server da ist. Verwenden Sie Ihr \
             Konto dort.",
        ),
        SignInFailure::NotInTheCloud => say(
            "This account has no mailbox in Office 365. If your mailbox is on your company’s own server, choose Exchange \
             server.",
            "Dieses Konto hat kein Postfach in Office 365. Wenn Ihr Postfach auf einem Server Ihrer Firma liegt, wählen \
             Sie „Exchange-Server“.",
        ),
    }
}

/// A *Refresh* that ended with somebody else.
pub fn other_salesforce_user(expected: &str, given: &str) -> String {
    match super::spoken() {
        super::Lang::En => format!(
            "You signed in as {given}, but {expected} is connected. Nothing was changed. Choose Refresh and sign in as \
             {expected}, or Change to go on with the other account."
        ),
        super::Lang::De => format!(
            "Sie haben sich als {given} angemeldet, verbunden ist aber {expected}. Nichts wurde geändert. Wählen Sie \
             „Erneuern“ und melden Sie sich als {expected} an, oder „Wechseln“, um mit dem anderen Konto weiterzumachen."
        ),
    }
}

/// An integration user of another organisation.
pub fn integration_of_another_organisation(given: &str) -> String {
    match super::spoken() {
        super::Lang::En => format!(
            "{given} belongs to another Salesforce organisation than yours. Nothing was connected. Sign in as a user of your \
             own organisation."
        ),
        super::Lang::De => format!(
            "{given} gehört zu einer anderen Salesforce-Organisation als Sie. Nichts wurde verbunden. Melden Sie sich als \
             Benutzer Ihrer eigenen Organisation an."
        ),
    }
}

/// A *Change* to somebody who syncs already.
pub fn salesforce_user_has_a_mailbox(given: &str) -> String {
    match super::spoken() {
        super::Lang::En => {
            format!("{given} has a mailbox of their own connected already. Nothing was changed for yours.")
        }
        super::Lang::De => {
            format!("Mit {given} ist schon ein anderes Postfach verbunden. An Ihrem wurde nichts geändert.")
        }
    }
}

/// Said before anything is stored.
pub fn other_mailbox(account: &str, expected: &str) -> String {
    match super::spoken() {
        super::Lang::En => {
            format!(
                "You signed in as {account}, but the mailbox here is {expected}. Nothing has been stored."
            )
        }
        super::Lang::De => format!(
            "Sie haben sich als {account} angemeldet, das Postfach hier ist aber {expected}. Nichts wurde gespeichert."
        ),
    }
}
