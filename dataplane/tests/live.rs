//! The listener of the live page: who is answered, and what `/live.json` says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use rebound_api::config::retry::Budget;
use rebound_api::config::route::{Match, PathMatch, ValueMatch, ValuePattern};
use serde_json::{Value, json};
use support::backend::{Backend, Step};
use support::client::Response;
use support::snapshot::{Verbs, retrying, rule, serving};
use support::{Options, TestEnv, await_that};

fn with_page() -> Options {
    Options { flags: vec!["--live=127.0.0.1:0".into()], ..Options::default() }
}

fn ask(env: &TestEnv, path: &str, host: &str) -> Response {
    env.live_client().send(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
}

fn live(env: &TestEnv) -> Value {
    serde_json::from_slice(&ask(env, "/live.json", "localhost").body).unwrap()
}

#[test]
fn the_page_and_its_files_are_served_under_a_strict_policy() {
    let env = TestEnv::start_with(&serving([]), &with_page());
    for (path, status, kind) in [
        ("/", 200, "text/html; charset=utf-8"),
        ("/page.css", 200, "text/css; charset=utf-8"),
        ("/page.js", 200, "text/javascript; charset=utf-8"),
        ("/live.json", 200, "application/json"),
        ("/metrics", 404, "text/plain; charset=utf-8"),
    ] {
        let response = ask(&env, path, "127.0.0.1:9902");
        assert_eq!((response.status, response.header("content-type")), (status, Some(kind)), "{path}");
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(response.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_name_that_a_stranger_may_own_is_refused() {
    let env = TestEnv::start_with(&serving([]), &with_page());
    for host in ["evil.example", "evil.example:9902", "localhost.evil.example", "10.0.0.1"] {
        for path in ["/", "/live.json"] {
            let response = ask(&env, path, host);
            assert_eq!(response.status, 421, "{host} {path}");
            assert!(!response.text().contains("gateway"), "{host} {path}");
        }
    }
    for host in ["localhost", "localhost:9902", "127.0.0.1", "[::1]:9902"] {
        assert_eq!(ask(&env, "/live.json", host).status, 200, "{host}");
    }
}

#[test]
fn there_is_no_page_without_the_flag_and_none_on_the_admin_port() {
    let env = TestEnv::start_with(&serving([]), &with_page());
    for path in ["/", "/live.json", "/page.js"] {
        assert_eq!(env.admin(path).status, 404, "{path}");
    }
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let program = env!("CARGO_BIN_EXE_rebound-dataplane");
    let mut command = std::process::Command::new(program);
    let refused = command.args(["--snapshot", "none", "--live", "0.0.0.0:0"]).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not an address of this machine alone"));
}

#[test]
fn live_json_says_what_was_counted_and_what_happened() {
    let backend = Backend::answering([Step::Status(503), Step::Status(200), Step::Status(503)]);
    let budget = Budget { percent: 20, interval_ms: 10_000, floor_count: 10, floor_interval_ms: 1_000 };
    let snapshot = serving([backend.address]).retried(retrying(1)).with(|snapshot| {
        snapshot.clusters[0].budget = Some(budget);
    });
    let env = TestEnv::start_with(&snapshot, &with_page());
    let rescued = env.get("/rescued?secret=canary");
    assert_eq!(rescued.status, 200);
    let unsafe_one = env.send("POST /pay HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(unsafe_one.status, 503);
    assert_eq!(env.get("/well").status, 200);
    await_that("both are told", || live(&env)["recent"].as_array().is_some_and(|recent| recent.len() == 2));

    let live = live(&env);
    assert_eq!(
        (&live["gateway"], &live["generation"], &live["draining"]),
        (&json!("server/simple-fsm-gateway"), &json!(1), &json!(false))
    );
    assert!(live["driver"].is_string(), "{live}");
    let service = &live["services"][0];
    assert_eq!(service["service"], "server/fortio:8080");
    assert_eq!(service["policy"], "server/retry-policy-sample");
    assert_eq!(
        (&service["endpoints"], &service["attempts"], &service["rescued"]),
        (&json!(1), &json!(4), &json!(1))
    );
    assert_eq!(
        (&service["retries"], &service["suppressed"]),
        (&json!({ "status": 1 }), &json!({ "method_unsafe": 1 }))
    );
    assert!(service["budget"]["available"].as_u64().is_some_and(|available| available < 10), "{service}");
    // Newest first, and the one that went well is none of them.
    let [newest, oldest] = [&live["recent"][0], &live["recent"][1]];
    assert_eq!((&newest["path"], &newest["reason"]), (&json!("/pay"), &json!("method_unsafe")));
    assert_eq!((&oldest["path"], &oldest["reason"]), (&json!("/rescued"), &json!("success")));
    let statuses: Vec<_> = oldest["attempts"].as_array().unwrap().iter().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [503, 200]);
    assert!(!live.to_string().contains("canary"), "the query is nobody's business");
}

#[test]
fn routes_are_told_as_their_manifests_have_them() {
    let wanted = Match {
        path: PathMatch::Exact("/pay".into()),
        method: Some("POST".into()),
        headers: vec![ValueMatch { name: "x-beta".into(), value: ValuePattern::Exact("yes".into()) }],
        query: vec![],
    };
    let backend = Backend::answering([]);
    let snapshot =
        serving([backend.address]).and_service("server/other:80", backend.address).with(|snapshot| {
            let mut split = rule("/", 0);
            split.backends.extend(rule("/", 1).backends);
            split.backends[0].weight = 9;
            let mut first = rule("/", 0);
            first.matches = vec![wanted];
            snapshot.routes[0].rules = vec![first, split];
        });
    let env = TestEnv::start_with(&snapshot, &with_page());
    let live = live(&env);
    let expected = json!([{ "route": "server/fortio-route", "rules": [
        { "matches": ["Exact /pay, method POST, header x-beta=yes"], "backends": ["server/fortio:8080"] },
        { "matches": ["PathPrefix /"], "backends": ["server/fortio:8080 (weight 9)", "server/other:80 (weight 1)"] },
    ] }]);
    assert_eq!(live["routes"], expected);
    assert_eq!((&live["services_total"], &live["routes_total"]), (&json!(2), &json!(1)));
}

#[test]
fn a_data_plane_without_a_configuration_has_a_page_that_says_so() {
    let env = TestEnv::start_unconfigured_with(&with_page());
    let live = live(&env);
    assert_eq!((&live["gateway"], &live["generation"]), (&Value::Null, &json!(0)));
    assert_eq!((&live["services"], &live["recent"]), (&json!([]), &json!([])));
}
