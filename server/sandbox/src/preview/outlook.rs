//! The mailbox as Outlook's user has it before them: folders, messages, a day, and what one can do with them.
//!
//! What is read and done goes through Graph as the sandbox plays it, without a token: whoever sits before Outlook is
//! signed in already.

use http::Method;
use jiff::civil::{Date, DateTime, Time};
use serde_json::{Map, Value, json};

use crate::exchange::Exchange;
use crate::exchange::zones::Zone;
use crate::graph::{Graph, Told};

/// How many messages of a folder are listed.
const LISTED: usize = 60;

/// A folder of mail.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    /// The well-known name where there is one, else the id.
    pub(super) key: String,
    pub(super) name: String,
    pub(super) unread: u64,
}

/// The shapes of a form's lists.
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) media: String,
    /// Base64.
    pub(super) content: String,
}

/// A mail as it was written.
#[derive(Default)]
pub(super) struct Letter {
    /// The draft it was saved as.
    pub(super) draft: Option<String>,
    /// What it answers.
    pub(super) reply_to: Option<String>,
    pub(super) to: String,
    pub(super) cc: String,
    pub(super) bcc: String,
    pub(super) subject: String,
    pub(super) body: String,
    pub(super) categories: Vec<String>,
    /// Name and value.
    pub(super) headers: Vec<(String, String)>,
    pub(super) attachments: Vec<Attached>,
}

/// An appointment as it was written. Times are walls of the mailbox's zone: `2026-11-23T14:00`.
#[derive(Default)]
pub(super) struct Meeting {
    pub(super) id: Option<String>,
    pub(super) subject: String,
    pub(super) location: String,
    pub(super) start: String,
    pub(super) end: String,
    pub(super) required: String,
    pub(super) optional: String,
    pub(super) body: String,
    pub(super) categories: Vec<String>,
    /// Saved, but nobody is invited yet.
    pub(super) quietly: bool,
    /// How far the walls are ahead of UTC, in minutes.
    pub(super) offset: i64,
}

/// One mailbox.
pub(super) struct Outlook<'a> {
    pub(super) graph: &'a Graph,
    pub(super) exchange: &'a Exchange,
    pub(super) at: usize,
}

const WELL_KNOWN: [&str; 6] = [
    "inbox",
    "drafts",
    "sentitems",
    "archive",
    "junkemail",
    "deleteditems",
];

/// An id of Graph as EWS and Office.js write it.
/// <https://learn.microsoft.com/office/dev/add-ins/outlook/use-rest-api#get-the-item-id>
pub(super) fn ews_id(id: &str) -> String {
    id.replace('-', "/").replace('_', "+")
}

/// The other way.
pub(super) fn rest_id(id: &str) -> String {
    id.replace('/', "-").replace('+', "_")
}

/// A moment that Graph wrote, with or without an offset, in microseconds; without one it is UTC.
pub(super) fn micros(text: &str) -> Option<i64> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp.as_microsecond());
    }
    let wall: DateTime = text.parse().ok()?;
    Some(
        wall.to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_microsecond(),
    )
}

