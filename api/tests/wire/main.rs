//! The snapshot file: what is written reads back, what was written by an earlier release still does, and nothing else
//! is let in.
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::path::Path;

use proptest::prelude::*;
use rebound_api::config::codec::{DecodeError, SNAPSHOT_MAX_BYTES, decode, encode};
use rebound_api::config::route::{HeaderValue, PathMatch};
use rebound_api::config::{FORMAT_VERSION, Snapshot};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

mod reader;
mod snapshots;

use snapshots::{any_snapshot, sample};

/// The file that a body makes, whatever the body.
fn seal(version: u32, body: &[u8]) -> Vec<u8> {
    let header = format!("rebound-snapshot {version} {} {:032x}\n", body.len(), xxh3_128(body));
    [header.as_bytes(), body].concat()
}

fn seal_json(body: &Value) -> Vec<u8> {
    seal(FORMAT_VERSION, &serde_json::to_vec(body).expect("a value has text"))
}

#[test]
fn what_is_written_reads_back() {
    let snapshot = sample();
    let bytes = encode(&snapshot).expect("valid");
    assert_eq!(decode(&bytes).expect("whole"), snapshot);
    assert_eq!(encode(&snapshot).expect("valid"), bytes, "equal snapshots give equal bytes");
}

/// A release has written this file, and data planes of that release read it: it never changes. When the sample cannot
/// be written like this any more, `FORMAT_VERSION` grows and a second file joins this one.
#[test]
fn snapshots_of_format_1_still_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wire/format_1.snapshot");
    let frozen = std::fs::read(path).expect("the fixture is checked in");
    assert_eq!(decode(&frozen).expect("format 1"), sample());
    assert_eq!(encode(&sample()).expect("valid"), frozen, "the format has changed and its version has not");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = encode(&sample()).expect("valid");
    for end in 0..bytes.len() {
        let error = decode(&bytes[..end]).expect_err("cut off");
        assert!(matches!(error, DecodeError::NoHeader | DecodeError::Length { .. }), "{end}: {error}");
    }
}

#[test]
fn a_file_with_something_behind_it_is_refused() {
    let mut bytes = encode(&sample()).expect("valid");
    bytes.push(b'\n');
    assert!(matches!(decode(&bytes), Err(DecodeError::Length { .. })));
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let bytes = encode(&sample()).expect("valid");
    for position in 0..bytes.len() {
        for flip in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[position] ^= flip;
            assert!(decode(&damaged).is_err(), "byte {position} with {flip:#04x}");
        }
    }
}

#[test]
fn a_header_has_one_spelling() {
    let body = b"{}";
    let checksum = format!("{:032x}", xxh3_128(body));
    for header in [
        format!("rebound-snapshot +1 2 {checksum}"),
        format!("rebound-snapshot 01 2 {checksum}"),
        format!("rebound-snapshot 1 +2 {checksum}"),
        format!("rebound-snapshot 1 2 {}", checksum.to_uppercase()),
        format!("rebound-snapshot 1 2 0{checksum}"),
        format!("rebound-snapshot 1 2 {checksum} "),
        format!("rebound-snapshot 1 2 {checksum}\r"),
        format!("rebound-snapshot  1 2 {checksum}"),
        format!("Rebound-snapshot 1 2 {checksum}"),
        "rebound-snapshot 1 2".into(),
        String::new(),
    ] {
        let bytes = [header.as_bytes(), b"\n", body].concat();
        assert!(matches!(decode(&bytes), Err(DecodeError::NoHeader)), "{header}");
    }
}

#[test]
fn another_format_is_refused_by_its_number() {
    let body = serde_json::to_vec(&sample()).expect("a snapshot has text");
    for version in [0, FORMAT_VERSION + 1, u32::MAX] {
        let error = decode(&seal(version, &body)).expect_err("unknown");
        assert!(matches!(error, DecodeError::Version(found) if found == version), "{error}");
    }
}

