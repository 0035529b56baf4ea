//! Tribe CRM.
//!
//! - [`settings`]: the switches: names and behaviour that the reference marks unknown.
//! - [`schema`], [`store`], [`value`]: types, records with their history, what Tribe works out.
//! - [`odata`]: queries: reading the options, judging, selecting, rendering, metadata.
//! - [`mod@write`]: create, update, delete, merge: every change goes through here, whoever makes it.
//! - [`webhook`]: who hears of a change, and how it is signed and repeated.
//! - [`api`]: the HTTP side of data and webhooks; [`sign_in`]: the HTTP side of tokens.
//! - [`seed`], [`names`]: the people it starts with.

use std::collections::BTreeMap;

use axum::Router;
use uuid::Uuid;

pub mod api;
pub mod names;
pub mod odata;
pub mod schema;
pub mod seed;
pub mod settings;
pub mod sign_in;
pub mod store;
pub mod value;
pub mod webhook;
pub mod write;

pub use settings::Settings;
pub use webhook::delivered;

use crate::state::Shared;
use schema::Schema;
use store::Store;

/// Everything Tribe knows.
pub struct Tribe {
    /// The types, as the switches shape them.
    pub schema: Schema,
    /// The records.
    pub store: Store,
    /// The organisation whose CRM this is: "us" (2.7).
    pub organization_id: Uuid,
    /// The virtual employee that an application acts as.
    pub virtual_employee: Uuid,
    /// The applications.
    pub clients: sign_in::Clients,
    /// Codes and refresh tokens.
    pub grants: sign_in::Grants,
    /// Who hears of changes.
    pub webhooks: BTreeMap<Uuid, webhook::Webhook>,
    /// The secret that signs deliveries, unless each webhook has its own.
    pub webhook_secret: String,
}

/// Data, webhooks and sign-in.
pub fn router() -> Router<Shared> {
    api::router().merge(sign_in::router())
}
