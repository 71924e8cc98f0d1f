//! Scripts of failures, and the exact spans of each: both receivers must see the same.

use std::net::SocketAddr;
use std::time::Duration;

use hack::collector::{Receiver, Span};
use hack::dataplane_rig::Setup;
use hack::http_client::Connection;
use opentelemetry_semantic_conventions::attribute as semconv;
use rebound_api::config::Snapshot;
use rebound_api::config::retry::{Budget, Retry};
use serde_json::{Value, json};

use crate::backend::{Backend, Step, refusing};
use crate::scene::{HOST, Scene};
use crate::snapshot::{PORT, Verbs, retrying, serving};
use crate::tree::{Attributes, Tree, attributes};

const HOUR_MS: u64 = 3_600_000;
const POLICY: &str = "server/retry-policy-sample";

/// What is expected of a request's span.
struct Request {
    method: &'static str,
    status: Option<u16>,
    attempts: u32,
    reason: &'static str,
    /// What the request is counted under as an error.
    error: Option<&'static str>,
}

impl Request {
    #[track_caller]
    fn check(&self, tree: &Tree) {
        let span = &tree.request;
        assert_eq!(span.name, format!("{} /", self.method));
        assert_eq!(span.attributes, self.attributes(), "{}", span.name);
        // A client that went away, or was told that it was wrong, is no error of ours.
        let failed = self.error.is_some();
        assert_eq!(
            (span.status.as_str(), span.message.as_str()),
            (if failed { "error" } else { "unset" }, "")
        );
        assert_eq!(tree.attempts.len(), self.attempts as usize);
    }

    fn attributes(&self) -> Attributes {
        attributes([
            (semconv::HTTP_REQUEST_METHOD, json!(self.method)),
            (semconv::HTTP_ROUTE, json!("/")),
            (semconv::URL_PATH, json!("/pay")),
            (semconv::URL_QUERY, json!("card=REDACTED")),
            (semconv::URL_SCHEME, json!("http")),
            (semconv::SERVER_ADDRESS, json!("shop.example")),
            (semconv::SERVER_PORT, json!(8443)),
            (semconv::CLIENT_ADDRESS, json!("127.0.0.1")),
            (semconv::NETWORK_PROTOCOL_VERSION, json!("1.1")),
            (semconv::HTTP_RESPONSE_STATUS_CODE, json!(self.status)),
            (semconv::ERROR_TYPE, json!(self.error)),
            ("rebound.retry.attempts", json!(self.attempts)),
            ("rebound.retry.reason", json!(self.reason)),
            ("rebound.retry.policy", json!(POLICY)),
            ("rebound.route", json!("server/fortio-route")),
        ])
    }
}

