use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_sync::model::{
    Answer, Fate, Field, FieldValue, Kinds, Mark, MatchKey, MeetingId, Outcome, Part, Record, Scope,
    SeriesPart, Snapshot, Trace, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{IssueCode, ItemKind, Timestamp};

use crate::support::{create, delete, key, known, make, round, trace, update, want, written};
use crate::world::{Cloud, find, named, text};

const ONLY: Kinds = Kinds::of(ItemKind::Event);

fn event(subject: &str, when: &str) -> Record {
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, when)
}

fn facts(of: &Snapshot) -> &tandem_sync::model::EventFacts {
    of.extra.event.as_deref().unwrap()
}

fn weekly(count: u32) -> Value {
    json!({
        "subject": "Weekly", "start": "2026-11-03T09:00:00Z", "end": "2026-11-03T09:30:00Z", "categories": ["Salesforce"],
        "recurrence": { "pattern": "weekly", "interval": 1, "days": ["Tuesday"], "count": count },
    })
}

fn notified(write: Write, by: bool) -> Write {
    match write {
        Write::Update {
            kind,
            id,
            version,
            set,
            key,
            mark,
            ..
        } => Write::Update {
            kind,
            id,
            version,
            set,
            key,
            mark,
            notify: by,
        },
        Write::Delete {
            kind, id, version, ..
        } => Write::Delete {
            kind,
            id,
            version,
            notify: by,
        },
        Write::Create { key, record, .. } => Write::Create {
            key,
            record,
            notify: by,
        },
    }
}

fn refusal(outcome: &Outcome) -> (IssueCode, Vec<Field>) {
    match outcome {
        Outcome::Refused(refusal) => (refusal.code, refusal.fields.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_written_is_read_back_and_nobody_is_told() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let graph = cloud.graph();
    let record = event("Lunch 渡辺 <&>", "2026-12-01T11:00:00Z/2026-12-01T12:30:00Z")
        .with(Field::Body, "one\n\ntwo <b>")
        .with(Field::Location, "Harry's Bar")
        .with(Field::Reminder, "30")
        .with(Field::ShowAs, "out_of_office")
        .with(Field::Private, "yes");
    let made = make(&graph, 1, record.clone()).await;
    for (field, value) in &record.fields {
        assert_eq!(made.record.get(*field), value, "{field:?}");
    }
    assert_eq!(
        (made.scope, made.marked, made.key.clone()),
        (Scope::In, true, Some(key(1)))
    );
    let (listed, cursor, full) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&made.id], made);
    assert!(full.is_empty());
    let set = [
        (Field::When, known("2026-12-02T11:00:00Z/2026-12-02T12:30:00Z")),
        (Field::Body, FieldValue::Empty),
        (Field::Location, FieldValue::Empty),
        (Field::Reminder, FieldValue::Empty),
        (Field::Private, known("no")),
        (Field::ShowAs, known("free")),
    ];
    let now = written(&graph.write(&[update(&made, &set)]).await.unwrap()[0]);
    for (field, value) in &set {
        assert_eq!(now.record.get(*field), value, "{field:?}");
    }
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert_eq!(listed.present[&made.id], now);
    for _ in 0..2 {
        cloud.reset().await;
        let (quiet, ..) = cloud.next(&cursor, ONLY).await;
        assert!(quiet.present.is_empty() && quiet.absent.is_empty());
        assert_eq!(
            cloud.graph_requests().await,
            1,
            "{:?}",
            cloud.graph_operations().await
        );
    }
    // The same request twice makes one event.
    let again = graph.write(&[create(1, record)]).await.unwrap().remove(0);
    assert!(matches!(&again, Outcome::Written { now, .. } if now.id == made.id) || again == Outcome::InDoubt);
    assert_eq!(
        cloud
            .items("events")
            .await
            .iter()
            .filter(|e| e["subject"] == "Lunch 渡辺 <&>")
            .count(),
        1
    );
    // The same as Exchange Web Services shows it.
    let theirs = cloud
        .session()
        .created(ItemKind::Event, &[key(1)], Timestamp(0))
        .await
        .unwrap();
    assert_eq!(theirs[0].record, now.record);
    assert_eq!(graph.write(&[delete(&now)]).await.unwrap(), [Outcome::Deleted]);
    assert_eq!(
        graph.fates(&[trace(&now)]).await.unwrap(),
        [Fate::Deleted { merged_into: None }]
    );
    assert_eq!(cloud.mails_sent().await, 0);
}

