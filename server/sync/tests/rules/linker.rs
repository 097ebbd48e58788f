use proptest::prelude::*;
use tandem_sync::linker::{INVITED_MAX, KnownMap, clues, left_out, more_clues, people, relations};
use tandem_sync::model::{Answer, AttendeeRole, Clue, Field, ItemId, Known, KnownKind, Snapshot};
use tandem_types::Settings;

use crate::items::*;

/// Asks as the engine does: both waves, from a world of records.
fn ask(item: &Snapshot, settings: &Settings, world: &KnownMap) -> KnownMap {
    let user = user();
    let ctx = ctx(settings, &user);
    let mut known = KnownMap::new();
    for wave in 0..2 {
        let wanted = if wave == 0 {
            clues(item, &ctx)
        } else {
            more_clues(item, &ctx, &known)
        };
        for clue in wanted {
            let answer = world.get(&clue).cloned().unwrap_or_default();
            known.insert(clue, answer);
        }
    }
    known
}

fn found(item: &Snapshot, settings: &Settings, world: &KnownMap, people_max: u32) -> String {
    let user = user();
    let known = ask(item, settings, world);
    relations(item, &ctx(settings, &user), &known, people_max)
        .expect("both waves are known")
        .to_string()
}

fn simply(item: &Snapshot, world: &KnownMap) -> String {
    found(item, &Settings::default(), world, 1)
}

#[test]
fn own_domain_and_blocklist_are_never_asked_about() {
    let settings = Settings {
        own_domains: vec!["acme.test".to_owned(), "*.acme.example".to_owned()],
        blocklist: vec![
            "bad.example".to_owned(),
            "Spam@Fine.example".to_owned(),
            "*@*.lists.example".to_owned(),
            "@at.example".to_owned(),
        ],
        ..Settings::default()
    };
    let user = user();
    let item = meeting(&[
        "bob@acme.example",
        "bob@acme.test",
        "bob@sub.acme.example",
        "x@bad.example",
        "x@notbad.example",
        "spam@fine.example",
        "ham@fine.example",
        "news@a.lists.example",
        "x@at.example",
        "no address",
        "/o=org/cn=x",
    ]);
    let wanted = clues(&item, &ctx(&settings, &user));
    let expected = ["ham@fine.example", "x@notbad.example"].map(by_address);
    assert_eq!(wanted, expected.into_iter().collect());
}

#[test]
fn a_mailbox_at_a_free_provider_has_no_company() {
    let settings = Settings::default();
    let user = user();
    let ctx = tandem_sync::linker::LinkerContext {
        settings: &settings,
        address: "ada@gmail.com",
        user: &user,
    };
    let item = mail("eve@gmail.com", &["ada@gmail.com"]);
    assert_eq!(clues(&item, &ctx), [by_address("eve@gmail.com")].into());
    // And no account is looked for by such a domain.
    let known = map(&[(by_address("eve@gmail.com"), &[])]);
    assert!(more_clues(&item, &ctx, &known).is_empty());
    assert!(relations(&item, &ctx, &known, 1).unwrap().is_empty());
}

#[test]
fn the_contact_goes_before_the_lead_and_the_own_one_before_the_oldest() {
    let item = mail("x@out.example", &[ME]);
    let lead = known("00Q1", KnownKind::Lead);
    let old = contact("003A", "");
    let new = contact("003B", "");
    let own = Known {
        own: true,
        ..contact("003C", "")
    };
    let user = known("005X", KnownKind::User);
    let with = |records: &[Known]| simply(&item, &map(&[(by_address("x@out.example"), records)]));
    assert_eq!(with(&[]), "");
    assert_eq!(with(std::slice::from_ref(&user)), "");
    assert_eq!(with(&[lead.clone(), user]), "who=00Q1");
    assert_eq!(with(&[lead.clone(), new.clone()]), "who=003B");
    assert_eq!(with(&[new.clone(), lead.clone(), old.clone()]), "who=003A");
    assert_eq!(with(&[old, own, new, lead]), "who=003C");
}

