use serde_json::{Value, json};
use tandem_mailbox::Ews;
use tandem_sync::model::{
    Answer, Candidate, Cursor, Fate, Field, FieldValue, ItemId, Kinds, MatchKey, MeetingId, Outcome, Part,
    Record, Scope, SeriesPart, Snapshot, Trace, Write,
};
use tandem_sync::ports::{Endpoint as _, Mailbox as _};
use tandem_types::{IssueCode, ItemKind};

use crate::support::{World, create, delete, key, known, make, round, trace, update, want, written};

const ONLY: Kinds = Kinds::of(ItemKind::Event);

async fn settled(world: &World) -> Cursor {
    let ews = world.session();
    ews.prepare().await.unwrap();
    round(&ews, None, &want(ONLY)).await.1
}

fn event(subject: &str, when: &str) -> Record {
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, when)
}

const WHEN: &str = "2026-11-25T10:00:00Z/2026-11-25T11:30:00Z";

fn text(of: &Snapshot, field: Field) -> String {
    of.record.get(field).known().unwrap_or("-").to_owned()
}

fn facts(of: &Snapshot) -> &tandem_sync::model::EventFacts {
    of.extra.event.as_ref().unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_back_and_nobody_is_told() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let record = event("Visit \u{1f382}", WHEN)
        .with(Field::Body, "one\n\ntwo <&>")
        .with(Field::Location, "Berlin")
        .with(Field::Reminder, "30")
        .with(Field::ShowAs, "out_of_office")
        .with(Field::Private, "no");
    let made = make(&ews, 1, record.clone()).await;
    for field in record.fields.keys() {
        assert_eq!(made.record.get(*field), record.get(*field), "{field:?}");
    }
    assert_eq!(
        (made.scope, made.marked, made.key.clone()),
        (Scope::In, true, Some(key(1)))
    );
    assert_eq!(facts(&made).part, Part::Organizer);

    let set = [
        (Field::Subject, known("Other")),
        (Field::When, known("2026-12-24/2026-12-27")),
        (Field::Reminder, FieldValue::Empty),
        (Field::Location, FieldValue::Empty),
        (Field::Body, FieldValue::Empty),
        (Field::ShowAs, known("tentative")),
        (Field::Private, known("yes")),
    ];
    let outcome = ews.write(&[update(&made, &set)]).await.unwrap().remove(0);
    let Outcome::Written { now, replaced, .. } = &outcome else {
        panic!("{outcome:?}")
    };
    for (field, value) in &set {
        assert_eq!(now.record.get(*field), value, "{field:?}");
        assert_eq!(&replaced[field], record.get(*field), "{field:?}");
    }
    let back = [(Field::When, known(WHEN))];
    let now = written(&ews.write(&[update(now, &back)]).await.unwrap()[0]);
    assert_eq!(text(&now, Field::When), WHEN);
    assert_eq!(ews.write(&[delete(&now)]).await.unwrap(), [Outcome::Deleted]);
    assert_eq!(
        world.item("events", &world_id(&world).await).await["folder"],
        "Deleted Items"
    );
    assert_eq!(world.mails_sent().await, 0);
}

