//! What changed since: messages and contacts of a folder, tasks of a list, and the span of a calendar.
//!
//! <https://learn.microsoft.com/graph/delta-query-overview>. Links carry a token; a token stands for what the client
//! knows, or for the rest of a round.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Outcome, Refused};
use super::call::{Call, Request, Target};
use super::query::{Filter, Query};
use super::{contact, event, message, task};
use crate::exchange::content::{Class, Content};
use crate::exchange::event::overlaps;
use crate::exchange::props::write_time;
use crate::exchange::store::Late;
use crate::faults::Kind;

/// More are not tracked with a filter.
const FILTERED: usize = 5000;
/// Tokens that a mailbox remembers; older ones have expired.
const TOKENS: usize = 600;
const SEAL: &str = "R0usmcCM";

/// What a token tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Of {
    Messages(u64),
    Contacts(u64),
    Tasks(u64),
    /// Calendar, start, end.
    View(u64, i64, i64),
}

impl Of {
    fn class(&self) -> Class {
        match self {
            Self::Messages(_) => Class::Message,
            Self::Contacts(_) => Class::Contact,
            Self::Tasks(_) => Class::Task,
            Self::View(..) => Class::Event,
        }
    }

    fn folder(&self) -> u64 {
        match self {
            Self::Messages(f) | Self::Contacts(f) | Self::Tasks(f) | Self::View(f, ..) => *f,
        }
    }

    fn ty(&self) -> &'static str {
        match self {
            Self::Messages(_) => "message",
            Self::Contacts(_) => "contact",
            Self::Tasks(_) => "todoTask",
            Self::View(..) => "event",
        }
    }
}

/// How a client knows an item or occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    moves: u64,
    seq: u64,
    /// Of what this one shows, where many share one item; else 0.
    shown: u64,
}

type Known = HashMap<Target, Mark>;

/// One entry of a round.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Changed(Target),
    /// A message was read, or marked as unread; nothing else.
    Read(Target),
    Removed(Target, u64),
}

/// What one token stands for.
#[derive(Debug, Clone)]
pub(super) struct Round {
    of: Of,
    /// The options of the first request.
    query: Arc<Query>,
    known: Arc<Known>,
    /// The mailbox's sequence number when the round was begun.
    seq: u64,
    /// What further pages still have to tell.
    rest: VecDeque<Entry>,
    /// Pages with nothing on them that come before the end.
    empty: usize,
    made: i64,
}

/// All tokens of one mailbox.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_text: HashMap<String, Arc<Round>>,
    order: VecDeque<String>,
    made: u64,
}

impl Tokens {
    /// Forgets all.
    pub(super) fn expire(&mut self) {
        self.by_text.clear();
        self.order.clear();
    }
}

/// The delta of a mail folder.
pub(super) fn messages(call: &mut Call<'_>, folder: u64) -> Outcome {
    answer(
        call,
        Of::Messages(folder),
        &["$select", "$top", "$filter", "$orderby", "$expand"],
    )
}

/// The delta of a folder of contacts.
pub(super) fn contacts(call: &mut Call<'_>, folder: u64) -> Outcome {
    answer(call, Of::Contacts(folder), &["$select", "$top"])
}

/// The delta of a list.
pub(super) fn tasks(call: &mut Call<'_>, list: u64) -> Outcome {
    answer(call, Of::Tasks(list), &["$select", "$top"])
}

/// The delta of a span of a calendar: nothing but the span can be said.
pub(super) fn view(call: &mut Call<'_>, calendar: u64) -> Outcome {
    let (from, until) = if call.query().delta_token.is_some() || call.query().skip_token.is_some() {
        (0, 0)
    } else {
        event::span(call)?
    };
    answer(
        call,
        Of::View(calendar, from, until),
        &["startDateTime", "endDateTime"],
    )
}

fn answer(call: &mut Call<'_>, of: Of, first: &[&str]) -> Outcome {
    if let Some(token) = call.query().skip_token.clone() {
        let round = recall(call, &of, &token)?;
        return Ok(page(call, (*round).clone()));
    }
    let Some(token) = call.query().delta_token.clone() else {
        call.query().only(first)?;
        let query = call.query().clone();
        if let Some(filter) = &query.filter {
            filter.check(&["receivedDateTime"])?;
        }
        let round = begin(call, of, Arc::new(query), None);
        return Ok(page(call, round));
    };
    let round = recall(call, &of, &token)?;
    let silent = call.take(|k| *k == Kind::SilentResync).is_some();
    let before = (!silent).then_some(&*round);
    let round = begin(call, round.of.clone(), Arc::clone(&round.query), before);
    Ok(page(call, round))
}

