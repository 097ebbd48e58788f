//! The contract of `tandem_sync::ports::Store`, as far as an organisation's connections share something: claims,
//! settings, the organisation's brake. And what a connection keeps beside its links. Each case gets an empty store.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref as once;
use std::sync::Arc;

use serde_json::json;
use tandem_store::{SettingsFault, StoreError};
use tandem_sync::model::{Cursor, ItemId, LinkKey};
use tandem_sync::order::Order;
use tandem_sync::ports::{Backfill, Claim, Closing, Commit, Lease, LinkAsk, Pick, Wish};
use tandem_sync::{BaseHash, Intent, Link};
use tandem_types::{Direction, ItemKind, OrgId, Settings, Side, StateReason, SyncState, Timestamp};

use crate::common::{Desk, T0, TTL, at, cid, claimed, done, entry, link, new_session, org};

type D = Arc<dyn Desk>;

fn hash(n: u8) -> BaseHash {
    BaseHash([n; 16])
}

fn wish(n: u8, key: &str) -> Wish {
    Wish {
        kind: ItemKind::Email,
        hash: hash(n),
        key: LinkKey(key.to_owned()),
        gone: None,
    }
}

async fn claims(desk: &D, lease: &Lease, now: i64, wishes: &[Wish]) -> Vec<Claim> {
    desk.port()
        .claims(lease, at(now), wishes, at(now - 1800))
        .await
        .unwrap()
}

fn as_made(claim: &Claim, id: &str) -> Claim {
    Claim {
        crm_id: Some(ItemId(id.to_owned())),
        ..claim.clone()
    }
}

async fn standing(desk: &D, lease: &Lease, n: u8) -> Option<Claim> {
    let found = desk
        .port()
        .claimed(lease, &[(ItemKind::Email, hash(n))])
        .await
        .unwrap();
    found.into_iter().next().unwrap()
}

fn lost<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::LeaseLost)), "{result:?}");
}

async fn commit(desk: &D, lease: &Lease, now: i64, commit: Commit) {
    desk.port().commit(lease, at(now), commit).await.unwrap();
}

pub(crate) async fn a_claim_stands_for_the_whole_organisation(desk: D) {
    for n in 1..=2 {
        desk.active(n, T0).await;
    }
    desk.add_in(2, 3, T0).await;
    desk.activate(&cid(3), "user3@example.com", T0).await.unwrap();
    let mut leases = Vec::new();
    for n in 1..=3 {
        leases.push(claimed(&desk, n, T0).await);
    }
    let [one, two, elsewhere] = &leases[..] else {
        panic!()
    };
    assert_eq!(claims(&desk, one, 0, &[]).await, []);
    assert_eq!(standing(&desk, one, 1).await, None);

    let event = Wish {
        kind: ItemKind::Event,
        ..wish(1, "e")
    };
    let got = claims(
        &desk,
        one,
        0,
        &[wish(1, "a"), event.clone(), wish(1, "again"), wish(2, "b")],
    )
    .await;
    let made = |n, kind, key: &str| Claim {
        kind,
        hash: hash(n),
        holder: cid(1),
        key: LinkKey(key.to_owned()),
        crm_id: None,
        since: at(0),
    };
    let first = made(1, ItemKind::Email, "a");
    assert_eq!(
        got,
        [
            first.clone(),
            made(1, ItemKind::Event, "e"),
            first.clone(),
            made(2, ItemKind::Email, "b")
        ],
        "in the order of the wishes; kinds do not mix; the first of one hash counts"
    );
    // What stands is answered, to its holder too, and as it was.
    assert_eq!(claims(&desk, one, 10, &[wish(1, "other")]).await, once(&first));
    assert_eq!(claims(&desk, two, 10, &[wish(1, "mine")]).await, once(&first));
    let asked = [
        (ItemKind::Email, hash(9)),
        (ItemKind::Email, hash(1)),
        (ItemKind::Task, hash(1)),
    ];
    assert_eq!(
        desk.port().claimed(two, &asked).await.unwrap(),
        [None, Some(first), None]
    );
    // Another organisation has its own.
    assert_eq!(standing(&desk, elsewhere, 1).await, None);
    assert_eq!(
        claims(&desk, elsewhere, 10, &[wish(1, "theirs")]).await[0].holder,
        cid(3)
    );

    let keys = [
        desk.port().open(one).await.unwrap().org_key,
        desk.port().open(two).await.unwrap().org_key,
        desk.port().open(elsewhere).await.unwrap().org_key,
    ];
    assert!(keys[0] == keys[1], "one organisation hashes alike");
    assert!(keys[0] != keys[2]);
    assert!(
        desk.port().open(one).await.unwrap().org_key == keys[0],
        "and always alike"
    );
}

