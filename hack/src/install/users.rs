//! What users may do with our kinds: added by aggregation to the roles `view`, `edit` and `admin` that they already have.
//!
//! A RetryPolicy belongs to the team of its Service. A GatewayConfig decides what runs, and belongs to the platform:
//! nobody is given the right to write one here.

use serde_json::{Value, json};

use super::{File, cluster_wide, file, labels};

const GROUP: &str = "gateway.flomesh.io";

pub(super) fn files() -> Vec<File> {
    let view = role(
        "rebound-view",
        &["view", "edit", "admin"],
        &json!({ "apiGroups": [GROUP], "resources": ["retrypolicies", "gatewayconfigs"], "verbs": ["get", "list", "watch"] }),
    );
    let edit = role(
        "rebound-edit",
        &["edit", "admin"],
        &json!({ "apiGroups": [GROUP], "resources": ["retrypolicies"], "verbs": ["create", "update", "patch", "delete"] }),
    );
    vec![file("view_role", view), file("edit_role", edit)]
}

fn role(name: &str, into: &[&str], rule: &Value) -> Value {
    let mut role =
        cluster_wide("rbac.authorization.k8s.io/v1", "ClusterRole", name, json!({ "rules": [rule] }));
    let mut labels = labels();
    for role in into {
        labels[format!("rbac.authorization.k8s.io/aggregate-to-{role}")] = json!("true");
    }
    role["metadata"]["labels"] = labels;
    role
}
