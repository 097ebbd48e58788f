//! What is done beside the sessions: explaining an item, back-fills, undo and cures, with the whole engine.

use std::collections::BTreeSet;

use tandem_sync::backfill::{Estimate, estimate};
use tandem_sync::cure::{cure, pick};
use tandem_sync::model::{
    Address, Answer, Attendee, AttendeeRole, Clue, EventFacts, Extra, Field, ItemId, Known, KnownKind,
    LinkKey, MailFacts, MailPlace, Part, Record, Scope, Window,
};
use tandem_sync::ports::{Backfill, Clock as _, IssueKey, Lease, Pick, Store as _};
use tandem_sync::session::Context;
use tandem_sync::undo::{UndoReport, undo};
use tandem_sync::why::{Why, WhyAsk, why};
use tandem_sync::{EndReason, FaultKind, LinkState};
use tandem_types::{
    ConflictPolicy, Direction, IssueCode, IssueCure, ItemKind, SessionOutcome, Side, Timestamp,
};

use crate::world::{World, known, person};

const MAILBOX: Side = Side::Mailbox;
const CRM: Side = Side::Crm;
const DAY: i64 = 24 * 3600;

fn lease(world: &World) -> Lease {
    let session = "6".repeat(32).parse().unwrap();
    futures::executor::block_on(world.store.claim(
        &Pick::Due,
        "test",
        session,
        world.clock.now(),
        world.limits.lease,
    ))
    .unwrap()
    .unwrap()
}

fn context(world: &World) -> Context<'_> {
    Context {
        mailbox: &world.mailbox,
        crm: &world.crm,
        store: &world.store,
        clock: &*world.clock,
        rng: &*world.rng,
        observer: &world.watch,
        dry_run: false,
        limits: world.limits,
    }
}

fn ask(world: &World, side: Option<Side>, item: &str) -> Why {
    let ask = WhyAsk {
        side,
        item: item.to_owned(),
    };
    for side in Side::BOTH {
        world.side(side).with(|state| state.writes.clear());
    }
    let before = world.links();
    let told = futures::executor::block_on(why(&context(world), lease(world), &ask)).unwrap();
    assert_eq!(world.wrote(), 0, "a look writes nothing");
    assert_eq!(world.links(), before, "nor does it move a link");
    told
}

/// What was said about an item, as one text.
fn said(world: &World, item: &str) -> String {
    ask(world, None, item).lines.join("\n")
}

fn address(text: &str) -> Address {
    Address {
        address: text.to_owned(),
        name: String::new(),
    }
}

fn knows_ann(world: &World) {
    let ann = Known {
        id: ItemId("003ann".to_owned()),
        kind: KnownKind::Contact,
        account: None,
        own: true,
        modified: world.clock.now(),
    };
    let clue = Clue::Address("ann@example.com".to_owned());
    world.crm.with(|state| state.known.insert(clue, vec![ann]));
}

fn mail(world: &World, id: &str, days_ago: i64, change: impl FnOnce(&mut MailFacts)) -> ItemId {
    let sent = world.clock.now().plus_seconds(-days_ago * DAY);
    let record = Record::new(ItemKind::Email)
        .with(Field::Subject, id)
        .with(Field::FromAddress, "ann@example.com")
        .with(Field::MessageId, id);
    let mut facts = MailFacts {
        place: MailPlace::Inbox,
        message_id: Some(id.to_owned()),
        from: Some(address("ann@example.com")),
        to: vec![address("me@own.example")],
        sent,
        incoming: true,
        ..MailFacts::default()
    };
    change(&mut facts);
    let extra = Extra {
        mail: Some(Box::new(facts)),
        ..Extra::default()
    };
    world.mailbox.add_with(record, Scope::Out, false, extra)
}

fn meeting(world: &World, days: i64, change: impl FnOnce(&mut EventFacts)) -> ItemId {
    let start = world.clock.now().plus_seconds(days * DAY);
    let when = tandem_sync::model::When::Timed {
        start,
        end: start.plus_seconds(3600),
    };
    let record = Record::new(ItemKind::Event)
        .with(Field::Subject, "Secret plans")
        .with(Field::When, &when.to_string())
        .with(Field::Private, "no");
    let mut facts = EventFacts {
        uid: Some(format!("uid{days}")),
        organizer: Some(address("me@own.example")),
        attendees: vec![Attendee {
            who: address("ann@example.com"),
            role: AttendeeRole::Required,
            answer: Answer::None,
        }],
        ..EventFacts::default()
    };
    change(&mut facts);
    let extra = Extra {
        event: Some(Box::new(facts)),
        ..Extra::default()
    };
    world.mailbox.add_with(record, Scope::Out, false, extra)
}