#[test]
fn more_than_the_limit_is_neither_read_nor_written() {
    assert!(matches!(decode(&vec![b' '; SNAPSHOT_MAX_BYTES + 1]), Err(DecodeError::TooLarge(_))));
    let mut snapshot = sample();
    let value = "x".repeat(SNAPSHOT_MAX_BYTES);
    snapshot.routes[0].rules[0].request_headers.set = vec![HeaderValue { name: "a".into(), value }];
    assert!(matches!(encode(&snapshot), Err(DecodeError::TooLarge(_))));
}

/// Both sides check: the same snapshot is refused with the same path by whoever writes and by whoever reads.
#[track_caller]
fn refused(path: &str, change: impl FnOnce(&mut Snapshot)) {
    let mut snapshot = sample();
    change(&mut snapshot);
    let of = |error: DecodeError| match error {
        DecodeError::Invalid { path, .. } => path,
        other => other.to_string(),
    };
    assert_eq!(encode(&snapshot).map_err(of), Err(path.into()));
    let body = serde_json::to_value(&snapshot).expect("a snapshot has text");
    assert_eq!(decode(&seal_json(&body)).map_err(of), Err(path.into()));
}

#[test]
fn a_listener_that_cannot_be_served_is_refused() {
    refused("listeners[0].port", |it| it.listeners[0].port = 0);
    for name in ["", "*", "*.", "a..b", "A.b", "a b", "a/b", "*.*.a", "a.*", &"a".repeat(254)] {
        refused("listeners[1].hostname", |it| it.listeners[1].hostname = Some(name.into()));
        refused("listeners[0].routes[0].hostnames[0]", |it| {
            it.listeners[0].routes[0].hostnames = vec![name.into()];
        });
    }
    refused("listeners[0].routes[0].route", |it| it.listeners[0].routes[0].route = 2);
    refused("listeners[1].hostname", |it| it.listeners[1].hostname = it.listeners[0].hostname.clone());
}

#[test]
fn more_of_anything_than_its_limit_is_refused() {
    refused("listeners", |it| it.listeners = vec![it.listeners[0].clone(); 65]);
    refused("routes", |it| it.routes = vec![it.routes[1].clone(); 20_001]);
    refused("clusters", |it| it.clusters = vec![it.clusters[1].clone(); 20_001]);
    refused("clusters[0].endpoints", |it| {
        it.clusters[0].endpoints = (1..=10_001).map(|port| ([10, 0, 0, 1], port).into()).collect();
    });
}

#[test]
fn a_match_that_cannot_hold_is_refused() {
    refused("routes[0].rules[0].matches", |it| it.routes[0].rules[0].matches.clear());
    for path in
        [PathMatch::Exact("a".into()), PathMatch::Prefix(String::new()), PathMatch::Prefix("/a/".into())]
    {
        refused("routes[0].rules[0].matches[0].path", |it| it.routes[0].rules[0].matches[0].path = path);
    }
    for method in ["", "GE T", "GET\r\n", "(GET)"] {
        refused("routes[0].rules[0].matches[0].method", |it| {
            it.routes[0].rules[0].matches[0].method = Some(method.into());
        });
    }
    for name in ["", "X-Upper", "a:b", "a b"] {
        refused("routes[0].rules[0].matches[0].headers[0].name", |it| {
            it.routes[0].rules[0].matches[0].headers[0].name = name.into();
        });
    }
}

#[test]
fn timeouts_of_a_rule_are_above_zero_and_within_a_day() {
    for limit in [0, 86_400_001, u64::MAX] {
        refused("routes[0].rules[0].request_timeout_ms", |it| {
            it.routes[0].rules[0].request_timeout_ms = Some(limit);
        });
        refused("routes[0].rules[0].attempt_timeout_ms", |it| {
            it.routes[0].rules[0].attempt_timeout_ms = Some(limit);
        });
    }
}

