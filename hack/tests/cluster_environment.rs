//! The environment itself, and what a real API server makes of our CRDs before any of our programs runs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::rig::{SEED, SEED_POLICY, poll, sample};

const SOON: Duration = Duration::from_secs(30);

fn namespace() -> TestNamespace {
    Cluster::shared().unwrap().namespace("environment").unwrap()
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: gateway.flomesh.io/v1alpha1\nkind: RetryPolicy\nmetadata: {{name: policy}}\nspec: {spec}"
    )
}

/// What the API server answers to a policy that it must refuse.
fn refusal(spec: &str) -> String {
    format!("{:#}", namespace().apply(&policy(spec)).unwrap_err())
}

#[test]
fn every_kind_that_we_read_is_served() {
    let cluster = Cluster::shared().unwrap();
    let served = cluster.kubectl(&["api-resources", "-o", "name"]).unwrap();
    for kind in [
        "gatewayclasses.gateway.networking.k8s.io",
        "gateways.gateway.networking.k8s.io",
        "httproutes.gateway.networking.k8s.io",
        "referencegrants.gateway.networking.k8s.io",
        "retrypolicies.gateway.flomesh.io",
    ] {
        assert!(served.lines().any(|line| line == kind), "{kind} is not in\n{served}");
    }
}

#[test]
fn s81_the_seeds_objects_are_accepted_by_a_real_api_server_unchanged() {
    let cluster = Cluster::shared().unwrap();
    let namespace = namespace();
    for name in SEED {
        namespace.apply(&sample(name).unwrap()).unwrap();
    }
    // The policy names the namespace of its Service, as on the seed's page.
    let applied = namespace.apply(&sample(SEED_POLICY).unwrap()).unwrap();
    assert!(applied.contains("retry-policy-sample created"), "{applied}");
    let strict = ["--dry-run=server", "--validate=strict", "-n", namespace.name()];
    cluster.apply(&sample(SEED_POLICY).unwrap(), &strict).unwrap();
    let kept = namespace.kubectl(&["get", "retrypolicy", "retry-policy-sample", "-o", "jsonpath={.spec}"]);
    let kept: serde_json::Value = serde_json::from_str(&kept.unwrap()).unwrap();
    let sent: serde_json::Value = serde_saphyr::from_str(&sample(SEED_POLICY).unwrap()).unwrap();
    assert_eq!(kept["ports"], sent["spec"]["ports"], "nothing is dropped, and no default is written into it");
}

#[test]
fn more_retries_than_the_schema_allows_are_refused_with_path_and_bound() {
    let refusal = refusal("{targetRef: {kind: Service, name: s}, config: {numRetries: 50}}");
    assert!(refusal.contains("spec.config.numRetries"), "{refusal}");
    assert!(refusal.contains("less than or equal to"), "{refusal}");
}

#[test]
fn both_forms_of_the_target_at_once_are_refused() {
    let target = "{kind: Service, name: s}";
    let refusal = refusal(&format!("{{targetRef: {target}, targetRefs: [{target}]}}"));
    assert!(refusal.contains("spec.targetRefs"), "{refusal}");
    assert!(refusal.contains("exclude each other"), "{refusal}");
}

#[test]
fn a_deployment_gets_its_pods_and_a_deleted_namespace_goes() {
    let cluster = Cluster::shared().unwrap();
    let namespace = namespace();
    namespace.apply(&sample(SEED[0]).unwrap()).unwrap();
    let pods =
        || namespace.kubectl(&["get", "pods", "-o", "name"]).ok().filter(|pods| pods.lines().count() == 1);
    poll(SOON, pods).expect("the controllers make a Pod");
    let name = namespace.name().to_owned();
    drop(namespace);
    let gone = || cluster.kubectl(&["get", "namespace", &name]).err();
    let error = poll(SOON, gone).expect("the namespace goes");
    assert!(format!("{error:#}").contains("NotFound"), "{error:#}");
}

#[test]
fn a_service_account_has_the_rights_that_rbac_gives_and_no_others() {
    let cluster = Cluster::shared().unwrap();
    let namespace = namespace();
    let name = namespace.name();
    namespace.kubectl(&["create", "serviceaccount", "reader"]).unwrap();
    namespace.kubectl(&["create", "role", "reader", "--verb=get,list", "--resource=services"]).unwrap();
    let who = format!("--serviceaccount={name}:reader");
    namespace.kubectl(&["create", "rolebinding", "reader", "--role=reader", &who]).unwrap();

    let reader = cluster.as_service_account(name, "reader").unwrap();
    let allowed = || reader.kubectl(&["get", "services", "-n", name]).ok();
    poll(SOON, allowed).expect("what the Role says is allowed");
    let refused = reader.kubectl(&["get", "secrets", "-n", name]).unwrap_err();
    assert!(format!("{refused:#}").contains("Forbidden"), "{refused:#}");
}

#[test]
fn an_api_server_that_was_stopped_killed_or_paused_comes_back_with_its_data() {
    let mut environment = Environment::start().unwrap();
    let cluster = environment.cluster().clone();
    let address = cluster.address().unwrap();
    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]).unwrap();
    let kept = || cluster.kubectl(&["get", "configmap", "kept", "--request-timeout=2s"]);

    environment.stop().unwrap();
    assert!(kept().is_err(), "it is stopped");
    environment.start_again().unwrap();
    kept().unwrap();

    environment.kill().unwrap();
    assert!(kept().is_err(), "it is killed");
    environment.start_again().unwrap();
    kept().unwrap();
    assert_eq!(cluster.address().unwrap(), address);

    environment.pause();
    assert!(kept().is_err(), "it is paused");
    environment.resume();
    kept().unwrap();
}

#[test]
fn nothing_of_an_environment_outlives_its_owner() {
    let environment = Environment::start().unwrap();
    let folder = environment.folder().to_path_buf();
    assert_eq!(working_in(&folder), 3);
    drop(environment);
    assert_eq!(working_in(&folder), 0);
    assert!(!folder.exists());
}

/// How many processes work in a folder.
fn working_in(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .count()
}