#[test]
fn the_account_and_the_latest_own_deal_come_with_the_contact() {
    let item = mail("x@out.example", &[ME, "y@out.example", "z@other.example"]);
    let mut world = map(&[
        (by_address("x@out.example"), &[contact("003A", "001A")]),
        (by_address("y@out.example"), &[contact("003B", "001A")]),
        (by_address("z@other.example"), &[contact("003C", "001C")]),
    ]);
    assert_eq!(simply(&item, &world), "who=003A;what=001A");
    world.insert(
        Clue::DealsOf(ItemId("003C".to_owned())),
        vec![deal("006C", "001C", 5)],
    );
    assert_eq!(simply(&item, &world), "who=003A;what=006C");
    let strange = Known {
        own: false,
        ..deal("006Z", "001A", 99)
    };
    world.insert(
        Clue::DealsOf(ItemId("003A".to_owned())),
        vec![deal("006A", "001A", 9), deal("006B", "001A", 7), strange],
    );
    assert_eq!(simply(&item, &world), "who=003A;what=006A");
    // A deal of another account than the one that was asked for is none of his.
    world.insert(
        Clue::DealsOf(ItemId("003A".to_owned())),
        vec![deal("006A", "001Z", 9)],
    );
    assert_eq!(simply(&item, &world), "who=003A;what=006C");
    assert_eq!(
        found(&item, &Settings::default(), &world, 50),
        "who=003A,003B,003C;what=006C"
    );
    assert_eq!(
        found(&item, &Settings::default(), &world, 0),
        "who=003A;what=006C"
    );
}

#[test]
fn where_nobody_is_known_the_domain_leads_to_an_account() {
    let account = |id: &str| known(id, KnownKind::Account);
    let item = mail("x@gmail.com", &[ME, "y@out.example"]);
    let world = map(&[
        (
            Clue::Domain("out.example".to_owned()),
            &[account("001B"), account("001A"), known("003X", KnownKind::Other)],
        ),
        (Clue::Domain("gmail.com".to_owned()), &[account("001Z")]),
    ]);
    assert_eq!(simply(&item, &world), "what=001A");
    // A lead is somebody; and the CRM takes no account beside one.
    let mut world = world;
    world.insert(by_address("x@gmail.com"), vec![known("00Q1", KnownKind::Lead)]);
    assert_eq!(simply(&item, &world), "who=00Q1");
}

#[test]
fn what_the_text_names_counts_first() {
    let case = Clue::CaseNumber("00001234".to_owned());
    let record = |id: &str| {
        let mut clues = clues(
            &{
                let mut item = task();
                item.record = item
                    .record
                    .with(Field::Body, &format!("https://a.my.salesforce.com/{id}"));
                item
            },
            &ctx(&Settings::default(), &user()),
        );
        clues.pop_first().expect("a link to a record")
    };
    let deal_link = record("006d00000000001");
    let contact_link = record("003d00000000001");
    let mut item = mail("x@out.example", &[ME]);
    item.record = item
        .record
        .with(Field::Subject, "AW: Case 00001234")
        .with(
            Field::Body,
            "see https://a.my.salesforce.com/006d00000000001\nhttps://a.lightning.force.com/lightning/r/Contact/003d00000000001/view",
        );
    let mut world = map(&[
        (by_address("x@out.example"), &[contact("003A", "001A")]),
        (
            Clue::DealsOf(ItemId("003A".to_owned())),
            &[deal("006A", "001A", 9)],
        ),
        (deal_link, &[known("006d", KnownKind::Opportunity)]),
        (contact_link, &[contact("003d", "001D")]),
    ]);
    assert_eq!(
        simply(&item, &world),
        "who=003d;what=006d",
        "no such case is known"
    );
    world.insert(case.clone(), vec![known("500A", KnownKind::Case)]);
    assert_eq!(simply(&item, &world), "who=003d;what=500A");
    // Nothing more is asked then.
    let known_now = ask(&item, &Settings::default(), &world);
    assert!(!known_now.keys().any(|clue| matches!(clue, Clue::DealsOf(_))));
    // A lead gives way to a case that is named, but in a mail, which can hold both.
    let mut visit = meeting(&["l@out.example"]);
    visit.record = visit.record.with(Field::Subject, "Case 00001234");
    let world = map(&[
        (by_address("l@out.example"), &[known("00Q1", KnownKind::Lead)]),
        (case, &[known("500A", KnownKind::Case)]),
    ]);
    assert_eq!(simply(&visit, &world), "what=500A;invited=00Q1:accepted");
    let mut written = mail("l@out.example", &[ME]);
    written.record = written.record.with(Field::Subject, "Case 00001234");
    assert_eq!(simply(&written, &world), "who=00Q1;what=500A");
    // A task is linked by its text alone.
    let mut call = task();
    call.record = call.record.with(Field::Subject, "Case 00001234");
    assert_eq!(simply(&call, &world), "what=500A");
}

