//! Messages, attachments, folders, and what subscriptions tell of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{ALL, Bench, ID_ONLY, NINA, TOMAS, changes, quoted, set, state};

const SAVE: &str = "MessageDisposition=\"SaveOnly\"";
const FLAGS: &str = "<t:ExtendedFieldURI PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/>";
const MIME: &str = "From: =?utf-8?Q?J=C3=BCrgen_Wei=C3=9F?= <jw@x.example>\r\nTo: \"Berg, Nina\" <nina.berg@contoso.example>, b@x.example\r\n\
Cc: c@x.example\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nMessage-ID: <one@x.example>\r\nIn-Reply-To: <zero@x.example>\r\n\
References: <root@x.example> <zero@x.example>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\nX-Own: yes\r\nSensitivity: Company-Confidential\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
--a\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ngr=FCn\r\n\
--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>grün <img src=\"cid:pic\"></p>\r\n--a--\r\n\
--b\r\nContent-Type: image/png; name=p.png\r\nContent-ID: <pic>\r\nContent-Disposition: inline; filename=p.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n\
--b\r\nContent-Type: application/pdf; name=\"a b.pdf\"\r\nContent-Disposition: attachment; filename=\"a b.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n\
--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: d@x.example\r\n\r\ndeep\r\n--b--\r\n";

fn message(mime: &str) -> String {
    format!(
        "<t:Message><t:MimeContent CharacterSet=\"UTF-8\">{}</t:MimeContent>\
<t:ExtendedProperty>{FLAGS}<t:Value>1</t:Value></t:ExtendedProperty></t:Message>",
        STANDARD.encode(mime)
    )
}

#[tokio::test]
async fn a_message_out_of_its_mime() {
    let bench = Bench::new().await;
    assert_eq!(
        bench.create("", &message(MIME)).await.code(),
        "ErrorMessageDispositionRequired"
    );
    let id = bench.create(SAVE, &message(MIME)).await.ok().id();
    let mime = "<t:BaseShape>AllProperties</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>";
    let read = bench.get(&id.0, mime).await.ok();
    for part in [
        "<t:Subject>Grüße</t:Subject>",
        "<t:Sensitivity>Confidential</t:Sensitivity>",
        "<t:Body BodyType=\"HTML\">&lt;p&gt;grün",
        "<t:From><t:Mailbox><t:Name>Jürgen Weiß</t:Name><t:EmailAddress>jw@x.example</t:EmailAddress>",
        "<t:Name>Berg, Nina</t:Name>",
        "<t:CcRecipients><t:Mailbox><t:Name>c@x.example</t:Name>",
        "<t:InternetMessageId>&lt;one@x.example&gt;</t:InternetMessageId>",
        "<t:DateTimeSent>2026-03-02T09:00:00Z</t:DateTimeSent>",
        "<t:IsRead>true</t:IsRead>",
        "<t:IsDraft>false</t:IsDraft>",
        "<t:IsFromMe>false</t:IsFromMe>",
        "<t:HasAttachments>true</t:HasAttachments>",
        "<t:InternetMessageHeader HeaderName=\"X-Own\">yes</t:InternetMessageHeader>",
        "<t:ItemClass>IPM.Note</t:ItemClass>",
    ] {
        read.has(part);
    }
    assert_eq!(
        STANDARD
            .decode(read.one("CharacterSet=\"UTF-8\">", "</t:MimeContent>"))
            .unwrap(),
        MIME.as_bytes()
    );
    let order: Vec<usize> = [
        "t:MimeContent",
        "t:ItemId ",
        "t:Body ",
        "t:Attachments",
        "t:InternetMessageHeaders",
        "t:ConversationId",
        "t:ToRecipients",
        "t:From>",
        "t:IsRead>",
    ]
    .iter()
    .map(|t| read.body.find(t).unwrap())
    .collect();
    assert!(order.is_sorted(), "not in the schema's order: {}", read.body);
    let headers = "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>\
<t:IndexedFieldURI FieldURI=\"item:InternetMessageHeader\" FieldIndex=\"x-own\"/>\
<t:ExtendedFieldURI DistinguishedPropertySetId=\"InternetHeaders\" PropertyName=\"X-Own\" PropertyType=\"String\"/></t:AdditionalProperties>";
    let some = bench.get(&id.0, headers).await.ok();
    assert_eq!(some.body.matches("<t:InternetMessageHeader ").count(), 1);
    some.has("<t:Value>yes</t:Value>");
    // Attachments: a picture in the text, a file, a message.
    let ids = read.all("<t:AttachmentId Id=\"", "\"/>");
    assert_eq!(ids.len(), 3);
    read.has("<t:ContentId>pic</t:ContentId>");
    let get = |id: &str| {
        format!(
            "<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id=\"{id}\"/></m:AttachmentIds></m:GetAttachment>"
        )
    };
    let picture = bench.ews(&get(&ids[0])).await.ok();
    picture.has("<t:IsInline>true</t:IsInline>");
    let file = bench.ews(&get(&ids[1])).await.ok();
    file.has("<t:Name>a b.pdf</t:Name><t:ContentType>application/pdf</t:ContentType>");
    file.has("<t:Size>4</t:Size>");
    file.has("<t:Content>JVBERg==</t:Content>");
    let inner = bench.ews(&get(&ids[2])).await.ok();
    inner.has("<t:Name>inner</t:Name>");
    inner.has("<t:Message><t:ItemClass>");
    inner.has("deep");
    assert_eq!(bench.ews(&get("AAAA")).await.code(), "ErrorInvalidAttachmentId");
    // Deleting one makes the message anew, without it.
    bench
        .ews(&format!("<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id=\"{}\"/></m:AttachmentIds></m:DeleteAttachment>", ids[1]))
        .await
        .ok()
        .has("RootItemChangeKey=");
    assert_eq!(bench.ews(&get(&ids[1])).await.code(), "ErrorItemNotFound");
    let again = bench.get(&id.0, mime).await.ok();
    let text = STANDARD
        .decode(again.one("CharacterSet=\"UTF-8\">", "</t:MimeContent>"))
        .unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        !text.contains("a b.pdf") && text.contains("X-Own: yes") && text.contains("<one@x.example>"),
        "{text}"
    );
    bench
        .ews(&format!("<m:CreateAttachment><m:ParentItemId Id=\"{}\"/><m:Attachments><t:FileAttachment><t:Name>n.txt</t:Name><t:Content>aGk=</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>", id.0))
        .await
        .ok();
    let row = &bench.list(NINA.0, "messages").await[0];
    assert!(
        row["attachments"]
            .as_array()
            .unwrap()
            .iter()
            .any(|a| a["name"] == "n.txt" && a["size"] == 2)
    );
}

