//! What the service version says about the kinds that it brings: each with its fields, from its schema, and an example
//! from the samples.

use std::fs;

use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::super::fields::prose;
use crate::programs::workspace;

/// A sample of each kind.
const EXAMPLES: [(&str, &str); 2] = [
    ("RetryPolicy", "config/samples/seed/retry_policy.yaml"),
    ("GatewayConfig", "config/samples/gateway_config.yaml"),
];

/// All examples, as the text of a JSON list.
pub(super) fn examples() -> anyhow::Result<String> {
    let crds = rebound_api::crd::all();
    let owned = |(kind, _): &&(&str, &str)| crds.iter().any(|crd| crd.spec.names.kind == *kind);
    let examples: anyhow::Result<Vec<Value>> =
        EXAMPLES.iter().filter(owned).map(|(_, path)| example(path)).collect();
    Ok(serde_json::to_string_pretty(&examples?)?)
}

fn example(path: &str) -> anyhow::Result<Value> {
    let text = fs::read_to_string(workspace().join(path)).with_context(|| path.to_owned())?;
    serde_saphyr::from_str(&text).with_context(|| path.to_owned())
}

/// The kinds, as a list of descriptions.
pub(super) fn owned() -> anyhow::Result<Vec<Value>> {
    rebound_api::crd::all().iter().map(description).collect()
}

fn description(crd: &CustomResourceDefinition) -> anyhow::Result<Value> {
    let version = crd.spec.versions.first().context("a CRD has a version")?;
    let schema = serde_json::to_value(&version.schema)?;
    let fields = &schema["openAPIV3Schema"]["properties"];
    Ok(json!({
        "name": crd.metadata.name,
        "version": version.name,
        "kind": crd.spec.names.kind,
        "displayName": words(&crd.spec.names.kind),
        "description": prose(&fields["spec"]),
        "resources": resources(&crd.spec.names.kind),
        "specDescriptors": descriptors(&fields["spec"]),
        "statusDescriptors": descriptors(&fields["status"]),
    }))
}

/// What comes of an object of this kind.
fn resources(kind: &str) -> Value {
    let config_map = json!({ "kind": "ConfigMap", "name": "", "version": "v1" });
    match kind {
        "RetryPolicy" => json!([config_map]),
        _ => {
            json!([config_map, { "kind": "Deployment", "name": "", "version": "v1" }, { "kind": "Service", "name": "", "version": "v1" }])
        }
    }
}

fn descriptors(schema: &Value) -> Vec<Value> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let descriptor = |(name, field): (&String, &Value)| json!({ "path": name, "displayName": words(name), "description": prose(field) });
    fields.map(descriptor).collect()
}

/// `targetRef` is `Target Ref`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (at, letter) in name.chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(if at == 0 { letter.to_uppercase().collect::<Vec<_>>() } else { vec![letter] });
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_become_words() {
        assert_eq!(words("targetRef"), "Target Ref");
        assert_eq!(words("RetryPolicy"), "Retry Policy");
        assert_eq!(words("mode"), "Mode");
    }

    #[test]
    fn every_field_that_users_write_or_read_is_described() {
        for kind in owned().unwrap() {
            let [spec, status] =
                ["specDescriptors", "statusDescriptors"].map(|list| kind[list].as_array().unwrap());
            assert!(!spec.is_empty(), "{kind}");
            for descriptor in spec.iter().chain(status) {
                assert_ne!(descriptor["description"], "", "{descriptor}");
            }
        }
    }
}
