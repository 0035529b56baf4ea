//! What the browsers of people get: redirects and cookies.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::Problem;
use crate::activation::browser::{Begun, Cookie, Returned};

/// What a sign-in sends back.
#[derive(Deserialize)]
pub struct Answer {
    pub(super) state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

impl From<Answer> for Returned {
    fn from(answer: Answer) -> Returned {
        Returned {
            state: answer.state,
            code: answer.code,
            error: answer.error,
        }
    }
}

/// Sends the browser to a sign-in, bound by a cookie.
pub(super) fn begin(begun: &Begun) -> Response {
    let mut response = see_other(begun.authorize.as_str());
    match HeaderValue::from_str(&set_cookie(&begun.cookie, "Lax")) {
        Ok(cookie) => {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// Sends the browser elsewhere.
pub(super) fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// A sign-in's is `Lax`, since the browser comes back from another site by a link.
pub(super) fn set_cookie(cookie: &Cookie, same_site: &str) -> String {
    let secure = if cookie.secure { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite={same_site}{secure}",
        cookie.name, cookie.value, cookie.max_age
    )
}

/// The cookies of a request.
pub(super) fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
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
