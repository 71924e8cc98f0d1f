//! How many retries a Service port may cost, over a moving window and all cores together.
//!
//! Pure arithmetic over atomics; the caller brings the time. A retry is paid when it is scheduled, so that a burst
//! that waits in backoff cannot overshoot. It is paid from a share of the original requests, and when that is spent
//! from a floor, which keeps small Services retrying.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rebound_api::config::retry::Budget as Rules;

/// Slots that make up a window. More slots follow the moving window more closely.
const SLOTS: u64 = 10;
/// One more slot than a window has: the oldest is only partly inside.
const RING: usize = SLOTS as usize + 1;
const COUNT_BITS: u32 = 24;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;

/// The budget of one Service port, shared by all cores.
#[derive(Debug)]
pub struct Budget {
    rules: Rules,
    start: Instant,
    requests: Window,
    paid_by_share: Window,
    paid_by_floor: Window,
}

/// Counts of the recent past, in slots that expire.
#[derive(Debug)]
struct Window {
    slot_us: u64,
    /// Slot number in the high bits, count in the low ones: both change in one step.
    ring: [AtomicU64; RING],
}

impl Budget {
    /// An unspent budget whose time begins at `start`.
    pub fn new(rules: Rules, start: Instant) -> Self {
        let (share, floor) = (rules.interval_ms, rules.floor_interval_ms);
        Self {
            rules,
            start,
            requests: Window::new(share),
            paid_by_share: Window::new(share),
            paid_by_floor: Window::new(floor),
        }
    }

    /// What was agreed.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Counts an original request. Retries never come here: they earn nothing.
    pub fn deposit(&self, now: Instant) {
        self.requests.add(self.since(now));
    }

    /// Pays for one retry; false when it cannot be afforded. All cores together never pay too much, and may refuse too
    /// early: each payment is made first and taken back when the sum, which then includes it, is too high.
    pub fn withdraw(&self, now: Instant) -> bool {
        let since = self.since(now);
        let affordable = u64::from(self.rules.percent) * self.requests.sum_inside(since) / 100;
        self.paid_by_share.pay(since, affordable)
            || self.paid_by_floor.pay(since, u64::from(self.rules.floor_count))
    }

    /// Retries that could be paid for now.
    pub fn available(&self, now: Instant) -> u64 {
        let since = self.since(now);
        let share = u64::from(self.rules.percent) * self.requests.sum_inside(since) / 100;
        let floor = u64::from(self.rules.floor_count);
        share.saturating_sub(self.paid_by_share.sum_touching(since))
            + floor.saturating_sub(self.paid_by_floor.sum_touching(since))
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }
}

impl Window {
    fn new(window_ms: u64) -> Self {
        // Slot numbers start at one ring, so that the zeroed slots are in the past.
        Self { slot_us: (window_ms * 1000 / SLOTS).max(1), ring: Default::default() }
    }

    fn add(&self, since: Duration) {
        self.change(self.slot(since), |count| (count + 1).min(COUNT_MAX));
    }

    /// Adds one if the window then holds at most `max`.
    fn pay(&self, since: Duration, max: u64) -> bool {
        if max == 0 {
            return false;
        }
        let slot = self.slot(since);
        self.add(since);
        if self.sum_touching(since) <= max {
            return true;
        }
        self.change(slot, |count| count.saturating_sub(1));
        false
    }

    /// What lies inside the window for certain: the oldest slot, which is partly outside, is left out.
    fn sum_inside(&self, since: Duration) -> u64 {
        let slot = self.slot(since);
        self.sum(slot + 1 - SLOTS, slot)
    }

    /// What lies inside the window at least in part: counting the oldest slot whole errs on the safe side.
    fn sum_touching(&self, since: Duration) -> u64 {
        let slot = self.slot(since);
        self.sum(slot + 1 - RING as u64, slot)
    }

    fn sum(&self, first: u64, last: u64) -> u64 {
        let values = self.ring.iter().map(|slot| slot.load(Ordering::SeqCst));
        let inside = values.filter(|value| (first..=last).contains(&(value >> COUNT_BITS)));
        inside.map(|value| value & COUNT_MAX).sum()
    }

    fn slot(&self, since: Duration) -> u64 {
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        micros / self.slot_us + RING as u64
    }

    /// Changes the count of `slot`, which starts at zero when its place in the ring held an older one.
    fn change(&self, slot: u64, step: impl Fn(u64) -> u64) {
        let place = &self.ring[(slot % RING as u64) as usize];
        let update = |value: u64| {
            let held = value >> COUNT_BITS;
            // A core with an older reading of the clock must not wipe out the newer slot.
            let (number, count) = if held < slot { (slot, 0) } else { (held, value & COUNT_MAX) };
            Some(number << COUNT_BITS | step(count))
        };
        // The closure always returns a value.
        place.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const fn rules(percent: u8, floor_count: u32) -> Rules {
        Rules { percent, interval_ms: 10_000, floor_count, floor_interval_ms: 1_000 }
    }

    fn withdraw_all(budget: &Budget, now: Instant) -> u32 {
        let mut paid = 0;
        while budget.withdraw(now) {
            paid += 1;
        }
        paid
    }

    #[test]
    fn s50_retries_are_at_most_the_share_of_requests_plus_the_floor() {
        let start = clock::now();
        let budget = Budget::new(rules(20, 10), start);
        (0..100).for_each(|_| budget.deposit(start));
        assert_eq!(budget.available(start), 20 + 10);
        assert_eq!(withdraw_all(&budget, start), 20 + 10);
        assert_eq!(budget.available(start), 0);
    }

    #[test]
    fn s52_s53_every_retry_is_paid_for_and_earns_nothing() {
        let start = clock::now();
        let budget = Budget::new(rules(100, 0), start);
        budget.deposit(start);
        assert!(budget.withdraw(start));
        assert!(!budget.withdraw(start), "the retry paid for a further one");
    }

    #[test]
    fn s55_the_floor_holds_at_zero_traffic_and_comes_back_with_time() {
        let start = clock::now();
        let budget = Budget::new(rules(20, 10), start);
        assert_eq!(withdraw_all(&budget, start), 10);
        assert_eq!(withdraw_all(&budget, start + Duration::from_millis(900)), 0);
        assert_eq!(withdraw_all(&budget, start + Duration::from_millis(1_100)), 10);
    }

    #[test]
    fn s55_the_floor_is_one_for_all_cores() {
        let start = clock::now();
        let budget = Budget::new(rules(0, 1000), start);
        let paid: u32 = std::thread::scope(|scope| {
            let cores: Vec<_> = (0..4).map(|_| scope.spawn(|| withdraw_all(&budget, start))).collect();
            cores.into_iter().map(|core| core.join().unwrap()).sum()
        });
        // A core may give up while another's refused payment is still being taken back.
        assert!((990..=1000).contains(&paid), "{paid}");
    }

    #[test]
    fn s58_nothing_agreed_means_no_retries() {
        let start = clock::now();
        let budget = Budget::new(rules(0, 0), start);
        (0..1000).for_each(|_| budget.deposit(start));
        assert_eq!(withdraw_all(&budget, start), 0);
    }

    #[test]
    fn requests_of_the_past_pay_for_nothing() {
        let start = clock::now();
        let budget = Budget::new(rules(20, 0), start);
        (0..100).for_each(|_| budget.deposit(start));
        assert_eq!(withdraw_all(&budget, start + Duration::from_secs(11)), 0);
    }
}
