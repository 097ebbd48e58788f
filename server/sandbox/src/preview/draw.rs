//! What all pages of the preview share: the frame around them, icons, small parts.

use std::fmt::Write as _;

use serde_json::Value;

use super::view::{Lang, Server, View};
use crate::pages::escape;

/// One person of the company who has a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Somebody {
    pub(super) name: String,
    pub(super) address: String,
}

/// A page's own part.
pub(super) struct Part {
    pub(super) title: String,
    /// HTML.
    pub(super) main: String,
    /// What the pane is told is open; null: nothing.
    pub(super) item: Value,
    /// `mail` or `calendar`: what is marked in the rail.
    pub(super) app: &'static str,
}

/// Strokes of a drawing of 20 × 20.
const ICONS: &[(&str, &str)] = &[
    ("mail", "M2.5 5h15v10.5h-15zM3 5.5l7 5.5 7-5.5"),
    ("calendar", "M3 4.5h14v12.5H3zM3 8.2h14M6.5 2.5v3.2M13.5 2.5v3.2"),
    (
        "cloud",
        "M6 15.5a3.6 3.6 0 0 1-.5-7.1 4.6 4.6 0 0 1 8.8-.9 4 4 0 0 1 .2 8z",
    ),
    ("inbox", "M3 11l2-7h10l2 7v5.5H3zM3 11h4l1 2h4l1-2h4"),
    ("drafts", "M3 17h3.5L16 7.5 12.5 4 3 13.5zM11 5.5L14.5 9"),
    ("sentitems", "M3 9.5L17 3l-4.5 14-3.2-5.8zM9.3 11.2L17 3"),
    ("archive", "M3 4h14v3.5H3zM4.2 7.5V16h11.6V7.5M8 10.5h4"),
    ("junkemail", "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM5 5l10 10"),
    (
        "deleteditems",
        "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.8 11.5h7.4l.8-11.5M8.5 8.5v5.5M11.5 8.5v5.5",
    ),
    ("folder", "M2.5 15.5v-11h5l1.8 2h8.2v9z"),
    ("reply", "M8 5L3 9.5 8 14v-3c4 0 7 .8 9 4-.4-5-3.6-7.6-9-7.7z"),
    (
        "attach",
        "M14.5 9.2l-5.3 5.3a3.2 3.2 0 0 1-4.5-4.5l6-6a2.2 2.2 0 0 1 3 3l-5.9 6a1 1 0 0 1-1.5-1.5L11.5 6",
    ),
    (
        "pin",
        "M12 3l5 5-2 .7-2.5 2.6-.4 3.2-1 1-6.6-6.6 1-1 3.2-.4L11.3 5zM6.7 13.3L3 17",
    ),
    ("close", "M5 5l10 10M15 5L5 15"),
    (
        "wide",
        "M3 4.5h14v11H3zM12 4.5v11M8.5 10H5M6.5 8.2L4.8 10l1.7 1.8",
    ),
    (
        "people",
        "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 16.5c.3-3 2.4-5 5.5-5s5.2 2 5.5 5M13 9a2.5 2.5 0 1 0-.5-4.9M14.5 11.7c2 .4 3.3 2 3.5 4.3",
    ),
    ("send", "M3 4l14.5 6L3 16l1.8-6zM4.8 10H11"),
    ("plus", "M10 4v12M4 10h12"),
    ("left", "M12.5 4.5L7 10l5.5 5.5"),
    ("right", "M7.5 4.5L13 10l-5.5 5.5"),
    ("refresh", "M16 10a6 6 0 1 1-1.8-4.3L16 7.4M16 3.5v4h-4"),
    (
        "place",
        "M10 17.5s-5.5-5-5.5-9a5.5 5.5 0 0 1 11 0c0 4-5.5 9-5.5 9zM10 10.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
    ),
    ("clock", "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 6v4.2l2.8 1.6"),
    (
        "repeat",
        "M4 9V8a2.5 2.5 0 0 1 2.5-2.5H16M13.5 3L16 5.5 13.5 8M16 11v1a2.5 2.5 0 0 1-2.5 2.5H4M6.5 17L4 14.5 6.5 12",
    ),
    ("check", "M4 10.5l4 4 8-9"),
    (
        "question",
        "M7.5 7.5a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M10 14.5v.2",
    ),
];

/// A drawing that says nothing to a screen reader.
pub(super) fn icon(name: &str) -> String {
    let path = ICONS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, path)| path);
    format!("<svg class=\"icon\" viewBox=\"0 0 20 20\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>")
}

/// Tandem's own sign: two wheels.
fn sign() -> &'static str {
    "<svg class=\"sign\" viewBox=\"0 0 20 20\" aria-hidden=\"true\"><circle cx=\"6.5\" cy=\"11.5\" r=\"4\"/>\
     <circle cx=\"13.5\" cy=\"11.5\" r=\"4\"/><path d=\"M6.5 11.5L9 5h4\"/></svg>"
}

