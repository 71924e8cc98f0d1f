//! What users read back.

pub mod conditions;
pub mod document;
pub mod file;
mod merge;
pub mod patch;

use crate::live::Live;
use document::StatusList;
use file::StatusError;
use patch::Left;

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
    pub fn want_also(&mut self, statuses: Vec<document::ObjectStatus>) {
        if let Self::Cluster(cluster) = self {
            cluster.want_also(statuses);
        }
    }

    /// Forgets what is settled: another replica has been writing.
    pub fn forget(&mut self) {
        if let Self::Cluster(cluster) = self {
            cluster.forget();
        }
    }

    /// Writes what is due. A file has been written already.
    pub async fn write(&mut self, live: &Live) -> Left {
        match self {
            Self::File(_) => Left::default(),
            Self::Cluster(cluster) => cluster.write(live).await,
        }
    }
}
