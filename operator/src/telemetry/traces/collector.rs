//! One request to the collector: a connection, the spans, an answer that is bounded in size and time.
//!
//! Runs on the thread of the batches, with a small runtime of its own, so that it owes nothing to the one that serves
//! the cluster. Absent: pooling, retries (the exporter's) and redirects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Uri};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How long one request may take, from the look-up of the name to the end of the answer.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes. A collector has little to say.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// A client of one collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Runtime,
    /// For `https`.
    tls: Option<Arc<ClientConfig>>,
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub(in crate::telemetry) enum CollectorError {
    #[error("no runtime for requests to the collector")]
    Runtime(#[source] io::Error),
    #[error("cannot read the certificates of {path}")]
    Certificates { path: String, source: pem::Error },
    #[error("no certificates to check the collector against: name some with OTEL_EXPORTER_OTLP_CERTIFICATE")]
    NoCertificates,
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Why a request has failed.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("the endpoint has no host")]
    NoHost,
    #[error("the endpoint's host is neither a name nor an address")]
    Host(#[from] InvalidDnsNameError),
    #[error("the endpoint is of a scheme other than the one that this client was made for")]
    Scheme,
}

impl Collector {
    /// A client for `endpoint`. For `https` it trusts the certificates of the PEM file `trusted` or, without one, those
    /// of the system.
    pub(super) fn new(endpoint: &str, trusted: Option<&str>) -> Result<Self, CollectorError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(CollectorError::Runtime)?;
        let is_tls = endpoint.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let tls = if is_tls { Some(tls(trusted)?) } else { None };
        Ok(Self { runtime, tls })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().host().ok_or(RequestError::NoHost)?.to_owned();
        // A literal IPv6 address is written in brackets in a URI, and nowhere else.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let port = request.uri().port_u16();
        match (&self.tls, request.uri().scheme_str()) {
            (None, Some("http")) => {
                let stream = TcpStream::connect((name, port.unwrap_or(80))).await?;
                converse(stream, request).await
            }
            (Some(tls), Some("https")) => {
                let stream = TcpStream::connect((name, port.unwrap_or(443))).await?;
                let name = ServerName::try_from(name.to_owned()).map_err(RequestError::Host)?;
                converse(TlsConnector::from(tls.clone()).connect(name, stream).await?, request).await
            }
            _ => Err(RequestError::Scheme.into()),
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Nothing else runs on this thread that could be held up.
        self.runtime.block_on(async { timeout(REQUEST_MAX, self.send(request)).await? })
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = as_sent(request)?;
    let answered = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = to_bytes(Body::new(body), ANSWER_MAX_BYTES).await?;
        Ok::<_, HttpError>(Response::from_parts(head, body))
    };
    tokio::select! {
        // An answer counts, however the connection ends.
        biased;
        answer = answered => answer,
        Err(error) = connection => Err(error.into()),
    }
}

/// The path in the request line and the authority in `host`, as a server gets it (RFC 9112 section 3.2.1).
fn as_sent(request: Request<Bytes>) -> Result<Request<Body>, HttpError> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().ok_or(RequestError::NoHost)?.as_str();
    // What stands before `@` is for us and not for the header.
    let host = authority.rsplit('@').next().unwrap_or(authority);
    head.headers.insert(HOST, HeaderValue::from_str(host)?);
    head.uri = head.uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    Ok(Request::from_parts(head, Body::from(body)))
}

fn tls(trusted: Option<&str>) -> Result<Arc<ClientConfig>, CollectorError> {
    let roots = match trusted {
        Some(path) => from_file(path)?,
        None => of_the_system(),
    };
    if roots.is_empty() {
        return Err(CollectorError::NoCertificates);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(CollectorError::Tls)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn from_file(path: &str) -> Result<RootCertStore, CollectorError> {
    let failed = |source| CollectorError::Certificates { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(failed)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

fn of_the_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
