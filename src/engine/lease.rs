//! The right to work on a lane, kept alive while a job runs and checked before every write.
//!
//! Fencing cannot reach a remote. So before each remote write the lease must have time left, and
//! the request's time limit lies under what is left of it (design, shape 5).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Engine, Error, retry};
use crate::{
    store::{Change, Guard, Lane, Lease},
    telemetry::meter,
};

/// A request to a remote may take this long, at most.
pub const REQUEST: Duration = Duration::from_secs(60);

/// What must be left of a lease after a request's time limit.
const MARGIN_MS: i64 = 1_000;

/// How often a rest is kept anew while the database is away: for about half a minute.
const RESTS_TRIED: u32 = 8;

/// A held lease.
pub(crate) struct Held {
    engine: Arc<Engine>,
    lease: Mutex<Lease>,
    lost: AtomicBool,
}

impl Held {
    /// Takes the lease of a lane; `None`: somebody else works on it.
    pub(crate) async fn claim(
        engine: &Arc<Engine>,
        lane: &Lane,
    ) -> Result<Option<Arc<Held>>, Error> {
        let claimed = engine
            .ports
            .store
            .claim(lane, &engine.holder, engine.now(), engine.lease_ms())
            .await?;
        Ok(claimed.map(|lease| {
            meter::lease_taken(&lease.lane);
            Arc::new(Held {
                engine: Arc::clone(engine),
                lease: Mutex::new(lease),
                lost: AtomicBool::new(false),
            })
        }))
    }

    /// The lease as last renewed.
    pub(crate) fn lease(&self) -> Lease {
        self.lease
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Renews the lease every third of its life, until dropped or lost.
    pub(crate) async fn keep(&self) {
        let third = self.engine.settings.lease / 3;
        loop {
            self.engine.ports.clock.sleep(third).await;
            if self.renew().await.is_err() {
                return;
            }
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        let engine = &self.engine;
        let lease = self.lease();
        match engine
            .ports
            .store
            .renew(&lease, engine.now(), engine.lease_ms())
            .await
        {
            Ok(Some(renewed)) => {
                *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = renewed;
                Ok(())
            }
            Ok(None) => {
                self.lost.store(true, Ordering::Release);
                Err(Error::Store(crate::store::Error::LeaseLost))
            }
            // The database may come back before the lease ends; time tells.
            Err(error) => {
                if engine.now() >= lease.until_ms {
                    self.lost.store(true, Ordering::Release);
                    return Err(error.into());
                }
                Ok(())
            }
        }
    }

    /// The time limit of the next request, so that it ends before the lease does.
    ///
    /// # Errors
    /// The lease was lost or is about to end: stop the job.
    pub(crate) async fn time_limit(&self) -> Result<Duration, Error> {
        if self.left_ms() < 3 * MARGIN_MS {
            self.renew().await?;
        }
        let left = self.left_ms() - MARGIN_MS;
        if self.lost.load(Ordering::Acquire) || left <= 0 {
            return Err(Error::Store(crate::store::Error::LeaseLost));
        }
        Ok(Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(REQUEST))
    }

    fn left_ms(&self) -> i64 {
        self.lease().until_ms - self.engine.now()
    }

    /// Applies changes under the lease.
    pub(crate) async fn commit(&self, mut changes: Vec<Change>) -> Result<(), Error> {
        changes.retain(|change| !change.is_idle());
        if changes.is_empty() {
            return Ok(());
        }
        let guard = Guard::Lease {
            lease: self.lease(),
            now_ms: self.engine.now(),
        };
        let tally = meter::Tally::of(&changes);
        self.engine.ports.store.commit(&guard, changes).await?;
        tally.count();
        Ok(())
    }

    /// Applies changes under the lease, and tries again for as long as it lasts while the database is
    /// away: for what would be done wrongly if the job began anew without it, as a call within a rest
    /// that a remote asked for. The changes must bear being applied twice.
    pub(crate) async fn insist(&self, changes: Vec<Change>) -> Result<(), Error> {
        for attempts in 0.. {
            match self.commit(changes.clone()).await {
                Err(Error::Store(crate::store::Error::Unavailable(_))) if self.left_ms() > 0 => {
                    self.wait_for_database(attempts).await;
                }
                outcome => return outcome,
            }
        }
        Ok(())
    }

    /// Keeps a rest that a remote asked for: it binds whoever works on the lane next, so it needs no
    /// lease, which may have ended while the answer was on its way.
    ///
    /// # Errors
    /// The database stays away; the rest is not kept.
    pub(crate) async fn keep_rest(&self, rest: Change) -> Result<(), Error> {
        let store = &self.engine.ports.store;
        let mut attempts = 0;
        loop {
            let kept = store.commit(&Guard::None, vec![rest.clone()]).await;
            let passes = matches!(kept, Err(crate::store::Error::Unavailable(_)));
            if !passes || attempts >= RESTS_TRIED {
                return kept.map_err(Error::Store);
            }
            self.wait_for_database(attempts).await;
            attempts += 1;
        }
    }

    /// Before the database is tried again.
    async fn wait_for_database(&self, attempts: u32) {
        let wait_ms = retry::backoff_ms(attempts, 0).min(5_000);
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        self.engine.ports.clock.sleep(wait).await;
    }

    /// Gives the lease back.
    pub(crate) async fn release(&self) {
        // One that is not returned ends by itself.
        if let Err(error) = self.engine.ports.store.release(&self.lease()).await {
            tracing::debug!(%error, "a lease was not returned; it ends by itself");
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        meter::lease_ended(&self.lease().lane, self.lost.load(Ordering::Acquire));
    }
}
