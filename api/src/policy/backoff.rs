//! How long to wait between attempts. No clock and no randomness: the data plane has both.

use std::time::Duration;

/// The shortest base interval that a policy may ask for.
pub const BASE_MIN: Duration = Duration::from_millis(1);
/// The longest base interval that a policy may ask for.
pub const BASE_MAX: Duration = Duration::from_secs(60);
/// The base interval of a policy that does not say.
pub const BASE_DEFAULT: Duration = Duration::from_secs(1);
/// The cap of a policy that names none, as a multiple of its base.
pub const CAP_DEFAULT_FACTOR: u32 = 10;
/// The fastest growth that a policy may ask for.
pub const MULTIPLIER_MAX: u8 = 10;
/// The growth of a policy that does not say.
pub const MULTIPLIER_DEFAULT: u32 = 2;

/// Exponential backoff: `base * multiplier^(n-1)` before retry `n`, at most `max`, then spread by `jitter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    multiplier: u32,
    jitter: Jitter,
}

/// How a computed interval is spread, so that clients that failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// Uniform in `[0, interval]`.
    Full,
    /// Uniform in `[interval / 2, interval]`.
    Equal,
    /// The interval itself.
    None,
    /// At least the base: uniform in `[base, interval]`. HTTPRoute `retry.backoff` (GEP-1731) means this.
    Floor,
}

impl Default for Backoff {
    /// The backoff of a policy that says nothing about it.
    fn default() -> Self {
        let max = BASE_DEFAULT * CAP_DEFAULT_FACTOR;
        Self { base: BASE_DEFAULT, max, multiplier: MULTIPLIER_DEFAULT, jitter: Jitter::Full }
    }
}

impl Backoff {
    /// Invariant: `0 < base <= max` and `1 <= multiplier <= 10`; the error says which part is broken.
    pub fn new(base: Duration, max: Duration, multiplier: u32, jitter: Jitter) -> Result<Self, &'static str> {
        if base.is_zero() {
            return Err("the base interval must be above zero");
        }
        if max < base {
            return Err("the cap is below the base interval");
        }
        if !(1..=MULTIPLIER_MAX.into()).contains(&multiplier) {
            return Err("the multiplier must be 1 to 10");
        }
        Ok(Self { base, max, multiplier, jitter })
    }

    /// The interval before the first retry, ahead of jitter.
    pub fn base(&self) -> Duration {
        self.base
    }

    /// No interval is longer than this.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The growth from one retry to the next, 1-10.
    pub fn multiplier(&self) -> u32 {
        self.multiplier
    }

    /// How the interval is spread.
    pub fn jitter(&self) -> Jitter {
        self.jitter
    }

    /// The longest sleep before retry `retry` (1 is the first). Saturates: no `retry` overflows.
    pub fn ceiling(&self, retry: u32) -> Duration {
        let factor = self.multiplier.saturating_pow(retry.saturating_sub(1));
        self.base.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(base_s: u64, max_s: u64, multiplier: u32) -> Result<Backoff, &'static str> {
        Backoff::new(Duration::from_secs(base_s), Duration::from_secs(max_s), multiplier, Jitter::None)
    }

    fn ceilings(backoff: &Backoff, retries: u32) -> Vec<u64> {
        (1..=retries).map(|retry| backoff.ceiling(retry).as_secs()).collect()
    }

    #[test]
    fn waits_grow_by_the_multiplier_up_to_the_cap() {
        assert_eq!(ceilings(&backoff(2, 20, 2).unwrap(), 6), [2, 4, 8, 16, 20, 20]);
        assert_eq!(ceilings(&backoff(1, 100, 10).unwrap(), 4), [1, 10, 100, 100]);
        assert_eq!(ceilings(&backoff(3, 30, 1).unwrap(), 3), [3, 3, 3]);
    }

    #[test]
    fn s42_the_exponent_saturates() {
        let backoff = backoff(60, 600, 10).unwrap();
        for retry in [11, 33, 64, 1000, u32::MAX] {
            assert_eq!(backoff.ceiling(retry), Duration::from_secs(600), "{retry}");
        }
        assert_eq!(backoff.ceiling(0), Duration::from_secs(60));
    }

    #[test]
    fn nonsense_is_refused() {
        for (base, max, multiplier) in [(0, 1, 2), (2, 1, 2), (1, 1, 0), (1, 1, 11)] {
            assert!(backoff(base, max, multiplier).is_err(), "{base} {max} {multiplier}");
        }
    }
}
