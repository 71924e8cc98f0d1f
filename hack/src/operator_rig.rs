//! The operator against an API server as it runs in a cluster: a process of its own, under its own ServiceAccount, with
//! exactly the rights that installing it gives.
//!
//! Absent: data planes, which `pod_rig` starts from what the operator makes. The webhook is off unless a test asks for it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::apiserver::Cluster;
use crate::cleanup::{Folder, Process};
use crate::http_client::Connection;
use crate::install::rbac::NAME;
use crate::install::{NAMESPACE, folders};
use crate::programs::Programs;
use crate::rig::poll;

/// How long the operator may take until it knows the cluster.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long it may take to become the leader: a whole lease, if the last leader was killed.
const LEADS_MAX: Duration = Duration::from_secs(40);
/// How long it may take to leave.
const LEAVE_MAX: Duration = Duration::from_secs(15);
/// Lines of its log that a failure shows.
const LOG_LINES: usize = 60;

/// A running operator. Dropping it ends it in order, so that its lease is free at once.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    // After the process: its log goes with it.
    folder: Folder,
}

impl Operator {
    /// The operator of the API server that tests share. All tests of an executable that run at one time have the same,
    /// each in namespaces of its own; it ends with the last of them.
    ///
    /// # Errors
    /// As [`install`] and [`start`](Self::start).
    pub fn shared() -> anyhow::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Operator>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start(&install(&Cluster::shared()?)?)?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Starts one that sees the API server as `cluster` does, and waits until it knows what is there.
    ///
    /// # Errors
    /// When it does not start or does not become ready; with the end of its log.
    pub fn start(cluster: &Cluster) -> anyhow::Result<Self> {
        let mut operator = Self::spawn(cluster.kubeconfig())?;
        operator.await_ready()?;
        Ok(operator)
    }

    /// Starts one with this kubeconfig, and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(kubeconfig: &Path) -> anyhow::Result<Self> {
        Self::spawn_with(kubeconfig, &["--webhook-certs", "off"], &[])
    }

    /// The same with a webhook, as these flags say, and with variables in its environment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_with(
        kubeconfig: &Path,
        webhook: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let programs = Programs::for_tests()?;
        let folder = Folder::new()?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(&programs.operator);
        command.args(["controller", "--namespace", NAMESPACE, "--admin", "127.0.0.1:0"]);
        command.args(webhook);
        command.env("KUBECONFIG", kubeconfig).env_remove("RUST_LOG").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::start(&mut command)?;
        Ok(Self { process, folder })
    }

    /// What it says about itself: `/readyz`, `/metrics`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn about(&self, target: &str) -> anyhow::Result<String> {
        let admin = admin(&self.log()).context("has not said where it answers")?;
        Ok(String::from_utf8_lossy(&Connection::open(admin)?.get(target)?.body).into_owned())
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The end of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    /// Waits until it has the lease.
    ///
    /// # Errors
    /// When it has not in time; with the end of its log.
    pub fn await_leading(&self) -> anyhow::Result<()> {
        let leads = || self.log().contains("\"message\":\"leading\"").then_some(());
        poll(LEADS_MAX, leads).with_context(|| format!("does not lead:\n{}", self.log_end()))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Freezes it.
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Kills it, as a lack of memory would.
    ///
    /// # Errors
    /// When the operating system does not say how it ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.end(Duration::ZERO).map(drop)
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// When it does not leave in time, or not with success.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let status = self.process.end(LEAVE_MAX)?;
        if !status.success() {
            bail!("rebound-operator ended with {status}:\n{}", self.log_end());
        }
        Ok(())
    }

    /// Whether it has ended, by whatever.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.ended(), Ok(None))
    }

    fn await_ready(&mut self) -> anyhow::Result<()> {
        let outcome = poll(READY_MAX, || match (self.has_ended(), admin(&self.log())) {
            (true, _) => Some(false),
            (false, None) => None,
            (false, Some(admin)) => {
                let answer = Connection::open(admin).and_then(|mut it| it.get("/readyz")).ok()?;
                (answer.status == 200).then_some(true)
            }
        });
        match outcome {
            Some(true) => Ok(()),
            Some(false) => bail!("rebound-operator ended:\n{}", self.log_end()),
            None => bail!("not ready after {} s:\n{}", READY_MAX.as_secs(), self.log_end()),
        }
    }
}

/// The address that the log names.
fn admin(log: &str) -> Option<SocketAddr> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["admin"].as_str()?.parse().ok()).next()
}

/// Applies what installs the operator, without what would run it, and returns the API server as the operator sees it.
///
/// # Errors
/// When it cannot be applied.
pub fn install(cluster: &Cluster) -> anyhow::Result<Cluster> {
    let rights = folders().into_iter().filter(|folder| folder.name == "rbac").flat_map(|it| it.files);
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    let items: Vec<_> = std::iter::once(namespace).chain(rights.map(|file| file.object)).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
    cluster.apply(&list, &["--server-side", "--force-conflicts"]).context("install the operator's rights")?;
    cluster.as_service_account(NAMESPACE, NAME)
}
