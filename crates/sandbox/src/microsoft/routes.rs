//! The identity platform over HTTP, and its control routes.

use axum::{
    Form, Json, Router,
    extract::{Path, Query, State as Extract},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Demand, Refusal,
    authorize::{self, Answer, Decision, Mode, Params},
    der, draw, page, shared, token,
};
use crate::state::{Shared, State};

/// All routes of the identity platform, and `/_sandbox/microsoft/…`.
pub fn router() -> Router<Shared> {
    Router::new()
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            get(authorize_page).post(authorize_form),
        )
        .route(
            "/{tenant}/v2.0/adminconsent",
            get(consent_page).post(consent_form),
        )
        .route("/{tenant}/oauth2/v2.0/token", post(token_call))
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            get(discovery),
        )
        .route("/{tenant}/discovery/v2.0/keys", get(jwks))
        .route("/_sandbox/microsoft/revoke", post(revoke))
        .route("/_sandbox/microsoft/expire", post(expire))
        .route(
            "/_sandbox/microsoft/refuse",
            post(refuse).delete(refuse_no_more),
        )
        .route("/_sandbox/microsoft/app", post(configure))
}

async fn authorize_page(
    Extract(ctx): Extract<Shared>,
    Path(tenant): Path<String>,
    Query(params): Query<Params>,
) -> Response {
    let mut state = ctx.lock();
    let answer = authorize::authorize(&mut state, &tenant, params, &Decision::Ask);
    show(&mut state, answer)
}

async fn authorize_form(
    Extract(ctx): Extract<Shared>,
    Path(tenant): Path<String>,
    Query(mut query): Query<Params>,
    Form(form): Form<Params>,
) -> Response {
    let mut state = ctx.lock();
    let (params, decision) = decided(&mut query, form);
    let answer = authorize::authorize(&mut state, &tenant, params, &decision);
    show(&mut state, answer)
}

async fn consent_page(
    Extract(ctx): Extract<Shared>,
    Path(tenant): Path<String>,
    Query(params): Query<Params>,
) -> Response {
    let mut state = ctx.lock();
    let answer = authorize::admin_consent(&mut state, &tenant, params, &Decision::Ask);
    show(&mut state, answer)
}

async fn consent_form(
    Extract(ctx): Extract<Shared>,
    Path(tenant): Path<String>,
    Query(mut query): Query<Params>,
    Form(form): Form<Params>,
) -> Response {
    let mut state = ctx.lock();
    let (params, decision) = decided(&mut query, form);
    let answer = authorize::admin_consent(&mut state, &tenant, params, &decision);
    show(&mut state, answer)
}

/// The form carries the whole request along; what stands in the address only fills gaps, so that
/// a post of `login` alone to the authorize address is a sign-in too.
fn decided(query: &mut Params, form: Params) -> (Params, Decision) {
    query.extend(form);
    let login = query.remove("login").unwrap_or_default();
    let decision = match query.remove("decision").as_deref() {
        Some("deny") => Decision::Deny,
        _ => Decision::Allow { login },
    };
    (std::mem::take(query), decision)
}

fn show(state: &mut State, answer: Answer) -> Response {
    match answer {
        Answer::Form { params, app, error } => {
            let accounts: Vec<_> = state
                .users
                .iter()
                .map(|user| (user.address.clone(), user.name.clone()))
                .collect();
            no_store(Html(page::form(&params, &app, &accounts, error.as_deref())).into_response())
        }
        Answer::Stop(refusal) => {
            let (trace, correlation) = (draw::guid(&mut state.rng), draw::guid(&mut state.rng));
            let text = refusal.description(&trace, &correlation, state.now_ms());
            no_store((StatusCode::BAD_REQUEST, Html(page::stop(&text))).into_response())
        }
        Answer::Back {
            uri,
            mode: Mode::FormPost,
            fields,
        } => no_store(Html(page::post_back(&uri, &fields)).into_response()),
        Answer::Back { uri, mode, fields } => {
            let text = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(fields)
                .finish();
            let mark = match mode {
                Mode::Fragment => '#',
                _ if uri.contains('?') => '&',
                _ => '?',
            };
            no_store(
                (
                    StatusCode::FOUND,
                    [(header::LOCATION, format!("{uri}{mark}{text}"))],
                )
                    .into_response(),
            )
        }
    }
}

fn no_store(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store, no-cache"),
    );
    headers.insert(header::PRAGMA, header::HeaderValue::from_static("no-cache"));
    answer
}

async fn token_call(
    Extract(ctx): Extract<Shared>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Params>,
) -> Response {
    let mut guard = ctx.lock();
    let state = &mut *guard;
    let ask = token::Ask {
        tenant: &tenant,
        form: &form,
        authorization: headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()),
        origin: headers.contains_key(header::ORIGIN),
    };
    let answer = match token::token(state, &ask) {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => {
            let now = state.now_ms();
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Json(refusal.body(&mut state.rng, now))).into_response()
        }
    };
    no_store(answer)
}

