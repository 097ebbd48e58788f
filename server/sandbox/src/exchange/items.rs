//! FindItem, GetItem, CreateItem, UpdateItem, DeleteItem, MoveItem, CopyItem, SendItem.

use std::borrow::Cow;

use super::content::{Class, Content, Shape, Source};
use super::folders::resolve as resolve_folder;
use super::meeting::{self, Send};
use super::props::{Kind as PropKind, Path, base64, date_time_in};
use super::search::{Filter, compare, page, sort_order};
use super::store::{Mailbox, no_folder, no_item};
use super::xml::{Element, wrap};
use super::{Call, Fail, Reply};
use crate::faults::Kind;

/// No larger message or attachment is returned.
pub(crate) const LARGEST: usize = 36 << 20;
/// A view of a calendar covers two years at most.
const WIDEST_VIEW: i64 = 2 * 366 * 86_400_000_000;
/// More is not found without paging.
const FIND_LIMIT: usize = 1000;

/// The error for what is too large to be returned or stored.
pub(crate) fn too_large() -> Fail {
    Fail::new(
        "ErrorMessageSizeExceeded",
        "The message exceeds the maximum supported size.",
    )
}

/// The error for an occurrence that was deleted.
pub(crate) fn occurrence_gone() -> Fail {
    Fail::new(
        "ErrorCalendarOccurrenceIsDeletedFromRecurrence",
        "The occurrence has been deleted from the recurrence.",
    )
}

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Item(u64),
    /// Number of the series, original start.
    Occurrence(u64, i64),
}

impl Target {
    /// The number of the item, for operations that occurrences have no part in.
    pub(crate) fn item(self) -> Result<u64, Fail> {
        match self {
            Self::Item(number) => Ok(number),
            Self::Occurrence(..) => Err(Fail::new(
                "ErrorCalendarCannotMoveOrCopyOccurrence",
                "The operation is not possible with an occurrence of a series.",
            )),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Item(number) | Self::Occurrence(number, _) => number,
        }
    }

    fn original(self) -> Option<i64> {
        match self {
            Self::Item(_) => None,
            Self::Occurrence(_, original) => Some(original),
        }
    }
}

/// Finds what a `t:ItemId`, `t:OccurrenceItemId` or `t:RecurringMasterItemId` names.
pub(crate) fn resolve(call: &Call<'_>, element: &Element) -> Result<Target, Fail> {
    let id = match element.name.as_str() {
        "OccurrenceItemId" => element.attr("RecurringMasterId"),
        "RecurringMasterItemId" => element.attr("OccurrenceId"),
        _ => element.attr("Id"),
    };
    let found = resolve_id(call, id.unwrap_or_default(), element.attr("ChangeKey"))?;
    match (element.name.as_str(), found) {
        ("RecurringMasterItemId", Target::Occurrence(number, _)) => Ok(Target::Item(number)),
        ("RecurringMasterItemId", Target::Item(_)) => Err(Fail::new(
            "ErrorCalendarCannotUseIdForRecurringMasterId",
            "The id is not that of an occurrence.",
        )),
        ("OccurrenceItemId", Target::Item(number)) => nth_occurrence(call.mailbox(), number, element),
        ("OccurrenceItemId", Target::Occurrence(..)) => Err(Fail::new(
            "ErrorCalendarCannotUseIdForOccurrenceId",
            "The id is not that of a recurring master.",
        )),
        (_, found) => Ok(found),
    }
}

fn nth_occurrence(mailbox: &Mailbox, number: u64, element: &Element) -> Result<Target, Fail> {
    let index: usize = element
        .attr("InstanceIndex")
        .and_then(|n| n.trim().parse().ok())
        .unwrap_or(0);
    let content = mailbox.items.get(&number).map(|i| &i.content);
    let Some(content) = content.filter(|c| c.class == Class::Event && c.recurrence.is_some()) else {
        return Err(Fail::new(
            "ErrorCalendarCannotUseIdForOccurrenceId",
            "The id is not that of a recurring master.",
        ));
    };
    // 60 years are beyond any index that a client could mean.
    let all = content.originals(content.start() + 60 * 366 * 86_400_000_000);
    let original = index.checked_sub(1).and_then(|at| all.get(at)).ok_or_else(|| {
        Fail::new(
            "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange",
            "The index is out of the range of the recurrence.",
        )
    })?;
    if content.exceptions.get(original).is_some_and(Option::is_none) {
        return Err(occurrence_gone());
    }
    Ok(Target::Occurrence(number, *original))
}

