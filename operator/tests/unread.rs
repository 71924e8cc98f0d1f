//! A field that Rebound does not act on is told by its path, wherever in a kind of Gateway API it stands.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use rebound_operator::validate::object;
use serde_json::{Value, json};

fn route() -> Value {
    let headers = json!({ "set": [{ "name": "x", "value": "1" }], "add": [{ "name": "x", "value": "1" }] });
    let filters = json!([
        { "type": "RequestHeaderModifier", "requestHeaderModifier": headers },
        { "type": "ResponseHeaderModifier", "responseHeaderModifier": headers },
    ]);
    let value = json!([{ "name": "x", "value": "1" }]);
    let rule = json!({
        "matches": [{ "path": { "value": "/" }, "headers": value, "queryParams": value }],
        "filters": filters,
        "timeouts": { "request": "1s" },
        "retry": { "codes": [503] },
        "backendRefs": [{ "name": "web", "port": 80, "filters": filters }],
    });
    let spec = json!({ "parentRefs": [{ "name": "gw" }], "rules": [rule] });
    object("HTTPRoute", "v1", &spec)
}

fn gateway() -> Value {
    let requirement = json!({ "key": "team", "operator": "Exists" });
    let selector = json!({ "matchLabels": { "a": "b" }, "matchExpressions": [requirement] });
    let namespaces = json!({ "from": "Selector", "selector": selector });
    let allowed = json!({ "kinds": [{ "kind": "HTTPRoute" }], "namespaces": namespaces });
    let listener = json!({ "name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed });
    let parameters = json!({ "group": "gateway.flomesh.io", "kind": "GatewayConfig", "name": "x" });
    let spec = json!({
        "gatewayClassName": "fsm",
        "listeners": [listener],
        "addresses": [{ "value": "192.0.2.1" }],
        "infrastructure": { "labels": {}, "annotations": {}, "parametersRef": parameters },
    });
    object("Gateway", "v1", &spec)
}

fn grant() -> Value {
    let from = json!({ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a" });
    let spec = json!({ "from": [from], "to": [{ "group": "", "kind": "Service" }] });
    object("ReferenceGrant", "v1beta1", &spec)
}

fn class() -> Value {
    let group = "gateway.flomesh.io";
    let parameters = json!({ "group": group, "kind": "GatewayConfig", "name": "x", "namespace": "y" });
    let spec = json!({ "controllerName": "gateway.flomesh.io/rebound", "parametersRef": parameters });
    object("GatewayClass", "v1", &spec)
}

fn object(kind: &str, version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("gateway.networking.k8s.io/{version}"),
        "kind": kind,
        "metadata": { "name": "x", "namespace": "default" },
        "spec": spec,
    })
}

/// Maps whose keys are the user's own.
const FREE: [&str; 3] = ["matchLabels", "labels", "annotations"];

/// The pointer and the path of every map below `value`.
fn maps(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            found.push((pointer.into(), path.into()));
            for (name, field) in fields.iter().filter(|(name, _)| !FREE.contains(&name.as_str())) {
                maps(field, &format!("{pointer}/{name}"), &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                maps(item, &format!("{pointer}/{index}"), &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_misspelt_field_is_named_wherever_it_stands() {
    for (sound, count) in [(route(), 26), (gateway(), 10), (grant(), 3), (class(), 2)] {
        let report = object::admit(&sound).report;
        assert!(report.violations.is_empty() && report.warnings.is_empty(), "{report:?}");
        let mut places = Vec::new();
        maps(&sound["spec"], "/spec", "spec", &mut places);
        assert_eq!(places.len(), count, "{places:?}");
        for (pointer, path) in places {
            let mut misspelt = sound.clone();
            misspelt.pointer_mut(&pointer).unwrap()["misspelt"] = json!({ "from": "All" });
            let warnings = object::admit(&misspelt).report.warnings;
            let told: Vec<_> = warnings.iter().map(|it| it.path.clone()).collect();
            assert_eq!(told, [format!("{path}.misspelt")], "{}", sound["kind"]);
        }
    }
}
