//! Probes, metrics and the active generation, on threads of their own: a busy core never delays a probe.
//!
//! Read-only. Anything richer does not belong on this port, which is open to the pod network: see `live`.

pub mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::server::Answer;
use crate::clock;
use crate::http::h1::request::RequestHead;
use crate::snapshot::plan::Plan;
use crate::telemetry::exposition::{self, Format, Source};
use crate::telemetry::metrics::Metrics;

/// What the supervisor knows and probes ask for.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
    /// Whether `/metrics` answers.
    counts: bool,
    #[expect(
        clippy::disallowed_types,
        reason = "between the supervisor and the admin thread; no core takes it"
    )]
    last_error: std::sync::Mutex<Option<String>>,
    #[expect(clippy::disallowed_types, reason = "as above")]
    plan: std::sync::Mutex<Option<Arc<Plan>>>,
}

impl Health {
    /// Nothing is known yet; `counts`: whether `/metrics` answers.
    pub fn new(counts: bool) -> Self {
        Self { counts, ..Self::default() }
    }

    /// From now on the process is alive but not ready.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why the newest snapshot is not in use; none: it is.
    pub fn set_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = error;
    }

    /// The cores have been given this plan.
    pub fn set_plan(&self, plan: Arc<Plan>) {
        *self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(plan);
    }

    /// The newest plan that the cores have been given.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Whether the process is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn is_ready(&self, metrics: &Metrics) -> bool {
        !self.is_draining() && metrics.generation().0 > 0
    }
}

/// Serves until the process ends. Returns the address, whose port was free if it was asked for as 0.
pub fn start(address: SocketAddr, metrics: Arc<Metrics>, health: Arc<Health>) -> io::Result<SocketAddr> {
    server::start("admin", address, Arc::new(move |head| answer(head, &metrics, &health)))
}

fn answer(head: &RequestHead, metrics: &Metrics, health: &Health) -> Answer {
    match head.path() {
        "/livez" => Answer::text("200 OK", "ok\n"),
        "/readyz" if health.is_ready(metrics) => Answer::text("200 OK", "ok\n"),
        "/readyz" => Answer::text("503 Service Unavailable", "no configuration is active, or draining\n"),
        "/metrics" if health.counts => numbers(head, metrics, health),
        "/generation" => generation(metrics, health),
        _ => Answer::text("404 Not Found", "/livez /readyz /metrics /generation\n"),
    }
}

fn numbers(head: &RequestHead, metrics: &Metrics, health: &Health) -> Answer {
    let format = Format::accepted(head.fields.get("accept"));
    let plan = health.plan();
    let source = Source { metrics, plan: plan.as_deref(), now: clock::now() };
    Answer::ok(format.content_type(), exposition::page(source, format))
}

fn generation(metrics: &Metrics, health: &Health) -> Answer {
    let body = serde_json::json!({
        "generation": metrics.generation().0,
        "driver": metrics.driver().map(crate::io::driver::Driver::name),
        "last_error": health.last_error(),
    });
    Answer::ok("application/json", format!("{body}\n"))
}
