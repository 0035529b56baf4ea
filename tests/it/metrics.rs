//! The metrics of a running service: what `/metrics` exports is what the catalogue names and what
//! `docs/metrics.md` describes, no more and no less, without a word about anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use http::Method;
use serde_json::json;
use tribelink::{
    activation::{brake_alert, consent::APPLICATION_ALERT, consent_alert, left_alert},
    telemetry::{
        catalogue::{ALL, Kind},
        census::ALERT_KINDS,
    },
};
use tribelink_plan::ids::UserId;

use crate::service::World;

/// Name and labels of every line of a scrape, and the words after `# TYPE`.
struct Scrape {
    labels: BTreeMap<String, BTreeSet<String>>,
    kinds: BTreeMap<String, String>,
    values: BTreeMap<String, f64>,
}

fn read(text: &str) -> Scrape {
    let mut scrape = Scrape {
        labels: BTreeMap::new(),
        kinds: BTreeMap::new(),
        values: BTreeMap::new(),
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            scrape.kinds.insert(name.to_owned(), kind.to_owned());
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        scrape
            .values
            .insert(series.to_owned(), value.parse().unwrap());
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|ending| name.strip_suffix(ending))
            .find(|base| {
                scrape
                    .kinds
                    .get(*base)
                    .is_some_and(|kind| kind == "histogram")
            })
            .unwrap_or(name);
        let names = labels.trim_end_matches('}').split(',');
        let names = names
            .filter_map(|label| label.split_once('='))
            .map(|(name, _)| name);
        let known = scrape.labels.entry(base.to_owned()).or_default();
        known.extend(names.filter(|name| *name != "le").map(str::to_owned));
    }
    scrape
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_exports_what_the_catalogue_names() {
    let world = World::start().await;
    let config = world.control(Method::GET, "/config", json!(null)).await;
    let anna = config["mailboxes"][0]["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = world.live(&anna).await;

    // One change on each side, and what strangers send.
    let links = world
        .api(Method::GET, &format!("/users/{user}/links"), None)
        .await;
    let mut linked = links["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|link| link["state"] == "linked");
    let link = linked.next().expect("somebody is linked");
    let person = link["person_id"].as_str().unwrap();
    let edit = json!({"FirstName": "Metricanna"});
    world
        .control(Method::POST, &format!("/tribe/records/{person}"), edit)
        .await;
    let wrote = |direction: &'static str, rule: &'static str| {
        let series = format!(
            r#"tribelink_writes_total{{environment="default",direction="{direction}",rule="{rule}"}}"#
        );
        async move |world: &World| read(&world.scrape().await).values.contains_key(&series)
    };
    world
        .until("Tribe's change is written", wrote("to_outlook", "R2"))
        .await;
    let edit = json!({"mailbox": anna, "contact": link["contact_id"], "changes": {"surname": "Metricsson"}});
    world.control(Method::PATCH, "/graph/contacts", edit).await;
    world
        .until("Outlook's change is written", wrote("to_tribe", "R3"))
        .await;
    let other = linked.next().expect("somebody else is linked");
    let gone = json!({"mailbox": anna, "contact": other["contact_id"]});
    world.control(Method::DELETE, "/graph/contacts", gone).await;
    world
        .until("the link ended", async |world: &World| {
            let series = r#"tribelink_link_changes_total{environment="default",rule="R7"}"#;
            read(&world.scrape().await).values.contains_key(series)
        })
        .await;
    assert_eq!(world.deliver("/webhooks/tribe/default", "{}").await, 401);
    assert_eq!(
        world
            .deliver("/webhooks/graph/lifecycle", r#"{"value": []}"#)
            .await,
        202
    );
    world
        .until(
            "own writes came back, and the gauges know the user",
            async |world: &World| {
                let values = read(&world.scrape().await).values;
                let echoes = values
                    .iter()
                    .filter(|(name, _)| name.starts_with("tribelink_echoes_total"));
                echoes.map(|(_, value)| value).sum::<f64>() > 0.0
                    && values.get(r#"tribelink_users{environment="default",state="live"}"#)
                        == Some(&1.0)
            },
        )
        .await;

    let text = world.scrape().await;
    let scrape = read(&text);
    let wanted: BTreeMap<String, BTreeSet<String>> = ALL
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|label| (*label).to_owned());
            (metric.name.to_owned(), labels.collect())
        })
        .collect();
    assert_eq!(scrape.labels, wanted, "{text}");
    for metric in ALL {
        assert_eq!(
            scrape.kinds[metric.name],
            metric.kind.name(),
            "{}",
            metric.name
        );
        let help = format!("# HELP {} {}", metric.name, metric.help);
        assert!(text.contains(&help), "{help}\n{text}");
    }
    for value in ["Metric", "example.com", person, &user, "@"] {
        assert!(!text.contains(value), "{value}\n{text}");
    }
    let waited = &scrape.values[r#"tribelink_hint_to_write_seconds_count{environment="default"}"#];
    assert!(*waited >= 2.0, "{text}");
    let ends = &scrape.values[r#"tribelink_subscription_expiry_seconds{environment="default"}"#];
    assert!(*ends > 3_600.0, "{text}");
    let memory = &scrape.values["process_resident_memory_bytes"];
    assert!(*memory > 1e6, "{text}");
}

/// The rows of the tables of `docs/metrics.md`: name → (kind, labels).
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, says] = cells[..] else {
            panic!("four cells: {row}");
        };
        assert!(says.len() > 20, "{name} is described");
        let words = labels
            .split(['`', ',', ' '])
            .filter(|word| !word.is_empty() && *word != "–");
        let labels = words.map(str::to_owned).collect();
        (name.trim_matches('`').to_owned(), (kind.to_owned(), labels))
    })
    .collect()
}

#[test]
fn every_metric_is_documented_and_nothing_else_is() {
    let wanted: BTreeMap<String, (String, Vec<String>)> = ALL
        .iter()
        .map(|metric| {
            let labels = metric.labels.iter().map(|label| (*label).to_owned());
            (
                metric.name.to_owned(),
                (metric.kind.name().to_owned(), labels.collect()),
            )
        })
        .collect();
    assert_eq!(documented(), wanted);
    for metric in ALL
        .iter()
        .filter(|metric| metric.name.starts_with("tribelink_"))
    {
        let total = metric.name.ends_with("_total");
        assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
    }
}

#[test]
fn every_alert_is_of_a_kind_that_the_gauge_knows() {
    let user = UserId(uuid::Uuid::nil());
    for key in [
        consent_alert(user),
        left_alert(user),
        brake_alert(user),
        APPLICATION_ALERT.to_owned(),
    ] {
        let kind = key.split('/').next().unwrap();
        assert!(ALERT_KINDS.contains(&kind), "{kind}");
    }
}
