//! What spans are written with: the numbers of opentelemetry/proto/trace/v1/trace.proto, and names where the semantic
//! conventions have none. Pure.

/// Fields of `Span`.
pub(super) mod field {
    pub(in crate::telemetry) const TRACE_ID: u8 = 1;
    pub(in crate::telemetry) const SPAN_ID: u8 = 2;
    pub(in crate::telemetry) const TRACE_STATE: u8 = 3;
    pub(in crate::telemetry) const PARENT_SPAN_ID: u8 = 4;
    pub(in crate::telemetry) const NAME: u8 = 5;
    pub(in crate::telemetry) const KIND: u8 = 6;
    pub(in crate::telemetry) const START: u8 = 7;
    pub(in crate::telemetry) const END: u8 = 8;
    pub(in crate::telemetry) const EVENTS: u8 = 11;
    pub(in crate::telemetry) const STATUS: u8 = 15;
    pub(in crate::telemetry) const FLAGS: u8 = 16;
}

/// `Span.kind`.
pub(super) mod kind {
    pub(in crate::telemetry) const SERVER: u64 = 2;
    pub(in crate::telemetry) const CLIENT: u64 = 3;
}

/// Fields of `Span.Event`.
pub(super) mod event_field {
    pub(in crate::telemetry) const TIME: u8 = 1;
    pub(in crate::telemetry) const NAME: u8 = 2;
}

/// The event of a retry.
pub const RETRY_SCHEDULED: &str = "retry.scheduled";

/// Attributes of ours.
pub mod own {
    /// Attempts made for the request.
    pub const ATTEMPTS: &str = "rebound.retry.attempts";
    /// Why there was no further attempt; in an event, why there was one.
    pub const REASON: &str = "rebound.retry.reason";
    /// Where the retry rules come from, as `namespace/name`.
    pub const POLICY: &str = "rebound.retry.policy";
    /// The number of the attempt that failed, from 1.
    pub const ATTEMPT: &str = "rebound.retry.attempt";
    /// The wait that followed, in milliseconds.
    pub const DELAY: &str = "rebound.retry.delay_ms";
    /// Who asked for the wait.
    pub const SOURCE: &str = "rebound.retry.source";
    /// The HTTPRoute, as `namespace/name`.
    pub const ROUTE: &str = "rebound.route";
    /// The port of the Service.
    pub const SERVICE_PORT: &str = "rebound.service.port";
}
