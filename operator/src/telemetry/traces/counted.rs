//! Counts what becomes of spans: the SDK itself says so only in its own log.
//!
//! The same wrapper stands on both sides of the batches. Before them it admits a span if there is room; behind them it
//! sees whether the collector took it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use crate::telemetry::metrics::{Metrics, Spans};

/// The most spans that wait to be sent, those on their way included; what comes on top is dropped.
pub(super) const QUEUE_MAX: usize = 2048;

/// How many spans are waiting.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// A processor or an exporter, with the queue that it fills or empties.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    queue: Arc<Queue>,
}

impl Queue {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { waiting: AtomicUsize::new(0), metrics }
    }

    /// Whether there is room for one more.
    fn admit(&self) -> bool {
        let more = |waiting| (waiting < QUEUE_MAX).then_some(waiting + 1);
        let is_admitted = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if !is_admitted {
            self.metrics.spans(Spans::Dropped, 1);
        }
        is_admitted
    }

    fn left(&self, count: usize, is_taken: bool) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        self.metrics.spans(if is_taken { Spans::Exported } else { Spans::Failed }, count);
    }
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, queue: Arc<Queue>) -> Self {
        Self { inner, queue }
    }
}

impl<T: SpanProcessor> SpanProcessor for Counted<T> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.queue.admit() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<T: SpanExporter> SpanExporter for Counted<T> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let exported = self.inner.export(batch).await;
        self.queue.left(count, exported.is_ok());
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};

    use super::*;

    /// An exporter whose collector takes everything, or nothing.
    #[derive(Debug)]
    struct Exporter {
        takes: bool,
    }

    impl SpanExporter for Exporter {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            self.takes.then_some(()).ok_or_else(|| OTelSdkError::InternalFailure("refused".into()))
        }
    }

    #[track_caller]
    fn check(metrics: &Metrics, fate: Spans, count: usize) {
        let page = metrics.page(false);
        let line = format!("rebound_operator_spans_total{{result=\"{}\"}} {count}\n", fate.name());
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }

    #[test]
    fn what_does_not_fit_into_the_queue_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let queue = Queue::new(metrics.clone());
        assert!((0..QUEUE_MAX).all(|_| queue.admit()));
        assert!(!queue.admit());
        queue.left(2, true);
        queue.left(1, false);
        assert!((0..3).all(|_| queue.admit()));
        assert!(!queue.admit());
        check(&metrics, Spans::Dropped, 2);
    }

    #[test]
    fn a_span_is_exported_or_failed_as_the_collector_has_it() {
        for (takes, fate) in [(true, Spans::Exported), (false, Spans::Failed)] {
            let metrics = Arc::new(Metrics::default());
            let queue = Arc::new(Queue::new(metrics.clone()));
            let batches =
                BatchSpanProcessor::builder(Counted::new(Exporter { takes }, queue.clone())).build();
            let processor = Counted::new(batches, queue);
            let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
            for _ in 0..3 {
                provider.tracer("test").in_span("span", |_| ());
            }
            // Says what the last batch came to.
            let _ = provider.force_flush();
            check(&metrics, fate, 3);
        }
    }
}
