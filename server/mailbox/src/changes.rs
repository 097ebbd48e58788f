//! What changed: one subscription for all folders says where, and each kind's own listing says what.
//!
//! - Contacts and tasks: `SyncFolderItems` of the folders that moved.
//! - Events: the same of the calendar, which tells of single events and of series. An occurrence is in no list but a view
//!   of the calendar: so as soon as a series has changed, the whole window is listed by a view. The first walk through
//!   a calendar's items (for its state, and to know which of them are series) costs one request for 512 of them, of
//!   whatever age, and reads none: what is listed comes from the view. It asks for type, start and end beside the id,
//!   so that of later changes, too, only what is wanted is read.
//! - Mails: no `SyncFolderItems`. Its state would have to be walked to through the whole Inbox, on every full round;
//!   and most of what it tells is that something was read. The subscription names the mails that came, were moved or were
//!   categorised, and these are read; where there is no subscription or it was lost, a search by dates says which they
//!   are: those that came since the beginning and were changed since the last one seen, and older ones that the user
//!   has marked or moved to our folder since then. An Inbox of 100,000 mails costs what its last days cost.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use tandem_sync::model::{Change, Changes, Cursor, ItemId, Kinds, Want, instant as write_instant};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ItemKind, Timestamp};

use crate::client::Effect;
use crate::cursor::{Pull, State, Work};
use crate::error::CallError;
use crate::ews::calendar;
use crate::ews::find_item::{self, ItemPage};
use crate::ews::get_item::Shape;
use crate::ews::message::{self, Older, Range};
use crate::ews::notifications::{self, Events, Subscription};
use crate::ews::sync_items::{self, Listed, SyncPage};
use crate::held::Held;
use crate::mailbox::Ews;
use crate::map::{instant, timestamp};
use crate::reading::Got;

/// Pages of events in one session; with more, the folders are read anyway.
const EVENT_PAGES: usize = 20;
/// Rounds without asking for a subscription where the server gave none: a day of them.
const PAUSE: u16 = 48;
/// How often a folder is read again that did not show a change which an event had told of.
const AGAIN: u8 = 2;
/// A page of changes ends once it holds so many.
const PAGE: usize = 250;
/// Items of one stretch of the calendar. Exchange shows 1,000 at most.
const VIEW: u32 = 1_000;
/// A stretch that still holds more is not cut further, in seconds.
const SHORTEST: i64 = 60;
/// A view does not reach further, in seconds: Exchange takes two years.
const LONGEST: i64 = 600 * DAY;
/// More single events than this changed: listing the window costs less than reading each.
const MANY_EVENTS: usize = 500;
/// Mails on one page of a search.
const MAILS: u32 = 250;
/// A search goes back so far before the last change seen, in seconds: two mails may be written at once.
const OVERLAP: i64 = 600;
/// So many mails are listed again on the next page, should some have gone from the page before.
pub(crate) const STEP_BACK: u32 = 5;
const DAY: i64 = 86_400;

/// What events told of a folder: for each, the ids of which one must be listed.
type Told = BTreeMap<String, Vec<Vec<String>>>;

/// What a walk through the calendar's changes has found.
#[derive(Default)]
struct Walk {
    singles: Vec<Listed>,
    deleted: Vec<String>,
    /// A series came, changed or went; or it cannot be told whether.
    series: bool,
}

