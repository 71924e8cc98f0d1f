//! What is written here is read by the messages that OpenTelemetry generates from its own definition.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message as _;
use rebound_api::config::route::{Backend, HeaderEdits, Match, PathMatch, Rule};

use super::*;
use crate::clock;
use crate::http::h1::request::{RequestHead, RequestParser};
use crate::retry::attempts::Source;
use crate::retry::decide::Reason;
use crate::telemetry::address::AddressText;
use crate::telemetry::attribute::TEXT_MAX_BYTES;
use crate::telemetry::passage::Place;
use crate::telemetry::phrases::PlaceId;
use crate::telemetry::record::Record;
use crate::telemetry::trace::{Sampler, TraceParent};

const ID: PlaceId = PlaceId { plan: 1, route: 0, rule: 0, cluster: Some(0) };
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn head(text: &str) -> RequestHead {
    RequestParser::default().parse(&mut text.into()).unwrap().unwrap()
}

fn rule(path: PathMatch) -> Rule {
    Rule {
        matches: vec![Match { path, method: None, headers: vec![], query: vec![] }],
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        request_timeout_ms: None,
        attempt_timeout_ms: None,
        backends: Vec::<Backend>::new(),
    }
}

fn trace(parent: &str) -> Trace {
    let mut dice = fastrand::Rng::with_seed(3);
    Trace::begin(TraceParent::parse(parent.as_bytes()), Sampler::new(true, 1.0), || dice.u64(..))
}

/// 503 after 3 ms, a wait of 25 ms, then 200 after 2 ms; the answer has been passed on 1 ms later.
fn retried(started: Instant, trace: Trace) -> Record {
    let after = |ms| started + Duration::from_millis(ms);
    let endpoint = |last| SocketAddr::from(([10, 0, 0, last], 8080));
    let mut record = Record::new(started, Some(trace));
    record.begin_attempt(endpoint(1), started, || 11);
    record.end_attempt(Ended::Status { code: 503, request_sent: true }, after(3));
    record.pause(Pause { delay: Duration::from_millis(25), source: Source::Backoff });
    record.begin_attempt(endpoint(2), after(28), || 12);
    record.end_attempt(Ended::Status { code: 200, request_sent: true }, after(30));
    record.reason = Some(Reason::Success);
    record.status = Some(200);
    record
}

fn spans(record: &Record, head: &RequestHead, rule: &Rule) -> Vec<Span> {
    spans_with(&Phrases::default(), record, head, rule)
}

fn spans_with(phrases: &Phrases, record: &Record, head: &RequestHead, rule: &Rule) -> Vec<Span> {
    let (route, policy) = ("shop/pay".parse().unwrap(), "shop/retries".parse().unwrap());
    let service = "shop/payments:80".parse().unwrap();
    let place = Place { id: ID, route: &route, rule, service: Some(&service), policy: Some(&policy) };
    let passage = Passage {
        record,
        head,
        client: &AddressText::new(SocketAddr::from(([192, 0, 2, 7], 50_000))),
        port: 80,
        place: Some(place),
        ended: record.started + Duration::from_millis(31),
        ended_unix: Duration::from_millis(1_000_031),
    };
    let mut out = Vec::new();
    let count = put_spans(&passage, &record.trace.unwrap(), phrases, &mut out);
    let spans = ScopeSpans::decode(out.as_slice()).unwrap().spans;
    assert_eq!(spans.len() as u64, count);
    spans
}

fn attributes(list: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let value = |entry: &KeyValue| text(entry.value.as_ref().unwrap().value.as_ref().unwrap());
    list.iter().map(|entry| (entry.key.as_str(), value(entry))).collect()
}

