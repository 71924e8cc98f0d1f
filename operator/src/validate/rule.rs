//! One rule of an HTTPRoute by itself: what is wrong with it, and its numbers parsed.

mod filters;
mod matches;
mod retry;

use std::collections::BTreeSet;
use std::time::Duration;

use rebound_api::crd::http_route::{HttpBackendRef, HttpRouteRule, HttpRouteTimeouts};
use rebound_api::policy::duration;
use rebound_api::violation::Report;

use super::RuleRetry;
use super::place::Place;

/// The largest weight of a backend (Gateway API).
pub(super) const WEIGHT_MAX: u32 = 1_000_000;

/// A rule, looked at.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) report: Report,
    /// False: nobody can say which requests the rule is for.
    pub(super) matches_ok: bool,
    /// The rule can be carried out, apart from single backends.
    pub(super) is_sound: bool,
    /// Backends, by index, whose own filters or weight are wrong.
    pub(super) bad_backends: BTreeSet<usize>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) retry: Option<RuleRetry>,
}

/// Looks at the rule that stands at `path`.
pub(super) fn check(path: &str, rule: &HttpRouteRule) -> Checked {
    let mut report = Report::default();
    let mut place = Place::new(&mut report, path);
    let mut checked = Checked::default();
    for (index, item) in rule.matches.iter().enumerate() {
        matches::check(&mut place.item("matches", index), item);
    }
    checked.matches_ok = place.mistakes() == 0;
    place.unread(&rule.unread);
    filters::check(&mut place, &rule.filters);
    if let Some(timeouts) = &rule.timeouts {
        let (request, attempt) = timeout_limits(&mut place.at("timeouts"), timeouts);
        (checked.request_timeout, checked.attempt_timeout) = (request, attempt);
    }
    checked.retry = rule.retry.as_ref().and_then(|it| retry::check(&mut place.at("retry"), it));
    checked.is_sound = place.mistakes() == 0;
    let backends = rule.backend_refs.iter().enumerate();
    let bad = backends.filter(|(index, it)| !is_backend_ok(&mut place.item("backendRefs", *index), it));
    checked.bad_backends = bad.map(|(index, _)| index).collect();
    Checked { report, ..checked }
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

fn is_backend_ok(place: &mut Place<'_>, backend: &HttpBackendRef) -> bool {
    let before = place.mistakes();
    place.unread(&backend.unread);
    filters::check(place, &backend.filters);
    let weight = backend.weight.unwrap_or(1);
    let in_bounds = u32::try_from(weight).is_ok_and(|weight| weight <= WEIGHT_MAX);
    place.at("weight").ensure(in_bounds, || format!("{weight} is not within 0 to {WEIGHT_MAX}"));
    place.mistakes() == before
}
