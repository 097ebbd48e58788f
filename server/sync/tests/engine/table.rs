//! Level 1: every combination of where two items can stand, one row each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tandem_sync::decide::{CrmState, Decision, MailboxState, Terms, decide};
use tandem_sync::{EndReason, LinkState};
use tandem_types::{DeletedInMailbox, Direction, Side};

const TERMS: Terms = Terms {
    direction: Direction::TwoWay,
    deleted_in_mailbox: DeletedInMailbox::Ask,
    own_record: false,
    untouched: false,
    delete_asked: false,
};

const LINKS: [LinkState; 7] = [
    LinkState::Live,
    LinkState::Dormant,
    LinkState::Ended(EndReason::DeletedInMailbox),
    LinkState::Ended(EndReason::DeletedInCrm),
    LinkState::Ended(EndReason::DeletedOnBoth),
    LinkState::Ended(EndReason::Unsynced),
    LinkState::Ended(EndReason::Merged),
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

fn all_terms() -> Vec<(String, Terms)> {
    let mut all = Vec::new();
    for direction in [
        Direction::TwoWay,
        Direction::ToCrm,
        Direction::ToMailbox,
        Direction::Off,
    ] {
        for deleted_in_mailbox in [
            DeletedInMailbox::Ask,
            DeletedInMailbox::Recreate,
            DeletedInMailbox::DeleteOwn,
        ] {
            for own_record in [false, true] {
                for untouched in [false, true] {
                    for delete_asked in [false, true] {
                        let mut name = format!("{direction:?} {deleted_in_mailbox:?}");
                        for (on, word) in [
                            (own_record, " own"),
                            (untouched, " untouched"),
                            (delete_asked, " asked"),
                        ] {
                            name.push_str(if on { word } else { "" });
                        }
                        let terms = Terms {
                            direction,
                            deleted_in_mailbox,
                            own_record,
                            untouched,
                            delete_asked,
                        };
                        all.push((name, terms));
                    }
                }
            }
        }
    }
    all
}

/// The directions of these terms, and the other words that they all share.
fn shared(names: &[String]) -> String {
    let split = |name: &String| {
        let (direction, rest) = name.split_once(' ').unwrap();
        (
            direction.to_owned(),
            rest.split(' ').map(str::to_owned).collect::<BTreeSet<_>>(),
        )
    };
    let mut common = split(&names[0]).1;
    let mut directions = Vec::new();
    for name in names {
        let (direction, words) = split(name);
        common.retain(|word| words.contains(word));
        directions.push(direction);
    }
    directions.dedup();
    let mut words = vec![directions.join("/")];
    words.extend(common);
    format!("{} ({} of 96 terms)", words.join(" "), names.len())
}

#[test]
fn the_table() {
    let mut out = String::new();
    every(|link, mailbox, crm| {
        let usual = decide(link, mailbox, crm, TERMS);
        // After the end nothing happens: the rows that say so are not worth the paper.
        if matches!(link, LinkState::Ended(_)) && usual == Decision::Nothing {
            assert!(
                all_terms()
                    .iter()
                    .all(|(_, terms)| decide(link, mailbox, crm, *terms) == usual)
            );
            return;
        }
        writeln!(out, "{link:?} | {mailbox:?} | {crm:?} | {usual:?}").unwrap();
        // Other terms have a row only where they decide otherwise.
        let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, terms) in all_terms() {
            let other = decide(link, mailbox, crm, terms);
            if other != usual {
                others.entry(format!("{other:?}")).or_default().push(name);
            }
        }
        for (decision, names) in others {
            writeln!(out, "    {decision} if {}", shared(&names)).unwrap();
        }
    });
    insta::assert_snapshot!("table", out);
}

/// What the table must obey, whatever its rows say.
#[test]
fn laws_of_the_table() {
    for (name, terms) in all_terms() {
        let writes_mailbox = terms.direction.writes_mailbox();
        let writes_crm = terms.direction.writes_crm();
        every(|link, mailbox, crm| {
            let row = format!("{name}: {link:?} {mailbox:?} {crm:?}");
            let decision = decide(link, mailbox, crm, terms);
            let unproved = mailbox == MailboxState::Unproved || crm == CrmState::Unproved;
            match decision {
                Decision::Delete {
                    on: Side::Mailbox, ..
                } => {
                    assert!(writes_mailbox, "{row}");
                    assert_eq!(crm, CrmState::Deleted, "{row}: deleted without proof");
                    assert!(
                        matches!(mailbox, MailboxState::Same | MailboxState::Unmarked),
                        "{row}: an edit lost against a delete"
                    );
                }
                Decision::Delete { on: Side::Crm, .. } => {
                    assert!(writes_crm, "{row}");
                    if terms.delete_asked && mailbox == MailboxState::Nowhere {
                        return;
                    }
                    assert_eq!(mailbox, MailboxState::Deleted, "{row}: deleted without proof");
                    assert_eq!(crm, CrmState::Same, "{row}: an edit lost against a delete");
                    assert!(terms.own_record, "{row}: another's record");
                }
                Decision::SleepAndRemove => {
                    assert!(writes_mailbox && terms.untouched && crm == CrmState::Out, "{row}");
                    assert!(
                        matches!(mailbox, MailboxState::Same | MailboxState::Unmarked),
                        "{row}"
                    );
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
                }
                Decision::Merge { .. } | Decision::Follow { .. } => {
                    assert!(!unproved, "{row}");
                    assert!(
                        mailbox != MailboxState::Out && crm != CrmState::Out,
                        "{row}: out of scope"
                    );
                }
                _ => {}
            }
        });
    }
}
