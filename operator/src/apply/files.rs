//! A folder as the place of everything: one snapshot for each Gateway, and `status.yaml`.
//!
//! Files are replaced by atomic rename, so that nobody ever reads half of one. They are not synced to disk: a file
//! that a power cut damages fails its checksum and is written again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rebound_api::config::Snapshot;
use rebound_api::config::codec::{self, SNAPSHOT_MAX_BYTES};
use rebound_api::name::ObjectKey;

use super::ApplyError;
use crate::build::{Applied, Config, Desired, Prepared};
use crate::status::document::StatusList;

/// What a cluster would hold as `status` of its objects.
pub const STATUS_FILE: &str = "status.yaml";

const EXTENSION: &str = "snapshot";

/// A folder and what is known to stand in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    current: BTreeMap<ObjectKey, Snapshot>,
    status: String,
}

impl Folder {
    /// Makes the folder if need be, and reads the snapshots that an earlier run left there.
    pub fn open(path: PathBuf) -> Result<Self, ApplyError> {
        let failed = |source| ApplyError::Write { path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let entries = std::fs::read_dir(&path).map_err(failed)?;
        let files = entries.filter_map(|entry| entry.ok().map(|it| it.path()));
        let snapshots = files.filter(|it| it.extension().is_some_and(|it| it == EXTENSION));
        let current = snapshots.filter_map(|file| read(&file)).map(|it| (it.gateway.clone(), it)).collect();
        let status = std::fs::read_to_string(path.join(STATUS_FILE)).unwrap_or_default();
        Ok(Self { path, current, status })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the snapshots hold.
    pub fn current(&self) -> &BTreeMap<ObjectKey, Snapshot> {
        &self.current
    }

    /// Where the snapshot of a Gateway stands.
    pub fn snapshot_path(&self, gateway: &ObjectKey) -> PathBuf {
        self.path.join(format!("{}_{}.{EXTENSION}", gateway.namespace(), gateway.name()))
    }

    pub(super) fn apply(
        &mut self,
        prepared: Vec<Desired<Prepared>>,
    ) -> Result<Vec<Desired<Applied>>, ApplyError> {
        self.prune(&prepared)?;
        for desired in &prepared {
            let Config::Changed { snapshot, bytes } = &desired.config else { continue };
            replace(&self.snapshot_path(&desired.gateway), bytes)?;
            self.current.insert(desired.gateway.clone(), snapshot.clone());
        }
        Ok(prepared.into_iter().map(Desired::applied).collect())
    }

    /// Writes the status when it says something new.
    pub(super) fn write_status(&mut self, status: &StatusList) -> Result<(), ApplyError> {
        let status = serde_saphyr::to_string(status).map_err(ApplyError::Yaml)?;
        if status != self.status {
            replace(&self.path.join(STATUS_FILE), status.as_bytes())?;
            self.status = status;
        }
        Ok(())
    }

    /// Takes away the snapshots of Gateways that are gone. Only what reads as a snapshot is ever removed.
    fn prune(&mut self, prepared: &[Desired<Prepared>]) -> Result<(), ApplyError> {
        let is_wanted = |key: &ObjectKey| prepared.iter().any(|it| it.gateway == *key);
        let gone: Vec<_> = self.current.keys().filter(|key| !is_wanted(key)).cloned().collect();
        for key in gone {
            let path = self.snapshot_path(&key);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(ApplyError::Write { path, source });
                }
                _ => self.current.remove(&key),
            };
        }
        Ok(())
    }
}

/// An unreadable or damaged snapshot counts as none: it is written anew.
fn read(path: &Path) -> Option<Snapshot> {
    let length = std::fs::metadata(path).ok()?.len();
    let fits = usize::try_from(length).is_ok_and(|length| length <= SNAPSHOT_MAX_BYTES);
    let bytes = fits.then(|| std::fs::read(path).ok()).flatten()?;
    codec::decode(&bytes).ok()
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), ApplyError> {
    let failed = |source| ApplyError::Write { path: path.into(), source };
    // Beside its target, because a rename is atomic only within one file system.
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    std::fs::write(&draft, bytes).map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)
}
