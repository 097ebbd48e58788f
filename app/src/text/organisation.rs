//! The words of the organisation's page: for administrators, and for whoever is none.

use tandem_types::{
    IntegrationTrouble, MailboxServer, MeterView, OrgAct, OrgCount, OrgDenied, OrgFault, OrgRun, OrgRunState,
    OrgUser, StateReason, SyncState, Timestamp, Verdict,
};

use super::time::within;
use super::{Lang, Words, number, say, spoken};

pub const TITLE: Words = Words::new("Organisation", "Organisation");
pub const DENIED_TITLE: Words = Words::new("For administrators", "Nur für Administratoren");
pub const USERS: Words = Words::new("Users", "Personen");
pub const SHOW: Words = Words::new("Show only", "Nur anzeigen");
pub const EVERYBODY: Words = Words::new("Everybody", "Alle");
pub const WHY: Words = Words::new("Why not", "Warum nicht");
pub const ISSUES_TITLE: Words = Words::new("Open issues of all users", "Offene Probleme aller Personen");
pub const SEARCH: Words = Words::new("Name or user name", "Name oder Benutzername");
pub const SEARCH_DO: Words = Words::new("Search", "Suchen");
pub const NOBODY: Words = Words::new(
    "Nobody is found so. Choose another state, or search for something else.",
    "So wird niemand gefunden. Wählen Sie einen anderen Zustand, oder suchen Sie nach etwas anderem.",
);
pub const NEXT: Words = Words::new("Next page", "Nächste Seite");
pub const FIRST: Words = Words::new("First page", "Erste Seite");
pub const EXPORT: Words = Words::new("Export as CSV", "Als CSV exportieren");
pub const BACK: Words = Words::new("All users", "Alle Personen");

// Columns, on the page and in the export.
pub const CHOSEN: Words = Words::new("Chosen", "Ausgewählt");
pub const USER: Words = Words::new("User", "Person");
pub const USER_NAME: Words = Words::new("User name", "Benutzername");
pub const USER_ID: Words = Words::new("Id", "Id");
pub const SERVER: Words = Words::new("Mail server", "Mailserver");
pub const ADDRESS: Words = Words::new("Mailbox", "Postfach");
pub const STATE: Words = Words::new("State", "Zustand");
pub const REASON: Words = Words::new("Reason", "Grund");
pub const LAST: Words = Words::new("Last session", "Letzter Abgleich");
pub const LAST_RESULT: Words = Words::new("Its result", "Ergebnis");
pub const LAST_SUCCESS: Words = Words::new("Last success", "Letzter Erfolg");
pub const LAG: Words = Words::new("Overdue since", "Überfällig seit");
pub const ISSUES: Words = Words::new("Issues", "Probleme");
pub const NEVER: Words = Words::new("never", "noch nie");
pub const NO_SERVER: Words = Words::new("none", "keiner");

// Actions.
pub const ACTIONS: Words = Words::new("With those that are ticked", "Mit den Ausgewählten");
pub const WAVES: Words = Words::new(
    "Many are done in waves of 25. If a fifth of a wave fails, the rest is left alone, and you see who failed and why.",
    "Viele werden in Gruppen zu 25 bearbeitet. Schlägt ein Fünftel einer Gruppe fehl, bleibt der Rest unberührt, und Sie \
     sehen, bei wem und warum.",
);
pub const DEACTIVATE_MORE: Words = Words::new("Deactivate …", "Deaktivieren …");
pub const DEACTIVATE_WHAT: Words = Words::new(
    "Their sync ends. What opens their mailboxes and Salesforce is destroyed here, and given back there. Every item stays \
     where it is, on both sides. To sync again, each of them has to connect the mailbox anew.",
    "Ihr Abgleich endet. Was ihre Postfächer und Salesforce öffnet, wird hier vernichtet und dort zurückgegeben. Alle \
     Einträge bleiben, wo sie sind, auf beiden Seiten. Um wieder abzugleichen, müssen alle ihr Postfach neu verbinden.",
);
pub const SURE: Words = Words::new(
    "Yes, end the sync of all who are chosen",
    "Ja, den Abgleich aller Ausgewählten beenden",
);
pub const HALT: Words = Words::new("Stop", "Anhalten");
pub const GO_ON: Words = Words::new("Do the rest", "Den Rest erledigen");
pub const FAULTS: Words = Words::new("Who failed, and why", "Bei wem es fehlschlug, und warum");

