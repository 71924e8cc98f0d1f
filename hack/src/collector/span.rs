//! A span as a test looks at it: ids as hex, values as JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One span, with the resource and the scope that it came with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Attributes of the program that made it.
    pub resource: BTreeMap<String, Value>,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// 32 hex digits.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// 16 hex digits; empty for a root.
    pub parent_id: String,
    /// As in the header.
    pub trace_state: String,
    /// Trace flags in the low byte; bits 8 and 9 say whether the parent is known to be remote, and is.
    pub flags: u32,
    /// What happened.
    pub name: String,
    /// `SERVER`, `CLIENT` or `INTERNAL`.
    pub kind: String,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// Nanoseconds since 1970.
    pub end: u64,
    /// Values by name.
    pub attributes: BTreeMap<String, Value>,
    /// In the order in which they were sent.
    pub events: Vec<Event>,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// What goes with the status.
    pub message: String,
}

/// Something that happened within a span.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub name: String,
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Values by name.
    pub attributes: BTreeMap<String, Value>,
}
