//! Deaths: a world lives through a number of them, comes to rest, and is compared.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{Outcome, judge, people::People, world::World};

/// People of a world at first, and at most.
const PEOPLE: (usize, usize) = (30, 60);

/// How long a place may take to be reached before the process is killed there and then.
const REACH: Duration = Duration::from_secs(5);

/// Places of a start and a first sync.
const FIRST: &[&str] = &[
    "store-opened",
    "code-redeemed",
    "webhook-registered",
    "subscription-made",
    "subscription-saved",
    "delta-read",
    "cursor-moved",
    "everybody-listed",
    "everybody-hinted",
    "intents-committed",
    "outlook-written",
    "contact-stamped",
    "pass-recorded",
    "group-written",
    "group-committed",
];

/// Places of daily life.
const DAILY: &[&str] = &[
    "hints-judged",
    "hints-committed",
    "group-written",
    "group-committed",
    "people-read",
    "fan-out-committed",
    "intents-committed",
    "tribe-written",
    "outlook-written",
    "pass-recorded",
    "token-refreshed",
    "token-saved",
    "subscription-made",
    "subscription-saved",
    "delta-read",
    "cursor-moved",
    "everybody-listed",
    "everybody-hinted",
    "code-redeemed",
    "log-carried",
    "hints-committed",
    "tribe-written",
    "outlook-written",
];

/// What a campaign is made of.
#[derive(Clone)]
pub(crate) struct Campaign {
    pub(crate) service: PathBuf,
    pub(crate) sandbox: PathBuf,
    pub(crate) deaths: Arc<AtomicU64>,
}

/// What one world lived through.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// How often the process died at each place; `by the clock` for SIGKILL at a moment of chance.
    pub(crate) died: BTreeMap<String, u64>,
    pub(crate) edits: u64,
    pub(crate) people: usize,
    pub(crate) contacts: usize,
    pub(crate) findings: Vec<String>,
    /// Where database and logs of a world with findings are.
    pub(crate) kept: Option<String>,
}

/// One world from beginning to end.
pub(crate) async fn live(campaign: Campaign, seed: u64, points: usize) -> Life {
    let mut life = Life {
        seed,
        ..Life::default()
    };
    // Every other world finds some of its people in Outlook already.
    let premade = seed % 2 == 1;
    let matched = if premade { "email_name" } else { "none" };
    let settings = [("sync.match", matched)];
    let world = World::make(&campaign.service, &campaign.sandbox, seed, &settings).await;
    let mut world = match world {
        Ok(world) => world,
        Err(error) => {
            life.findings.push(format!("no world: {error}"));
            return life;
        }
    };
    if let Err(error) = through(&campaign, &mut world, &mut life, points, premade).await {
        life.findings.push(error);
    }
    if !life.findings.is_empty() {
        life.kept = Some(world.keep());
    }
    life
}

async fn through(
    campaign: &Campaign,
    world: &mut World,
    life: &mut Life,
    points: usize,
    premade: bool,
) -> Outcome<()> {
    let mut rng = fastrand::Rng::with_seed(life.seed);
    let mut people = People::settle(world, PEOPLE.0, premade).await?;
    for number in 0..points {
        // The second mailbox joins later: one first sync runs beside the daily life of another.
        let mailboxes = if number * 4 < points { 1 } else { 2 };
        let early = number * 4 < points || number * 4 > points && number * 2 < points;
        let young = early && rng.bool();
        let place = match rng.u8(0..10) {
            0..3 => None,
            _ if young => Some(FIRST[rng.usize(0..FIRST.len())]),
            _ => Some(DAILY[rng.usize(0..DAILY.len())]),
        };
        let grows = number * 3 < points * 2 && people.all.len() < PEOPLE.1;
        let died = die(world, &mut people, &mut rng, place, mailboxes, grows).await?;
        *life.died.entry(died).or_default() += 1;
        campaign.deaths.fetch_add(1, Ordering::Relaxed);
    }
    life.edits = people.edits;
    life.people = people.all.len();

    let mut process = world.service.start(None)?;
    world.answers(&mut process).await?;
    judge::rest(world, &mut process).await?;
    let found = judge::compare(world, &people).await?;
    life.findings.extend(found.0);
    life.contacts = (0..2).map(|mailbox| people.of(mailbox).len()).sum();

    // Both sides agree, so that comparing everything once more writes nothing.
    let before = judge::writes(world).await?;
    for mailbox in &world.mailboxes {
        let user = mailbox.user.as_deref().unwrap_or_default();
        let path = format!("api/v1/users/{user}/resync");
        world.api(Method::POST, &path, Value::Null).await?;
    }
    judge::rest(world, &mut process).await?;
    let after = judge::writes(world).await?;
    if before != after {
        let line = format!("a resync wrote {} times", after.0 - before.0);
        life.findings.push(line);
    }
    process.kill();
    sound(world).await
}

/// As if the service had stayed away for longer than its leases last.
async fn outlast_leases(world: &World) -> Outcome<()> {
    use sqlx::Connection as _;
    if !world.service.database().exists() {
        return Ok(());
    }
    let url = format!("sqlite://{}", world.service.database().display());
    let end = async {
        let mut conn = sqlx::SqliteConnection::connect(&url).await?;
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'leases'";
        if sqlx::query_scalar::<_, i64>(tables)
            .fetch_one(&mut conn)
            .await?
            > 0
        {
            sqlx::query("UPDATE leases SET until_ms = 0")
                .execute(&mut conn)
                .await?;
        }
        conn.close().await
    };
    end.await.map_err(crate::failed("the leases"))
}

