//! RetryPolicies by the thousand: valid ones with every field, and valid ones with a few changes that make most of
//! them wrong. The same seed makes the same policies.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// The most changes of one policy.
const CHANGES_MAX: usize = 3;

/// What is put in place of anything: values of every type, at and beyond bounds, of every grammar that there is.
const VALUES: &str = r#"[
    null, true, false, {}, [], "", [[]], [null], {"x": 1}, "x", " ",
    0, 1, -1, 2, 10, 11, 16, 17, 60, 61, 100, 101, 399, 400, 599, 600, 65535, 65536, 1000000, 1000001,
    2147483647, 2147483648, -2147483649, 4294967296, 9007199254740993, 18446744073709551615,
    0.0, -0.0, 1.0, 3.0, 0.5, 0.0005, 0.001, 0.0009999, 0.1, 1.5, 59.999, 60.0, 60.001, 10.5, 1e9, 1e-9, 1e300,
    "0s", "1s", "5s", "0.5s", "1h0m0s", "100ms", "1m30s", "24h", "25h", "99999h", "100000s", "1d", "1us", "-1s", "5",
    "1s1s1s1s", "1s1s1s1s1s", "1S", "s", "2s ",
    "5xx", "4xx", "6xx", "5XX", "503", "99", "399", "400", "599", "600", "502-504", "504-502", "5xx-503", "502-",
    "reset", "connect-failure", "refused-stream", "reset-before-request", "per-try-timeout", "gateway-error",
    "invalid-response", "Reset", "conect-failure", "retriable-4xx", "grpc:unavailable", "grpc:nothing", "grpc:",
    "64Ki", "16Mi", "17Mi", "1e3", "100m", "1.5Ki", "0.3", "-1Ki", "1Gi", 65536, 16777216, 16777217,
    "Service", "ServiceImport", "Pod", "flomesh.io", "multicluster.x-k8s.io", "core", "a.b", "UPPER", "-a",
    "Enforce", "DryRun", "Disabled", "Enabled", "Off", "Preferred", "Full", "None", "none", "Honor", "Always",
    "IdempotencyKey", "UnsentOnly", "Suppress", "Exact", "RegularExpression", "Keep", "Break",
    "GET", "get", "POST", "G E T", "x-retry", "X Retry", "a,b", "(", "ünïcode", "a\nb", "\u0000",
    [1], ["5xx"], ["5xx", "5xx"], ["503", "5xx"], [503], ["GET", "GET"], [429, 429], ["6xx", "abc"]
]"#;

/// Fields that are added where there may be none such.
const NAMES: [&str; 14] = [
    "config",
    "retry",
    "ports",
    "targetRef",
    "targetRefs",
    "mode",
    "numRetries",
    "numretries",
    "retryOn",
    "totalTimeout",
    "percent",
    "namespace",
    "status",
    "unknown",
];

/// As many policies as are asked for; those at even places are unchanged.
pub(crate) fn policies(seed: u64, count: usize) -> Vec<Value> {
    let mut rng = Rng::with_seed(seed);
    let values: Vec<Value> = serde_json::from_str(VALUES).unwrap();
    let policy = |index: usize| {
        let mut spec = spec(&mut rng);
        if index % 2 == 1 {
            (0..rng.usize(1..=CHANGES_MAX)).for_each(|_| change(&mut rng, &values, &mut spec));
        }
        json!({
            "apiVersion": "gateway.flomesh.io/v1alpha1",
            "kind": "RetryPolicy",
            "metadata": { "name": format!("p{index}") },
            "spec": spec,
        })
    };
    (0..count).map(policy).collect()
}

fn spec(rng: &mut Rng) -> Value {
    let mut spec = Map::new();
    if rng.bool() {
        spec.insert("targetRef".into(), target(rng));
    } else {
        let targets: Vec<_> =
            (0..rng.usize(1..4)).map(|n| named(target(rng), &format!("service-{n}"))).collect();
        spec.insert("targetRefs".into(), targets.into());
    }
    maybe(rng, &mut spec, "mode", |rng| pick(rng, &["Enforce", "DryRun", "Disabled"]));
    let name = if rng.bool() { "config" } else { "retry" };
    spec.insert(name.into(), config(rng, true));
    maybe(rng, &mut spec, "ports", |rng| (0..rng.usize(1..4)).map(|n| port(rng, 8080 + n)).collect());
    spec.into()
}

fn target(rng: &mut Rng) -> Value {
    let mut target = Map::new();
    let is_import = rng.u8(..8) == 0;
    target.insert("kind".into(), if is_import { "ServiceImport" } else { "Service" }.into());
    target.insert("name".into(), "orders".into());
    if is_import {
        target.insert("group".into(), pick(rng, &["flomesh.io", "multicluster.x-k8s.io"]));
    } else {
        maybe(rng, &mut target, "group", |_| "".into());
    }
    maybe(rng, &mut target, "namespace", |rng| pick(rng, &["shop", "server"]));
    target.into()
}

fn named(mut target: Value, name: &str) -> Value {
    target["name"] = name.into();
    target
}

