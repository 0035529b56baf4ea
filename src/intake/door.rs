//! Which secrets open an environment's door, kept in memory: a delivery costs no read.
//!
//! All doors are read together, when a delivery comes in and they are older than `FRESH_MS`, and
//! on a miss (unknown environment, nothing fits) at most once per `MISS_MS`, so that a webhook
//! that another replica registered a moment ago is known, and a stranger cannot make the store read
//! for each of his attempts.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use http::HeaderName;
use secrecy::SecretString;
use tribelink_plan::ids::EnvironmentId;

use crate::{
    clock::Clock,
    environment::{self, Configured},
    sealed::webhook_row,
    store::{self, Environment, Store, Webhook},
    vault::{Vault, column},
};

/// How long doors are taken as they were read.
const FRESH_MS: i64 = 60_000;
/// How soon a miss may cause another read.
const MISS_MS: i64 = 1_000;

/// What opens one environment's door.
#[derive(Clone, Default)]
pub struct Door {
    /// The header that carries the signature; unset: any.
    pub signature_header: Option<HeaderName>,
    /// Configured secrets that are not bound to one webhook.
    pub shared: Vec<SecretString>,
    /// The webhooks this service registered, or that a configured secret names.
    pub hooks: Vec<Hook>,
}

/// One webhook.
#[derive(Clone)]
pub struct Hook {
    /// Its own secrets: as returned at registration, and as configured for its id.
    pub secrets: Vec<SecretString>,
    /// SHA-256 of its custom header's value.
    pub header_hash: [u8; 32],
}

impl Door {
    /// Every secret that may have signed.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> + Clone {
        let own = self.hooks.iter().flat_map(|hook| hook.secrets.iter());
        self.shared.iter().chain(own)
    }

    /// The custom headers that count: of webhooks whose own secret is unknown. A configured secret
    /// without a webhook's id is the secret of all of them.
    pub fn header_hashes(&self) -> impl Iterator<Item = &[u8; 32]> + Clone {
        self.hooks
            .iter()
            .filter(|hook| self.shared.is_empty() && hook.secrets.is_empty())
            .map(|hook| &hook.header_hash)
    }
}

/// Whether a door opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// There is no such environment.
    Unknown,
    /// Nothing fits.
    Shut,
    /// Something fits.
    Open,
}

/// Every environment's door.
pub struct Doors {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    default: Configured,
    read: RwLock<Arc<Snapshot>>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Snapshot {
    at_ms: Option<i64>,
    doors: HashMap<EnvironmentId, Door>,
}

impl Snapshot {
    fn judge(&self, environment: &EnvironmentId, fits: &impl Fn(&Door) -> bool) -> Opened {
        match self.doors.get(environment) {
            None => Opened::Unknown,
            Some(door) if fits(door) => Opened::Open,
            Some(_) => Opened::Shut,
        }
    }

    fn is_older_than(&self, ms: i64, now_ms: i64) -> bool {
        self.at_ms.is_none_or(|at_ms| (now_ms - at_ms).abs() >= ms)
    }
}

impl Doors {
    /// Doors over the store; `default` is what the configuration says of the environment that it
    /// describes itself. Environments added over the API carry theirs in their settings.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        default: Configured,
    ) -> Doors {
        Doors {
            store,
            vault,
            clock,
            default,
            read: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Tries an environment's door.
    ///
    /// # Errors
    /// The store could not be read and nothing is known from before: safe to repeat.
    pub async fn open(
        &self,
        environment: &EnvironmentId,
        fits: impl Fn(&Door) -> bool,
    ) -> Result<Opened, store::Error> {
        let snapshot = self.within(FRESH_MS).await?;
        let judged = snapshot.judge(environment, &fits);
        if judged == Opened::Open {
            return Ok(judged);
        }
        let newer = self.within(MISS_MS).await?;
        if Arc::ptr_eq(&snapshot, &newer) {
            return Ok(judged);
        }
        Ok(newer.judge(environment, &fits))
    }

    fn current(&self) -> Arc<Snapshot> {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&read)
    }

    /// A snapshot not older than `ms`; an older one when the store cannot be read.
    async fn within(&self, ms: i64) -> Result<Arc<Snapshot>, store::Error> {
        let current = self.current();
        if !current.is_older_than(ms, self.clock.now_ms()) {
            return Ok(current);
        }
        let _one_reader = self.reading.lock().await;
        let current = self.current();
        let now_ms = self.clock.now_ms();
        if !current.is_older_than(ms, now_ms) {
            return Ok(current);
        }
        match self.snapshot(now_ms).await {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                *self.read.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&snapshot);
                Ok(snapshot)
            }
            Err(error) if current.at_ms.is_some() => {
                tracing::warn!(%error, "webhook secrets could not be read again");
                Ok(current)
            }
            Err(error) => Err(error),
        }
    }

    async fn snapshot(&self, now_ms: i64) -> Result<Snapshot, store::Error> {
        let mut doors = HashMap::new();
        for environment in self.store.environments().await? {
            let webhooks = self.store.webhooks(&environment.id).await?;
            let door = self.door(&environment, webhooks);
            doors.insert(environment.id, door);
        }
        Ok(Snapshot {
            at_ms: Some(now_ms),
            doors,
        })
    }

    fn door(&self, environment: &Environment, webhooks: Vec<Webhook>) -> Door {
        let configured = match environment::Settings::open(&self.vault, environment) {
            Ok(None) => self.default.clone(),
            Ok(Some(settings)) => settings.webhook_secrets(),
            Err(error) => {
                // Its door stays shut; the other environments' stay open.
                tracing::error!(environment = %environment.id, %error, "settings could not be opened");
                Configured::default()
            }
        };
        let secret = |webhook: &Webhook| {
            let sealed = webhook.secret.as_ref()?;
            let row = webhook_row(environment.id.as_str(), &webhook.id);
            self.vault
                .open_text(column::WEBHOOK_SECRET, &row, sealed)
                .ok()
        };
        let hooks = webhooks.iter().map(|webhook| {
            let named = configured
                .secrets
                .iter()
                .filter(|(id, _)| id.as_deref() == Some(&webhook.id));
            Hook {
                secrets: named
                    .map(|(_, secret)| secret.clone())
                    .chain(secret(webhook))
                    .collect(),
                header_hash: webhook.header_hash,
            }
        });
        let hooks: Vec<Hook> = hooks.collect();
        // A secret for the id of a webhook that somebody else registered opens the door too, and
        // says nothing about the secrets of ours.
        let foreign = configured.secrets.iter().filter(|(id, _)| {
            id.as_ref()
                .is_some_and(|id| !webhooks.iter().any(|webhook| webhook.id == *id))
        });
        let foreign = foreign.map(|(_, secret)| Hook {
            secrets: vec![secret.clone()],
            header_hash: [0; 32],
        });
        let shared = configured.secrets.iter().filter(|(id, _)| id.is_none());
        Door {
            signature_header: configured.signature_header.clone(),
            shared: shared.map(|(_, secret)| secret.clone()).collect(),
            hooks: hooks.into_iter().chain(foreign).collect(),
        }
    }
}
