//! Keeps one busy connection from holding a core.
//!
//! epoll's operations end at once as long as there is something to do, and a task that never waits lets nobody else
//! run, not even a timer. So a connection whose operations have not waited for a while is made to. io_uring's
//! operations always wait.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use super::timer::sleep;

/// Operations of a connection that may end at once before it lets others run.
const AT_ONCE_MAX: u32 = 64;
/// The shortest wait that lets everybody run, timers too: a task that only woke itself would be the next one again.
const PAUSE: Duration = Duration::from_millis(1);

/// How long a connection has not waited; shared by its halves.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace(Rc<Cell<u32>>);

impl Pace {
    /// Carries out one operation and notes whether it had to wait.
    pub(super) async fn count<F: Future>(&self, operation: F) -> F::Output {
        let mut operation = pin!(operation);
        let mut waited = false;
        let output = poll_fn(|cx| {
            let poll = operation.as_mut().poll(cx);
            waited |= poll.is_pending();
            poll
        })
        .await;
        self.0.set(if waited { 0 } else { self.0.get() + 1 });
        output
    }

    /// Lets others run when it is time.
    pub(super) async fn rest(&self) {
        if self.0.get() >= AT_ONCE_MAX {
            self.0.set(0);
            sleep(PAUSE).await;
        }
    }
}
