//! The integration tests, as one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

mod clients_graph;
mod clients_server;
mod clients_sign_in;
mod clients_transport;
mod clients_tribe;
mod clients_tribe_tokens;
