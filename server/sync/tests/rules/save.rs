use tandem_sync::linker::KnownMap;
use tandem_sync::model::{Answer, Field, KnownKind, MailPlace, Scope, Snapshot, Window};
use tandem_sync::save::{NotSaved, Rule, SaveContext, Saving, saving};
use tandem_types::{Direction, IssueCode, ItemKind, Settings};

use crate::items::*;

const OUT: &str = "x@out.example";

fn nobody() -> KnownMap {
    map(&[(by_address(OUT), &[])])
}

fn somebody() -> KnownMap {
    map(&[(by_address(OUT), &[contact("003A", "")])])
}

fn decide(item: &Snapshot, settings: &Settings, known: &KnownMap, thread_saved: Option<bool>) -> Saving {
    let user = user();
    let ctx = SaveContext {
        ordered: false,
        linker: ctx(settings, &user),
        now: at(100),
        window: Window {
            from: at(86),
            to: at(160),
        },
        mails_since: at(90),
        thread_saved,
    };
    saving(item, &ctx, known)
}

fn with(item: &Snapshot, known: &KnownMap) -> Saving {
    decide(item, &Settings::default(), known, None)
}

fn marked(mut item: Snapshot) -> Snapshot {
    item.scope = Scope::In;
    item.marked = true;
    item
}

fn changed(mut item: Snapshot, change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    change(&mut item);
    item
}

#[test]
fn every_rule_about_events() {
    use NotSaved::{
        AutoSaveOff, Blocklisted, Cancelled, Declined, InternalOnly, NoMatch, Off, OutOfWindow, Private,
        Unanswered, Unsync,
    };
    use Saving::{Ask, No, Yes};
    let yes = somebody();
    let default = Settings::default();
    let late = |item: Snapshot| {
        changed(item, |item| {
            item.record = item
                .record
                .clone()
                .with(Field::When, "1970-06-10T09:00:00Z/1970-06-10T10:00:00Z");
        })
    };
    let past = |item: Snapshot| {
        changed(item, |item| {
            item.record = item.record.clone().with(Field::When, "1970-03-26/1970-03-27");
        })
    };
    let private = |item: Snapshot| {
        changed(item, |item| {
            item.scope = Scope::Private;
            item.record = item.record.clone().with(Field::Private, "yes");
        })
    };
    let met = || meeting(&[OUT]);
    for (what, item, known, expected) in [
        ("appointment", event(), &yes, No(AutoSaveOff)),
        ("marked", marked(event()), &yes, Yes(Rule::Marked)),
        ("marked and late", marked(late(event())), &yes, No(OutOfWindow)),
        ("marked and over", marked(past(event())), &yes, No(OutOfWindow)),
        (
            "marked without a time",
            marked(changed(event(), |item| {
                item.record.fields.remove(&Field::When);
            })),
            &yes,
            Yes(Rule::Marked),
        ),
        (
            "met without a time",
            changed(met(), |item| {
                item.record.fields.remove(&Field::When);
            }),
            &yes,
            No(OutOfWindow),
        ),
        (
            "marked private",
            changed(private(event()), |item| item.scope = Scope::In),
            &yes,
            Yes(Rule::Marked),
        ),
        ("private", private(met()), &yes, No(Private)),
        (
            "private, and the side says no scope",
            changed(private(met()), |item| item.scope = Scope::Out),
            &yes,
            No(Private),
        ),
        ("own meeting", met(), &yes, Yes(Rule::MeetingWithMatch)),
        ("own meeting, late", late(met()), &yes, No(OutOfWindow)),
        ("own meeting, asked", met(), &KnownMap::new(), Ask),
        ("own meeting, unknown", met(), &nobody(), No(NoMatch)),
        (
            "a user is no match",
            met(),
            &map(&[(by_address(OUT), &[known("005X", KnownKind::User)])]),
            No(NoMatch),
        ),
        ("internal", meeting(&["bob@acme.example"]), &yes, No(InternalOnly)),
        (
            "invited, not answered",
            invitation(OUT, Answer::None),
            &yes,
            No(Unanswered),
        ),
        (
            "invited, declined",
            invitation(OUT, Answer::Declined),
            &yes,
            No(Declined),
        ),
        (
            "invited, tentative",
            invitation(OUT, Answer::Tentative),
            &yes,
            Yes(Rule::MeetingWithMatch),
        ),
        (
            "invited, accepted",
            invitation(OUT, Answer::Accepted),
            &yes,
            Yes(Rule::MeetingWithMatch),
        ),
        (
            "invited by a colleague alone",
            invitation("bob@acme.example", Answer::Accepted),
            &yes,
            No(InternalOnly),
        ),
        (
            "cancelled, though marked",
            marked(changed(met(), |item| facts(item).cancelled = true)),
            &yes,
            No(Cancelled),
        ),
        (
            "unsync, though marked",
            marked(changed(met(), |item| item.extra.unsync = true)),
            &yes,
            No(Unsync),
        ),
    ] {
        assert_eq!(decide(&item, &default, known, None), expected, "{what}");
    }
    let settings = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    };
    for (what, settings, item, expected) in [
        (
            "appointments on",
            settings(|s| s.save_appointments = true),
            event(),
            Yes(Rule::Appointment),
        ),
        (
            "appointments on, late",
            settings(|s| s.save_appointments = true),
            late(event()),
            No(OutOfWindow),
        ),
        (
            "meetings off",
            settings(|s| s.save_meetings = false),
            met(),
            No(AutoSaveOff),
        ),
        (
            "blocked",
            settings(|s| s.blocklist = vec!["out.example".to_owned()]),
            met(),
            No(Blocklisted),
        ),
        (
            "blocked, but asked for",
            settings(|s| s.blocklist = vec!["out.example".to_owned()]),
            marked(met()),
            Yes(Rule::Marked),
        ),
        (
            "events off",
            settings(|s| s.events = Direction::Off),
            marked(met()),
            No(Off),
        ),
        (
            "events down only",
            settings(|s| s.events = Direction::ToMailbox),
            marked(met()),
            No(Off),
        ),
        (
            "events up only",
            settings(|s| s.events = Direction::ToCrm),
            marked(met()),
            Yes(Rule::Marked),
        ),
    ] {
        assert_eq!(decide(&item, &settings, &yes, None), expected, "{what}");
    }
}

