//! The operator's roles, rule by rule as its table has them, and what binds them to its ServiceAccount.

use serde_json::{Value, json};

use super::rbac::{Grant, NAME, Scope, TABLE};
use super::{File, NAMESPACE, cluster_wide, file, namespaced};

const API_VERSION: &str = "rbac.authorization.k8s.io/v1";

pub(super) fn files() -> Vec<File> {
    let (cluster, own) =
        (json!({ "rules": rules(Scope::Cluster) }), json!({ "rules": rules(Scope::OwnNamespace) }));
    vec![
        file("service_account", namespaced("v1", "ServiceAccount", NAME, Value::Null)),
        file("cluster_role", cluster_wide(API_VERSION, "ClusterRole", NAME, cluster)),
        file(
            "cluster_role_binding",
            cluster_wide(API_VERSION, "ClusterRoleBinding", NAME, binding("ClusterRole")),
        ),
        file("role", namespaced(API_VERSION, "Role", NAME, own)),
        file("role_binding", namespaced(API_VERSION, "RoleBinding", NAME, binding("Role"))),
    ]
}

/// The rules of one scope, as a role of Kubernetes has them.
#[must_use]
pub fn rules(scope: Scope) -> Vec<Value> {
    TABLE.iter().filter(|grant| grant.scope == scope).map(rule).collect()
}

fn rule(grant: &Grant) -> Value {
    let verbs: Vec<_> = grant.verbs.iter().map(|verb| verb.name()).collect();
    let mut rule = json!({ "apiGroups": [grant.group], "resources": [grant.resource], "verbs": verbs });
    if !grant.names.is_empty() {
        rule["resourceNames"] = json!(grant.names);
    }
    rule
}

fn binding(kind: &str) -> Value {
    json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": NAME },
        "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_right_of_the_table_is_one_rule_of_one_role() {
        let all = [rules(Scope::Cluster), rules(Scope::OwnNamespace)].concat();
        assert_eq!(all.len(), TABLE.len());
        let classes = json!({ "apiGroups": ["gateway.networking.k8s.io"], "resources": ["gatewayclasses"], "verbs": ["get", "list", "watch"] });
        assert_eq!(all[0], classes);
        let limited = all.iter().filter(|rule| !rule["resourceNames"].is_null()).count();
        assert_eq!(limited, TABLE.iter().filter(|grant| !grant.names.is_empty()).count());
    }
}