#[tokio::test]
async fn whole_days_are_never_shifted() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let zones = [
        "W. Europe Standard Time",
        "Tokyo Standard Time",
        "Hawaiian Standard Time",
        "UTC",
        "Line Islands Standard Time",
    ];
    for zone in zones {
        cloud
            .add_item("events", json!({ "subject": zone, "start": "2026-12-24", "end": "2026-12-26", "all_day": true, "zone": zone }))
            .await;
    }
    cloud
        .add_item(
            "events",
            json!({
                "subject": "own rules", "start": "2026-12-24", "end": "2026-12-26", "all_day": true,
                "zone": { "id": "tzone://Microsoft/Custom", "rules": "XST-1XDT,M3.5.0,M10.5.0/3" },
            }),
        )
        .await;
    for floats in [false, true] {
        cloud.knob(json!({ "all_day_floats": floats })).await;
        let (listed, ..) = cloud.next(&cursor, ONLY).await;
        for name in zones.into_iter().chain(["own rules"]) {
            assert_eq!(
                text(named(&listed, name), Field::When),
                "2026-12-24/2026-12-26",
                "{name} {floats}"
            );
        }
    }
    let graph = cloud.graph();
    let made = make(&graph, 1, event("ours", "2026-12-30/2026-12-31")).await;
    assert_eq!(text(&made, Field::When), "2026-12-30/2026-12-31");
    let now = written(
        &graph
            .write(&[update(&made, &[(Field::When, known("2027-01-01/2027-01-03"))])])
            .await
            .unwrap()[0],
    );
    assert_eq!(text(&now, Field::When), "2027-01-01/2027-01-03");
    assert_eq!(
        cloud.shown("events", "ours").await["zone"],
        "W. Europe Standard Time"
    );
    // The zone that the user chose stays, and so does its clock after a move over the change of the clocks.
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let tokyo = named(&listed, "Tokyo Standard Time");
    let now = graph
        .write(&[update(
            tokyo,
            &[(Field::When, known("2027-01-04T01:00:00Z/2027-01-04T02:00:00Z"))],
        )])
        .await
        .unwrap();
    assert_eq!(
        text(&written(&now[0]), Field::When),
        "2027-01-04T01:00:00Z/2027-01-04T02:00:00Z"
    );
    assert_eq!(
        cloud.shown("events", "Tokyo Standard Time").await["zone"],
        "Tokyo Standard Time"
    );
}

