//! What an activity is tied to by rows of their own: `EventRelation`, `TaskRelation`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_eventrelation.htm>

use std::collections::{BTreeMap, HashMap};

use tandem_sync::model::{Answer, FieldValue, ItemId, Relations};
use tandem_types::{ItemKind, Timestamp};

use super::{Row, flag, reference, text, time};
use crate::describe::Described;
use crate::times;

/// One such row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tie {
    /// Its own id.
    pub(crate) row: String,
    pub(crate) to: String,
    pub(crate) invitee: bool,
    /// One of those (or that) whom the activity is about.
    pub(crate) parent: bool,
    pub(crate) what: bool,
    pub(crate) answer: Answer,
    stamp: Option<Timestamp>,
}

impl Tie {
    /// Of an `EventRelation`. Without Shared Activities every row is an invitee, and the flags are not there.
    pub(crate) fn of_event(row: &Row) -> Option<(String, Self)> {
        let parent = flag(row, "IsParent").unwrap_or(false);
        let tie = Self {
            row: reference(row, "Id")?,
            to: reference(row, "RelationId")?,
            invitee: flag(row, "IsInvitee").unwrap_or(true),
            parent,
            what: flag(row, "IsWhat").unwrap_or(false),
            answer: answer(text(row, "Status")),
            stamp: time(row, "SystemModstamp"),
        };
        Some((reference(row, "EventId")?, tie))
    }

    /// Of a `TaskRelation`.
    pub(crate) fn of_task(row: &Row) -> Option<(String, Self)> {
        let tie = Self {
            row: reference(row, "Id")?,
            to: reference(row, "RelationId")?,
            invitee: false,
            parent: true,
            what: flag(row, "IsWhat").unwrap_or(false),
            answer: Answer::None,
            stamp: time(row, "SystemModstamp"),
        };
        Some((reference(row, "TaskId")?, tie))
    }
}

/// The ties of activities, by the activity's id. One that is not listed has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ties(HashMap<String, Vec<Tie>>);

impl Ties {
    pub(crate) fn of(&self, activity: &str) -> &[Tie] {
        self.0.get(activity).map_or(&[], Vec::as_slice)
    }

    /// A row that is listed twice is one.
    pub(crate) fn add(&mut self, activity: String, tie: Tie) {
        let ties = self.0.entry(activity).or_default();
        match ties.iter_mut().find(|other| other.row == tie.row) {
            Some(other) => *other = tie,
            None => ties.push(tie),
        }
    }
}

/// The events and tasks among the rows that may have ties worth reading: those with invitees, and with Shared Activities
/// those with a person.
pub(crate) fn tied(described: &Described, rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let mut events = Vec::new();
    let mut tasks = Vec::new();
    for row in rows {
        let Some(id) = reference(row, "Id") else { continue };
        let shared =
            |kind| described.view(kind).is_some_and(|view| view.shared) && text(row, "WhoId").is_some();
        match super::kind_of_id(&id) {
            Some(ItemKind::Event) if !described.relations.select.is_empty() => {
                let group = flag(row, "IsGroupEvent").unwrap_or(true);
                if group || (described.relations.flags && shared(ItemKind::Event)) {
                    events.push(id);
                }
            }
            Some(ItemKind::Task) if shared(ItemKind::Task) => tasks.push(id),
            _ => {}
        }
    }
    (events, tasks)
}

/// Changes with every change of the ties; none where there are none.
pub(super) fn mark(ties: &[Tie]) -> Option<String> {
    let newest = ties.iter().map(|tie| tie.stamp).max()?;
    let newest = newest.map(times::literal).unwrap_or_default();
    Some(format!("{}@{newest}", ties.len()))
}

/// The answer behind `EventRelation.Status`.
pub(crate) fn answer(status: Option<&str>) -> Answer {
    match status {
        Some("Accepted") => Answer::Accepted,
        Some("Declined") => Answer::Declined,
        Some("Uncertain" | "Maybe") => Answer::Tentative,
        _ => Answer::None,
    }
}

