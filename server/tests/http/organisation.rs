//! The organisation's page: who may see it, what it shows, and what is ordered there for many.

use tandem_app::Call;
use tandem_store::OrgRunRow;
use tandem_sync::ports::Lease;
use tandem_types::{IssueId, OrgId, OrgRunState, PaneEvent, Verdict};
use tokio::sync::broadcast;

use super::*;

const ORG: &str = "00D000000000001AAA";
const OTHER_ORG: &str = "00D000000000009AAA";

fn org(text: &str) -> OrgId {
    text.parse().unwrap()
}

fn user_id(n: u32) -> UserId {
    // Beside Nina's own.
    format!("005{:012}AAA", n + 10_000).parse().unwrap()
}

fn connection_id(n: u32) -> ConnectionId {
    format!("{:032x}", n + 1_000).parse().unwrap()
}

impl Server {
    /// A colleague, or somebody of another organisation.
    async fn person(&self, n: u32, of: &str, name: &str) {
        let now = self.app.clock.now();
        let new = NewUser {
            org_id: org(of),
            user_id: user_id(n),
            username: format!("user{n:04}@contoso.example"),
            name: name.to_owned(),
            email: format!("user{n:04}@contoso.example"),
            org_name: "Contoso".into(),
            instance_url: "https://contoso.my.salesforce.com".into(),
        };
        let store = &self.app.store;
        store.upsert_user(&new, now).await.unwrap();
        store
            .ensure_connection(&user_id(n), connection_id(n), now)
            .await
            .unwrap();
    }

    async fn syncing(&self, n: u32, of: &str, name: &str) {
        self.person(n, of, name).await;
        self.connect(&connection_id(n), &format!("box{n:04}@contoso.example"))
            .await;
    }

    /// The cookie of somebody who is known.
    async fn signed_in(&self, n: u32, of: &str, token: &str) -> String {
        let now = self.app.clock.now();
        let session = WebSessionNew {
            token_hash: hash(token),
            user_id: user_id(n),
            org_id: org(of),
            expires: now.plus_seconds(3600),
        };
        let store = &self.app.store;
        store.create_web_session(&session, now).await.unwrap();
        format!("__Host-tandem={token}")
    }

    /// One session, with an issue, that ended so.
    async fn session(&self, n: u32, outcome: SessionOutcome) {
        let store = &self.app.store;
        let now = self.app.clock.now();
        let id = format!("{n:032x}").parse().unwrap();
        let pick = Pick::This(connection_id(n));
        let lease = store.claim(&pick, "worker", id, now, TTL).await.unwrap().unwrap();
        let issue = Issue {
            id: IssueId::try_from(format!("{n:032x}")).unwrap(),
            key: IssueKey {
                kind: ItemKind::Contact,
                side: Side::Mailbox,
                item: ItemId("AAMk".into()),
                code: IssueCode::LastNameMissing,
            },
            title: "Geheime Ana".into(),
            detail: String::new(),
            cures: vec![IssueCure::Ignore],
        };
        let commit = Commit {
            issues: vec![issue],
            ..Commit::default()
        };
        store.commit(&lease, now, commit).await.unwrap();
        self.close(&lease, outcome).await;
    }

    async fn close(&self, lease: &Lease, outcome: SessionOutcome) {
        let (store, now) = (&self.app.store, self.app.clock.now());
        let refused = outcome == SessionOutcome::Rejected;
        let closing = Closing {
            reason: refused.then_some(StateReason::MailServerRefused),
            rejections: u32::from(refused),
            ..super::ended(outcome, now)
        };
        store.close(lease, closing).await.unwrap();
    }

    /// Somebody's next session ends so: the one that an order has set going.
    async fn next_session(&self, n: u32, outcome: SessionOutcome) {
        let (store, now) = (&self.app.store, self.app.clock.now());
        let id = format!("{:032x}", n + 5_000).parse().unwrap();
        let pick = Pick::This(connection_id(n));
        let lease = store.claim(&pick, "worker", id, now, TTL).await.unwrap().unwrap();
        self.close(&lease, outcome).await;
    }

    async fn is_due(&self, n: u32) -> bool {
        let row = self.app.store.connection(&connection_id(n)).await.unwrap();
        row.unwrap().next_due.unwrap() <= self.app.clock.now()
    }

    async fn run(&self) -> OrgRunRow {
        let (store, now) = (&self.app.store, self.app.clock.now());
        store.org_run(&org(ORG), now).await.unwrap().unwrap()
    }

