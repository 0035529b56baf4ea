//! Who asks, and what they may do. Deny by default: every path under `/api/` needs a token, known
//! route or not, and every handler names the role that it takes.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, header, request::Parts};

use super::{Api, Problem, session};
use crate::{
    activation::session::Session,
    config::{AdminToken, Role},
    sealed::{same, sha256},
};

/// Longest token that is hashed.
const MAX_TOKEN: usize = 512;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Caller {
    /// Whether values of personal fields are shown.
    pub fn sees_values(&self) -> bool {
        self.role >= Role::Operator
    }
}

/// Lets nothing under `/api/` pass without a valid token.
pub async fn authenticate(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    // A stranger's path may hold anything: what is logged of a refusal is the route's template.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let caller = match identify(&api, &mut request).await {
        Ok(caller) => caller,
        Err(problem) => {
            crate::telemetry::meter::denied();
            refused("", &method, route, problem.status());
            return problem.into_response();
        }
    };
    let session = request.extensions().get::<Session>();
    let name = caller.as_ref().map(|caller| caller.name.clone());
    let name = name.or_else(|| session.map(|session| session.known_as.clone()));
    let name = name.unwrap_or_default();
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    if matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    ) {
        refused(&name, &method, route, response.status());
    }
    if !method.is_safe() {
        // Who did what and when (faults 4.20); paths hold ids alone.
        let status = response.status().as_u16();
        tracing::info!(caller = name, %method, path, status, "admin request");
    }
    response
}

/// The event of a request that was refused for who asks. Names nobody but a caller that is known.
fn refused(caller: &str, method: &Method, route: &str, status: StatusCode) {
    let status = status.as_u16();
    tracing::warn!(event = "access_refused", caller, %method, route, status, "a request was refused");
}

/// The event of a sign-in that failed: which kind, and why in this service's own words. Who tried is
/// not known, or is nobody's business.
pub(super) fn sign_in_failed(kind: &'static str, why: &str, status: StatusCode) {
    let status = status.as_u16();
    tracing::warn!(
        event = "sign_in_failed",
        kind,
        why,
        status,
        "a sign-in failed"
    );
}

/// Who asks: by a token, else by the page's session, which is kept with the request. An employee's
/// session has no role.
async fn identify(api: &Api, request: &mut Request) -> Result<Option<Caller>, Problem> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        let caller = caller(&api.settings.tokens, headers);
        return caller.map(Some).ok_or_else(Problem::unauthenticated);
    }
    let found = session::of(api, headers).await?;
    let (_, session) = found.ok_or_else(Problem::unauthenticated)?;
    if !request.method().is_safe() && !session::is_from_page(&session, headers) {
        return Err(Problem::forbidden(
            "a change over a session needs its X-CSRF-Token, from the page itself",
        ));
    }
    let caller = session.role().map(|role| Caller {
        name: session.known_as.clone(),
        role,
    });
    request.extensions_mut().insert(session);
    Ok(caller)
}

/// Whose token it is, of the header.
pub fn caller(tokens: &[AdminToken], headers: &HeaderMap) -> Option<Caller> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    holder(tokens, token.trim())
}

/// Whose token it is. Every known hash is compared, in constant time.
pub(super) fn holder(tokens: &[AdminToken], token: &str) -> Option<Caller> {
    if token.is_empty() || token.len() > MAX_TOKEN {
        return None;
    }
    let hash = sha256(token.as_bytes());
    let mut found = None;
    for known in tokens {
        if same(&known.sha256, &hash) && found.is_none() {
            found = Some(Caller {
                name: known.name.clone(),
                role: known.role,
            });
        }
    }
    found
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(pub Caller);

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                at_least(parts, Role::$name).map($name)
            }
        }
    };
}

role!(
    /// A caller who may read.
    Viewer
);
role!(
    /// A caller who may decide.
    Operator
);
role!(
    /// A caller who may do everything.
    Admin
);

fn at_least(parts: &Parts, role: Role) -> Result<Caller, Problem> {
    let caller = match parts.extensions.get::<Caller>() {
        Some(caller) => caller,
        None if parts.extensions.get::<Session>().is_some() => {
            return Err(Problem::forbidden("this is for administrators"));
        }
        None => return Err(Problem::unauthenticated()),
    };
    if caller.role < role {
        let detail = format!("this needs the role {}", role.name());
        return Err(Problem::forbidden(detail));
    }
    Ok(caller.clone())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_whole_bearer_token_names_a_caller() {
        let token = |name: &str, role, token: &str| AdminToken {
            name: name.to_owned(),
            role,
            sha256: sha256(token.as_bytes()),
        };
        let tokens = [
            token("eve", Role::Viewer, "view"),
            token("ada", Role::Admin, "secret"),
        ];
        let ask = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            caller(&tokens, &headers).map(|caller| (caller.name, caller.role))
        };
        assert_eq!(ask("Bearer secret"), Some(("ada".to_owned(), Role::Admin)));
        assert_eq!(ask("bearer view"), Some(("eve".to_owned(), Role::Viewer)));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Basic secret",
            "secret",
        ] {
            assert_eq!(ask(wrong), None, "{wrong}");
        }
        assert_eq!(caller(&tokens, &HeaderMap::new()), None);
        assert_eq!(caller(&[], &HeaderMap::new()), None);
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN + 1));
        assert_eq!(ask(&long), None);
    }
}
