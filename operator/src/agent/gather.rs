//! The set of a manifest: what an earlier one had is kept, the rest is fetched.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use rebound_api::name::Generation;

use crate::shards::{Assembly, JoinError, MANIFEST_KEY, Manifest, PART_KEY};

/// Shards that are fetched at a time.
const GETS_MAX: usize = 8;

/// Why a manifest is not in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatherError {
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error("the shard {name} cannot be read: {source}")]
    Get {
        name: String,
        #[source]
        source: kube::Error,
    },
    #[error("the snapshot cannot be written: {0}")]
    Write(#[source] std::io::Error),
}

/// What the ConfigMap of a manifest holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The text of the manifest; empty if there is none, which does not parse.
    manifest: String,
    /// Shards that it carries, by their names: perhaps all that are new, and perhaps none.
    carried: BTreeMap<String, ByteString>,
}

/// Fetches sets.
pub(super) struct Gather {
    maps: Api<ConfigMap>,
    /// Of the manifest that was last seen; perhaps not complete.
    last: Option<Assembly>,
}

impl GatherError {
    /// Whether only another manifest can mend it.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Get { .. } | Self::Write(_) => false,
            Self::Join(error) => match error {
                JoinError::Missing(_) | JoinError::Part { .. } | JoinError::Checksum(_) => false,
                JoinError::ManifestTooLarge(_)
                | JoinError::Manifest(_)
                | JoinError::Format(_)
                | JoinError::TooManyShards(_)
                | JoinError::Name(_)
                | JoinError::Whole
                | JoinError::TooLarge(_) => true,
            },
        }
    }
}

impl From<ConfigMap> for Found {
    fn from(map: ConfigMap) -> Self {
        let manifest = map.data.and_then(|mut data| data.remove(MANIFEST_KEY)).unwrap_or_default();
        Self { manifest, carried: map.binary_data.unwrap_or_default() }
    }
}

impl Gather {
    pub(super) fn new(maps: Api<ConfigMap>) -> Self {
        Self { maps, last: None }
    }

    /// The generation and the snapshot file that a manifest stands for. Shards that fit are kept if others do not.
    pub(super) async fn set(&mut self, found: &Found) -> Result<(Generation, Vec<u8>), GatherError> {
        let assembly = Assembly::new(Manifest::parse(&found.manifest)?, self.last.as_ref());
        let assembly = self.last.insert(assembly);
        for name in assembly.missing() {
            if let Some(part) = found.carried.get(&name) {
                // One that does not fit is left over from an earlier manifest; the right one is fetched.
                assembly.add(&name, &part.0).ok();
            }
        }
        let shards = stream::iter(assembly.missing()).map(|name| shard(&self.maps, name));
        let mut shards = shards.buffer_unordered(GETS_MAX);
        let mut failed = None;
        while let Some((name, part)) = shards.next().await {
            let added = part.and_then(|part| Ok(assembly.add(&name, &part.0)?));
            failed = failed.or(added.err());
        }
        match failed {
            Some(error) => Err(error),
            None => Ok((assembly.manifest().generation(), assembly.join()?)),
        }
    }
}

/// A shard as the API server has it now.
async fn shard(maps: &Api<ConfigMap>, name: String) -> (String, Result<ByteString, GatherError>) {
    let part = match maps.get_opt(&name).await {
        Ok(map) => {
            let part = map.and_then(|map| map.binary_data?.remove(PART_KEY));
            part.ok_or_else(|| JoinError::Missing(name.clone()).into())
        }
        Err(source) => Err(GatherError::Get { name: name.clone(), source }),
    };
    (name, part)
}
