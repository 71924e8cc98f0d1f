//! Header and trailer fields as they were sent: in order, as spelled, repeated where repeated.
//!
//! The fields are ranges of one block of bytes, so that a head of any size is two allocations. There is no map and no
//! joined value. Names are compared without regard to case.

use bytes::Bytes;

use super::name::Known;

/// The fields of a head or of a trailer section.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    block: Bytes,
    fields: Vec<Field>,
}

/// A range of the block. Offsets fit: a block has at most [`super::limits::HEAD_MAX_BYTES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    known: Known,
    name: Span,
    value: Span,
}

impl Fields {
    /// Every field: its name as spelled and its value without the white space around it.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (field.name.of(&self.block), field.value.of(&self.block)))
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields of this name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |(candidate, _): &(&[u8], &[u8])| candidate.eq_ignore_ascii_case(name.as_bytes());
        self.iter().filter(same).map(|(_, value)| value)
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields with what they are to us.
    pub(in crate::http) fn known(&self) -> impl Iterator<Item = (Known, &[u8], &[u8])> {
        self.fields.iter().map(|field| (field.known, field.name.of(&self.block), field.value.of(&self.block)))
    }

    /// Copies `block` out of the read buffer, which is larger and wanted for the next message.
    /// `parsed` are slices of `block`.
    pub(super) fn copy(block: &[u8], parsed: &[httparse::Header<'_>]) -> Self {
        let field = |header: &httparse::Header<'_>| Field {
            known: Known::of(header.name.as_bytes()),
            name: Span::within(block, header.name.as_bytes()),
            value: Span::within(block, header.value),
        };
        Self { fields: parsed.iter().map(field).collect(), block: Bytes::copy_from_slice(block) }
    }

    /// How long the fields are on the wire, with the first line of their head.
    pub(in crate::http) fn block_len(&self) -> usize {
        self.block.len()
    }

    /// Everything that was copied, the first line included.
    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }
}

impl Span {
    /// Where `part` lies in `block`. A slice of something else becomes an empty range.
    pub(super) fn within(block: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr().addr().wrapping_sub(block.as_ptr().addr());
        match start.checked_add(part.len()) {
            Some(end) if end <= block.len() => Self { start: start as u32, end: end as u32 },
            _ => Self::default(),
        }
    }

    /// The range of `block`; empty if that is another, shorter block than the range was made for.
    pub(super) fn of(self, block: &[u8]) -> &[u8] {
        block.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The items of a comma-separated list, trimmed; empty ones too.
pub(in crate::http) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}
