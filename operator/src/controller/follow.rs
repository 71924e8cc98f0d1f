//! Which change wakes which part of the walk.

use std::time::Instant;

use super::Walk;
use crate::build::Owner;
use crate::live::watch::Seen;
use crate::observe::cluster::Stir;
use crate::telemetry::metrics::Stage;
use crate::telemetry::spans::timed;
use crate::validate;

/// What a round has left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Something could not be written.
    pub failed: bool,
    /// When something that waits may be written; none: nothing waits.
    pub due: Option<Instant>,
}

impl Walk {
    /// Takes note of what a watch has seen, and of what that asks for.
    pub fn note(&mut self, seen: Seen, stir: &mut Stir) {
        self.source.note(seen, stir);
    }

    /// Takes up what an earlier leader has written.
    pub fn recall(&mut self) {
        self.sink.recall(self.source.live());
        self.board.forget(self.source.live());
    }

    /// Everything that may have changed while another replica wrote.
    pub fn stir_all(&self, stir: &mut Stir) {
        stir.world = true;
        stir.endpoints = self.source.services();
    }

    /// Whether the class that the operator brings along is not there.
    pub fn lacks_class(&self) -> bool {
        !self.source.has_class(&self.install.class)
    }

    /// What is to own the class from now on.
    pub fn owned_by(&mut self, owner: Option<Owner>) {
        self.install.owner = owner;
    }

    /// Does what a number of changes asks for: everything, or as little as will do. Whoever calls it gives it a span.
    /// `is_again`: it is time to try again what has failed.
    pub async fn follow(&mut self, stir: &Stir, is_again: bool) -> Left {
        if stir.fleets || stir.world {
            self.source.look_at_fleets();
        }
        self.sink.forget_gone(&stir.touched, self.source.live());
        if stir.world || (is_again && self.sink.is_behind()) {
            self.all_and_tell().await;
        } else if stir.fleets {
            self.follow_fleets();
        }
        if !stir.endpoints.is_empty() {
            // Also after everything else: a Gateway that is refused keeps its configuration, and its endpoints move.
            if self.follow_endpoints(&stir.endpoints).await {
                self.all_and_tell().await;
            }
        }
        self.sink.repair(&stir.touched, is_again, self.source.live()).await;
        if stir.fleets {
            let seen = self.source.observe(validate::object::admit);
            let gone = seen.world.fleets.iter().map(|(gateway, fleet)| (gateway, fleet.gone()));
            self.sink.sweep(gone, seen.live).await;
        }
        let started = || self.board.write(&stir.touched, self.source.live());
        let left = timed(&self.metrics, Stage::Status, started);
        let due = [left.due, self.sink.due()].into_iter().flatten().min();
        Left { failed: left.failed || self.sink.is_behind(), due }
    }

    async fn all_and_tell(&mut self) {
        // A cluster's board takes everything; only a file can fail.
        if let Ok(round) = self.everything().await {
            self.tell(round.lines);
        }
    }

    /// Logs what has not been said before.
    fn tell(&mut self, lines: Vec<String>) {
        for line in lines.iter().filter(|line| !self.told.contains(line)) {
            tracing::warn!("{line}");
        }
        self.told = lines;
    }
}
