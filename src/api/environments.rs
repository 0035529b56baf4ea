//! Environments: Tribe organisations.

use std::sync::Arc;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use tribelink_plan::ids::EnvironmentId;
use utoipa::ToSchema;

use super::{
    Api, Problem,
    auth::{Admin, Viewer},
    extract::Body,
    list::{List, time},
    problem::ProblemBody,
};
use crate::{
    environment::{Rules, Settings, is_name},
    store::{Change, Environment, Guard, Lane},
    vault::FingerprintKey,
};

/// A Tribe organisation.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "default", "organization_id": "0d2c6f4e-5f0b-4f3a-9f0e-7f1a2b3c4d5e", "configured": true,
    "polled_at": "2026-11-24T10:10:00Z", "swept_at": "2026-11-24T02:00:00Z", "throttled_until": null,
    "rules": {}
}))]
pub struct EnvironmentView {
    /// Its short name.
    id: String,
    /// Tribe's organisation id, once known.
    #[schema(required)]
    organization_id: Option<String>,
    /// Whether the configuration describes it; else it was added here.
    configured: bool,
    /// Up to where changes were looked for.
    #[schema(required)]
    polled_at: Option<String>,
    /// When the last sweep ended.
    #[schema(required)]
    swept_at: Option<String>,
    /// Until when Tribe asks to wait; null when it does not.
    #[schema(required)]
    throttled_until: Option<String>,
    /// Its own rules; empty where everything is as configured.
    rules: Rules,
}

impl EnvironmentView {
    fn of(environment: Environment, rules: Rules, now_ms: i64) -> EnvironmentView {
        let since = |ms: i64| Some(ms).filter(|ms| *ms > 0).map(time);
        let throttled_ms = environment.throttled_until_ms;
        EnvironmentView {
            id: environment.id.0,
            organization_id: environment.organization,
            configured: environment.settings.is_none(),
            polled_at: since(environment.polled_ms),
            swept_at: since(environment.swept_ms),
            throttled_until: Some(throttled_ms).filter(|ms| *ms > now_ms).map(time),
            rules,
        }
    }
}

/// Lists environments
#[utoipa::path(
    get, path = "/api/v1/environments", operation_id = "environments_list", tag = "service",
    responses((status = 200, description = "All of them", body = List<EnvironmentView>))
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    _: Viewer,
) -> Result<Json<List<EnvironmentView>>, Problem> {
    let environments = api.store.environments().await?;
    let now_ms = api.clock.now_ms();
    let items = environments.into_iter().map(|environment| {
        let rules = Rules::open(&api.vault, &environment)?;
        Ok(EnvironmentView::of(environment, rules, now_ms))
    });
    Ok(Json(List {
        items: items.collect::<Result<_, Problem>>()?,
        next_cursor: None,
    }))
}

/// An environment to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "id": "acme", "tribe": {"client_id": "…", "client_secret": "…", "webhook_secrets": ["…"]}
}))]
pub struct NewEnvironment {
    /// A short name: lower-case letters, digits and dashes, at most 32.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,31}$")]
    id: String,
    /// How to reach it: the keys of the configuration's section `tribe`. Kept sealed, shown to nobody.
    #[serde(deserialize_with = "from_object")]
    tribe: Settings,
    /// Its own rules, where they differ from the configuration's section `sync`.
    #[serde(default)]
    rules: Rules,
}

/// Reads the settings from an object: the library would fill them from a list too, by their order.
fn from_object<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Settings, D::Error> {
    let members = serde_json::Map::deserialize(deserializer)?;
    Settings::deserialize(members).map_err(serde::de::Error::custom)
}

/// Adds an environment (admin)
#[utoipa::path(
    post, path = "/api/v1/environments", operation_id = "environments_add", tag = "service", request_body = NewEnvironment,
    responses(
        (status = 201, description = "Added; its worker begins", body = EnvironmentView),
        (status = 400, description = "A value cannot be used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn add(
    State(api): State<Arc<Api>>,
    _: Admin,
    Body(wanted): Body<NewEnvironment>,
) -> Result<(StatusCode, Json<EnvironmentView>), Problem> {
    if !is_name(&wanted.id) {
        return Err(Problem::invalid(
            "id takes lower-case letters, digits and dashes, at most 32",
        ));
    }
    wanted.tribe.check()?;
    wanted.rules.check()?;
    let id = EnvironmentId(wanted.id);
    if api.store.environment(&id).await?.is_some() {
        return Err(Problem::conflict("an environment of this name exists"));
    }
    let now = api.clock.now_ms();
    let row = id.as_str();
    let settings = wanted.tribe.seal(&api.vault, row, wanted.rules.clone())?;
    let environment = Environment {
        organization: None,
        fingerprint_key: FingerprintKey::generate(api.random.as_ref()).seal(&api.vault, &id),
        settings: Some(settings),
        polled_ms: now,
        chores_due_ms: now,
        swept_ms: 0,
        throttled_until_ms: 0,
        id: id.clone(),
    };
    let put = Change::PutEnvironment(environment.clone());
    api.store.commit(&Guard::None, vec![put]).await?;
    api.wake.lane(&Lane::Environment(id));
    let view = EnvironmentView::of(environment, wanted.rules, now);
    Ok((StatusCode::CREATED, Json(view)))
}
