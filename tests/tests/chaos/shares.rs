//! What runs at once of an organisation, and what is left of its API calls, is one number for all replicas.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tandem_tests::clockwork::Clockwork;
use tandem_tests::ledger::Ledger;
use tandem_tests::replicas::beside;
use tandem_tests::{Person, SandboxProc, Tandem};

use super::{FEW, below, dice, options, quiet};

const ROUNDS: u32 = 4;

/// Notes how many sessions run, this one included, whenever one begins. It knows nothing of how we count.
const COUNTER: &str = "
CREATE TABLE at_once (n BIGINT);
CREATE FUNCTION count_at_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO at_once SELECT COUNT(*) FROM connections
        WHERE lease_until > (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT;
    RETURN NEW;
END $$;
CREATE TRIGGER count_at_once AFTER UPDATE ON connections FOR EACH ROW
    WHEN (NEW.lease_session IS NOT NULL AND NEW.lease_session IS DISTINCT FROM OLD.lease_session)
    EXECUTE FUNCTION count_at_once();
";

/// Replicas of a company of three.
struct Company {
    sandbox: SandboxProc,
    replicas: Vec<Tandem>,
    people: Vec<Person>,
    clock: Clockwork,
    /// Holds the server.
    _database: tandem_store::testing::Database,
}

impl Company {
    async fn of(replicas: usize, variables: &[(&str, &str)]) -> Result<Option<Self>> {
        let Some(database) = tandem_store::testing::postgres().await else {
            return Ok(None);
        };
        let mut options = options(&database.url);
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        options.variables.extend(variables.iter().map(own));
        let sandbox = SandboxProc::start(&FEW).await?;
        let mut all = vec![Tandem::start(&sandbox, &options).await?];
        while all.len() < replicas {
            let mut replica = beside(&all[0], &sandbox, &options)?;
            replica.start_again().await?;
            all.push(replica);
        }
        let mut people = Vec::new();
        for user in sandbox.info.users.iter().take(3) {
            let person = Person::sign_in(&all[0], &sandbox, user).await?;
            person.connect_well().await?;
            person.first_sync().await?;
            people.push(person);
        }
        let clock = Clockwork::of(&database.url);
        Ok(Some(Self {
            sandbox,
            replicas: all,
            people,
            clock,
            _database: database,
        }))
    }

    /// What Salesforce says of the organisation's API calls from now on.
    async fn used(&self, used: u64) -> Result<()> {
        let knobs = json!({ "api_limit": 10_000, "api_used": used });
        self.sandbox.put("/salesforce/org", &knobs).await.map(drop)
    }

    async fn sessions(&self) -> Result<i64> {
        Ok(self.clock.numbers("SELECT COUNT(*) FROM sessions").await?[0])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_runs_so_many_of_an_organisation_at_once() -> Result<()> {
    let Some(company) = Company::of(3, &[("TANDEM_WORKER_ORG_SESSIONS", "2")]).await? else {
        return Ok(());
    };
    let Company { sandbox, clock, .. } = &company;
    clock.execute(COUNTER).await?;
    // Long enough that all three would be at work together.
    let slow = json!({ "kind": "slow_body", "operation": "GetEvents", "ms_per_chunk": 40 });
    sandbox.fault("exchange", &slow).await?;
    let mut rng = dice();
    let mut ledgers: Vec<Ledger> = ["Ada ", "Bea ", "Cem "].into_iter().map(Ledger::of).collect();
    for _ in 0..ROUNDS {
        for (person, ledger) in company.people.iter().zip(&mut ledgers) {
            for _ in 0..=below(&mut rng, 2) {
                ledger.edit(&(sandbox, &person.user), &mut rng).await?;
            }
        }
        clock.all_due().await?;
        clock.until_at_rest().await?;
    }
    sandbox.heal().await?;
    quiet(sandbox, clock).await?;
    for (person, ledger) in company.people.iter().zip(&ledgers) {
        ledger.check(&(sandbox, &person.user)).await?;
    }
    let seen = clock
        .numbers("SELECT COALESCE(MAX(n), 0)::BIGINT, COUNT(*) FROM at_once")
        .await?;
    println!("sessions begun: {}, at once: {}", seen[1], seen[0]);
    ensure!(
        seen[0] == 2,
        "{seen:?}: one is too few to have tried it, three are too many"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_an_organisations_reserve_for_all_replicas() -> Result<()> {
    let Some(company) = Company::of(2, &[]).await? else {
        return Ok(());
    };
    let clock = &company.clock;
    let held = "SELECT COUNT(*) FROM orgs WHERE held_until > 1";
    company.used(9_500).await?;
    clock.all_due().await?;
    clock.until("the organisation's pause", held, |n| n == 1).await?;
    let idle = "SELECT COUNT(*) FROM connections WHERE lease_session IS NOT NULL";
    clock.until("the end of what ran", idle, |n| n == 0).await?;

    // Nothing begins at any replica, whoever asks; everybody is told why, and until when.
    let before = company.sessions().await?;
    for person in &company.people {
        person.order("sync_now", &[]).await?;
    }
    clock.all_due().await?;
    for (n, person) in company.people.iter().enumerate() {
        let pane = person.at(&company.replicas[n % 2]).connection().await?;
        ensure!(pane["state"] == "active" && pane["reason"] == "quota", "{pane}");
        let next = pane["next_due"].as_i64().context("it comes due")?;
        ensure!(next > clock.now().await?, "{next}");
    }
    let status = company.replicas[1].read(&["status", "--json"]).await?;
    let status: Value = serde_json::from_str(&status)?;
    ensure!(status["counts"]["waiting"] == 3, "{status}");
    let listed = company.replicas[1].read(&["org", "list"]).await?;
    ensure!(listed.contains("/10000"), "{listed}");
    ensure!(company.sessions().await? == before, "a session began");

    // The pause is over, and nothing is better: one looks, for all.
    clock.execute("UPDATE orgs SET held_until = 1").await?;
    clock.execute("NOTIFY tandem_due").await?;
    clock.until("the next pause", held, |n| n == 1).await?;
    let looked = company.sessions().await? - before;
    // A second one may slip in between the first one's end and the pause that it leads to.
    ensure!((1..=2).contains(&looked), "one was to look, not {looked}");

    // It is better: they go on by themselves.
    company.used(100).await?;
    clock.execute("UPDATE orgs SET held_until = 1").await?;
    clock.execute("NOTIFY tandem_due").await?;
    clock.until_at_rest().await?;
    ensure!(clock.all_went_well().await?, "somebody does not sync");
    ensure!(
        company.sessions().await? >= before + looked + 3,
        "each had a session"
    );
    let pane = company.people[0].connection().await?;
    ensure!(pane["reason"].is_null(), "{pane}");
    Ok(())
}
