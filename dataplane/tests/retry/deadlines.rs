//! When a request ends, whatever its attempts do.

use std::time::Duration;

use rebound_api::config::Snapshot;
use rebound_api::config::retry::{Backoff, Jitter, Retry};

use crate::support::backend::{Backend, Step, unreachable};
use crate::support::client::{Client, Response};
use crate::support::snapshot::{Verbs, retrying, serving};
use crate::support::{TestEnv, await_that, timed};

/// Much longer than the limits of these tests, much shorter than what would happen without them.
const SOON: Duration = Duration::from_secs(3);

fn waiting(seconds: u64, retries_max: u8) -> Retry {
    let us = seconds * 1_000_000;
    let backoff = Backoff { base_us: us, max_us: us, multiplier: 1, jitter: Jitter::None };
    Retry { backoff, ..retrying(retries_max) }
}

trait Timeouts: Verbs {
    fn route_timeout(self, ms: u64) -> Self {
        self.with(|snapshot| snapshot.routes[0].rules[0].request_timeout_ms = Some(ms))
    }

    fn attempt_timeout(self, ms: u64) -> Self {
        self.with(|snapshot| snapshot.routes[0].rules[0].attempt_timeout_ms = Some(ms))
    }
}

impl Timeouts for Snapshot {}

/// Soon, and not before `at_least`.
#[track_caller]
fn ends_soon(at_least_ms: u64, act: impl FnOnce() -> Response) -> Response {
    let (response, took) = timed(act);
    assert!(took >= Duration::from_millis(at_least_ms) && took < SOON, "{took:?}");
    response
}

#[track_caller]
fn ends_in_time(act: impl FnOnce()) {
    let ((), took) = timed(act);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn s32_the_route_timeout_ends_an_attempt_in_flight_with_504() {
    let backend = Backend::answering([Step::Status(503), Step::Hang]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)).route_timeout(200));
    let mut client = env.client();
    assert_eq!(ends_soon(200, || client.get("/")).status, 504);
    backend.await_abandoned(1);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"deadline\"}"), 1);
    assert_eq!(client.get("/").status, 200, "the client's connection is none the worse for it");
}

#[test]
fn s32_the_total_timeout_ends_an_attempt_in_flight_with_the_last_answer() {
    let backend = Backend::answering([Step::Status(503), Step::Hang]);
    let rules = Retry { total_timeout_ms: Some(300), ..waiting(0, 5) };
    let rules =
        Retry { backoff: Backoff { base_us: 20_000, max_us: 20_000, ..rules.backoff.clone() }, ..rules };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    let response = ends_soon(300, || env.get("/"));
    assert_eq!((response.status, response.text()), (503, "status 503"));
    backend.await_abandoned(1);
}

