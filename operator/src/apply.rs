//! Puts what was built where data planes and users see it.
//!
//! The other end of the walk: IO, and no decisions about what objects mean.

pub mod files;

use std::collections::BTreeMap;

use rebound_api::config::Snapshot;
use rebound_api::name::ObjectKey;

use crate::build::{Applied, Desired, Prepared};
use crate::status::document::StatusList;

/// Where things are put.
#[derive(Debug)]
pub enum Sink {
    /// A folder.
    Files(files::Folder),
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
    #[error("cannot write the status")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

impl Sink {
    /// What the data planes have been given before.
    pub fn current(&self) -> &BTreeMap<ObjectKey, Snapshot> {
        match self {
            Self::Files(folder) => folder.current(),
        }
    }

    /// Puts everything in its place, and takes away what is no longer wanted. What cannot be put there is refused.
    pub fn apply(&mut self, prepared: Vec<Desired<Prepared>>) -> Vec<Desired<Applied>> {
        match self {
            Self::Files(folder) => folder.apply(prepared),
        }
    }

    /// Tells users what came of their objects.
    pub fn write_status(&mut self, status: &StatusList) -> Result<(), ApplyError> {
        match self {
            Self::Files(folder) => folder.write_status(status),
        }
    }
}
