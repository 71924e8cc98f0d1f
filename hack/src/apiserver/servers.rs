//! Starts the programs of an environment, one after the other, each when the one that it needs is ready.
//!
//! Every program has a log and a file with its process id in the environment's folder, and works in that folder: that is
//! how `down` knows them again.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cluster::Cluster;
use super::pki::{self, Pki};
use super::{KUBECONFIG, flags};
use crate::cleanup::Process;
use crate::tools::Program;

/// How long a program may take until it is ready, on a machine that does other things too.
const READY_MAX: Duration = Duration::from_secs(60);
/// How often it is asked.
const READY_EVERY: Duration = Duration::from_millis(50);
/// Ports that are tried: below those that kernels give to outgoing connections unless told otherwise, so that a port which its server has
/// left for a moment is still free when it comes back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const PORT_TRIES: usize = 100;
/// How often another port is tried when somebody took the chosen one first.
const START_TRIES: usize = 3;
/// What a program says whose port is taken.
const PORT_TAKEN: &str = "address already in use";
/// Lines of a program's log that an error shows.
const LOG_LINES: usize = 15;

/// Where an environment keeps its files, and where it listens.
#[derive(Debug, Clone)]
pub(super) struct Place {
    folder: PathBuf,
    address: SocketAddr,
    pki: Pki,
}

impl Place {
    /// Makes the folder, with certificates and a kubeconfig for an address that is free.
    pub(super) fn create(folder: PathBuf) -> anyhow::Result<Self> {
        let pki = Pki::create(folder.join("pki"))?;
        let place = Self { folder, address: free_address()?, pki };
        place.write_kubeconfig()?;
        Ok(place)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn move_to_another_address(&mut self) -> anyhow::Result<()> {
        self.address = free_address()?;
        self.write_kubeconfig()
    }

    fn write_kubeconfig(&self) -> anyhow::Result<()> {
        let server = format!("https://{}", self.address);
        let text = pki::kubeconfig(&server, &self.pki.path("ca.crt"), &self.pki.admin());
        fs::write(self.folder.join(KUBECONFIG), text).context("write the kubeconfig")
    }

    fn start(&self, program: Program, arguments: &[String]) -> anyhow::Result<Process> {
        let log = File::create(log(&self.folder, program))?;
        let mut command = Command::new(program.build()?);
        command.args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::start(&mut command)?.expendable();
        fs::write(pid_file(&self.folder, program), process.id().to_string())?;
        Ok(process)
    }

    fn await_ready(
        &self,
        program: Program,
        process: &mut Process,
        ready: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_MAX;
        while Instant::now() < deadline {
            if let Some(status) = process.ended()? {
                bail!("{} ended ({status}):\n{}", program.name(), log_end(&self.folder, program));
            }
            if ready() {
                return Ok(());
            }
            thread::sleep(READY_EVERY);
        }
        let waited = READY_MAX.as_secs();
        bail!("{} is not ready after {waited} s:\n{}", program.name(), log_end(&self.folder, program))
    }
}

/// Starts etcd.
pub(super) fn store(place: &Place) -> anyhow::Result<Process> {
    let mut store = place.start(Program::Etcd, &flags::etcd())?;
    let socket = place.folder.join(flags::STORE_SOCKET);
    place.await_ready(Program::Etcd, &mut store, || socket.exists())?;
    Ok(store)
}

/// Starts the API server at the place's address.
pub(super) fn apiserver(place: &Place) -> anyhow::Result<Process> {
    let mut apiserver = place.start(Program::KubeApiserver, &flags::apiserver(place.address, &place.pki))?;
    let cluster = Cluster::inside(&place.folder)?;
    // kubectl takes as long as many looks at the port. By connecting: a look by binding could be in its way.
    let listens = || TcpStream::connect(place.address).is_ok();
    let ready = || listens() && cluster.kubectl(&["get", "--raw", "/readyz"]).is_ok();
    place.await_ready(Program::KubeApiserver, &mut apiserver, ready)?;
    Ok(apiserver)
}

/// Starts the API server, at another address when somebody has taken the port meanwhile.
pub(super) fn apiserver_on_a_free_port(place: &mut Place) -> anyhow::Result<Process> {
    for _ in 1..START_TRIES {
        match apiserver(place) {
            Err(error) if error.to_string().contains(PORT_TAKEN) => place.move_to_another_address()?,
            other => return other,
        }
    }
    apiserver(place)
}

/// Starts the controllers. They wait for nobody, so nobody waits for them.
pub(super) fn controller_manager(place: &Place) -> anyhow::Result<Process> {
    let arguments = flags::controller_manager(&place.folder.join(KUBECONFIG), &place.pki);
    place.start(Program::KubeControllerManager, &arguments)
}

/// Where the process id of a program is kept.
pub(super) fn pid_file(folder: &Path, program: Program) -> PathBuf {
    folder.join(format!("{}.pid", program.name()))
}

fn log(folder: &Path, program: Program) -> PathBuf {
    folder.join(format!("{}.log", program.name()))
}

fn log_end(folder: &Path, program: Program) -> String {
    let text = fs::read_to_string(log(folder, program)).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

fn free_address() -> anyhow::Result<SocketAddr> {
    for _ in 0..PORT_TRIES {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("{PORT_TRIES} ports were tried and none is free")
}