/// The address that begins anew, for a `Location`.
fn anew(call: &Call<'_>, round: &Round) -> String {
    use std::fmt::Write as _;
    let mut address = call.address();
    if let Of::View(_, from, until) = round.of {
        let (from, until) = (write_time(from), write_time(until));
        let _ = write!(address, "?startDateTime={from}&endDateTime={until}");
    }
    address
}

fn not_known(call: &mut Call<'_>, round: Option<&Round>) -> Refused {
    // Servers say it in more than one way, all of which mean the same.
    call.state.resyncs += 1;
    let generation = call.state.resyncs;
    let text = format!(
        "The sync state generation is not found; generation={generation};[highest=841][841][839][840]."
    );
    match (generation % 3, round) {
        (2, Some(round)) => Refused::new(
            410,
            "resyncRequired",
            "Resync required. Replace any local items with the server's version (including deletes).",
        )
        .with("location", anew(call, round)),
        (0, _) => Refused::new(400, "syncStateNotFound", text),
        _ => Refused::new(410, "SyncStateNotFound", text),
    }
}

fn recall(call: &mut Call<'_>, of: &Of, token: &str) -> Result<Arc<Round>, Refused> {
    let mailbox = call.mailbox();
    let plain = token.replace('-', "/").replace('_', "+");
    if mailbox
        .ids
        .unsealed(SEAL, "delta", mailbox.index, &plain)
        .is_none()
    {
        return Err(Refused::new(400, "BadRequest", "Badly formed token."));
    }
    let me = call.me;
    let found = call
        .state
        .tokens
        .get(&me)
        .and_then(|t| t.by_text.get(token))
        .cloned();
    let expired = call.take(|k| *k == Kind::ExpiredCursor).is_some();
    let life = call.knobs.token_life_s.saturating_mul(1_000_000);
    match found {
        Some(round) if life > 0 && call.now - round.made > life => Err(not_known(call, Some(&round))),
        Some(round) if expired => Err(not_known(call, Some(&round))),
        None => Err(not_known(call, None)),
        Some(round) => {
            let same = match (&round.of, of) {
                (Of::View(a, ..), Of::View(b, ..)) => a == b,
                (a, b) => a == b,
            };
            if same {
                Ok(round)
            } else {
                Err(Refused::new(
                    400,
                    "BadRequest",
                    "The token is of another resource.",
                ))
            }
        }
    }
}

fn remember(call: &mut Call<'_>, round: Round) -> String {
    let me = call.me;
    let tokens = call.state.tokens.entry(me).or_default();
    tokens.made += 1;
    let made = tokens.made;
    let mailbox = &call.store.mailboxes[me];
    let text = mailbox
        .ids
        .sealed(SEAL, "delta", mailbox.index, [made, 0, 0])
        .replace('/', "-")
        .replace('+', "_");
    if tokens.order.len() == TOKENS
        && let Some(oldest) = tokens.order.pop_front()
    {
        tokens.by_text.remove(&oldest);
    }
    tokens.order.push_back(text.clone());
    tokens.by_text.insert(text.clone(), Arc::new(round));
    text
}

/// A number for all that a series or exception shows by itself.
fn hash(content: &Content) -> u64 {
    let bare = Content {
        exceptions: std::collections::BTreeMap::new(),
        attachments: Vec::new(),
        mime: None,
        ..content.clone()
    };
    let mut hasher = DefaultHasher::new();
    format!("{bare:?}").hash(&mut hasher);
    content.attachments.len().hash(&mut hasher);
    hasher.finish()
}

