//! Who may ask, how much, and what is refused.

use serde_json::{Value, json};

use crate::support::{Bench, IMMUTABLE, NINA, TOMAS, values};

#[tokio::test]
async fn only_good_tokens_open_the_own_mailbox() {
    let bench = Bench::new().await;
    let me = bench.get("/me").await.is(200);
    assert_eq!(me["mail"], NINA);
    assert_eq!(me["proxyAddresses"], Value::Null);
    let more = bench.get("/me?$select=id,mail,proxyAddresses").await.is(200);
    assert_eq!(more["proxyAddresses"], json!([format!("SMTP:{NINA}")]));
    assert_eq!(more["surname"], Value::Null);
    bench.get(&format!("/users/{NINA}/mailboxSettings")).await.is(200);

    let none = bench.raw("GET", "/v1.0/me/messages", &[], b"").await;
    none.refused(401, "InvalidAuthenticationToken");
    assert!(none.headers["www-authenticate"].starts_with("Bearer "));
    let bad = bench
        .raw("GET", "/v1.0/me/messages", &[("Authorization", "Bearer x")], b"")
        .await;
    bad.refused(401, "InvalidAuthenticationToken");
    // Nobody else's mailbox, and none that is not there.
    bench
        .get(&format!("/users/{TOMAS}/messages"))
        .await
        .refused(403, "ErrorAccessDenied");
    bench
        .get("/users/nobody@contoso.example/messages")
        .await
        .refused(404, "ErrorInvalidUser");
}

#[tokio::test]
async fn scopes_are_asked_for_one_by_one() {
    let mut bench = Bench::new().await;
    let issued = bench
        .control(
            "POST",
            "/microsoft/issue",
            json!({ "user": NINA, "scopes": ["User.Read", "Mail.ReadWrite"] }),
        )
        .await;
    issued["access_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut bench.token);
    bench.get("/me").await.is(200);
    bench.get("/me/messages").await.is(200);
    for path in [
        "/me/contacts",
        "/me/events",
        "/me/todo/lists",
        "/me/outlook/masterCategories",
    ] {
        bench.get(path).await.refused(403, "ErrorAccessDenied");
    }
}

#[tokio::test]
async fn a_mailbox_lives_where_it_lives() {
    let bench = Bench::new().await;
    bench.nina("POST", "home", json!({ "home": "on_premises" })).await;
    bench
        .get("/me/messages")
        .await
        .refused(404, "MailboxNotEnabledForRESTAPI");
    assert_eq!(bench.get("/me").await.is(200)["mail"], NINA);
    bench.nina("POST", "home", json!({ "home": "cloud" })).await;
    bench.get("/me/messages").await.is(200);
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let bench = Bench::new().await;
    for (path, named) in [
        ("/me/drive", "drive"),
        ("/me/messages?$search=x", "$search"),
        ("/me/messages?$filter=body/content eq 'x'", "body/content"),
        ("/me/contacts/delta?$expand=extensions", "$expand"),
        ("/me/messages/delta", "folder"),
        ("/me/events/delta", "calendarView"),
        ("/me/mailFolders/inbox/messageRules", "GET"),
    ] {
        let answer = bench.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(named), "{path}: {message}");
    }
    let text = bench
        .post("/me/contacts", json!({ "givenName": "A", "shoeSize": 43 }))
        .await;
    assert!(text.refused(400, "RequestBodyRead").contains("shoeSize"));
    let beta = bench.raw("GET", "/beta/me", &[], b"").await;
    assert!(beta.refused(400, "BadRequest").contains("/beta/me"));
}

