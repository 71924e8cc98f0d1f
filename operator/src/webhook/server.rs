//! TLS and HTTP around `admit`: bounded in every direction, and silent about everything but the answer.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::{Instrument, Span};

use super::admit::admit;
use super::certificates::Certificates;
use super::{PATH, WebhookError};
use crate::serve::{Limits, serve};
use crate::telemetry::metrics::{Metrics, Review};
use crate::telemetry::spans;

/// The largest question that is read, in bytes: an API server takes no request above 3 MiB.
const REVIEW_MAX_BYTES: usize = 3 * 1024 * 1024;
/// How long reading and answering a question may take. The API server gives up after `timeoutSeconds`, which is more.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// API servers keep a connection for each replica of theirs that asks.
const LIMITS: Limits = Limits {
    connections: 256,
    handshake: Duration::from_secs(5),
    // Longer than the 90 s after which an API server closes an idle connection, so that it never writes into one that
    // is being closed here.
    idle: Duration::from_secs(100),
    drain: Duration::from_secs(5),
};

/// A webhook that listens, and answers once it is served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Listens on `address`; connections show what `certificates` holds when they begin.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub async fn bind(address: SocketAddr, certificates: Certificates) -> Result<Self, WebhookError> {
        let failed = |source| WebhookError::Bind { address, source };
        let tls = Arc::new(tls(certificates).map_err(WebhookError::Tls)?);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, tls, metrics: Arc::default() })
    }

    /// Counts what it answers here.
    #[must_use]
    pub fn counting(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`; then ends what has begun.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let acceptor = TlsAcceptor::from(self.tls);
        serve(self.listener, |socket| acceptor.accept(socket), router(self.metrics), LIMITS, shutdown).await;
    }
}

fn tls(certificates: Certificates) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates)))
}

fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route(PATH, post(validate)).with_state(metrics)
}

async fn validate(State(metrics): State<Arc<Metrics>>, request: Request) -> Response {
    let started = Instant::now();
    let answered = timeout(ANSWER_MAX, answer(request.into_body())).instrument(spans::review()).await;
    let (verdict, response) =
        answered.unwrap_or((Review::Unreadable, StatusCode::REQUEST_TIMEOUT.into_response()));
    metrics.review(verdict, started.elapsed());
    response
}

async fn answer(body: Body) -> (Review, Response) {
    let unreadable = |response: Response| (Review::Unreadable, response);
    let Ok(review) = to_bytes(body, REVIEW_MAX_BYTES).await else {
        return unreadable(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let answer = match admit(&review) {
        Ok(answer) => answer,
        Err(bad) => return unreadable((StatusCode::BAD_REQUEST, bad.to_string()).into_response()),
    };
    let verdict = if answer["response"]["allowed"] == true { Review::Allowed } else { Review::Denied };
    Span::current().record("result", verdict.name());
    (verdict, Json(answer).into_response())
}
