//! A backend that answers from a list and writes down what it was sent.

use std::collections::VecDeque;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::await_that;
use super::payload::{Digest, chunk, pieces};
use super::wire::{Framing, Wire, header, headers};

/// What a backend does with a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers with this status and a short body that names it.
    Status(u16),
    /// Answers with 503 to a first attempt and with 200 to a retry.
    FailFirst,
    /// Sends these bytes.
    Raw(Vec<u8>),
    /// Sends one piece after the other, each after a wait.
    Slowly(Vec<(Duration, Vec<u8>)>),
    /// Sends these bytes and closes.
    RawThenClose(Vec<u8>),
    /// Sends these bytes, lets them arrive, and resets the connection.
    RawThenReset(Vec<u8>),
    /// Sends these bytes as soon as the head is there, and reads the body only afterwards.
    Early(Vec<u8>),
    /// Sends these bytes as soon as the head is there, and closes without reading the body.
    EarlyThenClose(Vec<u8>),
    /// Closes without an answer once it has the request.
    Close,
    /// Resets the connection once it has the head of the request.
    Reset,
    /// Says nothing until the other side closes.
    Hang,
    /// Waits, then answers with 200.
    Delay(Duration),
    /// Sends 100, reads the body, answers with 200.
    Continue,
    /// Answers with the value of the request's `x-id` and the digest of its body.
    Echo,
    /// Answers with the digest of the body, which is not kept.
    Digest,
    /// Answers with a payload of so many bytes.
    Payload(usize),
    /// The same in chunks.
    PayloadInChunks(usize),
    /// Sends an answer that has no end, as fast as it is taken.
    Flood,
    /// Takes everything that comes behind the head, as fast as it comes, and never answers.
    Swallow,
}

/// A request as the backend saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which connection it came on, counted from zero.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
    /// The trailer section as it was sent; none: the body did not come to its end.
    pub trailers: Option<String>,
    /// When its head was complete.
    pub at: Instant,
}

#[derive(Clone)]
pub struct Backend {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    steps: Mutex<VecDeque<Step>>,
    otherwise: Step,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Steps that were carried out to their end.
    done: AtomicUsize,
    /// Connections that have ended.
    ended: AtomicUsize,
    /// Body bytes that have arrived, of all requests.
    body_bytes: AtomicUsize,
    /// Requests whose other side went away while [`Step::Hang`] waited.
    abandoned: AtomicUsize,
}

impl Backend {
    /// Takes the steps in order, one for each request, and answers 200 when they are used up.
    pub fn answering(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::start(steps, Step::Status(200))
    }

    /// Does the same with every request.
    pub fn always(step: Step) -> Self {
        Self::start([], step)
    }

