//! What is written for the next hop reads back as the same message, and an attempt adds its number and nothing else.
//!
//! The input is a request head followed by a response head.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rebound_dataplane::http::h1::date::HttpDate;
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::limits::{FIELDS_MAX, HEAD_MAX_BYTES};
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::request::{RequestHead, RequestParser};
use rebound_dataplane::http::h1::response::{ResponseHead, ResponseParser};
use rebound_dataplane::http::h1::version::Version;
use rebound_dataplane::http::hop::{RequestHop, ResponseHop, write_request, write_response};

/// Lines that a hop may add to a head.
const ADDED_FIELDS_MAX: usize = 8;

fuzz_target!(|data: &[u8]| {
    let mut buf = BytesMut::from(data);
    let Ok(Some(request)) = RequestParser::default().parse(&mut buf) else { return };
    check_request(&request);
    if let Ok(Some(response)) = ResponseParser::default().parse(&mut buf, &request.method) {
        check_response(&response, &request);
    }
});

fn check_request(head: &RequestHead) {
    let first = request(head, None);
    let again = request(head, Some(2));
    assert_eq!(again.replacen("\r\nx-rebound-attempt: 2\r\n", "\r\n", 1), first);
    if head.fields.len() + ADDED_FIELDS_MAX > FIELDS_MAX || first.len() > HEAD_MAX_BYTES {
        return;
    }
    let mut buf = BytesMut::from(&*first.into_bytes());
    let read = RequestParser::default().parse(&mut buf).expect("sound").expect("whole");
    assert!(buf.is_empty());
    assert_eq!(
        (&read.method, read.target(), read.authority()),
        (&head.method, head.target(), head.authority())
    );
    assert_eq!((read.host(), read.port(), read.body), (head.host(), head.port(), head.body));
    assert!(read.keep_alive);
}

/// Obs-text is compared by its shape: the writer copies it.
fn request(head: &RequestHead, attempt: Option<u32>) -> String {
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut out = BytesMut::new();
    write_request(head, &RequestHop { peer, scheme: "http", attempt, trace: None, edits: &[] }, &mut out);
    String::from_utf8_lossy(&out).replace('\u{fffd}', "?")
}

fn check_response(head: &ResponseHead, request: &RequestHead) {
    for client in [Version::Http10, Version::Http11] {
        let date = HttpDate::from_unix_seconds(0);
        let hop =
            ResponseHop { client, close: !request.keep_alive, attempt: Some(1), edits: &[], date: &date };
        let mut out = BytesMut::new();
        let framing = write_response(head, &hop, &mut out);
        if head.fields.len() + ADDED_FIELDS_MAX > FIELDS_MAX || out.len() > HEAD_MAX_BYTES {
            continue;
        }
        let read = ResponseParser::default().parse(&mut out, &request.method).expect("sound").expect("whole");
        assert!(out.is_empty());
        assert_eq!((read.status, read.reason(), read.body), (head.status, head.reason(), framing));
        assert!(client == Version::Http11 || read.body != BodyLength::Chunked);
        assert!(request.method != Method::Head || read.body == BodyLength::Empty);
    }
}
