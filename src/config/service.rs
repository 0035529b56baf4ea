//! The sections about the service itself.

use std::{net::SocketAddr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    reader::{Read, Reader},
    sources::Raw,
    value::{self, Network},
};
use crate::{
    digest::{sha256, unhex32},
    vault::{KeyError, KeyRing},
};

/// Section `server`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Under which origin others reach it.
    pub public_url: Url,
    /// Longest body of a request, in bytes.
    pub max_body: usize,
    /// How long requests and jobs under way may take to end.
    pub shutdown_grace: Duration,
    /// Connections served at once.
    pub max_connections: usize,
    /// The instance in every stamp; `None`: the Tribe organisation's id.
    pub instance: Option<String>,
    /// Reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Networks that are not public and that environments added over the API may lead to.
    pub private_networks: Vec<Network>,
    /// Requests a minute of one client address; `None`: no limit.
    pub rate_limit: Option<u32>,
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Server> {
        let listen = Server::read_listen(reader);
        let public_url = Server::read_public_url(reader, listen);
        let max_body = reader.need("server.max_body", value::size);
        let shutdown_grace = reader.need("server.shutdown_grace", value::duration);
        let max_connections = reader.need("server.max_connections", value::number(1, 1_000_000));
        let instance = reader.optional("server.instance", instance);
        let trusted_proxies = reader.need("server.trusted_proxies", value::networks);
        let private_networks = reader.need("server.private_networks", value::networks);
        let rate_limit = reader.need("server.rate_limit", value::number(0, 1_000_000));
        Some(Server {
            listen: listen?,
            public_url: public_url?,
            max_body: max_body?,
            shutdown_grace: shutdown_grace?,
            max_connections: max_connections? as usize,
            instance: instance?,
            trusted_proxies: trusted_proxies?,
            private_networks: private_networks?,
            rate_limit: rate_limit.map(|limit| (limit > 0).then_some(limit))?,
        })
    }

    pub(super) fn read_listen(reader: &mut Reader<'_>) -> Option<SocketAddr> {
        reader.need("server.listen", |raw| {
            let text = value::text(raw)?;
            text.parse()
                .map_err(|_| format!("is {text:?}, no address such as 127.0.0.1:8080"))
        })
    }

    /// A loopback address that is not named otherwise is its own origin.
    fn read_public_url(reader: &mut Reader<'_>, listen: Option<SocketAddr>) -> Option<Url> {
        let key = "server.public_url";
        if let Some(url) = reader.optional(key, value::origin)? {
            return Some(url);
        }
        let listen = listen?;
        if listen.ip().is_loopback() && listen.port() != 0 {
            return Url::parse(&format!("http://{listen}")).ok();
        }
        reader.problem(
            key,
            "is required when server.listen is no loopback address with a port: browsers, Tribe \
             and Microsoft must be told where the service is",
        );
        None
    }
}

/// The instance is written into Outlook contacts: kept to a short word.
fn instance(raw: &Raw) -> Result<String, String> {
    let text = value::text(raw)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 64 && text.chars().all(fits) {
        Ok(text)
    } else {
        Err("takes up to 64 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

/// Section `database`.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`; a secret, since it may hold a password.
    pub url: SecretString,
}

impl Database {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Database> {
        let url = reader.need_secret("database.url")?;
        let rest = ["sqlite://", "postgres://", "postgresql://"]
            .into_iter()
            .find_map(|scheme| url.expose_secret().strip_prefix(scheme));
        if rest.is_none_or(str::is_empty) {
            let message = "is neither sqlite://path nor postgres://user:password@host/name";
            reader.problem("database.url", message);
            return None;
        }
        Some(Database { url })
    }
}

/// What a token of the admin API may do; each role may what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, never values of personal fields.
    Viewer,
    /// Decides: preview, pause, resume, resync, release, held, parked, undo.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    const WORDS: &'static [(&'static str, Role)] = &[
        ("viewer", Role::Viewer),
        ("operator", Role::Operator),
        ("admin", Role::Admin),
    ];

    /// The role of that word.
    pub fn from_name(word: &str) -> Option<Role> {
        let known = Role::WORDS.iter().find(|(name, _)| *name == word);
        known.map(|(_, role)| *role)
    }

    /// The configuration's word.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

/// A token of the admin API, by its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Whose, for the log.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AdminToken({}, {})", self.name, self.role.name())
    }
}

