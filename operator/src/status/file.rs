//! `status.yaml`: what a cluster would hold as `status` of its objects.

use std::io;
use std::path::PathBuf;

use super::document::StatusList;
use crate::apply::files::replace;

/// The name of the file.
pub const STATUS_FILE: &str = "status.yaml";

/// The file and what it says.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    text: String,
}

/// Why the file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the status")]
    Yaml(#[source] serde_saphyr::ser::Error),
}

impl StatusFile {
    /// The file in `folder`, with what an earlier run left there.
    pub fn open(folder: &std::path::Path) -> Self {
        let path = folder.join(STATUS_FILE);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Self { path, text }
    }

    /// Writes the status when it says something new.
    pub(super) fn write(&mut self, status: &StatusList) -> Result<(), StatusError> {
        let text = serde_saphyr::to_string(status).map_err(StatusError::Yaml)?;
        if text != self.text || !self.path.exists() {
            let failed = |source| StatusError::Write { path: self.path.clone(), source };
            replace(&self.path, text.as_bytes()).map_err(failed)?;
            self.text = text;
        }
        Ok(())
    }
}
