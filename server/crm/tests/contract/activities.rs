//! Events and tasks.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_sandbox::Options;
use tandem_sync::model::{
    Access, Answer, Candidate, Change, Fate, Field, FieldValue, ItemId, Kinds, MatchKey, Outcome, Part,
    Record, Relations, Scope, Snapshot, Trace, Write,
};
use tandem_sync::ports::{Crm as _, Endpoint as _};
use tandem_types::{IssueCode, ItemKind, Settings};

use super::{Rig, Session, delete, key, listing_of, one, present, refused, update, want, written};

pub(crate) const ALL: Kinds = Kinds::ALL;

impl Rig {
    /// Makes a record behind the connector's back.
    pub(crate) async fn make(&self, object: &str, user: usize, fields: Value) -> ItemId {
        let name = &self.sandbox.info().users[user].salesforce_username;
        let path = format!("/salesforce/records/{object}?as={name}");
        let made = self.control("POST", &path, json!({ "fields": fields })).await;
        ItemId(made["id"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn edit(&self, object: &str, id: &str, fields: Value) {
        let path = format!("/salesforce/records/{object}/{id}");
        self.control("PATCH", &path, json!({ "fields": fields })).await;
    }

    pub(crate) async fn all(&self, object: &str) -> Vec<Value> {
        let rows = self
            .control("GET", &format!("/salesforce/records/{object}"), Value::Null)
            .await;
        let live = |row: &&Value| row["IsDeleted"] != json!(true);
        rows.as_array().unwrap().iter().filter(live).cloned().collect()
    }

    pub(crate) async fn show(&self, object: &str, id: &ItemId) -> Value {
        self.control("GET", &format!("/salesforce/records/{object}/{id}"), Value::Null)
            .await
    }

    pub(crate) fn user_id(&self, user: usize) -> String {
        self.sandbox.info().users[user].salesforce_user_id.clone()
    }

    /// Everything so far lies behind the overlap.
    async fn an_hour_later(&self) {
        self.control("POST", "/clock", json!({"advance_s": 3600})).await;
        self.clock.advance(3600);
    }
}

pub(crate) fn make(n: u32, record: Record) -> Write {
    Write::Create {
        key: key(n),
        record,
        notify: false,
    }
}

fn event(subject: &str, when: &str) -> Record {
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, when)
}

fn task(subject: &str) -> Record {
    Record::new(ItemKind::Task)
        .with(Field::Subject, subject)
        .with(Field::Status, "not_started")
        .with(Field::Priority, "normal")
}

pub(crate) async fn done(session: &Session, write: Write) -> Snapshot {
    let outcomes = session.salesforce.write(&[write]).await.unwrap();
    written(&outcomes[0]).clone()
}

fn text(snapshot: &Snapshot, field: Field) -> Option<&str> {
    snapshot.record.get(field).known()
}

/// Days from now, as whole days.
fn days(session: &Session, from: i64, to: i64) -> String {
    let day = |n: i64| {
        let at = tandem_sync::ports::Clock::now(&*session.clock).plus_seconds(n * 86_400);
        tandem_sync::model::instant(at)[..10].to_owned()
    };
    format!("{}/{}", day(from), day(to))
}

fn hours(session: &Session, from: i64, to: i64) -> String {
    let at = |n: i64| {
        let now = tandem_sync::ports::Clock::now(&*session.clock).seconds() / 3600 * 3600;
        tandem_sync::model::instant(tandem_types::Timestamp::from_seconds(now + n * 3600))
    };
    format!("{}/{}", at(from), at(to))
}

#[tokio::test]
async fn an_idle_poll_of_all_kinds_costs_one_request() {
    let rig = Rig::start(Options {
        crm_events: 20,
        crm_tasks: 20,
        ..Options::default()
    })
    .await;
    let session = rig.session().await;
    let all = want(&session, ALL);
    let (items, last) = listing_of(&session, None, &all).await;
    let full = Kinds::ALL.without(ItemKind::Email);
    assert_eq!(last.full, full, "emails are never listed");
    let count = |kind| present(&items).values().filter(|s| s.record.kind == kind).count();
    assert!(count(ItemKind::Contact) >= 60 && count(ItemKind::Event) > 0 && count(ItemKind::Task) > 0);
    rig.an_hour_later().await;
    let (_, last) = listing_of(&session, Some(&last), &all).await;
    rig.an_hour_later().await;
    let before = rig.requests().await;
    let (items, idle) = listing_of(&session, Some(&last), &all).await;
    assert_eq!(rig.requests().await - before, 1);
    assert!(items.is_empty() && idle.full.is_empty(), "{items:?}");

    // A kind that the cursor was not made for is listed as from nothing; the others go on.
    let some = want(&session, Kinds::of(ItemKind::Contact).with(ItemKind::Task));
    let (_, fewer) = listing_of(&session, Some(&idle), &some).await;
    assert!(fewer.full.is_empty());
    let (items, again) = listing_of(&session, Some(&fewer), &all).await;
    assert_eq!(again.full, Kinds::of(ItemKind::Event));
    assert!(
        items
            .iter()
            .any(|i| matches!(i, Change::Present(s) if s.record.kind == ItemKind::Event))
    );
}

#[tokio::test]
async fn an_event_is_written_and_read_in_full() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let contact = rig.contact(0, json!({"LastName": "Guest"})).await;
    let account = rig.make("Account", 0, json!({"Name": "Acme"})).await;
    let relations = format!("who={contact};what={account}");
    let timed = hours(&session, 20, 47);
    let full = event("Größe 🦊", &timed)
        .with(Field::Body, "First\nSecond")
        .with(Field::Location, "Raum 1")
        .with(Field::Reminder, "15")
        .with(Field::ShowAs, "out_of_office")
        .with(Field::Private, "no")
        .with(Field::Relations, &relations);
    let days = days(&session, 2, 4);
    let all_day = event("Messe", &days).with(Field::Reminder, "540");
    let before = rig.requests().await;
    session.salesforce.profile().await.unwrap();
    let asked = rig.requests().await - before;
    assert!(asked <= 2, "the versions, and one request for every description");
    let before = rig.requests().await;
    let outcomes = session
        .salesforce
        .write(&[make(1, full.clone()), make(2, all_day.clone())])
        .await
        .unwrap();
    assert_eq!(rig.requests().await - before, 1);
    for (outcome, record) in outcomes.iter().zip([&full, &all_day]) {
        let now = written(outcome);
        for (field, value) in &record.fields {
            assert_eq!(now.record.get(*field), value, "{field:?}");
        }
        assert_eq!(now.scope, Scope::In);
        assert_eq!(now.extra.event.as_ref().unwrap().part, Part::Organizer);
        assert_eq!(now.record.get(Field::Answer), &FieldValue::Empty);
    }
    let row = rig.show("Event", &written(&outcomes[1]).id).await;
    let (first, until) = days.split_once('/').unwrap();
    assert_eq!(row["ActivityDate"], json!(first));
    assert!(
        row["EndDateTime"].as_str().unwrap()[..10] < *until,
        "the last day, not the one after"
    );

    // Done again, it is the same one.
    let again = session.salesforce.write(&[make(1, full)]).await.unwrap();
    assert_eq!(written(&again[0]).id, written(&outcomes[0]).id);

    // Moved: the reminder moves with it, and stays the same number of minutes before.
    let moved = hours(&session, 30, 31);
    let now = done(&session, update(written(&outcomes[0]), &[(Field::When, &moved)])).await;
    assert_eq!(text(&now, Field::When), Some(moved.as_str()));
    assert_eq!(text(&now, Field::Reminder), Some("15"));
    // Made private: what it belonged to goes with the same row.
    let now = done(&session, update(&now, &[(Field::Private, "yes")])).await;
    assert_eq!(text(&now, Field::Private), Some("yes"));
    assert_eq!(now.record.get(Field::Relations), &FieldValue::Empty);
    let public = [(Field::Private, "no"), (Field::Relations, relations.as_str())];
    let now = done(&session, update(&now, &public)).await;
    assert_eq!(text(&now, Field::Relations), Some(relations.as_str()));

    let gone = session.salesforce.write(&[delete(&now)]).await.unwrap();
    assert_eq!(gone, [Outcome::Deleted]);
    let trace = Trace {
        kind: ItemKind::Event,
        id: now.id.clone(),
        key: key(1),
        carried: true,
        meeting: None,
    };
    let fates = session
        .salesforce
        .fates(std::slice::from_ref(&trace))
        .await
        .unwrap();
    assert_eq!(fates, [Fate::Deleted { merged_into: None }]);
    let back = session.salesforce.restore(&[trace]).await.unwrap();
    assert_eq!(written(&back[0]).id, now.id);
    assert_eq!(
        one(&session, &now.id).await.record.get(Field::Subject),
        now.record.get(Field::Subject)
    );
}

#[tokio::test]
async fn an_invitation_comes_with_its_answer_and_is_answered_alone() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let all = want(&session, ALL);
    let (_, last) = listing_of(&session, None, &all).await;
    rig.an_hour_later().await;
    let me = session.salesforce.user();
    let when = hours(&session, 5, 6);
    let (start, end) = when.split_once('/').unwrap();
    let theirs = json!({"Subject": "Review", "StartDateTime": start, "EndDateTime": end});
    let meeting = rig.make("Event", 1, theirs).await;
    let guest = rig.user_id(2);
    for who in [me.as_str(), &guest] {
        rig.make(
            "EventRelation",
            1,
            json!({"EventId": meeting.0, "RelationId": who, "Status": "New"}),
        )
        .await;
    }
    let (items, last) = listing_of(&session, Some(&last), &all).await;
    let seen = present(&items)
        .remove(&meeting)
        .expect("the master, not the copy");
    let facts = seen.extra.event.clone().unwrap();
    assert_eq!(
        (seen.scope, facts.part, facts.answer),
        (Scope::In, Part::Attendee, Answer::None)
    );
    assert_eq!(text(&seen, Field::Answer), Some("none"));
    let invited = format!("invited={guest}:none");
    assert_eq!(
        text(&seen, Field::Relations),
        Some(invited.as_str()),
        "without the user himself"
    );
    assert_eq!(
        items
            .iter()
            .filter(|i| matches!(i, Change::Present(s) if s.record.kind == ItemKind::Event))
            .count(),
        1
    );

