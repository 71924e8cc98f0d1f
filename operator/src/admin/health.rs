//! What probes are told: whether the process is alive, and whether it is of use.
//!
//! Alive means that the controller's loop goes round. Ready means that every part that somebody announced has come.
//! Leadership has to do with neither: a replica that waits for the lease is alive, and answers admission reviews.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the controller may go without a beat before it counts as stuck. Every request that it makes is bounded by
/// far less.
pub const BEAT_MAX: Duration = Duration::from_secs(120);

/// The health of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<State>>);

/// Something that must be there before this process is ready.
#[derive(Debug)]
pub struct Part {
    health: Health,
    name: String,
}

#[derive(Debug)]
struct State {
    beat: Instant,
    /// What was announced, and whether it is there.
    parts: BTreeMap<String, bool>,
    is_stopping: bool,
}

impl Default for Health {
    /// The health of a process that starts now: alive, and not ready before a part is.
    fn default() -> Self {
        let state = State { beat: Instant::now(), parts: BTreeMap::new(), is_stopping: false };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Health {
    /// Announces something that must be there first, such as `first list of HTTPRoute`.
    pub fn part(&self, name: &str) -> Part {
        self.state().parts.insert(name.into(), false);
        Part { health: self.clone(), name: name.into() }
    }

    /// The controller's loop has gone round.
    pub fn beat(&self) {
        self.state().beat = Instant::now();
    }

    /// The process stops: nobody should send it anything.
    pub fn stop(&self) {
        self.state().is_stopping = true;
    }

    /// What is wrong with the life of this process at `now`.
    pub(super) fn stuck(&self, now: Instant) -> Result<(), String> {
        let silent = now.saturating_duration_since(self.state().beat);
        if silent <= BEAT_MAX {
            return Ok(());
        }
        Err(format!(
            "the controller is stuck since {} s; {} s are allowed",
            silent.as_secs(),
            BEAT_MAX.as_secs()
        ))
    }

    /// What keeps this process from being ready, one thing a line.
    pub(super) fn missing(&self) -> Result<(), String> {
        let state = self.state();
        if state.is_stopping {
            return Err("stopping".into());
        }
        if state.parts.is_empty() {
            return Err("starting".into());
        }
        let missing = state.parts.iter().filter(|(_, is_there)| !**is_there);
        let missing: Vec<_> = missing.map(|(name, _)| format!("waiting for {name}")).collect();
        if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    }

    /// Every write is whole in itself, so that a panic elsewhere leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// It is there.
    pub fn came(&self) {
        self.set(true);
    }

    /// It is no longer there.
    pub fn went(&self) {
        self.set(false);
    }

    fn set(&self, is_there: bool) {
        self.health.state().parts.insert(self.name.clone(), is_there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_without_a_beat_is_stuck_after_the_limit() {
        let health = Health::default();
        let now = Instant::now();
        assert_eq!(health.stuck(now), Ok(()));
        let late = now + BEAT_MAX + Duration::from_secs(1);
        assert!(health.stuck(late).unwrap_err().contains("120 s are allowed"));
        health.beat();
        assert_eq!(health.stuck(Instant::now() + BEAT_MAX / 2), Ok(()));
    }

    #[test]
    fn a_process_is_ready_when_every_part_has_come() {
        let health = Health::default();
        assert_eq!(health.missing(), Err("starting".into()));
        let [list, certificate] = ["first list of Gateway", "certificate"].map(|name| health.part(name));
        assert_eq!(
            health.missing(),
            Err("waiting for certificate\nwaiting for first list of Gateway".into())
        );
        list.came();
        assert_eq!(health.missing(), Err("waiting for certificate".into()));
        certificate.came();
        assert_eq!(health.missing(), Ok(()));
        certificate.went();
        assert_eq!(health.missing(), Err("waiting for certificate".into()));
    }

    #[test]
    fn a_process_that_stops_is_not_ready() {
        let health = Health::default();
        health.part("anything").came();
        health.stop();
        assert_eq!(health.missing(), Err("stopping".into()));
    }
}
