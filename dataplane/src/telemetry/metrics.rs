//! Numbers of one core, written by that core alone and read by the admin thread.

use std::sync::atomic::{AtomicU64, Ordering};

use rebound_api::name::Generation;

use crate::io::driver::Driver;
use crate::retry::decide::{Ended, Reason};
use crate::retry::outcome::Failure;

/// Status classes 1xx to 5xx.
pub const CLASSES: usize = 5;

/// The numbers of the process.
#[derive(Debug)]
pub struct Metrics {
    /// One for each core.
    pub cores: Vec<CoreMetrics>,
    /// Snapshots that became active.
    pub reloads_good: Number,
    /// Snapshots that were refused.
    pub reloads_bad: Number,
    /// Cores that had to be started anew.
    pub core_restarts: Number,
}

/// The numbers of one core.
#[derive(Debug, Default)]
pub struct CoreMetrics {
    /// The generation that the core serves; zero: none yet.
    pub generation: Number,
    /// [`Driver`] as a number, plus one; zero: not started.
    driver: Number,
    /// Requests answered, by status class.
    pub requests: [Number; CLASSES],
    /// Requests that ended without an answer because the client had gone.
    pub requests_gone: Number,
    /// Attempts, first ones included.
    pub attempts: Number,
    /// Retries scheduled, by [`Cause`].
    pub retries: [Number; Cause::ALL.len()],
    /// Requests that failed and were not retried any further, by [`Reason`].
    pub suppressed: [Number; Reason::ALL.len()],
    /// Client connections that are open.
    pub client_connections: Number,
    /// Client connections accepted.
    pub client_accepted: Number,
    /// Connections to backends that were made.
    pub upstream_connected: Number,
    /// Idle connections to backends.
    pub pool_idle: Number,
    /// Request body bytes that are kept for replay.
    pub replay_bytes: Number,
    /// Body bytes of discarded answers that are kept in case no better answer comes.
    pub aside_bytes: Number,
    /// Connections that ended in a panic of ours.
    pub panics: Number,
}

/// A number with one writer at a time and any number of readers.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

/// Why a retry was scheduled: metric labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A status that the rules list.
    Status,
    /// See [`Failure::Connect`].
    Connect,
    /// See [`Failure::ResetBeforeRequest`].
    ResetBeforeRequest,
    /// See [`Failure::Stale`].
    Stale,
    /// See [`Failure::Reset`].
    Reset,
    /// See [`Failure::PerTryTimeout`].
    PerTryTimeout,
    /// See [`Failure::InvalidResponse`].
    InvalidResponse,
}

impl Metrics {
    /// All zero, for so many cores.
    pub fn new(cores: usize) -> Self {
        Self {
            cores: (0..cores).map(|_| CoreMetrics::default()).collect(),
            reloads_good: Number::default(),
            reloads_bad: Number::default(),
            core_restarts: Number::default(),
        }
    }

    /// The generation that every core serves; zero while one has none.
    pub fn generation(&self) -> Generation {
        Generation(self.cores.iter().map(|core| core.generation.load()).min().unwrap_or(0))
    }

    /// What the cores run on, when they have started; the lowest step of the ladder that one of them took.
    pub fn driver(&self) -> Option<Driver> {
        let drivers = [Driver::UringDefer, Driver::UringCoop, Driver::Uring, Driver::Epoll];
        let lowest = self.cores.iter().map(|core| core.driver.load()).max()?;
        drivers.get(usize::try_from(lowest).ok()?.checked_sub(1)?).copied()
    }

    /// The sum over all cores.
    pub fn sum(&self, number: impl Fn(&CoreMetrics) -> &Number) -> u64 {
        self.cores.iter().map(|core| number(core).load()).sum()
    }
}

impl CoreMetrics {
    /// Tells what the core runs on.
    pub fn set_driver(&self, driver: Driver) {
        self.driver.set(driver as u64 + 1);
    }

    /// A core that died took with it what it had open, and may not have said so. The next one begins without a plan.
    pub fn forget_what_was_open(&self) {
        let gauges = [&self.generation, &self.client_connections, &self.pool_idle];
        gauges.into_iter().chain([&self.replay_bytes, &self.aside_bytes]).for_each(|gauge| gauge.set(0));
    }

    /// Counts an answer.
    pub fn count_request(&self, status: u16) {
        if let Some(number) = self.requests.get(usize::from(status / 100).wrapping_sub(1)) {
            number.add(1);
        }
    }

    /// Counts a retry.
    pub fn count_retry(&self, ended: Ended) {
        if let Some(cause) = Cause::of(ended) {
            self.retries[cause as usize].add(1);
        }
    }
}

impl Number {
    /// The value.
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Overwrites the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds without the cost of an atomic addition: there is one writer.
    pub fn add(&self, count: u64) {
        self.set(self.load().wrapping_add(count));
    }

    /// Takes away what was added.
    pub fn sub(&self, count: u64) {
        self.set(self.load().saturating_sub(count));
    }
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::Status,
        Self::Connect,
        Self::ResetBeforeRequest,
        Self::Stale,
        Self::Reset,
        Self::PerTryTimeout,
        Self::InvalidResponse,
    ];

    /// The label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Connect => Failure::Connect.name(),
            Self::ResetBeforeRequest => Failure::ResetBeforeRequest.name(),
            Self::Stale => Failure::Stale.name(),
            Self::Reset => Failure::Reset.name(),
            Self::PerTryTimeout => Failure::PerTryTimeout.name(),
            Self::InvalidResponse => Failure::InvalidResponse.name(),
        }
    }

    fn of(ended: Ended) -> Option<Self> {
        match ended {
            Ended::Status { .. } => Some(Self::Status),
            Ended::Failed(failure) => match failure {
                Failure::Connect => Some(Self::Connect),
                Failure::ResetBeforeRequest => Some(Self::ResetBeforeRequest),
                Failure::Stale => Some(Self::Stale),
                Failure::Reset => Some(Self::Reset),
                Failure::PerTryTimeout => Some(Self::PerTryTimeout),
                Failure::InvalidResponse => Some(Self::InvalidResponse),
                Failure::NoEndpoint | Failure::Silence | Failure::Deadline | Failure::ClientGone => None,
            },
        }
    }
}
