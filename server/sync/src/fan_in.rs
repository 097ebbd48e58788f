//! One question for a whole organisation: what its integration user has seen change, and which connections need not ask
//! by themselves.
//!
//! What is asked and kept is ids, owners and stamps. Whoever is concerned reads with the own grant, and whoever may be
//! concerned is: nothing here knows what a user may see, so it never says that something *is* the user's, only that
//! nothing *can* be.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_types::{ContactScope, ItemKind, Timestamp, UserId};

use crate::model::{ItemId, Kinds};

/// A row's stamp is set before its transaction commits: each question begins so long before the end of the one before.
pub const OVERLAP_SECONDS: i64 = 600;
/// So long a change is kept: a connection that asks less often asks by itself.
const KEPT_SECONDS: i64 = 2 * 3600;
/// So many changes are kept, the newest.
const MOST_KEPT: usize = 10_000;
/// Stamps may be whole seconds: what carries one this close to the end of an answer may have changed again since, and
/// carry the same.
const SETTLED_SECONDS: i64 = 2;

/// A record that changed, with one of those who are concerned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Touch {
    pub kind: ItemKind,
    pub id: ItemId,
    /// Its owner, or who is invited to it: an id of 18 characters; a queue's, too.
    pub who: String,
    /// `SystemModstamp` of the record, or of the invitation.
    pub stamp: Timestamp,
}

/// A change, and the number of the answer in which it was seen first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub touch: Touch,
    pub first: i64,
}

/// What the integration user has told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Grows with each answer of the organisation, also over another integration user.
    pub number: i64,
    /// Our clock, before it was asked.
    pub asked: Timestamp,
    /// Salesforce's clock: what is stamped up to then was to be seen, as far as its transaction had come to its end.
    pub until: Timestamp,
    /// Every change that is stamped since stands in it.
    pub since: Timestamp,
    pub touched: Vec<Noted>,
}

/// What one question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub number: i64,
    pub asked: Timestamp,
    /// From which stamp on: see [`ask_from`].
    pub from: Timestamp,
    pub until: Timestamp,
    /// `None`: more than was worth reading.
    pub touched: Option<Vec<Touch>>,
}

/// From which stamp on the next question asks.
#[must_use]
pub fn ask_from(before: Option<&Answer>, now: Timestamp) -> Timestamp {
    let oldest = now.plus_seconds(-KEPT_SECONDS);
    before.map_or(oldest, |before| {
        before.until.plus_seconds(-OVERLAP_SECONDS).max(oldest)
    })
}

impl Answer {
    /// What stands after a question: what was known, as far as nothing is missing in between, and what is new.
    #[must_use]
    pub fn after(before: Option<Self>, told: Told) -> Self {
        let Some(touched) = told.touched else {
            return Self {
                number: told.number,
                asked: told.asked,
                until: told.until,
                since: told.until,
                touched: Vec::new(),
            };
        };
        let before = before.filter(|before| told.from <= before.until.plus_seconds(-OVERLAP_SECONDS));
        let oldest = told.until.plus_seconds(-KEPT_SECONDS);
        let mut since = before
            .as_ref()
            .map_or(told.from, |before| before.since)
            .max(oldest);
        let mut all: BTreeMap<Touch, i64> = touched.into_iter().map(|touch| (touch, told.number)).collect();
        if let Some(before) = before {
            let settled = before.until.plus_seconds(-SETTLED_SECONDS);
            for Noted { touch, first } in before.touched {
                if touch.stamp <= settled {
                    all.insert(touch, first);
                } else {
                    all.entry(touch).or_insert(first);
                }
            }
        }
        all.retain(|touch, _| touch.stamp >= since);
        let mut touched: Vec<Noted> = all
            .into_iter()
            .map(|(touch, first)| Noted { touch, first })
            .collect();
        if touched.len() > MOST_KEPT {
            touched.sort_by_key(|noted| std::cmp::Reverse(noted.touch.stamp));
            // Of those with the same stamp none is kept alone.
            since = touched
                .get(MOST_KEPT)
                .map_or(since, |noted| Timestamp(noted.touch.stamp.0.saturating_add(1)));
            touched.retain(|noted| noted.touch.stamp >= since);
        }
        Self {
            number: told.number,
            asked: told.asked,
            until: told.until,
            since,
            touched,
        }
    }

