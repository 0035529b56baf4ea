//! Signing in to the page and out again.
//!
//! The browser's cookie names the session; what changes something also carries the session's second
//! token in `X-CSRF-Token`, which only the page itself can read.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api, Problem, auth,
    browser::{Answer, begin, cookies, see_other, set_cookie},
    extract::{Body, Params},
    problem::ProblemBody,
    speak::message,
};
use crate::{
    activation::{
        browser::Cookie,
        enter::Failure,
        session::{Entered, Session},
    },
    sealed::same,
};

/// The header that proves that a change comes from the page.
pub const CSRF: &str = "x-csrf-token";

/// How people may sign in here.
#[derive(Serialize, ToSchema)]
pub struct Ways {
    /// Administrators by OpenID Connect.
    openid: bool,
    /// Employees at `tribe` or at `microsoft`.
    employee: &'static str,
    /// With a token of the admin API.
    token: bool,
    /// Whose employees may sign in: the environments by name.
    environments: Vec<String>,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "signed_in": true, "name": "Anna Jansen", "role": null, "is_employee": true, "csrf": "8Jq…",
    "shadow": false, "version": "0.1.0",
    "ways": {"openid": true, "employee": "tribe", "token": true, "environments": []}
}))]
pub struct SessionView {
    /// Whether anybody is.
    signed_in: bool,
    /// Who.
    #[schema(required)]
    name: Option<String>,
    /// `viewer`, `operator` or `admin`; null for an employee.
    #[schema(required)]
    role: Option<&'static str>,
    /// Whether it is an employee with a link of their own.
    is_employee: bool,
    /// What to send as `X-CSRF-Token` with every change.
    #[schema(required)]
    csrf: Option<String>,
    /// `sync.shadow`: nothing is written.
    shadow: bool,
    /// Of this program.
    version: &'static str,
    /// How to sign in.
    ways: Ways,
}

async fn view(api: &Api, session: Option<Session>) -> Result<SessionView, Problem> {
    // Who is signed in has nothing to choose.
    let environments = match session {
        Some(_) => Vec::new(),
        None => api.store.environments().await?,
    };
    Ok(SessionView {
        signed_in: session.is_some(),
        role: session
            .as_ref()
            .and_then(Session::role)
            .map(|role| role.name()),
        is_employee: session.as_ref().is_some_and(|one| one.employee.is_some()),
        csrf: session.as_ref().map(|one| one.csrf.clone()),
        name: session.map(|one| one.name),
        shadow: api.settings.shadow,
        version: env!("CARGO_PKG_VERSION"),
        ways: Ways {
            openid: api.activation.login.openid.is_some(),
            employee: match api.activation.login.tribe {
                Some(_) => "tribe",
                None => "microsoft",
            },
            token: !api.settings.tokens.is_empty(),
            environments: environments.into_iter().map(|one| one.id.0).collect(),
        },
    })
}

/// The session of a request's cookie.
pub(super) async fn of(
    api: &Api,
    headers: &HeaderMap,
) -> Result<Option<(String, Session)>, Problem> {
    let own = api.activation.session_cookie();
    let found = cookies(headers).into_iter().find(|(name, _)| name == own);
    let Some((_, token)) = found else {
        return Ok(None);
    };
    let session = api.activation.session(&token).await?;
    Ok(session.map(|session| (token, session)))
}

/// Whether a change comes from the page: its second token, and no other site.
pub(super) fn is_from_page(session: &Session, headers: &HeaderMap) -> bool {
    let sent = headers.get(CSRF).map(HeaderValue::as_bytes);
    let fits = sent.is_some_and(|sent| same(sent, session.csrf.as_bytes()));
    fits && is_same_origin(headers)
}

/// What browsers say of where a request comes from; others say nothing.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_none_or(|site| site == "same-origin" || site == "none")
}

/// Who is signed in in this browser
#[utoipa::path(
    get, path = "/session", operation_id = "session_show", tag = "page", security(()),
    responses((status = 200, description = "The session, and how to sign in", body = SessionView))
)]
pub async fn show(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> Result<Json<SessionView>, Problem> {
    let session = of(&api, &headers).await?;
    view(&api, session.map(|(_, session)| session))
        .await
        .map(Json)
}

/// A token of the admin API.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"token": "…"}))]
pub struct ByToken {
    /// The token.
    token: SecretText,
}

/// A text that is never shown.
#[derive(Deserialize, ToSchema)]
#[schema(value_type = String)]
pub struct SecretText(SecretString);

/// Signs in with a token of the admin API
#[utoipa::path(
    post, path = "/session/token", operation_id = "session_by_token", tag = "page", security(()),
    request_body = ByToken,
    responses(
        (status = 200, description = "Signed in; sets the session's cookie", body = SessionView),
        (status = 400, description = "The body cannot be used", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Not a token", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "Sent by another site", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn by_token(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Body(wanted): Body<ByToken>,
) -> Result<Response, Problem> {
    if !is_same_origin(&headers) {
        return Err(Problem::forbidden("sign in on the page itself"));
    }
    let known = auth::holder(&api.settings.tokens, wanted.token.0.expose_secret());
    let Some(caller) = known else {
        crate::telemetry::meter::denied();
        auth::sign_in_failed("token", "no such token", StatusCode::UNAUTHORIZED);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "this is no token of the admin API; ask your administrator for one",
        ));
    };
    let former = of(&api, &headers).await?.map(|(token, _)| token);
    let entered = api
        .activation
        .enter(
            &caller.name,
            format!("page/{}", caller.name),
            Some(caller.role),
            None,
            former.as_deref(),
        )
        .await?;
    let body = Json(view(&api, Some(entered.session)).await?);
    Ok(with_cookie(body.into_response(), &entered.cookie))
}

