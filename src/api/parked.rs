//! What could not be done.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use tribelink_plan::ids::UserId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::{Operator, Viewer},
    extract::{Id, Params},
    held::{Which, look_at},
    list::{List, time},
    problem::ProblemBody,
};
use crate::store::{Change, Guard, Lane, Parked};

/// Something that could not be done.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": 7, "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f",
    "person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "field": "business_email",
    "reason": "not a valid e-mail address", "attempts": 1, "since": "2026-11-24T10:14:03Z"
}))]
pub struct ParkedItem {
    /// Its number.
    id: i64,
    /// Whose.
    user_id: Uuid,
    /// For whom, where a person is concerned.
    #[schema(required)]
    person_id: Option<Uuid>,
    /// The field, where one is concerned.
    #[schema(required)]
    field: Option<String>,
    /// Why, without values.
    reason: String,
    /// How often it was tried.
    attempts: u32,
    /// Since when.
    since: String,
}

impl From<Parked> for ParkedItem {
    fn from(parked: Parked) -> ParkedItem {
        ParkedItem {
            id: parked.id,
            user_id: parked.user.0,
            person_id: parked.person.map(|person| person.0),
            field: Some(parked.field).filter(|field| !field.is_empty()),
            reason: parked.reason,
            attempts: parked.attempts,
            since: time(parked.created_ms),
        }
    }
}

/// Lists what could not be done
#[utoipa::path(
    get, path = "/api/v1/parked", operation_id = "parked_list", tag = "care",
    params(
        ("user" = Option<Uuid>, Query, description = "Only of this user"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses((status = 200, description = "A page", body = List<ParkedItem>))
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Params(which): Params<Which>,
) -> Result<Json<List<ParkedItem>>, Problem> {
    let user = which.user.map(UserId);
    let paging = which.paging();
    let after = paging.after()?;
    let rows = api.store.parked(user, after, paging.limit() + 1).await?;
    Ok(Json(paging.page(
        rows,
        |parked| parked.id.to_string(),
        ParkedItem::from,
    )))
}

/// Tries again what was parked (operator)
#[utoipa::path(
    post, path = "/api/v1/parked/{id}/retry", operation_id = "parked_retry", tag = "care",
    params(("id" = i64, Path, description = "The parked item")),
    responses(
        (status = 202, description = "It is tried again; parked anew when it fails again", body = ParkedItem),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn retry(
    State(api): State<Arc<Api>>,
    _: Operator,
    Id(id): Id<i64>,
) -> Result<(StatusCode, Json<ParkedItem>), Problem> {
    let parked = api.store.parked_item(id).await?;
    let parked = parked.ok_or_else(|| Problem::not_found("parked item"))?;
    let changes = vec![
        Change::DropParked(vec![id]),
        look_at(&api, &parked.environment, parked.user, parked.person),
    ];
    api.store.commit(&Guard::None, changes).await?;
    api.wake.lane(&Lane::Mailbox(parked.user));
    Ok((StatusCode::ACCEPTED, Json(parked.into())))
}
