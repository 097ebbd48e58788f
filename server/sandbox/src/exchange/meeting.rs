//! Meetings: who is told when one is made, changed, cancelled or answered, and what that does to their calendars.
//!
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/calendars-and-ews-in-exchange>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::Fail;
use super::content::{Class, Content, Person, static_of};
use super::event::GUESTS;
use super::items::dispose;
use super::props::{ANSWERS, write_time};
use super::store::{Mailbox, Store, no_item};

/// Whom a request wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    Nobody,
    All { copy: bool },
    Changed { copy: bool },
}

impl Send {
    /// The value of `SendMeetingInvitations` and its sisters.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "SendToNone" => Self::Nobody,
            "SendToAllAndSaveCopy" => Self::All { copy: true },
            "SendToChangedAndSaveCopy" => Self::Changed { copy: true },
            "SendOnlyToChanged" => Self::Changed { copy: false },
            _ => Self::All { copy: false },
        }
    }

    fn copy(self, mailbox: &Mailbox) -> Option<u64> {
        matches!(self, Self::All { copy: true } | Self::Changed { copy: true })
            .then(|| mailbox.distinguished("sentitems"))
            .flatten()
    }
}

/// Counts a mail and puts it into the inboxes of our own domain, and a copy into that folder of the sender.
pub(crate) fn mail(
    store: &mut Store,
    from: usize,
    to: &[String],
    kind: &str,
    mut content: Content,
    copy: Option<u64>,
    now: i64,
) {
    if to.is_empty() {
        return;
    }
    let sender = store.mailboxes[from].me.clone();
    store.mails_sent += 1;
    store
        .sent
        .push(json!({ "from": sender.address, "to": to, "kind": kind }));
    content.people.insert("From", vec![sender.clone()]);
    content.people.entry("Sender").or_insert_with(|| vec![sender]);
    content.texts.insert("DateTimeSent", write_time(now));
    content.texts.insert("DateTimeReceived", write_time(now));
    content.texts.insert("IsDraft", "false".to_owned());
    if !content.texts.contains_key("InternetMessageId") {
        let unique = store.ids.opaque("", "sent", &[store.mails_sent], 18);
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        let address = &store.mailboxes[from].user.address;
        let domain = address.split_once('@').map_or("", |(_, d)| d);
        content
            .texts
            .insert("InternetMessageId", format!("<{unique}@{domain}>"));
    }
    if content.conversation.is_empty() {
        content.conversation = content.text("InternetMessageId").to_owned();
    }
    if let Some(folder) = copy {
        let mut own = content.clone();
        own.texts.insert("IsRead", "true".to_owned());
        store.mailboxes[from].create(folder, own, now, now);
    }
    // What a sender alone knows does not travel.
    if content.people.remove("BccRecipients").is_some() {
        content.mime = None;
    }
    content.lists.clear();
    content.extended.clear();
    content.texts.insert("IsRead", "false".to_owned());
    let mut done: BTreeSet<usize> = BTreeSet::new();
    for address in to {
        if let Some(at) = store.find(address, "")
            && done.insert(at)
        {
            let mut theirs = content.clone();
            let receiver = store.mailboxes[at].me.clone();
            theirs.people.insert("ReceivedBy", vec![receiver.clone()]);
            theirs.people.insert("ReceivedRepresenting", vec![receiver]);
            store.mailboxes[at].receive(theirs, now);
        }
    }
}

/// A meeting message about an event.
fn notice(event: &Content, class: &str, prefix: &str, to: &[Person]) -> Content {
    let mut content = Content {
        class: Class::Message,
        body: event.body.clone(),
        body_is_html: event.body_is_html,
        ..Content::default()
    };
    content.set_text("Subject", &format!("{prefix}{}", event.text("Subject")));
    content.set_text("ItemClass", class);
    if let Some(sensitivity) = event.texts.get("Sensitivity") {
        content.set_text("Sensitivity", sensitivity);
    }
    // Not written: a message has no such property. An answer to the message finds the event by it.
    content.set_text("UID", event.text("UID"));
    content.people.insert("ToRecipients", to.to_vec());
    content
}