pub(crate) async fn only_its_holder_settles_a_claim(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let (one, two) = (claimed(&desk, 1, T0).await, claimed(&desk, 2, T0).await);
    let mine = claims(&desk, &one, 0, &[wish(1, "a"), wish(2, "b"), wish(3, "c")]).await;
    let theirs = Commit {
        claims: vec![as_made(&mine[0], "02s000000000009AAA")],
        unclaimed: vec![(ItemKind::Email, hash(2)), (ItemKind::Email, hash(77))],
        ..Commit::default()
    };
    commit(&desk, &two, 1, theirs).await;
    assert_eq!(
        standing(&desk, &two, 1).await.as_ref(),
        Some(&mine[0]),
        "not theirs to set"
    );
    assert_eq!(
        standing(&desk, &two, 2).await.as_ref(),
        Some(&mine[1]),
        "nor to let go of"
    );

    let own = Commit {
        claims: vec![as_made(&mine[0], "02s000000000001AAA")],
        unclaimed: vec![(ItemKind::Email, hash(2))],
        ..Commit::default()
    };
    commit(&desk, &one, 2, own).await;
    let made = as_made(&mine[0], "02s000000000001AAA");
    assert_eq!(standing(&desk, &two, 1).await, Some(made.clone()));
    assert_eq!(standing(&desk, &two, 2).await, None);
    // What was let go of is anybody's; what is made is nobody else's, however long ago.
    assert_eq!(claims(&desk, &two, 3, &[wish(2, "z")]).await[0].holder, cid(2));
    assert_eq!(claims(&desk, &two, 1_000_000, &[wish(1, "y")]).await, [made]);
}

pub(crate) async fn a_stale_claim_is_taken_over_with_its_key(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let (one, two) = (claimed(&desk, 1, T0).await, claimed(&desk, 2, T0).await);
    let mine = claims(&desk, &one, 0, &[wish(1, "a")]).await;
    assert_eq!(
        claims(&desk, &two, 1800, &[wish(1, "b")]).await,
        mine,
        "not older than the limit"
    );
    let taken = claims(&desk, &two, 1801, &[wish(1, "b")]).await;
    assert_eq!(
        taken,
        [Claim {
            holder: cid(2),
            since: at(1801),
            ..mine[0].clone()
        }],
        "the key stays: what was sent under it is found by it"
    );
    // The first holder comes back, and is too late.
    let late = Commit {
        claims: vec![Claim {
            crm_id: Some(ItemId("02s000000000001AAA".to_owned())),
            ..mine[0].clone()
        }],
        ..Commit::default()
    };
    commit(&desk, &one, 1802, late).await;
    assert_eq!(standing(&desk, &one, 1).await.unwrap().crm_id, None);
    assert_eq!(claims(&desk, &one, 1802, &[wish(1, "c")]).await, taken);
}

pub(crate) async fn a_claim_of_a_deleted_record_goes_to_the_first_who_knows(desk: D) {
    for n in 1..=3 {
        desk.active(n, T0).await;
    }
    let one = claimed(&desk, 1, T0).await;
    let two = claimed(&desk, 2, T0).await;
    let three = claimed(&desk, 3, T0).await;
    let mine = claims(&desk, &one, 0, &[wish(1, "a"), wish(2, "b")]).await;
    let dead = ItemId("00U000000000001AAA".to_owned());
    let other = ItemId("00U000000000002AAA".to_owned());
    let made = Commit {
        claims: vec![as_made(&mine[0], &dead.0), as_made(&mine[1], &other.0)],
        ..Commit::default()
    };
    commit(&desk, &one, 1, made).await;
    let again = |n: u8, key: &str| Wish {
        gone: Some(dead.clone()),
        ..wish(n, key)
    };
    // Who only wants it gets it as it stands; so does who knows of another record.
    assert_eq!(
        claims(&desk, &two, 2, &[wish(1, "c")]).await,
        [as_made(&mine[0], &dead.0)]
    );
    let asked = [again(2, "d"), again(1, "e"), again(3, "f")];
    let got = claims(&desk, &two, 3, &asked).await;
    let fresh = |n: u8, key: &str| Claim {
        kind: ItemKind::Email,
        hash: hash(n),
        holder: cid(2),
        key: LinkKey(key.to_owned()),
        crm_id: None,
        since: at(3),
    };
    assert_eq!(
        got,
        [as_made(&mine[1], &other.0), fresh(1, "e"), fresh(3, "f")],
        "another's record stays, the dead one is replaced, and what nobody holds is claimed"
    );
    assert_eq!(standing(&desk, &one, 1).await, Some(fresh(1, "e")));
    // The second who knows, the holder before among them, finds the first one's claim.
    assert_eq!(claims(&desk, &three, 4, &[again(1, "g")]).await, [fresh(1, "e")]);
    assert_eq!(claims(&desk, &one, 5, &[again(1, "h")]).await, [fresh(1, "e")]);
    // And what the holder before notes late changes nothing.
    let late = Commit {
        claims: vec![as_made(&mine[0], &dead.0)],
        ..Commit::default()
    };
    commit(&desk, &one, 6, late).await;
    assert_eq!(standing(&desk, &one, 1).await, Some(fresh(1, "e")));
}

