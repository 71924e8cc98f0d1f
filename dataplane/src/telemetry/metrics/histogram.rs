//! Histograms with fixed bounds, written by one core and added up by whoever reads them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use super::number::Number;
use crate::telemetry::trace::TraceId;

/// Bounds of durations in microseconds: those that OpenTelemetry advises for HTTP, 5 ms to 10 s.
pub const DURATION_BOUNDS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000,
    5_000_000, 7_500_000, 10_000_000,
];
/// Bounds of the waits between attempts in microseconds.
pub const DELAY_BOUNDS: [u64; 10] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 25_000_000];
/// Bounds of the attempts of a request.
pub const ATTEMPT_BOUNDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Counts of values up to each of `N` bounds, and of those above the last.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [Number; N],
    above: Number,
    sum: Number,
    /// The newest example of each bucket, once there is one.
    exemplars: OnceLock<Box<[ExemplarCell]>>,
}

/// What a histogram says at one moment, summed over cores.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The bounds, in the unit that was observed.
    pub bounds: &'static [u64],
    /// Values in each bucket, not cumulated; the last is above all bounds.
    pub counts: Vec<u64>,
    /// Of all values.
    pub sum: u64,
    /// One for each bucket.
    pub exemplars: Vec<Option<Exemplar>>,
}

/// A request that stands for its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exemplar {
    /// Its trace, which was kept.
    pub trace: TraceId,
    /// What was observed.
    pub value: u64,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// An [`Exemplar`] that one thread replaces while others read it: a version that is odd while it is being written tells
/// them to look again.
#[derive(Debug, Default)]
struct ExemplarCell {
    version: AtomicU64,
    fields: [Number; 4],
}

/// A reader that meets a writer so often goes without.
const READ_TRIES: usize = 4;

impl<const N: usize> Histogram<N> {
    /// Nothing observed yet.
    pub fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: [const { Number::new() }; N],
            above: Number::new(),
            sum: Number::new(),
            exemplars: OnceLock::new(),
        }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        self.count_of(self.bucket(value)).add(1);
        self.sum.add(value);
    }

    /// Counts a duration in microseconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(micros(duration));
    }

    /// Keeps a request that was just counted as the example of its bucket.
    pub fn exemplify(&self, exemplar: Exemplar) {
        let cells = self.exemplars.get_or_init(|| (0..=N).map(|_| ExemplarCell::default()).collect());
        if let Some(cell) = cells.get(self.bucket(exemplar.value)) {
            cell.write(exemplar);
        }
    }

    /// What it says now.
    pub fn read(&self) -> Reading {
        let cells = self.exemplars.get();
        Reading {
            bounds: self.bounds,
            counts: (0..=N).map(|bucket| self.count_of(bucket).load()).collect(),
            sum: self.sum.load(),
            exemplars: (0..=N).map(|bucket| cells?.get(bucket)?.read()).collect(),
        }
    }

    fn bucket(&self, value: u64) -> usize {
        self.bounds.iter().position(|bound| value <= *bound).unwrap_or(N)
    }

    fn count_of(&self, bucket: usize) -> &Number {
        self.counts.get(bucket).unwrap_or(&self.above)
    }
}

impl Reading {
    /// Adds what another core has observed.
    pub fn merge(mut self, other: &Self) -> Self {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.sum += other.sum;
        let newest = |(mine, theirs): (&mut Option<Exemplar>, &Option<Exemplar>)| {
            *mine = [*mine, *theirs].into_iter().flatten().max_by_key(|exemplar| exemplar.unix_ms);
        };
        self.exemplars.iter_mut().zip(&other.exemplars).for_each(newest);
        self
    }
}

impl ExemplarCell {
    fn write(&self, exemplar: Exemplar) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let [high, low] = exemplar.trace.halves();
        let values = [high, low, exemplar.value, exemplar.unix_ms];
        self.fields.iter().zip(values).for_each(|(field, value)| field.set(value));
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// None: there is none yet, or it is being replaced all the time.
    fn read(&self) -> Option<Exemplar> {
        (0..READ_TRIES).find_map(|_| {
            let before = self.version.load(Ordering::Acquire);
            let [high, low, value, unix_ms] = [0, 1, 2, 3].map(|index: usize| self.fields[index].load());
            fence(Ordering::Acquire);
            let quiet = before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before;
            (quiet && before > 0).then(|| TraceId::from_halves([high, low]))?.map(|trace| Exemplar {
                trace,
                value,
                unix_ms,
            })
        })
    }
}

/// Whole microseconds; what does not fit is the most that does.
pub fn micros(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000);
    seconds.saturating_add(u64::from(duration.subsec_micros()))
}
