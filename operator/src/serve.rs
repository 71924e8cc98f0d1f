//! HTTP/1.1 for the operator's own servers: connections that are bounded in number, size and time.
//!
//! Absent: what is answered, which is the router's; and TLS, which is what the caller makes of an accepted socket.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// The most fields of a request head.
const FIELDS_MAX: usize = 64;
/// The largest request head, in bytes.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// The pause after a connection could not be accepted: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How much a server gives to its clients.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at a time; the next ones wait in the kernel's queue.
    pub connections: usize,
    /// How long it may take until a connection can be read from, such as a TLS handshake.
    pub handshake: Duration,
    /// How long a connection may wait for the head of its next request.
    pub idle: Duration,
    /// How long requests that have begun may take to end once the server stops.
    pub drain: Duration,
}

/// Answers until `shutdown`, then ends what has begun. `secure` makes of a socket what is spoken on.
pub async fn serve<Stream, Secured>(
    listener: TcpListener,
    secure: impl Fn(TcpStream) -> Secured,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) where
    Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Secured: Future<Output = io::Result<Stream>> + Send + 'static,
{
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            socket = accept(&listener), if connections.len() < limits.connections => {
                connections.spawn(converse(secure(socket), router.clone(), limits, stopped.clone()));
            }
        }
    }
    drop((listener, stop));
    // What has not ended by then is cut off when the set is dropped.
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, ended).await.is_err() {
        debug!("connections were cut off");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection, to its end. Whatever goes wrong with it is the business of its client.
async fn converse<Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    secured: impl Future<Output = io::Result<Stream>>,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<()>,
) {
    let Ok(Ok(stream)) = timeout(limits.handshake, secured).await else { return };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(FIELDS_MAX)
        .max_header_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // Nothing is ever sent: it ends when the server drops its side.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}
