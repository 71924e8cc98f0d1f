//! The seed's page on a real API server: its manifests unchanged, the operator under its own rights, and a data plane
//! run from the Pod that the API server's controllers have made of the operator's Deployment.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hack::apiserver::{Cluster, TestNamespace};
use hack::backend::Backend;
use hack::load::{self, Outcome};
use hack::netns::Namespace;
use hack::operator_rig::Operator;
use hack::pod_rig::{self, Pod};
use hack::rig::{SEED, SEED_POLICY, SEED_PORT, poll, sample};
use hack::statuses::{self, Subject};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const TARGET: &str = "/echo?status=503:10";
const BASE: &str = "simple-fsm-gateway-fsm";
const GATEWAY: &str = "gateway/simple-fsm-gateway";
const POLICY: &str = "retrypolicy/retry-policy-sample";
/// Where the application listens: an address of the data plane's network.
const APPLICATION: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);

/// The page's application and Gateway in a namespace, and the operator.
struct Page {
    cluster: Cluster,
    namespace: TestNamespace,
    operator: Arc<Operator>,
}

impl Page {
    fn in_namespace(namespace: TestNamespace) -> Self {
        let (cluster, operator) = (Cluster::shared().unwrap(), Operator::shared().unwrap());
        for manifest in SEED {
            namespace.apply(&sample(manifest).unwrap()).unwrap();
        }
        Self { cluster, namespace, operator }
    }

    fn await_object(&self, name: &str) -> Value {
        let found = statuses::await_object(&self.namespace, name);
        found.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end()))
    }

    fn await_said(&self, name: &str, expected: &[&str]) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), expected);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end()))
    }

    /// Runs the application's pod and one of the data plane's, in one network.
    fn run(&self) -> (Pod, Backend) {
        let network = Namespace::new().unwrap();
        let application = pod_rig::claim(&self.cluster, &self.namespace, "app=fortio").unwrap();
        let start = || Backend::start_on((APPLICATION, 8080).into(), 1);
        let backend = network.enter(start).unwrap().unwrap();
        let name = application["metadata"]["name"].as_str().unwrap();
        pod_rig::report(&self.namespace, name, APPLICATION, true).unwrap();
        self.await_object(&format!("deployment/{BASE}"));
        let pod = Pod::start(&self.cluster, &self.namespace, BASE, network);
        (pod.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end())), backend)
    }

    fn change_policy(&self, config: &Value) {
        let patch = json!({ "spec": { "ports": [{ "port": 8080, "config": config }] } }).to_string();
        self.namespace.kubectl(&["patch", POLICY, "--type=merge", "-p", &patch]).unwrap();
    }
}

fn hundred_requests(pod: &Pod) -> Outcome {
    let send = || load::send(Pod::address(SEED_PORT), TARGET, 100, 10);
    let outcome = pod.network().enter(send).unwrap();
    assert_eq!(outcome.errors, Vec::<String>::new(), "{}", pod.logs());
    outcome
}

#[test]
fn s81_the_seeds_policy_turns_every_answer_into_a_200_and_its_edits_take_effect() {
    let cluster = Cluster::shared().unwrap();
    let page = Page::in_namespace(cluster.namespace_called("server").unwrap());
    let (pod, backend) = page.run();
    page.await_said(GATEWAY, &["Accepted=True/Accepted", "Programmed=True/Programmed"]);
    let without = hundred_requests(&pod);
    let failed = without.statuses[&503];
    assert_eq!(without.statuses[&200], 100 - failed);
    assert_eq!(backend.attempts(), 100, "nothing is retried without a policy");

    page.namespace.apply(&sample(SEED_POLICY).unwrap()).unwrap();
    let policy = page.await_said(POLICY, &["Accepted=True/Accepted", "Programmed=True/Programmed"]);
    assert!(policy["status"].to_string().contains("50 s"), "the seed's waits are warned about: {policy}");
    let with = hundred_requests(&pod);
    assert_eq!(with.statuses.get(&200), Some(&100), "{:?}", with.statuses);
    assert!(backend.attempts() > 200, "the backend failed, so something was retried");

    // An edit: what fails here is no longer retried.
    let served = pod.generation().unwrap();
    page.change_policy(&json!({ "retryOn": ["502"], "numRetries": 5 }));
    poll(SOON, || (pod.generation().ok()? > served).then_some(())).unwrap();
    page.await_said(POLICY, &["Programmed=True/Programmed"]);
    let before = backend.attempts();
    assert!(hundred_requests(&pod).statuses.contains_key(&503));
    assert_eq!(backend.attempts() - before, 100);
}

