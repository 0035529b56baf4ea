//! The three parties of the demonstration, each on its own address of loopback: the sandbox stands
//! in for Tribe CRM and for Microsoft 365, and beside it runs the service as `serve` runs it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tribelink_sandbox::{Options, Running, Sandbox};

use super::Error;
use super::Wishes;
use crate::{
    app::{self, Parts},
    clock::SystemClock,
    config::Config,
    random::{self, SystemRandom},
    vault::generate_key,
};

/// Fewer people than this make a dull address book, more of them a long first look.
const PEOPLE: usize = 24;

/// Employees with a mailbox: the two of the story, and one who never activates the link.
const EMPLOYEES: usize = 3;

/// Only the counters are looked at, and they outlive the entries.
const CALL_LOG: usize = 100;

/// How often both sides are asked for changes that nobody announced; short, so that the story need
/// not wait for it.
const ASK: &str = "2s";

/// How long a read after an own write may be stale: the sandbox has no lag, and a deletion within
/// that time is believed only after it.
const SETTLE: &str = "1s";

/// Any free port.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// All of them, running.
pub(super) struct Parties {
    /// The sandbox's origin.
    pub(super) sandbox: String,
    /// The service's origin.
    pub(super) service: String,
    /// The token of the admin API.
    pub(super) token: String,
    remotes: Running,
    running: JoinHandle<()>,
    ended: CancellationToken,
    // Holds the database; dropping it removes the folder.
    _folder: TempDir,
}

impl Parties {
    /// Starts all three; `metrics` renders what the service measures.
    pub(super) async fn start(
        args: &Wishes,
        metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ) -> Result<Parties, Error> {
        let options = Options {
            people: args.people.unwrap_or(PEOPLE),
            users: EMPLOYEES,
            call_log: CALL_LOG,
            ..Options::default()
        };
        let remotes = Sandbox::start(options, LOOPBACK, None)
            .await
            .map_err(Error::start)?;
        let sandbox = format!("http://{}", remotes.addr);
        let folder = TempDir::with_prefix("tribelink-demo-").map_err(Error::start)?;
        let address = args.listen.unwrap_or(LOOPBACK);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|why| Error::Start(format!("cannot listen on {address}: {why}")))?;
        let service = origin(listener.local_addr().map_err(Error::start)?);
        let token = random::token(&SystemRandom);
        let config = config(&sandbox, &service, &token, &folder).await?;
        let ended = CancellationToken::new();
        let running = serve(config, listener, metrics, ended.clone()).await?;
        Ok(Parties {
            sandbox,
            service,
            token,
            remotes,
            running,
            ended,
            _folder: folder,
        })
    }

    /// Drains the service, then stops the sandbox and removes the database.
    pub(super) async fn stop(self) {
        self.ended.cancel();
        let _ = self.running.await;
        self.remotes.shutdown().await;
    }
}

/// Where a browser on this machine finds it: one that listens everywhere is on loopback too.
fn origin(listens: SocketAddr) -> String {
    let mut address = listens;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

/// What an administrator would put into `tribelink.toml`.
async fn config(
    sandbox: &str,
    service: &str,
    token: &str,
    folder: &TempDir,
) -> Result<Config, Error> {
    let answer = reqwest::get(format!("{sandbox}/_sandbox/config"))
        .await
        .map_err(Error::start)?;
    let made: Value = answer.json().await.map_err(Error::start)?;
    let told = |side: &str, name: &str| made[side][name].as_str().unwrap_or_default().to_owned();
    let database = format!("sqlite://{}", folder.path().join("tribelink.db").display());
    let key = generate_key(&SystemRandom, "demo");
    let listen = service.trim_start_matches("http://");
    let pairs = [
        ("server.listen", listen.to_owned()),
        ("server.public_url", service.to_owned()),
        ("database.url", database),
        ("security.encryption_keys", key.expose_secret().to_owned()),
        ("security.admin_token", token.to_owned()),
        ("tribe.api_url", sandbox.to_owned()),
        ("tribe.auth_url", sandbox.to_owned()),
        ("tribe.client_id", told("tribe", "client_id")),
        ("tribe.client_secret", told("tribe", "client_secret")),
        ("tribe.webhook_secret", told("tribe", "webhook_secret")),
        ("microsoft.graph_url", sandbox.to_owned()),
        ("microsoft.login_url", sandbox.to_owned()),
        ("microsoft.tenant", told("microsoft", "tenant")),
        ("microsoft.client_id", told("microsoft", "client_id")),
        (
            "microsoft.client_secret",
            told("microsoft", "client_secret"),
        ),
        ("sync.poll_interval", ASK.to_owned()),
        ("sync.delta_interval", ASK.to_owned()),
        ("sync.settle", SETTLE.to_owned()),
        ("server.shutdown_grace", "5s".to_owned()),
    ];
    Config::from_pairs(pairs.iter().map(|(key, value)| (*key, value.as_str())))
        .map_err(Error::start)
}

async fn serve(
    config: Config,
    listener: TcpListener,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ended: CancellationToken,
) -> Result<JoinHandle<()>, Error> {
    let store = app::open_store(&config.database)
        .await
        .map_err(Error::start)?;
    let parts = Parts {
        store,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        transport: None,
        metrics,
    };
    let app = app::build(&config, parts).await.map_err(Error::start)?;
    Ok(tokio::spawn(async move {
        app::run(app, listener, &config, ended.cancelled()).await;
    }))
}
