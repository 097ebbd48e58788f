//! Everything but the browser: Salesforce, the mail server, Tandem, and a page of another site around the pane.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::browser;
use tandem_tests::sandbox::User;
use tandem_tests::server::Options;
use tandem_tests::{FrameHost, Pane, Person, SandboxProc, Tandem};

/// How long something beside the page may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything but the browser.
pub(crate) struct House {
    pub(crate) sandbox: SandboxProc,
    pub(crate) tandem: Tandem,
    pub(crate) host: FrameHost,
    pub(crate) nina: User,
}

impl House {
    pub(crate) async fn open(arguments: &[&str]) -> Result<Self> {
        let host = FrameHost::start().await?;
        // What is counted here is contacts.
        let mut all = vec![
            "--mailbox-events",
            "0",
            "--mailbox-tasks",
            "0",
            "--mailbox-messages",
            "0",
        ];
        all.extend(["--crm-events", "0", "--crm-tasks", "0"]);
        all.extend(arguments);
        let sandbox = SandboxProc::start(&all).await?;
        let options = Options {
            frame_ancestors: vec![host.origin()],
            ..Options::default()
        };
        let tandem = Tandem::start(&sandbox, &options).await?;
        let nina = sandbox.nina().clone();
        Ok(Self {
            sandbox,
            tandem,
            host,
            nina,
        })
    }

    pub(crate) async fn pane(&self, options: browser::Options) -> Result<Pane> {
        Pane::open(&self.tandem, &self.host, &self.nina, options).await
    }

    pub(crate) async fn http(&self) -> Result<Person> {
        self.http_as(&self.nina).await
    }

    pub(crate) async fn http_as(&self, user: &User) -> Result<Person> {
        Person::sign_in(&self.tandem, &self.sandbox, user).await
    }

    pub(crate) fn contacts_path(&self) -> String {
        format!("/exchange/mailboxes/{}/contacts", self.nina.mailbox)
    }

    /// Contacts that are not in *Deleted Items*.
    pub(crate) async fn in_mailbox(&self) -> Result<Vec<Value>> {
        self.in_mailbox_of(&self.nina).await
    }

    pub(crate) async fn in_mailbox_of(&self, user: &User) -> Result<Vec<Value>> {
        let mut all = self.sandbox.mailbox_contacts(user).await?;
        all.retain(|c| c["folder"] != "Deleted Items");
        Ok(all)
    }

    /// Nina's contacts that are not in the recycle bin.
    pub(crate) async fn in_salesforce(&self) -> Result<Vec<Value>> {
        self.in_salesforce_of(&self.nina).await
    }

    pub(crate) async fn in_salesforce_of(&self, user: &User) -> Result<Vec<Value>> {
        let mut all = self.sandbox.records("Contact", user).await?;
        all.retain(|c| c["IsDeleted"] != true && c["OwnerId"] == user.salesforce_user_id.as_str());
        Ok(all)
    }

    pub(crate) async fn mailbox_contact(&self, surname: &str) -> Result<Option<Value>> {
        only(
            surname,
            self.in_mailbox()
                .await?
                .into_iter()
                .filter(|c| c["fields"]["Surname"] == surname),
        )
    }

    pub(crate) async fn salesforce_contact(&self, last_name: &str) -> Result<Option<Value>> {
        only(
            last_name,
            self.in_salesforce()
                .await?
                .into_iter()
                .filter(|c| c["LastName"] == last_name),
        )
    }

    pub(crate) async fn new_in_mailbox(&self, surname: &str) -> Result<()> {
        let contact = json!({ "folder": "Salesforce Contacts", "fields": {
            "GivenName": "Grażyna", "Surname": surname, "EmailAddress1": address(surname) } });
        self.sandbox.post(&self.contacts_path(), &contact).await.map(drop)
    }

    pub(crate) async fn new_in_salesforce(&self, last_name: &str) -> Result<()> {
        let record = json!({ "FirstName": "Jürgen", "LastName": last_name,
            "Email": address(last_name), "OwnerId": self.nina.salesforce_user_id });
        let path = format!("/salesforce/records/Contact?as={}", self.nina.salesforce_username);
        self.sandbox.post(&path, &record).await.map(drop)
    }

    pub(crate) fn record_path(&self, record: &Value) -> String {
        let id = record["Id"].as_str().unwrap_or_default();
        format!(
            "/salesforce/records/Contact/{id}?as={}",
            self.nina.salesforce_username
        )
    }

    pub(crate) fn item_path(&self, item: &Value) -> String {
        let id = item["id"].as_str().unwrap_or_default();
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        format!("{}?id={id}", self.contacts_path())
    }

    pub(crate) async fn failed_logons(&self) -> Result<u64> {
        let mailbox = self
            .sandbox
            .get(&format!("/exchange/mailboxes/{}", self.nina.mailbox))
            .await?;
        mailbox["failed_logons"]
            .as_u64()
            .context("no count of failed logons")
    }

    pub(crate) async fn grants(&self) -> Result<usize> {
        self.grants_of(&self.nina).await
    }

    pub(crate) async fn grants_of(&self, user: &User) -> Result<usize> {
        let user = self
            .sandbox
            .get(&format!("/salesforce/users/{}", user.salesforce_username))
            .await?;
        Ok(user["grants"].as_array().context("no list of grants")?.len())
    }
}

/// One that each server takes.
fn address(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{name}@example.org")
}

/// The one that there is; two of a name are an error.
fn only(name: &str, mut all: impl Iterator<Item = Value>) -> Result<Option<Value>> {
    let first = all.next();
    ensure!(all.next().is_none(), "{name} is there more than once");
    Ok(first)
}

/// Looks until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let search = async {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        loop {
            every.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
    };
    tokio::time::timeout(PATIENCE, search)
        .await
        .with_context(|| format!("waited in vain for {what}"))?
}

pub(crate) fn ids(items: &[Value], key: &str) -> Vec<String> {
    let mut ids: Vec<String> = items
        .iter()
        .map(|i| i[key].as_str().unwrap_or_default().to_owned())
        .collect();
    ids.sort();
    ids
}

pub(crate) fn number(cell: &str) -> Result<usize> {
    cell.replace(',', "")
        .parse()
        .with_context(|| format!("\"{cell}\" is no number"))
}