fn port(rng: &mut Rng, number: usize) -> Value {
    let mut port = Map::new();
    port.insert("port".into(), number.into());
    if rng.bool() {
        let name = if rng.bool() { "config" } else { "retry" };
        port.insert(name.into(), config(rng, false));
    }
    port.into()
}

fn config(rng: &mut Rng, is_whole: bool) -> Value {
    let mut config = Map::new();
    if is_whole || rng.bool() {
        config.insert("retryOn".into(), retry_on(rng));
    }
    maybe(rng, &mut config, "numRetries", |rng| rng.u8(0..=10).into());
    maybe(rng, &mut config, "backoffBaseInterval", |rng| {
        pick_value(rng, &json!([0.001, 0.025, 0.5, 1, 2, 2.0, 1.25]))
    });
    maybe(rng, &mut config, "backoff", backoff);
    maybe(rng, &mut config, "perTryTimeout", |rng| pick(rng, &["250ms", "1s", "2s", "0s"]));
    maybe(rng, &mut config, "totalTimeout", |rng| pick(rng, &["2s", "15s", "1m", "0s", "1h30m"]));
    maybe(rng, &mut config, "retryAfter", retry_after);
    maybe(rng, &mut config, "nonIdempotent", |rng| pick(rng, &["UnsentOnly", "IdempotencyKey", "Always"]));
    maybe(rng, &mut config, "methods", |rng| {
        pick_value(rng, &json!([[], ["GET"], ["GET", "POST"], ["PURGE"]]))
    });
    maybe(rng, &mut config, "responseHeaders", |rng| {
        pick_value(
            rng,
            &json!([[], [{ "name": "x-retry", "value": "yes" }], [{ "name": "a", "type": "Exact", "value": "b" }]]),
        )
    });
    maybe(
        rng,
        &mut config,
        "requestBody",
        |rng| json!({ "maxBufferedBytes": pick_value(rng, &json!([0, 65536, "64Ki", "16Mi", "1.5Ki"])) }),
    );
    maybe(
        rng,
        &mut config,
        "hostSelection",
        |rng| json!({ "avoidTried": pick(rng, &["Preferred", "Off"]), "persistence": pick(rng, &["Keep", "Break"]) }),
    );
    maybe(rng, &mut config, "retryConstraint", constraint);
    maybe(rng, &mut config, "nested", |rng| pick(rng, &["Suppress", "Allow"]));
    maybe(rng, &mut config, "attemptHeaders", |rng| json!({ "request": rng.bool(), "response": rng.bool() }));
    config.into()
}

fn retry_on(rng: &mut Rng) -> Value {
    let all = ["5xx", "429", "409-412", "connect-failure", "reset", "per-try-timeout", "grpc:unavailable"];
    let count = rng.usize(1..=all.len());
    rng.choose_multiple(all, count).into()
}

fn backoff(rng: &mut Rng) -> Value {
    json!({
        "maxInterval": pick(rng, &["2s", "20s", "1m"]),
        "multiplier": rng.u8(1..=10),
        "jitter": pick(rng, &["Full", "Equal", "None", "Floor"]),
    })
}

fn retry_after(rng: &mut Rng) -> Value {
    json!({
        "mode": pick(rng, &["Honor", "Ignore"]),
        "maxDelay": pick(rng, &["5s", "30s"]),
        "statusCodes": pick_value(rng, &json!([[429], [503, 429]])),
    })
}

fn constraint(rng: &mut Rng) -> Value {
    json!({
        "mode": pick(rng, &["Enabled", "Disabled"]),
        "budget": { "percent": rng.u8(0..=100), "interval": pick(rng, &["1s", "10s", "1h"]) },
        "minRetryRate": { "count": pick_value(rng, &json!([0, 10, 1_000_000])), "interval": "1s" },
    })
}

fn maybe(rng: &mut Rng, fields: &mut Map<String, Value>, name: &str, value: impl FnOnce(&mut Rng) -> Value) {
    if rng.u8(..3) == 0 {
        fields.insert(name.into(), value(rng));
    }
}

fn pick(rng: &mut Rng, texts: &[&str]) -> Value {
    rng.choice(texts).copied().unwrap().into()
}

fn pick_value(rng: &mut Rng, values: &Value) -> Value {
    rng.choice(values.as_array().unwrap()).cloned().unwrap()
}

/// Replaces, removes, repeats or adds something, anywhere.
fn change(rng: &mut Rng, values: &[Value], spec: &mut Value) {
    let mut places = Vec::new();
    pointers(spec, "", &mut places);
    let place = rng.choice(places).unwrap();
    let chosen = rng.choice(values).unwrap().clone();
    match (rng.u8(..6), spec.pointer_mut(&place).unwrap()) {
        (0, Value::Object(fields)) => {
            drop(fields.insert((*rng.choice(NAMES.iter()).unwrap()).into(), chosen));
        }
        (1, Value::Object(fields)) => {
            let name = rng.choice(fields.keys()).cloned();
            name.and_then(|name| fields.remove(&name));
        }
        (0, Value::Array(items)) => items.push(chosen),
        (1, Value::Array(items)) => {
            *items = items.iter().cycle().take(17.min(items.len() * 17)).cloned().collect();
        }
        (_, value) => *value = chosen,
    }
}

fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| pointers(item, &format!("{at}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
