//! `status` of a RetryPolicy: what each controller says about the policy and each Gateway that it affects (GEP-713).

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::crd::parent_ref::{ANCESTORS_MAX, PolicyAncestorStatus};

/// What became of the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryPolicyStatus {
    /// One entry for each Gateway that routes to a target, or for the target if none does. At most 16.
    #[schemars(schema_with = "ancestors")]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// Gateway API's own shape. Written out, because the Rust types are lenient and carry no bounds.
fn ancestors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": ANCESTORS_MAX,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["ancestorRef", "controllerName", "conditions"],
            "properties": {
                "ancestorRef": ancestor_ref(),
                "controllerName": { "type": "string", "minLength": 1, "maxLength": 253 },
                "conditions": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 8,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": condition(),
                },
            },
        },
    })
}

fn ancestor_ref() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "group": { "type": "string", "maxLength": 253 },
            "kind": { "type": "string", "minLength": 1, "maxLength": 63 },
            "namespace": { "type": "string", "minLength": 1, "maxLength": 63 },
            "name": { "type": "string", "minLength": 1, "maxLength": 253 },
            "sectionName": { "type": "string", "minLength": 1, "maxLength": 253 },
            "port": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 65535 },
        },
    })
}

fn condition() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": { "type": "string", "maxLength": 316 },
            "status": { "type": "string", "enum": ["True", "False", "Unknown"], "maxLength": 7 },
            "reason": { "type": "string", "minLength": 1, "maxLength": 1024 },
            "message": { "type": "string", "maxLength": 32768 },
            "lastTransitionTime": { "type": "string", "format": "date-time", "maxLength": 64 },
            "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
        },
    })
}
