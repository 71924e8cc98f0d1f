//! How a data plane ends, and why a second one does not begin.

mod support;

use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use support::backend::{Backend, Step};
use support::client::Client;
use support::snapshot::{PORT, Verbs, retrying, serving};
use support::{Options, TestEnv, await_that, timed};

const SLOW: Duration = Duration::from_millis(500);

/// A client whose request is with the backend.
fn in_flight(env: &TestEnv, backend: &Backend) -> Client {
    let mut client = env.client();
    let before = backend.attempts();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(before + 1);
    client
}

fn await_draining(env: &TestEnv) {
    await_that("it is not ready any more", || env.admin("/readyz").status == 503);
}

#[test]
fn a_request_in_flight_is_answered_and_its_client_told_to_go() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let backend = Backend::answering([Step::Delay(SLOW)]);
        let mut env = TestEnv::start(&serving([backend.address]));
        let mut client = in_flight(&env, &backend);
        env.signal(signal);
        await_draining(&env);
        assert_eq!(env.admin("/livez").status, 200);
        let response = client.read_final(false);
        assert_eq!((response.text(), response.says_close()), ("late", true));
        assert!(client.is_closed());
        drop(client);
        assert_eq!(env.await_exit().code(), Some(0));
    }
}

#[test]
fn a_request_that_waits_for_its_retry_is_answered_too() {
    let backend = Backend::answering([Step::Status(503), Step::Delay(SLOW)]);
    let mut env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut client = in_flight(&env, &backend);
    env.signal(Signal::SIGTERM);
    assert_eq!(client.read_final(false).text(), "late");
    drop(client);
    assert_eq!(env.await_exit().code(), Some(0));
}

#[test]
fn a_kept_connection_may_send_one_more_request_and_is_told_to_go() {
    let backend = Backend::answering([Step::Status(200), Step::Delay(SLOW)]);
    let mut env = TestEnv::start(&serving([backend.address]));
    let mut kept = env.client();
    assert!(!kept.get("/").says_close());
    let mut client = in_flight(&env, &backend);
    env.signal(Signal::SIGTERM);
    await_draining(&env);
    let response = kept.get("/");
    assert_eq!((response.status, response.says_close()), (200, true));
    assert!(kept.is_closed());
    assert_eq!(client.read_final(false).text(), "late");
    drop(client);
    assert_eq!(env.await_exit().code(), Some(0));
}

#[test]
fn idle_connections_do_not_keep_the_process() {
    let backend = Backend::answering([]);
    let mut env = TestEnv::start(&serving([backend.address]));
    let (mut used, mut unused) = (env.client(), env.client());
    assert_eq!(used.get("/").status, 200);
    env.signal(Signal::SIGTERM);
    assert_eq!(env.await_exit().code(), Some(0));
    assert!(used.is_closed() && unused.is_closed());
}

#[test]
fn new_connections_are_refused_while_old_requests_end() {
    let backend = Backend::answering([Step::Delay(SLOW)]);
    let mut env = TestEnv::start(&serving([backend.address]));
    let mut client = in_flight(&env, &backend);
    env.signal(Signal::SIGTERM);
    await_that("nobody listens", || TcpStream::connect(env.address(PORT)).is_err());
    assert_eq!(client.read_final(false).text(), "late");
    drop(client);
    assert_eq!(env.await_exit().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let backend = Backend::always(Step::Hang);
    let mut env = TestEnv::start(&serving([backend.address]));
    let mut client = in_flight(&env, &backend);
    env.signal(Signal::SIGTERM);
    await_draining(&env);
    env.signal(Signal::SIGTERM);
    assert_eq!(env.await_exit().code(), Some(1));
    assert!(client.is_closed());
}

#[test]
fn a_second_data_plane_on_the_same_address_refuses_to_start_and_names_it() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let rival = env.rival();
    let told = String::from_utf8(rival.stderr).unwrap();
    assert_eq!(rival.status.code(), Some(1), "{told}");
    assert!(told.contains(&env.address(PORT).to_string()), "{told}");
    for _ in 0..20 {
        assert_eq!(env.get("/").status, 200, "and has stolen no connection");
    }
}

#[test]
fn a_drain_takes_no_longer_than_the_flag_says() {
    let backend = Backend::always(Step::Delay(Duration::from_secs(60)));
    let options = Options { flags: vec!["--drain-timeout-ms=300".into()], ..Options::default() };
    let mut env = TestEnv::start_with(&serving([backend.address]), &options);
    let client = in_flight(&env, &backend);
    let (status, time) = timed(|| {
        env.signal(Signal::SIGTERM);
        env.await_exit()
    });
    assert_eq!(status.code(), Some(0));
    assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&time), "{time:?}");
    drop(client);
}
