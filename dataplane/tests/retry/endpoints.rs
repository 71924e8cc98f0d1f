//! Where a retry goes.

use std::time::Duration;

use rebound_api::config::Snapshot;
use rebound_api::config::retry::{Backoff, Jitter, Retry};

use crate::support::backend::{Backend, Step};
use crate::support::snapshot::{Verbs, retrying, rule, serving};
use crate::support::{Options, TestEnv};

const LONG: Duration = Duration::from_secs(1);

/// One retry after [`LONG`].
fn after_long() -> Retry {
    let long_us = LONG.as_micros() as u64;
    let backoff = Backoff { base_us: long_us, max_us: long_us, multiplier: 1, jitter: Jitter::None };
    Retry { backoff, ..retrying(1) }
}

#[test]
fn s59_a_retry_goes_to_an_endpoint_that_was_not_tried() {
    let (bad, good) = (Backend::always(Step::Status(503)), Backend::answering([]));
    let env = TestEnv::start(&serving([bad.address, good.address]).retried(retrying(1)));
    while bad.attempts() < 5 {
        assert_eq!(env.get("/").status, 200);
    }
}

#[test]
fn s59_when_all_were_tried_any_will_do() {
    let backends = [Backend::always(Step::Status(503)), Backend::always(Step::Status(503))];
    let env =
        TestEnv::start(&serving(backends.each_ref().map(|backend| backend.address)).retried(retrying(5)));
    assert_eq!(env.get("/").text(), "status 503");
    assert_eq!(backends.iter().map(Backend::attempts).sum::<usize>(), 6);
    assert!(backends.iter().all(|backend| backend.attempts() > 0));
}

#[test]
fn s60_a_single_endpoint_gets_all_retries() {
    let backend = Backend::answering([503; 5].map(Step::Status));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    assert_eq!(env.get("/").status, 200);
    assert_eq!(backend.attempts(), 6);
}

#[test]
fn s62_a_retry_stays_with_the_backend_that_was_drawn() {
    let (bad, good) = (Backend::always(Step::Status(503)), Backend::answering([]));
    let snapshot = serving([bad.address]).retried(retrying(2)).and_service("server/other:8080", good.address);
    let snapshot = snapshot.with(|snapshot| {
        snapshot.routes[0].rules[0].backends.extend(rule("/", 1).backends);
    });
    let env = TestEnv::start(&snapshot);
    let mut failed = 0;
    while failed < 3 || good.attempts() < 3 {
        failed += usize::from(env.get("/").status == 503);
    }
    assert_eq!(bad.attempts(), 3 * failed);
}

#[test]
fn s64_endpoints_are_read_again_for_each_attempt() {
    let (old, new) = (Backend::always(Step::Status(503)), Backend::answering([]));
    let env = TestEnv::start(&serving([old.address]).retried(after_long()));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    old.await_attempts(1);
    env.publish(&serving([new.address]).retried(after_long()).generation(2));
    assert_eq!(client.read_final(false).status, 200);
    assert_eq!((old.attempts(), new.attempts()), (1, 1));
}

#[test]
fn s64_when_all_endpoints_are_gone_the_last_answer_is_passed_on() {
    let old = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([old.address]).retried(after_long()));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    old.await_attempts(1);
    env.publish(&serving([]).retried(after_long()).generation(2));
    assert_eq!(client.read_final(false).text(), "status 503");
    assert_eq!(old.attempts(), 1);
}

#[test]
fn s64_when_the_service_port_is_gone_its_old_endpoints_are_nobodys() {
    let renamed =
        |snapshot: &mut Snapshot| snapshot.clusters[0].service = "server/other:8080".parse().unwrap();
    let emptied = |snapshot: &mut Snapshot| {
        snapshot.clusters.clear();
        snapshot.routes.clear();
        snapshot.listeners[0].routes.clear();
    };
    let changes: [fn(&mut Snapshot); 2] = [renamed, emptied];
    for change in changes {
        let old = Backend::always(Step::Status(503));
        let options = Options { access_log: true, ..Options::default() };
        let env = TestEnv::start_with(&serving([old.address]).retried(after_long()), &options);
        let mut client = env.client();
        client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        old.await_attempts(1);
        env.publish(&serving([old.address]).retried(after_long()).with(change).generation(2));
        assert_eq!(client.read_final(false).text(), "status 503");
        assert_eq!(env.access_log(1)[0]["reason"], "no_endpoint");
        assert_eq!(old.attempts(), 1);
    }
}

#[test]
fn s88_a_request_that_waits_for_its_retry_keeps_its_rules() {
    let backend = Backend::answering([503, 503].map(Step::Status));
    let rules = Retry { retries_max: 2, ..after_long() };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(1);
    env.publish(&serving([backend.address]).generation(2));
    assert_eq!(client.read_final(false).status, 200);
    assert_eq!(backend.attempts(), 3);
    let at: Vec<_> = backend.seen().iter().map(|seen| seen.at).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= LONG), "the old waits");
}