pub(crate) async fn two_that_claim_at_once_agree(desk: D) {
    const EACH: u8 = 40;
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let other = desk.second().await;
    let leases = [claimed(&desk, 1, T0).await, claimed(&desk, 2, T0).await];
    for round in 0..3_i64 {
        // The second and third time, what nobody made is stale, and taken over by one of them.
        let now = at(round * 10_000);
        let racers = (0..8_usize).map(|n| {
            let (desk, lease) = (
                if n % 2 == 0 { desk.clone() } else { other.clone() },
                leases[n % 2].clone(),
            );
            let mut wishes: Vec<_> = (0..EACH).map(|h| wish(h, &format!("{n}-{h}"))).collect();
            if n % 3 == 0 {
                wishes.reverse();
            }
            tokio::spawn(async move {
                let got = desk
                    .port()
                    .claims(&lease, now, &wishes, now.plus_seconds(-1800))
                    .await
                    .unwrap();
                got.into_iter().map(|c| (c.hash.0, c)).collect::<BTreeMap<_, _>>()
            })
        });
        let mut seen: BTreeMap<[u8; 16], BTreeSet<(String, String)>> = BTreeMap::new();
        for got in futures::future::join_all(racers).await {
            for (hash, claim) in got.unwrap() {
                assert_eq!(claim.since, now);
                seen.entry(hash)
                    .or_default()
                    .insert((claim.holder.to_string(), claim.key.0));
            }
        }
        assert_eq!(seen.len(), usize::from(EACH));
        for (hash, told) in seen {
            assert_eq!(told.len(), 1, "two holders of {hash:?}: {told:?}");
        }
    }
}

pub(crate) async fn a_deactivated_one_gives_its_claims_up(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let (one, two) = (claimed(&desk, 1, T0).await, claimed(&desk, 2, T0).await);
    let mine = claims(&desk, &one, 0, &[wish(1, "a"), wish(2, "b")]).await;
    let made = Claim {
        crm_id: Some(ItemId("02s000000000001AAA".to_owned())),
        ..mine[1].clone()
    };
    let step = Commit {
        claims: vec![made.clone()],
        ..Commit::default()
    };
    commit(&desk, &one, 1, step).await;
    desk.deactivate(&cid(1), at(2)).await;
    let got = claims(&desk, &two, 3, &[wish(1, "x"), wish(2, "y")]).await;
    assert_eq!(
        (got[0].holder.clone(), &got[0].key, got[0].since),
        (cid(2), &mine[0].key, at(3)),
        "at once, and with the key under which it may have been sent"
    );
    assert_eq!(got[1], made, "what is made stays");
}

pub(crate) async fn a_stale_fence_claims_nothing(desk: D) {
    desk.active(1, T0).await;
    let old = claimed(&desk, 1, T0).await;
    claims(&desk, &old, 0, &[wish(1, "a")]).await;
    let new = claimed(&desk, 1, at(100)).await;
    let mut forged = vec![old];
    for n in 0..3 {
        let mut lease = new.clone();
        match n {
            0 => lease.fence -= 1,
            1 => lease.session = new_session(),
            _ => lease.org = org(2),
        }
        forged.push(lease);
    }
    for lease in forged {
        lost(desk.port().claims(&lease, at(101), &[wish(2, "b")], at(0)).await);
        lost(desk.port().claimed(&lease, &[]).await);
        lost(desk.port().colleagues(&lease, &[]).await);
        lost(desk.port().journal(&lease, &new.session).await);
        let step = Commit {
            unclaimed: vec![(ItemKind::Email, hash(1))],
            deletes: 5,
            moved: true,
            ..Commit::default()
        };
        lost(desk.port().commit(&lease, at(102), step).await);
        let closing = Closing {
            stop_org: true,
            ..done(at(103), None)
        };
        lost(desk.port().close(&lease, closing).await);
    }
    assert_eq!(standing(&desk, &new, 2).await, None);
    assert!(standing(&desk, &new, 1).await.is_some());
    assert_eq!(desk.org(&org(1), at(104)).await.stopped, None);
    let opening = desk.port().open(&new).await.unwrap();
    assert_eq!((opening.org_deletes, opening.last_moved), (0, None));
}

pub(crate) async fn colleagues_are_those_that_sync(desk: D) {
    for n in 1..=4 {
        desk.active(n, T0).await;
    }
    desk.add_in(1, 5, T0).await;
    desk.add_in(2, 6, T0).await;
    desk.activate(&cid(6), "user6@example.com", T0).await.unwrap();
    desk.set_state(&cid(3), &[SyncState::Active], SyncState::Paused, None, None)
        .await;
    desk.deactivate(&cid(4), T0).await;
    let lease = claimed(&desk, 1, T0).await;
    let mut asked: Vec<String> = (1..=7).map(|n| format!("user{n}@example.com")).collect();
    asked.push("user2@example.com".to_owned());
    asked.push("%' OR 1=1 --".to_owned());
    let told = desk.port().colleagues(&lease, &asked).await.unwrap();
    assert_eq!(
        told,
        [true, true, false, false, false, false, false, true, false],
        "paused, deactivated, never activated, elsewhere, unknown: no"
    );
    let many: Vec<String> = (0..2_000)
        .map(|n| format!("user{}@example.com", n % 400))
        .collect();
    let told = desk.port().colleagues(&lease, &many).await.unwrap();
    assert_eq!(told.iter().filter(|yes| **yes).count(), 10);
    assert_eq!(
        desk.port().open(&lease).await.unwrap().address,
        "user1@example.com"
    );
}

