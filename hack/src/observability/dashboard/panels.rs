//! The panels of the dashboard, as a table. Data only.
//!
//! Nothing is chosen for looks alone: every panel answers a question that the runbook asks.

use super::Shape::{Lines, Stat};
use super::{Panel, Row};

/// What Prometheus adds: which Gateway a data plane belongs to.
macro_rules! of_gateway {
    ($metric:literal $(, $label:literal)*) => {
        concat!($metric, "{gateway=~\"$gateway\"", $(",", $label,)* "}")
    };
}
/// A metric of Service ports.
macro_rules! of_service {
    ($metric:literal $(, $label:literal)*) => {
        of_gateway!($metric, "namespace=~\"$namespace\"", "service=~\"$service\"" $(, $label)*)
    };
}
/// Events in a second.
macro_rules! rate {
    ($series:expr) => {
        concat!("rate(", $series, "[$__rate_interval])")
    };
}
macro_rules! quantile {
    ($share:literal, $series:expr) => {
        concat!("histogram_quantile(", $share, ", sum by (le) (", rate!($series), "))")
    };
}
/// The share of attempts or answers that did not fail; 1 while there is traffic and nothing has failed yet.
macro_rules! success {
    ($bad:expr, $all:expr) => {
        concat!("1 - (sum(", rate!($bad), ") or vector(0)) / sum(", rate!($all), ")")
    };
}
macro_rules! by_service {
    ($series:expr) => {
        concat!("sum by (namespace, service, port) (", $series, ")")
    };
}

const SERVICE: &str = "{{namespace}}/{{service}}:{{port}}";
/// Success is the same on both sides: no 5xx, and an answer at all.
const SEEN: &str = success!(
    of_gateway!("gateway_requests_total", "status_class=\"5xx\""),
    of_gateway!("gateway_requests_total")
);
const GIVEN: &str = success!(
    of_gateway!("http_client_request_duration_seconds_count", "error_type!=\"\""),
    of_gateway!("http_client_request_duration_seconds_count")
);

