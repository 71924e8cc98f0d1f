//! `/live.json`: the numbers of the plan in use, its routes, and the last requests. The page reads nothing else.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use rebound_api::config::route::{Match, PathMatch, Route, Rule, ValuePattern};
use rebound_api::config::shared::Shared;
use serde::Serialize;
use serde_json::Value;

use super::Subject;
use crate::io::driver::Driver;
use crate::retry::decide::Reason;
use crate::snapshot::plan::{Plan, Target};
use crate::telemetry::metrics::Cause;

/// Service ports that are listed, those with the most retries first.
const SERVICES_MAX: usize = 200;
/// Routes that are listed.
const ROUTES_MAX: usize = 200;

#[derive(Serialize)]
struct Live {
    gateway: Option<String>,
    generation: u64,
    driver: Option<&'static str>,
    draining: bool,
    services: Vec<Service>,
    services_total: usize,
    routes: Vec<RouteLine>,
    routes_total: usize,
    recent: Vec<Value>,
}

#[derive(Serialize)]
struct Service {
    service: String,
    policy: Option<String>,
    endpoints: usize,
    attempts: u64,
    rescued: u64,
    retries: BTreeMap<&'static str, u64>,
    suppressed: BTreeMap<&'static str, u64>,
    budget: Option<Budget>,
}

#[derive(Serialize)]
struct Budget {
    available: u64,
}

#[derive(Serialize)]
struct RouteLine {
    route: String,
    rules: Vec<RuleLine>,
}

#[derive(Serialize)]
struct RuleLine {
    matches: Vec<String>,
    backends: Vec<String>,
}

/// What is so at `now`.
pub(super) fn text(subject: &Subject, now: Instant) -> String {
    let plan = subject.health.plan();
    let plan = plan.as_deref();
    let (services, services_total) = plan.map(|plan| services(plan, now)).unwrap_or_default();
    let routes = plan.map(Plan::routes).unwrap_or_default();
    let lines = subject.recent.newest_first();
    let live = Live {
        gateway: plan.map(|plan| plan.gateway.to_string()),
        generation: subject.metrics.generation().0,
        driver: subject.metrics.driver().map(Driver::name),
        draining: subject.health.is_draining(),
        services,
        services_total,
        routes: plan.map(route_lines).unwrap_or_default(),
        routes_total: routes.len(),
        recent: lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    // Every field has a form in JSON: this cannot fail.
    serde_json::to_string(&live).unwrap_or_default()
}

/// The busiest, and how many there are.
fn services(plan: &Plan, now: Instant) -> (Vec<Service>, usize) {
    let mut services: Vec<_> = plan.targets().iter().map(|target| Service::of(target, now)).collect();
    let total = services.len();
    services.sort_by_cached_key(|it| (Reverse(it.retries.values().sum::<u64>()), it.service.clone()));
    services.truncate(SERVICES_MAX);
    (services, total)
}

impl Service {
    fn of(target: &Target, now: Instant) -> Self {
        let metrics = &target.metrics;
        let retries = Cause::ALL
            .into_iter()
            .enumerate()
            .map(|(index, cause)| (cause.name(), metrics.sum(|counters| &counters.retries[index])));
        let suppressed = Reason::ALL
            .into_iter()
            .filter(|reason| *reason != Reason::Success)
            .map(|reason| (reason.name(), metrics.sum(|counters| &counters.suppressed[reason.index()])));
        Self {
            service: target.cluster.service.to_string(),
            policy: target.cluster.retry.as_ref().map(|retry| retry.origin.to_string()),
            endpoints: target.cluster.endpoints.len(),
            attempts: metrics.sum(|counters| &counters.attempts),
            rescued: metrics.sum(|counters| &counters.rescued),
            retries: retries.filter(|(_, count)| *count > 0).collect(),
            suppressed: suppressed.filter(|(_, count)| *count > 0).collect(),
            budget: target.budget.as_ref().map(|budget| Budget { available: budget.available(now) }),
        }
    }
}

fn route_lines(plan: &Plan) -> Vec<RouteLine> {
    let line = |route: &Shared<Route>| RouteLine {
        route: route.name.to_string(),
        rules: route.rules.iter().map(|rule| RuleLine::of(plan, rule)).collect(),
    };
    plan.routes().iter().take(ROUTES_MAX).map(line).collect()
}

impl RuleLine {
    fn of(plan: &Plan, rule: &Rule) -> Self {
        let serving = || rule.backends.iter().filter(|backend| backend.weight > 0);
        let is_split = serving().count() > 1;
        let backends = serving().map(|backend| {
            let service = backend.cluster.map(|index| plan.target(index).cluster.service.to_string());
            let service = service.unwrap_or_else(|| "unknown".into());
            if is_split { format!("{service} (weight {})", backend.weight) } else { service }
        });
        Self { matches: rule.matches.iter().map(in_words).collect(), backends: backends.collect() }
    }
}

/// As the manifest has it.
fn in_words(wanted: &Match) -> String {
    let mut words = match &wanted.path {
        PathMatch::Exact(path) => format!("Exact {path}"),
        PathMatch::Prefix(path) => format!("PathPrefix {path}"),
        PathMatch::Regex(path) => format!("RegularExpression {path}"),
    };
    // Writing to a String cannot fail.
    if let Some(method) = &wanted.method {
        write!(words, ", method {method}").ok();
    }
    for (kind, values) in [("header", &wanted.headers), ("query", &wanted.query)] {
        for value in values {
            let (ValuePattern::Exact(pattern) | ValuePattern::Regex(pattern)) = &value.value;
            write!(words, ", {kind} {}={pattern}", value.name).ok();
        }
    }
    words
}