fn resolve_id(call: &Call<'_>, id: &str, change_key: Option<&str>) -> Result<Target, Fail> {
    if id.is_empty() {
        return Err(Fail::new("ErrorInvalidIdEmpty", "The Id is empty."));
    }
    if let Some(key) = change_key
        && !key.is_empty()
        && base64(key).is_none_or(|bytes| bytes.len() < 12)
    {
        return Err(Fail::new("ErrorInvalidChangeKey", "The change key is invalid."));
    }
    let mailbox = call.mailbox();
    if let Some(number) = mailbox.item_of(id) {
        return Ok(Target::Item(number));
    }
    if let Some((number, original)) = mailbox.occurrence_of(id) {
        let content = mailbox.items.get(&number).map(|i| &i.content);
        return match content.map(|c| (c.exceptions.get(&original), c.is_original(original))) {
            Some((Some(None), _)) => Err(occurrence_gone()),
            Some((_, true)) => Ok(Target::Occurrence(number, original)),
            _ => Err(no_item()),
        };
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

/// `m:Items` with one item of which only the id is told.
fn id_only(call: &Call<'_>, target: Target) -> String {
    let mailbox = call.mailbox();
    let Some(item) = mailbox.items.get(&target.number()) else {
        return "<m:Items/>".to_owned();
    };
    let number = target.number();
    let (id, key) = match target {
        Target::Item(_) => (
            mailbox.item_id(number, item.moves),
            mailbox.change_key(number, item.seq),
        ),
        Target::Occurrence(_, original) => mailbox.occurrence_id(number, item.moves, item.seq, original),
    };
    let mut inner = String::new();
    wrap(&mut inner, "t:ItemId", &[("Id", &id), ("ChangeKey", &key)], "");
    let mut one = String::new();
    wrap(&mut one, item.content.element(), &[], &inner);
    let mut out = String::new();
    wrap(&mut out, "m:Items", &[], &one);
    out
}

pub(crate) fn find(call: &Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("FindItem");
    for id in request.list("ParentFolderIds") {
        reply.add(find_in(call, request, id), "");
    }
    reply.finish()
}

/// One row of a listing.
struct Found<'a> {
    number: u64,
    /// Original start, and whether the occurrence differs.
    at: Option<(i64, bool)>,
    content: Cow<'a, Content>,
}

/// Properties that no table of a folder has a column for.
fn check_searchable(path: &Path) -> Result<(), Fail> {
    let refused = match path {
        Path::Field(prop) => {
            prop.name == "UID"
                || matches!(
                    prop.kind,
                    PropKind::Attendees
                        | PropKind::Recurrence
                        | PropKind::TaskRecurrence
                        | PropKind::Zone
                        | PropKind::Occurrence
                        | PropKind::Occurrences
                        | PropKind::Attachments
                        | PropKind::Mime
                        | PropKind::Headers
                        | PropKind::Rights
                )
        }
        Path::Header(_) => true,
        _ => false,
    };
    if refused {
        return Err(Fail::new(
            "ErrorUnsupportedPathForQuery",
            "The specified path cannot be used with queries.",
        )
        .at(path));
    }
    Ok(())
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
    for path in filter
        .iter()
        .flat_map(Filter::paths)
        .chain(order.iter().map(|(p, _)| p))
    {
        check_searchable(path)?;
    }
    let mailbox = call.mailbox();
    let view = request.child("CalendarView");
    let mut found: Vec<Found<'_>> = match view {
        Some(view) => {
            if filter.is_some() || !order.is_empty() {
                return Err(Fail::new(
                    "ErrorInvalidRestriction",
                    "A restriction or a sort order cannot be used together with a calendar view.",
                ));
            }
            in_view(call, folder, view)?
        }
        None => mailbox
            .items_in(folder)
            .map(|(number, item)| Found {
                number,
                at: None,
                content: Cow::Borrowed(&item.content),
            })
            .collect(),
    };
    if let Some(filter) = &filter {
        found.retain(|one| {
            mailbox.items.get(&one.number).is_some_and(|item| {
                mailbox.around(one.number, item, |around| {
                    filter.passes(&|path| item.content.values(path, around))
                })
            })
        });
    }
    // Soft-deleted and associated items are not played: none are there.
    if request.attr("Traversal") != Some("Shallow") || call.take(|k| *k == Kind::Empty).is_some() {
        found.clear();
    }
    let value = |one: &Found<'_>, path| {
        mailbox.items.get(&one.number).and_then(|item| {
            mailbox.around_at(one.number, item, one.at, |around| {
                one.content.values(path, around).into_iter().next()
            })
        })
    };
    if view.is_none() {
        found.sort_by(|a, b| {
            for (path, descending) in &order {
                let (x, y) = (value(a, path), value(b, path));
                let ordering = match (&x, &y) {
                    (Some(x), Some(y)) => compare(x, y),
                    _ => x.is_some().cmp(&y.is_some()),
                };
                let ordering = if *descending { ordering.reverse() } else { ordering };
                if ordering.is_ne() {
                    return ordering;
                }
            }
            a.number.cmp(&b.number)
        });
    }
    let (range, next, last) = match view {
        Some(view) => {
            let most = view
                .attr("MaxEntriesReturned")
                .and_then(|n| n.trim().parse().ok());
            if most.is_none() && found.len() > FIND_LIMIT {
                return Err(Fail::new(
                    "ErrorExceededFindCountLimit",
                    "You have exceeded the maximum number of objects that can be returned for the find operation. \
Use paging to reduce the result size.",
                ));
            }
            let end = found.len().min(most.unwrap_or(FIND_LIMIT).min(FIND_LIMIT));
            (0..end, end, end == found.len())
        }
        None => page(request.child("IndexedPageItemView"), found.len()),
    };
    let mut list = String::new();
    for one in &found[range] {
        if let Some(item) = mailbox.items.get(&one.number) {
            mailbox.around_at(one.number, item, one.at, |around| {
                one.content.write(&mut list, &shape, around);
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
    // A calendar view has no offset to go on from.
    let skip = usize::from(view.is_some());
    let attrs: Vec<(&str, &str)> = attrs[skip..].iter().map(|(n, v)| (*n, v.as_str())).collect();
    let mut out = String::new();
    wrap(&mut out, "m:RootFolder", &attrs, &inner);
    Ok(out)
}

/// Singles, and the occurrences of all series, in the order of their start.
fn in_view<'a>(call: &'a Call<'_>, folder: u64, view: &Element) -> Result<Vec<Found<'a>>, Fail> {
    let mailbox = call.mailbox();
    let is_calendar = mailbox
        .folders
        .get(&folder)
        .is_some_and(|f| f.class.starts_with("IPF.Appointment"));
    if !is_calendar {
        return Err(Fail::new(
            "ErrorCalendarFolderIsInvalidForCalendarView",
            "The folder is no calendar.",
        ));
    }
    let time = |name: &str| {
        view.attr(name)
            .and_then(|t| date_time_in(t, &call.zone))
            .ok_or_else(|| Fail::new("ErrorInvalidValueForProperty", "The date is invalid."))
    };
    let (from, until) = (time("StartDate")?, time("EndDate")?);
    if until < from {
        return Err(Fail::new(
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "EndDate is earlier than StartDate.",
        ));
    }
    if until - from > WIDEST_VIEW {
        return Err(Fail::new(
            "ErrorCalendarViewRangeTooBig",
            "The calendar view covers more than two years.",
        ));
    }
    let mut found = Vec::new();
    for (number, item) in mailbox.items_in(folder) {
        let content = &item.content;
        if content.class != Class::Event {
            continue;
        }
        if content.recurrence.is_some() {
            found.extend(
                content
                    .occurrences(from, until)
                    .into_iter()
                    .map(|(original, one, differs)| Found {
                        number,
                        at: Some((original, differs)),
                        content: Cow::Owned(one),
                    }),
            );
        } else if super::event::overlaps(content.start(), content.end(), from, until) {
            found.push(Found {
                number,
                at: None,
                content: Cow::Borrowed(content),
            });
        }
    }
    found.sort_by_key(|one| (one.content.start(), one.number));
    Ok(found)
}

pub(crate) fn get(call: &Call<'_>, request: &Element) -> Result<String, Fail> {
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
            Err(fail) => Err(fail.again()),
            Ok(shape) => call
                .item_fault()
                .and_then(|()| resolve(call, id))
                .and_then(|target| get_one(call, target, shape)),
        };
        reply.add(outcome, "<m:Items/>");
    }
    Ok(reply.finish())
}

fn get_one(call: &Call<'_>, target: Target, shape: &Shape) -> Result<String, Fail> {
    let mailbox = call.mailbox();
    let number = target.number();
    let Some(item) = mailbox.items.get(&number) else {
        return Err(no_item());
    };
    if shape.mime {
        if item.content.class != Class::Message {
            return Err(Fail::new(
                "ErrorUnsupportedMimeConversion",
                "The sandbox has MIME content of messages only.",
            ));
        }
        if item.content.mime.as_ref().is_some_and(|m| m.len() > LARGEST)
            || item
                .content
                .attachments
                .iter()
                .map(|a| a.content.len())
                .sum::<usize>()
                > LARGEST
        {
            return Err(too_large());
        }
    }
    let (content, at) = match target {
        Target::Item(_) => (Cow::Borrowed(&item.content), None),
        Target::Occurrence(_, original) => {
            let (one, differs) = item.content.occurrence(original).ok_or_else(occurrence_gone)?;
            (Cow::Owned(one), Some((original, differs)))
        }
    };
    let mut text = String::new();
    mailbox.around_at(number, item, at, |around| content.write(&mut text, shape, around));
    let mut out = String::new();
    wrap(&mut out, "m:Items", &[], &text);
    Ok(out)
}

pub(crate) fn create(call: &mut Call<'_>, request: &Element) -> String {
    let folder = request
        .list("SavedItemFolderId")
        .first()
        .map(|id| resolve_folder(call, id));
    let mut reply = Reply::new("CreateItem");
    for element in request.list("Items") {
        let outcome = match &folder {
            Some(Err(fail)) => Err(fail.again()),
            Some(Ok(folder)) => create_one(call, request, Some(*folder), element),
            None => create_one(call, request, None, element),
        };
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}

/// Where an item goes if the request does not say, and whether it may be in the folder.
fn place(mailbox: &Mailbox, class: Class, wanted: Option<u64>) -> Result<u64, Fail> {
    let (default, prefix, code, text) = match class {
        Class::Contact => (
            "contacts",
            "IPF.Contact",
            "ErrorCannotCreateContactInNonContactFolder",
            "Contact objects can only be created in contact folders.",
        ),
        Class::Event => (
            "calendar",
            "IPF.Appointment",
            "ErrorCannotCreateCalendarItemInNonCalendarFolder",
            "Calendar items can only be created in calendar folders.",
        ),
        Class::Task => (
            "tasks",
            "IPF.Task",
            "ErrorCannotCreateTaskInNonTaskFolder",
            "Tasks can only be created in task folders.",
        ),
        Class::Message => ("drafts", "", "", ""),
    };
    let Some(folder) = wanted else {
        return mailbox.distinguished(default).ok_or_else(no_folder);
    };
    let good = mailbox.folders.get(&folder).is_some_and(|f| {
        f.class.starts_with(prefix)
            || matches!(
                f.distinguished,
                Some("deleteditems" | "recoverableitemsdeletions")
            )
    });
    if good {
        Ok(folder)
    } else {
        Err(Fail::new(code, text))
    }
}

fn create_one(
    call: &mut Call<'_>,
    request: &Element,
    wanted: Option<u64>,
    element: &Element,
) -> Result<String, Fail> {
    call.item_fault()?;
    let Some(class) = Class::of_element(&element.name) else {
        return respond(call, request, element);
    };
    let disposition = request.attr("MessageDisposition");
    let sending = request.attr("SendMeetingInvitations");
    if class == Class::Event && sending.is_none() {
        return Err(Fail::new(
            "ErrorSendMeetingInvitationsRequired",
            "The SendMeetingInvitations attribute is required for calendar items.",
        ));
    }
    if class == Class::Message && disposition.is_none() {
        return Err(Fail::new(
            "ErrorMessageDispositionRequired",
            "Message disposition is required for this request.",
        ));
    }
    let folder = place(call.mailbox(), class, wanted)?;
    let mut content = Content::create(class, element, call.ctx())?;
    let now = call.now;
    if class == Class::Message {
        if disposition != Some("SaveOnly") {
            return send(call, content, disposition, wanted);
        }
        content
            .texts
            .entry("IsDraft")
            .or_insert_with(|| "true".to_owned());
    }
    if let Some(limit) = call.mailbox().quota
        && call.mailbox().items.len() >= limit
    {
        return Err(Fail::new(
            "ErrorQuotaExceeded",
            "The mailbox has exceeded its storage quota.",
        ));
    }
    let number = call.mailbox_mut().create(folder, content, now, now);
    if class == Class::Event {
        let how = Send::parse(sending.unwrap_or_default());
        meeting::announce(call.store, call.me, number, None, how, now);
    }
    Ok(id_only(call, Target::Item(number)))
}

/// Sends a message, and keeps a copy if so wished.
fn send(
    call: &mut Call<'_>,
    content: Content,
    disposition: Option<&str>,
    wanted: Option<u64>,
) -> Result<String, Fail> {
    let to: Vec<String> = ["ToRecipients", "CcRecipients", "BccRecipients"]
        .iter()
        .filter_map(|name| content.people.get(name))
        .flatten()
        .map(|p| p.address.clone())
        .filter(|a| !a.is_empty())
        .collect();
    if to.is_empty() {
        return Err(Fail::new(
            "ErrorInvalidRecipients",
            "At least one recipient isn't valid.",
        ));
    }
    let copy = match disposition {
        Some("SendAndSaveCopy") => Some(match wanted {
            Some(folder) => folder,
            None => call.mailbox().distinguished("sentitems").ok_or_else(no_folder)?,
        }),
        _ => None,
    };
    meeting::mail(call.store, call.me, &to, "message", content, copy, call.now);
    Ok("<m:Items/>".to_owned())
}

/// `t:AcceptItem` and its sisters.
fn respond(call: &mut Call<'_>, request: &Element, element: &Element) -> Result<String, Fail> {
    let answer = match element.name.as_str() {
        "AcceptItem" => "Accept",
        "TentativelyAcceptItem" => "Tentative",
        "DeclineItem" => "Decline",
        other => {
            return Err(Fail::new(
                "ErrorInvalidRequest",
                format!("The sandbox does not make '{other}'."),
            ));
        }
    };
    let Some(disposition) = request.attr("MessageDisposition") else {
        return Err(Fail::new(
            "ErrorMessageDispositionRequired",
            "Message disposition is required for this request.",
        ));
    };
    let Some(id) = element.child("ReferenceItemId") else {
        return Err(no_item());
    };
    let target = resolve(call, id)?;
    let number = target.number();
    let referred = call.mailbox().items.get(&number).map(|i| &i.content);
    // The invitation in the inbox stands for the event in the calendar.
    let event = match referred {
        Some(message) if message.class == Class::Message => {
            call.mailbox().event_of(message.text("UID")).ok_or_else(no_item)?
        }
        Some(event) if event.class == Class::Event => number,
        _ => return Err(no_item()),
    };
    let (me, now) = (call.me, call.now);
    meeting::respond(
        call.store,
        me,
        event,
        target.original(),
        answer,
        disposition != "SaveOnly",
        now,
    )?;
    Ok("<m:Items/>".to_owned())
}

pub(crate) fn update(call: &mut Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("UpdateItem");
    for change in request.list("ItemChanges") {
        let outcome = update_one(call, request, change).map(|target| {
            let mut out = match target {
                Some(target) => id_only(call, target),
                None => "<m:Items/>".to_owned(),
            };
            out.push_str("<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>");
            out
        });
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}

fn update_one(call: &mut Call<'_>, request: &Element, change: &Element) -> Result<Option<Target>, Fail> {
    let overwrite = request.attr("ConflictResolution") == Some("AlwaysOverwrite");
    let ids = ["ItemId", "OccurrenceItemId", "RecurringMasterItemId"];
    let id = ids.iter().find_map(|name| change.child(name));
    let (Some(id), Some(updates)) = (id, change.child("Updates")) else {
        return Err(Fail::new("ErrorInvalidRequest", "The request is invalid."));
    };
    call.item_fault()?;
    let target = resolve(call, id)?;
    let number = target.number();
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
    let class = item.content.class;
    let sending = request.attr("SendMeetingInvitationsOrCancellations");
    if class == Class::Event && sending.is_none() {
        return Err(Fail::new(
            "ErrorSendMeetingInvitationsOrCancellationsRequired",
            "The SendMeetingInvitationsOrCancellations attribute is required for calendar items.",
        ));
    }
    let disposition = request.attr("MessageDisposition");
    if class == Class::Message && disposition.is_none() {
        return Err(Fail::new(
            "ErrorMessageDispositionRequired",
            "Message disposition is required for this request.",
        ));
    }
    if !overwrite {
        let current = match target {
            Target::Item(_) => mailbox.change_key(number, item.seq),
            Target::Occurrence(_, original) => {
                mailbox.occurrence_id(number, item.moves, item.seq, original).1
            }
        };
        match id.attr("ChangeKey") {
            None | Some("") => {
                return Err(Fail::new(
                    "ErrorChangeKeyRequiredForWriteOperations",
                    "A change key is required for this operation.",
                ));
            }
            Some(key) if key != current => return Err(conflict()),
            Some(_) => {}
        }
    }
    if call.take(|k| *k == Kind::StaleVersion).is_some() {
        return Err(conflict());
    }
    let before = item.content.clone();
    let after = edited(&before, target.original(), |content| {
        content.update(updates, call.ctx())
    })?;
    let how = Send::parse(sending.unwrap_or_default());
    put(call, number, &before, after, how);
    if class == Class::Message && !matches!(disposition, Some("SaveOnly")) {
        let content = call.mailbox().items.get(&number).map(|i| i.content.clone());
        send(call, content.unwrap_or_default(), disposition, None)?;
        let now = call.now;
        call.mailbox_mut().remove(number, now);
        return Ok(None);
    }
    Ok(Some(target))
}

/// The item after an edit of itself or of one occurrence.
pub(crate) fn edited(
    before: &Content,
    original: Option<i64>,
    edit: impl FnOnce(&mut Content) -> Result<(), Fail>,
) -> Result<Content, Fail> {
    let mut after = before.clone();
    let Some(original) = original else {
        edit(&mut after)?;
        return Ok(after);
    };
    let (mut one, _) = before.occurrence(original).ok_or_else(occurrence_gone)?;
    let start = one.start();
    edit(&mut one)?;
    if one.recurrence.is_some() {
        return Err(Fail::new(
            "ErrorInvalidPropertySet",
            "An occurrence cannot recur by itself.",
        ));
    }
    if one.start() != start {
        before.check_place(original, one.start())?;
    }
    after.exceptions.insert(original, Some(Box::new(one)));
    Ok(after)
}

/// Stores an edit, lets a recurring task come again, tells a meeting's guests.
fn put(call: &mut Call<'_>, number: u64, before: &Content, after: Content, how: Send) {
    let now = call.now;
    store_edit(call.mailbox_mut(), number, before, after, now);
    if before.class == Class::Event {
        meeting::announce(call.store, call.me, number, Some(before), how, now);
    }
}

/// Stores an edit; where it completes a recurring task, the done one stays as a task of its own.
pub(crate) fn store_edit(mailbox: &mut Mailbox, number: u64, before: &Content, mut after: Content, now: i64) {
    let done = (after.class == Class::Task)
        .then(|| after.come_again(before))
        .flatten();
    let folder = mailbox.items.get(&number).map_or(0, |i| i.folder);
    mailbox.change(number, after, now);
    if let Some(done) = done {
        mailbox.create(folder, done, now, now);
    }
}

pub(crate) fn delete(call: &mut Call<'_>, request: &Element) -> String {
    let mut reply = Reply::new("DeleteItem");
    for id in request.list("ItemIds") {
        reply.add(delete_one(call, request, id).map(|()| String::new()), "");
    }
    reply.finish()
}

fn delete_one(call: &mut Call<'_>, request: &Element, id: &Element) -> Result<(), Fail> {
    call.item_fault()?;
    let how = request.attr("DeleteType").unwrap_or_default();
    let target = resolve(call, id)?;
    let number = target.number();
    let class = call.mailbox().items.get(&number).map(|i| i.content.class);
    let cancelling = request.attr("SendMeetingCancellations");
    match class {
        Some(Class::Event) if cancelling.is_none() => {
            return Err(Fail::new(
                "ErrorSendMeetingCancellationsRequired",
                "Send meeting cancellations is required for calendar items.",
            ));
        }
        Some(Class::Task) if request.attr("AffectedTaskOccurrences").is_none() => {
            return Err(Fail::new(
                "ErrorAffectedTaskOccurrencesRequired",
                "Affected task occurrences is required for tasks.",
            ));
        }
        _ => {}
    }
    let (me, now) = (call.me, call.now);
    if class == Some(Class::Event) {
        let tell = Send::parse(cancelling.unwrap_or_default());
        meeting::before_delete(call.store, me, number, target.original(), tell, now);
    }
    match target {
        Target::Item(number) => dispose(call.store.mailboxes.get_mut(me), number, how, now),
        Target::Occurrence(number, original) => drop_occurrence(call.mailbox_mut(), number, original, now),
    }
    Ok(())
}

/// Takes an occurrence out of its series.
pub(crate) fn drop_occurrence(mailbox: &mut Mailbox, number: u64, original: i64, now: i64) {
    if let Some(item) = mailbox.items.get(&number) {
        let mut content = item.content.clone();
        content.exceptions.insert(original, None);
        mailbox.change(number, content, now);
    }
}

/// Deletes as `t:DisposalType` says: to Deleted Items, to the dumpster, or for good.
pub(crate) fn dispose(mailbox: Option<&mut Mailbox>, number: u64, how: &str, now: i64) {
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

/// MoveItem and CopyItem.
pub(crate) fn shift(call: &mut Call<'_>, request: &Element) -> String {
    let copy = request.name == "CopyItem";
    let to = match request.list("ToFolderId").first() {
        Some(id) => resolve_folder(call, id),
        None => Err(no_folder()),
    };
    let ids_back = request
        .child_text("ReturnNewItemIds")
        .is_none_or(|t| matches!(t.trim(), "true" | "1"));
    let mut reply = Reply::new(&request.name);
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
            Ok(to) => call
                .item_fault()
                .and_then(|()| resolve(call, id))
                .and_then(Target::item)
                .map(|number| {
                    let now = call.now;
                    let mailbox = call.mailbox_mut();
                    let number = if copy {
                        mailbox.copy(number, *to, now).unwrap_or(number)
                    } else {
                        mailbox.shift(number, *to, now);
                        number
                    };
                    if ids_back {
                        id_only(call, Target::Item(number))
                    } else {
                        "<m:Items/>".to_owned()
                    }
                }),
        };
        reply.add(outcome, "<m:Items/>");
    }
    reply.finish()
}

pub(crate) fn send_drafts(call: &mut Call<'_>, request: &Element) -> String {
    let keep = request
        .attr("SaveItemToFolder")
        .is_some_and(|t| matches!(t, "true" | "1"));
    let folder = request
        .list("SavedItemFolderId")
        .first()
        .map(|id| resolve_folder(call, id));
    let mut reply = Reply::new("SendItem");
    for id in request.list("ItemIds") {
        let outcome = match &folder {
            Some(Err(fail)) => Err(fail.again()),
            Some(Ok(folder)) => send_draft(call, id, keep, Some(*folder)),
            None => send_draft(call, id, keep, None),
        };
        reply.add(outcome, "");
    }
    reply.finish()
}

fn send_draft(call: &mut Call<'_>, id: &Element, keep: bool, folder: Option<u64>) -> Result<String, Fail> {
    call.item_fault()?;
    let number = resolve(call, id).and_then(Target::item)?;
    let content = call.mailbox().items.get(&number).map(|i| i.content.clone());
    let Some(content) = content.filter(|c| c.class == Class::Message) else {
        return Err(Fail::new(
            "ErrorInvalidItemForOperationSendItem",
            "Only messages can be sent.",
        ));
    };
    send(
        call,
        content,
        Some(if keep { "SendAndSaveCopy" } else { "SendOnly" }),
        folder,
    )?;
    let now = call.now;
    call.mailbox_mut().remove(number, now);
    Ok(String::new())
}
