//! What can be done to a user.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::UserId;
use utoipa::ToSchema;

use super::{
    Api, Problem,
    auth::{Admin, Caller, Operator},
    extract::{Body, Id},
    list::time,
    problem::ProblemBody,
    users::UserView,
};
use crate::activation::Command;

async fn carry_out(
    api: &Api,
    caller: &Caller,
    id: UserId,
    command: Command,
) -> Result<Json<UserView>, Problem> {
    let user = api.activation.command(id, command).await?;
    Ok(Json(UserView::of(api, caller, user)?))
}

/// Saves and begins the first sync (admin)
///
/// Does nothing for a user that was started.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/start", operation_id = "commands_start", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, now in `first_sync`", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Not consented yet, paused, braked or disconnected", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn start(
    State(api): State<Arc<Api>>,
    Admin(caller): Admin,
    Id(id): Id<UserId>,
) -> Result<Json<UserView>, Problem> {
    carry_out(&api, &caller, id, Command::Start).await
}

/// Pauses: hints are kept, nothing is written (operator)
#[utoipa::path(
    post, path = "/api/v1/users/{id}/pause", operation_id = "commands_pause", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, now `paused`", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn pause(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<UserId>,
) -> Result<Json<UserView>, Problem> {
    carry_out(&api, &caller, id, Command::Pause).await
}

/// Ends a pause, with one catch-up (operator)
#[utoipa::path(
    post, path = "/api/v1/users/{id}/resume", operation_id = "commands_resume", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, in the state before the pause", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn resume(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<UserId>,
) -> Result<Json<UserView>, Problem> {
    carry_out(&api, &caller, id, Command::Resume).await
}

/// Compares both sides as a whole (operator)
///
/// Writes nothing where they agree, and creates nothing again that was deleted.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/resync", operation_id = "commands_resync", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user; the comparison is queued", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn resync(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<UserId>,
) -> Result<Json<UserView>, Problem> {
    carry_out(&api, &caller, id, Command::Resync).await
}

/// Finds a user's links again after a lost database (admin)
///
/// Lists the mailbox and adopts the contacts that carry this user's stamps (R12); links that exist are
/// kept. Whatever differs afterwards is decided as after any adoption (R12a).
#[utoipa::path(
    post, path = "/api/v1/users/{id}/rebuild", operation_id = "commands_rebuild", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 202, description = "The user; the search is queued", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The state does not allow it; a first sync finds the links by itself", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn rebuild(
    State(api): State<Arc<Api>>,
    Admin(caller): Admin,
    Id(id): Id<UserId>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let user = carry_out(&api, &caller, id, Command::Rebuild).await?;
    Ok((StatusCode::ACCEPTED, user))
}

/// Lets go of the brake for one pass (R17) (operator)
#[utoipa::path(
    post, path = "/api/v1/users/{id}/release", operation_id = "commands_release", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user; the pass is planned afresh", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The brake does not hold this user", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn release(
    State(api): State<Arc<Api>>,
    Operator(caller): Operator,
    Id(id): Id<UserId>,
) -> Result<Json<UserView>, Problem> {
    carry_out(&api, &caller, id, Command::Release).await
}

/// What becomes of the links.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"forget": false}))]
pub struct Disconnect {
    /// Erase the links too, with everything about them.
    #[serde(default)]
    forget: bool,
}

/// Disconnects (R20) (admin)
///
/// Answered once no write can follow: tokens and subscription are erased, links sleep, so that nothing
/// doubles on return. With `forget` they are erased too. Safe to repeat.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/disconnect", operation_id = "commands_disconnect", tag = "users", request_body = Option<Disconnect>,
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user, now `disconnected`", body = UserView),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Activated again at the same time", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn disconnect(
    State(api): State<Arc<Api>>,
    Admin(caller): Admin,
    Id(id): Id<UserId>,
    Body(wanted): Body<Disconnect>,
) -> Result<Json<UserView>, Problem> {
    let user = api.activation.disconnect(id, wanted.forget).await?;
    Ok(Json(UserView::of(&api, &caller, user)?))
}

/// What the link is for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"allow_mailbox": "anna.other@example.nl"}))]
pub struct Consent {
    /// Another mailbox than the employee's own that may be connected.
    #[serde(default)]
    allow_mailbox: Option<String>,
}

/// A fresh consent link.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "consent_url": "https://link.example.nl/consent/8Jq…", "expires_at": "2026-12-01T09:00:00Z"
}))]
pub struct ConsentUrl {
    /// Where the employee's browser begins.
    consent_url: String,
    /// Until when it can be opened.
    expires_at: String,
}

/// Makes a fresh consent link (admin)
#[utoipa::path(
    post, path = "/api/v1/users/{id}/consent", operation_id = "commands_consent", tag = "users", request_body = Option<Consent>,
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The link", body = ConsentUrl),
        (status = 400, description = "No address", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Disconnected: activate again", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn consent(
    State(api): State<Arc<Api>>,
    _: Admin,
    Id(id): Id<UserId>,
    Body(wanted): Body<Consent>,
) -> Result<Json<ConsentUrl>, Problem> {
    let allow_mailbox = wanted.allow_mailbox.as_deref();
    let link = api.activation.invite(id, allow_mailbox).await?;
    Ok(Json(ConsentUrl {
        consent_url: link.url,
        expires_at: time(link.expires_ms),
    }))
}
