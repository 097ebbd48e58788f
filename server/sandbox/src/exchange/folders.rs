//! GetFolder, FindFolder, CreateFolder, UpdateFolder, MoveFolder, DeleteFolder.

use std::collections::BTreeMap;

use super::content::RIGHTS;
use super::props::{Path, base64};
use super::search::{Filter, page};
use super::store::{Mailbox, no_folder};
use super::xml::{Element, tag, wrap};
use super::{Call, Fail, Reply};

/// A `t:FolderShape`.
pub(super) struct Shape {
    full: bool,
    default: bool,
    extra: Vec<Path>,
}

impl Shape {
    pub(super) fn parse(element: Option<&Element>) -> Result<Self, Fail> {
        let extra = element.map_or(&[][..], |e| e.list("AdditionalProperties"));
        let extra: Vec<Path> = extra.iter().map(Path::parse).collect::<Result<_, _>>()?;
        for path in &extra {
            if matches!(path, Path::Field(_) | Path::Indexed(..) | Path::Header(_)) {
                return Err(Fail::new(
                    "ErrorInvalidPropertyRequest",
                    "The property can not be used with this type of request.",
                )
                .at(path));
            }
        }
        let base = element
            .and_then(|e| e.child_text("BaseShape"))
            .unwrap_or("IdOnly");
        Ok(Self {
            full: base == "AllProperties",
            default: base != "IdOnly",
            extra,
        })
    }

    fn wants(&self, name: &str) -> bool {
        self.full
            || (self.default
                && matches!(
                    name,
                    "DisplayName" | "UnreadCount" | "TotalCount" | "ChildFolderCount"
                ))
            || self
                .extra
                .iter()
                .any(|p| matches!(p, Path::Foreign(uri) if uri.strip_prefix("folder:") == Some(name)))
    }
}

/// Finds the folder that `t:FolderId` or `t:DistinguishedFolderId` names.
pub(super) fn resolve(call: &Call<'_>, element: &Element) -> Result<u64, Fail> {
    let mailbox = call.mailbox();
    let id = element.attr("Id").unwrap_or_default();
    if element.name == "DistinguishedFolderId" {
        if let Some(address) = element
            .child("Mailbox")
            .and_then(|m| m.child_text("EmailAddress"))
        {
            match call.store.find(address, "") {
                Some(at) if at == call.me => {}
                Some(_) => {
                    return Err(Fail::new(
                        "ErrorAccessDenied",
                        "Access is denied. Check credentials and try again.",
                    ));
                }
                None => {
                    return Err(Fail::new(
                        "ErrorNonExistentMailbox",
                        "The SMTP address has no mailbox associated with it.",
                    ));
                }
            }
        }
        return mailbox.distinguished(id).ok_or_else(no_folder);
    }
    if id.is_empty() {
        return Err(Fail::new("ErrorInvalidIdEmpty", "The Id is empty."));
    }
    if let Some(number) = mailbox.folder_of(id) {
        return Ok(number);
    }
    if mailbox.item_of(id).is_some() {
        return Err(Fail::new(
            "ErrorCannotUseItemIdForFolderId",
            "An item id was given for a folder.",
        ));
    }
    if call.store.mailboxes.iter().any(|m| m.folder_of(id).is_some()) {
        return Err(Fail::new(
            "ErrorAccessDenied",
            "Access is denied. Check credentials and try again.",
        ));
    }
    if base64(id).is_none_or(|bytes| bytes.len() < 32) {
        return Err(Fail::new("ErrorInvalidIdMalformed", "Id is malformed."));
    }
    Err(no_folder())
}

/// The element that a folder is written as.
fn element_name(class: &str) -> &'static str {
    let is = |base: &str| class == base || class.strip_prefix(base).is_some_and(|r| r.starts_with('.'));
    if is("IPF.Contact") {
        "t:ContactsFolder"
    } else if is("IPF.Appointment") {
        "t:CalendarFolder"
    } else if is("IPF.Task") {
        "t:TasksFolder"
    } else {
        "t:Folder"
    }
}

