//! Networks of their own for tests that send traffic.
//!
//! The addresses in an EndpointSlice may not be loopback, and a machine's others are not ours to use. So data plane,
//! backend and client of such a test share a network namespace that the test makes: everything in it is local, and
//! nothing of it is left when the test ends. Needs root, or a user namespace in which we are (`cargo xtask test` sees to
//! that).

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, bail, ensure};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::geteuid;

/// An address in every namespace that a Pod could have. On `lo` its whole network is local: `10.244.0.2` and so on may be
/// bound and reached without being named.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 1);

/// Makes whoever runs a program root in a user namespace.
const AS_ROOT: [&str; 2] = ["--user", "--map-root-user"];

/// A network namespace. It ends with the last process in it, when this has been dropped.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes one in which every address of `10.244.0.0/24` and of loopback is this machine.
    ///
    /// # Errors
    /// Without root and outside of a user namespace.
    pub fn new() -> anyhow::Result<Self> {
        // In a thread that ends: its creator stays where it is.
        let made = thread::scope(|scope| scope.spawn(make).join());
        let Ok(made) = made else { bail!("the thread that makes a network namespace panicked") };
        Ok(Self { file: made? })
    }

    /// A command that runs `program` in here.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        // By our own descriptor: the namespace has no name that could be left behind.
        let file = format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd());
        command.arg(format!("--net={file}")).arg("--").arg(program);
        command
    }

    /// Runs `work` in a thread that is in here, and returns what it returns. Sockets that it opens, threads and programs
    /// that it starts stay in here.
    ///
    /// # Errors
    /// When the thread cannot enter.
    ///
    /// # Panics
    /// When `work` does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        let inside = || {
            setns(&self.file, CloneFlags::CLONE_NEWNET).context("enter the network namespace")?;
            Ok(work())
        };
        let done = thread::scope(|scope| scope.spawn(inside).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Makes a loopback port of the machine reachable under the same address in here: for the API server. Lasts as long
    /// as this process.
    ///
    /// # Errors
    /// When the port is taken in here.
    pub fn reach(&self, address: SocketAddr) -> anyhow::Result<()> {
        let listener =
            self.enter(|| TcpListener::bind(address))?.context("listen in the network namespace")?;
        // A socket stays where it was made: this thread is outside, and so are the connections that it makes.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || relay(&client, address));
            }
        });
        Ok(())
    }
}

/// A command that runs `program` with the right to make namespaces: as we are when we are root, else as root of a user
/// namespace of its own, if there can be one.
#[must_use]
pub fn privileged(program: &Path) -> Command {
    if geteuid().is_root() || missing().is_some() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args(AS_ROOT).arg("--").arg(program);
    command
}

/// Why [`privileged`] programs cannot make a network namespace on this machine.
#[must_use]
pub fn missing() -> Option<String> {
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.args(AS_ROOT);
    }
    match command.args(["--net", "--", "true"]).output() {
        Ok(answer) if answer.status.success() => None,
        Ok(answer) => Some(String::from_utf8_lossy(&answer.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare (package util-linux): {error}")),
    }
}

fn make() -> anyhow::Result<File> {
    unshare(CloneFlags::CLONE_NEWNET).context(
        "make a network namespace: needs root, or `unshare --user --map-root-user` around the test",
    )?;
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", &format!("{ADDRESS}/24"), "dev", "lo"])?;
    File::open("/proc/thread-self/ns/net").context("open the network namespace")
}

/// A child is in the namespace of the thread that starts it.
fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let answer = Command::new("ip").args(arguments).output().context("run ip (package iproute2)")?;
    let said = String::from_utf8_lossy(&answer.stderr);
    ensure!(answer.status.success(), "ip {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

/// Copies both ways until both sides have ended. What breaks on one side ends on the other.
fn relay(client: &TcpStream, server: SocketAddr) {
    let Ok(server) = TcpStream::connect(server) else { return };
    thread::scope(|scope| {
        scope.spawn(|| copy(&server, client));
        copy(client, &server);
    });
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    io::copy(&mut from, &mut to).unwrap_or_default();
    to.shutdown(Shutdown::Write).unwrap_or_default();
}
