//! The numbers as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0, which has exemplars.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::Instant;

use super::metrics::durations::{CLIENT_ERRORS_FROM, Durations, Key, OTHER, Outcome, SERVER_ERRORS_FROM};
use super::metrics::histogram::{Exemplar, Reading};
use super::metrics::service::ServiceCounters;
use super::metrics::{CLASSES, Cause, CoreMetrics, Metrics, Number};
use crate::retry::decide::Reason;
use crate::snapshot::plan::{Plan, Target};

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What a page is made from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The numbers of the process.
    pub metrics: &'a Metrics,
    /// The plan in use, whose Service ports have numbers too; none: there is none yet.
    pub plan: Option<&'a Plan>,
    /// What budgets are asked about.
    pub now: Instant,
}

impl Format {
    /// What a client is given that accepts this.
    pub fn accepted(accept: Option<&[u8]>) -> Self {
        const WANTED: &[u8] = b"application/openmetrics-text";
        let accepts = accept.is_some_and(|accept| accept.windows(WANTED.len()).any(|part| part == WANTED));
        if accepts { Self::OpenMetrics } else { Self::Text }
    }

    /// The page's media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The page that a scrape gets.
pub fn page(source: Source<'_>, format: Format) -> String {
    let mut page = Page { text: String::with_capacity(16 * 1024), format };
    config(&mut page, source.metrics);
    requests(&mut page, source.metrics);
    services(&mut page, source);
    retries(&mut page, source.metrics);
    connections(&mut page, source.metrics);
    durations(&mut page, source.metrics);
    telemetry(&mut page, source.metrics);
    if format == Format::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

fn config(page: &mut Page, metrics: &Metrics) {
    page.gauge("gateway_config_generation", "Configuration generation that every core serves.");
    page.sample("gateway_config_generation", "", metrics.generation().0);
    page.counter("gateway_config_reload", "Snapshots read, by result.");
    page.sample("gateway_config_reload_total", "result=\"success\"", metrics.reloads_good.load());
    page.sample("gateway_config_reload_total", "result=\"failure\"", metrics.reloads_bad.load());
    page.gauge("gateway_worker_driver_info", "Kernel interface that the cores run on.");
    if let Some(driver) = metrics.driver() {
        page.sample("gateway_worker_driver_info", &format!("driver=\"{}\"", driver.name()), 1);
    }
    page.counter("gateway_worker_restarts", "Cores that were started anew after a panic.");
    page.sample("gateway_worker_restarts_total", "", metrics.core_restarts.load());
    page.counter("gateway_panics", "Client connections that ended in a panic of the gateway.");
    page.sample("gateway_panics_total", "", metrics.sum(|core| &core.panics));
}

fn requests(page: &mut Page, metrics: &Metrics) {
    page.counter("gateway_requests", "Requests answered, by status class.");
    for class in 0..CLASSES {
        let label = format!("status_class=\"{}xx\"", class + 1);
        page.sample("gateway_requests_total", &label, metrics.sum(|core| &core.requests[class]));
    }
    page.counter("gateway_requests_abandoned", "Requests whose client went away.");
    page.sample("gateway_requests_abandoned_total", "", metrics.sum(|core| &core.requests_gone));
}

/// Numbers by Service port. Those that are zero are left out: most Service ports of a large cluster never fail.
fn services(page: &mut Page, source: Source<'_>) {
    let targets = source.plan.map(Plan::targets).unwrap_or_default();
    page.counter("gateway_attempts", "Attempts sent to backends, first ones included.");
    for target in targets {
        page.service_sample("gateway_attempts_total", target, None, |counters| &counters.attempts);
    }
    page.counter("gateway_retry_attempts", "Retries scheduled, by what made them necessary.");
    for target in targets {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            page.service_sample("gateway_retry_attempts_total", target, Some(cause.name()), |counters| {
                &counters.retries[index]
            });
        }
    }
    page.counter("gateway_retry_suppressed", "Failed requests not retried any further, by reason.");
    for target in targets {
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Success) {
            page.service_sample("gateway_retry_suppressed_total", target, Some(reason.name()), |counters| {
                &counters.suppressed[reason.index()]
            });
        }
    }
    page.counter("gateway_retry_rescued", "Requests that failed at first and succeeded by a retry.");
    for target in targets {
        page.service_sample("gateway_retry_rescued_total", target, None, |counters| &counters.rescued);
    }
    page.gauge("gateway_retry_budget_available", "Retries that the budget would pay for now.");
    for target in targets {
        if let Some(budget) = &target.budget {
            let available = budget.available(source.now);
            page.sample("gateway_retry_budget_available", &service_labels(target, None), available);
        }
    }
}

