//! The state of the service at a glance.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Api, Problem, auth::Viewer, list::time, users::lag_ms};
use crate::{
    reminder::{Reminder, What, idle_before_ms, reminders},
    store::Alert,
};

/// Most that is spoken of at once: whom to begin with.
const REMINDED: usize = 50;

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

/// Something that ends soon, or has ended.
#[derive(Serialize, ToSchema)]
pub struct ReminderView {
    /// `secret` (of an application) or `consent`
    kind: &'static str,
    /// Whose environment; null for a secret.
    #[schema(required)]
    environment: Option<String>,
    /// Whose consent; null for a secret.
    #[schema(required)]
    user_id: Option<Uuid>,
    /// When.
    ends_at: String,
    /// Whether it has.
    has_ended: bool,
    /// What to do.
    message: String,
}

impl From<Reminder> for ReminderView {
    fn from(reminder: Reminder) -> ReminderView {
        let message = reminder.message();
        let (kind, environment, user_id) = match reminder.what {
            What::Secret(_) => ("secret", None, None),
            What::Consent(environment, user) => ("consent", Some(environment.0), Some(user.0)),
        };
        ReminderView {
            kind,
            environment,
            user_id,
            ends_at: time(reminder.ends_ms),
            has_ended: reminder.has_ended,
            message,
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
                "message": "The employee is former or gone in Tribe: …", "since": "2026-11-24T10:14:03Z"}],
    "reminders": [{"kind": "secret", "environment": null, "user_id": null,
                   "ends_at": "2026-12-20T00:00:00Z", "has_ended": false,
                   "message": "the application's secret in microsoft.client_secret ends on 2026-12-20: …"}]
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
    /// What ends soon unless somebody acts: secrets of applications, then consents that nobody uses, 50
    /// at most.
    reminders: Vec<ReminderView>,
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
    let now_ms = api.clock.now_ms();
    let idle = api
        .store
        .idle_consents(idle_before_ms(now_ms), REMINDED)
        .await?;
    let mut reminders = reminders(now_ms, &api.settings.secret_ends, &idle);
    reminders.truncate(REMINDED);
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        users: users
            .into_iter()
            .map(|(state, count)| (state.name(), count))
            .collect(),
        backlog,
        alerts: alerts.into_iter().map(AlertView::from).collect(),
        reminders: reminders.into_iter().map(ReminderView::from).collect(),
    }))
}
