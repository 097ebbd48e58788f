//! The question of an integration user, and a connection that is spared its own.

use std::sync::Mutex;

use tandem_crm::{Glance, Told};
use tandem_sync::fan_in::{Question, Touch};

use super::*;

/// Nobody of those whose records are changed.
const INTEGRATION: usize = 3;

impl Rig {
    fn user(&self, n: usize) -> &str {
        &self.sandbox.info().users[n].salesforce_user_id
    }

    async fn sees_all(&self, whether: bool) {
        let name = &self.sandbox.info().users[INTEGRATION].salesforce_username;
        let path = format!("/salesforce/users/{name}");
        self.control("PUT", &path, json!({ "view_all": whether })).await;
    }

    async fn made(&self, object: &str, fields: Value) -> String {
        let path = format!("/salesforce/records/{object}");
        let made = self.control("POST", &path, json!({ "fields": fields })).await;
        made["id"].as_str().unwrap().to_owned()
    }
}

fn told_of(touched: &[Touch]) -> BTreeSet<(ItemKind, &str, &str)> {
    touched
        .iter()
        .map(|touch| (touch.kind, touch.id.0.as_str(), touch.who.as_str()))
        .collect()
}

#[tokio::test]
async fn what_anybody_changes_is_told_to_whoever_sees_everything() {
    let rig = Rig::fresh().await;
    let session = rig.session_of(INTEGRATION, ContactScope::Mine).await;
    let since = rig.clock.now().plus_seconds(-1);
    // Nobody sees what others own, but for this one.
    rig.org(json!({ "sharing": { "Contact": "private", "Event": "private", "Task": "private" } }))
        .await;
    let own = json!({ "LastName": "Mine", "OwnerId": rig.user(0) });
    let contact = rig.made("Contact", own).await;
    let gone = json!({ "LastName": "Gone", "OwnerId": rig.user(1) });
    let gone = rig.made("Contact", gone).await;
    rig.delete(&ItemId(gone.clone()), "").await;
    let event = json!({ "Subject": "Both", "OwnerId": rig.user(1),
        "StartDateTime": "2026-12-01T10:00:00Z", "EndDateTime": "2026-12-01T11:00:00Z" });
    let event = rig.made("Event", event).await;
    let invited = json!({ "EventId": event, "RelationId": rig.user(2), "IsInvitee": true });
    rig.made("EventRelation", invited).await;
    let task = json!({ "Subject": "Do", "OwnerId": rig.user(2), "Status": "Not Started" });
    let task = rig.made("Task", task).await;

    // Who may not see everything is not believed, whatever it sees.
    rig.sees_all(false).await;
    let less = session.salesforce.touched_since(since, 9).await.unwrap();
    assert_eq!(less, Glance::TooLittle);

    rig.sees_all(true).await;
    let before = rig.requests().await;
    let Glance::Seen { until, touched } = session.salesforce.touched_since(since, 9).await.unwrap() else {
        panic!("not seen")
    };
    assert_eq!(rig.requests().await - before, 1);
    assert!(until > since && until <= rig.clock.now());
    let told = told_of(&touched);
    for wanted in [
        (ItemKind::Contact, contact.as_str(), rig.user(0)),
        (ItemKind::Contact, gone.as_str(), rig.user(1)),
        (ItemKind::Event, event.as_str(), rig.user(1)),
        (ItemKind::Event, event.as_str(), rig.user(2)),
        (ItemKind::Task, task.as_str(), rig.user(2)),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} among {told:?}");
    }
    assert!(
        touched
            .iter()
            .all(|touch| touch.stamp >= since || touch.kind == ItemKind::Event)
    );

    // A change of the event is news for those who are invited, and an answer for those who own it.
    let later = rig.clock.now();
    let path = format!("/salesforce/records/Event/{event}");
    rig.control("PATCH", &path, json!({ "fields": { "Location": "Room 7" } }))
        .await;
    let Glance::Seen { touched, .. } = session.salesforce.touched_since(later, 9).await.unwrap() else {
        panic!("not seen")
    };
    let both = [rig.user(1), rig.user(2)].map(|who| (ItemKind::Event, event.as_str(), who));
    // An invitee's copy is told, too: more than is needed harms nobody.
    assert!(
        told_of(&touched).is_superset(&BTreeSet::from(both)),
        "{touched:?}"
    );

    // From the end on there is nothing.
    let end = rig.clock.now().plus_seconds(1);
    let Glance::Seen { touched, .. } = session.salesforce.touched_since(end, 9).await.unwrap() else {
        panic!("not seen")
    };
    assert_eq!(touched, []);
}