#[test]
fn a_backend_that_leads_nowhere_is_refused() {
    refused("routes[0].rules[0].backends[0].cluster", |it| {
        it.routes[0].rules[0].backends[0].cluster = Some(2);
    });
    refused("routes[0].rules[0].backends[0].weight", |it| {
        it.routes[0].rules[0].backends[0].weight = 1_000_001;
    });
}

#[test]
fn header_edits_that_would_break_a_message_are_refused() {
    let bad = |name: &str, value: &str| vec![HeaderValue { name: name.into(), value: value.into() }];
    for name in ["", "Upper", "a\r\nb", "a:"] {
        refused("routes[0].rules[0].request_headers.remove[0]", |it| {
            it.routes[0].rules[0].request_headers.remove = vec![name.into()];
        });
        refused("routes[0].rules[0].response_headers.set[0].name", |it| {
            it.routes[0].rules[0].response_headers.set = bad(name, "x");
        });
        refused("routes[0].rules[0].backends[0].request_headers.add[0].name", |it| {
            it.routes[0].rules[0].backends[0].request_headers.add = bad(name, "x");
        });
    }
    for value in ["a\r\nb: c", "\0", "\x7f", "é"] {
        refused("routes[0].rules[0].backends[0].response_headers.add[0].value", |it| {
            it.routes[0].rules[0].backends[0].response_headers.add = bad("a", value);
        });
    }
}

#[test]
fn a_cluster_is_sorted_and_stands_once() {
    refused("clusters[0].endpoints", |it| it.clusters[0].endpoints.reverse());
    refused("clusters[0].endpoints", |it| it.clusters[0].endpoints[1] = it.clusters[0].endpoints[0]);
    refused("clusters[0].endpoints[0]", |it| it.clusters[0].endpoints = vec![([10, 0, 0, 1], 0).into()]);
    refused("clusters[1].service", |it| it.clusters[1].service = it.clusters[0].service.clone());
}

#[test]
fn retries_beyond_their_bounds_are_refused_for_clusters_and_for_rules() {
    use rebound_api::config::retry::Retry;
    type Change = fn(&mut Retry);
    const CHANGES: [(&str, Change); 18] = [
        ("on", |it| it.on = vec![[399, 599]]),
        ("on", |it| it.on = vec![[500, 600]]),
        ("on", |it| it.on = vec![[503, 502]]),
        ("on", |it| it.on = vec![[503, 503], [429, 429]]),
        ("on", |it| it.on = vec![[500, 502], [503, 504]]),
        ("on", |it| it.on = vec![[500, u16::MAX], [503, 504]]),
        ("retries_max", |it| it.retries_max = 11),
        ("backoff", |it| it.backoff.base_us = 0),
        ("backoff", |it| it.backoff.max_us = it.backoff.base_us - 1),
        ("backoff.max_us", |it| it.backoff.max_us = 86_400_000_001),
        ("backoff.multiplier", |it| it.backoff.multiplier = 0),
        ("backoff.multiplier", |it| it.backoff.multiplier = 11),
        ("per_try_timeout_ms", |it| it.per_try_timeout_ms = Some(0)),
        ("per_try_timeout_ms", |it| it.per_try_timeout_ms = Some(86_400_001)),
        ("total_timeout_ms", |it| it.total_timeout_ms = Some(0)),
        ("total_timeout_ms", |it| it.total_timeout_ms = Some(u64::MAX)),
        ("replay_max_bytes", |it| it.replay_max_bytes = 16 * 1024 * 1024 + 1),
        ("methods[1]", |it| it.methods = vec!["GET".into(), "P T".into()]),
    ];
    for (field, change) in CHANGES {
        refused(&format!("clusters[0].retry.{field}"), |it| {
            change(it.clusters[0].retry.as_mut().expect("the sample has one"));
        });
        refused(&format!("routes[0].rules[0].backends[0].retry.{field}"), |it| {
            it.routes[0].rules[0].backends[0].retry = it.clusters[0].retry.clone().map(Box::new);
            change(it.routes[0].rules[0].backends[0].retry.as_mut().expect("just set"));
        });
    }
}

