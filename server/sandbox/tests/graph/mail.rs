//! Messages, their texts, and what hangs on them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Bench, IMMUTABLE, KEY, NINA, id, values};

async fn mail(bench: &Bench, subject: &str, received: &str) -> Value {
    bench
        .nina(
            "POST",
            "messages",
            json!({
                "from": "Kim <kim@x.example>", "to": [NINA], "subject": subject, "text": "plain", "html": "<p>rich</p>",
                "received": received, "message_id": format!("<{subject}@x.example>"),
                "attachments": [{ "name": "a.pdf", "content_type": "application/pdf", "size": 5000 }],
            }),
        )
        .await
}

#[tokio::test]
async fn messages_are_found_and_read() {
    let bench = Bench::new().await;
    for (subject, received) in [
        ("one", "2026-11-18T10:00:00Z"),
        ("two", "2026-11-19T10:00:00Z"),
        ("three", "2026-11-20T10:00:00Z"),
    ] {
        mail(&bench, subject, received).await;
    }
    let some = bench
        .get("/me/mailFolders/inbox/messages?$filter=receivedDateTime ge 2026-11-19T00:00:00Z and receivedDateTime lt 2026-11-20T00:00:00Z&$orderby=receivedDateTime&$select=subject,internetMessageId")
        .await
        .is(200);
    let some = values(&some);
    assert_eq!(some.len(), 1);
    assert_eq!(some[0]["internetMessageId"], "<two@x.example>");
    assert_eq!(some[0]["body"], Value::Null);
    let newest = values(&bench.get("/me/messages").await.is(200));
    assert_eq!(newest[0]["subject"], "three");
    assert_eq!(newest[0]["body"]["contentType"], "html");
    assert_eq!(newest[0]["from"]["emailAddress"]["address"], "kim@x.example");
    let path = format!("/me/messages/{}", id(&newest[0]));
    let text = bench
        .ask(
            "GET",
            &path,
            &[("Prefer", "outlook.body-content-type=\"text\"")],
            &Value::Null,
        )
        .await
        .is(200);
    assert_eq!(text["body"], json!({ "contentType": "text", "content": "rich" }));
    // Headers only by name.
    assert_eq!(text["internetMessageHeaders"], Value::Null);
    let headers = bench
        .get(&format!("{path}?$select=internetMessageHeaders"))
        .await
        .is(200);
    assert!(
        headers["internetMessageHeaders"]
            .as_array()
            .unwrap()
            .iter()
            .any(|h| h["name"] == "Message-ID")
    );
    // The text as it came, whole and in ranges.
    let mime = bench.get(&format!("{path}/$value")).await;
    assert_eq!(mime.status, 200);
    assert!(mime.text().contains("Message-ID: <three@x.example>"));
    let part = bench
        .ask(
            "GET",
            &format!("{path}/$value"),
            &[("Range", "bytes=10-19")],
            &Value::Null,
        )
        .await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &mime.bytes[10..20]));
    assert_eq!(
        part.headers["content-range"],
        format!("bytes 10-19/{}", mime.bytes.len())
    );
    let beyond = bench
        .ask(
            "GET",
            &format!("{path}/$value"),
            &[("Range", "bytes=999999-")],
            &Value::Null,
        )
        .await;
    assert_eq!(beyond.status, 416);
}

#[tokio::test]
async fn marks_are_set_and_texts_are_not() {
    let bench = Bench::new().await;
    mail(&bench, "one", "2026-11-18T10:00:00Z").await;
    let one = values(&bench.get("/me/messages").await.is(200))[0].clone();
    let path = format!("/me/messages/{}", id(&one));
    let body = json!({ "categories": ["Salesforce", "Salesforce"], "isRead": true,
        "singleValueExtendedProperties": [{"id": KEY, "value": "k"}] });
    let marked = bench.patch(&path, body).await.is(200);
    assert_eq!(marked["categories"], json!(["Salesforce"]));
    let filter = format!(
        "/me/messages?$filter=categories/any(c:c eq 'Salesforce') and singleValueExtendedProperties/any(ep:ep/id eq '{KEY}' and ep/value eq 'k')"
    );
    assert_eq!(values(&bench.get(&filter).await.is(200)).len(), 1);
    let refused = bench.patch(&path, json!({ "subject": "other" })).await;
    assert!(
        refused
            .refused(400, "ErrorInvalidPropertySet")
            .contains("subject")
    );
    let copied = bench
        .post(&format!("{path}/copy"), json!({ "destinationId": "archive" }))
        .await
        .is(201);
    assert_ne!(copied["id"], one["id"]);
    assert_eq!(copied["internetMessageId"], one["internetMessageId"]);
}

