//! Folders: of mail, of contacts, calendars, and the lists of To Do.
//!
//! <https://learn.microsoft.com/graph/api/resources/mailfolder>

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::Call;
use super::values::text;

/// Which folders an address means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Mail,
    Contacts,
    Calendars,
    Lists,
}

impl Sort {
    /// How the class of such folders starts.
    fn class(self) -> &'static str {
        match self {
            Self::Mail => "IPF.Note",
            Self::Contacts => "IPF.Contact",
            Self::Calendars => "IPF.Appointment",
            Self::Lists => "IPF.Task",
        }
    }

    fn fits(self, class: &str) -> bool {
        let base = self.class();
        class == base || class.strip_prefix(base).is_some_and(|rest| rest.starts_with('.'))
    }

    fn ty(self) -> &'static str {
        match self {
            Self::Mail => "mailFolders",
            Self::Contacts => "contactFolders",
            Self::Calendars => "calendars",
            Self::Lists => "todo/lists",
        }
    }
}

/// The well-known names of mail folders that the sandbox has, in small letters.
const WELL_KNOWN: &[&str] = &[
    "inbox",
    "drafts",
    "sentitems",
    "deleteditems",
    "outbox",
    "junkemail",
    "msgfolderroot",
    "archive",
    "conversationhistory",
    "recoverableitemsdeletions",
];
/// No folder: what was flagged in the inbox.
pub(super) const FLAGGED: &str = "flaggedEmails";

fn no_folder() -> Refused {
    Refused::new(
        404,
        "ErrorFolderNotFound",
        "The specified folder could not be found in the store.",
    )
}

/// The folder that every mailbox has.
pub(super) fn well_known(call: &Call<'_>, name: &str) -> Result<u64, Refused> {
    let mailbox = call.mailbox();
    if name == "archive" {
        return mailbox.folder_named("Archive").ok_or_else(no_folder);
    }
    mailbox.distinguished(name).ok_or_else(no_folder)
}

/// The folder of that id or well-known name.
pub(super) fn find(call: &Call<'_>, id: &str, sort: Sort) -> Result<u64, Refused> {
    let lower = id.to_ascii_lowercase();
    match sort {
        Sort::Mail if WELL_KNOWN.contains(&lower.as_str()) => return well_known(call, &lower),
        // Contacts alone knows one, beside mail.
        Sort::Contacts if lower == "contacts" => return well_known(call, "contacts"),
        _ => {}
    }
    let Some(number) = call.folder_of(id) else {
        return Err(if id.len() >= 44 {
            no_folder()
        } else {
            Refused::malformed_id()
        });
    };
    let class = call
        .mailbox()
        .folders
        .get(&number)
        .map_or("", |f| f.class.as_str());
    let deleted = |name: &str| {
        call.mailbox()
            .distinguished(name)
            .is_some_and(|bin| call.mailbox().is_below(number, bin))
    };
    if sort.fits(class) && (sort == Sort::Mail || !deleted("deleteditems")) {
        Ok(number)
    } else {
        Err(no_folder())
    }
}

/// Those folders of the sort that are not deleted, but the one that each mailbox has.
fn all(call: &Call<'_>, sort: Sort) -> Vec<u64> {
    let mailbox = call.mailbox();
    let below = |n: u64, name: &str| {
        mailbox
            .distinguished(name)
            .is_some_and(|bin| mailbox.is_below(n, bin))
    };
    mailbox
        .folders
        .iter()
        .filter(|(n, f)| sort.fits(&f.class) && !below(**n, "deleteditems") && below(**n, "msgfolderroot"))
        .map(|(n, _)| *n)
        .collect()
}

/// The folder as its type shows it.
fn write(call: &Call<'_>, number: u64, sort: Sort) -> Result<Value, Refused> {
    let mailbox = call.mailbox();
    let folder = mailbox.folders.get(&number).ok_or_else(no_folder)?;
    let id = call.folder_id(number);
    let parent = call.folder_id(folder.parent);
    Ok(match sort {
        Sort::Mail => json!({
            "id": id, "displayName": folder.name, "parentFolderId": parent,
            "childFolderCount": mailbox.children(number).count(), "unreadItemCount": mailbox.unread(number),
            "totalItemCount": mailbox.items_in(number).count(), "isHidden": false,
        }),
        Sort::Contacts => json!({ "id": id, "displayName": folder.name, "parentFolderId": parent }),
        Sort::Calendars => json!({
            "id": id, "name": folder.name, "color": "auto", "hexColor": "",
            "isDefaultCalendar": folder.distinguished == Some("calendar"), "changeKey": mailbox.folder_change_key(number),
            "canShare": true, "canViewPrivateItems": true, "canEdit": true,
            "allowedOnlineMeetingProviders": ["teamsForBusiness"], "defaultOnlineMeetingProvider": "teamsForBusiness",
            "isTallyingResponses": folder.distinguished == Some("calendar"), "isRemovable": folder.distinguished.is_none(),
            "owner": { "name": mailbox.me.name, "address": mailbox.me.address },
        }),
        Sort::Lists => json!({
            "@odata.etag": format!("W/\"{}\"", mailbox.folder_change_key(number)), "id": id,
            "displayName": folder.name, "isOwner": true, "isShared": false,
            "wellknownListName": if folder.distinguished == Some("tasks") { "defaultList" } else { "none" },
        }),
    })
}

/// The list that is always there and never holds what one could change.
fn flagged(call: &Call<'_>) -> Value {
    let id = call
        .mailbox()
        .ids
        .opaque("AAMkADAy", "flagged", &[call.mailbox().index], 90)
        .replace('/', "-")
        .replace('+', "_");
    json!({
        "@odata.etag": "W/\"flagged\"", "id": id, "displayName": "Flagged Emails", "isOwner": true, "isShared": false,
        "wellknownListName": FLAGGED,
    })
}