async fn world_id(world: &World) -> ItemId {
    let all = world.items("events").await;
    ItemId(all[0]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn whole_days_are_those_of_the_events_own_zone() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let mut expected = Vec::new();
    for (n, zone) in [
        json!("W. Europe Standard Time"),
        json!("New Zealand Standard Time"),
        json!("Hawaiian Standard Time"),
        json!("Line Islands Standard Time"),
        json!({ "id": "tzone://Microsoft/Custom", "rules": "XST-11XDT,M10.1.0,M4.1.0/3" }),
    ]
    .into_iter()
    .enumerate()
    {
        let day = format!("2026-12-{:02}", n + 1);
        let until = format!("2026-12-{:02}", n + 3);
        let id = world
            .add_item(
                "events",
                json!({ "subject": "Trip", "start": day, "end": until, "all_day": true, "zone": zone }),
            )
            .await;
        expected.push((id, format!("{day}/{until}")));
    }
    let ews = world.session();
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    for (id, days) in &expected {
        let found = &listed.present[id];
        assert_eq!(
            &text(found, Field::When),
            days,
            "{:?}",
            world.item("events", id).await
        );
        // Moved by a day, it stays a whole day of its zone.
        let next = days.replace("2026-12-0", "2026-12-1");
        let now = written(
            &ews.write(&[update(found, &[(Field::When, known(&next))])])
                .await
                .unwrap()[0],
        );
        assert_eq!(text(&now, Field::When), next);
        assert!(!facts(&now).broken_zone);
    }
    // A day that we make begins at midnight where the user is.
    let made = make(&ews, 9, event("Fair", "2026-12-20/2026-12-21")).await;
    let item = world.item("events", &made.id).await;
    assert!(item["zone"] != "UTC", "{item}");
    assert_eq!(text(&made, Field::When), "2026-12-20/2026-12-21");
}

#[tokio::test]
async fn a_zone_that_nobody_knows_is_told_and_the_rest_goes_on() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let lost = world
        .add_item("events", json!({ "subject": "Lost", "start": "2026-11-25T10:00:00", "end": "2026-11-25T11:00:00", "zone": "Middle Earth Standard Time" }))
        .await;
    let fine = world
        .add_item("events", json!({ "subject": "Fine", "start": "2026-11-25T10:00:00", "end": "2026-11-25T11:00:00", "zone": "Asia/Tokyo" }))
        .await;
    let (listed, ..) = round(&world.session(), Some(&cursor), &want(ONLY)).await;
    assert!(facts(&listed.present[&lost]).broken_zone);
    assert!(!facts(&listed.present[&fine]).broken_zone);
    assert_eq!(
        text(&listed.present[&fine], Field::When),
        "2026-11-25T01:00:00Z/2026-11-25T02:00:00Z"
    );
}

fn weekly(count: u32) -> Value {
    json!({
        "subject": "Stand-up", "start": "2026-11-23T09:00:00", "end": "2026-11-23T09:15:00",
        "zone": "W. Europe Standard Time", "categories": ["Salesforce"],
        "recurrence": { "pattern": "daily", "interval": 1, "count": count },
    })
}

async fn full_round(ews: &Ews, since: Option<&Cursor>) -> (Vec<Snapshot>, Cursor, bool) {
    let (listed, cursor, full) = round(ews, since, &want(ONLY)).await;
    (
        listed.present.into_values().collect(),
        cursor,
        full.has(ItemKind::Event),
    )
}

