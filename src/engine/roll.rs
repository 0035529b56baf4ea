//! The roll: every person with its relationships, by ids, in pages of 100.
//!
//! Where a whole company is switched on, hundreds of first syncs ask for it at once, and each roll costs Tribe
//! a read of everything and this process megabytes. Whoever asks while one is being read waits for the next,
//! and all of them share that one: it began after each had asked, so that it shows what each would have read.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::try_join_all;
use tribelink_plan::{
    ids::{EnvironmentId, PersonId, SetName},
    person::Person,
};

use super::{Engine, Land};
use crate::{
    remote,
    tribe::{Crm, EntityKind, SweepRow, names::type_of_set},
};

/// Every person with its person-type relationships, without fields.
pub(crate) type Roll = BTreeMap<PersonId, Person>;

impl Engine {
    /// A roll of the environment that began to be read after this call.
    ///
    /// # Errors
    /// The first page that failed, also where somebody else read it; safe to repeat.
    pub(crate) async fn roll(&self, land: &Land) -> Result<Arc<Roll>, remote::Error> {
        let read = read(land.crm.as_ref());
        self.rolls.ask(&land.environment.id, read).await
    }
}

/// The sets side by side, each page after the one before.
async fn read(crm: &dyn Crm) -> Result<Roll, remote::Error> {
    let of_people =
        |set: &SetName| matches!(crm.kind_of(&type_of_set(set)), EntityKind::Relationship(_));
    let sets = crm.sets().into_iter().filter(of_people);
    let read = try_join_all(sets.map(|set| read_set(crm, set))).await?;
    let mut people = Roll::new();
    for row in read.into_iter().flatten() {
        let person = people.entry(row.person).or_insert_with(|| Person {
            id: row.person,
            fields: BTreeMap::new(),
            relationships: Vec::new(),
        });
        person.relationships.push(row.relationship);
    }
    Ok(people)
}

async fn read_set(crm: &dyn Crm, set: SetName) -> Result<Vec<SweepRow>, remote::Error> {
    let mut rows = Vec::new();
    let mut next = None;
    loop {
        let page = crm.sweep(&set, next).await?;
        rows.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(rows);
        }
    }
}

/// The rolls that are being read, one at a time for each environment.
#[derive(Debug, Default)]
pub(crate) struct Rolls {
    /// Numbers each asking and each beginning, in one row: which of two came first.
    turns: AtomicU64,
    desks: Mutex<HashMap<EnvironmentId, Arc<Desk>>>,
}

/// Where one environment's roll is read: whoever holds it reads, the others wait.
type Desk = tokio::sync::Mutex<Option<Reading>>;

/// The last roll that somebody read here, kept as long as others wait.
#[derive(Debug)]
struct Reading {
    begun: u64,
    outcome: Result<Arc<Roll>, remote::Error>,
}

impl Rolls {
    async fn ask(
        &self,
        environment: &EnvironmentId,
        read: impl Future<Output = Result<Roll, remote::Error>>,
    ) -> Result<Arc<Roll>, remote::Error> {
        let asked = self.turn();
        let place = self.queue_up(environment);
        let mut last = place.desk.lock().await;
        if let Some(reading) = last.as_ref().filter(|reading| reading.begun > asked) {
            return reading.outcome.clone();
        }
        let begun = self.turn();
        let outcome = read.await.map(Arc::new);
        *last = Some(Reading {
            begun,
            outcome: outcome.clone(),
        });
        outcome
    }

