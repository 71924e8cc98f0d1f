//! The agent on a real API server, under exactly the Role that is made for it: what it brings to the data plane, and
//! what it never does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::cleanup::Process;
use hack::programs::{Programs, workspace};
use hack::rig::poll;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rebound_api::config::Snapshot;
use rebound_operator::build::config_map;
use rebound_operator::client;
use rebound_operator::shards::{Set, split};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(30);
/// From the answer to the write of a manifest to the file; a loaded machine included.
const FOLLOWS_MAX: Duration = Duration::from_secs(1);
const ROUTES: u32 = 3000;
const GOLDEN: &str = "operator/tests/data/objects/a_minimal_gateway.out.yaml";
const POD: &str = "pod-1";

/// A namespace with the objects that an agent needs, and somebody who may write the rest.
struct Place {
    namespace: TestNamespace,
    base: String,
    agent: Cluster,
    maps: Api<ConfigMap>,
    runtime: Runtime,
    folder: TempDir,
    /// The admin address of the data plane.
    admin: SocketAddr,
}

impl Place {
    fn new(cluster: &Cluster) -> Self {
        let namespace = cluster.namespace("agent").unwrap();
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(&std::fs::read_to_string(workspace().join(GOLDEN)).unwrap()).unwrap();
        let kinds = ["ServiceAccount", "Role", "RoleBinding", "ConfigMap"];
        let objects = objects.into_iter().filter(|it| kinds.contains(&it["kind"].as_str().unwrap()));
        let objects: Vec<_> = objects.map(|it| moved(it, namespace.name())).collect();
        let role = objects.iter().find(|it| it["kind"] == "Role").unwrap();
        let base = role["metadata"]["name"].as_str().unwrap().to_owned();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        namespace.apply(&list.to_string()).unwrap();
        let agent = cluster.as_service_account(namespace.name(), &base).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let maps = Api::namespaced(runtime.block_on(connect(cluster)), namespace.name());
        let admin = free_address();
        Self { namespace, base, agent, maps, runtime, folder: tempfile::tempdir().unwrap(), admin }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("snapshot")
    }

    fn start(&self) -> Process {
        let mut command = Command::new(Programs::for_tests().unwrap().operator);
        command.args(["agent", "--namespace", self.namespace.name(), "--pod", POD]);
        command.arg("--manifest").arg(format!("{}-config", self.base));
        command.arg("--report").arg(format!("{}-report", self.base));
        command.arg("--out").arg(self.file()).arg("--dataplane").arg(self.admin.to_string());
        command.env("KUBECONFIG", self.agent.kubeconfig());
        Process::start(&mut command).unwrap()
    }

    fn set(&self, snapshot: Snapshot, previous: Option<&Set>) -> Set {
        split(snapshot, &self.base, previous).unwrap()
    }

    /// The ConfigMaps of a set, the manifest last.
    fn maps_of(set: &Set) -> Vec<Value> {
        let meta = ObjectMeta::default();
        let shards = set.shards().map(|(name, shard)| config_map::shard(name, shard.part(), &meta));
        shards.chain([config_map::manifest(set, &meta)]).collect()
    }

    fn write_all(&self, maps: &[Value]) {
        maps.iter().for_each(|map| self.write(map));
    }

    fn write(&self, map: &Value) {
        let mut map = map.clone();
        map["apiVersion"] = "v1".into();
        map["kind"] = "ConfigMap".into();
        let name = map["metadata"]["name"].as_str().unwrap().to_owned();
        let params = PatchParams::apply("test").force();
        self.runtime.block_on(self.maps.patch(&name, &params, &Patch::Apply(map))).unwrap();
    }

    fn read(&self) -> Option<Vec<u8>> {
        std::fs::read(self.file()).ok()
    }

    #[track_caller]
    fn await_file(&self, set: &Set) {
        let bytes = set.join().unwrap();
        let there = poll(SOON, || self.read().filter(|it| *it == bytes));
        assert!(there.is_some(), "the file does not follow");
    }

    /// The report, once it is as wanted.
    #[track_caller]
    fn await_report(&self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let name = format!("{}-report", self.base);
        let report = || {
            let map = self.runtime.block_on(self.maps.get(&name)).ok()?;
            let report: Value = serde_json::from_str(map.data?.get(POD)?).ok()?;
            is_wanted(&report).then_some(report)
        };
        poll(SOON, report).unwrap_or_else(|| unreachable!("no report {what}"))
    }

    #[track_caller]
    fn await_error(&self, text: &str) {
        self.await_report(text, |it| it["error"].as_str().is_some_and(|it| it.contains(text)));
    }
}

