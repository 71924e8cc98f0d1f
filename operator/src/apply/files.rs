//! A folder as the place of configuration: one snapshot for each Gateway.
//!
//! Files are replaced by atomic rename, so that nobody ever reads half of one. They are not synced to disk: a file
//! that a power cut damages fails its checksum and is written again.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rebound_api::config::codec::{self, SNAPSHOT_MAX_BYTES};
use rebound_api::name::ObjectKey;
use xxhash_rust::xxh3::xxh3_128;

use super::ApplyError;
use crate::build::{Applied, Config, Desired, Prepared};
use crate::shards::{self, Set};

const EXTENSION: &str = "snapshot";
/// What a file is called while it is written.
const DRAFT: &str = ".new";
/// The longest name of a file (Linux), drafts included.
const FILE_NAME_MAX_BYTES: usize = 255;

/// A folder and what is known to stand in it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    current: BTreeMap<ObjectKey, Arc<Set>>,
}

impl Folder {
    /// Makes the folder if need be, and reads the snapshots that an earlier run left there.
    pub fn open(path: PathBuf) -> Result<Self, ApplyError> {
        let failed = |source| ApplyError::Write { path: path.clone(), source };
        std::fs::create_dir_all(&path).map_err(failed)?;
        let entries = std::fs::read_dir(&path).map_err(failed)?;
        let files = entries.filter_map(|entry| entry.ok().map(|it| it.path()));
        let snapshots = files.filter(|it| it.extension().is_some_and(|it| it == EXTENSION));
        let read = snapshots.filter_map(|file| Some((read(&file)?, file)));
        let gateway = |it: &Set| it.snapshot().gateway.clone();
        // One that somebody has renamed or copied is not what a data plane reads.
        let in_place = read.filter(|(it, file)| file.file_name() == Some(file_name(&gateway(it)).as_ref()));
        let current = in_place.map(|(it, _)| (gateway(&it), Arc::new(it))).collect();
        Ok(Self { path, current })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the snapshots hold.
    pub fn current(&self) -> &BTreeMap<ObjectKey, Arc<Set>> {
        &self.current
    }

    /// Where the snapshot of a Gateway stands.
    pub fn snapshot_path(&self, gateway: &ObjectKey) -> PathBuf {
        self.path.join(file_name(gateway))
    }

    /// What cannot be written concerns its Gateway alone.
    pub(super) fn apply(&mut self, mut prepared: Vec<Desired<Prepared>>) -> Vec<Desired<Applied>> {
        self.prune(&prepared);
        for desired in &mut prepared {
            if let Err(message) = self.put(&desired.gateway, &desired.config) {
                desired.config = Config::Refused { message };
            }
        }
        prepared.into_iter().map(Desired::applied).collect()
    }

    /// Writes a snapshot that is new, or that somebody has taken away.
    fn put(&mut self, gateway: &ObjectKey, config: &Config) -> Result<(), String> {
        let path = self.snapshot_path(gateway);
        let set = match config {
            Config::Changed(set) => set,
            Config::Unchanged(set) if !path.exists() => set,
            Config::Unchanged(_)
            | Config::Pending { .. }
            | Config::Refused { .. }
            | Config::TooMuch { .. } => return Ok(()),
        };
        // By way of what the ConfigMaps of a cluster would hold, as an agent does it.
        let bytes = set.join().map_err(|error| error.to_string())?;
        replace(&path, &bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        self.current.insert(gateway.clone(), set.clone());
        Ok(())
    }

    /// Takes away the snapshots of Gateways that are gone. Only what reads as a snapshot is ever removed.
    fn prune(&mut self, prepared: &[Desired<Prepared>]) {
        let is_wanted = |key: &ObjectKey| prepared.iter().any(|it| it.gateway == *key);
        let gone: Vec<_> = self.current.keys().filter(|key| !is_wanted(key)).cloned().collect();
        for key in gone {
            match std::fs::remove_file(self.snapshot_path(&key)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!(%error, gateway = %key, "the snapshot of a Gateway that is gone stays");
                }
                _ => {}
            }
            // Its data plane ends either way.
            self.current.remove(&key);
        }
    }
}

/// `<namespace>_<gateway>.snapshot`; of a name that is too long, what fits and a hash. Names hold no `_`, so that
/// no two Gateways share a file.
fn file_name(gateway: &ObjectKey) -> String {
    let name = format!("{}_{}", gateway.namespace(), gateway.name());
    let room = FILE_NAME_MAX_BYTES - DRAFT.len() - 1 - EXTENSION.len();
    if name.len() <= room {
        return format!("{name}.{EXTENSION}");
    }
    let hash = format!("_{:032x}", xxh3_128(name.as_bytes()));
    let cut: String = name.chars().take(room - hash.len()).collect();
    format!("{cut}{hash}.{EXTENSION}")
}

/// An unreadable or damaged snapshot counts as none: it is written anew.
fn read(path: &Path) -> Option<Set> {
    let length = std::fs::metadata(path).ok()?.len();
    let fits = usize::try_from(length).is_ok_and(|length| length <= SNAPSHOT_MAX_BYTES);
    let bytes = fits.then(|| std::fs::read(path).ok()).flatten()?;
    let snapshot = codec::decode(&bytes).ok()?;
    shards::split(snapshot, shards::UNNAMED, None).ok()
}

pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Beside its target, because a rename is atomic only within one file system.
    let mut draft = path.as_os_str().to_owned();
    draft.push(DRAFT);
    std::fs::write(&draft, bytes)?;
    std::fs::rename(&draft, path)
}
