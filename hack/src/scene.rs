//! A shop on a bad day: a Gateway with Services that fail in different ways, and the requests that show it.
//!
//! For the live page and for Prometheus, whose tests need more than one Service and more than one kind of failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::backend::Backend;
use crate::http_client::Connection;
use crate::programs::Programs;
use crate::rig::Rig;

/// The Gateway's port.
pub const PORT: u16 = 8000;
/// Backends that all Services share.
const BACKENDS: u64 = 3;
/// Between two requests of one customer.
const PAUSE: Duration = Duration::from_millis(15);
/// With it in their environment, the programs trace. Nothing listens there.
pub const TRACED: [(&str, &str); 1] = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];

/// The Gateway, its routes and its policies.
const SHOP: &str = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: fsm
  listeners: [{name: http, protocol: HTTP, port: 8000}]
---
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: cart, namespace: shop}
spec:
  targetRef: {kind: Service, name: cart}
  config: {retryOn: [5xx, reset], numRetries: 3, backoffBaseInterval: 0.02}
---
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: search, namespace: shop}
spec:
  targetRef: {kind: Service, name: search}
  config:
    retryOn: [5xx, per-try-timeout]
    numRetries: 2
    perTryTimeout: 100ms
    backoffBaseInterval: 0.05
    retryConstraint: {minRetryRate: {count: 1, interval: 10s}}
---
apiVersion: gateway.flomesh.io/v1alpha1
kind: RetryPolicy
metadata: {name: payments, namespace: shop}
spec:
  targetRef: {kind: Service, name: payments}
  config: {retryOn: [5xx], numRetries: 3, backoffBaseInterval: 0.02}
";

/// What each customer asks for, again and again: Service, method, and what the backend is to do.
const CUSTOMERS: [(&str, &str, &str); 5] = [
    ("cart", "GET", "status=503:8&delay=4ms:60"),
    ("search", "GET", "status=503:35&delay=300ms:6,9ms:40"),
    ("payments", "GET", "delay=7ms:80"),
    ("payments", "POST", "status=502:6&delay=12ms:80"),
    ("legacy", "GET", ""),
];

/// A running shop.
#[derive(Debug)]
pub struct Scene {
    /// Gateway and data plane.
    pub rig: Rig,
    _backends: Vec<Backend>,
}

/// Customers who ask until this is dropped.
#[derive(Debug)]
pub struct Customers {
    gone: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Scene {
    /// Starts everything; `dice` decides which requests fail, `variables` are for the programs' environment.
    ///
    /// # Errors
    /// When a program does not start or does not become ready.
    pub fn start(programs: &Programs, dice: u64, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let backends: Vec<_> =
            (0..BACKENDS).map(|at| Backend::start(0, dice + at)).collect::<anyhow::Result<_>>()?;
        let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
        let services: String = [
            service("cart", &addresses),
            service("search", &addresses[..2]),
            service("payments", &addresses),
            service("legacy", &[]),
        ]
        .concat();
        let rig = Rig::start(
            programs,
            dice,
            PORT,
            &[("shop.yaml", SHOP), ("services.yaml", &services)],
            variables,
        )?;
        Ok(Self { rig, _backends: backends })
    }

    /// Lets customers in.
    #[must_use]
    pub fn open(&self) -> Customers {
        let gone = Arc::new(AtomicBool::new(false));
        let address = self.rig.address();
        let customer = |(service, method, script)| {
            let gone = gone.clone();
            thread::spawn(move || shop(address, service, method, script, &gone))
        };
        Customers { threads: CUSTOMERS.map(customer).into(), gone }
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            drop(thread.join());
        }
    }
}

/// A data plane that goes away ends the connection, and nobody minds.
fn shop(address: SocketAddr, service: &str, method: &str, script: &str, gone: &AtomicBool) {
    let Ok(mut connection) = Connection::open(address) else { return };
    let target = format!("/{service}?{script}");
    // The shop's own name, so that the page shows what it would show.
    let fields = [("host", "shop.example")];
    while !gone.load(Ordering::Relaxed) {
        if connection.send(method, &target, &fields, b"").is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// A Service, a route to it, and a slice for each endpoint, since theirs are the ports that differ.
fn service(name: &str, endpoints: &[SocketAddr]) -> String {
    let mut text = format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{name: http, port: 80}}]}}\n\
         ---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         parentRefs: [{{name: web}}]\n  hostnames: [shop.example]\n  rules:\n  \
         - matches: [{{path: {{type: PathPrefix, value: /{name}}}}}]\n    backendRefs: [{{name: {name}, port: 80}}]\n"
    );
    for (at, endpoint) in endpoints.iter().enumerate() {
        let (ip, port) = (endpoint.ip(), endpoint.port());
        text.push_str(&format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: {name}-{at}, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}\n\
             addressType: IPv4\nports: [{{name: http, port: {port}}}]\nendpoints: [{{addresses: ['{ip}']}}]\n"
        ));
    }
    text
}
