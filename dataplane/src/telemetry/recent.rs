//! The last requests that were retried or failed, for the live page.

#![expect(clippy::disallowed_types, reason = "between two threads that are no cores")]

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests that are kept.
pub const RECENT_MAX: usize = 100;

/// The last requests, each as an object of the access log.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<String>>);

impl Recent {
    /// JSON objects, newest first.
    pub fn newest_first(&self) -> Vec<String> {
        self.lock().iter().rev().cloned().collect()
    }

    fn keep(&self, line: String) {
        let mut kept = self.lock();
        if kept.len() >= RECENT_MAX {
            kept.pop_front();
        }
        kept.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        // What a thread left behind that panicked is a list all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps what cores send, until all of them have ended.
pub fn run(recent: &Recent, lines: &flume::Receiver<Vec<u8>>) {
    for line in lines {
        if let Ok(line) = String::from_utf8(line) {
            recent.keep(line.trim_end().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_requests_are_kept_and_come_first() {
        let (sender, lines) = flume::unbounded();
        (0..RECENT_MAX + 2).for_each(|number| sender.send(format!("{number}\n").into()).unwrap());
        drop(sender);
        let recent = Recent::default();
        run(&recent, &lines);
        let kept = recent.newest_first();
        assert_eq!((kept.len(), kept[0].as_str(), kept[RECENT_MAX - 1].as_str()), (RECENT_MAX, "101", "2"));
    }
}
