//! Microsoft Graph and the Microsoft identity platform: the ports that the engine knows, and the
//! clients behind them.
//!
//! # Map
//! - [`port`]: the traits [`Outlook`] and [`SignIn`] and their words.
//! - [`query`]: addresses (pure). [`wire`]: JSON to domain types and back (pure).
//! - [`batch`]: `$batch` bodies and answers (pure).
//! - [`client`]: the trait over a transport. [`sign_in`]: OAuth at Microsoft.
//! - [`id_token`]: who signed in, checked against the issuer's keys. [`openid`]: any issuer.
//! - [`notice`]: notifications and lifecycle events as they arrive (pure). [`rich`]: the content that
//!   they may carry, sealed for a certificate of this service. [`publisher`]: the token that comes with it.

pub mod batch;
pub mod client;
pub mod id_token;
pub mod notice;
pub mod openid;
pub mod port;
pub mod publisher;
pub mod query;
pub mod rich;
pub mod sign_in;
pub mod wire;

pub use port::*;
