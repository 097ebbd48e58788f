//! Every call and every route with somebody else's session: of another user, of another organisation, of nobody.
//!
//! Whatever they name, they see and change what is their own. A call or a route that is new does not compile, or is
//! missing in the list below, until it stands here.

use std::collections::BTreeMap;

use tandem_app::Call;

use super::*;

const OTHERS: [(&str, &str, &str); 2] = [
    // A colleague, and somebody of another company that this deployment serves.
    ("otto", "005000000000002AAA", "00D000000000001AAA"),
    ("eve", "005000000000003AAA", "00D000000000009AAA"),
];
/// What only Nina may read.
const HERS: [&str; 6] = [
    "Nina Berg",
    "nina@contoso.example",
    "mail.contoso.example",
    "Geheime Ana",
    "gran@home.example",
    CONNECTION,
];
const SESSION: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const ISSUE: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// What Nina would send: it names her session, her issue, her item, her record.
fn body(call: Call) -> String {
    let item = json!({
        "kind": "email", "id": "AAMkHers", "mailbox": "nina@contoso.example", "message_id": "<hers@contoso.example>",
        "subject": "Hers", "people": [],
    })
    .to_string();
    let fields: Vec<(&str, &str)> = match call {
        Call::Pane
        | Call::SkipActivation
        | Call::Release
        | Call::Hold
        | Call::SyncNow
        | Call::Pause
        | Call::Start
        | Call::Deactivate
        | Call::KeepSync
        | Call::CancelBackfill
        | Call::SignOut
        | Call::Ticket
        | Call::OrgDisconnect => Vec::new(),
        Call::ConnectExchange => vec![
            ("login", "nina"),
            ("password", "x"),
            ("ews_url", "https://mail.contoso.example/EWS/Exchange.asmx"),
        ],
        Call::ConnectOffice => vec![("code", "000000"), ("nonce", "aa")],
        Call::Cure => vec![("issue", ISSUE), ("cure", "ignore")],
        Call::CureIssues => vec![("issues[0]", ISSUE), ("cure", "ignore")],
        Call::UndoSession => vec![("session", SESSION)],
        Call::EstimateBackfill | Call::StartBackfill => vec![("from", "2026-01-01"), ("to", "2026-01-31")],
        Call::Item | Call::ItemWhole | Call::SaveItem | Call::UnsaveItem => vec![("item", &item)],
        Call::ItemSearch => vec![("item", &item), ("query", "Ana"), ("to", "who")],
        Call::BlockAddress | Call::UnblockAddress => vec![("item", &item), ("blocked", "gran@home.example")],
        Call::DraftPerson => vec![("item", &item), ("address", "ana@x.example"), ("kind", "contact")],
        Call::CreatePerson => vec![("item", &item), ("kind", "contact"), ("last_name", "Ana")],
        Call::EditRecord => vec![
            ("item", &item),
            ("record", "003000000000001AAA"),
            ("field", "Phone"),
            ("value", "1"),
        ],
        Call::LogCall | Call::AddTask => vec![
            ("item", &item),
            ("record", "003000000000001AAA"),
            ("subject", "x"),
        ],
        Call::RecordDetail => vec![("item", &item), ("record", "003000000000001AAA")],
        Call::SaveSettings => vec![("part", "sync"), ("set[contacts]", "off")],
        Call::ResetSettings => vec![("part", "sync"), ("keys", "contacts blocklist")],
        Call::Probe => vec![("side", "crm")],
        Call::OrgPause | Call::OrgResume | Call::OrgSyncNow => vec![("users[0]", USER), ("all", "on")],
        Call::OrgDeactivate => vec![("users[0]", USER), ("all", "on"), ("sure", "on")],
        Call::OrgHalt | Call::OrgGoOn => vec![("run", SESSION)],
        Call::OrgSupport => vec![("on", "yes")],
    };
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// Everything of Nina's in the database, table by table, to the last byte.
async fn hers(server: &Server) -> BTreeMap<String, Vec<Option<String>>> {
    let store = &server.app.store;
    let tables = "SELECT m.name FROM sqlite_master m WHERE m.type = 'table' AND EXISTS \
         (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'user_id' OR m.name IN ('users', 'orgs'))";
    let mut all = BTreeMap::new();
    for table in store.query_raw(tables).await.unwrap().into_iter().flatten() {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns: Vec<String> = store
            .query_raw(&columns)
            .await
            .unwrap()
            .into_iter()
            .flatten()
            .map(|column| format!("quote({column})"))
            .collect();
        let whose = match table.as_str() {
            "users" => format!("id = '{USER}'"),
            "orgs" => "id = '00D000000000001AAA'".to_owned(),
            _ => format!("user_id = '{USER}'"),
        };
        let rows = format!(
            "SELECT {} AS r FROM {table} WHERE {whose} ORDER BY r",
            columns.join("||'|'||")
        );
        let rows = store.query_raw(&rows).await.unwrap();
        all.insert(table, rows);
    }
    all
}

/// Nina with all that a user can have, and the others' cookies.
async fn company(server: &Server) -> Vec<(&'static str, String)> {
    server.sign_in("nina").await;
    let id = server.activate().await;
    let store = &server.app.store;
    let now = server.app.clock.now();
    let overrides = json!({"blocklist": ["gran@home.example"]});
    store.set_settings(&id, &overrides, now).await.unwrap();
    let lease = store
        .claim(
            &Pick::This(id.clone()),
            "worker",
            SESSION.parse().unwrap(),
            now,
            TTL,
        )
        .await
        .unwrap()
        .unwrap();
    let issue = Issue {
        id: ISSUE.parse().unwrap(),
        key: IssueKey {
            kind: ItemKind::Contact,
            side: Side::Mailbox,
            item: ItemId("AAMkHers".into()),
            code: IssueCode::SeveralMatches,
        },
        title: "Geheime Ana".into(),
        detail: String::new(),
        cures: vec![IssueCure::PickMatch, IssueCure::Ignore],
    };
    let commit = Commit {
        issues: vec![issue],
        ..Commit::default()
    };
    store.commit(&lease, now, commit).await.unwrap();
    store
        .close(&lease, ended(SessionOutcome::Done, now))
        .await
        .unwrap();
    let grant = GrantSecret {
        access_token: "her access".to_owned().into(),
        refresh_token: "her refresh".to_owned().into(),
        instance_url: "https://contoso.my.salesforce.com".into(),
        owner: String::new(),
        issued_at: now,
        expires: None,
        previous_refresh: None,
    };
    store
        .put_grant(&id, Provider::Salesforce, grant, now)
        .await
        .unwrap();

    let mut others = vec![
        ("nobody", String::new()),
        ("a stranger", "__Host-tandem=x".to_owned()),
    ];
    for (n, (token, user, org)) in OTHERS.into_iter().enumerate() {
        let user: UserId = user.parse().unwrap();
        let new = NewUser {
            org_id: org.parse().unwrap(),
            user_id: user.clone(),
            username: format!("{token}@fabrikam.example"),
            name: token.to_owned(),
            email: format!("{token}@fabrikam.example"),
            org_name: format!("Org of {token}"),
            instance_url: "https://fabrikam.my.salesforce.com".into(),
        };
        // The organisation's own row is shared by its users: its name stays as Nina's sign-in wrote it.
        store.upsert_user(&new, now).await.unwrap();
        let connection = format!("{:032x}", n + 77).parse().unwrap();
        store.ensure_connection(&user, connection, now).await.unwrap();
        let session = WebSessionNew {
            token_hash: hash(token),
            user_id: user,
            org_id: org.parse().unwrap(),
            expires: now.plus_seconds(3600),
        };
        store.create_web_session(&session, now).await.unwrap();
        // Whoever administers the other organisation.
        if org != "00D000000000001AAA" {
            store.set_admin_right(&session.user_id, true, now).await.unwrap();
        }
        others.push((token, format!("__Host-tandem={token}")));
    }
    others
}

fn tells_nothing(answer: &Answer, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    for hers in HERS {
        assert!(!text.contains(hers), "{what} reads \"{hers}\": {text}");
    }
    for (name, value) in &answer.headers {
        let value = value.to_str().unwrap_or_default();
        assert!(!HERS.iter().any(|hers| value.contains(hers)), "{what}: {name}");
    }
}

#[tokio::test]
async fn no_call_reaches_another_users_data() {
    let server = Server::start().await;
    let others = company(&server).await;
    // The test itself can see: Nina sees hers.
    let own = server
        .call("/api/pane", &[("cookie", "__Host-tandem=nina")], "")
        .await;
    for seen in &HERS {
        assert!(own.text().contains(seen), "{seen}");
    }
    let before = hers(&server).await;
    assert!(before["issues"].len() == 1 && before["sessions"].len() == 1 && before["grants"].len() == 1);

    for (who, cookie) in &others {
        for call in Call::ALL {
            for page in ["", "pane", "settings", "settings/organisation"] {
                // A sign-out ends the session that the next call needs; only its own calls answer with the
                // organisation's page.
                let elsewhere = page == "settings/organisation" && !call.path().starts_with("/api/org_");
                if call == Call::SignOut || elsewhere {
                    continue;
                }
                let mut headers = vec![("cookie", cookie.as_str())];
                if !page.is_empty() {
                    headers.push(("tandem-page", page));
                }
                let answer = server.call(call.path(), &headers, &body(call)).await;
                let what = format!("{who}: {call:?} for page {page:?}");
                // Their own words come back to them in some forms; nothing of the database does.
                tells_nothing_but_their_words(&answer, call, &what);
                let signed_out = who.starts_with('n') || who.starts_with('a');
                if signed_out && page.is_empty() && call != Call::Pane {
                    assert_eq!(
                        answer.status,
                        StatusCode::UNAUTHORIZED,
                        "{what}: {}",
                        answer.text()
                    );
                }
                assert_eq!(hers(&server).await, before, "{what} changed something of Nina's");
            }
        }
        let answer = server
            .call(Call::SignOut.path(), &[("cookie", cookie.as_str())], "")
            .await;
        tells_nothing(&answer, who);
        assert_eq!(hers(&server).await, before, "{who} signed her out");
    }
}

/// Forms are drawn again with what was typed into them.
fn tells_nothing_but_their_words(answer: &Answer, call: Call, what: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    let words = url::form_urlencoded::parse(body(call).as_bytes())
        .map(|(_, value)| value.into_owned())
        .collect::<String>();
    for hers in HERS.into_iter().filter(|hers| !words.contains(hers)) {
        assert!(!text.contains(hers), "{what} reads \"{hers}\": {text}");
    }
}

#[tokio::test]
async fn no_route_shows_another_users_data() {
    let server = Server::start().await;
    let others = company(&server).await;
    let ticket = server
        .call("/api/ticket", &[("cookie", "__Host-tandem=otto")], "")
        .await;
    let ticket = ticket.json()["ticket"].as_str().unwrap().to_owned();
    let before = hers(&server).await;
    // The address of a route, as the router writes it, and addresses to ask.
    let stream = format!("/events?ticket={ticket}x");
    let routes: Vec<(&str, Vec<&str>)> = vec![
        ("/", vec!["/", "/?connection=0123456789abcdef0123456789abcdef"]),
        ("/setup", vec!["/setup"]),
        (
            "/settings",
            vec!["/settings", "/settings?session=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
        ),
        (
            "/settings/{part}",
            vec![
                "/settings/general",
                "/settings/issues",
                "/settings/sync",
                "/settings/conflicts",
                "/settings/linking",
                "/settings/blocklist",
                "/settings/connectivity",
                "/settings/mapping",
                "/settings/deactivate",
                "/settings/organisation",
                "/settings/organisation?user=005000000000001AAA",
                "/settings/organisation?verdict=syncing&q=nina",
                "/settings/0123456789abcdef0123456789abcdef",
            ],
        ),
        (
            "/settings/organisation.csv",
            vec!["/settings/organisation.csv", "/settings/organisation.csv?q=nina"],
        ),
        ("/preview", vec!["/preview"]),
        (
            "/auth/start",
            vec!["/auth/start?to=setup", "/auth/start?to=setup&as=change"],
        ),
        ("/auth/callback", vec!["/auth/callback?code=x&state=y"]),
        ("/auth/microsoft/start", vec!["/auth/microsoft/start?n=aa"]),
        (
            "/auth/microsoft/callback",
            vec!["/auth/microsoft/callback?code=x&state=y"],
        ),
        ("/ui", vec!["/ui"]),
        ("/ui/", vec!["/ui/"]),
        ("/manifest.xml", vec!["/manifest.xml"]),
        ("/help", vec!["/help"]),
        ("/healthz", vec!["/healthz"]),
        ("/readyz", vec!["/readyz"]),
        ("/events", vec!["/events", "/events?ticket=x", &stream]),
        ("/api/handover", vec!["/api/handover"]),
        ("/api/renew", vec!["/api/renew"]),
        ("/api/{*function}", vec!["/api/nothing", "/api/pane"]),
    ];
    let written = include_str!("../../src/http/mod.rs");
    for route in written.split(".route(\"").skip(1) {
        let (route, _) = route.split_once('"').unwrap();
        assert!(
            routes.iter().any(|(known, _)| *known == route),
            "{route} is not tried here"
        );
    }
    for (who, cookie) in &others {
        for (route, addresses) in &routes {
            for address in addresses {
                for headers in [vec![("cookie", cookie.as_str())], vec![]] {
                    let answer = server.get(address, &headers).await;
                    tells_nothing(&answer, &format!("{who}: GET {address} ({route})"));
                }
                if route.starts_with("/api/") {
                    let answer = server
                        .call(
                            address,
                            &[("cookie", cookie.as_str()), ("content-type", "application/json")],
                            "{}",
                        )
                        .await;
                    tells_nothing(&answer, &format!("{who}: POST {address}"));
                }
            }
        }
    }
    assert_eq!(hers(&server).await, before);
}
