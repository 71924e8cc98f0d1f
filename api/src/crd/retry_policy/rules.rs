//! From a shapely `RetryPolicy` to rules: the grammar of `retryOn`, durations and byte counts, relations between
//! fields, and the defaults.
//!
//! Reports and goes on: after a mistake a value of the right kind stands in, and the caller throws the rules away.
//! Bounds are not checked again; a number outside them is brought inside, so that it is reported only once.

mod backoff;
mod budget;
mod dormant;
mod limits;

use std::collections::BTreeMap;
use std::time::Duration;

use super::RetryPolicySpec;
use super::config::{AvoidTried, Mode, Nested, NonIdempotent};
use super::layers::{Found, Layers, in_force};
use crate::policy::duration;
use crate::policy::policy_rules::PolicyRules;
use crate::policy::retry::{self, RETRIES_DEFAULT, RETRIES_MAX, RetryRules};
use crate::policy::triggers::{self, Token, Triggers};
use crate::violation::{Reason, Violation};

/// The rules of the whole policy. They mean something only if nothing was found.
pub(super) fn of_policy(spec: &RetryPolicySpec, found: &mut Vec<Violation>) -> PolicyRules {
    if spec.ports.is_some() {
        // What every port overrides holds nowhere, and must be right all the same.
        Layers::of_policy(spec).into_iter().for_each(|layers| drop(of_scope(spec, &layers, found)));
    }
    let mut listed = BTreeMap::new();
    let mut every_port = None;
    for (port, layers) in in_force(spec) {
        let rules = of_scope(spec, &layers, found);
        match port {
            Some(port) => drop(listed.insert(port, rules)),
            None => every_port = Some(rules),
        }
    }
    let rules = every_port.map_or_else(|| PolicyRules::listed(listed), PolicyRules::every_port);
    if spec.mode == Some(Mode::Disabled) { rules.disabled() } else { rules }
}

/// The items of a scope's `retryOn`, in their order; none if one is bad.
pub(super) fn tokens(layers: &Layers<'_>, found: &mut Vec<Violation>) -> Vec<Token> {
    let Some(list) = layers.pick("retryOn", |config| config.retry_on.as_ref()) else { return Vec::new() };
    triggers::parse(list.value.iter().map(String::as_str)).unwrap_or_else(|bad| {
        let violation = |bad: triggers::BadToken| {
            Violation::new(format!("{}[{}]", list.path, bad.index), bad.reason, bad.message)
        };
        found.extend(bad.into_iter().map(violation));
        Vec::new()
    })
}

fn of_scope(spec: &RetryPolicySpec, layers: &Layers<'_>, found: &mut Vec<Violation>) -> RetryRules {
    dormant::check(layers, found);
    let (per_try_timeout, total_timeout) = limits::timeouts(layers, found);
    let retries = layers.value(|config| config.num_retries);
    RetryRules {
        mode: if spec.mode == Some(Mode::DryRun) { retry::Mode::DryRun } else { retry::Mode::Enforce },
        on: Triggers::from_tokens(&tokens(layers, found)),
        retries_max: retries.map_or(RETRIES_DEFAULT, |retries| inside(retries, 0, RETRIES_MAX)),
        backoff: backoff::of(layers, found),
        per_try_timeout,
        total_timeout,
        non_idempotent: non_idempotent(layers.value(|config| config.non_idempotent)),
        methods: limits::methods(layers, found),
        replay_max_bytes: limits::replay(layers, found),
        avoid_tried: layers.value(|c| c.host_selection.as_ref()?.avoid_tried) != Some(AvoidTried::Off),
        nested: nested(layers.value(|config| config.nested)),
        attempt_header_request: layers.value(|c| c.attempt_headers.as_ref()?.request).unwrap_or(true),
        attempt_header_response: layers.value(|c| c.attempt_headers.as_ref()?.response).unwrap_or(false),
        budget: budget::of(layers, found),
    }
}

fn non_idempotent(written: Option<NonIdempotent>) -> retry::NonIdempotent {
    match written {
        None | Some(NonIdempotent::UnsentOnly) => retry::NonIdempotent::UnsentOnly,
        Some(NonIdempotent::IdempotencyKey) => retry::NonIdempotent::IdempotencyKey,
        Some(NonIdempotent::Always) => retry::NonIdempotent::Always,
    }
}

fn nested(written: Option<Nested>) -> retry::Nested {
    match written {
        None | Some(Nested::Suppress) => retry::Nested::Suppress,
        Some(Nested::Allow) => retry::Nested::Allow,
    }
}

/// Brings a number inside bounds that the schema has already complained about.
fn inside(value: i32, min: u8, max: u8) -> u8 {
    u8::try_from(value.clamp(min.into(), max.into())).unwrap_or(max)
}

/// The duration that a text stands for; a bad one is reported.
fn read_duration(written: Option<Found<&String>>, found: &mut Vec<Violation>) -> Option<Found<Duration>> {
    let Found { path, value } = written?;
    match duration::parse(value) {
        Ok(value) => Some(Found { path, value }),
        Err(bad) => {
            found.push(Violation::new(path, Reason::Invalid, format!("`{value}` {bad}")));
            None
        }
    }
}
