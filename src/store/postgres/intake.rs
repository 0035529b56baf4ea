//! Hints that callers bring at once share a transaction: a flush to the disk costs the same for
//! one as for a hundred, and only one transaction at a time moves a lane's due time.

use tokio::sync::{mpsc, oneshot};

use super::{PostgresStore, closed, transact::Work};
use crate::store::{Error, NewHint};

/// How many callers share one transaction at most: it bounds how long the first of them waits.
const GROUP: usize = 256;

/// What one caller brought.
pub(super) struct Job {
    hints: Vec<NewHint>,
    reply: oneshot::Sender<Result<(), Error>>,
}

/// The way in.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    jobs: mpsc::Sender<Job>,
}

impl Intake {
    /// A way in for so many waiting callers.
    pub(super) fn new(queue: usize) -> (Intake, mpsc::Receiver<Job>) {
        let (jobs, queue) = mpsc::channel(queue.max(1));
        (Intake { jobs }, queue)
    }

    /// Keeps hints; refused when too many callers wait.
    pub(super) async fn add(&self, hints: Vec<NewHint>) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let job = Job { hints, reply };
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Error::Unavailable("too many callers wait for it".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?
    }
}

/// Writes what comes until every sender is gone.
pub(super) async fn run(store: PostgresStore, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.recv().await {
        let mut group = vec![first];
        while group.len() < GROUP {
            match jobs.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let all: Vec<NewHint> = group
            .iter()
            .flat_map(|job| job.hints.iter().cloned())
            .collect();
        match store.write(&Work::Hints(&all)).await {
            // One of them names what is not there; it must not take the others with it.
            Err(Error::Conflict(_)) if group.len() > 1 => {
                for job in group {
                    let answer = store.write(&Work::Hints(&job.hints)).await.map(|_| ());
                    // A caller that has gone away needs no answer.
                    let _ = job.reply.send(answer);
                }
            }
            Ok(_) => {
                for job in group {
                    let _ = job.reply.send(Ok(()));
                }
            }
            Err(error) => {
                for job in group {
                    let _ = job.reply.send(Err(again(&error)));
                }
            }
        }
    }
}

/// The same failure for everybody who shared it.
fn again(error: &Error) -> Error {
    match error {
        Error::Schema(text) => Error::Schema(text.clone()),
        Error::Unavailable(text) => Error::Unavailable(text.clone()),
        Error::Conflict(what) => Error::Conflict(what),
        other => Error::Unavailable(other.to_string()),
    }
}
