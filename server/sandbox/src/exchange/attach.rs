//! GetAttachment, CreateAttachment, DeleteAttachment.

use std::sync::Arc;

use super::content::{Around, Attachment, Class, Content, Shape, Source};
use super::items::{Target, resolve, too_large};
use super::mime::Piece;
use super::props::{base64, write_time};
use super::store::encode;
use super::xml::{Element, tag, wrap};
use super::{Call, Fail, Reply};

impl Attachment {
    /// Writes `t:FileAttachment` or `t:ItemAttachment`; with a shape also what is in it.
    pub(super) fn write(&self, out: &mut String, around: &Around<'_>, shape: Option<&Shape>) {
        let mut inner = String::new();
        let id = around
            .mailbox
            .attachment_id(around.number, around.moves, self.number);
        wrap(&mut inner, "t:AttachmentId", &[("Id", &id)], "");
        if !self.name.is_empty() {
            tag(&mut inner, "t:Name", &self.name);
        }
        if !self.content_type.is_empty() {
            tag(&mut inner, "t:ContentType", &self.content_type);
        }
        if !self.content_id.is_empty() {
            tag(&mut inner, "t:ContentId", &self.content_id);
        }
        tag(&mut inner, "t:Size", &self.content.len().to_string());
        tag(&mut inner, "t:LastModifiedTime", &write_time(self.modified));
        tag(
            &mut inner,
            "t:IsInline",
            if self.inline { "true" } else { "false" },
        );
        if let Some(item) = &self.item {
            if let Some(shape) = shape {
                item.write_attached(&mut inner, shape, around);
            }
            wrap(out, "t:ItemAttachment", &[], &inner);
            return;
        }
        if shape.is_some() {
            tag(&mut inner, "t:Content", &encode(&self.content));
        }
        wrap(out, "t:FileAttachment", &[], &inner);
    }
}

fn find(call: &Call<'_>, element: &Element) -> Result<(u64, u64), Fail> {
    let id = element.attr("Id").unwrap_or_default();
    if let Some(found) = call.mailbox().attachment_of(id) {
        return Ok(found);
    }
    if base64(id).is_none_or(|bytes| bytes.len() < 32) {
        return Err(Fail::new(
            "ErrorInvalidAttachmentId",
            "The attachment id is malformed.",
        ));
    }
    Err(Fail::new(
        "ErrorItemNotFound",
        "The specified attachment was not found in the store.",
    ))
}

pub(super) fn get(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
    let default = Element {
        attrs: Vec::new(),
        children: vec![Element {
            name: "BaseShape".to_owned(),
            text: "AllProperties".to_owned(),
            attrs: Vec::new(),
            children: Vec::new(),
            ns: request.ns,
        }],
        ..request.clone()
    };
    let mut shape = default;
    if let Some(given) = request.child("AttachmentShape") {
        shape.children.extend(given.children.iter().cloned());
    }
    let shape = Shape::parse(&shape, Source::Item)?;
    let mut reply = Reply::new("GetAttachment");
    for id in request.list("AttachmentIds") {
        let outcome = call
            .item_fault()
            .and_then(|()| find(call, id))
            .and_then(|(number, wanted)| {
                let mailbox = call.mailbox();
                let mut all = String::new();
                if let Some(item) = mailbox.items.get(&number)
                    && let Some(attachment) = item.content.attachments.iter().find(|a| a.number == wanted)
                {
                    if attachment.content.len() > super::items::LARGEST {
                        return Err(too_large());
                    }
                    mailbox.around(number, item, |around| {
                        attachment.write(&mut all, around, Some(&shape));
                    });
                }
                let mut out = String::new();
                wrap(&mut out, "m:Attachments", &[], &all);
                Ok(out)
            });
        reply.add(outcome, "<m:Attachments/>");
    }
    Ok(reply.finish())
}

