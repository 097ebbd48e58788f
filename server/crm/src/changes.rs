//! What has changed, in one request where nothing has.

mod list_view;
mod position;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::Method;
use tandem_sync::model::{Change, Changes, Cursor, ItemId, Kinds, Want, When};
use tandem_sync::{Fault, FaultKind};
use tandem_types::{ContactScope, ItemKind, Timestamp};

use crate::answer::{Page, SubAnswer, SubRequest};
use crate::client::Effect;
use crate::describe::Described;
use crate::map::{self, Reach, Row, event, task};
use crate::problem::Failure;
use crate::salesforce::{Salesforce, describes};
use crate::{soql, times};
use position::{Pending, Position, Round, Stream};

/// A row's `SystemModstamp` is set before its transaction commits: rows of a long transaction turn up behind the
/// watermark. Reading them twice is harmless.
const OVERLAP_SECONDS: i64 = tandem_sync::fan_in::OVERLAP_SECONDS;
/// As long as Salesforce shows what was deleted.
const OLDEST_POLL_SECONDS: i64 = 15 * 24 * 3600;
/// Changed records of other owners that one poll looks at. More of them: something moved many records, and a full
/// listing is cheaper.
const MOST_LEFT: usize = 2000;
/// The longest event: one that is going on when the window begins started no earlier.
const LONGEST_EVENT_SECONDS: i64 = 15 * 24 * 3600;
const MINUTE_SECONDS: i64 = 60;

/// One listing that a round begins with.
struct Ask {
    stream: Stream,
    full: bool,
    from: Option<Timestamp>,
}

/// The first answers of a round.
#[derive(Default)]
struct Opened {
    pages: Vec<(Stream, Page)>,
    /// Of contacts: what others own now.
    left: Vec<Change>,
    /// Activities that changed, whosever they are.
    touched: Vec<String>,
    members: Members,
    date: Option<Timestamp>,
}

/// What is known of the list view's members.
#[derive(Default)]
enum Members {
    #[default]
    NotAsked,
    /// It is gone, or this user may not see it.
    Lost(Failure),
    Known(HashSet<String>),
}

impl Salesforce {
    pub(crate) async fn list_changes(&self, since: Option<&Cursor>, want: &Want) -> Result<Changes, Failure> {
        let now = self.clock.now();
        let mut position = match since {
            None => Position::start(),
            Some(cursor) => {
                let position = Position::parse(cursor)
                    .ok_or_else(|| expired("the cursor is another version's or another side's"))?;
                if now.seconds_since(position.polled) > OLDEST_POLL_SECONDS {
                    return Err(expired(
                        "the last poll is longer ago than Salesforce shows deletions",
                    ));
                }
                position
            }
        };
        if let Some(until) = self.spared(since, &position, want).await {
            position.advance(until, now);
            return close(position, Round::nothing(), Vec::new());
        }
        let described = self.described().await?;
        if let Some(round) = position.round.take() {
            return self.go_on(position, round, &described, want, now).await;
        }
        let kinds: Kinds = [ItemKind::Contact, ItemKind::Event, ItemKind::Task]
            .into_iter()
            .filter(|kind| want.kinds.has(*kind) && described.view(*kind).is_some())
            .collect();
        position.fit(want, kinds);
        position.polled = now;
        // What stood in that answer was to be seen before this question is asked.
        position.told = match &self.told {
            Some(told) => Some(told.number().await),
            None => None,
        };
        self.open(position, kinds, described, want, now).await
    }

    /// Up to which stamp nothing needs to be asked for: the organisation's integration user has done it.
    async fn spared(&self, since: Option<&Cursor>, position: &Position, want: &Want) -> Option<Timestamp> {
        since?;
        let told = self.told.as_ref()?;
        told.quiet(&position.question(want, &self.account.user)?).await
    }

