//! Sessions with emails, one story each.

use tandem_sync::model::{
    Address, Clue, Extra, Field, File, ItemId, Known, KnownKind, MailFacts, MailPlace, Message, Record,
    Refusal, Scope, Write,
};
use tandem_sync::{EndReason, FaultKind, LinkState};
use tandem_types::{Direction, IssueCode, ItemKind, Side, Timestamp};

use crate::world::{World, known};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;

fn at(world: &World) -> Timestamp {
    tandem_sync::ports::Clock::now(&*world.clock)
}

fn address(text: &str) -> Address {
    Address {
        address: text.to_owned(),
        name: String::new(),
    }
}

/// A mail of Ann's, whom Salesforce knows, to the user.
fn mail(world: &World, id: &str, place: MailPlace, change: impl FnOnce(&mut MailFacts)) -> (Record, Extra) {
    let record = Record::new(ItemKind::Email)
        .with(Field::Subject, &format!("About {id}"))
        .with(Field::FromAddress, "ann@example.com")
        .with(Field::ToAddresses, "me@own.example")
        .with(Field::MessageId, id)
        .with(Field::Incoming, "yes");
    let mut facts = MailFacts {
        place,
        message_id: Some(id.to_owned()),
        thread: Some("thread".to_owned()),
        from: Some(address("ann@example.com")),
        to: vec![address("me@own.example")],
        sent: at(world),
        incoming: true,
        ..MailFacts::default()
    };
    change(&mut facts);
    let extra = Extra {
        mail: Some(Box::new(facts)),
        ..Extra::default()
    };
    (record, extra)
}

fn knows_ann(world: &World) {
    let ann = Known {
        id: ItemId("003ann".to_owned()),
        kind: KnownKind::Contact,
        account: Some(ItemId("001acme".to_owned())),
        own: true,
        modified: at(world),
    };
    let clue = Clue::Address("ann@example.com".to_owned());
    world.crm.with(|state| state.known.insert(clue, vec![ann]));
}

fn arrives(
    world: &World,
    id: &str,
    place: MailPlace,
    marked: bool,
    change: impl FnOnce(&mut MailFacts),
) -> ItemId {
    let (record, extra) = mail(world, id, place, change);
    let scope = if marked { Scope::In } else { Scope::Out };
    world.mailbox.add_with(record, scope, marked, extra)
}

fn saved(world: &World) -> usize {
    world.crm.here().len()
}

fn file(name: &str) -> File {
    File {
        name: name.to_owned(),
        content_type: "text/plain".to_owned(),
        bytes: b"x".to_vec(),
    }
}

fn refusal(code: IssueCode, retry: bool) -> Refusal {
    Refusal {
        code,
        message: "no".to_owned(),
        fields: Vec::new(),
        retry,
    }
}

