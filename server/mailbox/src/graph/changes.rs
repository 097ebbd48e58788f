//! What changed: a delta of each folder, all asked for in one batch.
//! <https://learn.microsoft.com/graph/delta-query-overview>
//!
//! - A delta says which items changed. What it shows of them is not relied on: it may be a part, and it has none of the
//!   properties that Graph has no name for. They are read by their ids, twenty in a request.
//! - Where everything is listed, the delta is walked to its end first, telling nothing, and then the folder is listed with
//!   all properties: hundreds in a request. Whatever changes in between is told by the next round.
//! - Events have a delta only of a stretch of the calendar, which is frozen in its token. As soon as the stretch that is
//!   wanted has moved on by a day, another one begins, and the stretch is listed in full. The same as soon as anything of
//!   a series has changed.
//! - Mails: a delta shows those that came since the beginning. Older ones that the user marks are asked for by a search in
//!   the same batch.
//! - `@removed` says that an item is no longer shown there, whatever became of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tandem_sync::model::{
    Change, Changes, Cursor, Field, ItemId, Kinds, Want, When, instant as write_instant,
};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ItemKind, Timestamp};

use super::Graph;
use super::ask::{Ask, escaped, quoted, with_query};
use super::client::{Page, Part};
use super::cursor::{State, Work};
use super::event;
use super::ground::CONTACTS;
use super::item::{self, Got, text};
use super::mail;
use super::times;
use crate::map::{CATEGORY, FOLDER, MAILS_FOLDER, has, instant, timestamp};

/// A page of changes ends once it holds so many.
const PAGE: usize = 250;
/// Items on one page of a list.
const LISTED: usize = 100;
/// The same, where a few of them are enormous.
const FEW: usize = 5;
/// More single events than this changed: listing the window costs less than reading each.
const MANY_EVENTS: usize = 500;
/// A view does not reach further, in seconds: Graph takes five years.
const LONGEST: i64 = 600 * DAY;
/// A search goes back so far before the last change seen, in seconds: two mails may be written at once.
const OVERLAP: i64 = 600;
const DAY: i64 = 86_400;
const NAME: &str = "reading changes";

/// What a delta told: the last word about each item.
#[derive(Default)]
struct Told {
    changed: BTreeMap<String, Value>,
    removed: BTreeSet<String>,
}

impl Told {
    fn take(&mut self, items: Vec<Value>) {
        for item in items {
            let id = text(&item, "id").to_owned();
            if id.is_empty() {
                continue;
            }
            if item["@removed"].is_object() {
                self.changed.remove(&id);
                self.removed.insert(id);
            } else {
                self.removed.remove(&id);
                self.changed.insert(id, item);
            }
        }
    }
}

impl Graph {
    pub(crate) async fn read_changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Fault> {
        self.with_known(|known| {
            known.paths.clone_from(&want.mail_folders);
            known.window = Some(want.events);
            known.tasks_since = Some(want.tasks_since);
        });
        let mut items = Vec::new();
        let mut state = match since {
            None => {
                self.fresh_tree().await?;
                let mut state = State::new(want, &self.ground().await?);
                self.open_round(&mut state, want, want.kinds, &mut items).await?;
                state
            }
            Some(cursor) => {
                let mut state = State::parse(cursor)?;
                self.with_known(|known| {
                    known.ground.get_or_insert_with(|| state.ground.clone());
                });
                if state.work.is_empty() {
                    state.full.clear();
                    let anew = self.begin_round(&mut state, want).await?;
                    self.open_round(&mut state, want, anew, &mut items).await?;
                }
                state
            }
        };
        self.read_page(&mut state, want, &mut items).await?;
        newest(&mut items);
        Ok(Changes {
            items,
            cursor: state.cursor()?,
            more: !state.work.is_empty(),
            full: state.full.iter().copied().collect(),
        })
    }

