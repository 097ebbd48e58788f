//! FindItem, GetItem, CreateItem, UpdateItem, DeleteItem, MoveItem.

use super::contact::{Contact, Shape, Source};
use super::folders::resolve as resolve_folder;
use super::props::base64;
use super::search::{Filter, compare, page, sort_order};
use super::store::{no_folder, no_item};
use super::xml::{Element, wrap};
use super::{Call, Fail, Reply};
use crate::faults::Kind;

/// Finds the item that a `t:ItemId` names.
pub(super) fn resolve(call: &Call<'_>, element: &Element) -> Result<u64, Fail> {
    let id = element.attr("Id").unwrap_or_default();
    if id.is_empty() {
        return Err(Fail::new("ErrorInvalidIdEmpty", "The Id is empty."));
    }
    if let Some(key) = element.attr("ChangeKey")
        && !key.is_empty()
        && base64(key).is_none_or(|bytes| bytes.len() < 12)
    {
        return Err(Fail::new("ErrorInvalidChangeKey", "The change key is invalid."));
    }
    let mailbox = call.mailbox();
    if let Some(number) = mailbox.item_of(id) {
        return Ok(number);
    }
    if mailbox.folder_of(id).is_some() {
        return Err(Fail::new(
            "ErrorCannotUseFolderIdForItemId",
            "A folder id was given for an item.",
        ));
    }
    if call.store.mailboxes.iter().any(|m| m.item_of(id).is_some()) {
        return Err(Fail::new(
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ));
    }
    if base64(id).is_none_or(|bytes| bytes.len() < 32) {
        return Err(Fail::new("ErrorInvalidIdMalformed", "Id is malformed."));
    }
    Err(no_item())
}

