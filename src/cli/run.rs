//! Where the commands meet the parts of the program that do the work.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc};

use serde_json::{Value, json};
use tribelink_sandbox::{Options, Sandbox, server::Tls};

use super::{
    Report,
    args::{DemoArgs, SandboxArgs},
    error::Error,
};
use crate::{
    api, app,
    clock::SystemClock,
    config::{Config, Database},
    demo::Wishes,
    doctor::{Mailbox, Subjects},
};

/// Where the sandbox listens when nothing else is said.
const SANDBOX: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

/// Runs the service until `shutdown` is done.
pub(super) async fn serve(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    app::serve(config, shutdown).await.map_err(Error::failed)
}

/// Plays the demonstration.
pub(super) async fn demo(args: DemoArgs, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let wishes = Wishes {
        once: args.once,
        people: args.people,
        listen: args.listen,
    };
    crate::demo::run(&wishes, shutdown)
        .await
        .map_err(Error::failed)
}

/// Runs the sandbox until `shutdown` is done.
pub(super) async fn sandbox(
    args: SandboxArgs,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(Tls {
            cert_pem: read(cert)?,
            key_pem: read(key)?,
        }),
        _ => None,
    };
    let defaults = Options::default();
    let options = Options {
        public_url: args.public_url.map_or(defaults.public_url, |url| {
            url.as_str().trim_end_matches('/').to_owned()
        }),
        people: args.people.unwrap_or(defaults.people),
        users: args.users.unwrap_or(defaults.users),
        seed: args.seed.unwrap_or(defaults.seed),
        ..Options::default()
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let running = Sandbox::start(options, args.listen.unwrap_or(SANDBOX), tls)
        .await
        .map_err(Error::failed)?;
    println!("The sandbox listens on {scheme}://{}", running.addr);
    println!("  Tribe CRM    {scheme}://{}/_sandbox/tribe", running.addr);
    println!(
        "  Outlook      {scheme}://{}/_sandbox/outlook",
        running.addr
    );
    println!("  secrets      {scheme}://{}/_sandbox/config", running.addr);
    shutdown.await;
    running.shutdown().await;
    Ok(())
}

/// Applies migrations.
pub(super) async fn migrate(database: &Database) -> Result<Report, Error> {
    let store = app::open_store(database).await.map_err(Error::failed)?;
    store.ready().await.map_err(Error::failed)?;
    Ok(Report::new(json!({"schema": "current"}), |_: &Value| {
        "The database has the schema of this version.".to_owned()
    }))
}

/// The description of the API.
pub(super) fn openapi(json: bool) -> Result<String, Error> {
    if json {
        api::openapi().to_pretty_json().map_err(Error::failed)
    } else {
        api::docs::openapi_yaml().map_err(Error::failed)
    }
}

/// What `doctor` examines, built from the configuration.
pub(super) async fn subjects(config: &Config) -> Subjects {
    let store = app::open_store(&config.database)
        .await
        .map_err(|error| error.to_string());
    let remotes = match &store {
        Ok(store) => app::remotes(config, Arc::clone(store))
            .await
            .map_err(|error| error.to_string()),
        Err(why) => Err(why.clone()),
    };
    let part = |why: &String| why.clone();
    Subjects {
        clock: Arc::new(SystemClock),
        store,
        crm: remotes
            .as_ref()
            .map(|remotes| Arc::clone(&remotes.crm))
            .map_err(part),
        sign_in: remotes
            .as_ref()
            .map(|remotes| Arc::clone(&remotes.sign_in))
            .map_err(part),
        mailbox: remotes
            .as_ref()
            .map(|remotes| Mailbox {
                outlook: Arc::clone(&remotes.outlook),
                vault: Arc::clone(&remotes.vault),
            })
            .map_err(part),
        transport: remotes
            .as_ref()
            .map(|remotes| Arc::clone(&remotes.transport))
            .map_err(part),
    }
}
