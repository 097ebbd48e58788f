//! The activation dialog, and why it did not connect.

use tandem_types::{ActivationFailure, ApiError, InvalidField};

use super::time::within;
use super::{Lang, UNAVAILABLE, Words, say, spoken};

pub const ACTIVATION_TITLE: Words = Words::new("Connect your mailbox", "Postfach verbinden");
pub const ACTIVATION_TITLE_AGAIN: Words = Words::new(
    "Your mailbox needs your sign-in",
    "Ihr Postfach braucht Ihre Anmeldung",
);
pub const ACTIVATION_LEAD: Words = Words::new(
    "Tandem tries the login once. Only if your mail server accepts it, it is stored, encrypted.",
    "Tandem probiert die Anmeldung ein einziges Mal. Nur wenn Ihr Mailserver sie annimmt, wird sie verschlüsselt \
     gespeichert.",
);
pub const ACTIVATION_LEAD_AGAIN: Words = Words::new(
    "Your mail server refuses the stored login. Has your password changed? \
     Tandem tries the new one once before it stores it.",
    "Ihr Mailserver lehnt die gespeicherte Anmeldung ab. Hat sich Ihr Kennwort geändert? Tandem probiert das neue ein \
     einziges Mal, bevor es gespeichert wird.",
);
pub const ACTIVATION_LEAD_CLOUD: Words = Words::new(
    "Microsoft refuses access to your mailbox. Connect it again, or choose where it is now.",
    "Microsoft verweigert den Zugriff auf Ihr Postfach. Verbinden Sie es noch einmal, oder wählen Sie, wo es jetzt \
     liegt.",
);
pub const SYNCS_WITH: Words = Words::new("Will be kept in step with", "Wird abgeglichen mit");
pub const KIND_LEGEND: Words = Words::new("Where is your mailbox?", "Wo liegt Ihr Postfach?");
pub const KIND_EXCHANGE: Words = Words::new("Exchange server", "Exchange-Server");
pub const KIND_EXCHANGE_HINT: Words =
    Words::new("on your company’s own servers", "auf den Servern Ihrer Firma");
pub const KIND_OFFICE: Words = Words::new("Office 365", "Office 365");
pub const KIND_OFFICE_HINT: Words = Words::new(
    "Exchange Online, in Microsoft’s cloud",
    "Exchange Online, in der Cloud von Microsoft",
);
pub const KIND_OFFICE_OFF: Words = Words::new(
    "not set up on this server: ask the administrator of Tandem",
    "auf diesem Server nicht eingerichtet: Fragen Sie den Administrator von Tandem",
);
pub const OFFICE_LEAD: Words = Words::new(
    "You sign in on Microsoft’s own page. Tandem never sees that password, and asks for no right to send mail.",
    "Sie melden sich auf der Seite von Microsoft an. Tandem sieht dieses Kennwort nie und bittet um kein Recht, E-Mails \
     zu senden.",
);
pub const CONNECT_OFFICE: Words = Words::new("Connect to Office 365", "Mit Office 365 verbinden");
pub const CONNECTING_OFFICE: Words = Words::new("Connecting your mailbox …", "Ihr Postfach wird verbunden …");
pub const OFFICE_CODE: Words = Words::new(
    "Code from Microsoft’s window",
    "Code aus dem Fenster von Microsoft",
);
pub const OFFICE_OTHER_TITLE: Words = Words::new("This is another mailbox", "Das ist ein anderes Postfach");
pub const OFFICE_ANYWAY: Words = Words::new("Connect it anyway", "Trotzdem verbinden");
pub const OFFICE_OTHER_ACCOUNT: Words = Words::new("Use another account", "Anderes Konto verwenden");
pub const OFFICE_OTHER_BOX: Words = Words::new(
    "Connect it even if it is another mailbox than before",
    "Auch dann verbinden, wenn es ein anderes Postfach ist als bisher",
);
pub const CONNECT_AGAIN: Words = Words::new("Connect again", "Neu verbinden");
pub const LOGIN: Words = Words::new("Login", "Anmeldename");
pub const LOGIN_HINT: Words = Words::new(
    "Your e-mail address, or DOMAIN\\user",
    "Ihre E-Mail-Adresse, oder DOMÄNE\\Benutzer",
);
pub const PASSWORD: Words = Words::new("Password", "Kennwort");
pub const MORE: Words = Words::new("More", "Mehr");
pub const EWS_URL: Words = Words::new("EWS URL", "EWS-URL");
/// Above the steps of a search for the mail server that failed.
pub const SEARCHED: Words = Words::new(
    "Where Tandem has looked for your mail server:",
    "Wo Tandem Ihren Mailserver gesucht hat:",
);
pub const EWS_URL_HINT: Words = Words::new(
    "Leave it empty: Tandem finds the server by your e-mail address.",
    "Lassen Sie das leer: Tandem findet den Server über Ihre E-Mail-Adresse.",
);
pub const EWS_URL_EXAMPLE: &str = "https://mail.example.com/EWS/Exchange.asmx";
pub const CONNECT: Words = Words::new("Connect to Exchange", "Mit Exchange verbinden");
pub const CONNECTING: Words = Words::new(
    "Connecting: looking for your mail server, then trying the login once …",
    "Wird verbunden: Ihr Mailserver wird gesucht, dann die Anmeldung ein einziges Mal probiert …",
);
pub const SKIP: Words = Words::new("Skip", "Überspringen");

