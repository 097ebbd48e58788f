//! What Nina meets with, in Outlook and in Salesforce, and what must be there afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

pub use crate::desk::BARE;
use crate::stage::{Stage, encoded};

/// How long another session may hold the connection.
const PATIENCE: Duration = Duration::from_mins(2);

/// A session, as it was seen from outside.
#[derive(Clone, Debug)]
pub struct Ran {
    pub outcome: String,
    /// What the command line said.
    pub said: String,
    pub took: Duration,
    /// The operations that were asked for, per service.
    pub exchange: Vec<String>,
    pub salesforce: Vec<String>,
    /// Writes that both sides have seen in it.
    pub writes: u64,
}

impl Ran {
    pub fn requests(&self) -> usize {
        self.exchange.len() + self.salesforce.len()
    }
}

/// So many hours from now, on the full hour; events must lie in the window of processes that have the real clock.
pub fn hours_ahead(hours: i64) -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "the processes under test have the real clock, and events must lie in their window"
    )]
    let now = jiff::Timestamp::now().as_second();
    let at = now - now.rem_euclid(3600) + hours * 3600;
    jiff::Timestamp::from_second(at).map_or_else(|_| String::new(), |t| t.to_string())
}

/// The date that is so many days from now, in UTC.
pub fn day_ahead(days: i64) -> String {
    hours_ahead(days * 24)
        .split('T')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test measures how long something really took"
)]
fn stopwatch() -> Instant {
    Instant::now()
}

/// The id of an item or of a record.
pub fn id_of(value: &Value) -> Result<String> {
    value["id"]
        .as_str()
        .or_else(|| value["Id"].as_str())
        .map(str::to_owned)
        .with_context(|| format!("no id in {value}"))
}

/// What an item of the mailbox is called.
fn item_name<'v>(kind: &str, item: &'v Value) -> &'v Value {
    if kind == "contacts" {
        &item["fields"]["Surname"]
    } else {
        &item["subject"]
    }
}

fn record_name(object: &str) -> &'static str {
    match object {
        "Contact" | "Lead" => "LastName",
        "Account" | "Opportunity" => "Name",
        _ => "Subject",
    }
}

impl Stage {
    /// The address of `contacts`, `events`, `tasks` or `messages` of Nina's mailbox.
    pub fn items_path(&self, kind: &str) -> String {
        format!("/exchange/mailboxes/{}/{kind}", self.nina.user.mailbox)
    }

    fn item_path(&self, kind: &str, id: &str) -> String {
        format!("{}?id={}", self.items_path(kind), encoded(id))
    }

    fn record_path(&self, object: &str, id: &str) -> String {
        let user = &self.nina.user.salesforce_username;
        format!("/salesforce/records/{object}/{id}?as={user}")
    }

    /// Made in Outlook; its id.
    pub async fn here(&self, kind: &str, item: &Value) -> Result<String> {
        id_of(&self.sandbox.post(&self.items_path(kind), item).await?)
    }

    pub async fn edit_here(&self, kind: &str, id: &str, change: &Value) -> Result<Value> {
        self.sandbox.patch(&self.item_path(kind, id), change).await
    }

    /// To *Deleted Items*.
    pub async fn delete_here(&self, kind: &str, id: &str) -> Result<()> {
        self.sandbox.delete(&self.item_path(kind, id)).await.map(drop)
    }

    /// Items of that name that are not deleted.
    pub async fn found_here(&self, kind: &str, name: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.get(&self.items_path(kind)).await?;
        let all = all.as_array().context("the items are no list")?;
        Ok(all
            .iter()
            .filter(|item| item_name(kind, item) == name && item["folder"] != "Deleted Items")
            .cloned()
            .collect())
    }

    pub async fn one_here(&self, kind: &str, name: &str) -> Result<Value> {
        let mut found = self.found_here(kind, name).await?;
        ensure!(
            found.len() == 1,
            "{kind} {name:?} is in the mailbox {} times: {found:#?}",
            found.len()
        );
        Ok(found.remove(0))
    }

