//! Everything wired together, once: the only place that knows every room. `settings`: what each is given
//! of the configuration.

mod settings;

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::Router;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tribelink_plan::ids::EnvironmentId;

use crate::{
    activation::{self, Activation, tokens::Keeper},
    api::{self, Api, front::Front},
    clock::{Clock, SystemClock},
    config::{Config, Database},
    crash,
    crms::{self, Clients},
    engine::{self, Engine, explain::Explain, schedule::Scheduler},
    graph::{Outlook, SignIn, client::Client as GraphClient},
    intake::{Intake, door::Doors, subscriptions::Subscriptions},
    ports::Crms as _,
    random::{Random, SystemRandom},
    remote::{Transport, http::HttpTransport, http::Origin},
    rich::Rich,
    server::{
        self, Limits,
        limit::{Limit, limited},
    },
    store::{
        self, Change, Environment, Guard, Store,
        postgres::{self, PostgresStore},
        sqlite::{self, SqliteStore},
    },
    telemetry::{
        CountCalls, Metrics,
        census::{self, Census},
        trace::Exporter,
    },
    tribe::Crm,
    vault::{FingerprintKey, KeyRing, Vault},
};

/// Longest answer of Graph that is read: a page of 1,000 contacts is about 3 MiB.
const MAX_ANSWER: usize = 32 << 20;

/// The name of the environment that the configuration describes.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// How often what the metrics have gathered is folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// For how long a fresh start is left alone by what is only read ahead.
const SETTLING: Duration = Duration::from_millis(500);

/// How often the gauges are read of the database.
const CENSUS_MS: i64 = census::EVERY.as_millis() as i64;

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be used.
    #[error("database: {0}")]
    Store(#[from] store::Error),
    /// No key seals what is kept.
    #[error(
        "security.encryption_keys is missing; make a key with `tribelink keys new`, and keep it outside the database"
    )]
    NoKey,
    /// A part of the configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// What is sealed does not open.
    #[error("{0}")]
    Vault(#[from] crate::vault::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// `server.listen`
        address: std::net::SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
}

/// The parts that a simulation brings itself.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// In place of HTTP; `None`: HTTP.
    pub transport: Option<Arc<dyn Transport>>,
    /// Renders the metrics.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The service, not running yet.
pub struct App {
    /// What answers requests.
    pub front: Front,
    /// Every route, for whoever asks in this process.
    pub router: Router,
    /// The engine.
    pub engine: Arc<Engine>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Whose subscription is whose, read when Graph first tells something.
    pub subscriptions: Arc<Subscriptions>,
    /// Set when the service begins to shut down.
    pub draining: Arc<AtomicBool>,
}

/// Opens the database that the configuration names.
///
/// # Errors
/// It cannot be reached or opened.
pub async fn open_store(database: &Database) -> Result<Arc<dyn Store>, Error> {
    let url = database.url.expose_secret();
    if url.starts_with("sqlite:") {
        let opened = SqliteStore::open(url, sqlite::Settings::default()).await?;
        crash::point("store-opened");
        return Ok(Arc::new(opened));
    }
    let opened = PostgresStore::open(url, postgres::Settings::default()).await?;
    Ok(Arc::new(opened))
}

/// Both remotes as the environment `default` reaches them, for `doctor`.
pub struct Remotes {
    /// Tribe.
    pub crm: Arc<dyn Crm>,
    /// Microsoft's sign-in.
    pub sign_in: Arc<dyn SignIn>,
    /// Graph.
    pub outlook: Arc<dyn Outlook>,
    /// Opens what is stored.
    pub vault: Arc<Vault>,
    /// How requests leave to Microsoft and to the service's own address.
    pub transport: Arc<dyn Transport>,
}

/// Makes the remotes of the environment `default`.
///
/// # Errors
/// As [`build`].
pub async fn remotes(config: &Config, store: Arc<dyn Store>) -> Result<Remotes, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let vault = Arc::new(Vault::new(key_ring(config)?, Arc::clone(&random)));
    ensure_environment(store.as_ref(), &vault, random.as_ref(), clock.now_ms()).await?;
    let microsoft = settings::microsoft_transport(config, None, Arc::clone(&clock))?;
    let outlook = GraphClient::new(
        config.microsoft.graph_url.clone(),
        Arc::clone(&microsoft),
        Arc::clone(&clock),
        Arc::new(CountCalls),
    );
    let sign_in = settings::platform(config, microsoft, Arc::clone(&clock), random)?;
    let clients = Clients::new(
        &config.tribe,
        &config.worker,
        store,
        Arc::clone(&vault),
        clock,
        Arc::new(CountCalls),
        None,
    );
    let clients = clients
        .map_err(|error| Error::Config(error.to_string()))?
        .allowing(config.server.private_networks.clone());
    let crm = clients.crm(&EnvironmentId::from(DEFAULT_ENVIRONMENT)).await;
    let crm = crm.map_err(|error| Error::Config(error.to_string()))?;
    let addresses = [&config.microsoft.login_url, &config.server.public_url];
    let allowed = addresses.into_iter().filter_map(Origin::of).collect();
    let transport = HttpTransport::new(allowed, crms::USER_AGENT, MAX_ANSWER);
    Ok(Remotes {
        crm: crm.ok_or_else(|| Error::Config("the environment `default` is missing".to_owned()))?,
        sign_in: Arc::new(sign_in),
        outlook: Arc::new(outlook),
        vault,
        transport: Arc::new(transport.map_err(|error| Error::Config(error.to_string()))?),
    })
}

