//! What one request has been through, written down as it happens and told afterwards by spans, numbers and log lines.
//!
//! Lives on the stack of its request. Absent: anything of the request itself, which is there until the end anyway.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use super::trace::{Outgoing, SpanId, Trace};
use crate::retry::attempts::Pause;
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
    /// The status of the answer that was begun; none: the client had gone before.
    pub status: Option<u16>,
    /// Whether that answer is the gateway's own.
    pub is_local: bool,
    /// Why the answer did not reach the client whole; none: it did, or there is none.
    pub broken: Option<Broken>,
    /// Why there was no further attempt; none: there was not even one, or the client's body was at fault.
    pub reason: Option<Reason>,
}

/// Why an answer that was begun did not reach the client whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The client went away, or took no more of it.
    Client,
    /// The backend broke it off, garbled it or fell silent.
    Upstream,
    /// The route's time was over.
    Deadline,
}

/// An attempt to send a request to a backend.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// Where.
    pub endpoint: SocketAddr,
    /// Its span, if there is a trace.
    pub span: Option<SpanId>,
    /// When an endpoint was about to be chosen.
    pub started: Instant,
    /// How it ended, and when; none: the client went away in the middle of it.
    pub end: Option<(Ended, Instant)>,
    /// The wait for the next one; none: there was no next one.
    pub pause: Option<Pause>,
}

impl Record {
    /// A request that begins.
    pub fn new(started: Instant, trace: Option<Trace>) -> Self {
        Self {
            started,
            trace,
            attempts: Vec::new(),
            status: None,
            is_local: false,
            broken: None,
            reason: None,
        }
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
        self.reason == Some(Reason::Success) && self.attempts.len() > 1 && self.broken.is_none()
    }

    /// Whether somebody will ask what happened: it was retried, it failed, or a retry was refused.
    pub fn is_remarkable(&self) -> bool {
        let retried = self.attempts.len() > 1 || self.attempts.iter().any(|attempt| attempt.pause.is_some());
        let broken = matches!(self.broken, Some(Broken::Upstream | Broken::Deadline));
        retried
            || broken
            || self.status.is_some_and(|status| status >= 500)
            || self.reason.is_some_and(Reason::is_refusal)
    }
}

impl Record {
    /// What went wrong, from the client's point of view; none: nothing, or the client went away.
    pub fn error(&self) -> Option<Cow<'static, str>> {
        match (self.broken, self.status) {
            (Some(broken @ (Broken::Upstream | Broken::Deadline)), _) => return Some(broken.name().into()),
            (_, Some(500..)) => {}
            _ => return None,
        }
        let last = self.attempts.last().map(Attempt::ended);
        match (last, self.reason) {
            (Some(Ended::Failed(failure)), _) if self.is_local => Some(failure.name().into()),
            (None, Some(reason)) if self.is_local => Some(reason.name().into()),
            _ => self.status.map(|status| status.to_string().into()),
        }
    }
}

impl Broken {
    /// The name in spans and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => Failure::ClientGone.name(),
            Self::Upstream => "response_broken",
            Self::Deadline => Failure::Deadline.name(),
        }
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
