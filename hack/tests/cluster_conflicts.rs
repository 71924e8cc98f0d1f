//! Who wins, who may refer to whom, and what is left alone: promises that need more than one object, on a real API
//! server.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use hack::apiserver::{Cluster, Environment, TestNamespace};
use hack::fault_proxy::FaultProxy;
use hack::objects::{backend, gateway, object, policy, route, service, target};
use hack::operator_rig::{self, Operator};
use hack::rig::poll;
use hack::statuses::{self, Subject};
use serde_json::{Value, json};

/// How long it may take until everything has been said.
const SETTLED_MAX: Duration = Duration::from_secs(30);

/// A namespace with a Gateway `web`, a Service `s` and a route `r` to it, and the operator.
struct Place {
    namespace: TestNamespace,
    operator: Arc<Operator>,
}

impl Place {
    fn new() -> Self {
        Self::with(Operator::shared().unwrap(), &Cluster::shared().unwrap())
    }

    fn with(operator: Arc<Operator>, cluster: &Cluster) -> Self {
        let namespace = cluster.namespace("conflicts").unwrap();
        let place = Self { namespace, operator };
        place.apply(&[gateway("web"), service("s"), route("r", &backend("s"))]);
        place
    }

    fn apply(&self, objects: &[Value]) {
        self.namespace.apply_all(objects).unwrap();
    }

    fn await_said(&self, name: &str, expected: &[&str]) -> Value {
        let said = statuses::await_said(&self.namespace, Subject::of(name), expected);
        said.unwrap_or_else(|error| panic!("{error:#}\n{}", self.operator.log_end()))
    }

    fn delete(&self, name: &str) {
        self.namespace.kubectl(&["delete", name]).unwrap();
    }
}

#[test]
fn s83_a_policy_takes_effect_when_its_service_comes() {
    let place = Place::new();
    place.apply(&[policy("p", &target("later"))]);
    place.await_said("retrypolicy/p", &["Accepted=False/TargetNotFound"]);
    place.apply(&[service("later")]);
    place.await_said("retrypolicy/p", &["Accepted=True/Accepted"]);
    place.delete("service/later");
    place.await_said("retrypolicy/p", &["Accepted=False/TargetNotFound"]);
}

#[test]
fn s84_the_oldest_policy_has_the_port_and_the_next_one_when_it_goes() {
    let place = Place::new();
    place.apply(&[policy("z", &target("s"))]);
    place.await_said("retrypolicy/z", &["Accepted=True/Accepted"]);
    // Ages are whole seconds, and one of the same age would win by its name.
    let born = |name: &str| {
        statuses::object(&place.namespace, name).unwrap()["metadata"]["creationTimestamp"].clone()
    };
    poll(SETTLED_MAX, || {
        place.namespace.kubectl(&["delete", "retrypolicy/a", "--ignore-not-found"]).unwrap();
        place.apply(&[policy("a", &target("s"))]);
        (born("retrypolicy/a") != born("retrypolicy/z")).then_some(())
    });
    place.await_said("retrypolicy/a", &["Accepted=False/Conflicted"]);
    place.await_said("retrypolicy/z", &["Accepted=True/Accepted"]);
    place.delete("retrypolicy/z");
    place.await_said("retrypolicy/a", &["Accepted=True/Accepted"]);
}

#[test]
fn s84_of_policies_of_one_age_the_first_by_name_has_the_port() {
    let place = Place::new();
    let born = |name: &str| {
        statuses::object(&place.namespace, name).unwrap()["metadata"]["creationTimestamp"].clone()
    };
    let are_twins = poll(SETTLED_MAX, || {
        place.namespace.kubectl(&["delete", "retrypolicy", "b", "a", "--ignore-not-found"]).unwrap();
        place.apply(&[policy("b", &target("s")), policy("a", &target("s"))]);
        (born("retrypolicy/a") == born("retrypolicy/b")).then_some(())
    });
    are_twins.unwrap();
    place.await_said("retrypolicy/a", &["Accepted=True/Accepted"]);
    place.await_said("retrypolicy/b", &["Accepted=False/Conflicted"]);
}

#[test]
fn s85_another_namespace_is_referred_to_with_a_grant_and_not_after_it_is_revoked() {
    let (place, other) = (Place::new(), Place::new());
    let target = json!({ "kind": "Service", "name": "s", "namespace": other.namespace.name() });
    let elsewhere = json!({ "name": "s", "namespace": other.namespace.name(), "port": 8080 });
    place.apply(&[policy("p", &target), route("r", &elsewhere)]);
    place.await_said("retrypolicy/p", &["Accepted=False/RefNotPermitted"]);
    place.await_said("httproute/r", &["ResolvedRefs=False/RefNotPermitted"]);
    let from = |group: &str, kind: &str| json!({ "group": group, "kind": kind, "namespace": place.namespace.name() });
    let from = [from("gateway.flomesh.io", "RetryPolicy"), from("gateway.networking.k8s.io", "HTTPRoute")];
    let grant = json!({ "from": from, "to": [{ "group": "", "kind": "Service" }] });
    other.apply(&[object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "g", &grant)]);
    place.await_said("retrypolicy/p", &["Accepted=True/Accepted"]);
    place.await_said("httproute/r", &["ResolvedRefs=True/ResolvedRefs"]);
    other.delete("referencegrant/g");
    place.await_said("retrypolicy/p", &["Accepted=False/RefNotPermitted"]);
    place.await_said("httproute/r", &["ResolvedRefs=False/RefNotPermitted"]);
}