/// A round picture of a person: the initials.
pub(super) fn avatar(name: &str) -> String {
    let initials: String = name
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()))
        .take(2)
        .collect();
    let sum: u32 = name.chars().map(u32::from).sum();
    format!(
        "<span class=\"avatar c{}\" aria-hidden=\"true\">{}</span>",
        sum % 8,
        escape(&initials.to_uppercase())
    )
}

/// The chips of an item's categories.
pub(super) fn chips(categories: &Value, colours: &[(String, String)]) -> String {
    let mut out = String::new();
    for name in categories
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let colour = colours
            .iter()
            .find(|(known, _)| known == name)
            .map_or("none", |(_, colour)| colour);
        let _ = write!(
            out,
            "<span class=\"chip {}\">{}</span>",
            colour.to_lowercase(),
            escape(name)
        );
    }
    out
}

/// A button that is a form of its own.
pub(super) fn deed(action: &str, fields: &[(&str, &str)], label: &str, picture: &str) -> String {
    let mut hidden = String::new();
    for (name, value) in fields {
        let _ = write!(
            hidden,
            "<input type=\"hidden\" name=\"{name}\" value=\"{}\">",
            escape(value)
        );
    }
    format!(
        "<form method=\"post\" action=\"/do/{action}\">{hidden}<button>{}<span>{}</span></button></form>",
        if picture.is_empty() {
            String::new()
        } else {
            icon(picture)
        },
        escape(label)
    )
}

fn option(value: &str, label: &str, chosen: bool) -> String {
    format!(
        "<option value=\"{}\"{}>{}</option>",
        escape(value),
        if chosen { " selected" } else { "" },
        escape(label)
    )
}

/// The choices at the top. Without script a button sends them.
fn choices(view: &View, people: &[Somebody]) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let mut users = String::new();
    let mut owners = String::new();
    for one in people {
        users.push_str(&option(&one.address, &one.name, one.address == view.user));
        let label = if one.address == view.user {
            say("Own mailbox", "Eigenes Postfach").to_owned()
        } else {
            format!("{} {}", say("Shared:", "Freigegeben:"), one.name)
        };
        owners.push_str(&option(&one.address, &label, one.address == view.owner));
    }
    let servers = option("office365", "Microsoft 365", view.server == Server::Office365)
        + &option("exchange", "Exchange 2019", view.server == Server::Exchange);
    let langs = option("en-US", "English", view.lang == Lang::En)
        + &option("de-DE", "Deutsch", view.lang == Lang::De);
    let themes =
        option("light", say("Light", "Hell"), !view.dark) + &option("dark", say("Dark", "Dunkel"), view.dark);
    let popups = option("0", say("Pop-ups allowed", "Pop-ups erlaubt"), !view.blocked)
        + &option("1", say("Pop-ups blocked", "Pop-ups blockiert"), view.blocked);
    let select = |name: &str, label: &str, options: &str| {
        format!(
            "<label><span class=\"unseen\">{label}</span><select name=\"{name}\" id=\"view-{name}\">{options}</select></label>"
        )
    };
    format!(
        "<form id=\"view\" method=\"post\" action=\"/view\"><input type=\"hidden\" name=\"to\" id=\"view-to\">{}{}{}{}{}{}<button>{}</button></form>",
        select("user", say("Signed in as", "Angemeldet als"), &users),
        select("owner", say("Mailbox", "Postfach"), &owners),
        select("server", say("Server", "Server"), &servers),
        select("blocked", say("Pop-ups", "Pop-ups"), &popups),
        select("theme", say("Theme", "Design"), &themes),
        select("lang", say("Language", "Sprache"), &langs),
        say("Apply", "Übernehmen"),
    )
}

/// The pane beside it all.
fn addin(view: &View) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let content = match view.frame() {
        // The script opens it once it can answer it.
        Some(url) => format!(
            "<iframe id=\"pane\" title=\"Tandem\" data-src=\"{}\" allow=\"storage-access; clipboard-write\" \
             sandbox=\"allow-scripts allow-forms allow-same-origin allow-popups allow-popups-to-escape-sandbox \
             allow-downloads allow-storage-access-by-user-activation\"></iframe>\
             <noscript><p class=\"hint\">{}</p></noscript>",
            escape(url.as_str()),
            say(
                "The pane needs script, as in Outlook.",
                "Der Bereich braucht Skripte, wie in Outlook."
            )
        ),
        None => format!(
            "<p class=\"hint\">{}</p><form class=\"hint\" action=\"/\"><label>{} \
             <input name=\"pane\" type=\"url\" required placeholder=\"http://localhost:8080/\"></label>\
             <button>{}</button></form>",
            say(
                "This preview does not know yet where Tandem runs.",
                "Diese Vorschau weiß noch nicht, wo Tandem läuft."
            ),
            say("Tandem’s address", "Adresse von Tandem"),
            say("Show", "Anzeigen")
        ),
    };
    let pressed = |on: bool| if on { "true" } else { "false" };
    format!(
        "<aside id=\"addin\" aria-label=\"Tandem\"{}><div class=\"addin-bar\">{}<h2>Tandem</h2>\
         <button type=\"button\" id=\"wide\" aria-pressed=\"{}\" title=\"{wide}\" aria-label=\"{wide}\">{}</button>\
         <button type=\"button\" id=\"pin\" aria-pressed=\"{}\" title=\"{pin}\" aria-label=\"{pin}\">{}</button>\
         <button type=\"button\" id=\"close\" title=\"{close}\" aria-label=\"{close}\">{}</button></div>{content}</aside>",
        if view.closed { " hidden" } else { "" },
        sign(),
        pressed(view.wide),
        icon("wide"),
        pressed(view.pinned),
        icon("pin"),
        icon("close"),
        wide = say("Wider", "Breiter"),
        pin = say("Pin", "Anheften"),
        close = say("Close pane", "Bereich schließen"),
    )
}

