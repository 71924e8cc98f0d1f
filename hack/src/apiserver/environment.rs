//! A whole environment: etcd, kube-apiserver and kube-controller-manager in a folder of their own, on a port of their
//! own, with every CRD established.
//!
//! A test that stops or pauses the API server starts one for itself; all others share one. Absent: nodes. Nothing runs
//! a Pod here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;

use super::cluster::Cluster;
use super::servers::{self, Place};
use crate::cleanup::{Folder, Process};
use crate::programs::workspace;
use crate::tools::{self, Channel};

/// How long the API server may take to finish what it is doing. It waits for its watchers, and would for longer.
const GRACE: Duration = Duration::from_secs(10);

/// A running environment. Dropping it kills the programs; nothing of it is worth waiting for.
#[derive(Debug)]
pub struct Environment {
    cluster: Cluster,
    place: Place,
    // Clients before their servers.
    controller_manager: Process,
    apiserver: Process,
    store: Process,
    /// Where a test's own environment is: removed when the programs have gone.
    _folder: Option<Folder>,
}

impl Environment {
    /// Starts one in a temporary folder, with the CRDs of Gateway API's experimental channel and ours.
    ///
    /// # Errors
    /// When a program cannot be built, does not start or does not become ready; with the end of its log.
    pub fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let path = folder.path().to_path_buf();
        Self::start_at(path, Some(folder), Channel::default())
    }

    /// Starts one in `folder`, which stays.
    pub(super) fn start_in(folder: &Path, channel: Channel) -> anyhow::Result<Self> {
        Self::start_at(folder.to_path_buf(), None, channel)
    }

    fn start_at(path: PathBuf, _folder: Option<Folder>, channel: Channel) -> anyhow::Result<Self> {
        let mut place = Place::create(path)?;
        let store = servers::store(&place)?;
        let apiserver = servers::apiserver_on_a_free_port(&mut place)?;
        let controller_manager = servers::controller_manager(&place)?;
        let cluster = Cluster::inside(place.folder())?;
        apply_crds(&cluster, channel)?;
        Ok(Self { cluster, place, controller_manager, apiserver, store, _folder })
    }

    /// The environment as its administrator sees it.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Its folder: for `CLUSTER_VARIABLE`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// Freezes the API server: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.apiserver.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen API server go on.
    pub fn resume(&self) {
        self.apiserver.signal(Signal::SIGCONT);
    }

    /// Stops the API server as an upgrade does: it ends its watches and connections itself, or is killed after 10 s.
    ///
    /// # Errors
    /// When the operating system does not say how it ended.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.apiserver.end(GRACE).map(drop)
    }

    /// Kills the API server, as a machine that is lost does.
    ///
    /// # Errors
    /// When the operating system does not say how it ended.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.apiserver.end(Duration::ZERO).map(drop)
    }

    /// Starts an API server that was stopped or killed: on the same port, with the same data.
    ///
    /// # Errors
    /// When it still runs, or does not become ready.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.apiserver.ended()?.is_some(), "the API server still runs");
        self.apiserver = servers::apiserver(&self.place)?;
        Ok(())
    }

    /// Lets the programs run on when this process has gone; their process ids are in the folder.
    pub(super) fn release(self) {
        let Self { controller_manager, apiserver, store, .. } = self;
        [controller_manager, apiserver, store].into_iter().for_each(Process::release);
    }
}

/// Applies Gateway API's CRDs and ours, and waits until they are served.
pub(super) fn apply_crds(cluster: &Cluster, channel: Channel) -> anyhow::Result<()> {
    let mut paths = channel.crds()?;
    paths.extend(tools::manifests(&workspace().join("config/crd"))?);
    let files: Vec<_> = paths.iter().flat_map(|path| ["-f".to_owned(), path.display().to_string()]).collect();
    // On the server's side: some are too large for the annotation that kubectl would keep otherwise.
    let mut arguments = vec!["apply", "--server-side", "--force-conflicts"];
    arguments.extend(files.iter().map(String::as_str));
    cluster.kubectl(&arguments)?;
    cluster.kubectl(&["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"])?;
    Ok(())
}
