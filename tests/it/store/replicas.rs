//! Who shares the work.

use super::fixture::Fixture;

pub(super) async fn live_while_they_beat(store: &Fixture) {
    assert_eq!(store.beat("b", 100, 10).await.unwrap(), ["b"]);
    assert_eq!(store.beat("a", 105, 10).await.unwrap(), ["a", "b"]);
    assert_eq!(store.beat("b", 109, 10).await.unwrap(), ["a", "b"]);
    assert_eq!(
        store.beat("b", 115, 10).await.unwrap(),
        ["b"],
        "a fell silent"
    );
    assert_eq!(store.beat("a", 116, 10).await.unwrap(), ["a", "b"]);
}

pub(super) async fn leave_at_once(store: &Fixture) {
    for holder in ["a", "b", "c"] {
        store.beat(holder, 100, 10).await.unwrap();
    }
    store.leave("b").await.unwrap();
    store.leave("nobody").await.unwrap();
    assert_eq!(store.beat("c", 101, 10).await.unwrap(), ["a", "c"]);
}
