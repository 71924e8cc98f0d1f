//! Goldens: `data/policies/NAME.yaml` is a manifest, `NAME.out` what [`check`] makes of it. `UPDATE_GOLDEN=1` rewrites
//! the outputs; review them as code.
#![cfg(feature = "crd")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rebound_api::crd::retry_policy::{Checked, check};
use rebound_api::policy::duration::format;
use rebound_api::policy::retry::RetryRules;

goldens! {
    s24_class_5xx_is_500_to_599
    s29_num_retries_counts_retries
    s30_zero_retries_are_none
    s35_an_attempt_longer_than_all_together
    s36_zero_timeouts_are_no_timeouts
    s41_the_cap_is_ten_times_the_base
    s82_a_bad_token_is_named_with_its_path
    s82_an_item_twice
    s82_more_than_sixteen_items
    a_list_in_one_text
    a_policy_for_every_port
    a_port_inherits_field_by_field
    a_port_without_any_configuration
    a_status_of_somebody_else
    bounds_of_every_field
    disabled_keeps_its_ports
    dry_run
    durations_and_sizes
    everything_that_can_be_written
    fsm_v1alpha2
    metadata_of_the_wrong_form
    mistyped_names
    names_of_the_object
    neither_target_nor_configuration
    no_retry_on_after_merging
    not_a_policy
    not_in_effect
    nulls_are_no_fields
    targets_of_every_kind
    targets_that_are_refused
    the_same_thing_twice
    two_names_for_one_thing
    warnings_of_arithmetic
    warnings_of_danger
    wrong_types
}

/// The seed's own file, not a copy of it.
#[test]
fn s81_the_policy_of_the_seed_applies_unchanged() {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples/seed/retry_policy.yaml");
    golden(&seed, "s81_the_policy_of_the_seed_applies_unchanged");
}

#[track_caller]
fn golden(manifest: &Path, name: &str) {
    support::golden(manifest, &folder().join(name), |object| render(&check(object)));
}

fn folder() -> PathBuf {
    support::folder("policies")
}

fn render(checked: &Checked) -> String {
    let mut text = support::report(&checked.report);
    let (Some(policy), Some(rules)) = (&checked.policy, &checked.rules) else { return text };
    for target in policy.targets() {
        writeln!(text, "target {:?} {}", target.kind, target.key).unwrap();
    }
    match rules.listed_ports() {
        None => port(&mut text, "every port", rules.for_port(1)),
        Some(ports) => {
            for number in ports {
                port(&mut text, &format!("port {number}"), rules.for_port(number));
            }
        }
    }
    text
}

fn port(text: &mut String, name: &str, rules: Option<&RetryRules>) {
    let Some(rules) = rules else { return writeln!(text, "{name}: switched off").unwrap() };
    let flag = |on: bool, name: &'static str| if on { name } else { "" };
    let limit = |limit| Option::map_or_else(limit, || "none".into(), format);
    let backoff = &rules.backoff;
    writeln!(text, "{name}: {:?}, {} retries", rules.mode, rules.retries_max).unwrap();
    writeln!(
        text,
        "  on {}{}{}{}",
        rules.on.statuses,
        flag(rules.on.reset, " reset"),
        flag(rules.on.per_try_timeout, " per-try-timeout"),
        flag(rules.on.invalid_response, " invalid-response")
    )
    .unwrap();
    writeln!(
        text,
        "  waits {:?} x{} up to {:?}, jitter {:?}",
        backoff.base(),
        backoff.multiplier(),
        backoff.max(),
        backoff.jitter()
    )
    .unwrap();
    writeln!(text, "  per try {}, in all {}", limit(rules.per_try_timeout), limit(rules.total_timeout))
        .unwrap();
    writeln!(text, "  non-idempotent {:?}, methods {:?}", rules.non_idempotent, rules.methods).unwrap();
    writeln!(text, "  replay {} bytes, avoid tried {}", rules.replay_max_bytes, rules.avoid_tried).unwrap();
    let headers = (rules.attempt_header_request, rules.attempt_header_response);
    writeln!(text, "  nested {:?}, attempt header {headers:?}", rules.nested).unwrap();
    match rules.budget {
        None => writeln!(text, "  no budget").unwrap(),
        Some(budget) => writeln!(
            text,
            "  budget {} % over {:?}, {} in any {:?}",
            budget.percent, budget.interval, budget.floor_count, budget.floor_interval
        )
        .unwrap(),
    }
}
