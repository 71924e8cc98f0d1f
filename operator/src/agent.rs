//! The agent: beside each data plane, from the ConfigMaps of its Gateway to its snapshot file, and what it serves back.
//!
//! ```text
//! manifest (watch) -> shards (get) -> Assembly -> snapshot file -> data plane -> /generation -> report (apply)
//! ```
//!
//! Whatever happens to the API server, the ConfigMaps or this process, the file holds the last set that was whole and
//! right, or nothing yet. Reports are for people and for conditions: no failure of theirs keeps a configuration back.
//! Absent: any understanding of what a snapshot says, and probes: the data plane's readiness is what counts.

mod dataplane;
mod follow;
mod gather;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rebound_api::name::Generation;
use tokio::sync::watch;

use crate::client;

/// How long the API server lets a watch last. Each ends and begins again, so that a connection that is dead without
/// a sign is found to be within this time.
const WATCH_MAX: Duration = Duration::from_secs(60);
/// How long the API server may be silent: longer than a watch in which nothing happens.
const SILENCE_MAX: Duration = Duration::from_secs(70);

/// What an agent is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The Gateway's namespace.
    pub namespace: String,
    /// The ConfigMap of the manifest.
    pub manifest: String,
    /// The ConfigMap that takes the reports.
    pub report: String,
    /// The pod that reports.
    pub pod: String,
    /// The snapshot file.
    pub out: PathBuf,
    /// The admin address of the data plane.
    pub dataplane: SocketAddr,
}

/// Why an agent does not start. Once it has, nothing ends it but its `stop`.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("cannot speak to the API server")]
    Client(#[from] client::Error),
}

/// How far the snapshot file has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    /// That of the file, as far as this process has written it.
    written: Generation,
    /// Why there is a newer manifest than that.
    problem: Option<String>,
}

/// Follows the manifest and reports, until `stop` completes.
///
/// # Errors
/// When no cluster is configured. One that cannot be reached is waited for.
pub async fn run(settings: Settings, stop: impl Future<Output = ()>) -> Result<(), AgentError> {
    let client = client::connect(SILENCE_MAX).await?;
    let (tell, told) = watch::channel(Progress::default());
    let follow = follow::follow(client.clone(), &settings, tell);
    let report = report::report(client.clone(), &settings, told);
    tokio::select! {
        () = stop => {}
        () = follow => {}
        () = report => {}
    }
    report::withdraw(client, &settings).await;
    Ok(())
}

/// Doubling pauses with an end.
#[derive(Debug, Clone)]
struct Pauses {
    next: Duration,
    min: Duration,
    max: Duration,
}

impl Pauses {
    const fn new(min: Duration, max: Duration) -> Self {
        Self { next: min, min, max }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        Some(pause)
    }
}

impl kube::runtime::utils::Backoff for Pauses {
    fn reset(&mut self) {
        self.next = self.min;
    }
}
