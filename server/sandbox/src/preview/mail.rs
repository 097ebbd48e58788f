//! Folders, the list of messages, and the message that is read.

use std::fmt::Write as _;

use serde_json::Value;

use super::draw::{Part, avatar, chips, deed, icon, tandem_button};
use super::item;
use super::outlook::{Folder, Outlook, micros};
use super::view::{Lang, View};
use crate::exchange::zones::Zone;
use crate::graph::Told;
use crate::pages::escape;

/// The names of folders that every mailbox has.
fn name_of(lang: Lang, folder: &Folder) -> &str {
    match folder.key.as_str() {
        "inbox" => lang.say("Inbox", "Posteingang"),
        "drafts" => lang.say("Drafts", "Entwürfe"),
        "sentitems" => lang.say("Sent Items", "Gesendete Elemente"),
        "archive" => lang.say("Archive", "Archiv"),
        "junkemail" => lang.say("Junk Email", "Junk-E-Mail"),
        "deleteditems" => lang.say("Deleted Items", "Gelöschte Elemente"),
        _ => &folder.name,
    }
}

/// The time today, else the day.
pub(super) fn when(lang: Lang, zone: &Zone, now: i64, at: i64) -> String {
    let (wall, today) = (zone.wall(at), zone.wall(now).date());
    if wall.date() == today {
        return wall.strftime("%H:%M").to_string();
    }
    match (lang, wall.year() == today.year()) {
        (Lang::De, true) => wall.strftime("%-d.%-m.").to_string(),
        (Lang::De, false) => wall.strftime("%-d.%-m.%Y").to_string(),
        (Lang::En, true) => wall.strftime("%b %-d").to_string(),
        (Lang::En, false) => wall.strftime("%b %-d, %Y").to_string(),
    }
}

/// Day and time.
fn moment(lang: Lang, zone: &Zone, at: i64) -> String {
    let wall = zone.wall(at);
    match lang {
        Lang::De => wall.strftime("%-d.%-m.%Y, %H:%M").to_string(),
        Lang::En => wall.strftime("%b %-d, %Y, %H:%M").to_string(),
    }
}

fn at(message: &Value) -> i64 {
    let text = message["receivedDateTime"].as_str().unwrap_or_default();
    micros(text).unwrap_or_default()
}

fn person(value: &Value) -> (&str, &str) {
    let one = &value["emailAddress"];
    let address = one["address"].as_str().unwrap_or_default();
    let name = one["name"].as_str().filter(|n| !n.is_empty()).unwrap_or(address);
    (name, address)
}

fn names(list: &Value) -> String {
    let all: Vec<&str> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| person(p).0)
        .collect();
    all.join("; ")
}

/// The column of folders.
pub(super) fn folders(view: &View, all: &[Folder], current: &str) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let mut out = format!(
        "<nav class=\"folders\" aria-label=\"{}\"><a class=\"new\" id=\"new-mail\" href=\"/new/mail\">{}<span>{}</span></a><ul>",
        say("Folders", "Ordner"),
        icon("plus"),
        say("New mail", "Neue E-Mail")
    );
    for folder in all {
        let picture = if folder.key.len() > 20 {
            "folder"
        } else {
            &folder.key
        };
        let _ = write!(
            out,
            "<li><a id=\"f-{key}\" href=\"/mail/{key}\"{}>{}<span>{}</span>{}</a></li>",
            if folder.key == current {
                " aria-current=\"page\""
            } else {
                ""
            },
            icon(picture),
            escape(name_of(view.lang, folder)),
            if folder.unread > 0 {
                format!("<b>{}</b>", folder.unread)
            } else {
                String::new()
            },
            key = escape(&folder.key),
        );
    }
    out.push_str("</ul></nav>");
    out
}

struct Row<'a> {
    view: &'a View,
    folder: &'a str,
    zone: &'a Zone,
    now: i64,
    colours: &'a [(String, String)],
    chosen: Option<&'a str>,
}

