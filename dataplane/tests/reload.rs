//! New snapshots under traffic, and snapshots that are none.

mod support;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rebound_api::config::Snapshot;
use rebound_api::config::codec::encode;

use support::backend::{Backend, Step};
use support::client::Client;
use support::snapshot::{PORT, Verbs, retrying, serving};
use support::{Options, TestEnv, await_that};

const OTHER_PORT: u16 = PORT + 1;

fn with_other_port(snapshot: Snapshot) -> Snapshot {
    snapshot.with(|snapshot| {
        let mut other = snapshot.listeners[0].clone();
        (other.name, other.port) = ("other".into(), OTHER_PORT);
        snapshot.listeners.push(other);
    })
}

/// Asks until told to stop, on one connection and on fresh ones by turns; returns how often.
fn ask_all_the_time(env: &TestEnv, stop: &AtomicBool) -> usize {
    let mut kept = env.client();
    let mut asked = 0;
    while !stop.load(Ordering::SeqCst) {
        assert_eq!(kept.get("/kept").status, 200);
        assert_eq!(env.get("/fresh").status, 200);
        asked += 2;
    }
    asked
}

#[test]
fn no_request_fails_while_snapshots_are_replaced_and_ports_come_and_go() {
    const PUBLISHED: u64 = 50;
    let backends = [Backend::answering([]), Backend::answering([])];
    let snapshot = |generation: u64| {
        let backend = &backends[generation as usize % 2];
        let snapshot = serving([backend.address]).generation(generation);
        if generation.is_multiple_of(2) { with_other_port(snapshot) } else { snapshot }
    };
    let env = TestEnv::start_with(&snapshot(1), &Options { workers: 2, ..Options::default() });
    let stop = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| asked.fetch_add(ask_all_the_time(&env, &stop), Ordering::SeqCst));
        }
        for generation in 2..=PUBLISHED {
            env.publish(&snapshot(generation));
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(asked.into_inner() > 100);
    assert_eq!(env.metrics("gateway_requests_total{status_class=\"5xx\"}"), 0);
    assert_eq!(env.metric("gateway_config_reload_total{result=\"success\"}"), PUBLISHED);
    assert_eq!(env.metric("gateway_config_reload_total{result=\"failure\"}"), 0);
    assert!(backends.iter().all(|backend| backend.attempts() > 0));
}

#[test]
fn a_port_is_opened_when_a_snapshot_adds_it_and_closed_when_one_drops_it() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let other = env.address(OTHER_PORT);
    assert!(TcpStream::connect(other).is_err());
    for generation in [2, 4, 6] {
        env.publish(&with_other_port(serving([backend.address])).generation(generation));
        assert_eq!(Client::connect(other).get("/").status, 200);
        env.publish(&serving([backend.address]).generation(generation + 1));
        await_that("the port is closed", || TcpStream::connect(other).is_err());
    }
    assert_eq!(env.get("/").status, 200);
}

#[test]
fn a_port_that_comes_back_at_once_is_served() {
    const ROUNDS: u64 = 30;
    let backend = Backend::answering([]);
    let env = TestEnv::start_with(
        &with_other_port(serving([backend.address])),
        &Options { workers: 8, ..Options::default() },
    );
    for round in 1..=ROUNDS {
        env.write(&encode(&serving([backend.address]).generation(2 * round)).unwrap());
        // The supervisor has handed it over, the cores have hardly begun with it.
        env.await_metric_above("gateway_config_reload_total{result=\"success\"}", 2 * round - 1);
        env.publish(&with_other_port(serving([backend.address])).generation(2 * round + 1));
        assert_eq!(Client::connect(env.address(OTHER_PORT)).get("/").status, 200);
    }
    assert_eq!(env.metric("gateway_config_reload_total{result=\"failure\"}"), 0);
}

#[test]
fn a_data_plane_waits_for_its_first_snapshot() {
    let backend = Backend::answering([]);
    let env = TestEnv::start_unconfigured();
    assert_eq!((env.admin("/livez").status, env.admin("/readyz").status), (200, 503));
    env.publish(&serving([backend.address]));
    assert_eq!((env.admin("/readyz").status, env.get("/").status), (200, 200));
}

#[test]
fn s88_an_answer_that_is_on_its_way_is_not_cut_off_by_a_reload() {
    let backend = Backend::answering([Step::Delay(std::time::Duration::from_millis(300))]);
    let env = TestEnv::start(&serving([backend.address]));
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(1);
    env.publish(&serving([]).generation(2));
    assert_eq!(client.read_final(false).text(), "late");
    assert_eq!(client.get("/").status, 503, "the next request meets the new configuration");
}

#[test]
fn s89_a_broken_snapshot_leaves_the_last_good_one_in_use() {
    let backend = Backend::always(Step::Status(503));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)).generation(7));
    let good = encode(&serving([]).generation(8)).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let broken = [
        (good[..good.len() / 2].to_vec(), "header says"),
        (flipped, "checksum"),
        (text.replacen("rebound-snapshot 1 ", "rebound-snapshot 2 ", 1).into_bytes(), "format 2"),
        (b"not a snapshot at all".to_vec(), "not a snapshot"),
        (Vec::new(), "not a snapshot"),
    ];
    for (failures, (bytes, complaint)) in (1..).zip(broken) {
        env.write(&bytes);
        env.await_metric("gateway_config_reload_total{result=\"failure\"}", failures);
        let generation = env.generation();
        let told = generation["last_error"].as_str().unwrap();
        assert!(told.contains(complaint), "{complaint}: {told}");
        assert_eq!((generation["generation"].as_u64(), env.admin("/readyz").status), (Some(7), 200));
        let before = backend.attempts();
        assert_eq!(env.get("/").text(), "status 503");
        assert_eq!(backend.attempts() - before, 2, "the policy is in use as well");
    }
    env.publish(&serving([]).generation(8));
    assert!(env.generation()["last_error"].is_null());
}

#[test]
fn s89_a_port_that_is_not_to_be_had_leaves_the_last_good_configuration_in_use() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let taken = TcpListener::bind(env.address(OTHER_PORT)).unwrap();
    env.write(&encode(&with_other_port(serving([])).generation(2)).unwrap());
    env.await_metric("gateway_config_reload_total{result=\"failure\"}", 1);
    let told = env.generation()["last_error"].as_str().unwrap().to_owned();
    assert!(told.contains(&env.address(OTHER_PORT).to_string()), "{told}");
    assert_eq!(env.get("/").status, 200);
    drop(taken);
    env.publish(&with_other_port(serving([backend.address])).generation(3));
    assert_eq!(Client::connect(env.address(OTHER_PORT)).get("/").status, 200);
}

#[test]
fn s89_a_port_that_becomes_free_is_taken_without_a_further_snapshot() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]));
    let taken = TcpListener::bind(env.address(OTHER_PORT)).unwrap();
    env.write(&encode(&with_other_port(serving([backend.address])).generation(2)).unwrap());
    env.await_metric("gateway_config_reload_total{result=\"failure\"}", 1);
    drop(taken);
    env.await_generation(2);
    assert_eq!(Client::connect(env.address(OTHER_PORT)).get("/").status, 200);
    assert!(env.generation()["last_error"].is_null());
}
