//! Collectors that are dead, slow, refusing or worse: requests go on, spans are counted as lost, memory has a bound.

use std::time::{Duration, Instant};

use hack::collector::{Answer, Collector, Receiver};
use hack::dataplane_rig::{Dataplane, Setup};
use hack::http_client::Connection;
use hack::load;

use crate::backend::{Backend, Step, refusing};
use crate::scene::{Scene, start};
use crate::snapshot::{PORT, serving};
use crate::{DEADLINE, await_that};

const REQUESTS: usize = 200;
/// One SERVER and one CLIENT span.
const SPANS: u64 = 2 * REQUESTS as u64;
/// How long the data plane may take to leave whatever the collector does.
const LEAVE_MAX: Duration = Duration::from_secs(15);

const IMPATIENT: [(&str, &str); 1] = [("OTEL_EXPORTER_OTLP_TIMEOUT", "200")];

fn count(dataplane: &Dataplane, result: &str) -> u64 {
    dataplane.metric(&format!("gateway_telemetry_spans_total{{result=\"{result}\"}}")).unwrap()
}

fn all_succeed(dataplane: &Dataplane) {
    let outcome = load::send(dataplane.address(PORT), "/", REQUESTS, 4);
    assert_eq!((outcome.errors.len(), outcome.statuses[&200]), (0, REQUESTS));
}

/// Every span is counted as lost in the end, and the data plane leaves in time.
fn check_lost(endpoint: &str) {
    let backend = Backend::always(Step::Status(200));
    let setup = Setup { variables: &IMPATIENT, ..Setup::default() };
    let mut dataplane = start(endpoint, &serving([backend.address]), &setup);
    all_succeed(&dataplane);
    await_that("spans are counted as lost", || count(&dataplane, "failed") > 0);
    all_succeed(&dataplane);
    assert_eq!(count(&dataplane, "exported"), 0);
    let before = Instant::now();
    assert!(dataplane.terminate(LEAVE_MAX).unwrap().success());
    assert!(before.elapsed() < LEAVE_MAX);
}

#[test]
fn a_dead_collector_costs_spans_and_nothing_else() {
    check_lost(&format!("http://{}", refusing()));
}

#[test]
fn a_slow_collector_costs_spans_and_nothing_else() {
    check_lost(&Collector::answering(Answer::Slow).unwrap().endpoint());
}

#[test]
fn a_refusing_collector_costs_spans_and_nothing_else() {
    for status in [400, 404, 429, 500, 503] {
        check_lost(&Collector::answering(Answer::Status(status)).unwrap().endpoint());
    }
}

#[test]
fn a_collector_that_resets_costs_spans_and_nothing_else() {
    check_lost(&Collector::answering(Answer::Reset).unwrap().endpoint());
}

#[test]
fn a_collector_with_a_huge_answer_fills_no_memory() {
    const MORE_MAX: u64 = 32 << 20;
    let collector = Collector::answering(Answer::Huge).unwrap();
    let backend = Backend::always(Step::Status(200));
    let dataplane = start(&collector.endpoint(), &serving([backend.address]), &Setup::default());
    let before = dataplane.memory_peak().unwrap();
    all_succeed(&dataplane);
    let settled = || count(&dataplane, "exported") + count(&dataplane, "failed");
    await_that("the answers were dealt with", || settled() > 0);
    all_succeed(&dataplane);
    let more = dataplane.memory_peak().unwrap() - before;
    assert!(more < MORE_MAX, "{} MiB more", more >> 20);
}

#[test]
fn a_collector_that_never_answers_fills_no_memory() {
    const MANY: usize = 12_000;
    const MORE_MAX: u64 = 48 << 20;
    let collector = Collector::answering(Answer::Slow).unwrap();
    let backend = Backend::always(Step::Status(200));
    let setup = Setup { variables: &[("OTEL_EXPORTER_OTLP_TIMEOUT", "60000")], ..Setup::default() };
    let dataplane = start(&collector.endpoint(), &serving([backend.address]), &setup);
    all_succeed(&dataplane);
    let before = dataplane.memory_peak().unwrap();
    let outcome = load::send(dataplane.address(PORT), "/", MANY, 4);
    assert_eq!((outcome.errors.len(), outcome.statuses[&200]), (0, MANY));
    assert!(count(&dataplane, "dropped") > 0, "what does not fit is dropped, and counted");
    let more = dataplane.memory_peak().unwrap() - before;
    assert!(more < MORE_MAX, "{} MiB more", more >> 20);
}

#[test]
fn what_is_still_to_be_sent_at_the_end_is_sent() {
    for receiver in Receiver::ALL {
        let backend = Backend::always(Step::Status(200));
        let snapshot = serving([backend.address]);
        // Nothing would be sent before the end.
        let setup = Setup { variables: &[("OTEL_BSP_SCHEDULE_DELAY", "600000")], ..Setup::default() };
        let mut scene = Scene::start_with(receiver, backend, &snapshot, &setup);
        let mut client: Connection = scene.client();
        (0..20).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
        drop(client);
        assert!(scene.dataplane.terminate(LEAVE_MAX).unwrap().success());
        assert_eq!(scene.collector.await_requests(20, DEADLINE).unwrap().len(), 40);
    }
}

#[test]
fn every_span_of_many_requests_arrives_once() {
    for receiver in Receiver::ALL {
        let backend = Backend::always(Step::Status(200));
        let snapshot = serving([backend.address]);
        let scene = Scene::start(receiver, backend, &snapshot);
        all_succeed(&scene.dataplane);
        let spans = scene.spans(REQUESTS);
        assert_eq!(spans.len() as u64, SPANS);
        let mut ids: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len() as u64, SPANS);
        await_that("all are counted", || count(&scene.dataplane, "exported") == SPANS);
        assert_eq!(count(&scene.dataplane, "dropped") + count(&scene.dataplane, "failed"), 0);
    }
}
