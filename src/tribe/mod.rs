//! Tribe CRM: the port that the engine knows, and the client behind it.
//!
//! # Map
//! - [`port`]: the trait [`Crm`] and its words.
//! - [`names`]: configured names and paths of what the reference marks unknown.
//! - [`query`]: addresses and OData queries (pure). [`wire`]: JSON to domain types and back (pure).
//! - [`client`]: the trait over a transport. [`sign_in`]: OAuth at Tribe.
//! - [`webhook`]: signature and payload of a delivery (pure).

pub mod client;
pub mod names;
pub mod port;
pub mod query;
pub mod sign_in;
pub mod webhook;
pub mod wire;

pub use port::*;
