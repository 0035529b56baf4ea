//! The canary's rounds: when one begins, where, and what is said when a value does not arrive. What fails
//! of it fails no other chore.

use std::collections::BTreeMap;

use tribelink_plan::{
    eligibility,
    field::Direction,
    ids::{PersonId, UserId},
    link::LinkState,
    person::Person,
};

use super::{Error, Job, millis};
use crate::{
    canary::{self, Participant, Standing},
    engine::mailbox::limited,
    ports::Wake as _,
    store::{
        Alert, CanaryProof, CanaryRound, Change, Lane, NewHint, Source, Target, User, UserState,
    },
    tribe::Record,
};

/// How long after a failure a round is tried again.
const AGAIN_MS: i64 = 60_000;

/// How long it takes at most until somebody is looked for, where there is nobody to prove.
const NOBODY_MS: i64 = 5 * 60_000;

impl Job<'_> {
    /// Begins a round where one is due, and says who waits for too long; answers when that is next to be
    /// looked at.
    pub(super) async fn canary(&self) -> Result<i64, Error> {
        let Some(person) = self.land.canary() else {
            self.tell(BTreeMap::new()).await?;
            return Ok(i64::MAX);
        };
        let store = &self.engine.ports.store;
        let settings = &self.engine.settings.canary;
        let environment = &self.land.environment.id;
        let known = store.canary(environment).await?;
        let now = self.engine.now();
        let mut said = BTreeMap::new();
        let mut not_before_ms = 0;
        let unwritten = known.clone().filter(|round| !round.written);
        let due = known.as_ref().is_none_or(|round| round.due_ms <= now);
        if due || unwritten.is_some() {
            let done = match unwritten.filter(|_| !due) {
                Some(round) => self.write_canary(person, round).await,
                None => self.begin_canary(person, known).await,
            };
            match done {
                Ok(None) => {}
                Ok(Some(why)) => {
                    said.insert(canary::unusable_key(environment), (None, why));
                }
                Err(Error::Remote(error)) => {
                    tracing::info!(%environment, %error, "the canary's round could not begin; trying again");
                    if let Some(rest) = self.land.rest() {
                        self.held.keep_rest(rest).await?;
                    }
                    not_before_ms = now + AGAIN_MS;
                    if !error.is_passing() {
                        let why = format!(
                            "Tribe refuses to read or write the person of canary.people ({error}); let the application change people"
                        );
                        said.insert(canary::unusable_key(environment), (None, why));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let proofs = store.canary_proofs(environment).await?;
        let now = self.engine.now();
        for proof in &proofs {
            let is_late = Standing::of(proof, settings, now) == Standing::Late;
            // Nobody works on the mailbox of whoever was paused meanwhile.
            if is_late && self.is_live(proof.user).await? {
                let why = (Some(proof.user), late(proof, now));
                said.insert(canary::late_key(proof.user), why);
            }
        }
        self.tell(said).await?;
        let round = store.canary(environment).await?;
        let due_ms = round.map(|round| canary::due_ms(&round, &proofs, settings, now));
        Ok(due_ms
            .unwrap_or(now + millis(settings.interval))
            .max(not_before_ms))
    }

    /// Begins the next round; answers why none can.
    async fn begin_canary(
        &self,
        person: PersonId,
        known: Option<CanaryRound>,
    ) -> Result<Option<String>, Error> {
        let store = &self.engine.ports.store;
        let environment = &self.land.environment.id;
        let now = self.engine.now();
        let later = CanaryRound {
            environment: environment.clone(),
            number: known.as_ref().map_or(0, |round| round.number),
            origin: known.as_ref().and_then(|round| round.origin),
            began_ms: known.as_ref().map_or(0, |round| round.began_ms),
            written: true,
            due_ms: now + millis(self.engine.settings.canary.interval),
        };
        let unusable = async |why: &str| {
            self.held
                .commit(vec![Change::PutCanary(later.clone())])
                .await?;
            Ok(Some(why.to_owned()))
        };
        if self.land.policy.direction(canary::FIELD) != Direction::Both {
            return unusable(
                "the canary's value cannot travel here: let the environment's rule for private_phone be \"both\"",
            )
            .await;
        }
        let Some(read) = self.land.crm.person(person).await? else {
            return unusable("Tribe knows no person of the id in canary.people: correct it").await;
        };
        let participants = self.participants(&read).await?;
        if participants.is_empty() {
            // Nobody is live yet, or everybody is paused: `doctor` says so.
            let soon = CanaryRound {
                due_ms: later.due_ms.min(now + NOBODY_MS),
                ..later
            };
            self.held.commit(vec![Change::PutCanary(soon)]).await?;
            return Ok(None);
        }
        let proofs = store.canary_proofs(environment).await?;
        let origin = canary::origin(known.as_ref(), &participants, &proofs);
        let round = CanaryRound {
            number: later.number + 1,
            origin,
            began_ms: now,
            written: origin.is_some(),
            ..later
        };
        let mut changes = canary::asks(&round, &participants, &proofs);
        changes.push(Change::PutCanary(round.clone()));
        changes.extend(origin.map(|user| Change::AddHints(vec![self.begins_in(user, &round)])));
        self.held.commit(changes).await?;
        match origin {
            Some(user) => self.engine.scheduler.lane(&Lane::Mailbox(user)),
            None => return self.write_canary(person, round).await,
        }
        Ok(None)
    }

    /// Writes a round's value in Tribe: as often as it takes, since twice is the same.
    async fn write_canary(
        &self,
        person: PersonId,
        round: CanaryRound,
    ) -> Result<Option<String>, Error> {
        let value = canary::value(round.number);
        let fields = BTreeMap::from([(canary::FIELD, Some(value))]);
        let limit = self.held.time_limit().await?;
        let record = Record::Person(person);
        limited(limit, self.land.crm.update(&record, &fields)).await?;
        let written = CanaryRound {
            written: true,
            ..round
        };
        self.held.commit(vec![Change::PutCanary(written)]).await?;
        Ok(None)
    }

    async fn is_live(&self, user: UserId) -> Result<bool, Error> {
        let user = self.engine.ports.store.user(user).await?;
        Ok(user.is_some_and(|user| user.state == UserState::Live))
    }

    fn begins_in(&self, user: UserId, round: &CanaryRound) -> NewHint {
        NewHint {
            environment: self.land.environment.id.clone(),
            user: Some(user),
            target: Target::Canary {
                round: round.number,
            },
            source: Source::Engine,
            received_ms: round.began_ms,
            not_before_ms: round.began_ms,
            attempts: 0,
        }
    }

    /// The live users who have the canary among their people. Whoever took its contact out for good, or
    /// may not have it back, has no part in it.
    async fn participants(&self, person: &Person) -> Result<Vec<Participant>, Error> {
        let store = &self.engine.ports.store;
        let mut found = Vec::new();
        for employee in eligibility::employees(person) {
            let user: Option<User> = store.user_of(&self.land.environment.id, employee).await?;
            let Some(user) = user.filter(|user| user.state == UserState::Live) else {
                continue;
            };
            let row = store.link(user.id, person.id).await?;
            let begins = match row.map(|row| row.link.state) {
                Some(LinkState::Linked) => true,
                Some(LinkState::Closed) => continue,
                Some(LinkState::Tombstone { .. }) if self.land.policy.respect_deletes => continue,
                _ => false,
            };
            let user = user.id;
            found.push(Participant { user, begins });
        }
        Ok(found)
    }

    /// Lets the canary's alerts be these, and no others.
    async fn tell(&self, said: BTreeMap<String, (Option<UserId>, String)>) -> Result<(), Error> {
        let environment = &self.land.environment.id;
        let standing = self.engine.ports.store.alerts().await?;
        let own = standing.into_iter().filter(|alert| {
            alert.environment == *environment && alert.key.starts_with(canary::ALERTS)
        });
        let own: Vec<String> = own.map(|alert| alert.key).collect();
        let gone = own.iter().filter(|key| !said.contains_key(*key));
        let mut changes: Vec<Change> = gone.cloned().map(Change::ClearAlert).collect();
        let news = said.into_iter().filter(|(key, _)| !own.contains(key));
        changes.extend(news.map(|(key, (user, message))| {
            Change::RaiseAlert(Alert {
                key,
                environment: environment.clone(),
                user,
                message,
                since_ms: self.engine.now(),
            })
        }));
        self.held.commit(changes).await
    }
}

/// What is said of a value that does not arrive.
fn late(proof: &CanaryProof, now_ms: i64) -> String {
    let minutes = proof
        .waits_ms
        .map_or(0, |since_ms| (now_ms - since_ms) / 60_000);
    let way = match proof.to {
        tribelink_plan::field::Side::Outlook => "from Tribe to Outlook",
        tribelink_plan::field::Side::Tribe => "from Outlook to Tribe",
    };
    format!(
        "the canary's value has not come {way} for {minutes} minutes: edits of this user wait too. See what is parked, and whether notifications arrive"
    )
}
