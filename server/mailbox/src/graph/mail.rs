//! A message in Graph's words. <https://learn.microsoft.com/graph/api/resources/message>

use serde_json::Value;

use super::item::{self, text};
use super::property::{self, CLASS, KEY, SENSITIVITY, SIZE};
use crate::ews::item::Head;
use crate::mail::Mail;
use crate::map::Email;

pub(crate) const SELECT: &str = "id,changeKey,parentFolderId,categories,createdDateTime,lastModifiedDateTime,subject,\
     receivedDateTime,sentDateTime,isDraft,hasAttachments,conversationId,from,sender,toRecipients,ccRecipients,\
     internetMessageId,internetMessageHeaders";

pub(crate) const EXPAND: [&str; 4] = [KEY, CLASS, SENSITIVITY, SIZE];

/// What a delta is asked for: enough to tell whether a mail is read at all.
pub(crate) const DELTA_SELECT: &str = "id,receivedDateTime,lastModifiedDateTime,categories,parentFolderId";

/// `None`: it lacks what every mail has.
pub(crate) fn read(json: &Value) -> Option<Mail> {
    let people = |name: &str| -> Option<Vec<Email>> {
        let list = json[name].as_array()?;
        Some(list.iter().map(|one| person(&one["emailAddress"])).collect())
    };
    let (to, cc) = (people("toRecipients")?, people("ccRecipients")?);
    let from = [&json["from"], &json["sender"]]
        .into_iter()
        .find(|one| one["emailAddress"].is_object())
        .map(|one| person(&one["emailAddress"]));
    let headers = json["internetMessageHeaders"].as_array().into_iter().flatten();
    // An invitation, or an answer to one, says so by its type.
    let meeting = text(json, "@odata.type")
        .to_ascii_lowercase()
        .contains("eventmessage");
    Some(Mail {
        head: Head {
            id: item::id(json)?,
            change_key: item::version(json)?,
            folder: text(json, "parentFolderId").to_owned(),
            class: property::value(json, CLASS).unwrap_or("IPM.Note").to_owned(),
            subject: text(json, "subject").to_owned(),
            sensitivity: item::sensitivity_of(property::value(json, SENSITIVITY)),
            categories: item::categories(json),
            created: text(json, "createdDateTime").to_owned(),
            modified: text(json, "lastModifiedDateTime").to_owned(),
            key: property::value(json, KEY).map(str::to_owned),
            ..Head::default()
        },
        received: text(json, "receivedDateTime").to_owned(),
        sent: text(json, "sentDateTime").to_owned(),
        size: property::value(json, SIZE)
            .and_then(|size| size.trim().parse().ok())
            .unwrap_or_default(),
        draft: json["isDraft"].as_bool().unwrap_or_default(),
        from_me: false,
        has_attachments: json["hasAttachments"].as_bool().unwrap_or_default(),
        conversation: text(json, "conversationId").to_owned(),
        from,
        to,
        cc,
        message_id: text(json, "internetMessageId").to_owned(),
        headers: headers
            .map(|header| {
                (
                    text(header, "name").to_ascii_lowercase(),
                    text(header, "value").to_owned(),
                )
            })
            .collect(),
        meeting,
    })
}

fn person(address: &Value) -> Email {
    Email {
        text: text(address, "address").to_owned(),
        name: text(address, "name").to_owned(),
        ..Email::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_sync::model::{Field, MailPlace};

    use super::*;
    use crate::places::Places;

    fn example() -> Value {
        json!({
            "@odata.type": "#microsoft.graph.message",
            "id": "AAMkAGE1M2IyNGNm", "changeKey": "CQAAABYAAABl",
            "createdDateTime": "2026-10-20T17:08:45Z", "lastModifiedDateTime": "2026-10-20T17:08:46Z",
            "receivedDateTime": "2026-10-20T17:08:46Z", "sentDateTime": "2026-10-20T17:08:44Z",
            "hasAttachments": true, "internetMessageId": "<1@contoso.example>", "subject": "MyAnalytics",
            "parentFolderId": "inbox", "conversationId": "AAQkAGE1", "isDraft": false, "categories": [],
            "from": {"emailAddress": {"name": "Max", "address": "Max@contoso.example"}},
            "toRecipients": [{"emailAddress": {"name": "Megan", "address": "megan@contoso.example"}}],
            "ccRecipients": [],
            "internetMessageHeaders": [{"name": "List-ID", "value": "<news>"}],
            "singleValueExtendedProperties": [
                {"id": "Integer 0xe08", "value": "5120"},
                {"id": "String 0x1a", "value": "IPM.Note.SMIME"},
            ],
        })
    }

    #[test]
    fn a_mail_in_full() {
        let places = Places {
            inbox: "inbox".to_owned(),
            ..Places::default()
        };
        let snapshot = read(&example()).unwrap().snapshot(&places);
        let facts = snapshot.extra.mail.unwrap();
        assert_eq!(
            snapshot.record.get(Field::FromAddress).known(),
            Some("Max <max@contoso.example>")
        );
        assert_eq!(facts.message_id.as_deref(), Some("1@contoso.example"));
        assert_eq!(
            (facts.place, facts.size, facts.thread.as_deref()),
            (MailPlace::Inbox, 5120, Some("AAQkAGE1"))
        );
        assert!(facts.encrypted && facts.service && facts.has_attachments && facts.incoming);
        let mut invitation = example();
        invitation["@odata.type"] = json!("#microsoft.graph.eventMessageRequest");
        assert!(read(&invitation).unwrap().meeting);
        let mut cut = example();
        cut.as_object_mut().unwrap().remove("toRecipients");
        assert!(read(&cut).is_none());
    }
}
