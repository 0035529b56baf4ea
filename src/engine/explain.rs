//! Why a person is, or is not, in a mailbox: the planner's own conditions, read afresh.

use std::sync::Arc;

use async_trait::async_trait;
use tribelink_plan::{
    eligibility::{main_relationship, standing},
    ids::PersonId,
    link::LinkState,
    rule::Rule,
};

use super::{Engine, Error};
use crate::{
    ports::{Condition, Explainer, Explanation},
    remote,
    store::User,
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
        let passing = |error: crate::store::Error| remote::Error::Transient(error.to_string());
        let row = self
            .engine
            .ports
            .store
            .link(user.id, person)
            .await
            .map_err(passing)?;
        let Some(read) = land.crm.person(person).await? else {
            return Ok(row.map(|_| Explanation {
                rule: Rule::R11,
                eligible: false,
                conditions: Vec::new(),
                would_sync_if: Vec::new(),
            }));
        };
        let main = main_relationship(&read, user.employee);
        let conditions = read
            .relationships
            .iter()
            .map(|relationship| {
                let standing = standing(relationship, user.employee);
                Condition {
                    name: format!("relationship {}", relationship.id),
                    holds: standing.is_eligible(),
                    detail: format!(
                        "{} manager={} owner={} former={}",
                        relationship.kind.name(),
                        standing.manager,
                        standing.owner,
                        standing.former
                    ),
                }
            })
            .collect();
        let rule = match (main, row.as_ref().map(|row| row.link.state)) {
            (None, _) => Rule::R9,
            (Some(_), None) => Rule::R1,
            (Some(_), Some(LinkState::Tombstone { .. })) => Rule::R7,
            (Some(_), Some(_)) => Rule::R14,
        };
        Ok(Some(Explanation {
            rule,
            eligible: main.is_some(),
            conditions,
            would_sync_if: Vec::new(),
        }))
    }
}