#[tokio::test]
async fn a_series_is_its_occurrences_and_any_change_of_it_lists_all() {
    let cloud = Cloud::new().await;
    cloud
        .add_item(
            "events",
            json!({ "subject": "single", "start": "2026-11-20T09:00:00Z", "end": "2026-11-20T10:00:00Z" }),
        )
        .await;
    let series = cloud.add_item("events", weekly(5)).await;
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let (listed, cursor, full) = round(&graph, None, &want(ONLY)).await;
    assert!(full.has(ItemKind::Event));
    let occurrences = |listed: &crate::support::Listed| {
        let mut all: Vec<_> = listed
            .present
            .values()
            .filter(|one| facts(one).series == SeriesPart::Occurrence)
            .cloned()
            .collect();
        all.sort_by_key(|one| facts(one).original_start.clone());
        all
    };
    let first = occurrences(&listed);
    assert_eq!(first.len(), 5);
    assert_eq!(
        facts(&first[0]).original_start.as_deref(),
        Some("2026-11-03T09:00:00Z")
    );
    assert!(
        first
            .iter()
            .all(|one| one.extra.untaggable && one.key.is_none() && one.marked)
    );
    let uid = facts(&first[0]).uid.clone();
    assert!(
        uid.is_some() && first.iter().all(|one| facts(one).uid == uid),
        "one id for the series"
    );
    // As Exchange Web Services shows it: a mailbox that moves keeps what its meetings are known by.
    let (theirs, ..) = round(&cloud.session(), None, &want(ONLY)).await;
    let theirs = occurrences(&theirs);
    assert_eq!(
        facts(&theirs[0]).uid.as_deref().map(str::to_lowercase),
        uid.as_deref().map(str::to_lowercase)
    );
    for (a, b) in first.iter().zip(&theirs) {
        assert_eq!(
            (&a.record, &facts(a).original_start),
            (&b.record, &facts(b).original_start)
        );
    }
    // One occurrence moved, another deleted.
    cloud
        .change_item("events", &series, json!({ "original_start": "2026-11-10T09:00:00Z", "start": "2026-11-11T14:00:00Z", "end": "2026-11-11T15:00:00Z" }))
        .await;
    let (listed, cursor, full) = cloud.next(&cursor, ONLY).await;
    assert!(full.has(ItemKind::Event));
    let second = occurrences(&listed);
    assert_eq!(second.len(), 5);
    assert_eq!(
        text(&second[1], Field::When),
        "2026-11-11T14:00:00Z/2026-11-11T15:00:00Z"
    );
    assert_eq!(
        facts(&second[1]).original_start.as_deref(),
        Some("2026-11-10T09:00:00Z")
    );
    cloud
        .delete_item("events", &series, "original_start=2026-11-17T09:00:00Z")
        .await;
    let (listed, cursor, full) = cloud.next(&cursor, ONLY).await;
    let gone = &second[2];
    if full.has(ItemKind::Event) {
        assert_eq!(occurrences(&listed).len(), 4);
    } else {
        assert_eq!(listed.absent, std::slice::from_ref(&gone.id));
    }
    let keyless = |of: &Snapshot| Trace {
        carried: false,
        meeting: Some(MeetingId {
            uid: facts(of).uid.clone().unwrap(),
            original_start: facts(of).original_start.clone(),
        }),
        ..trace(of)
    };
    let fates = graph
        .fates(&[keyless(gone), keyless(&second[1]), keyless(&second[3])])
        .await
        .unwrap();
    assert_eq!(fates[0], Fate::Deleted { merged_into: None });
    assert!(matches!(&fates[1], Fate::Here(_)) && matches!(&fates[2], Fate::Here(_)));
    // By series and plan, wherever it is now.
    let meeting = |start: &str| MatchKey::Meeting {
        uid: uid.clone().unwrap().to_lowercase(),
        original_start: Some(start.to_owned()),
    };
    let keys = [
        meeting("2026-11-10T09:00:00Z"),
        meeting("2026-11-24T09:00:00Z"),
        meeting("2026-11-17T09:00:00Z"),
    ];
    let found: Vec<usize> = graph
        .candidates(&keys)
        .await
        .unwrap()
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(found, [1, 1, 0]);
    // The series goes: all of it is absent.
    cloud.delete_item("events", &series, "").await;
    let (listed, _, full) = cloud.next(&cursor, ONLY).await;
    assert!(
        full.has(ItemKind::Event) && occurrences(&listed).is_empty() && find(&listed, "single").is_some()
    );
}

#[tokio::test]
async fn two_occurrences_are_changed_in_one_batch() {
    let cloud = Cloud::new().await;
    cloud.add_item("events", weekly(3)).await;
    let graph = cloud.graph();
    let (listed, ..) = round(&graph, None, &want(ONLY)).await;
    let writes: Vec<Write> = listed
        .present
        .values()
        .filter(|one| facts(one).series == SeriesPart::Occurrence)
        .map(|one| update(one, &[(Field::Location, known("elsewhere"))]))
        .collect();
    assert_eq!(writes.len(), 3);
    for outcome in graph.write(&writes).await.unwrap() {
        assert_eq!(text(&written(&outcome), Field::Location), "elsewhere");
    }
}

