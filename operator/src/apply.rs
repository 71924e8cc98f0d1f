//! Puts what was built where data planes and users see it.
//!
//! The other end of the walk: IO, and no decisions about what objects mean.

pub mod cluster;
pub mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use rebound_api::config::Snapshot;
use rebound_api::name::ObjectKey;
use serde_json::Value;

use crate::build::{Applied, Desired, Prepared};
use crate::live::{Id, Live};
use crate::shards::Set;

/// Where things are put.
#[derive(Debug)]
pub enum Sink {
    /// A folder.
    Files(files::Folder),
    /// An API server.
    Cluster(Box<cluster::Cluster>),
}

/// Why something could not be put in its place.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("cannot write {path}")]
    Write {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} exists already and is not ours: rename the Gateway, or take that away")]
    NotOurs(Id),
    #[error("another replica leads")]
    NotLeading,
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl Sink {
    /// What the data planes have been given before.
    pub fn current(&self) -> &BTreeMap<ObjectKey, Arc<Set>> {
        match self {
            Self::Files(folder) => folder.current(),
            Self::Cluster(cluster) => cluster.current(),
        }
    }

    /// Puts the class of the operator in its place. Files imply it.
    pub async fn keep(&mut self, class: Option<Value>, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.keep(class, live).await;
        }
    }

    /// Puts everything in its place, and takes away what is no longer wanted. What cannot be put there is refused.
    pub async fn apply(&mut self, prepared: Vec<Desired<Prepared>>, live: &Live) -> Vec<Desired<Applied>> {
        match self {
            Self::Files(folder) => folder.apply(prepared),
            Self::Cluster(cluster) => cluster.apply(prepared, live).await,
        }
    }

    /// Changes configurations in place, and writes those that `change` says it has changed. Returns these, and whether
    /// they can be given to a data plane. Files are read whole.
    pub async fn amend(
        &mut self,
        change: impl Fn(&mut Snapshot) -> bool,
        live: &Live,
    ) -> Vec<(ObjectKey, bool)> {
        match self {
            Self::Files(_) => Vec::new(),
            Self::Cluster(cluster) => cluster.amend(change, live).await,
        }
    }

    /// Puts right what others have changed. Nobody watches the folder of files mode.
    pub async fn repair(&mut self, touched: &BTreeSet<Id>, is_again: bool, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.repair(touched, is_again, live).await;
        }
    }

    /// Takes away the reports of pods that are gone. Nobody reports in files mode.
    pub async fn sweep(&self, gone: impl Iterator<Item = (&ObjectKey, Vec<String>)>, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.sweep(gone, live).await;
        }
    }

    /// Forgets what was written to objects that are gone.
    pub fn forget_gone(&mut self, touched: &BTreeSet<Id>, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.forget_gone(touched, live);
        }
    }

    /// Takes up what an earlier leader has written. A folder was read when it was opened.
    pub fn recall(&mut self, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.recall(live);
        }
    }

    /// When something that waits may be written; none: nothing waits.
    pub fn due(&self) -> Option<Instant> {
        match self {
            Self::Files(_) => None,
            Self::Cluster(cluster) => cluster.due(),
        }
    }

    /// Whether something is left that could not be written.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Cluster(cluster) if cluster.is_behind())
    }
}
