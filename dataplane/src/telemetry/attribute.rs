//! Attributes in the encoding of OTLP. Names and most values are known when this is compiled or when a core starts; they
//! are encoded then, and copied for each span. Pure.

use super::protobuf::{put_bytes, put_fixed64, put_length, put_number, varint_len};

/// Text of an attribute is cut after so many bytes: paths are as long as clients like.
pub const TEXT_MAX_BYTES: usize = 2048;

/// `Span.attributes`.
pub const OF_SPAN: u8 = 9;
/// `Span.Event.attributes`.
pub const OF_EVENT: u8 = 3;

/// Fields of `KeyValue` and of `AnyValue`.
mod field {
    pub(super) const KEY: u8 = 1;
    pub(super) const VALUE: u8 = 2;
    pub(super) const TEXT: u8 = 1;
    pub(super) const NUMBER: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
}

/// The kind of a field with a length.
const LENGTH: u8 = 2;
/// Lengths below this are one byte.
const SHORT_MAX: usize = 0x80;

/// The name of an attribute, as the key of a `KeyValue`.
#[derive(Debug, Clone, Copy)]
pub struct Key(&'static [u8]);

/// A [`Key`] that is encoded when this is compiled.
macro_rules! key {
    ($name:expr) => {{
        const ENCODED: [u8; $name.len() + 2] = $crate::telemetry::attribute::encoded($name);
        $crate::telemetry::attribute::Key::new(&ENCODED)
    }};
}
pub(super) use key;

impl Key {
    /// What [`encoded`] made.
    pub const fn new(encoded: &'static [u8]) -> Self {
        Self(encoded)
    }
}

/// `KeyValue.key`. Does not compile with a name that is longer than one byte of length can tell.
pub const fn encoded<const N: usize>(name: &str) -> [u8; N] {
    assert!(N == name.len() + 2 && name.len() < SHORT_MAX);
    let mut out = [0; N];
    out[0] = field::KEY << 3 | LENGTH;
    out[1] = name.len() as u8;
    let mut at = 0;
    while at < name.len() {
        out[at + 2] = name.as_bytes()[at];
        at += 1;
    }
    out
}

/// Appends an attribute that is text, in parts that together are UTF-8.
#[expect(clippy::needless_pass_by_value, reason = "so that callers write the parts in place")]
pub fn put_text<const PARTS: usize>(of: u8, key: Key, parts: [impl AsRef<[u8]>; PARTS], out: &mut Vec<u8>) {
    let parts = parts.each_ref().map(AsRef::as_ref);
    let length = parts.iter().map(|part| part.len()).sum();
    if length > TEXT_MAX_BYTES {
        return put_text(of, key, [cut(&parts.concat())], out);
    }
    put_head(of, key, length, out);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends an attribute that is a number.
pub fn put_int(of: u8, key: Key, value: u64, out: &mut Vec<u8>) {
    put_key(of, key, 1 + varint_len(value), out);
    put_number(field::NUMBER, value, out);
}

/// Appends an attribute that is a number with a fraction.
pub fn put_float(of: u8, key: Key, value: f64, out: &mut Vec<u8>) {
    put_key(of, key, 1 + 8, out);
    put_fixed64(field::FLOAT, value.to_bits(), out);
}

/// Appends an attribute of a resource, whose name is not known beforehand.
pub fn put_pair(of: u8, name: &str, value: &str, out: &mut Vec<u8>) {
    let (name, value) = (cut(name.as_bytes()), cut(value.as_bytes()));
    let inner = 1 + varint_len(value.len() as u64) + value.len();
    let key = 1 + varint_len(name.len() as u64) + name.len();
    put_length(of, key + 1 + varint_len(inner as u64) + inner, out);
    put_bytes(field::KEY, name, out);
    put_length(field::VALUE, inner, out);
    put_bytes(field::TEXT, value, out);
}

/// Everything of an attribute that is text but the text, which is so long.
fn put_head(of: u8, Key(key): Key, length: usize, out: &mut Vec<u8>) {
    let whole = key.len() + 4 + length;
    if whole >= SHORT_MAX {
        put_key(of, Key(key), 1 + varint_len(length as u64) + length, out);
        return put_length(field::TEXT, length, out);
    }
    let tag = |field: u8| field << 3 | LENGTH;
    out.extend_from_slice(&[tag(of), whole as u8]);
    out.extend_from_slice(key);
    out.extend_from_slice(&[tag(field::VALUE), length as u8 + 2, tag(field::TEXT), length as u8]);
}

/// A `KeyValue` up to the content of its value, which is so long.
fn put_key(of: u8, Key(key): Key, value_len: usize, out: &mut Vec<u8>) {
    put_length(of, key.len() + 1 + varint_len(value_len as u64) + value_len, out);
    out.extend_from_slice(key);
    put_length(field::VALUE, value_len, out);
}

/// As much of the text as is told: whole characters.
fn cut(text: &[u8]) -> &[u8] {
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut end = text.len().min(TEXT_MAX_BYTES);
    while is_inside(end) {
        end -= 1;
    }
    &text[..end]
}