#[test]
fn a_budget_beyond_its_bounds_is_refused() {
    use rebound_api::config::retry::Budget;
    type Change = fn(&mut Budget);
    const CHANGES: [(&str, Change); 5] = [
        ("percent", |it| it.percent = 101),
        ("interval_ms", |it| it.interval_ms = 999),
        ("interval_ms", |it| it.interval_ms = 3_600_001),
        ("floor_interval_ms", |it| it.floor_interval_ms = 0),
        ("floor_interval_ms", |it| it.floor_interval_ms = u64::MAX),
    ];
    for (field, change) in CHANGES {
        refused(&format!("clusters[0].budget.{field}"), |it| {
            change(it.clusters[0].budget.as_mut().expect("the sample has one"));
        });
    }
}

#[test]
fn a_body_of_another_shape_is_refused() {
    let whole = serde_json::to_value(sample()).expect("a snapshot has text");
    let refused = |body: &Value| {
        let error = decode(&seal_json(body)).expect_err("another shape");
        assert!(matches!(error, DecodeError::Json(_) | DecodeError::Item { .. }), "{body}: {error}");
    };
    for name in ["generation", "gateway", "listeners", "routes", "clusters"] {
        let mut body = whole.clone();
        body.as_object_mut().expect("an object").remove(name);
        refused(&body);
    }
    for (pointer, name) in [("", "extra"), ("/listeners/0", "extra"), ("/clusters/0/retry/backoff", "extra")]
    {
        let mut body = whole.clone();
        body.pointer_mut(pointer).expect("there")[name] = json!(1);
        refused(&body);
    }
    for (pointer, value) in [
        ("/gateway", json!("no-slash")),
        ("/gateway", json!("Upper/case")),
        ("/clusters/0/service", json!("server/fortio:0")),
        ("/clusters/0/service", json!("server/fortio:65536")),
        ("/clusters/0/retry/retries_max", json!(256)),
        ("/clusters/0/retry/on", json!([[500]])),
        ("/clusters/0/endpoints/0", json!("localhost:80")),
        ("/generation", json!(-1)),
    ] {
        let mut body = whole.clone();
        *body.pointer_mut(pointer).expect("there") = value;
        refused(&body);
    }
}

/// Every leaf of a value, as a JSON pointer.
fn leaves(value: &Value) -> Vec<String> {
    fn walk(at: String, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, it)| walk(format!("{at}/{name}"), it, found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, it)| walk(format!("{at}/{i}"), it, found));
            }
            _ => found.push(at),
        }
    }
    let mut found = Vec::new();
    walk(String::new(), value, &mut found);
    found
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_u64..700).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z*./:-]{0,8}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(Value::Null),
        Just(json!([])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_valid_snapshot_reads_back(snapshot in any_snapshot()) {
        let bytes = encode(&snapshot).expect("valid");
        prop_assert_eq!(decode(&bytes).expect("whole"), snapshot);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&seal(FORMAT_VERSION, &bytes)).is_err());
    }

    #[test]
    fn reader_and_writer_agree_on_what_is_valid(picks in proptest::collection::vec((any::<prop::sample::Index>(), leaf()), 1..4)) {
        let mut body = serde_json::to_value(sample()).expect("a snapshot has text");
        let leaves = leaves(&body);
        for (index, value) in picks {
            let pointer: &String = index.get(&leaves);
            if let Some(leaf) = body.pointer_mut(pointer) {
                *leaf = value;
            }
        }
        if let Ok(snapshot) = decode(&seal_json(&body)) {
            let bytes = encode(&snapshot).expect("what is read can be written");
            prop_assert_eq!(decode(&bytes).expect("whole"), snapshot);
        }
    }
}
