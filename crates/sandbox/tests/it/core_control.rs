//! Control routes and pages.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{World, id};

#[tokio::test]
async fn a_reset_starts_over_with_the_same_people() {
    let mut world = World::start().await;
    let config = world.config().await;
    let before = world
        .list("Relation_Person?$orderby=ID&$select=LastName")
        .await;
    world
        .create("Relation_Person", json!({"LastName": "Extra"}))
        .await;
    world
        .control(
            Method::POST,
            "faults",
            json!({"match": {"path": "/v1/"}, "then": {"status": 500}}),
        )
        .await;
    assert_eq!(
        world
            .control(Method::POST, "reset", json!({"nope": 1}))
            .await
            .0,
        400
    );
    assert_eq!(
        world.control(Method::POST, "reset", Value::Null).await.0,
        204
    );
    world.renew().await;
    assert_eq!(world.config().await, config);
    assert_eq!(
        world
            .list("Relation_Person?$orderby=ID&$select=LastName")
            .await,
        before
    );
    world
        .control(
            Method::POST,
            "reset",
            json!({"people": 7, "users": 2, "seed": 9}),
        )
        .await;
    world.renew().await;
    assert_eq!(
        world.config().await["mailboxes"].as_array().map(Vec::len),
        Some(2)
    );
    assert_ne!(
        world.config().await["tribe"]["client_id"],
        config["tribe"]["client_id"]
    );
}

#[tokio::test]
async fn the_state_shows_people_with_relationships_and_who_has_them() {
    let world = World::start().await;
    let (_, state) = world.control(Method::GET, "state", Value::Null).await;
    let people = state["tribe"]["people"].as_array().expect("people");
    assert!(people.len() >= 33);
    let ties: Vec<_> = people
        .iter()
        .flat_map(|person| person["Relationships"].as_array().expect("a list"))
        .collect();
    assert!(ties.iter().any(|tie| tie["IsFormer"] == true));
    let managed = |address: usize, config: &Value| {
        ties.iter()
            .filter(|tie| {
                tie["assignment"]["manager"] == config["mailboxes"][address]["employee_id"]
            })
            .count()
    };
    let config = world.config().await;
    for user in 0..3 {
        assert!(
            managed(user, &config) >= 5,
            "managers are spread over the users"
        );
    }
    assert!(ties.iter().any(|tie| {
        tie["assignment"]["owners"]
            .as_array()
            .is_some_and(|owners| owners.len() > 1)
    }));
}

#[tokio::test]
async fn the_clock_moves() {
    let world = World::start().await;
    let (_, before) = world.control(Method::GET, "time", Value::Null).await;
    let (_, after) = world
        .control(Method::POST, "time", json!({"advance_seconds": 3600}))
        .await;
    let moved = after["now_ms"]
        .as_i64()
        .zip(before["now_ms"].as_i64())
        .map(|(a, b)| a - b)
        .expect("times");
    assert!((3_600_000..3_660_000).contains(&moved));
    let (_, set) = world
        .control(Method::POST, "time", json!({"now": "2030-01-01T00:00:00Z"}))
        .await;
    assert!(
        set["now"]
            .as_str()
            .is_some_and(|now| now.starts_with("2030-01-01T00:00:"))
    );
    for bad in [
        json!({}),
        json!({"advance_ms": i64::MAX}),
        json!({"advance_seconds": i64::MAX}),
    ] {
        assert_eq!(world.control(Method::POST, "time", bad).await.0, 400);
    }
}

#[tokio::test]
async fn tokens_are_for_somebody() {
    let world = World::start().await;
    let address = world.config().await["mailboxes"][0]["address"].clone();
    for body in [
        json!({"mailbox": address}),
        json!({"employee": address}),
        json!({"crm": true, "by": "tester"}),
    ] {
        let (status, body) = world.control(Method::POST, "tokens", body).await;
        assert!(status == 200 && body["access_token"].is_string());
    }
    assert_eq!(
        world
            .control(
                Method::POST,
                "tokens",
                json!({"mailbox": "nobody@example.com"})
            )
            .await
            .0,
        404
    );
    assert_eq!(
        world.control(Method::POST, "tokens", json!({})).await.0,
        400
    );
}

#[tokio::test]
async fn settings_that_shape_the_data_take_a_reset() {
    let world = World::start().await;
    assert_eq!(
        world
            .control(
                Method::POST,
                "tribe/settings",
                json!({"places": ["person"]})
            )
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .control(Method::POST, "tribe/settings", json!({"nope": 1}))
            .await
            .0,
        400
    );
    let (status, settings) = world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"eq_ignores_case": true}),
        )
        .await;
    assert_eq!((status, &settings["eq_ignores_case"]), (200, &json!(true)));
    world
        .create("Relation_Person", json!({"LastName": "Shouted"}))
        .await;
    assert_eq!(
        world
            .list("Relation_Person?$filter=LastName%20eq%20'SHOUTED'")
            .await
            .len(),
        1
    );
    world
        .control(
            Method::POST,
            "tribe/settings",
            json!({"mutation_date_at_creation": true, "touch_relationships": true}),
        )
        .await;
    let tie = world
        .create(
            "Relationship_Person_CommercialRelationship_Lead",
            json!({"Person": {"LastName": "Touched"}}),
        )
        .await;
    let (_, read) = world
        .get(&format!("Relationship({tie})?$expand=Person"))
        .await;
    let created = read["LastMutationDate"]
        .as_str()
        .expect("set from the creation on")
        .to_owned();
    world
        .control(Method::POST, "time", json!({"advance_seconds": 60}))
        .await;
    world
        .put(
            &format!("Relation_Person({})", id(&read["Person"])),
            json!({"FirstName": "X"}),
        )
        .await;
    let (_, read) = world.get(&format!("Relationship({tie})")).await;
    assert!(read["LastMutationDate"].as_str().expect("a date") > created.as_str());
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_find_people() {
    let world = World::start().await;
    for path in ["", "tribe", "tribe.js", "style.css"] {
        let response = world
            .http
            .get(format!("{}/_sandbox/{path}", world.base))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        let text = response.text().await.expect("a body");
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path}"
        );
    }
    let tie = world
        .create(
            "Relationship_Person_CommercialRelationship_Lead",
            json!({"Person": {"FirstName": "Zeldzaam", "LastName": "Uniek"}}),
        )
        .await;
    let (_, found) = world
        .control(Method::GET, "tribe/people?q=zeldz%20uni", Value::Null)
        .await;
    assert_eq!(found["total"], 1);
    let person = found["items"][0]["id"].as_str().expect("an id");
    let (_, card) = world
        .control(Method::GET, &format!("tribe/people/{person}"), Value::Null)
        .await;
    assert_eq!(card["Relationships"][0]["ID"], tie.as_str());
    let (_, before) = world
        .control(Method::GET, "tribe/version", Value::Null)
        .await;
    assert_eq!(
        world
            .control(
                Method::POST,
                &format!("tribe/records/{tie}"),
                json!({"IsFormer": true})
            )
            .await
            .0,
        204
    );
    let (_, after) = world
        .control(Method::GET, "tribe/version", Value::Null)
        .await;
    assert_ne!(before, after);
    let (_, choices) = world
        .control(Method::GET, "tribe/choices", Value::Null)
        .await;
    assert!(
        choices["employees"]
            .as_array()
            .is_some_and(|all| all.len() >= 3)
    );
}
