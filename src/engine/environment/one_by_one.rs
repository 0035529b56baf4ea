//! Where one hint stands in the way of a bunch, each is worked on alone: what Tribe refuses for good is
//! parked, what fails for the moment waits, and the others go on.

use tribelink_plan::ids::PersonId;

use super::{Error, Job};
use crate::{
    engine::retry::{self, Fate, IN_A_ROW, may_be_one_item},
    remote,
    store::{Alert, Change, Hint, Parked, Target},
};

impl Job<'_> {
    /// Works on the hints of a bunch that failed, one after the other.
    ///
    /// # Errors
    /// `failure`, when it is Tribe as a whole that fails: the hints wait.
    pub(super) async fn one_by_one(
        &self,
        hints: &[Hint],
        failure: remote::Error,
    ) -> Result<(), Error> {
        let attempts = hints.iter().map(|hint| hint.hint.attempts).max();
        if !may_be_one_item(&failure, attempts.unwrap_or_default()) {
            return Err(Error::Remote(failure));
        }
        let mut failed: Vec<(&Hint, remote::Error)> = Vec::new();
        let mut in_a_row = 0;
        for hint in hints {
            let outcome = match hints.len() {
                1 => Err(Error::Remote(failure.clone())),
                _ => self.hints(std::slice::from_ref(hint)).await,
            };
            match outcome {
                Ok(()) => in_a_row = 0,
                Err(Error::Remote(error))
                    if may_be_one_item(&error, attempts.unwrap_or_default()) =>
                {
                    in_a_row += 1;
                    if in_a_row >= IN_A_ROW && hints.len() > IN_A_ROW {
                        return Err(Error::Remote(error));
                    }
                    failed.push((hint, error));
                }
                Err(error) => return Err(error),
            }
        }
        for (hint, error) in failed {
            self.set_aside(hint, &error).await?;
        }
        Ok(())
    }

    /// One hint that failed alone.
    async fn set_aside(&self, hint: &Hint, error: &remote::Error) -> Result<(), Error> {
        let mut chance = [0];
        self.engine.ports.random.fill(&mut chance);
        let attempts = hint.hint.attempts;
        let delay = |wait_ms, attempts| Change::DelayHints {
            ids: vec![hint.id],
            not_before_ms: self.engine.now() + wait_ms,
            attempts,
        };
        let changes = match retry::fate(error, attempts, chance[0]) {
            Fate::Again(wait_ms) => vec![delay(wait_ms, attempts + 1)],
            Fate::Wait(wait_ms) => vec![delay(wait_ms, retry::after_wait(attempts))],
            Fate::Park(reason) => {
                // With few hints a day without Tribe looks like a fault of each.
                let is_away = error.is_passing() && self.land.crm.identity().await.is_err();
                if is_away {
                    return Err(Error::Remote(error.clone()));
                }
                let mut changes = self.parked(hint, &reason).await?;
                changes.push(Change::DropHints(vec![hint.id]));
                changes
            }
        };
        self.held.commit(changes).await
    }

    /// Parked for everybody who has a link of that person, where one can retry it; administrators are
    /// told otherwise. A poll and the sweep come upon the record again by themselves.
    async fn parked(&self, hint: &Hint, reason: &str) -> Result<Vec<Change>, Error> {
        let environment = &self.land.environment.id;
        let id = match &hint.hint.target {
            Target::Person { id, .. } => Some(id.0),
            Target::Entity { id, .. } => Some(*id),
            _ => None,
        };
        let rows = match id {
            Some(id) => {
                let store = &self.engine.ports.store;
                store.links_of_people(environment, &[PersonId(id)]).await?
            }
            None => Vec::new(),
        };
        let now = self.engine.now();
        if rows.is_empty() {
            let record = id.map_or_else(|| "a record".to_owned(), |id| format!("record {id}"));
            return Ok(vec![Change::RaiseAlert(Alert {
                key: refused_alert(environment),
                environment: environment.clone(),
                user: None,
                message: format!("Tribe does not show {record} that changed: {reason}"),
                since_ms: now,
            })]);
        }
        let parked = rows.into_iter().map(|row| {
            Change::PutParked(Box::new(Parked {
                id: 0,
                environment: environment.clone(),
                user: row.user,
                person: Some(row.person),
                field: String::new(),
                reason: reason.to_owned(),
                attempts: hint.hint.attempts + 1,
                created_ms: now,
            }))
        });
        Ok(parked.collect())
    }
}

/// The alert of records that Tribe does not show; the next sweep that comes to its end clears it.
pub(super) fn refused_alert(environment: &tribelink_plan::ids::EnvironmentId) -> String {
    format!("refused/{environment}")
}