/// Every panel.
pub const ROWS: [Row; 4] = [
    Row {
        title: "At a glance",
        panels: &[
            Panel {
                title: "Requests",
                description: "Answered requests in a second.",
                unit: "reqps",
                shape: Stat,
                queries: &[(concat!("sum(", rate!(of_gateway!("gateway_requests_total")), ")"), "")],
            },
            Panel {
                title: "Success as clients see it",
                description: "Share of requests that were not answered with 5xx, after all retries.",
                unit: "percentunit",
                shape: Stat,
                queries: &[(SEEN, "")],
            },
            Panel {
                title: "Success as backends gave it",
                description: "Share of attempts that were answered, and not with 5xx: what clients would see without retries.",
                unit: "percentunit",
                shape: Stat,
                queries: &[(GIVEN, "")],
            },
            Panel {
                title: "Rescued",
                description: "Requests in a second that failed at first and succeeded by a retry.",
                unit: "reqps",
                shape: Stat,
                queries: &[(
                    concat!("sum(", rate!(of_service!("gateway_retry_rescued_total")), ") or vector(0)"),
                    "",
                )],
            },
            Panel {
                title: "Data planes that serve",
                description: "With a configuration. Fewer than there are pods: some wait for theirs.",
                unit: "none",
                shape: Stat,
                queries: &[(concat!("count(", of_gateway!("gateway_config_generation"), " > 0)"), "")],
            },
            Panel {
                title: "Kernel interface",
                description: "Data planes by the interface that their cores use: io_uring where it is allowed, else epoll.",
                unit: "none",
                shape: Stat,
                queries: &[(
                    concat!("count by (driver) (", of_gateway!("gateway_worker_driver_info"), ")"),
                    "{{driver}}",
                )],
            },
        ],
    },
    Row {
        title: "Requests",
        panels: &[
            Panel {
                title: "Requests by class of answer",
                description: "What clients got. `gone`: the client left before it got anything.",
                unit: "reqps",
                shape: Lines,
                queries: &[
                    (
                        concat!("sum by (status_class) (", rate!(of_gateway!("gateway_requests_total")), ")"),
                        "{{status_class}}",
                    ),
                    (concat!("sum(", rate!(of_gateway!("gateway_requests_abandoned_total")), ")"), "gone"),
                ],
            },
            Panel {
                title: "Success: clients and backends",
                description: "The gap between the lines is what retries hide. When the lower one falls and the upper one does not, retries are at work; when both fall, they are not enough.",
                unit: "percentunit",
                shape: Lines,
                queries: &[(SEEN, "as clients see it"), (GIVEN, "as backends gave it")],
            },
            Panel {
                title: "Durations",
                description: "Whole requests with retries and waits, and single attempts. Points are exemplars: they lead to traces.",
                unit: "s",
                shape: Lines,
                queries: &[
                    (
                        quantile!("0.5", of_gateway!("http_server_request_duration_seconds_bucket")),
                        "request p50",
                    ),
                    (
                        quantile!("0.99", of_gateway!("http_server_request_duration_seconds_bucket")),
                        "request p99",
                    ),
                    (
                        quantile!("0.5", of_gateway!("http_client_request_duration_seconds_bucket")),
                        "attempt p50",
                    ),
                    (
                        quantile!("0.99", of_gateway!("http_client_request_duration_seconds_bucket")),
                        "attempt p99",
                    ),
                ],
            },
            Panel {
                title: "Attempts that failed, by error",
                description: "A status, or why there was none.",
                unit: "reqps",
                shape: Lines,
                queries: &[(
                    concat!(
                        "sum by (error_type) (",
                        rate!(of_gateway!("http_client_request_duration_seconds_count", "error_type!=\"\"")),
                        ")"
                    ),
                    "{{error_type}}",
                )],
            },
        ],
    },
    Row {
        title: "Retries",
        panels: &[
            Panel {
                title: "Retry rate by Service",
                description: "Retries for each first attempt: how much more the backend gets because of retries. The default budget ends at 20 %.",
                unit: "percentunit",
                shape: Lines,
                queries: &[(
                    concat!(
                        by_service!(rate!(of_service!("gateway_retry_attempts_total"))),
                        " / (",
                        by_service!(rate!(of_service!("gateway_attempts_total"))),
                        " - ",
                        by_service!(rate!(of_service!("gateway_retry_attempts_total"))),
                        ")"
                    ),
                    SERVICE,
                )],
            },
            Panel {
                title: "Rescued, by Service",
                description: "Requests that failed at first and succeeded by a retry.",
                unit: "reqps",
                shape: Lines,
                queries: &[(by_service!(rate!(of_service!("gateway_retry_rescued_total"))), SERVICE)],
            },
            Panel {
                title: "Retries, by what made them necessary",
                description: "A status that the policy lists, or how the attempt broke.",
                unit: "reqps",
                shape: Lines,
                queries: &[(
                    concat!("sum by (reason) (", rate!(of_service!("gateway_retry_attempts_total")), ")"),
                    "{{reason}}",
                )],
            },
            Panel {
                title: "Failed and not retried any further, by reason",
                description: "budget, nested: protection against retry storms. method_unsafe, committed, body_too_large: protection against doing things twice. exhausted, deadline: the policy's own end.",
                unit: "reqps",
                shape: Lines,
                queries: &[(
                    concat!("sum by (reason) (", rate!(of_service!("gateway_retry_suppressed_total")), ")"),
                    "{{reason}}",
                )],
            },
            Panel {
                title: "Budget available",
                description: "Retries that the data plane with the fewest could make right now. Zero: failures are passed on.",
                unit: "none",
                shape: Lines,
                queries: &[(
                    concat!(
                        "min by (namespace, service, port) (",
                        of_service!("gateway_retry_budget_available"),
                        ")"
                    ),
                    SERVICE,
                )],
            },
            Panel {
                title: "Attempts of a request",
                description: "One means no retry.",
                unit: "none",
                shape: Lines,
                queries: &[
                    (
                        concat!(
                            "sum(",
                            rate!(of_gateway!("gateway_retry_per_request_sum")),
                            ") / sum(",
                            rate!(of_gateway!("gateway_retry_per_request_count")),
                            ")"
                        ),
                        "mean",
                    ),
                    (quantile!("0.99", of_gateway!("gateway_retry_per_request_bucket")), "p99"),
                ],
            },
            Panel {
                title: "Waits before retries",
                description: "What backoff adds to a retried request, each time.",
                unit: "s",
                shape: Lines,
                queries: &[
                    (quantile!("0.5", of_gateway!("gateway_retry_delay_seconds_bucket")), "p50"),
                    (quantile!("0.99", of_gateway!("gateway_retry_delay_seconds_bucket")), "p99"),
                ],
            },
            Panel {
                title: "Kept for retries",
                description: "Request bodies that may be sent again, and bodies of answers that were set aside.",
                unit: "bytes",
                shape: Lines,
                queries: &[
                    (concat!("sum(", of_gateway!("gateway_retry_replay_bytes"), ")"), "request bodies"),
                    (concat!("sum(", of_gateway!("gateway_retry_aside_bytes"), ")"), "answers set aside"),
                ],
            },
        ],
    },
    Row {
        title: "Data planes",
        panels: &[
            Panel {
                title: "Generation of each pod",
                description: "Lines that stay apart: a pod does not get its configuration, or refuses it.",
                unit: "none",
                shape: Lines,
                queries: &[(of_gateway!("gateway_config_generation"), "{{pod}} {{instance}}")],
            },
            Panel {
                title: "Configurations read",
                description: "In the last five minutes. A failure leaves the last good one in use.",
                unit: "none",
                shape: Lines,
                queries: &[(
                    concat!(
                        "sum by (result) (increase(",
                        of_gateway!("gateway_config_reload_total"),
                        "[5m]))"
                    ),
                    "{{result}}",
                )],
            },
            Panel {
                title: "Connections",
                description: "Open ones of clients, and idle ones to backends.",
                unit: "none",
                shape: Lines,
                queries: &[
                    (concat!("sum by (side) (", of_gateway!("gateway_connections"), ")"), "{{side}}"),
                    (concat!("sum(", of_gateway!("gateway_pool_connections"), ")"), "idle, to backends"),
                ],
            },
            Panel {
                title: "Connections made",
                description: "Many to backends while requests are few: the backend closes them after each answer.",
                unit: "ops",
                shape: Lines,
                queries: &[(
                    concat!("sum by (side) (", rate!(of_gateway!("gateway_connections_opened_total")), ")"),
                    "{{side}}",
                )],
            },
            Panel {
                title: "Panics and restarts",
                description: "In the last five minutes. Any is worth a report.",
                unit: "none",
                shape: Lines,
                queries: &[
                    (
                        concat!("sum(increase(", of_gateway!("gateway_panics_total"), "[5m]))"),
                        "connections that panicked",
                    ),
                    (
                        concat!("sum(increase(", of_gateway!("gateway_worker_restarts_total"), "[5m]))"),
                        "cores started anew",
                    ),
                ],
            },
            Panel {
                title: "Spans",
                description: "failed: the collector did not take them; dropped: they came faster than they could be sent.",
                unit: "ops",
                shape: Lines,
                queries: &[(
                    concat!("sum by (result) (", rate!(of_gateway!("gateway_telemetry_spans_total")), ")"),
                    "{{result}}",
                )],
            },
            Panel {
                title: "Lines of the access log",
                description: "failed: they could not be written; dropped: whoever reads the log is too slow.",
                unit: "ops",
                shape: Lines,
                queries: &[(
                    concat!("sum by (result) (", rate!(of_gateway!("gateway_access_log_lines_total")), ")"),
                    "{{result}}",
                )],
            },
        ],
    },
];
