//! Logs: to stderr, text on a terminal and JSON elsewhere. What commands print for their user is `app::screen`'s.

pub mod metrics;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const FILTER_DEFAULT: &str = "info";

/// Starts logging; a filter that does not parse is told about and the default used.
pub fn start(filter: Option<&str>) {
    let parsed = EnvFilter::try_new(filter.unwrap_or(FILTER_DEFAULT));
    let (filter, bad) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(FILTER_DEFAULT), Some(error)),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        logs.with_target(false).init();
    } else {
        logs.json().flatten_event(true).init();
    }
    if let Some(error) = bad {
        tracing::warn!(%error, "the log filter does not parse; `{FILTER_DEFAULT}` is used");
    }
}
