//! `agent`: everything on one thread, until SIGTERM.

use std::process::ExitCode;

use super::stop::Stop;
use crate::agent::{self, Settings};
use crate::cli;

pub(super) fn run(args: cli::Agent) -> anyhow::Result<ExitCode> {
    let cli::Agent { namespace, manifest, report, pod, out, dataplane } = args;
    let settings = Settings { namespace, manifest, report, pod, out, dataplane };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        agent::run(settings, stop.wanted()).await?;
        Ok(ExitCode::SUCCESS)
    })
}
