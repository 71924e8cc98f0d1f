//! What one request has been through, written down as it happens and told afterwards by spans, numbers and log lines.
//!
//! Lives on the stack of its request. Absent: anything of the request itself, which is there until the end anyway.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::trace::{Outgoing, SpanId, Trace};
use crate::retry::decide::{Ended, Reason};
use crate::retry::outcome::Failure;

/// A request from its head to the end of its answer.
#[derive(Debug)]
pub struct Record {
    /// When its head was complete.
    pub started: Instant,
    /// Its place in a trace; none: traces are off.
    pub trace: Option<Trace>,
    /// In order; those that found no endpoint left out.
    pub attempts: Vec<Attempt>,
    /// The status that the client was given; none: it had gone.
    pub status: Option<u16>,
    /// Why there was no further attempt; none: there was not even one.
    pub reason: Option<Reason>,
}

/// A request that was sent to a backend.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Where.
    pub endpoint: SocketAddr,
    /// Its span, if there is a trace.
    pub span: Option<SpanId>,
    /// When an endpoint had been chosen.
    pub started: Instant,
    /// How it ended, and when; none: the client went away in the middle of it.
    pub end: Option<(Ended, Instant)>,
    /// The wait for the next one; none: there was no next one.
    pub pause: Option<Pause>,
}

/// The wait between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long it was to be.
    pub delay: Duration,
    /// Who asked for it.
    pub source: Source,
}

/// Who asked for a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The policy's backoff.
    Backoff,
    /// Nobody: what was never sent is sent again at once.
    Immediate,
}

impl Record {
    /// A request that begins.
    pub fn new(started: Instant, trace: Option<Trace>) -> Self {
        Self { started, trace, attempts: Vec::new(), status: None, reason: None }
    }

    /// An attempt begins. Returns what it sends; `dice`: for the number of its span.
    pub fn begin_attempt(
        &mut self,
        endpoint: SocketAddr,
        started: Instant,
        dice: impl FnOnce() -> u64,
    ) -> Option<Outgoing> {
        let span = self.trace.map(|_| SpanId::of_dice(dice()));
        self.attempts.push(Attempt { endpoint, span, started, end: None, pause: None });
        Some(self.trace?.outgoing(span?))
    }

    /// The attempt that began last has ended. One that found no endpoint was never begun.
    pub fn end_attempt(&mut self, ended: Ended, at: Instant) {
        let running = self.attempts.last_mut().filter(|attempt| attempt.end.is_none());
        if let Some(attempt) = running {
            attempt.end = Some((ended, at));
        }
    }

    /// Another attempt will follow.
    pub fn pause(&mut self, pause: Pause) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.pause = Some(pause);
        }
    }

    /// Whether it succeeded by a retry.
    pub fn is_rescued(&self) -> bool {
        self.reason == Some(Reason::Success) && self.attempts.len() > 1
    }

    /// Whether somebody will ask what happened: it was retried, it failed, or a retry was refused.
    pub fn is_remarkable(&self) -> bool {
        self.attempts.len() > 1
            || self.status.is_some_and(|status| status >= 500)
            || self.reason.is_some_and(Reason::is_refusal)
    }
}

impl Attempt {
    /// How it ended; where the client went away in the middle of it, it ended with that.
    pub fn ended(&self) -> Ended {
        self.end.map_or(Ended::Failed(Failure::ClientGone), |(ended, _)| ended)
    }

    /// When it ended; `now` if only the end of the request ended it.
    pub fn ended_at(&self, now: Instant) -> Instant {
        self.end.map_or(now, |(_, at)| at)
    }
}

impl Source {
    /// The name in spans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backoff => "backoff",
            Self::Immediate => "immediate",
        }
    }
}