pub(crate) async fn what_is_owed_is_pending(desk: D) {
    desk.active(1, T0).await;
    let lease = claimed(&desk, 1, T0).await;
    let pending = async || desk.port().links(&lease, &LinkAsk::Pending).await.unwrap();
    assert_eq!(pending().await, []);
    let mut stored: Vec<Link> = (0..6).map(link).collect();
    stored[1].traits.waits_since = Some(at(5));
    stored[2].traits.files_owed = true;
    stored[3].intent = Some(Intent {
        side: Side::Crm,
        at: T0,
    });
    stored[4].traits.links_chosen = true;
    stored[4].traits.private_on_purpose = true;
    let links = stored.clone();
    commit(
        &desk,
        &lease,
        0,
        Commit {
            links,
            ..Commit::default()
        },
    )
    .await;
    assert_eq!(pending().await, stored[1..=3]);
    assert_eq!(desk.port().links(&lease, &LinkAsk::All).await.unwrap(), stored);

    // Settled one after the other.
    stored[1].traits.waits_since = None;
    stored[2].traits.files_owed = false;
    let links = stored[1..=2].to_vec();
    commit(
        &desk,
        &lease,
        1,
        Commit {
            links,
            ..Commit::default()
        },
    )
    .await;
    assert_eq!(pending().await, stored[3..=3]);
    desk.activate(&cid(1), "other@example.com", at(2)).await.unwrap();
    lost(desk.port().links(&lease, &LinkAsk::Pending).await);
    let lease = claimed(&desk, 1, at(3)).await;
    assert_eq!(desk.port().links(&lease, &LinkAsk::Pending).await.unwrap(), []);
}

pub(crate) async fn a_session_reads_an_older_ones_journal(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let first = claimed(&desk, 1, T0).await;
    let step = |n: u64| Commit {
        journal: (n..n + 20).map(entry).collect(),
        ..Commit::default()
    };
    commit(&desk, &first, 1, step(0)).await;
    commit(&desk, &first, 2, step(20)).await;
    desk.port().close(&first, done(at(3), None)).await.unwrap();
    let lease = claimed(&desk, 1, at(4)).await;
    let read = desk.port().journal(&lease, &first.session).await.unwrap();
    let written: Vec<_> = (0..40).map(entry).collect();
    assert_eq!(format!("{read:?}"), format!("{written:?}"), "oldest first");
    assert!(
        desk.port()
            .journal(&lease, &lease.session)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        desk.port()
            .journal(&lease, &new_session())
            .await
            .unwrap()
            .is_empty()
    );
    let stranger = claimed(&desk, 2, at(4)).await;
    assert!(
        desk.port()
            .journal(&stranger, &first.session)
            .await
            .unwrap()
            .is_empty(),
        "another connection's is not shown"
    );
}

fn range(from: i64, cursor: Option<&str>, done: u32, finished: bool) -> Backfill {
    Backfill {
        from: at(from),
        to: at(1000),
        started: T0,
        cursor: cursor.map(|c| Cursor(c.to_owned())),
        done,
        total: 50,
        saved: done / 2,
        finished,
    }
}

pub(crate) async fn a_back_fill_goes_on_until_it_is_cancelled(desk: D) {
    desk.add_in(1, 1, T0).await;
    let early = desk.start_backfill(&cid(1), &range(0, None, 0, false), T0).await;
    assert!(matches!(early, Err(StoreError::NotFound(_))), "{early:?}");
    desk.activate(&cid(1), "user1@example.com", T0).await.unwrap();
    let lease = claimed(&desk, 1, T0).await;
    let step = |backfill| Commit {
        backfill: Some(backfill),
        ..Commit::default()
    };
    commit(&desk, &lease, 1, step(range(0, None, 1, false))).await;
    assert_eq!(desk.row(&cid(1)).await.backfill, None, "nobody has ordered one");
    desk.port()
        .close(&lease, done(at(1), Some(at(5000))))
        .await
        .unwrap();

    desk.start_backfill(&cid(1), &range(0, None, 0, false), at(2))
        .await
        .unwrap();
    assert_eq!(desk.row(&cid(1)).await.next_due, Some(at(2)), "it begins at once");
    let again = desk
        .start_backfill(&cid(1), &range(7, None, 0, false), at(3))
        .await;
    assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");

    let lease = claimed(&desk, 1, at(3)).await;
    let backfill = async || desk.port().open(&lease).await.unwrap().backfill;
    assert_eq!(backfill().await, Some(range(0, None, 0, false)));
    commit(&desk, &lease, 4, step(range(0, Some("p2"), 20, false))).await;
    commit(&desk, &lease, 4, Commit::default()).await;
    assert_eq!(backfill().await, Some(range(0, Some("p2"), 20, false)));

    // Cancelled while the session is at it, and another range ordered: the session's next step is of no use.
    assert!(desk.cancel_backfill(&cid(1), at(5)).await.unwrap());
    assert!(!desk.cancel_backfill(&cid(1), at(5)).await.unwrap());
    commit(&desk, &lease, 6, step(range(0, Some("p3"), 40, false))).await;
    assert_eq!(backfill().await, None);
    desk.start_backfill(&cid(1), &range(500, None, 0, false), at(7))
        .await
        .unwrap();
    commit(&desk, &lease, 8, step(range(0, Some("p4"), 45, true))).await;
    assert_eq!(backfill().await, Some(range(500, None, 0, false)));

    // The same days, ordered anew: what a session had in hand of the old order is not the new one's.
    assert!(desk.cancel_backfill(&cid(1), at(8)).await.unwrap());
    let anew = Backfill {
        started: at(8),
        ..range(500, None, 0, false)
    };
    desk.start_backfill(&cid(1), &anew, at(8)).await.unwrap();
    commit(&desk, &lease, 8, step(range(500, Some("p5"), 46, true))).await;
    assert_eq!(backfill().await, Some(anew));
    assert!(desk.cancel_backfill(&cid(1), at(8)).await.unwrap());
    desk.start_backfill(&cid(1), &range(500, None, 0, false), at(8))
        .await
        .unwrap();

    commit(&desk, &lease, 9, step(range(500, Some("end"), 50, true))).await;
    assert_eq!(backfill().await, None, "a finished one is no session's business");
    assert_eq!(
        desk.row(&cid(1)).await.backfill,
        Some(range(500, Some("end"), 50, true))
    );
    assert!(!desk.cancel_backfill(&cid(1), at(10)).await.unwrap());
    desk.start_backfill(&cid(1), &range(1, None, 0, false), at(11))
        .await
        .unwrap();
    desk.activate(&cid(1), "other@example.com", at(12)).await.unwrap();
    assert_eq!(
        desk.row(&cid(1)).await.backfill,
        None,
        "it was of another mailbox"
    );
    let missing = desk.cancel_backfill(&cid(9), T0).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
}

