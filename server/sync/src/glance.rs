//! What the rules say about one mailbox item, without a session: nothing is written, and no lease is needed.
//!
//! A session may be under way meanwhile, and decide by more (whether a colleague is saving the same mail just now): what
//! is said here is what the item and the settings say.

use tandem_types::{ConnectionId, NotSaved, SaveRule, Settings, Timestamp, UserId};

use crate::fault::Fault;
use crate::hash::Hasher;
use crate::link::BaseHash;
use crate::linker::{self, KnownMap, LinkerContext};
use crate::meeting;
use crate::model::{Clue, Field, FieldValue, Relations, Snapshot, Window};
use crate::ports::{Crm, HashKey};
use crate::save::{SaveContext, Saving, saving};

/// Addresses lead to contacts, and those to their deals.
const WAVES: usize = 3;

/// For whom it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Glance<'a> {
    pub settings: &'a Settings,
    /// The user's mailbox, lower case.
    pub address: &'a str,
    pub user: &'a UserId,
    pub now: Timestamp,
    /// When the mailbox was connected.
    pub activated: Timestamp,
}

/// What the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub saving: Result<SaveRule, NotSaved>,
    /// What the linker would link it to.
    pub relations: Relations,
}

/// By what the organisation remembers a mail with this Message-ID, as Outlook writes it; `None`: it is none.
#[must_use]
pub fn mail_hash(org: &HashKey, message_id: &str) -> Option<BaseHash> {
    let id = message_id
        .trim()
        .trim_start_matches('<')
        .trim_end_matches('>')
        .trim();
    (!id.is_empty()).then(|| meeting::mail_hash(&Hasher::new(org), id))?
}

/// By what a saved conversation is remembered; `None`: the item is no mail of one.
#[must_use]
pub fn thread_hash(org: &HashKey, connection: &ConnectionId, item: &Snapshot) -> Option<BaseHash> {
    meeting::thread(&Hasher::new(org), connection, item)
}

impl Glance<'_> {
    const fn linker(&self) -> LinkerContext<'_> {
        LinkerContext {
            settings: self.settings,
            address: self.address,
            user: self.user,
        }
    }

    /// Of his own company: such a one is not looked for.
    #[must_use]
    pub fn is_internal(&self, address: &str) -> bool {
        linker::people::is_internal(&address.trim().to_lowercase(), &self.linker())
    }

    /// On the blocklist.
    #[must_use]
    pub fn is_blocked(&self, address: &str) -> bool {
        linker::people::is_blocked(&address.trim().to_lowercase(), &self.linker())
    }

    /// Applies the rules, and asks the CRM whom it knows as far as they need it. `thread_saved`: its conversation was
    /// saved before. `people_max`: how many contacts an activity can have.
    ///
    /// # Errors
    /// The CRM's.
    pub async fn look(
        &self,
        crm: &dyn Crm,
        item: &Snapshot,
        thread_saved: bool,
        people_max: u32,
    ) -> Result<Told, Fault> {
        let linker = self.linker();
        let mut known = KnownMap::new();
        for _ in 0..WAVES {
            let mut clues: Vec<Clue> = linker::clues(item, &linker)
                .into_iter()
                .filter(|clue| !known.contains_key(clue))
                .collect();
            if clues.is_empty() {
                let more = linker::more_clues(item, &linker, &known);
                clues.extend(more.into_iter().filter(|clue| !known.contains_key(clue)));
            }
            if clues.is_empty() {
                break;
            }
            let found = crm.known(&clues).await?;
            known.extend(clues.into_iter().zip(found));
        }
        let days = |n: u32| i64::from(n) * 24 * 3600;
        let context = SaveContext {
            linker,
            now: self.now,
            window: Window {
                from: self.now.plus_seconds(-days(self.settings.event_days_back)),
                to: self.now.plus_seconds(days(self.settings.event_days_ahead)),
            },
            mails_since: self.activated.plus_seconds(-days(self.settings.email_days_back)),
            thread_saved: Some(thread_saved),
            ordered: false,
        };
        Ok(Told {
            saving: match saving(item, &context, &known) {
                Saving::Yes(rule) => Ok(rule),
                Saving::No(reason) => Err(reason),
                // All clues were answered, as far as a side answers.
                Saving::Ask => Err(NotSaved::NoMatch),
            },
            relations: linker::relations(item, &linker, &known, people_max).unwrap_or_default(),
        })
    }
}

/// What a record belongs to, as the CRM tells it.
#[must_use]
pub fn relations_of(record: &Snapshot) -> Relations {
    match record.record.get(Field::Relations) {
        FieldValue::Known(text) => text.parse().unwrap_or_default(),
        FieldValue::Empty | FieldValue::Unknown => Relations::default(),
    }
}
