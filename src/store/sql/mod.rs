//! The SQL on which both dialects agree, written once.
//!
//! This folder is compiled twice: as a room of `sqlite` and as a room of `postgres`, each of which
//! says before it what `Pool`, `Writing` and `row` are, and how its dialect spells the little on which
//! the rooms differ (`dialect`). Parameters are numbered (`$1`), `"user"` is quoted, a row that may be
//! there already is met by `ON CONFLICT`: both dialects take that.
//!
//! # Map
//! - `changes`: a commit, change by change.
//! - One room for each noun, with all SQL about it: `environments` (with webhooks), `users` (with brake
//!   counts), `tokens`, `sign_ins`, `links`, `cursors`, `subscriptions`, `certificates`, `canaries`,
//!   `audit`, `held`, `parked`, `previews`, `alerts`, `answers`; `sealed_cells` alone goes across
//!   them, for the rotation of keys.
//! - Not here, since the dialects differ in all that counts: hints, leases, replicas.

pub(super) mod alerts;
pub(super) mod answers;
pub(super) mod audit;
pub(super) mod canaries;
pub(super) mod certificates;
mod changes;
pub(super) mod cursors;
pub(super) mod environments;
pub(super) mod held;
pub(super) mod links;
pub(super) mod parked;
pub(super) mod previews;
pub(super) mod sealed_cells;
pub(super) mod sign_ins;
pub(super) mod subscriptions;
pub(super) mod tokens;
pub(super) mod users;

use super::{Pool, hints, leases, outage, row, writing};
