//! From a passage to spans of OpenTelemetry: one SERVER span, and beside one another below it one CLIENT span for each
//! attempt (semantic conventions for HTTP, 1.42).
//!
//! Written in the encoding of OTLP at once. Going by the SDK's span and its exporter's messages costs more than the
//! proxying itself: see the decision on spans in docs/adr. Pure.

#[cfg(test)]
mod tests;

use memchr::memchr;
use opentelemetry_semantic_conventions::attribute as name;

use super::attribute::{OF_EVENT, OF_SPAN, key, put_float, put_int, put_text};
use super::metrics::durations::CLIENT_ERRORS_FROM;
use super::passage::{Passage, put_redacted};
use super::phrases::{MethodPhrases, Phrases, PlacePhrases};
use super::protobuf::{FIXED32, FIXED64, LENGTH, put_bytes, put_fixed64, put_length, put_nested, put_number};
use super::record::{Attempt, Record};
use super::schema::{RETRY_SCHEDULED, event_field, field, own};
use super::trace::{SpanId, Trace};
use crate::http::h1::method::Method;
use crate::retry::attempts::Pause;
use crate::retry::decide::{Ended, Reason};
use crate::retry::outcome::Failure;

/// `ScopeSpans.spans` of opentelemetry/proto/trace/v1/trace.proto.
const SPANS: u8 = 2;

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
pub fn put_spans(passage: &Passage<'_>, trace: &Trace, phrases: &Phrases, out: &mut Vec<u8>) -> u64 {
    let place = passage.place.as_ref().map(|place| phrases.of_place(place));
    let mut room = phrases.room.borrow_mut();
    let telling = Telling {
        passage,
        trace,
        target: Target::of(passage.head.target_bytes(), &mut room),
        method: phrases.of_method(&passage.head.method),
        place: place.as_deref(),
        phrases,
        state: trace_state(passage, trace),
    };
    put_nested(SPANS, out, |out| telling.put_server(out));
    let mut count = 1;
    for (resend, attempt) in (0..).zip(&passage.record.attempts) {
        if let Some(span) = attempt.span {
            put_nested(SPANS, out, |out| telling.put_client(attempt, span, resend, out));
            count += 1;
        }
    }
    count
}

/// Whether the spans of a request leave the process: those of sampled traces do, and of the others those that somebody
/// will ask for.
pub fn is_kept(trace: &Trace, keep_remarkable: bool, remarkable: bool) -> bool {
    trace.is_sampled() || (keep_remarkable && remarkable)
}

/// A request on its way into spans.
struct Telling<'a> {
    passage: &'a Passage<'a>,
    trace: &'a Trace,
    target: Target<'a>,
    method: &'a MethodPhrases,
    place: Option<&'a PlacePhrases>,
    phrases: &'a Phrases,
    state: Option<&'a [u8]>,
}

/// A request target as it may be told.
struct Target<'a> {
    /// With the query's values kept back.
    whole: &'a [u8],
    path_len: usize,
}

impl<'a> Target<'a> {
    /// `room`: where a target is put together that must not be told as it is.
    fn of(sent: &'a [u8], room: &'a mut Vec<u8>) -> Self {
        let Some(path_len) = memchr(b'?', sent) else {
            return Self { whole: sent, path_len: sent.len() };
        };
        let (path, query) = sent.split_at(path_len + 1);
        room.clear();
        room.extend_from_slice(path);
        put_redacted(query, room);
        Self { whole: room, path_len }
    }

    fn path(&self) -> &[u8] {
        &self.whole[..self.path_len]
    }

    fn query(&self) -> Option<&[u8]> {
        self.whole.get(self.path_len + 1..)
    }
}

