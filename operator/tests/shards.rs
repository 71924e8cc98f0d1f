//! A set in ConfigMaps: what is split comes back byte for byte, and nothing else does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proptest::prelude::*;
use rebound_api::config::cluster::Cluster;
use rebound_api::config::codec::{SNAPSHOT_MAX_BYTES, encode};
use rebound_api::config::listener::{Attached, Listener, Protocol};
use rebound_api::config::route::{Backend, HeaderEdits, HeaderValue, Match, PathMatch, Route, Rule};
use rebound_api::config::shared::Shared;
use rebound_api::config::{FORMAT_VERSION, Snapshot};
use rebound_api::name::Generation;
use rebound_operator::shards::{
    Assembly, JoinError, MANIFEST_MAX_BYTES, Manifest, PART_MAX_BYTES, SHARDS_MAX, Set, SplitError, join,
    split,
};
use serde_json::{Value, json};

#[path = "../../api/tests/wire/snapshots.rs"]
mod snapshots;

use snapshots::{any_snapshot, sample};

const BASE: &str = "gw-fsm";

/// What the ConfigMaps of a set hold.
#[derive(Clone)]
struct Stored {
    manifest: String,
    parts: BTreeMap<String, Vec<u8>>,
}

impl Stored {
    fn new(set: &Set) -> Self {
        let parts = set.shards().map(|(name, shard)| (name.to_owned(), shard.part().to_vec())).collect();
        Self { manifest: set.manifest().to_owned(), parts }
    }

    fn join(&self) -> Result<Vec<u8>, JoinError> {
        join(&self.manifest, |name| self.parts.get(name).map(Vec::as_slice))
    }

    fn edit_manifest(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut manifest = serde_json::from_str(&self.manifest).unwrap();
        edit(&mut manifest);
        self.manifest = manifest.to_string();
    }
}

/// `count` routes, each to a Service port of its own.
fn many(count: u32) -> Snapshot {
    let route = |index: u32| {
        let path = PathMatch::Prefix(format!("/path-{index}"));
        let backend = Backend {
            weight: 1,
            cluster: Some(index),
            retry: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
        };
        let rule = Rule {
            matches: vec![Match { path, method: None, headers: vec![], query: vec![] }],
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            request_timeout_ms: Some(15_000),
            attempt_timeout_ms: None,
            backends: vec![backend],
        };
        Route { name: format!("team-{}/route-{index}", index % 50).parse().unwrap(), rules: vec![rule] }
    };
    let cluster = |index: u32| Cluster {
        service: format!("team-{}/service-{index}:8080", index % 50).parse().unwrap(),
        endpoints: (0..3).map(|at| endpoint(index * 3 + at)).collect(),
        retry: sample().clusters[0].retry.clone(),
        budget: sample().clusters[0].budget,
    };
    Snapshot {
        generation: Generation(1),
        gateway: "server/gw".parse().unwrap(),
        listeners: vec![Shared::from(Listener {
            name: "http".into(),
            port: 8000,
            protocol: Protocol::Http,
            hostname: None,
            routes: (0..count).map(|route| Attached { route, hostnames: vec![host(route)] }).collect(),
        })],
        routes: (0..count).map(|it| route(it).into()).collect(),
        clusters: (0..count).map(|it| cluster(it).into()).collect(),
    }
}

fn host(index: u32) -> String {
    format!("host-{index}.example.com")
}

fn endpoint(index: u32) -> SocketAddr {
    let [_, b, c, d] = index.to_be_bytes();
    ([10, b, c, d], 8080).into()
}

/// The shards of `new` that `old` does not hold under the same name.
fn rewritten(old: &Set, new: &Set) -> Vec<String> {
    let (old, new) = (Stored::new(old), Stored::new(new));
    new.parts
        .into_iter()
        .filter(|(name, part)| old.parts.get(name) != Some(part))
        .map(|(name, _)| name)
        .collect()
}

/// Text that does not compress, from a generator of pseudo-random numbers (xorshift).
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed | 1;
    let digit = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b' ' + (state % 90) as u8)
    };
    std::iter::repeat_with(digit).filter(|it| !matches!(it, '"' | '\\')).take(length).collect()
}