#[tokio::test]
async fn files_come_at_once_or_in_pieces() {
    let bench = Bench::new().await;
    let made = bench
        .post(
            "/me/messages",
            json!({ "subject": "draft", "toRecipients": [{"emailAddress": {"address": "kim@x.example"}}] }),
        )
        .await
        .is(201);
    assert_eq!(made["isDraft"], true);
    let path = format!("/me/messages/{}/attachments", id(&made));
    let small = json!({ "@odata.type": "#microsoft.graph.fileAttachment", "name": "s.txt", "contentBytes": STANDARD.encode("hello") });
    let small = bench.post(&path, small).await.is(201);
    assert_eq!(small["size"], 5);
    let large = json!({ "@odata.type": "#microsoft.graph.fileAttachment", "name": "l.bin", "contentBytes": STANDARD.encode(vec![7_u8; (3 << 20) + 1]) });
    bench
        .post(&path, large)
        .await
        .refused(413, "ErrorMessageSizeExceeded");

    let size = 5 << 20;
    let item = json!({ "AttachmentItem": { "attachmentType": "file", "name": "l.bin", "size": size, "contentType": "x/y" } });
    let session = bench
        .post(&format!("{path}/createUploadSession"), item)
        .await
        .is(201);
    let url = session["uploadUrl"]
        .as_str()
        .unwrap()
        .strip_prefix(&bench.sandbox.info().graph.http)
        .unwrap();
    let file: Vec<u8> = (0..size).map(|n: usize| u8::try_from(n % 251).unwrap()).collect();
    let put = async |from: usize, to: usize, headers: &[(&str, &str)]| {
        let range = format!("bytes {from}-{}/{size}", to - 1);
        let mut all = vec![("Content-Range", range.as_str())];
        all.extend_from_slice(headers);
        bench.raw("PUT", url, &all, &file[from..to]).await
    };
    let half = 3 << 20;
    // A token is for Graph, not for this address.
    assert_eq!(put(0, half, &[("Authorization", "Bearer x")]).await.status, 401);
    assert_eq!(put(half, size, &[]).await.status, 416);
    assert_eq!(
        put(0, half, &[]).await.is(200)["nextExpectedRanges"],
        json!([format!("{half}-")])
    );
    let done = put(half, size, &[]).await;
    assert_eq!(done.status, 201);
    assert!(done.headers["location"].contains("Attachments('"));
    assert_eq!(put(0, half, &[]).await.status, 404);

    let list = values(&bench.get(&format!("{path}?$select=id,name,size")).await.is(200));
    assert_eq!(list.len(), 2);
    assert_eq!(
        (&list[1]["size"], &list[1]["contentBytes"]),
        (&json!(size), &Value::Null)
    );
    let value = format!("{path}/{}/$value", id(&list[1]));
    let answer = bench.get(&value).await;
    assert_eq!(answer.bytes, file);
    let part = bench
        .ask(
            "GET",
            &value,
            &[IMMUTABLE, ("Range", "bytes=4194304-5242879")],
            &Value::Null,
        )
        .await;
    assert_eq!(part.bytes, file[4 << 20..]);
    assert_eq!(
        bench.delete(&format!("{path}/{}", id(&list[0]))).await.status,
        204
    );
    assert_eq!(values(&bench.get(&path).await.is(200)).len(), 1);
}

#[tokio::test]
async fn a_message_may_hold_another_one() {
    let bench = Bench::new().await;
    let inner = "Subject: inner\r\nMessage-ID: <inner@x>\r\n\r\nhello";
    let mime = format!(
        "Subject: outer\r\nMessage-ID: <outer@x>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
--b\r\nContent-Type: text/plain\r\n\r\nsee\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--b--\r\n"
    );
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "text/plain")];
    let made = bench
        .raw(
            "POST",
            "/v1.0/me/mailFolders/inbox/messages",
            &headers,
            STANDARD.encode(mime).as_bytes(),
        )
        .await
        .is(201);
    assert_eq!(made["subject"], "outer");
    let path = format!("/me/messages/{}/attachments", id(&made));
    let list = values(
        &bench
            .get(&format!("{path}?$expand=microsoft.graph.itemAttachment/item"))
            .await
            .is(200),
    );
    assert_eq!(list[0]["@odata.type"], "#microsoft.graph.itemAttachment");
    assert_eq!(list[0]["item"]["subject"], "inner");
    assert_eq!(list[0]["contentBytes"], Value::Null);
    let value = bench.get(&format!("{path}/{}/$value", id(&list[0]))).await;
    assert!(value.text().contains("Message-ID: <inner@x>"), "{}", value.text());
}