    // Somebody else's event: only the answer is written.
    let now = written(
        &session
            .salesforce
            .write(&[update(&seen, &[(Field::Answer, "accepted")])])
            .await
            .unwrap()[0],
    )
    .clone();
    assert_eq!(text(&now, Field::Answer), Some("accepted"));
    assert_ne!(now.version, seen.version, "an answer is a change");
    let rows = rig.all("EventRelation").await;
    let status = |who: &str| {
        let row = rows
            .iter()
            .find(|r| r["RelationId"] == json!(who) && r["EventId"] == json!(meeting.0));
        row.unwrap()["Status"].clone()
    };
    assert_eq!(
        (status(me.as_str()), status(&guest)),
        (json!("Accepted"), json!("New"))
    );

    // The other guest answers: the event's own stamp does not move.
    rig.an_hour_later().await;
    let (_, last) = listing_of(&session, Some(&last), &all).await;
    rig.an_hour_later().await;
    let row = rows
        .iter()
        .find(|r| r["RelationId"] == json!(me.as_str()) && r["EventId"] == json!(meeting.0));
    let own = row.unwrap()["Id"].as_str().unwrap().to_owned();
    rig.edit("EventRelation", &own, json!({"Status": "Declined"}))
        .await;
    let (items, last) = listing_of(&session, Some(&last), &all).await;
    assert_eq!(text(&present(&items)[&meeting], Field::Answer), Some("declined"));
    // The organiser moves it.
    rig.an_hour_later().await;
    let (_, last) = listing_of(&session, Some(&last), &all).await;
    rig.an_hour_later().await;
    rig.edit("Event", &meeting.0, json!({"Subject": "Review II"}))
        .await;
    let (items, last) = listing_of(&session, Some(&last), &all).await;
    assert_eq!(
        text(&present(&items)[&meeting], Field::Subject),
        Some("Review II")
    );
    // The invitation is taken back.
    rig.an_hour_later().await;
    let (_, last) = listing_of(&session, Some(&last), &all).await;
    rig.an_hour_later().await;
    rig.control(
        "DELETE",
        &format!("/salesforce/records/EventRelation/{own}"),
        Value::Null,
    )
    .await;
    let (items, _) = listing_of(&session, Some(&last), &all).await;
    assert!(items.contains(&Change::Left(meeting.clone())), "{items:?}");
    let trace = Trace {
        kind: ItemKind::Event,
        id: meeting,
        key: key(1),
        carried: true,
        meeting: None,
    };
    let fates = session.salesforce.fates(&[trace]).await.unwrap();
    assert!(
        matches!(&fates[0], Fate::Here(s) if s.scope == Scope::Out),
        "{fates:?}"
    );
}

