//! A person's copies, and why they are as they are.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::{PersonId, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Viewer,
    extract::{Id, Params},
    links::Link,
    problem::ProblemBody,
};
use crate::{ports::Condition, store::User};

/// Where a person's copies are.
#[derive(Serialize, ToSchema)]
pub struct Copies {
    /// Who.
    person_id: Uuid,
    /// One for each user who has or had the person.
    links: Vec<Link>,
}

/// A person's copies in all mailboxes
#[utoipa::path(
    get, path = "/api/v1/people/{person_id}", operation_id = "people_copies", tag = "links",
    params(("person_id" = Uuid, Path, description = "The person")),
    responses(
        (status = 200, description = "The copies", body = Copies),
        (status = 404, description = "No link, and no environment has such a person", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn copies(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Id(person): Id<PersonId>,
) -> Result<Json<Copies>, Problem> {
    let environments = api.store.environments().await?;
    let mut links = Vec::new();
    for environment in &environments {
        let rows = api
            .store
            .links_of_people(&environment.id, &[person])
            .await?;
        links.extend(rows.into_iter().map(Link::from));
    }
    let mut is_known = !links.is_empty();
    for environment in &environments {
        if is_known {
            break;
        }
        if let Some(crm) = api.crms.crm(&environment.id).await? {
            is_known = crm.person(person).await?.is_some();
        }
    }
    if !is_known {
        return Err(Problem::not_found("person"));
    }
    Ok(Json(Copies {
        person_id: person.0,
        links,
    }))
}

/// Whose view.
#[derive(Deserialize)]
pub struct View {
    pub(super) user: Option<Uuid>,
}

/// Why a person is, or is not, in a user's Outlook.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation, example = json!({
    "rule": "R9", "sentence": "The person is no longer eligible: the link sleeps, nothing is deleted.",
    "eligible": false,
    "conditions": [{"name": "manager_or_owner", "holds": false,
                    "detail": "no live relationship names the employee as manager or owner"}],
    "would_sync_if": ["the employee becomes relationship manager or owner of the person"]
}))]
pub struct ExplanationView {
    /// The rule that decides now.
    rule: &'static str,
    /// The rule in one sentence.
    sentence: &'static str,
    /// Whether the person is eligible for this user.
    eligible: bool,
    /// Every condition.
    conditions: Vec<Condition>,
    /// What would have to change; empty when it is in sync.
    would_sync_if: Vec<String>,
}

impl ExplanationView {
    /// Whether any relationship of the person, a former one included, names the employee.
    pub(super) fn names_employee(&self) -> bool {
        let named =
            |one: &Condition| one.holds && one.name.starts_with("relationship_names_employee");
        self.conditions.iter().any(named)
    }
}

/// Explains what happens to a person of a user
///
/// Reads both sides and asks the planner's own conditions.
#[utoipa::path(
    get, path = "/api/v1/people/{person_id}/explain", operation_id = "people_explain", tag = "links",
    params(
        ("person_id" = Uuid, Path, description = "The person"),
        ("user" = Uuid, Query, description = "Whose Outlook"),
    ),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 400, description = "`user` is missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown person or user", body = ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "A remote refuses the service", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn explain(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Id(person): Id<PersonId>,
    Params(view): Params<View>,
) -> Result<Json<ExplanationView>, Problem> {
    let user = view
        .user
        .ok_or_else(|| Problem::invalid("user is needed: whose Outlook"))?;
    let user = api.activation.user(UserId(user)).await?;
    explained(&api, &user, person).await.map(Json)
}

/// The explanation of a person for a user.
pub(super) async fn explained(
    api: &Api,
    user: &User,
    person: PersonId,
) -> Result<ExplanationView, Problem> {
    let explanation = api.explainer.explain(user, person).await?;
    let explanation = explanation.ok_or_else(|| Problem::not_found("person"))?;
    Ok(ExplanationView {
        rule: explanation.rule.code(),
        sentence: explanation.rule.sentence(),
        eligible: explanation.eligible,
        conditions: explanation.conditions,
        would_sync_if: explanation.would_sync_if,
    })
}
