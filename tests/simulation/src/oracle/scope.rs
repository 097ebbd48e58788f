//! What may go to the other side at all.

use tandem_sync::model::{Answer, Field, KnownKind, Part};
use tandem_types::{ContactScope, ItemKind};

use crate::truth::{Home, canon};
use crate::world::{DAY, Item, Place, World, address, user_id};

/// Why an item is not saved by itself although its rule is on.
pub(crate) const NOBODY: &str = "nobody outside is known";

impl World {
    /// Whether an item may be a source of a create, by its present state. `Err`: why not.
    pub(crate) fn may_be_saved(&self, conn: usize, home: Home, index: usize) -> Result<(), &'static str> {
        let item = self.item(home, index);
        let settings = &self.settings[conn];
        let direction = settings.direction(item.kind);
        match home {
            Home::Box(_) if !direction.writes_crm() => return Err("this direction is off"),
            Home::Org if !direction.writes_mailbox() => return Err("this direction is off"),
            _ => {}
        }
        let out = self.out_since.get(&(conn, index));
        if home != Home::Org && (item.unsync || out.is_some_and(|since| item.asked < *since)) {
            return Err("the user took it out");
        }
        match (home, item.kind) {
            (Home::Box(_), ItemKind::Contact | ItemKind::Task) => {
                if item.marked() {
                    Ok(())
                } else {
                    Err("not marked")
                }
            }
            (Home::Org, ItemKind::Contact) => {
                let mine = settings.contact_scope == ContactScope::AllVisible || item.owner == conn;
                if mine { Ok(()) } else { Err("another's record") }
            }
            (Home::Org, ItemKind::Task) => {
                if item.owner == conn {
                    Ok(())
                } else {
                    Err("another's task")
                }
            }
            (Home::Org, ItemKind::Event) => {
                let mine = item.owner == conn || item.invited.contains_key(&user_id(conn));
                if mine {
                    self.in_window(conn, home, index)
                } else {
                    Err("another's event")
                }
            }
            (Home::Org, ItemKind::Email) => Err("emails never come down"),
            (Home::Box(_), ItemKind::Event) => {
                self.in_window(conn, home, index)?;
                if item.event.cancelled {
                    return Err("cancelled");
                }
                if item.marked() || self.ordered.contains(&(conn, index)) {
                    return Ok(());
                }
                if item.text(Field::Private) == "yes" {
                    return Err("private");
                }
                if item.event.attendees.is_empty() && item.event.part == Part::Organizer {
                    return if settings.save_appointments {
                        Ok(())
                    } else {
                        Err("an appointment")
                    };
                }
                if !settings.save_meetings {
                    return Err("saving of meetings is off");
                }
                if item.event.part == Part::Attendee
                    && !matches!(item.event.answer, Answer::Accepted | Answer::Tentative)
                {
                    return Err("not accepted");
                }
                if takes_part(item).any(|who| self.is_matched(conn, who)) {
                    Ok(())
                } else {
                    Err(NOBODY)
                }
            }
            (Home::Box(_), ItemKind::Email) => {
                if item.mail.draft {
                    return Err("a draft");
                }
                // Whoever marks one means it, wherever it lies once it was seen.
                if item.marked() || self.ordered.contains(&(conn, index)) {
                    return Ok(());
                }
                if item.place == Place::Chosen && settings.email_folders.is_empty() {
                    return Err("in a folder that is not looked at");
                }
                let first = self
                    .activated
                    .plus_seconds(-i64::from(settings.email_days_back) * DAY);
                let old = item.mail.sent < first && !self.backfilling[conn];
                if item.place == Place::Chosen && !item.mail.confidential && !item.mail.encrypted && !old {
                    return Ok(());
                }
                if item.mail.confidential || item.mail.encrypted || item.mail.service {
                    return Err("confidential, encrypted or a machine's");
                }
                if self.thread_saved(conn, index) && settings.save_threads {
                    return Ok(());
                }
                if !settings.save_emails {
                    return Err("saving of mails is off");
                }
                if !matches!(item.place, Place::Plain | Place::Sent) {
                    return Err("in another folder");
                }
                if old {
                    return Err("too old");
                }
                if takes_part(item).any(|who| self.is_matched(conn, who)) {
                    Ok(())
                } else {
                    Err(NOBODY)
                }
            }
        }
    }

    /// Not of the own company, not blocked, and known in Salesforce.
    pub(crate) fn is_matched(&self, conn: usize, who: &str) -> bool {
        !self.is_internal(conn, who)
            && !self.is_blocked(conn, who)
            && (self
                .living(Home::Org, ItemKind::Contact)
                .into_iter()
                .map(|index| self.item(Home::Org, index))
                .any(|item| self.visible(item, conn) && canon(Field::Email, item.text(Field::Email)) == who)
                || self
                    .recs
                    .iter()
                    .any(|rec| rec.kind == KnownKind::Lead && !rec.over && rec.email == who)
                || self.has_account(who))
    }

    /// Whether somebody of them was a contact until after `start`: who was known when the session asked is known to it,
    /// also when that contact is deleted or rewritten before the save, by a user or by a session.
    pub(crate) fn was_matched(&self, home: Home, index: usize, start: u64) -> bool {
        let item = self.item(home, index);
        self.shelf(Home::Org)
            .items
            .iter()
            .filter(|there| there.kind == ItemKind::Contact)
            .filter(|there| {
                let gone = there.gone.map_or(0, |gone| gone.seq);
                gone.max(there.user_seq).max(there.ours[0]).max(there.ours[1]) >= start
            })
            .any(|there| {
                takes_part(item).any(|who| {
                    self.truth
                        .said(there.soul, Field::Email)
                        .any(|edit| canon(Field::Email, &edit.value) == who)
                })
            })
    }

    fn has_account(&self, who: &str) -> bool {
        let domain = who.rsplit('@').next().unwrap_or_default();
        self.recs
            .iter()
            .any(|rec| rec.kind == KnownKind::Account && rec.domain == domain)
    }

    pub(crate) fn is_internal(&self, conn: usize, who: &str) -> bool {
        let domain = |text: &str| text.rsplit('@').next().unwrap_or_default().to_owned();
        domain(who) == domain(&address(conn)) || self.settings[conn].own_domains.contains(&domain(who))
    }

    pub(crate) fn is_blocked(&self, conn: usize, who: &str) -> bool {
        self.settings[conn].blocklist.iter().any(|rule| {
            let domain = who.rsplit('@').next().unwrap_or_default();
            rule == who || rule == domain || rule.strip_prefix("*@") == Some(domain)
        })
    }

    fn thread_saved(&self, conn: usize, index: usize) -> bool {
        let thread = &self.item(Home::Box(conn), index).mail.thread;
        thread.is_some()
            && self.shelf(Home::Box(conn)).items.iter().any(|other| {
                other.kind == ItemKind::Email
                    && other.mail.thread == *thread
                    && self.links[conn].values().any(|link| {
                        link.kind == ItemKind::Email && link.mailbox_id.as_ref() == Some(&other.id)
                    })
            })
    }

    fn in_window(&self, conn: usize, home: Home, index: usize) -> Result<(), &'static str> {
        let settings = &self.settings[conn];
        let now = self.now();
        let Some(when) = self.item(home, index).when() else {
            return Ok(());
        };
        let from = now.plus_seconds(-i64::from(settings.event_days_back) * DAY);
        let to = now.plus_seconds(i64::from(settings.event_days_ahead) * DAY);
        // Midnight is somewhere else for everybody, and a session takes its time.
        let slack = DAY;
        if when.end() < from.plus_seconds(-slack) || when.start() > to.plus_seconds(slack) {
            Err("outside of the window")
        } else {
            Ok(())
        }
    }
}

/// The addresses of all who take part in a meeting, or stand in a mail.
fn takes_part(item: &Item) -> impl Iterator<Item = &str> {
    let attendees = item.event.attendees.iter().map(|attendee| &attendee.who);
    attendees
        .chain(&item.event.organizer)
        .chain(item.mail.everybody())
        .map(|who| who.address.as_str())
}
