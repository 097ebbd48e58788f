//! What only messages have: the MIME text, headers, and the thread.
//!
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/message-ex15websvcsotherref>

use std::sync::Arc;

use super::content::{Around, Attachment, Class, Content, Person, crlf, text_of};
use super::mime::{self, Draft, Piece};
use super::props::{Key, date_time, write_time};
use super::store::{Mailbox, encode};

/// Headers that are made from fields; others are kept as they came.
const WRITTEN: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "date",
    "sensitivity",
    "mime-version",
    "sender",
];
/// `MSGFLAG_UNSENT` of `PR_MESSAGE_FLAGS`.
const UNSENT: i64 = 8;

impl Content {
    /// A message from its MIME text.
    pub(crate) fn from_mime(bytes: Vec<u8>, now: i64) -> Self {
        let mut content = Self {
            class: Class::Message,
            ..Self::default()
        };
        content.read_mime(bytes, now);
        content
            .texts
            .entry("ItemClass")
            .or_insert_with(|| "IPM.Note".to_owned());
        content
    }

    /// Takes all fields out of a MIME text.
    pub(crate) fn read_mime(&mut self, bytes: Vec<u8>, now: i64) {
        let parsed = mime::parse(&bytes);
        for (field, header) in [
            ("Subject", "Subject"),
            ("InternetMessageId", "Message-ID"),
            ("InReplyTo", "In-Reply-To"),
            ("References", "References"),
        ] {
            if let Some(value) = parsed.header(header) {
                self.set_text(field, &value);
            }
        }
        for (field, header) in [
            ("From", "From"),
            ("Sender", "Sender"),
            ("ToRecipients", "To"),
            ("CcRecipients", "Cc"),
            ("BccRecipients", "Bcc"),
            ("ReplyTo", "Reply-To"),
        ] {
            let value = parsed
                .headers
                .iter()
                .filter(|(n, _)| n.eq_ignore_ascii_case(header))
                .map(|(_, v)| v.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let all: Vec<Person> = mime::addresses(&value)
                .into_iter()
                .map(|(name, address)| Person::new(&name, &address))
                .collect();
            if !all.is_empty() {
                self.people.insert(field, all);
            }
        }
        if !self.people.contains_key("Sender")
            && let Some(from) = self.people.get("From").cloned()
        {
            self.people.insert("Sender", from);
        }
        if let Some(sent) = parsed.header("Date").and_then(|d| mime::date(&d)) {
            self.texts.insert("DateTimeSent", write_time(sent));
        }
        if let Some(sensitivity) = parsed.header("Sensitivity") {
            let value = match sensitivity.to_lowercase().as_str() {
                "personal" => "Personal",
                "private" => "Private",
                "company-confidential" => "Confidential",
                _ => "Normal",
            };
            self.texts.insert("Sensitivity", value.to_owned());
        }
        let importance = parsed.header("Importance").map(|i| i.to_lowercase());
        if let Some(value) = match importance.as_deref() {
            Some("high") => Some("High"),
            Some("low") => Some("Low"),
            _ => None,
        } {
            self.texts.insert("Importance", value.to_owned());
        }
        let class = if parsed.content_type.contains("pkcs7-signature") {
            Some("IPM.Note.SMIME.MultipartSigned")
        } else if parsed.content_type.contains("pkcs7-mime") {
            Some("IPM.Note.SMIME")
        } else if parsed
            .header("Content-Class")
            .is_some_and(|c| c.starts_with("rpmsg"))
        {
            Some("IPM.Note.rpmsg.Microsoft.Message")
        } else {
            None
        };
        if let Some(class) = class {
            self.texts.insert("ItemClass", class.to_owned());
        }
        (self.body, self.body_is_html) = match (&parsed.html, &parsed.text) {
            (Some(html), _) => (html.clone(), true),
            (None, Some(text)) => (crlf(text), false),
            (None, None) => (String::new(), false),
        };
        self.attachments.clear();
        for piece in parsed.pieces {
            self.attach(piece, now);
        }
        self.headers = parsed.headers;
        self.mime = Some(Arc::new(bytes));
    }

    /// Adds an attachment and returns its number.
    pub(crate) fn attach(&mut self, piece: Piece, now: i64) -> u64 {
        let number = self.attachments.iter().map(|a| a.number).max().unwrap_or(0) + 1;
        let item = (piece.content_type == "message/rfc822")
            .then(|| Box::new(Self::from_mime(piece.content.clone(), now)));
        let name = match (&item, piece.name.is_empty()) {
            (Some(item), true) => item.text("Subject").to_owned(),
            _ => piece.name,
        };
        self.attachments.push(Attachment {
            number,
            name,
            content_type: piece.content_type,
            content_id: piece.content_id,
            inline: piece.inline,
            modified: now,
            content: Arc::new(piece.content),
            item,
        });
        self.mime = None;
        number
    }

    /// The first header of that name, decoded.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| mime::decode_words(v))
    }