    /// Fits the state to what is wanted now; the kinds that are to be listed as from nothing.
    async fn begin_round(&self, state: &mut State, want: &Want) -> Result<Kinds, Fault> {
        let places = &state.ground.places;
        for kind in want.kinds.iter() {
            if places.ours(kind).is_none() && !places.default_of(kind).is_empty() {
                return Err(expired("a folder of ours did not exist before"));
            }
        }
        let made_for = state.made_for();
        let mut anew: Kinds = want.kinds.iter().filter(|kind| !made_for.has(*kind)).collect();
        if state.paths != want.mail_folders {
            self.fresh_tree().await?;
            state.ground = self.ground().await?;
            state.paths.clone_from(&want.mail_folders);
            state.set_kinds(want.kinds);
        } else if made_for != want.kinds {
            state.set_kinds(want.kinds);
        }
        if want.kinds.has(ItemKind::Event) && !state.view_holds(want.events) {
            anew = anew.with(ItemKind::Event);
        }
        Ok(anew)
    }

    /// What is done once in a round, before its first page: every delta is asked for, and what decides whether a kind is
    /// listed in full is found out. `anew`: kinds to be listed as from nothing.
    async fn open_round(
        &self,
        state: &mut State,
        want: &Want,
        anew: Kinds,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        for kind in anew.iter() {
            state.begin_anew(kind);
        }
        let mut pages = self.ask_for_deltas(state, want, items).await?;
        self.open_events(
            state,
            want,
            pages.remove(&("calendar".to_owned(), ItemKind::Event)),
            items,
        )
        .await?;
        for source in state.sources.clone() {
            let (place, kind) = (source.place, source.kind);
            if kind == ItemKind::Event {
                continue;
            }
            if source.link.is_none() {
                state.work.push_back(Work::Begin {
                    place: place.clone(),
                    kind,
                    next: None,
                });
                state.work.push_back(Work::List {
                    place,
                    kind,
                    next: None,
                });
            } else if let Some(page) = pages.remove(&(place.clone(), kind)) {
                self.take_page(state, want, &place, kind, page, items).await?;
            }
        }
        Ok(())
    }

    /// One batch: the deltas that go on, whether our folders are where they were, and old mails that were marked.
    async fn ask_for_deltas(
        &self,
        state: &mut State,
        want: &Want,
        items: &mut Vec<Change>,
    ) -> Result<BTreeMap<(String, ItemKind), Page>, Fault> {
        let linked: Vec<(String, ItemKind, String)> = state
            .sources
            .iter()
            .filter_map(|source| Some((source.place.clone(), source.kind, source.link.clone()?)))
            .collect();
        let mut asks: Vec<Ask> = linked
            .iter()
            .map(|(_, _, link)| Ask::get(link.clone()).page(self.client.limits.page))
            .collect();
        let places = &state.ground.places;
        let looks = |kind| linked.iter().any(|(_, of, _)| *of == kind);
        let folder = |path: &str, id: &String| {
            let path = format!("{path}/{}", escaped(id));
            Ask::get(with_query(&path, &[("$select", "id,displayName,parentFolderId")]))
        };
        let mut checks = Vec::new();
        if let (Some(id), true) = (&places.salesforce, looks(ItemKind::Contact)) {
            asks.push(folder("/me/contactFolders", id));
            checks.push(FOLDER);
        }
        if let (Some(id), true) = (&places.salesforce_emails, looks(ItemKind::Email)) {
            asks.push(folder("/me/mailFolders", id));
            checks.push(MAILS_FOLDER);
        }
        let mails = want.kinds.has(ItemKind::Email);
        if mails {
            asks.push(Ask::get(marked(state)));
        }
        if asks.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut parts = self
            .client
            .read_all(&asks)
            .await
            .map_err(|error| error.into_fault(NAME, false))?;
        let marked = if mails { parts.pop() } else { None };
        let checked = parts.split_off(linked.len());
        for (name, part) in checks.into_iter().zip(checked) {
            Self::check_folder(state, name, part)?;
        }
        let mut pages = BTreeMap::new();
        let mut reset: BTreeSet<ItemKind> = BTreeSet::new();
        for ((place, kind, _), part) in linked.into_iter().zip(parts) {
            match part {
                Ok(body) => {
                    let page = self
                        .client
                        .page_of(&body)
                        .map_err(|error| error.into_fault(NAME, false))?;
                    pages.insert((place, kind), page);
                }
                Err(problem) if problem.is_reset() => {
                    tracing::info!(?kind, code = problem.shown(), "a delta begins anew");
                    if kind == ItemKind::Email {
                        if let Some(source) = state.source(&place, kind) {
                            source.link = None;
                        }
                    } else {
                        reset.insert(kind);
                    }
                }
                // A chosen folder may be taken away at any time: its mails are not looked at any more.
                Err(problem)
                    if problem.is_missing()
                        && kind == ItemKind::Email
                        && state.ground.places.chosen.contains(&place) =>
                {
                    state.ground.places.chosen.remove(&place);
                    state
                        .sources
                        .retain(|source| source.place != place || source.kind != kind);
                }
                Err(problem) if problem.is_missing() => {
                    return Err(expired("a folder that was read before is gone"));
                }
                Err(problem) => return Err(problem.into_fault(NAME)),
            }
        }
        for kind in reset {
            pages.retain(|(_, of), _| *of != kind);
            state.begin_anew(kind);
        }
        if let Some(part) = marked {
            let body = part.map_err(|problem| problem.into_fault(NAME))?;
            let page = self
                .client
                .page_of(&body)
                .map_err(|error| error.into_fault(NAME, false))?;
            self.take_marked(state, want, page, items).await?;
        }
        Ok(pages)
    }

