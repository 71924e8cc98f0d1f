//! From a snapshot to the set that ConfigMaps hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use rebound_api::config::cluster::Cluster;
use rebound_api::config::codec::{self, DecodeError};
use rebound_api::config::listener::Listener;
use rebound_api::config::route::Route;
use rebound_api::config::shared::Shared;
use rebound_api::config::{FORMAT_VERSION, Snapshot};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::checksum::Checksum;
use super::manifest::{Entry, Manifest};
use super::{JoinError, PART_MAX_BYTES, SHARDS_MAX, UNNAMED, body, join, manifest_name, part, shard_name};

/// A snapshot, and the manifest and shards that it is written as.
#[derive(Debug)]
pub struct Set {
    snapshot: Snapshot,
    base: String,
    runs: Runs,
    manifest: Manifest,
    /// The manifest as it is written.
    text: String,
}

/// The shards of each list.
#[derive(Debug)]
struct Runs {
    listeners: Vec<Run>,
    routes: Vec<Run>,
    clusters: Vec<Run>,
}

/// At most [`Item::PER_SHARD`] items: one shard, or several when it would be too large. Shared with the set that
/// follows if nothing changes here.
type Run = Vec<Arc<Shard>>;

/// A part of one list of a snapshot.
#[derive(Debug)]
pub struct Shard {
    /// A JSON list.
    text: Vec<u8>,
    checksum: Checksum,
    part: Vec<u8>,
}

/// Why a snapshot cannot be given to a data plane.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// No data plane could act on it, or it is too large as a whole.
    #[error(transparent)]
    Snapshot(#[from] DecodeError),
    /// One item is too large for a ConfigMap.
    #[error("{item} takes {bytes} bytes, more than the {PART_MAX_BYTES} of a shard")]
    ItemTooLarge {
        /// Such as `the route default/web`.
        item: String,
        /// Compressed.
        bytes: usize,
    },
    /// More than [`SHARDS_MAX`].
    #[error("the snapshot takes {0} shards, more than {SHARDS_MAX}")]
    TooManyShards(usize),
    /// Not reached: everything in a snapshot has a JSON form.
    #[error("the snapshot: {0}")]
    Json(#[from] serde_json::Error),
}

/// What lists of a snapshot consist of.
trait Item: Serialize + Eq {
    /// A change of one item rewrites so many.
    const PER_SHARD: usize;

    /// What it is called in a message.
    fn title(&self) -> String;
}

impl Item for Listener {
    const PER_SHARD: usize = 64;

    fn title(&self) -> String {
        format!("the listener {} with its {} routes", self.name, self.routes.len())
    }
}

impl Item for Route {
    const PER_SHARD: usize = 256;

    fn title(&self) -> String {
        format!("the route {}", self.name)
    }
}

impl Item for Cluster {
    const PER_SHARD: usize = 1024;

    fn title(&self) -> String {
        format!("the Service port {} with its {} endpoints", self.service, self.endpoints.len())
    }
}

/// Splits a snapshot for the ConfigMaps `<base>-config…`. Shards in which nothing has changed since `previous` are
/// taken over from there.
pub fn split(snapshot: Snapshot, base: &str, previous: Option<&Set>) -> Result<Set, SplitError> {
    codec::check(&snapshot, previous.map(Set::snapshot))?;
    let runs = Runs {
        listeners: runs(
            &snapshot.listeners,
            previous.map(|it| (&*it.snapshot.listeners, &*it.runs.listeners)),
        )?,
        routes: runs(&snapshot.routes, previous.map(|it| (&*it.snapshot.routes, &*it.runs.routes)))?,
        clusters: runs(&snapshot.clusters, previous.map(|it| (&*it.snapshot.clusters, &*it.runs.clusters)))?,
    };
    let manifest = manifest(&snapshot, base, &runs)?;
    let text = serde_json::to_string(&manifest)?;
    Ok(Set { snapshot, base: base.into(), runs, manifest, text })
}

impl Set {
    /// What the set says.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What the names of its ConfigMaps begin with.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether its ConfigMaps have the names that they are to have. In a folder they have none.
    pub fn is_named(&self, base: &str) -> bool {
        self.base == base || self.base == UNNAMED
    }

    /// The ConfigMap of the manifest.
    pub fn manifest_name(&self) -> String {
        manifest_name(&self.base)
    }

    /// The text of the manifest.
    pub fn manifest(&self) -> &str {
        &self.text
    }

    /// The shards by the names of their ConfigMaps.
    pub fn shards(&self) -> impl Iterator<Item = (&str, &Arc<Shard>)> {
        self.manifest.entries().map(|entry| &*entry.name).zip(self.runs.shards())
    }

    /// The snapshot file, by way of the bytes that the ConfigMaps would hold.
    pub fn join(&self) -> Result<Vec<u8>, JoinError> {
        let parts: BTreeMap<_, _> = self.shards().map(|(name, shard)| (name, shard.part())).collect();
        join(&self.text, |name| parts.get(name).copied())
    }
}

impl Shard {
    /// What the ConfigMap holds: zlib over a JSON list.
    pub fn part(&self) -> &[u8] {
        &self.part
    }
}

impl Runs {
    fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.listeners.iter().chain(&self.routes).chain(&self.clusters).flatten()
    }
}

