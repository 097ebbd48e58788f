//! What is found, in words for an administrator.

use tandem_types::Side;

use crate::decide::Decision;
use crate::link::{EndReason, Link, LinkState};
use crate::model::{Answer, EventFacts, MailFacts, MailPlace, Part, SeriesPart, Snapshot, instant};
use crate::survey::{Course, Stand};

pub(super) const fn side(side: Side) -> &'static str {
    match side {
        Side::Mailbox => "mailbox",
        Side::Crm => "Salesforce",
    }
}

pub(super) fn item(at: Side, item: &Snapshot) -> String {
    let mut parts = vec![
        format!("{} {}", item.record.kind.as_str(), item.id),
        super::scope(item).to_owned(),
    ];
    if at == Side::Mailbox {
        parts.push(if item.marked {
            "with the category Salesforce".to_owned()
        } else {
            "without the category Salesforce".to_owned()
        });
    }
    parts.push(super::when(item));
    parts.join(", ")
}

/// What decides about it beside its fields.
pub(super) fn facts(item: &Snapshot) -> Vec<String> {
    let extra = &item.extra;
    let mut out = Vec::new();
    for (is, text) in [
        (extra.unsync, "it has the category Salesforce Unsync"),
        (extra.failed, "it has the category Sync Error"),
        (
            extra.untaggable,
            "neither a category nor a key can be written to it",
        ),
    ] {
        if is {
            out.push(text.to_owned());
        }
    }
    if let Some(event) = extra.event.as_deref() {
        out.extend(event_facts(event));
    }
    if let Some(task) = &extra.task {
        if task.recurring {
            out.push("a recurring task: only the one that is open now is synced".to_owned());
        }
        if let Some(at) = task.completed {
            out.push(format!("completed {}", instant(at)));
        }
    }
    if let Some(mail) = extra.mail.as_deref() {
        out.extend(mail_facts(mail));
    }
    out
}

fn event_facts(event: &EventFacts) -> Vec<String> {
    let mut out = Vec::new();
    let what = if event.is_meeting() {
        "a meeting"
    } else {
        "an appointment"
    };
    let part = match event.part {
        Part::Organizer => "the user organises it".to_owned(),
        Part::Attendee => {
            let answer = match event.answer {
                Answer::None => "has not answered",
                Answer::Tentative => "answered tentatively",
                Answer::Accepted => "accepted",
                Answer::Declined => "declined",
            };
            format!("the user is invited and {answer}")
        }
    };
    out.push(format!("{what} with {} attendees: {part}", event.attendees.len()));
    if event.series == SeriesPart::Occurrence {
        let planned = event.original_start.as_deref().unwrap_or("unknown");
        out.push(format!("one of a series, planned for {planned}"));
    }
    for (is, text) in [
        (event.cancelled, "the organizer has cancelled it"),
        (event.online, "an online meeting: its text is never written"),
        (
            event.rich_body,
            "its text has pictures, tables or links: plain text does not replace it",
        ),
        (
            event.crm_series,
            "one of a Salesforce series: it comes down, and never goes up as new",
        ),
        (event.broken_zone, "its time zone is known to nobody"),
    ] {
        if is {
            out.push(text.to_owned());
        }
    }
    out
}

fn mail_facts(mail: &MailFacts) -> Vec<String> {
    let place = match mail.place {
        MailPlace::Inbox => "in the Inbox",
        MailPlace::Sent => "in Sent Items",
        MailPlace::Ours => "in Salesforce Emails",
        MailPlace::Chosen => "in a folder that was chosen",
        MailPlace::Other => "in a folder that is not looked at",
    };
    let way = if mail.incoming { "received" } else { "sent" };
    let mut out = vec![format!(
        "{place}, {way} {}, {} addresses, {} bytes",
        instant(mail.sent),
        mail.everybody().count(),
        mail.size
    )];
    for (is, text) in [
        (mail.message_id.is_none(), "it has no Message-ID"),
        (mail.draft, "a draft"),
        (mail.encrypted, "encrypted or rights-protected"),
        (mail.confidential, "marked private, personal or confidential"),
        (mail.service, "made by a machine"),
        (mail.has_attachments, "with attachments"),
    ] {
        if is {
            out.push(text.to_owned());
        }
    }
    out
}

