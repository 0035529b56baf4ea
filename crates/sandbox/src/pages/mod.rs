//! Pages.
use axum::Router;
use crate::state::Shared;
/// Routes.
pub fn router() -> Router<Shared> { Router::new() }
