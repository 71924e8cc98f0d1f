//! Until when this process may write: what the lease hands to everybody who must know.
//!
//! The answer is a comparison with the clock and not a flag. A process that was stopped, swapped out or starved has
//! lost its leadership when it wakes, before it has run a line of the code that renews it.

use std::time::Instant;

use tokio::sync::watch;

use super::Timing;

/// Whether this process is the leader. Cheap to clone; each clone remembers for itself what it was told.
#[derive(Debug, Clone)]
pub struct Leadership {
    until: watch::Receiver<Option<Instant>>,
    told: bool,
}

/// The end that the lease writes to. When it is dropped, leadership lapses at its time.
#[derive(Debug)]
pub(super) struct Term(watch::Sender<Option<Instant>>);

impl Leadership {
    /// Whether this process may write now.
    pub fn is_leader(&self) -> bool {
        self.until().is_some()
    }

    /// Until when this process may write; `None` if it may not. A write that begins before and takes no longer than
    /// [`Timing::grace`](super::Timing::grace) is over before anybody else becomes the leader.
    pub fn until(&self) -> Option<Instant> {
        let until = *self.until.borrow();
        until.filter(|until| Instant::now() < *until)
    }

    /// Makes a write, and gives up on it before anybody else can become the leader. `None`: it was not begun or not
    /// brought to its end.
    pub async fn within<T>(&self, write: impl Future<Output = T>) -> Option<T> {
        let latest = self.until()? + Timing::PRODUCTION.grace();
        tokio::time::timeout_at(latest.into(), write).await.ok()
    }

    /// Waits until the answer of [`is_leader`](Self::is_leader) is another than this clone was told last, at first
    /// `false`, and returns it.
    pub async fn changed(&mut self) -> bool {
        while self.is_leader() == self.told {
            let until = self.until.borrow_and_update().filter(|_| self.told);
            tokio::select! {
                () = renewal(&mut self.until) => {}
                () = lapse(until) => {}
            }
        }
        self.told = !self.told;
        self.told
    }
}

impl Term {
    pub(super) fn new() -> (Self, Leadership) {
        let (term, until) = watch::channel(None);
        (Self(term), Leadership { until, told: false })
    }

    pub(super) fn lasts_until(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }

    /// Ends the term at once. Returns whether there was one.
    pub(super) fn end(&self) -> bool {
        self.0.send_replace(None).is_some()
    }
}

/// Never, once the lease is no longer kept: a term that has begun still lapses at its time.
async fn renewal(until: &mut watch::Receiver<Option<Instant>>) {
    if until.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn lapse(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);
    /// The longest that a test waits.
    const DEADLINE: Duration = Duration::from_secs(10);

    async fn changed(leadership: &mut Leadership) -> Option<bool> {
        tokio::time::timeout(DEADLINE, leadership.changed()).await.ok()
    }

    #[tokio::test]
    async fn nobody_leads_before_the_first_term() {
        let (_term, leadership) = Term::new();
        assert!(!leadership.is_leader());
        assert_eq!(leadership.until(), None);
    }

    #[tokio::test]
    async fn a_term_lapses_without_anybody_saying_so() {
        let (term, mut leadership) = Term::new();
        term.lasts_until(Instant::now() + SHORT);
        assert_eq!(changed(&mut leadership).await, Some(true));
        assert_eq!(changed(&mut leadership).await, Some(false));
        assert!(!leadership.is_leader());
    }

    #[tokio::test]
    async fn a_process_that_slept_through_its_term_is_no_leader_when_it_wakes() {
        let (term, leadership) = Term::new();
        term.lasts_until(Instant::now() + SHORT);
        // Blocks the only thread of this runtime: nothing of ours can run before the question.
        std::thread::sleep(SHORT);
        assert!(!leadership.is_leader());
    }

    #[tokio::test]
    async fn a_term_ends_at_once_when_it_is_ended() {
        let (term, mut leadership) = Term::new();
        term.lasts_until(Instant::now() + LONG);
        assert_eq!(changed(&mut leadership).await, Some(true));
        assert!(term.end());
        assert!(!leadership.is_leader());
        assert_eq!(changed(&mut leadership).await, Some(false));
        assert!(!term.end());
    }

    #[tokio::test]
    async fn a_term_whose_lease_is_gone_still_lapses_at_its_time() {
        let (term, mut leadership) = Term::new();
        term.lasts_until(Instant::now() + SHORT);
        assert_eq!(changed(&mut leadership).await, Some(true));
        drop(term);
        assert_eq!(changed(&mut leadership).await, Some(false));
    }

    #[tokio::test]
    async fn every_clone_is_told() {
        let (term, mut first) = Term::new();
        let mut second = first.clone();
        term.lasts_until(Instant::now() + LONG);
        assert_eq!(changed(&mut first).await, Some(true));
        assert_eq!(changed(&mut second).await, Some(true));
    }
}