async fn discovery(Extract(ctx): Extract<Shared>, Path(tenant): Path<String>) -> Response {
    let mut guard = ctx.lock();
    let state = &mut *guard;
    let identity = &state.microsoft;
    if !identity.knows_tenant(&tenant) {
        let now = state.now_ms();
        return (
            StatusCode::BAD_REQUEST,
            Json(
                Refusal::new(90002)
                    .as_error("invalid_tenant")
                    .body(&mut state.rng, now),
            ),
        )
            .into_response();
    }
    let origin = &state.options.public_url;
    // Shared authorities show a template, as the reference says in 1.1.
    let issuer = if shared(&tenant) {
        format!("{origin}/{{tenantid}}/v2.0")
    } else {
        identity.issuer(origin)
    };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{origin}/{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("{origin}/{tenant}/discovery/v2.0/keys"),
        "userinfo_endpoint": format!("{origin}/oidc/userinfo"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver", "email"],
        "request_uri_parameter_supported": false,
        "tenant_region_scope": "EU",
    }))
    .into_response()
}

async fn jwks(Extract(ctx): Extract<Shared>, Path(tenant): Path<String>) -> Response {
    let state = ctx.lock();
    if !state.microsoft.knows_tenant(&tenant) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let issuer = state.microsoft.issuer(&state.options.public_url);
    Json(state.microsoft.key().jwks(&issuer)).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mailbox {
    mailbox: String,
}

fn unknown(what: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": format!("unknown {what}")})),
    )
        .into_response()
}

async fn revoke(Extract(ctx): Extract<Shared>, Json(body): Json<Mailbox>) -> Response {
    let ended = super::revoke(&mut ctx.lock(), &body.mailbox);
    ended.map_or_else(
        || unknown("mailbox"),
        |grants| Json(json!({"revoked": grants})).into_response(),
    )
}

async fn expire(Extract(ctx): Extract<Shared>, Json(body): Json<Mailbox>) -> Response {
    let ended = super::expire(&mut ctx.lock(), &body.mailbox);
    ended.map_or_else(
        || unknown("mailbox"),
        |tokens| Json(json!({"expired": tokens})).into_response(),
    )
}

/// `{"mailbox"?, "code": AADSTS number, "error"?, "count"?}`: the token endpoint refuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseBody {
    mailbox: Option<String>,
    code: u32,
    error: Option<String>,
    count: Option<u64>,
}

async fn refuse(Extract(ctx): Extract<Shared>, Json(body): Json<RefuseBody>) -> Response {
    let mut state = ctx.lock();
    let user_id = match &body.mailbox {
        None => None,
        Some(mailbox) => match state.user(mailbox) {
            Some(user) => Some(user.user_id),
            None => return unknown("mailbox"),
        },
    };
    let refusal = Refusal::new(body.code);
    let refusal = body
        .error
        .as_deref()
        .map_or(refusal.clone(), |error| refusal.as_error(error));
    state.microsoft.demands.push(Demand {
        user_id,
        refusal,
        left: body.count,
    });
    Json(json!({"refusing": body.code})).into_response()
}

async fn refuse_no_more(Extract(ctx): Extract<Shared>) -> StatusCode {
    ctx.lock().microsoft.demands.clear();
    StatusCode::NO_CONTENT
}

/// What can be changed about the app and the tenant; absent fields stay as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure {
    /// PEM or base64 DER: may sign assertions from now on.
    certificate: Option<String>,
    /// Accepted beside the present one.
    add_secret: Option<String>,
    /// No longer accepted: answers AADSTS7000222.
    expire_secret: Option<String>,
    multi_tenant: Option<bool>,
    redirect_uris: Option<Vec<String>>,
    application_permission: Option<bool>,
    user_consent: Option<bool>,
    access_life_s: Option<i64>,
}

async fn configure(Extract(ctx): Extract<Shared>, Json(body): Json<Configure>) -> Response {
    let mut guard = ctx.lock();
    let identity = &mut guard.microsoft;
    let certificate = match body.certificate.as_deref().map(der::certificate) {
        Some(None) => {
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({"error": "not a certificate"})),
            )
                .into_response();
        }
        Some(found) => found,
        None => None,
    };
    identity.user_consent = body.user_consent.unwrap_or(identity.user_consent);
    identity.access_life_s = body.access_life_s.unwrap_or(identity.access_life_s);
    let client_id = identity.client_id.clone();
    let Some(app) = identity.apps.get_mut(&client_id) else {
        return unknown("app");
    };
    app.certificates.extend(certificate);
    app.secrets.extend(body.add_secret);
    if let Some(secret) = body.expire_secret {
        app.secrets.retain(|known| *known != secret);
        app.expired_secrets.push(secret);
    }
    app.multi_tenant = body.multi_tenant.unwrap_or(app.multi_tenant);
    app.application_permission = body
        .application_permission
        .unwrap_or(app.application_permission);
    app.redirect_uris = body
        .redirect_uris
        .unwrap_or(std::mem::take(&mut app.redirect_uris));
    let shown: Value = json!({
        "client_id": app.client_id, "secrets": app.secrets.len(), "certificates": app.certificates.len(),
        "multi_tenant": app.multi_tenant, "application_permission": app.application_permission,
        "redirect_uris": app.redirect_uris,
    });
    Json(shown).into_response()
}