#[tokio::test]
async fn a_conversation_and_what_is_found() {
    let bench = Bench::new().await;
    for (n, reply, received) in [
        (1, Value::Null, "2026-03-01T10:00:00Z"),
        (2, json!("<m1@x.example>"), "2026-03-02T10:00:00Z"),
        (3, Value::Null, "2026-03-03T10:00:00Z"),
    ] {
        let mut mail = json!({"from": "Ann <a@x.example>", "to": [NINA.0], "subject": format!("Mail {n}"), "text": "t", "message_id": format!("<m{n}@x.example>"), "received": received});
        if !reply.is_null() {
            mail["in_reply_to"] = reply;
        }
        bench.nina("POST", "messages", mail).await;
    }
    let constant = |uri: &str, op: &str, value: &str| {
        format!(
            "<t:{op}><t:FieldURI FieldURI=\"{uri}\"/><t:FieldURIOrConstant><t:Constant Value=\"{value}\"/></t:FieldURIOrConstant></t:{op}>"
        )
    };
    let one = bench
        .find(
            "inbox",
            &constant("message:InternetMessageId", "IsEqualTo", "&lt;m2@x.example&gt;"),
        )
        .await
        .ok();
    assert_eq!(one.fields("Subject"), ["Mail 2"]);
    let since = bench
        .find(
            "inbox",
            &constant(
                "item:DateTimeReceived",
                "IsGreaterThanOrEqualTo",
                "2026-03-02T10:00:00Z",
            ),
        )
        .await
        .ok();
    assert_eq!(since.fields("Subject"), ["Mail 2", "Mail 3"]);
    let thread = one.one("<t:ConversationId Id=\"", "\"");
    let both = bench
        .find("inbox", &constant("item:ConversationId", "IsEqualTo", &thread))
        .await
        .ok();
    assert_eq!(both.fields("Subject"), ["Mail 1", "Mail 2"]);
    both.lacks("<t:ToRecipients>");
    both.has("<t:DisplayTo>nina.berg@contoso.example</t:DisplayTo>");
    let page = bench
        .ews(&format!("<m:FindItem Traversal=\"Shallow\"><m:ItemShape>{ID_ONLY}</m:ItemShape><m:IndexedPageItemView MaxEntriesReturned=\"2\" Offset=\"1\" BasePoint=\"Beginning\"/>\
<m:SortOrder><t:FieldOrder Order=\"Descending\"><t:FieldURI FieldURI=\"item:DateTimeReceived\"/></t:FieldOrder></m:SortOrder>\
<m:ParentFolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:ParentFolderIds></m:FindItem>"))
        .await
        .ok();
    assert_eq!(page.ids().len(), 2);
    page.has("IncludesLastItemInRange=\"true\"");
    for uri in [
        "item:InternetMessageHeaders",
        "item:MimeContent",
        "item:Attachments",
    ] {
        let refused = bench
            .find(
                "inbox",
                &format!("<t:Exists><t:FieldURI FieldURI=\"{uri}\"/></t:Exists>"),
            )
            .await;
        assert_eq!(refused.code(), "ErrorUnsupportedPathForQuery", "{uri}");
    }
}

