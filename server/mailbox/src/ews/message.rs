//! `Message` and its kin: reading, and the search over folders of mail.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/message-ex15websvcsotherref>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::find_item::NAME as FIND;
use super::get_item::{NAME as GET, key_path};
use super::item::{Head, field, flag, read_mailbox, read_person};
use super::soap::envelope;
use super::{FolderRef, item_id};
use crate::mail::Mail;
use crate::map::CATEGORY;
use crate::xml::{Element, Reader, Xml, XmlError};

/// The headers that tell a machine's mail from a person's.
pub(crate) const HEADERS: [&str; 5] = [
    "Auto-Submitted",
    "Precedence",
    "List-Id",
    "X-Auto-Response-Suppress",
    "Content-Class",
];

pub(super) fn properties(xml: &mut Xml) {
    for uri in [
        "item:ParentFolderId",
        "item:ItemClass",
        "item:Subject",
        "item:Sensitivity",
        "item:Categories",
        "item:DateTimeCreated",
        "item:LastModifiedTime",
    ] {
        field(xml, uri);
    }
    own_properties(xml);
    key_path(xml);
}

pub(super) fn own_properties(xml: &mut Xml) {
    for uri in [
        "item:DateTimeReceived",
        "item:Size",
        "item:IsDraft",
        "item:IsFromMe",
        "item:DateTimeSent",
        "item:HasAttachments",
        "item:ConversationId",
        "message:From",
        "message:ToRecipients",
        "message:CcRecipients",
        "message:InternetMessageId",
    ] {
        field(xml, uri);
    }
    for header in HEADERS {
        xml.empty(
            "t:IndexedFieldURI",
            &[("FieldURI", "item:InternetMessageHeader"), ("FieldIndex", header)],
        );
    }
}

