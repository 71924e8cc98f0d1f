//! Runs the parsers over whole inputs, in one piece and in pieces.

use bytes::BytesMut;
use rebound_dataplane::http::h1::body::{BodyDecoder, BodyError, Piece};
use rebound_dataplane::http::h1::framing::BodyLength;
use rebound_dataplane::http::h1::method::Method;
use rebound_dataplane::http::h1::request::{RequestError, RequestHead, RequestParser};
use rebound_dataplane::http::h1::response::{ResponseError, ResponseHead, ResponseParser};

/// What can be compared of fields: names as spelled, and values.
pub(crate) type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// A body that was read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Lines,
    /// What stayed in the buffer.
    pub(crate) rest: Vec<u8>,
}

/// The first head and what follows it, read byte by byte and at once; both ways must agree.
#[track_caller]
pub(crate) fn request(input: &[u8]) -> Result<Option<(RequestHead, Vec<u8>)>, RequestError> {
    let whole = request_in_pieces(&[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(format!("{whole:?}"), format!("{:?}", request_in_pieces(&bytes)));
    whole
}

/// Stops at the first head; later pieces are part of the rest.
pub(crate) fn request_in_pieces(pieces: &[&[u8]]) -> Result<Option<(RequestHead, Vec<u8>)>, RequestError> {
    let (mut parser, mut buf, mut head) = (RequestParser::default(), BytesMut::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        if head.is_none() {
            head = parser.parse(&mut buf)?;
        }
    }
    Ok(head.map(|head| (head, buf.to_vec())))
}

/// Like [`request`].
#[track_caller]
pub(crate) fn response(
    input: &[u8],
    method: &Method,
) -> Result<Option<(ResponseHead, Vec<u8>)>, ResponseError> {
    let whole = response_in_pieces(&[input], method);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(format!("{whole:?}"), format!("{:?}", response_in_pieces(&bytes, method)));
    whole
}

/// Stops at the first head; later pieces are part of the rest.
pub(crate) fn response_in_pieces(
    pieces: &[&[u8]],
    method: &Method,
) -> Result<Option<(ResponseHead, Vec<u8>)>, ResponseError> {
    let (mut parser, mut buf, mut head) = (ResponseParser::default(), BytesMut::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        if head.is_none() {
            head = parser.parse(&mut buf, method)?;
        }
    }
    Ok(head.map(|head| (head, buf.to_vec())))
}

/// A whole body, read byte by byte and at once; both ways must agree. The end of the input is reported if the body is
/// not complete by then.
#[track_caller]
pub(crate) fn body(length: BodyLength, input: &[u8]) -> Result<Body, BodyError> {
    let whole = body_in_pieces(length, &[input]);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(whole, body_in_pieces(length, &bytes));
    whole
}

/// Like [`body`], cut as given.
pub(crate) fn body_in_pieces(length: BodyLength, pieces: &[&[u8]]) -> Result<Body, BodyError> {
    let (mut decoder, mut buf, mut data) = (BodyDecoder::new(length), BytesMut::new(), Vec::new());
    let mut pieces = pieces.iter();
    let trailers = loop {
        match decoder.decode(&mut buf)? {
            Piece::Data(bytes) => {
                assert!(!bytes.is_empty(), "a step without progress");
                data.extend_from_slice(&bytes);
            }
            Piece::End(trailers) => break trailers,
            Piece::More => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => decoder.eof()?,
            },
        }
    };
    pieces.for_each(|piece| buf.extend_from_slice(piece));
    let trailers =
        trailers.iter().flat_map(|fields| fields.iter()).map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
    Ok(Body { data, trailers, rest: buf.to_vec() })
}
