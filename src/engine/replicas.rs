//! Who lives: each replica says so three times in a lease, and reads who else does.

use super::{Engine, share::Share};
use crate::telemetry::meter;

impl Engine {
    /// Says so until dropped.
    pub(super) async fn beat_on(&self) {
        loop {
            self.ports.clock.sleep(self.settings.lease / 3).await;
            self.beat().await;
        }
    }

    /// Says so once. While the database cannot be reached, what was known stays: without it nobody
    /// works anyway.
    pub(super) async fn beat(&self) {
        let store = &self.ports.store;
        match store.beat(&self.holder, self.now(), self.lease_ms()).await {
            Ok(live) => {
                let share = Share::new(&self.holder, live);
                let replicas = share.count();
                meter::replicas(replicas);
                self.ports.crms.set_in_flight(share.calls());
                if self.scheduler.set_share(share) {
                    let replica = self.holder.get(..8).unwrap_or_default();
                    tracing::info!(replica, replicas, "the work is shared anew");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot say that this replica lives; trying again");
            }
        }
    }
}