    /// Made by Nina in Salesforce, owned by her where such things are owned; its id.
    pub async fn there(&self, object: &str, record: &Value) -> Result<String> {
        let mut record = record.clone();
        if matches!(
            object,
            "Contact" | "Event" | "Task" | "Lead" | "Account" | "Opportunity" | "Case"
        ) && record["OwnerId"].is_null()
        {
            record["OwnerId"] = json!(self.nina.user.salesforce_user_id);
        }
        let user = &self.nina.user.salesforce_username;
        id_of(
            &self
                .sandbox
                .post(&format!("/salesforce/records/{object}?as={user}"), &record)
                .await?,
        )
    }

    pub async fn edit_there(&self, object: &str, id: &str, change: &Value) -> Result<()> {
        self.sandbox
            .patch(&self.record_path(object, id), change)
            .await
            .map(drop)
    }

    pub async fn delete_there(&self, object: &str, id: &str) -> Result<()> {
        self.sandbox.delete(&self.record_path(object, id)).await.map(drop)
    }

    /// A record with all its fields, as nobody's rights limit them.
    pub async fn record(&self, object: &str, id: &str) -> Result<Value> {
        self.sandbox
            .get(&format!("/salesforce/records/{object}/{id}"))
            .await
    }

    /// Records of that name that are not deleted; tasks that stand for emails are left out.
    pub async fn found_there(&self, object: &str, name: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.records(object, &self.nina.user).await?;
        Ok(all
            .into_iter()
            .filter(|record| record[record_name(object)] == name && record["IsDeleted"] != true)
            .filter(|record| object != "Task" || record["TaskSubtype"] != "Email")
            .collect())
    }

    pub async fn one_there(&self, object: &str, name: &str) -> Result<Value> {
        let mut found = self.found_there(object, name).await?;
        ensure!(
            found.len() == 1,
            "{object} {name:?} is in Salesforce {} times: {found:#?}",
            found.len()
        );
        Ok(found.remove(0))
    }

    /// Changes the organisation.
    pub async fn org(&self, change: &Value) -> Result<()> {
        self.sandbox.put("/salesforce/org", change).await.map(drop)
    }

    /// Sets one of the connection's settings.
    pub async fn own_setting(&self, key: &str, value: &str) -> Result<()> {
        self.tandem
            .read(&["settings", "set", "--connection", &self.connection, key, value])
            .await
            .map(drop)
    }

    /// Sets one of the organisation's settings.
    pub async fn org_setting(&self, key: &str, value: &str) -> Result<()> {
        let org = &self.sandbox.info.org_id;
        self.tandem
            .read(&["settings", "set", "--org", org, key, value])
            .await
            .map(drop)
    }

    /// Takes one of the connection's settings back.
    pub async fn no_setting(&self, key: &str) -> Result<()> {
        self.tandem
            .read(&["settings", "clear", "--connection", &self.connection, key])
            .await
            .map(drop)
    }

    /// Test companies are small: a story with more than 25 changes is no accident.
    pub async fn without_brake(&self) -> Result<()> {
        self.own_setting("brake", r#"{"count": 5000, "percent": 100, "hard": 20000}"#)
            .await
    }

    /// One session by the command line, however it ends; waits for one that the server itself runs.
    pub async fn run(&self) -> Result<Ran> {
        let tries = async {
            let mut every = tokio::time::interval(Duration::from_millis(250));
            loop {
                every.tick().await;
                let (since, before) = (self.mark().await?, self.writes().await?);
                let watch = stopwatch();
                let output = self
                    .tandem
                    .run(&["session", "run", "--connection", &self.connection])
                    .await?;
                let took = watch.elapsed();
                let said = format!(
                    "{}{}",
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr)
                );
                if said.contains("another session holds it")
                    && self.nina.connection().await?["state"] == "active"
                {
                    continue;
                }
                let entries = self.sandbox.requests_since(since).await?;
                let of = |service: &str| {
                    entries
                        .iter()
                        .filter(|e| e["service"] == service)
                        .map(|e| e["operation"].as_str().unwrap_or_default().to_owned())
                        .collect()
                };
                let connection = self.nina.connection().await?;
                return anyhow::Ok(Ran {
                    outcome: connection["sessions"][0]["outcome"]
                        .as_str()
                        .unwrap_or("running")
                        .to_owned(),
                    said,
                    took,
                    exchange: of("exchange"),
                    salesforce: of("salesforce"),
                    writes: self.writes().await? - before,
                });
            }
        };
        match tokio::time::timeout(PATIENCE, tries).await {
            Ok(ran) => ran,
            Err(_) => bail!("no session came to be within {} s", PATIENCE.as_secs()),
        }
    }

