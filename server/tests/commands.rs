//! Commands of the binary that only read and write the database: no server, no network.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that cannot go on fails the test"
)]

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tandem_server::app::App;
use tandem_server::config;
use tandem_store::NewUser;
use tandem_sync::ports::{Closing, Pick, Store as _};
use tandem_types::{
    ConnectionId, MailboxAccount, MailboxServer, OrgId, SessionOutcome, StateReason, SyncState,
};

const ORG: &str = "00D000000000001AAA";
const CONNECTION: &str = "0123456789abcdef0123456789abcdef";

/// A database with one connection, and the configuration that leads to it.
struct Place {
    folder: tempfile::TempDir,
    app: App,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, _) = config::load(None, variables(&folder)).unwrap();
        let app = App::start(config).await.unwrap();
        let now = app.clock.now();
        let user = NewUser {
            org_id: ORG.parse().unwrap(),
            user_id: "005000000000001AAA".parse().unwrap(),
            username: "nina@contoso.example".into(),
            name: "Nina Berg".into(),
            email: "nina@contoso.example".into(),
            org_name: "Contoso".into(),
            instance_url: "https://contoso.my.salesforce.com".into(),
        };
        app.store.upsert_user(&user, now).await.unwrap();
        app.store
            .ensure_connection(&user.user_id, id(), now)
            .await
            .unwrap();
        Self { folder, app }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(args)
            .envs(variables(&self.folder))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What it printed; it must have gone well.
    fn said(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Why it did not do it.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?} went through");
        String::from_utf8(output.stderr).unwrap()
    }

    fn shown(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.said(args)).unwrap()
    }
}

fn id() -> ConnectionId {
    CONNECTION.parse().unwrap()
}

fn variables(folder: &tempfile::TempDir) -> Vec<(String, String)> {
    let at = |name: &str| folder.path().join(name).display().to_string();
    [
        ("PUBLIC_URL", "https://tandem.example.com".to_owned()),
        ("DATABASE", format!("sqlite:{}", at("tandem.db"))),
        ("MASTER_KEY_FILE", at("tandem.key")),
        ("SALESFORCE_CLIENT_ID", "client".to_owned()),
        ("SALESFORCE_ALLOWED_ORGS", ORG.to_owned()),
        ("NET_RESOLVE", "login.salesforce.com=127.0.0.1:9".to_owned()),
        ("EWS_ALLOWED_DOMAINS", "contoso.example".to_owned()),
    ]
    .map(|(name, value)| (format!("TANDEM_{name}"), value))
    .to_vec()
}

