//! The header edits of routes. They change end-to-end fields only: framing, fields of the connection, `Host`, `Expect`
//! and the attempt number are out of their reach.

use bytes::BytesMut;
use rebound_api::config::route::{HeaderEdits, HeaderValue};

use super::super::h1::Known;
use super::super::h1::encode::put_field;

/// Edits that are carried out one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edits<'a>(pub(super) &'a [&'a HeaderEdits]);

impl Edits<'_> {
    /// Whether a field that is there before the edits is there after them.
    pub(super) fn keep(self, name: &[u8]) -> bool {
        !self.0.iter().any(|edit| removes(edit, name))
    }

    /// Writes a field that is there before the edits, unless they take it away.
    pub(super) fn put(self, name: &[u8], value: &[u8], out: &mut BytesMut) {
        if self.keep(name) {
            put_field(name, value, out);
        }
    }

    /// Writes the fields that the edits bring, unless a later one takes them away.
    pub(super) fn put_own(self, out: &mut BytesMut) {
        for (index, edit) in self.0.iter().enumerate() {
            let later = Edits(&self.0[index + 1..]);
            for (position, field) in edit.set.iter().enumerate() {
                let replaced =
                    edit.set[position + 1..].iter().any(|other| is_same(other, field.name.as_bytes()));
                if !replaced {
                    later.put_editable(field, out);
                }
            }
            for field in &edit.add {
                later.put_editable(field, out);
            }
        }
    }

    fn put_editable(self, field: &HeaderValue, out: &mut BytesMut) {
        if is_editable(field.name.as_bytes()) {
            self.put(field.name.as_bytes(), field.value.as_bytes(), out);
        }
    }
}

fn removes(edit: &HeaderEdits, name: &[u8]) -> bool {
    edit.remove.iter().any(|removed| removed.as_bytes().eq_ignore_ascii_case(name))
        || edit.set.iter().any(|set| is_same(set, name))
}

fn is_same(field: &HeaderValue, name: &[u8]) -> bool {
    field.name.as_bytes().eq_ignore_ascii_case(name)
}

fn is_editable(name: &[u8]) -> bool {
    let known = Known::of(name);
    !known.is_per_hop() && !matches!(known, Known::Attempt | Known::Expect | Known::Host)
}
