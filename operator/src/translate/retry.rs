//! Retry rules in numbers: those of a policy, and those of an HTTPRoute rule within a policy's ceilings.

use std::time::Duration;

use rebound_api::config::retry::{self as wire, Retry};
use rebound_api::name::ObjectKey;
use rebound_api::policy::backoff::{Backoff, Jitter};
use rebound_api::policy::retry::{Budget, Mode, Nested, NonIdempotent, REPLAY_DEFAULT_BYTES, RetryRules};
use rebound_api::policy::status_set::StatusSet;

use crate::validate::{AcceptedPolicy, AcceptedRule, RuleRetry};

/// What retries may cost where no policy says otherwise.
const BUDGET_DEFAULT: Budget = Budget {
    percent: 20,
    interval: Duration::from_secs(10),
    floor_count: 10,
    floor_interval: Duration::from_secs(1),
};

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
        ..within(policy.key.clone(), Some(rules))
    })
}

/// How a rule is retried by its own `retry`: triggers, count and backoff are the rule's as one unit, the ceilings
/// are those of the Service port's policy.
pub(super) fn of_rule(
    route: &ObjectKey,
    rule: &AcceptedRule<'_>,
    retry: &RuleRetry,
    policy: Option<&AcceptedPolicy>,
) -> Retry {
    Retry {
        on: ranges(&retry.statuses),
        on_reset: true,
        on_per_try_timeout: rule.attempt_timeout.is_some(),
        retries_max: retry.retries_max,
        backoff: backoff(&retry.backoff),
        ..within(route.clone(), policy.and_then(|it| it.rules.as_ref()))
    }
}

/// The budget binds every retry to the Service port, whoever asks for it.
pub(super) fn budget(policy: Option<&AcceptedPolicy>) -> Option<wire::Budget> {
    let rules = policy.and_then(|policy| policy.rules.as_ref());
    let budget = rules.map_or(Some(BUDGET_DEFAULT), |rules| rules.budget)?;
    Some(wire::Budget {
        percent: budget.percent,
        interval_ms: millis(budget.interval),
        floor_count: budget.floor_count,
        floor_interval_ms: millis(budget.floor_interval),
    })
}

/// Rules that retry nothing, within the ceilings of a policy or else of the defaults.
fn within(origin: ObjectKey, ceilings: Option<&RetryRules>) -> Retry {
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
        non_idempotent: non_idempotent(ceilings.map_or(NonIdempotent::UnsentOnly, |it| it.non_idempotent)),
        methods: ceilings.map(|it| it.methods.clone()).unwrap_or_default(),
        replay_max_bytes: ceilings.map_or(REPLAY_DEFAULT_BYTES, |it| it.replay_max_bytes),
        avoid_tried: ceilings.is_none_or(|it| it.avoid_tried),
        suppress_nested: ceilings.is_none_or(|it| it.nested == Nested::Suppress),
        attempt_header_request: ceilings.is_none_or(|it| it.attempt_header_request),
        attempt_header_response: ceilings.is_some_and(|it| it.attempt_header_response),
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