/// Wires the service.
///
/// # Errors
/// Something of the configuration cannot be used, or what is stored does not open.
pub async fn build(config: &Config, parts: Parts) -> Result<App, Error> {
    let Parts {
        store,
        clock,
        random,
        transport,
        metrics,
    } = parts;
    let ring = key_ring(config)?;
    let vault = Arc::new(Vault::new(ring, Arc::clone(&random)));
    ensure_environment(store.as_ref(), &vault, random.as_ref(), clock.now_ms()).await?;
    let scheduler = Arc::new(Scheduler::default());
    let given = transport.clone();
    let microsoft = settings::microsoft_transport(config, transport.clone(), Arc::clone(&clock))?;
    let sign_in = Arc::new(settings::platform(
        config,
        Arc::clone(&microsoft),
        Arc::clone(&clock),
        Arc::clone(&random),
    )?);
    let outlook = Arc::new(GraphClient::new(
        config.microsoft.graph_url.clone(),
        microsoft,
        Arc::clone(&clock),
        Arc::new(CountCalls),
    ));
    let clients = Clients::new(
        &config.tribe,
        &config.worker,
        Arc::clone(&store),
        Arc::clone(&vault),
        Arc::clone(&clock),
        Arc::new(CountCalls),
        transport,
    );
    let clients = clients.map_err(|error| Error::Config(error.to_string()))?;
    let crms = Arc::new(clients.allowing(config.server.private_networks.clone()));
    let subscriptions = Arc::new(Subscriptions::new(Arc::clone(&store), Arc::clone(&clock)));
    let activation = Arc::new(Activation {
        store: Arc::clone(&store),
        vault: Arc::clone(&vault),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        crms: Arc::clone(&crms) as _,
        sign_in: Arc::clone(&sign_in) as _,
        outlook: Arc::clone(&outlook) as _,
        wake: Arc::clone(&scheduler) as _,
        subscriptions: Arc::clone(&subscriptions),
        login: settings::login(config, &crms, given, Arc::clone(&clock))?,
        settings: activation::Settings {
            lease: config.worker.lease,
            keeps_values: config.audit.undo.is_some(),
            ..activation::Settings::new(config.server.public_url.clone())
        },
    });
    let rich = Arc::new(Rich::new(
        config.microsoft.rich_notifications,
        Arc::clone(&store),
        Arc::clone(&vault),
        Arc::clone(&clock),
        Arc::clone(&random),
        Arc::clone(&sign_in) as _,
    ));
    let ports = engine::Ports {
        store: Arc::clone(&store),
        crms: Arc::clone(&crms) as _,
        outlook: outlook as _,
        keeper: Arc::new(Keeper::new(
            Arc::clone(&store),
            Arc::clone(&vault),
            Arc::clone(&clock),
            sign_in as _,
        )),
        activation: Arc::clone(&activation),
        vault: Arc::clone(&vault),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        rich: Arc::clone(&rich),
    };
    let engine = Arc::new(Engine::new(
        ports,
        settings::engine_settings(config),
        Arc::clone(&scheduler),
    ));
    let draining = Arc::new(AtomicBool::new(false));
    let api = Arc::new(Api {
        store: Arc::clone(&store),
        vault: Arc::clone(&vault),
        clock: Arc::clone(&clock),
        random,
        crms: crms as _,
        wake: Arc::clone(&scheduler) as _,
        activation,
        intake: Arc::new(Intake {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            wake: scheduler as _,
            doors: Doors::new(
                Arc::clone(&store),
                vault,
                Arc::clone(&clock),
                settings::configured(config),
            ),
            subscriptions: Arc::clone(&subscriptions),
            rich,
            replays: Default::default(),
        }),
        explainer: Arc::new(Explain::new(Arc::clone(&engine))),
        cards: Arc::new(Explain::new(Arc::clone(&engine))),
        metrics,
        draining: Arc::clone(&draining),
        settings: api::Settings {
            public_url: config.server.public_url.clone(),
            max_body: config.server.max_body,
            tokens: config.security.tokens(),
            metrics_access: config.telemetry.metrics_access,
            shadow: config.sync.shadow,
            secret_ends: settings::secret_ends(config),
            canary: config.canary.clone(),
            in_force: config.in_force(),
        },
    });
    let limit = Limit::of(&config.server, clock);
    let router = limited(api::router(Arc::clone(&api)), limit.clone());
    Ok(App {
        front: Front::new(api, router.clone(), limit),
        router,
        engine,
        store,
        subscriptions,
        draining,
    })
}

