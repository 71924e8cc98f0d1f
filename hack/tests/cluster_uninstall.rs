//! Taking the product away: what the operator has made goes with the Gateways, and what is left with the installation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use hack::apiserver::{Cluster, Environment};
use hack::contents::contents;
use hack::operator_rig::{self, Operator};
use hack::programs::workspace;
use hack::rig::{SEED, SEED_POLICY, poll, sample};
use hack::statuses::{self, Subject};

const SOON: Duration = Duration::from_secs(30);
/// The operator's mark, and that of the installation.
const LABELS: [&str; 2] =
    ["app.kubernetes.io/managed-by=rebound-operator", "app.kubernetes.io/part-of=rebound"];

/// Everything with one of our labels, of every kind that can be listed, but the namespace that the test gave itself.
fn labelled(cluster: &Cluster) -> Vec<String> {
    let kinds = cluster.kubectl(&["api-resources", "--verbs=list", "-o", "name"]).unwrap();
    let kinds = kinds.lines().filter(|kind| !kind.starts_with("events")).collect::<Vec<_>>().join(",");
    let list = |label: &&str| {
        cluster.kubectl(&["get", &kinds, "-A", "-l", label, "-o", "name", "--ignore-not-found"]).unwrap()
    };
    LABELS.iter().map(list).flat_map(|list| list.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn nothing_with_our_labels_is_left_after_the_gateways_and_the_installation_are_deleted() {
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    let install = workspace().join("dist/install.yaml").display().to_string();
    cluster.kubectl(&["apply", "--server-side", "-f", &install]).unwrap();
    let operator = Operator::start(&operator_rig::install(cluster).unwrap()).unwrap();
    let namespace = cluster.namespace_called("server").unwrap();
    for manifest in SEED.into_iter().chain([SEED_POLICY]) {
        namespace.apply(&sample(manifest).unwrap()).unwrap();
    }
    let expected = ["Accepted=True/Accepted", "Programmed=False/Pending"];
    let gateway = Subject::of("gateway/simple-fsm-gateway");
    statuses::await_said(&namespace, gateway, &expected).unwrap();
    assert!(labelled(cluster).len() > 20, "{:?}", labelled(cluster));

    namespace.kubectl(&["delete", "gateway", "--all", "--timeout=30s"]).unwrap();
    let of_gateway = || contents(&namespace).unwrap().is_empty().then_some(());
    assert!(poll(SOON, of_gateway).is_some(), "{:?}", contents(&namespace));
    operator.stop().unwrap();
    cluster.kubectl(&["delete", "-f", &install, "--timeout=50s"]).unwrap();
    let gone = poll(SOON, || labelled(cluster).is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", labelled(cluster));
    let cluster_wide = ["get", "gatewayclasses,validatingwebhookconfigurations", "-o", "name"];
    assert!(poll(SOON, || cluster.kubectl(&cluster_wide).unwrap().is_empty().then_some(())).is_some());
    // What users wrote is theirs: their routes outlive us. Their policies went with our CRD.
    namespace.kubectl(&["get", "httproute", "fortio-route"]).unwrap();
}
