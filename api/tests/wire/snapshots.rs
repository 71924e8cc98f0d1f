//! Snapshots: one that uses every field, and arbitrary valid ones.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use rebound_api::config::Snapshot;
use rebound_api::config::cluster::Cluster;
use rebound_api::config::listener::{Attached, Listener, Protocol};
use rebound_api::config::retry::{Backoff, Budget, Jitter, NonIdempotent, Retry};
use rebound_api::config::route::{
    Backend, HeaderEdits, HeaderValue, Match, PathMatch, Route, Rule, ValueMatch, ValuePattern,
};
use rebound_api::config::shared::Shared;
use rebound_api::name::{Generation, ObjectKey, ServicePort};

/// A snapshot with every field of the format, and one that leaves out whatever can be left out.
pub(crate) fn sample() -> Snapshot {
    Snapshot {
        generation: Generation(7),
        gateway: key("server/simple-fsm-gateway"),
        listeners: vec![
            Shared::from(Listener {
                name: "http".into(),
                port: 8000,
                protocol: Protocol::Http,
                hostname: Some("*.example.com".into()),
                routes: vec![Attached { route: 0, hostnames: vec!["www.example.com".into()] }],
            }),
            Shared::from(Listener {
                name: "any".into(),
                port: 8000,
                protocol: Protocol::Http,
                hostname: None,
                routes: vec![
                    Attached { route: 1, hostnames: vec![] },
                    Attached { route: 0, hostnames: vec![] },
                ],
            }),
        ],
        routes: vec![
            Shared::from(Route { name: key("server/fortio-route"), rules: vec![full_rule()] }),
            Shared::from(Route { name: key("server/bare"), rules: vec![bare_rule()] }),
        ],
        clusters: vec![
            Shared::from(Cluster {
                service: port("server/fortio:8080"),
                endpoints: addresses(&["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"]),
                retry: Some(retry()),
                budget: Some(Budget {
                    percent: 20,
                    interval_ms: 10_000,
                    floor_count: 10,
                    floor_interval_ms: 1000,
                }),
            }),
            Shared::from(Cluster {
                service: port("server/empty:80"),
                endpoints: vec![],
                retry: None,
                budget: None,
            }),
        ],
    }
}

fn full_rule() -> Rule {
    let header = |name: &str, value: &str| HeaderValue { name: name.into(), value: value.into() };
    let edits = |suffix: &str| HeaderEdits {
        remove: vec![format!("x-remove-{suffix}")],
        set: vec![header("x-set", suffix)],
        add: vec![header("x-add", "a\tb ~")],
    };
    let exact =
        |name: &str, value: &str| ValueMatch { name: name.into(), value: ValuePattern::Exact(value.into()) };
    Rule {
        matches: vec![
            Match {
                path: PathMatch::Prefix("/echo".into()),
                method: Some("GET".into()),
                headers: vec![exact("version", "2")],
                query: vec![ValueMatch {
                    name: "Status".into(),
                    value: ValuePattern::Regex("503:.*".into()),
                }],
            },
            Match { path: PathMatch::Exact("/exact".into()), method: None, headers: vec![], query: vec![] },
            Match { path: PathMatch::Regex("/r[0-9]+".into()), method: None, headers: vec![], query: vec![] },
        ],
        request_headers: edits("request"),
        response_headers: edits("response"),
        request_timeout_ms: Some(15_000),
        attempt_timeout_ms: Some(2000),
        backends: vec![
            Backend {
                weight: 90,
                cluster: Some(0),
                retry: Some(Box::new(Retry {
                    origin: key("server/fortio-route"),
                    retries_max: 1,
                    ..retry()
                })),
                request_headers: edits("backend-request"),
                response_headers: edits("backend-response"),
            },
            Backend {
                weight: 10,
                cluster: None,
                retry: None,
                request_headers: HeaderEdits::default(),
                response_headers: HeaderEdits::default(),
            },
        ],
    }
}

