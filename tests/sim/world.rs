//! The world of one seed: both remotes, the service, the wires between them, and what people and
//! machines can do to them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tribelink::{
    app::{self, App, Parts},
    config::Config,
    store::{Store, User, memory::MemoryStore},
};
use tribelink_plan::ids::UserId;
use tribelink_sandbox::{Options, Sandbox, Shared};

use crate::{
    check::safety::Watch,
    process::{Fate, Process},
    script::Script,
    store::SimStore,
    story::Story,
    time::{ProcessClock, SimClock, SimRandom},
    wire::{SimPost, SimTransport},
};

pub(crate) const SERVICE: &str = "https://link.example";
pub(crate) const TRIBE: &str = "https://tribe.example";
pub(crate) const MICROSOFT: &str = "https://microsoft.example";
const ADMIN: &str = "admin-token-of-the-simulation";

/// A user as both sides know it.
#[derive(Clone)]
pub(crate) struct Colleague {
    pub(crate) id: UserId,
    pub(crate) address: String,
    pub(crate) object: String,
    pub(crate) employee: String,
}

/// The world.
pub(crate) struct World {
    pub(crate) story: Arc<Story>,
    pub(crate) service_clock: SimClock,
    pub(crate) remotes: Shared,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) fate: Arc<Fate>,
    /// Faults that hold all along, by their number at the sandbox.
    pub(crate) armed: BTreeMap<u64, &'static str>,
    pub(crate) post: Arc<SimPost>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) users: Vec<Colleague>,
    pub(crate) config: Config,
    random: Arc<SimRandom>,
    router: Router,
    /// The processes of the service, by number; none: it is down.
    running: Vec<Option<Running>>,
    pump: JoinHandle<()>,
}

/// A process that runs.
struct Running {
    app: App,
    engine: JoinHandle<()>,
    process: Arc<Process>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.pump.abort();
        // The services know the sandbox, and it knows them: neither would ever be given back.
        // A run that panicked gives them back, too.
        let known = self.post.services.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        known.fill_with(|| None);
        for running in self.running.iter().flatten() {
            running.engine.abort();
        }
    }
}

impl World {
    /// Both remotes as the script has them, and a service that knows nobody yet.
    pub(crate) async fn new(script: &Script) -> World {
        let (seed, setup) = (script.seed, &script.setup);
        let story = Arc::new(Story::default());
        let began = tokio::time::Instant::now();
        let (service_clock, sandbox_clock) = (SimClock::new(began), SimClock::new(began));
        let post = Arc::new(SimPost {
            services: Mutex::new(vec![None; setup.replicas]),
            turn: Default::default(),
            clock: sandbox_clock.clone(),
            story: Arc::clone(&story),
            sent: Mutex::default(),
        });
        let options = Options {
            public_url: MICROSOFT.to_owned(),
            people: setup.people,
            users: setup.users,
            seed,
            call_log: 1,
            redirect_uris: vec![format!("{SERVICE}/oauth/microsoft/callback")],
            ..Options::default()
        };
        let sandbox = Sandbox::in_process(
            options,
            Arc::new(sandbox_clock.clone()),
            Arc::new(sandbox_clock.clone()),
            Arc::clone(&post) as _,
        );
        let remotes = Arc::clone(&sandbox.ctx);
        let config = configuration(&remotes, script);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let watch = Arc::new(Watch::new(
            Arc::clone(&story),
            service_clock.clone(),
            Arc::clone(&remotes),
            Arc::clone(&store),
            setup.replicas,
        ));
        {
            let mut state = remotes.lock();
            let latency = &mut state.options.latency;
            latency.tribe_ms = setup.latency_ms;
            latency.graph_ms = setup.latency_ms;
            latency.microsoft_ms = setup.latency_ms;
            state.graph.switches.honour_if_match = !setup.ignores_if_match;
            state.microsoft.single_use_refresh = setup.single_use_refresh;
        }
        let pump = tokio::spawn(pump(Arc::clone(&remotes)));
        let mut world = World {
            story,
            service_clock,
            remotes,
            store,
            fate: Arc::default(),
            armed: BTreeMap::new(),
            post,
            watch,
            users: Vec::new(),
            config,
            random: Arc::new(SimRandom::new(seed ^ 0x5eed)),
            router: sandbox.router,
            running: (0..setup.replicas).map(|_| None).collect(),
            pump,
        };
        for number in 0..setup.replicas {
            world.start(number).await;
        }
        world
    }

    pub(crate) fn at(&self) -> i64 {
        self.service_clock.elapsed_ms()
    }

    pub(crate) fn tell(&self, text: &str) {
        self.story.event(self.at(), text);
    }

