//! A batch of writes: looked at, written, read back.

use std::collections::{BTreeMap, HashMap};

use tandem_sync::model::{Field, FieldValue, ItemId, Outcome, Refusal, Snapshot, Write};
use tandem_sync::{Fault, FaultKind};
use tandem_types::IssueCode;

use crate::client::Effect;
use crate::error::{CallError, ResponseError, shown};
use crate::ews::get_item::{self, Item};
use crate::ews::write_items::{self, ContactUpdate, NewContact};
use crate::mailbox::Ews;
use crate::map::{CATEGORY, Contact, Places, display_name};
use crate::reading::Got;

const NAMES: [Field; 3] = [Field::GivenName, Field::MiddleName, Field::Surname];

/// What a write left behind, before it was read back.
struct Trace {
    /// The write's place in the batch.
    at: usize,
    id: String,
    replaced: BTreeMap<Field, FieldValue>,
    /// The server said that the version moved: nothing was written.
    conflict: bool,
}

/// A batch under way.
struct Batch {
    outcomes: Vec<Option<Outcome>>,
    written: Vec<Trace>,
    /// Something has been sent that took effect, or may have.
    begun: bool,
    /// Nothing more is sent: the server is busy, gone, or has refused us.
    broken: bool,
}

impl Batch {
    fn settle(&mut self, at: usize, outcome: Outcome) {
        self.outcomes[at] = Some(outcome);
    }

    /// A call of this batch failed as a whole. A fault only if nothing of the batch can have been done.
    fn failed(
        &mut self,
        operation: &str,
        error: CallError,
        of: impl Iterator<Item = usize>,
    ) -> Result<(), Fault> {
        if !self.begun && !error.in_doubt() {
            return Err(error.into_fault(operation, true));
        }
        tracing::warn!(operation, %error, "a batch of writes was broken off");
        self.begun = true;
        self.broken = true;
        // What was not sent, or surely refused, is said to be in doubt too: it is looked at again, and nothing is lost.
        of.for_each(|at| self.outcomes[at] = Some(Outcome::InDoubt));
        Ok(())
    }
}