#[test]
fn why_names_the_rule_for_what_is_not_saved() {
    let world = World::new(1);
    world.session();
    let stories: [(ItemId, &str); 9] = [
        (
            meeting(&world, 5, |event| {
                event.part = Part::Attendee;
                event.organizer = Some(address("ann@example.com"));
            }),
            "you have not answered the invitation",
        ),
        (
            meeting(&world, 6, |event| {
                event.part = Part::Attendee;
                event.answer = Answer::Declined;
            }),
            "you declined",
        ),
        (meeting(&world, 90, |_| {}), "outside of the days"),
        (
            meeting(&world, 7, |event| event.cancelled = true),
            "was cancelled",
        ),
        (
            meeting(&world, 8, |_| {}),
            "nobody in Salesforce has any of its addresses",
        ),
        (
            meeting(&world, 9, |event| event.attendees.clear()),
            "do not save such items by themselves",
        ),
        (
            mail(&world, "old@x", 30, |_| {}),
            "older than the mail that is saved by itself",
        ),
        (
            mail(&world, "robot@x", 1, |mail| mail.service = true),
            "made by a machine",
        ),
        (
            mail(&world, "inside@x", 1, |mail| {
                mail.from = Some(address("bob@own.example"));
            }),
            "only your own company",
        ),
    ];
    for (item, words) in &stories {
        let told = said(&world, &item.0);
        assert!(told.contains("it is not saved: "), "{told}");
        assert!(told.contains(words), "{words}: {told}");
        assert!(told.contains("would write nothing"), "{told}");
        assert!(
            !told.contains("Secret plans"),
            "content is nobody's business here"
        );
    }
    world.settings(|settings| settings.blocklist = vec!["example.com".to_owned()]);
    assert!(said(&world, &stories[4].0.0).contains("on the blocklist"));
    world.settings(|settings| settings.events = Direction::Off);
    let told = said(&world, &stories[4].0.0);
    assert!(told.contains("the settings do not sync events"), "{told}");
}

#[test]
fn why_says_what_would_be_done_and_by_which_rule() {
    let world = World::new(2);
    world.session();
    knows_ann(&world);
    let event = meeting(&world, 5, |_| {});
    let told = said(&world, &event.0);
    assert!(
        told.contains("a meeting with somebody outside who is known"),
        "{told}"
    );
    assert!(told.contains("create in crm: event"), "{told}");
    let letter = mail(&world, "fresh@x", 0, |_| {});
    let told = said(&world, &letter.0);
    assert!(told.contains("a mail with somebody who is known"), "{told}");
    world.settle();
    // Saved: the link tells, from either side, by key and by id.
    let link = world
        .links()
        .into_iter()
        .find(|link| link.mailbox_id.as_ref() == Some(&event))
        .unwrap();
    let record = link.crm_id.clone().unwrap();
    for name in [&event.0, &record.0, &link.key.0, &link.id.as_str().to_owned()] {
        let side = (*name == record.0).then_some(CRM);
        let told = ask(&world, side, name);
        let text = told.lines.join("\n");
        assert!(
            text.contains(&format!("link {} (event): live", link.id)),
            "{name}: {text}"
        );
        assert!(
            text.contains("as they were agreed on") || text.contains("holds what was agreed on"),
            "{text}"
        );
        assert!(
            told.items.contains(&event) && told.items.contains(&record),
            "{name}"
        );
        assert_eq!(told.closing.outcome, SessionOutcome::Preview);
    }
    world.mailbox.edit(&event, Field::Subject, "Other plans");
    let told = said(&world, &event.0);
    assert!(told.contains("changed in the mailbox since: subject"), "{told}");
    assert!(told.contains("change in crm: event"), "{told}");
    world.crm.edit(&record, Field::Subject, "Their plans");
    assert!(said(&world, &event.0).contains("changed on both sides since: subject"));
    // An email is known by its Message-ID, too.
    let told = ask(&world, None, "<fresh@x>").lines.join("\n");
    assert!(told.contains("(email): live"), "{told}");
}

