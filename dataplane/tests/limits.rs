//! What strangers may send and cost.

mod support;

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::backend::{Backend, Step};
use support::snapshot::{Verbs, retrying, serving};
use support::{DEADLINE, Options, TestEnv, await_that, timed};

/// How long somebody may have to wait because others are busy.
const BYSTANDER_MAX: Duration = Duration::from_secs(1);

/// What is refused, and how.
fn malformed() -> Vec<(Vec<u8>, u16)> {
    let get = |rest: &str| format!("GET / HTTP/1.1\r\nhost: test\r\n{rest}\r\n\r\n").into_bytes();
    let line = |line: &str| format!("{line}\r\nhost: test\r\n\r\n").into_bytes();
    vec![
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), 400),
        (b"GARBAGE\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\nhost: test\n\n".to_vec(), 400),
        (get("host: other"), 400),
        (get("a: b\r\n folded"), 400),
        (get("a : b"), 400),
        (get("a: \0"), 400),
        (get("content-length: +5"), 400),
        (get("content-length: 5\r\ncontent-length: 6"), 400),
        (get("content-length: 5\r\ntransfer-encoding: chunked"), 400),
        (get("transfer-encoding: chunked, chunked"), 400),
        (get("transfer-encoding: gzip"), 501),
        (get("expect: the-unexpected"), 417),
        (get(&format!("a: {}", "b".repeat(70_000))), 431),
        (get(&["a: b"; 200].join("\r\n")), 431),
        (line("GET / HTTP/2.0"), 505),
        (line("GET /#fragment HTTP/1.1"), 400),
        (line(&format!("GET /{} HTTP/1.1", "x".repeat(9_000))), 414),
        (line(&format!("{} / HTTP/1.1", "M".repeat(40))), 501),
    ]
}

#[test]
fn a_malformed_request_gets_its_status_and_hurts_nobody_else() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut bystander = env.client();
    for (bytes, status) in malformed() {
        let mut client = env.client();
        client.try_write(&bytes);
        let response = client.read_final(false);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!((response.status, response.says_close()), (status, true), "{shown}");
        assert!(client.is_closed(), "{shown}");
        assert_eq!(bystander.get("/").status, 200, "{shown}");
    }
    assert_eq!(backend.attempts(), malformed().len(), "only the bystander's requests arrived");
    assert_eq!(env.metric("gateway_panics_total"), 0);
}

#[test]
fn what_follows_a_refused_request_is_never_served() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_final(false).status, 400);
    assert!(client.is_closed());
    assert_eq!(backend.attempts(), 0);
}

#[test]
fn a_body_is_no_request() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut client = env.client();
    client.write(format!(
        "PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    ));
    assert_eq!(client.read_final(false).status, 200);
    assert_eq!(client.get("/next").status, 200);
    let lines: Vec<_> =
        backend.seen().iter().map(|seen| seen.head.lines().next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["PUT / HTTP/1.1", "GET /next HTTP/1.1"]);
}

#[test]
fn the_body_of_a_request_that_is_answered_by_the_gateway_is_not_read_to_its_end() {
    let env = TestEnv::start(&serving([]).with(|snapshot| snapshot.listeners[0].routes.clear()));
    let mut client = env.client();
    client.write("PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000000\r\n\r\n");
    let response = client.read_final(false);
    assert_eq!((response.status, response.says_close()), (404, true));
    let (closed, _) = timed(|| {
        let piece = vec![0; 64 * 1024];
        (0..1_000).any(|_| client.wire.write(&piece).is_none())
    });
    assert!(closed, "it went on reading");
}

#[test]
fn a_head_that_trickles_in_is_given_up_after_its_time_and_empty_lines_without_a_word() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut silent = env.client();
    assert_eq!(silent.get("/").status, 200);
    silent.write("\r\n");
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\na:");
    let (response, took) = timed(|| client.read_final(false));
    assert_eq!((response.status, response.says_close()), (408, true));
    assert!((9..15).contains(&took.as_secs()), "{took:?}");
    assert!(client.is_closed());
    assert!(silent.is_closed(), "an answer could be taken for that of the next request");
}

#[test]
fn busy_connections_do_not_keep_a_core_from_the_others() {
    let backend = Backend::answering([Step::Swallow, Step::Flood]);
    let options = Options { driver: Some("epoll"), ..Options::default() };
    let env = TestEnv::start_with(&serving([backend.address]), &options);
    let (stop, started) = (AtomicBool::new(false), rebound_dataplane::clock::now());
    // A bystander that fails says nothing to the others.
    let goes_on = || !stop.load(Ordering::SeqCst) && started.elapsed() < DEADLINE;
    let (mut uploading, mut downloading) = (env.client(), env.client());
    uploading.write("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n");
    backend.await_attempts(1);
    downloading.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let chunks = b"1\r\nx\r\n".repeat(10_000);
            while goes_on() {
                uploading.write(&chunks);
            }
        });
        scope.spawn(|| {
            let mut sink = vec![0; 256 * 1024];
            while goes_on() {
                assert!(downloading.wire.stream.read(&mut sink).unwrap() > 0);
            }
        });
        let waits: Vec<_> = (0..5).map(|_| timed(|| env.get("/bystander").status)).collect();
        stop.store(true, Ordering::SeqCst);
        assert!(waits.iter().all(|(status, took)| *status == 200 && *took < BYSTANDER_MAX), "{waits:?}");
    });
}

