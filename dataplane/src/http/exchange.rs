//! The attempts of one request, as the retry loop asks for them: an endpoint, a connection, one exchange.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::aside::{Kept, Pending, put_aside};
use super::body::RequestBody;
use super::destination::Destination;
use super::h1::request::RequestHead;
use super::hop::{RequestHop, write_request};
use crate::clock;
use crate::io::stream::{Stream, WriteHalf};
use crate::io::timer::timeout_at;
use crate::retry::attempts::{Pause, Upstream};
use crate::retry::decide::{Ended, Replay};
use crate::retry::outcome::{Failure, Outcome};
use crate::route::matcher::RequestView;
use crate::telemetry::metrics::service::ServiceCounters;
use crate::telemetry::record::{Attempt, Record};
use crate::telemetry::trace::Outgoing;
use crate::upstream::balance::choose;
use crate::upstream::call::{Answer, Called, Request, call};
use crate::upstream::pool::{Connection, Endpoint};
use crate::worker::core::Core;

/// A connection that is not made by then has failed.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// One request on its way to a Service port.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    core: &'a Rc<Core>,
    peer: IpAddr,
    /// The client's writing half, for a 100.
    client: &'a mut WriteHalf,
    head: &'a RequestHead,
    destination: Destination<'a>,
    /// None: it is lost, and the client's connection with it.
    body: Option<RequestBody>,
    /// What has happened to it, and so where it has been.
    record: &'a mut Record,
    /// No pooled connection for the next attempt: the last one was dead.
    fresh: bool,
    /// An answer for the case that no better one comes.
    aside: Option<Pending>,
}

/// An answer for the client.
#[derive(Debug)]
pub(super) enum Response {
    /// Its body is still to come.
    Live(Box<Answer>),
    /// It was put aside and came back.
    Kept(Kept),
}

impl Upstream for Exchange<'_> {
    type Response = Response;

    async fn attempt(&mut self, number: u32, deadline: Option<Instant>) -> Outcome<Response> {
        let started = clock::now();
        let Some(endpoint) = self.choose(number) else {
            return Outcome::Failed(Failure::NoEndpoint);
        };
        self.counters().attempts.add(1);
        let trace = self.record.begin_attempt(endpoint.address, started, || fastrand::u64(..));
        let own_limit = self.destination.attempt_limit().map(|limit| started + limit);
        let limit = [own_limit, deadline].into_iter().flatten().min();
        let sent = self.send(&endpoint, Sent { number, trace, started, limit }).await;
        self.fresh = matches!(sent, Err(Failure::Stale | Failure::ResetBeforeRequest));
        match sent {
            Ok(answer) => Outcome::Response {
                status: answer.head.status,
                request_sent: answer.request_sent,
                response: Response::Live(Box::new(answer)),
            },
            Err(failure) => Outcome::Failed(failure),
        }
    }

    fn replay(&self) -> Replay {
        // A body that is still with an upload belongs to an answer that is final.
        self.body.as_ref().map_or(Replay::BodyTooLarge, RequestBody::replay)
    }

    fn ended(&mut self, ended: Ended, at: Instant) {
        self.record.end_attempt(ended, at);
    }

    fn scheduled(&mut self, ended: Ended, pause: Pause) {
        self.record.pause(pause);
        self.counters().count_retry(ended);
    }

    fn discard(&mut self, _status: u16, response: Response) {
        if let Response::Live(answer) = response {
            self.aside = Some(put_aside(self.core, *answer));
        }
    }

    async fn recall(&mut self, deadline: Option<Instant>) -> Option<(u16, Response)> {
        let pending = self.aside.take()?;
        let kept = timeout_at(deadline, pending.recv_async()).await.ok()?.ok()?;
        Some((kept.head.status, Response::Kept(kept)))
    }
}

impl<'a> Exchange<'a> {
    /// A request that has not been sent yet.
    pub(super) fn new(
        core: &'a Rc<Core>,
        peer: IpAddr,
        client: &'a mut WriteHalf,
        head: &'a RequestHead,
        destination: Destination<'a>,
        body: RequestBody,
        record: &'a mut Record,
    ) -> Self {
        Self { core, peer, client, head, destination, body: Some(body), record, fresh: false, aside: None }
    }

