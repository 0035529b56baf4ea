//! Why a person is, or is not, in a mailbox: the planner's own conditions over a fresh read of Tribe,
//! and what the store knows of the last pass.

use std::sync::Arc;

use async_trait::async_trait;
use tribelink_plan::{
    explain::{ExplainInput, UserFacts, explain},
    field::Field,
    ids::PersonId,
    rule::Rule,
};

use super::{Engine, Error};
use crate::{
    activation::disconnect::EMPLOYEE_LEFT,
    ports::{Condition, Explainer, Explanation},
    remote,
    store::{self, Parked, User, UserState},
};

/// Explains over the engine's ports.
pub struct Explain {
    engine: Arc<Engine>,
}

impl Explain {
    /// Over an engine.
    pub fn new(engine: Arc<Engine>) -> Explain {
        Explain { engine }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

#[async_trait]
impl Explainer for Explain {
    async fn explain(
        &self,
        user: &User,
        person: PersonId,
    ) -> Result<Option<Explanation>, remote::Error> {
        let land = self
            .engine
            .land(&user.environment)
            .await
            .map_err(|error| match error {
                Error::Remote(error) => error,
                error => remote::Error::Transient(error.to_string()),
            })?;
        let store = &self.engine.ports.store;
        let row = store.link(user.id, person).await.map_err(passing)?;
        let read = land.crm.person(person).await?;
        if read.is_none() && row.is_none() {
            return Ok(None);
        }
        let held = store.held_of(user.id, &[person]).await.map_err(passing)?;
        let held: Vec<(Field, Rule)> = held
            .iter()
            .flat_map(|held| held.fields.iter().map(|field| (*field, held.rule)))
            .collect();
        let parked = store.parked_of(user.id, &[person]).await.map_err(passing)?;
        let explained = explain(&ExplainInput {
            employee: user.employee,
            user: facts(user),
            person: read.as_ref(),
            link: row.as_ref().map(|row| &row.link),
            contact_exists: None,
            refused: &[],
            held: &held,
            policy: &land.policy,
        });
        // A field that waits for a decision is not as it should be; any other note only informs.
        let waits = |field: Field| held.iter().any(|(held, _)| *held == field);
        let notes = explained.fields.into_iter().map(|note| Condition {
            name: note.field.name().to_owned(),
            holds: !waits(note.field),
            detail: note.note,
        });
        let conditions = explained
            .conditions
            .into_iter()
            .map(|condition| Condition {
                name: condition.name,
                holds: condition.holds,
                detail: condition.detail,
            })
            .chain(notes)
            .chain(parked.iter().map(unmet))
            .collect();
        Ok(Some(Explanation {
            rule: explained.rule,
            eligible: explained.eligible,
            conditions,
            would_sync_if: explained.would_sync_if,
        }))
    }
}

fn passing(error: store::Error) -> remote::Error {
    remote::Error::Transient(error.to_string())
}

/// A parked item: under its field's name, where it is about one.
fn unmet(parked: &Parked) -> Condition {
    let name = match parked.field.as_str() {
        "" => "last_attempt",
        field => field,
    };
    Condition {
        name: name.to_owned(),
        holds: false,
        detail: parked.reason.clone(),
    }
}

fn facts(user: &User) -> UserFacts {
    match user.state {
        UserState::Live | UserState::FirstSync => UserFacts::Live,
        UserState::Invited | UserState::Consented => UserFacts::NotStarted,
        UserState::Paused => UserFacts::Paused,
        UserState::NeedsConsent => UserFacts::NeedsConsent,
        UserState::Braked => UserFacts::Braked,
        UserState::Disconnected if user.reason.as_deref() == Some(EMPLOYEE_LEFT) => {
            UserFacts::EmployeeLeft
        }
        UserState::Disconnected => UserFacts::Disconnected,
    }
}