#[test]
fn s86_what_other_controllers_say_stays_and_what_we_said_goes_with_the_reference() {
    let place = Place::new();
    place.await_said("httproute/r", &["Accepted=True/Accepted"]);
    let time = "2026-01-01T00:00:00Z";
    let theirs = json!({
        "controllerName": "example.com/theirs",
        "parentRef": { "name": "theirs" },
        "conditions": [{ "type": "Accepted", "status": "True", "reason": "Theirs", "message": "", "lastTransitionTime": time }],
    });
    let add = json!([{ "op": "add", "path": "/status/parents/0", "value": theirs }]).to_string();
    let patch = ["patch", "httproute/r", "--subresource=status", "--type=json", "-p", &add];
    place.namespace.kubectl(&patch).unwrap();
    let stays = |object: &Value| {
        let parents = object["status"]["parents"].as_array().unwrap().clone();
        let mut kept = parents.into_iter().filter(|it| it["controllerName"] == "example.com/theirs");
        let kept = kept.next().unwrap();
        assert_eq!(kept["conditions"], theirs["conditions"]);
    };
    // An edit makes us write.
    place.apply(&[route("r", &backend("missing"))]);
    stays(&place.await_said("httproute/r", &["ResolvedRefs=False/BackendNotFound", "Accepted=True/Theirs"]));
    // A route that names no Gateway of ours is none of our business any more.
    let leave =
        json!([{ "op": "replace", "path": "/spec/parentRefs", "value": [{ "name": "theirs" }] }]).to_string();
    place.namespace.kubectl(&["patch", "httproute/r", "--type=json", "-p", &leave]).unwrap();
    let alone = || {
        let object = statuses::object(&place.namespace, "httproute/r")?;
        (object["status"]["parents"].as_array()?.len() == 1).then_some(object)
    };
    stays(&poll(SETTLED_MAX, alone).unwrap_or_else(|| panic!("{}", place.operator.log_end())));
}

#[test]
fn s86_conditions_are_about_the_generation_that_is_there() {
    let place = Place::new();
    place.apply(&[policy("p", &target("s"))]);
    place.await_said("retrypolicy/p", &["Accepted=True/Accepted"]);
    place.apply(&[policy("p", &target("missing"))]);
    let object = place.await_said("retrypolicy/p", &["Accepted=False/TargetNotFound"]);
    let condition = &object["status"]["ancestors"][0]["conditions"][0];
    assert_eq!(condition["observedGeneration"], object["metadata"]["generation"]);
    assert_eq!(object["metadata"]["generation"], 2);
}

/// In an API server of its own: the leader of the shared one is everybody's, and cannot be restarted.
#[test]
fn nothing_is_written_without_a_difference_also_after_a_restart() {
    let environment = Environment::start().unwrap();
    let rights = operator_rig::install(environment.cluster()).unwrap();
    let proxy = FaultProxy::start(&rights).unwrap();
    let operator = Arc::new(Operator::spawn(proxy.kubeconfig()).unwrap());
    let place = Place::with(operator, environment.cluster());
    place.apply(&[policy("p", &target("s"))]);
    place.await_said("retrypolicy/p", &["Accepted=True/Accepted"]);
    place.await_said("gateway/web", &["Accepted=True/Accepted"]);
    // What others have to say of these objects is said now: an own round for each.
    rounds_without_a_difference(&place);
    let writes = proxy.list_writes();
    rounds_without_a_difference(&place);
    assert_eq!(*writes.lock().unwrap(), Vec::<String>::new());

    let Place { namespace, operator } = place;
    Arc::into_inner(operator).unwrap().stop().unwrap();
    let place = Place { namespace, operator: Arc::new(Operator::spawn(proxy.kubeconfig()).unwrap()) };
    place.operator.await_leading().unwrap();
    rounds_without_a_difference(&place);
    assert_eq!(*writes.lock().unwrap(), Vec::<String>::new(), "{}", place.operator.log_end());
}

/// Lets the operator look at everything again and again: each grant stirs it, and allows what nobody asks for.
fn rounds_without_a_difference(place: &Place) {
    for name in ["one", "two", "three"] {
        let before = rounds(&place.operator);
        let from =
            json!({ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "nowhere" });
        let grant = json!({ "from": [from], "to": [{ "group": "", "kind": "Service", "name": name }] });
        place.apply(&[object("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "g", &grant)]);
        let later = poll(SETTLED_MAX, || (rounds(&place.operator) > before).then_some(()));
        assert!(later.is_some(), "{}", place.operator.log_end());
    }
}

/// How often the operator has looked at everything and written what differed.
fn rounds(operator: &Operator) -> u64 {
    let page = operator.about("/metrics").unwrap_or_default();
    let of_all = page
        .lines()
        .filter(|line| line.contains("reconcile_rounds_total{") && line.contains("scope=\"all\""));
    of_all.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}