/// Runs the service until `shutdown` is done, then drains within `server.shutdown_grace`.
///
/// # Errors
/// It cannot start. Once it runs, it heals by itself.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|why| Error::Listen { address, why })?;
    // A key is asked for before the database is touched: nothing is kept that nobody could seal.
    key_ring(&config)?;
    let store = open_store(&config.database).await?;
    let metrics = Metrics::install().map_err(|error| Error::Config(error.to_string()))?;
    let rendered = metrics.clone();
    let app = build(
        &config,
        Parts {
            store,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            transport: None,
            metrics: Arc::new(move || rendered.render()),
        },
    )
    .await?;
    let ended = CancellationToken::new();
    let traces = match exporter(&config)? {
        Some(exporter) => tokio::spawn(exporter.run(ended.clone())),
        None => tokio::spawn(async {}),
    };
    let upkeep = tokio::spawn({
        let (ended, store) = (ended.clone(), Arc::clone(&app.store));
        let subscriptions = Arc::clone(&app.subscriptions);
        let mut census = Census::new(settings::secret_ends(&config), config.canary.clone());
        async move {
            // Neither keeps the first hints waiting; a failure is met again by whoever needs what it read.
            let settling = tokio::time::sleep(SETTLING);
            if ended.run_until_cancelled(settling).await.is_some() {
                let _ = subscriptions.fill().await;
            }
            let mut due_ms = 0;
            while !ended.is_cancelled() {
                metrics.upkeep();
                let now_ms = SystemClock.now_ms();
                if now_ms >= due_ms {
                    due_ms = now_ms + CENSUS_MS;
                    if let Err(error) = census.take(store.as_ref(), now_ms).await {
                        tracing::warn!(%error, "the gauges could not be read; they stay as they were");
                    }
                }
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = tokio::time::sleep(UPKEEP) => {}
                }
            }
        }
    });
    tracing::info!(%address, public_url = %config.server.public_url, version = env!("CARGO_PKG_VERSION"), "ready");
    run(app, listener, &config, shutdown).await;
    ended.cancel();
    let _ = upkeep.await;
    let _ = traces.await;
    Ok(())
}

/// What sends traces, when the configuration names a collector.
fn exporter(config: &Config) -> Result<Option<Exporter>, Error> {
    let Some(url) = &config.telemetry.otlp_url else {
        return Ok(None);
    };
    let allowed = Origin::of(url).into_iter().collect();
    let transport = HttpTransport::new(allowed, crms::USER_AGENT, MAX_ANSWER);
    let transport = transport.map_err(|error| Error::Config(error.to_string()))?;
    Ok(Exporter::start(url, Arc::new(transport)))
}

/// Runs a wired service on a listener until `shutdown` is done, then drains it.
pub async fn run(
    app: App,
    listener: TcpListener,
    config: &Config,
    shutdown: impl Future<Output = ()>,
) {
    let ended = CancellationToken::new();
    let engine = tokio::spawn({
        let (engine, ended) = (Arc::clone(&app.engine), ended.clone());
        async move { engine.run(ended).await }
    });
    let draining = Arc::clone(&app.draining);
    let stopping = ended.clone();
    let shutdown = async move {
        shutdown.await;
        draining.store(true, std::sync::atomic::Ordering::Relaxed);
        stopping.cancel();
    };
    let grace = config.server.shutdown_grace;
    server::serve(listener, app.front, Limits::of(&config.server), shutdown).await;
    if tokio::time::timeout(grace, engine).await.is_err() {
        tracing::warn!("a job did not end within the grace; its lease ends by itself");
    }
}

fn key_ring(config: &Config) -> Result<KeyRing, Error> {
    if config.security.encryption_keys.is_empty() {
        return Err(Error::NoKey);
    }
    config.security.key_ring().map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Error::Config(all.join("; "))
    })
}

/// Makes the environment that the configuration describes, once.
async fn ensure_environment(
    store: &dyn Store,
    vault: &Vault,
    random: &dyn Random,
    now_ms: i64,
) -> Result<(), Error> {
    let id = EnvironmentId::from(DEFAULT_ENVIRONMENT);
    let known = store.environments().await?;
    for environment in &known {
        // A lost key fails here, at start, rather than as a million edits.
        FingerprintKey::open(vault, &environment.id, &environment.fingerprint_key)?;
    }
    if known.iter().any(|environment| environment.id == id) {
        return Ok(());
    }
    let fresh = Environment {
        fingerprint_key: FingerprintKey::generate(random).seal(vault, &id),
        id,
        organization: None,
        settings: None,
        polled_ms: 0,
        chores_due_ms: now_ms,
        swept_ms: 0,
        throttled_until_ms: 0,
    };
    Ok(store
        .commit(&Guard::None, vec![Change::PutEnvironment(fresh)])
        .await?)
}