pub(crate) async fn a_back_fill_sends_no_refused_password(desk: D) {
    desk.active(1, T0).await;
    let lease = claimed(&desk, 1, T0).await;
    let refused = Closing {
        reason: Some(StateReason::MailServerRefused),
        rejections: 1,
        ..done(at(1), Some(at(1800)))
    };
    desk.port().close(&lease, refused).await.unwrap();
    desk.start_backfill(&cid(1), &range(0, None, 0, false), at(2))
        .await
        .unwrap();
    assert_eq!(desk.row(&cid(1)).await.next_due, Some(at(1800)));
}

pub(crate) async fn what_moved_and_since_when(desk: D) {
    desk.active(1, at(10)).await;
    let lease = claimed(&desk, 1, at(20)).await;
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!((opening.activated, opening.last_moved), (at(10), None));
    let moved = Commit {
        moved: true,
        ..Commit::default()
    };
    commit(&desk, &lease, 21, moved).await;
    commit(&desk, &lease, 22, Commit::default()).await;
    assert_eq!(desk.port().open(&lease).await.unwrap().last_moved, Some(at(21)));
    assert_eq!(desk.row(&cid(1)).await.last_moved, Some(at(21)));

    desk.deactivate(&cid(1), at(30)).await;
    desk.activate(&cid(1), "USER1@example.com", at(40)).await.unwrap();
    let lease = claimed(&desk, 1, at(41)).await;
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!((opening.activated, opening.last_moved), (at(10), Some(at(21))));
    desk.activate(&cid(1), "other@example.com", at(50)).await.unwrap();
    let lease = claimed(&desk, 1, at(51)).await;
    let opening = desk.port().open(&lease).await.unwrap();
    assert_eq!((opening.activated, opening.last_moved), (at(50), None));
}

pub(crate) async fn an_organisations_deletes_are_counted(desk: D) {
    for n in 1..=2 {
        desk.active(n, T0).await;
    }
    desk.add_in(2, 3, T0).await;
    desk.activate(&cid(3), "user3@example.com", T0).await.unwrap();
    let deletes = |n| Commit {
        deletes: n,
        ..Commit::default()
    };
    for (n, count) in [(1, 10), (3, 1000)] {
        let lease = claimed(&desk, n, at(0)).await;
        commit(&desk, &lease, 1, deletes(count)).await;
        commit(&desk, &lease, 2, deletes(5)).await;
        commit(&desk, &lease, 50, deletes(0)).await;
        desk.port().close(&lease, done(at(60), None)).await.unwrap();
    }
    let count = async |desk: &D, now| {
        let lease = claimed(desk, 2, at(now)).await;
        let count = desk.port().open(&lease).await.unwrap().org_deletes;
        desk.port().close(&lease, done(at(now), None)).await.unwrap();
        count
    };
    assert_eq!(count(&desk, 100).await, 15);
    assert_eq!(count(&desk, 3601).await, 15);
    assert_eq!(count(&desk, 3602).await, 0, "an hour later");
    let lease = claimed(&desk, 2, at(4000)).await;
    commit(&desk, &lease, 4000, deletes(u32::MAX)).await;
    commit(&desk, &lease, 4001, deletes(u32::MAX)).await;
    assert_eq!(desk.port().open(&lease).await.unwrap().org_deletes, u32::MAX);
    assert_eq!(desk.org(&org(1), at(4002)).await.deletes, u32::MAX);
}

