//! As much of the Protocol Buffers encoding as spans need, written straight into the buffer that is sent.
//!
//! A message is the concatenation of its fields, so spans that were encoded apart are joined by putting them one behind
//! the other. Pure.

/// Lengths that are not known beforehand get this room, which holds 2 MiB - 1: a varint may be longer than it needs to be.
const LENGTH_BYTES: usize = 3;

/// The kind of a field that is a varint.
const VARINT: u8 = 0;
/// The kind of a field of eight bytes.
pub const FIXED64: u8 = 1;
/// The kind of a field of a length and so many bytes.
pub const LENGTH: u8 = 2;
/// The kind of a field of four bytes.
pub const FIXED32: u8 = 5;

/// Appends a number in 7-bit groups, the lowest first.
pub fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How long [`put_varint`] is.
pub fn varint_len(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a field of a small number, such as an enum's.
pub fn put_number(field: u8, number: u64, out: &mut Vec<u8>) {
    out.push(field << 3 | VARINT);
    put_varint(number, out);
}

/// Appends a field of eight bytes.
pub fn put_fixed64(field: u8, number: u64, out: &mut Vec<u8>) {
    let mut bytes = [field << 3 | FIXED64, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&bytes);
}

/// Appends a field of bytes or of text.
pub fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    put_length(field, bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// Appends the beginning of a field of so many bytes.
pub fn put_length(field: u8, length: usize, out: &mut Vec<u8>) {
    put_key(field, LENGTH, out);
    put_varint(length as u64, out);
}

/// Appends a field whose length is known when `fill` has written it.
pub fn put_nested(field: u8, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    put_key(field, LENGTH, out);
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let start = out.len();
    fill(out);
    let length = out.len() - start;
    let groups = [length | 0x80, length >> 7 | 0x80, length >> 14 & 0x7f];
    out[start - LENGTH_BYTES..start].copy_from_slice(&groups.map(|group| group as u8));
}

/// Field numbers up to 15 take one byte; there are no others here.
fn put_key(field: u8, kind: u8, out: &mut Vec<u8>) {
    out.push(field << 3 | kind);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn varints_are_those_of_prost(number: u64) {
            let mut out = Vec::new();
            put_varint(number, &mut out);
            let mut theirs = Vec::new();
            prost::encoding::encode_varint(number, &mut theirs);
            prop_assert_eq!(varint_len(number), out.len());
            prop_assert_eq!(out, theirs);
        }

        #[test]
        fn a_nested_message_has_the_length_that_it_turns_out_to_have(content in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let mut out = Vec::new();
            put_nested(2, &mut out, |out| out.extend_from_slice(&content));
            let mut rest = &out[1..];
            prop_assert_eq!(prost::encoding::decode_varint(&mut rest).unwrap(), content.len() as u64);
            prop_assert_eq!(rest, &content);
        }
    }
}
