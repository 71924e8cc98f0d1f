//! What clients may take and how long they are waited for, within bounds that the data plane has for its flags as well.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::policy::{byte_count, duration};
use crate::violation::{Reason, Violation};

/// How long the longest head of a request may be.
const REQUEST_HEAD_BYTES: std::ops::RangeInclusive<u64> = 1024..=64 * 1024;
/// The longest timeout.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// Bytes of a request's head.
pub(super) fn request_head_bytes(written: Option<&IntOrString>, found: &mut Vec<Violation>) -> Option<u64> {
    let text = match written? {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    };
    let read = byte_count::parse(&text).map_err(|bad| (Reason::Invalid, format!("`{text}` {bad}")));
    let in_range = read.and_then(|bytes| match REQUEST_HEAD_BYTES.contains(&bytes) {
        true => Ok(bytes),
        false => Err((Reason::OutOfRange, format!("`{text}` is not between 1Ki and 64Ki"))),
    });
    tell("limits.requestHeadBytes", in_range, found)
}

/// A timeout, of the field of this name.
pub(super) fn timeout(field: &str, written: Option<&String>, found: &mut Vec<Violation>) -> Option<Duration> {
    let text = written?;
    let read = duration::parse(text).map_err(|bad| (Reason::Invalid, format!("`{text}` {bad}")));
    let in_range = read.and_then(|timeout| match !timeout.is_zero() && timeout <= TIMEOUT_MAX {
        true => Ok(timeout),
        false => Err((Reason::OutOfRange, format!("`{text}` is not between 1ms and 1h"))),
    });
    tell(&format!("timeouts.{field}"), in_range, found)
}

fn tell<T>(field: &str, read: Result<T, (Reason, String)>, found: &mut Vec<Violation>) -> Option<T> {
    let told =
        |(reason, message)| found.push(Violation::new(format!("spec.dataplane.{field}"), reason, message));
    read.map_err(told).ok()
}
