//! Each write of ours, as it happens.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sync::LinkState;
use tandem_sync::model::{Field, FieldValue, ItemId, LinkKey, Mark, Part, Record, Relations, Scope};
use tandem_types::{ConflictPolicy, IssueCure, ItemKind, Side};

use crate::end::{take_answer, take_relations};
use crate::oracle::private::HIDDEN;
use crate::oracle::scope::NOBODY;
use crate::truth::{Home, Lost, canon, image};
use crate::world::{Item, Run, World, user_id};

/// The engine's clock and the servers' differ.
const CLOCKS_DIFFER_SECONDS: i64 = 10 * 60;

impl World {
    /// What an item was merged into, and that, and so on.
    pub(crate) fn merged(&self, home: Home, mut index: usize) -> usize {
        for _ in 0..8 {
            match self.item(home, index).merged_into {
                Some(winner) => index = winner,
                None => break,
            }
        }
        index
    }

    /// Also by an id that it had before it was moved.
    pub(crate) fn find_ever(&self, home: Home, id: &ItemId) -> Option<usize> {
        self.find(home, id)
            .or_else(|| self.shelf(home).old_ids.get(id).copied())
    }

    /// S8: who lost his lease may finish one batch, and no more.
    pub(crate) fn judge_lease(&mut self, run: usize, writes: usize) {
        let Run { conn, fence, .. } = self.runs[run];
        let newer = self
            .runs
            .iter()
            .any(|other| other.conn == conn && other.fence > fence);
        if newer && writes > 0 {
            if self.runs[run].lost_lease {
                self.violate("S8", format!("run {run} goes on writing without its lease"));
            }
            self.runs[run].lost_lease = true;
            self.counters.count("world", "wrote without its lease");
        }
    }

    fn judge_notify(&mut self, run: usize, what: &str, notify: bool) {
        if notify {
            self.counters.count("world", "mail allowed");
            if !self.runs[run].settings.send_invitations {
                self.violate("S13", format!("{what} sends mail to attendees"));
            }
        }
    }

    pub(crate) fn judge_create(
        &mut self,
        run: usize,
        home: Home,
        key: &LinkKey,
        record: &Record,
        notify: bool,
    ) -> (usize, Option<(Home, usize)>) {
        let conn = self.runs[run].conn;
        // A back-fill was asked for, and counted before it began.
        let asked = record.kind == ItemKind::Email && self.backfilling[conn];
        self.runs[run].creates += u32::from(!asked);
        self.runs[run].writes += 1;
        self.runs[run].event_writes += u32::from(matches!(record.kind, ItemKind::Event | ItemKind::Email));
        self.judge_notify(run, "a create", notify);
        let other = match home {
            Home::Box(_) => Home::Org,
            Home::Org => Home::Box(conn),
        };
        let announced = self.keys.get(&(conn, key.clone())).cloned();
        let source = announced
            .as_ref()
            .and_then(|link| self.links[conn].get(link))
            .filter(|link| link.intent.is_some_and(|intent| intent.side == home.side()))
            .and_then(|link| link.id_on(other.side()).cloned())
            .and_then(|id| self.find_ever(other, &id));
        let Some(source) = source else {
            let soul = self.guess(record);
            if self.runs[run].lost_lease {
                self.torn.insert(soul);
            } else {
                let kind = record.kind.as_str();
                self.violate("S3", format!("a {kind} is made that nobody announced"));
            }
            return (soul, None);
        };
        let made_for = Some((other, source));
        let soul = self.item(other, source).soul;
        // A request of a process that stood still for longer than its lease holds: what it had claimed, a colleague's
        // session may have taken over since, and without keys neither sees the other's.
        let late = self.now() > self.runs[run].until;
        if self.runs[run].lost_lease || late {
            self.torn.insert(soul);
        }
        if self.runs[run].undo || self.truth.any(&self.torn, soul) {
            return (soul, made_for);
        }
        let start = self.runs[run].seq;
        let item = self.item(other, source);
        // Somebody, or a colleague's session, changed it after it was read: no question is one with the write.
        let raced = item.user_seq >= start || item.ours[1 - conn] >= start || self.settings_moved(run);
        if let Err(why) = self.may_be_saved(conn, other, source)
            && !raced
            && !(why == NOBODY && self.was_matched(other, source, start))
        {
            // What was in scope when it was paired is followed wherever it goes.
            if !announced.is_some_and(|link| self.once_paired(conn, &link)) {
                let kind = record.kind.as_str();
                self.violate("S6", format!("a {kind} is saved although: {why}"));
            }
        }
        self.judge_double(run, home, soul, other, source);
        self.judge_return(run, home, soul, other, source, key);
        (soul, made_for)
    }

    pub(crate) fn settings_moved(&self, run: usize) -> bool {
        self.settings[self.runs[run].conn] != self.runs[run].settings
    }

    fn once_paired(&self, conn: usize, link: &tandem_types::LinkId) -> bool {
        self.paired.contains_key(&(conn, link.clone()))
    }

    /// Whose words these are, where nothing better is known: whose most of them are.
    fn guess(&mut self, record: &Record) -> usize {
        let mut shared: BTreeMap<usize, BTreeSet<Field>> = BTreeMap::new();
        for edit in &self.truth.edits {
            // A subject is cut where Salesforce has no place for it, and some values it writes its own way.
            let said = canon(edit.field, &edit.value);
            let is_it = |sent: &str| {
                let sent = canon(edit.field, sent);
                sent == said || sent.len() > 8 && said.starts_with(&sent)
            };
            if !said.is_empty() && record.get(edit.field).known().is_some_and(is_it) {
                shared
                    .entry(self.truth.root(edit.soul))
                    .or_default()
                    .insert(edit.field);
            }
        }
        let best = shared.iter().max_by_key(|(_, fields)| fields.len());
        match best.map(|(soul, _)| *soul) {
            Some(soul) => soul,
            None => self.truth.soul(),
        }
    }

