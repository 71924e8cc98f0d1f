//! From the bytes of a request to the rule that answers it. Precedence itself is tested where it is decided.

mod support;

use rebound_api::config::Snapshot;
use rebound_api::config::listener::Attached;
use rebound_api::config::route::{HeaderEdits, HeaderValue, PathMatch, ValueMatch, ValuePattern};

use support::TestEnv;
use support::backend::{Backend, Step, ok};
use support::client::Client;
use support::snapshot::{PORT, Verbs, rule, serving};

/// Cluster 0 answers `zero`, cluster 1 `one`.
fn two() -> Snapshot {
    let [zero, one] = ["zero", "one"].map(|name| Backend::always(Step::Raw(ok(name))));
    serving([zero.address]).and_service("server/one:8080", one.address)
}

#[test]
fn hosts_are_compared_without_case_and_port() {
    let env = TestEnv::start(&two().with(|snapshot| {
        snapshot.listeners[0].routes = vec![Attached { route: 0, hostnames: vec!["*.example.com".into()] }];
    }));
    let status = |host: &str| env.send(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).status;
    assert_eq!(["a.example.com", "A.Example.COM", "a.example.com:8000"].map(status), [200; 3]);
    assert_eq!(["example.com", "a.example.org", "[::1]:80", ""].map(status), [404; 4]);
}

#[test]
fn an_absolute_target_names_the_host_and_is_sent_on_without_it() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]).with(|snapshot| {
        snapshot.listeners[0].routes[0].hostnames = vec!["real.test".into()];
    }));
    let response = env.send("GET http://real.test/path?q HTTP/1.1\r\nhost: other.test\r\n\r\n");
    assert_eq!(response.status, 200);
    let seen = &backend.seen()[0];
    assert!(seen.head.starts_with("GET /path?q HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.header("host"), Some("real.test"));
}

#[test]
fn paths_headers_and_parameters_decide() {
    let env = TestEnv::start(&two().with(|snapshot| {
        let mut special = rule("/special", 1);
        special.matches[0].headers =
            vec![ValueMatch { name: "x-key".into(), value: ValuePattern::Exact("a, b".into()) }];
        special.matches[0].query =
            vec![ValueMatch { name: "q".into(), value: ValuePattern::Regex("[0-9]+".into()) }];
        snapshot.routes[0].rules.push(special);
    }));
    let answer = |target: &str, fields: &str| {
        env.send(&format!("GET {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n")).text().to_owned()
    };
    assert_eq!(answer("/special/x?q=12", "X-Key: a\r\nx-key: b\r\n"), "one", "fields of one name are joined");
    assert_eq!(answer("/special/x?q=12", "x-key: a\r\n"), "zero");
    assert_eq!(answer("/special/x?q=1a", "x-key: a, b\r\n"), "zero");
    assert_eq!(answer("/specialx?q=12", "x-key: a, b\r\n"), "zero");
}

#[test]
fn a_path_is_matched_and_sent_on_as_it_came() {
    let backend = Backend::answering([]);
    let env = TestEnv::start(&serving([backend.address]).with(|snapshot| {
        snapshot.routes[0].rules[0].matches[0].path = PathMatch::Prefix("/a".into());
    }));
    for path in ["/a/../b", "/a//b", "/a/%2e%2e/b", "/a/%41?x=%20"] {
        assert_eq!(env.get(path).status, 200, "{path}");
    }
    assert_eq!(env.get("/%61").status, 404, "nothing is decoded");
    let targets: Vec<_> =
        backend.seen().iter().map(|seen| seen.head.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(targets, ["/a/../b", "/a//b", "/a/%2e%2e/b", "/a/%41?x=%20"]);
}

#[test]
fn each_port_has_its_own_listeners() {
    let env = TestEnv::start(&two().with(|snapshot| {
        let mut other = snapshot.listeners[0].clone();
        (other.name, other.port, other.routes[0].route) = ("other".into(), PORT + 1, 1);
        snapshot.listeners.push(other);
        let mut route = snapshot.routes[0].clone();
        route.rules = vec![rule("/", 1)];
        snapshot.routes.push(route);
    }));
    assert_eq!(env.get("/").text(), "zero");
    assert_eq!(Client::connect(env.address(PORT + 1)).get("/").text(), "one");
}

#[test]
fn weights_are_shares_and_a_weight_of_zero_is_none() {
    let env = TestEnv::start(&two().with(|snapshot| {
        let rule = &mut snapshot.routes[0].rules[0];
        rule.backends.extend(support::snapshot::rule("/", 1).backends);
        (rule.backends[0].weight, rule.backends[1].weight) = (1, 3);
        let mut none = rule.clone();
        none.matches[0].path = PathMatch::Prefix("/none".into());
        (none.backends[0].weight, none.backends[1].weight) = (0, 5);
        snapshot.routes[0].rules.push(none);
    }));
    let mut client = env.client();
    let ones = (0..400).filter(|_| client.get("/").text() == "one").count();
    assert!((250..350).contains(&ones), "{ones} of 400 where 300 are expected");
    assert!((0..50).all(|_| client.get("/none").text() == "one"));
}

#[test]
fn a_share_whose_backend_does_not_exist_is_answered_with_500() {
    let env = TestEnv::start(&two().with(|snapshot| {
        let rule = &mut snapshot.routes[0].rules[0];
        let mut missing = rule.backends[0].clone();
        missing.cluster = None;
        rule.backends.push(missing);
    }));
    let mut client = env.client();
    let failed = (0..100).filter(|_| client.get("/").status == 500).count();
    assert!((20..80).contains(&failed), "{failed} of 100");
}

#[test]
fn headers_are_edited_on_the_way_there_and_back() {
    let edits = |name: &str| HeaderEdits {
        remove: vec!["x-remove".into()],
        set: vec![HeaderValue { name: "x-set".into(), value: name.into() }],
        add: vec![HeaderValue { name: "x-add".into(), value: name.into() }],
    };
    let answer = b"HTTP/1.1 200 OK\r\nX-Remove: 1\r\nX-Set: 1\r\nX-Add: 1\r\ncontent-length: 0\r\n\r\n";
    let backend = Backend::answering([Step::Raw(answer.to_vec())]);
    let env = TestEnv::start(&serving([backend.address]).with(|snapshot| {
        let rule = &mut snapshot.routes[0].rules[0];
        (rule.request_headers, rule.response_headers) = (edits("there"), edits("back"));
    }));
    let response = env.send("GET / HTTP/1.1\r\nhost: test\r\nX-Remove: 1\r\nX-Set: 1\r\nX-Add: 1\r\n\r\n");
    let seen = &backend.seen()[0];
    assert_eq!((seen.header("x-remove"), seen.header("x-set")), (None, Some("there")));
    assert_eq!(seen.head.to_ascii_lowercase().matches("x-add:").count(), 2);
    assert_eq!((response.header("x-remove"), response.header("x-set")), (None, Some("back")));
    assert_eq!(response.headers.iter().filter(|(name, _)| name == "x-add").count(), 2);
}
