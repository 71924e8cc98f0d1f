//! What monoio-http 0.3 does with bytes from a stranger: a server and a client on its codecs, as its examples build
//! them, and a few inputs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use monoio::io::sink::SinkExt as _;
use monoio::io::stream::Stream as _;
use monoio::net::{TcpListener, TcpStream};
use monoio_http::common::body::{Body as _, HttpBody};
use monoio_http::common::response::Response;
use monoio_http::h1::codec::decoder::FillPayload as _;
use monoio_http::h1::codec::{ClientCodec, ServerCodec};
use monoio_http::h1::payload::{FixedPayload, Payload, PayloadError};

use super::Finding;
use crate::rig::poll;

/// How long an answer, or the end of a thread, is waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
/// Longer than the 64 KiB that a field name of the `http` crate may have.
const LONG_NAME: usize = 70_000;
const LARGE_HEAD: usize = 16 << 20;

pub(super) fn findings() -> anyhow::Result<Vec<Finding>> {
    Ok(vec![
        two_lengths()?,
        length_beside_chunked()?,
        empty_chunk_size()?,
        trailer()?,
        large_head()?,
        long_field_name()?,
        interim_answer()?,
    ])
}

fn two_lengths() -> anyhow::Result<Finding> {
    let request = format!(
        "POST /first HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: {}\r\n\r\n{SMUGGLED}",
        SMUGGLED.len()
    );
    smuggling("two content-length fields, 0 and the length of a second request", &request)
}

fn length_beside_chunked() -> anyhow::Result<Finding> {
    let request = format!(
        "POST /first HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\
         content-length: 3\r\n\r\n0\r\n{SMUGGLED}\r\n0\r\n\r\n"
    );
    smuggling("transfer-encoding: identity, then chunked, beside a content-length", &request)
}

fn empty_chunk_size() -> anyhow::Result<Finding> {
    let request =
        format!("POST /first HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\r\n\r\n{SMUGGLED}");
    smuggling("a chunked body with an empty line for a chunk size", &request)
}

fn smuggling(sent: &'static str, request: &str) -> anyhow::Result<Finding> {
    let (address, _) = server()?;
    let answers = exchange(address, request.as_bytes())?;
    let is_defect = answers.iter().any(|answer| answer.contains("/smuggled"));
    let happened = format!("answered {} requests: {}", answers.len(), answers.join(", "));
    Ok(Finding { sent, sound: "400 and close (RFC 9112, 6.3 and 7.1)", happened, is_defect })
}

fn trailer() -> anyhow::Result<Finding> {
    let (address, _) = server()?;
    let request = "POST /first HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                   1\r\na\r\n0\r\nx-checksum: 1\r\n\r\n";
    let answers = exchange(address, request.as_bytes())?;
    Ok(Finding {
        sent: "a chunked body with a trailer field",
        sound: "200 (RFC 9112, 7.1.2)",
        happened: format!("{} answers, connection closed", answers.len()),
        is_defect: answers.is_empty(),
    })
}

fn large_head() -> anyhow::Result<Finding> {
    let (address, _) = server()?;
    let request = format!("GET /first HTTP/1.1\r\nhost: a\r\nx-large: {}\r\n\r\n", "x".repeat(LARGE_HEAD));
    let answers = exchange(address, request.as_bytes())?;
    Ok(Finding {
        sent: "a head of 16 MiB",
        sound: "431 after a few tens of KiB",
        happened: format!("read it all into memory and answered {}", answers.join(", ")),
        is_defect: answers.len() == 1,
    })
}

fn long_field_name() -> anyhow::Result<Finding> {
    let (address, worker) = server()?;
    let request = format!("GET /first HTTP/1.1\r\nhost: a\r\n{}: 1\r\n\r\n", "x".repeat(LONG_NAME));
    let answers = exchange(address, request.as_bytes()).unwrap_or_default();
    let ended = poll(WAIT_MAX, || worker.is_finished().then_some(())).is_some();
    let state = if ended { "ended, with every connection of its core" } else { "goes on" };
    Ok(Finding {
        sent: "a field name of 70,000 bytes",
        sound: "400 or 431 and close",
        happened: format!("{} answers; the worker thread {state}", answers.len()),
        is_defect: ended,
    })
}

