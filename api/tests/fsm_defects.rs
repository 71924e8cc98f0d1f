//! What FSM's webhook for this kind got wrong, so that it is never got wrong here.
#![cfg(feature = "crd")]

use rebound_api::crd::retry_policy::{Checked, check};
use rebound_api::violation::Reason;
use serde_json::{Value, json};

fn checked(spec: &Value) -> Checked {
    check(&json!({
        "apiVersion": "gateway.flomesh.io/v1alpha1",
        "kind": "RetryPolicy",
        "metadata": { "name": "sample", "namespace": "server" },
        "spec": spec,
    }))
}

fn retrying_on(token: &str) -> Checked {
    checked(&json!({
        "targetRef": { "kind": "Service", "name": "fortio" },
        "ports": [{ "port": 8080, "config": { "retryOn": [token] } }],
    }))
}

#[track_caller]
fn refused(token: &str, lesson: &str) {
    let Checked { rules, report, .. } = retrying_on(token);
    assert!(rules.is_none(), "{token}");
    assert_eq!(report.violations.len(), 1, "{token}: {report:?}");
    let violation = &report.violations[0];
    assert_eq!(
        (violation.path.as_str(), violation.reason),
        ("spec.ports[0].config.retryOn[0]", Reason::NotSupported)
    );
    assert!(violation.message.contains(lesson), "{token}: {}", violation.message);
}

/// Its pattern was not anchored at both ends, and such an item then matched no response at all.
#[test]
fn what_is_no_status_code_is_refused() {
    refused("50x", "write `500-509`");
    for token in ["50", "00", "99", "07z", "5xxx", "x5xx", "503 "] {
        refused(token, "is n");
    }
    for token in ["600", "999"] {
        refused(token, "end at 599");
    }
    refused("9xx", "no class of HTTP");
}

/// Such an item made it repeat requests that had succeeded.
#[test]
fn success_is_never_retried() {
    for token in ["1xx", "2xx", "3xx", "200", "302", "399"] {
        refused(token, "is not a failure");
    }
}

/// A port without its own configuration made it dereference nil, whereupon the policy was let in unchecked.
#[test]
fn a_port_without_configuration_inherits_the_default_and_is_checked() {
    let spec = |retry_on: &str| {
        json!({
            "targetRef": { "kind": "Service", "name": "fortio" },
            "config": { "retryOn": [retry_on], "numRetries": 7 },
            "ports": [{ "port": 8080 }],
        })
    };
    let rules = checked(&spec("5xx")).rules.expect("the default holds for the port");
    assert_eq!(rules.for_port(8080).map(|rules| rules.retries_max), Some(7));
    assert_eq!(checked(&spec("abc")).report.violations[0].path, "spec.config.retryOn[0]");
}

/// It refused this with a pattern for an explanation.
#[test]
fn an_upper_case_class_is_refused_with_the_right_spelling() {
    refused("5XX", "must be written `5xx`");
    refused("4Xx", "must be written `4xx`");
}
