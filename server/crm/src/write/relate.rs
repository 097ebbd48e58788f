//! Invitations of events and senders of emails: rows of their own, written once their event or email is there.

use std::collections::{BTreeMap, HashMap};

use http::Method;
use serde_json::{Value, json};
use tandem_sync::model::{Answer, ItemId, Outcome};
use tandem_types::{IssueCode, ItemKind};

use super::batch::{RowSaid, collection, record, results};
use super::{Progress, Written};
use crate::answer::SubRequest;
use crate::client::{Effect, QUERIES_PER_COMPOSITE};
use crate::describe::Described;
use crate::map::Row;
use crate::map::ties::{self, Tie};
use crate::problem::{ApiError, Failure, RowProblem, of_row, refused};
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

/// Changes of rows of one object, each for the write at a position.
#[derive(Default)]
struct Changes {
    inserts: Vec<(usize, Value)>,
    updates: Vec<(usize, Value)>,
    deletes: Vec<(usize, String)>,
}

impl Salesforce {
    /// The event or the email stands by now: what fails here fails for itself, and a write that had nothing else to do
    /// fails with it.
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
        let read = self.ties(described, &unread).await;
        let read = match read {
            Ok(read) => read,
            Err(failure) => {
                tracing::warn!(fault = %failure.fault, "invitations cannot be read: they stay as they are");
                for (index, mut written, _) in work {
                    written.row = None;
                    progress.written.push((index, written));
                }
                return Ok(());
            }
        };
        let mut changes = Changes::default();
        for (at, (_, written, work)) in work.iter().enumerate() {
            match work {
                Work::Invite { invited, answer, now } => {
                    let ties = now.clone().unwrap_or_else(|| read.of(&written.id.0).to_vec());
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
        let failed = self.send_changes(base, object, changes).await;
        progress.wrote = true;
        for (at, (index, mut written, _)) in work.into_iter().enumerate() {
            written.row = None;
            match failed.get(&at) {
                // There was nothing else to do.
                Some(outcome) if !written.touched => progress.outcomes[index] = Some(outcome.clone()),
                Some(_) => {
                    tracing::warn!(object, "a relation of a record that was written was refused");
                    progress.written.push((index, written));
                }
                None => progress.written.push((index, written)),
            }
        }
        Ok(())
    }

    /// What became of each write whose rows were not all done, by its position.
    async fn send_changes(
        &self,
        base: &str,
        object: &'static str,
        changes: Changes,
    ) -> HashMap<usize, Outcome> {
        let kind = if object == "EventRelation" {
            ItemKind::Event
        } else {
            ItemKind::Email
        };
        let mut requests: Vec<(Vec<usize>, SubRequest)> = Vec::new();
        for (method, rows) in [(Method::POST, changes.inserts), (Method::PATCH, changes.updates)] {
            for some in rows.chunks(BATCH) {
                let name = format!("relate{}", requests.len());
                let records = some
                    .iter()
                    .map(|(_, row)| match row {
                        Value::Object(row) => record(object, row, None),
                        other => other.clone(),
                    })
                    .collect();
                let at = some.iter().map(|(at, _)| *at).collect();
                requests.push((
                    at,
                    collection(&name, method.clone(), "composite/sobjects", records),
                ));
            }
        }
        for some in changes.deletes.chunks(BATCH) {
            let ids: Vec<&str> = some.iter().map(|(_, id)| id.as_str()).collect();
            let path = format!("composite/sobjects?ids={}&allOrNone=false", ids.join(","));
            let name = format!("relate{}", requests.len());
            let at = some.iter().map(|(at, _)| *at).collect();
            requests.push((at, SubRequest::new(name, Method::DELETE, path, None)));
        }
        let mut failed = HashMap::new();
        let mut requests = requests.into_iter();
        loop {
            let (positions, some): (Vec<Vec<usize>>, Vec<SubRequest>) =
                requests.by_ref().take(QUERIES_PER_COMPOSITE).unzip();
            if some.is_empty() {
                return failed;
            }
            match self.rest.composite(base, &some, Effect::Writes).await {
                Ok((answers, _)) => {
                    for (positions, answer) in positions.iter().zip(answers) {
                        for (at, said) in results(Some(answer), positions) {
                            let outcome = match said {
                                RowSaid::Ok { .. } => continue,
                                RowSaid::InDoubt => Outcome::InDoubt,
                                RowSaid::Failed(errors) if is_done(&errors) => continue,
                                RowSaid::Failed(errors) => match of_row(kind, &errors, None) {
                                    RowProblem::Final(outcome) => outcome,
                                    RowProblem::Locked => refused(kind, IssueCode::Refused, &errors, true),
                                    RowProblem::Stale => {
                                        refused(kind, IssueCode::NoPermission, &errors, false)
                                    }
                                },
                            };
                            failed.insert(at, outcome);
                        }
                    }
                }
                Err(failure) => {
                    tracing::warn!(fault = %failure.fault, object, "relations were not written");
                    let outcome = if failure.fault.in_doubt {
                        Outcome::InDoubt
                    } else {
                        refused(kind, IssueCode::Refused, &[], true)
                    };
                    for at in positions.into_iter().flatten() {
                        failed.insert(at, outcome.clone());
                    }
                }
            }
        }
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
        for (to, answer) in wanted {
            match now.iter().find(|tie| tie.to == to) {
                None => {
                    let mut row =
                        json!({"EventId": event.0, "RelationId": to, "Status": ties::status(answer)});
                    if flags {
                        row["IsInvitee"] = Value::Bool(true);
                    }
                    self.inserts.push((at, row));
                }
                Some(tie) if tie.invitee && tie.answer == answer => {}
                Some(tie) => {
                    let mut row = json!({"id": tie.row, "Status": ties::status(answer)});
                    if !tie.invitee {
                        row["IsInvitee"] = Value::Bool(true);
                    }
                    self.updates.push((at, row));
                }
            }
        }
        for tie in now
            .iter()
            .filter(|tie| tie.invitee && unwanted.contains(&tie.to.as_str()))
        {
            if tie.parent {
                // The event is about him all the same.
                self.updates
                    .push((at, json!({"id": tie.row, "IsInvitee": false})));
            } else {
                self.deletes.push((at, tie.row.clone()));
            }
        }
    }

    fn senders(&mut self, at: usize, email: &ItemId, senders: &[(ItemId, String)]) {
        for (person, address) in senders {
            let row = json!({
                "EmailMessageId": email.0, "RelationId": person.0, "RelationType": "FromAddress",
                "RelationAddress": address,
            });
            self.inserts.push((at, row));
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
        let rows =
            |list: &[(usize, Value)]| -> Vec<Value> { list.iter().map(|(_, row)| row.clone()).collect() };
        assert_eq!(
            rows(&made.inserts),
            [
                json!({"EventId": "00U000000000001AAA", "RelationId": "005000000000006AAA", "Status": "New", "IsInvitee": true})
            ]
        );
        assert_eq!(
            rows(&made.updates),
            [
                json!({"id": "0RE000000000004AAA", "Status": "Declined", "IsInvitee": true}),
                json!({"id": "0RE000000000005AAA", "Status": "Uncertain"}),
                json!({"id": "0RE000000000002AAA", "IsInvitee": false}),
            ]
        );
        assert!(made.deletes.is_empty(), "the user's own invitation stays");
        let none = changes(Some(&[]), Reply::Keep, &now);
        let deleted: Vec<&str> = none.deletes.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(
            deleted,
            Vec::<&str>::new(),
            "colleagues have joined by themselves"
        );
        let guests = [
            tie(6, "003000000000006AAA", true, false, "New"),
            tie(7, "00Q000000000007AAA", true, false, "New"),
            tie(8, "005000000000008AAA", true, false, "Accepted"),
        ];
        let none = changes(Some(&[]), Reply::Keep, &guests);
        let deleted: Vec<&str> = none.deletes.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(deleted, ["0RE000000000006AAA", "0RE000000000007AAA"]);
    }

    #[test]
    fn an_answer_is_the_users_own_row() {
        let mine = [
            tie(1, ME, true, false, "New"),
            tie(2, "005000000000002AAA", true, false, "New"),
        ];
        let accepted = changes(None, Reply::Give(Answer::Accepted), &mine);
        assert_eq!(
            accepted.updates[0].1,
            json!({"id": "0RE000000000001AAA", "Status": "Accepted"})
        );
        assert_eq!(
            (
                accepted.inserts.len(),
                accepted.updates.len(),
                accepted.deletes.len()
            ),
            (0, 1, 0)
        );
        let again = changes(None, Reply::Give(Answer::None), &mine);
        assert_eq!(
            (again.inserts.len(), again.updates.len(), again.deletes.len()),
            (0, 0, 0)
        );
        let joined = changes(None, Reply::Give(Answer::Declined), &mine[1..]);
        assert_eq!(joined.inserts[0].1["RelationId"], json!(ME));
        let left = changes(None, Reply::Withdraw, &mine);
        assert_eq!(left.deletes, [(0, "0RE000000000001AAA".to_owned())]);
    }
}
