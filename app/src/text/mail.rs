//! The mails that say that something broke. Plain text; none of what an item holds.

use tandem_types::StateReason;

use super::{Lang, spoken};

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A sign-in has ended: which one.
    NeedsSignIn(Option<StateReason>),
    /// The brake has stopped the sync.
    Brake,
    /// No session has gone well for a day.
    Failing,
}

impl Broken {
    pub const fn subject(self) -> super::Words {
        match self {
            Self::NeedsSignIn(_) => {
                super::Words::new("Tandem needs your sign-in", "Tandem braucht Ihre Anmeldung")
            }
            Self::Brake => super::Words::new(
                "Tandem has stopped, so that you can look",
                "Tandem hat angehalten, damit Sie nachsehen können",
            ),
            Self::Failing => super::Words::new(
                "Tandem has not synced for a day",
                "Tandem hat seit einem Tag nicht abgeglichen",
            ),
        }
    }

    /// Where it is mended, below the address of the deployment.
    pub const fn path(self) -> &'static str {
        match self {
            Self::NeedsSignIn(Some(StateReason::SalesforceSignInEnded)) => "/setup",
            Self::NeedsSignIn(_) => "/setup?activate=1",
            Self::Brake => "/settings",
            Self::Failing => "/settings/connectivity",
        }
    }

    const fn what(self) -> super::Words {
        match self {
            Self::NeedsSignIn(Some(StateReason::SalesforceSignInEnded)) => super::Words::new(
                "Your sign-in with Salesforce has ended. Until you sign in again, nothing is kept in step.",
                "Ihre Anmeldung bei Salesforce ist abgelaufen. Bis Sie sich wieder anmelden, wird nichts abgeglichen.",
            ),
            Self::NeedsSignIn(Some(StateReason::MicrosoftSignInEnded)) => super::Words::new(
                "Your sign-in with Microsoft has ended. Until you sign in again, nothing is kept in step.",
                "Ihre Anmeldung bei Microsoft ist abgelaufen. Bis Sie sich wieder anmelden, wird nichts abgeglichen.",
            ),
            Self::NeedsSignIn(_) => super::Words::new(
                "Your mail server has refused the password that Tandem has, several times. Until you enter the new one, \
                 nothing is kept in step.",
                "Ihr Mailserver hat das Kennwort, das Tandem kennt, mehrmals abgelehnt. Bis Sie das neue eingeben, wird \
                 nichts abgeglichen.",
            ),
            Self::Brake => super::Words::new(
                "The next sync would delete or overwrite very much at once. Tandem has written nothing of it, and waits \
                 until you have looked: let it go on, or pause it.",
                "Der nächste Abgleich würde sehr viel auf einmal löschen oder überschreiben. Tandem hat nichts davon \
                 geschrieben und wartet, bis Sie nachgesehen haben: Lassen Sie ihn weiterlaufen, oder halten Sie ihn an.",
            ),
            Self::Failing => super::Words::new(
                "For a day no sync has gone well. Tandem goes on trying. What you can do: look whether both accounts \
                 can be reached, or ask your administrator.",
                "Seit einem Tag ist kein Abgleich gelungen. Tandem versucht es weiter. Sehen Sie nach, ob beide Konten \
                 erreichbar sind, oder fragen Sie Ihre Administration.",
            ),
        }
    }

    /// The whole text. `link`: the address at which it is mended.
    pub fn body(self, name: &str, link: &str) -> String {
        let what = self.what().get();
        match spoken() {
            Lang::En => format!(
                "Hello {name},\n\n{what}\n\n{link}\n\nNothing is lost: what changed meanwhile follows with the next sync \
                 that goes well. You will get no other mail about this until then.\n\nTandem\n"
            ),
            Lang::De => format!(
                "Guten Tag {name},\n\n{what}\n\n{link}\n\nEs geht nichts verloren: Was sich inzwischen ändert, folgt mit dem \
                 nächsten gelungenen Abgleich. Bis dahin bekommen Sie dazu keine weitere E-Mail.\n\nTandem\n"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::speaking;

    #[test]
    fn each_mail_says_another_thing_in_both_languages_and_where_to_go() {
        let all = [
            Broken::NeedsSignIn(None),
            Broken::NeedsSignIn(Some(StateReason::SalesforceSignInEnded)),
            Broken::NeedsSignIn(Some(StateReason::MicrosoftSignInEnded)),
            Broken::Brake,
            Broken::Failing,
        ];
        let mut said = std::collections::HashSet::new();
        for lang in Lang::ALL {
            for broken in all {
                let body = speaking(lang, || broken.body("Nina Berg", "https://x.example/y"));
                assert!(body.contains("Nina Berg") && body.contains("\nhttps://x.example/y\n"));
                assert!(said.insert(body));
                assert!(broken.path().starts_with('/'));
            }
        }
    }
}
