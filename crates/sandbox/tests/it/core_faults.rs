//! Faults on demand, over real connections.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{World, answer};

async fn fault(world: &World, rule: Value) {
    let (status, body) = world.control(Method::POST, "faults", rule).await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn a_status_with_retry_after_and_a_count() {
    let world = World::start().await;
    fault(&world, json!({"match": {"method": "GET", "path": "/v1/odata/Relation_Person"}, "then": {"status": 429, "retry_after": 7}, "count": 1})).await;
    let url = format!("{}/v1/odata/Relation_Person?$top=1", world.base);
    let response = world
        .http
        .get(&url)
        .bearer_auth(&world.token)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().ok()
        ),
        (429, Some("7"))
    );
    let (_, body) = answer(response).await;
    assert!(body["error"]["message"].is_string());
    assert_eq!(
        world.get("Relation_Person?$top=1").await.0,
        200,
        "the count has run out"
    );
    let (_, faults) = world.control(Method::GET, "faults", Value::Null).await;
    assert_eq!(faults["faults"][0]["hits"], 1);
}

#[tokio::test]
async fn wildcards_and_methods_choose() {
    let world = World::start().await;
    fault(&world, json!({"match": {"method": "PUT", "path": "/v1/odata/Relation_Person(*)"}, "then": {"status": 503}})).await;
    let person = world
        .create("Relation_Person", json!({"LastName": "A"}))
        .await;
    assert_eq!(
        world.get(&format!("Relation_Person({person})")).await.0,
        200
    );
    assert_eq!(
        world
            .put(
                &format!("Relation_Person({person})"),
                json!({"LastName": "B"})
            )
            .await
            .0,
        503
    );
    assert_eq!(
        world.get(&format!("Relation_Person({person})")).await.1["LastName"],
        "A"
    );
    assert_eq!(
        world.control(Method::DELETE, "faults", Value::Null).await.0,
        204
    );
    assert_eq!(
        world
            .put(
                &format!("Relation_Person({person})"),
                json!({"LastName": "B"})
            )
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn cut_before_does_nothing_and_cut_after_does_all() {
    let world = World::start().await;
    let person = world
        .create("Relation_Person", json!({"LastName": "A"}))
        .await;
    let path = format!("Relation_Person({person})");
    let put = |name: &str| {
        let request = world
            .http
            .put(format!("{}/v1/odata/{path}", world.base))
            .bearer_auth(&world.token);
        request.json(&json!({"LastName": name})).send()
    };
    fault(
        &world,
        json!({"match": {"method": "PUT"}, "then": {"cut": "before"}, "count": 1}),
    )
    .await;
    assert!(put("B").await.is_err());
    assert_eq!(world.get(&path).await.1["LastName"], "A");
    fault(
        &world,
        json!({"match": {"method": "PUT"}, "then": {"cut": "after"}, "count": 1}),
    )
    .await;
    assert!(put("C").await.is_err());
    assert_eq!(world.get(&path).await.1["LastName"], "C");
    let (_, log) = world.control(Method::GET, "calls", Value::Null).await;
    let cut: Vec<_> = log["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .filter(|c| c["method"] == "PUT")
        .collect();
    assert!(
        cut.len() == 2
            && cut
                .iter()
                .all(|c| c["status"].is_null() && c["fault"] == true)
    );
}

#[tokio::test]
async fn a_truncated_body_promises_more() {
    let world = World::start().await;
    fault(
        &world,
        json!({"match": {"path": "Relation_Person"}, "then": {"truncate": 20}, "count": 1}),
    )
    .await;
    let url = format!("{}/v1/odata/Relation_Person?$top=5", world.base);
    let mut response = world
        .http
        .get(&url)
        .bearer_auth(&world.token)
        .send()
        .await
        .expect("headers");
    assert_eq!(response.status(), 200);
    assert!(
        response
            .content_length()
            .is_some_and(|length| length > 1000)
    );
    let mut got = Vec::new();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => got.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken && got.len() == 20);
}

#[tokio::test]
async fn stale_reads_show_what_was() {
    let world = World::start().await;
    let person = world
        .create("Relation_Person", json!({"LastName": "Old"}))
        .await;
    let path = format!("Relation_Person({person})");
    world
        .control(Method::POST, "time", json!({"advance_ms": 60_000}))
        .await;
    world.put(&path, json!({"LastName": "New"})).await;
    fault(&world, json!({"match": {"method": "GET", "path": "/v1/odata/"}, "then": {"stale_ms": 30_000}, "count": 2})).await;
    assert_eq!(world.get(&path).await.1["LastName"], "Old");
    let list = world
        .list(&format!(
            "Relation_Person?$filter=ID%20eq%20{person}%20and%20LastName%20eq%20'Old'"
        ))
        .await;
    assert_eq!(list.len(), 1);
    assert_eq!(world.get(&path).await.1["LastName"], "New");
    fault(
        &world,
        json!({"match": {"method": "GET"}, "then": {"stale_ms": 120_000}, "count": 1}),
    )
    .await;
    assert_eq!(world.get(&path).await.0, 404, "it did not exist then");
}

#[tokio::test]
async fn sign_in_fails_in_its_own_words() {
    let world = World::start().await;
    fault(
        &world,
        json!({"match": {"path": "/oauth2/token"}, "then": {"status": 503}, "count": 1}),
    )
    .await;
    let (status, body) = answer(
        world
            .http
            .post(format!("{}/oauth2/token", world.base))
            .form(&[("a", "b")])
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(
        (status, body["error"].as_str()),
        (503, Some("temporarily_unavailable"))
    );
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let world = World::start().await;
    for rule in [
        json!({"match": {"path": "/x"}, "then": {"stauts": 1}}),
        json!({"then": {"status": 500}, "share": 3}),
        json!({"hints": {"source": "nobody"}}),
        json!({}),
    ] {
        assert_eq!(
            world.control(Method::POST, "faults", rule.clone()).await.0,
            400,
            "{rule}"
        );
    }
}

#[tokio::test]
async fn a_share_strikes_some() {
    let world = World::start().await;
    fault(
        &world,
        json!({"match": {"path": "Datastore_Role"}, "then": {"status": 500}, "share": 0.5}),
    )
    .await;
    let mut struck = 0;
    for _ in 0..60 {
        struck += u32::from(world.get("Datastore_Role").await.0 == 500);
    }
    assert!((10..50).contains(&struck), "{struck}");
}
