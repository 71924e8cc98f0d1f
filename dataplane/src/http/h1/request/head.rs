//! From the bytes of one complete head to its meaning.

use std::mem::MaybeUninit;

use super::super::fields::Fields;
use super::super::framing::{BodyLength, Framing, FramingError};
use super::super::limits::{FIELDS_MAX, METHOD_MAX_BYTES, TARGET_MAX_BYTES};
use super::super::method::Method;
use super::super::name::Known;
use super::super::target::{Authority, Form, Target, Text};
use super::super::version::Version;
use super::{RequestError, RequestHead};

/// How HTTP/2 opens a connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The request line, cut into its parts.
struct Line<'a> {
    method: Method,
    target: &'a str,
    version: Version,
}

/// `head` ends with the empty line.
pub(super) fn parse(head: &[u8]) -> Result<RequestHead, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let (line, headers) = cut(head, &mut headers)?;
    let target = Target::parse(line.target, &line.method).ok_or(RequestError::Target)?;
    let fields = Fields::copy(head, headers);
    let framing = Framing::read(&fields, line.version)?;
    let body = body_length(framing)?;
    let expects_continue = expects_continue(&fields, line.version, body)?;
    // The authority of an absolute form replaces Host (RFC 9112 section 3.2.2), which must be sound all the same.
    let host_field = host_field(&fields, line.version)?;
    let (block, authority) = match target.authority {
        Some(authority) => (head, authority),
        None => (fields.block(), host_field),
    };
    Ok(RequestHead {
        authority: Text::within(block, authority.text),
        host: lower_case(block, authority.host),
        port: authority.port,
        target: match target.form {
            Form::AsSent(text) => Text::within(head, text),
            Form::Rewritten(text) => Text::Rewritten(text),
        },
        keep_alive: framing.persists(line.version),
        expects_continue,
        body,
        method: line.method,
        version: line.version,
        fields,
    })
}

fn cut<'a, 'h>(
    head: &'a [u8],
    headers: &'h mut [MaybeUninit<httparse::Header<'a>>],
) -> Result<(Line<'a>, &'h [httparse::Header<'a>]), RequestError> {
    let mut parsed = httparse::Request::new(&mut []);
    let end = parsed.parse_with_uninit_headers(head, headers).map_err(|error| classify(error, head))?;
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(RequestError::Malformed(httparse::Error::Token));
    };
    // The scan and httparse must agree on the end, or one of them is wrong about this head.
    if end != httparse::Status::Complete(head.len()) {
        return Err(RequestError::Malformed(httparse::Error::NewLine));
    }
    if target.len() > TARGET_MAX_BYTES {
        return Err(RequestError::TargetTooLong);
    }
    let line = Line { method: known_method(method)?, target, version: Version::from_minor(minor) };
    Ok((line, parsed.headers))
}

fn classify(error: httparse::Error, head: &[u8]) -> RequestError {
    match error {
        httparse::Error::TooManyHeaders => RequestError::TooManyFields,
        httparse::Error::Version if head.starts_with(HTTP2_PREFACE) => RequestError::NotHttp,
        httparse::Error::Version if names_other_version(head) => RequestError::Version,
        _ => RequestError::Malformed(error),
    }
}

/// Whether the request line is sound but for a version that we do not speak.
fn names_other_version(head: &[u8]) -> bool {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ').skip(2);
    let (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None) = (words.next(), words.next())
    else {
        return false;
    };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

fn known_method(token: &str) -> Result<Method, RequestError> {
    if token.len() > METHOD_MAX_BYTES || token == "CONNECT" {
        return Err(RequestError::Method);
    }
    Ok(Method::from_token(token))
}

/// Exactly one `Host` that is an authority; HTTP/1.0 may do without.
fn host_field(fields: &Fields, version: Version) -> Result<Authority<'_>, RequestError> {
    let mut hosts = fields.known().filter(|(known, ..)| *known == Known::Host);
    let value = match (hosts.next(), hosts.next()) {
        (Some((_, _, value)), None) => value,
        (None, _) if version == Version::Http10 => b"",
        _ => return Err(RequestError::Host),
    };
    let text = std::str::from_utf8(value).map_err(|_| RequestError::Host)?;
    Authority::parse(text).ok_or(RequestError::Host)
}

fn body_length(framing: Framing) -> Result<BodyLength, RequestError> {
    match framing.content_length {
        Some(_) if framing.content_length_repeated => Err(FramingError::ContentLength.into()),
        Some(length) => Ok(BodyLength::Length(length)),
        None if framing.chunked => Ok(BodyLength::Chunked),
        None => Ok(BodyLength::Empty),
    }
}

fn expects_continue(fields: &Fields, version: Version, body: BodyLength) -> Result<bool, RequestError> {
    let mut expects = false;
    for (_, _, value) in fields.known().filter(|(known, ..)| *known == Known::Expect) {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(RequestError::Expectation);
        }
        expects = true;
    }
    let has_body = !matches!(body, BodyLength::Empty | BodyLength::Length(0));
    // RFC 9110 section 10.1.1: an expectation of HTTP/1.0 is ignored.
    Ok(expects && has_body && version == Version::Http11)
}

fn lower_case(block: &[u8], host: &str) -> Text {
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        return Text::Rewritten(host.to_ascii_lowercase().into());
    }
    Text::within(block, host)
}
