//! `tribelink serve` as a process of its own, against a sandbox in this one, over HTTP alone.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http::{Method, header};
use serde_json::{Value, json};
use tribelink_sandbox::{Options, Running, Sandbox};

const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TOKEN: &str = "the-admin-token-of-the-tests-0123456789";

/// `tribelink serve` against a sandbox.
pub(crate) struct World {
    sandbox: Running,
    service: Option<Child>,
    base: String,
    http: reqwest::Client,
    pub(crate) folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(service) = &mut self.service {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl World {
    pub(crate) async fn start() -> World {
        World::start_with(&[]).await
    }

    /// With further keys, as the names of their variables without the prefix.
    pub(crate) async fn start_with(further: &[(&str, &str)]) -> World {
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
        let variables = [
            ("SERVER__LISTEN", listen.clone()),
            ("SECURITY__ADMIN_TOKEN", TOKEN.to_owned()),
            ("SECURITY__ENCRYPTION_KEYS", KEY.to_owned()),
            ("TRIBE__API_URL", origin.clone()),
            ("TRIBE__AUTH_URL", origin.clone()),
            ("TRIBE__CLIENT_ID", text("tribe", "client_id")),
            ("TRIBE__CLIENT_SECRET", text("tribe", "client_secret")),
            ("TRIBE__WEBHOOK_SECRET", text("tribe", "webhook_secret")),
            ("MICROSOFT__GRAPH_URL", origin.clone()),
            ("MICROSOFT__LOGIN_URL", origin.clone()),
            ("MICROSOFT__TENANT", text("microsoft", "tenant")),
            ("MICROSOFT__CLIENT_ID", text("microsoft", "client_id")),
            (
                "MICROSOFT__CLIENT_SECRET",
                text("microsoft", "client_secret"),
            ),
        ];
        let further = further
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let variables = variables.into_iter().chain(further);
        let variables = variables
            .map(|(name, value)| (format!("TRIBELINK_{name}"), value))
            .collect();
        let mut world = World {
            sandbox,
            service: None,
            base: format!("http://{listen}"),
            http,
            folder,
            variables,
        };
        world.serve().await;
        world
    }

    /// The program with these arguments, in the service's folder and with its configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tribelink"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().cloned());
        command
    }

    /// Starts the service and waits until it is ready.
    pub(crate) async fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        self.service = Some(command.stderr(Stdio::null()).spawn().unwrap());
        self.until("the service is ready", async |world: &World| {
            let asked = world.http.get(format!("{}/readyz", world.base)).send();
            asked.await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Tells the service to end, and waits for it.
    pub(crate) fn stop(&mut self) {
        let mut service = self.service.take().unwrap();
        let told = Command::new("kill").arg(service.id().to_string()).status();
        assert!(told.unwrap().success());
        assert_eq!(service.wait().unwrap().code(), Some(0));
    }

    /// Waits for a state, two minutes at most.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn(&World) -> bool) {
        for _ in 0..1_200 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("waited in vain until {what}:\n{}", self.scrape().await);
    }

    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Value {
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

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
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

    pub(crate) async fn deliver(&self, path: &str, body: &'static str) -> u16 {
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn scrape(&self) -> String {
        let asked = self.http.get(format!("{}/metrics", self.base)).send().await;
        asked.unwrap().text().await.unwrap()
    }

    /// Activates the employee of an address and goes through consent; answers the user's id.
    pub(crate) async fn live(&self, address: &str) -> String {
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
