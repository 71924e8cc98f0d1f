//! What a hop adds and takes away, by promise and by attack.

use std::net::Ipv4Addr;

use rebound_api::config::route::HeaderValue;

use super::super::h1::encode::put_last_chunk;
use super::super::h1::method::Method;
use super::super::h1::request::RequestParser;
use super::super::h1::response::ResponseParser;
use super::*;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn request(lines: &str) -> RequestHead {
    parse(&format!("PUT /a?b HTTP/1.1\r\nHost: A:80\r\n{lines}\r\n\r\n"))
}

fn parse(input: &str) -> RequestHead {
    RequestParser::default().parse(&mut input.into()).unwrap().unwrap()
}

fn response(lines: &str) -> ResponseHead {
    answer(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"), &Method::Get)
}

fn answer(input: &str, method: &Method) -> ResponseHead {
    ResponseParser::default().parse(&mut input.into(), method).unwrap().unwrap()
}

fn sent_with(head: &RequestHead, attempt: Option<u32>, edits: &[&HeaderEdits]) -> Vec<String> {
    let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let mut out = BytesMut::new();
    write_request(head, &RequestHop { peer, scheme: "http", attempt, trace: None, edits }, &mut out);
    lines(&out)
}

fn sent(head: &RequestHead) -> Vec<String> {
    sent_with(head, None, &[])
}

fn returned_with(head: &ResponseHead, hop: ResponseHop<'_>) -> (BodyLength, Vec<String>) {
    let mut out = BytesMut::new();
    let framing = write_response(head, &hop, &mut out);
    (framing, lines(&out))
}

fn returned(head: &ResponseHead) -> Vec<String> {
    returned_with(head, to_client(Version::Http11)).1
}

fn to_client(client: Version) -> ResponseHop<'static> {
    static TIME: std::sync::LazyLock<HttpDate> =
        std::sync::LazyLock::new(|| HttpDate::from_unix_seconds(784_111_777));
    ResponseHop { client, close: false, attempt: None, edits: &[], date: &TIME }
}

/// The lines of a head, without the empty one that must end it.
#[track_caller]
fn lines(out: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(out).unwrap().strip_suffix("\r\n\r\n").expect("a whole head");
    text.split("\r\n").map(str::to_owned).collect()
}

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
    let fields = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(name, value)| HeaderValue { name: (*name).into(), value: (*value).into() })
            .collect()
    };
    HeaderEdits {
        remove: remove.iter().map(|name| (*name).into()).collect(),
        set: fields(set),
        add: fields(add),
    }
}

/// What every request of these tests gets at its end.
const ADDED: [&str; 4] =
    ["x-forwarded-for: 192.0.2.7", "x-forwarded-proto: http", "x-forwarded-host: A:80", "via: 1.1 rebound"];

#[track_caller]
fn check_fields(head: &RequestHead, expected: &[&str]) {
    assert_eq!(sent(head), [&["PUT /a?b HTTP/1.1", "Host: A:80"], expected, &ADDED].concat());
}

#[test]
fn s14_attempts_differ_in_their_number_alone() {
    let head = request(
        "Idempotency-Key: 1\r\nX-a: b\r\nCookie: c\r\nX-A:  d\r\nTE: trailers\r\nConnection: te, x-hop\r\nX-Hop: 1\r\n\
         Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTraceparent: 00-1",
    );
    let first = sent_with(&head, None, &[]);
    assert_eq!(
        first,
        [
            &["PUT /a?b HTTP/1.1", "Host: A:80", "Idempotency-Key: 1", "X-a: b", "Cookie: c", "X-A: d"][..],
            &["Trailer: X-Sum", "Traceparent: 00-1"],
            &ADDED,
            &["transfer-encoding: chunked"]
        ]
        .concat()
    );
    for attempt in 2..5 {
        let mut again = sent_with(&head, Some(attempt), &[]);
        let number = again.iter().position(|line| *line == format!("x-rebound-attempt: {attempt}")).unwrap();
        again.remove(number);
        assert_eq!(again, first);
    }
}

#[test]
fn s72_an_expectation_is_repeated_on_every_attempt() {
    let head = request("Expect: 100-continue\r\nContent-Length: 3");
    for attempt in [None, Some(2), Some(3)] {
        assert!(sent_with(&head, attempt, &[]).contains(&"Expect: 100-continue".into()));
    }
    let edits = edits(&["expect"], &[], &[]);
    assert!(sent_with(&head, None, &[&edits]).contains(&"Expect: 100-continue".into()));
}

