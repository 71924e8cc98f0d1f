//! The arithmetic of waiting: bounds for every input, and the distribution of full jitter.

use std::time::Duration;

use proptest::prelude::*;
use rebound_api::config::retry::{Backoff, Jitter};

use super::*;

/// Draws for the distribution: enough that a bias of a few percent shows.
const DRAWS: usize = 1_000;

fn backoff(base_ms: u64, max_ms: u64, jitter: Jitter) -> Backoff {
    Backoff { base_us: base_ms * 1_000, max_us: max_ms * 1_000, multiplier: 2, jitter }
}

#[track_caller]
fn check(backoff: &Backoff, retry: u32, spread: f64, expected_ms: u64) {
    assert_eq!(delay(backoff, retry, spread), Duration::from_millis(expected_ms));
}

#[test]
fn s39_floor_jitter_stays_between_the_base_and_the_interval() {
    let floor = backoff(100, 10_000, Jitter::Floor);
    check(&floor, 1, 0.0, 100);
    check(&floor, 1, 0.999, 100);
    check(&floor, 4, 0.0, 100);
    check(&floor, 4, 0.5, 450);
    check(&floor, 30, 0.0, 100);
}

#[test]
fn equal_jitter_keeps_half_of_the_interval() {
    let equal = backoff(100, 10_000, Jitter::Equal);
    check(&equal, 1, 0.0, 50);
    check(&equal, 3, 0.0, 200);
    check(&equal, 3, 0.5, 300);
}

#[test]
fn without_jitter_the_interval_doubles_up_to_the_cap() {
    let none = backoff(2_000, 20_000, Jitter::None);
    for (retry, expected) in (1..).zip([2_000, 4_000, 8_000, 16_000, 20_000, 20_000]) {
        check(&none, retry, 0.0, expected);
        check(&none, retry, 0.999, expected);
    }
}

#[test]
fn a_multiplier_of_one_is_a_constant_interval() {
    let constant = Backoff { multiplier: 1, ..backoff(100, 1_000, Jitter::None) };
    [1, 2, 10, u32::MAX].into_iter().for_each(|retry| check(&constant, retry, 0.5, 100));
}

#[test]
fn s40_full_jitter_is_uniform_from_zero_to_the_interval() {
    const BINS: usize = 20;
    /// Of a chi-square distribution with 19 degrees of freedom, one draw in ten thousand is above this.
    const CHI_SQUARE_MAX: f64 = 50.8;
    let full = backoff(2_000, 20_000, Jitter::Full);
    let mut dice = fastrand::Rng::with_seed(89);
    let draws: Vec<_> = (0..DRAWS).map(|_| delay(&full, 1, dice.f64()).as_secs_f64()).collect();
    let mut bins = [0.0; BINS];
    draws.iter().for_each(|seconds| bins[((seconds / 2.0 * BINS as f64) as usize).min(BINS - 1)] += 1.0);
    let expected = DRAWS as f64 / BINS as f64;
    let chi_square: f64 = bins.iter().map(|count| (count - expected) * (count - expected) / expected).sum();
    assert!(chi_square < CHI_SQUARE_MAX, "{chi_square}: {bins:?}");
    let longest = draws.into_iter().fold(0.0, f64::max);
    assert!(longest > 1.9 && longest <= 2.0, "{longest}");
}

#[test]
fn s40_full_jitter_grows_with_the_interval_up_to_the_cap() {
    let full = backoff(2_000, 20_000, Jitter::Full);
    for (retry, expected) in (1..).zip([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
        check(&full, retry, 0.5, expected);
    }
}

#[test]
fn s42_no_retry_number_overflows() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::None, Jitter::Floor] {
        let widest = Backoff { base_us: 60_000_000, max_us: 86_400_000_000, multiplier: 10, jitter };
        for retry in [0, 1, 20, 64, u32::MAX - 1, u32::MAX] {
            assert!(delay(&widest, retry, 0.999_999) <= Duration::from_secs(86_400));
        }
    }
    check(&backoff(1, 7, Jitter::None), u32::MAX, 0.0, 7);
}

fn any_backoff() -> impl Strategy<Value = Backoff> {
    let jitter =
        prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None), Just(Jitter::Floor)];
    (1..=60_000_000_u64, 0..=86_340_000_000_u64, 1..=10_u32, jitter).prop_map(
        |(base_us, above, multiplier, jitter)| Backoff {
            base_us,
            max_us: base_us + above,
            multiplier,
            jitter,
        },
    )
}

proptest! {
    #[test]
    fn s42_a_wait_is_never_above_the_cap_nor_below_its_floor(
        backoff in any_backoff(), retry in any::<u32>(), spread in 0.0..1.0_f64
    ) {
        let wait = delay(&backoff, retry, spread);
        prop_assert!(wait <= Duration::from_micros(backoff.max_us));
        let interval = delay(&Backoff { jitter: Jitter::None, ..backoff.clone() }, retry, 0.0);
        let floor = match backoff.jitter {
            Jitter::Full => Duration::ZERO,
            Jitter::Equal => Duration::from_micros(interval.as_micros() as u64 / 2),
            Jitter::None => interval,
            Jitter::Floor => Duration::from_micros(backoff.base_us),
        };
        prop_assert!(floor <= wait && wait <= interval);
    }

    #[test]
    fn a_later_retry_never_waits_less_for_the_same_throw(
        backoff in any_backoff(), retry in 1..u32::MAX, spread in 0.0..1.0_f64
    ) {
        prop_assert!(delay(&backoff, retry, spread) <= delay(&backoff, retry + 1, spread));
    }
}

proptest! {
    #[test]
    fn the_longest_wait_is_the_one_that_admission_warns_about(
        base_us in 1_u64..60_000_000,
        cap in 1_u64..20,
        multiplier in 1_u32..=10,
        retry in 1_u32..=10,
    ) {
        use rebound_api::policy::backoff as policy;
        let (base, max) = (Duration::from_micros(base_us), Duration::from_micros(base_us * cap));
        let told = policy::Backoff::new(base, max, multiplier, policy::Jitter::None).unwrap().ceiling(retry);
        let wire = Backoff { base_us, max_us: base_us * cap, multiplier, jitter: Jitter::None };
        prop_assert_eq!(delay(&wire, retry, 0.0), told);
    }
}
