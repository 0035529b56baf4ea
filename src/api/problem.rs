//! Errors as RFC 9457 `application/problem+json`.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tribelink_plan::rule::Rule;

use crate::{activation, environment, intake, remote, store, vault};

/// Seconds after which a caller may try again when nothing better is known.
const RETRY_AFTER: u64 = 5;

/// An error as it is answered. The outer text goes to the caller, the inner one to the log.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    rule: Option<Rule>,
    retry_after: Option<u64>,
}

/// `application/problem+json`
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "about:blank",
    "title": "Conflict",
    "status": 409,
    "detail": "the user is paused; resume it first",
    "rule": "R19"
}))]
pub struct ProblemBody {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is the matter, for people.
    detail: String,
    /// The rule that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
}

impl Problem {
    /// A problem with that status.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            rule: None,
            retry_after: None,
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// 400
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401, one shape for every cause.
    pub fn unauthenticated() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "a valid token is needed: Authorization: Bearer …",
        )
    }

    /// 403
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404
    pub fn not_found(what: &str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    /// 409
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::CONFLICT, detail)
    }

    /// 413
    pub fn too_large() -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
    }

    /// 400, a body that broke off.
    pub fn unreadable() -> Problem {
        Problem::invalid("the body could not be read to its end")
    }

    /// 500; the cause goes to the log.
    pub fn internal(cause: &dyn std::fmt::Display) -> Problem {
        tracing::error!(%cause, "a request failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something went wrong here; the log knows more",
        )
    }

    /// 503 with `Retry-After`; the cause goes to the log.
    pub fn unavailable(
        detail: impl Into<Cow<'static, str>>,
        cause: &dyn std::fmt::Display,
    ) -> Problem {
        tracing::warn!(%cause, "a request could not be served");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).after(RETRY_AFTER)
    }

    /// With `Retry-After`.
    pub fn after(self, seconds: u64) -> Problem {
        Problem {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// With the rule that decided.
    pub fn by(self, rule: Option<Rule>) -> Problem {
        Problem { rule, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.into_owned(),
            rule: self.rule.map(Rule::code),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tribelink\""),
            );
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        match error {
            store::Error::Unavailable(_) => {
                Problem::unavailable("the database is not available; repeat later", &error)
            }
            store::Error::Conflict(what) => Problem::conflict(format!(
                "{what} was changed at the same time; read it again"
            )),
            store::Error::LeaseLost => Problem::unavailable("repeat the request", &error),
            store::Error::Corrupt { .. } | store::Error::Schema(_) => Problem::internal(&error),
        }
    }
}

impl From<vault::Error> for Problem {
    fn from(error: vault::Error) -> Problem {
        Problem::internal(&error)
    }
}

impl From<remote::Error> for Problem {
    fn from(error: remote::Error) -> Problem {
        if let remote::Error::Throttled { after } = &error {
            let seconds = after.map_or(RETRY_AFTER, |after| after.as_secs().max(1));
            return Problem::unavailable("the remote asks to wait; repeat later", &error)
                .after(seconds);
        }
        if error.is_passing() {
            return Problem::unavailable("the remote cannot be asked now; repeat later", &error);
        }
        tracing::error!(%error, "a remote refused a request");
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "the remote refused the service; `tribelink doctor` names the cause",
        )
    }
}

impl From<activation::Refusal> for Problem {
    fn from(refusal: activation::Refusal) -> Problem {
        Problem::conflict(refusal.why).by(refusal.rule)
    }
}

impl From<activation::Error> for Problem {
    fn from(error: activation::Error) -> Problem {
        use activation::Error;
        match error {
            Error::NotFound(what) => Problem::not_found(what),
            Error::Invalid(detail) => Problem::invalid(detail),
            Error::Ambiguous(detail) => Problem::conflict(detail),
            Error::Refused(refusal) => refusal.into(),
            Error::Changed => Problem::conflict(error.to_string()),
            Error::Busy => Problem::unavailable(error.to_string(), &error),
            Error::Remote(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Vault(error) => error.into(),
        }
    }
}

impl From<intake::Refusal> for Problem {
    fn from(refusal: intake::Refusal) -> Problem {
        use intake::Refusal;
        match refusal {
            Refusal::UnknownEnvironment => Problem::not_found("environment"),
            Refusal::NotAuthentic => Problem::new(StatusCode::UNAUTHORIZED, refusal.to_string()),
            Refusal::Unusable(detail) => Problem::invalid(detail),
            Refusal::TooLarge => Problem::too_large(),
            Refusal::Unavailable => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string())
                    .after(RETRY_AFTER)
            }
        }
    }
}

impl From<environment::Refused> for Problem {
    fn from(refused: environment::Refused) -> Problem {
        Problem::invalid(format!("tribe.{refused}"))
    }
}
