//! Bodies and the tricks that are played with their ends.

use rebound_dataplane::http::h1::body::BodyError;
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::limits::{
    CHUNK_LINE_MAX_BYTES, CHUNK_OVERHEAD_MAX_BYTES, FIELDS_MAX, TRAILERS_MAX_BYTES,
};

use super::support::{Body, Lines, body};

#[track_caller]
fn chunked(input: impl AsRef<[u8]>) -> Body {
    body(BodyLength::Chunked, input.as_ref()).unwrap()
}

#[track_caller]
fn refuse(input: impl AsRef<[u8]>, expected: BodyError) {
    assert_eq!(body(BodyLength::Chunked, input.as_ref()), Err(expected));
}

fn read(data: &str, rest: &str) -> Body {
    Body { data: data.into(), trailers: Lines::new(), rest: rest.into() }
}

#[test]
fn a_length_is_read_to_the_byte() {
    assert_eq!(body(BodyLength::Length(3), b"abcGET"), Ok(read("abc", "GET")));
    assert_eq!(body(BodyLength::Length(0), b"GET"), Ok(read("", "GET")));
    assert_eq!(body(BodyLength::Empty, b"GET"), Ok(read("", "GET")));
    assert_eq!(body(BodyLength::Length(3), b"ab"), Err(BodyError::Truncated));
    assert_eq!(body(BodyLength::Length(u64::MAX), b"ab"), Err(BodyError::Truncated));
}

#[test]
fn the_end_of_input_ends_only_a_body_that_lasts_until_then() {
    assert_eq!(body(BodyLength::UntilClose, b"abc"), Ok(read("abc", "")));
    assert_eq!(body(BodyLength::UntilClose, b""), Ok(read("", "")));
    for input in ["", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "0\r\n", "0\r\nA: b\r\n"] {
        refuse(input, BodyError::Truncated);
    }
}

#[test]
fn chunks_are_joined_and_what_follows_stays() {
    assert_eq!(chunked("3\r\nabc\r\n0\r\n\r\nGET"), read("abc", "GET"));
    assert_eq!(chunked("0\r\n\r\n"), read("", ""));
    assert_eq!(chunked("1\r\na\r\n00A\r\n0123456789\r\n000\r\n\r\n"), read("a0123456789", ""));
}

#[test]
fn chunk_extensions_are_dropped() {
    for line in ["3;a", "3;a=b", "3;a=\"b;c\"", "3 ;a", "3\t; a = b", "3;", "3;\u{e4}"] {
        assert_eq!(chunked(format!("{line}\r\nabc\r\n0;x\r\n\r\n")), read("abc", ""), "{line}");
    }
}

#[test]
fn a_chunk_line_is_a_size_and_extensions() {
    for line in [
        "",
        " ",
        "x",
        "-1",
        "+3",
        "0x3",
        "3 ",
        " 3",
        "3 a",
        "3,3",
        "3\0",
        "3;a\0",
        "3;a\rb",
        "3\r",
        ";a",
        "3g",
        "3=",
        "1000000000000000",
        "FFFFFFFFFFFFFFFD",
        "00000000000000003",
        "3;a\x7f",
    ] {
        refuse(format!("{line}\r\nabc\r\n0\r\n\r\n"), BodyError::ChunkLine);
    }
    refuse("3\nabc\r\n0\r\n\r\n", BodyError::ChunkLine);
    refuse("3;a\nabc\r\n0\r\n\r\n", BodyError::ChunkLine);
    refuse("FFFFFFFFFFFFFFF\r\nabc", BodyError::Truncated);
}

#[test]
fn a_chunk_ends_where_its_size_says() {
    for input in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabcX\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\r\r\n0\r\n\r\n",
    ] {
        refuse(input, BodyError::ChunkEnd);
    }
    refuse("3\r\nabc\r\n\r\n0\r\n\r\n", BodyError::ChunkLine);
}

#[test]
fn chunk_lines_have_limits() {
    let padded = |bytes: usize| format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(bytes - 4));
    assert_eq!(chunked(padded(CHUNK_LINE_MAX_BYTES)), read("abc", ""));
    refuse(padded(CHUNK_LINE_MAX_BYTES + 1), BodyError::ChunkLineTooLong);
    refuse("0".repeat(CHUNK_LINE_MAX_BYTES), BodyError::ChunkLineTooLong);
    let wasteful = format!("1;{}\r\na\r\n", "e".repeat(196)).repeat(CHUNK_OVERHEAD_MAX_BYTES / 183 + 1);
    refuse(format!("{wasteful}0\r\n\r\n"), BodyError::ChunkOverhead);
}

#[test]
fn small_chunks_and_modest_extensions_never_run_out() {
    let input = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(20_000));
    assert_eq!(body_at_once(&input).data.len(), 20_000);
    let signed = format!("400;chunk-signature={}\r\n{}\r\n", "f".repeat(64), "d".repeat(0x400));
    assert_eq!(body_at_once(&format!("{}0\r\n\r\n", signed.repeat(500))).data.len(), 500 * 0x400);
}

fn body_at_once(input: &str) -> Body {
    super::support::body_in_pieces(BodyLength::Chunked, &[input.as_bytes()]).unwrap()
}

#[test]
fn trailers_are_kept() {
    let body = chunked("3\r\nabc\r\n0\r\nExpires: never\r\nX-Sum:  1 \r\n\r\nGET");
    let line = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(body.trailers, [line("Expires", "never"), line("X-Sum", "1")]);
    assert_eq!(body.rest, b"GET");
}

#[test]
fn trailers_that_frame_route_or_vouch_are_refused() {
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Connection",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
        "Expect",
        "Proxy-Connection",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Rebound-Attempt",
    ] {
        refuse(format!("0\r\nA: b\r\n{name}: 1\r\n\r\n"), BodyError::Trailer);
    }
}

#[test]
fn trailers_keep_to_the_grammar() {
    for section in [
        "A : b\r\n\r\n",
        "A: b\r\n c\r\n\r\n",
        "A: b\n\r\n",
        "\n",
        "A\r\n\r\n",
        "A: \0\r\n\r\n",
        "\rx\r\n\r\n",
    ] {
        refuse(format!("0\r\n{section}"), BodyError::Trailer);
    }
}

#[test]
fn trailers_have_limits() {
    refuse(format!("0\r\nA: {}\r\n\r\n", "b".repeat(TRAILERS_MAX_BYTES)), BodyError::TrailersTooLarge);
    refuse(format!("0\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX + 1)), BodyError::TrailersTooLarge);
    assert_eq!(chunked(format!("0\r\n{}\r\n", "A: b\r\n".repeat(FIELDS_MAX))).trailers.len(), FIELDS_MAX);
}