    /// A folder of ours that was deleted or renamed is none any more.
    fn check_folder(state: &State, name: &str, part: Part) -> Result<(), Fault> {
        match part {
            Ok(folder)
                if text(&folder, "displayName").eq_ignore_ascii_case(name)
                    && text(&folder, "parentFolderId") != state.ground.places.deleted =>
            {
                Ok(())
            }
            Ok(_) => Err(expired("a folder of ours was taken away")),
            Err(problem) if problem.is_missing() => Err(expired("a folder of ours was taken away")),
            Err(problem) => Err(problem.into_fault(NAME)),
        }
    }

    /// Everything that changed in the calendar: only then it is known whether events are listed in full.
    async fn open_events(
        &self,
        state: &mut State,
        want: &Want,
        first: Option<Page>,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        if !want.kinds.has(ItemKind::Event) {
            return Ok(());
        }
        let begins = first.is_none();
        let mut page = if let Some(page) = first {
            page
        } else {
            let (from, to) = state.set_view(want.events);
            let url = with_query(
                "/me/calendarView/delta",
                &[("startDateTime", &at(from)), ("endDateTime", &at(to))],
            );
            self.delta_page(&url).await?
        };
        let mut told = Told::default();
        let mut series = false;
        loop {
            for item in &page.items {
                if item["@removed"].is_object() {
                    series |= state.may_be_master(text(item, "id"));
                } else {
                    series |= event::is_of_series(item);
                    if event::is_master(item) {
                        state.set_master(text(item, "id"));
                    }
                }
            }
            if !begins {
                told.take(page.items);
            }
            page = match (page.next, page.delta) {
                (Some(next), _) => self.delta_page(&next).await?,
                (None, Some(delta)) => {
                    if let Some(source) = state.sources.iter_mut().find(|s| s.kind == ItemKind::Event) {
                        source.link = Some(delta);
                    }
                    break;
                }
                (None, None) => return Err(Fault::fatal("a delta has no end")),
            };
        }
        let mut singles: Vec<&Value> = told
            .changed
            .values()
            .filter(|item| !event::is_of_series(item))
            .collect();
        if begins || series || singles.len() > MANY_EVENTS {
            if !state.lists_all(ItemKind::Event) {
                state.full.push(ItemKind::Event);
            }
            state.work.extend(stretches(want));
            // Those in the window are listed by the view.
            singles.retain(|item| !is_in(item, want));
            singles.truncate(MANY_EVENTS);
        }
        let ids: Vec<String> = singles.iter().map(|item| text(item, "id").to_owned()).collect();
        items.extend(told.removed.into_iter().map(|id| Change::Absent(ItemId(id))));
        self.present(state, ItemKind::Event, ids, want, items).await
    }