#[test]
fn why_tells_ends_gaps_and_faults() {
    let world = World::new(3);
    let card = world
        .mailbox
        .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    world.settle();
    let record = world.crm.here()[0].0.clone();
    world.mailbox.delete(&card);
    let told = ask(&world, Some(CRM), &record.0).lines.join("\n");
    assert!(told.contains("the mailbox item is deleted"), "{told}");
    assert!(told.contains("end_and_offer"), "{told}");
    world.settle();
    let told = ask(&world, Some(CRM), &record.0).lines.join("\n");
    assert!(told.contains("ended: deleted in the mailbox"), "{told}");
    assert!(told.contains("nothing is made again by itself"), "{told}");

    let nobody = ask(&world, None, "no such thing");
    assert!(
        nobody.lines[0].contains("there is no such item"),
        "{:?}",
        nobody.lines
    );
    world
        .crm
        .with(|state| state.faults.call = Some((0, FaultKind::Transient { retry_after: None })));
    let broken = ask(&world, Some(CRM), &record.0);
    assert!(
        broken.lines.iter().any(|line| line.contains("did not answer")),
        "{:?}",
        broken.lines
    );
    assert_eq!(broken.closing.outcome, SessionOutcome::Failed);
}

/// A world in which older mails wait for a back-fill.
fn waiting(mails: usize) -> (World, Window) {
    let world = World::new(4);
    knows_ann(&world);
    world.session();
    for n in 0..mails {
        mail(&world, &format!("{n:04}@x"), 20, |mail| {
            // One in ten is nobody's whom Salesforce knows.
            if n % 10 == 0 {
                mail.from = Some(address("stranger@example.org"));
            }
        });
    }
    world.settle();
    assert!(world.crm.here().is_empty(), "too old to be saved by itself");
    let now = world.clock.now();
    let window = Window {
        from: now.plus_seconds(-30 * DAY),
        to: now.plus_seconds(-10 * DAY),
    };
    (world, window)
}

fn begin(world: &World, window: Window, total: u32) {
    world.store.with(|kept| {
        kept.opening.backfill = Some(Backfill {
            from: window.from,
            to: window.to,
            started: world.clock.now(),
            cursor: None,
            done: 0,
            total,
            saved: 0,
            finished: false,
        });
    });
}

fn progress(world: &World) -> Backfill {
    world.store.with(|kept| kept.opening.backfill.clone()).unwrap()
}

fn counted(world: &World, window: Window) -> Estimate {
    futures::executor::block_on(estimate(&context(world), lease(world), window)).unwrap()
}

#[test]
fn a_back_fill_saves_older_mail_part_by_part() {
    let (world, window) = waiting(450);
    let estimate = counted(&world, window);
    assert_eq!(estimate.mails, Some(450));
    begin(&world, window, 450);
    for (sessions, done, saved, finished) in [(1, 200, 180, false), (2, 400, 360, false), (3, 450, 405, true)]
    {
        let report = world.session();
        let now = progress(&world);
        assert_eq!(
            (now.done, now.saved, now.finished),
            (done, saved, finished),
            "{sessions}"
        );
        // More is due at once; the end waits for its time. The brake is for what nobody asked for.
        assert_eq!(report.outcome(), SessionOutcome::Done);
        let soon = report.closing.next_due == Some(report.closing.ended);
        assert_eq!(soon, !finished);
    }
    assert_eq!(world.crm.here().len(), 405);
    world.assert_quiet();
    // Once more finds nothing to save.
    begin(&world, window, 450);
    for _ in 0..3 {
        world.session();
        assert_eq!(world.wrote(), 0);
    }
    assert_eq!((progress(&world).saved, progress(&world).finished), (0, true));
}

#[test]
fn a_back_fill_goes_on_after_a_crash_and_saves_nothing_twice() {
    for fuse in [0, 1, 3, 40, 90] {
        let (world, window) = waiting(120);
        begin(&world, window, 120);
        *world.store.fuse.lock().unwrap() = Some(fuse);
        let crashed = world.try_session().is_err();
        for _ in 0..4 {
            world.session();
        }
        assert!(progress(&world).finished, "{fuse}");
        let ids: BTreeSet<String> = world
            .crm
            .here()
            .iter()
            .map(|(_, item)| item.record.get(Field::MessageId).known().unwrap().to_owned())
            .collect();
        assert_eq!(
            (world.crm.here().len(), ids.len()),
            (108, 108),
            "{fuse} {crashed}"
        );
    }
}