#[test]
fn a_deleted_policy_is_gone_from_the_traffic() {
    let page = Page::in_namespace(Cluster::shared().unwrap().namespace("seed").unwrap());
    let (pod, backend) = page.run();
    let policy = sample(SEED_POLICY).unwrap().replace("    namespace: server\n", "");
    page.namespace.apply(&policy).unwrap();
    page.await_said(POLICY, &["Programmed=True/Programmed"]);
    let before = pod.generation().unwrap();
    page.namespace.kubectl(&["delete", POLICY]).unwrap();
    poll(SOON, || (pod.generation().ok()? > before).then_some(())).unwrap();
    assert!(hundred_requests(&pod).statuses.contains_key(&503));
    assert_eq!(backend.attempts(), 100);
}

#[test]
fn the_objects_of_a_gateway_are_those_that_the_page_asks_for() {
    let page = Page::in_namespace(Cluster::shared().unwrap().namespace("seed").unwrap());
    for name in ["serviceaccount", "role", "rolebinding", "deployment", "poddisruptionbudget"] {
        page.await_object(&format!("{name}/{BASE}"));
    }
    for suffix in ["-config", "-config-v1-0"] {
        page.await_object(&format!("configmap/{BASE}{suffix}"));
    }
    let list = page.namespace.kubectl(&["get", "svc", "-l", "app=fsm-gateway", "-o", "json"]).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let [service] = &list["items"].as_array().unwrap()[..] else { panic!("{list:#}") };
    assert_eq!(service["metadata"]["name"], BASE);
    assert_eq!(service["spec"]["type"], "LoadBalancer");
    assert_eq!(service["spec"]["ports"][0]["port"], SEED_PORT);
    assert_eq!(service["metadata"]["ownerReferences"][0]["kind"], "Gateway");
}

#[test]
fn programmed_waits_until_the_pods_serve_and_says_so_until_then() {
    let page = Page::in_namespace(Cluster::shared().unwrap().namespace("seed").unwrap());
    let route = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];
    page.await_said("httproute/fortio-route", &route);
    let gateway = page.await_said(GATEWAY, &["Accepted=True/Accepted", "Programmed=False/Pending"]);
    assert_eq!(gateway["status"]["listeners"][0]["attachedRoutes"], 1);
    let (pod, _backend) = page.run();
    page.await_said(GATEWAY, &["Programmed=True/Programmed"]);
    pod_rig::report(&page.namespace, pod.name(), hack::netns::ADDRESS, false).unwrap();
    page.await_said(GATEWAY, &["Programmed=False/Pending"]);
}

#[test]
fn the_addresses_of_a_gateway_are_those_that_its_service_was_given() {
    let page = Page::in_namespace(Cluster::shared().unwrap().namespace("seed").unwrap());
    let service = format!("service/{BASE}");
    page.await_object(&service);
    let given = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }, { "hostname": "g.example.com" }] } } });
    let patch = ["patch", &service, "--subresource=status", "--type=merge", "-p", &given.to_string()];
    page.namespace.kubectl(&patch).unwrap();
    let expected = json!([
        { "type": "IPAddress", "value": "192.0.2.7" },
        { "type": "Hostname", "value": "g.example.com" },
    ]);
    let mut last = Value::Null;
    let told = || {
        last = statuses::object(&page.namespace, GATEWAY)?["status"]["addresses"].clone();
        (last == expected).then_some(())
    };
    assert!(poll(SOON, told).is_some(), "{last:#}\n{}", page.operator.log_end());
}
