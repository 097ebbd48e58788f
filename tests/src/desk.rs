//! What one person does and finds on both sides: events, tasks and mails in Outlook, rows in Salesforce, sessions in
//! between.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::stage::{Stage, encoded};
use crate::{Person, SandboxProc, Tandem};

/// A company with few contacts and nothing else yet: arguments of `tandem sandbox`.
pub const BARE: [&str; 14] = bare("5", "0");

/// A company with so many contacts in Salesforce and in each mailbox, and nothing else yet.
pub const fn bare<'a>(contacts: &'a str, mailbox_contacts: &'a str) -> [&'a str; 14] {
    [
        "--contacts",
        contacts,
        "--mailbox-contacts",
        mailbox_contacts,
        "--mailbox-events",
        "0",
        "--mailbox-tasks",
        "0",
        "--mailbox-messages",
        "0",
        "--crm-events",
        "0",
        "--crm-tasks",
        "0",
    ]
}

/// Where deleted items lie.
pub const BIN: &str = "Deleted Items";

/// One person's two sides, and the command line beside them.
#[derive(Clone, Debug)]
pub struct Desk<'s> {
    pub sandbox: &'s SandboxProc,
    pub tandem: &'s Tandem,
    pub person: &'s Person,
    pub connection: String,
}

impl<'s> Desk<'s> {
    /// Nina's.
    pub fn nina(stage: &'s Stage) -> Self {
        Self {
            sandbox: &stage.sandbox,
            tandem: &stage.tandem,
            person: &stage.nina,
            connection: stage.connection.clone(),
        }
    }

    /// That of a colleague who has signed in.
    pub async fn of(stage: &'s Stage, person: &'s Person) -> Result<Self> {
        Ok(Self {
            connection: person.connection_id().await?,
            person,
            ..Self::nina(stage)
        })
    }

    /// Their address.
    pub fn address(&self) -> &str {
        &self.person.user.mailbox
    }

    /// Their id in Salesforce.
    pub fn user_id(&self) -> &str {
        &self.person.user.salesforce_user_id
    }

    fn items(&self, kind: &str) -> String {
        format!("/exchange/mailboxes/{}/{kind}", self.address())
    }

    fn rows(&self, rest: &str) -> String {
        let user = &self.person.user.salesforce_username;
        format!("/salesforce/records/{rest}?as={user}")
    }

    /// Makes an item in Outlook; its id. Kinds are the control API's: `events`, `tasks`, `messages`.
    pub async fn make(&self, kind: &str, entry: Value) -> Result<String> {
        let made = self.sandbox.post(&self.items(kind), &entry).await?;
        id_of(&made)
    }

    /// Changes an item in Outlook.
    pub async fn edit(&self, kind: &str, id: &str, entry: Value) -> Result<Value> {
        let path = format!("{}?id={}", self.items(kind), encoded(id));
        self.sandbox.patch(&path, &entry).await
    }

    /// Deletes an item in Outlook: to *Deleted Items*.
    pub async fn discard(&self, kind: &str, id: &str) -> Result<()> {
        let path = format!("{}?id={}", self.items(kind), encoded(id));
        self.sandbox.delete(&path).await.map(drop)
    }

    /// Files an item elsewhere; its new id.
    pub async fn file(&self, kind: &str, id: &str, folder: &str) -> Result<String> {
        let path = format!("{}/{}/move", self.items(kind), encoded(id));
        id_of(&self.sandbox.post(&path, &json!({ "folder": folder })).await?)
    }

    /// Answers an invitation, and tells the organizer by mail, as Outlook does.
    pub async fn respond(&self, id: &str, answer: &str) -> Result<()> {
        let path = format!("{}/{}/respond", self.items("events"), encoded(id));
        self.sandbox
            .post(&path, &json!({ "answer": answer, "send": true }))
            .await
            .map(drop)
    }

    /// All items of that subject, also deleted ones.
    pub async fn every(&self, kind: &str, subject: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.get(&self.items(kind)).await?;
        let Value::Array(all) = all else {
            bail!("the {kind} are no list")
        };
        Ok(all
            .into_iter()
            .filter(|item| item["subject"] == subject)
            .collect())
    }

    /// Those that are not deleted.
    pub async fn found(&self, kind: &str, subject: &str) -> Result<Vec<Value>> {
        let mut all = self.every(kind, subject).await?;
        all.retain(|item| item["folder"] != BIN);
        Ok(all)
    }

    /// The one item of that subject that is not deleted.
    pub async fn item(&self, kind: &str, subject: &str) -> Result<Value> {
        let mut found = self.found(kind, subject).await?;
        ensure!(
            found.len() == 1,
            "\"{subject}\" is in the mailbox {} times: {found:#?}",
            found.len()
        );
        Ok(found.remove(0))
    }

