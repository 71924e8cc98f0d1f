//! Everything that can be said about one `RetryPolicy` alone, in one call.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::SCHEMA;
use super::structure::{Mended, VIOLATIONS_MAX};
use super::{RetryPolicy, RetryPolicySpec, bounds, not_in_effect, order, presence, rules, unions, warnings};
use crate::policy::policy_rules::PolicyRules;
use crate::violation::{Reason, Report, Violation};

/// What a manifest turned out to be.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The typed object, without its status; values that do not fit the schema are empty. None if the object cannot be
    /// read at all.
    pub policy: Option<RetryPolicy>,
    /// What the policy means; there if and only if there is no violation.
    pub rules: Option<PolicyRules>,
    /// Every mistake and every remark, in the order of the document.
    pub report: Report,
}

/// Checks a manifest of kind `RetryPolicy`. Never fails and never panics, whatever the manifest holds.
pub fn check(object: &Value) -> Checked {
    let mut mended = Mended::new(&without_status(object), &SCHEMA);
    let mut violations = std::mem::take(&mut mended.violations);
    let mut later = Vec::new();
    api_version(&mended.object, &mut later);
    let metadata: Option<ObjectMeta> = read(&mended.object, "metadata", &mut later);
    let spec: Option<RetryPolicySpec> = read(&mended.object, "spec", &mut later);
    let mut remarks = Vec::new();
    let mut rules = None;
    if let Some(spec) = &spec {
        let namespace = metadata.as_ref().and_then(|metadata| metadata.namespace.as_deref());
        bounds::check(spec, &mut later);
        unions::check(&mended.object, &mut later);
        targets(spec, &mut later);
        presence::check(spec, namespace.unwrap_or_default(), &mended, &mut later);
        let meant = rules::of_policy(spec, &mut later);
        warnings::check(spec, &meant, &mut remarks);
        not_in_effect::check(spec, &mut remarks);
        rules = Some(meant);
    }
    later.retain(|violation| !mended.is_stand_in(&violation.path));
    remarks.retain(|remark| !mended.is_stand_in(&remark.path));
    violations.extend(later);
    let report = Report {
        violations: in_order(object, &mended, violations),
        warnings: in_order(object, &mended, remarks),
    };
    let policy = metadata.zip(spec).map(|(metadata, spec)| RetryPolicy { metadata, spec, status: None });
    Checked { policy, rules: rules.filter(|_| report.is_clean()), report }
}

/// Other controllers may have written the status, and its form is theirs.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| name != "status");
    }
    object
}

fn api_version(object: &Value, found: &mut Vec<Violation>) {
    let (wanted, kind) = (RetryPolicy::api_version(&()), RetryPolicy::kind(&()));
    let written = object["apiVersion"].as_str().unwrap_or_default();
    let message = match written.strip_prefix("gateway.flomesh.io/") {
        _ if written == wanted => None,
        Some("v1alpha2") => {
            Some(format!("`{written}` is not served: write `{wanted}`; the fields of v1alpha2 may stay"))
        }
        _ => Some(format!("is `{written}`; must be `{wanted}`")),
    };
    found.extend(message.map(|message| Violation::new("apiVersion", Reason::NotSupported, message)));
    if object["kind"].as_str() != Some(&kind) {
        found.push(Violation::new("kind", Reason::NotSupported, format!("must be `{kind}`")));
    }
}

/// A part of the object as its type. Fails only where the schema says nothing: in `metadata`.
fn read<T: DeserializeOwned>(object: &Value, field: &str, found: &mut Vec<Violation>) -> Option<T> {
    let part = object.get(field).cloned().unwrap_or_default();
    match serde_json::from_value(part) {
        Ok(part) => Some(part),
        Err(error) => {
            found.push(Violation::new(field, Reason::Invalid, error.to_string()));
            None
        }
    }
}

fn targets(spec: &RetryPolicySpec, found: &mut Vec<Violation>) {
    spec.target_refs_with_paths().for_each(|(path, target)| target.check(&path, found));
}

/// One for each fault, at most [`VIOLATIONS_MAX`], as the user spelt the paths and in the order of the document.
fn in_order(object: &Value, mended: &Mended, mut found: Vec<Violation>) -> Vec<Violation> {
    for violation in &mut found {
        violation.path = mended.as_written(&violation.path);
    }
    found.sort_by_cached_key(|violation| order::position(object, &violation.path));
    // Ports that inherit a faulty value have each reported it.
    let mut seen = HashSet::new();
    found.retain(|violation| seen.insert((violation.path.clone(), violation.reason)));
    found.truncate(VIOLATIONS_MAX);
    found
}
