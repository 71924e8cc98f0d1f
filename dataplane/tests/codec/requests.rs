//! Every unusual or hostile request head that is known to split proxies, and what we make of it.

use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::limits::{
    CONNECTION_OPTIONS_MAX, FIELDS_MAX, HEAD_MAX_BYTES, LEADING_CRLF_MAX, METHOD_MAX_BYTES, TARGET_MAX_BYTES,
};
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::request::{RequestError, RequestHead, RequestParser};
use rebound_dataplane::http::h1::version::Version;

use super::support::request;

#[track_caller]
fn accept(input: impl AsRef<[u8]>) -> RequestHead {
    request(input.as_ref()).unwrap().expect("a whole head").0
}

#[track_caller]
fn refuse(input: impl AsRef<[u8]>, status: u16) {
    match request(input.as_ref()) {
        Err(error) => assert_eq!(error.status(), status, "{error:?}"),
        Ok(Some((head, _))) => panic!("accepted: {head:?}"),
        Ok(None) => panic!("still waiting"),
    }
}

/// A request with these field lines in addition to Host.
fn post(lines: &str) -> String {
    format!("POST /path HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n")
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn a_body_with_two_framings_is_refused() {
    refuse(post("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400);
    refuse(post("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400);
    refuse(post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"), 400);
    refuse(post("Transfer-Encoding: identity\r\nContent-Length: 5"), 400);
}

#[test]
fn content_length_is_one_plain_number() {
    refuse(post("Content-Length: 3\r\nContent-Length: 5"), 400);
    refuse(post("Content-Length: 3\r\nContent-Length: 3"), 400);
    for value in ["3, 3", "3,5", "+3", "-1", "0x3", "", " ", "3 3", "3;", "18446744073709551616", "1e3", "٣"]
    {
        refuse(post(&format!("Content-Length: {value}")), 400);
    }
    assert_eq!(accept(post("Content-Length: 3")).body, BodyLength::Length(3));
    assert_eq!(accept(post("Content-Length:\t003 ")).body, BodyLength::Length(3));
    assert_eq!(accept(post("Content-Length: 18446744073709551615")).body, BodyLength::Length(u64::MAX));
}

#[test]
fn transfer_encoding_is_exactly_chunked() {
    for value in
        ["gzip, chunked", "xchunked", "chunked, gzip", "gzip", "chunked;q=1", "\"chunked\"", "chunked x"]
    {
        refuse(post(&format!("Transfer-Encoding: {value}")), 501);
    }
    for value in ["identity", "identity, chunked", "chunked, chunked", "chunked,", ",chunked", ""] {
        refuse(post(&format!("Transfer-Encoding: {value}")), 400);
    }
    refuse(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400);
    refuse(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), 400);
    refuse(post("Transfer-Encoding: \x0bchunked"), 400);
    refuse(post("Transfer-Encoding : chunked"), 400);
    refuse(post("Transfer-Encoding:\r\n chunked"), 400);
    assert_eq!(accept(post("Transfer-Encoding: chunked")).body, BodyLength::Chunked);
    assert_eq!(accept(post("transfer-encoding:Chunked \t")).body, BodyLength::Chunked);
}

#[test]
fn http_1_0_has_no_chunks() {
    refuse("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refuse("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
}

#[test]
fn a_request_without_framing_has_no_body() {
    assert_eq!(accept("POST / HTTP/1.0\r\n\r\n").body, BodyLength::Empty);
    assert_eq!(accept(get("/")).body, BodyLength::Empty);
}

#[test]
fn lines_end_in_crlf() {
    refuse("GET / HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\rHost: a\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\n\r\r\n\r\n", 400);
}

#[test]
fn field_lines_keep_to_the_grammar() {
    for line in [
        "A: b\r\n c",
        "A: b\r\n\tc",
        " A: b",
        "A : b",
        "A\t: b",
        "A: b\0c",
        "A: b\rc",
        "A: b\x7f",
        "A: \x01",
        ": b",
        "A",
        "A b: c",
        "A(: b",
        "Ä: b",
        "A: b\r\n: c",
    ] {
        refuse(post(line), 400);
    }
    let head = accept(post("A: b\u{e4}\tc \r\nEmpty:\r\nA:  d"));
    assert_eq!(head.fields.get_all("a").collect::<Vec<_>>(), ["b\u{e4}\tc".as_bytes(), b"d"]);
    assert_eq!(head.fields.get("empty"), Some(&b""[..]));
}

#[test]
fn there_is_exactly_one_host() {
    refuse("GET / HTTP/1.1\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    refuse("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400);
    refuse("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    assert_eq!(accept("GET / HTTP/1.0\r\n\r\n").host(), "");
    assert_eq!(accept("GET / HTTP/1.1\r\nHost:\r\n\r\n").host(), "");
}

#[test]
fn host_is_a_host_and_perhaps_a_port() {
    for value in [
        "a b",
        "a,b",
        "a/b",
        "user@a",
        "a:b",
        "a:80:80",
        "a:-1",
        "a:65536",
        "a:000080",
        "[::1",
        "::1",
        "[::1]x",
        "[::g]",
        "[]",
        ":80",
        "a%2eb",
        "a?b",
        "a#b",
        "a\\b",
        "h\u{f6}st",
        "[::1%25eth0]",
        "]",
        "a]:80",
    ] {
        refuse(format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n"), 400);
    }
    let host = |value: &str| {
        let head = accept(format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n"));
        assert_eq!(head.authority(), value);
        (head.host().to_owned(), head.port())
    };
    assert_eq!(host("example.com"), ("example.com".into(), None));
    assert_eq!(host("EXAMPLE.com:8080"), ("example.com".into(), Some(8080)));
    assert_eq!(host("a_b-1.c:"), ("a_b-1.c".into(), None));
    assert_eq!(host("127.0.0.1:80"), ("127.0.0.1".into(), Some(80)));
    assert_eq!(host("[2001:DB8::1]:443"), ("[2001:db8::1]".into(), Some(443)));
    assert_eq!(host("[::1]"), ("[::1]".into(), None));
}

#[test]
fn only_versions_1_0_and_1_1_are_spoken() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        refuse(format!("GET / {version}\r\nHost: a\r\n\r\n"), 505);
    }
    for version in
        ["http/1.1", "HTTP/1", "HTTP/1.10", "HTTP/1,1", "HTTPS/1.1", "HTTP/1.1 ", " HTTP/1.1", "x HTTP/1.1"]
    {
        refuse(format!("GET / {version}\r\nHost: a\r\n\r\n"), 400);
    }
    refuse("GET /\r\nHost: a\r\n\r\n", 400);
    refuse("GET\r\n\r\n", 400);
    assert_eq!(accept("GET / HTTP/1.0\r\nHost: a\r\n\r\n").version, Version::Http10);
}

#[test]
fn targets_are_origin_form_and_unchanged() {
    for target in ["/", "/a/../b//c;d=e?f=%2F&g=\"{|}\"", "/?", "/?a?b", "/%", "/~%7e", "/?\\", "//host/path"]
    {
        assert_eq!(accept(get(target)).target(), target);
    }
    for target in
        ["", "a", "a/b", "/a b", "/a#b", "/a\tb", "/\u{e4}", "/a\\b", "/\x7f", "/\0", "?a", "http:/a", "#"]
    {
        refuse(get(target), 400);
    }
    let head = accept(get("/a?b?c"));
    assert_eq!((head.path(), head.query()), ("/a", Some("b?c")));
    let head = accept(get("/a"));
    assert_eq!((head.path(), head.query()), ("/a", None));
}

#[test]
fn absolute_form_becomes_origin_form_and_its_authority_wins() {
    let check = |target: &str, expected: &str| {
        let head = accept(get(target));
        assert_eq!((head.target(), head.authority(), head.host()), (expected, "B:81", "b"));
    };
    check("http://B:81/c?d", "/c?d");
    check("HTTP://B:81", "/");
    check("https://B:81?c", "/?c");
    for target in [
        "http://",
        "http:///a",
        "http://u@b/",
        "http://u:p@b/",
        "http://b:x/",
        "ftp://b/",
        "http://b c/",
        "http://b#c",
        "http:b",
        "b:80",
        "http://b/\\",
        "//\\",
        "urn:a:b",
    ] {
        refuse(get(target), 400);
    }
    // The field must be sound even where it is not used.
    refuse("GET http://b/ HTTP/1.1\r\n\r\n", 400);
    refuse("GET http://b/ HTTP/1.1\r\nHost: b c\r\n\r\n", 400);
}

#[test]
fn the_asterisk_is_for_options() {
    let head = accept("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.target(), head.path()), ("*", "*"));
    assert_eq!(accept("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n").target(), "*");
    assert_eq!(accept("OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n").target(), "/");
    refuse(get("*"), 400);
    refuse("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn connect_and_endless_methods_are_not_implemented() {
    refuse("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501);
    refuse("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    let method = "M".repeat(METHOD_MAX_BYTES);
    assert_eq!(
        accept(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).method,
        Method::Other(method.clone().into())
    );
    refuse(format!("{method}M / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    refuse("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refuse("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
    refuse(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn s03_methods_are_case_sensitive_on_the_wire() {
    let head = accept("get / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!head.method.is_idempotent());
    assert_eq!(head.method.as_str(), "get");
}

#[test]
fn expectations_other_than_100_continue_are_refused() {
    assert!(accept(post("Expect: 100-continue\r\nContent-Length: 3")).expects_continue);
    assert!(accept(post("Expect: 100-Continue\r\nTransfer-Encoding: chunked")).expects_continue);
    assert!(!accept(post("Content-Length: 3")).expects_continue);
    assert!(!accept(post("Expect: 100-continue\r\nContent-Length: 0")).expects_continue);
    assert!(!accept(post("Expect: 100-continue")).expects_continue);
    assert!(!accept("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").expects_continue);
    for value in ["200-ok", "", "100-continue, x", "100-continue=1"] {
        refuse(post(&format!("Expect: {value}")), 417);
    }
}

#[test]
fn connections_persist_by_version_and_option() {
    let keep_alive = |version: &str, line: &str| {
        accept(format!("GET / HTTP/{version}\r\nHost: a\r\n{line}\r\n\r\n")).keep_alive
    };
    assert!(keep_alive("1.1", "A: b"));
    assert!(keep_alive("1.1", "Connection: x"));
    assert!(!keep_alive("1.1", "Connection: x, CLOSE"));
    assert!(!keep_alive("1.1", "Connection: close\r\nConnection: keep-alive"));
    assert!(!keep_alive("1.0", "A: b"));
    assert!(keep_alive("1.0", "Connection: Keep-Alive"));
    assert!(!keep_alive("1.0", "Connection: keep-alive, close"));
}

#[test]
fn other_protocols_show_in_their_first_bytes() {
    refuse(b"\x16\x03\x01", 400);
    refuse(b"\x16", 400);
    refuse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400);
    refuse(b"\0", 400);
    refuse(b"\n", 400);
    refuse(b"\rG", 400);
    refuse("\u{feff}GET / HTTP/1.1\r\n", 400);
}

#[test]
fn a_few_empty_lines_may_stand_in_front() {
    let lines = "\r\n".repeat(LEADING_CRLF_MAX);
    assert_eq!(accept(format!("{lines}{}", get("/"))).target(), "/");
    refuse(format!("\r\n{lines}{}", get("/")), 400);
    refuse(format!("\n{}", get("/")), 400);
}

#[test]
fn a_target_has_a_limit() {
    let target = "/".repeat(TARGET_MAX_BYTES);
    assert_eq!(accept(get(&target)).target(), target);
    refuse(get(&format!("/{target}")), 414);
    refuse(get(&"/".repeat(70_000)), 414);
    // Before the line ends.
    refuse(&get(&"/".repeat(70_000))[..TARGET_MAX_BYTES + 100], 414);
}

#[test]
fn a_head_has_a_limit_in_bytes() {
    let filled = |bytes: usize| {
        let rest = post("A: ").len();
        post(&format!("A: {}", "b".repeat(bytes - rest)))
    };
    assert_eq!(accept(filled(HEAD_MAX_BYTES)).fields.len(), 2);
    refuse(filled(HEAD_MAX_BYTES + 1), 431);
    refuse(post(&format!("A: {}", "b".repeat(200_000))), 431);
    refuse(post(&format!("{}: b", "A".repeat(70_000))), 431);
    // Before the head ends.
    refuse(&filled(HEAD_MAX_BYTES + 1)[..HEAD_MAX_BYTES], 431);
}

#[test]
fn a_head_has_a_limit_in_fields() {
    let fields = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1));
    assert_eq!(accept(fields(FIELDS_MAX)).fields.len(), FIELDS_MAX);
    refuse(fields(FIELDS_MAX + 1), 431);
    // Before the head ends.
    refuse(&fields(FIELDS_MAX + 2)[..fields(FIELDS_MAX + 1).len() - 2], 431);
}

#[test]
fn connection_options_have_a_limit() {
    let options = |count: usize| post(&format!("Connection: a{}", ",a".repeat(count - 1)));
    accept(options(CONNECTION_OPTIONS_MAX));
    refuse(options(CONNECTION_OPTIONS_MAX + 1), 400);
    refuse(post("Connection: a,\r\n".repeat(CONNECTION_OPTIONS_MAX / 2 + 1).trim_end()), 400);
}

#[test]
fn requests_follow_each_other_in_one_buffer() {
    let mut parser = RequestParser::default();
    let mut buf = bytes::BytesMut::from(&*[get("/1"), "\r\n".into(), get("/2"), "GET /3".into()].concat());
    assert_eq!(parser.parse(&mut buf).unwrap().unwrap().target(), "/1");
    assert_eq!(parser.parse(&mut buf).unwrap().unwrap().target(), "/2");
    assert!(parser.parse(&mut buf).unwrap().is_none());
    buf.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(parser.parse(&mut buf).unwrap().unwrap().target(), "/3");
    assert!(buf.is_empty());
}

#[test]
fn fields_are_found_in_any_case_and_kept_in_order() {
    let head = accept(post("A: 1\r\nb: x, Y ,\r\na: 2\r\nB: z"));
    let all: Vec<_> = head.fields.iter().collect();
    assert_eq!(all.len(), 5);
    assert_eq!((all[1], all[3]), ((&b"A"[..], &b"1"[..]), (&b"a"[..], &b"2"[..])));
    assert_eq!(head.fields.get("b"), Some(&b"x, Y ,"[..]));
    assert_eq!(head.fields.get_all("A").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(head.fields.get("c"), None);
}

#[test]
fn errors_name_what_is_wrong() {
    let error = request(b"GET / HTTP/1.1\r\nHost: a\r\nA: b\0\r\n\r\n").unwrap_err();
    assert_eq!(error, RequestError::Malformed(httparse::Error::HeaderValue));
    assert_eq!(error.to_string(), "malformed request head");
}