pub(super) fn read(reader: &mut Reader<'_>, element: &Element) -> Result<Mail, XmlError> {
    let mut mail = Mail {
        // Invitations and answers: whatever their class says.
        meeting: !element.is("Message"),
        ..Mail::default()
    };
    let mut head = Head::default();
    reader.each(|reader, child| {
        if head.read(reader, child)? {
            return Ok(());
        }
        match child.name.as_str() {
            "DateTimeReceived" => mail.received = reader.text()?,
            "DateTimeSent" => mail.sent = reader.text()?,
            "Size" => mail.size = reader.text()?.trim().parse().unwrap_or_default(),
            "IsDraft" => mail.draft = flag(&reader.text()?),
            "IsFromMe" => mail.from_me = flag(&reader.text()?),
            "HasAttachments" => mail.has_attachments = flag(&reader.text()?),
            "ConversationId" => {
                child
                    .attribute("Id")
                    .unwrap_or_default()
                    .clone_into(&mut mail.conversation);
            }
            "From" => mail.from = Some(read_person(reader)?),
            "ToRecipients" => reader.each(|reader, _| {
                mail.to.push(read_mailbox(reader)?);
                Ok(())
            })?,
            "CcRecipients" => reader.each(|reader, _| {
                mail.cc.push(read_mailbox(reader)?);
                Ok(())
            })?,
            "InternetMessageId" => mail.message_id = reader.text()?,
            "InternetMessageHeaders" => reader.each(|reader, header| {
                let name = header
                    .attribute("HeaderName")
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                mail.headers.push((name, reader.text()?));
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    head.check()?;
    mail.head = head;
    Ok(mail)
}

/// Which mails a search lists: instants as EWS writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    /// Came or went from then on …
    pub(crate) from: String,
    /// … and before then.
    pub(crate) to: Option<String>,
    /// And was changed from then on.
    pub(crate) modified: Option<String>,
    /// And older ones that the user asks for.
    pub(crate) older: Older,
}

/// Which mails are listed that came before the range begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Older {
    #[default]
    None,
    /// Those with our category that were changed since then: those saved long ago have it, too.
    Marked,
    /// Those that were changed since then or have no category of ours: so many lie in our folder.
    Unsaved,
}

/// A page of the mails in several folders, oldest first, so that what comes meanwhile stands at the end. Ids only:
/// a table of a folder has neither recipients nor headers.
pub(crate) fn find(folders: &[&str], range: &Range, offset: u32, page: u32) -> Vec<u8> {
    envelope(FIND, &[("Traversal", "Shallow")], |xml| {
        xml.element("m:ItemShape", &[], |xml| xml.text("t:BaseShape", &[], "IdOnly"));
        let (page, offset) = (page.to_string(), offset.to_string());
        xml.empty(
            "m:IndexedPageItemView",
            &[
                ("MaxEntriesReturned", &page),
                ("Offset", &offset),
                ("BasePoint", "Beginning"),
            ],
        );
        xml.element("m:Restriction", &[], |xml| {
            restriction(xml, range);
        });
        xml.element("m:SortOrder", &[], |xml| {
            xml.element("t:FieldOrder", &[("Order", "Ascending")], |xml| {
                field(xml, "item:DateTimeReceived");
            });
        });
        xml.element("m:ParentFolderIds", &[], |xml| {
            for folder in folders {
                FolderRef::Id(folder).write(xml);
            }
        });
    })
}

fn restriction(xml: &mut Xml, range: &Range) {
    let changed = range.modified.as_deref().unwrap_or(&range.from);
    match range.older {
        Older::None => dates(xml, range),
        Older::Marked => xml.element("t:Or", &[], |xml| {
            dates(xml, range);
            xml.element("t:And", &[], |xml| {
                since(xml, "item:LastModifiedTime", changed);
                compare(xml, "t:IsEqualTo", "item:Categories", CATEGORY);
            });
        }),
        Older::Unsaved => xml.element("t:Or", &[], |xml| {
            dates(xml, range);
            since(xml, "item:LastModifiedTime", changed);
            xml.element("t:Not", &[], |xml| {
                compare(xml, "t:IsEqualTo", "item:Categories", CATEGORY);
            });
        }),
    }
}

fn dates(xml: &mut Xml, range: &Range) {
    if range.to.is_none() && range.modified.is_none() {
        return since(xml, "item:DateTimeReceived", &range.from);
    }
    xml.element("t:And", &[], |xml| {
        since(xml, "item:DateTimeReceived", &range.from);
        if let Some(to) = &range.to {
            compare(xml, "t:IsLessThan", "item:DateTimeReceived", to);
        }
        if let Some(modified) = &range.modified {
            since(xml, "item:LastModifiedTime", modified);
        }
    });
}

fn since(xml: &mut Xml, uri: &str, at: &str) {
    compare(xml, "t:IsGreaterThanOrEqualTo", uri, at);
}

fn compare(xml: &mut Xml, how: &str, uri: &str, value: &str) {
    xml.element(how, &[], |xml| {
        field(xml, uri);
        xml.element("t:FieldURIOrConstant", &[], |xml| {
            xml.empty("t:Constant", &[("Value", value)]);
        });
    });
}

/// The sizes of mails, to know what may be fetched.
pub(crate) fn sizes(ids: &[&str]) -> Vec<u8> {
    shaped(ids, |xml| {
        xml.element("t:AdditionalProperties", &[], |xml| {
            field(xml, "item:ItemClass");
            field(xml, "item:Size");
        });
    })
}

/// The whole messages, as they were sent.
pub(crate) fn contents(ids: &[&str]) -> Vec<u8> {
    shaped(ids, |xml| xml.text("t:IncludeMimeContent", &[], "true"))
}

fn shaped(ids: &[&str], more: impl FnOnce(&mut Xml)) -> Vec<u8> {
    envelope(GET, &[], |xml| {
        xml.element("m:ItemShape", &[], |xml| {
            xml.text("t:BaseShape", &[], "IdOnly");
            more(xml);
        });
        xml.element("m:ItemIds", &[], |xml| {
            for id in ids {
                item_id(xml, id, None);
            }
        });
    })
}

/// One message's answer to [`sizes`] or [`contents`].
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) class: String,
    pub(crate) size: Option<u64>,
    /// Decoded; `None`: the server gave none, or nothing that can be decoded.
    pub(crate) mime: Option<Vec<u8>>,
}

pub(crate) fn whole_payload(
    reader: &mut Reader<'_>,
    child: &Element,
    whole: &mut Whole,
) -> Result<(), XmlError> {
    if !child.is("Items") {
        return Ok(());
    }
    reader.each(|reader, _item| {
        reader.each(|reader, child| {
            match child.name.as_str() {
                "ItemClass" => whole.class = reader.text()?,
                "Size" => whole.size = reader.text()?.trim().parse().ok(),
                "MimeContent" => {
                    let mut text = reader.text()?.into_bytes();
                    text.retain(|byte| !byte.is_ascii_whitespace());
                    whole.mime = STANDARD.decode(text).ok();
                }
                _ => {}
            }
            Ok(())
        })
    })
}
