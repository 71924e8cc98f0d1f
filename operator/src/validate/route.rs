//! An HTTPRoute by itself: which of its rules can be served, and what their backends mean.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::http_route::{HttpRoute, HttpRouteRule};
use rebound_api::violation::{Report, Violation};

use super::place::Place;
use super::rule::{self, Checked};
use super::verdict::{Refusal, RouteVerdict};
use super::{AcceptedBackend, AcceptedRoute, AcceptedRule, backend, grammar};
use crate::observe::world::{Observed, World};

/// A route and what was found out about it before anybody asked where it attaches.
#[derive(Debug)]
pub(super) struct CheckedRoute<'w> {
    pub(super) route: &'w Observed<HttpRoute>,
    pub(super) accepted: AcceptedRoute<'w>,
    pub(super) verdict: RouteVerdict,
}

/// Stands for the rules of a route that has none (Gateway API's default).
static MATCH_ALL: std::sync::LazyLock<HttpRouteRule> = std::sync::LazyLock::new(HttpRouteRule::default);

/// All routes, in the order of the world.
pub(super) fn routes(world: &World) -> Vec<CheckedRoute<'_>> {
    world.routes.iter().map(|route| check(world, route)).collect()
}

/// Everything that is wrong with one route, whatever else exists.
pub(super) fn report(route: &HttpRoute) -> Report {
    let mut report = head(route);
    for (path, rule) in rules(route) {
        let mut checked = rule::check(&path, rule).report;
        report.violations.append(&mut checked.violations);
        report.warnings.append(&mut checked.warnings);
    }
    report
}

fn check<'w>(world: &'w World, route: &'w Observed<HttpRoute>) -> CheckedRoute<'w> {
    let mut report = head(&route.object);
    let hosts_ok = report.violations.is_empty();
    let mut unresolved = Vec::new();
    let mut accepted = Vec::new();
    let mut served = false;
    for (path, rule) in rules(&route.object) {
        let mut checked = rule::check(&path, rule);
        report.violations.extend_from_slice(&checked.report.violations);
        report.warnings.append(&mut checked.report.warnings);
        if checked.matches_ok && hosts_ok {
            served |= checked.is_sound;
            accepted.push(accept(world, route, &path, rule, checked, &mut unresolved));
        }
    }
    CheckedRoute {
        route,
        accepted: AcceptedRoute { key: route.key.clone(), rules: accepted },
        verdict: RouteVerdict {
            key: route.key.clone(),
            generation: route.generation,
            parents: Vec::new(),
            is_empty: !served,
            dropped: report.violations,
            unresolved: join(unresolved),
            warnings: report.warnings,
        },
    }
}

fn accept<'w>(
    world: &'w World,
    route: &Observed<HttpRoute>,
    path: &str,
    rule: &'w HttpRouteRule,
    checked: Checked,
    unresolved: &mut Vec<Refusal>,
) -> AcceptedRule<'w> {
    let backends = backends(world, route, path, rule, &checked, unresolved);
    // A filter that cannot be carried out must not be skipped: its requests are answered with 500 instead.
    let is_sound = checked.is_sound;
    AcceptedRule {
        matches: &rule.matches,
        filters: if is_sound { &rule.filters } else { &[] },
        request_timeout: checked.request_timeout,
        attempt_timeout: checked.attempt_timeout,
        retry: checked.retry,
        backends: if is_sound { backends } else { Vec::new() },
    }
}

fn backends<'w>(
    world: &'w World,
    route: &Observed<HttpRoute>,
    path: &str,
    rule: &'w HttpRouteRule,
    checked: &Checked,
    unresolved: &mut Vec<Refusal>,
) -> Vec<AcceptedBackend<'w>> {
    let mut backends = Vec::new();
    for (index, backend) in rule.backend_refs.iter().enumerate() {
        let target = backend::resolve(world, route.key.namespace(), backend);
        let target = target.map_err(|mut refusal| {
            refusal.message = format!("{path}.backendRefs[{index}]: {}", refusal.message);
            unresolved.push(refusal);
        });
        let is_bad = checked.bad_backends.contains(&index);
        backends.push(AcceptedBackend {
            weight: backend
                .weight
                .map_or(1, |weight| u32::try_from(weight).unwrap_or(0).min(rule::WEIGHT_MAX)),
            filters: if is_bad { &[] } else { &backend.filters },
            target: target.ok().filter(|_| !is_bad),
        });
    }
    backends
}

fn head(route: &HttpRoute) -> Report {
    let mut report = Report::default();
    let mut spec = Place::new(&mut report, "spec");
    spec.unread(&route.spec.unread);
    for (index, parent) in route.spec.parent_refs.iter().enumerate() {
        spec.item("parentRefs", index).unread(&parent.unread);
    }
    for (index, hostname) in route.spec.hostnames.iter().enumerate() {
        let mut place = spec.item("hostnames", index);
        place.ensure(grammar::is_hostname(hostname), || format!("`{hostname}` is not a hostname"));
    }
    report
}

fn rules(route: &HttpRoute) -> Vec<(String, &HttpRouteRule)> {
    if route.spec.rules.is_empty() {
        return vec![("spec.rules".into(), &MATCH_ALL)];
    }
    let rules = route.spec.rules.iter().enumerate();
    rules.map(|(index, rule)| (format!("spec.rules[{index}]"), rule)).collect()
}

/// One refusal that tells of all; the first gives the reason.
fn join(refusals: Vec<Refusal>) -> Option<Refusal> {
    let reason = refusals.first()?.reason;
    let messages: Vec<_> = refusals.into_iter().map(|it| it.message).collect();
    Some(Refusal { reason, message: messages.join("; ") })
}

impl RouteVerdict {
    /// Why a route is refused by itself, wherever it wants to attach.
    pub(super) fn own_refusal(&self) -> Option<Refusal> {
        self.is_empty.then(|| Refusal::new(Reason::UnsupportedValue, join_violations(&self.dropped)))
    }
}

fn join_violations(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}
