//! Who holds a connection, and who gives it up when there are none left.
//!
//! A connection costs its holder nothing: somebody who opens thousands and says nothing would keep all
//! others out until the timers end them. So whoever has waited longest without having sent a whole
//! request makes room for the next one. A request that is being worked on is never cut.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::telemetry::meter;

/// How long a connection may take to send a request before it may have to make room: a client that
/// opens one has something to say.
const GRACE: Duration = Duration::from_millis(50);

struct Waiter {
    since: Instant,
    leave: Arc<Notify>,
}

/// Those who have not sent a whole request, by the order in which they began to wait.
#[derive(Default)]
struct Waiting {
    next: u64,
    waiters: BTreeMap<u64, Waiter>,
}

/// Every connection that may be served at once.
pub(super) struct Seats {
    all: usize,
    slots: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

impl Seats {
    pub(super) fn new(all: usize) -> Arc<Seats> {
        Arc::new(Seats {
            all,
            slots: Arc::new(Semaphore::new(all)),
            waiting: Mutex::default(),
        })
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.all - self.slots.available_permits()
    }

    /// Takes a seat, sending somebody away who only waits where none is free.
    pub(super) async fn take(self: &Arc<Self>) -> Arc<Seat> {
        let slot = self.slot().await;
        let seat = Arc::new(Seat {
            seats: Arc::clone(self),
            leave: Arc::default(),
            number: Mutex::default(),
            _slot: slot,
        });
        seat.wait();
        seat
    }

    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                return Some(slot);
            }
            let patience = self.send_one_away();
            tokio::select! {
                // The semaphore is never closed.
                slot = Arc::clone(&self.slots).acquire_owned() => return slot.ok(),
                () = sleep(patience) => {}
            }
        }
    }

    /// Tells the one who has waited longest to leave; how long to wait before looking again.
    fn send_one_away(&self) -> Duration {
        let mut waiting = self.lock();
        let Some(oldest) = waiting.waiters.first_entry() else {
            return GRACE;
        };
        let left = GRACE.saturating_sub(oldest.get().since.elapsed());
        if left.is_zero() {
            oldest.remove().leave.notify_one();
            meter::sent_away();
            return GRACE;
        }
        left
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Each change is whole in itself.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's right to be there.
pub(super) struct Seat {
    seats: Arc<Seats>,
    leave: Arc<Notify>,
    number: Mutex<Option<u64>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Seat {
    /// It waits for a request, from now on.
    pub(super) fn wait(&self) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = self.seats.lock();
        if let Some(former) = number.take() {
            waiting.waiters.remove(&former);
        }
        waiting.next += 1;
        let next = waiting.next;
        let waiter = Waiter {
            since: Instant::now(),
            leave: Arc::clone(&self.leave),
        };
        waiting.waiters.insert(next, waiter);
        *number = Some(next);
    }

    /// It has sent a whole request.
    fn works(&self) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = number.take() {
            self.seats.lock().waiters.remove(&former);
        }
    }

    /// Done when somebody else needs it more.
    pub(super) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.works();
    }
}

/// A request's body, whose end says that the request is whole.
pub struct Arriving {
    body: Incoming,
    seat: Arc<Seat>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, seat: Arc<Seat>) -> Arriving {
        if body.is_end_stream() {
            seat.works();
        }
        Arriving { body, seat }
    }
}

impl hyper::body::Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.seat.works();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