/// Writes a folder with what the shape asks for.
pub(super) fn write(out: &mut String, mailbox: &Mailbox, number: u64, shape: &Shape) {
    let Some(folder) = mailbox.folders.get(&number) else {
        return;
    };
    let element = element_name(&folder.class);
    let mut inner = String::new();
    let key = mailbox.folder_change_key(number);
    wrap(
        &mut inner,
        "t:FolderId",
        &[("Id", &mailbox.folder_id(number)), ("ChangeKey", &key)],
        "",
    );
    if shape.wants("ParentFolderId") && folder.parent != 0 {
        let key = mailbox.folder_change_key(folder.parent);
        let attrs = [("Id", mailbox.folder_id(folder.parent)), ("ChangeKey", key)];
        wrap(
            &mut inner,
            "t:ParentFolderId",
            &[(attrs[0].0, &attrs[0].1), (attrs[1].0, &attrs[1].1)],
            "",
        );
    }
    if shape.wants("FolderClass") && !folder.class.is_empty() {
        tag(&mut inner, "t:FolderClass", &folder.class);
    }
    if shape.wants("DisplayName") {
        tag(&mut inner, "t:DisplayName", &folder.name);
    }
    if shape.wants("TotalCount") {
        tag(
            &mut inner,
            "t:TotalCount",
            &mailbox.items_in(number).count().to_string(),
        );
    }
    if shape.wants("ChildFolderCount") {
        tag(
            &mut inner,
            "t:ChildFolderCount",
            &mailbox.children(number).count().to_string(),
        );
    }
    for path in &shape.extra {
        let Path::Extended { key, ty, .. } = path else {
            continue;
        };
        if let Some((_, values)) = folder.extended.get(key).filter(|(t, _)| t == ty) {
            let mut property = String::new();
            path.write(&mut property);
            if ty.ends_with("Array") {
                let mut all = String::new();
                for value in values {
                    tag(&mut all, "t:Value", value);
                }
                wrap(&mut property, "t:Values", &[], &all);
            } else {
                tag(
                    &mut property,
                    "t:Value",
                    values.first().map_or("", String::as_str),
                );
            }
            wrap(&mut inner, "t:ExtendedProperty", &[], &property);
        }
    }
    if shape.wants("EffectiveRights") {
        inner.push_str(RIGHTS);
    }
    if shape.wants("DistinguishedFolderId")
        && let Some(name) = folder.distinguished
    {
        tag(&mut inner, "t:DistinguishedFolderId", name);
    }
    if matches!(element, "t:Folder" | "t:TasksFolder") && shape.wants("UnreadCount") {
        tag(&mut inner, "t:UnreadCount", &mailbox.unread(number).to_string());
    }
    wrap(out, element, &[], &inner);
}

fn one(mailbox: &Mailbox, number: u64, shape: &Shape) -> String {
    let mut folder = String::new();
    write(&mut folder, mailbox, number, shape);
    let mut out = String::new();
    wrap(&mut out, "m:Folders", &[], &folder);
    out
}

pub(super) fn get(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
    let shape = Shape::parse(request.child("FolderShape"))?;
    let mut reply = Reply::new("GetFolder");
    for id in request.list("FolderIds") {
        reply.add(
            resolve(call, id).map(|number| one(call.mailbox(), number, &shape)),
            "<m:Folders/>",
        );
    }
    Ok(reply.finish())
}

pub(super) fn find(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
    let shape = Shape::parse(request.child("FolderShape"))?;
    let filter = match request.list("Restriction") {
        [expression] => Some(Filter::parse(expression)?),
        _ => None,
    };
    let deep = request.attr("Traversal") == Some("Deep");
    let soft_deleted = request.attr("Traversal") == Some("SoftDeleted");
    let mailbox = call.mailbox();
    let mut reply = Reply::new("FindFolder");
    for id in request.list("ParentFolderIds") {
        let outcome = resolve(call, id).map(|parent| {
            let found: Vec<u64> = mailbox
                .folders
                .iter()
                .filter(|(n, f)| {
                    !soft_deleted && (f.parent == parent || (deep && mailbox.is_below(**n, parent)))
                })
                .filter(|(n, f)| {
                    filter.as_ref().is_none_or(|filter| {
                        filter.passes(&|path| match path {
                            Path::Foreign(uri) => match uri.as_str() {
                                "folder:DisplayName" => vec![f.name.clone()],
                                "folder:FolderClass" => vec![f.class.clone()],
                                "folder:TotalCount" => vec![mailbox.items_in(**n).count().to_string()],
                                _ => Vec::new(),
                            },
                            Path::Extended { key, ty, .. } => f
                                .extended
                                .get(key)
                                .filter(|(t, _)| t == ty)
                                .map(|(_, v)| v.clone())
                                .unwrap_or_default(),
                            _ => Vec::new(),
                        })
                    })
                })
                .map(|(n, _)| *n)
                .collect();
            let (range, next, last) = page(request.child("IndexedPageFolderView"), found.len());
            let mut list = String::new();
            found[range]
                .iter()
                .for_each(|n| write(&mut list, mailbox, *n, &shape));
            let mut inner = String::new();
            wrap(&mut inner, "t:Folders", &[], &list);
            let mut out = String::new();
            let attrs = [
                ("IndexedPagingOffset", next.to_string()),
                ("TotalItemsInView", found.len().to_string()),
                ("IncludesLastItemInRange", last.to_string()),
            ];
            let attrs: Vec<(&str, &str)> = attrs.iter().map(|(n, v)| (*n, v.as_str())).collect();
            wrap(&mut out, "m:RootFolder", &attrs, &inner);
            out
        });
        reply.add(outcome, "");
    }
    Ok(reply.finish())
}