impl Ews {
    pub(crate) async fn write_batch(&self, writes: &[Write]) -> Result<Vec<Outcome>, Fault> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = Batch {
            outcomes: writes.iter().map(|_| None).collect(),
            written: Vec::new(),
            begun: false,
            broken: false,
        };
        let places = self.places().await?;
        let before = self.look(writes, &places, &mut batch).await?;
        self.create(writes, &mut batch).await?;
        self.update(writes, &before, &mut batch).await?;
        self.delete(writes, &mut batch).await?;
        self.read_back(&mut batch).await;
        Ok(batch
            .outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::InDoubt))
            .collect())
    }

    /// The items to be changed or deleted, as they are now. Settles what cannot be written.
    async fn look(
        &self,
        writes: &[Write],
        places: &Places,
        batch: &mut Batch,
    ) -> Result<HashMap<usize, Box<Contact>>, Fault> {
        let asked: Vec<(usize, &ItemId, &str, bool)> = writes
            .iter()
            .enumerate()
            .filter_map(|(at, write)| match write {
                Write::Create { .. } => None,
                Write::Update { id, version, .. } => Some((at, id, version.0.as_str(), false)),
                Write::Delete { id, version } => Some((at, id, version.0.as_str(), true)),
            })
            .collect();
        let mut before = HashMap::new();
        if asked.is_empty() {
            return Ok(before);
        }
        let ids: Vec<String> = asked.iter().map(|(_, id, ..)| id.0.clone()).collect();
        let got = self.get(&ids).await?;
        for ((at, _, version, deletes), got) in asked.into_iter().zip(got) {
            match got {
                Got::Contact(contact) if contact.folder == places.deleted => {
                    batch.settle(
                        at,
                        if deletes {
                            Outcome::Deleted
                        } else {
                            Outcome::Missing
                        },
                    );
                }
                Got::Contact(contact) if contact.change_key != version => {
                    batch.settle(at, Outcome::Conflict(Box::new(contact.snapshot(places))));
                }
                Got::Contact(contact) => {
                    before.insert(at, contact);
                }
                Got::Missing => batch.settle(at, Outcome::Missing),
                Got::Other | Got::Unreadable => {
                    batch.settle(
                        at,
                        refused("the mailbox does not show this item as a contact", vec![], false),
                    );
                }
            }
        }
        self.protect_bodies(writes, &mut before, batch).await?;
        Ok(before)
    }

    /// A body with pictures or tables is not overwritten by plain text.
    async fn protect_bodies(
        &self,
        writes: &[Write],
        before: &mut HashMap<usize, Box<Contact>>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut asked: Vec<(usize, String)> = before
            .iter()
            .filter(|(at, contact)| match &writes[**at] {
                Write::Update { set, .. } => {
                    set.contains_key(&Field::Body) && !contact.body.trim().is_empty()
                }
                _ => false,
            })
            .map(|(at, contact)| (*at, contact.id.clone()))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        asked.sort_unstable();
        let ids: Vec<&str> = asked.iter().map(|(_, id)| id.as_str()).collect();
        let messages: Vec<Result<Item, ResponseError>> = self
            .client
            .call(
                get_item::NAME,
                Effect::Reads,
                get_item::request_html(&ids),
                get_item::payload,
            )
            .await
            .map_err(|error| error.into_fault(get_item::NAME, false))?;
        for ((at, _), message) in asked.into_iter().zip(messages) {
            if let Ok(Item::Contact(contact)) = message
                && is_rich(&contact.body)
            {
                before.remove(&at);
                let text = "The notes hold pictures or tables, which plain text would destroy.";
                batch.settle(at, refused(text, vec![Field::Body], false));
            }
        }
        Ok(())
    }

    async fn create(&self, writes: &[Write], batch: &mut Batch) -> Result<(), Fault> {
        let mut places = Vec::new();
        let mut contacts = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            if let Write::Create { key, record } = write {
                if let Some(field) = write_items::unwritable(&record.fields) {
                    batch.settle(at, refused("Exchange cannot hold this date.", vec![field], false));
                    continue;
                }
                places.push(at);
                contacts.push(NewContact { key: &key.0, record });
            }
        }
        if contacts.is_empty() {
            return Ok(());
        }
        let mut folder = match self.places().await?.salesforce {
            Some(folder) => folder,
            None => self.ensure_folder().await?,
        };
        let mut tried_anew = false;
        let messages = loop {
            let request = write_items::create(&folder, &contacts);
            let answer: Result<Vec<Result<String, _>>, CallError> = self
                .client
                .call(write_items::CREATE, Effect::Writes, request, write_items::payload)
                .await;
            let folder_gone = match &answer {
                Ok(messages) => messages
                    .iter()
                    .all(|m| m.as_ref().is_err_and(ResponseError::is_missing_folder)),
                Err(CallError::Response(error)) => error.is_missing_folder(),
                Err(_) => false,
            };
            if folder_gone && !tried_anew {
                tried_anew = true;
                folder = self.ensure_folder().await?;
                continue;
            }
            match answer {
                Ok(messages) => break messages,
                Err(error) => return batch.failed(write_items::CREATE, error, places.into_iter()),
            }
        };
        batch.begun = true;
        for (at, message) in places.into_iter().zip(messages) {
            match message {
                Ok(id) if !id.is_empty() => batch.written.push(Trace {
                    at,
                    id,
                    replaced: BTreeMap::new(),
                    conflict: false,
                }),
                // Made, and no id told.
                Ok(_) => batch.settle(at, Outcome::InDoubt),
                Err(error) => batch.settle(at, told(error)),
            }
        }
        Ok(())
    }

    async fn update(
        &self,
        writes: &[Write],
        before: &HashMap<usize, Box<Contact>>,
        batch: &mut Batch,
    ) -> Result<(), Fault> {
        let mut traces = Vec::new();
        let mut updates = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            let (
                Write::Update {
                    id,
                    version,
                    set,
                    key,
                    mark,
                },
                Some(contact),
            ) = (write, before.get(&at))
            else {
                continue;
            };
            if let Some(field) = write_items::unwritable(set) {
                batch.settle(at, refused("Exchange cannot hold this date.", vec![field], false));
                continue;
            }
            let update = ContactUpdate {
                id: &id.0,
                change_key: &version.0,
                set,
                key: key
                    .as_ref()
                    .map(|k| k.0.as_str())
                    .filter(|k| contact.key.as_deref() != Some(k)),
                categories: categories(contact, *mark),
                display_name: new_display_name(contact, set),
            };
            let trace = Trace {
                at,
                id: id.0.clone(),
                replaced: set.keys().map(|field| (*field, contact.value(*field))).collect(),
                conflict: false,
            };
            if update.is_empty() {
                batch.written.push(trace);
            } else {
                updates.push(update);
                traces.push(trace);
            }
        }
        if updates.is_empty() {
            return Ok(());
        }
        if batch.broken {
            for trace in &traces {
                batch.settle(trace.at, Outcome::InDoubt);
            }
            return Ok(());
        }
        let answer: Result<Vec<Result<String, _>>, CallError> = self
            .client
            .call(
                write_items::UPDATE,
                Effect::Writes,
                write_items::update(&updates),
                write_items::payload,
            )
            .await;
        let messages = match answer {
            Ok(messages) => messages,
            Err(CallError::Response(error)) if error.kind() == FaultKind::Conflict => {
                traces.iter().map(|_| Err(error.clone())).collect()
            }
            Err(error) => return batch.failed(write_items::UPDATE, error, traces.into_iter().map(|t| t.at)),
        };
        batch.begun = true;
        for (mut trace, message) in traces.into_iter().zip(messages) {
            match message {
                Ok(id) => {
                    if !id.is_empty() {
                        trace.id = id;
                    }
                    batch.written.push(trace);
                }
                Err(error) if error.kind() == FaultKind::Conflict => {
                    trace.conflict = true;
                    batch.written.push(trace);
                }
                Err(error) => batch.settle(trace.at, told(error)),
            }
        }
        Ok(())
    }

    async fn delete(&self, writes: &[Write], batch: &mut Batch) -> Result<(), Fault> {
        let asked: Vec<(usize, &str)> = writes
            .iter()
            .enumerate()
            .filter_map(|(at, write)| match write {
                Write::Delete { id, .. } if batch.outcomes[at].is_none() => Some((at, id.0.as_str())),
                _ => None,
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        if batch.broken {
            for (at, _) in &asked {
                batch.settle(*at, Outcome::InDoubt);
            }
            return Ok(());
        }
        let ids: Vec<&str> = asked.iter().map(|(_, id)| *id).collect();
        let answer: Result<Vec<Result<String, _>>, CallError> = self
            .client
            .call(
                write_items::DELETE,
                Effect::Writes,
                write_items::delete(&ids),
                write_items::payload,
            )
            .await;
        match answer {
            Ok(messages) => {
                batch.begun = true;
                for ((at, _), message) in asked.into_iter().zip(messages) {
                    batch.settle(at, message.map_or_else(told, |_| Outcome::Deleted));
                }
                Ok(())
            }
            Err(error) => batch.failed(write_items::DELETE, error, asked.into_iter().map(|(at, _)| at)),
        }
    }

    /// One reading for all that was written. What cannot be read back is in doubt.
    async fn read_back(&self, batch: &mut Batch) {
        let written = std::mem::take(&mut batch.written);
        if written.is_empty() {
            return;
        }
        let ids: Vec<String> = written.iter().map(|trace| trace.id.clone()).collect();
        let read = async { Ok::<_, Fault>((self.places().await?, self.get(&ids).await?)) };
        let (places, got) = match read.await {
            Ok(read) => read,
            Err(fault) => {
                tracing::warn!(%fault, "what was written cannot be read back");
                return;
            }
        };
        for (trace, got) in written.into_iter().zip(got) {
            let outcome = match got {
                Got::Contact(contact) => {
                    let now: Box<Snapshot> = Box::new(contact.snapshot(&places));
                    if trace.conflict {
                        Outcome::Conflict(now)
                    } else {
                        Outcome::Written {
                            now,
                            replaced: trace.replaced,
                        }
                    }
                }
                Got::Missing => Outcome::Missing,
                Got::Other | Got::Unreadable => Outcome::InDoubt,
            };
            batch.settle(trace.at, outcome);
        }
    }

    /// Moves items from Deleted Items back to *Salesforce Contacts*, in the order of `ids`: their new ids; `None` for
    /// those that are not there any more. For undo.
    pub async fn restore(&self, ids: &[ItemId]) -> Result<Vec<Option<ItemId>>, Fault> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let folder = match self.places().await?.salesforce {
            Some(folder) => folder,
            None => self.ensure_folder().await?,
        };
        let refs: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let messages: Vec<Result<String, _>> = self
            .client
            .call(
                write_items::MOVE,
                Effect::Writes,
                write_items::move_to(&folder, &refs),
                write_items::payload,
            )
            .await
            .map_err(|error| error.into_fault(write_items::MOVE, true))?;
        messages
            .into_iter()
            .map(|message| match message {
                Ok(id) if !id.is_empty() => Ok(Some(ItemId(id))),
                Ok(_) => Ok(None),
                Err(error) if error.is_missing_item() => Ok(None),
                Err(error) => Err(error.into_fault(write_items::MOVE)),
            })
            .collect()
    }
}