/// All that is there now.
fn current(call: &Call<'_>, of: &Of, filter: Option<&Filter>) -> Known {
    let mut known = Known::new();
    let items = call
        .mailbox()
        .items_in(of.folder())
        .filter(|(_, i)| i.content.class == of.class());
    if let Of::View(_, from, until) = *of {
        for (number, item) in items {
            let content = &item.content;
            let mark = |shown| Mark {
                moves: item.moves,
                seq: item.seq,
                shown,
            };
            if content.recurrence.is_none() {
                if overlaps(content.start(), content.end(), from, until) {
                    known.insert(Target::item(number), mark(0));
                }
                continue;
            }
            let all = content.occurrences(from, until);
            if !all.is_empty() {
                known.insert(Target::item(number), mark(hash(content)));
            }
            for (original, one, differs) in all {
                let shown = if differs {
                    hash(&one)
                } else {
                    one.start().cast_unsigned() ^ one.end().cast_unsigned()
                };
                known.insert(
                    Target {
                        number,
                        original: Some(original),
                    },
                    mark(shown),
                );
            }
        }
        return known;
    }
    let mut all: Vec<(i64, u64, Mark)> = items
        .map(|(number, item)| {
            let received = message::received(&item.content, item.created);
            (
                received,
                number,
                Mark {
                    moves: item.moves,
                    seq: item.seq,
                    shown: 0,
                },
            )
        })
        .collect();
    if let Some(filter) = filter {
        all.retain(|(received, ..)| filter.passes(&json!({ "receivedDateTime": write_time(*received) })));
        all.sort_unstable_by_key(|(received, number, _)| std::cmp::Reverse((*received, *number)));
        all.truncate(FILTERED);
    }
    known.extend(
        all.into_iter()
            .map(|(_, number, mark)| (Target::item(number), mark)),
    );
    known
}

/// What a round has to tell: sequence number and entry.
fn differences(call: &Call<'_>, of: &Of, now: &Known, before: Option<&Round>) -> Vec<(u64, Entry)> {
    let nothing = Known::new();
    let known = before.map_or(&nothing, |b| &b.known);
    let mailbox = call.mailbox();
    let mut found = Vec::new();
    for (target, mark) in now {
        match known.get(target) {
            Some(old) if old.seq == mark.seq => {}
            // Many share one item: what did not change in itself is not told.
            Some(old) if mark.shown != 0 && old.shown == mark.shown => {}
            Some(old) => {
                let read = mailbox
                    .items
                    .get(&target.number)
                    .is_some_and(|i| old.seq >= i.text_seq);
                let read = read && of.class() == Class::Message;
                found.push((
                    mark.seq,
                    if read {
                        Entry::Read(*target)
                    } else {
                        Entry::Changed(*target)
                    },
                ));
            }
            None => found.push((mark.seq, Entry::Changed(*target))),
        }
    }
    for (target, mark) in known {
        if !now.contains_key(target) {
            let gone = mailbox.gone.get(&(target.number, mark.moves)).copied();
            let seq = gone
                .or_else(|| mailbox.items.get(&target.number).map(|i| i.seq))
                .unwrap_or(mailbox.seq);
            found.push((seq, Entry::Removed(*target, mark.moves)));
        }
    }
    // What was made or changed outside of the span is told as if it had been deleted.
    if let (Of::View(folder, ..), Some(before)) = (of, before) {
        for (number, item) in mailbox.items_in(*folder) {
            let target = Target::item(number);
            if item.content.class == Class::Event
                && item.seq > before.seq
                && !now.contains_key(&target)
                && !known.contains_key(&target)
            {
                found.push((item.seq, Entry::Removed(target, item.moves)));
            }
        }
    }
    found
}

/// Begins a round: the first one, or one that goes on from what the client knows.
fn begin(call: &mut Call<'_>, of: Of, query: Arc<Query>, before: Option<&Round>) -> Round {
    let mut now = current(call, &of, query.filter.as_ref());
    if call.take(|k| *k == Kind::Empty).is_some() {
        now.clear();
    }
    let mut found = differences(call, &of, &now, before);
    let span = (
        found.iter().map(|(seq, _)| *seq).min(),
        found.iter().map(|(seq, _)| *seq).max(),
    );
    if let (Some(first), Some(last)) = span
        && let Some(Kind::LateChanges { n }) = call.take(|k| matches!(k, Kind::LateChanges { .. }))
    {
        let until = call.n.saturating_add(n);
        call.mailbox_mut().late.push(Late {
            after: first - 1,
            upto: last,
            until,
        });
    }
    let n = call.n;
    let held: Vec<Target> = found
        .iter()
        .filter(|(seq, _)| call.mailbox().is_late(*seq, n))
        .map(|(_, entry)| entry.target())
        .collect();
    found.retain(|(seq, _)| !call.mailbox().is_late(*seq, n));
    // What is held back stays as the client knows it.
    for target in held {
        match before.and_then(|b| b.known.get(&target)) {
            Some(mark) => drop(now.insert(target, *mark)),
            None => drop(now.remove(&target)),
        }
    }
    // No order is promised: this one puts occurrences before their series, and mixes old and new.
    found.sort_by_key(|(seq, entry)| {
        (
            std::cmp::Reverse(entry.target().original),
            seq % 3,
            entry.target().number,
        )
    });
    let mut rest: VecDeque<Entry> = found.into_iter().map(|(_, entry)| entry).collect();
    if !rest.is_empty() && call.take(|k| *k == Kind::DuplicateChanges).is_some() {
        rest.extend(rest.clone());
    }
    let known = match before {
        Some(before) if *before.known == now => Arc::clone(&before.known),
        _ => Arc::new(now),
    };
    Round {
        of,
        query,
        known,
        seq: call.mailbox().seq,
        empty: if rest.is_empty() {
            0
        } else {
            call.knobs.empty_pages
        },
        rest,
        made: call.now,
    }
}

