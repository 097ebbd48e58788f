//! What somebody made and changed on both sides, and what must have become of it.
//!
//! Each thing is edited on one side only, so that there is no conflict: whatever happens in between, in the end both
//! sides hold its last value, once.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore as _;
use serde_json::{Value, json};

use crate::sandbox::{SandboxProc, User};
use crate::stage::{Stage, encoded};

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Contact,
    Event,
    Task,
    Email,
}

/// Where it is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    Mailbox,
    Salesforce,
}

#[derive(Debug)]
struct Thing {
    kind: Kind,
    home: Home,
    /// Its last name or subject: unlike any other.
    name: String,
    /// What it must hold: in *Title*, *Location* or *Description*.
    value: String,
    /// Deleted at home: it must be gone on both sides.
    deleted: bool,
}

/// All things, and how they are looked for.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What all names begin with, where colleagues keep one each.
    prefix: String,
    things: Vec<Thing>,
    edits: u32,
}

/// Whose things they are, and where.
pub trait Whose {
    fn sandbox(&self) -> &SandboxProc;
    fn user(&self) -> &User;
}

impl Whose for Stage {
    fn sandbox(&self) -> &SandboxProc {
        &self.sandbox
    }

    fn user(&self) -> &User {
        &self.nina.user
    }
}

impl Whose for (&SandboxProc, &User) {
    fn sandbox(&self) -> &SandboxProc {
        self.0
    }

    fn user(&self) -> &User {
        self.1
    }
}

impl Kind {
    fn object(self) -> &'static str {
        match self {
            Self::Contact => "Contact",
            Self::Event => "Event",
            Self::Task => "Task",
            Self::Email => "EmailMessage",
        }
    }

    /// Of the control API.
    fn items(self) -> &'static str {
        match self {
            Self::Contact => "contacts",
            Self::Event => "events",
            Self::Task => "tasks",
            Self::Email => "messages",
        }
    }

    fn record_name(self) -> &'static str {
        match self {
            Self::Contact => "LastName",
            _ => "Subject",
        }
    }

    fn record_value(self) -> &'static str {
        match self {
            Self::Contact => "Title",
            Self::Event => "Location",
            Self::Task => "Description",
            Self::Email => "TextBody",
        }
    }

    fn item_name(self, item: &Value) -> &Value {
        match self {
            Self::Contact => &item["fields"]["Surname"],
            _ => &item["subject"],
        }
    }

    fn item_value(self, item: &Value) -> &Value {
        match self {
            Self::Contact => &item["fields"]["JobTitle"],
            Self::Event => &item["location"],
            Self::Task | Self::Email => &item["body"],
        }
    }
}

