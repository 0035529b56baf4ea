//! One transaction: what is to be written, done again where transactions met.
//!
//! A transaction that Postgres gave up in favour of another (40001, 40P01) has changed nothing and
//! is done again. One whose connection ended during COMMIT may stand or not: that is
//! [`Error::Unavailable`], and the caller reads before it decides.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::{
    PATIENCE, PostgresStore, hints, leases, outage, replicas, schema, sql::sign_ins,
    transactions_met, writing::Writing,
};
use crate::store::{Change, Error, Guard, Lane, Lease, NewHint, SignIn};

/// How often a transaction is done again before its caller is told.
const TRIES: u32 = 8;

/// What is to be written.
pub(super) enum Work<'a> {
    Probe,
    Hints(&'a [NewHint]),
    Commit(&'a Guard, &'a [Change]),
    Claim {
        lane: &'a Lane,
        holder: &'a str,
        now_ms: i64,
        lease_ms: i64,
    },
    Renew {
        lease: &'a Lease,
        now_ms: i64,
        lease_ms: i64,
    },
    Release(&'a Lease),
    TakeSignIn {
        state_hash: &'a [u8; 32],
        now_ms: i64,
    },
    Beat {
        holder: &'a str,
        now_ms: i64,
        lease_ms: i64,
    },
    Leave(&'a str),
}

/// What came of it.
pub(super) enum Answer {
    Done,
    Lease(Option<Lease>),
    SignIn(Option<SignIn>),
    Replicas(Vec<String>),
}

/// Why a transaction failed, and whether doing it again is due.
struct Failure {
    error: Error,
    again: bool,
}

impl PostgresStore {
    /// Writes, in a transaction of its own.
    pub(super) async fn write(&self, work: &Work<'_>) -> Result<Answer, Error> {
        let mut tries = 1;
        loop {
            let failure = match self.attempt(work).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            if !failure.again || tries >= TRIES {
                return Err(failure.error);
            }
            tracing::debug!(tries, "transactions met; this one is done again");
            // Whoever it met needs a moment to end; a little longer each time, and not in step.
            let spread = u64::from(std::process::id() % 7) + u64::from(tries);
            tokio::time::sleep(Duration::from_millis(spread * u64::from(tries))).await;
            tries += 1;
        }
    }

    async fn attempt(&self, work: &Work<'_>) -> Result<Answer, Failure> {
        let lost = |error| Failure {
            error,
            again: false,
        };
        let mut conn = self
            .pool
            .acquire()
            .await
            .map_err(|error| lost(outage(error)))?;
        let done = tokio::time::timeout(PATIENCE, self.transact(&mut conn, work)).await;
        match done {
            Ok(done) => done,
            Err(_) => {
                // What is still to come over this connection answers nobody's question.
                conn.close_on_drop();
                Err(lost(Error::Unavailable("it does not answer".to_owned())))
            }
        }
    }

    async fn transact(&self, conn: &mut PgConnection, work: &Work<'_>) -> Result<Answer, Failure> {
        let failed = |error: sqlx::Error| Failure {
            again: transactions_met(&error),
            error: outage(error),
        };
        // One statement is a transaction of its own, and two of these need not be one together.
        if let Work::Claim { .. } | Work::Renew { .. } | Work::Release(_) = work {
            let mut w = Writing::on(conn, self.time, &self.name);
            let done = perform(&mut w, work).await;
            let again = w.met;
            return done.map_err(|error| Failure { error, again });
        }
        let mut transaction = conn.begin().await.map_err(failed)?;
        let mut w = Writing::on(&mut transaction, self.time, &self.name);
        match perform(&mut w, work).await {
            Ok(answer) => {
                transaction.commit().await.map_err(failed)?;
                Ok(answer)
            }
            Err(error) => {
                let again = w.met;
                // A connection that cannot roll back is closed by the pool, which does the same.
                let _ = transaction.rollback().await;
                Err(Failure { error, again })
            }
        }
    }

    pub(super) async fn write_lease(&self, work: &Work<'_>) -> Result<Option<Lease>, Error> {
        match self.write(work).await? {
            Answer::Lease(lease) => Ok(lease),
            Answer::Done | Answer::SignIn(_) | Answer::Replicas(_) => Ok(None),
        }
    }
}

async fn perform(w: &mut Writing<'_>, work: &Work<'_>) -> Result<Answer, Error> {
    let answer = match work {
        Work::Probe => {
            schema::probe(w).await?;
            Answer::Done
        }
        Work::Hints(hints) => {
            hints::add(w, hints).await?;
            Answer::Done
        }
        Work::Commit(guard, changes) => {
            w.commit(guard, changes).await?;
            Answer::Done
        }
        Work::Claim {
            lane,
            holder,
            now_ms,
            lease_ms,
        } => Answer::Lease(leases::claim(w, lane, holder, *now_ms, *lease_ms).await?),
        Work::Renew {
            lease,
            now_ms,
            lease_ms,
        } => Answer::Lease(leases::renew(w, lease, *now_ms, *lease_ms).await?),
        Work::Release(lease) => {
            leases::release(w, lease).await?;
            Answer::Done
        }
        Work::TakeSignIn { state_hash, now_ms } => {
            Answer::SignIn(sign_ins::take(w, state_hash, *now_ms).await?)
        }
        Work::Beat {
            holder,
            now_ms,
            lease_ms,
        } => Answer::Replicas(replicas::beat(w, holder, *now_ms, *lease_ms).await?),
        Work::Leave(holder) => {
            replicas::leave(w, holder).await?;
            Answer::Done
        }
    };
    w.finish().await?;
    Ok(answer)
}
