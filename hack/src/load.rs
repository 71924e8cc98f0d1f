//! The load client: a number of requests over a number of kept-alive connections, one thread each.
//!
//! Closed loop: a connection sends its next request when the last one was answered, as the seed's `fortio load` does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http_client::Connection;

/// What was sent and what came back.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Answers by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Requests without an answer, in words.
    pub errors: Vec<String>,
    /// Time from request to answer of every answered request, ascending.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    /// Requests sent.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.latencies.len() + self.errors.len()
    }

    /// The latency that `percent` of the answers do not exceed, by nearest rank; zero without answers.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        percentile(&self.latencies, percent)
    }

    fn merge(mut self, other: Self) -> Self {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.errors.extend(other.errors);
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self
    }
}

/// The nearest-rank percentile of ascending values; zero when there are none.
#[must_use]
pub fn percentile(ascending: &[Duration], percent: usize) -> Duration {
    let rank = (ascending.len() * percent).div_ceil(100);
    ascending.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Sends `requests` GETs of `target` over `connections` connections.
#[must_use]
pub fn send(address: SocketAddr, target: &str, requests: usize, connections: usize) -> Outcome {
    let left = AtomicUsize::new(requests);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    send_while(address, target, connections, &take)
}

/// Keeps `connections` connections busy with GETs of `target` while `work` is done.
pub fn during<T>(
    address: SocketAddr,
    target: &str,
    connections: usize,
    work: impl FnOnce() -> T,
) -> (T, Outcome) {
    let over = AtomicBool::new(false);
    let more = || !over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let load = scope.spawn(|| send_while(address, target, connections, &more));
        let ending = SetOnDrop(&over);
        let done = work();
        drop(ending);
        (done, load.join().unwrap_or_else(|_| panicked()))
    })
}

/// Ends the load also when the work panics: the scope would wait for it for ever.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends GETs of `target` over `connections` connections as long as `more` says so.
fn send_while(
    address: SocketAddr,
    target: &str,
    connections: usize,
    more: &(dyn Fn() -> bool + Sync),
) -> Outcome {
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..connections).map(|_| scope.spawn(move || one(address, target, more))).collect();
        let outcomes = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked()));
        outcomes.fold(Outcome::default(), Outcome::merge)
    })
}

fn panicked() -> Outcome {
    Outcome { errors: vec!["the load client panicked".to_owned()], ..Outcome::default() }
}

/// One connection; opened again after an error, which is counted.
fn one(address: SocketAddr, target: &str, more: &(dyn Fn() -> bool + Sync)) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    while more() {
        let started = Instant::now();
        let answer = exchange(&mut connection, address, target);
        match answer {
            Ok(status) => {
                *outcome.statuses.entry(status).or_default() += 1;
                outcome.latencies.push(started.elapsed());
            }
            Err(error) => {
                connection = None;
                outcome.errors.push(format!("{error:#}"));
            }
        }
    }
    outcome
}

fn exchange(connection: &mut Option<Connection>, address: SocketAddr, target: &str) -> anyhow::Result<u16> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(address)?,
    };
    let response = open.get(target)?;
    if response.header("connection") != Some("close") {
        *connection = Some(open);
    }
    Ok(response.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;

    #[test]
    fn percentiles_are_nearest_rank() {
        let ms = |n| Duration::from_millis(n);
        let values: Vec<_> = (1..=100).map(ms).collect();
        assert_eq!(percentile(&values, 50), ms(50));
        assert_eq!(percentile(&values, 99), ms(99));
        assert_eq!(percentile(&values[..3], 99), ms(3));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn every_request_is_sent_once_and_counted_by_status() {
        let backend = Backend::start(0, 1).unwrap();
        let outcome = send(backend.address(), "/echo?status=503:10", 100, 10);
        assert_eq!(outcome.requests(), 100);
        assert_eq!(outcome.errors, Vec::<String>::new());
        assert_eq!(backend.attempts(), 100);
        let seen: BTreeMap<u16, usize> =
            backend.statuses().into_iter().map(|(status, count)| (status, count as usize)).collect();
        assert_eq!(outcome.statuses, seen);
    }

    #[test]
    fn the_same_seed_gives_the_same_number_of_failures() {
        let failures = |seed| {
            let backend = Backend::start(0, seed).unwrap();
            let outcome = send(backend.address(), "/echo?status=503:10", 200, 10);
            outcome.statuses.get(&503).copied().unwrap_or_default()
        };
        let first = failures(7);
        assert!((1..60).contains(&first));
        assert_eq!(first, failures(7));
    }

    #[test]
    fn a_refused_connection_is_an_error_for_each_request() {
        let gone = Backend::start(0, 1).unwrap().address();
        let outcome = send(gone, "/", 3, 1);
        assert_eq!(outcome.errors.len(), 3);
    }
}
