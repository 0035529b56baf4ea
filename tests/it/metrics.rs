//! The metrics of a running service: what `/metrics` exports is what the catalogue names and what
//! `docs/metrics.md` describes, no more and no less, without a word about anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::{Method, header};
use serde_json::{Value, json};
use tribelink::{
    activation::{brake_alert, consent::APPLICATION_ALERT, consent_alert, left_alert},
    telemetry::{
        catalogue::{ALL, Kind},
        census::ALERT_KINDS,
    },
};
use tribelink_plan::ids::UserId;
use tribelink_sandbox::{Options, Running, Sandbox};

const TOKEN: &str = "the-admin-token-of-the-tests-0123456789";

/// `tribelink serve` against a sandbox.
struct World {
    sandbox: Running,
    service: Child,
    base: String,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

impl World {
    async fn start() -> World {
        let options = Options {
            people: 12,
            users: 2,
            ..Options::default()
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let sandbox = Sandbox::start(options, any, None).await.unwrap();
        sandbox.ctx.lock().auto_consent = true;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let origin = format!("http://{}", sandbox.addr);
        let config = http.get(format!("{origin}/_sandbox/config")).send().await;
        let config: Value = config.unwrap().json().await.unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let listen = address.unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let text = |side: &str, key: &str| config[side][key].as_str().unwrap().to_owned();
        let service = Command::new(env!("CARGO_BIN_EXE_tribelink"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("TRIBELINK_SERVER__LISTEN", &listen)
            .env("TRIBELINK_SECURITY__ADMIN_TOKEN", TOKEN)
            .env(
                "TRIBELINK_SECURITY__ENCRYPTION_KEYS",
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            )
            .env("TRIBELINK_TRIBE__API_URL", &origin)
            .env("TRIBELINK_TRIBE__AUTH_URL", &origin)
            .env("TRIBELINK_TRIBE__CLIENT_ID", text("tribe", "client_id"))
            .env(
                "TRIBELINK_TRIBE__CLIENT_SECRET",
                text("tribe", "client_secret"),
            )
            .env(
                "TRIBELINK_TRIBE__WEBHOOK_SECRET",
                text("tribe", "webhook_secret"),
            )
            .env("TRIBELINK_MICROSOFT__GRAPH_URL", &origin)
            .env("TRIBELINK_MICROSOFT__LOGIN_URL", &origin)
            .env("TRIBELINK_MICROSOFT__TENANT", text("microsoft", "tenant"))
            .env(
                "TRIBELINK_MICROSOFT__CLIENT_ID",
                text("microsoft", "client_id"),
            )
            .env(
                "TRIBELINK_MICROSOFT__CLIENT_SECRET",
                text("microsoft", "client_secret"),
            )
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let world = World {
            sandbox,
            service,
            base: format!("http://{listen}"),
            http,
            _folder: folder,
        };
        world
            .until("the service is ready", async |world: &World| {
                let asked = world.http.get(format!("{}/readyz", world.base)).send();
                asked.await.is_ok_and(|answer| answer.status().is_success())
            })
            .await;
        world
    }

    /// Waits for a state, two minutes at most.
    async fn until(&self, what: &str, holds: impl AsyncFn(&World) -> bool) {
        for _ in 0..1_200 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited in vain until {what}:\n{}", self.scrape().await);
    }

    async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("http://{}/_sandbox{path}", self.sandbox.addr);
        let answer = self
            .http
            .request(method, url)
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn deliver(&self, path: &str, body: &'static str) -> u16 {
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        request.send().await.unwrap().status().as_u16()
    }

    async fn scrape(&self) -> String {
        let asked = self.http.get(format!("{}/metrics", self.base)).send().await;
        asked.unwrap().text().await.unwrap()
    }

    /// Activates the employee of an address and goes through consent; answers the user's id.
    async fn live(&self, address: &str) -> String {
        let wanted = json!({"employee_email": address, "start": true});
        let user = self.api(Method::POST, "/users", Some(wanted)).await;
        let mut url: reqwest::Url = user["consent_url"].as_str().unwrap().parse().unwrap();
        let mut cookie = None;
        while let Some(next) = {
            let mut request = self.http.get(url.clone());
            if let Some(cookie) = &cookie {
                request = request.header(header::COOKIE, cookie);
            }
            let answer = request.send().await.unwrap();
            if let Some(set) = answer.headers().get(header::SET_COOKIE) {
                let set = set.to_str().unwrap();
                cookie = set.split(';').next().map(str::to_owned);
            }
            let location = answer.headers().get(header::LOCATION);
            location.map(|location| url.join(location.to_str().unwrap()).unwrap())
        } {
            url = next;
        }
        let id = user["id"].as_str().unwrap().to_owned();
        self.until("the user is live", async |world: &World| {
            let user = world.api(Method::GET, &format!("/users/{id}"), None).await;
            user["state"] == "live"
        })
        .await;
        id
    }
}

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
