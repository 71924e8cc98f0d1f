//! Bodies: streamed both ways in bounded memory, and sent again within limits.

mod support;

use rebound_api::config::retry::Retry;

use support::TestEnv;
use support::backend::{Backend, Step, ok, refusing, response};
use support::client::Client;
use support::payload::{Digest, chunk, pieces};
use support::snapshot::{Verbs, retrying, serving};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// From nothing to much more than any buffer.
const SIZES: [usize; 5] = [0, 1, 64 * KIB, MIB, 100 * MIB];
/// The memory that a process may ever hold, whatever is sent through it.
const MEMORY_MAX: u64 = 64 * MIB as u64;

fn put_head(framing: &str) -> String {
    format!("PUT / HTTP/1.1\r\nhost: test\r\n{framing}\r\n\r\n")
}

fn put_in_chunks(client: &mut Client, length: usize) {
    client.write(put_head("transfer-encoding: chunked"));
    pieces(length).for_each(|piece| client.write(chunk(&piece)));
    client.write("0\r\n\r\n");
}

fn put_with_length(client: &mut Client, length: usize) {
    client.write(put_head(&format!("content-length: {length}")));
    pieces(length).for_each(|piece| client.write(piece));
}

#[test]
fn request_bodies_of_every_size_arrive_whole_in_bounded_memory() {
    let backend = Backend::always(Step::Digest);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    for put in [put_with_length, put_in_chunks] {
        for length in SIZES {
            put(&mut client, length);
            assert_eq!(client.read_final(false).text(), Digest::of(pieces(length)));
        }
    }
    assert_eq!(backend.connections(), 1);
    assert!(env.memory_peak() < MEMORY_MAX, "{} bytes", env.memory_peak());
}

#[test]
fn response_bodies_of_every_size_arrive_whole_in_bounded_memory() {
    let backend = Backend::answering(
        SIZES.into_iter().flat_map(|length| [Step::Payload(length), Step::PayloadInChunks(length)]),
    );
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    for length in SIZES.into_iter().flat_map(|length| [length, length]) {
        client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        let mut digest = Digest::default();
        let response = client.read_streaming(false, |piece| digest.add(piece));
        assert!(response.complete);
        assert_eq!(digest.finish(), Digest::of(pieces(length)));
    }
    assert_eq!(backend.connections(), 1);
    assert!(env.memory_peak() < MEMORY_MAX, "{} bytes", env.memory_peak());
}

#[test]
fn s65_the_first_attempt_streams() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("content-length: 10"));
    backend.await_attempts(1);
    client.write("first");
    backend.await_body_bytes(5);
    client.write("-last");
    assert_eq!(client.read_final(false).status, 200);
    assert_eq!(backend.seen()[0].body, b"first-last");
}

#[test]
fn s65_an_attempt_that_broke_off_within_the_body_is_repeated_from_its_beginning() {
    let backend = Backend::answering([Step::Reset]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("content-length: 10") + "first");
    backend.await_body_bytes(5);
    client.write("-last");
    assert_eq!(client.read_final(false).status, 200);
    assert_eq!((backend.attempts(), backend.seen()[1].body.as_slice()), (2, &b"first-last"[..]));
}

#[test]
fn s65_no_byte_is_lost_when_attempts_break_off_while_the_client_is_sending() {
    const LENGTH: usize = 60 * KIB;
    for _ in 0..5 {
        let backend = Backend::start(vec![Step::Reset; 10], Step::Digest);
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(10)));
        let mut client = env.client();
        client.write(put_head("transfer-encoding: chunked"));
        let body: Vec<u8> = pieces(LENGTH).flatten().collect();
        body.chunks(64).for_each(|piece| client.write(chunk(piece)));
        client.write("0\r\n\r\n");
        assert_eq!(client.read_final(false).text(), Digest::of([body]));
        assert_eq!(backend.attempts(), 11);
    }
}

