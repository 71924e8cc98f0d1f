//! One round of the walk. The table of contents of this crate: each line is a room.

mod follow;

pub use follow::Left;

use std::collections::BTreeSet;
use std::sync::Arc;

use rebound_api::name::ObjectKey;
use tracing::Instrument;

use crate::apply::Sink;
use crate::build::{self, Applied, Config, Desired, Install};
use crate::observe::files::finding::Finding;
use crate::observe::{Observation, Source};
use crate::status::Board;
use crate::status::conditions::{self, progress::Needs, progress::Outcome};
use crate::status::document::StatusList;
use crate::status::file::StatusError;
use crate::telemetry::metrics::{Metrics, Scope, Stage};
use crate::telemetry::spans::{self, timed, timed_async};
use crate::translate;
use crate::validate::{self, verdict::Verdicts};

/// The two ends of the walk, and what the last round came to.
#[derive(Debug)]
pub struct Walk {
    pub source: Source,
    pub sink: Sink,
    pub board: Board,
    install: Install,
    metrics: Arc<Metrics>,
    judged: validate::Memory,
    translated: translate::Memory,
    said: conditions::Memory,
    needs: Needs,
    verdicts: Verdicts,
    applied: Vec<Desired<Applied>>,
    told: Vec<String>,
}

/// What a round has to tell.
#[derive(Debug)]
pub struct Round {
    pub status: StatusList,
    pub findings: Vec<Finding>,
    /// Everything that the user should be told, a line for each.
    pub lines: Vec<String>,
}

impl Walk {
    pub fn new(source: Source, sink: Sink, board: Board, install: Install, metrics: Arc<Metrics>) -> Self {
        let (judged, translated, said, needs, verdicts, applied, told) = <_>::default();
        Self {
            source,
            sink,
            board,
            install,
            metrics,
            judged,
            translated,
            said,
            needs,
            verdicts,
            applied,
            told,
        }
    }

    /// What the last round came to.
    pub fn applied(&self) -> &[Desired<Applied>] {
        &self.applied
    }

    /// Looks at what exists and makes everything so.
    pub async fn reconcile(&mut self) -> Result<Round, StatusError> {
        self.everything().instrument(spans::reconcile(Scope::All)).await
    }

    async fn everything(&mut self) -> Result<Round, StatusError> {
        let metrics = &self.metrics;
        let seen = timed(metrics, Stage::Observe, || self.source.observe(validate::object::admit));
        let class =
            build::class::gateway_class(&seen.world.around, &self.install.class, self.install.owner.as_ref());
        self.sink.keep(class, seen.live).await;
        let foreign = build::class::foreign(&seen.world.around, &self.install.class);
        self.board.warn_of_class(&self.install.class, foreign.as_deref(), seen.live);
        let decided = || validate::decide(seen.world, &mut self.judged);
        let (accepted, mut verdicts) = timed(metrics, Stage::Validate, decided);
        verdicts.notes.extend(foreign);
        let translated = || translate::snapshots(seen.world, &accepted, &mut self.translated);
        let snapshots = timed(metrics, Stage::Translate, translated);
        let current = self.sink.current();
        let built = || build::resources(&accepted, snapshots, current, &self.install);
        let prepared = timed(metrics, Stage::Build, built);
        self.applied = timed_async(metrics, Stage::Apply, self.sink.apply(prepared, seen.live)).await;
        self.needs.note(&verdicts, &self.applied);
        self.verdicts = verdicts;
        let outcome = outcome(&self.verdicts, &self.applied, &seen, &self.needs);
        let statuses = conditions::statuses(&outcome, &mut self.said);
        let status = StatusList::new(statuses, &seen.findings, &self.verdicts.notes);
        timed(metrics, Stage::Status, || self.board.want(&status))?;
        let lines = lines(&seen.findings, &self.verdicts.notes, &self.applied);
        Ok(Round { status, findings: seen.findings, lines })
    }

    /// Only endpoints have changed: nothing has to be decided anew. Says whether there is something new to tell about
    /// a Gateway: that it cannot have them, or that it can again.
    pub async fn follow_endpoints(&mut self, services: &BTreeSet<ObjectKey>) -> bool {
        let seen = self.source.observe(validate::object::admit);
        let refresh = |snapshot: &mut _| translate::move_endpoints(seen.world, snapshot, services);
        let amended = self.sink.amend(refresh, seen.live);
        let changed = timed_async(&self.metrics, Stage::Apply, amended).await;
        let is_refused =
            |key: &ObjectKey| self.applied.iter().any(|it| it.gateway == *key && it.is_refused());
        let is_still_refused = |key: &ObjectKey| changed.contains(&(key.clone(), false));
        // What a Gateway has may have stayed as it is, and what it lacks may have become little enough.
        let mut too_much = self.applied.iter().filter(|it| it.is_too_much());
        changed.iter().any(|(key, is_given)| *is_given == is_refused(key))
            || too_much.any(|it| !is_still_refused(&it.gateway))
    }

    /// Only what is seen of data planes has changed.
    pub fn follow_fleets(&mut self) {
        let seen = self.source.observe(validate::object::admit);
        let outcome = outcome(&self.verdicts, &self.applied, &seen, &self.needs);
        self.board.want_also(conditions::of_progress(&outcome));
    }
}

fn outcome<'a>(
    verdicts: &'a Verdicts,
    applied: &'a [Desired<Applied>],
    seen: &'a Observation<'_>,
    needs: &'a Needs,
) -> Outcome<'a> {
    Outcome { verdicts, applied, fleets: &seen.world.fleets, needs }
}

fn lines(findings: &[Finding], notes: &[String], applied: &[Desired<Applied>]) -> Vec<String> {
    let kept = applied.iter().filter_map(|it| match &it.config {
        Config::Refused { message } | Config::TooMuch { message } | Config::Pending { message } => {
            Some(format!("Gateway {} keeps what it has: {message}", it.gateway))
        }
        Config::Unchanged(_) | Config::Changed { .. } => None,
    });
    findings.iter().map(ToString::to_string).chain(notes.iter().cloned()).chain(kept).collect()
}