/// `m:Items` with one contact of which only the id is told.
fn id_only(call: &Call<'_>, number: u64) -> String {
    let mailbox = call.mailbox();
    let Some(item) = mailbox.items.get(&number) else {
        return "<m:Items/>".to_owned();
    };
    let (id, key) = (
        mailbox.item_id(number, item.moves),
        mailbox.change_key(number, item.seq),
    );
    let mut out = String::from("<m:Items><t:Contact>");
    wrap(&mut out, "t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
    out.push_str("</t:Contact></m:Items>");
    out
}

pub(super) fn find(call: &Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("FindItem");
    for id in request.list("ParentFolderIds") {
        reply.add(find_in(call, request, id), "");
    }
    reply.finish()
}

fn find_in(call: &Call<'_>, request: &Element, id: &Element) -> Result<String, Fail> {
    let folder = resolve_folder(call, id)?;
    let empty = Element {
        attrs: Vec::new(),
        children: Vec::new(),
        ..request.clone()
    };
    let shape = Shape::parse(request.child("ItemShape").unwrap_or(&empty), Source::Table)?;
    let filter = match request.list("Restriction") {
        [expression] => Some(Filter::parse(expression)?),
        _ => None,
    };
    let order = sort_order(request.list("SortOrder"))?;
    let mailbox = call.mailbox();
    let mut found: Vec<u64> = mailbox
        .items_in(folder)
        .filter(|(number, item)| {
            filter.as_ref().is_none_or(|f| {
                mailbox.around(*number, item, |around| {
                    f.passes(&|path| item.contact.values(path, around))
                })
            })
        })
        .map(|(number, _)| number)
        .collect();
    // Soft-deleted and associated items are not played: none are there.
    if request.attr("Traversal") != Some("Shallow") || call.take(|k| *k == Kind::Empty).is_some() {
        found.clear();
    }
    let value = |number: u64, path| {
        mailbox.items.get(&number).and_then(|item| {
            mailbox.around(number, item, |around| {
                item.contact.values(path, around).into_iter().next()
            })
        })
    };
    found.sort_by(|a, b| {
        for (path, descending) in &order {
            let (x, y) = (value(*a, path), value(*b, path));
            let ordering = match (&x, &y) {
                (Some(x), Some(y)) => compare(x, y),
                _ => x.is_some().cmp(&y.is_some()),
            };
            let ordering = if *descending { ordering.reverse() } else { ordering };
            if ordering.is_ne() {
                return ordering;
            }
        }
        a.cmp(b)
    });
    let (range, next, last) = page(request.child("IndexedPageItemView"), found.len());
    let mut list = String::new();
    for number in &found[range] {
        if let Some(item) = mailbox.items.get(number) {
            mailbox.around(*number, item, |around| {
                item.contact.write(&mut list, &shape, around);
            });
        }
    }
    let mut inner = String::new();
    wrap(&mut inner, "t:Items", &[], &list);
    let attrs = [
        ("IndexedPagingOffset", next.to_string()),
        ("TotalItemsInView", found.len().to_string()),
        ("IncludesLastItemInRange", last.to_string()),
    ];
    let attrs: Vec<(&str, &str)> = attrs.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let mut out = String::new();
    wrap(&mut out, "m:RootFolder", &attrs, &inner);
    Ok(out)
}

pub(super) fn get(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
    let mut reply = Reply::new("GetItem");
    let Some(shape) = request.child("ItemShape") else {
        return Err(Fail::new(
            "ErrorInvalidRequest",
            "The request is invalid: no shape.",
        ));
    };
    let shape = Shape::parse(shape, Source::Item);
    for id in request.list("ItemIds") {
        let outcome = match &shape {
            Err(fail) => Err(Fail {
                code: fail.code,
                text: fail.text.clone(),
                xml: fail.xml.clone(),
            }),
            Ok(shape) => resolve(call, id).map(|number| {
                let mailbox = call.mailbox();
                let mut item = String::new();
                if let Some(found) = mailbox.items.get(&number) {
                    mailbox.around(number, found, |around| {
                        found.contact.write(&mut item, shape, around);
                    });
                }
                let mut out = String::new();
                wrap(&mut out, "m:Items", &[], &item);
                out
            }),
        };
        reply.add(outcome, "<m:Items/>");
    }
    Ok(reply.finish())
}

pub(super) fn create(call: &mut Call<'_>, request: &Element) -> String {
    let folder = match request.list("SavedItemFolderId").first() {
        Some(id) => resolve_folder(call, id),
        None => call.mailbox().distinguished("contacts").ok_or_else(no_folder),
    };
    let mut reply = Reply::new("CreateItem");
    for element in request.list("Items") {
        let outcome = match &folder {
            Err(fail) => Err(Fail {
                code: fail.code,
                text: fail.text.clone(),
                xml: fail.xml.clone(),
            }),
            Ok(folder) => create_one(call, *folder, element).map(|number| id_only(call, number)),
        };
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}

fn holds_contacts(call: &Call<'_>, folder: u64) -> bool {
    call.mailbox().folders.get(&folder).is_some_and(|f| {
        f.class.starts_with("IPF.Contact")
            || matches!(
                f.distinguished,
                Some("deleteditems" | "recoverableitemsdeletions")
            )
    })
}

fn create_one(call: &mut Call<'_>, folder: u64, element: &Element) -> Result<u64, Fail> {
    if !holds_contacts(call, folder) {
        return Err(Fail::new(
            "ErrorCannotCreateContactInNonContactFolder",
            "Contact objects can only be created in contact folders.",
        ));
    }
    let contact = Contact::create(element)?;
    let now = call.now;
    Ok(call.mailbox_mut().create(folder, contact, now, now))
}

pub(super) fn update(call: &mut Call<'_>, request: &Element) -> String {
    let overwrite = request.attr("ConflictResolution") == Some("AlwaysOverwrite");
    let mut reply = Reply::new("UpdateItem");
    for change in request.list("ItemChanges") {
        let outcome = update_one(call, change, overwrite).map(|number| {
            let mut out = id_only(call, number);
            out.push_str("<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>");
            out
        });
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}

fn update_one(call: &mut Call<'_>, change: &Element, overwrite: bool) -> Result<u64, Fail> {
    let (Some(id), Some(updates)) = (change.child("ItemId"), change.child("Updates")) else {
        return Err(Fail::new("ErrorInvalidRequest", "The request is invalid."));
    };
    let number = resolve(call, id)?;
    let conflict = || {
        Fail::new(
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does \
not match the current change key for the item.",
        )
    };
    let mailbox = call.mailbox();
    let Some(item) = mailbox.items.get(&number) else {
        return Err(no_item());
    };
    if !overwrite {
        match id.attr("ChangeKey") {
            None | Some("") => {
                return Err(Fail::new(
                    "ErrorChangeKeyRequiredForWriteOperations",
                    "A change key is required for this operation.",
                ));
            }
            Some(key) if key != mailbox.change_key(number, item.seq) => return Err(conflict()),
            Some(_) => {}
        }
    }
    if call.take(|k| *k == Kind::StaleVersion).is_some() {
        return Err(conflict());
    }
    let mut contact = item.contact.clone();
    contact.update(updates)?;
    let now = call.now;
    call.mailbox_mut().change(number, contact, now);
    Ok(number)
}

pub(super) fn delete(call: &mut Call<'_>, request: &Element) -> String {
    let how = request.attr("DeleteType").unwrap_or_default();
    let mut reply = Reply::new("DeleteItem");
    for id in request.list("ItemIds") {
        let outcome = resolve(call, id).map(|number| {
            dispose(call.store.mailboxes.get_mut(call.me), number, how, call.now);
            String::new()
        });
        reply.add(outcome, "");
    }
    reply.finish()
}

/// Deletes as `t:DisposalType` says: to Deleted Items, to the dumpster, or for good.
pub(super) fn dispose(mailbox: Option<&mut super::store::Mailbox>, number: u64, how: &str, now: i64) {
    let Some(mailbox) = mailbox else { return };
    let bin = mailbox.distinguished("deleteditems").unwrap_or_default();
    let dumpster = mailbox
        .distinguished("recoverableitemsdeletions")
        .unwrap_or_default();
    let folder = mailbox.items.get(&number).map_or(0, |i| i.folder);
    let in_bin = folder == bin || mailbox.is_below(folder, bin);
    match how {
        "MoveToDeletedItems" if !in_bin && folder != dumpster => mailbox.shift(number, bin, now),
        "MoveToDeletedItems" | "SoftDelete" if folder != dumpster => mailbox.shift(number, dumpster, now),
        _ => mailbox.remove(number, now),
    }
}

pub(super) fn shift(call: &mut Call<'_>, request: &Element) -> String {
    let to = match request.list("ToFolderId").first() {
        Some(id) => resolve_folder(call, id),
        None => Err(no_folder()),
    };
    let ids_back = request
        .child_text("ReturnNewItemIds")
        .is_none_or(|t| matches!(t.trim(), "true" | "1"));
    let mut reply = Reply::new("MoveItem");
    for id in request.list("ItemIds") {
        let outcome = match &to {
            Err(fail) => Err(Fail::new(
                if fail.code == "ErrorFolderNotFound" {
                    "ErrorToFolderNotFound"
                } else {
                    fail.code
                },
                fail.text.clone(),
            )),
            Ok(to) => resolve(call, id).map(|number| {
                let now = call.now;
                call.mailbox_mut().shift(number, *to, now);
                if ids_back {
                    id_only(call, number)
                } else {
                    "<m:Items/>".to_owned()
                }
            }),
        };
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}