#[test]
fn a_mail_with_somebody_known_is_saved_with_its_relations_and_marked() {
    let world = World::new(1);
    knows_ann(&world);
    let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
    let report = world.session();
    assert_eq!(saved(&world), 1);
    let record = world.crm.here()[0].1.record.clone();
    assert_eq!(record.get(Field::Body), &known("text"));
    let relations = record.get(Field::Relations).known().unwrap();
    assert!(relations.contains("who=003ann"), "{relations}");
    assert!(world.mailbox.with(|state| state.items[&id].marked));
    assert_eq!(report.closing.counts[0].kind, ItemKind::Email);
    assert_eq!(
        world.calls(CRM).iter().filter(|call| **call == "known").count(),
        2
    );
    world.assert_quiet();
    // What becomes of a saved mail is nobody's business.
    world.mailbox.touch(&id, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.assert_quiet();
    world.mailbox.delete(&id);
    world.session();
    assert_eq!((world.wrote(), saved(&world)), (0, 1));
    world.minutes(25 * 60);
    world.session();
    assert_eq!((world.wrote(), saved(&world)), (0, 1));
    let crm = world.crm.here()[0].0.clone();
    world.crm.delete(&crm);
    world.session();
    assert_eq!(world.links()[0].state, LinkState::Ended(EndReason::DeletedInCrm));
    world.assert_quiet();
}

#[test]
fn what_no_rule_saves_stays_and_only_what_was_asked_for_is_told() {
    let world = World::new(2);
    knows_ann(&world);
    arrives(&world, "nobody", MailPlace::Inbox, false, |mail| {
        mail.from = Some(address("stranger@else.example"));
    });
    arrives(&world, "old", MailPlace::Inbox, false, |mail| {
        mail.sent = mail.sent.plus_seconds(-7 * 24 * 3600);
    });
    arrives(&world, "inside", MailPlace::Inbox, false, |mail| {
        mail.from = Some(address("boss@own.example"));
    });
    arrives(&world, "secret", MailPlace::Inbox, false, |mail| {
        mail.confidential = true;
    });
    arrives(&world, "machine", MailPlace::Inbox, false, |mail| {
        mail.service = true;
    });
    arrives(&world, "elsewhere", MailPlace::Other, false, |_| {});
    arrives(&world, "sealed", MailPlace::Inbox, true, |mail| {
        mail.encrypted = true;
    });
    world.session();
    assert_eq!(saved(&world), 0);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::Encrypted)]);
    world.assert_quiet();
}

#[test]
fn folder_and_category_save_and_off_saves_nothing() {
    let world = World::new(3);
    world.settings(|settings| settings.emails = Direction::Off);
    arrives(&world, "marked", MailPlace::Inbox, true, |_| {});
    world.session();
    assert_eq!(saved(&world), 0);
    world.settings(|settings| {
        settings.emails = Direction::ToCrm;
        settings.save_emails = false;
    });
    arrives(&world, "ours", MailPlace::Ours, false, |mail| {
        mail.confidential = true;
    });
    arrives(&world, "chosen", MailPlace::Chosen, false, |_| {});
    world.minutes(25 * 60);
    world.session();
    assert_eq!(saved(&world), 3);
    // The conversation was saved: what follows in it is saved too.
    arrives(&world, "answer", MailPlace::Inbox, false, |_| {});
    world.session();
    assert_eq!(saved(&world), 4);
    arrives(&world, "other thread", MailPlace::Inbox, false, |mail| {
        mail.thread = Some("other".to_owned());
    });
    world.session();
    assert_eq!(saved(&world), 4);
    world.assert_quiet();
}

#[test]
fn one_mail_exists_once() {
    let world = World::new(4);
    knows_ann(&world);
    // Two copies in one mailbox.
    arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
    arrives(&world, "m1", MailPlace::Sent, false, |_| {});
    world.settle();
    assert_eq!(saved(&world), 1);
    // Saved by somebody without us.
    let other = Record::new(ItemKind::Email).with(Field::MessageId, "m2");
    world.crm.add(other, Scope::In);
    arrives(&world, "m2", MailPlace::Inbox, false, |_| {});
    world.session();
    assert_eq!(saved(&world), 2);
    assert_eq!(
        world.links().iter().filter(|link| link.crm_id.is_some()).count(),
        2
    );
    world.assert_quiet();
}

fn mark(world: &World, id: &ItemId, to: bool) {
    world.mailbox.touch(id, |item| {
        item.marked = to;
        item.scope = if to { Scope::In } else { Scope::Out };
    });
    world.settle();
}

#[test]
fn what_was_deleted_in_the_crm_is_saved_again_when_it_is_marked_again() {
    let world = World::new(40);
    let id = arrives(&world, "m1", MailPlace::Inbox, true, |_| {});
    world.settle();
    let crm = world.crm.here()[0].0.clone();
    // While the record is there, the category may come and go.
    mark(&world, &id, false);
    mark(&world, &id, true);
    assert_eq!(world.crm.here()[0].0, crm);
    assert!(!world.links()[0].traits.unmarked);
    world.crm.delete(&crm);
    world.mailbox.touch(&id, |_| {});
    world.settle();
    assert_eq!(saved(&world), 0, "nobody asked");
    mark(&world, &id, false);
    assert_eq!(saved(&world), 0);
    mark(&world, &id, true);
    assert_eq!(saved(&world), 1);
    assert_eq!(world.links()[0].crm_id, Some(world.crm.here()[0].0.clone()));
    world.assert_quiet();
}