fn with_noise(snapshot: &mut Snapshot, route: usize, length: usize) {
    let value = noise(route as u64 + 1, length);
    snapshot.routes[route].rules[0].request_headers.set = vec![HeaderValue { name: "x-noise".into(), value }];
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_set_joins_to_the_bytes_of_the_codec(snapshot in any_snapshot()) {
        prop_assume!(encode(&snapshot).is_ok());
        let set = split(snapshot.clone(), BASE, None).unwrap();
        prop_assert_eq!(set.join().unwrap(), encode(&snapshot).unwrap());
    }

    #[test]
    fn a_set_made_from_an_earlier_one_is_the_same_as_one_made_anew(old in any_snapshot(), new in any_snapshot()) {
        prop_assume!(encode(&old).is_ok() && encode(&new).is_ok());
        let old = split(old, BASE, None).unwrap();
        let (from_old, anew) = (split(new.clone(), BASE, Some(&old)).unwrap(), split(new, BASE, None).unwrap());
        prop_assert_eq!(from_old.manifest(), anew.manifest());
        prop_assert_eq!(Stored::new(&from_old).parts, Stored::new(&anew).parts);
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused_or_harmless(at: prop::sample::Index, bit in 0..8_u32) {
        let set = split(sample(), BASE, None).unwrap();
        let mut stored = Stored::new(&set);
        let mut bytes: Vec<_> = stored.parts.values_mut().flatten().collect();
        let at = at.index(bytes.len());
        *bytes[at] ^= 1 << bit;
        // zlib has bits that say nothing, such as the level of its header.
        prop_assert!(stored.join().is_err_or_equal(&set.join().unwrap()));
    }
}

trait IsErrOrEqual {
    fn is_err_or_equal(&self, bytes: &[u8]) -> bool;
}

impl IsErrOrEqual for Result<Vec<u8>, JoinError> {
    fn is_err_or_equal(&self, bytes: &[u8]) -> bool {
        self.as_ref().is_ok_and(|joined| joined == bytes) || self.is_err()
    }
}

#[test]
fn the_manifest_is_as_documented() {
    let set = split(sample(), BASE, None).unwrap();
    let manifest: Value = serde_json::from_str(set.manifest()).unwrap();
    let shards: Vec<_> = ["listeners", "routes", "clusters"]
        .iter()
        .map(|list| manifest[list][0]["name"].as_str().unwrap())
        .collect();
    assert_eq!(shards, ["gw-fsm-config-v1-0", "gw-fsm-config-v1-1", "gw-fsm-config-v1-2"]);
    assert_eq!(manifest["format"], FORMAT_VERSION);
    assert_eq!(manifest["generation"], 7);
    assert_eq!(manifest["gateway"], "server/simple-fsm-gateway");
    let file = String::from_utf8(encode(&sample()).unwrap()).unwrap();
    assert_eq!(file.split_whitespace().nth(3), manifest["checksum"].as_str());
    assert_eq!(set.manifest_name(), "gw-fsm-config");
}

#[test]
fn an_empty_list_has_no_shard() {
    let snapshot = Snapshot { listeners: vec![], routes: vec![], clusters: vec![], ..sample() };
    let set = split(snapshot.clone(), BASE, None).unwrap();
    assert_eq!(set.shards().count(), 0);
    assert_eq!(set.join().unwrap(), encode(&snapshot).unwrap());
}

#[test]
fn many_routes_join_to_the_bytes_of_the_codec() {
    let snapshot = many(3000);
    let set = split(snapshot.clone(), BASE, None).unwrap();
    assert_eq!(set.shards().count(), 1 + 12 + 3);
    assert_eq!(set.join().unwrap(), encode(&snapshot).unwrap());
}

#[test]
fn one_route_edit_rewrites_one_shard() {
    let old = split(many(3000), BASE, None).unwrap();
    let mut snapshot = many(3000);
    snapshot.generation = Generation(2);
    snapshot.routes[1500].rules[0].request_timeout_ms = Some(1);
    let new = split(snapshot, BASE, Some(&old)).unwrap();
    assert_eq!(rewritten(&old, &new), ["gw-fsm-config-v1-6"]);
    assert_ne!(old.manifest(), new.manifest());
}

#[test]
fn endpoints_that_change_rewrite_no_route() {
    let old = split(many(3000), BASE, None).unwrap();
    let mut snapshot = many(3000);
    snapshot.clusters[0].endpoints.pop();
    let new = split(snapshot, BASE, Some(&old)).unwrap();
    assert_eq!(rewritten(&old, &new), ["gw-fsm-config-v1-13"]);
}

#[test]
fn shards_that_would_be_too_large_are_halved() {
    let mut snapshot = many(600);
    (0..6).for_each(|at| with_noise(&mut snapshot, at, 400_000));
    let set = split(snapshot.clone(), BASE, None).unwrap();
    assert!(set.shards().all(|(_, shard)| shard.part().len() <= PART_MAX_BYTES));
    assert!(set.shards().count() > 5, "{}", set.shards().count());
    assert_eq!(set.join().unwrap(), encode(&snapshot).unwrap());
    // The halves are taken over as well as a whole.
    let again = split(snapshot.clone(), BASE, Some(&set)).unwrap();
    assert_eq!(again.join().unwrap(), encode(&snapshot).unwrap());
}

#[test]
fn a_route_too_large_for_a_config_map_is_named_with_the_numbers() {
    let mut snapshot = many(3);
    with_noise(&mut snapshot, 1, 2_000_000);
    let error = split(snapshot, BASE, None).unwrap_err();
    assert!(matches!(error, SplitError::ItemTooLarge { .. }));
    let message = error.to_string();
    assert!(message.starts_with("the route team-1/route-1 takes 1"), "{message}");
    assert!(message.ends_with("bytes, more than the 921600 of a shard"), "{message}");
}

#[test]
fn a_snapshot_too_large_as_a_whole_is_refused_with_the_numbers() {
    let mut snapshot = many(20);
    let value = "x".repeat(SNAPSHOT_MAX_BYTES / 16);
    for route in &mut snapshot.routes {
        route.rules[0].request_headers.set = vec![HeaderValue { name: "x".into(), value: value.clone() }];
    }
    let message = split(snapshot, BASE, None).unwrap_err().to_string();
    assert!(message.ends_with(&format!("more than {SNAPSHOT_MAX_BYTES}")), "{message}");
}

#[test]
fn what_no_data_plane_could_act_on_is_not_split() {
    let mut snapshot = sample();
    snapshot.routes[0].rules[0].backends[0].cluster = Some(9);
    let error = split(snapshot, BASE, None).unwrap_err();
    assert!(error.to_string().contains("routes[0].rules[0].backends[0].cluster"), "{error}");
}

#[test]
fn what_is_shared_with_an_earlier_set_is_refused_when_what_it_refers_to_is_gone() {
    let old = split(sample(), BASE, None).unwrap();
    let refused = |change: fn(&mut Snapshot), path: &str| {
        let mut snapshot = old.snapshot().clone();
        change(&mut snapshot);
        let error = split(snapshot, BASE, Some(&old)).unwrap_err().to_string();
        assert!(error.contains(path), "{error}");
    };
    refused(|it| it.clusters.clear(), "routes[0].rules[0].backends[0].cluster");
    refused(|it| it.routes.clear(), "listeners[0].routes[0].route");
}

#[test]
fn the_largest_set_has_a_manifest_within_its_bound() {
    let base = "b".repeat(63);
    let entry = json!({ "name": format!("{base}-config-v1-{SHARDS_MAX}"), "checksum": "0".repeat(32) });
    let manifest = json!({
        "format": FORMAT_VERSION, "generation": u64::MAX,
        "gateway": format!("{}/{}", "n".repeat(63), "g".repeat(253)),
        "listeners": [], "routes": vec![entry; SHARDS_MAX], "clusters": [], "checksum": "0".repeat(32),
    });
    assert!(manifest.to_string().len() <= MANIFEST_MAX_BYTES);
    Manifest::parse(&manifest.to_string()).unwrap();
}

#[test]
fn s89_a_part_cut_off_anywhere_is_refused() {
    let stored = Stored::new(&split(sample(), BASE, None).unwrap());
    for name in stored.parts.keys() {
        for end in 0..stored.parts[name].len() {
            let mut cut = stored.clone();
            cut.parts.get_mut(name).unwrap().truncate(end);
            assert!(matches!(cut.join(), Err(JoinError::Part { .. })), "{name} at {end}");
        }
    }
}

#[test]
fn s89_a_missing_shard_is_named() {
    let mut stored = Stored::new(&split(sample(), BASE, None).unwrap());
    stored.parts.remove("gw-fsm-config-v1-1");
    assert_eq!(stored.join().unwrap_err().to_string(), "the shard gw-fsm-config-v1-1 is missing");
}

#[test]
fn s89_shards_of_two_generations_are_never_mixed() {
    let old = Stored::new(&split(many(2000), BASE, None).unwrap());
    let mut snapshot = many(2000);
    snapshot.routes[0].rules[0].request_timeout_ms = Some(1);
    snapshot.clusters[0].endpoints.pop();
    let new = Stored::new(&split(snapshot, BASE, None).unwrap());
    for name in old.parts.keys().filter(|name| old.parts[*name] != new.parts[*name]) {
        let mut mixed = new.clone();
        mixed.parts.insert(name.clone(), old.parts[name].clone());
        assert!(matches!(mixed.join(), Err(JoinError::Checksum(_))), "{name}");
    }
}

#[test]
fn s89_a_manifest_of_another_format_is_refused_by_name() {
    let mut stored = Stored::new(&split(sample(), BASE, None).unwrap());
    stored.edit_manifest(|manifest| {
        manifest["format"] = json!(FORMAT_VERSION + 1);
        manifest["new_field"] = json!(true);
    });
    let message = stored.join().unwrap_err().to_string();
    assert_eq!(message, "the manifest has format 2; this build reads 1: update the data plane first");
}

#[test]
fn s89_every_field_of_the_manifest_counts() {
    let whole = Stored::new(&split(many(600), BASE, None).unwrap());
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 5] = [
        ("generation", |it| it["generation"] = json!(8)),
        ("gateway", |it| it["gateway"] = json!("server/other")),
        ("order", |it| it["routes"].as_array_mut().unwrap().reverse()),
        ("left out", |it| it["routes"] = json!([it["routes"][0]])),
        ("checksum", |it| it["checksum"] = json!("0".repeat(32))),
    ];
    for (field, edit) in edits {
        let mut stored = whole.clone();
        stored.edit_manifest(edit);
        assert!(matches!(stored.join(), Err(JoinError::Whole)), "{field}");
    }
}

