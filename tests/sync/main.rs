//! The whole service against the bundled sandbox, over real HTTP on loopback.
//!
//! # Map
//! - [`world`]: sandbox and service, each on a port of its own. [`hands`]: what people do on either
//!   side. [`log`]: the calls that the sandbox received.
//! - `fields`: every mapped field both ways. `rules_*`: the rules of the design by number.
//! - `calls`: how many calls an edit costs. `first_sync`: a thousand people.
//! - `canary`: the person who proves that values travel.
//! - `rich`: contacts that come with their notifications.
//! - `environments`: several in one deployment.
//! - `edge`: clients that keep connections to themselves.
//! - `leaks`: the program itself, watched for what it must not tell; `leaks_postgres`: the
//!   same over Postgres.
//! - `lost_hints`, `faults`, `rest`, `together`: what goes wrong. `two_users`: one person in two mailboxes.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod calls;
mod canary;
mod edge;
mod environments;
mod faults;
mod fields;
mod first_sync;
mod hands;
mod leaks;
mod leaks_postgres;
mod log;
mod lost_hints;
mod rest;
mod rich;
mod rules_care;
mod rules_fields;
mod rules_life;
mod shadow;
mod together;
mod two_users;
mod undo;
mod world;
