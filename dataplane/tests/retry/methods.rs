//! What may be sent twice, and what is the same in both.

use std::time::Duration;

use rebound_api::config::retry::{NonIdempotent, Retry};

use crate::support::TestEnv;
use crate::support::backend::{Backend, Step, refusing, response, unreachable};
use crate::support::snapshot::{Verbs, retrying, serving};

fn with_body(method: &str, body: &str) -> String {
    format!("{method} /thing HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn s01_a_post_that_was_sent_is_not_sent_again() {
    for step in [Step::Close, Step::Reset, Step::Status(503)] {
        let backend = Backend::answering([step.clone()]);
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
        let response = env.send(&with_body("POST", "hello"));
        assert_eq!((response.status, backend.attempts()), (503, 1), "{step:?}");
        assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"method_unsafe\"}"), 1);
    }
}

#[test]
fn s01_a_post_that_took_too_long_is_not_sent_again() {
    let backend = Backend::answering([Step::Hang]);
    let rules = Retry { per_try_timeout_ms: Some(50), ..retrying(3) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    assert_eq!(env.send(&with_body("POST", "hello")).status, 504);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s01_a_policy_may_vouch_for_requests_with_an_idempotency_key() {
    let backend = Backend::always(Step::Status(503));
    let rules = Retry { non_idempotent: NonIdempotent::IdempotencyKey, ..retrying(2) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    env.send(&with_body("POST", "hello"));
    assert_eq!(backend.attempts(), 1);
    env.send("POST / HTTP/1.1\r\nhost: test\r\nidempotency-key: k1\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(backend.attempts(), 1 + 3);
    let keys: Vec<_> =
        backend.seen()[1..].iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert_eq!(keys, ["k1", "k1", "k1"]);
}

#[test]
fn s02_idempotent_methods_are_sent_again_with_their_body() {
    for method in ["PUT", "DELETE", "OPTIONS", "QUERY"] {
        for step in [Step::Close, Step::Reset, Step::Status(500)] {
            let backend = Backend::answering([step.clone()]);
            let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
            assert_eq!(env.send(&with_body(method, "hello")).status, 200, "{method} {step:?}");
            assert_eq!(backend.seen()[1].body, b"hello", "{method} {step:?}");
        }
    }
}

#[test]
fn s03_get_in_lower_case_is_not_get() {
    let backend = Backend::answering([Step::Status(503)]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    assert_eq!(env.send("get / HTTP/1.1\r\nhost: test\r\n\r\n").status, 503);
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s04_a_refused_connection_is_retried_for_every_method() {
    let backend = Backend::answering([]);
    for snapshot in
        [serving([backend.address, refusing()]), serving([backend.address, refusing()]).retried(retrying(1))]
    {
        let env = TestEnv::start(&snapshot);
        let mut sent = 0;
        while env.metric("gateway_retry_attempts_total{reason=\"connect_failure\"}") < 3 {
            let response = env.send(&with_body("POST", "hello"));
            sent += 1;
            assert_eq!((response.status, sent < 100), (200, true));
        }
    }
    assert!(backend.seen().iter().all(|seen| seen.body == b"hello"));
}

#[test]
fn s04_a_connection_that_is_not_made_in_time_is_retried_for_every_method() {
    let backend = Backend::answering([]);
    let rules = Retry { per_try_timeout_ms: Some(100), ..retrying(1) };
    let env = TestEnv::start(&serving([backend.address, unreachable()]).retried(rules));
    while env.metric("gateway_retry_attempts_total{reason=\"connect_failure\"}") == 0 {
        assert_eq!(env.send(&with_body("POST", "hello")).status, 200);
    }
}

#[test]
fn s09_a_get_on_a_pooled_connection_that_died_is_rescued_on_a_fresh_one() {
    let slow = || Step::Delay(Duration::from_millis(400));
    let backend = Backend::answering([slow(), slow(), Step::Close]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut clients = [env.client(), env.client()];
    clients.iter_mut().for_each(|client| client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n"));
    clients.iter_mut().for_each(|client| assert_eq!(client.read_final(false).status, 200));
    assert_eq!(env.get("/rescued").status, 200);
    let connections: Vec<_> = backend.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(
        (connections.len(), connections[2] < 2, connections[3]),
        (4, true, 2),
        "not the other pooled one"
    );
    assert_eq!(env.metric("gateway_retry_attempts_total{reason=\"stale_connection\"}"), 1);
}

#[test]
fn s09_only_the_repetition_itself_is_on_a_fresh_connection() {
    let slow = || Step::Delay(Duration::from_millis(400));
    let backend = Backend::answering([slow(), slow(), Step::Close, Step::Status(503)]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    let mut clients = [env.client(), env.client()];
    clients.iter_mut().for_each(|client| client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n"));
    clients.iter_mut().for_each(|client| assert_eq!(client.read_final(false).status, 200));
    assert_eq!(env.get("/").status, 200);
    assert_eq!(env.metric("gateway_retry_attempts_total{reason=\"stale_connection\"}"), 1);
    assert_eq!((backend.attempts(), backend.connections()), (5, 3), "the retry took one that was there");
}

#[test]
fn s09_a_pooled_connection_that_dies_after_an_interim_answer_was_alive() {
    let expecting = "PUT / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let backend = Backend::answering([
        Step::Status(200),
        Step::EarlyThenClose(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
    ]);
    let env = TestEnv::start(&serving([backend.address]));
    assert_eq!(env.get("/first").status, 200);
    let mut client = env.client();
    client.write(expecting);
    assert_eq!(client.read_response(false).status, 100);
    client.try_write("hello");
    assert_eq!(client.read_final(false).status, 503);
    assert_eq!((backend.attempts(), backend.connections()), (2, 1), "it was not repeated");
}

#[test]
fn s09_a_post_on_a_pooled_connection_that_died_is_not() {
    let backend = Backend::answering([Step::Status(200), Step::Close]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    assert_eq!(env.get("/first").status, 200);
    assert_eq!(env.send(&with_body("POST", "hello")).status, 503);
    assert_eq!(backend.attempts(), 2);
}

#[test]
fn s09_a_connection_that_the_backend_closed_while_it_was_idle_is_not_used() {
    let backend = Backend::answering([Step::RawThenClose(response(200, "kept alive, it says"))]);
    let env = TestEnv::start(&serving([backend.address]));
    assert_eq!(env.get("/first").status, 200);
    backend.await_ended(1);
    assert_eq!(env.send(&with_body("POST", "hello")).status, 200);
    assert_eq!(env.metrics("gateway_retry_attempts_total"), 0, "it was found out before");
}

#[test]
fn s10_an_answer_that_is_not_http_is_retried_for_idempotent_methods_if_the_policy_says_so() {
    let garbage = || Step::RawThenClose(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec());
    let rules = |on_invalid_response| Retry { on_invalid_response, ..retrying(3) };
    for (method, on, status, attempts) in
        [("PUT", true, 200, 2), ("PUT", false, 502, 1), ("POST", true, 502, 1)]
    {
        let backend = Backend::answering([garbage()]);
        let env = TestEnv::start(&serving([backend.address]).retried(rules(on)));
        assert_eq!(env.send(&with_body(method, "hello")).status, status, "{method} {on}");
        assert_eq!(backend.attempts(), attempts, "{method} {on}");
    }
}

#[test]
fn s11_a_post_that_was_sent_the_second_time_stops_there() {
    let backend = Backend::always(Step::Close);
    let env = TestEnv::start(&serving([backend.address, refusing()]).retried(retrying(5)));
    let mut sent = 0;
    while env.metric("gateway_retry_attempts_total{reason=\"connect_failure\"}") == 0 {
        assert_eq!(env.send(&with_body("POST", "hello")).status, 503);
        sent += 1;
    }
    assert_eq!(backend.attempts(), sent, "each request was sent once and no more");
}

#[test]
fn s12_without_a_policy_a_refused_connection_is_tried_once_more_and_that_is_all() {
    let env = TestEnv::start(&serving([refusing()]));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(env.metric("gateway_attempts_total"), 2);
}

#[test]
fn s14_s74_s76_s77_s80_attempts_differ_in_their_number_alone() {
    let backend = Backend::answering([Step::Status(503), Step::Close, Step::Status(502)]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    let response = env.send(
        "PUT /a%20path?q=1&q=2 HTTP/1.1\r\nHost: test\r\nCookie: a=1\r\ncookie: b=2\r\nIdempotency-Key: k\r\n\
         Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: foo\r\n\
         Proxy-Connection: x\r\nX-Forwarded-For: 192.0.2.1\r\nVia: 1.0 other\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n\
         Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    assert_eq!(response.status, 200);
    let seen = backend.seen();
    let numbers: Vec<_> =
        seen.iter().map(|seen| seen.header("x-rebound-attempt").unwrap().to_owned()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
    for attempt in &seen {
        assert_eq!(attempt.head_without("x-rebound-attempt"), seen[0].head_without("x-rebound-attempt"));
        assert_eq!(
            (attempt.body.as_slice(), attempt.trailers.as_deref()),
            (&b"abcdefg"[..], Some("X-Sum: 42\r\n"))
        );
    }
    let head = &seen[3].head;
    assert!(head.starts_with("PUT /a%20path?q=1&q=2 HTTP/1.1\r\n"), "{head}");
    for hop in ["\r\nconnection:", "x-hop:", "keep-alive:", "\r\nte:", "upgrade:", "proxy-connection:"] {
        assert!(!head.to_ascii_lowercase().contains(hop), "{hop} in {head}");
    }
    assert_eq!(seen[3].header("x-forwarded-for"), Some("192.0.2.1, 127.0.0.1"));
    let vias = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("via:")).count();
    assert_eq!(vias, 2, "the client's and ours: {head}");
    assert_eq!(seen[3].header("idempotency-key"), Some("k"));
}

#[test]
fn s78_an_incoming_attempt_number_can_only_suppress() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    let attempts = |fields: &str| {
        let before = backend.attempts();
        env.send(&format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n"));
        assert_eq!(backend.seen()[before].header("x-rebound-attempt"), Some("1"), "{fields}");
        backend.attempts() - before
    };
    assert_eq!(attempts("x-rebound-attempt: 2\r\n"), 1);
    assert_eq!(attempts("x-rebound-attempt: 1\r\n"), 2);
    assert_eq!(attempts("x-rebound-attempt: -7\r\n"), 2);
    assert_eq!(attempts("x-envoy-max-retries: 9\r\nx-envoy-retry-on: 5xx\r\n"), 2);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"nested\"}"), 1);
}

#[test]
fn a_slow_answer_is_no_failure() {
    let backend = Backend::answering([Step::Delay(Duration::from_millis(300))]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    assert_eq!(env.get("/").text(), "late");
    assert_eq!(backend.attempts(), 1);
}
