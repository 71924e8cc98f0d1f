//! What exists: the one place where objects come in.
//!
//! IO happens here and in `apply`, nowhere between. Every source ends in the same [`world::World`]; files also play
//! the API server's part. Absent: decisions about what objects mean.

pub mod admission;
pub mod cluster;
pub mod files;
pub mod service;
pub mod watch;
pub mod world;

use std::collections::BTreeSet;

use files::finding::Finding;
use rebound_api::name::ObjectKey;
use world::World;

use crate::live::Live;
use crate::live::watch::Seen;

/// What files hold of a cluster.
static NOTHING: Live = Live::NOTHING;

/// Where objects come from.
#[derive(Debug)]
pub enum Source {
    /// Files and folders.
    Files(Box<files::Files>),
    /// An API server.
    Cluster(Box<cluster::Cluster>),
}

/// What one look yielded.
#[derive(Debug)]
pub struct Observation<'s> {
    pub world: &'s World,
    /// What an API server holds, as it is there.
    pub live: &'s Live,
    /// What is wrong with the text of objects; in a cluster, admission has told whoever wrote it.
    pub findings: Vec<Finding>,
}

impl Source {
    /// Looks at everything once. `admit` stands for admission where the source has none of its own.
    pub fn observe(&mut self, admit: admission::Admit) -> Observation<'_> {
        match self {
            Self::Files(files) => files.observe(admit),
            Self::Cluster(cluster) => cluster.observe(),
        }
    }

    /// What an API server holds, as it is there.
    pub fn live(&self) -> &Live {
        match self {
            Self::Files(_) => &NOTHING,
            Self::Cluster(cluster) => cluster.live(),
        }
    }

    /// Takes note of what a watch has seen, and of what that asks for. Files are read, not watched.
    pub fn note(&mut self, seen: Seen, stir: &mut cluster::Stir) {
        if let Self::Cluster(cluster) = self {
            cluster.note(seen, stir);
        }
    }

    /// Every Service that has endpoints.
    pub fn services(&self) -> BTreeSet<ObjectKey> {
        match self {
            Self::Files(_) => BTreeSet::new(),
            Self::Cluster(cluster) => cluster.services(),
        }
    }

    /// Whether a GatewayClass exists, whoever it belongs to. Files imply theirs.
    pub fn has_class(&self, name: &str) -> bool {
        match self {
            Self::Files(_) => true,
            Self::Cluster(cluster) => cluster.has_class(name),
        }
    }

    /// Looks at the data planes anew.
    pub fn look_at_fleets(&mut self) {
        if let Self::Cluster(cluster) = self {
            cluster.look_at_fleets();
        }
    }
}
