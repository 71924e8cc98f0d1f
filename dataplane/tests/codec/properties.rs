//! Laws of the codec, over generated messages: sound ones, damaged ones and noise.

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::select;
use rebound_dataplane::http::h1::encode::{put_chunk, put_last_chunk};
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::method::Method;

use super::hyper_oracle::{Seen, first_request, first_response, sorted};
use super::support::{Lines, body_in_pieces, request_in_pieces, response_in_pieces};

/// Lines that are legal, odd or evil; most messages have a few of them.
const LINES: [&str; 26] = [
    "A: b",
    "a:  c\t",
    "Content-Length: 5",
    "Content-Length: 5",
    "content-length: 0",
    "Content-Length: +5",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding:\u{b}chunked",
    "Connection: close",
    "Connection: keep-alive, x",
    "Host: b",
    "Expect: 100-continue",
    "X: y\r\n folded",
    "X: \u{e4}",
    "X: a\rb",
    "X: a\nb",
    "X:",
    ": x",
    "Upgrade: h2c",
    "Trailer: a",
];

const BODIES: [&str; 14] = [
    "",
    "abcde",
    "abcdeGET /second HTTP/1.1\r\nHost: a\r\n\r\n",
    "5\r\nabcde\r\n0\r\n\r\n",
    "5;a=b\r\nabcde\r\n0\r\n\r\n",
    "2\r\nab\r\n3\r\ncde\r\n0\r\nA: b\r\n\r\n",
    "0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n",
    "5 \r\nabcde\r\n0\r\n\r\n",
    "5\nabcde\n0\n\n",
    "\r\n5\r\nabcde\r\n0\r\n\r\n",
    "0x5\r\nabcde\r\n0\r\n\r\n",
    "00000000000000005\r\nabcde\r\n0\r\n\r\n",
    "FFFFFFFFFFFFFFFE\r\nabcde\r\n0\r\n\r\n",
    "5\r\nabcdef\r\n0\r\n\r\n",
];

fn fields() -> impl Strategy<Value = String> {
    let crlf = prop_oneof![30 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\n\r\n")];
    prop::collection::vec((select(&LINES[..]), crlf), 0..4)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end]).collect())
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let methods = ["GET", "GET", "POST", "POST", "HEAD", "get", "OPTIONS", "M-SEARCH", "CONNECT"];
    let targets =
        ["/", "/a?b=c", "/a/../b", "*", "http://B:81/c", "http://b", "//c", "/a#b", "a", "/%zz", "/{}"];
    let versions = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"];
    let hosts = ["Host: a\r\n", "Host: a\r\n", "Host: A:80\r\n", "host: a b\r\n", ""];
    let head = (
        select(methods.to_vec()),
        select(targets.to_vec()),
        select(versions.to_vec()),
        select(hosts.to_vec()),
    );
    (head, fields(), select(&BODIES[..])).prop_map(|((method, target, version, host), fields, body)| {
        format!("{method} {target} {version}\r\n{host}{fields}\r\n{body}").into_bytes()
    })
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let starts = [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 ",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 204 x",
        "HTTP/1.1 304 x",
        "HTTP/1.1 503",
        "HTTP/1.1 200  OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.1 099 x",
    ];
    (select(starts.to_vec()), fields(), select(&BODIES[..]))
        .prop_map(|(start, fields, body)| format!("{start}\r\n{fields}\r\n{body}").into_bytes())
}