/// The database is whole, whatever happened to its writers.
async fn sound(world: &World) -> Outcome<()> {
    use sqlx::Connection as _;
    let url = format!("sqlite://{}", world.service.database().display());
    let read = async {
        let mut conn = sqlx::SqliteConnection::connect(&url).await?;
        sqlx::query_scalar::<_, String>("PRAGMA integrity_check")
            .fetch_one(&mut conn)
            .await
    };
    match read.await {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(format!("the database: {said}")),
        Err(error) => Err(format!("the database: {error}")),
    }
}

/// One life of the service, and how it ended.
async fn die(
    world: &mut World,
    people: &mut People,
    rng: &mut fastrand::Rng,
    place: Option<&str>,
    mailboxes: usize,
    grows: bool,
) -> Outcome<String> {
    // Some places are passed so often that the first time is always the same one.
    let times = match place {
        Some("group-written" | "group-committed") => rng.u32(1..30),
        Some("hints-judged" | "hints-committed") => rng.u32(1..12),
        Some("webhook-registered") => rng.u32(1..9),
        _ => rng.u32(1..4),
    };
    let wanted = place.map(|place| format!("{place}:{times}"));
    if matches!(place, Some("token-refreshed" | "token-saved")) {
        // Graph refuses the access token, as it does once that was revoked.
        let refusal = json!({
            "match": {"path": "/v1.0/me"}, "then": {"status": 401}, "count": rng.u32(1..4),
        });
        world.control(Method::POST, "faults", refusal).await?;
    }
    // Whoever was killed leaves its leases behind. Mostly time passes before the next start.
    if rng.u8(0..8) > 0 {
        outlast_leases(world).await?;
    }
    let mut process = world.service.start(wanted.as_deref())?;
    let reach = match place {
        None => Duration::from_millis(rng.u64(0..2_500)),
        // The log is carried over every five seconds.
        Some("log-carried") => REACH + Duration::from_secs(3),
        Some(_) => REACH,
    };
    let mut until = Instant::now() + reach;
    let mut provoked = false;
    if place.is_some() || rng.u8(0..5) > 0 {
        let alive = world.answers(&mut process).await?;
        until = Instant::now() + reach;
        if alive {
            // It may die while it is asked.
            let _ = people.learn(world).await;
        }
    }
    let (mut round, mut live) = (0_u32, false);
    while process.ended().is_none() && Instant::now() < until {
        round += 1;
        // An activation may be repeated at any time; one that is live already needs it rarely.
        if !live || rng.u8(0..8) == 0 {
            live = true;
            for mailbox in 0..mailboxes {
                let state = world.nudge(mailbox).await;
                live &= matches!(state.as_deref(), Ok("live"));
            }
        }
        if live && !provoked {
            provoked = true;
            provoke(world, rng, place, mailboxes).await?;
        }
        if grows && (round == 1 || place == Some("intents-committed")) && rng.bool() {
            people.add(world, false).await?;
        }
        for _ in 0..rng.u8(1..8) {
            people.edit(world, rng).await?;
        }
        if round.is_multiple_of(4) {
            let _ = people.learn(world).await;
        }
        sleep(Duration::from_millis(rng.u64(0..60))).await;
    }
    let reached = process.ended();
    process.kill();
    match (place, reached) {
        (Some(place), Some(status)) => {
            use std::os::unix::process::ExitStatusExt as _;
            // SIGABRT is how it dies at a place; anything else is a failure of its own.
            if status.signal() == Some(6) {
                Ok(place.to_owned())
            } else {
                Err(format!("the service ended with {status}"))
            }
        }
        (None, Some(status)) => Err(format!("the service ended with {status}")),
        (_, None) => Ok("by the clock".to_owned()),
    }
}

/// Brings about what leads to a place, where edits alone do not.
async fn provoke(
    world: &mut World,
    rng: &mut fastrand::Rng,
    place: Option<&str>,
    mailboxes: usize,
) -> Outcome<()> {
    let mailbox = rng.usize(0..mailboxes);
    let user = world.mailboxes[mailbox].user.clone().unwrap_or_default();
    match place {
        Some("subscription-made" | "subscription-saved" | "delta-read" | "cursor-moved") => {
            let event = json!({
                "mailbox": world.mailboxes[mailbox].address, "event": "subscriptionRemoved",
            });
            let told = world.control(Method::POST, "graph/lifecycle", event).await;
            // An earlier death may have left the mailbox without one for the moment.
            if let Err(why) = told
                && !why.to_string().contains("UnknownSubscription")
            {
                return Err(why);
            }
        }
        Some("everybody-listed" | "everybody-hinted") => {
            let path = format!("api/v1/users/{user}/resync");
            let _ = world.api(Method::POST, &path, Value::Null).await;
        }
        Some("code-redeemed") => {
            let path = format!("api/v1/users/{user}/consent");
            if let Ok((_, link)) = world.api(Method::POST, &path, Value::Null).await {
                let url = link["consent_url"].as_str().unwrap_or_default().to_owned();
                let _ = world.consent(&url).await;
            }
        }
        _ => {}
    }
    Ok(())
}

impl Life {
    pub(crate) fn deaths(&self) -> u64 {
        self.died.values().sum()
    }
}
