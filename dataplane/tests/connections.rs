//! Connections of clients and to backends: how long they live and what they carry.

mod support;

use std::time::Duration;

use support::backend::{Backend, Step, ok, response};
use support::snapshot::{Verbs, retrying, serving};
use support::{TestEnv, await_that};

#[test]
fn a_connection_carries_one_request_after_the_other() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(env.metric("gateway_connections_opened_total{side=\"client\"}"), 1);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::answering([
        Step::Delay(Duration::from_millis(100)),
        Step::Status(503),
        Step::Raw(ok("retried")),
        Step::Raw(ok("third")),
    ]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(
        "GET /1 HTTP/1.1\r\nhost: test\r\n\r\n\
         PUT /2 HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello\
         GET /3 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n",
    );
    let texts: Vec<_> = (0..3).map(|_| client.read_response(false).text().to_owned()).collect();
    assert_eq!(texts, ["late", "retried", "third"]);
    assert!(client.is_closed());
    assert_eq!(backend.seen()[2].body, b"hello");
}

#[test]
fn a_client_that_asks_for_it_is_disconnected() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    for request in ["GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        let mut client = env.client();
        assert!(client.send(request).says_close(), "{request}");
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_and_no_interim_responses() {
    let chunked = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
                    HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    let backend = Backend::always(Step::Raw(chunked.to_vec()));
    let env = TestEnv::start(&serving([backend.address]));
    for keep_alive in ["", "connection: keep-alive\r\n"] {
        let mut client = env.client();
        client.write(format!("GET / HTTP/1.0\r\n{keep_alive}\r\n"));
        let response = client.read_response(false);
        assert_eq!((response.status, response.text()), (200, "abcdef"));
        assert!(!response.has("transfer-encoding") && response.says_close());
    }
}

#[test]
fn a_client_of_http_1_0_may_stay_if_it_asks_for_it() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    for _ in 0..2 {
        let response = client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
        assert_eq!((response.status, response.header("connection")), (200, Some("keep-alive")));
    }
}

#[test]
fn a_body_until_the_end_of_its_connection_is_passed_on_in_chunks() {
    let backend = Backend::answering([Step::RawThenClose(b"HTTP/1.0 200 OK\r\n\r\nall of it".to_vec())]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    let response = client.get("/");
    assert_eq!((response.text(), response.header("transfer-encoding")), ("all of it", Some("chunked")));
    assert_eq!(client.get("/").status, 200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_backend_that_asks_for_it_is_disconnected() {
    let closing = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let backend = Backend::answering([Step::Raw(closing)]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    assert!(!client.get("/").says_close(), "that is between the backend and us");
    assert_eq!(client.get("/").status, 200);
    backend.await_ended(1);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_backend_that_goes_away_within_an_answer_hurts_nobody_else() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let backend = Backend::answering([Step::Status(200), Step::RawThenReset(half)]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut bystander = env.client();
    assert_eq!(bystander.get("/").status, 200);
    assert!(!env.get("/").complete);
    assert_eq!(bystander.get("/").status, 200);
}

#[test]
fn trailers_reach_the_client() {
    let bytes = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n";
    let backend = Backend::answering([Step::Raw(bytes.to_vec())]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    client.read_head();
    let trailers = client.wire.read_body(support::wire::Framing::Chunked, |_| {});
    assert_eq!(trailers.as_deref(), Some("x-sum: 42\r\n"));
}

/// What a hostile backend sends as its first answer, and what the client gets of it.
fn hostile() -> Vec<(&'static str, Vec<u8>, u16)> {
    let flood = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    let oversize = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000)).into_bytes();
    let many_fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200)).into_bytes();
    vec![
        ("surplus after a body", [ok("fine"), ok("poison")].concat(), 200),
        ("surplus after a 204", [&b"HTTP/1.1 204 No Content\r\n\r\n"[..], &ok("poison")].concat(), 204),
        ("surplus after a 304", [&b"HTTP/1.1 304 Not Modified\r\n\r\n"[..], &ok("poison")].concat(), 304),
        ("a flood of interim responses", flood, 502),
        ("an oversize head", oversize, 502),
        ("too many fields", many_fields, 502),
        (
            "an unasked switch",
            [&b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"[..], &ok("poison")].concat(),
            502,
        ),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc".to_vec(),
            502,
        ),
        (
            "length and chunks",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            502,
        ),
        ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), 502),
        ("a line without CR", b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok".to_vec(), 502),
    ]
}

#[test]
fn a_hostile_answer_never_reaches_the_next_request() {
    for (what, bytes, status) in hostile() {
        let backend = Backend::answering([Step::Raw(bytes)]);
        let env = TestEnv::start(&serving([backend.address]));
        let mut client = env.client();
        assert_eq!(client.get("/first").status, status, "{what}");
        assert_eq!(client.get("/victim").text(), "status 200", "{what}");
        assert_eq!(env.get("/other-victim").text(), "status 200", "{what}");
        backend.await_ended(1);
    }
}

#[test]
fn surplus_that_comes_late_is_found_before_the_next_request() {
    let late = vec![(Duration::ZERO, ok("fine")), (Duration::from_millis(50), ok("poison"))];
    let backend = Backend::answering([Step::Slowly(late)]);
    let env = TestEnv::start(&serving([backend.address]));
    assert_eq!(env.get("/first").text(), "fine");
    backend.await_done(1);
    assert_eq!(env.get("/victim").text(), "status 200");
    backend.await_ended(1);
}

#[test]
fn surplus_behind_a_discarded_answer_is_never_used() {
    let poisoned = [response(503, "discarded"), ok("poison")].concat();
    let backend = Backend::answering([Step::Raw(poisoned)]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    for _ in 0..3 {
        assert_eq!(env.get("/").text(), "status 200");
    }
    backend.await_ended(1);
}

#[test]
fn a_connection_that_the_backend_closed_while_it_was_idle_is_closed_here_too() {
    let backend = Backend::always(Step::RawThenClose(ok("kept alive, it says")));
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    assert_eq!(client.get("/").status, 200);
    backend.await_ended(1);
    let before = env.descriptors_below(u32::MAX);
    await_that("a descriptor is free again", || env.descriptors_below(u32::MAX) < before);
    assert_eq!(client.get("/").status, 200, "it was not the client's");
}
