//! The configuration: embedded defaults, a file, the environment.
//!
//! [`Sources`] lays the three over one another as a flat map from dotted keys to values; [`Config`]
//! is what they say, read key by key, so that every problem is reported at once and under its key's
//! name. `default.toml` in this folder is the only place of a default, and the documentation.
//!
//! # Map
//! - [`sources`]: where values come from, and which wins.
//! - [`reader`]: reads typed values out of the sources and collects [`Problem`]s.
//! - [`value`]: the forms of values: durations, sizes, origins, networks (pure).
//! - [`service`]: sections `server`, `database`, `security`, `worker`, `audit`, `telemetry`.
//! - [`remotes`]: sections `tribe` and `microsoft`.
//! - [`mod@reference`]: the documentation of every key (pure).
//! - [`canary`]: section `canary`.
//! - [`sync`]: section `sync`, and the planner's [`Policy`](tribelink_plan::policy::Policy) from it.
//!
//! Secrets are [`SecretString`](secrecy::SecretString)s; no problem ever shows one.

mod canary;
mod in_force;
mod login;
mod reader;
pub mod reference;
mod remotes;
mod service;
mod sources;
mod sync;
mod value;

#[cfg(test)]
mod tests;

pub use login::{Login, OpenIdSettings};
pub use reader::{Problem, Problems};
pub use remotes::{Credential, Grant, Microsoft, Names, ReadStyle, Tribe, WebhookSecret};
pub use service::{
    AdminToken, Audit, Database, LogFormat, MetricsAccess, Role, Security, Server, Telemetry,
    Worker,
};
pub use sources::{DEFAULTS, Sources};
pub use sync::{MOST_BRAKE_MIN, MOST_BRAKE_PERCENT, SyncSettings, is_region};
pub use value::{Network, is_loopback};

use reader::Reader;

/// What the administrator configured, checked as a whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Section `server`.
    pub server: Server,
    /// Section `database`.
    pub database: Database,
    /// Section `security`.
    pub security: Security,
    /// Section `tribe`: the environment `default`.
    pub tribe: Tribe,
    /// Section `microsoft`.
    pub microsoft: Microsoft,
    /// Section `sync`.
    pub sync: SyncSettings,
    /// Section `canary`.
    pub canary: crate::canary::Settings,
    /// Section `worker`.
    pub worker: Worker,
    /// Section `audit`.
    pub audit: Audit,
    /// Section `login`.
    pub login: Login,
    /// Section `telemetry`.
    pub telemetry: Telemetry,
}

/// What the admin commands need: where the service is and who asks.
#[derive(Clone, Debug)]
pub struct AdminAccess {
    /// Where the service listens.
    pub listen: std::net::SocketAddr,
    /// `security.admin_token`
    pub token: Option<secrecy::SecretString>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every problem at once, each with its key and what to do.
    pub fn read(sources: &Sources) -> Result<Config, Problems> {
        let mut reader = Reader::new(sources);
        let config = Config::from_reader(&mut reader);
        reader.finish(config)
    }

    /// A configuration from dotted keys alone, over the defaults: for the demonstration and for
    /// tests, which must not depend on files and environment. Lists are separated by commas.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Config, Problems> {
        Config::read(&Sources::from_pairs(pairs)?)
    }

    fn from_reader(reader: &mut Reader<'_>) -> Option<Config> {
        // Every section is read before the first `?`, so that no problem hides another.
        let server = Server::read(reader);
        let database = Database::read(reader);
        let security = Security::read(reader);
        let tribe = Tribe::read(reader);
        let microsoft = Microsoft::read(reader);
        let sync = SyncSettings::read(reader);
        let canary = canary::read(reader, sync.as_ref());
        let worker = Worker::read(reader);
        let audit = Audit::read(reader);
        let login = Login::read(reader);
        let telemetry = Telemetry::read(reader);
        Some(Config {
            server: server?,
            database: database?,
            security: security?,
            tribe: tribe?,
            microsoft: microsoft?,
            sync: sync?,
            canary: canary?,
            worker: worker?,
            audit: audit?,
            login: login?,
            telemetry: telemetry?,
        })
    }
}

impl Database {
    /// Reads this section alone: what `migrate` needs.
    ///
    /// # Errors
    /// This section's problems.
    pub fn read_alone(sources: &Sources) -> Result<Database, Problems> {
        let mut reader = Reader::new(sources);
        let database = Database::read(&mut reader);
        reader.finish_part(database)
    }
}

impl AdminAccess {
    /// Reads what the admin commands need and nothing else: they run where the service's other
    /// secrets are not.
    ///
    /// # Errors
    /// Problems of these keys.
    pub fn read(sources: &Sources) -> Result<AdminAccess, Problems> {
        let mut reader = Reader::new(sources);
        let listen = Server::read_listen(&mut reader);
        let token = Security::read_admin_token(&mut reader);
        let access = listen
            .zip(token)
            .map(|(listen, token)| AdminAccess { listen, token });
        reader.finish_part(access)
    }
}
