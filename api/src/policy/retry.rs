//! The rules by which the requests to one Service port are retried.

use std::time::Duration;

use super::backoff::Backoff;
use super::triggers::Triggers;

/// The most retries that a policy may ask for.
pub const RETRIES_MAX: u8 = 10;
/// Retries of a policy that does not say.
pub const RETRIES_DEFAULT: u8 = 3;
/// The largest replay buffer that a policy may ask for, in bytes.
pub const REPLAY_LIMIT_BYTES: u32 = 16 * 1024 * 1024;
/// The replay buffer of a policy that does not say, in bytes.
pub const REPLAY_DEFAULT_BYTES: u32 = 64 * 1024;

/// The longest window of a budget; the shortest is [`WINDOW_MIN`].
pub const WINDOW_MAX: Duration = Duration::from_secs(60 * 60);
/// The shortest window of a budget.
pub const WINDOW_MIN: Duration = Duration::from_secs(1);

/// What is retried, how often, how far apart and within which limits. All defaults are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryRules {
    /// Whether retries are sent or only counted.
    pub mode: Mode,
    /// The failures that are retried. What was never sent is always retried and has no switch.
    pub on: Triggers,
    /// Retries after the first attempt, 0 to [`RETRIES_MAX`].
    pub retries_max: u8,
    /// The time between attempts.
    pub backoff: Backoff,
    /// From the choice of an endpoint to the end of the response head; none: no limit.
    pub per_try_timeout: Option<Duration>,
    /// All attempts and the waits between them; none: no limit.
    pub total_timeout: Option<Duration>,
    /// Which non-idempotent requests may be sent again after a byte of them was sent.
    pub non_idempotent: NonIdempotent,
    /// Methods that are retried at all; empty: all that `non_idempotent` allows. Case-sensitive (RFC 9110 9.1).
    pub methods: Vec<String>,
    /// Request body bytes kept for replay; a longer body is forwarded but not sent again.
    pub replay_max_bytes: u32,
    /// Prefer an endpoint that this request has not tried.
    pub avoid_tried: bool,
    /// What happens to a request that says it is a retry itself.
    pub nested: Nested,
    /// Send `x-rebound-attempt` to the backend.
    pub attempt_header_request: bool,
    /// Send `x-rebound-attempt` to the client.
    pub attempt_header_response: bool,
    /// How many retries the Service port may cost in all; none: unlimited.
    pub budget: Option<Budget>,
}

/// Whether a policy acts. A policy that is `Disabled` yields no rules at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Retries are sent.
    Enforce,
    /// Retries are decided and counted, and not sent.
    DryRun,
}

/// What may be sent again although the backend may have acted on it (RFC 9110 9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NonIdempotent {
    /// Nothing: such requests are retried only when no byte of them was sent.
    UnsentOnly,
    /// Requests that carry an `Idempotency-Key` field.
    IdempotencyKey,
    /// Everything: the user vouches for the backend.
    Always,
}

/// Requests that arrive with `x-rebound-attempt` of 2 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nested {
    /// They are not retried here, so that layers do not multiply.
    Suppress,
    /// They are retried as any other.
    Allow,
}

/// In any `interval`: retries <= `percent` of the original requests, plus the floor (GEP-3388).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// 0-100.
    pub percent: u8,
    /// The window over which requests and retries are compared, 1 s to 1 h.
    pub interval: Duration,
    /// Retries that are allowed in any `floor_interval` whatever the traffic.
    pub floor_count: u32,
    /// The window of the floor, 1 s to 1 h.
    pub floor_interval: Duration,
}

impl Default for RetryRules {
    /// What a policy that says nothing asks for, and the ceilings where there is no policy at all. Apart from what was
    /// never sent it retries nothing: `retryOn` has no default.
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            on: Triggers::default(),
            retries_max: RETRIES_DEFAULT,
            backoff: Backoff::default(),
            per_try_timeout: None,
            total_timeout: None,
            non_idempotent: NonIdempotent::UnsentOnly,
            methods: Vec::new(),
            replay_max_bytes: REPLAY_DEFAULT_BYTES,
            avoid_tried: true,
            nested: Nested::Suppress,
            attempt_header_request: true,
            attempt_header_response: false,
            budget: Some(Budget::default()),
        }
    }
}

impl Default for Budget {
    /// The budget of a policy that does not say: 20 % over 10 s, and 10 retries in any second.
    fn default() -> Self {
        Self {
            percent: 20,
            interval: Duration::from_secs(10),
            floor_count: 10,
            floor_interval: Duration::from_secs(1),
        }
    }
}