pub(super) fn create(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let id_only = Shape::parse(None)?;
    let parent = match request.list("ParentFolderId").first() {
        Some(id) => resolve(call, id),
        None => Err(no_folder()),
    };
    let mut reply = Reply::new("CreateFolder");
    for folder in request.list("Folders") {
        let outcome = match &parent {
            Ok(parent) => {
                create_one(call, *parent, folder).map(|number| one(call.mailbox(), number, &id_only))
            }
            Err(fail) => Err(Fail::new(
                if fail.code == "ErrorFolderNotFound" {
                    "ErrorParentFolderNotFound"
                } else {
                    fail.code
                },
                fail.text.clone(),
            )),
        };
        reply.add(outcome, "<m:Folders/>");
    }
    Ok(reply.finish())
}

fn create_one(call: &mut Call<'_>, parent: u64, folder: &Element) -> Result<u64, Fail> {
    let class = folder.child_text("FolderClass").filter(|c| !c.is_empty());
    let own_class = match folder.name.as_str() {
        "ContactsFolder" => "IPF.Contact",
        "CalendarFolder" => "IPF.Appointment",
        "TasksFolder" => "IPF.Task",
        _ => "IPF.Note",
    };
    let class = class.unwrap_or(own_class).to_owned();
    if folder.name != "Folder" && element_name(&class) != format!("t:{}", folder.name) {
        return Err(Fail::new(
            "ErrorNoFolderClassOverride",
            "The folder class cannot be overridden.",
        ));
    }
    let name = folder.child_text("DisplayName").unwrap_or_default().trim();
    if name.is_empty() {
        return Err(Fail::new(
            "ErrorFolderSave",
            "Folder save failed: it has no display name.",
        ));
    }
    let mailbox = call.mailbox();
    let exists = mailbox.children(parent).any(|n| {
        mailbox
            .folders
            .get(&n)
            .is_some_and(|f| f.name.to_lowercase() == name.to_lowercase())
    });
    if exists {
        return Err(Fail::new(
            "ErrorFolderExists",
            "A folder with the specified name already exists.",
        ));
    }
    let mut extended = BTreeMap::new();
    for property in folder.children.iter().filter(|c| c.name == "ExtendedProperty") {
        let Some(uri) = property.child("ExtendedFieldURI") else {
            continue;
        };
        if let Path::Extended { key, ty, .. } = Path::parse(uri)? {
            let values = match property.child("Values") {
                Some(values) => values.children.iter().map(|v| v.text.clone()).collect(),
                None => vec![property.child_text("Value").unwrap_or_default().to_owned()],
            };
            extended.insert(key, (ty, values));
        }
    }
    let now = call.now;
    let mailbox = call.mailbox_mut();
    let number = mailbox.create_folder(parent, &class, name, now);
    if let Some(folder) = mailbox.folders.get_mut(&number) {
        folder.extended = extended;
    }
    Ok(number)
}

pub(super) fn delete(call: &mut Call<'_>, request: &Element) -> String {
    let how = request.attr("DeleteType").unwrap_or_default();
    let mut reply = Reply::new("DeleteFolder");
    for id in request.list("FolderIds") {
        let outcome = resolve(call, id).and_then(|number| {
            let now = call.now;
            let mailbox = call.mailbox_mut();
            if mailbox
                .folders
                .get(&number)
                .is_some_and(|f| f.distinguished.is_some())
            {
                return Err(Fail::new(
                    "ErrorDeleteDistinguishedFolder",
                    "Distinguished folders cannot be deleted.",
                ));
            }
            let bin = mailbox.distinguished("deleteditems");
            let into = bin.filter(|bin| how == "MoveToDeletedItems" && !mailbox.is_below(number, *bin));
            mailbox.remove_folder(number, into, now);
            Ok(String::new())
        });
        reply.add(outcome, "");
    }
    reply.finish()
}

