//! What must be so once the faults have stopped.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sync::model::{Field, FieldValue, ItemId, Part};
use tandem_sync::ports::{IssueKey, JournalAct};
use tandem_sync::{Link, LinkState};
use tandem_types::{IssueCode, ItemKind, Side};

use crate::end::is_refused;
use crate::oracle::private::HIDDEN;
use crate::truth::{Home, canon, image};
use crate::world::{Place, World, user_id};

/// Whose open issues there are.
#[derive(Clone, Debug, Default)]
pub struct Final {
    pub issues: [BTreeSet<IssueKey>; 2],
    /// Items that a create in doubt may have made, as somebody is told.
    pub named: [BTreeSet<ItemId>; 2],
    /// Sessions of this connection were undone: its sides may be apart.
    pub undone: [bool; 2],
}

/// Every value that the journal holds, in its canonical form.
pub fn journalled(world: &World) -> BTreeSet<(Field, String)> {
    let mut held = BTreeSet::new();
    let mut take = |values: &[(Field, FieldValue)]| {
        for (field, value) in values {
            held.insert((*field, canon(*field, value.known().unwrap_or(""))));
        }
    };
    for (_, entry) in &world.journal {
        match &entry.act {
            JournalAct::Changed { old, .. } | JournalAct::Deleted { old } => take(old),
            JournalAct::LostToConflict { lost } => take(lost),
            JournalAct::Created { .. } | JournalAct::Linked(_) => {}
        }
    }
    held
}

impl World {
    pub fn judge_end(&mut self, told: &Final) {
        self.judge_lost();
        for conn in 0..2 {
            self.judge_pairs(conn, told);
            self.judge_told(conn, told);
        }
        self.judge_copies();
        for conn in 0..2 {
            self.judge_files(conn, &told.issues[conn]);
        }
    }

    /// L5: what was attached to a saved mail is there, or somebody is told which file is not, and why.
    fn judge_files(&mut self, conn: usize, issues: &BTreeSet<IssueKey>) {
        let home = Home::Box(conn);
        let mut said = Vec::new();
        if !self.settings[conn].direction(ItemKind::Email).writes_crm() {
            // They wait until emails are on again.
            return;
        }
        for link in self.links[conn].values() {
            if link.kind != ItemKind::Email || link.state != LinkState::Live || link.traits.follower {
                continue;
            }
            let (Some(mailbox), Some(crm)) = (&link.mailbox_id, &link.crm_id) else {
                continue;
            };
            let pair = (self.find_ever(home, mailbox), self.find(Home::Org, crm));
            let (Some(m), Some(c)) = pair else { continue };
            let (mail, record) = (self.item(home, m), self.item(Home::Org, c));
            let ours = record.made_by.is_some_and(|maker| self.runs[maker].conn == conn);
            // Who throws a mail away takes its files along.
            if !ours || !mail.here() || !record.here() {
                continue;
            }
            for file in &mail.files {
                if self.left_out.contains(&(conn, m, file.clone())) {
                    // Saved before the order came, or not: neither is wrong.
                    continue;
                }
                let refused = file.strip_suffix(".exe").is_some() || is_refused(file);
                let told = issues.iter().any(|key| {
                    key.code == IssueCode::AttachmentLeftOut && self.find_ever(home, &key.item) == Some(m)
                });
                // What could not be read, time after time, is left out too, and told.
                let left_out = told && self.spoilt.contains(&(conn, m));
                if refused && !told || !refused && !record.files.contains(file) && !left_out {
                    said.push(format!(
                        "{file} of {} is not saved with it, and nobody is told",
                        mail.id
                    ));
                }
            }
        }
        for text in said {
            self.violate("L5", text);
        }
    }

    /// S1.
    fn judge_lost(&mut self) {
        let journal = journalled(self);
        let lost: Vec<String> = self
            .truth
            .edits
            .iter()
            .filter(|edit| {
                edit.lost.as_ref().is_some_and(|lost| {
                    !(lost.unseen && (self.runs[lost.run].cut || !self.runs[lost.run].closed))
                })
            })
            .filter(|edit| !edit.value.is_empty())
            .filter(|edit| !journal.contains(&(edit.field, canon(edit.field, &edit.value))))
            .map(|edit| {
                format!(
                    "{:?} of {} in {} was overwritten, never carried over, and is not in the journal",
                    edit.value,
                    edit.field.as_str(),
                    self.item(edit.home, edit.item).id
                )
            })
            .collect();
        for text in lost {
            self.violate("S1", text);
        }
    }

