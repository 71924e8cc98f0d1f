//! Pages against the rules of both formats.

use std::time::Duration;

use super::*;
use crate::clock;
use crate::http::h1::method::Method;
use crate::retry::outcome::Failure;
use crate::telemetry::metrics::durations::OTHER;
use crate::telemetry::trace::TraceId;

const BOTH: [Format; 2] = [Format::Text, Format::OpenMetrics];

fn written(metrics: &Metrics, format: Format) -> String {
    page(Source { metrics, plan: None, now: clock::now() }, format)
}

#[test]
fn every_sample_belongs_to_the_family_above_it() {
    let metrics = Metrics::new(2);
    let key = Key::new(&Method::Get, Outcome::Status(200));
    metrics.cores[1].server_durations.observe(key, Duration::from_millis(7), None);
    for format in BOTH {
        let page = written(&metrics, format);
        let mut family = String::new();
        for line in page.lines().filter(|line| *line != "# EOF") {
            match line.strip_prefix("# TYPE ") {
                Some(declared) => family = declared.split(' ').next().unwrap().into(),
                None => assert!(line.starts_with("# HELP ") || line.starts_with(&family), "{family}: {line}"),
            }
        }
    }
}

#[test]
fn durations_of_all_cores_are_added_up() {
    let metrics = Metrics::new(2);
    let key = Key::new(&Method::Get, Outcome::Status(503));
    for core in &metrics.cores {
        core.server_durations.observe(key, Duration::from_millis(7), None);
        core.server_durations.observe(key, Duration::from_secs(20), None);
    }
    let labels = "http_request_method=\"GET\",http_response_status_code=\"503\",error_type=\"503\"";
    let page = written(&metrics, Format::Text);
    for (part, value) in
        [("bucket", "le=\"0.005\"} 0"), ("bucket", "le=\"0.01\"} 2"), ("bucket", "le=\"+Inf\"} 4")]
    {
        let line = format!("http_server_request_duration_seconds_{part}{{{labels},{value}");
        assert!(page.lines().any(|known| known == line), "no {line} in:\n{page}");
    }
    assert!(
        page.contains(&format!("http_server_request_duration_seconds_sum{{{labels}}} 40.014\n")),
        "{page}"
    );
}

#[test]
fn open_metrics_have_exemplars_and_an_end() {
    let metrics = Metrics::new(1);
    let exemplar =
        Exemplar { trace: TraceId::from_halves([1, 2]).unwrap(), value: 7_000, unix_ms: 784_111_777_042 };
    let key = Key::new(&Method::Get, Outcome::Status(200));
    metrics.cores[0].server_durations.observe(key, Duration::from_millis(7), Some(exemplar));
    let shown = " # {trace_id=\"00000000000000010000000000000002\"} 0.007 784111777.042\n";
    let page = written(&metrics, Format::OpenMetrics);
    assert!(page.contains(shown) && page.ends_with("# EOF\n"), "{page}");
    assert!(!written(&metrics, Format::Text).contains(" # "));
}

#[test]
fn series_stay_few_whatever_clients_and_backends_send() {
    let metrics = Metrics::new(1);
    let gone = Key::new(&Method::Other("BREW".into()), Outcome::Failed(Failure::ClientGone));
    metrics.cores[0].client_durations.observe(gone, Duration::from_millis(1), None);
    for status in 101..600 {
        let key = Key::new(&Method::Other("BREW".into()), Outcome::Status(status));
        metrics.cores[0].client_durations.observe(key, Duration::from_millis(1), None);
    }
    let counted: Vec<_> = metrics.cores[0].client_durations.read().collect();
    assert!(counted.len() < 100, "{}", counted.len());
    assert!(counted.iter().all(|(key, _)| key.method() == OTHER));
    let page = written(&metrics, Format::Text);
    let series: Vec<_> =
        page.lines().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
    let unique: std::collections::BTreeSet<_> = series.iter().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(unique.len(), series.iter().filter(|line| !line.starts_with('#')).count(), "{page}");
    let all: u64 = counted.iter().flat_map(|(_, reading)| &reading.counts).sum();
    assert_eq!(all, 500, "some are lost");
}