/// Section `security`.
#[derive(Clone, Debug)]
pub struct Security {
    /// Entries of the key ring, the current one first; each was checked.
    pub encryption_keys: Vec<SecretString>,
    /// One token with the role admin.
    pub admin_token: Option<SecretString>,
    /// Further tokens.
    pub admin_tokens: Vec<AdminToken>,
}

impl Security {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Security> {
        let encryption_keys = Security::read_keys(reader);
        let admin_token = Security::read_admin_token(reader);
        let admin_tokens = reader.optional("security.admin_tokens", admin_tokens);
        Some(Security {
            encryption_keys: encryption_keys?,
            admin_token: admin_token?,
            admin_tokens: admin_tokens?.unwrap_or_default(),
        })
    }

    /// The key ring.
    ///
    /// # Errors
    /// None for a configuration that was read: its entries were checked.
    pub fn key_ring(&self) -> Result<KeyRing, Vec<KeyError>> {
        KeyRing::parse(&self.encryption_keys)
    }

    /// Every token of the admin API; `security.admin_token` under the name `admin`.
    pub fn tokens(&self) -> Vec<AdminToken> {
        let own = self.admin_token.iter().map(|token| AdminToken {
            name: "admin".to_owned(),
            role: Role::Admin,
            sha256: sha256(token.expose_secret().as_bytes()),
        });
        own.chain(self.admin_tokens.iter().cloned()).collect()
    }

    pub(super) fn read_admin_token(reader: &mut Reader<'_>) -> Read<SecretString> {
        let key = "security.admin_token";
        let read = reader.secret(key)?;
        let in_header =
            |token: &SecretString| token.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        if read.as_ref().is_some_and(|token| !in_header(token)) {
            reader.problem(
                key,
                "must fit into a header: visible ASCII characters, no spaces",
            );
            return None;
        }
        Some(read)
    }

    fn read_keys(reader: &mut Reader<'_>) -> Option<Vec<SecretString>> {
        let key = "security.encryption_keys";
        let Some(keys) = reader.secrets(key)? else {
            reader.problem(
                key,
                "is required: make a key with `tribelink keys new` (or: echo \"k1:$(openssl rand \
                 -base64 32)\"), keep a copy in a safe place, and set it, here or as \
                 encryption_keys_file",
            );
            return None;
        };
        match KeyRing::parse(&keys) {
            Ok(_) => Some(keys),
            Err(errors) => {
                errors
                    .iter()
                    .for_each(|error| reader.problem(key, format!(": {error}")));
                None
            }
        }
    }
}

fn admin_tokens(raw: &Raw) -> Result<Vec<AdminToken>, String> {
    let parts: Vec<[String; 3]> = match raw {
        Raw::Toml(toml::Value::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(i, item)| token_table(i + 1, item))
            .collect::<Result<_, _>>()?,
        other => {
            let items = value::list(other)?;
            items
                .iter()
                .enumerate()
                .map(|(i, item)| token_text(i + 1, item))
                .collect::<Result<_, _>>()?
        }
    };
    let mut tokens: Vec<AdminToken> = Vec::new();
    for (index, [name, role, sha256]) in parts.into_iter().enumerate() {
        let place = index + 1;
        if name.is_empty() || tokens.iter().any(|token| token.name == name) {
            return Err(format!("entry {place}: the name is empty or taken"));
        }
        let role = Role::WORDS
            .iter()
            .find(|(word, _)| *word == role)
            .map(|(_, role)| *role)
            .ok_or_else(|| format!("entry {place}: the role is none of viewer, operator, admin"))?;
        let sha256 = unhex32(&sha256).ok_or_else(|| {
            format!(
                "entry {place}: sha256 takes 64 lower-case hex digits (printf %s TOKEN | sha256sum)"
            )
        })?;
        tokens.push(AdminToken { name, role, sha256 });
    }
    Ok(tokens)
}