#[tokio::test]
async fn five_at_once_are_one_too_many() {
    let bench = Bench::new().await;
    bench.knobs(json!({ "work_ms": 400 })).await;
    let all = futures::future::join_all((0..5).map(|_| bench.get("/me/mailboxSettings"))).await;
    let mut statuses: Vec<u16> = all.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
    let limited = all.iter().find(|a| a.status == 429).unwrap();
    assert!(
        limited
            .refused(429, "ApplicationThrottled")
            .contains("MailboxConcurrency")
    );
    assert_eq!(limited.headers["retry-after"], "1");
    // They are through: there is room again.
    bench.get("/me/mailboxSettings").await.is(200);
    let counters = bench.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["graph"]["throttled"], 1);
    assert_eq!(counters["graph"]["most_at_once"], 4);
    assert_eq!(counters["graph"]["by_operation"]["GET mailboxSettings"], 6);
}

#[tokio::test]
async fn a_mailbox_answers_so_many_in_ten_minutes() {
    let bench = Bench::new().await;
    bench.knobs(json!({ "per_ten_minutes": 2 })).await;
    bench.get("/me/messages").await.is(200);
    bench.get("/me/messages").await.is(200);
    let limited = bench.get("/me/messages").await;
    limited.refused(429, "ApplicationThrottled");
    let wait: i64 = limited.headers["retry-after"].parse().unwrap();
    assert!((1..=601).contains(&wait));
    bench
        .control("POST", "/clock", json!({ "advance_s": wait + 1 }))
        .await;
    bench.get("/me/messages").await.is(200);
}

#[tokio::test]
async fn faults_come_as_they_are_asked_for() {
    let bench = Bench::new().await;
    bench
        .fault(json!({ "kind": "throttle", "ms": 2500, "times": 1 }))
        .await;
    let limited = bench.get("/me/messages").await;
    limited.refused(429, "ApplicationThrottled");
    assert_eq!(limited.headers["retry-after"], "3");
    bench
        .fault(json!({ "kind": "credentials_wrong", "times": 1 }))
        .await;
    bench
        .get("/me/messages")
        .await
        .refused(401, "InvalidAuthenticationToken");
    // Before the effect there is none, after it there is one.
    let contact = json!({ "givenName": "Ada" });
    bench
        .fault(json!({ "kind": "status", "code": 503, "times": 1 }))
        .await;
    assert_eq!(bench.post("/me/contacts", contact.clone()).await.status, 503);
    assert_eq!(values(&bench.get("/me/contacts").await.is(200)).len(), 0);
    bench
        .fault(json!({ "kind": "status_after", "code": 503, "operation": "POST contacts", "times": 1 }))
        .await;
    assert_eq!(bench.post("/me/contacts", contact).await.status, 503);
    assert_eq!(values(&bench.get("/me/contacts").await.is(200)).len(), 1);
}

#[tokio::test]
async fn categories_are_those_of_the_mailbox() {
    let bench = Bench::new().await;
    let list = values(&bench.get("/me/outlook/masterCategories").await.is(200));
    let names: Vec<&str> = list.iter().map(|c| c["displayName"].as_str().unwrap()).collect();
    assert_eq!(names, ["Red category", "Kunden & Partner", "Familie"]);
    assert_eq!(list[1]["color"], "preset7");
    let made = bench
        .post(
            "/me/outlook/masterCategories",
            json!({ "displayName": "A & <B>", "color": "preset3" }),
        )
        .await
        .is(201);
    bench
        .post(
            "/me/outlook/masterCategories",
            json!({ "displayName": "a & <b>", "color": "none" }),
        )
        .await
        .refused(409, "CategoryNameDuplicate");
    let path = format!("/me/outlook/masterCategories/{}", made["id"].as_str().unwrap());
    assert_eq!(
        bench.patch(&path, json!({ "color": "preset24" })).await.is(200)["color"],
        "preset24"
    );
    bench
        .patch(&path, json!({ "color": "preset25" }))
        .await
        .refused(400, "RequestBodyRead");
    // Outlook and EWS see the same.
    let mailbox = bench
        .control("GET", &format!("/exchange/mailboxes/{NINA}"), Value::Null)
        .await;
    let all = mailbox["categories"].as_array().unwrap();
    assert_eq!(all.len(), 4);
    assert!(
        all.contains(&json!({ "name": "A & <B>", "color": 24 })),
        "{all:?}"
    );
    assert_eq!(bench.delete(&path).await.status, 204);
    assert_eq!(
        values(&bench.get("/me/outlook/masterCategories").await.is(200)).len(),
        3
    );
}

