//! The one writer: every change passes its queue, and all that wait share a commit.
//!
//! One flush to the disk takes milliseconds, whatever it carries. While one runs, callers queue up;
//! the next transaction takes them all, each in a savepoint of its own, so that one that fails
//! takes nobody else with it; one alone needs none. With one writer, nothing of this process meets
//! SQLITE_BUSY but while the keeper empties the log, which the driver waits for.
//!
//! Leases alone are not flushed: after a power failure nobody is left who holds one, and whatever was
//! written under one was flushed behind it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    file::OpenFile,
    hints,
    keeper::Wake,
    leases,
    line::{Line, Pace, gather},
    outage, replicas, schema,
    sql::sign_ins,
    writing::Writing,
};
use crate::{
    crash,
    store::{Change, Error, Guard, Lane, Lease, NewHint, SignIn},
};

/// A transaction that the log keeps without a flush; at its end the next has one again (SQLite:
/// `PRAGMA synchronous` counts from the next transaction on).
const BEGIN_UNFLUSHED: &str = "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE";
const COMMIT_UNFLUSHED: &str = "COMMIT; PRAGMA synchronous = FULL";
const ROLLBACK: &str = "ROLLBACK; PRAGMA synchronous = FULL";

/// What is to be written.
pub(super) enum Work {
    Probe,
    Hints(Vec<NewHint>),
    Commit(Guard, Vec<Change>),
    Claim {
        lane: Lane,
        holder: String,
        now_ms: i64,
        lease_ms: i64,
    },
    Renew {
        lease: Lease,
        now_ms: i64,
        lease_ms: i64,
    },
    Release(Lease),
    Beat {
        holder: String,
        now_ms: i64,
        lease_ms: i64,
    },
    Leave(String),
    TakeSignIn {
        state_hash: [u8; 32],
        now_ms: i64,
    },
    /// Everything before it is written, then the writer ends.
    Close,
}

/// What came of it.
pub(super) enum Answer {
    Done,
    Lease(Option<Lease>),
    SignIn(Option<SignIn>),
    Replicas(Vec<String>),
}

pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Result<Answer, Error>>,
}

pub(super) struct Writer {
    pub(super) options: SqliteConnectOptions,
    pub(super) file: OpenFile,
    pub(super) conn: Option<SqliteConnection>,
    pub(super) wake: Arc<Wake>,
    pub(super) commits: Arc<AtomicU64>,
}

impl Writer {
    pub(super) async fn run(mut self, jobs: mpsc::Receiver<Job>) {
        let mut pace = Pace::default();
        let mut line = Line::of(jobs);
        while let Some(first) = line.first().await {
            let mut group = vec![first];
            gather(&mut group, &mut line, &pace).await;
            let closing = group.iter().any(|job| matches!(job.work, Work::Close));
            if closing {
                group.extend(line.rest());
            }
            let began = Instant::now();
            let result = self.write(&group).await;
            pace.took(group.len(), began.elapsed());
            if closing {
                // Callers may count on the file being at rest when `close` answers.
                line.close();
                self.disconnect().await;
            }
            reply(group, result);
        }
        self.disconnect().await;
    }

    /// One transaction for the group; an error means that none of it is known to be written.
    async fn write(&mut self, group: &[Job]) -> Result<Vec<Result<Answer, Error>>, Error> {
        self.file.check()?;
        match self.transact(group).await {
            Ok((answers, erased)) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                self.wake.wrote(erased);
                // What went to a file that has lost its name meanwhile is not kept.
                self.file.check()?;
                Ok(answers)
            }
            Err(error) => {
                // After an I/O error the connection's state is not worth knowing.
                self.disconnect().await;
                Err(error)
            }
        }
    }

    async fn transact(
        &mut self,
        group: &[Job],
    ) -> Result<(Vec<Result<Answer, Error>>, bool), Error> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => {
                let mut conn = self.options.connect().await.map_err(outage)?;
                schema::check(&mut conn).await?;
                self.file.note_log();
                none.insert(conn)
            }
        };
        let mut answers = Vec::with_capacity(group.len());
        let mut erased = false;
        let (begin, commit) = match only_leases(group) {
            true => (BEGIN_UNFLUSHED, COMMIT_UNFLUSHED),
            false => ("BEGIN IMMEDIATE", "COMMIT"),
        };
        let alone = group.len() == 1;
        // When there is a bad one among the hints, each caller is served alone.
        let together = match hints_of(group) {
            Some(rows) => hints::begin_with(conn, rows).await?,
            None => {
                execute(conn, begin).await?;
                false
            }
        };
        for job in group {
            if together && matches!(job.work, Work::Hints(_)) {
                answers.push(Ok(Answer::Done));
                continue;
            }
            if !alone {
                execute(conn, "SAVEPOINT job").await?;
            }
            match perform(conn, &job.work).await {
                Ok((answer, erases)) => {
                    erased |= erases;
                    answers.push(Ok(answer));
                }
                Err(Error::Unavailable(text)) => return Err(Error::Unavailable(text)),
                Err(error) if alone => {
                    execute(conn, ROLLBACK).await?;
                    return Ok((vec![Err(error)], false));
                }
                Err(error) => {
                    execute(conn, "ROLLBACK TO job").await?;
                    answers.push(Err(error));
                }
            }
            if !alone {
                execute(conn, "RELEASE job").await?;
            }
        }
        crash::point("group-written");
        execute(conn, commit).await?;
        crash::point("group-committed");
        Ok((answers, erased))
    }

    async fn disconnect(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            // Mostly SQLite has rolled back already, which is what this would complain about.
            let _ = execute(&mut conn, "ROLLBACK").await;
            let _ = conn.close().await;
            self.file.forget_log();
        }
    }
}

