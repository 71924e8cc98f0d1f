//! Bodies of any size that nobody has to hold in memory: made piece by piece, compared by digest.

use std::hash::{DefaultHasher, Hasher};

const PIECE: usize = 64 * 1024;

/// So many bytes that look random; equal lengths give equal bytes.
pub fn pieces(length: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut dice = fastrand::Rng::with_seed(length as u64);
    let block: Vec<u8> = std::iter::repeat_with(|| dice.u8(..)).take(PIECE).collect();
    (0..length.div_ceil(PIECE)).map(move |index| {
        // Each piece begins elsewhere, so that a lost or swapped piece shows.
        let mut piece = block.clone();
        piece.rotate_left(index % PIECE);
        piece.truncate(length - index * PIECE);
        piece
    })
}

/// What identifies a body: its length and a digest of its bytes, as text.
#[derive(Default)]
pub struct Digest {
    hasher: DefaultHasher,
    length: u64,
}

impl Digest {
    pub fn of(pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
        let mut digest = Self::default();
        pieces.into_iter().for_each(|piece| digest.add(&piece));
        digest.finish()
    }

    /// However the bytes are cut into pieces, the digest is the same.
    pub fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.write(bytes);
    }

    pub fn finish(self) -> String {
        format!("{} bytes, digest {:016x}", self.length, self.hasher.finish())
    }
}

/// One piece as a chunk.
pub fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