#[tokio::test]
async fn a_series_is_its_occurrences_and_any_change_of_it_lists_all() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let series = world.add_item("events", weekly(5)).await;
    let ews = world.session();
    let (found, cursor, full) = full_round(&ews, Some(&cursor)).await;
    assert!(full);
    assert_eq!(found.len(), 5);
    for occurrence in &found {
        let facts = facts(occurrence);
        assert_eq!(facts.series, SeriesPart::Occurrence);
        assert!(occurrence.extra.untaggable && occurrence.marked && occurrence.id != series);
        let planned = facts.original_start.as_deref().unwrap();
        assert!(text(occurrence, Field::When).starts_with(planned), "{planned}");
    }
    // One is moved, one is taken out.
    world
        .change_item("events", &series, json!({ "original_start": "2026-11-24T08:00:00Z", "start": "2026-11-24T15:00:00Z", "end": "2026-11-24T15:15:00Z", "subject": "Later" }))
        .await;
    world
        .delete_item("events", &series, "original_start=2026-11-26T08:00:00Z")
        .await;
    let (found, cursor, full) = full_round(&ews, Some(&cursor)).await;
    assert!(full);
    assert_eq!(found.len(), 4);
    let moved = found.iter().find(|s| text(s, Field::Subject) == "Later").unwrap();
    assert_eq!(
        facts(moved).original_start.as_deref(),
        Some("2026-11-24T08:00:00Z")
    );
    assert_eq!(
        text(moved, Field::When),
        "2026-11-24T15:00:00Z/2026-11-24T15:15:00Z"
    );

    // We change two of one series at once: both are written, and the rest of it stays a series.
    let plain: Vec<&Snapshot> = found
        .iter()
        .filter(|s| text(s, Field::Subject) == "Stand-up")
        .collect();
    let set = |n: usize, what: &str| update(plain[n], &[(Field::Location, known(what))]);
    let outcomes = ews.write(&[set(0, "A"), set(1, "B"), set(2, "C")]).await.unwrap();
    let places: Vec<String> = outcomes
        .iter()
        .map(|o| text(&written(o), Field::Location))
        .collect();
    assert_eq!(places, ["A", "B", "C"]);
    assert_eq!(written(&outcomes[0]).id, plain[0].id);
    // What a user changes in between is not overwritten.
    let stale = ews.read(&[plain[0].id.clone()]).await.unwrap().remove(0).unwrap();
    world
        .change_item(
            "events",
            &series,
            json!({ "original_start": facts(plain[0]).original_start, "location": "user" }),
        )
        .await;
    let outcome = ews
        .write(&[update(&stale, &[(Field::Location, known("ours"))])])
        .await
        .unwrap()
        .remove(0);
    assert!(matches!(outcome, Outcome::Conflict(_)), "{outcome:?}");

    // The whole series goes: its occurrences are absent from a full listing.
    world.delete_item("events", &series, "").await;
    let (found, _, full) = full_round(&ews, Some(&cursor)).await;
    assert!(full && found.is_empty());
    let fates = ews.fates(&[trace(plain[0])]).await.unwrap();
    assert!(!matches!(fates[0], Fate::Here(_)), "{:?}", fates[0]);
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn a_series_that_is_filed_elsewhere_is_followed_and_nothing_of_it_counts_as_deleted() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    world
        .control(
            "POST",
            &format!("/exchange/mailboxes/{}/folders", world.user.mailbox),
            json!({ "name": "Team", "class": "IPF.Appointment" }),
        )
        .await;
    let series = world.add_item("events", weekly(4)).await;
    let single = world
        .add_item(
            "events",
            json!({ "subject": "Alone", "start": "2026-11-24T10:00:00Z", "end": "2026-11-24T11:00:00Z" }),
        )
        .await;
    world
        .change_item("events", &series, json!({ "original_start": "2026-11-26T08:00:00Z", "start": "2027-01-05T15:00:00Z", "end": "2027-01-05T15:15:00Z" }))
        .await;
    let ews = world.session();
    let (found, ..) = full_round(&ews, Some(&cursor)).await;
    assert_eq!(found.len(), 5);
    // As the engine asks: under a key that none of them carries.
    let asked: Vec<Trace> = found
        .iter()
        .zip(1..)
        .map(|(of, n)| Trace {
            carried: false,
            meeting: Some(MeetingId {
                uid: facts(of).uid.clone().unwrap(),
                original_start: facts(of).original_start.clone(),
            }),
            ..Trace::new(ItemKind::Event, of.id.clone(), key(n))
        })
        .collect();
    let moved = world.move_item("events", &series, "Team").await;
    let alone = world.move_item("events", &single, "Team").await;
    let ews = world.session();
    let fates = ews.fates(&asked).await.unwrap();
    for ((was, asked), fate) in found.iter().zip(&asked).zip(&fates) {
        let Fate::Here(now) = fate else { panic!("{fate:?}") };
        assert_ne!(now.id, asked.id);
        assert_eq!(now.record, was.record);
        assert_eq!(facts(now).original_start, facts(was).original_start);
    }
    // Without anything to find it by, nothing is proved.
    let blind: Vec<Trace> = asked
        .iter()
        .map(|trace| Trace {
            meeting: None,
            ..trace.clone()
        })
        .collect();
    assert!(
        ews.fates(&blind)
            .await
            .unwrap()
            .iter()
            .all(|fate| *fate == Fate::Unproved)
    );

    // One occurrence is taken out; then all goes to Deleted Items, or is purged.
    let of = |start: &str| {
        let at = |trace: &&Trace| trace.meeting.as_ref().unwrap().original_start.as_deref() == Some(start);
        asked.iter().find(at).unwrap().clone()
    };
    let (first, last) = (of("2026-11-24T08:00:00Z"), of("2026-11-26T08:00:00Z"));
    world
        .delete_item("events", &moved, "original_start=2026-11-24T08:00:00Z")
        .await;
    let fates = world.session().fates(&[first, last]).await.unwrap();
    assert_eq!(fates[0], Fate::Deleted { merged_into: None });
    assert!(matches!(fates[1], Fate::Here(_)), "{:?}", fates[1]);
    world.delete_item("events", &moved, "").await;
    world.delete_item("events", &alone, "hard=true").await;
    let fates = world.session().fates(&asked).await.unwrap();
    assert!(
        fates
            .iter()
            .all(|fate| *fate == Fate::Deleted { merged_into: None }),
        "{fates:?}"
    );
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn an_occurrence_that_is_deleted_takes_none_of_the_others_with_it() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    world.add_item("events", weekly(3)).await;
    let ews = world.session();
    let (found, ..) = full_round(&ews, Some(&cursor)).await;
    assert_eq!(ews.write(&[delete(&found[1])]).await.unwrap(), [Outcome::Deleted]);
    let fates = ews
        .fates(&[found[0].clone(), found[1].clone()].map(|s| {
            let mut trace = trace(&s);
            trace.key = key(1);
            trace
        }))
        .await
        .unwrap();
    assert!(matches!(fates[0], Fate::Here(_)));
    assert_eq!(fates[1], Fate::Deleted { merged_into: None });
    assert_eq!(full_round(&ews, None).await.0.len(), 2);
}

