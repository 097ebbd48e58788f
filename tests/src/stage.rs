//! One person, one server, one sandbox: how most whole-system tests begin.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::sandbox::User;
use crate::server::Options;
use crate::{Person, SandboxProc, Tandem};

/// With this variable every stage has an integration user: whole suites run by the other path, too.
const INTEGRATION: &str = "TANDEM_TEST_INTEGRATION";

/// Nina, signed in; what she uses.
#[derive(Debug)]
pub struct Stage {
    pub sandbox: SandboxProc,
    pub tandem: Tandem,
    pub nina: Person,
    /// For the command line.
    pub connection: String,
}

impl Stage {
    /// Signed in, nothing connected.
    pub async fn set(arguments: &[&str], options: &Options) -> Result<Self> {
        let sandbox = SandboxProc::start(arguments).await?;
        let tandem = Tandem::start(&sandbox, options).await?;
        let nina = Person::sign_in(&tandem, &sandbox, &sandbox.nina().clone()).await?;
        let connection = nina.connection_id().await?;
        Ok(Self {
            sandbox,
            tandem,
            nina,
            connection,
        })
    }

    /// Connected and through the first round.
    pub async fn synced(arguments: &[&str], options: &Options) -> Result<Self> {
        let stage = Self::set(arguments, options).await?;
        stage.nina.connect_well().await?;
        stage.nina.first_sync().await?;
        if options.integration || std::env::var_os(INTEGRATION).is_some() {
            stage.integrate().await?;
        }
        Ok(stage)
    }

    /// The Salesforce user who becomes the integration user: nobody of those who sync.
    ///
    /// # Errors
    /// The sandbox has no users.
    pub fn integration_user(&self) -> Result<&User> {
        self.sandbox.info.users.last().context("nobody is left")
    }

    /// Nina connects the organisation's integration user, who may see everything.
    ///
    /// # Errors
    /// It is not connected, or tells nothing.
    pub async fn integrate(&self) -> Result<()> {
        let user = self.integration_user()?;
        let path = format!("/salesforce/users/{}", user.salesforce_username);
        self.sandbox.put(&path, &json!({ "view_all": true })).await?;
        self.nina
            .connect_integration(&self.tandem, &self.sandbox, user)
            .await?;
        let told = self
            .tandem
            .read(&["org", "integration", &self.org_id().await?])
            .await?;
        ensure!(told.contains(&user.salesforce_username), "{told}");
        Ok(())
    }

    /// The organisation's id.
    ///
    /// # Errors
    /// The command line tells none.
    pub async fn org_id(&self) -> Result<String> {
        let listed = self.tandem.read(&["org", "list"]).await?;
        let id = listed.split_whitespace().find(|word| word.starts_with("00D"));
        Ok(id
            .with_context(|| format!("no organisation: {listed}"))?
            .to_owned())
    }

    /// As [`Stage::synced`], with the mailbox in Office 365 alone.
    pub async fn synced_in_the_cloud(arguments: &[&str], options: &Options) -> Result<Self> {
        let stage = Self::set(arguments, options).await?;
        stage.home("cloud").await?;
        stage.nina.connect_office(&stage.tandem).await?;
        stage.nina.first_sync().await?;
        Ok(stage)
    }

    /// Where the mailbox is from now on: `on_premises`, `cloud` or `both`.
    pub async fn home(&self, home: &str) -> Result<()> {
        let path = format!("/exchange/mailboxes/{}/home", self.nina.user.mailbox);
        self.sandbox.post(&path, &json!({ "home": home })).await.map(drop)
    }

    /// One session by the command line; what it said.
    pub async fn session(&self) -> Result<String> {
        self.tandem
            .read(&["session", "run", "--connection", &self.connection])
            .await
    }

    /// The newest request's number.
    pub async fn mark(&self) -> Result<u64> {
        self.sandbox.mark().await
    }

    /// How many writes both sides have seen so far, by the sandbox's own count.
    pub async fn writes(&self) -> Result<u64> {
        self.sandbox.writes().await
    }

    /// Whoever waits for a colleague's connection has waited for an interval.
    pub async fn an_interval_passes(&self) -> Result<()> {
        let config = std::fs::read_to_string(self.tandem.folder().join("tandem.toml"))?;
        let url = config
            .lines()
            .find_map(|line| line.strip_prefix("database = "))
            .context("no database")?;
        let url: String = serde_json::from_str(url)?;
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&url).await?;
            let set = "UPDATE links SET traits = json_set(traits, '$.waits_since', 0) WHERE traits LIKE '%\"waits_since\":1%'";
            connection.execute(set).await?;
            connection.close().await?;
        } else {
            let mut connection = PgConnection::connect(&url).await?;
            let set = "UPDATE links SET traits = jsonb_set(traits::jsonb, '{waits_since}', '0')::text WHERE traits LIKE '%\"waits_since\":1%'";
            connection.execute(set).await?;
            connection.close().await?;
        }
        Ok(())
    }

    /// One more session; fails if it writes anything. What it asked, per service.
    pub async fn idle(&self) -> Result<(Vec<String>, Vec<String>)> {
        let (since, before) = (self.mark().await?, self.writes().await?);
        let said = self.session().await?;
        let entries = self.sandbox.requests_since(since).await?;
        let wrote = self.writes().await? - before;
        ensure!(
            wrote == 0,
            "a session without a change wrote {wrote} times: {entries:?}\n{said}"
        );
        let of = |service: &str| {
            entries
                .iter()
                .filter(|e| e["service"] == service)
                .map(|e| e["operation"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        Ok((of("exchange"), of("salesforce")))
    }

    /// Contacts of Nina's mailbox with that surname, wherever they lie.
    pub async fn in_mailbox(&self, surname: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.mailbox_contacts(&self.nina.user).await?;
        Ok(all
            .into_iter()
            .filter(|c| c["fields"]["Surname"] == surname)
            .collect())
    }

    /// Salesforce contacts with that last name that are not deleted.
    pub async fn in_salesforce(&self, last_name: &str) -> Result<Vec<Value>> {
        let all = self.sandbox.records("Contact", &self.nina.user).await?;
        Ok(all
            .into_iter()
            .filter(|c| c["LastName"] == last_name && c["IsDeleted"] != true)
            .collect())
    }

    /// Of the control API.
    pub fn contacts_path(&self) -> String {
        format!("/exchange/mailboxes/{}/contacts", self.nina.user.mailbox)
    }
}

/// For a query.
pub fn encoded(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}
