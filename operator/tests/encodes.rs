//! Whatever users write: what `validate` accepts can be given to a data plane, and nothing panics.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rebound_operator::build::{self, Config, Install};
use rebound_operator::observe::world::{Observed, Surroundings, World};
use rebound_operator::{translate, validate};
use serde_json::{Value, json};

const CONTROLLER: &str = "gateway.flomesh.io/rebound";

/// Texts that are right somewhere and wrong elsewhere.
const TEXTS: [&str; 30] = [
    "",
    "/",
    "/a/",
    "/a//b",
    "//",
    "a b",
    "é",
    "x-ok",
    "X-Ok",
    "Content-Length",
    "*.example.com",
    "*.*.com",
    "A.b",
    "a..b",
    "0s",
    "1s",
    "500ms",
    "99999h",
    "1.5s",
    "(",
    ".*",
    "a)|(b",
    "GET",
    "get",
    "Exact",
    "PathPrefix",
    "RegularExpression",
    "line\nbreak",
    "\u{7f}",
    "tab\tbed",
];
const NUMBERS: [i64; 12] = [-1, 0, 1, 80, 199, 400, 503, 600, 65535, 65536, 1_000_000, 1_000_001];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_accepted_can_be_encoded(listeners in vec(listener(), 0..4), routes in vec(route(), 0..4)) {
        let world = world(&listeners, &routes);
        let (accepted, _) = validate::decide(&world, &mut <_>::default());
        let snapshots = translate::snapshots(&world, &accepted, &mut <_>::default());
        for desired in build::resources(&accepted, snapshots, &BTreeMap::new(), &Install::default()) {
            if let Config::TooMuch { message } = desired.config {
                panic!("{message}\n{}", json!({ "listeners": listeners, "routes": routes }));
            }
        }
    }
}

fn world(listeners: &[Value], routes: &[Value]) -> World {
    let gateway = json!({ "metadata": { "namespace": "default", "name": "gw" },
        "spec": { "gatewayClassName": "fsm", "listeners": listeners } });
    let class = json!({ "metadata": { "name": "fsm" }, "spec": { "controllerName": CONTROLLER } });
    let service = json!({ "spec": { "ports": [{ "port": 80 }] } });
    let route = |(index, spec): (usize, &Value)| json!({ "metadata": { "namespace": "default", "name": format!("r{index}") }, "spec": spec });
    let around = Surroundings {
        controller: CONTROLLER.into(),
        classes: vec![serde_json::from_value(class).unwrap()],
        gateways: vec![observed(gateway)],
        services: [("default/web".parse().unwrap(), serde_json::from_value(service).unwrap())].into(),
        ..Surroundings::default()
    };
    let routes = routes.iter().enumerate().map(|it| Arc::new(observed(route(it)))).collect();
    World { around: around.into(), routes, ..World::default() }
}

fn observed<T: serde::de::DeserializeOwned>(value: Value) -> Observed<T> {
    let meta = serde_json::from_value(value["metadata"].clone()).unwrap();
    Observed::new(&meta, serde_json::from_value(value).unwrap()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![9 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => "[a-zA-Z0-9*./-]{0,300}"]
}

fn or_right(right: i64) -> impl Strategy<Value = i64> {
    prop_oneof![15 => Just(right), 1 => select(&NUMBERS[..])]
}

/// Mostly what nobody can object to: one mistake takes a whole rule out, and the rest would never be looked at.
fn or_fine(fine: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![15 => Just(fine.to_owned()), 1 => text()]
}

fn listener() -> impl Strategy<Value = Value> {
    let name = prop_oneof![15 => select(&["a", "b", "c", "d"][..]).prop_map(str::to_owned), 1 => text()];
    (name, or_fine(""), or_right(80), select(&["HTTP", "HTTP", "HTTPS"][..])).prop_map(|(name, hostname, port, protocol)| {
        json!({ "name": name, "hostname": hostname, "port": port, "protocol": protocol })
    })
}

fn route() -> impl Strategy<Value = Value> {
    (vec(or_fine("a.example.com"), 0..2), vec(rule(), 0..3)).prop_map(|(hostnames, rules)| {
        json!({ "parentRefs": [{ "name": "gw" }], "hostnames": hostnames, "rules": rules })
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let parts = (
        vec(match_(), 0..3),
        vec(filter(), 0..3),
        vec(backend(), 0..3),
        or_fine("1s"),
        or_fine("1s"),
        retry(),
    );
    parts.prop_map(|(matches, filters, backends, request, attempt, retry)| {
        let timeouts = json!({ "request": request, "backendRequest": attempt });
        json!({ "matches": matches, "filters": filters, "backendRefs": backends, "timeouts": timeouts, "retry": retry })
    })
}

fn match_() -> impl Strategy<Value = Value> {
    let value = (or_fine("Exact"), or_fine("x-ok"), text());
    let value = value.prop_map(|(kind, name, value)| json!({ "type": kind, "name": name, "value": value }));
    let parts = (or_fine("PathPrefix"), or_fine("/a/"), or_fine("GET"), vec(value, 0..3));
    parts.prop_map(|(kind, path, method, values)| {
        let path = json!({ "type": kind, "value": path });
        json!({ "path": path, "method": method, "headers": values, "queryParams": values })
    })
}

fn filter() -> impl Strategy<Value = Value> {
    let kind = select(&["RequestHeaderModifier", "ResponseHeaderModifier"][..]);
    (kind, edits(), edits()).prop_map(|(kind, request, response)| {
        json!({ "type": kind, "requestHeaderModifier": request, "responseHeaderModifier": response })
    })
}

fn edits() -> impl Strategy<Value = Value> {
    (or_fine("x-ok"), or_fine("v"), or_fine("x-gone")).prop_map(
        |(name, value, gone)| json!({ "set": [{ "name": name, "value": value }], "remove": [gone] }),
    )
}

fn backend() -> impl Strategy<Value = Value> {
    (or_fine("web"), or_right(80), or_right(1), vec(filter(), 0..2)).prop_map(|(name, port, weight, filters)| {
        json!({ "name": name, "port": port, "weight": weight, "filters": filters })
    })
}

fn retry() -> impl Strategy<Value = Value> {
    (vec(or_right(503), 0..4), or_right(1), or_fine("25ms")).prop_map(
        |(codes, attempts, backoff)| json!({ "codes": codes, "attempts": attempts, "backoff": backoff }),
    )
}
