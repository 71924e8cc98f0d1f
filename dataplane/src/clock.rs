//! The only place that reads the clock, and the trait by which tests bring their own.

use std::future::Future;
use std::time::Instant;

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

/// Seconds since 1970, for `Date` fields. A clock before that reads as 1970.
pub fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
