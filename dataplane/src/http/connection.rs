//! One client connection as a loop: wait, read a head, answer, again.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::h1::date::HttpDate;
use super::h1::encode::{LocalResponse, error_response};
use super::h1::request::{RequestHead, RequestParser};
use super::request::{After, Conversation};
use crate::clock;
use crate::io::socket::Socket;
use crate::io::stream::{ReadHalf, Stream, WriteHalf};
use crate::io::timer::{timeout, timeout_at};
use crate::telemetry::address::AddressText;
use crate::worker::core::{Core, Membership};
use crate::worker::limits::Limits;

/// A response of our own is given up when the client does not take it by then.
const LOCAL_WRITE_MAX: Duration = Duration::from_secs(5);
/// Room for one read of a head.
const READ_BYTES: usize = 8 * 1024;
/// What a client may still send after its connection was told to end, before it is cut off.
const LINGER_MAX_BYTES: usize = 256 * 1024;
/// How long it may take to do so.
const LINGER_MAX: Duration = Duration::from_secs(1);

/// How the wait for a request ended.
enum Received {
    Request(Box<RequestHead>),
    /// The client is done, or took too long to begin.
    Nothing,
    /// It sent something else than a request, or too slowly.
    Refused(u16),
}

/// Serves a connection to its end.
pub async fn serve(core: Rc<Core>, port: u16, mut stream: Stream, peer: SocketAddr, membership: Membership) {
    let socket = stream.socket();
    let peer_text = AddressText::new(peer);
    let conversation = Conversation { core, port, peer, peer_text, socket };
    let mut buffer = BytesMut::new();
    loop {
        if buffer.is_empty() {
            // Between requests there is no buffer: most connections are there most of the time.
            buffer = BytesMut::new();
            if !await_bytes(&stream, &membership, conversation.core.limits.client_idle()).await {
                return;
            }
        }
        let (mut read, mut write) = stream.split();
        let begun = clock::now();
        let after = match receive(&mut read, &mut buffer, begun, &conversation.core.limits).await {
            // Boxed: a connection between requests does not hold the memory of one.
            Received::Request(head) => Box::pin(conversation.answer(*head, read, buffer, &mut write)).await,
            Received::Nothing => return,
            Received::Refused(status) => {
                conversation.refuse(status, begun, &mut write).await;
                After::Close(Some(read))
            }
        };
        match after {
            After::KeepAlive(read, rest) => match Stream::join(read, write) {
                Some(whole) => (stream, buffer) = (whole, rest),
                None => return,
            },
            After::Close(read) => return linger(read, write, socket).await,
            After::Abort => return,
        }
    }
}

/// Waits without holding a buffer. False: there is nothing to wait for any more.
async fn await_bytes(stream: &Stream, membership: &Membership, limit: Duration) -> bool {
    membership.set_idle(true);
    let ready = timeout(limit, stream.readable()).await;
    membership.set_idle(false);
    matches!(ready, Ok(Ok(())))
}

async fn receive(read: &mut ReadHalf, buffer: &mut BytesMut, begun: Instant, limits: &Limits) -> Received {
    let mut parser = RequestParser::new(limits.request_head_bytes as usize);
    let deadline = Some(begun + limits.request_head());
    loop {
        match parser.parse(buffer) {
            Ok(Some(head)) => return Received::Request(Box::new(head)),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "request refused");
                return Received::Refused(error.status());
            }
        }
        // A read that times out takes the buffer with it.
        let is_begun = !buffer.is_empty();
        buffer.reserve(READ_BYTES);
        match timeout_at(deadline, read.read(buffer)).await {
            Ok(Ok(count)) if count > 0 => {}
            Ok(Ok(_) | Err(_)) => return Received::Nothing,
            // Empty lines begin no request: an answer to them could be taken for that of the next one.
            Err(_) if !is_begun => return Received::Nothing,
            Err(_) => return Received::Refused(408),
        }
    }
}

/// Answers in the name of the gateway. False: the client did not take it.
pub(super) async fn respond(write: &mut WriteHalf, status: u16, head_only: bool, close: bool) -> bool {
    let date = HttpDate::from_unix_seconds(clock::unix_seconds());
    let response = error_response(&LocalResponse { status, head_only, close, date: &date });
    matches!(timeout(LOCAL_WRITE_MAX, write.write_bytes(response)).await, Ok(Ok(())))
}

/// Closing while the client still sends would reset the connection and could cost it the answer that is on its way: so
/// this side ends first, and what still comes is thrown away.
async fn linger(read: Option<ReadHalf>, write: WriteHalf, socket: Socket) {
    socket.shutdown_write();
    let Some(mut read) = read else { return };
    let throw_away = async {
        let mut left = LINGER_MAX_BYTES;
        let mut sink = BytesMut::with_capacity(READ_BYTES);
        while let Ok(count) = read.read(&mut sink).await {
            if count == 0 || count > left {
                return;
            }
            left -= count;
            sink.clear();
        }
    };
    timeout(LINGER_MAX, throw_away).await.ok();
    drop(write);
}
