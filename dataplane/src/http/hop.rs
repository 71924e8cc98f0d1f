//! Writes the head of a message for the next hop, from the head that came in.
//!
//! Pure, and always from the original: every attempt is written anew, so nothing of an earlier one can leak into it.
//! End-to-end fields pass in order and as spelled. What belongs to one connection is dropped and framing is encoded
//! again, never copied (RFC 9110 section 7.6.1). The route's edits come last and cannot reach either.

mod edits;
mod nominated;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use rebound_api::config::route::HeaderEdits;

use self::edits::Edits;
use self::nominated::Nominated;
use super::h1::Known;
use super::h1::date::HttpDate;
use super::h1::encode::{put_decimal, put_field, put_number_field, put_status_line};
use super::h1::framing::BodyLength;
use super::h1::request::RequestHead;
use super::h1::response::ResponseHead;
use super::h1::version::Version;
use crate::telemetry::trace::Outgoing;

/// The number of the attempt: 2 is the first retry. An incoming one is never passed on.
pub const ATTEMPT_FIELD: &str = "x-rebound-attempt";
/// What we call ourselves in `Via`.
const PSEUDONYM: &str = "rebound";
/// Room for the lines that are added to a head.
const ADDED_BYTES: usize = 384;

/// What one attempt adds to a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestHop<'a> {
    /// The client's address, as its connection shows it.
    pub peer: IpAddr,
    /// How the client reached us: `http` or `https`.
    pub scheme: &'a str,
    /// The number for [`ATTEMPT_FIELD`]; none: no field.
    pub attempt: Option<u32>,
    /// The attempt's place in its trace, in place of what the client sent; none: that is passed on as it is.
    pub trace: Option<Outgoing>,
    /// Carried out one after the other.
    pub edits: &'a [&'a HeaderEdits],
}

/// How a response reaches the client.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHop<'a> {
    /// The client's version: HTTP/1.0 gets no chunks.
    pub client: Version,
    /// The connection ends after this response.
    pub close: bool,
    /// The number for [`ATTEMPT_FIELD`]; none: no field.
    pub attempt: Option<u32>,
    /// Carried out one after the other.
    pub edits: &'a [&'a HeaderEdits],
    /// Now, for a backend without a clock (RFC 9110 section 6.6.1).
    pub date: &'a HttpDate,
}

/// Appends the head of a request to a backend. The body is to be framed as `head.body` says.
pub fn write_request(head: &RequestHead, hop: &RequestHop<'_>, out: &mut BytesMut) {
    out.reserve(head.fields.block_len() + ADDED_BYTES);
    put_request_line(head, out);
    let edits = Edits(hop.edits);
    let nominated = Nominated::by(&head.fields);
    for (known, name, value) in head.fields.known() {
        match known {
            Known::Host => put_field(name, head.authority_bytes(), out),
            Known::Expect => put_field(name, value, out),
            Known::Date | Known::Trailer | Known::Via => edits.put(name, value, out),
            Known::TraceParent if hop.trace.is_some() => {}
            Known::TraceState if hop.trace.is_some_and(|trace| trace.begins) => {}
            Known::TraceParent | Known::TraceState => edits.put(name, value, out),
            Known::Other if !nominated.contains(name) => edits.put(name, value, out),
            Known::Other
            | Known::Attempt
            | Known::Connection
            | Known::ContentLength
            | Known::Disguised
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::Te
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::XForwardedFor
            | Known::XForwardedHost
            | Known::XForwardedProto => {}
        }
    }
    put_forwarded(head, hop, edits, out);
    if let Some(trace) = hop.trace {
        edits.put(b"traceparent", &trace.parent.to_text(), out);
    }
    put_via(head.version, edits, out);
    edits.put_own(out);
    put_attempt(hop.attempt, out);
    put_framing(head.body, out);
    out.put_slice(b"\r\n");
}

