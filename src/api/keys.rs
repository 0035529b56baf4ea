//! The keys that seal what rests.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Api, Problem, auth::Admin, extract::Body, problem::ProblemBody};
use crate::rotation::{self, Cursor};

/// Pages turned for one request: some 2,000 values, well under a second.
const PAGES: usize = 10;

/// Where a walk goes on.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Walk {
    /// `next_cursor` of the answer before; absent to begin.
    #[serde(default)]
    cursor: Option<String>,
}

/// Values that do not open.
#[derive(Serialize, ToSchema)]
pub struct Refused {
    /// What is the matter, and what to do.
    message: String,
    /// How many values it concerns.
    count: u64,
}

/// What a piece of a walk did.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "current": "k2", "checked": 2000, "resealed": 1873, "refused": [], "next_cursor": "NC9…"
}))]
pub struct Walked {
    /// The id of the key that seals.
    current: String,
    /// Values looked at.
    checked: u64,
    /// Values that were sealed anew.
    resealed: u64,
    /// Values that do not open; they stay as they are.
    refused: Vec<Refused>,
    /// What to send as `cursor` to go on; null once everything was looked at.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Seals anew under the current key (admin)
///
/// Walks what rests sealed, a piece for each request, while everything goes on working. An old key may
/// be taken out of `security.encryption_keys` once a whole walk has sealed nothing anew and refused
/// nothing: what was being written while a walk went by, another one finds.
#[utoipa::path(
    post, path = "/api/v1/keys/rotate", operation_id = "keys_rotate", tag = "service",
    request_body = Option<Walk>,
    responses(
        (status = 200, description = "What was done", body = Walked),
        (status = 400, description = "The cursor is none of a walk", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn rotate(
    State(api): State<Arc<Api>>,
    _: Admin,
    Body(walk): Body<Walk>,
) -> Result<Json<Walked>, Problem> {
    let mut cursor = match &walk.cursor {
        None => None,
        Some(text) => Some(
            Cursor::parse(text).ok_or_else(|| Problem::invalid("cursor is not one of a walk"))?,
        ),
    };
    let (mut checked, mut resealed) = (0, 0);
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for _ in 0..PAGES {
        let turned = rotation::turn(api.store.as_ref(), &api.vault, cursor).await?;
        checked += turned.checked as u64;
        resealed += turned.resealed as u64;
        for error in turned.refused {
            *refused.entry(error.to_string()).or_default() += 1;
        }
        cursor = turned.next;
        if cursor.is_none() {
            break;
        }
    }
    let refused = refused.into_iter();
    Ok(Json(Walked {
        current: api.vault.current().to_owned(),
        checked,
        resealed,
        refused: refused
            .map(|(message, count)| Refused { message, count })
            .collect(),
        next_cursor: cursor.map(|cursor| cursor.text()),
    }))
}
