//! Which kernel interface a core runs on: io_uring where it is allowed, epoll everywhere else.
//!
//! The ladder goes from the cheapest ring to the oldest interface. A container's default seccomp profile denies
//! io_uring, kernels before 6.1 lack `DEFER_TASKRUN`: each such refusal is one step down, not an error.

use std::fmt;
use std::future::Future;
use std::io;

use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

/// Submission queue entries of a core's ring.
const RING_ENTRIES: u32 = 1024;

/// What the operator of the process asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// The best that works.
    #[default]
    Auto,
    /// io_uring or nothing.
    Uring,
    /// epoll.
    Epoll,
}

/// What a core runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// io_uring with `SINGLE_ISSUER` and `DEFER_TASKRUN` (Linux 6.1).
    UringDefer,
    /// io_uring with `COOP_TASKRUN` (Linux 5.19).
    UringCoop,
    /// io_uring without flags.
    Uring,
    /// epoll.
    Epoll,
}

/// A core's runtime, ready to run one future to its end.
pub struct CoreRuntime {
    driver: Driver,
    runtime: Inner,
}

enum Inner {
    Uring(Runtime<TimeDriver<IoUringDriver>>),
    Epoll(Runtime<TimeDriver<LegacyDriver>>),
}

impl Choice {
    fn ladder(self) -> &'static [Driver] {
        match self {
            Self::Auto => &[Driver::UringDefer, Driver::UringCoop, Driver::Uring, Driver::Epoll],
            Self::Uring => &[Driver::UringDefer, Driver::UringCoop, Driver::Uring],
            Self::Epoll => &[Driver::Epoll],
        }
    }
}

impl Driver {
    /// The name in logs, `/generation` and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::UringDefer => "uring-defer",
            Self::UringCoop => "uring-coop",
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }

    fn build(self) -> io::Result<CoreRuntime> {
        let mut flags = io_uring::IoUring::builder();
        match self {
            Self::UringDefer => {
                flags.setup_single_issuer().setup_defer_taskrun();
            }
            Self::UringCoop => {
                flags.setup_coop_taskrun();
            }
            Self::Uring => {}
            Self::Epoll => {
                let runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()?;
                return Ok(CoreRuntime { driver: self, runtime: Inner::Epoll(runtime) });
            }
        }
        let builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(RING_ENTRIES).uring_builder(flags);
        let runtime = builder.enable_timer().build()?;
        Ok(CoreRuntime { driver: self, runtime: Inner::Uring(runtime) })
    }
}

impl CoreRuntime {
    /// Takes the first step of the ladder that the kernel grants. Must be called on the core's own thread.
    pub fn new(choice: Choice) -> io::Result<Self> {
        let mut refused = None;
        for driver in choice.ladder() {
            match driver.build() {
                Ok(core) => return Ok(core),
                Err(error) => {
                    tracing::debug!(driver = driver.name(), %error, "driver refused");
                    refused = Some(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
    }

    /// What it runs on.
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// Runs `future` and every task that it spawns until `future` ends.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        match &mut self.runtime {
            Inner::Uring(runtime) => runtime.block_on(future),
            Inner::Epoll(runtime) => runtime.block_on(future),
        }
    }
}

impl fmt::Debug for CoreRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreRuntime").field("driver", &self.driver).finish_non_exhaustive()
    }
}