    /// Nina administers, as Salesforce said so many seconds ago.
    async fn administers(&self, token: &str, seconds_ago: i64) -> String {
        let cookie = self.sign_in(token).await;
        let asked = self.app.clock.now().plus_seconds(-seconds_ago);
        let nina: UserId = USER.parse().unwrap();
        self.app.store.set_admin_right(&nina, true, asked).await.unwrap();
        cookie
    }

    async fn order(&self, cookie: &str, call: Call, body: &str) -> Answer {
        self.call(call.path(), &[("cookie", cookie)], body).await
    }

    /// The page after an order, once the order has ended.
    async fn ended(&self, cookie: &str) -> String {
        for _ in 0..200 {
            let run = self
                .app
                .store
                .org_run(&org(ORG), self.app.clock.now())
                .await
                .unwrap();
            if run.is_none_or(|run| run.state != OrgRunState::Running) {
                break;
            }
            self.app.clock.sleep(Duration::from_millis(50)).await;
        }
        let page = self.get("/settings/organisation", &[("cookie", cookie)]).await;
        page.text().to_owned()
    }

    async fn state_of(&self, n: u32) -> SyncState {
        let row = self.app.store.connection(&connection_id(n)).await.unwrap();
        row.unwrap().state
    }

    /// Actions and details of the audit log, the oldest first.
    async fn audited(&self, action: &str) -> Vec<(String, String)> {
        let entries = self.app.store.audit_entries(1_000).await.unwrap();
        let entries = entries.into_iter().rev().filter(|entry| entry.action == action);
        entries.map(|entry| (entry.user, entry.detail)).collect()
    }
}

fn rows(page: &str) -> usize {
    page.matches("<tr role=\"row\" data-key=").count()
}

const ORDERS: [(Call, &str); 8] = [
    (Call::OrgPause, "all=on"),
    (Call::OrgResume, "all=on"),
    (Call::OrgSyncNow, "all=on"),
    (Call::OrgDeactivate, "all=on&sure=on"),
    (Call::OrgHalt, "run=00000000000000000000000000000001"),
    (Call::OrgGoOn, "run=00000000000000000000000000000001"),
    (Call::OrgSupport, "on=yes"),
    (Call::OrgDisconnect, ""),
];