#[test]
fn a_colleagues_record_that_is_gone_does_not_count_as_saved() {
    for asked in [true, false] {
        let world = World::new(41);
        knows_ann(&world);
        arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
        world.settle();
        let crm = world.crm.here()[0].0.clone();
        world.store.with(|kept| {
            kept.links.clear();
            for claim in kept.claims.values_mut() {
                claim.holder = "d".repeat(32).parse().unwrap();
            }
        });
        world.crm.delete(&crm);
        arrives(&world, "m1", MailPlace::Sent, asked, |_| {});
        world.settle();
        assert_eq!(saved(&world), usize::from(asked));
        let alive = world
            .links()
            .iter()
            .filter(|link| link.state == LinkState::Live)
            .count();
        assert_eq!(alive, usize::from(asked), "nothing says that it is saved");
    }
}

#[test]
fn what_a_colleague_is_saving_is_left_to_him_and_taken_over_when_he_never_does() {
    for made in [true, false] {
        let world = World::new(5);
        knows_ann(&world);
        let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
        world.session();
        // As if a colleague had claimed it in between.
        world.store.with(|kept| {
            kept.links.clear();
            for claim in kept.claims.values_mut() {
                claim.holder = "d".repeat(32).parse().unwrap();
                claim.crm_id = None;
                claim.since = Timestamp(claim.since.0);
            }
        });
        let crm = world.crm.here()[0].0.clone();
        world.crm.with(|state| state.items.clear());
        world.crm.with(|state| state.log.clear());
        world.store.with(|kept| kept.opening.crm_cursor = None);
        world.mailbox.touch(&id, |item| {
            item.key = None;
            item.marked = false;
            item.scope = Scope::Out;
        });
        world.session();
        assert_eq!(saved(&world), 0, "it is his");
        assert_eq!(world.links().len(), 1);
        assert_eq!(world.links()[0].state, LinkState::Dormant);
        if made {
            let record = Record::new(ItemKind::Email).with(Field::MessageId, "m1");
            let theirs = world.crm.add(record, Scope::In);
            world.store.with(|kept| {
                for claim in kept.claims.values_mut() {
                    claim.crm_id = Some(theirs.clone());
                }
            });
            world.minutes(30);
            world.session();
            assert_eq!(saved(&world), 1);
            assert_eq!(world.links()[0].crm_id, Some(theirs));
        } else {
            for _ in 0..5 {
                world.minutes(30);
                world.session();
            }
            assert_eq!(saved(&world), 1, "taken over after three intervals");
            assert_ne!(world.links()[0].crm_id, Some(crm));
        }
        assert!(world.mailbox.with(|state| state.items[&id].marked));
        world.assert_quiet();
    }
}

