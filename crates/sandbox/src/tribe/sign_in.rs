//! Tribe's sign-in: authorize and token (Tribe reference 2), as ORY Hydra speaks.

use std::collections::BTreeMap;

use axum::{
    Form, Json, Router,
    extract::{Query, State},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::{
    deliver::Source,
    state::{self, Bearer, Shared, secret},
};

/// The two applications of the organisation.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Client credentials, and authorization code for connecting the whole environment.
    pub main: (String, String),
    /// Authorization code for an employee's own sign-in.
    pub login: (String, String),
}

impl Clients {
    /// Draws ids and secrets.
    #[must_use]
    pub fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut one = || (state::guid(rng).to_string(), secret(rng, ""));
        Self {
            main: one(),
            login: one(),
        }
    }

    fn secret_of(&self, id: &str) -> Option<&str> {
        [&self.main, &self.login]
            .into_iter()
            .find(|(known, _)| known == id)
            .map(|(_, secret)| secret.as_str())
    }
}

#[derive(Clone, Debug)]
struct Code {
    client: String,
    redirect: String,
    scope: String,
    employee: Uuid,
    who: String,
    expires_ms: i64,
    grant: String,
    used: bool,
}

#[derive(Clone, Debug)]
struct Refresh {
    client: String,
    scope: String,
    employee: Uuid,
    who: String,
    expires_ms: i64,
    grant: String,
}

/// Codes and refresh tokens that are alive.
#[derive(Debug, Default)]
pub struct Grants {
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, Refresh>,
}

/// `/oauth2/auth` and `/oauth2/token`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/oauth2/auth", get(authorize).post(decide))
        .route("/oauth2/token", post(token))
}

type Params = BTreeMap<String, String>;

