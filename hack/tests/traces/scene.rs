//! A data plane between a backend that answers from a list and a collector.

use hack::collector::{Collector, Receiver, Span};
use hack::dataplane_rig::{Dataplane, Setup};
use hack::http_client::{Connection, Response};
use hack::programs::Programs;
use rebound_api::config::Snapshot;

use crate::DEADLINE;
use crate::backend::Backend;
use crate::snapshot::PORT;
use crate::tree::Tree;

/// What the client says: with a port, so that one is to be reported.
pub const HOST: &str = "shop.example:8443";

pub struct Scene {
    pub backend: Backend,
    pub dataplane: Dataplane,
    pub collector: Collector,
}

impl Scene {
    pub fn start(receiver: Receiver, backend: Backend, snapshot: &Snapshot) -> Self {
        Self::start_with(receiver, backend, snapshot, &Setup::default())
    }

    pub fn start_with(receiver: Receiver, backend: Backend, snapshot: &Snapshot, setup: &Setup<'_>) -> Self {
        let collector = Collector::start(receiver).unwrap();
        let dataplane = start(&collector.endpoint(), snapshot, setup);
        Self { backend, dataplane, collector }
    }

    pub fn client(&self) -> Connection {
        Connection::open(self.dataplane.address(PORT)).unwrap()
    }

    /// One request on a connection of its own.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let headers = [&[("host", HOST)], headers].concat();
        self.client().send(method, target, &headers, &[]).unwrap()
    }

    pub fn get(&self, target: &str) -> Response {
        self.send("GET", target, &[])
    }

    /// All spans, when those of so many requests have come.
    pub fn spans(&self, requests: usize) -> Vec<Span> {
        self.collector.await_requests(requests, DEADLINE).unwrap()
    }

    /// The spans of the one request that was made.
    pub fn tree(&self) -> Tree {
        let tree = Tree::of(self.spans(1));
        tree.check_shape();
        self.check_traceparents(&tree);
        tree
    }

    /// Each attempt carried its own span's id, the trace's id, and whatever was decided about sampling.
    fn check_traceparents(&self, tree: &Tree) {
        let seen = self.backend.seen();
        let sent: Vec<_> =
            seen.iter().map(|seen| seen.header("traceparent").unwrap_or("").to_owned()).collect();
        let answered_for = |span: &&Span| span.attributes["server.port"] == self.backend.address.port();
        let told = tree.attempts.iter().filter(answered_for);
        let told: Vec<_> = told
            .map(|span| format!("00-{}-{}-{:02x}", span.trace_id, span.span_id, span.flags & 0xff))
            .collect();
        assert_eq!(sent, told);
    }
}

/// A data plane that sends its spans to `endpoint`, without keeping them for long.
pub fn start(endpoint: &str, snapshot: &Snapshot, setup: &Setup<'_>) -> Dataplane {
    let program = Programs::for_tests().unwrap().dataplane;
    let ours = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let variables = [&ours, setup.variables].concat();
    Dataplane::start(&program, snapshot, &Setup { variables: &variables, ..setup.clone() }).unwrap()
}
