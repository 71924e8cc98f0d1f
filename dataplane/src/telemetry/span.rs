//! From a passage to spans of OpenTelemetry: one SERVER span, and beside one another below it one CLIENT span for each
//! attempt (semantic conventions for HTTP, 1.42).
//!
//! Written in the encoding of OTLP at once. Going by the SDK's span and its exporter's messages costs more than the
//! proxying itself: see the decision on spans in docs/adr. Pure.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry_semantic_conventions::attribute as name;

use super::metrics::durations::known_method;
use super::passage::{Passage, Place, put_redacted};
use super::protobuf::{
    put_bytes, put_fixed32, put_fixed64, put_length, put_nested, put_number, put_text, varint_len,
};
use super::record::{Attempt, Pause};
use super::trace::{SAMPLED, SpanId, Trace};
use crate::http::h1::method::Method;
use crate::retry::decide::Ended;
use crate::retry::outcome::Failure;

/// Attributes for which there is no standard name.
pub mod own {
    /// Attempts made for the request.
    pub const ATTEMPTS: &str = "rebound.retry.attempts";
    /// Why there was no further attempt; in an event, why there was one.
    pub const REASON: &str = "rebound.retry.reason";
    /// Where the retry rules come from, as `namespace/name`.
    pub const POLICY: &str = "rebound.retry.policy";
    /// The number of the attempt that failed, from 1.
    pub const ATTEMPT: &str = "rebound.retry.attempt";
    /// The wait that followed, in milliseconds.
    pub const DELAY: &str = "rebound.retry.delay_ms";
    /// Who asked for the wait.
    pub const SOURCE: &str = "rebound.retry.source";
    /// The HTTPRoute, as `namespace/name`.
    pub const ROUTE: &str = "rebound.route";
    /// The port of the Service.
    pub const SERVICE_PORT: &str = "rebound.service.port";
    /// Every one of them.
    pub const ALL: [&str; 8] = [ATTEMPTS, REASON, POLICY, ATTEMPT, DELAY, SOURCE, ROUTE, SERVICE_PORT];
}

/// The event of a retry.
pub const RETRY_SCHEDULED: &str = "retry.scheduled";

/// Text of an attribute is cut after so many bytes: paths are as long as clients like.
pub const TEXT_MAX_BYTES: usize = 2048;

/// Room for the spans of a request without retries.
const ROOM_BYTES: usize = 1024;

/// `ScopeSpans.spans` of opentelemetry/proto/trace/v1/trace.proto.
const SPANS: u8 = 2;

/// Fields of `Span`.
mod field {
    pub(super) const TRACE_ID: u8 = 1;
    pub(super) const SPAN_ID: u8 = 2;
    pub(super) const TRACE_STATE: u8 = 3;
    pub(super) const PARENT_SPAN_ID: u8 = 4;
    pub(super) const NAME: u8 = 5;
    pub(super) const KIND: u8 = 6;
    pub(super) const START: u8 = 7;
    pub(super) const END: u8 = 8;
    pub(super) const ATTRIBUTES: u8 = 9;
    pub(super) const EVENTS: u8 = 11;
    pub(super) const STATUS: u8 = 15;
    pub(super) const FLAGS: u8 = 16;
}

/// Fields of `Span.Event`.
mod event_field {
    pub(super) const TIME: u8 = 1;
    pub(super) const NAME: u8 = 2;
    pub(super) const ATTRIBUTES: u8 = 3;
}

/// Fields of `AnyValue`.
mod value_field {
    pub(super) const TEXT: u8 = 1;
    pub(super) const NUMBER: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
}

const KIND_SERVER: u64 = 2;
const KIND_CLIENT: u64 = 3;
/// `Status.code`.
const STATUS_CODE: u8 = 3;
const STATUS_ERROR: u64 = 2;
/// It is known whether the parent is in another process.
const FLAG_HAS_REMOTE: u32 = 0x100;
/// It is.
const FLAG_IS_REMOTE: u32 = 0x200;