// After Skip.
pub const WITHOUT_SYNC: Words = Words::new("Sync is not set up", "Der Abgleich ist nicht eingerichtet");
pub const WITHOUT_SYNC_LEAD: Words = Words::new(
    "Until your mailbox is connected, these are not available:",
    "Bis Ihr Postfach verbunden ist, fehlen:",
);
pub const WITHOUT_SYNC_LIST: [Words; 4] = [
    Words::new(
        "saving while you write a message or a meeting",
        "das Speichern, während Sie eine Nachricht oder eine Besprechung schreiben",
    ),
    Words::new(
        "saving by category or by folder",
        "das Speichern über eine Kategorie oder einen Ordner",
    ),
    Words::new("saving automatically", "das Speichern von selbst"),
    Words::new(
        "contacts that are the same on both sides",
        "Kontakte, die auf beiden Seiten gleich sind",
    ),
];

/// Why *Connect to Exchange* did not connect, and what to do.
pub fn activation_failure(failure: ActivationFailure) -> &'static str {
    match failure {
        ActivationFailure::Address => say(
            "No Exchange server was found. Check the login, or paste the EWS URL under More.",
            "Kein Exchange-Server gefunden. Prüfen Sie den Anmeldenamen, oder fügen Sie unter „Mehr“ die EWS-URL ein.",
        ),
        ActivationFailure::Certificate => say(
            "The server’s certificate is not trusted, so the password was not sent. Check the EWS URL, or ask your \
             administrator.",
            "Dem Zertifikat des Servers ist nicht zu trauen, darum wurde das Kennwort nicht gesendet. Prüfen Sie die \
             EWS-URL, oder fragen Sie Ihren Administrator.",
        ),
        ActivationFailure::Login => say(
            "The server refused this login or password. It was tried once. Check both before you try again.",
            "Der Server hat Anmeldename oder Kennwort abgelehnt. Es wurde ein einziges Mal probiert. Prüfen Sie beides, \
             bevor Sie es noch einmal versuchen.",
        ),
        ActivationFailure::LoginOrProtection => say(
            "The server refused this login or password. It was tried once. If both are right, Exchange’s Extended Protection \
             may be the cause: it refuses where a proxy ends the encryption. Ask your administrator.",
            "Der Server hat Anmeldename oder Kennwort abgelehnt. Es wurde ein einziges Mal probiert. Wenn beides stimmt, \
             kann der erweiterte Schutz von Exchange der Grund sein: Er lehnt ab, wenn ein Proxy die Verschlüsselung \
             beendet. Fragen Sie Ihren Administrator.",
        ),
        ActivationFailure::NoCommonSignIn => say(
            "This server takes only sign-ins that Tandem does not have (Kerberos or OAuth). Your password was not sent. Ask \
             your administrator to allow NTLM for Exchange Web Services.",
            "Dieser Server nimmt nur Anmeldungen an, die Tandem nicht kann (Kerberos oder OAuth). Ihr Kennwort wurde \
             nicht gesendet. Bitten Sie Ihren Administrator, NTLM für die Exchange-Webdienste zuzulassen.",
        ),
        ActivationFailure::ProxyBetween => say(
            "Something between Tandem and Exchange, such as a proxy, breaks NTLM sign-ins. Your password was not sent. Ask \
             your administrator.",
            "Etwas zwischen Tandem und Exchange, etwa ein Proxy, stört NTLM-Anmeldungen. Ihr Kennwort wurde nicht \
             gesendet. Fragen Sie Ihren Administrator.",
        ),
        ActivationFailure::NotExchange => say(
            "Something answers at this address, but it is not Exchange Web Services. The URL usually ends in \
             /EWS/Exchange.asmx.",
            "Unter dieser Adresse antwortet etwas, aber nicht die Exchange-Webdienste. Die URL endet meist auf \
             /EWS/Exchange.asmx.",
        ),
        ActivationFailure::UseOffice365 => say(
            "This mailbox is in Office 365. Choose Office 365 above: it connects without a password.",
            "Dieses Postfach liegt in Office 365. Wählen Sie oben „Office 365“: Das verbindet ohne Kennwort.",
        ),
        ActivationFailure::NotAllowed => say(
            "Your administrator has not allowed this mail server. Nothing was sent to it. Ask for it to be added.",
            "Ihr Administrator hat diesen Mailserver nicht zugelassen. Nichts wurde an ihn gesendet. Bitten Sie darum, \
             dass er aufgenommen wird.",
        ),
        ActivationFailure::NoMailbox => say(
            "The login is right, but it has no mailbox that it may open. Use the login of the mailbox itself.",
            "Die Anmeldung stimmt, hat aber kein Postfach, das sie öffnen darf. Verwenden Sie die Anmeldung des \
             Postfachs selbst.",
        ),
        ActivationFailure::TooManyTrials => say(
            "Three passwords were tried within 15 minutes. So that your account is not locked, wait a quarter of an hour.",
            "In 15 Minuten wurden drei Kennwörter probiert. Warten Sie eine Viertelstunde, damit Ihr Konto nicht \
             gesperrt wird.",
        ),
        ActivationFailure::Unavailable => say(
            "The mail server did not answer in time, or is busy. Nothing is wrong with your entries: try again in a \
             minute.",
            "Der Mailserver hat nicht rechtzeitig geantwortet oder ist überlastet. An Ihren Eingaben liegt es nicht: \
             Versuchen Sie es in einer Minute noch einmal.",
        ),
        ActivationFailure::MailboxTaken => say(
            "This mailbox is already connected by another Salesforce user. A mailbox has one connection.",
            "Dieses Postfach hat schon ein anderer Salesforce-Benutzer verbunden. Ein Postfach hat nur eine Verbindung.",
        ),
        ActivationFailure::OtherAccount => say(
            "You signed in with another account than the mailbox that was connected. Nothing was stored. Sign in with that \
             one, or tick the box that says that you mean the other.",
            "Sie haben sich mit einem anderen Konto angemeldet als dem des Postfachs, das verbunden war. Nichts wurde \
             gespeichert. Melden Sie sich mit jenem an, oder setzen Sie den Haken, dass Sie das andere meinen.",
        ),
        ActivationFailure::OfficeOff => say(
            "Office 365 is not set up on this server. Ask the administrator of Tandem.",
            "Office 365 ist auf diesem Server nicht eingerichtet. Fragen Sie den Administrator von Tandem.",
        ),
    }
}

