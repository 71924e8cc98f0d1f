//! What the operator has made of a Gateway, as it stands on the API server: for tests that compare it before and after
//! something went wrong.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use crate::apiserver::TestNamespace;

/// The kinds that the operator makes.
const KINDS: &str = "configmap,serviceaccount,role,rolebinding,deployment.apps,service,poddisruptionbudget";
/// What the operator has made is labelled with.
const OURS: &str = "app.kubernetes.io/managed-by=rebound-operator";
/// What the API server decides by itself, or others do.
const NOT_OURS: [&str; 11] = [
    "/status",
    "/apiVersion",
    "/spec/clusterIP",
    "/spec/clusterIPs",
    "/spec/healthCheckNodePort",
    "/metadata/uid",
    "/metadata/annotations",
    "/metadata/creationTimestamp",
    "/metadata/generation",
    "/metadata/resourceVersion",
    "/metadata/managedFields",
];

/// Everything that the operator has made in a namespace, by kind and name, without what the API server adds, without
/// what manifests carry, which comes and goes, and without the agents' reports.
///
/// # Errors
/// When it cannot be listed.
pub fn contents(namespace: &TestNamespace) -> anyhow::Result<BTreeMap<String, Value>> {
    let list = namespace.kubectl(&["get", KINDS, "-l", OURS, "-o", "json"])?;
    let list: Value = serde_json::from_str(&list)?;
    let items = list["items"].as_array().context("no list")?.iter();
    let named =
        items.map(|item| (format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"])), item));
    Ok(named
        .filter(|(name, _)| !name.ends_with("-report"))
        .map(|(name, item)| (name, stripped(item)))
        .collect())
}

/// The generation of the manifest of a Gateway's objects.
#[must_use]
pub fn generation(contents: &BTreeMap<String, Value>, base: &str) -> Option<u64> {
    manifest(contents, base)?["generation"].as_u64()
}

/// The same contents with the generation taken out of the manifest: it grows, and nothing else may differ.
#[must_use]
pub fn without_generation(mut contents: BTreeMap<String, Value>, base: &str) -> BTreeMap<String, Value> {
    if let Some(mut manifest) = manifest(&contents, base) {
        // The checksum is that of the whole file, in which the generation stands.
        for field in ["generation", "checksum"] {
            manifest[field] = Value::Null;
        }
        contents.insert(manifest_name(base), manifest);
    }
    contents
}

fn manifest_name(base: &str) -> String {
    format!("ConfigMap/{base}-config")
}

fn manifest(contents: &BTreeMap<String, Value>, base: &str) -> Option<Value> {
    serde_json::from_str(contents.get(&manifest_name(base))?["data"]["manifest"].as_str()?).ok()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn stripped(item: &Value) -> Value {
    let mut item = item.clone();
    if item["data"].get("manifest").is_some() {
        item.as_object_mut().map(|fields| fields.remove("binaryData"));
    }
    for pointer in NOT_OURS {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(fields) = item.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(field);
        }
    }
    for owner in item["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        owner["uid"] = Value::Null;
    }
    for port in item["spec"]["ports"].as_array_mut().into_iter().flatten() {
        port.as_object_mut().map(|port| port.remove("nodePort"));
    }
    item
}
