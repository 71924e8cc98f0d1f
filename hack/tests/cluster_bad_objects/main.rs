//! Objects that make no sense, on a real API server: whoever wrote them is told, and nobody else notices.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crowd;
mod mutants;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::contents::{contents, generation};
use hack::objects::{BASE, backend, gateway, object, policy, route, service, slice, target};
use hack::operator_rig::{self, Operator};
use hack::rig::poll;
use hack::statuses::{self, Subject};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// A Gateway with a route that is well, and the operator.
struct Site {
    namespace: TestNamespace,
    operator: Arc<Operator>,
}

impl Site {
    fn new(cluster: &Cluster, operator: Arc<Operator>) -> Self {
        let site = Self { namespace: cluster.namespace("bad").unwrap(), operator };
        site.apply(&[service("a"), service("b"), gateway("web"), route("good", &backend("a"))]);
        site
    }

    fn shared() -> Self {
        Self::new(&Cluster::shared().unwrap(), Operator::shared().unwrap())
    }

    fn apply(&self, objects: &[Value]) {
        self.namespace.apply_all(objects).unwrap();
    }

    fn await_said(&self, name: &str, expected: &[&str]) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), expected);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end()))
    }

    fn generation(&self) -> Option<u64> {
        generation(&contents(&self.namespace).ok()?, BASE)
    }

    /// The route that is well is still there, and its edits reach the configuration.
    fn works(&self) {
        self.await_said("httproute/good", &["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"]);
        for service in ["b", "a"] {
            let before = poll(SOON, || self.generation()).unwrap();
            self.apply(&[route("good", &backend(service))]);
            let after = || self.generation().filter(|now| *now > before);
            assert!(poll(SOON, after).is_some(), "{}", self.operator.log_end());
        }
        let metrics = self.operator.about("/readyz").unwrap();
        assert!(!metrics.contains("not"), "{metrics}");
    }
}

#[test]
fn nonsense_that_the_schema_lets_pass_harms_nobody() {
    let site = Site::shared();
    let mut no_host = route("hostless", &backend("a"));
    no_host["spec"]["hostnames"] = json!(["nowhere.example.com"]);
    let mut self_parent = route("of-service", &backend("a"));
    self_parent["spec"]["parentRefs"] = json!([{ "group": "", "kind": "Service", "name": "a" }]);
    let mut nobodys = gateway("nobodys");
    nobodys["spec"]["gatewayClassName"] = json!("missing");
    let mut zero = route("zero", &backend("a"));
    zero["spec"]["rules"][0]["backendRefs"][0]["weight"] = json!(0);
    let mut nothing = route("nothing", &backend("a"));
    nothing["spec"] = json!({});
    let mut numbers = policy("numbers", &target("a"));
    numbers["spec"]["config"]["retryOn"] = json!(["1xx"]);
    let kind = policy("kind", &json!({ "kind": "Gateway", "name": "web" }));
    for it in [no_host, self_parent, nobodys, zero, nothing, numbers, kind] {
        // What the schema refuses after all is no object.
        let list = it.to_string();
        site.namespace.apply(&list).unwrap_or_default();
    }
    site.works();
    site.await_said("retrypolicy/numbers", &["Accepted=False/Invalid"]);
}

#[test]
fn https_is_refused_on_its_listener_and_the_other_listeners_serve() {
    let site = Site::shared();
    let mut both = gateway("web");
    let tls = json!({ "certificateRefs": [{ "name": "certificate" }] });
    let https = json!({ "name": "https", "protocol": "HTTPS", "port": 8443, "tls": tls });
    both["spec"]["listeners"].as_array_mut().unwrap().push(https);
    site.apply(&[both]);
    let listener = Subject { object: "gateway/web", listener: Some("https") };
    let expected = ["Accepted=False/UnsupportedProtocol", "Programmed=False/Invalid"];
    statuses::await_said(&site.namespace, listener, &expected).unwrap();
    site.await_said("gateway/web", &["Accepted=True/ListenersNotValid"]);
    site.works();
    let service = statuses::object(&site.namespace, &format!("service/{BASE}")).unwrap();
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert!(ports.iter().all(|port| port["port"] != 8443), "nothing answers there: {ports:?}");
}

/// The schema knows fewer types than vendors do, and more than this build acts on.
#[test]
fn an_unknown_filter_takes_its_own_rule_away_and_nothing_else() {
    let site = Site::shared();
    let with = |filter: &Value| {
        let mut route = route("filtered", &backend("a"));
        let mut filtered = route["spec"]["rules"][0].clone();
        filtered["matches"][0]["path"]["value"] = json!("/filtered/by");
        filtered["filters"] = json!([filter]);
        route["spec"]["rules"].as_array_mut().unwrap().push(filtered);
        route
    };
    let refused = site.namespace.apply_all(&[with(&json!({ "type": "Teleport" }))]).unwrap_err();
    assert!(format!("{refused:#}").contains("spec.rules[1].filters[0].type"), "{refused:#}");
    let theirs = json!({ "group": "example.com", "kind": "Teleport", "name": "mars" });
    site.apply(&[with(&json!({ "type": "ExtensionRef", "extensionRef": theirs }))]);
    site.await_said(
        "httproute/filtered",
        &["Accepted=True/Accepted", "PartiallyInvalid=True/UnsupportedValue"],
    );
    site.works();
}

