//! What a request asks for: the forms of a request target (RFC 9112 section 3.2) and the authority it belongs to.
//!
//! Nothing is decoded or normalised: the bytes that are matched are the bytes that are sent on. What backends are known
//! to read differently (a fragment, a backslash in the path, bytes outside ASCII) is refused.

use std::net::Ipv6Addr;

use super::fields::Span;
use super::method::Method;

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
    pub(super) authority: Option<&'a str>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    AsSent(&'a str),
    Rewritten(Box<str>),
}

/// A host and its port, as `Host` carries them (RFC 9110 section 7.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
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
        match self {
            // Only text that was read as `str` becomes a range, so the fallback is never taken.
            Self::InHead(span) => std::str::from_utf8(span.of(head)).unwrap_or_default(),
            Self::Rewritten(text) => text,
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
        let (host, port) = split_port(text)?;
        if host.is_empty() {
            return text.is_empty().then_some(Self { host, port: None });
        }
        let valid = match host.strip_prefix('[') {
            Some(literal) => literal.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
        };
        valid.then_some(Self { host, port })
    }
}

/// The host with its brackets, and the port; an empty port counts as none (RFC 3986 section 3.2.3).
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let address_end = text.find(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = text[address_end..].find(':') else { return Some((text, None)) };
    let (host, port) = (&text[..address_end + colon], &text[address_end + colon + 1..]);
    if port.is_empty() {
        return Some((host, None));
    }
    if port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((host, Some(port.parse().ok()?)))
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
    (!authority.is_empty()).then_some(Target { form, authority: Some(authority) })
}

fn strip_scheme<'a>(sent: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = sent.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_unambiguous(sent: &str) -> bool {
    let path = sent.split_once('?').map_or(sent, |(path, _)| path);
    sent.bytes().all(|b| b.is_ascii_graphic() && b != b'#') && !path.contains('\\')
}