/// The whole list of categories, if `mark` changes it.
fn categories(contact: &Contact, mark: Option<bool>) -> Option<Vec<String>> {
    let mut list = contact.categories.clone();
    match mark {
        Some(true) if !contact.marked() => list.push(CATEGORY.to_owned()),
        Some(false) if contact.marked() => list.retain(|c| !c.eq_ignore_ascii_case(CATEGORY)),
        _ => return None,
    }
    Some(list)
}

/// The name shown follows the parts of the name, unless a user has given it another.
fn new_display_name(contact: &Contact, set: &BTreeMap<Field, FieldValue>) -> Option<String> {
    if !NAMES
        .iter()
        .any(|field| set.get(field).is_some_and(|value| !value.is_unknown()))
    {
        return None;
    }
    let company = contact.text(Field::Company);
    let old = |field| contact.text(field);
    let shown = display_name(old(NAMES[0]), old(NAMES[1]), old(NAMES[2]), company);
    if !contact.display_name.trim().is_empty() && contact.display_name.trim() != shown {
        return None;
    }
    let new = |field| match set.get(&field) {
        Some(FieldValue::Known(text)) => text.as_str(),
        Some(FieldValue::Empty) => "",
        Some(FieldValue::Unknown) | None => old(field),
    };
    Some(display_name(new(NAMES[0]), new(NAMES[1]), new(NAMES[2]), company)).filter(|name| !name.is_empty())
}