#[test]
fn s65_s75_what_is_kept_for_replay_is_counted_once() {
    let backend = Backend::answering([Step::Close, Step::Close, Step::Hang]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    put_with_length(&mut client, 60 * KIB);
    backend.await_body_bytes(3 * 60 * KIB);
    assert_eq!(env.metric("gateway_retry_replay_bytes"), 60 * KIB as u64);
    client.vanish();
    env.await_metric("gateway_retry_replay_bytes", 0);
}

#[test]
fn s65_an_answer_right_behind_the_end_of_the_body_is_not_taken_for_an_early_one() {
    const REQUESTS: usize = 60;
    let backend = Backend::always(Step::FailFirst);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    std::thread::scope(|scope| {
        for chunked in [true, false].repeat(4) {
            let env = &env;
            scope.spawn(move || {
                let put = if chunked { put_in_chunks } else { put_with_length };
                let mut client = env.client();
                for _ in 0..REQUESTS {
                    put(&mut client, 50_000);
                    assert_eq!(client.read_final(false).text(), "retried");
                }
            });
        }
    });
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"committed\"}"), 0);
}

#[test]
fn s66_a_body_that_is_announced_to_be_too_long_is_forwarded_and_not_kept() {
    let backend = Backend::answering([Step::Status(503)]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head(&format!("content-length: {}", 65 * KIB)));
    client.write(vec![b'x'; KIB]);
    backend.await_body_bytes(KIB);
    assert_eq!(env.metric("gateway_retry_replay_bytes"), 0);
    client.write(vec![b'x'; 64 * KIB]);
    assert_eq!(client.read_final(false).text(), "status 503");
    assert_eq!((backend.attempts(), backend.seen()[0].body.len()), (1, 65 * KIB));
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"body_too_large\"}"), 1);
}

#[test]
fn s67_a_body_that_outgrows_its_limit_is_let_go_and_goes_on() {
    let backend = Backend::answering([Step::Status(503)]);
    let env =
        TestEnv::start(&serving([backend.address]).retried(Retry { replay_max_bytes: 1_000, ..retrying(3) }));
    let mut client = env.client();
    client.write(put_head("transfer-encoding: chunked"));
    client.write(chunk(&[b'x'; 900]));
    backend.await_body_bytes(900);
    assert_eq!(env.metric("gateway_retry_replay_bytes"), 900);
    client.write(chunk(&[b'y'; 200]));
    backend.await_body_bytes(1_100);
    assert_eq!(env.metric("gateway_retry_replay_bytes"), 0);
    client.write("0\r\n\r\n");
    assert_eq!(client.read_final(false).status, 503);
    assert_eq!((backend.attempts(), backend.seen()[0].body.len()), (1, 1_100));
}

#[test]
fn s67_a_body_of_exactly_the_limit_is_sent_again() {
    let backend = Backend::answering([Step::Status(503), Step::Digest]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    put_in_chunks(&mut client, 64 * KIB);
    assert_eq!(client.read_final(false).text(), Digest::of(pieces(64 * KIB)));
}

#[test]
fn s68_an_answer_before_the_whole_request_is_final() {
    let early = response(503, "no thanks");
    for step in [Step::Early(early.clone()), Step::EarlyThenClose(early)] {
        let backend = Backend::answering([step.clone()]);
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
        let mut client = env.client();
        client.write(put_head("content-length: 1000"));
        client.write("only some of it");
        let response = client.read_final(false);
        client.write("and some more");
        assert_eq!(
            (response.status, response.text(), response.says_close()),
            (503, "no thanks", true),
            "{step:?}"
        );
        assert!(client.is_ended_in_order(), "{step:?}");
        assert_eq!(backend.attempts(), 1, "{step:?}");
        assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"committed\"}"), 1);
    }
}

