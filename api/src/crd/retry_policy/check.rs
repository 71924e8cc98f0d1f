//! Everything that can be said about one `RetryPolicy` alone, in one call.

use std::collections::HashSet;

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema::SCHEMA;
use super::structure::{Mended, VIOLATIONS_MAX};
use super::{RetryPolicy, bounds, not_in_effect, order, presence, rules, unions, warnings};
use crate::policy::policy_rules::PolicyRules;
use crate::violation::{Reason, Report, Violation};

/// The version by which FSM 1.4 replaced the one that is served here.
const FSM_V1ALPHA2: &str = "gateway.flomesh.io/v1alpha2";

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

/// Checks a manifest of kind `RetryPolicy`. Never fails, whatever the manifest holds.
pub fn check(object: &Value) -> Checked {
    let mut mended = Mended::new(&without_status(object), &SCHEMA);
    let shape = std::mem::take(&mut mended.violations);
    let mut report = Report::default();
    kind(&mended.object, &mut report.violations);
    let policy = typed(&mended.object, &mut report.violations);
    let rules = policy.as_ref().map(|policy| meaning(policy, &mended, &mut report));
    report.violations.retain(|violation| !mended.is_stand_in(&violation.path));
    report.warnings.retain(|warning| !mended.is_stand_in(&warning.path));
    report.violations.splice(0..0, shape);
    let mut seen = HashSet::new();
    put_in_order(&mut report.violations, object, &mended, &mut seen);
    put_in_order(&mut report.warnings, object, &mended, &mut seen);
    Checked { policy, rules: rules.filter(|_| report.is_clean()), report }
}

/// Everything about the values themselves.
fn meaning(policy: &RetryPolicy, mended: &Mended, report: &mut Report) -> PolicyRules {
    let Report { violations, warnings } = report;
    let spec = &policy.spec;
    bounds::check(spec, violations);
    unions::check(&mended.object, violations);
    spec.target_refs_with_paths().for_each(|(path, target)| target.check(&path, violations));
    presence::check(policy, mended, violations);
    let rules = rules::of_policy(spec, violations);
    warnings::check(spec, &rules, warnings);
    not_in_effect::check(spec, warnings);
    rules
}

/// Other controllers may have written the status, and its form is theirs.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|name, _| name != "status");
    }
    object
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

/// The object as its type. After the shape has been mended, that fails only where the schema says nothing: in
/// `metadata`.
fn typed(object: &Value, found: &mut Vec<Violation>) -> Option<RetryPolicy> {
    let metadata = read(object, "metadata", found)?;
    Some(RetryPolicy { metadata, spec: read(object, "spec", found)?, status: None })
}

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
