//! What holds for every answer: security headers, problems for panics and for unknown routes.

use std::{any::Any, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{Api, Problem, Settings, speak::in_language};

/// No scripts, no frames, nothing from elsewhere; styles from this service alone.
const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                   form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Sets what every answer carries, unless its handler said otherwise.
pub async fn headers(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    // TRACE echoes headers, tokens included (faults 4.21).
    if request.method() == Method::TRACE {
        return wrong_method().await.into_response();
    }
    let language = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
    let mut response = next.run(request).await;
    in_language(language.as_ref(), &mut response);
    set(&standing(&api.settings), &mut response);
    response
}

/// What every answer carries.
pub(super) fn standing(settings: &Settings) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CONTENT_SECURITY_POLICY, CSP);
    set(header::CACHE_CONTROL, "no-store");
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    if settings.public_url.scheme() == "https" {
        set(
            header::STRICT_TRANSPORT_SECURITY,
            "max-age=31536000; includeSubDomains",
        );
    }
    headers
}

/// Sets it, unless the answer said otherwise.
pub(super) fn set(standing: &HeaderMap, response: &mut Response) {
    let headers = response.headers_mut();
    if headers.is_empty() {
        headers.clone_from(standing);
        return;
    }
    for (name, value) in standing {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}

/// No route has that path.
pub async fn unknown_route() -> Problem {
    Problem::not_found("route")
}

/// The route does not know that method.
pub async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "the route does not know this method",
    )
}

/// A handler panicked: its request fails, the others go on.
pub fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    // The panic's own text may hold a value; the panic hook has logged where it was.
    Problem::internal(&"a handler panicked").into_response()
}