/// Appends the spans of a request, each as a field of `ScopeSpans`. Returns how many.
pub fn put_spans(passage: &Passage<'_>, trace: &Trace, out: &mut Vec<u8>) -> u64 {
    out.reserve(ROOM_BYTES);
    let state = trace_state(passage, trace);
    put_nested(SPANS, out, |out| put_server(passage, trace, state, out));
    let mut count = 1;
    for (resend, attempt) in (0..).zip(&passage.record.attempts) {
        if let Some(span) = attempt.span {
            put_nested(SPANS, out, |out| {
                put_ids(trace, span, Some(trace.span), FLAG_HAS_REMOTE, state, out);
                put_client(passage, attempt, resend, out);
            });
            count += 1;
        }
    }
    count
}

fn put_server(passage: &Passage<'_>, trace: &Trace, state: Option<&[u8]>, out: &mut Vec<u8>) {
    let remote = if trace.parent.is_some() { FLAG_IS_REMOTE } else { 0 };
    put_ids(trace, trace.span, trace.parent, FLAG_HAS_REMOTE | remote, state, out);
    let Passage { record, head, place, .. } = passage;
    put_what(passage, KIND_SERVER, out);
    put_times(passage.unix(record.started), passage.ended_unix, out);
    put_str(name::URL_SCHEME, "http", out);
    put_str(name::URL_PATH, head.path(), out);
    if let Some(query) = head.query() {
        put_attribute(name::URL_QUERY, out, |out| put_redacted(query, out));
    }
    put_str(name::SERVER_ADDRESS, head.host(), out);
    put_int(name::SERVER_PORT, u64::from(head.port().unwrap_or(passage.port)), out);
    put_attribute(name::CLIENT_ADDRESS, out, |out| put_address(passage.client, out));
    put_str(name::NETWORK_PROTOCOL_VERSION, head.version.number(), out);
    if let Some(place) = place {
        if let Some(template) = place.template(head.path()) {
            put_str(name::HTTP_ROUTE, template, out);
        }
        put_attribute(own::ROUTE, out, |out| put_text(place.route, out));
    }
    put_retries(passage, out);
    if let Some(status) = record.status {
        put_int(name::HTTP_RESPONSE_STATUS_CODE, u64::from(status), out);
        if status >= 500 {
            put_error(&error_type(passage), out);
        }
    }
    for (number, attempt) in (1..).zip(&record.attempts) {
        if let Some(pause) = attempt.pause {
            put_nested(field::EVENTS, out, |out| put_event(passage, number, attempt, pause, out));
        }
    }
}

fn put_client(passage: &Passage<'_>, attempt: &Attempt, resend: u64, out: &mut Vec<u8>) {
    put_what(passage, KIND_CLIENT, out);
    put_times(passage.unix(attempt.started), passage.unix(attempt.ended_at(passage.ended)), out);
    let (address, port) = (attempt.endpoint.ip(), attempt.endpoint.port());
    put_attribute(name::SERVER_ADDRESS, out, |out| put_address(address, out));
    put_int(name::SERVER_PORT, u64::from(port), out);
    put_attribute(name::URL_FULL, out, |out| put_url(passage, attempt, out));
    put_str(name::NETWORK_PROTOCOL_VERSION, "1.1", out);
    if resend > 0 {
        put_int(name::HTTP_REQUEST_RESEND_COUNT, resend, out);
    }
    if let Some(place) = &passage.place {
        put_target(place, passage.head.path(), out);
    }
    match attempt.ended() {
        Ended::Status { code, .. } => {
            put_int(name::HTTP_RESPONSE_STATUS_CODE, u64::from(code), out);
            if code >= 400 {
                put_error(&code, out);
            }
        }
        // Giving a request up is nobody's error.
        Ended::Failed(Failure::ClientGone) => {}
        Ended::Failed(failure) => put_error(&failure.name(), out),
    }
}