    fn turn(&self) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    fn queue_up<'a>(&'a self, environment: &'a EnvironmentId) -> Place<'a> {
        let desk = Arc::clone(self.desks().entry(environment.clone()).or_default());
        Place {
            rolls: self,
            environment,
            desk,
        }
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<EnvironmentId, Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits or reads; the last to leave clears the desk.
struct Place<'a> {
    rolls: &'a Rolls,
    environment: &'a EnvironmentId,
    desk: Arc<Desk>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut desks = self.rolls.desks();
        // This place and the map.
        if Arc::strong_count(&self.desk) == 2 {
            desks.remove(self.environment);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use tokio::sync::oneshot;

    use super::*;

    type Asking<'a> = Pin<Box<dyn Future<Output = Result<Arc<Roll>, remote::Error>> + 'a>>;

    /// The rolls, and how many began to be read.
    #[derive(Default)]
    struct Office {
        rolls: Rolls,
        begun: AtomicU64,
    }

    impl Office {
        /// Somebody who asks now, and whose reading would show what the sender tells.
        fn ask<'a>(
            &'a self,
            land: &'a EnvironmentId,
        ) -> (
            Asking<'a>,
            Option<oneshot::Sender<Result<Roll, remote::Error>>>,
        ) {
            let (tell, told) = oneshot::channel();
            let mut asking: Asking<'a> = Box::pin(self.rolls.ask(land, async {
                self.begun.fetch_add(1, Ordering::Relaxed);
                told.await
                    .expect("nobody drops the sender of one who reads")
            }));
            assert!(now(&mut asking).is_none());
            (asking, Some(tell))
        }

        fn begun(&self) -> u64 {
            self.begun.load(Ordering::Relaxed)
        }

        fn is_empty(&self) -> bool {
            self.rolls.desks().is_empty()
        }
    }

    /// What comes of it without waiting.
    fn now(asking: &mut Asking<'_>) -> Option<Result<Arc<Roll>, remote::Error>> {
        match asking
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    fn tell(
        sender: &mut Option<oneshot::Sender<Result<Roll, remote::Error>>>,
        outcome: Result<Roll, remote::Error>,
    ) {
        let sender = sender.take().expect("told once");
        assert!(sender.send(outcome).is_ok(), "nobody reads it");
    }

    fn land() -> EnvironmentId {
        EnvironmentId("default".to_owned())
    }

    fn somebody() -> Roll {
        let id = PersonId(uuid::Uuid::from_u128(1));
        let person = Person {
            id,
            fields: BTreeMap::new(),
            relationships: Vec::new(),
        };
        Roll::from([(id, person)])
    }

    #[test]
    fn whoever_asks_while_one_is_read_shares_the_next() {
        let (office, land) = (Office::default(), land());
        let (mut first, mut tell_first) = office.ask(&land);
        let (mut second, mut tell_second) = office.ask(&land);
        let (mut third, _third) = office.ask(&land);
        assert_eq!(office.begun(), 1);
        tell(&mut tell_first, Ok(Roll::new()));
        assert_eq!(now(&mut first), Some(Ok(Arc::new(Roll::new()))));
        // The first began before they asked: it is not theirs.
        assert_eq!((now(&mut second), now(&mut third)), (None, None));
        assert_eq!(office.begun(), 2);
        tell(&mut tell_second, Ok(somebody()));
        let shown = now(&mut second).expect("told").expect("read");
        assert_eq!(*shown, somebody());
        let shared = now(&mut third).expect("told").expect("read");
        assert!(Arc::ptr_eq(&shown, &shared));
        assert_eq!(office.begun(), 2);
    }

    #[test]
    fn a_failure_is_shared_like_a_roll() {
        let (office, land) = (Office::default(), land());
        let (mut first, mut tell_first) = office.ask(&land);
        let (mut second, mut tell_second) = office.ask(&land);
        let (mut third, _third) = office.ask(&land);
        tell(&mut tell_first, Ok(Roll::new()));
        assert!(now(&mut first).is_some() && now(&mut second).is_none());
        let wait = remote::Error::Throttled { after: None };
        tell(&mut tell_second, Err(wait.clone()));
        assert_eq!(now(&mut second), Some(Err(wait.clone())));
        assert_eq!(now(&mut third), Some(Err(wait)));
        assert_eq!(office.begun(), 2);
    }

    #[test]
    fn one_who_goes_while_reading_lets_the_next_read() {
        let (office, land) = (Office::default(), land());
        let (first, _first) = office.ask(&land);
        let (mut second, mut tell_second) = office.ask(&land);
        drop(first);
        assert!(now(&mut second).is_none());
        assert_eq!(office.begun(), 2);
        tell(&mut tell_second, Ok(somebody()));
        assert_eq!(now(&mut second), Some(Ok(Arc::new(somebody()))));
    }

    #[test]
    fn environments_do_not_wait_for_each_other() {
        let (office, here, there) = (Office::default(), land(), EnvironmentId("other".to_owned()));
        let (_first, _tell_first) = office.ask(&here);
        let (_second, _tell_second) = office.ask(&there);
        assert_eq!(office.begun(), 2);
    }

    #[test]
    fn nothing_is_kept_when_nobody_waits() {
        let (office, land) = (Office::default(), land());
        let (mut first, mut tell_first) = office.ask(&land);
        let (second, _second) = office.ask(&land);
        tell(&mut tell_first, Ok(somebody()));
        assert!(now(&mut first).is_some());
        drop(first);
        assert!(!office.is_empty());
        drop(second);
        assert!(office.is_empty());
    }
}
