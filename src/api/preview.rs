//! What a first sync would do.

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
    list::{Paging, time},
    problem::ProblemBody,
    users::Progress,
};
use crate::{activation::Command, store::Preview as Head};

/// One person of a preview.
#[derive(Serialize, ToSchema)]
pub struct PreviewItem {
    /// Who.
    person_id: Uuid,
    /// `create`, `adopt` or `skip`
    action: String,
    /// By which rule.
    rule: &'static str,
    /// Why, without values.
    reason: String,
}

/// What a first sync would do, as last planned.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "state": "ready", "create": 410, "adopt": 2, "skip": 5, "total": 417, "progress": null,
    "made_at": "2026-11-24T10:00:00Z",
    "items": [{"person_id": "b724d383-bb70-480a-b03d-512b9aaec15a", "action": "create", "rule": "R1",
               "reason": "eligible, no contact yet"}],
    "next_cursor": null
}))]
pub struct Preview {
    /// `running` or `ready`
    state: &'static str,
    /// Contacts that would be created.
    create: u64,
    /// Contacts that would be adopted.
    adopt: u64,
    /// People who would be left alone.
    skip: u64,
    /// All of them.
    total: u64,
    /// How far it is, while it runs.
    #[schema(required)]
    progress: Option<Progress>,
    /// When it was asked for, or made.
    made_at: String,
    /// The people, by id.
    items: Vec<PreviewItem>,
    /// What to pass as `cursor` for the next page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl Preview {
    /// The people of its page.
    pub(super) fn people(&self) -> Vec<Uuid> {
        self.items.iter().map(|item| item.person_id).collect()
    }

    pub(super) fn of(head: &Head, progress: Option<(u64, u64)>) -> Preview {
        Preview {
            state: if head.ready { "ready" } else { "running" },
            create: head.create,
            adopt: head.adopt,
            skip: head.skip,
            total: head.create + head.adopt + head.skip,
            progress: progress.filter(|_| !head.ready).map(Progress::of),
            made_at: time(head.made_ms),
            items: Vec::new(),
            next_cursor: None,
        }
    }
}

/// Plans a first sync without writing (operator)
#[utoipa::path(
    post, path = "/api/v1/users/{id}/preview", operation_id = "preview_request", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 202, description = "Planning; ask for the result with GET", body = Preview),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn request(
    State(api): State<Arc<Api>>,
    _: Operator,
    Id(id): Id<UserId>,
) -> Result<(StatusCode, Json<Preview>), Problem> {
    let user = api.activation.command(id, Command::Preview).await?;
    let head = api.store.preview(id).await?.unwrap_or_default();
    let preview = Preview::of(&head, user.progress);
    Ok((StatusCode::ACCEPTED, Json(preview)))
}

/// The preview as last stored
///
/// Ids, rules and reasons, without values. Start plans afresh.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/preview", operation_id = "preview_result", tag = "users",
    params(
        ("id" = Uuid, Path, description = "The user"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses(
        (status = 200, description = "The preview, with a page of its people", body = Preview),
        (status = 404, description = "Unknown user, or none was asked for", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn result(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Id(id): Id<UserId>,
    Params(paging): Params<Paging>,
) -> Result<Json<Preview>, Problem> {
    stored(&api, id, &paging).await.map(Json)
}

/// The stored preview, with a page of its people.
pub(super) async fn stored(api: &Api, id: UserId, paging: &Paging) -> Result<Preview, Problem> {
    let user = api.activation.user(id).await?;
    let head = api.store.preview(id).await?;
    let head = head.ok_or_else(|| Problem::not_found("preview"))?;
    let after = paging.after()?;
    let rows = api
        .store
        .preview_items(id, after, paging.limit() + 1)
        .await?;
    let page = paging.page(
        rows,
        |item| item.person.to_string(),
        |item| PreviewItem {
            person_id: item.person.0,
            action: item.action,
            rule: item.rule.code(),
            reason: item.reason,
        },
    );
    Ok(Preview {
        items: page.items,
        next_cursor: page.next_cursor,
        ..Preview::of(&head, user.progress)
    })
}
