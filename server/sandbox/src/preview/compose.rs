//! Writing: a mail or an appointment, as forms that work without script too.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::draw::{Part, chips, deed, icon, tandem_button};
use super::item;
use super::mail;
use super::outlook::{Attached, Letter, Meeting, Outlook};
use super::view::View;
use crate::exchange::zones::Zone;
use crate::graph::Told;
use crate::pages::{Form, escape};

fn field(name: &str, label: &str, ty: &str, value: &str, more: &str) -> String {
    format!(
        "<p class=\"field\"><label for=\"c-{name}\">{label}</label><input id=\"c-{name}\" name=\"{name}\" type=\"{ty}\" value=\"{}\"{more}></p>",
        escape(value)
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!(
        "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
        escape(value)
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn listed(list: &Value) -> String {
    let all: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let (name, address) = (
                text(&one["emailAddress"]["name"]),
                text(&one["emailAddress"]["address"]),
            );
            if name == address || name.is_empty() {
                address
            } else {
                format!("{name} <{address}>")
            }
        })
        .collect();
    all.join("; ")
}

fn categories_of(item: &Value) -> Vec<String> {
    let all = item["categories"].as_array().into_iter().flatten();
    all.filter_map(|c| c.as_str().map(str::to_owned)).collect()
}

/// A letter that a link asks for: a draft to go on with, an answer, or some fields.
fn started(view: &View, outlook: &Outlook<'_>, query: &Form) -> Result<(Letter, Value), Told> {
    if let Some(id) = query.get("draft") {
        let draft = outlook.message(id)?;
        let letter = Letter {
            draft: Some(id.to_owned()),
            to: listed(&draft["toRecipients"]),
            cc: listed(&draft["ccRecipients"]),
            bcc: listed(&draft["bccRecipients"]),
            subject: text(&draft["subject"]),
            body: text(&draft["body"]["content"]).trim().to_owned(),
            categories: categories_of(&draft),
            ..Letter::default()
        };
        return Ok((letter, draft));
    }
    if let Some(id) = query.get("reply") {
        let original = outlook.message(id)?;
        let quoted: Vec<String> = text(&original["body"]["content"])
            .trim()
            .lines()
            .map(|line| format!("> {line}"))
            .collect();
        let from = json!([original["from"]]);
        let letter = Letter {
            reply_to: Some(id.to_owned()),
            to: listed(&from),
            subject: format!(
                "{} {}",
                view.lang.say("Re:", "AW:"),
                item::normalized(original["subject"].as_str().unwrap_or_default())
            ),
            body: format!("\n\n{}", quoted.join("\n")),
            ..Letter::default()
        };
        return Ok((letter, Value::Null));
    }
    let get = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let letter = Letter {
        to: get("to"),
        cc: get("cc"),
        subject: get("subject"),
        body: get("body"),
        ..Letter::default()
    };
    Ok((letter, Value::Null))
}

/// The page to write a mail. `key` tells it from others that were never saved.
pub(super) fn mail_page(
    view: &View,
    outlook: &Outlook<'_>,
    query: &Form,
    key: &str,
    name: &str,
) -> Result<Part, Told> {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let (letter, draft) = started(view, outlook, query)?;
    let (all, colours) = (outlook.folders()?, outlook.master_categories());
    let title = if letter.subject.is_empty() {
        say("New mail", "Neue E-Mail").to_owned()
    } else {
        letter.subject.clone()
    };
    let people = |name: &str, label: &str, value: &str| {
        field(
            name,
            label,
            "text",
            value,
            " autocomplete=\"off\" spellcheck=\"false\" list=\"known\"",
        )
    };
    let form = format!(
        "<form class=\"compose\" id=\"compose\" data-kind=\"mail\" method=\"post\" action=\"/send\">\
         <div class=\"tools\" role=\"toolbar\" aria-label=\"{}\"><button class=\"primary\" name=\"do\" value=\"send\">{}<span>{}</span></button>\
         <label class=\"button\" id=\"attach-label\">{}<span>{}</span><input type=\"file\" id=\"attach\" multiple class=\"unseen\"></label>\
         <button name=\"do\" value=\"save\" formnovalidate>{}<span>{}</span></button>\
         <button name=\"do\" value=\"discard\" formnovalidate>{}<span>{}</span></button>{}</div>\
         {}{}{}{}<p class=\"chips\" id=\"compose-chips\">{}</p>{}<ul class=\"files\" id=\"compose-files\"></ul>\
         <p class=\"field whole\"><label class=\"unseen\" for=\"c-body\">{}</label><textarea id=\"c-body\" name=\"body\">{}</textarea></p>\
         {}{}{}{}{}</form>",
        say("Mail", "E-Mail"),
        icon("send"),
        say("Send", "Senden"),
        icon("attach"),
        say("Attach", "Anfügen"),
        icon("drafts"),
        say("Save draft", "Entwurf speichern"),
        icon("deleteditems"),
        say("Discard", "Verwerfen"),
        tandem_button(view),
        people("to", say("To", "An"), &letter.to),
        people("cc", "Cc", &letter.cc),
        people("bcc", "Bcc", &letter.bcc),
        field("subject", say("Subject", "Betreff"), "text", &letter.subject, ""),
        chips(&json!(letter.categories), &colours),
        mail::files(&draft),
        say("Message", "Nachricht"),
        // The first line break after the tag is none.
        String::from("\n") + &escape(&letter.body),
        hidden("id", letter.draft.as_deref().unwrap_or_default()),
        hidden("reply", letter.reply_to.as_deref().unwrap_or_default()),
        hidden("categories", &json!(letter.categories).to_string()),
        hidden("headers", "{}"),
        hidden("attachments", "[]"),
    );
    let item = match &letter.draft {
        Some(_) => item::message(view, &draft),
        None => item::fresh(view, false, key, name),
    };
    Ok(Part {
        title,
        main: format!(
            "{}<section class=\"writing\" id=\"reading\" tabindex=\"-1\">{form}</section>",
            mail::folders(view, &all, if letter.draft.is_some() { "drafts" } else { "" })
        ),
        item,
        app: "mail",
    })
}

/// The form of an appointment. `event` is what there is of it already.
pub(super) fn event_form(
    view: &View,
    meeting: &Meeting,
    event: Option<&Value>,
    day: Date,
    colours: &[(String, String)],
) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let day_text = day.to_string();
    let id = meeting.id.as_deref().unwrap_or_default();
    let has_guests = event.is_some_and(|e| e["attendees"].as_array().is_some_and(|a| !a.is_empty()));
    let delete = if id.is_empty() {
        String::new()
    } else {
        deed(
            "delete",
            &[("kind", "events"), ("id", id), ("day", &day_text)],
            if has_guests {
                say("Cancel meeting", "Absagen")
            } else {
                say("Delete", "Löschen")
            },
            "deleteditems",
        )
    };
    let categorized = match event {
        Some(event) => mail::categorize(view, "events", id, &event["categories"], colours),
        None => String::new(),
    };
    format!(
        "<section class=\"writing\" id=\"reading\" tabindex=\"-1\"><div class=\"tools\" role=\"toolbar\" aria-label=\"{}\">\
         <button class=\"primary\" form=\"compose\" name=\"do\" value=\"save\">{}<span>{}</span></button>{delete}{categorized}{}</div>\
         <form class=\"compose\" id=\"compose\" data-kind=\"event\" data-offset=\"{}\" method=\"post\" action=\"/meet\">{}{}{}{}{}{}\
         <p class=\"chips\" id=\"compose-chips\">{}</p>{}\
         <p class=\"field whole\"><label class=\"unseen\" for=\"c-body\">{}</label><textarea id=\"c-body\" name=\"body\">{}</textarea></p>\
         {}{}{}</form></section>",
        say("Appointment", "Termin"),
        icon("send"),
        if has_guests {
            say("Send update", "Aktualisierung senden")
        } else {
            say("Save", "Speichern")
        },
        tandem_button(view),
        meeting.offset,
        field("subject", say("Title", "Titel"), "text", &meeting.subject, ""),
        field(
            "required",
            say("Required", "Erforderlich"),
            "text",
            &meeting.required,
            " list=\"known\" autocomplete=\"off\""
        ),
        field(
            "optional",
            say("Optional", "Optional"),
            "text",
            &meeting.optional,
            " list=\"known\" autocomplete=\"off\""
        ),
        field(
            "start",
            say("Start", "Beginn"),
            "datetime-local",
            &meeting.start,
            " required"
        ),
        field(
            "end",
            say("End", "Ende"),
            "datetime-local",
            &meeting.end,
            " required"
        ),
        field("location", say("Location", "Ort"), "text", &meeting.location, ""),
        chips(&json!(meeting.categories), colours),
        event.map_or_else(String::new, mail::files),
        say("Description", "Beschreibung"),
        String::from("\n") + &escape(&meeting.body),
        hidden("id", id),
        hidden("categories", &json!(meeting.categories).to_string()),
        hidden("headers", "{}"),
    )
}