    /// How many processes there are, running or not.
    pub(crate) fn size(&self) -> usize {
        self.running.len()
    }

    /// Starts a process on what the store holds.
    pub(crate) async fn start(&mut self, number: usize) {
        if self.running[number].is_some() {
            return;
        }
        let process = Arc::new(Process::default());
        let store = Arc::new(SimStore {
            inner: Arc::clone(&self.store),
            process: Arc::clone(&process),
            fate: Arc::clone(&self.fate),
            story: Arc::clone(&self.story),
            clock: self.service_clock.clone(),
        });
        let transport = Arc::new(SimTransport {
            router: self.router.clone(),
            clock: self.service_clock.clone(),
            story: Arc::clone(&self.story),
            watch: Arc::clone(&self.watch),
            process: Arc::clone(&process),
            fate: Arc::clone(&self.fate),
        });
        let clock = Arc::new(ProcessClock {
            clock: self.service_clock.clone(),
            process: Arc::clone(&process),
        });
        let app = app::build(
            &self.config,
            Parts {
                store,
                clock,
                random: Arc::clone(&self.random) as _,
                transport: Some(transport),
                metrics: Arc::new(String::new),
            },
        );
        // A start that the store fails is tried again, as whoever runs the service does.
        let app = match tokio::time::timeout(Duration::from_secs(60), app).await {
            Ok(Ok(app)) => app,
            Ok(Err(_)) | Err(_) => {
                self.fate.store.clear();
                self.fate.remote.clear();
                return Box::pin(self.start(number)).await;
            }
        };
        self.post.services.lock().expect("the services")[number] = Some(app.router.clone());
        let engine = Arc::clone(&app.engine);
        let engine = tokio::spawn(async move { engine.run(CancellationToken::new()).await });
        self.running[number] = Some(Running {
            app,
            engine,
            process,
        });
    }

    /// Ends a process at once, wherever it is.
    pub(crate) async fn crash(&mut self, number: usize) {
        self.post.services.lock().expect("the services")[number] = None;
        self.watch.dies(self.at());
        if let Some(running) = self.running[number].take() {
            running.process.end();
            running.engine.abort();
            let _ = running.engine.await;
        }
    }

    pub(crate) async fn start_all(&mut self) {
        for number in 0..self.size() {
            self.start(number).await;
        }
    }

    /// A process stands still until then.
    pub(crate) fn freeze(&self, number: usize, until: tokio::time::Instant) {
        if let Some(running) = &self.running[number] {
            running.process.freeze(until);
        }
    }

    pub(crate) fn thaw(&self) {
        for running in self.running.iter().flatten() {
            running.process.thaw();
        }
    }

    /// Whether the service has nothing under way.
    pub(crate) fn is_idle(&self) -> bool {
        let mut running = self.running.iter();
        running.all(|one| one.as_ref().is_some_and(|one| one.app.engine.is_idle()))
    }

    /// Lets time pass; a process that dies meanwhile is started again a little later.
    pub(crate) async fn pass(&mut self, duration: Duration) {
        let end = tokio::time::Instant::now() + duration;
        loop {
            tokio::select! {
                biased;
                () = self.fate.death.notified() => {}
                () = tokio::time::sleep_until(end) => return,
            }
            for number in 0..self.size() {
                let dead = self.running[number].as_ref();
                if dead.is_some_and(|running| running.process.is_dead()) {
                    self.tell(&format!("process {number} dies"));
                    self.crash(number).await;
                    tokio::time::sleep(Duration::from_secs(3)).await;
                    self.start(number).await;
                    self.tell("it starts again");
                }
            }
        }
    }

    /// A process that answers.
    fn door(&self) -> Option<Router> {
        let mut running = self.running.iter().flatten();
        let running = running.find(|running| !running.process.is_dead())?;
        Some(running.app.router.clone())
    }

