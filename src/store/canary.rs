//! What is kept of the canary: the round of each environment, and what was proven of each mailbox.
//! Numbers and times alone.

use tribelink_plan::{
    field::Side,
    ids::{EnvironmentId, UserId},
};

/// The newest round of an environment's canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryRound {
    /// Whose.
    pub environment: EnvironmentId,
    /// Rises by one; 0: none began yet.
    pub number: i64,
    /// The mailbox in which it began; `None`: in Tribe.
    pub origin: Option<UserId>,
    /// When it began.
    pub began_ms: i64,
    /// Whether its value was written where it begins, or the mailbox has its hint.
    pub written: bool,
    /// When the next one is due.
    pub due_ms: i64,
}

/// What the canary proved of one mailbox, on the way to one side; key: user and side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryProof {
    /// Whose.
    pub user: UserId,
    /// The side that the value was to arrive at.
    pub to: Side,
    /// The newest round that was asked of it or arrived; 0: it is to be asked first.
    pub round: i64,
    /// Since when it waits for a value to arrive.
    pub waits_ms: Option<i64>,
    /// When a value last arrived.
    pub proven_ms: Option<i64>,
    /// How long that one took, in milliseconds.
    pub took_ms: Option<i64>,
}