#[test]
fn guests_are_invited_with_their_answers() {
    let mut item = meeting(&[
        "a@out.example",
        "l@out.example",
        "u@out.example",
        "b@acme.example",
    ]);
    facts(&mut item).attendees[1].answer = Answer::Declined;
    facts(&mut item).attendees.push(guest("room@out.example"));
    facts(&mut item).attendees[4].role = AttendeeRole::Resource;
    facts(&mut item).attendees.push(guest("me@out.example"));
    let world = map(&[
        (by_address("a@out.example"), &[contact("003A", "")]),
        (by_address("l@out.example"), &[known("00QL", KnownKind::Lead)]),
        (by_address("u@out.example"), &[known("005U", KnownKind::User)]),
        (by_address("room@out.example"), &[contact("003R", "")]),
        (
            by_address("me@out.example"),
            &[known("005000000000001AAA", KnownKind::User)],
        ),
    ]);
    assert_eq!(
        simply(&item, &world),
        "who=003A;invited=003A:accepted,005U:accepted,00QL:declined"
    );
    // The organizer takes part, and is not invited.
    let invited = invitation("a@out.example", Answer::Accepted);
    assert_eq!(simply(&invited, &world), "who=003A");
}

#[test]
fn what_is_private_belongs_to_nothing() {
    let mut item = meeting(&["a@out.example"]);
    item.record = item.record.with(Field::Private, "yes");
    let settings = Settings::default();
    let user = user();
    let ctx = ctx(&settings, &user);
    assert!(clues(&item, &ctx).is_empty());
    assert_eq!(
        relations(&item, &ctx, &KnownMap::new(), 1).map(|r| r.is_empty()),
        Some(true)
    );
}

#[test]
fn nothing_is_said_before_everything_is_known() {
    let settings = Settings::default();
    let user = user();
    let ctx = ctx(&settings, &user);
    let item = mail("a@out.example", &[ME, "b@out.example"]);
    let mut known = map(&[(by_address("a@out.example"), &[contact("003A", "001A")])]);
    assert_eq!(relations(&item, &ctx, &known, 1), None);
    assert!(more_clues(&item, &ctx, &known).is_empty());
    known.insert(by_address("b@out.example"), Vec::new());
    assert_eq!(relations(&item, &ctx, &known, 1), None, "the deals are not known");
    let more = more_clues(&item, &ctx, &known);
    assert_eq!(more, [Clue::DealsOf(ItemId("003A".to_owned()))].into());
    known.insert(more.into_iter().next().unwrap(), Vec::new());
    assert!(relations(&item, &ctx, &known, 1).is_some());
}

#[test]
fn a_crowd_is_cut_and_counted() {
    let guests: Vec<String> = (0..5_000).map(|n| format!("g{n:04}@out.example")).collect();
    let item = meeting(&guests.iter().map(String::as_str).collect::<Vec<_>>());
    let settings = Settings::default();
    let user = user();
    let wanted = clues(&item, &ctx(&settings, &user));
    assert_eq!(wanted.len(), people::ADDRESSES_MAX);
    let world: KnownMap = wanted
        .iter()
        .enumerate()
        .map(|(n, clue)| (clue.clone(), vec![contact(&format!("003{n:05}"), "001A")]))
        .collect();
    let known = ask(&item, &settings, &world);
    let out = relations(&item, &ctx(&settings, &user), &known, 50).unwrap();
    assert_eq!((out.who.len(), out.invited.len()), (50, INVITED_MAX));
    assert_eq!(
        left_out(&item, &ctx(&settings, &user), &known, 50),
        5_000 - INVITED_MAX
    );
    let few = meeting(&["g0000@out.example", "g0001@out.example"]);
    let known = ask(&few, &settings, &world);
    assert_eq!(left_out(&few, &ctx(&settings, &user), &known, 1), 0);
}