    /// A session that must do all that it had to.
    pub async fn done(&self) -> Result<Ran> {
        let ran = self.run().await?;
        ensure!(
            ran.outcome == "done",
            "the session is {}: {}",
            ran.outcome,
            ran.said
        );
        Ok(ran)
    }

    /// Sessions until two in a row are done and write nothing: the second of them, which has nothing of its own doing to
    /// read any more. Fails if that takes more than eight.
    pub async fn rests(&self) -> Result<Ran> {
        let mut said = Vec::new();
        let mut quiet = false;
        for _ in 0..8 {
            let ran = self.run().await?;
            let nothing = ran.outcome == "done" && ran.writes == 0;
            if nothing && quiet {
                return Ok(ran);
            }
            quiet = nothing;
            said.push(format!(
                "{}: {} {:?} {:?}",
                ran.outcome, ran.said, ran.exchange, ran.salesforce
            ));
        }
        bail!("it does not come to rest: {said:#?}")
    }

    /// Open issues, at most the 50 that the pane shows.
    pub async fn issues(&self) -> Result<Vec<Value>> {
        let Value::Array(all) = self.nina.connection().await?["issues"].take() else {
            bail!("the issues are no list")
        };
        Ok(all)
    }

    /// The one open issue with that code whose title begins like that.
    pub async fn issue(&self, code: &str, title: &str) -> Result<Value> {
        let all = self.issues().await?;
        let mut found: Vec<&Value> = all
            .iter()
            .filter(|i| i["code"] == code && i["title"].as_str().is_some_and(|t| t.starts_with(title)))
            .collect();
        ensure!(
            found.len() == 1,
            "{} issues {code} of {title:?} among {all:#?}",
            found.len()
        );
        Ok(found.remove(0).clone())
    }

    /// Fails if an issue about something of that name is open.
    pub async fn no_issue(&self, title: &str) -> Result<()> {
        let all = self.issues().await?;
        let found: Vec<&Value> = all
            .iter()
            .filter(|i| i["title"].as_str().is_some_and(|t| t.starts_with(title)))
            .collect();
        ensure!(found.is_empty(), "open: {found:#?}");
        Ok(())
    }

    /// *Try again* on every issue that offers it.
    pub async fn retry_all(&self) -> Result<()> {
        for issue in self.issues().await? {
            if issue["cures"]
                .as_array()
                .is_some_and(|all| all.contains(&json!("retry")))
            {
                self.cure(&issue, "retry", None).await?;
            }
        }
        Ok(())
    }

    /// The saved emails with that Message-ID, without its angle brackets.
    pub async fn emails_there(&self, message_id: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.get("/salesforce/records/EmailMessage").await?;
        let all = all.as_array().context("the records are no list")?;
        Ok(all
            .iter()
            .filter(|record| record["IsDeleted"] != true)
            .filter(|record| {
                record["MessageIdentifier"]
                    .as_str()
                    .is_some_and(|id| id.contains(message_id))
            })
            .cloned()
            .collect())
    }

    pub async fn email_there(&self, message_id: &str) -> Result<Value> {
        let mut found = self.emails_there(message_id).await?;
        ensure!(
            found.len() == 1,
            "{message_id} is in Salesforce {} times: {found:#?}",
            found.len()
        );
        Ok(found.remove(0))
    }