// Support access.
pub const SUPPORT_TITLE: Words = Words::new("Support access", "Einblick zur Hilfe");
pub const SUPPORT_OFF: Words = Words::new(
    "Administrators see states, counts and reasons here, and names of users: no subjects, no mailbox addresses. Allow \
     them only while somebody needs help. Each look at a user’s issues then stands in the audit log.",
    "Administratoren sehen hier Zustände, Zahlen und Gründe sowie die Namen der Personen: keine Betreffzeilen, keine \
     Adressen von Postfächern. Erlauben Sie das nur, solange jemand Hilfe braucht. Jeder Blick auf die Probleme einer \
     Person steht dann im Protokoll.",
);
pub const SUPPORT_ALLOW: Words = Words::new(
    "Allow subjects and addresses",
    "Betreffzeilen und Adressen erlauben",
);
pub const SUPPORT_END: Words = Words::new("End support access", "Einblick beenden");
pub const SUPPORT_NEEDED: Words = Words::new(
    "Subjects are shown with support access only.",
    "Betreffzeilen werden nur mit „Einblick zur Hilfe“ gezeigt.",
);
pub const SESSIONS: Words = Words::new("Latest sessions", "Letzte Abgleiche");
pub const METER: Words = Words::new("Salesforce API calls", "API-Aufrufe an Salesforce");

// The integration user.
pub const INTEGRATION_TITLE: Words = Words::new("Integration user", "Integrationsbenutzer");
pub const INTEGRATION_OFF: Words = Words::new(
    "Each mailbox asks Salesforce by itself what has changed. With a Salesforce user who may “View All Data” connected here, \
     one question does it for all: which records changed, and whose they are. What stands in them is still read and \
     written by each user’s own access.",
    "Jedes Postfach fragt Salesforce selbst, was sich geändert hat. Ist hier ein Salesforce-Benutzer verbunden, der „Alle \
     Daten anzeigen“ darf, genügt eine Frage für alle: welche Datensätze sich geändert haben und wem sie gehören. Was \
     darin steht, wird weiter mit dem eigenen Zugang jeder Person gelesen und geschrieben.",
);
pub const INTEGRATION_CONNECT: Words =
    Words::new("Connect an integration user", "Integrationsbenutzer verbinden");
pub const INTEGRATION_AGAIN: Words = Words::new("Connect again", "Neu verbinden");
pub const INTEGRATION_CHANGE: Words = Words::new("Connect another user", "Anderen Benutzer verbinden");
pub const INTEGRATION_END: Words = Words::new("Disconnect", "Verbindung trennen");
pub const INTEGRATION_BY: Words = Words::new("Connected by", "Verbunden von");
pub const INTEGRATION_ASKED: Words = Words::new("Last asked", "Zuletzt gefragt");

