//! Level 1: every combination of where two items can stand, one row each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tandem_sync::decide::{CrmState, Decision, MailboxState, Terms, decide};
use tandem_sync::{EndReason, LinkState};
use tandem_types::{DeletedInMailbox, Direction, ItemKind, Side};

const fn terms(kind: ItemKind) -> Terms {
    Terms {
        kind,
        direction: Direction::TwoWay,
        deleted_in_mailbox: DeletedInMailbox::Ask,
        own_record: false,
        untouched: false,
        delete_asked: false,
        born: Side::Mailbox,
        organizes: true,
        follower: false,
        history: false,
    }
}

const LINKS: [LinkState; 9] = [
    LinkState::Live,
    LinkState::Dormant,
    LinkState::Ended(EndReason::DeletedInMailbox),
    LinkState::Ended(EndReason::DeletedInCrm),
    LinkState::Ended(EndReason::DeletedOnBoth),
    LinkState::Ended(EndReason::Unsynced),
    LinkState::Ended(EndReason::Merged),
    LinkState::Ended(EndReason::Undone),
    LinkState::Ended(EndReason::Cancelled),
];

fn every(mut f: impl FnMut(LinkState, MailboxState, CrmState)) {
    for link in LINKS {
        for mailbox in MailboxState::ALL {
            for crm in CrmState::ALL {
                f(link, mailbox, crm);
            }
        }
    }
}

/// Every combination of what a kind's decisions can depend on.
fn all_terms(kind: ItemKind) -> Vec<(String, Terms)> {
    let usual = terms(kind);
    let mut all = vec![(String::new(), usual)];
    let mut vary = |apply: &dyn Fn(&mut Terms) -> bool, word: &str| {
        let mut more = Vec::new();
        for (name, terms) in &all {
            let mut terms = *terms;
            if apply(&mut terms) {
                more.push((format!("{name} {word}"), terms));
            }
        }
        all.extend(more);
    };
    for (direction, word) in [
        (Direction::ToCrm, "ToCrm"),
        (Direction::ToMailbox, "ToMailbox"),
        (Direction::Off, "Off"),
    ] {
        vary(
            &|terms| {
                let first = terms.direction == Direction::TwoWay;
                terms.direction = direction;
                first
            },
            word,
        );
    }
    let people = matches!(kind, ItemKind::Contact | ItemKind::Task);
    for (deleted, word) in [
        (DeletedInMailbox::Recreate, "Recreate"),
        (DeletedInMailbox::DeleteOwn, "DeleteOwn"),
    ] {
        vary(
            &|terms| {
                let first = terms.deleted_in_mailbox == DeletedInMailbox::Ask;
                terms.deleted_in_mailbox = deleted;
                first && people
            },
            word,
        );
    }
    let set = |on: bool, field: fn(&mut Terms)| {
        move |terms: &mut Terms| {
            field(terms);
            on
        }
    };
    let event = kind == ItemKind::Event;
    vary(&set(people, |terms| terms.own_record = true), "own");
    vary(&set(people, |terms| terms.untouched = true), "untouched");
    vary(
        &set(kind != ItemKind::Email, |terms| terms.delete_asked = true),
        "asked",
    );
    vary(&set(event, |terms| terms.born = Side::Crm), "born_in_crm");
    vary(&set(event, |terms| terms.organizes = false), "invited");
    vary(&set(event, |terms| terms.follower = true), "follower");
    vary(
        &set(event || kind == ItemKind::Task, |terms| terms.history = true),
        "history",
    );
    all
}

const DIRECTIONS: [&str; 4] = ["TwoWay", "ToCrm", "ToMailbox", "Off"];

