//! Changes that wait for a decision (R6, R16).

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::{EnvironmentId, PersonId, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::{Caller, Operator, Viewer},
    extract::{Id, Params},
    list::{List, Paging, time},
    problem::ProblemBody,
};
use crate::{
    sealed::{HeldValues, row_of_held},
    store::{Change, Guard, Held, Lane, NewHint, Source, Target},
    vault::column,
};

/// One field of a held change.
#[derive(Serialize, ToSchema)]
pub struct HeldField {
    /// The field of the card.
    name: &'static str,
    /// What Tribe shows; null for viewers.
    #[schema(required)]
    tribe: Option<String>,
    /// What Outlook shows; null for viewers.
    #[schema(required)]
    outlook: Option<String>,
}

/// A change that waits for a decision.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 12, "rule": "R16", "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f",
    "person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "since": "2026-11-24T10:14:03Z",
    "decision": null,
    "fields": [{"name": "business_phone", "tribe": "+31 20 123 4567", "outlook": "+31 6 1234 5678"}]
}))]
pub struct HeldItem {
    /// Its number.
    id: i64,
    /// R6 or R16.
    rule: &'static str,
    /// Whose.
    user_id: Uuid,
    /// For whom.
    person_id: Uuid,
    /// Since when.
    since: String,
    /// `accept` or `reject` once decided and not yet carried out.
    #[schema(required)]
    decision: Option<&'static str>,
    /// Which fields.
    fields: Vec<HeldField>,
}

impl HeldItem {
    pub(super) fn of(api: &Api, caller: &Caller, held: Held) -> Result<HeldItem, Problem> {
        let values: HeldValues = match caller.sees_values() {
            false => HeldValues::new(),
            true => {
                let row = row_of_held(&held);
                api.vault
                    .open_json(column::HELD_VALUES, &row, &held.values)?
            }
        };
        let field = |field| {
            let both = values.get(field).cloned().unwrap_or_default();
            HeldField {
                name: field.name(),
                tribe: both.tribe,
                outlook: both.outlook,
            }
        };
        Ok(HeldItem {
            id: held.id,
            rule: held.rule.code(),
            user_id: held.user.0,
            person_id: held.person.0,
            since: time(held.created_ms),
            decision: held.accepted.map(decision),
            fields: held.fields.iter().map(field).collect(),
        })
    }
}

fn decision(accepted: bool) -> &'static str {
    if accepted { "accept" } else { "reject" }
}

/// Which items.
#[derive(Deserialize)]
pub struct Which {
    pub(super) user: Option<Uuid>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Which {
    pub(super) fn paging(self) -> Paging {
        Paging {
            cursor: self.cursor,
            limit: self.limit,
        }
    }
}

/// Lists what waits for a decision
#[utoipa::path(
    get, path = "/api/v1/held", operation_id = "held_list", tag = "care",
    params(
        ("user" = Option<Uuid>, Query, description = "Only of this user"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses((status = 200, description = "A page", body = List<HeldItem>))
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    Viewer(caller): Viewer,
    Params(which): Params<Which>,
) -> Result<Json<List<HeldItem>>, Problem> {
    let user = which.user.map(UserId);
    let paging = which.paging();
    let after = paging.after()?;
    let rows = api.store.held(user, after, paging.limit() + 1).await?;
    let page = paging.page(
        rows,
        |held| held.id.to_string(),
        |held| HeldItem::of(&api, &caller, held),
    );
    Ok(Json(List {
        items: page.items.into_iter().collect::<Result<_, _>>()?,
        next_cursor: page.next_cursor,
    }))
}

/// Lets the Outlook value through (operator)
#[utoipa::path(
    post, path = "/api/v1/held/{id}/accept", operation_id = "held_accept", tag = "care",
    params(("id" = i64, Path, description = "The held item")),
    responses(
        (status = 202, description = "Decided; the person is looked at now", body = HeldItem),
        (status = 404, description = "Unknown, or carried out already", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Rejected before", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn accept(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<i64>,
) -> Result<(StatusCode, Json<HeldItem>), Problem> {
    decide(&api, &caller, id, true).await
}

/// Restores Tribe's value in Outlook (operator)
#[utoipa::path(
    post, path = "/api/v1/held/{id}/reject", operation_id = "held_reject", tag = "care",
    params(("id" = i64, Path, description = "The held item")),
    responses(
        (status = 202, description = "Decided; the person is looked at now", body = HeldItem),
        (status = 404, description = "Unknown, or carried out already", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Accepted before", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn reject(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<i64>,
) -> Result<(StatusCode, Json<HeldItem>), Problem> {
    decide(&api, &caller, id, false).await
}

pub(super) async fn decide(
    api: &Api,
    caller: &Caller,
    id: i64,
    accepted: bool,
) -> Result<(StatusCode, Json<HeldItem>), Problem> {
    let held = api.store.held_item(id).await?;
    let mut held = held.ok_or_else(|| Problem::not_found("held item"))?;
    match held.accepted {
        Some(before) if before != accepted => {
            let other = "another decision was made before";
            return Err(Problem::conflict(other).by(Some(held.rule)));
        }
        Some(_) => {}
        None => {
            let changes = vec![
                Change::DecideHeld { id, accepted },
                look_at(api, &held.environment, held.user, Some(held.person)),
            ];
            api.store.commit(&Guard::None, changes).await?;
            api.wake.lane(&Lane::Mailbox(held.user));
            held.accepted = Some(accepted);
        }
    }
    let item = HeldItem::of(api, caller, held)?;
    Ok((StatusCode::ACCEPTED, Json(item)))
}

/// Asks the mailbox's worker to look at a person, or at everything where none is named.
pub(super) fn look_at(
    api: &Api,
    environment: &EnvironmentId,
    user: UserId,
    person: Option<PersonId>,
) -> Change {
    let now = api.clock.now_ms();
    Change::AddHints(vec![NewHint {
        environment: environment.clone(),
        user: Some(user),
        target: person.map_or(Target::Resync, |id| Target::Person { id, read: None }),
        source: Source::Person,
        received_ms: now,
        not_before_ms: now,
        attempts: 0,
    }])
}
