//! Ports between the rooms of this program: what the edge asks of the engine and the application.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tribelink_plan::{
    ids::{EnvironmentId, PersonId, UserId},
    rule::Rule,
};
use utoipa::ToSchema;

use crate::{
    remote,
    store::{Lane, User},
    tribe::Crm,
};

/// Tells the engine that something changed. Must not block; may be called for nothing.
pub trait Wake: Send + Sync {
    /// A lane has something to do.
    fn lane(&self, lane: &Lane);

    /// A user was disconnected: a worker of this process that holds the mailbox lets go of it now
    /// rather than at the end of its pass. Other processes notice when they next read the user.
    fn stop(&self, user: UserId) {
        let _ = user;
    }
}

/// Finds the CRM of an environment.
#[async_trait]
pub trait Crms: Send + Sync {
    /// The CRM of that environment; `None` when there is no such environment.
    ///
    /// # Errors
    /// [`remote::Error::Application`] when its settings cannot be opened or used: an administrator
    /// must act. [`remote::Error::Transient`] when they could not be read: safe to repeat.
    async fn crm(&self, environment: &EnvironmentId)
    -> Result<Option<Arc<dyn Crm>>, remote::Error>;
}

/// Explains what happens to a person of a user, and why. The engine reads both sides and asks the
/// planner's own conditions.
#[async_trait]
pub trait Explainer: Send + Sync {
    /// The explanation; `None` when Tribe has no such person.
    ///
    /// # Errors
    /// A remote could not be read; safe to repeat when [`remote::Error::is_passing`].
    async fn explain(
        &self,
        user: &User,
        person: PersonId,
    ) -> Result<Option<Explanation>, remote::Error>;
}

/// Why a person is, or is not, in a user's Outlook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule that decides now.
    pub rule: Rule,
    /// Whether the person is eligible for this user.
    pub eligible: bool,
    /// Every condition.
    pub conditions: Vec<Condition>,
    /// What would have to change; empty when it is in sync.
    pub would_sync_if: Vec<String>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// In words for people, without values.
    pub detail: String,
}
