//! One rule of an HTTPRoute by itself: what is wrong with it, and its numbers parsed.

mod filters;
mod matches;
mod retry;

use std::time::Duration;

use rebound_api::crd::http_route::{HttpBackendRef, HttpRouteRule, HttpRouteTimeouts};
use rebound_api::policy::duration;
use rebound_api::violation::Report;

use super::RuleRetry;
use super::place::Place;
use super::verdict::Fate;

/// The largest weight of a backend (Gateway API).
pub(super) const WEIGHT_MAX: u32 = 1_000_000;

/// A rule, looked at.
#[derive(Debug)]
pub(super) struct CheckedRule {
    pub(super) report: Report,
    pub(super) fate: Fate,
    /// What becomes of each backend by itself, as far as its filters and weight decide.
    pub(super) backends: Vec<Fate>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) retry: Option<RuleRetry>,
}

/// Looks at the rule that stands at `path`.
pub(super) fn check(path: &str, rule: &HttpRouteRule) -> CheckedRule {
    let mut report = Report::default();
    let mut place = Place::new(&mut report, path);
    for (index, item) in rule.matches.iter().enumerate() {
        matches::check(&mut place.item("matches", index), item);
    }
    let says_when = place.mistakes() == 0;
    place.unread(&rule.unread);
    filters::check(&mut place, &rule.filters);
    let timeouts = rule.timeouts.as_ref().map(|it| timeout_limits(&mut place.at("timeouts"), it));
    let (request_timeout, attempt_timeout) = timeouts.unwrap_or_default();
    let retry = rule.retry.as_ref().and_then(|it| retry::check(&mut place.at("retry"), it));
    let fate = match (says_when, place.mistakes()) {
        (false, _) => Fate::Dropped,
        (true, 0) => Fate::Served,
        (true, _) => Fate::Answers500,
    };
    let backends = rule.backend_refs.iter().enumerate();
    let backends =
        backends.map(|(index, it)| backend_fate(&mut place.item("backendRefs", index), it)).collect();
    CheckedRule { report, fate, backends, request_timeout, attempt_timeout, retry }
}

/// `timeouts.request` and `timeouts.backendRequest`.
fn timeout_limits(
    place: &mut Place<'_>,
    timeouts: &HttpRouteTimeouts,
) -> (Option<Duration>, Option<Duration>) {
    place.unread(&timeouts.unread);
    let mut limit = |field: &str, text: &Option<String>| {
        let parsed = parse_duration(&mut place.at(field), text.as_deref()?);
        // GEP-1742: zero switches the timeout off.
        parsed.filter(|limit| !limit.is_zero())
    };
    let request = limit("request", &timeouts.request);
    let attempt = limit("backendRequest", &timeouts.backend_request);
    let fits = request.is_none_or(|request| attempt.is_none_or(|attempt| attempt <= request));
    place.at("backendRequest").ensure(fits, || "must not be longer than `timeouts.request`".into());
    (request, attempt)
}

fn parse_duration(place: &mut Place<'_>, text: &str) -> Option<Duration> {
    duration::parse(text).map_err(|bad| place.wrong(format!("`{text}` {bad}"))).ok()
}

fn backend_fate(place: &mut Place<'_>, backend: &HttpBackendRef) -> Fate {
    let before = place.mistakes();
    place.unread(&backend.unread);
    filters::check(place, &backend.filters);
    let weight = backend.weight.unwrap_or(1);
    let in_bounds = u32::try_from(weight).is_ok_and(|weight| weight <= WEIGHT_MAX);
    place.at("weight").ensure(in_bounds, || format!("{weight} is not within 0 to {WEIGHT_MAX}"));
    if place.mistakes() == before { Fate::Served } else { Fate::Answers500 }
}