    async fn delta_page(&self, url: &str) -> Result<Page, Fault> {
        let ask = Ask::get(url).page(self.client.limits.page);
        self.client
            .page(&ask)
            .await
            .map_err(|error| error.into_fault(NAME, false))
    }

    /// A page of a delta of contacts, tasks or mails: what it told is read, and what is left of it is work.
    async fn take_page(
        &self,
        state: &mut State,
        want: &Want,
        place: &str,
        kind: ItemKind,
        page: Page,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        match (page.next, page.delta) {
            (Some(next), _) => state.work.push_front(Work::Walk {
                place: place.to_owned(),
                kind,
                next,
            }),
            (None, Some(delta)) => {
                if let Some(source) = state.source(place, kind) {
                    source.link = Some(delta);
                }
            }
            (None, None) => return Err(Fault::fatal("a delta has no end")),
        }
        let mut told = Told::default();
        told.take(page.items);
        let ours = state.ground.places.ours(kind) == Some(place);
        let name = |id: String| match kind {
            ItemKind::Task => format!("{place}/{id}"),
            _ => id,
        };
        // A mail that went elsewhere is told of there, if there is looked at.
        if kind != ItemKind::Email {
            let removed = told
                .removed
                .into_iter()
                .map(|id| Change::Absent(ItemId(name(id))));
            items.extend(removed);
        }
        let ids = told
            .changed
            .into_iter()
            .filter(|(_, item)| kind != ItemKind::Email || ours || may_be_wanted(item, want.mails_since))
            .map(|(id, _)| name(id))
            .collect();
        self.present(state, kind, ids, want, items).await
    }

    /// Old mails with our category that were changed lately.
    async fn take_marked(
        &self,
        state: &mut State,
        want: &Want,
        page: Page,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        state.work.extend(page.next.map(|next| Work::Marked { next }));
        let ids: Vec<String> = page
            .items
            .iter()
            .filter(|mail| state.looks_at(text(mail, "parentFolderId")))
            .map(|mail| {
                (
                    text(mail, "id").to_owned(),
                    text(mail, "lastModifiedDateTime").to_owned(),
                )
            })
            .collect::<Vec<_>>()
            .into_iter()
            .filter(|(id, modified)| state.is_news(id, modified))
            .map(|(id, _)| id)
            .collect();
        self.present(state, ItemKind::Email, ids, want, items).await
    }

