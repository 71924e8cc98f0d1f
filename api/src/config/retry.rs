//! How requests are retried, in numbers.

use serde::{Deserialize, Serialize};

use super::list::exact;
use crate::name::ObjectKey;

/// How a Service port, or a rule's requests to it, are retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The RetryPolicy or HTTPRoute that these rules come from: a label of metrics and spans.
    pub origin: ObjectKey,
    /// True: decide and count, send nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// Status codes that are retried: inclusive ranges within 400-599, sorted, not touching.
    #[serde(deserialize_with = "exact")]
    pub on: Vec<[u16; 2]>,
    /// Retry a connection that broke between the request and the end of the response head.
    pub on_reset: bool,
    /// Retry an attempt that exceeded `per_try_timeout_ms` or the rule's `attempt_timeout_ms`.
    pub on_per_try_timeout: bool,
    /// Retry an answer that is not HTTP.
    pub on_invalid_response: bool,
    /// Retries after the first attempt, 0-10.
    pub retries_max: u8,
    /// The time between attempts.
    pub backoff: Backoff,
    /// From the choice of an endpoint to the end of the response head; none: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout_ms: Option<u64>,
    /// All attempts and the waits between them; none: no limit. The last real answer is returned when the next wait
    /// would not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_timeout_ms: Option<u64>,
    /// Which non-idempotent requests may be sent again.
    pub non_idempotent: NonIdempotent,
    /// Methods that are retried at all; empty: all that `non_idempotent` allows.
    #[serde(default, deserialize_with = "exact", skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Request body bytes kept for replay, 0 to 16 MiB.
    pub replay_max_bytes: u32,
    /// Prefer an endpoint that this request has not tried.
    pub avoid_tried: bool,
    /// A request that arrives with `x-rebound-attempt` of 2 or more is not retried.
    pub suppress_nested: bool,
    /// Send `x-rebound-attempt` to the backend.
    pub attempt_header_request: bool,
    /// Send `x-rebound-attempt` to the client.
    pub attempt_header_response: bool,
}

/// Exponential backoff, see `policy::backoff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// Before the first retry, ahead of jitter; above zero.
    pub base_us: u64,
    /// The longest wait; at least `base_us`.
    pub max_us: u64,
    /// Growth from one retry to the next, 1-10.
    pub multiplier: u32,
    /// How a wait is spread.
    pub jitter: Jitter,
}

/// How a wait is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Uniform from zero to the interval.
    Full,
    /// Uniform from half the interval to the interval.
    Equal,
    /// The interval.
    None,
    /// Uniform from the base to the interval.
    Floor,
}

/// What may be sent again although a byte of it was sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonIdempotent {
    /// Idempotent methods only.
    UnsentOnly,
    /// Also requests with an `Idempotency-Key` field.
    IdempotencyKey,
    /// Everything.
    Always,
}

/// In any `interval_ms`: retries <= `percent` of the original requests plus the floor (GEP-3388).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// 0-100.
    pub percent: u8,
    /// The window, 1 s to 1 h.
    pub interval_ms: u64,
    /// Retries that are allowed in any `floor_interval_ms` whatever the traffic.
    pub floor_count: u32,
    /// The window of the floor, 1 s to 1 h.
    pub floor_interval_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_false(value: &bool) -> bool {
    !*value
}