#[test]
fn attachments_follow_and_what_is_refused_is_told() {
    let world = World::new(6);
    knows_ann(&world);
    let id = arrives(&world, "m1", MailPlace::Inbox, false, |mail| {
        mail.has_attachments = true;
    });
    world.mailbox.with(|state| {
        let message = Message {
            text: "hello".to_owned(),
            html: Some("<p>hello</p>".to_owned()),
            files: vec![file("a.txt"), file("b.txt")],
            left_out: vec![("c.exe".to_owned(), "not allowed".to_owned())],
        };
        state.contents.insert(id.clone(), Ok(message));
    });
    world.crm.with(|state| {
        state
            .faults
            .refuse_files
            .insert("b.txt".to_owned(), refusal(IssueCode::TooLarge, false));
    });
    world.session();
    let names = || {
        world.crm.with(|state| {
            state
                .files
                .iter()
                .map(|(_, file)| file.name.clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(names(), ["a.txt"]);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::AttachmentLeftOut)]);
    assert!(!world.links()[0].traits.files_owed);
    world.assert_quiet();
}

#[test]
fn owed_attachments_follow_after_a_crash_and_after_a_full_storage() {
    // Cut off between the mail and its attachments.
    let world = World::new(7);
    knows_ann(&world);
    let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
    let message = Message {
        text: "hello".to_owned(),
        files: vec![file("a.txt")],
        ..Message::default()
    };
    world
        .mailbox
        .with(|state| state.contents.insert(id.clone(), Ok(message)));
    let full = refusal(IssueCode::StorageFull, false);
    world
        .crm
        .with(|state| state.faults.refuse_files.insert("a.txt".to_owned(), full));
    world.session();
    assert!(world.links()[0].traits.files_owed);
    assert_eq!(world.issues(), [(CRM, IssueCode::StorageFull)]);
    assert_eq!(saved(&world), 1);
    // A second mail is saved all the same.
    arrives(&world, "m2", MailPlace::Inbox, false, |_| {});
    world.session();
    assert_eq!(saved(&world), 2);
    world.crm.with(|state| state.faults.refuse_files.clear());
    world.session();
    assert_eq!(world.crm.with(|state| state.files.len()), 1);
    assert!(world.links().iter().all(|link| !link.traits.files_owed));
    assert_eq!(world.issues(), []);
    world.assert_quiet();
}

#[test]
fn owed_attachments_follow_a_mail_into_another_folder_and_are_told_when_it_is_gone() {
    for gone in [false, true] {
        let world = World::new(9);
        knows_ann(&world);
        let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
        let message = Message {
            text: "hello".to_owned(),
            files: vec![file("a.txt")],
            ..Message::default()
        };
        let unread = refusal(IssueCode::Unreadable, false);
        world
            .mailbox
            .with(|state| state.contents.insert(id.clone(), Ok(message.clone())));
        let full = refusal(IssueCode::StorageFull, true);
        world
            .crm
            .with(|state| state.faults.refuse_files.insert("a.txt".to_owned(), full));
        world.session();
        assert!(world.links()[0].traits.files_owed);
        world.crm.with(|state| state.faults.refuse_files.clear());
        world
            .mailbox
            .with(|state| state.contents.insert(id.clone(), Err(unread)));
        if gone {
            world.mailbox.delete(&id);
        } else {
            let filed = world.mailbox.file(&id);
            world
                .mailbox
                .with(|state| state.contents.insert(filed, Ok(message)));
        }
        world.session();
        assert!(!world.links()[0].traits.files_owed);
        let put = world.crm.with(|state| state.files.len());
        let told = world.issues().contains(&(MAILBOX, IssueCode::AttachmentLeftOut));
        assert_eq!((put, told), if gone { (0, true) } else { (1, false) });
        world.assert_quiet();
    }
}

/// Filed before it carried our key, a mail is known by its Message-ID: what is owed to it follows.
#[test]
fn a_mail_that_was_filed_before_it_had_a_key_is_known_by_its_message_id() {
    let world = World::new(41);
    knows_ann(&world);
    let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
    let message = Message {
        text: "hello".to_owned(),
        files: vec![file("a.txt")],
        ..Message::default()
    };
    world
        .mailbox
        .with(|state| state.contents.insert(id.clone(), Ok(message.clone())));
    let full = refusal(IssueCode::StorageFull, true);
    world
        .crm
        .with(|state| state.faults.refuse_files.insert("a.txt".to_owned(), full));
    world.session();
    assert!(world.links()[0].traits.files_owed);
    // Cut off before the key was written.
    world.mailbox.touch(&id, |item| item.key = None);
    world.store.with(|kept| {
        kept.links
            .values_mut()
            .for_each(|link| link.traits.keyless = true);
    });
    let filed = world.mailbox.file(&id);
    let unread = refusal(IssueCode::Unreadable, false);
    world.mailbox.with(|state| {
        state.contents.insert(id.clone(), Err(unread));
        state.contents.insert(filed.clone(), Ok(message));
    });
    world.crm.with(|state| state.faults.refuse_files.clear());
    world.settle();
    let [link] = &world.links()[..] else { panic!() };
    assert_eq!(link.mailbox_id.as_ref(), Some(&filed));
    assert_eq!((saved(&world), world.crm.with(|state| state.files.len())), (1, 1));
    assert!(!world.issues().contains(&(MAILBOX, IssueCode::AttachmentLeftOut)));
    world.assert_quiet();
}

#[test]
fn a_mail_that_cannot_be_read_or_taken_is_told_and_marked_once() {
    let world = World::new(8);
    knows_ann(&world);
    let id = arrives(&world, "huge", MailPlace::Inbox, true, |_| {});
    world.mailbox.with(|state| {
        state
            .contents
            .insert(id.clone(), Err(refusal(IssueCode::TooLarge, false)));
    });
    world.crm.with(|state| {
        state
            .faults
            .refuse
            .insert("About odd".to_owned(), refusal(IssueCode::Refused, false))
    });
    let odd = arrives(&world, "odd", MailPlace::Inbox, true, |_| {});
    arrives(&world, "fine", MailPlace::Inbox, true, |_| {});
    world.session();
    assert_eq!(saved(&world), 1);
    let mut issues = world.issues();
    issues.sort_by_key(|(_, code)| *code);
    assert_eq!(
        issues,
        [(MAILBOX, IssueCode::Refused), (MAILBOX, IssueCode::TooLarge)]
    );
    for id in [&id, &odd] {
        assert!(world.mailbox.with(|state| state.items[id].extra.failed));
    }
    world.session();
    assert_eq!(world.wrote(), 0, "not told again and again");
    world.assert_quiet();
    // With the daily compare it is offered once more: the organisation may have changed its mind.
    world.crm.with(|state| state.faults.refuse.clear());
    world.minutes(25 * 60);
    world.session();
    assert_eq!(saved(&world), 2);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::TooLarge)]);
    world.assert_quiet();
    // Nothing is wanted of one that is taken away.
    world.mailbox.delete(&id);
    world.session();
    assert_eq!(world.issues(), []);
    assert_eq!((world.wrote(), saved(&world)), (0, 2));
    world.assert_quiet();
}

