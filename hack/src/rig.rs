//! The whole product on a laptop: scripted backend, operator in files mode, data plane, on addresses of its own.
//!
//! What a user would do by hand with `rebound-operator run`, for the demo, the benchmarks and the end-to-end tests.
//! Everything is looked at from outside: files, sockets, logs.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::backend::Backend;
use crate::cleanup::{Folder, Process};
use crate::http_client::{Connection, Response};
use crate::programs::{Programs, workspace};

/// How long the data plane may take to become ready, or to take up a change, before a run is given up.
pub const CHANGE_MAX: Duration = Duration::from_secs(30);
/// The port of the seed's Gateway.
pub const SEED_PORT: u16 = 8000;
/// The seed's manifests without the policy, in the order of the page.
pub const SEED: [&str; 2] = ["application.yaml", "gateway_route.yaml"];
/// The seed's RetryPolicy.
pub const SEED_POLICY: &str = "retry_policy.yaml";

const ADDRESS_TRIES: usize = 100;

/// A running product. Dropping it ends the programs and removes the files.
#[derive(Debug)]
pub struct Rig {
    /// What stands behind the proxy.
    pub backend: Backend,
    address: SocketAddr,
    admin: SocketAddr,
    // Before the folder: the operator must be gone when its files go.
    operator: Process,
    folder: Folder,
}

impl Rig {
    /// Starts the seed's application and Gateway, without the policy, and waits until it serves.
    ///
    /// # Errors
    /// When a program does not start or does not become ready; with the end of its log.
    pub fn seed(programs: &Programs, dice: u64) -> anyhow::Result<Self> {
        let manifests: Vec<_> =
            SEED.iter().map(|name| Ok((*name, sample(name)?))).collect::<anyhow::Result<_>>()?;
        let manifests: Vec<_> = manifests.iter().map(|(name, text)| (*name, text.as_str())).collect();
        Self::start(programs, dice, SEED_PORT, &manifests, &[])
    }

    /// Starts with `manifests` (file name, YAML) whose Gateway listens on `port` and whose backend is `server/fortio:8080`;
    /// `variables` are for the programs' environment.
    ///
    /// # Errors
    /// When a program does not start or does not become ready; with the end of its log.
    pub fn start(
        programs: &Programs,
        dice: u64,
        port: u16,
        manifests: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let backend = Backend::start(0, dice)?;
        let folder = Folder::new()?;
        for name in ["manifests", "staging", "out"] {
            fs::create_dir(folder.path().join(name))?;
        }
        for (name, text) in manifests {
            fs::write(folder.path().join("manifests").join(name), text)?;
        }
        let (address, admin) = free_address(port)?;
        let mut command = command(programs, &folder, address, admin, backend.address())?;
        command.envs(variables.iter().copied());
        let operator = Process::start(&mut command)?;
        let mut rig = Self { backend, address, admin, operator, folder };
        rig.await_ready()?;
        Ok(rig)
    }

    /// Where the Gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the data plane answers about itself.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where the data plane serves its page.
    ///
    /// # Errors
    /// When it does not say so.
    pub fn live(&self) -> anyhow::Result<SocketAddr> {
        let told = || self.log().lines().find_map(|line| line.split_once(" live=")?.1.parse().ok());
        poll(CHANGE_MAX, told).with_context(|| format!("no live page:\n{}", self.log_end()))
    }

