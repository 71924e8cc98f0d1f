//! A real API server on this machine, without a cluster around it: for tests, and to try things on.
//!
//! etcd, kube-apiserver and kube-controller-manager, on loopback, without root, in seconds. There are no nodes: what the
//! controllers make of a Deployment ends at its Pods, which stay pending.

mod cluster;
mod environment;
mod flags;
mod pki;
mod servers;
mod state;

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};

pub use self::cluster::{Cluster, TestNamespace};
pub use self::environment::Environment;
pub use self::state::CLUSTER_VARIABLE;
use self::state::{is_whole, remove, running, state_folder};
use crate::say;
use crate::tools::{Channel, Program};

/// Name of the administrator's kubeconfig in an environment's folder.
const KUBECONFIG: &str = "kubeconfig";

/// Runs an API server with our CRDs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start it, with the CRDs of Gateway API and ours; when it runs, apply the CRDs again.
    Up {
        /// Channel of Gateway API's CRDs.
        #[arg(long, value_enum, default_value_t)]
        channel: Channel,
    },
    /// Stop it, and forget everything in it.
    Down,
    /// Print where its kubeconfig is: `export KUBECONFIG=$(cargo xtask apiserver kubeconfig)`.
    Kubeconfig,
}

/// `cargo xtask apiserver up|down|kubeconfig`.
///
/// # Errors
/// When a program cannot be built, started or stopped.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = state_folder();
    match args.verb {
        Verb::Up { channel } => up(&folder, channel)?,
        Verb::Down => down(&folder)?,
        Verb::Kubeconfig if is_whole(&running(&folder)) => {
            say::result(&folder.join(KUBECONFIG).display().to_string());
        }
        Verb::Kubeconfig => bail!("no API server is up: `cargo xtask apiserver up` starts one"),
    }
    Ok(ExitCode::SUCCESS)
}

fn up(folder: &Path, channel: Channel) -> anyhow::Result<()> {
    let _alone = lock(folder)?;
    let programs = running(folder);
    if is_whole(&programs) {
        say::step("the API server is up already; applying the CRDs again");
        environment::apply_crds(&Cluster::inside(folder)?, channel)?;
    } else {
        if folder.exists() {
            say::warn("the last environment is broken: what is left of it is removed");
            remove(folder)?;
        }
        say::step("starting etcd, kube-apiserver and kube-controller-manager");
        Environment::start_in(folder, channel)?.release();
    }
    let kubectl = Program::Kubectl.build()?;
    say::result(&format!(
        "up: KUBECONFIG={} {} get crd",
        folder.join(KUBECONFIG).display(),
        kubectl.display()
    ));
    Ok(())
}

fn down(folder: &Path) -> anyhow::Result<()> {
    let _alone = lock(folder)?;
    let was_there = folder.exists();
    remove(folder)?;
    say::result(if was_there { "down" } else { "nothing was up" });
    Ok(())
}

/// One `up` or `down` at a time; the lock ends with the file.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.with_extension("lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    file.lock().with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}