    /// No item of that subject is left, but in *Deleted Items*: nothing is ever deleted for good.
    pub async fn binned(&self, kind: &str, subject: &str) -> Result<()> {
        let all = self.every(kind, subject).await?;
        ensure!(
            !all.is_empty() && all.iter().all(|item| item["folder"] == BIN),
            "\"{subject}\" is not in Deleted Items: {all:#?}"
        );
        Ok(())
    }

    /// Makes a row in Salesforce, owned by them unless it says otherwise; its id.
    pub async fn create(&self, object: &str, mut row: Value) -> Result<String> {
        if matches!(object, "Event" | "Task" | "Contact" | "Lead") && row.get("OwnerId").is_none() {
            row["OwnerId"] = json!(self.user_id());
        }
        id_of(&self.sandbox.post(&self.rows(object), &row).await?)
    }

    /// Changes a row.
    pub async fn update(&self, object: &str, id: &str, row: Value) -> Result<()> {
        let path = self.rows(&format!("{object}/{id}"));
        self.sandbox.patch(&path, &row).await.map(drop)
    }

    /// Deletes a row: to the recycle bin.
    pub async fn erase(&self, object: &str, id: &str) -> Result<()> {
        let path = self.rows(&format!("{object}/{id}"));
        self.sandbox.delete(&path).await.map(drop)
    }

    /// Rows of an object that they see, without deleted ones and invitees' copies of events.
    pub async fn all(&self, object: &str) -> Result<Vec<Value>> {
        let mut all = self.sandbox.records(object, &self.person.user).await?;
        all.retain(|row| row["IsDeleted"] != true && row["IsChild"] != true);
        Ok(all)
    }

    /// Those of that subject.
    pub async fn records(&self, object: &str, subject: &str) -> Result<Vec<Value>> {
        let mut all = self.all(object).await?;
        all.retain(|row| row["Subject"] == subject);
        Ok(all)
    }

    /// The one row of that subject.
    pub async fn record(&self, object: &str, subject: &str) -> Result<Value> {
        let mut found = self.records(object, subject).await?;
        ensure!(
            found.len() == 1,
            "\"{subject}\" is in Salesforce {} times: {found:#?}; told: {:#}",
            found.len(),
            self.person.connection().await?["issues"]
        );
        Ok(found.remove(0))
    }

    /// No row of that subject is left.
    pub async fn gone(&self, object: &str, subject: &str) -> Result<()> {
        let found = self.records(object, subject).await?;
        ensure!(
            found.is_empty(),
            "\"{subject}\" is in Salesforce still: {found:#?}"
        );
        Ok(())
    }

    /// How somebody is invited to an event: the row, if there is one.
    pub async fn invitation(&self, event: &str, to: &str) -> Result<Option<Value>> {
        let all = self.all("EventRelation").await?;
        let mut found: Vec<_> = all
            .into_iter()
            .filter(|row| row["EventId"] == event && row["RelationId"] == to && row["IsInvitee"] != false)
            .collect();
        ensure!(found.len() <= 1, "{to} is invited several times: {found:#?}");
        Ok(found.pop())
    }

    /// One session by the command line, however it ends: its outcome, and what was said.
    pub async fn session(&self) -> Result<(String, String)> {
        let arguments = ["session", "run", "--connection", &self.connection];
        let output = self.tandem.run(&arguments).await?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let connection = self.person.connection().await?;
        let outcome = connection["sessions"][0]["outcome"].as_str().unwrap_or("running");
        Ok((outcome.to_owned(), said))
    }

    /// Sessions until one has done all; then one more, which must find nothing to do.
    pub async fn settles(&self) -> Result<()> {
        let mut all = Vec::new();
        for _ in 0..4 {
            let (outcome, said) = self.session().await?;
            let done = outcome == "done";
            all.push(format!("{outcome}: {said}"));
            if done {
                let rests = self.rests().await;
                return rests.with_context(|| format!("before that: {}", all.join("\n")));
            }
        }
        bail!("it does not come to an end: {}\n{}", all.join("\n"), self.log())
    }

    /// A session that writes nothing.
    pub async fn rests(&self) -> Result<()> {
        let before = self.sandbox.writes().await?;
        let since = self.sandbox.mark().await?;
        let (outcome, said) = self.session().await?;
        let wrote = self.sandbox.writes().await? - before;
        if outcome == "done" && wrote == 0 {
            return Ok(());
        }
        let asked = self.sandbox.requests_since(since).await?;
        let asked: Vec<_> = asked.iter().map(|one| one["operation"].to_string()).collect();
        bail!("a session without a change wrote {wrote} times, {outcome}: {asked:?}\n{said}")
    }

