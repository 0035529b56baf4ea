//! The Microsoft identity platform.
use axum::Router;
use crate::state::{Options, Shared, User};
/// All of it.
pub struct Identity {}
impl Identity {
    /// The accounts of all users.
    pub fn new(options: &Options, users: &[User], rng: &mut fastrand::Rng, now_ms: i64) -> Self {
        let _ = (options, users, rng, now_ms);
        Self {}
    }
}
/// Routes.
pub fn router() -> Router<Shared> { Router::new() }
