//! The whole world behind one lock.

use std::collections::VecDeque;

use crate::{calls::Calls, deliver::Delivery, faults::Faults, graph::Graph, microsoft::Identity, tribe::Tribe};

/// What a sandbox is made of; the command's flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// Origin under which clients reach it, without a slash at the end: links and discovery use it.
    pub public_url: String,
    /// How many people the CRM starts with (spread over kinds and owners).
    pub people: usize,
    /// How many employees with a mailbox.
    pub users: usize,
    /// Everything that is drawn is drawn from this.
    pub seed: u64,
}

/// Tells the time: the machine's, moved by `POST /_sandbox/time`; a simulation gives its own.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;
}

/// Everything the sandbox knows. Held in one `std::sync::Mutex` that is never kept across an await.
pub struct State {
    /// How it was started; kept for a reset.
    pub options: Options,
    /// Milliseconds by which `POST /_sandbox/time` moved the clock.
    pub time_offset_ms: i64,
    /// The machine's or the simulation's clock.
    pub clock: std::sync::Arc<dyn Clock>,
    /// Every draw: ids, tokens, names.
    pub rng: fastrand::Rng,
    /// Tribe CRM.
    pub tribe: Tribe,
    /// Microsoft Graph.
    pub graph: Graph,
    /// The Microsoft identity platform.
    pub microsoft: Identity,
    /// What goes wrong on demand.
    pub faults: Faults,
    /// Every call received.
    pub calls: Calls,
    /// What is to be sent, in order of creation; the pump takes what is due.
    pub outbox: VecDeque<Delivery>,
}

impl State {
    /// Now, in milliseconds since the epoch, by the sandbox's own clock.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms() + self.time_offset_ms
    }
}
