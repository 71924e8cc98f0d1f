//! From a passage to spans of OpenTelemetry: one SERVER span, and beside one another below it one CLIENT span for each
//! attempt (semantic conventions for HTTP, 1.42).
//!
//! Written in the encoding of OTLP at once. Going by the SDK's span and its exporter's messages costs more than the
//! proxying itself: see the decision on spans in docs/adr. Pure.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_semantic_conventions::attribute as name;
use rebound_api::name::ObjectKey;

use super::address::AddressText;
use super::attribute::{Key, OF_EVENT, OF_SPAN, key, put_float, put_int, put_parts, put_str};
use super::metrics::durations::known_method;
use super::passage::{Passage, Place, put_redacted};
use super::protobuf::{put_bytes, put_fixed64, put_length, put_nested, put_number};
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
    pub(super) const EVENTS: u8 = 11;
    pub(super) const STATUS: u8 = 15;
    pub(super) const FLAGS: u8 = 16;
}

/// Fields of `Span.Event`.
mod event_field {
    pub(super) const TIME: u8 = 1;
    pub(super) const NAME: u8 = 2;
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
/// The longest `tracestate` that is kept in spans; what attempts send is not cut.
const TRACE_STATE_MAX_BYTES: usize = 512;

/// Appends the spans of a request, each as a field of `ScopeSpans`. Returns how many.
pub fn put_spans(passage: &Passage<'_>, trace: &Trace, out: &mut Vec<u8>) -> u64 {
    out.reserve(ROOM_BYTES);
    let state = trace_state(passage, trace);
    put_nested(SPANS, out, |out| put_server(passage, trace, state, out));
    let mut count = 1;
    for (resend, attempt) in (0..).zip(&passage.record.attempts) {
        if let Some(span) = attempt.span {
            put_nested(SPANS, out, |out| {
                put_ids(trace, span, Some(trace.span), FLAG_HAS_REMOTE, out);
                put_state(state, out);
                put_client(passage, attempt, resend, out);
            });
            count += 1;
        }
    }
    count
}

/// Whether the spans of a request leave the process: those of sampled traces do, and of the others those that somebody
/// will ask for.
pub fn is_kept(trace: &Trace, keep_remarkable: bool, remarkable: bool) -> bool {
    trace.flags & SAMPLED != 0 || (keep_remarkable && remarkable)
}

fn put_server(passage: &Passage<'_>, trace: &Trace, state: Option<&[u8]>, out: &mut Vec<u8>) {
    let remote = if trace.parent.is_some() { FLAG_IS_REMOTE } else { 0 };
    put_ids(trace, trace.span, trace.parent, FLAG_HAS_REMOTE | remote, out);
    put_state(state, out);
    let Passage { record, head, place, .. } = passage;
    let template = place.as_ref().and_then(|place| place.template(head.path()));
    put_name(span_method(&head.method), template, out);
    put_number(field::KIND, KIND_SERVER, out);
    put_times(passage.unix(record.started), passage.ended_unix, out);
    put_method(&head.method, out);
    put_attribute(key!(name::URL_SCHEME), "http", out);
    put_attribute(key!(name::URL_PATH), head.path(), out);
    if let Some(query) = head.query() {
        put_attribute(key!(name::URL_QUERY), &redacted(query), out);
    }
    put_attribute(key!(name::SERVER_ADDRESS), head.host(), out);
    put_count(key!(name::SERVER_PORT), u64::from(head.port().unwrap_or(passage.port)), out);
    let client = AddressText::new(SocketAddr::new(passage.client, 0));
    put_attribute(key!(name::CLIENT_ADDRESS), client.ip(), out);
    put_attribute(key!(name::NETWORK_PROTOCOL_VERSION), head.version.number(), out);
    if let Some(template) = template {
        put_attribute(key!(name::HTTP_ROUTE), template, out);
    }
    if let Some(place) = place {
        put_object(key!(own::ROUTE), place.route, out);
    }
    put_retries(passage, out);
    if let Some(status) = record.status {
        put_count(key!(name::HTTP_RESPONSE_STATUS_CODE), u64::from(status), out);
        if status >= 500 {
            put_error(&error_type(passage, status), out);
        }
    }
    for (number, attempt) in (1..).zip(&record.attempts) {
        if let Some(pause) = attempt.pause {
            put_nested(field::EVENTS, out, |out| put_event(passage, number, attempt, pause, out));
        }
    }
}

fn put_client(passage: &Passage<'_>, attempt: &Attempt, resend: u64, out: &mut Vec<u8>) {
    put_name(span_method(&passage.head.method), None, out);
    put_number(field::KIND, KIND_CLIENT, out);
    put_times(passage.unix(attempt.started), passage.unix(attempt.ended_at(passage.ended)), out);
    put_method(&passage.head.method, out);
    let address = AddressText::new(attempt.endpoint);
    put_attribute(key!(name::SERVER_ADDRESS), address.ip(), out);
    put_count(key!(name::SERVER_PORT), u64::from(attempt.endpoint.port()), out);
    put_url(passage, address.as_str(), out);
    put_attribute(key!(name::NETWORK_PROTOCOL_VERSION), "1.1", out);
    if resend > 0 {
        put_count(key!(name::HTTP_REQUEST_RESEND_COUNT), resend, out);
    }
    if let Some(place) = &passage.place {
        put_target(place, passage.head.path(), out);
    }
    match attempt.ended() {
        Ended::Status { code, .. } => {
            put_count(key!(name::HTTP_RESPONSE_STATUS_CODE), u64::from(code), out);
            if code >= 400 {
                put_error(&code.to_string(), out);
            }
        }
        // Giving a request up is nobody's error.
        Ended::Failed(Failure::ClientGone) => {}
        Ended::Failed(failure) => put_error(failure.name(), out),
    }
}

/// Of fixed length, so put together on the stack.
fn put_ids(trace: &Trace, span: SpanId, parent: Option<SpanId>, remote: u32, out: &mut Vec<u8>) {
    const LENGTH: u8 = 2;
    const FIXED32: u8 = 5;
    let mut ids = [0; 28];
    ids[..2].copy_from_slice(&[field::TRACE_ID << 3 | LENGTH, 16]);
    ids[2..18].copy_from_slice(&trace.id.to_bytes());
    ids[18..20].copy_from_slice(&[field::SPAN_ID << 3 | LENGTH, 8]);
    ids[20..].copy_from_slice(&span.to_bytes());
    out.extend_from_slice(&ids);
    if let Some(parent) = parent {
        let mut id = [field::PARENT_SPAN_ID << 3 | LENGTH, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        id[2..].copy_from_slice(&parent.to_bytes());
        out.extend_from_slice(&id);
    }
    // A field number of 16 takes two bytes.
    let [a, b, c, d] = (u32::from(trace.flags) | remote).to_le_bytes();
    out.extend_from_slice(&[(field::FLAGS << 3 & 0x7f) | FIXED32 | 0x80, field::FLAGS >> 4, a, b, c, d]);
}

fn put_state(state: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(state) = state {
        put_bytes(field::TRACE_STATE, state, out);
    }
}

/// A name holds the route's path and never the request's.
fn put_name(method: &str, template: Option<&str>, out: &mut Vec<u8>) {
    match template {
        Some(template) => {
            put_length(field::NAME, method.len() + 1 + template.len(), out);
            out.extend_from_slice(method.as_bytes());
            out.push(b' ');
            out.extend_from_slice(template.as_bytes());
        }
        None => put_bytes(field::NAME, method.as_bytes(), out),
    }
}

fn span_method(method: &Method) -> &str {
    match method {
        Method::Other(_) => "HTTP",
        known => known.as_str(),
    }
}

fn put_times(start: Duration, end: Duration, out: &mut Vec<u8>) {
    put_fixed64(field::START, nanos(start), out);
    put_fixed64(field::END, nanos(end), out);
}

fn put_method(method: &Method, out: &mut Vec<u8>) {
    put_attribute(key!(name::HTTP_REQUEST_METHOD), known_method(method), out);
    if let Method::Other(token) = method {
        put_attribute(key!(name::HTTP_REQUEST_METHOD_ORIGINAL), token, out);
    }
}

fn put_retries(passage: &Passage<'_>, out: &mut Vec<u8>) {
    put_count(key!(own::ATTEMPTS), passage.record.attempts.len() as u64, out);
    if let Some(reason) = passage.record.reason {
        put_attribute(key!(own::REASON), reason.name(), out);
    }
    if let Some(policy) = passage.place.and_then(|place| place.policy) {
        put_object(key!(own::POLICY), policy, out);
    }
}

/// The Service port that an attempt was for.
fn put_target(place: &Place<'_>, path: &str, out: &mut Vec<u8>) {
    let service = &place.service.service;
    put_attribute(key!(name::SERVICE_PEER_NAMESPACE), service.namespace(), out);
    put_attribute(key!(name::SERVICE_PEER_NAME), service.name(), out);
    put_count(key!(own::SERVICE_PORT), u64::from(place.service.port), out);
    if let Some(template) = place.template(path) {
        put_attribute(key!(name::URL_TEMPLATE), template, out);
    }
    if let Some(policy) = place.policy {
        put_object(key!(own::POLICY), policy, out);
    }
}

fn put_event(passage: &Passage<'_>, number: u64, attempt: &Attempt, pause: Pause, out: &mut Vec<u8>) {
    put_fixed64(event_field::TIME, nanos(passage.unix(attempt.ended_at(passage.ended))), out);
    put_bytes(event_field::NAME, RETRY_SCHEDULED.as_bytes(), out);
    put_int(OF_EVENT, key!(own::ATTEMPT), number, out);
    put_str(OF_EVENT, key!(own::REASON), reason_of(attempt), out);
    put_str(OF_EVENT, key!(own::SOURCE), pause.source.name(), out);
    put_float(OF_EVENT, key!(own::DELAY), pause.delay.as_secs_f64() * 1e3, out);
}

/// Why an attempt was repeated.
fn reason_of(attempt: &Attempt) -> &'static str {
    match attempt.ended() {
        Ended::Status { .. } => "status",
        Ended::Failed(failure) => failure.name(),
    }
}

/// What a failed request is counted under: the last failure if there was no answer of a backend, else the status.
fn error_type(passage: &Passage<'_>, status: u16) -> String {
    match passage.record.attempts.last().map(Attempt::ended) {
        Some(Ended::Failed(failure)) => failure.name().into(),
        Some(Ended::Status { .. }) | None => status.to_string(),
    }
}

fn put_error(kind: &str, out: &mut Vec<u8>) {
    put_attribute(key!(name::ERROR_TYPE), kind, out);
    put_length(field::STATUS, 2, out);
    put_number(STATUS_CODE, STATUS_ERROR, out);
}

fn put_url(passage: &Passage<'_>, authority: &str, out: &mut Vec<u8>) {
    let (key, path) = (key!(name::URL_FULL), passage.head.path());
    match passage.head.query() {
        None => put_parts(OF_SPAN, key, &["http://", authority, path], out),
        Some(query) => put_parts(OF_SPAN, key, &["http://", authority, path, "?", &redacted(query)], out),
    }
}

fn redacted(query: &str) -> String {
    let mut text = String::new();
    put_redacted(query, &mut text);
    text
}

/// What other systems keep in the trace, as it came. Without a valid parent it is nobody's (Trace Context, 3.3).
fn trace_state<'a>(passage: &Passage<'a>, trace: &Trace) -> Option<&'a [u8]> {
    trace.parent?;
    let mut states = passage.head.fields.get_all("tracestate");
    let state = states.next()?;
    // Several fields would have to be joined; a proxy that only carries them need not.
    let alone = states.next().is_none();
    Some(state).filter(|state| alone && state.len() <= TRACE_STATE_MAX_BYTES && state.is_ascii())
}

fn put_attribute(key: Key, value: &str, out: &mut Vec<u8>) {
    put_str(OF_SPAN, key, value, out);
}

fn put_count(key: Key, value: u64, out: &mut Vec<u8>) {
    put_int(OF_SPAN, key, value, out);
}

fn put_object(key: Key, object: &ObjectKey, out: &mut Vec<u8>) {
    put_parts(OF_SPAN, key, &[object.namespace(), "/", object.name()], out);
}

fn nanos(since: Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