#[tokio::test]
async fn who_is_no_administrator_sees_and_orders_nothing() {
    let server = Server::start().await;
    let cookie = server.sign_in("one").await;
    let nina: UserId = USER.parse().unwrap();
    server.syncing(7, ORG, "Kim Otto").await;
    let now = server.app.clock.now();
    let store = &server.app.store;
    // Never asked, and Salesforce cannot be; asked too long ago; one who was asked, and is none; a clock that was set
    // back.
    for right in [None, Some((true, -900)), Some((false, 0)), Some((true, 60))] {
        if let Some((administers, at)) = right {
            let at = now.plus_seconds(at);
            store.set_admin_right(&nina, administers, at).await.unwrap();
        }
        for path in [
            "/settings/organisation",
            "/settings/organisation?user=005000000010007AAA",
        ] {
            let page = server.get(path, &[("cookie", &cookie)]).await;
            assert!(
                page.text().contains("id=\"denied\""),
                "{right:?}: {}",
                page.text()
            );
            assert!(!page.text().contains("Kim Otto"), "{right:?}");
        }
        let csv = server
            .get("/settings/organisation.csv", &[("cookie", &cookie)])
            .await;
        assert_eq!(csv.status, StatusCode::SEE_OTHER, "{right:?}");
        assert!(!csv.text().contains("Kim Otto"));
        for (call, body) in ORDERS {
            let answer = server.order(&cookie, call, body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{right:?} {call:?}");
            assert_eq!(answer.json()["error"], "not_administrator", "{right:?} {call:?}");
        }
    }
    assert_eq!(server.state_of(7).await, SyncState::Active);
    // And a page says which of these it is.
    store
        .set_admin_right(&nina, false, server.app.clock.now())
        .await
        .unwrap();
    let page = server.get("/settings/organisation", &[("cookie", &cookie)]).await;
    assert!(page.text().contains("You have neither"), "{}", page.text());
    let page = server.get("/settings", &[("cookie", &cookie)]).await;
    assert!(!page.text().contains("/settings/organisation"));
}

#[tokio::test]
async fn a_bearer_orders_nothing_for_others() {
    let server = Server::start().await;
    let cookie = server.administers("one", 0).await;
    let bearer = server.bearer(&cookie).await;
    for (call, body) in ORDERS {
        let answer = server
            .call(call.path(), &[("authorization", bearer.as_str())], body)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{call:?}");
    }
    let csv = [("authorization", bearer.as_str())];
    let csv = server.get("/settings/organisation.csv", &csv).await;
    assert_eq!(csv.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_administrator_sees_everybody_page_by_page_and_nobody_elses() {
    let server = Server::start().await;
    let cookie = server.administers("one", 880).await;
    let signed_in = [("cookie", cookie.as_str())];
    for n in 1..=230 {
        server.person(n, ORG, &format!("Person {n:04}")).await;
    }
    server.syncing(500, ORG, "Jo <b>Weiß</b>").await;
    server.session(500, SessionOutcome::Rejected).await;
    server.syncing(600, OTHER_ORG, "Stranger").await;

    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/settings/organisation".to_owned();
    for expected in [100, 100, 32] {
        let page = server.get(&path, &signed_in).await;
        let text = page.text();
        assert_eq!(rows(text), expected, "{path}");
        let keys = text.split("<tr role=\"row\" data-key=\"").skip(1);
        seen.extend(keys.map(|row| row[..18].to_owned()));
        // In the header of each: the answer at one look, over all pages.
        assert!(text.contains("1 of 1 who should be syncing are not."), "{text}");
        assert!(!text.contains("Stranger") && !text.contains("<b>Wei"));
        let mut links = text
            .split("href=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        if let Some(next) = links.find(|href| href.contains("after=")) {
            path = next.replace("&amp;", "&").split('#').next().unwrap().to_owned();
        }
    }
    assert_eq!(seen.len(), 232, "everybody stands on one page, once");

    let failing = server
        .get("/settings/organisation?verdict=failing", &signed_in)
        .await;
    assert_eq!(rows(failing.text()), 1);
    assert!(failing.text().contains("Jo &lt;b>Weiß&lt;/b>") || failing.text().contains("Jo &lt;b&gt;Weiß"));
    let searched = server
        .get("/settings/organisation?q=person+000", &signed_in)
        .await;
    assert_eq!(rows(searched.text()), 9);
    // A pattern's own signs are looked for as they stand.
    let signs = server.get("/settings/organisation?q=%25", &signed_in).await;
    assert_eq!(rows(signs.text()), 0);
    // Neither a mailbox's address nor a subject, before support access.
    for text in [searched.text(), failing.text()] {
        assert!(!text.contains("box0500@contoso.example") && !text.contains("Geheime Ana"));
    }
    let stranger = server
        .get(
            &format!("/settings/organisation?user={}", user_id(600)),
            &signed_in,
        )
        .await;
    assert!(stranger.text().contains("Nobody is found so."));
}

#[tokio::test]
async fn orders_reach_those_who_are_chosen_and_stand_in_the_log() {
    let server = Server::start().await;
    let cookie = server.administers("one", 0).await;
    for n in 1..=4 {
        server.syncing(n, ORG, &format!("Person {n}")).await;
    }
    server.syncing(9, OTHER_ORG, "Stranger").await;
    let nobody = server.order(&cookie, Call::OrgPause, "").await;
    assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);

    // Chosen by their ids, as the page's boxes do; a stranger's does nothing.
    let body = format!(
        "users[0]={}&users[7]={}&users[8]={}",
        user_id(1),
        user_id(2),
        user_id(9)
    );
    let paused = server.order(&cookie, Call::OrgPause, &body).await;
    assert_eq!(paused.status, StatusCode::OK, "{}", paused.text());
    let page = server.ended(&cookie).await;
    assert!(
        page.contains("Of 2: 2 done, 0 with nothing to do, 0 failed."),
        "{page}"
    );
    for (n, state) in [
        (1, SyncState::Paused),
        (2, SyncState::Paused),
        (3, SyncState::Active),
        (9, SyncState::Active),
    ] {
        assert_eq!(server.state_of(n).await, state, "{n}");
    }
    let who = |n: u32| (USER.to_owned(), user_id(n).to_string());
    assert_eq!(server.audited("administrator_pause").await, [who(1), who(2)]);

    // All that match a filter and a search: the two who are off, of whom one is called so.
    let resumed = server
        .order(&cookie, Call::OrgResume, "all=on&verdict=off&q=user0002")
        .await;
    assert_eq!(resumed.status, StatusCode::OK, "{}", resumed.text());
    server.ended(&cookie).await;
    assert_eq!(server.state_of(1).await, SyncState::Paused);
    assert_eq!(server.state_of(2).await, SyncState::Active);

    // What cannot be taken back is asked for.
    let body = format!("users[0]={}", user_id(3));
    let unsure = server.order(&cookie, Call::OrgDeactivate, &body).await;
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.state_of(3).await, SyncState::Active);
    let sure = server
        .order(&cookie, Call::OrgDeactivate, &format!("{body}&sure=on"))
        .await;
    assert_eq!(sure.status, StatusCode::OK, "{}", sure.text());
    server.ended(&cookie).await;
    assert_eq!(server.state_of(3).await, SyncState::Deactivated);
    assert_eq!(server.state_of(4).await, SyncState::Active);
    assert_eq!(server.audited("administrator_deactivate").await, [who(3)]);
    let by = (user_id(3).to_string(), format!("by administrator {USER}"));
    assert_eq!(server.audited("deactivated").await, [by]);
}

#[tokio::test]
async fn a_wave_of_which_too_many_fail_is_the_last() {
    let server = Server::start().await;
    let cookie = server.administers("one", 0).await;
    // In the order of their names: 25 of whom 5 fail, and 25 more.
    for n in 1..=50 {
        server.syncing(n, ORG, &format!("Person {n}")).await;
        let outcome = if n <= 5 {
            SessionOutcome::Rejected
        } else {
            SessionOutcome::Done
        };
        server.session(n, outcome).await;
    }
    let body = "all=on&q=user00";
    let ordered = server.order(&cookie, Call::OrgPause, body).await;
    assert_eq!(ordered.status, StatusCode::OK, "{}", ordered.text());
    let page = server.ended(&cookie).await;
    assert!(page.contains("Of 50: 50 done"), "{page}");

    // A password that was refused is not sent again, whoever orders it: these fail at once.
    for n in 1..=50 {
        let store = &server.app.store;
        let (paused, reason) = (
            [SyncState::Paused],
            (n <= 5).then_some(StateReason::MailServerRefused),
        );
        let later = Some(server.app.clock.now().plus_seconds(600));
        let id = connection_id(n);
        let moved = store.set_state(
            &id,
            &paused,
            SyncState::Active,
            reason,
            later,
            server.app.clock.now(),
        );
        assert!(moved.await.unwrap());
    }
    // Sessions that nobody runs would be waited for: the failures of the first wave are known before.
    for n in 6..=25 {
        let (active, now) = ([SyncState::Active], server.app.clock.now());
        let store = &server.app.store;
        let id = connection_id(n);
        let moved = store.set_state(&id, &active, SyncState::Paused, None, None, now);
        assert!(moved.await.unwrap());
    }
    let ordered = server.order(&cookie, Call::OrgSyncNow, body).await;
    assert_eq!(ordered.status, StatusCode::OK, "{}", ordered.text());
    let page = server.ended(&cookie).await;
    assert!(page.contains("stopped, too many failed"), "{page}");
    assert!(
        page.contains("Of 50: 0 done, 20 with nothing to do, 5 failed."),
        "{page}"
    );
    assert!(
        page.contains("Person 1: the mail server refused the password"),
        "{page}"
    );
    assert!(
        !server.is_due(1).await && !server.is_due(26).await,
        "the next wave is not reached"
    );

    // Somebody has looked, and does the rest.
    let run = server.run().await;
    let other = org(OTHER_ORG);
    let stranger = server
        .app
        .store
        .resume_org_run(&other, &run.id, &run.user_id, server.app.clock.now());
    assert!(
        stranger.await.unwrap().is_none(),
        "another organisation's order is none"
    );
    let went_on = server
        .order(&cookie, Call::OrgGoOn, &format!("run={}", run.id))
        .await;
    assert_eq!(went_on.status, StatusCode::OK, "{}", went_on.text());
    let page = server.ended(&cookie).await;
    assert!(
        page.contains("Of 50: 25 done, 20 with nothing to do, 5 failed."),
        "{page}"
    );
    assert!(server.is_due(26).await && server.is_due(50).await);
    let again = server
        .order(&cookie, Call::OrgGoOn, &format!("run={}", run.id))
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT, "it is done");
}