#[test]
fn what_was_told_of_a_mail_is_over_when_it_left_or_is_not_asked_for_any_more() {
    let world = World::new(9);
    let [gone, unmarked, deaf] = ["gone", "unmarked", "deaf"]
        .map(|id| arrives(&world, id, MailPlace::Inbox, true, |mail| mail.encrypted = true));
    world.session();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::Encrypted); 3]);
    world.mailbox.delete(&gone);
    world.session();
    assert_eq!(world.issues().len(), 2);
    world.mailbox.touch(&unmarked, |item| {
        item.marked = false;
        item.scope = Scope::Out;
    });
    world.session();
    assert_eq!(world.issues().len(), 1);
    // One that could not be taken, and went while nothing told of it.
    world.mailbox.delete(&deaf);
    let huge = arrives(&world, "huge", MailPlace::Inbox, true, |_| {});
    world.mailbox.with(|state| {
        let refusal = refusal(IssueCode::TooLarge, false);
        state.contents.insert(huge.clone(), Err(refusal));
    });
    world.session();
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::TooLarge)]);
    world.mailbox.delete(&huge);
    world.mailbox.with(|state| state.faults.expired = true);
    world.session();
    assert_eq!(world.issues(), []);
    assert_eq!(saved(&world), 0);
}

#[test]
fn an_organisation_without_emails_is_said_once() {
    let world = World::new(9);
    world.crm.with(|state| state.profiles.0.remove(&ItemKind::Email));
    arrives(&world, "m1", MailPlace::Inbox, true, |_| {});
    arrives(&world, "m2", MailPlace::Inbox, true, |_| {});
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.issues(), [(MAILBOX, IssueCode::EmailsUnavailable)]);
}