    /// S3: what is there already is not made a second time.
    fn judge_double(&mut self, run: usize, home: Home, soul: usize, other: Home, source: usize) {
        let conn = self.runs[run].conn;
        let start = self.runs[run].seq;
        let item = self.item(other, source);
        let kind = item.kind;
        let looks = |world: &Self, a: &crate::world::Item, b: &crate::world::Item| match kind {
            ItemKind::Contact => {
                let mail = canon(Field::Email, a.text(Field::Email));
                !mail.is_empty() && mail == canon(Field::Email, b.text(Field::Email))
            }
            ItemKind::Event => {
                world.truth.same(a.soul, b.soul)
                    && a.event.original_start == b.event.original_start
                    && a.text(Field::When) == b.text(Field::When)
                    && image_subject(a) == image_subject(b)
            }
            ItemKind::Task => {
                canon(Field::Due, a.text(Field::Due)) == canon(Field::Due, b.text(Field::Due))
                    && image_subject(a) == image_subject(b)
            }
            ItemKind::Email => true,
        };
        // It was moved before the pair's key was written to it: only by what it says it can be known.
        let moved = other != Home::Org && self.shelf(other).old_ids.values().any(|at| *at == source);
        let nameless = |index: usize| {
            let keyed = |link: &tandem_sync::Link| {
                let held = link.id_on(home.side());
                item.key.as_ref() == Some(&link.key)
                    && held.is_some_and(|id| self.find_ever(home, id) == Some(index))
            };
            moved && !self.links[conn].values().any(keyed)
        };
        for index in self.of_soul(home, soul) {
            let twin = self.item(home, index);
            // What was made of this very item, and nobody has changed, is found again whatever the item says now.
            let own = twin.made_for == Some((other, source))
                && !nameless(index)
                && twin.made_by.is_some_and(|maker| !self.runs[maker].undo)
                && twin.user_seq <= twin.made_seq;
            // What it looked like when the session read it, nobody can tell here, if it was changed since.
            let raced = item.user_seq >= start || item.ours[1 - conn] >= start;
            if twin.kind != kind || !own && (raced || !looks(self, item, twin)) {
                continue;
            }
            let seen = match home {
                // A task is the same one only if it is the same person's. So is an event that a user made, or fetched back
                // when an undo had taken it away: nothing names it for the organisation.
                Home::Org => {
                    let theirs = match kind {
                        ItemKind::Task => twin.owner != conn,
                        // Nor is an appointment that came down to several calendars, and is saved anew from each, one meeting.
                        ItemKind::Event => {
                            (twin.made_by.is_none() || !item.event.is_meeting())
                                && self.scope(home, twin, conn) != Scope::In
                        }
                        ItemKind::Contact | ItemKind::Email => false,
                    };
                    self.visible(twin, conn) && !theirs
                }
                Home::Box(_) => {
                    let private = twin.private || twin.text(Field::Private) == "yes";
                    // What was cancelled stands for nothing that still takes place.
                    let event = twin.kind == ItemKind::Event && !private && !twin.event.cancelled;
                    !twin.unreadable && (twin.marked() && twin.kind != ItemKind::Event || event)
                }
            };
            let ours = twin.made_by.map(|maker| self.runs[maker].conn);
            let once = matches!(kind, ItemKind::Email) || kind == ItemKind::Event && item.event.is_meeting();
            let late = if ours.is_some() && (once || ours == Some(conn)) {
                false
            } else {
                twin.user_seq.max(twin.made_seq) >= start
            };
            // Another was made of it, or it was made of another: noted or not, those two are a pair.
            let of_other = |at: usize| at != source && self.item(other, at).here();
            let spoken_for = twin
                .made_for
                .is_some_and(|(from, at)| from == other && of_other(at))
                || self
                    .of_soul(other, soul)
                    .into_iter()
                    .any(|at| of_other(at) && self.item(other, at).made_for == Some((home, index)));
            // Without keys it looks like what a create of another has made whose answer was lost: it is that one's.
            let keyed = self.profiles[usize::from(home == Home::Org)]
                .of(kind)
                .is_some_and(|profile| profile.holds_key);
            let owed_to = |link: &tandem_sync::Link| {
                let sent = link.intent.filter(|intent| intent.side == home.side());
                sent.is_some_and(|intent| twin.created >= intent.at.plus_seconds(-CLOCKS_DIFFER_SECONDS))
                    && link.id_on(home.side()).is_none()
                    && link
                        .id_on(other.side())
                        .and_then(|id| self.find_ever(other, id))
                        .is_some_and(|at| at != source && self.truth.same(self.item(other, at).soul, soul))
            };
            let taken = spoken_for
                || !keyed && self.links[conn].values().any(owed_to)
                || self.links[conn].values().any(|link| {
                    let holds = link
                        .id_on(home.side())
                        .and_then(|id| self.find_ever(home, id))
                        .is_some_and(|at| self.merged(home, at) == index);
                    // What a link ended with is not paired again by itself.
                    let ended = matches!(link.state, tandem_sync::LinkState::Ended(_));
                    // Another copy of its item that is gone goes on with it, noted or not.
                    let copied = self.shelf(other).items.iter().enumerate().any(|(at, copy)| {
                        at != source
                            && copy.here()
                            && copy.kind == kind
                            && copy.key.as_ref() == Some(&link.key)
                    });
                    // Or this one is the copy, or was brought back: it carries the key of the one that is gone.
                    let copy_of = twin.key.as_ref() == Some(&link.key)
                        && !ended
                        && link
                            .id_on(home.side())
                            .and_then(|id| self.find_ever(home, id))
                            .is_none_or(|at| !self.item(home, at).here());
                    (holds || copy_of)
                        && (ended
                            || copied
                            || link.id_on(other.side()).is_some_and(|id| {
                                self.find_ever(other, id)
                                    .map(|at| self.merged(other, at))
                                    // Also where somebody else deletes it while this session runs.
                                    .is_some_and(|at| {
                                        let gone = self.item(other, at).gone;
                                        at != source && gone.is_none_or(|gone| gone.seq >= start)
                                    })
                            }))
                });
            if seen && !late && !taken {
                let text = format!(
                    "a second {} of {} is made beside {}",
                    kind.as_str(),
                    self.item(other, source).id,
                    twin.id
                );
                self.violate("S3", text);
                return;
            }
        }
    }

