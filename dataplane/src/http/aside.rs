//! An answer that the client may never get.
//!
//! Its body is read to the end, within bounds, so that the connection can serve again and so that the answer can still
//! be given if every later attempt finds no backend at all. That happens beside the wait for the next attempt.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;

use super::body::READ_BYTES;
use super::h1::body::{BodyDecoder, Piece};
use super::h1::fields::Fields;
use super::h1::response::ResponseHead;
use crate::clock;
use crate::io::spawn::spawn;
use crate::io::stream::ReadHalf;
use crate::io::timer::timeout;
use crate::upstream::call::{Answer, Sending};
use crate::upstream::pool::Connection;

/// A longer body is not worth the connection, which is closed instead.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// A slower body is not worth waiting for.
const TIME_MAX: Duration = Duration::from_secs(2);

/// An answer that was read whole.
#[derive(Debug)]
pub struct Kept {
    /// The head.
    pub head: ResponseHead,
    /// The body, at most [`BODY_MAX_BYTES`].
    pub body: BytesMut,
    /// The trailers.
    pub trailers: Option<Fields>,
}

/// The newest answer that was put aside; empty until its body is read.
pub type Slot = Rc<RefCell<Option<Kept>>>;

/// Reads the answer's body on a task of its own and leaves it in `slot`.
pub fn put_aside(answer: Answer, slot: &Slot) {
    slot.replace(None);
    // Without its own strong hold: a request that is over does not want the answer any more.
    let slot = Rc::downgrade(slot);
    let task = async move {
        if let Ok(Some(kept)) = timeout(TIME_MAX, read_whole(answer)).await
            && let Some(slot) = slot.upgrade()
        {
            slot.replace(Some(kept));
        }
    };
    spawn(task, || tracing::error!("reading a discarded answer panicked"));
}

/// None: too long, or broken off. The connection is closed then.
async fn read_whole(answer: Answer) -> Option<Kept> {
    let Answer { head, mut read, mut buffer, sending, endpoint, in_flight, request_sent, interim: _ } =
        answer;
    let mut decoder = BodyDecoder::new(head.body);
    let mut body = BytesMut::new();
    let trailers = loop {
        match decoder.decode(&mut buffer).ok()? {
            Piece::Data(piece) => {
                if body.len() + piece.len() > BODY_MAX_BYTES {
                    return None;
                }
                body.extend_from_slice(&piece);
            }
            Piece::End(trailers) => break trailers,
            Piece::More => more(&mut decoder, &mut read, &mut buffer).await?,
        }
    };
    drop(in_flight);
    if let Sending::Done(write) = sending
        && head.reusable
        && request_sent
    {
        endpoint.checkin(Connection { read, write, buffer }, clock::now());
    }
    Some(Kept { head, body, trailers })
}

async fn more(decoder: &mut BodyDecoder, read: &mut ReadHalf, buffer: &mut BytesMut) -> Option<()> {
    buffer.reserve(READ_BYTES);
    match read.read(buffer).await {
        Ok(0) => decoder.eof().ok(),
        Ok(_) => Some(()),
        Err(_) => None,
    }
}