#[test]
fn a_shard_has_the_name_of_a_config_map() {
    let mut stored = Stored::new(&split(sample(), BASE, None).unwrap());
    for name in ["../secrets/key", "x?watch=true", "", "A"] {
        stored.edit_manifest(|manifest| manifest["routes"][0]["name"] = json!(name));
        assert!(matches!(stored.join(), Err(JoinError::Name(_))), "{name}");
    }
}

#[test]
fn a_later_set_needs_only_the_shards_that_changed() {
    let mut snapshot = many(2000);
    let old = split(snapshot.clone(), BASE, None).unwrap();
    let mut assembly = Assembly::new(Manifest::parse(old.manifest()).unwrap(), None);
    assert_eq!(assembly.missing().len(), old.shards().count());
    old.shards().for_each(|(name, shard)| assembly.add(name, shard.part()).unwrap());
    snapshot.generation = Generation(2);
    snapshot.routes[0].rules[0].request_timeout_ms = Some(1);
    let new = split(snapshot, BASE, Some(&old)).unwrap();
    let mut next = Assembly::new(Manifest::parse(new.manifest()).unwrap(), Some(&assembly));
    assert_eq!(next.missing(), ["gw-fsm-config-v1-1"]);
    let (name, shard) = new.shards().nth(1).unwrap();
    next.add(name, shard.part()).unwrap();
    assert_eq!(next.join().unwrap(), new.join().unwrap());
}
