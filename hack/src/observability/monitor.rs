//! How Prometheus finds data planes, for those who have the Prometheus Operator.

use serde_json::{Value, json};

use super::alerts;
use crate::install::{NAMESPACE, labels};

/// Objects of both kinds are called this.
const NAME: &str = "rebound-dataplane";

/// The data planes of every Gateway in every namespace.
///
/// `honorLabels`: the labels `namespace` and `service` are about backends, not about the pod that is scraped. Where the
/// pod is stands in `gateway_namespace`, `gateway` and `pod`.
#[must_use]
pub fn pod_monitor() -> Value {
    let spec = json!({
        "namespaceSelector": { "any": true },
        "selector": { "matchLabels": {
            "app.kubernetes.io/name": "rebound",
            "app.kubernetes.io/managed-by": "rebound-operator",
        } },
        "podMetricsEndpoints": [{
            "port": "admin",
            "path": "/metrics",
            "honorLabels": true,
            "relabelings": [
                { "sourceLabels": ["__meta_kubernetes_namespace"], "targetLabel": "gateway_namespace" },
                {
                    "sourceLabels": ["__meta_kubernetes_pod_label_gateway_networking_k8s_io_gateway_name"],
                    "targetLabel": "gateway",
                },
            ],
        }],
    });
    object("PodMonitor", &spec)
}

/// The alert rules.
#[must_use]
pub fn prometheus_rule() -> Value {
    object("PrometheusRule", &alerts::rules())
}

fn object(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": { "name": NAME, "namespace": NAMESPACE, "labels": labels() },
        "spec": spec,
    })
}