    /// Begins a round, in one request.
    async fn open(
        &self,
        mut position: Position,
        kinds: Kinds,
        mut described: Arc<Described>,
        want: &Want,
        now: Timestamp,
    ) -> Result<Changes, Failure> {
        let mut asks: Vec<Ask> = Stream::ALL
            .into_iter()
            .filter(|stream| kinds.has(stream.kind()))
            .map(|stream| match position.marks.get(&stream) {
                None => Ask {
                    stream,
                    full: true,
                    from: None,
                },
                Some(mark) => Ask {
                    stream,
                    full: false,
                    from: mark.map(|at| at.plus_seconds(-OVERLAP_SECONDS)),
                },
            })
            .collect();
        if described.relations.select.is_empty() {
            // The user may not see invitations: the listing of what is his own is all there is.
            asks.retain(|ask| ask.stream != Stream::Invitations);
        }
        let mut tries = 0;
        let mut opened = loop {
            tries += 1;
            match self.ask(&described, &asks, want, now).await {
                Err(failure) if failure.is_about_fields() && tries < 3 => {
                    described = self.described_anew(&described).await?;
                }
                result => break result?,
            }
        };
        let mut round = Round {
            full: asks.iter().filter(|ask| ask.full).map(|ask| ask.stream).collect(),
            pending: Vec::new(),
        };
        // Where both clocks agree that it is later, a quiet organisation's watermark moves on, and rows that were all
        // written at once are not read again with every poll.
        let floor = opened.date.map(|date| date.min(now));
        let mut items = std::mem::take(&mut opened.left);
        items.extend(touched_elsewhere(&opened));
        self.settle_members(&mut opened, &mut position, &mut round, want, &mut items)
            .await?;
        if kinds.has(ItemKind::Event) && described.relations.select.is_empty() {
            // So that the cursor knows events although nobody could be asked for invitations.
            position.marks.insert(Stream::Invitations, floor);
        }
        for (stream, page) in std::mem::take(&mut opened.pages) {
            let so_far = Pending {
                stream,
                next: String::new(),
                seen: None,
                floor,
            };
            self.take(
                &mut position,
                &mut round,
                &described,
                want,
                so_far,
                page,
                &mut items,
            )
            .await?;
        }
        close(position, round, items)
    }

    /// Reads the next page of a round.
    async fn go_on(
        &self,
        mut position: Position,
        mut round: Round,
        described: &Arc<Described>,
        want: &Want,
        now: Timestamp,
    ) -> Result<Changes, Failure> {
        let mut items = Vec::new();
        if round.pending.is_empty() {
            return close(position, round, items);
        }
        let mut pending = round.pending.remove(0);
        let page = match self.rest.next_page(&pending.next).await {
            Ok(page) => page,
            // The rows come in the order of their stamps: what is left begins at the last one seen.
            Err(failure) if is_lost_locator(&failure) => {
                position.polled = now;
                let ask = Ask {
                    stream: pending.stream,
                    full: round.full.contains(&pending.stream),
                    from: pending.seen,
                };
                let request =
                    SubRequest::query(ask.stream.name(), true, &self.listing(described, &ask, want)?);
                let base = self.base().await?;
                let (mut answers, _) = self.rest.composite(&base, &[request], Effect::None).await?;
                answers.swap_remove(0).page()?
            }
            Err(failure) => return Err(failure),
        };
        pending.next.clear();
        self.take(
            &mut position,
            &mut round,
            described,
            want,
            pending,
            page,
            &mut items,
        )
        .await?;
        close(position, round, items)
    }

