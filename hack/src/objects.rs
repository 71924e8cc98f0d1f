//! The objects that tests of the operator begin with: small, right, and each with a name of the test's choice.
//!
//! Data only. A test that needs more writes it into the value that it gets.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

/// Where a [`gateway`] listens.
pub const PORT: u16 = 8000;
/// The port of every [`service`], and of what stands behind it.
pub const BACKEND_PORT: u16 = 8080;
/// What the operator calls the objects of the Gateway `web`.
pub const BASE: &str = "web-fsm";

/// An object of any kind.
#[must_use]
pub fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// A Gateway of the class `fsm` with one listener.
#[must_use]
pub fn gateway(name: &str) -> Value {
    let listener = json!({ "name": "http", "protocol": "HTTP", "port": PORT });
    let spec = json!({ "gatewayClassName": "fsm", "listeners": [listener] });
    object("gateway.networking.k8s.io/v1", "Gateway", name, &spec)
}

/// A route of the Gateway `web` from the paths below its own name to one backend.
#[must_use]
pub fn route(name: &str, backend: &Value) -> Value {
    let rule = json!({
        "matches": [{ "path": { "type": "PathPrefix", "value": format!("/{name}") } }],
        "backendRefs": [backend],
    });
    let spec = json!({ "parentRefs": [{ "name": "web" }], "rules": [rule] });
    object("gateway.networking.k8s.io/v1", "HTTPRoute", name, &spec)
}

/// A Service of the same namespace, as a route names it.
#[must_use]
pub fn backend(service: &str) -> Value {
    json!({ "name": service, "port": BACKEND_PORT })
}

/// A policy that retries what failed in the service.
#[must_use]
pub fn policy(name: &str, target: &Value) -> Value {
    let spec = json!({ "targetRef": target, "config": { "retryOn": ["5xx"] } });
    object("gateway.flomesh.io/v1alpha1", "RetryPolicy", name, &spec)
}

/// A Service of the same namespace, as a policy names it.
#[must_use]
pub fn target(service: &str) -> Value {
    json!({ "kind": "Service", "name": service })
}

/// A Service without a selector: its endpoints are those of its [`slice`].
#[must_use]
pub fn service(name: &str) -> Value {
    object("v1", "Service", name, &json!({ "ports": [{ "port": BACKEND_PORT }] }))
}

/// The one endpoint of a Service.
#[must_use]
pub fn slice(service: &str, address: Ipv4Addr) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": service, "labels": { "kubernetes.io/service-name": service } },
        "endpoints": [{ "addresses": [address.to_string()], "conditions": { "ready": true } }],
        "ports": [{ "port": BACKEND_PORT, "protocol": "TCP", "name": "" }],
    })
}
