//! The serving thread of the scripted backend: accept, read a request, roll the dice, answer.
//!
//! One core, one connection after the other within it; nothing is shared with other threads but the counters.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as StopSignal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, Version};
use monoio::io::AsyncReadRent as _;
use monoio::io::sink::SinkExt as _;
use monoio::io::stream::Stream as _;
use monoio::net::{ListenerOpts, TcpListener, TcpStream, UnixStream};
use monoio_http::common::body::HttpBody;
use monoio_http::common::request::RequestHead;
use monoio_http::common::response::Response;
use monoio_http::h1::codec::ServerCodec;
use monoio_http::h1::codec::decoder::FillPayload as _;
use monoio_http::h1::payload::{FixedPayload, Payload};

use super::State;
use super::script::Script;
use crate::say;

struct Server {
    state: Arc<State>,
    dice: RefCell<fastrand::Rng>,
}

/// Serves until the owner says stop; first tells where, or why not.
pub(super) fn run(
    address: SocketAddr,
    seed: u64,
    state: &Arc<State>,
    until: StopSignal,
    bound: &Sender<io::Result<SocketAddr>>,
) {
    let server =
        Rc::new(Server { state: Arc::clone(state), dice: RefCell::new(fastrand::Rng::with_seed(seed)) });
    let runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().enable_timer().build();
    let served = runtime.map(|mut runtime| runtime.block_on(accept(address, server, until, bound)));
    if let Err(error) | Ok(Err(error)) = served {
        say::warn(&format!("the scripted backend stopped: {error}"));
    }
}

/// Binds within the runtime: only it knows whether its driver wants the socket to block.
async fn accept(
    address: SocketAddr,
    server: Rc<Server>,
    until: StopSignal,
    bound: &Sender<io::Result<SocketAddr>>,
) -> io::Result<()> {
    let options = ListenerOpts::new().reuse_port(false);
    let listener = match TcpListener::bind_with_config(address, &options) {
        Ok(listener) => listener,
        // Whoever asked for it is told, and reports it.
        Err(error) => return bound.send(Err(error)).map_err(io::Error::other),
    };
    bound.send(listener.local_addr()).map_err(io::Error::other)?;
    let mut until = UnixStream::from_std(until)?;
    let mut stop = pin!(until.read(vec![0; 1]));
    loop {
        monoio::select! {
            accepted = listener.accept() => {
                monoio::spawn(contained(connection(accepted?.0, Rc::clone(&server))));
            }
            _ = &mut stop => return Ok(()),
        }
    }
}

/// Keeps a panic of the codec (it has some) within the connection that caused it.
async fn contained(task: impl Future<Output = ()>) {
    let mut task = Box::pin(task);
    poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))).unwrap_or(Poll::Ready(()))
    })
    .await;
}

async fn connection(stream: TcpStream, server: Rc<Server>) {
    let mut codec = ServerCodec::new(stream);
    while let Some(Ok(request)) = codec.next().await {
        let (head, body) = request.into_parts();
        // Reads the whole body into memory: the codec cannot do otherwise, and the tests' bodies fit.
        let Ok(()) = codec.fill_payload().await else { return };
        let Ok(body) = HttpBody::from(body).to_ready().await else { return };
        let last = is_last(head.version, &head.headers);
        let response = server.answer(&head, body.unwrap_or_default()).await;
        let sent = codec.send_and_flush(response).await;
        if sent.is_err() || last {
            return;
        }
    }
}

fn is_last(version: Version, headers: &HeaderMap) -> bool {
    let asked = headers.get(CONNECTION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    asked.eq_ignore_ascii_case("close")
        || (version == Version::HTTP_10 && !asked.eq_ignore_ascii_case("keep-alive"))
}

impl Server {
    async fn answer(&self, head: &RequestHead, body: Bytes) -> Response {
        if head.uri.path() == "/_counts" {
            return respond(200, Bytes::from(self.counts()));
        }
        self.state.attempts.fetch_add(1, Ordering::Relaxed);
        let (status, body) = match Script::parse(head.uri.query().unwrap_or_default()) {
            Ok(script) => self.act(&script, body).await,
            Err(error) => (400, Bytes::from(error)),
        };
        self.state.count(status);
        respond(status, body)
    }

    async fn act(&self, script: &Script, body: Bytes) -> (u16, Bytes) {
        // No dice without a script, so that plain requests leave a seeded run as it is.
        let status = (!script.status.is_empty()).then(|| script.status.pick(self.roll())).flatten();
        let delay = (!script.delay.is_empty()).then(|| script.delay.pick(self.roll())).flatten();
        if let Some(delay) = delay {
            monoio::time::sleep(delay).await;
        }
        (status.unwrap_or(200), script.size.map_or(body, |size| Bytes::from(vec![b'x'; size])))
    }

    fn roll(&self) -> f64 {
        self.dice.borrow_mut().f64() * 100.0
    }

    fn counts(&self) -> String {
        let statuses = self.state.statuses.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let attempts = self.state.attempts.load(Ordering::Relaxed);
        serde_json::json!({ "attempts": attempts, "statuses": statuses }).to_string()
    }
}

fn respond(status: u16, body: Bytes) -> Response {
    let payload = if body.is_empty() { Payload::None } else { Payload::Fixed(FixedPayload::new(body)) };
    let mut response = Response::new(payload);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}
