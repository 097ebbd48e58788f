//! Contacts, and the fields that only extended properties reach.

use serde_json::{Value, json};

use crate::support::{Bench, KEY, id, values};

#[tokio::test]
async fn a_contact_is_the_same_on_all_sides() {
    let bench = Bench::new().await;
    let made = bench
        .post(
            "/me/contacts",
            json!({
                "givenName": "Ada", "surname": "Lovelace", "companyName": "Analytical & Sons", "jobTitle": "Programmer",
                "title": "Countess", "emailAddresses": [{"address": "ada@x.example", "name": "Ada"}, {"address": "b@x.example"}],
                "businessPhones": ["+44 1", "+44 2"], "mobilePhone": "+44 3",
                "businessAddress": {"street": "1 Long\nRoad", "city": "London", "countryOrRegion": "UK"},
                "birthday": "1815-12-10T11:59:00Z", "personalNotes": "line 1\nline 2", "categories": ["Salesforce"],
                "singleValueExtendedProperties": [
                    {"id": KEY, "value": "k1"}, {"id": "String 0x3A24", "value": "+44 4"},
                ],
            }),
        )
        .await
        .is(201);
    assert_eq!(made["displayName"], "Ada Lovelace");
    assert_eq!(made["birthday"], "1815-12-10T11:59:00Z");
    assert_eq!(made["singleValueExtendedProperties"], Value::Null);
    let seen = bench.nina("GET", "contacts", Value::Null).await[0].clone();
    let fields = &seen["fields"];
    for (field, value) in [
        ("GivenName", "Ada"),
        ("BusinessFax", "+44 4"),
        ("BusinessPhone2", "+44 2"),
        ("EmailAddress2", "b@x.example"),
        ("BusinessStreet", "1 Long\r\nRoad"),
        ("Birthday", "1815-12-10T00:00:00Z"),
        ("Body", "line 1\r\nline 2"),
    ] {
        assert_eq!(fields[field], value, "{fields}");
    }
    assert_eq!(
        seen["properties"]["{8f1b6c52-3d07-4e9a-a4f6-5b2c90d7e813}/Key"],
        "k1"
    );

    // What a user types is there as well, and lists close up.
    bench
        .nina(
            "PATCH",
            &format!("contacts?id={}", seen["id"].as_str().unwrap().replace('+', "%2B")),
            json!({ "fields": { "EmailAddress1": null, "AssistantPhone": "99" } }),
        )
        .await;
    let path = format!("/me/contacts/{}", id(&made));
    let expand = format!(
        "?$select=emailAddresses&$expand=singleValueExtendedProperties($filter=id eq '{}' or id eq 'String 0x3A2E')",
        KEY.to_uppercase()
            .replace("STRING", "String")
            .replace("NAME KEY", "Name Key")
    );
    let read = bench.get(&format!("{path}{expand}")).await.is(200);
    assert_eq!(read["emailAddresses"].as_array().unwrap().len(), 1);
    assert_eq!(read["emailAddresses"][0]["address"], "b@x.example");
    assert_eq!(read["givenName"], Value::Null);
    let properties = read["singleValueExtendedProperties"].as_array().unwrap();
    assert_eq!(properties[0], json!({ "id": KEY, "value": "k1" }));
    assert_eq!(properties[1], json!({ "id": "String 0x3a2e", "value": "99" }));
}

