//! Bodies as they arrive: framing off, bytes through (RFC 9112 sections 6 and 7).
//!
//! Data is handed out as it comes and without a copy; nothing is collected. Bytes behind the end stay in the buffer.

use bytes::{Buf, Bytes, BytesMut};

use super::fields::Fields;
use super::framing::BodyLength;
use super::limits::{
    CHUNK_LINE_ALLOWANCE_BYTES, CHUNK_LINE_MAX_BYTES, CHUNK_OVERHEAD_MAX_BYTES, CHUNK_SIZE_DIGITS_MAX,
    FIELDS_MAX, TRAILERS_MAX_BYTES,
};
use super::scan::{Scan, Scanned};

/// Takes one body apart.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    chunk_overhead: usize,
}

/// A step through a body.
#[derive(Debug)]
pub enum Piece {
    /// Append more input, or report its end with [`BodyDecoder::eof`].
    More,
    /// Some of the body, at least one byte.
    Data(Bytes),
    /// The body is complete. Trailers are there only if some were sent.
    End(Option<Fields>),
}

/// Why a body cannot be read on. The connection cannot be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The input ended within the body.
    #[error("the body ended early")]
    Truncated,
    /// The line in front of a chunk has no size, an oversized one, or something else than extensions behind it.
    #[error("malformed chunk line")]
    ChunkLine,
    /// The line in front of a chunk is longer than [`CHUNK_LINE_MAX_BYTES`].
    #[error("chunk line of more than {CHUNK_LINE_MAX_BYTES} bytes")]
    ChunkLineTooLong,
    /// Chunk lines exceed the data by [`CHUNK_OVERHEAD_MAX_BYTES`].
    #[error("chunk extensions of more than {CHUNK_OVERHEAD_MAX_BYTES} bytes")]
    ChunkOverhead,
    /// A chunk is not followed by CRLF.
    #[error("chunk without line end")]
    ChunkEnd,
    /// The trailer section is longer than [`TRAILERS_MAX_BYTES`] or has more than [`FIELDS_MAX`] fields.
    #[error("trailers of more than {TRAILERS_MAX_BYTES} bytes or {FIELDS_MAX} fields")]
    TrailersTooLarge,
    /// A trailer field breaks the grammar, or frames, routes or identifies the message.
    #[error("malformed or forbidden trailer field")]
    Trailer,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailers(Scan),
    Done,
}

