//! The way of an employee's browser to Microsoft and back.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::{Api, extract::Params, page::document};
use crate::activation::{
    consent::{Cookie, Failure, Returned},
    mailbox::Misfit,
};

/// Opens a consent link
///
/// Binds the sign-in to this browser by a cookie and sends it to Microsoft. The link stays valid
/// until a sign-in succeeds or it expires.
#[utoipa::path(
    get, path = "/consent/{token}", operation_id = "consent_open", tag = "consent", security(()),
    params(("token" = String, Path, description = "From `consent_url`")),
    responses(
        (status = 303, description = "To Microsoft's sign-in, with PKCE, state and nonce; sets the cookie that binds the browser"),
        (status = 410, description = "A page for people: the link is not valid any more", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn open(State(api): State<Arc<Api>>, Path(token): Path<String>) -> Response {
    match api.activation.open_link(&token).await {
        Ok(begun) => {
            let mut response = see_other(begun.authorize.as_str());
            if let Ok(cookie) = HeaderValue::from_str(&set_cookie(&begun.cookie)) {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(failure) => explain(&failure),
    }
}

/// What Microsoft sends back.
#[derive(Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Microsoft's answer to a sign-in
///
/// `state` works once, for ten minutes, in the browser that opened the link. The mailbox must be the
/// employee's own, or the one that an administrator allowed; otherwise nothing changes.
#[utoipa::path(
    get, path = "/oauth/microsoft/callback", operation_id = "consent_callback", tag = "consent", security(()),
    params(
        ("state" = Option<String>, Query, description = "As it was sent"),
        ("code" = Option<String>, Query, description = "To be exchanged"),
        ("error" = Option<String>, Query, description = "Instead of a code"),
    ),
    responses(
        (status = 200, description = "A page for people: connected", body = String, content_type = "text/html"),
        (status = 303, description = "Connected; to the page named at activation"),
        (status = 400, description = "A page for people: state or cookie do not fit", body = String, content_type = "text/html"),
        (status = 403, description = "A page for people: declined, or not the employee's mailbox", body = String, content_type = "text/html"),
        (status = 409, description = "A page for people: the user cannot be connected", body = String, content_type = "text/html"),
        (status = 503, description = "A page for people: try again", body = String, content_type = "text/html"),
    )
)]
pub async fn callback(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    Params(answer): Params<Answer>,
) -> Response {
    let returned = Returned {
        state: answer.state,
        code: answer.code,
        error: answer.error,
    };
    match api.activation.finish(returned, &cookies(&headers)).await {
        Ok(consented) => match consented.return_to {
            Some(page) => see_other(&page),
            None => html(
                StatusCode::OK,
                "Connected",
                "Your Outlook address book is connected to Tribe CRM. You can close this page.",
            ),
        },
        Err(failure) => explain(&failure),
    }
}

fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(_) => explain(&Failure::Passing),
    }
}

/// `Lax`, since the browser comes back from another site by a link.
fn set_cookie(cookie: &Cookie) -> String {
    let secure = if cookie.secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        cookie.name, cookie.value, cookie.max_age
    )
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A page that says what happened and what to do; of the failure itself only what concerns people.
fn explain(failure: &Failure) -> Response {
    let (status, text): (StatusCode, &str) = match failure {
        Failure::Link => (
            StatusCode::GONE,
            "This link is not valid any more: it has expired, or it was used to connect already. \
             Ask your administrator for a fresh one.",
        ),
        Failure::State => (
            StatusCode::BAD_REQUEST,
            "This sign-in is not valid any more: it works once and for ten minutes. Open your \
             link again.",
        ),
        Failure::OtherBrowser => (
            StatusCode::BAD_REQUEST,
            "The sign-in came back without the cookie that was set when your link was opened. Open \
             the link and sign in within one and the same browser, with cookies allowed.",
        ),
        Failure::Declined => (
            StatusCode::FORBIDDEN,
            "Access to your contacts was not granted. Open your link again when you want to grant \
             it; if Microsoft asks for an administrator's approval, tell your administrator.",
        ),
        Failure::Rights => (
            StatusCode::FORBIDDEN,
            "Not all of the rights were granted. Open your link again and leave every right \
             ticked; the mailbox must be in Exchange Online.",
        ),
        Failure::Misfit(Misfit::OtherMailbox) => (
            StatusCode::FORBIDDEN,
            "You signed in with another mailbox than the one of your employee record in Tribe CRM. \
             Sign out at Microsoft, open your link again and sign in with your own; if your address \
             in Tribe is wrong, tell your administrator.",
        ),
        Failure::Misfit(Misfit::OtherAccount | Misfit::Mixed) => (
            StatusCode::FORBIDDEN,
            "You signed in with another account than the one that was connected before. Sign out \
             at Microsoft, open your link again and sign in with that one.",
        ),
        Failure::Misfit(Misfit::NoAddress) => (
            StatusCode::FORBIDDEN,
            "Your employee record in Tribe CRM has no e-mail address to compare with. Ask your \
             administrator to enter it, then open your link again.",
        ),
        Failure::Refused(refusal) => (StatusCode::CONFLICT, refusal.why),
        Failure::Application => (
            StatusCode::BAD_GATEWAY,
            "Microsoft does not accept this application. Your administrator was told.",
        ),
        Failure::Passing => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The sign-in could not be finished for the moment. Open your link again in a minute.",
        ),
    };
    html(status, "Not connected", text)
}

fn html(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!("<h1>{title}</h1>\n<p>{text}</p>");
    (status, Html(document(title, &body))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_several_headers_are_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; b=x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("broken; c="));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("a", "1"), pair("b", "x=y"), pair("c", "")];
        assert_eq!(cookies(&headers), expected);
    }
}
