//! The operator itself: its namespace, its Deployment of two replicas under restricted Pod Security, and its budget.

use serde_json::{Value, json};

use super::rbac::NAME;
use super::{File, cluster_wide, file, labels, namespaced, selector};

/// The image of the operator and of the agents.
pub const OPERATOR_IMAGE: &str = concat!("rebound/operator:", env!("CARGO_PKG_VERSION"));
/// The image of the data planes.
pub const DATAPLANE_IMAGE: &str = concat!("rebound/dataplane:", env!("CARGO_PKG_VERSION"));
/// Where probes and metrics are answered.
pub const ADMIN_PORT: u16 = 8081;
/// Where the webhook is served.
pub const WEBHOOK_PORT: u16 = 9443;

/// One answers while the other is replaced.
const REPLICAS: u16 = 2;
/// The numeric user that distroless images made usual: nobody in particular, and not root.
const USER: u32 = 65_532;
/// What it takes to finish the requests of a webhook and give up the lease.
const TERMINATION_SECONDS: u16 = 30;

/// Where the certificate of the webhook comes from, as the operator's option spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// A folder that OLM or cert-manager fills.
    Directory,
    /// The operator makes them itself.
    SelfManaged,
}

pub(super) fn files() -> Vec<File> {
    let budget = json!({ "spec": { "minAvailable": 1, "selector": { "matchLabels": selector() } } });
    let deployment = json!({ "spec": deployment_spec(Certificates::SelfManaged) });
    vec![
        file("deployment", namespaced("apps/v1", "Deployment", NAME, deployment)),
        file("pod_disruption_budget", namespaced("policy/v1", "PodDisruptionBudget", NAME, budget)),
    ]
}

/// Its Pod Security level is the strictest: the operator needs nothing of its node.
#[must_use]
pub fn namespace(name: &str) -> Value {
    let mut namespace = cluster_wide("v1", "Namespace", name, Value::Null);
    namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("restricted");
    namespace
}

/// The specification of the Deployment; OLM gets the same.
#[must_use]
pub fn deployment_spec(certificates: Certificates) -> Value {
    json!({
        "replicas": REPLICAS,
        "selector": { "matchLabels": selector() },
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
        "template": {
            "metadata": {
                "annotations": { "kubectl.kubernetes.io/default-container": "operator" },
                "labels": labels(),
            },
            "spec": pod(certificates),
        },
    })
}

fn pod(certificates: Certificates) -> Value {
    json!({
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": TERMINATION_SECONDS,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": selector() },
        }],
        "containers": [container(certificates)],
    })
}

fn container(certificates: Certificates) -> Value {
    let certificates = match certificates {
        Certificates::Directory => "directory",
        Certificates::SelfManaged => "self-managed",
    };
    let from_field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    json!({
        "name": "operator",
        "image": OPERATOR_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["controller", "--webhook-certs", certificates],
        "env": [
            from_field("POD_NAME", "metadata.name"),
            from_field("POD_NAMESPACE", "metadata.namespace"),
            from_field("POD_IP", "status.podIP"),
            { "name": "REBOUND_OPERATOR_IMAGE", "value": OPERATOR_IMAGE },
            { "name": "REBOUND_DATAPLANE_IMAGE", "value": DATAPLANE_IMAGE },
        ],
        "ports": [
            { "name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP" },
            { "name": "webhook", "containerPort": WEBHOOK_PORT, "protocol": "TCP" },
        ],
        "livenessProbe": probe("/livez", 10),
        "readinessProbe": probe("/readyz", 5),
        "resources": {
            "requests": { "cpu": "50m", "memory": "64Mi" },
            // No limit of processor time: it would only make a burst of changes slow.
            "limits": { "memory": "256Mi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "readOnlyRootFilesystem": true,
        },
    })
}

fn probe(path: &str, seconds: u16) -> Value {
    json!({ "httpGet": { "path": path, "port": "admin" }, "periodSeconds": seconds, "failureThreshold": 3 })
}
