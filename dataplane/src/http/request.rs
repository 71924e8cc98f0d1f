//! One request: route it, let the retry engine make its attempts, pass the answer on.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rebound_api::config::route::HeaderEdits;

use super::body::{Broken, RequestBody};
use super::connection::respond;
use super::destination::{Destination, Nowhere};
use super::exchange::{Exchange, Response};
use super::h1::Known;
use super::h1::date::HttpDate;
use super::h1::framing::BodyLength;
use super::h1::method::Method;
use super::h1::request::RequestHead;
use super::h1::response::ResponseHead;
use super::h1::version::Version;
use super::hop::{ATTEMPT_FIELD, ResponseHop, write_response};
use super::relay::{RelayError, relay, send_kept};
use crate::clock::{self, CoreClock};
use crate::io::race::{First, race};
use crate::io::socket::Socket;
use crate::io::stream::{ReadHalf, WriteHalf};
use crate::io::timer::{sleep, timeout_at};
use crate::retry::attempts::{Call, Finished, attempts};
use crate::retry::decide::{Reason, Request};
use crate::retry::outcome::{Failure, Outcome};
use crate::telemetry::address::AddressText;
use crate::telemetry::passage::{Passage, Refusal};
use crate::telemetry::record::{self, Record};
use crate::telemetry::trace::TraceParent;
use crate::worker::core::Core;

/// When a waiting client is looked at for the first time.
const GONE_CHECK_FIRST: Duration = Duration::from_millis(20);
/// How rarely it is looked at when the wait goes on.
const GONE_CHECK_MAX: Duration = Duration::from_millis(250);

/// A client connection, as its requests see it.
#[derive(Debug)]
pub(super) struct Conversation {
    /// The core that it runs on.
    pub(super) core: Rc<Core>,
    /// The port that it came in by.
    pub(super) port: u16,
    /// The client.
    pub(super) peer: SocketAddr,
    /// The client, as it is told.
    pub(super) peer_text: AddressText,
    /// Its socket.
    pub(super) socket: Socket,
}

/// What becomes of a client's connection.
#[derive(Debug)]
pub(super) enum After {
    /// It waits for the next request.
    KeepAlive(ReadHalf, BytesMut),
    /// It ends once the client has what was sent. The reading half is there unless it was lost.
    Close(Option<ReadHalf>),
    /// It ends at once: the client must not take what it got for a whole answer, or is gone.
    Abort,
}

impl Conversation {
    /// Answers one request.
    pub(super) async fn answer(
        &self,
        head: RequestHead,
        read: ReadHalf,
        buffer: BytesMut,
        write: &mut WriteHalf,
    ) -> After {
        let plan = self.core.plan();
        let mut record = self.core.observer.begin(clock::now(), self.parent(&head));
        let destination = match &plan {
            Some(plan) => Destination::find(plan, plan.number, self.port, &head),
            None => Err(Nowhere { status: 503, place: None }),
        };
        let place = match &destination {
            Ok(destination) => Some(destination.place()),
            Err(nowhere) => nowhere.place,
        };
        let target = destination.as_ref().ok().map(|destination| destination.target);
        let kept = Destination::replay_max_bytes(destination.as_ref().ok());
        let mut body = RequestBody::new(&self.core, read, buffer, head.body, kept);
        body.take_arrived();
        let after = match destination {
            _ if matches!(body.broken(), Some(Broken::Malformed(_))) => {
                self.answer_locally(400, &head, Some(body), &mut record, write).await
            }
            Ok(destination) => self.forward(destination, &head, body, &mut record, write).await,
            Err(nowhere) => self.answer_locally(nowhere.status, &head, Some(body), &mut record, write).await,
        };
        let ended = clock::now();
        let passage = Passage {
            record: &record,
            head: &head,
            client: &self.peer_text,
            port: self.port,
            place,
            ended,
            ended_unix: self.core.observer.unix(ended),
        };
        let counters = target.map(|target| self.core.counters_of(target));
        self.core.observer.end(&passage, self.core.metrics(), counters);
        after
    }

