//! The admin port, on loopback, as a kubelet and a Prometheus see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rebound_operator::admin::{Admin, Health, Shown};
use rebound_operator::telemetry::metrics::{Metrics, Outcome, Review, Scope, Spans, Stage, Verb};
use tokio::sync::oneshot;

/// The longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(10);

/// An admin port of a test.
struct Port {
    address: SocketAddr,
    shown: Shown,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<()>,
}

async fn port() -> Port {
    let shown = Shown { health: Health::default(), metrics: Arc::new(Metrics::default()), leadership: None };
    let admin = Admin::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = admin.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(admin.serve(shown.clone(), async { drop(stopped.await) }));
    Port { address, shown, stop, served }
}

/// The status, the head and the body of an answer.
async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let talk = move || {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn readyz_says_what_is_missing() {
    let port = port().await;
    let part = port.shown.health.part("first list of HTTPRoute");
    let (status, _, body) = get(port.address, "/readyz").await;
    assert_eq!((status, body.as_str()), (503, "waiting for first list of HTTPRoute\n"));
    part.came();
    let (status, _, body) = get(port.address, "/readyz").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn a_process_is_alive_before_it_is_ready() {
    let port = port().await;
    assert_eq!(get(port.address, "/livez").await.0, 200);
    assert_eq!(get(port.address, "/readyz").await.0, 503);
    assert_eq!(get(port.address, "/debug").await.0, 404);
}

#[tokio::test]
async fn metrics_are_openmetrics_and_count() {
    let port = port().await;
    let metrics = &port.shown.metrics;
    metrics.round(Scope::All, Outcome::Success);
    metrics.stage(Stage::Apply, Duration::from_millis(3));
    metrics.write("ConfigMap", Verb::Apply, Outcome::Conflict);
    metrics.objects("HTTPRoute", 12);
    metrics.watch_restarted("Service");
    metrics.gateways(2);
    metrics.review(Review::Denied, Duration::from_millis(1));
    metrics.spans(Spans::Dropped, 7);
    let (status, head, body) = get(port.address, "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    for line in [
        r#"rebound_operator_reconcile_rounds_total{scope="all",result="success"} 1"#,
        r#"rebound_operator_reconcile_duration_seconds_bucket{le="0.005",stage="apply"} 1"#,
        r#"rebound_operator_reconcile_duration_seconds_bucket{le="0.0025",stage="apply"} 0"#,
        r#"rebound_operator_api_writes_total{kind="ConfigMap",verb="apply",result="conflict"} 1"#,
        r#"rebound_operator_objects{kind="HTTPRoute"} 12"#,
        r#"rebound_operator_watch_restarts_total{kind="Service"} 1"#,
        "rebound_operator_gateways 2",
        "rebound_operator_leader 0",
        r#"rebound_operator_webhook_reviews_total{result="denied"} 1"#,
        r#"rebound_operator_spans_total{result="dropped"} 7"#,
        concat!(r#"rebound_operator_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(body.lines().any(|there| there == line), "{line} is not in\n{body}");
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_the_port_from_stopping() {
    let port = port().await;
    let _idle = TcpStream::connect(port.address).unwrap();
    assert_eq!(get(port.address, "/livez").await.0, 200);
    port.stop.send(()).unwrap();
    tokio::time::timeout(DEADLINE, port.served).await.unwrap().unwrap();
    assert!(TcpStream::connect_timeout(&port.address, DEADLINE).is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let port = port().await;
    let error = Admin::bind(port.address).await.unwrap_err();
    assert!(error.to_string().contains(&port.address.to_string()), "{error}");
}