#[tokio::test]
async fn reading_is_no_change_of_the_text() {
    let bench = Bench::new().await;
    bench
        .nina(
            "POST",
            "messages",
            json!({"from": "a@x.example", "subject": "s", "text": "t"}),
        )
        .await;
    let listed = bench.sync("inbox", "").await;
    let id = listed.id();
    let folder = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id=\"inbox\"/></m:FolderIds></m:GetFolder>";
    bench.ews(folder).await.has("<t:UnreadCount>1</t:UnreadCount>");
    let read = set("message:IsRead", "Message", "<t:IsRead>true</t:IsRead>");
    assert_eq!(
        bench.update("", &id, &read).await.code(),
        "ErrorMessageDispositionRequired"
    );
    let id = bench.update(SAVE, &id, &read).await.ok().id();
    let after = bench.sync("inbox", &state(&listed)).await;
    assert_eq!(changes(&after), (0, 0, 0, 1));
    after.has("<t:IsRead>true</t:IsRead>");
    bench.ews(folder).await.has("<t:UnreadCount>0</t:UnreadCount>");
    let category = set(
        "item:Categories",
        "Message",
        "<t:Categories><t:String>Salesforce</t:String></t:Categories>",
    );
    bench.update(SAVE, &id, &category).await.ok();
    let later = bench.sync("inbox", &state(&after)).await;
    assert_eq!(changes(&later), (0, 1, 0, 0));
    // The category did not touch what came.
    assert!(
        bench.list(NINA.0, "messages").await[0]["mime_bytes"]
            .as_u64()
            .unwrap()
            > 0
    );
}

#[tokio::test]
async fn sent_mail_is_counted_and_arrives() {
    let bench = Bench::new().await;
    let item = format!(
        "<t:Message><t:Subject>Hello</t:Subject><t:Body BodyType=\"Text\">x</t:Body><t:ToRecipients><t:Mailbox><t:EmailAddress>{}</t:EmailAddress></t:Mailbox></t:ToRecipients>\
<t:BccRecipients><t:Mailbox><t:EmailAddress>secret@x.example</t:EmailAddress></t:Mailbox></t:BccRecipients></t:Message>",
        TOMAS.0
    );
    bench
        .create("MessageDisposition=\"SendAndSaveCopy\"", &item)
        .await
        .ok();
    let mails = bench.mails().await;
    assert_eq!(
        (&mails[0]["kind"], &mails[0]["to"]),
        (&json!("message"), &json!([TOMAS.0, "secret@x.example"]))
    );
    let theirs = &bench.list(TOMAS.0, "messages").await[0];
    assert_eq!(
        (&theirs["folder"], &theirs["read"], &theirs["bcc"]),
        (&json!("Inbox"), &json!(false), &json!([]))
    );
    let mine = &bench.list(NINA.0, "messages").await[0];
    assert_eq!(
        (&mine["folder"], &mine["bcc"][0]["address"]),
        (&json!("Sent Items"), &json!("secret@x.example"))
    );
    assert_eq!(mine["message_id"], theirs["message_id"]);
    assert_eq!(
        mine["conversation_id"].as_str().unwrap().len(),
        theirs["conversation_id"].as_str().unwrap().len()
    );
    let nobody = "<t:Message><t:Subject>Hello</t:Subject></t:Message>";
    assert_eq!(
        bench
            .create("MessageDisposition=\"SendOnly\"", nobody)
            .await
            .code(),
        "ErrorInvalidRecipients"
    );
    let draft = bench.create(SAVE, &item).await.ok().id();
    bench.get(&draft.0, ALL).await.has("<t:IsDraft>true</t:IsDraft>");
    bench
        .ews(&format!("<m:SendItem SaveItemToFolder=\"true\"><m:ItemIds><t:ItemId Id=\"{}\" ChangeKey=\"{}\"/></m:ItemIds></m:SendItem>", draft.0, draft.1))
        .await
        .ok();
    assert_eq!(bench.mails().await.len(), 2);
    assert_eq!(bench.get(&draft.0, ALL).await.code(), "ErrorItemNotFound");
}