#[tokio::test]
async fn a_series_of_three_thousand_is_listed_in_pieces() {
    let world = World::new().await;
    // Every day from 2019 on for each of four series, and the window shows those in it.
    let cursor = settled(&world).await;
    for hour in 0..20 {
        let mut entry = weekly(900);
        entry["start"] = json!(format!("2025-06-01T{hour:02}:00:00"));
        entry["end"] = json!(format!("2025-06-01T{hour:02}:30:00"));
        world.add_item("events", entry).await;
    }
    let ews = world.session();
    world.reset().await;
    let mut wide = want(ONLY);
    wide.events.from = crate::support::at("2026-06-01T00:00:00Z");
    let (listed, _, full) = round(&ews, Some(&cursor), &wide).await;
    assert!(full.has(ItemKind::Event));
    assert!(listed.present.len() > 3_000, "{}", listed.present.len());
    let operations = world.operations().await;
    assert!(
        operations["SyncFolderItems"] == 1 && operations["FindItem"] < 16,
        "{operations:?}"
    );
}

#[tokio::test]
async fn single_events_cost_what_they_are_and_old_ones_nothing() {
    let world = World::new().await;
    for n in 0..40 {
        world
            .add_item("events", json!({ "subject": format!("Old {n}"), "start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:00:00Z" }))
            .await;
    }
    let inside = world
        .add_item(
            "events",
            json!({ "subject": "Now", "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z" }),
        )
        .await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let (listed, cursor, full) = round(&ews, None, &want(ONLY)).await;
    assert!(full.has(ItemKind::Event));
    assert_eq!(listed.present.keys().collect::<Vec<_>>(), [&inside]);
    world.reset().await;
    let (listed, cursor, full) = round(&world.session(), Some(&cursor), &want(ONLY)).await;
    assert!(listed.present.is_empty() && full.is_empty());
    assert_eq!(world.requests().await, 1);
    // Moved out of the window, it is told all the same; and its deletion lists nothing in full.
    world
        .change_item(
            "events",
            &inside,
            json!({ "start": "2030-11-25T10:00:00Z", "end": "2030-11-25T11:00:00Z" }),
        )
        .await;
    let (listed, cursor, full) = round(&world.session(), Some(&cursor), &want(ONLY)).await;
    assert_eq!(
        text(&listed.present[&inside], Field::When),
        "2030-11-25T10:00:00Z/2030-11-25T11:00:00Z"
    );
    assert!(full.is_empty());
    world.delete_item("events", &inside, "").await;
    world.reset().await;
    let (listed, _, full) = round(&world.session(), Some(&cursor), &want(ONLY)).await;
    assert_eq!(listed.absent, [inside]);
    assert!(full.is_empty());
    assert!(!world.operations().await.contains_key("FindItem"));
}

