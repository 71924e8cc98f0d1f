//! Parses the arguments and calls the app.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use rebound_operator::telemetry::metrics::Metrics;
use rebound_operator::{app, cli::Cli, telemetry};

/// Every round of the walk makes and drops many thousands of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let metrics = Arc::new(Metrics::default());
    let telemetry = telemetry::start(cli.log.as_deref(), &metrics);
    let code = app::run(cli.command, metrics).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::from(app::USAGE_OR_IO)
    });
    telemetry.end();
    code
}
