//! The integration tests, as one binary.
//!
//! # Map
//! - `api_*`, `activation_*`: routes and the life of users, over [`app`] with [`fakes`] of both remotes.
//! - `clients_*`: both clients against HTTP servers that answer as the references say.
//! - `connect`: an environment connected by a sign-in, against the sandbox.
//! - [`demo`]: the program's own story, as its users start it.
//! - `fuzz`: the corpora of the fuzz targets, replayed.
//! - `keys`: a key replaced while everything runs.
//! - [`backup`]: copies, and what a service does that starts from one.
//! - [`docs`]: what the pages name is there.
//! - [`doctor`]: what it says beside a running service.
//! - [`metrics`]: what a running service exports, against its catalogue and its documentation.
//! - [`service`]: a running service for those that need one.
//! - [`traces`]: what a collector gets.
//! - `rich`: the content of rich notifications, as the sandbox seals it.
//! - `reliability`: the page on reliability names tests that exist.
//! - [`store`]: one contract suite over every store.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod activation_tokens;
mod api_access;
mod api_care;
mod api_consent;
mod api_docs;
mod api_events;
mod api_hints;
mod api_search;
mod api_session;
mod api_users;
mod app;
mod architecture;
mod backup;
mod clients_graph;
mod clients_server;
mod clients_sign_in;
mod clients_transport;
mod clients_tribe;
mod clients_tribe_tokens;
mod connect;
mod demo;
mod docs;
mod doctor;
mod fakes;
mod fuzz;
mod keys;
mod metrics;
mod page;
mod reliability;
mod rich;
mod service;
mod store;
mod traces;