fn others(event: &Content, me: &Person) -> Vec<Person> {
    let mut seen = BTreeSet::new();
    event
        .guests()
        .filter(|p| !p.address.is_empty() && !p.is(&me.address))
        .filter(|p| seen.insert(p.address.to_lowercase()))
        .cloned()
        .collect()
}

fn addresses(people: &[Person]) -> Vec<String> {
    people.iter().map(|p| p.address.clone()).collect()
}

/// What an attendee's calendar holds of the organizer's event.
fn copy_for(event: &Content, organizer: &Person, old: Option<&Content>) -> Content {
    let mut copy = Content {
        attachments: event.attachments.clone(),
        extended: BTreeMap::default(),
        lists: BTreeMap::default(),
        exceptions: BTreeMap::default(),
        ..event.clone()
    };
    for name in [
        "ReminderIsSet",
        "ReminderMinutesBeforeStart",
        "MeetingRequestWasSent",
    ] {
        copy.texts.remove(name);
    }
    for name in GUESTS {
        for person in copy.people.get_mut(name).into_iter().flatten() {
            // Attendees do not see each other's answers.
            person.response = None;
            person.answered = None;
        }
    }
    copy.people.insert("Organizer", vec![organizer.clone()]);
    copy.texts
        .insert("MyResponseType", "NoResponseReceived".to_owned());
    copy.texts.insert("LegacyFreeBusyStatus", "Tentative".to_owned());
    if let Some(old) = old {
        copy.lists.clone_from(&old.lists);
        copy.extended.clone_from(&old.extended);
        let same_time =
            (old.start(), old.end(), &old.recurrence) == (event.start(), event.end(), &event.recurrence);
        let mut kept = vec!["ReminderIsSet", "ReminderMinutesBeforeStart"];
        if same_time {
            // The answer holds as long as the time does.
            kept.extend(["MyResponseType", "LegacyFreeBusyStatus", "AppointmentReplyTime"]);
        }
        for name in kept {
            match old.texts.get(name) {
                Some(value) => drop(copy.texts.insert(name, value.clone())),
                None => drop(copy.texts.remove(name)),
            }
        }
    }
    copy.exceptions = event
        .exceptions
        .iter()
        .map(|(original, own)| {
            let before = old
                .and_then(|o| o.exceptions.get(original))
                .and_then(|o| o.as_deref())
                .or(old.filter(|_| own.as_ref().is_some_and(|own| own.start() == *original)));
            let own = own.as_ref().map(|own| {
                let mut one = copy_for(own, organizer, before);
                one.recurrence = None;
                Box::new(one)
            });
            (*original, own)
        })
        .collect();
    copy
}

fn deliver(mailbox: &mut Mailbox, event: &Content, organizer: &Person, now: i64) {
    let calendar = mailbox.distinguished("calendar").unwrap_or_default();
    let uid = event.text("UID");
    if let Some(number) = mailbox.event_of(uid) {
        let old = mailbox.items.get(&number).map(|i| i.content.clone());
        mailbox.change(number, copy_for(event, organizer, old.as_ref()), now);
    } else {
        mailbox.create(calendar, copy_for(event, organizer, None), now, now);
    }
}

fn cancel_in(mailbox: &mut Mailbox, uid: &str, original: Option<i64>, now: i64) {
    let Some(number) = mailbox.event_of(uid) else {
        return;
    };
    let Some(item) = mailbox.items.get(&number) else {
        return;
    };
    let mut content = item.content.clone();
    let cancel = |event: &mut Content| {
        event.texts.insert("IsCancelled", "true".to_owned());
        event.texts.insert("LegacyFreeBusyStatus", "Free".to_owned());
        let subject = event.text("Subject").to_owned();
        if !subject.starts_with("Canceled: ") {
            event.set_text("Subject", &format!("Canceled: {subject}"));
        }
    };
    match original {
        None => cancel(&mut content),
        Some(original) => {
            if let Some((mut one, _)) = content.occurrence(original) {
                cancel(&mut one);
                content.exceptions.insert(original, Some(Box::new(one)));
            }
        }
    }
    mailbox.change(number, content, now);
}