#[test]
fn s74_trailers_are_written_again() {
    use super::super::h1::body::{BodyDecoder, Piece};
    let mut buf = BytesMut::from("0\r\nX-Sum: 1\r\nX-sum:  2\r\n\r\n");
    let Ok(Piece::End(Some(trailers))) = BodyDecoder::new(BodyLength::Chunked).decode(&mut buf) else {
        panic!("no trailers")
    };
    for _attempt in 0..2 {
        let mut out = BytesMut::new();
        put_last_chunk(Some(&trailers), &mut out);
        assert_eq!(&out[..], b"0\r\nX-Sum: 1\r\nX-sum: 2\r\n\r\n");
    }
}

#[test]
fn s76_fields_of_the_connection_are_never_copied() {
    let head = request(
        "Connection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers\r\n\
         Upgrade: h2c\r\nConnection: X-OTHER\r\nX-Other: 2\r\nX-Kept: 3",
    );
    check_fields(&head, &["X-Kept: 3"]);
    let head = request("Connection: close\r\nX-Kept: 3");
    check_fields(&head, &["X-Kept: 3"]);
    let fields = returned(&response(
        "Connection: X-Hop\r\nKeep-Alive: 5\r\nx-hop: 1\r\nX-Kept: 3\r\nContent-Length: 0",
    ));
    assert!(fields.contains(&"X-Kept: 3".into()));
    for gone in ["connection", "keep-alive", "x-hop"] {
        assert!(!fields.iter().any(|line| line.to_lowercase().starts_with(gone)), "{gone}");
    }
}

#[test]
fn s76_framing_is_encoded_anew() {
    let framing = |lines: &str| sent(&request(lines)).split_off(6);
    assert_eq!(framing("Content-Length: 0003"), ["content-length: 3"]);
    assert_eq!(framing("Content-Length: 0"), ["content-length: 0"]);
    assert_eq!(framing("Transfer-Encoding:  CHUNKED"), ["transfer-encoding: chunked"]);
    assert_eq!(framing("Content-Length: 18446744073709551615"), ["content-length: 18446744073709551615"]);
}

#[test]
fn a_sender_cannot_have_protected_fields_stripped() {
    let kept = [
        "Authorization: a",
        "Cookie: b",
        "Early-Data: 1",
        "X-Forwarded-Port: 1",
        "X-Request-ID: 2",
        "Date: x",
    ];
    let head = request(&format!(
        "Connection: host, content-length, authorization, cookie, early-data, x-forwarded-port, x-forwarded-for,\
         x-request-id, via, date, x-rebound-attempt, x-forwarded-proto\r\n{}",
        kept.join("\r\n")
    ));
    check_fields(&head, &kept);
    let fields =
        returned(&response("Connection: set-cookie, content-length\r\nSet-Cookie: a\r\nContent-Length: 0"));
    assert!(fields.contains(&"Set-Cookie: a".into()) && fields.contains(&"content-length: 0".into()));
}

#[test]
fn s77_forwarding_fields_grow_once() {
    let head = request(
        "X-Forwarded-For: 10.0.0.1\r\nVia: 1.0 a\r\nx-forwarded-for: 10.0.0.2, 10.0.0.3\r\nX-Forwarded-For:",
    );
    for attempt in [None, Some(2), Some(3)] {
        let fields = sent_with(&head, attempt, &[]);
        let named = |name: &str| -> Vec<_> {
            fields.iter().filter(|line| line.to_lowercase().starts_with(name)).map(String::as_str).collect()
        };
        assert_eq!(named("x-forwarded-for"), ["x-forwarded-for: 10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.7"]);
        assert_eq!(named("via"), ["Via: 1.0 a", "via: 1.1 rebound"]);
    }
}

#[test]
fn what_the_client_claims_about_its_connection_is_replaced() {
    let head = request("X-Forwarded-Proto: https\r\nX-Forwarded-Host: other");
    check_fields(&head, &[]);
}

#[test]
fn an_ipv6_address_is_written_without_brackets() {
    let hop = RequestHop {
        peer: "2001:DB8::1".parse().unwrap(),
        scheme: "http",
        attempt: None,
        trace: None,
        edits: &[],
    };
    let mut out = BytesMut::new();
    write_request(&request("A: b"), &hop, &mut out);
    assert_eq!(lines(&out)[3], "x-forwarded-for: 2001:db8::1");
}

