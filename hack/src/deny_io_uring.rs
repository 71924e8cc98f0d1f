//! Runs a command where io_uring is forbidden, as it is in most containers: a seccomp filter that the command and
//! everything it starts inherits.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// `io_uring_setup`, `io_uring_enter`, `io_uring_register`: the same numbers on every architecture.
const IO_URING_CALLS: [i64; 3] = [425, 426, 427];
const EPERM: u32 = 1;

/// Runs a command with io_uring denied.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// `cargo xtask deny-io-uring -- COMMAND…`: becomes the command.
///
/// # Errors
/// When the filter cannot be set, does not work, or the command cannot be started.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let [program, arguments @ ..] = args.command.as_slice() else { bail!("no command") };
    deny()?;
    ensure!(!is_available(), "io_uring still works behind the filter");
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("start {}", program.display()))
}

/// Whether this process may make a ring.
#[must_use]
pub fn is_available() -> bool {
    io_uring::IoUring::new(2).is_ok()
}

/// Why this process may not make a ring.
#[must_use]
pub fn refusal() -> Option<io::Error> {
    io_uring::IoUring::new(2).err()
}

/// Forbids io_uring to this thread and to all that it starts from here on. There is no way back.
fn deny() -> anyhow::Result<()> {
    let filter = SeccompFilter::new(
        IO_URING_CALLS.into_iter().map(|call| (call, vec![])).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(EPERM),
        std::env::consts::ARCH.try_into().context("architecture")?,
    )?;
    let program = BpfProgram::try_from(filter)?;
    seccompiler::apply_filter(&program).context("set the seccomp filter")
}

#[cfg(test)]
mod tests {
    use super::*;

    // In a thread of its own: the filter ends with the thread that set it.
    fn behind_the_filter<T: Send + 'static>(look: fn() -> T) -> T {
        std::thread::spawn(move || {
            deny().unwrap();
            look()
        })
        .join()
        .unwrap()
    }

    #[test]
    fn a_ring_is_refused_with_eperm() {
        let refusal = behind_the_filter(|| refusal().map(|error| error.kind()));
        assert_eq!(refusal, Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn everything_else_still_works() {
        assert!(behind_the_filter(|| std::net::TcpListener::bind("127.0.0.1:0").is_ok()));
    }
}
