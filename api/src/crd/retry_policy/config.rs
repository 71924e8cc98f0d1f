//! The parts of a `RetryConfig`. Every field may be left out: its default is resolved where rules are made, so that
//! a port can inherit it.
//!
//! Bounds stand in the garde attributes, and the schema takes them from there. Only those of the items of a list that
//! may be absent stand twice, because schemars does not look through two levels of `inner`; a test compares them.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::backoff::{BASE_MAX, BASE_MIN, MULTIPLIER_MAX};
use crate::policy::retry::RETRIES_MAX;
use crate::policy::triggers::TOKENS_MAX;

/// The longest item of `retryOn`; none that means something is nearly as long.
const TOKEN_MAX_CHARS: usize = 64;
/// The longest duration: GEP-2257 needs 28.
const DURATION_MAX_CHARS: usize = 32;

// Of a whole number, the API server's schema asks only the whole part of a bound: 0 would pass as 0.001. Hence the rule.
/// What is retried, how often, how far apart and within which limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "!has(self.backoffBaseInterval) || self.backoffBaseInterval > 0.0",
        "message": "must be 0.001 to 60",
        "reason": "FieldValueInvalid",
        "fieldPath": ".backoffBaseInterval",
    },
]))]
pub struct RetryConfig {
    /// The failures that are retried: status codes (`503`), ranges (`502-504`), classes (`4xx`, `5xx`),
    /// `connect-failure`, `reset-before-request`, `refused-stream`, `reset`, `per-try-timeout`, `gateway-error`,
    /// `invalid-response`, and gRPC statuses (`grpc:unavailable`). What was never sent is always retried. Required,
    /// here or in the configuration that is inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(min = 1, max = TOKENS_MAX), inner(inner(length(chars, max = TOKEN_MAX_CHARS))))]
    #[schemars(inner(length(max = TOKEN_MAX_CHARS)))]
    pub retry_on: Option<Vec<String>>,
    /// Retries after the first attempt. Default 3; 0 switches retries off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = i32::from(RETRIES_MAX)))]
    pub num_retries: Option<i32>,
    /// Seconds before the first retry, ahead of jitter; fractions are allowed. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = BASE_MIN.as_secs_f64(), max = BASE_MAX.as_secs_f64()))]
    pub backoff_base_interval: Option<f64>,
    /// How the wait grows and how it is spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub backoff: Option<BackoffConfig>,
    /// The longest that one attempt may take, from the choice of an endpoint (so connect and TLS count) to the end of
    /// the response head. A duration such as `2s`; `0s` and left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "2s"))]
    pub per_try_timeout: Option<String>,
    /// The longest that all attempts and the waits between them may take. A duration such as `15s`; `0s` and left out:
    /// no limit. A lower `timeouts.request` of the route wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "15s"))]
    pub total_timeout: Option<String>,
    /// What is done with a `Retry-After` header of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub retry_after: Option<RetryAfter>,
    /// Which requests may be sent again although the backend may have acted on them: none but those with an idempotent
    /// method (`UnsentOnly`, the default), also those with an `Idempotency-Key` header, or all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub non_idempotent: Option<NonIdempotent>,
    /// The methods that are retried at all, in upper case as they are sent. Empty or left out: all that
    /// `nonIdempotent` allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 16), inner(inner(length(chars, min = 1, max = 32))))]
    #[schemars(inner(length(min = 1, max = 32)))]
    pub methods: Option<Vec<String>>,
    /// Responses that are retried because of a header field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 16), dive)]
    pub response_headers: Option<Vec<HeaderMatch>>,
    /// How request bodies are kept for another attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub request_body: Option<RequestBody>,
    /// Which endpoint a retry goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub host_selection: Option<HostSelection>,
    /// What the retries to a Service port may cost together (GEP-3388). Left out: the defaults hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub retry_constraint: Option<RetryConstraint>,
    /// What happens to a request that says, by `x-rebound-attempt` of 2 or more, that it is a retry itself. Default
    /// `Suppress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub nested: Option<Nested>,
    /// Who is told the number of the attempt, in `x-rebound-attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub attempt_headers: Option<AttemptHeaders>,
}

/// How the wait grows from retry to retry and how it is spread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct BackoffConfig {
    /// No wait is longer. A duration such as `20s`, at least the base interval. Default: ten times the base interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "20s"))]
    pub max_interval: Option<String>,
    /// The growth from one retry to the next; 1 keeps the wait constant. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 1, max = i32::from(MULTIPLIER_MAX)))]
    pub multiplier: Option<i32>,
    /// How a wait is spread: over all of it (`Full`, the default), over its upper half (`Equal`), not at all (`None`),
    /// or between the base interval and it (`Floor`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub jitter: Option<Jitter>,
}

