//! Microsoft Graph.
use axum::Router;
use crate::{deliver::{Delivery, Outcome}, state::{Options, Shared, State, User}};
/// All of Graph.
pub struct Graph {}
impl Graph {
    /// Empty mailboxes for all users.
    pub fn new(options: &Options, users: &[User], rng: &mut fastrand::Rng, now_ms: i64) -> Self {
        let _ = (options, users, rng, now_ms);
        Self {}
    }
}
/// Routes.
pub fn router() -> Router<Shared> { Router::new() }
/// Outcome.
pub fn delivered(state: &mut State, delivery: Delivery, outcome: &Outcome) { let _ = (state, delivery, outcome); }
