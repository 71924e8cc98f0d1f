//! The webhook that refuses wrong policies: its Service, and how the API server is to call it.
//!
//! The rules name our own group only, so a webhook that does not answer stops nobody else's work.

use serde_json::{Value, json};

use super::manager::WEBHOOK_PORT;
use super::{File, cluster_wide, file, namespaced, selector};
use super::{NAMESPACE, rbac::NAME};

/// The Service in front of the webhook.
pub const SERVICE: &str = "rebound-operator-webhook";
/// Where it answers.
pub const PATH: &str = "/validate";
/// The port of the Service; the pod's own is [`WEBHOOK_PORT`].
pub const SERVICE_PORT: u16 = 443;
/// The name of the webhook; of the form of a domain, as Kubernetes and OLM ask.
pub const WEBHOOK: &str = "validate.gateway.flomesh.io";

pub(super) fn files() -> Vec<File> {
    let port =
        json!({ "name": "webhook", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": WEBHOOK_PORT });
    let service = json!({ "spec": { "selector": selector(), "ports": [port] } });
    vec![file("service", namespaced("v1", "Service", SERVICE, service))]
}

/// For certificates that somebody else makes; with self-managed ones the operator writes this object itself.
pub(super) fn configuration() -> Value {
    let service = json!({ "name": SERVICE, "namespace": NAMESPACE, "path": PATH, "port": SERVICE_PORT });
    let mut webhook = call();
    webhook["name"] = json!(WEBHOOK);
    webhook["clientConfig"] = json!({ "service": service });
    // The control plane's own namespace stays usable whatever happens here.
    webhook["namespaceSelector"] = json!({
        "matchExpressions": [{ "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"] }],
    });
    let kind = "ValidatingWebhookConfiguration";
    cluster_wide("admissionregistration.k8s.io/v1", kind, NAME, json!({ "webhooks": [webhook] }))
}

/// What is asked about, and what happens without an answer; the same for every way to install.
#[must_use]
pub fn call() -> Value {
    json!({
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "rules": [{
            "apiGroups": ["gateway.flomesh.io"],
            "apiVersions": ["v1alpha1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["retrypolicies", "gatewayconfigs"],
            "scope": "Namespaced",
        }],
    })
}
