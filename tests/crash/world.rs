//! A world: the sandbox, the service's settings, the people, and calls to both over HTTP.

use std::{path::Path, time::Duration};

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    Outcome, failed,
    process::{Process, Remotes, Service, free_port},
};

pub(crate) const TOKEN: &str = "the-admin-token-of-the-crash-tests-0123456789";
const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A mailbox of the sandbox and the user it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) address: String,
    pub(crate) employee: String,
    pub(crate) owner: String,
    pub(crate) token: String,
    /// The service's user, once invited.
    pub(crate) user: Option<String>,
}

pub(crate) struct World {
    pub(crate) remotes: Remotes,
    pub(crate) service: Service,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) crm: String,
    pub(crate) tribe_secret: String,
    http: reqwest::Client,
    folder: Option<TempDir>,
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed run left is worth a look.
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            let _ = folder.keep();
        }
    }
}

impl World {
    pub(crate) async fn make(
        service_binary: &Path,
        sandbox_binary: &Path,
        seed: u64,
        settings: &[(&str, &str)],
    ) -> Outcome<World> {
        let folder = TempDir::with_prefix("tribelink-crash-").map_err(failed("a folder"))?;
        let remotes = Remotes::start(sandbox_binary, folder.path(), seed).await?;
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A service that is killed must not leave half a connection to be reused.
            .pool_max_idle_per_host(0)
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(failed("a client"))?;
        let origin = format!("http://127.0.0.1:{}", free_port()?);
        let mut world = World {
            remotes,
            service: Service {
                binary: service_binary.to_owned(),
                folder: folder.path().to_owned(),
                origin: origin.clone(),
                settings: Vec::new(),
            },
            mailboxes: Vec::new(),
            crm: String::new(),
            tribe_secret: String::new(),
            http,
            folder: Some(folder),
        };
        let config = world.control(Method::GET, "config", Value::Null).await?;
        let told = |side: &str, name: &str| text(&config[side][name]);
        world.tribe_secret = told("tribe", "webhook_secret");
        let remote = world.remotes.origin.clone();
        let pairs = [
            ("server.listen", origin.replace("http://", "")),
            ("server.public_url", origin),
            (
                "database.url",
                format!("sqlite://{}", world.service.database().display()),
            ),
            ("security.encryption_keys", KEY.to_owned()),
            ("security.admin_token", TOKEN.to_owned()),
            ("tribe.api_url", remote.clone()),
            ("tribe.auth_url", remote.clone()),
            ("tribe.client_id", told("tribe", "client_id")),
            ("tribe.client_secret", told("tribe", "client_secret")),
            ("tribe.webhook_secret", told("tribe", "webhook_secret")),
            ("microsoft.graph_url", remote.clone()),
            ("microsoft.login_url", remote),
            ("microsoft.tenant", told("microsoft", "tenant")),
            ("microsoft.client_id", told("microsoft", "client_id")),
            (
                "microsoft.client_secret",
                told("microsoft", "client_secret"),
            ),
            // Nothing but hints may bring an edit across: a lost one shows.
            ("sync.delta_interval", "24h".to_owned()),
            ("sync.poll_interval", "24h".to_owned()),
            ("sync.sweep_interval", "48h".to_owned()),
            ("sync.settle", "1s".to_owned()),
            ("worker.lease", "10s".to_owned()),
        ];
        let owned = |(key, value): (&str, String)| (key.to_owned(), value);
        world.service.settings = pairs.into_iter().map(owned).collect();
        for (key, value) in settings {
            world.configure(key, value);
        }
        world.crm = world.token(json!({"crm": true})).await?;
        for mailbox in list(&config["mailboxes"]) {
            let address = text(&mailbox["address"]);
            let token = world.token(json!({"mailbox": address})).await?;
            world.mailboxes.push(Mailbox {
                address,
                employee: text(&mailbox["employee_id"]),
                owner: text(&mailbox["user_id"]),
                token,
                user: None,
            });
        }
        world
            .control(Method::POST, "auto-consent", json!({"on": true}))
            .await?;
        // A remote that gives up would hide what the service lost.
        let patient = json!({"retries_ms": vec![400; 400]});
        world
            .control(Method::POST, "tribe/settings", patient)
            .await?;
        Ok(world)
    }

    /// Leaves the folder with database and logs, and tells where.
    pub(crate) fn keep(mut self) -> String {
        let folder = self.folder.take().map(TempDir::keep);
        folder.map_or_else(String::new, |folder| folder.display().to_string())
    }

    pub(crate) fn configure(&mut self, key: &str, value: &str) {
        self.service.settings.retain(|(known, _)| known != key);
        self.service
            .settings
            .push((key.to_owned(), value.to_owned()));
    }

    async fn token(&self, whose: Value) -> Outcome<String> {
        let answer = self.control(Method::POST, "tokens", whose).await?;
        Ok(text(&answer["access_token"]))
    }