/// What is done with a `Retry-After` header of the backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct RetryAfter {
    /// Whether the header counts. Default `Honor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mode: Option<RetryAfterMode>,
    /// A backend that asks for more is not retried. A duration such as `5s`. Default `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "5s"))]
    pub max_delay: Option<String>,
    /// The responses whose header counts. Default 429 and 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(max = 16), inner(inner(range(min = 400, max = 599))))]
    #[schemars(inner(range(min = 400, max = 599)))]
    pub status_codes: Option<Vec<i32>>,
}

/// A response header field that makes a response a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// The field's name; case does not matter.
    #[garde(length(chars, min = 1, max = 256))]
    pub name: String,
    /// How the value is compared. Default `Exact`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub kind: Option<HeaderMatchType>,
    /// The value.
    #[garde(length(chars, min = 1, max = 4096))]
    pub value: String,
}

/// How request bodies are kept for another attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct RequestBody {
    /// Bytes kept for another attempt, 0 to 16Mi, such as `64Ki` (the default). A longer body is forwarded all the same
    /// but not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub max_buffered_bytes: Option<IntOrString>,
}

/// Which endpoint a retry goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct HostSelection {
    /// Whether an endpoint is preferred that the request has not tried. Default `Preferred`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub avoid_tried: Option<AvoidTried>,
    /// Whether a retry stays with the endpoint of its session. Default `Break`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub persistence: Option<Persistence>,
}

/// What the retries to a Service port may cost together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct RetryConstraint {
    /// `Disabled`: retries are not limited together. Default `Enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub mode: Option<ConstraintMode>,
    /// Retries in proportion to requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub budget: Option<RetryBudget>,
    /// Retries that are allowed however few requests there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub min_retry_rate: Option<RequestRate>,
}

/// Retries in proportion to requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudget {
    /// Retries for a hundred requests. Default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = 100))]
    pub percent: Option<i32>,
    /// The time over which both are counted, 1s to 1h. Default `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "10s"))]
    pub interval: Option<String>,
}

/// A number of requests in a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct RequestRate {
    /// How many. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(range(min = 0, max = 1_000_000))]
    pub count: Option<i32>,
    /// In which time, 1s to 1h. Default `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(length(chars, max = DURATION_MAX_CHARS))]
    #[schemars(extend("example" = "10s"))]
    pub interval: Option<String>,
}

/// Who is told the number of the attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, garde::Validate)]
#[serde(rename_all = "camelCase")]
pub struct AttemptHeaders {
    /// The backend. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub request: Option<bool>,
    /// The client. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(skip)]
    pub response: Option<bool>,
}

// The schema shows an enum's own description in place of its field's: so it names the values and the default.

/// Whether the policy acts: `Enforce` (the default) sends retries, `DryRun` decides and counts them and sends none, `Disabled` retries
/// nothing and keeps its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Retries are sent.
    Enforce,
    /// Retries are decided and counted, and not sent.
    DryRun,
    /// Nothing is retried.
    Disabled,
}

/// How a wait is spread, so that requests that failed together do not come back together: `Full` (the default) from zero to the interval,
/// `Equal` from half of it, `Floor` from the base interval, `None` not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Jitter {
    /// From zero to the interval.
    Full,
    /// From half the interval to the interval.
    Equal,
    /// The interval itself.
    None,
    /// From the base interval to the interval.
    Floor,
}

/// Which requests may be sent again although the backend may have acted on them: `UnsentOnly` (the default) none but those with an
/// idempotent method, `IdempotencyKey` also those with an `Idempotency-Key` header, `Always` all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NonIdempotent {
    /// None but those with an idempotent method.
    UnsentOnly,
    /// Also those with an `Idempotency-Key` header.
    IdempotencyKey,
    /// All.
    Always,
}

/// Whether a `Retry-After` header of the backend counts: `Honor` (the default) or `Ignore`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RetryAfterMode {
    /// It does.
    Honor,
    /// It does not.
    Ignore,
}

/// How a header's value is compared: `Exact` (the default) or `RegularExpression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HeaderMatchType {
    /// The whole value.
    Exact,
    /// A regular expression.
    RegularExpression,
}

/// Whether an endpoint is preferred that the request has not tried: `Preferred` (the default; when all were tried, any will do) or `Off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AvoidTried {
    /// It is; when all were tried, any will do.
    Preferred,
    /// It is not.
    Off,
}

/// Whether a retry stays with the endpoint of its session: `Break` (the default) or `Keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Persistence {
    /// It does.
    Keep,
    /// It does not.
    Break,
}

/// Whether the retries to a Service port are limited together: `Enabled` (the default) or `Disabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConstraintMode {
    /// They are.
    Enabled,
    /// They are not.
    Disabled,
}

/// What happens to a request that says that it is a retry itself (`x-rebound-attempt` of 2 or more): `Suppress` (the default) does not retry
/// it here, `Allow` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Nested {
    /// It is not retried here.
    Suppress,
    /// It is retried as any other.
    Allow,
}
