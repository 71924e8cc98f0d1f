//! zlib (RFC 1950) in memory.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What the output grows by at least.
const GROWTH_MIN_BYTES: usize = 4096;

/// Why bytes do not decompress.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// Not zlib, or damaged.
    #[error("is not zlib")]
    Zlib,
    /// The end is missing.
    #[error("is cut off")]
    CutOff,
    /// Something stands behind the end.
    #[error("has something behind its end")]
    Trailing,
    /// The content would be larger than this.
    #[error("decompresses to more than {0} bytes")]
    TooLarge(usize),
}

/// Fast rather than small: a shard is compressed for every change of it.
pub(super) fn deflate(text: &[u8]) -> Vec<u8> {
    let mut zlib = Compress::new(Compression::fast(), true);
    let mut part = Vec::with_capacity(text.len() / 8 + GROWTH_MIN_BYTES);
    loop {
        let rest = &text[position(zlib.total_in())..];
        // An error speaks of a stream that is used after its end, and this is the only use.
        match zlib.compress_vec(rest, &mut part, FlushCompress::Finish) {
            Ok(Status::StreamEnd) | Err(_) => return part,
            Ok(Status::Ok | Status::BufError) => part.reserve(part.len().max(GROWTH_MIN_BYTES)),
        }
    }
}

/// Decompresses at most `max` bytes, whatever the part says.
pub(super) fn inflate(part: &[u8], max: usize) -> Result<Vec<u8>, PartError> {
    let mut zlib = Decompress::new(true);
    let mut text = Vec::new();
    loop {
        let growth = text.len().max(part.len()).max(GROWTH_MIN_BYTES);
        // One byte more than is allowed shows that it is too much.
        text.reserve_exact(growth.min(max.saturating_add(1).saturating_sub(text.len())));
        let before = (zlib.total_in(), zlib.total_out());
        let rest = &part[position(zlib.total_in())..];
        let status = zlib.decompress_vec(rest, &mut text, FlushDecompress::None);
        if text.len() > max {
            return Err(PartError::TooLarge(max));
        }
        match status {
            Err(_) => return Err(PartError::Zlib),
            Ok(Status::StreamEnd) if position(zlib.total_in()) == part.len() => return Ok(text),
            Ok(Status::StreamEnd) => return Err(PartError::Trailing),
            Ok(_) if before == (zlib.total_in(), zlib.total_out()) => return Err(PartError::CutOff),
            Ok(Status::Ok | Status::BufError) => {}
        }
    }
}

/// A count of bytes that are in memory.
fn position(total: u64) -> usize {
    usize::try_from(total).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bomb_is_stopped_at_the_bound() {
        let part = deflate(&vec![b' '; 8 << 20]);
        assert!(part.len() < 64 << 10, "{}", part.len());
        assert_eq!(inflate(&part, 1 << 20), Err(PartError::TooLarge(1 << 20)));
        assert_eq!(inflate(&part, (8 << 20) - 1), Err(PartError::TooLarge((8 << 20) - 1)));
        assert_eq!(inflate(&part, 8 << 20).map(|text| text.len()), Ok(8 << 20));
    }

    #[test]
    fn what_is_cut_off_or_longer_is_refused() {
        let mut part = deflate(br#"[{"name":"default/a","rules":[]}]"#);
        for end in 0..part.len() {
            assert_eq!(inflate(&part[..end], 1 << 20), Err(PartError::CutOff), "{end}");
        }
        part.push(0);
        assert_eq!(inflate(&part, 1 << 20), Err(PartError::Trailing));
    }

    proptest! {
        #[test]
        fn bytes_come_back(text: Vec<u8>) {
            prop_assert_eq!(inflate(&deflate(&text), text.len()), Ok(text));
        }

        #[test]
        fn nothing_panics(part: Vec<u8>) {
            prop_assert!(inflate(&part, 1 << 20).is_err() || part.len() >= 8);
        }
    }
}
