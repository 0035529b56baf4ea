//! Names of people, read from Tribe for whoever may see values. Nothing keeps them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tribelink_plan::{
    field::Field,
    ids::{EnvironmentId, PersonId, UserId},
    name::Parts,
    person::Person,
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Operator,
    extract::{Id, Params},
    problem::ProblemBody,
};

/// Most people of one call.
const MOST: usize = 100;

/// Names by person; those who are not there are absent.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"names": {"b724d383-bb70-480a-b03d-512b9aaec15a": "Anna van der Berg"}}))]
pub struct NamesView {
    /// Person's id and name.
    names: BTreeMap<Uuid, String>,
}

/// Whose.
#[derive(Deserialize)]
pub struct Which {
    ids: Option<String>,
}

/// The names of people, for somebody who may see values (operator)
#[utoipa::path(
    get, path = "/api/v1/users/{id}/names", operation_id = "names_list", tag = "links",
    params(
        ("id" = Uuid, Path, description = "The user in whose environment they are"),
        ("ids" = String, Query, pattern = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}(,[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}){0,99}$", description = "Up to 100 ids of people, separated by commas"),
    ),
    responses(
        (status = 200, description = "The names", body = NamesView),
        (status = 400, description = "No ids, or too many", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown user", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    _: Operator,
    Id(id): Id<UserId>,
    Params(which): Params<Which>,
) -> Result<Json<NamesView>, Problem> {
    let user = api.activation.user(id).await?;
    let ids: Result<Vec<Uuid>, _> = which
        .ids
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .map(str::parse)
        .collect();
    let ids = ids.map_err(|_| Problem::invalid("ids are ids of people, separated by commas"))?;
    if ids.len() > MOST {
        return Err(Problem::invalid("at most 100 ids at once"));
    }
    let ids: Vec<PersonId> = ids.into_iter().map(PersonId).collect();
    let names = of(&api, &user.environment, &ids).await?;
    let names = names.into_iter().map(|(id, name)| (id.0, name)).collect();
    Ok(Json(NamesView { names }))
}

/// Which links.
#[derive(Deserialize)]
pub struct WhichLinks {
    links: Option<String>,
}

/// The names of people in several mailboxes, for somebody who may see values (operator)
///
/// For lists across users: one call, and one to Tribe for each environment, whoever's the links are.
#[utoipa::path(
    get, path = "/api/v1/names", operation_id = "names_of_links", tag = "links",
    params(("links" = String, Query, pattern = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}(,[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}:[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}){0,99}$", description = "Up to 100 ids of links (user, colon, person), separated by commas; those of unknown users are left out")),
    responses(
        (status = 200, description = "The names", body = NamesView),
        (status = 400, description = "No links, or too many", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn of_links(
    State(api): State<Arc<Api>>,
    _: Operator,
    Params(which): Params<WhichLinks>,
) -> Result<Json<NamesView>, Problem> {
    let links = which.links.as_deref().unwrap_or_default();
    let pairs: Option<Vec<(UserId, PersonId)>> = links.split(',').map(pair).collect();
    let pairs = pairs.ok_or_else(|| {
        Problem::invalid("links are ids of links (user, colon, person), separated by commas")
    })?;
    if pairs.len() > MOST {
        return Err(Problem::invalid("at most 100 links at once"));
    }
    let mut by_user: BTreeMap<UserId, BTreeSet<PersonId>> = BTreeMap::new();
    for (user, person) in pairs {
        by_user.entry(user).or_default().insert(person);
    }
    // A person is asked for in its user's environment and in no other.
    let mut by_environment: BTreeMap<EnvironmentId, BTreeSet<PersonId>> = BTreeMap::new();
    for (user, people) in by_user {
        if let Some(user) = api.store.user(user).await? {
            by_environment
                .entry(user.environment)
                .or_default()
                .extend(people);
        }
    }
    let mut names = BTreeMap::new();
    for (environment, people) in by_environment {
        let people: Vec<PersonId> = people.into_iter().collect();
        let found = of(&api, &environment, &people).await?;
        names.extend(found.into_iter().map(|(id, name)| (id.0, name)));
    }
    Ok(Json(NamesView { names }))
}

fn pair(link: &str) -> Option<(UserId, PersonId)> {
    let (user, person) = link.split_once(':')?;
    Some((UserId(user.parse().ok()?), PersonId(person.parse().ok()?)))
}

/// The names of people of an environment.
pub(super) async fn of(
    api: &Api,
    environment: &EnvironmentId,
    ids: &[PersonId],
) -> Result<BTreeMap<PersonId, String>, Problem> {
    let crm = api.crms.crm(environment).await?;
    let crm = crm.ok_or_else(|| Problem::not_found("environment"))?;
    let mut names = BTreeMap::new();
    for chunk in ids.chunks(MOST) {
        if chunk.is_empty() {
            continue;
        }
        let read = crm.people(chunk).await?;
        names.extend(
            read.iter()
                .filter_map(|person| Some((person.id, name(person)?))),
        );
    }
    Ok(names)
}

fn name(person: &Person) -> Option<String> {
    let reading = |field| person.reading(field, None);
    let (initials, first) = (reading(Field::Initials), reading(Field::FirstName));
    let (insertion, surname) = (reading(Field::Insertion), reading(Field::Surname));
    let parts = Parts {
        initials: initials.value(),
        first: first.value(),
        insertion: insertion.value(),
        surname: surname.value(),
    };
    parts.display_name()
}