#[tokio::test]
async fn the_window_slides_and_a_moved_event_is_followed() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let graph = cloud.graph();
    let made = make(
        &graph,
        1,
        event("far", "2026-12-01T11:00:00Z/2026-12-01T12:00:00Z"),
    )
    .await;
    let (_, cursor, _) = cloud.next(&cursor, ONLY).await;
    // Outside of what the delta shows: it is no longer listed there, and it is not gone.
    let theirs = cloud.theirs("events", "far").await;
    cloud
        .change_item(
            "events",
            &theirs,
            json!({ "start": "2027-06-01T11:00:00Z", "end": "2027-06-01T12:00:00Z" }),
        )
        .await;
    let (listed, cursor, _) = cloud.next(&cursor, ONLY).await;
    assert!(listed.absent.contains(&made.id) || listed.present.contains_key(&made.id));
    let fates = graph.fates(&[trace(&made)]).await.unwrap();
    assert!(
        matches!(&fates[0], Fate::Here(now) if now.id == made.id),
        "{:?}",
        fates[0]
    );
    let mut later = want(ONLY);
    later.events.from = later.events.from.plus_seconds(2 * 86_400);
    later.events.to = later.events.to.plus_seconds(200 * 86_400);
    let (listed, cursor, full) = round(&cloud.graph(), Some(&cursor), &later).await;
    assert!(full.has(ItemKind::Event) && listed.present.contains_key(&made.id));
    cloud.reset().await;
    let (_, _, full) = round(&cloud.graph(), Some(&cursor), &later).await;
    assert!(full.is_empty());
    assert_eq!(cloud.graph_requests().await, 1);
}

#[tokio::test]
async fn nothing_is_done_that_would_send_mail_to_anyone() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    cloud
        .add_item("events", json!({
            "subject": "mine", "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z", "body": "x",
            "attendees": [{ "address": "ada@fabrikam.example", "name": "Ada", "response": "Accept" }],
        }))
        .await;
    cloud
        .add_item("events", json!({
            "subject": "theirs", "start": "2026-11-26T10:00:00Z", "end": "2026-11-26T11:00:00Z", "body": "x",
            "organizer": "Otto <otto@fabrikam.example>", "my_response": "Tentative",
            "attendees": [{ "address": "ada@fabrikam.example" }],
        }))
        .await;
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let (mine, theirs) = (named(&listed, "mine"), named(&listed, "theirs"));
    assert_eq!(
        (facts(mine).part, facts(mine).attendees[0].answer),
        (Part::Organizer, Answer::Accepted)
    );
    assert_eq!(
        (facts(theirs).part, facts(theirs).answer),
        (Part::Attendee, Answer::Tentative)
    );
    assert_eq!(text(theirs, Field::Answer), "tentative");
    let graph = cloud.graph();
    let loud = [
        (Field::Subject, known("new")),
        (Field::When, known("2026-11-27T10:00:00Z/2026-11-27T11:00:00Z")),
        (Field::Reminder, known("5")),
    ];
    let outcomes = graph
        .write(&[
            update(mine, &loud),
            update(theirs, &loud),
            delete(mine),
            delete(theirs),
            notified(update(theirs, &loud), true),
            notified(delete(theirs), true),
        ])
        .await
        .unwrap();
    for outcome in &outcomes {
        let (code, fields) = refusal(outcome);
        assert_eq!(code, IssueCode::ChangeInOutlook);
        assert!(
            fields.is_empty() || fields == [Field::Subject, Field::When],
            "{fields:?}"
        );
    }
    // What nobody is told of: the reminder, a category, our key.
    let quiet = |of: &Snapshot, n: u32| Write::Update {
        kind: ItemKind::Event,
        id: of.id.clone(),
        version: of.version.clone(),
        set: BTreeMap::from([(Field::Reminder, known("5"))]),
        key: Some(key(n)),
        mark: Some(Mark::Synced),
        notify: false,
    };
    let outcomes = graph.write(&[quiet(mine, 1), quiet(theirs, 2)]).await.unwrap();
    for (n, outcome) in (1..).zip(&outcomes) {
        let now = written(outcome);
        assert_eq!(
            (now.key.clone(), now.marked, text(&now, Field::Reminder)),
            (Some(key(n)), true, "5".to_owned())
        );
    }
    assert_eq!(cloud.mails_sent().await, 0);
    // The organizer's switch is on.
    let outcome = graph
        .write(&[notified(update(&written(&outcomes[0]), &loud), true)])
        .await
        .unwrap();
    assert_eq!(text(&written(&outcome[0]), Field::Subject), "new");
    assert!(cloud.mails_sent().await > 0);
    let sent = cloud.mails_sent().await;
    let outcome = graph
        .write(&[notified(delete(&written(&outcome[0])), true)])
        .await
        .unwrap();
    assert_eq!(outcome, [Outcome::Deleted]);
    assert!(cloud.mails_sent().await > sent);
}

