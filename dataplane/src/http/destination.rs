//! Where a request leads, and which limits it meets there. Pure but for the dice that draw a backend.

use std::time::{Duration, Instant};

use rebound_api::config::retry::Retry;
use rebound_api::config::route::{Backend, HeaderEdits, Rule};
use rebound_api::name::ObjectKey;

use super::h1::request::RequestHead;
use crate::retry::attempts::{Deadline, DeadlineSource};
use crate::snapshot::plan::{Plan, Target};
use crate::telemetry::passage::Place;
use crate::telemetry::phrases::PlaceId;

/// Body bytes kept for replay where no policy says how many: enough for the one free repetition.
const REPLAY_DEFAULT_BYTES: u32 = 64 * 1024;

/// What a request matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'p> {
    /// What tells it from others.
    pub(super) id: PlaceId,
    /// The HTTPRoute.
    pub(super) route: &'p ObjectKey,
    /// The rule.
    pub(super) rule: &'p Rule,
    /// The one of its backends that was drawn.
    pub(super) backend: &'p Backend,
    /// The Service port behind it.
    pub(super) target: &'p Target,
    /// How requests to it are retried; none: there is no policy.
    pub(super) rules: Option<&'p Retry>,
}

/// Why a request leads to no Service port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nowhere<'p> {
    /// What the client is told.
    pub(super) status: u16,
    /// The rule that it matched, which has no backend to draw; none: there is no such rule.
    pub(super) place: Option<Place<'p>>,
}

impl<'p> Destination<'p> {
    /// Finds the rule and draws one of its backends.
    pub(super) fn find(
        plan: &'p Plan,
        number: u64,
        port: u16,
        head: &RequestHead,
    ) -> Result<Self, Nowhere<'p>> {
        let found = plan.router.find(port, head.host(), head).ok_or(Nowhere { status: 404, place: None })?;
        let (route, rule) = (&plan.route(found).name, plan.rule(found));
        let id = |cluster| PlaceId { plan: number, route: found.route, rule: found.rule, cluster };
        let drawn = draw(&rule.backends).and_then(|backend| Some((backend, backend.cluster?)));
        let Some((backend, cluster)) = drawn else {
            let place = Place { id: id(None), route, rule, service: None, policy: None };
            return Err(Nowhere { status: 500, place: Some(place) });
        };
        let target = plan.target(cluster);
        let rules = backend.retry.as_deref().or(target.cluster.retry.as_ref());
        Ok(Self { id: id(Some(cluster)), route, rule, backend, target, rules })
    }

    /// The end of all attempts of a request that began at `started`: the nearer one of the route's timeout and the
    /// policy's.
    pub(super) fn deadline(&self, started: Instant) -> Option<Deadline> {
        let of = |ms: Option<u64>, source| Some(Deadline { at: after(started, ms)?, source });
        let route = of(self.rule.request_timeout_ms, DeadlineSource::Route);
        let policy = of(self.rules.and_then(|rules| rules.total_timeout_ms), DeadlineSource::Policy);
        [route, policy].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// How long one attempt may take to its response head; none: there is no limit.
    pub(super) fn attempt_limit(&self) -> Option<Duration> {
        let of_policy = self.rules.and_then(|rules| rules.per_try_timeout_ms);
        let limits = [of_policy, self.rule.attempt_timeout_ms].into_iter().flatten();
        limits.min().map(Duration::from_millis)
    }

    /// When the response must have ended. The route's timeouts run to its end (GEP-1742), the policy's only to its
    /// head. `attempt_started`: when the attempt began that it comes from; none: it was put aside and is there.
    pub(super) fn response_limit(
        &self,
        started: Instant,
        attempt_started: Option<Instant>,
    ) -> Option<Instant> {
        let of_request = after(started, self.rule.request_timeout_ms);
        let of_attempt = attempt_started.and_then(|started| after(started, self.rule.attempt_timeout_ms));
        [of_request, of_attempt].into_iter().flatten().min()
    }

    /// Body bytes to keep for replay.
    pub(super) fn replay_max_bytes(found: Option<&Self>) -> usize {
        let rules = found.and_then(|destination| destination.rules);
        rules.map_or(REPLAY_DEFAULT_BYTES, |rules| rules.replay_max_bytes) as usize
    }

    /// The same for those who tell of the request.
    pub(super) fn place(&self) -> Place<'p> {
        // The `retry` of a route's rule is nobody's policy.
        let of_policy = self.rules.filter(|_| self.backend.retry.is_none());
        let policy = of_policy.map(|rules| &rules.origin);
        Place {
            id: self.id,
            route: self.route,
            rule: self.rule,
            service: Some(&self.target.cluster.service),
            policy,
        }
    }

    /// Changes to the request, in their order.
    pub(super) fn request_edits(&self) -> [&'p HeaderEdits; 2] {
        [&self.rule.request_headers, &self.backend.request_headers]
    }

    /// Changes to the response, in their order.
    pub(super) fn response_edits(&self) -> [&'p HeaderEdits; 2] {
        [&self.backend.response_headers, &self.rule.response_headers]
    }
}

fn after(start: Instant, ms: Option<u64>) -> Option<Instant> {
    Some(start + Duration::from_millis(ms?))
}

/// One of the backends, each as often as its weight says; none: the weights are all zero.
fn draw(backends: &[Backend]) -> Option<&Backend> {
    if let [only] = backends {
        return Some(only).filter(|backend| backend.weight > 0);
    }
    let total: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut left = fastrand::u64(..total);
    backends.iter().find(|backend| match left.checked_sub(u64::from(backend.weight)) {
        Some(rest) => {
            left = rest;
            false
        }
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends(weights: &[u32]) -> Vec<Backend> {
        let backend = |weight: &u32| Backend {
            weight: *weight,
            cluster: None,
            retry: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
        };
        weights.iter().map(backend).collect()
    }

    #[test]
    fn backends_are_drawn_as_often_as_their_weights_say() {
        let backends = backends(&[1, 0, 3]);
        let mut drawn = [0; 4];
        for _ in 0..4_000 {
            drawn[draw(&backends).unwrap().weight as usize] += 1;
        }
        assert_eq!((drawn[0], drawn[2]), (0, 0));
        assert!((850..1_150).contains(&drawn[1]), "{drawn:?}");
    }

    #[test]
    fn without_weight_nothing_is_drawn() {
        for weights in [&[][..], &[0], &[0, 0]] {
            assert!(draw(&backends(weights)).is_none(), "{weights:?}");
        }
    }
}