    /// Those who own, or are invited to, what this answer was the first to show; with its latest stamp.
    #[must_use]
    pub fn concerned(&self) -> BTreeMap<&str, Timestamp> {
        let mut all = BTreeMap::new();
        for noted in self.touched.iter().filter(|noted| noted.first == self.number) {
            let latest = all.entry(noted.touch.who.as_str()).or_insert(noted.touch.stamp);
            *latest = noted.touch.stamp.max(*latest);
        }
        all
    }
}

/// The question that a connection would ask by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub user: UserId,
    pub kinds: Kinds,
    pub contacts: ContactScope,
    /// The oldest stamp that it would ask for.
    pub from: Timestamp,
    /// The number of the answer that had been told when it last asked: what stood in that, it has read since. 0: none.
    pub told: i64,
}

/// How the connection stands, as far as it decides whether it may be spared its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// An older answer does not count: see [`needed`].
    pub needed: Timestamp,
    pub first_round_done: bool,
    /// It syncs, nothing has failed or stopped it, and nothing that somebody ordered waits.
    pub in_step: bool,
    /// Links wait for something.
    pub pending: bool,
}

/// Why a connection asks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no answer.
    Untold,
    /// The answer is too old.
    Old,
    /// The answer does not go back so far.
    Gap,
    /// The first round, a failure, an order, work that is left.
    Unsettled,
    /// Who is in a list view is told by no stamp.
    ListView,
    /// Something that is the user's, or may be.
    Touched,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ask(Why),
    /// Nothing concerns it, unless one of these records is linked.
    Unless(Vec<ItemId>),
}

/// Why it asks whatever an answer says: for such a session nobody else is asked. `None`: an answer could spare it.
#[must_use]
pub const fn asks_anyway(standing: &Standing, question: &Question) -> Option<Why> {
    if !standing.first_round_done || !standing.in_step || standing.pending {
        return Some(Why::Unsettled);
    }
    match question.contacts {
        ContactScope::ListView => Some(Why::ListView),
        ContactScope::Mine | ContactScope::AllVisible => None,
    }
}

/// Whether a connection has to ask. Where it is not certain that nothing would come of it, it asks.
#[must_use]
pub fn judge(answer: Option<&Answer>, standing: &Standing, question: &Question) -> Verdict {
    if let Some(why) = asks_anyway(standing, question) {
        return Verdict::Ask(why);
    }
    let Some(answer) = answer else {
        return Verdict::Ask(Why::Untold);
    };
    if answer.asked < standing.needed {
        return Verdict::Ask(Why::Old);
    }
    if question.from < answer.since {
        return Verdict::Ask(Why::Gap);
    }
    let mut others = BTreeSet::new();
    for Noted { touch, first } in &answer.touched {
        if touch.stamp < question.from || *first <= question.told || !question.kinds.has(touch.kind) {
            continue;
        }
        let anyones = touch.kind == ItemKind::Contact && question.contacts == ContactScope::AllVisible;
        if anyones || touch.who == question.user.as_str() {
            return Verdict::Ask(Why::Touched);
        }
        others.insert(&touch.id);
    }
    Verdict::Unless(others.into_iter().cloned().collect())
}