#[tokio::test]
async fn subjects_are_seen_with_support_access_alone_and_each_look_is_noted() {
    let server = Server::start().await;
    let cookie = server.administers("one", 0).await;
    let signed_in = [("cookie", cookie.as_str())];
    server.syncing(5, ORG, "Kim Otto").await;
    server.session(5, SessionOutcome::Done).await;
    let colleague = server.signed_in(5, ORG, "kim").await;
    server.person(6, OTHER_ORG, "Stranger").await;
    let stranger = server.signed_in(6, OTHER_ORG, "stranger").await;
    let path = format!("/settings/organisation?user={}", user_id(5));
    let secrets = ["Geheime Ana", "box0005@contoso.example"];
    let csv = "/settings/organisation.csv?q=kim";
    for allowed in [false, true, false] {
        let body = if allowed { "on=yes" } else { "" };
        let answer = server.order(&cookie, Call::OrgSupport, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let page = server.get(&path, &signed_in).await;
        assert!(page.text().contains("Kim Otto"));
        for secret in secrets {
            assert_eq!(page.text().contains(secret), allowed, "{secret}: {}", page.text());
        }
        let list = server.get("/settings/organisation", &signed_in).await;
        assert_eq!(list.text().contains("box0005"), allowed);
        assert!(!list.text().contains("Geheime Ana"));
        let csv = server.get(csv, &signed_in).await;
        assert_eq!(csv.text().contains("box0005"), allowed);
        // Whoever can be looked at sees that in the own settings; somebody of another organisation is not meant.
        for (who, told) in [(&colleague, allowed), (&stranger, false)] {
            for part in ["", "/connectivity", "/issues"] {
                let own = server.get(&format!("/settings{part}"), &[("cookie", who)]).await;
                assert_eq!(own.text().contains("id=\"seen\""), told, "{part}: {}", own.text());
                assert!(!own.text().contains("Nina Berg"), "by whom is not told");
            }
        }
    }
    let nina = |what: &str| (USER.to_owned(), what.to_owned());
    let looked = |how: &str| nina(&format!("{} {how}", user_id(5)));
    assert_eq!(
        server.audited("administrator_viewed").await,
        [
            looked("without subjects"),
            looked("with subjects"),
            looked("without subjects")
        ]
    );
    assert_eq!(server.audited("support_access_allowed").await, [nina("")]);
    assert_eq!(server.audited("support_access_ended").await, [nina("")]);
    let exported = "everybody searched";
    assert_eq!(
        server.audited("administrator_exported").await,
        [
            nina(exported),
            nina(&format!("{exported} with addresses")),
            nina(exported)
        ]
    );
}

#[tokio::test]
async fn an_export_has_each_row_once_and_no_formula() {
    let server = Server::start().await;
    let cookie = server.administers("one", 0).await;
    let signed_in = [("cookie", cookie.as_str())];
    for n in 1..=510 {
        let name = if n == 300 {
            "=cmd|' /C calc'!A0"
        } else {
            "Person, \"so\""
        };
        server.person(n, ORG, name).await;
    }
    server.syncing(2_000, ORG, "Kim Otto").await;
    server.person(2_001, OTHER_ORG, "Stranger").await;
    let csv = server.get("/settings/organisation.csv", &signed_in).await;
    assert_eq!(csv.status, StatusCode::OK);
    assert!(csv.header(CONTENT_TYPE).starts_with("text/csv"));
    assert_eq!(csv.header(CACHE_CONTROL), "no-store");
    let text = csv.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 1 + 510 + 1, "a head, Nina, and everybody");
    assert!(lines[0].starts_with("User,User name,Id,Mail server,State,Reason"));
    assert!(!text.contains("Stranger") && !text.contains("\n="));
    assert!(text.contains("\r\n'=cmd|' /C calc'!A0,"));
    assert!(text.contains("\"Person, \"\"so\"\"\","));
    for n in [1, 498, 499, 500, 501, 510] {
        assert_eq!(text.matches(user_id(n).as_str()).count(), 1, "{n}");
    }
    let filtered = server
        .get("/settings/organisation.csv?verdict=syncing", &signed_in)
        .await;
    let syncing = Verdict::Syncing;
    assert_eq!(
        filtered.text().lines().count(),
        2,
        "{syncing:?}: {}",
        filtered.text()
    );
    let german = server
        .get("/settings/organisation.csv?lang=de&verdict=syncing", &signed_in)
        .await;
    assert!(
        german
            .text()
            .starts_with("Person,Benutzername,Id,Mailserver,Zustand")
    );
}