/// `before`: the items of the previous set, and the runs that they make.
fn runs<T: Item>(
    items: &[Shared<T>],
    before: Option<(&[Shared<T>], &[Run])>,
) -> Result<Vec<Run>, SplitError> {
    let (old_items, old_runs) = before.unwrap_or_default();
    let mut before = old_items.chunks(T::PER_SHARD).zip(old_runs);
    let run = |items| match before.next() {
        Some((same, run)) if same == items => Ok(run.clone()),
        _ => shards(items),
    };
    items.chunks(T::PER_SHARD).map(run).collect()
}

/// One shard, or the shards of both halves if it would be too large.
fn shards<T: Item>(items: &[Shared<T>]) -> Result<Run, SplitError> {
    let text = serde_json::to_vec(items)?;
    let part = part::deflate(&text);
    if part.len() <= PART_MAX_BYTES {
        return Ok(vec![Arc::new(Shard { checksum: Checksum::of(&text), text, part })]);
    }
    if let [item] = items {
        return Err(SplitError::ItemTooLarge { item: item.title(), bytes: part.len() });
    }
    let (left, right) = items.split_at(items.len() / 2);
    let mut all = shards(left)?;
    all.extend(shards(right)?);
    Ok(all)
}

fn manifest(snapshot: &Snapshot, base: &str, runs: &Runs) -> Result<Manifest, SplitError> {
    let count = runs.shards().count();
    if count > SHARDS_MAX {
        return Err(SplitError::TooManyShards(count));
    }
    let mut names = (0..).map(|index| shard_name(base, index));
    let mut entries = |runs: &[Run]| -> Vec<Entry> {
        let shards = runs.iter().flatten();
        shards.zip(names.by_ref()).map(|(shard, name)| Entry { name, checksum: shard.checksum }).collect()
    };
    let mut manifest = Manifest {
        format: FORMAT_VERSION,
        generation: snapshot.generation,
        gateway: snapshot.gateway.clone(),
        listeners: entries(&runs.listeners),
        routes: entries(&runs.routes),
        clusters: entries(&runs.clusters),
        checksum: Checksum(0),
    };
    let (mut length, mut hash) = (0_usize, Xxh3::new());
    body::write(&manifest, runs.shards().map(|shard| &*shard.text), |piece| {
        length = length.saturating_add(piece.len());
        hash.update(piece);
    });
    // For its bound.
    codec::header(length, hash.digest128())?;
    manifest.checksum = Checksum(hash.digest128());
    Ok(manifest)
}