    fn log(&self) -> String {
        let log = self.tandem.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What the pane tells of that code.
    pub async fn issues(&self, code: &str) -> Result<Vec<Value>> {
        let mut connection = self.person.connection().await?;
        let Value::Array(all) = connection["issues"].take() else {
            bail!("the issues are no list")
        };
        Ok(all.into_iter().filter(|issue| issue["code"] == code).collect())
    }

    /// The one issue of that code.
    pub async fn issue(&self, code: &str) -> Result<Value> {
        let mut found = self.issues(code).await?;
        let all = self.person.connection().await?["issues"].take();
        ensure!(found.len() == 1, "{} issues {code} among {all:#}", found.len());
        Ok(found.remove(0))
    }

    /// Nothing is told.
    pub async fn no_issues(&self) -> Result<()> {
        let all = self.person.connection().await?["issues"].take();
        ensure!(all.as_array().is_some_and(Vec::is_empty), "{all:#}");
        Ok(())
    }

    /// Chooses a cure of an issue, and waits until it is done.
    pub async fn cure(&self, code: &str, cure: &str) -> Result<()> {
        let issue = id_of(&self.issue(code).await?)?;
        let before = self.person.connection().await?["sessions"][0]["id"].clone();
        self.person
            .order("cure", &[("issue", &issue), ("cure", cure)])
            .await?;
        self.person
            .until("the cure's session", |c| {
                c["sessions"][0]["id"] != before
                    && c["sessions"][0]["outcome"] == "done"
                    && c["progress"].is_null()
            })
            .await
            .map(drop)
    }

    /// A setting of this connection, by the command line.
    pub async fn choose(&self, key: &str, value: &str) -> Result<()> {
        let arguments = ["settings", "set", "--connection", &self.connection, key, value];
        self.tandem.read(&arguments).await.map(drop)
    }
}

impl SandboxProc {
    /// Switches of the organisation.
    pub async fn org(&self, switches: Value) -> Result<()> {
        self.put("/salesforce/org", &switches).await.map(drop)
    }

    /// Outlook's own mail (an invitation, an answer) does not count as ours.
    pub async fn outlook_has_sent(&self) -> Result<()> {
        self.post("/counters/reset", &json!({})).await.map(drop)
    }

    /// Nobody got mail from anything that was done.
    pub async fn nobody_got_mail(&self) -> Result<()> {
        let counters = self.get("/counters").await?;
        ensure!(
            counters["exchange"]["mails_sent"] == 0,
            "somebody got mail: {:#}",
            counters["exchange"]["mails"]
        );
        Ok(())
    }
}

/// The id of an item, or of a row.
pub fn id_of(value: &Value) -> Result<String> {
    let id = if value["id"].is_null() {
        &value["Id"]
    } else {
        &value["id"]
    };
    Ok(id.as_str().with_context(|| format!("no id: {value}"))?.to_owned())
}

/// Whether an item carries a category.
pub fn has(item: &Value, category: &str) -> bool {
    item["categories"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one == category))
}

/// A moment as either side writes it, in seconds.
pub fn seconds(value: &Value) -> Result<i64> {
    let text = value.as_str().with_context(|| format!("no time: {value}"))?;
    let text = text.replace("+0000", "Z");
    let at: jiff::Timestamp = text.parse().with_context(|| format!("no time: {text}"))?;
    Ok(at.as_second())
}

/// An item and a row of an event, neither for whole days, begin and end together.
pub fn same_time(item: &Value, row: &Value) -> Result<()> {
    let same = seconds(&item["start"])? == seconds(&row["StartDateTime"])?
        && seconds(&item["end"])? == seconds(&row["EndDateTime"])?;
    ensure!(
        same && item["all_day"] == false && row["IsAllDayEvent"] == false,
        "{}: {} to {}; {} to {}",
        item["subject"],
        item["start"],
        item["end"],
        row["StartDateTime"],
        row["EndDateTime"]
    );
    Ok(())
}

/// Today in UTC, and so many days later. The day does not change under a test that runs at midnight.
pub fn day(after: i64) -> Date {
    static TODAY: OnceLock<Date> = OnceLock::new();
    TODAY.get_or_init(today).saturating_add(after.days())
}

fn today() -> Date {
    #[expect(
        clippy::disallowed_methods,
        reason = "the processes under test have the real clock, and events must lie in their window"
    )]
    let now = jiff::Timestamp::now();
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// A moment of such a day, UTC: `at(1, "09:30")`.
pub fn at(after: i64, time: &str) -> String {
    format!("{}T{time}:00Z", day(after))
}

/// The next last Sunday in March that is at least three days ahead: clocks in Europe go forward.
pub fn clocks_go_forward() -> Date {
    let from = day(3);
    [from.year(), from.year() + 1]
        .into_iter()
        .filter_map(|year| {
            jiff::civil::date(year, 3, 1)
                .nth_weekday_of_month(-1, jiff::civil::Weekday::Sunday)
                .ok()
        })
        .find(|sunday| *sunday >= from)
        .unwrap_or(from)
}