    /// Answers what was begun then and is no request.
    pub(super) async fn refuse(&self, status: u16, begun: Instant, write: &mut WriteHalf) {
        let observer = &self.core.observer;
        self.core.metrics().count_request(status);
        respond(write, status, false, true).await;
        let (unix, duration) = (observer.unix(begun), clock::now().saturating_duration_since(begun));
        let refusal = Refusal { client: &self.peer_text, status, unix, duration };
        observer.refused(&refusal, self.core.metrics());
    }

    /// What the client says about its trace, if that is ours to go on with.
    fn parent(&self, head: &RequestHead) -> Option<TraceParent> {
        if !self.core.observer.traces() {
            return None;
        }
        let mut sent = head.fields.known().filter(|(known, ..)| *known == Known::TraceParent);
        let (_, _, value) = sent.next()?;
        // Of several it is not known which one is true.
        sent.next().is_none().then(|| TraceParent::parse(value)).flatten()
    }

    async fn forward(
        &self,
        destination: Destination<'_>,
        head: &RequestHead,
        body: RequestBody,
        record: &mut Record,
        write: &mut WriteHalf,
    ) -> After {
        let started = record.started;
        let mut exchange = Exchange::new(&self.core, self.peer.ip(), write, head, destination, body, record);
        let rules = destination.rules;
        let call = Call {
            request: facts(head),
            rules,
            budget: destination.target.budget.as_deref(),
            deadline: destination.deadline(started),
        };
        let making = attempts(&call, &mut exchange, &CoreClock, fastrand::f64);
        let finished = match race(making, gone(self.socket)).await {
            First::Left(finished) => finished,
            First::Right(()) => {
                record.reason = Some(Reason::ClientGone);
                self.core.metrics().requests_gone.add(1);
                if record.is_remarkable() {
                    let counters = self.core.counters_of(destination.target);
                    counters.suppressed[Reason::ClientGone.index()].add(1);
                }
                return After::Abort;
            }
        };
        let Finished { outcome, reason, attempts } = finished;
        let body = exchange.into_body();
        // Whoever sent a body that is none is told so, and has not gone.
        let at_fault = reason == Reason::ClientGone && fault(body.as_ref()).is_some();
        record.reason = Some(reason).filter(|_| !at_fault);
        if reason != Reason::Success && !at_fault {
            self.core.counters_of(destination.target).suppressed[reason.index()].add(1);
        }
        match outcome {
            Outcome::Response { response, .. } => {
                // What was put aside belongs to an earlier attempt than the one whose limit may be over.
                let attempt_started = match response {
                    Response::Live(_) => record.attempts.last().map(|attempt| attempt.started),
                    Response::Kept(_) => None,
                };
                let passing = Passing {
                    limit: destination.response_limit(started, attempt_started),
                    attempt: rules.filter(|rules| rules.attempt_header_response).map(|_| attempts),
                    edits: &destination.response_edits(),
                };
                self.pass_on(response, head, body, passing, record, write).await
            }
            Outcome::Failed(failure) => self.tell_failure(failure, head, body, record, write).await,
        }
    }