/// What is wrong with a field.
pub fn invalid_field(field: InvalidField) -> &'static str {
    match field {
        InvalidField::Login => say(
            "Enter your e-mail address, or DOMAIN\\user.",
            "Geben Sie Ihre E-Mail-Adresse ein, oder DOMÄNE\\Benutzer.",
        ),
        InvalidField::Password => say(
            "Enter the password of your mailbox.",
            "Geben Sie das Kennwort Ihres Postfachs ein.",
        ),
        InvalidField::EwsUrl => say(
            "This is not an address that Tandem may use. It has to start with https://.",
            "Diese Adresse darf Tandem nicht verwenden. Sie muss mit https:// beginnen.",
        ),
        InvalidField::Dates => say(
            "Enter two days, the earlier one first, none of them in the future.",
            "Geben Sie zwei Tage ein, den früheren zuerst, keinen in der Zukunft.",
        ),
        InvalidField::Record => say(
            "This is not the id or the link of a Salesforce record. Copy it from the browser’s address bar.",
            "Das ist weder Id noch Link eines Datensatzes in Salesforce. Kopieren Sie ihn aus der Adresszeile des \
             Browsers.",
        ),
        InvalidField::Item => say(
            "Outlook says something about this item that Tandem does not understand. Open it again.",
            "Outlook sagt über dieses Element etwas, das Tandem nicht versteht. Öffnen Sie es noch einmal.",
        ),
        InvalidField::Value => say(
            "Something in this form is missing, or is too long.",
            "In diesem Formular fehlt etwas, oder etwas ist zu lang.",
        ),
        InvalidField::Setting(_) => say(
            "Nothing was saved: a setting cannot be taken as it is. It says so below.",
            "Es wurde nichts gespeichert: Eine Einstellung kann so nicht übernommen werden. Unten steht, welche.",
        ),
        InvalidField::Chosen => say(
            "Tick at least one user.",
            "Setzen Sie bei mindestens einer Person den Haken.",
        ),
        InvalidField::Sure => say(
            "Nothing was done: tick that you are sure.",
            "Es ist nichts geschehen: Setzen Sie den Haken, dass Sie sicher sind.",
        ),
        InvalidField::Code => say(
            "This code is not right, or has expired. Sign in again for a new one.",
            "Dieser Code stimmt nicht oder ist abgelaufen. Melden Sie sich noch einmal an, dann gibt es einen neuen.",
        ),
    }
}

