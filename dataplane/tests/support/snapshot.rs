//! Snapshots by verbs.

use std::net::SocketAddr;

use rebound_api::config::Snapshot;
use rebound_api::config::cluster::Cluster;
use rebound_api::config::listener::{Attached, Listener, Protocol};
use rebound_api::config::retry::{Backoff, Jitter, NonIdempotent, Retry};
use rebound_api::config::route::{Backend, HeaderEdits, Match, PathMatch, Route, Rule};
use rebound_api::config::shared::Shared;
use rebound_api::name::Generation;

/// The listener's port; every environment has an address of its own.
pub const PORT: u16 = 8000;

/// One listener, one route that matches everything, one Service port without a policy.
pub fn serving(endpoints: impl IntoIterator<Item = SocketAddr>) -> Snapshot {
    let mut endpoints: Vec<_> = endpoints.into_iter().collect();
    endpoints.sort_unstable();
    Snapshot {
        generation: Generation(1),
        gateway: "server/simple-fsm-gateway".parse().unwrap(),
        listeners: vec![Shared::from(Listener {
            name: "http".into(),
            port: PORT,
            protocol: Protocol::Http,
            hostname: None,
            routes: vec![Attached { route: 0, hostnames: vec![] }],
        })],
        routes: vec![
            Route { name: "server/fortio-route".parse().unwrap(), rules: vec![rule("/", 0)] }.into(),
        ],
        clusters: vec![Shared::from(Cluster {
            service: "server/fortio:8080".parse().unwrap(),
            endpoints,
            retry: None,
            budget: None,
        })],
    }
}

pub fn rule(prefix: &str, cluster: u32) -> Rule {
    Rule {
        matches: vec![Match {
            path: PathMatch::Prefix(prefix.into()),
            method: None,
            headers: vec![],
            query: vec![],
        }],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        request_timeout_ms: None,
        attempt_timeout_ms: None,
        backends: vec![Backend {
            weight: 1,
            cluster: Some(cluster),
            retry: None,
            request_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
        }],
    }
}

/// What `retryOn: [5xx]` means, with so many retries and almost no waiting.
pub fn retrying(retries_max: u8) -> Retry {
    Retry {
        origin: "server/retry-policy-sample".parse().unwrap(),
        dry_run: false,
        on: vec![[500, 599]],
        on_reset: true,
        on_per_try_timeout: true,
        on_invalid_response: false,
        retries_max,
        backoff: Backoff { base_us: 1_000, max_us: 10_000, multiplier: 2, jitter: Jitter::Full },
        per_try_timeout_ms: None,
        total_timeout_ms: None,
        non_idempotent: NonIdempotent::UnsentOnly,
        methods: vec![],
        replay_max_bytes: 64 * 1024,
        avoid_tried: true,
        suppress_nested: true,
        attempt_header_request: true,
        attempt_header_response: false,
    }
}

pub trait Verbs: Sized {
    fn with(self, change: impl FnOnce(&mut Snapshot)) -> Self;

    fn retried(self, rules: Retry) -> Self {
        self.with(|snapshot| snapshot.clusters[0].retry = Some(rules))
    }

    /// One more Service port; routes name it by its index.
    fn and_service(self, service: &str, endpoint: SocketAddr) -> Self {
        self.with(|snapshot| {
            let mut cluster = snapshot.clusters[0].clone();
            (cluster.service, cluster.endpoints) = (service.parse().unwrap(), vec![endpoint]);
            snapshot.clusters.push(cluster);
        })
    }

    fn generation(self, generation: u64) -> Self {
        self.with(|snapshot| snapshot.generation = Generation(generation))
    }
}

impl Verbs for Snapshot {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
