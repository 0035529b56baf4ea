//! Which subscription belongs to whom, kept in memory: judging a notification costs no read.
//!
//! Filled from the store once, told by the worker that subscribes, and asked of the store on a
//! miss, at most `MISSES_PER_SECOND` times: a stranger who invents ids does not get a read each.
//! Of ten thousand mailboxes the filling takes a quarter of a second, which keeps nobody but Graph's
//! notices waiting.
//! A notice whose subscription is not known yet is dropped with a 202; the delta that follows every
//! subscribing reads what it spoke of.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use tokio::sync::OnceCell;
use tribelink_plan::ids::{EnvironmentId, UserId};

use crate::{
    clock::Clock,
    store::{self, Store, Subscription},
    telemetry,
};

/// How many misses may read the store within a second.
const MISSES_PER_SECOND: u32 = 50;
/// After this time an entry is read again when it is next used, so that one that another replica
/// ended does not count for ever.
const FRESH_MS: i64 = 300_000;
/// Rows read at once when filling.
const PAGE: usize = 1_000;

/// What is known of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whose.
    pub user: UserId,
    /// Whose environment.
    pub environment: EnvironmentId,
    /// SHA-256 of its `clientState`.
    pub client_state_hash: [u8; 32],
    /// The certificate that it named.
    pub certificate: Option<String>,
}

/// Every subscription, as far as this process knows.
pub struct Subscriptions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    known: RwLock<HashMap<String, (Known, i64)>>,
    filled: OnceCell<()>,
    budget: Mutex<Budget>,
}

#[derive(Default)]
struct Budget {
    second: i64,
    used: u32,
}

impl Subscriptions {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Subscriptions {
        Subscriptions {
            store,
            clock,
            known: RwLock::default(),
            filled: OnceCell::new(),
            budget: Mutex::default(),
        }
    }

    /// Reads every subscription, once; whoever asks meanwhile waits for it.
    ///
    /// # Errors
    /// The store could not be read; safe to repeat. What is known stays.
    pub async fn fill(&self) -> Result<(), store::Error> {
        self.filled.get_or_try_init(|| self.read()).await.copied()
    }

    async fn read(&self) -> Result<(), store::Error> {
        let mut after: Option<String> = None;
        loop {
            let page = self.store.subscriptions(after.as_deref(), PAGE).await?;
            for subscription in &page {
                self.put(subscription);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// A subscription was made, renewed or read.
    pub fn put(&self, subscription: &Subscription) {
        let known = Known {
            user: subscription.user,
            environment: subscription.environment.clone(),
            client_state_hash: subscription.client_state_hash,
            certificate: subscription.certificate.clone(),
        };
        let now_ms = self.clock.now_ms();
        self.write(|map| {
            map.insert(subscription.id.clone(), (known, now_ms));
        });
    }

    /// A user's subscriptions ended.
    pub fn forget(&self, user: UserId) {
        self.write(|map| map.retain(|_, (known, _)| known.user != user));
    }

    /// Whose subscription it is; `None` for a stranger's, or when too many strangers ask.
    ///
    /// # Errors
    /// It is not known and the store could not be read; safe to repeat.
    pub async fn find(&self, id: &str) -> Result<Option<Known>, store::Error> {
        self.fill().await?;
        let now_ms = self.clock.now_ms();
        let known = {
            let map = self.known.read().unwrap_or_else(PoisonError::into_inner);
            map.get(id).cloned()
        };
        if let Some((known, read_ms)) = &known
            && (now_ms - read_ms).abs() < FRESH_MS
        {
            return Ok(Some(known.clone()));
        }
        let known = known.map(|(known, _)| known);
        if !self.may_read(now_ms) {
            telemetry::meter::lookup_refused();
            return Ok(known);
        }
        match (self.store.subscription(id).await, known) {
            (Ok(Some(subscription)), _) => {
                self.put(&subscription);
                Ok(Some(Known {
                    user: subscription.user,
                    environment: subscription.environment,
                    client_state_hash: subscription.client_state_hash,
                    certificate: subscription.certificate,
                }))
            }
            (Ok(None), _) => {
                self.write(|map| {
                    map.remove(id);
                });
                Ok(None)
            }
            (Err(_), Some(known)) => Ok(Some(known)),
            (Err(error), None) => Err(error),
        }
    }

    fn may_read(&self, now_ms: i64) -> bool {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now_ms.div_euclid(1_000);
        if budget.second != second {
            *budget = Budget { second, used: 0 };
        }
        budget.used += 1;
        budget.used <= MISSES_PER_SECOND
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<String, (Known, i64)>)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }
}