impl BodyDecoder {
    /// Reads a body whose end is found in this way.
    pub fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Empty | BodyLength::Length(0) => State::Done,
            BodyLength::Length(bytes) => State::Length(bytes),
            BodyLength::Chunked => State::ChunkLine,
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, chunk_overhead: 0 }
    }

    /// Takes the next piece out of `buf`. [`Piece::More`] leaves at most a limit's worth of bytes in it; after
    /// [`Piece::End`] nothing is taken any more.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Piece, BodyError> {
        loop {
            let step = match self.state {
                State::Done => Some(Piece::End(None)),
                State::UntilClose if buf.is_empty() => Some(Piece::More),
                State::UntilClose => Some(Piece::Data(buf.split().freeze())),
                State::Length(left) => Some(self.data(left, buf, State::Length, State::Done)),
                State::ChunkData(left) => Some(self.data(left, buf, State::ChunkData, State::ChunkEnd)),
                State::ChunkLine => self.chunk_line(buf)?,
                State::ChunkEnd => self.chunk_end(buf)?,
                State::Trailers(scan) => Some(self.trailers(scan, buf)?),
            };
            if let Some(piece) = step {
                return Ok(piece);
            }
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The input has ended: the end of a body that lasts until then, the truncation of any other.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// `left` is not zero.
    fn data(&mut self, left: u64, buf: &mut BytesMut, more: fn(u64) -> State, end: State) -> Piece {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        if taken == 0 {
            return Piece::More;
        }
        let left = left - taken as u64;
        self.state = if left == 0 { end } else { more(left) };
        Piece::Data(buf.split_to(taken).freeze())
    }

    fn chunk_line(&mut self, buf: &mut BytesMut) -> Result<Option<Piece>, BodyError> {
        let within_limit = &buf[..buf.len().min(CHUNK_LINE_MAX_BYTES)];
        let Some(lf) = memchr::memchr(b'\n', within_limit) else {
            let too_long = within_limit.len() == CHUNK_LINE_MAX_BYTES;
            return if too_long { Err(BodyError::ChunkLineTooLong) } else { Ok(Some(Piece::More)) };
        };
        let size = chunk_size(&within_limit[..lf]).ok_or(BodyError::ChunkLine)?;
        self.count_overhead(lf + 1, size)?;
        buf.advance(lf + 1);
        self.state = if size == 0 { State::Trailers(Scan::default()) } else { State::ChunkData(size) };
        Ok(None)
    }

    fn count_overhead(&mut self, line: usize, size: u64) -> Result<(), BodyError> {
        let allowed = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(CHUNK_LINE_ALLOWANCE_BYTES);
        self.chunk_overhead = (self.chunk_overhead + line).saturating_sub(allowed);
        if self.chunk_overhead > CHUNK_OVERHEAD_MAX_BYTES {
            return Err(BodyError::ChunkOverhead);
        }
        Ok(())
    }

    fn chunk_end(&mut self, buf: &mut BytesMut) -> Result<Option<Piece>, BodyError> {
        match buf.as_ref() {
            [] | [b'\r'] => Ok(Some(Piece::More)),
            [b'\r', b'\n', ..] => {
                buf.advance(2);
                self.state = State::ChunkLine;
                Ok(None)
            }
            _ => Err(BodyError::ChunkEnd),
        }
    }

    fn trailers(&mut self, mut scan: Scan, buf: &mut BytesMut) -> Result<Piece, BodyError> {
        let within_limit = &buf[..buf.len().min(TRAILERS_MAX_BYTES)];
        let length = match scan.advance(within_limit) {
            Scanned::Complete(length) => length,
            Scanned::Partial if buf.len() < TRAILERS_MAX_BYTES => {
                self.state = State::Trailers(scan);
                return Ok(Piece::More);
            }
            Scanned::Partial | Scanned::TooManyLines => return Err(BodyError::TrailersTooLarge),
            Scanned::BareLf => return Err(BodyError::Trailer),
        };
        let trailers = parse_trailers(&buf[..length])?;
        buf.advance(length);
        self.state = State::Done;
        Ok(Piece::End(trailers))
    }
}

/// The size in a chunk line without its LF. Extensions are dropped, as RFC 9112 section 7.1.1 tells those who do not
/// know them.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    if digits == 0 || digits > CHUNK_SIZE_DIGITS_MAX || !is_extension(&line[digits..]) {
        return None;
    }
    let nibble = |b: &u8| u64::from((*b as char).to_digit(16).unwrap_or_default());
    Some(line[..digits].iter().fold(0, |size, digit| size << 4 | nibble(digit)))
}

/// Nothing, or a semicolon and text without control characters. White space may stand in front of the semicolon.
fn is_extension(rest: &[u8]) -> bool {
    let is_text = rest.iter().all(|b| *b == b'\t' || !b.is_ascii_control());
    rest.is_empty() || (rest.trim_ascii_start().starts_with(b";") && is_text)
}

fn parse_trailers(section: &[u8]) -> Result<Option<Fields>, BodyError> {
    let mut headers = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let parsed = match httparse::parse_headers(section, &mut headers) {
        Ok(httparse::Status::Complete((length, parsed))) if length == section.len() => parsed,
        Err(httparse::Error::TooManyHeaders) => return Err(BodyError::TrailersTooLarge),
        Ok(_) | Err(_) => return Err(BodyError::Trailer),
    };
    if parsed.is_empty() {
        return Ok(None);
    }
    let trailers = Fields::copy(section, parsed);
    let allowed = trailers.known().all(|(known, ..)| known.is_trailer());
    allowed.then_some(Some(trailers)).ok_or(BodyError::Trailer)
}
