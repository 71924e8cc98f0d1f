//! Traces end to end: the real binary, and a collector that decodes what it is sent (OTLP over HTTP).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::{BACKEND, Folder, GATEWAY, PATIENCE};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a collector may hold up the end of a command: the time to flush, and some for a busy machine.
const END_MAX: Duration = Duration::from_secs(6);
/// A value that must reach the collector in a header, and must be nowhere else.
const CANARY: &str = "canary-4711";

/// The answer of a collector that took everything.
const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A request that the collector got.
struct Export {
    head: String,
    body: Vec<u8>,
}

impl Export {
    fn decode(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(&self.body[..]).unwrap()
    }

    fn spans(&self) -> Vec<Span> {
        let resources = self.decode().resource_spans.into_iter();
        resources.flat_map(|it| it.scope_spans).flat_map(|it| it.spans).collect()
    }

    fn resource(&self) -> BTreeMap<String, String> {
        texts(&self.decode().resource_spans[0].resource.as_ref().unwrap().attributes)
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |it: &KeyValue| match it.value.clone()?.value? {
        Value::StringValue(text) => Some((it.key.clone(), text)),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// A collector that answers every request with `answer`. It lives as long as the test program.
struct Collector {
    address: SocketAddr,
    exports: Receiver<Export>,
}

impl Collector {
    fn start(tls: Option<Arc<ServerConfig>>, answer: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (send, exports) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let export = match &tls {
                    None => serve(stream, answer),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls.clone()).unwrap();
                        serve(StreamOwned::new(connection, stream), answer)
                    }
                };
                // A client that goes away early has sent nothing.
                export.into_iter().for_each(|export| drop(send.send(export)));
            }
        });
        Self { address, exports }
    }

    fn plain() -> Self {
        Self::start(None, TAKEN)
    }

    fn export(&self) -> Export {
        self.exports.recv_timeout(PATIENCE).unwrap()
    }

    /// Asked after the command has ended: what was sent has arrived by then.
    fn got_nothing(&self) -> bool {
        self.exports.try_recv().is_err()
    }
}

fn serve(mut stream: impl Read + Write, answer: &str) -> std::io::Result<Export> {
    let mut reader = BufReader::new(&mut stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body)?;
    stream.write_all(answer.as_bytes())?;
    stream.flush()?;
    Ok(Export { head, body })
}

/// Renders a Gateway with these variables set, and returns what the command said.
fn render(variables: &[(&str, &str)]) -> String {
    let folder = Folder::new(&[("gw.yaml", GATEWAY)]);
    let mut command = support::operator();
    command.args(["render", "--backend", BACKEND, "-f"]).arg(folder.input());
    command.arg("--out").arg(folder.out()).envs(variables.iter().copied());
    let started = Instant::now();
    let output = command.output().unwrap();
    assert!(started.elapsed() < END_MAX, "it took {:?}", started.elapsed());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

#[test]
fn a_walk_is_one_trace_with_a_span_for_each_stage() {
    let collector = Collector::plain();
    let endpoint = format!("http://{}", collector.address);
    let said = render(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    assert!(!said.contains("WARN"), "{said}");
    let export = collector.export();
    assert!(export.head.starts_with("post /v1/traces http/1.1\r\n"), "{}", export.head);
    assert!(export.head.contains(&format!("host: {}", collector.address)), "{}", export.head);
    let spans = export.spans();
    let root = spans.iter().find(|span| span.name == "reconcile").unwrap();
    assert_eq!(texts(&root.attributes)["scope"], "all");
    assert!(root.parent_span_id.is_empty());
    for stage in ["observe", "validate", "translate", "build", "apply", "status"] {
        let span = spans.iter().find(|span| span.name == stage).unwrap_or_else(|| panic!("no span {stage}"));
        assert_eq!(span.parent_span_id, root.span_id, "{stage}");
        assert_eq!(span.trace_id, root.trace_id, "{stage}");
        let names: Vec<_> = span.attributes.iter().map(|it| it.key.as_str()).collect();
        assert!(
            !names.iter().any(|name| name.starts_with("code.") || name.starts_with("thread.")),
            "{names:?}"
        );
    }
    let resource = export.resource();
    assert_eq!(resource["service.name"], "rebound-operator");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_standard_variables_hold_and_their_secrets_stay_in_headers() {
    let collector = Collector::plain();
    let endpoint = format!("http://{}/traces", collector.address);
    let said = render(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://192.0.2.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer {CANARY}")),
        ("OTEL_SERVICE_NAME", "gateways-of-the-shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=another,k8s.pod.name=operator-0"),
        ("RUST_LOG", "error"),
    ]);
    let export = collector.export();
    assert!(export.head.starts_with("post /traces http/1.1\r\n"), "{}", export.head);
    assert!(export.head.contains(&format!("authorization: bearer {CANARY}")), "{}", export.head);
    assert!(!String::from_utf8_lossy(&export.body).contains(CANARY));
    assert!(!said.contains(CANARY), "{said}");
    let resource = export.resource();
    assert_eq!(resource["service.name"], "gateways-of-the-shop");
    assert_eq!(resource["k8s.pod.name"], "operator-0");
}

#[test]
fn nothing_is_sent_when_the_environment_says_so() {
    let collector = Collector::plain();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", &*format!("http://{}", collector.address));
    for off in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ] {
        render(&[endpoint, off]);
        assert!(collector.got_nothing(), "{off:?}");
    }
}

#[test]
fn a_collector_that_is_not_there_costs_nothing_but_spans() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    render(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
}

#[test]
fn a_collector_that_never_answers_holds_nobody_up() {
    // The kernel accepts; nobody else does.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let said =
        render(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", silent.local_addr().unwrap()))]);
    assert!(said.contains("the last spans were not sent"), "{said}");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
    let collector = Collector::start(None, ENDLESS);
    render(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.address))]);
    assert!(!collector.export().spans().is_empty());
}

/// A collector of `localhost` over TLS, and a folder with its certificate in `ca.pem`.
fn secured() -> (Collector, Folder) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.into())
        .unwrap();
    let folder = Folder::new(&[("ca.pem", &issued.cert.pem())]);
    (Collector::start(Some(Arc::new(tls)), TAKEN), folder)
}

#[test]
fn a_collector_is_spoken_to_in_tls_if_its_certificate_is_the_one_that_is_named() {
    let (collector, folder) = secured();
    let (_, another) = secured();
    let endpoint = format!("https://localhost:{}", collector.address.port());
    let render_trusting = |folder: &Folder| {
        let trusted = folder.input().join("ca.pem");
        let trusted = ("OTEL_EXPORTER_OTLP_CERTIFICATE", trusted.to_str().unwrap());
        render(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), trusted]);
    };
    render_trusting(&another);
    assert!(collector.got_nothing());
    render_trusting(&folder);
    assert!(!collector.export().spans().is_empty());
}

#[test]
fn a_certificate_that_cannot_be_read_is_named_and_the_work_is_done() {
    let said = render(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:4318"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"),
    ]);
    assert!(said.contains("there are no traces") && said.contains("/nowhere/ca.pem"), "{said}");
}
