//! How long to wait before a retry. Arithmetic only: the caller brings the dice.

#[cfg(test)]
mod tests;

use std::time::Duration;

use rebound_api::config::retry::{Backoff, Jitter};

/// The wait before retry `retry` (1 is the first). `spread` is uniform in [0, 1).
///
/// Never above `max_us`, whatever `retry` is.
pub fn delay(backoff: &Backoff, retry: u32, spread: f64) -> Duration {
    let ceiling = ceiling_us(backoff, retry);
    let floor = match backoff.jitter {
        Jitter::Full => 0,
        Jitter::Equal => ceiling / 2,
        Jitter::None => ceiling,
        Jitter::Floor => backoff.base_us,
    };
    Duration::from_micros(floor + scaled(ceiling - floor, spread))
}

fn ceiling_us(backoff: &Backoff, retry: u32) -> u64 {
    let factor = u64::from(backoff.multiplier).saturating_pow(retry.saturating_sub(1));
    backoff.base_us.saturating_mul(factor).min(backoff.max_us)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a range is at most a day of microseconds, far below 2^53, and spread is in [0, 1)"
)]
fn scaled(range: u64, spread: f64) -> u64 {
    (range as f64 * spread).round() as u64
}