/// Why the integration user tells nothing, with what to do. Followed by since when.
pub fn integration_trouble(trouble: IntegrationTrouble) -> &'static str {
    match trouble {
        IntegrationTrouble::SignInEnded => say(
            "Its Salesforce sign-in has ended, and each mailbox asks by itself. Connect it again. Since:",
            "Seine Anmeldung bei Salesforce ist zu Ende, und jedes Postfach fragt selbst. Verbinden Sie ihn neu. Seit:",
        ),
        IntegrationTrouble::SeesTooLittle => say(
            "It may not “View All Data” in Salesforce, so each mailbox asks by itself. Give it that permission. Since:",
            "Er darf in Salesforce nicht „Alle Daten anzeigen“, darum fragt jedes Postfach selbst. Geben Sie ihm dieses \
             Recht. Seit:",
        ),
        IntegrationTrouble::Refused => say(
            "Salesforce refuses what it asks, so each mailbox asks by itself. Look whether it may use the API and sees \
             contacts, events and tasks. Since:",
            "Salesforce lehnt seine Frage ab, darum fragt jedes Postfach selbst. Sehen Sie nach, ob er die API benutzen darf \
             und Kontakte, Ereignisse und Aufgaben sieht. Seit:",
        ),
        IntegrationTrouble::NoAnswer => say(
            "Salesforce does not answer it, so each mailbox asks by itself. It is tried again every few minutes. Since:",
            "Salesforce antwortet ihm nicht, darum fragt jedes Postfach selbst. Es wird alle paar Minuten neu versucht. \
             Seit:",
        ),
    }
}

/// A state, as it is filtered by.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Stopped => say("Stopped", "Gestoppt"),
        Verdict::Failing => say("Failing", "Fehlerhaft"),
        Verdict::Overdue => say("Overdue", "Überfällig"),
        Verdict::Waiting => say("Waiting", "Wartet"),
        Verdict::Off => say("Off", "Aus"),
        Verdict::Syncing => say("Syncing", "Gleicht ab"),
    }
}

/// Is everyone syncing? From the counts of all.
pub fn headline(counts: &[OrgCount]) -> String {
    let sum = |which: &dyn Fn(Verdict) -> bool| -> u32 {
        let counts = counts.iter().filter(|count| which(count.verdict));
        counts.map(|count| count.users).sum()
    };
    let (all, trouble) = (sum(&|_| true), sum(&Verdict::is_trouble));
    let (syncing, waiting, off) = (
        sum(&|verdict| verdict == Verdict::Syncing),
        sum(&|verdict| verdict == Verdict::Waiting),
        sum(&|verdict| verdict == Verdict::Off),
    );
    let meant = all - off;
    if trouble > 0 {
        let (trouble, meant) = (number(trouble), number(meant));
        return match spoken() {
            Lang::En => format!("{trouble} of {meant} who should be syncing are not."),
            Lang::De => format!("Bei {trouble} von {meant}, die abgleichen sollten, geschieht es nicht."),
        };
    }
    match (syncing, waiting) {
        (0, 0) => say("Nobody syncs yet.", "Noch gleicht niemand ab.").to_owned(),
        (_, 0) => {
            let meant = number(meant);
            match spoken() {
                Lang::En => format!("Everyone who should be syncing is: {meant}."),
                Lang::De => format!("Bei allen, die abgleichen sollten, geschieht es: {meant}."),
            }
        }
        _ => {
            let (syncing, waiting) = (number(syncing), number(waiting));
            match spoken() {
                Lang::En => format!("{syncing} are syncing; {waiting} wait for their users, as they should."),
                Lang::De => {
                    format!("{syncing} gleichen ab; {waiting} warten auf ihre Benutzer, wie es sein soll.")
                }
            }
        }
    }
}

/// Why many stand so.
pub fn cause(count: &OrgCount) -> &'static str {
    match (count.state, count.reason) {
        (SyncState::NotActivated, _) => say("no mailbox connected yet", "noch kein Postfach verbunden"),
        (SyncState::Deactivated, _) => say("deactivated", "deaktiviert"),
        (_, Some(reason)) => short_reason(reason),
        (SyncState::Paused, None) => say("paused", "angehalten"),
        (SyncState::NeedsActivation, None) => say(
            "the mailbox has to be connected again",
            "das Postfach muss neu verbunden werden",
        ),
        (SyncState::Active | SyncState::Activating, None) => match count.verdict {
            Verdict::Overdue => say(
                "due, and no server runs them",
                "fällig, und kein Server führt sie aus",
            ),
            Verdict::Failing => say("their sessions fail", "ihre Abgleiche schlagen fehl"),
            Verdict::Stopped | Verdict::Waiting | Verdict::Off | Verdict::Syncing => {
                say("in step, or on the way", "auf dem Stand oder auf dem Weg dahin")
            }
        },
    }
}

