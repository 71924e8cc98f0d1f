//! What a set consists of.

use rebound_api::config::FORMAT_VERSION;
use rebound_api::name::{Generation, ObjectKey};
use serde::{Deserialize, Serialize};

use super::assembly::JoinError;
use super::checksum::Checksum;
use super::{MANIFEST_MAX_BYTES, SHARDS_MAX};

/// The table of contents of a set: everything of a snapshot but its lists, and where those are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub(super) format: u32,
    pub(super) generation: Generation,
    pub(super) gateway: ObjectKey,
    pub(super) listeners: Vec<Entry>,
    pub(super) routes: Vec<Entry>,
    pub(super) clusters: Vec<Entry>,
    /// Of the body of the snapshot file.
    pub(super) checksum: Checksum,
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// The ConfigMap.
    pub(super) name: String,
    /// Of the text that its part decompresses to.
    pub(super) checksum: Checksum,
}

/// Of a manifest of any version.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Manifest {
    /// Reads the text of a manifest. One of a newer format is refused by name.
    pub fn parse(text: &str) -> Result<Self, JoinError> {
        if text.len() > MANIFEST_MAX_BYTES {
            return Err(JoinError::ManifestTooLarge(text.len()));
        }
        let Version { format } = serde_json::from_str(text).map_err(JoinError::Manifest)?;
        if format != FORMAT_VERSION {
            return Err(JoinError::Format(format));
        }
        let manifest: Self = serde_json::from_str(text).map_err(JoinError::Manifest)?;
        if manifest.entries().count() > SHARDS_MAX {
            return Err(JoinError::TooManyShards(manifest.entries().count()));
        }
        // Whoever fetches a shard makes its name a part of a URL.
        let names = manifest.entries().map(|entry| &entry.name);
        names
            .into_iter()
            .try_for_each(|name| ObjectKey::new(manifest.gateway.namespace(), name).map(drop))?;
        Ok(manifest)
    }

    /// The Gateway that it is for.
    pub fn gateway(&self) -> &ObjectKey {
        &self.gateway
    }

    /// The generation of the snapshot.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The lists of a snapshot by their names there, in the order of the file.
    pub(super) fn lists(&self) -> [(&'static str, &[Entry]); 3] {
        [("listeners", &self.listeners), ("routes", &self.routes), ("clusters", &self.clusters)]
    }

    /// All shards in the order of the file.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.listeners.iter().chain(&self.routes).chain(&self.clusters)
    }
}
