//! Everything that can be said about one `RetryPolicy` alone, in one call.

use std::sync::LazyLock;

use kube::Resource;
use serde_json::Value;

use super::{RetryPolicy, RetryPolicySpec, definition, not_in_effect, presence, rules, warnings};
use crate::crd::strict::schema::Schema;
use crate::crd::strict::{Examined, examine};
use crate::policy::policy_rules::PolicyRules;
use crate::violation::{Report, Violation};

/// The version by which FSM 1.4 replaced the one that is served here.
const FSM_V1ALPHA2: &str = "gateway.flomesh.io/v1alpha2";

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of(definition()));

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
    let mut examined = examine::<RetryPolicy, RetryPolicySpec>(object, &SCHEMA);
    let rules = examined.add(meaning);
    let mut remarks = Vec::new();
    not_in_effect::check(&examined.spec, &mut remarks);
    if examined.is_clean() {
        // Arithmetic with values that are wrong would only confuse.
        warnings::check(&examined.spec, &rules, &mut remarks);
    }
    let (mut report, metadata, spec) = examined.finish(remarks);
    name_the_version(object, &mut report);
    let policy = metadata.map(|metadata| RetryPolicy { metadata, spec, status: None });
    Checked { policy, rules: report.is_clean().then_some(rules), report }
}

/// Everything beyond the shape.
fn meaning(examined: &Examined<'_, RetryPolicySpec>, found: &mut Vec<Violation>) -> PolicyRules {
    let spec = &examined.spec;
    spec.target_refs_with_paths().for_each(|(path, target)| target.check(&path, found));
    presence::check(examined, found);
    rules::of_policy(spec, found)
}

/// Whoever comes from FSM is told more than that the version is wrong.
fn name_the_version(object: &Value, report: &mut Report) {
    let violations = report.violations.iter_mut();
    for it in violations.filter(|it| it.path == "apiVersion" && object["apiVersion"] == FSM_V1ALPHA2) {
        let served = RetryPolicy::api_version(&());
        it.message =
            format!("`{FSM_V1ALPHA2}` is not served: write `{served}`; its fields may stay as they are");
    }
}