#[tokio::test]
async fn invitees_are_replaced_as_a_whole() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (one_guest, other) = (rig.user_id(1), rig.user_id(2));
    let contact = rig.contact(0, json!({"LastName": "Guest"})).await;
    let invited = format!("invited={contact}:tentative,{one_guest}:none");
    let made = event("Workshop", &hours(&session, 5, 6)).with(Field::Relations, &invited);
    let made = done(&session, make(1, made)).await;
    assert_eq!(text(&made, Field::Relations), Some(invited.as_str()));
    let wanted = format!("invited={one_guest}:accepted,{other}:none");
    let outcomes = session
        .salesforce
        .write(&[update(&made, &[(Field::Relations, &wanted)])])
        .await
        .unwrap();
    let Outcome::Written { now, replaced, .. } = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(text(now, Field::Relations), Some(wanted.as_str()));
    assert_eq!(replaced[&Field::Relations].known(), Some(invited.as_str()));
    // Colleagues join and leave by their own connections: whoever else was invited is gone.
    let none = done(&session, update(now, &[(Field::Relations, "")])).await;
    assert_eq!(text(&none, Field::Relations), Some(wanted.as_str()));
    let left = rig.all("EventRelation").await;
    let left: Vec<_> = left.iter().filter(|r| r["EventId"] == json!(none.id.0)).collect();
    assert!(left.iter().all(|r| r["RelationId"] != json!(contact)), "{left:?}");
}