impl Entry {
    fn target(self) -> Target {
        match self {
            Self::Changed(target) | Self::Read(target) | Self::Removed(target, _) => target,
        }
    }
}

/// The next page of a round, or its end.
fn page(call: &mut Call<'_>, mut round: Round) -> Answer {
    let size = call
        .request
        .prefer
        .page
        .or(round.query.top)
        .unwrap_or(10)
        .min(1000);
    let nothing = round.empty > 0;
    round.empty = round.empty.saturating_sub(1);
    let n = if nothing { 0 } else { size.min(round.rest.len()) };
    let taken: Vec<Entry> = round.rest.drain(..n).collect();
    let mut values = Vec::new();
    {
        let request = Request {
            query: (*round.query).clone(),
            ..call.request.clone()
        };
        let view = Call {
            store: &mut *call.store,
            state: &mut *call.state,
            knobs: call.knobs,
            faults: call.faults,
            me: call.me,
            now: call.now,
            n: call.n,
            request: &request,
        };
        for entry in &taken {
            // Gone since the round began: the next one tells it.
            if let Some(value) = write(&view, &round.of, *entry) {
                values.push(value);
            }
        }
    }
    // A full page may be the last one: that shows with the next, which is empty then.
    let more = nothing || !round.rest.is_empty() || n == size;
    round.made = call.now;
    let mut out = Map::new();
    let context = match round.of {
        Of::Messages(_) => "messages",
        Of::Contacts(_) => "contacts",
        Of::Tasks(_) => "todoTask",
        Of::View(..) => "events",
    };
    out.insert("@odata.context".into(), json!(call.context(context)));
    out.insert("value".into(), Value::Array(values));
    let token = remember(call, round);
    let (name, option) = if more {
        ("@odata.nextLink", "$skiptoken")
    } else {
        ("@odata.deltaLink", "$deltatoken")
    };
    out.insert(name.into(), json!(format!("{}?{option}={token}", call.address())));
    Answer::json(200, Value::Object(out))
}

fn write(call: &Call<'_>, of: &Of, entry: Entry) -> Option<Value> {
    let target = match entry {
        Entry::Removed(target, moves) => {
            let mut out = json!({ "id": call.old_id(target, moves), "@removed": { "reason": "deleted" } });
            if matches!(of, Of::Messages(_) | Of::View(..)) {
                out["@odata.type"] = json!(format!("#microsoft.graph.{}", of.ty()));
            }
            return Some(out);
        }
        Entry::Changed(target) | Entry::Read(target) => target,
    };
    let properties = &call.query().properties;
    let mut value = match of {
        Of::Messages(_) => call.pruned(message::write(call, target.number, properties).ok()?),
        Of::Contacts(_) => call.pruned(contact::write(call, target.number, properties).ok()?),
        Of::Tasks(_) => call.pruned(task::write(call, target.number).ok()?),
        Of::View(..) => {
            let (_, differs) = call.content(target).ok()?;
            if target.original.is_some() && !differs {
                event::write_partial(call, target).ok()?
            } else {
                event::write(call, target, &[]).ok()?
            }
        }
    };
    if matches!(entry, Entry::Read(_)) {
        let map = value.as_object_mut()?;
        map.retain(|name, _| matches!(name.as_str(), "@odata.etag" | "id" | "isRead"));
    }
    value["@odata.type"] = json!(format!("#microsoft.graph.{}", of.ty()));
    Some(value)
}