#[test]
fn a_create_whose_answer_is_lost_is_done_once() {
    for keys in [true, false] {
        for effect in [true, false] {
            let world = World::keyed(10, true, keys);
            knows_ann(&world);
            let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
            world.crm.with(|state| state.faults.doubt = Some((0, effect)));
            world.session();
            world.settle();
            assert_eq!(saved(&world), 1, "keys {keys} effect {effect}");
            assert!(world.mailbox.with(|state| state.items[&id].marked));
            assert!(world.links().iter().all(|link| link.intent.is_none()));
            world.assert_quiet();
        }
    }
}

#[test]
fn cut_off_anywhere_a_mail_is_saved_once_with_everything() {
    for commit in 0..8 {
        for call in [
            None,
            Some((CRM, 3)),
            Some((CRM, 4)),
            Some((MAILBOX, 2)),
            Some((MAILBOX, 3)),
        ] {
            let world = World::new(11);
            knows_ann(&world);
            let id = arrives(&world, "m1", MailPlace::Inbox, false, |_| {});
            let message = Message {
                text: "hello".to_owned(),
                files: vec![file("a.txt")],
                ..Message::default()
            };
            world
                .mailbox
                .with(|state| state.contents.insert(id.clone(), Ok(message)));
            if let Some((side, call)) = call {
                let kind = FaultKind::Transient { retry_after: None };
                world
                    .side(side)
                    .with(|state| state.faults.call = Some((call, kind)));
            } else {
                *world.store.fuse.lock().unwrap() = Some(commit);
            }
            let _ = world.try_session();
            *world.store.fuse.lock().unwrap() = None;
            for side in Side::BOTH {
                world.side(side).with(|state| state.faults.call = None);
            }
            world.settle();
            world.minutes(25 * 60);
            world.settle();
            assert_eq!(saved(&world), 1, "commit {commit} call {call:?}");
            assert_eq!(world.crm.with(|state| state.files.len()), 1);
            assert!(world.links()[0].crm_id.is_some() && !world.links()[0].traits.files_owed);
        }
    }
}

#[test]
fn a_thousand_mails_are_read_ten_at_a_time_and_asked_for_together() {
    let world = World::new(12);
    knows_ann(&world);
    world.mailbox.with(|state| state.page = 10_000);
    for n in 0..200 {
        arrives(&world, &format!("m{n}"), MailPlace::Inbox, false, |_| {});
    }
    world.session();
    assert_eq!(saved(&world), 200);
    let calls = world.calls(CRM);
    let of = |name: &str| calls.iter().filter(|call| **call == name).count();
    assert_eq!(
        of("known"),
        2,
        "one question for all of them, one for what follows from it"
    );
    assert_eq!(of("candidates"), 1);
    assert_eq!(of("write"), 67, "three at a time");
    assert!(matches!(world.writes(CRM)[0], Write::Create { .. }));
    world.assert_quiet();
}

#[test]
fn large_mails_are_read_a_few_at_a_time() {
    for (size, expected) in [(8 << 20, 2), (30 << 20, 3), (1 << 20, 1)] {
        let world = World::new(90);
        // No more than one batch of the fake.
        for n in 0..3 {
            arrives(&world, &format!("large{n}"), MailPlace::Inbox, true, |mail| {
                mail.size = size;
            });
        }
        world.session();
        assert_eq!(saved(&world), 3);
        let calls = world.calls(MAILBOX);
        let reads = calls.into_iter().filter(|call| *call == "messages").count();
        assert_eq!(reads, expected, "{size} bytes each");
        world.assert_quiet();
    }
}