    /// The next page of what is left to do.
    async fn read_page(&self, state: &mut State, want: &Want, items: &mut Vec<Change>) -> Result<(), Fault> {
        while items.len() < PAGE {
            let Some(work) = state.work.pop_front() else { break };
            match work {
                Work::Walk { place, kind, next } => {
                    let page = self.delta_page(&next).await?;
                    self.take_page(state, want, &place, kind, page, items).await?;
                }
                Work::Begin { place, kind, next } => {
                    let url = next.unwrap_or_else(|| begin(state, &place, kind));
                    let page = self.delta_page(&url).await?;
                    match (page.next, page.delta) {
                        (Some(next), _) => state.work.push_front(Work::Begin {
                            place,
                            kind,
                            next: Some(next),
                        }),
                        (None, Some(delta)) => {
                            if let Some(source) = state.source(&place, kind) {
                                source.link = Some(delta);
                            }
                        }
                        (None, None) => return Err(Fault::fatal("a delta has no end")),
                    }
                }
                Work::List { place, kind, next } => {
                    let url = next.unwrap_or_else(|| list(state, &place, kind, LISTED));
                    let page = match self.client.page(&Ask::get(&*url)).await {
                        // A few enormous items: fewer at a time, from the beginning.
                        Err(error) if error.too_large() && url != list(state, &place, kind, FEW) => {
                            let url = list(state, &place, kind, FEW);
                            state.work.push_front(Work::List {
                                place,
                                kind,
                                next: Some(url),
                            });
                            continue;
                        }
                        page => page.map_err(|error| error.into_fault(NAME, false))?,
                    };
                    if let Some(next) = page.next {
                        state.work.push_front(Work::List {
                            place: place.clone(),
                            kind,
                            next: Some(next),
                        });
                    }
                    for json in page.items {
                        if kind == ItemKind::Task && is_history(&json, want.tasks_since) {
                            continue;
                        }
                        self.show(state, kind, json, &place, want, items);
                    }
                }
                Work::View { from, to, page, next } => {
                    let url = next.unwrap_or_else(|| view(from, to, page));
                    let listed = match self.client.page(&Ask::get(&*url)).await {
                        Err(error) if error.too_large() && page > FEW => {
                            state.work.push_front(Work::View {
                                from,
                                to,
                                page: FEW,
                                next: None,
                            });
                            continue;
                        }
                        listed => listed.map_err(|error| error.into_fault(NAME, false))?,
                    };
                    if let Some(next) = listed.next {
                        state.work.push_front(Work::View {
                            from,
                            to,
                            page,
                            next: Some(next),
                        });
                    }
                    for json in listed.items {
                        let at = items.len();
                        self.show(state, ItemKind::Event, json, "", want, items);
                        // The view was wider than the window, for the sake of whole days elsewhere on earth.
                        if items.get(at).is_some_and(|change| !starts_in(change, want)) {
                            items.truncate(at);
                        }
                    }
                }
                Work::Marked { next } => {
                    let page = self
                        .client
                        .page(&Ask::get(next))
                        .await
                        .map_err(|error| error.into_fault(NAME, false))?;
                    self.take_marked(state, want, page, items).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads items that are said to have changed.
    async fn present(
        &self,
        state: &mut State,
        kind: ItemKind,
        ids: Vec<String>,
        want: &Want,
        items: &mut Vec<Change>,
    ) -> Result<(), Fault> {
        let asked: Vec<(ItemKind, String)> = ids.into_iter().map(|id| (kind, id)).collect();
        let got = self.get(&asked).await?;
        for ((kind, id), got) in asked.into_iter().zip(got) {
            self.tell(state, kind, &id, got, want, items);
        }
        Ok(())
    }

    /// One item of a list.
    fn show(
        &self,
        state: &mut State,
        kind: ItemKind,
        json: Value,
        list: &str,
        want: &Want,
        items: &mut Vec<Change>,
    ) {
        let mut id = text(&json, "id").to_owned();
        if kind == ItemKind::Task {
            id = format!("{list}/{id}");
        }
        let got = item::read(kind, json, list, &state.ground);
        self.remember(kind, &id, &got);
        self.tell(state, kind, &id, got, want, items);
    }

    fn tell(
        &self,
        state: &mut State,
        kind: ItemKind,
        id: &str,
        got: Got,
        want: &Want,
        items: &mut Vec<Change>,
    ) {
        let places = &state.ground.places;
        match got {
            // A series is never shown, and its occurrences are listed by the view.
            Got::Item(item) if item.held.is_master() => {}
            Got::Item(item) if kind == ItemKind::Email => {
                let mail = item.held.snapshot(places);
                let facts = mail.extra.mail.as_deref();
                let (sent, came) = (
                    facts.map(|mail| mail.sent),
                    instant(text(&item.json, "receivedDateTime")),
                );
                let came = came.map(|at| Timestamp::from_seconds(at.as_second())).or(sent);
                let looked_at = state.looks_at(item.held.folder());
                state.mails_seen = state.mails_seen.max(mail.modified.seconds());
                // Who marks an old one, or moves it to our folder, means it.
                if looked_at && (mail.marked || came.is_none_or(|at| at >= want.mails_since)) {
                    items.push(Change::Present(Box::new(mail)));
                }
            }
            Got::Item(item) if item.held.folder() == places.deleted => {
                items.push(Change::Absent(ItemId(id.to_owned())));
            }
            Got::Item(item) => items.push(Change::Present(Box::new(item.held.snapshot(places)))),
            // Gone or moved again: what follows is told, too.
            Got::Missing if kind == ItemKind::Email => {}
            Got::Missing => items.push(Change::Absent(ItemId(id.to_owned()))),
            Got::Unreadable(refusal) => self.note_unreadable(kind, id, refusal),
        }
    }
}

/// One that was moved from one folder to another is told by both deltas. What is present was read after them: that it is
/// no longer where it was says nothing.
fn newest(items: &mut Vec<Change>) {
    let here: BTreeSet<ItemId> = items
        .iter()
        .filter_map(|change| match change {
            Change::Present(snapshot) => Some(snapshot.id.clone()),
            _ => None,
        })
        .collect();
    items.retain(|change| !matches!(change, Change::Absent(id) if here.contains(id)));
}

fn expired(text: &str) -> Fault {
    Fault::new(FaultKind::CursorExpired, text)
}

pub(crate) fn at(seconds: i64) -> String {
    write_instant(Timestamp::from_seconds(seconds))
}

/// Where a delta begins.
fn begin(state: &State, place: &str, kind: ItemKind) -> String {
    match kind {
        ItemKind::Contact => with_query(
            &format!("{}/delta", contacts(place)),
            &[("$select", "id,parentFolderId")],
        ),
        ItemKind::Task => format!("/me/todo/lists/{}/tasks/delta", escaped(place)),
        // The window is the calendar's own: see above.
        ItemKind::Event => "/me/calendarView/delta".to_owned(),
        ItemKind::Email => {
            let path = format!("/me/mailFolders/{}/messages/delta", escaped(place));
            let since = format!("receivedDateTime ge {}", at(state.mails_since));
            // Whatever comes to our folder, however old, is meant.
            if state.ground.places.ours(kind) == Some(place) {
                with_query(&path, &[("$select", mail::DELTA_SELECT)])
            } else {
                with_query(&path, &[("$select", mail::DELTA_SELECT), ("$filter", &since)])
            }
        }
    }
}

/// Everything that is there.
fn list(state: &State, place: &str, kind: ItemKind, page: usize) -> String {
    let top = page.to_string();
    match kind {
        ItemKind::Contact => item::full(kind, &contacts(place), &[("$top", &top)]),
        ItemKind::Task => {
            let path = format!("/me/todo/lists/{}/tasks", escaped(place));
            item::full(kind, &path, &[("$top", &top)])
        }
        ItemKind::Event => view(0, 0, page),
        ItemKind::Email => {
            let path = format!("/me/mailFolders/{}/messages", escaped(place));
            let since = format!("receivedDateTime ge {}", at(state.mails_since));
            if state.ground.places.ours(kind) == Some(place) {
                // Who moves an old one there changes it.
                let moved = format!("lastModifiedDateTime ge {}", at(state.mails_since));
                item::full(kind, &path, &[("$top", &top), ("$filter", &moved)])
            } else {
                item::full(
                    kind,
                    &path,
                    &[
                        ("$top", &top),
                        ("$filter", &since),
                        ("$orderby", "receivedDateTime"),
                    ],
                )
            }
        }
    }
}

/// The path of a folder's contacts.
pub(crate) fn contacts(place: &str) -> String {
    if place == CONTACTS {
        "/me/contacts".to_owned()
    } else {
        format!("/me/contactFolders/{}/contacts", escaped(place))
    }
}

/// A stretch of the calendar, with the occurrences of series.
pub(crate) fn view(from: i64, to: i64, page: usize) -> String {
    item::full(
        ItemKind::Event,
        "/me/calendarView",
        &[
            ("startDateTime", &at(from)),
            ("endDateTime", &at(to)),
            ("$top", &page.to_string()),
        ],
    )
}

/// Mails that came before the deltas begin, that have our category, and that were changed lately.
fn marked(state: &State) -> String {
    let filter = format!(
        "receivedDateTime lt {} and lastModifiedDateTime ge {} and categories/any(c:c eq {})",
        at(state.mails_since),
        at(state.mails_seen - OVERLAP),
        quoted(CATEGORY),
    );
    with_query(
        "/me/messages",
        &[
            ("$filter", &filter),
            ("$select", "id,parentFolderId,lastModifiedDateTime"),
            ("$top", "100"),
        ],
    )
}

/// The window in stretches that a view takes, a day wider at both ends: a whole day begins somewhere on earth earlier,
/// and ends elsewhere later, than in UTC.
fn stretches(want: &Want) -> Vec<Work> {
    let (mut from, end) = (want.events.from.seconds() - DAY, want.events.to.seconds() + DAY);
    let mut all = Vec::new();
    while from < end {
        let to = (from + LONGEST).min(end);
        all.push(Work::View {
            from,
            to,
            page: LISTED,
            next: None,
        });
        from = to;
    }
    all
}

/// Whether the view lists it, by its start and end: in doubt it does not.
fn is_in(item: &Value, want: &Want) -> bool {
    let (Some(start), Some(end)) = (times::instant(&item["start"]), times::instant(&item["end"])) else {
        return false;
    };
    end.as_second() > want.events.from.seconds() && start.as_second() < want.events.to.seconds()
}

fn starts_in(change: &Change, want: &Want) -> bool {
    let Change::Present(snapshot) = change else {
        return true;
    };
    let when = snapshot.record.get(Field::When).known();
    // One whose time cannot be told is listed: there is an issue to raise.
    when.and_then(|text| text.parse::<When>().ok())
        .is_none_or(|when| when.is_in(want.events))
}

/// A mail that came or went since then, or was marked; in doubt it is.
fn may_be_wanted(item: &Value, since: Timestamp) -> bool {
    let categories = item::categories(item);
    has(&categories, CATEGORY)
        || instant(text(item, "receivedDateTime"))
            .is_none_or(|at| Timestamp::from_seconds(at.as_second()) >= since)
}

/// A task that was done, due and changed long ago.
fn is_history(item: &Value, since: Timestamp) -> bool {
    let due = times::instant(&item["dueDateTime"]);
    text(item, "status") == "completed"
        && !text(item, "lastModifiedDateTime").is_empty()
        && timestamp(text(item, "lastModifiedDateTime")) < since
        && due.is_none_or(|at| at.as_second() < since.seconds())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_word_of_a_delta_counts() {
        let mut told = Told::default();
        told.take(vec![
            json!({"id": "a", "subject": "1"}),
            json!({"id": "b", "@removed": {"reason": "deleted"}}),
            json!({"id": "a", "subject": "2"}),
            json!({"id": "c"}),
        ]);
        told.take(vec![
            json!({"id": "b"}),
            json!({"id": "c", "@removed": {"reason": "changed"}}),
            json!({"no": "id"}),
        ]);
        assert_eq!(told.changed.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(told.changed["a"]["subject"], "2");
        assert_eq!(told.removed.iter().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn history_and_old_mails_are_left_alone() {
        let since = timestamp("2026-11-01T00:00:00Z");
        let task = |status: &str, modified: &str, due: Value| {
            is_history(
                &json!({"status": status, "lastModifiedDateTime": modified, "dueDateTime": due}),
                since,
            )
        };
        let old = json!({"dateTime": "2026-10-01T00:00:00", "timeZone": "UTC"});
        let new = json!({"dateTime": "2026-12-01T00:00:00", "timeZone": "UTC"});
        assert!(task("completed", "2026-10-02T00:00:00Z", old.clone()));
        assert!(task("completed", "2026-10-02T00:00:00Z", Value::Null));
        assert!(!task("completed", "2026-10-02T00:00:00Z", new));
        assert!(!task("completed", "2026-11-02T00:00:00Z", old.clone()));
        assert!(!task("notStarted", "2026-10-02T00:00:00Z", old));
        let mail = |json: Value| may_be_wanted(&json, since);
        assert!(mail(json!({"receivedDateTime": "2026-11-02T00:00:00Z"})));
        assert!(!mail(
            json!({"receivedDateTime": "2026-10-02T00:00:00Z", "categories": ["x"]})
        ));
        assert!(mail(
            json!({"receivedDateTime": "2026-10-02T00:00:00Z", "categories": ["salesforce"]})
        ));
        assert!(mail(json!({"id": "partial"})));
    }
}
