//! How often, how far apart, and by whose rules.

use std::time::Duration;

use rebound_api::config::retry::{Backoff, Jitter, Retry};

use crate::support::TestEnv;
use crate::support::backend::{Backend, Step, refusing};
use crate::support::snapshot::{Verbs, retrying, serving};

#[test]
fn s29_n_retries_are_n_plus_one_attempts() {
    for retries in [1, 3, 10] {
        let backend = Backend::always(Step::Status(503));
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(retries)));
        assert_eq!(env.get("/").status, 503);
        assert_eq!(backend.attempts(), usize::from(retries) + 1);
        assert_eq!(env.metric("gateway_retry_attempts_total{reason=\"status\"}"), u64::from(retries));
    }
}

#[test]
fn s30_no_retries_are_one_attempt() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(0)));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(backend.attempts(), 1);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"disabled\"}"), 1);
}

#[test]
fn s31_the_free_repetition_does_not_count() {
    let env = TestEnv::start(&serving([refusing()]).retried(retrying(2)));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(env.metric("gateway_attempts_total"), 1 + 1 + 2);
}

#[test]
fn s42_waits_grow_up_to_the_cap() {
    let backend = Backend::always(Step::Status(503));
    let backoff = Backoff { base_us: 50_000, max_us: 100_000, multiplier: 10, jitter: Jitter::None };
    let env = TestEnv::start(&serving([backend.address]).retried(Retry { backoff, ..retrying(3) }));
    env.get("/");
    let at: Vec<_> = backend.seen().iter().map(|seen| seen.at).collect();
    // Without the cap the last two would be half a second and five.
    for (pair, expected) in at.windows(2).zip([50, 100, 100].map(Duration::from_millis)) {
        let wait = pair[1] - pair[0];
        assert!(wait >= expected && wait < Duration::from_millis(450), "{wait:?} instead of {expected:?}");
    }
}

#[test]
fn s87_the_rules_of_a_route_win_over_those_of_the_service_as_one_unit() {
    let of_route = Retry { on: vec![[503, 503]], ..retrying(1) };
    let snapshot = |backend: &Backend| {
        serving([backend.address])
            .retried(retrying(5))
            .with(|snapshot| snapshot.routes[0].rules[0].backends[0].retry = Some(Box::new(of_route.clone())))
    };
    for (status, attempts) in [(503, 2), (500, 1)] {
        let backend = Backend::always(Step::Status(status));
        let env = TestEnv::start(&snapshot(&backend));
        assert_eq!(env.get("/").status, status);
        assert_eq!(backend.attempts(), attempts, "{status}");
    }
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([backend.address]).retried(Retry { dry_run: true, ..retrying(5) }));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(backend.attempts(), 1);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"dry_run\"}"), 1);
}

#[test]
fn the_client_is_told_the_number_of_attempts_if_the_policy_says_so() {
    let backend = Backend::answering([Step::Status(503), Step::Status(503)]);
    let env = TestEnv::start(
        &serving([backend.address]).retried(Retry { attempt_header_response: true, ..retrying(5) }),
    );
    assert_eq!(env.get("/").header("x-rebound-attempt"), Some("3"));
}
