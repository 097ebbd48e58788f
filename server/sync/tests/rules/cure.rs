use futures::executor::block_on;
use tandem_sync::cure::{cure, let_go, link_to, pick, with_record};
use tandem_sync::model::{Field, ItemId, LinkKey, Relations};
use tandem_sync::ports::IssueKey;
use tandem_sync::{BaseHash, EndReason, Intent, LinkState};
use tandem_types::{IssueCode, IssueCure, ItemKind, Side};

use crate::items::{at, link};
use crate::world::{World, id, record};

fn key() -> LinkKey {
    LinkKey("new".to_owned())
}

fn issue(code: IssueCode, side: Side, item: &str) -> IssueKey {
    IssueKey {
        kind: ItemKind::Event,
        side,
        item: id(item),
        code,
    }
}

#[test]
fn a_choice_of_side_is_remembered_until_the_next_merge() {
    let pair = link(ItemKind::Event);
    for (choice, side) in [
        (IssueCure::KeepMine, Side::Mailbox),
        (IssueCure::KeepTheirs, Side::Crm),
    ] {
        let cured = cure(&pair, choice, at(5), key()).unwrap();
        assert_eq!(cured.traits.prefer, Some(side));
        assert!(cured.intent.is_some(), "both items are looked at again");
        assert_eq!(
            (cured.state, cured.key.clone()),
            (LinkState::Live, pair.key.clone())
        );
        let mut half = pair.clone();
        half.crm_id = None;
        assert_eq!(cure(&half, choice, at(5), key()), None);
        let mut over = pair.clone();
        over.state = LinkState::Ended(EndReason::Unsynced);
        assert_eq!(cure(&over, choice, at(5), key()), None);
    }
}

#[test]
fn what_is_gone_on_one_side_can_be_brought_back_there() {
    let claim = BaseHash([3; 16]);
    for (end, side) in [
        (EndReason::DeletedInMailbox, Side::Mailbox),
        (EndReason::DeletedInCrm, Side::Crm),
    ] {
        let mut pair = link(ItemKind::Event);
        pair.state = LinkState::Ended(end);
        pair.traits.claim = Some(claim);
        let cured = cure(&pair, IssueCure::BringBack, at(5), key()).unwrap();
        assert_eq!(cured.id_on(side), None);
        assert!(cured.id_on(side.other()).is_some());
        assert_eq!((cured.state, cured.key.clone()), (LinkState::Live, key()));
        assert_eq!(cured.intent, Some(Intent { side, at: at(5) }));
        let dropped = let_go(std::slice::from_ref(&pair), &[cured]);
        if side == Side::Crm {
            assert_eq!(dropped, [(ItemKind::Event, claim)]);
        } else {
            assert!(dropped.is_empty(), "the record is still the one that was claimed");
        }
    }
    for end in [
        EndReason::Unsynced,
        EndReason::DeletedOnBoth,
        EndReason::Merged,
        EndReason::Undone,
    ] {
        let mut pair = link(ItemKind::Event);
        pair.state = LinkState::Ended(end);
        assert_eq!(cure(&pair, IssueCure::BringBack, at(5), key()), None, "{end:?}");
        assert_eq!(cure(&pair, IssueCure::DeleteThere, at(5), key()), None, "{end:?}");
    }
    for cured in [
        IssueCure::Ignore,
        IssueCure::OpenInOutlook,
        IssueCure::OpenInSalesforce,
        IssueCure::LinkTo,
        IssueCure::PickMatch,
    ] {
        assert_eq!(cure(&link(ItemKind::Event), cured, at(5), key()), None);
    }
}