/// These terms, in words: as few conjunctions as they fall into. `all`: every combination there is.
fn shared(names: &[String], all: &[(String, Terms)]) -> String {
    let words = |name: &str| {
        let mut words: BTreeSet<String> = name.split_whitespace().map(str::to_owned).collect();
        if !DIRECTIONS.iter().any(|direction| words.contains(*direction)) {
            words.insert("TwoWay".to_owned());
        }
        words
    };
    let mut left: Vec<BTreeSet<String>> = names.iter().map(|name| words(name)).collect();
    let every: Vec<BTreeSet<String>> = all.iter().map(|(name, _)| words(name)).collect();
    let hits: BTreeSet<BTreeSet<String>> = left.iter().cloned().collect();
    let vocabulary: BTreeSet<&String> = every.iter().flatten().collect();
    let mut clauses = Vec::new();
    while let Some(seed) = left.first().cloned() {
        // Every word of the first one that is left, there or not there, is dropped where the rest still says the same.
        let mut clause: Vec<(&String, bool)> = vocabulary
            .iter()
            .map(|word| (*word, seed.contains(*word)))
            .collect();
        // What is there says more than what is not; a direction says most.
        clause.sort_by_key(|(word, there)| (*there, DIRECTIONS.contains(&word.as_str())));
        let fits = |clause: &[(&String, bool)], words: &BTreeSet<String>| {
            clause.iter().all(|(word, there)| words.contains(*word) == *there)
        };
        for (word, _) in clause.clone() {
            let fewer: Vec<(&String, bool)> = clause
                .iter()
                .filter(|(other, _)| *other != word)
                .copied()
                .collect();
            if every
                .iter()
                .all(|words| !fits(&fewer, words) || hits.contains(words))
            {
                clause = fewer;
            }
        }
        left.retain(|words| !fits(&clause, words));
        let said: Vec<String> = clause
            .iter()
            .map(|(word, there)| {
                if *there {
                    (*word).clone()
                } else {
                    format!("!{word}")
                }
            })
            .collect();
        clauses.push(said.join(" "));
    }
    clauses.sort();
    format!("{} ({} of {} terms)", clauses.join(" | "), names.len(), all.len())
}

fn table(kind: ItemKind) -> String {
    let mut out = String::new();
    let all = all_terms(kind);
    every(|link, mailbox, crm| {
        let usual = decide(link, mailbox, crm, terms(kind));
        // After the end nothing happens: the rows that say so are not worth the paper.
        if matches!(link, LinkState::Ended(_)) && usual == Decision::Nothing {
            assert!(
                all.iter()
                    .all(|(_, terms)| decide(link, mailbox, crm, *terms) == usual)
            );
            return;
        }
        writeln!(out, "{link:?} | {mailbox:?} | {crm:?} | {usual:?}").unwrap();
        // Other terms have a row only where they decide otherwise.
        let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, terms) in &all {
            let other = decide(link, mailbox, crm, *terms);
            if other != usual {
                others.entry(format!("{other:?}")).or_default().push(name.clone());
            }
        }
        for (decision, names) in others {
            writeln!(out, "    {decision} if {}", shared(&names, &all)).unwrap();
        }
    });
    out
}

#[test]
fn the_table_of_contacts() {
    insta::assert_snapshot!("contacts", table(ItemKind::Contact));
}

#[test]
fn the_table_of_events() {
    insta::assert_snapshot!("events", table(ItemKind::Event));
}

#[test]
fn the_table_of_tasks() {
    insta::assert_snapshot!("tasks", table(ItemKind::Task));
}

#[test]
fn the_table_of_emails() {
    insta::assert_snapshot!("emails", table(ItemKind::Email));
}

/// What the table must obey, whatever its rows say.
#[test]
fn laws_of_the_table() {
    for kind in ItemKind::ALL {
        for (name, terms) in all_terms(kind) {
            every(|link, mailbox, crm| {
                let row = format!("{kind:?}{name}: {link:?} {mailbox:?} {crm:?}");
                law(&row, (link, mailbox, crm), terms);
            });
        }
    }
}