    fn issue_on(issues: &BTreeSet<IssueKey>, ids: &[&ItemId], codes: Option<&[IssueCode]>) -> bool {
        issues
            .iter()
            .any(|key| ids.contains(&&key.item) && codes.is_none_or(|codes| codes.contains(&key.code)))
    }

    /// L1 and L5: a pair holds the same on both sides.
    fn judge_pairs(&mut self, conn: usize, told: &Final) {
        let mut said: Vec<(&'static str, String)> = Vec::new();
        let mut holders: BTreeMap<(Side, &ItemId), &Link> = BTreeMap::new();
        for link in self.links[conn].values() {
            if matches!(link.state, LinkState::Ended(_)) {
                continue;
            }
            for side in Side::BOTH {
                // A mail that was moved is another mail of the same message.
                if let Some(id) = link.id_on(side).filter(|_| link.kind != ItemKind::Email)
                    && holders.insert((side, id), link).is_some()
                {
                    said.push(("S3", format!("{id} is in two pairs of connection {conn}")));
                }
            }
            if link.state != LinkState::Live || link.kind == ItemKind::Email {
                continue;
            }
            if self.settings[conn].direction(link.kind) == tandem_types::Direction::Off {
                continue;
            }
            let (Some(mailbox), Some(crm)) = (&link.mailbox_id, &link.crm_id) else {
                let waits = link.traits.waits_since.is_some();
                let known: Vec<&ItemId> = link.mailbox_id.iter().chain(&link.crm_id).collect();
                if !waits && !Self::issue_on(&told.issues[conn], &known, None) {
                    said.push((
                        "L1",
                        format!("a {} has half a pair: {known:?}", link.kind.as_str()),
                    ));
                }
                continue;
            };
            let pair = (self.find(Home::Box(conn), mailbox), self.find(Home::Org, crm));
            let told_of = Self::issue_on(&told.issues[conn], &[mailbox, crm], None);
            let (Some(m), Some(c)) = pair else {
                if !told_of {
                    said.push(("L1", format!("a live pair of what is gone: {mailbox} {crm}")));
                }
                continue;
            };
            let (m, c) = (self.item(Home::Box(conn), m), self.item(Home::Org, c));
            if !self.visible(c, conn) || self.truth.any(&self.torn, m.soul) {
                continue;
            }
            if !m.here() || !c.here() {
                if !told_of {
                    said.push((
                        "L5",
                        format!(
                            "a delete was never noticed: {mailbox} here {} {crm} here {}",
                            m.here(),
                            c.here()
                        ),
                    ));
                }
                continue;
            }
            if link.intent.is_some() && !told_of {
                said.push(("L1", format!("something is still owed to {mailbox} {crm}")));
            }
            if told.undone[conn] {
                continue;
            }
            let codes = [
                IssueCode::Differences,
                IssueCode::Conflict,
                IssueCode::Refused,
                IssueCode::NoPermission,
                IssueCode::RichBody,
                IssueCode::UnknownValue,
                IssueCode::EventTooLong,
                IssueCode::EndBeforeStart,
                IssueCode::ZoneUnknown,
                IssueCode::Unreadable,
                IssueCode::LastNameMissing,
                IssueCode::FateUnknown,
                IssueCode::ChangeInOutlook,
            ];
            if Self::issue_on(&told.issues[conn], &[mailbox, crm], Some(&codes)) {
                continue;
            }
            if let Some(text) = self.apart(conn, link, m, c) {
                said.push(("L1", text));
            }
        }
        for (invariant, text) in said {
            self.violate(invariant, text);
        }
    }

    fn apart(
        &self,
        conn: usize,
        link: &Link,
        m: &crate::world::Item,
        c: &crate::world::Item,
    ) -> Option<String> {
        let direction = self.settings[conn].direction(link.kind);
        let mut fields: Vec<Field> = Field::of(link.kind).to_vec();
        fields.retain(|field| !matches!(field, Field::Relations | Field::Company | Field::OtherStreet));
        if link.kind == ItemKind::Event {
            let hides = link
                .mailbox_id
                .as_ref()
                .and_then(|id| self.find(Home::Box(conn), id))
                .is_some_and(|index| self.hides(conn, index));
            let meeting = !m.event.attendees.is_empty() || m.event.part == Part::Attendee;
            if hides && direction.writes_crm() && c.owner == conn && !link.traits.follower {
                // What somebody wrote there himself is his affair.
                let shown = HIDDEN.iter().any(|field| {
                    let rule = self.rule(Side::Crm, c.kind, *field).unwrap_or_default();
                    let text = canon(*field, c.text(*field));
                    !text.is_empty()
                        && text != "Private"
                        && self.truth.said(m.soul, *field).any(|edit| {
                            edit.home.side() == Side::Mailbox && image(*field, &edit.value, &rule) == text
                        })
                        && !self
                            .truth
                            .said(m.soul, *field)
                            .any(|edit| edit.home.side() == Side::Crm && canon(*field, &edit.value) == text)
                });
                if shown {
                    return Some(format!("{} shows what is private", c.id));
                }
            }
            if hides {
                fields.retain(|field| !HIDDEN.contains(field));
            }
            if meeting || m.event.online || m.event.rich_body {
                fields.retain(|field| *field != Field::Body);
            }
            let foreign =
                m.event.part == Part::Attendee || link.traits.follower || c.owner != conn || c.passed;
            if foreign {
                fields.clear();
                let answer = c.invited.get(&user_id(conn)).map_or("", |answer| answer.as_str());
                let mine = m.event.answer.as_str();
                if m.event.part == Part::Attendee
                    && direction.writes_crm()
                    && c.owner != conn
                    && !answer.is_empty()
                    && answer != mine
                {
                    return Some(format!(
                        "the answer is {mine} in {} and {answer} in {}",
                        m.id, c.id
                    ));
                }
            }
            fields.retain(|field| *field != Field::Answer);
        }
        for field in fields {
            let (mv, cv) = (m.text(field), c.text(field));
            if self.agree(link.kind, field, mv, cv) {
                continue;
            }
            // What one direction does not carry stays where it was written.
            let held_here = |item: &crate::world::Item| item.held.contains_key(&field);
            if self.one_way.contains(&(conn, link.kind)) {
                continue;
            }
            return Some(format!(
                "{} is {mv:?} in {} (a user's {}) and {cv:?} in {} (a user's {}), {direction:?}, paired as {:?}",
                field.as_str(),
                m.id,
                held_here(m),
                c.id,
                held_here(c),
                link.made_on,
            ));
        }
        None
    }

    /// Whether both sides hold the same of a field, as far as Salesforce can hold what the mailbox does.
    pub(super) fn agree(&self, kind: ItemKind, field: Field, mailbox: &str, crm: &str) -> bool {
        let Some(rule) = self.rule(Side::Crm, kind, field) else {
            return true;
        };
        let crm = canon(field, crm);
        let cut = image(field, mailbox, &rule);
        canon(field, mailbox) == crm
            || cut == crm
            || canon(field, &self.stored(kind, field, &cut)) == crm
            || canon(field, &self.stored(kind, field, mailbox)) == crm
    }

    /// Whatever is in scope and not synced has a reason that somebody can read.
    fn judge_told(&mut self, conn: usize, told: &Final) {
        let (issues, named) = (&told.issues[conn], &told.named[conn]);
        let mut said = Vec::new();
        for home in [Home::Box(conn), Home::Org] {
            for index in 0..self.shelf(home).items.len() {
                let item = self.item(home, index);
                let calm = item.here() && !item.unreadable;
                if !calm || home == Home::Org && !self.visible(item, conn) {
                    continue;
                }
                // What is saved by a rule is judged where it is saved; here only what the user asked for.
                if home != Home::Org && !item.marked() || self.may_be_saved(conn, home, index).is_err() {
                    continue;
                }
                if home == Home::Org && (item.kind == ItemKind::Email || item.task.recurring) {
                    continue;
                }
                // What was completed long ago is history, whoever has it: neither side shows it.
                if item.kind == ItemKind::Task && self.is_history(item) {
                    continue;
                }
                if item.kind == ItemKind::Event && !self.well_within(conn, item) {
                    continue;
                }
                // Folders that nobody looks at are not looked at for a marked mail either.
                let unavailable = !self.config.emails;
                let unseen = match item.place {
                    Place::Elsewhere => true,
                    Place::Chosen => self.settings[conn].email_folders.is_empty(),
                    Place::Ours | Place::Plain | Place::Sent => false,
                };
                if item.kind == ItemKind::Email && (unavailable || unseen) {
                    continue;
                }
                let links: Vec<&Link> = self.links[conn]
                    .values()
                    .filter(|link| {
                        link.id_on(home.side())
                            .is_some_and(|id| self.find_ever(home, id) == Some(index))
                            || item.key.as_ref() == Some(&link.key)
                    })
                    .collect();
                let other = match home {
                    Home::Box(_) => Home::Org,
                    Home::Org => Home::Box(conn),
                };
                // Which of several records came of a create that was in doubt is asked at the item that it was made of.
                let in_doubt = named.contains(&item.id);
                let issue = Self::issue_on(issues, &[&item.id], None)
                    || in_doubt
                    || self.truth.any(&self.torn, item.soul);
                if links.is_empty() && !issue && !self.noted_ids.contains(&(conn, home, item.id.clone())) {
                    said.push(format!(
                        "{} {} is in scope, not synced, and nobody is told",
                        item.kind.as_str(),
                        item.id
                    ));
                }
                let asleep = !links.is_empty() && links.iter().all(|link| link.state == LinkState::Dormant);
                // What is completed is history after a while.
                let over = item.task.completed.is_some();
                if asleep && !issue && !over && item.kind != ItemKind::Email {
                    let awake = links
                        .iter()
                        .filter_map(|link| link.id_on(other.side()))
                        .any(|id| {
                            self.find_ever(other, id).is_some_and(|at| {
                                let there = self.item(other, at);
                                there.here()
                                    && !there.unreadable
                                    && (other != Home::Org || self.visible(there, conn))
                                    && self.may_be_saved(conn, other, at).is_ok()
                                    && !Self::issue_on(issues, &[&there.id], None)
                            })
                        });
                    if awake {
                        said.push(format!(
                            "the pair of {} sleeps although both are in scope",
                            item.id
                        ));
                    }
                }
            }
        }
        for text in said {
            self.violate("L5", text);
        }
    }

    /// A task that is completed, and was neither due nor changed for two weeks.
    fn is_history(&self, item: &crate::world::Item) -> bool {
        let since = self.now().plus_seconds(-14 * crate::world::DAY);
        let due = || item.text(Field::Due).parse::<jiff::civil::Date>().ok();
        let at = jiff::Timestamp::from_microsecond(since.micros()).ok();
        let day = at.map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date());
        item.task.completed.is_some_and(|at| at < since)
            && item.modified < since
            && due().is_none_or(|due| day.is_some_and(|day| due < day))
    }