impl Ews {
    pub(crate) async fn read_changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.with_known(|known| {
            known.paths.clone_from(&want.mail_folders);
            known.window = Some(want.events);
            known.tasks_since = Some(want.tasks_since);
        });
        let mut items = Vec::new();
        let mut state = match since {
            None => {
                let tree = self.fresh_tree().await?;
                let mut state = State::new(want.kinds, &want.mail_folders, &tree.places);
                // Before the first listing, so that nothing falls between the two.
                self.subscribe(&mut state).await?;
                read_all(&mut state, want);
                self.open_round(&mut state, want, Told::new(), want.kinds, &mut items)
                    .await?;
                state
            }
            Some(cursor) => match self.go_on(cursor, want, &mut items).await {
                Ok(state) => state,
                Err(fault) => {
                    if fault.kind == FaultKind::CursorExpired {
                        self.forget(cursor).await;
                    }
                    return Err(fault);
                }
            },
        };
        if let Err(fault) = self.read_page(&mut state, &mut items).await {
            if let (FaultKind::CursorExpired, Some(cursor)) = (fault.kind, since) {
                self.forget(cursor).await;
            }
            return Err(fault);
        }
        Ok(Changes {
            items,
            cursor: state.cursor()?,
            more: !state.work.is_empty(),
            full: state.full.iter().copied().collect(),
        })
    }

    async fn go_on(&self, cursor: &Cursor, want: &Want, items: &mut Vec<Change>) -> Result<State, Fault> {
        let mut state = State::parse(cursor)?;
        self.with_known(|known| {
            let places = known.places.get_or_insert_with(|| state.places.clone());
            places.chosen.clone_from(&state.places.chosen);
        });
        if state.work.is_empty() {
            state.full.clear();
            let (told, anew) = self.begin_round(&mut state, want).await?;
            self.open_round(&mut state, want, told, anew, items).await?;
        }
        Ok(state)
    }

    /// The cursor is of no use any more: its subscription is not left to stand for a day. Best effort.
    async fn forget(&self, cursor: &Cursor) {
        if let Err(fault) = self.unsubscribe(cursor).await {
            tracing::debug!(%fault, "the subscription was not ended");
        }
    }

    /// Finds out which folders moved: one request where nothing did. Leaves the folders that are to be read in the
    /// state's work. Returns what the events told, and the kinds that are to be listed as from nothing.
    async fn begin_round(&self, state: &mut State, want: &Want) -> Result<(Told, Kinds), Fault> {
        for kind in want.kinds.iter() {
            // A mailbox without a folder of tasks has no place for ours either.
            if state.places.ours(kind).is_none() && !state.places.default_of(kind).is_empty() {
                let text = "a folder of ours did not exist before";
                return Err(Fault::new(FaultKind::CursorExpired, text));
            }
        }
        let made_for = state.made_for();
        if made_for != want.kinds || state.paths != want.mail_folders {
            return self.change_scope(state, want, made_for).await;
        }
        let Some(pull) = state.pull.clone() else {
            if state.pause == 0 {
                self.subscribe(state).await?;
            } else {
                state.pause -= 1;
            }
            read_all(state, want);
            return Ok((Told::new(), Kinds::NONE));
        };
        let Some((pull, mut events)) = self.events(pull).await? else {
            // The subscription is lost. Every folder is read; the next round asks for a new one.
            state.pull = None;
            read_all(state, want);
            return Ok((Told::new(), Kinds::NONE));
        };
        state.pull = Some(pull);
        let ours: BTreeSet<&str> = want
            .kinds
            .iter()
            .filter_map(|kind| state.places.ours(kind))
            .collect();
        if ours.iter().any(|id| events.structure.contains(*id)) {
            let tree = self.fresh_tree().await?;
            if want
                .kinds
                .iter()
                .any(|kind| tree.places.ours(kind) != state.places.ours(kind))
            {
                let text = "a folder of ours was taken away";
                return Err(Fault::new(FaultKind::CursorExpired, text));
            }
        }
        let told: Told = state
            .ids()
            .into_iter()
            .filter_map(|id| Some((id.to_owned(), events.folders.remove(id)?)))
            .collect();
        if events.more {
            read_all(state, want);
        } else {
            let moved: Vec<String> = told.keys().chain(state.again.keys()).cloned().collect();
            for folder in &state.folders.clone() {
                // The events name the mails themselves.
                if moved.contains(&folder.id) && folder.kind != ItemKind::Email {
                    state.work.push_back(Work::Sync {
                        folder: folder.id.clone(),
                    });
                }
            }
        }
        Ok((told, Kinds::NONE))
    }

    /// Another set of kinds or folders is wanted than the cursor was made for.
    async fn change_scope(
        &self,
        state: &mut State,
        want: &Want,
        made_for: Kinds,
    ) -> Result<(Told, Kinds), Fault> {
        if state.paths != want.mail_folders {
            let tree = self.fresh_tree().await?;
            state.places = tree.places.clone();
            state.paths.clone_from(&want.mail_folders);
        }
        let before: BTreeSet<String> = state.ids().into_iter().map(str::to_owned).collect();
        let anew: Kinds = want.kinds.iter().filter(|kind| !made_for.has(*kind)).collect();
        if state.set_kinds(want.kinds) {
            if let Some(pull) = state.pull.take() {
                self.end_subscription(&pull).await.unwrap_or_else(|fault| {
                    tracing::debug!(%fault, "the subscription was not ended");
                });
            }
            self.subscribe(state).await?;
        }
        if anew.has(ItemKind::Event) {
            state.masters = Some(BTreeSet::new());
        }
        // What the old subscription would have told is looked for in the folders.
        read_all(state, want);
        for work in &mut state.work {
            if let Work::Mails { folder, modified, .. } = work
                && !before.contains(folder)
            {
                *modified = None;
            }
        }
        Ok((Told::new(), anew))
    }

    /// What is done once in a round, before its first page: what decides whether events are listed in full, and the mails
    /// that the events named. `anew`: kinds to be listed as from nothing.
    async fn open_round(
        &self,
        state: &mut State,
        want: &Want,
        told: Told,
        anew: Kinds,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        state.full = anew.without(ItemKind::Email).iter().collect();
        self.open_events(state, want, &told, items).await?;
        self.open_mails(state, want, &told, items).await?;
        self.with_known(|known| known.told = told);
        Ok(())
    }

    async fn open_events(
        &self,
        state: &mut State,
        want: &Want,
        told: &Told,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        let calendars: Vec<String> = state
            .of(ItemKind::Event)
            .map(|folder| folder.id.clone())
            .collect();
        for id in calendars {
            let at = state
                .work
                .iter()
                .position(|work| *work == Work::Sync { folder: id.clone() });
            let Some(at) = at else { continue };
            state.work.remove(at);
            let mut walk = self.walk(state, &id, told.get(&id)).await?;
            if walk.singles.len() > MANY_EVENTS {
                walk.series = true;
            }
            let full = state.lists_all(ItemKind::Event) || walk.series;
            if full {
                // Those in the window are listed by the view.
                walk.singles.retain(|listed| !is_in(listed, want));
                walk.singles.truncate(MANY_EVENTS);
                if !state.lists_all(ItemKind::Event) {
                    state.full.push(ItemKind::Event);
                }
                state.work.extend(stretches(want));
            }
            let ids: Vec<String> = walk.singles.into_iter().map(|listed| listed.id).collect();
            items.extend(walk.deleted.into_iter().map(|id| Change::Absent(ItemId(id))));
            self.present(&ids, ItemKind::Event, items).await?;
        }
        Ok(())
    }

    /// Everything that changed in a calendar. On the first time it is walked through only, to know its series.
    async fn walk(
        &self,
        state: &mut State,
        id: &str,
        told: Option<&Vec<Vec<String>>>,
    ) -> Result<Walk, Fault> {
        let mut walk = Walk::default();
        let mut listed = HashSet::new();
        let mut changed: BTreeMap<String, Listed> = BTreeMap::new();
        let first = state.folder(id).is_none_or(|folder| folder.state.is_none());
        loop {
            let (page, last) = self.sync_page(state, id, ItemKind::Event).await?;
            for id in &page.deleted {
                listed.insert(id.clone());
                changed.remove(id);
                walk.series |= !first && state.was_master(id) != Some(false);
                if state.was_master(id) != Some(true) {
                    walk.deleted.push(id.clone());
                }
                state.set_master(id, false);
            }
            for item in page.changed {
                listed.insert(item.id.clone());
                walk.deleted.retain(|id| *id != item.id);
                let master = item.item_type == "RecurringMaster";
                walk.series |=
                    master || item.item_type.is_empty() || state.was_master(&item.id) == Some(true);
                state.set_master(&item.id, master);
                if master {
                    changed.remove(&item.id);
                } else {
                    changed.insert(item.id.clone(), item);
                }
            }
            listed.extend(page.others);
            if last {
                break;
            }
        }
        expect(&mut state.again, id, &listed, told);
        if first {
            return Ok(Walk {
                series: true,
                ..Walk::default()
            });
        }
        walk.singles = changed.into_values().collect();
        Ok(walk)
    }

    /// The mails that the events named.
    async fn open_mails(
        &self,
        state: &mut State,
        want: &Want,
        told: &Told,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        let mut seen = HashSet::new();
        let named: Vec<String> = state
            .of(ItemKind::Email)
            .filter_map(|folder| told.get(&folder.id))
            .flatten()
            .flatten()
            .filter(|id| seen.insert((*id).clone()))
            .cloned()
            .collect();
        self.mails(state, &named, want.mails_since, items).await
    }

    /// Reads mails, and keeps those that came or went since then, or that are marked, in a folder that is looked at.
    async fn mails(
        &self,
        state: &mut State,
        ids: &[String],
        since: Timestamp,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        if ids.is_empty() {
            return Ok(());
        }
        for (id, got) in ids.iter().zip(self.get(ids, Shape::Of(ItemKind::Email)).await?) {
            match got {
                Got::Item(Held::Mail(mail)) => {
                    let (at, modified) = (mail.at(), timestamp(&mail.head.modified).seconds());
                    state.mails_seen = state.mails_seen.max(Some(modified));
                    let looked_at = state
                        .of(ItemKind::Email)
                        .any(|folder| folder.id == mail.head.folder);
                    let mail = mail.snapshot(&state.places);
                    // Who marks an old one, or moves it to our folder, means it.
                    if looked_at && (at >= since || mail.marked) {
                        self.remember_size(id, &mail);
                        items.push(Change::Present(Box::new(mail)));
                    }
                }
                Got::Unreadable(refusal) => self.note_unreadable(ItemKind::Email, id, refusal),
                // Deleted, or moved to where it has another id: if somebody looks there, that is told, too.
                Got::Missing => items.push(Change::Absent(ItemId(id.clone()))),
                Got::Item(_) | Got::Other => {}
            }
        }
        Ok(())
    }

    /// Everything that the subscription has seen; `None`: it is lost.
    async fn events(&self, mut pull: Pull) -> Result<Option<(Pull, Events)>, Fault> {
        let mut all = Events::default();
        for _ in 0..EVENT_PAGES {
            let request = notifications::get_events(&pull.id, &pull.watermark);
            let page: Result<Events, CallError> = self
                .client
                .call_one(
                    notifications::GET_EVENTS,
                    Effect::Reads,
                    request,
                    notifications::events_payload,
                )
                .await;
            let mut page = match page {
                Ok(page) => page,
                Err(CallError::Response(error)) if is_lost(&error.code) => return Ok(None),
                Err(error) => return Err(error.into_fault(notifications::GET_EVENTS, false)),
            };
            for (folder, ids) in std::mem::take(&mut page.folders) {
                all.folders.entry(folder).or_default().extend(ids);
            }
            all.structure.append(&mut page.structure);
            let moved = !page.watermark.is_empty() && page.watermark != pull.watermark;
            if moved {
                pull.watermark = page.watermark;
            }
            all.more = page.more;
            if !page.more || !moved {
                return Ok(Some((pull, all)));
            }
        }
        // So many that it is cheaper to read the folders than to go on: a fresh subscription, later.
        Ok(None)
    }

    pub(crate) async fn subscribe(&self, state: &mut State) -> Result<(), Fault> {
        let request = notifications::subscribe(&state.ids());
        let made: Result<Subscription, CallError> = self
            .client
            .call_one(
                notifications::SUBSCRIBE,
                Effect::Reads,
                request,
                notifications::subscribe_payload,
            )
            .await;
        state.pull = match made {
            Ok(made) if !made.id.is_empty() && !made.watermark.is_empty() => Some(Pull {
                id: made.id,
                watermark: made.watermark,
            }),
            Ok(_) => None,
            // The folder is gone, which reading it will tell; or this server makes no subscriptions for us.
            Err(CallError::Response(error))
                if matches!(
                    error.kind(),
                    FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected
                ) =>
            {
                tracing::info!(
                    code = crate::error::shown(&error.code),
                    "the server gives no subscription"
                );
                None
            }
            Err(error) => return Err(error.into_fault(notifications::SUBSCRIBE, false)),
        };
        state.pause = if state.pull.is_some() { 0 } else { PAUSE };
        Ok(())
    }

    /// A page of a folder's changes; the state moves on with it. Whether it was the last.
    async fn sync_page(
        &self,
        state: &mut State,
        id: &str,
        kind: ItemKind,
    ) -> Result<(SyncPage, bool), Fault> {
        let Some(folder) = state.folder(id) else {
            return Ok((SyncPage::default(), true));
        };
        let request = sync_items::request(id, folder.state.as_deref(), kind);
        let page: SyncPage = self
            .client
            .call_one(
                sync_items::NAME,
                Effect::Reads,
                request,
                sync_items::payload(kind),
            )
            .await
            .map_err(|error| match error {
                CallError::Response(error) if error.is_missing_folder() || error.is_missing_item() => {
                    Fault::new(FaultKind::CursorExpired, "a folder that was read before is gone")
                }
                error => error.into_fault(sync_items::NAME, false),
            })?;
        if page.state.is_empty() {
            return Err(Fault::fatal("SyncFolderItems gave no state"));
        }
        if !page.last && folder.state.as_ref() == Some(&page.state) {
            return Err(Fault::fatal("SyncFolderItems does not move on"));
        }
        folder.state = Some(page.state.clone());
        let last = page.last;
        Ok((page, last))
    }

    /// The next page of what is left to do.
    async fn read_page(&self, state: &mut State, items: &mut Vec<Change>) -> Result<(), Fault> {
        let mut changed: BTreeMap<ItemKind, Vec<String>> = BTreeMap::new();
        let mut seen = HashSet::new();
        while items.len() + seen.len() < PAGE {
            let Some(work) = state.work.pop_front() else { break };
            match work {
                Work::Sync { folder } => {
                    let Some(kind) = state.folder(&folder).map(|f| f.kind) else {
                        continue;
                    };
                    let (page, last) = self.sync_page(state, &folder, kind).await?;
                    let full = state.lists_all(kind);
                    let ids = page.changed.iter().map(|item| item.id.clone());
                    if last {
                        let listed: HashSet<String> = ids
                            .chain(page.deleted.iter().cloned())
                            .chain(page.others)
                            .collect();
                        let told = self.with_known(|known| known.told.remove(&folder));
                        expect(&mut state.again, &folder, &listed, told.as_ref());
                    } else {
                        state.work.push_front(Work::Sync { folder });
                    }
                    // An item that went and came back within the page is read below: the last one wins.
                    items.extend(page.deleted.into_iter().map(|id| Change::Absent(ItemId(id))));
                    let since = self.with_known(|known| known.tasks_since);
                    let wanted = page
                        .changed
                        .into_iter()
                        .filter(|item| !full || !is_history(item, kind, since));
                    let ids = changed.entry(kind).or_default();
                    ids.extend(wanted.map(|item| item.id).filter(|id| seen.insert(id.clone())));
                    if !last {
                        break;
                    }
                }
                Work::View { from, to } => {
                    let Some(ids) = self.view(&state.places.calendar.clone(), from, to).await? else {
                        // More than it shows: in two halves.
                        let middle = from + (to - from) / 2;
                        state.work.push_front(Work::View { from: middle, to });
                        state.work.push_front(Work::View { from, to: middle });
                        continue;
                    };
                    let new = ids.into_iter().filter(|id| seen.insert(id.clone()));
                    changed.entry(ItemKind::Event).or_default().extend(new);
                }
                Work::Mails {
                    folder,
                    since,
                    modified,
                    offset,
                } => {
                    let range = Range {
                        from: write_instant(Timestamp::from_seconds(since)),
                        to: None,
                        modified: modified.map(|at| write_instant(Timestamp::from_seconds(at - OVERLAP))),
                        older: if state.places.ours(ItemKind::Email) == Some(folder.as_str()) {
                            Older::Unsaved
                        } else {
                            Older::Marked
                        },
                    };
                    let (ids, next) = self.mail_page(&folder, &range, offset).await?;
                    if let Some(next) = next {
                        state.work.push_front(Work::Mails {
                            folder,
                            since,
                            modified,
                            offset: next,
                        });
                    }
                    self.mails(state, &ids, Timestamp::from_seconds(since), items)
                        .await?;
                }
            }
        }
        let window = self.with_known(|known| known.window);
        for (kind, ids) in changed {
            let at = items.len();
            self.present(&ids, kind, items).await?;
            if let (ItemKind::Event, Some(window)) = (kind, window) {
                // The view was wider than the window, for the sake of whole days elsewhere on earth.
                let rest: Vec<Change> = items
                    .drain(at..)
                    .filter(|change| starts_in(change, window))
                    .collect();
                items.extend(rest);
            }
        }
        Ok(())
    }

    /// The ids of a stretch of the calendar; `None`: it holds more than the server shows.
    async fn view(&self, folder: &str, from: i64, to: i64) -> Result<Option<Vec<String>>, Fault> {
        let page = self.view_page(folder, from, to).await?;
        Ok(page.map(|page| page.items.iter().map(|item| item.id().to_owned()).collect()))
    }

    /// A stretch of the calendar as a table; `None`: it holds more than the server shows.
    pub(crate) async fn view_page(
        &self,
        folder: &str,
        from: i64,
        to: i64,
    ) -> Result<Option<ItemPage>, Fault> {
        let at = |seconds| write_instant(Timestamp::from_seconds(seconds));
        let can_be_cut = to - from > SHORTEST;
        let page: Result<ItemPage, CallError> = self
            .client
            .call_one(
                find_item::NAME,
                Effect::Reads,
                calendar::view(folder, &at(from), &at(to), VIEW),
                find_item::payload,
            )
            .await;
        match page {
            Ok(page) if can_be_cut && (page.cut || page.items.len() >= VIEW as usize) => Ok(None),
            Ok(page) => Ok(Some(page)),
            Err(CallError::Response(error))
                if can_be_cut
                    && matches!(
                        error.code.as_str(),
                        "ErrorExceededFindCountLimit" | "ErrorCalendarViewRangeTooBig"
                    ) =>
            {
                Ok(None)
            }
            Err(CallError::Response(error)) if error.is_missing_folder() => Err(Fault::new(
                FaultKind::CursorExpired,
                "the calendar that was read before is gone",
            )),
            // A few enormous events: fewer at a time.
            Err(error) if error.too_large() && can_be_cut => Ok(None),
            Err(error) => Err(error.into_fault(find_item::NAME, false)),
        }
    }

    /// A page of a folder's mails, and where the next one begins.
    pub(crate) async fn mail_page(
        &self,
        folder: &str,
        range: &Range,
        offset: u32,
    ) -> Result<(Vec<String>, Option<u32>), Fault> {
        let request = message::find(&[folder], range, offset, MAILS);
        let page: Result<ItemPage, CallError> = self
            .client
            .call_one(find_item::NAME, Effect::Reads, request, find_item::payload)
            .await;
        let page = match page {
            Ok(page) => page,
            // A chosen folder may be taken away at any time: its mails are not looked at any more.
            Err(CallError::Response(error)) if error.is_missing_folder() => return Ok((Vec::new(), None)),
            Err(error) => return Err(error.into_fault(find_item::NAME, false)),
        };
        let next = match page.next {
            Some(next) if next > offset => Some(next.saturating_sub(STEP_BACK).max(offset + 1)),
            Some(_) => return Err(Fault::fatal("FindItem does not move on")),
            None if page.cut => return Err(Fault::fatal("FindItem does not say where the next page begins")),
            None => None,
        };
        Ok((page.items.iter().map(|item| item.id().to_owned()).collect(), next))
    }

    /// Reads items that are said to have changed.
    async fn present(&self, ids: &[String], kind: ItemKind, items: &mut Vec<Change>) -> Result<(), Fault> {
        if ids.is_empty() {
            return Ok(());
        }
        let places = self.places().await?;
        for (id, got) in ids.iter().zip(self.get(ids, Shape::Of(kind)).await?) {
            match got {
                // A series is never shown, and its occurrences are listed by the view.
                Got::Item(held) if held.is_master() => {}
                Got::Item(held) if held.folder() == places.deleted => {
                    items.push(Change::Absent(ItemId(id.clone())));
                }
                Got::Item(held) => items.push(Change::Present(Box::new(held.snapshot(&places)))),
                Got::Missing => items.push(Change::Absent(ItemId(id.clone()))),
                Got::Other => {}
                Got::Unreadable(refusal) => {
                    tracing::warn!(?kind, "an item cannot be read, and is passed over");
                    self.note_unreadable(kind, id, refusal);
                }
            }
        }
        Ok(())
    }
}

