//! The call log.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tribelink_sandbox::Options;

use crate::common::World;

#[tokio::test]
async fn every_call_is_there_with_who_and_how_many_abreast() {
    let world = World::start().await;
    world
        .control(Method::POST, "latency", json!({"tribe_ms": 150}))
        .await;
    world.control(Method::DELETE, "calls", Value::Null).await;
    let results = join_all((0..4).map(|_| world.get("Relation_Person?$top=1"))).await;
    assert!(results.iter().all(|(status, _)| *status == 200));
    let (_, log) = world.control(Method::GET, "calls", Value::Null).await;
    let calls = log["calls"].as_array().expect("calls");
    assert_eq!(calls.len(), 4);
    for call in calls {
        assert_eq!(
            (
                call["method"].as_str(),
                call["path"].as_str(),
                call["by"].as_str()
            ),
            (
                Some("GET"),
                Some("/v1/odata/Relation_Person?$top=1"),
                Some("crm")
            )
        );
        assert_eq!(
            (&call["status"], call["side"].as_str()),
            (&json!(200), Some("tribe"))
        );
        assert!(call["took_ms"].as_i64().is_some_and(|ms| ms >= 100));
    }
    let mut abreast: Vec<_> = calls
        .iter()
        .map(|call| call["in_flight"].as_u64().expect("a number"))
        .collect();
    abreast.sort_unstable();
    assert_eq!(abreast, [1, 2, 3, 4]);
    assert_eq!(log["in_flight_peak"]["crm"], 4);
    assert_eq!(
        log["counters"]["GET /v1/odata/Relation_Person"],
        json!({"count": 4, "statuses": {"200": 4}})
    );
}

#[tokio::test]
async fn the_log_keeps_its_size_and_no_token() {
    let world = World::with(Options {
        people: 3,
        users: 1,
        call_log: 5,
        ..Options::default()
    })
    .await;
    for _ in 0..8 {
        let url = format!("{}/v1/odata/Team?access_token={}", world.base, world.token);
        world.http.get(url).send().await.expect("an answer");
    }
    let (_, log) = world.control(Method::GET, "calls", Value::Null).await;
    assert_eq!(log["calls"].as_array().map(Vec::len), Some(5));
    assert_eq!(log["counters"]["GET /v1/odata/Team"]["count"], 8);
    assert!(!log.to_string().contains(&world.token));
    world.control(Method::DELETE, "calls", Value::Null).await;
    let (_, log) = world.control(Method::GET, "calls", Value::Null).await;
    assert_eq!((&log["calls"], &log["counters"]), (&json!([]), &json!({})));
}

#[tokio::test]
async fn strangers_are_logged_as_such() {
    let world = World::start().await;
    world
        .http
        .get(format!("{}/v1/odata/Team", world.base))
        .send()
        .await
        .expect("an answer");
    let (_, log) = world.control(Method::GET, "calls", Value::Null).await;
    let last = log["calls"]
        .as_array()
        .and_then(|calls| calls.last())
        .expect("a call");
    assert_eq!(
        (&last["status"], last["by"].as_str()),
        (&json!(401), Some("-"))
    );
}
