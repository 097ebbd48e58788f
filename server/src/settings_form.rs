//! From a form of the settings page to what differs: the one place that reads what a user typed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use tandem_types::{ConflictPolicy, ContactScope, DeletedInMailbox, Direction, SettingKey, Settings};

const MEGABYTE: u64 = 1024 * 1024;
/// No entry of a list is longer.
const ENTRY_MAX: usize = 320;

/// Why a form was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormFault {
    /// A field that is none of ours.
    Unknown,
    /// What stands in this one.
    Field(SettingKey),
}

/// What the user has of his own after a form, in place of `own`.
///
/// `inherited` is what counts without it: what is the same there is no choice of his own. Limits are checked by whoever
/// stores it.
pub(crate) fn changed(
    own: &Value,
    inherited: &Settings,
    fields: &BTreeMap<String, String>,
) -> Result<Value, FormFault> {
    let mut own = own.clone();
    let there = serde_json::to_value(inherited).map_err(|_| FormFault::Unknown)?;
    for (name, text) in fields {
        let key = SettingKey::parse(name).ok_or(FormFault::Unknown)?;
        match key {
            // Belongs to its scope.
            SettingKey::ContactList => {}
            SettingKey::ContactScope => {
                let list = fields.get(SettingKey::ContactList.as_str()).map(String::as_str);
                scope(&mut own, inherited, text, list.unwrap_or_default())?;
            }
            SettingKey::Blocklist => {
                let mut entries = entries(key, text, is_pattern)?;
                entries.retain(|entry| !inherited.blocklist.contains(entry));
                let value = (!entries.is_empty()).then(|| entries.into());
                put(&mut own, key, value);
            }
            // Shown in whole megabytes: what is as it was shown is as it was.
            SettingKey::AttachmentBytes => {
                let megabytes = number(key, text)?;
                let same = megabytes == inherited.attachments.max_bytes.div_ceil(MEGABYTE);
                put(
                    &mut own,
                    key,
                    (!same).then(|| megabytes.saturating_mul(MEGABYTE).into()),
                );
            }
            key => {
                let value = value(key, text)?;
                let same = there.pointer(&pointer(key)) == Some(&value);
                put(&mut own, key, (!same).then_some(value));
            }
        }
    }
    Ok(own)
}

/// What the user has of his own without these.
pub(crate) fn reset(own: &Value, keys: &[SettingKey]) -> Value {
    let mut own = own.clone();
    for key in keys {
        put(&mut own, *key, None);
    }
    own
}

/// The user's own choices.
pub(crate) fn chosen(own: &Value) -> Vec<SettingKey> {
    SettingKey::ALL
        .into_iter()
        .filter(|key| own.pointer(&pointer(*key)).is_some())
        .collect()
}

fn pointer(key: SettingKey) -> String {
    format!("/{}", key.as_str().replace('.', "/"))
}

/// Sets or takes away; no empty group stays behind.
fn put(own: &mut Value, key: SettingKey, value: Option<Value>) {
    let Some(all) = own.as_object_mut() else {
        return;
    };
    let Some((group, name)) = key.as_str().split_once('.') else {
        match value {
            Some(value) => all.insert(key.as_str().to_owned(), value),
            None => all.remove(key.as_str()),
        };
        return;
    };
    let place = all.entry(group).or_insert_with(|| Value::Object(Map::new()));
    if let Some(place) = place.as_object_mut() {
        match value {
            Some(value) => place.insert(name.to_owned(), value),
            None => place.remove(name),
        };
        if place.is_empty() {
            all.remove(group);
        }
    }
}

/// A scope takes its list with it, or none: both are the user's own, or neither is.
fn scope(own: &mut Value, inherited: &Settings, scope: &str, list: &str) -> Result<(), FormFault> {
    let scope = ContactScope::parse(scope).ok_or(FormFault::Field(SettingKey::ContactScope))?;
    let list = match scope {
        ContactScope::ListView => Some(list_view(list).ok_or(FormFault::Field(SettingKey::ContactList))?),
        ContactScope::Mine | ContactScope::AllVisible => None,
    };
    let same = scope == inherited.contact_scope && list == inherited.contact_list;
    put(
        own,
        SettingKey::ContactScope,
        (!same).then(|| scope.as_str().into()),
    );
    put(
        own,
        SettingKey::ContactList,
        list.filter(|_| !same).map(Value::from),
    );
    Ok(())
}