    async fn ask(
        &self,
        described: &Arc<Described>,
        asks: &[Ask],
        want: &Want,
        now: Timestamp,
    ) -> Result<Opened, Failure> {
        let base = self.base().await?;
        let mut requests = Vec::new();
        // Before the listings: what changes in between is in those, and cannot look like somebody else's.
        let touched: Vec<&Ask> = asks
            .iter()
            .filter(|ask| matches!(ask.stream, Stream::Events | Stream::Tasks) && ask.from.is_some())
            .collect();
        for ask in &touched {
            requests.extend(ask.from.map(|from| updated(ask.stream, from, now)));
        }
        let mut left = false;
        for ask in asks {
            requests.push(SubRequest::query(
                ask.stream.name(),
                true,
                &self.listing(described, ask, want)?,
            ));
            if ask.stream == Stream::Contacts
                && want.contact_scope == ContactScope::Mine
                && !ask.full
                && let Some(from) = ask.from
            {
                left = true;
                let soql = format!(
                    "SELECT Id,IsDeleted,MasterRecordId FROM Contact WHERE OwnerId != {} AND SystemModstamp >= {} \
                     ORDER BY SystemModstamp, Id LIMIT {MOST_LEFT}",
                    soql::quote(self.me()),
                    times::literal(from)
                );
                requests.push(SubRequest::query("left", true, &soql));
            }
        }
        let contacts = asks.iter().any(|ask| ask.stream == Stream::Contacts);
        let list = want
            .contact_list
            .as_deref()
            .filter(|_| contacts && want.contact_scope == ContactScope::ListView);
        if let Some(list) = list {
            requests.push(list_view::request(list, 0)?);
        }
        let describe = self.cache.is_stale(described, now);
        if describe {
            requests.extend(describes());
        }
        let (answers, date) = if requests.is_empty() {
            (Vec::new(), None)
        } else {
            self.rest.composite(&base, &requests, Effect::None).await?
        };
        let mut answers = answers.into_iter();
        let mut opened = Opened {
            date,
            ..Opened::default()
        };
        for answer in answers.by_ref().take(touched.len()) {
            opened.touched.extend(updated_ids(&answer));
        }
        for ask in asks {
            let Some(answer) = answers.next() else { break };
            opened.pages.push((ask.stream, answer.page()?));
            if ask.stream == Stream::Contacts && left {
                let Some(answer) = answers.next() else { break };
                let page = answer.page()?;
                if page.next.is_some() || page.rows.len() >= MOST_LEFT {
                    return Err(expired("many records of other owners have changed"));
                }
                for row in &page.rows {
                    opened.left.push(gone_or(row, Change::Left)?);
                }
            }
        }
        if let Some(list) = list {
            opened.members = match answers.next() {
                Some(answer) => self.rest_of_members(list, answer).await?,
                None => Members::NotAsked,
            };
        }
        // Its failure costs nothing: the old description is good for a while.
        if describe && let Ok(anew) = self.parse_describes(answers.collect(), described.zone.clone()) {
            self.remember(anew);
        }
        Ok(opened)
    }

    /// The query of one listing.
    fn listing(&self, described: &Described, ask: &Ask, want: &Want) -> Result<String, Failure> {
        let view = described
            .view(ask.stream.kind())
            .ok_or_else(|| Fault::fatal("a kind that this user does not have was asked for"))?;
        let me = soql::quote(self.me());
        let mut conditions: Vec<String> = Vec::new();
        let since = ask
            .from
            .map(|from| format!("SystemModstamp >= {}", times::literal(from)));
        let starts = |prefix: &str| {
            format!(
                "{prefix}StartDateTime >= {} AND {prefix}StartDateTime < {}",
                times::literal(want.events.from.plus_seconds(-LONGEST_EVENT_SECONDS)),
                times::literal(want.events.to)
            )
        };
        let (object, select) = match ask.stream {
            Stream::Contacts => {
                if want.contact_scope == ContactScope::Mine {
                    conditions.push(format!("OwnerId = {me}"));
                }
                // A list view is read by its members; this listing only tells the watermark.
                if ask.full && want.contact_scope == ContactScope::ListView {
                    conditions.push("Id = null".to_owned());
                }
                conditions.extend(since);
                ("Contact", view.select.clone())
            }
            Stream::Events => {
                conditions.push(format!("OwnerId = {me}"));
                conditions.extend(plain_event(described));
                if ask.full {
                    conditions.push(starts(""));
                }
                conditions.extend(since);
                ("Event", view.select.clone())
            }
            Stream::Invitations => {
                conditions.push(format!("RelationId = {me}"));
                if ask.full {
                    conditions.push(starts("Event."));
                }
                // An answer moves no stamp of the event, and a change of the event none of the answer.
                conditions.extend(since.map(|since| format!("({since} OR Event.{since})")));
                ("EventRelation", described.relations.select.clone())
            }
            Stream::Tasks => {
                conditions.push(format!("OwnerId = {me}"));
                conditions.extend(plain_task(described));
                if ask.full {
                    conditions.push(recent(view.has("IsClosed"), want.tasks_since));
                }
                conditions.extend(since);
                ("Task", view.select.clone())
            }
        };
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        Ok(format!(
            "SELECT {select} FROM {object}{filter} ORDER BY SystemModstamp, Id"
        ))
    }