#[tokio::test]
async fn meetings_and_their_people() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let id = world
        .add_item("events", json!({
            "subject": "Review", "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z",
            "html": "<p>see <a href=\"https://x.example\">this</a></p>",
            "organizer": "Otto <otto@fabrikam.example>", "my_response": "Tentative",
            "attendees": [ { "address": "ada@fabrikam.example", "name": "Ada", "response": "Accept" }, { "name": "nobody" } ],
        }))
        .await;
    let ews = world.session();
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    let invited = &listed.present[&id];
    let seen = facts(invited);
    assert_eq!((seen.part, seen.answer), (Part::Attendee, Answer::Tentative));
    assert_eq!(text(invited, Field::Answer), "tentative");
    assert_eq!(seen.organizer.as_ref().unwrap().address, "otto@fabrikam.example");
    assert!(
        seen.attendees
            .iter()
            .any(|a| a.who.address == "ada@fabrikam.example" && a.answer == Answer::Accepted)
    );
    assert!(seen.attendees.iter().all(|a| a.who.address.contains('@')));
    assert!(seen.rich_body && !seen.cancelled);
    assert_eq!(text(invited, Field::Body), "see this");
    // A text with links is not overwritten.
    let outcome = ews
        .write(&[update(invited, &[(Field::Body, known("plain"))])])
        .await
        .unwrap()
        .remove(0);
    let Outcome::Refused(refusal) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(refusal.code, IssueCode::RichBody);
    // By its id, wherever it starts.
    let uid = seen.uid.clone().unwrap();
    let keys = [
        MatchKey::Meeting {
            uid: uid.to_lowercase(),
            original_start: None,
        },
        MatchKey::Meeting {
            uid: "somebody else's".to_owned(),
            original_start: None,
        },
        MatchKey::Event {
            subject: "REVIEW".to_owned(),
            start: "2026-11-25T10:00:00Z".to_owned(),
        },
        MatchKey::Event {
            subject: "Review".to_owned(),
            start: "2026-11-25T10:30:00Z".to_owned(),
        },
        MatchKey::Task {
            subject: "Review".to_owned(),
            due: String::new(),
        },
    ];
    let found: Vec<usize> = ews
        .candidates(&keys)
        .await
        .unwrap()
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(found, [1, 0, 1, 0, 0]);
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn occurrences_are_found_by_series_and_plan() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let series = world.add_item("events", weekly(4)).await;
    world
        .change_item("events", &series, json!({ "original_start": "2026-11-26T08:00:00Z", "start": "2027-01-05T15:00:00Z", "end": "2027-01-05T15:15:00Z" }))
        .await;
    let ews = world.session();
    let (found, ..) = full_round(&ews, Some(&cursor)).await;
    let uid = facts(&found[0]).uid.clone().unwrap();
    let asked = |start: &str| MatchKey::Meeting {
        uid: uid.clone(),
        original_start: Some(start.to_owned()),
    };
    let answers = ews
        .candidates(&[
            asked("2026-11-23T08:00:00Z"),
            asked("2026-11-26T08:00:00Z"),
            asked("2026-11-30T08:00:00Z"),
        ])
        .await
        .unwrap();
    let planned = |candidates: &[Candidate]| match candidates {
        [Candidate::Same(one)] => facts(one).original_start.clone(),
        other => panic!("{} found", other.len()),
    };
    assert_eq!(planned(&answers[0]).as_deref(), Some("2026-11-23T08:00:00Z"));
    assert_eq!(
        planned(&answers[1]).as_deref(),
        Some("2026-11-26T08:00:00Z"),
        "it was moved far away"
    );
    assert!(answers[2].is_empty());
}

