//! Tasks whose panics stay their own.
//!
//! The runtime does not catch a task's panic: it would unwind through the event loop and end the core with every
//! connection on it. Here it ends the task alone.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// Runs `future` on this core, detached. Calls `on_panic` when it panics; the task's values are dropped first.
pub fn spawn(future: impl Future<Output = ()> + 'static, on_panic: impl FnOnce() + 'static) {
    // Boxed here: the task would hold the future twice, as what it captured and as what it awaits.
    let future = Box::pin(future);
    monoio::spawn(async move {
        if contain(future).await.is_err() {
            on_panic();
        }
    });
}

/// Ends with an error when `future` panics.
async fn contain<F: Future>(mut future: Pin<Box<F>>) -> Result<F::Output, Panicked> {
    // Sound to go on after a panic: the future is never polled again and owns what it was working on; what it
    // shares with the core are counters and pools whose updates are single steps.
    let result = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(_) => Poll::Ready(Err(Panicked)),
    })
    .await;
    // A destructor may panic as well.
    catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(|_| Panicked)?;
    result
}

#[derive(Debug)]
struct Panicked;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::io::driver::{Choice, CoreRuntime};
    use crate::io::timer;

    #[test]
    fn a_panicking_task_leaves_the_core_and_its_other_tasks_running() {
        let panics = Rc::new(Cell::new(0));
        let finished = Rc::new(Cell::new(false));
        CoreRuntime::new(Choice::Auto).unwrap().block_on(async {
            for _ in 0..3 {
                let panics = panics.clone();
                spawn(async { panic!("injected") }, move || panics.set(panics.get() + 1));
            }
            let flag = finished.clone();
            spawn(
                async move {
                    timer::sleep(std::time::Duration::from_millis(5)).await;
                    flag.set(true);
                },
                || {},
            );
            while panics.get() < 3 || !finished.get() {
                timer::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        assert_eq!(panics.get(), 3);
    }
}