async fn stop(desk: &D, n: u64, now: i64) {
    let lease = claimed(desk, n, at(now)).await;
    let step = Commit {
        deletes: 1001,
        ..Commit::default()
    };
    commit(desk, &lease, now, step).await;
    let closing = Closing {
        reason: Some(StateReason::OrgBrake),
        stop_org: true,
        ..done(at(now), None)
    };
    desk.port().close(&lease, closing).await.unwrap();
}

pub(crate) async fn an_organisation_stops_as_a_whole(desk: D) {
    for n in 1..=6 {
        desk.active(n, T0).await;
    }
    desk.add_in(2, 7, T0).await;
    desk.activate(&cid(7), "user7@example.com", T0).await.unwrap();
    desk.set_state(&cid(3), &[SyncState::Active], SyncState::Paused, None, None)
        .await;
    let waiting = Some(StateReason::MailServerRefused);
    desk.set_state(
        &cid(4),
        &[SyncState::Active],
        SyncState::Active,
        waiting,
        Some(at(5000)),
    )
    .await;
    // One is in the middle of its session, one is stopped by its own brake.
    let running = claimed(&desk, 5, at(1)).await;
    let lease = claimed(&desk, 6, at(1)).await;
    let braked = Closing {
        reason: Some(StateReason::StoppedByBrake),
        ..done(at(1), None)
    };
    desk.port().close(&lease, braked).await.unwrap();

    stop(&desk, 1, 10).await;
    let stands = async |n: u64| {
        let row = desk.row(&cid(n)).await;
        (row.state, row.reason, row.next_due)
    };
    let stopped = (SyncState::Active, Some(StateReason::OrgBrake), None);
    for n in [1, 2, 4, 6] {
        assert_eq!(stands(n).await, stopped, "connection {n}");
    }
    assert_eq!(stands(3).await, (SyncState::Paused, None, None));
    assert_eq!(stands(7).await, (SyncState::Active, None, Some(T0)));
    let row = desk.org(&org(1), at(11)).await;
    assert_eq!(
        (row.stopped, row.connections, row.active, row.deletes),
        (Some(at(10)), 6, 5, 1001)
    );

    // Whatever is woken, started or activated anew, nothing begins.
    assert!(desk.wake(&cid(2), at(12)).await);
    desk.set_state(
        &cid(3),
        &[SyncState::Paused],
        SyncState::Active,
        None,
        Some(at(12)),
    )
    .await;
    assert_eq!(stands(3).await.1, Some(StateReason::OrgBrake));
    desk.add_in(1, 8, T0).await;
    desk.activate(&cid(8), "user8@example.com", at(12)).await.unwrap();
    for n in [1, 2, 3, 4, 6, 8] {
        let pick = Pick::This(cid(n));
        let got = desk.port().claim(&pick, "w", new_session(), at(9000), TTL).await;
        assert!(got.unwrap().is_none(), "connection {n}");
    }
    let due = async |now: Timestamp| {
        let got = desk.port().claim(&Pick::Due, "w", new_session(), now, TTL).await;
        got.unwrap().map(|lease| lease.connection)
    };
    assert_eq!(due(at(20)).await, Some(cid(7)), "the other organisation goes on");
    assert_eq!(due(at(30)).await, None);
    // The one that was running ends, and begins no new one.
    desk.port()
        .close(&running, done(at(40), Some(at(1800))))
        .await
        .unwrap();
    assert_eq!(stands(5).await, stopped);
    assert_eq!(desk.row(&cid(5)).await.last_success, Some(at(40)));

    assert!(desk.release_org(&org(1), at(100)).await);
    assert!(!desk.release_org(&org(1), at(101)).await);
    assert!(!desk.release_org(&org(9), at(101)).await);
    for (n, reason, next) in [
        (1, None, Some(at(100))),
        (2, None, Some(at(12))),
        (3, None, Some(at(12))),
        (4, waiting, Some(at(5000))),
        (5, None, Some(at(1800))),
        (6, Some(StateReason::StoppedByBrake), None),
        (8, None, Some(at(12))),
    ] {
        assert_eq!(
            stands(n).await,
            (SyncState::Active, reason, next),
            "connection {n}"
        );
    }
    let lease = claimed(&desk, 1, at(102)).await;
    assert_eq!(
        desk.port().open(&lease).await.unwrap().org_deletes,
        0,
        "what the administrator has seen counts no more"
    );
}

