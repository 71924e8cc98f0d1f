//! A body decodes to the same data however it arrives, gives back no byte twice and never stalls.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rebound_dataplane::http::h1::body::{BodyDecoder, BodyError, Piece};
use rebound_dataplane::http::h1::framing::BodyLength;

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (kind, number, data) = input;
    let length = match kind % 4 {
        0 => BodyLength::Length(u64::from(number)),
        1 => BodyLength::UntilClose,
        _ => BodyLength::Chunked,
    };
    let cut = usize::from(number) % (data.len() + 1);
    let whole = decode(length, &[data]);
    assert_eq!(whole, decode(length, &[&data[..cut], &data[cut..]]));
    if let Ok((body, rest)) = whole {
        assert!(body.len() + rest.len() <= data.len());
        assert!(data.ends_with(&rest));
    }
});

/// The data and what stayed behind it.
fn decode(length: BodyLength, pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>), BodyError> {
    let (mut decoder, mut buf, mut body) = (BodyDecoder::new(length), BytesMut::new(), Vec::new());
    let mut pieces = pieces.iter();
    loop {
        match decoder.decode(&mut buf)? {
            Piece::Data(data) => {
                assert!(!data.is_empty());
                body.extend_from_slice(&data);
            }
            Piece::End(_) => break,
            Piece::More => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => decoder.eof()?,
            },
        }
    }
    pieces.for_each(|piece| buf.extend_from_slice(piece));
    Ok((body, buf.to_vec()))
}
