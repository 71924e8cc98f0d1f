//! What replicas share in a Secret: the certificate that they show, the one that comes next, and whom to trust for
//! them. Values only; when they change is `rotation`'s.
//!
//! Every certificate has an authority of its own, whose key is never written down: nobody can sign another with it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

use super::WebhookError;
use super::certificates::Certificates;

/// How long a certificate is good for.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How far the clocks of machines may be apart: a certificate is valid from this long before it is made.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60 * 60);
/// Subject of the authorities.
const AUTHORITY_NAME: &str = "rebound-operator-webhook-ca";

/// A certificate, its key and the authority that vouches for it; all PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pair {
    pub(super) authority: String,
    pub(super) certificate: String,
    key: String,
    /// The names and addresses that it is for.
    pub(super) names: Vec<String>,
    /// Seconds since 1970.
    made: u64,
    /// Seconds since 1970.
    expires: u64,
}

/// Everything that the Secret holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Keyring {
    /// What replicas show.
    pub(super) serving: Pair,
    /// What they show next, as soon as API servers trust it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Pair>,
    /// The authority of what they have shown before: some may show it for another moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<String>,
}

impl Keyring {
    /// Shows a new certificate at once: there was none that anybody trusts.
    pub(super) fn new(serving: Pair) -> Self {
        Self { serving, next: None, previous: None }
    }

    /// Shows `next` from now on.
    pub(super) fn showing(self, next: Pair) -> Self {
        Self { serving: next, next: None, previous: Some(self.serving.authority) }
    }

    /// From the bytes that the Secret holds.
    ///
    /// # Errors
    /// When they are something else, or what they hold cannot be shown.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, WebhookError> {
        let keyring: Self = serde_json::from_slice(bytes).map_err(WebhookError::Keyring)?;
        let nowhere = Certificates::default();
        keyring.serving.show(&nowhere)?;
        keyring.next.iter().try_for_each(|next| next.show(&nowhere))?;
        Ok(keyring)
    }

    /// The bytes for the Secret.
    ///
    /// # Errors
    /// Never, as it holds nothing but texts and numbers; the caller has errors of this kind anyway.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, WebhookError> {
        serde_json::to_vec(self).map_err(WebhookError::Keyring)
    }

    /// Everybody whom API servers are to trust, as one PEM text.
    pub(super) fn authorities(&self) -> String {
        let next = self.next.as_ref().map(|pair| pair.authority.as_str());
        self.previous.as_deref().into_iter().chain([self.serving.authority.as_str()]).chain(next).collect()
    }
}

impl Pair {
    /// Makes a certificate for names and IP addresses, and an authority for it.
    ///
    /// # Errors
    /// When a name is not ASCII, or the machine has no randomness.
    pub(super) fn make(names: &[String], now: SystemTime) -> Result<Self, WebhookError> {
        let made = |error| WebhookError::Make(error);
        let expires = now + LIFETIME;
        let issuer =
            KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(authority(now, expires), key));
        let issuer = issuer.map_err(made)?;
        let key = KeyPair::generate().map_err(made)?;
        let leaf = leaf(names, now, expires).and_then(|leaf| leaf.signed_by(&key, &issuer)).map_err(made)?;
        Ok(Self {
            authority: issuer.pem(),
            certificate: leaf.pem(),
            key: key.serialize_pem(),
            names: names.to_vec(),
            made: seconds(now),
            expires: seconds(expires),
        })
    }

    /// Shows it from now on.
    ///
    /// # Errors
    /// When its parts cannot be read or do not belong together.
    pub(super) fn show(&self, certificates: &Certificates) -> Result<(), WebhookError> {
        certificates.replace(self.certificate.as_bytes(), self.key.as_bytes())
    }

    /// Whether it is older than `age`.
    pub(super) fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        seconds(now) >= self.made.saturating_add(age.as_secs())
    }

    /// Whether it is no longer good, or will not be in this `time`.
    pub(super) fn expires_within(&self, time: Duration, now: SystemTime) -> bool {
        seconds(now).saturating_add(time.as_secs()) >= self.expires
    }
}

impl fmt::Debug for Pair {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, made, expires, .. } = self;
        write!(f, "Pair {{ names: {names:?}, made: {made}, expires: {expires}, .. }}")
    }
}

fn authority(now: SystemTime, expires: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    // Authorities that overlap have to be told apart: one that is made anew is another one.
    params.distinguished_name = name(&format!("{AUTHORITY_NAME}@{}", seconds(now)));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = (now - CLOCK_SKEW_MAX).into();
    params.not_after = expires.into();
    params
}

fn leaf(names: &[String], now: SystemTime, expires: SystemTime) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    // The names that count are alternative names; this one is for whoever looks at it, and no longer than X.509 allows.
    params.distinguished_name = name("rebound-operator-webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = (now - CLOCK_SKEW_MAX).into();
    params.not_after = expires.into();
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "rebound-operator-webhook.rebound-system.svc";

    fn keyring() -> Keyring {
        let pair = || Pair::make(&[NAME.into()], SystemTime::now()).unwrap();
        Keyring { serving: pair(), next: Some(pair()), previous: Some(pair().authority) }
    }

    #[test]
    fn a_keyring_comes_back_from_its_secret() {
        let keyring = keyring();
        assert_eq!(Keyring::read(&keyring.to_bytes().unwrap()).unwrap(), keyring);
    }

    #[test]
    fn everybody_who_vouches_for_a_certificate_that_is_shown_is_trusted() {
        let keyring = keyring();
        let trusted = keyring.authorities();
        assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 3);
        assert!(trusted.contains(&keyring.serving.authority));
        assert!(trusted.contains(&keyring.next.unwrap().authority));
    }

    #[test]
    fn what_cannot_be_shown_is_not_read() {
        let mut keyring = keyring();
        keyring.serving.key = keyring.next.as_ref().unwrap().key.clone();
        for bytes in [keyring.to_bytes().unwrap(), b"{}".to_vec(), b"tls.crt".to_vec(), Vec::new()] {
            assert!(Keyring::read(&bytes).is_err());
        }
    }

    #[test]
    fn a_key_is_not_printed() {
        let keyring = keyring();
        assert!(!format!("{keyring:?}").contains("PRIVATE"));
        let error = Keyring::read(&serde_json::to_vec(&keyring.serving.key).unwrap()).unwrap_err();
        assert!(!crate::telemetry::chain(&error).contains("PRIVATE"), "{error}");
    }
}
