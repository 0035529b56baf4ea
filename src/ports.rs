//! Ports between the rooms of this program: what the edge asks of the engine and the application.

use std::sync::Arc;

use async_trait::async_trait;
use tribelink_plan::ids::{EnvironmentId, UserId};

use crate::{remote, store::Lane, tribe::Crm};

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
