//! A private key that is recognised wherever a part of it appears, however it is written there.
//!
//! Absent: where one looks, which is the business of whoever gives the key away.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// How much of the key in a row, in characters of base64, is a leak: what is shorter might be a coincidence.
const RUN: usize = 40;
/// As many bytes as stand in a [`RUN`].
const RUN_BYTES: usize = RUN / 4 * 3;

/// A key with its certificate, both PEM, and a word that stands nowhere but beside the key.
pub struct Canary {
    /// Of the certificate, which is no secret.
    pub certificate: String,
    /// The key.
    pub key: String,
    /// For comments and fields beside the key.
    pub word: String,
}

impl Canary {
    /// A new one, for a host or an address.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn new(host: &str) -> anyhow::Result<Self> {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()])?;
        let word = format!("c4n4ry{:016x}", fastrand::u64(..));
        Ok(Self { certificate: cert.pem(), key: signing_key.serialize_pem(), word })
    }

    /// The key on a single line, as a shell that was careless with quotes leaves it: no PEM any more.
    #[must_use]
    pub fn on_one_line(&self) -> String {
        self.key.replace('\n', "")
    }

    /// What of it appears in a text: of the key a part that is long enough, as PEM, as base64 of PEM or as a list of
    /// bytes; of the word any occurrence. Line breaks, also escaped ones, hide nothing.
    #[must_use]
    pub fn leaked(&self, text: &str) -> Option<String> {
        let text = text.replace("\\n", "");
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        self.signs().into_iter().find(|sign| text.contains(sign))
    }

    fn signs(&self) -> Vec<String> {
        let body: String = self.key.lines().filter(|line| !line.starts_with("---")).collect();
        let encoded = [STANDARD.encode(&self.key), STANDARD.encode(self.on_one_line())];
        let texts = encoded.iter().chain([&body]).flat_map(|text| pieces(text.as_bytes(), RUN));
        let texts = texts.map(|piece| String::from_utf8_lossy(piece).into_owned());
        // As Debug and JSON write bytes.
        let list = |piece: &[u8]| piece.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let der = STANDARD.decode(&body).unwrap_or_default();
        let lists = [self.key.as_bytes(), body.as_bytes(), &der].into_iter();
        let lists = lists.flat_map(|bytes| pieces(bytes, RUN_BYTES).map(list).collect::<Vec<_>>());
        texts.chain(lists).chain([self.word.clone()]).collect()
    }
}

/// A failing test must not print it either.
impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canary").finish_non_exhaustive()
    }
}

/// Those that are whole: of any run that is twice as long, one piece is a part.
fn pieces(bytes: &[u8], length: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks_exact(length)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static CANARY: LazyLock<Canary> = LazyLock::new(|| Canary::new("canary.test").unwrap());

    #[test]
    fn a_key_is_recognised_however_it_is_written() {
        let key = &CANARY.key;
        let der = STANDARD.decode(CANARY.on_one_line().split("-----").nth(2).unwrap()).unwrap();
        let texts = [
            key.clone(),
            format!("{key:?}"),
            serde_json::to_string(key).unwrap(),
            STANDARD.encode(key),
            format!("{:?}", key.as_bytes()),
            format!("{der:?}"),
            serde_json::to_string(&der).unwrap(),
            CANARY.on_one_line(),
            format!("{:?}", CANARY.on_one_line().as_bytes()),
            key.lines().nth(2).unwrap().to_owned(),
            CANARY.word.clone(),
        ];
        for text in texts {
            assert!(CANARY.leaked(&format!("before {text} after")).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_none() {
        let other = Canary::new("canary.test").unwrap();
        assert_eq!(CANARY.leaked(&CANARY.certificate), None);
        assert_eq!(CANARY.leaked(&other.word), None);
        assert_eq!(CANARY.leaked("-----BEGIN PRIVATE KEY-----"), None);
    }
}
