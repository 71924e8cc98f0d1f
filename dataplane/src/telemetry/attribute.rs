//! Attributes in the encoding of OTLP. Names and most values are known when this is compiled or when a core starts; they
//! are encoded then, and copied for each span. Pure.

use super::protobuf::{FIXED64, LENGTH, put_bytes, put_length, put_varint, varint_len};

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

/// Lengths, and groups of a number, below this are one byte.
const SHORT_MAX: usize = 0x80;
/// The longest number.
const NUMBER_MAX_BYTES: usize = 10;
/// What an attribute has beside its name and the content of its value, where every length is one byte: the kind of field
/// and a byte more of the attribute, its key, its value and the content.
const AROUND_BYTES: usize = 8;

/// An attribute of a name, up to its value's content: encoded when this is compiled, but for what depends on the value.
#[derive(Debug, Clone, Copy)]
pub struct Key<const N: usize>([u8; N]);

/// The [`Key`] of a name.
macro_rules! key {
    ($name:expr) => {{
        const KEY: $crate::telemetry::attribute::Key<{ $crate::telemetry::attribute::key_len($name) }> =
            $crate::telemetry::attribute::Key::new($name);
        &KEY
    }};
}
pub(super) use key;

/// How long the [`Key`] of a name is.
pub const fn key_len(name: &str) -> usize {
    name.len() + AROUND_BYTES
}

impl<const N: usize> Key<N> {
    /// The key of a name of N - 8 bytes. Does not compile with a name beside which a number has no room.
    pub const fn new(name: &str) -> Self {
        assert!(N == key_len(name) && N + NUMBER_MAX_BYTES < SHORT_MAX);
        let mut out = [0; N];
        out[2] = field::KEY << 3 | LENGTH;
        out[3] = name.len() as u8;
        let mut at = 0;
        while at < name.len() {
            out[at + 4] = name.as_bytes()[at];
            at += 1;
        }
        out[N - 4] = field::VALUE << 3 | LENGTH;
        Self(out)
    }

    /// `KeyValue.key`.
    fn encoded(&self) -> &[u8] {
        &self.0[2..N - 4]
    }

    /// An attribute up to the byte behind the kind of its value, which is `first`: a length, or the first of a number.
    /// `rest` bytes follow it. The length of the whole must fit into one byte.
    fn head(&self, of: u8, kind: u8, first: u8, rest: usize) -> [u8; N] {
        let mut head = self.0;
        head[0] = of << 3 | LENGTH;
        head[1] = (N - 2 + rest) as u8;
        head[N - 3] = (2 + rest) as u8;
        head[N - 2] = kind;
        head[N - 1] = first;
        head
    }
}

/// Appends an attribute that is text, in parts that together are UTF-8.
#[expect(clippy::needless_pass_by_value, reason = "so that callers write the parts in place")]
pub fn put_text<const N: usize, const PARTS: usize>(
    of: u8,
    key: &Key<N>,
    parts: [impl AsRef<[u8]>; PARTS],
    out: &mut Vec<u8>,
) {
    let parts = parts.each_ref().map(AsRef::as_ref);
    let length = parts.iter().map(|part| part.len()).sum();
    if length > TEXT_MAX_BYTES {
        return put_text(of, key, [cut(&parts.concat())], out);
    }
    if N + length < SHORT_MAX {
        out.extend_from_slice(&key.head(of, field::TEXT << 3 | LENGTH, length as u8, length));
    } else {
        put_long_head(of, key.encoded(), length, out);
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends an attribute that is a number.
pub fn put_int<const N: usize>(of: u8, key: &Key<N>, value: u64, out: &mut Vec<u8>) {
    let (first, rest) = (value as u8 & 0x7f, value >> 7);
    if rest == 0 {
        return out.extend_from_slice(&key.head(of, field::NUMBER << 3, first, 0));
    }
    out.extend_from_slice(&key.head(of, field::NUMBER << 3, first | 0x80, varint_len(rest)));
    put_varint(rest, out);
}

/// Appends an attribute that is a number with a fraction.
pub fn put_float<const N: usize>(of: u8, key: &Key<N>, value: f64, out: &mut Vec<u8>) {
    let [first, rest @ ..] = value.to_bits().to_le_bytes();
    out.extend_from_slice(&key.head(of, field::FLOAT << 3 | FIXED64, first, rest.len()));
    out.extend_from_slice(&rest);
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

/// An attribute up to its text, where that is too long for [`Key::head`].
fn put_long_head(of: u8, key: &[u8], length: usize, out: &mut Vec<u8>) {
    let value_len = 1 + varint_len(length as u64) + length;
    put_length(of, key.len() + 1 + varint_len(value_len as u64) + value_len, out);
    out.extend_from_slice(key);
    put_length(field::VALUE, value_len, out);
    put_length(field::TEXT, length, out);
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

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn read(put: impl FnOnce(&mut Vec<u8>)) -> Vec<(String, Option<Value>)> {
        let mut out = Vec::new();
        put(&mut out);
        let span = Span::decode(&out[..]).unwrap();
        let read = span.attributes.into_iter().map(|it| (it.key, it.value.and_then(|value| value.value)));
        read.collect()
    }

    #[test]
    fn texts_of_every_length_are_read_as_they_were_written() {
        for length in 0..300 {
            let text = "a".repeat(length);
            let (left, right) = text.split_at(length / 2);
            let read = read(|out| put_text(OF_SPAN, key!("a.name"), [left, right], out));
            assert_eq!(read, [("a.name".to_owned(), Some(Value::StringValue(text.clone())))]);
        }
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(
            number in prop_oneof![0..=i64::MAX, 0..100_000_i64],
            float in any::<f64>().prop_filter("equal to itself", |it| !it.is_nan()),
        ) {
            let read = read(|out| {
                put_int(OF_SPAN, key!("a.name"), number as u64, out);
                put_float(OF_SPAN, key!("a.name"), float, out);
            });
            let expected = [Value::IntValue(number), Value::DoubleValue(float)];
            prop_assert_eq!(read, expected.map(|value| ("a.name".to_owned(), Some(value))));
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let read =
            read(|out| put_text(OF_SPAN, key!("a.name"), ["a".into(), "é".repeat(TEXT_MAX_BYTES)], out));
        let expected = Value::StringValue(format!("a{}", "é".repeat(TEXT_MAX_BYTES / 2 - 1)));
        assert_eq!(read, [("a.name".to_owned(), Some(expected))]);
    }
}