#[test]
fn every_rule_about_mail() {
    use NotSaved::{
        Blocklisted, Confidential, Draft, Encrypted, InternalOnly, NoMatch, NoMessageId, Off, OutOfScope,
        Service, TooOld, Unsync,
    };
    use Saving::{Ask, No, Yes};
    let yes = somebody();
    let came = || mail(OUT, &[ME]);
    let sent = || changed(mail(ME, &[OUT]), |item| headers(item).place = MailPlace::Sent);
    let lies = |place: MailPlace| changed(came(), |item| headers(item).place = place);
    for (what, item, known, expected) in [
        ("came", came(), &yes, Yes(Rule::MailWithMatch)),
        ("sent", sent(), &yes, Yes(Rule::MailWithMatch)),
        ("asked", came(), &KnownMap::new(), Ask),
        ("unknown", came(), &nobody(), No(NoMatch)),
        (
            "internal",
            mail("bob@acme.example", &[ME]),
            &yes,
            No(InternalOnly),
        ),
        ("to oneself", mail(ME, &[ME]), &yes, No(InternalOnly)),
        ("elsewhere", lies(MailPlace::Other), &yes, No(OutOfScope)),
        (
            "chosen folder",
            lies(MailPlace::Chosen),
            &nobody(),
            Yes(Rule::Folder),
        ),
        ("our folder", lies(MailPlace::Ours), &nobody(), Yes(Rule::Marked)),
        (
            "marked anywhere",
            marked(lies(MailPlace::Other)),
            &nobody(),
            Yes(Rule::Marked),
        ),
        (
            "too old",
            changed(came(), |item| headers(item).sent = at(89)),
            &yes,
            No(TooOld),
        ),
        (
            "old, marked",
            marked(changed(came(), |item| headers(item).sent = at(1))),
            &yes,
            Yes(Rule::Marked),
        ),
        (
            "old, in a chosen folder",
            changed(lies(MailPlace::Chosen), |item| headers(item).sent = at(89)),
            &yes,
            No(TooOld),
        ),
        (
            "draft",
            marked(changed(came(), |item| headers(item).draft = true)),
            &yes,
            No(Draft),
        ),
        (
            "machine",
            changed(came(), |item| headers(item).service = true),
            &yes,
            No(Service),
        ),
        (
            "machine, marked",
            marked(changed(came(), |item| headers(item).service = true)),
            &yes,
            Yes(Rule::Marked),
        ),
        (
            "confidential",
            changed(came(), |item| headers(item).confidential = true),
            &yes,
            No(Confidential),
        ),
        (
            "confidential in a chosen folder",
            changed(lies(MailPlace::Chosen), |item| headers(item).confidential = true),
            &yes,
            No(Confidential),
        ),
        (
            "confidential, marked",
            marked(changed(came(), |item| headers(item).confidential = true)),
            &yes,
            Yes(Rule::Marked),
        ),
        (
            "encrypted",
            changed(came(), |item| headers(item).encrypted = true),
            &yes,
            No(Encrypted),
        ),
        (
            "encrypted, marked",
            marked(changed(came(), |item| headers(item).encrypted = true)),
            &yes,
            No(Encrypted),
        ),
        (
            "without an id",
            changed(came(), |item| headers(item).message_id = None),
            &yes,
            No(NoMessageId),
        ),
        (
            "without an id, marked",
            marked(changed(came(), |item| headers(item).message_id = None)),
            &yes,
            Yes(Rule::Marked),
        ),
        (
            "unsync",
            changed(came(), |item| item.extra.unsync = true),
            &yes,
            No(Unsync),
        ),
    ] {
        assert_eq!(with(&item, known), expected, "{what}");
    }

    let thread = |item: &Snapshot, settings: &Settings| decide(item, settings, &nobody(), Some(true));
    let default = Settings::default();
    assert_eq!(thread(&came(), &default), Yes(Rule::Thread));
    assert_eq!(
        thread(&mail("bob@acme.example", &[ME]), &default),
        No(InternalOnly),
        "what the company says about it stays inside"
    );
    let off = Settings {
        save_threads: false,
        ..Settings::default()
    };
    assert_eq!(thread(&came(), &off), No(NoMatch));
    assert_eq!(decide(&came(), &default, &nobody(), Some(false)), No(NoMatch));

    let blocking = Settings {
        blocklist: vec![OUT.to_owned()],
        ..Settings::default()
    };
    let blocked = |item: &Snapshot| decide(item, &blocking, &yes, Some(true));
    assert_eq!(blocked(&came()), No(Blocklisted));
    assert_eq!(blocked(&marked(came())), No(Blocklisted));
    assert_eq!(blocked(&sent()), No(Blocklisted));
    let both = mail(ME, &[OUT, "fine@out.example"]);
    assert_eq!(
        decide(
            &both,
            &blocking,
            &map(&[(by_address("fine@out.example"), &[contact("003F", "")])]),
            None
        ),
        Yes(Rule::MailWithMatch)
    );
    assert_eq!(
        decide(
            &mail(OUT, &[ME, "fine@out.example"]),
            &blocking,
            &somebody(),
            None
        ),
        No(Blocklisted),
        "its sender is blocked"
    );
    let off = Settings {
        emails: Direction::Off,
        ..Settings::default()
    };
    assert_eq!(decide(&marked(came()), &off, &yes, None), No(Off));
    let by_hand = Settings {
        save_emails: false,
        ..Settings::default()
    };
    assert_eq!(decide(&came(), &by_hand, &yes, None), No(NotSaved::AutoSaveOff));
}