fn reply(group: Vec<Job>, result: Result<Vec<Result<Answer, Error>>, Error>) {
    match result {
        Ok(answers) => {
            for (job, answer) in group.into_iter().zip(answers) {
                // A caller that has gone away needs no answer.
                let _ = job.reply.send(answer);
            }
        }
        Err(error) => {
            for job in group {
                let error = match &error {
                    Error::Schema(text) => Error::Schema(text.clone()),
                    Error::Unavailable(text) => Error::Unavailable(text.clone()),
                    other => Error::Unavailable(other.to_string()),
                };
                let _ = job.reply.send(Err(error));
            }
        }
    }
}

async fn execute(conn: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).execute(conn).await.map_err(outage)?;
    Ok(())
}

/// Whether a group changes nothing but who may work.
fn only_leases(group: &[Job]) -> bool {
    group.iter().all(|job| match job.work {
        Work::Claim { .. } | Work::Renew { .. } | Work::Release(_) => true,
        Work::Probe
        | Work::Hints(_)
        | Work::Commit(..)
        | Work::Beat { .. }
        | Work::Leave(_)
        | Work::TakeSignIn { .. }
        | Work::Close => false,
    })
}

/// The hints of all callers at once, as [`hints::rows`]: what a burst of notifications costs is one order
/// for each group.
fn hints_of(group: &[Job]) -> Option<String> {
    let mut hints = group
        .iter()
        .filter_map(|job| match &job.work {
            Work::Hints(hints) => Some(hints),
            _ => None,
        })
        .flatten()
        .peekable();
    hints.peek()?;
    Some(hints::rows(hints))
}

async fn perform(conn: &mut SqliteConnection, work: &Work) -> Result<(Answer, bool), Error> {
    if let Work::Probe = work {
        probe(conn).await?;
        return Ok((Answer::Done, false));
    }
    let mut w = Writing::on(conn);
    let answer = match work {
        Work::Probe | Work::Close => Answer::Done,
        Work::Hints(hints) => {
            hints::add(&mut w, hints).await?;
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
        } => Answer::Lease(leases::claim(&mut w, lane, holder, *now_ms, *lease_ms).await?),
        Work::Renew {
            lease,
            now_ms,
            lease_ms,
        } => Answer::Lease(leases::renew(&mut w, lease, *now_ms, *lease_ms).await?),
        Work::Release(lease) => {
            leases::release(&mut w, lease).await?;
            Answer::Done
        }
        Work::Beat {
            holder,
            now_ms,
            lease_ms,
        } => Answer::Replicas(replicas::beat(&mut w, holder, *now_ms, *lease_ms).await?),
        Work::Leave(holder) => {
            replicas::leave(&mut w, holder).await?;
            Answer::Done
        }
        Work::TakeSignIn { state_hash, now_ms } => {
            Answer::SignIn(sign_ins::take(&mut w, state_hash, *now_ms).await?)
        }
    };
    let erased = w.finish().await?;
    Ok((answer, erased))
}

/// Finds out whether a hint could be kept: the schema is current, there is room for some pages, and
/// a write reaches the disk (with the commit of the group).
async fn probe(conn: &mut SqliteConnection) -> Result<(), Error> {
    schema::check(conn).await?;
    execute(conn, "SAVEPOINT room").await?;
    execute(conn, "UPDATE probe SET filler = zeroblob(16384)").await?;
    execute(conn, "ROLLBACK TO room").await?;
    execute(conn, "RELEASE room").await?;
    execute(conn, "UPDATE probe SET beats = beats + 1").await
}

#[cfg(test)]
mod tests {
    use tribelink_plan::ids::UserId;

    use super::*;

    #[test]
    fn leases_are_not_flushed_unless_somebody_else_is_among_them() {
        let job = |work| Job {
            work,
            reply: oneshot::channel().0,
        };
        let lane = || Lane::Mailbox(UserId(uuid::Uuid::nil()));
        let claim = || {
            job(Work::Claim {
                lane: lane(),
                holder: String::new(),
                now_ms: 0,
                lease_ms: 1,
            })
        };
        assert!(only_leases(&[claim(), claim()]));
        assert!(!only_leases(&[claim(), job(Work::Hints(Vec::new()))]));
        assert!(!only_leases(&[job(Work::Probe)]));
    }
}