#[test]
fn underscores_are_no_disguise() {
    let disguised =
        ["X_Forwarded_For: 1", "x-rebound_attempt: 9", "Content_Length: 9", "Transfer-Encoding: chunked"];
    let head = request(&disguised.join("\r\n"));
    assert_eq!(head.body, BodyLength::Chunked);
    assert_eq!(
        sent(&head),
        [&["PUT /a?b HTTP/1.1", "Host: A:80"][..], &ADDED, &["transfer-encoding: chunked"]].concat()
    );
    let edits = edits(&[], &[("content_length", "9")], &[]);
    assert_eq!(sent_with(&head, None, &[&edits]), sent(&head));
}

#[test]
fn a_mapped_address_is_written_as_ipv4() {
    let hop = RequestHop {
        peer: "::ffff:192.0.2.7".parse().unwrap(),
        scheme: "https",
        attempt: None,
        trace: None,
        edits: &[],
    };
    let mut out = BytesMut::new();
    write_request(&request("A: b"), &hop, &mut out);
    assert_eq!(lines(&out)[3..5], ["x-forwarded-for: 192.0.2.7", "x-forwarded-proto: https"]);
}

#[test]
fn s78_the_attempt_number_is_always_ours() {
    let head = request("X-Rebound-Attempt: 9\r\nConnection: x-rebound-attempt");
    check_fields(&head, &[]);
    let edits = edits(&["x-rebound-attempt"], &[("x-rebound-attempt", "8")], &[("x-rebound-attempt", "7")]);
    let fields = sent_with(&head, Some(2), &[&edits]);
    assert_eq!(fields.last().unwrap(), "x-rebound-attempt: 2");
    assert_eq!(fields.len(), 7);
    let head = response("x-rebound-attempt: 9\r\nContent-Length: 0");
    let hop = ResponseHop { attempt: Some(2), ..to_client(Version::Http11) };
    let named = returned_with(&head, hop).1.into_iter().filter(|line| line.starts_with("x-rebound-attempt"));
    assert_eq!(named.collect::<Vec<_>>(), ["x-rebound-attempt: 2"]);
}

#[test]
fn s79_early_data_is_never_removed() {
    check_fields(&request("Connection: early-data\r\nEarly-Data: 1"), &["Early-Data: 1"]);
}

#[test]
fn an_absolute_form_replaces_host() {
    let head = parse("GET http://B:81?c HTTP/1.1\r\nA: b\r\nHoSt: other\r\n\r\n");
    assert_eq!(sent(&head)[..3], ["GET /?c HTTP/1.1", "A: b", "HoSt: B:81"]);
}

#[test]
fn http_1_0_gets_a_host_on_its_way() {
    let head = parse("GET / HTTP/1.0\r\nA: b\r\n\r\n");
    assert_eq!(
        sent(&head),
        [
            "GET / HTTP/1.1",
            "host: ",
            "A: b",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-proto: http",
            "via: 1.0 rebound"
        ]
    );
}

#[test]
fn edits_remove_then_set_then_add() {
    let head = request("X-Gone: 1\r\nX-Set: 2\r\nX-SET: 3\r\nX-Add: 4\r\nX-Kept: 5");
    let edits =
        edits(&["x-gone", "x-none"], &[("x-set", "6"), ("x-new", "7")], &[("x-add", "8"), ("x-gone", "9")]);
    assert_eq!(
        sent_with(&head, None, &[&edits]),
        [
            &["PUT /a?b HTTP/1.1", "Host: A:80", "X-Add: 4", "X-Kept: 5"][..],
            &ADDED,
            &["x-set: 6", "x-new: 7", "x-add: 8", "x-gone: 9"]
        ]
        .concat()
    );
}

#[test]
fn later_edits_see_the_result_of_earlier_ones() {
    let first = edits(&[], &[("x-a", "1"), ("x-b", "1"), ("x-b", "2")], &[("x-c", "1"), ("x-d", "1")]);
    let second = edits(&["x-c"], &[("x-a", "2")], &[("x-d", "2")]);
    let fields = sent_with(&request("A: b"), None, &[&first, &second]);
    assert_eq!(fields[7..], ["x-b: 2", "x-d: 1", "x-a: 2", "x-d: 2"]);
}