fn retries(page: &mut Page, metrics: &Metrics) {
    page.histogram("gateway_retry_per_request", "Attempts that requests took.");
    page.histogram_samples(
        "gateway_retry_per_request",
        "",
        &sum(metrics, |core| core.attempts_per_request.read()),
        1.0,
    );
    page.histogram("gateway_retry_delay_seconds", "Waits between attempts.");
    page.histogram_samples(
        "gateway_retry_delay_seconds",
        "",
        &sum(metrics, |core| core.delays.read()),
        MICROS,
    );
    page.gauge("gateway_retry_replay_bytes", "Request body bytes kept for replay.");
    page.sample("gateway_retry_replay_bytes", "", metrics.sum(|core| &core.replay_bytes));
    page.gauge("gateway_retry_aside_bytes", "Body bytes of discarded answers that may still be given.");
    page.sample("gateway_retry_aside_bytes", "", metrics.sum(|core| &core.aside_bytes));
}

fn connections(page: &mut Page, metrics: &Metrics) {
    page.gauge("gateway_connections", "Open connections, by side.");
    page.sample("gateway_connections", "side=\"client\"", metrics.sum(|core| &core.client_connections));
    page.counter("gateway_connections_opened", "Connections made, by side.");
    let client = metrics.sum(|core| &core.client_accepted);
    page.sample("gateway_connections_opened_total", "side=\"client\"", client);
    let upstream = metrics.sum(|core| &core.upstream_connected);
    page.sample("gateway_connections_opened_total", "side=\"upstream\"", upstream);
    page.gauge("gateway_pool_connections", "Idle connections to backends.");
    page.sample("gateway_pool_connections", "", metrics.sum(|core| &core.pool_idle));
}

fn durations(page: &mut Page, metrics: &Metrics) {
    let families: [(_, _, _, OfCore); 2] = [
        (
            "http_server_request_duration_seconds",
            "Requests, from the end of their head to the end of their answer.",
            SERVER_ERRORS_FROM,
            |core| &core.server_durations,
        ),
        (
            "http_client_request_duration_seconds",
            "Attempts, from the choice of an endpoint to the end of the response head.",
            CLIENT_ERRORS_FROM,
            |core| &core.client_durations,
        ),
    ];
    for (name, help, errors_from, of) in families {
        page.histogram(name, help);
        for (key, reading) in by_key(metrics, of) {
            let labels = duration_labels(key, key.result.is_error(errors_from));
            page.histogram_samples(name, &labels, &reading, MICROS);
        }
    }
}

fn telemetry(page: &mut Page, metrics: &Metrics) {
    page.counter("gateway_telemetry_spans", "Spans, by what became of them.");
    let spans = [
        ("exported", metrics.spans_exported.load()),
        ("failed", metrics.spans_failed.load()),
        ("dropped", metrics.sum(|core| &core.spans_dropped)),
    ];
    page.results("gateway_telemetry_spans_total", spans);
    page.counter("gateway_access_log_lines", "Lines of the access log, by what became of them.");
    let lines = [
        ("written", metrics.lines_written.load()),
        ("failed", metrics.lines_failed.load()),
        ("dropped", metrics.sum(|core| &core.lines_dropped)),
    ];
    page.results("gateway_access_log_lines_total", lines);
}

/// The durations of one kind.
type OfCore = fn(&CoreMetrics) -> &Durations;

/// What makes seconds of microseconds.
const MICROS: f64 = 1e-6;

struct Page {
    text: String,
    format: Format,
}