impl Row<'_> {
    fn draw(&self, message: &Value) -> String {
        let say = |en: &'static str, de: &'static str| self.view.lang.say(en, de);
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let outgoing = matches!(self.folder, "sentitems" | "drafts");
        let who = if outgoing {
            let to = names(&message["toRecipients"]);
            if to.is_empty() {
                say("(no recipients)", "(keine Empfänger)").to_owned()
            } else {
                to
            }
        } else {
            person(&message["from"]).0.to_owned()
        };
        let id = text("id");
        let subject = if text("subject").is_empty() {
            say("(no subject)", "(kein Betreff)")
        } else {
            text("subject")
        };
        // Ids that are kept over a redraw, so that the focus stays where it is.
        format!(
            "<li><a id=\"m-{id}\" href=\"/mail/{}/{id}\"{}{}>{}<span class=\"from\">{}</span>\
             <time>{}</time><span class=\"subject\">{}</span>{}<span class=\"start\">{}</span>{}</a></li>",
            escape(self.folder),
            if message["isRead"] == true {
                ""
            } else {
                " class=\"unread\""
            },
            if self.chosen == Some(id) {
                " aria-current=\"true\""
            } else {
                ""
            },
            avatar(&who),
            escape(&who),
            when(self.view.lang, self.zone, self.now, at(message)),
            escape(subject),
            if message["hasAttachments"] == true {
                icon("attach")
            } else {
                String::new()
            },
            escape(text("bodyPreview")),
            match chips(&message["categories"], self.colours) {
                chips if chips.is_empty() => String::new(),
                chips => format!("<span class=\"chips\">{chips}</span>"),
            },
        )
    }
}

/// The line of people of a message.
fn addressed(label: &str, list: &Value) -> String {
    let all: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let (name, address) = person(one);
            format!("<span title=\"{}\">{}</span>", escape(address), escape(name))
        })
        .collect();
    if all.is_empty() {
        String::new()
    } else {
        format!("<p class=\"people\"><span>{label}</span> {}</p>", all.join("; "))
    }
}

/// A size that people read.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes / 1024),
        _ => format!("{}.{} MB", bytes / 1_048_576, bytes % 1_048_576 * 10 / 1_048_576),
    }
}

pub(super) fn files(item: &Value) -> String {
    let mut out = String::new();
    for one in item["attachments"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default();
        let _ = write!(
            out,
            "<li>{}<span>{}</span><small>{}</small></li>",
            icon("attach"),
            escape(name),
            size(one["size"].as_u64().unwrap_or_default())
        );
    }
    if out.is_empty() {
        out
    } else {
        format!("<ul class=\"files\">{out}</ul>")
    }
}

/// Which of the master list the item has, each with a box.
pub(super) fn categorize(
    view: &View,
    kind: &str,
    id: &str,
    own: &Value,
    colours: &[(String, String)],
) -> String {
    let mut boxes = String::new();
    let has = |name: &str| {
        own.as_array()
            .is_some_and(|all| all.iter().any(|one| one == name))
    };
    let foreign = own
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| !colours.iter().any(|(known, _)| known == name))
        .map(|name| (name.to_owned(), "none".to_owned()));
    for (name, colour) in colours.iter().cloned().chain(foreign) {
        let _ = write!(
            boxes,
            "<label><input type=\"checkbox\" name=\"category\" value=\"{name}\"{}><span class=\"chip {}\">{name}</span></label>",
            if has(&name) { " checked" } else { "" },
            colour.to_lowercase(),
            name = escape(&name),
        );
    }
    format!(
        "<details class=\"menu\"><summary>{}</summary><form method=\"post\" action=\"/do/categories\">\
         <input type=\"hidden\" name=\"kind\" value=\"{kind}\"><input type=\"hidden\" name=\"id\" value=\"{}\">{boxes}\
         <button class=\"primary\">{}</button></form></details>",
        view.lang.say("Categorize", "Kategorisieren"),
        escape(id),
        view.lang.say("Apply", "Übernehmen")
    )
}

/// Accept, tentative, decline.
pub(super) fn answers(view: &View, event: &Value) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    if event.is_null() || event["isOrganizer"] == true {
        return String::new();
    }
    let id = event["id"].as_str().unwrap_or_default();
    let now = event["responseStatus"]["response"].as_str().unwrap_or_default();
    let mut out = String::from("<div class=\"answers\">");
    for (answer, state, label, picture) in [
        ("accept", "accepted", say("Accept", "Zusagen"), "check"),
        (
            "tentativelyAccept",
            "tentativelyAccepted",
            say("Tentative", "Mit Vorbehalt"),
            "question",
        ),
        ("decline", "declined", say("Decline", "Absagen"), "close"),
    ] {
        if now == state {
            let _ = write!(
                out,
                "<p class=\"answered\">{}<span>{label} ✓</span></p>",
                icon(picture)
            );
        } else {
            out.push_str(&deed(
                "respond",
                &[("event", id), ("answer", answer)],
                label,
                picture,
            ));
        }
    }
    out.push_str("</div>");
    out
}

