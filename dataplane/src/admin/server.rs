//! A small blocking HTTP server for what the process tells about itself. GET and HEAD, keep-alive, and a limit on
//! everything that a client may take: connections, time, bytes.
//!
//! Absent: what is told; that is the caller's function from a request head to an answer.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::BytesMut;

use crate::clock;
use crate::http::h1::framing::BodyLength;
use crate::http::h1::method::Method;
use crate::http::h1::request::{RequestHead, RequestParser};

/// Connections served at once; the oldest makes room for one more.
const CONNECTIONS_MAX: usize = 32;
/// A client that is slower than this is disconnected.
const IO_TIMEOUT: Duration = Duration::from_secs(5);
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What GET and HEAD are answered; of HEAD only the head is sent.
pub type Site = dyn Fn(&RequestHead) -> Answer + Send + Sync;

/// An answer with a body of known length.
#[derive(Debug)]
pub struct Answer {
    status: &'static str,
    content_type: &'static str,
    /// Header lines, each with its end.
    fields: &'static str,
    body: Cow<'static, str>,
}

/// Listens, and serves until the process ends, in threads that are called `name`. Returns the address, whose port was
/// free if it was asked for as 0.
pub fn start(name: &'static str, address: SocketAddr, site: Arc<Site>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let local = listener.local_addr()?;
    thread::Builder::new().name(name.into()).spawn(move || serve(name, &listener, &site))?;
    Ok(local)
}

fn serve(name: &'static str, listener: &TcpListener, site: &Arc<Site>) {
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
        match Client::start(name, stream, site.clone()) {
            Ok(client) => clients.push_back(client),
            Err(error) => tracing::warn!(%error, name, "connection refused"),
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
    fn start(name: &'static str, stream: TcpStream, site: Arc<Site>) -> io::Result<Self> {
        let client = Self { stream: stream.try_clone()?, alive: Arc::new(()) };
        let alive = client.alive.clone();
        let body = move || {
            if let Err(error) = converse(&stream, &*site) {
                tracing::debug!(%error, name, "connection ended");
            }
            // The list has a handle of the connection too: dropping this one would not end it.
            stream.shutdown(Shutdown::Both).ok();
            drop(alive);
        };
        thread::Builder::new().name(format!("{name}-client")).spawn(body)?;
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

fn converse(mut stream: &TcpStream, site: &Site) -> io::Result<()> {
    stream.set_write_timeout(Some(IO_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut parser = RequestParser::default();
    let mut buffer = BytesMut::new();
    while let Some(head) = read_head(stream, &mut parser, &mut buffer)? {
        let keep_alive = head.keep_alive && head.body == BodyLength::Empty;
        let answer = match head.method {
            Method::Get | Method::Head => site(&head),
            _ => Answer::text("405 Method Not Allowed", "only GET and HEAD\n"),
        };
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
                let body = format!("{error}\n");
                let refusal = Answer { body: body.into(), ..Answer::text("400 Bad Request", "") };
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

impl Answer {
    /// What was asked for.
    pub fn ok(content_type: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        Self { status: "200 OK", content_type, fields: "", body: body.into() }
    }

    /// A status with a line of text.
    pub fn text(status: &'static str, body: &'static str) -> Self {
        Self { status, ..Self::ok("text/plain; charset=utf-8", body) }
    }

    /// With further header lines, each with its end.
    pub fn with_fields(self, fields: &'static str) -> Self {
        Self { fields, ..self }
    }

    fn encode(&self, head_only: bool, keep_alive: bool) -> Vec<u8> {
        let Self { status, content_type, fields, body } = self;
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
             connection: {connection}\r\n{fields}\r\n"
        );
        if head_only { head.into_bytes() } else { (head + body).into_bytes() }
    }
}
