//! What people look at: the alert rules and the dashboard, as tables, and how Prometheus finds data planes.
//!
//! Pure: plain values, which `generate` writes as files and `hack/tests/tools_prometheus.rs` puts to a real Prometheus.
//! Absent: what an operator's own metrics say, which is in `docs/tasks/operate.md`.

pub mod alerts;
pub mod dashboard;
pub mod monitor;

use std::collections::BTreeSet;

/// What every metric of a data plane begins with.
pub const PREFIXES: [&str; 2] = ["gateway_", "http_"];

/// The metrics that an expression asks for, as a scrape has them.
#[must_use]
pub fn metrics(expression: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // What stands in braces, behind `by` or in quotes are labels; a name of a metric begins none of those.
    let outside = expression.split('{').enumerate();
    let outside =
        outside.map(|(at, part)| if at == 0 { part } else { part.split_once('}').map_or("", |it| it.1) });
    let words = outside.flat_map(|part| part.split(|c| !is_name(c)));
    words
        .filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && !LABELS.contains(word))
        .collect()
}

/// Labels that begin as metrics do.
const LABELS: [&str; 3] = ["gateway_namespace", "http_request_method", "http_response_status_code"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_an_expression_are_told_from_its_labels() {
        let expression = "sum by (gateway_namespace, gateway) (rate(gateway_a_total{gateway=~\"gateway_x\"}[5m])) / http_b_sum";
        assert_eq!(metrics(expression), BTreeSet::from(["gateway_a_total", "http_b_sum"]));
        assert_eq!(metrics("1 - x{http_request_method=\"GET\"}"), BTreeSet::new());
    }
}
