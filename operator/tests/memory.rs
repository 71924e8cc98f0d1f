//! What a walk remembers changes nothing but its cost: after any number of edits it says what a walk without memory
//! says of the same world.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rebound_api::config::Snapshot;
use rebound_operator::observe::world::{Observed, World};
use rebound_operator::status::conditions::progress::{Needs, Outcome};
use rebound_operator::status::conditions::{self, statuses};
use rebound_operator::{translate, validate};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAMESPACES: [&str; 2] = ["one", "two"];
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Somebody writes an object, or takes one away.
#[derive(Debug, Clone)]
struct Edit {
    kind: &'static str,
    namespace: &'static str,
    name: &'static str,
    /// None: it goes.
    spec: Option<Value>,
}

/// What walks remember.
#[derive(Default)]
struct Memory {
    judged: validate::Memory,
    translated: translate::Memory,
    said: conditions::Memory,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn it_changes_nothing_whatever_is_edited(edits in vec(vec(edit(), 1..4), 1..12)) {
        let (mut world, mut memory) = (empty(), Memory::default());
        for edit in edits {
            edit.iter().for_each(|edit| apply(&mut world, edit));
            world.sort();
            prop_assert_eq!(walk(&world, &mut memory), walk(&world, &mut Memory::default()));
        }
    }
}

#[test]
fn what_has_not_changed_is_the_same_as_before() {
    let (mut world, mut memory) = (empty(), Memory::default());
    for (kind, name, spec) in [("Service", "a", service(80)), ("Gateway", "a", gateway("a.example.com"))] {
        apply(&mut world, &Edit { kind, namespace: "one", name, spec: Some(spec) });
    }
    for name in NAMES {
        let spec = Some(route("a", "a", "a.example.com", "v"));
        apply(&mut world, &Edit { kind: "HTTPRoute", namespace: "one", name, spec });
    }
    let (before, _) = walk(&world, &mut memory);
    let spec = Some(route("a", "a", "a.example.com", "w"));
    apply(&mut world, &Edit { kind: "HTTPRoute", namespace: "one", name: "b", spec });
    world.sort();
    let (after, _) = walk(&world, &mut memory);
    let routes = before[0].routes.iter().zip(&after[0].routes);
    assert_eq!(routes.map(|(before, after)| before.is(after)).collect::<Vec<_>>(), [true, false, true]);
}

/// The snapshots, and everything that is said.
fn walk(world: &World, memory: &mut Memory) -> (Vec<Snapshot>, Value) {
    let (accepted, verdicts) = validate::decide(world, &mut memory.judged);
    let snapshots = translate::snapshots(world, &accepted, &mut memory.translated);
    let outcome =
        Outcome { verdicts: &verdicts, applied: &[], fleets: &BTreeMap::new(), needs: &Needs::default() };
    let said = statuses(&outcome, &mut memory.said);
    (snapshots, json!({ "statuses": said, "notes": verdicts.notes }))
}

fn empty() -> World {
    let mut world = World::default();
    let class = json!({ "metadata": { "name": "fsm" }, "spec": { "controllerName": "example.com/us" } });
    world.around().controller = "example.com/us".into();
    world.around().classes.push(serde_json::from_value(class).unwrap());
    world
}

fn apply(world: &mut World, Edit { kind, namespace, name, spec }: &Edit) {
    world.remove(kind, namespace, name);
    let Some(spec) = spec else { return };
    let object = json!({ "metadata": { "namespace": namespace, "name": name }, "spec": spec });
    match *kind {
        "HTTPRoute" => world.routes.push(Arc::new(observed(object))),
        "RetryPolicy" => world.policies.push(observed(object)),
        "Gateway" => world.around().gateways.push(observed(object)),
        "ReferenceGrant" => world.around().grants.push(observed(object)),
        "Service" => {
            let service = observed(object);
            world.around().services.insert(service.key, service.object);
        }
        _ => {
            let labels = [("team".to_owned(), spec.as_str().unwrap().to_owned())];
            world.around().namespaces.insert((*name).into(), labels.into());
        }
    }
}

fn observed<T: DeserializeOwned>(object: Value) -> Observed<T> {
    let meta = serde_json::from_value(object["metadata"].clone()).unwrap();
    Observed::new(&meta, serde_json::from_value(object).unwrap()).unwrap()
}

fn edit() -> impl Strategy<Value = Edit> {
    let host = || select(&["a.example.com", "*.example.com", "b.test"][..]);
    let value = || select(&["v", "w"][..]);
    let port = || select(&[80_u16, 81][..]);
    let spec = prop_oneof![
        8 => (select(&NAMES[..]), select(&NAMES[..]), host(), value())
            .prop_map(|(parent, backend, host, value)| ("HTTPRoute", route(parent, backend, host, value))),
        2 => (select(&NAMES[..]), port()).prop_map(|(target, port)| ("RetryPolicy", policy(target, port))),
        2 => host().prop_map(|host| ("Gateway", gateway(host))),
        2 => port().prop_map(|port| ("Service", service(port))),
        1 => select(&NAMESPACES[..]).prop_map(|from| ("ReferenceGrant", grant(from))),
        1 => value().prop_map(|team| ("Namespace", json!(team))),
    ];
    let place = (select(&NAMESPACES[..]), select(&NAMES[..]));
    (spec, place, prop::bool::weighted(0.8)).prop_map(|((kind, spec), (namespace, name), stays)| {
        let name = if kind == "Namespace" { namespace } else { name };
        Edit { kind, namespace, name, spec: stays.then_some(spec) }
    })
}

fn gateway(host: &str) -> Value {
    let selector = json!({ "matchLabels": { "team": "v" } });
    let listeners = json!([
        { "name": "all", "protocol": "HTTP", "port": 80, "allowedRoutes": { "namespaces": { "from": "All" } } },
        { "name": "some", "protocol": "HTTP", "port": 81, "hostname": host,
            "allowedRoutes": { "namespaces": { "from": "Selector", "selector": selector } } },
    ]);
    json!({ "gatewayClassName": "fsm", "listeners": listeners })
}

/// Of namespace `one`, wherever the route is.
fn route(parent: &str, backend: &str, host: &str, value: &str) -> Value {
    let header = json!({ "set": [{ "name": "x-edit", "value": value }] });
    let rule = json!({
        "filters": [{ "type": "RequestHeaderModifier", "requestHeaderModifier": header }],
        "backendRefs": [{ "namespace": "one", "name": backend, "port": 80 }],
        "retry": if value == "w" { json!({ "attempts": 2 }) } else { Value::Null },
    });
    json!({ "parentRefs": [{ "namespace": "one", "name": parent }], "hostnames": [host], "rules": [rule] })
}

fn service(port: u16) -> Value {
    json!({ "ports": [{ "port": 80 }, { "port": port + 10 }] })
}

fn policy(target: &str, port: u16) -> Value {
    let target = json!({ "kind": "Service", "namespace": "one", "name": target });
    let config = json!({ "retryOn": ["5xx"], "numRetries": port % 5 });
    json!({ "targetRef": target, "ports": [{ "port": 80 }], "config": config })
}

fn grant(from: &str) -> Value {
    json!({
        "from": [{ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": from },
            { "group": "gateway.flomesh.io", "kind": "RetryPolicy", "namespace": from }],
        "to": [{ "group": "", "kind": "Service" }],
    })
}