/// The page to make an appointment.
pub(super) fn event_page(
    view: &View,
    outlook: &Outlook<'_>,
    query: &Form,
    key: &str,
    name: &str,
    now: i64,
) -> Part {
    let wall = outlook.zone().wall(now);
    let day = query
        .get("day")
        .and_then(|d| d.parse::<Date>().ok())
        .unwrap_or_else(|| wall.date());
    // The next full hour of that day.
    let start = day.at((wall.hour() + 1).min(22), 0, 0, 0);
    let end = start.checked_add(30.minutes()).unwrap_or(start);
    let get = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let stamp = |at: jiff::civil::DateTime| at.strftime("%Y-%m-%dT%H:%M").to_string();
    let meeting = Meeting {
        subject: get("subject"),
        required: get("required"),
        optional: get("optional"),
        location: get("location"),
        start: stamp(start),
        end: stamp(end),
        offset: offset(&outlook.zone(), now),
        ..Meeting::default()
    };
    Part {
        title: view.lang.say("New appointment", "Neuer Termin").to_owned(),
        main: event_form(view, &meeting, None, day, &outlook.master_categories()),
        item: item::fresh(view, true, key, name),
        app: "calendar",
    }
}

/// How far walls of the zone are ahead of UTC then, in minutes.
pub(super) fn offset(zone: &Zone, at: i64) -> i64 {
    let utc = Zone::utc();
    (utc.moment(zone.wall(at)) - at) / 60_000_000
}