impl Outlook<'_> {
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, Told> {
        self.graph.inside(self.at, method, path, body)
    }

    fn get(&self, path: &str) -> Result<Value, Told> {
        self.ask(Method::GET, path, &Value::Null)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Told> {
        self.ask(Method::POST, path, body)
    }

    fn list(&self, path: &str) -> Result<Vec<Value>, Told> {
        let mut answer = self.get(path)?;
        match answer["value"].take() {
            Value::Array(all) => Ok(all),
            _ => Err(Told::new(500, "the answer is no list")),
        }
    }

    /// The zone that the user's Outlook works in.
    pub(super) fn zone(&self) -> Zone {
        self.exchange.store().mailboxes[self.at].zone.clone()
    }

    /// Grows with every change.
    pub(super) fn pulse(&self) -> u64 {
        self.exchange.store().mailboxes[self.at].seq
    }

    pub(super) fn folders(&self) -> Result<Vec<Folder>, Told> {
        let all = self.list("/me/mailFolders?$top=100")?;
        let known: Vec<(String, &str)> = {
            let store = self.exchange.store();
            let mailbox = &store.mailboxes[self.at];
            let number = |name: &str| match name {
                "archive" => mailbox.folder_named("Archive"),
                _ => mailbox.distinguished(name),
            };
            WELL_KNOWN
                .iter()
                .filter_map(|name| Some((rest_id(&mailbox.folder_id(number(name)?)), *name)))
                .collect()
        };
        let mut folders: Vec<(usize, Folder)> = all
            .iter()
            .map(|one| {
                let id = one["id"].as_str().unwrap_or_default();
                let place = known.iter().position(|(known, _)| known == id);
                let folder = Folder {
                    key: place.map_or_else(|| id.to_owned(), |at| known[at].1.to_owned()),
                    name: one["displayName"].as_str().unwrap_or_default().to_owned(),
                    unread: one["unreadItemCount"].as_u64().unwrap_or_default(),
                };
                (place.unwrap_or(WELL_KNOWN.len()), folder)
            })
            .filter(|(_, folder)| {
                !matches!(
                    folder.name.as_str(),
                    "Outbox" | "Conversation History" | "Sync Issues"
                )
            })
            .collect();
        folders.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.name.cmp(&b.1.name)));
        Ok(folders.into_iter().map(|(_, folder)| folder).collect())
    }

    /// The newest messages of a folder, newest first.
    pub(super) fn messages(&self, folder: &str) -> Result<Vec<Value>, Told> {
        self.list(&format!("/me/mailFolders/{folder}/messages?$top={LISTED}"))
    }

    /// One message with its attachments.
    pub(super) fn message(&self, id: &str) -> Result<Value, Told> {
        let mut message = self.get(&format!("/me/messages/{id}?$expand=attachments"))?;
        if let Some(event) = self.event_of(id) {
            message["event"] = event;
        }
        Ok(message)
    }

    /// The event that an invitation speaks of, if the calendar still has it.
    fn event_of(&self, message: &str) -> Option<Value> {
        let id = {
            let store = self.exchange.store();
            let mailbox = &store.mailboxes[self.at];
            let item = mailbox.items.get(&mailbox.item_of(&ews_id(message))?)?;
            if !item.content.text("ItemClass").starts_with("IPM.Schedule.Meeting") {
                return None;
            }
            let number = mailbox.event_of(item.content.text("UID"))?;
            let moves = mailbox.items.get(&number)?.moves;
            rest_id(&mailbox.item_id(number, moves))
        };
        self.event(&id).ok()
    }

    /// One event, series or occurrence, with its attachments.
    pub(super) fn event(&self, id: &str) -> Result<Value, Told> {
        self.get(&format!("/me/events/{id}?$expand=attachments"))
    }

    /// All events of a day of the mailbox's zone, in the order of their start.
    pub(super) fn day(&self, day: Date) -> Result<Vec<Value>, Told> {
        let zone = self.zone();
        let at = |date: Date| {
            let micros = zone.moment(date.to_datetime(Time::midnight()));
            jiff::Timestamp::from_microsecond(micros).unwrap_or_default()
        };
        let next = day.tomorrow().unwrap_or(day);
        self.list(&format!(
            "/me/calendarView?startDateTime={}&endDateTime={}&$top=100",
            at(day),
            at(next)
        ))
    }

    pub(super) fn read(&self, id: &str, read: bool) -> Result<(), Told> {
        self.ask(
            Method::PATCH,
            &format!("/me/messages/{id}"),
            &json!({ "isRead": read }),
        )
        .map(drop)
    }

    /// Moves a message; its id afterwards.
    pub(super) fn shift(&self, id: &str, folder: &str) -> Result<String, Told> {
        let moved = self.post(
            &format!("/me/messages/{id}/move"),
            &json!({ "destinationId": folder }),
        )?;
        Ok(moved["id"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn delete(&self, kind: &str, id: &str) -> Result<(), Told> {
        self.ask(Method::DELETE, &format!("/me/{kind}/{id}"), &Value::Null)
            .map(drop)
    }

    /// `accept`, `tentativelyAccept` or `decline`.
    pub(super) fn respond(&self, event: &str, answer: &str) -> Result<(), Told> {
        self.post(
            &format!("/me/events/{event}/{answer}"),
            &json!({ "sendResponse": true }),
        )
        .map(drop)
    }

    /// Name and colour of the master list, the colour as Office.js names it: `Preset4`.
    pub(super) fn master_categories(&self) -> Vec<(String, String)> {
        let all = self.exchange.store().mailboxes[self.at].categories();
        let colour = |number: i32| {
            if number < 0 {
                "None".to_owned()
            } else {
                format!("Preset{number}")
            }
        };
        all.into_iter().map(|(name, n)| (name, colour(n))).collect()
    }

    /// Adds to the master list.
    pub(super) fn add_category(&self, name: &str, colour: &str) -> Result<(), Told> {
        self.post(
            "/me/outlook/masterCategories",
            &json!({ "displayName": name, "color": colour.to_lowercase() }),
        )
        .map(drop)
    }

    /// The item's own categories.
    pub(super) fn categories(&self, kind: &str, id: &str) -> Result<Vec<String>, Told> {
        let item = self.get(&format!("/me/{kind}/{id}"))?;
        let all = item["categories"].as_array().cloned().unwrap_or_default();
        Ok(all.iter().filter_map(|c| c.as_str().map(str::to_owned)).collect())
    }

    pub(super) fn set_categories(&self, kind: &str, id: &str, all: &[String]) -> Result<(), Told> {
        self.ask(
            Method::PATCH,
            &format!("/me/{kind}/{id}"),
            &json!({ "categories": all }),
        )
        .map(drop)
    }

    /// A file of an item, base64.
    pub(super) fn attachment(&self, kind: &str, id: &str, attachment: &str) -> Result<Value, Told> {
        self.get(&format!("/me/{kind}/{id}/attachments/{attachment}"))
    }

    /// Saves a letter as a draft; its id.
    pub(super) fn save(&self, letter: &Letter) -> Result<String, Told> {
        let mut fields = json!({
            "subject": letter.subject, "toRecipients": recipients(&letter.to), "ccRecipients": recipients(&letter.cc),
            "bccRecipients": recipients(&letter.bcc), "categories": letter.categories,
            "body": { "contentType": "text", "content": letter.body },
        });
        let mut files: Vec<&Attached> = letter.attachments.iter().collect();
        let mut headers: Vec<&(String, String)> = letter.headers.iter().collect();
        if let Some(draft) = &letter.draft {
            let there = self.get(&format!("/me/messages/{draft}?$expand=attachments"))?;
            let told = self.get(&format!("/me/messages/{draft}?$select=internetMessageHeaders"))?;
            let has = |list: &Value, name: &str| {
                let all = list.as_array();
                all.is_some_and(|all| all.iter().any(|one| one["name"] == name))
            };
            files.retain(|file| !has(&there["attachments"], &file.name));
            headers.retain(|(name, _)| !has(&told["internetMessageHeaders"], name));
        }
        if !headers.is_empty() {
            fields["internetMessageHeaders"] = headers
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect();
        }
        fields["attachments"] = files
            .iter()
            .map(|file| {
                json!({
                    "@odata.type": "#microsoft.graph.fileAttachment", "name": file.name, "contentType": file.media,
                    "contentBytes": file.content,
                })
            })
            .collect();
        if let Some(draft) = &letter.draft {
            self.ask(Method::PATCH, &format!("/me/messages/{draft}"), &fields)?;
            return Ok(draft.clone());
        }
        let made = self.post("/me/messages", &fields)?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        if let Some(original) = &letter.reply_to {
            self.answers(&id, original);
        }
        Ok(id)
    }

    /// Puts a draft into the conversation of what it answers.
    fn answers(&self, draft: &str, original: &str) {
        let mut store = self.exchange.store();
        let mailbox = &mut store.mailboxes[self.at];
        let (Some(draft), Some(original)) = (
            mailbox.item_of(&ews_id(draft)),
            mailbox.item_of(&ews_id(original)),
        ) else {
            return;
        };
        let Some(before) = mailbox.items.get(&original).map(|i| i.content.clone()) else {
            return;
        };
        if let Some(item) = mailbox.items.get_mut(&draft) {
            let id = before.text("InternetMessageId").to_owned();
            let references = format!("{} {id}", before.text("References")).trim().to_owned();
            item.content.conversation = before.conversation;
            item.content.texts.insert("References", references);
            item.content.texts.insert("InReplyTo", id);
        }
    }

    /// Sends a letter.
    pub(super) fn send(&self, letter: &Letter) -> Result<(), Told> {
        let id = self.save(letter)?;
        self.post(&format!("/me/messages/{id}/send"), &Value::Null)
            .map(drop)
    }

    /// Makes or changes an appointment, and invites; its id.
    pub(super) fn meet(&self, meeting: &Meeting) -> Result<String, Told> {
        let zone = self.zone().id.clone();
        let time = |wall: &str| json!({ "dateTime": wall, "timeZone": zone });
        let mut fields = Map::new();
        fields.insert("subject".into(), json!(meeting.subject));
        fields.insert(
            "body".into(),
            json!({ "contentType": "text", "content": meeting.body }),
        );
        fields.insert("location".into(), json!({ "displayName": meeting.location }));
        fields.insert("start".into(), time(&meeting.start));
        fields.insert("end".into(), time(&meeting.end));
        fields.insert("categories".into(), json!(meeting.categories));
        if !meeting.quietly {
            let mut all = guests(&meeting.required, "required");
            all.extend(guests(&meeting.optional, "optional"));
            fields.insert("attendees".into(), json!(all));
        }
        let fields = Value::Object(fields);
        let made = match &meeting.id {
            None => self.post("/me/events", &fields)?,
            Some(id) => self.ask(Method::PATCH, &format!("/me/events/{id}"), &fields)?,
        };
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }
}

/// `Ada <ada@x.example>; bob@x.example` as name and address; the name is the address where there is none.
pub(super) fn addresses(text: &str) -> Vec<(String, String)> {
    text.split([';', ',', '\n'])
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(|one| match one.split_once('<') {
            Some((name, rest)) => {
                let address = rest.trim_end_matches('>').trim();
                let name = name.trim().trim_matches('"');
                (
                    if name.is_empty() { address } else { name }.to_owned(),
                    address.to_owned(),
                )
            }
            None => (one.to_owned(), one.to_owned()),
        })
        .collect()
}

fn recipients(text: &str) -> Value {
    addresses(text)
        .iter()
        .map(|(name, address)| json!({ "emailAddress": { "name": name, "address": address } }))
        .collect()
}

fn guests(text: &str, ty: &str) -> Vec<Value> {
    addresses(text)
        .iter()
        .map(|(name, address)| json!({ "type": ty, "emailAddress": { "name": name, "address": address } }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        assert_eq!(
            addresses("Ada L. <ada@x.example>; bob@x.example,\n\"Eve\" <e@x.example>;"),
            [
                ("Ada L.".to_owned(), "ada@x.example".to_owned()),
                ("bob@x.example".to_owned(), "bob@x.example".to_owned()),
                ("Eve".to_owned(), "e@x.example".to_owned()),
            ]
        );
        assert!(addresses(" ; ").is_empty());
    }

    #[test]
    fn moments_are_read_with_and_without_an_offset() {
        assert_eq!(micros("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(micros("1970-01-01T00:00:01.0000000"), Some(1_000_000));
        assert_eq!(micros("yesterday"), None);
    }
}