/// The id of a list view, from itself or from the address at which Salesforce shows it:
/// `https://…/lightning/o/Contact/list?filterName=00B…`.
fn list_view(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = |part: &str| {
        matches!(part.len(), 15 | 18)
            && part.starts_with("00B")
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if is_id(text) {
        return Some(text.to_owned());
    }
    let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "https")?;
    url.query_pairs()
        .map(|(_, value)| value.into_owned())
        .find(|value| is_id(value))
}

fn value(key: SettingKey, text: &str) -> Result<Value, FormFault> {
    let wrong = FormFault::Field(key);
    let word = |word: Option<&'static str>| word.map(Value::from).ok_or(wrong);
    match key {
        SettingKey::Contacts | SettingKey::Events | SettingKey::Tasks | SettingKey::Emails => {
            word(Direction::parse(text).map(Direction::as_str))
        }
        SettingKey::ContactConflicts | SettingKey::EventConflicts | SettingKey::TaskConflicts => {
            word(ConflictPolicy::parse(text).map(ConflictPolicy::as_str))
        }
        SettingKey::ContactDeleted | SettingKey::TaskDeleted => {
            word(DeletedInMailbox::parse(text).map(DeletedInMailbox::as_str))
        }
        SettingKey::SaveMeetings
        | SettingKey::SaveAppointments
        | SettingKey::KeepHistory
        | SettingKey::SendInvitations
        | SettingKey::SaveEmails
        | SettingKey::SaveThreads
        | SettingKey::Attachments => match text {
            "on" => Ok(true.into()),
            "off" => Ok(false.into()),
            _ => Err(wrong),
        },
        SettingKey::ContactLimit
        | SettingKey::EventDaysBack
        | SettingKey::EventDaysAhead
        | SettingKey::EmailDaysBack
        | SettingKey::Interval => number(key, text).map(Value::from),
        SettingKey::EmailFolders => {
            let folder = |path: &str| path.split('/').all(|part| !part.trim().is_empty());
            entries(key, text, folder).map(Value::from)
        }
        SettingKey::AttachmentEndings => {
            let lines = text.replace([' ', ',', ';', '\t'], "\n").to_lowercase();
            let bare: Vec<&str> = lines.lines().map(|e| e.trim().trim_start_matches('.')).collect();
            let ending = |ending: &str| ending.chars().all(char::is_alphanumeric);
            entries(key, &bare.join("\n"), ending).map(Value::from)
        }
        // These have rules of their own.
        SettingKey::ContactScope
        | SettingKey::ContactList
        | SettingKey::Blocklist
        | SettingKey::AttachmentBytes => Err(wrong),
    }
}

fn number(key: SettingKey, text: &str) -> Result<u64, FormFault> {
    let number: Option<u32> = text.trim().parse().ok();
    number.map(u64::from).ok_or(FormFault::Field(key))
}

/// One in each line; empty lines and repetitions are passed over.
fn entries(key: SettingKey, text: &str, fits: impl Fn(&str) -> bool) -> Result<Vec<String>, FormFault> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for entry in text.lines().map(str::trim).filter(|entry| !entry.is_empty()) {
        let usable = entry.len() <= ENTRY_MAX && !entry.contains(char::is_control) && fits(entry);
        if !usable {
            return Err(FormFault::Field(key));
        }
        if seen.insert(entry.to_lowercase()) {
            list.push(entry.to_owned());
        }
    }
    Ok(list)
}

