//! Twenty requests in one.

use serde_json::{Value, json};

use crate::support::{Bench, values};

/// The answer to the step of that id.
fn of<'a>(answer: &'a Value, id: &str) -> &'a Value {
    answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["id"] == id)
        .unwrap_or_else(|| panic!("no {id} in {answer}"))
}

fn create(id: &str, name: &str) -> Value {
    json!({
        "id": id, "method": "POST", "url": "/me/contacts", "body": { "givenName": name },
        "headers": { "Content-Type": "application/json", "Prefer": "IdType=\"ImmutableId\"" },
    })
}

async fn batch(bench: &Bench, requests: Vec<Value>) -> Value {
    bench
        .post("/$batch", json!({ "requests": requests }))
        .await
        .is(200)
}

#[tokio::test]
async fn each_step_has_its_own_answer() {
    let bench = Bench::new().await;
    let answer = batch(
        &bench,
        vec![
            create("a", "Ada"),
            create("b", "Bo"),
            json!({ "id": "c", "method": "GET", "url": "/me/contacts/xyz" }),
            json!({ "id": "d", "method": "GET", "url": "/me?$select=mail" }),
            json!({ "id": "e", "method": "GET", "url": "me/contacts?$select=givenName" }),
        ],
    )
    .await;
    let order: Vec<&str> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap())
        .collect();
    assert_ne!(order, ["a", "b", "c", "d", "e"]);
    assert_eq!(
        (
            &of(&answer, "a")["status"],
            &of(&answer, "a")["body"]["givenName"]
        ),
        (&json!(201), &json!("Ada"))
    );
    assert_eq!(
        of(&answer, "c")["body"]["error"]["code"],
        "ErrorInvalidIdMalformed"
    );
    assert_eq!(of(&answer, "d")["body"]["mail"], crate::support::NINA);
    assert_eq!(values(&of(&answer, "e")["body"]).len(), 2);
    let counters = bench.control("GET", "/counters", Value::Null).await;
    assert_eq!(counters["graph"]["requests"], 1);
    assert_eq!(counters["graph"]["steps_by_operation"]["POST contacts"], 2);
    // Headers of the batch are not those of its steps.
    let mutable = of(&answer, "e")["body"]["value"][0]["id"].clone();
    assert_ne!(mutable, of(&answer, "a")["body"]["id"]);
}

#[tokio::test]
async fn batches_that_cannot_be_are_refused_as_a_whole() {
    let bench = Bench::new().await;
    let many: Vec<Value> = (0..21).map(|n| create(&n.to_string(), "X")).collect();
    bench
        .post("/$batch", json!({ "requests": many }))
        .await
        .refused(400, "MaximumValueExceeded");
    for bad in [
        json!([]),
        json!([create("a", "X"), create("a", "Y")]),
        json!([{ "id": "a", "method": "POST", "url": "/me/contacts", "body": {} }]),
        json!([{ "id": "a", "method": "GET", "url": "http://localhost/v1.0/me" }]),
        json!([{ "id": "a", "method": "GET", "url": "/v1.0/me" }]),
        json!([{ "id": "a", "method": "GET", "url": "/me", "dependsOn": ["b"] }]),
        json!([{ "method": "GET", "url": "/me" }]),
    ] {
        bench
            .post("/$batch", json!({ "requests": bad }))
            .await
            .refused(400, "BadRequest");
    }
    assert_eq!(values(&bench.get("/me/contacts").await.is(200)).len(), 0);
}

#[tokio::test]
async fn a_step_may_wait_for_another_one() {
    let bench = Bench::new().await;
    let mut second = create("b", "Bo");
    second["dependsOn"] = json!(["a"]);
    let mut third = create("c", "Cy");
    third["dependsOn"] = json!(["b"]);
    bench
        .fault(json!({ "kind": "status", "code": 500, "operation": "POST contacts", "times": 1 }))
        .await;
    let answer = batch(&bench, vec![create("a", "Ada"), second, third, create("d", "Di")]).await;
    let statuses: Vec<&Value> = ["a", "b", "c", "d"]
        .iter()
        .map(|id| &of(&answer, id)["status"])
        .collect();
    assert_eq!(statuses, [500, 424, 424, 201]);
}

#[tokio::test]
async fn steps_are_throttled_one_by_one() {
    let bench = Bench::new().await;
    bench
        .fault(json!({ "kind": "throttle", "ms": 4000, "operation": "POST contacts", "skip": 1, "times": 1 }))
        .await;
    let answer = batch(&bench, vec![create("a", "A"), create("b", "B"), create("c", "C")]).await;
    assert_eq!(of(&answer, "a")["status"], 201);
    assert_eq!(of(&answer, "b")["status"], 429);
    assert_eq!(of(&answer, "b")["headers"]["Retry-After"], "4");
    assert_eq!(of(&answer, "b")["body"]["error"]["code"], "ApplicationThrottled");
    assert_eq!(of(&answer, "c")["status"], 201);
    // Two batches at once are eight requests at once.
    bench.knobs(json!({ "work_ms": 300 })).await;
    let requests =
        |from: char| -> Vec<Value> { (0..4).map(|n| create(&format!("{from}{n}"), "X")).collect() };
    let (one, two) = futures::join!(batch(&bench, requests('x')), batch(&bench, requests('y')));
    let throttled = |answer: &Value| {
        answer["responses"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["status"] == 429)
            .count()
    };
    let mut counts = [throttled(&one), throttled(&two)];
    counts.sort_unstable();
    assert_eq!(counts, [0, 2]);
}

#[tokio::test]
async fn links_go_on_in_a_batch() {
    let bench = Bench::new().await;
    batch(
        &bench,
        (0..20)
            .map(|n| create(&n.to_string(), &format!("P{n}")))
            .collect(),
    )
    .await;
    let origin = format!("{}/v1.0", bench.sandbox.info().graph.http);
    let mut url = "/me/contacts/delta".to_owned();
    let mut names = 0;
    loop {
        let step =
            json!({ "id": "1", "method": "GET", "url": url, "headers": { "Prefer": "odata.maxpagesize=7" } });
        let answer = batch(&bench, vec![step]).await;
        let body = &of(&answer, "1")["body"];
        names += values(body).len();
        match body["@odata.nextLink"].as_str() {
            Some(next) => next.strip_prefix(&origin).unwrap().clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!(names, 20);
}
