//! What goes wrong at the remotes: cut answers, throttling, dead tokens, cursors, subscriptions.

use http::Method;
use serde_json::{Value, json};

use crate::{
    hands::{Card, text},
    rules_fields::apart,
    world::{Mailbox, Setup, World},
};

async fn one(config: &[(&'static str, &'static str)]) -> (World, Mailbox, String, Card, String) {
    let world = World::start(Setup::with(config)).await;
    let mailbox = world.mailbox(0);
    let card = world.somebody(&mailbox, 1).await;
    let user = world.live(&mailbox).await;
    let contact = world.contact(&mailbox, "Jansen 1").await.unwrap();
    let id = text(&contact, "immutableId");
    (world, mailbox, user, card, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_whose_answer_is_lost_is_looked_up_and_never_doubled() {
    let (world, mailbox, user, _, _) = one(&[]).await;
    let cut = json!({
        "match": {"method": "POST", "path": "/v1.0/me/contacts"}, "then": {"cut": "after"}, "count": 1,
    });
    world.fault(cut).await;
    let card = world.somebody(&mailbox, 2).await;
    world.link_is(&user, &card, "linked").await;
    world.quiet().await;
    assert!(world.contact(&mailbox, "Jansen 2").await.is_some());
    let links = world.links(&user).await;
    let link = links
        .iter()
        .find(|link| link["person_id"] == card.person.as_str())
        .unwrap();
    let contact = world.contact(&mailbox, "Jansen 2").await.unwrap();
    assert_eq!(link["contact_id"], contact["immutableId"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_never_arrived_is_repeated_after_it_was_looked_for() {
    let (world, mailbox, user, _, _) = one(&[]).await;
    let cut = json!({
        "match": {"method": "POST", "path": "/v1.0/me/contacts"}, "then": {"cut": "before"}, "count": 1,
    });
    world.fault(cut).await;
    let card = world.somebody(&mailbox, 2).await;
    world.link_is(&user, &card, "intent").await;
    world
        .eventually("it is created after all", async || {
            world.pass_time(std::time::Duration::from_secs(3));
            world.contact(&mailbox, "Jansen 2").await
        })
        .await;
    world.link_is(&user, &card, "linked").await;
    let looks = world.calls().into_iter().filter(|call| {
        call.path.contains("$filter=singleValueExtendedProperties") && call.status == Some(200)
    });
    // Before the create, and three times over more than a minute.
    assert!(looks.count() >= 4, "{:#?}", world.lines());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_respected_and_nothing_is_lost() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world.clear_calls();
    let throttle = json!({"match": {"path": "/v1.0/me/*"}, "then": {"status": 429, "retry_after": 2}, "count": 1});
    world.fault(throttle).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    let calls = world.calls();
    let graph: Vec<_> = calls.iter().filter(|call| call.side == "graph").collect();
    assert_eq!(graph[0].status, Some(429));
    assert!(
        graph[1].at_ms - graph[0].at_ms >= 2_000,
        "{:#?}",
        world.lines()
    );
    assert_eq!(
        graph.iter().filter(|call| call.method == "PATCH").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tribes_retry_after_is_respected_too() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world.clear_calls();
    let throttle = json!({"match": {"path": "/v1/odata/*"}, "then": {"status": 429, "retry_after": 2}, "count": 1});
    world.fault(throttle).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    let calls = world.calls();
    let tribe: Vec<_> = calls.iter().filter(|call| call.side == "tribe").collect();
    assert_eq!(tribe[0].status, Some(429));
    assert!(
        tribe[1].at_ms - tribe[0].at_ms >= 2_000,
        "{:#?}",
        world.lines()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outages_of_either_side_pass() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    for path in ["/v1/odata/*", "/v1.0/me/*"] {
        world
            .fault(json!({"match": {"path": path}, "then": {"status": 503}, "count": 3}))
            .await;
    }
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"jobTitle": "Directeur"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world
        .tribe_shows(
            &card.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_tribe_whose_answer_is_lost_comes_out_right() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    for cut in ["after", "before"] {
        let rule = json!({"match": {"method": "PUT", "path": "/v1/odata/*"}, "then": {"cut": cut}, "count": 1});
        world.fault(rule).await;
        world
            .edit_outlook(&mailbox, &id, json!({"jobTitle": cut}))
            .await;
        world
            .tribe_shows(&card.relationship, "FunctionOnBusinessCard", json!(cut))
            .await;
        world.quiet().await;
        let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
        assert_eq!(contact["jobTitle"], cut);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_write_without_an_answer_lost_is_in_the_audit() {
    let (mut world, mailbox, _, card, id) = one(&[]).await;
    let cut = json!({
        "match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"}, "then": {"cut": "after"}, "count": 1,
    });
    world.fault(cut).await;
    let (tribe, outlook) = (json!({"FirstName": "Tess"}), json!({"givenName": "Olaf"}));
    apart(&mut world, &mailbox, &card, &id, tribe, outlook).await;
    world.shows(&mailbox, &id, "givenName", json!("Tess")).await;
    world
        .eventually("the loss is told", async || {
            let lines = world.audit(&card).await;
            lines
                .into_iter()
                .find(|line| line["rule"] == "R6" && line["fields"][0]["lost"] == "Olaf")
        })
        .await;
    world.quiet().await;
    let patches = world
        .calls()
        .into_iter()
        .filter(|call| call.method == "PATCH" && call.path.contains("/v1.0/me/contacts/"));
    assert_eq!(patches.count(), 1, "found, not written again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_emptied_without_an_answer_counts_once_for_the_brake() {
    for cut in ["after", "before"] {
        let (world, mailbox, user, card, id) = one(&[]).await;
        let rule = json!({
            "match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"}, "then": {"cut": cut}, "count": 1,
        });
        world.fault(rule).await;
        world
            .edit_tribe(&card.person, json!({"FirstName": null}))
            .await;
        world.shows(&mailbox, &id, "givenName", Value::Null).await;
        world.quiet().await;
        let user = world.store_user(&user).await;
        let count = world.store.brake_count(user, 0).await.unwrap();
        assert_eq!(count, 1, "{cut}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_changed_between_read_and_write_is_read_again() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    let rule = json!({"match": {"method": "PATCH", "path": "/v1.0/me/contacts/*"}, "then": {"status": 412}, "count": 1});
    world.fault(rule).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_costs_one_refresh_and_the_rotated_one_is_kept() {
    let (mut world, mailbox, user, card, id) = one(&[]).await;
    let known = world.store_user(&user).await;
    let before = world.store.tokens(known).await.unwrap().unwrap();
    let body = json!({"mailbox": mailbox.address});
    world
        .control(Method::POST, "/microsoft/expire", Some(body.clone()))
        .await;
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    let refreshes = |world: &World| {
        let calls = world.calls();
        let refreshes = calls
            .iter()
            .filter(|call| call.side == "microsoft" && call.path.ends_with("/token"));
        refreshes.count()
    };
    assert_eq!(refreshes(&world), 1, "{:#?}", world.lines());
    let after = world.store.tokens(known).await.unwrap().unwrap();
    assert_eq!(after.generation, before.generation + 1);
    // A new process goes on with it.
    world.stop().await;
    world
        .control(Method::POST, "/microsoft/expire", Some(body))
        .await;
    world.serve().await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Cora"}))
        .await;
    world.shows(&mailbox, &id, "givenName", json!("Cora")).await;
    world.quiet().await;
    world.state(&user, "live").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_delta_cursor_starts_over_and_misses_nothing() {
    let (world, mailbox, user, card, id) = one(&[("sync.delta_interval", "500ms")]).await;
    world
        .fault(json!({"hints": {"source": "graph", "drop": true}}))
        .await;
    let body = json!({"mailbox": mailbox.address});
    world
        .control(Method::POST, "/graph/expire-delta", Some(body.clone()))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Berta"}))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Berta"))
        .await;
    world.recorded(&card.person, "to_tribe", "first_name").await;
    // A deletion is told by no delta that starts over: the comparison that follows finds it.
    world.clock.advance(std::time::Duration::from_secs(61));
    world.delete_outlook(&mailbox, &id).await;
    world
        .control(Method::POST, "/graph/expire-delta", Some(body))
        .await;
    world.link_is(&user, &card, "tombstone").await;
}

async fn subscription(world: &World) -> Option<String> {
    let state = world.control(Method::GET, "/state", None).await;
    let all = state["graph"]["subscriptions"].as_array().unwrap().clone();
    assert!(all.len() <= 1, "{all:#?}");
    all.first().map(|one| text(one, "id"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_subscription_is_made_anew_and_a_paused_one_renewed() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    let first = subscription(&world).await.unwrap();
    let event = |name: &str| Some(json!({"mailbox": mailbox.address, "event": name}));
    world
        .control(
            Method::POST,
            "/graph/lifecycle",
            event("subscriptionRemoved"),
        )
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Berta"}))
        .await;
    let second = world
        .eventually("there is a new subscription", async || {
            subscription(&world).await.filter(|id| *id != first)
        })
        .await;
    // What happened in between comes by the delta that follows.
    world
        .tribe_shows(&card.person, "FirstName", json!("Berta"))
        .await;
    world.quiet().await;
    world
        .control(
            Method::POST,
            "/graph/lifecycle",
            event("reauthorizationRequired"),
        )
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Cora"}))
        .await;
    world
        .eventually("it was renewed", async || {
            let calls = world.calls();
            let renewed = calls.iter().any(|call| {
                call.method == "PATCH" && call.path.contains(&second) && call.status == Some(200)
            });
            renewed.then_some(())
        })
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Cora"))
        .await;
    world.quiet().await;
    assert_eq!(subscription(&world).await, Some(second));
    // `missed` means look.
    world
        .fault(json!({"hints": {"source": "graph", "drop": true}, "count": 1}))
        .await;
    world
        .edit_outlook(&mailbox, &id, json!({"givenName": "Dora"}))
        .await;
    world.calm().await;
    world.no_faults().await;
    world
        .control(Method::POST, "/graph/lifecycle", event("missed"))
        .await;
    world
        .tribe_shows(&card.person, "FirstName", json!("Dora"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_read_after_an_own_write_decides_nothing() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .shows(&mailbox, &id, "givenName", json!("Berta"))
        .await;
    world.quiet().await;
    // Graph answers with what stood there before our own write.
    let stale = json!({"match": {"method": "GET", "path": "/v1.0/me/contacts/*"}, "then": {"stale_ms": 60_000}, "count": 2});
    world.fault(stale).await;
    world
        .edit_tribe(&card.relationship, json!({"PhoneNumber": "020-5551234"}))
        .await;
    world
        .shows(&mailbox, &id, "businessPhones", json!(["020-5551234"]))
        .await;
    world.quiet().await;
    assert_eq!(world.tribe(&card.person).await["FirstName"], "Berta");
    let contact = world.contact_by_id(&mailbox, &id).await.unwrap();
    assert_eq!(contact["givenName"], "Berta");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_answer_of_tribe_deletes_nobody() {
    let (world, mailbox, user, card, _) = one(&[]).await;
    let rule = json!({"match": {"method": "GET", "path": "/v1/odata/*"}, "then": {"truncate": 60}, "count": 3});
    world.fault(rule).await;
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .eventually("it arrives in the end", async || {
            let contact = world.contact(&mailbox, "Jansen 1").await?;
            (contact["givenName"] == "Berta").then_some(())
        })
        .await;
    world.quiet().await;
    assert_eq!(
        world.link_state(&user, &card).await.as_deref(),
        Some("linked")
    );
    let parked: Value = world.get("/parked").await;
    assert_eq!(parked["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_read_for_one_person_loses_no_edit_of_another() {
    let (world, mailbox, user, first, first_id) = one(&[]).await;
    let second = world.somebody(&mailbox, 2).await;
    world.link_is(&user, &second, "linked").await;
    world.quiet().await;
    let contact = world.contact(&mailbox, "Jansen 2").await.unwrap();
    let second_id = text(&contact, "id");
    world.post(&format!("/users/{user}/pause"), json!({})).await;
    world
        .edit_tribe(&first.person, json!({"FirstName": "Berta"}))
        .await;
    // Two fields: the look for others with the address is what fails, once the first is planned.
    let two = json!({"jobTitle": "Directeur", "businessPhones": ["020-5551234"]});
    world.edit_outlook(&mailbox, &second_id, two).await;
    let throttle = json!({
        "match": {"method": "GET", "path": "emailAddresses%2Fany"},
        "then": {"status": 429, "retry_after": 1}, "count": 1,
    });
    world.fault(throttle).await;
    world
        .post(&format!("/users/{user}/resume"), json!({}))
        .await;
    world
        .shows(&mailbox, &first_id, "givenName", json!("Berta"))
        .await;
    world
        .tribe_shows(
            &second.relationship,
            "FunctionOnBusinessCard",
            json!("Directeur"),
        )
        .await;
    world.quiet().await;
    let throttled = world.calls().iter().any(|call| call.status == Some(429));
    assert!(throttled, "{:#?}", world.lines());
    let person = world.tribe(&first.person).await;
    assert_eq!(person["FirstName"], "Berta");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_outage_parks_nobody() {
    let (world, mailbox, _, card, id) = one(&[]).await;
    let down =
        |path: &str| json!({"match": {"path": path}, "then": {"status": 503, "retry_after": 1}});
    world.fault(down("/v1.0/me/*")).await;
    world.clear_calls();
    world
        .edit_tribe(&card.person, json!({"FirstName": "Berta"}))
        .await;
    world
        .eventually("it was tried again and again", async || {
            world.pass_time(std::time::Duration::from_secs(60));
            (world.count().graph_requests > 14).then_some(())
        })
        .await;
    world.no_faults().await;
    // The first try after it fails for a reason of its own.
    let changed = json!({"match": {"method": "PATCH", "path": "/v1.0/me/*"}, "then": {"status": 412}, "count": 1});
    world.fault(changed).await;
    world
        .eventually("it arrives in the end", async || {
            world.pass_time(std::time::Duration::from_secs(60));
            let contact = world.contact_by_id(&mailbox, &id).await?;
            (contact["givenName"] == "Berta").then_some(())
        })
        .await;
    world.quiet().await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
}
