//! Logs, traces and metrics of the operator. What commands print for their user is `app::screen`'s.
//!
//! Logs go to stderr, text on a terminal and JSON elsewhere.

pub mod metrics;
pub mod spans;
mod traces;

use std::error::Error;
use std::io::{IsTerminal, stderr};
use std::sync::Arc;

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use self::metrics::Metrics;
use self::traces::Traces;

/// What is logged when nobody says otherwise.
const FILTER_DEFAULT: &str = "info";

/// Telemetry that was started; to be ended by hand, on a thread that may block.
#[derive(Debug)]
pub struct Telemetry(Option<Traces>);

/// Starts logging, and tracing if the environment names a collector. A filter that does not parse is told about and the
/// default used; a collector that cannot be used is told about and done without.
pub fn start(filter: Option<&str>, metrics: &Arc<Metrics>) -> Telemetry {
    let parsed = EnvFilter::try_new(filter.unwrap_or(FILTER_DEFAULT));
    let (filter, bad) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(FILTER_DEFAULT), Some(error)),
    };
    let (traces, failed) = match Traces::start(metrics) {
        Ok(traces) => (traces, None),
        Err(error) => (None, Some(error)),
    };
    let spans = traces.as_ref().map(|traces| traces.layer(filter.max_level_hint()));
    Registry::default().with(logs().with_filter(filter)).with(spans).init();
    if let Some(error) = bad {
        tracing::warn!(%error, "the log filter does not parse; `{FILTER_DEFAULT}` is used");
    }
    if let Some(error) = failed {
        tracing::warn!(error = chain(&error), "there are no traces");
    }
    Telemetry(traces)
}

/// An error with everything behind it on one line, for a field of a log.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

impl Telemetry {
    /// Sends the spans that are still waiting, for at most two seconds.
    pub fn end(self) {
        if let Some(traces) = &self.0 {
            traces.end();
        }
    }
}

fn logs<S: Subscriber + for<'span> LookupSpan<'span>>() -> Box<dyn Layer<S> + Send + Sync> {
    let logs = tracing_subscriber::fmt::layer().with_writer(stderr);
    if stderr().is_terminal() {
        logs.with_target(false).boxed()
    } else {
        logs.json().flatten_event(true).boxed()
    }
}
