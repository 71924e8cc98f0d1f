//! How this program speaks to the API server. Absent: what it says.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::config::{InClusterError, KubeConfigOptions, KubeconfigError};
use kube::{Client, Config};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tower::timeout::TimeoutLayer;

/// How long a connection to the API server may take to stand.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long the API server may take to read a request.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// How long a request may take until its answer begins, with the retries that the client makes of 429, 503 and 504.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// How long the API server may be silent in the middle of an answer: longer than the 290 s that a watch lasts by itself.
pub const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Name and version, as the audit log of the cluster shows them.
const AGENT: &str = concat!("rebound-operator/", env!("CARGO_PKG_VERSION"));

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is neither a kubeconfig (KUBECONFIG, ~/.kube/config) nor a service account ({account})")]
    Missing {
        account: InClusterError,
        #[source]
        kubeconfig: KubeconfigError,
    },
    /// Without the lines around the mistake: tokens and keys stand there.
    #[error("the kubeconfig does not parse: {0}")]
    Parse(String),
    #[error("the kubeconfig or service account is not usable")]
    Config(#[source] kube::Error),
}

/// A client for the cluster of the kubeconfig, or for the one that this process runs in. It connects when it is used.
///
/// # Errors
/// When no cluster is configured, or not so that it can be used.
pub async fn connect(silence: Duration) -> Result<Client, Error> {
    install_crypto();
    with(infer().await?, silence)
}

/// A client for the cluster that `config` is about. Every request is bounded by the limits above, and by `silence`:
/// how long the API server may be silent in the middle of an answer. None of them ends a healthy watch, if watches last
/// for less than that.
///
/// # Errors
/// When the configuration cannot be used.
pub fn with(mut config: Config, silence: Duration) -> Result<Client, Error> {
    install_crypto();
    config.connect_timeout = Some(CONNECT_MAX);
    config.write_timeout = Some(WRITE_MAX);
    config.read_timeout = Some(silence);
    config.reset_reader_on_write = true;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    let builder = ClientBuilder::try_from(config).map_err(Error::Config)?;
    Ok(builder.with_layer(&TimeoutLayer::new(ANSWER_MAX)).build())
}

/// The kubeconfig, or else the service account. Kube's own way to choose logs a kubeconfig that does not parse.
async fn infer() -> Result<Config, Error> {
    let kubeconfig = match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    Config::incluster().map_err(|account| match kubeconfig {
        KubeconfigError::Parse(error) => Error::Parse(error.without_snippet().to_string()),
        kubeconfig => Error::Missing { account, kubeconfig },
    })
}

/// One provider for all TLS of the process; the second call finds the first one's.
fn install_crypto() {
    if CryptoProvider::get_default().is_none() {
        // Fails only when somebody was faster with the same.
        ring::default_provider().install_default().ok();
    }
}
