//! A request head means the same however it arrives, and what is taken is sound.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::request::{RequestError, RequestHead, RequestParser};

fuzz_target!(|data: &[u8]| {
    let whole = parse(&[data]);
    let cut = data.first().map_or(0, |first| usize::from(*first) % data.len());
    let halves = parse(&[&data[..cut], &data[cut..]]);
    assert_eq!(format!("{whole:?}"), format!("{halves:?}"));
    match whole {
        Ok(Some((head, rest))) => check(&head, &rest, data),
        Ok(None) => {}
        Err(error) => assert!((400..600).contains(&error.status())),
    }
});

type Parsed = Result<Option<(RequestHead, Vec<u8>)>, RequestError>;

fn parse(pieces: &[&[u8]]) -> Parsed {
    let (mut parser, mut buf, mut head) = (RequestParser::default(), BytesMut::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        if head.is_none() {
            head = parser.parse(&mut buf)?;
        }
    }
    Ok(head.map(|head| (head, buf.to_vec())))
}

fn check(head: &RequestHead, rest: &[u8], data: &[u8]) {
    assert!(data.ends_with(rest));
    assert!(head.target().starts_with('/') || head.target() == "*");
    assert!(head.target().bytes().all(|b| b.is_ascii_graphic()));
    assert!(!head.host().bytes().any(|b| b.is_ascii_uppercase()));
    assert!(head.body != BodyLength::UntilClose);
    for (name, value) in head.fields.iter() {
        assert!(!name.is_empty() && name.iter().all(|b| b.is_ascii_graphic() && *b != b':'));
        assert!(!value.iter().any(|b| matches!(b, b'\0' | b'\r' | b'\n')));
        assert_eq!(value.trim_ascii(), value);
    }
}
