//! Leases and their fences.

use tribelink::store::{Change, Error, Guard};

use super::{
    fixture::Fixture,
    sample::{self, environment_lane, lane},
};

pub(super) async fn claim_takes_a_free_or_expired_lane_with_a_rising_fence(store: &Fixture) {
    let first = store.claim(&lane(1), "x", 100, 10).await.unwrap().unwrap();
    assert_eq!((first.until_ms, first.holder.as_str()), (110, "x"));
    assert_eq!(first.lane, lane(1));
    assert_eq!(store.claim(&lane(1), "y", 109, 10).await.unwrap(), None);
    assert_eq!(store.claim(&lane(1), "x", 109, 10).await.unwrap(), None);

    let second = store.claim(&lane(1), "y", 110, 10).await.unwrap().unwrap();
    assert!(second.fence > first.fence);
    assert!(!store.holds(&first, 105).await.unwrap());
    assert!(store.holds(&second, 119).await.unwrap());
    assert!(!store.holds(&second, 120).await.unwrap());

    let other = store.claim(&environment_lane("a"), "x", 100, 10).await;
    assert!(
        other.unwrap().is_some(),
        "lanes do not stand in each other's way"
    );
}

pub(super) async fn renew_prolongs_only_what_is_held(store: &Fixture) {
    let lease = store.claim(&lane(1), "x", 100, 10).await.unwrap().unwrap();
    let renewed = store.renew(&lease, 105, 10).await.unwrap().unwrap();
    assert_eq!((renewed.until_ms, renewed.fence), (115, lease.fence));
    assert!(
        store.holds(&lease, 114).await.unwrap(),
        "the older copy is the same lease"
    );
    assert_eq!(
        store.renew(&renewed, 115, 10).await.unwrap(),
        None,
        "it has expired"
    );

    let next = store.claim(&lane(1), "x", 115, 10).await.unwrap().unwrap();
    assert_eq!(
        store.renew(&renewed, 116, 10).await.unwrap(),
        None,
        "it is another's"
    );
    assert!(store.renew(&next, 116, 10).await.unwrap().is_some());
}

pub(super) async fn release_frees_the_lane_and_keeps_the_fence(store: &Fixture) {
    let first = store.claim(&lane(1), "x", 100, 10).await.unwrap().unwrap();
    store.release(&first).await.unwrap();
    assert!(!store.holds(&first, 101).await.unwrap());
    let second = store.claim(&lane(1), "y", 101, 10).await.unwrap().unwrap();
    assert!(second.fence > first.fence);

    store.release(&first).await.unwrap();
    assert!(
        store.holds(&second, 102).await.unwrap(),
        "a lost lease gives nothing back"
    );
}

pub(super) async fn a_guard_without_its_lease_changes_nothing(store: &Fixture) {
    let lease = store.claim(&lane(1), "x", 100, 10).await.unwrap().unwrap();
    let put = |id| vec![Change::PutEnvironment(sample::environment(id))];
    let at = |lease: &tribelink::store::Lease, now_ms| Guard::Lease {
        lease: lease.clone(),
        now_ms,
    };
    store.commit(&at(&lease, 109), put("held")).await.unwrap();

    let expired = store.commit(&at(&lease, 110), put("expired")).await;
    assert!(matches!(expired, Err(Error::LeaseLost)));
    let next = store.claim(&lane(1), "y", 110, 10).await.unwrap().unwrap();
    let superseded = store.commit(&at(&lease, 105), put("superseded")).await;
    assert!(matches!(superseded, Err(Error::LeaseLost)));
    store.release(&next).await.unwrap();
    let released = store.commit(&at(&next, 111), put("released")).await;
    assert!(matches!(released, Err(Error::LeaseLost)));

    let stored = store.environments().await.unwrap();
    let stored: Vec<_> = stored.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(stored, ["held"]);
}
