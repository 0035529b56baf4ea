//! The canary: rounds in Tribe and in the mailboxes by turns, what they prove, and what is said when they
//! do not arrive.

use std::{sync::Arc, time::Duration};

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};
use tribelink::{
    app::{self, Parts},
    canary::Settings,
    clock::Clock as _,
    config::Config,
    random::SystemRandom,
    telemetry::{catalogue::CANARY_MAILBOXES, census::Census},
};
use tribelink_plan::ids::EnvironmentId;

use crate::{
    hands::{CONTACT, Card, text},
    world::{Mailbox, Setup, World},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A world with one person for this alone, whom every mailbox has.
struct Proof {
    world: World,
    mailboxes: Vec<Mailbox>,
    users: Vec<String>,
    card: Card,
}

impl Proof {
    async fn start(users: usize, config: &[(&'static str, &'static str)]) -> Proof {
        let mut world = World::prepare(Setup {
            users,
            config: config.to_vec(),
            ..Setup::default()
        })
        .await;
        let mailboxes: Vec<Mailbox> = (0..users).map(|number| world.mailbox(number)).collect();
        let owners: Vec<Value> = mailboxes
            .iter()
            .map(|mailbox| json!({"ID": mailbox.employee}))
            .collect();
        let person = json!({"FirstName": "Tribelink", "LastName": "Proof"});
        let tie = json!({"Owners": owners});
        let card = world.person(CONTACT, &mailboxes[0], person, tie).await;
        world.configure("canary.people", &card.person);
        world.serve().await;
        let mut found = Vec::new();
        for mailbox in &mailboxes {
            found.push(world.live(mailbox).await);
        }
        Proof {
            world,
            mailboxes,
            users: found,
            card,
        }
    }

    /// Lets the next round fall due.
    async fn next_round(&self) {
        self.world.quiet().await;
        self.world.pass_time(HOUR);
    }

    /// One way of a user, once it fits.
    async fn way(&self, user: usize, way: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let what = format!("{way} of user {user} is as wanted");
        let path = format!("/users/{}", self.users[user]);
        self.world
            .eventually(&what, async || {
                let shown = self.world.get(&path).await["canary"][way].clone();
                fits(&shown).then_some(shown)
            })
            .await
    }

    async fn proven_later_than(&self, user: usize, way: &str, than: &Value) -> Value {
        self.way(user, way, |shown| {
            shown["standing"] == "proven"
                && !shown["proven_at"].is_null()
                && shown["proven_at"] != *than
        })
        .await["proven_at"]
            .clone()
    }

    async fn value(&self) -> String {
        text(&self.world.tribe(&self.card.person).await, "PhoneNumber")
    }

    async fn home_phones(&self, user: usize) -> Value {
        let contact = self.world.contact(&self.mailboxes[user], "Proof").await;
        contact.unwrap()["homePhones"].clone()
    }

    async fn number(&self) -> i64 {
        let environment = EnvironmentId::from("default");
        let round = self.world.store.canary(&environment).await.unwrap();
        round.map_or(0, |round| round.number)
    }

    /// The gauges of mailboxes, as a scrape would show them now: late, proven.
    async fn gauges(&self) -> (f64, f64) {
        let recorder = PrometheusBuilder::new().build_recorder();
        let mut census = Census::new(Vec::new(), self.settings());
        let (store, now_ms) = (self.world.store.as_ref(), self.world.clock.now_ms());
        tokio::task::block_in_place(|| {
            metrics::with_local_recorder(&recorder, || {
                let taken = census.take(store, now_ms);
                tokio::runtime::Handle::current().block_on(taken).unwrap();
            });
        });
        let text = recorder.handle().render();
        let of = |state: &str| {
            let series =
                format!("{CANARY_MAILBOXES}{{environment=\"default\",state=\"{state}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&series));
            line.unwrap().parse().unwrap()
        };
        (of("late"), of("proven"))
    }

    /// Another replica beside the service, over the same store; the answer stops it.
    async fn second_replica(&self) -> impl Future<Output = ()> + use<> {
        let config = Config::from_pairs(self.world.configured()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let parts = Parts {
            store: Arc::clone(&self.world.store),
            clock: Arc::clone(&self.world.clock) as _,
            random: Arc::new(SystemRandom),
            transport: None,
            metrics: Arc::new(String::new),
        };
        let built = app::build(&config, parts).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            app::run(built, listener, &config, shutdown).await;
        });
        async move {
            let _ = stop.send(());
            task.await.unwrap();
        }
    }

    fn settings(&self) -> Settings {
        let pairs: Vec<(&str, &str)> = self.world.configured().collect();
        Config::from_pairs(pairs).unwrap().canary
    }

    async fn begun(&self, number: i64) {
        self.world
            .eventually(&format!("round {number} began"), async || {
                (self.number().await == number).then_some(())
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_prove_both_ways_of_every_mailbox_by_turns() {
    let proof = Proof::start(2, &[]).await;
    // From Tribe to both.
    proof.next_round().await;
    proof.begun(1).await;
    let mut at = Vec::new();
    for user in 0..2 {
        at.push(
            proof
                .proven_later_than(user, "to_outlook", &Value::Null)
                .await,
        );
        assert_eq!(proof.home_phones(user).await, json!(["+441632960001"]));
    }
    assert_eq!(proof.value().await, "+441632960001");
    // In one mailbox, which brings it to Tribe and by Tribe to the other.
    proof.next_round().await;
    proof.begun(2).await;
    let environment = EnvironmentId::from("default");
    let round = proof
        .world
        .store
        .canary(&environment)
        .await
        .unwrap()
        .unwrap();
    let first = round.origin.unwrap().to_string();
    let (here, there) = match proof.users[0] == first {
        true => (0, 1),
        false => (1, 0),
    };
    proof
        .proven_later_than(here, "to_tribe", &Value::Null)
        .await;
    proof
        .proven_later_than(there, "to_outlook", &at[there])
        .await;
    assert_eq!(proof.value().await, "+441632960002");
    let shown = proof
        .world
        .get(&format!("/users/{}", proof.users[here]))
        .await;
    assert_eq!(
        shown["canary"]["to_outlook"]["proven_at"], at[here],
        "not by itself"
    );
    // From Tribe again, then in the other.
    proof.next_round().await;
    proof.begun(3).await;
    proof.proven_later_than(here, "to_outlook", &at[here]).await;
    proof.next_round().await;
    proof.begun(4).await;
    proof
        .proven_later_than(there, "to_tribe", &Value::Null)
        .await;
    proof.world.quiet().await;
    assert_eq!(proof.value().await, "+441632960004");
    assert_eq!(proof.number().await, 4, "nothing begins before its time");
    // The audit shows its lines like any other; nothing was lost or held.
    let lines = proof.world.audit(&proof.card).await;
    let lost = |line: &Value| {
        line["fields"]
            .as_array()
            .unwrap()
            .iter()
            .any(|field| !field["lost"].is_null())
    };
    assert!(lines.len() > 4 && !lines.iter().any(lost), "{lines:?}");
    assert_eq!(proof.world.get("/held").await["items"], json!([]));
    assert_eq!(proof.world.get("/status").await["alerts"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_costs_a_few_calls_beside_those_of_an_edit() {
    let proof = Proof::start(1, &[]).await;
    let calls = |world: &World| {
        let lines = world.lines();
        lines.iter().filter(|line| !line.contains("oauth2")).count()
    };
    proof.world.quiet().await;
    proof.world.clear_calls();
    proof.world.pass_time(HOUR);
    proof.begun(1).await;
    proof.proven_later_than(0, "to_outlook", &Value::Null).await;
    proof.world.quiet().await;
    // The person, its write; by the webhook the person, the contact, the PATCH and its echo.
    let from_tribe = calls(&proof.world);
    assert!(from_tribe <= 6, "{:#?}", proof.world.lines());
    proof.world.clear_calls();
    proof.world.pass_time(HOUR);
    proof.begun(2).await;
    proof.proven_later_than(0, "to_tribe", &Value::Null).await;
    proof.world.quiet().await;
    let from_mailbox = calls(&proof.world);
    assert!(from_mailbox <= 8, "{:#?}", proof.world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_notices_only_make_it_later() {
    let config = [
        ("sync.poll_interval", "90m"),
        ("sync.delta_interval", "90m"),
        ("canary.patience", "45m"),
    ];
    let proof = Proof::start(1, &config).await;
    for source in ["tribe", "graph"] {
        let hints = json!({"hints": {"source": source, "drop": true}});
        proof.world.fault(hints).await;
    }
    for way in ["to_outlook", "to_tribe"] {
        let before = proof.number().await;
        proof.next_round().await;
        proof.begun(before + 1).await;
        proof
            .way(0, way, |shown| shown["standing"] == "waiting")
            .await;
        // The poll, or the delta, that is due by then.
        proof.world.calm().await;
        proof.world.pass_time(Duration::from_secs(31 * 60));
        let shown = proof
            .way(0, way, |shown| shown["standing"] == "proven")
            .await;
        assert!(shown["took_ms"].as_i64().unwrap() > 1_000_000, "{shown}");
    }
    assert_eq!(proof.world.get("/status").await["alerts"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_never_arrives_is_told_and_its_arrival_too() {
    let proof = Proof::start(2, &[]).await;
    let refused = json!({"match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"}, "then": {"status": 503}});
    proof.world.fault(refused).await;
    proof.next_round().await;
    proof.begun(1).await;
    for user in 0..2 {
        proof
            .way(user, "to_outlook", |shown| shown["standing"] == "waiting")
            .await;
    }
    // Hints are tried again and again: never idle for long, so time is moved as it is.
    proof.world.clock.advance(Duration::from_secs(21 * 60));
    for user in 0..2 {
        proof
            .way(user, "to_outlook", |shown| shown["standing"] == "late")
            .await;
    }
    let alerts = async || {
        let status = proof.world.get("/status").await;
        status["alerts"].as_array().unwrap().len()
    };
    proof
        .world
        .eventually("both are told of", async || {
            (alerts().await == 2).then_some(())
        })
        .await;
    assert_eq!(proof.gauges().await, (2.0, 0.0));
    // Whoever is paused has no value on the way.
    let pause = format!("/users/{}/pause", proof.users[1]);
    proof.world.post(&pause, json!({})).await;
    assert_eq!(proof.gauges().await, (1.0, 0.0));
    let resume = format!("/users/{}/resume", proof.users[1]);
    proof.world.post(&resume, json!({})).await;
    proof.world.no_faults().await;
    proof.world.clock.advance(Duration::from_secs(10 * 60));
    for user in 0..2 {
        proof
            .proven_later_than(user, "to_outlook", &Value::Null)
            .await;
    }
    proof
        .world
        .eventually("nothing is told any more", async || {
            (alerts().await == 0).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_paused_is_not_waited_for() {
    let proof = Proof::start(2, &[]).await;
    let pause = format!("/users/{}/pause", proof.users[1]);
    proof.world.post(&pause, json!({})).await;
    proof.next_round().await;
    proof.begun(1).await;
    proof.proven_later_than(0, "to_outlook", &Value::Null).await;
    let away =
        async || proof.world.get(&format!("/users/{}", proof.users[1])).await["canary"].clone();
    assert_eq!(away().await, Value::Null);
    // The next is to begin in a mailbox: in that of whoever is there.
    proof.world.calm().await;
    proof.world.pass_time(HOUR);
    proof.begun(2).await;
    proof.proven_later_than(0, "to_tribe", &Value::Null).await;
    assert_eq!(away().await, Value::Null);
    // What was kept while it was paused brings the value, and proves it.
    let resume = format!("/users/{}/resume", proof.users[1]);
    proof.world.post(&resume, json!({})).await;
    proof.proven_later_than(1, "to_outlook", &Value::Null).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_over_the_number_is_tribes_and_nobody_decides_it() {
    let proof = Proof::start(1, &[("sync.conflict", "hold")]).await;
    let lost = json!({"hints": {"source": "tribe", "drop": true}});
    proof.world.fault(lost).await;
    proof.next_round().await;
    proof.begun(1).await;
    let contact = proof
        .world
        .contact(&proof.mailboxes[0], "Proof")
        .await
        .unwrap();
    proof
        .world
        .tribe_shows(&proof.card.person, "PhoneNumber", json!("+441632960001"))
        .await;
    let typed = json!({"homePhones": ["020-5551234", "020-5556789"]});
    let id = text(&contact, "id");
    proof
        .world
        .edit_outlook(&proof.mailboxes[0], &id, typed)
        .await;
    proof.proven_later_than(0, "to_outlook", &Value::Null).await;
    let numbers = json!(["+441632960001", "020-5556789"]);
    assert_eq!(proof.home_phones(0).await, numbers, "further ones stay");
    proof.world.quiet().await;
    assert_eq!(proof.world.get("/held").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_begin_one_round() {
    let proof = Proof::start(1, &[]).await;
    let stop = proof.second_replica().await;
    for number in 1..=4 {
        proof.next_round().await;
        proof.begun(number).await;
        let way = match number % 2 {
            1 => "to_outlook",
            _ => "to_tribe",
        };
        proof
            .way(0, way, |shown| {
                shown["standing"] == "proven" && shown["waits_since"].is_null()
            })
            .await;
        proof.world.quiet().await;
        assert_eq!(proof.number().await, number);
    }
    // Each value was written once to each side.
    let writes = proof.world.audit(&proof.card).await;
    let of = |direction: &str| {
        let lines = writes
            .iter()
            .filter(|line| line["direction"] == direction && line["note"] != "created");
        lines.count()
    };
    assert_eq!((of("to_outlook"), of("to_tribe")), (2, 2), "{writes:#?}");
    stop.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_whom_tribe_does_not_know_is_told() {
    let proof = Proof::start(1, &[]).await;
    proof.world.delete_tribe(&proof.card.person).await;
    proof.next_round().await;
    let told = async || {
        let status = proof.world.get("/status").await;
        let message = status["alerts"][0]["message"].as_str()?.to_owned();
        message.contains("canary.people").then_some(())
    };
    proof.world.eventually("it is told", told).await;
    assert_eq!(proof.number().await, 0);
}
