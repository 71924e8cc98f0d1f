//! Parses the arguments and calls the app.

use std::process::ExitCode;

use clap::Parser;
use rebound_operator::{app, cli::Cli, telemetry};

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(cli.log.as_deref());
    match app::run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(app::USAGE_OR_IO)
        }
    }
}
