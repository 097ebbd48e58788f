//! Autodiscover in full order, and what the user can read of it.

use secrecy::SecretString;
use serde_json::json;
use tandem_mailbox::{Activated, ActivationError, EwsPolicy, Step, activate};
use tandem_net::{Net, NetConfig};
use tandem_types::ActivationFailure as Cause;

use crate::support::{World, config, policy};

/// A company whose names lead elsewhere: each host of `hosts` to the sandbox's port without TLS or with it.
struct Names<'w> {
    world: &'w World,
    net: NetConfig,
}

impl<'w> Names<'w> {
    fn none(world: &'w World) -> Self {
        let net = NetConfig {
            resolve: Vec::new(),
            ..config(&world.sandbox)
        };
        Self { world, net }
    }

    /// `autodiscover.` of the domain, without TLS: a plain redirect, and nothing else.
    fn plain(mut self) -> Self {
        let info = self.world.sandbox.info();
        let port = info.exchange.http.rsplit(':').next().unwrap().parse().unwrap();
        let host = format!("autodiscover.{}", info.autodiscover_domain);
        self.net.resolve.push((host, ([127, 0, 0, 1], port).into()));
        self
    }

    fn service(mut self, host: &str) -> Self {
        let info = self.world.sandbox.info();
        let port = info.exchange.https.rsplit(':').next().unwrap().parse().unwrap();
        let name = format!("_autodiscover._tcp.{}", info.autodiscover_domain);
        self.net.services.push((name, host.to_owned(), port));
        self
    }

    /// A domain that has no such record, as DNS would say it.
    async fn connect(
        &self,
        policy: &EwsPolicy,
        password: &str,
    ) -> (Result<Activated, ActivationError>, Vec<String>) {
        let net = Net::new(&self.net).unwrap();
        let login = &self.world.user.exchange_login;
        let result = activate(&net, policy, login, &SecretString::from(password), None).await;
        let trace = result.as_ref().err().map(|error| error.trace.clone());
        let told = trace.unwrap_or_default();
        let told = told
            .into_iter()
            .map(|Step { asked, answer }| format!("{asked}: {answer}"))
            .collect();
        (result, told)
    }
}

#[tokio::test]
async fn the_plain_redirect_and_the_dns_record_lead_to_servers_that_are_named() {
    let world = World::new().await;
    world.autodiscover(json!({ "mode": "pox" })).await;
    let password = world.user.exchange_password.clone();
    let policy = policy(&world);
    for names in [
        Names::none(&world).plain().service("nowhere.contoso.example"),
        Names::none(&world).service("localhost"),
        // The best place that DNS knows is not there; the next one is.
        Names::none(&world)
            .service("nowhere.contoso.example")
            .service("localhost"),
    ] {
        let (result, _) = names.connect(&policy, &password).await;
        let found = result.unwrap();
        assert_eq!(
            (found.address.as_str(), found.ews_url.as_str()),
            (world.user.mailbox.as_str(), world.sandbox.info().ews_url.as_str())
        );
    }

    // What is said without authentication gives nobody the password: the administrator has not named localhost here.
    let strict = EwsPolicy {
        allowed_hosts: vec!["mail.contoso.example".to_owned()],
        ..policy.clone()
    };
    for names in [
        Names::none(&world).plain().service("nowhere.contoso.example"),
        Names::none(&world).service("localhost"),
    ] {
        let (result, told) = names.connect(&strict, &password).await;
        let error = result.unwrap_err();
        assert_eq!(
            (error.cause, error.password_was_tried),
            (Cause::NotAllowed, false),
            "{told:#?}"
        );
        let last = told.iter().find(|line| line.contains("has not named"));
        assert!(
            last.is_some_and(|line| line.contains("https://localhost:")),
            "{told:#?}"
        );
    }
    assert_eq!(world.failed_logons().await, 0);
}

#[tokio::test]
async fn the_search_can_be_read() {
    let world = World::new().await;
    let domain = world.sandbox.info().autodiscover_domain.clone();
    let policy = policy(&world);

    // Nothing anywhere.
    let names = Names::none(&world).service("nowhere.contoso.example");
    let (result, told) = names.connect(&policy, "any").await;
    assert_eq!(result.unwrap_err().cause, Cause::NotAllowed);
    let host = |line: &str| line.replace(&domain, "DOMAIN");
    let port = world.sandbox.info().exchange.https.rsplit(':').next().unwrap();
    let shown: Vec<String> = told
        .iter()
        .map(|line| {
            host(line)
                .replace(port, "PORT")
                .replace("nowhere.DOMAIN", "ELSEWHERE")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "https://DOMAIN/autodiscover/autodiscover.json: no such host",
            "https://autodiscover.DOMAIN/autodiscover/autodiscover.json: no such host",
            "https://DOMAIN/autodiscover/autodiscover.xml: no such host",
            "https://autodiscover.DOMAIN/autodiscover/autodiscover.xml: no such host",
            "http://autodiscover.DOMAIN/autodiscover/autodiscover.xml: no such host",
            "DNS record _autodiscover._tcp.DOMAIN: names ELSEWHERE:PORT",
            "https://ELSEWHERE:PORT/autodiscover/autodiscover.xml: not asked: your administrator has not named this \
             server",
        ],
        "{told:#?}"
    );

    // A wrong password: where it was shown, once.
    world.autodiscover(json!({ "mode": "pox" })).await;
    let names = Names {
        world: &world,
        net: config(&world.sandbox),
    };
    let (result, told) = names.connect(&policy, "secret-wrong").await;
    assert_eq!(result.unwrap_err().cause, Cause::Login);
    assert!(
        told[0].ends_with("autodiscover.json: answers 404 (Not Found)"),
        "{told:#?}"
    );
    assert!(
        told.last()
            .unwrap()
            .ends_with("autodiscover.xml: login or password refused"),
        "{told:#?}"
    );
    assert!(!told.iter().any(|line| line.contains("secret-wrong")));
    assert_eq!(world.failed_logons().await, 1);

    // Redirects that never end do end, and are told.
    world.autodiscover(json!({ "mode": "circle" })).await;
    let (result, told) = names.connect(&policy, "any").await;
    assert_eq!(result.unwrap_err().cause, Cause::Address);
    assert!(
        told.last().unwrap().ends_with("sends on in a circle"),
        "{told:#?}"
    );
    world.autodiscover(json!({ "mode": "office365" })).await;
    let (result, told) = names.connect(&policy, "any").await;
    assert_eq!(result.unwrap_err().cause, Cause::UseOffice365);
    assert!(
        told.last()
            .unwrap()
            .ends_with("names https://outlook.office365.com/EWS/Exchange.asmx"),
        "{told:#?}"
    );
}
