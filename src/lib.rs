//! tribelink keeps the people of a Tribe CRM and the Outlook address books of its users in step.
//!
//! # Map
//! - [`app`]: everything wired together; start here. [`crms`]: the CRM client of each environment.
//! - [`api`]: HTTP, over [`intake`]: hints from outside, and [`activation`]: the life of a user.
//!   [`ports`]: between the rooms.
//! - [`engine`]: hints in, writes out. [`rich`]: contacts that come with their notification.
//! - [`config`]: what the administrator chose.
//! - [`remote`], [`tribe`], [`graph`]: ports and clients of both remotes.
//! - [`store`]: what must outlive the process.
//! - [`vault`]: how personal values and secrets rest. [`reminder`]: what ends soon.
//! - [`server`], [`telemetry`]: how the service is reached, and what it says about itself.
//! - [`cli`], [`doctor`]: the command line, and what it examines.
//! - [`sealed`], [`environment`], [`trail`]: what the rooms agree on: sealed shapes, settings, audit lines.
//! - [`clock`], [`random`]: time and chance as ports. [`digest`]: hashes and their comparison.
//!   [`crash`]: where a test kills the process.
//!
//! The decisions live in the crate `tribelink-plan`, which does no I/O; the bundled sandbox in
//! `tribelink-sandbox`, which knows nothing of the service.

pub mod activation;
pub mod api;
pub mod app;
pub mod canary;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod crms;
pub mod demo;
pub mod digest;
pub mod doctor;
pub mod engine;
pub mod environment;
pub mod graph;
pub mod intake;
pub mod ports;
pub mod random;
pub mod reminder;
pub mod remote;
pub mod rich;
pub mod rotation;
pub mod sealed;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod trail;
pub mod tribe;
pub mod vault;
