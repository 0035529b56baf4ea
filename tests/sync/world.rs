//! Sandbox and service in one process, each on a port of its own, talking real HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Notify, sync::oneshot, task::JoinHandle};
use tribelink::{
    app::{self, Parts},
    clock::{Clock, SystemClock},
    config::Config,
    engine::Engine,
    random::SystemRandom,
    store::{Store, sqlite::Settings, sqlite::SqliteStore},
};
use tribelink_plan::ids::{EnvironmentId, UserId};
use tribelink_sandbox::{Options, Running, Sandbox};

pub(crate) const TOKEN: &str = "the-admin-token-of-the-tests-0123456789";

/// How long a state is waited for. Reached only by a test that fails.
const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// How many looks in a row must show that nothing is under way.
const STEADY: u32 = 15;

/// The machine's clock, which a test can move on.
#[derive(Default)]
pub(crate) struct MovedClock {
    ahead_ms: AtomicI64,
    moved: Notify,
}

impl MovedClock {
    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap();
        self.ahead_ms.fetch_add(by, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for MovedClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now_ms() + i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2);
        loop {
            let moved = self.moved.notified();
            let left = until - self.now_ms();
            let Ok(left) = u64::try_from(left) else {
                return;
            };
            if left == 0 {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }
}

/// What a world is made of.
pub(crate) struct Setup {
    /// People that the sandbox draws by itself.
    pub(crate) people: usize,
    /// Employees with a mailbox.
    pub(crate) users: usize,
    /// Configuration beside what every world has.
    pub(crate) config: Vec<(&'static str, &'static str)>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            people: 0,
            users: 1,
            config: Vec::new(),
        }
    }
}

impl Setup {
    /// A world with these keys of the configuration.
    pub(crate) fn with(config: &[(&'static str, &'static str)]) -> Setup {
        Setup {
            config: config.to_vec(),
            ..Setup::default()
        }
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) engine: Arc<Engine>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Both remotes and the service.
pub(crate) struct World {
    pub(crate) sandbox: Running,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<MovedClock>,
    pub(crate) service: Option<Service>,
    /// Where the service is.
    pub(crate) base: String,
    http: reqwest::Client,
    config: Vec<(String, String)>,
    dir: TempDir,
}

/// A mailbox of the sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) address: String,
    pub(crate) employee: String,
}

impl World {
    /// A sandbox, and the service beside it, not started yet.
    pub(crate) async fn prepare(setup: Setup) -> World {
        let options = Options {
            people: setup.people,
            users: setup.users,
            call_log: 200_000,
            ..Options::default()
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let sandbox = Sandbox::start(options, any, None).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("link.db").display());
        let store = SqliteStore::open(&url, Settings::default()).await.unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", port.local_addr().unwrap());
        drop(port);
        let mut world = World {
            sandbox,
            store: Arc::new(store),
            clock: Arc::default(),
            service: None,
            base,
            http,
            config: Vec::new(),
            dir,
        };
        world.config = world.basics().await;
        for (key, value) in setup.config {
            world.configure(key, value);
        }
        world
    }

    /// The same with the service running.
    pub(crate) async fn start(setup: Setup) -> World {
        let mut world = World::prepare(setup).await;
        world.serve().await;
        world
    }

    /// Intervals are a day unless a test says otherwise, so that nothing but hints works.
    async fn basics(&self) -> Vec<(String, String)> {
        let known = self.control(Method::GET, "/config", None).await;
        let remote = self.remote();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pairs = [
            ("tribe.api_url", remote.clone()),
            ("tribe.auth_url", remote.clone()),
            ("tribe.client_id", text(&known["tribe"]["client_id"])),
            (
                "tribe.client_secret",
                text(&known["tribe"]["client_secret"]),
            ),
            (
                "tribe.webhook_secret",
                text(&known["tribe"]["webhook_secret"]),
            ),
            ("microsoft.graph_url", remote.clone()),
            ("microsoft.login_url", remote),
            ("microsoft.tenant", text(&known["microsoft"]["tenant"])),
            (
                "microsoft.client_id",
                text(&known["microsoft"]["client_id"]),
            ),
            (
                "microsoft.client_secret",
                text(&known["microsoft"]["client_secret"]),
            ),
            ("security.admin_token", TOKEN.to_owned()),
            (
                "security.encryption_keys",
                "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
            ),
            ("server.public_url", self.base.clone()),
            ("sync.delta_interval", "24h".to_owned()),
            ("sync.poll_interval", "24h".to_owned()),
            ("sync.sweep_interval", "48h".to_owned()),
        ];
        let owned = |(key, value): (&str, String)| (key.to_owned(), value);
        pairs.into_iter().map(owned).collect()
    }

