//! A stateful Tribe CRM and Microsoft 365 over real HTTP.
//!
//! The sandbox stands in for both remotes wherever no live tenant is at hand: in tests, in the
//! demonstration, and in front of a person who wants to try the service out. It knows nothing of
//! the service: what it does is written from the public references of both APIs alone.
//!
//! # Map
//! - [`state`]: the whole world behind one lock, and [`Ctx`], which every handler gets.
//! - [`time`]: the ports for time: what the clock says, and waiting.
//! - [`tribe`]: Tribe CRM: data, OData, sign-in, webhooks.
//! - [`graph`]: Microsoft Graph: contacts, folders, delta, batch, subscriptions, notifications.
//! - [`microsoft`]: the Microsoft identity platform: authorize, token, discovery, keys.
//! - [`deliver`]: how webhooks and notifications leave: the outbox, the pump, HTTP.
//! - [`faults`], [`calls`]: what goes wrong on demand, and the log of every call received. One
//!   middleware, [`faults::guard`], does both for every route of both remotes.
//! - [`control`]: `/_sandbox/…`, and [`pages`]: the pages for people.
//! - [`server`]: the router, the listener, TLS.
//!
//! # How a side plugs in
//! Each side is a state machine that never does I/O: a handler calls [`Ctx::lock`], changes the
//! [`State`] (never across an await: the guard is not `Send`), and leaves what must be sent with
//! [`State::send`]. A side exposes `router() -> axum::Router<Shared>` and
//! `delivered(&mut State, Delivery, &Outcome)`, which hears what came of each of its deliveries.
//! Tokens are made with [`State::issue`] and judged with [`State::bearer`], so that the call log
//! can tell who called. Waiting goes through [`Ctx::pause`]; time is [`State::now_ms`]; chance is
//! [`State::rng`]. With a clock, a sleep and a post of its own, a simulation runs all of it
//! without sockets: [`Sandbox::in_process`].

pub mod calls;
pub mod control;
pub mod deliver;
pub mod faults;
pub mod graph;
pub mod microsoft;
pub mod pages;
pub mod server;
pub mod state;
pub mod time;
pub mod tribe;

pub use deliver::Source;
pub use server::{Error, Running, Sandbox, Tls};
pub use state::{Bearer, Ctx, Latency, Options, Shared, State, User};
pub use time::{Clock, Sleep};