/// Every folder is read.
fn read_all(state: &mut State, want: &Want) {
    state.work = state
        .folders
        .iter()
        .map(|folder| match folder.kind {
            ItemKind::Email => Work::Mails {
                folder: folder.id.clone(),
                since: want.mails_since.seconds(),
                modified: state.mails_seen,
                offset: 0,
            },
            _ => Work::Sync {
                folder: folder.id.clone(),
            },
        })
        .collect::<VecDeque<_>>();
}

/// The window in stretches that a view takes, a day wider at both ends: a whole day begins somewhere on earth earlier,
/// and ends elsewhere later, than in UTC.
fn stretches(want: &Want) -> Vec<Work> {
    let (mut from, end) = (want.events.from.seconds() - DAY, want.events.to.seconds() + DAY);
    let mut all = Vec::new();
    while from < end {
        let to = (from + LONGEST).min(end);
        all.push(Work::View { from, to });
        from = to;
    }
    all
}

/// Whether the view lists it, by its start and end: in doubt it does not.
fn is_in(listed: &Listed, want: &Want) -> bool {
    let (Some(start), Some(end)) = (instant(&listed.start), instant(&listed.end)) else {
        return false;
    };
    end.as_second() > want.events.from.seconds() && start.as_second() < want.events.to.seconds()
}

