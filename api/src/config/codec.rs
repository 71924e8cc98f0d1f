//! Snapshot to bytes and back.
//!
//! A file is one header line, `rebound-snapshot VERSION LENGTH CHECKSUM`, and a JSON body of exactly LENGTH bytes.
//! The version stands in the header, so that a reader can refuse a format that it does not know before it parses
//! it; the checksum (XXH3-128) catches what was cut off or mixed up on the way. It is no signature: who may write
//! the file may write a fitting checksum.

use xxhash_rust::xxh3::xxh3_128;

use super::reader::Reader;
use super::{FORMAT_VERSION, Snapshot, check};

/// The largest snapshot that is written or read, header included.
pub const SNAPSHOT_MAX_BYTES: usize = 64 * 1024 * 1024;

const MAGIC: &str = "rebound-snapshot";
/// Bounds the search for the end of the header line.
const HEADER_MAX_BYTES: usize = 128;

/// Why bytes are not a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// More than [`SNAPSHOT_MAX_BYTES`].
    #[error("the snapshot has {0} bytes, more than {SNAPSHOT_MAX_BYTES}")]
    TooLarge(usize),
    /// The header line is missing or malformed.
    #[error("not a snapshot: no header line `{MAGIC} VERSION LENGTH CHECKSUM`")]
    NoHeader,
    /// Written by a newer operator.
    #[error("the snapshot has format {0}; this build reads {FORMAT_VERSION}: update the data plane first")]
    Version(u32),
    /// Cut off, or with something behind it.
    #[error("the snapshot has a body of {actual} bytes where its header says {expected}")]
    Length {
        /// What the header says.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// Damaged.
    #[error("the snapshot's checksum does not fit its body")]
    Checksum,
    /// The body is not the JSON that this format wants.
    #[error("the snapshot's body: {0}")]
    Json(#[from] serde_json::Error),
    /// An item of one of the lists is not the JSON that this format wants.
    #[error("the snapshot's {path}: {source}")]
    Item {
        /// Such as `routes[3]`.
        path: String,
        /// What is wrong with it; positions are within the item.
        source: serde_json::Error,
    },
    /// Well-formed, but no data plane could act on it.
    #[error("the snapshot's {path}: {message}")]
    Invalid {
        /// The field, such as `routes[3].rules[0].backends[1].cluster`.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Checks and writes a snapshot. Equal snapshots give equal bytes.
pub fn encode(snapshot: &Snapshot) -> Result<Vec<u8>, DecodeError> {
    check(snapshot, None)?;
    let body = serde_json::to_vec(snapshot)?;
    let mut bytes = header(body.len(), checksum(&body))?.into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Whether a data plane could act on a snapshot: what [`encode`] checks, for those who write its body in pieces. What
/// is shared with `sound`, a snapshot that has been checked, is not looked at again.
pub fn check(snapshot: &Snapshot, sound: Option<&Snapshot>) -> Result<(), DecodeError> {
    check::snapshot(snapshot, sound)
}

/// Of the body of a file, or of whatever is to be known again: XXH3-128, which finds accidents and no attacks.
pub fn checksum(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// The first line of the file of a body, with its line end. Refuses a file of more than [`SNAPSHOT_MAX_BYTES`].
pub fn header(length: usize, checksum: u128) -> Result<String, DecodeError> {
    let header = header_line(FORMAT_VERSION, length, checksum);
    let total = header.len().saturating_add(length);
    if total > SNAPSHOT_MAX_BYTES {
        return Err(DecodeError::TooLarge(total));
    }
    Ok(header)
}

/// Reads and checks a snapshot; nothing in it needs to be checked again.
pub fn decode(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
    Reader::default().read(bytes)
}

/// The body of a snapshot file, which is what its header says.
pub(super) fn body(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    if bytes.len() > SNAPSHOT_MAX_BYTES {
        return Err(DecodeError::TooLarge(bytes.len()));
    }
    let header = Header::parse(bytes).ok_or(DecodeError::NoHeader)?;
    if header.version != FORMAT_VERSION {
        return Err(DecodeError::Version(header.version));
    }
    if header.body.len() != header.length {
        return Err(DecodeError::Length { expected: header.length, actual: header.body.len() });
    }
    if checksum(header.body) != header.checksum {
        return Err(DecodeError::Checksum);
    }
    Ok(header.body)
}

struct Header<'a> {
    version: u32,
    length: usize,
    checksum: u128,
    body: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.iter().take(HEADER_MAX_BYTES).position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut words = line.split(' ');
        if words.next() != Some(MAGIC) {
            return None;
        }
        let version = words.next()?.parse().ok()?;
        let length = words.next()?.parse().ok()?;
        let checksum = u128::from_str_radix(words.next()?, 16).ok()?;
        // One way to write each number: no sign, no leading zero, no upper case.
        let canonical = header_line(version, length, checksum).as_bytes() == &bytes[..=end];
        canonical.then_some(Self { version, length, checksum, body: &bytes[end + 1..] })
    }
}

fn header_line(version: u32, length: usize, checksum: u128) -> String {
    format!("{MAGIC} {version} {length} {checksum:032x}\n")
}