#[tokio::test]
async fn whom_an_event_is_about_and_who_is_invited_change_places() {
    for shared in [false, true] {
        let rig = Rig::fresh().await;
        rig.org(json!({"shared_activities": shared})).await;
        let session = rig.session().await;
        let a = rig.contact(0, json!({"LastName": "A"})).await;
        let b = rig.contact(0, json!({"LastName": "B"})).await;
        let relations = |who: &ItemId, invited: &ItemId| format!("who={who};invited={invited}:none");
        let record = event("Workshop", &hours(&session, 5, 6)).with(Field::Relations, &relations(&a, &b));
        let mut now = done(&session, make(1, record)).await;
        for wanted in [
            relations(&b, &a),
            relations(&a, &b),
            relations(&a, &a),
            relations(&b, &b),
        ] {
            now = done(&session, update(&now, &[(Field::Relations, &wanted)])).await;
            assert_eq!(text(&now, Field::Relations), Some(wanted.as_str()), "{shared}");
        }
        let row = rig.show("Event", &now.id).await;
        assert_eq!(row["WhoId"], json!(b.0), "{shared}");
    }
}

#[tokio::test]
async fn guests_and_senders_that_were_not_written_are_named() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let guest = rig
        .contact(0, json!({"LastName": "Guest", "Email": "guest@x.example"}))
        .await;
    let invited = format!("invited={guest}:none");
    let left = |outcome: &Outcome| match outcome {
        Outcome::Written { left, .. } => left.as_deref().map(|left| (left.fields.clone(), left.retry)),
        other => panic!("{other:?}"),
    };
    // A row that is locked for a moment costs nothing; one that stays locked is owed.
    let lock =
        |times: u32| json!({"operation": "collections_create", "kind": {"kind": "lock_row"}, "times": times});
    let meeting = |name: &str| event(name, &hours(&session, 5, 6)).with(Field::Relations, &invited);
    rig.fault(lock(1)).await;
    let outcomes = session
        .salesforce
        .write(&[make(1, meeting("short"))])
        .await
        .unwrap();
    assert_eq!(left(&outcomes[0]), None);
    rig.fault(lock(50)).await;
    let outcomes = session
        .salesforce
        .write(&[make(2, meeting("long"))])
        .await
        .unwrap();
    rig.clear_faults().await;
    assert_eq!(left(&outcomes[0]), Some((vec![Field::Relations], true)));
    let made = written(&outcomes[0]);
    assert_eq!(made.record.get(Field::Relations), &FieldValue::Empty);

    // One that is refused for good; the rest of the update is done.
    rig.org(
        json!({"validation_rule": {"object": "EventRelation", "field": "Status", "contains": "New",
        "message": "No guests."}}),
    )
    .await;
    let write = update(made, &[(Field::Subject, "longer"), (Field::Relations, &invited)]);
    let outcomes = session.salesforce.write(&[write]).await.unwrap();
    assert_eq!(left(&outcomes[0]), Some((vec![Field::Relations], false)));
    let now = written(&outcomes[0]);
    assert_eq!(text(now, Field::Subject), Some("longer"));
    rig.org(json!({"validation_rule": null})).await;
    let now = done(&session, update(now, &[(Field::Relations, &invited)])).await;
    assert_eq!(text(&now, Field::Relations), Some(invited.as_str()));
}