fn texts(form: &Form, name: &str) -> Vec<String> {
    form.get(name)
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default()
}

/// What the form of a mail says.
pub(super) fn letter(form: &Form) -> Letter {
    let get = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let id = |name: &str| form.get(name).filter(|id| !id.is_empty()).map(str::to_owned);
    let headers: serde_json::Map<String, Value> = form
        .get("headers")
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let attachments: Vec<Value> = form
        .get("attachments")
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    Letter {
        draft: id("id"),
        reply_to: id("reply"),
        to: get("to"),
        cc: get("cc"),
        bcc: get("bcc"),
        subject: get("subject"),
        body: get("body"),
        categories: texts(form, "categories"),
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect(),
        attachments: attachments
            .iter()
            .map(|one| Attached {
                name: text(&one["name"]),
                media: text(&one["contentType"]),
                content: text(&one["content"]),
            })
            .collect(),
    }
}

/// What the form of an appointment says.
pub(super) fn meeting(form: &Form, quietly: bool) -> Meeting {
    let get = |name: &str| form.get(name).unwrap_or_default().to_owned();
    Meeting {
        id: form.get("id").filter(|id| !id.is_empty()).map(str::to_owned),
        subject: get("subject"),
        location: get("location"),
        start: get("start"),
        end: get("end"),
        required: get("required"),
        optional: get("optional"),
        body: get("body"),
        categories: texts(form, "categories"),
        quietly,
        offset: 0,
    }
}
