//! Which answer the client gets, and that it gets nothing of any other.

use std::io::ErrorKind;
use std::time::Duration;

use rebound_api::config::retry::{Backoff, Jitter, Retry};

use crate::support::backend::{Backend, Step, ok, refusing, response};
use crate::support::snapshot::{Verbs, retrying, serving};
use crate::support::{TestEnv, await_that};

/// Long enough that a discarded answer is drained meanwhile.
fn after_a_wait(retries_max: u8) -> Retry {
    let backoff = Backoff { base_us: 200_000, max_us: 200_000, multiplier: 1, jitter: Jitter::None };
    Retry { backoff, ..retrying(retries_max) }
}

/// A whole answer whose body comes so much later than its head.
fn with_late_body(status: u16, body: &str, late_ms: u64) -> Step {
    let mut head = response(status, body);
    let body = head.split_off(head.len() - body.len());
    Step::Slowly(vec![(Duration::ZERO, head), (Duration::from_millis(late_ms), body)])
}

fn early_hints(link: &str) -> Vec<u8> {
    format!("HTTP/1.1 103 Early Hints\r\nlink: {link}\r\n\r\n").into_bytes()
}

#[test]
fn s15_s17_nothing_of_a_discarded_answer_reaches_the_client() {
    let discarded = [
        &early_hints("</discarded>")[..],
        b"HTTP/1.1 503 Discarded\r\nset-cookie: discarded=1\r\nx-discarded: 1\r\ntransfer-encoding: chunked\r\n\r\n\
          9\r\ndiscarded\r\n0\r\nx-discarded-trailer: 1\r\n\r\n",
    ];
    let last = [&early_hints("</final>")[..], &ok("final")];
    let backend = Backend::answering([Step::Raw(discarded.concat()), Step::Raw(last.concat())]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let interim = client.read_response(false);
    assert_eq!((interim.status, interim.header("link")), (103, Some("</final>")));
    let response = client.read_response(false);
    assert_eq!((response.status, response.text()), (200, "final"));
    assert!(!format!("{:?}{:?}", interim.headers, response.headers).contains("discarded"));
}

#[test]
fn s16_an_answer_that_has_begun_is_truncated_and_not_retried() {
    let with_length = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let in_chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec();
    for bytes in [with_length, in_chunks] {
        for step in [Step::RawThenClose(bytes.clone()), Step::RawThenReset(bytes.clone())] {
            let backend = Backend::answering([step.clone()]);
            let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
            let mut client = env.client();
            let response = client.get("/");
            assert_eq!(
                (response.status, response.text(), response.complete),
                (200, "half", false),
                "{step:?}"
            );
            assert!(client.is_closed());
            assert_eq!(backend.attempts(), 1, "{step:?}");
        }
    }
}

#[test]
fn s16_a_client_of_http_1_0_cannot_take_a_cut_off_answer_for_a_whole_one() {
    let in_chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec();
    let whole = [&in_chunks[..], b"0\r\n\r\n"].concat();
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nhalf".to_vec();
    for (step, is_whole) in [
        (Step::RawThenClose(in_chunks.clone()), false),
        (Step::RawThenReset(in_chunks), false),
        (Step::RawThenReset(until_close.clone()), false),
        (Step::RawThenClose(until_close), true),
        (Step::Raw(whole), true),
    ] {
        let backend = Backend::answering([step.clone()]);
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
        let mut client = env.client();
        client.write("GET / HTTP/1.0\r\n\r\n");
        let end = client.read_to_end().map(|bytes| bytes.ends_with(b"\r\n\r\nhalf"));
        assert_eq!(end, if is_whole { Ok(true) } else { Err(ErrorKind::ConnectionReset) }, "{step:?}");
        assert_eq!(backend.attempts(), 1, "{step:?}");
    }
}

#[test]
fn s18_the_last_answer_is_passed_on_with_its_body() {
    let answers = [(503, "first"), (502, "second"), (500, "last")];
    let backend = Backend::answering(answers.map(|(status, body)| Step::Raw(response(status, body))));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(2)));
    let response = env.get("/");
    assert_eq!((response.status, response.text()), (500, "last"));
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"exhausted\"}"), 1);
}

