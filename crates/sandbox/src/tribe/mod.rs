//! Tribe CRM.
use axum::Router;
use crate::{deliver::{Delivery, Outcome}, state::{Options, Shared, State, User}};
/// The switches.
#[derive(Clone, Debug, Default)]
pub struct Settings {}
/// All.
pub struct Tribe {}
impl Tribe {
    /// Seeds.
    pub fn seed(options: &Options, rng: &mut fastrand::Rng, now_ms: i64) -> (Self, Vec<User>) {
        let _ = (options, rng, now_ms);
        (Self {}, Vec::new())
    }
}
/// Routes.
pub fn router() -> Router<Shared> { Router::new() }
/// Outcome.
pub fn delivered(state: &mut State, delivery: Delivery, outcome: &Outcome) { let _ = (state, delivery, outcome); }
