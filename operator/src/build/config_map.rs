//! The ConfigMaps of a configuration: its shards, and the manifest that names them.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rebound_api::config::{Snapshot, codec};
use rebound_api::name::ObjectKey;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shards::{self, MANIFEST_KEY, Manifest, PART_KEY, Set};

/// The ConfigMap of a shard. `meta` is what all objects of the Gateway have in common.
pub fn shard(name: &str, part: &[u8], meta: &ObjectMeta) -> Value {
    object(ConfigMap {
        metadata: ObjectMeta { name: Some(name.into()), ..meta.clone() },
        binary_data: Some(BTreeMap::from([(PART_KEY.into(), ByteString(part.to_vec()))])),
        ..ConfigMap::default()
    })
}

/// The ConfigMap of the manifest, without what it may carry.
pub fn manifest(set: &Set, meta: &ObjectMeta) -> Value {
    object(ConfigMap {
        metadata: ObjectMeta { name: Some(set.manifest_name()), ..meta.clone() },
        data: Some(BTreeMap::from([(MANIFEST_KEY.into(), set.manifest().into())])),
        ..ConfigMap::default()
    })
}

/// The shards (name and content) that a manifest carries, as the `binaryData` of its ConfigMap.
pub fn carried<'a>(shards: impl Iterator<Item = (&'a str, &'a [u8])>) -> Value {
    shards.map(|(name, part)| (name.to_owned(), json!(ByteString(part.to_vec())))).collect()
}

#[expect(clippy::expect_used, reason = "texts for keys, and no floats")]
fn object(map: ConfigMap) -> Value {
    serde_json::to_value(map).expect("a ConfigMap is JSON")
}

/// What the ConfigMaps of a cluster (namespace, name, content) give to data planes. A set that does not verify counts
/// as empty.
pub fn current<'a>(
    maps: impl Iterator<Item = (&'a str, &'a str, &'a Value)>,
) -> BTreeMap<ObjectKey, Arc<Set>> {
    let maps: BTreeMap<_, _> = maps.map(|(namespace, name, body)| ((namespace, name), body)).collect();
    let manifests = maps.iter().filter_map(|((namespace, name), body)| {
        let base = shards::manifest_base(name)?;
        Some((*namespace, base, *body, body["data"][MANIFEST_KEY].as_str()?))
    });
    let sets = manifests.filter_map(|(namespace, base, manifest, text)| {
        let parts = |name: &str| {
            let stored = || part(maps.get(&(namespace, name))?, PART_KEY);
            part(manifest, name).into_iter().chain(stored())
        };
        let joined = shards::join(text, parts).ok();
        let snapshot = joined.and_then(|bytes| codec::decode(&bytes).ok()).or_else(|| empty(text))?;
        // Whoever may write ConfigMaps in one namespace has no say about the Gateways of another.
        let set = shards::split(snapshot, base, None).ok()?;
        let is_at_home = set.snapshot().gateway.namespace() == namespace;
        is_at_home.then(|| (set.snapshot().gateway.clone(), Arc::new(set)))
    });
    sets.collect()
}

/// What stands for a set that does not verify. The next one must have a larger generation, or what data planes report
/// of this one would be taken for it.
fn empty(manifest: &str) -> Option<Snapshot> {
    let manifest = Manifest::parse(manifest).ok()?;
    let (generation, gateway) = (manifest.generation(), manifest.gateway().clone());
    Some(Snapshot { generation, gateway, listeners: Vec::new(), routes: Vec::new(), clusters: Vec::new() })
}

fn part(body: &Value, key: &str) -> Option<Vec<u8>> {
    let text = body["binaryData"].get(key)?;
    ByteString::deserialize(text).ok().map(|bytes| bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Set {
        let snapshot = json!({ "generation": 7, "gateway": "default/gw",
            "listeners": [{ "name": "http", "port": 80, "protocol": "http", "routes": [] }],
            "routes": [], "clusters": [] });
        shards::split(serde_json::from_value(snapshot).unwrap(), "gw-fsm", None).unwrap()
    }

    fn recalled(objects: &[Value]) -> Snapshot {
        let meta = |it: &Value, field: &str| it["metadata"][field].as_str().unwrap().to_owned();
        let named: Vec<_> = objects.iter().map(|it| (meta(it, "namespace"), meta(it, "name"), it)).collect();
        let current = current(named.iter().map(|(space, name, it)| (&**space, &**name, *it)));
        current.values().next().unwrap().snapshot().clone()
    }

    fn built() -> Vec<Value> {
        let meta = ObjectMeta { namespace: Some("default".into()), ..ObjectMeta::default() };
        let set = set();
        let shards = set.shards().map(|(name, it)| shard(name, it.part(), &meta));
        shards.chain([manifest(&set, &meta)]).collect()
    }

    #[test]
    fn what_is_built_is_read_back() {
        assert_eq!(recalled(&built()), *set().snapshot());
    }

    #[test]
    fn what_the_manifest_carries_counts_if_it_fits_and_otherwise_what_is_stored() {
        let set = set();
        let (name, shard) = set.shards().next().unwrap();
        let read_back = |stored: Option<&[u8]>, carried_part: &[u8]| {
            let mut objects = built();
            match stored {
                Some(part) => objects[0]["binaryData"][PART_KEY] = json!(ByteString(part.to_vec())),
                None => drop(objects.remove(0)),
            }
            objects.last_mut().unwrap()["binaryData"] = carried([(name, carried_part)].into_iter());
            recalled(&objects) == *set.snapshot()
        };
        assert!(read_back(None, shard.part()));
        assert!(read_back(Some(b"an older one"), shard.part()));
        assert!(read_back(Some(shard.part()), b"an older one"));
        assert!(!read_back(Some(b"an older one"), b"another"));
    }

    #[test]
    fn a_set_that_is_not_whole_still_has_its_generation() {
        let mut objects = built();
        objects.remove(0);
        let recalled = recalled(&objects);
        assert_eq!((recalled.generation.0, recalled.listeners.len()), (7, 0));
    }
}
