//! The settings in force, without secrets.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, auth::Viewer};

/// The settings in force.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"settings": {"sync.conflict": "tribe", "audit.undo_days": "30"}}))]
pub struct SettingsView {
    /// Key and value, as they would stand in the configuration.
    settings: BTreeMap<&'static str, String>,
}

/// The settings in force
///
/// What the configuration, the environment and the defaults came to; never a secret.
#[utoipa::path(
    get, path = "/api/v1/settings", operation_id = "settings", tag = "service",
    responses((status = 200, description = "Key and value", body = SettingsView))
)]
pub async fn show(State(api): State<Arc<Api>>, _: Viewer) -> Json<SettingsView> {
    Json(SettingsView {
        settings: api.settings.in_force.clone(),
    })
}