/// Appends the head of a response to the client. Returns how its body is to be framed; [`BodyLength::UntilClose`] means
/// that the connection must be closed behind it, whatever the caller planned.
pub fn write_response(head: &ResponseHead, hop: &ResponseHop<'_>, out: &mut BytesMut) -> BodyLength {
    out.reserve(head.fields.block_len() + ADDED_BYTES);
    put_status_line(head.status, head.reason(), out);
    let edits = Edits(hop.edits);
    let nominated = Nominated::by(&head.fields);
    let mut dated = head.is_informational();
    for (known, name, value) in head.fields.known() {
        dated |= known == Known::Date;
        if known.is_per_hop() || known == Known::Attempt || nominated.contains(name) {
            continue;
        }
        edits.put(name, value, out);
    }
    if !dated {
        edits.put(b"date", hop.date.as_bytes(), out);
    }
    put_via(head.version, edits, out);
    edits.put_own(out);
    let framing = framing_for(head.body, hop.client);
    if !head.is_informational() {
        put_attempt(hop.attempt, out);
        put_response_framing(head, framing, out);
        put_connection(hop, framing, out);
    }
    out.put_slice(b"\r\n");
    framing
}

fn put_request_line(head: &RequestHead, out: &mut BytesMut) {
    out.put_slice(head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(head.target_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    // HTTP/1.0 may do without Host, the request that we send may not (RFC 9112 section 3.2).
    if head.fields.known().all(|(known, ..)| known != Known::Host) {
        put_field(b"host", head.authority_bytes(), out);
    }
}

/// The client's list goes on in one line: many backends read no more than one.
fn put_forwarded(head: &RequestHead, hop: &RequestHop<'_>, edits: Edits<'_>, out: &mut BytesMut) {
    if edits.keep(b"x-forwarded-for") {
        out.put_slice(b"x-forwarded-for: ");
        let sent = head.fields.known().filter(|(known, ..)| *known == Known::XForwardedFor);
        for (_, _, value) in sent.filter(|(_, _, value)| !value.is_empty()) {
            out.put_slice(value);
            out.put_slice(b", ");
        }
        put_address(hop.peer.to_canonical(), out);
        out.put_slice(b"\r\n");
    }
    edits.put(b"x-forwarded-proto", hop.scheme.as_bytes(), out);
    if !head.authority_bytes().is_empty() {
        edits.put(b"x-forwarded-host", head.authority_bytes(), out);
    }
}

/// IPv4 by hand: it is on the path of nearly every request, and the formatter costs as much as the rest of the head.
fn put_address(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.put_u8(b'.');
                }
                put_decimal(u64::from(octet), out);
            }
        }
        // Cannot fail: the buffer grows.
        IpAddr::V6(address) => {
            write!(out, "{address}").ok();
        }
    }
}

fn put_via(received: Version, edits: Edits<'_>, out: &mut BytesMut) {
    if edits.keep(b"via") {
        for part in ["via: ", received.number(), " ", PSEUDONYM, "\r\n"] {
            out.put_slice(part.as_bytes());
        }
    }
}

fn put_attempt(attempt: Option<u32>, out: &mut BytesMut) {
    if let Some(number) = attempt {
        put_number_field(ATTEMPT_FIELD.as_bytes(), u64::from(number), out);
    }
}

fn put_framing(body: BodyLength, out: &mut BytesMut) {
    match body {
        BodyLength::Length(length) => put_number_field(b"content-length", length, out),
        BodyLength::Chunked => put_field(b"transfer-encoding", b"chunked", out),
        BodyLength::Empty | BodyLength::UntilClose => {}
    }
}

fn framing_for(body: BodyLength, client: Version) -> BodyLength {
    match (body, client) {
        (BodyLength::Chunked | BodyLength::UntilClose, Version::Http11) => BodyLength::Chunked,
        (BodyLength::Chunked | BodyLength::UntilClose, Version::Http10) => BodyLength::UntilClose,
        (BodyLength::Empty | BodyLength::Length(_), _) => body,
    }
}

/// A response to HEAD and a 304 tell the length of the body that they leave out. A 204 has none to tell
/// (RFC 9110 section 8.6).
fn put_response_framing(head: &ResponseHead, framing: BodyLength, out: &mut BytesMut) {
    match head.content_length {
        Some(length) if framing == BodyLength::Empty && head.status != 204 => {
            put_number_field(b"content-length", length, out);
        }
        _ => put_framing(framing, out),
    }
}

fn put_connection(hop: &ResponseHop<'_>, framing: BodyLength, out: &mut BytesMut) {
    if hop.close || framing == BodyLength::UntilClose {
        put_field(b"connection", b"close", out);
    } else if hop.client == Version::Http10 {
        put_field(b"connection", b"keep-alive", out);
    }
}
