//! `microsoft.rich_notifications`: the contact comes with its notification, and what does not prove
//! itself is read, so that nothing is lost by it (Graph reference 4.5).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};
use tribelink::{
    clock::{Clock, SystemClock},
    random::SystemRandom,
    rich::certificates::Certificates,
    store::Certificate,
    vault::{KeyRing, Vault},
};
use tribelink_sandbox::deliver::Source;

use crate::{
    hands::{Card, text},
    log::Count,
    world::{Mailbox, Setup, World},
};

const ON: (&str, &str) = ("microsoft.rich_notifications", "true");
/// Graph's clock may differ by this much; the tokens of its deliveries hold all the same.
const AHEAD_S: u64 = 120;

/// A contact that is linked, and whose subscription carries it.
struct Told {
    world: World,
    mailbox: Mailbox,
    user: String,
    card: Card,
    id: String,
}

async fn told() -> Told {
    let world = World::start(Setup::with(&[ON])).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "id");
    Told {
        world,
        mailbox,
        user,
        card,
        id,
    }
}

impl Told {
    /// An edit in a later second than whatever was before.
    async fn edit(&self, given_name: &str) {
        self.world.move_remotes(1).await;
        let changes = json!({"givenName": given_name});
        self.world
            .edit_outlook(&self.mailbox, &self.id, changes)
            .await;
    }

    /// Waits until Tribe shows the name and all is quiet.
    async fn arrived(&self, given_name: &str) -> Count {
        self.world
            .tribe_shows(&self.card.person, "FirstName", json!(given_name))
            .await;
        self.world.quiet().await;
        self.world.count()
    }

    async fn switch(&self, switches: Value) {
        self.world
            .control(Method::POST, "/graph/switches", Some(switches))
            .await;
    }

    /// Edits, and keeps what Graph would have delivered.
    async fn captured(&self, given_name: &str) -> Value {
        self.switch(json!({"notify_delay_ms": 3_600_000})).await;
        self.edit(given_name).await;
        let body = {
            let mut state = self.world.sandbox.ctx.lock();
            let graph =
                |delivery: &tribelink_sandbox::deliver::Delivery| delivery.source == Source::Graph;
            let waiting = state.outbox.waiting(0, i64::MAX - 1, graph).unwrap();
            let body = serde_json::from_slice(&waiting.body).unwrap();
            state.outbox.retain(|delivery| !graph(delivery));
            body
        };
        self.switch(json!({"notify_delay_ms": 50})).await;
        body
    }

