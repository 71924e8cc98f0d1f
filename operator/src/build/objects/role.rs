//! What the agents of a Gateway may do: read its configuration, and write their report. Every object is named.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::Resource;

use super::Common;
use crate::shards::SHARDS_MAX;

pub(super) fn role(common: &Common<'_>) -> Role {
    let names = &common.names;
    let rules = vec![
        // A watch of one object is allowed by its name if it selects the object by that name.
        config_maps(&["get", "list", "watch"], vec![names.manifest()]),
        // All that there can ever be: so a set that grows needs no other rights.
        config_maps(&["get"], (0..SHARDS_MAX).map(|index| names.shard(index)).collect()),
        config_maps(&["get", "patch"], vec![names.report()]),
    ];
    Role { metadata: common.base(), rules: Some(rules) }
}

pub(super) fn binding(common: &Common<'_>) -> RoleBinding {
    RoleBinding {
        metadata: common.base(),
        role_ref: RoleRef {
            api_group: Role::group(&()).into(),
            kind: Role::kind(&()).into(),
            name: common.names.base().into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: common.names.base().into(),
            namespace: Some(common.gateway.key.namespace().into()),
            ..Subject::default()
        }]),
    }
}

fn config_maps(verbs: &[&str], names: Vec<String>) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec!["configmaps".into()]),
        resource_names: Some(names),
        verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
        ..PolicyRule::default()
    }
}
