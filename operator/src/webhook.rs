//! The validating webhook: the API server asks, and every mistake in a `RetryPolicy` is answered at once.
//!
//! Comfort, not guard: the reconciler makes the same checks again, because a webhook can be off, and objects can be
//! older than a rule. So nothing here is rendered, run, written to a file or looked up in the API while the API
//! server waits, and nobody who can reach the port learns or changes anything. Every replica answers. Absent: rules
//! about objects, which are `api::crd`'s, and anything that would need a second object.

mod admit;
pub mod certificates;
pub mod configuration;
pub mod directory;
mod keyring;
mod rotation;
pub mod self_managed;
mod server;

use std::io;
use std::net::SocketAddr;

pub use admit::{BadReview, admit};
pub use certificates::Certificates;
pub use server::Server;

/// Where the API server asks.
pub const PATH: &str = "/validate";

/// What can go wrong with the webhook, other than the objects that it is asked about.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// A text is not PEM, or holds no certificate or no key. Without a source: that would show the text, and so the key.
    #[error("a certificate or key is not PEM")]
    Pem,
    /// TLS cannot be served with a certificate or key.
    #[error("a certificate and its key are not usable")]
    Tls(#[source] tokio_rustls::rustls::Error),
    /// A certificate cannot be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// The Secret holds something that this version did not write. Only where: the source would show what, perhaps a key.
    #[error("Secret `{}` holds no certificates of ours (column {})", self_managed::SECRET, .0.column())]
    Keyring(serde_json::Error),
    /// No address that an API server could call.
    #[error("`{0}` is not of the form https://HOST:PORT")]
    Url(String),
    /// The API server took too long.
    #[error("the API server did not answer within {} s", self_managed::ROUND_MAX.as_secs())]
    Late,
    /// The API server refused or did not answer.
    #[error("cannot {action}")]
    Api {
        action: &'static str,
        #[source]
        source: Box<kube::Error>,
    },
}
