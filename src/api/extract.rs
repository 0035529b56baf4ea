//! Bodies, ids and parameters, with problems for what cannot be read.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
};
use http::{StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

use super::Problem;
use crate::remote::json::{MAX_DEPTH, depth};

/// A JSON body; an empty one and `null` count as `{}`, so that commands whose members are all optional need none.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|value| {
                let value = value.to_str().unwrap_or_default();
                let essence = value.split(';').next().unwrap_or_default().trim();
                essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
            });
        let Raw(bytes) = Raw::from_request(request, state).await?;
        if bytes.is_empty() || (is_json && bytes.trim_ascii() == b"null") {
            let empty = serde_json::from_slice(b"{}");
            return empty.map(Body).map_err(|error| unreadable(&error));
        }
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be application/json",
            ));
        }
        // The library would fill a record's members from a list, by their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::invalid("the body must be a JSON object"));
        }
        if depth(&bytes) > MAX_DEPTH {
            return Err(Problem::invalid("the JSON nests too deep"));
        }
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::invalid(format!("the body cannot be used: {error}"))
}

/// A body as it came; 413 when it is too large.
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state)
            .await
            .map(Raw)
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
                _ => Problem::unreadable(),
            })
    }
}

/// The id in the path. One that is not of the form of an id names nothing: 404.
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::not_found("record");
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| unknown())?;
        text.parse().map(Id).map_err(|_| unknown())
    }
}

/// Query parameters.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(params)| Params(params))
            .map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}
