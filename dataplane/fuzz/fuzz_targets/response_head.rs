//! A response head means the same however it arrives, and what is taken is sound.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::response::{ResponseError, ResponseHead, ResponseParser};

fuzz_target!(|data: &[u8]| {
    for method in [Method::Get, Method::Head] {
        let whole = parse(&[data], &method);
        let cut = data.last().map_or(0, |last| usize::from(*last) % data.len());
        let halves = parse(&[&data[..cut], &data[cut..]], &method);
        assert_eq!(format!("{whole:?}"), format!("{halves:?}"));
        if let Ok(Some((head, rest))) = whole {
            assert!(data.ends_with(&rest));
            check(&head, &method);
        }
    }
});

type Parsed = Result<Option<(ResponseHead, Vec<u8>)>, ResponseError>;

fn parse(pieces: &[&[u8]], method: &Method) -> Parsed {
    let (mut parser, mut buf, mut head) = (ResponseParser::default(), BytesMut::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        if head.is_none() {
            head = parser.parse(&mut buf, method)?;
        }
    }
    Ok(head.map(|head| (head, buf.to_vec())))
}

fn check(head: &ResponseHead, method: &Method) {
    assert!((100..600).contains(&head.status));
    assert!(!(head.reusable && head.body == BodyLength::UntilClose));
    assert!(*method != Method::Head || head.body == BodyLength::Empty);
    assert!(!head.reason().iter().any(|b| matches!(b, b'\0' | b'\r' | b'\n')));
}
