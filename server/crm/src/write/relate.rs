//! Invitations of events and senders of emails: rows of their own, written once their event or email is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::Method;
use serde_json::{Value, json};
use tandem_sync::model::{Answer, Field, ItemId, Outcome, Refusal};
use tandem_types::{IssueCode, ItemKind};

use super::batch::{RowSaid, collection, record, results};
use super::{LOCK_PAUSE, LOCK_RETRIES, Progress, Written};
use crate::answer::SubRequest;
use crate::client::{Effect, QUERIES_PER_COMPOSITE};
use crate::describe::Described;
use crate::map::Row;
use crate::map::ties::{self, Tie};
use crate::problem::{ApiError, Failure, RowProblem, of_row, refusal, refused};
use crate::salesforce::{BATCH, Salesforce};

/// What becomes of the user's own invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Keep,
    Give(Answer),
    /// It is taken away.
    Withdraw,
}

/// What is left to do for a write after its own row was written.
pub(super) enum Work {
    None,
    Invite {
        /// `None`: as they are.
        invited: Option<BTreeMap<ItemId, Answer>>,
        answer: Reply,
        /// The ties as they stand; `None`: they have to be read.
        now: Option<Vec<Tie>>,
    },
    /// Of an email: who sent it, with the address.
    Senders(Vec<(ItemId, String)>),
}

impl Work {
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// A row that is to be written.
#[derive(Debug)]
struct Change {
    /// The position of its write.
    at: usize,
    /// What of the write it stands for.
    field: Field,
    what: What,
}

#[derive(Debug)]
enum What {
    Insert(Value),
    Update(Value),
    Delete(String),
}

impl What {
    const fn method(&self) -> Method {
        match self {
            Self::Insert(_) => Method::POST,
            Self::Update(_) => Method::PATCH,
            Self::Delete(_) => Method::DELETE,
        }
    }
}

/// Changes of rows of one object.
#[derive(Default)]
struct Changes(Vec<Change>);

/// What became of the rows of one write.
#[derive(Default)]
struct Became {
    /// Some row was written.
    some: bool,
    /// The fields whose rows were not, and what was said of the first of them.
    left: BTreeSet<Field>,
    said: Option<Outcome>,
}

impl Salesforce {
    /// The event or the email stands by now. What fails here is told with it; a write that had nothing else to do fails
    /// with it where nothing of it was done.
    pub(super) async fn relate(
        &self,
        base: &str,
        described: &Described,
        kind: ItemKind,
        work: Vec<(usize, Written, Work)>,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let unread: Vec<Row> = work
            .iter()
            .filter(|(_, written, work)| matches!(work, Work::Invite { now: None, .. }) && !written.new)
            .map(|(_, written, _)| Row::from_iter([("Id".to_owned(), Value::from(written.id.0.as_str()))]))
            .collect();
        let read = match self.ties(described, &unread).await {
            Ok(read) => Some(read),
            Err(failure) => {
                tracing::warn!(fault = %failure.fault, "invitations cannot be read: they stay as they are");
                None
            }
        };
        let mut changes = Changes::default();
        let mut became: HashMap<usize, Became> = HashMap::new();
        for (at, (_, written, work)) in work.iter().enumerate() {
            match work {
                Work::Invite { invited, answer, now } => {
                    let ties = match (now, &read) {
                        (Some(now), _) => now.clone(),
                        (None, _) if written.new => Vec::new(),
                        (None, Some(read)) => read.of(&written.id.0).to_vec(),
                        (None, None) => {
                            let left = became.entry(at).or_default();
                            left.left.extend(invited.as_ref().map(|_| Field::Relations));
                            left.left
                                .extend((*answer != Reply::Keep).then_some(Field::Answer));
                            left.said = Some(refused(kind, IssueCode::Refused, &[], true));
                            continue;
                        }
                    };
                    changes.invite(
                        at,
                        &written.id,
                        self.me(),
                        described.relations.flags,
                        invited.as_ref(),
                        *answer,
                        &ties,
                    );
                }
                Work::Senders(senders) => changes.senders(at, &written.id, senders),
                Work::None => {}
            }
        }
        let object = if kind == ItemKind::Email {
            "EmailMessageRelation"
        } else {
            "EventRelation"
        };
        let mut changes = changes.0;
        for left in (0..=LOCK_RETRIES).rev() {
            changes = self
                .send_changes(base, object, changes, left > 0, &mut became)
                .await;
            if changes.is_empty() {
                break;
            }
            self.clock.sleep(LOCK_PAUSE).await;
        }
        progress.wrote = true;
        for (at, (index, mut written, _)) in work.into_iter().enumerate() {
            written.row = None;
            let Some(Became { some, left, said }) = became.remove(&at).filter(|one| !one.left.is_empty())
            else {
                progress.written.push((index, written));
                continue;
            };
            tracing::warn!(object, "a relation of a record that was written was refused");
            match said {
                Some(said) if !written.touched && !some => progress.outcomes[index] = Some(said),
                said => {
                    written.left = Some(Box::new(left_out(kind, left, said)));
                    progress.written.push((index, written));
                }
            }
        }
        Ok(())
    }

