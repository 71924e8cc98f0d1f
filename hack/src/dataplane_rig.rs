//! One data plane by itself: a snapshot, flags and variables of its own, looked at from outside.
//!
//! For what is about the data plane alone, such as what it tells about its requests; without operator and manifests.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rebound_api::config::Snapshot;
use rebound_api::config::codec::encode;

use crate::cleanup::{Folder, Process};
use crate::http_client::{Connection, Response};
use crate::programs::ALLOCATOR;
use crate::rig::poll;

/// How long the data plane may take to become ready: also below a tool that makes it fifty times slower.
const READY_MAX: Duration = Duration::from_secs(60);
/// How it is started.
#[derive(Debug, Clone, Default)]
pub struct Setup<'a> {
    /// A program that runs it, with its arguments; empty: none.
    pub below: &'a [&'a str],
    /// Flags beside those that the rig gives.
    pub flags: &'a [&'a str],
    /// Variables. Nothing that begins with `OTEL_` or `REBOUND_` is inherited.
    pub variables: &'a [(&'a str, &'a str)],
}

/// A running data plane with one core. Dropping it kills it.
#[derive(Debug)]
pub struct Dataplane {
    bind: IpAddr,
    admin: SocketAddr,
    process: Process,
    folder: Folder,
}

/// A data plane that is stopped.
#[derive(Debug)]
pub struct Held<'a>(&'a Process);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGCONT);
    }
}

impl Dataplane {
    /// Starts it and waits until it serves `snapshot`.
    ///
    /// # Errors
    /// When it does not become ready; with what it said.
    pub fn start(program: &Path, snapshot: &Snapshot, setup: &Setup<'_>) -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        fs::write(folder.path().join("snapshot"), encode(snapshot)?)?;
        let bind = IpAddr::V4(Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(1..255)));
        let process = Process::start(&mut command(program, &folder, bind, setup)?)?.expendable();
        let admin = poll(READY_MAX, || announced(&folder, "admin"));
        let admin = admin.with_context(|| format!("no admin address:\n{}", read(&folder, "log")))?;
        let mut dataplane = Self { bind, admin, process, folder };
        dataplane.await_ready()?;
        Ok(dataplane)
    }

    /// Where a port of the snapshot is served.
    #[must_use]
    pub fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, port)
    }

    /// Where the live page is, if it was asked for.
    #[must_use]
    pub fn live(&self) -> Option<SocketAddr> {
        announced(&self.folder, "live")
    }

    /// Asks it about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn about(&self, target: &str) -> anyhow::Result<Response> {
        Connection::open(self.admin)?.get(target)
    }

    /// The value of a metric, whose name includes its labels; zero when there is none.
    ///
    /// # Errors
    /// When it does not answer, or the value is not a number.
    pub fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let page = String::from_utf8(self.about("/metrics")?.body)?;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.map_or(Ok(0), str::parse)?)
    }

    /// What it wrote to standard output: where it listens, and its access log.
    #[must_use]
    pub fn output(&self) -> String {
        read(&self.folder, "output")
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn log(&self) -> String {
        read(&self.folder, "log")
    }

    /// The most memory that it ever held, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_peak(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// The processor time of its threads so far, user and system, to the nanosecond: /proc/PID/stat knows ticks of 10 ms.
    ///
    /// # Errors
    /// When it has ended.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for thread in self.threads()? {
            let times = fs::read_to_string(format!("/proc/{}/task/{thread}/schedstat", self.process.id()))?;
            total += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Its threads.
    ///
    /// # Errors
    /// When it has ended.
    pub fn threads(&self) -> anyhow::Result<Vec<Pid>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id()))?;
        tasks.map(|task| Ok(Pid::from_raw(task?.file_name().to_string_lossy().parse()?))).collect()
    }

    /// Stops it until the returned value is dropped: it does not do now what it has to do.
    #[must_use]
    pub fn hold(&self) -> Held<'_> {
        self.process.signal(Signal::SIGSTOP);
        Held(&self.process)
    }

    /// Tells it to drain, and waits for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.process.signal(Signal::SIGTERM);
        self.process.wait(limit)?.with_context(|| format!("runs on:\n{}", self.log()))
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let ready = poll(READY_MAX, || {
            let ended = self.process.ended().ok().flatten().is_some();
            let ready = self.about("/readyz").is_ok_and(|answer| answer.status == 200);
            (ended || ready).then_some(ready)
        });
        match ready {
            Some(true) => Ok(()),
            Some(false) | None => bail!("the data plane is not ready:\n{}", self.log()),
        }
    }
}

fn command(program: &Path, folder: &Folder, bind: IpAddr, setup: &Setup<'_>) -> anyhow::Result<Command> {
    let mut command = match setup.below {
        [] => Command::new(program),
        [below, arguments @ ..] => {
            let mut command = Command::new(below);
            command.args(arguments).arg(program);
            command
        }
    };
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("OTEL_") || name.starts_with("REBOUND_"))
    {
        command.env_remove(name);
    }
    command.arg("--snapshot").arg(folder.path().join("snapshot"));
    command.args(["--bind", &bind.to_string(), "--admin", "127.0.0.1:0", "--workers", "1"]);
    command.envs(ALLOCATOR);
    command.args(setup.flags).envs(setup.variables.iter().copied()).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(File::create(folder.path().join("output"))?);
    command.stderr(File::create(folder.path().join("log"))?);
    Ok(command)
}

/// An address that it has printed as `NAME=ADDRESS`.
fn announced(folder: &Folder, name: &str) -> Option<SocketAddr> {
    let output = read(folder, "output");
    let lines = output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).next()
}

fn read(folder: &Folder, name: &str) -> String {
    let bytes = fs::read(folder.path().join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
