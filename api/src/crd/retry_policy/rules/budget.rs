//! What the retries to a Service port may cost together.

use std::time::Duration;

use super::{inside, read_duration};
use crate::crd::retry_policy::config::ConstraintMode;
use crate::crd::retry_policy::layers::{Found, Layers};
use crate::policy::retry::{Budget, WINDOW_MAX, WINDOW_MIN};
use crate::violation::{Reason, Violation};

/// The budget of a scope; none if it is switched off.
pub(super) fn of(layers: &Layers<'_>, found: &mut Vec<Violation>) -> Option<Budget> {
    let default = Budget::default();
    let percent = layers.value(|c| c.retry_constraint.as_ref()?.budget.as_ref()?.percent);
    let interval = layers.pick("retryConstraint.budget.interval", |c| {
        c.retry_constraint.as_ref()?.budget.as_ref()?.interval.as_ref()
    });
    let floor_count = layers.value(|c| c.retry_constraint.as_ref()?.min_retry_rate.as_ref()?.count);
    let floor_interval = layers.pick("retryConstraint.minRetryRate.interval", |c| {
        c.retry_constraint.as_ref()?.min_retry_rate.as_ref()?.interval.as_ref()
    });
    let budget = Budget {
        percent: percent.map_or(default.percent, |percent| inside(percent, 0, 100)),
        interval: window(interval, found).unwrap_or(default.interval),
        floor_count: floor_count.map_or(default.floor_count, |count| u32::try_from(count).unwrap_or(0)),
        floor_interval: window(floor_interval, found).unwrap_or(default.floor_interval),
    };
    let mode = layers.value(|config| config.retry_constraint.as_ref()?.mode);
    (mode != Some(ConstraintMode::Disabled)).then_some(budget)
}

fn window(written: Option<Found<&String>>, found: &mut Vec<Violation>) -> Option<Duration> {
    let Found { path, value } = read_duration(written, found)?;
    if !(WINDOW_MIN..=WINDOW_MAX).contains(&value) {
        found.push(Violation::new(path, Reason::OutOfRange, "must be from 1s to 1h"));
        return None;
    }
    Some(value)
}
