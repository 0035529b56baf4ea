//! The state of the service at a glance.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Api, Problem, auth::Viewer, list::time, users::lag_ms};
use crate::store::Alert;

/// What waits in one environment.
#[derive(Serialize, ToSchema)]
pub struct Backlog {
    /// Whose.
    environment: String,
    /// Hints that wait.
    hints: u64,
    /// How long the oldest has waited, in milliseconds.
    lag_ms: i64,
}

/// Something that needs an administrator.
#[derive(Serialize, ToSchema)]
pub struct AlertView {
    /// What it is about, and whom.
    key: String,
    /// Whose environment.
    environment: String,
    /// Whose user.
    #[schema(required)]
    user_id: Option<Uuid>,
    /// What to do.
    message: String,
    /// Since when.
    since: String,
}

impl From<Alert> for AlertView {
    fn from(alert: Alert) -> AlertView {
        AlertView {
            key: alert.key,
            environment: alert.environment.0,
            user_id: alert.user.map(|user| user.0),
            message: alert.message,
            since: time(alert.since_ms),
        }
    }
}

/// The state of the service.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "version": "0.1.0", "users": {"live": 41, "paused": 1},
    "backlog": [{"environment": "default", "hints": 0, "lag_ms": 0}],
    "alerts": [{"key": "employee_left/01932f4e-…", "environment": "default",
                "user_id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f",
                "message": "The employee is former or gone in Tribe: …", "since": "2026-11-24T10:14:03Z"}]
}))]
pub struct Status {
    /// Of this program.
    version: &'static str,
    /// How many users are in which state; every state is named.
    users: BTreeMap<&'static str, u64>,
    /// What waits, by environment.
    backlog: Vec<Backlog>,
    /// What needs an administrator, oldest first.
    alerts: Vec<AlertView>,
}

/// The state of the service at a glance
#[utoipa::path(
    get, path = "/api/v1/status", operation_id = "status", tag = "service",
    responses((status = 200, description = "The state", body = Status))
)]
pub async fn status(State(api): State<Arc<Api>>, _: Viewer) -> Result<Json<Status>, Problem> {
    let mut backlog = Vec::new();
    for environment in api.store.environments().await? {
        let (hints, oldest_ms) = api.store.backlog(&environment.id).await?;
        backlog.push(Backlog {
            environment: environment.id.0,
            hints,
            lag_ms: lag_ms(&api, oldest_ms),
        });
    }
    let alerts = api.store.alerts().await?;
    let users = api.store.count_users().await?;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        users: users.into_iter().map(|(state, count)| (state.name(), count)).collect(),
        backlog,
        alerts: alerts.into_iter().map(AlertView::from).collect(),
    }))
}
