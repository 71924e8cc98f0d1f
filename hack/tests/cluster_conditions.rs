//! Every row of the reference page of conditions, produced on a real API server.
//!
//! The objects are in `data/conditions`, each file for a namespace of its own; its comments say what statuses must say.
//! `served` stands for a data plane that serves, `unexposed` for no load balancer before it, and `permissive` for an API server that checks nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::conditions::ROWS;
use hack::operator_rig::{self, Operator};
use hack::pod_rig;
use hack::programs::workspace;
use hack::rig::poll;
use hack::statuses::{self, SAID_MAX};

/// The Gateway that `served` is about.
const SERVED: &str = "web-fsm";

/// One file.
struct Case {
    name: String,
    manifests: String,
    is_served: bool,
    is_exposed: bool,
    is_permissive: bool,
    expected: Vec<Expected>,
}

/// A line such as `Listener web/http: Accepted=True/Accepted`.
struct Expected {
    kind: String,
    object: String,
    listener: Option<String>,
    said: String,
}

fn cases() -> Vec<Case> {
    let folder = workspace().join("hack/tests/data/conditions");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: &std::path::PathBuf| {
        let manifests = fs::read_to_string(path).unwrap();
        let comments: Vec<_> = manifests.lines().filter_map(|line| line.strip_prefix("# ")).collect();
        Case {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            is_served: comments.contains(&"served"),
            is_exposed: !comments.contains(&"unexposed"),
            is_permissive: comments.contains(&"permissive"),
            expected: comments.iter().filter_map(|line| Expected::parse(line)).collect(),
            manifests: manifests.clone(),
        }
    };
    paths.iter().map(case).collect()
}

impl Expected {
    fn parse(line: &str) -> Option<Self> {
        let (subject, said) = line.split_once(": ")?;
        let (kind, name) = subject.split_once(' ')?;
        let (name, listener) = name.split_once('/').map_or((name, None), |(name, part)| (name, Some(part)));
        let resource = if kind == "Listener" { "gateway" } else { kind };
        Some(Self {
            kind: kind.to_owned(),
            object: format!("{resource}/{name}"),
            listener: listener.map(str::to_owned),
            said: said.to_owned(),
        })
    }

    /// What is said instead; none: it is said.
    fn missing(&self, namespace: &TestNamespace) -> Option<String> {
        let object = statuses::object(namespace, &self.object.replace("$NS", namespace.name()));
        let said = statuses::said(&object.unwrap_or_default(), self.listener.as_deref());
        let is_said = said.contains(&self.said);
        (!is_said).then(|| format!("{} {:?}: {} among {said:?}", self.object, self.listener, self.said))
    }
}

impl Case {
    /// Applies the objects in a namespace of their own.
    fn apply(&self, cluster: &Cluster) -> TestNamespace {
        let namespace = cluster.namespace("conditions").unwrap();
        let manifests = self.manifests.replace("$NS", namespace.name());
        namespace.apply(&manifests).unwrap_or_else(|error| panic!("{}: {error:#}", self.name));
        namespace
    }
}

fn produce(cluster: &Cluster, cases: &[Case], operator: &Operator) {
    let applied: Vec<_> = cases.iter().map(|case| (case, case.apply(cluster))).collect();
    for (case, namespace) in applied.iter().filter(|(case, _)| case.is_served) {
        pod_rig::pretend(cluster, namespace, SERVED).unwrap();
        if case.is_exposed {
            pod_rig::expose(namespace, SERVED).unwrap();
        }
    }
    let mut open = Vec::new();
    for (case, namespace) in &applied {
        open.extend(case.expected.iter().map(|expected| (expected, namespace)));
    }
    poll(SAID_MAX, || {
        open.retain(|(expected, namespace)| expected.missing(namespace).is_some());
        open.is_empty().then_some(())
    });
    let missing: Vec<_> =
        open.iter().filter_map(|(expected, namespace)| expected.missing(namespace)).collect();
    for (_, namespace) in &applied {
        let classes = [namespace.name(), &format!("b-{}", namespace.name())];
        let delete = [&["delete", "gatewayclass", "--ignore-not-found"], &classes[..]].concat();
        cluster.kubectl(&delete).unwrap();
    }
    assert!(missing.is_empty(), "{}\n{}", missing.join("\n"), operator.log_end());
}

#[test]
fn every_row_of_the_reference_has_a_case_and_every_case_a_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(hack::conditions::Row::name).collect();
    let cases = cases();
    let expected = cases.iter().flat_map(|case| &case.expected);
    let produced: BTreeSet<_> = expected.map(|it| format!("{}: {}", it.kind, it.said)).collect();
    assert_eq!(rows, produced);
}

#[test]
fn every_statement_is_made_where_the_api_server_checks_objects() {
    let operator = Operator::shared().unwrap();
    let cases: Vec<_> = cases().into_iter().filter(|case| !case.is_permissive).collect();
    produce(&Cluster::shared().unwrap(), &cases, &operator);
}

/// What the CRDs forbid can still be stored: by an older CRD, or by somebody who has changed them.
#[test]
fn every_other_statement_is_made_where_it_checks_nothing() {
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    cluster.permit_anything("gateways.gateway.networking.k8s.io").unwrap();
    let operator = Operator::start(&operator_rig::install(cluster).unwrap()).unwrap();
    let cases: Vec<_> = cases().into_iter().filter(|case| case.is_permissive).collect();
    produce(cluster, &cases, &operator);
}
