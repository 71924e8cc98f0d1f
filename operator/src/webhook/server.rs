//! TLS and HTTP around `admit`: bounded in every direction, and silent about everything but the answer.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};
use tracing::debug;

use super::admit::admit;
use super::certificates::Certificates;
use super::{PATH, WebhookError};

/// The largest question that is read, in bytes: an API server takes no request above 3 MiB.
const REVIEW_MAX_BYTES: usize = 3 * 1024 * 1024;
/// How long reading and answering a question may take. The API server gives up after `timeoutSeconds`, which is more.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The most connections at a time; the next ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 256;
/// How long a TLS handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a connection may wait for the head of its next request. Longer than the 90 s after which an API server
/// closes an idle connection, so that it never writes into one that is being closed here.
const IDLE_MAX: Duration = Duration::from_secs(100);
/// The most fields of a request head.
const FIELDS_MAX: usize = 64;
/// The largest request head, in bytes.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// The pause after a connection could not be accepted: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests that have begun may take to end once the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A webhook that listens, and answers once it is served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
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
        Ok(Self { listener, address, tls })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown`; then ends what has begun.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(());
        let acceptor = TlsAcceptor::from(self.tls);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                stream = accept(&self.listener), if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(converse(acceptor.clone(), stream, stopped.clone()));
                }
            }
        }
        drop((self.listener, stop));
        // What has not ended by then is cut off when the set is dropped.
        let _ = timeout(DRAIN_MAX, async { while connections.join_next().await.is_some() {} }).await;
    }
}

fn tls(certificates: Certificates) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(certificates)))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. Whatever goes wrong with it is the business of its client.
async fn converse(acceptor: TlsAcceptor, stream: TcpStream, mut stopped: watch::Receiver<()>) {
    let Ok(Ok(stream)) = timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await else { return };
    let service = TowerToHyperService::new(router());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_headers(FIELDS_MAX)
        .max_header_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // Nothing is ever sent: it ends when the server drops its side.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the webhook broke");
    }
}

fn router() -> Router {
    Router::new().route(PATH, post(validate))
}

async fn validate(request: Request) -> Response {
    let answered = timeout(ANSWER_MAX, answer(request.into_body())).await;
    answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn answer(body: Body) -> Response {
    let Ok(review) = to_bytes(body, REVIEW_MAX_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match admit(&review) {
        Ok(answer) => Json(answer).into_response(),
        Err(bad) => (StatusCode::BAD_REQUEST, bad.to_string()).into_response(),
    }
}