/// Pictures and tables cannot be said in plain text. (Links can: servers make them of any address in a text.)
fn is_rich(html: &str) -> bool {
    let html = html.to_ascii_lowercase();
    ["<img", "<table", "<object", "<v:imagedata"]
        .iter()
        .any(|tag| html.contains(tag))
}

/// One item's error, as the engine is told.
fn told(error: ResponseError) -> Outcome {
    if error.is_missing_item() {
        return Outcome::Missing;
    }
    match error.kind() {
        _ if error.in_doubt() => Outcome::InDoubt,
        FaultKind::RateLimited { .. } | FaultKind::Transient { .. } => refused(&error.text, vec![], true),
        FaultKind::Rejected => Outcome::Refused(Refusal {
            code: IssueCode::NoPermission,
            message: error.text,
            fields: vec![],
            retry: false,
        }),
        _ => {
            tracing::debug!(code = shown(&error.code), "an item was refused");
            let text = if error.text.trim().is_empty() {
                shown(&error.code)
            } else {
                &error.text
            };
            refused(text, vec![], false)
        }
    }
}

fn refused(message: &str, fields: Vec<Field>, retry: bool) -> Outcome {
    Outcome::Refused(Refusal {
        code: IssueCode::Refused,
        message: message.to_owned(),
        fields,
        retry,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(display: &str) -> Contact {
        Contact {
            display_name: display.to_owned(),
            texts: vec![
                (Field::GivenName, "Nina".to_owned()),
                (Field::Surname, "Berg".to_owned()),
            ],
            categories: vec!["Friends".to_owned()],
            ..Contact::default()
        }
    }

    #[test]
    fn the_name_shown_follows_unless_a_user_chose_it() {
        let set = BTreeMap::from([(Field::Surname, FieldValue::Known("Holm".to_owned()))]);
        assert_eq!(
            new_display_name(&contact("Nina Berg"), &set).as_deref(),
            Some("Nina Holm")
        );
        assert_eq!(new_display_name(&contact(""), &set).as_deref(), Some("Nina Holm"));
        assert_eq!(new_display_name(&contact("Nini"), &set), None);
        let other = BTreeMap::from([(Field::JobTitle, FieldValue::Known("CEO".to_owned()))]);
        assert_eq!(new_display_name(&contact("Nina Berg"), &other), None);
        let cleared = BTreeMap::from([
            (Field::GivenName, FieldValue::Empty),
            (Field::Surname, FieldValue::Empty),
        ]);
        assert_eq!(new_display_name(&contact("Nina Berg"), &cleared), None);
    }

    #[test]
    fn marking_keeps_the_other_categories() {
        let plain = contact("");
        assert_eq!(categories(&plain, Some(true)).unwrap(), ["Friends", "Salesforce"]);
        assert_eq!(categories(&plain, Some(false)), None);
        assert_eq!(categories(&plain, None), None);
        let marked = Contact {
            categories: vec!["salesforce".to_owned()],
            ..Contact::default()
        };
        assert_eq!(categories(&marked, Some(false)).unwrap(), Vec::<String>::new());
        assert_eq!(categories(&marked, Some(true)), None);
    }

    #[test]
    fn rich_bodies_are_known() {
        assert!(is_rich("<html><IMG src=x></html>") && is_rich("<Table>"));
        assert!(!is_rich(
            "<p>see <a href=\"https://x.example\">https://x.example</a></p>"
        ));
    }

    #[test]
    fn errors_of_items() {
        let error = |code: &str| ResponseError {
            code: code.to_owned(),
            text: "full".to_owned(),
            ..ResponseError::default()
        };
        assert_eq!(told(error("ErrorItemNotFound")), Outcome::Missing);
        assert_eq!(told(error("ErrorTimeoutExpired")), Outcome::InDoubt);
        assert_eq!(told(error("ErrorQuotaExceeded")), refused("full", vec![], false));
        assert_eq!(
            told(error("ErrorBatchProcessingStopped")),
            refused("full", vec![], true)
        );
        let Outcome::Refused(refusal) = told(error("ErrorAccessDenied")) else {
            panic!("not refused")
        };
        assert_eq!(refusal.code, IssueCode::NoPermission);
    }
}