#[tokio::test]
async fn folders_have_one_name_below_one_parent() {
    let bench = Bench::new().await;
    let made = bench
        .post("/me/mailFolders", json!({ "displayName": "Salesforce Emails" }))
        .await
        .is(201);
    bench
        .post("/me/mailFolders", json!({ "displayName": "salesforce emails" }))
        .await
        .refused(409, "ErrorFolderExists");
    let found = bench
        .get("/me/mailFolders?$filter=displayName eq 'Salesforce Emails'")
        .await
        .is(200);
    assert_eq!(values(&found)[0]["id"], made["id"]);
    let inbox = bench.get("/me/mailFolders/inbox").await.is(200);
    let by_id = bench
        .get(&format!("/me/mailFolders/{}", crate::support::id(&inbox)))
        .await
        .is(200);
    assert_eq!(by_id["displayName"], "Inbox");
    // Lists come in pages of ten, and go on.
    let first = bench.get("/me/mailFolders?$top=2").await.is(200);
    let next = first["@odata.nextLink"].as_str().unwrap();
    assert_ne!(values(&bench.get(next).await.is(200)), values(&first));
    bench
        .get("/me/mailFolders/nowhere")
        .await
        .refused(400, "ErrorInvalidIdMalformed");
    // A folder of another sort is none of this one.
    let contacts = bench
        .post(
            "/me/contactFolders",
            json!({ "displayName": "Salesforce Contacts" }),
        )
        .await
        .is(201);
    let path = format!("/me/mailFolders/{}", crate::support::id(&contacts));
    bench.get(&path).await.refused(404, "ErrorFolderNotFound");
    assert_eq!(values(&bench.get("/me/contactFolders").await.is(200)).len(), 1);
}

#[tokio::test]
async fn ids_survive_a_move_only_where_that_was_asked_for() {
    let bench = Bench::new().await;
    bench
        .nina(
            "POST",
            "messages",
            json!({ "from": "Kim <kim@x.example>", "subject": "Offer" }),
        )
        .await;
    let plain = bench.ask("GET", "/me/messages", &[], &Value::Null).await.is(200);
    let fixed = bench
        .ask("GET", "/me/messages", &[IMMUTABLE], &Value::Null)
        .await
        .is(200);
    let (plain, fixed) = (values(&plain)[0].clone(), values(&fixed)[0].clone());
    assert_ne!(plain["id"], fixed["id"]);
    let moved = bench
        .post(
            &format!("/me/messages/{}/move", crate::support::id(&fixed)),
            json!({ "destinationId": "archive" }),
        )
        .await
        .is(201);
    assert_eq!(moved["id"], fixed["id"]);
    assert_ne!(moved["parentFolderId"], fixed["parentFolderId"]);
    bench
        .get(&format!("/me/messages/{}", crate::support::id(&fixed)))
        .await
        .is(200);
    let old = bench
        .get(&format!("/me/messages/{}", crate::support::id(&plain)))
        .await;
    old.refused(404, "ErrorItemNotFound");
    // What EWS knows it by works as REST writes that, and not otherwise.
    let ews = bench.nina("GET", "messages", Value::Null).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = ews.replace('/', "-").replace('+', "_").replace('=', "%3D");
    bench.get(&format!("/me/messages/{rest}")).await.is(200);
    let raw = format!(
        "/me/messages/{}",
        format!("{ews}/").replace('/', "%2F").replace('+', "%2B")
    );
    bench.get(&raw).await.refused(400, "ErrorInvalidIdMalformed");
    // Case matters.
    let upper = crate::support::id(&fixed).to_uppercase();
    assert_eq!(bench.get(&format!("/me/messages/{upper}")).await.status, 404);
}
