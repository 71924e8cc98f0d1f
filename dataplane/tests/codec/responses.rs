//! Every odd or hostile response head, and what we make of it. What is refused becomes a 502.

use rebound_dataplane::http::h1::framing::{BodyLength, FramingError};
use rebound_dataplane::http::h1::limits::{FIELDS_MAX, HEAD_MAX_BYTES, INTERIM_RESPONSES_MAX};
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::response::{ResponseError, ResponseHead, ResponseParser};

use super::support::response;

#[track_caller]
fn accept_for(method: &Method, input: impl AsRef<[u8]>) -> ResponseHead {
    response(input.as_ref(), method).unwrap().expect("a whole head").0
}

#[track_caller]
fn accept(input: impl AsRef<[u8]>) -> ResponseHead {
    accept_for(&Method::Get, input)
}

#[track_caller]
fn refuse(input: impl AsRef<[u8]>) -> ResponseError {
    response(input.as_ref(), &Method::Get).expect_err("must be refused")
}

/// A 200 with these field lines.
fn ok(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nA: b\r\n{lines}\r\n\r\n")
}

#[test]
fn a_body_is_framed_one_way() {
    assert_eq!(accept(ok("Content-Length: 3")).body, BodyLength::Length(3));
    assert_eq!(accept(ok("Transfer-Encoding: chunked")).body, BodyLength::Chunked);
    assert_eq!(accept(ok("B: c")).body, BodyLength::UntilClose);
    let both = ResponseError::Framing(FramingError::Both);
    assert_eq!(refuse(ok("Content-Length: 3\r\nTransfer-Encoding: chunked")), both);
    assert_eq!(refuse(ok("Transfer-Encoding: chunked\r\nContent-Length: 3")), both);
}

#[test]
fn content_lengths_must_agree() {
    let wrong = ResponseError::Framing(FramingError::ContentLength);
    assert_eq!(refuse(ok("Content-Length: 3\r\nContent-Length: 5")), wrong);
    for value in ["3, 3", "3,5", "+3", "-1", "0x3", "", "18446744073709551616"] {
        assert_eq!(refuse(ok(&format!("Content-Length: {value}"))), wrong, "{value}");
    }
    // RFC 9110 section 8.6 lets a recipient take a repetition for one; the next hop gets one.
    assert_eq!(accept(ok("Content-Length: 3\r\nContent-Length: 3")).body, BodyLength::Length(3));
}

#[test]
fn transfer_encoding_is_exactly_chunked() {
    for value in
        ["gzip, chunked", "xchunked", "chunked, gzip", "identity", "chunked, chunked", "chunked,", ""]
    {
        let error = refuse(ok(&format!("Transfer-Encoding: {value}")));
        assert!(matches!(error, ResponseError::Framing(_)), "{value}: {error:?}");
    }
    refuse(ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"));
    refuse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}

#[test]
fn s22_head_204_and_304_have_no_body() {
    let head = accept_for(&Method::Head, ok("Content-Length: 3"));
    assert_eq!((head.body, head.content_length, head.reusable), (BodyLength::Empty, Some(3), true));
    assert_eq!(accept_for(&Method::Head, ok("Transfer-Encoding: chunked")).body, BodyLength::Empty);
    assert_eq!(accept_for(&Method::Head, ok("B: c")).body, BodyLength::Empty);
    for status in [204, 304] {
        let head = accept(format!("HTTP/1.1 {status} x\r\nContent-Length: 3\r\n\r\n"));
        assert_eq!(head.body, BodyLength::Empty);
    }
    // Unsafe framing is refused even where there is nothing to frame.
    let input = ok("Content-Length: 3\r\nContent-Length: 4");
    assert!(response(input.as_bytes(), &Method::Head).is_err());
}

#[test]
fn a_204_that_announces_a_body_spoils_its_connection() {
    let reusable = |line: &str| accept(format!("HTTP/1.1 204 x\r\n{line}\r\n\r\n")).reusable;
    assert!(reusable("A: b"));
    assert!(reusable("Content-Length: 0"));
    assert!(!reusable("Content-Length: 3"));
    assert!(!reusable("Transfer-Encoding: chunked"));
}

#[test]
fn interim_responses_come_before_the_final_one_and_are_bounded() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let read = |count: usize| {
        let mut buf =
            bytes::BytesMut::from(&*format!("{}{}", interim.repeat(count), ok("Content-Length: 0")));
        let mut parser = ResponseParser::default();
        loop {
            let head = parser.parse(&mut buf, &Method::Get)?.expect("a whole head");
            if !head.is_informational() {
                return Ok(head.status);
            }
            assert_eq!((head.body, head.status), (BodyLength::Empty, 103));
        }
    };
    assert_eq!(read(1), Ok(200));
    assert_eq!(read(INTERIM_RESPONSES_MAX), Ok(200));
    assert_eq!(read(INTERIM_RESPONSES_MAX + 1), Err(ResponseError::TooManyInterim));
}

