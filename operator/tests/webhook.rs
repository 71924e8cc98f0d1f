//! The webhook as an API server meets it: over TLS, on a port of its own, with certificates that change.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rebound_operator::telemetry::metrics::Metrics;
use rebound_operator::webhook::{Certificates, Server, directory};
use serde_json::{Value, json};
use support::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

const NAME: &str = "webhook.test";
/// Often enough for a test.
const OFTEN: Duration = Duration::from_millis(10);

type Pair = CertifiedKey<KeyPair>;

fn pair() -> Pair {
    generate_simple_self_signed([NAME.to_owned()]).unwrap()
}

fn shown(pair: &Pair) -> Certificates {
    let certificates = Certificates::default();
    certificates.replace(pair.cert.pem().as_bytes(), pair.signing_key.serialize_pem().as_bytes()).unwrap();
    certificates
}

/// A webhook that is served until it is dropped.
struct Webhook {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Webhook {
    async fn start(certificates: Certificates) -> Self {
        Self::serve(Server::bind((Ipv4Addr::LOCALHOST, 0).into(), certificates).await.unwrap())
    }

    fn serve(server: Server) -> Self {
        let address = server.address();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.serve(async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), ended }
    }

    async fn connect(&self, trusted: &Pair) -> std::io::Result<Connection> {
        self.connect_with(trusted, &[&TLS13]).await
    }

    async fn connect_with(
        &self,
        trusted: &Pair,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(Connection)
    }
}

struct Connection(TlsStream<TcpStream>);

impl Connection {
    async fn send(&mut self, head: &str, body: &[u8]) {
        let head = format!("{head}\r\nhost: {NAME}\r\ncontent-length: {}\r\n\r\n", body.len());
        self.0.write_all(head.as_bytes()).await.unwrap();
        // The server may refuse the request before it has read it all.
        let _ = self.0.write_all(body).await;
    }

    /// The status code and the body.
    async fn answer(&mut self) -> (u16, Vec<u8>) {
        timeout(PATIENCE, self.read_answer()).await.expect("there is an answer in time")
    }

    async fn read_answer(&mut self) -> (u16, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head.split("content-length: ").nth(1).map(|rest| rest.lines().next().unwrap());
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), body)
    }

    async fn ask(&mut self, review: &Value) -> Value {
        self.send("POST /validate?timeout=5s HTTP/1.1", &serde_json::to_vec(review).unwrap()).await;
        let (status, body) = self.answer().await;
        assert_eq!(status, 200);
        serde_json::from_slice(&body).unwrap()
    }
}

fn review(retry_on: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": { "group": "gateway.flomesh.io", "version": "v1alpha1", "kind": "RetryPolicy" },
            "operation": "CREATE",
            "object": {
                "apiVersion": "gateway.flomesh.io/v1alpha1",
                "kind": "RetryPolicy",
                "metadata": { "name": "orders" },
                "spec": {
                    "targetRef": { "kind": "Service", "name": "orders" },
                    "config": { "retryOn": [retry_on] },
                },
            },
        },
    })
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    timeout(PATIENCE, async {
        while !holds().await {
            sleep(OFTEN).await;
        }
    })
    .await
    .expect("it holds in time");
}