fn law(row: &str, (link, mailbox, crm): (LinkState, MailboxState, CrmState), terms: Terms) {
    let decision = decide(link, mailbox, crm, terms);
    let writes_mailbox = terms.direction.writes_mailbox();
    let writes_crm = terms.direction.writes_crm();
    let untouched_here = matches!(
        mailbox,
        MailboxState::Same | MailboxState::Unmarked | MailboxState::Past
    ) || (terms.kind != ItemKind::Event && mailbox == MailboxState::Cancelled);
    let unproved = mailbox == MailboxState::Unproved || crm == CrmState::Unproved;
    let gone = matches!(
        crm,
        CrmState::Deleted | CrmState::Merged | CrmState::MergedIntoLinked
    );
    match decision {
        Decision::Delete {
            on: Side::Mailbox, ..
        } => {
            assert!(writes_mailbox, "{row}");
            assert!(gone, "{row}: deleted without proof");
            assert!(untouched_here, "{row}: an edit lost against a delete");
            if terms.kind == ItemKind::Event {
                assert!(
                    terms.born == Side::Crm && terms.organizes && !terms.follower,
                    "{row}: it is not ours"
                );
            }
        }
        Decision::Delete { on: Side::Crm, .. } => {
            assert!(writes_crm, "{row}");
            assert!(!terms.follower, "{row}: another's record");
            if terms.delete_asked && mailbox == MailboxState::Nowhere {
                return;
            }
            assert_eq!(mailbox, MailboxState::Deleted, "{row}: deleted without proof");
            assert!(
                !terms.history || terms.kind == ItemKind::Contact,
                "{row}: history"
            );
            if terms.kind == ItemKind::Event {
                assert!(terms.organizes, "{row}");
                assert!(
                    crm == CrmState::Same || !writes_mailbox,
                    "{row}: an edit lost against a delete"
                );
            } else {
                assert_eq!(crm, CrmState::Same, "{row}: an edit lost against a delete");
                assert!(terms.own_record, "{row}: another's record");
            }
        }
        Decision::DeleteKeep { end } => {
            assert!(writes_crm && !terms.follower, "{row}");
            assert_eq!(terms.kind, ItemKind::Event, "{row}");
            assert!(
                (mailbox == MailboxState::Unsynced && terms.organizes && end == EndReason::Unsynced)
                    || (mailbox == MailboxState::Cancelled && end == EndReason::Cancelled && !terms.history),
                "{row}"
            );
        }
        Decision::Decline => {
            assert_eq!(mailbox, MailboxState::Deleted, "{row}");
            assert!(writes_crm && (terms.follower || !terms.organizes), "{row}");
        }
        Decision::LetGo { .. } => {
            assert_eq!(mailbox, MailboxState::Unsynced, "{row}");
            assert!(writes_crm && (terms.follower || !terms.organizes), "{row}");
        }
        Decision::Unmark { .. } => assert!(writes_mailbox && link == LinkState::Live, "{row}"),
        Decision::SleepAndRemove => {
            assert!(writes_mailbox && terms.untouched && crm == CrmState::Out, "{row}");
            assert_eq!(terms.kind, ItemKind::Contact, "{row}");
            assert!(untouched_here, "{row}");
        }
        Decision::Remake { on } => {
            assert_eq!(link, LinkState::Live, "{row}: created again after the end");
            assert!(
                if on == Side::Mailbox {
                    writes_mailbox
                } else {
                    writes_crm
                },
                "{row}"
            );
            assert!(
                !matches!(mailbox, MailboxState::Unsynced | MailboxState::Past),
                "{row}: nobody wants it"
            );
        }
        Decision::Pair { .. } => {
            assert!(
                !matches!(link, LinkState::Ended(_)),
                "{row}: created again after the end"
            );
            assert!(
                mailbox == MailboxState::Nowhere || crm == CrmState::Nowhere,
                "{row}: it has a counterpart"
            );
            assert_ne!(mailbox, MailboxState::Unsynced, "{row}");
        }
        Decision::Merge { .. } | Decision::Follow { .. } => {
            assert!(!unproved, "{row}");
            assert!(
                mailbox != MailboxState::Out && crm != CrmState::Out,
                "{row}: out of scope"
            );
            assert!(
                !matches!(mailbox, MailboxState::Unsynced | MailboxState::Deleted),
                "{row}: carried over after the end"
            );
        }
        Decision::EndAndOffer => assert!(matches!(terms.kind, ItemKind::Contact | ItemKind::Task), "{row}"),
        _ => {}
    }
    if terms.kind == ItemKind::Email {
        assert!(
            matches!(
                decision,
                Decision::Nothing | Decision::Note | Decision::Pair { .. } | Decision::End(_)
            ),
            "{row}: a saved mail is left alone"
        );
    }
}
