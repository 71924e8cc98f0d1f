//! What the fields of a head say about its body and its connection, read in one pass (RFC 9112 sections 6 and 9).
//!
//! Strict where peers are known to disagree, because disagreement about the end of a body is request smuggling.

use super::fields::{Fields, list};
use super::limits::CONNECTION_OPTIONS_MAX;
use super::name::Known;
use super::version::Version;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body.
    Empty,
    /// As many bytes as `Content-Length` says.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked,
    /// All bytes until the connection ends. Responses only.
    UntilClose,
}

/// Why the fields cannot be framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Both ways to frame a body at once.
    #[error("both Content-Length and Transfer-Encoding")]
    Both,
    /// `Content-Length` is not one number below 2^64, or is several that differ.
    #[error("Content-Length is not one number")]
    ContentLength,
    /// `Transfer-Encoding` in HTTP/1.0, repeated, or with `chunked` among others.
    #[error("Transfer-Encoding is not exactly `chunked`, or not allowed here")]
    TransferEncoding,
    /// A transfer coding that nobody here knows.
    #[error("unknown transfer coding")]
    UnknownCoding,
    /// More connection options than [`CONNECTION_OPTIONS_MAX`].
    #[error("more than {CONNECTION_OPTIONS_MAX} connection options")]
    ConnectionOptions,
}

/// What one pass over the fields found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Framing {
    pub(super) content_length: Option<u64>,
    pub(super) content_length_repeated: bool,
    pub(super) chunked: bool,
    options: usize,
    close: bool,
    keep_alive: bool,
}

impl Framing {
    pub(super) fn read(fields: &Fields, version: Version) -> Result<Self, FramingError> {
        let mut framing = Self::default();
        for (known, _, value) in fields.known() {
            match known {
                Known::ContentLength => framing.content_length(value)?,
                Known::TransferEncoding => framing.transfer_encoding(value, version)?,
                Known::Connection => framing.connection(value)?,
                _ => {}
            }
        }
        if framing.chunked && framing.content_length.is_some() {
            return Err(FramingError::Both);
        }
        Ok(framing)
    }

    /// Whether the sender will read another message on this connection (RFC 9112 section 9.3).
    pub(super) fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::Http11 || self.keep_alive)
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), FramingError> {
        let length = decimal(value).ok_or(FramingError::ContentLength)?;
        match self.content_length.replace(length) {
            Some(other) if other != length => Err(FramingError::ContentLength),
            Some(_) => {
                self.content_length_repeated = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn transfer_encoding(&mut self, value: &[u8], version: Version) -> Result<(), FramingError> {
        if version == Version::Http10 || self.chunked {
            return Err(FramingError::TransferEncoding);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(other_coding(value));
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), FramingError> {
        for option in list(value) {
            self.options += 1;
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        if self.options > CONNECTION_OPTIONS_MAX {
            return Err(FramingError::ConnectionOptions);
        }
        Ok(())
    }
}

fn other_coding(value: &[u8]) -> FramingError {
    let known =
        |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked") || coding.eq_ignore_ascii_case(b"identity");
    if list(value).all(|coding| coding.is_empty() || known(coding)) {
        return FramingError::TransferEncoding;
    }
    FramingError::UnknownCoding
}

/// 1*DIGIT below 2^64; no sign, no space, no list.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