    /// S4: what a user deleted does not come back by itself.
    fn judge_return(
        &mut self,
        run: usize,
        home: Home,
        soul: usize,
        other: Home,
        source: usize,
        key: &LinkKey,
    ) {
        let conn = self.runs[run].conn;
        let kind = self.item(other, source).kind;
        let items = &self.shelf(home).items;
        let fell = (0..items.len())
            .filter(|index| {
                let item = &items[*index];
                item.kind == kind
                    && self.truth.same(item.soul, soul)
                    && item.merged_into.is_none()
                    && item.event.original_start == self.item(other, source).event.original_start
            })
            .filter_map(|index| items[index].gone.filter(|gone| gone.by_user))
            .map(|gone| gone.seq)
            .max();
        let Some(fell) = fell else { return };
        let item = self.item(other, source);
        let link = self.keys.get(&(conn, key.clone())).cloned();
        let noted = link.as_ref().map_or(0, |link| self.noted_before(link, run));
        let read = link.as_ref().map_or(0, |link| self.read_before(link, run));
        let paired = link
            .as_ref()
            .and_then(|link| self.paired.get(&(conn, link.clone())));
        let lost = items
            .iter()
            .find(|item| item.gone.is_some_and(|gone| gone.seq == fell));
        let apart = |field: Field| {
            lost.is_some_and(|lost| match home {
                Home::Box(_) => !self.agree(kind, field, lost.text(field), item.text(field)),
                Home::Org => !self.agree(kind, field, item.text(field), lost.text(field)),
            })
        };
        // What a colleague's session wrote since, and was not carried here.
        let theirs = item.ours[1 - conn];
        let late =
            paired.is_some_and(|paired| theirs > *paired) && item.fields.keys().any(|field| apart(*field));
        // Hidden when the two were paired, and shown now: whether it was edited since, nobody can tell.
        let lost_at = items
            .iter()
            .position(|item| item.gone.is_some_and(|gone| gone.seq == fell));
        let never_there = |field: Field| {
            let hides = self.config.partial_percent > 0 || self.ever_denied.contains(&(kind, field));
            hides
                && lost_at.is_some_and(|at| {
                    !self
                        .left
                        .keys()
                        .any(|(_, of, index, wrote)| (*of, *index, *wrote) == (home, at, field))
                        && !self
                            .truth
                            .said(soul, field)
                            .any(|edit| (edit.home, edit.item) == (home, at))
                })
        };
        let shown_since = item
            .fields
            .keys()
            .any(|field| never_there(*field) && apart(*field));
        let edited = shown_since
            || item.held.iter().any(|(field, edit)| {
                let edit = &self.truth.edits[*edit];
                // Another connection may have carried it to its own mailbox, and this one not: also while the session ran that
                // made the pair, after it had read the item.
                let since = |paired: u64| if read > 0 { paired.min(read) } else { paired };
                let owed = paired.is_some_and(|paired| edit.seq > since(*paired)) && apart(*field);
                !edit.carried || edit.seq > noted.min(fell) || owed || never_there(*field)
            })
            || theirs > read.min(fell)
            || late;
        // Asked for before the delete, but after the last look at both: which came first, nobody can tell.
        // A session that noted only what became of the other half has not looked at this one.
        let looked = self.looked_before(conn, other, source, run);
        let added =
            item.made_by.is_none() && item.made_seq > fell || item.asked > noted.min(looked).min(fell);
        // Whether the edit was carried over before the delete is not known to anybody, or it was copied by hand.
        let doubted = link
            .as_ref()
            .is_some_and(|link| self.owed.contains(&(conn, link.clone())))
            || self.truth.any(&self.doubted, soul);
        let copied = self.truth.any(&self.blurred, soul)
            // Another connection made it anew since, for its own user's sake: here it is a new item.
            || item.made_seq > fell && item.made_by.is_some_and(|made| self.runs[made].conn != conn);
        let wanted = link.is_some_and(|link| self.has_cured(&link, &[IssueCure::BringBack]));
        let recreated = home == Home::Box(conn) && self.ever_recreate.contains(&(conn, kind));
        // What was deleted belonged to another item of the same, or to none yet: this one, somebody gave to the user since.
        let half = |at: Home, id: &ItemId| Some(self.merged(at, self.find_ever(at, id)?));
        let links = self.links[conn]
            .values()
            .map(|link| (link.id_on(home.side()), link.id_on(other.side())));
        // Also by a link that has let go of it since.
        let before = self.ever_paired.iter().filter(|(of, ..)| *of == conn);
        let before = before.map(|(_, mailbox, record)| match home {
            Home::Box(_) => (Some(mailbox), Some(record)),
            Home::Org => (Some(record), Some(mailbox)),
        });
        let others = links
            .chain(before)
            .filter(|(held, _)| {
                let held = held.and_then(|id| half(home, id)).map(|at| self.item(home, at));
                held.is_some_and(|held| held.gone.is_some_and(|gone| gone.seq == fell))
            })
            .map(|(_, there)| there.and_then(|id| half(other, id)))
            .collect::<Vec<_>>();
        let of_others = !others.is_empty() && !others.contains(&Some(source));
        // Or it is a colleague's, which only waited because the two looked alike.
        let theirs = item.made_by.is_some_and(|made| self.runs[made].conn != conn);
        let given = of_others && (item.user_seq > fell || theirs);
        let unnoted = !self.shelf(home).items.iter().any(|gone| {
            gone.gone.is_some_and(|g| g.seq == fell) && self.known_to_links(conn, home, &gone.id)
        });
        if edited || added || given || wanted || unnoted || doubted || copied || recreated {
            self.counters.count("world", "made again");
        } else {
            let text = format!("a {} that a user deleted is made again", kind.as_str());
            self.violate("S4", text);
        }
    }

