//! Limits and `$batch` (Graph reference 5, 6, 10.1).

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may fail like the tests themselves"
)]

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::until,
    office::{Office, Reply},
};

#[tokio::test]
async fn the_fifth_call_at_once_is_throttled() {
    let office = Office::start().await;
    office
        .control(
            Method::POST,
            "faults",
            json!({"match": {"path": "/contacts"}, "then": {"delay_ms": 600_000}, "count": 4}),
        )
        .await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..4 {
        slow.spawn(office.request(Method::GET, "/me/contacts").send());
    }
    until(|| async {
        (office
            .world
            .running
            .ctx
            .lock()
            .calls
            .in_flight(&office.mailbox)
            == 4)
            .then_some(())
    })
    .await;
    let fifth = office.get("/me/contacts").await;
    assert_eq!(
        (fifth.status, fifth.code(), fifth.header("retry-after")),
        (429, "ApplicationThrottled", "1")
    );
    assert_eq!(
        fifth.body["error"]["message"],
        "Application is over its MailboxConcurrency limit."
    );
    slow.abort_all();
    while slow.join_next().await.is_some() {}
    until(|| async { (office.get("/me/contacts").await.status == 200).then_some(()) }).await;
}

#[tokio::test]
async fn ten_minutes_have_a_limit_and_throttled_calls_count() {
    let office = Office::start().await;
    office.switch(json!({"requests_per_window": 2})).await;
    assert_eq!(office.get("/me/contacts").await.status, 200);
    assert_eq!(office.get("/me/contacts").await.status, 200);
    let refused = office.get("/me/contacts").await;
    assert_eq!(
        (refused.status, refused.code()),
        (429, "ApplicationThrottled")
    );
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    office.switch(json!({"requests_per_window": 3})).await;
    assert_eq!(
        office.get("/me/contacts").await.status,
        429,
        "the refused call counted"
    );
    office
        .control(Method::POST, "time", json!({"advance_ms": 600_000}))
        .await;
    assert_eq!(office.get("/me/contacts").await.status, 200);
}

fn item<'a>(answer: &'a Value, id: &str) -> &'a Value {
    answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == id)
        .unwrap()
}

