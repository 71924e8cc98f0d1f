//! Heads of responses, as a client reads them (RFC 9112 section 4).
//!
//! What is refused here becomes a 502, and the connection is not used again.

use std::mem::MaybeUninit;

use bytes::{Buf, BytesMut};

use super::fields::{Fields, Span};
use super::framing::{BodyLength, Framing, FramingError};
use super::limits::{FIELDS_MAX, HEAD_MAX_BYTES, INTERIM_RESPONSES_MAX};
use super::method::Method;
use super::scan::{Scan, Scanned};
use super::version::Version;

/// The head of a response. It owns its bytes.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The status, 100 to 599.
    pub status: u16,
    /// The backend's version.
    pub version: Version,
    /// How the body ends, once what cannot have a body is taken into account.
    pub body: BodyLength,
    /// What `Content-Length` says, also of a body that is left out.
    pub content_length: Option<u64>,
    /// Whether the connection may carry another request after this response. An unread or surplus byte forbids it all
    /// the same.
    pub reusable: bool,
    /// All fields, those of the connection included.
    pub fields: Fields,
    reason: Span,
}

/// Why a response is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The first bytes cannot begin a response.
    #[error("not HTTP/1")]
    NotHttp,
    /// The head is longer than [`HEAD_MAX_BYTES`].
    #[error("response head of more than {HEAD_MAX_BYTES} bytes")]
    HeadTooLarge,
    /// More than [`FIELDS_MAX`] fields.
    #[error("more than {FIELDS_MAX} fields")]
    TooManyFields,
    /// A line ended in LF without CR.
    #[error("line without CR")]
    BareLf,
    /// The status line or a field breaks the grammar.
    #[error("malformed response head")]
    Malformed(#[source] httparse::Error),
    /// A status outside 100 to 599.
    #[error("status {0}")]
    Status(u16),
    /// The body has no certain end.
    #[error("unsafe framing")]
    Framing(#[from] FramingError),
    /// More than [`INTERIM_RESPONSES_MAX`] interim responses.
    #[error("more than {INTERIM_RESPONSES_MAX} interim responses")]
    TooManyInterim,
}

/// Reads the responses to one request: any number of interim ones, then the final one.
#[derive(Debug, Default)]
pub struct ResponseParser {
    scan: Scan,
    interim_seen: usize,
}

impl ResponseHead {
    /// Whether another head follows (100 to 199). After 101 the connection speaks another protocol instead: the caller
    /// decides whether it asked for that.
    pub fn is_informational(&self) -> bool {
        self.status < 200
    }

    /// The reason phrase as sent, often empty.
    pub fn reason(&self) -> &[u8] {
        self.reason.of(self.fields.block())
    }
}

impl ResponseParser {
    /// Takes a complete head out of `buf`; what follows it stays. `request` is the method that is being answered.
    /// None: more bytes are needed, to be appended to `buf`.
    pub fn parse(
        &mut self,
        buf: &mut BytesMut,
        request: &Method,
    ) -> Result<Option<ResponseHead>, ResponseError> {
        check_start(buf)?;
        let within_limit = &buf[..buf.len().min(HEAD_MAX_BYTES)];
        let length = match self.scan.advance(within_limit) {
            Scanned::Complete(length) => length,
            Scanned::Partial if buf.len() >= HEAD_MAX_BYTES => return Err(ResponseError::HeadTooLarge),
            Scanned::Partial => return Ok(None),
            Scanned::BareLf => return Err(ResponseError::BareLf),
            Scanned::TooManyLines => return Err(ResponseError::TooManyFields),
        };
        let head = parse_head(&buf[..length], request)?;
        self.interim_seen += usize::from(head.is_informational());
        if self.interim_seen > INTERIM_RESPONSES_MAX {
            return Err(ResponseError::TooManyInterim);
        }
        buf.advance(length);
        self.scan = Scan::default();
        Ok(Some(head))
    }
}

fn check_start(buf: &[u8]) -> Result<(), ResponseError> {
    const START: &[u8] = b"HTTP/1.";
    let known = buf.len().min(START.len());
    if buf[..known] == START[..known] { Ok(()) } else { Err(ResponseError::NotHttp) }
}

fn parse_head(head: &[u8], request: &Method) -> Result<ResponseHead, ResponseError> {
    let mut headers = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let end = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, head, &mut headers)
        .map_err(classify)?;
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(ResponseError::Malformed(httparse::Error::Status));
    };
    // The scan and httparse must agree on the end, or one of them is wrong about this head.
    if end != httparse::Status::Complete(head.len()) {
        return Err(ResponseError::Malformed(httparse::Error::NewLine));
    }
    if !(100..600).contains(&status) {
        return Err(ResponseError::Status(status));
    }
    let version = Version::from_minor(minor);
    let fields = Fields::copy(head, parsed.headers);
    let framing = Framing::read(&fields, version)?;
    let body = body_length(framing, status, request);
    let reusable = framing.persists(version) && body != BodyLength::UntilClose && !is_spoilt(status, framing);
    Ok(ResponseHead {
        status,
        version,
        body,
        content_length: framing.content_length,
        reusable,
        reason: reason(head),
        fields,
    })
}

fn classify(error: httparse::Error) -> ResponseError {
    match error {
        httparse::Error::TooManyHeaders => ResponseError::TooManyFields,
        _ => ResponseError::Malformed(error),
    }
}

/// RFC 9112 section 6.3.
fn body_length(framing: Framing, status: u16, request: &Method) -> BodyLength {
    if *request == Method::Head || matches!(status, 100..=199 | 204 | 304) {
        return BodyLength::Empty;
    }
    match framing.content_length {
        Some(length) => BodyLength::Length(length),
        None if framing.chunked => BodyLength::Chunked,
        None => BodyLength::UntilClose,
    }
}

/// After 101 another protocol follows; after a 204 that announced a body, perhaps a body.
fn is_spoilt(status: u16, framing: Framing) -> bool {
    let announces_body = framing.chunked || framing.content_length.is_some_and(|length| length > 0);
    status == 101 || (status == 204 && announces_body)
}

/// What follows `HTTP/1.1 200 `. httparse drops a phrase with bytes outside ASCII, so it is cut out here.
fn reason(head: &[u8]) -> Span {
    const BEFORE: usize = "HTTP/1.1 200 ".len();
    let end = head.iter().position(|b| *b == b'\r').unwrap_or_default();
    Span::within(head, head.get(BEFORE..end).unwrap_or_default())
}