#[tokio::test]
async fn shared_activities_belong_to_several() {
    let rig = Rig::fresh().await;
    rig.org(json!({"shared_activities": true})).await;
    let session = rig.session().await;
    let profiles = session.salesforce.profile().await.unwrap();
    for kind in [ItemKind::Event, ItemKind::Task] {
        assert_eq!(profiles.of(kind).unwrap().people_max, 50);
    }
    let a = rig.contact(0, json!({"LastName": "A"})).await;
    let b = rig.contact(0, json!({"LastName": "B"})).await;
    let both = Relations {
        who: vec![b.clone(), a.clone()],
        ..Relations::default()
    };
    let both = both.to_value();
    let when = hours(&session, 5, 6);
    for (n, record) in [(1, event("Workshop", &when)), (2, task("Prepare"))] {
        let kind = record.kind;
        let mut record = record;
        record.set(Field::Relations, both.clone());
        let made = done(&session, make(n, record)).await;
        assert_eq!(made.record.get(Field::Relations), &both, "{kind:?}");
        let fewer = format!("who={a}");
        let now = done(&session, update(&made, &[(Field::Relations, &fewer)])).await;
        assert_eq!(text(&now, Field::Relations), Some(fewer.as_str()), "{kind:?}");
        assert_ne!(now.version, made.version);
        let none = done(&session, update(&now, &[(Field::Relations, "")])).await;
        assert_eq!(none.record.get(Field::Relations), &FieldValue::Empty, "{kind:?}");
    }
}

#[tokio::test]
async fn the_window_cuts_a_full_listing_and_nothing_else() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let events = want(&session, Kinds::of(ItemKind::Event));
    let at = |when: String| {
        let (start, end) = when.split_once('/').unwrap();
        json!({"Subject": "x", "StartDateTime": start, "EndDateTime": end})
    };
    let inside = rig.make("Event", 0, at(hours(&session, 5, 6))).await;
    let going_on = rig
        .make("Event", 0, at(hours(&session, -24 * 15, -24 * 13)))
        .await;
    let past = rig
        .make("Event", 0, at(hours(&session, -24 * 20, -24 * 19)))
        .await;
    let far = rig.make("Event", 0, at(hours(&session, 24 * 61, 24 * 62))).await;
    let (items, last) = listing_of(&session, None, &events).await;
    let listed: Vec<ItemId> = present(&items).into_keys().collect();
    assert!(
        listed.contains(&inside) && listed.contains(&going_on),
        "{listed:?}"
    );
    assert!(!listed.contains(&past) && !listed.contains(&far), "{listed:?}");
    rig.an_hour_later().await;
    rig.edit("Event", &far.0, json!({"Subject": "y"})).await;
    let (items, _) = listing_of(&session, Some(&last), &events).await;
    assert!(
        present(&items).contains_key(&far),
        "a change is told wherever it is"
    );
}