fn bare_rule() -> Rule {
    Rule {
        matches: vec![Match {
            path: PathMatch::Prefix("/".into()),
            method: None,
            headers: vec![],
            query: vec![],
        }],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        request_timeout_ms: None,
        attempt_timeout_ms: None,
        backends: vec![],
    }
}

fn retry() -> Retry {
    Retry {
        origin: key("server/retry-policy-sample"),
        dry_run: true,
        on: vec![[429, 429], [500, 599]],
        on_reset: true,
        on_per_try_timeout: true,
        on_invalid_response: false,
        retries_max: 5,
        backoff: Backoff { base_us: 2_000_000, max_us: 20_000_000, multiplier: 2, jitter: Jitter::Full },
        per_try_timeout_ms: Some(2000),
        total_timeout_ms: Some(15_000),
        non_idempotent: NonIdempotent::UnsentOnly,
        methods: vec!["GET".into(), "POST".into()],
        replay_max_bytes: 65_536,
        avoid_tried: true,
        suppress_nested: true,
        attempt_header_request: true,
        attempt_header_response: false,
    }
}

fn key(text: &str) -> ObjectKey {
    text.parse().expect("a key")
}

fn port(text: &str) -> ServicePort {
    text.parse().expect("a Service port")
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

/// Any snapshot that the format allows.
pub(crate) fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    (1_usize..4, 1_usize..4).prop_flat_map(|(routes, clusters)| {
        let listeners = btree_set((1_u16.., option::of(hostname())), 0..4);
        let attached = vec((0..routes, vec(hostname(), 0..3)), 0..4);
        let services = btree_set((name(), 1_u16..), clusters);
        let parts =
            (listeners, attached, vec(vec(rule(clusters), 0..3), routes), services, vec(cluster(), clusters));
        (any::<u64>(), parts).prop_map(|(generation, (listeners, attached, rules, services, clusters))| {
            Snapshot {
                generation: Generation(generation),
                gateway: key("server/gateway"),
                listeners: listeners.into_iter().map(|at| listener(at, &attached).into()).collect(),
                routes: rules
                    .into_iter()
                    .map(|rules| Route { name: key("server/route"), rules }.into())
                    .collect(),
                clusters: services
                    .into_iter()
                    .zip(clusters)
                    .map(|(at, cluster)| named(at, cluster).into())
                    .collect(),
            }
        })
    })
}

fn listener((port, hostname): (u16, Option<String>), attached: &[(usize, Vec<String>)]) -> Listener {
    let attached = attached.iter().cloned();
    Listener {
        name: "listener".into(),
        port,
        protocol: Protocol::Http,
        hostname,
        routes: attached.map(|(route, hostnames)| Attached { route: route as u32, hostnames }).collect(),
    }
}

fn named((service, port): (String, u16), cluster: Cluster) -> Cluster {
    let service = ObjectKey::new("server", service).expect("a name");
    Cluster { service: ServicePort::new(service, port).expect("a port"), ..cluster }
}

fn rule(clusters: usize) -> impl Strategy<Value = Rule> {
    let backend =
        (0_u32..=1_000_000, option::of(0..clusters as u32), option::of(any_retry()), edits(), edits());
    let backend = backend.prop_map(|(weight, cluster, retry, request_headers, response_headers)| Backend {
        weight,
        cluster,
        retry: retry.map(Box::new),
        request_headers,
        response_headers,
    });
    let parts = (vec(any_match(), 1..3), edits(), edits(), limit(), limit(), vec(backend, 0..3));
    parts.prop_map(|(matches, request_headers, response_headers, request, attempt, backends)| Rule {
        matches,
        request_headers,
        response_headers,
        request_timeout_ms: request,
        attempt_timeout_ms: attempt,
        backends,
    })
}