fn write(folder: &Path, pair: &Pair) {
    std::fs::write(folder.join("tls.crt"), pair.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn questions_are_answered_one_after_the_other_on_one_connection() {
    let pair = pair();
    let webhook = Webhook::start(shown(&pair)).await;
    for versions in [[&TLS12], [&TLS13]] {
        let mut connection = webhook.connect_with(&pair, &versions).await.unwrap();
        assert_eq!(connection.ask(&review("5xx")).await["response"]["allowed"], true);
        let refused = connection.ask(&review("6xx")).await;
        assert_eq!(refused["response"]["allowed"], false);
        let causes = &refused["response"]["status"]["details"]["causes"];
        assert_eq!(causes[0]["field"], "spec.config.retryOn[0]");
    }
}

#[tokio::test]
async fn answers_are_counted_by_what_they_say() {
    let pair = pair();
    let metrics = Arc::new(Metrics::default());
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into(), shown(&pair)).await.unwrap();
    let webhook = Webhook::serve(server.counting(metrics.clone()));
    let mut connection = webhook.connect(&pair).await.unwrap();
    connection.ask(&review("5xx")).await;
    connection.ask(&review("6xx")).await;
    connection.send("POST /validate HTTP/1.1", b"no review").await;
    connection.answer().await;
    let page = metrics.page(false);
    for answer in ["allowed", "denied", "unreadable"] {
        let line = format!("rebound_operator_webhook_reviews_total{{result=\"{answer}\"}} 1\n");
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    assert!(page.contains("rebound_operator_webhook_review_duration_seconds_count 3\n"), "{page}");
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let pair = pair();
    let webhook = Webhook::start(shown(&pair)).await;
    let large = vec![b' '; 3 * 1024 * 1024 + 1];
    for (head, body, status) in [
        ("POST /validate HTTP/1.1", b"{}".as_slice(), 400),
        ("POST /validate HTTP/1.1", large.as_slice(), 413),
        ("GET /validate HTTP/1.1", b"", 405),
        ("POST /metrics HTTP/1.1", b"", 404),
    ] {
        let mut connection = webhook.connect(&pair).await.unwrap();
        connection.send(head, body).await;
        assert_eq!(connection.answer().await.0, status, "{head}");
    }
    let mut connection = webhook.connect(&pair).await.unwrap();
    connection.send(&format!("GET /validate HTTP/1.1\r\nx: {}", "y".repeat(20_000)), b"").await;
    assert_eq!(connection.answer().await.0, 431);
}

#[tokio::test]
async fn a_question_that_does_not_end_costs_two_seconds() {
    let pair = pair();
    let webhook = Webhook::start(shown(&pair)).await;
    let mut connection = webhook.connect(&pair).await.unwrap();
    let head = format!("POST /validate HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: 100\r\n\r\n{{");
    connection.0.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(connection.answer().await.0, 408);
}

#[tokio::test]
async fn a_client_that_speaks_no_tls_disturbs_nobody() {
    let pair = pair();
    let webhook = Webhook::start(shown(&pair)).await;
    let mut plain = TcpStream::connect(webhook.address).await.unwrap();
    plain.write_all(b"POST /validate HTTP/1.1\r\n\r\n").await.unwrap();
    let mut connection = webhook.connect(&pair).await.unwrap();
    assert_eq!(connection.ask(&review("5xx")).await["response"]["allowed"], true);
}

#[tokio::test]
async fn a_certificate_from_a_folder_is_waited_for_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::default();
    let follower = tokio::spawn(directory::follow(folder.path().into(), certificates.clone(), OFTEN));
    let webhook = Webhook::start(certificates.clone()).await;
    let (first, second) = (pair(), pair());
    assert!(!certificates.is_ready());
    assert!(webhook.connect(&first).await.is_err(), "nothing to show yet, and nothing falls over");

    write(folder.path(), &first);
    until(async || certificates.is_ready()).await;
    let mut old = webhook.connect(&first).await.unwrap();

    write(folder.path(), &second);
    until(async || webhook.connect(&second).await.is_ok()).await;
    assert!(webhook.connect(&first).await.is_err());
    assert_eq!(
        old.ask(&review("5xx")).await["response"]["allowed"],
        true,
        "a connection outlives its certificate"
    );
    follower.abort();
}

#[tokio::test]
async fn a_broken_certificate_leaves_the_last_good_one() {
    let (good, other) = (pair(), pair());
    let certificates = shown(&good);
    let webhook = Webhook::start(certificates.clone()).await;
    let (certificate, key) = (good.cert.pem(), other.signing_key.serialize_pem());
    for (certificate, key) in
        [(certificate.as_str(), key.as_str()), (&certificate, ""), ("", &key), ("x", "y")]
    {
        assert!(certificates.replace(certificate.as_bytes(), key.as_bytes()).is_err());
        assert!(webhook.connect(&good).await.is_ok());
    }
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_finishes_questions() {
    let pair = pair();
    let mut webhook = Webhook::start(shown(&pair)).await;
    let mut idle = webhook.connect(&pair).await.unwrap();
    idle.ask(&review("5xx")).await;
    let mut busy = webhook.connect(&pair).await.unwrap();
    let body = serde_json::to_vec(&review("5xx")).unwrap();
    let head = "POST /validate HTTP/1.1\r\nhost: webhook.test\r\nexpect: 100-continue";
    let head = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len());
    busy.0.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(busy.answer().await.0, 100, "the server waits for the question");

    webhook.stop.take().unwrap().send(()).unwrap();
    let mut end = [0; 1];
    let read = timeout(PATIENCE, idle.0.read(&mut end)).await.expect("it is closed in time");
    assert!(matches!(read, Ok(0) | Err(_)));
    busy.0.write_all(&body).await.unwrap();
    assert_eq!(busy.answer().await.0, 200);
    timeout(PATIENCE, webhook.ended).await.unwrap().unwrap();
}