    /// The sandbox's switches and eyes.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Outcome<Value> {
        let url = format!("{}/_sandbox/{path}", self.remotes.origin);
        self.must(method, &url, "", body).await
    }

    /// Tribe, as its users have it.
    pub(crate) async fn odata(&self, method: Method, path: &str, body: Value) -> Outcome<Value> {
        let url = format!("{}/v1/odata/{path}", self.remotes.origin);
        self.must(method, &url, &self.crm, body).await
    }

    /// Outlook, as the owner of the mailbox.
    pub(crate) async fn graph(
        &self,
        mailbox: usize,
        method: Method,
        path: &str,
        body: Value,
    ) -> Outcome<Value> {
        let url = format!("{}/v1.0/me/{path}", self.remotes.origin);
        let token = &self.mailboxes[mailbox].token;
        // A refusal that was meant for the service may strike a player.
        for _ in 0..5 {
            match self.send(method.clone(), &url, token, body.clone()).await? {
                (StatusCode::UNAUTHORIZED, _) => continue,
                (status, value) if status.is_success() => return Ok(value),
                (status, value) => return Err(format!("{method} {url}: {status} {value}")),
            }
        }
        Err(format!("{method} {url}: refused again and again"))
    }

    async fn must(&self, method: Method, url: &str, token: &str, body: Value) -> Outcome<Value> {
        let what = format!("{method} {url}");
        match self.send(method, url, token, body).await {
            Ok((status, value)) if status.is_success() => Ok(value),
            Ok((status, value)) => Err(format!("{what}: {status} {value}")),
            Err(error) => Err(format!("{what}: {error}")),
        }
    }

    /// The service's API; it may be dead.
    pub(crate) async fn api(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Outcome<(StatusCode, Value)> {
        let url = format!("{}/{path}", self.service.origin);
        self.send(method, &url, TOKEN, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<Value> {
        match self.api(Method::GET, path, Value::Null).await? {
            (status, value) if status.is_success() => Ok(value),
            (status, value) => Err(format!("GET {path}: {status} {value}")),
        }
    }

    /// Every item of a list of the API.
    pub(crate) async fn all(&self, path: &str) -> Outcome<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{join}limit=500{cursor}")).await?;
            items.extend(list(&page["items"]).iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        token: &str,
        body: Value,
    ) -> Outcome<(StatusCode, Value)> {
        let mut request = self.http.request(method, url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(failed("a call"))?;
        let status = answer.status();
        let said = answer.text().await.map_err(failed("an answer"))?;
        let value = serde_json::from_str(&said).unwrap_or(Value::String(said));
        Ok((status, value))
    }

    /// Waits until the service answers; false when it died first.
    pub(crate) async fn answers(&self, process: &mut Process) -> Outcome<bool> {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if process.ended().is_some() {
                return Ok(false);
            }
            if self.get("healthz").await.is_ok() {
                return Ok(true);
            }
            sleep(Duration::from_millis(15)).await;
        }
        Err("the service does not answer".to_owned())
    }

    /// Follows the consent link as a browser does. It may die on the way.
    pub(crate) async fn consent(&self, first: &str) -> Outcome<()> {
        let mut url = url::Url::parse(first).map_err(failed("a link"))?;
        let mut jar: Vec<(Option<u16>, String)> = Vec::new();
        for _ in 0..10 {
            let own = jar.iter().filter(|(port, _)| *port == url.port());
            let own: Vec<&str> = own.map(|(_, cookie)| cookie.as_str()).collect();
            let request = self
                .http
                .get(url.clone())
                .header(header::COOKIE, own.join("; "));
            let answer = request.send().await.map_err(failed("a sign-in"))?;
            let set = answer.headers().get_all(header::SET_COOKIE).iter();
            let set = set.filter_map(|value| value.to_str().ok()?.split(';').next());
            jar.extend(set.map(|cookie| (url.port(), cookie.to_owned())));
            let to = answer.headers().get(header::LOCATION);
            let Some(to) = to.and_then(|to| to.to_str().ok()) else {
                return match answer.status() {
                    status if status.is_success() => Ok(()),
                    status => Err(format!("sign-in: {status}")),
                };
            };
            url = url.join(to).map_err(failed("a link"))?;
            let public = self.setting("server.public_url");
            if url.as_str().starts_with(&public) {
                // The origin that others see may be somebody who listens in.
                let here = url.as_str().replacen(&public, &self.service.origin, 1);
                url = url::Url::parse(&here).map_err(failed("a link"))?;
            }
            if url.path() == "/" {
                return Ok(());
            }
        }
        Err("the sign-in goes round in circles".to_owned())
    }

    fn setting(&self, key: &str) -> String {
        let found = self.service.settings.iter().find(|(known, _)| known == key);
        found.map_or_else(String::new, |(_, value)| value.clone())
    }

    /// One step further on a user's way to `live`; answers its state.
    pub(crate) async fn nudge(&mut self, mailbox: usize) -> Outcome<String> {
        let address = self.mailboxes[mailbox].address.clone();
        let wanted = json!({"employee_email": address});
        let (status, user) = self.api(Method::POST, "api/v1/users", wanted).await?;
        if !status.is_success() {
            return Err(format!("activation: {status} {user}"));
        }
        let id = text(&user["id"]);
        self.mailboxes[mailbox].user = Some(id.clone());
        match user["state"].as_str() {
            Some("invited") => {
                let path = format!("api/v1/users/{id}/consent");
                let (_, link) = self.api(Method::POST, &path, Value::Null).await?;
                self.consent(&text(&link["consent_url"])).await?;
            }
            Some("consented") => {
                let path = format!("api/v1/users/{id}/start");
                self.api(Method::POST, &path, Value::Null).await?;
            }
            _ => {}
        }
        Ok(text(&user["state"]))
    }

    pub(crate) async fn state(&self) -> Outcome<Value> {
        self.control(Method::GET, "state", Value::Null).await
    }

    /// Moves the sandbox's clock on.
    pub(crate) async fn pass(&self, seconds: u64) -> Outcome<()> {
        let by = json!({"advance_seconds": seconds});
        self.control(Method::POST, "time", by).await.map(|_| ())
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
