//! The numbers of one Service port. They live on from plan to plan, as its budget does.

use std::sync::OnceLock;

use super::{Cause, Number};
use crate::retry::decide::{Ended, Reason};

/// The numbers of a Service port on every core.
#[derive(Debug)]
pub struct ServiceMetrics {
    /// Made when a core first has something to count: most Service ports of a large cluster are quiet on most cores.
    cores: Box<[OnceLock<Box<ServiceCounters>>]>,
}

/// The numbers of a Service port on one core.
#[derive(Debug, Default)]
pub struct ServiceCounters {
    /// Attempts sent, first ones included.
    pub attempts: Number,
    /// Requests that succeeded by a retry.
    pub rescued: Number,
    /// Retries scheduled, by [`Cause`].
    pub retries: [Number; Cause::ALL.len()],
    /// Requests that failed and were not retried any further, by [`Reason`].
    pub suppressed: [Number; Reason::ALL.len()],
}

impl ServiceCounters {
    /// Counts a retry.
    pub fn count_retry(&self, ended: Ended) {
        if let Some(cause) = Cause::of(ended) {
            self.retries[cause as usize].add(1);
        }
    }
}

impl ServiceMetrics {
    /// All zero, for so many cores.
    pub fn new(cores: usize) -> Self {
        Self { cores: (0..cores).map(|_| OnceLock::new()).collect() }
    }

    /// The numbers that a core writes.
    pub fn of_core(&self, core: usize) -> &ServiceCounters {
        self.cores[core].get_or_init(Box::default)
    }

    /// The sum over all cores.
    pub fn sum(&self, number: impl Fn(&ServiceCounters) -> &Number) -> u64 {
        self.cores.iter().filter_map(OnceLock::get).map(|counters| number(counters).load()).sum()
    }
}
