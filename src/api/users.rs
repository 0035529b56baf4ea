//! Users: list, activation, one in detail.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::{EmployeeId, EnvironmentId, UserId};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Api, Problem,
    auth::{Admin, Caller, Viewer},
    canary::{self, CanaryView},
    extract::{Body, Id, Params},
    list::{List, Paging, time},
    problem::ProblemBody,
};
use crate::{
    activation::{
        browser::Link,
        invite::{Activate, Who},
    },
    environment::is_name,
    sealed::user_row,
    store::{LinkCounts, User},
    vault::column,
};

/// The environment that the configuration describes.
pub const DEFAULT_ENVIRONMENT: &str = "default";

/// An employee with a mailbox.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f", "environment": "default",
    "employee_id": "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11", "state": "live", "reason": null,
    "mailbox": "anna@example.nl", "created_at": "2026-11-24T09:00:00Z"
}))]
pub struct UserView {
    /// Our id.
    id: Uuid,
    /// Which environment.
    environment: String,
    /// Which employee.
    employee_id: Uuid,
    /// `invited`, `consented`, `first_sync`, `live`, `paused`, `needs_consent`, `braked` or
    /// `disconnected`
    state: &'static str,
    /// Why, where the state alone does not say, such as `employee_left`.
    #[schema(required)]
    reason: Option<String>,
    /// The mailbox's address once connected; null for viewers.
    #[schema(required)]
    mailbox: Option<String>,
    /// When it was activated.
    created_at: String,
}

impl UserView {
    /// The user as this caller may see it.
    pub(super) fn of(api: &Api, caller: &Caller, user: User) -> Result<UserView, Problem> {
        let row = user_row(user.id);
        let mailbox = user.mailbox.as_ref().filter(|_| caller.sees_values());
        let mailbox = mailbox
            .map(|sealed| api.vault.open_text(column::MAILBOX, &row, sealed))
            .transpose()?;
        Ok(UserView {
            id: user.id.0,
            environment: user.environment.0,
            employee_id: user.employee.0,
            state: user.state.name(),
            reason: user.reason,
            mailbox: mailbox.map(|address| address.expose_secret().to_owned()),
            created_at: time(user.created_ms),
        })
    }
}

/// Which users.
#[derive(Deserialize)]
pub struct Which {
    environment: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Lists users by id
#[utoipa::path(
    get, path = "/api/v1/users", operation_id = "users_list", tag = "users",
    params(
        ("environment" = Option<String>, Query, description = "Only of this environment"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<usize>, Query, description = "1 to 500, usually 100"),
    ),
    responses((status = 200, description = "A page", body = List<UserView>))
)]
pub async fn list(
    State(api): State<Arc<Api>>,
    Viewer(caller): Viewer,
    Params(which): Params<Which>,
) -> Result<Json<List<UserView>>, Problem> {
    let paging = Paging {
        cursor: which.cursor,
        limit: which.limit,
    };
    let environment = which.environment.map(EnvironmentId);
    let after = paging.after()?;
    let rows = api
        .store
        .users(environment.as_ref(), after, paging.limit() + 1)
        .await?;
    let page = paging.page(
        rows,
        |user| user.id.to_string(),
        |user| UserView::of(&api, &caller, user),
    );
    Ok(Json(List {
        items: page.items.into_iter().collect::<Result<_, _>>()?,
        next_cursor: page.next_cursor,
    }))
}

/// Whom to activate: `employee_id` or `employee_email`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"employee_email": "anna@example.nl", "return_to": "/", "start": false}))]
pub struct Activation {
    /// In which environment; `default` when unset.
    #[serde(default)]
    environment: Option<String>,
    /// The id of the employee in Tribe.
    #[serde(default)]
    employee_id: Option<Uuid>,
    /// The employee's address, or that of its person.
    #[serde(default)]
    employee_email: Option<String>,
    /// The page of this service that the browser is sent to after consent.
    #[serde(default)]
    return_to: Option<String>,
    /// Begin the first sync right after consent.
    #[serde(default)]
    start: Option<bool>,
}

/// An activated user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f", "environment": "default",
    "employee_id": "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11", "state": "invited", "reason": null,
    "mailbox": null, "created_at": "2026-11-24T09:00:00Z",
    "consent_url": "https://link.example.nl/consent/8Jq…", "expires_at": "2026-12-01T09:00:00Z"
}))]
pub struct Activated {
    #[serde(flatten)]
    pub(super) user: UserView,
    /// Where the employee's browser begins; null for one who needs no consent now.
    #[schema(required)]
    pub(super) consent_url: Option<String>,
    /// Until when the link can be opened.
    #[schema(required)]
    pub(super) expires_at: Option<String>,
}

