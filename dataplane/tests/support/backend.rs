//! A backend that answers from a list and writes down what it was sent.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::client::find;
use super::{DEADLINE, await_that};

/// What a backend does with a request.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers with this status and a short body that names it.
    Status(u16),
    /// Sends these bytes.
    Raw(Vec<u8>),
    /// Sends these bytes and closes.
    RawThenClose(Vec<u8>),
    /// Sends these bytes and resets the connection.
    RawThenReset(Vec<u8>),
    /// Answers as soon as the head is there, without reading the body, and closes.
    EarlyStatus(u16),
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
}

/// A request as the backend saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which connection it came on, counted from zero.
    pub connection: usize,
    pub head: String,
    pub body: Vec<u8>,
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

    fn start(steps: impl IntoIterator<Item = Step>, otherwise: Step) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            steps: Mutex::new(steps.into_iter().collect()),
            otherwise,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                let shared = accepting.clone();
                std::thread::spawn(move || serve(&shared, number, stream));
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
}

/// An address where nobody listens.
pub fn refusing() -> SocketAddr {
    // Bound and closed again: the kernel does not give the port to the next one who asks for any.
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

pub fn ok(body: &str) -> Vec<u8> {
    response(200, body)
}

pub fn response(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn serve(shared: &Shared, connection: usize, mut stream: TcpStream) -> Option<()> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            match find(&buffer, b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => fill(&mut stream, &mut buffer)?,
            }
        };
        let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
        let at = Instant::now();
        let step = shared.steps.lock().unwrap().pop_front().unwrap_or_else(|| shared.otherwise.clone());
        if matches!(step, Step::Continue) {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        let body = match step {
            Step::EarlyStatus(_) | Step::Reset => Vec::new(),
            _ => read_body(&head, &mut stream, &mut buffer).unwrap_or_default(),
        };
        shared.seen.lock().unwrap().push(Seen { connection, head, body, at });
        act(shared, step, &mut stream)?;
    }
}

/// None: the connection has ended.
fn act(shared: &Shared, step: Step, stream: &mut TcpStream) -> Option<()> {
    match step {
        Step::Status(status) => stream.write_all(&response(status, &format!("status {status}"))).ok(),
        Step::Raw(bytes) => stream.write_all(&bytes).ok(),
        Step::RawThenClose(bytes) => {
            stream.write_all(&bytes).ok();
            None
        }
        Step::RawThenReset(bytes) => {
            stream.write_all(&bytes).ok();
            // What was sent must have arrived before the reset overtakes it.
            std::thread::sleep(Duration::from_millis(50));
            reset(stream)
        }
        Step::EarlyStatus(status) => {
            stream.write_all(&response(status, "early")).ok();
            std::thread::sleep(Duration::from_millis(200));
            None
        }
        Step::Close => None,
        Step::Reset => reset(stream),
        Step::Hang => {
            let mut sink = [0; 1024];
            while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
            shared.abandoned.fetch_add(1, Ordering::SeqCst);
            None
        }
        Step::Delay(duration) => {
            std::thread::sleep(duration);
            stream.write_all(&ok("late")).ok()
        }
        Step::Continue => stream.write_all(&ok("continued")).ok(),
    }
}

fn reset(stream: &TcpStream) -> Option<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
    None
}

fn read_body(head: &str, stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let lower = head.to_ascii_lowercase();
    if lower.contains("transfer-encoding: chunked") {
        let end = loop {
            match find(buffer, b"\r\n0\r\n\r\n")
                .map(|at| at + 7)
                .or_else(|| buffer.starts_with(b"0\r\n\r\n").then_some(5))
            {
                Some(end) => break end,
                None => fill(stream, buffer)?,
            }
        };
        return Some(buffer.drain(..end).collect());
    }
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    while buffer.len() < length {
        fill(stream, buffer)?;
    }
    Some(buffer.drain(..length).collect())
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 64 * 1024];
    match stream.read(&mut chunk) {
        Ok(count) if count > 0 => {
            buffer.extend_from_slice(&chunk[..count]);
            Some(())
        }
        Ok(_) | Err(_) => None,
    }
}
