//! What may befall one process of the service: it stands still, it dies, its store or a remote does
//! not answer. All of it strikes where the engine crosses a port.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};
use tribelink::store::{Change, Lane};

/// What becomes of a call that is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// It fails and nothing is done.
    Before,
    /// It is done, and the caller does not learn of it.
    After,
    /// The process ends before it.
    DieBefore,
    /// The process ends once it is done.
    DieAfter,
}

impl Strike {
    pub(crate) const ALL: [Strike; 4] = [
        Strike::Before,
        Strike::After,
        Strike::DieBefore,
        Strike::DieAfter,
    ];
}

/// A kind of commit, by what it moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// A delta's cursor.
    Cursor,
    /// A link.
    Link,
    /// New hints.
    Hints,
    /// What a poll has seen.
    Poll,
    /// Tokens.
    Tokens,
}

impl Commit {
    pub(crate) const ALL: [Commit; 5] = [
        Commit::Cursor,
        Commit::Link,
        Commit::Hints,
        Commit::Poll,
        Commit::Tokens,
    ];

    fn moves(self, change: &Change) -> bool {
        match self {
            Commit::Cursor => matches!(change, Change::PutCursor { .. }),
            Commit::Link => matches!(change, Change::PutLink(_)),
            Commit::Hints => matches!(change, Change::AddHints(_)),
            Commit::Poll => matches!(change, Change::SetEnvironmentChores { .. }),
            Commit::Tokens => matches!(change, Change::PutTokens { .. }),
        }
    }
}

/// Calls across a port, numbered over all processes, and those that are to be struck.
#[derive(Default)]
pub(crate) struct Calls {
    made: AtomicU64,
    struck: Mutex<BTreeMap<u64, Strike>>,
}

impl Calls {
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Strikes the call with this number.
    pub(crate) fn strike(&self, number: u64, how: Strike) {
        self.struck.lock().expect("the strikes").insert(number, how);
    }

    /// Strikes one of the next calls.
    pub(crate) fn strike_soon(&self, calls: u64, how: Strike) {
        self.strike(self.made() + calls, how);
    }

    pub(crate) fn clear(&self) {
        self.struck.lock().expect("the strikes").clear();
    }

    /// Counts a call; what is to become of it.
    pub(crate) fn next(&self) -> Option<Strike> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        self.struck.lock().expect("the strikes").remove(&number)
    }
}

/// Everything that is shared by all processes of a run.
#[derive(Default)]
pub(crate) struct Fate {
    pub(crate) remote: Calls,
    pub(crate) store: Calls,
    /// What lies in wait for a commit of its kind.
    pub(crate) ambush: Mutex<Option<(Commit, Strike)>>,
    /// A process has died; whoever lets time pass starts it again.
    pub(crate) death: Notify,
    /// From how many of 1,000 lists of people a row goes missing.
    pub(crate) rows_missing: Mutex<Option<(u32, fastrand::Rng)>>,
    /// Leases as they were given, apart from the store: fence and end.
    pub(crate) leases: Mutex<BTreeMap<Lane, (i64, i64)>>,
}

impl Fate {
    /// Whether this commit runs into what lies in wait.
    pub(crate) fn ambushed(&self, changes: &[Change]) -> Option<Strike> {
        let mut ambush = self.ambush.lock().expect("the ambush");
        let (kind, how) = (*ambush)?;
        let meets = changes.iter().any(|change| kind.moves(change));
        meets.then(|| {
            *ambush = None;
            how
        })
    }
}

/// One process.
#[derive(Default)]
pub(crate) struct Process {
    dead: AtomicBool,
    frozen_until: Mutex<Option<Instant>>,
    tribe_rest: Mutex<Rest>,
}

/// A rest that a remote asked for, by the clock that nobody moves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rest {
    /// When it became known.
    pub(crate) told: i64,
    /// When it ends.
    pub(crate) until: i64,
}

impl Rest {
    /// This one or the one it becomes, whichever lasts longer.
    pub(crate) fn lengthen(&mut self, told: i64, until: i64) {
        if until > self.until {
            *self = Rest { told, until };
        }
    }
}

impl Process {
    /// This process learns that Tribe is to be left alone: told by Tribe, or by the store.
    pub(crate) fn learn_tribes_rest(&self, told: i64, until: i64) {
        let mut rest = self.tribe_rest.lock().expect("the rest");
        rest.lengthen(told, until);
    }

    /// What it knows of Tribe's rest.
    pub(crate) fn tribes_rest(&self) -> Rest {
        *self.tribe_rest.lock().expect("the rest")
    }

    /// Stands still until then: every call across a port waits.
    pub(crate) fn freeze(&self, until: Instant) {
        *self.frozen_until.lock().expect("the frost") = Some(until);
    }

    pub(crate) fn thaw(&self) {
        *self.frozen_until.lock().expect("the frost") = None;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends at once: nothing of it goes on.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Ends here.
    pub(crate) async fn die(&self, fate: &Fate) {
        self.end();
        fate.death.notify_one();
        std::future::pending::<()>().await;
    }

    /// Goes on while it lives and is not frozen.
    pub(crate) async fn pass(&self) {
        loop {
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            let until = *self.frozen_until.lock().expect("the frost");
            match until {
                Some(until) if Instant::now() < until => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }
}
