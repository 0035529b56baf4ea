//! The Outlook page.

use axum::Router;

use crate::state::Shared;

/// Its routes.
pub fn router() -> Router<Shared> {
    Router::new()
}
