//! What is legal and will hurt, with the arithmetic that says so. One scope at a time: a port, or every port.

use std::time::Duration;

use super::config::{ConstraintMode, Jitter, Mode, NonIdempotent};
use super::layers::{Layers, in_force};
use super::{RetryPolicySpec, rules};
use crate::policy::duration::format;
use crate::policy::policy_rules::PolicyRules;
use crate::policy::retry::RetryRules;
use crate::violation::{Reason, Violation};

/// A client that waits longer than this between attempts alone has usually gone.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Client errors that another attempt can change: Request Timeout, Too Early, Too Many Requests.
const TRANSIENT_4XX: [u16; 3] = [408, 425, 429];

/// Every remark about a policy that is switched on.
pub(super) fn check(spec: &RetryPolicySpec, rules: &PolicyRules, found: &mut Vec<Violation>) {
    if spec.mode == Some(Mode::Disabled) {
        return;
    }
    for (port, layers) in in_force(spec) {
        // Rules without listed ports are the same for each.
        let Some(rules) = rules.for_port(port.unwrap_or(1)) else { continue };
        client_errors(&layers, found);
        long_sleep(&layers, rules, found);
        tries_beyond_total(&layers, rules, found);
        always(&layers, found);
        no_jitter(&layers, rules, found);
        no_budget(&layers, rules, found);
        lower_case_methods(&layers, found);
    }
}

fn client_errors(layers: &Layers<'_>, found: &mut Vec<Violation>) {
    let Some(list) = layers.pick("retryOn", |config| config.retry_on.as_ref()) else { return };
    for (index, token) in rules::tokens(layers, &mut Vec::new()).into_iter().enumerate() {
        let Some((low, high)) = token.statuses() else { continue };
        if (low..=high.min(499)).any(|code| !TRANSIENT_4XX.contains(&code)) {
            let message = format!(
                "`{}` holds client errors that stay the same; of 4xx, only 408, 425 and 429 are worth another attempt",
                list.value[index]
            );
            found.push(Violation::new(format!("{}[{index}]", list.path), Reason::Dangerous, message));
        }
    }
}

fn long_sleep(layers: &Layers<'_>, rules: &RetryRules, found: &mut Vec<Violation>) {
    let sleeps: Vec<Duration> = (1..=rules.retries_max).map(|n| rules.backoff.ceiling(n.into())).collect();
    let sum: Duration = sleeps.iter().sum();
    if sum.min(rules.total_timeout.unwrap_or(Duration::MAX)) <= SLEEP_MAX {
        return;
    }
    let terms: Vec<String> = sleeps.iter().map(|sleep| sleep.as_secs_f64().to_string()).collect();
    let message = format!(
        "a request can wait up to {} = {} s between its attempts; clients give up sooner: lower `numRetries` or \
         `backoffBaseInterval`, or set `totalTimeout`",
        terms.join("+"),
        sum.as_secs_f64()
    );
    let written = layers.pick("numRetries", |config| config.num_retries);
    let path = written.map_or_else(|| layers.path().to_owned(), |written| written.path);
    found.push(Violation::new(path, Reason::Dangerous, message));
}

fn tries_beyond_total(layers: &Layers<'_>, rules: &RetryRules, found: &mut Vec<Violation>) {
    let (Some(per_try), Some(total)) = (rules.per_try_timeout, rules.total_timeout) else { return };
    let Some(written) = layers.pick("perTryTimeout", |config| config.per_try_timeout.as_ref()) else {
        return;
    };
    let retries = u32::from(rules.retries_max);
    let needed = per_try.saturating_mul(retries);
    if needed <= total {
        return;
    }
    let message = format!(
        "{retries} retries of up to {} each need {}, but `totalTimeout` ends after {}: the last ones never happen",
        format(per_try),
        format(needed),
        format(total)
    );
    found.push(Violation::new(written.path, Reason::Dangerous, message));
}

fn always(layers: &Layers<'_>, found: &mut Vec<Violation>) {
    let Some(written) = layers.pick("nonIdempotent", |config| config.non_idempotent) else { return };
    if written.value == NonIdempotent::Always {
        let message =
            "a POST that the backend has already carried out is sent again; `IdempotencyKey` is the safe way";
        found.push(Violation::new(written.path, Reason::Dangerous, message));
    }
}

fn no_jitter(layers: &Layers<'_>, rules: &RetryRules, found: &mut Vec<Violation>) {
    let Some(written) = layers.pick("backoff.jitter", |config| config.backoff.as_ref()?.jitter) else {
        return;
    };
    if written.value == Jitter::None && rules.retries_max > 1 {
        let message = "clients that failed together come back together; `Full` spreads them";
        found.push(Violation::new(written.path, Reason::Dangerous, message));
    }
}

fn no_budget(layers: &Layers<'_>, rules: &RetryRules, found: &mut Vec<Violation>) {
    let mode = layers.pick("retryConstraint.mode", |config| config.retry_constraint.as_ref()?.mode);
    let Some(written) = mode.filter(|written| written.value == ConstraintMode::Disabled) else { return };
    if rules.retries_max > 0 {
        let message = format!(
            "without a budget, an outage multiplies the requests to the Service by up to {} (1 + {} retries)",
            u32::from(rules.retries_max) + 1,
            rules.retries_max
        );
        found.push(Violation::new(written.path, Reason::Dangerous, message));
    }
}

fn lower_case_methods(layers: &Layers<'_>, found: &mut Vec<Violation>) {
    let Some(list) = layers.pick("methods", |config| config.methods.as_ref()) else { return };
    for (index, method) in list.value.iter().enumerate() {
        if method.bytes().any(|b| b.is_ascii_lowercase()) {
            let message =
                format!("methods are case-sensitive: `{method}` is not `{}`", method.to_uppercase());
            found.push(Violation::new(format!("{}[{index}]", list.path), Reason::Dangerous, message));
        }
    }
}
