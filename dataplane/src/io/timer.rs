//! Waiting with a limit. Resolution: one millisecond, rounded up.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use monoio::time;
use pin_project_lite::pin_project;

/// The limit passed before the future ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit passed")]
pub struct Elapsed;

/// Ends at `deadline`.
pub fn sleep_until(deadline: Instant) -> impl Future<Output = ()> {
    time::sleep_until(time::Instant::from_std(deadline))
}

/// Ends after `duration`.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    time::sleep(duration)
}

/// Drops `future` when it has not ended by then.
pub fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Elapsed>> {
    Limited::Until { inner: time::timeout(duration, future) }
}

/// Drops `future` when it has not ended at `deadline`; none: waits for it.
pub fn timeout_at<F: Future>(
    deadline: Option<Instant>,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    match deadline {
        Some(at) => Limited::Until { inner: time::timeout_at(time::Instant::from_std(at), future) },
        None => Limited::Free { inner: future },
    }
}

pin_project! {
    #[project = LimitedProjection]
    enum Limited<F> {
        Until { #[pin] inner: time::Timeout<F> },
        Free { #[pin] inner: F },
    }
}

impl<F: Future> Future for Limited<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            LimitedProjection::Until { inner } => inner.poll(cx).map(|result| result.map_err(|_| Elapsed)),
            LimitedProjection::Free { inner } => inner.poll(cx).map(Ok),
        }
    }
}
