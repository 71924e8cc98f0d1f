//! Retry rules in numbers: those of a policy, and those of an HTTPRoute rule within a policy's ceilings.

use std::sync::LazyLock;
use std::time::Duration;

use rebound_api::config::retry::{self as wire, Retry};
use rebound_api::name::ObjectKey;
use rebound_api::policy::backoff::{Backoff, Jitter};
use rebound_api::policy::retry::{Mode, Nested, NonIdempotent, RetryRules};
use rebound_api::policy::status_set::StatusSet;

use crate::validate::{AcceptedPolicy, AcceptedRule, RuleRetry};

/// The ceilings where no policy says otherwise.
static DEFAULT: LazyLock<RetryRules> = LazyLock::new(RetryRules::default);

/// How a Service port is retried by its policy; none: the policy is disabled.
pub(super) fn of_policy(policy: &AcceptedPolicy) -> Option<Retry> {
    let rules = policy.rules.as_ref()?;
    Some(Retry {
        origin: policy.key.clone(),
        dry_run: rules.mode == Mode::DryRun,
        on: ranges(&rules.on.statuses),
        on_reset: rules.on.reset,
        on_per_try_timeout: rules.on.per_try_timeout,
        on_invalid_response: rules.on.invalid_response,
        retries_max: rules.retries_max,
        backoff: backoff(&rules.backoff),
        per_try_timeout_ms: rules.per_try_timeout.map(millis),
        total_timeout_ms: rules.total_timeout.map(millis),
        ..within(policy.key.clone(), rules)
    })
}

/// How a rule is retried by its own `retry`: triggers, count and backoff are the rule's as one unit, the ceilings
/// are those of the Service port's policy.
pub(super) fn of_rule(
    route: &ObjectKey,
    rule: &AcceptedRule,
    retry: &RuleRetry,
    policy: Option<&AcceptedPolicy>,
) -> Retry {
    Retry {
        on: ranges(&retry.statuses),
        on_reset: true,
        on_per_try_timeout: rule.attempt_timeout.is_some(),
        retries_max: retry.retries_max,
        backoff: backoff(&retry.backoff),
        ..within(route.clone(), ceilings(policy))
    }
}

/// The budget binds every retry to the Service port, whoever asks for it.
pub(super) fn budget(policy: Option<&AcceptedPolicy>) -> Option<wire::Budget> {
    let budget = ceilings(policy).budget?;
    Some(wire::Budget {
        percent: budget.percent,
        interval_ms: millis(budget.interval),
        floor_count: budget.floor_count,
        floor_interval_ms: millis(budget.floor_interval),
    })
}

/// A disabled policy sets no ceilings: the defaults hold as if it were not there.
fn ceilings(policy: Option<&AcceptedPolicy>) -> &RetryRules {
    policy.and_then(|policy| policy.rules.as_ref()).unwrap_or(&DEFAULT)
}

/// Rules that retry nothing, within the ceilings of others.
fn within(origin: ObjectKey, ceilings: &RetryRules) -> Retry {
    Retry {
        origin,
        dry_run: false,
        on: Vec::new(),
        on_reset: false,
        on_per_try_timeout: false,
        on_invalid_response: false,
        retries_max: 0,
        backoff: wire::Backoff { base_us: 1, max_us: 1, multiplier: 1, jitter: wire::Jitter::None },
        per_try_timeout_ms: None,
        total_timeout_ms: None,
        non_idempotent: non_idempotent(ceilings.non_idempotent),
        methods: ceilings.methods.clone(),
        replay_max_bytes: ceilings.replay_max_bytes,
        avoid_tried: ceilings.avoid_tried,
        suppress_nested: ceilings.nested == Nested::Suppress,
        attempt_header_request: ceilings.attempt_header_request,
        attempt_header_response: ceilings.attempt_header_response,
    }
}

fn ranges(statuses: &StatusSet) -> Vec<[u16; 2]> {
    statuses.ranges().iter().map(|(low, high)| [*low, *high]).collect()
}

fn backoff(backoff: &Backoff) -> wire::Backoff {
    wire::Backoff {
        base_us: micros(backoff.base()),
        max_us: micros(backoff.max()),
        multiplier: backoff.multiplier(),
        jitter: match backoff.jitter() {
            Jitter::Full => wire::Jitter::Full,
            Jitter::Equal => wire::Jitter::Equal,
            Jitter::None => wire::Jitter::None,
            Jitter::Floor => wire::Jitter::Floor,
        },
    }
}

fn non_idempotent(value: NonIdempotent) -> wire::NonIdempotent {
    match value {
        NonIdempotent::UnsentOnly => wire::NonIdempotent::UnsentOnly,
        NonIdempotent::IdempotencyKey => wire::NonIdempotent::IdempotencyKey,
        NonIdempotent::Always => wire::NonIdempotent::Always,
    }
}

/// Zero would mean that there is no time at all: what is shorter than the unit counts as one.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1)
}