/// `EventRelation.Status` for an answer.
pub(crate) const fn status(answer: Answer) -> &'static str {
    match answer {
        Answer::None => "New",
        Answer::Accepted => "Accepted",
        Answer::Declined => "Declined",
        Answer::Tentative => "Uncertain",
    }
}

/// Of an activity: the first person in its row, all others and the invitees in its ties.
pub(super) fn relations(me: &str, row: &Row, ties: &[Tie]) -> FieldValue {
    if !row.contains_key("WhoId") && !row.contains_key("WhatId") {
        return FieldValue::Unknown;
    }
    let mut who: Vec<ItemId> = reference(row, "WhoId").map(ItemId).into_iter().collect();
    let people = ties.iter().filter(|tie| tie.parent && !tie.what);
    for person in people.map(|tie| ItemId(tie.to.clone())) {
        if !who.contains(&person) {
            who.push(person);
        }
    }
    let invited: BTreeMap<ItemId, Answer> = ties
        .iter()
        .filter(|tie| tie.invitee && tie.to != me)
        .map(|tie| (ItemId(tie.to.clone()), tie.answer))
        .collect();
    Relations {
        who,
        what: reference(row, "WhatId").map(ItemId),
        invited,
    }
    .to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ME: &str = "005000000000001AAA";

    fn tie(row: serde_json::Value) -> (String, Tie) {
        Tie::of_event(row.as_object().unwrap()).unwrap()
    }

    #[test]
    fn answers_keep_their_meaning() {
        for one in Answer::ALL {
            assert_eq!(answer(Some(status(one))), one);
        }
        assert_eq!(answer(Some("Maybe")), Answer::Tentative);
        assert_eq!(answer(Some("of next year")), Answer::None);
        assert_eq!(answer(None), Answer::None);
    }

    #[test]
    fn the_first_person_comes_first_and_the_user_is_left_out() {
        let event = "00U000000000001AAA";
        let mut ties = Ties::default();
        for (n, (to, invitee, parent, what)) in [
            ("003000000000001AAA", false, true, false),
            ("003000000000002AAA", true, true, false),
            ("006000000000001AAA", false, true, true),
            (ME, true, false, false),
            ("005000000000002AAA", true, false, false),
        ]
        .into_iter()
        .enumerate()
        {
            let (of, tie) = tie(json!({
                "Id": format!("0RE00000000000{n}AAA"), "EventId": event, "RelationId": to, "IsInvitee": invitee,
                "IsParent": parent, "IsWhat": what, "Status": "Accepted",
                "SystemModstamp": format!("2026-11-21T16:22:1{n}.000+0000"),
            }));
            ties.add(of, tie);
        }
        let row = json!({"WhoId": "003000000000002AAA", "WhatId": "006000000000001AAA"});
        let value = relations(ME, row.as_object().unwrap(), ties.of(event));
        assert_eq!(
            value.known(),
            Some(
                "who=003000000000002AAA,003000000000001AAA;what=006000000000001AAA;\
                 invited=003000000000002AAA:accepted,005000000000002AAA:accepted"
            )
        );
        assert_eq!(
            mark(ties.of(event)).as_deref(),
            Some("5@2026-11-21T16:22:14.000Z")
        );
        assert_eq!(mark(ties.of("00U000000000002AAA")), None);
        let nobody = json!({"WhoId": null, "WhatId": null});
        assert_eq!(relations(ME, nobody.as_object().unwrap(), &[]), FieldValue::Empty);
        assert_eq!(relations(ME, &Row::new(), &[]), FieldValue::Unknown, "hidden");
    }

    #[test]
    fn without_shared_activities_every_row_is_an_invitation() {
        let (of, one) = tie(json!({
            "Id": "0RE000000000001", "EventId": "00U000000000001", "RelationId": "005000000000002", "Status": "New",
        }));
        assert_eq!(of.len(), 18);
        assert!(one.invitee && !one.parent && !one.what);
    }
}
