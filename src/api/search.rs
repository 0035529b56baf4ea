//! Looking for people by name. Names are kept nowhere: Tribe is asked for this answer.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tribelink_plan::{
    ids::{EnvironmentId, PersonId, UserId},
    name::Parts,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem, auth::Operator, extract::Body, links::Link, problem::ProblemBody,
    users::DEFAULT_ENVIRONMENT,
};
use crate::{environment::is_name, tribe::Named};

/// Most letters that are looked for.
const LONGEST: usize = 100;
/// Most words of them.
const WORDS: usize = 6;

/// Whom to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "van der berg"}))]
pub struct Search {
    /// Words of the name, upper or lower case alike; each must stand somewhere in it. 2 letters at
    /// least.
    name: String,
    /// In which environment; `default` when neither it nor a user is named.
    #[serde(default)]
    environment: Option<String>,
    /// In the environment of this user.
    #[serde(default)]
    user_id: Option<Uuid>,
}

/// A person that was found.
#[derive(Serialize, ToSchema)]
pub struct Found {
    /// Who.
    person_id: Uuid,
    /// By name.
    name: String,
    /// One for each user who has or had the person.
    links: Vec<Link>,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "environment": "default", "more": false,
    "items": [{"person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "name": "Anna van der Berg", "links": []}]
}))]
pub struct FoundList {
    /// Where was looked.
    environment: String,
    /// By name, 100 at most.
    items: Vec<Found>,
    /// Whether there are more: look for more of the name.
    more: bool,
}

/// Looks for people by name (operator)
///
/// Asked of Tribe for this answer. Neither what was looked for nor what was found is logged, which is
/// why the name travels in the body; it is kept (sealed, for a day) only under an `Idempotency-Key`.
#[utoipa::path(
    post, path = "/api/v1/people/search", operation_id = "people_search", tag = "links",
    request_body = Search,
    responses(
        (status = 200, description = "Who was found", body = FoundList),
        (status = 400, description = "The name is too short or too long", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown environment or user", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The user belongs to another environment", body = ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "Tribe refuses the service", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn people(
    State(api): State<Arc<Api>>,
    _: Operator,
    Body(wanted): Body<Search>,
) -> Result<Json<FoundList>, Problem> {
    let words = words(&wanted.name).map_err(Problem::invalid)?;
    let environment = match (wanted.user_id, wanted.environment) {
        (Some(user), named) => {
            let own = api.activation.user(UserId(user)).await?.environment;
            if named.is_some_and(|named| named != own.as_str()) {
                return Err(Problem::conflict(
                    "the user belongs to another environment; leave one of the two away",
                ));
            }
            own
        }
        (None, named) => EnvironmentId(named.unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned())),
    };
    if !is_name(environment.as_str()) {
        return Err(Problem::not_found("environment"));
    }
    let crm = api.crms.crm(&environment).await?;
    let crm = crm.ok_or_else(|| Problem::not_found("environment"))?;
    let (found, more) = crm.people_by_name(&words).await?;
    let ids: Vec<PersonId> = found.iter().map(|person| person.id).collect();
    let mut links: BTreeMap<PersonId, Vec<Link>> = BTreeMap::new();
    for row in api.store.links_of_people(&environment, &ids).await? {
        links.entry(row.person).or_default().push(Link::from(row));
    }
    let mut items: Vec<Found> = found
        .into_iter()
        .filter_map(|person| {
            Some(Found {
                person_id: person.id.0,
                name: display_name(&person)?,
                links: links.remove(&person.id).unwrap_or_default(),
            })
        })
        .collect();
    items.sort_by_cached_key(|found| found.name.to_lowercase());
    Ok(Json(FoundList {
        environment: environment.0,
        items,
        more,
    }))
}

fn display_name(person: &Named) -> Option<String> {
    let parts = Parts {
        initials: person.initials.as_deref(),
        first: person.first.as_deref(),
        insertion: person.insertion.as_deref(),
        surname: person.surname.as_deref(),
    };
    parts.display_name()
}

/// The words to look for.
fn words(name: &str) -> Result<Vec<String>, &'static str> {
    let letters = name
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .count();
    if letters < 2 {
        return Err("name needs two letters at least");
    }
    if name.chars().count() > LONGEST || name.split_whitespace().count() > WORDS {
        return Err("name takes 100 letters and six words at most");
    }
    if name
        .chars()
        .any(|letter| letter.is_control() && !letter.is_whitespace())
    {
        return Err("name takes no control characters");
    }
    Ok(name.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_into_words_within_bounds() {
        assert_eq!(words(" van  der Berg ").unwrap(), ["van", "der", "Berg"]);
        assert!(words(" a ").is_err());
        assert!(words("").is_err());
        assert!(words("a\u{0}b").is_err());
        assert!(words("a b c d e f g").is_err());
        assert!(words(&"a".repeat(101)).is_err());
        assert_eq!(words("Li").unwrap(), ["Li"]);
    }
}