fn put_ids(
    trace: &Trace,
    span: SpanId,
    parent: Option<SpanId>,
    remote: u32,
    state: Option<&[u8]>,
    out: &mut Vec<u8>,
) {
    put_bytes(field::TRACE_ID, &trace.id.to_bytes(), out);
    put_bytes(field::SPAN_ID, &span.to_bytes(), out);
    if let Some(state) = state {
        put_bytes(field::TRACE_STATE, state, out);
    }
    if let Some(parent) = parent {
        put_bytes(field::PARENT_SPAN_ID, &parent.to_bytes(), out);
    }
    put_fixed32(field::FLAGS, u32::from(trace.flags) | remote, out);
}

/// Name, kind and method. A name holds the route's path and never the request's.
fn put_what(passage: &Passage<'_>, kind: u64, out: &mut Vec<u8>) {
    let method = match &passage.head.method {
        Method::Other(_) => "HTTP",
        known => known.as_str(),
    };
    let template = passage.place.as_ref().and_then(|place| place.template(passage.head.path()));
    match template {
        Some(template) => {
            put_length(field::NAME, method.len() + 1 + template.len(), out);
            [method, " ", template].iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        }
        None => put_bytes(field::NAME, method.as_bytes(), out),
    }
    put_number(field::KIND, kind, out);
    put_str(name::HTTP_REQUEST_METHOD, known_method(&passage.head.method), out);
    if let Method::Other(token) = &passage.head.method {
        put_str(name::HTTP_REQUEST_METHOD_ORIGINAL, token, out);
    }
}

fn put_times(start: Duration, end: Duration, out: &mut Vec<u8>) {
    put_fixed64(field::START, nanos(start), out);
    put_fixed64(field::END, nanos(end), out);
}

fn put_retries(passage: &Passage<'_>, out: &mut Vec<u8>) {
    put_int(own::ATTEMPTS, passage.record.attempts.len() as u64, out);
    if let Some(reason) = passage.record.reason {
        put_str(own::REASON, reason.name(), out);
    }
    if let Some(policy) = passage.place.and_then(|place| place.policy) {
        put_attribute(own::POLICY, out, |out| put_text(policy, out));
    }
}

/// The Service port that an attempt was for.
fn put_target(place: &Place<'_>, path: &str, out: &mut Vec<u8>) {
    let service = &place.service.service;
    put_str(name::SERVICE_PEER_NAMESPACE, service.namespace(), out);
    put_str(name::SERVICE_PEER_NAME, service.name(), out);
    put_int(own::SERVICE_PORT, u64::from(place.service.port), out);
    if let Some(template) = place.template(path) {
        put_str(name::URL_TEMPLATE, template, out);
    }
    if let Some(policy) = place.policy {
        put_attribute(own::POLICY, out, |out| put_text(policy, out));
    }
}

fn put_event(passage: &Passage<'_>, number: u64, attempt: &Attempt, pause: Pause, out: &mut Vec<u8>) {
    put_fixed64(event_field::TIME, nanos(passage.unix(attempt.ended_at(passage.ended))), out);
    put_bytes(event_field::NAME, RETRY_SCHEDULED.as_bytes(), out);
    let at = event_field::ATTRIBUTES;
    put_int_at(at, own::ATTEMPT, number, out);
    put_str_at(at, own::REASON, reason_of(attempt), out);
    put_str_at(at, own::SOURCE, pause.source.name(), out);
    put_float_at(at, own::DELAY, pause.delay.as_secs_f64() * 1e3, out);
}

/// Why an attempt was repeated.
fn reason_of(attempt: &Attempt) -> &'static str {
    match attempt.ended() {
        Ended::Status { .. } => "status",
        Ended::Failed(failure) => failure.name(),
    }
}

