//! Who is taken into the writer's next group.
//!
//! A caller with many rows, as a pass that ends has, takes as long as hundreds of others: each group takes one
//! of them at most, so that who brings a single row never waits for all who bring hundreds.

use std::{collections::VecDeque, time::Duration};

use tokio::sync::mpsc;

use super::writer::{Job, Work};
use crate::store::Change;

/// How many callers share one transaction at most: it bounds how long the first of them waits.
const GROUP: usize = 256;

/// A caller with more rows counts as one with many.
const FEW_ROWS: usize = 64;

/// How long the first of a group waits for others at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// Who waits for the writer.
pub(super) struct Line {
    jobs: mpsc::Receiver<Job>,
    /// Those with many rows whose group had one already, in the order in which they came.
    aside: VecDeque<Job>,
}

impl Line {
    pub(super) fn of(jobs: mpsc::Receiver<Job>) -> Line {
        Line {
            jobs,
            aside: VecDeque::new(),
        }
    }

    /// The first of a group; `None` when nobody will come any more.
    pub(super) async fn first(&mut self) -> Option<Job> {
        match self.aside.pop_front() {
            Some(job) => Some(job),
            None => self.jobs.recv().await,
        }
    }

    /// The next who fits into a group that has one with many rows, or has none yet; if one waits.
    fn next(&mut self, has_many: &mut bool) -> Option<Job> {
        // The queue stays bounded: behind so many that stand aside nobody is called up.
        while self.aside.len() < GROUP {
            let job = self.jobs.try_recv().ok()?;
            match has_many_rows(&job.work) {
                true if *has_many => self.aside.push_back(job),
                many => {
                    *has_many |= many;
                    return Some(job);
                }
            }
        }
        None
    }

    /// Those that stand aside.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = Job> {
        self.aside.drain(..)
    }

    /// Nobody else is let in.
    pub(super) fn close(&mut self) {
        self.jobs.close();
    }
}

/// Whether somebody brings many rows; hints that arrive never count as such, since their senders wait.
fn has_many_rows(work: &Work) -> bool {
    let rows = |change: &Change| match change {
        Change::AddHints(hints) => hints.len(),
        Change::DropHints(ids) => ids.len(),
        _ => 1,
    };
    match work {
        Work::Commit(_, changes) => changes.iter().map(rows).sum::<usize>() > FEW_ROWS,
        _ => false,
    }
}

/// Takes who waits, and for a moment who is about to come.
pub(super) async fn gather(group: &mut Vec<Job>, line: &mut Line, pace: &Pace) {
    let mut patient = pace.patience();
    let mut has_many = group.iter().any(|job| has_many_rows(&job.work));
    loop {
        while group.len() < GROUP
            && let Some(job) = line.next(&mut has_many)
        {
            group.push(job);
        }
        match patient.take() {
            // The runtime's own timer knows whole milliseconds alone.
            Some(patience) if group.len() < pace.expected() => {
                let pause = tokio::task::spawn_blocking(move || std::thread::sleep(patience));
                let _ = pause.await;
            }
            _ => return,
        }
    }
}

/// How the last groups went, and what that says about the next (pure).
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: usize,
    before: usize,
    took: Duration,
}

impl Pace {
    /// A group of so many callers took so long.
    pub(super) fn took(&mut self, callers: usize, took: Duration) {
        self.before = std::mem::replace(&mut self.last, callers);
        self.took = took;
    }

    /// How many are likely to come at once: those who were just answered come again, and find the writer
    /// busy with the first of them unless he waits for the rest.
    fn expected(&self) -> usize {
        self.last.max(self.before)
    }

    /// How long to wait for them; not at all for one alone. A share of what the group costs that they
    /// would otherwise wait for.
    fn patience(&self) -> Option<Duration> {
        (self.expected() > 1).then(|| (self.took / 4).min(LONGEST_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::Guard;

    #[tokio::test]
    async fn each_group_takes_one_with_many_rows_and_all_with_few() {
        let (sender, jobs) = mpsc::channel(16);
        let mut line = Line::of(jobs);
        let drop = |first: i64, rows: i64| {
            let ids = (first..first + rows).collect();
            Work::Commit(Guard::None, vec![Change::DropHints(ids)])
        };
        for (first, rows) in [(0, 1), (100, 65), (200, 500), (1, 64), (300, 65), (2, 1)] {
            let (reply, _) = oneshot::channel();
            let work = drop(first, rows);
            assert!(sender.send(Job { work, reply }).await.is_ok());
        }
        let mut groups = Vec::new();
        for _ in 0..3 {
            let mut group = vec![line.first().await.expect("somebody waits")];
            gather(&mut group, &mut line, &Pace::default()).await;
            let firsts = group.iter().map(|job| match &job.work {
                Work::Commit(_, changes) => match &changes[0] {
                    Change::DropHints(ids) => ids[0],
                    _ => -1,
                },
                _ => -1,
            });
            groups.push(firsts.collect::<Vec<i64>>());
        }
        assert_eq!(groups, [vec![0, 100, 1, 2], vec![200], vec![300]]);
        std::mem::drop(sender);
        assert!(line.first().await.is_none());
    }

    #[test]
    fn who_comes_alone_waits_for_nobody_and_a_crowd_for_a_quarter_of_a_commit_at_most() {
        let ms = Duration::from_millis;
        let mut pace = Pace::default();
        assert_eq!(pace.patience(), None);
        pace.took(1, ms(4));
        assert_eq!(pace.patience(), None);
        pace.took(31, ms(4));
        assert_eq!((pace.patience(), pace.expected()), (Some(ms(1)), 31));
        // The first of the crowd was quicker than the rest: these are still to come.
        pace.took(1, ms(100));
        assert_eq!((pace.patience(), pace.expected()), (Some(ms(2)), 31));
        pace.took(1, ms(4));
        assert_eq!(pace.patience(), None);
    }
}