const fn words_of(reason: StateReason) -> Words {
    match reason {
        StateReason::MailServerRefused => Words::new(
            "the mail server refused the login",
            "der Mailserver hat die Anmeldung abgelehnt",
        ),
        StateReason::MicrosoftSignInEnded => Words::new(
            "the Microsoft sign-in has ended",
            "die Anmeldung bei Microsoft ist zu Ende",
        ),
        StateReason::SalesforceSignInEnded => Words::new(
            "the Salesforce sign-in has ended",
            "die Anmeldung bei Salesforce ist zu Ende",
        ),
        StateReason::StoppedByBrake => Words::new(
            "the brake stopped it, so that the user looks",
            "die Bremse hat angehalten, damit die Person nachsieht",
        ),
        StateReason::WaitingForPreview => Words::new(
            "the first sync is not started yet",
            "der erste Abgleich ist noch nicht gestartet",
        ),
        StateReason::Quota => Words::new(
            "the organisation’s API calls or storage are used up",
            "API-Aufrufe oder Speicher der Organisation sind verbraucht",
        ),
        StateReason::OrgBrake => Words::new(
            "the organisation’s brake stopped everybody",
            "die Bremse der Organisation hat alle angehalten",
        ),
    }
}

fn short_reason(reason: StateReason) -> &'static str {
    words_of(reason).get()
}

/// Why one user's connection stands so, and who can do something. Contains nothing of the mailbox.
pub fn why(of: &OrgUser, now: Timestamp) -> String {
    let told = match (of.state, of.reason) {
        (SyncState::NotActivated, _) if of.skipped => say(
            "The user skipped the activation.",
            "Die Person hat die Einrichtung übersprungen.",
        ),
        (SyncState::NotActivated, _) => say(
            "Signed in, no mailbox connected yet.",
            "Angemeldet, noch kein Postfach verbunden.",
        ),
        (SyncState::Deactivated, _) => say("Deactivated.", "Deaktiviert."),
        (SyncState::Paused, None) => say("Paused.", "Angehalten."),
        (_, Some(StateReason::SalesforceSignInEnded)) => say(
            "The Salesforce sign-in has ended: the user signs in again in the sidebar.",
            "Die Anmeldung bei Salesforce ist zu Ende: Die Person meldet sich in der Seitenleiste neu an.",
        ),
        (_, Some(StateReason::MicrosoftSignInEnded)) => say(
            "The Microsoft sign-in has ended: the user signs in again in the sidebar.",
            "Die Anmeldung bei Microsoft ist zu Ende: Die Person meldet sich in der Seitenleiste neu an.",
        ),
        (_, Some(StateReason::MailServerRefused)) => {
            let times = number(of.rejections.max(1));
            return match spoken() {
                Lang::En => format!(
                    "The mail server refused the login, times in a row: {times}. The user connects again in the sidebar."
                ),
                Lang::De => format!(
                    "Der Mailserver hat die Anmeldung abgelehnt, so oft in Folge: {times}. Die Person verbindet sich in \
                     der Seitenleiste neu."
                ),
            };
        }
        (_, Some(StateReason::StoppedByBrake)) => say(
            "The brake stopped it: the user looks in the sidebar and lets it go on.",
            "Die Bremse hat angehalten: Die Person sieht in der Seitenleiste nach und lässt es weitergehen.",
        ),
        (_, Some(StateReason::OrgBrake)) => say(
            "The organisation’s brake stopped it: who operates Tandem lets it go on.",
            "Die Bremse der Organisation hat angehalten: Wer Tandem betreibt, lässt es weitergehen.",
        ),
        (_, Some(StateReason::WaitingForPreview)) => say(
            "The user has not yet started the first sync.",
            "Die Person hat den ersten Abgleich noch nicht gestartet.",
        ),
        (_, Some(StateReason::Quota)) => say(
            "The organisation’s API calls or storage are used up.",
            "API-Aufrufe oder Speicher der Organisation sind verbraucht.",
        ),
        (SyncState::NeedsActivation, None) => say(
            "The user connects the mailbox again in the sidebar.",
            "Die Person verbindet das Postfach in der Seitenleiste neu.",
        ),
        (SyncState::Active | SyncState::Activating, None) => return active(of, now),
    };
    told.to_owned()
}

