//! A request body on its way: taken from the client as it comes, and kept up to a limit so that it can be sent again.
//!
//! The first attempt streams; nothing waits for the end of a body. What is kept is counted once, for the request and
//! for the process. A body that outgrows its limit is forwarded all the same and only loses its replay.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::h1::body::{BodyDecoder, BodyError, Piece};
use super::h1::encode::{put_chunk, put_last_chunk};
use super::h1::fields::Fields;
use super::h1::framing::BodyLength;
use crate::io::socket::Socket;
use crate::io::stop::{Stop, Stopper};
use crate::io::stream::{ReadHalf, WriteError, WriteHalf};
use crate::io::timer::timeout;
use crate::retry::decide::Replay;
use crate::worker::core::Core;

/// A client that sends nothing of its body for so long is given up.
const CLIENT_IDLE_MAX: Duration = Duration::from_secs(30);
/// A piece of a body, of at most a few [`READ_BYTES`], must be taken within this time.
pub const WRITE_MAX: Duration = Duration::from_secs(30);
/// Room for one read of a body.
pub const READ_BYTES: usize = 16 * 1024;
/// Request body bytes kept for replay by the whole process. Above it, bodies are forwarded and not kept.
const REPLAY_PROCESS_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The body of one request, with the client's side of the connection that it comes from.
#[derive(Debug)]
pub struct RequestBody {
    read: ReadHalf,
    buffer: BytesMut,
    decoder: BodyDecoder,
    length: BodyLength,
    trailers: Option<Fields>,
    kept: Kept,
    broken: Option<Broken>,
    invited: bool,
}

/// What of the body has come in and can be sent again. Copied together: pieces would each hold on to a read buffer, and
/// a client chooses how small they are.
#[derive(Debug)]
struct Kept {
    core: Rc<Core>,
    bytes: BytesMut,
    bytes_max: usize,
    replay: Replay,
}

/// Why a body does not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The client closed the connection, or it failed.
    #[error("the client went away")]
    Gone,
    /// The client sent nothing for a while.
    #[error("the client stopped sending its request body")]
    TooSlow,
    /// The client sent something else than the body that it announced.
    #[error("request body: {0}")]
    Malformed(BodyError),
}

/// A request body on its way to a backend. It owns both sides: dropping it loses the client's, stopping it does not.
pub struct Upload {
    sending: Pin<Box<dyn Future<Output = Uploaded>>>,
    stopper: Stopper,
    backend: Socket,
}

/// An upload that has ended.
#[derive(Debug)]
pub struct Uploaded {
    /// The body, to be sent once more if that is possible.
    pub body: RequestBody,
    /// The backend's side that it went to.
    pub write: WriteHalf,
    /// Whether all of it was sent.
    pub result: Result<(), UploadError>,
}

