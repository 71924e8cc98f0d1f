//! What the retries of one Service port may cost together.

use rebound_api::config::Snapshot;
use rebound_api::config::retry::{Backoff, Budget, Jitter, Retry};
use rebound_api::config::route::PathMatch;

use crate::support::backend::{Backend, Step};
use crate::support::snapshot::{Verbs, retrying, rule, serving};
use crate::support::{Options, TestEnv};

const HOUR_MS: u64 = 3_600_000;

/// Windows so long that nothing comes back during a test.
fn budget(percent: u8, floor_count: u32) -> Budget {
    Budget { percent, interval_ms: HOUR_MS, floor_count, floor_interval_ms: HOUR_MS }
}

fn failing(backend: &Backend, budget: Budget) -> Snapshot {
    serving([backend.address])
        .retried(retrying(5))
        .with(|snapshot| snapshot.clusters[0].budget = Some(budget))
}

#[test]
fn s50_s51_s52_over_budget_the_answer_of_the_backend_is_passed_on() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&failing(&backend, budget(0, 7)));
    for _ in 0..4 {
        let response = env.get("/");
        assert_eq!((response.status, response.text()), (503, "status 503"));
    }
    assert_eq!(backend.attempts(), 4 + 7);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"exhausted\"}"), 1);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"budget\"}"), 3);
}

#[test]
fn s50_s53_retries_are_a_share_of_the_original_requests() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&failing(&backend, budget(20, 0)));
    (0..50).for_each(|_| drop(env.get("/")));
    assert_eq!(backend.attempts(), 50 + 10);
}

#[test]
fn s54_a_burst_that_waits_for_its_retries_does_not_overshoot() {
    const BURST: usize = 20;
    let backend = Backend::always(Step::Status(503));
    let backoff = Backoff { base_us: 300_000, max_us: 300_000, multiplier: 1, jitter: Jitter::None };
    let env = TestEnv::start(&failing(&backend, budget(0, 5)).retried(Retry { backoff, ..retrying(1) }));
    let mut clients: Vec<_> = (0..BURST).map(|_| env.client()).collect();
    clients.iter_mut().for_each(|client| client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n"));
    clients.iter_mut().for_each(|client| assert_eq!(client.read_final(false).status, 503));
    assert_eq!(backend.attempts(), BURST + 5);
}

#[test]
fn s55_the_budget_is_one_for_all_cores() {
    let backend = Backend::always(Step::Status(503));
    let env =
        TestEnv::start_with(&failing(&backend, budget(0, 8)), &Options { workers: 4, ..Options::default() });
    (0..40).for_each(|_| drop(env.get("/")));
    assert_eq!(backend.attempts(), 40 + 8);
}

#[test]
fn s55_a_reload_does_not_refill_the_budget() {
    let backend = Backend::always(Step::Status(503));
    let snapshot = failing(&backend, budget(0, 5));
    let env = TestEnv::start(&snapshot);
    env.get("/");
    env.publish(&snapshot.generation(2));
    env.get("/");
    assert_eq!(backend.attempts(), 2 + 5);
}

#[test]
fn s56_all_routes_to_a_service_port_share_its_budget() {
    let backend = Backend::always(Step::Status(503));
    let snapshot = failing(&backend, budget(0, 6)).with(|snapshot| {
        let mut other = rule("/other", 0);
        other.backends[0].retry = Some(Box::new(retrying(5)));
        assert_eq!(other.matches[0].path, PathMatch::Prefix("/other".into()));
        snapshot.routes[0].rules.push(other);
    });
    let env = TestEnv::start(&snapshot);
    env.get("/");
    env.get("/other");
    assert_eq!(backend.attempts(), 2 + 6);
}

#[test]
fn s58_a_budget_of_nothing_means_no_retries_and_all_of_the_traffic_is_allowed() {
    for (percent, retries) in [(0, 0), (100, 5)] {
        let backend = Backend::always(Step::Status(503));
        let env = TestEnv::start(&failing(&backend, budget(percent, 0)));
        (0..5).for_each(|_| drop(env.get("/")));
        assert_eq!(backend.attempts(), 5 + retries, "{percent} %");
    }
}