fn active(of: &OrgUser, now: Timestamp) -> String {
    match of.verdict {
        Verdict::Overdue => {
            let late = of.overdue.map_or(0, |due| now.seconds_since(due));
            let late = within(late.max(0));
            match spoken() {
                Lang::En => format!("Due for {late}, and no server runs it."),
                Lang::De => format!("Seit {late} fällig, und kein Server führt es aus."),
            }
        }
        Verdict::Failing => {
            let times = number(of.failures);
            match spoken() {
                Lang::En => format!("Failed, times in a row: {times}. It goes on trying."),
                Lang::De => format!("Fehlgeschlagen, so oft in Folge: {times}. Es wird weiter versucht."),
            }
        }
        Verdict::Stopped | Verdict::Waiting | Verdict::Off | Verdict::Syncing => {
            let told = match of.last {
                _ if of.running => say("A session runs.", "Ein Abgleich läuft."),
                None => say("The first session is due.", "Der erste Abgleich steht an."),
                Some((tandem_types::SessionOutcome::Partial, _)) => say(
                    "Goes on with the next session.",
                    "Geht mit dem nächsten Abgleich weiter.",
                ),
                Some(_) => say("In step.", "Auf dem Stand."),
            };
            told.to_owned()
        }
    }
}

/// Which kind of mail server.
pub fn server(server: Option<MailboxServer>) -> &'static str {
    match server {
        Some(MailboxServer::Exchange) => "Exchange",
        Some(MailboxServer::Office365) => "Office 365",
        None => NO_SERVER.get(),
    }
}

/// What a button does.
pub fn act(act: OrgAct) -> &'static str {
    match act {
        OrgAct::Pause => say("Pause", "Anhalten"),
        OrgAct::Resume => say("Resume", "Fortsetzen"),
        OrgAct::SyncNow => say("Sync now", "Jetzt abgleichen"),
        OrgAct::Deactivate => say("Deactivate", "Deaktivieren"),
    }
}

/// The box that makes all who match chosen.
pub fn all_that_match(users: u32) -> String {
    let users = number(users);
    match spoken() {
        Lang::En => format!("All who match, on all pages: {users}"),
        Lang::De => format!("Alle, die passen, auf allen Seiten: {users}"),
    }
}

/// What the box before a user is for.
pub fn choose(name: &str) -> String {
    match spoken() {
        Lang::En => format!("Choose {name}"),
        Lang::De => format!("{name} auswählen"),
    }
}

/// The title of an order.
pub fn run_title(run: &OrgRun) -> String {
    let state = match run.state {
        OrgRunState::Running => say("under way", "läuft"),
        OrgRunState::Done => say("done", "erledigt"),
        OrgRunState::Failed => say("stopped, too many failed", "gestoppt, zu viel schlug fehl"),
        OrgRunState::Halted => say("stopped by an administrator", "von der Administration angehalten"),
        OrgRunState::BrokenOff => say("broken off", "abgebrochen"),
    };
    format!("{}: {state}", act(run.act))
}