/// How an attempt is expected to have ended.
enum Ended {
    Status(u16),
    Failed(&'static str),
    /// Nobody waited for its end.
    GivenUp,
}

#[track_caller]
fn check_attempt(span: &Span, method: &str, endpoint: SocketAddr, number: u32, ended: &Ended) {
    let (status, error) = match ended {
        Ended::Status(status) => (Some(*status), (*status >= 400).then(|| status.to_string())),
        Ended::Failed(why) => (None, Some((*why).to_owned())),
        Ended::GivenUp => (None, None),
    };
    assert_eq!(span.name, method);
    assert_eq!(
        (span.status.as_str(), span.message.as_str()),
        (if error.is_some() { "error" } else { "unset" }, "")
    );
    let expected = attributes([
        (semconv::HTTP_REQUEST_METHOD, json!(method)),
        (semconv::SERVER_ADDRESS, json!("127.0.0.1")),
        (semconv::SERVER_PORT, json!(endpoint.port())),
        (semconv::URL_FULL, json!(format!("http://{endpoint}/pay?card=REDACTED"))),
        (semconv::URL_TEMPLATE, json!("/")),
        (semconv::NETWORK_PROTOCOL_VERSION, json!("1.1")),
        (semconv::HTTP_REQUEST_RESEND_COUNT, if number > 1 { json!(number - 1) } else { Value::Null }),
        (semconv::HTTP_RESPONSE_STATUS_CODE, json!(status)),
        (semconv::ERROR_TYPE, json!(error)),
        (semconv::SERVICE_PEER_NAMESPACE, json!("server")),
        (semconv::SERVICE_PEER_NAME, json!("fortio")),
        ("rebound.service.port", json!(8080)),
        ("rebound.retry.policy", json!(POLICY)),
    ]);
    assert_eq!(span.attributes, expected, "attempt {number}");
}

/// Sends one request in every scene, and checks its tree.
#[track_caller]
fn check(
    steps: &[Step],
    rules: &dyn Fn(Snapshot) -> Snapshot,
    expected: &Request,
    ends: &[Ended],
    events: &[(&str, &str)],
) {
    for (receiver, driver) in [(Receiver::Otelcol, "auto"), (Receiver::Python, "epoll")] {
        let backend = Backend::start(steps.iter().cloned(), Step::Status(200));
        let endpoint = backend.address;
        let snapshot = rules(serving([endpoint]).retried(retrying(2)));
        let setup = Setup { flags: &["--driver", driver], ..Setup::default() };
        let scene = Scene::start_with(receiver, backend, &snapshot, &setup);
        let answer = scene.send(expected.method, "/pay?card=4242", &[]);
        assert_eq!(Some(answer.status), expected.status);
        let tree = scene.tree();
        expected.check(&tree);
        for (index, (span, ended)) in tree.attempts.iter().zip(ends).enumerate() {
            check_attempt(span, expected.method, endpoint, index as u32 + 1, ended);
        }
        assert_eq!(tree.events(), events);
    }
}

#[test]
fn two_failures_and_a_success_are_three_siblings() {
    check(
        &[Step::Status(503), Step::Status(503), Step::Status(200)],
        &|snapshot| snapshot,
        &Request { method: "GET", status: Some(200), attempts: 3, reason: "success", error: None },
        &[Ended::Status(503), Ended::Status(503), Ended::Status(200)],
        &[("status", "backoff"), ("status", "backoff")],
    );
}

#[test]
fn a_reset_is_an_error_without_a_status() {
    check(
        &[Step::Reset, Step::Status(200)],
        &|snapshot| snapshot,
        &Request { method: "GET", status: Some(200), attempts: 2, reason: "success", error: None },
        &[Ended::Failed("reset"), Ended::Status(200)],
        &[("reset", "backoff")],
    );
}

#[test]
fn retries_that_are_used_up_say_so() {
    check(
        &[Step::Status(503), Step::Status(500), Step::Status(502)],
        &|snapshot| snapshot,
        &Request { method: "GET", status: Some(502), attempts: 3, reason: "exhausted", error: Some("502") },
        &[Ended::Status(503), Ended::Status(500), Ended::Status(502)],
        &[("status", "backoff"), ("status", "backoff")],
    );
}

#[test]
fn a_deadline_that_passes_ends_the_attempt_that_runs() {
    let rules = Retry { per_try_timeout_ms: Some(200), total_timeout_ms: Some(300), ..retrying(2) };
    check(
        &[Step::Hang, Step::Hang],
        &|snapshot| snapshot.retried(rules.clone()),
        &Request {
            method: "GET",
            status: Some(504),
            attempts: 2,
            reason: "deadline",
            error: Some("deadline"),
        },
        &[Ended::Failed("per_try_timeout"), Ended::Failed("deadline")],
        &[("per_try_timeout", "backoff")],
    );
}

#[test]
fn a_budget_that_is_empty_is_the_reason() {
    let nothing = Budget { percent: 0, interval_ms: HOUR_MS, floor_count: 0, floor_interval_ms: HOUR_MS };
    check(
        &[Step::Status(503)],
        &|snapshot| snapshot.with(|snapshot| snapshot.clusters[0].budget = Some(nothing)),
        &Request { method: "GET", status: Some(503), attempts: 1, reason: "budget", error: Some("503") },
        &[Ended::Status(503)],
        &[],
    );
}

#[test]
fn a_post_that_may_have_been_acted_on_is_not_sent_again() {
    check(
        &[Step::Status(503)],
        &|snapshot| snapshot,
        &Request {
            method: "POST",
            status: Some(503),
            attempts: 1,
            reason: "method_unsafe",
            error: Some("503"),
        },
        &[Ended::Status(503)],
        &[],
    );
}

#[test]
fn a_clients_mistake_is_an_error_of_the_attempt_and_not_of_the_request() {
    check(
        &[Step::Status(404)],
        &|snapshot| snapshot,
        &Request { method: "GET", status: Some(404), attempts: 1, reason: "status_not_listed", error: None },
        &[Ended::Status(404)],
        &[],
    );
}

#[test]
fn without_an_endpoint_there_is_no_attempt() {
    check(
        &[],
        &|snapshot| snapshot.with(|snapshot| snapshot.clusters[0].endpoints.clear()),
        &Request {
            method: "GET",
            status: Some(503),
            attempts: 0,
            reason: "no_endpoint",
            error: Some("no_endpoint"),
        },
        &[],
        &[],
    );
}

#[test]
fn a_client_that_goes_away_is_no_error() {
    for receiver in Receiver::ALL {
        let backend = Backend::always(Step::Hang);
        let endpoint = backend.address;
        let scene = Scene::start(receiver, backend, &serving([endpoint]).retried(retrying(2)));
        let mut client = scene.client();
        client.write(format!("GET /pay?card=4242 HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes()).unwrap();
        scene.backend.await_attempts(1);
        drop(client);
        let tree = scene.tree();
        Request { method: "GET", status: None, attempts: 1, reason: "client_gone", error: None }.check(&tree);
        check_attempt(&tree.attempts[0], "GET", endpoint, 1, &Ended::GivenUp);
    }
}

#[test]
fn a_pooled_connection_that_died_is_followed_at_once() {
    for receiver in Receiver::ALL {
        let backend = Backend::answering([Step::Status(200), Step::Close]);
        let endpoint = backend.address;
        let scene = Scene::start(receiver, backend, &serving([endpoint]).retried(retrying(2)));
        assert_eq!(scene.get("/first").status, 200);
        assert_eq!(scene.get("/pay?card=4242").status, 200);
        let trees = Tree::all(&scene.spans(2));
        trees.iter().for_each(Tree::check_shape);
        let tree = &trees[1];
        Request { method: "GET", status: Some(200), attempts: 2, reason: "success", error: None }.check(tree);
        check_attempt(&tree.attempts[0], "GET", endpoint, 1, &Ended::Failed("stale_connection"));
        check_attempt(&tree.attempts[1], "GET", endpoint, 2, &Ended::Status(200));
        assert_eq!(tree.events(), [("stale_connection", "immediate")]);
        assert_eq!(tree.request.events[0].attributes["rebound.retry.delay_ms"].as_f64(), Some(0.0));
    }
}

#[test]
fn each_attempt_names_the_endpoint_that_it_went_to() {
    /// Each finds the dead endpoint as often as not: that none does would be a wonder.
    const REQUESTS: usize = 40;
    for receiver in Receiver::ALL {
        let backend = Backend::always(Step::Status(200));
        let (good, bad) = (backend.address, refusing());
        let scene = Scene::start(receiver, backend, &serving([good, bad]).retried(retrying(2)));
        let mut client = Connection::open(scene.dataplane.address(PORT)).unwrap();
        // Whichever endpoint comes first: one of a few requests finds the dead one.
        for _ in 0..REQUESTS {
            assert_eq!(client.send("GET", "/pay?card=4242", &[("host", HOST)], &[]).unwrap().status, 200);
        }
        let trees = Tree::all(&scene.spans(REQUESTS));
        let retried =
            trees.iter().find(|tree| tree.attempts.len() == 2).expect("one went to the dead endpoint");
        retried.check_shape();
        check_attempt(&retried.attempts[0], "GET", bad, 1, &Ended::Failed("connect_failure"));
        check_attempt(&retried.attempts[1], "GET", good, 2, &Ended::Status(200));
        assert_eq!(retried.events(), [("connect_failure", "immediate")]);
    }
}

#[test]
fn the_wait_between_attempts_is_nobodys_span() {
    let backend = Backend::answering([Step::Status(503)]);
    let pause = rebound_api::config::retry::Backoff {
        base_us: 150_000,
        max_us: 150_000,
        multiplier: 1,
        jitter: rebound_api::config::retry::Jitter::None,
    };
    let snapshot = serving([backend.address]).retried(Retry { backoff: pause, ..retrying(1) });
    let scene = Scene::start(Receiver::Python, backend, &snapshot);
    scene.get("/pay");
    let tree = scene.tree();
    assert_eq!(tree.request.events[0].attributes["rebound.retry.delay_ms"].as_f64(), Some(150.0));
    let gap = Duration::from_nanos(tree.attempts[1].start - tree.attempts[0].end);
    assert!(gap >= Duration::from_millis(150), "{gap:?}");
}
