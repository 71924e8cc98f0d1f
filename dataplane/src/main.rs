//! The program: flags and logs here, everything else in the library.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use rebound_dataplane::cli::Cli;
use rebound_dataplane::supervisor;
use tracing_subscriber::EnvFilter;

/// Each request makes and drops a few dozen values, one of them of several kilobytes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log_to_stderr(&cli.log).and_then(|()| supervisor::run(&cli).map_err(Into::into)) {
        tracing::error!(error = format!("{error:#}"), "stopped");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Text for people, JSON for collectors.
fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        format.init();
    } else {
        format.json().flatten_event(true).init();
    }
    Ok(())
}
