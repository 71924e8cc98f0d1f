//! Names that every room uses: checked once, then passed on as values.
//!
//! Knows nothing of serde or Kubernetes types; `config` and `crd` convert at their edges.

use std::fmt;
use std::str::FromStr;

/// The longest name of a namespace or a Service: a DNS label (RFC 1123).
pub const LABEL_MAX_CHARS: usize = 63;
/// The longest name of any other object: a DNS subdomain (RFC 1123).
pub const NAME_MAX_CHARS: usize = 253;

/// The namespace and name of an object, written `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    namespace: String,
    name: String,
}

/// A port of a Service, written `namespace/name:port`: what a retry policy and a budget belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServicePort {
    /// The Service.
    pub service: ObjectKey,
    /// The port of the Service (not of its pods), 1-65535.
    pub port: u16,
}

/// The number of a configuration; a larger one is newer. Zero means that there is none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// The text lacks the `/` or `:` that separates its parts.
    #[error("`{0}` is not of the form {1}")]
    Form(String, &'static str),
    /// A part holds characters that Kubernetes does not allow there, or is empty or too long.
    #[error("`{0}` is not a name: lower-case letters, digits, `-` and `.`, at most {1} characters")]
    Characters(String, usize),
    /// The port is not a number from 1 to 65535.
    #[error("`{0}` is not a port number (1-65535)")]
    Port(String),
}

/// Whether `text` is a token (RFC 9110 5.6.2), as the names of methods and header fields are.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether `text` is the name of a label or an annotation: at most 63 characters, after an optional DNS subdomain and
/// `/`.
pub fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').unwrap_or(("x", text));
    check_name(prefix, NAME_MAX_CHARS).is_ok() && !name.is_empty() && is_label_value(name)
}

/// Whether `text` is the value of a label: empty, or at most 63 letters, digits, `-`, `_` and `.`, the first and the
/// last a letter or digit.
pub fn is_label_value(text: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LABEL_MAX_CHARS
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

impl ObjectKey {
    /// Checks both parts; see [`LABEL_MAX_CHARS`] and [`NAME_MAX_CHARS`].
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Result<Self, BadName> {
        let (namespace, name) = (namespace.into(), name.into());
        check_name(&namespace, LABEL_MAX_CHARS)?;
        check_name(&name, NAME_MAX_CHARS)?;
        Ok(Self { namespace, name })
    }

    /// The namespace, a DNS label.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl ServicePort {
    /// Checks the parts; port 0 is refused.
    pub fn new(service: ObjectKey, port: u16) -> Result<Self, BadName> {
        if port == 0 {
            return Err(BadName::Port("0".into()));
        }
        Ok(Self { service, port })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service, self.port)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ObjectKey {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (namespace, name) =
            text.split_once('/').ok_or_else(|| BadName::Form(text.into(), "NAMESPACE/NAME"))?;
        Self::new(namespace, name)
    }
}

impl FromStr for ServicePort {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (service, port) =
            text.rsplit_once(':').ok_or_else(|| BadName::Form(text.into(), "NAMESPACE/SERVICE:PORT"))?;
        let number = port.parse().map_err(|_| BadName::Port(port.into()))?;
        Self::new(service.parse()?, number)
    }
}

fn check_name(text: &str, chars_max: usize) -> Result<(), BadName> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = text.as_bytes();
    if bytes.len() <= chars_max
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| inner(*b))
    {
        return Ok(());
    }
    Err(BadName::Characters(text.into(), chars_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_port_reads_back_what_it_prints() {
        let port: ServicePort = "server/fortio:8080".parse().unwrap();
        assert_eq!((port.service.namespace(), port.service.name(), port.port), ("server", "fortio", 8080));
        assert_eq!(port.to_string(), "server/fortio:8080");
    }

    #[test]
    fn labels_and_annotations_are_named_as_kubernetes_has_it() {
        for name in ["app", "A_b.c-9", "example.com/app", &"a".repeat(63)] {
            assert!(is_qualified_name(name), "{name}");
        }
        for name in ["", "/app", "example.com/", "a b", "-a", "a/b/c", "Example.com/app", &"a".repeat(64)] {
            assert!(!is_qualified_name(name), "{name}");
        }
        assert!(is_label_value("") && is_label_value("v1.2_x") && !is_label_value("v1-"));
    }

    #[test]
    fn bad_names_are_refused_with_the_part_that_is_wrong() {
        let refused = |text: &str| text.parse::<ServicePort>().unwrap_err().to_string();
        assert_eq!(refused("fortio"), "`fortio` is not of the form NAMESPACE/SERVICE:PORT");
        assert_eq!(refused("fortio:80"), "`fortio` is not of the form NAMESPACE/NAME");
        assert_eq!(refused("a/b:0"), "`0` is not a port number (1-65535)");
        assert_eq!(refused("a/b:65536"), "`65536` is not a port number (1-65535)");
        for text in ["A/b:1", "a/:1", "/b:1", "a/-b:1", "a/b c:1"] {
            assert!(text.parse::<ServicePort>().is_err(), "{text}");
        }
    }
}