/// Why a call was not done.
pub fn api_error(error: ApiError) -> String {
    let told = match error {
        ApiError::SignedOut => say(
            "Your sign-in has ended. Sign in with Salesforce again.",
            "Ihre Anmeldung ist zu Ende. Melden Sie sich wieder mit Salesforce an.",
        ),
        ApiError::Forbidden => say(
            "This page is out of date. Load it again.",
            "Diese Seite ist veraltet. Laden Sie sie neu.",
        ),
        ApiError::Invalid(field) => invalid_field(field),
        ApiError::Activation(failure) => activation_failure(failure),
        ApiError::WrongState => say(
            "That is not possible now: something has changed meanwhile.",
            "Das geht gerade nicht: Inzwischen hat sich etwas geändert.",
        ),
        ApiError::NotAdministrator => say(
            "This is for administrators of your organisation.",
            "Das ist den Administratoren Ihrer Organisation vorbehalten.",
        ),
        ApiError::TooOften(seconds) => {
            let wait = within(i64::from(seconds.max(1)));
            return match spoken() {
                Lang::En => format!("That was a little often. Try again in {wait}."),
                Lang::De => format!("Das war etwas oft. Versuchen Sie es in {wait} noch einmal."),
            };
        }
        ApiError::Unavailable => UNAVAILABLE.get(),
    };
    told.to_owned()
}
