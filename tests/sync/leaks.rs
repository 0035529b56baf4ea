//! The program as it runs in earnest, through a whole history of people whose every value can be told
//! from all other text, with everything logged: where do secrets and values turn up?

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};
use tribelink::sealed::{hex, sha256};

use crate::{
    hands::{CONTACT, text},
    world::{Setup, TOKEN, World},
};

const VIEWER: &str = "the-viewer-token-of-this-history-0123456789";
const KEY: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const NEW_KEY: &str = "k2:ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICA=";
/// Stands in every personal value, however it is written elsewhere.
const CANARY: &str = "Kanarievogel";
const PHONES: [&str; 3] = ["0208675309", "0618675309", "0308675309"];
/// What a stranger sends, which no log has a use for.
const STRANGER: &str = "stranger-canary-4711";

/// The program, told to end when the test does.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// Runs the service; its log goes behind what the file holds.
    fn serve(folder: &Path, config: &Path) -> Program {
        let log = File::options()
            .append(true)
            .create(true)
            .open(folder.join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tribelink"))
            .args(["serve", "--config"])
            .arg(config)
            .current_dir(folder)
            .env_clear()
            .stderr(log)
            .spawn();
        Program(child.unwrap())
    }

    async fn end(mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(asked.unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.0.wait().unwrap().code());
        assert_eq!(ended.await.unwrap(), Some(0));
    }
}

