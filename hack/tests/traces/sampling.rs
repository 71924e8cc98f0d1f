//! Which requests are told about.

use hack::collector::Receiver;
use hack::dataplane_rig::Setup;

use crate::await_that;
use crate::backend::{Backend, Step};
use crate::scene::Scene;
use crate::snapshot::{Verbs, retrying, serving};
use crate::tree::Tree;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn scene(steps: impl IntoIterator<Item = Step>, variables: &[(&str, &str)], flags: &[&str]) -> Scene {
    let backend = Backend::answering(steps);
    let snapshot = serving([backend.address]).retried(retrying(1));
    Scene::start_with(Receiver::Python, backend, &snapshot, &Setup { variables, flags, ..Setup::default() })
}

const NONE: [(&str, &str); 2] =
    [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];

/// Requests that were answered with 200 at once, one that was retried, one that failed.
fn mixed(scene: &Scene) {
    assert_eq!(scene.get("/good").status, 200);
    assert_eq!(scene.get("/retried").status, 200);
    assert_eq!(scene.get("/failed").status, 503);
    assert_eq!(scene.get("/good").status, 200);
}

fn steps() -> [Step; 6] {
    [200, 503, 200, 503, 503, 200].map(Step::Status)
}

fn paths(scene: &Scene, requests: usize) -> Vec<String> {
    let trees = Tree::all(&scene.spans(requests));
    trees.iter().map(|tree| tree.request.attributes["url.path"].as_str().unwrap().to_owned()).collect()
}

/// What is said to backends is what was decided at the head.
fn check_unsampled(scene: &Scene) {
    for seen in scene.backend.seen() {
        let flags = seen.header("traceparent").unwrap().rsplit('-').next().unwrap();
        assert_eq!(u8::from_str_radix(flags, 16).unwrap() & 1, 0, "{}", seen.head);
    }
}

/// Flushes everything by ending the data plane, and counts what came.
fn paths_at_the_end(mut scene: Scene) -> Vec<String> {
    scene.dataplane.terminate(crate::DEADLINE).unwrap();
    paths(&scene, 0)
}

#[test]
fn what_was_retried_or_failed_is_kept_whatever_the_ratio() {
    let scene = scene(steps(), &NONE, &[]);
    mixed(&scene);
    assert_eq!(paths(&scene, 2), ["/retried", "/failed"]);
    check_unsampled(&scene);
    assert_eq!(paths_at_the_end(scene), ["/retried", "/failed"]);
}

#[test]
fn keeping_what_was_retried_can_be_turned_off() {
    let scene = scene(steps(), &NONE, &["--trace-retried", "off"]);
    mixed(&scene);
    assert_eq!(paths_at_the_end(scene), [] as [&str; 0]);
}

#[test]
fn an_unsampled_parent_is_obeyed_unless_the_request_was_retried() {
    let scene = scene([200, 503, 200].map(Step::Status), &[], &[]);
    scene.send("GET", "/good", &[("traceparent", UNSAMPLED)]);
    scene.send("GET", "/retried", &[("traceparent", UNSAMPLED)]);
    let spans = scene.spans(1);
    assert!(spans.iter().all(|span| span.trace_id == TRACE), "of the same trace: {spans:#?}");
    check_unsampled(&scene);
    assert_eq!(paths_at_the_end(scene), ["/retried"]);
}

#[test]
fn a_sampled_parent_is_obeyed_whatever_the_ratio() {
    let scene = scene([], &NONE, &[]);
    scene.send("GET", "/told", &[("traceparent", SAMPLED)]);
    scene.send("GET", "/untold", &[]);
    assert_eq!(paths_at_the_end(scene), ["/told"]);
}

#[test]
fn always_off_ignores_the_parent() {
    let scene = scene([], &[("OTEL_TRACES_SAMPLER", "always_off")], &[]);
    scene.send("GET", "/", &[("traceparent", SAMPLED)]);
    assert_eq!(paths_at_the_end(scene), [] as [&str; 0]);
}

#[test]
fn always_on_ignores_the_parent() {
    let scene = scene([], &[("OTEL_TRACES_SAMPLER", "always_on")], &[]);
    scene.send("GET", "/", &[("traceparent", UNSAMPLED)]);
    assert_eq!(paths_at_the_end(scene), ["/"]);
}

#[test]
fn a_ratio_keeps_about_its_share() {
    const REQUESTS: usize = 1_000;
    let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
    let scene = scene([], &variables, &[]);
    let mut client = scene.client();
    (0..REQUESTS).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
    let kept = paths_at_the_end(scene).len();
    // Seven standard deviations: wrong once in 10^11 runs.
    assert!((155..=345).contains(&kept), "{kept} of {REQUESTS}");
}

#[test]
fn nothing_is_sent_when_it_is_switched_off() {
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let scene = scene(steps(), &[off], &[]);
        mixed(&scene);
        let seen = scene.backend.seen();
        // Nothing to tell: the client's own context is passed on as it came, here none.
        assert!(seen.iter().all(|seen| seen.header("traceparent").is_none()), "{off:?}");
        assert_eq!(paths_at_the_end(scene), [] as [&str; 0], "{off:?}");
    }
}

#[test]
fn the_resource_says_who_speaks() {
    let variables = [
        ("OTEL_SERVICE_NAME", "edge"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=edge-0,k8s.namespace.name=shop,odd=a%2Cb%3Dc"),
    ];
    let scene = scene([], &variables, &[]);
    scene.get("/");
    let resource = scene.tree().request.resource;
    assert_eq!(resource["service.name"], "edge");
    assert_eq!(resource["k8s.pod.name"], "edge-0");
    assert_eq!(resource["k8s.namespace.name"], "shop");
    assert_eq!(resource["odd"], "a,b=c");
}

#[test]
fn headers_for_the_collector_are_sent_and_counted_spans_are_exported() {
    let scene = scene([], &[("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop,authorization=Bearer%20abc")], &[]);
    scene.get("/");
    scene.spans(1);
    let lines = scene.collector.lines();
    let request = lines.iter().find(|line| line.contains("\"request\"")).unwrap();
    let request: serde_json::Value = serde_json::from_str(request).unwrap();
    assert_eq!(request["request"]["headers"]["x-tenant"], "shop");
    assert_eq!(request["request"]["headers"]["authorization"], "Bearer abc");
    let exported = || scene.dataplane.metric("gateway_telemetry_spans_total{result=\"exported\"}").unwrap();
    await_that("two spans are counted as exported", || exported() == 2);
}