#[test]
fn s33_a_wait_that_cannot_end_before_the_route_timeout_is_504_at_once() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([backend.address]).retried(waiting(60, 5)).route_timeout(30_000));
    assert_eq!(ends_soon(0, || env.get("/")).status, 504);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s33_a_wait_that_cannot_end_before_the_total_timeout_is_the_last_answer_at_once() {
    let backend = Backend::always(Step::Status(503));
    let rules = Retry { total_timeout_ms: Some(30_000), ..waiting(60, 5) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    assert_eq!(ends_soon(0, || env.get("/")).text(), "status 503");
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s34_an_attempt_has_until_its_limit_for_a_whole_response_head() {
    let half_a_head = Step::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n".to_vec());
    let backend = Backend::answering([half_a_head]);
    let env = TestEnv::start(
        &serving([backend.address]).retried(Retry { per_try_timeout_ms: Some(100), ..retrying(1) }),
    );
    assert_eq!(ends_soon(100, || env.get("/")).status, 200);
    assert_eq!(env.metric("gateway_retry_attempts_total{reason=\"per_try_timeout\"}"), 1);
}

#[test]
fn s34_an_attempt_limit_counts_while_the_client_is_slow_with_its_body() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(
        &serving([backend.address]).retried(Retry { per_try_timeout_ms: Some(100), ..retrying(0) }),
    );
    let mut client = env.client();
    client.write("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nthe first part");
    let response = ends_soon(100, || client.read_final(false));
    assert_eq!((response.status, response.says_close()), (504, true));
    backend.await_body_bytes(1);
}

#[test]
fn s20_s34_the_attempt_timeout_of_a_route_needs_no_policy() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(&serving([backend.address]).attempt_timeout(100));
    assert_eq!(ends_soon(100, || env.get("/")).status, 504);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s34_connecting_counts_as_well() {
    let rules = Retry { per_try_timeout_ms: Some(100), ..retrying(0) };
    let env = TestEnv::start(&serving([unreachable()]).retried(rules));
    assert!(ends_soon(200, || env.get("/")).status >= 500);
    assert_eq!(env.metric("gateway_attempts_total"), 2, "the second is the free one");
}

#[test]
fn s34_a_policy_does_not_limit_the_body_of_an_answer() {
    let slow = vec![
        (Duration::ZERO, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n".to_vec()),
        (Duration::from_millis(400), b"slow".to_vec()),
    ];
    let backend = Backend::answering([Step::Slowly(slow)]);
    let rules = Retry { per_try_timeout_ms: Some(150), total_timeout_ms: Some(200), ..retrying(2) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    assert_eq!(env.get("/").text(), "slow");
}

#[test]
fn s34_the_limits_of_a_route_cut_an_answer_off_and_never_retry_it() {
    let endless = vec![
        (Duration::ZERO, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha".to_vec()),
        (SOON, b"lf".to_vec()),
    ];
    for limit in [Timeouts::route_timeout, Timeouts::attempt_timeout] {
        let backend = Backend::answering([Step::Slowly(endless.clone())]);
        let env = TestEnv::start(&limit(serving([backend.address]).retried(retrying(2)), 200));
        let response = ends_soon(200, || env.get("/"));
        assert_eq!((response.text(), response.complete, backend.attempts()), ("ha", false, 1));
    }
}

#[test]
fn a_per_try_timeout_beyond_the_total_is_cut_to_it() {
    let backend = Backend::always(Step::Hang);
    let rules = Retry { per_try_timeout_ms: Some(60_000), total_timeout_ms: Some(100), ..retrying(2) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    assert_eq!(ends_soon(100, || env.get("/")).status, 504);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s36_a_limit_that_is_off_ends_nothing_that_the_same_limit_would_have_ended() {
    let slow = Duration::from_millis(800);
    let limits: [fn(&mut Snapshot, Option<u64>); 4] = [
        |snapshot, ms| snapshot.routes[0].rules[0].request_timeout_ms = ms,
        |snapshot, ms| snapshot.routes[0].rules[0].attempt_timeout_ms = ms,
        |snapshot, ms| snapshot.clusters[0].retry.as_mut().unwrap().per_try_timeout_ms = ms,
        |snapshot, ms| snapshot.clusters[0].retry.as_mut().unwrap().total_timeout_ms = ms,
    ];
    let backend = Backend::always(Step::Delay(slow));
    let answer = |limit: fn(&mut Snapshot, Option<u64>), ms: Option<u64>| {
        let snapshot = serving([backend.address]).retried(retrying(0)).with(|snapshot| limit(snapshot, ms));
        TestEnv::start(&snapshot).get("/").status
    };
    for limit in limits {
        assert_eq!((answer(limit, Some(100)), answer(limit, None)), (504, 200));
    }
}

#[test]
fn s37_a_client_that_goes_away_ends_the_attempt_in_flight() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(1);
    client.vanish();
    backend.await_abandoned(1);
    env.await_metric("gateway_requests_abandoned_total", 1);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s37_a_client_that_goes_away_behind_a_request_that_waits_ends_the_attempt_in_flight() {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    let together = |client: &mut Client| client.write(get("/1") + &get("/2"));
    let apart = |client: &mut Client| {
        client.write(get("/1"));
        backend.await_attempts(2);
        client.write(get("/2"));
    };
    let asking: [&dyn Fn(&mut Client); 2] = [&together, &apart];
    for (asked, ask) in (1..).zip(asking) {
        let mut client = env.client();
        ask(&mut client);
        backend.await_attempts(asked);
        client.vanish();
        ends_in_time(|| backend.await_abandoned(asked));
        env.await_metric("gateway_requests_abandoned_total", asked as u64);
    }
    env.await_metric("gateway_connections{side=\"client\"}", 0);
    assert!(backend.seen().iter().all(|seen| seen.head.starts_with("GET /1 ")), "the second is never served");
    assert_eq!(backend.attempts(), 2);
}

#[test]
fn s37_a_client_that_goes_away_ends_a_pending_wait() {
    let backend = Backend::always(Step::Status(503));
    let backoff = Backoff { base_us: 1_500_000, max_us: 1_500_000, multiplier: 1, jitter: Jitter::None };
    let env = TestEnv::start(&serving([backend.address]).retried(Retry { backoff, ..retrying(5) }));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(1);
    client.vanish();
    env.await_metric("gateway_requests_abandoned_total", 1);
    let first = backend.seen()[0].at;
    await_that("the time of the retry has passed", || first.elapsed() > Duration::from_millis(1_600));
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s37_a_client_that_goes_away_within_an_answer_ends_it_at_the_backend() {
    let forever = (0..1_000).map(|_| (Duration::from_millis(5), vec![b'x'; 1_000])).collect::<Vec<_>>();
    let head = (Duration::ZERO, b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let backend = Backend::answering([Step::Slowly([vec![head], forever].concat())]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    client.vanish();
    backend.await_ended(1);
    env.await_metric("gateway_requests_abandoned_total", 1);
}
