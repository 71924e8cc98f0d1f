//! The ConfigMaps of a configuration: its shards, and the manifest that names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rebound_api::config::codec;
use rebound_api::name::ObjectKey;
use serde::Deserialize;
use serde_json::Value;

use crate::shards::{self, MANIFEST_KEY, PART_KEY, Set};

/// How the name of the ConfigMap of a manifest ends.
const MANIFEST_SUFFIX: &str = "-config";

/// In the order in which they are to be written: a manifest must not name shards that are not there yet. `meta` is
/// what they have in common.
pub fn objects(set: &Set, meta: &ObjectMeta) -> Vec<Value> {
    let named = |name: &str| ObjectMeta { name: Some(name.into()), ..meta.clone() };
    let shard = |(name, part): (&str, &[u8])| ConfigMap {
        metadata: named(name),
        binary_data: Some(BTreeMap::from([(PART_KEY.into(), ByteString(part.to_vec()))])),
        ..ConfigMap::default()
    };
    let manifest = ConfigMap {
        metadata: named(&set.manifest_name()),
        data: Some(BTreeMap::from([(MANIFEST_KEY.into(), set.manifest().into())])),
        ..ConfigMap::default()
    };
    let shards = set.shards().map(|(name, it)| shard((name, it.part())));
    shards.chain([manifest]).filter_map(|it| serde_json::to_value(it).ok()).collect()
}

/// What the ConfigMaps of a cluster (namespace, name, content) give to data planes. A set that does not verify counts
/// as none: it is written anew.
pub fn current<'a>(
    maps: impl Iterator<Item = (&'a str, &'a str, &'a Value)>,
) -> BTreeMap<ObjectKey, Arc<Set>> {
    let maps: BTreeMap<_, _> = maps.map(|(namespace, name, body)| ((namespace, name), body)).collect();
    let manifests = maps.iter().filter_map(|((namespace, name), body)| {
        let base = name.strip_suffix(MANIFEST_SUFFIX)?;
        Some((*namespace, base, body["data"][MANIFEST_KEY].as_str()?))
    });
    let sets = manifests.filter_map(|(namespace, base, manifest)| {
        let parts: BTreeMap<_, _> = maps
            .range((namespace, "")..)
            .map_while(|((space, name), body)| (*space == namespace).then(|| (*name, part(body))))
            .collect();
        let bytes = shards::join(manifest, |name| parts.get(name)?.as_deref()).ok()?;
        let set = shards::split(codec::decode(&bytes).ok()?, base, None).ok()?;
        Some((set.snapshot().gateway.clone(), Arc::new(set)))
    });
    sets.collect()
}

fn part(body: &Value) -> Option<Vec<u8>> {
    let text = body["binaryData"].get(PART_KEY)?;
    ByteString::deserialize(text).ok().map(|bytes| bytes.0)
}
