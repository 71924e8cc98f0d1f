//! The data planes of `run`: one process for each Gateway that has something to serve.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rebound_api::name::ObjectKey;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::screen;
use crate::apply::Sink;
use crate::build::ALLOCATOR;

/// The wait before a dead data plane is started again; doubles with each death.
const RESTART_MIN: Duration = Duration::from_millis(100);
/// The longest such wait.
const RESTART_MAX: Duration = Duration::from_secs(10);
/// A data plane that has lived this long starts over with the shortest wait.
const STABLE_AFTER: Duration = Duration::from_secs(30);
/// How long requests in flight may take after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// How lines begin by which a data plane tells where it is reached.
const ANNOUNCEMENTS: [&str; 3] = ["admin=", "listening=", "live="];

/// How data planes are started.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) bind: IpAddr,
    /// Of the first Gateway; the others get a free port.
    pub(super) admin: Option<SocketAddr>,
}

/// All data planes.
#[derive(Debug)]
pub(super) struct Fleet {
    program: Program,
    /// The Gateway whose data plane was started first: the admin address stays with it.
    first: Option<ObjectKey>,
    planes: BTreeMap<ObjectKey, Plane>,
    /// Those of Gateways that are gone, while they end.
    draining: Vec<Plane>,
}

/// A data plane that is kept alive until `stop`.
#[derive(Debug)]
struct Plane {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Fleet {
    pub(super) fn new(program: Program) -> Self {
        Self { program, first: None, planes: BTreeMap::new(), draining: Vec::new() }
    }

    /// Starts what is missing and drains what is no longer wanted.
    pub(super) fn adjust(&mut self, sink: &Sink) {
        let Sink::Files(folder) = sink else { return };
        let serves =
            |key: &ObjectKey| folder.current().get(key).is_some_and(|it| !it.snapshot().listeners.is_empty());
        let gone: Vec<_> =
            self.planes.extract_if(.., |key, _| !serves(key)).map(|(_, plane)| plane).collect();
        gone.iter().for_each(Plane::drain);
        self.draining.retain(|plane| !plane.task.is_finished());
        self.draining.extend(gone);
        for key in folder.current().keys().filter(|key| serves(key)) {
            if !self.planes.contains_key(key) {
                let plane = self.start(key, &folder.snapshot_path(key));
                self.planes.insert(key.clone(), plane);
            }
        }
    }

    /// Drains all data planes, at most for [`DRAIN_MAX`].
    pub(super) async fn stop(self) {
        self.planes.values().for_each(Plane::drain);
        for plane in self.planes.into_values().chain(self.draining) {
            if let Err(error) = plane.task.await {
                tracing::error!(%error, "the keeper of a data plane failed");
            }
        }
    }

    fn start(&mut self, gateway: &ObjectKey, snapshot: &Path) -> Plane {
        let first = self.first.get_or_insert_with(|| gateway.clone());
        let admin = self.program.admin.filter(|_| first == gateway);
        let admin = admin.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
        let mut command = Command::new(&self.program.path);
        command.arg("--snapshot").arg(snapshot);
        command.arg("--bind").arg(self.program.bind.to_string());
        command.arg("--admin").arg(admin.to_string());
        command.args(["--live", "127.0.0.1:0"]).envs(ALLOCATOR);
        // However this process ends: an orphan would hold the ports of the next one.
        command.arg("--exit-with-parent");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C reaches every process of the terminal's group, and a data plane takes the second signal for impatience.
        command.process_group(0);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(keep(gateway.clone(), command, stopped));
        Plane { stop, task }
    }
}

impl Plane {
    fn drain(&self) {
        // One that cannot be told has ended.
        let _ = self.stop.send(true);
    }
}

/// Starts a data plane, and starts it again whenever it dies.
async fn keep(gateway: ObjectKey, mut command: Command, mut stop: watch::Receiver<bool>) {
    let mut pause = RESTART_MIN;
    while !*stop.borrow() {
        let started = Instant::now();
        match command.spawn() {
            Ok(child) => match tend(&gateway, child, &mut stop).await {
                Some(Ok(status)) => tracing::error!(%gateway, %status, "the data plane ended"),
                Some(Err(error)) => tracing::error!(%gateway, %error, "the data plane is lost"),
                None => return,
            },
            Err(error) => tracing::error!(%gateway, %error, "the data plane does not start"),
        }
        pause = if started.elapsed() > STABLE_AFTER { RESTART_MIN } else { pause };
        tracing::info!(%gateway, wait_ms = pause.as_millis(), "the data plane is started again");
        let _ = tokio::time::timeout(pause, stop.changed()).await;
        pause = (pause * 2).min(RESTART_MAX);
    }
}

/// Passes on what a data plane says until it ends; `None`: because it was told to.
async fn tend(
    gateway: &ObjectKey,
    mut child: Child,
    stop: &mut watch::Receiver<bool>,
) -> Option<io::Result<ExitStatus>> {
    let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
    loop {
        tokio::select! {
            line = next_line(&mut lines) => pass_on(gateway, &line),
            status = child.wait() => return Some(status),
            _ = stop.changed() => {
                drain(gateway, child).await;
                return None;
            }
        }
    }
}

/// Where a data plane is reached is told with its Gateway. Everything else is its access log, for programs to read.
fn pass_on(gateway: &ObjectKey, line: &str) {
    if ANNOUNCEMENTS.iter().any(|name| line.starts_with(name)) {
        screen::tell(format_args!("gateway={gateway} {line}"));
    } else {
        screen::tell(format_args!("{line}"));
    }
}

/// Never ends once the data plane has closed its output.
async fn next_line(lines: &mut Option<Lines<BufReader<ChildStdout>>>) -> String {
    if let Some(open) = lines {
        if let Ok(Some(line)) = open.next_line().await {
            return line;
        }
        *lines = None;
    }
    std::future::pending().await
}

async fn drain(gateway: &ObjectKey, mut child: Child) {
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // One that is already gone needs no signal.
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
    match tokio::time::timeout(DRAIN_MAX, child.wait()).await {
        Ok(Ok(status)) if status.success() => tracing::info!(%gateway, "the data plane has drained"),
        Ok(Ok(status)) => tracing::warn!(%gateway, %status, "the data plane ended before it had drained"),
        Ok(Err(error)) => {
            tracing::error!(%gateway, %error, "the data plane is lost");
        }
        Err(_) => {
            tracing::warn!(%gateway, limit_s = DRAIN_MAX.as_secs(), "the data plane does not drain; killed");
            let _ = child.kill().await;
        }
    }
}
