//! Mailbox items and CRM records as the rules see them.

use std::collections::BTreeMap;

use tandem_sync::linker::{KnownMap, LinkerContext};
use tandem_sync::model::{
    Address, Answer, Attendee, AttendeeRole, Clue, EventFacts, Extra, Field, ItemId, Known, KnownKind,
    MailFacts, MailPlace, Part, Record, Scope, Snapshot, Version,
};
use tandem_sync::{Base, Link, LinkState, Traits};
use tandem_types::{ItemKind, Settings, Timestamp, UserId};

pub(crate) const ME: &str = "ada@acme.example";
pub(crate) const DAY: i64 = 24 * 3600;

pub(crate) fn user() -> UserId {
    "005000000000001AAA".parse().unwrap()
}

pub(crate) fn ctx<'a>(settings: &'a Settings, user: &'a UserId) -> LinkerContext<'a> {
    LinkerContext {
        settings,
        address: ME,
        user,
    }
}

pub(crate) fn at(day: i64) -> Timestamp {
    Timestamp::from_seconds(day * DAY)
}

pub(crate) fn who(address: &str) -> Address {
    Address {
        address: address.to_owned(),
        name: String::new(),
    }
}

pub(crate) fn guest(address: &str) -> Attendee {
    Attendee {
        who: who(address),
        role: AttendeeRole::Required,
        answer: Answer::Accepted,
    }
}

fn item(kind: ItemKind) -> Snapshot {
    Snapshot {
        id: ItemId("m1".to_owned()),
        version: Version("v1".to_owned()),
        key: None,
        scope: Scope::Out,
        record: Record::new(kind),
        modified: at(0),
        created: at(0),
        marked: false,
        extra: Extra::default(),
    }
}

/// An appointment on day 100, of an hour.
pub(crate) fn event() -> Snapshot {
    let mut out = item(ItemKind::Event);
    out.record = Record::new(ItemKind::Event)
        .with(Field::Subject, "Review")
        .with(Field::When, "1970-04-11T09:00:00Z/1970-04-11T10:00:00Z")
        .with(Field::Private, "no");
    out.extra.event = Some(Box::new(EventFacts::default()));
    out
}

/// A meeting that the user organises.
pub(crate) fn meeting(guests: &[&str]) -> Snapshot {
    let mut out = event();
    let facts = out.extra.event.as_mut().unwrap();
    facts.organizer = Some(who(ME));
    facts.attendees = guests.iter().map(|address| guest(address)).collect();
    out
}

/// A meeting to which the user is invited.
pub(crate) fn invitation(organizer: &str, answer: Answer) -> Snapshot {
    let mut out = meeting(&[ME]);
    let facts = out.extra.event.as_mut().unwrap();
    facts.organizer = Some(who(organizer));
    facts.part = Part::Attendee;
    facts.answer = answer;
    out
}

/// A mail that came in on day 100.
pub(crate) fn mail(from: &str, to: &[&str]) -> Snapshot {
    let mut out = item(ItemKind::Email);
    out.record = Record::new(ItemKind::Email).with(Field::Subject, "Offer");
    out.extra.mail = Some(Box::new(MailFacts {
        place: MailPlace::Inbox,
        message_id: Some("1@x".to_owned()),
        from: Some(who(from)),
        to: to.iter().map(|address| who(address)).collect(),
        sent: at(100),
        incoming: from != ME,
        ..MailFacts::default()
    }));
    out
}

pub(crate) fn task() -> Snapshot {
    let mut out = item(ItemKind::Task);
    out.record = Record::new(ItemKind::Task).with(Field::Subject, "Call");
    out
}

pub(crate) fn facts(item: &mut Snapshot) -> &mut EventFacts {
    item.extra.event.as_mut().unwrap()
}

pub(crate) fn headers(item: &mut Snapshot) -> &mut MailFacts {
    item.extra.mail.as_mut().unwrap()
}

pub(crate) fn known(id: &str, kind: KnownKind) -> Known {
    Known {
        id: ItemId(id.to_owned()),
        kind,
        account: None,
        own: false,
        modified: at(0),
    }
}

pub(crate) fn contact(id: &str, account: &str) -> Known {
    Known {
        account: (!account.is_empty()).then(|| ItemId(account.to_owned())),
        ..known(id, KnownKind::Contact)
    }
}

pub(crate) fn deal(id: &str, account: &str, modified: i64) -> Known {
    Known {
        account: Some(ItemId(account.to_owned())),
        own: true,
        modified: at(modified),
        ..known(id, KnownKind::Opportunity)
    }
}

pub(crate) fn by_address(address: &str) -> Clue {
    Clue::Address(address.to_owned())
}

pub(crate) fn map(entries: &[(Clue, &[Known])]) -> KnownMap {
    entries
        .iter()
        .map(|(clue, known)| (clue.clone(), known.to_vec()))
        .collect::<BTreeMap<_, _>>()
}

pub(crate) fn link(kind: ItemKind) -> Link {
    Link {
        id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        kind,
        state: LinkState::Live,
        key: tandem_sync::model::LinkKey("k".to_owned()),
        mailbox_id: Some(ItemId("m1".to_owned())),
        mailbox_version: None,
        crm_id: Some(ItemId("00U1".to_owned())),
        crm_version: None,
        base: Base::default(),
        made_on: None,
        touched: false,
        intent: None,
        changed: at(0),
        traits: Traits::default(),
    }
}