fn not_a_system_folder(mailbox: &Mailbox, number: u64, code: &'static str) -> Result<(), Fail> {
    match mailbox.folders.get(&number) {
        Some(f) if f.distinguished.is_some() => Err(Fail::new(
            code,
            "The operation is not possible with a distinguished folder.",
        )),
        Some(_) => Ok(()),
        None => Err(no_folder()),
    }
}

fn is_free(mailbox: &Mailbox, parent: u64, name: &str, but: u64) -> Result<(), Fail> {
    let taken = mailbox.children(parent).filter(|n| *n != but).any(|n| {
        mailbox
            .folders
            .get(&n)
            .is_some_and(|f| f.name.to_lowercase() == name.to_lowercase())
    });
    if taken {
        return Err(Fail::new(
            "ErrorFolderExists",
            "A folder with the specified name already exists.",
        ));
    }
    Ok(())
}

/// Renames: no other property of a folder can be set here.
pub(super) fn update(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let id_only = Shape::parse(None)?;
    let mut reply = Reply::new("UpdateFolder");
    for change in request.list("FolderChanges") {
        let outcome = update_one(call, change).map(|number| one(call.mailbox(), number, &id_only));
        reply.add(outcome, "<m:Folders/>");
    }
    Ok(reply.finish())
}

fn update_one(call: &mut Call<'_>, change: &Element) -> Result<u64, Fail> {
    let id = ["FolderId", "DistinguishedFolderId"]
        .iter()
        .find_map(|name| change.child(name));
    let number = resolve(call, id.ok_or_else(no_folder)?)?;
    let mut name = None;
    for update in change.list("Updates") {
        let path = update.children.first().map(Path::parse).transpose()?;
        let value = update
            .children
            .get(1)
            .and_then(|f| f.child_text("DisplayName"))
            .unwrap_or_default()
            .trim();
        match path {
            Some(Path::Foreign(uri)) if uri == "folder:DisplayName" && !value.is_empty() => {
                name = Some(value.to_owned());
            }
            other => {
                let fail = Fail::new(
                    "ErrorInvalidPropertySet",
                    "Only the display name of a folder can be set.",
                );
                return Err(match other {
                    Some(path) => fail.at(&path),
                    None => fail,
                });
            }
        }
    }
    let mailbox = call.mailbox();
    not_a_system_folder(mailbox, number, "ErrorFolderSave")?;
    let parent = mailbox.folders.get(&number).map_or(0, |f| f.parent);
    let name = name.ok_or_else(|| Fail::new("ErrorFolderSave", "Nothing to change."))?;
    is_free(mailbox, parent, &name, number)?;
    let now = call.now;
    call.mailbox_mut().change_folder(number, parent, &name, now);
    Ok(number)
}

pub(super) fn shift(call: &mut Call<'_>, request: &Element) -> Result<String, Fail> {
    let id_only = Shape::parse(None)?;
    let to = match request.list("ToFolderId").first() {
        Some(id) => resolve(call, id)?,
        None => return Err(no_folder()),
    };
    let mut reply = Reply::new("MoveFolder");
    for id in request.list("FolderIds") {
        let outcome = resolve(call, id).and_then(|number| {
            let mailbox = call.mailbox();
            not_a_system_folder(mailbox, number, "ErrorMoveDistinguishedFolder")?;
            if number == to || mailbox.is_below(to, number) {
                return Err(Fail::new(
                    "ErrorMoveCopyFailed",
                    "A folder cannot be moved into itself.",
                ));
            }
            let name = mailbox
                .folders
                .get(&number)
                .map_or("", |f| f.name.as_str())
                .to_owned();
            is_free(mailbox, to, &name, number)?;
            let now = call.now;
            call.mailbox_mut().change_folder(number, to, &name, now);
            Ok(one(call.mailbox(), number, &id_only))
        });
        reply.add(outcome, "<m:Folders/>");
    }
    Ok(reply.finish())
}
