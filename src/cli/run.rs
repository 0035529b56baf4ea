//! Where the commands meet the parts of the program that do the work. One function for each: the
//! only place that changes when a part is connected.

use std::future::Future;

use super::{
    Report,
    args::{DemoArgs, SandboxArgs},
    error::Error,
};
use crate::{
    api::docs,
    config::{Config, Database},
    doctor::Subjects,
};

/// Runs the service until `shutdown` is done.
pub(super) async fn serve(
    _config: Config,
    _shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    Err(Error::NotBuilt("serve"))
}

/// Plays the demonstration.
pub(super) async fn demo(
    _args: DemoArgs,
    _shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    Err(Error::NotBuilt("demo"))
}

/// Runs the sandbox until `shutdown` is done.
pub(super) async fn sandbox(
    _args: SandboxArgs,
    _shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    Err(Error::NotBuilt("sandbox"))
}

/// Applies migrations and says which.
pub(super) async fn migrate(_database: &Database) -> Result<Report, Error> {
    Err(Error::NotBuilt("migrate"))
}

/// The description of the API.
pub(super) fn openapi(json: bool) -> Result<String, Error> {
    if json {
        serde_json::to_string_pretty(&docs::openapi()).map_err(Error::failed)
    } else {
        docs::openapi_yaml().map_err(Error::failed)
    }
}

/// What `doctor` examines, built from the configuration.
pub(super) async fn subjects(_config: &Config) -> Subjects {
    let missing = || Error::NotBuilt("doctor").to_string();
    Subjects {
        clock: std::sync::Arc::new(crate::clock::SystemClock),
        store: Err(missing()),
        crm: Err(missing()),
        sign_in: Err(missing()),
        transport: Err(missing()),
    }
}
