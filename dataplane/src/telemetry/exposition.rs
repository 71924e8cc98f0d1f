//! The numbers in the Prometheus text format 0.0.4.

use std::fmt::Write;

use super::metrics::{CLASSES, Cause, Metrics};
use crate::retry::decide::Reason;

/// The page that a scrape gets.
pub fn page(metrics: &Metrics) -> String {
    let mut page = Page(String::with_capacity(8 * 1024));
    config(&mut page, metrics);
    requests(&mut page, metrics);
    retries(&mut page, metrics);
    connections(&mut page, metrics);
    page.0
}

fn config(page: &mut Page, metrics: &Metrics) {
    page.family("gateway_config_generation", "gauge", "Configuration generation that every core serves.");
    page.sample("gateway_config_generation", "", metrics.generation().0);
    page.family("gateway_config_reload_total", "counter", "Snapshots read, by result.");
    page.sample("gateway_config_reload_total", "result=\"success\"", metrics.reloads_good.load());
    page.sample("gateway_config_reload_total", "result=\"failure\"", metrics.reloads_bad.load());
    page.family("gateway_worker_driver_info", "gauge", "Kernel interface that the cores run on.");
    if let Some(driver) = metrics.driver() {
        page.sample("gateway_worker_driver_info", &format!("driver=\"{}\"", driver.name()), 1);
    }
    page.family("gateway_worker_restarts_total", "counter", "Cores that were started anew after a panic.");
    page.sample("gateway_worker_restarts_total", "", metrics.core_restarts.load());
    page.family(
        "gateway_panics_total",
        "counter",
        "Client connections that ended in a panic of the gateway.",
    );
    page.sample("gateway_panics_total", "", metrics.sum(|core| &core.panics));
}

fn requests(page: &mut Page, metrics: &Metrics) {
    page.family("gateway_requests_total", "counter", "Requests answered, by status class.");
    for class in 0..CLASSES {
        let label = format!("status_class=\"{}xx\"", class + 1);
        page.sample("gateway_requests_total", &label, metrics.sum(|core| &core.requests[class]));
    }
    page.family("gateway_requests_abandoned_total", "counter", "Requests whose client went away.");
    page.sample("gateway_requests_abandoned_total", "", metrics.sum(|core| &core.requests_gone));
    page.family("gateway_attempts_total", "counter", "Attempts sent to backends, first ones included.");
    page.sample("gateway_attempts_total", "", metrics.sum(|core| &core.attempts));
}

fn retries(page: &mut Page, metrics: &Metrics) {
    page.family("gateway_retry_attempts_total", "counter", "Retries scheduled, by what made them necessary.");
    for (index, cause) in Cause::ALL.iter().enumerate() {
        let label = format!("reason=\"{}\"", cause.name());
        page.sample("gateway_retry_attempts_total", &label, metrics.sum(|core| &core.retries[index]));
    }
    page.family(
        "gateway_retry_suppressed_total",
        "counter",
        "Failed requests not retried any further, by reason.",
    );
    for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Success) {
        let label = format!("reason=\"{}\"", reason.name());
        let value = metrics.sum(|core| &core.suppressed[reason.index()]);
        page.sample("gateway_retry_suppressed_total", &label, value);
    }
    page.family("gateway_retry_replay_bytes", "gauge", "Request body bytes kept for replay.");
    page.sample("gateway_retry_replay_bytes", "", metrics.sum(|core| &core.replay_bytes));
    page.family(
        "gateway_retry_aside_bytes",
        "gauge",
        "Body bytes of discarded answers that may still be given.",
    );
    page.sample("gateway_retry_aside_bytes", "", metrics.sum(|core| &core.aside_bytes));
}

fn connections(page: &mut Page, metrics: &Metrics) {
    page.family("gateway_connections", "gauge", "Open connections, by side.");
    page.sample("gateway_connections", "side=\"client\"", metrics.sum(|core| &core.client_connections));
    page.family("gateway_connections_opened_total", "counter", "Connections made, by side.");
    page.sample(
        "gateway_connections_opened_total",
        "side=\"client\"",
        metrics.sum(|core| &core.client_accepted),
    );
    let upstream = metrics.sum(|core| &core.upstream_connected);
    page.sample("gateway_connections_opened_total", "side=\"upstream\"", upstream);
    page.family("gateway_pool_connections", "gauge", "Idle connections to backends.");
    page.sample("gateway_pool_connections", "", metrics.sum(|core| &core.pool_idle));
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    fn sample(&mut self, name: &str, labels: &str, value: u64) {
        match labels {
            "" => writeln!(self.0, "{name} {value}"),
            _ => writeln!(self.0, "{name}{{{labels}}} {value}"),
        }
        .ok();
    }
}