/// What a request wants to attach.
fn read(call: &Call<'_>, element: &Element) -> Result<(Piece, Option<Box<Content>>), Fail> {
    let text = |name: &str| element.child_text(name).unwrap_or_default().to_owned();
    let mut piece = Piece {
        name: text("Name"),
        content_type: text("ContentType"),
        content_id: text("ContentId"),
        inline: matches!(text("IsInline").trim(), "true" | "1"),
        content: Vec::new(),
    };
    if element.name == "FileAttachment" {
        piece.content = base64(&text("Content"))
            .ok_or_else(|| Fail::new("ErrorInvalidValueForProperty", "The content is no base64."))?;
        if piece.content_type.is_empty() {
            "application/octet-stream".clone_into(&mut piece.content_type);
        }
        return Ok((piece, None));
    }
    let inner = element
        .children
        .iter()
        .find_map(|c| Class::of_element(&c.name).map(|class| (class, c)));
    let Some((class, inner)) = inner else {
        return Err(Fail::new(
            "ErrorMissingItemForCreateItemAttachment",
            "The attached item is missing.",
        ));
    };
    let item = Content::create(class, inner, call.ctx())?;
    Ok((piece, Some(Box::new(item))))
}

pub(super) fn create(call: &mut Call<'_>, request: &Element) -> String {
    let parent = match request.child("ParentItemId") {
        Some(id) => resolve(call, id).and_then(Target::item),
        None => Err(super::store::no_item()),
    };
    let mut reply = Reply::new("CreateAttachment");
    for element in request.list("Attachments") {
        let outcome = match &parent {
            Err(fail) => Err(fail.again()),
            Ok(number) => create_one(call, *number, element),
        };
        reply.add(outcome, "<m:Attachments/>");
    }
    reply.finish()
}

fn create_one(call: &mut Call<'_>, number: u64, element: &Element) -> Result<String, Fail> {
    call.item_fault()?;
    let (piece, attached) = read(call, element)?;
    let now = call.now;
    let mailbox = call.mailbox_mut();
    let Some(item) = mailbox.items.get(&number) else {
        return Err(super::store::no_item());
    };
    let mut content = item.content.clone();
    let made = content.attach(piece, now);
    if let (Some(last), Some(attached)) = (content.attachments.last_mut(), attached) {
        last.content = Arc::clone(&attached.mime_bytes(&mailbox.me));
        last.item = Some(attached);
    }
    mailbox.change(number, content, now);
    let mailbox = call.mailbox();
    let Some(item) = mailbox.items.get(&number) else {
        return Err(super::store::no_item());
    };
    let id = mailbox.attachment_id(number, item.moves, made);
    let root = mailbox.item_id(number, item.moves);
    let key = mailbox.change_key(number, item.seq);
    let mut inner = String::new();
    let attrs = [
        ("Id", id.as_str()),
        ("RootItemId", &root),
        ("RootItemChangeKey", &key),
    ];
    wrap(&mut inner, "t:AttachmentId", &attrs, "");
    let mut one = String::new();
    wrap(&mut one, &format!("t:{}", element.name), &[], &inner);
    let mut out = String::new();
    wrap(&mut out, "m:Attachments", &[], &one);
    Ok(out)
}

pub(super) fn delete(call: &mut Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("DeleteAttachment");
    for id in request.list("AttachmentIds") {
        let outcome = call
            .item_fault()
            .and_then(|()| find(call, id))
            .map(|(number, wanted)| {
                let now = call.now;
                let mailbox = call.mailbox_mut();
                if let Some(item) = mailbox.items.get(&number) {
                    let mut content = item.content.clone();
                    content.attachments.retain(|a| a.number != wanted);
                    content.mime = None;
                    mailbox.change(number, content, now);
                }
                let mut out = String::new();
                if let Some(item) = mailbox.items.get(&number) {
                    let (root, key) = (
                        mailbox.item_id(number, item.moves),
                        mailbox.change_key(number, item.seq),
                    );
                    let attrs = [("RootItemId", root.as_str()), ("RootItemChangeKey", &key)];
                    wrap(&mut out, "m:RootItemId", &attrs, "");
                }
                out
            });
        reply.add(outcome, "");
    }
    reply.finish()
}