pub(crate) async fn what_stopped_an_organisation_is_let_through_once(desk: D) {
    for n in 1..=2 {
        desk.active(n, T0).await;
    }
    let opened = async |n: u64, now: i64, used: bool| {
        let lease = claimed(&desk, n, at(now)).await;
        let opening = desk.port().open(&lease).await.unwrap();
        let closing = Closing {
            release_used: used,
            ..done(at(now), Some(at(now)))
        };
        desk.port().close(&lease, closing).await.unwrap();
        (opening.org_released, opening.org_stopped)
    };
    let running = claimed(&desk, 2, at(5)).await;
    stop(&desk, 1, 10).await;
    assert!(
        desk.port().open(&running).await.unwrap().org_stopped,
        "told while it runs"
    );
    desk.port()
        .close(&running, done(at(11), Some(at(11))))
        .await
        .unwrap();
    assert!(desk.release_org(&org(1), at(20)).await);
    assert_eq!(opened(2, 21, true).await, (false, false), "it has stopped nobody");
    assert_eq!(opened(1, 21, false).await, (true, false));
    assert_eq!(
        opened(1, 22, true).await,
        (true, false),
        "its round was not through"
    );
    assert_eq!(opened(1, 23, false).await, (false, false));

    stop(&desk, 1, 30).await;
    assert!(desk.release_org(&org(1), at(31)).await);
    desk.activate(&cid(1), "user1@example.com", at(32)).await.unwrap();
    assert_eq!(opened(1, 33, false).await, (false, false), "activated anew");
}

pub(crate) async fn a_stopped_organisation_takes_back_and_looks(desk: D) {
    for n in 1..=3 {
        desk.active(n, T0).await;
    }
    let waiting = Some(StateReason::MailServerRefused);
    let active = [SyncState::Active];
    desk.set_state(&cid(2), &active, SyncState::Active, waiting, Some(at(5000)))
        .await;
    stop(&desk, 1, 10).await;
    let aside = async |n: u64, now: i64| {
        let pick = Pick::Aside(cid(n));
        let got = desk.port().claim(&pick, "w", new_session(), at(now), TTL).await;
        got.unwrap()
    };
    let this = Pick::This(cid(2));
    let got = desk.port().claim(&this, "w", new_session(), at(11), TTL).await;
    assert!(got.unwrap().is_none());
    let lease = aside(2, 11).await.expect("it may be undone");
    assert!(aside(2, 12).await.is_none(), "one at a time");
    let opening = desk.port().open(&lease).await.unwrap();
    assert!(opening.org_stopped);
    let looked = |now| Closing {
        reason: Some(StateReason::OrgBrake),
        ..done(at(now), Some(at(now)))
    };
    desk.port().close(&lease, looked(13)).await.unwrap();
    let row = desk.row(&cid(2)).await;
    assert_eq!((row.reason, row.next_due), (Some(StateReason::OrgBrake), None));
    // Let go on while another undo runs: it comes back as it stood before the stop.
    let lease = aside(3, 14).await.unwrap();
    assert!(desk.release_org(&org(1), at(20)).await);
    desk.port().close(&lease, looked(21)).await.unwrap();
    let row = desk.row(&cid(2)).await;
    assert_eq!((row.reason, row.next_due), (waiting, Some(at(5000))));
    let row = desk.row(&cid(3)).await;
    assert_eq!((row.reason, row.next_due), (None, Some(at(20))));
    desk.deactivate(&cid(3), at(22)).await;
    assert!(aside(3, 23).await.is_none());
}