/// Tells the guests about an event of `me` that was made or changed; `before` is None for a new one.
pub(crate) fn announce(
    store: &mut Store,
    me: usize,
    number: u64,
    before: Option<&Content>,
    how: Send,
    now: i64,
) {
    let Some(item) = store.mailboxes[me].items.get(&number) else {
        return;
    };
    let event = item.content.clone();
    if how == Send::Nobody || event.is_invitation() {
        return;
    }
    let organizer = store.mailboxes[me].me.clone();
    let invited = others(&event, &organizer);
    let invited_before = before.map(|b| others(b, &organizer)).unwrap_or_default();
    let removed: Vec<Person> = invited_before
        .iter()
        .filter(|p| !invited.iter().any(|q| q.is(&p.address)))
        .cloned()
        .collect();
    let told: Vec<Person> = match how {
        Send::Changed { .. } => invited
            .iter()
            .filter(|p| !invited_before.iter().any(|q| q.is(&p.address)))
            .cloned()
            .collect(),
        _ => invited.clone(),
    };
    if !told.is_empty() {
        let message = notice(&event, "IPM.Schedule.Meeting.Request", "", &invited);
        let copy = how.copy(&store.mailboxes[me]);
        mail(store, me, &addresses(&told), "request", message, copy, now);
        for person in &told {
            if let Some(at) = store.find(&person.address, "") {
                deliver(&mut store.mailboxes[at], &event, &organizer, now);
            }
        }
        if event.text("MeetingRequestWasSent") != "true" {
            let mut sent = event.clone();
            sent.texts.insert("MeetingRequestWasSent", "true".to_owned());
            store.mailboxes[me].change(number, sent, now);
        }
    }
    withdraw(store, me, &event, &removed, None, how, now);
}

fn withdraw(
    store: &mut Store,
    me: usize,
    event: &Content,
    from: &[Person],
    original: Option<i64>,
    how: Send,
    now: i64,
) {
    if from.is_empty() {
        return;
    }
    let message = notice(event, "IPM.Schedule.Meeting.Canceled", "Canceled: ", from);
    let copy = how.copy(&store.mailboxes[me]);
    mail(store, me, &addresses(from), "cancellation", message, copy, now);
    for person in from {
        if let Some(at) = store.find(&person.address, "") {
            cancel_in(&mut store.mailboxes[at], event.text("UID"), original, now);
        }
    }
}

/// Before an event or an occurrence of it is deleted: the guests hear of it, or the organizer does.
pub(crate) fn before_delete(
    store: &mut Store,
    me: usize,
    number: u64,
    original: Option<i64>,
    how: Send,
    now: i64,
) {
    let Some(item) = store.mailboxes[me].items.get(&number) else {
        return;
    };
    let event = match original.and_then(|o| item.content.occurrence(o)) {
        Some((one, _)) => one,
        None => item.content.clone(),
    };
    if how == Send::Nobody || event.text("IsCancelled") == "true" {
        return;
    }
    if event.is_invitation() {
        let mine = store.mailboxes[me].me.clone();
        answer_mail(store, me, &event, &mine, original, "Decline", now);
        return;
    }
    let organizer = store.mailboxes[me].me.clone();
    let guests = others(&event, &organizer);
    withdraw(store, me, &event, &guests, original, how, now);
}

