//! One object by itself: what admission says about it, and `rebound-operator validate` prints.
//!
//! Absent: the grammars themselves. They stand with the part of the object that they are about.

mod sizes;

use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::GatewayClass;
use rebound_api::crd::http_route::HttpRoute;
use rebound_api::crd::reference_grant::ReferenceGrant;
use rebound_api::crd::{gateway_config, retry_policy};
use rebound_api::violation::{Reason, Report, Violation};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{gateway, grant, route};
use crate::observe::admission::Admission;

/// Looks at an object of any kind that is read; others are in order.
pub fn admit(object: &Value) -> Admission {
    match object["kind"].as_str().unwrap_or_default() {
        "RetryPolicy" => strict(retry_policy::check(object).report),
        "GatewayConfig" => strict(gateway_config::check(object).report),
        "HTTPRoute" => shaped::<HttpRoute>(object, route::report),
        "Gateway" => shaped::<Gateway>(object, gateway::report),
        "GatewayClass" => shaped::<GatewayClass>(object, gateway::class_report),
        "ReferenceGrant" => shaped::<ReferenceGrant>(object, grant::report),
        "Service" => shaped::<Service>(object, no_report),
        "EndpointSlice" => shaped::<EndpointSlice>(object, no_report),
        "Namespace" => shaped::<Namespace>(object, no_report),
        _ => Admission::default(),
    }
}

/// Of a kind of ours any mistake refuses the object.
fn strict(report: Report) -> Admission {
    Admission { refused: !report.is_clean(), report }
}

/// A mistake refuses the object, as schema and CEL rules of its kind do in a cluster. What is legal, but cannot be
/// carried out by this build, gets in: it becomes a condition.
fn shaped<T: DeserializeOwned>(object: &Value, report: impl Fn(&T) -> Report) -> Admission {
    let mut report = match serde_path_to_error::deserialize::<_, T>(object) {
        Ok(typed) => report(&typed),
        Err(error) => {
            let violation =
                Violation::new(error.path().to_string(), Reason::Invalid, error.inner().to_string());
            Report { violations: vec![violation], warnings: Vec::new() }
        }
    };
    report.violations.extend(version(object));
    report.violations.extend(sizes::check(object));
    let refused = report.violations.iter().any(|it| it.reason != Reason::NotSupported);
    Admission { refused, report }
}

/// An API server refuses a version that it does not serve.
fn version(object: &Value) -> Option<Violation> {
    let written = object["apiVersion"].as_str()?;
    let (group, version) = written.rsplit_once('/').unwrap_or(("", written));
    let read: &[&str] = match group {
        "gateway.networking.k8s.io" => &["v1", "v1beta1"],
        "" | "discovery.k8s.io" => &["v1"],
        _ => return None,
    };
    if read.contains(&version) {
        return None;
    }
    let right = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let message = format!("`{version}` is no version of this kind that is read; write `{right}`");
    Some(Violation::new("apiVersion", Reason::Invalid, message))
}

fn no_report<T>(_: &T) -> Report {
    Report::default()
}
