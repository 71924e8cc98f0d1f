//! One exchange on one connection: the request out, the response head in, both at the same time when the body is
//! still on its way.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::pool::{Connection, Endpoint, InFlight};
use crate::clock;
use crate::http::body::{READ_BYTES, RequestBody, Upload, UploadError, Uploaded, WRITE_MAX};
use crate::http::h1::method::Method;
use crate::http::h1::response::{ResponseHead, ResponseParser};
use crate::io::race::{First, race};
use crate::io::stream::{ReadHalf, WriteHalf};
use crate::io::timer::{Elapsed, sleep_until, timeout, timeout_at};
use crate::retry::outcome::Failure;

/// A backend that stays silent on `Expect: 100-continue` is sent the body after this time (RFC 9110 10.1.1).
const CONTINUE_WAIT: Duration = Duration::from_secs(1);
/// A backend that stops reading a body has usually said why: its answer is waited for so long.
const EARLY_ANSWER_WAIT: Duration = Duration::from_secs(1);
/// A backend that has the whole request and says nothing for so long has failed, whatever the limits are.
const SILENCE_MAX: Duration = Duration::from_secs(300);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What is sent, and how long it may take.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method, which decides whether the answer has a body.
    pub method: &'a Method,
    /// The head, ready to be sent.
    pub head: BytesMut,
    /// The body.
    pub body: RequestBody,
    /// The client waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// When the attempt ends without a response head; none: when the backend stays silent for [`SILENCE_MAX`].
    pub limit: Option<Instant>,
}

/// How an exchange ended.
#[derive(Debug)]
pub struct Called {
    /// The answer, whose body is still to be read.
    pub result: Result<Answer, Failure>,
    /// The request body; none: it is still on its way to the backend that answered.
    pub body: Option<RequestBody>,
}

/// A response head, and the connection that its body comes from.
pub struct Answer {
    /// The final response head.
    pub head: ResponseHead,
    /// Interim responses that came before it, 100 left out. They count only if this answer does.
    pub interim: Vec<ResponseHead>,
    /// The request body, if it is still on its way.
    pub sending: Sending,
    /// Whether the backend had the whole request when it answered.
    pub request_sent: bool,
    /// What the backend sends.
    pub read: ReadHalf,
    /// What of it has arrived already.
    pub buffer: BytesMut,
    /// Where it came from.
    pub endpoint: Rc<Endpoint>,
    /// Counts as load while the answer lives.
    pub in_flight: InFlight,
}

/// Where the backend's writing half is.
#[derive(Debug)]
pub enum Sending {
    /// Free.
    Done(WriteHalf),
    /// With the upload.
    Running(Upload),
}

/// The reading side of an exchange. It owns what a read in progress works on.
struct Side {
    read: ReadHalf,
    buffer: BytesMut,
    parser: ResponseParser,
    interim: Vec<ResponseHead>,
    reused: bool,
    /// Whether a byte of an answer has come.
    received: bool,
}

