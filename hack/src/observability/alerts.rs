//! The alert rules. Each threshold has its reason, each rule the traffic that fires it and that leaves it quiet, and a
//! heading in `docs/tasks/observe.md` that says what to do.

use serde_json::{Value, json};

/// What an alert is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Clients see failures: wake somebody.
    Critical,
    /// Something wears thin: look at it today.
    Warning,
    /// Nobody is hurt; what you look at may be incomplete.
    Info,
}

/// One rule.
#[derive(Debug)]
pub struct Alert {
    /// Its name, and the heading of its part of the runbook.
    pub name: &'static str,
    /// When it holds, in PromQL.
    pub expr: &'static str,
    /// How long it must hold, in Prometheus' words.
    pub lasts: &'static str,
    /// What it is worth.
    pub severity: Severity,
    /// One line about what is wrong, with the labels of the series.
    pub summary: &'static str,
    /// Why this threshold and no other.
    pub because: &'static str,
    /// Series as promtool writes them, a sample each minute, with which it fires after half an hour.
    pub fires: &'static [(&'static str, &'static str)],
    /// And with which it does not.
    pub quiet: &'static [(&'static str, &'static str)],
}

/// The page that says what to do.
pub const RUNBOOK: &str = "docs/tasks/observe.md";

/// Every rule, the most urgent first.
pub const ALERTS: [Alert; 10] = [
    Alert {
        name: "ReboundClientsSeeErrors",
        expr: "sum by (gateway_namespace, gateway) (rate(gateway_requests_total{status_class=\"5xx\"}[5m]))\n\
               / sum by (gateway_namespace, gateway) (rate(gateway_requests_total[5m])) > 0.05",
        lasts: "5m",
        severity: Severity::Critical,
        summary: "Gateway {{ $labels.gateway_namespace }}/{{ $labels.gateway }} answers {{ $value | humanizePercentage }} of its requests with 5xx, retries included",
        because: "One request in twenty that fails after all retries is an outage for somebody. A service level objective of your own is better: replace the 0.05.",
        fires: &[
            ("gateway_requests_total{gateway=\"web\",status_class=\"2xx\"}", "0+90x40"),
            ("gateway_requests_total{gateway=\"web\",status_class=\"5xx\"}", "0+10x40"),
        ],
        quiet: &[
            ("gateway_requests_total{gateway=\"web\",status_class=\"2xx\"}", "0+99x40"),
            ("gateway_requests_total{gateway=\"web\",status_class=\"5xx\"}", "0+1x40"),
        ],
    },
    Alert {
        name: "ReboundNoEndpoint",
        expr: "sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_retry_suppressed_total{reason=\"no_endpoint\"}[5m])) > 0",
        lasts: "2m",
        severity: Severity::Critical,
        summary: "Service {{ $labels.namespace }}/{{ $labels.service }}:{{ $labels.port }} has no ready endpoint and is asked for",
        because: "Every such request is a 503 that no retry can mend. Two minutes, because a Deployment that is recreated has none for a while.",
        fires: &[("gateway_retry_suppressed_total{service=\"pay\",reason=\"no_endpoint\"}", "0+1x40")],
        quiet: &[("gateway_retry_suppressed_total{service=\"pay\",reason=\"no_endpoint\"}", "7+0x40")],
    },
    Alert {
        name: "ReboundCoreDied",
        expr: "sum by (gateway_namespace, gateway, pod, instance) (increase(gateway_worker_restarts_total[30m])\n\
               + increase(gateway_panics_total[30m])) > 0",
        lasts: "0m",
        severity: Severity::Warning,
        summary: "The data plane {{ $labels.pod }} at {{ $labels.instance }} panicked and went on",
        because: "A panic is a mistake in Rebound, whatever caused it: one is worth a report. It costs a connection, or those of one core.",
        fires: &[
            ("gateway_worker_restarts_total{pod=\"web-1\"}", "0x15 1x25"),
            ("gateway_panics_total{pod=\"web-1\"}", "0x40"),
        ],
        quiet: &[
            ("gateway_worker_restarts_total{pod=\"web-1\"}", "1x40"),
            ("gateway_panics_total{pod=\"web-1\"}", "3x40"),
        ],
    },
    Alert {
        name: "ReboundRetryBudgetSpent",
        expr: "sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_retry_suppressed_total{reason=\"budget\"}[5m])) > 0",
        lasts: "5m",
        severity: Severity::Warning,
        summary: "Service {{ $labels.namespace }}/{{ $labels.service }}:{{ $labels.port }} fails more often than its retry budget covers: requests fail without a retry",
        because: "A budget that runs out for moments has done its work. Ten minutes of it (five in the rate, five here) is a backend that fails for more than the share that its policy pays for, 20 % by default.",
        fires: &[("gateway_retry_suppressed_total{service=\"pay\",reason=\"budget\"}", "0+5x40")],
        quiet: &[("gateway_retry_suppressed_total{service=\"pay\",reason=\"budget\"}", "0+5x10 50x30")],
    },
    Alert {
        name: "ReboundRetryRateHigh",
        expr: "sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_retry_attempts_total[5m]))\n\
               / (sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_attempts_total[5m]))\n\
               - sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_retry_attempts_total[5m]))) > 0.1\n\
               and sum by (gateway_namespace, gateway, namespace, service, port) (rate(gateway_retry_attempts_total[5m])) > 0.1",
        lasts: "10m",
        severity: Severity::Warning,
        summary: "Service {{ $labels.namespace }}/{{ $labels.service }}:{{ $labels.port }} gets {{ $value | humanizePercentage }} more requests because of retries",
        because: "Half of the default budget of 20 %: retries still hide the failures, and soon they will not. Fewer than one retry in ten seconds says nothing about a share.",
        fires: &[
            ("gateway_attempts_total{service=\"pay\"}", "0+115x40"),
            ("gateway_retry_attempts_total{service=\"pay\",reason=\"status\"}", "0+15x40"),
        ],
        quiet: &[
            ("gateway_attempts_total{service=\"pay\"}", "0+105x40"),
            ("gateway_retry_attempts_total{service=\"pay\",reason=\"status\"}", "0+5x40"),
            ("gateway_attempts_total{service=\"rare\"}", "0+2x40"),
            ("gateway_retry_attempts_total{service=\"rare\",reason=\"status\"}", "0+1x40"),
        ],
    },
    Alert {
        name: "ReboundReloadFailing",
        expr: "sum by (gateway_namespace, gateway, pod, instance) (increase(gateway_config_reload_total{result=\"failure\"}[15m])) > 0",
        lasts: "0m",
        severity: Severity::Warning,
        summary: "The data plane {{ $labels.pod }} at {{ $labels.instance }} refused a configuration and serves the one before",
        because: "The operator writes only what a data plane accepts, so one refusal is one too many: versions that do not fit, a damaged file or an address that is taken.",
        fires: &[("gateway_config_reload_total{pod=\"web-1\",result=\"failure\"}", "0x20 1x20")],
        quiet: &[
            ("gateway_config_reload_total{pod=\"web-1\",result=\"failure\"}", "1x40"),
            ("gateway_config_reload_total{pod=\"web-1\",result=\"success\"}", "0+1x40"),
        ],
    },
    Alert {
        name: "ReboundGenerationsDiffer",
        expr: "max by (gateway_namespace, gateway) (min_over_time(gateway_config_generation[2m]))\n\
               > min by (gateway_namespace, gateway) (max_over_time(gateway_config_generation[2m]))",
        lasts: "5m",
        severity: Severity::Warning,
        summary: "The data planes of Gateway {{ $labels.gateway_namespace }}/{{ $labels.gateway }} serve different configurations",
        because: "An edit reaches every pod within seconds; what has not arrived after five minutes will not. A pod counts as behind when it has seen nothing within two minutes that another had all that time, so that edits without end do not look like a difference.",
        fires: &[
            ("gateway_config_generation{gateway=\"web\",pod=\"web-1\"}", "7x40"),
            ("gateway_config_generation{gateway=\"web\",pod=\"web-2\"}", "6x40"),
        ],
        quiet: &[
            ("gateway_config_generation{gateway=\"web\",pod=\"web-1\"}", "1+1x40"),
            ("gateway_config_generation{gateway=\"web\",pod=\"web-2\"}", "0+1x40"),
            ("gateway_config_generation{gateway=\"other\",pod=\"other-1\"}", "3x40"),
        ],
    },
    Alert {
        name: "ReboundWithoutConfiguration",
        expr: "max by (gateway_namespace, gateway, pod, instance) (gateway_config_generation) == 0",
        lasts: "5m",
        severity: Severity::Warning,
        summary: "The data plane {{ $labels.pod }} at {{ $labels.instance }} has no configuration and serves nothing",
        because: "A pod gets its first configuration within seconds of its start. It is not ready without, so clients are not hurt while there are others.",
        fires: &[("gateway_config_generation{gateway=\"web\",pod=\"web-1\"}", "0x40")],
        quiet: &[("gateway_config_generation{gateway=\"web\",pod=\"web-1\"}", "0x28 1x12")],
    },
    Alert {
        name: "ReboundSpansLost",
        expr: "sum by (gateway_namespace, gateway, pod, instance) (rate(gateway_telemetry_spans_total{result=~\"failed|dropped\"}[5m])) > 0",
        lasts: "10m",
        severity: Severity::Info,
        summary: "The data plane {{ $labels.pod }} at {{ $labels.instance }} loses spans: traces are incomplete",
        because: "A collector that is restarted loses spans for a moment. Requests are not affected, ever.",
        fires: &[("gateway_telemetry_spans_total{pod=\"web-1\",result=\"dropped\"}", "0+100x40")],
        quiet: &[("gateway_telemetry_spans_total{pod=\"web-1\",result=\"exported\"}", "0+100x40")],
    },
    Alert {
        name: "ReboundAccessLogLost",
        expr: "sum by (gateway_namespace, gateway, pod, instance) (rate(gateway_access_log_lines_total{result=~\"failed|dropped\"}[5m])) > 0",
        lasts: "10m",
        severity: Severity::Info,
        summary: "The data plane {{ $labels.pod }} at {{ $labels.instance }} loses lines of its access log",
        because: "Whoever reads the log is too slow for a while now and then. Requests are not affected, ever.",
        fires: &[("gateway_access_log_lines_total{pod=\"web-1\",result=\"dropped\"}", "0+100x40")],
        quiet: &[("gateway_access_log_lines_total{pod=\"web-1\",result=\"written\"}", "0+100x40")],
    },
];

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl Alert {
    fn rule(&self) -> Value {
        let anchor = self.name.to_lowercase();
        json!({
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": { "severity": self.severity.name() },
            "annotations": {
                "summary": self.summary,
                "description": self.because,
                "runbook": format!("{RUNBOOK}#{anchor}"),
            },
        })
    }
}

/// The rules as Prometheus reads them from a file, and as `spec` of a PrometheusRule.
#[must_use]
pub fn rules() -> Value {
    let rules: Vec<_> = ALERTS.iter().map(Alert::rule).collect();
    json!({ "groups": [{ "name": "rebound-dataplane", "rules": rules }] })
}
