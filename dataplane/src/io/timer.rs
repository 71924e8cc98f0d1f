//! Waiting with a limit. Resolution: one millisecond, rounded up.

use std::future::Future;
use std::time::{Duration, Instant};

use monoio::time;

/// The limit passed before the future ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the time limit passed")]
pub struct Elapsed;

/// Ends at `deadline`.
pub async fn sleep_until(deadline: Instant) {
    time::sleep_until(time::Instant::from_std(deadline)).await;
}

/// Ends after `duration`.
pub async fn sleep(duration: Duration) {
    time::sleep(duration).await;
}

/// Drops `future` when it has not ended by then.
pub async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Elapsed> {
    time::timeout(duration, future).await.map_err(|_| Elapsed)
}

/// Drops `future` when it has not ended at `deadline`; none: waits for it.
pub async fn timeout_at<F: Future>(deadline: Option<Instant>, future: F) -> Result<F::Output, Elapsed> {
    match deadline {
        Some(at) => time::timeout_at(time::Instant::from_std(at), future).await.map_err(|_| Elapsed),
        None => Ok(future.await),
    }
}