/// An address, a domain, or one of them with `*` in it.
fn is_pattern(entry: &str) -> bool {
    let (before, domain) = entry.rsplit_once('@').unwrap_or(("*", entry));
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    // A bare `*` would block everybody.
    is_part(before) && is_part(domain) && domain.contains('.') && domain.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, String> {
        fields
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into_iter()
            .collect()
    }

    fn org() -> Settings {
        Settings {
            interval_minutes: 60,
            blocklist: vec!["spam.example".into()],
            ..Settings::default()
        }
    }

    #[test]
    fn only_what_differs_is_the_users_own() {
        let own = json!({"interval_minutes": 10, "brake": {"hard": 7}});
        let taken = form([
            ("interval_minutes", " 60 "),
            ("contacts", "to_crm"),
            ("tasks", "two_way"),
            ("save_emails", "off"),
            ("save_threads", "on"),
            ("attachments.save", "off"),
            ("attachments.max_bytes", "10"),
            ("attachments.endings", ".PDF, docx;pdf"),
        ]);
        let got = changed(&own, &org(), &taken).unwrap();
        assert_eq!(
            got,
            json!({"brake": {"hard": 7}, "contacts": "to_crm", "save_emails": false,
                "attachments": {"save": false, "endings": ["pdf", "docx"]}}),
            "what is as the organisation has it is gone, and what the form does not name stays"
        );
        assert_eq!(
            chosen(&got),
            [
                SettingKey::Contacts,
                SettingKey::SaveEmails,
                SettingKey::Attachments,
                SettingKey::AttachmentEndings
            ]
        );
        let back = reset(
            &got,
            &[
                SettingKey::Contacts,
                SettingKey::Attachments,
                SettingKey::AttachmentEndings,
                SettingKey::Tasks,
            ],
        );
        assert_eq!(back, json!({"brake": {"hard": 7}, "save_emails": false}));
    }

    #[test]
    fn a_scope_and_its_list_go_together() {
        let list = "00B000000000001AAA";
        let address = format!("https://acme.lightning.force.com/lightning/o/Contact/list?filterName={list}");
        for text in [list, address.as_str()] {
            let taken = form([("contact_scope", "list_view"), ("contact_list", text)]);
            let got = changed(&json!({}), &org(), &taken).unwrap();
            assert_eq!(got, json!({"contact_scope": "list_view", "contact_list": list}));
            // What stands in the field of another scope is not looked at.
            let back = form([("contact_scope", "mine"), ("contact_list", text)]);
            assert_eq!(changed(&got, &org(), &back).unwrap(), json!({}));
        }
        let listed = Settings {
            contact_scope: ContactScope::ListView,
            contact_list: Some(list.into()),
            ..org()
        };
        let mine = form([("contact_scope", "mine"), ("contact_list", "")]);
        let got = changed(&json!({}), &listed, &mine).unwrap();
        assert_eq!(got, json!({"contact_scope": "mine"}));
        let settings = tandem_store::resolve_settings(&serde_json::to_value(&listed).unwrap(), &got).unwrap();
        assert_eq!(settings.contact_list, None);
        for wrong in ["", "003000000000001AAA", "http://x/?a=00B000000000001AAA", "00B"] {
            let taken = form([("contact_scope", "list_view"), ("contact_list", wrong)]);
            let fault = changed(&json!({}), &org(), &taken).unwrap_err();
            assert_eq!(fault, FormFault::Field(SettingKey::ContactList), "{wrong}");
        }
    }

    #[test]
    fn the_blocklist_holds_what_can_be_matched() {
        let text = "a@b.example\r\n\n spam.example\nexample.com\nA@b.example\n*@*.example.com\n";
        let got = changed(&json!({}), &org(), &form([("blocklist", text)])).unwrap();
        assert_eq!(
            got,
            json!({"blocklist": ["a@b.example", "example.com", "*@*.example.com"]}),
            "the organisation's own entry is not repeated"
        );
        let none = changed(&got, &org(), &form([("blocklist", " \n")])).unwrap();
        assert_eq!(none, json!({}));
        for wrong in [
            "*",
            "*@*",
            "a b@c.example",
            "a@b@c.example",
            "@c.example",
            "localhost",
            "a@",
            ".",
        ] {
            let fault = changed(&json!({}), &org(), &form([("blocklist", wrong)]));
            assert_eq!(fault, Err(FormFault::Field(SettingKey::Blocklist)), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, text) in [
            ("contacts", "sideways"),
            ("interval_minutes", "soon"),
            ("interval_minutes", "-5"),
            ("save_emails", "perhaps"),
            ("email_folders", "Inbox//Acme"),
            ("attachments.endings", "p/f"),
            ("event_conflicts", ""),
            ("contact_deleted_in_mailbox", "burn"),
            ("contact_scope", "all"),
        ] {
            let fault = changed(&json!({}), &org(), &form([(name, text)])).unwrap_err();
            assert_eq!(
                fault,
                FormFault::Field(SettingKey::parse(name).unwrap()),
                "{text}"
            );
        }
        for guarded in ["brake.hard", "own_domains", "settings", ""] {
            let fault = changed(&json!({}), &org(), &form([(guarded, "1")]));
            assert_eq!(fault, Err(FormFault::Unknown));
        }
    }
}
