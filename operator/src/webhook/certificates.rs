//! The certificate that is shown to whoever connects. Replaced whole while connections go on; a new one that cannot be
//! used leaves the old one in place.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::WebhookError;

/// The certificate in use, if there is one yet. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<ArcSwapOption<CertifiedKey>>);

impl Certificates {
    /// Whether connections can be served: what `/readyz` asks.
    pub fn is_ready(&self) -> bool {
        self.0.load().is_some()
    }

    /// Shows another certificate from now on; both are PEM, the certificate ahead of those that signed it.
    ///
    /// # Errors
    /// When they cannot be read or do not belong together; what was shown before stays.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), WebhookError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let (Ok(chain), Ok(key)) = (chain, PrivateKeyDer::from_pem_slice(key)) else {
            return Err(WebhookError::Pem);
        };
        let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
        self.0.store(Some(Arc::new(pair.map_err(WebhookError::Tls)?)));
        Ok(())
    }
}

#[cfg(test)]
impl Certificates {
    /// The certificate that is shown, as DER.
    pub(super) fn shown(&self) -> Option<Vec<u8>> {
        self.0.load().as_ref().map(|pair| pair.cert[0].to_vec())
    }
}

impl ResolvesServerCert for Certificates {
    /// One certificate for every name: the webhook has one.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_told() {
        let pair = rcgen::generate_simple_self_signed(["webhook.test".to_owned()]).unwrap();
        let line = pair.signing_key.serialize_pem().replace('\n', "");
        let error = Certificates::default().replace(pair.cert.pem().as_bytes(), line.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "a certificate or key is not PEM");
        assert!(error.source().is_none(), "a source would show the line");
    }
}