#[test]
fn a_flood_of_connections_without_a_request_costs_little() {
    const CONNECTIONS: usize = 400;
    let backend = Backend::answering([]);
    let env = TestEnv::start_with(&serving([backend.address]), &Options { workers: 2, ..Options::default() });
    let idle: Vec<_> = (0..CONNECTIONS).map(|_| env.client()).collect();
    env.await_metric("gateway_connections{side=\"client\"}", CONNECTIONS as u64);
    assert_eq!(env.get("/").status, 200);
    assert!(env.memory_peak() < 48 * 1024 * 1024, "{}", env.memory_peak());
    drop(idle);
    env.await_metric("gateway_connections{side=\"client\"}", 0);
}

#[test]
fn without_a_descriptor_left_those_who_are_connected_are_served_and_later_the_others() {
    const FILES: u32 = 64;
    let backend = Backend::answering([]);
    let env = TestEnv::start_with(
        &serving([backend.address]),
        &Options { files_max: Some(FILES), ..Options::default() },
    );
    let mut kept = env.client();
    assert_eq!(kept.get("/").status, 200);
    let flood: Vec<_> = (0..FILES).map(|_| env.client()).collect();
    // A blocked accept holds a number that /proc does not list yet: that of the admin port.
    await_that("no descriptor is left", || env.descriptors_below(FILES) >= FILES - 1);
    let probe = env.admin_client();
    assert!(env.processor_time_over(Duration::from_millis(500)) < Duration::from_millis(200), "it spins");
    assert_eq!(kept.get("/").status, 200);
    drop((flood, probe));
    env.await_metric("gateway_connections{side=\"client\"}", 1);
    assert_eq!(env.get("/").status, 200);
}

#[test]
fn a_client_that_does_not_read_its_answer_is_not_read_ahead_for() {
    const ANSWER: usize = 200 * 1024 * 1024;
    let backend = Backend::answering([Step::Payload(ANSWER)]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    assert_eq!(env.get("/bystander").status, 200);
    assert!(env.memory_peak() < 48 * 1024 * 1024, "{}", env.memory_peak());
    client.vanish();
    backend.await_ended(1);
}

fn limited(backend: &Backend, flags: &[&str]) -> TestEnv {
    let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    TestEnv::start_with(&serving([backend.address]), &Options { flags, ..Options::default() })
}

#[test]
fn a_head_may_be_as_long_as_the_flag_says() {
    let backend = Backend::answering([]);
    let env = limited(&backend, &["--request-head-bytes=1024"]);
    let head = |bytes: usize| {
        let (start, end) = ("GET / HTTP/1.1\r\nhost: test\r\na: ", "\r\n\r\n");
        format!("{start}{}{end}", "b".repeat(bytes - start.len() - end.len()))
    };
    let mut client = env.client();
    for _ in 0..2 {
        client.write(head(1024));
        assert_eq!(client.read_final(false).status, 200, "also that of a second request");
    }
    client.try_write(head(1025));
    assert_eq!(client.read_final(false).status, 431);
}

/// Neither at once nor by a default.
#[track_caller]
fn check_about_200_ms(time: Duration) {
    assert!((Duration::from_millis(150)..Duration::from_secs(5)).contains(&time), "{time:?}");
}

#[test]
fn a_head_may_take_as_long_as_the_flag_says() {
    let backend = Backend::answering([]);
    let env = limited(&backend, &["--request-head-timeout-ms=200"]);
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost:");
    let (response, time) = timed(|| client.read_final(false));
    assert_eq!(response.status, 408);
    check_about_200_ms(time);
}

#[test]
fn a_connection_may_be_idle_for_as_long_as_the_flag_says() {
    let backend = Backend::answering([]);
    let env = limited(&backend, &["--client-idle-timeout-ms=200"]);
    let mut client = env.client();
    assert_eq!(client.get("/").status, 200);
    let (closed, time) = timed(|| client.is_closed());
    assert!(closed);
    check_about_200_ms(time);
}

#[test]
fn a_client_beyond_the_connections_that_the_flag_allows_waits_until_one_ends() {
    let backend = Backend::answering([]);
    let env = limited(&backend, &["--connections=1"]);
    let mut first = env.client();
    assert_eq!(first.get("/").status, 200);
    let mut second = env.client();
    second.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    // As long as the first is there, it alone is served.
    (0..20).for_each(|_| assert_eq!(first.get("/").status, 200));
    assert_eq!(backend.attempts(), 21);
    drop(first);
    assert_eq!(second.read_final(false).status, 200);
}

/// Flags that it refused would keep pods from starting.
#[test]
fn the_bounds_that_a_gateway_config_may_name_are_taken() {
    let backend = Backend::answering([]);
    for [connections, bytes, ms] in [["1", "1024", "1"], ["1000000", "65536", "3600000"]] {
        let flags = [
            format!("--connections={connections}"),
            format!("--request-head-bytes={bytes}"),
            format!("--request-head-timeout-ms={ms}"),
            format!("--client-idle-timeout-ms={ms}"),
            format!("--drain-timeout-ms={ms}"),
        ];
        let env = limited(&backend, &flags.each_ref().map(String::as_str));
        env.await_generation(1);
    }
}
