//! The retry decision: a total function, without clock, randomness or IO.

#[cfg(test)]
mod tests;

use rebound_api::config::retry::{NonIdempotent, Retry};

use super::outcome::Failure;

/// What is known about a request before its first attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method, as sent: names are case-sensitive (RFC 9110 9.1).
    pub method: &'a str,
    /// RFC 9110 9.2.2: sending it twice means the same as once.
    pub idempotent: bool,
    /// It carries an `Idempotency-Key`.
    pub has_idempotency_key: bool,
    /// It came with an attempt number of 2 or more: another layer is retrying it already.
    pub nested: bool,
}

/// What has happened to a request so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Retries that counted against `retries_max`.
    pub retries_done: u8,
    /// The free retry of something that was never sent is spent (RFC 9110 9.2.2: at most one automatic repetition).
    pub transparent_used: bool,
}

/// How an attempt ended, without its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With a response of this status.
    Status {
        /// 200-599.
        code: u16,
        /// Whether the whole request had been sent by then.
        request_sent: bool,
    },
    /// Without one.
    Failed(Failure),
}

/// Whether the request body can be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing of it is lost.
    Possible,
    /// It outgrew its buffer.
    BodyTooLarge,
    /// The process has no room left for replay buffers.
    OutOfMemory,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it again at once: it was never sent, and that costs nobody anything.
    RetryFree,
    /// Send it again after a backoff, if deadline and budget allow.
    Retry,
    /// This was the last attempt.
    Finish(Reason),
}

/// Why there is no further attempt: the closed set behind metric labels, span attributes and log fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The answer is not a failure.
    Success,
    /// A failure that the rules do not list.
    StatusNotListed,
    /// The backend may have acted on it, and the method is not safe to repeat.
    MethodUnsafe,
    /// The request body outgrew its replay buffer.
    BodyTooLarge,
    /// The backend answered before it had the whole request.
    Committed,
    /// The Service port's retries are spent.
    Budget,
    /// The next attempt could not begin before the deadline, or the deadline passed.
    Deadline,
    /// All retries are done.
    Exhausted,
    /// The client went away.
    ClientGone,
    /// No policy, or one that allows no retries.
    Disabled,
    /// No room left for replay buffers.
    Memory,
    /// The request is another layer's retry.
    Nested,
    /// The policy only counts what it would have retried.
    DryRun,
    /// The Service port has no ready endpoint.
    NoEndpoint,
}

impl Reason {
    /// Every reason, in the order of [`Reason::index`].
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::StatusNotListed,
        Self::MethodUnsafe,
        Self::BodyTooLarge,
        Self::Committed,
        Self::Budget,
        Self::Deadline,
        Self::Exhausted,
        Self::ClientGone,
        Self::Disabled,
        Self::Memory,
        Self::Nested,
        Self::DryRun,
        Self::NoEndpoint,
    ];

    /// The position in [`Reason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether a failure was not retried although it was one that could have been.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Success | Self::StatusNotListed | Self::ClientGone | Self::Disabled => false,
            Self::MethodUnsafe
            | Self::BodyTooLarge
            | Self::Committed
            | Self::Budget
            | Self::Deadline
            | Self::Exhausted
            | Self::Memory
            | Self::Nested
            | Self::DryRun
            | Self::NoEndpoint => true,
        }
    }

    /// The name in metrics, spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::StatusNotListed => "status_not_listed",
            Self::MethodUnsafe => "method_unsafe",
            Self::BodyTooLarge => "body_too_large",
            Self::Committed => "committed",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::Exhausted => "exhausted",
            Self::ClientGone => "client_gone",
            Self::Disabled => "disabled",
            Self::Memory => "memory",
            Self::Nested => "nested",
            Self::DryRun => "dry_run",
            Self::NoEndpoint => "no_endpoint",
        }
    }
}

