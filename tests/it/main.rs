//! The service as its callers see it, over fakes of both remotes.
//!
//! # Map
//! - [`app`]: the service around a store, a frozen clock and the fakes. [`fakes`]: both remotes.
//! - `api_*`: routes, one module for each theme. `activation_*`: what has no route.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod activation_tokens;
mod api_access;
mod api_care;
mod api_consent;
mod api_docs;
mod api_hints;
mod api_users;
mod app;
mod fakes;
