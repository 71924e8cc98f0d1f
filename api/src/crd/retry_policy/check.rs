//! Everything that can be said about one `RetryPolicy` alone, in one call.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::SCHEMA;
use super::structure::{Mended, VIOLATIONS_MAX};
use super::{RetryPolicy, bounds, not_in_effect, order, presence, rules, unions, warnings};
use crate::name::ObjectKey;
use crate::policy::policy_rules::PolicyRules;
use crate::violation::{Reason, Report, Violation};

/// The version by which FSM 1.4 replaced the one that is served here.
const FSM_V1ALPHA2: &str = "gateway.flomesh.io/v1alpha2";

/// What a manifest turned out to be.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The typed object, without its status; values that do not fit the schema are empty. None if its metadata cannot be
    /// read, so that nobody could name it.
    pub policy: Option<RetryPolicy>,
    /// What the policy means; there if and only if there is no violation.
    pub rules: Option<PolicyRules>,
    /// Every mistake and every remark, one for each place, in the order of the document; at most 100 of each.
    pub report: Report,
}

/// Checks a manifest of kind `RetryPolicy`. Never fails, whatever the manifest holds.
pub fn check(object: &Value) -> Checked {
    let mended = Mended::new(object, &SCHEMA);
    let mut report = Report { violations: mended.violations.clone(), warnings: Vec::new() };
    let metadata = read(&mended.object, "metadata", &mut report.violations);
    let named = metadata.is_some();
    let spec = read(&mended.object, "spec", &mut report.violations).unwrap_or_default();
    let policy = RetryPolicy { metadata: metadata.unwrap_or_default(), spec, status: None };
    let rules = meaning(&policy, &mended, &mut report);
    let mut seen = HashSet::new();
    put_in_order(&mut report.violations, object, &mended, &mut seen);
    put_in_order(&mut report.warnings, object, &mended, &mut seen);
    Checked { policy: named.then_some(policy), rules: report.is_clean().then_some(rules), report }
}

/// Everything beyond the shape.
fn meaning(policy: &RetryPolicy, mended: &Mended, report: &mut Report) -> PolicyRules {
    let (spec, mut found) = (&policy.spec, Vec::new());
    kind(&mended.object, &mut found);
    names(policy, &mut found);
    bounds::check(spec, &mut found);
    unions::check(&mended.object, &mut found);
    spec.target_refs_with_paths().for_each(|(path, target)| target.check(&path, &mut found));
    presence::check(policy, mended, &mut found);
    let rules = rules::of_policy(spec, &mut found);
    found.retain(|violation| !mended.is_stand_in(&violation.path));
    report.violations.extend(found);
    not_in_effect::check(spec, &mut report.warnings);
    if report.is_clean() {
        // Arithmetic with values that are wrong would only confuse.
        warnings::check(spec, &rules, &mut report.warnings);
    }
    rules
}

fn kind(object: &Value, found: &mut Vec<Violation>) {
    let (version, kind) = (RetryPolicy::api_version(&()), RetryPolicy::kind(&()));
    match object["apiVersion"].as_str().unwrap_or_default() {
        written if written == version => {}
        written if written == FSM_V1ALPHA2 => {
            let message =
                format!("`{written}` is not served: write `{version}`; its fields may stay as they are");
            found.push(Violation::new("apiVersion", Reason::NotSupported, message));
        }
        _ => found.push(Violation::new("apiVersion", Reason::NotSupported, format!("must be `{version}`"))),
    }
    if object["kind"] != *kind {
        found.push(Violation::new("kind", Reason::NotSupported, format!("must be `{kind}`")));
    }
}

/// What the API server asks of every object; in files mode nobody else does.
fn names(policy: &RetryPolicy, found: &mut Vec<Violation>) {
    let ObjectMeta { name, namespace, .. } = &policy.metadata;
    let name = name.as_deref().map(|name| ObjectKey::new("x", name));
    let namespace = namespace.as_deref().map(|namespace| ObjectKey::new(namespace, "x"));
    for (path, key) in [("metadata.name", name), ("metadata.namespace", namespace)] {
        if let Some(Err(bad)) = key {
            found.push(Violation::new(path, Reason::Invalid, bad.to_string()));
        }
    }
}

/// A part of the object as its type. After the shape has been mended, that fails only where the schema says nothing: in
/// `metadata`.
fn read<T: DeserializeOwned>(object: &Value, field: &str, found: &mut Vec<Violation>) -> Option<T> {
    let complain = |error: serde_json::Error| {
        found.push(Violation::new(field, Reason::Invalid, error.to_string()));
    };
    T::deserialize(&object[field]).map_err(complain).ok()
}

/// One for each place, that of the earliest check: later ones see the same fault from further away. Paths are turned
/// back to what the user wrote.
fn put_in_order(found: &mut Vec<Violation>, object: &Value, mended: &Mended, seen: &mut HashSet<String>) {
    for violation in found.iter_mut() {
        violation.path = mended.as_written(&violation.path);
    }
    found.retain(|violation| seen.insert(violation.path.clone()));
    found.sort_by_cached_key(|violation| order::position(object, &violation.path));
    found.truncate(VIOLATIONS_MAX);
}
