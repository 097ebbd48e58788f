//! What a mail's properties say. Its content is read when it is saved: see [`crate::messages`].

use tandem_sync::model::{
    Address, Extra, Field, FieldValue, MailFacts, MailPlace, Record, Scope, Snapshot,
    instant as write_instant,
};
use tandem_types::{ItemKind, Timestamp};

use crate::event::{address, extra, is_private, line, scope, snapshot};
use crate::ews::item::Head;
use crate::map::{CATEGORY, Email, has, instant};
use crate::places::Places;

/// A mail as the server gave it. No `Debug`: it is content.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the properties of EWS, as they are")]
pub(crate) struct Mail {
    pub(crate) head: Head,
    pub(crate) received: String,
    pub(crate) sent: String,
    pub(crate) size: u64,
    pub(crate) draft: bool,
    pub(crate) from_me: bool,
    pub(crate) has_attachments: bool,
    pub(crate) conversation: String,
    pub(crate) from: Option<Email>,
    pub(crate) to: Vec<Email>,
    pub(crate) cc: Vec<Email>,
    pub(crate) message_id: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// An invitation or an answer to one.
    pub(crate) meeting: bool,
}

/// Senders that are nobody.
const NOBODY: [&str; 11] = [
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "mailer-daemon",
    "postmaster",
    "bounce",
    "bounces",
    "autoreply",
];

impl Mail {
    /// When it came or went.
    pub(crate) fn at(&self) -> Timestamp {
        [&self.received, &self.sent, &self.head.created]
            .into_iter()
            .find_map(|text| instant(text))
            .map_or(Timestamp::default(), |at| Timestamp(at.as_microsecond()))
    }

    fn sent(&self) -> Timestamp {
        instant(&self.sent).map_or_else(|| self.at(), |at| Timestamp(at.as_microsecond()))
    }