/// What a failed request is counted under: the last failure if there was no answer of a backend, else the status.
fn error_type(passage: &Passage<'_>) -> String {
    let last = passage.record.attempts.last().map(Attempt::ended);
    match (last, passage.record.status) {
        (Some(Ended::Failed(failure)), _) => failure.name().into(),
        (_, Some(status)) => status.to_string(),
        (_, None) => String::new(),
    }
}

fn put_error(kind: &dyn std::fmt::Display, out: &mut Vec<u8>) {
    put_attribute(name::ERROR_TYPE, out, |out| put_text(kind, out));
    put_length(field::STATUS, 2, out);
    put_number(STATUS_CODE, STATUS_ERROR, out);
}

fn put_url(passage: &Passage<'_>, attempt: &Attempt, out: &mut Vec<u8>) {
    out.extend_from_slice(b"http://");
    put_text(&attempt.endpoint, out);
    out.extend_from_slice(passage.head.path().as_bytes());
    if let Some(query) = passage.head.query() {
        out.push(b'?');
        put_redacted(query, out);
    }
}

fn put_address(address: IpAddr, out: &mut Vec<u8>) {
    put_text(&address.to_canonical(), out);
}

/// What other systems keep in the trace, as it came. Without a valid parent it is nobody's (Trace Context, 3.3).
fn trace_state<'a>(passage: &Passage<'a>, trace: &Trace) -> Option<&'a [u8]> {
    trace.parent?;
    let mut states = passage.head.fields.get_all("tracestate");
    let state = states.next()?;
    // Several fields would have to be joined; a proxy that only carries them need not.
    states.next().is_none().then_some(state).filter(|state| state.len() <= TEXT_MAX_BYTES && state.is_ascii())
}

fn put_str(key: &str, value: &str, out: &mut Vec<u8>) {
    put_str_at(field::ATTRIBUTES, key, value, out);
}

fn put_int(key: &str, value: u64, out: &mut Vec<u8>) {
    put_int_at(field::ATTRIBUTES, key, value, out);
}

fn put_str_at(at: u8, key: &str, value: &str, out: &mut Vec<u8>) {
    let value = cut(value);
    put_key_value(at, key, 1 + varint_len(value.len() as u64) + value.len(), out);
    put_bytes(value_field::TEXT, value.as_bytes(), out);
}

fn put_int_at(at: u8, key: &str, value: u64, out: &mut Vec<u8>) {
    put_key_value(at, key, 1 + varint_len(value), out);
    put_number(value_field::NUMBER, value, out);
}

fn put_float_at(at: u8, key: &str, value: f64, out: &mut Vec<u8>) {
    put_key_value(at, key, 1 + 8, out);
    put_fixed64(value_field::FLOAT, value.to_bits(), out);
}

/// A `KeyValue` up to the content of its value, which will be so long.
fn put_key_value(at: u8, key: &str, value_len: usize, out: &mut Vec<u8>) {
    let key_len = 1 + varint_len(key.len() as u64) + key.len();
    put_length(at, key_len + 1 + varint_len(value_len as u64) + value_len, out);
    put_bytes(1, key.as_bytes(), out);
    put_length(2, value_len, out);
}

/// An attribute whose text is known when `fill` has written it.
fn put_attribute(key: &str, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    put_nested(field::ATTRIBUTES, out, |out| {
        put_bytes(1, key.as_bytes(), out);
        put_nested(2, out, |out| {
            put_nested(value_field::TEXT, out, |out| {
                let start = out.len();
                fill(out);
                // What is put here is ASCII, or was a string before it was put together from parts.
                let text = std::str::from_utf8(&out[start..]).map_or(0, |text| cut(text).len());
                out.truncate(start + text);
            });
        });
    });
}

/// As much of the text as is told.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_MAX_BYTES)]
}

fn nanos(since: Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether the spans of a request leave the process: those of sampled traces do, and of the others those that somebody
/// will ask for.
pub fn is_kept(trace: &Trace, keep_remarkable: bool, remarkable: bool) -> bool {
    trace.flags & SAMPLED != 0 || (keep_remarkable && remarkable)
}