fn interim_answer() -> anyhow::Result<Finding> {
    let backend = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = backend.local_addr()?;
    let served = thread::spawn(move || serve_early_hints(&backend));
    let mut runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().enable_timer().build()?;
    let (alice, bob) = runtime.block_on(two_requests(address))?;
    served.join().map_err(|_| anyhow::anyhow!("the backend panicked"))??;
    Ok(Finding {
        sent: "by a backend: 103 Early Hints before the answer, to the first of two users on a pooled connection",
        sound: "each user gets their own final answer",
        happened: format!("the first user got {alice}, the second got {bob}"),
        is_defect: bob.contains("first user"),
    })
}

/// A server as the examples of monoio-http build it; its thread ends only by a panic.
fn server() -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let (bound, address) = mpsc::channel();
    let run = move || {
        let runtime = monoio::RuntimeBuilder::<monoio::FusionDriver>::new().enable_timer().build();
        let Ok(mut runtime) = runtime else { return };
        runtime.block_on(accept(&bound));
    };
    let worker = thread::Builder::new().name("monoio-http worker".to_owned()).spawn(run)?;
    Ok((address.recv().context("the server did not start")?, worker))
}

/// Binds within the runtime: only it knows whether its driver wants the socket to block.
async fn accept(bound: &Sender<SocketAddr>) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else { return };
    let Ok(()) = listener.local_addr().map_or(Ok(()), |address| bound.send(address)) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        monoio::spawn(connection(stream));
    }
}

async fn connection(stream: TcpStream) {
    let mut codec = ServerCodec::new(stream);
    while let Some(Ok(request)) = codec.next().await {
        let (head, body) = request.into_parts();
        let Ok(()) = codec.fill_payload().await else { return };
        let Ok(body) = HttpBody::from(body).to_ready().await else { return };
        let bytes = body.unwrap_or_default().len();
        let says = format!("{} {} with {bytes} bytes", head.method, head.uri.path());
        let response: Response = Response::new(Payload::Fixed(FixedPayload::new(Bytes::from(says))));
        let Ok(()) = codec.send_and_flush(response).await else { return };
    }
}

/// Sends bytes, then nothing more, and returns what each answer says.
fn exchange(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut stream = StdStream::connect(address)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answers = String::new();
    // A reset after the answers is an end like another.
    stream.read_to_string(&mut answers).unwrap_or_default();
    let bodies = answers.split("HTTP/1.1 200").skip(1);
    Ok(bodies.filter_map(|answer| Some(answer.split_once("\r\n\r\n")?.1.to_owned())).collect())
}

fn serve_early_hints(listener: &StdListener) -> anyhow::Result<()> {
    let (stream, _) = listener.accept()?;
    let mut reader = BufReader::new(stream);
    for answer in [
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\nsecret of the first user",
        "HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\nsecret of the second user",
    ] {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        reader.get_mut().write_all(answer.as_bytes())?;
    }
    Ok(())
}

async fn two_requests(address: SocketAddr) -> anyhow::Result<(String, String)> {
    let mut codec = ClientCodec::new(TcpStream::connect_addr(address).await?);
    Ok((one_request(&mut codec).await?, one_request(&mut codec).await?))
}

async fn one_request(codec: &mut ClientCodec<TcpStream>) -> anyhow::Result<String> {
    let request = http::Request::get("/").header("host", "a").body(Payload::<Bytes, PayloadError>::None)?;
    codec.send_and_flush(request).await?;
    let answer = codec.next().await.context("closed")??;
    let status = answer.status().as_u16();
    let body = answer.into_body().with_io(&mut *codec).next_data().await.transpose()?.unwrap_or_default();
    Ok(format!("{status} {:?}", String::from_utf8_lossy(&body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When this fails, monoio-http has changed: look at its decision record again.
    #[test]
    fn every_defect_of_the_decision_record_still_shows() {
        let gone: Vec<_> = findings().unwrap().into_iter().filter(|finding| !finding.is_defect).collect();
        assert!(gone.is_empty(), "{:?}", gone.iter().map(|finding| finding.sent).collect::<Vec<_>>());
    }
}