#[tokio::test]
async fn a_series_comes_as_single_events() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let at = |from: i64, extra: Value| {
        let when = hours(&session, from, from + 1);
        let (start, end) = when.split_once('/').unwrap();
        let mut row = json!({"Subject": "Weekly", "StartDateTime": start, "EndDateTime": end});
        row.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        row
    };
    let master = rig.make("Event", 0, at(24, json!({"IsRecurrence": true}))).await;
    let occurrence = rig
        .make("Event", 0, at(24, json!({"RecurrenceActivityId": master.0})))
        .await;
    let lightning = rig.make("Event", 0, at(48, json!({"IsRecurrence2": true}))).await;
    let (items, _) = listing_of(&session, None, &want(&session, Kinds::of(ItemKind::Event))).await;
    let listed = present(&items);
    assert!(
        !listed.contains_key(&master),
        "the row of the whole series is no event"
    );
    for id in [&occurrence, &lightning] {
        assert!(listed[id].extra.event.as_ref().unwrap().crm_series);
    }
}

#[tokio::test]
async fn tasks_are_written_with_the_organisations_words() {
    let rig = Rig::fresh().await;
    rig.org(json!({"picklists": {"Task.Status": ["Open", {"value": "Shelved"}, {"value": "Done", "closed": true}]}}))
        .await;
    let word = |word: &str, there: &str| (word.to_owned(), there.to_owned());
    let settings = Settings {
        task_status: [word("not_started", "Open"), word("completed", "Done")].into(),
        ..Settings::default()
    };
    let session = rig.session_with(0, settings).await;
    let full = task("Call back")
        .with(Field::Body, "Line\nLine")
        .with(Field::Due, "2026-12-01")
        .with(Field::Priority, "high")
        .with(Field::RemindAt, "2026-11-30T09:00:00Z");
    let deferred = task("Later").with(Field::Status, "deferred");
    let outcomes = session
        .salesforce
        .write(&[make(1, full.clone()), make(2, deferred)])
        .await
        .unwrap();
    let made = written(&outcomes[0]);
    for (field, value) in &full.fields {
        assert_eq!(made.record.get(*field), value, "{field:?}");
    }
    assert_eq!(rig.show("Task", &made.id).await["Status"], json!("Open"));
    assert_eq!(
        refused(&outcomes[1]),
        (IssueCode::UnknownValue, &[Field::Status][..])
    );
    let finished = done(&session, update(made, &[(Field::Status, "completed")])).await;
    assert_eq!(text(&finished, Field::Status), Some("completed"));
    assert!(finished.extra.task.unwrap().completed.is_some());
    // A status that is in no table: open is open.
    rig.edit("Task", &made.id.0, json!({"Status": "Shelved"})).await;
    let shelved = one(&session, &made.id).await;
    assert_eq!(text(&shelved, Field::Status), Some("in_progress"));
    assert_eq!(shelved.extra.task.unwrap().completed, None);
}

#[tokio::test]
async fn only_open_and_recent_tasks_are_listed() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let tasks = want(&session, Kinds::of(ItemKind::Task));
    let open = rig
        .make(
            "Task",
            0,
            json!({"Subject": "old, open", "ActivityDate": "2020-01-01"}),
        )
        .await;
    let call = rig
        .make("Task", 0, json!({"Subject": "call", "TaskSubtype": "Call"}))
        .await;
    let series = rig
        .make("Task", 0, json!({"Subject": "series", "IsRecurrence": true}))
        .await;
    let given = rig.make("Task", 0, json!({"Subject": "given away"})).await;
    let history = rig
        .make(
            "Task",
            0,
            json!({"Subject": "done", "Status": "Completed", "ActivityDate": "2020-01-01"}),
        )
        .await;
    let (items, last) = listing_of(&session, None, &tasks).await;
    let listed = present(&items);
    assert!(listed.contains_key(&open) && listed.contains_key(&given) && listed.contains_key(&history));
    assert!(!listed.contains_key(&call) && !listed.contains_key(&series));
    let mut later = tasks.clone();
    later.tasks_since = tandem_sync::ports::Clock::now(&*session.clock).plus_seconds(86_400);
    let (items, _) = listing_of(&session, None, &later).await;
    assert!(
        !present(&items).contains_key(&history),
        "completed, and due and changed before"
    );
    assert!(present(&items).contains_key(&open));

    rig.an_hour_later().await;
    rig.edit("Task", &given.0, json!({"OwnerId": rig.user_id(1)}))
        .await;
    let before = rig.requests().await;
    let (items, _) = listing_of(&session, Some(&last), &tasks).await;
    assert_eq!(rig.requests().await - before, 1);
    assert!(
        items.contains(&Change::Absent(given.clone())),
        "its fate is to be asked for: {items:?}"
    );
    let trace = Trace {
        kind: ItemKind::Task,
        id: given,
        key: key(1),
        carried: true,
        meeting: None,
    };
    let fates = session.salesforce.fates(&[trace]).await.unwrap();
    assert!(
        matches!(&fates[0], Fate::Here(s) if s.scope == Scope::Out),
        "{fates:?}"
    );
}

