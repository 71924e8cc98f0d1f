//! The two tables of the seed's page beside each other, and the same as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::load::Outcome;

/// What the demo saw.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) without_policy: Phase,
    pub(super) with_policy: Phase,
}

/// What was sent in one half of the demo, what came back, and what the backend saw of it.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    requests: usize,
    statuses: BTreeMap<u16, usize>,
    attempts: u64,
    p50_ms: f64,
    p99_ms: f64,
    #[serde(skip)]
    errors: Vec<String>,
}

impl Phase {
    pub(super) fn new(outcome: Outcome, attempts: u64) -> Self {
        Self {
            requests: outcome.requests(),
            p50_ms: milliseconds(outcome.percentile(50)),
            p99_ms: milliseconds(outcome.percentile(99)),
            statuses: outcome.statuses,
            attempts,
            errors: outcome.errors,
        }
    }

    /// Attempts per request.
    fn amplification(&self) -> f64 {
        self.attempts as f64 / self.requests.max(1) as f64
    }

    fn share(&self, status: u16) -> String {
        let count = self.statuses.get(&status).copied().unwrap_or_default();
        format!("{count} ({:.1} %)", 100.0 * count as f64 / self.requests.max(1) as f64)
    }
}

impl Report {
    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    pub(super) fn table(&self) -> String {
        let (without, with) = (&self.without_policy, &self.with_policy);
        let mut lines = vec![row("", "without the policy", "with the policy")];
        lines.push(row("requests", &without.requests.to_string(), &with.requests.to_string()));
        for status in self.statuses() {
            lines.push(row(&format!("Code {status}"), &without.share(status), &with.share(status)));
        }
        if !without.errors.is_empty() || !with.errors.is_empty() {
            lines.push(row("no answer", &without.errors.len().to_string(), &with.errors.len().to_string()));
        }
        let pair = |show: fn(&Phase) -> String, name| row(name, &show(without), &show(with));
        lines.push(pair(|phase| phase.attempts.to_string(), "attempts at the backend"));
        lines.push(pair(|phase| format!("{:.2}x", phase.amplification()), "amplification"));
        lines.push(pair(|phase| format!("{:.1} ms", phase.p50_ms), "latency p50"));
        lines.push(pair(|phase| format!("{:.1} ms", phase.p99_ms), "latency p99"));
        lines.join("\n")
    }

    /// The page's promise.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let errors = self.without_policy.errors.iter().chain(&self.with_policy.errors);
        let errors: Vec<_> = errors.map(String::as_str).collect();
        ensure!(errors.is_empty(), "requests without an answer: {}", errors.join("; "));
        let rescued = self.with_policy.statuses.get(&200).copied().unwrap_or_default();
        ensure!(rescued == self.with_policy.requests, "with the policy, not every answer was a 200");
        Ok(())
    }

    fn statuses(&self) -> BTreeSet<u16> {
        self.without_policy.statuses.keys().chain(self.with_policy.statuses.keys()).copied().collect()
    }
}

fn row(name: &str, without: &str, with: &str) -> String {
    format!("{name:<24}{without:>20}{with:>20}").trim_end().to_owned()
}

/// In milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(statuses: &[(u16, usize)], attempts: u64, errors: &[&str]) -> Phase {
        let answered = statuses.iter().map(|(_, count)| count).sum();
        let latencies = vec![Duration::from_micros(1500); answered];
        let errors = errors.iter().map(|error| (*error).to_owned()).collect();
        Phase::new(Outcome { statuses: statuses.iter().copied().collect(), errors, latencies }, attempts)
    }

    #[test]
    fn the_json_has_the_promised_shape() {
        let report = Report {
            without_policy: phase(&[(200, 90), (503, 10)], 100, &[]),
            with_policy: phase(&[(200, 100)], 112, &[]),
        };
        assert_eq!(
            report.json().unwrap(),
            r#"{"without_policy":{"requests":100,"statuses":{"200":90,"503":10},"attempts":100,"p50_ms":1.5,"p99_ms":1.5},"with_policy":{"requests":100,"statuses":{"200":100},"attempts":112,"p50_ms":1.5,"p99_ms":1.5}}"#
        );
        assert!(report.check().is_ok());
    }

    #[test]
    fn a_failure_with_the_policy_fails_the_demo() {
        let report = |with_policy| Report { without_policy: phase(&[(200, 100)], 100, &[]), with_policy };
        assert!(report(phase(&[(200, 99), (503, 1)], 120, &[])).check().is_err());
        assert!(report(phase(&[(200, 99)], 120, &["closed"])).check().is_err());
    }

    #[test]
    fn the_table_shows_every_status_of_both_halves() {
        let report = Report {
            without_policy: phase(&[(200, 90), (503, 10)], 100, &[]),
            with_policy: phase(&[(200, 100)], 112, &[]),
        };
        let table = report.table();
        let line = |name| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("Code 503").contains("10 (10.0 %)") && line("Code 503").ends_with("0 (0.0 %)"));
        assert!(line("amplification").ends_with("1.12x"));
    }
}
