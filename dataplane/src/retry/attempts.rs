//! The attempt loop: carries out what `decide` says, and bounds it all by deadline and budget.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::{Duration, Instant};

use rebound_api::config::retry::Retry;

use super::backoff;
use super::budget::Budget;
use super::decide::{Decision, Ended, Progress, Reason, Replay, Request, decide};
use super::outcome::{Failure, Outcome};
use crate::clock::Clock;

/// What makes attempts. A response that is neither returned nor discarded never existed for the client.
pub trait Upstream {
    /// What it takes to pass a response on.
    type Response;

    /// Sends the request once and waits for the response head, at most until `deadline`. `number` is 1 for the
    /// first attempt.
    fn attempt(
        &mut self,
        number: u32,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Outcome<Self::Response>>;

    /// Whether the request can be sent once more.
    fn replay(&self) -> Replay;

    /// The attempt has ended like this, and when.
    fn ended(&mut self, ended: Ended, at: Instant);

    /// There will be another attempt after this wait.
    fn scheduled(&mut self, ended: Ended, pause: Pause);

    /// Puts a response aside that the client will not get unless [`Upstream::recall`] asks for it.
    fn discard(&mut self, status: u16, response: Self::Response);

    /// The last response that was put aside, if it could be kept whole; waits for the rest of it at most until
    /// `deadline`.
    fn recall(&mut self, deadline: Option<Instant>) -> impl Future<Output = Option<(u16, Self::Response)>>;
}

/// What bounds the attempts of one request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The request.
    pub request: Request<'a>,
    /// How it is retried; none: there is no policy.
    pub rules: Option<&'a Retry>,
    /// What pays for retries; none: they are free.
    pub budget: Option<&'a Budget>,
    /// The end of all attempts; none: there is no end.
    pub deadline: Option<Deadline>,
}

/// The end of all attempts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Who set it, which decides what the client gets.
    pub source: DeadlineSource,
}

/// Who set a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadlineSource {
    /// `timeouts.request` of the HTTPRoute: the client gets 504 (GEP-1742).
    Route,
    /// `totalTimeout` of the RetryPolicy: the client gets the last answer of a backend where there is one.
    Policy,
}

/// The wait between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// How long it is to be.
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

/// How a request ended.
#[derive(Debug)]
pub struct Finished<R> {
    /// What the client gets.
    pub outcome: Outcome<R>,
    /// Why there was no further attempt.
    pub reason: Reason,
    /// Attempts made, free ones included.
    pub attempts: u32,
}

/// Makes attempts until one is final. `spread` throws the dice for jitter, uniform in [0, 1). Bounded by `retries_max`
/// plus one free repetition.
pub async fn attempts<U: Upstream, C: Clock>(
    call: &Call<'_>,
    upstream: &mut U,
    clock: &C,
    mut spread: impl FnMut() -> f64,
) -> Finished<U::Response> {
    let mut progress = Progress::default();
    let mut number = 1;
    if let Some(budget) = call.budget {
        budget.deposit(clock.now());
    }
    loop {
        let outcome = upstream.attempt(number, call.deadline.map(|deadline| deadline.at)).await;
        let ended_at = clock.now();
        let outcome = blame_deadline(call.deadline, ended_at, outcome);
        let ended = outcome.ended();
        upstream.ended(ended, ended_at);
        let pause = match decide(call.rules, &call.request, progress, ended, upstream.replay()) {
            Decision::Finish(reason) => return finish(call, upstream, outcome, reason, number).await,
            Decision::RetryFree => {
                progress.transparent_used = true;
                Pause { delay: Duration::ZERO, source: Source::Immediate }
            }
            Decision::Retry => {
                progress.retries_done += 1;
                match schedule(call, progress.retries_done, clock.now(), &mut spread) {
                    Ok(delay) => Pause { delay, source: Source::Backoff },
                    Err(reason) => return finish(call, upstream, outcome, reason, number).await,
                }
            }
        };
        // The wait begins with the end of the attempt: throwing its response away must not add to it.
        let until = clock.now() + pause.delay;
        if let Outcome::Response { status, response, .. } = outcome {
            upstream.discard(status, response);
        }
        upstream.scheduled(ended, pause);
        if !pause.delay.is_zero() {
            clock.sleep_until(until).await;
        }
        number += 1;
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

impl<R> Outcome<R> {
    fn ended(&self) -> Ended {
        match self {
            Self::Response { status, request_sent, .. } => {
                Ended::Status { code: *status, request_sent: *request_sent }
            }
            Self::Failed(failure) => Ended::Failed(*failure),
        }
    }
}

/// What fails when the time is over says nothing about a backend.
fn blame_deadline<R>(deadline: Option<Deadline>, now: Instant, outcome: Outcome<R>) -> Outcome<R> {
    match outcome {
        Outcome::Failed(failure)
            if failure != Failure::ClientGone && deadline.is_some_and(|deadline| now >= deadline.at) =>
        {
            Outcome::Failed(Failure::Deadline)
        }
        Outcome::Response { .. } | Outcome::Failed(_) => outcome,
    }
}

/// The wait before retry `retry`, paid for; or why it does not happen. A wait that could not end before the
/// deadline is not begun: the client gets its answer now.
fn schedule(
    call: &Call<'_>,
    retry: u8,
    now: Instant,
    spread: &mut impl FnMut() -> f64,
) -> Result<Duration, Reason> {
    let wait = match call.rules {
        Some(rules) => backoff::delay(&rules.backoff, u32::from(retry), spread()),
        None => Duration::ZERO,
    };
    if call.deadline.is_some_and(|deadline| now + wait >= deadline.at) {
        return Err(Reason::Deadline);
    }
    match call.budget {
        Some(budget) if !budget.withdraw(now) => Err(Reason::Budget),
        Some(_) | None => Ok(wait),
    }
}

/// The client gets the last real answer: that of the final attempt, else the last one put aside. Only the route's
/// own timeout takes its place, which promises 504.
async fn finish<U: Upstream>(
    call: &Call<'_>,
    upstream: &mut U,
    outcome: Outcome<U::Response>,
    reason: Reason,
    attempts: u32,
) -> Finished<U::Response> {
    let by_route = call.deadline.is_some_and(|deadline| deadline.source == DeadlineSource::Route);
    let outcome = match outcome {
        Outcome::Response { status, response, .. } if reason == Reason::Deadline && by_route => {
            upstream.discard(status, response);
            Outcome::Failed(Failure::Deadline)
        }
        Outcome::Failed(_) if reason == Reason::Deadline && by_route => Outcome::Failed(Failure::Deadline),
        Outcome::Failed(failure) => match upstream.recall(call.deadline.map(|deadline| deadline.at)).await {
            Some((status, response)) => Outcome::Response { status, request_sent: true, response },
            None => Outcome::Failed(failure),
        },
        Outcome::Response { .. } => outcome,
    };
    Finished { outcome, reason, attempts }
}