#[test]
fn a_retried_request_is_one_server_span_over_its_attempts() {
    let head = head(&format!(
        "POST /pay/7?card=4111&x HTTP/1.1\r\nHost: Shop.example:8000\r\ntracestate: a=b\r\ntraceparent: {PARENT}\r\n\r\n"
    ));
    let trace = trace(PARENT);
    let spans = spans(&retried(clock::now(), trace), &head, &rule(PathMatch::Prefix("/pay".into())));
    let [server, first, second] = &spans[..] else { panic!("{spans:?}") };

    assert!(spans.iter().all(|span| span.trace_id == trace.id.to_bytes() && span.trace_state == "a=b"));
    assert_eq!((server.kind, first.kind, second.kind), (2, 3, 3));
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(server.flags, 0x301);
    assert_eq!([&first.parent_span_id, &second.parent_span_id], [&server.span_id; 2]);
    assert_eq!([&first.span_id[..], &second.span_id[..]], [11_u64.to_be_bytes(), 12_u64.to_be_bytes()]);
    assert_eq!([&*server.name, &*first.name], ["POST /pay", "POST"]);
    let times = |span: &Span| (span.start_time_unix_nano / 1_000_000, span.end_time_unix_nano / 1_000_000);
    assert_eq!(times(server), (1_000_000, 1_000_031));
    assert_eq!((times(first), times(second)), ((1_000_000, 1_000_003), (1_000_028, 1_000_030)));

    let expected = [
        ("client.address", "192.0.2.7"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/pay"),
        ("network.protocol.version", "1.1"),
        ("rebound.retry.attempts", "2"),
        ("rebound.retry.policy", "shop/retries"),
        ("rebound.retry.reason", "success"),
        ("rebound.route", "shop/pay"),
        ("server.address", "shop.example"),
        ("server.port", "8000"),
        ("url.path", "/pay/7"),
        ("url.query", "card=REDACTED&REDACTED"),
        ("url.scheme", "http"),
    ];
    assert_eq!(attributes(&server.attributes), expected.map(|(key, value)| (key, value.to_owned())).into());
    assert!(server.status.is_none());
    let expected = [
        ("error.type", "503"),
        ("http.request.method", "POST"),
        ("http.response.status_code", "503"),
        ("network.protocol.version", "1.1"),
        ("rebound.retry.policy", "shop/retries"),
        ("rebound.service.port", "80"),
        ("server.address", "10.0.0.1"),
        ("server.port", "8080"),
        ("service.peer.name", "payments"),
        ("service.peer.namespace", "shop"),
        ("url.full", "http://10.0.0.1:8080/pay/7?card=REDACTED&REDACTED"),
        ("url.template", "/pay"),
    ];
    assert_eq!(attributes(&first.attributes), expected.map(|(key, value)| (key, value.to_owned())).into());
    assert_eq!(first.status.as_ref().unwrap().code, 2);
    assert_eq!(attributes(&second.attributes)["http.request.resend_count"], "1");
    assert!(second.status.is_none());

    let [event] = &server.events[..] else { panic!("{:?}", server.events) };
    let expected = [
        ("rebound.retry.attempt", "1"),
        ("rebound.retry.delay_ms", "25"),
        ("rebound.retry.reason", "status"),
        ("rebound.retry.source", "backoff"),
    ];
    assert_eq!((event.name.as_str(), event.time_unix_nano), (RETRY_SCHEDULED, 1_000_003_000_000));
    assert_eq!(attributes(&event.attributes), expected.map(|(key, value)| (key, value.to_owned())).into());
}

#[test]
fn an_attempt_that_the_client_gave_up_is_no_error() {
    let started = clock::now();
    let mut record = Record::new(started, Some(trace(PARENT)));
    record.begin_attempt(SocketAddr::from(([10, 0, 0, 1], 80)), started, || 5);
    record.reason = Some(Reason::ClientGone);
    let spans =
        spans(&record, &head("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"), &rule(PathMatch::Exact("/a".into())));
    assert!(spans.iter().all(|span| span.status.is_none()));
    assert!(spans.iter().all(|span| !attributes(&span.attributes).contains_key("error.type")));
    assert_eq!(spans[1].end_time_unix_nano, 1_000_031_000_000);
}

#[test]
fn a_request_without_a_parent_begins_its_trace_and_drops_the_state_of_another() {
    let record = Record::new(clock::now(), Some(trace("")));
    let head = head("BREW /pot HTTP/1.1\r\nHost: a\r\ntracestate: a=b\r\n\r\n");
    let [server] = &spans(&record, &head, &rule(PathMatch::Prefix("/".into())))[..] else { panic!() };
    assert!(server.parent_span_id.is_empty() && server.trace_state.is_empty());
    assert_eq!((server.name.as_str(), server.flags), ("HTTP /", 0x103));
    let attributes = attributes(&server.attributes);
    assert_eq!(
        [&attributes["http.request.method"], &attributes["http.request.method_original"]],
        ["_OTHER", "BREW"]
    );
}

proptest! {
    #[test]
    fn whatever_the_path_is_the_spans_can_be_read(path in "/[a-zA-Z0-9%._~!$'()*+,;=:@/-]{0,3000}", query in "[a-zA-Z0-9%._~!$&'()*+,;=:@/?-]{0,3000}") {
        let head = head(&format!("GET {path}?{query} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let spans = spans(&retried(clock::now(), trace(PARENT)), &head, &rule(PathMatch::Prefix("/".into())));
        prop_assert_eq!(spans.len(), 3);
        for span in spans {
            prop_assert!(attributes(&span.attributes).values().all(|text| text.len() <= TEXT_MAX_BYTES));
        }
    }
}

#[test]
fn a_target_is_told_without_the_values_of_its_query_and_without_anything_of_the_one_before() {
    let phrases = Phrases::default();
    let told = |line: &str| {
        let head = head(&format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let spans = spans_with(
            &phrases,
            &retried(clock::now(), trace(PARENT)),
            &head,
            &rule(PathMatch::Prefix("/".into())),
        );
        let [server, first, _] = &spans[..] else { panic!("{spans:?}") };
        let (server, client) = (attributes(&server.attributes), attributes(&first.attributes));
        let of = |all: &BTreeMap<&str, String>, name: &str| all.get(name).cloned();
        (of(&server, "url.path").unwrap(), of(&server, "url.query"), of(&client, "url.full").unwrap())
    };
    let expected = |path: &str, query: Option<&str>, url: &str| {
        (path.to_owned(), query.map(str::to_owned), format!("http://10.0.0.1:8080{url}"))
    };
    let long = "/a/long/path?name=REDACTED&other=REDACTED";
    assert_eq!(told("GET /a/long/path?name=1&other=2"), expected("/a/long/path", Some(&long[13..]), long));
    assert_eq!(told("GET /b?c=2"), expected("/b", Some("c=REDACTED"), "/b?c=REDACTED"));
    assert_eq!(told("GET /b"), expected("/b", None, "/b"));
    assert_eq!(told("GET /b?"), expected("/b", Some(""), "/b?"));
    assert_eq!(told("GET /b?c=1?d=2"), expected("/b", Some("c=REDACTED"), "/b?c=REDACTED"));
    assert_eq!(told("OPTIONS *"), expected("*", None, ""));
}
