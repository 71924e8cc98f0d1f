//! Who may reach the operator, and how Prometheus finds it.

use serde_json::json;

use super::manager::{ADMIN_PORT, WEBHOOK_PORT};
use super::rbac::NAME;
use super::{File, file, namespaced, selector};

/// A namespace with this label may read the metrics; the kubelet may always ask its probes.
const MAY_READ_METRICS: &str = "metrics";

pub(super) fn files() -> Vec<File> {
    let readers = json!({ "namespaceSelector": { "matchLabels": { MAY_READ_METRICS: "enabled" } } });
    let spec = json!({
        "podSelector": { "matchLabels": selector() },
        "policyTypes": ["Ingress"],
        "ingress": [
            // From anywhere: no selector matches an API server, which is not a pod of the cluster in most of them.
            { "ports": [{ "port": WEBHOOK_PORT, "protocol": "TCP" }] },
            { "ports": [{ "port": ADMIN_PORT, "protocol": "TCP" }], "from": [readers] },
        ],
    });
    vec![file(
        "network_policy",
        namespaced("networking.k8s.io/v1", "NetworkPolicy", NAME, json!({ "spec": spec })),
    )]
}

/// Not in `config/default`: its kind is there only with the Prometheus operator.
#[must_use]
pub fn monitor() -> File {
    let spec = json!({
        "selector": { "matchLabels": selector() },
        "podMetricsEndpoints": [{ "port": "admin", "path": "/metrics" }],
    });
    file("monitor", namespaced("monitoring.coreos.com/v1", "PodMonitor", NAME, json!({ "spec": spec })))
}