    /// Asks the service as an administrator.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {ADMIN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let Some(door) = self.door() else {
            return (StatusCode::SERVICE_UNAVAILABLE, Value::Null);
        };
        let (status, _, body) = call(door, request).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Does something to the remotes by hand; panics when they refuse.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_control(method, path, body.clone()).await;
        assert!(status.is_success(), "{path} {body}: {status} {answer}");
        answer
    }

    pub(crate) async fn try_control(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("/_sandbox{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let (status, _, body) = call(self.router.clone(), request).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Activates everybody and goes through consent.
    pub(crate) async fn activate_all(&mut self) {
        let everybody = self.remotes.lock().users.clone();
        for user in everybody {
            let body = json!({"employee_email": user.address, "start": true});
            let (status, answer) = self.ask(Method::POST, "/api/v1/users", body).await;
            assert_eq!(status, 201, "{answer}");
            let id: UserId = answer["id"]
                .as_str()
                .expect("an id")
                .parse()
                .expect("an id");
            self.users.push(Colleague {
                id,
                address: user.address.clone(),
                object: user.user_id.to_string(),
                employee: user.employee_id.to_string(),
            });
            let link = answer["consent_url"].as_str().expect("a link").to_owned();
            assert!(self.sign_in(&link, &user.address).await, "a first sign-in");
        }
    }

    /// Signs in with this link; false when it does not work.
    pub(crate) async fn sign_in(&self, link: &str, address: &str) -> bool {
        let Some(door) = self.door() else {
            return false;
        };
        let path = link.strip_prefix(SERVICE).expect("a link of the service");
        let get = |uri: &str, cookie: &str| {
            http::Request::get(uri)
                .header(header::COOKIE, cookie)
                .body(Body::empty())
                .expect("a request")
        };
        let (_, headers, _) = call(door.clone(), get(path, "")).await;
        let (Some(location), Some(cookie)) = (headers.get("location"), headers.get("set-cookie"))
        else {
            return false;
        };
        let cookie = cookie
            .to_str()
            .expect("text")
            .split(';')
            .next()
            .expect("a cookie");
        let authorize = location.to_str().expect("text");
        let authorize = authorize
            .strip_prefix(MICROSOFT)
            .expect("Microsoft's address");
        let form = http::Request::post(authorize)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("login={address}")))
            .expect("a request");
        let (_, headers, _) = call(self.router.clone(), form).await;
        let Some(back) = headers.get("location") else {
            return false;
        };
        let back = back.to_str().expect("text");
        let back = back.strip_prefix(SERVICE).expect("the service's address");
        let (status, _, _) = call(door, get(back, cookie)).await;
        status.is_success() || status.is_redirection()
    }

    /// Held items that wait for a decision.
    pub(crate) async fn held(&self) -> Vec<i64> {
        let held = self.store.held(None, None, 500).await.expect("the store");
        let open = held.iter().filter(|held| held.accepted.is_none());
        open.map(|held| held.id).collect()
    }

    pub(crate) async fn user(&self, id: UserId) -> User {
        self.store
            .user(id)
            .await
            .expect("the store")
            .expect("the user")
    }
}

async fn call(
    router: Router,
    request: http::Request<Body>,
) -> (StatusCode, http::HeaderMap, Vec<u8>) {
    let asked = async {
        let answer = match router.oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        (head.status, head.headers, body)
    };
    // A process that dies meanwhile never answers.
    let answer = tokio::time::timeout(Duration::from_secs(120), asked).await;
    answer.unwrap_or_else(|_| {
        (
            StatusCode::GATEWAY_TIMEOUT,
            http::HeaderMap::new(),
            Vec::new(),
        )
    })
}

/// Sends what is due, and waits for the next.
async fn pump(remotes: Shared) {
    loop {
        if remotes.pump_once().await > 0 {
            continue;
        }
        let now = remotes.lock().now_ms();
        let wait = remotes
            .next_due_ms()
            .map_or(60_000, |at| (at - now).clamp(1, 60_000));
        let wait = Duration::from_millis(u64::try_from(wait).expect("positive"));
        tokio::select! {
            biased;
            () = remotes.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn configuration(remotes: &Shared, script: &Script) -> Config {
    let state = remotes.lock();
    let (tribe, microsoft) = (&state.tribe, &state.microsoft);
    let mut pairs: Vec<(&str, String)> = vec![
        ("server.public_url", SERVICE.to_owned()),
        (
            "security.encryption_keys",
            "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        ),
        ("security.admin_token", ADMIN.to_owned()),
        ("tribe.api_url", TRIBE.to_owned()),
        ("tribe.auth_url", TRIBE.to_owned()),
        ("tribe.client_id", tribe.clients.main.0.clone()),
        ("tribe.client_secret", tribe.clients.main.1.clone()),
        ("tribe.webhook_secret", tribe.webhook_secret.clone()),
        ("microsoft.graph_url", MICROSOFT.to_owned()),
        ("microsoft.login_url", MICROSOFT.to_owned()),
        ("microsoft.tenant", microsoft.tenant_id.to_string()),
        ("microsoft.client_id", microsoft.client_id.to_string()),
        ("microsoft.client_secret", microsoft.client_secret.clone()),
    ];
    let drawn = script.setup.pairs.iter();
    pairs.extend(drawn.map(|(key, value)| (key.as_str(), value.clone())));
    Config::from_pairs(pairs.iter().map(|(key, value)| (*key, value.as_str())))
        .unwrap_or_else(|problems| panic!("the configuration: {problems:?}"))
}
