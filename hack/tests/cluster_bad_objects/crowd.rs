//! The seed's page in a crowd of mutants: each of them is refused or told what is wrong with it, and the page is well.

use std::sync::Arc;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::contents::{contents, generation};
use hack::fault_proxy::FaultProxy;
use hack::http_client::Connection;
use hack::objects::{backend, gateway, policy, route, target};
use hack::operator_rig::{self, Operator};
use hack::pod_rig;
use hack::rig::poll;
use hack::statuses::{self, Subject};
use serde_json::{Value, json};

use crate::SOON;
use crate::mutants::{MUTANTS, mutants, seeds};

const GATEWAY: &str = "simple-fsm-gateway";
const BASE: &str = "simple-fsm-gateway-fsm";
const ROUTE: &str = "httproute/fortio-route";
const SERVICE: &str = "fortio";
/// What is said of these must not change.
const PAGE: [&str; 3] = ["gateway/simple-fsm-gateway", ROUTE, "retrypolicy/retry-policy-sample"];
/// The CRDs of the mutants.
const CRDS: [&str; 3] = [
    "gateways.gateway.networking.k8s.io",
    "httproutes.gateway.networking.k8s.io",
    "retrypolicies.gateway.flomesh.io",
];

/// The page, as if a data plane served it.
struct Page {
    namespace: TestNamespace,
    operator: Arc<Operator>,
    /// To the API server as its administrator, in plain HTTP.
    proxy: FaultProxy,
}

impl Page {
    fn start(cluster: &Cluster, operator: Arc<Operator>) -> Self {
        let namespace = cluster.namespace("crowd").unwrap();
        namespace.apply_all(&seeds()).unwrap();
        pod_rig::pretend(cluster, &namespace, BASE).unwrap();
        pod_rig::expose(&namespace, BASE).unwrap();
        let page = Self { namespace, operator, proxy: FaultProxy::start(cluster).unwrap() };
        page.await_said(PAGE[0], "Programmed=True/Programmed");
        page.await_said(PAGE[2], "Programmed=True/Programmed");
        page
    }

    fn await_said(&self, name: &str, expected: &str) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), &[expected]);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end()))
    }

    /// Everything that is said of the page, with the times since when.
    fn said(&self) -> Vec<Value> {
        let status = |name: &&str| {
            let mut status = statuses::object(&self.namespace, name).unwrap()["status"].clone();
            for listener in status["listeners"].as_array_mut().into_iter().flatten() {
                // Some mutants are good enough to be attached.
                listener["attachedRoutes"] = Value::Null;
            }
            status
        };
        PAGE.iter().map(status).collect()
    }

    /// Gives an object to the API server as it is. None: it is kept; else why it is not.
    fn offer(&self, object: &Value) -> Option<String> {
        let resources = match object["kind"].as_str().unwrap() {
            "Gateway" => "apis/gateway.networking.k8s.io/v1/namespaces/$NS/gateways",
            "HTTPRoute" => "apis/gateway.networking.k8s.io/v1/namespaces/$NS/httproutes",
            "RetryPolicy" => "apis/gateway.flomesh.io/v1alpha1/namespaces/$NS/retrypolicies",
            "Service" => "api/v1/namespaces/$NS/services",
            other => panic!("no mutant is a {other}"),
        };
        let path = format!("/{}", resources.replace("$NS", self.namespace.name()));
        let mut api = Connection::open(self.proxy.address()).unwrap();
        // `kubectl proxy` answers to no other host.
        let fields = [("host", "localhost"), ("content-type", "application/json")];
        let answer = api.send("POST", &path, &fields, object.to_string().as_bytes()).unwrap();
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (answer.status, body["message"].as_str()) {
            (201, _) => None,
            (400..500, Some(message)) => Some(message.to_owned()),
            (status, _) => panic!("{status}: {}\nto {object}", String::from_utf8_lossy(&answer.body)),
        }
    }

    /// Offers all mutants, waits until all have been looked at, and returns how many were kept.
    fn is_crowded(&self) -> usize {
        let refused: Vec<_> = mutants().iter().filter_map(|mutant| self.offer(mutant)).collect();
        assert!(refused.iter().all(|message| !message.is_empty()));
        // What comes last of each kind is seen last.
        let mut last = route("z-last", &backend(SERVICE));
        last["spec"]["parentRefs"][0]["name"] = json!(GATEWAY);
        let nothing = policy("z-last", &target("nothing"));
        self.namespace.apply_all(&[gateway("z-last"), last, nothing]).unwrap();
        self.await_said("gateway/z-last", "Accepted=True/Accepted");
        self.await_said("httproute/z-last", "Accepted=True/Accepted");
        self.await_said("retrypolicy/z-last", "Accepted=False/TargetNotFound");
        MUTANTS - refused.len()
    }

    /// An edit of the page's route comes through, and the operator is the one that it was.
    fn works(&self) {
        let generation = || generation(&contents(&self.namespace).ok()?, BASE);
        let before = generation().unwrap();
        let remove =
            json!({ "type": "ResponseHeaderModifier", "responseHeaderModifier": { "remove": ["x-a"] } });
        let add = json!([{ "op": "add", "path": "/spec/rules/0/filters", "value": [remove] }]).to_string();
        self.namespace.kubectl(&["patch", ROUTE, "--type=json", "-p", &add]).unwrap();
        let later = poll(SOON, || generation().filter(|now| *now > before));
        let log = self.operator.log();
        assert!(later.is_some(), "{}", self.operator.log_end());
        self.await_said(PAGE[0], "Programmed=True/Programmed");
        assert_eq!(log.matches("\"message\":\"starting\"").count(), 1);
        assert!(!log.contains("panicked"), "{}", self.operator.log_end());
    }
}

#[test]
fn a_hundred_mutants_are_refused_or_harm_nobody() {
    let page = Page::start(&Cluster::shared().unwrap(), Operator::shared().unwrap());
    let before = page.said();
    let kept = page.is_crowded();
    assert!(
        (20..80).contains(&kept),
        "{kept} mutants pass the schemas: too few or too many to prove anything"
    );
    assert_eq!(page.said(), before);
    page.works();
}

/// In an API server of its own, whose schemas are gone: what they keep out today may come in tomorrow.
#[test]
fn a_hundred_mutants_that_no_schema_keeps_out_harm_nobody() {
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    CRDS.iter().for_each(|crd| cluster.permit_anything(crd).unwrap());
    let operator = Operator::start(&operator_rig::install(cluster).unwrap()).unwrap();
    let page = Page::start(cluster, Arc::new(operator));
    let before = page.said();
    let mut teleport = route("unknown-filter", &backend(SERVICE));
    teleport["spec"]["parentRefs"][0]["name"] = json!(GATEWAY);
    teleport["spec"]["rules"][0]["filters"] = json!([{ "type": "Teleport", "teleport": { "to": "mars" } }]);
    assert_eq!(page.offer(&teleport), None);
    let kept = page.is_crowded();
    assert!(kept > 80, "{kept} mutants are stored where nothing is checked");
    assert_eq!(page.said(), before);
    let told = page.await_said("httproute/unknown-filter", "Accepted=False/UnsupportedValue");
    assert!(told["status"].to_string().contains("Teleport"), "{told:#}");
    page.works();
}