pub(super) fn link(link: &Link) -> Vec<String> {
    let state = match link.state {
        LinkState::Live => "live".to_owned(),
        LinkState::Dormant => {
            "dormant: it left the scope or the window, and wakes when it comes back".to_owned()
        }
        LinkState::Ended(reason) => format!("ended: {}", end(reason)),
    };
    let id = |at: Side| link.id_on(at).map_or("nothing yet", |id| id.0.as_str());
    let mut out = vec![
        format!("link {} ({}): {state}", link.id, link.kind.as_str()),
        format!("  mailbox: {}", id(Side::Mailbox)),
        format!("  Salesforce: {}", id(Side::Crm)),
        match link.made_on {
            None => "  it was on both sides before Tandem paired it".to_owned(),
            Some(at) => format!("  Tandem made the item in the {}", side(at)),
        },
        format!("  changed last {}", instant(link.changed)),
    ];
    if let Some(intent) = link.intent {
        out.push(format!(
            "  something is owed in the {} since {}: a write whose answer is not known, or what was asked for",
            side(intent.side),
            instant(intent.at)
        ));
    }
    let traits = &link.traits;
    for (is, text) in [
        (
            traits.follower,
            "another connection writes it: only the user's answer is this one's",
        ),
        (
            traits.private_on_purpose,
            "it was private when it was saved, and keeps its content",
        ),
        (traits.files_owed, "attachments are still to be carried over"),
        (
            traits.links_chosen,
            "its records were chosen by a user: the linker does not move them",
        ),
        (traits.claim.is_some(), "it is claimed for the whole organisation"),
    ] {
        if is {
            out.push(format!("  {text}"));
        }
    }
    if let Some(since) = traits.waits_since {
        out.push(format!(
            "  it waits for the organizer's own connection since {}",
            instant(since)
        ));
    }
    if let Some(at) = traits.prefer {
        out.push(format!("  the user chose what the {} holds", side(at)));
    }
    out
}

const fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::DeletedInMailbox => "deleted in the mailbox",
        EndReason::DeletedInCrm => "deleted in Salesforce",
        EndReason::DeletedOnBoth => "deleted on both sides",
        EndReason::Unsynced => "taken out with the category Salesforce Unsync",
        EndReason::Merged => "its record was merged into another",
        EndReason::Undone => "its session was undone",
        EndReason::Cancelled => "the organizer cancelled the meeting",
    }
}

pub(super) const fn stand(stand: &Stand<'_>) -> &'static str {
    match stand {
        Stand::Nowhere => "is not made yet",
        Stand::Unseen => "is as it was",
        Stand::Missing => "is not shown, and it is not known why",
        Stand::Here(_) => "is there",
        Stand::Deleted { merged_into: None } => "is deleted",
        Stand::Deleted { merged_into: Some(_) } => "was merged into another",
        Stand::Left => "has left the scope",
        Stand::Unproved => "is gone, and nobody can tell where",
    }
}

pub(super) fn decision(decision: Decision) -> String {
    let text = match decision {
        Decision::Nothing => "nothing".to_owned(),
        Decision::Note => "nothing is carried over: it holds what was agreed on".to_owned(),
        Decision::Merge { .. } => "what changed on one side goes to the other, field by field".to_owned(),
        Decision::Follow { .. } => "it goes on with the record that its record was merged into".to_owned(),
        Decision::Pair { from } => format!(
            "the item of the {} has no counterpart: one is looked for, else made",
            side(from)
        ),
        Decision::Remake { on } => format!("it is made again in the {}: an edit beats a delete", side(on)),
        Decision::Delete { on, end: why } => format!("it is deleted in the {} too: {}", side(on), end(why)),
        Decision::DeleteKeep { end: why } => {
            format!(
                "the record is deleted, the mailbox item stays without its category: {}",
                end(why)
            )
        }
        Decision::Decline => "the user's answer in Salesforce becomes declined, the record stays".to_owned(),
        Decision::LetGo { end: why } => {
            format!(
                "the user is no longer invited in Salesforce, the mailbox item stays: {}",
                end(why)
            )
        }
        Decision::Unmark { end: why } => format!("the category is taken off, both items stay: {}", end(why)),
        Decision::End(why) => format!("the link ends, both items stay: {}", end(why)),
        Decision::EndAndOffer => {
            "deleted in the mailbox, kept in Salesforce: an issue offers both ways on".to_owned()
        }
        Decision::EndMerged => "its record was merged into one that is linked already".to_owned(),
        Decision::Sleep => "the link sleeps, both items stay".to_owned(),
        Decision::SleepAndRemove => {
            "the link sleeps, and the mailbox item, which nobody changed, goes".to_owned()
        }
        Decision::Unproved { on } => {
            format!("nothing: it cannot be told what became of it in the {}", side(on))
        }
    };
    format!("{} ({text})", decision.word())
}

pub(super) fn course(course: Course<'_>, other: Side) -> String {
    match course {
        Course::Look => format!(
            "one that holds the same is looked for in the {}, else it is made",
            side(other)
        ),
        Course::Follow { own: true, record } => {
            format!("this connection has made {} for it already", record.id)
        }
        Course::Follow { own: false, record } => format!("another connection has made {} for it", record.id),
        Course::Saved { record, .. } => format!("it is saved already as {record}"),
        Course::Wait => "another connection makes it: this one waits an interval".to_owned(),
        Course::Hidden => "another connection has made it, and the user may not see it".to_owned(),
    }
}

/// Why an item that has no link is not even looked at.
pub(super) fn no_source(at: Side, item: &Snapshot) -> &'static str {
    use crate::model::Scope;
    match (item.scope, at) {
        (Scope::Private, _) => crate::save::NotSaved::Private.text(),
        (Scope::Out, Side::Mailbox) => crate::save::NotSaved::OutOfScope.text(),
        (Scope::Out, Side::Crm) => {
            "it is none that comes to this mailbox: another's record, or of another kind"
        }
        (Scope::In, _) if item.extra.unsync => crate::save::NotSaved::Unsync.text(),
        (Scope::In, _) => {
            "it is outside of the days that are synced, or its kind does not go this way by the settings"
        }
    }
}