#[test]
fn a_back_fill_that_was_cancelled_or_cannot_be_read_keeps_nothing_back() {
    let (world, window) = waiting(250);
    begin(&world, window, 250);
    world.session();
    world.store.with(|kept| kept.opening.backfill = None);
    let before = world.crm.here().len();
    world
        .mailbox
        .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    world.settle();
    assert_eq!(world.crm.here().len(), before + 1, "only the contact");

    begin(&world, window, 250);
    world.settings(|settings| settings.emails = Direction::Off);
    world.session();
    assert_eq!(progress(&world).done, 0, "turned off, it waits");
    assert!(!world.calls(MAILBOX).contains(&"history"));
    world.settings(|settings| settings.emails = Direction::ToCrm);

    // The first call is that for the changes.
    let broken = Some((1, FaultKind::Transient { retry_after: None }));
    world.mailbox.with(|state| state.faults.call = broken);
    let card = world
        .mailbox
        .add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    let report = world.session();
    assert_eq!(report.outcome(), SessionOutcome::Done, "the normal work goes on");
    assert_eq!(progress(&world).done, 0);
    assert!(
        world
            .links()
            .iter()
            .any(|link| link.mailbox_id.as_ref() == Some(&card))
    );
    let refused = Some((1, FaultKind::Rejected));
    world.mailbox.with(|state| state.faults.call = refused);
    assert_eq!(world.session().outcome(), SessionOutcome::Rejected);
}

fn take_back(world: &World) -> UndoReport {
    let session = "5".repeat(32).parse().unwrap();
    futures::executor::block_on(undo(&context(world), lease(world), &session)).unwrap()
}

#[test]
fn an_undone_session_stays_undone() {
    let world = World::new(5);
    let ada = world
        .mailbox
        .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    world.settle();
    world.store.with(|kept| kept.journal.clear());
    // One session that changes, and one that makes.
    world.mailbox.edit(&ada, Field::JobTitle, "Director");
    let bob = world.crm.add(person("Bob", "Ray", "bob@example.com"), Scope::In);
    world.session();
    let record = world
        .links()
        .iter()
        .find_map(|link| (link.mailbox_id.as_ref() == Some(&ada)).then(|| link.crm_id.clone().unwrap()));
    let record = record.unwrap();
    assert_eq!(world.crm.value(&record, Field::JobTitle), known("Director"));
    let report = take_back(&world);
    assert_eq!((report.undone, report.left.len()), (2, 0), "{:?}", report.left);
    assert_eq!(world.crm.value(&record, Field::JobTitle), known(""));
    assert_eq!(world.mailbox.value(&ada, Field::JobTitle), known("Director"));
    let ended = world
        .links()
        .into_iter()
        .find(|link| link.crm_id.as_ref() == Some(&bob))
        .unwrap();
    assert_eq!(ended.state, LinkState::Ended(EndReason::Undone));
    // Neither an ordinary session nor a full compare carries anything over.
    for _ in 0..3 {
        world.session();
        assert_eq!(world.wrote(), 0);
    }
    world
        .store
        .with(|kept| kept.opening.last_full = Some(Timestamp(0)));
    world.session();
    assert_eq!(world.wrote(), 0);
    assert_eq!(world.mailbox.here().len(), 1, "what was made is not made again");
    // The next edit of the user's travels as ever.
    world.mailbox.edit(&ada, Field::JobTitle, "President");
    world.settle();
    assert_eq!(world.crm.value(&record, Field::JobTitle), known("President"));
}

fn choose(world: &World, choice: IssueCure) {
    let now = world.clock.now();
    let key = LinkKey("f".repeat(32));
    world.store.with(|kept| {
        for link in kept.links.values_mut() {
            if let Some(cured) = cure(link, choice, now, key.clone()) {
                *link = cured;
            }
        }
        kept.issues.clear();
    });
}

#[test]
fn keep_mine_and_keep_theirs_end_a_conflict_once() {
    for (choice, text) in [(IssueCure::KeepMine, "Ours"), (IssueCure::KeepTheirs, "Theirs")] {
        let world = World::new(6);
        world.settings(|settings| settings.contact_conflicts = ConflictPolicy::Ask);
        let ada = world
            .mailbox
            .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
        world.settle();
        let record = world.crm.here()[0].0.clone();
        world.mailbox.edit(&ada, Field::JobTitle, "Ours");
        world.crm.edit(&record, Field::JobTitle, "Theirs");
        world.session();
        assert!(
            world
                .issues()
                .iter()
                .any(|(_, code)| *code == IssueCode::Conflict)
        );
        choose(&world, choice);
        world.settle();
        for value in [
            world.mailbox.value(&ada, Field::JobTitle),
            world.crm.value(&record, Field::JobTitle),
        ] {
            assert_eq!(value, known(text), "{choice:?}");
        }
        assert!(world.issues().is_empty(), "{:?}", world.issues());
        assert!(
            world.links().iter().all(|link| link.traits.prefer.is_none()),
            "once"
        );
    }
}

