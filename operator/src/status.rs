//! What users read back.

pub mod conditions;
mod difference;
pub mod document;
mod event;
pub mod file;
mod merge;
pub mod patch;

use crate::live::{Id, Live};
use document::StatusList;
use file::StatusError;
use patch::Left;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where statuses are written.
#[derive(Debug)]
pub enum Board {
    /// One file.
    File(file::StatusFile),
    /// The `status` of every object.
    Cluster(Box<patch::Statuses>),
}

impl Board {
    /// From now on this is what there is to say, and of other objects nothing.
    pub fn want(&mut self, status: &StatusList) -> Result<(), StatusError> {
        match self {
            Self::File(file) => file.write(status),
            Self::Cluster(cluster) => {
                cluster.want(&status.items);
                Ok(())
            }
        }
    }

    /// This replaces what was said of the same objects.
    pub fn want_also(&mut self, statuses: Vec<Arc<document::ObjectStatus>>) {
        if let Self::Cluster(cluster) = self {
            cluster.want_also(statuses);
        }
    }

    /// Tells, once, whoever owns the class of our name that it is in the way. A file has nobody to tell.
    pub fn warn_of_class(&mut self, name: &str, note: Option<&str>, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.warn_of_class(name, note, live);
        }
    }

    /// Takes nothing for settled: another replica has been writing.
    pub fn forget(&mut self, live: &Live) {
        if let Self::Cluster(cluster) = self {
            cluster.forget(live);
        }
    }

    /// Starts to write what is due of that which is open; `touched` is open again. A file has been written already.
    pub fn write(&mut self, touched: &BTreeSet<Id>, live: &Live) -> Left {
        match self {
            Self::File(_) => Left::default(),
            Self::Cluster(cluster) => cluster.write(touched, live),
        }
    }

    /// Waits until what has been started is written; for ever if nothing has.
    pub async fn written(&mut self) -> Left {
        match self {
            Self::File(_) => std::future::pending().await,
            Self::Cluster(cluster) => cluster.written().await,
        }
    }
}