/// Whether that is the list of flagged messages.
pub(super) fn is_flagged(call: &Call<'_>, id: &str) -> bool {
    flagged(call)["id"] == *id
}

/// Lists those of the sort; with a parent the ones right below it.
pub(super) fn list(call: &Call<'_>, sort: Sort, parent: Option<u64>) -> Outcome {
    call.query()
        .only(&["$select", "$top", "$skip", "$filter", "$orderby", "$count"])?;
    let mailbox = call.mailbox();
    let top = well_known(call, "msgfolderroot")?;
    let numbers: Vec<u64> = match (sort, parent) {
        (Sort::Mail, _) => {
            let parent = parent.unwrap_or(top);
            mailbox
                .children(parent)
                .filter(|n| mailbox.folders.get(n).is_some_and(|f| sort.fits(&f.class)))
                .collect()
        }
        (Sort::Contacts, None) => {
            let contacts = well_known(call, "contacts")?;
            // The default folder is not among them.
            all(call, sort)
                .into_iter()
                .filter(|n| {
                    mailbox
                        .folders
                        .get(n)
                        .is_some_and(|f| f.parent == contacts || f.parent == top)
                })
                .filter(|n| {
                    *n != contacts && mailbox.folders.get(n).is_some_and(|f| f.class == "IPF.Contact")
                })
                .collect()
        }
        (Sort::Contacts, Some(parent)) => mailbox
            .children(parent)
            .filter(|n| mailbox.folders.get(n).is_some_and(|f| f.class == "IPF.Contact"))
            .collect(),
        (Sort::Calendars | Sort::Lists, _) => all(call, sort),
    };
    let mut found = numbers
        .into_iter()
        .map(|n| write(call, n, sort))
        .collect::<Result<Vec<Value>, Refused>>()?;
    if sort == Sort::Lists {
        found.push(flagged(call));
    }
    // Lists come many at a time, folders ten.
    let page = if sort == Sort::Lists { 100 } else { 10 };
    call.list(
        sort.ty(),
        found,
        &["displayName", "name", "wellknownListName"],
        page,
    )
}

/// Makes one.
pub(super) fn create(call: &mut Call<'_>, sort: Sort, parent: Option<u64>) -> Outcome {
    let body = call.request.object()?;
    let field = if sort == Sort::Calendars {
        "name"
    } else {
        "displayName"
    };
    if let Some(other) = body.keys().find(|k| *k != field && *k != "isHidden") {
        return Err(Refused::no_property(other, sort.ty()));
    }
    let name = text(field, body.get(field).unwrap_or(&Value::Null))?
        .trim()
        .to_owned();
    if name.is_empty() {
        return Err(Refused::new(
            400,
            "ErrorInvalidRequest",
            format!("'{field}' is missing."),
        ));
    }
    let parent = match (parent, sort) {
        (Some(parent), _) => parent,
        (None, Sort::Mail) => well_known(call, "msgfolderroot")?,
        (None, Sort::Contacts) => well_known(call, "contacts")?,
        (None, Sort::Calendars) => well_known(call, "calendar")?,
        (None, Sort::Lists) => well_known(call, "tasks")?,
    };
    let mailbox = call.mailbox();
    let taken = mailbox.children(parent).any(|n| {
        mailbox
            .folders
            .get(&n)
            .is_some_and(|f| f.name.to_lowercase() == name.to_lowercase())
    });
    // Lists of To Do may have the same name; folders may not.
    if taken && sort != Sort::Lists {
        return Err(Refused::new(
            409,
            "ErrorFolderExists",
            format!("A folder with the specified name already exists., Could not create folder '{name}'."),
        ));
    }
    let now = call.now;
    let number = call.mailbox_mut().create_folder(parent, sort.class(), &name, now);
    let object = write(call, number, sort)?;
    Ok(call.entity(201, sort.ty(), object))
}

/// Reads, renames or deletes one.
pub(super) fn one(call: &mut Call<'_>, sort: Sort, number: u64) -> Outcome {
    let now = call.now;
    let system = call
        .mailbox()
        .folders
        .get(&number)
        .is_some_and(|f| f.distinguished.is_some());
    match call.request.method.as_str() {
        "GET" => {
            call.query().only(&["$select"])?;
            let object = write(call, number, sort)?;
            Ok(call.entity(200, sort.ty(), object))
        }
        "PATCH" => {
            let body = call.request.object()?;
            let field = if sort == Sort::Calendars {
                "name"
            } else {
                "displayName"
            };
            if let Some(other) = body.keys().find(|k| *k != field) {
                return Err(Refused::no_property(other, sort.ty()));
            }
            let name = text(field, body.get(field).unwrap_or(&Value::Null))?;
            if system || name.trim().is_empty() {
                return Err(Refused::new(
                    400,
                    "ErrorInvalidRequest",
                    "The folder cannot be renamed.",
                ));
            }
            let parent = call.mailbox().folders.get(&number).map_or(0, |f| f.parent);
            call.mailbox_mut().change_folder(number, parent, name.trim(), now);
            let object = write(call, number, sort)?;
            Ok(call.entity(200, sort.ty(), object))
        }
        "DELETE" => {
            if system {
                return Err(Refused::new(
                    400,
                    "ErrorDeleteDistinguishedFolder",
                    "Distinguished folders cannot be deleted.",
                ));
            }
            let bin = well_known(call, "deleteditems")?;
            call.mailbox_mut().remove_folder(number, Some(bin), now);
            Ok(Answer::nothing())
        }
        _ => Err(Refused::unknown(&call.request.operation)),
    }
}