/// The button that opens and closes the pane.
pub(super) fn tandem_button(view: &View) -> String {
    format!(
        "<button type=\"button\" class=\"tandem\" id=\"tandem-button\" aria-pressed=\"{}\">{}<span>Tandem</span></button>",
        if view.closed { "false" } else { "true" },
        sign()
    )
}

/// JSON within a page: nothing in it ends the element.
fn embedded(id: &str, value: &Value) -> String {
    format!(
        "<script type=\"application/json\" id=\"{id}\">{}</script>",
        value.to_string().replace('<', "\\u003c")
    )
}

/// The changing part.
pub(super) fn inner(part: &Part) -> String {
    format!(
        "<div id=\"page\" data-app=\"{}\" data-title=\"{}\">{}{}</div>",
        part.app,
        escape(&part.title),
        part.main,
        embedded("item", &part.item)
    )
}

/// The whole document. `setup` is what the pane is told of its host.
pub(super) fn document(
    view: &View,
    people: &[Somebody],
    salesforce: &str,
    setup: &Value,
    part: &Part,
) -> String {
    let say = |en: &'static str, de: &'static str| view.lang.say(en, de);
    let app = |key: &str, address: &str, label: &str| {
        format!(
            "<a id=\"app-{key}\" href=\"{address}\"{}>{}<span>{label}</span></a>",
            if part.app == key {
                " aria-current=\"page\""
            } else {
                ""
            },
            icon(key)
        )
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"{}\" data-theme=\"{}\"><head><meta charset=\"utf-8\">\
         <title>{} | Tandem</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/shell.css\">\
         <script src=\"/shell.js\" defer></script></head><body{}{}>\
         <a class=\"skip\" href=\"#page\">{}</a>\
         <header class=\"top\"><p class=\"brand\">{}{}</p>{}</header>\
         <div class=\"desk\"><nav class=\"rail\" aria-label=\"{}\">{}{}\
         <a id=\"app-salesforce\" href=\"{}\" target=\"salesforce\" rel=\"noopener\">{}<span>Salesforce</span></a></nav>{}{}</div>\
         <div id=\"said\" role=\"status\" aria-live=\"polite\"></div>{}</body></html>\n",
        &view.lang.tag()[..2],
        if view.dark { "dark" } else { "light" },
        escape(&part.title),
        if view.wide { " data-wide" } else { "" },
        if view.closed { " data-closed" } else { "" },
        say("Skip to the content", "Zum Inhalt"),
        icon("mail"),
        say("Mail preview", "Mail-Vorschau"),
        choices(view, people),
        say("Apps", "Apps"),
        app("mail", "/mail/inbox", say("Mail", "E-Mail")),
        app("calendar", "/calendar", say("Calendar", "Kalender")),
        escape(salesforce),
        icon("cloud"),
        inner(part),
        addin(view),
        embedded("setup", setup) + &known(people),
    )
}

/// The colleagues, for the fields that take addresses.
fn known(people: &[Somebody]) -> String {
    let mut out = String::from("<datalist id=\"known\">");
    for one in people {
        let _ = write!(
            out,
            "<option value=\"{} &lt;{}&gt;\">",
            escape(&one.name),
            escape(&one.address)
        );
    }
    out + "</datalist>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_ends_the_embedded_json() {
        let html = embedded(
            "item",
            &json!({ "subject": "</script><script>alert(1)</script>" }),
        );
        assert_eq!(html.matches("</script>").count(), 1);
        assert_eq!(html.matches('<').count(), 2);
    }

    #[test]
    fn chips_have_the_colours_of_the_list() {
        let colours = [("Salesforce".to_owned(), "Preset7".to_owned())];
        let html = chips(&json!(["Salesforce", "<b>"]), &colours);
        assert!(html.contains("chip preset7"), "{html}");
        assert!(html.contains("&lt;b&gt;") && !html.contains("<b>"), "{html}");
    }
}