#[test]
fn keep_mine_settles_differences_that_were_adopted() {
    for (choice, text) in [(IssueCure::KeepMine, "Ours"), (IssueCure::KeepTheirs, "Theirs")] {
        let world = World::new(7);
        let mut ours = person("Ada", "Lee", "ada@example.com");
        ours.set(Field::JobTitle, known("Ours"));
        let mut theirs = person("Ada", "Lee", "ada@example.com");
        theirs.set(Field::JobTitle, known("Theirs"));
        let card = world.mailbox.add(ours, Scope::In);
        let record = world.crm.add(theirs, Scope::In);
        world.settle();
        assert!(
            world
                .issues()
                .iter()
                .any(|(_, code)| *code == IssueCode::Differences)
        );
        choose(&world, choice);
        world.settle();
        assert_eq!(world.mailbox.value(&card, Field::JobTitle), known(text));
        assert_eq!(world.crm.value(&record, Field::JobTitle), known(text));
    }
}

/// The write that follows from a choice may be lost: nobody is asked a second time, so it must not be forgotten.
#[test]
fn a_choice_stands_until_it_is_written() {
    for (choice, text, to) in [
        (IssueCure::KeepMine, "Ours", CRM),
        (IssueCure::KeepTheirs, "Theirs", MAILBOX),
    ] {
        let world = World::new(9);
        let mut ours = person("Ada", "Lee", "ada@example.com");
        ours.set(Field::JobTitle, known("Ours"));
        let mut theirs = person("Ada", "Lee", "ada@example.com");
        theirs.set(Field::JobTitle, known("Theirs"));
        let card = world.mailbox.add(ours, Scope::In);
        let record = world.crm.add(theirs, Scope::In);
        world.settle();
        choose(&world, choice);
        world.side(to).with(|state| state.faults.doubt = Some((0, false)));
        world.session();
        world.settle();
        assert_eq!(world.mailbox.value(&card, Field::JobTitle), known(text));
        assert_eq!(world.crm.value(&record, Field::JobTitle), known(text));
        assert!(world.links().iter().all(|link| link.traits.prefer.is_none()));
    }
}

/// A colleague's record that looks the same is neither read nor written: its delete says nothing of the user's own card.
#[test]
fn what_was_only_found_with_a_colleague_is_not_deleted_with_his_record() {
    let world = World::new(10);
    let card = world
        .mailbox
        .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    let record = world.crm.add(person("Ada", "Lee", "ada@example.com"), Scope::Out);
    world.settle();
    assert_eq!(world.links()[0].state, LinkState::Dormant);
    choose(&world, IssueCure::Retry);
    world.crm.delete(&record);
    world.settle();
    assert_eq!(world.mailbox.here().len(), 1);
    assert_eq!(world.mailbox.here()[0].0, card);
    assert_eq!(
        world.crm.here().len(),
        1,
        "it is saved, now that nothing stands in its way"
    );
}

#[test]
fn a_picked_match_is_adopted_and_nothing_is_made() {
    let world = World::new(8);
    let card = world
        .mailbox
        .add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    let first = world.crm.add(person("Ada", "Lee", "ada@example.com"), Scope::In);
    let second = world
        .crm
        .add(person("Ada", "Lee-Ray", "ada@example.com"), Scope::In);
    world.settle();
    assert!(
        world
            .issues()
            .iter()
            .any(|(_, code)| *code == IssueCode::SeveralMatches)
    );
    let issue = IssueKey {
        kind: ItemKind::Contact,
        side: MAILBOX,
        item: card.clone(),
        code: IssueCode::SeveralMatches,
    };
    let fresh = ("e".repeat(32).parse().unwrap(), LinkKey("d".repeat(32)));
    let link = pick(&issue, &second, &world.links(), world.clock.now(), fresh).unwrap();
    world.store.with(|kept| {
        kept.links.insert(link.id.clone(), link);
        kept.issues.remove(&issue);
    });
    world.settle();
    let paired = world
        .links()
        .into_iter()
        .find(|link| link.mailbox_id.as_ref() == Some(&card))
        .unwrap();
    assert_eq!(
        (paired.state, paired.crm_id.as_ref()),
        (LinkState::Live, Some(&second))
    );
    assert_eq!(world.crm.here().len(), 2, "nothing was made, {first} stays alone");
    // What differs is listed, and nothing that is filled was overwritten.
    assert_eq!(world.crm.value(&second, Field::Surname), known("Lee-Ray"));
    assert_eq!(world.mailbox.value(&card, Field::Surname), known("Lee"));
}