#[tokio::test]
async fn candidates_have_the_same_subject_and_time_and_are_the_users() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let (timed, whole) = (hours(&session, 5, 6), days(&session, 3, 4));
    let first = done(&session, make(1, event("Lunch O'Brien", &timed))).await;
    let second = done(&session, make(2, event("Fair", &whole))).await;
    let third = done(&session, make(3, task("Call").with(Field::Due, "2026-12-24"))).await;
    let fourth = done(&session, make(4, task("Whenever"))).await;
    let (start, end) = timed.split_once('/').unwrap();
    let theirs = json!({"Subject": "Lunch O'Brien", "StartDateTime": start, "EndDateTime": end});
    rig.make("Event", 1, theirs).await;
    rig.make(
        "Task",
        1,
        json!({"Subject": "Call", "ActivityDate": "2026-12-24"}),
    )
    .await;
    let like = |subject: &str, start: &str| MatchKey::Event {
        subject: subject.to_owned(),
        start: start.to_owned(),
    };
    let due = |subject: &str, due: &str| MatchKey::Task {
        subject: subject.to_owned(),
        due: due.to_owned(),
    };
    let keys = [
        like("LUNCH o'brien", start),
        like("Fair", whole.split_once('/').unwrap().0),
        due("call", "2026-12-24"),
        due("Whenever", ""),
        like("Lunch O'Brien", end),
        due("Call", "2026-12-25"),
        like("x", "not a time"),
    ];
    let before = rig.requests().await;
    let found = session.salesforce.candidates(&keys).await.unwrap();
    assert!(rig.requests().await - before <= 1);
    let ids: Vec<Vec<ItemId>> = found
        .iter()
        .map(|some| {
            let id = |c: &Candidate| match c {
                Candidate::Same(s) => s.id.clone(),
                Candidate::Lead { id, .. } => id.clone(),
            };
            some.iter().map(id).collect()
        })
        .collect();
    assert_eq!(
        ids,
        [
            vec![first.id],
            vec![second.id],
            vec![third.id],
            vec![fourth.id],
            vec![],
            vec![],
            vec![]
        ]
    );
}