    /// Changes a key of the configuration; counts from the next [`World::serve`] on.
    pub(crate) fn configure(&mut self, key: &str, value: &str) {
        self.config.retain(|(known, _)| known != key);
        self.config.push((key.to_owned(), value.to_owned()));
    }

    /// The configuration as it is.
    pub(crate) fn configured(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.config.iter();
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Starts the service.
    pub(crate) async fn serve(&mut self) {
        let pairs = self
            .config
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let config = Config::from_pairs(pairs).unwrap();
        assert!(!config.database.url.expose_secret().is_empty());
        let address = self.base.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(address).await.unwrap();
        let parts = Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock) as _,
            random: Arc::new(SystemRandom),
            transport: None,
            metrics: Arc::new(String::new),
        };
        let built = app::build(&config, parts).await.unwrap();
        let engine = Arc::clone(&built.engine);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            app::run(built, listener, &config, shutdown).await;
        });
        self.service = Some(Service { engine, stop, task });
        // Webhooks are registered by the first round of chores.
        if self
            .config
            .iter()
            .any(|(key, value)| key == "tribe.register_webhooks" && value == "false")
        {
            return;
        }
        self.eventually("webhooks are registered", async || {
            let hooks = self.sandbox.ctx.lock().tribe.webhooks.len();
            (hooks == 9).then_some(())
        })
        .await;
        self.calm().await;
    }

    /// Stops the service as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        let service = self.service.take().unwrap();
        let _ = service.stop.send(());
        service.task.await.unwrap();
    }

    /// Ends the service as a crash does: nothing is drained or given back.
    pub(crate) async fn crash(&mut self) {
        let service = self.service.take().unwrap();
        service.task.abort();
        let _ = service.task.await;
        drop(service.engine);
    }

    /// Takes the database's file away while the service runs.
    pub(crate) fn hide_database(&self) {
        let file = |name: &str| self.dir.path().join(name);
        std::fs::rename(file("link.db"), file("aside.db")).unwrap();
    }

    /// Brings it back.
    pub(crate) fn return_database(&self) {
        let file = |name: &str| self.dir.path().join(name);
        std::fs::rename(file("aside.db"), file("link.db")).unwrap();
    }

    /// Puts an empty database in the place of the one there is.
    pub(crate) async fn lose_database(&mut self) {
        let url = format!("sqlite://{}", self.dir.path().join("fresh.db").display());
        let store = SqliteStore::open(&url, Settings::default()).await.unwrap();
        self.store = Arc::new(store);
    }

    /// A user's id as the store knows it.
    pub(crate) async fn store_user(&self, user: &str) -> UserId {
        UserId(user.parse().unwrap())
    }

    /// Origin of both remotes.
    pub(crate) fn remote(&self) -> String {
        format!("http://{}", self.sandbox.addr)
    }

    /// The mailbox of that number.
    pub(crate) fn mailbox(&self, number: usize) -> Mailbox {
        let state = self.sandbox.ctx.lock();
        let user = &state.users[number];
        Mailbox {
            address: user.address.clone(),
            employee: user.employee_id.to_string(),
        }
    }

    /// A control call of the sandbox.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_sandbox{path}", self.remote());
        let (status, answer) = self.send(method, &url, body, false).await;
        assert!(status.is_success(), "{url}: {status} {answer}");
        answer
    }

    /// A call of the service's API by an administrator.
    pub(crate) async fn api(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_api(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    pub(crate) async fn try_api(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", self.base);
        self.send(method, &url, body, true).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.api(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.api(Method::POST, path, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<Value>,
        admin: bool,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, url);
        if admin {
            request = request.bearer_auth(TOKEN);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    /// Activates the mailbox's employee and goes through consent; answers the user's id.
    pub(crate) async fn activate(&self, mailbox: &Mailbox, start: bool) -> String {
        let wanted = json!({"employee_email": mailbox.address, "start": start});
        let user = self.post("/users", wanted).await;
        self.consent(user["consent_url"].as_str().unwrap()).await;
        user["id"].as_str().unwrap().to_owned()
    }

    /// Goes through consent as a browser does.
    pub(crate) async fn consent(&self, url: &str) {
        self.control(Method::POST, "/auto-consent", Some(json!({"on": true})))
            .await;
        let mut url: reqwest::Url = url.parse().unwrap();
        let mut cookies: Vec<(u16, String)> = Vec::new();
        for _ in 0..10 {
            let port = url.port().unwrap();
            let own = cookies.iter().filter(|(of, _)| *of == port);
            let own: Vec<&str> = own.map(|(_, cookie)| cookie.as_str()).collect();
            let mut request = self.http.get(url.clone());
            if !own.is_empty() {
                request = request.header(header::COOKIE, own.join("; "));
            }
            let answer = request.send().await.unwrap();
            for set in answer.headers().get_all(header::SET_COOKIE) {
                let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
                let name = pair.split('=').next().unwrap().to_owned() + "=";
                cookies.retain(|(of, known)| *of != port || !known.starts_with(&name));
                cookies.push((port, pair));
            }
            let Some(location) = answer.headers().get(header::LOCATION) else {
                assert!(answer.status().is_success(), "{}", answer.status());
                return;
            };
            url = url.join(location.to_str().unwrap()).unwrap();
            if url.path() == "/" && url.port() == reqwest::Url::parse(&self.base).unwrap().port() {
                return;
            }
        }
        panic!("consent goes round in circles");
    }

    /// Activates, starts, waits until the user is live and all is quiet.
    pub(crate) async fn live(&self, mailbox: &Mailbox) -> String {
        let user = self.activate(mailbox, true).await;
        self.state(&user, "live").await;
        self.quiet().await;
        user
    }

    /// Waits for a user's state.
    pub(crate) async fn state(&self, user: &str, wanted: &str) {
        self.eventually(&format!("the user is {wanted}"), async || {
            let user = self.get(&format!("/users/{user}")).await;
            (user["state"] == wanted).then_some(())
        })
        .await;
    }

    /// Looks until there is something to be seen.
    pub(crate) async fn eventually<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(found) => found,
            Err(_) => panic!("never came: {what}\n{}", self.story()),
        }
    }

    fn story(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Now, in milliseconds.
    pub(crate) fn milliseconds(&self) -> u64 {
        u64::try_from(self.clock.now_ms()).unwrap()
    }

    /// Moves the clock on where no job runs: one that does would lose its lease.
    pub(crate) fn pass_time(&self, by: Duration) {
        if self.service.as_ref().unwrap().engine.is_idle() {
            self.clock.advance(by);
        }
    }

    /// Waits until nothing is under way: no hint waits, no job runs, nothing is to be delivered.
    pub(crate) async fn quiet(&self) {
        self.steady("all is quiet", true).await;
    }

    /// The same where hints are kept for somebody who is paused.
    pub(crate) async fn calm(&self) {
        self.steady("all is calm", false).await;
    }

    async fn steady(&self, what: &str, no_hints: bool) {
        let engine = &self.service.as_ref().unwrap().engine;
        let environment = EnvironmentId::from(app::DEFAULT_ENVIRONMENT);
        let (mut seen, mut steady) = (None, 0);
        let wait = async {
            while steady < STEADY {
                let (outbox, calls) = {
                    let state = self.sandbox.ctx.lock();
                    let last = state.calls.entries().last().map(|call| call.number);
                    (state.outbox.len(), last)
                };
                let waiting = self.store.backlog(&environment).await.unwrap().0;
                let still = engine.is_idle() && outbox == 0 && (!no_hints || waiting == 0);
                steady = if still && seen == Some(calls) {
                    steady + 1
                } else {
                    0
                };
                seen = Some(calls);
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(DEADLINE, wait).await.is_err() {
            panic!("never came: {what}\n{}", self.story());
        }
    }
}