impl Telling<'_> {
    fn put_server(&self, out: &mut Vec<u8>) {
        let Self { passage, trace, target, .. } = self;
        let remote = if trace.parent.is_some() { FLAG_IS_REMOTE } else { 0 };
        let Passage { record, head, .. } = passage;
        let times = [passage.unix_nanos(record.started), passage.ended_unix_nanos()];
        put_fixed(trace, trace.span, FLAG_HAS_REMOTE | remote, times, out);
        put_parent(trace.parent, out);
        put_state(self.state, out);
        let template = self.template();
        put_name(self.method.name, template, out);
        out.extend_from_slice(self.method.server(head.version));
        self.put_original_method(out);
        put_text(OF_SPAN, key!(name::URL_PATH), [target.path()], out);
        if let Some(query) = target.query() {
            put_text(OF_SPAN, key!(name::URL_QUERY), [query], out);
        }
        let host = self.phrases.of_host(head.host_bytes(), head.port().unwrap_or(passage.port));
        out.extend_from_slice(&host.server);
        put_text(OF_SPAN, key!(name::CLIENT_ADDRESS), [passage.client.ip()], out);
        if let Some(place) = self.place {
            out.extend_from_slice(&place.server);
            if let Some(template) = template.filter(|_| place.template.is_none()) {
                put_text(OF_SPAN, key!(name::HTTP_ROUTE), [template], out);
            }
        }
        self.put_retries(out);
        if let Some(status) = record.status {
            put_int(OF_SPAN, key!(name::HTTP_RESPONSE_STATUS_CODE), status.into(), out);
        }
        if let Some(error) = record.error() {
            put_error(&error, out);
        }
        for (number, attempt) in (1..).zip(&record.attempts) {
            if let Some(pause) = attempt.pause {
                put_nested(field::EVENTS, out, |out| put_event(passage, number, attempt, pause, out));
            }
        }
    }

    fn put_client(&self, attempt: &Attempt, span: SpanId, resend: u64, out: &mut Vec<u8>) {
        let Self { passage, trace, .. } = self;
        let times = [attempt.started, attempt.ended_at(passage.ended)].map(|at| passage.unix_nanos(at));
        put_fixed(trace, span, FLAG_HAS_REMOTE, times, out);
        put_parent(Some(trace.span), out);
        put_state(self.state, out);
        out.extend_from_slice(&self.method.client);
        self.put_original_method(out);
        let endpoint = self.phrases.of_endpoint(attempt.endpoint);
        out.extend_from_slice(&endpoint.client);
        self.put_url(&endpoint.origin, out);
        if resend > 0 {
            put_int(OF_SPAN, key!(name::HTTP_REQUEST_RESEND_COUNT), resend, out);
        }
        if let Some(place) = self.place {
            out.extend_from_slice(&place.client);
            if let Some(template) = self.template().filter(|_| place.template.is_none()) {
                put_text(OF_SPAN, key!(name::URL_TEMPLATE), [template], out);
            }
        }
        match attempt.ended() {
            Ended::Status { code, .. } => {
                put_int(OF_SPAN, key!(name::HTTP_RESPONSE_STATUS_CODE), code.into(), out);
                if code >= CLIENT_ERRORS_FROM {
                    put_error(&code.to_string(), out);
                }
            }
            // Giving a request up is nobody's error.
            Ended::Failed(Failure::ClientGone) => {}
            Ended::Failed(failure) => put_error(failure.name(), out),
        }
    }

    /// The route's path, which stands for the request's wherever requests are put together.
    fn template(&self) -> Option<&str> {
        let known = self.place.and_then(|place| place.template.as_deref());
        known.or_else(|| self.passage.place.as_ref()?.template(self.passage.head.path()))
    }

    fn put_original_method(&self, out: &mut Vec<u8>) {
        if let Method::Other(token) = &self.passage.head.method {
            put_text(OF_SPAN, key!(name::HTTP_REQUEST_METHOD_ORIGINAL), [&**token], out);
        }
    }

    fn put_retries(&self, out: &mut Vec<u8>) {
        let Record { attempts, reason, .. } = self.passage.record;
        if attempts.len() == 1 && *reason == Some(Reason::Success) {
            return out.extend_from_slice(&self.phrases.plain);
        }
        put_int(OF_SPAN, key!(own::ATTEMPTS), attempts.len() as u64, out);
        if let Some(reason) = reason {
            put_text(OF_SPAN, key!(own::REASON), [reason.name()], out);
        }
    }

    fn put_url(&self, origin: &[u8], out: &mut Vec<u8>) {
        let whole = self.target.whole;
        // The whole server, `*`, has no path (RFC 9110 section 9.3.7).
        put_text(OF_SPAN, key!(name::URL_FULL), [origin, whole.strip_prefix(b"*").unwrap_or(whole)], out);
    }
}

/// What every span has, in as many bytes: put together on the stack and copied once.
fn put_fixed(trace: &Trace, span: SpanId, remote: u32, [start, end]: [u64; 2], out: &mut Vec<u8>) {
    let mut fixed = [0; 52];
    fixed[..2].copy_from_slice(&[field::TRACE_ID << 3 | LENGTH, 16]);
    fixed[2..18].copy_from_slice(&trace.id.to_bytes());
    fixed[18..20].copy_from_slice(&[field::SPAN_ID << 3 | LENGTH, 8]);
    fixed[20..28].copy_from_slice(&span.to_bytes());
    // A field number of 16 takes two bytes.
    fixed[28..30].copy_from_slice(&[(field::FLAGS << 3 & 0x7f) | FIXED32 | 0x80, field::FLAGS >> 4]);
    fixed[30..34].copy_from_slice(&(u32::from(trace.flags) | remote).to_le_bytes());
    fixed[34] = field::START << 3 | FIXED64;
    fixed[35..43].copy_from_slice(&start.to_le_bytes());
    fixed[43] = field::END << 3 | FIXED64;
    fixed[44..].copy_from_slice(&end.to_le_bytes());
    out.extend_from_slice(&fixed);
}

fn put_parent(parent: Option<SpanId>, out: &mut Vec<u8>) {
    if let Some(parent) = parent {
        put_bytes(field::PARENT_SPAN_ID, &parent.to_bytes(), out);
    }
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

fn put_event(passage: &Passage<'_>, number: u64, attempt: &Attempt, pause: Pause, out: &mut Vec<u8>) {
    put_fixed64(event_field::TIME, passage.unix_nanos(attempt.ended_at(passage.ended)), out);
    put_bytes(event_field::NAME, RETRY_SCHEDULED.as_bytes(), out);
    put_int(OF_EVENT, key!(own::ATTEMPT), number, out);
    put_text(OF_EVENT, key!(own::REASON), [reason_of(attempt)], out);
    put_text(OF_EVENT, key!(own::SOURCE), [pause.source.name()], out);
    put_float(OF_EVENT, key!(own::DELAY), pause.delay.as_secs_f64() * 1e3, out);
}

/// Why an attempt was repeated.
fn reason_of(attempt: &Attempt) -> &'static str {
    match attempt.ended() {
        Ended::Status { .. } => "status",
        Ended::Failed(failure) => failure.name(),
    }
}

fn put_error(kind: &str, out: &mut Vec<u8>) {
    put_text(OF_SPAN, key!(name::ERROR_TYPE), [kind], out);
    put_length(field::STATUS, 2, out);
    put_number(STATUS_CODE, STATUS_ERROR, out);
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