/// Bytes that a failing test prints as text.
#[derive(Clone)]
struct Wire(Vec<u8>);

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Mostly the message itself, else with one byte replaced, inserted or taken out.
fn damaged(message: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Wire> {
    let byte = prop_oneof![any::<u8>(), select(b"\0\t\n\r ,;:chunked0123456789".to_vec())];
    (message, 0..6u8, any::<prop::sample::Index>(), byte).prop_map(|(mut message, how, place, byte)| {
        let place = place.index(message.len());
        match how {
            0 => message[place] = byte,
            1 => message.insert(place, byte),
            2 => drop(message.remove(place)),
            _ => {}
        }
        Wire(message)
    })
}

/// The first message as we read it; none if it is refused, not whole or interim.
fn our_request(input: &[u8]) -> Option<Seen> {
    let (head, rest) = request_in_pieces(&[input]).ok()??;
    let body = body_in_pieces(head.body, &[&rest]).ok()?;
    let start = (head.method.to_string(), head.target().to_owned());
    Some(Seen { start, fields: sorted(head.fields.iter()), body: body.data, trailers: lower(&body.trailers) })
}

fn our_response(input: &[u8], method: &Method) -> Option<Seen> {
    let (head, rest) = response_in_pieces(&[input], method).ok()??;
    let body = body_in_pieces(head.body, &[&rest]).ok()?;
    let start = (head.status.to_string(), String::new());
    (!head.is_informational()).then_some(Seen {
        start,
        fields: sorted(head.fields.iter()),
        body: body.data,
        trailers: lower(&body.trailers),
    })
}

fn lower(trailers: &Lines) -> Lines {
    sorted(trailers.iter().map(|(name, value)| (&name[..], &value[..])))
}

/// hyper's URI type refuses some characters that no two readers could take differently, and cannot tell
/// `OPTIONS http://a` from `OPTIONS http://a/`.
fn is_comparable(request: &Seen) -> bool {
    let (_, target) = &request.start;
    target != "*" && !target.contains(['<', '>', '`'])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn requests_that_we_take_mean_the_same_to_hyper(Wire(input) in damaged(request())) {
        let Some(ours) = our_request(&input) else { return Ok(()) };
        if is_comparable(&ours) {
            prop_assert_eq!(Some(ours), first_request(&input));
        }
    }

    #[test]
    fn responses_that_we_take_mean_the_same_to_hyper(Wire(input) in damaged(response()), head in any::<bool>()) {
        let method = if head { Method::Head } else { Method::Get };
        let Some(ours) = our_response(&input, &method) else { return Ok(()) };
        prop_assert_eq!(Some(ours), first_response(&input, method.as_str()));
    }
}

proptest! {
    #[test]
    fn a_request_means_the_same_wherever_it_is_cut(Wire(input) in damaged(request())) {
        let whole = format!("{:?}", request_in_pieces(&[&input]));
        for cut in 0..input.len() {
            let halves = request_in_pieces(&[&input[..cut], &input[cut..]]);
            prop_assert_eq!(&whole, &format!("{halves:?}"), "cut at {}", cut);
        }
    }

    #[test]
    fn a_response_means_the_same_wherever_it_is_cut(Wire(input) in damaged(response())) {
        let whole = format!("{:?}", response_in_pieces(&[&input], &Method::Get));
        for cut in 0..input.len() {
            let halves = response_in_pieces(&[&input[..cut], &input[cut..]], &Method::Get);
            prop_assert_eq!(&whole, &format!("{halves:?}"), "cut at {}", cut);
        }
    }

    #[test]
    fn a_body_means_the_same_wherever_it_is_cut(Wire(input) in damaged(select(&BODIES[1..]).prop_map(Vec::from))) {
        for length in [BodyLength::Length(5), BodyLength::Chunked, BodyLength::UntilClose] {
            let whole = body_in_pieces(length, &[&input]);
            for cut in 0..input.len() {
                prop_assert_eq!(&whole, &body_in_pieces(length, &[&input[..cut], &input[cut..]]), "cut at {}", cut);
            }
        }
    }

    #[test]
    fn noise_is_survived(input in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = request_in_pieces(&[&input]);
        let _ = response_in_pieces(&[&[b"HTTP/1.1 200 OK\r\n", &input[..]].concat()], &Method::Get);
        for length in [BodyLength::Length(100), BodyLength::Chunked, BodyLength::UntilClose] {
            if let Ok(body) = body_in_pieces(length, &[&input]) {
                prop_assert!(body.data.len() + body.rest.len() <= input.len());
                prop_assert!(input.ends_with(&body.rest));
            }
        }
    }

    #[test]
    fn chunks_read_back_as_they_were_written(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6_000), 0..4),
        rest in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let mut wire = BytesMut::new();
        for chunk in &chunks {
            put_chunk(chunk, &mut wire);
        }
        put_last_chunk(None, &mut wire);
        wire.extend_from_slice(&rest);
        let body = body_in_pieces(BodyLength::Chunked, &[&wire]).unwrap();
        prop_assert_eq!((body.data, body.rest), (chunks.concat(), rest));
    }
}