#[tokio::test]
async fn more_than_is_worth_reading_is_not_read() {
    let rig = Rig::fresh().await;
    rig.sees_all(true).await;
    let session = rig.session_of(INTEGRATION, ContactScope::Mine).await;
    let since = rig.clock.now().plus_seconds(-1);
    rig.control("POST", "/salesforce/seed", json!({ "count": 2_100 }))
        .await;
    let before = rig.requests().await;
    let few = session.salesforce.touched_since(since, 0).await.unwrap();
    assert!(
        matches!(few, Glance::TooMuch { until } if until > since),
        "{few:?}"
    );
    // The question itself, and the versions that are spoken.
    assert_eq!(rig.requests().await - before, 2);
    let Glance::Seen { touched, .. } = session.salesforce.touched_since(since, 1).await.unwrap() else {
        panic!("not seen")
    };
    assert_eq!(touched.len(), 2_100);
}

/// Says what it is told to say, and notes what it was asked.
struct Fixed {
    number: i64,
    until: Mutex<Option<Timestamp>>,
    asked: Mutex<Vec<Question>>,
}

#[async_trait]
impl Told for Fixed {
    async fn number(&self) -> i64 {
        self.number
    }

    async fn quiet(&self, question: &Question) -> Option<Timestamp> {
        self.asked.lock().unwrap().push(question.clone());
        *self.until.lock().unwrap()
    }
}

#[tokio::test]
async fn a_connection_that_is_spared_goes_on_where_the_answer_ended() {
    let rig = Rig::fresh().await;
    let mut session = rig.session().await;
    let told = Arc::new(Fixed {
        number: 41,
        until: Mutex::new(None),
        asked: Mutex::default(),
    });
    session.salesforce = session.salesforce.told_by(Arc::clone(&told) as Arc<_>);
    let want = want(&session, Kinds::ALL.without(ItemKind::Email));
    let all = session.salesforce.changes(None, &want).await.unwrap();
    assert!(
        !all.more && told.asked.lock().unwrap().is_empty(),
        "a full listing is not spared"
    );

    // Not spared: what was told before is noted with what was found.
    let before = rig.requests().await;
    let asked = session
        .salesforce
        .changes(Some(&all.cursor), &want)
        .await
        .unwrap();
    assert_eq!(rig.requests().await - before, 1);
    let first = told.asked.lock().unwrap().pop().unwrap();
    assert_eq!(first.told, 41, "known before the listing");
    assert_eq!(first.user.as_str(), rig.user(0));

    // Spared: nothing is asked, nothing is reported, and the next question begins later.
    let now = rig.clock.now();
    *told.until.lock().unwrap() = Some(now.plus_seconds(900));
    let before = rig.requests().await;
    let spared = session
        .salesforce
        .changes(Some(&asked.cursor), &want)
        .await
        .unwrap();
    assert_eq!(rig.requests().await, before);
    assert!(spared.items.is_empty() && !spared.more && spared.full.is_empty());
    let second = told.asked.lock().unwrap().pop().unwrap();
    *told.until.lock().unwrap() = None;
    session
        .salesforce
        .changes(Some(&spared.cursor), &want)
        .await
        .unwrap();
    let third = told.asked.lock().unwrap().pop().unwrap();
    assert!(third.from > second.from);
    assert_eq!(third.from, now.plus_seconds(900 - 600));
    assert_eq!(third.told, second.told, "what was told was not read");
}