/// The answer to a meeting: in the own calendar, and if sent also in the organizer's list.
pub(crate) fn respond(
    store: &mut Store,
    me: usize,
    number: u64,
    original: Option<i64>,
    answer: &'static str,
    send: bool,
    now: i64,
) -> Result<(), Fail> {
    let mailbox = &mut store.mailboxes[me];
    let Some(item) = mailbox.items.get(&number) else {
        return Err(no_item());
    };
    let mut content = item.content.clone();
    let verb = match answer {
        "Accept" => 0,
        "Tentative" => 1,
        _ => 2,
    };
    if !content.is_invitation() {
        let codes = [
            "ErrorCalendarIsOrganizerForAccept",
            "ErrorCalendarIsOrganizerForTentative",
            "ErrorCalendarIsOrganizerForDecline",
        ];
        return Err(Fail::new(
            codes[verb],
            "The organizer cannot answer the own meeting.",
        ));
    }
    let target = match original {
        None => content.clone(),
        Some(original) => match content.occurrence(original) {
            Some((one, _)) => one,
            None => return Err(super::items::occurrence_gone()),
        },
    };
    if target.text("IsCancelled") == "true" {
        let codes = [
            "ErrorCalendarIsCancelledForAccept",
            "ErrorCalendarIsCancelledForTentative",
            "ErrorCalendarIsCancelledForDecline",
        ];
        return Err(Fail::new(codes[verb], "The meeting was cancelled."));
    }
    let mut answered = target.clone();
    answered.texts.insert("MyResponseType", answer.to_owned());
    answered.texts.insert("AppointmentReplyTime", write_time(now));
    let busy = match answer {
        "Accept" => "Busy",
        "Tentative" => "Tentative",
        _ => "Free",
    };
    answered.texts.insert("LegacyFreeBusyStatus", busy.to_owned());
    match original {
        None => {
            let exceptions = content.exceptions.clone();
            content = answered;
            content.exceptions = exceptions;
            mailbox.change(number, content, now);
            if answer == "Decline" {
                dispose(Some(mailbox), number, "MoveToDeletedItems", now);
            }
        }
        Some(original) => {
            let own = (answer != "Decline").then(|| Box::new(answered));
            content.exceptions.insert(original, own);
            mailbox.change(number, content, now);
        }
    }
    if send {
        let mine = mailbox.me.clone();
        answer_mail(store, me, &target, &mine, original, answer, now);
    }
    Ok(())
}

fn answer_mail(
    store: &mut Store,
    me: usize,
    event: &Content,
    mine: &Person,
    original: Option<i64>,
    answer: &str,
    now: i64,
) {
    let Some(organizer) = event.person("Organizer").cloned() else {
        return;
    };
    let (class, prefix) = match answer {
        "Accept" => ("IPM.Schedule.Meeting.Resp.Pos", "Accepted: "),
        "Tentative" => ("IPM.Schedule.Meeting.Resp.Tent", "Tentative: "),
        _ => ("IPM.Schedule.Meeting.Resp.Neg", "Declined: "),
    };
    let mut message = notice(event, class, prefix, std::slice::from_ref(&organizer));
    message.body.clear();
    let to = [organizer.address.clone()];
    let copy = store.mailboxes[me].distinguished("sentitems");
    mail(store, me, &to, "response", message, copy, now);
    let Some(at) = store.find(&organizer.address, "") else {
        return;
    };
    let mailbox = &mut store.mailboxes[at];
    let Some(number) = mailbox.event_of(event.text("UID")) else {
        return;
    };
    let Some(item) = mailbox.items.get(&number) else {
        return;
    };
    let mut content = item.content.clone();
    let note = |event: &mut Content| {
        for name in GUESTS {
            for person in event.people.get_mut(name).into_iter().flatten() {
                if person.is(&mine.address) {
                    person.response = static_of(ANSWERS, answer);
                    person.answered = Some(now);
                }
            }
        }
    };
    match original {
        None => {
            note(&mut content);
            content
                .exceptions
                .values_mut()
                .flatten()
                .for_each(|own| note(own));
        }
        Some(original) => {
            if let Some((mut one, _)) = content.occurrence(original) {
                note(&mut one);
                content.exceptions.insert(original, Some(Box::new(one)));
            }
        }
    }
    mailbox.change(number, content, now);
}
