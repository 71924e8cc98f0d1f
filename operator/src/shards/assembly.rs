//! A set while its shards arrive.

use std::sync::Arc;

use rebound_api::config::FORMAT_VERSION;
use rebound_api::config::codec::{self, DecodeError, SNAPSHOT_MAX_BYTES};
use rebound_api::name::BadName;

use super::checksum::Checksum;
use super::manifest::{Entry, Manifest};
use super::part::{self, PartError};
use super::{MANIFEST_MAX_BYTES, SHARDS_MAX, body};

/// A manifest and the shards of it that are there, each found to be what the manifest says.
#[derive(Debug)]
pub struct Assembly {
    manifest: Manifest,
    /// In the order of the manifest's entries.
    texts: Vec<Option<Arc<[u8]>>>,
}

/// Why a set is not used.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// More than [`MANIFEST_MAX_BYTES`].
    #[error("the manifest has {0} bytes, more than {MANIFEST_MAX_BYTES}")]
    ManifestTooLarge(usize),
    /// Not the JSON of a manifest.
    #[error("the manifest: {0}")]
    Manifest(#[source] serde_json::Error),
    /// Of another version, mostly a newer one.
    #[error("the manifest has format {0}; this build reads {FORMAT_VERSION}: update the data plane first")]
    Format(u32),
    /// More than [`SHARDS_MAX`].
    #[error("the manifest has {0} shards, more than {SHARDS_MAX}")]
    TooManyShards(usize),
    /// A shard whose name cannot be that of a ConfigMap.
    #[error("the manifest names a shard: {0}")]
    Name(#[from] BadName),
    /// A shard is not there.
    #[error("the shard {0} is missing")]
    Missing(String),
    /// A shard is damaged, or too large.
    #[error("the shard {name} {source}")]
    Part {
        /// The ConfigMap.
        name: String,
        /// What is wrong with it.
        #[source]
        source: PartError,
    },
    /// A shard is whole but not the one that the manifest means: older, newer, or tampered with.
    #[error("the shard {0} does not have the checksum that the manifest says")]
    Checksum(String),
    /// All shards are right and their sum is not: the manifest was tampered with.
    #[error("the set does not have the checksum that its manifest says")]
    Whole,
    /// More than a snapshot may have.
    #[error(transparent)]
    TooLarge(#[from] DecodeError),
}

impl Assembly {
    /// Starts with the shards that an earlier set has too.
    pub fn new(manifest: Manifest, earlier: Option<&Self>) -> Self {
        let known = |checksum| earlier.and_then(|it| it.text_of(checksum)).cloned();
        let texts = manifest.entries().map(|entry| known(entry.checksum)).collect();
        Self { manifest, texts }
    }

    /// What is to become of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The names of the shards that are not here yet.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.entries().filter(|(_, text)| text.is_none());
        missing.map(|(entry, _)| entry.name.clone()).collect()
    }

    /// Takes a shard in if it is the one that the manifest means. All shards together have at most
    /// [`SNAPSHOT_MAX_BYTES`].
    pub fn add(&mut self, name: &str, part: &[u8]) -> Result<(), JoinError> {
        let held: usize = self.texts.iter().flatten().map(|text| text.len()).sum();
        let room = SNAPSHOT_MAX_BYTES.saturating_sub(held);
        let text =
            part::inflate(part, room).map_err(|source| JoinError::Part { name: name.into(), source })?;
        let (checksum, text) = (Checksum::of(&text), Arc::<[u8]>::from(text));
        let mut is_meant = false;
        for (entry, place) in self.manifest.entries().zip(&mut self.texts) {
            if entry.name == name && entry.checksum == checksum {
                *place = Some(text.clone());
                is_meant = true;
            }
        }
        if is_meant { Ok(()) } else { Err(JoinError::Checksum(name.into())) }
    }

    /// The snapshot file.
    pub fn join(&self) -> Result<Vec<u8>, JoinError> {
        if let Some(name) = self.missing().into_iter().next() {
            return Err(JoinError::Missing(name));
        }
        let mut length = 0_usize;
        body::write(&self.manifest, self.texts(), |piece| length = length.saturating_add(piece.len()));
        let checksum = self.manifest.checksum;
        let mut bytes = codec::header(length, checksum.0)?.into_bytes();
        let start = bytes.len();
        bytes.reserve_exact(length);
        body::write(&self.manifest, self.texts(), |piece| bytes.extend_from_slice(piece));
        if Checksum::of(&bytes[start..]) != checksum {
            return Err(JoinError::Whole);
        }
        Ok(bytes)
    }

    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().flatten().map(|text| &**text)
    }

    fn text_of(&self, checksum: Checksum) -> Option<&Arc<[u8]>> {
        self.entries().find_map(|(entry, text)| text.filter(|_| entry.checksum == checksum))
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, Option<&Arc<[u8]>>)> {
        self.manifest.entries().zip(self.texts.iter().map(Option::as_ref))
    }
}