/// Decides on the attempt that just ended. `rules` are those of the request's Service port or rule; none: only
/// what was never sent is repeated, once.
pub fn decide(
    rules: Option<&Retry>,
    request: &Request<'_>,
    progress: Progress,
    ended: Ended,
    replay: Replay,
) -> Decision {
    match ended {
        Ended::Failed(Failure::ClientGone) => return Decision::Finish(Reason::ClientGone),
        Ended::Failed(Failure::Deadline) => return Decision::Finish(Reason::Deadline),
        // Another attempt would find the same empty list.
        Ended::Failed(Failure::NoEndpoint) => return Decision::Finish(Reason::NoEndpoint),
        Ended::Status { code, .. } if code < 400 => return Decision::Finish(Reason::Success),
        Ended::Status { .. } | Ended::Failed(_) => {}
    }
    if is_transparent(request, progress, ended) && replay == Replay::Possible {
        return Decision::RetryFree;
    }
    let Some(rules) = rules.filter(|rules| rules.retries_max > 0) else {
        return Decision::Finish(Reason::Disabled);
    };
    if !is_listed(rules, ended) {
        return Decision::Finish(Reason::StatusNotListed);
    }
    match refusal(rules, request, progress, ended, replay) {
        Some(reason) => Decision::Finish(reason),
        None => Decision::Retry,
    }
}

/// The first failure of a request that was never sent, or that found a pooled connection dead, is not the
/// backend's failure: it is repeated once, with or without a policy.
fn is_transparent(request: &Request<'_>, progress: Progress, ended: Ended) -> bool {
    match ended {
        Ended::Failed(_) if progress.transparent_used => false,
        Ended::Failed(Failure::Stale) => request.idempotent,
        Ended::Failed(failure) => failure.is_unsent(),
        Ended::Status { .. } => false,
    }
}

fn is_listed(rules: &Retry, ended: Ended) -> bool {
    match ended {
        Ended::Status { code, .. } => rules.on.iter().any(|[low, high]| (*low..=*high).contains(&code)),
        Ended::Failed(failure) => match failure {
            Failure::Connect | Failure::ResetBeforeRequest => true,
            Failure::Stale | Failure::Reset => rules.on_reset,
            Failure::PerTryTimeout => rules.on_per_try_timeout,
            Failure::InvalidResponse => rules.on_invalid_response,
            Failure::NoEndpoint | Failure::Silence | Failure::Deadline | Failure::ClientGone => false,
        },
    }
}

/// Why a listed failure is not retried after all.
fn refusal(
    rules: &Retry,
    request: &Request<'_>,
    progress: Progress,
    ended: Ended,
    replay: Replay,
) -> Option<Reason> {
    if !may_repeat(rules, request, ended) {
        return Some(Reason::MethodUnsafe);
    }
    if matches!(ended, Ended::Status { request_sent: false, .. }) {
        return Some(Reason::Committed);
    }
    match replay {
        Replay::Possible => {}
        Replay::BodyTooLarge => return Some(Reason::BodyTooLarge),
        Replay::OutOfMemory => return Some(Reason::Memory),
    }
    if rules.suppress_nested && request.nested {
        return Some(Reason::Nested);
    }
    if progress.retries_done >= rules.retries_max {
        return Some(Reason::Exhausted);
    }
    rules.dry_run.then_some(Reason::DryRun)
}

/// The guard of RFC 9110 9.2.2. The proof that nothing was sent holds for the attempt that just ended, and only
/// for that one: an earlier attempt that was sent has been through here before.
fn may_repeat(rules: &Retry, request: &Request<'_>, ended: Ended) -> bool {
    let listed = rules.methods.is_empty() || rules.methods.iter().any(|method| method == request.method);
    let unsent = matches!(ended, Ended::Failed(failure) if failure.is_unsent());
    let vouched = match rules.non_idempotent {
        NonIdempotent::UnsentOnly => false,
        NonIdempotent::IdempotencyKey => request.has_idempotency_key,
        NonIdempotent::Always => true,
    };
    listed && (unsent || request.idempotent || vouched)
}
