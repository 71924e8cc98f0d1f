//! What probes and scrapers see.

mod support;

use std::time::Duration;

use support::backend::{Backend, Step};
use support::snapshot::{Verbs, retrying, serving};
use support::{TestEnv, await_that, timed};

#[test]
fn probes_metrics_and_the_generation_are_served_and_nothing_else() {
    let env = TestEnv::start(&serving([]).generation(5));
    for (path, status, kind) in [
        ("/livez", 200, "text/plain; charset=utf-8"),
        ("/readyz", 200, "text/plain; charset=utf-8"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("/generation", 200, "application/json"),
        ("/debug", 404, "text/plain; charset=utf-8"),
        ("/", 404, "text/plain; charset=utf-8"),
    ] {
        let response = env.admin(path);
        assert_eq!((response.status, response.header("content-type")), (status, Some(kind)), "{path}");
    }
    let generation = env.generation();
    assert_eq!(generation["generation"], 5);
    assert!(generation["driver"].is_string() && generation["last_error"].is_null());
}

#[test]
fn the_driver_that_was_asked_for_is_the_one_that_is_told() {
    let env = TestEnv::start(&serving([]));
    let told = env.generation()["driver"].as_str().unwrap().to_owned();
    if std::env::var("REBOUND_DRIVER").as_deref() == Ok("epoll") {
        assert_eq!(told, "epoll");
    }
    assert_eq!(env.metric(&format!("gateway_worker_driver_info{{driver=\"{told}\"}}")), 1);
}

#[test]
fn only_reading_is_allowed_and_nonsense_is_refused() {
    let env = TestEnv::start(&serving([]));
    let mut client = env.admin_client();
    let head = client.send("HEAD /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("3")));
    assert_eq!(client.get("/livez").text(), "ok\n", "on the same connection");
    assert_eq!(client.send("POST /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").status, 405);
    let mut talker = env.admin_client();
    assert_eq!(talker.send("GARBAGE\r\n\r\n").status, 400);
    assert!(talker.is_closed());
}

#[test]
fn many_silent_connections_do_not_shut_probes_out_for_long() {
    let env = TestEnv::start(&serving([]));
    let silent: Vec<_> = (0..200).map(|_| env.admin_client()).collect();
    drop(silent);
    await_that("a probe is answered", || {
        let mut client = env.admin_client();
        client.try_write("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
        client.wire.read_head().is_some_and(|head| head.starts_with("HTTP/1.1 200 "))
    });
}

#[test]
fn probes_get_in_whoever_holds_the_connections() {
    let env = TestEnv::start(&serving([]));
    let mut trickling: Vec<_> = (0..32).map(|_| env.admin_client()).collect();
    trickling.iter_mut().for_each(|client| client.write("GET /livez HTTP/1.1\r\nx: "));
    for _ in 0..40 {
        trickling.iter_mut().for_each(|client| client.try_write("x"));
        let (response, took) = timed(|| env.admin("/livez"));
        assert_eq!((response.status, response.text()), (200, "ok\n"));
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
}

#[test]
fn a_client_that_trickles_is_disconnected_after_its_time() {
    let env = TestEnv::start(&serving([]));
    let mut client = env.admin_client();
    client.write("GET /livez HTTP/1.1\r\nx: ");
    let ((), took) = timed(|| await_that("it is cut off", || client.wire.write(b"x").is_none()));
    assert!((4..15).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_data_plane_without_traffic_takes_no_processor_time() {
    let backend = Backend::always(Step::Hang);
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(3)));
    let mut waiting = env.client();
    waiting.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    backend.await_attempts(1);
    let (_idle, took) = (env.client(), env.processor_time_over(Duration::from_millis(500)));
    assert!(took <= Duration::from_millis(50), "{took:?}");
}