    fn place(&self, places: &Places) -> MailPlace {
        let folder = &self.head.folder;
        if places.salesforce_emails.as_ref() == Some(folder) {
            MailPlace::Ours
        } else if places.chosen.contains(folder) {
            MailPlace::Chosen
        } else if *folder == places.sent {
            MailPlace::Sent
        } else if *folder == places.inbox {
            MailPlace::Inbox
        } else {
            MailPlace::Other
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found
            .map(|(_, value)| value.trim().to_ascii_lowercase())
            .filter(|value| !value.is_empty())
    }

    /// Nobody but the user may read it. A signature alone hides nothing.
    pub(crate) fn is_encrypted(class: &str) -> bool {
        let class = class.to_ascii_lowercase();
        let class = class.as_str();
        (class.starts_with("ipm.note.smime") && !class.contains("multipartsigned"))
            || class.starts_with("ipm.note.rpmsg")
            || class.starts_with("ipm.note.secure")
    }

    fn is_service(&self, from: Option<&Address>) -> bool {
        let class = self.head.class.to_ascii_lowercase();
        let machine_class = self.meeting
            || class.starts_with("report.")
            || class.starts_with("ipm.schedule")
            || class.starts_with("ipm.sharing")
            || class.starts_with("ipm.outlook.recall")
            || class.starts_with("ipm.recall")
            || class.starts_with("ipm.note.rules.")
            || class.starts_with("ipm.note.microsoft.")
            || class.starts_with("ipm.conflict")
            || class.starts_with("ipm.replication");
        let suppressed = self
            .header("x-auto-response-suppress")
            .is_some_and(|value| value.contains("all") || value.contains("autoreply"));
        machine_class
            || self
                .header("auto-submitted")
                .is_some_and(|value| !value.starts_with("no"))
            || self
                .header("precedence")
                .is_some_and(|value| ["bulk", "list", "junk"].contains(&value.as_str()))
            || self.header("list-id").is_some()
            || suppressed
            || from.is_some_and(|from| is_nobody(&from.address))
    }

    fn facts(&self, places: &Places) -> MailFacts {
        let from = self.from.as_ref().and_then(address);
        let place = self.place(places);
        let own = from.as_ref().is_some_and(|from| from.address == places.address);
        let rights = self
            .header("content-class")
            .is_some_and(|value| value.contains("rpmsg"));
        let all = |list: &[Email]| list.iter().filter_map(address).collect();
        MailFacts {
            message_id: message_id(&self.message_id),
            thread: Some(self.conversation.clone()).filter(|thread| !thread.is_empty()),
            to: all(&self.to),
            cc: all(&self.cc),
            sent: self.sent(),
            incoming: place != MailPlace::Sent && !own && !self.from_me,
            draft: self.draft,
            encrypted: Self::is_encrypted(&self.head.class) || rights,
            confidential: is_private(&self.head),
            service: self.is_service(from.as_ref()),
            has_attachments: self.has_attachments,
            size: self.size,
            place,
            from,
        }
    }

    pub(crate) fn snapshot(&self, places: &Places) -> Snapshot {
        let facts = self.facts(places);
        let mut record = Record::new(ItemKind::Email);
        let list = |people: &[Address]| {
            FieldValue::from_text(people.iter().map(shown).collect::<Vec<_>>().join("; "))
        };
        let text = |text: Option<&String>| FieldValue::from_text(text.cloned().unwrap_or_default());
        record.set(Field::Subject, line(&self.head.subject));
        record.set(
            Field::FromAddress,
            FieldValue::from_text(facts.from.as_ref().map(shown).unwrap_or_default()),
        );
        record.set(Field::ToAddresses, list(&facts.to));
        record.set(Field::CcAddresses, list(&facts.cc));
        record.set(Field::SentAt, FieldValue::from_text(write_instant(facts.sent)));
        record.set(
            Field::Incoming,
            FieldValue::Known(if facts.incoming { "yes" } else { "no" }.to_owned()),
        );
        record.set(Field::MessageId, text(facts.message_id.as_ref()));
        record.set(Field::Thread, text(facts.thread.as_ref()));
        let marked = has(&self.head.categories, CATEGORY) || facts.place == MailPlace::Ours;
        let chosen = facts.place == MailPlace::Chosen;
        let scope = match scope(&self.head, marked, places) {
            // The user said of the whole folder that its mails are to be saved.
            Scope::Out if chosen && self.head.folder != places.deleted => Scope::In,
            scope => scope,
        };
        Snapshot {
            scope,
            marked,
            extra: Extra {
                mail: Some(Box::new(facts)),
                ..extra(&self.head)
            },
            ..snapshot(&self.head, record)
        }
    }
}

/// Without angle brackets and white space.
fn message_id(text: &str) -> Option<String> {
    let id = text.trim().trim_start_matches('<').trim_end_matches('>').trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// `name <address>`, without what would be taken for the end of either.
fn shown(who: &Address) -> String {
    let name: String = who
        .name
        .chars()
        .filter(|c| !matches!(c, '<' | '>' | ';' | '"') && !c.is_control())
        .collect();
    let name = name.trim();
    if name.is_empty() {
        who.address.clone()
    } else {
        format!("{name} <{}>", who.address)
    }
}

/// `noreply@`, `shop-noreply+123@`, `bounces+…@`.
fn is_nobody(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    let local = local.split(['+', '=']).next().unwrap_or_default();
    NOBODY.iter().any(|nobody| {
        local == *nobody
            || local
                .strip_prefix(nobody)
                .is_some_and(|rest| rest.starts_with(['-', '.', '_']))
            || local
                .strip_suffix(nobody)
                .is_some_and(|rest| rest.ends_with(['-', '.', '_']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            inbox: "i".to_owned(),
            sent: "s".to_owned(),
            deleted: "d".to_owned(),
            salesforce_emails: Some("o".to_owned()),
            chosen: ["c".to_owned()].into(),
            address: "nina@contoso.example".to_owned(),
            ..Places::default()
        }
    }

    fn mail(change: impl FnOnce(&mut Mail)) -> Mail {
        let mut mail = Mail {
            head: Head {
                id: "A".to_owned(),
                folder: "i".to_owned(),
                class: "IPM.Note".to_owned(),
                subject: " Hello\r\nworld ".to_owned(),
                sensitivity: "Normal".to_owned(),
                ..Head::default()
            },
            received: "2026-11-20T10:00:00Z".to_owned(),
            sent: "2026-11-20T09:59:00Z".to_owned(),
            from: Some(person("Max; <Muster>", "Max@Fabrikam.example")),
            to: vec![person("", "nina@contoso.example"), person("nobody", "")],
            message_id: " <1@fabrikam.example> ".to_owned(),
            ..Mail::default()
        };
        change(&mut mail);
        mail
    }

    fn person(name: &str, address: &str) -> Email {
        Email {
            name: name.to_owned(),
            text: address.to_owned(),
            routing: "SMTP".to_owned(),
            ..Email::default()
        }
    }

    fn facts(change: impl FnOnce(&mut Mail)) -> MailFacts {
        *mail(change).snapshot(&places()).extra.mail.unwrap()
    }

    #[test]
    fn a_mail_in_full() {
        let snapshot = mail(|_| {}).snapshot(&places());
        let text = |field| snapshot.record.get(field).known().unwrap_or("-").to_owned();
        assert_eq!(text(Field::Subject), "Hello world");
        assert_eq!(text(Field::FromAddress), "Max Muster <max@fabrikam.example>");
        assert_eq!(text(Field::ToAddresses), "nina@contoso.example");
        assert_eq!(text(Field::SentAt), "2026-11-20T09:59:00Z");
        assert_eq!(text(Field::MessageId), "1@fabrikam.example");
        assert_eq!(text(Field::Incoming), "yes");
        assert!(
            snapshot.record.get(Field::Body).is_unknown() && snapshot.record.get(Field::Html).is_unknown()
        );
        assert_eq!((snapshot.scope, snapshot.marked), (Scope::Out, false));
    }

    #[test]
    fn places_and_directions() {
        let of = |folder: &str| {
            let snapshot = mail(|m| folder.clone_into(&mut m.head.folder)).snapshot(&places());
            let facts = snapshot.extra.mail.unwrap();
            (facts.place, facts.incoming, snapshot.scope, snapshot.marked)
        };
        assert_eq!(of("s"), (MailPlace::Sent, false, Scope::Out, false));
        assert_eq!(of("o"), (MailPlace::Ours, true, Scope::In, true));
        assert_eq!(of("c"), (MailPlace::Chosen, true, Scope::In, false));
        assert_eq!(of("d"), (MailPlace::Other, true, Scope::Out, false));
        assert!(!facts(|m| m.from = Some(person("", "NINA@contoso.example"))).incoming);
        assert!(!facts(|m| m.from_me = true).incoming);
        assert_eq!(facts(|m| m.from = None).from, None);
    }

    #[test]
    fn private_and_encrypted_mail_is_known() {
        for word in ["Private", "Personal", "Confidential"] {
            let snapshot = mail(|m| word.clone_into(&mut m.head.sensitivity)).snapshot(&places());
            assert_eq!(snapshot.scope, Scope::Private, "{word}");
            assert!(snapshot.extra.mail.unwrap().confidential);
        }
        let encrypted = |class: &str| facts(|m| class.clone_into(&mut m.head.class)).encrypted;
        assert!(encrypted("IPM.Note.SMIME") && encrypted("IPM.Note.rpmsg.Microsoft.Voicemail"));
        assert!(!encrypted("IPM.Note.SMIME.MultipartSigned") && !encrypted("IPM.Note"));
        assert!(
            facts(|m| m
                .headers
                .push(("content-class".to_owned(), "rpmsg.message".to_owned())))
            .encrypted
        );
    }

    #[test]
    fn machines_are_told_from_people() {
        let header =
            |name: &str, value: &str| facts(|m| m.headers.push((name.to_owned(), value.to_owned()))).service;
        assert!(header("auto-submitted", "auto-replied") && !header("auto-submitted", "no"));
        assert!(header("precedence", "Bulk") && !header("precedence", "first-class"));
        assert!(header("list-id", "<news.x.example>") && !header("list-id", " "));
        assert!(
            header("x-auto-response-suppress", "DR, AutoReply")
                && !header("x-auto-response-suppress", "None")
        );
        let class = |class: &str| facts(|m| class.clone_into(&mut m.head.class)).service;
        assert!(
            class("REPORT.IPM.Note.NDR")
                && class("IPM.Schedule.Meeting.Request")
                && !class("IPM.Note.Custom")
        );
        assert!(facts(|m| m.meeting = true).service && !facts(|_| {}).service);
        let from = |address: &str| facts(|m| m.from = Some(person("", address))).service;
        for nobody in [
            "NoReply@x.example",
            "shop-no-reply@x.example",
            "bounces+1=2@x.example",
            "noreply-de@x.example",
        ] {
            assert!(from(nobody), "{nobody}");
        }
        for somebody in [
            "noreen@x.example",
            "snoreply@x.example",
            "bouncer@x.example",
            "post@x.example",
        ] {
            assert!(!from(somebody), "{somebody}");
        }
    }
}
