//! The environment of `cargo xtask apiserver up`: it outlives the command, so what is known of it is in files.
//!
//! A process id may have been given to somebody else since: a program is ours when it has our name and works in our
//! folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::servers::pid_file;
use crate::programs::workspace;
use crate::rig::poll;
use crate::say;
use crate::tools::Program;

/// The folder of the environment that tests share: set by `cargo xtask test`.
pub const CLUSTER_VARIABLE: &str = "REBOUND_CLUSTER";

/// Clients before their servers: in this order they are stopped.
const PROGRAMS: [Program; 3] = [Program::KubeControllerManager, Program::KubeApiserver, Program::Etcd];
/// How long each may take to leave. Their data goes too, so it is short.
const GRACE: Duration = Duration::from_secs(3);
/// How long a killed one may take to be gone.
const KILLED_MAX: Duration = Duration::from_secs(10);

/// Where the environment of `up` is.
pub(super) fn state_folder() -> PathBuf {
    workspace().join("target/rebound/apiserver")
}

/// Those of an environment's programs that run.
pub(super) fn running(folder: &Path) -> Vec<(Program, Pid)> {
    PROGRAMS.into_iter().filter_map(|program| Some((program, pid(folder, program)?))).collect()
}

/// Whether all of them do.
pub(super) fn is_whole(running: &[(Program, Pid)]) -> bool {
    running.len() == PROGRAMS.len()
}

/// Stops what runs, and removes the folder.
pub(super) fn remove(folder: &Path) -> anyhow::Result<()> {
    for (program, process) in running(folder) {
        say::step(&format!("stopping {}", program.name()));
        let is_gone = || pid(folder, program).is_none().then_some(());
        signal(process, Signal::SIGTERM);
        // A paused one takes SIGTERM only when it goes on.
        signal(process, Signal::SIGCONT);
        if poll(GRACE, is_gone).is_none() {
            signal(process, Signal::SIGKILL);
            poll(KILLED_MAX, is_gone);
        }
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn pid(folder: &Path, program: Program) -> Option<Pid> {
    let text = fs::read_to_string(pid_file(folder, program)).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let process = Path::new("/proc").join(pid.to_string());
    let exe = fs::read_link(process.join("exe")).ok()?;
    let cwd = fs::read_link(process.join("cwd")).ok()?;
    let is_ours = exe.ends_with(program.name()) && cwd == folder.canonicalize().ok()?;
    is_ours.then(|| Pid::from_raw(pid))
}

/// One that has gone meanwhile is what was wanted.
fn signal(process: Pid, signal: Signal) {
    kill(process, signal).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleanup::Folder;

    #[test]
    fn a_process_id_that_belongs_to_somebody_else_is_not_ours() {
        let folder = Folder::new().unwrap();
        let me = std::process::id().to_string();
        fs::write(pid_file(folder.path(), Program::Etcd), me).unwrap();
        assert!(running(folder.path()).is_empty());
    }
}
