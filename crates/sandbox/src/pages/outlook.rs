//! The Outlook page: the address books of the users, edited as their owners would.
//!
//! It writes through `/_sandbox/graph/…`, which is Outlook's own hand: a birthday without a year
//! becomes one of 1604, display names are composed, and everybody who subscribed hears of it.

use axum::{Router, routing::get};

use super::{asset, page};
use crate::state::Shared;

/// Its routes.
pub fn router() -> Router<Shared> {
    Router::new()
        .route(
            "/_sandbox/outlook",
            get(|| async { page(include_str!("outlook.html")) }),
        )
        .route(
            "/_sandbox/outlook.js",
            get(|| async { asset("text/javascript", include_str!("outlook.js")) }),
        )
}