fn message(
    view: &View,
    zone: &Zone,
    message: &Value,
    folder: &str,
    all: &[Folder],
    colours: &[(String, String)],
) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let text = |name: &str| message[name].as_str().unwrap_or_default();
    let id = text("id");
    let (from, address) = person(&message["from"]);
    let mut moves = String::new();
    for other in all.iter().filter(|f| f.key != folder && f.key != "drafts") {
        let _ = write!(
            moves,
            "<button name=\"to\" value=\"{}\">{}</button>",
            escape(&other.key),
            escape(name_of(view.lang, other))
        );
    }
    let subject = if text("subject").is_empty() {
        say("(no subject)", "(kein Betreff)")
    } else {
        text("subject")
    };
    format!(
        "<article class=\"reading\" id=\"reading\" tabindex=\"-1\"><div class=\"tools\" role=\"toolbar\" aria-label=\"{}\">\
         <a class=\"button\" href=\"/new/mail?reply={id}\">{}<span>{}</span></a>{}{}\
         <details class=\"menu\"><summary>{}</summary><form method=\"post\" action=\"/do/move\">\
         <input type=\"hidden\" name=\"id\" value=\"{id}\">{moves}</form></details>{}{}</div>\
         <h1>{}</h1>{}<div class=\"sender\">{}<div><p><strong>{}</strong> <span class=\"address\">{}</span></p>{}{}</div><time>{}</time></div>\
         {}{}<div class=\"body\">{}</div></article>",
        say("Message", "Nachricht"),
        icon("reply"),
        say("Reply", "Antworten"),
        deed(
            "delete",
            &[("kind", "messages"), ("id", id), ("folder", folder)],
            say("Delete", "Löschen"),
            "deleteditems"
        ),
        deed(
            "unread",
            &[("id", id), ("folder", folder)],
            say("Mark unread", "Ungelesen"),
            "mail"
        ),
        say("Move to", "Verschieben"),
        categorize(view, "messages", id, &message["categories"], colours),
        tandem_button(view),
        escape(subject),
        match chips(&message["categories"], colours) {
            chips if chips.is_empty() => String::new(),
            chips => format!("<p class=\"chips\">{chips}</p>"),
        },
        avatar(from),
        escape(from),
        escape(address),
        addressed(say("To:", "An:"), &message["toRecipients"]),
        addressed("Cc:", &message["ccRecipients"]),
        moment(view.lang, zone, at(message)),
        answers(view, &message["event"]),
        files(message),
        escape(message["body"]["content"].as_str().unwrap_or_default().trim()),
    )
}

/// The page of a folder; `chosen` is the message that is read.
pub(super) fn page(
    view: &View,
    outlook: &Outlook<'_>,
    folder: &str,
    chosen: Option<&str>,
    now: i64,
) -> Result<Part, Told> {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let opened = match chosen {
        Some(id) => {
            let mut message = outlook.message(id)?;
            // Only then: whatever is written is a change.
            if message["isRead"] != true {
                outlook.read(id, true)?;
                message = outlook.message(id)?;
            }
            Some(message)
        }
        None => None,
    };
    let (all, messages) = (outlook.folders()?, outlook.messages(folder)?);
    let (zone, colours) = (outlook.zone(), outlook.master_categories());
    let current = all.iter().find(|f| f.key == folder);
    let title = current.map_or_else(|| folder.to_owned(), |f| name_of(view.lang, f).to_owned());
    let row = Row {
        view,
        folder,
        zone: &zone,
        now,
        colours: &colours,
        chosen,
    };
    let mut rows: String = messages.iter().map(|one| row.draw(one)).collect();
    if rows.is_empty() {
        rows = format!(
            "<li class=\"nothing\">{}</li>",
            say("Nothing in this folder.", "Nichts in diesem Ordner.")
        );
    }
    let (reading, item) = match &opened {
        Some(opened) => (
            message(view, &zone, opened, folder, &all, &colours),
            item::message(view, opened),
        ),
        None => (
            format!(
                "<div class=\"reading empty\">{}<p>{}</p>{}</div>",
                icon("mail"),
                say("Select a message to read it.", "Wählen Sie eine Nachricht aus."),
                tandem_button(view)
            ),
            Value::Null,
        ),
    };
    let main = format!(
        "{}<section class=\"list\" aria-label=\"{title}\"><h2>{title}</h2><ul>{rows}</ul></section>{reading}",
        folders(view, &all, folder),
        title = escape(&title),
    );
    Ok(Part {
        title,
        main,
        item,
        app: "mail",
    })
}