impl Ledger {
    /// Of a colleague, whose things are named like nobody else's.
    pub fn of(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            ..Self::default()
        }
    }

    pub fn edits(&self) -> u32 {
        self.edits
    }

    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    pub fn kinds(&self) -> BTreeSet<Kind> {
        self.things.iter().map(|thing| thing.kind).collect()
    }

    /// One thing somebody does: makes something, changes it, deletes it in Salesforce.
    pub async fn edit(&mut self, whose: &impl Whose, rng: &mut ChaCha8Rng) -> Result<()> {
        self.edits += 1;
        let pick = usize::try_from(rng.next_u32()).unwrap_or_default();
        let living: Vec<usize> = (0..self.things.len())
            .filter(|n| !self.things[*n].deleted && self.things[*n].kind != Kind::Email)
            .collect();
        match rng.next_u32() % 10 {
            0..5 => self.make(whose, pick).await,
            _ if living.is_empty() => self.make(whose, pick).await,
            5 if self.things[living[pick % living.len()]].home == Home::Salesforce => {
                self.delete(whose, living[pick % living.len()]).await
            }
            _ => self.change(whose, living[pick % living.len()]).await,
        }
    }

    async fn make(&mut self, whose: &impl Whose, pick: usize) -> Result<()> {
        let n = self.things.len();
        let (kind, home) = [
            (Kind::Contact, Home::Mailbox),
            (Kind::Contact, Home::Salesforce),
            (Kind::Event, Home::Mailbox),
            (Kind::Event, Home::Salesforce),
            (Kind::Task, Home::Mailbox),
            (Kind::Task, Home::Salesforce),
            (Kind::Email, Home::Mailbox),
        ][pick % 7];
        let name = format!("{}{kind:?} {n}", self.prefix);
        let prefix = self.prefix.trim().to_lowercase();
        let value = format!("value {}", self.edits);
        let (start, end) = times(n);
        match home {
            Home::Mailbox => {
                let body = match kind {
                    Kind::Contact => json!({ "folder": "Salesforce Contacts", "fields": {
                        "Surname": name, "JobTitle": value, "EmailAddress1": format!("{prefix}ledger{n}@elsewhere.example") } }),
                    Kind::Event => json!({ "subject": name, "location": value, "start": start, "end": end,
                        "categories": ["Salesforce"] }),
                    Kind::Task => json!({ "folder": "Salesforce Tasks", "subject": name, "body": value }),
                    Kind::Email => json!({ "folder": "Salesforce Emails", "subject": name, "text": value,
                        "from": "someone@elsewhere.example", "to": [whose.user().mailbox],
                        "message_id": format!("<{prefix}ledger{n}@elsewhere.example>"),
                        "attachments": [{ "name": format!("{prefix}paper{n}.pdf"), "content_type": "application/pdf", "size": 900 }] }),
                };
                whose.sandbox().post(&items(whose, kind), &body).await?;
            }
            Home::Salesforce => {
                let mut record = json!({ kind.record_name(): name, kind.record_value(): value,
                    "OwnerId": whose.user().salesforce_user_id });
                match kind {
                    Kind::Contact => record["Email"] = json!(format!("{prefix}ledger{n}@elsewhere.example")),
                    Kind::Event => {
                        record["StartDateTime"] = json!(start);
                        record["EndDateTime"] = json!(end);
                    }
                    Kind::Task => record["Status"] = json!("Not Started"),
                    Kind::Email => {}
                }
                let path = format!(
                    "/salesforce/records/{}?as={}",
                    kind.object(),
                    whose.user().salesforce_username
                );
                whose.sandbox().post(&path, &record).await?;
            }
        }
        self.things.push(Thing {
            kind,
            home,
            name,
            value,
            deleted: false,
        });
        Ok(())
    }

    async fn change(&mut self, whose: &impl Whose, n: usize) -> Result<()> {
        let value = format!("value {}", self.edits);
        let thing = &mut self.things[n];
        match thing.home {
            Home::Mailbox => {
                let found = in_mailbox(whose, thing.kind, &thing.name).await?;
                let id = found.first().and_then(|item| item["id"].as_str());
                let id = id.with_context(|| format!("{} is not in the mailbox any more", thing.name))?;
                let body = match thing.kind {
                    Kind::Contact => json!({ "fields": { "JobTitle": value } }),
                    Kind::Event => json!({ "location": value }),
                    Kind::Task | Kind::Email => json!({ "body": value }),
                };
                let path = format!("{}?id={}", items(whose, thing.kind), encoded(id));
                whose.sandbox().patch(&path, &body).await?;
            }
            Home::Salesforce => {
                let id = record_id(whose, thing).await?;
                let body = json!({ thing.kind.record_value(): value });
                whose
                    .sandbox()
                    .patch(&record(whose, thing.kind, &id), &body)
                    .await?;
            }
        }
        thing.value = value;
        Ok(())
    }

    async fn delete(&mut self, whose: &impl Whose, n: usize) -> Result<()> {
        let thing = &mut self.things[n];
        let id = record_id(whose, thing).await?;
        whose.sandbox().delete(&record(whose, thing.kind, &id)).await?;
        thing.deleted = true;
        Ok(())
    }

    /// # Errors
    /// Something is lost, doubled, left behind or outdated on a side.
    pub async fn check(&self, whose: &impl Whose) -> Result<()> {
        for thing in &self.things {
            let records = in_salesforce(whose, thing.kind, &thing.name).await?;
            let items = in_mailbox(whose, thing.kind, &thing.name).await?;
            let wanted = usize::from(!thing.deleted);
            ensure!(
                records.len() == wanted,
                "{thing:?} is {} times in Salesforce: {records:#?}",
                records.len()
            );
            ensure!(
                items.len() == wanted,
                "{thing:?} is {} times in the mailbox: {items:#?}",
                items.len()
            );
            let (Some(record), Some(item)) = (records.first(), items.first()) else {
                continue;
            };
            let there = record[thing.kind.record_value()]
                .as_str()
                .unwrap_or_default()
                .trim();
            let here = thing.kind.item_value(item).as_str().unwrap_or_default().trim();
            ensure!(there == thing.value, "{thing:?} holds {there:?} in Salesforce");
            ensure!(here == thing.value, "{thing:?} holds {here:?} in the mailbox");
        }
        self.check_files(whose).await
    }

    /// Each saved mail has its one attachment, once.
    async fn check_files(&self, whose: &impl Whose) -> Result<()> {
        let files = whose.sandbox().records("ContentVersion", whose.user()).await?;
        for (n, thing) in self.things.iter().enumerate() {
            if thing.kind == Kind::Email {
                let name = format!("{}paper{n}.pdf", self.prefix.trim().to_lowercase());
                let found = files
                    .iter()
                    .filter(|file| file["PathOnClient"] == name.as_str() && file["IsDeleted"] != true)
                    .count();
                ensure!(found == 1, "{name} of {thing:?} is there {found} times");
            }
        }
        Ok(())
    }
}