impl Page {
    fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, "gauge", help);
    }

    fn histogram(&mut self, name: &str, help: &str) {
        self.family(name, "histogram", help);
    }

    /// The older format has the ending of the samples in the name of their family.
    fn counter(&mut self, name: &str, help: &str) {
        match self.format {
            Format::Text => self.family(&format!("{name}_total"), "counter", help),
            Format::OpenMetrics => self.family(name, "counter", help),
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => writeln!(self.text, "{name} {value}"),
            _ => writeln!(self.text, "{name}{{{labels}}} {value}"),
        }
        .ok();
    }

    fn results(&mut self, name: &str, values: [(&str, u64); 3]) {
        for (result, value) in values {
            self.sample(name, &format!("result=\"{result}\""), value);
        }
    }

    fn service_sample(
        &mut self,
        name: &str,
        target: &Target,
        reason: Option<&str>,
        number: impl Fn(&ServiceCounters) -> &Number,
    ) {
        let value = target.metrics.sum(number);
        if value > 0 {
            self.sample(name, &service_labels(target, reason), value);
        }
    }

    /// `scale` makes the unit of the name from the one that was observed.
    fn histogram_samples(&mut self, name: &str, labels: &str, reading: &Reading, scale: f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = reading.bounds.iter().map(|bound| float(*bound as f64 * scale)).chain(["+Inf".into()]);
        let mut count = 0;
        for ((bound, bucket), exemplar) in bounds.zip(&reading.counts).zip(&reading.exemplars) {
            count += bucket;
            let bound =
                if self.format == Format::OpenMetrics { bound } else { bound.trim_end_matches(".0").into() };
            write!(self.text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}").ok();
            self.exemplar(exemplar.as_ref(), scale);
            self.text.push('\n');
        }
        self.sample(&format!("{name}_sum"), labels, float(reading.sum as f64 * scale));
        self.sample(&format!("{name}_count"), labels, count);
    }

    fn exemplar(&mut self, exemplar: Option<&Exemplar>, scale: f64) {
        let Some(Exemplar { trace, value, unix_ms }) =
            exemplar.filter(|_| self.format == Format::OpenMetrics)
        else {
            return;
        };
        let hex = trace.to_hex();
        let trace = std::str::from_utf8(&hex).unwrap_or_default();
        let (value, time) = (float(*value as f64 * scale), *unix_ms as f64 / 1e3);
        write!(self.text, " # {{trace_id=\"{trace}\"}} {value} {time:.3}").ok();
    }
}

/// A number that is seen to be no integer, as OpenMetrics wants its bounds. Six digits: nothing is finer than a
/// microsecond.
fn float(value: f64) -> String {
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.into() }
}

fn sum(metrics: &Metrics, read: impl Fn(&CoreMetrics) -> Reading) -> Reading {
    let readings = metrics.cores.iter().map(read);
    readings.reduce(|sum, reading| sum.merge(&reading)).unwrap_or_default()
}

fn by_key(metrics: &Metrics, of: OfCore) -> BTreeMap<Key, Reading> {
    let mut sums: BTreeMap<Key, Reading> = BTreeMap::new();
    for (key, reading) in metrics.cores.iter().flat_map(|core| of(core).read()) {
        let sum = match sums.remove(&key) {
            Some(sum) => sum.merge(&reading),
            None => reading,
        };
        sums.insert(key, sum);
    }
    sums
}

/// Names of Kubernetes objects need no escaping.
fn service_labels(target: &Target, reason: Option<&str>) -> String {
    let service = &target.cluster.service;
    let policy = target.cluster.retry.as_ref().map(|retry| retry.origin.to_string()).unwrap_or_default();
    let (namespace, name) = (service.service.namespace(), service.service.name());
    let mut labels =
        format!("namespace=\"{namespace}\",service=\"{name}\",port=\"{}\",policy=\"{policy}\"", service.port);
    if let Some(reason) = reason {
        write!(labels, ",reason=\"{reason}\"").ok();
    }
    labels
}

/// The type of an error is its status, or what there was instead of a status.
fn duration_labels(key: Key, is_error: bool) -> String {
    let (status, name) = match key.result {
        Outcome::Status(status) => (status.to_string(), status.to_string()),
        Outcome::Failed(failure) => (String::new(), failure.name().to_owned()),
        Outcome::Other(_) => (OTHER.to_owned(), OTHER.to_owned()),
    };
    let error = if is_error { name } else { String::new() };
    let method = key.method();
    format!("http_request_method=\"{method}\",http_response_status_code=\"{status}\",error_type=\"{error}\"")
}
