//! Probes, metrics and the active generation, on a thread of its own: a busy core never delays a probe.
//!
//! Read-only. Anything richer does not belong on this port, which is open to the pod network.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::BytesMut;

use crate::clock;
use crate::http::h1::framing::BodyLength;
use crate::http::h1::method::Method;
use crate::http::h1::request::{RequestHead, RequestParser};
use crate::snapshot::plan::Plan;
use crate::telemetry::exposition::{self, Format, Source};
use crate::telemetry::metrics::Metrics;

/// Connections served at once; the oldest makes room for one more.
const CONNECTIONS_MAX: usize = 32;
/// A client that is slower than this is disconnected.
const IO_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What the supervisor knows and probes ask for.
#[derive(Debug, Default)]
pub struct Health {
    draining: AtomicBool,
    /// Whether `/metrics` answers.
    counts: bool,
    #[expect(
        clippy::disallowed_types,
        reason = "between the supervisor and the admin thread; no core takes it"
    )]
    last_error: std::sync::Mutex<Option<String>>,
    #[expect(clippy::disallowed_types, reason = "as above")]
    plan: std::sync::Mutex<Option<Arc<Plan>>>,
}

struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Health {
    /// Nothing is known yet; `counts`: whether `/metrics` answers.
    pub fn new(counts: bool) -> Self {
        Self { counts, ..Self::default() }
    }

    /// From now on the process is alive but not ready.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Why the newest snapshot is not in use; none: it is.
    pub fn set_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = error;
    }

    /// The cores have been given this plan.
    pub fn set_plan(&self, plan: Arc<Plan>) {
        *self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(plan);
    }

    /// The newest plan that the cores have been given.
    pub fn plan(&self) -> Option<Arc<Plan>> {
        self.plan.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn is_ready(&self, metrics: &Metrics) -> bool {
        !self.draining.load(Ordering::Relaxed) && metrics.generation().0 > 0
    }
}

/// Listens, and serves until the process ends. Returns the address, whose port was free if it was asked for as 0.
pub fn start(address: SocketAddr, metrics: Arc<Metrics>, health: Arc<Health>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let local = listener.local_addr()?;
    thread::Builder::new().name("admin".into()).spawn(move || serve(&listener, &metrics, &health))?;
    Ok(local)
}

fn serve(listener: &TcpListener, metrics: &Arc<Metrics>, health: &Arc<Health>) {
    let mut clients: VecDeque<Client> = VecDeque::new();
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, mostly: nothing that spinning would mend.
            thread::park_timeout(ACCEPT_PAUSE);
            continue;
        };
        clients.retain(Client::is_alive);
        if clients.len() >= CONNECTIONS_MAX {
            // A probe must get in, whoever holds the others.
            clients.pop_front().as_ref().map(Client::shut_out);
        }
        match Client::start(stream, metrics.clone(), health.clone()) {
            Ok(client) => clients.push_back(client),
            Err(error) => tracing::warn!(%error, "admin connection refused"),
        }
    }
}

/// A connection that is served by a thread of its own.
struct Client {
    stream: TcpStream,
    /// The thread holds the other one.
    alive: Arc<()>,
}

impl Client {
    fn start(stream: TcpStream, metrics: Arc<Metrics>, health: Arc<Health>) -> io::Result<Self> {
        let client = Self { stream: stream.try_clone()?, alive: Arc::new(()) };
        let alive = client.alive.clone();
        let body = move || {
            if let Err(error) = converse(&stream, &metrics, &health) {
                tracing::debug!(%error, "admin connection ended");
            }
            // The list has a handle of the connection too: dropping this one would not end it.
            stream.shutdown(Shutdown::Both).ok();
            drop(alive);
        };
        thread::Builder::new().name("admin-client".into()).spawn(body)?;
        Ok(client)
    }

    fn is_alive(&self) -> bool {
        Arc::strong_count(&self.alive) > 1
    }

    fn shut_out(&self) {
        // It may have ended by itself.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}

fn converse(mut stream: &TcpStream, metrics: &Metrics, health: &Health) -> io::Result<()> {
    stream.set_write_timeout(Some(IO_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut parser = RequestParser::default();
    let mut buffer = BytesMut::new();
    while let Some(head) = read_head(stream, &mut parser, &mut buffer)? {
        let keep_alive = head.keep_alive && head.body == BodyLength::Empty;
        let answer = answer(&head, metrics, health);
        stream.write_all(&answer.encode(head.method == Method::Head, keep_alive))?;
        if !keep_alive {
            break;
        }
    }
    Ok(())
}

/// None: the client is done, or has been idle or trickling for [`IO_TIMEOUT`].
fn read_head(
    mut stream: &TcpStream,
    parser: &mut RequestParser,
    buffer: &mut BytesMut,
) -> io::Result<Option<RequestHead>> {
    let deadline = clock::now() + IO_TIMEOUT;
    let mut chunk = [0; 4096];
    loop {
        match parser.parse(buffer) {
            Ok(Some(head)) => return Ok(Some(head)),
            Ok(None) => {}
            Err(error) => {
                let refusal = Answer::text("400 Bad Request", &format!("{error}\n"));
                stream.write_all(&refusal.encode(false, false))?;
                return Ok(None);
            }
        }
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            count => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

fn answer(head: &RequestHead, metrics: &Metrics, health: &Health) -> Answer {
    if !matches!(head.method, Method::Get | Method::Head) {
        return Answer::text("405 Method Not Allowed", "only GET and HEAD\n");
    }
    match head.path() {
        "/livez" => Answer::text("200 OK", "ok\n"),
        "/readyz" if health.is_ready(metrics) => Answer::text("200 OK", "ok\n"),
        "/readyz" => Answer::text("503 Service Unavailable", "no configuration is active, or draining\n"),
        "/metrics" if health.counts => numbers(head, metrics, health),
        "/generation" => generation(metrics, health),
        _ => Answer::text("404 Not Found", "/livez /readyz /metrics /generation\n"),
    }
}

fn numbers(head: &RequestHead, metrics: &Metrics, health: &Health) -> Answer {
    let format = Format::accepted(head.fields.get("accept"));
    let plan = health.plan();
    let source = Source { metrics, plan: plan.as_deref(), now: clock::now() };
    Answer { status: "200 OK", content_type: format.content_type(), body: exposition::page(source, format) }
}

fn generation(metrics: &Metrics, health: &Health) -> Answer {
    let body = serde_json::json!({
        "generation": metrics.generation().0,
        "driver": metrics.driver().map(crate::io::driver::Driver::name),
        "last_error": health.last_error(),
    });
    Answer { status: "200 OK", content_type: "application/json", body: format!("{body}\n") }
}

impl Answer {
    fn text(status: &'static str, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }

    fn encode(&self, head_only: bool, keep_alive: bool) -> Vec<u8> {
        let Self { status, content_type, body } = self;
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
             connection: {connection}\r\n\r\n"
        );
        if head_only { head.into_bytes() } else { (head + body).into_bytes() }
    }
}