#[tokio::test]
async fn one_subscription_tells_of_all_folders() {
    let bench = Bench::new().await;
    let types = [
        "NewMailEvent",
        "CreatedEvent",
        "DeletedEvent",
        "ModifiedEvent",
        "MovedEvent",
        "CopiedEvent",
    ]
    .map(|t| format!("<t:EventType>{t}</t:EventType>"))
    .concat();
    let answer = bench
        .ews(&format!("<m:Subscribe><m:PullSubscriptionRequest SubscribeToAllFolders=\"true\"><t:EventTypes>{types}</t:EventTypes><t:Timeout>60</t:Timeout></m:PullSubscriptionRequest></m:Subscribe>"))
        .await
        .ok();
    let subscription = answer.one("<m:SubscriptionId>", "</m:SubscriptionId>");
    let events = async |watermark: &str| {
        bench
            .ews(&format!("<m:GetEvents><m:SubscriptionId>{subscription}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark></m:GetEvents>"))
            .await
            .ok()
    };
    let start = answer.one("<m:Watermark>", "</m:Watermark>");
    events(&start).await.has("<t:StatusEvent>");
    let made = bench
        .nina("POST", "messages", json!({"from": "a@x.example", "subject": "s"}))
        .await;
    bench
        .nina(
            "POST",
            "events",
            json!({"subject": "e", "start": "2026-03-01T10:00:00Z"}),
        )
        .await;
    bench.nina("POST", "tasks", json!({"subject": "t"})).await;
    let folder = bench
        .nina(
            "POST",
            "folders",
            json!({"name": "Projects", "class": "IPF.Note"}),
        )
        .await;
    let path = format!("messages/{}", quoted(&made["id"]));
    let moved = bench
        .nina("POST", &format!("{path}/move"), json!({"folder": "Projects"}))
        .await;
    bench
        .nina(
            "PATCH",
            "folders",
            json!({"name": "Projects", "new_name": "Work"}),
        )
        .await;
    bench
        .nina("PATCH", "folders", json!({"name": "Work", "parent": "Inbox"}))
        .await;
    let told = events(&start).await;
    for (event, count) in [("NewMailEvent", 1), ("CreatedEvent", 4), ("MovedEvent", 2)] {
        assert_eq!(
            told.body.matches(&format!("<t:{event}>")).count(),
            count,
            "{event}: {}",
            told.body
        );
    }
    told.has("<t:OldFolderId ");
    let mark = told.fields("Watermark").pop().unwrap();
    let to = folder["id"].as_str().unwrap();
    bench
        .ews(&format!("<m:CopyItem><m:ToFolderId><t:FolderId Id=\"{to}\"/></m:ToFolderId><m:ItemIds><t:ItemId Id=\"{}\"/></m:ItemIds></m:CopyItem>", moved["id"].as_str().unwrap()))
        .await
        .ok();
    let copies = bench.list(NINA.0, "messages").await;
    assert_eq!(
        (copies.len(), &copies[0]["folder"], &copies[1]["folder"]),
        (2, &json!("Work"), &json!("Work"))
    );
    events(&mark).await.has("<t:CopiedEvent>");
    // The same by EWS.
    let rename = format!(
        "<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id=\"{to}\"/><t:Updates><t:SetFolderField><t:FieldURI FieldURI=\"folder:DisplayName\"/><t:Folder><t:DisplayName>Archive</t:DisplayName></t:Folder></t:SetFolderField></t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    );
    bench.ews(&rename).await.ok();
    let shift = format!(
        "<m:MoveFolder><m:ToFolderId><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:ToFolderId><m:FolderIds><t:FolderId Id=\"{to}\"/></m:FolderIds></m:MoveFolder>"
    );
    assert_eq!(bench.ews(&shift).await.code(), "ErrorFolderExists");
    assert_eq!(
        bench
            .ews(&shift.replace(
                &format!("<t:FolderId Id=\"{to}\"/>"),
                "<t:DistinguishedFolderId Id=\"inbox\"/>"
            ))
            .await
            .code(),
        "ErrorMoveDistinguishedFolder"
    );
    let tree = bench
        .ews("<m:FindFolder Traversal=\"Deep\"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:ParentFolderIds><t:DistinguishedFolderId Id=\"msgfolderroot\"/></m:ParentFolderIds></m:FindFolder>")
        .await
        .ok();
    assert_eq!(
        tree.fields("DisplayName")
            .iter()
            .filter(|n| *n == "Archive")
            .count(),
        2
    );
}

#[tokio::test]
async fn single_items_fail_and_the_rest_goes_on() {
    let bench = Bench::new().await;
    for n in 0..3 {
        bench
            .nina(
                "POST",
                "messages",
                json!({"from": "a@x.example", "subject": n.to_string()}),
            )
            .await;
    }
    let ids = bench.sync("inbox", "").await.ids();
    let all = ids
        .iter()
        .map(|i| format!("<t:ItemId Id=\"{}\"/>", i.0))
        .collect::<Vec<_>>()
        .concat();
    bench.fault(json!({"operation": "GetItem", "kind": "item_error", "code": "ErrorMessageSizeExceeded", "skip": 1, "times": 1})).await;
    let got = bench.get_any(&all, ID_ONLY).await;
    assert_eq!(got.codes(), ["NoError", "ErrorMessageSizeExceeded", "NoError"]);
    let (status, _) = bench
        .sandbox
        .control(
            "POST",
            "/faults",
            json!({"service": "exchange", "kind": "item_error", "code": "ErrorNonsense"}),
        )
        .await;
    assert_eq!(status, 400);
    bench
        .fault(json!({"operation": "SyncFolderItems", "kind": "silent_resync", "times": 1}))
        .await;
    let first = bench.sync("inbox", "").await;
    assert_eq!(changes(&bench.sync("inbox", &state(&first)).await), (3, 0, 0, 0));
    let path = format!("/exchange/mailboxes/{}", NINA.0);
    bench.control("PUT", &path, json!({"quota_items": 3})).await;
    let full = bench
        .create("", "<t:Task><t:Subject>x</t:Subject></t:Task>")
        .await;
    assert_eq!(full.code(), "ErrorQuotaExceeded");
    // Too large to be returned, and the others are.
    bench.control("PUT", &path, json!({"quota_items": 0})).await;
    let large = bench.nina("POST", "messages", json!({"from": "a@x.example", "subject": "large", "attachments": [{"name": "l.bin", "size": 60 << 20}]})).await;
    let ids = format!("{all}<t:ItemId Id=\"{}\"/>", large["id"].as_str().unwrap());
    let got = bench
        .get_any(
            &ids,
            "<t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>",
        )
        .await;
    assert_eq!(
        got.codes(),
        ["NoError", "NoError", "NoError", "ErrorMessageSizeExceeded"]
    );
    assert!(large["mime_bytes"].as_u64().unwrap() > 60 << 20);
}

#[tokio::test]
async fn broken_and_guarded_mail() {
    let bench = Bench::new().await;
    let put = async |mime: &[u8]| {
        bench
            .nina("POST", "messages", json!({"mime_base64": STANDARD.encode(mime)}))
            .await
    };
    let broken = put(b"\xff\xfe no mime \0 at all").await;
    assert_eq!(
        (&broken["item_class"], &broken["from"]),
        (&json!("IPM.Note"), &json!(null))
    );
    bench.get(broken["id"].as_str().unwrap(), ALL).await.ok();
    let signed =
        put(b"Subject: s\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nAAAA")
            .await;
    assert_eq!(signed["item_class"], "IPM.Note.SMIME");
    let rights = bench.nina("POST", "messages", json!({"from": "a@x.example", "subject": "r", "item_class": "IPM.Note.rpmsg.Microsoft.Message", "sensitivity": "Private"})).await;
    assert_eq!(
        (&rights["item_class"], &rights["private"]),
        (&json!("IPM.Note.rpmsg.Microsoft.Message"), &json!(true))
    );
    for bad in [
        json!({"mime_base64": "!"}),
        json!({"mood": 1}),
        json!({"from": "nobody"}),
        json!({"attachments": [{"name": "x", "size": 1, "base64": "QQ=="}]}),
    ] {
        assert_eq!(bench.refused("POST", "messages", bad).await, 400);
    }
}