    pub fn start(steps: impl IntoIterator<Item = Step>, otherwise: Step) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            steps: Mutex::new(steps.into_iter().collect()),
            otherwise,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            body_bytes: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                let shared = accepting.clone();
                std::thread::spawn(move || {
                    serve(&shared, number, stream);
                    shared.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn attempts(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub fn await_attempts(&self, wanted: usize) {
        await_that(&format!("{wanted} attempts"), || self.attempts() >= wanted);
    }

    pub fn await_abandoned(&self, wanted: usize) {
        await_that("the attempt was given up", || self.shared.abandoned.load(Ordering::SeqCst) >= wanted);
    }

    pub fn await_done(&self, wanted: usize) {
        await_that(&format!("{wanted} steps done"), || self.shared.done.load(Ordering::SeqCst) >= wanted);
    }

    pub fn await_ended(&self, wanted: usize) {
        let ended = || self.shared.ended.load(Ordering::SeqCst);
        await_that(&format!("{wanted} connections ended"), || ended() >= wanted);
    }

    pub fn await_body_bytes(&self, wanted: usize) {
        let arrived = || self.shared.body_bytes.load(Ordering::SeqCst);
        await_that(&format!("{wanted} bytes of a body arrived"), || arrived() >= wanted);
    }
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The request line and the fields, without those of this name.
    pub fn head_without(&self, name: &str) -> Vec<String> {
        let line = self.head.lines().next().unwrap().to_owned();
        let others = headers(&self.head).filter(|(candidate, _)| !candidate.eq_ignore_ascii_case(name));
        std::iter::once(line).chain(others.map(|(name, value)| format!("{name}: {value}"))).collect()
    }
}

/// An address that refuses every connection for as long as the test runs.
pub fn refusing() -> SocketAddr {
    let socket = bound();
    let address = address_of(&socket);
    // Bound and not listening: nobody else can take the port.
    std::mem::forget(socket);
    address
}

/// An address where connections are never made: its queue is full.
pub fn unreachable() -> SocketAddr {
    let socket = bound();
    socket.listen(0).unwrap();
    let address = address_of(&socket);
    std::mem::forget(socket);
    std::mem::forget(TcpStream::connect(address).unwrap());
    address
}

fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket
}

fn address_of(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}

pub fn ok(body: &str) -> Vec<u8> {
    response(200, body)
}

pub fn response(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(shared: &Shared, connection: usize, stream: TcpStream) -> Option<()> {
    let mut wire = Wire::new(stream);
    loop {
        let head = wire.read_head()?;
        let at = Instant::now();
        let step = shared.steps.lock().unwrap().pop_front().unwrap_or_else(|| shared.otherwise.clone());
        let number = {
            let mut seen = shared.seen.lock().unwrap();
            seen.push(Seen { connection, head: head.clone(), body: Vec::new(), trailers: None, at });
            seen.len() - 1
        };
        match &step {
            Step::Continue => wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")?,
            Step::Early(bytes) | Step::EarlyThenClose(bytes) => wire.write(bytes)?,
            _ => {}
        }
        let mut digest = Digest::default();
        if !matches!(step, Step::EarlyThenClose(_) | Step::Reset | Step::Swallow) {
            let trailers = wire.read_body(request_framing(&head), |piece| {
                shared.body_bytes.fetch_add(piece.len(), Ordering::SeqCst);
                digest.add(piece);
                if !matches!(step, Step::Digest) {
                    shared.seen.lock().unwrap()[number].body.extend_from_slice(piece);
                }
            });
            shared.seen.lock().unwrap()[number].trailers = trailers;
        }
        let going_on = act(shared, step, &head, digest, &mut wire);
        shared.done.fetch_add(1, Ordering::SeqCst);
        going_on?;
    }
}

fn request_framing(head: &str) -> Framing {
    match header(head, "transfer-encoding") {
        Some(_) => Framing::Chunked,
        None => Framing::Length(header(head, "content-length").map_or(0, |length| length.parse().unwrap())),
    }
}

/// None: the connection has ended.
fn act(shared: &Shared, step: Step, head: &str, digest: Digest, wire: &mut Wire) -> Option<()> {
    match step {
        Step::Status(status) => wire.write(&response(status, &format!("status {status}"))),
        Step::FailFirst => match header(head, "x-rebound-attempt") {
            Some("1") => wire.write(&response(503, "once more")),
            _ => wire.write(&ok("retried")),
        },
        Step::Raw(bytes) => wire.write(&bytes),
        Step::Slowly(pieces) => pieces.into_iter().try_for_each(|(wait, bytes)| {
            std::thread::sleep(wait);
            wire.write(&bytes)
        }),
        Step::RawThenClose(bytes) => {
            wire.write(&bytes);
            None
        }
        Step::RawThenReset(bytes) => {
            wire.write(&bytes);
            // What was sent must have arrived before the reset overtakes it.
            std::thread::sleep(Duration::from_millis(50));
            reset(&wire.stream)
        }
        Step::Early(_) => Some(()),
        Step::EarlyThenClose(_) => {
            // Unread bytes would turn the close into a reset; what was sent must have arrived before.
            wire.stream.shutdown(Shutdown::Write).ok()?;
            std::thread::sleep(Duration::from_millis(50));
            None
        }
        Step::Close => None,
        Step::Reset => reset(&wire.stream),
        Step::Hang => {
            let mut sink = [0; 1024];
            while wire.stream.read(&mut sink).is_ok_and(|count| count > 0) {}
            shared.abandoned.fetch_add(1, Ordering::SeqCst);
            None
        }
        Step::Delay(duration) => {
            std::thread::sleep(duration);
            wire.write(&ok("late"))
        }
        Step::Continue => wire.write(&ok("continued")),
        Step::Echo => wire.write(&ok(&format!("{}: {}", header(head, "x-id").unwrap(), digest.finish()))),
        Step::Digest => wire.write(&ok(&digest.finish())),
        Step::Payload(length) => {
            wire.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes())?;
            pieces(length).try_for_each(|piece| wire.write(&piece))
        }
        Step::PayloadInChunks(length) => {
            wire.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            pieces(length).try_for_each(|piece| wire.write(&chunk(&piece)))?;
            wire.write(b"0\r\n\r\n")
        }
        Step::Flood => {
            wire.write(b"HTTP/1.1 200 OK\r\n\r\n")?;
            let piece = vec![b'x'; 64 * 1024];
            while wire.write(&piece).is_some() {}
            None
        }
        Step::Swallow => {
            std::io::copy(&mut wire.stream, &mut std::io::sink()).ok();
            None
        }
    }
}

fn reset(stream: &TcpStream) -> Option<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    None
}
