//! What a request asks for: the forms of a request target (RFC 9112 section 3.2) and the authority it belongs to.
//!
//! Nothing is decoded or normalised: the bytes that are matched are the bytes that are sent on. What backends are known
//! to read differently (a fragment, a backslash in the path, bytes outside ASCII) is refused.

use std::net::Ipv6Addr;

use super::fields::Span;
use super::method::Method;

/// Digits of a port, leading zeros included.
const PORT_DIGITS_MAX: usize = 5;

/// ASCII text of a head: a range of it, or a rewritten copy.
#[derive(Debug, Clone)]
pub(super) enum Text {
    InHead(Span),
    Rewritten(Box<str>),
}

/// A target in origin or asterisk form, and the authority that an absolute form named.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) form: Form<'a>,
    pub(super) authority: Option<Authority<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    AsSent(&'a str),
    Rewritten(Box<str>),
}

/// A host and its port, as `Host` carries them (RFC 9110 section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// Both, as spelled.
    pub(super) text: &'a str,
    /// As spelled. Empty only if the whole authority is.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl Text {
    pub(super) fn within(head: &[u8], part: &str) -> Self {
        Self::InHead(Span::within(head, part.as_bytes()))
    }

    /// `head` is the block that the range was made for.
    pub(super) fn of<'a>(&'a self, head: &'a [u8]) -> &'a str {
        // Only text that was read as `str` becomes a range, so the fallback is never taken.
        std::str::from_utf8(self.bytes(head)).unwrap_or_default()
    }

    pub(super) fn bytes<'a>(&'a self, head: &'a [u8]) -> &'a [u8] {
        match self {
            Self::InHead(span) => span.of(head),
            Self::Rewritten(text) => text.as_bytes(),
        }
    }
}

impl<'a> Target<'a> {
    /// None: the target has no form that `method` allows.
    pub(super) fn parse(sent: &'a str, method: &Method) -> Option<Self> {
        if sent == "*" {
            let allowed = *method == Method::Options;
            return allowed.then_some(Self { form: Form::AsSent(sent), authority: None });
        }
        let target = if sent.starts_with('/') {
            Self { form: Form::AsSent(sent), authority: None }
        } else {
            absolute(sent, method)?
        };
        is_unambiguous(sent).then_some(target)
    }
}

impl<'a> Authority<'a> {
    /// None: not a host name or literal address with an optional port. User information is refused.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { text, host: text, port: None });
        }
        let (host, port) = if text.starts_with('[') { literal(text)? } else { name(text)? };
        Some(Self { text, host, port: port_number(port)? })
    }
}

/// A literal IPv6 address with its brackets, and what follows it.
fn literal(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.split_at(text.bytes().position(|b| b == b']')? + 1);
    host[1..host.len() - 1].parse::<Ipv6Addr>().ok()?;
    Some((host, port))
}

/// A name or an IPv4 address, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let (host, port) = text.split_at(text.bytes().position(|b| !is_name(b)).unwrap_or(text.len()));
    (!host.is_empty()).then_some((host, port))
}

/// The number behind the colon. An empty one counts as none (RFC 3986 section 3.2.3). The outer none: something else.
fn port_number(after_host: &str) -> Option<Option<u16>> {
    if after_host.is_empty() {
        return Some(None);
    }
    let digits = after_host.strip_prefix(':')?;
    if digits.is_empty() {
        return Some(None);
    }
    let is_number = digits.len() <= PORT_DIGITS_MAX && digits.bytes().all(|b| b.is_ascii_digit());
    if is_number { digits.parse().ok().map(Some) } else { None }
}

/// Clients send the absolute form to proxies, and servers must read it (RFC 9112 section 3.2.2).
fn absolute<'a>(sent: &'a str, method: &Method) -> Option<Target<'a>> {
    let after_scheme = strip_scheme(sent, "http://").or_else(|| strip_scheme(sent, "https://"))?;
    let end = after_scheme.find(['/', '?']).unwrap_or(after_scheme.len());
    let (authority, rest) = after_scheme.split_at(end);
    let form = match rest.bytes().next() {
        Some(b'/') => Form::AsSent(rest),
        Some(_) => Form::Rewritten(format!("/{rest}").into()),
        // RFC 9112 section 3.2.4: OPTIONS for a whole server.
        None if *method == Method::Options => Form::Rewritten("*".into()),
        None => Form::Rewritten("/".into()),
    };
    let authority = Authority::parse(authority).filter(|authority| !authority.host.is_empty())?;
    Some(Target { form, authority: Some(authority) })
}

fn strip_scheme<'a>(sent: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = sent.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_unambiguous(sent: &str) -> bool {
    let mut in_path = true;
    sent.bytes().all(|b| {
        in_path &= b != b'?';
        b.is_ascii_graphic() && b != b'#' && !(in_path && b == b'\\')
    })
}