    /// The watched folder.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// Puts a manifest into the watched folder, by atomic rename; returns the moment before the rename.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, name: &str, text: &str) -> anyhow::Result<Instant> {
        let staged = self.folder.path().join("staging").join(name);
        fs::write(&staged, text)?;
        let before = Instant::now();
        fs::rename(&staged, self.manifests().join(name)).context("rename into the watched folder")?;
        Ok(before)
    }

    /// The generation that is active in the data plane.
    ///
    /// # Errors
    /// When the data plane does not answer.
    pub fn generation(&self) -> anyhow::Result<u64> {
        generation(&mut Connection::open(self.admin)?)
    }

    /// Waits until another generation than `before` is active, and returns it.
    ///
    /// # Errors
    /// When none is after [`CHANGE_MAX`].
    pub fn await_generation_after(&self, before: u64) -> anyhow::Result<u64> {
        // One connection for all looks: opening one takes longer than some changes.
        let mut admin = Connection::open(self.admin)?;
        let moved = poll(CHANGE_MAX, || generation(&mut admin).ok().filter(|now| *now != before));
        moved.with_context(|| format!("generation {before} stays active:\n{}", self.log_end()))
    }

    /// Puts a manifest and waits until the data plane serves by it.
    ///
    /// # Errors
    /// When the file cannot be written or is not taken up.
    pub fn apply(&self, name: &str, text: &str) -> anyhow::Result<u64> {
        let before = self.generation()?;
        self.put(name, text)?;
        self.await_generation_after(before)
    }

    /// Asks the data plane about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn about(&self, target: &str) -> anyhow::Result<Response> {
        Connection::open(self.admin)?.get(target)
    }

    /// `status.yaml` as it is now; empty before the first one.
    #[must_use]
    pub fn status(&self) -> String {
        fs::read_to_string(self.folder.path().join("out/status.yaml")).unwrap_or_default()
    }

    /// Everything that operator and data plane have logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends the operator as an out-of-memory kill would: without a chance to end its data plane.
    ///
    /// # Errors
    /// When it has ended before.
    pub fn kill_operator(&self) -> anyhow::Result<()> {
        let operator = Pid::from_raw(i32::try_from(self.operator.id())?);
        Ok(kill(operator, Signal::SIGKILL)?)
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + CHANGE_MAX;
        while Instant::now() < deadline {
            if let Some(status) = self.operator.ended()? {
                bail!("rebound-operator ended ({status}):\n{}", self.log_end());
            }
            if self.about("/readyz").is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("not ready after {} s:\n{}", CHANGE_MAX.as_secs(), self.log_end())
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

fn generation(admin: &mut Connection) -> anyhow::Result<u64> {
    let answer: serde_json::Value = serde_json::from_slice(&admin.get("/generation")?.body)?;
    answer["generation"].as_u64().with_context(|| format!("no generation in {answer}"))
}

/// A file of the seed's samples.
///
/// # Errors
/// When it cannot be read.
pub fn sample(name: &str) -> anyhow::Result<String> {
    let path = workspace().join("config/samples/seed").join(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// Calls `look` until it finds something, at most for `limit`.
pub fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn command(
    programs: &Programs,
    folder: &Folder,
    address: SocketAddr,
    admin: SocketAddr,
    backend: SocketAddr,
) -> anyhow::Result<Command> {
    let log = File::create(folder.path().join("log"))?;
    let mut command = Command::new(&programs.operator);
    command.arg("run").arg("-f").arg(folder.path().join("manifests")).args(["-n", "server"]);
    command.arg("--backend").arg(format!("server/fortio:8080={backend}"));
    command.arg("--bind").arg(address.ip().to_string()).arg("--admin").arg(admin.to_string());
    command.arg("--out").arg(folder.path().join("out")).arg("--dataplane").arg(&programs.dataplane);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// An address of 127.0.0.0/8 on which the Gateway's port and one more are free.
fn free_address(port: u16) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    for _ in 0..ADDRESS_TRIES {
        let part = || fastrand::u8(1..=254);
        let ip = Ipv4Addr::new(127, part(), part(), part());
        let (Ok(_gateway), Ok(admin)) = (TcpListener::bind((ip, port)), TcpListener::bind((ip, 0))) else {
            continue;
        };
        return Ok((SocketAddr::from((ip, port)), admin.local_addr()?));
    }
    bail!("port {port} is free on none of {ADDRESS_TRIES} loopback addresses")
}
