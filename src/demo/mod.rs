//! The demonstration.

use std::future::Future;

use crate::cli::DemoArgs;

/// Plays it.
///
/// # Errors
/// The step that did not come out.
pub async fn run(_args: &DemoArgs, _shutdown: impl Future<Output = ()>) -> Result<(), String> {
    Err("the demonstration is not here yet".to_owned())
}