    /// Takes a page of one listing in, and moves its watermark if it was the last.
    #[expect(clippy::too_many_arguments, reason = "the parts of one page, used twice")]
    async fn take(
        &self,
        position: &mut Position,
        round: &mut Round,
        described: &Arc<Described>,
        want: &Want,
        so_far: Pending,
        page: Page,
        items: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let Pending {
            stream,
            mut seen,
            floor,
            ..
        } = so_far;
        for row in &page.rows {
            seen = seen.max(map::time(row, "SystemModstamp"));
        }
        let full = round.full.contains(&stream);
        match stream {
            Stream::Contacts => self.contacts(described, want, &page.rows, items).await?,
            Stream::Events | Stream::Tasks => {
                self.activities(described, want, full, &page.rows, items).await?;
            }
            Stream::Invitations => {
                let ids: BTreeSet<String> = page
                    .rows
                    .iter()
                    .filter_map(|row| map::reference(row, "EventId"))
                    .collect();
                self.invitations(want, full, &ids, items).await?;
            }
        }
        if let Some(next) = page.next {
            round.pending.push(Pending {
                stream,
                next,
                seen,
                floor,
            });
        } else {
            // Rows that changed while the pages were read carry stamps past the round's start.
            let end = floor.or(seen);
            let before = position.marks.get(&stream).copied().flatten();
            let mark = if full { end } else { before.max(end) };
            position.marks.insert(stream, mark);
        }
        Ok(())
    }

    async fn contacts(
        &self,
        described: &Described,
        want: &Want,
        rows: &[Row],
        items: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let reach = self.reach_of(want).await?;
        let reading = self.reading(described, &reach);
        let none = map::ties::Ties::default();
        for row in rows {
            if map::is_deleted(row) {
                items.push(gone_or(row, Change::Left)?);
                continue;
            }
            let snapshot = reading.snapshot(row, &none)?;
            // Of a list view only its members are told: who leaves it makes the list another.
            if matches!(reach, Reach::List(_)) && snapshot.scope != tandem_sync::model::Scope::In {
                continue;
            }
            items.push(Change::Present(Box::new(snapshot)));
        }
        Ok(())
    }

    async fn reach_of(&self, want: &Want) -> Result<Reach, Failure> {
        Ok(match want.contact_scope {
            ContactScope::Mine => Reach::Mine,
            ContactScope::AllVisible => Reach::All,
            ContactScope::ListView => self.reach().await?,
        })
    }

    /// Events or tasks with what they are tied to. A full listing is cut to the window, exactly.
    async fn activities(
        &self,
        described: &Described,
        want: &Want,
        full: bool,
        rows: &[Row],
        items: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        let (gone, here): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| map::is_deleted(row));
        for row in gone {
            items.push(gone_or(row, Change::Left)?);
        }
        let here: Vec<Row> = here.into_iter().cloned().collect();
        let ties = self.ties(described, &here).await?;
        let reading = self.reading(described, &Reach::Mine);
        for row in &here {
            if full
                && let Some(when) = row.get("StartDateTime").and_then(|_| event::when(row))
                && !When::is_in(when, want.events)
            {
                continue;
            }
            let snapshot = reading.snapshot(row, &ties)?;
            items.push(Change::Present(Box::new(snapshot)));
        }
        Ok(())
    }

    /// The events of invitations that came, changed or went.
    async fn invitations(
        &self,
        want: &Want,
        full: bool,
        ids: &BTreeSet<String>,
        items: &mut Vec<Change>,
    ) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        let (described, rows) = self.by_ids(&ids, true).await?;
        let found: HashSet<String> = rows
            .iter()
            .filter_map(|row| map::id_of(row).ok())
            .map(|id| id.0)
            .collect();
        let mut read = Vec::new();
        self.activities(&described, want, full, &rows, &mut read).await?;
        for change in read {
            match change {
                // The invitation was taken back, or it was no event but a copy or a series.
                Change::Present(snapshot) if snapshot.scope != tandem_sync::model::Scope::In => {
                    if !full {
                        items.push(Change::Left(snapshot.id));
                    }
                }
                change => items.push(change),
            }
        }
        if !full {
            let hidden = ids.iter().filter(|id| !found.contains(**id));
            items.extend(hidden.map(|id| Change::Absent(ItemId((*id).to_owned()))));
        }
        Ok(())
    }
}