/// Sends a request on a connection and waits for the response head. `client` is told to go on with a body that it
/// holds back.
pub async fn call(
    endpoint: &Rc<Endpoint>,
    connection: Connection,
    reused: bool,
    request: Request<'_>,
    client: &mut WriteHalf,
) -> Called {
    let Request { method, mut head, body, expects_continue, limit } = request;
    let in_flight = endpoint.enter();
    let Connection { read, mut write, buffer } = connection;
    let whole = body.fits_behind_head();
    if whole {
        body.put_whole(&mut head);
    }
    let (until, on_elapsed) = patience(limit);
    match timeout_at(Some(until), write.write_all(&mut head)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.written == 0 => return failed(Failure::ResetBeforeRequest, body),
        Ok(Err(_)) => return failed(if reused { Failure::Stale } else { Failure::Reset }, body),
        Err(Elapsed) => return failed(on_elapsed, body),
    }
    let parser = ResponseParser::default();
    let side = Side { read, buffer, parser, interim: Vec::new(), reused, received: false };
    let answered = |side: Side, head, sending, request_sent| Answer {
        head,
        interim: side.interim,
        sending,
        request_sent,
        read: side.read,
        buffer: side.buffer,
        endpoint: endpoint.clone(),
        in_flight,
    };
    if whole {
        return match timeout_at(Some(until), final_head(side, method)).await {
            Ok((side, Ok(head))) => called(answered(side, head, Sending::Done(write), true), Some(body)),
            Ok((_, Err(failure))) => failed(failure, body),
            Err(Elapsed) => failed(on_elapsed, body),
        };
    }
    let exchange = Streaming { method, limit };
    match exchange.run(side, write, body, expects_continue, client).await {
        Ok(Streamed { side, head, sending, request_sent, body }) => {
            called(answered(side, head, sending, request_sent), body)
        }
        Err((failure, body)) => failed(failure, body),
    }
}

fn called(answer: Answer, body: Option<RequestBody>) -> Called {
    Called { result: Ok(answer), body }
}

fn failed(failure: Failure, body: RequestBody) -> Called {
    Called { result: Err(failure), body: Some(body) }
}

/// An exchange whose request body is not complete yet.
struct Streaming<'a> {
    method: &'a Method,
    limit: Option<Instant>,
}

struct Streamed {
    side: Side,
    head: ResponseHead,
    sending: Sending,
    request_sent: bool,
    body: Option<RequestBody>,
}

impl Streaming<'_> {
    async fn run(
        &self,
        side: Side,
        write: WriteHalf,
        mut body: RequestBody,
        expects_continue: bool,
        client: &mut WriteHalf,
    ) -> Result<Streamed, (Failure, RequestBody)> {
        let socket = side.read.socket();
        let mut reading = pin!(next_head(side, self.method));
        if expects_continue && body.is_held_back() {
            let until = clock::now() + CONTINUE_WAIT;
            let mut silence = pin!(sleep_until(self.limit.map_or(until, |limit| limit.min(until))));
            loop {
                match race(reading.as_mut(), silence.as_mut()).await {
                    First::Left((side, Ok(head))) if head.is_informational() => {
                        let invited = head.status == 100;
                        reading.set(next_head(side.keep(head), self.method));
                        if invited {
                            break;
                        }
                    }
                    First::Left((side, Ok(head))) => {
                        let sending = Sending::Done(write);
                        return Ok(Streamed { side, head, sending, request_sent: false, body: Some(body) });
                    }
                    First::Left((_, Err(failure))) => return Err((failure, body)),
                    First::Right(()) if self.limit.is_some_and(|limit| limit <= until) => {
                        return Err((Failure::PerTryTimeout, body));
                    }
                    First::Right(()) => break,
                }
            }
            let told = timeout(WRITE_MAX, client.write_bytes(Bytes::from_static(CONTINUE))).await;
            if !matches!(told, Ok(Ok(()))) {
                return Err((Failure::ClientGone, body));
            }
            body.set_invited();
        }
        let mut upload = Upload::start(body, write, socket);
        let both = async {
            loop {
                // The upload goes first: an answer that comes right behind its end is no early one.
                match race(upload.ended(), reading.as_mut()).await {
                    First::Left(uploaded) => return First::Left(uploaded),
                    First::Right((side, Ok(head))) if head.is_informational() => {
                        reading.set(next_head(side.keep(head), self.method));
                    }
                    First::Right(read) => return First::Right(read),
                }
            }
        };
        match timeout_at(self.limit, both).await {
            Ok(First::Left(uploaded)) => self.after_upload(uploaded, reading).await,
            Ok(First::Right((side, Ok(head)))) => {
                let sending = Sending::Running(upload);
                Ok(Streamed { side, head, sending, request_sent: false, body: None })
            }
            Ok(First::Right((_, Err(failure)))) => Err(self.broken_off(failure, upload.stop().await)),
            Err(Elapsed) => Err(self.broken_off(Failure::PerTryTimeout, upload.stop().await)),
        }
    }

    /// The request is out, or the backend takes no more of it: only the answer is left to wait for.
    async fn after_upload(
        &self,
        uploaded: Uploaded,
        mut reading: Pin<&mut impl Future<Output = (Side, Result<ResponseHead, Failure>)>>,
    ) -> Result<Streamed, (Failure, RequestBody)> {
        let Uploaded { body, write, result } = uploaded;
        let (until, on_elapsed) = match &result {
            Ok(()) => patience(self.limit),
            Err(UploadError::Client(_)) => return Err((Failure::ClientGone, body)),
            Err(UploadError::Upstream(_) | UploadError::Stuck | UploadError::Stopped) => {
                (patience(self.limit).0.min(clock::now() + EARLY_ANSWER_WAIT), Failure::Reset)
            }
        };
        let answer = async {
            let (side, result) = reading.as_mut().await;
            match result {
                Ok(head) if head.is_informational() => final_head(side.keep(head), self.method).await,
                Ok(_) | Err(_) => (side, result),
            }
        };
        match timeout_at(Some(until), answer).await {
            Ok((side, Ok(head))) => {
                let sending = Sending::Done(write);
                Ok(Streamed { side, head, sending, request_sent: result.is_ok(), body: Some(body) })
            }
            Ok((_, Err(failure))) => Err((failure, body)),
            Err(Elapsed) => Err((on_elapsed, body)),
        }
    }

    /// The body comes home from an upload whose connection was ended. If its own end came first, that is the reason.
    fn broken_off(&self, failure: Failure, uploaded: Uploaded) -> (Failure, RequestBody) {
        let Uploaded { body, result, .. } = uploaded;
        match result {
            Err(UploadError::Client(_)) => (Failure::ClientGone, body),
            Ok(()) | Err(UploadError::Upstream(_) | UploadError::Stuck | UploadError::Stopped) => {
                (failure, body)
            }
        }
    }
}

