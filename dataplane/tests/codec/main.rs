//! The HTTP/1.1 codec as its callers see it: what it takes, what it refuses, what it passes on.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail the test"
)]

mod bodies;
mod hyper_oracle;
mod properties;
mod requests;
mod responses;
mod support;

use std::net::{IpAddr, Ipv4Addr};

use bytes::BytesMut;
use rebound_dataplane::http::h1::date::HttpDate;
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::request::RequestParser;
use rebound_dataplane::http::h1::response::ResponseParser;
use rebound_dataplane::http::h1::version::Version;
use rebound_dataplane::http::hop::{RequestHop, ResponseHop, write_request, write_response};

#[test]
fn a_plain_request_is_passed_on() {
    let mut buf = BytesMut::from(
        "GET /a/../b?x=%2f HTTP/1.1\r\nHost: Example.com:8080\r\nConnection: keep-alive, x-mine\r\nX-Mine: 1\r\n\
         Accept:  */*\r\nX-Forwarded-For: 10.0.0.1\r\nx-rebound-attempt: 7\r\n\r\nrest",
    );
    let head = RequestParser::default().parse(&mut buf).unwrap().unwrap();
    assert_eq!((head.host(), head.port(), &buf[..]), ("example.com", Some(8080), &b"rest"[..]));
    let hop = RequestHop {
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        scheme: "http",
        attempt: Some(2),
        trace: None,
        edits: &[],
    };
    let mut out = BytesMut::new();
    write_request(&head, &hop, &mut out);
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "GET /a/../b?x=%2f HTTP/1.1\r\nHost: Example.com:8080\r\nAccept: */*\r\n\
         x-forwarded-for: 10.0.0.1, 192.0.2.7\r\nx-forwarded-proto: http\r\nx-forwarded-host: Example.com:8080\r\n\
         via: 1.1 rebound\r\nx-rebound-attempt: 2\r\n\r\n"
    );
}

#[test]
fn a_plain_response_is_passed_on() {
    let mut buf = BytesMut::from(
        "HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nServer: x\r\nKeep-Alive: timeout=5\r\n\r\nabc",
    );
    let head = ResponseParser::default().parse(&mut buf, &Method::Get).unwrap().unwrap();
    assert!(head.reusable);
    let date = HttpDate::from_unix_seconds(784_111_777);
    let hop = ResponseHop { client: Version::Http11, close: false, attempt: None, edits: &[], date: &date };
    let mut out = BytesMut::new();
    assert_eq!(write_response(&head, &hop, &mut out), BodyLength::Length(3));
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "HTTP/1.1 200 Fine\r\nServer: x\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nvia: 1.1 rebound\r\n\
         content-length: 3\r\n\r\n"
    );
}
