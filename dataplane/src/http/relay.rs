//! Passing an answer on to the client. From the first byte on there is no way back: what fails then ends the
//! client's connection, so that a cut-off answer cannot be taken for a whole one.

use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::aside::Kept;
use super::body::{READ_BYTES, RequestBody, Upload, Uploaded, WRITE_MAX};
use super::h1::body::{BodyDecoder, BodyError, Piece};
use super::h1::encode::{put_chunk, put_last_chunk};
use super::h1::fields::Fields;
use super::h1::framing::BodyLength;
use crate::clock;
use crate::io::race::{First, race};
use crate::io::stream::{ReadHalf, WriteError, WriteHalf};
use crate::io::timer::timeout;
use crate::upstream::call::{Answer, Sending};
use crate::upstream::pool::Connection;

/// A backend that falls silent within a body for so long is given up. Long polls and event streams are rarer than this.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Small pieces are put together up to this size before they are written.
const JOIN_MAX_BYTES: usize = 16 * 1024;

/// Why an answer did not reach the client whole.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The client does not take it.
    #[error("to the client: {0}")]
    Client(#[from] WriteError),
    /// The client did not take a piece within [`WRITE_MAX`].
    #[error("the client stopped reading")]
    ClientStuck,
    /// The backend broke off or garbled the body.
    #[error("from the backend: {0}")]
    Body(#[from] BodyError),
    /// The backend sent nothing for [`SILENCE_MAX`].
    #[error("the backend fell silent")]
    Silence,
}

/// A client's side of an answer on its way.
struct Output<'a> {
    client: &'a mut WriteHalf,
    out: BytesMut,
    framing: BodyLength,
}

/// Sends `out`, which holds the response head, and the body behind it, framed as `framing` says. The rest of a request
/// body that is still on its way is sent meanwhile; it comes back as far as it got. A connection to the backend
/// that is clean afterwards goes back to its pool.
pub async fn relay(
    client: &mut WriteHalf,
    answer: Answer,
    out: BytesMut,
    framing: BodyLength,
) -> Result<Option<RequestBody>, RelayError> {
    let Answer { head, read, buffer, sending, endpoint, in_flight, request_sent, interim: _ } = answer;
    let mut source = Source { read, buffer, decoder: BodyDecoder::new(head.body) };
    let output = Output { client, out, framing };
    let (write, body, request_sent) = match sending {
        Sending::Done(write) => {
            output.copy(&mut source).await?;
            (write, None, request_sent)
        }
        Sending::Running(upload) => {
            let Uploaded { body, write, result } = copy_beside(output, &mut source, upload).await?;
            (write, Some(body), result.is_ok())
        }
    };
    drop(in_flight);
    if head.reusable && request_sent && source.decoder.is_done() {
        endpoint.checkin(Connection { read: source.read, write, buffer: source.buffer }, clock::now());
    }
    Ok(body)
}

/// Sends `out`, which holds the response head, and a body that was kept.
pub async fn send_kept(
    client: &mut WriteHalf,
    out: BytesMut,
    framing: BodyLength,
    kept: Kept,
) -> Result<(), RelayError> {
    let mut output = Output { client, out, framing };
    output.put(kept.body.freeze()).await?;
    output.end(kept.trailers.as_ref()).await
}

/// What a backend sends.
struct Source {
    read: ReadHalf,
    buffer: BytesMut,
    decoder: BodyDecoder,
}

async fn copy_beside(
    output: Output<'_>,
    source: &mut Source,
    mut upload: Upload,
) -> Result<Uploaded, RelayError> {
    let mut copying = pin!(output.copy(source));
    let uploaded = match race(upload.ended(), copying.as_mut()).await {
        First::Left(uploaded) => copying.await.map(|()| Some(uploaded)),
        First::Right(copied) => copied.map(|()| None),
    };
    match uploaded? {
        Some(uploaded) => Ok(uploaded),
        // The backend has said all that it has to say and does not want the rest.
        None => Ok(upload.stop().await),
    }
}

impl Output<'_> {
    async fn copy(mut self, source: &mut Source) -> Result<(), RelayError> {
        loop {
            match source.decoder.decode(&mut source.buffer)? {
                Piece::Data(piece) => self.put(piece).await?,
                Piece::End(trailers) => return self.end(trailers.as_ref()).await,
                Piece::More => {
                    self.flush().await?;
                    source.buffer.reserve(READ_BYTES);
                    match timeout(SILENCE_MAX, source.read.read(&mut source.buffer)).await {
                        Ok(Ok(count)) if count > 0 => {}
                        Ok(Ok(_)) => source.decoder.eof()?,
                        Ok(Err(_)) => return Err(BodyError::Truncated.into()),
                        Err(_) => return Err(RelayError::Silence),
                    }
                }
            }
        }
    }

    async fn put(&mut self, piece: Bytes) -> Result<(), RelayError> {
        if self.framing == BodyLength::Chunked {
            put_chunk(&piece, &mut self.out);
        } else if self.out.len() + piece.len() <= JOIN_MAX_BYTES {
            self.out.extend_from_slice(&piece);
        } else {
            self.flush().await?;
            let written = timeout(WRITE_MAX, self.client.write_bytes(piece)).await;
            return Ok(written.map_err(|_| RelayError::ClientStuck)??);
        }
        if self.out.len() < JOIN_MAX_BYTES { Ok(()) } else { self.flush().await }
    }

    async fn end(&mut self, trailers: Option<&Fields>) -> Result<(), RelayError> {
        if self.framing == BodyLength::Chunked {
            put_last_chunk(trailers, &mut self.out);
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), RelayError> {
        if self.out.is_empty() {
            return Ok(());
        }
        let written = timeout(WRITE_MAX, self.client.write_all(&mut self.out)).await;
        Ok(written.map_err(|_| RelayError::ClientStuck)??)
    }
}
