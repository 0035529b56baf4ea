//! The certificates that contents are sealed for: made on first need, replaced before they end, kept
//! until no live subscription names them.
//!
//! One serves every mailbox of the installation. Replicas agree by the store: of two that make the
//! next one at the same time, one is refused and takes the other's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use secrecy::{ExposeSecret as _, SecretSlice};

use crate::{
    clock::Clock,
    graph::rich::{self, BadKey, Opener},
    random::{self, Random},
    store::{self, Certificate, Change, Guard, Store},
    vault::{self, Vault, column},
};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a certificate lives. Whoever learns a key reads what its contents carried meanwhile, and
/// no more.
const LIFE_MS: i64 = 90 * DAY_MS;
/// With less than this left, new subscriptions get another one; those there are live for a day.
const ROTATED_MS: i64 = 30 * DAY_MS;
/// Clocks may differ: a certificate counts from this long before it was made.
const EARLIER_MS: i64 = DAY_MS;
/// Keys kept open; more certificates than these are never in use.
const MOST_OPENERS: usize = 16;

/// No certificate could be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed; safe to repeat.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The stored key does not open: an administrator must act.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// No key could be made or read.
    #[error(transparent)]
    Key(#[from] BadKey),
}

/// Keeps them.
pub struct Certificates {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// A thousand mailboxes that need the next one make it once.
    making: tokio::sync::Mutex<()>,
    openers: Mutex<HashMap<String, Arc<Opener>>>,
}

impl Certificates {
    /// Over the store.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Certificates {
        Certificates {
            store,
            vault,
            clock,
            random,
            making: tokio::sync::Mutex::default(),
            openers: Mutex::default(),
        }
    }

    /// The one for new subscriptions; makes it where none lives long enough.
    ///
    /// # Errors
    /// The store or the system's cryptography failed; safe to repeat.
    pub async fn current(&self) -> Result<Certificate, Error> {
        let _one_maker = self.making.lock().await;
        let newest = self.store.certificates().await?.pop();
        let now = self.clock.now_ms();
        if let Some(newest) = &newest
            && newest.until_ms - now >= ROTATED_MS
        {
            return Ok(newest.clone());
        }
        let next = self.make(newest.map_or(1, |newest| newest.number + 1), now);
        let next = next.await?;
        let put = Change::PutCertificate(next.clone());
        match self.store.commit(&Guard::None, vec![put]).await {
            Ok(()) => {
                tracing::info!(certificate = next.id, "a certificate for contents was made");
                Ok(next)
            }
            Err(error @ store::Error::Conflict(_)) => {
                // Another replica made the next one; it is as fresh as this one.
                let theirs = self.store.certificates().await?.pop();
                theirs.ok_or(Error::Store(error))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The number of the newest; 0 where there is none.
    pub(super) async fn newest(&self) -> Result<i64, store::Error> {
        let newest = self.store.certificates().await?.pop();
        Ok(newest.map_or(0, |newest| newest.number))
    }

    async fn make(&self, number: i64, now_ms: i64) -> Result<Certificate, Error> {
        let mut serial = [0; 16];
        self.random.fill(&mut serial);
        let id = random::token(self.random.as_ref());
        let until_ms = now_ms + LIFE_MS;
        // Some tenths of a second of one core.
        let made =
            tokio::task::spawn_blocking(move || rich::make(now_ms - EARLIER_MS, until_ms, serial));
        let fresh = made.await.map_err(|_| BadKey)??;
        let key = fresh.private_key.expose_secret();
        Ok(Certificate {
            number,
            private_key: self.vault.seal(column::CERTIFICATE_KEY, &id, key),
            certificate: fresh.certificate,
            created_ms: now_ms,
            until_ms,
            id,
        })
    }

    /// The private half of a certificate; `None` for one that is not known.
    ///
    /// # Errors
    /// It could not be read, or does not open.
    pub async fn opener(&self, id: &str) -> Result<Option<Arc<Opener>>, Error> {
        if let Some(known) = self.known().get(id) {
            return Ok(Some(Arc::clone(known)));
        }
        let all = self.store.certificates().await?;
        let Some(row) = all.into_iter().find(|row| row.id == id) else {
            return Ok(None);
        };
        let key = self
            .vault
            .open(column::CERTIFICATE_KEY, id, &row.private_key)?;
        let opener = Arc::new(Opener::new(&SecretSlice::from(key.to_vec()))?);
        let mut known = self.known();
        if known.len() >= MOST_OPENERS {
            known.clear();
        }
        known.insert(row.id, Arc::clone(&opener));
        Ok(Some(opener))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Opener>>> {
        self.openers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
