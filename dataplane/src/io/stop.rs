//! Ending a read that waits, without losing what it reads: the buffer comes back, and bytes that have not arrived yet
//! stay in the socket.

use std::fmt;

use monoio::io::{CancelHandle, Canceller};

/// Ends the reads that carry its [`Stop`]. Dropping it ends nothing.
pub struct Stopper(Canceller);

/// Carried by reads that may be ended.
#[derive(Clone)]
pub struct Stop(CancelHandle);

impl Stopper {
    /// A stopper, and what its reads carry.
    pub fn new() -> (Self, Stop) {
        let canceller = Canceller::new();
        let stop = Stop(canceller.handle());
        (Self(canceller), stop)
    }

    /// Ends the reads that are waiting and those to come.
    pub fn stop(self) {
        self.0.cancel();
    }
}

impl Stop {
    pub(super) fn handle(&self) -> CancelHandle {
        self.0.clone()
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopper")
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}
