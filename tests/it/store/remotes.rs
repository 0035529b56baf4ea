//! What stands at the remotes: cursors, subscriptions, webhooks.

use tribelink::store::{Change, Cursor, Error, Subscription, Webhook};
use tribelink_plan::{field::Side, ids::FolderId};

use super::{
    fixture::Fixture,
    sample::{canary, certificate, environment_id, subscription, user_id, webhook},
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
    let put = |row: &_| Change::PutSubscription(Subscription::clone(row));
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

pub(super) async fn a_round_of_the_canary_replaces_the_one_before(store: &Fixture) {
    store.people().await;
    let environment = environment_id("a");
    assert_eq!(store.canary(&environment).await.unwrap(), None);
    for number in 0..4 {
        let round = canary("a", number);
        store.put(vec![Change::PutCanary(round.clone())]).await;
        assert_eq!(store.canary(&environment).await.unwrap(), Some(round));
    }
    assert_eq!(store.canary(&environment_id("b")).await.unwrap(), None);
    let refused = store.apply(vec![Change::PutCanary(canary("c", 1))]).await;
    assert!(matches!(refused, Err(Error::Conflict("environment"))));
}

/// The environment's worker asks while the mailbox's worker tells what arrived.
pub(super) async fn a_mailbox_waits_for_the_canary_until_the_newest_round_arrives(store: &Fixture) {
    store.people().await;
    let user = user_id(1);
    let to = Side::Outlook;
    let ask = |round, since_ms| Change::AwaitCanary {
        user,
        to,
        round,
        since_ms,
    };
    let arrive = |round, at_ms| Change::ProveCanary {
        user,
        to,
        round,
        at_ms,
        took_ms: 9,
    };
    let known = async || {
        let proofs = store.canary_proofs_of(user).await.unwrap();
        let proof = proofs.into_iter().find(|proof| proof.to == to).unwrap();
        (proof.round, proof.waits_ms, proof.proven_ms, proof.took_ms)
    };
    store.put(vec![ask(1, 100), ask(3, 200)]).await;
    assert_eq!(known().await, (3, Some(100), None, None), "it waits on");
    store.put(vec![arrive(1, 210)]).await;
    assert_eq!(known().await, (3, Some(100), Some(210), Some(9)));
    store.put(vec![arrive(3, 220), ask(5, 300)]).await;
    assert_eq!(known().await, (5, Some(300), Some(220), Some(9)));
    store
        .put(vec![Change::EndCanaryWait { user, to }, ask(6, 400)])
        .await;
    assert_eq!(known().await, (6, Some(400), Some(220), Some(9)));
    // A round that nobody asked for counts too, and Tribe's side comes first.
    store
        .put(vec![
            Change::EndCanaryWait {
                user: user_id(2),
                to,
            },
            Change::ProveCanary {
                user: user_id(3),
                to,
                round: 7,
                at_ms: 1,
                took_ms: 2,
            },
            Change::AwaitCanary {
                user,
                to: Side::Tribe,
                round: 8,
                since_ms: 3,
            },
        ])
        .await;
    let of = async |environment: &str| {
        let proofs = store.canary_proofs(&environment_id(environment)).await;
        let keys = proofs.unwrap().into_iter();
        keys.map(|proof| (proof.user, proof.to, proof.round))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of("a").await,
        [(user, Side::Tribe, 8), (user, to, 6)],
        "by user, Tribe first"
    );
    assert_eq!(of("b").await, [(user_id(3), to, 7)]);
    let refused = store
        .apply(vec![Change::AwaitCanary {
            user: user_id(9),
            to,
            round: 1,
            since_ms: 1,
        }])
        .await;
    assert!(matches!(refused, Err(Error::Conflict("user"))));
    store.put(vec![Change::ForgetLinks(user)]).await;
    assert_eq!(of("a").await, []);
}

/// Two replicas that need a certificate at the same moment end up with the same one.
pub(super) async fn of_two_certificates_that_come_next_one_is_refused(store: &Fixture) {
    let first = certificate(1, "a");
    store.put(vec![Change::PutCertificate(first.clone())]).await;
    for late in [certificate(1, "b"), certificate(2, "a")] {
        let refused = store.apply(vec![Change::PutCertificate(late)]).await;
        assert!(matches!(refused, Err(Error::Conflict("certificate"))));
    }
    assert_eq!(
        store.certificates().await.unwrap(),
        std::slice::from_ref(&first)
    );
    let both = async |id: &str| {
        let next = Change::PutCertificate(certificate(2, id));
        store.apply(vec![next]).await
    };
    let (one, other) = tokio::join!(both("c"), both("d"));
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    let known = store.certificates().await.unwrap();
    assert_eq!(known.len(), 2);
    assert_eq!(known[0], first);
    assert_eq!(known[1].number, 2);
}

pub(super) async fn a_certificate_stays_while_a_live_subscription_names_it(store: &Fixture) {
    store.people().await;
    let names = |id: &str, certificate: Option<&str>, expires_ms| Subscription {
        certificate: certificate.map(str::to_owned),
        ..subscription(id, "a", 1, expires_ms)
    };
    let named = names("s", Some("a"), 100);
    store
        .put(vec![
            Change::PutCertificate(certificate(1, "a")),
            Change::PutCertificate(certificate(2, "b")),
            Change::PutCertificate(certificate(3, "c")),
            Change::PutSubscription(named.clone()),
            Change::PutSubscription(names("t", Some("b"), 50)),
            Change::PutSubscription(names("u", None, 100)),
        ])
        .await;
    assert_eq!(store.subscription("s").await.unwrap(), Some(named));
    let tidy = |below, now_ms| Change::TidyCertificates { below, now_ms };
    let left = async || {
        let all = store.certificates().await.unwrap();
        all.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    store.put(vec![tidy(3, 49)]).await;
    assert_eq!(left().await, ["a", "b", "c"]);
    store.put(vec![tidy(3, 50)]).await;
    assert_eq!(left().await, ["a", "c"]);
    store
        .put(vec![
            Change::PutSubscription(names("s", None, 100)),
            tidy(3, 50),
        ])
        .await;
    assert_eq!(left().await, ["c"]);
    store.put(vec![tidy(i64::MAX, 50)]).await;
    assert_eq!(left().await, [""; 0]);
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