/// Why an upload stopped.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no more to send.
    #[error(transparent)]
    Client(#[from] Broken),
    /// The backend takes no more.
    #[error(transparent)]
    Upstream(#[from] WriteError),
    /// The backend did not take a piece within [`WRITE_MAX`].
    #[error("the backend takes nothing more of the request body")]
    Stuck,
    /// [`Upload::stop`].
    #[error("stopped")]
    Stopped,
}

impl RequestBody {
    /// A body of which nothing has been read but what lies in `buffer`.
    pub fn new(
        core: &Rc<Core>,
        read: ReadHalf,
        buffer: BytesMut,
        length: BodyLength,
        bytes_max: usize,
    ) -> Self {
        // A body that says that it is too long is not even begun to be kept.
        let bytes_max = match length {
            BodyLength::Length(bytes) if bytes > bytes_max as u64 => 0,
            _ => bytes_max,
        };
        let kept = Kept { core: core.clone(), bytes: BytesMut::new(), bytes_max, replay: Replay::Possible };
        let decoder = BodyDecoder::new(length);
        Self { read, buffer, decoder, length, trailers: None, kept, broken: None, invited: false }
    }

    /// Takes what has arrived already, as far as it can be kept: a small body is then complete before the first
    /// attempt and goes out together with its head.
    pub fn take_arrived(&mut self) {
        while !self.decoder.is_done() && self.kept.refusal(self.buffer.len()).is_none() {
            match self.decode() {
                // Nobody has sent it yet: it must not be given up.
                Ok(Some(piece)) => self.kept.push(&piece),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Whether all of it has come in.
    pub fn is_complete(&self) -> bool {
        self.decoder.is_done()
    }

    /// Whether all of it can be sent in one write together with its head.
    pub fn fits_behind_head(&self) -> bool {
        self.is_complete() && self.kept.bytes.len() <= READ_BYTES
    }

    /// Whether it can be sent once more from its beginning.
    pub fn replay(&self) -> Replay {
        self.kept.replay
    }

    /// Why it ended early; none: it has not.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// Whether a client that holds its body back is still to be told to send it.
    pub fn is_held_back(&self) -> bool {
        !self.invited && self.kept.bytes.is_empty()
    }

    /// The client has been told to send its body.
    pub fn set_invited(&mut self) {
        self.invited = true;
    }

    /// The client's side again, with what came after the body. Only a complete body leaves it at the next request.
    pub fn into_client(self) -> (ReadHalf, BytesMut) {
        (self.read, self.buffer)
    }

    /// Appends a complete body, framed.
    pub fn put_whole(&self, out: &mut BytesMut) {
        self.put_piece(&self.kept.bytes, out);
        self.put_end(out);
    }

    /// The next piece that nobody has seen yet; none: the body is complete.
    ///
    /// Writes `out` before it waits for the client.
    async fn next(
        &mut self,
        stop: &Stop,
        write: &mut WriteHalf,
        out: &mut BytesMut,
    ) -> Result<Option<Bytes>, UploadError> {
        loop {
            match self.decode()? {
                Some(piece) => return Ok(Some(piece)),
                None if self.decoder.is_done() => return Ok(None),
                None => write_out(write, out).await?,
            }
            self.buffer.reserve(READ_BYTES);
            let read = match timeout(CLIENT_IDLE_MAX, self.read.read_unless(stop, &mut self.buffer)).await {
                Ok(Ok(None)) => return Err(UploadError::Stopped),
                Ok(Ok(Some(count))) if count > 0 => Ok(()),
                Ok(Ok(_) | Err(_)) => Err(Broken::Gone),
                Err(_) => Err(Broken::TooSlow),
            };
            read.inspect_err(|broken| self.broken = Some(*broken))?;
        }
    }

    /// None: more must be read, or it is complete.
    fn decode(&mut self) -> Result<Option<Bytes>, Broken> {
        match self.decoder.decode(&mut self.buffer) {
            Ok(Piece::Data(piece)) => Ok(Some(piece)),
            Ok(Piece::More) => Ok(None),
            Ok(Piece::End(trailers)) => {
                self.trailers = self.trailers.take().or(trailers);
                Ok(None)
            }
            Err(error) => {
                self.broken = Some(Broken::Malformed(error));
                Err(Broken::Malformed(error))
            }
        }
    }

    fn put_piece(&self, piece: &[u8], out: &mut BytesMut) {
        if self.length == BodyLength::Chunked {
            put_chunk(piece, out);
        } else {
            out.extend_from_slice(piece);
        }
    }

    fn put_end(&self, out: &mut BytesMut) {
        if self.length == BodyLength::Chunked {
            put_last_chunk(self.trailers.as_ref(), out);
        }
    }

    async fn send(&mut self, write: &mut WriteHalf, stop: &Stop) -> Result<(), UploadError> {
        let mut out = BytesMut::new();
        // In slices: none of it twice in memory, and each with a limit of its own.
        for slice in self.kept.bytes.chunks(READ_BYTES) {
            self.put_piece(slice, &mut out);
            write_out(write, &mut out).await?;
        }
        while let Some(piece) = self.next(stop, write, &mut out).await? {
            self.kept.keep(&piece);
            if self.length == BodyLength::Chunked {
                // Together with what else has arrived: the client chooses how small its chunks are.
                self.put_piece(&piece, &mut out);
                if out.len() >= READ_BYTES {
                    write_out(write, &mut out).await?;
                }
            } else {
                timeout(WRITE_MAX, write.write_bytes(piece)).await.map_err(|_| UploadError::Stuck)??;
            }
        }
        self.put_end(&mut out);
        write_out(write, &mut out).await
    }
}

async fn write_out(write: &mut WriteHalf, out: &mut BytesMut) -> Result<(), UploadError> {
    if out.is_empty() {
        return Ok(());
    }
    Ok(timeout(WRITE_MAX, write.write_all(out)).await.map_err(|_| UploadError::Stuck)??)
}

impl Upload {
    /// Sends what was kept and then what is still to come. `backend` is the socket of `write`.
    pub fn start(mut body: RequestBody, mut write: WriteHalf, backend: Socket) -> Self {
        let (stopper, stop) = Stopper::new();
        let sending = Box::pin(async move {
            let result = body.send(&mut write, &stop).await;
            Uploaded { body, write, result }
        });
        Self { sending, stopper, backend }
    }

    /// Goes on until it ends. May be dropped and called again, but not once it has ended.
    pub fn ended(&mut self) -> impl Future<Output = Uploaded> {
        self.sending.as_mut()
    }

    /// Ends it at once, and the connection to the backend with it.
    pub async fn stop(self) -> Uploaded {
        self.backend.shutdown_both();
        self.stopper.stop();
        self.sending.await
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Kept {
    /// Why so many more bytes cannot be kept; none: they can.
    fn refusal(&self, bytes: usize) -> Option<Replay> {
        let of_process = self.core.process_metrics().sum(|core| &core.replay_bytes);
        if self.bytes.len() + bytes > self.bytes_max {
            Some(Replay::BodyTooLarge)
        } else if of_process + bytes as u64 > REPLAY_PROCESS_MAX_BYTES {
            Some(Replay::OutOfMemory)
        } else {
            None
        }
    }

    /// Keeps a piece, or gives up on all of it.
    fn keep(&mut self, piece: &[u8]) {
        if self.replay != Replay::Possible {
            return;
        }
        match self.refusal(piece.len()) {
            None => self.push(piece),
            Some(why) => {
                self.replay = why;
                self.release();
            }
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.core.metrics().replay_bytes.add(piece.len() as u64);
        self.bytes.extend_from_slice(piece);
    }

    fn release(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.core.metrics().replay_bytes.sub(bytes.len() as u64);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release();
    }
}
