//! The cap on calls in flight, which can be moved while calls run.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a settable number of calls through at once.
#[derive(Clone)]
pub struct Gate {
    places: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
}

struct Size {
    /// How many places there are to be, at least one.
    wanted: usize,
    /// Places given up by [`Gate::resize`] that calls still hold.
    owed: usize,
}

/// One call's place; free again when dropped.
pub struct Place {
    permit: Option<OwnedSemaphorePermit>,
    size: Arc<Mutex<Size>>,
}

impl Gate {
    /// A gate with so many places, at least one.
    pub fn new(places: usize) -> Gate {
        let wanted = places.max(1);
        Gate {
            places: Arc::new(Semaphore::new(wanted)),
            size: Arc::new(Mutex::new(Size { wanted, owed: 0 })),
        }
    }

    /// Changes the number of places. Calls in flight keep theirs until they end.
    pub fn resize(&self, places: usize) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = places.max(1);
        if wanted >= size.wanted {
            let more = wanted - size.wanted;
            let kept = more.min(size.owed);
            size.owed -= kept;
            self.places.add_permits(more - kept);
        } else {
            let fewer = size.wanted - wanted;
            size.owed += fewer - self.places.forget_permits(fewer);
        }
        size.wanted = wanted;
    }

    /// Waits for a place; places are given in the order asked.
    pub async fn enter(&self) -> Place {
        // The semaphore is never closed, so there is always a permit.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok();
        Place {
            permit,
            size: Arc::clone(&self.size),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        if size.owed > 0
            && let Some(permit) = self.permit.take()
        {
            size.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn full(gate: &Gate) -> bool {
        gate.enter().now_or_never().is_none()
    }

    #[tokio::test]
    async fn shrinks_and_grows_around_calls_in_flight() {
        let gate = Gate::new(3);
        let mut held = vec![gate.enter().await, gate.enter().await, gate.enter().await];
        assert!(full(&gate));
        gate.resize(1);
        held.pop();
        held.pop();
        assert!(full(&gate), "two places are owed");
        held.pop();
        held.push(gate.enter().await);
        assert!(full(&gate));
        gate.resize(2);
        held.push(gate.enter().await);
        assert!(full(&gate));
        gate.resize(1);
        gate.resize(2);
        assert!(full(&gate), "an owed place is not given twice");
        gate.resize(0);
        held.clear();
        let _last = gate.enter().await;
        assert!(full(&gate), "one place always remains");
    }
}
