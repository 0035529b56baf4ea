//! The demonstration: the help article as a story over real HTTP between three parties.
//!
//! # Map
//! - here: starts everything, plays the story, ends or stays up.
//! - [`parties`]: the sandbox and the service, on loopback.
//! - [`people`]: who plays. [`step`]: what a step is, as data. [`story`]: the steps, by chapter.
//! - [`world`]: what the players do and see, over HTTP alone.
//! - [`play`]: does the acts of a step and waits for what it promises.
//!   [`compare`]: what changed in between (pure).
//! - [`tell`]: what stands on the terminal; [`layout`]: its rows.

mod compare;
mod layout;
mod parties;
mod people;
mod play;
mod step;
mod story;
mod tell;
mod world;

use std::{future::Future, sync::Arc};

use self::{parties::Parties, play::Player, tell::Teller, world::World};
use crate::{
    config::{LogFormat, MetricsAccess, Telemetry},
    telemetry::{self, Metrics},
};

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// End after the last step.
    pub once: bool,
    /// People in the simulated CRM.
    pub people: Option<usize>,
    /// Where the service listens.
    pub listen: Option<std::net::SocketAddr>,
}

/// Why the demonstration ends before its time.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It could not begin.
    #[error("{0}")]
    Start(String),
    /// A call was not answered as it should be.
    #[error("{what} was answered {status}: {said}")]
    Call {
        what: String,
        status: u16,
        said: String,
    },
    /// Something did not become true.
    #[error("{0}")]
    Unmet(String),
}

impl Error {
    fn start(error: impl std::fmt::Display) -> Error {
        Error::Start(error.to_string())
    }

    fn unmet(what: impl Into<String>) -> Error {
        Error::Unmet(what.into())
    }
}

/// Plays it; stays up until `shutdown` is done, unless told to end.
///
/// # Errors
/// It could not begin, or a step did not come out: then the error names it.
pub async fn run(args: &Wishes, shutdown: impl Future<Output = ()>) -> Result<(), String> {
    let parties = begin(args).await.map_err(|error| error.to_string())?;
    let mut shutdown = std::pin::pin!(shutdown);
    let ended = tokio::select! {
        told = tell_story(args, &parties) => told,
        () = &mut shutdown => Err("interrupted before the story was told".to_owned()),
    };
    if ended.is_ok() && !args.once {
        shutdown.await;
    }
    parties.stop().await;
    ended
}

/// Starts the parties; only warnings are logged, so that the story stays readable.
async fn begin(args: &Wishes) -> Result<Parties, Error> {
    let quiet = Telemetry {
        log_format: LogFormat::Text,
        log_filter: "warn".to_owned(),
        metrics_access: MetricsAccess::Open,
        otlp_url: None,
    };
    telemetry::log(&quiet).map_err(Error::start)?;
    let metrics = Metrics::install().map_err(Error::start)?;
    Parties::start(args, Arc::new(move || metrics.render())).await
}

async fn tell_story(args: &Wishes, parties: &Parties) -> Result<(), String> {
    let teller = Teller;
    let world = World::enter(parties)
        .await
        .map_err(|error| error.to_string())?;
    teller.opening(&world);
    let mut player = Player::new(world, &teller);
    player.play(story::all()).await?;
    if !args.once {
        teller.stay(parties);
    }
    Ok(())
}