#[test]
fn a_short_head_may_follow_a_long_one() {
    let mut parser = ResponseParser::default();
    let mut buf =
        bytes::BytesMut::from("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 \r\n\r\nabc");
    assert_eq!(parser.parse(&mut buf, &Method::Get).unwrap().unwrap().status, 103);
    assert_eq!(parser.parse(&mut buf, &Method::Get).unwrap().unwrap().status, 200);
    assert_eq!(&buf[..], b"abc");
}

#[test]
fn after_101_the_connection_is_no_longer_http() {
    let head = accept("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    assert!(head.is_informational() && !head.reusable);
}

#[test]
fn connections_are_reused_by_version_option_and_framing() {
    assert!(accept(ok("Content-Length: 3")).reusable);
    assert!(accept(ok("Transfer-Encoding: chunked")).reusable);
    assert!(!accept(ok("Content-Length: 3\r\nConnection: Close")).reusable);
    assert!(!accept(ok("B: c")).reusable);
    assert!(!accept("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n").reusable);
    assert!(accept("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n").reusable);
}

#[test]
fn status_lines_keep_to_the_grammar() {
    for line in [
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "ICY 200 OK",
        "GET / HTTP/1.1",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200OK",
    ] {
        refuse(format!("{line}\r\nA: b\r\n\r\n"));
    }
    refuse(b"\x15\x03\x01");
    refuse("\r\nHTTP/1.1 200 OK\r\n\r\n");
    let reason = |line: &str| {
        String::from_utf8(accept(format!("HTTP/1.1 {line}\r\nA: b\r\n\r\n")).reason().to_vec()).unwrap()
    };
    assert_eq!(reason("200 OK"), "OK");
    assert_eq!(reason("404 No such thing"), "No such thing");
    assert_eq!(reason("200 sch\u{f6}n"), "sch\u{f6}n");
    assert_eq!(reason("200 "), "");
    assert_eq!(reason("200"), "");
}

#[test]
fn a_status_is_100_to_599() {
    for status in ["000", "099", "600", "999"] {
        let error = refuse(format!("HTTP/1.1 {status} x\r\nA: b\r\n\r\n"));
        assert_eq!(error, ResponseError::Status(status.parse().unwrap()));
    }
    assert_eq!(accept("HTTP/1.1 599 x\r\nContent-Length: 0\r\n\r\n").status, 599);
}

#[test]
fn lines_and_fields_keep_to_the_grammar() {
    for line in ["A: b\r\n c", "A : b", " A: b", "A: b\0", "A: b\rc", ": b", "A", "A: b\nC: d", "Ä: b"] {
        refuse(ok(line));
    }
    assert_eq!(refuse("HTTP/1.1 200 OK\nA: b\n\n"), ResponseError::BareLf);
}

#[test]
fn a_head_has_limits() {
    assert_eq!(refuse(ok(&format!("A: {}", "b".repeat(HEAD_MAX_BYTES)))), ResponseError::HeadTooLarge);
    assert_eq!(refuse(ok(&"A: b\r\n".repeat(FIELDS_MAX))), ResponseError::TooManyFields);
    assert_eq!(accept(ok("A: b\r\n".repeat(FIELDS_MAX - 1).trim_end())).fields.len(), FIELDS_MAX);
}