#[tokio::test]
async fn texts_that_plain_text_would_destroy_stay() {
    let cloud = Cloud::new().await;
    let cursor = cloud.ready(ONLY).await;
    let entry = |subject: &str, more: Value| {
        let mut entry =
            json!({ "subject": subject, "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z" });
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    };
    cloud
        .add_item(
            "events",
            entry("online", json!({ "online_meeting": true, "body": "join" })),
        )
        .await;
    cloud
        .add_item(
            "events",
            entry(
                "rich",
                json!({ "html": "<p>see <a href=\"https://x.example\">this</a></p>" }),
            ),
        )
        .await;
    cloud
        .add_item(
            "events",
            entry("plain", json!({ "body": "see https://x.example/y\nand more" })),
        )
        .await;
    let (listed, ..) = cloud.next(&cursor, ONLY).await;
    let graph = cloud.graph();
    assert!(facts(named(&listed, "online")).online);
    assert_eq!(text(named(&listed, "rich"), Field::Body), "see this");
    assert_eq!(
        text(named(&listed, "plain"), Field::Body),
        "see https://x.example/y\nand more"
    );
    for name in ["online", "rich"] {
        let outcome = graph
            .write(&[update(named(&listed, name), &[(Field::Body, known("y"))])])
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            refusal(&outcome),
            (IssueCode::RichBody, vec![Field::Body]),
            "{name}"
        );
    }
    let outcomes = graph
        .write(&[
            update(
                named(&listed, "online"),
                &[(Field::Subject, known("still online"))],
            ),
            update(named(&listed, "plain"), &[(Field::Body, known("y"))]),
        ])
        .await
        .unwrap();
    assert!(facts(&written(&outcomes[0])).online);
    assert_eq!(text(&written(&outcomes[1]), Field::Body), "y");
    let outcomes = graph
        .write(&[
            create(1, event("backwards", "2026-12-01T11:00:00Z/2026-12-01T10:00:00Z")),
            create(2, event("bad", "some day")),
            create(3, Record::new(ItemKind::Email)),
            create(4, event("good", "2026-12-01T11:00:00Z/2026-12-01T12:00:00Z")),
        ])
        .await
        .unwrap();
    assert_eq!(refusal(&outcomes[0]).0, IssueCode::EndBeforeStart);
    assert_eq!(refusal(&outcomes[1]).1, [Field::When]);
    assert_eq!(refusal(&outcomes[2]).0, IssueCode::Refused);
    written(&outcomes[3]);
}

#[tokio::test]
async fn a_series_of_three_thousand_is_listed_in_pages() {
    let cloud = Cloud::new().await;
    cloud
        .add_item(
            "events",
            json!({
                "subject": "Often", "start": "2026-11-03T09:00:00Z", "end": "2026-11-03T09:30:00Z",
                "recurrence": { "pattern": "daily", "interval": 1 },
            }),
        )
        .await;
    let mut wide = want(ONLY);
    wide.events.to = wide.events.from.plus_seconds(1_000 * 86_400);
    let graph = cloud.graph();
    graph.prepare().await.unwrap();
    let (listed, _, full) = round(&graph, None, &wide).await;
    assert!(full.has(ItemKind::Event));
    assert!(listed.present.len() > 990, "{}", listed.present.len());
    assert!(listed.pages > 3);
}