/// Sessions ordered for thirty, of whom twenty-five are the first wave; it waits for them.
struct Waves {
    server: Server,
    cookie: String,
    /// What the administrator's page is told.
    heard: broadcast::Receiver<PaneEvent>,
}

impl Waves {
    async fn begin() -> Self {
        let server = Server::start().await;
        let cookie = server.administers("one", 0).await;
        for n in 1..=30 {
            server.syncing(n, ORG, &format!("Person {n}")).await;
            server.session(n, SessionOutcome::Done).await;
        }
        let own = server.app.hub.subscribe(&CONNECTION.parse().unwrap()).unwrap();
        let ordered = server.order(&cookie, Call::OrgSyncNow, "all=on&q=user00").await;
        assert_eq!(ordered.status, StatusCode::OK, "{}", ordered.text());
        let mut waves = Self {
            server,
            cookie,
            heard: own,
        };
        // The call has come back: whatever goes on without waiting is done by then.
        let run = waves.server.run().await;
        assert_eq!((run.state, run.done), (OrgRunState::Running, 25));
        assert!(waves.server.is_due(25).await && !waves.server.is_due(26).await);
        // The wave, and the call.
        waves.hears(2).await;
        waves
    }

    /// All of the first wave have had the session that was ordered; so many of them were refused.
    async fn sessions_end(&self, refused: u32) {
        for n in 1..=25 {
            let outcome = if n <= refused {
                SessionOutcome::Rejected
            } else {
                SessionOutcome::Done
            };
            self.server.next_session(n, outcome).await;
        }
    }

