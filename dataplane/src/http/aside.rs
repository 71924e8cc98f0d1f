//! An answer that the client may never get.
//!
//! Its body is read to the end, within bounds, so that the connection can serve again and so that the answer can still
//! be given if every later attempt finds no backend at all. That happens beside the wait for the next attempt.

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
use crate::worker::core::Core;

/// A longer body is not worth the connection, which is closed instead.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// A slower body is not worth waiting for.
const TIME_MAX: Duration = Duration::from_secs(2);

/// Bodies of discarded answers that the whole process keeps. Above it they are still read, for the connection's sake.
const PROCESS_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// An answer that was read whole.
#[derive(Debug)]
pub struct Kept {
    /// The head.
    pub head: ResponseHead,
    /// The body, at most [`BODY_MAX_BYTES`].
    pub body: BytesMut,
    /// The trailers.
    pub trailers: Option<Fields>,
    /// Held for its end.
    _charge: Charge,
}

/// An answer whose body may still be on its way; it ends without one when that cannot be kept.
pub type Pending = flume::Receiver<Kept>;

/// What an answer counts for in the numbers of the process, while it is kept.
#[derive(Debug)]
struct Charge {
    core: Rc<Core>,
    bytes: u64,
}

/// Reads the answer's body on a task of its own.
pub fn put_aside(core: &Rc<Core>, answer: Answer) -> Pending {
    let (sender, pending) = flume::bounded(1);
    let charge = Charge { core: core.clone(), bytes: 0 };
    let task = async move {
        if let Ok(Some(kept)) = timeout(TIME_MAX, read_whole(answer, charge)).await {
            // A request that is over does not want it any more.
            sender.send(kept).ok();
        }
    };
    let counted = core.clone();
    spawn(task, move || {
        counted.metrics().panics.add(1);
        tracing::error!("reading a discarded answer panicked");
    });
    pending
}

/// None: too long, or broken off. The connection is closed then.
async fn read_whole(answer: Answer, mut charge: Charge) -> Option<Kept> {
    let Answer { head, mut read, mut buffer, sending, endpoint, in_flight, request_sent, interim: _ } =
        answer;
    let mut decoder = BodyDecoder::new(head.body);
    let (mut body, mut length) = (BytesMut::new(), 0);
    let trailers = loop {
        match decoder.decode(&mut buffer).ok()? {
            Piece::Data(piece) => {
                length += piece.len();
                if length > BODY_MAX_BYTES {
                    return None;
                }
                if charge.add(piece.len()) {
                    body.extend_from_slice(&piece);
                }
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
    (body.len() == length).then_some(Kept { head, body, trailers, _charge: charge })
}

async fn more(decoder: &mut BodyDecoder, read: &mut ReadHalf, buffer: &mut BytesMut) -> Option<()> {
    buffer.reserve(READ_BYTES);
    match read.read(buffer).await {
        Ok(0) => decoder.eof().ok(),
        Ok(_) => Some(()),
        Err(_) => None,
    }
}

impl Charge {
    /// False: the process keeps enough already.
    fn add(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let of_process = self.core.process_metrics().sum(|core| &core.aside_bytes);
        let fits = of_process + bytes <= PROCESS_MAX_BYTES;
        if fits {
            self.core.metrics().aside_bytes.add(bytes);
            self.bytes += bytes;
        }
        fits
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.core.metrics().aside_bytes.sub(self.bytes);
    }
}