fn starts_in(change: &Change, window: tandem_sync::model::Window) -> bool {
    let Change::Present(snapshot) = change else {
        return true;
    };
    let when = snapshot.record.get(tandem_sync::model::Field::When).known();
    // One whose time cannot be told is listed: there is an issue to raise.
    when.and_then(|text| text.parse::<tandem_sync::model::When>().ok())
        .is_none_or(|when| when.is_in(window))
}

/// A task that was done, due and changed long ago.
fn is_history(item: &Listed, kind: ItemKind, since: Option<Timestamp>) -> bool {
    let (ItemKind::Task, Some(since), true) = (kind, since, item.complete) else {
        return false;
    };
    let before = |text: &str| instant(text).is_some_and(|at| at.as_second() < since.seconds());
    before(&item.modified) && (item.due.trim().is_empty() || before(&item.due))
}

/// A change may be listed later than an event tells of it: the folder is then read again in the next rounds.
fn expect(
    again: &mut BTreeMap<String, u8>,
    folder: &str,
    listed: &HashSet<String>,
    told: Option<&Vec<Vec<String>>>,
) {
    let missing =
        told.is_some_and(|events| events.iter().any(|ids| !ids.iter().any(|id| listed.contains(id))));
    let left = match again.get(folder) {
        _ if missing => AGAIN,
        Some(left) if listed.is_empty() => left - 1,
        _ => 0,
    };
    if left == 0 {
        again.remove(folder);
    } else {
        again.insert(folder.to_owned(), left);
    }
}