#[tokio::test]
async fn settings_are_shown_set_and_taken_back() {
    let place = Place::new().await;
    let (org, own) = (["--org", ORG], ["--connection", CONNECTION]);
    let with = |verb: &'static str, whose: [&'static str; 2], more: &[&'static str]| {
        let mut args = vec!["settings", verb, whose[0], whose[1]];
        args.extend(more);
        args
    };
    let shown = place.shown(&with("show", own, &[]));
    assert_eq!(
        (&shown["set"], &shown["effective"]["contacts"]),
        (&json!({}), &json!("two_way"))
    );

    place.said(&with("set", org, &["contacts", "to_crm"]));
    place.said(&with("set", org, &["brake.hard", "500"]));
    place.said(&with("set", own, &["contacts", "off"]));
    place.said(&with("set", own, &["blocklist", "[\"example.com\"]"]));
    let shown = place.shown(&with("show", own, &[]));
    assert_eq!(
        shown["set"],
        json!({"contacts": "off", "blocklist": ["example.com"]})
    );
    assert_eq!(
        (
            &shown["effective"]["contacts"],
            &shown["effective"]["brake"]["hard"]
        ),
        (&json!("off"), &json!(500))
    );
    place.said(&with("clear", own, &["contacts"]));
    assert_eq!(
        place.shown(&with("show", own, &[]))["effective"]["contacts"],
        "to_crm"
    );
    let stored = place.app.store.connection(&id()).await.unwrap().unwrap();
    assert_eq!(stored.settings.brake.hard, 500);

    for (args, says) in [
        (
            with("set", own, &["contatcs", "off"]),
            "there is no setting `contatcs`",
        ),
        (with("set", org, &["brake.percnt", "1"]), "brake.percnt"),
        (with("set", org, &["interval_minutes", "1"]), "interval_minutes"),
        (
            with("set", own, &["contacts.deep", "1"]),
            "there is no setting `contacts.deep`",
        ),
        (vec!["settings", "show"], "--org"),
        (
            vec![
                "settings",
                "show",
                "--connection",
                "ffffffffffffffffffffffffffffffff",
            ],
            "no such connection",
        ),
        (
            vec!["settings", "show", "--org", "00D000000000009AAA"],
            "no such organisation",
        ),
    ] {
        let told = place.refused(&args);
        assert!(told.contains(says), "{args:?}: {told}");
    }

    let file = place.folder.path().join("settings.json");
    let file_text = file.display().to_string();
    std::fs::write(&file, "{\"tasks\": \"off\"}").unwrap();
    place.said(&["org", "settings", ORG, "--set", &file_text]);
    let shown = place.shown(&["org", "settings", ORG]);
    assert_eq!(
        (&shown["set"], &shown["effective"]["brake"]["hard"]),
        (&json!({"tasks": "off"}), &json!(200))
    );
    std::fs::write(&file, "{\"tasks\": ").unwrap();
    assert!(
        place
            .refused(&["org", "settings", ORG, "--set", &file_text])
            .contains("no JSON")
    );
    std::fs::write(&file, "{\"tasks\": \"sideways\"}").unwrap();
    assert!(
        place
            .refused(&["org", "settings", ORG, "--set", &file_text])
            .contains("`tasks`")
    );
    assert_eq!(
        place.shown(&["org", "settings", ORG])["set"],
        json!({"tasks": "off"}),
        "nothing was written"
    );
}

#[tokio::test]
async fn an_organisation_is_let_go_on() {
    let place = Place::new().await;
    let store = &place.app.store;
    let now = place.app.clock.now();
    let account = MailboxAccount {
        address: "nina@contoso.example".into(),
        server: MailboxServer::Exchange,
        host: "mail.contoso.example".into(),
    };
    let secret = tandem_store::MailboxSecret {
        login: "nina".into(),
        password: "secret".to_owned().into(),
        ews_url: "https://mail.contoso.example/EWS/Exchange.asmx".into(),
        extra: String::new(),
    };
    store.activate(&id(), account, secret, now).await.unwrap();
    assert!(place.said(&["org", "release", ORG]).contains("was not stopped"));
    let ttl = std::time::Duration::from_mins(5);
    let lease = store
        .claim(&Pick::Due, "worker", "a".repeat(32).parse().unwrap(), now, ttl)
        .await
        .unwrap()
        .unwrap();
    let closing = Closing {
        outcome: SessionOutcome::StoppedByBrake,
        counts: Vec::new(),
        state: SyncState::Active,
        reason: Some(StateReason::OrgBrake),
        rejections: 0,
        failures: 0,
        next_due: None,
        ended: now,
        preview: None,
        brake: None,
        release_used: false,
        stop_org: true,
        note: String::new(),
    };
    store.close(&lease, closing).await.unwrap();
    let list = place.said(&["org", "list"]);
    assert!(
        list.contains("Contoso") && list.contains("organisations: 1"),
        "{list}"
    );
    let told = place.refused(&["session", "run", "--connection", CONNECTION]);
    assert!(told.contains(&format!("tandem org release {ORG}")), "{told}");

    assert!(
        place
            .said(&["org", "release", ORG])
            .contains("Contoso goes on, connections that sync: 1")
    );
    let org: OrgId = ORG.parse().unwrap();
    assert_eq!(store.org(&org, now).await.unwrap().unwrap().stopped, None);
    let row = store.connection(&id()).await.unwrap().unwrap();
    assert_eq!(row.reason, None);
    assert!(row.next_due.is_some());
    assert!(
        place
            .refused(&["org", "release", "00D000000000009AAA"])
            .contains("there is no organisation")
    );
}