#[tokio::test]
async fn one_bad_activity_does_not_stop_the_others() {
    let rig = Rig::fresh().await;
    let rules = json!([
        {"object": "Event", "field": "Location", "contains": "Mars", "message": "Not there"},
        {"object": "Task", "field": "Subject", "contains": "forbidden", "message": "Not that"},
    ]);
    rig.org(json!({"validation_rule": rules})).await;
    let session = rig.session().await;
    let when = hours(&session, 5, 6);
    let nobody = "who=003000000000000AAA";
    let writes = [
        make(1, event("fine", &when)),
        make(2, event("too long", "2026-11-01/2026-11-16")),
        make(3, event("backwards", "2026-11-02T10:00:00Z/2026-11-02T09:00:00Z")),
        make(4, event("rule", &when).with(Field::Location, "Mars")),
        make(5, event("nobody", &when).with(Field::Relations, nobody)),
        make(6, task("forbidden")),
        make(7, task("fine")),
        make(8, Record::new(ItemKind::Contact).with(Field::Surname, "Fine")),
        make(9, event(&"x".repeat(256), &when)),
    ];
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    for at in [0, 6, 7] {
        written(&outcomes[at]);
    }
    assert_eq!(
        refused(&outcomes[1]),
        (IssueCode::EventTooLong, &[Field::When][..])
    );
    assert_eq!(
        refused(&outcomes[2]),
        (IssueCode::EndBeforeStart, &[Field::When][..])
    );
    assert_eq!(
        refused(&outcomes[3]),
        (IssueCode::Refused, &[Field::Location][..])
    );
    assert_eq!(refused(&outcomes[4]).0, IssueCode::NoPermission);
    assert_eq!(refused(&outcomes[5]).0, IssueCode::Refused);
    assert_eq!(refused(&outcomes[8]), (IssueCode::Refused, &[Field::Subject][..]));

    rig.org(json!({"storage_full": true})).await;
    let outcomes = session.salesforce.write(&[make(10, task("late"))]).await.unwrap();
    assert_eq!(refused(&outcomes[0]).0, IssueCode::StorageFull);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_key_for_every_kind() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let since = tandem_sync::ports::Clock::now(&*session.clock);
    session.salesforce.profile().await.unwrap();
    let when = hours(&session, 5, 6);
    for (n, record) in [(1, event("doubt", &when)), (2, task("doubt"))] {
        let kind = record.kind;
        rig.fault(json!({"operation": "composite", "kind": {"kind": "timeout_after", "ms": 10}, "times": 1}))
            .await;
        let write = [make(n, record)];
        assert_eq!(
            session.salesforce.write(&write).await.unwrap(),
            [Outcome::InDoubt]
        );
        rig.clear_faults().await;
        let found = session.salesforce.created(kind, &[key(n)], since).await.unwrap();
        assert_eq!(found.len(), 1, "{kind:?}");
        let again = session.salesforce.write(&write).await.unwrap();
        assert_eq!(written(&again[0]).id, found[0].id);
    }
    // Without keys: everything that this user made since.
    rig.org(json!({"tandem_key": {"Activity": false}})).await;
    let session = Rig::session(&rig).await;
    rig.clock.advance(3 * 3600);
    let keyless = session.salesforce.profile().await.unwrap();
    assert!(!keyless.of(ItemKind::Event).unwrap().holds_key);
    assert!(keyless.of(ItemKind::Contact).unwrap().holds_key);
    let made = done(&session, make(3, task("keyless"))).await;
    let found = session
        .salesforce
        .created(ItemKind::Task, &[key(3)], since)
        .await
        .unwrap();
    assert!(found.iter().any(|s| s.id == made.id && s.key.is_none()));
}

#[tokio::test]
async fn what_a_user_may_not_see_is_unknown_and_what_he_may_not_write_is_left() {
    let rig = Rig::fresh().await;
    rig.org(json!({"hidden_fields": ["Event.Location"], "read_only_fields": ["Task.Priority"]}))
        .await;
    let session = rig.session().await;
    let profiles = session.salesforce.profile().await.unwrap();
    assert!(
        !profiles
            .of(ItemKind::Event)
            .unwrap()
            .fields
            .contains_key(&Field::Location)
    );
    assert_eq!(
        profiles.of(ItemKind::Task).unwrap().fields[&Field::Priority].access,
        Access::ReadOnly
    );
    let made = event("x", &hours(&session, 5, 6)).with(Field::Location, "hidden");
    let made = done(&session, make(1, made)).await;
    assert_eq!(made.record.get(Field::Location), &FieldValue::Unknown);
    let left = done(&session, make(2, task("x").with(Field::Priority, "high"))).await;
    assert_eq!(text(&left, Field::Priority), Some("normal"));
    let set: BTreeMap<Field, FieldValue> = [(Field::Priority, FieldValue::Known("high".to_owned()))].into();
    let write = Write::Update {
        kind: ItemKind::Task,
        id: left.id.clone(),
        version: left.version.clone(),
        set,
        key: None,
        mark: None,
        notify: false,
    };
    assert_eq!(
        text(&done(&session, write).await, Field::Priority),
        Some("normal")
    );
}