    /// Names (as given) and sizes of all files in Salesforce.
    pub async fn files_there(&self) -> Result<Vec<(String, u64)>> {
        let all = self.sandbox.get("/salesforce/records/ContentVersion").await?;
        let all = all.as_array().context("the records are no list")?;
        Ok(all
            .iter()
            .filter(|file| file["IsDeleted"] != true)
            .map(|file| {
                (
                    file["PathOnClient"].as_str().unwrap_or_default().to_owned(),
                    file["ContentSize"].as_u64().unwrap_or_default(),
                )
            })
            .collect())
    }

    /// Chooses a cure as in the pane.
    pub async fn cure(&self, issue: &Value, cure: &str, choice: Option<&str>) -> Result<()> {
        let id = issue["id"].as_str().context("an issue without an id")?;
        let offered = issue["cures"]
            .as_array()
            .is_some_and(|all| all.contains(&json!(cure)));
        ensure!(offered, "{cure} is not offered: {issue}");
        let mut fields = vec![("issue", id), ("cure", cure)];
        fields.extend(choice.map(|choice| ("choice", choice)));
        self.nina.order("cure", &fields).await.map(drop)
    }

    /// Makes one well-formed thing of each kind on each side where such things are made; `name` tells them apart, `n`
    /// keeps their times apart.
    pub async fn healthy(&self, name: &str, n: i64) -> Result<()> {
        self.healthy_up(name, n).await?;
        self.healthy_down(name, n).await
    }

    /// The part of [`Stage::healthy`] that is made in the mailbox.
    pub async fn healthy_up(&self, name: &str, n: i64) -> Result<()> {
        let (start, end) = (hours_ahead(100 + 4 * n), hours_ahead(101 + 4 * n));
        let mail = format!("{}@elsewhere.example", name.to_lowercase());
        let name = format!("{name}-up");
        self.here(
            "contacts",
            &json!({ "folder": "Salesforce Contacts", "fields": { "Surname": name, "EmailAddress1": format!("up.{mail}") } }),
        )
        .await?;
        self.here(
            "events",
            &json!({ "subject": name, "start": start, "end": end, "categories": ["Salesforce"] }),
        )
        .await?;
        self.here("tasks", &json!({ "folder": "Salesforce Tasks", "subject": name }))
            .await?;
        self.here(
            "messages",
            // From a colleague: of a stranger's mail the user would be asked where it belongs.
            &json!({ "folder": "Salesforce Emails", "subject": name, "text": "All well.", "from": "jon.colleague@contoso.example",
                "to": [self.nina.user.mailbox], "message_id": format!("<{mail}>") }),
        )
        .await
        .map(drop)
    }

    /// The part of [`Stage::healthy`] that is made in Salesforce.
    pub async fn healthy_down(&self, name: &str, n: i64) -> Result<()> {
        let mail = format!("down.{}@elsewhere.example", name.to_lowercase());
        let (start, end) = (hours_ahead(102 + 4 * n), hours_ahead(103 + 4 * n));
        let name = format!("{name}-down");
        self.there("Contact", &json!({ "LastName": name, "Email": mail }))
            .await?;
        self.there(
            "Event",
            &json!({ "Subject": name, "StartDateTime": start, "EndDateTime": end }),
        )
        .await?;
        self.there("Task", &json!({ "Subject": name, "Status": "Not Started" }))
            .await?;
        Ok(())
    }

    /// Each thing that [`Stage::healthy`] made is on both sides, once.
    pub async fn healthy_arrived(&self, name: &str) -> Result<()> {
        for (kind, object) in [
            ("contacts", "Contact"),
            ("events", "Event"),
            ("tasks", "Task"),
            ("messages", "EmailMessage"),
        ] {
            for way in ["up", "down"] {
                if kind == "messages" && way == "down" {
                    continue;
                }
                let name = format!("{name}-{way}");
                self.one_here(kind, &name).await?;
                self.one_there(object, &name).await?;
                self.no_issue(&name).await?;
            }
        }
        Ok(())
    }

    /// Fails if Exchange has sent any mail.
    pub async fn nothing_mailed(&self) -> Result<()> {
        let counters = self.sandbox.get("/counters").await?;
        let sent = &counters["exchange"]["mails_sent"];
        ensure!(*sent == 0, "{sent} mails: {}", counters["exchange"]["mails"]);
        Ok(())
    }
}
