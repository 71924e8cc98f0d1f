//! The only place that reads the clock, and the trait by which tests bring their own.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::io::timer;

/// Time as the attempt loop sees it.
pub trait Clock {
    /// The present.
    fn now(&self) -> Instant;
    /// Ends at `deadline`.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()>;
}

/// The machine's monotonic clock and this core's timers.
#[derive(Debug, Clone, Copy)]
pub struct CoreClock;

impl Clock for CoreClock {
    fn now(&self) -> Instant {
        now()
    }

    async fn sleep_until(&self, deadline: Instant) {
        timer::sleep_until(deadline).await;
    }
}

/// The present.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time since 1970. A clock before that reads as 1970.
pub fn unix() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// The present by both clocks.
pub fn wall() -> (Instant, Duration) {
    (now(), unix())
}

/// Seconds since 1970, for `Date` fields.
pub fn unix_seconds() -> u64 {
    unix().as_secs()
}
