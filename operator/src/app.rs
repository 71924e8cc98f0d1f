//! Wiring: which rooms a command needs, and what it prints and returns.

mod agent;
mod controller;
mod fleet;
mod once;
mod run;
mod screen;
mod stop;
mod tasks;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::{Command, Objects};
use crate::observe::files::Settings;
use crate::telemetry::metrics::Metrics;

/// Something that the user wrote is not valid.
pub const NOT_VALID: u8 = 1;
/// The command could not do its work.
pub const USAGE_OR_IO: u8 = 2;

/// The controller name of this operator; a GatewayClass that carries it is ours.
const CONTROLLER: &str = "gateway.flomesh.io/rebound";
/// The GatewayClass that exists without being defined.
const CLASS: &str = crate::rbac::CLASS;

/// Carries out a command. An error means that it could not do its work: exit code [`USAGE_OR_IO`].
pub fn run(command: Command, metrics: Arc<Metrics>) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Render(args) => once::render(args),
        Command::Validate(args) => once::validate(args),
        Command::Crds => once::crds(),
        Command::Controller(args) => controller::run(args, metrics),
        Command::Agent(args) => agent::run(args),
    }
}

/// How the command line reads files.
pub fn settings(paths: Vec<PathBuf>, objects: Objects) -> Settings {
    let Objects { namespace, backends } = objects;
    Settings { paths, namespace, backends, controller: CONTROLLER.into(), class: CLASS.into() }
}

/// A folder that is read and written would read its own `status.yaml`, now or with the next command.
fn refuse_loop(out: &Path, paths: &[PathBuf]) -> anyhow::Result<()> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.into());
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let out_end = canonical(out);
    let reads = |path: &PathBuf| {
        let end = canonical(path);
        end == out_end || (end.is_file() && end.parent() == Some(&out_end))
    };
    if paths.iter().any(reads) {
        bail!("--out {} is a folder that -f reads from; choose another", out.display());
    }
    Ok(())
}