#[tokio::test]
async fn a_batch_answers_each_item_in_another_order() {
    let office = Office::start().await;
    let id = office.contact(json!({"givenName": "A"})).await;
    let mut requests: Vec<Value> = (0..16).map(|n| json!({"id": format!("g{n}"), "method": "GET", "url": format!("/me/contacts/{id}")})).collect();
    requests.extend([
        json!({"id": "make", "method": "POST", "url": "/me/contacts", "headers": {"CONTENT-TYPE": "application/json"}, "body": {"givenName": "B"}}),
        json!({"id": "bare", "method": "POST", "url": "/me/contacts", "body": {"givenName": "C"}}),
        json!({"id": "full", "method": "GET", "url": "https://graph.microsoft.com/v1.0/me/contacts"}),
        json!({"id": "version", "method": "GET", "url": "/v1.0/me/contacts"}),
    ]);
    let asked: Vec<String> = requests
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect();
    let answer = office
        .post("/$batch", json!({"requests": requests}))
        .await
        .expect(200);
    let told: Vec<&str> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_ne!(told, asked, "reordered");
    assert_eq!(item(&answer, "g3")["body"]["givenName"], "A");
    for id in &asked {
        assert_eq!(
            item(&answer, id)["headers"]["Content-Type"],
            "application/json",
            "{id}"
        );
    }
    assert_eq!(item(&answer, "make")["status"], 201);
    assert_eq!(
        item(&answer, "bare")["status"],
        400,
        "a body needs its content type"
    );
    for id in ["full", "version"] {
        assert_eq!(
            item(&answer, id)["body"]["error"]["message"],
            "Resource not found for the segment 'v1.0'."
        );
    }
    let log = office.control(Method::GET, "calls", Value::Null).await;
    let logged = log["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["batch_item"] == true)
        .count();
    assert_eq!(logged, 20, "each item is logged");
    assert!(
        log["in_flight_peak"][office.mailbox.as_str()]
            .as_u64()
            .unwrap()
            <= 4
    );
}

#[tokio::test]
async fn malformed_batches_are_refused_whole() {
    let office = Office::start().await;
    let get = |id: &str| json!({"id": id, "method": "GET", "url": "/me"});
    let many: Vec<Value> = (0..21).map(|n| get(&n.to_string())).collect();
    for requests in [
        json!(many),
        json!([]),
        json!([get("1"), get("1")]),
        json!([{"id": "1", "url": "/me"}]),
        json!([{"id": "1", "method": "GET", "url": "/me", "dependsOn": ["2"]}, get("2")]),
    ] {
        assert_eq!(
            office
                .post("/$batch", json!({"requests": requests}))
                .await
                .status,
            400
        );
    }
}

#[tokio::test]
async fn a_failed_dependency_is_424() {
    let office = Office::start().await;
    let answer = office
        .post(
            "/$batch",
            json!({"requests": [
                {"id": "1", "method": "GET", "url": "/me/contacts/AAMkAAAAAAAAAAAAAAAA="},
                {"id": "2", "method": "GET", "url": "/me", "dependsOn": ["1"]},
                {"id": "3", "method": "GET", "url": "/me"},
                {"id": "4", "method": "GET", "url": "/me", "dependsOn": ["3"]},
            ]}),
        )
        .await
        .expect(200);
    let statuses: Vec<i64> = ["1", "2", "3", "4"]
        .iter()
        .map(|id| item(&answer, id)["status"].as_i64().unwrap())
        .collect();
    assert_eq!(statuses, [404, 424, 200, 200]);
}

#[tokio::test]
async fn items_are_struck_and_limited_one_by_one() {
    let office = Office::start().await;
    office.control(Method::POST, "faults", json!({"match": {"path": "/v1.0/me/contacts*"}, "then": {"status": 429, "retry_after": 7}, "count": 1})).await;
    let requests: Vec<Value> = (0..4)
        .map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/me/contacts"}))
        .collect();
    let answer = office
        .post("/$batch", json!({"requests": requests}))
        .await
        .expect(200);
    let struck: Vec<&Value> = answer["responses"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["status"] == 429)
        .collect();
    assert_eq!(struck.len(), 1);
    assert_eq!(
        (
            &struck[0]["headers"]["Retry-After"],
            &struck[0]["body"]["error"]["code"]
        ),
        (&json!("7"), &json!("ApplicationThrottled"))
    );
    // A create that was done although its answer says 504.
    office.control(Method::POST, "faults", json!({"match": {"method": "POST", "path": "/v1.0/me/contacts"}, "then": {"cut": "after"}, "count": 1})).await;
    let create = json!({"id": "1", "method": "POST", "url": "/me/contacts", "headers": {"Content-Type": "application/json"}, "body": {"givenName": "A"}});
    let answer = office
        .post("/$batch", json!({"requests": [create]}))
        .await
        .expect(200);
    assert_eq!(answer["responses"][0]["status"], 504);
    assert_eq!(
        office.get("/me/contacts").await.expect(200)["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // Against the ten-minute limit every item counts.
    office
        .control(Method::POST, "time", json!({"advance_ms": 600_000}))
        .await;
    office.switch(json!({"requests_per_window": 2})).await;
    let answer = office
        .post("/$batch", json!({"requests": requests}))
        .await
        .expect(200);
    assert_eq!(
        answer["responses"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["status"] == 429)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_running_batch_leaves_no_room_beside_it() {
    let office = Office::start().await;
    office.control(Method::POST, "faults", json!({"match": {"path": "/v1.0/me/contacts"}, "then": {"delay_ms": 600_000}, "count": 4})).await;
    let requests: Vec<Value> = (0..6)
        .map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/me/contacts"}))
        .collect();
    let batch = tokio::spawn(
        office
            .request(Method::POST, "/$batch")
            .json(&json!({"requests": requests}))
            .send(),
    );
    until(|| async {
        (office
            .world
            .running
            .ctx
            .lock()
            .calls
            .in_flight(&office.mailbox)
            == 4)
            .then_some(())
    })
    .await;
    assert_eq!(
        Reply::of(
            office
                .request(Method::GET, "/me/contacts")
                .send()
                .await
                .unwrap()
        )
        .await
        .status,
        429
    );
    batch.abort();
}