    /// Writes the rows, and notes what became of them. Those that may be written in a moment, if there is another try.
    async fn send_changes(
        &self,
        base: &str,
        object: &'static str,
        changes: Vec<Change>,
        again: bool,
        became: &mut HashMap<usize, Became>,
    ) -> Vec<Change> {
        let kind = if object == "EventRelation" {
            ItemKind::Event
        } else {
            ItemKind::Email
        };
        let mut sorted = changes;
        sorted.sort_by_key(|change| match change.what {
            What::Insert(_) => 0,
            What::Update(_) => 1,
            What::Delete(_) => 2,
        });
        let mut parts: Vec<Vec<Change>> = Vec::new();
        for change in sorted {
            match parts.last_mut() {
                Some(part)
                    if part.len() < BATCH && part.last().is_some_and(|last| same_kind(last, &change)) =>
                {
                    part.push(change);
                }
                _ => parts.push(vec![change]),
            }
        }
        let mut later = Vec::new();
        let mut parts = parts.into_iter().peekable();
        while parts.peek().is_some() {
            let some: Vec<Vec<Change>> = parts.by_ref().take(QUERIES_PER_COMPOSITE).collect();
            let requests: Vec<SubRequest> = some
                .iter()
                .enumerate()
                .map(|(n, part)| request(n, object, part))
                .collect();
            let mut answers = match self.rest.composite(base, &requests, Effect::Writes).await {
                Ok((answers, _)) => Ok(answers.into_iter()),
                Err(failure) => {
                    tracing::warn!(fault = %failure.fault, object, "relations were not written");
                    Err(if failure.fault.in_doubt {
                        Outcome::InDoubt
                    } else {
                        refused(kind, IssueCode::Refused, &[], true)
                    })
                }
            };
            for part in some {
                let positions: Vec<usize> = (0..part.len()).collect();
                let said: HashMap<usize, RowSaid> = match &mut answers {
                    Ok(answers) => results(answers.next(), &positions).into_iter().collect(),
                    Err(_) => HashMap::new(),
                };
                let mut said = said;
                for (row, change) in part.into_iter().enumerate() {
                    let refusal = match (&answers, said.remove(&row)) {
                        (Err(outcome), _) => Some((outcome.clone(), false)),
                        (Ok(_), None) => Some((Outcome::InDoubt, false)),
                        (Ok(_), Some(said)) => why_not(kind, said),
                    };
                    let one = became.entry(change.at).or_default();
                    let Some((outcome, passing)) = refusal else {
                        one.some = true;
                        continue;
                    };
                    // A row that was written before is not written a second time: of an email nothing is ever written
                    // later.
                    if again && (passing || (kind == ItemKind::Email && outcome == Outcome::InDoubt)) {
                        later.push(change);
                    } else {
                        one.left.insert(change.field);
                        one.said.get_or_insert(outcome);
                    }
                }
            }
        }
        later
    }
}

fn same_kind(a: &Change, b: &Change) -> bool {
    a.what.method() == b.what.method()
}

/// One request for rows of which the same is done.
fn request(n: usize, object: &'static str, part: &[Change]) -> SubRequest {
    let name = format!("relate{n}");
    let mut records = Vec::new();
    let mut ids = Vec::new();
    for change in part {
        match &change.what {
            What::Insert(Value::Object(row)) | What::Update(Value::Object(row)) => {
                records.push(record(object, row, None));
            }
            What::Insert(other) | What::Update(other) => records.push(other.clone()),
            What::Delete(id) => ids.push(id.as_str()),
        }
    }
    if ids.is_empty() {
        let method = part.first().map_or(Method::POST, |change| change.what.method());
        return collection(&name, method, "composite/sobjects", records);
    }
    let path = format!("composite/sobjects?ids={}&allOrNone=false", ids.join(","));
    SubRequest::new(name, Method::DELETE, path, None)
}

/// Why a row was not written, and whether it may be in a moment; `None`: it stands as it should.
fn why_not(kind: ItemKind, said: RowSaid) -> Option<(Outcome, bool)> {
    match said {
        RowSaid::Ok { .. } => None,
        RowSaid::InDoubt => Some((Outcome::InDoubt, false)),
        RowSaid::Failed(errors) if is_done(&errors) => None,
        RowSaid::Failed(errors) => Some(match of_row(kind, &errors, None) {
            RowProblem::Final(outcome) => (outcome, false),
            RowProblem::Locked => (refused(kind, IssueCode::Refused, &errors, true), true),
            RowProblem::Stale => (refused(kind, IssueCode::NoPermission, &errors, false), false),
        }),
    }
}

/// What is told of the fields that were not written.
fn left_out(kind: ItemKind, fields: BTreeSet<Field>, said: Option<Outcome>) -> Refusal {
    let refusal = match said {
        Some(Outcome::Refused(refusal)) => refusal,
        // Nobody knows, or the row is not there any more: what stands is looked at again.
        _ => refusal(kind, IssueCode::Refused, &[], true),
    };
    Refusal {
        fields: fields.into_iter().collect(),
        ..refusal
    }
}

/// It is as it should be already.
fn is_done(errors: &[ApiError]) -> bool {
    errors
        .first()
        .is_some_and(|error| matches!(error.code.as_str(), "DUPLICATE_VALUE" | "ENTITY_IS_DELETED"))
}

/// By the key prefix of users.
fn is_user(id: &str) -> bool {
    id.starts_with("005")
}

impl Changes {
    #[expect(
        clippy::too_many_arguments,
        reason = "what stands and what is wanted of one event"
    )]
    fn invite(
        &mut self,
        at: usize,
        event: &ItemId,
        me: &str,
        flags: bool,
        invited: Option<&BTreeMap<ItemId, Answer>>,
        answer: Reply,
        now: &[Tie],
    ) {
        let mut wanted: BTreeMap<&str, Answer> = BTreeMap::new();
        let mut unwanted: Vec<&str> = Vec::new();
        if let Some(invited) = invited {
            wanted.extend(invited.iter().map(|(id, answer)| (id.0.as_str(), *answer)));
            wanted.remove(me);
            // A colleague joins and leaves by himself: his answer is his own connection's to write.
            let others = now
                .iter()
                .filter(|tie| tie.invitee && tie.to != me && !is_user(&tie.to));
            unwanted.extend(
                others
                    .map(|tie| tie.to.as_str())
                    .filter(|to| !wanted.contains_key(to)),
            );
        }
        match answer {
            Reply::Give(answer) => {
                wanted.insert(me, answer);
            }
            Reply::Withdraw => unwanted.push(me),
            Reply::Keep => {}
        }
        let mut push = |to: &str, what: What| {
            let field = if to == me { Field::Answer } else { Field::Relations };
            self.0.push(Change { at, field, what });
        };
        for (to, answer) in wanted {
            match now.iter().find(|tie| tie.to == to) {
                None => {
                    let mut row =
                        json!({"EventId": event.0, "RelationId": to, "Status": ties::status(answer)});
                    if flags {
                        row["IsInvitee"] = Value::Bool(true);
                    }
                    push(to, What::Insert(row));
                }
                Some(tie) if tie.invitee && tie.answer == answer => {}
                Some(tie) => {
                    let mut row = json!({"id": tie.row, "Status": ties::status(answer)});
                    if !tie.invitee {
                        row["IsInvitee"] = Value::Bool(true);
                    }
                    push(to, What::Update(row));
                }
            }
        }
        for tie in now
            .iter()
            .filter(|tie| tie.invitee && unwanted.contains(&tie.to.as_str()))
        {
            if tie.parent {
                // The event is about him all the same.
                push(&tie.to, What::Update(json!({"id": tie.row, "IsInvitee": false})));
            } else {
                push(&tie.to, What::Delete(tie.row.clone()));
            }
        }
    }

    fn senders(&mut self, at: usize, email: &ItemId, senders: &[(ItemId, String)]) {
        for (person, address) in senders {
            let row = json!({
                "EmailMessageId": email.0, "RelationId": person.0, "RelationType": "FromAddress",
                "RelationAddress": address,
            });
            self.0.push(Change {
                at,
                field: Field::FromAddress,
                what: What::Insert(row),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "005000000000001AAA";

    fn tie(n: u32, to: &str, invitee: bool, parent: bool, status: &str) -> Tie {
        let row = json!({
            "Id": format!("0RE00000000000{n}AAA"), "EventId": "00U000000000001AAA", "RelationId": to,
            "IsInvitee": invitee, "IsParent": parent, "IsWhat": false, "Status": status,
        });
        Tie::of_event(row.as_object().unwrap()).unwrap().1
    }

    impl Changes {
        fn rows(&self, of: impl Fn(&What) -> Option<Value>) -> Vec<Value> {
            self.0.iter().filter_map(|change| of(&change.what)).collect()
        }

        fn inserts(&self) -> Vec<Value> {
            self.rows(|what| match what {
                What::Insert(row) => Some(row.clone()),
                _ => None,
            })
        }

        fn updates(&self) -> Vec<Value> {
            self.rows(|what| match what {
                What::Update(row) => Some(row.clone()),
                _ => None,
            })
        }

        fn deletes(&self) -> Vec<Value> {
            self.rows(|what| match what {
                What::Delete(id) => Some(json!(id)),
                _ => None,
            })
        }
    }

    fn changes(invited: Option<&[(&str, Answer)]>, answer: Reply, now: &[Tie]) -> Changes {
        let invited = invited.map(|list| {
            let each = list
                .iter()
                .map(|(id, answer)| (ItemId((*id).to_owned()), *answer));
            each.collect::<BTreeMap<_, _>>()
        });
        let mut changes = Changes::default();
        let event = ItemId("00U000000000001AAA".to_owned());
        changes.invite(0, &event, ME, true, invited.as_ref(), answer, now);
        changes
    }

    #[test]
    fn only_what_differs_is_written_and_the_user_answers_for_himself() {
        let now = [
            tie(1, ME, true, false, "New"),
            tie(2, "003000000000002AAA", true, true, "New"),
            tie(3, "005000000000003AAA", true, false, "Accepted"),
            tie(4, "003000000000004AAA", false, true, "New"),
            tie(5, "005000000000005AAA", true, false, "New"),
        ];
        let wanted = [
            ("005000000000003AAA", Answer::Accepted),
            ("003000000000004AAA", Answer::Declined),
            ("005000000000005AAA", Answer::Tentative),
            ("005000000000006AAA", Answer::None),
        ];
        let made = changes(Some(&wanted), Reply::Keep, &now);
        assert_eq!(
            made.inserts(),
            [
                json!({"EventId": "00U000000000001AAA", "RelationId": "005000000000006AAA", "Status": "New", "IsInvitee": true})
            ]
        );
        assert_eq!(
            made.updates(),
            [
                json!({"id": "0RE000000000004AAA", "Status": "Declined", "IsInvitee": true}),
                json!({"id": "0RE000000000005AAA", "Status": "Uncertain"}),
                json!({"id": "0RE000000000002AAA", "IsInvitee": false}),
            ]
        );
        assert!(made.deletes().is_empty(), "the user's own invitation stays");
        let none = changes(Some(&[]), Reply::Keep, &now);
        assert_eq!(
            none.deletes(),
            Vec::<Value>::new(),
            "colleagues have joined by themselves"
        );
        let guests = [
            tie(6, "003000000000006AAA", true, false, "New"),
            tie(7, "00Q000000000007AAA", true, false, "New"),
            tie(8, "005000000000008AAA", true, false, "Accepted"),
        ];
        let none = changes(Some(&[]), Reply::Keep, &guests);
        assert_eq!(none.deletes(), ["0RE000000000006AAA", "0RE000000000007AAA"]);
    }

    #[test]
    fn an_answer_is_the_users_own_row() {
        let mine = [
            tie(1, ME, true, false, "New"),
            tie(2, "005000000000002AAA", true, false, "New"),
        ];
        let accepted = changes(None, Reply::Give(Answer::Accepted), &mine);
        assert_eq!(
            accepted.updates()[0],
            json!({"id": "0RE000000000001AAA", "Status": "Accepted"})
        );
        assert_eq!(
            (
                accepted.inserts().len(),
                accepted.updates().len(),
                accepted.deletes().len()
            ),
            (0, 1, 0)
        );
        let again = changes(None, Reply::Give(Answer::None), &mine);
        assert_eq!(
            (
                again.inserts().len(),
                again.updates().len(),
                again.deletes().len()
            ),
            (0, 0, 0)
        );
        let joined = changes(None, Reply::Give(Answer::Declined), &mine[1..]);
        assert_eq!(joined.inserts()[0]["RelationId"], json!(ME));
        let left = changes(None, Reply::Withdraw, &mine);
        assert_eq!(left.deletes(), [json!("0RE000000000001AAA")]);
        let both = changes(
            Some(&[("003000000000009AAA", Answer::None)]),
            Reply::Withdraw,
            &mine,
        );
        let fields: Vec<Field> = both.0.iter().map(|change| change.field).collect();
        assert_eq!(fields, [Field::Relations, Field::Answer]);
    }
}