/// A day or more ahead, each event somewhere else, whole hours.
fn times(n: usize) -> (String, String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the processes under test have the real clock, and events must lie in their window"
    )]
    let now = jiff::Timestamp::now().as_second();
    let n = i64::try_from(n).unwrap_or_default();
    let hour = now - now % 3600 + 86_400 + (n * 5 % 600) * 3600;
    let text = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |t| t.to_string())
    };
    (text(hour), text(hour + 3600))
}

fn items(whose: &impl Whose, kind: Kind) -> String {
    format!("/exchange/mailboxes/{}/{}", whose.user().mailbox, kind.items())
}

fn record(whose: &impl Whose, kind: Kind, id: &str) -> String {
    format!(
        "/salesforce/records/{}/{id}?as={}",
        kind.object(),
        whose.user().salesforce_username
    )
}

async fn record_id(whose: &impl Whose, thing: &Thing) -> Result<String> {
    let found = in_salesforce(whose, thing.kind, &thing.name).await?;
    let id = found.first().and_then(|record| record["Id"].as_str());
    Ok(id
        .with_context(|| format!("{} is not in Salesforce any more", thing.name))?
        .to_owned())
}

async fn in_mailbox(whose: &impl Whose, kind: Kind, name: &str) -> Result<Vec<Value>> {
    let all = whose.sandbox().get(&items(whose, kind)).await?;
    let all = all.as_array().context("the items are no list")?;
    Ok(all
        .iter()
        .filter(|item| *kind.item_name(item) == name && item["folder"] != "Deleted Items")
        .cloned()
        .collect())
}

async fn in_salesforce(whose: &impl Whose, kind: Kind, name: &str) -> Result<Vec<Value>> {
    let all = whose.sandbox().records(kind.object(), whose.user()).await?;
    Ok(all
        .into_iter()
        .filter(|record| record[kind.record_name()] == name && record["IsDeleted"] != true)
        .filter(|record| record["TaskSubtype"] != "Email")
        .collect())
}