#[test]
fn edits_reach_what_we_add() {
    let edits = edits(&["via", "x-forwarded-for"], &[("x-forwarded-proto", "https")], &[]);
    assert_eq!(
        sent_with(&request("Via: 1.0 a"), None, &[&edits]),
        ["PUT /a?b HTTP/1.1", "Host: A:80", "x-forwarded-host: A:80", "x-forwarded-proto: https"]
    );
    let head = response("Date: x\r\nVia: 1.0 a\r\nContent-Length: 0");
    let edits = [&edits];
    let hop = ResponseHop { edits: &edits, ..to_client(Version::Http11) };
    let expected = ["HTTP/1.1 200 OK", "Date: x", "x-forwarded-proto: https", "content-length: 0"];
    assert_eq!(returned_with(&head, hop).1, expected);
}

#[test]
fn edits_cannot_reach_framing_host_or_the_connection() {
    let names = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    let fields: Vec<_> = names.iter().map(|name| (*name, "1")).collect();
    let edits = edits(&names, &fields, &fields);
    let head = request("Content-Length: 3");
    assert_eq!(sent_with(&head, None, &[&edits]), sent(&head));
    let head = response("Content-Length: 3");
    let edits = [&edits];
    let hop = ResponseHop { edits: &edits, ..to_client(Version::Http11) };
    assert_eq!(returned_with(&head, hop).1, returned(&head));
}

#[test]
fn a_response_is_framed_for_its_client() {
    let check = |lines: &str, client: Version, framing: BodyLength, expected: &[&str]| {
        let (actual, fields) = returned_with(&response(lines), to_client(client));
        assert_eq!(
            (actual, &fields[3..]),
            (framing, expected.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>().as_slice())
        );
    };
    let (chunked, length) = ("Transfer-Encoding: chunked", "Content-Length: 3");
    check(length, Version::Http11, BodyLength::Length(3), &["content-length: 3"]);
    check(chunked, Version::Http11, BodyLength::Chunked, &["transfer-encoding: chunked"]);
    check("Connection: close", Version::Http11, BodyLength::Chunked, &["transfer-encoding: chunked"]);
    check(length, Version::Http10, BodyLength::Length(3), &["content-length: 3", "connection: keep-alive"]);
    check(chunked, Version::Http10, BodyLength::UntilClose, &["connection: close"]);
    check("Connection: close", Version::Http10, BodyLength::UntilClose, &["connection: close"]);
}

#[test]
fn a_connection_that_ends_says_so() {
    let hop = ResponseHop { close: true, ..to_client(Version::Http11) };
    let (_, fields) = returned_with(&response("Content-Length: 3"), hop);
    assert_eq!(fields.last().unwrap(), "connection: close");
    let hop = ResponseHop { close: true, ..to_client(Version::Http10) };
    let (_, fields) = returned_with(&response("Content-Length: 3"), hop);
    assert_eq!(fields.last().unwrap(), "connection: close");
}

#[test]
fn s22_a_response_without_body_keeps_its_length_field() {
    let last = |head: &ResponseHead| returned(head).pop().unwrap();
    let head = answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", &Method::Head);
    assert_eq!(returned(&head).iter().filter(|line| *line == "content-length: 5").count(), 1);
    assert_eq!(
        last(&answer("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", &Method::Get)),
        "content-length: 5"
    );
    assert_eq!(
        last(&answer("HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n", &Method::Head)),
        "via: 1.1 rebound"
    );
    assert_eq!(
        last(&answer("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", &Method::Get)),
        "via: 1.1 rebound"
    );
}

#[test]
fn interim_responses_carry_fields_alone() {
    let head = answer("HTTP/1.1 103 Early Hints\r\nLink: a\r\nConnection: x\r\nX: y\r\n\r\n", &Method::Get);
    let hop = ResponseHop { close: true, attempt: Some(2), ..to_client(Version::Http11) };
    let expected = ["HTTP/1.1 103 Early Hints", "Link: a", "via: 1.1 rebound"];
    assert_eq!(returned_with(&head, hop).1, expected);
}

#[test]
fn a_response_is_dated() {
    let dates = |lines: &str| {
        let fields = returned(&response(lines)).into_iter();
        fields.filter(|line| line.to_lowercase().starts_with("date")).collect::<Vec<_>>()
    };
    assert_eq!(dates("Content-Length: 0"), [format!("date: {DATE}")]);
    assert_eq!(dates("Date: Mon, 07 Nov 1994 08:49:37 GMT"), ["Date: Mon, 07 Nov 1994 08:49:37 GMT"]);
}