    fn well_within(&self, conn: usize, item: &crate::world::Item) -> bool {
        let settings = &self.settings[conn];
        let day = crate::world::DAY;
        let now = self.now();
        item.when().is_some_and(|when| {
            when.start() > now.plus_seconds(-(i64::from(settings.event_days_back) - 2) * day)
                && when.start() < now.plus_seconds((i64::from(settings.event_days_ahead) - 2) * day)
        })
    }

    /// S3: emails and meetings are in Salesforce once, however many connections have them.
    fn judge_copies(&mut self) {
        let mut seen = BTreeMap::new();
        let mut said = Vec::new();
        for item in self.shelf(Home::Org).items.iter().filter(|item| item.here()) {
            // Brought back, or chosen otherwise, by a user.
            if self.truth.any(&self.blurred, item.soul) || self.truth.any(&self.torn, item.soul) {
                continue;
            }
            if item.made_by.is_none() || !matches!(item.kind, ItemKind::Email | ItemKind::Event) {
                continue;
            }
            // Whose appointment was given to another, and who saves what is left in his calendar, has one of his own.
            let shared = item.kind == ItemKind::Email
                || [Home::Box(0), Home::Box(1)].into_iter().any(|home| {
                    let mut copies = self.shelf(home).items.iter();
                    copies.any(|copy| self.truth.same(copy.soul, item.soul) && copy.event.is_meeting())
                });
            // What came down to a mailbox is an appointment of its own there. Whoever marks it himself, after its record was
            // deleted, asks for a record of its own: beside that of the invitation from which the first one came. So does who
            // edits it then: his edit beats that delete, as an edit of the meeting in its first mailbox does.
            let asked = item.made_for.filter(|(home, at)| {
                let copy = self.item(*home, *at);
                let came_down = *home != Home::Org && copy.made_by.is_some();
                let edits = copy.held.values().map(|edit| self.truth.edits[*edit].seq);
                let edited = edits
                    .max()
                    .is_some_and(|seq| copy.made_seq < seq && seq < item.made_seq);
                let fell = copy.made_for.is_some_and(|(from, at)| {
                    let gone = self.item(from, at).gone;
                    gone.is_some_and(|gone| gone.by_user && gone.seq < item.made_seq)
                });
                came_down && (copy.asked > copy.made_seq || !copy.event.is_meeting() && edited && fell)
            });
            let key = (
                item.kind,
                self.truth.root(item.soul),
                item.event.original_start.clone(),
                (!shared).then_some(item.owner),
                asked.filter(|_| item.kind == ItemKind::Event),
            );
            if let Some(other) = seen.insert(key, item.id.clone()) {
                said.push(format!(
                    "{} is in Salesforce twice: {} and {other}",
                    item.kind.as_str(),
                    item.id
                ));
            }
        }
        for text in said {
            self.violate("S3", text);
        }
    }
}