#[test]
fn s18_the_last_answer_is_passed_on_even_if_nobody_could_be_reached_after_it() {
    for late_ms in [0, 300] {
        let backend = Backend::always(with_late_body(503, "from the backend", late_ms));
        let env = TestEnv::start(&serving([backend.address, refusing()]).retried(retrying(1)));
        await_that("the last attempt of a request was a refused one", || {
            let before = (env.metric("gateway_attempts_total"), backend.attempts());
            assert_eq!(env.get("/").text(), "from the backend");
            let attempts = env.metric("gateway_attempts_total") - before.0;
            // Two refused ones in a row never come first: the second would have gone where no attempt was.
            (attempts, backend.attempts() - before.1) == (3, 1)
        });
    }
}

#[test]
fn s18_the_last_answer_is_passed_on_even_if_its_body_is_still_on_its_way() {
    let late = with_late_body(503, "late", 300);
    let backend = Backend::start([late], Step::Close);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(2)));
    let response = env.get("/");
    assert_eq!((response.status, response.text()), (503, "late"));
    assert_eq!(backend.attempts(), 3);
}

#[test]
fn s18_a_later_answer_is_the_last_even_if_the_body_of_an_earlier_one_comes_after_it() {
    let backend = Backend::start(
        [with_late_body(503, "first", 500), Step::Raw(response(500, "second"))],
        // Until long after the first answer is whole.
        Step::Close,
    );
    let env = TestEnv::start(&serving([backend.address]).retried(after_a_wait(4)));
    let response = env.get("/");
    assert_eq!((response.status, response.text()), (500, "second"));
}

#[test]
fn s18_the_limit_of_a_later_attempt_does_not_cut_the_last_answer_off() {
    let backend = Backend::answering([Step::Raw(response(503, "last")), Step::Hang]);
    let snapshot = serving([backend.address]).retried(retrying(1));
    let env =
        TestEnv::start(&snapshot.with(|snapshot| snapshot.routes[0].rules[0].attempt_timeout_ms = Some(300)));
    let response = env.get("/");
    assert_eq!((response.status, response.text(), response.complete), (503, "last", true));
    backend.await_abandoned(1);
}

#[test]
fn s19_when_nobody_can_be_reached_the_client_gets_503() {
    let env = TestEnv::start(&serving([refusing()]).retried(retrying(2)));
    assert_eq!(env.get("/").status, 503);
}

#[test]
fn s20_when_every_attempt_takes_too_long_the_client_gets_504() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(
        &serving([backend.address]).retried(Retry { per_try_timeout_ms: Some(50), ..retrying(2) }),
    );
    assert_eq!(env.get("/").status, 504);
    backend.await_abandoned(3);
    assert_eq!(backend.attempts(), 3);
}

#[test]
fn s21_a_discarded_body_is_read_to_its_end_and_its_connection_used_again() {
    let body = "x".repeat(50_000);
    let backend = Backend::answering([Step::Raw(response(503, &body)), Step::Raw(ok("done"))]);
    let env = TestEnv::start(&serving([backend.address]).retried(after_a_wait(1)));
    assert_eq!(env.get("/").text(), "done");
    assert_eq!((backend.attempts(), backend.connections()), (2, 1));
}

#[test]
fn s21_a_discarded_body_that_is_too_long_costs_its_connection() {
    let body = "x".repeat(1_000_000);
    let backend = Backend::answering([Step::Raw(response(503, &body)), Step::Raw(ok("done"))]);
    let env = TestEnv::start(&serving([backend.address]).retried(after_a_wait(1)));
    assert_eq!(env.get("/").text(), "done");
    backend.await_ended(1);
    assert_eq!((backend.attempts(), backend.connections()), (2, 2));
}