    async fn deliver(&self, body: &Value) {
        let url = format!("{}/webhooks/graph/notifications", self.world.base);
        let client = reqwest::Client::builder().build().unwrap();
        let answer = client.post(url).json(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }

    /// The subscriptions at Graph.
    async fn subscriptions(&self) -> Vec<Value> {
        let state = self.world.control(Method::GET, "/state", None).await;
        state["graph"]["subscriptions"].as_array().unwrap().clone()
    }

    /// The certificate that the one subscription names, once it is another than `former`.
    async fn certificate_after(&self, former: &Value) -> Value {
        self.world
            .eventually("the subscription is another", async || {
                let all = self.subscriptions().await;
                let named = all.first()?["encryptionCertificateId"].clone();
                (all.len() == 1 && named != *former).then_some(named)
            })
            .await
    }

    /// Half a day and a little passes on both sides: every subscription is looked after.
    async fn half_a_day(&self) {
        self.world.quiet().await;
        self.world.move_remotes(13 * 3600).await;
        self.world.pass_time(Duration::from_secs(13 * 3600));
    }

    async fn certificates(&self) -> Vec<Certificate> {
        self.world.store.certificates().await.unwrap()
    }
}

fn flip(text: &mut Value) {
    let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *text = json!(STANDARD.encode(bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_outlook_costs_no_read_there() {
    let told = told().await;
    let subscriptions = told.subscriptions().await;
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(subscriptions[0]["includeResourceData"], true);
    let stored = told.certificates().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(
        subscriptions[0]["encryptionCertificateId"],
        stored[0].id.as_str()
    );
    for name in ["Berta", "Cora"] {
        told.world.clear_calls();
        told.edit(name).await;
        let count = told.arrived(name).await;
        assert!(
            (1..=2).contains(&count.tribe_reads),
            "{:#?}",
            told.world.lines()
        );
        let expected = Count {
            tribe_reads: count.tribe_reads,
            tribe_writes: 1,
            ..Count::default()
        };
        assert_eq!(count, expected, "{name} {:#?}", told.world.lines());
    }
    // R16 still looks once for others with the address where two fields change.
    told.world.clear_calls();
    let both = json!({"givenName": "Dora", "businessPhones": ["+31 20 555 0003"]});
    told.world.move_remotes(1).await;
    told.world.edit_outlook(&told.mailbox, &told.id, both).await;
    let count = told.arrived("Dora").await;
    assert_eq!((count.graph_reads, count.graph_writes), (1, 0));
    // The contact went: that is read, and nothing is lost (R7).
    told.world.delete_outlook(&told.mailbox, &told.id).await;
    told.world
        .link_is(&told.user, &told.card, "tombstone")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_outlook_is_read_first() {
    let told = told().await;
    let deaf = json!({"hints": {"source": "tribe", "drop": true}});
    told.world.fault(deaf).await;
    let phone = json!({"PhoneNumber": "+31 20 555 0009"});
    let tie = &told.card.relationship;
    told.world.edit_tribe(tie, phone).await;
    told.world.clear_calls();
    told.edit("Berta").await;
    let count = told.arrived("Berta").await;
    assert_eq!(
        (count.graph_reads, count.graph_writes),
        (1, 1),
        "{:#?}",
        told.world.lines()
    );
    told.world
        .shows(
            &told.mailbox,
            &told.id,
            "businessPhones",
            json!(["+31 20 555 0009"]),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_that_does_not_prove_itself_is_read_instead() {
    type Alter = fn(&mut Value);
    let alterations: [(&str, Alter, usize); 13] = [
        ("as it came", |_| {}, 0),
        (
            "a wrong signature",
            |body| flip(&mut body["value"][0]["encryptedContent"]["dataSignature"]),
            1,
        ),
        (
            "altered data",
            |body| flip(&mut body["value"][0]["encryptedContent"]["data"]),
            1,
        ),
        (
            "an altered key",
            |body| flip(&mut body["value"][0]["encryptedContent"]["dataKey"]),
            1,
        ),
        (
            "an unknown certificate",
            |body| {
                body["value"][0]["encryptedContent"]["encryptionCertificateId"] = json!("another");
            },
            1,
        ),
        (
            "another form",
            |body| body["value"][0]["encryptedContent"] = json!({"data": 7}),
            1,
        ),
        (
            "no content",
            |body| body["value"][0]["encryptedContent"] = Value::Null,
            1,
        ),
        (
            "an etag that is not the content's",
            |body| body["value"][0]["resourceData"]["@odata.etag"] = json!("W/\"other\""),
            1,
        ),
        ("no token", |body| body["validationTokens"] = json!([]), 1),
        (
            "tokens of another form",
            |body| body["validationTokens"] = json!([7]),
            1,
        ),
        (
            "a token that is none",
            |body| body["validationTokens"] = json!(["a.b.c"]),
            1,
        ),
        (
            "a bad token beside the good one",
            |body| {
                let tokens = body["validationTokens"].as_array_mut().unwrap();
                tokens.push(json!("a.b.c"));
            },
            1,
        ),
        (
            "a token with another signature",
            |body| {
                let token = body["validationTokens"][0].as_str().unwrap();
                let (signed, _) = token.rsplit_once('.').unwrap();
                body["validationTokens"][0] = json!(format!("{signed}.AAAA"));
            },
            1,
        ),
    ];
    let told = told().await;
    for (number, (what, alter, reads)) in alterations.into_iter().enumerate() {
        let name = format!("Berta {number}");
        let mut body = told.captured(&name).await;
        alter(&mut body);
        told.world.clear_calls();
        told.deliver(&body).await;
        let count = told.arrived(&name).await;
        assert_eq!(
            (count.graph_reads, count.tribe_writes),
            (reads, 1),
            "{what}: {:#?}",
            told.world.lines()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_somebody_else_or_of_yesterday_proves_nothing() {
    let told = told().await;
    let yesterday = told.world.milliseconds() / 1000 - 24 * 3600;
    let other = "0bf30f3b-4a52-48df-9a82-000000000000";
    for (number, (claims, reads)) in [
        (json!({}), 0),
        (json!({"exp": yesterday}), 1),
        (json!({"nbf": yesterday + 3 * 24 * 3600}), 1),
        (json!({"aud": other}), 1),
        (json!({"azp": other}), 1),
        (json!({"tid": other}), 1),
        (json!({"iss": "https://evil.example/v2.0"}), 1),
        (json!({"ver": "3.0"}), 1),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("Berta {number}");
        told.switch(json!({ "validation_claims": claims })).await;
        told.world.clear_calls();
        told.edit(&name).await;
        let count = told.arrived(&name).await;
        assert_eq!(
            (count.graph_reads, count.tribe_writes),
            (reads, 1),
            "{claims}: {:#?}",
            told.world.lines()
        );
    }
}

async fn an_old_content_comes_again(told: Told) {
    let old = told.captured("Berta").await;
    told.deliver(&old).await;
    told.arrived("Berta").await;
    told.edit("Cora").await;
    told.arrived("Cora").await;
    told.world.clear_calls();
    told.deliver(&old).await;
    told.world.quiet().await;
    let count = told.world.count();
    assert_eq!(
        (count.graph_reads, count.tribe_writes, count.graph_writes),
        (2, 0, 0),
        "what is told of and not shown is read once more, when reads are certainly of one mind: {:#?}",
        told.world.lines()
    );
    told.arrived("Cora").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_content_that_comes_again_changes_nothing() {
    an_old_content_comes_again(told().await).await;
}

/// The time of the link by this machine was once what an old content was told by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_content_changes_nothing_though_graphs_clock_is_ahead() {
    let told = told().await;
    told.world.move_remotes(AHEAD_S).await;
    an_old_content_comes_again(told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_content_changes_nothing_though_graphs_clock_is_behind() {
    let told = told().await;
    told.world.pass_time(Duration::from_secs(AHEAD_S));
    an_old_content_comes_again(told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_states_that_wait_the_contact_is_read() {
    let told = told().await;
    let first = told.captured("Berta").await;
    let mut both = told.captured("Cora").await;
    // They come in the wrong order.
    let items = both["value"].as_array_mut().unwrap();
    items.push(first["value"][0].clone());
    told.world.clear_calls();
    told.deliver(&both).await;
    let count = told.arrived("Cora").await;
    assert_eq!(
        (count.graph_reads, count.tribe_writes),
        (1, 1),
        "{:#?}",
        told.world.lines()
    );
}

/// Another process over the same database, whose clock is seventy days ahead.
async fn another_replica_replaces_it(told: &Told) -> Certificate {
    struct Later(Arc<dyn Clock>);

    #[async_trait::async_trait]
    impl Clock for Later {
        fn now_ms(&self) -> i64 {
            self.0.now_ms() + 70 * 24 * 3600 * 1000
        }

        async fn sleep(&self, duration: Duration) {
            self.0.sleep(duration).await;
        }
    }

    let keys = told.world.configured();
    let mut keys = keys.filter(|(key, _)| *key == "security.encryption_keys");
    let ring = KeyRing::parse(&[keys.next().unwrap().1.into()]).unwrap();
    let random = Arc::new(SystemRandom);
    let other = Certificates::new(
        Arc::clone(&told.world.store),
        Arc::new(Vault::new(ring, random.clone())),
        Arc::new(Later(Arc::clone(&told.world.clock) as _)),
        random,
    );
    other.current().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_replaced_while_contents_are_under_way() {
    let told = told().await;
    let first = told.certificates().await.remove(0);
    let next = another_replica_replaces_it(&told).await;
    assert_eq!((first.number, next.number), (1, 2));

    // What is sealed for the former one opens as long as its subscription lives.
    told.world.clear_calls();
    told.edit("Berta").await;
    let count = told.arrived("Berta").await;
    assert_eq!(count.graph_reads, 0, "{:#?}", told.world.lines());

    // With the renewal the subscription names the next one. What was under way is no longer its
    // subscription's; the delta that follows finds it.
    let late = told.captured("Cora").await;
    told.half_a_day().await;
    let named = told.certificate_after(&json!(first.id)).await;
    assert_eq!(named, next.id.as_str());
    told.deliver(&late).await;
    told.arrived("Cora").await;

    told.world.clear_calls();
    told.edit("Dora").await;
    let count = told.arrived("Dora").await;
    assert_eq!(count.graph_reads, 0, "{:#?}", told.world.lines());

    // Nobody names the former one any more: the next round of chores forgets it.
    told.half_a_day().await;
    told.world
        .eventually("the former certificate is gone", async || {
            let left = told.certificates().await;
            (left.len() == 1 && left[0].id == next.id).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_the_next_renewal_is_plain_and_switched_on_it_carries_again() {
    let mut told = told().await;
    let first = told.certificates().await.remove(0);
    told.world.stop().await;
    told.world.configure(ON.0, "false");
    told.world.serve().await;
    // The subscription goes on meanwhile, and its contents count for nothing.
    told.world.clear_calls();
    told.edit("Berta").await;
    let count = told.arrived("Berta").await;
    assert_eq!(count.graph_reads, 1, "{:#?}", told.world.lines());

    told.half_a_day().await;
    let named = told.certificate_after(&json!(first.id)).await;
    assert_eq!(named, Value::Null);
    assert_eq!(told.subscriptions().await[0]["resource"], "/me/contacts");
    told.edit("Cora").await;
    told.arrived("Cora").await;

    told.world.stop().await;
    told.world.configure(ON.0, "true");
    told.world.serve().await;
    told.half_a_day().await;
    told.certificate_after(&Value::Null).await;
    told.world.quiet().await;
    told.world.clear_calls();
    told.edit("Dora").await;
    let count = told.arrived("Dora").await;
    assert_eq!(count.graph_reads, 0, "{:#?}", told.world.lines());
}

#[tokio::test]
async fn replicas_that_need_a_certificate_at_once_agree_on_one() {
    let store = Arc::new(tribelink::store::memory::MemoryStore::default());
    let ring = ["k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into()];
    let random = Arc::new(SystemRandom);
    let vault = Arc::new(Vault::new(KeyRing::parse(&ring).unwrap(), random.clone()));
    let replica = || {
        let (store, vault, random) = (store.clone(), vault.clone(), random.clone());
        Certificates::new(store, vault, Arc::new(SystemClock), random)
    };
    let (one, other) = (replica(), replica());
    let (first, second, third) = tokio::join!(one.current(), other.current(), one.current());
    let first = first.unwrap();
    assert_eq!(first.number, 1);
    assert_eq!(second.unwrap(), first);
    assert_eq!(third.unwrap(), first);
    assert!(other.opener(&first.id).await.unwrap().is_some());
    assert!(other.opener("another").await.unwrap().is_none());
}