#[test]
fn s68_s69_a_client_that_is_still_sending_gets_the_early_answer_and_no_other() {
    let backend = Backend::answering([Step::EarlyThenClose(response(503, "too much"))]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("transfer-encoding: chunked"));
    // Much more than the sockets between them hold, so that everybody is in the middle of sending.
    pieces(8 * MIB).for_each(|piece| client.try_write(chunk(&piece)));
    let response = client.read_final(false);
    assert_eq!((response.status, response.text()), (503, "too much"));
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s70_a_large_body_is_retried_when_the_connection_is_refused() {
    let backend = Backend::always(Step::EarlyThenClose(ok("begun")));
    let env = TestEnv::start(&serving([backend.address, refusing()]).retried(retrying(1)));
    let mut sent = 0;
    while env.metric("gateway_retry_attempts_total{reason=\"connect_failure\"}") < 3 {
        let mut client = env.client();
        client.write(format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n", 100 * MIB));
        client.write(vec![b'x'; KIB]);
        assert_eq!(client.read_final(false).text(), "begun");
        sent += 1;
        assert!(sent < 100);
    }
}

#[test]
fn s71_without_memory_for_replay_requests_are_forwarded_and_not_retried() {
    const REPLAY_MAX: usize = 16 * MIB;
    let backend = Backend::start([Step::Hang, Step::Hang, Step::Hang, Step::Hang], Step::Digest);
    let rules = Retry { replay_max_bytes: REPLAY_MAX as u32, ..retrying(3) };
    let env = TestEnv::start(&serving([backend.address]).retried(rules));
    let mut holding: Vec<_> = (0..4).map(|_| env.client()).collect();
    holding.iter_mut().for_each(|client| put_with_length(client, REPLAY_MAX));
    env.await_metric("gateway_retry_replay_bytes", 4 * REPLAY_MAX as u64);
    let mut client = env.client();
    // In one write: what has arrived with its head would be kept first and sent afterwards.
    let small = pieces(KIB).flatten().collect::<Vec<_>>();
    client.write([put_head(&format!("content-length: {KIB}")).as_bytes(), &small].concat());
    assert_eq!(client.read_final(false).text(), Digest::of([small]), "forwarded whole");
    drop(holding);
    env.await_metric("gateway_retry_replay_bytes", 0);
}

#[test]
fn an_expectation_is_passed_on_and_the_body_waits_for_its_answer() {
    let backend = Backend::answering([Step::Continue]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("expect: 100-continue\r\ncontent-length: 5"));
    assert_eq!(client.read_response(false).status, 100);
    assert_eq!(backend.seen()[0].header("expect"), Some("100-continue"));
    client.write("hello");
    let response = client.read_response(false);
    assert_eq!((response.text(), response.says_close()), ("continued", false));
    assert_eq!(backend.seen()[0].body, b"hello");
}

#[test]
fn a_backend_that_is_silent_about_an_expectation_gets_the_body_after_a_while() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write(put_head("expect: 100-continue\r\ncontent-length: 5"));
    assert_eq!(client.read_response(false).status, 100);
    client.write("hello");
    assert_eq!(client.read_response(false).status, 200);
    assert_eq!(backend.seen()[0].body, b"hello");
}

#[test]
fn a_refused_expectation_is_passed_on_without_the_body() {
    for status in [417, 503] {
        let backend = Backend::answering([Step::EarlyThenClose(response(status, "refused"))]);
        let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
        let mut client = env.client();
        client.write(put_head("expect: 100-continue\r\ncontent-length: 5"));
        let response = client.read_response(false);
        assert_eq!((response.status, response.text(), response.says_close()), (status, "refused", true));
        assert_eq!(backend.attempts(), 1);
    }
}

#[test]
fn an_interim_answer_is_no_invitation_to_send_the_body() {
    let refusal = [&b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"[..], &response(417, "refused")];
    let backend = Backend::answering([Step::EarlyThenClose(refusal.concat())]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("expect: 100-continue\r\ncontent-length: 5"));
    let statuses = [client.read_response(false).status, client.read_response(false).status];
    assert_eq!(statuses, [103, 417], "and no 100");
    assert_eq!(backend.attempts(), 1);
}

#[test]
fn s72_an_attempt_that_was_refused_before_its_body_has_consumed_nothing() {
    let backend = Backend::answering([Step::Reset, Step::Continue]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = env.client();
    client.write(put_head("expect: 100-continue\r\ncontent-length: 5"));
    assert_eq!(client.read_response(false).status, 100);
    client.write("hello");
    assert_eq!(client.read_response(false).text(), "continued");
    assert_eq!(backend.seen()[1].header("expect"), Some("100-continue"));
}

#[test]
fn a_client_that_breaks_its_body_off_or_garbles_it_gets_what_it_deserves() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut garbling = env.client();
    garbling.write(put_head("transfer-encoding: chunked") + "5\r\nhello\r\nzz\r\n");
    assert_eq!(garbling.read_final(false).status, 400);
    assert_eq!(backend.attempts(), 0, "what is known to be garbled goes nowhere");
    let mut leaving = env.client();
    leaving.write(put_head("content-length: 10") + "half");
    backend.await_attempts(1);
    leaving.vanish();
    backend.await_abandoned(1);
    env.await_metric("gateway_requests_abandoned_total", 1);
    assert_eq!(backend.attempts(), 1, "it is not retried");
}
