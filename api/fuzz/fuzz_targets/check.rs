//! No manifest makes the check of a RetryPolicy panic, and it is accepted exactly when nothing is wrong with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rebound_api::crd::retry_policy::check;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = serde_json::from_slice(data) else { return };
    let checked = check(&manifest);
    assert_eq!(checked.rules.is_some(), checked.report.violations.is_empty());
    assert!(checked.rules.is_none() || checked.policy.is_some());
});