impl Side {
    /// Keeps an interim response for the case that this answer counts. A 100 was for us.
    fn keep(mut self, head: ResponseHead) -> Self {
        if head.status != 100 {
            self.interim.push(head);
        }
        self
    }
}

/// How long the next step may take, and what it means when it takes longer.
fn patience(limit: Option<Instant>) -> (Instant, Failure) {
    match limit {
        Some(limit) => (limit, Failure::PerTryTimeout),
        None => (clock::now() + SILENCE_MAX, Failure::Silence),
    }
}

async fn final_head(mut side: Side, method: &Method) -> (Side, Result<ResponseHead, Failure>) {
    loop {
        let (back, result) = next_head(side, method).await;
        match result {
            Ok(head) if head.is_informational() => side = back.keep(head),
            Ok(_) | Err(_) => return (back, result),
        }
    }
}

async fn next_head(mut side: Side, method: &Method) -> (Side, Result<ResponseHead, Failure>) {
    loop {
        match side.parser.parse(&mut side.buffer, method) {
            // Nobody asked to switch protocols: the Upgrade field is never passed on.
            Ok(Some(head)) if head.status == 101 => return (side, Err(Failure::InvalidResponse)),
            Ok(Some(head)) => return (side, Ok(head)),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%error, "the backend's answer is not HTTP");
                return (side, Err(Failure::InvalidResponse));
            }
        }
        side.buffer.reserve(READ_BYTES);
        match side.read.read(&mut side.buffer).await {
            Ok(count) if count > 0 => side.received = true,
            Ok(_) | Err(_) => {
                let stale = side.reused && !side.received;
                return (side, Err(if stale { Failure::Stale } else { Failure::Reset }));
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("head", &self.head).finish_non_exhaustive()
    }
}
