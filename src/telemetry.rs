//! What the service says about itself: log lines on standard error, and metrics to be scraped.
//!
//! # Map
//! - here: the log, the recorder of the metrics, the build.
//! - [`catalogue`]: every metric by name. [`meter`]: what is counted as it happens. [`census`]: what
//!   stands in the database, read every few seconds. [`trace`]: from hint to write, for a collector.

pub mod catalogue;
pub mod census;
pub mod meter;
pub mod trace;

use std::io::{IsTerminal, stderr};

use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt as _,
};

use crate::config::{LogFormat, Telemetry};
use crate::remote::{Observer, Remote};

/// Libraries that show headers or addresses below `info`, tokens and codes among them: they stay
/// there whatever the filter says.
const CAPPED: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tokio_rustls",
    "tower_http",
];

/// Seconds, from a database's answer to a mailbox's first sync.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Why telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("telemetry.log_filter is no log filter: {0}")]
    Filter(String),
    /// Another part of the process has begun it already.
    #[error("{0} of this process is set up already")]
    Twice(&'static str),
    /// The recorder's own settings are refused.
    #[error("the metrics recorder cannot be built: {0}")]
    Recorder(String),
}

/// Which build this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version of the package.
    pub version: &'static str,
    /// The revision of the source, when the build was told.
    pub revision: &'static str,
}

/// This build. `TRIBELINK_REVISION` in the environment of the compiler tells the revision.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: match option_env!("TRIBELINK_REVISION") {
        Some(revision) => revision,
        None => "unknown",
    },
};

/// Starts logging for the process.
///
/// # Errors
/// The filter is refused, or logging was started before.
pub fn log(settings: &Telemetry) -> Result<(), Error> {
    let filter = filter(&settings.log_filter)?;
    let colour = stderr().is_terminal();
    set(settings.log_format, filter, colour, stderr)
}

fn set<W>(format: LogFormat, filter: EnvFilter, colour: bool, writer: W) -> Result<(), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing::subscriber::set_global_default(subscriber(format, filter, colour, writer))
        .map_err(|_| Error::Twice("the log"))
}

fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    colour: bool,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let cap = filter_fn(below_cap);
    let plain = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        LogFormat::Text => Box::new(plain.with_ansi(colour).finish().with(cap)),
        LogFormat::Json => Box::new(plain.json().flatten_event(true).finish().with(cap)),
    }
}

fn filter(directives: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder()
        .parse(directives)
        .map_err(|error| Error::Filter(error.to_string()))
}

/// Whether a line may be shown as far as the cap is concerned.
fn below_cap(line: &Metadata<'_>) -> bool {
    let library = line.target().split("::").next().unwrap_or_default();
    *line.level() <= Level::INFO || !CAPPED.contains(&library)
}

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Records every metric of the process from now on.
    ///
    /// # Errors
    /// Metrics were set up before.
    pub fn install() -> Result<Metrics, Error> {
        let recorder = recorder()?;
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|_| Error::Twice("the metrics recorder"))?;
        describe();
        Ok(Metrics { handle })
    }

    /// Metrics that are kept apart: what is recorded inside `within` shows in the result.
    ///
    /// # Errors
    /// The recorder cannot be built.
    pub fn local(within: impl FnOnce()) -> Result<Metrics, Error> {
        let recorder = recorder()?;
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            within();
        });
        Ok(Metrics { handle })
    }

    /// Everything recorded, in the Prometheus text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what histograms have gathered. To be called every few seconds: without it, and without
    /// anybody who scrapes, they would grow.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Counts every call to a remote.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountCalls;

impl Observer for CountCalls {
    fn called(&self, remote: Remote, endpoint: &'static str, status: Option<u16>) {
        meter::called(remote, endpoint, status);
    }
}

fn recorder() -> Result<PrometheusRecorder, Error> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS)
        .map_err(|error| Error::Recorder(error.to_string()))?;
    Ok(builder.build_recorder())
}

fn describe() {
    catalogue::describe();
    meter::open();
    metrics::gauge!(
        catalogue::BUILD_INFO,
        "version" => BUILD.version,
        "revision" => BUILD.revision
    )
    .set(1.0);
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, directives: &str) -> String {
        let page = Page::default();
        let writer = page.clone();
        let filter = filter(directives).expect("a filter");
        let subscriber = subscriber(format, filter, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(user = "u1", "said");
            tracing::debug!("whispered");
            tracing::debug!(target: "h2::codec", "authorization: Bearer t");
        });
        let bytes = page.0.lock().expect("unpoisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_line_is_text_or_json() {
        let text = logged(LogFormat::Text, "info");
        assert!(text.contains("said") && text.contains("u1") && !text.contains("whispered"));
        let json = logged(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(json.trim()).expect("one object");
        assert_eq!(
            (&line["message"], &line["user"]),
            (&"said".into(), &"u1".into())
        );
    }

    #[test]
    fn no_filter_lets_a_library_show_headers() {
        for directives in ["trace", "h2=trace", "h2::codec=trace,debug"] {
            let text = logged(LogFormat::Text, directives);
            assert!(!text.contains("Bearer"), "{directives}: {text}");
        }
        assert!(logged(LogFormat::Text, "debug").contains("whispered"));
    }

    #[test]
    fn metrics_render_with_the_build() {
        let metrics = Metrics::local(|| {
            metrics::counter!("tribelink_things_total").increment(2);
            metrics::histogram!("tribelink_wait_seconds").record(0.2);
        })
        .expect("recorded");
        metrics.upkeep();
        let text = metrics.render();
        assert!(text.contains("tribelink_things_total 2"), "{text}");
        assert!(
            text.contains(r#"tribelink_wait_seconds_bucket{le="0.25"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(&format!("version=\"{}\"", BUILD.version)),
            "{text}"
        );
    }
}