    async fn hears(&mut self, times: usize) {
        for _ in 0..times {
            let heard = tokio::time::timeout(Duration::from_secs(30), self.heard.recv()).await;
            assert_eq!(heard.unwrap().unwrap(), PaneEvent::Changed);
        }
    }

    /// How it ended: the state, those to whom it was done, and those who failed.
    async fn ends(&self) -> (OrgRunState, u32, u32) {
        self.server.ended(&self.cookie).await;
        let run = self.server.run().await;
        (run.state, run.done, run.failed)
    }
}

#[tokio::test]
async fn a_wave_waits_until_the_sessions_of_the_one_before_have_ended() {
    let waves = Waves::begin().await;
    // Less than a fifth of them in vain.
    waves.sessions_end(4).await;
    assert_eq!(waves.ends().await, (OrgRunState::Done, 26, 4));
    assert!(waves.server.is_due(26).await && waves.server.is_due(30).await);
    assert_eq!(waves.server.run().await.faults.len(), 4);
}

#[tokio::test]
async fn an_order_stops_where_a_fifth_of_a_waves_sessions_fail() {
    let waves = Waves::begin().await;
    waves.sessions_end(5).await;
    assert_eq!(waves.ends().await, (OrgRunState::Failed, 20, 5));
    assert!(!waves.server.is_due(26).await);
    let page = waves.server.ended(&waves.cookie).await;
    assert!(
        page.contains("Person 5: the mail server refused the password"),
        "{page}"
    );
}

#[tokio::test]
async fn an_order_that_is_halted_reaches_nobody_else() {
    let mut waves = Waves::begin().await;
    let halt = format!("run={}", waves.server.run().await.id);
    let halted = waves.server.order(&waves.cookie, Call::OrgHalt, &halt).await;
    assert_eq!(halted.status, StatusCode::OK, "{}", halted.text());
    waves.sessions_end(0).await;
    // The call, and the end of what carried the order out.
    waves.hears(2).await;
    assert_eq!(waves.ends().await, (OrgRunState::Halted, 25, 0));
    assert!(!waves.server.is_due(26).await);
    assert_eq!(waves.server.audited("administrator_sync_now").await.len(), 25);
}

#[tokio::test]
async fn an_order_stops_with_the_right_of_who_gave_it() {
    let waves = Waves::begin().await;
    let (nina, now) = (USER.parse().unwrap(), waves.server.app.clock.now());
    let store = &waves.server.app.store;
    store.set_admin_right(&nina, false, now).await.unwrap();
    waves.sessions_end(0).await;
    assert_eq!(waves.ends().await, (OrgRunState::Halted, 25, 0));
    assert!(!waves.server.is_due(26).await);
}
