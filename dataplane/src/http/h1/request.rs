//! Heads of requests, as a server reads them (RFC 9112 sections 2 to 3).
//!
//! A request is taken whole or refused with a status; after a refusal the connection cannot be used again.

use std::mem::MaybeUninit;

use bytes::{Buf, BytesMut};

use super::fields::Fields;
use super::framing::{BodyLength, Framing, FramingError};
use super::limits::{FIELDS_MAX, HEAD_MAX_BYTES, LEADING_CRLF_MAX, METHOD_MAX_BYTES, TARGET_MAX_BYTES};
use super::method::Method;
use super::name::Known;
use super::scan::{Scan, Scanned};
use super::target::{Authority, Form, Target, Text};
use super::version::Version;

/// A request line may be this long before its end must show: method, target, version and two spaces.
const REQUEST_LINE_MAX_BYTES: usize = METHOD_MAX_BYTES + TARGET_MAX_BYTES + " HTTP/1.1 \r\n".len();
/// How HTTP/2 opens a connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// The head of a request. It owns its bytes, and every attempt is written from it.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// What to do.
    pub method: Method,
    /// The client's version.
    pub version: Version,
    /// How the body ends; never [`BodyLength::UntilClose`].
    pub body: BodyLength,
    /// Whether the client will send another request on the connection.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends its body (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// All fields, those of the connection included.
    pub fields: Fields,
    target: Text,
    authority: Text,
    host: Text,
    port: Option<u16>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// TLS, HTTP/2 or noise: the first bytes cannot begin a request.
    #[error("not HTTP/1")]
    NotHttp,
    /// More than [`LEADING_CRLF_MAX`] empty lines before the request line.
    #[error("more than {LEADING_CRLF_MAX} empty lines before the request")]
    LeadingLines,
    /// The target is longer than [`TARGET_MAX_BYTES`].
    #[error("request target of more than {TARGET_MAX_BYTES} bytes")]
    TargetTooLong,
    /// The head is longer than [`HEAD_MAX_BYTES`].
    #[error("request head of more than {HEAD_MAX_BYTES} bytes")]
    HeadTooLarge,
    /// More than [`FIELDS_MAX`] fields.
    #[error("more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// A line ended in LF without CR.
    #[error("line without CR")]
    BareLf,
    /// The request line or a field breaks the grammar.
    #[error("malformed request head")]
    Malformed(#[source] httparse::Error),
    /// A version other than 1.0 and 1.1.
    #[error("unsupported HTTP version")]
    Version,
    /// CONNECT, or a method longer than [`METHOD_MAX_BYTES`].
    #[error("unsupported method")]
    Method,
    /// The target has none of the forms that its method allows, or an ambiguous one.
    #[error("malformed request target")]
    Target,
    /// `Host` is missing, repeated or not a host.
    #[error("missing, repeated or malformed Host")]
    Host,
    /// The body has no certain end.
    #[error("unsafe framing")]
    Framing(#[from] FramingError),
    /// An expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
}

/// Reads one request head after the other from a connection.
#[derive(Debug, Default)]
pub struct RequestParser {
    scan: Scan,
    leading_lines: usize,
}

impl RequestHead {
    /// The target to match and to send: `/path?query`, or `*`. Unchanged, except that the scheme and authority of an
    /// absolute form are gone.
    pub fn target(&self) -> &str {
        self.target.of(self.fields.block())
    }

    /// The target up to the query.
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// What follows the first `?`.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Host and port as spelled, from the absolute form or else from `Host`. Empty if the client named none.
    pub fn authority(&self) -> &str {
        self.authority.of(self.fields.block())
    }

    pub(in crate::http) fn target_bytes(&self) -> &[u8] {
        self.target.bytes(self.fields.block())
    }

    pub(in crate::http) fn authority_bytes(&self) -> &[u8] {
        self.authority.bytes(self.fields.block())
    }

    /// The host without its port, in lower case; a literal IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.host.of(self.fields.block())
    }

    /// The port of the authority.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl RequestError {
    /// The answer to the client.
    pub fn status(&self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::Method | Self::Framing(FramingError::UnknownCoding) => 501,
            Self::Version => 505,
            Self::NotHttp
            | Self::LeadingLines
            | Self::BareLf
            | Self::Malformed(_)
            | Self::Target
            | Self::Host
            | Self::Framing(
                FramingError::Both
                | FramingError::ContentLength
                | FramingError::TransferEncoding
                | FramingError::ConnectionOptions,
            ) => 400,
        }
    }
}

impl RequestParser {
    /// Takes a complete head out of `buf`; what follows it stays. None: more bytes are needed, to be appended to `buf`.
    /// Each byte is looked at once, however many calls it takes.
    pub fn parse(&mut self, buf: &mut BytesMut) -> Result<Option<RequestHead>, RequestError> {
        self.skip_leading_lines(buf)?;
        check_start(buf)?;
        let within_limit = &buf[..buf.len().min(HEAD_MAX_BYTES)];
        let length = match self.scan.advance(within_limit) {
            Scanned::Complete(length) => length,
            Scanned::Partial => return self.check_unfinished(buf.len()).map(|()| None),
            Scanned::BareLf => return Err(RequestError::BareLf),
            Scanned::TooManyLines => return Err(RequestError::TooManyFields),
        };
        let head = parse_head(&buf[..length])?;
        buf.advance(length);
        *self = Self::default();
        Ok(Some(head))
    }

    fn skip_leading_lines(&mut self, buf: &mut BytesMut) -> Result<(), RequestError> {
        while buf.starts_with(b"\r\n") {
            self.leading_lines += 1;
            if self.leading_lines > LEADING_CRLF_MAX {
                return Err(RequestError::LeadingLines);
            }
            buf.advance(2);
            self.scan = Scan::default();
        }
        Ok(())
    }

    fn check_unfinished(&self, received: usize) -> Result<(), RequestError> {
        if !self.scan.has_line() && received >= REQUEST_LINE_MAX_BYTES {
            return Err(RequestError::TargetTooLong);
        }
        if received >= HEAD_MAX_BYTES {
            return Err(RequestError::HeadTooLarge);
        }
        Ok(())
    }
}

/// Refuses a peer that speaks something else as soon as it shows, rather than when its time is up.
fn check_start(buf: &[u8]) -> Result<(), RequestError> {
    match buf {
        [] | [b'\r'] => Ok(()),
        [first, ..] if first.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(first) => Ok(()),
        _ => Err(RequestError::NotHttp),
    }
}

/// The request line, cut into its parts.
struct Line<'a> {
    method: Method,
    target: &'a str,
    version: Version,
}

fn parse_head(head: &[u8]) -> Result<RequestHead, RequestError> {
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