#[test]
fn s22_an_answer_to_head_is_retried_without_waiting_for_a_body() {
    let unfinished = |status| format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\n").into_bytes();
    let backend = Backend::answering([Step::Raw(unfinished(503)), Step::Raw(unfinished(200))]);
    let env = TestEnv::start(&serving([backend.address]).retried(after_a_wait(1)));
    let mut client = env.client();
    let response = client.send("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((response.status, response.header("content-length")), (200, Some("100")));
    assert_eq!((backend.attempts(), backend.connections()), (2, 1));
    assert_eq!(client.get("/next").status, 200);
}

#[test]
fn s22_204_and_304_end_with_their_head() {
    let bare = |head: &str| Step::Raw(format!("HTTP/1.1 {head}\r\n\r\n").into_bytes());
    let backend = Backend::answering([bare("204 No Content"), bare("304 Not Modified\r\ncontent-length: 7")]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    let mut client = env.client();
    assert_eq!(client.get("/").status, 204);
    let not_modified = client.get("/");
    assert_eq!((not_modified.status, not_modified.header("content-length")), (304, Some("7")));
    assert_eq!(client.get("/").text(), "status 200");
    assert_eq!(backend.connections(), 1);
}

#[test]
fn s23_a_status_that_is_not_listed_is_passed_on() {
    for status in [400, 404, 429, 500, 504] {
        let backend = Backend::answering([Step::Status(status)]);
        let rules = Retry { on: vec![[408, 408], [502, 503]], ..retrying(3) };
        let env = TestEnv::start(&serving([backend.address]).retried(rules));
        assert_eq!(env.get("/").status, status);
        assert_eq!(backend.attempts(), 1);
        assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"status_not_listed\"}"), 1);
    }
}

#[test]
fn s24_s29_a_listed_status_is_retried_until_it_is_a_success() {
    let backend = Backend::answering([503, 500, 599].map(Step::Status));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(5)));
    let response = env.get("/echo?status=503:10");
    assert_eq!((response.status, response.text()), (200, "status 200"));
    assert_eq!(backend.attempts(), 4);
}

#[test]
fn s25_a_503_of_our_own_is_no_503_of_a_backend() {
    let rules = Retry { on_reset: false, on_per_try_timeout: false, ..retrying(3) };
    let backend = Backend::answering([Step::Close]);
    let env = TestEnv::start(&serving([backend.address]).retried(rules.clone()));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(backend.attempts(), 1, "the reset would have been retried, not the 503 that it became");
    let env = TestEnv::start(&serving([]).retried(rules));
    assert_eq!(env.get("/").status, 503);
    assert_eq!(env.metrics("gateway_retry_attempts_total"), 0);
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"no_endpoint\"}"), 1);
}

#[test]
fn s26_answers_of_the_gateway_are_not_retried() {
    let backend = Backend::answering([]);
    let snapshot = serving([backend.address]).retried(Retry { on: vec![[400, 599]], ..retrying(3) });
    let no_route = snapshot.clone().with(|snapshot| snapshot.listeners[0].routes.clear());
    let no_backend = snapshot.with(|snapshot| snapshot.routes[0].rules[0].backends[0].cluster = None);
    for (snapshot, status) in [(no_route, 404), (no_backend, 500)] {
        let env = TestEnv::start(&snapshot);
        assert_eq!(env.get("/").status, status);
        assert_eq!(env.metric("gateway_attempts_total"), 0);
        assert_eq!(env.metrics("gateway_retry_attempts_total"), 0);
    }
}

#[test]
fn s43_a_slow_body_of_a_discarded_answer_does_not_delay_the_retry() {
    let head = b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\n".to_vec();
    let slow = vec![(Duration::ZERO, head), (Duration::from_millis(1_900), b"late".to_vec())];
    let backend = Backend::answering([Step::Slowly(slow)]);
    let env = TestEnv::start(&serving([backend.address]).retried(after_a_wait(1)));
    assert_eq!(env.get("/").status, 200);
    let seen = backend.seen();
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= Duration::from_millis(200) && gap < Duration::from_millis(1_800), "{gap:?}");
}