#[tokio::test]
async fn events_are_followed_deleted_and_brought_back() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    world
        .control(
            "POST",
            &format!("/exchange/mailboxes/{}/folders", world.user.mailbox),
            json!({ "name": "Private", "class": "IPF.Appointment" }),
        )
        .await;
    let filed = make(&ews, 1, event("Filed", WHEN)).await;
    let gone = make(&ews, 2, event("Gone", WHEN)).await;
    let purged = make(&ews, 3, event("Purged", WHEN)).await;
    let new_id = world.move_item("events", &filed.id, "Private").await;
    world.delete_item("events", &gone.id, "").await;
    world.delete_item("events", &purged.id, "hard=true").await;
    let asked = [trace(&filed), trace(&gone), trace(&purged)];
    let fates = world.session().fates(&asked).await.unwrap();
    let Fate::Here(here) = &fates[0] else {
        panic!("{:?}", fates[0])
    };
    assert_eq!((&here.id, here.scope), (&new_id, Scope::In));
    assert_eq!(
        fates[1..],
        [
            Fate::Deleted { merged_into: None },
            Fate::Deleted { merged_into: None }
        ]
    );
    let back = world.session().restore(&asked).await.unwrap();
    assert_eq!(written(&back[0]).id, new_id);
    assert_eq!(
        (written(&back[1]).scope, written(&back[1]).key),
        (Scope::In, Some(key(2)))
    );
    assert_eq!(back[2], Outcome::Missing);
    let made = ews
        .created(
            ItemKind::Event,
            &[key(2), key(3)],
            crate::support::at("2026-01-01T00:00:00Z"),
        )
        .await
        .unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(world.mails_sent().await, 0);
}

#[tokio::test]
async fn bad_events_are_refused_one_by_one() {
    let world = World::new().await;
    let ews = world.session();
    ews.prepare().await.unwrap();
    let writes = [
        create(1, event("Backwards", "2026-11-25T11:00:00Z/2026-11-25T10:00:00Z")),
        create(2, event("Nothing", "2026-11-25/2026-11-25")),
        create(3, event("Soon", "soon")),
        create(4, Record::new(ItemKind::Event).with(Field::Subject, "Never")),
        create(5, event("Reminder", WHEN).with(Field::Reminder, "x")),
        create(6, Record::new(ItemKind::Email).with(Field::Subject, "Mail")),
        create(7, event("Fine", WHEN)),
        create(8, event("Six years", "2026-11-25T11:00:00Z/2032-11-26T10:00:00Z")),
    ];
    let outcomes = ews.write(&writes).await.unwrap();
    let code = |n: usize| match &outcomes[n] {
        Outcome::Refused(refusal) => refusal.code,
        other => panic!("{n}: {other:?}"),
    };
    assert_eq!(
        (code(0), code(1)),
        (IssueCode::EndBeforeStart, IssueCode::EndBeforeStart)
    );
    assert_eq!([code(2), code(3), code(4), code(5)], [IssueCode::Refused; 4]);
    written(&outcomes[6]);
    assert_eq!(code(7), IssueCode::EventTooLong);
    assert_eq!(world.items("events").await.len(), 1);
}