    /// Whether it was ever one half of a pair. One that only waited for its other half says nothing of a record that comes
    /// from elsewhere.
    fn known_to_links(&self, conn: usize, home: Home, id: &ItemId) -> bool {
        let mut holders = self.links[conn]
            .values()
            .filter(|link| link.id_on(home.side()) == Some(id))
            .peekable();
        let waited = holders.peek().is_some()
            && holders.all(|link| {
                !self.paired.contains_key(&(conn, link.id.clone()))
                    && link.id_on(home.side().other()).is_none()
            });
        self.noted_ids.contains(&(conn, home, id.clone())) && !waited
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one write")]
    pub(crate) fn judge_update(
        &mut self,
        run: usize,
        home: Home,
        index: usize,
        set: &BTreeMap<Field, FieldValue>,
        key: Option<&LinkKey>,
        mark: Option<Mark>,
        notify: bool,
    ) {
        let conn = self.runs[run].conn;
        self.runs[run].writes += 1;
        self.judge_notify(run, "an update", notify);
        let item = self.item(home, index).clone();
        self.runs[run].event_writes += u32::from(matches!(item.kind, ItemKind::Event | ItemKind::Email));
        let raced = item.user_seq >= self.runs[run].seq || self.settings_moved(run);
        let mut said = Vec::new();
        let direction = self.runs[run].settings.direction(item.kind);
        let open = match home {
            Home::Box(_) => direction.writes_mailbox(),
            Home::Org => direction.writes_crm(),
        };
        if !open && !set.is_empty() && !self.settings_moved(run) && !self.runs[run].undo {
            said.push(("S6", "a direction that is off is written".to_owned()));
        }
        if item.event.original_start.is_some() && home != Home::Org && (key.is_some() || mark.is_some()) {
            said.push(("S2", "an occurrence is tagged".to_owned()));
        }
        if home != Home::Org && item.kind == ItemKind::Event && !self.runs[run].undo {
            let foreign =
                item.event.part == Part::Attendee && set.keys().any(|field| *field != Field::Reminder);
            if foreign {
                said.push(("S6", "an attendee's copy is changed".to_owned()));
            }
            if item.event.online && set.contains_key(&Field::Body) {
                said.push(("S6", "the body of an online meeting is written".to_owned()));
            }
            if item.event.rich_body && set.contains_key(&Field::Body) {
                said.push(("S6", "a rich body is overwritten by plain text".to_owned()));
            }
        }
        if home == Home::Org && item.kind == ItemKind::Event && item.owner != conn && !raced {
            let foreign = set.keys().any(|field| *field != Field::Answer);
            if foreign {
                said.push(("S6", "a colleague's meeting is changed".to_owned()));
            }
        }
        if home == Home::Org && self.masked(conn, index) && !self.runs[run].undo {
            let shown = HIDDEN.iter().any(|field| {
                set.get(field)
                    .and_then(FieldValue::known)
                    .is_some_and(|text| text != "Private")
            });
            if shown {
                said.push(("S6", "words of a private event are saved".to_owned()));
            }
        }
        // S5: a write that changes nothing answers an echo.
        let same = set.iter().all(|(field, value)| {
            let text = value.known().unwrap_or("");
            match (home, field) {
                (Home::Org, Field::Answer) => {
                    item.invited.get(&user_id(conn)).map_or("", |a| a.as_str()) == text
                }
                (Home::Org, Field::Relations) => self.relations(&item, conn).to_string() == text,
                _ => canon(*field, item.text(*field)) == canon(*field, text),
            }
        });
        let marks = match mark {
            Some(Mark::Synced) => !item.category || item.failed,
            Some(Mark::Failed) => !item.failed,
            // Whether it is the category or the folder that marks it is not told.
            Some(Mark::None) => item.marked() || item.failed,
            None => false,
        };
        // A colleague's session wrote it after this one had looked.
        let raced = raced || item.ours[1 - conn] >= self.runs[run].seq;
        // A session that has lost its lease wrote the same after this one had looked; or this one has lost it, and a
        // later one wrote the same before the request arrived.
        let fence = self.runs[run].fence;
        let stale = item.ours[conn] >= self.runs[run].seq
            && self.runs.iter().any(|other| {
                other.conn == conn && (other.fence > fence || other.fence < fence && !other.closed)
            });
        if same && !marks && key.is_none_or(|key| item.key.as_ref() == Some(key)) && !raced && !stale {
            said.push(("S5", format!("a write to {} changes nothing", item.id)));
        }
        for (invariant, text) in said {
            self.violate(invariant, text);
        }
    }

    pub(crate) fn judge_delete(&mut self, run: usize, home: Home, index: usize, notify: bool) {
        let conn = self.runs[run].conn;
        self.runs[run].deletes += 1;
        self.runs[run].writes += 1;
        self.judge_notify(run, "a delete", notify);
        let item = self.item(home, index).clone();
        self.runs[run].event_writes += u32::from(matches!(item.kind, ItemKind::Event | ItemKind::Email));
        let beyond = match home {
            Home::Box(_) => Home::Org,
            Home::Org => Home::Box(conn),
        };
        let links: Vec<tandem_sync::Link> = self.links[conn]
            .values()
            .filter(|link| {
                link.id_on(home.side())
                    .is_some_and(|id| self.find_ever(home, id) == Some(index))
                    || item.key.as_ref() == Some(&link.key)
                    // Its create was lost, and it was found again by what it holds.
                    || (link.id_on(home.side()).is_none()
                        && item.made_by.is_some_and(|made| self.runs[made].conn == conn)
                        && link
                            .id_on(home.side().other())
                            .and_then(|id| self.find_ever(beyond, id))
                            .is_some_and(|there| self.truth.same(self.item(beyond, there).soul, item.soul)))
            })
            .cloned()
            .collect();
        if self.runs[run].undo {
            self.judge_undo(run, home, index, None);
            self.blurred.insert(item.soul);
        }
        if self.runs[run].undo
            || links
                .iter()
                .any(|link| self.has_cured(&link.id, &[IssueCure::DeleteThere]))
        {
            self.counters.count("deletion", "asked for");
            return;
        }
        self.judge_org_brake(run);
        let open = match home {
            Home::Box(_) => self.runs[run].settings.direction(item.kind).writes_mailbox(),
            Home::Org => self.runs[run].settings.direction(item.kind).writes_crm(),
        };
        if !open && !self.settings_moved(run) {
            self.violate("S6", "a delete in a direction that is off".to_owned());
        }
        let other = match home {
            Home::Box(_) => Home::Org,
            Home::Org => Home::Box(conn),
        };
        // What an ended link held may have been paired anew since.
        let (mut living, ended): (Vec<_>, Vec<_>) = links
            .iter()
            .partition(|link| !matches!(link.state, LinkState::Ended(_)));
        // One that only seems to be its link says less than the one that holds it.
        living.sort_by_key(|link| {
            let id = link.id_on(home.side());
            id.and_then(|id| self.find_ever(home, id)) != Some(index)
        });
        let counterpart = living
            .into_iter()
            .chain(ended)
            .filter_map(|link| link.id_on(other.side()))
            .find_map(|id| self.find_ever(other, id));
        let Some(counterpart) = counterpart else {
            self.violate("S4", format!("{} is deleted, and no pair is known", item.id));
            return;
        };
        let there = self.item(other, counterpart).clone();
        let start = self.runs[run].seq;
        let reason = if there.gone.is_some() {
            Some(if there.gone.is_some_and(|gone| gone.by_user) {
                "deleted there"
            } else {
                "deleted by us there"
            })
        } else if there.user_seq >= start {
            // It came back while the session ran.
            Some("raced")
        } else if item.kind == ItemKind::Event
            && home == Home::Org
            && (there.unsync || self.taken_out.contains(&(conn, counterpart)))
        {
            Some("unsync")
        } else if item.kind == ItemKind::Event && there.event.cancelled {
            Some("cancelled")
        } else if home != Home::Org && item.made_by.is_some() && self.left_scope(conn, counterpart) {
            Some("left the scope")
        } else {
            None
        };
        let Some(reason) = reason else {
            let text = format!("{} is deleted although its other half is there", item.id);
            self.violate("S4", text);
            return;
        };
        self.counters.count(
            "deletion",
            format!("{} {} {reason}", item.kind.as_str(), home.side().as_str()),
        );
        // Where the item cannot be made again over there, the delete stands.
        let direction = self.runs[run].settings.direction(item.kind);
        let remakes = match home {
            Home::Box(_) => direction.writes_crm(),
            Home::Org => direction.writes_mailbox(),
        };
        if matches!(reason, "unsync" | "cancelled" | "raced") || !remakes {
            return;
        }
        let links_noted = links
            .iter()
            .map(|link| self.noted_before(&link.id, run))
            .max()
            .unwrap_or(0);
        // Edited before anything of it was stored: nobody can tell what was made and what was added.
        let known = links.iter().any(|link| {
            self.paired
                .get(&(conn, link.id.clone()))
                .is_some_and(|paired| *paired < self.runs[run].seq)
        });
        let beaten = item.held.iter().filter(|_| known).find(|(field, edit)| {
            let edit = &self.truth.edits[**edit];
            let (mailbox, crm) = match home {
                Home::Box(_) => (item.text(**field), there.text(**field)),
                Home::Org => (there.text(**field), item.text(**field)),
            };
            // What was changed and changed back is as it was agreed on: nobody can tell, and nothing is lost.
            if self.agree(item.kind, **field, mailbox, crm) {
                return false;
            }
            // Nor where it stands as it was noted, also of a field that could not be carried over then.
            let since = self
                .truth
                .said(item.soul, **field)
                .filter(|said| (said.home, said.item) == (home, index) && said.seq > links_noted)
                .min_by_key(|said| said.seq);
            if since.is_some_and(|said| canon(**field, &said.over) == canon(**field, item.text(**field))) {
                return false;
            }
            let fell = there.gone.map_or(u64::MAX, |gone| gone.seq);
            // Written after both sides were last known to agree, and never carried over.
            !self.was_carried(**field, item.held[field])
                && edit.seq > item.made_seq
                && edit.seq > links_noted.min(fell)
                // What never goes to the other side beats nothing there.
                && !(item.kind == ItemKind::Event && **field == Field::Body)
                && self.rule(home.side(), item.kind, **field).is_some()
        });
        if let Some((field, _)) = beaten {
            let text = format!("{} is deleted with an edit of {} in it", item.id, field.as_str());
            self.violate("S4", text);
        }
    }

    /// S9: who begins when the organisation has deleted all that it may within an hour deletes nothing.
    fn judge_org_brake(&mut self, run: usize) {
        let about = &self.runs[run];
        let hour = about.started.plus_seconds(-3600);
        let since = self.org_released.map_or(hour, |released| released.max(hour));
        let before: u32 = self
            .others_deleted
            .iter()
            .filter(|(seq, at, _)| *seq < about.seq && *at > since)
            .map(|(_, _, deletes)| deletes)
            .sum();
        if before >= tandem_sync::brake::ORG_DELETES_MAX && !about.org_released {
            let text = format!("the organisation has deleted {before} within an hour, and it goes on");
            self.violate("S9", text);
        }
    }

    /// Whether a record is no longer one that this connection brings down.
    fn left_scope(&self, conn: usize, record: usize) -> bool {
        let there = self.item(Home::Org, record);
        match there.kind {
            ItemKind::Contact => there.owner != conn || !self.visible(there, conn),
            ItemKind::Event | ItemKind::Task => self.may_be_saved(conn, Home::Org, record).is_err(),
            ItemKind::Email => false,
        }
    }

    /// Whether a user's words reached the other side, or stood there too.
    pub(crate) fn was_carried(&self, field: Field, edit: usize) -> bool {
        let this = &self.truth.edits[edit];
        if this.carried {
            return true;
        }
        let kind = self.item(this.home, this.item).kind;
        let crm_rule = self.crm_rule(kind, field);
        let image_of = |text: &str| image(field, text, &crm_rule);
        self.truth.said(this.soul, field).any(|other| {
            other.home.side() != this.home.side()
                && (image_of(&other.value) == image_of(&this.value)
                    || image_of(&other.over) == image_of(&this.value))
        })
    }

    /// Our write of one value: judged, and done.
    pub(crate) fn set_by_us(
        &mut self,
        run: usize,
        home: Home,
        index: usize,
        field: Field,
        value: &FieldValue,
        moved: bool,
    ) {
        let conn = self.runs[run].conn;
        let text = value.known().unwrap_or("").to_owned();
        let item = self.item(home, index);
        let (kind, soul) = (item.kind, item.soul);
        let Some(rule) = self.rule(home.side(), kind, field) else {
            self.counters.count("world", "wrote what may not be seen");
            return;
        };
        match (home, field) {
            (Home::Org, Field::Answer) => {
                take_answer(self, index, conn, value);
                return;
            }
            (Home::Org, Field::Relations) => {
                self.judge_relations(run, index, &text);
                take_relations(self, index, conn, &text);
                return;
            }
            (Home::Box(_), Field::Answer | Field::Relations) => {
                if !text.is_empty() {
                    self.violate("S2", format!("{} is written to a mailbox", field.as_str()));
                }
                return;
            }
            _ => {}
        }
        if !self.runs[run].undo && !self.derives(home, index, field, &text, &rule) {
            let item = self.item(home, index);
            let text = format!(
                "{} of {} becomes {text:?}, which nobody wrote",
                field.as_str(),
                item.id
            );
            self.violate("S2", text);
        }
        let stored = match home {
            Home::Org => self.stored(kind, field, &text),
            Home::Box(_) => text.clone(),
        };
        if self.runs[run].undo {
            self.judge_undo(run, home, index, Some(field));
            // What an undo puts back, other connections take for somebody's choice, and so it is.
            self.blurred.insert(soul);
            self.doubted.insert(soul);
            self.emptied.insert(soul);
        }
        self.left.insert((run, home, index, field), stored.clone());
        let before = self.item(home, index).text(field).to_owned();
        let held = self.item(home, index).held.get(&field).copied();
        if let Some(edit) = held
            && canon(field, &before) != canon(field, &stored)
        {
            if !self.runs[run].undo && !self.was_carried(field, edit) {
                if !moved {
                    self.judge_adopting(conn, home, index, field, edit);
                    self.judge_policy(run, home, index, field, edit);
                }
                self.truth.edits[edit].lost = Some(Lost { run, unseen: moved });
            }
            self.item_mut(home, index).held.remove(&field);
        }
        let crm_rule = self.profiles[1]
            .of(kind)
            .and_then(|profile| profile.fields.get(&field).copied())
            .unwrap_or_default();
        for said in self.truth.said_indices(soul, field) {
            let edit = &self.truth.edits[said];
            if edit.home.side() != home.side()
                && image(field, &edit.value, &crm_rule) == image(field, &text, &crm_rule)
            {
                self.truth.edits[said].carried = true;
            }
        }
        let item = self.item_mut(home, index);
        if stored.is_empty() {
            item.fields.remove(&field);
        } else {
            item.fields.insert(field, stored);
        }
        if kind == ItemKind::Task {
            self.fill_defaults(home, index);
        }
    }

    /// S1: an undo leaves alone what somebody changed since.
    fn judge_undo(&mut self, run: usize, home: Home, index: usize, field: Option<Field>) {
        let Run { conn, undoes, .. } = &self.runs[run];
        let conn = *conn;
        let undone = self
            .runs
            .iter()
            .position(|run| Some(&run.session) == undoes.as_ref());
        // As the session that is taken back left it, whatever it was in the meantime.
        let item = self.item(home, index);
        // Also in one that was made again since.
        let as_left = |field: &Field, now: &str| {
            let items = &self.shelf(home).items;
            undone.is_some_and(|undone| {
                (0..items.len())
                    .filter(|at| self.truth.same(items[*at].soul, item.soul))
                    .filter_map(|at| self.left.get(&(undone, home, at, *field)))
                    .any(|left| canon(*field, left) == canon(*field, now))
            })
        };
        let ours = item.ours[conn].max(if item.made_by.is_some() { item.made_seq } else { 0 });
        let since = item
            .held
            .iter()
            .filter(|(held, _)| field.is_none_or(|field| field == **held))
            .filter(|(_, edit)| self.truth.edits[**edit].seq > ours)
            .filter(|(held, _)| !as_left(held, item.text(**held)))
            .any(|(held, _)| {
                // Changed and changed back, it stands as it was left.
                let left = self
                    .truth
                    .said(item.soul, *held)
                    .filter(|said| (said.home, said.item) == (home, index) && said.seq > ours)
                    .min_by_key(|said| said.seq);
                left.is_none_or(|said| canon(*held, &said.over) != canon(*held, item.text(*held)))
            });
        if since && ours > 0 {
            let text = format!("an undo overwrites what was changed since in {}", item.id);
            self.violate("S1", text);
        }
    }

    /// S1: where both sides changed a value, the policy says who wins.
    fn judge_policy(&mut self, run: usize, home: Home, index: usize, field: Field, edit: usize) {
        let conn = self.runs[run].conn;
        let item = self.item(home, index);
        let (kind, soul) = (item.kind, item.soul);
        let link = self.links[conn].values().find(|link| {
            link.state == tandem_sync::LinkState::Live
                && link.mailbox_id.is_some()
                && link.crm_id.is_some()
                && link
                    .id_on(home.side())
                    .is_some_and(|id| self.find_ever(home, id) == Some(index))
        });
        let Some(link) = link else { return };
        // Where only one side may write, nobody competes.
        let record = link.crm_id.as_ref().and_then(|id| self.find(Home::Org, id));
        let own = record.is_some_and(|index| {
            let record = self.item(Home::Org, index);
            record.owner == conn && !record.passed && !link.traits.follower
        });
        let other = match home {
            Home::Box(_) => Home::Org,
            Home::Org => Home::Box(conn),
        };
        let half = link.id_on(other.side()).and_then(|id| self.find(other, id));
        let half = half.map(|index| self.item(other, index));
        if half.is_none_or(|half| !half.here()) {
            // Its other half is gone: this comes of another pairing, by which what is empty is filled.
            return;
        }
        let copy = |item: &Item| item.kind == ItemKind::Event && item.event.part == Part::Attendee;
        let mailbox = if home == Home::Org { half } else { Some(item) };
        if kind == ItemKind::Event && (!own || field != Field::Reminder && mailbox.is_some_and(copy)) {
            return;
        }
        let settings = &self.runs[run].settings;
        let seq = self.truth.edits[edit].seq;
        // Only what is surely newer than what was agreed on, and older than this session.
        let fresh = seq > self.noted_before(&link.id, run)
            && seq < self.runs[run].seq
            && self
                .paired
                .get(&(conn, link.id.clone()))
                .is_some_and(|paired| *paired < seq);
        let sure = fresh
            && settings.direction(kind) == tandem_types::Direction::TwoWay
            && !self.settings_moved(run)
            && !self.has_cured(&link.id, &[IssueCure::KeepMine, IssueCure::KeepTheirs])
            && !self.truth.any(&self.blurred, soul)
            && !self.truth.any(&self.doubted, soul)
            && !HIDDEN.contains(&field);
        let wrong = matches!(
            (settings.conflicts(kind), home),
            (ConflictPolicy::Mailbox, Home::Box(_))
                | (ConflictPolicy::Crm, Home::Org)
                | (ConflictPolicy::Ask, _)
        );
        if sure && wrong {
            let id = &self.item(home, index).id;
            let text = format!("{} of {id} loses a conflict that it should win", field.as_str());
            self.violate("S1", text);
        }
    }

    /// S1: pairing two items that were there overwrites nothing that is filled.
    fn judge_adopting(&mut self, conn: usize, home: Home, index: usize, field: Field, edit: usize) {
        if self.truth.edits[edit].value.is_empty() {
            return;
        }
        let id = self.item(home, index).id.clone();
        let link = self.links[conn]
            .values()
            .filter(|link| link.mailbox_id.is_some() && link.crm_id.is_some())
            .filter(|link| {
                link.id_on(home.side())
                    .is_some_and(|held| self.find_ever(home, held) == Some(index))
            })
            .min_by_key(|link| matches!(link.state, tandem_sync::LinkState::Ended(_)))
            .map(|link| link.id.clone());
        let merged = self.truth.any(&self.blurred, self.item(home, index).soul);
        let chosen = [IssueCure::KeepMine, IssueCure::KeepTheirs];
        if merged || link.as_ref().is_some_and(|link| self.has_cured(link, &chosen)) {
            return;
        }
        let soul = self.item(home, index).soul;
        let ours = &self.shelf(Home::Box(conn)).items;
        let hidden = (0..ours.len()).any(|at| self.truth.same(ours[at].soul, soul) && self.hides(conn, at));
        if home == Home::Org && HIDDEN.contains(&field) && hidden {
            // A mask takes all, whoever wrote it.
            return;
        }
        let item = self.item(home, index);
        // One that we made was paired then, even if the answer was lost: both sides may have been edited since.
        let made = Home::of_pair(conn)
            .into_iter()
            .flat_map(|home| &self.shelf(home).items)
            .filter(|other| other.here() && other.made_by.is_some_and(|run| self.runs[run].conn == conn))
            .filter(|other| other.kind == item.kind && self.truth.same(other.soul, soul))
            .map(|other| other.made_seq)
            .max();
        let paired = link
            .and_then(|link| self.paired.get(&(conn, link)).copied())
            .or(made)
            .unwrap_or(self.seq);
        // Also in one that a colleague's session deletes at this moment.
        let late = self
            .shelf(Home::Org)
            .items
            .iter()
            .any(|record| self.truth.same(record.soul, soul) && record.ours[1 - conn] > paired);
        let newer = self
            .truth
            .said(soul, field)
            .filter(|said| (said.home, said.item) != (home, index))
            // When a colleague's words arrived in the organisation, nobody can tell here: but that they did since.
            .any(|said| said.seq > paired || late && !Home::of_pair(conn).contains(&said.home));
        if !newer && self.truth.edits[edit].seq < paired {
            let text = format!("{} of {id} is overwritten on adopting", field.as_str());
            self.violate("S1", text);
        }
    }

    /// S2: every value comes from a user's words, a mapping or a default.
    fn derives(
        &self,
        home: Home,
        index: usize,
        field: Field,
        text: &str,
        rule: &tandem_sync::model::FieldRule,
    ) -> bool {
        let item = self.item(home, index);
        let default = matches!(
            (field, text),
            (Field::ShowAs, "busy")
                | (Field::Private, "no")
                | (Field::Status, "not_started")
                | (Field::Priority, "normal")
        );
        if default {
            return true;
        }
        if item.kind == ItemKind::Event && HIDDEN.contains(&field) {
            let private = self
                .truth
                .said(item.soul, Field::Private)
                .any(|edit| edit.value == "yes");
            let masked = if field == Field::Subject {
                text.trim() == "Private"
            } else {
                text.is_empty()
            };
            if private && masked {
                return true;
            }
        }
        if field == Field::Html {
            return self
                .truth
                .said(item.soul, Field::Body)
                .any(|edit| text == format!("<p>{}</p>", edit.value));
        }
        // Whoever merges two records chooses what is left of them.
        if text.is_empty() && self.truth.any(&self.emptied, item.soul) {
            return true;
        }
        let wanted = canon(field, text);
        let before = canon(field, item.text(field));
        let crm_rule = self.crm_rule(item.kind, field);
        let kept = |text: &str| {
            let image = image(field, text, &crm_rule);
            canon(field, &self.stored(item.kind, field, &image))
        };
        self.truth.said(item.soul, field).any(|edit| match home.side() {
            Side::Crm => image(field, &edit.value, rule) == wanted || kept(&edit.value) == wanted,
            // What Salesforce keeps of a value comes down where the value is not, and never replaces it.
            Side::Mailbox => {
                let doubted = self.truth.any(&self.doubted, item.soul);
                canon(field, &edit.value) == wanted
                    || kept(&edit.value) == wanted && (kept(&before) != wanted || doubted)
            }
        })
    }

    /// S2, S6: a record is linked only to those who take part.
    fn judge_relations(&mut self, run: usize, index: usize, text: &str) {
        let conn = self.runs[run].conn;
        let Ok(relations) = text.parse::<Relations>() else {
            self.violate("S2", "relations that cannot be read".to_owned());
            return;
        };
        let soul = self.item(Home::Org, index).soul;
        let mut people: Vec<String> = Vec::new();
        for index in 0..self.shelf(Home::Box(conn)).items.len() {
            let item = self.item(Home::Box(conn), index);
            if !self.truth.same(item.soul, soul) {
                continue;
            }
            people.extend(item.event.attendees.iter().map(|a| a.who.address.clone()));
            people.extend(item.event.organizer.iter().map(|who| who.address.clone()));
            people.extend(item.mail.everybody().map(|who| who.address.clone()));
        }
        let takes_part = |world: &Self, id: &ItemId| {
            let email = world
                .find(Home::Org, id)
                .map(|index| canon(Field::Email, world.item(Home::Org, index).text(Field::Email)))
                .or_else(|| {
                    world
                        .recs
                        .iter()
                        .find(|rec| rec.id == *id)
                        .map(|rec| rec.email.clone())
                });
            email.is_some_and(|email| people.contains(&email))
        };
        let chosen = |world: &Self, id: &ItemId| {
            // A user put it there by hand, or into the text.
            world.chosen.contains(&(world.truth.root(soul), id.clone()))
        };
        let before = self.item(Home::Org, index).clone();
        for id in relations.who.iter().chain(relations.invited.keys()) {
            if before.who.contains(id) || before.invited.contains_key(id) {
                continue;
            }
            if !takes_part(self, id) && !chosen(self, id) {
                let text = format!("{id} is linked and takes no part");
                self.violate("S2", text);
            }
        }
    }
}

fn image_subject(item: &crate::world::Item) -> String {
    canon(Field::Subject, item.text(Field::Subject)).to_lowercase()
}
