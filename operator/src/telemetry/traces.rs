//! Traces: on when the standard variables of OpenTelemetry name a collector, off otherwise.
//!
//! Spans wait in a bounded queue and leave in batches, on a thread of their own; a collector that is slow or gone costs
//! spans and nothing else. Absent: a configuration of ours. `OTEL_…` is what everybody knows.

mod collector;
mod counted;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, ResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use self::collector::{Collector, CollectorError};
use self::counted::{Counted, QUEUE_MAX, Queue};
use super::metrics::Metrics;

/// How long the last spans may take to leave when the process ends.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// The name of the tracer and, unless the environment has another, of the service.
const NAME: &str = "rebound-operator";
/// This crate: spans of libraries are not ours to show.
const TARGET: &str = "rebound_operator";

/// Variables of the OpenTelemetry specification that this room reads itself; the SDK reads the others.
mod variable {
    pub(super) const DISABLED: &str = "OTEL_SDK_DISABLED";
    pub(super) const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    pub(super) const SERVICE: &str = "OTEL_SERVICE_NAME";
    pub(super) const PROTOCOLS: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    pub(super) const ENDPOINTS: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    pub(super) const CERTIFICATES: [&str; 2] =
        ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
}

/// The only protocol in this build.
const PROTOCOL: &str = "http/protobuf";

/// Traces that are being taken.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

/// Why there are no traces although a collector is named.
#[derive(Debug, thiserror::Error)]
pub(super) enum TracesError {
    #[error("the collector cannot be reached")]
    Collector(#[from] CollectorError),
    #[error("the exporter cannot be made")]
    Exporter(#[from] ExporterBuildError),
}

impl Traces {
    /// Starts what the environment asks for: `None` if it asks for nothing.
    pub(super) fn start(metrics: &Arc<Metrics>) -> Result<Option<Self>, TracesError> {
        let Some(endpoint) = endpoint() else { return Ok(None) };
        let collector = Collector::new(&endpoint, first(variable::CERTIFICATES).as_deref())?;
        let exporter = SpanExporter::builder().with_http().with_http_client(collector).build()?;
        let queue = Arc::new(Queue::new(metrics.clone()));
        let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE_MAX).build();
        let batches = BatchSpanProcessor::builder(Counted::new(exporter, queue.clone()));
        let batches = batches.with_batch_config(config).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Counted::new(batches, queue))
            .with_resource(resource())
            .build();
        Ok(Some(Self(provider)))
    }

    /// What turns spans of `tracing` into spans of the trace. A quiet log does not make them fewer.
    pub(super) fn layer<S>(&self, log: Option<LevelFilter>) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let level = log.map_or(LevelFilter::INFO, |log| log.max(LevelFilter::INFO));
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_filter(Targets::new().with_target(TARGET, level))
    }

    /// Sends what is waiting. Blocks, and so is not for a thread of the runtime.
    pub(super) fn end(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_MAX) {
            warn!(%error, "the last spans were not sent");
        }
    }
}

/// The collector that the environment names, unless it also says to leave it alone.
fn endpoint() -> Option<String> {
    let says = |name, value: &str| read(name).is_some_and(|said| said.eq_ignore_ascii_case(value));
    let endpoint = first(variable::ENDPOINTS)?;
    if says(variable::DISABLED, "true") || says(variable::EXPORTER, "none") {
        return None;
    }
    if let Some(protocol) = first(variable::PROTOCOLS).filter(|protocol| protocol != PROTOCOL) {
        warn!(protocol, "traces are sent as {PROTOCOL}, which is all that this build speaks");
    }
    Some(endpoint)
}

fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let detectors: [Box<dyn ResourceDetector>; 2] =
        [Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())];
    let resource =
        Resource::builder_empty().with_service_name(NAME).with_attribute(version).with_detectors(&detectors);
    // Wins over `service.name` in OTEL_RESOURCE_ATTRIBUTES, as the specification has it.
    let service = read(variable::SERVICE);
    service.into_iter().fold(resource, |resource, name| resource.with_service_name(name)).build()
}

/// The first variable that is set; the one for traces comes before the one for everything.
fn first(names: [&str; 2]) -> Option<String> {
    names.into_iter().find_map(read)
}

/// An empty variable is as good as none.
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
