//! Links of a user.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use tribelink_plan::{ids::UserId, link::LinkState};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Viewer,
    extract::{Id, Params},
    list::{List, Paging},
    problem::ProblemBody,
};
use crate::store::LinkRow;

/// One person of one user and its Outlook contact.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f:b724d383-bb70-480a-b03d-512b9aaec15a",
    "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f",
    "person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "contact_id": "AAkALg…", "state": "linked"
}))]
pub struct Link {
    /// User and person: a pair has one link.
    id: String,
    /// Whose.
    user_id: Uuid,
    /// For whom.
    person_id: Uuid,
    /// The connector ID: Graph's immutable id of the contact.
    #[schema(required)]
    contact_id: Option<String>,
    /// `intent`, `linked`, `sleeping`, `tombstone` or `closed`
    state: &'static str,
}

impl From<LinkRow> for Link {
    fn from(row: LinkRow) -> Link {
        Link {
            id: format!("{}:{}", row.user, row.person),
            user_id: row.user.0,
            person_id: row.person.0,
            contact_id: row.link.contact.map(|contact| contact.0),
            state: word(row.link.state),
        }
    }
}

/// The API's word for a link's state.
pub(super) fn word(state: LinkState) -> &'static str {
    match state {
        LinkState::Intent => "intent",
        LinkState::Linked => "linked",
        LinkState::Sleeping => "sleeping",
        LinkState::Tombstone { .. } => "tombstone",
        LinkState::Closed => "closed",
    }
}

/// Lists a user's links by person
#[utoipa::path(
    get, path = "/api/v1/users/{id}/links", operation_id = "links_list", tag = "links",
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "A page", body = List<Link>),
        (status = 404, description = "Unknown user", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Id(id): Id<UserId>,
    Params(paging): Params<Paging>,
) -> Result<Json<List<Link>>, Problem> {
    api.activation.user(id).await?;
    let after = paging.after()?;
    let rows = api.store.links(id, after, paging.limit() + 1).await?;
    Ok(Json(paging.page(
        rows,
        |row| row.person.to_string(),
        Link::from,
    )))
}
