//! The operator's admin port: probes and metrics, read-only, in clear text.
//!
//! Absent: anything that changes anything, and anything about single objects. What is stuck or missing stands in the
//! answer, because it is read by people at night.

mod health;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

pub use self::health::{BEAT_MAX, Health, Part};
use crate::lease::Leadership;
use crate::serve::{Limits, serve};
use crate::telemetry::metrics::{self, Metrics};

/// A kubelet, one or two Prometheus and a person.
const LIMITS: Limits = Limits {
    connections: 32,
    handshake: Duration::from_secs(1),
    // Longer than the usual minute between two scrapes.
    idle: Duration::from_secs(100),
    drain: Duration::from_secs(1),
};

/// What the admin port shows.
#[derive(Debug, Clone)]
pub struct Shown {
    pub health: Health,
    pub metrics: Arc<Metrics>,
    /// `None` for a process that stands for no election.
    pub leadership: Option<Leadership>,
}

/// An admin port that listens, and answers once it is served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

/// The address is taken or not ours.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, which is for probes and metrics")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

impl Admin {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`.
    pub async fn serve(self, shown: Shown, shutdown: impl Future<Output = ()>) {
        let plain = |socket| std::future::ready(Ok(socket));
        serve(self.listener, plain, router(shown), LIMITS, shutdown).await;
    }
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page))
        .with_state(shown)
}

async fn livez(State(shown): State<Shown>) -> Response {
    verdict(shown.health.stuck(Instant::now()))
}

async fn readyz(State(shown): State<Shown>) -> Response {
    verdict(shown.health.missing())
}

async fn page(State(shown): State<Shown>) -> Response {
    let is_leader = shown.leadership.is_some_and(|leadership| leadership.is_leader());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], shown.metrics.page(is_leader)).into_response()
}

fn verdict(found: Result<(), String>) -> Response {
    match found {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n").into_response(),
    }
}
