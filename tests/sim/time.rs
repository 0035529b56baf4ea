//! Time and chance: the runtime's paused clock, moved on whenever nothing else can run, and draws
//! from the seed.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::process::Process;

/// 2026-11-24T09:00:00Z
const START_MS: i64 = 1_795_510_800_000;

/// The wall of one machine: simulated time plus how far that machine's clock is off.
#[derive(Clone)]
pub(crate) struct SimClock {
    began: Instant,
    off_ms: Arc<AtomicI64>,
}

impl SimClock {
    pub(crate) fn new(began: Instant) -> SimClock {
        SimClock {
            began,
            off_ms: Arc::new(AtomicI64::new(0)),
        }
    }

    /// Simulated milliseconds since the start, whatever the clock shows.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).expect("a short simulation")
    }

    pub(crate) fn now(&self) -> i64 {
        START_MS + self.elapsed_ms() + self.off_ms.load(Ordering::Relaxed)
    }

    /// Puts the clock forward or back.
    pub(crate) fn jump(&self, ms: i64) {
        self.off_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

/// The clock as one process sees it: whoever stands still wakes late.
pub(crate) struct ProcessClock {
    pub(crate) clock: SimClock,
    pub(crate) process: Arc<Process>,
}

#[async_trait]
impl tribelink::clock::Clock for ProcessClock {
    fn now_ms(&self) -> i64 {
        self.clock.now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.process.pass().await;
    }
}

impl tribelink_sandbox::Clock for SimClock {
    fn now_ms(&self) -> i64 {
        self.now()
    }
}

#[async_trait]
impl tribelink_sandbox::Sleep for SimClock {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Random bytes from the seed.
pub(crate) struct SimRandom(Mutex<fastrand::Rng>);

impl SimRandom {
    pub(crate) fn new(seed: u64) -> SimRandom {
        SimRandom(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl tribelink::random::Random for SimRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().expect("the generator").fill(bytes);
    }
}