    pub(crate) fn settle_message(&mut self, before: &Self) {
        let same = |a: &Self, b: &Self| {
            a.body == b.body
                && a.text("Subject") == b.text("Subject")
                && a.people == b.people
                && a.attachments == b.attachments
        };
        // A text that was changed in Outlook no longer is what once came.
        if before.mime.is_some() && !same(self, before) {
            self.mime = None;
        }
        let flags = self
            .extended
            .remove(&Key::Tag(0x0E07))
            .and_then(|v| v.values.first().and_then(|t| t.trim().parse::<i64>().ok()));
        if let Some(flags) = flags {
            self.texts.insert("IsDraft", (flags & UNSENT != 0).to_string());
            self.texts.insert("IsRead", (flags & 1 != 0).to_string());
        }
        if self.conversation.is_empty() {
            // The oldest that is known of the thread.
            let root = self
                .text("References")
                .split_whitespace()
                .next()
                .map(str::to_owned);
            let reply = Some(self.text("InReplyTo").to_owned()).filter(|r| !r.is_empty());
            let own = Some(self.text("InternetMessageId").to_owned()).filter(|r| !r.is_empty());
            self.conversation = root.or(reply).or(own).unwrap_or_default();
        }
    }

    /// What `MimeContent` holds.
    pub(crate) fn mime_bytes(&self, me: &Person) -> Arc<Vec<u8>> {
        if let Some(mime) = &self.mime {
            return Arc::clone(mime);
        }
        Arc::new(mime::build(&self.draft(me)))
    }

    fn draft(&self, me: &Person) -> Draft<'_> {
        let list = |name: &str| {
            self.people.get(name).map(|all| {
                all.iter()
                    .map(|p| mime::mailbox(&p.name, &p.address))
                    .collect::<Vec<_>>()
                    .join(", ")
            })
        };
        let mut headers: Vec<(&str, String)> = Vec::new();
        let from = list("From").unwrap_or_else(|| mime::mailbox(&me.name, &me.address));
        headers.push(("From", from));
        for (header, field) in [
            ("To", "ToRecipients"),
            ("Cc", "CcRecipients"),
            ("Bcc", "BccRecipients"),
            ("Reply-To", "ReplyTo"),
        ] {
            if let Some(value) = list(field) {
                headers.push((header, value));
            }
        }
        for (header, field) in [
            ("Subject", "Subject"),
            ("Message-ID", "InternetMessageId"),
            ("In-Reply-To", "InReplyTo"),
            ("References", "References"),
        ] {
            if let Some(value) = self.texts.get(field) {
                headers.push((header, value.clone()));
            }
        }
        if let Some(sent) = self.texts.get("DateTimeSent").and_then(|t| date_time(t))
            && let Ok(stamp) = jiff::Timestamp::from_microsecond(sent)
        {
            let zoned = stamp.to_zoned(jiff::tz::TimeZone::UTC);
            if let Ok(text) = jiff::fmt::rfc2822::to_string(&zoned) {
                headers.push(("Date", text));
            }
        }
        match self.text("Sensitivity") {
            "Personal" => headers.push(("Sensitivity", "Personal".to_owned())),
            "Private" => headers.push(("Sensitivity", "Private".to_owned())),
            "Confidential" => headers.push(("Sensitivity", "Company-Confidential".to_owned())),
            _ => {}
        }
        for (name, value) in &self.headers {
            let lower = name.to_lowercase();
            if !WRITTEN.contains(&lower.as_str()) && !lower.starts_with("content-") {
                headers.push((name, value.clone()));
            }
        }
        let pieces = self
            .attachments
            .iter()
            .map(|a| Piece {
                name: a.name.clone(),
                content_type: a.content_type.clone(),
                content_id: a.content_id.clone(),
                inline: a.inline,
                content: a.content.to_vec(),
            })
            .collect();
        Draft {
            headers,
            text: (!self.body_is_html).then_some(self.body.as_str()),
            html: self.body_is_html.then_some(self.body.as_str()),
            pieces,
            seed: "sandbox",
        }
    }

    pub(crate) fn simple_message(&self, name: &str, around: &Around<'_>) -> Option<String> {
        let or = |default: &str| Some(self.texts.get(name).map_or(default, String::as_str).to_owned());
        match name {
            "DateTimeReceived" | "DateTimeSent" => or(&write_time(around.created)),
            "IsRead"
            | "IsDraft"
            | "IsReadReceiptRequested"
            | "IsDeliveryReceiptRequested"
            | "IsResponseRequested" => or("false"),
            "IsFromMe" => Some(
                self.person("From")
                    .is_some_and(|p| p.is(&around.me.address))
                    .to_string(),
            ),
            "ConversationTopic" => Some(topic(self.text("Subject")).to_owned()),
            "ConversationIndex" => {
                let depth = self.text("References").split_whitespace().count().min(20);
                Some(encode(&Mailbox::conversation_index(&self.conversation, depth)))
            }
            "DisplayTo" => Some(super::event::names(self.people.get("ToRecipients"))),
            "DisplayCc" => Some(super::event::names(self.people.get("CcRecipients"))),
            "Size" => {
                let size = match &self.mime {
                    Some(mime) => mime.len(),
                    None => {
                        600 + self.body.len()
                            + self.attachments.iter().map(|a| a.content.len()).sum::<usize>()
                    }
                };
                Some(size.to_string())
            }
            _ => None,
        }
    }

    /// The body as plain text, for the control API.
    pub(crate) fn plain_body(&self) -> String {
        if self.body_is_html {
            text_of(&self.body)
        } else {
            self.body.clone()
        }
    }
}

/// A subject without what answers and forwards put before it.
fn topic(subject: &str) -> &str {
    let mut rest = subject.trim();
    loop {
        let lower = rest.to_lowercase();
        let Some(prefix) = ["re:", "fw:", "fwd:", "aw:", "wg:"]
            .iter()
            .find(|p| lower.starts_with(**p))
        else {
            return rest;
        };
        rest = rest.get(prefix.len()..).unwrap_or_default().trim_start();
    }
}
