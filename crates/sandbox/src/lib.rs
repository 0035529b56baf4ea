//! A stateful Tribe CRM and Microsoft 365 over real HTTP.
//!
//! The sandbox stands in for both remotes wherever no live tenant is at hand: in tests, in the
//! demonstration, and in front of a person who wants to try the service out. It knows nothing of
//! the service: what it does is written from the public references of both APIs alone.
//!
//! # Map
//! - [`state`]: the whole world behind one lock: clock, chance, both remotes, faults, call log.
//! - [`tribe`]: Tribe CRM: data, OData, sign-in, webhooks.
//! - [`graph`]: Microsoft Graph: contacts, folders, delta, batch, subscriptions, notifications.
//! - [`microsoft`]: the Microsoft identity platform: authorize, token, discovery, keys.
//! - [`deliver`]: how webhooks and notifications leave (a port; HTTP in [`server`]).
//! - [`faults`], [`calls`]: what goes wrong on demand, and the log of every call received.
//! - [`control`]: `/_sandbox/…`, and [`pages`]: the two pages for people.
//! - [`server`]: listener, TLS, and the pump that sends deliveries.
//!
//! A state machine never does I/O: a handler locks the state, changes it, and leaves what must be
//! sent in the outbox. [`server`] (or a simulation with its own clock) sends it.

pub mod calls;
pub mod control;
pub mod deliver;
pub mod faults;
pub mod graph;
pub mod microsoft;
pub mod pages;
pub mod server;
pub mod state;
pub mod tribe;

pub use server::Sandbox;
pub use state::{Options, State};
