//! The way of an employee's browser to Microsoft and back.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};

use super::{
    Api, auth,
    browser::{Answer, begin, cookies, see_other},
    extract::Params,
    session,
    speak::message,
};
use crate::activation::{consent::Failure, enter::EMPLOYEE_STATE, mailbox::Misfit};

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
        Ok(begun) => begin(&begun),
        Err(failure) => explain(&failure),
    }
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
    if is_employee(&answer) {
        let cookies = cookies(&headers);
        let finished = api
            .activation
            .finish_employee(answer.into(), &cookies, false);
        return session::entered(finished.await);
    }
    match api
        .activation
        .finish(answer.into(), &cookies(&headers))
        .await
    {
        Ok(consented) => match consented.return_to {
            Some(page) => see_other(&page),
            None => message(
                StatusCode::OK,
                "Connected",
                "Your Outlook address book is connected to Tribe CRM. You can close this page.",
            ),
        },
        Err(failure) => explain(&failure),
    }
}

/// Whether it is an employee's sign-in to the page that came back, and no consent.
pub(super) fn is_employee(answer: &Answer) -> bool {
    let state = answer.state.as_deref();
    state.is_some_and(|state| state.starts_with(EMPLOYEE_STATE))
}

/// A page that says what happened and what to do; of the failure itself only what concerns people.
fn explain(failure: &Failure) -> Response {
    let (status, text): (StatusCode, &'static str) = match failure {
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
    auth::sign_in_failed("consent", &failure.to_string(), status);
    message(status, "Not connected", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::speak::is_said_in_dutch;

    #[test]
    fn every_failed_consent_is_told_in_dutch_too() {
        use Failure::*;
        for failure in [
            Link,
            State,
            OtherBrowser,
            Declined,
            Rights,
            Misfit(self::Misfit::OtherMailbox),
            Misfit(self::Misfit::OtherAccount),
            Misfit(self::Misfit::Mixed),
            Misfit(self::Misfit::NoAddress),
            Application,
            Passing,
        ] {
            assert!(is_said_in_dutch(&explain(&failure)), "{failure}");
        }
    }
}
