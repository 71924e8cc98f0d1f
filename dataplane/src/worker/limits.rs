//! What clients may take of a core, as far as whoever runs the process decides about it. Other bounds are constants.

use std::time::Duration;

use crate::http::h1::limits::HEAD_MAX_BYTES;

/// The smallest head that can be a bound: browsers with a few cookies need more.
const HEAD_MIN_BYTES: i64 = 1024;
/// The longest time: an hour.
const TIMEOUT_MAX_MS: i64 = 60 * 60 * 1000;

/// Bounds for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Limits {
    /// Client connections of each core. Further ones wait in the kernel's queue.
    #[arg(long, env = "REBOUND_CONNECTIONS", value_name = "N", default_value_t = 20_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// Bytes of a request's head. A longer one is answered with 431.
    #[arg(long, env = "REBOUND_REQUEST_HEAD_BYTES", value_name = "N", default_value_t = HEAD_MAX_BYTES as u32,
        value_parser = clap::value_parser!(u32).range(HEAD_MIN_BYTES..=HEAD_MAX_BYTES as i64))]
    pub request_head_bytes: u32,
    /// A request's head must be complete so many milliseconds after its first byte, however it trickles in. One that is
    /// not is answered with 408.
    #[arg(long, env = "REBOUND_REQUEST_HEAD_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000,
        value_parser = timeout())]
    pub request_head_timeout_ms: u32,
    /// A client connection without a request is closed after so many milliseconds.
    #[arg(long, env = "REBOUND_CLIENT_IDLE_TIMEOUT_MS", value_name = "MS", default_value_t = 75_000,
        value_parser = timeout())]
    pub client_idle_timeout_ms: u32,
    /// A draining core ends after so many milliseconds, whatever is still running.
    #[arg(long, env = "REBOUND_DRAIN_TIMEOUT_MS", value_name = "MS", default_value_t = 25_000,
        value_parser = timeout())]
    pub drain_timeout_ms: u32,
}

impl Limits {
    /// For the whole head of a request, from its first byte.
    pub fn request_head(&self) -> Duration {
        Duration::from_millis(self.request_head_timeout_ms.into())
    }

    /// For the next request on a connection.
    pub fn client_idle(&self) -> Duration {
        Duration::from_millis(self.client_idle_timeout_ms.into())
    }

    /// For requests in flight when the process is told to go.
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms.into())
    }
}

fn timeout() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=TIMEOUT_MAX_MS)
}
