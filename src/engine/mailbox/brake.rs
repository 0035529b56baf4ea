//! R17 before a pass: it is planned once to count, holding ids only, and then executed from a fresh
//! plan. The pass that would cross the line writes nothing; its hints stay.

use std::collections::BTreeSet;

use tribelink_plan::{
    brake::{Load, is_braked},
    ids::PersonId,
    link::LinkState,
    planner::{Next, Plan},
    rule::Rule,
};

use super::{
    Error, Job,
    case::Case,
    pass::{GROUP, people_of},
};
use crate::{
    activation::{Command, brake_alert, transition},
    store::{Alert, Change},
};

/// Over which time changes are counted, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

impl Job<'_> {
    /// Whether the brake holds this pass; moves the user to `braked` when it does.
    pub(super) async fn is_braked(&mut self, cases: &[Case]) -> Result<bool, Error> {
        let policy = &self.land.policy;
        let store = &self.engine.ports.store;
        let now = self.engine.now();
        if self.lifted {
            return Ok(false);
        }
        if self.user.released {
            // The line is lifted for this one run, and the count starts anew.
            self.lifted = true;
            self.user.released = false;
            self.user.brake_since_ms = now;
            self.held
                .commit(vec![Change::SetBrake {
                    id: self.user.id,
                    released: false,
                    brake_since_ms: now,
                    braked: None,
                }])
                .await?;
            return Ok(false);
        }
        let since = (now - HOUR_MS).max(self.user.brake_since_ms);
        let recent = store.brake_count(self.user.id, since).await?;
        if recent + cases.len() as u64 <= u64::from(policy.brake_min) {
            return Ok(false);
        }
        let counts = store.count_links(self.user.id).await?;
        let load = Load {
            planned: self.weigh(cases, recent).await?,
            recent,
            links: counts.linked + counts.sleeping,
        };
        if !is_braked(load, &self.land.policy) {
            return Ok(false);
        }
        self.brake(load).await?;
        Ok(true)
    }

    /// How many links the pass would remove or empty a value of. Only ids are held.
    async fn weigh(&mut self, cases: &[Case], recent: u64) -> Result<u64, Error> {
        let mut linked: Vec<PersonId> = Vec::new();
        for chunk in people_of(cases).chunks(GROUP) {
            let rows = self
                .engine
                .ports
                .store
                .links_of(self.user.id, chunk)
                .await?;
            let live = rows
                .into_iter()
                .filter(|row| matches!(row.link.state, LinkState::Linked | LinkState::Sleeping));
            linked.extend(live.map(|row| row.person));
        }
        // Were every one of them to count, the line would not be crossed.
        let most = recent + linked.len() as u64;
        if most <= u64::from(self.land.policy.brake_min) {
            return Ok(0);
        }
        let looks: BTreeSet<PersonId> = cases
            .iter()
            .filter(|case| case.look_at_outlook)
            .map(|case| case.person)
            .collect();
        // What was said to be gone counts as gone, however lately it was written.
        let gone: BTreeSet<PersonId> = cases
            .iter()
            .filter(|case| case.told_gone)
            .map(|case| case.person)
            .collect();
        let mut planned = 0;
        for chunk in linked.chunks(GROUP) {
            let mut trial: Vec<Case> = chunk
                .iter()
                .map(|person| {
                    let mut case = Case::new(*person, crate::store::Source::Engine);
                    case.look_at_outlook = looks.contains(person);
                    case.told_gone = gone.contains(person);
                    case
                })
                .collect();
            self.gather(&mut trial).await?;
            planned += trial
                .iter()
                .filter(|case| case.plan.as_ref().is_some_and(weighs))
                .count() as u64;
        }
        Ok(planned)
    }

    async fn brake(&mut self, load: Load) -> Result<(), Error> {
        let step = transition::step(self.user.state, self.user.resume_state, Command::Brake);
        let Ok(step) = step else { return Ok(()) };
        let message = format!(
            "{} of {} contacts of one user would be unlinked or lose a value at once; look at them, then release the user",
            load.planned, load.links
        );
        self.held
            .commit(vec![
                Change::SetBrake {
                    id: self.user.id,
                    released: false,
                    brake_since_ms: self.user.brake_since_ms,
                    braked: Some((load.planned, load.links)),
                },
                Change::MoveUser {
                    id: self.user.id,
                    from: self.user.state,
                    to: step.to,
                    resume_state: step.resume,
                    reason: None,
                },
                Change::RaiseAlert(Alert {
                    key: brake_alert(self.user.id),
                    environment: self.user.environment.clone(),
                    user: Some(self.user.id),
                    message,
                    since_ms: self.engine.now(),
                }),
            ])
            .await
    }
}

/// Whether a plan counts for the brake.
fn weighs(plan: &Plan) -> bool {
    match &plan.next {
        Next::Record(_) => plan.rule == Rule::R7,
        Next::Update(update) => update.empties,
        _ => false,
    }
}
