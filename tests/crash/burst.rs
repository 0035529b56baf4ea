//! Ten thousand notifications in ten seconds against the program as it is released.
//!
//! First while both remotes are away, so that every hint stays where it was put: SIGKILL straight
//! after the last 202, and the file must hold each of them. Then the service comes back, the remotes
//! too, and the edits that only these notifications told of must have come across. Then once more
//! with everything at work.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::hmac;
use axum::{
    Router,
    body::Bytes,
    extract::{Query, State},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Outcome, failed, judge,
    people::People,
    world::{World, list, text},
};

/// People, and how many edits the burst alone tells of.
const PEOPLE: usize = 100;
const EDITS: usize = 200;

/// An answer of 99.9 % of the deliveries must be there by then.
const IN_TIME: Duration = Duration::from_secs(1);

/// Most memory that the service may ever have held, in KiB.
const MEMORY_KIB: u64 = 256 << 10;

/// Which subscription has which `clientState`, heard at the address that Graph was told.
type Heard = Arc<Mutex<BTreeMap<String, String>>>;

/// One POST.
struct Delivery {
    path: &'static str,
    signature: Option<String>,
    body: Vec<u8>,
}

/// What came of a burst.
struct Taken {
    accepted: usize,
    others: BTreeMap<String, usize>,
    /// From the moment it was due to its answer.
    waits: Vec<Duration>,
}

pub(crate) async fn run(
    service: &Path,
    sandbox: &Path,
    events: usize,
    seconds: u64,
    connections: usize,
) -> Outcome<usize> {
    let heard = Heard::default();
    let tap = tap(Arc::clone(&heard)).await?;
    let settings = [("server.public_url", tap.as_str()), ("worker.lease", "30s")];
    let mut world = World::make(service, sandbox, 1, &settings).await?;
    let mut people = People::settle(&world, PEOPLE, false).await?;
    let mut process = world.service.start(None)?;
    world.answers(&mut process).await?;
    judge::rest(&mut world, &mut process).await?;
    people.learn(&world).await?;
    println!("{PEOPLE} people in two mailboxes are in step");

    let mut rng = fastrand::Rng::with_seed(1);
    while people.edits < EDITS as u64 {
        people.edit(&world, &mut rng).await?;
    }
    // Both mailboxes must have been heard of.
    let known = |heard: &Heard| heard.lock().unwrap_or_else(PoisonError::into_inner).len();
    while known(&heard) < world.mailboxes.len() {
        sleep(Duration::from_millis(20)).await;
    }
    let subscriptions = subscriptions(&world, &heard).await?;

    for path in ["/v1/odata/", "/v1.0/"] {
        let away = json!({"match": {"path": path}, "then": {"status": 503}});
        world.control(Method::POST, "faults", away).await?;
    }
    println!("\nwith both remotes away:");
    let deliveries = deliveries(&world, &people, &subscriptions, events, 1);
    let taken = send(&world, deliveries, seconds, connections).await?;
    let peak = process.peak_kib()?;
    process.kill();
    let mut failures = tell(&taken, events, peak);
    let stored = stored(&world).await?;
    println!("  kept after SIGKILL   {stored} of {}", taken.accepted);
    failures += usize::from(stored < taken.accepted);

    world.control(Method::DELETE, "faults", Value::Null).await?;
    let mut process = world.service.start(None)?;
    world.answers(&mut process).await?;
    let began = Instant::now();
    judge::rest(&mut world, &mut process).await?;
    let found = judge::compare(&world, &people).await?;
    println!(
        "  worked off in        {} s, {} edits across, {} findings",
        began.elapsed().as_secs(),
        people.edits,
        found.0.len()
    );
    for finding in &found.0 {
        println!("FOUND: {finding}");
    }
    failures += usize::from(!found.0.is_empty());

    println!("\nwith everything at work:");
    let deliveries = self::deliveries(&world, &people, &subscriptions, events, 2);
    let taken = send(&world, deliveries, seconds, connections).await?;
    failures += tell(&taken, events, process.peak_kib()?);
    process.kill();
    println!("\n{} passed, {failures} failed", 8 - failures.min(8));
    Ok(failures)
}

