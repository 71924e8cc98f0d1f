//! Fields that a sender declares to belong to the connection, by listing them in `Connection`.
//!
//! Anybody can list anything, so a list must not be able to strip what backends rely on: only fields that mean nothing
//! to this proxy and are not protected below go.

use super::super::h1::Known;
use super::super::h1::fields::{Fields, list};

/// Never stripped on a sender's word: who asks, for what, within which transaction. In addition to all of [`Known`].
const PROTECTED: [&str; 20] = [
    "authorization",
    "baggage",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "early-data",
    "etag",
    "forwarded",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "location",
    "origin",
    "proxy-authorization",
    "range",
    "set-cookie",
    "x-request-id",
];
/// Families that are protected whole.
const PROTECTED_PREFIXES: [&[u8]; 2] = [b"x-forwarded-", b"x-rebound-"];

/// The fields that `Connection` lists.
pub(super) struct Nominated<'a> {
    fields: &'a Fields,
    any: bool,
}

impl<'a> Nominated<'a> {
    /// The common `keep-alive` and `close` nominate nothing, so most heads need no search.
    pub(super) fn by(fields: &'a Fields) -> Self {
        let is_name = |option: &[u8]| {
            !option.is_empty()
                && !option.eq_ignore_ascii_case(b"close")
                && !option.eq_ignore_ascii_case(b"keep-alive")
        };
        Self { fields, any: options(fields).any(is_name) }
    }

    /// Whether the field goes.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.any
            && !is_protected(name)
            && options(self.fields).any(|option| option.eq_ignore_ascii_case(name))
    }
}

fn options(fields: &Fields) -> impl Iterator<Item = &[u8]> {
    fields.known().filter(|(known, ..)| *known == Known::Connection).flat_map(|(_, _, value)| list(value))
}

fn is_protected(name: &[u8]) -> bool {
    let starts =
        |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    Known::of(name) != Known::Other
        || PROTECTED_PREFIXES.into_iter().any(starts)
        || PROTECTED.iter().any(|protected| protected.as_bytes().eq_ignore_ascii_case(name))
}
