//! Writes chunks, status lines and the responses that the gateway makes itself.

use std::io::Write;
use std::num::NonZeroUsize;

use bytes::{BufMut, Bytes, BytesMut};

use super::date::HttpDate;
use super::fields::Fields;

/// What follows the data of a chunk.
const CHUNK_SUFFIX: &[u8] = b"\r\n";

/// Every digit of a size, and the line end.
const CHUNK_PREFIX_MAX_BYTES: usize = (usize::BITS / 4) as usize + 2;

/// The line in front of a chunk.
#[derive(Debug, Clone, Copy)]
struct ChunkPrefix {
    text: [u8; CHUNK_PREFIX_MAX_BYTES],
    len: usize,
}

/// How a response of our own fits the request that it answers.
#[derive(Debug, Clone, Copy)]
pub struct LocalResponse<'a> {
    /// The status, 400 to 599.
    pub status: u16,
    /// The answer is to HEAD: the body is described, but not sent.
    pub head_only: bool,
    /// The connection ends after this response.
    pub close: bool,
    /// Now.
    pub date: &'a HttpDate,
}

impl AsRef<[u8]> for ChunkPrefix {
    fn as_ref(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

/// The line in front of a chunk of `len` bytes. There is none for zero: that would end the body.
fn chunk_prefix(len: NonZeroUsize) -> ChunkPrefix {
    let mut text = [0; CHUNK_PREFIX_MAX_BYTES];
    let mut left = &mut text[..];
    // Cannot fail: the buffer has room for every number of this width and the line end.
    write!(left, "{len:x}\r\n").ok();
    let len = CHUNK_PREFIX_MAX_BYTES - left.len();
    ChunkPrefix { text, len }
}

/// One chunk; nothing for no data, because an empty chunk would end the body.
pub fn put_chunk(data: &[u8], out: &mut BytesMut) {
    if let Some(len) = NonZeroUsize::new(data.len()) {
        out.reserve(CHUNK_PREFIX_MAX_BYTES + data.len() + CHUNK_SUFFIX.len());
        out.put_slice(chunk_prefix(len).as_ref());
        out.put_slice(data);
        out.put_slice(CHUNK_SUFFIX);
    }
}

/// Ends a chunked body.
pub fn put_last_chunk(trailers: Option<&Fields>, out: &mut BytesMut) {
    out.put_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flat_map(Fields::iter) {
        put_field(name, value, out);
    }
    out.put_slice(b"\r\n");
}

/// One field line.
pub fn put_field(name: &[u8], value: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + value.len() + 4);
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// One field line with a number.
pub fn put_number_field(name: &[u8], value: u64, out: &mut BytesMut) {
    out.put_slice(name);
    out.put_slice(b": ");
    put_decimal(value, out);
    out.put_slice(b"\r\n");
}

/// A status line, always of HTTP/1.1: the version is that of the sender (RFC 9110 section 2.5).
pub fn put_status_line(status: u16, reason: &[u8], out: &mut BytesMut) {
    out.put_slice(b"HTTP/1.1 ");
    put_decimal(u64::from(status), out);
    out.put_u8(b' ');
    out.put_slice(reason);
    out.put_slice(b"\r\n");
}

/// A whole response with a line of text that names the status.
pub fn error_response(response: &LocalResponse<'_>) -> Bytes {
    let reason = reason_phrase(response.status).as_bytes();
    let mut out = BytesMut::with_capacity(256);
    put_status_line(response.status, reason, &mut out);
    put_field(b"date", response.date.as_bytes(), &mut out);
    put_field(b"content-type", b"text/plain", &mut out);
    put_number_field(b"content-length", reason.len() as u64 + 1, &mut out);
    if response.close {
        put_field(b"connection", b"close", &mut out);
    }
    out.put_slice(b"\r\n");
    if !response.head_only {
        out.put_slice(reason);
        out.put_u8(b'\n');
    }
    out.freeze()
}

/// The phrase that RFC 9110 section 15 and the registry give a status; empty for others.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        425 => "Too Early",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// A number without sign or leading zeros.
pub(in crate::http) fn put_decimal(mut number: u64, out: &mut BytesMut) {
    const DIGITS_MAX: usize = 20;
    let mut digits = [0; DIGITS_MAX];
    let mut start = DIGITS_MAX;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.put_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, head_only: bool, close: bool) -> String {
        let date = HttpDate::from_unix_seconds(0);
        let response = error_response(&LocalResponse { status, head_only, close, date: &date });
        String::from_utf8(response.to_vec()).unwrap()
    }

    #[test]
    fn a_response_of_our_own_names_its_status() {
        assert_eq!(
            error(503, false, false),
            "HTTP/1.1 503 Service Unavailable\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             content-type: text/plain\r\ncontent-length: 20\r\n\r\nService Unavailable\n"
        );
        assert!(error(400, false, true).contains("\r\nconnection: close\r\n\r\nBad Request\n"));
        assert!(error(400, true, true).ends_with("content-length: 12\r\nconnection: close\r\n\r\n"));
        assert!(error(499, false, true).starts_with("HTTP/1.1 499 \r\n"));
    }

    #[test]
    fn a_chunk_line_is_the_size_in_hexadecimal() {
        let prefix = |len| chunk_prefix(NonZeroUsize::new(len).unwrap()).as_ref().to_vec();
        assert_eq!(prefix(1), b"1\r\n");
        assert_eq!(prefix(0xabc0), b"abc0\r\n");
        assert_eq!(prefix(usize::MAX), format!("{:x}\r\n", usize::MAX).into_bytes());
    }

    #[test]
    fn no_data_is_no_chunk() {
        let mut out = BytesMut::new();
        put_chunk(b"", &mut out);
        put_chunk(b"abc", &mut out);
        put_last_chunk(None, &mut out);
        assert_eq!(&out[..], b"3\r\nabc\r\n0\r\n\r\n");
    }

    #[test]
    fn numbers_have_no_leading_zeros() {
        let decimal = |number| {
            let mut out = BytesMut::new();
            put_decimal(number, &mut out);
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(
            (decimal(0), decimal(10), decimal(u64::MAX)),
            ("0".into(), "10".into(), u64::MAX.to_string())
        );
    }
}
