//! An HTTPRoute by itself: which of its rules can be served, and what their backends mean.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::http_route::{HttpBackendRef, HttpRoute, HttpRouteRule};
use rebound_api::violation::{Report, Violation};

use super::place::Place;
use super::rule::{self, CheckedRule};
use super::verdict::{Fate, Refusal, RouteVerdict};
use super::{AcceptedBackend, AcceptedRoute, AcceptedRule, backend, grammar};
use crate::observe::world::{Observed, Surroundings};

/// What was found out about a route before anybody asked where it attaches.
#[derive(Debug)]
pub(super) struct CheckedRoute {
    pub(super) accepted: AcceptedRoute,
    pub(super) verdict: RouteVerdict,
}

/// Stands for the rules of a route that has none (Gateway API's default).
static MATCH_ALL: std::sync::LazyLock<HttpRouteRule> = std::sync::LazyLock::new(HttpRouteRule::default);

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

/// Looks at a route by itself.
pub(super) fn check(around: &Surroundings, route: &Observed<HttpRoute>) -> CheckedRoute {
    let head = head(&route.object);
    let mut accepted = AcceptedRoute { key: route.key.clone(), rules: Vec::new() };
    let mut unresolved = Vec::new();
    let mut verdict = RouteVerdict::new(route);
    // Hostnames are part of what every rule matches.
    let says_where = head.is_clean();
    verdict.dropped = head.violations;
    verdict.warnings = head.warnings;
    for (path, rule) in rules(&route.object) {
        let mut checked = rule::check(&path, rule);
        if !says_where {
            checked.fate = Fate::Dropped;
        }
        verdict.add(checked.fate, std::mem::take(&mut checked.report));
        if checked.fate != Fate::Dropped {
            accepted.rules.push(accept(around, route, &path, rule, checked, &mut unresolved));
        }
    }
    verdict.unresolved = join(unresolved);
    CheckedRoute { accepted, verdict }
}

fn accept(
    around: &Surroundings,
    route: &Observed<HttpRoute>,
    path: &str,
    rule: &HttpRouteRule,
    checked: CheckedRule,
    unresolved: &mut Vec<Refusal>,
) -> AcceptedRule {
    let backends = backends(around, route, path, rule, &checked.backends, unresolved);
    // A filter that cannot be carried out must not be skipped: its requests are answered with 500 instead.
    let is_served = checked.fate == Fate::Served;
    AcceptedRule {
        matches: rule.matches.clone(),
        filters: if is_served { rule.filters.clone() } else { Vec::new() },
        request_timeout: checked.request_timeout,
        attempt_timeout: checked.attempt_timeout,
        retry: checked.retry,
        backends: if is_served { backends } else { Vec::new() },
    }
}

fn backends(
    around: &Surroundings,
    route: &Observed<HttpRoute>,
    path: &str,
    rule: &HttpRouteRule,
    fates: &[Fate],
    unresolved: &mut Vec<Refusal>,
) -> Vec<AcceptedBackend> {
    let mut backends = Vec::new();
    for (index, (backend, fate)) in rule.backend_refs.iter().zip(fates).enumerate() {
        let target = backend::resolve(around, route.key.namespace(), backend);
        let target = target.map_err(|mut refusal| {
            refusal.message = format!("{path}.backendRefs[{index}]: {}", refusal.message);
            unresolved.push(refusal);
        });
        let is_served = *fate == Fate::Served;
        backends.push(AcceptedBackend {
            weight: weight(backend),
            filters: if is_served { backend.filters.clone() } else { Vec::new() },
            target: target.ok().filter(|_| is_served),
        });
    }
    backends
}

/// The share, brought within its bounds: that it was outside is told elsewhere.
fn weight(backend: &HttpBackendRef) -> u32 {
    backend.weight.map_or(1, |weight| u32::try_from(weight).unwrap_or(0).min(rule::WEIGHT_MAX))
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
    fn new(route: &Observed<HttpRoute>) -> Self {
        Self {
            key: route.key.clone(),
            generation: route.generation,
            parents: Vec::new(),
            fates: Vec::new(),
            dropped: Vec::new(),
            answered_500: Vec::new(),
            unresolved: None,
            warnings: Vec::new(),
        }
    }

    /// One rule more.
    fn add(&mut self, fate: Fate, report: Report) {
        // Of a rule that is served all mistakes are those of single backends.
        let mistakes = if fate == Fate::Dropped { &mut self.dropped } else { &mut self.answered_500 };
        mistakes.extend(report.violations);
        self.warnings.extend(report.warnings);
        self.fates.push(fate);
    }

    /// Why a route without any rule that is served is refused, wherever it wants to attach.
    pub(super) fn own_refusal(&self) -> Option<Refusal> {
        let is_served = self.fates.contains(&Fate::Served);
        let mistakes = self.dropped.iter().chain(&self.answered_500);
        (!is_served).then(|| Refusal::new(Reason::UnsupportedValue, join_violations(mistakes)))
    }
}

fn join_violations<'a>(violations: impl Iterator<Item = &'a Violation>) -> String {
    violations.map(Violation::to_string).collect::<Vec<_>>().join("; ")
}