    async fn pass_on(
        &self,
        response: Response,
        request: &RequestHead,
        body: Option<RequestBody>,
        passing: Passing<'_>,
        record: &mut Record,
        write: &mut WriteHalf,
    ) -> After {
        let complete = body.as_ref().is_some_and(RequestBody::is_complete);
        let date = HttpDate::from_unix_seconds(clock::unix_seconds());
        let hop = ResponseHop {
            client: request.version,
            close: !complete || !request.keep_alive || self.core.is_draining(),
            attempt: passing.attempt,
            edits: passing.edits,
            date: &date,
        };
        let mut out = BytesMut::new();
        let (head, interim): (&ResponseHead, &[ResponseHead]) = match &response {
            Response::Live(answer) => (&answer.head, &answer.interim),
            Response::Kept(kept) => (&kept.head, &[]),
        };
        // A client of HTTP/1.0 does not know interim responses (RFC 9110 15.2).
        for early in interim.iter().filter(|_| request.version == Version::Http11) {
            write_response(early, &hop, &mut out);
        }
        let framing = write_response(head, &hop, &mut out);
        let close = hop.close || framing == BodyLength::UntilClose;
        self.core.metrics().count_request(head.status);
        record.status = Some(head.status);
        let relaying = async {
            match response {
                Response::Live(answer) => relay(write, *answer, out, framing).await,
                Response::Kept(kept) => send_kept(write, out, framing, kept).await.map(|()| None),
            }
        };
        match race(timeout_at(passing.limit, relaying), gone(self.socket)).await {
            First::Left(Ok(Ok(uploaded))) => return after(close, uploaded.or(body)),
            First::Left(Ok(Err(error))) => {
                tracing::debug!(peer = %self.peer, %error, "the answer was broken off");
                record.broken = Some(match error {
                    RelayError::Client(_) | RelayError::ClientStuck => record::Broken::Client,
                    RelayError::Body(_) | RelayError::Silence => record::Broken::Upstream,
                });
            }
            First::Left(Err(elapsed)) => {
                tracing::debug!(peer = %self.peer, %elapsed, "the answer was cut off");
                record.broken = Some(record::Broken::Deadline);
            }
            First::Right(()) => record.broken = Some(record::Broken::Client),
        }
        if record.broken == Some(record::Broken::Client) {
            self.core.metrics().requests_gone.add(1);
        }
        if framing == BodyLength::UntilClose {
            // Where the end of the connection is the end of the answer, an orderly one would make it whole.
            self.socket.reset();
        }
        After::Abort
    }

    /// No backend answered: the gateway says so.
    async fn tell_failure(
        &self,
        failure: Failure,
        head: &RequestHead,
        body: Option<RequestBody>,
        record: &mut Record,
        write: &mut WriteHalf,
    ) -> After {
        let status = match failure {
            Failure::ClientGone => match fault(body.as_ref()) {
                Some(status) => status,
                None => {
                    self.core.metrics().requests_gone.add(1);
                    return After::Abort;
                }
            },
            failure => failure.status(),
        };
        self.answer_locally(status, head, body, record, write).await
    }

    async fn answer_locally(
        &self,
        status: u16,
        head: &RequestHead,
        body: Option<RequestBody>,
        record: &mut Record,
        write: &mut WriteHalf,
    ) -> After {
        let complete = body.as_ref().is_some_and(RequestBody::is_complete);
        let close = !complete || !head.keep_alive || self.core.is_draining();
        self.core.metrics().count_request(status);
        record.status = Some(status);
        record.is_local = true;
        if respond(write, status, head.method == Method::Head, close).await {
            return after(close, body);
        }
        record.broken = Some(record::Broken::Client);
        After::Abort
    }
}

/// How an answer is passed on.
struct Passing<'a> {
    limit: Option<Instant>,
    attempt: Option<u32>,
    edits: &'a [&'a HeaderEdits],
}

fn after(close: bool, body: Option<RequestBody>) -> After {
    match body.map(RequestBody::into_client) {
        Some((read, rest)) if !close => After::KeepAlive(read, rest),
        Some((read, _)) => After::Close(Some(read)),
        None => After::Close(None),
    }
}

/// What the client did wrong with its body, as a status; none: nothing, or it can be told no more.
fn fault(body: Option<&RequestBody>) -> Option<u16> {
    match body?.broken()? {
        Broken::Malformed(_) => Some(400),
        Broken::TooSlow => Some(408),
        Broken::Gone => None,
    }
}

/// What the retry decision asks about a request.
fn facts(head: &RequestHead) -> Request<'_> {
    let attempt =
        head.fields.get(ATTEMPT_FIELD).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    Request {
        method: head.method.as_str(),
        idempotent: head.method.is_idempotent(),
        has_idempotency_key: head.fields.get("idempotency-key").is_some(),
        nested: attempt.is_some_and(|attempt: u32| attempt >= 2),
    }
}

/// Ends when the client closes its side: like nginx and Envoy, a client that can take no more requests is taken for one
/// that wants no answer either. Looks from time to time, because a wait for the client's next byte could not be given
/// up again without losing it.
async fn gone(socket: Socket) {
    let mut pause = GONE_CHECK_FIRST;
    loop {
        sleep(pause).await;
        if socket.is_closed_by_peer() {
            return;
        }
        pause = (pause * 2).min(GONE_CHECK_MAX);
    }
}