fn any_match() -> impl Strategy<Value = Match> {
    let path = prop_oneof![
        "/[ -~]{0,8}".prop_map(PathMatch::Exact),
        "(/[a-z]{1,4}){1,3}|/".prop_map(PathMatch::Prefix),
        "[ -~]{0,8}".prop_map(PathMatch::Regex),
    ];
    let pattern = prop_oneof![".{0,8}".prop_map(ValuePattern::Exact), ".{0,8}".prop_map(ValuePattern::Regex)];
    let values = vec(("[a-z0-9-]{1,8}", pattern).prop_map(|(name, value)| ValueMatch { name, value }), 0..3);
    let parts = (path, option::of("[A-Z]{1,8}"), values.clone(), values);
    parts.prop_map(|(path, method, headers, query)| Match { path, method, headers, query })
}

fn edits() -> impl Strategy<Value = HeaderEdits> {
    let value = ("[a-z0-9_-]{1,8}", "[ -~\t]{0,8}").prop_map(|(name, value)| HeaderValue { name, value });
    let parts = (vec("[a-z-]{1,8}", 0..2), vec(value.clone(), 0..2), vec(value, 0..2));
    parts.prop_map(|(remove, set, add)| HeaderEdits { remove, set, add })
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let endpoints = btree_set((any::<std::net::IpAddr>(), 1_u16..), 0..4);
    let budget = (0_u8..=100, window(), any::<u32>(), window());
    let budget = budget.prop_map(|(percent, interval_ms, floor_count, floor_interval_ms)| Budget {
        percent,
        interval_ms,
        floor_count,
        floor_interval_ms,
    });
    (endpoints, option::of(any_retry()), option::of(budget)).prop_map(|(endpoints, retry, budget)| {
        let sorted: BTreeSet<SocketAddr> = endpoints.into_iter().map(SocketAddr::from).collect();
        Cluster { service: port("server/replaced:1"), endpoints: sorted.into_iter().collect(), retry, budget }
    })
}

fn any_retry() -> impl Strategy<Value = Retry> {
    let jitter =
        prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None), Just(Jitter::Floor)];
    let backoff = (1_u64..=86_400_000_000, 1_u64..=86_400_000_000, 1_u32..=10, jitter);
    let backoff = backoff.prop_map(|(a, b, multiplier, jitter)| Backoff {
        base_us: a.min(b),
        max_us: a.max(b),
        multiplier,
        jitter,
    });
    let guard = prop_oneof![
        Just(NonIdempotent::UnsentOnly),
        Just(NonIdempotent::IdempotencyKey),
        Just(NonIdempotent::Always)
    ];
    let statuses = btree_set(400_u16..=599, 0..6).prop_map(|codes| {
        rebound_api::policy::status_set::StatusSet::from_ranges(codes.into_iter().map(|code| (code, code)))
    });
    let numbers = (0_u8..=10, limit(), limit(), 0_u32..=16 * 1024 * 1024);
    let parts = (statuses, any::<[bool; 8]>(), backoff, guard, numbers, vec("[A-Z]{1,8}", 0..3));
    parts.prop_map(|(statuses, flags, backoff, non_idempotent, numbers, methods)| Retry {
        origin: key("server/origin"),
        dry_run: flags[0],
        on: statuses.ranges().iter().map(|(low, high)| [*low, *high]).collect(),
        on_reset: flags[1],
        on_per_try_timeout: flags[2],
        on_invalid_response: flags[3],
        retries_max: numbers.0,
        backoff,
        per_try_timeout_ms: numbers.1,
        total_timeout_ms: numbers.2,
        non_idempotent,
        methods,
        replay_max_bytes: numbers.3,
        avoid_tried: flags[4],
        suppress_nested: flags[5],
        attempt_header_request: flags[6],
        attempt_header_response: flags[7],
    })
}

fn hostname() -> impl Strategy<Value = String> {
    "(\\*\\.)?[a-z0-9-]{1,8}(\\.[a-z0-9-]{1,8}){0,2}"
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,8}"
}

fn limit() -> impl Strategy<Value = Option<u64>> {
    option::of(1_u64..=86_400_000)
}

fn window() -> impl Strategy<Value = u64> {
    1000_u64..=3_600_000
}