/// How far an order is.
pub fn run_so_far(run: &OrgRun) -> String {
    let OrgRun {
        done,
        passed,
        failed,
        total,
        ..
    } = run;
    let (done, passed, failed, total) = (number(*done), number(*passed), number(*failed), number(*total));
    match spoken() {
        Lang::En => format!(
            "Of {total}: {done} done, {passed} with nothing to do, {failed} failed. Ordered by {}.",
            run.by
        ),
        Lang::De => format!(
            "Von {total}: {done} erledigt, bei {passed} nichts zu tun, {failed} fehlgeschlagen. Angeordnet von {}.",
            run.by
        ),
    }
}

/// Why it failed.
pub fn fault(fault: OrgFault) -> &'static str {
    match fault {
        OrgFault::SignInNeeded => say(
            "the user has to sign in again",
            "die Person muss sich neu anmelden",
        ),
        OrgFault::Refused => say(
            "the mail server refused the password; the user connects again",
            "der Mailserver hat das Kennwort abgelehnt; die Person verbindet sich neu",
        ),
        OrgFault::Braked => say(
            "a brake has stopped it; somebody has to look",
            "eine Bremse hat angehalten; jemand muss nachsehen",
        ),
        OrgFault::Failed => say("the session failed", "der Abgleich schlug fehl"),
        OrgFault::Database => say(
            "the database did not answer",
            "die Datenbank hat nicht geantwortet",
        ),
    }
}

/// Why somebody sees nothing of the organisation.
pub fn denied(denied: OrgDenied) -> &'static str {
    match denied {
        OrgDenied::NotAdministrator => say(
            "This page shows how everybody’s sync stands. Salesforce says who may see it: whoever may “Modify All Data”, \
             or has the permission set for Tandem’s administrators. You have neither. If that has just changed, load \
             the page again in half a minute.",
            "Diese Seite zeigt, wie der Abgleich bei allen steht. Wer sie sehen darf, sagt Salesforce: wer „Alle Daten \
             modifizieren“ darf oder den Berechtigungssatz für Tandems Administratoren hat. Beides trifft auf Sie nicht \
             zu. Wenn sich das gerade geändert hat, laden Sie die Seite in einer halben Minute neu.",
        ),
        OrgDenied::SignInEnded => say(
            "Whether you are an administrator is asked of Salesforce, and the access that your sync has there has ended. \
             Sign in with Salesforce again, then load this page.",
            "Ob Sie Administrator sind, wird Salesforce gefragt, und der Zugang Ihres Abgleichs dort ist zu Ende. Melden \
             Sie sich wieder mit Salesforce an, und laden Sie dann diese Seite.",
        ),
        OrgDenied::NoAnswer => say(
            "Whether you are an administrator is asked of Salesforce, and it does not answer. Until it does, nothing is \
             shown here and nothing is done.",
            "Ob Sie Administrator sind, wird Salesforce gefragt, und es antwortet nicht. Bis dahin wird hier nichts gezeigt \
             und nichts getan.",
        ),
    }
}

/// Who did something; whoever is erased has no name.
pub fn person(name: &str) -> &str {
    if name.is_empty() {
        say("somebody who is erased here", "jemand, der hier gelöscht ist")
    } else {
        name
    }
}

/// Who has allowed support access.
pub fn support_by(name: &str) -> String {
    let name = person(name);
    match spoken() {
        Lang::En => format!("Administrators see subjects and mailbox addresses. Allowed by {name}"),
        Lang::De => {
            format!("Administratoren sehen Betreffzeilen und Adressen von Postfächern. Erlaubt hat es {name}")
        }
    }
}

/// How much of the organisation's API calls is used.
pub fn meter(of: MeterView) -> String {
    let big = |n: u64| number(u32::try_from(n).unwrap_or(u32::MAX));
    let (used, limit, reserve) = (big(of.used), big(of.limit), of.reserve);
    match spoken() {
        Lang::En => format!("{used} of {limit} in 24 hours; the sync leaves {reserve} % to others."),
        Lang::De => format!("{used} von {limit} in 24 Stunden; der Abgleich lässt {reserve} % für andere."),
    }
}