/// An error in the sign-in server's words (2.6).
fn refusal(status: u16, error: &str, description: &str) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"error": error, "error_description": description, "status_code": status});
    (code, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn param<'a>(params: &'a Params, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

/// Where the browser goes back to.
fn back(redirect: &str, pairs: &[(&str, &str)]) -> Response {
    let Ok(mut url) = url::Url::parse(redirect) else {
        return refusal(400, "invalid_request", "The redirect_uri is no URL.");
    };
    url.query_pairs_mut().extend_pairs(pairs);
    (StatusCode::FOUND, [(header::LOCATION, url.to_string())]).into_response()
}

fn back_with_error(params: &Params, error: &str, hint: &str) -> Response {
    let pairs = [
        ("error", error),
        ("error_description", hint),
        ("error_hint", hint),
        ("state", param(params, "state")),
    ];
    back(param(params, "redirect_uri"), &pairs)
}

/// What is wrong with an authorize request, if anything.
fn check(ctx: &Shared, params: &Params) -> Result<(), Box<Response>> {
    let state = ctx.lock();
    if state
        .tribe
        .clients
        .secret_of(param(params, "client_id"))
        .is_none()
    {
        return Err(Box::new(refusal(
            401,
            "invalid_client",
            "The client is unknown.",
        )));
    }
    if !state
        .options
        .accepts_redirect(param(params, "redirect_uri"))
    {
        return Err(Box::new(refusal(
            400,
            "invalid_request",
            "The redirect_uri is not registered.",
        )));
    }
    // The vendor's own client reports a 500 for this parameter (10).
    if params.contains_key("organization_id") {
        return Err(Box::new(refusal(
            500,
            "server_error",
            "The authorization server met an unexpected condition.",
        )));
    }
    let refuse = |error, hint| Err(Box::new(back_with_error(params, error, hint)));
    if param(params, "state").len() < 8 {
        return refuse(
            "invalid_state",
            "The state is missing or has less than 8 characters.",
        );
    }
    if param(params, "response_type") != "code" {
        return refuse(
            "unsupported_response_type",
            "The response_type must be code.",
        );
    }
    if !scope_is_known(param(params, "scope")) {
        return refuse("invalid_scope", "A scope is unknown.");
    }
    Ok(())
}

fn scope_is_known(scope: &str) -> bool {
    scope
        .split_whitespace()
        .all(|scope| matches!(scope, "read" | "write" | "offline"))
}

async fn authorize(State(ctx): State<Shared>, Query(params): Query<Params>) -> Response {
    if let Err(refusal) = check(&ctx, &params) {
        return *refusal;
    }
    let auto = ctx.lock().auto_consent || param(&params, "auto") == "1";
    if auto {
        grant(&ctx, &params, param(&params, "login_hint"))
    } else {
        Html(form(&ctx, &params)).into_response()
    }
}

/// The form's post: `login` is an employee's address, `decision` is `allow` or `deny`.
async fn decide(
    State(ctx): State<Shared>,
    Query(query): Query<Params>,
    Form(form): Form<Params>,
) -> Response {
    let mut params = query;
    params.extend(form);
    if let Err(refusal) = check(&ctx, &params) {
        return *refusal;
    }
    if param(&params, "decision") == "deny" {
        return back_with_error(
            &params,
            "access_denied",
            "The resource owner denied the request.",
        );
    }
    grant(&ctx, &params, param(&params, "login"))
}

/// Back to the application with a code for this employee, the first one if none is named.
fn grant(ctx: &Shared, params: &Params, login: &str) -> Response {
    let mut state = ctx.lock();
    let user = if login.is_empty() {
        state.users.first()
    } else {
        state.user(login)
    };
    let Some((employee, who)) = user.map(|user| (user.employee_id, user.address.clone())) else {
        return back_with_error(params, "access_denied", "There is no such employee.");
    };
    let expires_ms = state.now_ms() + 600_000;
    let (code, grant) = (state.secret("ac_"), state.secret("gr_"));
    let scope = param(params, "scope").to_owned();
    let (client, redirect) = (
        param(params, "client_id").to_owned(),
        param(params, "redirect_uri").to_owned(),
    );
    let kept = Code {
        client,
        redirect: redirect.clone(),
        scope: scope.clone(),
        employee,
        who,
        expires_ms,
        grant,
        used: false,
    };
    state.tribe.grants.codes.insert(code.clone(), kept);
    back(
        &redirect,
        &[
            ("code", &code),
            ("scope", &scope),
            ("state", param(params, "state")),
        ],
    )
}

fn form(ctx: &Shared, params: &Params) -> String {
    let hint = param(params, "login_hint");
    let hidden: String = params
        .iter()
        .map(|(name, value)| {
            format!(
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                crate::pages::escape(name),
                crate::pages::escape(value)
            )
        })
        .collect();
    let people: String = ctx
        .lock()
        .users
        .iter()
        .map(|user| {
            let chosen = if user.address.eq_ignore_ascii_case(hint) {
                " selected"
            } else {
                ""
            };
            let (address, name) = (
                crate::pages::escape(&user.address),
                crate::pages::escape(&user.name),
            );
            format!("<option value=\"{address}\"{chosen}>{name} ({address})</option>")
        })
        .collect();
    crate::pages::sign_in("Tribe CRM", "/oauth2/auth", &hidden, &people)
}

async fn token(State(ctx): State<Shared>, Form(params): Form<Params>) -> Response {
    let id = param(&params, "client_id");
    {
        let state = ctx.lock();
        let known = state.tribe.clients.secret_of(id);
        if known.is_none() || known != params.get("client_secret").map(String::as_str) {
            return refusal(401, "invalid_client", "Client authentication failed.");
        }
    }
    match param(&params, "grant_type") {
        "client_credentials" => client_credentials(&ctx, &params),
        "authorization_code" => authorization_code(&ctx, &params),
        "refresh_token" => refresh_token(&ctx, &params),
        "" => refusal(400, "invalid_request", "The grant_type is missing."),
        _ => refusal(400, "invalid_grant", "The grant type is not allowed."),
    }
}

fn client_credentials(ctx: &Shared, params: &Params) -> Response {
    let mut state = ctx.lock();
    if param(params, "client_id") != state.tribe.clients.main.0 {
        return refusal(
            400,
            "invalid_grant",
            "The grant type is not allowed for this client.",
        );
    }
    let scope = params.get("scope").map_or("read write", String::as_str);
    if !scope_is_known(scope) {
        return refusal(400, "invalid_scope", "A scope is unknown.");
    }
    let employee = state.tribe.virtual_employee;
    let access = access(&mut state, "crm", scope, "", employee);
    let seconds = state.options.tribe.access_seconds;
    answer(
        json!({"access_token": access, "token_type": "bearer", "expires_in": seconds, "scope": scope}),
    )
}

fn authorization_code(ctx: &Shared, params: &Params) -> Response {
    let mut state = ctx.lock();
    let name = param(params, "code");
    if name.is_empty() || param(params, "redirect_uri").is_empty() {
        return refusal(
            400,
            "invalid_request",
            "The code or the redirect_uri is missing.",
        );
    }
    let now = state.now_ms();
    let Some(code) = state.tribe.grants.codes.get_mut(name) else {
        return refusal(400, "invalid_grant", "The code is unknown.");
    };
    let before = code.clone();
    code.used = true;
    if before.used {
        // A code used twice has leaked: everything that came from it dies (2.6).
        state.revoke(&before.grant);
        state
            .tribe
            .grants
            .refresh
            .retain(|_, refresh| refresh.grant != before.grant);
        return refusal(400, "invalid_grant", "The code was used before.");
    }
    if before.client != param(params, "client_id")
        || before.redirect != param(params, "redirect_uri")
        || before.expires_ms <= now
    {
        return refusal(
            400,
            "invalid_grant",
            "The code does not fit the request, or has expired.",
        );
    }
    pair(
        &mut state,
        before.client,
        before.scope,
        before.employee,
        before.who,
        before.grant,
    )
}

fn refresh_token(ctx: &Shared, params: &Params) -> Response {
    let mut state = ctx.lock();
    let name = param(params, "refresh_token");
    if name.is_empty() {
        return refusal(400, "invalid_request", "The refresh_token is missing.");
    }
    let now = state.now_ms();
    let Some(refresh) = state.tribe.grants.refresh.get(name).cloned() else {
        return refusal(
            400,
            "invalid_grant",
            "The refresh token is unknown or was used before.",
        );
    };
    if refresh.client != param(params, "client_id") {
        return refusal(
            400,
            "invalid_grant",
            "The refresh token belongs to another client.",
        );
    }
    if refresh.expires_ms <= now {
        return refusal(400, "invalid_request", "The refresh token has expired.");
    }
    // Each refresh kills the old one (2.4).
    state.tribe.grants.refresh.remove(name);
    pair(
        &mut state,
        refresh.client,
        refresh.scope,
        refresh.employee,
        refresh.who,
        refresh.grant,
    )
}

/// An access token, and a refresh token where `offline` was granted.
fn pair(
    state: &mut state::State,
    client: String,
    scope: String,
    employee: Uuid,
    who: String,
    grant: String,
) -> Response {
    let access = access(state, &who, &scope, &grant, employee);
    let seconds = state.options.tribe.access_seconds;
    let mut body = json!({"access_token": access, "token_type": "bearer", "expires_in": seconds, "scope": scope});
    if scope.split_whitespace().any(|scope| scope == "offline") {
        let name = state.secret("rt_");
        let expires_ms = state.now_ms() + i64::from(state.options.tribe.refresh_seconds) * 1000;
        state.tribe.grants.refresh.insert(
            name.clone(),
            Refresh {
                client,
                scope,
                employee,
                who,
                expires_ms,
                grant,
            },
        );
        body["refresh_token"] = name.into();
    }
    answer(body)
}

/// A live access token for Tribe's API.
pub fn access(
    state: &mut state::State,
    who: &str,
    scope: &str,
    grant: &str,
    employee: Uuid,
) -> String {
    let expires_ms = state.now_ms() + i64::from(state.options.tribe.access_seconds) * 1000;
    state.issue(Bearer {
        source: Source::Tribe,
        who: who.to_owned(),
        scope: scope.to_owned(),
        expires_ms,
        grant: grant.to_owned(),
        employee: Some(employee),
    })
}

fn answer(body: serde_json::Value) -> Response {
    (
        [
            (header::CACHE_CONTROL, "no-store"),
            (header::PRAGMA, "no-cache"),
        ],
        Json(body),
    )
        .into_response()
}