/// A data plane that serves the first generation for ever. Counts how often it is asked: each is a sign of life.
fn asked_at(address: SocketAddr) -> Arc<AtomicUsize> {
    const SERVED: &str = r#"{"generation":1,"driver":"epoll"}"#;
    let listener = TcpListener::bind(address).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // Whoever asks sends all of it at once.
            client.read(&mut [0; 1024]).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close", SERVED.len());
            write!(client, "{head}\r\n\r\n{SERVED}").unwrap_or_default();
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    asked
}

/// The agent lives: it asks a few times more.
#[track_caller]
fn await_asked(asked: &AtomicUsize) {
    let enough = asked.load(Ordering::SeqCst) + 2;
    let is_enough = || (asked.load(Ordering::SeqCst) >= enough).then_some(());
    assert!(poll(SOON, is_enough).is_some(), "nobody asks");
}

async fn connect(cluster: &Cluster) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    client::with(config, client::SILENCE_MAX).unwrap()
}

/// In another namespace and without its owner, which does not exist there.
fn moved(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = namespace.into();
    object["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    subjects.into_iter().flatten().for_each(|subject| subject["namespace"] = namespace.into());
    object
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// `count` routes; `timeout_ms` is that of the last one.
fn snapshot(generation: u64, count: u32, timeout_ms: u64) -> Snapshot {
    let route = |index: u32| {
        let timeout_ms = if index + 1 == count { timeout_ms } else { 15_000 };
        json!({ "name": format!("team/route-{index}"), "rules": [{
            "matches": [{ "path": { "prefix": format!("/path-{index}") } }],
            "request_timeout_ms": timeout_ms,
            "backends": [{ "weight": 1, "cluster": 0 }] }] })
    };
    let attached: Vec<_> = (0..count).map(|route| json!({ "route": route, "hostnames": [] })).collect();
    let port = free_address().port();
    let snapshot = json!({
        "generation": generation, "gateway": "team/gateway",
        "listeners": [{ "name": "http", "port": port, "protocol": "http", "routes": attached }],
        "routes": (0..count).map(route).collect::<Vec<_>>(),
        "clusters": [{ "service": "team/web:80", "endpoints": ["10.0.0.1:80"] }],
    });
    serde_json::from_value(snapshot).unwrap()
}

/// The same listener, so that nothing but the last route differs.
fn edited(set: &Set, timeout_ms: u64) -> Snapshot {
    let mut snapshot = set.snapshot().clone();
    snapshot.generation.0 += 1;
    snapshot.routes.last_mut().unwrap().rules[0].request_timeout_ms = Some(timeout_ms);
    snapshot
}

#[test]
fn the_file_follows_within_milliseconds() {
    let place = Place::new(&Cluster::shared().unwrap());
    let _agent = place.start();
    let mut set = place.set(snapshot(1, ROUTES, 1), None);
    place.write_all(&Place::maps_of(&set));
    place.await_file(&set);
    let mut took = Vec::new();
    for timeout_ms in 2..12 {
        let next = place.set(edited(&set, timeout_ms), Some(&set));
        let (old, new) = (Place::maps_of(&set), Place::maps_of(&next));
        let changed: Vec<_> = new.into_iter().filter(|map| !old.contains(map)).collect();
        assert_eq!(changed.len(), 2, "a shard and the manifest");
        place.write_all(&changed);
        let written = Instant::now();
        place.await_file(&next);
        took.push(written.elapsed());
        set = next;
    }
    took.sort();
    println!("from the answer to the file, {ROUTES} routes: median {:?}, worst {:?}", took[5], took[9]);
    assert!(took[5] < FOLLOWS_MAX, "{took:?}");
}

#[test]
fn s89_no_set_that_is_not_whole_and_right_reaches_the_file() {
    let place = Place::new(&Cluster::shared().unwrap());
    let _agent = place.start();
    let good = place.set(snapshot(1, 3, 1), None);
    place.write_all(&Place::maps_of(&good));
    place.await_file(&good);
    let bytes = place.read();
    let next = place.set(edited(&good, 2), Some(&good));
    let maps = Place::maps_of(&next);
    let (manifest, shards) = maps.split_last().unwrap();
    let shard = &shards[1];

    place.write(manifest);
    place.await_error("does not have the checksum");
    assert_eq!(place.read(), bytes, "the manifest is ahead of its shard: two generations");

    let mut broken = shard.clone();
    broken["binaryData"]["part"] = "bm90IHpsaWI=".into();
    place.write(&broken);
    place.await_error("is not zlib");
    assert_eq!(place.read(), bytes, "the shard was tampered with");

    let mut cut = shard.clone();
    let part = shard["binaryData"]["part"].as_str().unwrap();
    cut["binaryData"]["part"] = part[..part.len() / 8 * 4].into();
    place.write(&cut);
    place.await_error("is cut off");
    assert_eq!(place.read(), bytes, "the shard is cut off");

    let newer = |format: u32| {
        let mut newer = manifest.clone();
        newer["data"]["manifest"] = json!({ "format": format, "new": true }).to_string().into();
        place.write(&newer);
        place.await_error(&format!("format {format}"));
    };
    newer(2);
    assert_eq!(place.read(), bytes, "the format is newer");

    let name = format!("{}-config", place.base);
    place.namespace.kubectl(&["delete", "configmap", &name]).unwrap();
    // What is seen after it shows that it was seen.
    newer(3);
    assert_eq!(place.read(), bytes, "the manifest was gone");

    place.write_all(&maps);
    place.await_file(&next);
    place.await_report("without an error", |it| it["error"] == "the data plane does not answer");
}

#[test]
fn what_a_manifest_carries_is_used_if_it_fits_and_otherwise_what_is_stored() {
    let place = Place::new(&Cluster::shared().unwrap());
    let _agent = place.start();
    let carrying = |set: &Set, part: &dyn Fn(&[u8]) -> Vec<u8>| {
        let parts: Vec<_> = set.shards().map(|(name, shard)| (name, part(shard.part()))).collect();
        let mut manifest = config_map::manifest(set, &ObjectMeta::default());
        manifest["binaryData"] = config_map::carried(parts.iter().map(|(name, part)| (*name, &**part)));
        manifest
    };
    let first = place.set(snapshot(1, 3, 1), None);
    place.write(&carrying(&first, &<[u8]>::to_vec));
    place.await_file(&first);

    let next = place.set(edited(&first, 2), Some(&first));
    let maps = Place::maps_of(&next);
    place.write_all(&maps[..maps.len() - 1]);
    place.write(&carrying(&next, &|_| b"not zlib".to_vec()));
    place.await_file(&next);
}

#[test]
fn s89_an_outage_of_the_api_server_leaves_the_file_and_ends_in_the_newest_set() {
    let mut environment = Environment::start().unwrap();
    let place = Place::new(&environment.cluster().clone());
    let asked = asked_at(place.admin);
    let mut agent = place.start();
    let mut set = place.set(snapshot(1, 3, 1), None);
    place.write_all(&Place::maps_of(&set));
    place.await_file(&set);
    place.await_report("of generation 1", |it| it["generation"] == 1);
    let mut follows = |place: &Place, timeout_ms| {
        let next = place.set(edited(&set, timeout_ms), Some(&set));
        place.write_all(&Place::maps_of(&next));
        place.await_file(&next);
        set = next;
        place.read()
    };

    environment.pause();
    await_asked(&asked);
    environment.resume();
    let bytes = follows(&place, 2);

    environment.kill().unwrap();
    // What an earlier container of the pod has left serves a data plane that starts meanwhile.
    let ended = agent.end(Duration::from_secs(5)).unwrap();
    assert!(ended.success(), "{ended}");
    let mut agent = place.start();
    await_asked(&asked);
    assert!(agent.ended().unwrap().is_none(), "it waits for the API server");
    assert_eq!(place.read(), bytes);
    environment.start_again().unwrap();
    follows(&place, 3);
}

#[test]
fn the_report_says_what_the_data_plane_serves() {
    let place = Place::new(&Cluster::shared().unwrap());
    let mut agent = place.start();
    let set = place.set(snapshot(7, 3, 1), None);
    place.write_all(&Place::maps_of(&set));
    let mut command = Command::new(Programs::for_tests().unwrap().dataplane);
    command.arg("--snapshot").arg(place.file()).args(["--workers", "1", "--bind", "127.0.0.1"]);
    command.arg("--admin").arg(place.admin.to_string());
    let _dataplane = Process::start(&mut command).unwrap().expendable();
    let report = place.await_report("of generation 7", |it| it["generation"] == 7);
    let driver = report["driver"].as_str().unwrap();
    assert!(driver.starts_with("uring") || driver == "epoll", "{report}");
    assert_eq!(report.get("error"), None, "{report}");

    let next = place.set(edited(&set, 2), Some(&set));
    place.write_all(&Place::maps_of(&next));
    place.await_report("of generation 8", |it| it["generation"] == 8);

    agent.end(Duration::from_secs(5)).unwrap();
    let map = place.runtime.block_on(place.maps.get(&format!("{}-report", place.base))).unwrap();
    assert_eq!(map.data.unwrap_or_default().get(POD), None, "what ends takes its report back");
}