/// How old the answer may be for a session at `now` of a connection that was due at `due`: half an interval where it came
/// due by itself; where somebody made it due, not older than that wish.
#[must_use]
pub fn needed(
    now: Timestamp,
    due: Option<Timestamp>,
    last_success: Option<Timestamp>,
    interval_minutes: u32,
) -> Timestamp {
    let interval = i64::from(interval_minutes) * 60;
    let Some(due) = due.filter(|due| *due <= now) else {
        return now;
    };
    // Sessions are spread by a tenth of the interval.
    let by_itself = last_success.is_some_and(|last| due.seconds_since(last) >= interval * 4 / 5);
    if by_itself {
        now.plus_seconds(-interval / 2)
    } else {
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "005000000000001AAA";
    const OTHER: &str = "005000000000002AAA";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    fn touch(kind: ItemKind, id: &str, who: &str, seconds: i64) -> Touch {
        Touch {
            kind,
            id: ItemId(id.to_owned()),
            who: who.to_owned(),
            stamp: at(seconds),
        }
    }

    fn contact(id: &str, who: &str, seconds: i64) -> Touch {
        touch(ItemKind::Contact, id, who, seconds)
    }

    fn told(number: i64, from: i64, until: i64, touched: Vec<Touch>) -> Told {
        Told {
            number,
            asked: at(until),
            from: at(from),
            until: at(until),
            touched: Some(touched),
        }
    }

    /// Goes back to -3600; everything was first seen in it.
    fn answer(touched: Vec<Touch>) -> Answer {
        Answer::after(None, told(7, -3600, 0, touched))
    }

    fn standing() -> Standing {
        Standing {
            needed: at(-900),
            first_round_done: true,
            in_step: true,
            pending: false,
        }
    }

    fn question() -> Question {
        Question {
            user: ME.parse().unwrap(),
            kinds: Kinds::ALL.without(ItemKind::Email),
            contacts: ContactScope::Mine,
            from: at(-2400),
            told: 6,
        }
    }

    fn unless(ids: &[&str]) -> Verdict {
        Verdict::Unless(ids.iter().map(|id| ItemId((*id).to_owned())).collect())
    }

    #[test]
    fn who_asks_and_who_is_spared() {
        let mine = || answer(vec![contact("a", ME, -60)]);
        let others = || answer(vec![contact("a", OTHER, -60)]);
        let quiet = || answer(Vec::new());
        let (s, q) = (standing, question);
        let cases: Vec<(&str, Option<Answer>, Standing, Question, Verdict)> = vec![
            ("nothing happened", Some(quiet()), s(), q(), unless(&[])),
            ("nobody asked", None, s(), q(), Verdict::Ask(Why::Untold)),
            ("it is mine", Some(mine()), s(), q(), Verdict::Ask(Why::Touched)),
            (
                "it is another's, and may be linked",
                Some(others()),
                s(),
                q(),
                unless(&["a"]),
            ),
            (
                "I am invited to another's",
                Some(answer(vec![
                    touch(ItemKind::Event, "e", OTHER, -60),
                    touch(ItemKind::Event, "e", ME, -90),
                ])),
                s(),
                q(),
                Verdict::Ask(Why::Touched),
            ),
            (
                "it was before what I would ask for",
                Some(answer(vec![contact("a", ME, -2401), contact("b", OTHER, -2401)])),
                s(),
                q(),
                unless(&[]),
            ),
            (
                "at the very stamp that I would ask for",
                Some(answer(vec![contact("a", ME, -2400)])),
                s(),
                q(),
                Verdict::Ask(Why::Touched),
            ),
            (
                "I have asked since it was first seen",
                Some(mine()),
                s(),
                Question { told: 7, ..q() },
                unless(&[]),
            ),
            (
                "everybody's contacts",
                Some(others()),
                s(),
                Question {
                    contacts: ContactScope::AllVisible,
                    ..q()
                },
                Verdict::Ask(Why::Touched),
            ),
            (
                "everybody's contacts, and a task of another's",
                Some(answer(vec![touch(ItemKind::Task, "t", OTHER, -60)])),
                s(),
                Question {
                    contacts: ContactScope::AllVisible,
                    ..q()
                },
                unless(&["t"]),
            ),
            (
                "a list view",
                Some(quiet()),
                s(),
                Question {
                    contacts: ContactScope::ListView,
                    ..q()
                },
                Verdict::Ask(Why::ListView),
            ),
            (
                "a kind that is not synced",
                Some(answer(vec![touch(ItemKind::Task, "t", ME, -60)])),
                s(),
                Question {
                    kinds: Kinds::of(ItemKind::Contact),
                    ..q()
                },
                unless(&[]),
            ),
            (
                "the answer is as old as it may be",
                Some(quiet()),
                Standing { needed: at(0), ..s() },
                q(),
                unless(&[]),
            ),
            (
                "the answer is older",
                Some(quiet()),
                Standing {
                    needed: Timestamp(at(0).0 + 1),
                    ..s()
                },
                q(),
                Verdict::Ask(Why::Old),
            ),
            (
                "the answer goes back just so far",
                Some(quiet()),
                s(),
                Question {
                    from: at(-3600),
                    ..q()
                },
                unless(&[]),
            ),
            (
                "I asked before the answer begins",
                Some(quiet()),
                s(),
                Question {
                    from: Timestamp(at(-3600).0 - 1),
                    ..q()
                },
                Verdict::Ask(Why::Gap),
            ),
            (
                "the first round",
                Some(quiet()),
                Standing {
                    first_round_done: false,
                    ..s()
                },
                q(),
                Verdict::Ask(Why::Unsettled),
            ),
            (
                "something failed, or was ordered",
                Some(quiet()),
                Standing {
                    in_step: false,
                    ..s()
                },
                q(),
                Verdict::Ask(Why::Unsettled),
            ),
            (
                "links wait",
                Some(quiet()),
                Standing { pending: true, ..s() },
                q(),
                Verdict::Ask(Why::Unsettled),
            ),
        ];
        for (name, answer, standing, question, verdict) in cases {
            assert_eq!(judge(answer.as_ref(), &standing, &question), verdict, "{name}");
        }
    }

    #[test]
    fn an_answer_goes_on_where_the_last_ended() {
        let now = at(1_000);
        assert_eq!(ask_from(None, now), at(1_000 - KEPT_SECONDS));
        let first = answer(vec![contact("a", ME, -60)]);
        assert_eq!(ask_from(Some(&first), now), at(-600));
        assert_eq!(
            ask_from(Some(&first), at(KEPT_SECONDS)),
            at(0),
            "not further back than is kept"
        );
        // Read again in the overlap, it is still the change that it was.
        let again = vec![contact("a", ME, -60), contact("b", ME, 900)];
        let second = Answer::after(Some(first), told(9, -600, 1_000, again));
        let firsts: Vec<(&str, i64)> = second
            .touched
            .iter()
            .map(|noted| (noted.touch.id.0.as_str(), noted.first))
            .collect();
        assert_eq!(firsts, [("a", 7), ("b", 9)]);
        assert_eq!(
            (second.since, second.until, second.number),
            (at(-3600), at(1_000), 9)
        );
        assert_eq!(second.concerned(), BTreeMap::from([(ME, at(900))]));
    }

    #[test]
    fn a_second_change_within_the_same_second_is_not_taken_for_the_first() {
        let late = || contact("a", ME, -1);
        let first = answer(vec![late()]);
        let second = Answer::after(Some(first), told(8, -600, 60, vec![late()]));
        assert_eq!(
            second.touched[0].first, 8,
            "whoever has asked in between asks again"
        );
        let third = Answer::after(Some(second), told(9, -540, 120, vec![late()]));
        assert_eq!(
            third.touched[0].first, 8,
            "by now nothing can carry that stamp any more"
        );
    }

    #[test]
    fn where_something_may_be_missing_the_answer_begins_anew() {
        let first = || answer(vec![contact("a", ME, -60)]);
        // Away for so long that the next question could not go back to the end of the last.
        let gap = Answer::after(Some(first()), told(8, -599, 7_000, Vec::new()));
        assert_eq!((gap.since, gap.touched.len()), (at(-200), 0));
        let whole = Answer::after(Some(first()), told(8, -600, 900, Vec::new()));
        assert_eq!((whole.since, whole.touched.len()), (at(-3600), 1));
        // More than was read.
        let flood = Told {
            touched: None,
            ..told(8, -600, 900, Vec::new())
        };
        let flood = Answer::after(Some(first()), flood);
        assert_eq!((flood.since, flood.touched.len()), (at(900), 0));
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let old = answer(vec![contact("a", ME, -3_000)]);
        let later = KEPT_SECONDS - 2_000;
        let next = Answer::after(Some(old), told(8, -600, later, Vec::new()));
        assert_eq!((next.since, next.touched.len()), (at(-2_000), 0));
        let many: Vec<Touch> = (0..=MOST_KEPT)
            .map(|n| contact(&format!("{n}"), OTHER, -i64::try_from(n / 4).unwrap()))
            .collect();
        let kept = answer(many);
        assert!(kept.touched.len() <= MOST_KEPT);
        assert!(kept.touched.iter().all(|noted| noted.touch.stamp >= kept.since));
        assert_eq!(kept.since, Timestamp(at(-2_500).0 + 1));
    }

    #[test]
    fn whoever_is_waited_for_gets_a_new_answer() {
        let now = at(0);
        let of = |due: Option<i64>, last: Option<i64>| {
            needed(now, due.map(at), last.map(at), 30).seconds_since(now)
        };
        assert_eq!(of(Some(-5), Some(-1_700)), -900, "by itself");
        assert_eq!(of(Some(-300), Some(-1_800)), -900, "by itself, and late");
        assert_eq!(of(Some(-5), Some(-600)), -5, "made due");
        assert_eq!(of(Some(-5), None), -5);
        assert_eq!(of(Some(60), Some(-1_700)), 0, "by hand, before it is due");
        assert_eq!(of(None, Some(-1_700)), 0);
    }

    #[test]
    fn an_answer_can_be_kept() {
        let answer = answer(vec![touch(ItemKind::Event, "e", OTHER, -60)]);
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    }
}