#[tokio::test]
async fn the_key_finds_its_contact() {
    let bench = Bench::new().await;
    for n in 0..3 {
        let body = json!({ "givenName": format!("P{n}"), "singleValueExtendedProperties": [{"id": KEY, "value": format!("k'{n}")}] });
        bench.post("/me/contacts", body).await.is(201);
    }
    let filter = format!(
        "/me/contacts?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq 'k''1')"
    );
    let found = values(&bench.get(&filter).await.is(200));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["givenName"], "P1");
    assert_eq!(found[0]["singleValueExtendedProperties"], Value::Null);
    let by_name = bench
        .get("/me/contacts?$filter=givenName eq 'p2'&$select=id")
        .await
        .is(200);
    assert_eq!(values(&by_name).len(), 1);
    bench
        .get("/me/contacts?$filter=givenName eq 'p2'&$orderby=surname")
        .await
        .refused(400, "InefficientFilter");
    // Paged, and counted.
    let page = bench
        .get("/me/contacts?$top=2&$count=true&$orderby=givenName desc")
        .await
        .is(200);
    assert_eq!(page["@odata.count"], 3);
    assert_eq!(values(&page)[0]["givenName"], "P2");
    let last = bench.get(page["@odata.nextLink"].as_str().unwrap()).await.is(200);
    assert_eq!(values(&last)[0]["givenName"], "P0");
    assert_eq!(last["@odata.nextLink"], Value::Null);
}

#[tokio::test]
async fn a_change_names_the_version_that_it_changes() {
    let bench = Bench::new().await;
    let made = bench
        .post("/me/contacts", json!({ "givenName": "Ada", "mobilePhone": "1" }))
        .await
        .is(201);
    let path = format!("/me/contacts/{}", id(&made));
    let etag = made["@odata.etag"].as_str().unwrap();
    let with = |etag: &str, body: Value| {
        let (path, etag) = (path.clone(), etag.to_owned());
        let bench = &bench;
        async move { bench.ask("PATCH", &path, &[("If-Match", &etag)], &body).await }
    };
    let changed = with(etag, json!({ "mobilePhone": null, "givenName": "Eda" }))
        .await
        .is(200);
    assert_eq!(
        (&changed["mobilePhone"], &changed["displayName"]),
        (&Value::Null, &json!("Eda"))
    );
    with(etag, json!({ "givenName": "Ida" }))
        .await
        .refused(412, "ErrorIrresolvableConflict");
    let stale = json!({ "givenName": "Ida", "changeKey": made["changeKey"] });
    bench
        .patch(&path, stale)
        .await
        .refused(409, "ErrorIrresolvableConflict");
    bench
        .ask("DELETE", &path, &[("If-Match", etag)], &Value::Null)
        .await
        .refused(412, "ErrorIrresolvableConflict");
    let etag = changed["@odata.etag"].as_str().unwrap().to_owned();
    bench
        .fault(json!({ "kind": "stale_version", "operation": "PATCH contacts/{id}", "times": 1 }))
        .await;
    with(&etag, json!({ "givenName": "Ida" }))
        .await
        .refused(412, "ErrorIrresolvableConflict");
    with(&etag, json!({ "givenName": "Ida" })).await.is(200);
    // Deleted, it lies in Deleted Items under the same immutable id.
    assert_eq!(bench.delete(&path).await.status, 204);
    let bin = bench.get("/me/mailFolders/deleteditems").await.is(200);
    assert_eq!(bench.get(&path).await.is(200)["parentFolderId"], bin["id"]);
    assert_eq!(values(&bench.get("/me/contacts").await.is(200)).len(), 0);
    // A second time it is gone for everybody.
    assert_eq!(bench.delete(&path).await.status, 204);
    bench.get(&path).await.refused(404, "ErrorItemNotFound");
}

#[tokio::test]
async fn private_is_an_extended_property() {
    let bench = Bench::new().await;
    let made = bench
        .post("/me/contacts", json!({ "givenName": "A", "singleValueExtendedProperties": [{"id": "Integer 0x0036", "value": "2"}] }))
        .await
        .is(201);
    assert_eq!(
        bench.nina("GET", "contacts", Value::Null).await[0]["private"],
        true
    );
    let path = format!("/me/contacts/{}", id(&made));
    let wrong = json!({ "singleValueExtendedProperties": [{"id": "Integer 0x0036", "value": "two"}] });
    bench
        .patch(&path, wrong)
        .await
        .refused(400, "ErrorInvalidExtendedPropertyValue");
    let read = bench
        .get(&format!(
            "{path}?$expand=singleValueExtendedProperties($filter=id eq 'Integer 0x36')"
        ))
        .await
        .is(200);
    assert_eq!(read["singleValueExtendedProperties"][0]["value"], "2");
}
