//! What stands at the remotes: cursors, subscriptions, webhooks.

use tribelink::store::{Change, Cursor, Webhook};
use tribelink_plan::ids::FolderId;

use super::{
    fixture::Fixture,
    sample::{environment_id, subscription, user_id, webhook},
};

pub(super) async fn cursors_are_put_and_dropped(store: &Fixture) {
    store.people().await;
    let cursor = |folder: &str, link: &str| Cursor {
        folder: FolderId::from(folder),
        is_default: folder == "contacts",
        link: link.to_owned(),
    };
    let put = |user, cursor| Change::PutCursor {
        user: user_id(user),
        cursor,
    };
    store
        .put(vec![
            put(1, cursor("other", "1")),
            put(1, cursor("contacts", "1")),
            put(2, cursor("contacts", "2")),
            put(1, cursor("other", "3")),
        ])
        .await;
    let both = [cursor("contacts", "1"), cursor("other", "3")];
    assert_eq!(store.cursors(user_id(1)).await.unwrap(), both);

    let drop = Change::DropCursor {
        user: user_id(1),
        folder: FolderId::from("other"),
    };
    store.put(vec![drop]).await;
    assert_eq!(store.cursors(user_id(1)).await.unwrap(), both[..1]);
    store
        .put(vec![
            put(1, cursor("other", "4")),
            Change::DropCursors(user_id(1)),
        ])
        .await;
    assert_eq!(store.cursors(user_id(1)).await.unwrap(), []);
    assert_eq!(store.cursors(user_id(2)).await.unwrap().len(), 1);
}

pub(super) async fn subscriptions_are_listed_by_expiry(store: &Fixture) {
    store.people().await;
    let rows = [
        subscription("c", "a", 1, 10),
        subscription("a", "a", 2, 20),
        subscription("b", "b", 3, 20),
        subscription("d", "a", 1, 30),
    ];
    let put = |row: &_| Change::PutSubscription(tribelink::store::Subscription::clone(row));
    store.put(rows.iter().rev().map(put).collect()).await;

    assert_eq!(store.subscriptions(None, 9).await.unwrap(), rows);
    assert_eq!(store.subscriptions(None, 2).await.unwrap(), rows[..2]);
    assert_eq!(store.subscriptions(Some("a"), 9).await.unwrap(), rows[2..]);
    assert_eq!(store.subscriptions(Some("d"), 9).await.unwrap(), []);
    assert_eq!(
        store.subscriptions(Some("gone"), 1).await.unwrap(),
        rows[..1]
    );
    let own = [rows[0].clone(), rows[3].clone()];
    assert_eq!(store.subscriptions_of(user_id(1)).await.unwrap(), own);
    assert_eq!(
        store.subscription("b").await.unwrap(),
        Some(rows[2].clone())
    );

    let renewed = subscription("c", "a", 1, 40);
    store.put(vec![put(&renewed)]).await;
    assert_eq!(store.subscriptions(Some("d"), 9).await.unwrap(), [renewed]);
    store
        .put(vec![Change::DropSubscription("c".to_owned())])
        .await;
    assert_eq!(store.subscription("c").await.unwrap(), None);
}

pub(super) async fn webhooks_are_put_and_dropped(store: &Fixture) {
    store.people().await;
    let bare = Webhook {
        secret: None,
        header_hash: [9; 32],
        ..webhook("a", "1")
    };
    store
        .put(vec![
            Change::PutWebhook(webhook("a", "2")),
            Change::PutWebhook(webhook("a", "1")),
            Change::PutWebhook(webhook("b", "1")),
            Change::PutWebhook(bare.clone()),
        ])
        .await;
    let (a, b) = (environment_id("a"), environment_id("b"));
    assert_eq!(
        store.webhooks(&a).await.unwrap(),
        [bare.clone(), webhook("a", "2")]
    );
    let drop = Change::DropWebhook {
        environment: a.clone(),
        id: "2".to_owned(),
    };
    store.put(vec![drop]).await;
    assert_eq!(store.webhooks(&a).await.unwrap(), [bare]);
    assert_eq!(store.webhooks(&b).await.unwrap(), [webhook("b", "1")]);
}
