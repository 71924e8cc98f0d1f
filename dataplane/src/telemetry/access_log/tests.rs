//! Lines against the text that people and collectors will read.

use std::time::Instant;

use proptest::prelude::*;
use rebound_api::config::route::{HeaderEdits, Rule};

use super::*;
use crate::clock;
use crate::http::h1::request::{RequestHead, RequestParser};
use crate::retry::attempts::{Pause, Source};
use crate::retry::decide::Reason;
use crate::retry::outcome::Failure;
use crate::telemetry::address::AddressText;
use crate::telemetry::passage::Place;
use crate::telemetry::phrases::PlaceId;
use crate::telemetry::record::Record;

const ID: PlaceId = PlaceId { plan: 1, route: 0, rule: 0, cluster: Some(0) };
const ROUTE: Rule = Rule {
    matches: vec![],
    request_headers: HeaderEdits { remove: vec![], set: vec![], add: vec![] },
    response_headers: HeaderEdits { remove: vec![], set: vec![], add: vec![] },
    request_timeout_ms: None,
    attempt_timeout_ms: None,
    backends: vec![],
};

fn head(text: &str) -> RequestHead {
    RequestParser::default().parse(&mut text.into()).unwrap().unwrap()
}

fn retried(started: Instant) -> Record {
    let after = |us| started + Duration::from_micros(us);
    let mut record = Record::new(started, None);
    record.begin_attempt(SocketAddr::from(([10, 0, 0, 1], 80)), after(12), || 1);
    record.end_attempt(Ended::Failed(Failure::Reset), after(3_012));
    record.pause(Pause { delay: Duration::from_millis(25), source: Source::Backoff });
    record.begin_attempt(SocketAddr::from(([10, 0, 0, 2], 80)), after(28_012), || 1);
    record.end_attempt(Ended::Status { code: 200, request_sent: true }, after(30_012));
    (record.status, record.reason) = (Some(200), Some(Reason::Success));
    record
}

fn line(format: Format, record: &Record, head: &RequestHead) -> String {
    let (route, policy) = ("shop/pay".parse().unwrap(), "shop/retries".parse().unwrap());
    let service = "shop/payments:80".parse().unwrap();
    let passage = Passage {
        record,
        head,
        client: &AddressText::new(SocketAddr::from(([192, 0, 2, 7], 50_000))),
        port: 80,
        place: Some(Place {
            id: ID,
            route: &route,
            rule: &ROUTE,
            service: Some(&service),
            policy: Some(&policy),
        }),
        ended: record.started + Duration::from_micros(31_500),
        ended_unix: Duration::from_micros(784_111_777_073_500),
    };
    let mut out = Vec::new();
    put_line(format, &passage, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_line_of_json_tells_every_attempt() {
    let head = head("GET /pay?token=secret HTTP/1.1\r\nHost: Shop.example\r\nauthorization: secret\r\n\r\n");
    let expected = concat!(
        r#"{"time":"1994-11-06T08:49:37.042Z","client":"192.0.2.7","method":"GET","host":"shop.example","#,
        r#""path":"/pay","protocol":"HTTP/1.1","route":"shop/pay","service":"shop/payments:80","#,
        r#""policy":"shop/retries","status":200,"duration_ms":31.5,"reason":"success","attempts":["#,
        r#"{"endpoint":"10.0.0.1:80","start_ms":0.012,"duration_ms":3.0,"error":"reset","wait_ms":25.0},"#,
        r#"{"endpoint":"10.0.0.2:80","start_ms":28.012,"duration_ms":2.0,"status":200}]}"#,
        "\n"
    );
    assert_eq!(line(Format::Json, &retried(clock::now()), &head), expected);
}

#[test]
fn a_line_of_text_has_a_list_for_each_thing_that_attempts_have() {
    let head = head("GET /pay?token=secret HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    let expected = "1994-11-06T08:49:37.042Z 192.0.2.7 \"GET shop.example/pay HTTP/1.1\" 200 31.5ms \
         route=shop/pay service=shop/payments:80 policy=shop/retries reason=success \
         attempts=10.0.0.1:80,10.0.0.2:80 results=reset,200 times_ms=3,2 waits_ms=25,-\n";
    assert_eq!(line(Format::Text, &retried(clock::now()), &head), expected);
}

proptest! {
    #[test]
    fn no_path_makes_a_second_line_or_breaks_the_first(path in "/[a-zA-Z0-9%._~!$&'()*+,;=:@/-]{0,200}") {
        let head = head(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let record = retried(clock::now());
        let json = line(Format::Json, &record, &head);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read["path"].as_str(), Some(path.as_str()));
        let text = line(Format::Text, &record, &head);
        prop_assert_eq!((json.lines().count(), text.lines().count()), (1, 1));
        // Every quote within the quotes is escaped.
        prop_assert_eq!(text.replace("\\\\", "").replace("\\\"", "").matches('"').count(), 2);
    }
}