#[test]
fn an_enormous_route_does_not_take_the_others_away() {
    let site = Site::shared();
    let rules: Vec<_> = (0..16)
        .map(|rule| {
            let matches: Vec<_> = (0..64)
                .map(|it| json!({ "path": { "type": "PathPrefix", "value": format!("/{}/{rule}/{it}", "x".repeat(900)) } }))
                .collect();
            // The CRD allows 128 matches in a route.
            json!({ "matches": matches[..8], "backendRefs": [{ "name": "a", "port": 8080 }] })
        })
        .collect();
    let mut huge = route("huge", &backend("a"));
    huge["spec"]["rules"] = json!(rules);
    site.apply(&[huge]);
    site.await_said("httproute/huge", &["Accepted=True/Accepted"]);
    site.works();
}

/// Nothing but endpoints changes here: nobody edits an object that is decided about.
#[test]
fn a_gateway_with_more_endpoints_than_it_can_have_says_so_and_keeps_what_it_has() {
    // The eleventh is one too many.
    const SLICES_MAX: usize = 10;
    const PER_SLICE: usize = 1000;
    let site = Site::shared();
    let crowded = |name: &str, number: usize| {
        let mut crowded = slice("a", Ipv4Addr::UNSPECIFIED);
        crowded["metadata"]["name"] = json!(name);
        let address = |it: usize| format!("10.{number}.{}.{}", it / 250, it % 250 + 1);
        crowded["endpoints"] = (0..PER_SLICE).map(|it| json!({ "addresses": [address(it)] })).collect();
        crowded
    };
    site.apply(&(0..SLICES_MAX).map(|it| crowded(&format!("a-{it}"), it)).collect::<Vec<_>>());
    site.works();
    let before = site.generation();
    site.apply(&[crowded("a-more", SLICES_MAX)]);
    let gateway = site.await_said("gateway/web", &["Accepted=True/Accepted", "Programmed=False/Invalid"]);
    let conditions = gateway["status"]["conditions"].to_string();
    assert!(conditions.contains("more than 10000"), "{conditions}");
    assert_eq!(site.generation(), before);
    site.namespace.kubectl(&["delete", "endpointslice", "a-more"]).unwrap();
    site.await_said("gateway/web", &["Programmed=False/Pending"]);
    site.works();
}

/// In an API server of its own: the class is there before the operator.
#[test]
fn a_class_of_our_name_that_is_somebody_elses_is_left_alone() {
    let environment = Environment::start().unwrap();
    let cluster = environment.cluster();
    let theirs = object(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        "fsm",
        &json!({ "controllerName": "example.com/theirs" }),
    );
    cluster.apply(&theirs.to_string(), &[]).unwrap();
    let before = cluster.kubectl(&["get", "gatewayclass", "fsm", "-o", "json"]).unwrap();
    let ours = object(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        "ours",
        &json!({ "controllerName": "gateway.flomesh.io/rebound" }),
    );
    cluster.apply(&ours.to_string(), &[]).unwrap();
    let operator = Arc::new(Operator::start(&operator_rig::install(cluster).unwrap()).unwrap());
    let site = Site::new(cluster, operator);
    let mut mine = gateway("mine");
    mine["spec"]["gatewayClassName"] = json!("ours");
    site.apply(&[mine]);
    site.await_said("gateway/mine", &["Accepted=True/Accepted"]);
    assert_eq!(cluster.kubectl(&["get", "gatewayclass", "fsm", "-o", "json"]).unwrap(), before);
    let told = || {
        let events = cluster.kubectl(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"]).ok()?;
        let events: Value = serde_json::from_str(&events).ok()?;
        let is_about = |it: &&Value| it["regarding"]["kind"] == "GatewayClass" && it["type"] == "Warning";
        let about: Vec<_> = events["items"].as_array()?.iter().filter(is_about).cloned().collect();
        (!about.is_empty()).then_some(about)
    };
    let told = poll(SOON, told).unwrap_or_else(|| panic!("{}", site.operator.log_end()));
    assert_eq!((told.len(), &told[0]["regarding"]["name"]), (1, &json!("fsm")), "{told:?}");
    assert_eq!(told[0]["reason"], "OtherController");
    assert!(told[0]["series"].is_null(), "told once: {told:?}");
    assert_eq!(site.operator.log().matches("belongs to example.com/theirs").count(), 1);
    let made: BTreeSet<_> = contents(&site.namespace).unwrap().into_keys().collect();
    assert!(made.contains("Deployment/mine-ours") && !made.contains("Deployment/web-fsm"), "{made:?}");
}