/// The configuration as a file.
fn configure(world: &World, folder: &Path, database: &str, keys: &[&str]) -> PathBuf {
    let mut sections: std::collections::BTreeMap<String, String> = Default::default();
    let mut put = |key: &str, value: String| {
        let (section, name) = key.split_once('.').unwrap();
        let lines = sections.entry(section.to_owned()).or_default();
        *lines += &format!("{name} = {value}\n");
    };
    for (key, value) in world.configured() {
        if key != "security.encryption_keys" {
            // A file has its own way to write a switch; an environment has text alone.
            let switch: Result<bool, _> = value.parse();
            put(
                key,
                switch
                    .map_or_else(|_| json!(value), |on| json!(on))
                    .to_string(),
            );
        }
    }
    put("security.encryption_keys", json!(keys).to_string());
    let hash = hex(&sha256(VIEWER.as_bytes()));
    let viewer = format!("[{{ name = \"eye\", role = \"viewer\", sha256 = \"{hash}\" }}]");
    put("security.admin_tokens", viewer);
    let address = world.base.trim_start_matches("http://");
    put("server.listen", json!(address).to_string());
    put("database.url", json!(database).to_string());
    put("telemetry.log_filter", json!("trace").to_string());
    put("telemetry.log_format", json!("json").to_string());
    let sections = sections.iter();
    let text: String = sections
        .map(|(section, lines)| format!("[{section}]\n{lines}\n"))
        .collect();
    let path = folder.join("history.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Every form in which a text may stand somewhere.
fn forms(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut forms = vec![
        text.to_owned(),
        text.to_lowercase(),
        hex(bytes),
        url::form_urlencoded::byte_serialize(bytes).collect(),
    ];
    // In base64 it depends on what stands before it; the ends mix with what stands around.
    for lead in 0..3 {
        let padded = [vec![0; lead], bytes.to_vec()].concat();
        for engine in [&STANDARD as &dyn Base64, &URL_SAFE_NO_PAD] {
            let encoded = engine.text(&padded);
            let encoded = encoded.trim_end_matches('=');
            if encoded.len() > 12 {
                forms.push(encoded[4..encoded.len() - 4].to_owned());
            }
        }
    }
    forms
}

trait Base64 {
    fn text(&self, bytes: &[u8]) -> String;
}

impl<E: base64::Engine> Base64 for E {
    fn text(&self, bytes: &[u8]) -> String {
        self.encode(bytes)
    }
}

/// Which of the canaries stand in a text, in any form. A database's files are many MiB: one pass, by
/// the first two bytes of all forms.
pub(crate) fn found(haystack: &[u8], canaries: &[String]) -> Vec<String> {
    let mut starts: Vec<Vec<(usize, String)>> = vec![Vec::new(); 1 << 16];
    let place = |pair: &[u8]| usize::from(pair[0]) << 8 | usize::from(pair[1]);
    for (number, canary) in canaries.iter().enumerate() {
        for form in forms(canary) {
            starts[place(form.as_bytes())].push((number, form));
        }
    }
    let mut stands = vec![false; canaries.len()];
    for text in [haystack, &haystack.to_ascii_lowercase()] {
        for (at, pair) in text.windows(2).enumerate() {
            for (number, form) in &starts[place(pair)] {
                stands[*number] |= text[at..].starts_with(form.as_bytes());
            }
        }
    }
    let canaries = canaries.iter().zip(stands);
    canaries
        .filter(|(_, stands)| *stands)
        .map(|(canary, _)| canary.clone())
        .collect()
}

#[test]
fn the_search_finds_what_stands_anywhere_in_any_form() {
    let canaries = ["Kanarievogel".to_owned(), "0208675309".to_owned()];
    for text in forms(CANARY) {
        let text = format!("\0\0{text}");
        assert_eq!(found(text.as_bytes(), &canaries), [CANARY], "{text}");
    }
    assert_eq!(found(b"Kanarievoge", &canaries), <[String; 0]>::default());
    assert_eq!(found(b"0208675309", &canaries), [PHONES[0]]);
}

async fn ask(base: &str, path: &str, token: &str) -> (u16, String) {
    let client = reqwest::Client::builder().build().unwrap();
    let mut request = client.get(format!("{base}{path}"));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn ready(world: &World) {
    let client = reqwest::Client::builder().build().unwrap();
    world
        .eventually("the program is ready", async || {
            let answer = client.get(format!("{}/readyz", world.base)).send().await;
            answer
                .is_ok_and(|answer| answer.status() == 200)
                .then_some(())
        })
        .await;
}

/// The secrets of both sides, as they are now.
fn secrets(world: &World) -> Vec<String> {
    let state = world.sandbox.ctx.lock();
    state.bearers.keys().cloned().collect()
}

/// A history behind which the program still runs, and what must turn up nowhere.
pub(crate) struct History {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) canaries: Vec<String>,
    _world: World,
    _program: Program,
}

impl History {
    /// The log holds nothing that it should not.
    pub(crate) fn look_at_log(&self) {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let seen = found(log.as_bytes(), &self.canaries);
        assert_eq!(seen, <[String; 0]>::default(), "log");
        assert!(log.lines().count() > 100, "everything was to be logged");
        let mut lines = log.lines();
        assert!(
            lines.all(|line| line.starts_with('{')),
            "one JSON object a line"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_value_turns_up_where_it_does_not_belong() {
    let history = history("sqlite://history.db").await;
    history.look_at_log();
    // The files as they are while it runs.
    let mut looked = 0;
    for entry in fs::read_dir(history.folder.path()).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("history.db") {
            let held = fs::read(file).unwrap();
            let seen = found(&held, &history.canaries);
            assert_eq!(seen, <[String; 0]>::default(), "{name}");
            looked += 1;
        }
    }
    assert!(looked >= 2);
}

/// People with a history, over this database: everything that happens, with everything logged; every
/// answer is looked at on the way.
pub(crate) async fn history(database: &str) -> History {
    let world = World::prepare(Setup::with(&[
        ("sync.conflict", "hold"),
        ("sync.delta_interval", "1s"),
        ("microsoft.rich_notifications", "true"),
    ]))
    .await;
    let kept = tempfile::tempdir().unwrap();
    let folder = kept.path();
    let config = configure(&world, folder, database, &[KEY]);
    let program = Program::serve(folder, &config);
    ready(&world).await;

    // People with a history: created, edited on either side, in conflict, refused, gone.
    let mailbox = world.mailbox(0);
    let somebody = |number: usize| {
        let world = &world;
        let mailbox = mailbox.clone();
        async move {
            let person = json!({
                "FirstName": format!("{CANARY}voor{number}"), "LastName": format!("{CANARY}achter{number}"),
                "EmailAddress": format!("{CANARY}{number}@prive.example"), "MobilePhoneNumber": PHONES[1],
            });
            let tie = json!({
                "EmailAddress": format!("{CANARY}{number}@werk.example"), "PhoneNumber": PHONES[0],
            });
            world.person(CONTACT, &mailbox, person, tie).await
        }
    };
    let first = somebody(1).await;
    let second = somebody(2).await;
    let user = world.activate(&mailbox, true).await;
    world.state(&user, "live").await;
    let surname = |number: usize| format!("{CANARY}achter{number}");
    let contact = |number: usize| {
        let (world, mailbox, surname) = (&world, &mailbox, surname(number));
        async move {
            let seen = world.eventually("the contact is there", async || {
                world.contact(mailbox, &surname).await
            });
            text(&seen.await, "id")
        }
    };
    let (one, two) = (contact(1).await, contact(2).await);
    let changed = format!("{CANARY}gewijzigd");
    world
        .edit_tribe(&first.person, json!({ "FirstName": changed }))
        .await;
    world
        .shows(&mailbox, &one, "givenName", json!(changed))
        .await;
    // Told of by a notification that carries the contact; now and then a delta is quicker.
    let (mut opened, tie) = (false, &first.relationship);
    for phone in [PHONES[2], PHONES[0]].into_iter().cycle().take(41) {
        world.move_remotes(1).await;
        let changes = json!({"businessPhones": [phone]});
        world.edit_outlook(&mailbox, &one, changes).await;
        world.tribe_shows(tie, "PhoneNumber", json!(phone)).await;
        let (_, metrics) = ask(&world.base, "/metrics", TOKEN).await;
        let none = "tribelink_notification_contents_total{outcome=\"used\"} 0\n";
        opened = !metrics.contains(none);
        if opened && phone == PHONES[2] {
            break;
        }
    }
    assert!(opened);
    let long = format!("{CANARY}{}", "lang".repeat(100));
    world
        .edit_tribe(&second.person, json!({ "MiddleName": long }))
        .await;
    world
        .eventually("the long value is parked", async || {
            let parked = world.get("/parked").await;
            parked["items"].get(0).cloned()
        })
        .await;

    // A conflict that waits: Outlook's edit is not heard of before Tribe's.
    program.end().await;
    let (tribe, outlook) = (format!("{CANARY}links"), format!("{CANARY}rechts"));
    world
        .edit_tribe(&second.person, json!({ "FirstName": tribe }))
        .await;
    world
        .edit_outlook(&mailbox, &two, json!({ "givenName": outlook }))
        .await;
    let program = Program::serve(folder, &config);
    ready(&world).await;
    world
        .post(&format!("/users/{user}/resync"), json!({}))
        .await;
    let held = world
        .eventually("the conflict is held", async || {
            let held = world.get("/held").await;
            held["items"].get(0).cloned()
        })
        .await;
    assert_eq!(
        held["fields"][0]["tribe"],
        tribe.as_str(),
        "an administrator sees it"
    );

    // What strangers send.
    let stranger = reqwest::Client::builder().build().unwrap();
    let post = |path: &str, body: String| {
        stranger
            .post(format!("{}{path}", world.base))
            .header("content-type", "application/json")
            .body(body)
    };
    let token = format!("Bearer {STRANGER}");
    let api = post(
        "/api/v1/users",
        format!("{{\"employee_email\": \"{STRANGER}@x.example\"}}"),
    );
    let refused = api.header("authorization", token).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let body = format!("{{\"payload\": {{\"entityId\": \"{STRANGER}\"}}}}");
    let forged = post("/webhooks/tribe/default", body).header("x-signature", STRANGER);
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let item = json!({"value": [{
        "subscriptionId": STRANGER, "clientState": STRANGER, "resource": STRANGER,
        "resourceData": {"id": STRANGER},
    }]});
    let notice = post("/webhooks/graph/notifications", item.to_string());
    assert_eq!(notice.send().await.unwrap().status(), 202);
    let back = format!("/oauth/microsoft/callback?code={STRANGER}&state={STRANGER}");
    assert_eq!(ask(&world.base, &back, "").await.0, 400);
    assert_eq!(
        ask(&world.base, &format!("/consent/{STRANGER}"), "")
            .await
            .0,
        410
    );
    let (status, answer) = world
        .try_api(
            Method::POST,
            "/users",
            Some(json!({"employee_email": format!("{STRANGER}@unknown.example")})),
        )
        .await;
    assert_eq!(status, 404);
    assert!(!answer.to_string().contains(STRANGER));

    // What must turn up nowhere.
    let known = world.control(Method::GET, "/config", None).await;
    let mut canaries = secrets(&world);
    assert!(canaries.len() >= 2, "both remotes gave a token");
    for (side, name) in [
        ("tribe", "client_secret"),
        ("tribe", "webhook_secret"),
        ("microsoft", "client_secret"),
    ] {
        canaries.push(text(&known[side], name));
    }
    let keys = [KEY, NEW_KEY].map(|key| key.split_once(':').unwrap().1.to_owned());
    canaries.extend(keys);
    canaries.extend([TOKEN, VIEWER].map(str::to_owned));
    let secrets = canaries.clone();
    canaries.extend(PHONES.map(str::to_owned));
    canaries.extend([CANARY.to_owned(), mailbox.address.clone()]);

    // What a viewer, and whoever is nobody, may see.
    let mut paths: Vec<String> = [
        "users",
        "held",
        "parked",
        "audit",
        "subscriptions",
        "environments",
        "status",
    ]
    .map(|path| format!("/api/v1/{path}"))
    .to_vec();
    paths.push(format!("/api/v1/users/{user}"));
    paths.push(format!("/api/v1/users/{user}/links"));
    paths.push(format!("/api/v1/people/{}", first.person));
    paths.push(format!(
        "/api/v1/people/{}/explain?user={user}",
        first.person
    ));
    paths.extend(["/metrics", "/readyz", "/healthz", "/", "/openapi.json"].map(str::to_owned));
    for path in &paths {
        let (status, seen) = ask(&world.base, path, VIEWER).await;
        assert_eq!(status, 200, "{path}: {seen}");
        assert_eq!(
            found(seen.as_bytes(), &canaries),
            <[String; 0]>::default(),
            "{path}"
        );
        let (_, seen) = ask(&world.base, path, TOKEN).await;
        assert_eq!(
            found(seen.as_bytes(), &secrets),
            <[String; 0]>::default(),
            "{path}"
        );
    }
    // The search itself finds what is there.
    let (_, audit) = ask(&world.base, "/api/v1/audit", TOKEN).await;
    assert!(found(audit.as_bytes(), &canaries).contains(&CANARY.to_owned()));

    // A new key, put in place and walked by the program's own command, over everything there is.
    program.end().await;
    let config = configure(&world, folder, database, &[NEW_KEY, KEY]);
    let program = Program::serve(folder, &config);
    ready(&world).await;
    let rotated = Command::new(env!("CARGO_BIN_EXE_tribelink"))
        .args([
            "keys",
            "rotate",
            "--json",
            "--url",
            &world.base,
            "--token",
            TOKEN,
        ])
        .env_clear()
        .output()
        .unwrap();
    let said: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert!(rotated.status.success(), "{said}");
    assert_eq!(
        (&said["current"], &said["complete"]),
        (&json!("k2"), &json!(true))
    );
    assert!(said["resealed"].as_u64().unwrap() > 10, "{said}");
    program.end().await;
    let config = configure(&world, folder, database, &[NEW_KEY]);
    let program = Program::serve(folder, &config);
    ready(&world).await;
    let held = world.get("/held").await;
    assert_eq!(held["items"][0]["fields"][0]["tribe"], tribe.as_str());
    world
        .edit_outlook(
            &mailbox,
            &one,
            json!({ "jobTitle": format!("{CANARY}functie") }),
        )
        .await;
    world
        .tribe_shows(
            &first.relationship,
            "FunctionOnBusinessCard",
            json!(format!("{CANARY}functie")),
        )
        .await;

    canaries.extend(self::secrets(&world));
    canaries.push(STRANGER.to_owned());
    History {
        folder: kept,
        canaries,
        _world: world,
        _program: program,
    }
}
