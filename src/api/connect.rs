//! The way of an administrator's browser to Tribe and back, to connect an environment.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tribelink_plan::ids::EnvironmentId;
use utoipa::ToSchema;

use super::{
    Api, Problem,
    auth::{self, Admin},
    browser::{Answer, begin, cookies},
    consent::is_employee,
    extract::Params,
    list::time,
    problem::ProblemBody,
    session,
    speak::message,
    users::DEFAULT_ENVIRONMENT,
};
use crate::{
    activation::{connect::Failure, enter},
    environment::is_name,
};

/// A link for an administrator's browser.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "connect_url": "https://link.example.nl/oauth/tribe/start?token=8Jq…",
    "expires_at": "2026-11-24T10:00:00Z"
}))]
pub struct ConnectUrl {
    /// Where the administrator's browser begins.
    connect_url: String,
    /// Until when it can be opened.
    expires_at: String,
}

/// Makes a link that connects an environment by a sign-in at Tribe (admin)
///
/// For environments whose grant is `authorization_code`. Whoever opens the link signs in at Tribe and
/// grants the service what they may do themselves; it is valid for an hour, until that succeeds.
#[utoipa::path(
    post, path = "/api/v1/environments/{id}/connect", operation_id = "environments_connect", tag = "service",
    params(("id" = String, Path, description = "The environment", example = "default")),
    responses(
        (status = 200, description = "The link", body = ConnectUrl),
        (status = 400, description = "Its grant is `client_credentials`: it needs no sign-in", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Unknown", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn connect(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<ConnectUrl>, Problem> {
    if !is_name(&id) {
        return Err(Problem::not_found("environment"));
    }
    let link = api.activation.connect_link(&EnvironmentId(id)).await?;
    Ok(Json(ConnectUrl {
        connect_url: link.url,
        expires_at: time(link.expires_ms),
    }))
}

/// The link's token, or the environment whose employee signs in.
#[derive(Deserialize)]
pub struct Token {
    token: Option<String>,
    environment: Option<String>,
}

/// Opens a link that connects an environment, or signs an employee in to the page
///
/// Binds the sign-in to this browser by a cookie and sends it to Tribe. The link stays valid until a
/// sign-in succeeds or it expires. Without a token an employee signs in: at Tribe where an application
/// for it is configured, else at Microsoft.
#[utoipa::path(
    get, path = "/oauth/tribe/start", operation_id = "connect_start", tag = "consent", security(()),
    params(
        ("token" = Option<String>, Query, description = "From `connect_url`"),
        ("environment" = Option<String>, Query, description = "Without a token: whose employee signs in; `default` when unset"),
    ),
    responses(
        (status = 303, description = "To Tribe's sign-in, with state; sets the cookie that binds the browser"),
        (status = 403, description = "A page for people: no such environment", body = String, content_type = "text/html"),
        (status = 404, description = "A page for people: no such environment", body = String, content_type = "text/html"),
        (status = 409, description = "A page for people: the environment needs no sign-in any more", body = String, content_type = "text/html"),
        (status = 410, description = "A page for people: the link is not valid any more", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn start(State(api): State<Arc<Api>>, Params(link): Params<Token>) -> Response {
    let Some(token) = &link.token else {
        let environment = link
            .environment
            .unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
        if !is_name(&environment) {
            return session::explain(enter::Failure::Off);
        }
        let environment = EnvironmentId(environment);
        return match api.activation.begin_employee(&environment).await {
            Ok(begun) => begin(&begun),
            Err(failure) => session::explain(failure),
        };
    };
    match api.activation.open_connect(token).await {
        Ok(begun) => begin(&begun),
        Err(failure) => explain(&failure),
    }
}

/// Tribe's answer to a sign-in
///
/// `state` works once, for ten minutes, in the browser that opened the link. The tokens are kept
/// sealed. An environment that was connected before stays with its organisation.
#[utoipa::path(
    get, path = "/oauth/tribe/callback", operation_id = "connect_callback", tag = "consent", security(()),
    params(
        ("state" = Option<String>, Query, description = "As it was sent"),
        ("code" = Option<String>, Query, description = "To be exchanged"),
        ("error" = Option<String>, Query, description = "Instead of a code"),
    ),
    responses(
        (status = 200, description = "A page for people: connected", body = String, content_type = "text/html"),
        (status = 400, description = "A page for people: state or cookie do not fit", body = String, content_type = "text/html"),
        (status = 403, description = "A page for people: declined, or another organisation", body = String, content_type = "text/html"),
        (status = 409, description = "A page for people: the environment needs no sign-in any more", body = String, content_type = "text/html"),
        (status = 502, description = "A page for people: Tribe refuses the application", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn callback(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Params(answer): Params<Answer>,
) -> Response {
    let cookies = cookies(&headers);
    if is_employee(&answer) {
        let finished = api
            .activation
            .finish_employee(answer.into(), &cookies, true);
        return session::entered(finished.await);
    }
    match api.activation.finish_connect(answer.into(), &cookies).await {
        Ok(_) => message(
            StatusCode::OK,
            "Connected",
            "Tribe CRM is connected. You can close this page.",
        ),
        Err(failure) => explain(&failure),
    }
}

/// A page that says what happened and what to do.
fn explain(failure: &Failure) -> Response {
    let (status, text) = match failure {
        Failure::Link => (
            StatusCode::GONE,
            "This link is not valid any more: it has expired, or it was used to connect already. \
             Make a fresh one.",
        ),
        Failure::State => (
            StatusCode::BAD_REQUEST,
            "This sign-in is not valid any more: it works once and for ten minutes. Open your link \
             again.",
        ),
        Failure::OtherBrowser => (
            StatusCode::BAD_REQUEST,
            "The sign-in came back without the cookie that was set when your link was opened. Open \
             the link and sign in within one and the same browser, with cookies allowed.",
        ),
        Failure::Declined => (
            StatusCode::FORBIDDEN,
            "Access to Tribe CRM was not granted. Open your link again when you want to grant it.",
        ),
        Failure::OtherOrganization => (
            StatusCode::FORBIDDEN,
            "You signed in to another organisation of Tribe CRM than the one that was connected \
             before. Sign out at Tribe, open your link again and sign in to that one; another \
             organisation is an environment of its own.",
        ),
        Failure::NotByCode => (
            StatusCode::CONFLICT,
            "This environment signs in by itself (its grant is client_credentials); there is \
             nothing to connect.",
        ),
        Failure::Application(_) => (
            StatusCode::BAD_GATEWAY,
            "Tribe CRM does not accept this application as it is set up: check its id, secret and \
             scope, which needs offline, and that its redirect URI is this service's address \
             followed by /oauth/tribe/callback. The log names the cause.",
        ),
        Failure::Passing => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The sign-in could not be finished for the moment. Open your link again in a minute.",
        ),
    };
    // Tribe's own words stay out of the event.
    let why = match failure {
        Failure::Application(_) => "the application is refused at Tribe".to_owned(),
        failure => failure.to_string(),
    };
    auth::sign_in_failed("connect", &why, status);
    message(status, "Not connected", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::speak::is_said_in_dutch;

    #[test]
    fn every_failed_connection_is_told_in_dutch_too() {
        use Failure::*;
        let application = Application(String::new());
        for failure in [
            Link,
            State,
            OtherBrowser,
            Declined,
            NotByCode,
            OtherOrganization,
            application,
            Passing,
        ] {
            assert!(is_said_in_dutch(&explain(&failure)), "{failure}");
        }
    }
}