#[test]
fn a_picked_match_becomes_a_pair_unless_it_is_one_already() {
    let fresh = || ("1".repeat(32).parse().unwrap(), key());
    let asked = issue(IssueCode::SeveralMatches, Side::Mailbox, "m1");
    let picked = |links: &[tandem_sync::Link]| pick(&asked, &id("00U1"), links, at(5), fresh());

    let new = picked(&[]).unwrap();
    assert_eq!(
        (new.mailbox_id.clone(), new.crm_id.clone()),
        (Some(id("m1")), Some(id("00U1")))
    );
    assert_eq!(
        (new.kind, new.state, new.made_on),
        (ItemKind::Event, LinkState::Live, None)
    );
    assert!(new.intent.is_some() && new.base == tandem_sync::Base::default());

    // The link that waited for a counterpart is the one that gets it.
    let mut waiting = link(ItemKind::Event);
    waiting.crm_id = None;
    waiting.base.normaliser = 1;
    let got = picked(std::slice::from_ref(&waiting)).unwrap();
    assert_eq!((got.id, got.crm_id), (waiting.id.clone(), Some(id("00U1"))));
    assert_eq!(got.base, tandem_sync::Base::default());

    // A candidate that is somebody else's pair, or an item that has one.
    let mut taken = link(ItemKind::Event);
    taken.mailbox_id = Some(id("m9"));
    assert_eq!(picked(&[taken.clone()]), None);
    let mut paired = link(ItemKind::Event);
    paired.crm_id = Some(id("00U9"));
    assert_eq!(picked(&[paired]), None);
    taken.state = LinkState::Ended(EndReason::Unsynced);
    assert!(picked(&[taken]).is_some(), "what has ended holds nobody back");

    // What a lost create may have made keeps what was sent as what was agreed on.
    let lost = issue(IssueCode::CreateInDoubt, Side::Mailbox, "m1");
    let got = pick(&lost, &id("00U1"), &[waiting.clone()], at(5), fresh()).unwrap();
    assert_eq!(got.base, waiting.base);
    for code in [IssueCode::LeadExists, IssueCode::Refused, IssueCode::Conflict] {
        let other = issue(code, Side::Mailbox, "m1");
        assert_eq!(pick(&other, &id("00U1"), &[], at(5), fresh()), None);
    }
    let from_there = issue(IssueCode::SeveralMatches, Side::Crm, "00U1");
    let got = pick(&from_there, &id("m1"), &[], at(5), fresh()).unwrap();
    assert_eq!((got.mailbox_id, got.crm_id), (Some(id("m1")), Some(id("00U1"))));
}

#[test]
fn a_record_is_added_as_the_crm_takes_it() {
    for (before, record, after) in [
        ("", "003A", "who=003A"),
        ("who=003B,003A", "003A", "who=003A,003B"),
        ("who=00QL", "003A", "who=003A"),
        ("who=003A;what=006X", "00QL", "who=00QL"),
        ("who=00QL", "006X", "what=006X"),
        (
            "who=003A;what=001X;invited=005U:accepted",
            "006X",
            "who=003A;what=006X;invited=005U:accepted",
        ),
    ] {
        let relations: Relations = before.parse().unwrap();
        assert_eq!(with_record(&relations, &id(record)).to_string(), after);
    }
}

#[test]
fn linking_writes_at_once_and_is_remembered() {
    let mut world = World::new();
    let fields = &[(Field::Subject, "Review"), (Field::Relations, "what=001X")];
    world.put(Side::Mailbox, "m1", 1, record(ItemKind::Event, &fields[..1]));
    world.put(Side::Crm, "c1", 1, record(ItemKind::Event, fields));
    let pair = world.link(1, ItemKind::Event, LinkState::Live);
    let lease = world.lease();
    let asked = issue(IssueCode::NoMatch, Side::Mailbox, "m1");
    let links = [world.linked(&pair)];
    let linked = |record: &str| {
        let record = ItemId(record.to_owned());
        block_on(link_to(&world.context(false), &lease, &asked, &links, &record)).unwrap()
    };
    assert!(linked("003A"));
    assert_eq!(
        world.text(Side::Crm, "c1", Field::Relations).as_deref(),
        Some("who=003A;what=001X")
    );
    assert!(world.linked(&pair).traits.links_chosen);
    assert!(world.settled(&pair, Side::Crm), "no news for the next session");
    assert_eq!(world.rows().journal.len(), 1);
    world.side(Side::Crm).refuses.insert(id("c1"));
    assert!(!linked("003B"));
    world.side(Side::Crm).items.clear();
    assert!(!linked("003B"));
}
