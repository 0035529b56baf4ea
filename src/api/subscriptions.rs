//! Subscriptions at Graph.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::Viewer,
    extract::Params,
    list::{List, Paging, time},
};
use crate::store::Subscription;

/// A subscription at Graph.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "7f1f4b1e-…", "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f", "environment": "default",
    "resource": "/me/contacts", "expires_at": "2026-11-30T22:00:00Z",
    "created_at": "2026-11-24T09:00:00Z", "checked_at": "2026-11-24T10:00:00Z"
}))]
pub struct SubscriptionView {
    /// Graph's id.
    id: String,
    /// Whose.
    user_id: Uuid,
    /// Whose environment.
    environment: String,
    /// What it watches.
    resource: String,
    /// When it ends.
    expires_at: String,
    /// When it was created.
    created_at: String,
    /// When it was last looked after.
    checked_at: String,
}

impl From<Subscription> for SubscriptionView {
    fn from(one: Subscription) -> SubscriptionView {
        SubscriptionView {
            id: one.id,
            user_id: one.user.0,
            environment: one.environment.0,
            resource: one.resource,
            expires_at: time(one.expires_ms),
            created_at: time(one.created_ms),
            checked_at: time(one.checked_ms),
        }
    }
}

/// Lists subscriptions at Graph, the first to end first
#[utoipa::path(
    get, path = "/api/v1/subscriptions", operation_id = "subscriptions_list", tag = "care",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses((status = 200, description = "A page", body = List<SubscriptionView>))
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    _: Viewer,
    Params(paging): Params<Paging>,
) -> Result<Json<List<SubscriptionView>>, Problem> {
    let after: Option<String> = paging.after()?;
    let rows = api
        .store
        .subscriptions(after.as_deref(), paging.limit() + 1)
        .await?;
    Ok(Json(paging.page(
        rows,
        |one| one.id.clone(),
        SubscriptionView::from,
    )))
}
