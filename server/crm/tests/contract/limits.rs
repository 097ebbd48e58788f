//! Items larger than anybody makes them.

use serde_json::json;
use tandem_sync::model::{Field, FieldValue, Kinds, Outcome, Record};
use tandem_sync::ports::Endpoint as _;
use tandem_types::ItemKind;

use super::{Rig, create, listing_of, one, present, update, want, written};

const WHEN: &str = "2026-12-01T10:00:00Z/2026-12-01T11:00:00Z";

fn event(subject: &str) -> Record {
    Record::new(ItemKind::Event)
        .with(Field::Subject, subject)
        .with(Field::When, WHEN)
}

#[tokio::test]
async fn five_thousand_invited_are_as_many_as_fit_and_the_event_stands() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let made = rig
        .control("POST", "/salesforce/seed", json!({ "count": 5_000 }))
        .await;
    let ids: Vec<&str> = made["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 5_000);
    let invited: Vec<String> = ids.iter().map(|id| format!("{id}:none")).collect();
    let relations = format!("who={};invited={}", ids[0], invited.join(","));
    let writes = [
        create(1, event("Everybody").with(Field::Relations, &relations)),
        create(2, event("Small")),
    ];
    let outcomes = session.salesforce.write(&writes).await.unwrap();
    let now = written(&outcomes[0]).clone();
    assert_eq!(
        written(&outcomes[1]).record.get(Field::Subject).known(),
        Some("Small")
    );
    let ties = rig.all("EventRelation").await;
    let there = ties
        .iter()
        .filter(|tie| tie["EventId"] == json!(now.id.0))
        .count();
    assert!((1_000..=1_001).contains(&there), "{there} of 5,000");
    // Read, and written again: the same event, nobody twice.
    let seen = one(&session, &now.id).await;
    let text = seen.record.get(Field::Relations).known().unwrap().to_owned();
    assert!(
        text.matches(":none").count() >= 999,
        "{}",
        text.matches(":none").count()
    );
    let outcomes = session
        .salesforce
        .write(&[update(
            &seen,
            &[(Field::Subject, "All of us"), (Field::Relations, &text)],
        )])
        .await
        .unwrap();
    assert_eq!(
        written(&outcomes[0]).record.get(Field::Subject).known(),
        Some("All of us")
    );
    let again = rig.all("EventRelation").await;
    assert_eq!(
        again
            .iter()
            .filter(|tie| tie["EventId"] == json!(now.id.0))
            .count(),
        there
    );
}

#[tokio::test]
async fn a_subject_of_four_thousand_characters_stops_nothing() {
    let rig = Rig::fresh().await;
    let session = rig.session().await;
    let long = "ß".repeat(4_000);
    let profiles = session.salesforce.profile().await.unwrap();
    let mut n = 0;
    for kind in [ItemKind::Event, ItemKind::Task] {
        let record = |subject: &str| match kind {
            ItemKind::Event => event(subject),
            _ => Record::new(kind).with(Field::Subject, subject),
        };
        n += 10;
        let writes = [create(n, record(&long)), create(n + 1, record("short"))];
        let outcomes = session.salesforce.write(&writes).await.unwrap();
        match &outcomes[0] {
            Outcome::Refused(refusal) => {
                assert!(!refusal.retry && !refusal.message.is_empty(), "{refusal:?}");
            }
            Outcome::Written { now, .. } => {
                assert!(
                    now.record
                        .get(Field::Subject)
                        .known()
                        .is_some_and(|text| long.starts_with(text))
                );
            }
            other => panic!("{kind:?}: {other:?}"),
        }
        let short = written(&outcomes[1]);
        assert_eq!(
            short.record.get(Field::Subject).known(),
            Some("short"),
            "{kind:?}"
        );
        let most = profiles.of(kind).unwrap().fields[&Field::Subject]
            .max_chars
            .unwrap() as usize;
        let cut = "ß".repeat(most);
        let outcomes = session
            .salesforce
            .write(&[update(short, &[(Field::Subject, &cut)])])
            .await
            .unwrap();
        assert_eq!(
            written(&outcomes[0]).record.get(Field::Subject),
            &FieldValue::Known(cut.clone())
        );
        let (items, _) = listing_of(&session, None, &want(&session, Kinds::of(kind))).await;
        let id = &written(&outcomes[0]).id;
        assert_eq!(
            present(&items)[id].record.get(Field::Subject).known(),
            Some(cut.as_str())
        );
    }
}