#[tokio::test]
async fn invitations_go_out_only_where_the_user_wants_them() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let id = world
        .add_item("events", json!({ "subject": "Own", "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z", "attendees": [ { "address": "ada@fabrikam.example" } ], "send": true }))
        .await;
    world.reset().await;
    let ews = world.session();
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    let now = &listed.present[&id];
    assert_eq!(facts(now).part, Part::Organizer);
    let moved = |of: &Snapshot, notify: bool| {
        let mut write = update(of, &[(Field::Location, known(if notify { "A" } else { "B" }))]);
        if let Write::Update { notify: say, .. } = &mut write {
            *say = notify;
        }
        write
    };
    let now = written(&ews.write(&[moved(now, false)]).await.unwrap()[0]);
    assert_eq!(world.mails_sent().await, 0);
    let now = written(&ews.write(&[moved(&now, true)]).await.unwrap()[0]);
    assert_eq!(world.mails_sent().await, 1);
    assert_eq!(ews.write(&[delete(&now)]).await.unwrap(), [Outcome::Deleted]);
    assert_eq!(world.mails_sent().await, 1);
}

#[tokio::test]
async fn one_item_that_cannot_be_read_is_told_and_the_rest_goes_on() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    for n in 0..3 {
        world
            .add_item("events", json!({ "subject": format!("{n}"), "start": "2026-11-25T10:00:00Z", "end": "2026-11-25T11:00:00Z" }))
            .await;
    }
    world
        .fault(
            Some("GetItem"),
            json!({ "kind": "item_error", "code": "ErrorCorruptData", "times": 1 }),
        )
        .await;
    let ews = world.session();
    let (listed, ..) = round(&ews, Some(&cursor), &want(ONLY)).await;
    assert_eq!(listed.present.len(), 2);
    let unreadable = ews.unreadable();
    assert_eq!(unreadable.len(), 1);
    assert_eq!(
        (unreadable[0].0, unreadable[0].2.code),
        (ItemKind::Event, IssueCode::Unreadable)
    );
    assert!(ews.unreadable().is_empty());
}

#[tokio::test]
async fn faults_of_the_calendar_lose_nothing() {
    let world = World::new().await;
    let cursor = settled(&world).await;
    let series = world.add_item("events", weekly(5)).await;
    // Lost in the middle of a round: the same cursor once more.
    for operation in ["GetEvents", "SyncFolderItems", "FindItem", "GetItem"] {
        world
            .fault(Some(operation), json!({ "kind": "cut_body", "times": 5 }))
            .await;
        assert!(
            world.session().changes(Some(&cursor), &want(ONLY)).await.is_err(),
            "{operation}"
        );
        world.no_faults().await;
    }
    let (found, next, full) = full_round(&world.session(), Some(&cursor)).await;
    assert!(full && found.len() == 5);
    // A state that the server no longer knows, said or unsaid.
    world
        .change_item("events", &series, json!({ "location": "Berlin" }))
        .await;
    world
        .fault(
            Some("SyncFolderItems"),
            json!({ "kind": "silent_resync", "times": 1 }),
        )
        .await;
    let (found, ..) = full_round(&world.session(), Some(&next)).await;
    assert!(found.len() == 5 && found.iter().all(|s| text(s, Field::Location) == "Berlin"));
    world.no_faults().await;
    world
        .fault(
            Some("SyncFolderItems"),
            json!({ "kind": "expired_cursor", "times": 1 }),
        )
        .await;
    let fault = world
        .session()
        .changes(Some(&next), &want(ONLY))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, tandem_sync::FaultKind::CursorExpired);
    world.no_faults().await;
    assert_eq!(full_round(&world.session(), None).await.0.len(), 5);
}
