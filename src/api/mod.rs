//! HTTP: one axum router over ports, and its description.
//!
//! # Map
//! - [`router`] and [`openapi`]: everything together. [`Api`]: what the handlers work with.
//! - What all routes share: [`problem`] (RFC 9457), [`auth`] (bearer tokens and roles, deny by
//!   default), [`extract`] (bodies, ids, parameters), [`list`] (pages and cursors), [`idempotency`],
//!   [`guard`] (headers of every answer, panics, unknown routes), [`speak`] (the language of plain
//!   pages).
//! - One file for each resource: [`users`] (with [`canary`]), [`commands`], [`preview`], [`links`], [`people`],
//!   [`cards`], [`names`], [`search`], [`audit`], [`export`], [`undo`], [`held`], [`parked`], [`subscriptions`],
//!   [`environments`], [`keys`], [`settings`], [`status`].
//! - The page: [`page`] and its assets, [`session`] (signing in), [`me`] (an employee's own link).
//! - Without a token: [`webhooks`] (by [`front`], past the router's layers), [`health`], [`docs`];
//!   [`consent`] and [`connect`] over [`browser`].
//!
//! Handlers translate; what they decide is decided in `intake`, `activation` and the engine.

pub mod audit;
pub mod auth;
pub mod browser;
pub mod canary;
pub mod cards;
pub mod commands;
pub mod connect;
pub mod consent;
pub mod docs;
pub mod environments;
pub mod export;
pub mod extract;
pub mod front;
pub mod guard;
pub mod health;
pub mod held;
pub mod idempotency;
pub mod keys;
pub mod links;
pub mod list;
pub mod me;
pub mod names;
pub mod page;
pub mod parked;
pub mod people;
pub mod preview;
pub mod problem;
pub mod search;
pub mod session;
pub mod settings;
pub mod speak;
pub mod status;
pub mod subscriptions;
pub mod undo;
pub mod users;
pub mod webhooks;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    activation::Activation,
    clock::Clock,
    config::{AdminToken, MetricsAccess},
    intake::Intake,
    ports::{Cards, Crms, Explainer, Wake},
    random::Random,
    reminder::SecretEnd,
    store::Store,
    vault::Vault,
};

pub use docs::openapi;
pub use problem::Problem;

/// What the API needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service's own address.
    pub public_url: url::Url,
    /// Longest body, in bytes.
    pub max_body: usize,
    /// The tokens of the admin API, by their hashes.
    pub tokens: Vec<AdminToken>,
    /// Who may read `/metrics`.
    pub metrics_access: MetricsAccess,
    /// `sync.shadow`: nothing is written.
    pub shadow: bool,
    /// When secrets of applications end.
    pub secret_ends: Vec<SecretEnd>,
    /// Whose number proves that values travel.
    pub canary: crate::canary::Settings,
    /// What the configuration came to, without secrets.
    pub in_force: BTreeMap<&'static str, String>,
}

/// Everything that handlers work with.
pub struct Api {
    /// What outlives the process.
    pub store: Arc<dyn Store>,
    /// Opens and seals.
    pub vault: Arc<Vault>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Tribe.
    pub crms: Arc<dyn Crms>,
    /// The engine.
    pub wake: Arc<dyn Wake>,
    /// The life of users.
    pub activation: Arc<Activation>,
    /// Hints from outside.
    pub intake: Arc<Intake>,
    /// The engine's explanations.
    pub explainer: Arc<dyn Explainer>,
    /// Both cards of a person.
    pub cards: Arc<dyn Cards>,
    /// Renders the metrics as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Set when the service begins to shut down: it is alive, and not ready any more.
    pub draining: Arc<AtomicBool>,
    /// Configuration.
    pub settings: Settings,
}

impl Api {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Every route with its description.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(docs::head())
        .routes(routes!(webhooks::tribe))
        .routes(routes!(webhooks::notifications))
        .routes(routes!(webhooks::lifecycle))
        .routes(routes!(consent::open))
        .routes(routes!(consent::callback))
        .routes(routes!(connect::start))
        .routes(routes!(connect::callback))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(users::list, users::activate))
        .routes(routes!(users::one))
        .routes(routes!(commands::start))
        .routes(routes!(commands::pause))
        .routes(routes!(commands::resume))
        .routes(routes!(commands::resync))
        .routes(routes!(commands::rebuild))
        .routes(routes!(commands::release))
        .routes(routes!(commands::disconnect))
        .routes(routes!(commands::consent))
        .routes(routes!(preview::request, preview::result))
        .routes(routes!(links::list))
        .routes(routes!(people::copies))
        .routes(routes!(people::explain))
        .routes(routes!(cards::show))
        .routes(routes!(names::list))
        .routes(routes!(names::of_links))
        .routes(routes!(search::people))
        .routes(routes!(audit::list))
        .routes(routes!(export::audit_csv))
        .routes(routes!(undo::line))
        .routes(routes!(undo::range))
        .routes(routes!(held::list))
        .routes(routes!(held::accept))
        .routes(routes!(held::reject))
        .routes(routes!(parked::list))
        .routes(routes!(parked::retry))
        .routes(routes!(subscriptions::list))
        .routes(routes!(environments::list, environments::add))
        .routes(routes!(connect::connect))
        .routes(routes!(keys::rotate))
        .routes(routes!(status::status))
        .routes(routes!(settings::show))
        .routes(routes!(session::show))
        .routes(routes!(session::by_token))
        .routes(routes!(session::end))
        .routes(routes!(session::admin_start))
        .routes(routes!(session::admin_callback))
        .routes(routes!(me::show))
        .routes(routes!(me::activate))
        .routes(routes!(me::command))
        .routes(routes!(me::my_preview))
        .routes(routes!(me::links))
        .routes(routes!(me::my_held))
        .routes(routes!(me::decide))
        .routes(routes!(me::my_audit))
        .routes(routes!(me::take_back))
        .routes(routes!(me::person))
}

/// The routes without their descriptions; put together once, though a simulation starts services by the thousand.
static ROUTES: LazyLock<Router<Arc<Api>>> = LazyLock::new(|| described().split_for_parts().0);

/// The router of the service.
pub fn router(api: Arc<Api>) -> Router {
    let with_api = |api: &Arc<Api>| Arc::clone(api);
    ROUTES
        .clone()
        .route("/", axum::routing::get(page::page))
        .route("/assets/{name}", axum::routing::get(page::asset))
        .route("/openapi.json", axum::routing::get(docs::json))
        .route("/openapi.yaml", axum::routing::get(docs::yaml))
        .fallback(guard::unknown_route)
        .method_not_allowed_fallback(guard::wrong_method)
        .layer(DefaultBodyLimit::max(api.settings.max_body))
        .layer(middleware::from_fn_with_state(
            with_api(&api),
            idempotency::once,
        ))
        .layer(middleware::from_fn_with_state(
            with_api(&api),
            auth::authenticate,
        ))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(middleware::from_fn_with_state(
            with_api(&api),
            guard::headers,
        ))
        .layer(middleware::from_fn(webhooks::measure))
        .with_state(api)
}
