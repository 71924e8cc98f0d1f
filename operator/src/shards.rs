//! A snapshot in pieces that fit into ConfigMaps, and back.
//!
//! ```text
//! Snapshot -> split -> Set { manifest, shards } -> Assembly (or join) -> the bytes of the snapshot file
//! ```
//!
//! A shard is a run of listeners, routes or clusters: zlib over a JSON list. The manifest names the shards in order,
//! each with the checksum (XXH3-128) of its text, and has the checksum of the whole. Shards have fixed names and are
//! rewritten in place: a set is used whole or not at all, and whoever reads one half-written finds checksums that do
//! not fit. Mostly little has changed: then the ConfigMap of the manifest carries the shards that are not stored yet,
//! is written before them, and is a whole set from the first moment. What is too much for that is written before the
//! manifest. Endpoints are in shards of their own, so that their coming and going rewrites little. No checksum is a
//! signature: who may write these ConfigMaps may write fitting ones.
//!
//! Pure: no client, no file, no clock. Joining reads what anybody may have written: everything has a bound, and
//! nothing panics.

mod assembly;
mod body;
mod checksum;
mod manifest;
mod part;
mod set;

pub use assembly::{Assembly, JoinError};
pub use manifest::Manifest;
pub use set::{Set, Shard, SplitError, split};

use rebound_api::config::FORMAT_VERSION;

/// The key of the manifest's text in its ConfigMap's `data`.
pub const MANIFEST_KEY: &str = "manifest";
/// Stands for the names of ConfigMaps where there are none.
pub const UNNAMED: &str = "unnamed";
/// The key of a shard in its ConfigMap's `binaryData`.
pub const PART_KEY: &str = "part";
/// The largest compressed shard. The API server takes 1 MiB for all data of a ConfigMap.
pub const PART_MAX_BYTES: usize = 900 * 1024;
/// The most bytes of shards that the ConfigMap of a manifest carries, each under the name of its own ConfigMap.
pub const CARRIED_MAX_BYTES: usize = 256 * 1024;
/// The largest manifest.
pub const MANIFEST_MAX_BYTES: usize = 64 * 1024;
/// The most shards of a set. The agent's Role names each of them, so that it need not follow their number. The largest
/// snapshot comes to about 100 of them, and to more only if its parts must be halved to fit.
pub const SHARDS_MAX: usize = 128;

/// How the name of the ConfigMap of a manifest ends.
const MANIFEST_SUFFIX: &str = "-config";

/// The ConfigMap of the manifest.
pub fn manifest_name(base: &str) -> String {
    format!("{base}{MANIFEST_SUFFIX}")
}

/// The base of the name of a manifest's ConfigMap; none: it is another's.
pub fn manifest_base(name: &str) -> Option<&str> {
    name.strip_suffix(MANIFEST_SUFFIX)
}

/// The ConfigMap of a shard. The version is in the name: operators of two versions never write the same shard.
pub fn shard_name(base: &str, index: usize) -> String {
    format!("{base}{MANIFEST_SUFFIX}-v{FORMAT_VERSION}-{index}")
}

/// The snapshot file of a whole set, byte for byte what `api::config::codec::encode` writes. `parts` finds what may be
/// the shard of a name; the first that is what the manifest means is used.
pub fn join<P>(manifest: &str, parts: impl Fn(&str) -> P) -> Result<Vec<u8>, JoinError>
where
    P: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut assembly = Assembly::new(Manifest::parse(manifest)?, None);
    for name in assembly.missing() {
        let mut failed = JoinError::Missing(name.clone());
        let mut add = |part: P::Item| assembly.add(&name, part.as_ref()).map_err(|error| failed = error);
        if !parts(&name).into_iter().any(|part| add(part).is_ok()) {
            return Err(failed);
        }
    }
    assembly.join()
}
