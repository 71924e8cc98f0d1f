//! Heads of requests, as a server reads them (RFC 9112 sections 2 to 3).
//!
//! A request is taken whole or refused with a status; after a refusal the connection cannot be used again.

mod head;

use bytes::{Buf, BytesMut};

use super::fields::Fields;
use super::framing::{BodyLength, FramingError};
use super::limits::{FIELDS_MAX, HEAD_MAX_BYTES, LEADING_CRLF_MAX, METHOD_MAX_BYTES, TARGET_MAX_BYTES};
use super::method::Method;
use super::scan::{Scan, Scanned};
use super::target::Text;
use super::version::Version;

/// A request line may be this long before its end must show: method, target, version and two spaces.
const REQUEST_LINE_MAX_BYTES: usize = METHOD_MAX_BYTES + TARGET_MAX_BYTES + " HTTP/1.1 \r\n".len();

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
    /// The head is longer than the parser was told to take.
    #[error("request head of too many bytes")]
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
#[derive(Debug)]
pub struct RequestParser {
    head_max_bytes: usize,
    scan: Scan,
    leading_lines: usize,
}

/// Takes heads of [`HEAD_MAX_BYTES`].
impl Default for RequestParser {
    fn default() -> Self {
        Self::new(HEAD_MAX_BYTES)
    }
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

    /// [`RequestHead::target`], which is ASCII.
    pub fn target_bytes(&self) -> &[u8] {
        self.target.bytes(self.fields.block())
    }

    pub(in crate::http) fn authority_bytes(&self) -> &[u8] {
        self.authority.bytes(self.fields.block())
    }

    /// The host without its port, in lower case; a literal IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.host.of(self.fields.block())
    }

    /// [`RequestHead::host`], which is ASCII.
    pub fn host_bytes(&self) -> &[u8] {
        self.host.bytes(self.fields.block())
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
    /// Takes heads of so many bytes, and of [`HEAD_MAX_BYTES`] at most.
    pub fn new(head_max_bytes: usize) -> Self {
        let head_max_bytes = head_max_bytes.min(HEAD_MAX_BYTES);
        Self { head_max_bytes, scan: Scan::default(), leading_lines: 0 }
    }

    /// Takes a complete head out of `buf`; what follows it stays. None: more bytes are needed, to be appended to `buf`.
    /// Each byte is looked at once, however many calls it takes.
    pub fn parse(&mut self, buf: &mut BytesMut) -> Result<Option<RequestHead>, RequestError> {
        self.skip_leading_lines(buf)?;
        check_start(buf)?;
        let within_limit = &buf[..buf.len().min(self.head_max_bytes)];
        let length = match self.scan.advance(within_limit) {
            Scanned::Complete(length) => length,
            Scanned::Partial => return self.check_unfinished(buf.len()).map(|()| None),
            Scanned::BareLf => return Err(RequestError::BareLf),
            Scanned::TooManyLines => return Err(RequestError::TooManyFields),
        };
        let head = head::parse(&buf[..length])?;
        buf.advance(length);
        *self = Self::new(self.head_max_bytes);
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
        if received >= self.head_max_bytes {
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