fn records() -> impl Strategy<Value = Vec<Known>> {
    let one = (0..4_u8, 0..3_u8, any::<bool>(), 0..3_i64, 0..4_u8).prop_map(
        |(id, account, own, modified, kind)| {
            let kind = [
                KnownKind::Contact,
                KnownKind::Lead,
                KnownKind::User,
                KnownKind::Account,
            ][usize::from(kind)];
            Known {
                id: ItemId(format!("{kind:?}{id}")),
                account: (account > 0).then(|| ItemId(format!("001{account}"))),
                own,
                modified: at(modified),
                kind,
            }
        },
    );
    prop::collection::vec(one, 0..4)
}

proptest! {
    /// Neither the order of the guests nor that of the answers decides anything, and whatever the CRM answers, what
    /// comes out obeys the CRM's own rules.
    #[test]
    fn order_free_and_lawful(
        answers in prop::collection::vec(records(), 6),
        deals in prop::collection::vec((0..3_u8, 0..3_i64, 0..3_u8), 0..5),
        turn in 0..6_usize,
        people_max in 0..4_u32,
    ) {
        let addresses: Vec<String> = (0..6).map(|n| format!("p{n}@d{}.example", n % 2)).collect();
        let mut world = KnownMap::new();
        for (address, records) in addresses.iter().zip(&answers) {
            // One record has one account, one owner, one date, whoever it is found by.
            let mut records = records.clone();
            for record in &mut records {
                let n = i64::from(record.id.0.bytes().last().unwrap_or_default());
                record.own = n % 2 == 0;
                record.modified = at(n % 3);
                record.account = (n % 4 > 0).then(|| ItemId(format!("001{}", n % 3)));
            }
            world.insert(by_address(address), records);
        }
        let deals: Vec<Known> = deals
            .iter()
            .enumerate()
            .map(|(n, (account, modified, _))| deal(&format!("006{n}"), &format!("001{account}"), *modified))
            .collect();
        for n in 0..4_u8 {
            world.insert(Clue::DealsOf(ItemId(format!("Contact{n}"))), deals.clone());
        }
        for n in 0..2 {
            let accounts = (0..=n).map(|id| known(&format!("001{id}"), KnownKind::Account)).collect();
            world.insert(Clue::Domain(format!("d{n}.example")), accounts);
        }
        let settings = Settings::default();
        let mut turned = addresses.clone();
        turned.rotate_left(turn);
        turned.push(addresses[turn].clone());
        let mut backwards = world.clone();
        for records in backwards.values_mut() {
            records.reverse();
        }
        let item = meeting(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let other = meeting(&turned.iter().map(String::as_str).collect::<Vec<_>>());
        let one = found(&item, &settings, &world, people_max);
        prop_assert_eq!(&one, &found(&other, &settings, &backwards, people_max));

        let out: tandem_sync::model::Relations = one.parse().unwrap();
        let leads = out.who.iter().filter(|id| id.0.starts_with("Lead")).count();
        prop_assert!(leads == 0 || (out.who.len() == 1 && out.what.is_none()));
        prop_assert!(out.who.len() <= people_max.max(1) as usize);
        prop_assert!(out.who.iter().all(|id| !id.0.starts_with("User") && !id.0.starts_with("Account")));
    }

    /// Whatever stands in the text, it is read without a stumble, and costs a bounded number of questions.
    #[test]
    fn no_text_breaks_it(subject in ".{0,200}", body in "(?s)(https://|[a-zA-Z0-9:/._<>\u{e4} ]|ref:_|case |/lightning/r/|salesforce.com/){0,300}") {
        let mut item = task();
        item.record = item.record.with(Field::Subject, &subject).with(Field::Body, &body);
        let settings = Settings::default();
        let user = user();
        prop_assert!(clues(&item, &ctx(&settings, &user)).len() <= 20);
    }
}