    /// The body, unless it is lost or with an upload.
    pub(super) fn into_body(self) -> Option<RequestBody> {
        self.body
    }
}

/// One attempt, as it is sent.
struct Sent {
    number: u32,
    /// None: traces are off.
    trace: Option<Outgoing>,
    started: Instant,
    limit: Option<Instant>,
}

impl Exchange<'_> {
    /// What is counted for the Service port on this core.
    fn counters(&self) -> &ServiceCounters {
        self.core.counters_of(self.destination.target)
    }

    /// A retry looks at today's endpoints: those that the request began with may be gone.
    fn choose(&self, number: u32) -> Option<Rc<Endpoint>> {
        let newest = self.core.plan().filter(|_| number > 1);
        let target =
            newest.as_ref().and_then(|plan| plan.target_of(&self.destination.target.cluster.service));
        let endpoints: &[SocketAddr] = match (&newest, target) {
            (None, _) => &self.destination.target.cluster.endpoints,
            (Some(_), Some(target)) => &target.cluster.endpoints,
            // The newest plan does not know the Service port any more: its addresses may be somebody else's by now.
            (Some(_), None) => &[],
        };
        let avoid_tried = self.destination.rules.is_none_or(|rules| rules.avoid_tried);
        let attempts: &[Attempt] = if avoid_tried { &self.record.attempts } else { &[] };
        let tried = |address: &SocketAddr| attempts.iter().any(|attempt| attempt.endpoint == *address);
        let load = |address| self.core.pool.load(address);
        choose(endpoints, tried, load, |n| fastrand::usize(..n))
            .map(|address| self.core.pool.endpoint(address))
    }

    async fn send(&mut self, endpoint: &Rc<Endpoint>, sent: Sent) -> Result<Answer, Failure> {
        let Sent { started, limit, .. } = sent;
        let pooled = if self.fresh { None } else { endpoint.checkout(started) };
        let reused = pooled.is_some();
        let connection = match pooled {
            Some(connection) => connection,
            None => {
                let own_limit = started + CONNECT_MAX;
                self.connect(endpoint.address, limit.map_or(own_limit, |limit| limit.min(own_limit))).await?
            }
        };
        let Some(body) = self.body.take() else {
            return Err(Failure::ClientGone);
        };
        let request = Request {
            method: &self.head.method,
            head: self.encode(&sent),
            body,
            expects_continue: self.head.expects_continue,
            limit,
        };
        let Called { result, body } = call(endpoint, connection, reused, request, self.client).await;
        self.body = body;
        result
    }

    async fn connect(&self, address: SocketAddr, limit: Instant) -> Result<Connection, Failure> {
        match timeout_at(Some(limit), Stream::connect(address)).await {
            Ok(Ok(stream)) => {
                self.core.metrics().upstream_connected.add(1);
                let (read, write) = stream.split();
                Ok(Connection { read, write, buffer: BytesMut::new() })
            }
            Ok(Err(error)) => {
                tracing::debug!(%address, %error, "connect failed");
                Err(Failure::Connect)
            }
            Err(_) => Err(Failure::Connect),
        }
    }

    fn encode(&self, sent: &Sent) -> BytesMut {
        let tells_attempt = self.destination.rules.is_some_and(|rules| rules.attempt_header_request);
        let edits = self.destination.request_edits();
        let hop = RequestHop {
            peer: self.peer,
            scheme: "http",
            attempt: tells_attempt.then_some(sent.number),
            trace: sent.trace,
            edits: &edits,
        };
        let mut out = BytesMut::new();
        write_request(self.head, &hop, &mut out);
        out
    }
}

impl RequestView for RequestHead {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &[u8] {
        Self::path(self).as_bytes()
    }

    fn query(&self) -> Option<&[u8]> {
        Self::query(self).map(str::as_bytes)
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut values = self.fields.get_all(name);
        let first = values.next()?;
        let Some(second) = values.next() else {
            return Some(Cow::Borrowed(first));
        };
        let joined = std::iter::once(second).chain(values).fold(first.to_vec(), |mut joined, value| {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
            joined
        });
        Some(Cow::Owned(joined))
    }
}