/// Signs out
#[utoipa::path(
    post, path = "/session/end", operation_id = "session_end", tag = "page", security(()),
    responses(
        (status = 204, description = "Signed out"),
        (status = 403, description = "`X-CSRF-Token` is missing or another", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn end(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some((token, session)) = of(&api, &headers).await? {
        if !is_from_page(&session, &headers) {
            return Err(Problem::forbidden("sign out on the page itself"));
        }
        api.activation.leave(&token).await?;
    }
    let gone = Cookie {
        name: api.activation.session_cookie().to_owned(),
        value: String::new(),
        max_age: 0,
        secure: api.settings.public_url.scheme() == "https",
    };
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &gone))
}

/// Begins an administrator's sign-in
#[utoipa::path(
    get, path = "/login/start", operation_id = "login_start", tag = "page", security(()),
    responses(
        (status = 303, description = "To the issuer, with PKCE, state and nonce; sets the cookie that binds the browser"),
        (status = 404, description = "A page for people: not set up", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn admin_start(State(api): State<Arc<Api>>) -> Response {
    match api.activation.begin_admin().await {
        Ok(begun) => begin(&begun),
        Err(failure) => explain(failure),
    }
}

/// The issuer's answer to an administrator's sign-in
#[utoipa::path(
    get, path = "/login/callback", operation_id = "login_callback", tag = "page", security(()),
    params(
        ("state" = Option<String>, Query, description = "As it was sent"),
        ("code" = Option<String>, Query, description = "To be exchanged"),
        ("error" = Option<String>, Query, description = "Instead of a code"),
    ),
    responses(
        (status = 303, description = "Signed in; to the page, with the session's cookie"),
        (status = 400, description = "A page for people: state or cookie do not fit", body = String, content_type = "text/html"),
        (status = 403, description = "A page for people: declined, or no role", body = String, content_type = "text/html"),
        (status = 404, description = "A page for people: not set up", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn admin_callback(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Params(answer): Params<Answer>,
) -> Response {
    let cookies = cookies(&headers);
    entered(api.activation.finish_admin(answer.into(), &cookies).await)
}

/// To the page, or a page that says what happened.
pub(super) fn entered(outcome: Result<Entered, Failure>) -> Response {
    match outcome {
        Ok(entered) => with_cookie(see_other("/"), &entered.cookie),
        Err(failure) => explain(failure),
    }
}

/// `Strict`: the page fetches everything itself, so that no other site's link carries the session.
fn with_cookie(mut response: Response, cookie: &Cookie) -> Response {
    match HeaderValue::from_str(&set_cookie(cookie, "Strict")) {
        Ok(cookie) => {
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

pub(super) fn explain(failure: Failure) -> Response {
    let why = failure.to_string();
    let (status, text) = match failure {
        Failure::Off => (
            StatusCode::NOT_FOUND,
            "This way of signing in is not set up. Go back to the page and choose another.",
        ),
        Failure::State => (
            StatusCode::BAD_REQUEST,
            "This sign-in is not valid any more: it works once and for ten minutes. Go back to the \
             page and sign in again.",
        ),
        Failure::OtherBrowser => (
            StatusCode::BAD_REQUEST,
            "The sign-in came back without the cookie that was set when it began. Sign in within one \
             and the same browser, with cookies allowed.",
        ),
        Failure::Declined => (
            StatusCode::FORBIDDEN,
            "You did not sign in. Go back to the page when you want to try again.",
        ),
        Failure::NoRole => (
            StatusCode::FORBIDDEN,
            "Your account has no role here. Ask your administrator for one.",
        ),
        Failure::NoEmployee => (
            StatusCode::FORBIDDEN,
            "No employee of Tribe CRM has the address that you signed in with, or more than one has. \
             Ask your administrator to look at your employee record.",
        ),
        Failure::Application => (
            StatusCode::BAD_GATEWAY,
            "The sign-in does not accept this application as it is set up. Tell your administrator; \
             the log names the cause.",
        ),
        Failure::Passing => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The sign-in could not be finished for the moment. Try again in a minute.",
        ),
    };
    auth::sign_in_failed("page", &why, status);
    message(status, "Not signed in", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::speak::is_said_in_dutch;

    #[test]
    fn every_failed_sign_in_is_told_in_dutch_too() {
        use Failure::*;
        for failure in [
            Off,
            State,
            OtherBrowser,
            Declined,
            NoRole,
            NoEmployee,
            Application,
            Passing,
        ] {
            assert!(is_said_in_dutch(&explain(failure)), "{failure}");
        }
    }
}
