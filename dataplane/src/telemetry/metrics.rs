//! Numbers of one core, written by that core alone and read by the admin thread.

pub mod durations;
pub mod histogram;
mod number;
pub mod service;

use rebound_api::name::Generation;

pub use self::number::Number;

use self::durations::{CLIENT_ERRORS_FROM, Durations, SERVER_ERRORS_FROM};
use self::histogram::{ATTEMPT_BOUNDS, DELAY_BOUNDS, Histogram};
use crate::io::driver::Driver;
use crate::retry::decide::Ended;
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
    /// Spans that the collector took.
    pub spans_exported: Number,
    /// Spans that it did not take.
    pub spans_failed: Number,
    /// Lines of the access log that were written.
    pub lines_written: Number,
    /// Lines that could not be written.
    pub lines_failed: Number,
}

/// The numbers of one core.
#[derive(Debug)]
pub struct CoreMetrics {
    /// The generation that the core serves; zero: none yet.
    pub generation: Number,
    /// [`Driver`] as a number, plus one; zero: not started.
    driver: Number,
    /// Requests answered, by status class.
    pub requests: [Number; CLASSES],
    /// Requests that ended without an answer because the client had gone.
    pub requests_gone: Number,
    /// Requests by method and what the client got.
    pub server_durations: Durations,
    /// Attempts by method and what the backend gave.
    pub client_durations: Durations,
    /// Attempts that requests took.
    pub attempts_per_request: Histogram<5>,
    /// Waits between attempts, in microseconds.
    pub delays: Histogram<10>,
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
    /// Spans that were thrown away because the exporter did not keep up.
    pub spans_dropped: Number,
    /// Lines of the access log that were thrown away because their writer did not keep up.
    pub lines_dropped: Number,
}

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
            spans_exported: Number::default(),
            spans_failed: Number::default(),
            lines_written: Number::default(),
            lines_failed: Number::default(),
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

impl Default for CoreMetrics {
    fn default() -> Self {
        Self {
            generation: Number::default(),
            driver: Number::default(),
            requests: Default::default(),
            requests_gone: Number::default(),
            server_durations: Durations::new(SERVER_ERRORS_FROM),
            client_durations: Durations::new(CLIENT_ERRORS_FROM),
            attempts_per_request: Histogram::new(&ATTEMPT_BOUNDS),
            delays: Histogram::new(&DELAY_BOUNDS),
            client_connections: Number::default(),
            client_accepted: Number::default(),
            upstream_connected: Number::default(),
            pool_idle: Number::default(),
            replay_bytes: Number::default(),
            aside_bytes: Number::default(),
            panics: Number::default(),
            spans_dropped: Number::default(),
            lines_dropped: Number::default(),
        }
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

    /// The cause of a retry after this end of an attempt; none: nothing is retried after it.
    pub fn of(ended: Ended) -> Option<Self> {
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