/// Activates an employee (admin)
///
/// The same employee is always the same user; after a disconnect it is invited again under its id.
#[utoipa::path(
    post, path = "/api/v1/users", operation_id = "users_activate", tag = "users", request_body = Activation,
    responses(
        (status = 201, description = "A new user", body = Activated),
        (status = 200, description = "The employee's user, known from before", body = Activated),
        (status = 400, description = "A value cannot be used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown environment or employee", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Several employees fit, or the employee left (R22)", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn activate(
    State(api): State<Arc<Api>>,
    Admin(caller): Admin,
    Body(wanted): Body<Activation>,
) -> Result<impl IntoResponse, Problem> {
    let who = match (wanted.employee_id, wanted.employee_email) {
        (Some(id), None) => Who::Id(EmployeeId(id)),
        (None, Some(email)) => Who::Email(email),
        _ => {
            return Err(Problem::invalid(
                "one of employee_id and employee_email is needed",
            ));
        }
    };
    let environment = wanted
        .environment
        .unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
    if !is_name(&environment) {
        return Err(Problem::not_found("environment"));
    }
    let activated = api
        .activation
        .activate(Activate {
            environment: EnvironmentId(environment),
            who,
            return_to: wanted.return_to,
            start: wanted.start,
        })
        .await?;
    let status = match activated.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let (consent_url, expires_at) = link(activated.link);
    let user = UserView::of(&api, &caller, activated.user)?;
    let answer = Activated {
        user,
        consent_url,
        expires_at,
    };
    Ok((status, Json(answer)))
}

pub(super) fn link(link: Option<Link>) -> (Option<String>, Option<String>) {
    link.map_or((None, None), |link| {
        (Some(link.url), Some(time(link.expires_ms)))
    })
}

/// How many people are in which condition.
#[derive(Serialize, ToSchema)]
pub struct Counts {
    /// Linked, with nothing that waits or fails.
    in_sync: u64,
    /// Not eligible now; nothing is written, nothing was deleted.
    sleeping: u64,
    /// A change waits for a decision.
    held: u64,
    /// Something could not be done.
    failing: u64,
}

impl Counts {
    fn of(counts: &LinkCounts) -> Counts {
        Counts {
            in_sync: counts
                .linked
                .saturating_sub(counts.held)
                .saturating_sub(counts.failing),
            sleeping: counts.sleeping,
            held: counts.held,
            failing: counts.failing,
        }
    }
}

/// How far a long pass is.
#[derive(Serialize, ToSchema)]
pub struct Progress {
    /// People done.
    done: u64,
    /// People in all.
    total: u64,
}

impl Progress {
    /// From people done and in all.
    pub(super) fn of((done, total): (u64, u64)) -> Progress {
        Progress { done, total }
    }
}

/// What the braked pass would have done.
#[derive(Serialize, ToSchema)]
pub struct Braked {
    /// Links removed, or with an emptied value.
    changes: u64,
    /// Links in all.
    links: u64,
}

/// A user in detail.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "01932f4e-6d2c-7a10-9f43-1c2b3a4d5e6f", "environment": "default",
    "employee_id": "5b2f8a0e-93ad-4c55-8a54-1f0c2b7d9e11", "state": "live", "reason": null,
    "mailbox": "anna@example.nl", "created_at": "2026-11-24T09:00:00Z",
    "counts": {"in_sync": 412, "sleeping": 3, "held": 0, "failing": 1}, "progress": null,
    "last_proven_at": "2026-11-24T10:14:03Z", "subscription_expires_at": "2026-11-30T22:00:00Z",
    "backlog": 0, "lag_ms": 0, "braked": null,
    "canary": {
        "to_outlook": {"standing": "proven", "proven_at": "2026-11-24T10:14:03Z", "took_ms": 740, "waits_since": null},
        "to_tribe": {"standing": "waiting", "proven_at": "2026-11-23T11:14:02Z", "took_ms": 910,
                     "waits_since": "2026-11-24T11:14:01Z"}
    }
}))]
pub struct UserDetail {
    #[serde(flatten)]
    user: UserView,
    counts: Counts,
    /// First sync, resync or preview under way; null when none is.
    #[schema(required)]
    progress: Option<Progress>,
    /// When both sides were last seen in step.
    #[schema(required)]
    last_proven_at: Option<String>,
    /// When the first of its subscriptions at Graph ends.
    #[schema(required)]
    subscription_expires_at: Option<String>,
    /// Hints that wait.
    backlog: u64,
    /// How long the oldest of them has waited, in milliseconds.
    lag_ms: i64,
    /// What the brake held back.
    #[schema(required)]
    braked: Option<Braked>,
    /// What the canary proved; null where there is none, or this user has no part in it.
    #[schema(required)]
    canary: Option<CanaryView>,
}

/// One user in detail
#[utoipa::path(
    get, path = "/api/v1/users/{id}", operation_id = "users_one", tag = "users",
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The user", body = UserDetail),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn one(
    State(api): State<Arc<Api>>,
    Viewer(caller): Viewer,
    Id(id): Id<UserId>,
) -> Result<Json<UserDetail>, Problem> {
    let user = api.activation.user(id).await?;
    detail(&api, &caller, user).await.map(Json)
}

/// A user in detail, as this caller may see it.
pub(super) async fn detail(api: &Api, caller: &Caller, user: User) -> Result<UserDetail, Problem> {
    let id = user.id;
    let counts = api.store.count_links(id).await?;
    let (backlog, oldest_ms) = api.store.mailbox_backlog(id).await?;
    let subscriptions = api.store.subscriptions_of(id).await?;
    let expires_ms = subscriptions.iter().map(|one| one.expires_ms).min();
    let progress = user.progress;
    let braked = user.braked;
    let proven_ms = user.proven_ms;
    let canary = canary::view(api, &user).await?;
    Ok(UserDetail {
        user: UserView::of(api, caller, user)?,
        counts: Counts::of(&counts),
        progress: progress.map(Progress::of),
        last_proven_at: proven_ms.map(time),
        subscription_expires_at: expires_ms.map(time),
        backlog,
        lag_ms: lag_ms(api, oldest_ms),
        braked: braked.map(|(changes, links)| Braked { changes, links }),
        canary,
    })
}

/// How long the oldest hint has waited.
pub(super) fn lag_ms(api: &Api, oldest_ms: Option<i64>) -> i64 {
    oldest_ms.map_or(0, |oldest_ms| (api.clock.now_ms() - oldest_ms).max(0))
}
