//! A collector that costs next to nothing: it takes what comes and keeps nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::Context;

/// What it does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Takes it.
    Accept,
    /// Refuses it.
    Refuse,
    /// Never answers.
    Slow,
}

/// Listens until the process ends.
#[derive(Debug)]
pub(super) struct Sink {
    address: SocketAddr,
    /// Body bytes received.
    bytes: Arc<AtomicU64>,
}

impl Sink {
    pub(super) fn start(way: Way) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("bind the collector")?;
        let address = listener.local_addr()?;
        let bytes = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&bytes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // The other side ends a conversation by going away.
                thread::spawn(move || drop(converse(stream, way, &counted)));
            }
        });
        Ok(Self { address, bytes })
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether anything was received: what is not sent costs nothing to send.
    pub(super) fn is_used(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }
}

fn converse(stream: TcpStream, way: Way, bytes: &AtomicU64) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let length = read_head(&mut stream)?;
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
        bytes.fetch_add(length, Ordering::Relaxed);
        match way {
            Way::Accept => respond(&mut stream, "200 OK")?,
            Way::Refuse => respond(&mut stream, "503 Service Unavailable")?,
            Way::Slow => {}
        }
    }
}

fn respond(stream: &mut BufReader<TcpStream>, status: &str) -> anyhow::Result<()> {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
    Ok(stream.get_mut().write_all(head.as_bytes())?)
}

/// The length of the body behind the head.
fn read_head(stream: &mut BufReader<TcpStream>) -> anyhow::Result<u64> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        anyhow::ensure!(stream.read_line(&mut line)? > 0, "closed");
        match line.trim_end().split_once(':') {
            None if line == "\r\n" => return Ok(length),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse()?;
            }
            _ => {}
        }
    }
}
