//! What the data plane says about itself: `/generation` of its admin port, on a connection that is kept.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// The data plane of this pod.
pub(super) struct Dataplane {
    address: SocketAddr,
    connection: Option<SendRequest<Body>>,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Served {
    /// Zero: none yet.
    pub(super) generation: u64,
    /// None before the first worker runs.
    #[serde(default)]
    pub(super) driver: Option<String>,
    /// Why the newest snapshot is not in use.
    #[serde(default)]
    pub(super) last_error: Option<String>,
}

impl Dataplane {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// None: it does not answer, or not with this.
    pub(super) async fn look(&mut self) -> Option<Served> {
        let kept = self.connection.take();
        let answer = timeout(ANSWER_MAX, async {
            // A connection that was idle may have been closed at the other end.
            if let Some(kept) = kept
                && let Some(served) = self.ask(kept).await
            {
                return Some(served);
            }
            let fresh = connect(self.address).await?;
            self.ask(fresh).await
        });
        answer.await.ok().flatten()
    }

    /// Keeps the connection if all is well.
    async fn ask(&mut self, mut connection: SendRequest<Body>) -> Option<Served> {
        let request = Request::get("/generation").header(header::HOST, self.address.to_string());
        connection.ready().await.ok()?;
        let response = connection.send_request(request.body(Body::empty()).ok()?).await.ok()?;
        let body = to_bytes(Body::new(response.into_body()), ANSWER_MAX_BYTES).await.ok()?;
        let served = serde_json::from_slice(&body).ok()?;
        self.connection = Some(connection);
        Some(served)
    }
}

async fn connect(address: SocketAddr) -> Option<SendRequest<Body>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await.ok()?;
    // Ends with the connection.
    tokio::spawn(async move { driver.await.ok() });
    Some(connection)
}