/// Neither the copies that invitees get nor the rows that stand for a series.
pub(crate) fn plain_event(described: &Described) -> Vec<String> {
    let has = |name: &str| described.view(ItemKind::Event).is_some_and(|view| view.has(name));
    ["IsChild", "IsRecurrence"]
        .into_iter()
        .filter(|name| has(name))
        .map(|name| format!("{name} = false"))
        .collect()
}

/// Neither calls, nor saved emails, nor the rows that stand for a series.
pub(crate) fn plain_task(described: &Described) -> Vec<String> {
    let has = |name: &str| described.view(ItemKind::Task).is_some_and(|view| view.has(name));
    let mut conditions = Vec::new();
    if has("TaskSubtype") {
        conditions.push(format!("TaskSubtype = {}", soql::quote(task::SUBTYPE)));
    }
    if has("IsRecurrence") {
        conditions.push("IsRecurrence = false".to_owned());
    }
    conditions
}

/// Open, or due or changed since.
fn recent(has_closed: bool, since: Timestamp) -> String {
    let day = times::literal(since);
    let day = day.get(..10).unwrap_or("1970-01-01");
    let open = if has_closed { "IsClosed = false OR " } else { "" };
    format!(
        "({open}ActivityDate >= {day} OR LastModifiedDate >= {})",
        times::literal(since)
    )
}

/// Which records changed, whosever they are: ids alone, and no query.
///
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm>
fn updated(stream: Stream, from: Timestamp, now: Timestamp) -> SubRequest {
    // Seconds are not looked at. One minute later than the listing begins: what is in this is in that.
    let minute = |at: Timestamp| {
        let seconds = at.seconds().div_euclid(MINUTE_SECONDS) * MINUTE_SECONDS;
        tandem_sync::model::instant(Timestamp::from_seconds(seconds)).replace('Z', "%2B00:00")
    };
    let start = minute(from.plus_seconds(MINUTE_SECONDS));
    let end = minute(now.max(from).plus_seconds(2 * MINUTE_SECONDS));
    let object = if stream == Stream::Tasks { "Task" } else { "Event" };
    let path = format!("sobjects/{object}/updated/?start={start}&end={end}");
    SubRequest::new(format!("touched{object}"), Method::GET, path, None)
}

/// None where it could not be told: the daily compare finds what left.
fn updated_ids(answer: &SubAnswer) -> Vec<String> {
    if !answer.is_ok() {
        return Vec::new();
    }
    let ids = answer.body.get("ids").and_then(serde_json::Value::as_array);
    let ids: Vec<String> = ids
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().and_then(crate::ids::id18))
        .collect();
    if ids.len() > MOST_LEFT { Vec::new() } else { ids }
}

/// Activities that changed and are not in the user's listings: what has become of them is to be asked for.
fn touched_elsewhere(opened: &Opened) -> Vec<Change> {
    let mine: HashSet<String> = opened
        .pages
        .iter()
        .flat_map(|(stream, page)| {
            let name = if *stream == Stream::Invitations {
                "EventId"
            } else {
                "Id"
            };
            page.rows.iter().filter_map(move |row| map::reference(row, name))
        })
        .collect();
    opened
        .touched
        .iter()
        .filter(|id| !mine.contains(*id))
        .map(|id| Change::Absent(ItemId(id.clone())))
        .collect()
}

fn close(mut position: Position, round: Round, items: Vec<Change>) -> Result<Changes, Failure> {
    let more = !round.pending.is_empty();
    let full = round.kinds();
    position.round = more.then_some(round);
    Ok(Changes {
        items,
        cursor: position.cursor()?,
        more,
        full,
    })
}

fn gone_or(row: &Row, other: impl FnOnce(ItemId) -> Change) -> Result<Change, Failure> {
    let id = map::id_of(row)?;
    Ok(if map::is_deleted(row) {
        Change::Deleted {
            id,
            merged_into: map::merged_into(row),
        }
    } else {
        other(id)
    })
}

fn expired(why: &str) -> Failure {
    Fault::new(FaultKind::CursorExpired, why).into()
}

fn is_lost_locator(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "INVALID_QUERY_LOCATOR" | "NOT_FOUND")
}
