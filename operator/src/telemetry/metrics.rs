//! What the operator counts. Every family is registered here, once; `docs/reference/operator_metrics.md` lists them.
//!
//! Label values come from the enums below and from the kinds that the operator knows: the number of series does not
//! depend on how many objects there are. Absent: per-object series; those are conditions of the objects.

mod labels;

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use self::labels::{Of, OfRound, OfWrite};
pub use self::labels::{Outcome, Review, Scope, Spans, Stage, Verb};

/// Upper bounds in seconds: an edit of one route takes milliseconds, the first round over a large cluster seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// The content type of [`Metrics::page`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The families, and the registry that prints them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    rounds: Family<OfRound, Counter>,
    stages: Family<Of<Stage>, Histogram, fn() -> Histogram>,
    writes: Family<OfWrite, Counter>,
    objects: Family<Of<String>, Gauge>,
    watch_restarts: Family<Of<String>, Counter>,
    gateways: Gauge,
    leader: Gauge,
    reviews: Family<Of<Review>, Counter>,
    review_durations: Histogram,
    spans: Family<Of<Spans>, Counter>,
}

impl Default for Metrics {
    /// The families of a process that starts now.
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("rebound_operator"),
            rounds: Family::default(),
            stages: Family::new_with_constructor(seconds),
            writes: Family::default(),
            objects: Family::default(),
            watch_restarts: Family::default(),
            gateways: Gauge::default(),
            leader: Gauge::default(),
            reviews: Family::default(),
            review_durations: seconds(),
            spans: Family::default(),
        };
        metrics.register_rounds();
        metrics.register_cluster();
        metrics.register_reviews();
        metrics.register_process();
        metrics
    }
}

impl Metrics {
    fn register_rounds(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "reconcile_rounds",
            "Walks from the objects to what is applied, by what they covered and how they ended",
            self.rounds.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "Time that a stage of a walk took",
            Unit::Seconds,
            self.stages.clone(),
        );
        registry.register("gateways", "Gateways that this operator serves", self.gateways.clone());
    }

    fn register_cluster(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "api_writes",
            "Writes to the API server, by kind, verb and how they ended",
            self.writes.clone(),
        );
        registry.register("objects", "Objects that are watched, by kind", self.objects.clone());
        registry.register(
            "watch_restarts",
            "Watches that failed and were started anew, by kind",
            self.watch_restarts.clone(),
        );
        registry.register("leader", "1 if this replica is the leader, else 0", self.leader.clone());
    }

    fn register_reviews(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "webhook_reviews",
            "Admission reviews that were answered, by answer",
            self.reviews.clone(),
        );
        registry.register_with_unit(
            "webhook_review_duration",
            "Time that the answer to an admission review took",
            Unit::Seconds,
            self.review_durations.clone(),
        );
    }

    fn register_process(&mut self) {
        let registry = &mut self.registry;
        registry.register("spans", "Spans of traces, by what became of them", self.spans.clone());
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of this program", version);
        let started = Gauge::<f64, AtomicU64>::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(now.as_secs_f64());
        registry.register_with_unit(
            "start_time",
            "When this process started, since 1970-01-01T00:00:00Z",
            Unit::Seconds,
            started,
        );
    }

    /// A walk has ended.
    pub fn round(&self, scope: Scope, result: Outcome) {
        self.rounds.get_or_create(&OfRound { scope, result }).inc();
    }

    /// A stage of a walk took this long.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&[("stage", stage)]).observe(took.as_secs_f64());
    }

    /// A write to the API server has ended.
    pub fn write(&self, kind: &str, verb: Verb, result: Outcome) {
        self.writes.get_or_create(&OfWrite { kind: kind.into(), verb, result }).inc();
    }

    /// How many objects of a kind are watched.
    pub fn objects(&self, kind: &str, count: usize) {
        self.objects.get_or_create(&[("kind", kind.into())]).set(number(count));
    }

    /// The watch of a kind failed and was started anew.
    pub fn watch_restarted(&self, kind: &str) {
        self.watch_restarts.get_or_create(&[("kind", kind.into())]).inc();
    }

    /// How many Gateways are served.
    pub fn gateways(&self, count: usize) {
        self.gateways.set(number(count));
    }

    /// An admission review was answered.
    pub fn review(&self, answer: Review, took: Duration) {
        self.reviews.get_or_create(&[("result", answer)]).inc();
        self.review_durations.observe(took.as_secs_f64());
    }

    /// This became of so many spans.
    pub fn spans(&self, fate: Spans, count: usize) {
        self.spans.get_or_create(&[("result", fate)]).inc_by(count as u64);
    }

    /// What a scrape gets, in the OpenMetrics text format 1.0. Leadership is asked for at the scrape, because it
    /// lapses without an event.
    pub fn page(&self, is_leader: bool) -> String {
        self.leader.set(is_leader.into());
        let mut page = String::with_capacity(16 * 1024);
        // Writing to a String cannot fail.
        encode(&mut page, &self.registry).ok();
        page
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