/// The subscription or its watermark is not known to the server any more, or cannot be used here.
fn is_lost(code: &str) -> bool {
    matches!(
        code,
        "ErrorSubscriptionNotFound"
            | "ErrorInvalidSubscription"
            | "ErrorExpiredSubscription"
            | "ErrorSubscriptionUnsubscribed"
            | "ErrorSubscriptionAccessDenied"
            | "ErrorSubscriptionDelegateAccessNotSupported"
            | "ErrorInvalidWatermark"
            | "ErrorInvalidPullSubscriptionId"
            | "ErrorReadEventsFailed"
            | "ErrorMissedNotificationEvents"
            | "ErrorEventNotFound"
            | "ErrorNewEventStreamConnectionOpened"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_is_listed_late_is_waited_for() {
        let listed = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
        let told = vec![vec!["new".to_owned(), "old".to_owned()], vec!["b".to_owned()]];
        let mut again = BTreeMap::new();
        expect(&mut again, "c", &listed(&["old", "b"]), Some(&told));
        assert!(again.is_empty());
        expect(&mut again, "c", &listed(&["old"]), Some(&told));
        assert_eq!(again["c"], AGAIN);
        expect(&mut again, "c", &listed(&[]), None);
        assert_eq!(again["c"], AGAIN - 1);
        expect(&mut again, "c", &listed(&["b"]), None);
        assert!(again.is_empty());
        expect(&mut again, "c", &listed(&[]), Some(&told));
        for _ in 0..AGAIN {
            assert!(again.contains_key("c"));
            expect(&mut again, "c", &listed(&[]), None);
        }
        assert!(again.is_empty(), "it is not waited for for ever");
    }
}
