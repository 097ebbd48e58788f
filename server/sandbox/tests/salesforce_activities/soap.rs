//! SOAP's `undelete`.

use serde_json::{Value, json};

use crate::rig::{World, text};

#[tokio::test]
async fn what_is_in_the_bin_comes_back_under_its_id() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for (object, body) in [
        ("Contact", json!({"LastName": "x"})),
        (
            "Event",
            json!({"StartDateTime": "2026-12-01T09:00:00Z", "DurationInMinutes": 5}),
        ),
        ("Task", json!({"Subject": "x"})),
        ("EmailMessage", json!({"Subject": "x", "Status": "3"})),
    ] {
        let id = world.create(object, body).await;
        World::changed(
            &world
                .api("DELETE", &format!("/sobjects/{object}/{id}"), Value::Null)
                .await,
        );
        ids.push((object, id));
    }
    let all: Vec<&str> = ids.iter().map(|(_, id)| id.as_str()).collect();
    let got = world.undelete(0, &all).await;
    assert_eq!(got.status, 200);
    assert_eq!(
        got.text.matches("<success>true</success>").count(),
        4,
        "{}",
        got.text
    );
    for (object, id) in &ids {
        assert_eq!(world.row(object, id).await["IsDeleted"], false);
    }
    let again = world.undelete(0, &[all[0]]).await;
    assert!(again.text.contains("<statusCode>UNDELETE_FAILED</statusCode>") && again.text.contains(all[0]));
    let counters = world.control("GET", "/counters", Value::Null).await;
    assert!(counters.to_string().contains("undelete"), "{counters}");
}

#[tokio::test]
async fn each_id_has_its_own_outcome() {
    let world = World::start().await;
    let (old, purged, fresh) = (
        world.create("Contact", json!({"LastName": "old"})).await,
        world.create("Contact", json!({"LastName": "purged"})).await,
        world.create("Contact", json!({"LastName": "fresh"})).await,
    );
    let role = text(
        &world.rows("SELECT Id FROM OpportunityContactRole LIMIT 1").await[0],
        "Id",
    );
    for id in [&old, &purged] {
        World::changed(
            &world
                .api("DELETE", &format!("/sobjects/Contact/{id}"), Value::Null)
                .await,
        );
    }
    world
        .control(
            "DELETE",
            &format!("/salesforce/records/Contact/{purged}?hard=true"),
            Value::Null,
        )
        .await;
    world
        .control("POST", "/clock", json!({"advance_s": 15 * 86_400 + 60}))
        .await;
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/Contact/{fresh}"), Value::Null)
            .await,
    );
    world
        .api(
            "DELETE",
            &format!("/sobjects/OpportunityContactRole/{role}"),
            Value::Null,
        )
        .await;
    let got = world
        .undelete(0, &[&old, &purged, &fresh, &role, "abc", "01j000000000000AAA"])
        .await;
    assert_eq!(
        got.text.matches("<success>true</success>").count(),
        1,
        "{}",
        got.text
    );
    let codes: Vec<&str> = got
        .text
        .split("<statusCode>")
        .skip(1)
        .map(|part| part.split('<').next().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "UNDELETE_FAILED",
            "UNDELETE_FAILED",
            "UNDELETE_FAILED",
            "MALFORMED_ID",
            "INVALID_CROSS_REFERENCE_KEY"
        ]
    );
    // Another's rows are not his to bring back.
    World::changed(
        &world
            .api("DELETE", &format!("/sobjects/Contact/{fresh}"), Value::Null)
            .await,
    );
    let other = world.undelete(1, &[&fresh]).await;
    assert!(
        other.text.contains("INSUFFICIENT_ACCESS_OR_READONLY"),
        "{}",
        other.text
    );
    let many: Vec<&str> = vec![&fresh; 201];
    let got = world.undelete(0, &many).await;
    assert!(
        got.status == 500 && got.text.contains("sf:EXCEEDED_ID_LIMIT"),
        "{}",
        got.text
    );
}

#[tokio::test]
async fn the_rest_of_soap_is_a_fault() {
    let world = World::start().await;
    let bad = world
        .soap("00Dnope!x", "<urn:undelete><urn:ids>x</urn:ids></urn:undelete>")
        .await;
    assert!(
        bad.status == 500 && bad.text.contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>"),
        "{}",
        bad.text
    );
    let session = &world.tokens[0];
    for (operation, code) in [
        (
            "<urn:query><urn:queryString>SELECT Id FROM Contact</urn:queryString></urn:query>",
            "INVALID_OPERATION",
        ),
        ("<undelete><ids>x</ids></undelete>", "INVALID_SOAP_HEADER"),
        ("<urn:undelete><urn:id>x</urn:id></urn:undelete>", "INVALID_FIELD"),
        ("", "INVALID_SOAP_HEADER"),
        ("<urn:undelete>", "INVALID_SOAP_HEADER"),
        ("<urn:undelete>&nope;</urn:undelete>", "INVALID_SOAP_HEADER"),
    ] {
        let got = world.soap(session, operation).await;
        assert!(
            got.status == 500 && got.text.contains(&format!("sf:{code}<")),
            "{operation}: {}",
            got.text
        );
    }
    let headers = [("content-type", "text/xml"), ("SOAPAction", "\"\"")];
    for (path, body) in [
        ("/services/Soap/u/67.0", "not xml"),
        ("/services/Soap/u/99.0", "<a/>"),
    ] {
        let got = world.send("POST", path, &headers, body.to_owned()).await;
        assert!(got.status == 500 && got.text.contains("Fault"), "{}", got.text);
    }
    let rule =
        json!({"service": "salesforce", "operation": "undelete", "kind": "throttle", "ms": 1, "times": 1});
    world.control("POST", "/faults", rule).await;
    let got = world.undelete(0, &["003000000000000AAA"]).await;
    assert!(got.text.contains("sf:REQUEST_LIMIT_EXCEEDED"), "{}", got.text);
}
