//! What a request leaves behind: spans at a collector, a line in the log, numbers on the admin port.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rebound_api::config::Snapshot;

use self::support::backend::{Backend, Seen, Step};
use self::support::snapshot::{Verbs, retrying, serving};
use self::support::wire::header;
use self::support::{Options, TestEnv, await_that, timed};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const REQUEST: &str = "GET /a?token=secret HTTP/1.1\r\nhost: test\r\nauthorization: secret\r\n";

fn traced(snapshot: &Snapshot, collector: &Backend, flags: &[&str]) -> TestEnv {
    let endpoint = format!("http://{}", collector.address);
    let flags = ["--otlp-endpoint", &endpoint].iter().chain(flags).map(|flag| (*flag).to_owned()).collect();
    TestEnv::start_with(snapshot, &Options { flags, access_log: true, ..Options::default() })
}

/// Every span that the collector was sent, in order.
fn spans(collector: &Backend) -> Vec<Span> {
    let requests = collector.seen().into_iter().map(|seen| {
        assert!(seen.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", seen.head);
        ExportTraceServiceRequest::decode(seen.body.as_slice()).unwrap()
    });
    let scopes =
        requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn await_spans(collector: &Backend, count: usize) -> Vec<Span> {
    await_that("the collector has the spans", || spans(collector).len() >= count);
    let spans = spans(collector);
    assert_eq!(spans.len(), count);
    spans
}

fn traceparent(seen: &Seen) -> String {
    header(&seen.head, "traceparent").unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_attempt_is_a_span_and_sends_its_number() {
    let collector = Backend::always(Step::Status(200));
    let backend = Backend::answering([Step::Status(503), Step::Status(200)]);
    let env = traced(&serving([backend.address]).retried(retrying(3)), &collector, &[]);
    env.send(&format!("{REQUEST}traceparent: {PARENT}\r\ntracestate: a=b\r\nbaggage: c=d\r\n\r\n"));
    let spans = await_spans(&collector, 3);
    let ids: Vec<_> = spans.iter().map(|span| (hex(&span.trace_id), hex(&span.parent_span_id))).collect();
    let (trace, server) = (PARENT[3..35].to_owned(), hex(&spans[0].span_id));
    assert_eq!(
        ids,
        [
            (trace.clone(), PARENT[36..52].to_owned()),
            (trace.clone(), server.clone()),
            (trace.clone(), server)
        ]
    );
    let sent: Vec<_> =
        spans[1..].iter().map(|span| format!("00-{trace}-{}-01", hex(&span.span_id))).collect();
    assert_eq!(backend.seen().iter().map(traceparent).collect::<Vec<_>>(), sent);
    for seen in backend.seen() {
        assert_eq!(
            (header(&seen.head, "tracestate"), header(&seen.head, "baggage")),
            (Some("a=b"), Some("c=d"))
        );
    }
    assert_eq!(env.access_log(1)[0]["trace_id"], trace.as_str());
}

#[test]
fn what_was_retried_is_kept_even_where_nothing_is_sampled() {
    let unsampled = format!("{REQUEST}traceparent: {}0\r\n\r\n", &PARENT[..PARENT.len() - 1]);
    for (switch, kept) in [("on", 3), ("off", 0)] {
        let collector = Backend::always(Step::Status(200));
        let backend = Backend::answering([Step::Status(200), Step::Status(503), Step::Status(200)]);
        let snapshot = serving([backend.address]).retried(retrying(3));
        let env = traced(&snapshot, &collector, &["--trace-retried", switch]);
        env.send(&unsampled);
        env.send(&unsampled);
        // Each attempt tells the backend that the trace is not sampled.
        assert!(backend.seen().iter().all(|seen| traceparent(seen).ends_with("-00")));
        env.access_log(2);
        if kept > 0 {
            await_spans(&collector, kept);
        }
        env.signal(nix::sys::signal::Signal::SIGTERM);
        let mut env = env;
        env.await_exit();
        assert_eq!(spans(&collector).len(), kept);
    }
}

#[test]
fn without_a_collector_a_trace_passes_through_untouched() {
    let backend = Backend::always(Step::Status(200));
    let env = TestEnv::start(&serving([backend.address]));
    env.send(&format!("{REQUEST}TraceParent: anything\r\ntracestate: a=b\r\n\r\n"));
    let seen = &backend.seen()[0];
    assert_eq!((traceparent(seen).as_str(), header(&seen.head, "tracestate")), ("anything", Some("a=b")));
}

#[test]
fn a_trace_that_is_not_valid_begins_anew_without_its_state() {
    let collector = Backend::always(Step::Status(200));
    let backend = Backend::always(Step::Status(200));
    let env = traced(&serving([backend.address]), &collector, &[]);
    let twice = format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}");
    for invalid in ["traceparent: 00-0-0-01", "x: no parent", &twice] {
        env.send(&format!("{REQUEST}{invalid}\r\ntracestate: a=b\r\nbaggage: c=d\r\n\r\n"));
    }
    for seen in backend.seen() {
        assert_eq!(seen.head.matches("traceparent").count(), 1);
        assert!(!seen.head.contains(&PARENT[3..35]), "{}", seen.head);
        assert_eq!((header(&seen.head, "tracestate"), header(&seen.head, "baggage")), (None, Some("c=d")));
    }
    assert!(await_spans(&collector, 6).iter().all(|span| span.trace_state.is_empty()));
}

#[test]
fn a_collector_that_refuses_costs_spans_and_nothing_else() {
    let backend = Backend::always(Step::Status(200));
    let gone = Backend::always(Step::Status(400));
    let env = traced(&serving([backend.address]), &gone, &[]);
    (0..20).for_each(|_| assert_eq!(env.get("/").status, 200));
    env.await_metric("gateway_telemetry_spans_total{result=\"failed\"}", 40);
    assert_eq!(env.metric("gateway_telemetry_spans_total{result=\"exported\"}"), 0);
}

#[test]
fn the_last_spans_and_lines_are_passed_on_before_the_end() {
    let collector = Backend::always(Step::Status(200));
    let backend = Backend::always(Step::Status(200));
    let mut env = traced(&serving([backend.address]), &collector, &[]);
    env.get("/");
    env.signal(nix::sys::signal::Signal::SIGTERM);
    env.await_exit();
    assert_eq!((spans(&collector).len(), env.access_log(1).len()), (2, 1));
}

#[test]
fn a_line_of_the_log_tells_what_the_request_went_through() {
    let backend = Backend::answering([Step::Reset, Step::Status(503), Step::Status(200)]);
    let options = Options { access_log: true, ..Options::default() };
    let env = TestEnv::start_with(&serving([backend.address]).retried(retrying(3)), &options);
    env.send(&format!("{REQUEST}\r\n"));
    env.get("/nothing/here");
    let line = &env.access_log(2)[0];
    assert_eq!(
        (&line["path"], &line["status"], &line["reason"]),
        (&"/a".into(), &200.into(), &"success".into())
    );
    let results: Vec<_> = line["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt.get("status").or(attempt.get("error")).unwrap().clone())
        .collect();
    assert_eq!(results, [serde_json::json!("reset"), 503.into(), 200.into()]);
    assert!(!line.to_string().contains("secret"));
}

#[test]
fn ordinary_requests_are_logged_by_share_and_the_others_always() {
    let backend =
        Backend::answering([Step::Status(200), Step::Status(503), Step::Status(200), Step::Status(200)]);
    let options =
        Options { access_log: true, flags: vec!["--access-log-sample=0".into()], ..Options::default() };
    let mut env = TestEnv::start_with(&serving([backend.address]).retried(retrying(3)), &options);
    (0..3).for_each(|_| assert_eq!(env.get("/").status, 200));
    env.signal(nix::sys::signal::Signal::SIGTERM);
    env.await_exit();
    let lines = env.access_log(1);
    assert_eq!((lines.len(), lines[0]["attempts"].as_array().unwrap().len()), (1, 2));
}

#[test]
fn numbers_are_counted_by_service_port_method_and_result() {
    let backend = Backend::answering([503, 200, 503, 503].map(Step::Status));
    let env = TestEnv::start(&serving([backend.address]).retried(retrying(1)));
    env.get("/");
    env.get("/");
    let service = "namespace=\"server\",service=\"";
    let page = String::from_utf8(env.admin("/metrics").body).unwrap();
    let line = page.lines().find(|line| line.starts_with("gateway_retry_attempts_total{")).unwrap();
    assert!(
        line.contains(service) && line.contains("policy=\"") && line.ends_with("reason=\"status\"} 2"),
        "{line}"
    );
    assert_eq!(env.metric("gateway_retry_rescued_total"), 1);
    assert_eq!(env.metric("gateway_retry_per_request_count"), 2);
    await_that("both requests are over", || {
        env.metric("http_server_request_duration_seconds_count{http_response_status_code=\"200\"}") == 1
            && env.metric("http_server_request_duration_seconds_count{error_type=\"503\"}") == 1
    });
    assert_eq!(env.metric("http_client_request_duration_seconds_count{error_type=\"503\"}"), 3);
}

#[test]
fn numbers_can_be_turned_off() {
    let options = Options { flags: vec!["--metrics=off".into()], ..Options::default() };
    let env = TestEnv::start_with(&serving([]), &options);
    assert_eq!(env.admin("/metrics").status, 404);
}

#[test]
fn an_answer_that_broke_off_is_no_success() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.".to_vec();
    let collector = Backend::always(Step::Status(200));
    let backend = Backend::answering([Step::Status(503), Step::RawThenReset(begun)]);
    let env = traced(&serving([backend.address]).retried(retrying(3)), &collector, &[]);
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    let line = &env.access_log(1)[0];
    assert_eq!((&line["status"], &line["broken"]), (&200.into(), &"response_broken".into()));
    let server = &await_spans(&collector, 3)[0];
    assert_eq!(server.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(env.metric("gateway_retry_rescued_total"), 0);
    assert_eq!(env.metric("http_server_request_duration_seconds_count{error_type=\"reset\"}"), 1);
}

#[test]
fn a_client_that_goes_while_a_retry_waits_is_remembered_with_that_retry() {
    let backend = Backend::always(Step::Status(503));
    let options =
        Options { access_log: true, flags: vec!["--access-log-sample=0".into()], ..Options::default() };
    let mut rules = retrying(3);
    (rules.backoff.base_us, rules.backoff.max_us) = (60_000_000, 60_000_000);
    let env = TestEnv::start_with(&serving([backend.address]).retried(rules), &options);
    let mut client = env.client();
    client.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    env.await_metric("gateway_retry_attempts_total", 1);
    drop(client);
    let line = &env.access_log(1)[0];
    assert_eq!((line.get("status"), &line["reason"]), (None, &"client_gone".into()));
    assert!(line["attempts"][0]["wait_ms"].is_number(), "{line}");
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"client_gone\"}"), 1);
}

#[test]
fn a_rule_without_a_backend_to_draw_is_named_all_the_same() {
    let collector = Backend::always(Step::Status(200));
    let nowhere = serving([]).with(|snapshot| {
        snapshot.routes[0].rules[0].backends[0].cluster = None;
    });
    let env = traced(&nowhere, &collector, &[]);
    assert_eq!(env.get("/a").status, 500);
    let line = &env.access_log(1)[0];
    let route = nowhere.routes[0].name.to_string();
    assert_eq!((&line["route"], line.get("service")), (&route.clone().into(), None), "{line}");
    let server = &await_spans(&collector, 1)[0];
    assert_eq!(server.name, "GET /");
    assert!(server.attributes.iter().any(|attribute| attribute.key == "rebound.route"));
}

#[test]
fn what_a_backend_would_not_do_is_an_error_of_the_attempt_and_none_of_the_gateway() {
    let backend = Backend::always(Step::Status(404));
    let env = TestEnv::start(&serving([backend.address]));
    env.get("/");
    env.await_metric("http_client_request_duration_seconds_count{error_type=\"404\"}", 1);
    assert_eq!(env.metric("http_server_request_duration_seconds_count{error_type=\"404\"}"), 0);
    assert_eq!(
        env.metric("http_server_request_duration_seconds_count{http_response_status_code=\"404\"}"),
        1
    );
}

#[test]
fn whoever_sends_a_body_that_is_none_has_not_gone() {
    let backend = Backend::always(Step::Swallow);
    let options = Options { access_log: true, ..Options::default() };
    let env = TestEnv::start_with(&serving([backend.address]).retried(retrying(3)), &options);
    let mut client = env.client();
    client.write("PUT / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    env.await_metric("gateway_attempts_total", 1);
    client.write("no chunk\r\n");
    assert_eq!(client.read_final(false).status, 400);
    let line = &env.access_log(1)[0];
    assert_eq!((&line["status"], line.get("reason")), (&400.into(), None), "{line}");
    assert_eq!(env.metric("gateway_retry_suppressed_total{reason=\"client_gone\"}"), 0);
}

#[test]
fn spans_that_a_collector_rejects_are_not_counted_as_exported() {
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "too old".into() };
    let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
    let collector = Backend::always(Step::Raw([head.as_bytes(), &answer].concat()));
    let backend = Backend::always(Step::Status(200));
    let env = traced(&serving([backend.address]), &collector, &[]);
    env.get("/");
    env.await_metric("gateway_telemetry_spans_total{result=\"failed\"}", 1);
    assert_eq!(env.metric("gateway_telemetry_spans_total{result=\"exported\"}"), 1);
}

#[test]
fn a_collector_that_asks_for_a_pause_gets_it() {
    let busy = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n".to_vec();
    let collector = Backend::answering([Step::Raw(busy), Step::Status(200)]);
    let backend = Backend::always(Step::Status(200));
    let env = traced(&serving([backend.address]), &collector, &[]);
    env.get("/");
    await_that("the spans are sent", || !collector.seen().is_empty());
    let (_, waited) = timed(|| env.await_metric("gateway_telemetry_spans_total{result=\"exported\"}", 2));
    assert!(waited >= Duration::from_millis(1_500), "{waited:?}");
    assert_eq!(collector.seen().len(), 2);
}

#[test]
fn what_is_refused_before_it_is_a_request_has_a_line_too() {
    let options = Options { access_log: true, ..Options::default() };
    let env = TestEnv::start_with(&serving([]), &options);
    assert_eq!(env.send("GET / HTTP/1.1\r\nhost: a b\r\n\r\n").status, 400);
    let line = &env.access_log(1)[0];
    assert_eq!((&line["status"], line.get("path"), line.get("reason")), (&400.into(), None, None), "{line}");
    assert!(line["client"].is_string() && line["time"].is_string() && line["duration_ms"].is_number());
}
