//! The one writer: every change passes its queue, and all that wait share a commit.
//!
//! One flush to the disk takes milliseconds, whatever it carries. While one runs, callers queue up;
//! the next transaction takes them all, each in a savepoint of its own, so that one that fails
//! takes nobody else with it. With one writer, nothing of this process ever meets SQLITE_BUSY.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::{mpsc, oneshot};

use super::{
    file::OpenFile, hints, keeper::Wake, leases, outage, replicas, schema, sql::sign_ins,
    writing::Writing,
};
use crate::{
    crash,
    store::{Change, Error, Guard, Lane, Lease, NewHint, SignIn},
};

/// How many callers share one transaction at most: it bounds how long the first of them waits.
const GROUP: usize = 256;

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
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.recv().await {
            let mut group = vec![first];
            while group.len() < GROUP {
                match jobs.try_recv() {
                    Ok(job) => group.push(job),
                    Err(_) => break,
                }
            }
            let closing = group.iter().any(|job| matches!(job.work, Work::Close));
            let result = self.write(&group).await;
            if closing {
                // Callers may count on the file being at rest when `close` answers.
                jobs.close();
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
        execute(conn, "BEGIN IMMEDIATE").await?;
        let together = add_hints(conn, group).await?;
        for job in group {
            if together && matches!(job.work, Work::Hints(_)) {
                answers.push(Ok(Answer::Done));
                continue;
            }
            execute(conn, "SAVEPOINT job").await?;
            match perform(conn, &job.work).await {
                Ok((answer, erases)) => {
                    erased |= erases;
                    answers.push(Ok(answer));
                }
                Err(Error::Unavailable(text)) => return Err(Error::Unavailable(text)),
                Err(error) => {
                    execute(conn, "ROLLBACK TO job").await?;
                    answers.push(Err(error));
                }
            }
            execute(conn, "RELEASE job").await?;
        }
        crash::point("group-written");
        execute(conn, "COMMIT").await?;
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

/// Adds the hints of all callers at once: what a burst of notifications costs is one statement for
/// each group. False when there is a bad one among them: then none was added, and each caller is
/// served alone.
async fn add_hints(conn: &mut SqliteConnection, group: &[Job]) -> Result<bool, Error> {
    let callers: Vec<&Vec<NewHint>> = group
        .iter()
        .filter_map(|job| match &job.work {
            Work::Hints(hints) => Some(hints),
            _ => None,
        })
        .collect();
    if callers.len() < 2 {
        return Ok(false);
    }
    let all: Vec<&NewHint> = callers.into_iter().flatten().collect();
    execute(conn, "SAVEPOINT job").await?;
    let mut w = Writing::on(conn);
    let added = match hints::add_all(&mut w, &all).await {
        Ok(added) => added,
        Err(Error::Unavailable(text)) => return Err(Error::Unavailable(text)),
        Err(_) => false,
    };
    if !added {
        execute(conn, "ROLLBACK TO job").await?;
    }
    execute(conn, "RELEASE job").await?;
    Ok(added)
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