fn token_table(place: usize, item: &toml::Value) -> Result<[String; 3], String> {
    let names = ["name", "role", "sha256"];
    let wrong = || format!("entry {place} takes name, role and sha256, and nothing else");
    let table = item.as_table().ok_or_else(wrong)?;
    if table.keys().any(|key| !names.contains(&key.as_str())) {
        return Err(wrong());
    }
    let member = |name| {
        table
            .get(name)
            .and_then(toml::Value::as_str)
            .map(str::to_owned)
    };
    match names.map(member) {
        [Some(name), Some(role), Some(sha256)] => Ok([name, role, sha256]),
        _ => Err(wrong()),
    }
}

fn token_text(place: usize, item: &str) -> Result<[String; 3], String> {
    match item.split(':').collect::<Vec<_>>()[..] {
        [name, role, sha256] => Ok([name.to_owned(), role.to_owned(), sha256.to_owned()]),
        _ => Err(format!("entry {place} is not of the form name:role:sha256")),
    }
}

/// Section `worker`.
#[derive(Clone, Debug)]
pub struct Worker {
    /// How long a lane stays with a replica that fell silent.
    pub lease: Duration,
    /// Mailboxes worked on at once.
    pub mailboxes: usize,
}

impl Worker {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Worker> {
        let lease = reader.need("worker.lease", value::interval);
        let mailboxes = reader.need("worker.mailboxes", value::number(1, 100_000));
        Some(Worker {
            lease: lease?,
            mailboxes: mailboxes? as usize,
        })
    }
}

/// Section `audit`.
#[derive(Clone, Debug)]
pub struct Audit {
    /// How long values are kept for undo; `None`: not at all.
    pub undo: Option<Duration>,
    /// How long lines are kept; `None`: for ever.
    pub keep: Option<Duration>,
}

impl Audit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Audit> {
        let undo = reader.need("audit.undo_days", value::number(0, 3_650));
        let keep = reader.need("audit.keep_days", value::number(0, 36_500));
        let (undo, keep) = (undo?, keep?);
        if keep > 0 && keep < undo {
            reader.problem(
                "audit.keep_days",
                "is below audit.undo_days: what is to be undone must be kept",
            );
            return None;
        }
        let time = |days: u32| (days > 0).then(|| Duration::from_secs(u64::from(days) * 86_400));
        Some(Audit {
            undo: time(undo),
            keep: time(keep),
        })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors: one JSON object a line.
    Json,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Everybody who can reach the service.
    Open,
    /// Whoever has a token of the admin API.
    Viewer,
    /// Nobody.
    Off,
}

/// Section `telemetry`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as directives of `tracing-subscriber`.
    pub log_filter: String,
    /// Who may read `/metrics`.
    pub metrics_access: MetricsAccess,
    /// The collector of traces; `None`: no traces.
    pub otlp_url: Option<Url>,
}

impl Telemetry {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Telemetry> {
        const FORMATS: &[(&str, LogFormat)] =
            &[("text", LogFormat::Text), ("json", LogFormat::Json)];
        const ACCESS: &[(&str, MetricsAccess)] = &[
            ("open", MetricsAccess::Open),
            ("viewer", MetricsAccess::Viewer),
            ("off", MetricsAccess::Off),
        ];
        let log_format = reader.need("telemetry.log_format", value::choice(FORMATS));
        let log_filter = reader.need("telemetry.log_filter", |raw| {
            let text = value::text(raw)?;
            let parsed = tracing_subscriber::EnvFilter::builder().parse(&text);
            parsed
                .map(|_| text)
                .map_err(|error| format!("is no log filter: {error}"))
        });
        let metrics_access = reader.need("telemetry.metrics_access", value::choice(ACCESS));
        let otlp_url = reader.optional("telemetry.otlp_url", value::origin);
        Some(Telemetry {
            log_format: log_format?,
            log_filter: log_filter?,
            metrics_access: metrics_access?,
            otlp_url: otlp_url?,
        })
    }
}
