//! The same bytes through hyper: an independent reader, to compare with.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;

use super::support::Lines;

/// A message as hyper understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Method and target, or status.
    pub(crate) start: (String, String),
    pub(crate) fields: Lines,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Lines,
}

/// The first request in `input`; none if hyper refuses it or its body.
pub(crate) fn first_request(input: &[u8]) -> Option<Seen> {
    let seen = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&seen);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let keep = Rc::clone(&keep);
        async move {
            let (parts, body) = request.into_parts();
            let target = parts.uri.path_and_query().map_or("*", |target| target.as_str()).to_owned();
            let start = (parts.method.to_string(), target);
            if let Some((body, trailers)) = collect(body).await {
                let first = Seen { start, fields: lines(&parts.headers), body, trailers };
                keep.borrow_mut().get_or_insert(first);
            }
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::new())))
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.half_close(true).header_read_timeout(None).max_headers(200);
    let _ = run(server.serve_connection(Wire::new(input, false), service));
    seen.take()
}

/// The final response in `input` to a GET or HEAD; none if hyper refuses it or its body.
pub(crate) fn first_response(input: &[u8], method: &str) -> Option<Seen> {
    let request =
        hyper::Request::builder().method(method).uri("/").header("host", "a").body(Empty::<Bytes>::new());
    run(async {
        let wire = Wire::new(input, true);
        let mut builder = hyper::client::conn::http1::Builder::new();
        let (mut sender, connection) = builder.max_headers(200).handshake(wire).await.ok()?;
        let exchange = async {
            let (parts, body) = sender.send_request(request.ok()?).await.ok()?.into_parts();
            let (body, trailers) = collect(body).await?;
            let start = (parts.status.as_str().to_owned(), String::new());
            Some(Seen { start, fields: lines(&parts.headers), body, trailers })
        };
        let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
        let mut ended = false;
        poll_fn(|cx| {
            ended = ended || connection.as_mut().poll(cx).is_ready();
            exchange.as_mut().poll(cx)
        })
        .await
    })
    .flatten()
}

/// Names in order of first appearance are not kept by hyper; both sides are compared sorted by name, values in order.
pub(crate) fn sorted<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Lines {
    let mut lines: Lines = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines
}

fn lines(headers: &hyper::HeaderMap) -> Lines {
    sorted(headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())))
}

async fn collect(body: Incoming) -> Option<(Vec<u8>, Lines)> {
    let collected = body.collect().await.ok()?;
    let trailers = collected.trailers().map(lines).unwrap_or_default();
    Some((collected.to_bytes().to_vec(), trailers))
}

/// Polls until ready; everything here is, sooner or later. None: it is not.
fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    const POLLS_MAX: usize = 100_000;
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..POLLS_MAX).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

/// A connection that delivers its input and then ends. A client's input waits until something was written.
struct Wire {
    input: Vec<u8>,
    read: usize,
    waits: bool,
}

impl Wire {
    fn new(input: &[u8], waits: bool) -> Self {
        Self { input: input.to_vec(), read: 0, waits }
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits {
            return Poll::Pending;
        }
        let left = &self.input[self.read..];
        let taken = left.len().min(buf.remaining());
        buf.put_slice(&left[..taken]);
        self.read += taken;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.waits = false;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