#[test]
fn contacts_and_tasks_go_by_their_scope() {
    let known = KnownMap::new();
    let mut item = task();
    assert_eq!(with(&item, &known), Saving::No(NotSaved::OutOfScope));
    item.scope = Scope::In;
    assert_eq!(with(&item, &known), Saving::Yes(Rule::Marked));
    item.scope = Scope::Private;
    assert_eq!(with(&item, &known), Saving::No(NotSaved::Private));
    item.scope = Scope::In;
    item.extra.unsync = true;
    assert_eq!(with(&item, &known), Saving::No(NotSaved::Unsync));
    item.record.kind = ItemKind::Contact;
    item.extra.unsync = false;
    assert_eq!(with(&item, &known), Saving::Yes(Rule::Marked));
}

#[test]
fn only_what_was_asked_for_becomes_an_issue() {
    let issues: Vec<_> = NotSaved::ALL
        .into_iter()
        .filter_map(|reason| {
            assert_eq!(reason.issue(false), None, "{reason:?}");
            assert!(!reason.text().is_empty());
            Some((reason, reason.issue(true)?))
        })
        .collect();
    assert_eq!(
        issues,
        [
            (NotSaved::NoMatch, IssueCode::NoMatch),
            (NotSaved::Blocklisted, IssueCode::NoMatch),
            (NotSaved::Confidential, IssueCode::Confidential),
            (NotSaved::Encrypted, IssueCode::Encrypted),
            (NotSaved::Double, IssueCode::SeveralMatches),
        ]
    );
    let texts: std::collections::BTreeSet<_> = NotSaved::ALL
        .map(NotSaved::text)
        .into_iter()
        .chain(Rule::ALL.map(Rule::text))
        .collect();
    assert_eq!(texts.len(), NotSaved::ALL.len() + Rule::ALL.len());
}