/// Listens in the service's place, so that nothing but the burst tells it anything.
async fn tap(heard: Heard) -> Outcome<String> {
    let router = Router::new()
        .route("/webhooks/graph/notifications", post(hear))
        .route("/webhooks/graph/lifecycle", post(hear))
        .fallback(|| async { StatusCode::ACCEPTED })
        .with_state(heard);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(failed("a listener"))?;
    let address = listener.local_addr().map_err(failed("a listener"))?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

async fn hear(
    State(heard): State<Heard>,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Response {
    if let Some(token) = query.get("validationToken") {
        return token.clone().into_response();
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    for item in list(&body["value"]) {
        heard.insert(text(&item["subscriptionId"]), text(&item["clientState"]));
    }
    StatusCode::ACCEPTED.into_response()
}

/// Of each mailbox: subscription and clientState.
async fn subscriptions(world: &World, heard: &Heard) -> Outcome<Vec<(String, String)>> {
    let state = world.state().await?;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let of = |owner: &str| {
        let mut all = list(&state["graph"]["subscriptions"]).iter();
        let own = all.find(|one| one["mailbox"] == *owner)?;
        let id = text(&own["id"]);
        Some((id.clone(), heard.get(&id)?.clone()))
    };
    let found = world.mailboxes.iter().map(|mailbox| of(&mailbox.owner));
    found
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| "a subscription was not heard of".to_owned())
}

/// Deliveries of both sides in turn, each about something else; among them everybody who was edited.
fn deliveries(
    world: &World,
    people: &People,
    subscriptions: &[(String, String)],
    events: usize,
    round: u128,
) -> Vec<Delivery> {
    let key = hmac::Key::new(hmac::HMAC_SHA512, world.tribe_secret.as_bytes());
    let real_people: Vec<String> = people
        .all
        .iter()
        .flat_map(|person| [person.id.clone()])
        .collect();
    let real_contacts: Vec<(usize, String)> = people
        .contacts
        .iter()
        .map(|((mailbox, _), contact)| (*mailbox, contact.clone()))
        .collect();
    let padding = "x".repeat(700);
    let delivery = |number: usize| {
        let turn = number / 2;
        if number % 2 == 0 {
            // The real ones stand in the middle of the rest.
            let entity = match turn
                .checked_sub(events / 8)
                .and_then(|n| real_people.get(n))
            {
                Some(real) => real.clone(),
                None => uuid::Uuid::from_u128((round << 64) | turn as u128 | (7 << 96)).to_string(),
            };
            let body = json!({
                "webhookId": uuid::Uuid::from_u128(number as u128),
                "payload": {
                    "type": "EntityUpdateMutation", "entityType": "Relation.Person",
                    "entityId": entity, "fields": {"Description": padding},
                },
            });
            let body = body.to_string().into_bytes();
            Delivery {
                path: "/webhooks/tribe/default",
                signature: Some(STANDARD.encode(hmac::sign(&key, &body))),
                body,
            }
        } else {
            let real = turn
                .checked_sub(events / 8)
                .and_then(|n| real_contacts.get(n));
            let (mailbox, contact) = match real {
                Some((mailbox, contact)) => (*mailbox, contact.clone()),
                None => (
                    turn % subscriptions.len(),
                    format!("AAMk-{round}-{turn}-none="),
                ),
            };
            let (subscription, client_state) = &subscriptions[mailbox];
            let owner = &world.mailboxes[mailbox].owner;
            let body = json!({"value": [{
                "subscriptionId": subscription, "clientState": client_state,
                "changeType": "updated", "tenantId": "0e085957-c9f8-4f31-ab0d-7d797d33d157",
                "resource": format!("Users/{owner}/Contacts/{contact}"),
                "resourceData": {
                    "@odata.type": "#Microsoft.Graph.Contact", "id": contact,
                    "@odata.etag": format!("W/\"burst-{number}\""),
                },
            }]});
            Delivery {
                path: "/webhooks/graph/notifications",
                signature: None,
                body: body.to_string().into_bytes(),
            }
        }
    };
    (0..events).map(delivery).collect()
}

/// Sends each when it is due. A delivery that starts late because others took long has waited too.
async fn send(
    world: &World,
    deliveries: Vec<Delivery>,
    seconds: u64,
    connections: usize,
) -> Outcome<Taken> {
    let total = deliveries.len();
    let apart = Duration::from_secs(seconds) / u32::try_from(total.max(1)).unwrap_or(1);
    let deliveries = Arc::new(deliveries);
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(1)
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(failed("a client"))?;
        let (deliveries, next) = (Arc::clone(&deliveries), Arc::clone(&next));
        let origin = world.service.origin.clone();
        workers.spawn(async move {
            let mut answers: Vec<(String, Duration)> = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(delivery) = deliveries.get(number) else {
                    return answers;
                };
                let due = began + apart * u32::try_from(number).unwrap_or(u32::MAX);
                sleep_until(due).await;
                let mut request = client
                    .post(format!("{origin}{}", delivery.path))
                    .header("content-type", "application/json")
                    .body(delivery.body.clone());
                if let Some(signature) = &delivery.signature {
                    request = request.header("x-tribe-signature", signature);
                }
                let said = match request.send().await {
                    Ok(answer) => answer.status().as_u16().to_string(),
                    Err(error) => error.to_string(),
                };
                answers.push((said, due.elapsed()));
            }
        });
    }
    let mut taken = Taken {
        accepted: 0,
        others: BTreeMap::new(),
        waits: Vec::new(),
    };
    while let Some(answers) = workers.join_next().await {
        for (said, wait) in answers.map_err(failed("a worker"))? {
            if said == "202" {
                taken.accepted += 1;
            } else {
                *taken.others.entry(said).or_default() += 1;
            }
            taken.waits.push(wait);
        }
    }
    taken.waits.sort_unstable();
    println!(
        "  sent                 {total} in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(taken)
}

/// Prints the figures; how many of them miss their aim.
fn tell(taken: &Taken, events: usize, peak_kib: u64) -> usize {
    let at = |share: f64| {
        let last = taken.waits.len().saturating_sub(1);
        let place = (taken.waits.len() as f64 * share).ceil() as usize;
        taken.waits.get(place.saturating_sub(1).min(last)).copied()
    };
    let at = |share| at(share).unwrap_or_default();
    println!("  acknowledged         {} of {events}", taken.accepted);
    for (said, count) in &taken.others {
        println!("    {count} × {said}");
    }
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "  waited               p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, most {:.1} ms",
        ms(at(0.5)),
        ms(at(0.99)),
        ms(at(0.999)),
        ms(at(1.0))
    );
    println!("  most memory          {:.1} MB", peak_kib as f64 / 1_024.0);
    let misses = [
        taken.accepted != events,
        at(0.999) >= IN_TIME,
        peak_kib >= MEMORY_KIB,
    ];
    misses.into_iter().filter(|miss| *miss).count()
}

/// How many different hints the file holds.
pub(crate) async fn stored(world: &World) -> Outcome<usize> {
    use sqlx::Connection as _;
    let url = format!("sqlite://{}", world.service.database().display());
    let read = async {
        let mut conn = sqlx::SqliteConnection::connect(&url).await?;
        sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT CAST(coalesce(user, '') || ' ' || target AS BLOB) FROM hints",
        )
        .fetch_all(&mut conn)
        .await
    };
    let rows = read.await.map_err(failed("the database"))?;
    Ok(rows.into_iter().collect::<BTreeSet<_>>().len())
}

/// Kept for the other rooms: a signed delivery about somebody unknown.
pub(crate) fn signed(world: &World, number: u128) -> (String, Vec<u8>) {
    let key = hmac::Key::new(hmac::HMAC_SHA512, world.tribe_secret.as_bytes());
    let body = json!({
        "webhookId": uuid::Uuid::from_u128(number),
        "payload": {
            "type": "EntityUpdateMutation", "entityType": "Relation.Person",
            "entityId": uuid::Uuid::from_u128((9 << 96) | number),
        },
    });
    let body = body.to_string().into_bytes();
    (STANDARD.encode(hmac::sign(&key, &body)), body)
}
