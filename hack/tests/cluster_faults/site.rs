//! A Gateway whose operator meets with misfortunes, and when everything is as it should be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::contents::contents;
use hack::objects::{BASE, backend, gateway, policy, route, service, target};
use hack::operator_rig::{self, Operator};
use hack::rig::poll;
use hack::statuses::{self, Subject};
use rebound_operator::shards::{MANIFEST_KEY, PART_KEY, join, manifest_name};
use serde_json::Value;

pub(crate) const SOON: Duration = Duration::from_secs(30);
/// What is said something about.
const SUBJECTS: [&str; 3] = ["gateway/web", "httproute/r", "retrypolicy/p"];

/// An API server that is misused by one test after the other: its leader, and what is cluster-wide, are one test's.
pub(crate) struct Ground(Arc<Mutex<Environment>>);

impl Ground {
    pub(crate) fn new() -> Self {
        static SHARED: Mutex<Weak<Mutex<Environment>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Self(running);
        }
        let started = Arc::new(Mutex::new(Environment::start().unwrap()));
        *shared = Arc::downgrade(&started);
        Self(started)
    }

    pub(crate) fn enter(&self) -> MutexGuard<'_, Environment> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A namespace with a Gateway, and how the operator sees the API server.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) rights: Cluster,
    pub(crate) namespace: TestNamespace,
}

impl Site {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let rights = operator_rig::install(cluster).unwrap();
        free_lease(cluster);
        Self { cluster: cluster.clone(), rights, namespace: cluster.namespace("faults").unwrap() }
    }

    /// Leads the route to `service`.
    pub(crate) fn lead_to(&self, service: &str) {
        self.namespace.apply_all(&[route("r", &backend(service))]).unwrap();
    }

    /// Everything of a Gateway whose route leads to `first`.
    pub(crate) fn apply_all(&self, first: &str) {
        let policy = policy("p", &target("a"));
        let route = route("r", &backend(first));
        self.namespace.apply_all(&[service("a"), service("b"), gateway("web"), route, policy]).unwrap();
    }

    pub(crate) fn contents(&self) -> BTreeMap<String, Value> {
        contents(&self.namespace).unwrap()
    }

    /// Whether the statuses are about what is there now, and everything is made.
    pub(crate) fn is_settled(&self) -> bool {
        let get = [&["get", "-o", "json"], &SUBJECTS[..]].concat();
        let found = self.namespace.kubectl(&get).ok();
        let found: Value = found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        found["items"].as_array().is_some_and(|items| items.iter().all(is_about_now))
            && is_whole(&self.contents())
    }

    /// Everything that is said, as if it had been said at once.
    pub(crate) fn said(&self) -> BTreeMap<String, Value> {
        let status = |name: &str| statuses::timeless(&statuses::object(&self.namespace, name).unwrap());
        let subjects = SUBJECTS.iter().chain(&["gatewayclass/fsm"]);
        subjects.map(|name| ((*name).to_owned(), status(name))).collect()
    }

    /// An operator that leads.
    pub(crate) fn operator(&self) -> Operator {
        let operator = Operator::start(&self.rights).unwrap();
        operator.await_leading().unwrap();
        operator
    }

    /// An operator that nobody disturbs brings everything to an end.
    pub(crate) fn settle(&self) -> BTreeMap<String, Value> {
        free_lease(&self.cluster);
        let operator = self.operator();
        let contents = self.await_done(&operator);
        operator.stop().unwrap();
        contents
    }

    /// Waits until [`is_settled`](Self::is_settled).
    pub(crate) fn await_done(&self, operator: &Operator) -> BTreeMap<String, Value> {
        let done = || self.is_settled().then(|| self.contents());
        poll(SOON, done).unwrap_or_else(|| panic!("{:?}\n{}", self.contents().keys(), operator.log_end()))
    }

    pub(crate) fn await_said(&self, operator: &Operator, name: &str, expected: &[&str]) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), expected);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", operator.log_end()))
    }
}

/// Whether the last that is made is there, and every shard is stored, so that the manifest need not carry any.
fn is_whole(contents: &BTreeMap<String, Value>) -> bool {
    let map = |name: &str| contents.get(&format!("ConfigMap/{name}"));
    let part = |name: &str| STANDARD.decode(map(name)?["binaryData"][PART_KEY].as_str()?).ok();
    let manifest = map(&manifest_name(BASE)).and_then(|map| map["data"][MANIFEST_KEY].as_str());
    contents.contains_key(&format!("PodDisruptionBudget/{BASE}"))
        && manifest.is_some_and(|manifest| join(manifest, part).is_ok())
}

/// Whether every condition is about the newest generation, and there is one.
fn is_about_now(object: &Value) -> bool {
    let status = object["status"].to_string();
    let now = format!("\"observedGeneration\":{}", object["metadata"]["generation"]);
    let conditions = status.matches("\"lastTransitionTime\"").count();
    conditions > 0
        && status.matches(&now).count() == conditions
        && !status.contains("\"Waiting for controller\"")
}

/// A killed leader keeps its lease for a while, for which a test has no time.
pub(crate) fn free_lease(cluster: &Cluster) {
    let delete = ["delete", "lease", "rebound-operator", "-n", "rebound-system", "--ignore-not-found"];
    cluster.kubectl(&delete).unwrap();
}