pub(crate) async fn two_that_stop_their_organisation_at_once(desk: D) {
    for n in 1..=8 {
        desk.active(n, T0).await;
    }
    let other = desk.second().await;
    let mut leases = Vec::new();
    for n in 1..=8 {
        leases.push(claimed(&desk, n, T0).await);
    }
    let closings = leases.into_iter().enumerate().map(|(n, lease)| {
        let desk = if n % 2 == 0 { desk.clone() } else { other.clone() };
        tokio::spawn(async move {
            let stops = n % 3 != 0;
            let closing = Closing {
                reason: stops.then_some(StateReason::OrgBrake),
                stop_org: stops,
                ..done(at(10), Some(at(1800)))
            };
            desk.port().close(&lease, closing).await.unwrap();
        })
    });
    for closing in futures::future::join_all(closings).await {
        closing.unwrap();
    }
    for n in 1..=8 {
        let row = desk.row(&cid(n)).await;
        assert_eq!((row.reason, row.next_due), (Some(StateReason::OrgBrake), None));
    }
    assert!(desk.release_org(&org(1), at(50)).await);
    for n in 1..=8 {
        let row = desk.row(&cid(n)).await;
        assert_eq!(
            (row.reason, row.next_due.is_some()),
            (None, true),
            "connection {n}"
        );
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, SettingsFault>, says: &str) {
    match result {
        Err(SettingsFault::Refused(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{other:?}"),
    }
}

fn missing<T: std::fmt::Debug>(result: Result<T, SettingsFault>) {
    match result {
        Err(SettingsFault::Store(StoreError::NotFound(_))) => {}
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn settings_reach_the_next_session(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let settings = async |n: u64| {
        let lease = claimed(&desk, n, T0).await;
        let settings = desk.port().open(&lease).await.unwrap().settings;
        desk.port().close(&lease, done(T0, None)).await.unwrap();
        assert_eq!(desk.row(&cid(n)).await.settings, settings);
        settings
    };
    let org: OrgId = org(1);
    assert_eq!(settings(1).await, Settings::default());
    assert_eq!(desk.settings_overrides(&cid(1)).await, json!({}));
    assert_eq!(desk.org_settings(&org).await, json!({}));

    let own = json!({"contact_limit": 17, "blocklist": ["x.example"]});
    let got = desk.set_settings(&cid(1), &own).await.unwrap();
    assert_eq!(got.contact_limit, 17);
    let all = json!({"contact_limit": 30, "tasks": "off", "blocklist": ["y.example"], "brake": {"hard": 60}});
    desk.set_org_settings(&org, &all).await.unwrap();
    let one = settings(1).await;
    assert_eq!(
        (one.contact_limit, one.tasks, one.brake.hard),
        (17, Direction::Off, 60)
    );
    assert_eq!(one.blocklist, ["y.example", "x.example"]);
    let two = settings(2).await;
    assert_eq!(
        (two.contact_limit, two.blocklist),
        (30, vec!["y.example".to_owned()])
    );
    assert_eq!(desk.settings_overrides(&cid(1)).await, own);
    assert_eq!(desk.org_settings(&org).await, all);

    refused(
        desk.set_settings(&cid(1), &json!({"contcats": "off"})).await,
        "no setting `contcats`",
    );
    refused(
        desk.set_settings(&cid(1), &json!({"interval_minutes": 1})).await,
        "interval_minutes",
    );
    refused(desk.set_settings(&cid(1), &json!(["off"])).await, "JSON object");
    refused(
        desk.set_org_settings(&org, &json!({"brake": {"percnt": 1}}))
            .await,
        "brake.percnt",
    );
    refused(
        desk.set_org_settings(&org, &json!({"emails": "two_way"})).await,
        "emails",
    );
    // What would break a connection's own is not taken either.
    desk.set_org_settings(
        &org,
        &json!({"contact_scope": "list_view", "contact_list": "00B1"}),
    )
    .await
    .unwrap();
    desk.set_settings(&cid(2), &json!({"contact_list": "00B2"}))
        .await
        .unwrap();
    refused(desk.set_org_settings(&org, &json!({})).await, "contact_list");
    assert_eq!(
        settings(2).await.contact_list.as_deref(),
        Some("00B2"),
        "nothing was written"
    );
    assert_eq!(desk.org_settings(&org).await["contact_list"], "00B1");
    missing(desk.set_settings(&cid(99), &json!({})).await);
    missing(desk.set_org_settings(&crate::common::org(9), &json!({})).await);

    // Taking all back.
    desk.set_settings(&cid(2), &json!({})).await.unwrap();
    desk.set_org_settings(&org, &json!({})).await.unwrap();
    assert_eq!(settings(2).await, Settings::default());
}

pub(crate) async fn an_order_stands_until_it_is_done(desk: D) {
    desk.active(1, T0).await;
    desk.active(2, T0).await;
    let id = cid(1);
    let item = |n: u32| ItemId(format!("item {n}"));
    let order = |who: &str| Order {
        who: vec![ItemId(who.to_owned())],
        without: ["geheim \u{1F426}.pdf".to_owned()].into(),
        thread: true,
        ..Order::default()
    };
    desk.put_order(&id, &item(1), &order("a"), at(1)).await.unwrap();
    desk.put_order(&id, &item(2), &order("b"), at(2)).await.unwrap();
    desk.order_tried(&id, &item(1), at(1)).await;
    let rows = desk.orders(&id).await;
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.item.clone(), row.order.clone(), row.at, row.tries))
        .collect();
    assert_eq!(
        seen,
        [(item(1), order("a"), at(1), 1), (item(2), order("b"), at(2), 0)]
    );
    assert_eq!(desk.orders(&cid(2)).await, []);

    // Another for the same item begins anew; the end of the first one is not its own.
    desk.put_order(&id, &item(1), &order("c"), at(3)).await.unwrap();
    desk.end_order(&id, &item(1), at(1)).await;
    desk.order_tried(&id, &item(1), at(1)).await;
    let rows = desk.orders(&id).await;
    assert_eq!((rows.len(), &rows[1].order, rows[1].tries), (2, &order("c"), 0));
    desk.end_order(&id, &item(1), at(3)).await;
    assert_eq!(desk.orders(&id).await.len(), 1);

    // Another mailbox has other items; whoever goes back to the first finds what was ordered there.
    desk.activate(&id, "other@example.com", at(4)).await.unwrap();
    assert_eq!(desk.orders(&id).await, []);

    // There is an end to what can wait.
    for n in 0..200 {
        desk.put_order(&id, &item(n), &order("a"), at(5)).await.unwrap();
    }
    let more = desk.put_order(&id, &item(200), &order("a"), at(5)).await;
    assert!(matches!(more, Err(StoreError::Taken(_))), "{more:?}");
    desk.put_order(&id, &item(199), &order("b"), at(6)).await.unwrap();
    assert_eq!(desk.orders(&id).await.len(), 200);
    desk.activate(&id, "user1@example.com", at(7)).await.unwrap();
    assert_eq!(desk.orders(&id).await.len(), 1);

    desk.deactivate(&id, at(9)).await;
    let gone = desk.put_order(&id, &item(1), &order("a"), at(9)).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    let stranger = desk.put_order(&cid(7), &item(1), &order("a"), at(9)).await;
    assert!(matches!(stranger, Err(StoreError::NotFound(_))), "{stranger:?}");
}
